"""Verdicts on the article's claims stand out: a bold verdict that opens a list item gets a class."""

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform

VERDICTS = {
    "Right.": "ab-right",
    "Right, with a limit.": "ab-limit",
    "Loose.": "ab-loose",
    "Not so.": "ab-wrong",
    "Missing.": "ab-missing",
}


class Verdicts(SphinxTransform):
    """Gives verdicts their class."""

    default_priority = 215

    def apply(self, **kwargs) -> None:
        for item in self.document.findall(nodes.list_item):
            words = next(iter(item.findall(nodes.strong)), None)
            if words is not None and words.astext() in VERDICTS and item.astext().startswith(words.astext()):
                words["classes"] += ["ab-verdict", VERDICTS[words.astext()]]


def setup(app: Sphinx) -> None:
    app.add_transform(Verdicts)
