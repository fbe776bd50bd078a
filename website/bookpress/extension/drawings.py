"""Drawings become part of the page, so that they take its colours, light or dark.

In Markdown a drawing is an image like any other, and outside the book it stays one: its file has colours of
its own. In the book the file's SVG replaces the image, without its style: `drawings.css` sets the colours
from the page's variables.
"""

import re
from html import escape
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform
from sphinx.util import logging

MARK = 'class="ab-drawing"'
STYLE = re.compile(r"<style>.*?</style>\n?", re.DOTALL)
logger = logging.getLogger(__name__)


class Drawings(SphinxTransform):
    """Replaces images of drawings by the drawings themselves."""

    default_priority = 220

    def apply(self, **kwargs) -> None:
        for image in list(self.document.findall(nodes.image)):
            text = drawing_text(self.env, image["uri"])
            if text is None:
                continue
            if not image.get("alt", "").strip():
                logger.warning("the drawing %s has no alternative text", image["uri"], location=image)
            image.replace_self(nodes.raw(text=inlined(text, image.get("alt", "")), format="html"))


def drawing_text(env, uri: str) -> str | None:
    """The SVG of a drawing; None for any other picture."""
    if "://" in uri or not uri.endswith(".svg"):
        return None
    name, path = env.relfn2path(uri, env.docname)
    if not Path(path).is_file():
        return None  # Sphinx warns about it
    text = Path(path).read_text("utf8")
    if MARK not in text[:500]:
        return None
    env.note_dependency(name)
    return text


def inlined(text: str, words: str) -> str:
    """A drawing as an element of a page: without its style, with its alternative text."""
    return STYLE.sub("", text).replace(' role="img"', f' role="img" aria-label="{escape(words)}"', 1).strip()


def setup(app: Sphinx) -> None:
    app.add_transform(Drawings)
