"""Grades what was handed in: one sandbox a submission, several at a time, one line a student."""

import json
import multiprocessing
import time
import warnings
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import nbformat
from align import align, is_test
from course import Course, CourseError, RefusedError, digest, read_cells, write
from nbformat.v4 import new_output
from nbgrader.preprocessors import SaveAutoGrades
from recheck import Recheck
from sandbox import Limits, Sandbox, SandboxError, check_sandbox
from sqlalchemy.exc import SAWarning

PRELOAD = ["nbgrader.api", "torch", "attnbook", "grade"]


def grade(course: Course, chapter: str, student: str = "", jobs: int = 1, unsafe: bool = False) -> int:
    """Grades a chapter; returns how many submissions could not be graded."""
    name = course.assignment(chapter)
    course.released(name)
    if not unsafe:
        check_sandbox()
    there = sorted(path.parent.name for path in course.folder.glob(f"submitted/*/{name}"))
    if student and student not in there:
        raise CourseError(f"STUDENT is {student!r}: nothing of theirs was collected for {name}")
    due = (
        [student]
        if student
        else [one for one in there if stamp(course, name, one) != record(course, name, one).get("of")]
    )
    print(f"{name}: {len(there)} handed in, {len(due)} to grade, {jobs} at a time", flush=True)
    copy = course.back_up()
    if copy:
        print(f"the gradebook was copied to {copy.relative_to(course.folder)}", flush=True)
    failed = 0
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOAD)
    pool = ThreadPoolExecutor(jobs)
    try:
        running = {pool.submit(in_process, context, course.folder, name, one, unsafe): one for one in due}
        for number, done in enumerate(as_completed(running), 1):
            one = running[done]
            try:
                line = save(course, name, one, done.result())
            except Exception as error:  # one submission never stops the class
                failed += 1
                line = (
                    f"{one}: NOT GRADED, the grader failed: {type(error).__name__}: {first_line(str(error))}"
                )
            print(f"{number:4}/{len(due)}  {line}", flush=True)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        report = write_report(course, name, there)
    print(f"report: {report.relative_to(course.folder)}")
    return failed


def in_process(context, folder: Path, name: str, student: str, unsafe: bool) -> dict:
    """Grades one submission in a process of its own, forked from one that has imported everything."""
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=report_result, args=(theirs, folder, name, student, unsafe), daemon=True)
    process.start()
    theirs.close()
    try:
        result = ours.recv()
    except EOFError:
        process.join()
        raise RuntimeError(f"its process ended with {process.exitcode}") from None
    process.join()
    if isinstance(result, str):
        raise RuntimeError(result)
    return result


def report_result(pipe, folder: Path, name: str, student: str, unsafe: bool) -> None:
    try:
        pipe.send(grade_one(Course(folder), name, student, unsafe=unsafe))
    except KeyboardInterrupt:
        pipe.send("interrupted")
    except Exception as error:
        pipe.send(f"{type(error).__name__}: {error}")


def grade_one(course: Course, name: str, student: str, *, unsafe: bool = False) -> dict:
    """The executed notebook of one submission, and what there is to say about it. Touches no gradebook."""
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
        source = nbformat.read(course.notebook("source", name), as_version=4)
        graded, said = align(released, submitted)
        try:
            with Sandbox(limits, unsafe=unsafe) as sandbox:
                run_cells(graded, Recheck(source, sandbox), said)
        except SandboxError as error:
            said.append(f"the notebook was not run to its end: {error}")
        peak = sandbox.peak
    return {"of": of, "notebook": graded, "says": said, "seconds": time.monotonic() - began, "peak": peak}


def run_cells(graded, recheck: Recheck, said: list[str]) -> None:
    """Runs a notebook in its sandbox; each test that passes there has to pass outside, too."""
    sandbox, ended = recheck.sandbox, ""
    for number, cell in enumerate(graded.cells, 1):
        if cell.cell_type != "code":
            continue
        name = cell.metadata.get("nbgrader", {}).get("grade_id")
        try:
            if ended:
                raise SandboxError(ended)
            cell.execution_count = number
            cell.outputs = [nbformat.from_dict(output) for output in sandbox.run(cell.source)]
            error = error_of(cell)
            if not is_test(cell):
                if error:
                    said.append(f"cell {name or number}: {error.ename}: {first_line(error.evalue)}")
                if name in recheck.cells:
                    recheck.pass_by(name)
            else:
                clean_test(cell)
                found = None if error else recheck.test(name)
                if found:
                    fail(cell, found.name, found.says)
                    if not found.hidden:
                        what = first_line(found.says)
                        said.append(f"{name} passes in the notebook, but not in the grader's recheck: {what}")
        except SandboxError as error:
            if not ended:
                ended = str(error)
                said.append(f"ended at cell {name or number}: {ended}")
            if is_test(cell):
                fail(cell, "NotRun", f"the notebook had ended: {ended}")


def error_of(cell):
    return next((output for output in cell.outputs if output.output_type == "error"), None)


def first_line(says: str) -> str:
    return says.strip().splitlines()[0][:160] if says.strip() else ""


def clean_test(cell) -> None:
    """Of a test's outputs only errors take points: no warning, and no number that it displays."""
    for output in cell.outputs:
        if output.output_type == "stream":
            output.name = "stdout"
    cell.outputs = [output for output in cell.outputs if output.output_type in ("stream", "error")]


def fail(cell, name: str, says: str) -> None:
    cell.outputs.append(new_output("error", ename=name, evalue=says, traceback=[f"{name}: {says}"]))


def save(course: Course, name: str, student: str, result: dict) -> str:
    """Puts one graded submission into the gradebook and its notebook beside it; returns its line."""
    notebook, handed_in = (
        result["notebook"],
        read_record(course.folder / "submitted" / student / name / "from.json"),
    )
    with warnings.catch_warnings(), course.gradebook() as gradebook:
        warnings.simplefilter("ignore", SAWarning)  # of nbgrader's own way with its tables
        first, _, family = handed_in.get("name", student).rpartition(" ")
        gradebook.update_or_create_student(student, first_name=first, last_name=family)
        gradebook.update_or_create_submission(name, student)
        resources = {
            "nbgrader": {"notebook": name, "assignment": name, "student": student, "db_url": course.db_url}
        }
        SaveAutoGrades().preprocess(notebook, resources)
        gradebook.db.expire_all()
        submission = gradebook.find_submission(name, student)
        notebook_grades = submission.notebooks[0].grades
        score, most = submission.score, submission.max_score
        by_hand = sum(grade.max_score for grade in notebook_grades if grade.needs_manual_grade)
        lost = [
            f"{grade.name} {grade.max_score - grade.score:g}"
            for grade in notebook_grades
            if not grade.needs_manual_grade and grade.score < grade.max_score
        ]
    path = course.notebook("autograded", name, student)
    write(path, nbformat.writes(notebook))
    kept = {key: result[key] for key in ("of", "says", "seconds", "peak")}
    kept |= {"score": score, "most": most, "by_hand": by_hand, "lost": lost}
    write(path.with_name("graded.json"), json.dumps(kept, indent=1, ensure_ascii=False))
    return line_of(student, kept)


def line_of(student: str, kept: dict) -> str:
    """What the report says of a student."""
    parts = [f"{student}: {kept['score']:g} of {kept['most']:g}"]
    if kept["by_hand"]:
        parts.append(f"{kept['by_hand']:g} to mark by hand")
    if kept["lost"]:
        parts.append(f"lost: {', '.join(kept['lost'])}")
    return "; ".join([*parts, *(f"! {says}" for says in kept["says"])])


def write_report(course: Course, name: str, students: list[str]) -> Path:
    """One line a student who is graded so far."""
    path = course.folder / "grades" / f"{name}-report.txt"
    kept = {student: record(course, name, student) for student in students}
    write(path, "".join(f"{line_of(student, found)}\n" for student, found in kept.items() if found))
    return path


def stamp(course: Course, name: str, student: str) -> str:
    """What was handed in and what it is graded by: graded again when either changes."""
    folder = course.folder / "submitted" / student / name
    return digest(
        course.notebook("source", name), *sorted(path for path in folder.iterdir() if path.suffix != ".json")
    )


def record(course: Course, name: str, student: str) -> dict:
    return read_record(course.notebook("autograded", name, student).with_name("graded.json"))


def read_record(path: Path) -> dict:
    try:
        return json.loads(path.read_text("utf8"))
    except (OSError, ValueError):
        return {}
