"""The book's prose: what is extracted from a notebook, and how the shipped text is split."""

import json
from pathlib import Path

from attnbook.data import extract_prose, load_prose, split_of

CELLS = [
    (
        "markdown",
        "# 1. A title\n\nThe first paragraph has **bold** words, a [link](other.ipynb#there), and `code`.",
    ),
    ("code", "print('never in the prose, however long this line of code may be')"),
    (
        "markdown",
        "A paragraph with a formula, $x^2$, is left out, since its letters spell no words.\n\n"
        "| a table | is left out as well, |\n\n![A picture, described in some words.](images/a.svg)\n\n"
        "```python\nnor = 'is a listing, whatever it may say in its own words'\n```\n\n"
        "> ![A picture in a quotation, described in some words.](images/b.svg)\n\n"
        "A listing that follows at once is left out, and this line stays:\n```python\nx = 1\n```\n\n"
        "- A list keeps its items, each of which is a paragraph here;\n"
        "- so that this is the next one, which is long enough to stay.\n\n"
        "Too short.\n\n> **Measured.** A quotation keeps its words, and loses the mark before them.",
    ),
    ("markdown", "The first paragraph has **bold** words, a [link](other.ipynb#there), and `code`."),
    ("markdown", "Words in 中文 are left out, for the model is trained on Latin letters only, few of them."),
    ("markdown", f"So is \u0250, the first letter after those of Latin script.\n\n{'x' * 40}\n\n{'y' * 39}"),
    ("markdown", "## Exercises\n\nNothing from here on is prose that a model should be trained on."),
]


def notebook(path: Path, cells: list[tuple[str, str]]) -> Path:
    """A notebook with these cells, each kept as a list of lines."""
    kept = [{"cell_type": kind, "source": text.splitlines(keepends=True)} for kind, text in cells]
    path.write_text(json.dumps({"cells": kept}), "utf8")
    return path


def test_running_text_is_extracted_once_a_paragraph_a_line(tmp_path):
    assert extract_prose([notebook(tmp_path / "a.ipynb", CELLS)]).splitlines() == [
        "The first paragraph has bold words, a link, and code.",
        "A listing that follows at once is left out, and this line stays:",
        "A list keeps its items, each of which is a paragraph here;",
        "so that this is the next one, which is long enough to stay.",
        "Measured. A quotation keeps its words, and loses the mark before them.",
        "x" * 40,
    ]


def test_a_notebook_without_exercises_is_read_to_its_end(tmp_path):
    text = "This notebook has no exercises, and so all of its words are kept."
    assert extract_prose([notebook(tmp_path / "a.ipynb", [("markdown", text)])]) == f"{text}\n"


def test_the_shipped_text_is_split_by_paragraph():
    train, valid = load_prose()
    assert len(train) > 3 * len(valid) > 50_000
    paragraphs = [set(text.splitlines()) for text in (train, valid)]
    assert not set.intersection(*paragraphs)
    assert {split_of(paragraph) for paragraph in paragraphs[0]} == {"train"}
    assert "train" not in {split_of(paragraph) for paragraph in paragraphs[1]}
    assert all(len(paragraph) >= 40 and "$" not in paragraph for text in paragraphs for paragraph in text)
