"""Shared by all tests: a fixed seed, one thread, checked shapes, and the built site in a real browser."""

import functools
import gc
import os
import signal
import socket
import threading
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from filelock import FileLock
from hypothesis import settings
from jaxtyping import config as shape_checks
from playwright.sync_api import expect, sync_playwright

from bookpress import ROOT
from bookpress.chromium import HEADLESS, MISSING, arguments, find_chromium
from bookpress.inspection import AT_REST, listen, mount, toc_pages
from tests import shapes
from tests.servers import served
from tests.tabs import Tabs

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
HTML = ROOT / "_build" / "html"
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
# Other hosts have no address: a page that asks one gets no answer, and its test fails.
NO_NETWORK = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost"
PATIENCE = 120_000  # milliseconds that a page gets for each step: a busy machine makes tests slow, not red
# The files that take longest, longest first: a worker that began one last would leave the others idle.
LONGEST = (
    *("hostile", "every_page", "site", "explorer_page", "jupyterlab", "stepper_page", "translator_page"),
    *("faults", "build", "tools", "course", "language_page", "slides", "sentences_page", "anywhere", "train"),
    *("pdf", "edition", "tours_page", "chapter06", "static_page", "variant", "flow_page", "colab"),
    *("trainer_page", "slips", "rehearse"),
)


shapes.quicken()


@pytest.hookimpl(trylast=True)
def pytest_configure(config):
    config.addinivalue_line("markers", "bad_input: hands over what is to be refused; shapes go unchecked")
    config.addinivalue_line(
        "markers", "slow: left out of `make test-fast`, as is what needs a browser or a site"
    )
    config.addinivalue_line("markers", "traced: torch follows the package's own code; shapes go unchecked")
    config.addinivalue_line(
        "markers", "trains: takes hundreds of steps; shapes, checked in other tests, go unchecked"
    )
    torch.set_num_threads(1)
    settings.register_profile("book", deadline=None, derandomize="CI" in os.environ)
    settings.load_profile("book")
    expect.set_options(timeout=PATIENCE)
    os.environ.update(dict.fromkeys(THREADS, "1"))  # of the processes that tests start, too
    torch.manual_seed(0)  # for what is drawn as tests are collected: every worker must find the same tests
    counts = getattr(config, "failures_db", None)  # a worker asks the main process how often a test has run
    if hasattr(counts, "sock"):
        # Its small messages would be held back for 40 ms per test.
        counts.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if threading.current_thread() is threading.main_thread():
        # A shell's background jobs ignore Ctrl-C, and so would the servers that tests start and interrupt.
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """What imports and collection leave stays to the end: it isn't searched for garbage again and again."""
    gc.disable()
    found = yield
    gc.freeze()
    gc.enable()
    return found


def pytest_report_header():
    return f"devices under test: {', '.join(DEVICES)}"


def pytest_collection_modifyitems(items):
    """What takes long comes first; what needs a browser or the built site is slow."""
    for item in items:
        if {"browser", "html", "built"}.intersection(item.fixturenames):
            item.add_marker("slow")
    rank = {f"test_{name}.py": place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.path.name, len(rank)))


def pytest_generate_tests(metafunc):
    """Run tests that take `page_name` on every page of the book, page by page in each module."""
    if "page_name" in metafunc.fixturenames:
        metafunc.parametrize("page_name", toc_pages(), scope="module")


@pytest.fixture(autouse=True)
def _seed():
    torch.default_generator.manual_seed(0)  # without what `torch.manual_seed` keeps for GPUs
    if "cuda" in DEVICES:
        torch.cuda.manual_seed_all(0)


@pytest.fixture(autouse=True)
def _shapes(request, monkeypatch):
    """Calls are checked against their signatures (pyproject.toml says so), but for tests that are marked."""
    if any(map(request.node.get_closest_marker, ("bad_input", "traced", "trains"))):
        monkeypatch.setattr(shape_checks, "jaxtyping_disable", True)
    if request.node.get_closest_marker("traced"):
        shapes.remove_checks(monkeypatch.setattr, "attnbook")


@pytest.fixture(params=DEVICES)
def device(request):
    return request.param


@pytest.fixture(scope="session")
def once(tmp_path_factory) -> Callable[[str, Callable[[Path], None]], Path]:
    """Has a folder made once in a run, whichever worker needs it first: `once("site", build)`."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent

    def folder(name: str, make: Callable[[Path], None]) -> Path:
        place, made = shared / name, shared / f"{name}.made"
        with FileLock(shared / f"{name}.lock"):
            if not made.exists():
                place.mkdir()
                make(place)
                made.touch()
        return place

    return folder


@pytest.fixture(scope="session")
def html() -> Path:
    """The folder of the built site."""
    if not (ROOT / "_build" / "complete").exists():
        pytest.fail("the book is not built or its last build failed: run `make book` first", pytrace=False)
    return HTML


@pytest.fixture(scope="session")
def site(html, tmp_path_factory):
    """The address of the built site, served on this machine: a folder of its host, as on GitHub Pages."""
    host = tmp_path_factory.mktemp("host")
    (host / "book").symlink_to(html)
    with served(host) as address:
        yield f"{address}book/"


@pytest.fixture(scope="session")
def browser():
    """One browser for all tests of a worker; its pages are patient, and reach this machine only."""
    path = find_chromium(HEADLESS)
    if not path:
        pytest.fail(MISSING, pytrace=False)
    with sync_playwright() as playwright:
        options = [*arguments(), NO_NETWORK]
        chromium = playwright.chromium.launch(executable_path=path, args=options, timeout=PATIENCE)
        for name in ("new_context", "new_page"):
            setattr(chromium, name, patient(getattr(chromium, name)))
        yield chromium
        chromium.close()


def patient(opens: Callable) -> Callable:
    """The same context or page, whose steps may take their time."""

    def opened(**options):
        made = opens(**options)
        made.set_default_timeout(PATIENCE)
        return made

    return opened


@pytest.fixture(scope="session")
def tabs(browser, site) -> Tabs:
    """Tabs for pages of the site; they note its faults in `faults`."""

    def new():
        page = browser.new_context().new_page()
        page.faults = listen(page, site)
        return page

    return Tabs(new, f"{site}_static/favicon.svg")


@pytest.fixture
def visit(tabs, site):
    """Opens a page of the site: `visit("chapters/index.html", width=360, theme="dark")`."""
    with visitor(tabs, site) as open_page:
        yield open_page


@pytest.fixture(scope="module")
def opened(tabs, site, page_name):
    """The page in a window of this width and theme: `opened(360, "dark")`.

    It is loaded once per width for all tests of a module, so a test may find it scrolled and with open folds.
    """
    with visitor(tabs, site) as open_page:
        load = functools.cache(lambda width: open_page(page_name, width=width))

        def show(width: int = 1440, theme: str = "light"):
            page = load(width)
            page.emulate_media(color_scheme=theme)
            expect(page.locator("html")).to_have_attribute("data-theme", theme)
            page.evaluate(AT_REST)
            return page

        yield show


@contextmanager
def visitor(tabs, site):
    """A function that opens pages, whose faults are in `page.faults`; `fresh` opens a new tab."""
    used = []

    def open_page(name: str, *, width=1440, height=900, theme="light", watch=None, mounted=True, fresh=False):
        fresh = fresh or watch or not mounted
        page = tabs.new() if fresh else tabs.take()
        used.append((page, fresh))
        page.set_viewport_size({"width": width, "height": height})
        page.emulate_media(color_scheme=theme)
        page.faults.clear()
        if watch:
            watch(page)
        page.goto(site + name)
        if mounted:
            mount(page)
        page.evaluate("document.fonts.ready.then(() => true)")
        page.evaluate(AT_REST)
        return page

    yield open_page
    for page, fresh in used:
        if fresh:
            page.context.close()
        else:
            tabs.give_back(page)
