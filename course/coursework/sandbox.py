"""Run one submission in a sandbox: a Python process inside bubblewrap.

The process can read the system's programs, Python and its packages, and write to a small home folder. It has
no network, none of the instructor's environment variables, and no access to the course's files, to other
submissions or to the gradebook. Time, memory, processes, files, output and message size are limited.
"""

import contextlib
import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import torch

import attnbook
from coursework import values
from coursework.bubblewrap import HERE, PYTHON, Limits, bubblewrap, environment, filtered
from coursework.outputs import clean_output
from coursework.watch import count_files, count_threads, family, memory, memory_left

GRACE = 3  # seconds that a sandbox gets to interrupt a cell itself, before it is killed
START = 120  # seconds that a sandbox gets to start
INSIDE = ("-m", "coursework.inside")
NOBODY = 60_000  # the first user ID for sandboxes when the grader is root


class SandboxError(RuntimeError):
    """The sandbox ended because of the submission; the message says why."""


class NotGradedError(RuntimeError):
    """The sandbox ended because of the machine or the grader: the submission must not be scored."""


class Sandbox:
    """A notebook's process in a sandbox: `run` runs a cell, `call` calls a function that a cell defined.

    With `unsafe`, the process runs without bubblewrap and can read and change everything that the grader can.
    """

    def __init__(self, limits: Limits, *, unsafe: bool = False):
        self.limits, self.ended, self.fault, self.peak, self.watched = limits, "", False, 0, False
        self.folder = tempfile.TemporaryDirectory(prefix="submission-") if unsafe else None
        pipe = subprocess.PIPE
        options = {"stdin": pipe, "stdout": pipe, "stderr": pipe, "bufsize": 0}
        if unsafe:
            env = environment(self.folder.name, f"{Path(attnbook.__file__).parents[1]}:{HERE.parent}")
            options |= {"cwd": self.folder.name, "env": env | {"PATH": os.environ["PATH"]}}
            command = [sys.executable, *INSIDE]
            self.process = subprocess.Popen(command, start_new_session=True, **options)
        else:
            with filtered([*bubblewrap(limits), PYTHON, *INSIDE]) as (command, pipes):
                self.process = subprocess.Popen(command, cwd="/", pass_fds=pipes, **options)
        self.buffer = b""
        self.deadline = time.monotonic() + START
        # A single process gets a MemoryError from RLIMIT_AS before this limit on the whole sandbox.
        self.base = limits.memory_mb * 2**20 * 5 // 4
        self.watcher = threading.Thread(target=self.watch, daemon=True)
        self.watcher.start()
        try:
            self.begin(unsafe)
        except BaseException:
            self.close()
            raise

    def begin(self, unsafe: bool) -> None:
        """Wait until the sandbox is ready; raise NotGradedError if it doesn't start."""
        traits = {name: getattr(self.limits, name) for name in self.limits.trait_names(config=True)}
        user = NOBODY + self.process.pid % 5000 if os.getuid() == 0 and not unsafe else None
        try:
            self.send(traits | {"user": user}, START)
            self.receive(START, 10_000)
        except SandboxError as error:
            raise NotGradedError(f"the sandbox did not start: {error}") from None
        found = family(self.process.pid)
        if not unsafe and len(found) < 2:
            raise NotGradedError("this machine does not list the processes of a sandbox")
        self.base += sum(memory(process, exact=False) for process in found)
        self.watched = not unsafe
        self.deadline = time.monotonic() + self.limits.submission_seconds

    def run(self, code: str) -> list[dict]:
        """Run a cell and return its outputs; raise SandboxError if the sandbox ended."""
        reply = self.ask({"code": code}, 3 * 1000 * self.limits.output_kb + 500_000)
        outputs = reply.get("outputs")
        if not isinstance(outputs, list):
            self.end("its process sent an invalid cell output")
        return [output for output in map(clean_output, outputs) if output]

    def call(self, function: str, given: dict, random: torch.Tensor, seconds: float) -> dict:
        """Call a student's function; return {"value": …}, or {"error": …, "says": …} if it fails.

        `given` are the encoded arguments, `random` is the state of torch's generator.
        """
        message = {"function": function, "given": given, "random": values.encode(random)}
        return self.ask(message, self.limits.message_mb * 2**20, seconds)

    def ask(self, message: dict, most: int, seconds: float | None = None) -> dict:
        """Send a request and return the reply, of at most `most` bytes, within the time limits."""
        seconds = max(0.1, min(seconds or self.limits.cell_seconds, self.deadline - time.monotonic()))
        self.send(message | {"seconds": seconds}, self.limits.cell_seconds + GRACE)
        return self.receive(seconds + GRACE, most)

    def send(self, message: dict, seconds: float) -> None:
        """Write a message without blocking: a sandbox that doesn't read must not block the grader."""
        line, until = memoryview(values.dumps(message)), time.monotonic() + seconds
        os.set_blocking(self.process.stdin.fileno(), False)
        while line and not self.ended:
            _, ready, _ = select.select([], [self.process.stdin], [], 0.1)
            try:
                line = line[os.write(self.process.stdin.fileno(), line[: 2**16]) if ready else 0 :]
            except BrokenPipeError:
                self.end(self.last_words())
            if time.monotonic() > until:
                self.end("its process stopped reading requests")
        self.check()

    def receive(self, seconds: float, most: int) -> dict:
        """Read a message; end the sandbox if it is late, too large or invalid."""
        until = time.monotonic() + seconds
        while b"\n" not in self.buffer:
            self.check()
            if time.monotonic() > until:
                over = time.monotonic() > self.deadline
                limit = self.limits.submission_seconds if over else self.limits.cell_seconds
                how = "in total" if over else "and could not be interrupted"
                self.end(f"it ran for more than {limit} seconds {how}")
            if len(self.buffer) > most:
                self.end(f"its process sent a message of more than {most / 1e6:.0f} MB")
            if select.select([self.process.stdout], [], [], 0.1)[0]:
                chunk = os.read(self.process.stdout.fileno(), 2**20)
                if not chunk:
                    self.end(self.last_words())
                self.buffer += chunk
        line, self.buffer = self.buffer.split(b"\n", 1)
        try:
            return values.loads(line)
        except values.ValueRefusedError:
            self.end("its process sent an invalid message")

    def last_words(self) -> str:
        """Return the reason why the process ended, if it is known."""
        try:
            code = self.process.wait(2)
        except subprocess.TimeoutExpired:
            return "its process closed the connection to the grader"
        said = self.process.stderr.read(2000).decode(errors="replace").strip()
        if said and code:
            said = f": {said.splitlines()[-1]}"
        return self.ended or f"its process exited with status {code}{said}"

    def watch(self) -> None:
        """Monitor the sandbox in a thread; stop it when it exceeds a limit or can no longer be monitored."""
        try:
            while self.process.poll() is None and not self.ended:
                self.look()
                time.sleep(0.05)
        except Exception as error:
            self.stop(f"the sandbox could not be monitored: {type(error).__name__}: {error}", fault=True)

    def look(self) -> None:
        found = family(self.process.pid)
        taken = sum(memory(process, exact=False) for process in found)
        if taken > self.base:  # this counts shared memory once per process, so count again
            taken = sum(memory(process, exact=True) for process in found)
        self.peak = max(self.peak, taken)
        threads = sum(count_threads(process) for process in found)
        if taken > self.base:
            self.stop(f"it used more than {self.limits.memory_mb:,} MB of memory")
        elif threads > self.limits.processes + 20:
            self.stop(f"it started more than {self.limits.processes} processes")
        elif self.watched and count_files(found) > self.limits.files:
            self.stop(f"it created more than {self.limits.files:,} files")
        elif memory_left() < 300 * 2**20:
            self.stop("the machine ran short of memory", fault=True)

    def stop(self, reason: str, *, fault: bool = False) -> None:
        """Kill the sandbox; `fault` means that the machine or the grader is to blame, not the submission."""
        if not self.ended:
            self.ended, self.fault = reason, fault
        if self.folder:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
        self.process.kill()  # when bwrap dies, all processes in its PID namespace do

    def check(self) -> None:
        """Raise NotGradedError or SandboxError if the sandbox has ended."""
        if self.ended:
            raise (NotGradedError if self.fault else SandboxError)(self.ended)

    def end(self, reason: str):
        """Kill the sandbox because of the submission, and raise SandboxError."""
        self.stop(reason)
        self.check()

    def close(self) -> None:
        if self.process.poll() is None:
            self.stop("closed by the grader")
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
