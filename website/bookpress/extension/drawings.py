"""The book's drawings are set into the page, so that they take its colours, by day and by night.

In Markdown a drawing is an image like any other, and outside the book it stays one: its file brings colours
of its own. Here the file's text replaces the image, without its style: `drawings.css` sets the same colours
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
    """Puts drawings in the place of the images that name them."""

    default_priority = 220

    def apply(self, **kwargs) -> None:
        for image in list(self.document.findall(nodes.image)):
            text = drawing_text(self.env, image["uri"])
            if text is None:
                continue
            if not image.get("alt", "").strip():
                logger.warning(
                    "the drawing %s has no words for those who don't see it", image["uri"], location=image
                )
            image.replace_self(nodes.raw(text=inlined(text, image.get("alt", "")), format="html"))


def drawing_text(env, uri: str) -> str | None:
    """The text of a drawing's file; None for any other picture."""
    if "://" in uri or not uri.endswith(".svg"):
        return None
    name, path = env.relfn2path(uri, env.docname)
    if not Path(path).is_file():
        return None  # Sphinx says so itself
    text = Path(path).read_text("utf8")
    if MARK not in text[:500]:
        return None
    env.note_dependency(name)
    return text


def inlined(text: str, words: str) -> str:
    """A drawing's element for a page: without its style, and with its alternative text."""
    return STYLE.sub("", text).replace(' role="img"', f' role="img" aria-label="{escape(words)}"', 1).strip()


def setup(app: Sphinx) -> None:
    app.add_transform(Drawings)
