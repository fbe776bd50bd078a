"""Statistics on the class for its instructor, and feedback packed for upload."""

import json
import zipfile

import nbformat
import pytest

from coursework.align import name_of
from coursework.course import CourseError
from coursework.feedback import feedback
from coursework.grade import grade
from coursework.judge import fail
from coursework.release import release
from coursework.statistics import histogram, statistics

FAILS = {"ada": [], "bob": ["double-numbers"], "cyd": ["double-numbers", "middle-odd"]}
WORDS = 'Twice −3 is −6, not <b onclick="x">5</b>.'


@pytest.fixture
def graded(classroom, at_once):
    """Three students: two fail the same test."""

    def failing(context, folder, name, student, unsafe):
        result = at_once(context, folder, name, student, unsafe)
        for cell in result["notebook"].cells:
            if name_of(cell) in FAILS[student]:
                fail(cell, "AssertionError", WORDS)
        return result

    for student, platform, number, file in (
        ("ada", "moodle", "101", "Ada_101_assignsubmission_file_/ch01.ipynb"),
        ("bob", "canvas", "78", "x/bob_LATE_78_9001_ch01.ipynb"),
        ("cyd", "plain", "", "cyd/ch01.ipynb"),
    ):
        classroom.hand_in(student, classroom.answer())
        about = {"name": f"{student}_X", "platform": platform, "number": number, "file": file, "time": 0}
        (classroom.folder / "submitted" / student / "ch01" / "from.json").write_text(json.dumps(about))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("coursework.grade.in_process", failing)
        assert grade(classroom.course, "1") == 0
    return classroom


def test_a_test_that_most_fail_is_named(graded, browser):
    said = statistics(graded.course, "1")
    assert said.splitlines() == [
        f"double-numbers: 2 of 3 lost points; most common message: {WORDS}",
        "ch01: 3 students, course/grades/ch01-statistics.html",
    ]
    page = browser.new_page(viewport={"width": 1000, "height": 800})
    page.goto((graded.folder / "grades" / "ch01-statistics.html").as_uri())
    rows = {
        cells[0]: (cells[1], cells[3], cells[4])
        for row in page.locator("tbody tr").all()
        for cells in [row.locator("td").all_inner_texts()]
    }
    assert rows == {
        "double-numbers": ("0.7 of 2", "2 of 3", f"2 × {WORDS}"),
        "double-tensors": ("1.0 of 1", "0 of 3", ""),
        "middle-odd": ("1.3 of 2", "1 of 3", f"1 × {WORDS}"),
        "why": ("0.0 of 3", "0 of 0, 3 to mark", ""),
    }
    assert page.locator("tr.look td").first.inner_text() == "double-numbers"
    assert page.locator("tr.look").count() == 1
    assert "5 to 6" not in page.locator("svg").first.get_attribute("aria-label")
    assert page.locator("tbody b").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.close()


def test_an_assignment_without_grades_is_reported(classroom):
    with pytest.raises(CourseError, match="no submission for ch01 has been graded yet: make grade CH=01"):
        statistics(classroom.course, "1")


def test_every_student_is_in_one_bar():
    assert [count for _, count in histogram([0, 1.9, 2, 19.9, 20, 20], 20)] == [2, 1, 0, 0, 0, 0, 0, 0, 0, 3]
    assert histogram([], 20)[0] == ("0 to 2", 0)
    assert histogram([], 20)[-1][0] == "18 to 20"


def test_an_assignment_without_points_has_statistics(graded):
    path = graded.course.notebook("source", "ch01")
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.metadata.nbgrader.grade:
            cell.metadata.nbgrader.points = 0
    nbformat.write(notebook, path)
    release(graded.course, "1")
    assert grade(graded.course, "1") == 0
    assert statistics(graded.course, "1").endswith("ch01: 3 students, course/grades/ch01-statistics.html")
    assert histogram([0, 0, 0], 0) == [("0", 3)]


def test_feedback_is_packed_as_platforms_take_it_back(graded, capsys):
    feedback(graded.course, "1")
    said = capsys.readouterr().out
    assert "for uploading: course/feedback/ch01-canvas.zip, course/feedback/ch01-moodle.zip" in said
    for platform, name in (
        ("moodle", "ada X_101_assignfeedback_file_ch01.html"),
        ("canvas", "bob_LATE_78_9001_ch01.html"),
    ):
        with zipfile.ZipFile(graded.folder / "feedback" / f"ch01-{platform}.zip") as pack:
            assert pack.namelist() == [name, name.replace(".html", ".ipynb")]
            student = name[:3]
            page = graded.folder / "feedback" / student / "ch01" / "ch01.html"
            assert pack.read(name) == page.read_bytes()
