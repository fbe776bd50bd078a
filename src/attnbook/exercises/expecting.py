"""What a graded test is written with: `expect` and `unpack` say in words what is wrong."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor


def expect(got, wanted, words: str, *, rtol: float = 1e-3, atol: float = 1e-4) -> None:
    """Raise `AssertionError` unless `got` is `wanted`; the message is `words`, then what differs and where.

    Tensors are compared by shape and by their numbers, numbers up to the tolerance, collections item by
    item; whole numbers, True, False and text must be equal.
    """
    difference = next(_differences(got, wanted, "", {"rtol": rtol, "atol": atol}), "")
    if difference:
        raise AssertionError(f"{words}\n({difference})")


def unpack(result, *names: str) -> tuple:
    """The things that a function returned, one for each of `names`; `AssertionError` for another number."""
    if isinstance(result, list | tuple) and len(result) == len(names):
        return tuple(result)
    wanted = f"{', '.join(names[:-1])} and {names[-1]}"
    got = f"{len(result)} things" if isinstance(result, list | tuple) else _kind(result)
    raise AssertionError(f"Your function should return {len(names)} things, {wanted}; it returned {got}.")


def _differences(got, wanted, place: str, near: dict[str, float]) -> Iterator[str]:
    """What differs, and where."""
    at = f"at {place}: " if place else ""
    if isinstance(wanted, dict):
        if not isinstance(got, dict):
            yield f"{at}wanted a dictionary, got {_kind(got)}"
        elif set(got) != set(wanted):
            yield f"{at}wanted the keys {list(wanted)}, got {list(got)}"
        else:
            for key in wanted:
                yield from _differences(got[key], wanted[key], f"{place}[{key!r}]", near)
    elif isinstance(wanted, list | tuple):
        if not isinstance(got, list | tuple):
            yield f"{at}wanted {len(wanted)} things in a list or tuple, got {_kind(got)}"
        elif len(got) != len(wanted):
            yield f"{at}wanted {len(wanted)} things, got {len(got)}"
        else:
            for i, (ours, theirs) in enumerate(zip(got, wanted, strict=True)):
                yield from _differences(ours, theirs, f"{place}[{i}]", near)
    else:
        compare = _compare_tensors if isinstance(wanted, Tensor) else _compare_values
        if problem := compare(got, wanted, near):
            yield at + problem


def _compare_tensors(got, wanted: Tensor, near: dict[str, float]) -> str:
    if not isinstance(got, Tensor):
        return f"wanted a tensor of shape {tuple(wanted.shape)}, got {_kind(got)}"
    if got.shape != wanted.shape:
        return f"wanted the shape {tuple(wanted.shape)}, got {tuple(got.shape)}"
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
        alike = type(got) is type(wanted) and got == wanted
    elif isinstance(got, bool) or not isinstance(got, int | float):
        return f"wanted a number, got {_kind(got)}"
    elif isinstance(wanted, int):
        alike = got == wanted
    else:
        alike = math.isclose(got, wanted, rel_tol=near["rtol"], abs_tol=near["atol"])
    return "" if alike else f"wanted {wanted!r}, got {got!r}"


def _kind(thing) -> str:
    if thing is None:
        return "None: is there a `return`?"
    if isinstance(thing, Tensor):
        return f"a tensor of shape {tuple(thing.shape)}"
    return repr(thing) if isinstance(thing, int | float | str) else f"a {type(thing).__name__}"
