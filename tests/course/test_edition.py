"""The students' edition: its files, its history and everything built from it reveal no solution."""

import html
import json
import re
import shlex
import subprocess
import sys
import zipfile
from collections import defaultdict
from pathlib import Path

import pytest

from bookpress import ROOT, address
from bookpress.extension import guide
from coursework.course import CourseError
from coursework.edition import LEFT_OUT, find_leaks, secrets, students_edition

LINES = secrets(ROOT)
PLANTED = next(line for line, of in LINES.items() if of.startswith("hidden tests") and len(line) > 40)
BORDER = re.compile(r"\\n|[\"'\n<>]")  # what stands around a line, and inside some
# The lines by their longest piece between borders: a text without that piece doesn't have the line either.
BY_PIECE = defaultdict(list)
for one in LINES:
    BY_PIECE[max(map(str.strip, BORDER.split(one)), key=len)].append(one)


def git(folder: Path, command: str) -> str:
    who = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "init.defaultBranch=main"]
    words = ["git", *who, *shlex.split(command)]
    return subprocess.run(words, cwd=folder, check=True, capture_output=True, text=True).stdout


def texts(path: Path):
    """A file's readable texts: the file itself, the files of an archive, and HTML without its tags."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as pack:
            found = [(name, pack.read(name)) for name in pack.namelist()]
    else:
        found = [(path.name, path.read_bytes())]
    for name, data in found:
        text = data.decode("utf8", "replace")
        yield text
        if name.endswith((".ipynb", ".json", ".js")):
            yield text.replace('\\"', '"').replace("\\\\", "\\")
        if name.endswith(".html"):
            yield html.unescape(re.sub(r"<[^>]+>", "", text))


def search(*places: Path) -> list[str]:
    """The lines of solutions and hidden tests that occur anywhere below."""
    files = [file for place in places for file in ([place] if place.is_file() else place.rglob("*"))]
    found = set()
    for text in (text for file in files if file.is_file() for text in texts(file)):
        pieces = {piece.strip() for piece in BORDER.split(text)}
        lines = [line for piece in pieces & BY_PIECE.keys() for line in BY_PIECE[piece]]
        found |= {f"{LINES[line]}: {line}" for line in lines if line in text and ends(line, text)}
    return sorted(found)


def ends(line: str, text: str) -> bool:
    """Whether it occurs as a whole line, whatever its line is wrapped in."""
    return bool(re.search(rf"(^|\\n|[\"'\n>])\s*{re.escape(line)}\s*(\\n|[\"'\n<]|$)", text))


@pytest.fixture(scope="module")
def edition(tmp_path_factory):
    folder = tmp_path_factory.mktemp("students") / "edition"
    assert "as one commit" in students_edition(ROOT, str(folder))
    return folder


@pytest.fixture(scope="module")
def wheels(edition, tmp_path_factory):
    out = tmp_path_factory.mktemp("wheels")
    for package in (".", "course", "website"):
        command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(out)]
        subprocess.run(command, cwd=edition / package, check=True, capture_output=True)
    assert len(list(out.glob("*.whl"))) == 3
    return out


def test_every_solution_and_hidden_test_has_lines_to_look_for():
    regions = set(LINES.values())
    sources = sorted((ROOT / "course" / "source").glob("*/*.ipynb"))
    assert {of.split(" of ")[1].split()[0] for of in regions} == {path.stem for path in sources}
    assert len(LINES) > 500
    for kind in ("solution", "hidden tests"):
        assert sum(of.startswith(kind) for of in regions) >= 3 * len(sources)


def test_nothing_of_the_edition_gives_a_solution_away(edition):
    assert search(edition) == []
    for path in LEFT_OUT:
        assert not (edition / path).exists()
    assert not list(edition.rglob("workflows"))  # they would fail there, and some credentials can't push them
    assert not [path for path in edition.rglob("*.ipynb") if "Marking guide" in path.read_text("utf8")]


def test_nothing_of_its_packages_gives_a_solution_away(wheels):
    assert search(wheels) == []


def test_nothing_of_the_site_gives_a_solution_away(html):
    """The site, and the files packed or generated from it."""
    assert search(html, *html.parent.glob("*.zip"), *html.parent.glob("slides")) == []


def test_it_has_one_commit_and_nothing_else(edition):
    assert git(edition, "log --all --format=%s").splitlines() == ["Students' edition"]
    kinds = git(edition, "cat-file --batch-all-objects --batch-check=%(objecttype)").split()
    assert kinds.count("commit") == 1
    assert git(edition, "status --porcelain") == ""
    assert git(edition, "remote") == ""
    kept = git(ROOT, "ls-files").splitlines()
    left = [name for name in kept if not any(Path(name).is_relative_to(path) for path in LEFT_OUT)]
    assert set(git(edition, "ls-files").splitlines()) == set(left)


def test_the_guide_is_built_without_assignments(edition):
    assert "| Assignment |" in guide.table(ROOT)
    table = guide.table(edition)
    assert "Assignment" not in table
    assert table.count("\n") == guide.table(ROOT).count("\n")
    assert "**Assignment**" not in guide.facts(guide.chapters(edition)[0], edition)


# Errors, tested on a small repository


@pytest.fixture
def small(tmp_path):
    """A repository with one assignment and a history."""
    root = tmp_path / "book"
    (root / "course" / "source" / "ch01").mkdir(parents=True)
    source = "def f(x):\n    ### BEGIN SOLUTION\n    return secret_of(x)\n    ### END SOLUTION"
    cell = {"cell_type": "code", "source": source, "metadata": {"nbgrader": {"grade_id": "f"}}}
    (root / "course" / "source" / "ch01" / "ch01.ipynb").write_text(json.dumps({"cells": [cell]}))
    (root / "tests" / "course").mkdir(parents=True)
    (root / "tests" / "course" / "test_f.py").write_text("return secret_of(x)")
    (root / "README.md").write_text(f"See {address.carried()}.\n")
    for name in ("_config.yml", "pyproject.toml"):
        (root / name).write_text((ROOT / name).read_text("utf8"), "utf8")
    git(root, "init")
    git(root, "add .")
    git(root, "commit -m all")
    return root


@pytest.mark.parametrize("name", ["chapters/a.ipynb", "src/a.py", "tests/test_a.py", "a.svg"])
def test_a_planted_line_stops_it(small, tmp_path, name):
    path = small / name
    path.parent.mkdir(exist_ok=True)
    text = "x = 1\n        return secret_of(x)\n"
    cells = {"cells": [{"cell_type": "code", "source": text.splitlines(keepends=True), "metadata": {}}]}
    path.write_text(json.dumps(cells) if name.endswith("ipynb") else text)
    git(small, "add .")
    git(small, "commit -m leak")
    with pytest.raises(CourseError, match=rf"would reveal:\n  {name}: solution of ch01 f: return secret_of"):
        students_edition(small, str(tmp_path / "out"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["book"]  # nothing half-written


@pytest.mark.parametrize("name", ["a.ipynb", "a.py", "a.html", "a.whl", "a.json"])
def test_the_search_finds_what_is_planted(tmp_path, name):
    path, line = tmp_path / name, f"    {PLANTED}"
    assert search(tmp_path) == []
    if name.endswith("whl"):
        with zipfile.ZipFile(path, "w") as pack:
            pack.writestr("x/y.py", f"a = 1\n{line}\n")
    elif name.endswith("html"):
        words = html.escape(line).replace(" ", "</span> <span>")
        path.write_text(f"<pre><span>a = 1</span>\n<span>{words}</span>\n</pre>")
    elif name.endswith("py"):
        path.write_text(f"a = 1\n{line}\n")
    else:
        cell = {"cell_type": "code", "source": ["a = 1\n", f"{line}\n", "b = 1"]}
        path.write_text(json.dumps({"cells": [cell]}))
    assert len(search(tmp_path)) == 1
    if name.endswith(("py", "ipynb")):
        assert len(find_leaks(tmp_path, LINES)) == 1


def test_a_place_that_is_taken_is_refused(small, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    for to in ("", str(tmp_path / "full"), str(tmp_path / "full" / "mine.txt")):
        with pytest.raises(CourseError, match=f"TO is '{re.escape(to)}': wanted a new or empty folder"):
            students_edition(small, to)
    with pytest.raises(CourseError, match="there is no folder"):
        students_edition(small, str(tmp_path / "no" / "where"))
    with pytest.raises(CourseError, match=r"git rev-parse failed in .*not a git repository"):
        students_edition(tmp_path / "full", str(tmp_path / "out"))
    with pytest.raises(CourseError, match="URL is 'nowhere': an address like"):
        students_edition(small, str(tmp_path / "out"), "nowhere")
    with pytest.raises(CourseError, match="git ls-remote failed"):
        students_edition(small, f"file://{tmp_path}/nothing.git")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["book", "full"]
    assert (tmp_path / "full" / "mine.txt").read_text() == "mine"


def test_it_names_its_own_address(small, tmp_path):
    (tmp_path / "out").mkdir()  # an empty folder is allowed
    students_edition(small, str(tmp_path / "out"), "https://github.com/ann/for-students")
    assert (tmp_path / "out" / "README.md").read_text() == "See https://github.com/ann/for-students.\n"
    assert address.wanted(tmp_path / "out") == "https://github.com/ann/for-students"
    assert address.wanted(small) == address.wanted()  # the instructor's clone stays as it was
    assert git(small, "status --porcelain") == ""


def test_a_remote_edition_is_carried_on_so_that_clones_can_follow(small, tmp_path):
    theirs, clone = tmp_path / "theirs.git", tmp_path / "clone"
    git(tmp_path, f"init --bare {theirs}")
    to = f"file://{theirs}"
    assert "was pushed" in students_edition(small, to)
    git(tmp_path, f"clone {to} {clone}")
    (clone / "mine.txt").write_text("a student's own")
    (small / "README.md").write_text("Mended.\n")
    assert "already up to date" in students_edition(small, to)  # it is not committed yet
    git(small, "commit -am mend")
    assert "was pushed" in students_edition(small, to)
    git(clone, "pull --ff-only")
    assert (clone / "README.md").read_text() == "Mended.\n"
    assert git(clone, "log --format=%s").splitlines() == ["Students' edition"] * 2
    assert not any("course/source" in line for line in git(clone, "log --name-only --format=").splitlines())


def test_released_assignments_come_with_it_and_stay(small, tmp_path):
    theirs, clone, notebook = tmp_path / "theirs.git", tmp_path / "clone", tmp_path / "ch01.ipynb"
    cell = {"cell_type": "code", "source": "def f(x):\n    raise NotImplementedError", "metadata": {}}
    notebook.write_text(json.dumps({"cells": [cell]}))
    git(tmp_path, f"init --bare {theirs}")
    to = f"file://{theirs}"
    students_edition(small, to, released=[notebook])
    git(tmp_path, f"clone {to} {clone}")
    assert (clone / "assignments" / "ch01.ipynb").read_text() == notebook.read_text()
    assert "already up to date" in students_edition(small, to)  # and still contains the assignment
    cell["source"] += "\n    return secret_of(x)"
    notebook.write_text(json.dumps({"cells": [cell]}))
    with pytest.raises(CourseError, match=r"assignments/ch01.ipynb: solution of ch01 f"):
        students_edition(small, to, released=[notebook])


def test_a_remote_that_holds_something_else_is_left_alone(small, tmp_path):
    theirs = tmp_path / "theirs.git"
    git(tmp_path, f"clone --bare {small} {theirs}")
    with pytest.raises(CourseError, match="its branch main is not a students' edition"):
        students_edition(small, f"file://{theirs}")
    assert git(theirs, "log --format=%s").splitlines() == ["all"]
