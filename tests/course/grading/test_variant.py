"""The year or the student decides which variant of an assignment is released and graded."""

import copy

import nbformat
import pytest

from coursework.__main__ import main
from coursework.collect import collect
from coursework.course import Course, CourseError, read_variant, record
from coursework.feedback import feedback
from coursework.grade import grade
from coursework.personal import released_for, variant_of, variants
from coursework.rehearse import rehearse
from coursework.release import release
from coursework.statistics import statistics

CHANGES = '[[change]]\nnotebook = ["double"]\nvariants = [["twice"], ["two_times"]]\n'


def of_year(room, year: int) -> Course:
    path = room.folder / "nbgrader_config.py"
    path.write_text(f"{path.read_text('utf8')}\nc.Variants.year = {year}\n", "utf8")
    return Course(room.folder)


def test_a_new_year_is_released_and_graded_in_its_variant(classroom):
    """In a sandbox, with the recheck: last year's answers lose the points that this year's get."""
    (classroom.folder / "source" / "ch01" / "variants.toml").write_text(CHANGES)
    last, course = of_year(classroom, 2026), of_year(classroom, 2027)
    texts = {one.year: "\n".join(cell.source for cell in one.source("ch01").cells) for one in (last, course)}
    names = {year: "twice" if "twice(3)" in text else "two_times" for year, text in texts.items()}
    assert set(names.values()) == {"twice", "two_times"}
    with pytest.raises(CourseError, match="has changed since it was released: make release CH=01"):
        course.released("ch01")
    release(course, "1")
    assert {path.name for path in (classroom.folder / "release" / "ch01").iterdir()} == {
        "ch01.ipynb",
        "source.sha256",
    }
    assert not list(classroom.folder.glob(".source-*"))
    classroom.course = course
    for student, name in (("new", names[2027]), ("old", names[2026])):
        code = f"def {name}(x):\n    return 2 * x"
        classroom.hand_in(student, classroom.answer(double=code))
    assert grade(course, "1", jobs=2) == 0
    report = classroom.report()
    assert report["new"] == "5 of 8; 3 to mark by hand"
    assert report["old"].startswith("2 of 8; 3 to mark by hand; lost: double-numbers 2, double-tensors 1")
    again = of_year(classroom, 2029)  # the same variant of two, but another year
    with pytest.raises(CourseError, match="has changed since it was released"):
        again.released("ch01")


def test_an_invalid_list_of_variants_is_an_error(classroom):
    (classroom.folder / "source" / "ch01" / "variants.toml").write_text(CHANGES.replace("double", "triple"))
    with pytest.raises(CourseError, match=r"variants\.toml of ch01: 'triple' is not in the notebook"):
        release(of_year(classroom, 2027), "1")
    assert "is released" in release(of_year(classroom, 0), "1")


@pytest.fixture
def personal(classroom):
    """A course with a variant per student: Ada's and Bob's differ, and Cleo's has Ada's texts."""
    (classroom.folder / "source" / "ch01" / "variants.toml").write_text(CHANGES)
    path = classroom.folder / "nbgrader_config.py"
    path.write_text(f"{path.read_text('utf8')}\nc.Variants.per_student = True\n", "utf8")
    (classroom.folder / "class.csv").write_text("name,number\nAda,1\nBob,\nCleo,4\n", "utf8")
    classroom.course = Course(classroom.folder)
    return classroom


def given(room, student: str) -> nbformat.NotebookNode:
    return nbformat.read(room.course.notebook("release", "ch01", student), as_version=4)


def name_in(room, student: str) -> str:
    text = "\n".join(cell.source for cell in given(room, student).cells)
    return "twice" if "twice(3)" in text else "two_times"


def answered(room, student: str, double: str = "") -> nbformat.NotebookNode:
    """A student's own notebook with right answers; `double` is the name of the first task's function."""
    notebook, name = copy.deepcopy(given(room, student)), double or name_in(room, student)
    answers = {cell.metadata.nbgrader.grade_id: cell.source for cell in room.answer().cells}
    answers["double"] = f"def {name}(x):\n    return 2 * x"
    for cell in notebook.cells:
        if cell.metadata.nbgrader.solution:
            cell.source = answers[cell.metadata.nbgrader.grade_id]
    return notebook


def test_each_student_is_graded_on_their_own_variant(personal, capsys):
    """In a sandbox, with the recheck: somebody else's notebook or answers are named as such."""
    said = release(personal.course, "1")
    assert said.startswith("ch01 is released in 3 notebooks, one for each student on the class list: ")
    assert {name_in(personal, one) for one in ("ada", "bob")} == {"twice", "two_times"}
    ids = {one: given(personal, one).metadata.variant for one in ("ada", "bob", "cleo")}
    assert len(set(ids.values())) == 3
    other = name_in(personal, "bob")
    for student, notebook in (
        ("ada", answered(personal, "ada")),
        ("bob", answered(personal, "bob")),
        ("cleo", answered(personal, "ada")),
        ("dora", answered(personal, "ada")),
    ):
        personal.hand_in(student, notebook)
    assert grade(personal.course, "1", jobs=2) == 1
    report = personal.report()
    assert report["ada"] == report["bob"] == "5 of 8; 3 to mark by hand"
    assert report["cleo"].startswith("0 of 8; ")
    assert "! this is another student's variant of ch01; ! this variant belongs to Ada" in report["cleo"]
    assert report["dora"].startswith(
        "NOT GRADED: dora is not on the class list and so has no variant of ch01; "
    )
    feedback(personal.course, "1")
    page = (personal.folder / "feedback" / "cleo" / "ch01" / "ch01.html").read_text("utf8")
    assert "another student&#39;s variant of ch01" in page
    assert "Ada" not in page
    statistics(personal.course, "1")

    personal.hand_in("ada", answered(personal, "ada", double=other))
    personal.hand_in("cleo", answered(personal, "cleo"))
    grade(personal.course, "1", jobs=2)
    report = personal.report()
    assert report["ada"].startswith("2 of 8; 3 to mark by hand; lost: double-numbers 2, double-tensors 1; ! ")
    assert f"! defines {other}, as another student's variant of ch01 asks" in report["ada"]
    assert report["cleo"] == "5 of 8; 3 to mark by hand"
    before = record(personal.course, "ch01", "bob")
    grade(personal.course, "1", question="double-numbers", jobs=2)
    assert record(personal.course, "ch01", "bob")["score"] == before["score"]
    assert personal.report()["ada"].startswith("2 of 8; ")


def test_a_variant_depends_on_the_class_list_alone(personal):
    release(personal.course, "1")
    before = {one.name: drawn for one, drawn in variants(personal.course).items()}
    with (personal.folder / "class.csv").open("a") as file:
        file.write("Ada,9\nEmmy,\n")
    after = {(one.name, one.number): drawn for one, drawn in variants(personal.course).items()}
    assert after["Bob", ""] == before["Bob"]
    assert after["Ada", "1"] == ("ada-1", before["Ada"][1])  # a namesake changes the folder, not the variant
    assert after["Ada", "9"][0] == "ada-9"
    assert variant_of(personal.course, "ch01", "ada-9") == after["Ada", "9"]
    with pytest.raises(CourseError, match="ch01 is not released for emmy yet: make release CH=01"):
        released_for(personal.course, "ch01", "emmy")
    release(personal.course, "1")
    assert released_for(personal.course, "ch01", "emmy").metadata.variant == after["Emmy", ""][1]


def test_a_submission_keeps_its_variant_when_outputs_are_stripped(personal, tmp_path, monkeypatch):
    release(personal.course, "1")
    path = tmp_path / "in" / "Ada" / "ch01.ipynb"
    path.parent.mkdir(parents=True)
    nbformat.write(answered(personal, "ada"), path)
    monkeypatch.setattr("coursework.collect.LARGEST", 10)
    collect(personal.course, "1", str(tmp_path / "in"))
    kept = personal.course.notebook("submitted", "ch01", "ada").read_bytes()
    assert kept != path.read_bytes()
    assert read_variant(kept) == given(personal, "ada").metadata.variant


@pytest.mark.parametrize("text", ["{}", '{"metadata": []}', '{"metadata": {"variant": 5}}'])
def test_a_submission_without_a_valid_id_has_none(text):
    assert read_variant(text.encode()) == ""


def test_variants_per_student_can_be_rehearsed(personal, capsys):
    assert rehearse(personal.course, "1", jobs=2) == 0
    assert capsys.readouterr().out.count("  yes\n") == 6


def test_variants_per_student_need_a_class_list_and_no_common_copy(personal, tmp_path, capsys):
    release(personal.course, "1")
    words = ["students-edition", str(tmp_path / "edition"), "--assignments", "01"]
    assert main(["--course", str(personal.folder), *words]) == 1
    assert "ch01 has a variant per student" in capsys.readouterr().err
    (personal.folder / "class.csv").unlink()
    with pytest.raises(CourseError, match=r"c\.Variants\.per_student needs the class list"):
        release(personal.course, "1")
