"""The book's Sphinx extension: API, callouts, drawings, a cache that notices the package, widgets."""

from sphinx.application import Sphinx

from . import api, callouts, drawings, execution, home, languages, verdicts, widgets


def setup(app: Sphinx) -> dict:
    api.setup(app)
    callouts.setup(app)
    drawings.setup(app)
    execution.setup(app)
    home.setup(app)
    languages.setup(app)
    verdicts.setup(app)
    widgets.setup(app)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
