"""Carries the repository's address from _config.yml, the one place to set it, to the files that repeat it.

A notebook opened in Colab has no other file beside it, and the package's metadata no book: both name the
address themselves. Which one they name so far is in pyproject.toml; `make address` puts that of _config.yml
in its place, and `make address URL=https://github.com/you/your-book` writes it into _config.yml first.
"""

import re
import sys
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
FILES = ("*.md", "CITATION.cff", "chapters/*.*", "assignments/**/*.ipynb", ".binder/*", "pyproject.toml")


def wanted(root: Path = ROOT) -> str:
    """The address as _config.yml has it."""
    return yaml.safe_load((root / "_config.yml").read_text("utf8"))["repository"]["url"].rstrip("/")


def branch(root: Path = ROOT) -> str:
    """The branch that readers get, as _config.yml has it."""
    return yaml.safe_load((root / "_config.yml").read_text("utf8"))["repository"]["branch"]


def choose(url: str, root: Path = ROOT) -> None:
    """Write the address into _config.yml."""
    if not re.fullmatch(r"https://[\w.-]+/[\w.-]+/[\w.-]+", url := url.removesuffix(".git").rstrip("/")):
        raise ValueError(f"an address like https://github.com/you/your-book is wanted, not {url!r}")
    file = root / "_config.yml"
    text, count = re.subn(
        r"(?<=^repository:\n  url: ).*", lambda _: url, file.read_text("utf8"), count=1, flags=re.M
    )
    if not count:
        raise ValueError("_config.yml has no line `url:` right below `repository:`")
    file.write_text(text, "utf8")


def carried(root: Path = ROOT) -> str:
    """The address as the files name it so far."""
    return tomllib.loads((root / "pyproject.toml").read_text("utf8"))["project"]["urls"]["Repository"]


def rewrite(root: Path = ROOT) -> list[Path]:
    """Put the wanted address, and its owner/name, where the carried one stands; the files that changed."""
    old, new = carried(root), wanted(root)
    changed = []
    for file in (file for pattern in FILES for file in sorted(root.glob(pattern)) if file.is_file()):
        text = file.read_text("utf8")
        mended = text.replace(old, new).replace(slug(old), slug(new))
        if mended != text:
            file.write_text(mended, "utf8")
            changed.append(file)
    return changed


def slug(address: str) -> str:
    """owner/name, which the links of Binder and Colab are made of."""
    return "/".join(address.split("/")[-2:])


if __name__ == "__main__":
    if sys.argv[1:]:
        choose(sys.argv[1])
    for file in rewrite():
        print(f"{file.relative_to(ROOT)} now names {wanted()}")
