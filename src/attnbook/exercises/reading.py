"""Read what a learner passed or returned, in any form that holds the right thing."""

import math

import numpy as np
import torch
from torch import Tensor

from attnbook.exercises.comparing import describe
from attnbook.exercises.verdict import Unfinished, Wrong


def read(value, wanted, name: str):
    """`value` as the kind of thing that `wanted` is; raises `Wrong` where it can't be one."""
    if value is ...:
        raise Unfinished(f"`{name}` is still `...`.")
    if _has_dots(value):
        raise Unfinished(f"There is still a `...` in `{name}`.")
    if value is None and wanted is not None:
        raise Wrong(f"Your function returned None for `{name}`. Is a `return` missing?")
    if isinstance(wanted, dict):
        found = read_dict(value, tuple(wanted))
        return {key: read(found[key], wanted[key], key) for key in wanted}
    if isinstance(wanted, Tensor) and not wanted.is_floating_point():
        return read_tensor(value, name, "boolean" if wanted.dtype == torch.bool else "whole numbers")
    for kind, reader in READERS:
        if isinstance(wanted, kind):
            return reader(value, name)
    return value


def _has_dots(value) -> bool:
    return value is ... or (isinstance(value, list | tuple) and any(map(_has_dots, value)))


def read_results(result, wanted: tuple, names: tuple[str, ...]) -> tuple:
    """The things that a function returned, in the order of `names`; more than was wanted does no harm."""
    if result is ...:
        raise Unfinished("Not done yet: your function still returns `...`.")
    if isinstance(result, dict) and set(names) <= set(result):
        result = tuple(result[name] for name in names)
    if len(names) == 1:
        several = isinstance(result, tuple) and len(result) > 0 and not isinstance(wanted[0], list | tuple)
        several = several and not _are_rows(result, wanted[0])
        return (read(result[0] if several else result, wanted[0], names[0]),)
    if isinstance(result, Tensor | np.ndarray) and result.ndim and len(result) == len(names):
        result = tuple(result)
    if not isinstance(result, tuple | list) or len(result) < len(names):
        wanted = f"{len(names)} things: {', '.join(names)}"
        if result is None:
            raise Wrong(f"Your function returned None; wanted {wanted}. Is a `return` missing?")
        raise Wrong(f"Your function returned {describe(result)}; wanted {wanted}.")
    return tuple(read(*parts) for parts in zip(result[: len(names)], wanted, names, strict=True))


def _are_rows(parts: tuple, wanted) -> bool:
    """Whether these are the rows of a tensor of the shape that is wanted."""
    rows = isinstance(wanted, Tensor) and wanted.dim() > 1 and len(parts) == len(wanted)
    return rows and all(getattr(part, "shape", None) == wanted.shape[1:] for part in parts)


def read_dict(answer, keys: tuple[str, ...]) -> dict:
    """The learner's dictionary with all of `keys`, whatever their case, and nothing left as `...`."""
    wanted = _ticked(keys)
    if not isinstance(answer, dict):
        raise Wrong(f"Wanted a dictionary with the keys {wanted}; got {describe(answer)}.")
    found = {str(key).strip().lower(): value for key, value in answer.items()}
    missing = [key for key in keys if key.lower() not in found]
    if missing:
        raise Wrong(f"Your dictionary lacks {_ticked(missing)}. Wanted the keys {wanted}.")
    values = {key: found[key.lower()] for key in keys}
    empty = [key for key, value in values.items() if value is None or _has_dots(value)]
    if empty:
        raise Unfinished(f"Still to fill in: {_ticked(empty)}.")
    return values


def _ticked(names) -> str:
    return ", ".join(f"`{name}`" for name in names)


def read_numbers(value, name: str, count: int = 1) -> tuple[float, ...]:
    """`count` numbers, from a number, list, tuple, array or tensor."""
    wanted = "a number" if count == 1 else f"{count} numbers"
    try:
        held = value.flatten().tolist() if isinstance(value, Tensor | np.ndarray) else value
        if isinstance(held, bool):
            raise TypeError
        held = held if isinstance(held, list | tuple) else [held]
        if any(isinstance(each, str | bytes) for each in held):
            raise TypeError
        numbers = tuple(map(float, held))
    except (TypeError, ValueError, OverflowError):
        kind = wanted if count == 1 else f"{wanted} in a list or tuple"
        raise Wrong(f"`{name}` should be {kind}, and is {describe(value)}.") from None
    if len(numbers) != count:
        raise Wrong(f"`{name}` should be {wanted}, and holds {len(numbers)}: {describe(value)}.")
    return numbers


def read_number(value, name: str) -> float:
    return read_numbers(value, name)[0]


def read_fraction(value, name: str) -> tuple[float, ...]:
    numbers = read_numbers(value, name)
    if numbers[0] > 1.01:
        words = "looks like a percentage or a count. Give a fraction from 0 to 1."
        raise Wrong(f"`{name}`: {numbers[0]:g} {words}")
    return numbers


def read_count(value, name: str) -> float:
    """A number that should be whole: an int where it is, because only those are compared exactly."""
    number = read_number(value, name)
    return int(number) if number.is_integer() else number


def read_shape(value, name: str) -> tuple[int, ...]:
    """A shape, from a tuple, list, `torch.Size`, array, or a tensor that has this shape itself."""
    if isinstance(value, Tensor | np.ndarray) and value.ndim != 1:
        return tuple(value.shape)
    try:
        if isinstance(value, str | bytes | dict | set):
            raise TypeError
        sizes = tuple(float(size) for size in value)
    except (TypeError, ValueError):
        raise Wrong(f"`{name}` should be a shape such as `(3, 5)`, and is {describe(value)}.") from None
    if not all(size.is_integer() for size in sizes):
        raise Wrong(f"`{name}` should be a shape of whole numbers, and is {describe(value)}.")
    return tuple(map(int, sizes))


def read_truth(value, name: str) -> bool:
    """True or False, from Python, numpy or torch."""
    if isinstance(value, Tensor | np.ndarray | np.generic) and value.shape in ((), (1,)):
        value = value.item()
    if isinstance(value, bool | int | float) and value in (0, 1):
        return bool(value)
    raise Wrong(f"`{name}` should be True or False, and is {describe(value)}.")


def read_ids(value, name: str) -> list[int]:
    """Whole numbers, from a list, tuple, array or tensor."""
    wanted = f"`{name}` should be a list of whole numbers"
    if isinstance(value, Tensor | np.ndarray):
        value = value.flatten().tolist()
    if not isinstance(value, list | tuple):
        raise Wrong(f"{wanted}, and is {describe(value)}.")
    if any(item is ... for item in value):
        raise Unfinished(f"There is still a `...` in `{name}`.")
    ids = []
    for item in value:
        try:
            number = read_number(item, name)
        except Wrong:
            number = math.nan
        if not number.is_integer():
            raise Wrong(f"{wanted}, and holds {describe(item)}.")
        ids.append(int(number))
    return ids


def read_text(value, name: str) -> str:
    if isinstance(value, str):
        return value
    raise Wrong(f"`{name}` should be text, and is {describe(value)}.")


def read_tensor(value, name: str, of: str = "real numbers") -> Tensor:
    """A tensor from whatever holds numbers: torch, numpy, nested lists, a number."""
    try:
        return _as_tensor(value)
    except (TypeError, ValueError, RuntimeError):
        holds = f" that holds {value.dtype}" if isinstance(value, Tensor | np.ndarray) else ""
        kind = "a boolean tensor" if of == "boolean" else f"a tensor of {of}"
        words = f"`{name}` should be {kind}, and is {describe(value)}{holds}."
        raise Wrong(words) from None


def _as_tensor(value) -> Tensor:
    if isinstance(value, list | tuple):
        if any(isinstance(item, list | tuple | Tensor | np.ndarray) for item in value):
            return torch.stack([_as_tensor(item) for item in value])
    elif isinstance(value, str) or (isinstance(value, Tensor | np.ndarray) and "complex" in str(value.dtype)):
        raise TypeError
    if isinstance(value, np.ndarray):  # torch takes neither steps backwards nor another order of the bytes
        value = value.astype(value.dtype.newbyteorder("="), order="C")
    value = torch.as_tensor(value).detach().cpu()
    return value.to_dense() if value.is_sparse else value


READERS = (
    (Tensor, read_tensor),
    (bool, read_truth),
    (int, read_count),
    (float, read_number),
    (str, read_text),
    (list | tuple, read_ids),
)
