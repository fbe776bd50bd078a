"""A notebook alone, as Colab opens it: its first cell installs the package and nothing else.

There is no network: git resolves the repository's address to a clone on this machine, and pip has no index.
The environment has only the dependencies of the package and the kernel, in place of Colab's packages and
those that pip would download, so a chapter that imports any other package fails.
"""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
from importlib import metadata
from pathlib import Path

import nbformat
import pytest
from jupyter_client.manager import KernelManager
from nbclient import NotebookClient
from packaging.requirements import Requirement

from bookpress import ROOT, address

CHAPTERS = sorted((ROOT / "chapters").glob("*.ipynb"))
# The chapters to run completely, such as "01 08" or "all"; of the others, all imports run. By default,
# chapter 2 runs until it trains for long, which is after tables, charts, exercises and widgets.
CHOSEN = os.environ.get("COLAB_CHAPTERS", "").split()
WHOLE = [chapter for chapter in CHAPTERS if chapter.name[:2] in CHOSEN or CHOSEN == ["all"]]
PART, LONG = "02-query-key-value", "# @title Train five models"
TOOLS = ("beartype", "bs4", "hypothesis", "jupyter_book", "playwright", "pytest")
AFTER = (
    f"import importlib.util\nprint([name for name in {TOOLS} if importlib.util.find_spec(name)])",
    "import attnbook\nfrom attnbook import AttentionExplorer, DateTranslator\nprint(attnbook.__file__)",
    "DateTranslator()",
)


@pytest.fixture(scope="module")
def repository(tmp_path_factory) -> Path:
    """A repository with the package's files."""
    folder = tmp_path_factory.mktemp("repository")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    shutil.copytree(
        ROOT / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__", "node_modules")
    )
    who = ("-c", "user.name=A", "-c", "user.email=a@b.example")
    for arguments in (("init", "-q"), ("add", "."), ("commit", "-qm", "one")):
        subprocess.run(["git", *who, *arguments], cwd=folder, check=True)
    return folder


def dependencies(name: str, found: set[str]) -> set[str]:
    """Add an installed package and its dependencies to `found`."""
    if name not in found:
        found.add(name)
        for needed in map(Requirement, metadata.requires(name) or ()):
            if needed.marker is None or needed.marker.evaluate({"extra": ""}):
                dependencies(needed.name.lower().replace("_", "-"), found)
    return found


@pytest.fixture
def bare(tmp_path) -> Path:
    """A Python with everything except the package: its dependencies, a kernel and the build backend."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf8"))
    asked = [
        *project["project"]["dependencies"],
        *project["build-system"]["requires"],
        "ipykernel",
        "nbclient",
        "pip",
    ]
    found = set()
    for requirement in asked:
        dependencies(Requirement(requirement).name, found)
    files = [file for name in found for file in metadata.files(name)]
    there = tmp_path / "there"
    there.mkdir()
    for entry in {file.parts[0] for file in files} - {"..", "__pycache__"}:
        (there / entry).symlink_to(Path(sysconfig.get_path("purelib")) / entry)
    venv.create(tmp_path / "venv")
    site = next((tmp_path / "venv").glob("lib/python*/site-packages"))
    (site / "there.pth").write_text(f"{there}\n")
    return tmp_path / "venv" / "bin" / "python"


def environment(python: Path, repository: Path) -> dict[str, str]:
    """Environment variables: no index for pip, one address for git."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "PYTHON"))}
    rewrites = {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{repository.as_uri()}.insteadOf",
        "GIT_CONFIG_VALUE_0": address.wanted(),
    }
    pip = {"PIP_NO_INDEX": "1", "PIP_NO_BUILD_ISOLATION": "0", "PIP_CONFIG_FILE": os.devnull}
    path = {"PATH": f"{python.parent}:{os.environ['PATH']}", "TQDM_DISABLE": "1"}
    return {**kept, **rewrites, **pip, **path, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}


def installed(python: Path) -> set[str]:
    """The packages in this Python's own site-packages."""
    site = next(python.parents[1].glob("lib/python*/site-packages"))
    return {entry.name for entry in site.iterdir()}


def run(cells: list, python: Path, repository: Path, folder: Path) -> list[str]:
    """The output of each code cell, run in that Python's kernel in a folder with only the notebook."""
    folder.mkdir()
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code) for code in cells])
    nbformat.write(notebook, folder / "alone.ipynb")
    kernel = KernelManager()
    kernel.kernel_spec.argv = [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    kernel.kernel_spec.env = environment(python, repository)
    client = NotebookClient(notebook, km=kernel, timeout=600, resources={"metadata": {"path": str(folder)}})
    try:
        client.execute(env=environment(python, repository))
    finally:
        if kernel.has_kernel:
            kernel.shutdown_kernel(now=True)
    outputs = [[one for one in cell.outputs if "text" in one] for cell in notebook.cells]
    return ["".join(one.text for one in cell) for cell in outputs]


def code_of(chapter: Path) -> list[str]:
    cells = json.loads(chapter.read_text("utf8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


def imports_of(chapter: Path) -> str:
    """The imports in all of a chapter's code, those in functions, too."""
    code = re.sub(r"^( *)[%!].*", r"\1pass", "\n".join(code_of(chapter)[1:]), flags=re.MULTILINE)
    nodes = ast.walk(ast.parse(code))
    return "\n".join(ast.unparse(node) for node in nodes if isinstance(node, ast.Import | ast.ImportFrom))


def test_a_notebook_alone_installs_only_the_package(bare, repository, tmp_path):
    before = installed(bare)
    setup = code_of(CHAPTERS[0])[0]
    whole = [code for chapter in WHOLE for code in code_of(chapter)[1:]]
    if not whole:
        whole = code_of(ROOT / "chapters" / f"{PART}.ipynb")[1:]
        (end,) = (place for place, code in enumerate(whole) if code.startswith(LONG))
        whole = whole[:end]
        assert len(whole) > 20
    imports = [imports_of(chapter) for chapter in CHAPTERS]
    printed = run([setup, *whole, *imports, *AFTER], bare, repository, tmp_path / "empty")
    where = Path(printed[-2].strip())
    assert where.is_relative_to(bare.parents[1])
    assert printed[-3] == "[]\n"
    new = installed(bare) - before
    assert {name.partition("-")[0] for name in new} == {"attnbook"}
    assert "rror" not in printed[0]

    again = run([setup, "import attnbook"], bare, repository / "gone", tmp_path / "again")
    assert again == ["", ""]  # already installed: no requests
    assert installed(bare) - before == new


def test_widgets_enable_colabs_widget_manager():
    """Colab shows third-party widgets only when enabled; anywidget enables them when a widget is created."""
    code = """
import sys, types
asked = []
output = types.ModuleType("google.colab.output")
output.enable_custom_widget_manager = lambda: asked.append(1)
output._widgets = types.SimpleNamespace(_installed_url="https://colab.example/manager.js")
sys.modules["google.colab.output"] = output
import torch
from attnbook import AttentionExplorer
explorer = AttentionExplorer(torch.eye(2), ["a", "b"])
data, metadata = explorer._repr_mimebundle_()
print(len(asked), metadata["application/vnd.jupyter.widget-view+json"]["colab"]["custom_widget_manager"])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "1 {'url': 'https://colab.example/manager.js'}", done.stderr
