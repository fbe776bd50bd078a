"""Copies the repository's address from _config.yml, where it is set, to the files that repeat it.

A notebook opened in Colab has no other file beside it, and the package's metadata doesn't come with the book,
so both contain the address. pyproject.toml has the current one; `make address` replaces it everywhere by that
in _config.yml; `make address URL=https://github.com/you/your-book` writes a new one into _config.yml first.
It has to be on GitHub, because the links that open a chapter in Binder or Colab lead there.
"""

import re
import sys
import tomllib
from pathlib import Path

import yaml

from bookpress import ROOT

FILES = ("*.md", "chapters/*.*", "course/source/**/*.ipynb", ".binder/*", "pyproject.toml")


def wanted(root: Path = ROOT) -> str:
    """The address in _config.yml."""
    return yaml.safe_load((root / "_config.yml").read_text("utf8"))["repository"]["url"].rstrip("/")


def branch(root: Path = ROOT) -> str:
    """The branch that readers get, from _config.yml."""
    return yaml.safe_load((root / "_config.yml").read_text("utf8"))["repository"]["branch"]


def checked(url: str) -> str:
    """The address without its ending; `ValueError` unless it is a repository on GitHub."""
    if not re.fullmatch(r"https://github\.com/[\w-]+/[\w.-]+", url := url.rstrip("/").removesuffix(".git")):
        raise ValueError(
            f"an address like https://github.com/you/your-book is wanted, not {url!r}: "
            "the links that open chapters in Binder and Colab lead to GitHub"
        )
    return url


def placeholder(url: str) -> str:
    """A warning if the address is still the placeholder; "" otherwise."""
    if "/OWNER/" not in url:
        return ""
    return (
        f"The address is still the placeholder {url}, which leads nowhere. Set yours first: "
        "make address URL=https://github.com/you/your-book"
    )


def choose(url: str, root: Path = ROOT) -> None:
    """Write the address into _config.yml."""
    url = checked(url)
    file = root / "_config.yml"
    text, count = re.subn(
        r"(?<=^repository:\n  url: ).*", lambda _: url, file.read_text("utf8"), count=1, flags=re.M
    )
    if not count:
        raise ValueError("_config.yml has no line `url:` right below `repository:`")
    file.write_text(text, "utf8")


def carried(root: Path = ROOT) -> str:
    """The address that the files currently contain, from pyproject.toml."""
    return tomllib.loads((root / "pyproject.toml").read_text("utf8"))["project"]["urls"]["Repository"]


def rewrite(root: Path = ROOT) -> list[Path]:
    """Replace the current address, and its owner/name, by the wanted one; returns the files that changed."""
    old, new = carried(root), checked(wanted(root))
    instead = {old: new, slug(old): slug(new)}
    # Only whole names: `joann/book` and `ann/book-2026` don't contain `ann/book`.
    named = re.compile(rf"(?<![\w.-])({'|'.join(map(re.escape, instead))})(?![\w-]|\.(?!git\b)\w)")
    changed = []
    for file in (file for pattern in FILES for file in sorted(root.glob(pattern)) if file.is_file()):
        text = file.read_text("utf8")
        mended = named.sub(lambda found: instead[found[0]], text)
        if mended != text:
            file.write_text(mended, "utf8")
            changed.append(file)
    return changed


def slug(address: str) -> str:
    """owner/name, as in the links to Binder and Colab."""
    return "/".join(address.split("/")[-2:])


if __name__ == "__main__":
    try:
        if sys.argv[1:]:
            choose(sys.argv[1])
        for file in rewrite():
            print(f"{file.relative_to(ROOT)} now names {wanted()}")
    except ValueError as error:
        sys.exit(f"{error}.")
