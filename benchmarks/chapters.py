"""Time and memory per chapter: `make bench-chapters` prints this table and writes it to chapters.md.

Every chapter runs from the first cell to the last in its own kernel. Memory is the kernel's peak as counted
by the operating system. A peak above 1,500 MB fails the run, because Binder gives 2 GB to the kernel and
JupyterLab together. So does a chapter that takes more than 90 seconds.
"""

import argparse
import json
import os
import platform
import re
import resource
import subprocess
import sys
import time
from pathlib import Path

from benchmarks import ROOT

CHAPTERS = ROOT / "chapters"
REPORT = ROOT / "benchmarks" / "chapters.md"
LIMITS = {"memory": (1500, "MB"), "seconds": (90, "s")}
HEADER = ["chapter", "seconds", "processor seconds", "memory, MB"]


def execute(notebook: Path) -> dict:
    """Run a notebook in this process; return warnings, seconds, processor seconds and peak memory in MB."""
    import nbformat
    from nbclient import NotebookClient

    begin = time.perf_counter()
    pages = nbformat.read(notebook, as_version=4)
    client = NotebookClient(
        pages,
        timeout=600,
        kernel_name="python3",
        resources={"metadata": {"path": str(notebook.parent)}},
    )
    client.execute()
    seconds = time.perf_counter() - begin
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    unit = 1 if sys.platform == "darwin" else 1024  # macOS counts bytes, Linux kilobytes
    outputs = [output for cell in pages.cells for output in cell.get("outputs", [])]
    return {
        "warnings": "".join(output.text for output in outputs if output.get("name") == "stderr"),
        "seconds": seconds,
        "processor": used.ru_utime + used.ru_stime,
        "memory": used.ru_maxrss * unit / 1e6,
    }


def measure(notebook: Path) -> dict:
    """Run a notebook in a separate process, so that only its kernel is counted."""
    command = [sys.executable, "-m", "benchmarks.chapters", "--execute", str(notebook.resolve())]
    env = {**os.environ, "TQDM_DISABLE": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=env, cwd=ROOT, check=False)
    if done.returncode:
        raise RuntimeError(f"{notebook.name} failed:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def row(name: str, one: dict) -> str:
    """A chapter's line of the table, in Markdown."""
    return f"| {name} | {one['seconds']:.0f} | {one['processor']:.0f} | {one['memory']:.0f} |"


def rows_of(report: str) -> dict[str, str]:
    """The lines of the table in an earlier report, by chapter."""
    return {line.split(" | ")[0][2:]: line for line in re.findall(r"^\| \d.*", report, re.M)}


def write(measured: dict[str, dict], report: Path = REPORT) -> None:
    """Write the report; chapters that weren't measured keep their lines."""
    rows = rows_of(report.read_text("utf8")) if report.exists() else {}
    rows |= {name: row(name, one) for name, one in measured.items()}
    head = [f"| {' | '.join(HEADER)} |", "| --- | --: | --: | --: |"]
    versions = f"Python {platform.python_version()}, {os.cpu_count()} cores"
    text = f"# Time and memory per chapter\n\n{__doc__.split(chr(10), 2)[2].strip()}\n\n"
    text += f"Measured by `make bench-chapters` on {versions}.\n\n"
    report.write_text(text + "\n".join([*head, *(rows[name] for name in sorted(rows))]) + "\n", "utf8")


def excesses(measured: dict[str, dict]) -> list[str]:
    """What each chapter takes beyond the limits."""
    return [
        f"{name}: {one[key]:.0f} {unit}, wanted at most {most} {unit}"
        for name, one in measured.items()
        for key, (most, unit) in LIMITS.items()
        if one[key] > most
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("chapters", nargs="*", help="such as 03 04 (default: all)")
    parser.add_argument("--execute", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.execute:
        print(json.dumps(execute(options.execute)))
        return 0
    notebooks = sorted(CHAPTERS.glob("*.ipynb"))
    chosen = [one for one in notebooks if not options.chapters or one.name[:2] in options.chapters]
    measured = {}
    for notebook in chosen:
        measured[notebook.stem] = measure(notebook)
        print(row(notebook.stem, measured[notebook.stem]), flush=True)
    write(measured)
    for excess in excesses(measured):
        print(excess, file=sys.stderr)
    return bool(excesses(measured))


if __name__ == "__main__":
    sys.exit(main())
