"""The book's pages in their order, from _toc.yml."""

from collections.abc import Iterator
from pathlib import Path

import yaml

from bookpress import ROOT


def pages(root: Path = ROOT) -> tuple[str, ...]:
    """Every page of the table of contents in order, without its file extension."""
    return tuple(named(yaml.safe_load((root / "_toc.yml").read_text("utf8"))))


def named(entry: dict | list) -> Iterator[str]:
    """The pages that an entry and its children name."""
    if isinstance(entry, dict):
        yield from (entry[key] for key in ("root", "file") if key in entry)
        entry = entry.values()
    for part in entry:
        if isinstance(part, dict | list):
            yield from named(part)
