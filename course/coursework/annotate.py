"""A student's own notebook, with points, test messages and comments inserted after each graded cell."""

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from nbgrader import utils

from coursework.align import is_test, name_of
from coursework.inert import inert
from coursework.judge import error_of


def annotate(notebook, summary: list[str], waiting: set[str]) -> nbformat.NotebookNode:
    """Return a copy of a graded notebook that opens in Jupyter and shows what each cell earned.

    `notebook` has its points in the metadata, where nbgrader's GetGrades puts them. `summary` is the text of
    the copy's first cell, as lines. The answers named in `waiting` are not graded yet.
    """
    copy = new_notebook(metadata={"kernelspec": notebook.metadata.get("kernelspec", {})})
    copy.cells.append(note(summary, "summary"))
    for number, cell in enumerate(notebook.cells):
        if cell.cell_type == "code":
            copy.cells.append(new_code_cell(cell.source, outputs=cell.outputs, id=f"cell-{number}"))
        else:
            copy.cells.append(new_markdown_cell(cell.source, id=f"cell-{number}"))
        if utils.is_grade(cell):
            copy.cells.append(note(verdict(cell, waiting), f"points-{number}"))
    return copy


def verdict(cell, waiting: set[str]) -> list[str]:
    """Return what there is to say about a graded cell: its points, its test's message, and the comment."""
    about, name = cell.metadata.nbgrader, name_of(cell)
    if name in waiting:
        lines = [f"**{name}: not graded yet** ({about.points:g} points)"]
    else:
        lines = [f"**{name}: {about.score or 0:g} of {about.points:g} points**"]
    if is_test(cell) and (error := error_of(cell)):
        lines.append(message(error))
    return lines + ([f"Comment: {about.comment}"] if about.get("comment") else [])


def message(error) -> str:
    """Return a test's own message, or the name and message of another error."""
    if error.ename == "AssertionError" and error.evalue:
        return error.evalue
    return f"{error.ename}: {error.evalue}" if error.evalue else error.ename


def note(lines: list[str], name: str) -> nbformat.NotebookNode:
    """Return a Markdown cell with a paragraph per line, marked as feedback; text in it runs nothing."""
    head, *rest = lines
    text = "\n\n".join([head, *map(inert, rest)])
    return new_markdown_cell(f"---\n\n**Feedback.** {text}\n\n---", id=name, metadata={"tags": ["feedback"]})
