"""A published model's file in chunks, for widgets that run the model in the page.

A page fetches only the chunks it needs, and the browser keeps each of them. `manifest` lists the parts of the
file, the chunks of each part and their hashes; `chunk_file` returns a chunk's bytes. The book's build writes
all of them into the site; in a notebook, Python sends them.
"""

import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from pathlib import Path

import numpy as np

from attnbook.pretrained.files import cache_folder, fetch
from attnbook.pretrained.models import find

__all__ = ["MANIFEST", "VERSION", "Part", "chunk_file", "chunk_names", "manifest"]

MANIFEST = "manifest.json"
LARGEST = 4 << 20  # bytes
VERSION = 1  # of the manifest's format


@dataclass(frozen=True)
class Part:
    """The bytes from `start` to `end` of a file, in chunks of `size` bytes; the last may be shorter."""

    start: int
    end: int
    size: int = LARGEST

    def chunks(self) -> list[tuple[int, int]]:
        """Start and end of each chunk."""
        return [(at, min(at + self.size, self.end)) for at in range(self.start, self.end, self.size)]


@lru_cache(maxsize=4)
def manifest(name: str) -> dict:
    """The model's manifest, as JSON has it.

    `name`; `version` of this format; `file`, `bytes` and `sha256` of the published file; `licence`, and
    `notices`, the files with its text and the model's card; `parts`: for each part `start`, `end` and `size`,
    as `Part` has them, and `sha256`, a list with each chunk's hash. Chunk 3 of the part "rows" is the file
    `rows-3.bin`. Fetches the published file if it isn't cached; raises what `fetch` raises.
    """
    published, weights = find(name), fetch(name)
    content = np.memmap(weights, mode="r")
    parts = {}
    for part, place in parts_of(name, weights).items():
        hashes = [hashlib.sha256(content[start:end]).hexdigest() for start, end in place.chunks()]
        parts[part] = {"start": place.start, "end": place.end, "size": place.size, "sha256": hashes}
    return {
        "name": name,
        "version": VERSION,
        "file": weights.name,
        "bytes": published.files[0].size,
        "sha256": published.files[0].sha256,
        "licence": published.licence,
        "notices": [f"{name}.md", f"{published.licence}.txt"],
        "parts": parts,
    }


def parts_of(name: str, weights: Path) -> dict[str, Part]:
    """The parts of the model's file: those that its converter names, or the whole file as "weights"."""
    converter = import_module(f"attnbook.pretrained.{find(name).converter}")
    if hasattr(converter, "parts"):
        return converter.parts(weights)
    return {"weights": Part(0, weights.stat().st_size)}


def chunk_names(listed: dict) -> dict[str, tuple[int, int]]:
    """The file name of each chunk in a manifest, with its start and end in the published file."""
    names = {}
    for part, fields in listed["parts"].items():
        place = Part(fields["start"], fields["end"], fields["size"])
        names |= {f"{part}-{i}.bin": bounds for i, bounds in enumerate(place.chunks())}
    return names


def chunk_file(name: str, file: str) -> bytes:
    """The manifest or a chunk, by its file name; raises `ValueError` for another name."""
    listed = manifest(name)
    if file == MANIFEST:
        return json.dumps(listed, separators=(",", ":")).encode()
    names = chunk_names(listed)
    if file not in names:
        raise ValueError(f"file: {name} has no chunk {file!r}")
    start, end = names[file]
    with open(cache_folder() / name / listed["file"], "rb") as content:
        content.seek(start)
        return content.read(end - start)
