"""The explorer with many maps on a built page: text, table, options, files and addresses."""

import csv
import io
import re
import xml.etree.ElementTree as ElementTree
from urllib.parse import urlparse

import numpy as np
import pytest
import torch
from PIL import Image
from playwright.sync_api import expect

from attnbook.widgets import AttentionExplorer
from bookpress import ROOT

GRID, ODD, LARGE, LINES, EDIT = range(2, 7)
LONG = 3  # of index.html
CONTRAST = (ROOT / "tests" / "contrast.js").read_text("utf8")
WORDS = ["the", "cat", "saw", "the", "other", "cat", "as", "the", "cat", "slept"]


@pytest.fixture
def opened(visit):
    return visit("explorer.html")


@pytest.fixture
def grid(opened):
    return opened.widget(GRID)


def radio(widget, name):
    return widget.node.get_by_role("radio", name=name, exact=True)


def opened_part(widget, name):
    button = widget.node.get_by_role("button", name=name, exact=True)
    if button.get_attribute("aria-expanded") == "false":
        button.click()
    widget.node.locator(".part > *").wait_for()
    assert button.get_attribute("aria-expanded") == "true"
    return widget.node.locator(".part")


def cell(widget) -> str:
    return widget.node.locator(".cell").inner_text().replace("\n", " ")


def spread(widget) -> str:
    return widget.node.locator(".spread").inner_text()


def chosen(widget) -> str:
    return widget.node.locator("[role=radio][aria-checked=true]").get_attribute("aria-label")


def order_of_maps(widget) -> list[str]:
    return widget.node.get_by_role("radio").evaluate_all("nodes => nodes.map(n => n.ariaLabel)")


def test_every_layer_and_head_has_a_thumbnail_and_so_have_their_means(grid, truth):
    assert grid.node.get_by_role("radio").count() == 4 * 5
    radio(grid, "Layer 2, head 3").click()
    assert chosen(grid) == grid.node.locator(".about").inner_text() == "Layer 2, head 3"
    assert grid.hover(4, 2) == f"{truth['grid'][2, 3, 4, 2]:.3f}"
    means = {
        "Layer 1, mean of heads": truth["grid"][1].mean(0),
        "Mean of layers, head 2": truth["grid"][:, 2].mean(0),
        "Mean of all": truth["grid"].mean((0, 1)),
    }
    for name, mean in means.items():
        radio(grid, name).click()
        for row, column in [(0, 0), (4, 2), (9, 9)]:
            assert float(grid.hover(row, column)) == pytest.approx(mean[row, column], abs=6e-4)


def test_thumbnails_are_painted_by_the_same_scale(grid):
    grid.page.wait_for_function(
        "() => [...document.querySelectorAll('.ab-widget')[2].querySelector('.attnbook-widget').shadowRoot"
        ".querySelectorAll('.thumb canvas')].every(canvas => canvas.width == 10)"
    )
    pixel = "(c, [row, column]) => [...c.getContext('2d').getImageData(column, row, 1, 1).data].slice(0, 3)"
    thumbnail = radio(grid, "Layer 2, head 2").locator("canvas").evaluate(pixel, [3, 3])
    radio(grid, "Layer 2, head 2").click()
    assert thumbnail == pytest.approx(grid.pixels(3, 3)[0], abs=1)


def test_the_grid_by_keyboard(grid):
    radio(grid, "Layer 0, head 0").focus()
    press = grid.page.keyboard.press
    for key, name in [
        ("ArrowRight", "Layer 0, head 1"),
        ("ArrowDown", "Layer 1, head 1"),
        ("ArrowLeft", "Layer 1, head 0"),
        ("ArrowLeft", "Layer 0, mean of heads"),
        ("End", "Mean of all"),
        ("ArrowDown", "Mean of all"),
        ("Home", "Layer 0, head 0"),
    ]:
        press(key)
        assert chosen(grid) == name
        assert grid.page.evaluate("document.activeElement.shadowRoot.activeElement.ariaLabel") == name
    stops = grid.node.get_by_role("radio").evaluate_all("nodes => nodes.filter(n => n.tabIndex == 0).length")
    assert stops == 1


def test_the_map_before_and_after(grid):
    grid.map.focus()
    grid.page.keyboard.press("PageDown")
    assert (chosen(grid), grid.said) == ("Layer 0, head 1", "Layer 0, head 1")
    grid.page.keyboard.press("PageUp")
    grid.page.keyboard.press("PageUp")
    assert chosen(grid) == "Layer 0, head 0"
    grid.node.get_by_role("button", name="Next map").click()
    grid.node.get_by_role("button", name="Next map").click()
    grid.node.get_by_role("button", name="Previous map").click()
    assert chosen(grid) == "Layer 0, head 1"


@pytest.mark.parametrize(
    ("order", "first", "by"),
    [("entropy", "Layer 2, head 2", "entropy"), ("first", "Layer 0, head 1", "share")],
)
def test_maps_can_be_sorted(grid, truth, order, first, by):
    opened_part(grid, "Options").get_by_label("Order of the maps").select_option(order)
    names = order_of_maps(grid)
    assert names[0] == first
    weights = truth["grid"].reshape(12, 10, 10)
    value = {"entropy": -(weights * np.log2(weights)).sum(-1).mean(-1), "share": -weights[:, :, 0].mean(-1)}[
        by
    ]
    expected = [f"Layer {i // 4}, head {i % 4}" for i in np.argsort(value)]
    assert names[:12] == expected
    assert all("ean" in name for name in names[12:])
    radio(grid, names[0]).click()
    grid.node.get_by_role("button", name="Next map").click()
    assert chosen(grid) == names[1]
    opened_part(grid, "Options").get_by_label("Order of the maps").select_option("model")
    assert order_of_maps(grid)[:2] == ["Layer 0, head 0", "Layer 0, head 1"]


def test_a_cell_is_read_with_its_rank_and_positions(grid, truth):
    row = truth["grid"][0, 0, 5]
    best = int(row.argmax())
    grid.hover(5, best)
    assert "largest of 10 in its row" in cell(grid)
    third = int(np.argsort(row)[-3])
    number = grid.hover(5, third)
    assert "3rd of 10 in its row" in cell(grid)
    grid.hover(5, 4)  # "cat" is there three times, "other" once
    assert re.match(r"cat\s*#5 → other 0\.", cell(grid))
    assert grid.said.startswith("query cat at position 5 attends to key other, weight 0.")
    assert number


def test_row_entropies_are_shown(grid, truth):
    for row in (0, 7):
        grid.hover(row, 3)
        weights = truth["grid"][0, 0, row].astype(float)
        bits = -(weights * np.log2(weights)).sum()
        keys, said = map(float, re.findall(r"\d+\.\d+", spread(grid)))
        assert (keys, said) == (pytest.approx(2**bits, abs=0.06), pytest.approx(bits, abs=0.006))
    grid.page.mouse.move(1, 1)
    rows = truth["grid"][0, 0].astype(float)
    bits = -(rows * np.log2(rows)).sum(-1)
    keys, said = map(float, re.findall(r"\d+\.\d+", spread(grid)))
    assert (keys, said) == (pytest.approx((2**bits).mean(), abs=0.06), pytest.approx(bits.mean(), abs=0.006))
    most = grid.node.locator(".most").inner_text()
    assert most == f"{100 * rows[:, 0].mean():.0f}% of the weight is on the first key."


def test_a_logarithmic_scale(grid, truth):
    row, column = np.unravel_index(np.abs(truth["grid"][0, 0] - 0.01).argmin(), (10, 10))
    linear = grid.pixels(int(row), int(column)).mean()
    opened_part(grid, "Options").get_by_label("Colours").select_option("log")
    legend = grid.node.locator("[role=note]").inner_text()
    assert "≤ 0.0001" in legend
    assert "logarithmic" in legend
    assert linear - grid.pixels(int(row), int(column)).mean() > 60
    darkness = [
        255 - grid.pixels(*divmod(int(i), 10)).mean() for i in np.argsort(truth["grid"][0, 0], None)[::9]
    ]
    assert darkness == sorted(darkness)


def test_the_first_key_can_be_hidden(grid, truth):
    radio(grid, "Layer 0, head 1").click()
    before = grid.pixels(4, 3).mean()
    part = opened_part(grid, "Options")
    assert "other weights of a row no longer add up to 1" in part.inner_text()
    part.get_by_label("Leave out the first key").check()
    paper = grid.pixels(4, 0)
    assert len(np.unique(paper, axis=0)) == 1
    assert paper.mean() > 250
    assert before - grid.pixels(4, 3).mean() > -1  # the colour scale ends at the largest remaining weight
    assert grid.hover(4, 3) == f"{truth['grid'][0, 1, 4, 3]:.3f}"  # weights are unchanged
    grid.hover(4, 0)
    assert "not shown" in cell(grid)
    assert float(grid.node.locator("[role=note]").inner_text().split()[-1]) == pytest.approx(
        truth["grid"][..., 1:].max(), abs=0.006
    )


def test_a_table_of_the_numbers(grid, truth):
    part = opened_part(grid, "Table")
    radio(grid, "Layer 1, head 2").click()
    cells = part.locator("tbody td").all_inner_texts()
    assert cells == [f"{weight:.3f}" for weight in truth["grid"][1, 2].flatten()]
    assert part.locator("tbody th").nth(3).inner_text().split() == ["the", "#3"]
    assert "Layer 1, head 2" in part.inner_text()
    region = part.get_by_role("group", name="Table of weights")
    grid.node.get_by_role("button", name="Save or share").focus()
    grid.page.keyboard.press("Tab")
    assert region.evaluate("node => getComputedStyle(node).outlineStyle") != "none"


def test_a_large_map_has_a_table_of_one_row(visit, truth):
    widget = visit("index.html").widget(3)
    part = opened_part(widget, "Table")
    widget.click(40, 7)
    rows = part.locator("tbody tr").all_inner_texts()
    assert len(rows) == 96
    order = np.argsort(-truth["long"][40], kind="stable")
    assert [row.split() for row in rows[:3]] == [
        [f"token{i}", str(i), f"{truth['long'][40, i]:.3f}"] for i in order[:3]
    ]


def test_masked_cells_in_the_table(visit):
    part = opened_part(visit("index.html").widget(1), "Table")
    assert part.locator("tbody tr").first.locator("td").all_inner_texts()[1:] == ["masked"] * 11


def test_text_with_links(grid, truth):
    part = opened_part(grid, "Text")
    grid.click(4, 1)
    grid.page.mouse.move(1, 1)
    grid.frame()
    assert part.locator("path").count() == 10
    assert part.locator("[aria-pressed=true]").inner_text() == "other"
    tints = (
        part.locator(".line")
        .nth(1)
        .locator(".chip")
        .evaluate_all("chips => chips.map(c => c.style.background)")
    )
    assert len(set(tints)) > 3
    widest = part.locator("path").evaluate_all(
        "paths => paths.map(p => [parseFloat(p.style.strokeWidth), p.getAttribute('d')])"
        ".sort((a, b) => b[0] - a[0])[0][1]"
    )
    strongest = part.locator(".line").nth(1).locator(".chip").nth(int(truth["grid"][0, 0, 4].argmax()))
    text, box = part.locator(".text").bounding_box(), strongest.bounding_box()
    end = float(widest.split()[-1].split(",")[0])
    assert end + text["x"] == pytest.approx(box["x"] + box["width"] / 2, abs=1)


def test_the_text_by_keyboard(grid):
    part = opened_part(grid, "Text")
    chips = part.locator("button.chip")
    chips.first.focus()
    grid.page.keyboard.press("ArrowRight")
    grid.page.keyboard.press("ArrowRight")
    grid.frame()
    assert part.locator("path").count() == 10  # focus shows like hovering
    grid.page.keyboard.press("Enter")
    assert grid.locked == "saw"
    assert grid.said.startswith("locked row saw: most to ")
    grid.page.keyboard.press("Escape")
    assert grid.locked == ""
    assert chips.evaluate_all("nodes => nodes.filter(n => n.tabIndex == 0).length") == 1


def test_text_of_every_kind(opened):
    widget = opened.widget(ODD)
    part = opened_part(widget, "Text")
    widget.click(2, 1)
    widget.frame()
    assert part.locator(".line").first.get_attribute("dir") == "rtl"
    shown = part.locator("button.chip").all_inner_texts()
    assert shown[3:6] == ["👩‍👩‍👧", "x" * 60, "<b>"]
    assert shown[6:8] == ["∅", "↵"]
    boxes = part.locator("button.chip").evaluate_all("chips => chips.map(c => c.getBoundingClientRect().x)")
    assert boxes[0] > boxes[1] > boxes[2]
    assert part.locator("b").count() == 0


def test_only_one_part_is_open(grid):
    opened_part(grid, "Text")
    opened_part(grid, "Table")
    expanded = grid.node.locator("[aria-expanded=true]")
    assert expanded.all_inner_texts() == ["Table"]
    expanded.click()
    assert grid.node.locator(".part").inner_text() == ""


def saved(widget, name) -> bytes:
    with widget.page.expect_download() as download:
        widget.node.get_by_role("button", name=name, exact=True).click()
    assert download.value.suggested_filename.endswith(f".{name.lower()}")
    return download.value.path().read_bytes()


def test_the_numbers_can_be_saved(opened, truth):
    widget = opened.widget(ODD)
    opened_part(widget, "Save or share")
    rows = list(csv.DictReader(io.StringIO(saved(widget, "CSV").decode("utf-8"), newline="")))
    assert len(rows) == 100
    assert {row["key"] for row in rows} == {
        "שלום",
        "عالم",
        "日本語",
        "👩‍👩‍👧",
        "x" * 60,
        "<b>",
        "",
        "\n",
        "the",
    }
    grid = opened.widget(GRID)
    radio(grid, "Layer 1, mean of heads").click()
    opened_part(grid, "Save or share")
    rows = list(csv.DictReader(io.StringIO(saved(grid, "CSV").decode("utf-8"))))
    np.testing.assert_allclose(
        [float(row["weight"]) for row in rows], truth["grid"][1].mean(0).flatten(), atol=5e-4
    )
    assert (rows[13]["layer"], rows[13]["head"], rows[13]["query_position"], rows[13]["key"]) == (
        "1",
        "mean",
        "1",
        "the",
    )


def test_masked_cells_are_saved_without_a_weight(visit):
    widget = visit("index.html").widget(1)
    opened_part(widget, "Save or share")
    rows = list(csv.DictReader(io.StringIO(saved(widget, "CSV").decode("utf-8"), newline="")))
    assert [row["weight"] for row in rows[:12]] == ["1.00000"] + [""] * 11


def test_the_drawing_can_be_saved(opened):
    widget = opened.widget(ODD)
    widget.click(3, 3)
    opened_part(widget, "Save or share")
    drawing = ElementTree.fromstring(saved(widget, "SVG"))
    texts = [node.text for node in drawing.iter("{http://www.w3.org/2000/svg}text")]
    assert '=Odd, "quoted" <b>' in texts
    assert texts.count("the") == 4
    assert {"<b>", "∅", "日本語"} <= set(texts)
    rects = drawing.findall(".//{http://www.w3.org/2000/svg}g/{http://www.w3.org/2000/svg}rect")
    assert len(rects) == 100 + 1  # and the locked row's frame


def test_the_picture_can_be_saved(grid):
    opened_part(grid, "Save or share")
    picture = np.asarray(Image.open(io.BytesIO(saved(grid, "PNG"))).convert("RGB"))
    assert min(picture.shape[:2]) > 400
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 50


def test_the_python_call_reproduces_the_view(grid, truth):
    radio(grid, "Layer 2, head 1").click()
    grid.click(3, 3)
    opened_part(grid, "Options").get_by_label("Colours").select_option("log")
    call = opened_part(grid, "Save or share").get_by_label("Python call").input_value()
    names = {"AttentionExplorer": AttentionExplorer, "weights": truth["grid"], "queries": WORDS}
    explorer = eval(call, names)
    shown = (explorer.layer, explorer.head, explorer.locked, explorer.scale, explorer.title, explorer.frame)
    assert shown == (2, 1, 3, "log", "A grid", 0)


@pytest.mark.parametrize("index", [0, 1, ODD])
def test_the_python_call_of_any_explorer(opened, index):
    part = opened_part(opened.widget(index), "Save or share")
    call = part.get_by_label("Python call").input_value()
    given = compile(call, "call", "eval").co_names
    assert (
        set(given)
        == {"AttentionExplorer", "weights", "queries"}
        | {
            0: {"frames"},
            1: {"keys", "mask", "frames"},
            ODD: set(),
        }[index]
    )


def test_copying(visit):
    opened = visit("explorer.html", permissions=["clipboard-read", "clipboard-write"])
    widget = opened.widget(GRID)
    radio(widget, "Layer 1, head 1").click()
    part = opened_part(widget, "Save or share")
    part.get_by_role("button", name="Copy").last.click()
    part.get_by_text("Copied.").wait_for()
    copied = opened.page.evaluate("navigator.clipboard.readText()")
    assert copied == part.get_by_label("Link to this view").input_value()
    assert urlparse(copied).fragment == "attention-3_layer-1_head-1"


def test_if_copying_is_not_allowed_the_text_is_selected(opened):
    opened.page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    part = opened_part(opened.widget(GRID), "Save or share")
    part.get_by_role("button", name="Copy").first.click()
    assert "Selected" in part.inner_text()
    field = part.get_by_label("Python call")
    assert field.evaluate("f => f.selectionEnd - f.selectionStart == f.value.length")


def wait_for_address(page, fragment: str) -> None:
    page.wait_for_url(lambda url: urlparse(url).fragment == fragment)


def test_the_address_stores_and_restores_the_view(visit, opened):
    grid, training = opened.widget(GRID), opened.widget(0)
    radio(grid, "Layer 2, mean of heads").click()
    grid.click(3, 3)
    part = opened_part(grid, "Options")
    part.get_by_label("Colours").select_option("log")
    part.get_by_label("Order of the maps").select_option("entropy")
    part.get_by_label("Leave out the first key").check()
    own = "attention-3_layer-2_head--1_locked-3_scale-log_order-entropy_hide-first"
    wait_for_address(opened.page, own)
    training.node.get_by_role("slider", name="Frame").fill("3")
    wait_for_address(opened.page, f"attention-1_frame-3__{own}")

    again = visit(f"explorer.html#attention-1_frame-3__{own}")
    grid = again.widget(GRID)
    assert (chosen(grid), grid.locked) == ("Layer 2, mean of heads", "the#3")
    assert again.widget(0).node.locator(".frame-name").inner_text() == "step 30"
    part = opened_part(grid, "Options")
    assert part.get_by_label("Colours").input_value() == "log"
    assert part.get_by_label("Order of the maps").input_value() == "entropy"
    assert part.get_by_label("Leave out the first key").is_checked()


def test_a_page_opens_at_the_explorer_its_address_names(visit):
    opened = visit("explorer.html#attention-4_locked-2")
    opened.frame = opened.widget(ODD).frame
    opened.frame()
    box = opened.widget(ODD).map.bounding_box()
    assert -100 < box["y"] < 800
    assert opened.widget(ODD).locked == "日本語"


def test_the_link_to_an_unchanged_explorer_finds_it(visit, opened):
    link = opened_part(opened.widget(ODD), "Save or share").get_by_label("Link to this view").input_value()
    assert urlparse(link).fragment == "attention-4"
    again = visit(f"explorer.html#{urlparse(link).fragment}", touched=False)
    again.page.wait_for_function("() => scrollY > 0")
    assert -100 < again.widget(ODD).node.bounding_box()["y"] < 800
    assert again.page.evaluate("location.hash") == "#attention-4"


def test_an_explorer_taller_than_the_window_is_scrolled_to_its_top(visit):
    page = visit("explorer.html#attention-4", height=400, touched=False).page
    page.wait_for_function("() => scrollY > 0")
    widget = page.locator(".ab-widget").nth(ODD)
    assert widget.bounding_box()["height"] > 400
    assert widget.bounding_box()["y"] == pytest.approx(0, abs=2)


def test_an_address_edited_by_hand_is_followed(opened):
    grid = opened.widget(GRID)
    for fragment, name in {
        "attention-3_head-2": "Layer 0, head 2",
        "attention-3_layer-1": "Layer 1, head 0",
        "attention-3": "Layer 0, head 0",
    }.items():
        opened.page.evaluate("fragment => location.hash = fragment", fragment)
        expect(radio(grid, name)).to_be_checked()


@pytest.mark.bad_input
@pytest.mark.parametrize(
    "fragment",
    [
        "attention-3_layer-7_head-9_locked-99_scale-huge_order-x_hide-all",
        "attention-3_layer-1e3_head-0x1_locked-",
        "attention-99_head-1",
        "attention-0_head-1",
        "attention-3__attention-3_",
        "attention-3_constructor-1_head-<img src=x onerror=window.hacked=1>",
        "%E0%A4%A",
        "no-such-heading",
    ],
)
def test_an_invalid_address_is_ignored(visit, fragment):
    opened = visit(f"explorer.html#{fragment}")
    grid = opened.widget(GRID)
    assert (chosen(grid), grid.locked) == ("Layer 0, head 0", "")
    assert opened.page.evaluate("window.hacked") is None
    assert opened.faults == []


def test_a_map_too_large_for_the_page_says_so(opened, built, truth):
    assert (built / "explorer.html").stat().st_size < 1_500_000
    widget = opened.widget(LARGE)
    assert widget.hover(2, 5) == f"{truth['odd_first'][2, 5]:.3f}"
    radio(widget, "Layer 3, head 1").click()
    notice = widget.node.locator(".notice")
    expect(notice).to_contain_text("Run the notebook")
    assert re.search(
        r"8 layers of 5 heads take \d+ MB, and on a page an explorer holds at most 8 MB", notice.inner_text()
    )
    assert not widget.map.is_visible()
    assert re.search(r"spread over \d", spread(widget))  # known from the summaries
    opened_part(widget, "Table")
    opened_part(widget, "Text")
    opened_part(widget, "Save or share")
    widget.node.get_by_role("button", name="CSV").click()
    radio(widget, "Layer 1, head 2").click()
    assert widget.hover(2, 5) == f"{truth['odd_first'][2, 5]:.3f}"
    assert opened.faults == []


@pytest.mark.parametrize("width", [360, 760, 1200])
def test_no_panel_is_too_wide(visit, width):
    opened = visit("explorer.html", width=width)
    for index in range(5):
        for name in ("Text", "Table", "Options", "Save or share"):
            opened_part(opened.widget(index), name)
            opened.widget(index).frame()
            assert opened.page.evaluate("document.documentElement.scrollWidth") <= width
    assert opened.faults == []


def test_touch_targets_are_large_enough(visit):
    opened = visit("explorer.html", width=360, has_touch=True, is_mobile=True)
    for index in range(5):
        for name in ("Text", "Table", "Options", "Save or share"):
            opened_part(opened.widget(index), name)
            sizes = opened.widget(index).node.locator(
                "button, select, input:not([type=checkbox]), label.check"
            )
            small = sizes.evaluate_all(
                "nodes => nodes.map(n => [n.getBoundingClientRect(), n]).filter(([b]) => b.width && "
                "Math.min(b.width, b.height) < 24).map(([, n]) => n.outerHTML.slice(0, 80))"
            )
            assert small == []


@pytest.mark.parametrize("order", ["entropy", "first"])
def test_sorted_thumbnails_say_which_they_are_and_by_what(grid, truth, order):
    part = opened_part(grid, "Options")
    part.get_by_label("Order of the maps").select_option(order)
    first = grid.node.get_by_role("radio").first
    title = first.get_attribute("title")
    assert re.fullmatch(r"Layer \d, head \d: (entropy \d\.\d\d bits|\d+% on the first key)", title)
    layer, head = map(int, re.findall(r"\d", title)[:2])
    weights = truth["grid"][layer, head].astype(float)
    bits = -(weights * np.log2(weights)).sum(-1).mean()
    value = {
        "entropy": f"entropy {bits:.2f} bits",
        "first": f"{100 * weights[:, 0].mean():.0f}% on the first key",
    }
    assert title.endswith(value[order])
    short = f"{bits:.1f} bits" if order == "entropy" else value["first"].split()[0]
    caption = first.locator(".caption")
    assert caption.inner_text().split("\n") == [f"{layer}·{head}", short]
    expect(caption).to_be_visible()
    part.get_by_label("Order of the maps").select_option("model")
    assert first.get_attribute("title") == ""
    expect(caption).to_be_hidden()


def test_the_strongest_weight_is_told_in_a_sentence(grid, truth):
    grid.page.mouse.move(1, 1)
    row, column = np.unravel_index(truth["grid"][0, 0].argmax(), (10, 10))
    words = re.sub(r"\s*#\d", "", cell(grid))
    weight = truth["grid"][0, 0, row, column]
    assert words == f"{WORDS[row]} attends to {WORDS[column]} {weight:.3f} the strongest weight of this map"
    more = grid.node.locator(".more")
    expect(more).to_be_hidden()
    grid.node.get_by_role("button", name="More about this row, and help").click()
    expect(more).to_contain_text("By keyboard: arrows move")
    grid.click(5, 1)
    grid.page.mouse.move(1, 1)
    assert f"{truth['grid'][0, 0, 5].max():.3f} largest of 10 in its row" in cell(grid)


def test_help_for_the_keyboard_is_not_shown_on_a_touch_screen(visit):
    grid = visit("explorer.html", width=390, has_touch=True, is_mobile=True).widget(GRID)
    grid.node.get_by_role("button", name="More about this row, and help").click()
    expect(grid.node.locator(".help")).to_be_visible()
    expect(grid.node.locator(".by-keyboard")).to_be_hidden()


def test_each_map_can_have_its_own_colours(grid, truth):
    """Then the largest weight of a map has the darkest colour, in the map and in its thumbnail."""
    row, column = np.unravel_index(truth["grid"][0, 0].argmax(), (10, 10))
    before = grid.pixels(int(row), int(column)).mean()
    toggle = grid.node.get_by_role("button", name="own colours")
    toggle.click()
    expect(toggle).to_have_attribute("aria-pressed", "true")
    assert grid.pixels(int(row), int(column)).mean() < before
    legend = grid.node.locator("[role=note]").inner_text()
    assert float(legend.split()[-1]) == pytest.approx(truth["grid"][0, 0].max(), abs=0.006)
    radio(grid, "Layer 2, head 2").click()
    legend = grid.node.locator("[role=note]").inner_text()
    assert float(legend.split()[-1]) == pytest.approx(truth["grid"][2, 2].max(), abs=0.006)
    toggle.click()
    expect(toggle).to_have_attribute("aria-pressed", "false")


def test_a_locked_row_stands_out(grid):
    """Its cells keep their colours; the other rows are faded."""
    others, own = grid.pixels(3, 0).astype(int), grid.pixels(5, 0).astype(int)
    grid.click(5, 1)
    grid.page.mouse.move(1, 1)
    assert (grid.pixels(5, 0) == own).all()
    paper = np.array([255, 254, 251])
    np.testing.assert_allclose(grid.pixels(3, 0), 0.35 * others + 0.65 * paper, atol=3)


def test_layer_numbers_stay_visible(grid):
    maps = grid.node.get_by_role("radiogroup")
    maps.evaluate("node => node.style.width = '140px'")
    number = maps.locator(".number.is-first").nth(2)
    before = number.bounding_box()
    maps.evaluate("node => node.scrollLeft = 90")
    assert maps.evaluate("node => node.scrollLeft") > 60
    after = number.bounding_box()
    assert after["x"] == pytest.approx(before["x"], abs=2)
    number.scroll_into_view_if_needed()
    on_top = number.evaluate(
        """node => {
          const { left, top, width, height } = node.getBoundingClientRect();
          return node.getRootNode().elementFromPoint(left + width / 2, top + height / 2) === node;
        }"""
    )
    assert on_top


def test_a_key_of_one_character_is_not_rotated(opened):
    kinds = (
        opened.widget(ODD)
        .node.locator(".keys .label")
        .evaluate_all("labels => labels.map(label => label.classList.contains('upright'))")
    )
    assert kinds == [False] * 6 + [True] * 2 + [False] * 2  # ∅ and ↵


def lines_of(widget):
    """The widget's view with lines."""
    widget.node.get_by_role("button", name="Lines", exact=True).click()
    widget.node.locator(".by-head li").first.wait_for()
    return widget.node


def head_box(widget, name):
    return widget.node.get_by_role("checkbox", name=name, exact=True)


def without_positions(words: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"\s*#\d", "", words))


def strokes(widget) -> list[float]:
    """The opacities of the lines drawn."""
    paths = widget.node.locator(".drawn path")
    return paths.evaluate_all("paths => paths.map(path => Number(path.style.opacity))")


def test_lines_show_the_heads_of_a_layer_at_once(grid, truth):
    lines_of(grid)
    weights = truth["grid"][0]  # (H, T, S)
    share = weights / truth["grid"].max()
    expect(grid.node.locator(".drawn path")).to_have_count(int((share >= 0.02).sum()))
    np.testing.assert_allclose(strokes(grid), np.sort(share[share >= 0.02]), atol=2e-3)
    told = grid.node.locator(".by-head li").all_inner_texts()
    for head, words in enumerate(told):
        named = rf"Layer 0, head {head} strongest: \w+ → \w+ {weights[head].max():.3f}"
        assert re.fullmatch(named, without_positions(words))
    assert grid.node.locator(".about").inner_text() == "4 heads shown"
    expect(grid.map).to_be_hidden()
    grid.node.get_by_role("button", name="Map", exact=True).click()
    expect(grid.map).to_be_visible()
    assert chosen(grid) == "Layer 0, head 0"
    assert grid.hover(4, 2) == f"{truth['grid'][0, 0, 4, 2]:.3f}"


def test_a_token_shows_only_its_lines(grid, truth):
    node = lines_of(grid)
    weights = truth["grid"][0]
    node.locator(".side.is-query button").nth(4).hover()
    seen = int((weights[:, 4] / truth["grid"].max() >= 0.02).sum())
    expect(node.locator(".drawn path")).to_have_count(seen)
    for head, item in enumerate(node.locator(".by-head li").all()):
        best = np.argsort(-weights[head, 4])[:3]
        named = ", ".join(f"{WORDS[i]} {weights[head, 4, i]:.3f}" for i in best)
        plain = without_positions(item.inner_text())
        assert plain == f"Layer 0, head {head} → {named}"
    marks = node.locator(".side.is-key button").nth(2).locator(".marks i")
    opacity = marks.evaluate_all("marks => marks.map(mark => Number(mark.style.opacity))")
    np.testing.assert_allclose(opacity, weights[:, 4, 2] / truth["grid"].max(), atol=2e-3)
    node.locator(".side.is-key button").nth(2).hover()
    seen = int((weights[:, :, 2] / truth["grid"].max() >= 0.02).sum())
    expect(node.locator(".drawn path")).to_have_count(seen)
    giver = int(weights[0, :, 2].argmax())
    told = node.locator(".by-head li").first
    expect(told).to_contain_text(f"{weights[0, giver, 2]:.3f}")
    assert without_positions(told.inner_text()).startswith(f"Layer 0, head 0 ← {WORDS[giver]} ")


def test_heads_are_switched_on_and_off_and_keep_their_colours(grid):
    node = lines_of(grid)
    colours = lambda: {  # noqa: E731
        item.locator("b").inner_text(): item.locator("i").evaluate("i => i.style.getPropertyValue('--head')")
        for item in node.locator(".by-head li").all()
    }
    before = colours()
    assert len(set(before.values())) == 4
    head_box(grid, "Layer 0, head 1").click()
    head_box(grid, "Layer 2, head 2").click()
    expect(node.locator(".by-head b")).to_have_text(
        ["Layer 0, head 0", "Layer 0, head 2", "Layer 0, head 3", "Layer 2, head 2"]
    )
    after = colours()
    assert all(after[name] == before[name] for name in set(before) & set(after))
    assert len(set(after.values())) == 4
    expect(head_box(grid, "Layer 2, head 2")).to_be_checked()
    expect(head_box(grid, "Layer 0, head 1")).not_to_be_checked()
    for head in range(4):
        head_box(grid, f"Layer 1, head {head}").click()
    head_box(grid, "Layer 2, head 0").click()
    expect(node.locator(".about-lines")).to_contain_text("At most 8 heads at once")
    expect(node.locator(".by-head li")).to_have_count(8)
    head_box(grid, "Mean of all").click(force=True)
    expect(node.locator(".about-lines")).to_contain_text("A mean has no lines")


def test_the_lines_are_saved_as_they_are_drawn(grid, truth):
    lines_of(grid)
    head_box(grid, "Layer 0, head 2").click()
    expect(grid.node.locator(".by-head li")).to_have_count(3)
    grid.node.locator(".side.is-query button").nth(4).click()
    grid.node.get_by_role("button", name="Save or share", exact=True).hover()
    drawn = "paths => paths.map(path => Number(path.style.opacity))"
    shown = grid.node.locator(".drawn path").evaluate_all(drawn)
    opened_part(grid, "Save or share")
    drawing = ElementTree.fromstring(saved(grid, "SVG"))
    paths = drawing.findall("{http://www.w3.org/2000/svg}path")
    assert [float(path.get("opacity")) for path in paths] == shown
    assert len({path.get("stroke") for path in paths}) == 3
    texts = [node.text for node in drawing.iter("{http://www.w3.org/2000/svg}text")]
    assert texts.count("the") == 2 * WORDS.count("the")  # queries and keys
    assert [text for text in texts if text.startswith("Layer")] == [f"Layer 0, head {i}" for i in (0, 1, 3)]
    picture = np.asarray(Image.open(io.BytesIO(saved(grid, "PNG"))).convert("RGB"))
    assert min(picture.shape[:2]) > 400
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 50
    rows = list(csv.DictReader(io.StringIO(saved(grid, "CSV").decode("utf-8"))))
    assert list(dict.fromkeys((row["layer"], row["head"]) for row in rows)) == [("0", i) for i in "013"]
    numbers = [float(row["weight"]) for row in rows]
    np.testing.assert_allclose(numbers, truth["grid"][0, [0, 1, 3]].flatten(), atol=5e-4)


def test_lines_by_keyboard(grid, truth):
    node = lines_of(grid)
    press = grid.page.keyboard.press
    queries, keys = node.locator(".side.is-query button"), node.locator(".side.is-key button")
    assert node.locator(".side button[tabindex='0']").count() == 1
    queries.first.focus()
    press("ArrowDown")
    expect(queries.nth(1)).to_be_focused()
    best = truth["grid"][0, 0, 1].max()
    assert grid.said.startswith("query cat at position 1 attends to: Layer 0, head 0: ")
    assert f"{best:.3f}" in grid.said
    press("ArrowRight")
    expect(keys.nth(1)).to_be_focused()
    assert grid.said.startswith("key cat at position 1 receives from: ")
    press("ArrowLeft")
    press("Enter")
    expect(queries.nth(1)).to_have_attribute("aria-pressed", "true")
    press("Escape")
    expect(queries.nth(1)).to_have_attribute("aria-pressed", "false")
    head_box(grid, "Layer 0, head 0").focus()
    press("ArrowRight")
    expect(head_box(grid, "Layer 0, head 1")).to_be_focused()
    expect(head_box(grid, "Layer 0, head 1")).to_be_checked()  # the arrow keys don't switch it
    press("Space")
    expect(head_box(grid, "Layer 0, head 1")).not_to_be_checked()


def test_the_lines_are_in_the_address(visit, opened):
    grid = opened.widget(GRID)
    lines_of(grid)
    head_box(grid, "Layer 0, head 0").click()
    own = "attention-3_view-lines_lines-0x1_lines-0x2_lines-0x3"
    wait_for_address(opened.page, own)
    again = visit(f"explorer.html#{own}").widget(GRID)
    expect(again.node.locator(".by-head b")).to_have_text([f"Layer 0, head {head}" for head in (1, 2, 3)])
    lost = visit("explorer.html#attention-3_view-lines_lines-7x1_lines-1x1_lines-0x").widget(GRID)
    expect(lost.node.locator(".by-head b")).to_have_text(["Layer 1, head 1"])


def test_lines_begin_with_the_layer_in_view(grid):
    radio(grid, "Layer 2, mean of heads").click()
    lines_of(grid)
    expect(grid.node.locator(".by-head b")).to_have_text([f"Layer 2, head {head}" for head in range(4)])


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_lines_are_legible_and_fit(visit, theme):
    opened = visit("explorer.html", width=360, theme=theme)
    for index in (1, GRID, ODD):
        node = lines_of(opened.widget(index))
        node.locator(".side.is-key button").nth(1).hover()
        expect(node.locator(".side.is-key button.on")).to_have_count(1)
        assert node.locator(".root").evaluate(CONTRAST) == []
        assert opened.page.evaluate("document.documentElement.scrollWidth") <= 360
    assert opened.faults == []


def test_lines_of_maps_that_are_not_on_the_page(opened):
    node = lines_of(opened.widget(LARGE))
    assert node.locator(".by-head li").all_inner_texts() == [
        f"Layer 1, head {head}\nthis map is not here" for head in (0, 1)
    ] + [node.locator(".by-head li").nth(2).inner_text()] + [
        f"Layer 1, head {head}\nthis map is not here" for head in (3, 4)
    ]
    expect(node.locator(".about-lines")).to_contain_text("Only the strongest 2000 lines")
    assert opened.faults == []


def test_hostile_tokens_between_lines_stay_text(visit):
    opened = visit()
    node = lines_of(opened.widget(1))
    expect(node.locator(".side.is-query button").first).to_have_text("<img src=x onerror=window.hacked=1>")
    assert opened.page.evaluate("window.hacked") is None
    assert opened.faults == []


def darkness(widget, side: str) -> np.ndarray:
    """How dark the labels of a side are tinted."""
    tints = widget.node.locator(f".{side} .label").evaluate_all("all => all.map(one => one.style.background)")
    return np.array([-sum(map(int, re.findall(r"\d+", tint))) if tint else np.nan for tint in tints])


def test_keys_are_tinted_by_the_total_weight_they_receive(grid, truth):
    weights = truth["grid"][0, 0]
    grid.page.mouse.move(1, 1)
    grid.frame()
    assert (np.diff(darkness(grid, "keys")[np.argsort(weights.sum(0))]) >= 0).all()
    assert np.isnan(darkness(grid, "queries")).all()  # a query's total is always 1
    grid.hover(4, 2)
    assert (np.diff(darkness(grid, "keys")[np.argsort(weights[4])]) >= 0).all()
    assert (np.diff(darkness(grid, "queries")[np.argsort(weights[:, 2])]) >= 0).all()
    grid.node.locator(".keys .label").nth(7).hover()
    expect(grid.node.locator(".cell")).to_contain_text("receives a total weight of")
    assert without_positions(cell(grid)) == (
        f"the receives a total weight of {weights[:, 7].sum():.3f} from 10 queries"
    )
    assert (np.diff(darkness(grid, "queries")[np.argsort(weights[:, 7])]) >= 0).all()
    grid.page.mouse.move(1, 1)
    expect(grid.node.locator(".cell")).to_contain_text("strongest weight")
    assert np.isnan(darkness(grid, "queries")).all()


def test_a_key_left_out_is_not_tinted(grid, truth):
    radio(grid, "Layer 0, head 1").click()
    opened_part(grid, "Options").get_by_label("Leave out the first key").check()
    grid.page.mouse.move(1, 1)
    grid.frame()
    dark = darkness(grid, "keys")
    assert np.isnan(dark[0])
    assert (np.diff(dark[1:][np.argsort(truth["grid"][0, 1, :, 1:].sum(0))]) >= 0).all()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_tinted_labels_are_legible(visit, theme):
    opened = visit("explorer.html", theme=theme)
    for index in (1, GRID, ODD):
        widget = opened.widget(index)
        assert widget.node.locator(".root").evaluate(CONTRAST) == []
        widget.hover(3, 2)
        assert widget.node.locator(".root").evaluate(CONTRAST) == []


HEIGHTS = "places => places.map(place => place.getBoundingClientRect().height)"


@pytest.mark.parametrize("width", [360, 1000])
def test_nothing_moves_when_other_views_are_mounted(visit, width):
    held = visit(
        "explorer.html",
        width=width,
        touched=False,
        prepare=lambda page: page.route("**/attnbook-host.js*", lambda route: route.abort()),
    )
    before = held.page.locator(".ab-explorer").evaluate_all(HEIGHTS)
    opened = visit("explorer.html", width=width)
    opened.widget(LINES).node.locator(".drawn path").first.wait_for()
    opened.widget(EDIT).node.locator(".edited").wait_for()
    assert opened.page.locator(".ab-explorer").evaluate_all(HEIGHTS) == pytest.approx(before, abs=1)


def attended(truth, forbidden) -> tuple[np.ndarray, np.ndarray]:
    """PyTorch's weights and output with these cells masked."""
    scores, values = torch.from_numpy(truth["scores"]), torch.from_numpy(truth["values"])
    mask = torch.ones(scores.shape, dtype=torch.bool)
    for query, key in forbidden:
        mask[query, key] = False
    weights = torch.softmax(scores.masked_fill(~mask, -torch.inf), -1)
    return weights.nan_to_num().numpy(), (weights.nan_to_num() @ values).numpy()


class Editor:
    """The view of a map that is edited."""

    def __init__(self, widget):
        self.node, self.page = widget.node, widget.page
        self.node.get_by_role("button", name="Edit", exact=True).click()
        self.node.locator(".edited").wait_for()
        self.cells = self.node.locator(".edited tbody button")
        self.columns = (
            self.node.locator(".edited thead .is-key").count() - 1
        )  # the corner names the keys, too
        self.about = self.node.locator(".about-edit")
        self.undo = self.node.get_by_role("button", name="Undo")
        self.reset = self.node.get_by_role("button", name="Reset")

    def cell(self, row, column):
        return self.cells.nth(row * self.columns + column)

    def value(self, key, part):
        return self.node.locator(".edited input").nth(part * self.columns + key)

    def shows(self, weights, output, forbidden) -> None:
        """Wait until these numbers are shown."""
        texts = [
            "✕" if (row, column) in forbidden else f"{weights[row, column]:.3f}"
            for row in range(len(weights))
            for column in range(self.columns)
        ]
        expect(self.cells).to_have_text(texts)
        numbers = [f"{number:.3f}".replace("-", "−") for number in output.flatten()]
        expect(self.node.locator(".edited td.output b")).to_have_text(numbers)


@pytest.fixture
def editor(opened):
    return Editor(opened.widget(EDIT))


def test_forbidding_renormalizes_a_row_as_torch_does(editor, truth):
    forbidden = [(3, 0)]
    editor.shows(*attended(truth, forbidden), forbidden)
    for cell_ in [(1, 2), (1, 4), (0, 0)]:
        editor.cell(*cell_).click()
        forbidden.append(cell_)
        editor.shows(*attended(truth, forbidden), forbidden)
    left = attended(truth, [])[0][1, [0, 1, 3]].sum()
    expect(editor.node.locator(".edited td.left").nth(1)).to_have_text(f"÷ {left:.3f}")
    expect(editor.cell(1, 2)).to_have_attribute("aria-label", "query b, key x: forbidden")
    expect(editor.about).to_contain_text("“a” may no longer attend to “v”. The weights left add up to")
    editor.cell(1, 2).click()
    forbidden.remove((1, 2))
    editor.shows(*attended(truth, forbidden), forbidden)
    assert editor.page.visit.faults == []


def test_a_row_without_keys_is_zero(editor, truth):
    for key in range(5):
        editor.cell(2, key).click()
    forbidden = [(3, 0), *((2, key) for key in range(5))]
    editor.shows(*attended(truth, forbidden), forbidden)
    expect(editor.node.locator(".edited td.left").nth(2)).to_have_text("nothing left")
    expect(editor.about).to_contain_text("No weight is left")


def test_a_changed_value_changes_the_output(editor, truth):
    values = truth["values"].copy()
    field = editor.value(1, 0)
    assert float(field.input_value()) == pytest.approx(values[1, 0], rel=1e-5)
    before = editor.node.locator(".edited td.output b").all_inner_texts()
    field.fill("2.5")
    values[1, 0] = 2.5
    weights, _ = attended(truth, [(3, 0)])
    editor.shows(weights, weights @ values, [(3, 0)])
    assert editor.node.locator(".edited td.output s").first.inner_text() == before[0]
    field.fill("")
    expect(editor.about).to_contain_text("A value must be a number")
    expect(field).to_have_attribute("aria-invalid", "true")
    field.fill("1e9")
    editor.shows(weights, weights @ values, [(3, 0)])  # neither changes anything
    field.blur()
    expect(field).to_have_value("2.5")
    editor.undo.click()
    editor.shows(*attended(truth, [(3, 0)]), [(3, 0)])
    expect(editor.undo).to_be_disabled()


def test_edits_are_undone_one_by_one_or_all_at_once(editor, truth):
    expect(editor.undo).to_be_disabled()
    expect(editor.reset).to_be_disabled()
    editor.cell(3, 0).click()
    editor.cell(0, 1).click()
    editor.undo.click()
    editor.shows(*attended(truth, []), [])
    editor.value(0, 1).fill("7")
    editor.value(0, 1).blur()
    editor.reset.click()
    editor.shows(*attended(truth, [(3, 0)]), [(3, 0)])
    editor.undo.click()
    expect(editor.value(0, 1)).to_have_value("7")


def test_an_edited_map_is_in_the_other_views_and_in_the_address(visit, opened, editor, truth):
    editor.cell(0, 1).click()
    editor.value(4, 1).fill("-1.5")
    wait_for = "attention-7_forbid-3x0_forbid-0x1_values-"
    opened.page.wait_for_url(lambda url: urlparse(url).fragment.startswith(wait_for))
    again = visit(f"explorer.html#{urlparse(opened.page.url).fragment}")
    widget = again.widget(EDIT)
    expect(Editor(widget).value(4, 1)).to_have_value("-1.5")
    widget.node.get_by_role("button", name="Map", exact=True).click()
    expect(widget.map).to_be_visible()
    weights, _ = attended(truth, [(3, 0), (0, 1)])
    assert widget.hover(0, 1) == "masked"
    assert widget.hover(0, 2) == f"{weights[0, 2]:.3f}"
    row = weights[0][weights[0] > 0].astype(float)
    assert float(re.findall(r"\d+\.\d+", spread(widget))[1]) == pytest.approx(
        -(row * np.log2(row)).sum(), abs=0.006
    )
    lines_of(widget)
    widget.node.locator(".side.is-query button").first.hover()
    expect(widget.node.locator(".by-head li")).to_contain_text(f"{weights[0].max():.3f}")
    part = opened_part(widget, "Save or share")
    call = part.get_by_label("Python call").input_value()
    names = {
        "AttentionExplorer": AttentionExplorer,
        "weights": torch.softmax(torch.from_numpy(truth["scores"]), -1),
    }
    explorer = eval(
        call,
        names | {"queries": list("abcd"), "keys": list("vwxyz"), "values": truth["values"], "mask": None},
    )
    np.testing.assert_allclose(explorer.weights[0, 0], weights, atol=1e-6)
    assert again.faults == []


def test_editing_by_keyboard(editor):
    assert editor.node.locator(".edited button[tabindex='0']").count() == 1
    editor.cell(0, 0).focus()
    for key in ("ArrowDown", "ArrowRight", "Enter"):
        editor.page.keyboard.press(key)
    expect(editor.cell(1, 1)).to_be_focused()
    expect(editor.cell(1, 1)).to_have_text("✕")
    expect(editor.cell(1, 1)).to_have_attribute("aria-pressed", "true")


def test_a_given_mask_cannot_be_edited(opened):
    editor = Editor(opened.widget(EDIT + 1))
    expect(editor.cell(0, 2)).to_have_attribute("aria-disabled", "true")
    editor.cell(0, 2).click(force=True)
    expect(editor.about).to_contain_text("The mask forbids this from the start")
    editor.cell(0, 0).click()
    expect(editor.node.locator(".edited td.left").first).to_have_text("nothing left")
    assert opened.faults == []


@pytest.mark.bad_input
@pytest.mark.parametrize(
    "fragment",
    ["forbid-9x9_values-1x2", "values-1x2yaxb_forbid-x", "forbid-constructor", "values-1e9x1" + 4 * "y1x1"],
)
def test_invalid_edits_in_the_address_are_ignored(visit, truth, fragment):
    opened = visit(f"explorer.html#attention-7_{fragment}")
    editor = Editor(opened.widget(EDIT))
    expect(editor.value(0, 0)).to_have_value(re.compile(re.escape(f"{truth['values'][0, 0]:.3f}")))
    assert opened.faults == []


def test_edits_in_the_address_of_a_map_without_scores_are_ignored(visit):
    grid = visit("explorer.html#attention-3_view-edit_forbid-0x0").widget(GRID)
    expect(grid.map).to_be_visible()
    assert grid.node.get_by_role("button", name="Edit").count() == 0


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_editor_is_legible_and_fits(visit, theme):
    opened = visit("explorer.html", width=360, theme=theme)
    editor = Editor(opened.widget(EDIT))
    editor.cell(1, 1).click()
    editor.value(0, 0).fill("3")
    expect(editor.node.locator(".edited .is-changed").first).to_be_visible()
    assert editor.node.locator(".root").evaluate(CONTRAST) == []
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= 360
    assert opened.faults == []


def test_above_a_narrow_map_is_no_more_room_than_small_labels_need(visit):
    keys = visit(width=390).widget(LONG).node.locator(".keys")
    top = keys.bounding_box()["y"]
    labels = keys.locator(".label:visible")
    tops = labels.evaluate_all("all => all.map(one => one.getBoundingClientRect().top)")
    assert 0 <= min(tops) - top < 10
