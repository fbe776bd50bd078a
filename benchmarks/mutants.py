"""How many small faults the package's tests find: `make mutants` prints a table, and every fault they miss.

    python -m benchmarks.mutants [--seconds S] [--again] [MODULE …]

mutmut writes the faults, one at a time, into a copy of the package under `mutants/`, and records which tests
reach each of them. pytest then collects the tests once, and each fault is tried in a fork of that process:
mutmut's own loop collects the tests again for each fault, which takes many times longer. Without names all
modules are measured. Results are kept: an interrupted run continues where it stopped.
"""

import argparse
import gc
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

import pytest
from hypothesis import Phase, settings
from mutmut.configuration import config as mutmut_config
from mutmut.mutation.diff_apply import get_diff_for_mutant
from mutmut.mutation.trampoline import set_mutant_under_test
from mutmut.stats import status_by_exit_code
from mutmut.utils.file_utils import setup_source_paths
from mutmut.utils.format_utils import mangled_name_from_mutant_name

from benchmarks import ROOT

FOLDER = ROOT / "mutants"
SOURCE = FOLDER / "src" / "attnbook"
PROBE = "attnbook.data.splits.*"  # mutmut prepares everything before it tries these few itself
KILLED, SURVIVED, NO_TESTS, SKIPPED, TIMEOUT = 1, 0, 33, 34, -24  # mutmut's exit codes
COLUMNS = ("killed", "survived", "no tests", "timeout")
HEAD = [
    "| module | mutants | killed | survived | no test | timeout | score |",
    "|:--|--:|--:|--:|--:|--:|--:|",
]
# Changes without an effect: to a check that zipped items are equally many, to the name of an encoding, to the
# words of a command's help, and None instead of False.
NO_EFFECT = re.compile(
    r'help=(f?"[^"]*"|None)|,? ?strict=\w+|,? *\)|, $|encoding="?[-\w]+"?|(?<=bias=|tent=)(False|None)'
)


class Trials:
    """A pytest plugin that tries each mutant on the tests that reach it, quickest first, in a fork."""

    def __init__(self, modules: list[str], seconds: float, again: bool) -> None:
        self.modules, self.seconds = modules, seconds
        self.wanted = (None, SURVIVED, NO_TESTS, TIMEOUT) if again else (None,)
        stats = json.loads((FOLDER / "mutmut-stats.json").read_text("utf-8"))
        self.durations = stats["duration_by_test"]
        self.reaching = stats["tests_by_mangled_function_name"]
        self.killers: dict[str, set[str]] = defaultdict(
            set
        )  # by function: they often kill its next mutant, too
        self.sound: set[str] = set()  # tests that pass without any mutant
        self.report: int | None = None  # in a fork: the pipe that takes the name of the test that fails
        self.current = ""

    @pytest.hookimpl(trylast=True)
    def pytest_configure(self) -> None:
        first = [Phase.explicit, Phase.generate]  # one failure is enough: don't look for a smaller one
        settings.register_profile("mutants", deadline=None, derandomize=True, database=None, phases=first)
        settings.load_profile("mutants")

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_makereport(self, call: pytest.CallInfo) -> None:
        failed = call.excinfo is not None and not call.excinfo.errisinstance(pytest.skip.Exception)
        if failed and self.report is not None:
            os.write(self.report, self.current.encode())
            os._exit(KILLED)

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        self.items = {item.nodeid: item for item in session.items}
        self.shared = {test: shared_fixtures(item) for test, item in self.items.items()}
        gc.collect()
        gc.freeze()  # so that forks share all memory
        for meta in sorted(SOURCE.rglob("*.py.meta")):
            if chosen(module_of(meta), self.modules):
                self.try_module(meta)
        return True

    def try_module(self, meta: Path) -> None:
        data = json.loads(meta.read_text("utf-8"))
        codes = data["exit_code_by_key"]
        left = [name for name, code in codes.items() if code in self.wanted]
        for number, name in enumerate(left, 1):
            codes[name] = SKIPPED if without_effect(name, meta) else self.try_mutant(name)
            if number % 20 == 0 or number == len(left):
                meta.write_text(json.dumps(data), "utf-8")
                print(f"{time.strftime('%H:%M:%S')} {module_of(meta)}: {number} of {len(left)}", flush=True)

    def try_mutant(self, name: str) -> int:
        function = mangled_name_from_mutant_name(name)
        reaching = [test for test in self.reaching.get(function, ()) if test in self.items]
        # What a shared fixture runs was recorded for the first test that uses it, but concerns all of them.
        shared = set().union(*(self.shared[test] for test in reaching))
        others = (test for test in self.durations if shared & self.shared.get(test, set()))
        reaching = list(dict.fromkeys([*reaching, *others]))
        reaching.sort(key=lambda test: (test not in self.killers[function], self.durations[test]))
        tests, total = [], 0.0
        for test in reaching:
            total += self.durations[test]
            if tests and total > self.seconds:
                break
            tests.append(test)
        while tests:
            code, killer = self.fork(tests, name)
            if code != KILLED or not killer or self.is_sound(killer):
                self.killers[function].add(killer)
                return code
            tests.remove(killer)
        return NO_TESTS

    def is_sound(self, test: str) -> bool:
        if test not in self.sound:
            if self.fork([test], "")[0] != SURVIVED:
                print(f"left out because it fails without any mutant: {test}", flush=True)
                del self.items[test]
                return False
            self.sound.add(test)
        return True

    def fork(self, tests: list[str], mutant: str) -> tuple[int, str]:
        """Run the tests on a mutant until one fails: mutmut's exit code, and the name of that test."""
        ours, theirs = os.pipe()
        process = os.fork()
        if process == 0:
            self.report = theirs
            try:
                self.run(tests, mutant)
            finally:
                os.write(theirs, self.current.encode())
                os._exit(KILLED)  # no mutant may get out of its fork
        os.close(theirs)
        with open(ours, encoding="utf-8") as pipe:
            killer = pipe.read()
        code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        return (TIMEOUT if code in (-signal.SIGPROF, -signal.SIGALRM) else code), killer

    def run(self, tests: list[str], mutant: str) -> None:
        nowhere = os.open(os.devnull, os.O_RDWR)
        for stream in range(3):
            os.dup2(nowhere, stream)
        set_mutant_under_test(mutant)
        signal.signal(signal.SIGPROF, signal.SIG_DFL)
        signal.alarm(900)  # seconds, for a mutant that waits
        for test, following in zip(tests, [*tests[1:], None], strict=True):
            # Processor time, so that a busy machine makes no mutant run out of it.
            signal.setitimer(signal.ITIMER_PROF, 4 + 8 * self.durations[test])
            self.current, item = test, self.items[test]
            item.ihook.pytest_runtest_protocol(item=item, nextitem=self.items.get(following))
        os._exit(SURVIVED)


def shared_fixtures(item: pytest.Item) -> set[tuple[str, str]]:
    """The fixtures, by folder or file and name, that a test shares with other tests of its file."""
    found = [definitions[-1] for definitions in item._fixtureinfo.name2fixturedefs.values()]
    return {(fixture.baseid, fixture.argname) for fixture in found if fixture.scope in ("module", "class")}


def module_of(meta: Path) -> str:
    name = ".".join(meta.relative_to(SOURCE).parts)
    return name.removesuffix(".py.meta").removesuffix(".__init__")


def chosen(module: str, modules: list[str]) -> bool:
    return not modules or f"{module}.".startswith(tuple(f"{name}." for name in modules))


def difference(name: str, meta: Path) -> list[str]:
    """The lines that a mutant removes and adds."""
    os.chdir(ROOT)  # mutmut looks for its files from there
    lines = get_diff_for_mutant(name, path=meta.relative_to(FOLDER).with_suffix("")).splitlines()
    os.chdir(FOLDER)
    return [line for line in lines if line[:1] in "+-" and line[:3] not in ("+++", "---")]


def without_effect(name: str, meta: Path) -> bool:
    lines = [NO_EFFECT.sub("", line) for line in difference(name, meta)]
    before, after = ([line[1:].strip() for line in lines if line[0] == sign] for sign in "-+")
    return before == after


def prepare(modules: list[str]) -> None:
    """Let mutmut write the mutants of what has changed, and record which tests reach them."""
    for module in modules:
        path = ROOT / "src" / "attnbook" / module.replace(".", "/")
        if not (path.is_dir() or path.with_suffix(".py").is_file()):
            raise SystemExit(
                f"ONLY: wanted modules of attnbook, such as attention or data.dates, got {module!r}"
            )
    command = [Path(sys.executable).with_name("mutmut"), "run", "--max-children", "1", PROBE]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | {"OMP_NUM_THREADS": "1"}, check=False)
    if done.returncode:
        raise SystemExit("mutmut stopped; what it printed last says why")


def run(modules: list[str], seconds: float, again: bool) -> None:
    """Try the mutants of the modules that have no result yet; with `again`, those that survived, too."""
    os.chdir(ROOT)
    options = mutmut_config()
    setup_source_paths()  # tests import the mutants, not the package
    set_mutant_under_test("")
    os.chdir(FOLDER)
    own = ["--rootdir=.", "--tb=no", "-s", "--assert=plain", "-p", "no:faulthandler", "-p", "no:timeout"]
    arguments = [*own, *options.pytest_add_cli_args, *options.pytest_add_cli_args_test_selection]
    code = pytest.main(arguments, plugins=[Trials(modules, seconds, again)])
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        raise SystemExit("pytest stopped; what it printed last says why")


def results() -> dict[Path, dict[str, str]]:
    """What became of each mutant that was tried, by module: "killed", "survived", "no tests", "timeout" …"""
    found = {}
    for path in sorted(SOURCE.rglob("*.py.meta")):
        codes = json.loads(path.read_text("utf-8"))["exit_code_by_key"]
        tried = {name: code for name, code in codes.items() if code not in (None, SKIPPED)}
        if tried:
            found[path] = {name: status_by_exit_code[code] for name, code in tried.items()}
    return found


def row(name: str, statuses: list[str]) -> str:
    """One line of the table. A mutant that makes a test run forever counts as killed."""
    counts = [statuses.count(column) for column in COLUMNS]
    score = (statuses.count("killed") + statuses.count("timeout")) / len(statuses)
    return f"| {name} | {len(statuses)} | {' | '.join(map(str, counts))} | {100 * score:.1f} % |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("modules", nargs="*", metavar="MODULE", help="such as attention or data.dates")
    parser.add_argument("--seconds", type=float, default=3, help="of tests that each mutant meets, at most")
    parser.add_argument("--again", action="store_true", help="try the survivors again, too")
    options = parser.parse_args()
    prepare(options.modules)
    run(options.modules, options.seconds, options.again)
    measured = {path: found for path, found in results().items() if chosen(module_of(path), options.modules)}
    if not measured:
        raise SystemExit("there is nothing to change in these modules: pyproject.toml leaves them out")
    rows = [row(f"`{module_of(path)}`", list(found.values())) for path, found in measured.items()]
    every = [status for found in measured.values() for status in found.values()]
    print("\n".join([*HEAD, *rows, row("all", every)]))
    for path, found in measured.items():
        for name, status in found.items():
            if status not in ("killed", "timeout"):
                print("\n".join([f"\n{status}: {name}", *difference(name, path)]))


if __name__ == "__main__":
    main()
