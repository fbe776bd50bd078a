"""The tool on a course other than this book's: other names, and cells without nbgrader metadata."""

import json

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from coursework.align import name_of
from coursework.collect import collect
from coursework.course import Course, CourseError
from coursework.feedback import feedback
from coursework.grade import grade
from coursework.grades import grades
from coursework.release import release
from coursework.statistics import statistics


def cell(name: str, source: str, **about):
    data = {"grade": False, "solution": False, "locked": False, "task": False, "schema_version": 3} | about
    return new_code_cell(source, metadata={"nbgrader": data | {"grade_id": name, "cell_type": "code"}})


@pytest.fixture
def foreign(tmp_path):
    """A course like nbgrader's quickstart: plain cells between those with metadata."""
    folder = tmp_path / "foreign"
    solution = (
        "def squares(n):\n    ### BEGIN SOLUTION\n    return [i**2 for i in range(n)]\n    ### END SOLUTION"
    )
    cells = [
        new_markdown_cell("# Problem set 1"),
        new_code_cell("import math"),
        new_markdown_cell("Write `squares`."),
        cell("squares", solution, solution=True),
        new_markdown_cell("It is tested here."),
        cell(
            "squares-test",
            "assert squares(int(math.sqrt(9))) == [0, 1, 4]",
            grade=True,
            points=2,
            locked=True,
        ),
    ]
    metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    (folder / "source" / "ps1").mkdir(parents=True)
    nbformat.write(new_notebook(cells=cells, metadata=metadata), folder / "source" / "ps1" / "ps1.ipynb")
    (folder / "nbgrader_config.py").write_text("c = get_config()\nc.CourseDirectory.course_id = 'foreign'\n")
    return Course(folder)


def test_another_course_is_graded_from_release_to_points(foreign, tmp_path):
    """In a sandbox, with the recheck: its plain cell imports what the test needs."""
    assert "ps1 is released: foreign/release/ps1/ps1.ipynb, 2 points" in release(foreign, "ps1")
    released = foreign.released("ps1")
    assert [name_of(cell) for cell in released.cells if "given" in name_of(cell)] == [
        *("given-0", "given-1", "given-2", "given-4"),
    ]
    for student, code in {
        "ada": "def squares(n):\n    return [i * i for i in range(n)]",
        "bob": "squares = 1",
    }.items():
        answer = nbformat.from_dict(json.loads(nbformat.writes(released)))
        next(cell for cell in answer.cells if name_of(cell) == "squares").source = code
        path = tmp_path / "in" / student / "ps1.ipynb"
        path.parent.mkdir(parents=True)
        nbformat.write(answer, path)
    assert collect(foreign, "ps1", str(tmp_path / "in")) == "ps1: 2 collected, 0 skipped"
    assert grade(foreign, "ps1", jobs=2) == 0
    report = (foreign.folder / "grades" / "ps1-report.txt").read_text("utf8").splitlines()
    assert report[0] == "ada: 2 of 2"
    assert report[1].startswith("bob: 0 of 2; lost: squares-test 2")
    assert "2 pages" in feedback(foreign, "ps1")
    assert "2 students" in grades(foreign)
    assert "ada,ada,2,2" in (foreign.folder / "grades" / "grades.csv").read_text("utf8")
    assert "2 students" in statistics(foreign, "ps1")


@pytest.mark.parametrize(
    ("first", "title"),
    [
        (new_code_cell("# Install the package\nimport math"), "Problem set 1"),
        (new_markdown_cell("Read this first."), "Feedback"),
    ],
    ids=["code", "text"],
)
def test_the_title_of_feedback_comes_from_the_first_markdown_cell(foreign, at_once, first, title):
    path = foreign.notebook("source", "ps1")
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.insert(0, first)
    nbformat.write(notebook, path)
    release(foreign, "ps1")
    answer = foreign.notebook("submitted", "ps1", "ada")
    answer.parent.mkdir(parents=True)
    nbformat.write(foreign.released("ps1"), answer)
    assert grade(foreign, "ps1") == 0
    feedback(foreign, "ps1")
    text = (foreign.folder / "feedback" / "ada" / "ps1" / "ps1.html").read_text("utf8")
    assert f"<h1>{title}</h1>" in text


def test_its_assignments_go_by_their_own_names(foreign):
    with pytest.raises(CourseError, match="CH is '04': wanted one of ps1"):
        release(foreign, "04")
    with pytest.raises(CourseError, match="ps1 is not released yet: make release CH=ps1"):
        grade(foreign, "ps1")
