"""Folded cells show their title: `# @title Setup`, the first line, labels the fold and leaves the listing.

JupyterLab and Colab fold such cells too, and Colab reads the same title. Untitled folds keep MyST-NB's label.
"""

import re

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform

from .page import Page

TITLE = re.compile(r"# @title (.+)\n*")


class Titles(SphinxTransform):
    """Moves the titles of folded cells from their code to their labels."""

    default_priority = 216

    def apply(self, **kwargs) -> None:
        for cell in self.document.findall(nodes.container):
            listing = next(cell.findall(nodes.literal_block), None) if cell.get("hide_mode") else None
            if listing is not None and (title := TITLE.match(listing.astext())):
                cell["prompt_show"] = cell["prompt_hide"] = title[1].strip()
                listing.rawsource = listing.astext()[title.end() :]
                listing.clear()
                listing += nodes.Text(listing.rawsource)


def label_folds(page: Page) -> None:
    """Let a fold's label be its name for screen readers, too; MyST-NB calls each "Toggle hidden content"."""
    for label in page.soup.select("details.hide > summary"):
        del label["aria-label"]
        closed, opened = label.find_all("p")
        if closed.get_text() == opened.get_text():
            label.string = closed.get_text()


def setup(app: Sphinx) -> None:
    app.add_transform(Titles)
