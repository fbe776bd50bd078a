"""Highlighted code without needless elements: three of four that Pygments writes look like plain text."""

from pygments.formatters import HtmlFormatter
from pygments.token import Error, Name, Operator, Punctuation, Whitespace
from sphinx.application import Sphinx
from sphinx.highlighting import PygmentsBridge

# Shown in the colour of text, light and dark (see `.highlight pre` in book.css).
PLAIN = {
    Error, Name, Name.Attribute, Name.Namespace, Name.Other, Name.Variable, Operator, Punctuation, Whitespace,
}  # fmt: skip


class Lean(HtmlFormatter):
    """Marks only tokens that look different from plain text."""

    def _get_css_classes(self, ttype) -> str:
        return "" if ttype in PLAIN else super()._get_css_classes(ttype)


def setup(app: Sphinx) -> None:
    PygmentsBridge.html_formatter = Lean
