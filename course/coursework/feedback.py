"""Feedback: a student's points, code, test messages and comments as a page and as a notebook.

The page is one self-contained HTML file. The notebook is the student's own, with the feedback in added cells.
"""

import re
import zipfile
from pathlib import Path, PurePosixPath

import nbformat
from jinja2 import Environment, FileSystemLoader, select_autoescape
from markupsafe import Markup
from nbconvert.filters import Highlight2HTML, strip_ansi
from nbgrader import utils
from nbgrader.preprocessors import GetGrades
from pygments.formatters import HtmlFormatter

from coursework.align import is_test
from coursework.annotate import annotate, message
from coursework.course import Course, CourseError, read_record, record, short, write
from coursework.inert import prose
from coursework.roster import kept_share, lateness


def feedback(course: Course, chapter: str, student: str = "") -> str:
    """Write feedback/STUDENT/chNN/chNN.html and chNN.ipynb for one graded student or for all of them."""
    name = course.assignment(chapter)
    there = sorted(path.parent.parent.name for path in course.folder.glob(f"autograded/*/{name}/graded.json"))
    if student and student not in there:
        raise CourseError(f"STUDENT is {student!r}: {name} is not graded yet")
    if not there:
        raise CourseError(f"no submission for {name} has been graded yet: make grade CH={short(name)}")
    chosen = [student] if student else there
    for number, one in enumerate(chosen, 1):
        path = course.folder / "feedback" / one / name / f"{name}.html"
        html, notebook = give_back(course, name, one)
        write(path, html)
        write(path.with_suffix(".ipynb"), nbformat.writes(notebook) + "\n")
        print(f"{number:4}/{len(chosen)}  {path.relative_to(course.folder)}", flush=True)
    packed = pack(course, name, there)
    if packed:
        print(f"for uploading: {', '.join(packed)}")
    folder = (course.folder / "feedback").relative_to(course.folder.parent)
    return f"{name}: {len(chosen)} pages and notebooks in {folder}"


def pack(course: Course, name: str, students: list[str]) -> list[str]:
    """Write one zip per platform with its students' pages and notebooks, named as its bulk upload expects.

    Moodle finds the student by the number after the name, Canvas by the numbers in the submitted file's name.
    Returns the zips' paths.
    """
    zips: dict[str, dict[str, Path]] = {}
    for student in students:
        path = course.folder / "feedback" / student / name / f"{name}.html"
        about = read_record(course.folder / "submitted" / student / name / "from.json")
        if not path.is_file() or about.get("platform") not in ("moodle", "canvas"):
            continue
        if about["platform"] == "moodle":
            who = about["name"].replace("_", " ").replace("/", " ")
            stem = f"{who}_{about['number']}_assignfeedback_file_{name}"
        else:
            stem = PurePosixPath(about["file"]).stem
        files = zips.setdefault(about["platform"], {})
        files |= {f"{stem}{kind}": path.with_suffix(kind) for kind in (".html", ".ipynb")}
    written = []
    for platform, files in sorted(zips.items()):
        target = course.folder / "feedback" / f"{name}-{platform}.zip"
        part = target.with_name(f".{target.name}.part")
        with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as out:
            for file, path in files.items():
                out.write(path, file)
        part.replace(target)
        written.append(str(target.relative_to(course.folder.parent)))
    return written


def give_back(course: Course, name: str, student: str) -> tuple[str, nbformat.NotebookNode]:
    """Return a graded student's page as HTML, and the notebook with feedback in it."""
    notebook = nbformat.read(course.notebook("autograded", name, student), as_version=4)
    resources = {
        "nbgrader": {"notebook": name, "assignment": name, "student": student, "db_url": course.db_url}
    }
    notebook, resources = GetGrades().preprocess(notebook, resources)
    with course.gradebook() as gradebook:
        grades = gradebook.find_submission_notebook(name, name, student).grades
        waiting = {grade.name for grade in grades if grade.needs_manual_grade}
    handed_in = read_record(course.folder / "submitted" / student / name / "from.json")
    says = [*record(course, name, student).get("says", []), *deduction(course, name, handed_in)]
    score, most = (resources["nbgrader"][key] for key in ("score", "max_score"))
    open_points = sum(cell.metadata.nbgrader.points for cell in notebook.cells if name_of(cell) in waiting)
    summary = [f"**{score:g} of {most:g} points**"]
    summary += [f"{open_points:g} of these points are not graded yet."] if open_points else []
    annotated = annotate(notebook, summary + says, waiting)
    heading = take_title(notebook)
    templates = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=select_autoescape(["html", "j2"])
    )
    page = templates.get_template("feedback.html.j2").render(
        title=heading,
        student=handed_in.get("name", student),
        cells=[view(cell, waiting) for cell in notebook.cells],
        says=says,
        score=score,
        most=most,
        waiting=open_points,
        colours=Markup(HtmlFormatter(style="xcode").get_style_defs(".highlight")),
    )
    return page, annotated


def deduction(course: Course, name: str, handed_in: dict) -> list[str]:
    """Return a remark on the late penalty, which the exported grades include but the page's points don't."""
    says, share = lateness(course, name, handed_in), kept_share(course, name, handed_in)
    return [f"{says}: {100 - 100 * share:g} % of the points are deducted"] if says and share < 1 else []


def view(cell, waiting: set[str]) -> dict:
    """Return what the template needs of a cell."""
    data = cell.metadata.get("nbgrader", {})
    kind = "test" if is_test(cell) else "answer" if utils.is_solution(cell) else "given" if data else "own"
    return {
        "kind": kind,
        "code": cell.cell_type == "code",
        "name": data.get("grade_id", ""),
        "graded": utils.is_grade(cell),
        "score": data.get("score"),
        "points": data.get("points"),
        "waiting": data.get("grade_id") in waiting,
        "comment": data.get("comment"),
        "source": Markup(Highlight2HTML()(cell.source)) if cell.cell_type == "code" else prose(cell.source),
        "outputs": [
            found for output in cell.get("outputs", []) for found in show(output, test=kind == "test")
        ],
    }


def show(output, *, test: bool) -> list[dict]:
    """Return an output's text and images, or an error's message without the traceback."""
    if output.output_type == "stream":
        return [{"kind": "text", "text": strip_ansi(output.text)}]
    if output.output_type == "error":
        plainly = f"{output.ename}: {output.evalue}" if output.evalue else output.ename
        return [{"kind": "error", "text": message(output) if test else plainly}]
    pictures = [name for name in ("image/png", "image/jpeg") if name in output.data]
    if pictures:
        data = re.sub(r"[^A-Za-z0-9+/=]", "", output.data[pictures[0]])
        return [{"kind": "picture", "address": f"data:{pictures[0]};base64,{data}"}]
    return [{"kind": "text", "text": strip_ansi(output.data.get("text/plain", ""))}]


def take_title(notebook) -> str:
    """Remove the title from the assignment's first Markdown cell and return it; "Feedback" if it has none."""
    given = [cell for cell in notebook.cells if name_of(cell) and not utils.is_solution(cell)]
    for cell in (cell for cell in given if cell.cell_type == "markdown"):
        if found := re.match(r"# (.+)\n*", cell.source):
            cell.source = cell.source[found.end() :]
            return found[1]
        break
    return "Feedback"


def name_of(cell) -> str:
    return cell.metadata.get("nbgrader", {}).get("grade_id", "")
