"""Submissions named, nested and altered as by real students and platforms."""

import json
import os
import zipfile
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output

from coursework.align import align, name_of
from coursework.collect import collect
from coursework.course import LARGEST, CourseError, RefusedError, read_cells
from coursework.grade import grade
from coursework.grades import safe
from coursework.judge import fail
from coursework.release import release


@pytest.fixture
def come(classroom, tmp_path):
    """Collect files from a folder or a zip, each newer than the one before; returns the report."""

    def come(files: dict[str, str | None], packed: bool = False) -> str:
        right = json.dumps(classroom.answer())
        texts = {path: right if text is None else text for path, text in files.items()}
        if packed:
            source = tmp_path / "all.zip"
            with zipfile.ZipFile(source, "w") as pack:
                for number, (path, text) in enumerate(texts.items()):
                    pack.writestr(zipfile.ZipInfo(path, (2026, 3, 1, 12, number, 0)), text)
        else:
            source = tmp_path / "all"
            for number, (path, text) in enumerate(texts.items()):
                (source / path).parent.mkdir(parents=True, exist_ok=True)
                (source / path).write_text(text, "utf8")
                os.utime(source / path, (1_700_000_000 + number, 1_700_000_000 + number))
        return collect(classroom.course, "1", str(source))

    return come


def handed_in(room) -> dict[str, str]:
    """What is kept of each student: the answer's function, or the reason why the file was refused."""
    found = {}
    for folder in sorted((room.folder / "submitted").glob("*/ch01")):
        refused, path = folder / "refused.txt", folder / "ch01.ipynb"
        if refused.exists():
            found[folder.parent.name] = refused.read_text("utf8")
        else:
            cells = read_cells(path.read_bytes())
            found[folder.parent.name] = next(cell.source for cell in cells if name_of(cell) == "double")
    return found


def answer(room, says: str) -> str:
    return json.dumps(room.answer(double=f"def double(x):\n    return x + x  # {says}"))


@pytest.mark.parametrize("root", ["", "course/week 3/"])
@pytest.mark.parametrize("packed", [True, False], ids=["zip", "folder"])
def test_the_student_is_the_first_folder_below_a_common_root(classroom, come, root, packed):
    said = come(
        {
            f"{root}alice/hw/ch01.ipynb": answer(classroom, "alice"),
            f"{root}bob/hw/ch01.ipynb": answer(classroom, "bob"),
            f"{root}carl/old/ch01.ipynb": answer(classroom, "old"),
            f"{root}carl/ch01.ipynb": answer(classroom, "carl"),
            f"{root}dora/ch01/ch01.ipynb": answer(classroom, "dora"),
        },
        packed,
    )
    kept = handed_in(classroom)
    assert {name: text.rpartition("# ")[2] for name, text in kept.items()} == {
        name: name for name in ("alice", "bob", "carl", "dora")
    }
    assert said.splitlines()[-1] == "ch01: 4 collected, 1 skipped"
    assert "carl/old/ch01.ipynb: carl has a newer attempt" in said


@pytest.mark.parametrize(
    "name", ["Assignment4_Nguyen.ipynb", "CH01.IPYNB", "ch01.ipynb.txt", "homework (2).ipynb", "ch02.ipynb"]
)
def test_a_renamed_notebook_is_taken_where_it_is_the_students_only_one(classroom, come, name):
    said = come({f"ada/{name}": None})
    assert "return 2 * x" in handed_in(classroom)["ada"]
    assert said.splitlines()[-1] == "ch01: 1 collected, 0 skipped"
    assert (f"collected although it is not named ch01.ipynb: ada/{name}" in said) == (name != "CH01.IPYNB")


def test_a_renamed_notebook_is_ignored_beside_one_with_the_expected_name(classroom, come):
    said = come({"ada/ch01.ipynb": None, "ada/scratch.ipynb": answer(classroom, "scratch")})
    assert "return 2 * x" in handed_in(classroom)["ada"]
    assert "skipped: ada/scratch.ipynb: ada also submitted ch01.ipynb" in said


def test_canvas_renames_and_its_other_kinds_of_submission_are_known(classroom, come):
    said = come(
        {
            "nguyenkim_77_9001_Assignment4_Nguyen.ipynb": None,
            "anon_aB3xY_9002_ch01.ipynb": None,
            "anon_LATE_cD4zQ_9003_ch01.ipynb": None,
            "lovelaceada_LATE_78_text.html": "<p>Here is my work</p>",
            "hoppergrace_79_link.html": "https://example.org",
        },
        packed=True,
    )
    kept = handed_in(classroom)
    assert {name for name, text in kept.items() if "return 2 * x" in text} == {
        "nguyenkim",
        "anon-ab3xy",
        "anon-cd4zq",
    }
    assert kept["lovelaceada"].endswith("text typed into Canvas, not a file; wanted ch01.ipynb")
    assert kept["hoppergrace"].endswith("a link submitted in Canvas, not a file; wanted ch01.ipynb")
    about = classroom.folder / "submitted" / "anon-ab3xy" / "ch01" / "from.json"
    assert json.loads(about.read_text("utf8"))["platform"] == "plain"  # no user of Canvas has this number
    assert said.splitlines()[-1] == "ch01: 3 collected, 2 skipped"


def test_text_typed_into_moodle_makes_no_second_student(classroom, come):
    come(
        {
            "Ada Lovelace_101_assignsubmission_onlinetext_/onlinetext.html": "<p>My notes</p>",
            "Ada Lovelace_101_assignsubmission_file_/ch01.ipynb": None,
            "Bob Typed_102_assignsubmission_onlinetext_/onlinetext.html": "<p>def double</p>",
            "Cyd Typed_103_assignsubmission_onlinetext_onlinetext.html": "<p>def double</p>",
        }
    )
    kept = handed_in(classroom)
    assert set(kept) == {"ada-lovelace", "bob-typed", "cyd-typed"}
    assert "return 2 * x" in kept["ada-lovelace"]
    for student in ("bob-typed", "cyd-typed"):
        assert kept[student].endswith("text typed into Moodle, not a file; wanted ch01.ipynb")


def test_the_wrong_chapter_is_named(classroom, come):
    other = nbformat.from_dict(json.loads(json.dumps(classroom.course.source("ch01"))))
    for cell in other.cells:
        cell.metadata.nbgrader.grade_id += "-of-5"
        cell.source = f"{cell.source}\n# of chapter 5" if cell.cell_type == "code" else f"Five: {cell.source}"
    path = classroom.course.notebook("source", "ch05")
    path.parent.mkdir()
    nbformat.write(other, path)
    come({"ada/ch01.ipynb": nbformat.writes(other), "bob/ch01.ipynb": None})
    kept = handed_in(classroom)
    assert kept["ada"] == "ch01.ipynb: this is ch05, wanted ch01"
    assert "return 2 * x" in kept["bob"]


def test_links_and_pipes_are_named(classroom, come, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "ch01.ipynb").write_text("{}")
    for student in ("eve", "fay", "gil"):
        (tmp_path / "all" / student).mkdir(parents=True)
    (tmp_path / "all" / "eve" / "hw").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "all" / "fay" / "ch01.ipynb").symlink_to("/etc/passwd")
    os.mkfifo(tmp_path / "all" / "gil" / "ch01.ipynb")
    said = come({"ada/ch01.ipynb": None})
    assert "skipped: eve/hw: symbolic links are not followed" in said
    assert "skipped: fay/ch01.ipynb: symbolic links are not followed" in said
    assert "skipped: gil/ch01.ipynb: not a regular file" in said
    assert said.splitlines()[-1] == "ch01: 1 collected, 3 skipped"


def test_outputs_that_are_too_large_are_stripped(classroom, come):
    notebook = classroom.answer()
    picture = new_output("display_data", data={"image/png": "A" * 84_000_000})
    next(cell for cell in notebook.cells if cell.cell_type == "code").outputs = [picture]
    said = come({"ada/ch01.ipynb": json.dumps(notebook)})
    assert said == "ch01: 1 collected, 0 skipped"
    path = classroom.course.notebook("submitted", "ch01", "ada")
    assert path.stat().st_size < LARGEST / 100
    assert [(name_of(cell), cell.source) for cell in read_cells(path.read_bytes())] == [
        (name_of(cell), cell.source) for cell in notebook.cells
    ]
    assert collect(classroom.course, "1", str(Path(path.parents[3], "..", "all"))).startswith(
        "ch01: 0 collected, 1 unchanged"
    )


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (
            json.dumps({"nbformat": 4, "cells": [{"cell_type": "code", "source": "#" * 10_100_000}]}),
            "10 MB without outputs",
        ),
        (
            json.dumps({"cells": [{"cell_type": "code", "source": "1"}] * 10_001}),
            "10,001 cells, at most 10,000",
        ),
        ('{"cells": [' + "[]," * 6_000_000, "more than 10,000,000 values"),
    ],
    ids=["source", "cells", "values"],
)
def test_a_submission_too_large_without_its_outputs_is_refused(data, says):
    with pytest.raises(RefusedError, match=says):
        read_cells(data.encode())


# A notebook whose cells have lost their names


def stripped(room, change=lambda cells: cells, **answers) -> list:
    notebook = room.answer(**answers)
    for cell in notebook.cells:
        cell.metadata = {}
    return read_cells(json.dumps(notebook | {"cells": change(notebook.cells)}).encode())


def answers_of(room, cells) -> tuple[dict[str, str], list[str]]:
    graded, said = align(room.course.released("ch01"), cells)
    return {name_of(cell): cell.source for cell in graded.cells if name_of(cell)}, said


def test_answers_are_found_again_by_text_and_place(classroom):
    found, said = answers_of(classroom, stripped(classroom, why="My own words."))
    right = {name_of(cell): cell.source for cell in classroom.answer(why="My own words.").cells}
    assert found == right
    assert said == ["10 cells without nbgrader metadata were matched by text and position"]


def test_an_answer_in_several_cells_is_read_whole(classroom):
    def more(cells):
        at = next(i for i, cell in enumerate(cells) if cell.source.startswith("def middle"))
        return [
            *cells[:at],
            new_code_cell("import statistics"),
            *cells[at:],
            new_markdown_cell("And a second thought."),
        ]

    found, _ = answers_of(classroom, stripped(classroom, more, why="A first thought."))
    assert found["why"] == "A first thought.\n\nAnd a second thought."
    assert found["middle"].startswith("import statistics\n\ndef middle")


def test_missing_cells_are_reported_first(classroom):
    without = lambda cells: [cell for cell in cells if not cell.source.startswith("Mine")]  # noqa: E731
    tests = dict.fromkeys(("double-numbers", "double-tensors", "middle-odd"), "pass")
    _, said = answers_of(classroom, stripped(classroom, without, why="Mine", **tests))
    assert said[1] == "cell why is missing"
    assert "restored" not in "".join(said[:2])


def test_an_import_in_a_locked_cell_is_kept(classroom):
    notebook = classroom.answer(
        imports="import torch\nimport math as m\nfrom torch import nn\nx = 1\nimport torch"
    )
    graded, said = align(classroom.course.released("ch01"), read_cells(json.dumps(notebook).encode()))
    sources = [cell.source for cell in graded.cells]
    at = sources.index("import torch")
    assert sources[at + 1] == "import math as m\nfrom torch import nn"
    assert said == [
        "locked cell imports was changed and has been restored; the imports added to it were kept"
    ]


@pytest.mark.parametrize("text", ["import", "x = 1", "%%bash\nimport os", "", "\x00"])
def test_other_changes_of_a_locked_cell_are_undone(classroom, text):
    notebook = classroom.answer(imports=text)
    graded, said = align(classroom.course.released("ch01"), read_cells(json.dumps(notebook).encode()))
    assert said == ["locked cell imports was changed and has been restored"]
    assert len(graded.cells) == len(notebook.cells)


# Grading again, points and releases


def test_a_mark_on_unchanged_words_stays_closed(classroom, at_once):
    def state():
        with classroom.course.gradebook() as gradebook:
            mark = gradebook.find_grade("why", "ch01", "ch01", "ada")
            return mark.manual_score, bool(mark.needs_manual_grade)

    hostile = "It is [so](javascript:alert(1))."  # kept as plain text, with the same words
    classroom.hand_in("ada", classroom.answer(why=hostile))
    grade(classroom.course, "1")
    assert state() == (None, True)
    with classroom.course.gradebook() as gradebook:
        mark = gradebook.find_grade("why", "ch01", "ch01", "ada")
        mark.manual_score, mark.needs_manual_grade = 2.5, False
        gradebook.db.commit()
    classroom.hand_in("ada", classroom.answer(why=hostile, double="def double(x):\n    return x + x"))
    grade(classroom.course, "1")
    assert state() == (2.5, False)
    assert "to mark by hand" not in classroom.report()["ada"]
    classroom.hand_in("ada", classroom.answer(why="Something else."))
    grade(classroom.course, "1")
    assert state() == (2.5, True)
    grade(classroom.course, "1", "ada")  # it stays open until it is marked again
    assert state() == (2.5, True)


def test_one_question_is_graded_again(classroom, at_once, monkeypatch):
    """After a test was fixed, its points change; all other points and marks stay."""

    def failing(*names):
        def one(*arguments):
            result = at_once(*arguments)
            for cell in result["notebook"].cells:
                if name_of(cell) in names:
                    fail(cell, "AssertionError", "No.")
            return result

        monkeypatch.setattr("coursework.grade.in_process", one)

    course = classroom.course
    for student in ("ada", "bob"):
        classroom.hand_in(student, classroom.answer())
    failing("double-numbers", "middle-odd")
    grade(course, "1")
    with course.gradebook() as gradebook:
        mark = gradebook.find_grade("why", "ch01", "ch01", "ada")
        mark.manual_score, mark.needs_manual_grade = 2, False
        gradebook.db.commit()
    path = course.notebook("source", "ch01")
    path.write_text(path.read_text("utf8").replace("The middle of 1, 2, 3", "The middle of these"), "utf8")
    release(course, "1")
    failing("double-tensors")
    classroom.hand_in("bob", classroom.answer(why="New words."))
    grade(course, "1", question="middle-odd")
    changed = "! test middle-odd was changed and has been restored"
    assert classroom.report() == {
        "ada": f"5 of 8; lost: double-numbers 2, why 1; {changed}",
        "bob": "4 of 8; 3 to mark by hand; lost: double-tensors 1",  # a new submission is graded in full
    }
    grade(course, "1", "ada", question="why")
    assert classroom.report()["ada"] == f"5 of 8; 3 to mark by hand; lost: double-numbers 2; {changed}"
    with pytest.raises(
        CourseError, match="QUESTION is 'nothing': wanted one of double-numbers, double-tensors"
    ):
        grade(course, "1", question="nothing")


@pytest.mark.parametrize("name", ["=1+1", "\t=1+1", " =1+1", "\u2003@x", "+1", "-1"])
def test_no_name_is_a_formula(name):
    assert safe(name) == f"'{name}"


def test_a_release_that_installs_from_nowhere_comes_with_a_warning(classroom):
    path = classroom.course.notebook("source", "ch01")
    assert "placeholder" not in release(classroom.course, "1")
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[1].source = '%pip install "git+https://github.com/OWNER/book"'
    nbformat.write(notebook, path)
    said = release(classroom.course, "1")
    assert "installs the package from the placeholder address github.com/OWNER" in said
    assert "make address URL=" in said
