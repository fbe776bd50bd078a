"""One submission graded in a process of its own, which the grader does not wait for without end.

What a sandbox sends is read in that process. Where reading it, or the tests that look at it,
would not come to an end, the process is ended, and what it had told of until then counts.
"""

import contextlib
import resource
from pathlib import Path

from coursework.align import is_test, name_of
from coursework.course import Course
from coursework.judge import fail, grade_one
from coursework.outputs import plain
from coursework.sandbox import GRACE, START, Limits, NotGradedError

SLACK = 30  # seconds more than a cell can take by its own limits
ROOM = 3 * 2**30  # bytes that it may map beyond what Python and PyTorch take


def in_process(context, folder: Path, name: str, student: str, unsafe: bool) -> dict:
    """Grades one submission in a process of its own, forked from one that has imported everything."""
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=report_result, args=(theirs, folder, name, student, unsafe), daemon=True)
    process.start()
    theirs.close()
    try:
        return listen(ours, process, Limits(config=Course(folder).config))
    finally:
        process.kill()  # bubblewrap goes with it
        process.join()
        ours.close()


def listen(pipe, process, limits: Limits) -> dict:
    """The result, or what there is of it when its process says nothing for too long."""
    patience = 3 * (limits.cell_seconds + GRACE) + SLACK  # a cell's run, and its recheck
    result, done, at = None, set(), "its start"
    try:
        while pipe.poll(patience + START if not done else patience):
            match pipe.recv():
                case "result", dict(whole):
                    return whole
                case "aligned", dict(begun):
                    result = begun
                case "cell", int(place), outputs, list(said):
                    cell = result["notebook"].cells[place]
                    cell.outputs, result["says"], at = outputs, said, name_of(cell) or place + 1
                    done.add(place)
                case "not graded", str(why):
                    raise NotGradedError(why)
                case "failed", str(why):
                    raise RuntimeError(why)
    except EOFError:
        process.join()
        raise RuntimeError(f"its process ended with {process.exitcode}") from None
    if not done:
        raise NotGradedError(f"nothing was heard of its process for {patience + START} seconds")
    why = f"checking what it returned did not end within {patience} seconds"
    for place, cell in enumerate(result["notebook"].cells):
        if place not in done and is_test(cell):
            fail(cell, "NotChecked", why)
    says = f"after cell {at}: {why}; what was not checked until then counts 0"
    return result | {"says": [plain(says), *result["says"]]}


def report_result(pipe, folder: Path, name: str, student: str, unsafe: bool) -> None:
    def tell(*message):
        pipe.send(message)

    bound_memory()
    try:
        tell("result", grade_one(Course(folder), name, student, unsafe=unsafe, tell=tell))
    except NotGradedError as error:
        tell("not graded", str(error))
    except KeyboardInterrupt:
        tell("failed", "interrupted")
    except Exception as error:
        tell("failed", f"{type(error).__name__}: {error}"[:2000])


def bound_memory() -> None:
    """A value that would take all memory becomes a MemoryError here. (The sandbox sets limits of its own.)"""
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    with contextlib.suppress(ValueError):  # a tighter one is set already
        resource.setrlimit(resource.RLIMIT_AS, (mapped + ROOM, most))
