"""A JupyterHub on this machine, used as a class would use it: run only by `make test-hub`.

The hub has its own environment, which includes this one's packages: the student's server has the same
package, JupyterLab and widgets as `make lab`.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest
from playwright.sync_api import expect

from bookpress import ROOT, hub_links
from coursework.edition import students_edition
from tests.servers import free_ports, wait_until_it_answers

ASKED = os.environ.get("ATTNBOOK_TEST_HUB")
pytestmark = pytest.mark.skipif(not ASKED, reason="starts a JupyterHub, which only `make test-hub` installs")

INSTALLED = ROOT / "_build" / "hub"
PINS = Path(__file__).parent / "hub"
BRANCH, EDITION = "main", "for-students"
NOTEBOOK = "chapters/04-self-attention.ipynb"
NOTE = "# a note of mine"
NOTEBOOK_VIEW = "window.jupyterapp.shell.currentWidget.content"
LAST_CELL = f"{NOTEBOOK_VIEW}.widgets.at(-1)"
KERNEL = "window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel"
SETTINGS = """
c.JupyterHub.bind_url = "http://127.0.0.1:{proxy}"
c.JupyterHub.hub_bind_url = "http://127.0.0.1:{hub}"
c.JupyterHub.authenticator_class = "dummy"
c.DummyAuthenticator.password = "a password for tests"
c.Authenticator.allow_all = True
c.JupyterHub.spawner_class = "simple"
c.SimpleLocalProcessSpawner.home_dir_template = {homes!r} + "/{{username}}"
c.Spawner.default_url = "/lab"
c.Spawner.args = {arguments!r}
c.Spawner.env_keep = ["PATH", "JUPYTER_PATH", "JUPYTER_CONFIG_PATH", "JUPYTERLAB_DIR", "ATTNBOOK_CACHE"]
c.Spawner.start_timeout = c.Spawner.http_timeout = 300
c.ConfigurableHTTPProxy.command = {proxy_command!r}
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{api}"
"""


def install(folder: Path) -> None:
    """JupyterHub, nbgitpuller and the hub's proxy; installed once, and again when the pins change."""
    pins = "".join((PINS / name).read_text("utf8") for name in ("requirements.txt", "package-lock.json"))
    stamp = folder / "installed"
    if stamp.exists() and stamp.read_text("utf8") == pins + sys.prefix:
        return
    shutil.rmtree(folder, ignore_errors=True)
    venv.create(folder / "venv", with_pip=True)
    packages = next((folder / "venv" / "lib").glob("python*")) / "site-packages"
    (packages / "book.pth").write_text(f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n")
    pip = [folder / "venv" / "bin" / "python", "-m", "pip", "install", "--quiet", "-r"]
    subprocess.run([*pip, PINS / "requirements.txt"], check=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(PINS / name, folder)
    subprocess.run(["npm", "ci", "--silent", "--ignore-scripts", "--no-audit"], cwd=folder, check=True)
    stamp.write_text(pins + sys.prefix, "utf8")


def end(process: subprocess.Popen) -> None:
    """End a process and all that it started."""
    os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def git(*words: str | Path) -> str:
    who = ["-c", "user.name=Instructor", "-c", "user.email=instructor@example.edu"]
    return subprocess.run(["git", *who, *words], check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """The students' edition in a repository that git serves from this machine, and its address."""
    folder = tmp_path_factory.mktemp("served")
    bare = folder / EDITION
    git("init", "--quiet", "--bare", f"--initial-branch={BRANCH}", bare)
    students_edition(ROOT, f"file://{bare}")
    (port,) = free_ports(1)
    serve = ["git", "daemon", "--listen=127.0.0.1", f"--port={port}", "--export-all", "--reuseaddr"]
    daemon = subprocess.Popen([*serve, f"--base-path={folder}", folder], start_new_session=True)
    try:
        yield bare, f"git://127.0.0.1:{port}/{EDITION}"
    finally:
        end(daemon)


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    """The address of a hub, and the folder of its students' home directories."""
    install(INSTALLED)
    folder = tmp_path_factory.mktemp("hub")
    homes = folder / "homes"
    homes.mkdir()
    proxy, hub_port, api = free_ports(3)
    arguments = ["--LabApp.expose_app_in_browser=True"]
    arguments += ["--allow-root"] if os.getuid() == 0 else []
    proxy_command = [str(INSTALLED / "node_modules" / ".bin" / "configurable-http-proxy")]
    settings = SETTINGS.format(
        proxy=proxy,
        hub=hub_port,
        api=api,
        homes=str(homes),
        arguments=arguments,
        proxy_command=proxy_command,
    )
    (folder / "jupyterhub_config.py").write_text(settings, "utf8")
    ours = Path(sys.prefix)
    env = os.environ | {
        "PATH": f"{INSTALLED / 'venv' / 'bin'}:{os.environ['PATH']}",
        "JUPYTER_PATH": str(ours / "share" / "jupyter"),
        "JUPYTER_CONFIG_PATH": str(ours / "etc" / "jupyter"),
        "JUPYTERLAB_DIR": str(ours / "share" / "jupyter" / "lab"),
        "HOME": str(folder),
    }
    with open(folder / "log.txt", "wb") as log:
        process = subprocess.Popen(
            [INSTALLED / "venv" / "bin" / "jupyterhub"],
            cwd=folder,
            env=env,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    address = f"http://127.0.0.1:{proxy}"
    try:
        wait_until_it_answers(f"{address}/hub/login", process, folder / "log.txt")
        yield address, homes
    finally:
        end(process)
        print((folder / "log.txt").read_text("utf8"))


def follow(page, link: str) -> None:
    """Follow a link of `make hub-links` until the chapter is open with an idle kernel."""
    page.goto(link)
    if page.get_by_label("Username").count():
        page.get_by_label("Username").fill("ada")
        page.get_by_label("Password").fill("a password for tests")
        page.get_by_role("button", name="Sign in").click()
    page.wait_for_function(f"() => {KERNEL}?.status === 'idle'", timeout=600_000)


def widget_cells(page) -> list[int]:
    """The indices of the cells whose saved outputs have a widget."""
    return page.evaluate(
        """() => window.jupyterapp.shell.currentWidget.content.widgets.flatMap((cell, index) =>
          (cell.model.sharedModel.outputs ?? []).some(output => output.data?.[
            "application/vnd.jupyter.widget-view+json"]) ? [index] : [])"""
    )


def show(page, index: int):
    """Scroll to a cell, since JupyterLab draws cells as they come into view; returns its locator."""
    page.evaluate(f"() => {NOTEBOOK_VIEW}.scrollToItem({index}, 'start')")
    return page.locator(f".jp-Cell[data-windowed-list-index='{index}']")


def expect_widgets(page) -> None:
    """Every output with a widget is drawn."""
    cells = widget_cells(page)
    assert cells
    for index in cells:
        expect(show(page, index).locator(".attnbook-widget .root").first).to_be_visible(timeout=600_000)


def test_a_class_on_a_hub(hub, repository, browser):
    (address, homes), (bare, url) = hub, repository
    link = hub_links.link(address, NOTEBOOK, url)
    student = homes / "ada" / EDITION
    context = browser.new_context(viewport={"width": 1280, "height": 1000})
    errors = []

    def visit():
        page = context.new_page()
        page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: errors.append(str(error)))
        follow(page, link)
        return page

    # The link clones the edition and opens the chapter; its cells run, and its widgets are drawn.
    page = visit()
    assert (student / NOTEBOOK).is_file()
    assert not (student / "course" / "source").exists()
    page.evaluate("() => window.jupyterapp.commands.execute('notebook:run-all-cells')")
    expect_widgets(page)

    # The student writes into a cell and saves.
    page.evaluate(
        f"""note => {{
          {LAST_CELL}.model.sharedModel.setSource(note);
          return window.jupyterapp.shell.currentWidget.context.save();
        }}""",
        NOTE,
    )
    assert NOTE in (student / NOTEBOOK).read_text("utf8")
    page.close()

    # Opened again while its kernel runs, the chapter shows its widgets at once.
    page = visit()
    expect_widgets(page)
    page.close()

    # The instructor changes the chapter and adds a page.
    work = bare.parent / "work"
    git("clone", "--quiet", bare, work)
    path = work / NOTEBOOK
    title = re.compile(r"# 4\. [^\\\"]+")
    path.write_text(title.sub(r"\g<0> (second edition)", path.read_text("utf8"), count=1), "utf8")
    (work / "chapters" / "news.md").write_text("# News\n", "utf8")
    git("-C", work, "add", "--all")
    git("-C", work, "commit", "--quiet", "--message=Second edition")
    git("-C", work, "push", "--quiet", "origin", BRANCH)

    # The link brings the changes and keeps the note. JupyterLab doesn't trust outputs in a file that git has
    # merged, so it shows a widget's picture until its cell runs again.
    page = visit()
    assert (student / "chapters" / "news.md").is_file()
    expect(page.get_by_role("heading", name="(second edition)")).to_be_visible()
    assert page.evaluate(f"() => {LAST_CELL}.model.sharedModel.source") == NOTE
    first = widget_cells(page)[0]
    expect(show(page, first).locator(".jp-OutputArea img")).to_be_visible()
    page.evaluate(
        f"() => {{ {NOTEBOOK_VIEW}.activeCellIndex = {first}; }}",
    )
    page.evaluate("() => window.jupyterapp.commands.execute('notebook:run-cell')")
    expect(show(page, first).locator(".attnbook-widget .root")).to_be_visible()
    context.close()
    assert errors == []
