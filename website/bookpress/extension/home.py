"""The home page has no launch buttons: it runs code, but isn't a notebook to open elsewhere."""

from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment


def not_a_notebook(app: Sphinx, env: BuildEnvironment) -> None:
    """Delete the home page's kernel, because the theme adds launch buttons to every page that names one."""
    env.metadata[app.config.root_doc].pop("kernelspec", None)


def setup(app: Sphinx) -> None:
    app.connect("env-updated", not_a_notebook)
