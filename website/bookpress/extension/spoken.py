"""Pages as a screen reader meets them: what the theme and pandas leave out."""

from pathlib import Path

from sphinx.application import Sphinx

from .pages import rewrite

AMENDED = {
    # The book's name and its contents, at the side, are a region of the page.
    '<div id="pst-primary-sidebar" class="': (
        '<div id="pst-primary-sidebar" role="navigation" aria-label="The book" class="'
    ),
    # A corner that heads no column.
    "<th></th>": "<td></td>",
}


def amend(app: Sphinx, exception: Exception | None) -> None:
    """Mend every page that was written."""

    def mend(text: str, _: Path) -> str:
        for found, wanted in AMENDED.items():
            text = text.replace(found, wanted)
        return text

    rewrite(app, mend)


def setup(app: Sphinx) -> None:
    app.connect("build-finished", amend)
