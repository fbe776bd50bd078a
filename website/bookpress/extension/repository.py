"""While the repository's address is a placeholder, pages have no button, command or sentence that needs it.

That takes the launch buttons from the pages, the cells that install the package from the repository, and
what Markdown pages mark as

    :::{div} ab-published
    The rocket opens a chapter in Binder or Colab.
    :::
"""

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.transforms import SphinxTransform
from sphinx.util import logging

from bookpress import address

BUTTONS = ("use_repository_button", "use_issues_button", "use_edit_page_button")
logger = logging.getLogger(__name__)


def hide_buttons(app: Sphinx, config: Config) -> None:
    """Take the buttons from the pages if the address is a placeholder."""
    options = config.html_theme_options
    config.book_unpublished = address.placeholder(options.get("repository_url", ""))
    if config.book_unpublished:
        options |= dict.fromkeys(BUTTONS, False) | {"launch_buttons": {}}


class Unpublished(SphinxTransform):
    """Removes what needs the repository's address."""

    default_priority = 217

    def apply(self, **kwargs) -> None:
        if not self.config.book_unpublished:
            return
        url = self.config.html_theme_options["repository_url"]
        for node in list(self.document.findall(nodes.container)):
            installs = node.get("nb_element") == "cell_code" and url in node.astext()
            if "ab-published" in node["classes"] or installs:
                node.parent.remove(node)


def tell(app: Sphinx, exception: Exception | None) -> None:
    """Say once what to set."""
    if app.config.book_unpublished:
        logger.info(app.config.book_unpublished)


def setup(app: Sphinx) -> None:
    app.add_config_value("book_unpublished", "", "env")
    app.add_transform(Unpublished)
    app.connect("config-inited", hide_buttons)
    app.connect("build-finished", tell)
