"""The course's folders, settings and gradebook, and errors with messages for the instructor."""

import hashlib
import json
import os
import re
import sqlite3
import sys
import time
from contextlib import closing
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from nbgrader.api import Gradebook
from traitlets.config import Config, PyFileConfigLoader

from coursework.variants import FILE, VariantError, Variants, replace, swaps, variant

BACKUPS = 10
LARGEST = 10_000_000  # bytes of a notebook without outputs
LARGEST_FILE = 100_000_000  # bytes of a submitted file, with outputs
MOST_CELLS = 10_000
VARIANT = "variant"  # where a notebook's metadata has the id of a student's variant
MOST_VALUES = 10_000_000  # estimated, in a file's JSON: many small values take far more memory than the file


class CourseError(Exception):
    """An error that the instructor can fix; the message says how."""


class RefusedError(Exception):
    """A submitted file that cannot be graded; the message says why."""


class Course:
    """A course's folder, with source/, release/, submitted/, autograded/, feedback/ and grades/."""

    def __init__(self, folder: Path):
        self.folder = Path(folder).resolve()
        self.sources: dict[tuple[str, str], nbformat.NotebookNode] = {}
        settings = self.folder / "nbgrader_config.py"
        if not settings.is_file():
            raise CourseError(f"COURSE is {folder}: not a course folder, it has no nbgrader_config.py")
        self.config: Config = PyFileConfigLoader(settings.name, path=str(self.folder)).load_config()
        self.config.CourseDirectory.root = str(self.folder)
        bin = str(Path(sys.executable).parent)  # nbgrader runs alembic, which is installed here, by its name
        if bin not in os.environ["PATH"].split(os.pathsep):
            os.environ["PATH"] = bin + os.pathsep + os.environ["PATH"]

    @property
    def db_url(self) -> str:
        return f"sqlite:///{self.folder / 'gradebook.db'}"

    def gradebook(self) -> Gradebook:
        return Gradebook(self.db_url, self.config.CourseDirectory.get("course_id", ""))

    def assignment(self, chapter: str) -> str:
        """Return an assignment's name: "ch04" for "4", "04" or "ch04"; other names in full."""
        found = re.fullmatch(r"(?:ch)?(\d{1,2})", str(chapter or ""))
        there = self.assignments()
        for name in (chapter, f"ch{int(found[1]):02}" if found else ""):
            if name in there:
                return name
        known = ", ".join(map(short, there)) or "(there are none)"
        raise CourseError(f"CH is {chapter!r}: wanted one of {known}")

    def assignments(self) -> list[str]:
        """Return all assignments' names. Each is a notebook in a folder of the same name."""
        found = self.folder.glob("source/*/*.ipynb")
        return sorted(path.stem for path in found if path.stem == path.parent.name)

    def notebook(self, step: str, name: str, student: str = ".") -> Path:
        return self.folder / step / student / name / f"{name}.ipynb"

    def source(self, name: str, drawn: str = "") -> nbformat.NotebookNode:
        """Return the instructor's version of an assignment, in the variant of the year or of the id `drawn`.

        It is cached: don't change it. With variants per student, it is unchanged without an id.
        """
        if (name, drawn) not in self.sources:
            path = self.notebook("source", name)
            notebook = with_names(nbformat.read(path, as_version=4))
            try:
                if drawn:
                    notebook = replace(notebook, swaps(notebook, path.with_name(FILE), drawn))
                elif not self.per_student(name):
                    notebook = variant(notebook, path.with_name(FILE), self.year)
            except VariantError as error:
                raise CourseError(str(error)) from None
            self.sources[name, drawn] = notebook
        return self.sources[name, drawn]

    def per_student(self, name: str) -> bool:
        """Whether each student has a variant of this assignment."""
        listed = self.notebook("source", name).with_name(FILE).is_file()
        return listed and Variants(config=self.config).per_student

    @property
    def year(self) -> int:
        return Variants(config=self.config).year

    def source_digest(self, name: str) -> str:
        """Return a digest of the source notebook, and of the year and its variants if they matter."""
        path = self.notebook("source", name)
        variants = path.with_name(FILE)
        if self.per_student(name):
            return f"{digest(path, variants)}-{self.year} per student"
        if not self.year or not variants.is_file():
            return digest(path)
        return f"{digest(path, variants)}-{self.year}"

    def require_released(self, name: str) -> Path:
        """Return the path of the students' version; raise CourseError if it is missing or outdated."""
        path, stamp = self.notebook("release", name), self.folder / "release" / name / "source.sha256"
        if not path.is_file() or not stamp.is_file():
            raise CourseError(f"{name} is not released yet: make release CH={short(name)}")
        if stamp.read_text() != self.source_digest(name):
            raise CourseError(
                f"{name} has changed since it was released: make release CH={short(name)}, then try again"
            )
        return path

    def released(self, name: str) -> nbformat.NotebookNode:
        """Return the students' version; raise CourseError as `require_released` does."""
        return nbformat.read(self.require_released(name), as_version=4)

    def back_up(self) -> Path | None:
        """Back up the gradebook, if there is one, and delete all but the newest ten backups."""
        database, folder = self.folder / "gradebook.db", self.folder / "backups"
        if not database.is_file():
            return None
        folder.mkdir(exist_ok=True)
        copy = folder / f"gradebook-{time.strftime('%Y%m%d-%H%M%S')}-{time.time_ns() % 10**9:09}.db"
        part = copy.with_name(f".{copy.name}.part")
        try:
            with closing(sqlite3.connect(database)) as old, closing(sqlite3.connect(part)) as new:
                old.backup(new)
            part.replace(copy)
        finally:
            part.unlink(missing_ok=True)
        for stale in sorted(folder.glob("gradebook-*.db"))[:-BACKUPS]:
            stale.unlink()
        return copy


def short(name: str) -> str:
    """Return an assignment's name as the command line takes it: "04" for "ch04"."""
    return name[2:] if re.fullmatch(r"ch\d\d", name) else name


def with_names(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Name and lock the cells without nbgrader metadata, to distinguish them from cells students add."""
    for number, cell in enumerate(notebook.cells):
        if not cell.metadata.get("nbgrader", {}).get("grade_id"):
            about = {"grade": False, "solution": False, "locked": True, "task": False, "schema_version": 3}
            about |= {"grade_id": f"given-{number}", "cell_type": cell.cell_type}
            cell.metadata.nbgrader = nbformat.from_dict(about)
    return notebook


def digest(*paths: Path) -> str:
    return hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()


def write(path: Path, text: str) -> None:
    """Write a file atomically, with its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    part.write_text(text, "utf8")
    part.replace(path)


def read_cells(data: bytes) -> list[nbformat.NotebookNode]:
    """Return a submission's cells, without outputs; raise RefusedError with the reason if that fails."""
    if len(data) > LARGEST_FILE:
        raise RefusedError(f"too large: {len(data) / 1e6:.0f} MB, at most {LARGEST_FILE / 1e6:.0f} MB")
    if sum(map(data.count, (b",", b"[", b"{"))) > MOST_VALUES:
        raise RefusedError(f"too large: more than {MOST_VALUES:,} values in its JSON")
    try:
        raw = json.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise RefusedError("broken JSON: not UTF-8") from None
    except (ValueError, RecursionError) as error:
        raise RefusedError(f"broken JSON: {str(error)[:100]}") from None
    try:
        count_cells(raw.get("cells", []))
        for cell in raw.get("cells", []):
            cell.pop("outputs", None)
            cell.pop("attachments", None)
        notebook = nbformat.convert(nbformat.from_dict(raw), 4)
        count_cells(notebook["cells"])
        cells = [
            nbformat.from_dict({"cell_type": kind, "source": text(cell["source"]), "metadata": known(cell)})
            for cell in notebook["cells"]
            for kind in [cell["cell_type"]]
            if kind in ("code", "markdown")
        ]
    except RefusedError:
        raise
    except Exception as error:  # a notebook can be malformed in any way
        raise RefusedError(f"not a notebook: {type(error).__name__}: {str(error)[:100]}") from None
    size = sum(len(cell.source) for cell in cells)
    if size > LARGEST:
        raise RefusedError(f"too large: {size / 1e6:.0f} MB without outputs, at most {LARGEST / 1e6:.0f} MB")
    return cells


def count_cells(cells: list) -> None:
    """Raise RefusedError for too many cells: matching them to the release would take minutes."""
    if len(cells) > MOST_CELLS:
        raise RefusedError(f"too large: {len(cells):,} cells, at most {MOST_CELLS:,}")


def read_variant(data: bytes) -> str:
    """Return the id of the variant that a readable submission answers, or "" if it has none."""
    metadata = json.loads(data.decode("utf-8-sig")).get("metadata")
    found = metadata.get(VARIANT) if isinstance(metadata, dict) else None
    return found if isinstance(found, str) else ""


def without_outputs(cells: list[nbformat.NotebookNode], variant: str = "") -> bytes:
    """Return a notebook of these cells as bytes, with the id of its variant."""
    notebook = new_notebook(metadata={VARIANT: variant} if variant else {})
    for number, cell in enumerate(cells):
        make = new_code_cell if cell.cell_type == "code" else new_markdown_cell
        notebook.cells.append(make(cell.source, metadata=cell.metadata, id=f"cell-{number}"))
    return nbformat.writes(notebook).encode("utf8")


def text(source) -> str:
    source = "".join(source) if isinstance(source, list) else source
    if not isinstance(source, str):
        raise TypeError("the source of a cell is not a string")
    return source.encode("utf8", "replace").decode("utf8")


def known(cell) -> dict:
    """Return the only metadata that is kept of a submitted cell: its nbgrader name."""
    name = cell.get("metadata", {}).get("nbgrader", {}).get("grade_id")
    return {"nbgrader": {"grade_id": name}} if isinstance(name, str) else {}


def stamp_of_work(course: Course, name: str, student: str) -> str:
    """Return a digest of the submission alone."""
    return digest(*submitted_files(course, name, student))


def submitted_files(course: Course, name: str, student: str) -> list[Path]:
    folder = course.folder / "submitted" / student / name
    return sorted(path for path in folder.iterdir() if path.suffix != ".json")


def record(course: Course, name: str, student: str) -> dict:
    return read_record(course.notebook("autograded", name, student).with_name("graded.json"))


def read_record(path: Path) -> dict:
    try:
        return json.loads(path.read_text("utf8"))
    except (OSError, ValueError):
        return {}
