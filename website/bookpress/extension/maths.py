"""Formulas are typeset when the book is built, so a page shows them at once and loads no program for them.

MathJax runs in V8 inside Python (mini-racer), without Node. It writes HTML, with the formula as MathML beside
it for screen readers, and one style sheet with the characters that the book uses. A formula that it doesn't
understand is a warning, which fails the build.

Browsers break lines on both sides of such a formula, even between it and a comma. So punctuation that touches
a formula in a paragraph is kept on the formula's line.
"""

import atexit
import json
import re
from functools import cache
from pathlib import Path

from docutils import nodes
from py_mini_racer import MiniRacer
from sphinx.application import Sphinx
from sphinx.util import logging

PROGRAM = Path(__file__).parent / "tex" / "mathjax.js"
SHEET = "maths.css"
# Where the sheet finds MathJax's fonts: by the name that the program gives their folder, and in the site.
FONTS, LETTERS = "mathjax/output/chtml/fonts/woff-v2", "letters"
OPENING, CLOSING = re.compile(r"[(\[“‘]+$"), re.compile(r"^[.,;:!?)\]”’…%]+")
WHOLE = "ab-whole"  # a formula with its punctuation; book.css keeps it on one line
logger = logging.getLogger(__name__)


class Typesetter:
    """MathJax, which keeps track of the characters it has used."""

    def __init__(self):
        self.engine = MiniRacer()
        # An engine that is still open when Python ends can keep the process from ending.
        atexit.register(self.engine.close)
        self.engine.eval(PROGRAM.read_text("utf8") + ";0")

    def set(self, formula: str, display: bool) -> dict[str, str]:
        """`{"html": …}`, or `{"fault": …}` if the formula isn't valid TeX."""
        call = f"JSON.stringify(set({json.dumps(formula)}, {json.dumps(display)}))"
        return json.loads(self.engine.eval(call))

    def sheet(self) -> str:
        """The style sheet for everything typeset so far."""
        return self.engine.eval("sheet()")


@cache
def typesetter() -> Typesetter:
    return Typesetter()


@cache
def typeset(formula: str, display: bool) -> tuple[str, str]:
    """A formula as HTML, and the error in it; one of the two is empty."""
    answer = typesetter().set(formula, display)
    return answer.get("html", "").replace(' style="height: NaNem;"', ""), answer.get("fault", "")


def is_formula(node: nodes.Node) -> bool:
    return isinstance(node, nodes.math | nodes.math_block)


def tex(node: nodes.Element) -> tuple[str, bool]:
    """A formula's TeX, and whether it is displayed on a line of its own."""
    text, display = node.astext().strip(), isinstance(node, nodes.math_block)
    if display and r"\\" in text and not node.get("nowrap"):
        text = rf"\begin{{split}}{text}\end{{split}}"
    return text, display


def visit(translator, node: nodes.Element) -> None:
    """Write a formula."""
    formula, display = tex(node)
    html, fault = typeset(formula, display)
    if fault:
        logger.warning("TeX does not understand %s: %s", formula, fault, location=node, type="attnbook")
    tag, marked = ("div", rf"\[{formula}\]") if display else ("span", rf"\({formula}\)")
    attributes = {"CLASS": "math notranslate nohighlight", "data-tex": marked}
    translator.body.append(translator.starttag(node, tag, "", **attributes))
    translator.body.append(f"{html or translator.encode(formula)}</{tag}>")
    raise nodes.SkipNode


def keep_whole(app: Sphinx, doctree: nodes.document, page: str) -> None:
    """Put a formula of a paragraph, and the punctuation that touches it, into one inline element."""
    if app.builder.format != "html":
        return
    for formula in list(doctree.findall(nodes.math)):
        line, place = formula.parent, formula.parent.index(formula)
        first, last = max(place - 1, 0), min(place + 1, len(line) - 1)
        opening = touching(OPENING, line[first]) if first < place else ""
        closing = touching(CLOSING, line[last]) if last > place else ""
        if opening:
            line[first] = nodes.Text(line[first].removesuffix(opening))
        if closing:
            line[last] = nodes.Text(line[last].removeprefix(closing))
        if opening or closing:
            whole = nodes.inline(classes=[WHOLE])
            line[place] = whole
            whole += [nodes.Text(opening), formula, nodes.Text(closing)]


def touching(pattern: re.Pattern, neighbour: nodes.Node) -> str:
    """The punctuation of what stands beside a formula, if that is text."""
    found = pattern.search(neighbour) if isinstance(neighbour, nodes.Text) else None
    return found[0] if found else ""


def choose(app: Sphinx, config) -> None:
    """Use this renderer instead of a script on each page."""
    config.html_math_renderer = "set"


def load_sheet(app: Sphinx, pagename: str, templatename: str, context: dict, doctree) -> None:
    """Load the style sheet on pages that have formulas."""
    if doctree is not None and next(doctree.findall(is_formula), None) is not None:
        app.add_css_file(SHEET)


def write_sheet(app: Sphinx) -> None:
    """Write the style sheet before pages link to it; the same formulas give the same sheet."""
    if app.builder.format != "html":
        return
    every = Typesetter()
    formulas = {
        tex(node) for page in app.env.found_docs for node in app.env.get_doctree(page).findall(is_formula)
    }
    for formula, display in sorted(formulas):
        every.set(formula, display)
    folder = Path(app.outdir) / "_static"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / SHEET).write_text(every.sheet().replace(FONTS, LETTERS), "utf8")


def setup(app: Sphinx) -> None:
    app.add_html_math_renderer("set", (visit, None), (visit, None))
    app.connect("config-inited", choose)
    app.connect("doctree-resolved", keep_whole)
    app.connect("html-page-context", load_sheet)
    app.connect("env-updated", lambda app, env: write_sheet(app))
