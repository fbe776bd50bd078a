"""What chapters still to be converted to `judges` use; it goes with the last of them."""

from collections.abc import Callable, Iterable, Sequence
from itertools import permutations
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from attnbook.exercises.comparing import describe, shape
from attnbook.exercises.judges import random
from attnbook.exercises.registry import EXERCISES, Exercise
from attnbook.exercises.running import run, shapes_of
from attnbook.exercises.verdict import Unfinished, Wrong

__all__ = ["random"]


def exercise(exercise_id: str, title: str, *, task: str, praise: str) -> Callable:
    """Register the decorated function as the judge of an exercise."""

    def register(judge: Callable) -> Callable:
        EXERCISES[exercise_id] = Exercise(exercise_id, title, praise, judge)
        return judge

    return register


TOLERANCE = {"rtol": 1e-3, "atol": 1e-4}  # generous to float32 and to another order of summing


class Slip(NamedTuple):
    """A known wrong answer: what to tell the learner, and the functions that give the same wrong result."""

    words: str
    wrongs: tuple[Callable, ...]


def slip(words: str, *wrongs: Callable) -> Slip:
    return Slip(words, wrongs)


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


def _tuple(value) -> tuple:
    return value if isinstance(value, tuple) else (value,)


def _double(value):
    return value.double() if isinstance(value, Tensor) and value.is_floating_point() else value


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
