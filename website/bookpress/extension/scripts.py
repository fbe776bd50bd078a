"""One script for the site, in place of the eight that the theme and its friends bring.

A slow phone waits longer for their number than for their size. What only some
pages need stays a file of its own. All of them come once the text has been
seen: first.js asks for them behind the first frame.
"""

import hashlib
import re
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

from .pages import written

TOGETHER = "book-pages.js"
# In the order in which pages name them; each is a plain script, and what one declares the others see.
NAMES = (
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
    Path(LICENCE).name: f"{TOGETHER}.LICENSE.txt",
    # What scrolls can be reached by keyboard: long formulas, too.
    '".pst-scrollable-table-container"]': '".pst-scrollable-table-container","div.math",".ab-api .math"]',
}
SEARCH = "searchtools.js"  # a page that has it keeps all its scripts: it uses what the theme's declare
TAG = re.compile(
    rf'[ \t]*<script defer src="([^"]*)_static/(?:{"|".join(map(re.escape, NAMES))})[^>]*></script>\n?'
)
FIRST = re.compile(r"<script(?= data-type=)")
WAITS = re.compile(r'[ \t]*<script defer[^>]* src="([^"]*)"></script>\n?')


def write_script(app: Sphinx, exception: Exception | None) -> None:
    """Make one of the scripts that every page names, and let the pages name that one."""
    if app.builder.format != "html" or exception:
        return
    fresh = {page: text for page, text in written(Path(app.outdir)).items() if TAG.search(text)}
    if not fresh:
        return  # no page was written, and the scripts are gone (see shipping.py)
    static = Path(app.outdir) / "_static"
    program = "\n;".join((static / name).read_text("utf8") for name in NAMES)
    for found, wanted in AMENDED.items():
        if found not in program:
            raise ExtensionError(f"the theme's scripts no longer say {found!r}, which is amended here")
        program = program.replace(found, wanted)
    (static / TOGETHER).write_text(program, "utf8")
    (static / f"{TOGETHER}.LICENSE.txt").write_text((static / LICENCE).read_text("utf8"), "utf8")
    version = hashlib.sha256(program.encode()).hexdigest()[:8]
    for page, text in fresh.items():
        place = f"{TAG.search(text)[1]}_static/{TOGETHER}?v={version}"
        page.write_text(behind(in_one(text, f'<script defer src="{place}"></script>\n')), "utf8")


def in_one(text: str, tag: str) -> str:
    """A page with this script where the first of the many was."""
    start = TAG.search(text).start()
    return text[:start] + tag + TAG.sub("", text[start:])


def behind(text: str) -> str:
    """A page whose scripts come behind its first frame, but for the one that asks for them."""
    if SEARCH in text:
        return text
    later = " ".join(WAITS.findall(text))
    return FIRST.sub(f'<script data-later="{later}"', WAITS.sub("", text))


def setup(app: Sphinx) -> None:
    app.connect("build-finished", write_script, priority=700)  # when policy.py has said which of them wait
