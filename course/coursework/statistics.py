"""A page with the class's results for each question and the most common messages of failed tests."""

from collections import Counter
from pathlib import Path
from typing import NamedTuple

import nbformat
from jinja2 import Environment, FileSystemLoader

from coursework.align import is_test, name_of
from coursework.course import Course, CourseError, short, write
from coursework.judge import error_of
from coursework.outputs import plain

MOST_FAIL = 0.5  # a test is suspicious if more than this fraction of the class fails it


class Question(NamedTuple):
    """A test or a written answer: its points, the students' scores, and its most common error messages."""

    name: str
    points: float
    scores: list[float]
    waiting: int
    says: list[tuple[str, int]]

    @property
    def mean(self) -> float:
        return sum(self.scores) / len(self.scores) if self.scores else 0.0

    @property
    def lost(self) -> int:
        return sum(score < self.points for score in self.scores)

    @property
    def suspicious(self) -> bool:
        return bool(self.says) and self.lost > MOST_FAIL * len(self.scores)


def statistics(course: Course, chapter: str) -> str:
    """Write grades/chNN-statistics.html; return a report of the tests that most of the class failed."""
    name = course.assignment(chapter)
    paths = sorted(course.folder.glob(f"autograded/*/{name}/{name}.ipynb"))
    if not paths:
        raise CourseError(f"no submission for {name} has been graded yet: make grade CH={short(name)}")
    questions, totals, most = read(course, name, paths)
    templates = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True)
    page = course.folder / "grades" / f"{name}-statistics.html"
    text = templates.get_template("statistics.html.j2").render(
        name=name, questions=questions, totals=totals, most=most, bars=histogram(totals, most)
    )
    write(page, text)
    told = [
        f"{one.name}: {one.lost} of {len(one.scores)} lost points; most common message: {one.says[0][0]}"
        for one in questions
        if one.suspicious
    ]
    return "\n".join(
        [*map(plain, told), f"{name}: {len(totals)} students, {page.relative_to(course.folder.parent)}"]
    )


def read(course: Course, name: str, paths: list[Path]) -> tuple[list[Question], list[float], float]:
    """Return the questions in the assignment's order, the students' total points, and the maximum."""
    said: dict[str, Counter] = {}
    for path in paths:
        for cell in nbformat.read(path, as_version=4).cells:
            error = error_of(cell) if is_test(cell) else None
            if error:
                words = error.evalue if error.ename == "AssertionError" and error.evalue else error.ename
                said.setdefault(name_of(cell), Counter())[plain(words, 160)] += 1
    order = [name_of(cell) for cell in course.source(name).cells]
    with course.gradebook() as gradebook:
        submissions = [gradebook.find_submission(name, path.parts[-3]) for path in paths]
        totals, most = [one.score for one in submissions], max(one.max_score for one in submissions)
        grades = [grade for one in submissions for grade in one.notebooks[0].grades]
        questions = [
            Question(
                question,
                max(grade.max_score for grade in those),
                [grade.score for grade in those if not grade.needs_manual_grade],
                sum(grade.needs_manual_grade for grade in those),
                said.get(question, Counter()).most_common(3),
            )
            for question in order
            if (those := [grade for grade in grades if grade.name == question])
        ]
    return questions, totals, most


def histogram(totals: list[float], most: float, bars: int = 10) -> list[tuple[str, int]]:
    """Return (range, number of students) for equal ranges of points; one range if there are none to get."""
    if not most:
        return [("0", len(totals))]
    counts = [0] * bars
    for total in totals:
        counts[min(bars - 1, max(0, int(bars * total / most)))] += 1
    return [(f"{most * i / bars:g} to {most * (i + 1) / bars:g}", count) for i, count in enumerate(counts)]
