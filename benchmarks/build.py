"""How long the book takes to build: `make bench-build` prints this table and writes it to build.md.

A clone of the last commit is built twice with the packages installed here: first cold, which runs every
chapter, then unchanged. The published models are in the cache already.
"""

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import ROOT

AIMS = {"cold": 720, "unchanged": 20}  # seconds
HEAD = ["| build | seconds | aim | reached |", "|:--|--:|--:|:--|"]


def build(book: Path) -> float:
    """Seconds that `make book` takes for a copy of the book."""
    begin = time.perf_counter()
    subprocess.run(["make", "--silent", "book", f"BOOK={book}"], cwd=ROOT, check=True)
    return time.perf_counter() - begin


def row(name: str, seconds: float) -> str:
    return f"| {name} | {seconds:.0f} | ≤ {AIMS[name]} | {'yes' if seconds <= AIMS[name] else 'no'} |"


def main() -> int:
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    with tempfile.TemporaryDirectory() as folder:
        book = Path(folder) / "book"
        subprocess.run(["git", "clone", "--quiet", ROOT, book], check=True)
        times = {name: build(book) for name in AIMS}
    table = "\n".join([*HEAD, *(row(name, seconds) for name, seconds in times.items())])
    about = __doc__.split("\n\n", 1)[1].strip()
    machine = f"Python {platform.python_version()}, {os.cpu_count()} cores"
    text = f"# Time to build the book\n\n{about}\n\nMeasured by `make bench-build` on {machine}.\n\n{table}\n"
    print(table)
    Path(__file__).with_suffix(".md").write_text(text, encoding="utf8")
    return any(times[name] > aim for name, aim in AIMS.items())


if __name__ == "__main__":
    sys.exit(main())
