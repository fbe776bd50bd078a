"""Facts for the instructor guide, taken from the chapters themselves when the book is built.

    ```{chapter-table}
    ```

is a table of all chapters: reading time, seconds to run, points of the assignment;

    ```{chapter-facts} 04-self-attention
    ```

lists what one chapter teaches, what it requires and what its assignment asks;

    ```{grading-load}
    ```

shows what `make bench-grading` measured, once it has run.
"""

import json
import re
from pathlib import Path
from typing import NamedTuple

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from bookpress import ROOT

COSTS = "benchmarks/chapters.md"
LOAD = "benchmarks/grading.md"
NONE = "–"


class Chapter(NamedTuple):
    """What a chapter says about itself before its first section."""

    name: str
    title: str
    objectives: list[str]
    needs: str
    reading: str
    exercises: str


class Assignment(NamedTuple):
    """What an assignment asks: its tasks with kind and points, the points graded by hand, and minutes."""

    title: str
    tasks: list[tuple[str, str, int]]
    points: int
    by_hand: int
    minutes: str


def chapters(root: Path = ROOT) -> list[str]:
    """The chapters' names, in order."""
    return sorted(path.stem for path in (root / "chapters").glob("[0-9][0-9]-*.ipynb"))


def read_cells(path: Path) -> list[dict]:
    return json.loads(path.read_text("utf8"))["cells"]


def chapter(name: str, root: Path = ROOT) -> Chapter:
    """What the chapter says before its first section; `ValueError` if it isn't written like the others."""
    cells = read_cells(root / "chapters" / f"{name}.ipynb")
    prose = "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    text = prose.partition("\n## ")[0]
    line = found(r"^\*\*You need\*\* (.*)$", text, name)
    needs, _, rest = line.partition(" · ")
    goals = found(r"\*\*You will be able to\*\*\n\n((?:- .*\n)+)", text, name)
    return Chapter(
        name,
        found(r"^# (.*)$", text, name),
        [goal.removeprefix("- ") for goal in goals.splitlines()],
        needs.rstrip("."),
        found(r"\*\*Reading\*\* (\d+) min", rest, name),
        found(r"exercises(?:\*\*)? (about an? [a-z ]+?)(?= ·|$)", rest, name, re.IGNORECASE),
    )


def found(pattern: str, text: str, name: str, flags: int = 0) -> str:
    match = re.search(pattern, text, re.MULTILINE | flags)
    if not match:
        raise ValueError(f"{name}: nothing before its first section matches {pattern}")
    return match[1]


def costs(root: Path = ROOT) -> dict[str, tuple[int, int]]:
    """Seconds and megabytes that each chapter takes to run, as `make bench-chapters` measured them."""
    row = re.compile(r"^\| (\d\d-[\w-]+) \| (\d+) \| \d+ \| ([\d,]+) \|$", re.MULTILINE)
    rows = row.findall((root / COSTS).read_text("utf8"))
    return {name: (int(seconds), int(memory.replace(",", ""))) for name, seconds, memory in rows}


def assignment(name: str, root: Path = ROOT) -> Assignment | None:
    """The chapter's assignment, from the table in its notebook and the points of its cells."""
    number = f"ch{name[:2]}"
    file = root / "course" / "source" / number / f"{number}.ipynb"
    if not file.exists():
        return None
    cells = read_cells(file)
    text = "".join(cells[0]["source"])
    graded = [cell for cell in cells if cell["metadata"].get("nbgrader", {}).get("grade")]
    points = sum(cell["metadata"]["nbgrader"]["points"] for cell in graded)
    by_hand = sum(
        cell["metadata"]["nbgrader"]["points"] for cell in graded if cell["metadata"]["nbgrader"]["solution"]
    )
    rows = re.findall(r"^\| \d+\. ([^|]+) \| ([^|]+) \| (\d+) \|$", text, re.MULTILINE)
    tasks = [(task.strip(), kind.strip(), int(count)) for task, kind, count in rows]
    return Assignment(
        found(r"^# Chapter \d+, assignment: (.*)$", text, number),
        tasks,
        int(points),
        int(by_hand),
        found(r"(\d+) minutes", text, number),
    )


def table(root: Path = ROOT) -> str:
    """The table of all chapters, in Markdown; where no assignment is there, without a column for them."""
    measured = costs(root)
    works = {name: assignment(name, root) for name in chapters(root)}
    columns = 6 if any(works.values()) else 5
    head = ["Chapter", "Reading", "Exercises", "Runs in", "Memory", "Assignment"][:columns]
    rule = [":--", "--:", ":--", "--:", "--:", ":--"][:columns]
    lines = [f"| {' | '.join(head)} |", f"|{'|'.join(rule)}|"]
    for name in works:
        one, work = chapter(name, root), works[name]
        seconds, memory = measured.get(name, (NONE, NONE))
        asks = f"{work.points} points, about {work.minutes} min" if work else NONE
        cells = [f"[{one.title}]({name}.ipynb)", f"{one.reading} min", one.exercises]
        cells += [f"{seconds} s", f"{memory} MB", asks]
        lines.append(f"| {' | '.join(cells[:columns])} |")
    return "\n".join(lines)


def facts(name: str, root: Path = ROOT) -> str:
    """What one chapter teaches and requires, in Markdown."""
    one, work = chapter(name, root), assignment(name, root)
    times = f"**Reading** {one.reading} minutes · **Exercises** {one.exercises}"
    lines = [f"{times} · **Needs** {one.needs}.", ""]
    lines += ["Afterwards students can", "", *(f"- {goal}" for goal in one.objectives), ""]
    if work:
        tasks = "; ".join(f"{task} ({kind}, {count})" for task, kind, count in work.tasks)
        lines += [f"**Assignment**, “{work.title}”: {tasks}."]
        lines += [f"{work.points} points, {work.by_hand} of them by hand; about {work.minutes} minutes."]
    return "\n".join(lines)


def load(root: Path = ROOT) -> str:
    """What grading a class costs, as `make bench-grading` measured it, in Markdown."""
    file = root / LOAD
    if not file.exists():
        return "`make bench-grading` measures on your machine how many submissions it grades in an hour."
    return file.read_text("utf8").partition("\n")[2].strip()


class FromChapters(SphinxDirective):
    """The directives: Markdown made from the chapters."""

    optional_arguments = 1

    def run(self) -> list[nodes.Node]:
        root = Path(self.env.srcdir)
        for path in (COSTS, LOAD, *(f"chapters/{name}.ipynb" for name in chapters(root))):
            self.env.note_dependency(str(root / path))
        for file in (root / "course" / "source").glob("*/*.ipynb"):
            self.env.note_dependency(str(file))
        try:
            if self.arguments:
                text = facts(*self.arguments, root)
            else:
                text = {"grading-load": load}.get(self.name, table)(root)
        except (ValueError, OSError) as problem:
            raise self.error(str(problem)) from problem
        body = nodes.container(classes=["ab-guide"])
        self.state.nested_parse(StringList(text.splitlines(), self.name), self.content_offset, body)
        return [*body.children]


def setup(app: Sphinx) -> None:
    app.add_directive("chapter-table", FromChapters)
    app.add_directive("chapter-facts", FromChapters)
    app.add_directive("grading-load", FromChapters)
