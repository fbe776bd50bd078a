"""The edition at the foot of each page: version, commit, date, and the version of the calendar data.

The date is $SOURCE_DATE_EPOCH (in seconds, as for any reproducible build) or else the commit's. It is never
today's, or no two builds would be the same.
"""

import os
import subprocess
import tomllib
from datetime import UTC, date, datetime
from pathlib import Path

from babel.core import get_global
from sphinx.application import Sphinx
from sphinx.config import Config

from bookpress import ROOT


def version(root: Path = ROOT) -> str:
    """The package's version, which is also the book's."""
    return tomllib.loads((root / "pyproject.toml").read_text("utf8"))["project"]["version"]


def git(*arguments: str, root: Path = ROOT) -> str:
    """The output of a git command in this clone; empty without git or outside a clone."""
    if not (root / ".git").exists():
        return ""
    try:
        return subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True).stdout.strip()
    except OSError:
        return ""


def commit(root: Path = ROOT) -> str:
    """The short name of the commit, and whether files have changed since."""
    name = git("rev-parse", "--short=10", "HEAD", root=root)
    changed = name and git("status", "--porcelain", "--untracked-files=no", root=root)
    return f"{name}, with changes" if changed else name


def built(root: Path = ROOT) -> date | None:
    """The edition's date."""
    seconds = os.environ.get("SOURCE_DATE_EPOCH") or git("log", "-1", "--format=%ct", root=root)
    return datetime.fromtimestamp(int(seconds), UTC).date() if seconds else None


def line(root: Path = ROOT) -> str:
    """The edition as one line of text."""
    name, day = commit(root), built(root)
    parts = [f"Version {version(root)}"]
    parts += [f"commit {name}"] if name else []
    parts += [f"{day.day} {day:%B %Y}"] if day else []
    return f"{' · '.join(parts)}. Dates as in Unicode CLDR {get_global('cldr')['version']}."


def sign(app: Sphinx, config: Config) -> None:
    """Add the edition to the footer."""
    options = config.html_theme_options
    edition = line(Path(app.srcdir))
    options["extra_footer"] = f'{options.get("extra_footer", "")}<p class="ab-edition">{edition}</p>'


def setup(app: Sphinx) -> None:
    app.connect("config-inited", sign)
