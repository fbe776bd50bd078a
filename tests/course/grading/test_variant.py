"""A course's year decides which variant of an assignment is released and graded."""

import pytest

from coursework.course import Course, CourseError
from coursework.grade import grade
from coursework.release import release

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
