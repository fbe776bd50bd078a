"""Generate the students' version of an assignment, and check that it reveals no solution or hidden test."""

import copy
import io
import logging
import re
import shutil
import tempfile
from pathlib import Path

import nbformat
from nbgrader.converters import GenerateAssignment
from nbgrader.converters.base import NbGraderException
from nbgrader.coursedir import CourseDirectory

from coursework.course import VARIANT, Course, CourseError, with_names, write
from coursework.personal import variants
from coursework.roster import require_settings
from coursework.rubric import wrong_sums
from coursework.variants import FILE as VARIANTS
from coursework.variants import replace, swaps

REGIONS = re.compile(r"^ *### BEGIN (SOLUTION|HIDDEN TESTS)\n(.*?)^ *### END \1 *$", re.DOTALL | re.MULTILINE)

MARKER = re.compile(r"^ *### *(BEGIN|END)\b", re.MULTILINE)


def release(course: Course, chapter: str) -> str:
    """Write release/chNN/chNN.ipynb and return a report; raise CourseError if it would reveal a solution."""
    name = course.assignment(chapter)
    course.sources.clear()  # read it again
    source = course.source(name)
    require_settings(course, name)
    unpaired = [
        cell.metadata.nbgrader.grade_id
        for cell in source.cells
        if MARKER.search(REGIONS.sub("", cell.source))
    ]
    if unpaired:
        raise CourseError(f"{name} is not released: unmatched ### BEGIN or ### END in {', '.join(unpaired)}")
    path, stamp = course.notebook("release", name), course.folder / "release" / name / "source.sha256"
    stamp.unlink(missing_ok=True)
    course.back_up()
    with tempfile.TemporaryDirectory(prefix=".source-", dir=course.folder) as folder:
        shutil.copytree(
            course.folder / "source" / name, Path(folder, name), ignore=shutil.ignore_patterns(VARIANTS)
        )
        write(Path(folder, name, f"{name}.ipynb"), nbformat.writes(source))
        generate(course, name, Path(folder).name)
    released = with_names(nbformat.read(path, as_version=4))
    write(path, nbformat.writes(released) + "\n")
    survived = find_secrets(source, released)
    if survived:
        path.unlink()
        raise CourseError(f"{name} is not released, because it would reveal:\n  " + "\n  ".join(survived))
    personal = release_variants(course, name, released) if course.per_student(name) else ""
    write(stamp, course.source_digest(name))
    points = sum(cell.metadata.nbgrader.get("points", 0) for cell in source.cells)
    where = path.relative_to(course.folder.parent)
    said = (
        f"{name} is released: {where}, {points:g} points. Students fill it in and submit it as {name}.ipynb."
    )
    said = "\n".join([personal or said, *wrong_sums(source)])
    if "github.com/OWNER/" in path.read_text("utf8"):
        said += (
            "\nIts first cell installs the package from the placeholder address github.com/OWNER, which does "
            "not exist. Set your own and release again: make address URL=https://github.com/you/your-book"
        )
    return said


def release_variants(course: Course, name: str, released) -> str:
    """Write release/STUDENT/chNN/chNN.ipynb for everyone on the class list and return a report."""
    listed = variants(course)
    for folder, drawn in listed.values():
        path = course.notebook("source", name).with_name(VARIANTS)
        made = replace(copy.deepcopy(released), swaps(course.source(name), path, drawn))
        made.metadata[VARIANT] = drawn
        if survived := find_secrets(course.source(name, drawn), made):
            raise CourseError(f"{name} is not released for {folder}, it would reveal: {survived[0]}")
        write(course.notebook("release", name, folder), nbformat.writes(made) + "\n")
    where = (course.folder / "release").relative_to(course.folder.parent)
    return (
        f"{name} is released in {len(listed)} notebooks, one for each student on the class list: "
        f"{where}/STUDENT/{name}/{name}.ipynb."
        f" Give each student that one; the one in {where}/{name} is for grading only."
    )


def generate(course: Course, name: str, folder: str) -> None:
    """Run nbgrader's generate_assignment with the sources in the course's subfolder `folder`."""
    directory = CourseDirectory(config=course.config, assignment_id=name, source_directory=folder)
    maker = GenerateAssignment(coursedir=directory, config=course.config, force=True)
    maker.log, said = logging.Logger("release"), io.StringIO()
    maker.log.addHandler(logging.StreamHandler(said))
    maker.log.setLevel(logging.ERROR)
    try:
        maker.start()
    except NbGraderException:
        raise CourseError(f"{name} is not released, nbgrader reports:\n{said.getvalue()}") from None


def find_secrets(source, released) -> list[str]:
    """Return the markers and the lines of solutions and hidden tests that the released notebook contains."""
    public = "\n".join(REGIONS.sub("", cell.source) for cell in source.cells).splitlines()
    shown = {line.strip() for line in public}
    text = nbformat.writes(released)
    lines = {line.strip(): cell for cell in released.cells for line in cell.source.splitlines()}
    found = [f"{marker} …" for marker in ("### BEGIN", "### END") if marker in text]
    for cell in source.cells:
        for kind, region in REGIONS.findall(cell.source):
            for line in map(str.strip, region.splitlines()):
                if line and line in lines and line not in shown:
                    found.append(f"{kind.lower()} of {cell.metadata.nbgrader.grade_id}: {line}")
    return found
