"""Glossary, references and article page: all links to them work, on GitHub too."""

import json
import re
from collections import Counter
from pathlib import Path

import pytest

from bookpress.widget_links import SETS_WIDGET

CHAPTERS = Path(__file__).parents[2] / "chapters"
NOTEBOOKS = sorted(CHAPTERS.glob("[0-9]*.ipynb"))
PAGES = [*NOTEBOOKS, *sorted(CHAPTERS.glob("*.md"))]
VERDICTS = ["Right", "Right, with a limit", "Loose", "Not so", "Missing"]
LINK = re.compile(r"\]\(([\w.-]+\.(?:md|ipynb))?(?:#([^)]+))?\)")


def markdown(page: Path) -> str:
    """A page's text without code."""
    text = page.read_text("utf8")
    if page.suffix == ".ipynb":
        cells = json.loads(text)["cells"]
        text = "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    return re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings in GitHub, JupyterLab and the book."""
    headings = re.findall(r"^#+ (.+)$", markdown(page), re.M)
    plain = (re.sub(r"[`*]|\$", "", heading).strip().lower() for heading in headings)
    return {re.sub(r"[^\w\- ]", "", heading).replace(" ", "-") for heading in plain}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_to_pages_and_headings_work(page):
    broken = []
    for file, anchor in LINK.findall(markdown(page)):
        if re.match(SETS_WIDGET, f"{file}#{anchor}"):
            continue  # test_widget_links.py clicks these
        target = CHAPTERS / file if file else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(f"{file}#{anchor}")
    assert broken == []


@pytest.mark.parametrize("chapter", NOTEBOOKS, ids=lambda page: page.name)
def test_chapter_links_its_terms_to_the_glossary(chapter):
    terms = {anchor for file, anchor in LINK.findall(markdown(chapter)) if file == "glossary.md"}
    assert len(terms) >= 8


def test_every_term_has_a_chinese_name_and_a_section():
    entries = re.split(r"^### ", markdown(CHAPTERS / "glossary.md"), flags=re.M)[1:]
    assert len(entries) >= 60
    for entry in entries:
        name, _, body = entry.partition("\n")
        assert re.match(r"\n\*\*[^*]*[\u4e00-\u9fff]+[^*]*\*\* · ", body), name
        assert re.search(r"[Cc]hapters? \d", body), name


def test_claims_of_the_article_are_numbered_and_have_verdicts():
    text = markdown(CHAPTERS / "article.md")
    claims = re.findall(r"^(\d+)\. \*\*([^*]+)\.\*\*(.+?)(?=^\d+\. |^## |\Z)", text, re.M | re.S)
    assert [int(number) for number, *_ in claims] == list(range(1, len(claims) + 1))
    assert {verdict for _, verdict, _ in claims} == set(VERDICTS)
    assert [number for number, _, words in claims if "→ " not in words] == []
    count = Counter(verdict for _, verdict, _ in claims)
    told = re.search(
        r"Of (\d+) claims and gaps, (\d+) .+?, (\d+) .+?, (\d+) .+?, (\d+) .+?, and (\d+) ", text
    )
    assert [*map(int, told.groups())] == [len(claims), *(count[verdict] for verdict in VERDICTS)]


def test_chinese_words_are_marked_as_chinese(visit):
    page = visit("chapters/glossary.html")
    marked = page.locator("article span[lang='zh-Hans']").all_text_contents()
    assert "注意力" in marked
    assert "词嵌入（嵌入）" in marked
    assert page.locator("article :is(h1, h2, h3, pre, code) span[lang]").count() == 0
    assert page.locator("article strong").first.inner_text() == "注意力"


def test_verdicts_stand_out(visit):
    page = visit("chapters/article.html")
    claims = page.locator("article ol > li").count()
    assert page.locator("article ol > li .ab-verdict").count() == claims > 40
    colors = page.locator(".ab-verdict").evaluate_all("all => all.map(e => getComputedStyle(e).color)")
    assert len(set(colors)) == 4  # "right" and "right, with a limit" look the same


@pytest.mark.parametrize("page", sorted(CHAPTERS.glob("*.md")), ids=lambda page: page.name)
def test_headings_are_unique(page):
    headings = re.findall(r"^#+ (.+)$", markdown(page), re.M)
    assert [heading for heading, count in Counter(headings).items() if count > 1] == []
