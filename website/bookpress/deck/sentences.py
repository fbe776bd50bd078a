"""The sentences of a paragraph, with their markup, and which of them goes on a slide."""

import copy
import re

from bs4 import BeautifulSoup, NavigableString, Tag

BREAK = re.compile(r"(?<=[.!?…])([”’\"')\]]*)\s+(?=[“‘\"'(\[\dA-Z]|$)")
NO_BREAK = re.compile(r"\b(?:e\.g|i\.e|vs|et al|cf|ch|no)\.$", re.IGNORECASE)
ENDS = re.compile(r"[.!?…][”’\"')\]]*$")
FEW = 4  # words; a shorter sentence says too little on its own
POINTING = re.compile(r"Here (?:is|are|it|we) (?:\S+\s+){4}")  # introduces what is shown next
ASKED = 170  # characters of a run of questions
OPENING = re.compile(r"^\s*(?:[“‘\"'(\[\dA-Z].*)?$", re.DOTALL)


def sentences(paragraph: Tag) -> list[Tag]:
    """The sentences of a paragraph, each in a span; links and code are never split."""
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
    """Text split after each sentence, but not after an abbreviation."""
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
    """A copy with the text of its links instead of the links."""
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
    """The sentence for the slide: one that introduces what follows, or one with bold text, or the first.

    `before` says that something to look at follows; a last sentence with a colon or a question introduces it.
    """
    found = without_asides(sentences(paragraph))
    if not found:
        return span([NavigableString("")])
    last = found[-1].get_text().rstrip()
    if before and last.endswith((":", "?")) and len(last.split()) >= FEW:
        return asked(found)
    bold = [
        one
        for one in found[1 if label(found[0]) else 0 :]
        if any(len(strong.get_text().split()) >= FEW for strong in one.select("strong"))
    ]
    pointing = [one for one in found if before and POINTING.match(one.get_text())]
    return (bold or pointing or together(found))[0]


def without_asides(found: list[Tag]) -> list[Tag]:
    """Sentences without those in parentheses, even if several share a pair."""
    kept, inside = [], 0
    for one in found:
        text = one.get_text().strip()
        if inside or text.startswith("("):
            inside = max(0, inside + text.count("(") - text.count(")"))
            if inside or text.endswith((")", ").")):
                continue
        kept.append(one)
    return kept


def asked(found: list[Tag]) -> Tag:
    """The last sentence; if it is a question that begins with "Or", with the questions before it."""
    first = len(found) - 1
    if found[first].get_text().startswith("Or "):
        while first and found[first - 1].get_text().rstrip().endswith("?"):
            if sum(len(one.get_text()) + 1 for one in found[first - 1 :]) > ASKED:
                break
            first -= 1
    return joined_sentences(found[first:])


def joined_sentences(found: list[Tag]) -> Tag:
    whole = found[0]
    for one in found[1:]:
        whole.append(NavigableString(" "))
        whole.append(one)
    return whole


def label(sentence: Tag) -> bool:
    """Whether a sentence is all bold, as a label for what follows."""
    strong = sentence.find("strong", recursive=False)
    return bool(strong) and strong.get_text().strip() == sentence.get_text().strip()


def begins_with_label(node: Tag) -> bool:
    """Whether a paragraph begins with a bold label, such as "What to look for."."""
    found = sentences(node) if node.name == "p" else []
    return len(found) > 1 and label(found[0])


def together(found: list[Tag], labels: bool = True) -> list[Tag]:
    """Sentences, with a very short one or a leading label joined to the next."""
    joined: list[Tag] = []
    short = False
    for one in found:
        if short:
            joined[-1].append(NavigableString(" "))
            joined[-1].append(one)
        else:
            joined.append(one)
        short = len(joined[-1].get_text().split()) < FEW or (labels and one is found[0] and label(one))
    return joined
