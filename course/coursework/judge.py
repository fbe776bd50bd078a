"""Judges one submission: its notebook, run in a sandbox, with its tests run again outside."""

import time

import nbformat
from nbformat.v4 import new_output

from coursework.align import align, is_test, name_of
from coursework.course import Course, RefusedError, read_cells, stamp
from coursework.outputs import few, first_line, shorten, size_of
from coursework.recheck import Recheck
from coursework.sandbox import Limits, Sandbox, SandboxError


def nobody(*_) -> None:
    """Who wants to hear nothing of what is done so far."""


def grade_one(course: Course, name: str, student: str, *, unsafe: bool = False, tell=nobody) -> dict:
    """The executed notebook of one submission, and what there is to say about it. Touches no gradebook.

    Raises NotGradedError where the machine or the grader is at fault. `tell` hears of each cell that is done.
    """
    began, of = time.monotonic(), stamp(course, name, student)
    released, limits = course.released(name), Limits(config=course.config)
    refused = course.folder / "submitted" / student / name / "refused.txt"
    peak = 0
    try:
        if refused.is_file():
            raise RefusedError(refused.read_text("utf8").strip())
        submitted = read_cells(course.notebook("submitted", name, student).read_bytes())
    except (RefusedError, FileNotFoundError) as error:
        why = str(error) if isinstance(error, RefusedError) else "no notebook was handed in"
        graded, _ = align(released, [])
        said = [why]
        for cell in graded.cells:
            if is_test(cell):
                fail(cell, "NotHandedIn", why)
    else:
        source = course.source(name)
        graded, said = align(released, submitted, limits.own_cells)
        begun = {"of": of, "notebook": graded, "says": few(said), "peak": 0}
        tell("aligned", begun | {"seconds": time.monotonic() - began})
        with Sandbox(limits, unsafe=unsafe) as sandbox:
            run_cells(graded, Recheck(source, sandbox), said, tell)
        peak = sandbox.peak
    seconds = time.monotonic() - began
    return {"of": of, "notebook": graded, "says": few(said), "seconds": seconds, "peak": peak}


def run_cells(graded, recheck: Recheck, said: list[str], tell=nobody) -> None:
    """Runs a notebook in its sandbox; each test that passes there has to pass outside, too."""
    ended, room = "", recheck.sandbox.limits.all_output_kb * 1000
    for place, cell in enumerate(graded.cells):
        if cell.cell_type != "code":
            continue
        name = name_of(cell) or place + 1
        try:
            if ended:
                raise SandboxError(ended)
            cell.execution_count = place + 1
            outputs = recheck.sandbox.run(cell.source)
            room -= size_of(outputs)
            if room < 0:
                why = f"more than {recheck.sandbox.limits.all_output_kb:,} kB of output altogether"
                said.append(f"{why}: the rest is left out")
                outputs = shorten(outputs, why)
            cell.outputs = [nbformat.from_dict(output) for output in outputs]
            judge(cell, recheck, said)
        except SandboxError as error:
            if not ended:
                ended = str(error)
                said.insert(0, f"ended at cell {name}: {ended}")
            if is_test(cell):
                fail(cell, "NotRun", f"the notebook had ended: {ended}")
        tell("cell", place, cell.outputs, few(said))


def judge(cell, recheck: Recheck, said: list[str]) -> None:
    """What a cell that was run comes to: a test's points, or what the next tests stand on."""
    name, error = name_of(cell), error_of(cell)
    if not is_test(cell):
        if error:
            where = name or f"number {cell.execution_count}"
            said.append(f"cell {where}: {error.ename}: {first_line(error.evalue)}")
        if name in recheck.cells:
            recheck.pass_by(name)
        return
    clean_test(cell)
    found = None if error else recheck.test(name)
    if found:
        fail(cell, found.name, found.says)
        if not found.hidden:
            what = first_line(found.says)
            said.append(f"{name} passes in the notebook, but not in the grader's recheck: {what}")


def error_of(cell):
    return next((output for output in cell.outputs if output.output_type == "error"), None)


def clean_test(cell) -> None:
    """Of a test's outputs only errors take points: no warning, and no number that it displays."""
    for output in cell.outputs:
        if output.output_type == "stream":
            output.name = "stdout"
    cell.outputs = [output for output in cell.outputs if output.output_type in ("stream", "error")]


def fail(cell, name: str, says: str) -> None:
    cell.outputs.append(new_output("error", ename=name, evalue=says, traceback=[f"{name}: {says}"]))
