"""Export points as CSV: a plain table of all chapters, and files that Moodle and Canvas import."""

import csv
import io
from datetime import UTC, datetime

from nbgrader.api import MissingEntry

from coursework.collect import slug
from coursework.course import Course, CourseError, read_record, write
from coursework.roster import kept_share, read_class, who

# No column for comments: an empty one would erase the comments in Moodle.
MOODLE = ("Identifier", "Full name", "Grade", "Maximum grade", "Last modified (grade)")
CANVAS = ("Student", "ID", "SIS User ID", "SIS Login ID", "Section")


def grades(course: Course) -> str:
    """Write grades/*.csv. Answers that are not graded by hand yet are missing from the points."""
    names = course.assignments()
    students = sorted({path.parent.parent.name for path in course.folder.glob("autograded/*/*/graded.json")})
    if not students:
        raise CourseError("nothing is graded yet: make grade CH=04")
    people, found = read_class(course), []
    sections = any(one.section for one in people)
    head = ["student", "name", *(["section"] if sections else []), *names, "total"]
    table, rows, open_marks = [head], {}, 0
    with course.gradebook() as gradebook:
        for student in students:
            scores = {}
            for name in names:
                try:
                    submission = gradebook.find_submission(name, student)
                except MissingEntry:
                    continue
                handed_in = read_record(course.folder / "submitted" / student / name / "from.json")
                share = kept_share(course, name, handed_in)
                scores[name] = round(submission.score * share, 2), submission.max_score
                open_marks += submission.needs_manual_grade
                rows.setdefault(name, []).append((student, handed_in, *scores[name]))
            known = [
                read_record(course.folder / "submitted" / student / name / "from.json") for name in scores
            ]
            full = next((one["name"] for one in known if one.get("name")), student)
            person = next((one for about in known if (one := who(people, student, about))), None)
            found.append(person)
            points = [f"{scores[name][0]:g}" if name in scores else "" for name in names]
            total = f"{sum(score for score, _ in scores.values()):g}"
            section = [safe(person.section if person else "")] if sections else []
            table.append([student, safe(full), *section, *points, total])
    for one in people:  # students without any submission
        if one not in found:
            section = [safe(one.section)] if sections else []
            table.append([slug(one.name), safe(one.name), *section, *[""] * len(names), "0"])
    written = [save(course, "grades", table)]
    for name, handed in rows.items():
        of_moodle = [row for row in handed if row[1].get("platform") == "moodle"]
        of_canvas = [row for row in handed if row[1].get("platform") == "canvas"]
        if of_moodle:
            written.append(save(course, f"{name}-moodle", [MOODLE, *map(for_moodle, of_moodle)]))
        if of_canvas:
            most = ["    Points Possible", "", "", "", "", f"{of_canvas[0][3]:g}"]
            lines = [[*CANVAS, name], most, *map(for_canvas, of_canvas)]
            written.append(save(course, f"{name}-canvas", lines))
    waiting = (
        f"\n{open_marks} submissions still have answers to mark by hand: make formgrader"
        if open_marks
        else ""
    )
    return f"{len(students)} students: {', '.join(written)}{waiting}"


def for_moodle(row) -> list[str]:
    """Return a row of Moodle's grading worksheet, where "Participant 123" identifies the student.

    On import, Moodle keeps a grade that was changed there after the row's date.
    """
    _, handed_in, score, most = row
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S +0000")
    return [f"Participant {handed_in['number']}", safe(handed_in["name"]), f"{score:g}", f"{most:g}", now]


def for_canvas(row) -> list[str]:
    """Return a row of Canvas's gradebook, where the ID identifies the student."""
    _, handed_in, score, _ = row
    return [safe(handed_in["name"]), handed_in["number"], "", "", "", f"{score:g}"]


def safe(cell: str) -> str:
    """Prefix a name with ' if a spreadsheet would take it for a formula."""
    return f"'{cell}" if cell.lstrip()[:1] in ("=", "+", "-", "@") else cell


def save(course: Course, name: str, lines: list) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(lines)
    path = course.folder / "grades" / f"{name}.csv"
    write(path, text.getvalue())
    return str(path.relative_to(course.folder.parent))
