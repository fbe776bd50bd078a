"""Repeat the tests outside the sandbox, in the grader's own process.

Stand-ins replace the functions of the solution cells and call the student's functions in the sandbox.
So hidden tests never enter a sandbox, and a submission that patches torch.allclose cannot affect the tests.
"""

import ast
import builtins
import contextlib
import io
import signal
import time
import traceback
import warnings
from functools import cache
from types import CodeType
from typing import NamedTuple

import torch
from IPython.core.inputtransformer2 import TransformerManager
from nbgrader import utils

from coursework import values
from coursework.outputs import plain, sound
from coursework.sandbox import Sandbox


class Failure(NamedTuple):
    name: str
    says: str
    hidden: bool


class Recheck:
    """Runs the instructor's locked cells and tests with the student's functions in a sandbox."""

    def __init__(self, source, sandbox: Sandbox):
        self.cells = {cell.metadata.nbgrader.grade_id: cell for cell in source.cells}
        self.sandbox = sandbox
        self.namespace = {"__name__": "__main__"}
        self.endless: set[str] = set()
        self.until = 0.0
        self.raised: Exception | None = None  # the last error that a student's function raised

    def pass_by(self, name: str) -> None:
        """Run a locked cell, or define stand-ins for a solution cell's functions."""
        cell = self.cells[name]
        if utils.is_solution(cell):
            for function in functions_of(cell.source):
                self.namespace[function] = self.stand_in(function)
        else:
            self.execute(name)

    def test(self, name: str) -> Failure | None:
        """Run a test; return None if it passes.

        Raises NotGradedError or SandboxError if the sandbox has ended.
        """
        seconds = self.sandbox.limits.cell_seconds
        self.until = time.monotonic() + seconds

        def stop(*_):
            raise TimeoutError(f"the test did not finish within {seconds} seconds")

        signal.signal(signal.SIGALRM, stop)
        signal.alarm(seconds + 5)
        try:
            self.execute(name)
        except (Exception, SystemExit) as error:
            self.sandbox.check()
            return self.failure(name, error)
        finally:
            signal.alarm(0)
        return None

    def failure(self, name: str, error: BaseException) -> Failure:
        """Describe an error, without the student's own message in a hidden test: it could reveal inputs."""
        hidden, kind = self.in_hidden(name, error), type(error).__name__
        if hidden and error is self.raised:
            return Failure(kind, "your function raised this error in a hidden test", hidden)
        return Failure(kind, sound(str(error)[:2000]), hidden)

    def in_hidden(self, name: str, error: BaseException) -> bool:
        """Whether the error occurred in the hidden part of the test."""
        lines = self.cells[name].source.splitlines()
        frames = traceback.extract_tb(error.__traceback__)
        failed = max((frame.lineno for frame in frames if frame.filename == f"<{name}>"), default=0)
        marks = [line.strip() for line in lines[:failed]]
        return marks.count("### BEGIN HIDDEN TESTS") > marks.count("### END HIDDEN TESTS")

    def execute(self, name: str) -> None:
        code = compiled(self.cells[name].source, name)
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            exec(code, self.namespace)

    def stand_in(self, function: str):
        def ask(*arguments, **named):
            left = self.until - time.monotonic()
            if function in self.endless or left <= 0:
                raise TimeoutError(f"{function} did not finish in time")
            known = values.Known()
            given = values.encode((arguments, named), known)
            reply = self.sandbox.call(function, given, torch.get_rng_state(), left)
            if reply.get("error") == "CellTimeout":
                self.endless.add(function)
            if "error" not in reply:
                return values.decode(reply.get("value"), known)  # also applies changes to the arguments
            if "value" in reply:
                values.decode(reply["value"], known)
            self.raised = as_error(reply)
            raise self.raised

        ask.__name__ = function
        return ask


@cache
def compiled(source: str, name: str) -> CodeType:
    return compile(TransformerManager().transform_cell(source), f"<{name}>", "exec")


def as_error(reply: dict) -> Exception:
    """Rebuild the student's error: built-in ones with their own type, so that tests can expect them."""
    name, says = plain(reply["error"], 200), str(reply.get("says", ""))[:2000]
    kind = getattr(builtins, name, None)
    if isinstance(kind, type) and issubclass(kind, Exception) and not issubclass(kind, UnicodeError):
        return kind(says)
    return RuntimeError(f"{name}: {says}")


def functions_of(source: str) -> list[str]:
    """Return the names of the functions defined at the top level of a cell."""
    tree = ast.parse(TransformerManager().transform_cell(source))
    return [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
