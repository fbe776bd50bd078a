"""The explorer on a built page, with no kernel: read, locked and chosen by mouse, touch and keyboard."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from attnbook.plots import weights_colormap

CONTRAST = Path(__file__).parent / "contrast.js"
PLAIN, MASKED, DATES, LONG = range(4)


def test_it_opens_from_a_file(browser, built):
    page = browser.new_page()
    page.goto((built / "index.html").as_uri())
    page.wait_for_selector(".ab-widget[data-state=live]")
    page.close()


def test_the_script_is_only_where_a_widget_is(built):
    for name in ("plain.html", "other.html"):
        assert "attnbook-host" not in (built / name).read_text("utf-8")


def test_the_page_carries_data_and_no_program(built):
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
def test_hovering_reads_the_true_weight(visit, truth, index, name, map_of, cells, width):
    widget = visit(width=width).widget(index)
    for row, column in cells:
        assert widget.hover(row, column) == f"{truth[name][*map_of, row, column]:.3f}"


def test_hovering_names_query_and_key(visit, truth):
    widget = visit().widget(PLAIN)
    number = widget.hover(3, 5)
    assert widget.node.locator(".cell").inner_text().split()[:4] == ["obey", "→", "orders", number]
    assert widget.said.startswith(f"query obey attends to key orders, weight {number}, ")
    widget.page.mouse.move(0, 0)
    assert "arrows move" in widget.node.locator(".spread").inner_text()
    assert "click to lock its row" in widget.node.locator("p.ab-hint:visible").inner_text()


def test_layers_and_heads(visit, truth):
    widget = visit().widget(MASKED)
    widget.node.get_by_role("radio", name="Layer 2, head 3").click()
    assert widget.hover(9, 4) == f"{truth['masked'][2, 3, 9, 4]:.3f}"
    widget.page.keyboard.press("Escape")
    widget.node.get_by_role("radio", name="Layer 2, head 3").press("ArrowLeft")
    assert widget.hover(9, 4) == f"{truth['masked'][2, 2, 9, 4]:.3f}"
    assert widget.node.get_by_role("radiogroup", name="Layer and head").count() == 1


def test_one_map_offers_no_choice(visit):
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
    assert set(widget.node.locator(".keys .label").evaluate_all(tints)) == {""}
    before = widget.canvas.screenshot()
    widget.click(2, 3)
    widget.page.mouse.move(0, 0)
    widget.frame()
    assert widget.canvas.screenshot() != before
    assert len(set(widget.node.locator(".keys .label").evaluate_all(tints))) > 3


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


def test_all_is_reached_by_tab_with_a_visible_focus(visit):
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
    assert all(style != "none" and width >= 2 for _, style, width in seen)


def test_the_cursor_stays_in_sight_in_a_map_that_scrolls(visit):
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
    tap(3, 2)  # another cell of the locked row is read, the row stays
    assert widget.node.locator(".value").inner_text() == f"{truth['plain'][3, 2]:.3f}"
    assert widget.locked == "obey"
    tap(3, 2)
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


def test_colours_go_from_paper_to_deep_by_weight(visit, truth):
    widget = visit().widget(PLAIN)
    order = np.argsort(truth["plain"], axis=None)
    darkness = [255 - widget.pixels(*divmod(int(i), 8)).mean() for i in order[::9]]
    assert darkness == sorted(darkness)
    assert darkness[-1] > 130


def test_the_scale_can_be_fixed(visit):
    widget = visit().widget(DATES)
    before = widget.pixels(0, 0), widget.canvas.screenshot()
    widget.node.get_by_role("button", name="Options").click()
    widget.node.get_by_label("Colours").select_option("full")
    widget.frame()
    assert widget.canvas.screenshot() != before[1]


def test_dark_mode_at_once(visit):
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
def test_the_colours_are_those_of_the_static_figure(visit, truth, theme):
    widget = visit(theme=theme).widget(PLAIN)
    values = truth["plain"]
    for row, column in [(0, 0), (3, 5), np.unravel_index(values.argmax(), values.shape)]:
        expected = 255 * np.array(weights_colormap(theme)(values[row, column] / values.max()))[:3]
        np.testing.assert_allclose(widget.pixels(int(row), int(column))[0], expected, atol=2.5)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_words_have_contrast(visit, theme):
    opened = visit(theme=theme, prepare=None)
    opened.page.evaluate(f"document.documentElement.dataset.theme = '{theme}'")
    widget = opened.widget(MASKED)
    widget.click(8, 3)
    low = widget.node.locator(".root").evaluate(CONTRAST.read_text())
    assert low == []


def test_hostile_tokens_stay_text(visit):
    opened = visit()
    widget = opened.widget(MASKED)
    for row in range(12):
        widget.hover(row, 0)
    widget.click(1, 1)
    opened.page.wait_for_function(
        "() => !window.MathJax?.startup?.promise || MathJax.startup.promise.then(() => true)"
    )
    assert opened.page.evaluate("window.hacked") is None
    assert opened.page.locator("mjx-container").count() == 1  # the math that is meant
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


def test_two_widgets_do_not_disturb_each_other(visit):
    opened = visit()
    masked, dates = opened.widget(MASKED), opened.widget(DATES)
    masked.node.get_by_role("radio", name="Layer 0, head 2").click()
    dates.node.get_by_role("radio", name="Head 1").click()
    dates.click(3, 3)
    checked = "nodes => nodes.filter(node => node.ariaChecked == 'true').map(node => node.ariaLabel)"
    assert masked.node.get_by_role("radio").evaluate_all(checked) == ["Layer 0, head 2"]
    assert dates.node.get_by_role("radio").evaluate_all(checked) == ["Head 1"]
    assert (masked.locked, dates.locked) == ("", "9")


def test_a_sharp_screen_gets_a_sharp_map(visit):
    widget = visit(device_scale_factor=3).widget(PLAIN)
    assert widget.canvas.evaluate("c => c.width / c.getBoundingClientRect().width") == pytest.approx(
        3, abs=0.02
    )


def test_a_map_grows_and_shrinks_with_the_page(visit, truth):
    opened = visit(width=1000)
    widget = opened.widget(DATES)
    wide = widget.map.bounding_box()["width"]
    opened.page.set_viewport_size({"width": 400, "height": 900})
    widget.frame()
    assert widget.map.bounding_box()["width"] < wide / 1.5
    assert widget.hover(10, 29) == f"{truth['dates'][0, 10, 29]:.3f}"
