"""The query plane on a static page: mouse, touch and keyboard, and numbers that agree with attnbook."""

import re
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import expect

from attnbook import QueryPlane
from bookpress import ROOT

CONTRAST = (ROOT / "tests" / "contrast.js").read_text("utf8")
PARTNER = (Path(__file__).parent / "partner.js").read_text()
WORDS, HOSTILE, MANY = range(3)


class Plane:
    """One query plane, operated as a reader would."""

    def __init__(self, page, index):
        self.page = page
        self.node = page.locator(".ab-widget").nth(index)
        self.handle = self.node.locator(".handle")
        self.box = self.node.locator(".ab-live .ab-plane, .attnbook-widget .ab-plane").first

    def numbers(self, name) -> np.ndarray:
        """A column of the table at full precision."""
        cells = self.node.locator(f"tbody td.{name}")
        found = cells.evaluate_all(
            "cells => cells.map(c => [...c.querySelectorAll('data')].map(d => d.value))"
        )
        return np.array(found, dtype=float)

    @property
    def output(self) -> np.ndarray:
        found = self.node.locator("tfoot td.value data").evaluate_all("nodes => nodes.map(d => d.value)")
        return np.array(found, dtype=float)

    @property
    def query(self) -> list[float]:
        text = self.handle.get_attribute("aria-label").replace("−", "-")
        return [float(number) for number in re.findall(r"-?\d+\.\d+", text)]

    def point(self, x, y, limit) -> tuple[float, float]:
        """A point of the plane in window coordinates."""
        self.box.scroll_into_view_if_needed()
        box = self.box.bounding_box()
        side = box["width"]
        return box["x"] + (x / limit + 1) * side / 2, box["y"] + (1 - y / limit) * side / 2

    def heat(self, temperature):
        """Move the slider to the notch next to a temperature."""
        notch = round(np.log(temperature / 0.05) / (np.log(400) / 120))
        self.node.get_by_role("slider", name="temperature").evaluate(
            "(input, value) => { input.value = value; input.dispatchEvent(new Event('input')); }", notch
        )

    @property
    def temperature(self) -> float:
        return float(self.node.locator(".slider output").inner_text().removeprefix("τ = "))

    def settle(self):
        self.page.evaluate(
            "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
        )


@pytest.fixture
def open_plane(visit):
    return lambda index, **options: Plane(visit("plane.html", **options).page, index)


@pytest.fixture(scope="module")
def models(sent) -> list[dict]:
    return sent("plane")


def same(plane, model, query, temperature, score):
    """Assert that the page's numbers equal those of the Python class."""
    truth = QueryPlane(np.array(model["_keys"]), np.array(model["_values"]))
    truth._limit = model["_limit"]
    truth.query, truth.temperature, truth.score = query, temperature, score
    for name, numbers in {"score": truth.scores, "weight": truth.weights}.items():
        np.testing.assert_allclose(plane.numbers(name)[:, 0], numbers, atol=1e-6, rtol=1e-9, err_msg=name)
    np.testing.assert_allclose(plane.output, truth.output, atol=1e-6, rtol=1e-9)


@pytest.mark.parametrize("index", [WORDS, HOSTILE, MANY])
@pytest.mark.parametrize("score", ["dot", "distance"])
def test_its_numbers_agree_with_attnbook(visit, models, index, score):
    page = visit("blank.html").page
    page.evaluate(PARTNER, {"module": "/query_plane.js", "state": models[index] | {"score": score}})
    plane, limit = Plane(page, 0), models[index]["_limit"]
    for temperature in (0.05, 1.0, 3.7, 20.0):
        for x, y in ((0, 0), (1, -1), (0.37, 0.912), (-0.2, 0.001)):
            query = [x * limit, y * limit]
            page.evaluate(
                "([q, t]) => (model.set('query', q), model.set('temperature', t))", [query, temperature]
            )
            plane.settle()
            same(plane, models[index], query, temperature, score)


@pytest.mark.parametrize("width", [360, 1000])
def test_dragged_by_mouse(open_plane, models, width):
    plane, limit = open_plane(WORDS, width=width), models[WORDS]["_limit"]
    mouse = plane.page.mouse
    mouse.move(*plane.point(1.2, 0.8, limit))
    mouse.down()
    mouse.move(*plane.point(-1.0, 0.5, limit), steps=5)
    mouse.move(*plane.point(-1.5, 1.0, limit))
    mouse.up()
    mouse.move(*plane.point(2, 2, limit))  # released
    plane.settle()
    assert plane.query == pytest.approx([-1.5, 1.0], abs=0.02)
    assert plane.numbers("weight")[:, 0].argmax() == 2  # the key under it
    mouse.click(*plane.point(2.0, 0.5, limit))
    plane.settle()
    assert plane.query == pytest.approx([2.0, 0.5], abs=0.02)


def test_it_stays_within_the_plane(open_plane, models):
    plane, limit = open_plane(WORDS), models[WORDS]["_limit"]
    x, y = plane.point(1.2, 0.8, limit)
    plane.page.mouse.move(x, y)
    plane.page.mouse.down()
    plane.page.mouse.move(x + 3000, y - 3000)
    plane.page.mouse.up()
    plane.settle()
    assert plane.query == [limit, limit]


def test_a_tap_moves_the_query_and_a_finger_drags_its_handle(open_plane, models, finger):
    plane, limit = open_plane(WORDS, width=360, has_touch=True, is_mobile=True), models[WORDS]["_limit"]
    plane.page.touchscreen.tap(*plane.point(-0.5, -0.5, limit))
    plane.settle()
    assert plane.query == pytest.approx([-0.5, -0.5], abs=0.03)
    before = plane.page.evaluate("scrollY")
    way = [(-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (0.5, 1.5)]
    finger(plane.page, *(plane.point(*at, limit) for at in way))
    plane.settle()
    assert plane.query == pytest.approx([0.5, 1.5], abs=0.03)
    assert plane.page.evaluate("scrollY") == before


def test_by_keyboard(open_plane, models):
    plane = open_plane(WORDS)
    limit = models[WORDS]["_limit"]
    plane.handle.focus()
    for key in ("ArrowRight", "ArrowUp", "ArrowUp", "Shift+ArrowLeft"):
        plane.page.keyboard.press(key)
    plane.settle()
    expected = [round(1.2 + limit / 40 - limit / 400, 2), round(0.8 + limit / 20, 2)]
    assert plane.query == pytest.approx(expected, abs=0.011)
    said = r"^query at 1\.\d\d, 0\.\d\d: most weight on robot, 0\.\d{3}; weighted average 2\.\d\d$"
    expect(plane.node.locator(".said")).to_have_text(re.compile(said))


def test_tab_reaches_everything_with_a_visible_focus(open_plane):
    plane = open_plane(WORDS)
    plane.node.get_by_role("slider", name="temperature").focus()
    for keys in ("Tab", "Shift+Tab"):
        plane.page.keyboard.press(keys)
    seen = []
    for _ in range(4):
        seen.append(
            plane.page.evaluate(
                """() => {
                  const inner = document.activeElement.shadowRoot.activeElement;
                  const style = getComputedStyle(inner, inner.matches(".handle") ? "::before" : null);
                  const name = inner.className || inner.tagName;
                  return [name, style.outlineStyle, parseFloat(style.outlineWidth)];
                }"""
            )
        )
        plane.page.keyboard.press("Tab")
    assert [name for name, *_ in seen] == ["INPUT", "SELECT", "handle", "is-key"]
    assert all(style == "solid" and width >= 2 for _, style, width in seen)


def test_temperature_and_score(open_plane, models):
    plane = open_plane(WORDS)
    flat, sharp = [], []
    for temperature, peaks in ((20.0, flat), (0.05, sharp)):
        plane.heat(temperature)
        plane.settle()
        assert plane.temperature == temperature
        peaks.append(plane.numbers("weight").max())
        same(plane, models[WORDS], [1.2, 0.8], temperature, "dot")
    assert flat[0] < 0.3
    assert sharp[0] > 0.999
    plane.heat(1.0)
    plane.settle()
    near = plane.temperature
    assert near == pytest.approx(1.0, rel=0.03)
    plane.node.get_by_role("combobox", name="score by").select_option("distance")
    plane.settle()
    same(plane, models[WORDS], [1.2, 0.8], near, "distance")


def test_pointing_at_a_key_shows_its_computation(open_plane, models):
    plane = open_plane(WORDS)
    sum_line = plane.node.locator(".sum")
    assert sum_line.text_content() == "q = (1.20, 0.80)"
    plane.page.mouse.move(*plane.point(-1.5, 1.0, models[WORDS]["_limit"]))
    assert sum_line.text_content() == "score(human) = 1.20×(−1.50) + 0.80×1.00 = −1.00"
    assert plane.node.locator("tbody tr.on th").text_content() == "human"
    plane.node.locator("tbody tr").nth(3).hover()
    assert sum_line.text_content().startswith("score(law) = 1.20×(−1.00) + 0.80×(−1.50) = ")
    plane.node.get_by_role("combobox", name="score by").select_option("distance")
    plane.node.locator("tbody tr").nth(0).hover()
    plane.settle()
    assert sum_line.text_content() == "score(robot) = −½ ((1.20 − 2.00)² + (0.80 − 0.50)²) = −0.37"


def test_computations_by_keyboard(open_plane):
    plane = open_plane(WORDS)
    plane.handle.focus()
    press = plane.page.keyboard.press
    press("Tab")
    assert plane.node.locator(".sum").text_content().startswith("score(robot) = ")
    for key in ("ArrowUp", "ArrowDown", "ArrowDown"):
        press(key)
    assert plane.node.locator(".sum").text_content().startswith("score(human) = ")
    press("Shift+Tab")
    assert plane.node.locator(".sum").text_content() == "q = (1.20, 0.80)"
    press("Tab")
    assert plane.node.locator(".sum").text_content().startswith("score(human) = ")


def test_colours_are_averaged(open_plane):
    plane = open_plane(HOSTILE)
    red, green, blue = (round(255 * x) for x in plane.output)
    assert plane.node.locator("tfoot td.value").inner_text().strip() == f"#{red:02x}{green:02x}{blue:02x}"
    patch = plane.node.locator("tfoot .patch").evaluate("patch => getComputedStyle(patch).backgroundColor")
    assert patch == f"rgb({red}, {green}, {blue})"


def test_view_and_model_stay_in_sync(visit, models):
    page = visit("blank.html").page
    page.evaluate(PARTNER, {"module": "/query_plane.js", "state": models[WORDS]})
    plane = Plane(page, 0)
    plane.page.mouse.click(*plane.point(1.0, 1.0, models[WORDS]["_limit"]))
    plane.heat(5.0)
    plane.node.get_by_role("combobox", name="score by").select_option("distance")
    seen = page.evaluate("model.state")
    assert seen["query"] == pytest.approx([1.0, 1.0], abs=0.02)
    assert seen["temperature"] == pytest.approx(5, rel=0.03)
    assert seen["score"] == "distance"
    page.evaluate("""() => {
      model.set("query", [0.5, -0.25]); model.set("temperature", 0.1); model.set("score", "dot");
      model.set("title", "Other");
    }""")
    plane.settle()
    assert plane.query == [0.5, -0.25]
    assert plane.temperature == 0.1
    assert plane.node.get_by_role("combobox", name="score by").input_value() == "dot"
    assert plane.node.locator(".title").inner_text() == "Other"


def test_two_planes_are_independent(visit, models):
    page = visit("plane.html").page
    one, other = Plane(page, WORDS), Plane(page, MANY)
    before = other.query, other.temperature
    page.mouse.click(*one.point(0, 0, models[WORDS]["_limit"]))
    one.heat(7.0)
    assert (other.query, other.temperature) == before


def test_hostile_tokens_are_shown_as_text(visit):
    opened = visit("plane.html")
    plane = Plane(opened.page, HOSTILE)
    for row in plane.node.locator("tbody tr").all():
        row.hover()
    names = plane.node.locator("tbody th").all_text_contents()
    assert names[0] == "<img src=x onerror=…"
    assert names[2:] == ["$x$", "[U+202E]abc", "∅", "x" * 19 + "…"]
    assert plane.node.locator(".key-label").all_text_contents() == names
    assert plane.node.locator(".title").text_content() == "<b>Hostile</b> $y$"
    assert plane.node.locator("img:not(.ab-static), script:not([type]), mjx-container").count() == 0
    assert opened.page.evaluate("window.hacked") is None
    assert opened.faults == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_has_enough_contrast(visit, theme):
    page = visit("plane.html", theme=theme).page
    page.evaluate(f"document.documentElement.dataset.theme = '{theme}'")
    for index in (WORDS, HOSTILE, MANY):
        assert Plane(page, index).node.locator(".root").evaluate(CONTRAST) == []


WIDTHS = (360, 600, 1200)


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_moves_when_it_is_used(visit, places, width):
    page = visit("plane.html", width=width).page
    before = places(page)
    plane = Plane(page, WORDS)
    plane.node.locator("tbody tr").nth(2).hover()
    plane.node.get_by_role("combobox", name="score by").select_option("distance")
    plane.node.locator("tbody tr").nth(1).hover()
    plane.settle()
    assert places(page) == pytest.approx(before, abs=1)


def test_a_tap_on_a_key_shows_its_computation(open_plane, models):
    plane = open_plane(WORDS, width=400, has_touch=True, is_mobile=True)
    before, limit = plane.query, models[WORDS]["_limit"]
    plane.page.touchscreen.tap(*plane.point(*models[WORDS]["_keys"][2], limit))
    plane.settle()
    assert plane.node.locator(".sum").inner_text().startswith("score(human) = ")
    assert plane.query == before
    plane.page.touchscreen.tap(*plane.point(0, -0.8 * limit, limit))
    plane.settle()
    assert plane.query != before
    assert plane.node.locator(".sum").inner_text().startswith("q = (")


def test_a_legend_explains_the_dots(open_plane):
    legend = open_plane(WORDS, width=360).node.locator("[role=note]")
    assert " ".join(legend.inner_text().split()) == "dot colour and size: weight 0 1"
