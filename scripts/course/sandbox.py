"""One sandbox for one submission: bubblewrap around a Python that sees the packages and its own small home.

The submission's process has no network and none of the instructor's variables; no file of the course, no
other student and no gradebook is in its sight. Time, memory, processes, files and output are limited, and of
what it sends the grader reads no more than a limit.
"""

import base64
import contextlib
import os
import platform
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from functools import cache
from pathlib import Path

import matplotlib
import syscalls
import torch
import values
from matplotlib.font_manager import FontManager
from traitlets import Integer
from traitlets.config import Configurable

import attnbook

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
PYTHON = f"{PREFIX}/bin/{Path(sys.executable).name}"
GRACE = 3  # seconds after which a sandbox that does not stop a cell by itself is ended
START = 120  # seconds in which a sandbox has to be ready
NOBODY = 60_000  # the first of the user numbers that sandboxes get when the grader is root


class Limits(Configurable):
    """What one submission may take. Set in nbgrader_config.py: `c.Limits.memory_mb = 2000`."""

    cell_seconds = Integer(20, help="for one cell, and for the checks of one test cell").tag(config=True)
    submission_seconds = Integer(180, help="for the whole submission").tag(config=True)
    memory_mb = Integer(
        1500, help="for all processes of a submission, beyond what Python and PyTorch take"
    ).tag(config=True)
    processes = Integer(64, help="processes and threads at the same time").tag(config=True)
    output_kb = Integer(500, help="output of one cell").tag(config=True)
    disk_mb = Integer(64, help="files that it writes").tag(config=True)
    files = Integer(5000, help="how many of them").tag(config=True)
    message_mb = Integer(16, help="one value that a student's function returns").tag(config=True)


class SandboxMissingError(RuntimeError):
    """Grading cannot be made safe on this machine."""


class SandboxError(RuntimeError):
    """The sandbox is no longer there; the message says why."""


MISSING = """Grading runs each submission in bubblewrap, and that does not work here: {reason}
  Debian, Ubuntu   sudo apt install bubblewrap      (version 0.8 or newer)
  Ubuntu 24.04+    sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0      (lets it make namespaces)
  elsewhere        grade on a Linux machine
`UNSAFE=yes` grades without it: then each submission can read and change all that you can."""


def bubblewrap(limits: Limits) -> list[str]:
    """The command that what is to run in the sandbox is added to."""
    size = str(limits.disk_mb * 2**20)
    command = ["bwrap", "--die-with-parent", "--new-session", "--clearenv", "--cap-drop", "ALL"]
    if os.getuid() == 0:  # inside.py turns into a user of its own, whose processes can be counted
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
    command += ["--ro-bind", "/dev/null", "/dev/zero"]  # of which memory could be made
    for path in ("/dev/shm", "/tmp"):
        command += ["--perms", "1777", "--size", size, "--tmpfs", path]
    for path in SYSTEM:
        if os.path.islink(path):
            command += ["--symlink", os.readlink(path), path]
        else:
            command += ["--ro-bind-try", path, path]
    seen = {path: path for path in {PREFIX, os.path.realpath(sys.base_prefix)} if not path.startswith("/usr")}
    seen |= {str(Path(attnbook.__file__).parent): "/course/attnbook"}
    seen |= {str(HERE / name): f"/course/{name}" for name in ("inside.py", "values.py", "memory.py")}
    for path, place in seen.items():
        for parent in reversed(Path(place).parents[:-1]):
            command += ["--perms", "0755", "--dir", str(parent)]
        command += ["--ro-bind", path, place]
    fonts = Path(matplotlib.get_cachedir(), f"fontlist-v{FontManager.__version__}.json")
    if fonts.is_file():  # looking for all fonts anew takes a sandbox seconds
        for folder in ("/tmp/.cache", "/tmp/.cache/matplotlib"):
            command += ["--perms", "0777", "--dir", folder]
        command += ["--ro-bind", str(fonts), f"/tmp/.cache/matplotlib/{fonts.name}"]
    command += ["--remount-ro", "/dev", "--remount-ro", "/"]
    for name, value in environment("/tmp", "/course").items():
        command += ["--setenv", name, value]
    return command


def environment(home: str, course: str) -> dict[str, str]:
    """All variables that a submission sees."""
    threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    names = {
        "HOME": home,
        "PYTHONPATH": course,
        "USER": "student",
        "PATH": "/usr/bin:/bin",
        "LANG": "C.UTF-8",
    }
    return threads | names | {"PYTHONDONTWRITEBYTECODE": "1", "TQDM_DISABLE": "1", "PYTHONHASHSEED": "0"}


@contextlib.contextmanager
def filtered(command: list[str]):
    """The command with the filter of system calls, and the pipe through which bubblewrap gets that."""
    ours, theirs = os.pipe()
    try:
        os.write(theirs, syscalls.program())
        os.close(theirs)
        yield [command[0], "--seccomp", str(ours), *command[1:]], [ours]
    finally:
        os.close(ours)


@cache
def check_sandbox() -> None:
    """Raises SandboxMissingError, with what to do, unless a sandbox can be started here."""
    if not syscalls.known_machine():
        raise SandboxMissingError(MISSING.format(reason=f"it knows no {platform.machine()} processors."))
    if not shutil.which("bwrap"):
        raise SandboxMissingError(MISSING.format(reason="the command bwrap is missing."))
    with filtered([*bubblewrap(Limits()), PYTHON, "-c", ""]) as (command, pipes):
        done = subprocess.run(command, pass_fds=pipes, capture_output=True, text=True)
    if done.returncode:
        raise SandboxMissingError(
            MISSING.format(reason=done.stderr.strip() or f"bwrap ends with {done.returncode}.")
        )


class Sandbox:
    """A notebook's process in a sandbox: `run(code)` gives a cell's outputs, `call(…)` asks its functions."""

    def __init__(self, limits: Limits, *, unsafe: bool = False):
        self.limits, self.ended, self.peak, self.root = limits, "", 0, None
        self.folder = tempfile.TemporaryDirectory(prefix="submission-") if unsafe else None
        pipe = subprocess.PIPE
        options = {"stdin": pipe, "stdout": pipe, "stderr": pipe, "bufsize": 0}
        if unsafe:
            env = environment(self.folder.name, f"{Path(attnbook.__file__).parents[1]}:{HERE}")
            options |= {"cwd": self.folder.name, "env": env | {"PATH": os.environ["PATH"]}}
            command = [sys.executable, str(HERE / "inside.py")]
            self.process = subprocess.Popen(command, start_new_session=True, **options)
        else:
            with filtered([*bubblewrap(limits), PYTHON, "/course/inside.py"]) as (command, pipes):
                self.process = subprocess.Popen(command, cwd="/", pass_fds=pipes, **options)
        self.buffer = b""
        self.deadline = time.monotonic() + START
        self.base = limits.memory_mb * 2**20 * 5 // 4  # one process alone gets a MemoryError before that
        self.watcher = threading.Thread(target=self.watch, daemon=True)
        self.watcher.start()
        traits = {name: getattr(limits, name) for name in limits.trait_names(config=True)}
        self.send(
            traits | {"user": NOBODY + self.process.pid % 5000 if os.getuid() == 0 and not unsafe else None}
        )
        self.receive(START, 10_000)
        self.base += sum(memory(process, exact=False) for process in family(self.process.pid))
        self.root = None if unsafe else f"/proc/{family(self.process.pid)[1]}/root"
        self.deadline = time.monotonic() + limits.submission_seconds

    def run(self, code: str) -> list[dict]:
        """The outputs of a cell; raises SandboxError where it took the sandbox with it."""
        reply = self.ask({"code": code}, 3 * 1000 * self.limits.output_kb + 500_000)
        outputs = reply.get("outputs")
        if not isinstance(outputs, list):
            self.end("its process sent what is no cell's output")
        return [output for output in map(clean_output, outputs) if output]

    def call(self, function: str, given: dict, random: torch.Tensor, seconds: float) -> dict:
        """The reply to a call of a student's function: {"value"}, and where it fails {"error", "says"}."""
        message = {"function": function, "given": given, "random": values.encode(random)}
        return self.ask(message, self.limits.message_mb * 2**20, seconds)

    def ask(self, message: dict, most: int, seconds: float | None = None) -> dict:
        seconds = max(0.1, min(seconds or self.limits.cell_seconds, self.deadline - time.monotonic()))
        self.send(message | {"seconds": seconds})
        return self.receive(seconds + GRACE, most)

    def send(self, message: dict) -> None:
        """Written as the sandbox takes it: one that does not read cannot hold the grader up."""
        line, until = memoryview(values.dumps(message)), time.monotonic() + START
        os.set_blocking(self.process.stdin.fileno(), False)
        while line and not self.ended:
            _, ready, _ = select.select([], [self.process.stdin], [], 0.1)
            try:
                line = line[os.write(self.process.stdin.fileno(), line[: 2**16]) if ready else 0 :]
            except BrokenPipeError:
                self.end(self.last_words())
            if time.monotonic() > until:
                self.end("its process stopped listening")
        if self.ended:
            raise SandboxError(self.ended)

    def receive(self, seconds: float, most: int) -> dict:
        until = time.monotonic() + seconds
        while b"\n" not in self.buffer:
            if self.ended:
                raise SandboxError(self.ended)
            if time.monotonic() > until:
                over = time.monotonic() > self.deadline
                limit = self.limits.submission_seconds if over else self.limits.cell_seconds
                self.end(
                    f"it took more than {limit} seconds"
                    + (" altogether" if over else " and would not be interrupted")
                )
            if len(self.buffer) > most:
                self.end(f"its process sent more than {most / 1e6:.0f} MB at once")
            if select.select([self.process.stdout], [], [], 0.1)[0]:
                chunk = os.read(self.process.stdout.fileno(), 2**20)
                if not chunk:
                    self.end(self.last_words())
                self.buffer += chunk
        line, self.buffer = self.buffer.split(b"\n", 1)
        try:
            return values.loads(line)
        except values.ValueRefusedError:
            self.end("its process sent what is no message")

    def last_words(self) -> str:
        """Why the process is gone, as far as it can be told."""
        try:
            code = self.process.wait(2)
        except subprocess.TimeoutExpired:
            return "its process closed its connection"
        said = self.process.stderr.read(2000).decode(errors="replace").strip()
        if said and code:
            said = f": {said.splitlines()[-1]}"
        return self.ended or f"its process ended itself (exit status {code}){said}"

    def watch(self) -> None:
        """Ends the sandbox when it takes more than its share."""
        while self.process.poll() is None and not self.ended:
            found = family(self.process.pid)
            taken = sum(memory(process, exact=False) for process in found)
            if taken > self.base:  # pages that processes share were counted more than once
                taken = sum(memory(process, exact=True) for process in found)
            self.peak = max(self.peak, taken)
            threads = sum(count_threads(process) for process in found)
            if taken > self.base:
                self.stop(f"it took more than {self.limits.memory_mb:,} MB of memory")
            elif threads > self.limits.processes + 20:
                self.stop(f"it started more than {self.limits.processes} processes")
            elif self.root and count_files(self.root) > self.limits.files:
                self.stop(f"it made more than {self.limits.files:,} files")
            elif memory_left() < 300 * 2**20:
                self.stop("the machine ran short of memory")
            time.sleep(0.05)

    def stop(self, reason: str) -> None:
        self.ended = self.ended or reason
        if self.folder:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
        self.process.kill()  # bubblewrap takes every process of the sandbox with it

    def end(self, reason: str):
        self.stop(reason)
        raise SandboxError(self.ended)

    def close(self) -> None:
        if self.process.poll() is None:
            self.stop("it is done")
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            stream.close()
        self.watcher.join()
        if self.folder:
            self.folder.cleanup()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def family(process: int) -> list[int]:
    """A process, its children, theirs, and so on, as this machine numbers them."""
    found, look = [], [process]
    while look:
        number = look.pop()
        found.append(number)
        with contextlib.suppress(OSError):
            for thread in os.listdir(f"/proc/{number}/task"):
                look += map(int, Path(f"/proc/{number}/task/{thread}/children").read_text().split())
    return found


def memory(process: int, *, exact: bool) -> int:
    """Bytes that a process holds; `exact` divides what is shared among its holders, and takes longer."""
    try:
        lines = Path(f"/proc/{process}/{'smaps_rollup' if exact else 'status'}").read_text().splitlines()
    except OSError:
        return 0
    wanted = ("Pss_Anon:", "Pss_Shmem:", "SwapPss:") if exact else ("RssAnon:", "RssShmem:", "VmSwap:")
    return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith(wanted))


def count_threads(process: int) -> int:
    try:
        return len(os.listdir(f"/proc/{process}/task"))
    except OSError:
        return 0


def count_files(root: str) -> int:
    """Files in the memory that a sandbox may write to: also an empty one takes some that no process holds."""
    count = 0
    for folder in ("tmp", "dev/shm"):
        with contextlib.suppress(OSError):
            about = os.statvfs(f"{root}/{folder}")
            count += about.f_files - about.f_ffree
    return count


def memory_left() -> int:
    found = [
        line for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemAvailable:")
    ]
    return 1024 * int(found[0].split()[1])


def clean_output(output) -> dict | None:
    """An output as a notebook may hold it, text and pixels: never HTML, scripts, SVG or widgets."""
    match output:
        case {"output_type": "stream", "name": "stdout" | "stderr" as name, "text": str(text)}:
            return {"output_type": "stream", "name": name, "text": text}
        case {"output_type": "error", "ename": str(name), "evalue": str(says), "traceback": [*lines]}:
            return {
                "output_type": "error",
                "ename": name[:200],
                "evalue": says,
                "traceback": [line for line in lines if isinstance(line, str)],
            }
        case {"output_type": "display_data" | "execute_result" as kind, "data": dict(data)}:
            kept = {
                name: item for name, item in data.items() if name == "text/plain" and isinstance(item, str)
            }
            kept |= {name: picture(name, item) for name, item in data.items() if picture(name, item)}
            found = {"output_type": kind, "data": kept, "metadata": {}}
            return found | ({"execution_count": None} if kind == "execute_result" else {})
    return None


def picture(name, item) -> str:
    """The base64 of what is a PNG or JPEG by its first bytes, and nothing but base64; else ""."""
    first = {"image/png": b"\x89PNG\r\n\x1a\n", "image/jpeg": b"\xff\xd8\xff"}.get(name)
    try:
        text = "".join(item.split())
        return text if first and base64.b64decode(text, validate=True).startswith(first) else ""
    except (AttributeError, ValueError):
        return ""
