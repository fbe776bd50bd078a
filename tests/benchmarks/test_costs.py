"""Measuring a chapter's cost counts its kernel, and a failing chapter makes it fail."""

from pathlib import Path

import nbformat
import pytest

from benchmarks import chapters as costs


def notebook(folder: Path, *cells: str) -> Path:
    one = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code) for code in cells])
    nbformat.write(one, folder / "one.ipynb")
    return folder / "one.ipynb"


def test_the_kernels_memory_and_time_are_counted(tmp_path):
    idle = costs.measure(notebook(tmp_path, "pass"))
    busy = costs.measure(
        notebook(
            tmp_path,
            "held = bytearray(b'x') * 400_000_000",
            "del held",
            "import time\nbegin = time.process_time()\nwhile time.process_time() < begin + 1: pass",
        )
    )
    assert 20 < idle["memory"] < 300
    assert busy["memory"] - idle["memory"] == pytest.approx(400, abs=40)
    assert busy["processor"] - idle["processor"] > 0.7
    assert busy["seconds"] > 1


def test_a_chapter_that_fails_is_named(tmp_path):
    with pytest.raises(RuntimeError, match=r"one\.ipynb failed:(.|\n)*ZeroDivisionError"):
        costs.measure(notebook(tmp_path, "1 / 0"))


def test_too_much_memory_or_time_is_reported():
    measured = {
        "01-light": {"memory": 1499, "seconds": 89},
        "02-heavy": {"memory": 1501, "seconds": 1},
        "03-slow": {"memory": 1, "seconds": 91},
    }
    assert costs.excesses(measured) == [
        "02-heavy: 1501 MB, wanted at most 1500 MB",
        "03-slow: 91 s, wanted at most 90 s",
    ]


def test_chapters_that_are_not_measured_keep_their_lines(tmp_path):
    report, one = tmp_path / "chapters.md", {"seconds": 3.2, "processor": 2.6, "memory": 400.4}
    costs.write({"02-two": one, "03-three": one}, report)
    costs.write({"01-one": one, "03-three": one | {"seconds": 50}}, report)
    lines = report.read_text("utf8").splitlines()
    assert lines[-3:] == [
        "| 01-one | 3 | 3 | 400 |",
        "| 02-two | 3 | 3 | 400 |",
        "| 03-three | 50 | 3 | 400 |",
    ]
    assert lines[-5].startswith("| chapter | seconds |")
