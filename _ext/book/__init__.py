"""The book's own Sphinx extension: callouts, an execution cache that notices the package, widgets without a kernel."""

from importlib.util import find_spec

from sphinx.application import Sphinx

from . import callouts, execution


def setup(app: Sphinx) -> dict:
    callouts.setup(app)
    execution.setup(app)
    if find_spec("book.widgets"):
        from . import widgets

        widgets.setup(app)
    return {"version": execution.fingerprint()[:12], "parallel_read_safe": True, "parallel_write_safe": True}
