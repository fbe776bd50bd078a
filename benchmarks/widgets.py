"""The explorer and its peers in one browser: `make bench-widgets` prints the table and writes widgets.md.

All pages show the same weights (softmax of random scores) in the same Chromium, in a different order each
round. The bare page decodes the explorer's bytes and paints one canvas, the minimum for any page. Scripts
that bertviz's page requests from other hosts are served from this machine. Times run from the navigation
(first paint) or the event (head, hover) to the frame that shows the result. They are medians over rounds; a
page that takes more than 20 s gets one round. At 12×12×512 the explorer's page has only the map it opens
with, because the others exceed its size limit; changing the head there shows a notice.
"""

import argparse
import gzip
import json
import os
import platform
import shutil
import statistics
import tempfile
import threading
import time
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import numpy as np
from playwright.sync_api import sync_playwright

import attnbook.widgets
from benchmarks.widget_pages import (
    MEMORY,
    PATIENCE,
    PEERS,
    ROOT,
    install,
    localise,
    make_attnbook,
    make_bare,
    make_peer,
    weights_of,
)
from bookpress.chromium import MISSING, arguments, find_chromium

HERE = Path(__file__).parent
SITE = Path(attnbook.widgets.__file__).parent / "bundles" / "site"
REST = 0.3  # seconds between pages, so that they don't overlap
SLOW = 20_000  # milliseconds; a slower page is opened once
SIZES = [(1, 1, 10), (6, 8, 32), (6, 12, 64), (12, 12, 128), (12, 12, 512)]  # (L, H, T)
NAMES = ["attnbook", "bertviz", "inspectus", "circuitsvis", "plotly"]
SCRIPTS = {
    "require": "requirejs/require.js",
    "d3": "d3/dist/d3.min.js",
    "jquery": "jquery/dist/jquery.min.js",
}
HEADER = [
    "L×H×T",
    "page",
    "Python, s",
    "raw, MB",
    "gzip, MB",
    "requests",
    "first paint, ms",
    "÷ bare",
    "head, ms",
]
HEADER += ["hover, ms", "heap, MB"]


def file_of(path: str, folder: Path, modules: Path) -> Path:
    """The file at an address: a page, a script of the site, or a script that a peer requests elsewhere."""
    name = path.lstrip("/").partition("?")[0]
    if name.startswith("npm/"):
        return modules / SCRIPTS[name.removeprefix("npm/").partition(".")[0]]
    places = (folder, SITE, ROOT / "website" / "assets")
    return next((at / name for at in places if (at / name).is_file()), folder / name)


class Server(SimpleHTTPRequestHandler):
    """Serves the pages of one size over keep-alive connections, as hosts do, and records the requests."""

    asked: ClassVar[set[str]] = set()
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else each response waits for the acknowledgement of the last

    def __init__(self, *args, folder: Path, modules: Path, **kwargs):
        self.folders = folder, modules
        super().__init__(*args, **kwargs)

    def translate_path(self, path: str) -> str:
        file = file_of(path, *self.folders)
        if file.is_file():
            Server.asked.add(path)
        return str(file)

    def log_message(self, *_):
        pass


def visit(browser, address: str, name: str, seen: dict) -> None:
    """Open a page and record its times and heap size; a timeout is recorded as a fault."""
    context = browser.new_context(viewport={"width": 1200, "height": 900})
    page = context.new_page()
    page.set_default_timeout(PATIENCE * 1000)
    page.add_init_script(f"({(PEERS / 'drivers.js').read_text('utf-8')})(); bench.watch({json.dumps(name)})")
    try:
        Server.asked.clear()
        session = context.new_cdp_session(page)
        painted = {"predicate": lambda message: message.text == "painted", "timeout": PATIENCE * 1000}
        with page.expect_console_message(**painted):  # the driver runs nothing in the page meanwhile
            session.send("Page.navigate", {"url": f"{address}{name}.html"})
        seen.setdefault("first paint", []).append(page.evaluate("paintedAt"))
        page.wait_for_load_state("load")
        page.wait_for_timeout(500)
        if not page.evaluate(f"bench.drivers['{name}'].headIs()"):
            raise RuntimeError("the map reported as painted is blank")
        seen["files"] = sorted(Server.asked)
        session.send("HeapProfiler.collectGarbage")
        seen.setdefault("heap", []).append(session.send("Runtime.getHeapUsage")["usedSize"])
        if page.evaluate(f"Boolean(bench.drivers['{name}'].hover)"):
            page.evaluate(f"bench.timed('{name}', 'hover', [0.2, 0.2])")
            for at in (0.45, 0.75):
                seen.setdefault("hover", []).append(
                    page.evaluate(f"bench.timed('{name}', 'hover', [{at}, {at}])")
                )
        if seen["heads"] > 1:
            seen.setdefault("head", []).append(page.evaluate(f"bench.timed('{name}', 'head')"))
    except Exception as error:
        seen["fault"] = type(error).__name__
        print(f"  {name}: {str(error).splitlines()[0]}", flush=True)
    finally:
        context.close()
        time.sleep(REST)


def measure(size: tuple[int, int, int], python: Path, rounds: int, browser, work: Path) -> dict:
    """The measurements of every page of one size."""
    weights = weights_of(*size)
    folder = work / "x".join(map(str, size))
    folder.mkdir()
    np.savez(folder / "weights.npz", weights=weights)
    seen = {}
    for name in [*NAMES, "bare"]:
        make = {"attnbook": make_attnbook, "bare": make_bare}.get(name)
        took = make(weights, folder) if make else make_peer(name, python, folder)
        seen[name] = {"python": took, "heads": size[0] * size[1], "asks": 0}
        if took is not None:
            seen[name]["asks"] = localise(folder / f"{name}.html") if name == "bertviz" else 0
        print(f"  {name}: page {'made' if took else 'not made'} {took or ''}", flush=True)
    modules = python.parents[1] / "node_modules"
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Server, folder=folder, modules=modules)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/"
        visit(browser, address, "bare", {"heads": 1})  # warm up the browser
        for i in range(rounds):
            order = [*NAMES, "bare"]  # rotated each round
            for name in order[i % len(order) :] + order[: i % len(order)]:
                slow = max(seen[name].get("first paint", [0])) > SLOW
                if seen[name]["python"] is not None and "fault" not in seen[name] and not slow:
                    visit(browser, address, name, seen[name])
        server.shutdown()
    for one in seen.values():
        data = [file_of(path, folder, modules).read_bytes() for path in one.get("files", [])]
        one["raw"], one["gzip"] = sum(map(len, data)), sum(len(gzip.compress(piece, 6)) for piece in data)
    shutil.rmtree(folder)
    return seen


def row(size: tuple[int, int, int], name: str, all_seen: dict, blank: float) -> list[str]:
    """One row of the table; ratios are medians over rounds."""
    seen = all_seen[name]
    shape = "×".join(map(str, size))
    if seen["python"] is None:
        return [shape, name, f"no page within {2 * PATIENCE} s and {MEMORY >> 30} GB", *[""] * 8]

    def middle(what: str, scale: float = 1, less: float = 0, digits: int = 0) -> str:
        values = seen.get(what)
        return f"{statistics.median(values) * scale - less:.{digits}f}" if values else "–"

    pairs = zip(seen.get("first paint", []), all_seen["bare"].get("first paint", []), strict=False)
    ratios = [mine / bare for mine, bare in pairs]
    cells = [shape, name, f"{seen['python']:.2f}", f"{seen['raw'] / 1e6:.2f}", f"{seen['gzip'] / 1e6:.2f}"]
    cells += [str(seen["asks"])]
    if "fault" in seen and "first paint" not in seen:
        return [*cells, f"not within {PATIENCE} s", "", "", "", ""]
    cells += [middle("first paint"), f"{statistics.median(ratios):.2f}" if ratios else "–"]
    return [*cells, middle("head"), middle("hover"), middle("heap", 1e-6, blank / 1e6, 1)]


def table(rows: list[list[str]]) -> str:
    """The table in Markdown."""
    lines = [f"| {' | '.join(row)} |" for row in (HEADER, ["---"] * 2 + ["--:"] * 9, *rows)]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--sizes", nargs="*", default=["x".join(map(str, size)) for size in SIZES])
    parser.add_argument("--write", type=Path, default=HERE / "widgets.md")
    options = parser.parse_args()
    if not find_chromium():
        raise SystemExit(MISSING)
    python = install(ROOT / "_build" / "peers")
    rows = []
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as work:
        flags = [*arguments(), "--js-flags=--expose-gc"]
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=flags)
        page = browser.new_page()
        blank = page.context.new_cdp_session(page).send("Runtime.getHeapUsage")["usedSize"]
        page.close()
        for text in options.sizes:
            size = tuple(int(n) for n in text.split("x"))
            print(text, flush=True)
            seen = measure(size, python, options.rounds, browser, Path(work))
            rows += [row(size, name, seen, blank) for name in seen]
            print(table(rows[-len(seen) :]), flush=True)
        version = browser.version
        browser.close()
    about = __doc__.partition("\n\n")[2].strip()
    machine = f"Python {platform.python_version()}, Chromium {version}, {os.cpu_count()} processors"
    parts = ["# The explorer and its peers", about, f"Measured by `make bench-widgets` on {machine}."]
    options.write.write_text("\n\n".join([*parts, table(rows)]) + "\n", encoding="utf-8")
    print(f"Written to {options.write}")


if __name__ == "__main__":
    main()
