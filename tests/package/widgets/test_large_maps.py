"""Maps too large for a page, and maps with more pixels than browsers can draw."""

import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from playwright.sync_api import expect

from attnbook.widgets import AttentionExplorer

ALONE, LARGE, MASKED = range(3)
SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.bad_input
def test_a_map_that_is_too_large_says_so_and_what_to_do(visit, built):
    assert (built / "large.html").stat().st_size < 1_200_000  # labels and the second map
    opened = visit("large.html")
    widget = opened.widget(ALONE)
    expect(widget.node.locator(".notice")).to_contain_text("on a page")
    notice = widget.node.locator(".notice").inner_text()
    assert "one map of 2100×2100 takes 9 MB, and on a page an explorer holds at most 8 MB" in notice
    call = re.search(r"AttentionExplorer\(.*\)", notice)[0]
    weights = np.eye(2100, dtype=np.float32)
    words = [f"t{i}" for i in range(2100)]
    names = {"AttentionExplorer": AttentionExplorer, "weights": weights, "queries": words, "keys": words}
    assert any(eval(call, names)._weights)  # the suggested call fits
    assert not widget.map.is_visible()
    assert "spread over 1.0 keys" in widget.node.locator(".spread").inner_text()
    assert opened.faults == []


@pytest.mark.parametrize(("ratio", "side"), [(1, 2048), (3, 4000)])
def test_a_canvas_stays_within_browser_limits(visit, ratio, side):
    widget = visit("large.html", device_scale_factor=ratio).widget(LARGE)
    assert widget.canvas.evaluate("c => [c.width, c.height]") == [side, side]
    assert widget.map.bounding_box()["width"] == 2048
    dark = {cell: widget.pixels(*cell).mean() for cell in [(500, 250), (501, 250), (500, 300)]}
    assert max(dark[500, 250], dark[501, 250]) < dark[500, 300] - 60
    for row, column, weight in [(500, 250, "1.000"), (501, 250, "1.000"), (500, 251, "0.000")]:
        assert widget.hover(row, column) == weight


def test_the_first_key_is_hidden_in_a_large_drawing_too(visit):
    opened = visit("large.html")
    node = opened.widget(LARGE).node
    node.get_by_role("button", name="Options").click()
    node.get_by_label("Leave out the first key").check()
    drawing = saved_drawing(opened, node)
    image, cover = drawing.find(f"{SVG}g")
    assert image.tag == f"{SVG}image"
    paper = drawing.find(f"{SVG}rect").get("fill")
    cell = float(image.get("width")) / 512
    assert (float(cover.get("x")), float(cover.get("width")), cover.get("fill")) == (0, cell, paper)
    assert cover.get("height") == image.get("height")


def test_masked_cells_of_a_large_drawing_agree_with_its_legend(visit):
    opened = visit("large.html")
    drawing = saved_drawing(opened, opened.widget(MASKED).node)
    image, *hatched = drawing.find(f"{SVG}g")
    cell = float(image.get("width")) / 128
    assert len(hatched) == 127  # every row but the last has masked keys
    for row, box in enumerate(hatched):
        place = [float(box.get(name)) for name in ("x", "y", "width", "height")]
        assert place == pytest.approx([(row + 1) * cell, row * cell, (127 - row) * cell, cell])
        assert box.get("fill") == "url(#masked)"


def saved_drawing(opened, node) -> ElementTree.ElementTree:
    """The file that the button "SVG" saves."""
    node.get_by_role("button", name="Save or share").click()
    with opened.page.expect_download() as download:
        node.get_by_role("button", name="SVG", exact=True).click()
    return ElementTree.parse(download.value.path())
