"""Grade one submission: run its notebook in a sandbox, and repeat the tests outside it."""

import re
import time

import nbformat
from nbformat.v4 import new_output

from coursework.align import align, is_test, name_of
from coursework.course import Course, CourseError, RefusedError, read_cells, read_variant
from coursework.outputs import few, first_line, shorten, size_of
from coursework.personal import id_of, released_for, require_variant, source_for, stamp
from coursework.recheck import Recheck
from coursework.sandbox import Limits, NotGradedError, Sandbox, SandboxError
from coursework.variants import FILE, other_texts


def nobody(*_) -> None:
    """Ignore reports of progress."""


def grade_one(course: Course, name: str, student: str, *, unsafe: bool = False, tell=nobody) -> dict:
    """Grade one submission; return its executed notebook, remarks, time and peak memory.

    The gradebook is not touched. Raises NotGradedError if the machine or the grader is at fault. `tell` is
    called with "begun" and a result without any points while the submission is read, with "starting" while
    its sandbox starts, with "begun" again before its notebook runs, and with "cell" and the outputs after
    each cell.
    """
    began, of = time.monotonic(), stamp(course, name, student)
    try:
        released, limits = released_for(course, name, student), Limits(config=course.config)
    except CourseError as error:
        raise NotGradedError(str(error)) from None
    refused = course.folder / "submitted" / student / name / "refused.txt"
    peak, owner = 0, ""

    def begun(graded, said: list[str]) -> None:
        seconds = time.monotonic() - began
        tell("begun", {"of": of, "notebook": graded, "says": few(said), "seconds": seconds, "peak": 0})

    begun(align(released, [])[0], [])
    try:
        if refused.is_file():
            raise RefusedError(refused.read_text("utf8").strip())
        data = course.notebook("submitted", name, student).read_bytes()
        submitted = read_cells(data)
        wrong, owner = require_variant(course, name, student, read_variant(data))
        if wrong:
            raise RefusedError(wrong)
    except (RefusedError, FileNotFoundError) as error:
        why = str(error) if isinstance(error, RefusedError) else "no notebook was submitted"
        graded, _ = align(released, [])
        said = [why]
        for cell in graded.cells:
            if is_test(cell):
                fail(cell, "NotHandedIn", why)
    else:
        source = source_for(course, name, student)
        graded, said = align(released, submitted, limits.own_cells)
        said += strange_names(course, name, student, submitted)
        tell("starting")
        with Sandbox(limits, unsafe=unsafe) as sandbox:
            begun(graded, said)
            run_cells(graded, Recheck(source, sandbox), said, tell)
        peak = sandbox.peak
    seconds = time.monotonic() - began
    result = {"of": of, "notebook": graded, "says": few(said), "seconds": seconds, "peak": peak}
    return result | ({"owner": owner} if owner else {})


def strange_names(course: Course, name: str, student: str, cells: list) -> list[str]:
    """Return a remark if a submission defines functions that only other students' variants ask for."""
    drawn = id_of(course, name, student)
    if not drawn:
        return []
    others = other_texts(course.source(name), course.notebook("source", name).with_name(FILE), drawn)
    defined = re.findall(r"^def +(\w+)", "\n".join(cell.source for cell in cells), re.MULTILINE)
    found = [one for one in dict.fromkeys(defined) if one in others]
    return [f"defines {', '.join(found)}, as another student's variant of {name} asks"] if found else []


def run_cells(graded, recheck: Recheck, said: list[str], tell=nobody) -> None:
    """Run a notebook in the sandbox; a test that passes there must also pass in the grader's own process."""
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
                why = f"more than {recheck.sandbox.limits.all_output_kb:,} kB of output in total"
                said.append(f"{why}; the rest was removed")
                outputs = shorten(outputs, why)
            cell.outputs = [nbformat.from_dict(output) for output in outputs]
            judge(cell, recheck, said)
        except SandboxError as error:
            if not ended:
                ended = str(error)
                said.insert(0, f"stopped at cell {name}: {ended}")
            if is_test(cell):
                fail(cell, "NotRun", f"the notebook stopped before this test: {ended}")
        tell("cell", place, cell.outputs, few(said))


def judge(cell, recheck: Recheck, said: list[str]) -> None:
    """Recheck a test that passed in the sandbox; for other cells, note errors for the student.

    Locked and solution cells also prepare the namespace in which the grader repeats the tests.
    """
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
    """Reduce a test's outputs so that only errors cost points.

    nbgrader would also count a warning (any stderr) as a failure, and a displayed number as a partial score.
    """
    for output in cell.outputs:
        if output.output_type == "stream":
            output.name = "stdout"
    cell.outputs = [output for output in cell.outputs if output.output_type in ("stream", "error")]


def fail(cell, name: str, says: str) -> None:
    cell.outputs.append(new_output("error", ename=name, evalue=says, traceback=[f"{name}: {says}"]))
