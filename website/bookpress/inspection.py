"""Checks of a built page, for its tests and for `make audit`.

In a browser: console messages and requests, width, layout shifts, findings of axe-core. In its file: links
and weight.
"""

import gzip
import os
import re
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from pathlib import Path
from urllib.parse import unquote, urlsplit

from bs4 import BeautifulSoup

from bookpress import contents
from bookpress.widget_links import CONTAINERS, SETS_WIDGET

THEME_LOG = "[PST]"  # the theme logs its choice of colours on every page

# The theme fades its colours in, which takes long on a busy machine: wait until all animations have ended.
# A document's animations don't include those inside widgets, which have a shadow root.
AT_REST = """async () => {
  const ends = ({ playState, effect }) =>
    playState === "running" && effect.getComputedTiming().endTime < Infinity;
  const widgets = [...document.querySelectorAll("*")].map(({ shadowRoot }) => shadowRoot).filter(Boolean);
  const all = () => [document, ...widgets].flatMap((root) => root.getAnimations());
  for (let moving; (moving = all().filter(ends)).length; ) {
    await Promise.allSettled(moving.map((change) => change.finished));
    await new Promise((next) => setTimeout(next)); // one may start where another ends
  }
  return true;
}"""
# The scripts that a page loads after its first frame have run.
PROGRAMS = """() => document.readyState === "complete" &&
    (document.documentElement.dataset.programs || !document.querySelector("script[data-later]"))"""
# Each widget is mounted, or says why it can't be.
MOUNTED = """() => [...document.querySelectorAll(".ab-widget")].every((widget) => widget.dataset.state)"""
UNFOLD = "document.querySelectorAll('details').forEach(fold => fold.open = true)"
BEYOND = """(all, width) => all.filter(e => e.getBoundingClientRect().right > width + 1)
    .map(e => e.outerHTML.slice(0, 80))"""
AXE = """async (without) => {
  const rules = Object.fromEntries(without.map((rule) => [rule, { enabled: false }]));
  const found = await axe.run(document, { resultTypes: ["violations"], rules });
  return found.violations.flatMap(({ id, nodes }) =>
    nodes.map(({ target, html }) => `${id}: ${target.join(" ")} ${html.slice(0, 100)}`));
}"""
# Record every layout shift that no input caused, and whether a widget moved in it, from the first moment on.
WATCH_SHIFTS = """
  window.shifts = [];
  new PerformanceObserver((list) => {
    for (const { value, hadRecentInput, sources } of list.getEntries()) {
      const moved = sources.map(({ node }) => (node?.nodeType === 1 ? node : node?.parentElement));
      const widget = (node) => node?.getRootNode() instanceof ShadowRoot || node?.closest(".ab-widget");
      if (!hadRecentInput) window.shifts.push([value, moved.some(widget)]);
    }
  }).observe({ type: "layout-shift", buffered: true });
"""
SCROLL = """async () => {
  const step = innerHeight * 0.8, pause = () => new Promise((done) => setTimeout(done, 60));
  for (let y = 0; y < document.documentElement.scrollHeight; y += step) {
    window.scrollTo({ top: y, behavior: "instant" });
    await pause();
  }
}"""


@cache
def toc_pages() -> tuple[str, ...]:
    """The path in the site of every page of the table of contents."""
    return tuple(f"{page}.html" for page in contents.pages())


def listen(page, own: str) -> list[str]:
    """A list that collects a page's errors, console messages and requests to hosts other than `own`."""
    faults, known = [], (own, "data:", "blob:")
    page.on("request", lambda r: r.url.startswith(known) or faults.append(f"asked: {r.url}"))
    page.on("response", lambda r: r.status < 400 or faults.append(f"{r.status}: {r.url}"))
    page.on("requestfailed", lambda r: faults.append(f"failed: {r.url}"))
    page.on("pageerror", lambda error: faults.append(f"error: {error}"))
    page.on("console", lambda m: m.text.startswith(THEME_LOG) or faults.append(f"{m.type}: {m.text}"))
    return faults


def mount(page, timeout: float | None = None) -> None:
    """Wait until all widgets are mounted: those far down wait for a sign of a reader, here the mouse.

    Each step gets `timeout` milliseconds, or the page's own time limit.
    """
    page.wait_for_function(PROGRAMS, timeout=timeout)
    page.mouse.move(1, 1)
    page.wait_for_function(MOUNTED, timeout=timeout)


def sideways(page) -> list[str]:
    """What makes a page wider than its window; an empty list if nothing does."""
    width = page.viewport_size["width"]
    page.evaluate("window.scrollTo({left: 500, top: 0, behavior: 'instant'})")
    wide = page.evaluate("document.documentElement.scrollWidth")
    faults = [f"{wide} px wide in a window of {width}"] if wide > width else []
    faults += ["scrolls sideways"] if page.evaluate("window.scrollX") else []
    return faults + page.locator("article > section > *").evaluate_all(BEYOND, width)


def axe(page, without: Iterable[str] = ()) -> list[str]:
    """What axe-core finds but for these rules; it is injected, as the policy allows no other script."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(files("axe_playwright_python").joinpath("axe.min.js").read_text("utf8") + ";0")
    return page.evaluate(AXE, list(without))


def shifts(page) -> tuple[float, float]:
    """The layout shift of a page (with WATCH_SHIFTS) while it is scrolled: of its widgets, and in total."""
    page.evaluate(SCROLL)
    seen = page.evaluate("window.shifts")
    return sum(value for value, widget in seen if widget), sum(value for value, _ in seen)


@cache
def soup(page: Path) -> BeautifulSoup:
    return BeautifulSoup(page.read_text("utf8"), "html.parser")


@cache
def anchors(page: Path) -> frozenset[str]:
    return frozenset(tag["id"] for tag in soup(page).select("[id]"))


def programs(page: Path) -> tuple[str, ...]:
    """The scripts of a page, as it names them; the first loads the others (see extension/first.js)."""
    tags = soup(page).select("script[src]")
    return tuple(name for tag in tags for name in (tag["src"], *tag.get("data-later", "").split()))


def references(page: Path) -> set[str]:
    """What a page links to on its own site."""
    tags = soup(page).select("[href], [src]")
    found = {*programs(page), *(tag.get("href") or tag.get("src") for tag in tags)}
    return {reference for reference in found if reference and not urlsplit(reference).scheme}


def resolves(page: Path, reference: str) -> bool:
    """Whether the file exists and contains the anchor."""
    parts = urlsplit(reference)
    target = Path(os.path.normpath(page.parent / unquote(parts.path))) if parts.path else page
    if not target.is_file():
        return False
    if not parts.fragment or target.suffix != ".html":
        return True
    state = re.match(SETS_WIDGET, f"#{parts.fragment}")  # the settings of a widget of this number
    if state:
        return 0 < int(state[2]) <= len(soup(target).select(f".{CONTAINERS[state[1]]}"))
    return unquote(parts.fragment) in anchors(target)


def broken_links(page: Path) -> list[str]:
    """Links inside the site whose file or anchor doesn't exist."""
    return sorted(reference for reference in references(page) if not resolves(page, reference))


def weight(page: Path) -> int:
    """Bytes of a page's HTML, styles and scripts, compressed as by a web server."""
    named = [*programs(page), *(tag["href"] for tag in soup(page).select("link[rel=stylesheet]"))]
    loaded = {page, *((page.parent / name.partition("?")[0]).resolve() for name in named)}
    return sum(len(gzip.compress(file.read_bytes(), 6)) for file in loaded)
