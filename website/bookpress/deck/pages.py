"""Writes the slides of a chapter and the files they need."""

import re
import shutil
from html import escape, unescape
from pathlib import Path

from bs4 import BeautifulSoup, Tag

from bookpress.extension import maths

from .markup import soup
from .slides import Slide, stacks

FILES = Path(__file__).parent / "files"
REVEAL = Path(__file__).parent / "reveal"
STATIC = "_static"
TAKEN = (
    *("book.css", "drawings.css", "pygments.css", maths.SHEET, "favicon.svg"),
    *("fonts", maths.LETTERS, "widgets"),
)
DATA = ", ".join(
    f'script[type="application/{kind}"]' for kind in ("vnd.jupyter.widget-state+json", "octet-stream")
)
STYLES = (
    *("reveal.css", "pygments.css", "widgets/attnbook-host.css", maths.SHEET),
    *("book.css", "drawings.css", "deck.css"),
)


def export(page: Path, folder: Path, book: str, title: str) -> int:
    """Write the slides of a built page into `folder`; returns their number.

    `book` is the address of the book's pages, as seen from the slides; `title` is the book's.
    """
    whole = BeautifulSoup(page.read_text("utf8"), "html.parser")
    article = whole.select_one("article.bd-article")
    for part in article.select(".dataframe style, style[scoped]"):
        part.decompose()
    for formula in article.select(".math[data-tex]"):
        formula.string = formula["data-tex"]
    decks = stacks(article)
    data = whole.select(DATA)
    scripts = re.findall(r"widgets/[\w-]+\.js", whole.select_one("script[data-later]")["data-later"])
    copy_files(page.parents[1], folder, decks)
    text = written(decks, data, scripts, f"{book}/{page.parent.name}/{page.name}", title)
    (folder / page.name).write_text(text, "utf8")
    return sum(map(len, decks))


def copy_files(site: Path, folder: Path, decks: list[list[Slide]]) -> None:
    """Copy the book's styles, fonts, widgets and pictures, and reveal.js, into the folder of the slides."""
    static = folder / STATIC
    static.mkdir(parents=True, exist_ok=True)
    for name in TAKEN:
        source = site / STATIC / name
        if source.is_dir():
            shutil.copytree(source, static / name, dirs_exist_ok=True)
        else:
            shutil.copyfile(source, static / name)
    for source in [*FILES.iterdir(), REVEAL / "reveal.js", REVEAL / "reveal.css"]:
        shutil.copyfile(source, static / source.name)
    shutil.copyfile(REVEAL / "LICENSE", static / "reveal-LICENSE")
    (folder / "_images").mkdir(exist_ok=True)
    for slide in (slide for deck in decks for slide in deck):
        for name in re.findall(r'src="\.\./_images/([^"]+)"', slide.body):
            shutil.copyfile(site / "_images" / unescape(name), folder / "_images" / unescape(name))


def written(decks: list[list[Slide]], data: list[Tag], scripts: list[str], chapter: str, title: str) -> str:
    """The HTML page of all slides."""
    name = soup(decks[0][0].headline).get_text()
    styles = "\n".join(f'<link rel="stylesheet" href="{STATIC}/{one}">' for one in STYLES)
    programs = ["deck-widgets.js", *scripts, "reveal.js", "deck.js"]
    loaded = "\n".join(f'<script defer src="{STATIC}/{one}"></script>' for one in programs)
    sections = "\n".join(f"<section>\n{''.join(map(section, deck))}</section>" for deck in decks)
    return f"""<!DOCTYPE html>
<html lang="en" data-theme="light">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(name)}: slides</title>
<link rel="icon" href="{STATIC}/favicon.svg">
{styles}
<script src="{STATIC}/deck-theme.js"></script>
{loaded}
</head>
<body>
<div class="reveal measuring"><div class="slides">
{sections}
</div></div>
<footer class="foot"><span>{escape(title)}</span>
<a data-chapter="{escape(chapter)}" href="{escape(chapter)}">{escape(name)}</a></footer>
{"".join(map(str, data))}
</body>
</html>
"""


def section(slide: Slide) -> str:
    """A slide as HTML; its notes in a template, which the speaker's window shows."""
    heading = "h1" if slide.kind == "title" else "h2"
    kicker = f'<p class="kicker">{slide.kicker}</p>' if slide.kicker else ""
    body = slide.body.replace('src="../_images/', 'src="_images/').replace(' loading="lazy"', "")
    shown = typeset(
        f'<div class="slide {slide.kind}">{kicker}<{heading}>{slide.headline}</{heading}>'
        f'<div class="room"><div class="fit">{body}</div></div>{slide.takeaway}</div>'
    )
    notes = f'<template class="notes">{typeset("".join(slide.notes))}</template>' if slide.notes else ""
    return f'<section data-place="{escape(slide.place)}">{shown}{notes}</section>\n'


def typeset(html: str) -> str:
    """HTML of a slide whose formulas, which are TeX so far, are typeset as on the book's pages."""
    whole = soup(html)
    for formula in whole.select(".math"):
        tex = formula.get_text()
        typeset_html, fault = maths.typeset(tex[2:-2], display=tex.startswith(r"\["))
        if fault:
            raise ValueError(f"TeX does not understand {tex}: {fault}")
        formula.attrs = {"class": "math"}
        formula.clear()
        formula.append(soup(typeset_html))
    return str(whole)
