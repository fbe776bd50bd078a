"""One sandbox for one submission: bubblewrap around a Python that sees the packages and its own small home.

The submission's process has no network and none of the instructor's variables; no file of the course, no
other student and no gradebook is in its sight. Time, memory, processes, files and output are limited, and of
what it sends the grader reads no more than a limit.
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

GRACE = 3  # seconds after which a sandbox that does not stop a cell by itself is ended
START = 120  # seconds in which a sandbox has to be ready
INSIDE = ("-m", "coursework.inside")
NOBODY = 60_000  # the first of the user numbers that sandboxes get when the grader is root


class SandboxError(RuntimeError):
    """The sandbox is no longer there; the message says what the submission did."""


class NotGradedError(RuntimeError):
    """It is no longer there, and by no doing of the submission's: nobody's points hang on that."""


class Sandbox:
    """A notebook's process in a sandbox: `run(code)` gives a cell's outputs, `call(…)` asks its functions."""

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
        self.base = limits.memory_mb * 2**20 * 5 // 4  # one process alone gets a MemoryError before that
        self.watcher = threading.Thread(target=self.watch, daemon=True)
        self.watcher.start()
        try:
            self.begin(unsafe)
        except BaseException:
            self.close()
            raise

    def begin(self, unsafe: bool) -> None:
        """Waits until it is ready; raises NotGradedError where it does not come to that."""
        traits = {name: getattr(self.limits, name) for name in self.limits.trait_names(config=True)}
        user = NOBODY + self.process.pid % 5000 if os.getuid() == 0 and not unsafe else None
        try:
            self.send(traits | {"user": user}, START)
            self.receive(START, 10_000)
        except SandboxError as error:
            raise NotGradedError(f"its sandbox did not start: {error}") from None
        found = family(self.process.pid)
        if not unsafe and len(found) < 2:
            raise NotGradedError("this machine does not tell which processes run in a sandbox")
        self.base += sum(memory(process, exact=False) for process in found)
        self.watched = not unsafe
        self.deadline = time.monotonic() + self.limits.submission_seconds

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
        self.send(message | {"seconds": seconds}, self.limits.cell_seconds + GRACE)
        return self.receive(seconds + GRACE, most)

    def send(self, message: dict, seconds: float) -> None:
        """Written as the sandbox takes it: one that does not read cannot hold the grader up."""
        line, until = memoryview(values.dumps(message)), time.monotonic() + seconds
        os.set_blocking(self.process.stdin.fileno(), False)
        while line and not self.ended:
            _, ready, _ = select.select([], [self.process.stdin], [], 0.1)
            try:
                line = line[os.write(self.process.stdin.fileno(), line[: 2**16]) if ready else 0 :]
            except BrokenPipeError:
                self.end(self.last_words())
            if time.monotonic() > until:
                self.end("its process stopped listening")
        self.check()

    def receive(self, seconds: float, most: int) -> dict:
        until = time.monotonic() + seconds
        while b"\n" not in self.buffer:
            self.check()
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
        """Ends the sandbox when it takes more than its share, and when that can no longer be seen."""
        try:
            while self.process.poll() is None and not self.ended:
                self.look()
                time.sleep(0.05)
        except Exception as error:
            self.stop(f"the grader lost sight of it: {type(error).__name__}: {error}", fault=True)

    def look(self) -> None:
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
        elif self.watched and count_files(found) > self.limits.files:
            self.stop(f"it made more than {self.limits.files:,} files")
        elif memory_left() < 300 * 2**20:
            self.stop("the machine ran short of memory", fault=True)

    def stop(self, reason: str, *, fault: bool = False) -> None:
        """Kills it; `fault` where that is the machine's or the grader's, not the submission's."""
        if not self.ended:
            self.ended, self.fault = reason, fault
        if self.folder:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
        self.process.kill()  # bubblewrap takes every process of the sandbox with it

    def check(self) -> None:
        """Raises where it has ended."""
        if self.ended:
            raise (NotGradedError if self.fault else SandboxError)(self.ended)

    def end(self, reason: str):
        self.stop(reason)
        self.check()

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
