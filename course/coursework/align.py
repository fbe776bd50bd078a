"""Build the notebook to grade: the released one, with the student's answers and added cells.

Tests, points and locked cells always come from the release, even if the submission changed or deleted them.
"""

import ast
import copy

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell
from nbgrader import utils

IMPORTS = (ast.Import, ast.ImportFrom)


def align(
    released: nbformat.NotebookNode, cells: list, own_cells: int = 200
) -> tuple[nbformat.NotebookNode, list[str]]:
    """Return the notebook to grade, and remarks on its differences from the release.

    `cells` are the submission's cells. Of the cells that the student added, the first `own_cells` are kept.
    """
    names = {cell.metadata.nbgrader.grade_id: cell for cell in released.cells}
    said, missing, answers, extras = [], [], {}, {}
    found = find_again(released, cells)
    if found:
        missing.append(f"{len(found)} cells without nbgrader metadata were matched by text and position")
    named = [found.get(index, name_of(cell)) for index, cell in enumerate(cells)]
    last = {name: index for index, name in enumerate(named)}
    after, own = None, 0
    for index, cell in enumerate(cells):
        name = named[index]
        if name in names and last[name] == index:
            answers[name] = cell.source
            after = name
        elif name in names and index in found:  # an answer split into several cells: join them
            cells[last[name]].source = f"{cell.source}\n\n{cells[last[name]].source}"
        elif cell.source.strip():
            if name in names:
                said.append(f"{name} appears more than once; the last copy counts")
            own += 1
            if own > own_cells:
                continue
            make = new_code_cell if cell.cell_type == "code" else new_markdown_cell
            extras.setdefault(after, []).append(make(cell.source))

    if own > own_cells:
        said.append(f"the student added {own:,} cells; only the first {own_cells:,} were run")
    graded = copy.deepcopy(released)
    graded.cells = []
    waiting = extras.pop(None, [])
    for cell in copy.deepcopy(released.cells):
        name = cell.metadata.nbgrader.grade_id
        if utils.is_solution(cell):
            graded.cells += waiting  # the student's first cells may need the imports
            waiting = []
            if name not in answers:
                missing.append(f"cell {name} is missing")
                if cell.cell_type == "code":
                    cell.source = "# This cell is missing from the submission."
            else:
                cell.source = answers[name]
        elif name not in answers:
            if utils.is_grade(cell):
                said.append(f"test {name} was deleted and has been restored")
        elif answers[name].strip() != cell.source.strip():
            imports = "" if utils.is_grade(cell) else added_imports(cell, answers[name])
            kind = "test" if utils.is_grade(cell) else "locked cell"
            kept = "; the imports added to it were kept" if imports else ""
            said.append(f"{kind} {name} was changed and has been restored{kept}")
            if imports:
                extras.setdefault(name, []).insert(0, new_code_cell(imports))
        graded.cells.append(cell)
        graded.cells += extras.pop(name, [])
    graded.cells += waiting
    for cell in graded.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return graded, list(dict.fromkeys(missing + said))


def find_again(released: nbformat.NotebookNode, cells: list) -> dict[int, str]:
    """Identify cells without nbgrader metadata, which some tools strip; return their names by index.

    Unchanged cells are recognized by their text, and answers by their position between two known cells. If
    only one answer is missing between two known cells, all cells between them belong to it.
    """
    places = {name_of(cell): index for index, cell in enumerate(cells)}
    free = [index for index, cell in enumerate(cells) if not name_of(cell) and cell.source.strip()]
    lost = [cell for cell in released.cells if name_of(cell) not in places]
    found: dict[int, str] = {}

    def take(index: int, name: str) -> None:
        found[index], places[name] = name, index
        free.remove(index)

    for cell in lost:
        same = [index for index in free if key(cells[index]) == key(cell)]
        if same:
            take(same[0], name_of(cell))

    names = [name_of(cell) for cell in released.cells]

    def gap(cell) -> tuple[int, int]:
        place = names.index(name_of(cell))
        before = [places[name] for name in names[:place] if name in places]
        after = [places[name] for name in names[place + 1 :] if name in places]
        return max(before, default=-1), min(after, default=len(cells))

    answers = [cell for cell in lost if utils.is_solution(cell) and name_of(cell) not in places]
    while answers:
        cell, *answers = answers
        first, last = gap(cell)
        within = [i for i in free if first < i < last and cells[i].cell_type == cell.cell_type]
        rivals = [one for one in answers if one.cell_type == cell.cell_type and gap(one) == (first, last)]
        for index in within[:1] if rivals else within:
            take(index, name_of(cell))
    return found


def key(cell) -> tuple[str, str]:
    return cell.cell_type, cell.source.strip()


def added_imports(cell, source: str) -> str:
    """Return the imports in `source` that the locked cell lacks; "" if `source` cannot be parsed."""
    try:
        lines = [ast.unparse(node) for node in ast.walk(ast.parse(source)) if isinstance(node, IMPORTS)]
        known = [ast.unparse(node) for node in ast.walk(ast.parse(cell.source)) if isinstance(node, IMPORTS)]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ""
    return "\n".join(line for line in dict.fromkeys(lines) if line not in known)


def name_of(cell) -> str | None:
    return cell.metadata.get("nbgrader", {}).get("grade_id")


def is_test(cell) -> bool:
    return cell.cell_type == "code" and utils.is_grade(cell)
