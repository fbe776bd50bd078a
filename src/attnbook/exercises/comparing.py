"""Compare a learner's answer with the right one, and name the slip behind a known wrong one."""

from collections.abc import Callable, Iterable
from itertools import permutations
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from attnbook.exercises.running import run, shape, shapes_of
from attnbook.exercises.verdict import Unfinished, Wrong

TOLERANCE = {"rtol": 1e-3, "atol": 1e-4}  # generous to float32 and to another order of summing


class Slip(NamedTuple):
    """A known wrong answer: what to tell the learner, and the functions that give the same wrong result."""

    words: str
    wrongs: tuple[Callable, ...]


def slip(words: str, *wrongs: Callable) -> Slip:
    return Slip(words, wrongs)


def random(*sizes: int, seed: int) -> Tensor:
    """Normal random numbers that leave the reader's random state alone, and that no usual seed gives."""
    return torch.randn(*sizes, generator=torch.Generator().manual_seed(271_828_182 + seed))


def judge_function(
    answer,
    *,
    call: str,
    cases: Iterable[dict],
    right: Callable,
    returns: dict[str, str],
    slips: Iterable[Slip] = (),
) -> str:
    """Run `answer` on every case and compare what it returns with `right`; return a note, or raise `Wrong`.

    `call` shows how the function is called; `returns` names each result with its shape in letters.
    """
    function, changed = as_function(answer, call), set()
    for inputs in cases:
        result, touched = run(function, inputs, call)
        changed |= touched
        got = read_results(result, tuple(returns))
        wanted = _tuple(right(**{name: _double(value) for name, value in inputs.items()}))
        if not all(map(same, got, wanted)):
            raise Wrong(diagnose(got, wanted, inputs, returns, slips))
    if not changed:
        return ""
    names = ", ".join(f"`{name}`" for name in sorted(changed))
    return (
        f"One thing: your code changes {names} in place, and whoever calls it will be surprised. Work "
        "on new tensors."
    )


def as_function(answer, call: str) -> Callable:
    """The learner's function; a class is made into an object first."""
    name = call.split("(")[0]
    if answer is ... or answer is None:
        raise Unfinished(f"`{name}` is still missing.")
    if isinstance(answer, type):
        answer, _ = run(answer, {}, f"{answer.__name__}()")
    if not callable(answer):
        raise Wrong(
            f"This exercise wants a function, and got {describe(answer)}. Pass the function itself, "
            f"without calling it: `{name}`, not `{call}`."
        )
    return answer


def read_results(result, names: tuple[str, ...]) -> list[Tensor]:
    """The tensors that a function returned, in the order of `names`; more than was asked for does no harm."""
    if isinstance(result, dict) and set(names) <= set(result):
        result = tuple(result[name] for name in names)
    if len(names) == 1:
        return [read_tensor(result[0] if isinstance(result, tuple) and result else result, names[0])]
    if not isinstance(result, tuple | list) or len(result) < len(names):
        raise Wrong(
            f"Your function returned {describe(result)}; wanted {len(names)} things: {', '.join(names)}."
        )
    return [read_tensor(part, name) for part, name in zip(result, names, strict=False)]


def read_tensor(value, name: str) -> Tensor:
    """A tensor from whatever holds numbers: torch, numpy, nested lists, a number."""
    if value is ...:
        raise Unfinished(f"`{name}` is still `...`.")
    if value is None:
        raise Wrong(f"Your function returned None for the {name}. Does it end with `return`?")
    try:
        return _as_tensor(value)
    except Exception:
        raise Wrong(f"The {name} should be a tensor, and is {describe(value)}.") from None


def _as_tensor(value) -> Tensor:
    if isinstance(value, list | tuple) and any(isinstance(item, list | tuple | Tensor) for item in value):
        return torch.stack([_as_tensor(item) for item in value])
    if isinstance(value, str) or (isinstance(value, Tensor | np.ndarray) and "complex" in str(value.dtype)):
        raise TypeError
    return torch.as_tensor(value).detach().cpu().to(torch.float64)


def same(got: Tensor, wanted: Tensor) -> bool:
    return got.shape == wanted.shape and torch.allclose(got, wanted.double(), equal_nan=True, **TOLERANCE)


def diagnose(got: list[Tensor], wanted: tuple[Tensor, ...], inputs: dict, returns: dict, slips) -> str:
    """Words for a wrong answer: the slip that gives the same numbers, or what can be seen from outside."""
    for words, wrongs in slips:
        for wrong in wrongs:
            if _gives(wrong, inputs, got):
                return words
    seen = (_look(*pair, inputs) for pair in zip(returns.items(), got, wanted, strict=True))
    return next(words for words in seen if words)


def _gives(wrong: Callable, inputs: dict, got: list[Tensor]) -> bool:
    try:
        return all(map(same, got, _tuple(wrong(**inputs))))
    except (RuntimeError, IndexError, ValueError):  # this slip cannot happen on these shapes
        return False


def _look(named: tuple[str, str], got: Tensor, wanted: Tensor, inputs: dict) -> str:
    name, letters = named
    if same(got, wanted):
        return ""
    if len(set(got.shape)) > 1:
        for order in permutations(range(got.dim())):
            if got.dim() == wanted.dim() and same(got.permute(order), wanted):
                return (
                    f"The numbers are right, but the axes of `{name}` stand in another order: wanted "
                    f"{letters}, here {shape(wanted)}; yours is {shape(got)}."
                )
    if got.shape != wanted.shape:
        shapes = shapes_of(inputs)
        words = f"`{name}` has shape {shape(got)}; wanted {letters}, here {shape(wanted)}."
        return f"{words}\n\nThe inputs: {shapes}." if shapes else words
    if not got.isfinite().all():
        return (
            f"`{name}` holds NaN or infinity: {int((~got.isfinite()).sum())} of {got.numel()} "
            "numbers. NaN often comes from 0/0, or from a softmax over nothing but -inf."
        )
    if got.dim() > 1 and len(got) > 1 and same(got[0], wanted[0]):
        return (
            f"`{name}` is right for batch item 0 and wrong for the others: did you use item 0 only, "
            "as in `query[0]`? Keep the batch axis."
        )
    place = np.unravel_index(int((got - wanted).abs().argmax()), tuple(got.shape))
    where = ", ".join(str(int(index)) for index in place)
    return (
        f"`{name}` has the right shape, but other numbers: at [{where}] it is {got[place]:.4g}, "
        f"wanted {wanted[place]:.4g}. Try your code on numbers small enough to follow by hand."
    )


def describe(value) -> str:
    """What a learner passed, in a few words."""
    if isinstance(value, Tensor):
        return f"a tensor of shape {shape(value)}"
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}"
    if callable(value):
        return "a function that has not been called"
    words = repr(value)
    return f"{words if len(words) <= 60 else words[:60] + ' …'} ({type(value).__name__})"


def _tuple(value) -> tuple:
    return value if isinstance(value, tuple) else (value,)


def _double(value):
    return value.double() if isinstance(value, Tensor) and value.is_floating_point() else value
