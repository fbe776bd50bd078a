"""The book's own prose as plain text, to train small language models on."""

import json
import re
from importlib.resources import files
from pathlib import Path

from attnbook.data.splits import split_of

__all__ = ["extract_prose", "load_prose"]

FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
# What isn't running text: displayed formulas, pictures, tables, headings, HTML.
BLOCKS = re.compile(r"\$\$|!\[|\||#|<")
# Inline Markdown and what remains of it.
INLINE = [
    (re.compile(r"\[([^\]]*)\]\([^)]*\)"), r"\1"),  # a link becomes its text
    (re.compile(r"^(?:[-*>]|\d+\.) +", re.MULTILINE), ""),  # a list or a quotation
    (re.compile(r"\*\*|\*(?=\S)|(?<=\S)\*|`"), ""),
    (re.compile(r"\s+"), " "),
]
LETTERS = 40  # a shorter paragraph is a label or a heading


def extract_prose(notebooks: list[str | Path]) -> str:
    """The running text of the notebooks' Markdown cells, one paragraph a line.

    Left out are code, tables, headings, pictures, paragraphs with formulas, other scripts than Latin, and
    everything from the exercises on. `prose.txt` was made with this function and doesn't change with the
    book, so that losses measured on it can be compared.
    """
    paragraphs = []
    for path in notebooks:
        cells = json.loads(Path(path).read_text("utf8"))["cells"]
        text = "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
        text = FENCE.sub("", text.partition("\n## Exercises")[0])
        for paragraph in re.split(r"\n\s*\n|\n(?=[-*] |\d+\. )", text):
            if "$" in paragraph or BLOCKS.match(paragraph.lstrip("> ")):
                continue
            for pattern, new in INLINE:
                paragraph = pattern.sub(new, paragraph.strip())
            if len(paragraph) >= LETTERS and all(
                letter < "\u0250" or letter in "‘’“”–—…→×" for letter in paragraph
            ):
                paragraphs.append(paragraph)
    return "\n".join(dict.fromkeys(paragraphs)) + "\n"


def load_prose() -> tuple[str, str]:
    """The book's prose for training and for validation; a checksum of each paragraph decides.

    The text is the book's of one day, under CC BY 4.0 as the book is.
    """
    paragraphs = files("attnbook.data").joinpath("prose.txt").read_text("utf8").splitlines()
    kept = {"train": [], "valid": []}
    for paragraph in paragraphs:
        kept["train" if split_of(paragraph) == "train" else "valid"].append(paragraph)
    return tuple("\n".join(lines) + "\n" for lines in kept.values())
