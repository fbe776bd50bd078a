"""Callouts written as plain Markdown.

Chapters are read on GitHub and in Colab too, which show MyST directives as raw text. So a callout is a block
quote that opens with a bold name,

    > **Note.** The query meets its own key as well.

which reads well anywhere, and becomes an admonition in the book. Any other bold opening is a typo and gets a
warning.
"""

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform
from sphinx.util import logging

# name → classes: the first is one of the theme's own admonitions
KINDS = {
    "Note": "note",
    "Tip": "tip",
    "Warning": "warning",
    "In this chapter": "note ab-objectives",
    "Try it": "tip ab-try",
    "Predict": "tip ab-try",
    "Measured": "note ab-measured",
    "Reading the article closely": "note ab-article",
    "Recap": "tip ab-recap",
}

logger = logging.getLogger(__name__)


class Callouts(SphinxTransform):
    """Turns block quotes that open with a callout's name into admonitions."""

    default_priority = 210

    def apply(self, **kwargs) -> None:
        for quote in list(self.document.findall(nodes.block_quote)):
            name = opening(quote)
            if name in KINDS:
                quote.replace_self(admonition(quote, name))
            elif name:
                known = ", ".join(KINDS)
                message = f"**{name}.** opens a quotation but names no callout; those are {known}"
                logger.warning(message, location=quote)


def opening(quote: nodes.block_quote) -> str | None:
    """The bold words that open a block quote, without their full stop; None if it opens otherwise."""
    words = inline(quote)
    text = words[0].astext() if words and isinstance(words[0], nodes.strong) else ""
    return text[:-1] if text.endswith(".") else None


def inline(quote: nodes.block_quote) -> list[nodes.Node]:
    """The nodes of a block quote's first paragraph; none if it begins with something else."""
    first = quote.children[0] if quote.children else None
    return [node for node in first.children if node.astext()] if isinstance(first, nodes.paragraph) else []


def admonition(quote: nodes.block_quote, name: str) -> nodes.admonition:
    body = inline(quote)[1:]
    if body and isinstance(body[0], nodes.Text):
        body[0] = nodes.Text(body[0].lstrip())
    paragraph = [nodes.paragraph("", "", *body)] if any(node.astext() for node in body) else []
    content = [nodes.title("", name), *paragraph, *quote.children[1:]]
    callout = nodes.admonition("", *content, classes=KINDS[name].split())
    callout.source, callout.line = quote.source, quote.line
    return callout


def setup(app: Sphinx) -> None:
    app.add_transform(Callouts)
