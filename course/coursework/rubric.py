"""The rubric of a written answer: what earns how many points.

It is part of the answer's solution in the source notebook, so it is never released:

    **Marking guide.** 1 point: names the cause. 2 points: supports it with numbers.
"""

import re

from nbgrader import utils

from coursework.align import name_of

GUIDE = re.compile(r"\*\*Marking guide\.?\*\*(.*?)(?=^ *### END|\Z)", re.DOTALL | re.MULTILINE)
POINTS = r"(\d+(?:\.\d+)?) points?: "
ITEM = re.compile(rf"{POINTS}(.+?)(?=[\s*-]*{POINTS}|\s*\Z)", re.DOTALL)


def rubrics(source) -> dict[str, list[tuple[float, str]]]:
    """Return the items of each written answer's rubric, as (points, text), by the answer's name."""
    found = {}
    for cell in source.cells:
        guide = GUIDE.search(cell.source)
        if guide and cell.cell_type == "markdown" and utils.is_grade(cell):
            found[name_of(cell)] = [(float(item[1]), item[2]) for item in ITEM.finditer(guide[1])]
    return found


def as_markdown(items: list[tuple[float, str]]) -> str:
    return "**Rubric**\n\n" + "\n".join(f"- {points:g}: {' '.join(text.split())}" for points, text in items)


def wrong_sums(source) -> list[str]:
    """Return a warning for each rubric whose points don't add up to those of its answer."""
    most = {name_of(cell): cell.metadata.nbgrader.get("points", 0) for cell in source.cells}
    sums = {name: sum(points for points, _ in items) for name, items in rubrics(source).items()}
    return [
        f"The marking guide of {name} adds up to {total:g} points, but the answer has {most[name]:g}."
        for name, total in sums.items()
        if total != most[name]
    ]
