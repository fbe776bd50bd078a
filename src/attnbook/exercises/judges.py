"""Three judges of an answer: `Numbers`, `Function` and `Suspects`. `Together` makes one of several.

Each knows the right answer and the usual slips: wrong answers with the words that help with each. An answer
that no slip explains is compared with the right one, and the learner is told what differs.
"""

import copy
import inspect
import random as dice
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import permutations
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from attnbook.exercises.comparing import TOLERANCE, alike, describe, given, shape, short
from attnbook.exercises.reading import read, read_dict, read_fraction, read_numbers, read_results, read_shape
from attnbook.exercises.running import run, shapes_of
from attnbook.exercises.verdict import Unfinished, Wrong


class Slip(NamedTuple):
    """What to tell the learner about a known wrong answer, and the answers that it is true of."""

    words: str
    wrongs: list[Callable]


def slips(*words_and_wrongs) -> tuple[Slip, ...]:
    """A flat list of slips: the words for each, followed by the wrong answers that they are true of."""
    known: list[Slip] = []
    for each in words_and_wrongs:
        if isinstance(each, str):
            known.append(Slip(each, []))
        else:
            known[-1].wrongs.append(each)
    return tuple(known)


def random(*sizes: int, seed: int) -> Tensor:
    """Normal random numbers that leave the reader's random state alone, and that no usual seed gives."""
    generator = torch.Generator("cpu").manual_seed(271_828_182 + seed)
    return torch.randn(*sizes, generator=generator, dtype=torch.float32, device="cpu")


def randoms(*shapes: tuple[int, ...], seed: int) -> tuple[Tensor, ...]:
    """A random tensor of each shape."""
    return tuple(random(*each, seed=seed + i) for i, each in enumerate(shapes))


def drawn(case: Callable[..., tuple], *ranges: tuple[int, int], count: int = 6) -> list[tuple]:
    """Random cases: `case(*sizes, seed)`, with a random whole number from each range, ends included."""
    generator = dice.Random(271_828_182)
    return [case(*(generator.randint(*ends) for ends in ranges), 1000 + 10 * i) for i in range(count)]


OTHER = "any other wrong number"  # its words are shown where no slip fits


class Number(NamedTuple):
    """A number, several numbers, or a shape, under its name in the learner's dictionary."""

    name: str
    wanted: float | tuple
    rule: str  # what to tell a learner whose number is no known slip
    slips: dict[float | tuple, str]  # wrong numbers, and the words for each
    near: float
    read: Callable[[object, str], tuple]


def number(name: str, wanted: float | Sequence[float], rule="", slips=None, near=0.01) -> Number:
    count = np.size(wanted)
    return Number(name, wanted, rule, slips, near, lambda value, name: read_numbers(value, name, count))


def fraction(name: str, wanted: float, rule="", slips=None, near=0.01) -> Number:
    return Number(name, wanted, rule, slips, near, read_fraction)


def shape_of(name: str, wanted: tuple[int, ...], rule="", slips=None) -> Number:
    return Number(name, wanted, rule, slips, 0, read_shape)


def _plainly(number: float) -> str:
    return f"{number:.0f}" if float(number).is_integer() else f"{number:g}"


class Numbers:
    """Judge a dictionary with an entry for each row of the table."""

    def __init__(self, *table: Number) -> None:
        self.table = table

    def __call__(self, answer) -> str:
        given = read_dict(answer, tuple(row.name for row in self.table))
        for row in self.table:
            found = row.read(given[row.name], row.name)
            if self.same(row, found, row.wanted):
                continue
            shown = str(found) if row.read is read_shape else ", ".join(map(_plainly, found))
            known = (words for wrong, words in row.slips.items() if self.same(row, found, wrong))
            raise Wrong(f"`{row.name}`: {next(known, f'not {shown}. {row.rule}')}")
        return ""

    @staticmethod
    def same(row: Number, found, wanted) -> bool:
        found, wanted = np.atleast_1d(found), np.atleast_1d(wanted)
        return found.shape == wanted.shape and bool((np.abs(found - wanted) <= row.near).all())


@dataclass
class Function:
    """Judge a function by what it returns for each of the `cases`, tuples of its inputs.

    `right` is the right answer: its name and parameters are those that the learner's function should have,
    and the kind of thing that it returns (tensor, number, True, list of ids, text) is the kind that is
    wanted. `returns` names each result, with its shape in letters. A slip is told only if it gives what the
    learner's function gave for all cases up to the first that shows it to be wrong.
    """

    right: Callable
    returns: dict[str, str]
    cases: Sequence[tuple]
    slips: Sequence[Slip] = ()
    rule: str = ""  # what to tell a learner whose answer no slip explains
    compare: Callable[[tuple, tuple], bool] = alike
    use: Callable | None = None  # `use(function, *case)`, where it isn't just `function(*case)`
    pure: str = ""  # what to tell a learner who changes the inputs, where that makes an answer wrong

    @property
    def call(self) -> str:
        return f"{self.right.__name__}({', '.join(inspect.signature(self.right).parameters)})"

    def named(self, case: tuple) -> dict:
        names = list(inspect.signature(self.use or self.right).parameters)
        return dict(zip(names[1:] if self.use else names, case, strict=True))

    def __call__(self, answer) -> str:
        function, changed = as_function(answer, self.call), set()
        if self.use:
            function = partial(self.use, function)
        for place, case in enumerate(self.cases):
            wanted = self.wanted(case)
            raw, touched = run(function, self.named(case), self.call)
            changed |= touched
            got = self.read(raw, wanted)
            if touched and self.pure:
                raise Wrong(self.pure)
            unfit = next(filter(None, map(_wrong_dtype, self.returns, got, wanted)), "")
            if unfit:
                raise Wrong(self._other_order(raw, wanted) or unfit)
            if not self.compare(got, wanted):
                words = self.diagnose(raw, got, wanted, place)
                raise Wrong("\n\n".join(filter(None, (words, _note(changed)))))
        return _note(changed)

    def wanted(self, case: tuple) -> tuple:
        result = self.result(self.right, case)
        return (result,) if len(self.returns) == 1 else tuple(result)

    def read(self, raw, wanted: tuple) -> tuple:
        return read_results(raw, wanted, tuple(self.returns))

    def result(self, function: Callable, case: tuple):
        """What a right or wrong function of ours gives, in double precision."""
        inputs = map(_double, copy.deepcopy(case))
        return self.use(function, *inputs) if self.use else function(*inputs)

    def explains(self, wrong: Callable, place: int, got: tuple) -> bool:
        """Whether a slip gives `got` for the case at `place`, and is right for all cases before it."""
        try:
            before = [self.wanted(case) for case in self.cases[:place]]
            return all(
                self.compare(theirs, self.read(self.result(wrong, case), theirs))
                for case, theirs in zip(self.cases, [*before, got], strict=False)
            )
        except Exception:  # this slip cannot happen with such inputs
            return False

    def diagnose(self, raw, got: tuple, wanted: tuple, place: int) -> str:
        inputs = self.named(self.cases[place])
        results = zip(self.returns.items(), got, wanted, strict=True)
        seen = next((_look(*named, *pair, inputs) for named, *pair in results if not alike(*pair)), "")
        example = "" if any(isinstance(each, Tensor) for each in wanted) else seen
        order = self._other_order(raw, wanted)
        if order and len(wanted) == 1:
            return order
        for words, wrongs in self.slips:
            if any(self.explains(wrong, place, got) for wrong in wrongs):
                return "\n\n".join(filter(None, (words, example)))
        return order or "\n\n".join(filter(None, (seen, self.rule)))

    def _other_order(self, raw, wanted: tuple) -> str:
        if not isinstance(raw, tuple | list) or len(raw) < 2 or any(part is ... for part in raw):
            return ""
        names = tuple(self.returns)
        for order in list(permutations(range(len(raw)), len(names)))[1:]:  # the first is as they are
            try:
                right = self.compare(self.read(tuple(raw[i] for i in order), wanted), wanted)
            except Exception:
                continue
            if right and len(names) == 1:
                return f"Your function returns {len(raw)} things. Return `{names[0]}` first, or alone."
            if right:
                return f"These are the right results in another order: return {', '.join(names)}."
        return ""


def as_function(answer, call: str) -> Callable:
    """The learner's function; a class is made into an object first."""
    name = call.split("(")[0]
    if answer is ... or answer is None:
        raise Unfinished(f"`{name}` is still missing.")
    if isinstance(answer, type):
        answer, _ = run(answer, {}, f"{answer.__name__}()")
    if not callable(answer):
        raise Wrong(
            f"This exercise wants a function, not {describe(answer)}. Pass `{name}` without calling it."
        )
    return answer


def _double(value):
    if isinstance(value, tuple | list) and not hasattr(value, "_fields"):
        return type(value)(map(_double, value))
    return value.double() if isinstance(value, Tensor) and value.is_floating_point() else value


def _note(changed: set[str]) -> str:
    names = ", ".join(f"`{name}`" for name in sorted(changed))
    return f"One thing: your code changes {names} in place. Work on new tensors or lists." if changed else ""


def _wrong_dtype(name: str, got, wanted) -> str:
    """Masks must be boolean and ids whole numbers; of other numbers any kind will do."""
    if not isinstance(wanted, Tensor) or wanted.is_floating_point():
        return ""
    dtypes, words = (torch.int64, torch.int32), "whole numbers (torch.int64), which can index a table"
    if wanted.dtype == torch.bool:
        dtypes, words = (torch.bool,), "a boolean tensor, as from a comparison: numbers are *added* to scores"
    return "" if got.dtype in dtypes else f"`{name}` is {got.dtype}; wanted {words}."


def _look(name: str, letters: str, got, wanted, inputs: dict) -> str:
    """What can be seen of a wrong result from outside."""
    if not isinstance(wanted, Tensor):
        with_inputs = f"With {given(inputs)}: " if given(inputs) else ""
        return f"{with_inputs}`{name}` is {short(got)}; wanted {short(wanted)}."
    batched = letters.startswith("(B") and len(wanted) > 1 and got.dim() and len(got)
    if batched and (alike(got, wanted[0]) or _only_the_first(got, wanted)):
        item = f"{next((each for each, value in inputs.items() if isinstance(value, Tensor)), 'x')}[0]"
        return f"`{name}` is right for batch item 0 only. Keep the batch axis: did you write `{item}`?"
    for order in permutations(range(got.dim())) if got.dim() == wanted.dim() else ():
        if alike(got.permute(order), wanted):
            here = f"wanted {letters}, here {shape(wanted)}; yours is {shape(got)}"
            if got.shape == wanted.shape:
                moved = [str(axis) for axis, place in enumerate(order) if axis != place]
                here = f"axes {' and '.join(moved)} have one size, and are swapped"
            return f"The numbers are right, but the axes of `{name}` are in another order: {here}."
    if got.shape != wanted.shape:
        shapes = shapes_of(inputs)
        aim = f"{letters}, here {shape(wanted)}" if wanted.dim() else "one number"
        words = f"`{name}` has shape {shape(got)}; wanted {aim}."
        return f"{words}\n\nThe inputs: {shapes}." if shapes else words
    if not got.isfinite().all() and wanted.isfinite().all():
        count = f"{int((~got.isfinite()).sum())} of {got.numel()} numbers"
        return f"`{name}` holds NaN or infinity: {count}. NaN often comes from 0/0 or softmax over only -inf."
    ours, theirs = got.double(), wanted.double()
    wrong = ~torch.isclose(ours, theirs, **TOLERANCE, equal_nan=True)
    place = np.unravel_index(int((ours - theirs).abs().where(wrong, -1).argmax()), tuple(got.shape))
    shown = str if wanted.dtype == got.dtype == torch.bool else "{:.4g}".format
    spot = f"at {[*map(int, place)]} " if place else ""
    seen = f"{spot}it is {shown(got[place].item())}, wanted {shown(wanted[place].item())}"
    return f"`{name}` has the right shape, but other numbers: {seen}. Try numbers you can follow by hand."


def _only_the_first(got: Tensor, wanted: Tensor) -> bool:
    """Whether item 0 of the batch is right, and every other item that there is, wrong."""
    first, *others = map(alike, got, wanted)
    return first and not any(others)


class Suspect(NamedTuple):
    """What the learner's detector is run on, and what it should say."""

    name: str
    inputs: tuple
    truth: bool | dict[str, bool]
    words: str = ""  # what to tell a learner whose detector errs here, and is no known slip


def line_up(*suspects_and_words) -> tuple[Suspect, ...]:
    """A flat list of suspects, each followed by its words."""
    pairs = zip(suspects_and_words[::2], suspects_and_words[1::2], strict=True)
    return tuple(suspect._replace(words=words) for suspect, words in pairs)


@dataclass
class Suspects:
    """Judge a detector by what it says of good and bad specimens.

    `right` is a right detector: its name and parameters are those that the learner's should have. A slip is
    told only if it says of every suspect what the learner's detector said.
    """

    right: Callable
    line_up: Sequence[Suspect]
    slips: Sequence[Slip] = ()
    pure: str = ""

    def __call__(self, answer) -> str:
        judge = Function(self.right, {}, ())
        function, changed = as_function(answer, judge.call), set()
        said = []
        for suspect in self.line_up:
            raw, touched = run(function, judge.named(suspect.inputs), judge.call)
            said.append(read(raw, suspect.truth, judge.call))
            changed |= touched
            if touched and self.pure:
                raise Wrong(self.pure)
        for suspect, verdict in zip(self.line_up, said, strict=True):
            if verdict != suspect.truth:
                fitting = [words for words, wrongs in self.slips if said in map(self.says, wrongs)]
                raise Wrong(
                    f"Of {suspect.name} your test says {_said(verdict)}; it is {_said(suspect.truth)}."
                    f"\n\n{[*fitting, self._pattern(said) or suspect.words][0]}"
                )
        return _note(changed)

    def _pattern(self, said: list) -> str:
        if said == [_turned(suspect.truth) for suspect in self.line_up]:
            return "Your test says the opposite every time: True and False are swapped."
        same = all(verdict == said[0] for verdict in said)
        return "It says the same of all of them, so it is a guess: use the inputs." if same else ""

    def says(self, detector: Callable) -> list:
        """What a detector of ours says of each suspect."""
        return [detector(*copy.deepcopy(suspect.inputs)) for suspect in self.line_up]


def _turned(truth: bool | dict[str, bool]) -> bool | dict[str, bool]:
    return {key: not truth[key] for key in truth} if isinstance(truth, dict) else not truth


def _said(verdict) -> str:
    if isinstance(verdict, dict):
        return ", ".join(f"{key}: {value}" for key, value in verdict.items())
    return str(verdict)


class Together:
    """Judge several answers, in a tuple or a dictionary, each with a judge of its own."""

    def __init__(self, **judges: Callable) -> None:
        self.judges = judges

    def __call__(self, answer) -> str:
        names = tuple(self.judges)
        if isinstance(answer, dict):
            answer = tuple(read_dict(answer, names).values())
        if not isinstance(answer, tuple | list) or len(answer) != len(names):
            raise Wrong(f"This exercise wants {len(names)} things: `({', '.join(names)})`.")
        notes = [judge(part) for judge, part in zip(self.judges.values(), answer, strict=True)]
        return "\n\n".join(filter(None, notes))
