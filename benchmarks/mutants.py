"""How many small faults the package's tests find: `make mutants` prints a table, and every fault they miss.

    python -m benchmarks.mutants [MODULE …]

mutmut makes the faults, one at a time, in a copy of the package under `mutants/`, and runs the tests that
reach each of them. Without names all modules are measured; what an interrupted run has reached is kept.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

from mutmut.stats import status_by_exit_code

from benchmarks import ROOT

FOLDER = ROOT / "mutants"
SOURCE = FOLDER / "src" / "attnbook"
COLUMNS = ("killed", "survived", "no tests", "timeout")
HEAD = [
    "| module | mutants | killed | survived | no test | timeout | score |",
    "|:--|--:|--:|--:|--:|--:|--:|",
]


def run(modules: list[str]) -> None:
    """Let mutmut try the mutants of the modules, or all that have no result yet."""
    for module in modules:
        path = ROOT / "src" / "attnbook" / module.replace(".", "/")
        if not (path.is_dir() or path.with_suffix(".py").is_file()):
            raise SystemExit(
                f"ONLY: wanted modules of attnbook, such as attention or data.dates, got {module!r}"
            )
    names = [f"attnbook.{module}.*" for module in modules]
    command = [Path(sys.executable).with_name("mutmut"), "run", "--max-children", "1", *names]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | {"OMP_NUM_THREADS": "1"}, check=False)
    if done.returncode:
        raise SystemExit("mutmut stopped; what it printed last says why")


def results() -> dict[str, dict[str, str]]:
    """What became of each mutant that was tried, by module: "killed", "survived", "no tests", "timeout" …"""
    found = {}
    for path in sorted(SOURCE.rglob("*.py.meta")):
        module = ".".join(path.relative_to(SOURCE).parts).removesuffix(".py.meta").removesuffix(".__init__")
        codes = json.loads(path.read_text("utf-8"))["exit_code_by_key"]
        statuses = {name: status_by_exit_code[code] for name, code in codes.items() if code is not None}
        if statuses:
            found[module] = statuses
    return found


def row(name: str, statuses: list[str]) -> str:
    """One line of the table. A mutant that makes a test run without end counts as found."""
    counts = [statuses.count(column) for column in COLUMNS]
    score = (statuses.count("killed") + statuses.count("timeout")) / len(statuses)
    return f"| {name} | {len(statuses)} | {' | '.join(map(str, counts))} | {100 * score:.1f} % |"


def change(name: str) -> str:
    """The lines that a mutant takes away and puts in."""
    command = [Path(sys.executable).with_name("mutmut"), "show", name]
    lines = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    changed = [line for line in lines if line[:1] in "+-" and line[:3] not in ("+++", "---")]
    return "\n".join([f"{name}", *changed])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("modules", nargs="*", metavar="MODULE", help="such as attention or data.dates")
    modules = parser.parse_args().modules
    run(modules)
    tried = results()
    chosen = [f"{module}." for module in modules] or [""]
    measured = {name: tried[name] for name in tried if f"{name}.".startswith(tuple(chosen))}
    rows = [row(f"`{name}`", list(statuses.values())) for name, statuses in measured.items()]
    if not measured:
        raise SystemExit("there is nothing to change in these modules: pyproject.toml leaves them out")
    every = [status for statuses in measured.values() for status in statuses.values()]
    print("\n".join([*HEAD, *rows, row("all", every)]))
    for statuses in measured.values():
        for name, status in statuses.items():
            if status not in ("killed", "timeout"):
                print(f"\n{status}: {change(name)}")


if __name__ == "__main__":
    main()
