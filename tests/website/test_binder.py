"""Binder installs the package and its dependencies."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
from pathlib import Path

import pytest
import yaml

from bookpress import ROOT

BINDER = ROOT / ".binder"
# names on conda-forge; the “base” packages come without GUI libraries
CONDA = {"torch": "pytorch-cpu", "matplotlib": "matplotlib-base", "seaborn": "seaborn-base"}


def split(requirement: str) -> tuple[str, str]:
    """Split a requirement into name and range."""
    return re.fullmatch(r"([A-Za-z0-9_.-]+?)\s*([<>=!~].*)?", requirement).groups(default="")


def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf8"))


def environment() -> dict[str, str]:
    """The packages that Binder installs, with their ranges."""
    return dict(map(split, yaml.safe_load((BINDER / "environment.yml").read_text("utf8"))["dependencies"]))


def test_binder_installs_the_packages_dependencies_in_the_same_ranges():
    asked = dict(map(split, project()["project"]["dependencies"]))
    installed = environment()
    python, builder = installed.pop("python"), installed.pop(project()["build-system"]["requires"][0])
    assert installed.pop("nbgitpuller") == ""  # for a JupyterHub that uses the image
    assert installed == {CONDA.get(name, name): versions for name, versions in asked.items()}
    assert builder == ""
    assert python.startswith("=3.")
    least = project()["project"]["requires-python"].removeprefix(">=")
    assert [*map(int, python[1:].split("."))] >= [*map(int, least.split("."))]


def test_binder_uses_one_channel():
    assert yaml.safe_load((BINDER / "environment.yml").read_text("utf8"))["channels"] == [
        "conda-forge",
        "nodefaults",
    ]


def test_pins_are_within_the_ranges():
    """Binder's ranges include the versions the book is built and tested with."""
    from packaging.specifiers import SpecifierSet

    pins = dict(re.findall(r"^([\w.-]+)==([^\s;]+)", (ROOT / "requirements.txt").read_text("utf8"), re.M))
    for name, versions in map(split, project()["project"]["dependencies"]):
        assert SpecifierSet(versions).contains(pins[name]), name


def test_the_package_is_installed_from_the_clone(tmp_path):
    """Run `postBuild` as Binder does: in the clone, with all dependencies installed."""
    clone = tmp_path / "clone"
    clone.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE", ".binder", "src"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, clone / name)
    python = bare_python(tmp_path / "venv")
    env = {"PATH": f"{python.parent}:{os.environ['PATH']}", "HOME": str(tmp_path)}
    done = subprocess.run(["./.binder/postBuild"], cwd=clone, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    where = "from importlib.util import find_spec; print(find_spec('attnbook').origin)"
    found = subprocess.run([python, "-c", where], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert Path(found.stdout.strip()).is_relative_to(tmp_path / "venv"), found.stderr


SAYS = """Building conda environment for python={0}
bash -c 'mamba env update -p /srv --file ".binder/environment.yml" && mamba list'
RUN ./.binder/postBuild
"""


@pytest.mark.parametrize(
    ("gone", "code"),
    [("nothing", 0), ("for python={0}", 1), ('".binder/environment.yml"', 1), ("./.binder/postBuild", 1)],
)
def test_ask_binder_fails_if_the_builder_misses_something(tmp_path, gone, code):
    """Run `.github/ask-binder` with a stand-in for Binder's builder."""
    for name in (".binder", ".github"):
        shutil.copytree(ROOT / name, tmp_path / name)
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    builder = tmp_path / ".venv" / "bin" / "uv"
    said = SAYS.replace(gone, "").format(environment()["python"].removeprefix("="))
    builder.write_text(f"#!/bin/sh\ncat <<'END'\n{said}END\n")
    builder.chmod(0o755)
    done = subprocess.run([tmp_path / ".github" / "ask-binder"], capture_output=True, text=True)
    assert done.returncode == code, done.stdout + done.stderr
    assert ("does not mention" in done.stderr) == bool(code)


def bare_python(folder: Path) -> Path:
    """An environment that also finds the packages installed here, after its own; pip is one of them."""
    venv.create(folder)
    site = next(folder.glob("lib/python*/site-packages"))
    (site / "zz-others.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder / "bin" / Path(sys.executable).name
