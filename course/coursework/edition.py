"""The students' edition: the book's repository without the assignments' solutions and the history."""

import json
import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

from bookpress import address
from coursework.course import CourseError
from coursework.release import REGIONS

# The workflows would fail in a students' repository, where they have nothing to publish, and GitHub refuses a
# push of workflows with credentials that lack the scope `workflow`.
LEFT_OUT = ("course/source", "tests/course", ".github", "tests/website/test_workflows.py")
ASSIGNMENTS = "assignments"
SUBJECT = "Students' edition"
REMOTE = re.compile(r"(https?|ssh|git|file)://\S+|[\w.-]+@[\w.-]+:\S+")
GITHUB = re.compile(r"(?:https://|ssh://git@|git@)github\.com[/:]([\w-]+/[\w.-]+?)(?:\.git)?/?")
# Common lines of code, which reveal nothing even if a solution contains them
COMMON = re.compile(
    r"for \w+ in [\w.()\[\]]+:|if \w+ is (not )?None:|.{,11}"
    r"|generator = torch\.Generator\(\)\.manual_seed\(\d+\)"
)


def students_edition(root: Path, to: str, url: str = "", released: Sequence[Path] = ()) -> str:
    """Write the edition as one commit to a new folder, or to the main branch of a remote repository.

    `url` is the GitHub address for its links and launch buttons; by default `to`, if that is one.
    `released` are the assignments' notebooks to include, in the folder assignments.
    """
    remote = bool(REMOTE.fullmatch(to))
    target = Path(to).expanduser()
    taken = target.exists() and (not target.is_dir() or any(target.iterdir()))
    if not to or (taken and not remote):
        raise CourseError(
            f"TO is {to!r}: wanted a new or empty folder, or the address of the students' repository"
        )
    found = GITHUB.fullmatch(to)
    url = url or (f"https://github.com/{found[1]}" if found else "")
    git(root, "rev-parse", "--verify", "HEAD")
    place = None if remote else target.resolve().parent
    if place and not place.is_dir():
        raise CourseError(f"TO is {to!r}: there is no folder {place}")
    with tempfile.TemporaryDirectory(prefix=".students-", dir=place) as scratch:
        folder = Path(scratch) / "edition"
        extract(root, folder)
        for notebook in released:
            (folder / ASSIGNMENTS).mkdir(exist_ok=True)
            shutil.copy(notebook, folder / ASSIGNMENTS)
        if url:
            try:
                address.choose(url, folder)
                address.rewrite(folder)
            except ValueError as error:
                raise CourseError(f"URL is {url!r}: {error}") from None
        leaks = find_leaks(folder, secrets(root))
        if leaks:
            raise CourseError(
                "nothing was written, because the edition would reveal:\n  " + "\n  ".join(leaks[:20])
            )
        git(folder, "init", "--quiet", "--initial-branch=main")
        if remote:
            return push(folder, to)
        commit(folder)
        if target.exists():
            target.rmdir()
        folder.rename(target)
    left = git(root, "status", "--porcelain", "--untracked-files=no")
    note = "\nIt contains your last commit, without your uncommitted changes." if left else ""
    return f"The students' edition is in {target}, as one commit. Push it to a separate repository.{note}"


def extract(root: Path, folder: Path) -> None:
    """Extract the files of the last commit into `folder`, except LEFT_OUT."""
    archive = subprocess.run(["git", "archive", "HEAD"], cwd=root, check=True, capture_output=True).stdout
    with tarfile.open(fileobj=BytesIO(archive)) as pack:
        kept = [one for one in pack if not any(Path(one.name).is_relative_to(path) for path in LEFT_OUT)]
        pack.extractall(folder, kept, filter="data")


def push(folder: Path, to: str) -> str:
    """Add a commit to the remote edition, so that students can pull it; the first push creates the branch.

    Assignments of earlier editions are kept.
    """
    if git(folder, "ls-remote", to, "refs/heads/main"):
        git(folder, "fetch", "--quiet", to, "main")
        subjects = set(git(folder, "log", "--format=%s", "FETCH_HEAD").splitlines())
        if subjects != {SUBJECT}:
            raise CourseError(f"TO is {to!r}: its branch main is not a students' edition")
        git(folder, "reset", "--quiet", "--soft", "FETCH_HEAD")
        there = git(folder, "ls-tree", "--name-only", "FETCH_HEAD", f"{ASSIGNMENTS}/").splitlines()
        if kept := [path for path in there if not (folder / path).exists()]:
            git(folder, "checkout", "--quiet", "FETCH_HEAD", "--", *kept)
    if not commit(folder):
        return f"The students' edition at {to} is already up to date."
    git(folder, "push", "--quiet", to, "HEAD:main")
    return f"The students' edition was pushed to {to}."


def commit(folder: Path) -> bool:
    """Commit everything; False if nothing has changed."""
    git(folder, "add", "--all", "--force")
    if not git(folder, "status", "--porcelain"):
        return False
    who = ["-c", "user.name=The course", "-c", "user.email=course@example.org", "-c", "commit.gpgsign=false"]
    git(folder, *who, "commit", "--quiet", "--message", SUBJECT)
    return True


def git(folder: Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True)
    if done.returncode:
        command = next(word for word in words if not word.startswith("-") and "=" not in word)
        raise CourseError(f"git {command} failed in {folder}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout.strip()


def secrets(root: Path) -> dict[str, str]:
    """Return each line of the course's solutions and hidden tests, mapped to its origin.

    Lines that are also public, and common ones, are left out.
    """
    return secrets_of(sorted((root / "course" / "source").glob("*/*.ipynb")))


def secrets_of(notebooks: list[Path]) -> dict[str, str]:
    found, public = {}, set()
    for path in notebooks:
        for cell in json.loads(path.read_text("utf8"))["cells"]:
            source = "".join(cell["source"])
            public |= {line.strip() for line in REGIONS.sub("", source).splitlines()}
            name = cell["metadata"].get("nbgrader", {}).get("grade_id", "a cell")
            for kind, region in REGIONS.findall(source):
                lines = (line.strip() for line in region.splitlines())
                found |= {line: f"{kind.lower()} of {path.stem} {name}" for line in lines}
    return {line: of for line, of in found.items() if line not in public and not COMMON.fullmatch(line)}


def find_leaks(folder: Path, lines: dict[str, str]) -> list[str]:
    """Return where a folder shows one of these lines: as a line of a file or of a notebook's cell."""
    found = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        text = path.read_bytes().decode("utf8", "replace")
        shown = {line.strip() for line in text.splitlines()}
        if path.suffix == ".ipynb":
            cells = json.loads(text)["cells"]
            shown |= {line.strip() for cell in cells for line in "".join(cell["source"]).splitlines()}
        found += [
            f"{path.relative_to(folder)}: {lines[line]}: {line}" for line in sorted(shown & lines.keys())
        ]
    return found
