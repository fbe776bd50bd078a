"""The explorer on a static page: reading, locking and choosing by mouse, touch and keyboard."""

import csv
import io
import json
import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from PIL import Image
from playwright.sync_api import expect

from attnbook.plots import PALETTE
from bookpress import ROOT

CONTRAST = (ROOT / "tests" / "contrast.js").read_text("utf8")
PLAIN, MASKED, DATES, LONG = range(4)


def test_it_works_from_a_file(browser, built):
    page = browser.new_page()
    page.goto((built / "index.html").as_uri())
    page.wait_for_selector(".ab-widget[data-state=live]")
    page.close()


def test_only_pages_with_widgets_have_the_script(built):
    for name in ("plain.html", "other.html"):
        assert "attnbook-host" not in (built / name).read_text("utf-8")


def test_the_page_holds_data_but_no_script(built):
    text = (built / "index.html").read_text("utf-8")
    state = json.loads(re.search(r'widget-state\+json">(.*?)</script>', text, re.S)[1])["state"]
    assert len(state) == 4
    assert not [name for model in state.values() for name in model["state"] if name in ("_esm", "_css")]
    assert text.index("after the fourth") < text.index("widget-state+json")  # the text comes first


@pytest.mark.parametrize(
    ("index", "name", "map_of", "cells"),
    [
        (PLAIN, "plain", (), [(0, 0), (3, 5), (7, 7), (7, 0)]),
        (MASKED, "masked", (0, 0), [(0, 0), (4, 1), (11, 11), (5, 2), (5, 1)]),
        (DATES, "dates", (0,), [(0, 0), (10, 29), (5, 17)]),
        (LONG, "long", (), [(0, 0), (95, 95), (40, 71)]),
    ],
)
@pytest.mark.parametrize("width", [360, 1000])
def test_hovering_shows_the_exact_weight(shared, truth, index, name, map_of, cells, width):
    widget = shared(width=width).widget(index)
    for row, column in cells:
        assert widget.hover(row, column) == f"{truth[name][*map_of, row, column]:.3f}"


def test_hovering_names_query_and_key(visit, truth):
    widget = visit().widget(PLAIN)
    number = widget.hover(3, 5)
    assert widget.node.locator(".cell").inner_text().split()[:4] == ["obey", "→", "orders", number]
    assert widget.said.startswith(f"query obey attends to key orders, weight {number}, ")
    widget.page.mouse.move(0, 0)
    widget.node.get_by_role("button", name="More about this row").click()
    for words in ("arrows move", "click to lock its row"):
        expect(widget.node.locator(".help")).to_contain_text(words)


def test_layers_and_heads(visit, truth):
    widget = visit().widget(MASKED)
    widget.node.get_by_role("radio", name="Layer 2, head 3").click()
    assert widget.hover(9, 4) == f"{truth['masked'][2, 3, 9, 4]:.3f}"
    widget.page.keyboard.press("Escape")
    widget.node.get_by_role("radio", name="Layer 2, head 3").press("ArrowLeft")
    assert widget.hover(9, 4) == f"{truth['masked'][2, 2, 9, 4]:.3f}"
    assert widget.node.get_by_role("radiogroup", name="Layer and head").count() == 1


def test_a_single_map_has_no_controls_to_choose(visit):
    assert visit().widget(PLAIN).node.get_by_role("radio").count() == 0


def test_a_click_locks_a_row_and_another_unlocks_it(visit, truth):
    widget = visit().widget(PLAIN)
    widget.click(2, 3)
    assert widget.locked == "must"
    strongest = np.sort(truth["plain"][2])[::-1][:3]
    assert [float(n) for n in re.findall(r"\d\.\d{3}", widget.node.locator(".most").inner_text())] == [
        float(f"{weight:.3f}") for weight in strongest
    ]
    widget.page.mouse.move(0, 0)
    assert widget.locked == "must"
    widget.click(4, 4)
    assert widget.locked == "the"
    widget.click(4, 1)
    assert widget.locked == ""
    widget.node.locator(".queries .label").nth(6).click()
    assert widget.locked == "given"
    widget.click(6, 1)
    assert widget.locked == ""


def test_a_locked_row_tints_the_keys_and_is_framed(visit):
    widget = visit().widget(PLAIN)
    tints = "labels => labels.map(label => label.style.background)"
    before = widget.canvas.screenshot()
    totals = widget.node.locator(".keys .label").evaluate_all(tints)
    widget.click(2, 3)
    widget.page.mouse.move(0, 0)
    widget.frame()
    assert widget.canvas.screenshot() != before
    row = widget.node.locator(".keys .label").evaluate_all(tints)
    assert len(set(row)) > 3
    assert row != totals


def test_by_keyboard(visit, truth):
    widget = visit().widget(PLAIN)
    widget.map.focus()
    press = widget.page.keyboard.press
    value = widget.node.locator(".value")
    press("ArrowDown")
    assert value.inner_text() == f"{truth['plain'][0, 0]:.3f}"
    for key in ("ArrowDown", "ArrowDown", "ArrowRight", "ArrowLeft", "ArrowUp", "ArrowUp", "ArrowUp", "End"):
        press(key)
    assert value.inner_text() == f"{truth['plain'][0, 7]:.3f}"
    assert "query A attends to key it, weight" in widget.said
    press("ArrowDown")
    press("Enter")
    assert widget.locked == "robot"
    assert widget.said.startswith("locked row robot: most to orders 0.")
    press("Home")
    assert value.inner_text() == f"{truth['plain'][1, 0]:.3f}"
    press("Escape")
    assert widget.locked == ""
    press(" ")
    assert widget.locked == "robot"


def test_tab_reaches_everything_with_a_visible_focus(visit):
    opened = visit()
    seen = []
    for _ in range(60):
        opened.page.keyboard.press("Tab")
        at = opened.page.evaluate(
            """() => {
              const inner = document.activeElement.shadowRoot?.activeElement;
              if (!inner) return null;
              const { outlineStyle, outlineWidth } = getComputedStyle(inner);
              return [inner.ariaLabel ?? inner.textContent, outlineStyle, parseFloat(outlineWidth)];
            }"""
        )
        if at and at not in seen:
            seen.append(at)
    names = " ".join(name for name, *_ in seen)
    assert all(
        word in names
        for word in ("8 queries by 8 keys", "Layer 0, head 0", "Head 0", "Next map", "Text", "Save or share")
    )
    maps = [name for name, *_ in seen if "queries by" in name]
    assert len(maps) == 4  # their ring is around their box: see below
    assert all(style != "none" and width >= 2 for name, style, width in seen if name not in maps)


@pytest.mark.parametrize("index", [PLAIN, LONG])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_focused_map_has_a_ring_on_all_sides(visit, index, theme):
    opened = visit(theme=theme)
    box = opened.widget(index).node.locator(".place-of-map")
    box.scroll_into_view_if_needed()

    def ring() -> list[np.ndarray]:
        """The pixels above, below, left and right of the map's box."""
        x, y, width, height = (box.bounding_box()[name] for name in ("x", "y", "width", "height"))
        clip = {"x": x - 7, "y": y - 7, "width": width + 14, "height": height + 14}
        pixels = np.asarray(Image.open(io.BytesIO(opened.page.screenshot(clip=clip))).convert("RGB"), int)
        middle = slice(len(pixels) // 4, -len(pixels) // 4)
        return [pixels[:7, 40:-40], pixels[-7:, 40:-40], pixels[middle, :7], pixels[middle, -7:]]

    before = ring()
    opened.page.keyboard.press("Shift")  # as from the keyboard
    opened.widget(index).map.evaluate("map => map.focus({ preventScroll: true })")
    after = ring()
    for was, now in zip(before, after, strict=True):
        assert (np.abs(was - now).max(-1) > 60).mean() > 0.2  # two of seven pixels


def test_a_map_is_never_blank_while_its_width_changes(visit):
    opened = visit()
    opened.widget(DATES).canvas.evaluate(
        """canvas => {
          window.blank = window.frames = 0;
          const see = () => {
            const { width, height } = canvas;
            window.seen ??= width;
            if (width !== seen) frames++;
            seen = width;
            if (!canvas.getContext("2d").getImageData(width >> 1, height >> 1, 1, 1).data[3]) blank++;
            requestAnimationFrame(see);
          };
          see();
        }"""
    )
    for width in range(980, 500, -40):
        opened.page.set_viewport_size({"width": width, "height": 900})
        opened.widget(DATES).frame()
    assert opened.page.evaluate("frames") > 5
    assert opened.page.evaluate("blank") == 0


def test_escape_unlocks_after_a_click_on_a_label(visit):
    widget = visit().widget(PLAIN)
    widget.node.locator(".queries .label").nth(6).click()
    assert widget.locked == "given"
    widget.page.keyboard.press("Escape")
    assert widget.locked == ""


def test_the_cursor_stays_visible_in_a_scrolling_map(visit):
    widget = visit(width=360).widget(LONG)
    widget.map.focus()
    widget.page.keyboard.press("ArrowDown")
    widget.page.keyboard.press("End")
    right = [
        box["x"] + box["width"]
        for box in (widget.map.bounding_box(), widget.node.locator(".scroll").bounding_box())
    ]
    assert right[0] <= right[1] + 1
    assert "token95" in widget.node.locator(".cell").inner_text()


def test_by_touch(visit, truth):
    widget = visit(width=400, has_touch=True, is_mobile=True).widget(PLAIN)
    tap = lambda row, column: widget.page.touchscreen.tap(*widget.point(row, column))  # noqa: E731
    tap(3, 5)
    assert widget.node.locator(".value").inner_text() == f"{truth['plain'][3, 5]:.3f}"
    assert widget.locked == "obey"
    tap(3, 2)  # reads another cell of the locked row, which stays locked
    assert widget.node.locator(".value").inner_text() == f"{truth['plain'][3, 2]:.3f}"
    assert widget.locked == "obey"
    tap(3, 2)
    assert widget.locked == ""


def test_a_sliding_finger_reads_cells_and_scrolls_the_page_vertically(visit, truth, finger):
    widget = visit(width=400, has_touch=True, is_mobile=True).widget(PLAIN)
    read = widget.node.locator(".value")
    places = [widget.point(3, 5)]  # before the page is moved for another
    box, (rows, columns) = widget.map.bounding_box(), widget.shape
    at = lambda row, column: (  # noqa: E731
        box["x"] + box["width"] * (column + 0.5) / columns,
        box["y"] + box["height"] * (row + 0.5) / rows,
    )
    finger(widget.page, *places, at(3, 6), at(3, 7))
    widget.frame()
    assert (read.inner_text(), widget.locked) == (f"{truth['plain'][3, 7]:.3f}", "")
    widget.page.mouse.click(*at(3, 5))  # on a busy machine a tap may last too long to count as one
    assert widget.locked == "obey"
    finger(widget.page, at(3, 5), at(3, 4), at(4, 2))  # it leaves the locked row
    widget.frame()
    assert (read.inner_text(), widget.locked) == (f"{truth['plain'][3, 2]:.3f}", "obey")
    before = widget.page.evaluate("scrollY")
    finger(widget.page, at(3, 5), *((at(3, 5)[0], at(3, 5)[1] - 30 * step) for step in range(1, 8)))
    widget.page.wait_for_function("before => scrollY > before + 50", arg=before)


def test_a_shaky_tap_reads_a_cell_and_keeps_the_row_locked(visit, truth):
    """Chromium suppresses the moves of a tap, other browsers may not; so the test sends them."""
    widget = visit(width=400, has_touch=True, is_mobile=True).widget(PLAIN)
    tremble = """(map, [x, y]) => {
        const make = (Kind, name, by) => map.dispatchEvent(new Kind(name,
            { pointerType: "touch", clientX: x + by, clientY: y + by, bubbles: true, composed: true }));
        make(PointerEvent, "pointerdown", 0);
        make(PointerEvent, "pointermove", 1);
        make(PointerEvent, "pointerup", 1);
        make(PointerEvent, "click", 1);
    }"""
    widget.page.mouse.click(*widget.point(3, 5))
    widget.map.evaluate(tremble, [*widget.point(3, 2)])
    assert widget.node.locator(".value").inner_text() == f"{truth['plain'][3, 2]:.3f}"
    assert widget.locked == "obey"
    widget.map.evaluate(tremble, [*widget.point(3, 2)])
    assert widget.locked == ""


def test_masked_cells_are_hatched_and_zeros_are_not(visit, truth):
    for theme in ("light", "dark"):
        widget = visit(theme=theme).widget(MASKED)
        assert truth["masked"][0, 0, 5, 1] == 0
        zero, masked = widget.pixels(5, 1), widget.pixels(5, 9)
        assert len(np.unique(zero, axis=0)) == 1
        assert len(np.unique(masked, axis=0)) > 1
        distance = np.abs(masked.astype(int).mean(0) - zero.astype(int).mean(0)).max()
        assert distance > 12
        widget.hover(5, 9)
        assert widget.node.locator(".value").inner_text() == "masked"
        assert widget.said.endswith("may not attend to key 日本語, masked")
        assert "masked" in widget.node.locator("[role=note]").inner_text()


def test_colours_darken_with_the_weight(visit, truth):
    widget = visit().widget(PLAIN)
    order = np.argsort(truth["plain"], axis=None)
    darkness = [255 - widget.pixels(*divmod(int(i), 8)).mean() for i in order[::9]]
    assert darkness == sorted(darkness)
    assert darkness[-1] > 130


def colour_of(theme, fraction):
    """The red, green and blue, 0 to 255, of a weight at this fraction of the scale."""
    stops = np.array([to_rgb(colour) for colour in PALETTE[theme]["weights"]])
    places = np.linspace(0, 1, len(stops))
    return 255 * np.array([np.interp(fraction, places, channel) for channel in stops.T])


def test_the_scale_can_be_fixed(visit, truth):
    widget = visit().widget(DATES)
    row, column = (int(i) for i in np.unravel_index(truth["dates"][0].argmax(), truth["dates"][0].shape))
    weight = truth["dates"][0, row, column]
    shade = colour_of("light", weight / truth["dates"].max())
    np.testing.assert_allclose(widget.pixels(row, column)[0], shade, atol=2.5)
    widget.node.get_by_role("button", name="Options").click()
    widget.node.get_by_label("Colours").select_option("full")
    np.testing.assert_allclose(widget.pixels(row, column)[0], colour_of("light", weight), atol=2.5)
    assert widget.node.locator("[role=note]").inner_text().split() == ["0", "1"]


def test_dark_mode_applies_at_once(visit):
    opened = visit()
    widget = opened.widget(PLAIN)
    light = widget.pixels(0, 0).mean()
    opened.page.evaluate("document.documentElement.dataset.theme = 'dark'")
    dark = widget.pixels(0, 0).mean()
    assert light - dark > 60
    opened.page.evaluate("document.documentElement.dataset.theme = 'light'")
    assert widget.pixels(0, 0).mean() == light
    opened.page.evaluate(
        "delete document.documentElement.dataset.theme; document.body.dataset.jpThemeLight = 'false'"
    )
    assert widget.pixels(0, 0).mean() == dark
    opened.page.evaluate("delete document.body.dataset.jpThemeLight")
    assert widget.pixels(0, 0).mean() == light
    opened.page.emulate_media(color_scheme="dark")
    assert widget.pixels(0, 0).mean() == dark


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_colours_equal_the_static_figures(visit, truth, theme):
    widget = visit(theme=theme).widget(PLAIN)
    values = truth["plain"]
    for row, column in [(0, 0), (3, 5), np.unravel_index(values.argmax(), values.shape)]:
        expected = colour_of(theme, values[row, column] / values.max())
        np.testing.assert_allclose(widget.pixels(int(row), int(column))[0], expected, atol=2.5)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_has_enough_contrast(visit, theme):
    opened = visit(theme=theme, prepare=None)
    opened.page.evaluate(f"document.documentElement.dataset.theme = '{theme}'")
    widget = opened.widget(MASKED)
    widget.click(8, 3)
    low = widget.node.locator(".root").evaluate(CONTRAST)
    assert low == []


def test_hostile_tokens_are_shown_as_text(visit):
    opened = visit()
    widget = opened.widget(MASKED)
    for row in range(12):
        widget.hover(row, 0)
    widget.click(1, 1)
    opened.page.wait_for_function(
        "() => !window.MathJax?.startup?.promise || MathJax.startup.promise.then(() => true)"
    )
    assert opened.page.evaluate("window.hacked") is None
    assert opened.page.locator("mjx-container").count() == 1  # the intended formula
    labels = widget.node.locator(".queries .label").all_text_contents()
    assert labels[0].startswith("<img src=x onerror=")
    assert labels[1].startswith("</script><script>")
    assert labels[2:6] == ["$x$", "[U+202E]abc", "∅", "↵"]
    assert labels[6] == "x" * 39 + "…"
    assert labels[7:] == ["␠lead", "שלום", "日本語", "<!--<script>", "&amp;"]
    titles = widget.node.locator(".queries .label").evaluate_all("nodes => nodes.map(n => n.title)")
    assert titles[6] == "x" * 10_000
    assert widget.node.locator(".title").text_content() == "<b>Hostile</b> $y$"
    assert widget.node.locator("img:not(.ab-static), script:not([type])").count() == 0
    assert opened.faults == []


def test_two_widgets_are_independent(visit):
    opened = visit()
    masked, dates = opened.widget(MASKED), opened.widget(DATES)
    masked.node.get_by_role("radio", name="Layer 0, head 2").click()
    dates.node.get_by_role("radio", name="Head 1").click()
    dates.click(3, 3)
    checked = "nodes => nodes.filter(node => node.ariaChecked == 'true').map(node => node.ariaLabel)"
    assert masked.node.get_by_role("radio").evaluate_all(checked) == ["Layer 0, head 2"]
    assert dates.node.get_by_role("radio").evaluate_all(checked) == ["Head 1"]
    assert (masked.locked, dates.locked) == ("", "9")


def test_the_map_has_device_resolution(visit):
    widget = visit(device_scale_factor=3).widget(PLAIN)
    assert widget.canvas.evaluate("c => c.width / c.getBoundingClientRect().width") == pytest.approx(
        3, abs=0.02
    )


def test_a_map_resizes_with_the_page(visit, truth):
    opened = visit(width=1000)
    widget = opened.widget(DATES)
    wide = widget.map.bounding_box()["width"]
    opened.page.set_viewport_size({"width": 400, "height": 900})
    widget.frame()
    assert widget.map.bounding_box()["width"] < wide / 1.5
    assert widget.hover(10, 29) == f"{truth['dates'][0, 10, 29]:.3f}"


def test_the_strongest_keys_are_distinct_from_their_weights(visit, truth):
    widget = visit().widget(DATES)
    widget.click(4, 2)
    best = int(truth["dates"][0, 4].argmax())
    key = "Saturday, March 7, 2009 is it."[best]
    words = widget.node.locator(".most").inner_text().replace("\n", "")
    assert re.match(rf"Locked: -(#\d+)? → {re.escape(key.strip() or '␠')}(#\d+)? = 0\.\d{{3}} · ", words)
    weights = widget.node.locator(".most .is-key").evaluate_all(
        "n => n.map(x => getComputedStyle(x).fontWeight)"
    )
    assert weights == ["600"] * 3


@pytest.mark.parametrize("width", [360, 1000])
def test_the_reading_is_not_cut_off(visit, width):
    opened = visit(width=width)
    cut = """node => Math.max(
      ...[node, ...node.children].flatMap(
        n => [n.scrollHeight - n.clientHeight, n.scrollWidth - n.clientWidth]
      )
    )"""
    for index in (PLAIN, MASKED, DATES):
        widget = opened.widget(index)
        reading = widget.node.locator(".ab-reading:has(.words)")
        assert reading.evaluate(cut) <= 1
        for row in (1, 6, 7):
            widget.click(row, 0)
            assert reading.evaluate(cut) <= 1


def test_the_keys_that_change_the_map_are_named(visit):
    opened = visit()
    help = lambda index: opened.widget(index).map.get_attribute("aria-label")  # noqa: E731
    assert "PgUp and PgDn change the map" in opened.widget(DATES).node.locator(".help").inner_text()
    assert "PgUp and PgDn change the map" in help(DATES)
    assert "PgDn" not in help(PLAIN)
    dates = opened.widget(DATES).node
    dates.get_by_role("button", name="Next map").click()
    assert dates.locator("[aria-checked=true]").get_attribute("aria-label") == "Head 1"


def test_hostile_tokens_are_shown_as_text_in_every_panel(visit):
    opened = visit()
    widget = opened.widget(MASKED)
    widget.click(1, 1)
    part = widget.node.locator(".part")
    for name in ("Text", "Table", "Save or share"):
        widget.node.get_by_role("button", name=name, exact=True).click()
        part.locator("> *").first.wait_for()
        assert part.locator("img, script, b").count() == 0
        if name != "Save or share":
            assert "<img src=x onerror=wind" in part.inner_text()
    for kind in ("SVG", "PNG", "CSV"):
        with opened.page.expect_download() as download:
            part.get_by_role("button", name=kind, exact=True).click()
        if kind == "SVG":
            drawing = ElementTree.parse(download.value.path())
            texts = [node.text for node in drawing.iter("{http://www.w3.org/2000/svg}text")]
            assert texts.count("<img src=x onerror=wind…") == 2
            assert "masked" in texts  # names the hatched cells
    assert opened.page.evaluate("window.hacked") is None
    assert opened.faults == []


def test_tokens_are_not_formulas_in_a_spreadsheet(visit):
    opened = visit()
    widget = opened.widget(DATES)
    widget.node.get_by_role("button", name="Save or share").click()
    with opened.page.expect_download() as download:
        widget.node.get_by_role("button", name="CSV", exact=True).click()
    rows = list(csv.DictReader(io.StringIO(download.value.path().read_text("utf-8"), newline="")))
    assert [row["query"] for row in rows[::30]] == [*"2009", "'-", *"03", "'-", *"07|"]
