"""Grade one submission in a separate process, with a time-out.

That process reads what the sandbox sends and runs the tests on it. If either takes too long, the process is
killed and the results that it has reported so far count.
"""

import contextlib
import resource
import signal
from pathlib import Path

from coursework.align import is_test, name_of
from coursework.course import Course
from coursework.judge import fail, grade_one
from coursework.outputs import plain
from coursework.sandbox import GRACE, START, Limits, NotGradedError

SLACK = 30  # seconds allowed beyond a cell's own time limits
ROOM = 3 * 2**30  # bytes of address space, beyond what Python and PyTorch take


def in_process(context, folder: Path, name: str, student: str, unsafe: bool) -> dict:
    """Grade one submission in a new process of `context`, whose fork server has imported everything."""
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=report_result, args=(theirs, folder, name, student, unsafe), daemon=True)
    process.start()
    theirs.close()
    try:
        return listen(ours, process, Limits(config=Course(folder).config))
    finally:
        process.kill()  # bwrap dies with its parent
        process.join()
        ours.close()


def listen(pipe, process, limits: Limits) -> dict:
    """Return the process's result, or a partial result if it crashes or reports nothing for too long.

    Raises NotGradedError or RuntimeError if the machine or the grader is at fault: before the process begins
    with the submission, while the sandbox starts, and whenever the system kills the process.
    """
    patience = 3 * (limits.cell_seconds + GRACE) + SLACK  # time to run a cell and to recheck it
    result, done, at = None, set(), ""
    try:
        while pipe.poll(patience + START if not done else patience):
            match pipe.recv():
                case "result", dict(whole):
                    return whole
                case "begun", dict(begun):
                    result = begun
                case ("starting",):
                    result = None
                case "cell", int(place), outputs, list(said):
                    cell = result["notebook"].cells[place]
                    cell.outputs, result["says"], at = outputs, said, name_of(cell) or place + 1
                    done.add(place)
                case "not graded", str(why):
                    raise NotGradedError(why)
                case "failed", str(why):
                    raise RuntimeError(why)
        if result is None:
            raise NotGradedError(f"the grading process reported nothing for {patience + START} seconds")
        why = f"the check did not finish within {patience if done else patience + START} seconds"
    except EOFError:
        process.join()
        why = f"the grading process exited with status {process.exitcode}"
        if result is None or process.exitcode == -signal.SIGKILL:  # for example, if memory runs out
            raise RuntimeError(why) from None
    for place, cell in enumerate(result["notebook"].cells):
        if place not in done and is_test(cell):
            fail(cell, "NotChecked", why)
    where = f"after cell {at}" if at else "before the first cell"
    says = f"grading stopped {where}: {why}; tests not checked by then score 0"
    return result | {"says": [plain(says), *result["says"]]}


def report_result(pipe, folder: Path, name: str, student: str, unsafe: bool) -> None:
    """Grade one submission in this process, and send its progress and result through the pipe."""

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
    """Limit this process's memory, so that a huge value raises a MemoryError instead of filling the machine.

    The sandbox has limits of its own.
    """
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    with contextlib.suppress(ValueError):  # the hard limit is lower already
        resource.setrlimit(resource.RLIMIT_AS, (mapped + ROOM, most))
