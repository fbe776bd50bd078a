"""Release, collect, grade and export points: each command reports what it did and what it skipped."""

import csv
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import nbformat
import pytest
from nbgrader.api import Gradebook

from bookpress import ROOT
from coursework.__main__ import main
from coursework.align import align, is_test
from coursework.course import Course, CourseError, RefusedError, read_cells

ASSIGNMENTS = sorted(path.stem for path in (ROOT / "course" / "source").glob("ch*/ch*.ipynb"))


def test_errors_name_the_argument(classroom, tmp_path):
    with pytest.raises(CourseError, match="CH is '7': wanted one of 01"):
        classroom.course.assignment("7")
    with pytest.raises(CourseError, match=r"not a course folder, it has no nbgrader_config\.py"):
        Course(tmp_path)
    from coursework.collect import collect
    from coursework.feedback import feedback
    from coursework.grade import grade
    from coursework.grades import grades

    with pytest.raises(CourseError, match="FROM is '/nowhere': wanted a folder or a zip"):
        collect(classroom.course, "1", "/nowhere")
    with pytest.raises(CourseError, match="STUDENT is 'nobody'"):
        grade(classroom.course, "1", "nobody")
    with pytest.raises(CourseError, match="no submission for ch01 has been graded yet"):
        feedback(classroom.course, "1")
    with pytest.raises(CourseError, match="nothing is graded yet"):
        grades(classroom.course)


def test_the_command_line_reports_the_same_errors(classroom):
    command = [sys.executable, "-m", "coursework", "--course", str(classroom.folder), "grade", "77"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert re.fullmatch("CH is .*\n", done.stderr)


@pytest.mark.parametrize(
    ("words", "says"),
    [(["collect", "01", "/nowhere"], "FROM is "), (["grade", "01", "--jobs", "none"], "JOBS is ")],
)
def test_each_wrong_word_of_a_command_is_named(classroom, capsys, words, says):
    assert main(["--course", str(classroom.folder), *words]) == 1
    assert capsys.readouterr().err.startswith(says)


# Release


@pytest.mark.parametrize("name", ASSIGNMENTS)
def test_every_assignment_is_released_without_its_secrets(name, tmp_path):
    from coursework.release import release

    folder = tmp_path / "course"
    shutil.copytree(ROOT / "course" / "source", folder / "source")
    shutil.copy(ROOT / "course" / "nbgrader_config.py", folder)
    assert "is released" in release(Course(folder), name)
    text = (folder / "release" / name / f"{name}.ipynb").read_text("utf8")
    source = nbformat.read(folder / "source" / name / f"{name}.ipynb", as_version=4)
    for word in ("BEGIN", "END SOLUTION", "HIDDEN", "Marking guide"):
        assert word not in text
    given = nbformat.reads(text, as_version=4)
    assert given_away(source, given) == []
    regions = sum(cell.source.count("### BEGIN ") for cell in source.cells)
    assert len(given_away(source, source)) == regions > 4  # if nothing were removed, the search would find it
    for cell in given.cells:
        if cell.metadata.nbgrader.solution and cell.cell_type == "code":
            assert "raise NotImplementedError(" in cell.source


def given_away(source, given) -> list[str]:
    """The secret regions of the source with a line that occurs in a notebook."""
    regions, public = [], set()
    for cell in source.cells:
        inside = False
        for line in map(str.strip, cell.source.splitlines()):
            if line.startswith(("### BEGIN", "### END")):
                inside = line.startswith("### BEGIN")
                if inside:
                    regions.append((cell.metadata.nbgrader.grade_id, set()))
            elif inside:
                regions[-1][1].add(line)
            else:
                public.add(line)
    shown = {line.strip() for cell in given.cells for line in cell.source.splitlines()} - public
    return [name for name, secret in regions if secret & shown]


@pytest.mark.parametrize(
    "marker", ["BEGIN SOLUTION", "END SOLUTION", "BEGIN HIDDEN TESTS", "END HIDDEN TESTS"]
)
def test_an_unpaired_marker_stops_the_release(classroom, marker):
    """nbgrader alone would release the hidden tests before an END without BEGIN."""
    from coursework.release import release

    path = classroom.course.notebook("source", "ch01")
    notebook = nbformat.read(path, as_version=4)
    cell = next(cell for cell in notebook.cells if marker in cell.source)
    cell.source = (
        cell.source.replace(f"### {marker}\n", "")
        .replace(f"\n### {marker}", "")
        .replace(f"\n    ### {marker}", "")
    )
    nbformat.write(notebook, path)
    with pytest.raises(CourseError, match=f"unmatched ### .* in {cell.metadata.nbgrader.grade_id}"):
        release(classroom.course, "1")


def test_a_release_that_reveals_a_solution_is_rejected(classroom, monkeypatch):
    from nbgrader.converters import GenerateAssignment
    from nbgrader.preprocessors import ClearHiddenTests, ClearSolutions

    from coursework.release import release

    for lost, secret in ((ClearSolutions, "return 2 \\* x"), (ClearHiddenTests, "assert double\\(-3\\)")):
        kept = [one for one in GenerateAssignment.preprocessors.default() if one is not lost]
        with monkeypatch.context() as patch:
            patch.setattr(GenerateAssignment.preprocessors, "default_args", (kept,))
            with pytest.raises(CourseError, match=f"would reveal(.|\n)*{secret}"):
                release(classroom.course, "1")
        assert not classroom.course.notebook("release", "ch01").exists()


def test_a_changed_source_must_be_released_again(classroom):
    from coursework.grade import grade

    path = classroom.course.notebook("source", "ch01")
    path.write_text(path.read_text("utf8") + "\n", "utf8")
    with pytest.raises(CourseError, match="has changed since it was released: make release CH=01"):
        grade(classroom.course, "1")


@pytest.mark.parametrize("name", ASSIGNMENTS)
def test_the_model_solution_gets_all_points_as_a_submission(name, tmp_path):
    """In the sandbox, and in the recheck with stand-ins for the functions."""
    from nbgrader.utils import determine_grade

    from coursework.judge import grade_one
    from coursework.release import release

    folder = tmp_path / "course"
    shutil.copytree(ROOT / "course" / "source" / name, folder / "source" / name)
    shutil.copy(ROOT / "course" / "nbgrader_config.py", folder)
    course = Course(folder)
    release(course, name)
    (folder / "submitted" / "model" / name).mkdir(parents=True)
    shutil.copy(course.notebook("source", name), course.notebook("submitted", name, "model"))
    result = grade_one(course, name, "model")
    tests = [cell for cell in result["notebook"].cells if is_test(cell)]
    lost = {
        cell.metadata.nbgrader.grade_id: cell.outputs for cell in tests if len(set(determine_grade(cell))) > 1
    }
    assert lost == {}
    assert len(tests) > 4
    assert all("was changed and has been restored" in line for line in result["says"]), result["says"]


# Collect


def files_of(room, folder: Path) -> dict[str, str]:
    right = json.dumps(room.answer())
    second = json.dumps(room.answer(double="def double(x):\n    return x + x"))
    strange = '{"cells": [{"cell_type": "code", "source": "1"}]}'
    return {
        "Ada Lovelace_101_assignsubmission_file/ch01.ipynb": right,
        "Ada Lovelace_102_assignsubmission_file_/ch01.ipynb": right,
        "Grace Hopper_103_assignsubmission_file_ch01.ipynb": right,
        "hamiltonmargaret_LATE_77_9001_ch01-1.ipynb": right,
        "Emmy Noether/ch01.ipynb": right,
        "Emmy Noether/ch01 (1).ipynb": second,
        "王小明/ch01.ipynb": right,
        "Mary Colab/Copy of ch01.ipynb": right,
        "Karen Colab_107_assignsubmission_file_/Copy_of_ch01.ipynb": right,
        "Wrong Name_104_assignsubmission_file_/homework.pdf": right,
        "Nothing Here_105_assignsubmission_file_/ch01.ipynb": strange,
        "Broken File_106_assignsubmission_file_/ch01.ipynb": '{"cells": [',
        "No Cells/ch01.ipynb": "[]",
        "Far Too Large/ch01.ipynb": right + " " * 100_000_001,
        "../../escape/ch01.ipynb": right,
        "__MACOSX/Ada Lovelace/._ch01.ipynb": "x",
        "stray.ipynb": right,
    }


WANTED = {
    "ada-lovelace-101": "101",
    "ada-lovelace-102": "102",
    "grace-hopper": "103",
    "hamiltonmargaret": "77",
    "emmy-noether": "",
    "王小明": "",
    "mary-colab": "",
    "karen-colab": "107",
    "escape": "",
}
REFUSED = {
    "wrong-name": "homework.pdf: wrong file name, wanted ch01.ipynb",
    "nothing-here": "ch01.ipynb: contains no test or answer of ch01",
    "broken-file": "ch01.ipynb: broken JSON: Expecting value: line 1 column 12 (char 11)",
    "no-cells": "ch01.ipynb: not a notebook: ",
    "far-too-large": "ch01.ipynb: too large: 100 MB, at most 100 MB",
}


@pytest.mark.parametrize("packed", [True, False], ids=["zip", "folder"])
def test_downloads_of_all_platforms_are_collected(classroom, tmp_path, packed):
    from coursework.collect import collect

    files = files_of(classroom, tmp_path)
    if packed:
        source = tmp_path / "all.zip"
        with zipfile.ZipFile(source, "w") as pack:
            for number, (name, text) in enumerate(files.items()):
                pack.writestr(zipfile.ZipInfo(name, (2026, 3, 1, 12, number, 0)), text)
    else:
        source = tmp_path / "all" / "of" / "them"
        for number, (name, text) in enumerate(files.items()):
            path = source / name.replace("../", "")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf8")
            os.utime(path, (1_000_000 + number, 1_000_000 + number))
        (source / "link").mkdir()
        (source / "link" / "ch01.ipynb").symlink_to("/etc/passwd")
    said = collect(classroom.course, "1", str(source))
    assert said.splitlines()[-1] == f"ch01: 9 collected, {7 + (not packed)} skipped"
    submitted = classroom.folder / "submitted"
    assert {path.name for path in submitted.iterdir()} == set(WANTED) | set(REFUSED)
    for student, number in WANTED.items():
        about = json.loads((submitted / student / "ch01" / "from.json").read_text("utf8"))
        assert about["number"] == number
        read_cells((submitted / student / "ch01" / "ch01.ipynb").read_bytes())
    for student, why in REFUSED.items():
        assert (submitted / student / "ch01" / "refused.txt").read_text("utf8").startswith(why)
        assert not (submitted / student / "ch01" / "ch01.ipynb").exists()
        assert f": {why.split(': ', 1)[1]}" in said
    assert "x + x" in (submitted / "emmy-noether" / "ch01" / "ch01.ipynb").read_text("utf8")
    assert "skipped: Emmy Noether/ch01.ipynb: emmy-noether has a newer attempt" in said
    assert "skipped: stray.ipynb: no student in its path" in said
    assert not (tmp_path.parent / "escape").exists()
    again = collect(classroom.course, "1", str(source))
    assert again.splitlines()[-1].startswith("ch01: 0 collected, 9 unchanged, ")
    assert packed or "skipped: link/ch01.ipynb: symbolic links are not followed" in said


def test_a_valid_file_replaces_a_rejected_one_but_not_vice_versa(classroom, tmp_path):
    from coursework.collect import collect

    path = tmp_path / "in" / "Ada" / "ch01.ipynb"
    path.parent.mkdir(parents=True)
    path.write_text("{", "utf8")
    collect(classroom.course, "1", str(tmp_path / "in"))
    folder = classroom.folder / "submitted" / "ada" / "ch01"
    assert (folder / "refused.txt").exists()
    path.write_text(json.dumps(classroom.answer()), "utf8")
    collect(classroom.course, "1", str(tmp_path / "in"))
    assert not (folder / "refused.txt").exists()
    path.write_text("{", "utf8")
    collect(classroom.course, "1", str(tmp_path / "in"))
    assert (folder / "ch01.ipynb").exists()
    assert not (folder / "refused.txt").exists()


def test_a_file_that_is_not_a_zip_is_rejected(classroom, tmp_path):
    from coursework.collect import collect

    (tmp_path / "all.zip").write_text("not a zip")
    with pytest.raises(CourseError, match="neither a folder nor a zip"):
        collect(classroom.course, "1", str(tmp_path / "all.zip"))


def test_unreadable_files_are_named_and_the_rest_is_collected(classroom, tmp_path):
    from coursework.collect import collect

    right = json.dumps(classroom.answer())
    source = tmp_path / "in"
    for student, data in {
        "Ada": right.encode(),
        "Bob": right.encode("utf-16"),
        "Cyd": right.replace("intro", "\\ud800").encode(),
        "Dan": b'{"cells": "\xed\xa0\x80"}',
    }.items():
        (source / student).mkdir(parents=True)
        (source / student / "ch01.ipynb").write_bytes(data)
    said = collect(classroom.course, "1", str(source))
    assert said.splitlines()[-1] == "ch01: 2 collected, 2 skipped"
    assert "skipped: Bob/ch01.ipynb: broken JSON: not UTF-8" in said
    assert "skipped: Dan/ch01.ipynb: broken JSON: not UTF-8" in said


def test_a_damaged_zip_is_named_and_its_intact_files_are_collected(classroom, tmp_path):
    from coursework.collect import collect

    right, path = json.dumps(classroom.answer()), tmp_path / "all.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as pack:
        for student in ("Eve", "Fay"):
            pack.writestr(f"{student}/ch01.ipynb", right)
    data = bytearray(path.read_bytes())
    data[60:90] = b"\xff" * 30
    path.write_bytes(data)
    said = collect(classroom.course, "1", str(path))
    assert "skipped: Eve/ch01.ipynb: cannot be unpacked: " in said
    assert said.splitlines()[-1] == "ch01: 1 collected, 1 skipped"
    place = data.find(b"PK\x01\x02")
    data[place : place + 4] = b"XXXX"
    path.write_bytes(data)
    with pytest.raises(CourseError, match="the zip cannot be read"):
        collect(classroom.course, "1", str(path))


def test_file_names_cannot_control_the_terminal(classroom, tmp_path):
    from coursework.collect import collect

    path = tmp_path / "all.zip"
    with zipfile.ZipFile(path, "w") as pack:
        pack.writestr("Eve\x1b[2J\n\u202ezoe: 20/ch01.ipynb", json.dumps(classroom.answer()))
        pack.writestr("Eve\x1b[2J\nzoe: 20 of 20/x.ipynb", "")
    said = collect(classroom.course, "1", str(path))
    assert len(said.splitlines()) == 2
    about = (classroom.folder / "submitted" / "eve-2j-zoe-20" / "ch01" / "from.json").read_text("utf8")
    assert not {"\x1b", "\u202e"} & set(said + about)
    assert json.loads(about)["name"] == "Eve[2J zoe: 20"


def hand_over(classroom, folder: Path, number: int, moment: int, code: str) -> str:
    """Collect one file from a student named Ada Lovelace."""
    from coursework.collect import collect

    path = folder / str(moment) / f"Ada Lovelace_{number}_assignsubmission_file_" / "ch01.ipynb"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(classroom.answer(double=code)))
    os.utime(path, (moment, moment))
    return collect(classroom.course, "1", str(folder / str(moment)))


def test_two_students_of_one_name_stay_separate(classroom, tmp_path):
    for moment, (number, code) in enumerate([(101, "a = 1"), (102, "b = 1"), (101, "a = 2"), (102, "b = 2")]):
        assert "1 collected" in hand_over(classroom, tmp_path, number, 1_700_000_000 + moment, code)
    found = {
        path.parts[-3]: path.read_text("utf8") for path in classroom.folder.glob("submitted/*/ch01/*.ipynb")
    }
    assert set(found) == {"ada-lovelace", "ada-lovelace-102"}
    assert "a = 2" in found["ada-lovelace"]
    assert "b = 2" in found["ada-lovelace-102"]


def test_an_older_file_does_not_replace_a_newer_one(classroom, tmp_path):
    hand_over(classroom, tmp_path, 101, 1_700_000_900, "new = 1")
    said = hand_over(classroom, tmp_path, 101, 1_700_000_000, "old = 1")
    assert "a newer attempt of ada-lovelace was collected earlier" in said
    assert "0 collected, 1 skipped" in said
    assert "new = 1" in classroom.course.notebook("submitted", "ch01", "ada-lovelace").read_text("utf8")


def test_grading_without_submissions_explains_how_to_collect(classroom):
    from coursework.grade import grade

    with pytest.raises(
        CourseError, match="no submission for ch01 has been collected yet: make collect CH=01"
    ):
        grade(classroom.course, "1")


@pytest.mark.parametrize(
    "data", [b"", b"\xff\xfe", b"null", b'{"nbformat": 99}', b'{"nbformat": 4, "cells": [3]}']
)
def test_a_file_that_is_not_a_notebook_gets_a_clear_error(data):
    with pytest.raises(RefusedError, match=r"broken JSON|not a notebook"):
        read_cells(data)


# Grade


def test_the_release_is_graded_with_the_students_answers(classroom):
    released = classroom.course.released("ch01")
    notebook = classroom.answer(
        drop=["imports", "double-numbers"], extra=["mine = 1"], **{"double-tensors": "pass"}
    )
    notebook.cells.append(notebook.cells[3].copy())
    graded, said = align(released, notebook.cells)
    names = [cell.metadata.get("nbgrader", {}).get("grade_id") for cell in graded.cells]
    wanted = [cell.metadata.nbgrader.grade_id for cell in released.cells]
    assert [name for name in names if name] == wanted
    sources = {cell.metadata.nbgrader.grade_id: cell.source for cell in released.cells}
    for cell in graded.cells:
        data = cell.metadata.get("nbgrader", {})
        if data.get("locked"):
            assert cell.source == sources[data["grade_id"]]
    assert "mine = 1" in [cell.source for cell in graded.cells]
    assert any("test double-tensors was changed and has been restored" in one for one in said)


@pytest.fixture
def quick(monkeypatch):
    """Grade without sandboxes; every test passes."""
    from coursework import grade

    graded = []

    def at_once(context, folder, name, student, unsafe):
        course = Course(folder)
        if student == "interrupts":
            raise KeyboardInterrupt
        if student == "crashes":
            raise RuntimeError("the grading process exited with status -9")
        graded.append(student)
        notebook, said = align(
            course.released(name), read_cells(course.notebook("submitted", name, student).read_bytes())
        )
        return {
            "of": grade.stamp(course, name, student),
            "notebook": notebook,
            "says": said,
            "seconds": 1,
            "peak": 1,
        }

    monkeypatch.setattr(grade, "in_process", at_once)
    return graded


def test_only_new_or_changed_submissions_are_graded(classroom, quick, capsys):
    from coursework.grade import grade

    for student in ("ada", "grace"):
        classroom.hand_in(student, classroom.answer())
    assert grade(classroom.course, "1") == 0
    assert "1/2  ada: 5 of 8; 3 to mark by hand" in capsys.readouterr().out
    grade(classroom.course, "1")
    assert sorted(quick) == ["ada", "grace"]
    classroom.hand_in("grace", classroom.answer(double="def double(x):\n    return x + x"))
    classroom.hand_in("emmy", classroom.answer())
    grade(classroom.course, "1")
    assert quick[2:] == ["emmy", "grace"]
    grade(classroom.course, "1", "ada")
    assert quick[4:] == ["ada"]
    assert set(classroom.report()) == {"ada", "emmy", "grace"}


def test_a_submission_that_cannot_be_graded_does_not_stop_the_others(classroom, quick, capsys):
    from coursework.grade import grade

    for student in ("ada", "crashes", "grace"):
        classroom.hand_in(student, classroom.answer())
    assert grade(classroom.course, "1") == 1
    assert (
        "crashes: NOT GRADED, the grader failed: RuntimeError: the grading process exited with status -9"
        in capsys.readouterr().out
    )
    assert set(classroom.report()) == {"ada", "crashes", "grace"}
    assert classroom.report()["crashes"].startswith("NOT GRADED, the grader failed: RuntimeError")


def test_interrupted_grading_can_be_resumed(classroom, quick):
    from coursework.grade import grade

    for student in ("ada", "interrupts", "zoe"):
        classroom.hand_in(student, classroom.answer())
    with pytest.raises(KeyboardInterrupt):
        grade(classroom.course, "1")
    assert "ada" in classroom.report()
    shutil.rmtree(classroom.folder / "submitted" / "interrupts")
    grade(classroom.course, "1")
    assert quick.count("ada") == 1
    assert "zoe" in classroom.report()


def test_manual_marks_survive_regrading(classroom, quick):
    from coursework.grade import grade

    classroom.hand_in("ada", classroom.answer())
    grade(classroom.course, "1")
    with classroom.course.gradebook() as gradebook:
        mark = gradebook.find_grade("why", "ch01", "ch01", "ada")
        mark.manual_score, mark.needs_manual_grade = 2.5, False
        gradebook.db.commit()
    grade(classroom.course, "1", "ada")
    assert classroom.report()["ada"].startswith("7.5 of 8")


def test_an_unchanged_starter_gets_no_points(classroom, quick):
    from coursework.grade import grade

    untouched = classroom.course.released("ch01")
    classroom.hand_in("ada", untouched)
    grade(classroom.course, "1")
    assert "why 3" in classroom.report()["ada"]


def test_a_rejected_file_gets_0_points_and_a_reason(classroom, tmp_path, capsys):
    from coursework.collect import collect
    from coursework.grade import grade

    (tmp_path / "in" / "Ada").mkdir(parents=True)
    (tmp_path / "in" / "Ada" / "homework.pdf").write_text("{}")
    collect(classroom.course, "1", str(tmp_path / "in"))
    assert grade(classroom.course, "1") == 0
    line = classroom.report()["ada"]
    assert line.startswith("0 of 8;")
    assert "! homework.pdf: wrong file name, wanted ch01.ipynb" in line


def test_grading_backs_up_the_gradebook_first(classroom, quick, capsys):
    from coursework.grade import grade

    classroom.hand_in("ada", classroom.answer())
    grade(classroom.course, "1")
    before = set((classroom.folder / "backups").glob("*.db"))
    classroom.hand_in("zoe", classroom.answer())
    grade(classroom.course, "1")
    (made,) = set((classroom.folder / "backups").glob("*.db")) - before
    assert f"gradebook backed up to backups/{made.name}" in capsys.readouterr().out
    with Gradebook(f"sqlite:///{made}") as gradebook:
        assert [student.id for student in gradebook.students] == ["ada"]


def test_the_last_ten_backups_of_the_gradebook_are_kept(classroom):
    for _ in range(12):
        assert classroom.course.back_up().is_file()
    assert len(list((classroom.folder / "backups").glob("*.db"))) == 10


# Points


def test_points_are_exported_for_every_platform(classroom, quick):
    from coursework.grade import grade
    from coursework.grades import grades

    people = {
        "ada": ("moodle", "101", "Ada Lovelace"),
        "margaret": ("canvas", "77", "=hamiltonmargaret"),
        "emmy": ("plain", "", "Emmy Noether"),
    }
    for student, (platform, number, name) in people.items():
        classroom.hand_in(student, classroom.answer())
        about = {"name": name, "platform": platform, "number": number, "file": "", "time": 0}
        (classroom.folder / "submitted" / student / "ch01" / "from.json").write_text(json.dumps(about))
    grade(classroom.course, "1")
    assert "3 submissions still have answers to mark by hand: make formgrader" in grades(classroom.course)
    read = lambda name: list(csv.DictReader((classroom.folder / "grades" / name).open()))  # noqa: E731
    assert {row["name"]: row["ch01"] for row in read("grades.csv")} == {
        "Ada Lovelace": "5",
        "Emmy Noether": "5",
        "'=hamiltonmargaret": "5",
    }


def test_the_worksheet_follows_moodles_format(classroom, quick):
    """Moodle requires three headings and reads comments if there is a heading for them."""
    before = datetime.now(UTC).replace(microsecond=0)
    ((line,), headings) = points_of(classroom, "moodle", "101", "Ada Lovelace")
    assert {"Identifier", "Grade", "Last modified (grade)"} <= set(headings)
    assert not [heading for heading in headings if "eedback" in heading]
    assert line["Identifier"].removeprefix("Participant ") == "101"
    assert (line["Grade"], line["Maximum grade"]) == ("5", "8")
    made = datetime.strptime(line["Last modified (grade)"], "%Y-%m-%d %H:%M:%S %z")
    assert before <= made <= datetime.now(UTC)


def test_the_table_follows_canvas_format(classroom, quick):
    """Student columns in this order, assignments after Section, then a row of maximum points."""
    (most, line), headings = points_of(classroom, "canvas", "77", "=hamiltonmargaret")
    assert headings == ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", "ch01"]
    assert most["Student"].strip() == "Points Possible"
    assert most["ch01"] == "8"
    assert not any(most[heading] for heading in headings[1:-1])
    assert (line["Student"], line["ID"], line["ch01"]) == ("'=hamiltonmargaret", "77", "5")


def points_of(classroom, platform: str, number: str, name: str) -> tuple[list[dict], list[str]]:
    """The rows and headings of a platform's file if only this student submitted."""
    from coursework.grade import grade
    from coursework.grades import grades

    classroom.hand_in("one", classroom.answer())
    about = {"name": name, "platform": platform, "number": number, "file": "", "time": 0}
    (classroom.folder / "submitted" / "one" / "ch01" / "from.json").write_text(json.dumps(about))
    grade(classroom.course, "1")
    grades(classroom.course)
    assert {path.name for path in (classroom.folder / "grades").glob("*.csv")} == {
        "grades.csv",
        f"ch01-{platform}.csv",
    }
    with (classroom.folder / "grades" / f"ch01-{platform}.csv").open(encoding="utf8", newline="") as file:
        lines = csv.DictReader(file)
        return list(lines), list(lines.fieldnames)


def test_several_machines_give_the_same_grades_as_one(new_room, tmp_path):
    """As in the guide: release on every machine, collect on one, give each machine some students' folders."""
    from coursework.collect import collect
    from coursework.grade import grade
    from coursework.grades import grades

    one, *machines = (new_room(tmp_path / name) for name in ("alone", "first", "second"))
    handed_in = {
        "Ada Lovelace_101": one.answer(),
        "Emmy Noether_102": one.answer(double="def double(x):\n    return 2 * x + 1"),
        "Grace Hopper_103": one.answer(middle="def middle(numbers):\n    return numbers[1]"),
        "Zoe Late_104": "no notebook",
    }
    for name, notebook in handed_in.items():
        path = tmp_path / "moodle" / f"{name}_assignsubmission_file" / "ch01.ipynb"
        path.parent.mkdir(parents=True)
        path.write_text(notebook if isinstance(notebook, str) else json.dumps(notebook), "utf8")
    collect(one.course, "1", str(tmp_path / "moodle"))
    students = sorted((one.folder / "submitted").iterdir())
    assert len(students) == 4
    for machine, share in zip(machines, (students[::2], students[1::2]), strict=True):
        for student in share:
            shutil.copytree(student, machine.folder / "submitted" / student.name)
    for room in (one, *machines):
        assert grade(room.course, "1") == 0
        grades(room.course)
    lines = lambda room, name: (room.folder / "grades" / name).read_text("utf8").splitlines()  # noqa: E731
    for name, heading in (("grades.csv", 1), ("ch01-moodle.csv", 1), ("ch01-report.txt", 0)):
        alone, shares = lines(one, name), [lines(machine, name) for machine in machines]
        assert all(share[:heading] == alone[:heading] and len(share) == 2 + heading for share in shares)
        together = [line for share in shares for line in share[heading:]]
        without_time = [
            sorted(line.rsplit(",", name == "ch01-moodle.csv")[0] for line in some)
            for some in (together, alone[heading:])
        ]
        assert without_time[0] == without_time[1]
    scores = {line.split(": ")[1].split(" of ")[0] for line in lines(one, "ch01-report.txt")}
    assert len(scores) >= 3  # different, so that a mix-up would be noticed
