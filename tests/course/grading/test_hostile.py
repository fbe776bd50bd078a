"""A class with hostile submissions of all kinds: each gets a message and a score, all others are graded."""

import ast
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from types import SimpleNamespace

import pytest

from coursework.bubblewrap import Limits, SandboxMissingError, environment, require_sandbox
from coursework.sandbox import Sandbox, SandboxError

LIMITS = """
c.Limits.cell_seconds = 4
c.Limits.submission_seconds = 40
c.Limits.memory_mb = 400
c.Limits.processes = 40
c.Limits.output_kb = 50
c.Limits.disk_mb = 8
c.Limits.files = 400
c.Limits.all_output_kb = 400
c.Limits.own_cells = 30
"""
SECRET = "a-password-of-the-instructors"
LOOK = """
import os
found = []
for folder in ("/", "/root", "/home", "/work", "/tmp", {course!r}):
    for name, folders, files in os.walk(folder):
        if name.startswith(({prefix!r}, {base!r}, "/usr", "/proc", "/sys", "/dev", "/course/attnbook")):
            folders.clear()
            continue
        found += [os.path.join(name, file) for file in files if file.endswith((".ipynb", ".db"))]
print("found", found)
open({course!r} + "/source/ch01/ch01.ipynb")
"""
MEMORY = """
import ctypes
wanted = ("hidden-" + "can").encode() + b"ary"
hits = 0
for line in open("/proc/self/maps"):
    start, end = (int(place, 16) for place in line.split()[0].split("-"))
    if line.split()[1].startswith("rw") and end - start < 2**26:
        hits += ctypes.string_at(start, end - start).count(wanted)
def double(x):
    raise LookupError(f"{max(0, hits - 1)} times in memory")
"""
WRITE = """
import os
said = []
for path in ("/course/inside.py", "/usr/x", "/etc/x", "/x", "/dev/x", "/proc/sys/kernel/hostname",
             {course!r} + "/x", {course!r} + "/gradebook.db", os.path.expanduser("~/mine")):
    try:
        with open(path, "w") as file:
            file.write("mine")
        said.append(path)
    except OSError as error:
        pass
raise PermissionError(f"wrote {{said}}")
"""
FORGE = """
import json, os
def forge():
    for number in range(3, 20):
        try:
            os.write(number, b'{"outputs": []}\\n' * 50)
        except OSError:
            pass
forge()
"""
SHARED = """
import sys
def double(x):
    if not sys._getframe(1).f_code.co_filename.endswith("inside.py"):
        return 2 * x
    lists = []
    for _ in range(45):
        lists = [lists, lists]
    return lists
"""
SPOOF = """
raise type("E\\nzoe: 20 of 20", (Exception,), {})("\\x1b[2J\\x1b]0;title\\x07 half a letter: \\ud800")
"""
TELLS = """
def double(x):
    if not hasattr(x, "shape") and x < 0:
        raise ValueError(f"it was asked for {x}")
    return 2 * x
"""
HUGE = """
def double(x):
    import os
    for number in range(3, 20):
        try:
            os.write(number, b"x" * 200_000_000)
        except OSError:
            pass
"""
STRANGE = """
from coursework import values
plainly = values.encode
def encode(value, known=None):
    answer = plainly(value, known)
    tensor = {"kind": "tensor", "dtype": "float32", "shape": [2**39, 2**39], "stride": [0, 0]}
    answer["objects"].append(tensor | {"block": 0, "start": 0})
    return answer | {"value": {"kind": "object", "value": len(answer["objects"]) - 1}}
values.encode = encode
def double(x):
    return 2 * x
"""
STUBBORN = """
import signal
signal.signal = lambda *_: None
signal.setitimer(signal.ITIMER_REAL, 0)
signal.setitimer = lambda *_: None
def double(x):
    while True:
        pass
"""


def crowd(of_all: str = "pass", of_each: str = "pass") -> str:
    """Code that starts six processes of 150 MB, with code to run in all of them or in each."""
    return f"""
import ctypes, os, time
{of_all}
for _ in range(6):
    if os.fork() == 0:
        {of_each}
        block = bytearray(os.urandom(1000)) * 150_000
        time.sleep(60)
        os._exit(0)
time.sleep(20)
"""


CROWD = crowd()
NAMELESS = crowd(of_all=r'ctypes.CDLL(None).prctl(15, b"\xff\xfe")')  # a name that isn't valid text
UNSEEN = crowd(of_each="ctypes.CDLL(None).prctl(4, 0)")  # not readable
ORPHANS = """
import os, time
for _ in range(6):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            block = bytearray(os.urandom(1000)) * 150_000
            time.sleep(60)
        os._exit(0)
time.sleep(20)
"""
# Memory that no process's own count includes, and namespaces that would provide more of it.
HIDDEN = """
import ctypes, mmap, os, socket
kernel = ctypes.CDLL(None, use_errno=True)
clone = {"x86_64": 56, "aarch64": 220}[os.uname().machine]
def call(name, *arguments):
    if getattr(kernel, name)(*arguments) < 0:
        raise OSError(ctypes.get_errno(), name)
ways = {
    "file": lambda: os.memfd_create("x"),
    "segment": lambda: call("shmget", 0, 2**20, 0o1600),
    "queue": lambda: call("msgget", 0, 0o1600),
    "named queue": lambda: call("mq_open", b"/x", os.O_CREAT | os.O_RDWR, 0o600, None),
    "pair": lambda: socket.socketpair(),
    "ring": lambda: call("syscall", 425, 8, bytes(120)),
    "shared": lambda: mmap.mmap(-1, 2**20),
    "zeros": lambda: mmap.mmap(os.open("/dev/zero", os.O_RDWR), 2**20),
    "namespace": lambda: call("unshare", 0x10000000),
    "child": lambda: call("syscall", clone, 0x10000011, 0, 0, 0, 0),
}
worked = []
for name, way in ways.items():
    try:
        way()
        worked.append(name)
    except PermissionError:
        pass
raise PermissionError(f"worked: {worked}")
"""
EMPTY = """
import time
for number in range(1_000_000):
    open(f"/tmp/{number}", "w").close()
"""
RIGHT = "def double(x):\n    return 2 * x\n"


def of_double(body: str) -> str:
    return "def double(x):\n" + "".join(f"    {line}\n" for line in body.splitlines())


@pytest.fixture(scope="module")
def listener():
    """A server on this machine that counts connections."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        came = []

        def count():
            while True:
                try:
                    came.append(server.accept())
                except OSError:
                    return

        threading.Thread(target=count, daemon=True).start()
        yield SimpleNamespace(port=server.getsockname()[1], came=came)


@pytest.fixture(scope="module")
def room(new_room, tmp_path_factory, listener):
    """The class, graded once."""
    from coursework.grade import grade

    room = new_room(tmp_path_factory.mktemp("hostile"), LIMITS)
    folder, port = str(room.folder), listener.port
    look = LOOK.format(
        course=folder, prefix=os.path.realpath(sys.prefix), base=os.path.realpath(sys.base_prefix)
    )
    answers = {
        "right": {},
        "wrong": {"double": of_double("return abs(2 * x)")},
        "in-place": {"double": of_double("x *= 2\nreturn x")},
        "own-cells": {
            "double": of_double("return times(x, 2)"),
            "extra": ["def times(x, n):\n    return n * x"],
        },
        "no-names": {},
        "endless": {"double": of_double("while True:\n    pass")},
        "stubborn": {"double": STUBBORN},
        "memory": {"double": of_double("blocks = []\nwhile True:\n    blocks.append(bytearray(10**7))")},
        "crowd": {"double": RIGHT, "extra": [CROWD]},
        "fork-bomb": {"double": "import os\nwhile True:\n    os.fork()"},
        "children": {"double": "import os, time\nwhile os.fork():\n    pass\ntime.sleep(60)"},
        "orphans": {"double": RIGHT, "extra": [ORPHANS]},
        "hidden-memory": {"double": HIDDEN},
        "empty-files": {"double": RIGHT, "extra": [EMPTY]},
        "threads": {
            "double": "import threading, time\nwhile True:\n"
            "    threading.Thread(target=time.sleep, args=[60]).start()"
        },
        "reader": {"double": look},
        "memory-reader": {"double": MEMORY},
        "writer": {"double": WRITE.format(course=folder)},
        "disk": {"double": of_double("with open('/tmp/full', 'wb') as file:\n    file.write(bytes(10**8))")},
        "gradebook": {"double": f"import sqlite3\nsqlite3.connect({folder!r} + '/gradebook.db')"},
        "socket": {"double": f"import socket\nsocket.create_connection(('127.0.0.1', {port}))"},
        "internet": {"double": "import socket\nsocket.create_connection(('192.0.2.1', 80), timeout=3)"},
        "variables": {"double": "import os\nprint(dict(os.environ))\n" + RIGHT},
        "output": {"double": "print('x' * 200_000_000)\n" + RIGHT},
        "prints": {
            "double": of_double(
                "while True:\n    try:\n        print('again')\n    except Exception:\n        pass"
            )
        },
        "pipe": {"double": HUGE},
        "exit": {"double": RIGHT, "middle": "import os\nos._exit(0)"},
        "leaves": {"double": of_double("import sys\nsys.exit(0)")},
        "deleted": {"drop": ["double-numbers", "middle-odd"], "double": of_double("return 0")},
        "altered": {"double": of_double("return 0"), "double-numbers": "assert True"},
        "patches": {
            "double": "import torch\ntorch.allclose = lambda *a, **k: True\n"
            "import builtins\nbuiltins.sorted = lambda x: [2, 2, 2]\n" + of_double("return x")
        },
        "skips-tests": {"double": "get_ipython().run_cell = lambda *a, **k: None"},
        "forger": {"double": FORGE + of_double("forge()\nreturn 0")},
        "strange": {"double": STRANGE},
        "nameless": {"double": RIGHT, "extra": [NAMELESS]},
        "unseen": {"double": RIGHT, "extra": [UNSEEN]},
        "shared-lists": {"double": SHARED},
        "spoof": {"double": RIGHT, "extra": [SPOOF]},
        "tells": {"double": TELLS},
        "talks": {"double": RIGHT, "extra": ["print('x' * 40_000)"] * 20},
        "many-cells": {"double": RIGHT, "extra": ["1 / 0"] * 500},
        "surrogate": {"double": 'print("\\ud800")\n' + RIGHT},
    }
    for student, answer in answers.items():
        notebook = room.answer(**answer)
        if student == "no-names":
            for cell in notebook.cells:
                cell.metadata, cell.id = {}, f"{len(cell.source):x}"
        room.hand_in(student, notebook)
    room.hand_in("broken", '{"cells": [')
    room.hand_in("nested", "[" * 100_000)
    room.hand_in(
        "no-cells", '{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [{"cell_type": "code"}]}'
    )
    before = set(room.folder.rglob("*"))
    os.environ["A_SECRET"] = SECRET
    try:
        room.failed = grade(room.course, "1", jobs=4)  # most of them only wait
    finally:
        del os.environ["A_SECRET"]
    made = {path.relative_to(room.folder).parts[0] for path in set(room.folder.rglob("*")) - before}
    room.made, room.lines = made, room.report()
    return room


NUMBERS, TENSORS, MIDDLE = 2, 1, 2
ALL = NUMBERS + TENSORS + MIDDLE
# By student: the points, and the words of the message.
EXPECTED = {
    "right": (ALL, []),
    "wrong": (ALL - NUMBERS, ["lost: double-numbers 2"]),
    "in-place": (ALL - TENSORS, ["lost: double-tensors 1"]),
    "own-cells": (ALL, []),
    "no-names": (ALL, ["10 cells without nbgrader metadata were matched by text and position"]),
    "endless": (MIDDLE, ["lost: double-numbers 2, double-tensors 1"]),
    "stubborn": (0, ["it ran for more than 4 seconds and could not be interrupted"]),
    "memory": (MIDDLE, ["lost: double-numbers 2, double-tensors 1"]),
    "crowd": (0, ["it used more than 400 MB of memory"]),
    "fork-bomb": (None, ["lost: double-numbers 2, double-tensors 1"]),
    "children": (MIDDLE, ["cell double: BlockingIOError: [Errno 11] Resource temporarily unavailable"]),
    "orphans": (0, ["it used more than 400 MB of memory"]),
    "hidden-memory": (MIDDLE, ["cell double: PermissionError: worked: []"]),
    "empty-files": (0, ["it created more than 400 files"]),
    "threads": (MIDDLE, ["cell double: RuntimeError: can't start new thread"]),
    "reader": (MIDDLE, ["cell double: FileNotFoundError"]),
    "memory-reader": (MIDDLE, ["lost: double-numbers 2, double-tensors 1"]),
    "writer": (MIDDLE, ["cell double: PermissionError: wrote ['/tmp/mine']"]),
    "disk": (MIDDLE, ["lost: double-numbers 2, double-tensors 1"]),
    "gradebook": (MIDDLE, ["cell double: OperationalError: unable to open database file"]),
    "socket": (MIDDLE, ["cell double: PermissionError: [Errno 1] Operation not permitted"]),
    "internet": (MIDDLE, ["cell double: PermissionError: [Errno 1] Operation not permitted"]),
    "variables": (ALL, []),
    "output": (MIDDLE, ["cell double: OutputError: more than 50 kB of output: the cell was stopped"]),
    "prints": (None, ["lost: double-numbers 2, double-tensors 1"]),  # a slow machine kills it
    "pipe": (0, ["its process sent a message of more than"]),
    "exit": (ALL - MIDDLE, ["its process exited with status 0"]),
    "leaves": (MIDDLE, ["lost: double-numbers 2, double-tensors 1"]),
    "deleted": (
        MIDDLE,
        ["test double-numbers was deleted and has been restored", "test middle-odd was deleted"],
    ),
    "altered": (MIDDLE, ["test double-numbers was changed and has been restored"]),
    "patches": (
        MIDDLE,
        ["double-numbers passes in the notebook, but not in the grader's recheck: Twice 3 is 6."],
    ),
    "skips-tests": (0, ["double-numbers passes in the notebook, but not in the grader's recheck"]),
    "forger": (0, []),
    "strange": (0, ["passes in the notebook, but not in the grader's recheck: a tensor with more than"]),
    "nameless": (0, ["it used more than 400 MB of memory"]),
    "unseen": (0, ["it used more than 400 MB of memory"]),
    "shared-lists": (
        MIDDLE,
        ["recheck: lists that contain each other so often that they are too long to print"],
    ),
    "spoof": (ALL, ["cell number 4: E zoe: 20 of 20: [2J]0;title half a letter: "]),
    "tells": (ALL - NUMBERS, ["lost: double-numbers 2"]),
    "talks": (ALL, ["more than 400 kB of output in total; the rest was removed"]),
    "many-cells": (
        ALL,
        ["the student added 500 cells; only the first 30 were run", "and 21 more"],
    ),
    "surrogate": (ALL, []),
    "broken": (0, ["broken JSON"]),
    "nested": (0, ["broken JSON"]),
    "no-cells": (0, ["not a notebook"]),
}


def test_everyone_is_graded(room):
    assert room.failed == 0
    assert set(room.lines) == set(EXPECTED)


@pytest.mark.parametrize("student", EXPECTED)
def test_each_gets_its_message_and_score(room, student):
    points, says = EXPECTED[student]
    line = room.lines[student]
    if points is None:  # random: which of its processes answers first, and how fast it is interrupted
        assert line.startswith(("0 of 8", "2 of 8")), line
    else:
        assert line.startswith(f"{points:g} of 8"), line
    assert all(words in line for words in says), line


def test_messages_are_short_and_cannot_control_the_terminal(room):
    report = (room.folder / "grades" / "ch01-report.txt").read_text("utf8")
    assert max(map(len, room.lines.values())) < 2500
    assert not set(report) & {chr(number) for number in (*range(10), *range(11, 32), 127, 0x9B)}
    assert "zoe" not in room.lines


def test_errors_cannot_leak_hidden_numbers(room):
    says = outputs(room, "tells", "double-numbers")[0]
    assert says["ename"] == "ValueError"
    assert says["evalue"] == "your function raised this error in a hidden test"
    assert "it was asked for" not in text_of(room, "tells").replace(json.dumps(TELLS)[1:-1], "").replace(
        'f\\"it was asked for {x}', ""
    )


@pytest.mark.parametrize("student", ["right", "own-cells", "variables", "surrogate"])
def test_a_clean_submission_has_no_message(room, student):
    assert room.lines[student] == "5 of 8; 3 to mark by hand"


def text_of(room, student) -> str:
    return room.course.notebook("autograded", "ch01", student).read_text("utf8")


def outputs(room, student, name) -> list:
    cells = json.loads(text_of(room, student))["cells"]
    return next(
        cell["outputs"] for cell in cells if cell["metadata"].get("nbgrader", {}).get("grade_id") == name
    )


def test_truncated_output_says_so(room):
    for student, words in {
        "endless": "stopped after 4 seconds",
        "memory": "MemoryError",
        "disk": "OSError",
    }.items():
        assert words in str(outputs(room, student, "double-numbers")), student


def test_hidden_tests_never_enter_a_sandbox(room):
    """Neither in a file nor in memory."""
    assert "found []" in str(outputs(room, "reader", "double"))
    assert "LookupError: 0 times in memory" in str(outputs(room, "memory-reader", "double-numbers"))


def test_messages_of_hidden_tests_are_shown_without_their_code(room):
    says = outputs(room, "wrong", "double-numbers")[0]
    assert says["evalue"] == "Twice −3 is −6 (hidden-canary)."
    assert "assert double(-3)" not in text_of(room, "wrong")


def test_no_connection_was_made(room, listener):
    assert listener.came == []


def test_the_instructors_environment_is_hidden(room):
    shown = ast.literal_eval("".join(outputs(room, "variables", "double")[0]["text"]))
    assert set(shown) - set(environment("", "")) <= {"PWD"}
    assert SECRET not in shown.values()


def test_only_grading_writes_files(room):
    assert room.made <= {"autograded", "grades", "backups"}
    assert max(path.stat().st_size for path in room.folder.rglob("*.ipynb")) < 500_000


def test_memory_stays_within_the_limit(room):
    """No sandbox exceeded its limit, apart from growth between two checks."""
    peaks = {
        path.parts[-3]: json.loads(path.read_text("utf8"))["peak"] / 2**20
        for path in room.folder.glob("autograded/*/ch01/graded.json")
    }
    assert 0 < peaks["right"] < 400
    assert max(peaks.values()) < 1200, peaks


def test_no_process_is_left(room):
    listed = subprocess.run(["ps", "-eo", "pid=,ppid=,comm="], capture_output=True, text=True).stdout
    processes = {
        int(pid): (int(parent), name)
        for pid, parent, name in (line.split(None, 2) for line in listed.splitlines())
    }
    for parent, name in processes.values():
        if name == "bwrap":
            while parent not in (1, os.getpid()) and parent in processes:
                parent = processes[parent][0]
            assert parent != os.getpid()


def test_without_bubblewrap_grading_stops(released, monkeypatch):
    from coursework.grade import grade

    require_sandbox.cache_clear()
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(
        SandboxMissingError, match=r"bwrap was not found(.|\n)*apt install bubblewrap(.|\n)*UNSAFE=yes"
    ):
        grade(released.course, "1")
    require_sandbox.cache_clear()


def test_a_broken_bubblewrap_is_distinguished_from_a_missing_one(monkeypatch, tmp_path):
    broken = tmp_path / "bwrap"
    broken.write_text("#!/bin/sh\necho 'bwrap: No permissions to create a new namespace' >&2; exit 1\n")
    broken.chmod(0o755)
    require_sandbox.cache_clear()
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(SandboxMissingError, match="No permissions to create a new namespace"):
        require_sandbox()
    require_sandbox.cache_clear()


@pytest.mark.parametrize("user", [0, 1000])
def test_a_sandbox_has_no_network(monkeypatch, user):
    """It cannot open a socket, and without the filter there would be nothing to reach."""
    from coursework import sandbox as module

    monkeypatch.setattr(module.os, "getuid", lambda: user if user else os.geteuid())
    with Sandbox(Limits(cell_seconds=5)) as sandbox:
        shown = sandbox.run("print(*(line.split(':')[0] for line in open('/proc/net/dev') if ':' in line))")
    assert shown[0]["text"].split() == ["lo"]


def test_unsupported_processors_are_rejected(monkeypatch):
    require_sandbox.cache_clear()
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    with pytest.raises(SandboxMissingError, match="riscv64 processors are not supported"):
        require_sandbox()
    require_sandbox.cache_clear()


def test_the_sandbox_is_as_strict_without_root(monkeypatch, listener):
    """The command differs: bubblewrap then creates a user namespace."""
    from coursework import sandbox as module

    monkeypatch.setattr(module.os, "getuid", lambda: 1000)
    assert "--unshare-all" in module.bubblewrap(Limits())
    with Sandbox(Limits(cell_seconds=5)) as sandbox:
        assert sandbox.run("print(6 * 7)")[0]["text"] == "42\n"
        call = f"import socket; socket.create_connection(('127.0.0.1', {listener.port}))"
        for code, error in {
            call: "PermissionError",
            f"open({str(module.HERE / 'grade.py')!r})": "FileNotFoundError",
            "open('/course/x', 'w')": "OSError",
        }.items():
            assert sandbox.run(code)[-1]["ename"] == error, code
    assert listener.came == []


def test_it_runs_without_bubblewrap_if_configured(monkeypatch):
    monkeypatch.setenv("PATH", os.path.dirname(shutil.which("cat")))
    with Sandbox(Limits(cell_seconds=5), unsafe=True) as sandbox:
        assert sandbox.run("print(6 * 7)")[0]["text"] == "42\n"
        with pytest.raises(SandboxError, match="exited with status 3"):
            sandbox.run("import os; os._exit(3)")
