"""The form of every assignment: what students, nbgrader and the grading commands rely on."""

import ast
import builtins
import importlib
import json
import re
import socket
import time
from collections import Counter
from pathlib import Path

import nbformat
import pytest
from nbgrader.nbgraderformat import MetadataValidator

from bookpress import ROOT

HERE = Path(__file__).parent
NUMBERS = sorted(folder.name.removeprefix("ch") for folder in (ROOT / "course" / "source").glob("ch*"))
HIDDEN = re.compile(r"### BEGIN HIDDEN TESTS\n(.*?)\n### END HIDDEN TESTS", re.DOTALL)
SOLUTION = re.compile(r"### BEGIN SOLUTION\n(.*?)\n *### END SOLUTION", re.DOTALL)
ROW = re.compile(r"^\| \d+\. .+? \| (write|repair|measure|predict|explain) \| (\d+) \|$", re.MULTILINE)
KINDS_OF_CODE = {"write", "repair", "measure", "predict"}


@pytest.fixture(params=NUMBERS)
def number(request):
    return request.param


@pytest.fixture
def cells(homework, number):
    return homework.cells(number)


def names_used(source: str) -> set[str]:
    """Names that a cell uses but doesn't define."""
    tree = ast.parse(source)
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    made = {node.id for node in names if not isinstance(node.ctx, ast.Load)}
    made |= {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    made |= {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    return {node.id for node in names} - made - set(dir(builtins))


def names_made(source: str) -> set[str]:
    """Names that a cell defines at the top level."""
    made = set()
    for node in ast.parse(source).body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            made |= {alias.asname or alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            made.add(node.name)
        else:
            targets = [name for name in ast.walk(node) if isinstance(name, ast.Name)]
            made |= {name.id for name in targets if isinstance(name.ctx, ast.Store)}
    return made


def parts(cells) -> list[list]:
    """The cells of each task, starting with its text."""
    starts = [i for i, cell in enumerate(cells) if cell.name.startswith("task-")]
    return [cells[i:j] for i, j in zip(starts, [*starts[1:], len(cells)], strict=True)]


def test_every_chapter_has_an_assignment():
    assert [path.name[:2] for path in sorted((ROOT / "chapters").glob("*.ipynb"))] == NUMBERS


def test_nbgrader_accepts_its_metadata(homework, number):
    notebook = nbformat.from_dict(homework.notebook(number))
    nbformat.validate(notebook)
    MetadataValidator().validate_nb(notebook)
    for cell in notebook.cells:
        data = cell.metadata["nbgrader"]
        assert data["schema_version"] == 3
        assert data["cell_type"] == cell.cell_type
        assert data["grade_id"] == cell.id
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", cell.id)
        assert not data["task"]
        assert data["locked"] == (not data["solution"])
        assert ("points" in data) == data["grade"]


def test_it_is_stored_like_the_chapters_without_outputs(homework, number):
    chapter = json.loads(next((ROOT / "chapters").glob(f"{number}-*.ipynb")).read_text("utf8"))
    notebook = homework.notebook(number)
    assert notebook["metadata"] == chapter["metadata"]
    for cell in notebook["cells"]:
        assert not cell.get("outputs"), cell["id"]
        assert cell.get("execution_count") is None, cell["id"]


def test_it_starts_with_a_title_the_chapters_setup_and_one_cell_of_imports(cells, number):
    assert [cell.name for cell in cells[:3]] == ["intro", "setup", "imports"]
    assert cells[0].source.startswith(f"# Chapter {int(number)}, assignment: ")
    (chapter,) = (ROOT / "chapters").glob(f"{number}-*.ipynb")
    assert f"/blob/main/chapters/{chapter.name})" in cells[0].source
    first = next(
        cell for cell in json.loads(chapter.read_text("utf8"))["cells"] if cell["cell_type"] == "code"
    )
    assert cells[1].source == "".join(first["source"])
    statements = ast.parse(cells[2].source).body
    assert all(isinstance(node, ast.Import | ast.ImportFrom) for node in statements)


def test_its_points_add_up_to_20(cells):
    rows = ROW.findall(cells[0].source)
    promised = [int(points) for _, points in rows]
    assert sum(promised) == 20
    together = re.search(r"^\| together \| about (\d+) minutes \| 20 \|$", cells[0].source, re.MULTILINE)
    assert 45 <= int(together[1]) <= 90
    tasks = parts(cells)
    for place, ((kind, points), task) in enumerate(zip(rows, tasks, strict=True), 1):
        heading = re.match(r"## Task (\d+): .+ \((\d+) points\)\n", task[0].source)
        assert heading, task[0].source
        assert (int(heading[1]), int(heading[2])) == (place, int(points))
        assert sum(cell.points for cell in task) == int(points)
        assert any(cell.is_task for cell in task) == (kind in KINDS_OF_CODE), kind
    assert 4 <= sum(cell.points for cell in cells if cell.is_written) <= 6


def test_each_task_is_a_text_an_answer_and_tests_named_after_it(cells):
    tasks = parts(cells)
    assert 2 <= sum(any(cell.is_task for cell in task) for task in tasks) <= 4
    for text, *rest in tasks:
        name = text.name.removeprefix("task-")
        assert text.kind == "markdown"
        answers = [cell for cell in rest if cell.solution]
        assert [cell.name for cell in answers] == [name]
        after = rest[rest.index(answers[0]) + 1 :]
        assert all(cell.is_test and cell.name.startswith(f"{name}-") and cell.points for cell in after)
        assert len(after) in ((1, 2, 3) if answers[0].is_task else (0,)), name


def test_kinds_of_tasks_differ(cells):
    kinds = [kind for kind, _ in ROW.findall(cells[0].source)]
    assert len(set(kinds)) >= 3
    assert "explain" in kinds


def test_written_answers_have_a_model_answer_and_a_marking_guide(cells):
    for cell in cells:
        if cell.is_written:
            assert SOLUTION.sub("", cell.source).strip() == ""
            guide = cell.source.partition("**Marking guide.**")[2]
            assert guide, cell.name
            assert sum(int(points) for points in re.findall(r"\b(\d+) points?:", guide)) == cell.points


def test_solutions_are_inside_documented_functions(cells):
    for cell in cells:
        if not cell.is_task:
            continue
        for node in ast.parse(cell.source).body:
            assert isinstance(node, ast.FunctionDef), f"{cell.name}: {ast.unparse(node)}"
            assert len(ast.get_docstring(node) or "") > 30, node.name
        assert len(SOLUTION.findall(cell.source)) == len(ast.parse(cell.source).body)


def test_no_name_is_defined_twice(cells):
    made = Counter(
        name
        for cell in cells[2:]
        if cell.kind == "code" and not cell.grade
        for name in names_made(cell.source)
    )
    assert [name for name, count in made.items() if count > 1] == []
    tests = {name for cell in cells if cell.is_test for name in names_made(cell.source)}
    assert not tests & set(made)


def test_tests_use_only_imports_and_the_students_functions_and_call_them_directly(cells):
    imports = names_made(cells[2].source)
    functions = set()
    for cell in cells[3:]:
        if cell.is_task:
            functions = names_made(cell.source)
        if not cell.is_test:
            continue
        used = names_used(cell.source)
        assert used <= imports | functions, f"{cell.name}: {used - imports - functions}"
        assert used & functions, f"{cell.name} tests nothing of the student's"
        tree = ast.parse(cell.source)
        called = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
        for node in ast.walk(tree):
            if isinstance(node, ast.Name) and node.id in functions:
                assert node in called, f"{cell.name} hands {node.id} on"
            if isinstance(node, ast.Attribute):
                assert not node.attr.startswith("__"), f"{cell.name}: {node.attr}"


def test_tests_have_messages_and_a_visible_and_a_hidden_part(cells):
    for cell in cells:
        if not cell.is_test:
            continue
        (hidden,) = HIDDEN.findall(cell.source)
        visible = cell.source.partition("### BEGIN HIDDEN TESTS")[0]
        assert cell.source.rstrip().endswith("### END HIDDEN TESTS"), cell.name
        for part in (visible, hidden):
            spoken = 0
            for node in ast.walk(ast.parse(part)):
                if isinstance(node, ast.Assert):
                    assert node.msg is not None, f"{cell.name}: {ast.unparse(node)}"
                    spoken += 1
                if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "expect":
                    assert len(node.args) == 3, f"{cell.name}: {ast.unparse(node)}"
                    spoken += 1
            assert spoken, f"{cell.name} asserts nothing in:\n{part}"


def test_the_solution_gets_all_points_offline_and_quickly(homework, number, monkeypatch):
    def refuse(*_, **__):
        raise OSError("no network in an assignment")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    began = time.process_time()
    result = homework.grade(number)
    seconds = time.process_time() - began
    assert not result.errors, result.errors
    assert (
        sum(result.points.values()) + sum(cell.points for cell in homework.cells(number) if cell.is_written)
        == 20
    )
    assert seconds < 10


def test_the_starter_says_so_and_gets_no_points(homework, number, cells):
    starters = {cell.name: homework.starter(cell) for cell in cells if cell.is_task}
    assert all("BEGIN SOLUTION" not in source for source in starters.values())
    result = homework.grade(number, starters)
    assert set(result.points.values()) == {0}
    for name, error in result.errors.items():
        assert isinstance(error, NotImplementedError), f"{name}: {error!r}"
        assert str(error), name


def test_wrong_solutions_together_fail_every_test_of_a_task(cells, number):
    module = importlib.import_module(f"tests.course.assignments.test_chapter{number}")
    wrongs = Counter(task for task, *_ in module.WRONG)
    assert {cell.name for cell in cells if cell.is_task} == set(wrongs)
    assert min(wrongs.values()) >= 3
    lost = {name for *_, loses, _ in module.WRONG for name in loses}
    assert lost == {cell.name for cell in cells if cell.is_test}
    assert all(loses and says for *_, loses, says in module.WRONG)


def test_the_harness_detects_wrong_solutions(homework):
    """The test harness works: a broken solution fails, and an unknown name is rejected."""
    broken = homework.grade("04", {"grouped": "def grouped_attention(*inputs):\n    return None"})
    assert sum(broken.lost.values()) == 6
    with pytest.raises(AssertionError):
        homework.grade("04", {"no-such-task": ""})
