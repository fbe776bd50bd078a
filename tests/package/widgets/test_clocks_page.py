"""The position clocks on a static page: sliders, keyboard, and numbers that agree with attnbook."""

import numpy as np
import pytest
from playwright.sync_api import expect

from attnbook import PositionClocks
from bookpress import ROOT

CONTRAST = (ROOT / "tests" / "contrast.js").read_text("utf8")
HANDS = """nodes => nodes.map(line => Math.atan2(-line.getAttribute("y2"), line.getAttribute("x2")))"""


class Clocks:
    """One set of clocks, operated as a reader would."""

    def __init__(self, page, index=0):
        self.node = page.locator(".ab-widget").nth(index)
        self.position = self.node.get_by_role("slider", name="position t")
        self.offset = self.node.get_by_role("slider", name="offset k")
        self.dot = self.node.locator(".ab-total data")

    def hands(self, kind) -> np.ndarray:
        return np.array(self.node.locator(f".hand.{kind}").evaluate_all(HANDS))

    def sectors(self) -> np.ndarray:
        """The angle from each hand to the other, from 0 to 2π."""
        return (self.hands("there") - self.hands("here")) % (2 * np.pi)


def test_the_hands_turn_and_the_angles_between_them_stay(visit):
    opened = visit("clocks.html")
    clocks, model = Clocks(opened.page), PositionClocks()
    before, dot = clocks.sectors(), clocks.dot.get_attribute("value")
    assert float(dot) == pytest.approx(model.dot)
    for key, position in (("ArrowRight", 1), ("PageUp", 11), ("End", 100)):  # by keyboard
        clocks.position.press(key)
        expect(clocks.node.locator(".ab-legend span").first).to_have_text(f"position t = {position}")
        np.testing.assert_allclose(np.sin(clocks.hands("here")), np.sin(model.angles(position)), atol=1e-9)
        np.testing.assert_allclose(np.cos(clocks.hands("here")), np.cos(model.angles(position)), atol=1e-9)
        np.testing.assert_allclose(clocks.sectors(), before, atol=1e-9)
        assert clocks.dot.get_attribute("value") == dot
    clocks.offset.press("End")
    model.offset = 20
    expect(clocks.dot).not_to_have_attribute("value", dot)
    assert float(clocks.dot.get_attribute("value")) == pytest.approx(model.dot)
    said = f"positions 100 and 120: dot product {model.dot:.2f}".replace("-", "−")
    expect(clocks.node.locator(".said")).to_have_text(said)
    hostile = Clocks(opened.page, 1)
    assert hostile.node.locator("img:not(.ab-static), mjx-container").count() == 0
    assert opened.page.evaluate("window.hacked") is None
    assert opened.faults == []


def test_contrast_and_room_in_both_themes(visit):
    page = visit("clocks.html", width=360).page
    for theme in ("light", "dark"):
        page.evaluate(f"document.documentElement.dataset.theme = '{theme}'")
        for index in (0, 1):
            root = Clocks(page, index).node.locator(".root")
            expect(root).to_have_attribute("data-theme", theme)
            assert root.evaluate(CONTRAST) == []
    over = "nodes => nodes.filter(n => n.scrollHeight > n.clientHeight + 1).map(n => n.textContent)"
    for part in (".ab-hint", ".ab-dial", ".ab-total"):
        assert page.locator(f".ab-live {part}").evaluate_all(over) == []
