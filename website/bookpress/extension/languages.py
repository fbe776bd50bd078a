"""Chinese words in the prose are marked as Chinese, for screen readers and for the choice of fonts."""

import re

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform

CHINESE = re.compile(
    r"([\u3000-\u303f\u3400-\u9fff\uff00-\uffef]*[\u3400-\u9fff][\u3000-\u9fff\uff00-\uffef]*)"
)
LEFT_ALONE = (nodes.literal, nodes.literal_block, nodes.raw, nodes.title, nodes.math, nodes.math_block)


class Languages(SphinxTransform):
    """Marks runs of Chinese characters, outside code and headings."""

    default_priority = 230

    def apply(self, **kwargs) -> None:
        for text in list(self.document.findall(nodes.Text)):
            if CHINESE.search(text) and not within(text, LEFT_ALONE):
                text.parent.replace(text, marked(str(text)))


def marked(text: str) -> list[nodes.Node]:
    """The text, with its Chinese parts inside tags that name the language."""
    parts = []
    for index, part in enumerate(CHINESE.split(text)):
        if index % 2:
            opened = nodes.raw(text='<span lang="zh-Hans">', format="html")
            parts += [opened, nodes.Text(part), nodes.raw(text="</span>", format="html")]
        elif part:
            parts.append(nodes.Text(part))
    return parts


def within(node: nodes.Node, kinds: tuple[type, ...]) -> bool:
    """Whether the node is inside a node of one of these kinds."""
    while node.parent is not None:
        node = node.parent
        if isinstance(node, kinds):
            return True
    return False


def setup(app: Sphinx) -> None:
    app.add_transform(Languages)
