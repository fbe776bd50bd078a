"""`make lab`: the chapters in JupyterLab, in a kernel that has the package."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOKEN = "the-lab-under-test"


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """Reads an answer of the server that `make lab` starts: `lab("api/contents")`."""
    folder = tmp_path_factory.mktemp("lab")
    options = f"--no-browser --port=0 --ip=127.0.0.1 --IdentityProvider.token={TOKEN}"
    options += " --allow-root" if hasattr(os, "getuid") and os.getuid() == 0 else ""
    command = ["make", "-o", ".venv/installed", "lab", f"BIN={Path(sys.executable).parent}", f"LAB={options}"]
    env = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    env |= {f"JUPYTER_{name}_DIR": str(folder / name.lower()) for name in ("CONFIG", "RUNTIME", "DATA")}
    with open(folder / "log.txt", "wb") as log:
        server = subprocess.Popen(command, cwd=ROOT, env=env, stdout=log, stderr=log, start_new_session=True)
    try:
        address = wait_for_address(server, folder / "log.txt")

        def read(path: str):
            request = urllib.request.Request(address + path, headers={"Authorization": f"token {TOKEN}"})
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)

        yield read
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(timeout=60)


def wait_for_address(server: subprocess.Popen, log: Path) -> str:
    """Where the server says it listens."""
    for _ in range(600):
        found = re.search(r"(http://127\.0\.0\.1:\d+/)lab", log.read_text("utf8"))
        if found:
            return found[1]
        assert server.poll() is None, log.read_text("utf8")
        time.sleep(0.2)
    raise AssertionError(log.read_text("utf8"))


def test_the_chapters_are_there(lab):
    names = {entry["name"] for entry in lab("api/contents")["content"]}
    assert {path.name for path in (ROOT / "chapters").glob("*.ipynb")} <= names
    assert "images" in names


def test_their_kernel_is_this_python(lab):
    command = lab("api/kernelspecs")["kernelspecs"]["python3"]["spec"]["argv"]
    assert command[0] in ("python", "python3", sys.executable)  # the first two are the server's own
    done = subprocess.run(
        [sys.executable, "-c", "import attnbook, ipywidgets, anywidget"], capture_output=True
    )
    assert done.returncode == 0, done.stderr
