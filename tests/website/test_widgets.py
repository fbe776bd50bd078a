"""The explorers on all pages of the built book, without a kernel, at any width, light and dark."""

import gzip
import re
from functools import cache

import numpy as np
import pytest
from playwright.sync_api import expect

from attnbook.widgets.encoding import decode_weights
from tests.widget_data import read_states

# Reads the current cell and the position of a widget's map.
AT = """([widget, row, column]) => {
  const root = document.querySelectorAll(".ab-explorer")[widget].querySelector(".attnbook-widget").shadowRoot;
  const map = root.querySelector(".map"), box = map.closest(".scroll");
  const { width, height } = map.getBoundingClientRect();
  box.scrollLeft = column * width - box.clientWidth / 2;
  box.scrollTop = row * height - box.clientHeight / 2;
  const above = map.getBoundingClientRect().top + row * height - innerHeight / 2;
  window.scrollBy({ top: above, behavior: "instant" });
  const { left, top } = map.getBoundingClientRect();
  return [left + column * width, top + row * height];
}"""


@cache
def models(html, page_name) -> list[dict]:
    """The states of a page's explorers in order, with decoded weights."""
    text = (html / page_name).read_text("utf-8")
    states = read_states(html / page_name)
    in_order = []
    for name in re.findall(r'widget-view\+json">\{"model_id": "(\w+)"', text):
        state = dict(states[name])
        if not state["_anywidget_id"].endswith("AttentionExplorer"):
            continue
        buffers = state["buffers"]
        layers, heads, rows, columns = state["_shape"]
        chosen = [
            (state["frame"] * layers + layer) * heads + head
            for layer in (range(layers) if state["layer"] < 0 else [state["layer"]])  # -1: their mean
            for head in (range(heads) if state["head"] < 0 else [state["head"]])
        ]
        maps = [decode_weights(buffers["_weights", at]).reshape(rows, columns) for at in chosen]
        state["weights"] = np.mean(maps, axis=0)
        bits = [data for path, data in buffers.items() if path[0] == "_masks"]
        masks = [np.ones((rows, columns), bool)] if not bits else []
        for at in chosen if bits else []:
            data = np.frombuffer(bits[at if len(bits) > 1 else 0], np.uint8)
            cells = np.unpackbits(data, bitorder="little")
            masks.append(cells[: rows * columns].reshape(rows, columns).astype(bool))
        state["mask"] = np.any(masks, axis=0)
        in_order.append(state)
    return in_order


@pytest.fixture
def states(html, page_name):
    """Empty for a page without explorers, which the tests below needn't open."""
    return models(html, page_name)


def test_the_book_has_explorers(html):
    pages = [path.relative_to(html).as_posix() for path in html.glob("chapters/*.html")]
    assert sum(len(models(html, page)) for page in pages) >= 2


def test_pages_hold_data_but_no_script(html, page_name):
    text = (html / page_name).read_text("utf-8")
    assert '"_esm"' not in text
    assert ("attnbook-host.js" in text) == ("ab-widget" in text) == ("widget-view+json" in text)
    assert ("ab-explorer" in text) == bool(models(html, page_name))
    for address in ("unpkg.com", "jsdelivr", "cdnjs", "html-manager", "require.min.js"):
        assert address not in text


def test_a_page_loads_little(html, page_name):
    """The scripts of all widgets on a page take at most 45 kB; their heavy parts load on demand."""
    text = (html / page_name).read_text("utf-8")
    scripts = set(re.findall(r"_static/(widgets/\w[\w-]*\.js)", text))
    assert bool(scripts) == ("ab-widget" in text)
    assert sum(len(gzip.compress((html / "_static" / name).read_bytes())) for name in scripts) <= 45_000


SETTLED = "() => Promise.all(document.getAnimations().map(one => one.finished))"


@pytest.fixture(scope="module")
def waiting(browser):
    """A tab in which no widget's script arrives."""
    with browser.new_context() as context:
        page = context.new_page()
        page.route("**/widgets/*.js*", lambda route: route.abort())
        yield page


def test_nothing_moves_when_explorers_are_mounted(opened, waiting, site, states, page_name):
    """Each explorer's container has the same height before and after its script has run."""
    if not states:
        return
    heights = "places => places.map(place => place.getBoundingClientRect().height)"
    waiting.goto(site + page_name)
    waiting.evaluate("document.fonts.ready.then(() => true)")
    for width in (360, 1200):
        waiting.set_viewport_size({"width": width, "height": 900})
        waiting.evaluate(SETTLED)  # the contents rail slides in
        before = waiting.locator(".ab-explorer").evaluate_all(heights)
        after = opened(width).locator(".ab-explorer").evaluate_all(heights)
        assert after == pytest.approx(before, abs=1)


@pytest.mark.parametrize("width", [360, 1200])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_explorer_reads_and_locks(opened, states, width, theme):
    if not states:
        return
    page = opened(width, theme)
    assert page.locator(".ab-explorer").count() == len(states)
    for index, state in enumerate(states):
        widget = page.locator(".ab-explorer").nth(index)
        assert widget.get_attribute("data-state") == "live"
        expect(widget.locator(".root")).to_have_attribute("data-theme", theme)
        if state["view"] != "map":
            widget.get_by_role("button", name="Map", exact=True).click()
            expect(widget.locator(".map")).to_be_visible()
        rows, columns = state["weights"].shape
        for row, column in {(0, 0), (rows - 1, columns - 1), (rows // 2, columns // 3)}:
            x, y = page.evaluate(AT, [index, (row + 0.5) / rows, (column + 0.5) / columns])
            page.mouse.move(x + 1, y)  # otherwise a mouse already there would not move
            page.mouse.move(x, y)
            expected = f"{state['weights'][row, column]:.3f}" if state["mask"][row, column] else "masked"
            assert widget.locator(".value").inner_text() == expected
        page.mouse.click(*page.evaluate(AT, [index, 0.5 / rows, 0.5 / columns]))
        assert widget.locator(".most").inner_text().startswith("Locked: ")
        assert widget.locator("img.ab-static").get_attribute("alt")
        page.mouse.click(*page.evaluate(AT, [index, 0.5 / rows, 0.5 / columns]))
        assert not widget.locator(".most").inner_text().startswith("Locked: ")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.faults == []


@pytest.fixture(scope="module")
def without_scripts(browser):
    """A tab that runs no scripts."""
    with browser.new_context(java_script_enabled=False) as context:
        yield context.new_page()


def test_without_scripts_the_picture_is_shown(without_scripts, site, html, states, page_name):
    if "ab-widget" not in (html / page_name).read_text("utf-8"):
        return
    page = without_scripts
    page.goto(site + page_name)
    for picture in page.locator(".ab-widget img.ab-static").all():
        picture.scroll_into_view_if_needed()
        assert picture.is_visible()
    assert page.locator(".ab-explorer img.ab-static").count() == len(states)
