"""A small built site with widgets under a strict content security policy, and helpers to operate them."""

import functools
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from contextlib import contextmanager
from pathlib import Path

import nbformat
import numpy as np
import pytest
from myst_nb.core.read import read_myst_markdown_notebook
from nbclient import NotebookClient

from bookpress import ROOT
from bookpress.extension import maths
from tests.servers import served
from tests.tabs import Tabs

CONF = f"""
project = "widgets"
extensions = ["myst_nb"]
html_theme = "basic"
html_static_path = [{str(ROOT / "website" / "assets")!r}]
html_css_files = ["book.css"]
html_theme_options = {{"body_min_width": 0}}
# The search box would be an inline script.
html_sidebars = {{"**": []}}
myst_enable_extensions = ["dollarmath"]
nb_execution_mode = "off"

def setup(app):
    from bookpress.extension import maths, models, widgets
    for part in (maths, models, widgets):
        part.setup(app)
"""

PAGES = sorted((Path(__file__).parent).glob("*.md"))
HEAD = """---
orphan: true
file_format: mystnb
kernelspec: {name: python3, display_name: Python}
---
"""

PAGE = (
    HEAD
    + """# Explorers

Math that is meant: $x^2$.

```{code-cell}
import numpy as np, torch
from attnbook.widgets import AttentionExplorer
torch.manual_seed(0)
words = "A robot must obey the orders given it".split()
plain = torch.softmax(3 * torch.randn(8, 8), -1)
AttentionExplorer(plain, words, title="Plain")
```

<p class="after">after the first</p>

```{code-cell}
may = torch.ones(12, 12).tril().bool()
masked = torch.softmax((3 * torch.randn(3, 4, 12, 12)).masked_fill(~may, -torch.inf), -1)
masked[..., 5, :] = 0
masked[..., 5, 2] = 1
hostile = ["<img src=x onerror=window.hacked=1>", "</script><script>window.hacked=1</script>", "$x$",
           "\\u202eabc", "", "\\n", "x" * 10_000, " lead", "שלום", "日本語", "<!--<script>", "&amp;"]
AttentionExplorer(masked, hostile, mask=may, layer=0, head=0, title="<b>Hostile</b> $y$")
```

<p class="after">after the second</p>

```{code-cell}
dates = torch.softmax(3 * torch.randn(3, 11, 30), -1)
AttentionExplorer(dates, list("2009-03-07|"), list("Saturday, March 7, 2009 is it."), head=0, title="Dates")
```

<p class="after">after the third</p>

```{code-cell}
long = torch.softmax(3 * torch.randn(96, 96), -1)
AttentionExplorer(long, [f"token{i}" for i in range(96)])
```

<p class="after">after the fourth</p>

```{code-cell}
np.savez("truth.npz", plain=plain, masked=masked, dates=dates, long=long)
```
"""
)

LARGE = (
    HEAD
    + """# Large maps

```{code-cell}
import numpy as np
from attnbook.widgets import AttentionExplorer
def sparse(size):
    weights = np.zeros((size, size), np.float32)
    weights[np.arange(size), np.arange(size) // 2] = 1
    return weights
AttentionExplorer(sparse(2100), [f"t{i}" for i in range(2100)], title="Alone too large")
```

```{code-cell}
AttentionExplorer(sparse(512), [f"t{i}" for i in range(512)], title="Large")
```

```{code-cell}
AttentionExplorer(sparse(128), [f"t{i}" for i in range(128)], mask=np.tri(128, dtype=bool), title="Masked")
```
"""
)

OTHER = (
    HEAD
    + """# Widgets that need a kernel

```{code-cell}
import ipywidgets
ipywidgets.IntSlider(value=7)
```
"""
)


@pytest.fixture(scope="session")
def built(once) -> Path:
    """The site's folder, with the pages (`plain.html` has no widgets) and JupyterLab's bundles."""
    return once("widgets", build) / "html"


def build(source: Path) -> None:
    texts = {"index": PAGE, "large": LARGE, "other": OTHER}
    texts |= {page.stem: page.read_text("utf-8") for page in PAGES}
    pages = {name: read_myst_markdown_notebook(text) for name, text in texts.items()}
    run(pages.values(), source)
    for name, page in pages.items():
        nbformat.write(page, source / f"{name}.ipynb")
    (source / "conf.py").write_text(CONF, encoding="utf-8")
    (source / "plain.md").write_text("---\norphan: true\n---\n# No widgets\n", encoding="utf-8")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "-b", "html", str(source), str(source / "html")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for bundle in (ROOT / "src" / "attnbook" / "widgets" / "bundles").glob("*.js"):  # JupyterLab's modules
        (source / "html" / bundle.name).write_bytes(bundle.read_bytes())
    static = source / "html" / "_static"
    shutil.copytree(
        static / maths.FONTS, static / maths.LETTERS
    )  # the book's build cuts them to what it uses
    (source / "html" / "blank.html").write_text("<!doctype html><title>blank</title><body></body>")


STATE, VIEW = (f"application/vnd.jupyter.widget-{part}+json" for part in ("state", "view"))


def run(pages: Iterable[nbformat.NotebookNode], folder: Path) -> None:
    """Run the pages one after another in one kernel, as a kernel takes seconds to start, and so does a model.

    Each gets the states of its own widgets.
    """
    pages = list(pages)
    whole = nbformat.v4.new_notebook(cells=[cell for page in pages for cell in page.cells])
    NotebookClient(whole, timeout=300, resources={"metadata": {"path": str(folder)}}).execute()
    states = whole.metadata.widgets[STATE].state
    for page in pages:
        outputs = [output for cell in page.cells for output in cell.get("outputs", ())]
        wanted, own = [output.data[VIEW].model_id for output in outputs if VIEW in output.get("data", ())], {}
        while wanted:
            if (model := wanted.pop()) not in own:
                own[model] = states[model]
                wanted += re.findall(r'"IPY_MODEL_(\w+)"', json.dumps(states[model].state))
        page.metadata.language_info = whole.metadata.language_info
        page.metadata.widgets = {STATE: {"state": own, "version_major": 2, "version_minor": 0}}


@pytest.fixture(scope="session")
def sent(built):
    """The states of a page's widgets as sent by Python: `sent("path")`."""

    def read(name: str) -> list[dict]:
        text = (built / f"{name}.html").read_text("utf-8")
        states = json.loads(re.search(r'widget-state\+json">(.*?)</script>', text, re.S)[1])["state"]
        return [states[one]["state"] for one in re.findall(r'widget-view\+json">\{"model_id": "(\w+)"', text)]

    return read


@pytest.fixture(scope="session")
def truth(built) -> dict:
    """The exact weights on the Python side of the pages."""
    known = {}
    for page in ("truth.npz", "explorer.npz"):
        with np.load(built.parent / page) as arrays:
            known |= {name: arrays[name] for name in arrays.files}
    return known


@pytest.fixture(scope="session")
def address(built):
    with served(built) as address:
        yield address


@pytest.fixture(scope="session")
def places():
    """The positions of the text after each widget of a page."""
    tops = "nodes => nodes.map(node => node.getBoundingClientRect().top + scrollY)"
    return lambda page: page.locator(".after").evaluate_all(tops)


class Visit:
    """An open page: its errors, its requests and its explorers."""

    def __init__(self, page):
        self.page = page
        self.faults, self.requests = [], []
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on(
            "console", lambda entry: entry.type in ("error", "warning") and self.faults.append(entry.text)
        )
        page.on("request", lambda request: self.requests.append(request.url))

    def widget(self, index: int) -> "Widget":
        return Widget(self.page, self.page.locator(".ab-widget").nth(index))


def slide(page, *points: tuple[float, float]) -> None:
    """Touch the first point, move over the others, and lift the finger."""
    session = page.context.new_cdp_session(page)
    for kind, (x, y) in zip(["touchStart", *["touchMove"] * len(points[1:])], points, strict=True):
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y}]})
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


@pytest.fixture
def finger():
    """A sliding touch."""
    return slide


class Widget:
    """One explorer, operated as a reader would."""

    def __init__(self, page, node):
        self.page, self.node = page, node
        self.map = node.locator(".map")
        self.canvas = self.map.locator("canvas")

    def point(self, row: int, column: int) -> tuple[float, float]:
        """The centre of a cell in window coordinates."""
        rows, columns = self.shape
        # the cell first, because a large map scrolls in its own box
        self.map.evaluate(
            """(map, [y, x]) => {
              const box = map.closest('.scroll'), {width, height} = map.getBoundingClientRect();
              box.scrollLeft = x * width - box.clientWidth / 2;
              box.scrollTop = y * height - box.clientHeight / 2;
              scrollBy(0, map.getBoundingClientRect().top + y * height - innerHeight / 2);
            }""",
            [(row + 0.5) / rows, (column + 0.5) / columns],
        )
        self.frame()
        box = self.map.bounding_box()
        return (
            box["x"] + box["width"] * (column + 0.5) / columns,
            box["y"] + box["height"] * (row + 0.5) / rows,
        )

    @property
    def shape(self) -> tuple[int, int]:
        return self.node.locator(".queries .label").count(), self.node.locator(".keys .label").count()

    def hover(self, row: int, column: int) -> str:
        """The weight shown for a cell under the mouse."""
        x, y = self.point(row, column)
        self.page.mouse.move(x + 1, y)  # otherwise a mouse already there would not move
        self.page.mouse.move(x, y)
        return self.node.locator(".value").inner_text()

    def click(self, row: int, column: int) -> None:
        self.page.mouse.click(*self.point(row, column))

    @property
    def said(self) -> str:
        """The text for screen readers."""
        return self.node.locator("[aria-live]").text_content()

    @property
    def locked(self) -> str:
        """The query of the locked row, or "" if none is locked."""
        text = self.node.locator(".most").text_content()
        return text.removeprefix("Locked: ").split(" → ")[0] if text.startswith("Locked: ") else ""

    def pixels(self, row: int, column: int) -> np.ndarray:
        """The drawn colours of a cell without its edges."""
        self.frame()
        rows, columns = self.shape
        data = self.canvas.evaluate(
            """(canvas, [row, column, rows, columns]) => {
              const w = canvas.width / columns, h = canvas.height / rows;
              const at = [column * w + w / 5, row * h + h / 5, 0.6 * w, 0.6 * h].map(Math.round);
              return Array.from(canvas.getContext("2d").getImageData(...at).data);
            }""",
            [row, column, rows, columns],
        )
        return np.array(data, np.uint8).reshape(-1, 4)[:, :3]

    def frame(self) -> None:
        """Wait until pending changes are drawn."""
        self.page.evaluate(
            "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
        )


@pytest.fixture(scope="session")
def widget_tabs(browser, address) -> Tabs:
    """Tabs for pages of the site."""
    return Tabs(lambda: new_tab(browser), f"{address}blank.html")


def new_tab(browser, **options):
    """A page in a window of its own, with a `Visit` that notes its requests; other hosts have no address."""
    page = browser.new_context(**options).new_page()
    page.visit = Visit(page)
    return page


@pytest.fixture
def visit(browser, widget_tabs, address):
    """Opens a page: `visit("index.html", width=360, theme="dark")`; requests to other hosts fail."""
    with visitor(browser, widget_tabs, address) as open_page:
        yield open_page


@pytest.fixture(scope="module")
def shared(browser, widget_tabs, address):
    """As `visit`, but a page is opened once for all tests of a module that ask for it with the same options.

    For tests that leave a widget as it was, or set all that they look at.
    """
    with visitor(browser, widget_tabs, address) as open_page:
        yield functools.cache(open_page)


@pytest.fixture(scope="module")
def opened(browser, widget_tabs, address, name):
    """Opens the page called `name` for all tests of a module, once per width, with or without its script."""
    with visitor(browser, widget_tabs, address) as open_page:

        @functools.cache
        def show(width, scripts=True):
            if scripts:
                return open_page(f"{name}.html", width=width)
            hold = lambda page: page.route("**/attnbook-host.js*", lambda route: route.abort())  # noqa: E731
            return open_page(f"{name}.html", width=width, touched=False, prepare=hold)

        yield show


def opener(kind: type, page: str) -> Callable:
    """A fixture that opens a page: its first widget as a `kind`, with the visit's `faults` and `requests`."""

    @pytest.fixture
    def opened(visit):
        def open_page(address=page, **options):
            seen = visit(address, **options)
            widget = kind(seen.page)
            widget.faults, widget.requests = seen.faults, seen.requests
            return widget

        return open_page

    return opened


@contextmanager
def visitor(browser, tabs, address):
    """A function that opens pages; `fresh`, and what a used tab can't have, opens a new one."""
    used = []

    def open_page(
        name="index.html",
        *,
        width=1000,
        height=900,
        theme="light",
        reduced_motion="null",
        prepare=None,
        touched=True,
        fresh=False,
        **options,
    ) -> Visit:
        fresh = fresh or prepare or not touched or options
        page = new_tab(browser, **options) if fresh else tabs.take()
        used.append((page, fresh))
        page.set_viewport_size({"width": width, "height": height})
        page.emulate_media(color_scheme=theme, reduced_motion=reduced_motion)
        page.visit.faults.clear()
        page.visit.requests.clear()
        if prepare:
            prepare(page)
        page.goto(address + name, wait_until="load")
        if touched:
            page.mouse.move(1, 1)  # the reader is there: widgets far down the page are mounted, too
        ready = ("index.html", "large.html", *(f"{path.stem}.html" for path in PAGES))
        if touched and name in ready and options.get("java_script_enabled", True):
            page.wait_for_function(
                "() => [...document.querySelectorAll('.ab-widget')].every(e => e.dataset.state)"
            )
        return page.visit

    yield open_page
    for page, fresh in used:
        if fresh:
            page.context.close()
        else:
            tabs.give_back(page)
