"""The book's Sphinx extension: callouts, a cache that notices the package, widgets with no kernel."""

from sphinx.application import Sphinx

from . import callouts, execution, widgets


def setup(app: Sphinx) -> dict:
    callouts.setup(app)
    execution.setup(app)
    widgets.setup(app)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
