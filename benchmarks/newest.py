"""Run every chapter with the installed versions and report what broke: `python -m benchmarks.newest`.

The report is printed and, in a GitHub workflow, appended to the run's summary ($GITHUB_STEP_SUMMARY).
"""

import os
import platform
import re
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

from benchmarks import ROOT
from benchmarks.chapters import measure

ESCAPES = re.compile(r"\x1b\[[0-9;]*m")


def try_chapters(folder: Path) -> dict[str, str]:
    """The fault of each chapter, or "" if it runs."""
    faults = {}
    for notebook in sorted(folder.glob("*.ipynb")):
        try:
            warnings = measure(notebook)["warnings"]
            faults[notebook.stem] = f"warns: {warnings.splitlines()[0]}" if warnings else ""
        except RuntimeError as error:
            faults[notebook.stem] = last_line(str(error))
    return faults


def last_line(text: str) -> str:
    """The last non-empty line; for a traceback, that is the error."""
    lines = [line.strip() for line in ESCAPES.sub("", text).splitlines() if line.strip()]
    return lines[-1] if lines else ""


def moved(root: Path = ROOT) -> dict[str, tuple[str, str]]:
    """The package's dependencies whose version differs from requirements.txt: (pinned, installed)."""
    pins = dict(re.findall(r"^([\w.-]+)==([^\s;]+)", (root / "requirements.txt").read_text("utf8"), re.M))
    asked = tomllib.loads((root / "pyproject.toml").read_text("utf8"))["project"]["dependencies"]
    names = [re.match(r"[\w.-]+", one)[0] for one in asked]
    versions = {name: (pins[name], version(name).partition("+")[0]) for name in names}
    return {name: both for name, both in versions.items() if both[0] != both[1]}


def report(faults: dict[str, str], versions: dict[str, tuple[str, str]]) -> str:
    """The report in Markdown."""
    broken = sum(map(bool, faults.values()))
    verdict = f"{broken} of {len(faults)} chapters broke" if broken else f"All {len(faults)} chapters run"
    lines = [f"## {verdict} on Python {platform.python_version()}", "", "| chapter | |", "|---|---|"]
    lines += [f"| {name} | {as_cell(fault) or 'runs'} |" for name, fault in faults.items()]
    lines += ["", "| package | pinned | installed |", "|---|---|---|"] if versions else []
    lines += [f"| {name} | {pinned} | {installed} |" for name, (pinned, installed) in versions.items()]
    return "\n".join(lines) + "\n"


def as_cell(text: str) -> str:
    """Escape text for a Markdown table cell."""
    return f"`{text.replace('|', '¦').replace('`', chr(39))}`" if text else ""


def main(folder: Path = ROOT / "chapters") -> int:
    faults = try_chapters(folder)
    text = report(faults, moved())
    print(text)
    if summary := os.environ.get("GITHUB_STEP_SUMMARY"):
        with open(summary, "a", encoding="utf8") as file:
            file.write(text)
    return int(any(faults.values()) or not faults)


if __name__ == "__main__":
    sys.exit(main())
