"""A small course with one assignment and students' submissions."""

import copy
import json
import shutil
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from bookpress import ROOT
from coursework.align import align
from coursework.course import Course, read_cells
from coursework.personal import stamp

CANARY = "hidden-" + "canary"
SOLUTIONS = {
    "double": "def double(x):\n    return 2 * x",
    "middle": "def middle(numbers):\n    return sorted(numbers)[len(numbers) // 2]",
    "why": "Because of the sum.",
}


def cell(kind, name, source, **data):
    make = new_code_cell if kind == "code" else new_markdown_cell
    about = {"grade": False, "solution": False, "locked": True, "task": False, "schema_version": 3} | data
    about |= {"grade_id": name, "cell_type": kind}
    return make(source, id=name, metadata={"nbgrader": about})


def solution(kind, name, source, **data):
    return cell(kind, name, source, solution=True, locked=False, **data)


def test_cell(name, points, source):
    return cell("code", name, source, grade=True, points=points)


def source() -> nbformat.NotebookNode:
    region = "    ### BEGIN SOLUTION\n{}\n    ### END SOLUTION"
    hidden = "### BEGIN HIDDEN TESTS\n{}\n### END HIDDEN TESTS"
    cells = [
        cell("markdown", "intro", "# Chapter 1, assignment: Twice"),
        cell("code", "imports", "import torch"),
        cell("markdown", "task-double", "## Task 1: Double\n\nWrite $2x$. <b>Tensors</b>, too."),
        solution("code", "double", "def double(x):\n" + region.format("    return 2 * x")),
        test_cell(
            "double-numbers",
            2,
            'assert double(3) == 6, "Twice 3 is 6."\n'
            + hidden.format(f'assert double(-3) == -6, "Twice −3 is −6 ({CANARY})."'),
        ),
        test_cell(
            "double-tensors",
            1,
            "x = torch.arange(6.0).view(2, 3).T\nassert torch.allclose(double(x), x + x), "
            '"Every number should be doubled."\n'
            + hidden.format('assert x[0, 1] == 3, "`double` changed its argument in place."'),
        ),
        cell("markdown", "task-middle", "## Task 2: The middle"),
        solution(
            "code",
            "middle",
            "def middle(numbers):\n" + region.format("    return sorted(numbers)[len(numbers) // 2]"),
        ),
        test_cell("middle-odd", 2, 'assert middle([3, 1, 2]) == 2, "The middle of 1, 2, 3 is 2."'),
        solution(
            "markdown",
            "why",
            "### BEGIN SOLUTION\nBecause of the sum.\n### END SOLUTION",
            grade=True,
            points=3,
        ),
    ]
    metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return new_notebook(cells=cells, metadata=metadata)


class Classroom:
    """A course in its own folder."""

    def __init__(self, folder: Path, limits: str = ""):
        (folder / "source" / "ch01").mkdir(parents=True)
        settings = (ROOT / "course" / "nbgrader_config.py").read_text("utf8")
        (folder / "nbgrader_config.py").write_text(settings + limits)
        nbformat.write(source(), folder / "source" / "ch01" / "ch01.ipynb")
        self.folder, self.course = folder, Course(folder)

    def answer(self, drop=(), extra=(), **answers) -> nbformat.NotebookNode:
        """The released notebook with the correct answers, except those given; `extra` cells come first."""
        notebook = copy.deepcopy(self.course.released("ch01"))
        for one in notebook.cells:
            name = one.metadata.nbgrader.grade_id
            one.source = (SOLUTIONS | answers).get(name, one.source)
        notebook.cells = [one for one in notebook.cells if one.metadata.nbgrader.grade_id not in drop]
        first = next(i for i, one in enumerate(notebook.cells) if one.metadata.nbgrader.solution)
        notebook.cells[first:first] = [new_code_cell(text) for text in extra]
        return notebook

    def hand_in(self, student: str, notebook) -> None:
        path = self.course.notebook("submitted", "ch01", student)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(notebook if isinstance(notebook, str) else json.dumps(notebook), "utf8")

    def report(self) -> dict[str, str]:
        lines = (self.folder / "grades" / "ch01-report.txt").read_text("utf8").splitlines()
        return dict(line.split(": ", 1) for line in lines)


def grade_at_once(context, folder, name, student, unsafe):
    """Replaces the sandbox: every test passes."""
    course = Course(folder)
    submitted = read_cells(course.notebook("submitted", name, student).read_bytes())
    notebook, said = align(course.released(name), submitted)
    of = stamp(course, name, student)
    return {"of": of, "notebook": notebook, "says": said, "seconds": 1, "peak": 1}


@pytest.fixture(scope="module")
def at_once():
    """Grading takes no sandbox while a test, or a module's fixture, has this; it is what grades instead."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("coursework.grade.in_process", grade_at_once)
        patch.setattr("coursework.grade.require_sandbox", lambda: None)
        yield grade_at_once


@pytest.fixture(scope="session")
def new_room():
    """Creates a course with a released assignment: `new_room(folder, limits="c.Limits.cell_seconds = 3")`."""
    from coursework.release import release

    def make(folder: Path, limits: str = "") -> Classroom:
        room = Classroom(folder / "course", limits)
        release(room.course, "1")
        return room

    return make


@pytest.fixture(scope="session")
def released(new_room, tmp_path_factory):
    return new_room(tmp_path_factory.mktemp("course"))


@pytest.fixture
def classroom(released, tmp_path):
    """A separate course for each test."""
    shutil.copytree(released.folder, tmp_path / "course")
    room = copy.copy(released)
    room.folder, room.course = tmp_path / "course", Course(tmp_path / "course")
    return room
