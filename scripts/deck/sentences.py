"""Sentences of a paragraph of the built page, with their markup, and the one that is worth a slide."""

import copy
import re

from bs4 import BeautifulSoup, NavigableString, Tag

BREAK = re.compile(r"(?<=[.!?…])([”’\"')\]]*)\s+(?=[“‘\"'(\[\dA-Z]|$)")
NO_BREAK = re.compile(r"\b(?:e\.g|i\.e|vs|et al|cf|ch|no)\.$", re.IGNORECASE)
ENDS = re.compile(r"[.!?…][”’\"')\]]*$")
FEW = 4  # words; a shorter sentence says too little alone
OPENING = re.compile(r"^\s*(?:[“‘\"'(\[\dA-Z].*)?$", re.DOTALL)


def sentences(paragraph: Tag) -> list[Tag]:
    """The sentences of a paragraph, each in a span of its own; what stands in links and code is never cut."""
    pieces: list[list] = [[]]
    for node in list(plain(paragraph).children):
        if not isinstance(node, NavigableString):
            if closed(pieces[-1]) and words(pieces[-1])[-1:].isspace():
                pieces.append([])
            pieces[-1].append(node.extract())
            continue
        for index, text in enumerate(parted(str(node))):
            if index or (text and closed(pieces[-1]) and OPENING.match(text)):
                pieces.append([])
            pieces[-1].append(NavigableString(text))
    return [one for one in map(span, pieces) if one.get_text().strip()]


def parted(text: str) -> list[str]:
    """Text cut after each sentence, but not after an abbreviation."""
    parts: list[str] = []
    for part in BREAK.sub("\\1\0", text).split("\0"):
        if parts and NO_BREAK.search(parts[-1]):
            parts[-1] += f" {part}"
        else:
            parts.append(part)
    return parts


def closed(piece: list) -> bool:
    """Whether these nodes end a sentence."""
    return bool(ENDS.search(words(piece).rstrip()))


def words(piece: list) -> str:
    return "".join(node.get_text() if isinstance(node, Tag) else str(node) for node in piece)


def span(nodes: list) -> Tag:
    one = BeautifulSoup("<span></span>", "html.parser").span
    for node in nodes:
        one.append(node)
    first, last = one.contents[0], one.contents[-1]
    if isinstance(first, NavigableString):
        first.replace_with(str(first).lstrip())
    if isinstance(last, NavigableString) and last.parent is not None:
        last.replace_with(str(last).rstrip())
    return one


def plain(element: Tag) -> Tag:
    """A copy without links, whose words stay."""
    bare = copy.copy(element)
    for mark in bare.select("a.headerlink"):
        mark.decompose()
    for link in bare.select("a"):
        link.unwrap()
    for inner in bare.select("span.std"):
        inner.unwrap()
    bare.smooth()
    return bare


def key_sentence(paragraph: Tag, before: bool = False) -> Tag:
    """The sentence for the slide: what leads to the next thing, what is set bold, or else the first.

    `before` says that something to be shown follows: a last sentence with a colon or a question leads there.
    """
    found = sentences(paragraph)
    if not found:
        return span([NavigableString("")])
    last = found[-1].get_text().rstrip()
    if before and last.endswith((":", "?")) and len(last.split()) >= FEW:
        return found[-1]
    bold = [
        one for one in found if any(len(strong.get_text().split()) >= FEW for strong in one.select("strong"))
    ]
    if bold:
        return bold[0]
    return together(found)[0]


def together(found: list[Tag]) -> list[Tag]:
    """Sentences of which a very short one is joined to the next."""
    joined: list[Tag] = []
    short = False
    for one in found:
        if short:
            joined[-1].append(NavigableString(" "))
            joined[-1].append(one)
        else:
            joined.append(one)
        short = len(joined[-1].get_text().split()) < FEW
    return joined
