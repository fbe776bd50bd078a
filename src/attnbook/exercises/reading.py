"""Read answers that are not functions: dictionaries of numbers, shapes and truths."""

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import Tensor

from attnbook.exercises.comparing import describe
from attnbook.exercises.verdict import Unfinished, Wrong

Numbers = float | Sequence[float]
Slips = Iterable[tuple[Numbers, str]]  # wrong numbers, with the words for each


def read_dict(answer, keys: tuple[str, ...]) -> dict:
    """The learner's dictionary with all of `keys`, whatever their case, and nothing left as `...`."""
    wanted = ", ".join(f"`{key}`" for key in keys)
    if not isinstance(answer, dict):
        raise Wrong(f"Wanted a dictionary with the keys {wanted}; got {describe(answer)}.")
    found = {str(key).strip().lower(): value for key, value in answer.items()}
    missing = [key for key in keys if key.lower() not in found]
    if missing:
        raise Wrong(
            f"Your dictionary lacks {', '.join(f'`{key}`' for key in missing)}. Wanted the keys {wanted}."
        )
    values = {key: found[key.lower()] for key in keys}
    empty = [key for key, value in values.items() if value is ... or value is None]
    if empty:
        raise Unfinished(f"Still to fill in: {', '.join(f'`{key}`' for key in empty)}.")
    return values


def read_numbers(value, name: str, count: int = 1) -> list[float]:
    """`count` numbers, from a number, list, tuple, array or tensor."""
    wanted = "a number" if count == 1 else f"{count} numbers"
    try:
        if isinstance(value, bool | str):
            raise TypeError
        numbers = torch.as_tensor(value).double().flatten().tolist()
    except Exception:
        raise Wrong(f"`{name}` should be {wanted}, and is {describe(value)}.") from None
    if len(numbers) != count:
        raise Wrong(f"`{name}` should be {wanted}, and holds {len(numbers)}: {describe(value)}.")
    return numbers


def judge_number(given: dict, name: str, wanted: Numbers, tolerance: float, slips: Slips, rule: str) -> None:
    """Raise `Wrong` unless `given[name]` is `wanted`, one number or several; a fitting slip speaks."""
    wanted = np.atleast_1d(wanted)
    numbers = np.array(read_numbers(given[name], name, len(wanted)))

    def close(other: Numbers) -> bool:
        return bool((np.abs(numbers - np.atleast_1d(other)) <= tolerance).all())

    if close(wanted):
        return
    for wrong, words in slips:
        if close(wrong):
            raise Wrong(f"`{name}`: {words}")
    shown = ", ".join(f"{number:g}" for number in numbers)
    raise Wrong(f"`{name}`: not {shown}. {rule}")


def read_shape(value, name: str) -> tuple[int, ...]:
    """A shape, from a tuple, list, `torch.Size`, array, or a tensor that has this shape itself."""
    if isinstance(value, Tensor | np.ndarray) and value.ndim != 1:
        return tuple(value.shape)
    try:
        sizes = tuple(float(size) for size in value)
    except Exception:
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
