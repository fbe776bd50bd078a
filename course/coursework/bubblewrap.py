"""Build the bubblewrap command that starts a sandbox, and the limits on what runs in it."""

import contextlib
import os
import platform
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import matplotlib
from matplotlib.font_manager import FontManager
from traitlets import Integer
from traitlets.config import Configurable

import attnbook
from coursework import syscalls

HERE = Path(__file__).parent
SYSTEM = (
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/etc/ld.so.cache",
    "/etc/alternatives",
    "/etc/fonts",
)
PREFIX = os.path.realpath(sys.prefix)
PYTHONS = {PREFIX, os.path.realpath(sys.base_prefix)}
PYTHON = f"{PREFIX}/bin/{Path(sys.executable).name}"
SHARED = ("__init__.py", "inside.py", "values.py", "memory.py", "weight.py")
PACKAGE = Path(attnbook.__file__).parent


class Limits(Configurable):
    """Resource limits of one submission. Set in nbgrader_config.py: `c.Limits.memory_mb = 2000`."""

    cell_seconds = Integer(20, help="time limit for one cell, and for rechecking one test").tag(config=True)
    submission_seconds = Integer(180, help="time limit for the whole submission").tag(config=True)
    memory_mb = Integer(
        1500, help="memory of all its processes together, not counting Python and PyTorch"
    ).tag(config=True)
    processes = Integer(64, help="processes and threads at any one time").tag(config=True)
    output_kb = Integer(500, help="output of one cell").tag(config=True)
    all_output_kb = Integer(2000, help="output of all cells together").tag(config=True)
    own_cells = Integer(200, help="cells added by the student that are run").tag(config=True)
    disk_mb = Integer(64, help="size of the files in /tmp, and of those in /dev/shm").tag(config=True)
    files = Integer(5000, help="number of files in both together").tag(config=True)
    message_mb = Integer(16, help="size of one value returned by a student's function").tag(config=True)


class SandboxMissingError(RuntimeError):
    """This machine cannot start a sandbox. The message gives the reason and what to do."""


MISSING = """Grading runs each submission in a bubblewrap sandbox, which does not work here: {reason}
  Debian, Ubuntu   sudo apt install bubblewrap      (version 0.8 or newer)
  Ubuntu 24.04+    sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0      (to allow namespaces)
  other systems    grade on a Linux machine
`UNSAFE=yes` grades without a sandbox: each submission can then read and change everything that you can."""


def bubblewrap(limits: Limits) -> list[str]:
    """Return the bwrap command with its options; append the command to run in the sandbox."""
    size = str(limits.disk_mb * 2**20)
    command = ["bwrap", "--die-with-parent", "--new-session", "--clearenv", "--cap-drop", "ALL"]
    if os.getuid() == 0:  # inside.py switches to an unprivileged user, since RLIMIT_NPROC ignores root
        command += [
            "--unshare-ipc",
            "--unshare-pid",
            "--unshare-net",
            "--unshare-uts",
            "--unshare-cgroup-try",
        ]
        command += ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
    else:
        command += ["--unshare-all", "--unshare-user", "--disable-userns"]
    command += ["--hostname", "sandbox", "--chdir", "/tmp", "--proc", "/proc", "--dev", "/dev"]
    command += ["--ro-bind", "/dev/null", "/dev/zero"]  # mapping /dev/zero would give shared memory
    for path in ("/dev/shm", "/tmp"):
        command += ["--perms", "1777", "--size", size, "--tmpfs", path]
    for path in SYSTEM:
        if os.path.islink(path):
            command += ["--symlink", os.readlink(path), path]
        else:
            command += ["--ro-bind-try", path, path]
    seen = {path: path for path in PYTHONS if not path.startswith("/usr")}
    seen |= {str(PACKAGE): "/course/attnbook"}
    seen |= {str(HERE / name): f"/course/{HERE.name}/{name}" for name in SHARED}
    for path, place in seen.items():
        for parent in reversed(Path(place).parents[:-1]):
            command += ["--perms", "0755", "--dir", str(parent)]
        command += ["--ro-bind", path, place]
    fonts = Path(matplotlib.get_cachedir(), f"fontlist-v{FontManager.__version__}.json")
    if fonts.is_file():  # without Matplotlib's font cache each sandbox would spend seconds building one
        for folder in ("/tmp/.cache", "/tmp/.cache/matplotlib"):
            command += ["--perms", "0777", "--dir", folder]
        command += ["--ro-bind", str(fonts), f"/tmp/.cache/matplotlib/{fonts.name}"]
    command += ["--remount-ro", "/dev", "--remount-ro", "/"]
    for name, value in environment("/tmp", "/course").items():
        command += ["--setenv", name, value]
    return command


def exposed_by(folder: Path) -> str:
    """Return the path that is visible in every sandbox and contains this folder; "" if there is none."""
    for path in (*SYSTEM, *sorted(PYTHONS), PACKAGE):
        if folder.resolve().is_relative_to(os.path.realpath(path)):
            return str(path)
    return ""


def environment(home: str, course: str) -> dict[str, str]:
    """Return the environment variables of a submission; it gets no others."""
    threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    names = {
        "HOME": home,
        "PYTHONPATH": course,  # in the sandbox, the only place that has attnbook and SHARED, all read-only
        "USER": "student",
        "PATH": "/usr/bin:/bin",
        "LANG": "C.UTF-8",
    }
    return threads | names | {"PYTHONDONTWRITEBYTECODE": "1", "TQDM_DISABLE": "1", "PYTHONHASHSEED": "0"}


@contextlib.contextmanager
def filtered(command: list[str]):
    """Yield the command with the seccomp filter, and the file descriptors that bwrap must inherit."""
    ours, theirs = os.pipe()
    try:
        os.write(theirs, syscalls.program())
        os.close(theirs)
        yield [command[0], "--seccomp", str(ours), *command[1:]], [ours]
    finally:
        os.close(ours)


@cache
def require_sandbox() -> None:
    """Start an empty sandbox; raise SandboxMissingError, with what to do, if that fails."""
    if platform.system() != "Linux":
        raise SandboxMissingError(MISSING.format(reason=f"it needs Linux, and this is {platform.system()}."))
    if not syscalls.known_machine():
        raise SandboxMissingError(
            MISSING.format(reason=f"{platform.machine()} processors are not supported.")
        )
    if not shutil.which("bwrap"):
        raise SandboxMissingError(MISSING.format(reason="the command bwrap was not found."))
    with filtered([*bubblewrap(Limits()), PYTHON, "-c", ""]) as (command, pipes):
        done = subprocess.run(command, pass_fds=pipes, capture_output=True, text=True)
    if done.returncode:
        raise SandboxMissingError(
            MISSING.format(reason=done.stderr.strip() or f"bwrap exits with status {done.returncode}.")
        )
