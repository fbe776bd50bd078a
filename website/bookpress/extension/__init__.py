"""The book's Sphinx extension: what Jupyter Book and its theme don't do for the pages."""

from sphinx.application import Sphinx

from . import (
    api,
    callouts,
    drawings,
    edition,
    execution,
    guide,
    home,
    languages,
    listings,
    maths,
    publishing,
    searching,
    sharing,
    shipping,
    verdicts,
    widgets,
)


def setup(app: Sphinx) -> dict:
    api.setup(app)
    callouts.setup(app)
    drawings.setup(app)
    edition.setup(app)
    execution.setup(app)
    guide.setup(app)
    home.setup(app)
    languages.setup(app)
    listings.setup(app)
    maths.setup(app)
    publishing.setup(app)
    searching.setup(app)
    sharing.setup(app)
    shipping.setup(app)
    verdicts.setup(app)
    widgets.setup(app)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
