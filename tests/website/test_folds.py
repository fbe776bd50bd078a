"""Folded cells are labelled by the title in their first line, for eyes and for screen readers."""

import json

import pytest
from bs4 import BeautifulSoup
from docutils import nodes
from docutils.utils import new_document

from bookpress import ROOT, inspection
from bookpress.extension import folds
from bookpress.extension.page import Page

CHAPTERS = sorted(path.stem for path in (ROOT / "chapters").glob("[0-9]*.ipynb"))
FOLD = """<details class="admonition hide above-input"><summary aria-label="Toggle hidden content">
<p class="collapsed admonition-title">{}</p><p class="expanded admonition-title">{}</p></summary></details>"""


def cell(code: str, **attributes) -> nodes.container:
    """A code cell as MyST-NB reads it, after the title has moved."""
    document = new_document("page")
    document += nodes.container("", nodes.literal_block(code, code), nb_element="cell_code", **attributes)
    folds.Titles(document).apply()
    return document[0]


def test_a_title_moves_from_the_code_to_the_label():
    fold = cell("# @title Draw it\n\nx = 1\n", hide_mode="input", prompt_show="Show", prompt_hide="Hide")
    assert (fold["prompt_show"], fold["prompt_hide"]) == ("Draw it", "Draw it")
    assert fold.astext() == fold[0].rawsource == "x = 1\n"
    assert fold[0][0].parent is fold[0]


def test_code_without_a_title_or_without_a_fold_stays():
    untitled = cell("x = 1  # @title no", hide_mode="all", prompt_show="Show", prompt_hide="Hide")
    assert (untitled["prompt_show"], untitled.astext()) == ("Show", "x = 1  # @title no")
    assert cell("# @title Draw it\nx = 1").astext() == "# @title Draw it\nx = 1"


def test_a_label_is_the_name_of_its_fold(tmp_path):
    (tmp_path / "page.html").write_text(FOLD.format("Setup", "Setup") + FOLD.format("Show", "Hide"), "utf8")
    page = Page(tmp_path / "page.html", tmp_path)
    folds.label_folds(page)
    titled, untitled = page.soup.select("summary")
    assert titled.decode_contents() == "Setup"
    assert len(untitled.select("p")) == 2
    assert not any(summary.has_attr("aria-label") for summary in (titled, untitled))


@pytest.mark.parametrize("name", CHAPTERS)
def test_pages_show_the_titles_of_their_notebook(html, name):
    notebook = json.loads((ROOT / "chapters" / f"{name}.ipynb").read_text("utf8"))
    titles = []
    for one in notebook["cells"]:
        tags = {*one["metadata"].get("tags", [])}
        if tags & {"hide-cell", "hide-input"} and "remove-cell" not in tags:
            titles.append("".join(one["source"]).partition("\n")[0].removeprefix("# @title "))
    soup: BeautifulSoup = inspection.soup(html / "chapters" / f"{name}.html")
    assert [label.get_text().strip() for label in soup.select("details.hide > summary")] == titles
    assert "@title" not in soup.select_one("article").get_text()
