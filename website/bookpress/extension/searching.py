"""Search results quote the text around a match, even when the site is opened as files.

The theme's search fetches every page it found, which browsers forbid for files. So the search page loads the
text of all pages as one script and reads from that instead.
"""

import json
from html import escape
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx

TEXTS = "search-texts.js"
PROGRAM = """// The texts of all pages, which replace requests for the pages.
const texts = %s;
window.fetch = async (address) => new Response(texts[address.replace(/^\\.\\/|\\.html$/g, "")]);
"""


def page_text(doctree: nodes.document) -> str:
    """A page's text in the HTML that the search expects: a main part, with sections to link to."""
    return f'<div role="main">{"".join(map(part, doctree.children))}</div>'


def part(node: nodes.Node) -> str:
    """A part of a page as HTML, with the ids of its sections."""
    if isinstance(node, nodes.section):
        return f'<div id="{escape(node["ids"][0])}">{"".join(map(part, node.children))}</div>'
    return escape(" ".join(words(node).split())) + "\n"


def words(node: nodes.Node) -> str:
    """The text of a node, without markup."""
    if isinstance(node, nodes.Text | nodes.raw):
        return "" if isinstance(node, nodes.raw) else node.astext()
    return ("" if isinstance(node, nodes.TextElement) else " ").join(map(words, node.children))


def write_texts(app: Sphinx, env) -> None:
    """Write the texts of all pages before the search page links to them."""
    if app.builder.format != "html":
        return
    texts = {page: page_text(env.get_doctree(page)) for page in sorted(env.found_docs)}
    folder = Path(app.outdir) / "_static"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / TEXTS).write_text(PROGRAM % json.dumps(texts, ensure_ascii=False, indent=0), "utf8")


def load_texts(app: Sphinx, pagename: str, templatename: str, context: dict, doctree) -> None:
    """Load the texts on the search page."""
    if pagename == "search":
        app.add_js_file(TEXTS, loading_method="defer")


def setup(app: Sphinx) -> None:
    app.connect("env-updated", write_texts)
    app.connect("html-page-context", load_texts)
