"""The notebook that is graded: the released one, with the student's answers and own cells in it.

Tests, points and locked cells always come from the release, whatever became of them in the submission.
"""

import copy

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell
from nbgrader import utils


def align(
    released: nbformat.NotebookNode, cells: list, own_cells: int = 200
) -> tuple[nbformat.NotebookNode, list[str]]:
    """The notebook to grade, and a line for each thing that was not as it was released."""
    said, answers, extras = [], {}, {}
    names = {cell.metadata.nbgrader.grade_id: cell for cell in released.cells}
    last = {name_of(cell): index for index, cell in enumerate(cells)}
    after, own = None, 0
    for index, cell in enumerate(cells):
        name = name_of(cell)
        if name in names and last[name] == index:
            answers[name] = cell.source
            after = name
        elif cell.source.strip():
            if name in names:
                said.append(f"{name} was there more than once: the last one counts")
            own += 1
            if own > own_cells:
                continue
            make = new_code_cell if cell.cell_type == "code" else new_markdown_cell
            extras.setdefault(after, []).append(make(cell.source))

    if own > own_cells:
        said.append(f"{own:,} cells of the student's own: all after the first {own_cells:,} were left out")
    graded = copy.deepcopy(released)
    graded.cells = []
    waiting = extras.pop(None, [])
    for cell in copy.deepcopy(released.cells):
        name = cell.metadata.nbgrader.grade_id
        if utils.is_solution(cell):
            graded.cells += waiting  # the student's own first cells come once the imports are done
            waiting = []
            if name not in answers:
                said.append(f"the cell {name} was missing")
                if cell.cell_type == "code":
                    cell.source = "# This cell was missing."
            else:
                cell.source = answers[name]
        elif name not in answers:
            if utils.is_grade(cell):
                said.append(f"the test {name} was deleted: put back")
        elif answers[name].strip() != cell.source.strip():
            said.append(
                f"the {'test' if utils.is_grade(cell) else 'locked cell'} {name} was altered: put back"
            )
        graded.cells.append(cell)
        graded.cells += extras.pop(name, [])
    graded.cells += waiting
    for cell in graded.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return graded, list(dict.fromkeys(said))


def name_of(cell) -> str | None:
    return cell.metadata.get("nbgrader", {}).get("grade_id")


def is_test(cell) -> bool:
    return cell.cell_type == "code" and utils.is_grade(cell)
