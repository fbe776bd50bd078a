"""Prose on slides: paragraphs and lists as points, formulas with their numbers, tables split to fit."""

import re

from bs4 import Tag

from .markup import inner, soup
from .sentences import key_sentence, plain, sentences, together, without_asides

FULL = 7.5  # lines of points that fill a slide
LINE = 66  # characters in a line of points
TABLE_ROWS = 12  # lines of a table on a slide
TABLE_LINE = 84  # characters in a line of a table
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
    """A table of the prose, split into as few parts as fit, of about the same height."""
    table = plain(node.find("table"))
    head, rows = table.find("thead"), table.select("tbody tr")
    lengths = [[len(cell.get_text().strip()) for cell in row.find_all(["td", "th"])] for row in rows]
    widths = column_widths(lengths)
    sizes = [0.6 + max(1, *map(lambda length, width: -(-length // width), row, widths)) for row in lengths]
    parts = packed(rows, sizes, TABLE_ROWS)
    return [f"<table>{head or ''}<tbody>{''.join(map(str, part))}</tbody></table>" for part in parts]


def column_widths(lengths: list[list[int]]) -> list[int]:
    """About how many characters wide each column is: narrow ones as needed, the others share the rest."""
    needed = [max(6, *column) for column in zip(*lengths, strict=True)]
    left, widths = TABLE_LINE, {}
    for count, column in enumerate(sorted(range(len(needed)), key=needed.__getitem__)):
        widths[column] = max(6, min(needed[column], left // (len(needed) - count)))
        left -= widths[column]
    return [widths[column] for column in range(len(needed))]


def packed(rows: list[Tag], sizes: list[float], room: float) -> list[list[Tag]]:
    """Rows in as few parts as this room allows, equally full if that fits."""
    filled, left = [[]], room
    for row, size in zip(rows, sizes, strict=True):
        if filled[-1] and size > left:
            filled.append([])
            left = room
        filled[-1].append(row)
        left -= size
    share = sum(sizes) / len(filled)
    even: list[list[Tag]] = [[] for _ in filled]
    height = [0.0] * len(filled)
    before = 0.0
    for row, size in zip(rows, sizes, strict=True):
        part = int((before + size / 2) / share)
        even[part].append(row)
        height[part] += size
        before += size
    return even if all(even) and max(height) <= room else filled


def told(run: list[Tag]) -> list[tuple[str, float, Tag]]:
    """Prose as points; if there is room, with more than one sentence of each paragraph."""
    points = [point(node) for node in run]
    for most in (2, 3):
        fuller = [point(node, most) for node in run]
        if sum(size for _, size, _ in fuller) <= FULL:
            points = fuller
    if points and points[-1][2].name == "p":
        html, size, node = points[-1]
        points[-1] = ended(html), size, node
    return points


def ended(html: str) -> str:
    """A last paragraph, with a full stop for its colon: what the colon announces isn't on the slide."""
    return re.sub(r":(</p>)$", r".\1", html)


def point(node: Tag, most: int = 1) -> tuple[str, float, Tag]:
    """A paragraph or list as points, the lines they take, and the node itself."""
    if node.name in ("ul", "ol"):
        items = [key_item(item) for item in node.find_all("li", recursive=False)]
        html = "".join(f"<li>{item}</li>" for item in items)
        return f"<{node.name}>{html}</{node.name}>", sum(lines(item) + 0.3 for item in items), node
    if node.name == "blockquote":
        said = [point(part, most) for part in node.select("p")]
        return "".join(html for html, _, _ in said), sum(size for _, size, _ in said), node
    key = inner(key_sentence(node, before=text_of(node).endswith(":")))
    if not key:
        return "", 0.0, node
    texts = [inner(one) for one in together(without_asides(sentences(node)))]
    if len(texts) > most or key not in texts:
        at = texts.index(key) if key in texts else 0
        texts = [key, *texts[at + 1 : at + most]]
    return "".join(f"<p>{text}</p>" for text in texts), sum(lines(text) + 0.5 for text in texts), node


def key_item(item: Tag) -> str:
    first = item.find("p", recursive=False) or item
    found = together(sentences(first), labels=False)
    return inner(found[0]) if found else inner(plain(first))


def text_of(node: Tag) -> str:
    return node.get_text().strip()


def lines(html: str) -> int:
    return -(-len(soup(html).get_text()) // LINE)
