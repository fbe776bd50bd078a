"""Links that bring students into a chapter on a JupyterHub of yours: `make hub-links HUB=https://hub.example.edu`.

Each link clones the book into the student's home, or brings what changed since without touching what the
student changed, and opens the chapter in JupyterLab. It needs nbgitpuller on the hub.
"""

import json
import sys
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from bookpress import ROOT, address, contents


def chapters(root: Path = ROOT) -> dict[str, str]:
    """The notebooks of the table of contents, in its order, and their titles."""
    names = [f"{page}.ipynb" for page in contents.pages(root)]
    return {name: title(root / name) for name in names if (root / name).exists()}


def title(notebook: Path) -> str:
    """A notebook's heading."""
    source = "".join(json.loads(notebook.read_text("utf8"))["cells"][0]["source"])
    return source.splitlines()[0].removeprefix("# ")


def link(hub: str, notebook: str, root: Path = ROOT) -> str:
    """The link to one notebook on the hub."""
    repository = address.wanted(root)
    folder = repository.rpartition("/")[2]  # nbgitpuller names the clone after the repository
    query = {
        "repo": repository,
        "branch": address.branch(root),
        "urlpath": f"lab/tree/{folder}/{notebook}?autodecode",
    }
    return f"{hub.rstrip('/')}/hub/user-redirect/git-pull?{urlencode(query)}"


def main(hub: str) -> int:
    if urlsplit(hub).scheme not in ("https", "http") or not urlsplit(hub).netloc:
        print("Say where the hub is: make hub-links HUB=https://hub.example.edu", file=sys.stderr)
        return 1
    for notebook, name in chapters().items():
        print(f"- [{name}]({link(hub, notebook)})")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if sys.argv[1:] else ""))
