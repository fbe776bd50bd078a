"""Time and memory to grade a class: synthetic submissions of chapter 4's assignment.

    python -m benchmarks.grading [SUBMISSIONS [PROCESSES …]]     (200, with 1 and 2 processes)

Seven in ten are correct, two in ten wrong, one in ten hostile. Writes benchmarks/grading.md.
"""

import copy
import io
import json
import os
import platform
import re
import shutil
import sys
import tempfile
import threading
import time
from contextlib import redirect_stdout
from pathlib import Path

import nbformat

from benchmarks import ROOT
from coursework.course import Course
from coursework.grade import grade
from coursework.release import release
from coursework.watch import family

NAME = "ch04"
HOSTILE = {
    "never ends": "while True:\n    pass",
    "takes all memory": "blocks = []\nwhile True:\n    blocks.append(bytearray(10**7))",
    "starts processes": "import os, time\nwhile True:\n    if os.fork() == 0:\n        time.sleep(600)",
    "prints 200 MB": "print('x' * 200_000_000)",
    "ends its process": "import os\nos._exit(0)",
}


def submissions(course: Course, count: int):
    """Yield the name and notebook of each submission."""
    source = nbformat.read(course.notebook("source", NAME), as_version=4)
    solved = {cell.metadata.nbgrader.grade_id: cell.source for cell in source.cells}
    right = copy.deepcopy(course.released(NAME))
    for cell in right.cells:
        if cell.metadata.nbgrader.solution:
            cell.source = re.sub(
                r" *### (BEGIN|END) SOLUTION\n?", "", solved[cell.metadata.nbgrader.grade_id]
            )
    tasks = [
        i
        for i, cell in enumerate(right.cells)
        if cell.metadata.nbgrader.solution and cell.cell_type == "code"
    ]
    for number in range(count):
        notebook, kind = copy.deepcopy(right), "right"
        task = notebook.cells[tasks[number % len(tasks)]]
        if number % 10 in (3, 6):
            kind = "wrong"
            task.source = re.sub(r"return .*\Z", "return None", task.source.rstrip(), flags=re.DOTALL)
        elif number % 10 == 9:
            kind, code = list(HOSTILE.items())[number // 10 % len(HOSTILE)]
            task.source = f"{code}\n"
        yield f"{number:03}-{kind.replace(' ', '-')}", notebook


class Peak(threading.Thread):
    """Records the peak memory of this process and all its descendants."""

    def __init__(self):
        super().__init__(daemon=True)
        self.most, self.done = 0, threading.Event()

    def run(self):
        while not self.done.wait(0.1):
            self.most = max(self.most, sum(map(proportional_set_size, family(os.getpid()))))


def proportional_set_size(process: int) -> int:
    """A process's memory in bytes; shared memory is divided among the processes that share it."""
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def measure(count: int, jobs: int) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder, "course")
        shutil.copytree(ROOT / "course" / "source" / NAME, folder / "source" / NAME)
        shutil.copy(ROOT / "course" / "nbgrader_config.py", folder)
        course = Course(folder)
        release(course, NAME)
        for student, notebook in submissions(course, count):
            path = course.notebook("submitted", NAME, student)
            path.parent.mkdir(parents=True)
            path.write_text(json.dumps(notebook), "utf8")
        peak, began = Peak(), time.monotonic()
        peak.start()
        with redirect_stdout(io.StringIO()):
            failed = grade(course, NAME, jobs=jobs)
        seconds = time.monotonic() - began
        peak.done.set()
        kept = {
            path.parts[-3]: json.loads(path.read_text())
            for path in folder.glob(f"autograded/*/{NAME}/graded.json")
        }
    ordinary = sorted(one["seconds"] for student, one in kept.items() if student.endswith(("right", "wrong")))
    right = [one["score"] for student, one in kept.items() if student.endswith("right")]
    return {
        "submissions": count,
        "processes": jobs,
        "minutes": seconds / 60,
        "an hour": 3600 * count / seconds,
        "median": ordinary[len(ordinary) // 2],
        "memory": peak.most / 2**20,
        "sandbox": max(one["peak"] for one in kept.values()) / 2**20,
        "failed": failed,
        "same": len(set(right)) == 1,
    }


def main(words: list[str]) -> None:
    count = int(words[0]) if words else 200
    plan = [(count, int(jobs)) for jobs in words[1:]] or [(count // 4, 1), (count, 2)]
    lines = [
        "# Grading a class",
        "",
        "Synthetic submissions of chapter 4's assignment: of 10, 7 are correct, 2 wrong, and 1 hostile (it "
        "never ends, takes all memory, starts processes, prints 200 MB, or kills its process). "
        f"{platform.machine()}, Python "
        f"{platform.python_version()}; measured by `make bench-grading`.",
        "",
        "| submissions | processes | minutes | per hour | s each | peak MB, total | peak MB, sandbox |",
        "|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for number, jobs in plan:
        found = measure(number, jobs)
        assert not found["failed"], found
        assert found["same"], found
        lines.append(
            f"| {number} | {jobs} | {found['minutes']:.1f} | {found['an hour']:.0f} | "
            f"{found['median']:.1f} | {found['memory']:.0f} | {found['sandbox']:.0f} |"
        )
        print(lines[-1], flush=True)
    one, three = (measure(8, jobs)["memory"] for jobs in (1, 3))  # the first eight are ordinary
    lines += [
        "",
        "Seconds each are the median of the submissions that aren't hostile. All submissions are graded, and "
        "every correct one gets the same points. A hostile submission costs at most its time and memory "
        f"limits. Without hostile ones, grading takes {one:.0f} MB with one process and "
        f"{(three - one) / 2:.0f} MB more for each further process.",
    ]
    (ROOT / "benchmarks" / "grading.md").write_text("\n".join(lines) + "\n", "utf8")


if __name__ == "__main__":
    main(sys.argv[1:])
