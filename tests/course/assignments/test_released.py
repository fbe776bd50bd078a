"""The released notebook without any answers, run in a kernel, as students first see it."""

import shutil

import nbformat
import pytest
from nbclient import NotebookClient

from bookpress import ROOT
from coursework.course import Course
from coursework.release import release


@pytest.mark.parametrize("name", ["ch01", "ch04"])
def test_an_empty_answer_gets_a_message_and_everything_else_runs(name, tmp_path):
    folder = tmp_path / "course"
    shutil.copytree(ROOT / "course" / "source" / name, folder / "source" / name)
    shutil.copy(ROOT / "course" / "nbgrader_config.py", folder)
    course = Course(folder)
    release(course, name)
    notebook = nbformat.read(course.notebook("release", name), as_version=4)
    NotebookClient(
        notebook, timeout=300, allow_errors=True, resources={"metadata": {"path": tmp_path}}
    ).execute()
    tests = 0
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        errors = [(one.ename, one.evalue) for one in cell.outputs if one.output_type == "error"]
        if not cell.metadata.nbgrader.grade:
            assert errors == [], cell.metadata.nbgrader.grade_id
            continue
        tests += 1
        ((kind, says),) = errors
        assert kind in ("NotImplementedError", "AssertionError"), (
            cell.metadata.nbgrader.grade_id,
            kind,
            says,
        )
        assert len(says.split()) > 3
    assert tests > 4
