"""Rewritten chapters use the field's terms, and link each term to the glossary where it first occurs."""

import json
import re
from pathlib import Path

import pytest

from bookpress import ROOT

REWRITTEN = {
    "01",
    "02",
    "03",
    "04",
    "05",
    "09",
    "06",
    "07",
    "08",
    "10",
}  # the chapters that must follow these rules: add yours when it is done
CHAPTERS = sorted((ROOT / "chapters").glob("[0-9]*.ipynb"))
DONE = [path for path in CHAPTERS if path.stem[:2] in REWRITTEN]
# home-made words (regular expressions, in any case) → the standard term
INSTEAD = {
    r"filling|filled up (?:with|to)": "padding, padded to",
    r"spread (?:of|over|out)|the spread": "standard deviation, variance, entropy, or number of keys",
    r"takes? home|took home": "receives, gets",
    r"roads?|(?<!next )doors?": "say what it is: method, path, layer, interface",
    r"carr(?:y|ies|ied) (?:over|on)": "is passed on, the state",
    r"(?:at|of|every|each|last|first|next|one|later|earlier|other) places?": "position",
    r"(?<!in )(?:its|their) places?": "position",
    r"places? of (?:the|a) (?:source|target|sequence|sentence)": "position",
    r"numbers of (?:a|the|one|each) (?:vector|position|place)": "features, components",
    r"blend(?:s|ed)?|mixtures? of (?:values|words)": "weighted average, weighted sum",
    r"likel(?:y|iest) scores?|chances of": "probability, log-probability",
    r"handed (?:on|in|over)|hands? (?:on|over)": "is passed on",
    r"kept back|never trained on": "held-out",
    r"behind (?:the|a|each|every|it|this|its)": "after",
    r"in front of (?:the|a|each|every)": "before",
    r"may look at|is allowed to (?:see|look at)": "may attend to",
    r"(?:mask|masks) turned round|turned round": "inverted",
    r"line round the box": "residual connection",
    r"drawn evenly|evenly drawn": "uniformly",
    r"made-up (?:data|task|strings|dates)": "synthetic",
    r"thinned out": "downsampled",
    r"stands for": "means, represents",
    r"stands? (?:in|at|beside|between|alone)": "is",
    r"anew|once more": "again, from scratch",
    r"pays? \\?\$?\\?\\ln": "has a loss of",
    r"with the answers in view": "say what the model gets as input",
}
# Terms that are everyday words as well, or mean something else elsewhere.
EVERYDAY = {
    *("attention", "feature", "features", "head", "heads", "key", "keys", "position", "positions", "score"),
    *("scores", "temperature", "value", "values", "weights"),
}
LINK = re.compile(r"\[([^\]]+)\]\(glossary\.md#([^)]+)\)")
HIDDEN = re.compile(
    r"^```.*?^```|`[^`\n]*`|\$\$.*?\$\$|\$[^$\n]+\$|^#+ [^\n]*|!\[[^\]]*\]\([^)]*\)", re.M | re.S
)
ADDRESS = re.compile(r"\]\([^)]*\)")


def prose(path: Path) -> tuple[str, str]:
    """A notebook's Markdown before its first section and from there, without code, formulas and pictures."""
    cells = json.loads(path.read_text("utf8"))["cells"]
    text = "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    opening, _, sections = text.partition("\n## ")
    return HIDDEN.sub(" ", opening), HIDDEN.sub(" ", f"## {sections}")


def plain(text: str) -> str:
    """A text without the addresses of its links."""
    return ADDRESS.sub("]", text)


def home_made(text: str) -> list[str]:
    """The home-made words in a text, each with a few words around it and what to write instead."""
    text, found = plain(text), []
    for words, instead in INSTEAD.items():
        for match in re.finditer(rf"(?i)\b(?:{words})\b", text):
            context = " ".join(text[max(match.start() - 40, 0) : match.end() + 30].split())
            found.append(f"“{match[0]}” in “{context}”: {instead}")
    return found


def linked_late(opening: str, sections: str) -> list[str]:
    """The terms that the sections use before they link them to the glossary; the opening is free to."""
    linked = {link[2] for link in LINK.finditer(opening)}
    late = []
    for link in LINK.finditer(sections):
        term = re.sub("[*_]", "", link[1]).lower()
        before = plain(sections[: link.start()]).lower()
        if {link[2], term}.isdisjoint(linked | EVERYDAY) and re.search(rf"\b{re.escape(term)}\b", before):
            late.append(term)
        linked.add(link[2])
    return late


@pytest.mark.parametrize("path", DONE, ids=lambda path: path.stem)
def test_a_rewritten_chapter_has_no_home_made_words(path):
    assert home_made("\n".join(prose(path))) == []


@pytest.mark.parametrize("path", DONE, ids=lambda path: path.stem)
def test_a_rewritten_chapter_links_terms_at_their_first_use(path):
    assert linked_late(*prose(path)) == []


def test_the_rewritten_chapters_exist():
    assert {path.stem[:2] for path in CHAPTERS} >= REWRITTEN


def test_home_made_words_are_found_with_what_to_write_instead():
    text = "Every place takes home a blend. It is put in its place, next door, [here](behind-the-door.md)."
    found = home_made(text)
    assert [line.split("”")[0] for line in found] == ["“takes home", "“Every place", "“blend"]
    assert found[1].endswith(": position")


def test_a_term_has_to_be_linked_where_it_first_occurs():
    link = "[{0}](glossary.md#{0})".format
    assert linked_late("Padding. ", f"The padding mask hides {link('padding')}.") == ["padding"]
    assert linked_late(link("padding"), f"The padding mask hides {link('padding')}.") == []
    assert (
        linked_late("", f"A value, {link('value')}. Then {link('padding')}, padding, {link('padding')}.")
        == []
    )
