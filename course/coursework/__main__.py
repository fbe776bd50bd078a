"""Run one step of the course, for example `python -m coursework release 04`. The Makefile calls these."""

import argparse
import errno
import os
import sys
from pathlib import Path

from coursework.course import Course, CourseError


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="coursework", description=__doc__)
    parser.add_argument(
        "--course", type=Path, default=Path(__file__).resolve().parents[1], help="the course's folder"
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name, says in {
        "release": "make the students' version of a chapter's assignment",
        "collect": "import submissions downloaded from a learning platform",
        "grade": "grade new and changed submissions",
        "feedback": "write a feedback page for each student",
        "grades": "write the points as CSV files: a plain table, and imports for Moodle and Canvas",
        "stats": "write a page with the class's results, question by question",
        "similar": "write a page with the pairs of students whose code is most alike",
        "rehearse": "try an assignment before its release on correct, empty and wrong submissions",
        "formgrader": "open nbgrader's pages to mark written answers",
        "students-edition": "write a copy of the repository for students, without solutions and history",
    }.items():
        command = commands.add_parser(name, help=says)
        if name not in ("grades", "formgrader", "students-edition"):
            command.add_argument("chapter", nargs="?", default="", help="04")
        if name == "collect":
            command.add_argument(
                "source", nargs="?", default="", metavar="FROM", help="a folder or a zip file"
            )
        if name in ("grade", "feedback"):
            command.add_argument("--student", default="", help="only this student")
        if name == "grade":
            command.add_argument(
                "--question", default="", help="grade all again, but change only this question's points"
            )
        if name in ("grade", "rehearse"):
            command.add_argument(
                "--jobs",
                default=str(max(1, (os.cpu_count() or 2) // 2)),
                help="submissions to grade in parallel",
            )
            command.add_argument("--unsafe", action="store_true", help="grade without a sandbox")
        if name == "formgrader":
            command.add_argument(
                "--port", default="8888", help="on 127.0.0.1, the only address it listens on"
            )
            command.add_argument("--no-browser", action="store_true", help="only print the address")
        if name == "students-edition":
            command.add_argument(
                "to", nargs="?", default="", metavar="TO", help="a new folder, or the address of a repository"
            )
            command.add_argument(
                "--assignments", nargs="*", default=[], metavar="04", help="released assignments to include"
            )
            command.add_argument(
                "--url", default="", help="its GitHub address, if TO is another kind of address"
            )
    chosen = parser.parse_args(words)
    try:
        return run(Course(chosen.course), chosen)
    except CourseError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(
            "\ninterrupted: finished submissions are kept; run the same command to continue", file=sys.stderr
        )
        return 130
    except Exception as error:
        if not is_full(error):
            raise
        print(
            "the disk is full: what was collected and graded before is kept; free some space, "
            "then run the same command again",
            file=sys.stderr,
        )
        return 1


def is_full(error: Exception) -> bool:
    """Whether a file could not be written for lack of space; SQLite and SQLAlchemy only say so in words."""
    return getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT) or "disk is full" in str(error)


def run(course: Course, chosen: argparse.Namespace) -> int:
    match chosen.command:
        case "release":
            from coursework.release import release

            print(release(course, chosen.chapter))
        case "collect":
            from coursework.collect import collect

            print(collect(course, chosen.chapter, chosen.source))
        case "grade":
            from coursework.bubblewrap import SandboxMissingError
            from coursework.grade import grade

            try:
                failed = grade(
                    course,
                    chosen.chapter,
                    chosen.student,
                    jobs(chosen),
                    unsafe=chosen.unsafe,
                    question=chosen.question,
                )
            except SandboxMissingError as error:
                raise CourseError(str(error)) from None
            return int(failed > 0)
        case "rehearse":
            from coursework.bubblewrap import SandboxMissingError
            from coursework.rehearse import rehearse

            try:
                return int(rehearse(course, chosen.chapter, jobs(chosen), chosen.unsafe) > 0)
            except SandboxMissingError as error:
                raise CourseError(str(error)) from None
        case "feedback":
            from coursework.feedback import feedback

            print(feedback(course, chosen.chapter, chosen.student))
        case "grades":
            from coursework.grades import grades

            print(grades(course))
        case "stats":
            from coursework.statistics import statistics

            print(statistics(course, chosen.chapter))
        case "similar":
            from coursework.similarity import similarity

            print(similarity(course, chosen.chapter))
        case "formgrader":
            from coursework.formgrader import formgrader

            if not chosen.port.isdigit() or int(chosen.port) > 65535:
                raise CourseError(
                    f"--port is {chosen.port!r}: wanted a whole number from 0 (any free one) to 65535"
                )
            return formgrader(course, int(chosen.port), browser=not chosen.no_browser)
        case "students-edition":
            from coursework.edition import students_edition

            released = []
            for chapter in chosen.assignments:
                name = course.assignment(chapter)
                course.released(name)  # raises CourseError if it is missing or outdated
                if course.per_student(name):
                    raise CourseError(
                        f"{name} has a variant per student (c.Variants.per_student), so an edition for all "
                        "can't include it; give each student the notebook from course/release"
                    )
                released.append(course.notebook("release", name))
            print(students_edition(course.folder.parent, chosen.to, chosen.url, released))
    return 0


def jobs(chosen: argparse.Namespace) -> int:
    if not chosen.jobs.isdigit() or int(chosen.jobs) < 1:
        raise CourseError(f"JOBS is {chosen.jobs!r}: wanted a whole number, at least 1")
    return int(chosen.jobs)


if __name__ == "__main__":
    sys.exit(main())
