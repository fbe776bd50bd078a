"""Chapter 7: positions as waves, and as rotations."""

import math

import torch
from torch import Tensor

from attnbook.embeddings import sinusoids
from attnbook.exercises.old import exercise, judge_function, random, slip

# --- 7.5 ---------------------------------------------------------------------------------------------------


def _waves(length: int, d_model: int, *, exponent=None, base=10000.0, start=0) -> tuple[Tensor, Tensor]:
    """Sines and cosines `(T, D / 2)`; `exponent` of each pair, by default that of the paper."""
    pair = torch.arange(d_model // 2, dtype=torch.float64)
    position = torch.arange(start, start + length, dtype=torch.float64)[:, None]
    angle = position * base ** -(2 * pair / d_model if exponent is None else exponent(pair))
    return angle.sin(), angle.cos()


def _woven(sines: Tensor, cosines: Tensor) -> Tensor:
    return torch.stack((sines, cosines), dim=-1).flatten(-2)  # (T, D)


def _columns(length: int, d_model: int, exponent) -> Tensor:
    """A frequency for every column of its own, sines and cosines in turn."""
    column = torch.arange(d_model)
    angle = torch.arange(length).double()[:, None] * 10000.0 ** -exponent(column.double())
    return torch.where(column % 2 == 0, angle.sin(), angle.cos())


WAVE_SLIPS = (
    slip(
        "All the right numbers, but sines in the left half and cosines in the right. The paper lets them "
        "take "
        "turns: sin, cos, sin, cos, … A model trained by itself would not mind; weights trained with the "
        "one "
        "order do not work with the other.",
        lambda length, d_model: torch.cat(_waves(length, d_model), dim=-1),
    ),
    slip(
        "Every column turns at a speed of its own, so no sine has its cosine. A hand is a *pair*: columns "
        "2i "
        "and 2i + 1 share ω_i = 10000^(-2i/D).",
        lambda length, d_model: _columns(length, d_model, lambda column: column / d_model),
        lambda length, d_model: _columns(length, d_model, lambda column: 2 * column / d_model),
    ),
    slip(
        "The exponent is i / D; it is 2i / D, where i numbers the pairs from 0 to D/2 - 1. Your slowest "
        "hands "
        "are too fast.",
        lambda length, d_model: _woven(*_waves(length, d_model, exponent=lambda pair: pair / d_model)),
    ),
    slip(
        "Your exponents run from 0 to exactly 1. Some programs do so; the paper's are 2i / D, and stop "
        "short "
        "of 1.",
        lambda length, d_model: _woven(
            *_waves(length, d_model, exponent=lambda pair: pair / torch.tensor(d_model / 2 - 1))
        ),
        lambda length, d_model: torch.cat(
            _waves(length, d_model, exponent=lambda pair: pair / torch.tensor(d_model / 2 - 1)), dim=-1
        ),
    ),
    slip(
        "Your first position is 1. Positions count from 0: the first row is 0, 1, 0, 1, …",
        lambda length, d_model: _woven(*_waves(length, d_model, start=1)),
    ),
    slip(
        "Sine and cosine have changed places: the sine stands in column 2i, the cosine in 2i + 1.",
        lambda length, d_model: _woven(*reversed(_waves(length, d_model))),
    ),
    slip(
        "Your hands get faster from left to right: you multiplied by 10000^(2i/D). Divide by it.",
        lambda length, d_model: _woven(*_waves(length, d_model, base=1e-4)),
    ),
    slip(
        "Another base: it is 10000.",
        lambda length, d_model: _woven(*_waves(length, d_model, base=1000.0)),
        lambda length, d_model: _woven(*_waves(length, d_model, base=100.0)),
        lambda length, d_model: _woven(*_waves(length, d_model, base=math.e)),
    ),
    slip(
        "Only sines, or only cosines: each hand needs both, or its angle cannot be told.",
        lambda length, d_model: _woven(*[_waves(length, d_model)[0]] * 2),
        lambda length, d_model: _woven(*[_waves(length, d_model)[1]] * 2),
    ),
    slip(
        "You multiplied by √d_model. That factor is for the embeddings.",
        lambda length, d_model: _woven(*_waves(length, d_model)) * math.sqrt(d_model),
    ),
)


@exercise(
    "7.5",
    "Sinusoidal positions",
    task=(
        "write `positions(length, d_model)` for an even d_model: the table `(length, d_model)` of "
        "formulas 7.4 "
        "and 7.5, sine in column 2i and cosine in column 2i + 1."
    ),
    praise="Your table is the paper's, number by number: its neighbours share one dot product at any place, "
    "and a shift by k is one matrix.",
)
def positions(answer) -> str:
    return judge_function(
        answer,
        call="positions(length, d_model)",
        cases=[{"length": n, "d_model": d} for n, d in ((2, 4), (7, 6), (40, 16), (3, 2))],
        right=sinusoids,
        returns={"table": "(T, D)"},
        slips=WAVE_SLIPS,
    )


# --- 7.6 ---------------------------------------------------------------------------------------------------


def _turned(x: Tensor, sign: int = 1, **other) -> Tensor:
    sines, cosines = _waves(x.shape[1], x.shape[2], **other)
    first, second = x[..., 0::2].double(), x[..., 1::2].double()
    return _woven(first * cosines - sign * second * sines, sign * first * sines + second * cosines)


def _turned_halves(x: Tensor) -> Tensor:
    sines, cosines = _waves(x.shape[1], x.shape[2])
    first, second = x.double().chunk(2, dim=-1)
    return torch.cat((first * cosines - second * sines, first * sines + second * cosines), dim=-1)


def _turned_in_place(x: Tensor) -> Tensor:
    sines, cosines = _waves(x.shape[1], x.shape[2])
    first, second = x[..., 0::2].double(), x[..., 1::2].double()
    first = first * cosines - second * sines
    return _woven(first, first * sines + second * cosines)


TURN_SLIPS = (
    slip(
        "You turned backwards: by -ω_i t. Dot products of a query and a key would come out the same if "
        "both "
        "turn backwards, but the task says a cos - b sin first.",
        lambda x: _turned(x, sign=-1),
    ),
    slip(
        "You paired the left half with the right half. Here a pair is two neighbours, columns 2i and 2i + "
        "1. "
        "(Both are in use out there, and trained weights fit only one of them.)",
        _turned_halves,
    ),
    slip(
        "Your first position is 1. Positions count from 0: the first token is not turned at all.",
        lambda x: _turned(x, start=1),
    ),
    slip(
        "Every pair turned at the same speed. Pair i turns by ω_i = 10000^(-2i/D) at each position.",
        lambda x: _turned(x, exponent=torch.zeros_like),
    ),
    slip(
        "The exponent is i / D; it is 2i / D.",
        lambda x: _turned(x, exponent=lambda pair: pair / x.shape[2]),
    ),
    slip(
        "The second number of each pair was made from the first one *after* it had changed. Keep both old "
        "numbers until both new ones are there.",
        _turned_in_place,
    ),
    slip(
        "You added the table. Rotary positions add nothing: they turn each pair, and keep its length.",
        lambda x: x + sinusoids(x.shape[1], x.shape[2]),
    ),
    slip(
        "You multiplied by the table. A rotation mixes the two numbers of a pair: each new one needs both "
        "old "
        "ones.",
        lambda x: x * sinusoids(x.shape[1], x.shape[2]),
    ),
    slip("Nothing is turned yet: this is x.", lambda x: x),
)


@exercise(
    "7.6",
    "Rotary positions",
    task=(
        "write `rotary(x)` for x `(B, T, D)` with an even D: at position t each pair (a, b) in columns 2i "
        "and "
        "2i + 1 becomes (a cos φ - b sin φ, a sin φ + b cos φ), with φ = ω_i t and ω_i = 10000^(-2i/D)."
    ),
    praise=(
        "Turn queries and keys like this, and each score depends on the offset of the two alone. Nothing "
        "is "
        "added to the words, so nothing can be drowned."
    ),
)
def rotary(answer) -> str:
    return judge_function(
        answer,
        call="rotary(x)",
        cases=[{"x": random(3, 7, 6, seed=730)}, {"x": random(1, 20, 16, seed=731)}],
        right=_turned,
        returns={"output": "(B, T, D)"},
        slips=TURN_SLIPS,
    )
