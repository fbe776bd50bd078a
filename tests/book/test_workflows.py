"""The workflows call what is there, with no more rights than they need; the weekly one says what broke."""

import re
import shlex
import sys
from pathlib import Path

import nbformat
import newest
import pytest
import yaml

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

import audit  # noqa: E402

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


@pytest.fixture(params=WORKFLOWS, ids=lambda path: path.stem)
def workflow(request):
    return yaml.safe_load(request.param.read_text("utf8"))


def steps(workflow: dict) -> list[dict]:
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def test_there_are_two():
    assert [path.stem for path in WORKFLOWS] == ["book", "newest"]


def test_what_is_run_exists(workflow):
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text("utf8"), re.M))
    lines = [line for step in steps(workflow) for line in step.get("run", "").splitlines()]
    assert lines
    for line in lines:
        words = [word for word in shlex.split(line) if "=" not in word]
        assert words[0] in ("make", "python", "cat") or (ROOT / words[0]).is_file(), line
        assert words[0] != "make" or set(words[1:]) <= targets, line
        assert all((ROOT / word).is_file() for word in words if word.startswith("scripts/")), line


def test_rights_are_few(workflow):
    assert workflow["permissions"] == {"contents": "read"}
    asked = {name: job.get("permissions", {}) for name, job in workflow["jobs"].items()}
    publishing = {"pages": "write", "id-token": "write"}
    assert {name: rights for name, rights in asked.items() if rights} in ({}, {"publish": publishing})


def test_actions_are_githubs_own_at_a_version(workflow):
    for step in steps(workflow):
        assert re.fullmatch(r"actions/[\w-]+@v\d+", step.get("uses", "actions/none@v0"))


def test_what_is_published_was_tested_and_is_on_the_books_branch():
    book = yaml.safe_load((ROOT / ".github" / "workflows" / "book.yml").read_text("utf8"))
    branch = yaml.safe_load((ROOT / "_config.yml").read_text("utf8"))["repository"]["branch"]
    assert book[True]["push"]["branches"] == [branch]  # YAML reads `on` as a truth
    assert book["jobs"]["publish"]["needs"] == "test"
    assert f"github.ref == 'refs/heads/{branch}'" in book["jobs"]["publish"]["if"]
    test = " ".join(step.get("run", "") for step in book["jobs"]["test"]["steps"])
    assert test.split()[0].startswith(".ci/")


def test_nothing_that_is_measured_changes_what_is_published():
    """What `make audit` writes into the repository would be a change of it, in the foot of each page."""
    book = yaml.safe_load((ROOT / ".github" / "workflows" / "book.yml").read_text("utf8"))
    lines = [step["run"] for step in book["jobs"]["test"]["steps"] if "make audit" in step.get("run", "")]
    assert len(lines) == 2
    for line in lines:
        options = shlex.split(shlex.split(line)[-1].removeprefix("AUDIT="))
        assert options[options.index("--write") + 1].startswith("$RUNNER_TEMP/")
        with pytest.raises(SystemExit, match="0"):
            audit.main([*options, "--help"])


def test_the_newest_versions_are_tried_every_week_on_pythons_that_the_package_allows():
    weekly = yaml.safe_load((ROOT / ".github" / "workflows" / "newest.yml").read_text("utf8"))
    assert re.fullmatch(r"\d+ \d+ \* \* [0-6]", weekly[True]["schedule"][0]["cron"])
    assert min(weekly["jobs"]["chapters"]["strategy"]["matrix"]["python"]) == "3.11"


def write(folder: Path, name: str, code: str) -> None:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    nbformat.write(notebook, folder / f"{name}.ipynb")


def test_the_summary_says_what_broke(tmp_path, monkeypatch, capsys):
    write(tmp_path, "1-runs", "print(1)")
    write(tmp_path, "2-breaks", "raise ValueError('no such | argument')")
    write(tmp_path, "3-warns", "import warnings\nwarnings.warn('soon gone')")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    assert newest.main(tmp_path) == 1
    text = (tmp_path / "summary.md").read_text("utf8")
    assert text in capsys.readouterr().out
    assert "2 of 3 chapters broke" in text
    assert "| 1-runs | runs |" in text
    assert "| 2-breaks | `ValueError: no such ¦ argument` |" in text
    assert re.search(r"\| 3-warns \| `warns: .*UserWarning: soon gone` \|", text)


def test_all_well_is_said_too(tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    write(tmp_path, "1-runs", "print(1)")
    assert newest.main(tmp_path) == 0
    assert "All 1 chapters run" in capsys.readouterr().out


def test_no_chapter_at_all_is_no_success(tmp_path, monkeypatch):
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    assert newest.main(tmp_path) == 1


def test_what_moved_is_listed(tmp_path):
    (tmp_path / "requirements.txt").write_text("numpy==0.1\ntqdm==0.2 ; python_version > '3'\n")
    (tmp_path / "pyproject.toml").write_text('[project]\ndependencies = ["numpy>=0.1", "tqdm"]\n')
    versions = newest.moved(tmp_path)
    assert versions["numpy"][0] == "0.1"
    assert versions["tqdm"][0] == "0.2"
    assert "| numpy | 0.1 | " in newest.report({"1": ""}, versions)
