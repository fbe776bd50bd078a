"""Describe what a learner passed, and say where it differs from what was wanted."""

import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

TOLERANCE = {"rtol": 1e-3, "atol": 1e-4}  # leaves room for float32 and for another order of summation


def shape(value) -> str:
    return str(tuple(value.shape))


def describe(value) -> str:
    """What a learner passed, in a few words."""
    if isinstance(value, Tensor):
        return f"a tensor of shape {shape(value)}"
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}"
    if isinstance(value, torch.nn.Module):
        return f"a module, {type(value).__name__}, that has not been called"
    if callable(value):
        return "a function that has not been called"
    if isinstance(value, list | tuple) and value and isinstance(value[0], Tensor | np.ndarray):
        return f"a {type(value).__name__} of {len(value)}, the first {describe(value[0])}"
    return f"{cut(' '.join(repr(value).split()), 60)} ({type(value).__name__})"


def given(inputs: dict) -> str:
    """The inputs that are numbers, text or collections of such: a = 1, b = 'two'."""
    return ", ".join(f"{name} = {short(value)}" for name, value in inputs.items() if _is_plain(value))


def _is_plain(value) -> bool:
    return isinstance(value, int | float | str) or (
        isinstance(value, list | tuple) and all(map(_is_plain, value))
    )


def short(value) -> str:
    return cut(f"{value:.5g}" if isinstance(value, float) else repr(value), 120)


def cut(words: str, length: int) -> str:
    return words if len(words) <= length else words[:length] + " …"


def alike(got, wanted) -> bool:
    """Whether nothing differs but the rounding of numbers."""
    return next(differences(got, wanted), None) is None


def differences(got, wanted, place: str = "", near: dict[str, float] = TOLERANCE) -> Iterator[str]:
    """What differs, and where.

    Tensors are compared by shape and by their numbers, numbers up to the tolerance `near`, collections item
    by item; whole numbers, True, False and text must be equal.
    """
    at = f"at {place}: " if place else ""
    if isinstance(wanted, dict):
        if not isinstance(got, dict):
            yield f"{at}wanted a dictionary, got {kind(got)}"
        elif set(got) != set(wanted):
            yield f"{at}wanted the keys {list(wanted)}, got {list(got)}"
        else:
            for key in wanted:
                yield from differences(got[key], wanted[key], f"{place}[{key!r}]", near)
    elif isinstance(wanted, list | tuple):
        if not isinstance(got, list | tuple):
            yield f"{at}wanted {len(wanted)} things in a list or tuple, got {kind(got)}"
        elif len(got) != len(wanted):
            yield f"{at}wanted {len(wanted)} things, got {len(got)}"
        else:
            for i, (ours, theirs) in enumerate(zip(got, wanted, strict=True)):
                yield from differences(ours, theirs, f"{place}[{i}]", near)
    else:
        compare = _compare_tensors if isinstance(wanted, Tensor) else _compare_values
        if problem := compare(got, wanted, near):
            yield at + problem


def _compare_tensors(got, wanted: Tensor, near: dict[str, float]) -> str:
    if not isinstance(got, Tensor):
        return f"wanted a tensor of shape {shape(wanted)}, got {kind(got)}"
    if got.shape != wanted.shape:
        return f"wanted the shape {shape(wanted)}, got {shape(got)}"
    if (got.dtype == torch.bool) != (wanted.dtype == torch.bool):
        return f"wanted {wanted.dtype}, got {got.dtype}"
    ours, theirs = got.detach().cpu().double(), wanted.detach().cpu().double()
    wrong = ~torch.isclose(ours, theirs, **near, equal_nan=True)
    if not wrong.any():
        return ""
    spot = tuple(wrong.nonzero()[0].tolist())
    count = f"{int(wrong.sum())} of {wrong.numel()} numbers differ, " if wrong.numel() > 1 else ""
    where = f"first at {list(spot)}: " if spot else ""
    return f"{count}{where}wanted {theirs[spot].item():.5g}, got {ours[spot].item():.5g}"


def _compare_values(got, wanted, near: dict[str, float]) -> str:
    if isinstance(got, Tensor) and got.numel() == 1:
        got = got.item()
    if isinstance(wanted, bool) or not isinstance(wanted, int | float):
        same = type(got) is type(wanted) and got == wanted
    elif isinstance(got, bool) or not isinstance(got, int | float):
        return f"wanted a number, got {kind(got)}"
    elif isinstance(wanted, int):
        same = got == wanted
    else:
        same = math.isclose(got, wanted, rel_tol=near["rtol"], abs_tol=near["atol"])
    return "" if same else f"wanted {wanted!r}, got {got!r}"


def kind(thing) -> str:
    if thing is None:
        return "None: is there a `return`?"
    if isinstance(thing, Tensor):
        return describe(thing)
    return repr(thing) if isinstance(thing, int | float | str) else f"a {type(thing).__name__}"
