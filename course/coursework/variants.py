"""Variants of an assignment: numbers, words and names in its tasks that change per year or per student.

A file `variants.toml` beside the source notebook lists them:

    [[change]]
    notebook = ["window_mask"]  # texts in the notebook, in its tasks, solutions and tests alike
    variants = [["mask_of_window"], ["recent_mask"]]  # what may replace these texts, in their order

Without a year (`c.Variants.year` in nbgrader_config.py) the notebook stays as it is. Every year replaces the
texts of each change by one of its variants, and consecutive years by different ones. With
`c.Variants.per_student = True`, each student gets a variant drawn from a digest of the year and the student.
"""

import copy
import hashlib
import re
import tomllib
from pathlib import Path
from zlib import crc32

import nbformat
from traitlets import Bool, Integer
from traitlets.config import Configurable

FILE = "variants.toml"


class VariantError(ValueError):
    """An invalid variants.toml; the message says what is wrong."""


class Variants(Configurable):
    """Which variant of each assignment is released and graded. Set in nbgrader_config.py."""

    year = Integer(0, help="the year, for example 2027; 0: the notebooks as they are").tag(config=True)
    per_student = Bool(False, help="whether each student on the class list gets a variant").tag(config=True)


def variant(notebook: nbformat.NotebookNode, path: Path, year: int) -> nbformat.NotebookNode:
    """Return the year's variant of a notebook, as the file `path` describes it.

    Raises VariantError for an invalid file, or if one of its texts does not occur in the notebook.
    """
    return replace(notebook, swaps(notebook, path, year)) if year and path.is_file() else notebook


def variant_id(seed: str, student: str) -> str:
    """Return the opaque id of a student's variant: 16 hexadecimal digits of a SHA-256 digest."""
    return hashlib.sha256(f"{seed}\n{student}".encode()).hexdigest()[:16]


def swaps(notebook: nbformat.NotebookNode, path: Path, seed: int | str) -> dict[str, str]:
    """Return what replaces each text of a source notebook, by a year or by the id of a student's variant.

    Raises VariantError for an invalid file, or if one of its texts does not occur in the notebook.
    """
    found: dict[str, str] = {}
    for number, change in enumerate(read_changes(path)):
        options, about = change["variants"], f"{path.parent.name} {number}"
        draw = seed + crc32(about.encode()) if isinstance(seed, int) else int(variant_id(seed, about), 16)
        found |= dict(zip(change["notebook"], options[draw % len(options)], strict=True))
    text = "\n".join(cell.source for cell in notebook.cells)
    if absent := [old for old in found if not whole([old]).search(text)]:
        raise VariantError(f"{path.name} of {path.parent.name}: {absent[0]!r} is not in the notebook")
    return found


def other_texts(notebook: nbformat.NotebookNode, path: Path, seed: int | str) -> set[str]:
    """Return the texts of all other variants, as far as they don't occur in this one."""
    own = swaps(notebook, path, seed)
    text = "\n".join(cell.source for cell in replace(notebook, own).cells)
    options = [
        option for change in read_changes(path) for option in (change["notebook"], *change["variants"])
    ]
    return {one for option in options for one in option if not whole([one]).search(text)}


def replace(notebook: nbformat.NotebookNode, swaps: dict[str, str]) -> nbformat.NotebookNode:
    """Return a copy of a notebook in which these texts are replaced, all at once."""
    if not swaps:
        return notebook
    made, words = copy.deepcopy(notebook), whole(swaps)
    for cell in made.cells:
        cell.source = words.sub(lambda found: swaps[found[0]], cell.source)
    return made


def read_changes(path: Path) -> list[dict]:
    where = f"{path.name} of {path.parent.name}"
    try:
        changes = tomllib.loads(path.read_text("utf8"))["change"]
        old = [text for change in changes for text in change["notebook"]]
        fits = all(
            len(option) == len(change["notebook"]) for change in changes for option in change["variants"]
        )
        few = any(len(change["variants"]) < 2 for change in changes)
    except (KeyError, TypeError, ValueError) as error:
        raise VariantError(f"{where}: wanted [[change]] with notebook and variants, got {error}") from None
    if not fits or few or len(set(old)) < len(old):
        raise VariantError(
            f"{where}: wanted at least two variants for each change, each with as many texts as `notebook`, "
            "and no text twice"
        )
    return changes


def whole(texts) -> re.Pattern:
    """Match any of the texts, longest first, where no letter or digit continues it."""
    longest = sorted(texts, key=len, reverse=True)
    return re.compile("|".join(rf"(?<!\w){re.escape(text)}(?!\w)" for text in longest))
