"""Prose on slides: paragraphs and lists as points, formulas with their numbers, tables in parts that fit."""

import re

from bs4 import Tag

from .markup import inner, soup
from .sentences import key_sentence, plain, sentences, together

FULL = 7.5  # lines that are enough
LINE = 66  # characters in a line of points
TABLE_ROWS = 12  # lines of a table on a slide
TAG = re.compile(r"\\tag\{([^}]*)\}")


def formula(node: Tag) -> str:
    """A formula with its number beside it."""
    text = node.get_text()
    number = TAG.search(text)
    mark = f'<span class="number">({number[1]})</span>' if number else ""
    bare = soup('<div class="math"></div>').div
    bare.string = TAG.sub("", text)
    return f'<div class="row"><div class="formula">{bare}</div>{mark}</div>'


def split_table(node: Tag) -> list[str]:
    """A table of the prose, in parts of which each fits."""
    table = plain(node.find("table"))
    head, rows = table.find("thead"), table.select("tbody tr")
    parts, room = [[]], TABLE_ROWS
    for row in rows:
        cells = [len(cell.get_text()) for cell in row.find_all(["td", "th"])]
        size = 0.6 + max(1, *(-(-length // max(10, 90 // len(cells))) for length in cells))
        if parts[-1] and size > room:
            parts.append([])
            room = TABLE_ROWS
        parts[-1].append(row)
        room -= size
    return [f"<table>{head or ''}<tbody>{''.join(map(str, part))}</tbody></table>" for part in parts]


def told(run: list[Tag]) -> list[tuple[str, float, Tag]]:
    """Prose as points; where that is little, each paragraph says more than one sentence."""
    points = [point(node) for node in run]
    for most in (2, 3):
        fuller = [point(node, most) for node in run]
        if sum(size for _, size, _ in fuller) <= FULL:
            points = fuller
    return points


def point(node: Tag, most: int = 1) -> tuple[str, float, Tag]:
    """A paragraph or list of the prose as points, how many lines they take, and the node itself."""
    if node.name in ("ul", "ol"):
        items = [key_item(item) for item in node.find_all("li", recursive=False)]
        html = "".join(f"<li>{item}</li>" for item in items)
        return f"<{node.name}>{html}</{node.name}>", sum(lines(item) + 0.3 for item in items), node
    key = inner(key_sentence(node, before=text_of(node).endswith(":")))
    texts = [inner(one) for one in together(sentences(node))]
    if len(texts) > most or key not in texts:
        at = texts.index(key) if key in texts else 0
        texts = [key, *texts[at + 1 : at + most]]
    return "".join(f"<p>{text}</p>" for text in texts), sum(lines(text) + 0.5 for text in texts), node


def key_item(item: Tag) -> str:
    first = item.find("p", recursive=False) or item
    return inner(together(sentences(first))[0]) if sentences(first) else inner(plain(first))


def text_of(node: Tag) -> str:
    return node.get_text().strip()


def lines(html: str) -> int:
    return -(-len(soup(html).get_text()) // LINE)
