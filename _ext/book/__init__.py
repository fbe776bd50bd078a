"""The book's Sphinx extension: callouts, a cache that notices the package, widgets with no kernel."""

from importlib.util import find_spec

from sphinx.application import Sphinx

from . import callouts, execution


def setup(app: Sphinx) -> dict:
    callouts.setup(app)
    execution.setup(app)
    if find_spec("book.widgets"):
        from . import widgets

        widgets.setup(app)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
