"""The rubric of a written answer, from the source notebook to the marking page."""

import nbformat
import pytest

from bookpress import ROOT
from coursework.formgrader import Page
from coursework.release import release
from coursework.rubric import as_markdown, rubrics, wrong_sums

SOURCES = sorted((ROOT / "course" / "source").glob("ch*/ch*.ipynb"))
GUIDE = """Because.

**Marking guide.**

- 1 point: names
  the sum.
- 1.5 points: says **why**. No formula: half."""


@pytest.fixture
def guided(classroom):
    """The course, with a rubric that is half a point short."""
    path = classroom.course.notebook("source", "ch01")
    notebook = nbformat.read(path, as_version=4)
    cell = notebook.cells[-1]
    cell.source = cell.source.replace("Because of the sum.", GUIDE)
    nbformat.write(notebook, path)
    return classroom


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_every_written_answer_has_a_rubric_with_all_its_points(path):
    source = nbformat.read(path, as_version=4)
    assert wrong_sums(source) == []
    written = [cell for cell in source.cells if cell.cell_type == "markdown" and cell.metadata.nbgrader.grade]
    assert [len(items) > 2 for items in rubrics(source).values()] == [True] * len(written)


def test_a_rubric_is_read_and_its_sum_checked(guided):
    source = nbformat.read(guided.course.notebook("source", "ch01"), as_version=4)
    items = rubrics(source)["why"]
    assert items == [(1, "names\n  the sum."), (1.5, "says **why**. No formula: half.")]
    assert as_markdown(items) == "**Rubric**\n\n- 1: names the sum.\n- 1.5: says **why**. No formula: half."
    said = release(guided.course, "1")
    assert said.splitlines()[1] == "The marking guide of why adds up to 2.5 points, but the answer has 3."
    assert "Marking guide" not in guided.course.notebook("release", "ch01").read_text("utf8")


def test_it_is_shown_above_the_answer_on_the_marking_page(guided):
    release(guided.course, "1")
    page = Page(guided.folder)
    cells = list(page.with_rubrics(guided.answer().cells, "ch01"))
    assert len(cells) == len(guided.answer().cells) + 1
    assert cells[-2].source.startswith("**Rubric**")
    assert cells[-1].metadata.nbgrader.grade_id == "why"
