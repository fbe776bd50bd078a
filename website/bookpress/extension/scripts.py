"""Three scripts for the site, made of the eight that the theme and its extensions bring and the book's own.

A slow phone waits longer for their number than for their size; but run as one, they would block the page for
a fifth of a second there. What only some pages need stays a file of its own. All of them load once the text
has been seen: first.js asks for them after the first frame.
"""

import hashlib
import shutil
from pathlib import Path

from sphinx.errors import ExtensionError

from . import progress
from .page import Page

# In the order in which pages name them; each is a plain script, and what one declares the others see.
SCRIPTS = {
    "book-pages-1.js": (
        "documentation_options.js",
        "doctools.js",
        "sphinx_highlight.js",
        "clipboard.min.js",
        "copybutton.js",
        "scripts/sphinx-book-theme.js",
    ),
    "book-pages-2.js": ("scripts/bootstrap.js",),
    "book-pages-3.js": ("scripts/pydata-sphinx-theme.js",),  # and the book's own
}
JOINED = tuple(name for names in SCRIPTS.values() for name in names)
LICENCE = "scripts/bootstrap.js.LICENSE.txt"
AMENDED = {
    Path(LICENCE).name: "book-pages-2.js.LICENSE.txt",
    # Everything that scrolls can be reached by keyboard, long formulas too. All are measured before any is
    # changed: otherwise the browser lays out the page again for each. A closed fold is measured when opened.
    'document.querySelectorAll(["pre",': '[...document.querySelectorAll(["pre",',
    '".pst-scrollable-table-container"].join(", ")).forEach(e=>{e.tabIndex=': (
        '".pst-scrollable-table-container","div.math",".ab-api .math"].join(", "))]'
        '.filter(e=>!e.closest("details:not([open])")).map(e=>[e,'
    ),
    "e.scrollHeight>e.clientHeight?0:-1})}": (
        "e.scrollHeight>e.clientHeight?0:-1]).forEach(([e,index])=>{e.tabIndex=index})}"
    ),
    'window.addEventListener("resize",t),new': (
        'window.addEventListener("resize",t),document.addEventListener("toggle",t,!0),new'
    ),
}
ICONS = "scripts/fontawesome.js"  # 1.5 MB; the icons come from a font (see styles.py)
SEARCH = ("searchtools.js", "language_data.js", "../searchindex.js")  # the index alone is 30 kB
TABS = "design-tabs.js"
OWN_SEARCH = "search-texts.js"  # amends the theme's search, so it comes after that
OWN = ("inline/", "widgets/", OWN_SEARCH)  # what the book adds to some pages


def write_scripts(static: Path) -> list[str]:
    """Join the scripts; returns the new ones' names with their versions."""
    programs = [[(static / name).read_text("utf8") for name in names] for names in SCRIPTS.values()]
    programs[-1].append(progress.SCRIPT)
    joined = ["\n;".join(parts) for parts in programs]
    for found, wanted in AMENDED.items():
        if not any(found in program for program in joined):
            raise ExtensionError(f"the theme's scripts no longer contain {found!r}, which is replaced here")
        joined = [program.replace(found, wanted) for program in joined]
    for name, program in zip(SCRIPTS, joined, strict=True):
        (static / name).write_text(program, "utf8")
    shutil.copyfile(static / LICENCE, static / AMENDED[Path(LICENCE).name])
    versions = (hashlib.sha256(program.encode()).hexdigest()[:8] for program in joined)
    return [f"{name}?v={version}" for name, version in zip(SCRIPTS, versions, strict=True)]


def defer_scripts(page: Page, joined: list[str]) -> None:
    """Leave a page one script that runs at once; it asks for the others, first for those that are `joined`.

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
    needless = {*JOINED, ICONS, *(() if searches else SEARCH)}
    needless |= set() if page.soup.select(".sd-tab-set") else {TABS}
    waiting = [page.soup.new_tag("script", src=page.link(script), defer="") for script in joined]
    tags[JOINED[0]].insert_before(*waiting)
    for name, tag in tags.items():
        if name in needless:
            tag.decompose()
            continue
        if name not in (*SEARCH, TABS) and not name.startswith(OWN):
            raise page.error(f"it names {name}, and scripts.py doesn't know whether pages need that")
        tag["defer"] = None
        waiting.append(tag)
    if searches and OWN_SEARCH in tags:
        tags[SEARCH[0]].insert_after(tags[OWN_SEARCH].extract())
    if not searches:
        first["data-later"] = " ".join(tag["src"] for tag in waiting)
        # Only chapters take long to lay out. On other pages, what waits for its height would be in sight.
        if page.soup.select_one("article .cell"):
            first["data-stages"] = ""
        for tag in waiting:
            tag.decompose()
