"""The home page: a trained Transformer to try at once, and links to the chapters."""

import gzip
import re

import pytest
from playwright.sync_api import expect

from attnbook.widgets.translation import translate

HOME = "chapters/index.html"


@pytest.mark.parametrize("where", [HOME, "chapters/08-transformer.html"])
def test_the_first_translation_is_in_the_page_and_the_model_loads_on_use(visit, where):
    asked = []
    page = visit(where, watch=lambda page: page.on("request", lambda request: asked.append(request.url)))
    page.wait_for_load_state("networkidle")
    live = page.locator(".ab-translator .ab-live").first
    target = live.get_by_label("translate into").input_value()
    live.locator(".ab-made").scroll_into_view_if_needed()  # it plays once when it is seen
    expect(live.locator(".written")).to_have_text(translate("Saturday, March 7, 2009", target).text)
    step = "Step" if where == HOME else "Frame"
    expect(live.locator(".ab-flow-stage canvas" if where == HOME else ".map canvas")).to_be_visible()
    assert not any("dates-translate" in url for url in asked)

    live.get_by_label("Type a date").fill("1. Mai 2001")
    live.get_by_label("Type a date").press("Enter")
    made = translate("1. Mai 2001", target)
    live.locator(f"caption:has-text(' of {len(made.written)}:')").wait_for(state="attached")
    live.get_by_role("slider", name=step).press("End")
    assert live.locator(".written").inner_text() == made.text
    assert sum("dates-translate" in url for url in asked) == 1


@pytest.mark.parametrize(("width", "height"), [(1440, 900), (390, 844)])
def test_text_flow_and_answer_share_a_screen(browser, site, width, height):
    with browser.new_context(viewport={"width": width, "height": height}, reduced_motion="reduce") as context:
        page = context.new_page()
        page.goto(site + HOME)
        page.mouse.move(1, 1)
        live = page.locator(".ab-translator .ab-live")
        expect(live.locator(".flow-out.now")).to_have_text("end")
        if width < 1000:
            live.locator(".ab-asking").evaluate("node => node.scrollIntoView()")
        tops = [live.locator(".ab-asking").bounding_box(), live.locator(".written").bounding_box()]
        assert tops[0]["y"] >= 0
        assert tops[1]["y"] + tops[1]["height"] <= height
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_without_scripts_there_is_a_picture(html):
    text = (html / HOME).read_text("utf-8")
    words = "the trained model's translation of “Saturday, March 7, 2009”"
    assert re.search(rf'<img[^>]* alt="{words}[^>]*ab-static', text)


@pytest.mark.parametrize("width", [360, 1200])
def test_without_scripts_the_picture_is_visible(browser, site, width):
    with browser.new_context(java_script_enabled=False, viewport={"width": width, "height": 900}) as context:
        page = context.new_page()
        page.goto(site + HOME)
        picture = page.locator(".ab-translator img.ab-static")
        assert picture.is_visible()
        box = picture.bounding_box()
        assert box["height"] > 150
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
        assert box["y"] < 900  # visible without scrolling
        assert picture.evaluate("node => node.complete && node.naturalWidth") > 500
        assert page.locator(".ab-translator .ab-ghost").bounding_box() is None


def test_it_has_no_launch_buttons(html):
    text = (html / HOME).read_text("utf-8")
    assert "mybinder.org/v2" not in text
    assert "colab.research.google.com/github" not in text


def test_the_model_adds_at_most_a_megabyte(html):
    data = (html / "_static" / "widgets" / "dates-translate.js").read_bytes()
    assert len(gzip.compress(data)) <= 1_000_000
