"""Move the scripts inside pages to files, so that pages work under the policy `script-src 'self'`.

The theme writes a few lines of script into every page. They become files of the site, one for each text,
and the handler on the print button becomes a listener (in first.js). Data blocks stay, as browsers don't run
them.
"""

import hashlib
import re
from pathlib import Path

from bs4 import Tag

from .page import Page

# The fonts that every page uses, those that some pages use, and those of formulas near the top of a page.
FONTS = (
    "fonts/source-serif-4-latin-400-normal.woff2",
    "fonts/source-sans-3-latin-wght-normal.woff2",
    "fonts/jetbrains-mono-latin-wght-normal.woff2",
)
SPECIAL = {
    "strong": "fonts/source-serif-4-latin-600-normal.woff2",
    "em": "fonts/source-serif-4-latin-400-italic.woff2",
}
FORMULAS = ("letters/MathJax_Math-Italic.woff", "letters/MathJax_Main-Regular.woff")
BEGINNING = 4000  # characters of HTML, about what a window shows at first
FIRST = (Path(__file__).parent / "first.js").read_text("utf8")
# Settings for the theme's version switcher and for a search field that the book doesn't have.
UNUSED = re.compile(r"DOCUMENTATION_OPTIONS\.(pagename|search_as_you_type) = ('[^']*'|false);")


def move_inline_scripts(page: Page) -> None:
    """Turn a page's inline scripts into files; the one that chooses the colours also gets first.js."""
    for button in page.soup.select('[onclick="window.print()"]'):
        del button["onclick"]
        button["data-print"] = None
    chooses_colours = 0
    for script in page.expect("script:not([src], [type])"):
        program = script.get_text().strip()
        if UNUSED.fullmatch(program):
            script.decompose()
            continue
        script.attrs.clear()
        if "dataset.mode" in program:
            chooses_colours += 1
            program += FIRST
            script["data-type"] = " ".join(first_fonts(page.soup))
        name = f"inline/{hashlib.sha256(program.encode()).hexdigest()[:12]}.js"
        file = page.site / "_static" / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(program, "utf8")
        script.clear()
        script["src"] = page.link(name)
    if chooses_colours != 1:
        raise page.error(f"{chooses_colours} inline scripts choose the colours, not one")
    for tag in page.soup.find_all(True):
        if handlers := [name for name in tag.attrs if name.startswith("on")]:
            raise page.error(f"<{tag.name}> has an inline handler, {handlers[0]}")


def first_fonts(soup: Tag) -> list[str]:
    """The fonts that a page shows before the reader does anything; first.js asks for them at once."""
    special = [
        font
        for name, font in SPECIAL.items()
        if any(not tag.find_parent("details") for tag in soup.find_all(name))
    ]
    article = soup.find("article")
    begins_with_formula = article and "<mjx-container" in article.decode()[:BEGINNING]
    return [*FONTS, *special, *(FORMULAS if begins_with_formula else ())]
