"""Links that open chapters on your JupyterHub: `make hub-links HUB=https://hub.example.edu`.

Each link clones the book into the student's home directory, or updates it without touching the student's own
changes, and opens the chapter in JupyterLab. The hub needs nbgitpuller. URL= is the repository that students
get, which is best their own edition: see coursework/edition.py.
"""

import json
import sys
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from bookpress import ROOT, address, contents


def chapters(root: Path = ROOT) -> dict[str, str]:
    """The notebooks in the table of contents, in order, with their titles."""
    names = [f"{page}.ipynb" for page in contents.pages(root)]
    return {name: title(root / name) for name in names if (root / name).exists()}


def title(notebook: Path) -> str:
    """A notebook's heading."""
    source = "".join(json.loads(notebook.read_text("utf8"))["cells"][0]["source"])
    return source.splitlines()[0].removeprefix("# ")


def link(hub: str, notebook: str, repository: str, root: Path = ROOT) -> str:
    """The link to one notebook on the hub."""
    folder = repository.rpartition("/")[2]  # nbgitpuller names the clone after the repository
    query = {
        "repo": repository,
        "branch": address.branch(root),
        "urlpath": f"lab/tree/{folder}/{notebook}?autodecode",
    }
    return f"{hub.rstrip('/')}/hub/user-redirect/git-pull?{urlencode(query)}"


def assignments(numbers: tuple[str, ...], root: Path = ROOT) -> dict[str, str]:
    """Where released assignments are in the students' edition, and their titles."""
    found = {}
    for number in numbers:
        name = f"ch{number.removeprefix('ch').zfill(2)}"
        notebook = root / "course" / "release" / name / f"{name}.ipynb"
        if not notebook.is_file():
            raise ValueError(f"ASSIGNMENTS has {number!r}, which is not released: make release CH={number}")
        found[f"assignments/{name}.ipynb"] = title(notebook)
    return found


def main(hub: str, url: str = "", *numbers: str) -> int:
    if urlsplit(hub).scheme not in ("https", "http") or not urlsplit(hub).netloc:
        print("Say where the hub is: make hub-links HUB=https://hub.example.edu", file=sys.stderr)
        return 1
    repository = url.rstrip("/").removesuffix(".git") or address.wanted()
    if not urlsplit(repository).netloc:
        print(f"URL is {url!r}: wanted the address of the students' edition", file=sys.stderr)
        return 1
    if warning := address.placeholder(repository):
        print(warning, file=sys.stderr)
    if not url and (ROOT / "course" / "source").exists():
        print(
            "These links give students this repository, with the assignments' solutions in course/source. "
            "`make students-edition` writes one without them; URL= makes the links lead there.",
            file=sys.stderr,
        )
    try:
        given = assignments(numbers)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    for notebook, name in (chapters() | given).items():
        print(f"- [{name}]({link(hub, notebook, repository)})")
    return 0


if __name__ == "__main__":
    sys.exit(main(*(sys.argv[1:] or [""])))
