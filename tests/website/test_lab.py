"""`make lab`: the chapters in JupyterLab, in a kernel that has the package."""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
import websocket
from jupyter_client.session import Session

import attnbook
from bookpress import ROOT
from tests.servers import announced_address

TOKEN = "the-lab-under-test"


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """Sends a request to the server started by `make lab`: `lab("api/contents")`, with optional data."""
    folder = tmp_path_factory.mktemp("lab")
    options = f"--no-browser --port=0 --ip=127.0.0.1 --IdentityProvider.token={TOKEN}"
    options += " --allow-root" if hasattr(os, "getuid") and os.getuid() == 0 else ""
    command = ["make", "-o", ".venv/installed", "lab", f"BIN={Path(sys.executable).parent}", f"LAB={options}"]
    env = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    env |= {f"JUPYTER_{name}_DIR": str(folder / name.lower()) for name in ("CONFIG", "RUNTIME", "DATA")}
    with open(folder / "log.txt", "wb") as log:
        server = subprocess.Popen(command, cwd=ROOT, env=env, stdout=log, stderr=log, start_new_session=True)
    try:
        address = announced_address(server, folder / "log.txt", r"(http://127\.0\.0\.1:\d+/)lab")

        def ask(path: str, given: dict | None = None):
            data = None if given is None else json.dumps(given).encode()
            request = urllib.request.Request(address + path, data, {"Authorization": f"token {TOKEN}"})
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)

        ask.address = address
        yield ask
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(timeout=60)


def test_the_chapters_are_listed(lab):
    names = {entry["name"] for entry in lab("api/contents")["content"]}
    assert {path.name for path in (ROOT / "chapters").glob("*.ipynb")} <= names
    assert "images" in names


def run(lab, code: str) -> str:
    """The output of code in a kernel started by the server, or its error."""
    kernel = lab("api/kernels", {"name": "python3"})["id"]
    place = f"{lab.address.replace('http', 'ws', 1)}api/kernels/{kernel}/channels?token={TOKEN}"
    channel = websocket.create_connection(place, timeout=60)
    question = Session().msg("execute_request", {"code": code})
    channel.send(json.dumps({**question, "channel": "shell"}, default=str))
    said = ""
    while True:
        answer = json.loads(channel.recv())
        content = answer["content"]
        if answer["parent_header"].get("msg_id") == question["msg_id"]:
            said += content.get("text", "") + content.get("evalue", "") * (answer["msg_type"] == "error")
            if content.get("execution_state") == "idle":
                channel.close()
                return said


def test_the_kernel_is_this_python_with_the_package(lab):
    said = run(
        lab, "import anywidget, attnbook, ipywidgets, sys\nprint(sys.prefix)\nprint(attnbook.__file__)"
    )
    assert said.splitlines() == [sys.prefix, str(Path(attnbook.__file__))]
