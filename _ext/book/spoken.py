"""Pages as a screen reader meets them: what the theme and pandas leave out."""

from pathlib import Path

from sphinx.application import Sphinx

from .policy import written_pages

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
    if app.builder.format != "html":
        return
    for page in written_pages(Path(app.outdir)):
        text = amended = page.read_text("utf8")
        for found, wanted in AMENDED.items():
            amended = amended.replace(found, wanted)
        if amended != text:
            page.write_text(amended, "utf8")


def setup(app: Sphinx) -> None:
    app.connect("build-finished", amend)
