"""The class list and the deadline: who is missing, unknown or late, and what lateness costs."""

import csv
import json
from datetime import datetime

import pytest

from coursework.collect import collect
from coursework.course import Course, CourseError
from coursework.feedback import feedback
from coursework.grade import grade
from coursework.grades import grades
from coursework.roster import Person, days_late, read_class, who

LIST = "name,number,section\nAda Lovelace,Participant 101,A\nGrace Hopper,,B\n\nEmmy Noether,103,A\n"
DUE = "2026-03-01 23:59"


def came(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


@pytest.fixture
def people(classroom, at_once):
    """Four students who submitted, one late and one not on the list; one on the list didn't submit."""
    (classroom.folder / "class.csv").write_text(LIST, "utf8")
    for student, name, number, time in (
        ("ada-lovelace", "Ada Lovelace", "101", "2026-03-01 12:00"),
        ("hopper", "Grace Hopper", "", "2026-03-03 10:00"),
        ("eve", "Eve Else", "109", "2026-03-01 12:00"),
    ):
        classroom.hand_in(student, classroom.answer())
        about = {"name": name, "platform": "moodle", "number": number, "file": "", "time": came(time)}
        (classroom.folder / "submitted" / student / "ch01" / "from.json").write_text(json.dumps(about))
    return classroom


def settings(room, text: str) -> Course:
    path = room.folder / "nbgrader_config.py"
    path.write_text(path.read_text("utf8") + text, "utf8")
    return Course(room.folder)


def test_missing_unknown_and_late_are_named(people, capsys):
    course = settings(people, f"\nc.Late.due = {{'ch01': '{DUE}'}}\nc.Late.percent_per_day = 10\n")
    grade(course, "1")
    said = capsys.readouterr().out
    for line in (
        "1 of 3 handed in nothing: Emmy Noether",
        "1 not on the class list: eve",
        "1 late: hopper (2 days late)",
    ):
        assert f"\n{line}\n" in said
        assert line in (people.folder / "grades" / "ch01-report.txt").read_text("utf8").splitlines()
    assert people.report()["hopper"].endswith("; 2 days late")
    grades(course)
    with (people.folder / "grades" / "grades.csv").open(encoding="utf8", newline="") as file:
        rows = {row["name"]: row for row in csv.DictReader(file)}
    assert {name: (row["section"], row["ch01"], row["total"]) for name, row in rows.items()} == {
        "Ada Lovelace": ("A", "5", "5"),
        "Grace Hopper": ("B", "4", "4"),
        "Eve Else": ("", "5", "5"),
        "Emmy Noether": ("A", "", "0"),
    }
    feedback(course, "1")
    page = lambda student: (people.folder / "feedback" / student / "ch01" / "ch01.html").read_text("utf8")  # noqa: E731
    assert "2 days late: 20 % of the points are deducted" in page("hopper")
    assert "days late" not in page("eve")


def test_without_a_list_and_a_deadline_nothing_is_said(people, capsys):
    (people.folder / "class.csv").unlink()
    grade(people.course, "1")
    assert not any(word in capsys.readouterr().out for word in ("late:", "list", "nothing"))


@pytest.mark.parametrize(
    ("time", "days"),
    [
        ("2026-03-01 23:59:00", 0),
        ("2026-03-02 00:14:00", 0),
        ("2026-03-02 00:14:01", 1),
        ("2026-03-02 23:59:00", 1),
        ("2026-03-02 23:59:01", 2),
        ("1980-01-01 00:00:00", 0),
    ],
)
def test_days_are_counted_from_the_deadline_after_a_grace(classroom, time, days):
    course = settings(classroom, f"\nc.Late.due = {{'ch01': '{DUE}'}}\nc.Late.grace_minutes = 15\n")
    assert days_late(course, "ch01", {"time": came(time)}) == days
    assert days_late(course, "ch02", {"time": came(time)}) == 0
    assert days_late(course, "ch01", {"time": came(time), "platform": "canvas"}) == 0


def test_lateness_is_read_from_canvas_file_names(classroom, at_once, tmp_path):
    for name in ("lovelaceada_LATE_78_9001_ch01.ipynb", "hoppergrace_79_9002_ch01.ipynb"):
        (tmp_path / "in").mkdir(exist_ok=True)
        (tmp_path / "in" / name).write_text(json.dumps(classroom.answer()))
    collect(classroom.course, "1", str(tmp_path / "in"))
    grade(classroom.course, "1")
    assert classroom.report()["lovelaceada"].endswith("; late according to Canvas")
    assert "late" not in classroom.report()["hoppergrace"]


def test_whose_work_it_is():
    ada, twin, grace = Person("Ada Lovelace", "101"), Person("Ada Lovelace", "102"), Person("Grace Hopper")
    people = [ada, twin, grace]
    assert who(people, "ada-lovelace-102", {"name": "Ada Lovelace", "number": "102"}) == twin
    assert who(people, "x", {"name": "Someone Else", "number": "101"}) == ada
    assert who(people, "ada-lovelace", {"name": "Ada Lovelace"}) is None  # which of the two?
    assert who(people, "grace-hopper", {}) == grace
    assert who(people, "ada", {"name": "Ada Lovelace", "number": "109"}) is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "begins with ''"),
        ("student;number\nAda;1\n", "begins with 'student;number': wanted the headings name,number,section"),
        ("name,number\nAda,1\n,2\n", "line 3 is ',2': wanted name,number"),
        ("name\nAda,1\n", "line 2 is 'Ada,1': wanted name"),
        ("name,number\nAda,1\nBob,1\n", "the number '1' more than once"),
        ("name\nAda\nAda\n", "the name 'Ada' more than once"),
        (b"name\n\xff\n", "cannot be read as CSV in UTF-8"),
    ],
)
def test_an_invalid_class_list_is_refused_before_grading(classroom, text, says):
    data = text if isinstance(text, bytes) else text.encode()
    (classroom.folder / "class.csv").write_bytes(data)
    classroom.hand_in("ada", classroom.answer())
    with pytest.raises(CourseError, match=says):
        grade(classroom.course, "1")
    assert not (classroom.folder / "grades").exists()


def test_a_list_may_come_from_a_spreadsheet(classroom):
    (classroom.folder / "class.csv").write_bytes(b"\xef\xbb\xbfName,Section\r\nAda Lovelace,A\r\n,\r\n")
    assert read_class(classroom.course) == [Person("Ada Lovelace", "", "A")]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("c.Late.due = {'ch01': 'soon'}", "c.Late.due has 'soon' for ch01: wanted a time like"),
        ("c.Late.percent_per_day = 120", "c.Late.percent_per_day is 120: wanted a number from 0 to 100"),
    ],
)
def test_an_invalid_late_policy_is_refused_before_grading(classroom, text, says):
    course = settings(classroom, f"\n{text}\n")
    classroom.hand_in("ada", classroom.answer())
    with pytest.raises(CourseError, match=says):
        grade(course, "1")
    assert not (classroom.folder / "grades").exists()
