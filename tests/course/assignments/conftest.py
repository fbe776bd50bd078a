"""Runs an assignment's cells with possible student code in place of the solutions."""

import json
import traceback
from dataclasses import dataclass, field
from functools import cache
from types import CodeType, SimpleNamespace

import nbformat
import pytest
import torch
from IPython.core.inputtransformer2 import TransformerManager
from nbgrader.preprocessors import ClearSolutions

from bookpress import ROOT
from coursework import inside, values
from coursework.course import Course
from coursework.recheck import Recheck
from coursework.variants import variant

COURSE = Course(ROOT / "course")
SOURCE = ROOT / "course" / "source"
NUMBERS = sorted(folder.name.removeprefix("ch") for folder in SOURCE.glob("ch*"))


@dataclass
class Cell:
    """One cell of an assignment with its nbgrader metadata."""

    kind: str
    source: str
    name: str
    grade: bool
    solution: bool
    locked: bool
    points: int

    @property
    def is_test(self) -> bool:
        return self.kind == "code" and self.grade

    @property
    def is_written(self) -> bool:
        return self.kind == "markdown" and self.grade

    @property
    def is_task(self) -> bool:
        return self.kind == "code" and self.solution


@dataclass
class Graded:
    """Points by test cell, and the messages of failed tests."""

    points: dict[str, int] = field(default_factory=dict)
    errors: dict[str, Exception] = field(default_factory=dict)
    lost: dict[str, int] = field(default_factory=dict)


def notebook(number: str, year: int = 0) -> dict:
    path = SOURCE / f"ch{number}" / f"ch{number}.ipynb"
    return variant(nbformat.read(path, as_version=4), path.with_name("variants.toml"), year)


@cache
def read_cells(number: str, year: int = 0) -> list[Cell]:
    """The cells of a chapter's assignment, in a year's variant."""
    return [
        Cell(
            cell["cell_type"],
            "".join(cell["source"]),
            data["grade_id"],
            **{name: data[name] for name in ("grade", "solution", "locked")},
            points=data.get("points", 0),
        )
        for cell in notebook(number, year)["cells"]
        for data in [cell["metadata"]["nbgrader"]]
    ]


@cache
def read_source(number: str) -> nbformat.NotebookNode:
    """A chapter's assignment as the grader reads it."""
    return nbformat.reads(json.dumps(notebook(number)), as_version=4)


def find(number: str, name: str) -> Cell:
    return next(cell for cell in read_cells(number) if cell.name == name)


def starter(cell: Cell) -> str:
    """The text of a solution cell in the students' version, as nbgrader generates it for the course."""
    made = nbformat.v4.new_code_cell(cell.source, metadata={"nbgrader": {"solution": True, "grade": False}})
    return ClearSolutions(config=COURSE.config).preprocess_cell(made, {"language": "python"}, 0)[0].source


def grade(number: str, answers: dict[str, str] | None = None, year: int = 0) -> Graded:
    """Run the notebook from top to bottom with `answers` in place of the named solutions."""
    answers, namespace, result = answers or {}, {"__name__": "__main__"}, Graded()
    assert set(answers) <= {cell.name for cell in read_cells(number) if cell.is_task}
    for cell in read_cells(number, year):
        if cell.kind != "code":
            continue
        try:
            run(answers.get(cell.name, cell.source), cell.name, namespace)
        except Exception as error:
            if not cell.is_test:
                raise
            result.errors[cell.name], result.lost[cell.name] = error, cell.points
        if cell.is_test:
            result.points[cell.name] = 0 if cell.name in result.errors else cell.points
    return result


class Here:
    """A stand-in for a sandbox that calls the student's functions the way the grader does."""

    limits = SimpleNamespace(cell_seconds=20)

    def __init__(self, namespace: dict):
        self.shell = SimpleNamespace(user_ns=namespace)

    def check(self) -> None:
        """It never stops by itself."""

    def call(self, function: str, given: dict, random: torch.Tensor, seconds: float) -> dict:
        message = {"function": function, "given": given, "random": values.encode(random), "seconds": seconds}
        with torch.random.fork_rng([]):
            return values.loads(values.dumps(inside.call(self.shell, values.loads(values.dumps(message)))))


def recheck(number: str, answers: dict[str, str]) -> Graded:
    """The same with the grader's recheck, whose tests see stand-ins for the functions."""
    namespace, result = {"__name__": "__main__"}, Graded()
    check = Recheck(read_source(number), Here(namespace))
    for cell in read_cells(number):
        if cell.kind != "code":
            continue
        if not cell.is_test:
            run(answers.get(cell.name, cell.source), cell.name, namespace)
            check.pass_by(cell.name)
        elif failure := check.test(cell.name):
            result.errors[cell.name] = RuntimeError(f"{failure.name}: {failure.says}")
            result.lost[cell.name] = cell.points
    return result


def run(source: str, name: str, namespace: dict) -> None:
    """Run one cell; `%pip` works as in a notebook."""
    exec(compiled(source, name), namespace)


@cache
def compiled(source: str, name: str) -> CodeType:
    return compile(TransformerManager().transform_cell(source), name, "exec")


def changed(number: str, task: str, changes: str | list[tuple[str, str]]) -> str:
    """A solution cell as a student might write it: `changes` is the whole cell, or pairs of old and new text.

    Each old text must occur exactly once in the instructor's solution.
    """
    if isinstance(changes, str):
        return changes
    source = find(number, task).source
    for old, new in changes:
        assert source.count(old) == 1, f"{source.count(old)} times {old!r} in {task}"
        source = source.replace(old, new)
    return source


def judge(number: str, task: str, changes, loses: dict[str, int], says: str) -> None:
    """Assert that a wrong solution loses exactly these points and that the first failed test says why."""
    answers = {task: changed(number, task, changes)}
    for way in (grade, recheck):
        result = way(number, answers)
        told = f"by {way.__name__}: {tell(result) or 'nothing failed'}"
        assert result.lost == loses, told
        first = next(iter(result.errors.values()))
        kept = way is recheck and "your function raised this error in a hidden test" in str(first)
        assert kept or says in str(first), told


def accept(number: str, task: str, changes) -> None:
    """Assert that an alternative solution gets all points."""
    answers = {task: changed(number, task, changes)}
    for way in (grade, recheck):
        result = way(number, answers)
        assert not result.lost, f"by {way.__name__}: {tell(result)}"


def tell(result: Graded) -> str:
    return "\n\n".join("".join(traceback.format_exception(error)) for error in result.errors.values())


@pytest.fixture(scope="session")
def homework() -> SimpleNamespace:
    """Helpers for the tests of all assignments."""
    return SimpleNamespace(
        numbers=NUMBERS,
        notebook=notebook,
        cells=read_cells,
        find=find,
        starter=starter,
        grade=grade,
        judge=judge,
        accept=accept,
    )
