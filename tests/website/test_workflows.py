"""The workflows run existing commands and publish what was tested; the weekly one reports what broke."""

import json
import os
import re
import shlex
import subprocess
from pathlib import Path

import nbformat
import pytest
import yaml

from benchmarks import audit, newest
from bookpress import ROOT, address

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


@pytest.fixture(params=WORKFLOWS, ids=lambda path: path.stem)
def workflow(request):
    return yaml.safe_load(request.param.read_text("utf8"))


def steps(workflow: dict) -> list[dict]:
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def test_commands_exist(workflow):
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text("utf8"), re.M))
    targets.add(".venv/installed")  # needed by most of them
    lines = [line for step in steps(workflow) for line in step.get("run", "").splitlines()]
    assert lines
    for line in lines:
        words = [word for word in shlex.split(line) if "=" not in word]
        assert words[0] in ("make", "python", ".venv/bin/python", "cat", "echo", "gh") or is_program(words[0])
        assert words[0] != "make" or set(words[1:]) <= targets, line
        assert all((ROOT / word).exists() for word in words if word.startswith(("tests/",))), line


def is_program(name: str) -> bool:
    return (ROOT / name).is_file() and os.access(ROOT / name, os.X_OK)


def test_actions_are_githubs_own_and_versioned(workflow):
    for step in steps(workflow):
        assert re.fullmatch(r"actions/[\w-]+@v\d+", step.get("uses", "actions/none@v0"))


def test_only_the_tested_main_branch_is_published():
    book = yaml.safe_load((ROOT / ".github" / "workflows" / "book.yml").read_text("utf8"))
    branch = yaml.safe_load((ROOT / "_config.yml").read_text("utf8"))["repository"]["branch"]
    assert book[True]["push"]["branches"] == [branch]  # YAML reads `on` as True
    assert book["jobs"]["publish"]["needs"] == "test"
    assert f"github.ref == 'refs/heads/{branch}'" in book["jobs"]["publish"]["if"]
    assert ".ci/run" in [step.get("run") for step in book["jobs"]["test"]["steps"]]


def test_measurements_do_not_change_the_site():
    """If `make audit` wrote into the repository, every footer would show a modified edition."""
    for job in ("test", "speed"):
        options = audit_options(job)
        assert options[options.index("--write") + 1].startswith("$RUNNER_TEMP/")
        with pytest.raises(SystemExit, match="0"):
            audit.main([*options, "--help"])


def audit_options(name: str) -> list[str]:
    """The options of `make audit` in a job of the book's workflow."""
    lines = [step["run"] for step in job(name)["steps"] if "make audit" in step.get("run", "")]
    assert len(lines) == 1
    return shlex.split(shlex.split(lines[0])[-1].removeprefix("AUDIT="))


def job(name: str, workflow: str = "book") -> dict:
    return yaml.safe_load((ROOT / ".github" / "workflows" / f"{workflow}.yml").read_text("utf8"))["jobs"][
        name
    ]


def run(program: str, *arguments: str, folder: Path = ROOT, **variables: str) -> subprocess.CompletedProcess:
    env = os.environ | variables
    return subprocess.run([program, *arguments], cwd=folder, env=env, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("repository", "known", "wanted"),
    [
        ("Ann/book", "", "https://ann.github.io/book"),
        ("Ann/ann.github.io", "", "https://ann.github.io"),
        ("ann/book", "https://book.example", "https://book.example"),
    ],
)
def test_the_sites_address_comes_from_github(tmp_path, repository, known, wanted):
    done = run(
        ".github/site-address",
        known,
        GITHUB_REPOSITORY=repository,
        GITHUB_SERVER_URL="https://github.com",
        GITHUB_ENV=str(tmp_path / "env"),
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "env").read_text() == f"BOOK_BASEURL={wanted}\n"


@pytest.mark.parametrize("named", [True, False])
def test_a_fork_that_names_another_repository_is_warned(tmp_path, named):
    repository = address.slug(address.wanted()) if named else "ann/book"
    variables = {"GITHUB_SERVER_URL": "https://github.com", "GITHUB_ENV": str(tmp_path / "env")}
    done = run(".github/site-address", "", GITHUB_REPOSITORY=repository, **variables)
    assert done.returncode == 0
    assert named == (done.stdout == "")
    if not named:
        assert done.stdout.startswith("::warning file=_config.yml,")
        assert f"lead to {address.wanted()}, not to https://github.com/ann/book:" in done.stdout
        assert "make address URL=https://github.com/ann/book'" in done.stdout


GH = """#!/bin/sh
echo "$@" >>"$SAID"
case "$1 $2" in "pr list") echo "$OPEN" ;; esac
"""


@pytest.mark.parametrize(("change", "open_"), [("torch==2\n", "0"), ("torch==2\n", "1"), ("torch==1\n", "0")])
def test_new_pins_are_proposed_once_and_tested(tmp_path, change, open_):
    folder = tmp_path / "clone"
    (folder / ".github").mkdir(parents=True)
    program = folder / ".github" / "propose-pins"
    program.write_bytes((ROOT / ".github" / "propose-pins").read_bytes())
    program.chmod(0o755)
    (folder / "requirements.txt").write_text("torch==1\n")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "gh").write_text(GH)
    (tmp_path / "bin" / "gh").chmod(0o755)
    who = {
        f"GIT_{role}_{part}": "a@b.example" for role in ("AUTHOR", "COMMITTER") for part in ("NAME", "EMAIL")
    }
    run("git", "init", "-q", "--bare", str(tmp_path / "origin"))
    for line in ("init -q -b main", f"remote add origin {tmp_path / 'origin'}", "add .", "commit -qm one"):
        assert run("git", *line.split(), folder=folder, **who).returncode == 0
    (folder / "requirements.txt").write_text(change)
    (folder / "README.md").write_text("left by something else")
    said = tmp_path / "said"
    said.touch()
    path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
    done = run(str(program), folder=folder, PATH=path, SAID=str(said), OPEN=open_, GITHUB_REF_NAME="main")
    assert done.returncode == 0, done.stderr
    calls = [" ".join(line.split()[:2]) for line in said.read_text().splitlines() if line[:1].isalpha()]
    pushed = run("git", "show", "--name-only", "--format=", "pins", folder=tmp_path / "origin")
    if change == "torch==1\n":
        assert (calls, pushed.returncode) == ([], 128)
        return
    wanted = ["pr list", "pr create", "workflow run"]
    assert [call for call in calls if call.split()[0] in ("pr", "workflow")] == wanted[:1] + wanted[
        1 + int(open_) :
    ]
    assert pushed.stdout.split() == ["requirements.txt"]


LOCKS = {"github-actions": ".github/workflows", "npm": "package-lock.json"}


def test_dependabot_updates_existing_lock_files():
    updates = yaml.safe_load((ROOT / ".github" / "dependabot.yml").read_text("utf8"))["updates"]
    for update in updates:
        folder, kind = ROOT / update["directory"].strip("/"), update["package-ecosystem"]
        assert (folder / LOCKS[kind]).exists(), update  # not pip: its pins must be resolved together
        if kind == "npm":
            assert json.loads((folder / "package.json").read_text("utf8"))["dependencies"]


def write(folder: Path, name: str, code: str) -> None:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    nbformat.write(notebook, folder / f"{name}.ipynb")


def test_the_summary_lists_what_broke(tmp_path, monkeypatch, capsys):
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


def test_the_summary_reports_success(tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    write(tmp_path, "1-runs", "print(1)")
    assert newest.main(tmp_path) == 0
    assert "All 1 chapters run" in capsys.readouterr().out


def test_no_chapters_is_a_failure(tmp_path, monkeypatch):
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    assert newest.main(tmp_path) == 1


def test_changed_versions_are_listed(tmp_path):
    (tmp_path / "requirements.txt").write_text("numpy==0.1\ntqdm==0.2 ; python_version > '3'\n")
    (tmp_path / "pyproject.toml").write_text('[project]\ndependencies = ["numpy>=0.1", "tqdm"]\n')
    versions = newest.moved(tmp_path)
    assert versions["numpy"][0] == "0.1"
    assert versions["tqdm"][0] == "0.2"
    assert "| numpy | 0.1 | " in newest.report({"1": ""}, versions)
