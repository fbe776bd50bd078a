"""The process in the sandbox: runs a notebook's cells and calls its functions when the grader requests it.

The grader must not trust this process: the student's code runs in it and can change everything here. So the
grader calls the student's functions from its own copy of the tests (recheck.py) and limits what it reads.
"""

import contextlib
import json
import os
import resource
import signal
import sys
from base64 import b64encode
from pathlib import Path

from coursework import values


class CellTimeout(BaseException):
    """Raised at the time limit. Not an Exception, so `except Exception` in a loop cannot catch it."""


class OutputError(Exception):
    pass


class Stream:
    """Replaces stdout and stderr: adds printed text to the cell's outputs."""

    encoding, errors = "utf-8", "replace"

    def __init__(self, name: str, cell: "Cell"):
        self.name, self.cell = name, cell

    def write(self, text) -> int:
        text = str(text)
        self.cell.add({"output_type": "stream", "name": self.name, "text": text}, len(text))
        return len(text)

    def writelines(self, lines):
        for line in lines:
            self.write(line)

    def flush(self):
        pass

    def isatty(self):
        return False


class Cell:
    """The running cell's outputs; `add` stops the cell with an OutputError when they exceed `limit`."""

    def __init__(self, limit: int):
        self.limit = limit
        self.start()

    def start(self):
        self.outputs, self.size, self.full = [], 0, False

    def add(self, output: dict, size: int):
        room = self.limit - self.size
        self.size += size
        if size > room:
            was_full, self.full = self.full, True
            if was_full:
                return
            if output["output_type"] == "stream" and room > 0:
                self.join(output | {"text": output["text"][:room]})
            raise OutputError(f"more than {self.limit // 1000:,} kB of output: the cell was stopped")
        self.join(output)

    def join(self, output: dict):
        last = self.outputs[-1] if self.outputs else None
        same = (
            last
            and last["output_type"] == "stream" == output["output_type"]
            and last["name"] == output["name"]
        )
        if same:
            last["parts"].append(output["text"])
        else:
            self.outputs.append(output | {"parts": [output["text"]]} if "text" in output else output)

    def finish(self) -> list[dict]:
        done = []
        for output in self.outputs:
            parts = output.pop("parts", None)
            done.append(output | {"text": "".join(parts)} if parts else output)
        return done


def start_shell(cell: Cell):
    """Start IPython without history and colors; figures and displayed values become outputs of `cell`."""
    from IPython.core.displayhook import DisplayHook
    from IPython.core.displaypub import DisplayPublisher
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets import Type
    from traitlets.config import Config

    class Publisher(DisplayPublisher):
        def publish(self, data, metadata=None, **_):
            add("display_data", data)

        def clear_output(self, wait=False):
            pass

    class Hook(DisplayHook):
        def __call__(self, result=None):
            if result is not None:
                add("execute_result", shell.display_formatter.format(result)[0])

    class Shell(InteractiveShell):
        display_pub_class, displayhook_class = Type(Publisher), Type(Hook)

        def enable_gui(self, gui=None):
            pass

        def _showtraceback(self, kind, error, lines):
            text = [str(line)[:4000] for line in lines][-20:]
            found = {"ename": kind.__name__, "evalue": str(error)[:2000], "traceback": text}
            cell.outputs.append({"output_type": "error"} | found)

    config = Config()
    config.HistoryManager.enabled = False
    config.InteractiveShell.colors = "nocolor"
    shell = Shell.instance(config=config)

    def add(kind, data):
        kept = {name: data[name] for name in ("text/plain", "image/png", "image/jpeg") if name in data}
        kept = {
            name: item if isinstance(item, str) else b64encode(item).decode() for name, item in kept.items()
        }
        cell.add({"output_type": kind, "data": kept, "metadata": {}}, sum(map(len, kept.values())))

    shell.run_line_magic("matplotlib", "inline")
    return shell


def limit_resources(limits: dict):
    """Set the resource limits of each process; the grader also monitors the sandbox as a whole."""
    mapped = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    for name, value in {
        "AS": mapped + limits["memory_mb"] * 2**20,
        "NPROC": limits["processes"],
        "NOFILE": 256,
        "FSIZE": limits["disk_mb"] * 2**20,
        "CORE": 0,
    }.items():
        resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (value, value))


def limited(seconds: float, work):
    """Return `work()`; raise CellTimeout in it after `seconds`, and again each second until it ends."""

    def stop(*_):
        raise CellTimeout(f"stopped after {seconds:g} seconds")

    signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)
    try:
        return work()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def call(shell, message: dict) -> dict:
    """Call a function of the student's; return its value or its error, with the state of its arguments."""
    import torch

    name, known = message["function"], values.Known()
    if name not in shell.user_ns:
        return {"error": "NameError", "says": f"the notebook defines no function {name}"}
    try:
        arguments, named = values.decode(message["given"], known)
        torch.set_rng_state(values.decode(message["random"]))
        value = limited(message["seconds"], lambda: shell.user_ns[name](*arguments, **named))
        return {"value": values.encode(value, known)}
    except BaseException as error:
        reply = {"error": type(error).__name__, "says": str(error)[:2000]}
        with contextlib.suppress(Exception):
            reply["value"] = values.encode(None, known)
        return reply


def main():
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)
    os.dup2(nowhere, 1)
    limits = json.loads(requests.readline())
    if limits["user"]:  # the grader is root, and RLIMIT_NPROC does not apply to root
        os.setgroups([])
        os.setresgid(*[limits["user"]] * 3)
        os.setresuid(*[limits["user"]] * 3)
    import matplotlib.pyplot
    import torch

    import attnbook  # noqa: F401  imported now so that it doesn't count towards the submission's limits

    torch.set_num_threads(1)
    cell = Cell(limits["output_kb"] * 1000)
    shell = start_shell(cell)
    limit_resources(limits)
    sys.stdout, sys.stderr = Stream("stdout", cell), Stream("stderr", cell)

    os.dup2(nowhere, 2)

    def send(message):
        replies.write(values.dumps(message))
        replies.flush()

    send({"ready": True})
    for line in requests:
        message = values.loads(line)
        cell.start()
        if "function" in message:
            reply = call(shell, message)
        else:
            try:
                limited(
                    message["seconds"], lambda code=message["code"]: shell.run_cell(code, store_history=False)
                )
                matplotlib.pyplot.close("all")
            except BaseException as error:
                shell._showtraceback(type(error), error, [])
            reply = {"outputs": cell.finish()}
        send(reply)


if __name__ == "__main__":
    main()
