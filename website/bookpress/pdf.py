"""Prints the built book as one PDF: `python -m bookpress.pdf FOLDER FILE.pdf`.

Chromium prints each page of the site, hints open, folded code closed, widgets as pictures, with page numbers
that run through the book. A title and the contents come in front; bookmarks and links lead from chapter to
chapter in the file.
"""

import io
import shutil
import subprocess
import sys
import threading
from dataclasses import dataclass
from html import escape
from pathlib import Path
from urllib.parse import urldefrag

import yaml
from playwright.sync_api import Page, sync_playwright
from pypdf import PdfReader, PdfWriter
from pypdf.generic import ArrayObject, DictionaryObject, NameObject, NumberObject, TextStringObject

from bookpress import ROOT, contents
from bookpress.chromium import MISSING, arguments, find_chromium
from bookpress.extension import edition
from bookpress.serve import server

STYLE = """
@page { size: A4; margin: 76px 68px 76.52px; }
@page { @bottom-center { content: counter(page); font: 9pt "Source Sans 3", sans-serif; color: #555; } }
@page { @top-right { content: "%s"; font: 9pt "Source Sans 3", sans-serif; color: #555; } }
html { font-size: 14px !important; --ab-bg: #fff !important; counter-reset: page %d; }
html, body, .bd-main, .bd-article { background: #fff !important; }
.bd-sidebar-primary, .bd-sidebar-secondary, .bd-header-article, .bd-footer-content, .prev-next-footer,
.headerlink, .copybtn, .ab-actions, #pst-skip-link, #jb-print-toc, #pst-back-to-top
{ display: none !important; }
.bd-main .bd-content, .bd-main .bd-content .bd-article-container, .bd-article, .bd-page-width
{ max-width: none !important; padding: 0 !important; margin: 0 !important; }
.pst-scrollable-table-container, .output { background: none !important; }
.pst-scrollable-table-container, .output, pre, div.math { overflow: visible !important; }
pre { white-space: pre-wrap !important; box-decoration-break: clone; -webkit-box-decoration-break: clone; }
.cell_input, div[class*="highlight"] { display: block !important; }
p, pre { orphans: 3; widows: 3; }
h1 { margin: 0 0 0.8em !important; text-align: left !important; }
h1, h2, h3, h4, summary { break-after: avoid; }
img, svg, tr, .admonition-title, .ab-check { break-inside: avoid; }
img, .ab-chart { max-height: 190mm; object-fit: contain; }
.contents p { display: flex; margin: 0; break-inside: avoid; }
.contents a { color: inherit !important; text-decoration: none !important; }
.contents p > a:first-child { flex: 1; }
.contents .section { padding-left: 1.5em; font-size: 0.9em; }
.contents .chapter { margin-top: 0.6em; font-weight: 600; break-after: avoid; }
.title { font: 600 30pt var(--ab-sans); }
.title-page { break-after: page; padding-top: 70mm; text-align: center; text-wrap: balance; }
"""
FRONT = """
@page { @bottom-center { content: counter(page, lower-roman) !important; } }
@page :first { @bottom-center { content: none !important; } }
"""
WIDTH, HEIGHT = 658, 970  # of a page between its margins: whole pixels high, or lines spill over
# Short blocks stay whole; one that takes more than a third of a page may be split between pages.
UNFOLD = """async (most) => {
  document.querySelectorAll("details:not(.hide)").forEach((fold) => { fold.open = true; });
  document.querySelectorAll("img").forEach((image) => { image.loading = "eager"; });
  await Promise.all([...document.images].map((image) => image.decode().catch(() => 0)));
  await document.fonts.ready;
  for (const block of document.querySelectorAll('.cell_input, [class*=highlight], pre, table, .admonition')) {
    block.style.setProperty("break-inside", block.offsetHeight > most ? "auto" : "avoid", "important");
  }
}"""
HEADINGS = """() => [...document.querySelectorAll("main :is(h1, h2, h3, h4, h5, h6)")]
  .filter((heading) => heading.checkVisibility())
  .map((heading) => heading.closest("section")?.id ?? "")"""
PAPER = (
    "On paper, heatmaps are pictures, folded code is left out, and hints, solutions and answers are open "
    "under their questions."
)
PRINTED = "printed:"  # the prefix of links in the contents, followed by a page number
PAGE_HEIGHT = 842  # of A4, in points
SCRIPTS = {"Arabic": "ar", "Chinese": "zh-cn", "Devanagari": "hi"}  # and a language that is written in it


def unwritten() -> list[str]:
    """The scripts that no font on this machine supports, according to fontconfig."""
    if not shutil.which("fc-list"):
        return []
    command = ["fc-list", "--format=%{family}"]
    return [
        script
        for script, language in SCRIPTS.items()
        if not subprocess.run([*command, f":lang={language}"], capture_output=True, check=True).stdout
    ]


@dataclass
class Place:
    """Where a heading is: its page, counted from the first after the contents, and its height on it."""

    title: str
    level: int
    page: int
    top: float
    anchor: str


def ready(page: Page, title: str, before: int) -> None:
    """Prepare the open page for print: unfold and load everything, number pages from `before` on."""
    page.add_style_tag(content=STYLE % (title.replace("\\", "").replace('"', "'"), before))
    page.evaluate(UNFOLD, HEIGHT / 3)


def printed(page: Page, title: str, before: int) -> PdfReader:
    """The open page as a PDF, numbered as if `before` pages preceded it."""
    ready(page, title, before)
    options = {"prefer_css_page_size": True, "print_background": True, "tagged": True, "outline": True}
    return PdfReader(io.BytesIO(page.pdf(**options)))


def places(reader: PdfReader, anchors: list[str], before: int) -> list[Place]:
    """The headings of a printed page, from its bookmarks and the ids of its sections."""

    def flat(items, level):
        for item in items:
            if isinstance(item, list):
                yield from flat(item, level + 1)
            else:
                yield item, level

    marks = list(flat(reader.outline, 1))
    names = anchors if len(anchors) == len(marks) else [""] * len(marks)
    return [
        Place(
            mark.title, level, before + reader.get_destination_page_number(mark), float(mark.top or 0), name
        )
        for (mark, level), name in zip(marks, names, strict=True)
    ]


def front(page: Page, title: str, chapters: list[list[Place]]) -> PdfReader:
    """The title and the contents."""
    lines = []
    for place in (place for chapter in chapters for place in chapter if place.level <= 2):
        kind, link = ("chapter", "section")[place.level - 1], f'<a href="{PRINTED}{place.page}">'
        lines.append(f'<p class="{kind}">{link}{escape(place.title)}</a>{link}{place.page + 1}</a></p>')
    body = f'<div class="title-page"><p class="title">{escape(title)}</p><p>{escape(edition.line())}</p>'
    body += f"<p>{PAPER}</p></div>"
    body += f'<div class="contents"><h2>Contents</h2>{"".join(lines)}</div>'
    page.evaluate("document.querySelector('#jb-print-docs-body h1')?.remove()")
    page.evaluate("body => { document.querySelector('article').innerHTML = body; }", body)
    page.add_style_tag(content=FRONT)
    return printed(page, "", 0)


def bind(
    opening: PdfReader, parts: list[tuple[str, PdfReader]], chapters: list[list[Place]], site: str
) -> PdfWriter:
    """All parts as one file, with bookmarks and with links that lead inside it."""
    writer, first = PdfWriter(), len(opening.pages)
    places = {}  # of links: (path, anchor) → page and height
    names = [{}] * first  # of each page: the destinations that its own part names
    for page in opening.pages:
        writer.add_page(page)
    for (path, reader), marks in zip(parts, chapters, strict=True):
        before = len(writer.pages) - first
        places[path, ""] = (before, 0)
        places |= {(path, mark.anchor): (mark.page, mark.top) for mark in marks if mark.anchor}
        names += [destinations(reader, before)] * len(reader.pages)
        for page in reader.pages:
            writer.add_page(page)
    for page, own in zip(writer.pages, names, strict=True):
        for annotation in page.get("/Annots", []):
            turn_inside(annotation.get_object(), own, places, site, writer.pages[first:])
    for chapter in chapters:
        add_bookmarks(writer, chapter, first)
    writer.set_page_label(0, first - 1, style="/r")
    writer.set_page_label(first, len(writer.pages) - 1, style="/D", start=1)
    writer.compress_identical_objects()
    return writer


def destinations(reader: PdfReader, before: int) -> dict[str, tuple[int, float]]:
    """The page and height of each destination that a part names, with `before` pages before it."""
    return {
        name: (before + reader.get_destination_page_number(place), float(place.top or 0))
        for name, place in reader.named_destinations.items()
    }


def turn_inside(annotation: DictionaryObject, own: dict, places: dict, site: str, pages: list) -> None:
    """Turn a link to the site into a link inside this file; without a target in it, the link does nothing."""
    address = str(annotation.get("/A", {}).get("/URI", ""))
    found = target(annotation, address, own, places, site)
    if found:
        number, top = found
        where = [pages[number].indirect_reference, NameObject("/XYZ"), NumberObject(0)]
        where += [NumberObject(round(top or PAGE_HEIGHT)), NumberObject(0)]
        annotation[NameObject("/Dest")] = ArrayObject(where)
    if found or address.startswith(site):
        annotation.pop("/A", None)


def target(
    annotation: DictionaryObject, address: str, own: dict, places: dict, site: str
) -> tuple[int, float] | None:
    """The page and height in the book that a link leads to, if any."""
    if address.startswith(PRINTED):
        return int(address.removeprefix(PRINTED)), 0
    if address.startswith(site):
        path, anchor = urldefrag(address.removeprefix(site))
        return places.get((path, anchor)) or places.get((path, ""))
    name = annotation.get("/Dest", annotation.get("/A", {}).get("/D"))
    return own.get(str(name)) if isinstance(name, str) else None


def add_bookmarks(writer: PdfWriter, chapter: list[Place], first: int) -> None:
    """Bookmarks for a chapter and its sections, with `first` pages before the first chapter."""
    above = None
    for mark in (mark for mark in chapter if mark.level <= 2):
        parent = above if mark.level == 2 else None
        item = writer.add_outline_item(title=mark.title, page_number=first + mark.page, parent=parent)
        above = item if mark.level == 1 else above


def book(folder: Path, file: Path, names: list[str], title: str) -> int:
    """Print the pages `names` of the site in `folder` into `file`; returns the number of printed pages."""
    with server(str(folder), port=0) as host, sync_playwright() as playwright:
        threading.Thread(target=host.serve_forever, daemon=True).start()
        site = f"http://127.0.0.1:{host.server_port}/"
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=arguments())
        page = browser.new_page(
            bypass_csp=True, color_scheme="light", viewport={"width": WIDTH, "height": HEIGHT}
        )
        page.emulate_media(media="print")

        def chapter(name: str, before: int) -> tuple[PdfReader, list[Place]]:
            page.goto(site + name, wait_until="networkidle")
            heading = page.title().partition(" — ")[0]
            reader = printed(page, heading, before)
            marks = places(reader, page.evaluate(HEADINGS), before)
            marks[0].title = heading  # bookmarks lose the space where a long heading breaks
            return reader, marks

        parts, chapters = [], []
        for name in names:
            reader, marks = chapter(name, sum(len(part.pages) for _, part in parts))
            parts.append((name, reader))
            chapters.append(marks)
        page.goto(site + names[0], wait_until="networkidle")
        writer = bind(front(page, title, chapters), parts, chapters, site)
        browser.close()
        host.shutdown()
    writer.add_metadata({"/Title": title, "/Subject": edition.line()})
    writer.root_object[NameObject("/Lang")] = TextStringObject("en")
    writer.page_mode = "/UseOutlines"
    writer.write(file)
    return len(writer.pages)


if __name__ == "__main__":
    if not find_chromium():
        sys.exit(MISSING)
    if missing := unwritten():
        print(
            f"Warning: no font here holds {' or '.join(missing)}: such words will be printed as boxes. "
            "On Debian and Ubuntu: sudo apt install fonts-noto-core fonts-noto-cjk",
            file=sys.stderr,
        )
    folder, file = map(Path, sys.argv[1:])
    title = yaml.safe_load((ROOT / "_config.yml").read_text("utf8"))["title"]
    count = book(folder, file, [f"{page}.html" for page in contents.pages()], title)
    print(f"The book is printed: {file} ({count} pages, {file.stat().st_size / 1e6:.1f} MB)")
