"""If the machine or the grader fails, nobody is graded; a submission that blocks the grader is stopped."""

import json
import multiprocessing
import os
import signal
import sqlite3
import time
from pathlib import Path

import pytest
from nbgrader.utils import determine_grade

from coursework.align import is_test
from coursework.bubblewrap import Limits, SandboxMissingError, exposed_by, require_sandbox
from coursework.course import CourseError
from coursework.outputs import clean_output
from coursework.process import report_result
from coursework.sandbox import NotGradedError, Sandbox

FORK = multiprocessing.get_context("fork")
LIMITS = "c.Limits.cell_seconds = 3\n"


@pytest.fixture
def here(monkeypatch):
    """Fork grading processes from this one, so that a test's patches apply in them too."""
    from coursework import grade

    monkeypatch.setattr(grade.multiprocessing, "get_context", lambda _: FORK)
    monkeypatch.setattr(FORK, "set_forkserver_preload", lambda _: None, raising=False)


def graded(room, student: str = "ada") -> Path:
    return room.course.notebook("autograded", "ch01", student)


def test_if_sandboxes_do_not_start_nobody_is_graded(classroom, here, monkeypatch, capsys):
    from coursework import sandbox
    from coursework.grade import grade

    classroom.hand_in("ada", classroom.answer())
    monkeypatch.setattr(sandbox, "START", 0.05)
    started = []
    close = Sandbox.close
    monkeypatch.setattr(Sandbox, "close", lambda self: (close(self), started.append(self.process.poll())))
    with pytest.raises(NotGradedError, match="the sandbox did not start: it ran for more than"):
        Sandbox(Limits())
    assert started[0] is not None
    assert grade(classroom.course, "1") == 1
    assert "ada: NOT GRADED: the sandbox did not start: " in capsys.readouterr().out
    assert not graded(classroom).exists()
    monkeypatch.setattr(sandbox, "START", 120)
    assert grade(classroom.course, "1") == 0
    assert classroom.report()["ada"] == "5 of 8; 3 to mark by hand"


def test_the_report_marks_results_of_earlier_submissions(classroom, here, monkeypatch):
    from coursework import sandbox
    from coursework.grade import grade

    classroom.hand_in("ada", classroom.answer())
    classroom.hand_in("zoe", classroom.answer())
    assert grade(classroom.course, "1") == 0
    for student in ("ada", "zoe"):
        classroom.hand_in(student, classroom.answer(double="double = abs"))
    monkeypatch.setattr(sandbox, "START", 0.05)
    assert grade(classroom.course, "1", "ada") == 1
    before = "; before: 5 of 8; 3 to mark by hand"
    assert classroom.report()["ada"].startswith("NOT GRADED: the sandbox did not start: ")
    assert classroom.report()["ada"].endswith(before)
    assert classroom.report()["zoe"] == f"NOT GRADED yet{before}"


def test_a_machine_short_of_memory_costs_no_points(classroom, here, monkeypatch, capsys):
    """A submission that was not graded is graded the next time."""
    from coursework import sandbox
    from coursework.grade import grade

    classroom.hand_in("ada", classroom.answer(double="import time\ntime.sleep(3)\ndouble = abs"))
    with monkeypatch.context() as patch:
        patch.setattr(sandbox.Sandbox, "look", short_once_it_runs)
        assert grade(classroom.course, "1") == 1
    says = "ada: NOT GRADED: the machine ran short of memory; run the same command to try again"
    assert says in capsys.readouterr().out
    assert not graded(classroom).exists()
    assert grade(classroom.course, "1") == 0
    assert classroom.report()["ada"].startswith("2 of 8")


def short_once_it_runs(self) -> None:
    if self.watched:
        self.stop("the machine ran short of memory", fault=True)


def test_a_watcher_that_fails_ends_the_sandbox(monkeypatch):
    from coursework import sandbox

    with Sandbox(Limits(cell_seconds=5)) as room:
        monkeypatch.setattr(sandbox, "memory_left", lambda: int("unheard of"))
        with pytest.raises(NotGradedError, match="the sandbox could not be monitored: ValueError"):
            room.run("import time; time.sleep(4)")
        assert room.process.wait(5) is not None


def test_unreadable_memory_figures_do_not_count_as_zero(monkeypatch):
    from coursework import watch

    here, plainly = os.getpid(), Path.read_bytes
    there = watch.memory(here, exact=False)

    def refuse(path):
        if path.name == "smaps_rollup":
            raise PermissionError(13, "Permission denied")
        return plainly(path)

    monkeypatch.setattr(Path, "read_bytes", refuse)
    assert watch.memory(here, exact=True) == pytest.approx(there, rel=0.2)
    monkeypatch.setattr(Path, "read_bytes", lambda path: refuse(path.with_name("smaps_rollup")))
    with pytest.raises(PermissionError):
        watch.memory(here, exact=False)
    monkeypatch.setattr(watch.os, "statvfs", lambda path: (_ for _ in ()).throw(PermissionError(13, path)))
    with pytest.raises(PermissionError):
        watch.count_files([1, here])


# A grading process that never ends


def hold(pipe, folder, name, student, unsafe):
    """Like report_result, with a recheck that no alarm interrupts."""
    from coursework import recheck

    recheck.Recheck.test = lambda self, name: None if name == "double-numbers" else never(self, name)
    report_result(pipe, folder, name, student, unsafe)


def test_points_confirmed_before_the_grader_was_blocked_count(new_room, tmp_path, monkeypatch):
    from coursework import process

    room = new_room(tmp_path, LIMITS)
    room.hand_in("ada", room.answer())
    monkeypatch.setattr(process, "report_result", hold)
    monkeypatch.setattr(process, "SLACK", 0)
    began = time.monotonic()
    result = process.in_process(FORK, room.folder, "ch01", "ada", unsafe=False)
    assert time.monotonic() - began < 120
    points = {
        cell.metadata.nbgrader.grade_id: determine_grade(cell)[0]
        for cell in result["notebook"].cells
        if cell.metadata.nbgrader.grade and cell.cell_type == "code"
    }
    assert points == {"double-numbers": 2, "double-tensors": 0, "middle-odd": 0}
    assert result["says"][0].startswith(
        "grading stopped after cell double-numbers: the check did not finish within"
    )
    assert not multiprocessing.active_children()


def never(self, name):
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
    time.sleep(600)


def crash(self, name):
    os._exit(3)


def die(self, name):
    os.kill(os.getpid(), signal.SIGKILL)


def in_first_cell(does):
    """Like report_result, with a grader that does this when it rechecks the first cell."""

    def report(*arguments):
        from coursework import recheck

        recheck.Recheck.pass_by = does
        report_result(*arguments)

    return report


@pytest.mark.parametrize(
    ("does", "says"),
    [
        (never, "grading stopped before the first cell: the check did not finish within "),
        (crash, "grading stopped before the first cell: the grading process exited with status 3"),
    ],
)
def test_a_submission_that_stops_the_grader_in_its_first_cell_is_scored(
    new_room, tmp_path, monkeypatch, does, says
):
    """Otherwise it would stay NOT GRADED forever."""
    from coursework import process

    room = new_room(tmp_path, LIMITS)
    room.hand_in("ada", room.answer())
    monkeypatch.setattr(process, "report_result", in_first_cell(does))
    monkeypatch.setattr(process, "SLACK", 0)
    monkeypatch.setattr(process, "START", 10)
    result = process.in_process(FORK, room.folder, "ch01", "ada", unsafe=False)
    tests = [cell for cell in result["notebook"].cells if is_test(cell)]
    assert [determine_grade(cell)[0] for cell in tests] == [0, 0, 0]
    assert [cell.outputs[0].ename for cell in tests] == ["NotChecked"] * 3
    assert result["says"][0].startswith(says)


def test_a_grading_process_that_the_system_kills_costs_no_points(new_room, tmp_path, monkeypatch):
    """As Linux does when memory runs out."""
    from coursework import process

    room = new_room(tmp_path, LIMITS)
    room.hand_in("ada", room.answer())
    monkeypatch.setattr(process, "report_result", in_first_cell(die))
    with pytest.raises(RuntimeError, match="the grading process exited with status -9"):
        process.in_process(FORK, room.folder, "ch01", "ada", unsafe=False)


def test_a_grading_process_has_a_memory_limit(new_room, tmp_path, monkeypatch):
    """A test that fills the memory loses only its own points."""
    from coursework import process

    room = new_room(tmp_path, LIMITS)
    room.hand_in("ada", room.answer())
    monkeypatch.setattr(process, "report_result", fill)
    result = process.in_process(FORK, room.folder, "ch01", "ada", unsafe=False)
    said = {
        cell.metadata.nbgrader.grade_id: [output.ename for output in cell.outputs]
        for cell in result["notebook"].cells
        if cell.metadata.nbgrader.grade and cell.cell_type == "code"
    }
    assert said == {"double-numbers": ["MemoryError"], "double-tensors": [], "middle-odd": []}


def fill(pipe, folder, name, student, unsafe):
    from coursework import recheck

    plainly = recheck.Recheck.execute

    def execute(self, name):
        return bytes(2**32) if name == "double-numbers" else plainly(self, name)

    recheck.Recheck.execute = execute
    report_result(pipe, folder, name, student, unsafe)


# What cannot be made safe


def test_a_course_visible_in_every_sandbox_is_rejected(classroom, monkeypatch):
    from coursework import bubblewrap
    from coursework.grade import grade

    assert exposed_by(classroom.folder) == ""
    assert exposed_by(Path("/usr/local/src/book/course")) == "/usr"
    assert exposed_by(Path(bubblewrap.PREFIX) / "book") == bubblewrap.PREFIX
    monkeypatch.setattr(bubblewrap, "PYTHONS", {str(classroom.folder.parent)})
    classroom.hand_in("ada", classroom.answer())
    with pytest.raises(CourseError, match=r"every sandbox can read .*, including the solutions; move"):
        grade(classroom.course, "1")


def test_on_a_mac_the_error_says_that_linux_is_needed(monkeypatch):
    require_sandbox.cache_clear()
    monkeypatch.setattr("platform.machine", lambda: "arm64")
    monkeypatch.setattr("platform.system", lambda: "Darwin")
    with pytest.raises(SandboxMissingError, match="it needs Linux, and this is Darwin"):
        require_sandbox()
    require_sandbox.cache_clear()


def test_output_of_a_process_is_kept_up_to_a_limit():
    sent = {
        "output_type": "error",
        "ename": "E\n" * 500,
        "evalue": "x" * 9000,
        "traceback": ["y" * 9000] * 99,
    }
    kept = clean_output(sent)
    assert len(json.dumps(kept)) < 90_000
    assert "\n" not in kept["ename"]


def test_a_full_disk_is_reported_and_loses_no_grades(classroom, monkeypatch, capsys):
    from coursework.__main__ import main
    from coursework.grade import grade

    classroom.hand_in("ada", classroom.answer())
    assert grade(classroom.course, "1") == 0
    before = graded(classroom).read_bytes(), set((classroom.folder / "backups").iterdir())
    connect = sqlite3.connect

    def with_little_space(path, *options):
        connection = connect(path, *options)
        if str(path).endswith(".part"):
            connection.execute("PRAGMA max_page_count = 2")
        return connection

    monkeypatch.setattr(sqlite3, "connect", with_little_space)
    classroom.hand_in("grace", classroom.answer())
    command = ["--course", str(classroom.folder), "grade", "1"]
    assert main(command) == 1
    assert "the disk is full: what was collected and graded before is kept" in capsys.readouterr().err
    assert (graded(classroom).read_bytes(), set((classroom.folder / "backups").iterdir())) == before
    monkeypatch.undo()
    assert main(command) == 0
    assert classroom.report()["ada"] == classroom.report()["grace"] == "5 of 8; 3 to mark by hand"
