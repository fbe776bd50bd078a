"""A student's Markdown, shown as text, tables and links to web pages, and nothing that can run or load.

It is made harmless twice: `inert` rewrites it before nbgrader sees it, and `prose` cleans the HTML of a page.
"""

import re

import bleach
from markupsafe import Markup
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from nbgrader import utils

TAGS = {
    *("a", "abbr", "b", "blockquote", "br", "code", "del", "details", "div", "dd", "dl", "dt", "em", "h1"),
    *("h2", "h3", "h4", "h5", "h6", "hr", "i", "kbd", "li", "mark", "ol", "p", "pre", "s", "small", "span"),
    *("strong", "sub", "summary", "sup", "table", "tbody", "td", "th", "thead", "tr", "u", "ul"),
}
ATTRIBUTES = {"th": ["align"], "td": ["align"], "ol": ["start"]}
ADDRESS = re.compile(r"(https?://|mailto:|#)", re.IGNORECASE)
CODE = re.compile(r"<(code|pre)>.*?</\1>", re.DOTALL)
# TeX that makes links, loads more of MathJax, or reaches into the page
TEX = re.compile(r"\\(href|url|require|class|cssId|style|data|html\w*)\b")
# What the renderer itself writes: colours of code, columns of a table, boxes of a task list
OWN = {"class": re.compile(r"[\w -]*"), "style": re.compile(r"text-align:(left|right|center)")}
BOX = re.compile(r'<input class="task-list-item-checkbox" type="checkbox" disabled( checked)?/>')
NOTE = "*Shown as plain text, for it holds HTML, links or TeX that are not allowed here:*"


class Renderer(IPythonRenderer):
    def image(self, text, url, title=None):
        """No picture is shown; nbconvert's own would fail where an attachment is missing."""
        return "<img>"


def render(source: str) -> str:
    """Markdown as nbgrader's pages render it, with whatever HTML is in it."""
    renderer = Renderer(escape=False, exclude_anchor_links=True)
    html = MarkdownWithMath(renderer=renderer).render(source)
    return BOX.sub(lambda box: "☑ " if box[1] else "☐ ", html)


def allowed(tag: str, name: str, value: str) -> bool:
    """Whether an attribute may stay. An address begins with its scheme in plain letters, or is dropped."""
    if (tag, name) == ("a", "href"):
        return bool(ADDRESS.match(value))
    return name in ATTRIBUTES.get(tag, ())


def prose(source: str) -> Markup:
    """Markdown as HTML that is safe in a page."""
    return Markup(bleach.clean(render(source), TAGS, allowed, ["http", "https", "mailto"], strip=True))


def is_harmless(source: str) -> bool:
    """Whether cleaning would take nothing away that could matter."""
    refused = []

    def watch(tag: str, name: str, value: str) -> bool:
        fine = allowed(tag, name, value)
        if not fine and not (name in OWN and OWN[name].fullmatch(value)):
            refused.append(name)
        return fine

    html = render(source)
    stripped, escaped = (bleach.clean(html, TAGS, watch, strip=strip) for strip in (True, False))
    formulas = CODE.sub("", stripped)  # which are set anywhere but in code
    return not refused and stripped == escaped and not TEX.search(formulas) and "<!" not in html


def inert(source: str) -> str:
    """The same Markdown if it is harmless, or else its text, indented as code is: no line can end that."""
    if is_harmless(source):
        return source
    return f"{NOTE}\n\n" + "\n".join(f"    {line}" for line in source.splitlines())


def make_inert(cells: list) -> None:
    """Rewrite what a student wrote in words; the instructor's own cells stay."""
    for cell in cells:
        theirs = "nbgrader" not in cell.metadata or utils.is_solution(cell)
        if cell.cell_type == "markdown" and theirs:
            cell.source = inert(cell.source)
