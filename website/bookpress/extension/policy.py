"""No page holds a program of its own: the strictest rule for scripts, `script-src 'self'`, breaks nothing.

The theme writes a few lines of script into every page. Once the pages are there, those lines become files of
the site, one for each text, and a handler written into a button becomes a listener. Blocks of data stay where
they are: browsers do not run them. Programs that a page has no use for are not loaded; all but the one
that chooses the colours wait until the text is there.
"""

import hashlib
import re
from pathlib import Path

from sphinx.application import Sphinx

from .pages import rewrite

INLINE = re.compile(r"<script(?![^>]*\s(?:src|type)=)[^>]*>(.*?)</script>", re.DOTALL)
LOADED = re.compile(
    r'[ \t]*<(?:script|link rel="preload" as="script")[^>]*\s(?:src|href)="([^"?]*)[^>]*>(?:</script>)?\n?'
)
PRINT = ('onclick="window.print()"', "data-print")
FOLDED = re.compile(r"<details.*?</details>", re.DOTALL)
# The type that every page is set in, what some have, and that of formulas, where a page begins with them.
TYPE = (
    "fonts/source-serif-4-latin-400-normal.woff2",
    "fonts/source-sans-3-latin-wght-normal.woff2",
    "fonts/jetbrains-mono-latin-wght-normal.woff2",
)
SPECIAL = {
    "<strong>": "fonts/source-serif-4-latin-600-normal.woff2",
    "<em>": "fonts/source-serif-4-latin-400-italic.woff2",
}
FORMULAS = ("letters/MathJax_Math-Italic.woff", "letters/MathJax_Main-Regular.woff")
BEGINNING = 4000  # characters of HTML, about what a window shows at first
FIRST = (Path(__file__).parent / "first.js").read_text("utf8")
UNREAD = re.compile(r"DOCUMENTATION_OPTIONS\.(pagename|search_as_you_type) = ('[^']*'|false);")
SEARCH = {"searchtools.js", "language_data.js", "searchindex.js"}  # the index alone is 30 kB
ICON = re.compile(r'<(i|span) class="(?=[^"]*\bfa)(?![^>]*aria-hidden)')


def move_scripts(app: Sphinx, exception: Exception | None) -> None:
    """Take the scripts out of every page that was written."""
    folder = Path(app.outdir)

    def move(text: str, page: Path) -> str:
        moved = without_scripts(text, folder, "../" * (len(page.relative_to(folder).parts) - 1))
        return ICON.sub(r'<\1 aria-hidden="true" class="', waiting(moved))

    rewrite(app, move)


def without_scripts(text: str, folder: Path, root: str) -> str:
    """A page with its scripts as files in `folder/_static/inline`, which is at `root` as the page sees it."""

    shown = FOLDED.sub("", text)
    early = [*TYPE, *(name for tag, name in SPECIAL.items() if tag in shown)]
    early += FORMULAS if "<mjx-container" in shown.partition("<article")[2][:BEGINNING] else ()

    def move(found: re.Match) -> str:
        program = found[1].strip()
        if UNREAD.fullmatch(program):  # for the theme's switch between versions and a search it does not show
            return ""
        if "dataset.mode" in program:  # the first on every page
            program += FIRST
        name = f"_static/inline/{hashlib.sha256(program.encode()).hexdigest()[:12]}.js"
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(program, "utf8")
        data = f' data-type="{" ".join(early)}"' if FIRST in program else ""
        return f'<script{data} src="{root}{name}"></script>'

    return INLINE.sub(move, text.replace(*PRINT))


def waiting(text: str) -> str:
    """A page whose scripts, but for the first, run once it is read, without those it has no use for."""
    searches = 'id="search-results"' in text
    unused = {"fontawesome.js"} if searches else {"fontawesome.js", *SEARCH}
    unused |= set() if "sd-tab-set" in text else {"design-tabs.js"}
    first = True

    def load(found: re.Match) -> str:
        nonlocal first
        tag, name = found[0], found[1].rpartition("/")[2]
        if name in unused or "<link" in tag:
            return ""
        blocks, first = first, False
        return (
            tag if blocks or " defer" in tag or " async" in tag else tag.replace("<script ", "<script defer ")
        )

    return LOADED.sub(load, text)


def setup(app: Sphinx) -> None:
    app.connect("build-finished", move_scripts)
