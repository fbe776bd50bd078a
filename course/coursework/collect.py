"""Import submissions: Moodle's and Canvas's downloads, or a folder per student, zipped or not."""

import json
import os
import re
import time
import unicodedata
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from nbgrader import utils

from coursework.align import name_of
from coursework.course import (
    LARGEST,
    LARGEST_FILE,
    Course,
    CourseError,
    RefusedError,
    read_cells,
    read_record,
    read_variant,
    without_outputs,
    write,
)
from coursework.outputs import plain

MOODLE = re.compile(r"(?P<name>[^_/]+)_(?P<id>\d+)_assignsubmission_(?P<kind>[a-z]+)(?:_(?P<file>[^/]*))?")
CANVAS = re.compile(
    r"(?:anon_(?:LATE_)?(?P<anon>[A-Za-z0-9]{5,})|(?P<name>[^_/]+)_(?:LATE_)?(?P<id>\d+))_(?:LATE_)?"
    r"(?:\d+_(?P<file>.+)|(?P<kind>text|link)\.html)"
)
KINDS = {
    "onlinetext": "text typed into Moodle",
    "text": "text typed into Canvas",
    "link": "a link submitted in Canvas",
}
EARLIEST = time.mktime((1981, 1, 1, 0, 0, 0, 0, 0, -1))  # an earlier time means that the file has no date
UNSEEN = ("__MACOSX", ".DS_Store", ".ipynb_checkpoints", "Thumbs.db", "desktop.ini")


@dataclass
class Found:
    """A file of the download, with its student. `read()` returns its bytes."""

    where: str
    size: int
    time: float
    read: object = field(repr=False)
    name: str = ""
    platform: str = "plain"
    number: str = ""
    file: str = ""
    kind: str = "file"
    late: bool = False  # Canvas marked it as late
    named: bool = True  # the file has the assignment's name


def collect(course: Course, chapter: str, source: str) -> str:
    """Copy each student's newest valid file to submitted/.

    Returns a report that names each skipped file, with the reason.
    """
    name = course.assignment(chapter)
    path = Path(source).expanduser()
    if not source or not path.exists():
        raise CourseError(f"FROM is {source!r}: wanted a folder or a zip with submissions")
    if path.is_file() and not zipfile.is_zipfile(path):
        raise CourseError(f"FROM is {source!r}: neither a folder nor a zip")
    said, noted, taken, kept = [], [], 0, 0
    for student, files in by_student(course, name, path, said).items():
        good, reasons = [], []
        for found in sorted(files, key=lambda one: (one.time, one.where)):
            try:
                good.append((found, check(course, found, name)))
            except RefusedError as error:
                reasons.append(f"{found.file}: {error}")
                said.append(f"skipped: {found.where}: {error}")
        if any(found.named for found, _ in good):  # prefer the right file name, even to a newer file
            for found in [found for found, _ in good if not found.named]:
                said.append(f"skipped: {found.where}: {student} also submitted {name}.ipynb")
            good = [one for one in good if one[0].named]
        for found, _ in good[:-1]:
            said.append(f"skipped: {found.where}: {student} has a newer attempt, {good[-1][0].where}")
        if good and not good[-1][0].named:
            noted.append(f"collected although it is not named {name}.ipynb: {good[-1][0].where}")
        newer = later_one(course, name, student, *good[-1]) if good else ""
        if newer:
            said.append(
                f"skipped: {good[-1][0].where}: a newer attempt of {student} was collected earlier, {newer}"
            )
            continue
        new = put(course, name, student, files[-1], *(good[-1] if good else (None, None)), reasons)
        taken += bool(good) and new
        kept += bool(good) and not new
    same = f", {kept} unchanged" if kept else ""
    return "\n".join([*map(plain, noted + said), f"{name}: {taken} collected{same}, {len(said)} skipped"])


def by_student(course: Course, assignment: str, path: Path, said: list[str]) -> dict[str, list[Found]]:
    """Group the files by student; the platform's number distinguishes students with the same name."""
    names: dict[str, dict[str, list[Found]]] = {}
    seen = [found for found in walk(path, said) if not is_noise(found)]
    roots = common_root([PurePosixPath(found.where).parts for found in seen if not by_platform(found)])
    for found in seen:
        if not (found.name or by_folder(found, roots)):
            said.append(f"skipped: {found.where}: no student in its path, wanted STUDENT/file.ipynb")
            continue
        same = names.setdefault(slug(found.name), {})
        same.setdefault(found.number or found.name, []).append(found)
    students = {}
    for name, numbers in sorted(names.items()):
        for place, files in enumerate(numbers.values(), 1):
            number = files[0].number
            long = f"{name}-{number or place}"
            before = read_record(course.folder / "submitted" / name / assignment / "from.json").get("number")
            # A student collected under the plain name before keeps it, even if a namesake comes later.
            named = before == number if before and number else len(numbers) == 1
            taken = (course.folder / "submitted" / long / assignment).exists()
            students[name if named and not taken else long] = files
    return students


def walk(path: Path, said: list[str]) -> Iterator[Found]:
    """Yield each file in a folder or a zip, without following links or reading contents."""
    if path.is_file():
        for info in contents(path):
            where = plain(info.filename, 2000)
            yield Found(where, info.file_size, moment(info), lambda info=info: unpack(path, info))
        return

    def closed(error: OSError) -> None:
        said.append(f"skipped: {error.filename}: {error.strerror}")

    for folder, inner, files in os.walk(path, onerror=closed):
        for file in sorted(inner + files):
            one = Path(folder, file)
            where = plain(one.relative_to(path).as_posix(), 2000)
            if one.is_symlink():
                said.append(f"skipped: {where}: symbolic links are not followed")
                continue
            if one.is_dir():
                continue
            if not one.is_file():
                said.append(f"skipped: {where}: not a regular file")
                continue
            about = one.stat()
            yield Found(where, about.st_size, about.st_mtime, one.read_bytes)


def contents(path: Path) -> list[zipfile.ZipInfo]:
    try:
        with zipfile.ZipFile(path) as pack:
            return [info for info in pack.infolist() if not info.is_dir()]
    except Exception as error:  # a zip can be damaged in any way
        raise CourseError(f"FROM is {str(path)!r}: the zip cannot be read: {plain(error)}") from None


def moment(info: zipfile.ZipInfo) -> float:
    try:
        return time.mktime((*info.date_time, 0, 0, -1))
    except (ValueError, OverflowError):
        return 0.0


def unpack(path: Path, info: zipfile.ZipInfo) -> bytes:
    """Read one file of a zip, up to one byte more than the limit: the zip may lie about the size."""
    try:
        with zipfile.ZipFile(path) as pack, pack.open(info) as stream:
            return stream.read(LARGEST_FILE + 1)
    except Exception as error:  # a file in a zip can be damaged, too
        raise RefusedError(f"cannot be unpacked: {plain(error)}") from None


def is_noise(found: Found) -> bool:
    """Whether an operating system or Jupyter created the file, as with .DS_Store."""
    parts = PurePosixPath(found.where).parts
    return any(part in UNSEEN or part.startswith("._") for part in parts)


def by_platform(found: Found) -> bool:
    """Fill in the student and the original file name if Moodle or Canvas named the file.

    Returns whether one of them did.
    """
    parts = PurePosixPath(found.where).parts
    for part in reversed(parts):
        match = MOODLE.fullmatch(part) or CANVAS.fullmatch(part)
        if not match or not slug(match["name"] or "anon"):
            continue
        parts_of = match.groupdict()
        found.name, found.number, found.platform = match["name"], match["id"], "moodle"
        if match.re is CANVAS:
            found.platform, found.late = "canvas", bool(re.search(r"(^|_)LATE_", part))
        if parts_of.get("anon"):  # an anonymous ID is no user number, so Canvas could not import the points
            found.name, found.number, found.platform = f"anon {match['anon']}", match["anon"], "plain"
        found.file = match["file"] or parts[-1]
        found.kind = match["kind"] or "file"
        return True
    return False


def common_root(paths: list[tuple[str, ...]]) -> int:
    """Return the number of leading folders that all paths share, or 0 if they don't branch there."""
    folders = [path[:-1] for path in paths if len(path) > 1]
    common = 0
    for parts in zip(*folders, strict=False):
        if len(set(parts)) > 1:
            break
        common += 1
    parted = {folder[common] for folder in folders if len(folder) > common}
    return common if len(parted) > 1 else 0


def by_folder(found: Found, roots: int) -> bool:
    """Fill in the student from the first folder below the `roots` leading ones; False if there is none."""
    parts = PurePosixPath(found.where).parts
    below = [part for part in parts[roots:] if part not in ("..", "/", "\\")]
    if len(below) < 2:
        return False
    found.name, found.file = below[0], below[-1]
    return bool(slug(found.name))


def slug(name: str) -> str:
    """Return a student's folder name: "Ada Lovelace" becomes ada-lovelace. Letters of any script are kept."""
    letters = unicodedata.normalize("NFKC", name).lower()
    return re.sub(r"[^\w]+", "-", letters).strip("-_")[:80]


def check(course: Course, found: Found, name: str) -> bytes:
    """Return the bytes of a file that can be graded; raise RefusedError with the reason otherwise."""
    if found.kind != "file":
        raise RefusedError(f"{KINDS.get(found.kind, found.kind)}, not a file; wanted {name}.ipynb")
    # "ch04-1", "ch04 (1)": a second attempt; "Copy of ch04", "Copy_of_ch04": from Colab
    pattern = rf"(?:Copy[ _]of[ _])*{name}(?:-\d+| ?\(\d+\))?\.ipynb"
    found.named = bool(re.fullmatch(pattern, found.file, re.IGNORECASE))
    if not found.named and not re.search(r"\.ipynb(\.txt|\.json)?$", found.file, re.IGNORECASE):
        raise RefusedError(f"wrong file name, wanted {name}.ipynb")
    if found.size > LARGEST_FILE:
        raise RefusedError(f"too large: {found.size / 1e6:.0f} MB, at most {LARGEST_FILE / 1e6:.0f} MB")
    try:
        data = found.read()
    except OSError as error:
        raise RefusedError(f"cannot be read: {error.strerror}") from None
    cells = read_cells(data)
    fit = {one: count_own(course, one, cells) for one in course.assignments()}
    best = max(fit, key=lambda one: (fit[one], one == name))
    if fit[best] and best != name:
        raise RefusedError(f"this is {best}, wanted {name}")
    if not fit[name] and (not found.named or cells):
        raise RefusedError(f"contains no test or answer of {name}")
    return data if len(data) <= LARGEST else without_outputs(cells, read_variant(data))


def count_own(course: Course, name: str, cells: list) -> int:
    """Count the assignment's tests and answers that a notebook contains, by name or by text."""
    names = {name_of(cell) for cell in cells}
    texts = {cell.source.strip() for cell in cells}
    return sum(
        cell.metadata.nbgrader.grade_id in names or cell.source.strip() in texts
        for cell in course.source(name).cells
        if utils.is_grade(cell) or utils.is_solution(cell)
    )


def later_one(course: Course, name: str, student: str, found: Found, data: bytes) -> str:
    """Return the path of a newer file that was collected before; "" if there is none."""
    folder = course.folder / "submitted" / student / name
    before, path = read_record(folder / "from.json"), folder / f"{name}.ipynb"
    if not path.exists() or path.read_bytes() == data or found.time < EARLIEST:
        return ""
    return before.get("file", "") if before.get("time", 0) > found.time else ""


def put(course, name, student, last, found, data, reasons) -> bool:
    """Write a submission, or the reasons why there is none.

    Returns whether a notebook was written: False if all files were refused or nothing has changed. `last` is
    the student's newest file; `found` is the one to keep, with its bytes `data`, or None if all were refused.
    """
    folder = course.folder / "submitted" / student / name
    path, refused = folder / f"{name}.ipynb", folder / "refused.txt"
    if found is None:
        if not path.exists():  # keep a valid file that was collected before
            write(refused, "; ".join(reasons))
            write(folder / "from.json", about(last))
        return False
    if path.exists() and path.read_bytes() == data:
        return False
    write(path, data.decode("utf8"))
    refused.unlink(missing_ok=True)
    write(folder / "from.json", about(found))
    return True


def about(found: Found) -> str:
    kept = {"name": found.name, "platform": found.platform, "number": found.number, "file": found.where}
    kept |= {"time": found.time} | ({"late": True} if found.late else {})
    return json.dumps(kept, ensure_ascii=False, indent=1)
