"""Drawings and charts become part of the page, so that they take its colours, light or dark.

In Markdown a drawing is an image like any other, and outside the book it stays one: its file has colours of
its own. In the book the file's SVG replaces the image, without its style: `drawings.css` sets the colours
from the page's variables. A chart is what matplotlib drew while the build ran a chapter: see charts.py.
"""

import re
from html import escape
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform
from sphinx.util import logging

MARK, CHART = 'class="ab-drawing"', "Matplotlib v"
STYLE = re.compile(r"<style>.*?</style>\n?", re.DOTALL)
logger = logging.getLogger(__name__)


class Drawings(SphinxTransform):
    """Replaces images of drawings and of charts by the drawings and charts themselves."""

    default_priority = 220

    def apply(self, **kwargs) -> None:
        for number, image in enumerate(list(self.document.findall(nodes.image))):
            text, words = svg_text(self.env, image["uri"]), image.get("alt", "").strip()
            if MARK in text[:500]:
                drawn = inlined(text, words)
                self.env.note_dependency(self.env.relfn2path(image["uri"], self.env.docname)[0])
                if not words:
                    logger.warning("the drawing %s has no alternative text", image["uri"], location=image)
            elif CHART in text[:1000]:
                from . import charts  # here, because it imports matplotlib, which takes seconds

                drawn = charts.inlined(text, words, f"chart-{number}")
            else:
                continue
            image.replace_self(nodes.raw(text=drawn, format="html"))


def svg_text(env, uri: str) -> str:
    """The text of an SVG file; nothing for any other picture."""
    if "://" in uri or not uri.endswith(".svg"):
        return ""
    path = Path(env.relfn2path(uri, env.docname)[1])
    return path.read_text("utf8") if path.is_file() else ""  # Sphinx warns about a missing file


def inlined(text: str, words: str) -> str:
    """A drawing as an element of a page: without its style, with its alternative text."""
    return STYLE.sub("", text).replace(' role="img"', f' role="img" aria-label="{escape(words)}"', 1).strip()


def setup(app: Sphinx) -> None:
    app.add_transform(Drawings)
