"""The home page runs code but is no notebook to open elsewhere: it has no launch buttons."""

from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment


def not_a_notebook(app: Sphinx, env: BuildEnvironment) -> None:
    """The theme puts launch buttons on every page that names a kernel."""
    env.metadata[app.config.root_doc].pop("kernelspec", None)


def setup(app: Sphinx) -> None:
    app.connect("env-updated", not_a_notebook)
