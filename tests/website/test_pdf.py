"""The printed book: contents, page numbers, links and bookmarks agree."""

import os
import re
import subprocess
import sys
import unicodedata
from concurrent.futures import ThreadPoolExecutor

import pytest
from bs4 import BeautifulSoup
from pypdf import PdfReader

from bookpress import ROOT, contents, pdf
from bookpress.chromium import MISSING, find_chromium
from bookpress.inspection import mount

DATES = "chapters/03-attn.html"  # has a date in every language
CHAPTER, GLOSSARY = "chapters/02-query-key-value.html", "chapters/glossary.html"
TITLE = "2. Query, key, value"
NAMES = ["chapters/index.html", DATES, CHAPTER, GLOSSARY]
A4 = (595, 842)


def print_pages(html, file, names) -> int:
    """Print in a thread of its own: this one's Playwright may have the tests' browser open."""
    if not find_chromium():
        pytest.fail(MISSING, pytrace=False)
    with ThreadPoolExecutor() as pool:
        return pool.submit(pdf.book, html, file, names, "A Title").result()


@pytest.fixture(scope="module")
def printed(html, tmp_path_factory) -> PdfReader:
    """A book of four pages: the first, one with dates, a chapter with widgets, one with links to it."""
    file = tmp_path_factory.mktemp("pdf") / "book.pdf"
    count = print_pages(html, file, NAMES)
    reader = PdfReader(file)
    assert len(reader.pages) == count
    return reader


@pytest.fixture(scope="module")
def texts(printed) -> list[str]:
    """The text of each page."""
    return [page.extract_text() for page in printed.pages]


@pytest.fixture(scope="module")
def marks(printed) -> list[tuple[str, int]]:
    """The bookmarks and their pages."""

    def flat(items):
        for item in items:
            if isinstance(item, list):
                yield from flat(item)
            else:
                yield plain(item.title), printed.get_destination_page_number(item)

    return list(flat(printed.outline))


def plain(text: str) -> str:
    """Text without spaces, in Unicode normal form."""
    return re.sub(r"\s", "", unicodedata.normalize("NFKC", text)).replace("’", "'").replace("ʼ", "'")


def front(printed) -> int:
    """The number of pages before the first chapter."""
    return printed.page_labels.index("1")


def links(page) -> list:
    return [one.get_object() for one in page.get("/Annots", [])]


def test_every_page_of_the_contents_is_in_the_book():
    from_toc = [
        line.split("file: ")[1] for line in (ROOT / "_toc.yml").read_text().splitlines() if "file: " in line
    ]
    assert contents.pages() == ("chapters/index", *from_toc)


def test_pages_are_a4_and_numbered_after_the_front(printed, texts):
    assert {(round(page.mediabox.width), round(page.mediabox.height)) for page in printed.pages} == {A4}
    assert printed.page_labels[: front(printed)] == ["i", "ii", "iii", "iv"][: front(printed)]
    assert len(printed.pages) > 30
    for text, label in list(zip(texts, printed.page_labels, strict=True))[front(printed) :]:
        assert label in re.findall(r"\d+", text)


def test_the_contents_pages_have_their_own_numbers(texts):
    assert "i" not in texts[0].split()
    assert "ii" in texts[1].split()


TOO_LARGE = """([width, height]) => [...document.querySelectorAll("article *")]
  .filter((node) => node.checkVisibility() && !node.closest("mjx-container"))
  .filter((node) => {
    const { right, height: own } = node.getBoundingClientRect();
    const { breakInside, overflowX } = getComputedStyle(node);
    const whole = breakInside === "avoid" || overflowX === "auto";
    return right > width + 1 || (whole && own > height);
  })
  .map((node) => node.outerHTML.slice(0, 100))"""


@pytest.fixture(scope="module")
def paper(browser):
    """A tab in which pages look as they are printed."""
    page = browser.new_page(bypass_csp=True, viewport={"width": pdf.WIDTH, "height": pdf.HEIGHT})
    page.emulate_media(media="print")
    yield page
    page.close()


def test_nothing_is_cut_off_at_the_end_of_a_page(paper, site, page_name):
    paper.goto(site + page_name)
    mount(paper)
    pdf.ready(paper, "A Title", 0)
    assert paper.evaluate(TOO_LARGE, [pdf.WIDTH, pdf.HEIGHT]) == []


def test_each_bookmark_points_to_its_heading(texts, marks):
    titles = [title for title, _ in marks]
    assert [titles.count(plain(title)) for title in (TITLE, "Glossary", "Masks")] == [
        1,
        1,
        1,
    ]
    assert [number for _, number in marks] == sorted(number for _, number in marks)
    for title, number in marks:
        if "√" not in title:
            assert title in plain(texts[number])


def test_each_page_names_its_chapter(texts, marks):
    where = [number for title, number in marks if title in map(plain, (TITLE, "Glossary"))]
    for text in texts[where[0] : where[1]]:
        assert TITLE in text


def test_contents_and_bookmarks_have_the_same_targets(printed, texts, marks):
    found = [link for page in printed.pages[: front(printed)] for link in links(page)]
    pages = [page.indirect_reference.idnum for page in printed.pages]
    led = sorted(pages.index(link["/Dest"][0].idnum) for link in found)
    assert led == sorted(2 * [number for _, number in marks])
    text = plain("".join(texts[: front(printed)]))
    assert "ATitle" in text
    for title, number in marks:
        assert title in text or "√" in title
        assert printed.page_labels[number] in text


def test_links_between_chapters_are_internal(html, printed, marks):
    where = dict(marks)
    chapter, glossary = where[plain(TITLE)], where["Glossary"]
    pages = [page.indirect_reference.idnum for page in printed.pages]
    terms = [
        link["/Dest"] for page in printed.pages[chapter:glossary] for link in links(page) if "/Dest" in link
    ]
    led = {(pages.index(place[0].idnum), int(place[3])) for place in terms}
    assert len({number for number, _ in led if number >= glossary}) > 2  # to its terms, not to its first page
    soup = BeautifulSoup((html / CHAPTER).read_text("utf8"), "html.parser")
    wanted = {link["href"].partition("#")[2] for link in soup.select('article a[href^="glossary.html#"]')}
    assert len({place for place in led if place[0] >= glossary}) == len(wanted)
    addresses = [str(link.get("/A", {}).get("/URI")) for page in printed.pages for link in links(page)]
    assert not [address for address in addresses if "127.0.0.1" in address or "printed:" in address]
    assert [address for address in addresses if address.startswith("https://")]


def test_widgets_are_pictures_and_folds_are_open(html, printed, texts, marks):
    where = dict(marks)
    chapter = slice(where[plain(TITLE)], where["Glossary"])
    soup = BeautifulSoup((html / CHAPTER).read_text("utf8"), "html.parser")
    pictures = [image for image in soup.select("article img") if image["src"].endswith(".png")]
    shown = sum(len(page["/Resources"].get("/XObject", {})) for page in printed.pages[chapter])
    assert len(soup.select(".ab-widget")) > 0
    assert shown >= len({image["src"] for image in pictures})
    text = plain("".join(texts[chapter]))
    assert text.count("Solution") >= 4
    solution = soup.find("summary", string="Solution").parent.select_one("pre").text
    assert plain(solution) in text


def test_chinese_is_printed(html, texts, marks):
    soup = BeautifulSoup((html / GLOSSARY).read_text("utf8"), "html.parser")
    chinese = set(re.findall(r"[\u4e00-\u9fff]", soup.select_one("article").text))
    text = "".join(texts[dict(marks)["Glossary"] :])
    assert len(chinese) > 50
    missing = chinese - set(unicodedata.normalize("NFKC", text))
    assert len(missing) <= 0.03 * len(chinese), missing  # a few are stored as the look-alike radical


SCRIPTS = {"Arabic": "\u0600-\u06ff", "Chinese": "\u4e00-\u9fff", "Cyrillic": "\u0400-\u04ff"}
SCRIPTS["Devanagari"] = "\u0900-\u097f"


@pytest.fixture(scope="module")
def dates(html, texts, marks) -> tuple[str, str]:
    """The web page's and the PDF's text of chapter 3."""
    article = BeautifulSoup((html / DATES).read_text("utf8"), "html.parser").select_one("article")
    first, end = (dict(marks)[plain(title)] for title in ("3. The Attn class, line by line", TITLE))
    text = "".join(texts[first:end])
    return article.text, unicodedata.normalize("NFKC", text)  # Arabic letters come in their joined forms


@pytest.mark.parametrize("script", SCRIPTS)
def test_dates_are_printed_in_every_script(dates, script):
    """Compare only letters: shaping reorders them and merges vowel signs into their glyphs."""
    there, printed = (set(filter(str.isalpha, re.findall(f"[{SCRIPTS[script]}]", text))) for text in dates)
    assert len(there) >= 5
    assert there - printed == set()


@pytest.mark.parametrize(
    ("answers", "missing"),
    [("*) echo A Font", []), ("*:lang=ar) echo A Font", ["Chinese", "Devanagari"])],
)
def test_a_script_without_a_font_is_named(tmp_path, answers, missing):
    for name, says in (("fc-list", answers), ("chromium", "*) exit 1")):
        program = tmp_path / name
        program.write_text(f'#!/bin/sh\ncase "$*" in {says} ;; esac\n')
        program.chmod(0o755)
    env = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}", "CHROMIUM": str(tmp_path / "chromium")}
    command = [sys.executable, "-m", "bookpress.pdf", str(tmp_path), str(tmp_path / "book.pdf")]
    said = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True).stderr
    assert said.startswith(f"Warning: no font here holds {' or '.join(missing)}: ") == bool(missing)
    assert ("fonts-noto-cjk" in said) == bool(missing)


def test_make_pdf_prints_the_whole_book():
    command = ["make", "--no-print-directory", "-n", "-o", "book", "pdf"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert "bookpress.pdf" in done.stdout
    assert done.stdout.rstrip().endswith('self-attention-step-by-step.pdf"')
