"""Grade submissions in parallel, each in its own sandbox, and report one line per student."""

import json
import multiprocessing
import warnings
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import nbformat
from nbgrader import utils
from nbgrader.api import Gradebook, MissingEntry
from nbgrader.preprocessors import SaveAutoGrades
from sqlalchemy.exc import SAWarning

from coursework.align import is_test, name_of
from coursework.bubblewrap import exposed_by, require_sandbox
from coursework.course import Course, CourseError, read_record, record, short, stamp_of_work, write
from coursework.inert import make_inert
from coursework.outputs import first_line, plain
from coursework.personal import stamp
from coursework.process import in_process
from coursework.roster import attendance, lateness, require_settings
from coursework.sandbox import NotGradedError

PRELOAD = ["nbgrader.api", "torch", "attnbook", "coursework.process"]


def grade(
    course: Course,
    chapter: str,
    student: str = "",
    jobs: int = 1,
    unsafe: bool = False,
    question: str = "",
) -> int:
    """Grade a chapter's new and changed submissions, or only `student`'s, changed or not.

    With `question`, the name of a test or a written answer, all submissions are graded again, but only this
    question's points change; a written answer is opened for marking again. Returns the number of submissions
    that could not be graded.
    """
    name = course.assignment(chapter)
    known = [name_of(cell) for cell in course.released(name).cells if utils.is_grade(cell)]
    if question and question not in known:
        raise CourseError(f"QUESTION is {question!r}: wanted one of {', '.join(known)}")
    require_settings(course, name)
    if not unsafe:
        seen = exposed_by(course.folder)
        if seen:
            raise CourseError(
                f"COURSE is {course.folder}: every sandbox can read {seen}, including the solutions; "
                "move the repository elsewhere"
            )
        require_sandbox()
    there = sorted(path.parent.name for path in course.folder.glob(f"submitted/*/{name}"))
    if student and student not in there:
        raise CourseError(f"STUDENT is {student!r}: no submission for {name} has been collected")
    if not there:
        raise CourseError(
            f"no submission for {name} has been collected yet: make collect CH={short(name)} FROM=…"
        )
    due = (
        [student]
        if student
        else [
            one
            for one in there
            if question or stamp(course, name, one) != record(course, name, one).get("of")
        ]
    )
    print(f"{name}: {len(there)} submissions, {len(due)} to grade, {jobs} at a time", flush=True)
    copy = course.back_up()
    if copy:
        print(f"gradebook backed up to {copy.relative_to(course.folder)}", flush=True)
    failed = {}
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOAD)
    pool = ThreadPoolExecutor(jobs)
    try:
        running = {pool.submit(in_process, context, course.folder, name, one, unsafe): one for one in due}
        for number, done in enumerate(as_completed(running), 1):
            one = running[done]
            try:
                line = save(course, name, one, done.result(), question)
            except NotGradedError as error:
                line = failed[one] = f"{one}: NOT GRADED: {plain(error)}; run the same command to try again"
            except Exception as error:  # one failure must not stop the others
                why = f"{type(error).__name__}: {first_line(str(error))}"
                line = failed[one] = f"{one}: NOT GRADED, the grader failed: {why}"
            print(f"{number:4}/{len(due)}  {line}", flush=True)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        report = write_report(course, name, there, failed)
    for line in attendance(course, name, there):
        print(plain(line, 2000))
    print(f"report: {report.relative_to(course.folder)}")
    return len(failed)


def save(course: Course, name: str, student: str, result: dict, question: str = "") -> str:
    """Save a result in the gradebook and the graded notebook in autograded/; return the report's line.

    With `question`, only this question's points change, unless the submission itself has changed.
    """
    notebook, handed_in = (
        result["notebook"],
        read_record(course.folder / "submitted" / student / name / "from.json"),
    )
    work = stamp_of_work(course, name, student)
    if question and record(course, name, student).get("work") == work:
        keep_tests(course, name, student, notebook, question)
    with warnings.catch_warnings(), course.gradebook() as gradebook:
        warnings.simplefilter("ignore", SAWarning)  # nbgrader's own queries cause them
        first, _, family = handed_in.get("name", student).rpartition(" ")
        gradebook.update_or_create_student(student, first_name=first, last_name=family)
        gradebook.update_or_create_submission(name, student)
        resources = {
            "nbgrader": {"notebook": name, "assignment": name, "student": student, "db_url": course.db_url}
        }
        marked = marks(course, gradebook, name, student)
        marked.pop(question, None)
        SaveAutoGrades().preprocess(notebook, resources)
        gradebook.db.expire_all()
        make_inert(notebook.cells)
        keep_marks(gradebook, name, student, notebook, marked)
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
    kept = {key: result[key] for key in ("of", "says", "seconds", "peak", "owner") if key in result}
    kept |= {"work": work, "score": score, "most": most, "by_hand": by_hand, "lost": lost}
    write(path.with_name("graded.json"), json.dumps(kept, indent=1, ensure_ascii=False))
    return line_of(student, kept)


def keep_tests(course: Course, name: str, student: str, notebook, question: str) -> None:
    """Give the tests other than `question` the outputs, and so the points, that they had before."""
    path = course.notebook("autograded", name, student)
    before = {name_of(cell): cell for cell in nbformat.read(path, as_version=4).cells if is_test(cell)}
    for cell in notebook.cells:
        if is_test(cell) and name_of(cell) != question and name_of(cell) in before:
            cell.outputs = before[name_of(cell)].outputs


def marks(course: Course, gradebook: Gradebook, name: str, student: str) -> dict[str, str]:
    """Return the answers that have a final manual grade, each with the text that was graded."""
    path = course.notebook("autograded", name, student)
    if not path.is_file():
        return {}
    words = {name_of(cell): cell.source for cell in nbformat.read(path, as_version=4).cells}
    try:
        grades = gradebook.find_submission_notebook(name, name, student).grades
    except MissingEntry:
        return {}
    return {
        grade.name: words.get(grade.name, "")
        for grade in grades
        if grade.manual_score is not None and not grade.needs_manual_grade
    }


def keep_marks(gradebook: Gradebook, name: str, student: str, notebook, marked: dict[str, str]) -> None:
    """Keep the manual grades of unchanged answers: autograding reopens all of them."""
    for cell in notebook.cells:
        if cell.source == marked.get(name_of(cell)):
            gradebook.find_grade(name_of(cell), name, name, student).needs_manual_grade = False
    gradebook.db.commit()


def line_of(student: str, kept: dict) -> str:
    """Return the report's line for a student."""
    return f"{student}: {words_of(kept)}"


def words_of(kept: dict) -> str:
    """Summarize a result: points, points to mark by hand, points lost and remarks."""
    parts = [f"{kept['score']:g} of {kept['most']:g}"]
    if kept["by_hand"]:
        parts.append(f"{kept['by_hand']:g} to mark by hand")
    if kept["lost"]:
        parts.append(f"lost: {', '.join(kept['lost'])}")
    owner = [f"! this variant belongs to {plain(kept['owner'])}"] if kept.get("owner") else []
    return "; ".join([*parts, *(f"! {says}" for says in kept["says"]), *owner])


def write_report(course: Course, name: str, students: list[str], failed: dict[str, str]) -> Path:
    """Write one line per student: the result, or why there is none, with an earlier submission's result."""
    path = course.folder / "grades" / f"{name}-report.txt"
    lines = []
    for student in students:
        kept = record(course, name, student)
        if kept.get("of") == stamp(course, name, student):
            lines.append(line_of(student, kept))
        else:
            before = f"; before: {words_of(kept)}" if kept else ""
            lines.append(failed.get(student, f"{student}: NOT GRADED yet") + before)
        handed_in = read_record(course.folder / "submitted" / student / name / "from.json")
        if says := lateness(course, name, handed_in):
            lines[-1] += f"; {says}"
    lines += [plain(line, 2000) for line in attendance(course, name, students)]
    write(path, "".join(f"{line}\n" for line in lines))
    return path
