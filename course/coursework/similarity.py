"""A page with the pairs of students whose code is most alike, found by copydetect.

Copydetect compares fingerprints of the code, as Stanford's MOSS does: renaming variables, changing comments
or moving lines does not hide a copy. A match proves nothing, because short tasks have few solutions.
"""

import tempfile
from pathlib import Path

from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup
from nbgrader import utils

from coursework.course import Course, CourseError, RefusedError, read_cells, short, write
from coursework.personal import id_of, released_for

NEEDS = "copydetect==0.5.0"  # MIT, 130 kB; not among the pinned packages, since only this command needs it
ALIKE = 0.5  # a pair is shown if more than this fraction of one student's code is in the other's
PAIRS = 50  # most pairs on the page


def similarity(course: Course, chapter: str) -> str:
    """Write grades/chNN-similarity.html; return a report that names the pairs, the most similar first."""
    try:
        from copydetect import CopyDetector
    except ImportError:
        raise CourseError(
            f"make similar needs copydetect, which is not installed: .venv/bin/uv pip install {NEEDS}"
        ) from None
    name = course.assignment(chapter)
    with tempfile.TemporaryDirectory(prefix="similarity-") as scratch:
        folder = Path(scratch)
        students = [
            path
            for path in sorted(course.folder.glob(f"submitted/*/{name}/{name}.ipynb"))
            if save_code(path, given(course, name, path.parts[-3]), folder / "students")
        ]
        if not students:
            raise CourseError(
                f"no submission for {name} has been collected yet: make collect CH={short(name)} FROM=…"
            )
        start = [cell.source for cell in course.released(name).cells if utils.is_solution(cell)]
        write(folder / "given" / "given.py", "\n\n".join(start))
        detector = CopyDetector(
            test_dirs=[str(folder / "students")],
            boilerplate_dirs=[str(folder / "given")],
            extensions=["py"],
            display_t=ALIKE,
            autoopen=False,
            silent=True,
        )
        detector.run()
        found = detector.get_copied_code_list() if len(students) > 1 else []
    pairs = [
        {
            "names": (Path(first).stem, Path(second).stem),
            "shares": (share, of_other),
            "code": (Markup(left), Markup(right)),  # copydetect escapes the code
        }
        for share, of_other, first, second, left, right, _ in found
    ]
    pairs = sorted(pairs, key=lambda pair: -max(pair["shares"]))[:PAIRS]
    templates = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True)
    page = course.folder / "grades" / f"{name}-similarity.html"
    write(page, templates.get_template("similarity.html.j2").render(name=name, pairs=pairs, alike=ALIKE))
    lines = [
        f"{pair['names'][0]} and {pair['names'][1]}: {min(1, max(pair['shares'])):.0%} of the code alike"
        for pair in pairs
    ]
    found = f"{len(pairs)} similar pair{'' if len(pairs) == 1 else 's'} among {len(students)} submissions"
    return "\n".join([*lines, f"{name}: {found}, {page.relative_to(course.folder.parent)}"])


def given(course: Course, name: str, student: str) -> set[str]:
    """Return the texts of the cells that a student was given."""
    released = released_for(course, name, student) if id_of(course, name, student) else course.released(name)
    return {cell.source.strip() for cell in released.cells}


def save_code(path: Path, given: set[str], folder: Path) -> bool:
    """Write a submission's own code to folder/STUDENT.py, without the given cells; False if unreadable."""
    try:
        cells = read_cells(path.read_bytes())
    except RefusedError:
        return False
    own = [cell.source for cell in cells if cell.cell_type == "code" and cell.source.strip() not in given]
    write(folder / f"{path.parts[-3]}.py", "\n\n".join(own) + "\n")
    return True
