"""Sanitize students' Markdown: text, tables and links stay, but nothing that runs or loads anything.

This happens twice: `inert` rewrites the Markdown before nbgrader sees it, and `prose` cleans a page's HTML.
`prose` typesets formulas as MathML, which browsers show without a script.
"""

import re
from secrets import token_hex

import bleach
from markupsafe import Markup
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from nbgrader import utils

from bookpress.extension.maths import typeset

TAGS = {
    *("a", "abbr", "b", "blockquote", "br", "code", "del", "details", "div", "dd", "dl", "dt", "em", "h1"),
    *("h2", "h3", "h4", "h5", "h6", "hr", "i", "kbd", "li", "mark", "ol", "p", "pre", "s", "small", "span"),
    *("strong", "sub", "summary", "sup", "table", "tbody", "td", "th", "thead", "tr", "u", "ul"),
}
ATTRIBUTES = {"th": ["align"], "td": ["align"], "ol": ["start"]}
ADDRESS = re.compile(r"(https?://|mailto:|#)", re.IGNORECASE)
CODE = re.compile(r"<(code|pre)>.*?</\1>", re.DOTALL)
# TeX commands that create links, load MathJax extensions, or set HTML attributes
TEX = re.compile(r"\\(href|url|require|class|cssId|style|data|html\w*)\b")
# Attributes that the renderer itself adds: classes of highlighted code and task lists, alignment of columns
OWN = {"class": re.compile(r"[\w -]*"), "style": re.compile(r"text-align:(left|right|center)")}
BOX = re.compile(r'<input class="task-list-item-checkbox" type="checkbox" disabled( checked)?/>')
MATHML = re.compile(r"<math\b.*</math>", re.DOTALL)
LONGEST = 2000  # characters of a formula; longer ones are shown as TeX
NOTE = "*Shown as plain text because it contains HTML, links or TeX that are not allowed here:*"


class Renderer(IPythonRenderer):
    def __init__(self):
        super().__init__(escape=False, exclude_anchor_links=True)

    def image(self, text, url, title=None):
        """Return an empty tag, which is removed later: nbconvert's method fails without the attachment."""
        return "<img>"


class Typesetting(Renderer):
    """Typesets formulas, and writes a mark where each of them belongs: bleach would remove the MathML.

    A mark is random, so that no text of a student can contain it.
    """

    def __init__(self):
        super().__init__()
        self.formulas: dict[str, str] = {}

    def mark(self, formula: str, display: bool) -> str:
        """Return a mark, or "" if the formula isn't valid TeX."""
        html, _ = typeset(formula, display) if len(formula) < LONGEST else ("", "")
        found, mark = MATHML.search(html), token_hex(16)
        if not found:
            return ""
        self.formulas[mark] = found[0]
        return mark

    def inline_math(self, body: str) -> str:
        return self.mark(body, display=False) or super().inline_math(body)

    def block_math(self, body: str) -> str:
        return self.mark(body, display=True) or super().block_math(body)

    def latex_environment(self, name: str, body: str) -> str:
        formula = rf"\begin{{{name}}}{body}\end{{{name}}}"
        return self.mark(formula, display=True) or super().latex_environment(name, body)


def render(source: str, renderer: Renderer) -> str:
    """Render Markdown as nbgrader's pages do, including the HTML in it."""
    html = MarkdownWithMath(renderer=renderer).render(source)
    return BOX.sub(lambda box: "☑ " if box[1] else "☐ ", html)


def allowed(tag: str, name: str, value: str) -> bool:
    """Whether an attribute may stay. Links must start with a plainly written http, https or mailto, or #."""
    if (tag, name) == ("a", "href"):
        return bool(ADDRESS.match(value))
    return name in ATTRIBUTES.get(tag, ())


def prose(source: str) -> Markup:
    """Render Markdown as HTML that is safe to put on a page."""
    renderer = Typesetting()
    html = render(source, renderer)
    clean = bleach.clean(html, TAGS, allowed, ["http", "https", "mailto"], strip=True)
    for mark, formula in renderer.formulas.items():
        clean = clean.replace(mark, formula)
    return Markup(clean)


def is_harmless(source: str) -> bool:
    """Whether `prose` would remove only attributes of the renderer's own, and no TeX is unsafe."""
    refused = []

    def watch(tag: str, name: str, value: str) -> bool:
        fine = allowed(tag, name, value)
        if not fine and not (name in OWN and OWN[name].fullmatch(value)):
            refused.append(name)
        return fine

    html = render(source, Renderer())
    stripped, escaped = (bleach.clean(html, TAGS, watch, strip=strip) for strip in (True, False))
    formulas = CODE.sub("", stripped)  # in which TeX is only shown
    return not refused and stripped == escaped and not TEX.search(formulas) and "<!" not in html


def inert(source: str) -> str:
    """Return harmless Markdown unchanged, and any other as an indented code block.

    Unlike a fenced block, an indented one cannot be closed by a line of the text.
    """
    if is_harmless(source):
        return source
    return f"{NOTE}\n\n" + "\n".join(f"    {line}" for line in source.splitlines())


def make_inert(cells: list) -> None:
    """Sanitize a student's Markdown cells in place; the instructor's cells don't change."""
    for cell in cells:
        theirs = "nbgrader" not in cell.metadata or utils.is_solution(cell)
        if cell.cell_type == "markdown" and theirs:
            cell.source = inert(cell.source)
