"""Code in few elements: three in four of those that Pygments writes would look like the text around them."""

from pygments.formatters import HtmlFormatter
from pygments.token import Error, Name, Operator, Punctuation, Whitespace
from sphinx.application import Sphinx
from sphinx.highlighting import PygmentsBridge

# Drawn in the colour of text, in light and dark (see `.highlight pre` in book.css).
PLAIN = {
    Error, Name, Name.Attribute, Name.Namespace, Name.Other, Name.Variable, Operator, Punctuation, Whitespace,
}  # fmt: skip


class Lean(HtmlFormatter):
    """Marks what has a look of its own."""

    def _get_css_classes(self, ttype) -> str:
        return "" if ttype in PLAIN else super()._get_css_classes(ttype)


def setup(app: Sphinx) -> None:
    PygmentsBridge.html_formatter = Lean
