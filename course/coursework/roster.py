"""The class list and the deadlines: who is missing, who is late, and who is not on the list.

`course/class.csv` has a line per student, with the headings name, number and section. `number` is the
student's number in Moodle or Canvas (123 for Participant 123). Only `name` is required.
"""

import csv
import math
from datetime import datetime, timedelta
from typing import NamedTuple

from traitlets import Dict, Float, Integer
from traitlets.config import Configurable

from coursework.collect import EARLIEST, slug
from coursework.course import Course, CourseError, read_record

FILE = "class.csv"
HEADINGS = ("name", "number", "section")


class Person(NamedTuple):
    name: str
    number: str = ""
    section: str = ""


class Late(Configurable):
    """Deadlines and the late penalty. Set in nbgrader_config.py."""

    due = Dict(help='c.Late.due = {"ch04": "2026-03-01 23:59"}, in this machine\'s time').tag(config=True)
    grace_minutes = Integer(0, help="minutes after the deadline that do not count as late").tag(config=True)
    percent_per_day = Float(0, help="percentage of the points deducted for each day begun").tag(config=True)


def read_class(course: Course) -> list[Person]:
    """Return everyone on the class list, or [] if there is no list; raise CourseError for an invalid one."""
    path = course.folder / FILE
    if not path.is_file():
        return []
    try:
        lines = list(csv.reader(path.read_text("utf-8-sig").splitlines()))
    except (UnicodeDecodeError, csv.Error) as error:
        raise CourseError(f"{FILE} cannot be read as CSV in UTF-8: {error}") from None
    heads = [head.strip().lower() for head in lines[0]] if lines else []
    if "name" not in heads or not set(heads) <= set(HEADINGS):
        raise CourseError(
            f"{FILE} begins with {','.join(heads)!r}: wanted the headings name,number,section "
            "(only name is required)"
        )
    people = []
    for place, line in enumerate(lines[1:], 2):
        if not any(line):
            continue
        person = Person(**{head: cell.strip() for head, cell in zip(heads, line, strict=False)})
        if len(line) > len(heads) or not slug(person.name):
            raise CourseError(f"{FILE}, line {place} is {','.join(line)!r}: wanted {','.join(heads)}")
        people.append(person._replace(number=person.number.removeprefix("Participant ")))
    for about in ("number", "name"):
        given = [getattr(one, about) for one in people if about == "number" or not one.number]
        twice = sorted({one for one in given if one and given.count(one) > 1})
        if twice:
            raise CourseError(f"{FILE} has the {about} {twice[0]!r} more than once")
    return people


def who(people: list[Person], student: str, handed_in: dict) -> Person | None:
    """Find a submission's student on the list: by number if both have one, otherwise by a unique name."""
    number = handed_in.get("number", "")
    for one in people:
        if number and one.number == number:
            return one
    names = {student, slug(handed_in.get("name", student))}
    alike = [one for one in people if slug(one.name) in names and not (number and one.number)]
    return alike[0] if len(alike) == 1 else None


def days_late(course: Course, name: str, handed_in: dict) -> int:
    """Return the days that a submission is late, rounded up; 0 if it has no deadline or no known time."""
    late = Late(config=course.config)
    if name not in late.due or handed_in.get("platform") == "canvas":  # Canvas's zips don't contain the times
        return 0
    try:
        due = datetime.fromisoformat(late.due[name])
    except (TypeError, ValueError):
        raise CourseError(
            f"c.Late.due has {late.due[name]!r} for {name}: wanted a time like '2026-03-01 23:59'"
        ) from None
    came = handed_in.get("time", 0)
    over = came - (due + timedelta(minutes=late.grace_minutes)).timestamp()
    if came < EARLIEST or over <= 0:
        return 0
    return math.ceil((came - due.timestamp()) / 86_400)


def lateness(course: Course, name: str, handed_in: dict) -> str:
    """Say how late a submission is; "" if it is on time."""
    days = days_late(course, name, handed_in)
    if days:
        return f"{days} day{'s' if days > 1 else ''} late"
    return "late according to Canvas" if handed_in.get("late") else ""


def kept_share(course: Course, name: str, handed_in: dict) -> float:
    """Return the fraction of the points that is left after the late penalty."""
    percent = Late(config=course.config).percent_per_day
    if not 0 <= percent <= 100:
        raise CourseError(f"c.Late.percent_per_day is {percent:g}: wanted a number from 0 to 100")
    return max(0.0, 1 - percent / 100 * days_late(course, name, handed_in))


def require_settings(course: Course, name: str) -> None:
    """Raise CourseError for an invalid or missing class list or late policy, before any grading."""
    if not read_class(course) and course.per_student(name):
        raise CourseError(f"c.Variants.per_student needs the class list: write {course.folder / FILE}")
    kept_share(course, name, {"time": EARLIEST})


def attendance(course: Course, name: str, students: list[str]) -> list[str]:
    """Return remarks on an assignment: who is missing, who is not on the class list, who is late."""
    people = read_class(course)
    records = {
        student: read_record(course.folder / "submitted" / student / name / "from.json")
        for student in students
    }
    found = {student: who(people, student, handed_in) for student, handed_in in records.items()}
    missing = [one.name for one in people if one not in found.values()]
    unknown = [student for student, one in found.items() if people and one is None]
    late = [f"{one} ({says})" for one, about in records.items() if (says := lateness(course, name, about))]
    told = {
        f"{len(missing)} of {len(people)} handed in nothing": missing,
        f"{len(unknown)} not on the class list": unknown,
        f"{len(late)} late": late,
    }
    return [f"{says}: {', '.join(names)}" for says, names in told.items() if names]
