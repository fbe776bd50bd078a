"""Rehearse an assignment: release it, grade five generated submissions, and write their feedback.

The tests that each of them should fail are known, so a rehearsal shows whether grading works before students
get the assignment. Everything happens in a temporary copy of the course.
"""

import ast
import contextlib
import copy
import html
import io
import re
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import nbformat
from nbgrader import utils

from coursework.align import is_test, name_of
from coursework.course import Course, record, write
from coursework.edition import secrets_of
from coursework.feedback import feedback
from coursework.grade import grade
from coursework.personal import released_for, source_for
from coursework.release import release
from coursework.roster import FILE as CLASS

MARK = re.compile(r"^ *### (BEGIN|END) SOLUTION *\n?", re.MULTILINE)

SUBMISSIONS = (
    "model solution",
    "unanswered",
    "everything returns None",
    "everything raises an error",
    "last task unanswered",
)


class Expected(NamedTuple):
    """The tests that a submission should fail: all of `tests`, or at least one of them, and no others."""

    tests: set[str]
    all: bool = True

    def __str__(self) -> str:
        if not self.tests:
            return "expected to lose nothing"
        return f"expected to lose {'all' if self.all else 'some'} of {', '.join(sorted(self.tests))}"


def rehearse(course: Course, chapter: str, jobs: int = 2, unsafe: bool = False) -> int:
    """Rehearse an assignment and print the results; return how many are not as expected."""
    name = course.assignment(chapter)
    with tempfile.TemporaryDirectory(prefix="rehearsal-") as folder:
        stage = Course(copy_of(course, name, Path(folder) / "course"))
        if stage.per_student(name):
            write(stage.folder / CLASS, "\n".join(["name", *SUBMISSIONS]))
        _, *warnings = release(stage, name).splitlines()
        print("\n".join([f"Rehearsing {name} in a temporary folder.", *warnings]), flush=True)
        submissions = prepare(stage, name)
        tests = {name_of(cell) for cell in stage.released(name).cells if is_test(cell)}
        for student, (notebook, _) in submissions.items():
            write(stage.notebook("submitted", name, student), nbformat.writes(notebook))
        grade(stage, name, jobs=jobs, unsafe=unsafe)
        with contextlib.redirect_stdout(io.StringIO()):
            feedback(stage, name)
        leaks = hidden_lines(stage.folder / "feedback", course.notebook("source", name))
        wrong = 0
        print(f"\n{'submission':<26} {'points':>9}  as expected?")
        for student, (_, expected) in submissions.items():
            kept = record(stage, name, student)
            verdict = compare(kept, expected, tests)
            wrong += verdict != "yes"
            points = f"{kept['score']:g} of {kept['most'] - kept['by_hand']:g}" if kept else "–"
            print(f"{student:<26} {points:>9}  {verdict}")
        tell = f"no: {'; '.join(leaks[:5])}" if leaks else "yes"
        print(f"{'feedback pages':<26} {'':>9}  {tell}")
    return wrong + bool(leaks)


def copy_of(course: Course, name: str, folder: Path) -> Path:
    """Copy the course's settings and this one assignment to `folder`."""
    shutil.copytree(course.folder / "source" / name, folder / "source" / name)
    shutil.copy(course.folder / "nbgrader_config.py", folder)
    return folder


def prepare(course: Course, name: str) -> dict[str, tuple[nbformat.NotebookNode, Expected]]:
    """Return SUBMISSIONS by name, each with the tests that it should fail."""
    return {
        one: submission(source_for(course, name, one), released_for(course, name, one), one)
        for one in SUBMISSIONS
    }


def submission(source, released, student: str) -> tuple[nbformat.NotebookNode, Expected]:
    """Return one of SUBMISSIONS, for the released version of a source notebook."""
    tests = {name_of(cell) for cell in released.cells if is_test(cell)}
    model = {name_of(cell): MARK.sub("", cell.source) for cell in source.cells if utils.is_solution(cell)}
    tasks = [name_of(cell) for cell in released.cells if cell.cell_type == "code" and utils.is_solution(cell)]
    last = tests_after(released, tasks[-1]) if tasks else set()
    start = {name_of(cell): cell.source for cell in released.cells}
    code = {task: model[task] for task in tasks}

    def functions(change: Callable[[], ast.stmt]) -> dict[str, str]:
        return model | {task: emptied(text, change) or start[task] for task, text in code.items()}

    answers = (
        (model, Expected(set())),
        ({}, Expected(tests)),
        (functions(lambda: ast.Return(ast.Constant(None))), Expected(tests)),
        (functions(error), Expected(tests)),
        (model | {task: start[task] for task in tasks[-1:]}, Expected(last, all=False)),
    )
    written, expected = dict(zip(SUBMISSIONS, answers, strict=True))[student]
    return filled(released, written), expected


def filled(released: nbformat.NotebookNode, answers: dict[str, str]) -> nbformat.NotebookNode:
    notebook = copy.deepcopy(released)
    for cell in notebook.cells:
        cell.source = answers.get(name_of(cell), cell.source)
    return notebook


def emptied(source: str, change: Callable[[], ast.stmt]) -> str:
    """Replace the body of each function in a cell by one statement; "" if the cell has no functions."""
    tree = ast.parse(source)
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    for function in functions:
        function.body = [change()]
    return ast.unparse(ast.fix_missing_locations(tree)) if functions else ""


def error() -> ast.stmt:
    return ast.parse("raise RuntimeError('wrong on purpose')").body[0]


def tests_after(released: nbformat.NotebookNode, task: str) -> set[str]:
    """Return the tests that follow a task."""
    names = [name_of(cell) for cell in released.cells]
    return {name_of(cell) for cell in released.cells[names.index(task) :] if is_test(cell)}


def compare(kept: dict, expected: Expected, tests: set[str]) -> str:
    """Return "yes" if a submission failed the expected tests, or else the difference."""
    if not kept:
        return "no: not graded"
    lost = {entry.rpartition(" ")[0] for entry in kept["lost"]} & tests
    if expected.all:
        right = lost == expected.tests and (lost or not kept["says"])
    else:
        right = bool(lost) and lost <= expected.tests
    if right:
        return "yes"
    says = "".join(f"; ! {line}" for line in kept["says"][:3])
    return f"no: lost {', '.join(sorted(lost)) or 'nothing'}; {expected}{says}"


def hidden_lines(folder: Path, source: Path) -> list[str]:
    """Return the lines of hidden tests that a feedback page shows."""
    hidden = [line for line, of in secrets_of([source]).items() if of.startswith("hidden tests")]
    found = []
    for page in sorted(folder.rglob("*.html")):
        text = html.unescape(re.sub(r"<[^>]+>", "", page.read_text("utf8")))
        shown = {line.strip() for line in text.splitlines()}
        found += [f"{page.stem} of {page.parts[-3]} shows {line}" for line in hidden if line in shown]
    return found
