"""One script for the site: the eight that the theme and its extensions bring, and the book's own.

A slow phone waits longer for their number than for their size. What only some pages need stays a file of its
own. All of them load once the text has been seen: first.js asks for them after the first frame.
"""

import hashlib
import shutil
from pathlib import Path

from sphinx.errors import ExtensionError

from . import progress
from .page import Page

SCRIPT = "book-pages.js"
# In the order in which pages name them; each is a plain script, and what one declares the others see.
JOINED = (
    "documentation_options.js",
    "doctools.js",
    "sphinx_highlight.js",
    "clipboard.min.js",
    "copybutton.js",
    "scripts/sphinx-book-theme.js",
    "scripts/bootstrap.js",
    "scripts/pydata-sphinx-theme.js",
)
LICENCE = "scripts/bootstrap.js.LICENSE.txt"
AMENDED = {
    Path(LICENCE).name: f"{SCRIPT}.LICENSE.txt",
    # Everything that scrolls can be reached by keyboard, long formulas too.
    '".pst-scrollable-table-container"]': '".pst-scrollable-table-container","div.math",".ab-api .math"]',
}
ICONS = "scripts/fontawesome.js"  # 1.5 MB; the icons come from a font (see styles.py)
SEARCH = ("searchtools.js", "language_data.js", "../searchindex.js")  # the index alone is 30 kB
TABS = "design-tabs.js"
OWN_SEARCH = "search-texts.js"  # amends the theme's search, so it comes after that
OWN = ("inline/", "widgets/", OWN_SEARCH)  # what the book adds to some pages


def write_script(static: Path) -> str:
    """Join the scripts into one; returns its name with its version."""
    program = "\n;".join([*((static / name).read_text("utf8") for name in JOINED), progress.SCRIPT])
    for found, wanted in AMENDED.items():
        if found not in program:
            raise ExtensionError(f"the theme's scripts no longer contain {found!r}, which is replaced here")
        program = program.replace(found, wanted)
    (static / SCRIPT).write_text(program, "utf8")
    shutil.copyfile(static / LICENCE, static / f"{SCRIPT}.LICENSE.txt")
    return f"{SCRIPT}?v={hashlib.sha256(program.encode()).hexdigest()[:8]}"


def defer_scripts(page: Page, script: str) -> None:
    """Leave a page one script that runs at once; it asks for the others, of which `script` joins eight.

    The search page keeps all its scripts in place: its own use what the theme's declare.
    """
    for link in page.expect('link[rel="preload"][as="script"]'):
        link.decompose()
    first, *others = page.expect("script[src]")
    if "data-type" not in first.attrs:
        raise page.error("another script comes before the one that chooses the colours")
    tags = {page.static(tag["src"]): tag for tag in others}
    if missing := {*JOINED, ICONS} - tags.keys():
        raise page.error(f"it no longer names {', '.join(sorted(missing))}")
    searches = page.soup.find(id="search-results") is not None
    needless = {*JOINED[1:], ICONS, *(() if searches else SEARCH)}
    needless |= set() if page.soup.select(".sd-tab-set") else {TABS}
    waiting = []
    for name, tag in tags.items():
        if name in needless:
            tag.decompose()
            continue
        if name == JOINED[0]:
            tag["src"] = page.link(script)
        elif name not in (*SEARCH, TABS) and not name.startswith(OWN):
            raise page.error(f"it names {name}, and scripts.py doesn't know whether pages need that")
        tag["defer"] = None
        waiting.append(tag)
    if searches and OWN_SEARCH in tags:
        tags[SEARCH[0]].insert_after(tags[OWN_SEARCH].extract())
    if not searches:
        first["data-later"] = " ".join(tag["src"] for tag in waiting)
        for tag in waiting:
            tag.decompose()
