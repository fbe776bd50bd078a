"""Chapter 1: how many convolutions a window takes."""

import math
from collections.abc import Callable

import torch

from attnbook.exercises.comparing import judge_function, slip
from attnbook.exercises.registry import exercise

# --- 1.3 ---------------------------------------------------------------------------------------------------


def _layers(length: int, kernel: int) -> torch.Tensor:
    return torch.tensor(math.ceil((length - 1) / (kernel - 1)))


def _of(formula: Callable[[int, int], float]) -> Callable:
    """A formula as a function of the exercise's arguments that gives a tensor."""
    return lambda length, kernel: torch.tensor(float(formula(length, kernel)))


LAYER_SLIPS = (
    slip(
        "For a single word no layer is needed: n = 0 gives a window of 1.",
        _of(lambda length, kernel: max(1, math.ceil((length - 1) / (kernel - 1)))),
    ),
    slip(
        "You rounded down. 1 + n·(k − 1) must reach the length: one layer too few leaves words unseen.",
        _of(lambda length, kernel: (length - 1) // (kernel - 1)),
    ),
    slip(
        "You divided by k. Each layer adds k − 1 words to the window: one place was there before.",
        _of(lambda length, kernel: math.ceil(length / kernel)),
        _of(lambda length, kernel: math.ceil((length - 1) / kernel)),
    ),
    slip(
        "One word too many: with no layer at all, the window already holds the word itself. Only "
        "length − 1 words are left to cover.",
        _of(lambda length, kernel: math.ceil(length / (kernel - 1))),
    ),
    slip(
        "This is the number that logarithms give, as if each layer made the window k times as wide. It adds "
        "k − 1 words each time and no more: the growth is linear.",
        _of(lambda length, kernel: math.ceil(math.log(length, kernel))),
        _of(lambda length, kernel: math.ceil(math.log2(length))),
    ),
    slip(
        "You counted the way from one end to the other, to one side only. Here the window as a whole, both "
        "sides together, has to hold `length` words.",
        _of(lambda length, kernel: math.ceil((length - 1) / (kernel // 2))),
    ),
    slip(
        "This is the window of `length` layers. The question runs the other way: how many layers for a "
        "window of that length?",
        _of(lambda length, kernel: 1 + length * (kernel - 1)),
    ),
    slip(
        "This is the quotient, not rounded. Layers come whole: round up.",
        _of(lambda length, kernel: (length - 1) / (kernel - 1)),
    ),
)


@exercise(
    "1.3",
    "How many layers?",
    task=(
        "write `layers_needed(length, kernel)`, the smallest number of stacked convolutions whose window, "
        "1 + n(k − 1) words, holds `length` words."
    ),
    praise=(
        "Twice the length needs twice the layers. A Transformer of six layers sees any length that fits into "
        "memory; six convolutions of kernel 3 see 13 words."
    ),
)
def layers_needed(answer) -> str:
    cases = [(101, 5), (102, 5), (100, 5), (30, 3), (12, 7), (2, 3), (1, 3), (512, 9)]
    return judge_function(
        answer,
        call="layers_needed(length, kernel)",
        cases=[{"length": length, "kernel": kernel} for length, kernel in cases],
        right=_layers,
        returns={"layers": "a number"},
        slips=LAYER_SLIPS,
    )
