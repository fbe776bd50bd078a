"""A rehearsal confirms an assignment that is graded as expected, and names each deviation."""

import re

import nbformat
import pytest

from coursework.rehearse import emptied, error, hidden_lines, rehearse

LINES = [
    "model solution",
    "unanswered",
    "everything returns None",
    "everything raises an error",
    "last task unanswered",
]


def table(said: str) -> dict[str, str]:
    """The verdict on each submission, without its points."""
    rows = (re.match(r"([a-zN][\w ]+?)  +(?:\S+ of \S+ +)?(yes|no: .*)$", line) for line in said.splitlines())
    return {row[1]: row[2] for row in rows if row}


def test_a_good_assignment_is_as_it_should_be(classroom, capsys):
    assert rehearse(classroom.course, "1", jobs=2) == 0
    said = capsys.readouterr().out
    assert table(said) == dict.fromkeys([*LINES, "feedback pages"], "yes")
    assert re.search(r"^model solution +5 of 5 ", said, re.MULTILINE)
    assert re.search(r"^last task unanswered +3 of 5 ", said, re.MULTILINE)
    assert {path.name for path in classroom.folder.iterdir()} == {
        *("nbgrader_config.py", "source", "release", "gradebook.db"),
    }  # the course itself is unchanged


def test_each_unexpected_score_is_reported(classroom, capsys, at_once):
    """Here every test passes, whatever the answer."""
    assert rehearse(classroom.course, "1") == 4
    told = table(capsys.readouterr().out)
    assert [name for name in LINES if told[name] == "yes"] == ["model solution"]
    assert told["unanswered"] == (
        "no: lost nothing; expected to lose all of double-numbers, double-tensors, middle-odd"
    )
    assert told["last task unanswered"] == "no: lost nothing; expected to lose some of middle-odd"


def test_a_model_solution_that_causes_a_warning_fails_the_rehearsal(classroom, capsys, at_once, monkeypatch):
    monkeypatch.setattr("coursework.rehearse.filled", lambda released, answers: nbformat.v4.new_notebook())
    assert rehearse(classroom.course, "1") == 5
    assert "! cell double is missing" in table(capsys.readouterr().out)["model solution"]


def test_functions_are_emptied_and_other_cells_are_not():
    source = (
        "import math\n\ndef f(x):\n    'Says.'\n    return 2 * x\n\nclass A:\n    def g(self):\n        pass"
    )
    assert emptied(source, error).count("raise RuntimeError('wrong on purpose')") == 2
    assert "2 * x" not in emptied(source, error)
    assert emptied("answer = 4", error) == ""


@pytest.mark.parametrize("shown", ["assert double(-3)", "nothing"])
def test_a_hidden_test_on_a_feedback_page_is_named(classroom, tmp_path, shown):
    source = classroom.course.notebook("source", "ch01")
    line = next(
        line.strip()
        for cell in nbformat.read(source, as_version=4).cells
        for line in cell.source.splitlines()
        if line.strip().startswith("assert double(-3)")
    )
    page = tmp_path / "ada" / "ch01" / "ch01.html"
    page.parent.mkdir(parents=True)
    text = line.replace(" ", "</span> <span>") if shown != "nothing" else "x"
    page.write_text(f"<pre><span>a</span>\n<span>{text}</span>\n</pre>")
    found = hidden_lines(tmp_path, source)
    assert found == ([f"ch01 of ada shows {line}"] if shown != "nothing" else [])
