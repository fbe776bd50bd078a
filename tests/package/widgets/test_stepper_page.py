"""The stepper on a static page: arithmetic and explanations, by mouse and keyboard."""

import itertools
import math  # noqa: F401, for the calculator
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from playwright.sync_api import expect

from attnbook import causal_mask, scaled_dot_product_attention
from bookpress import ROOT

CONTRAST = (ROOT / "tests" / "contrast.js").read_text("utf8")
PARTNER = (Path(__file__).parent / "partner.js").read_text()
HAND, GIVEN, LARGE, WORDS, PADDED, PROJECTED = range(6)
NAMES = ["query", "key", "value", "scores", "scaled", "masked", "weights", "output"]
UNMASKED = [name for name in NAMES if name != "masked"]


class Stepper:
    """One stepper, operated as a reader would."""

    def __init__(self, page, index):
        self.page = page
        self.node = page.locator(".ab-widget").nth(index)

    def stage(self, name):
        return self.node.locator(f".ab-stage[data-stage={name}]")

    def press(self, name):
        self.node.get_by_role("button", name=name).click(force=True)  # the disabled ones too

    def switch(self, *, scale=None, masking=None, when=None):
        if scale is not None:
            self.node.get_by_role("checkbox", name="divide by √d").set_checked(scale)
        if masking is not None:
            self.node.get_by_role("combobox", name="mask").select_option(masking)
        if when is not None:
            self.node.get_by_role("combobox", name="applied").select_option(when)

    def cell(self, name, row, column):
        return self.stage(name).locator("tbody tr").nth(row).locator("td").nth(column)

    def numbers(self) -> dict[str, np.ndarray]:
        """Every matrix at full precision, without the columns of sums."""
        stages = self.node.locator(".ab-stage[data-stage]").evaluate_all(
            """stages => stages.map(stage => [stage.dataset.stage, [...stage.querySelectorAll("tbody tr")]
              .map(row => [...row.querySelectorAll("td:not(.total) data")].map(data => data.value))])"""
        )
        return {name: np.array(rows, dtype=float) for name, rows in stages}

    def shown(self, name) -> list[list[str]]:
        rows = self.stage(name).locator("tbody tr").all()
        return [row.locator("td").all_inner_texts() for row in rows]

    def explain(self, name, row, column) -> str:
        self.cell(name, row, column).click()
        self.node.locator(".sum:not(:empty)").wait_for()  # the explanations are loaded on first use
        return self.sum

    @property
    def sum(self) -> str:
        return self.node.locator(".sum").text_content()

    @property
    def line(self) -> str:
        return self.node.locator(".line[role=status]").inner_text()

    def marked(self) -> set:
        """The cells that the explained number depends on: (stage, row, column)."""
        found = self.node.locator(".root .ab-stages").evaluate(
            """flow => [...flow.querySelectorAll("td.from")].map(cell => {
              const row = cell.parentElement;
              return [cell.closest(".ab-stage").dataset.stage, row.rowIndex - 1, cell.cellIndex - 1];
            })"""
        )
        return {tuple(cell) for cell in found}

    def order(self) -> list[str]:
        boxes = self.node.locator(".ab-stage[data-stage]")
        return boxes.evaluate_all("boxes => boxes.map(box => box.dataset.stage)")

    def later(self) -> list[str]:
        boxes = self.node.locator(".ab-stage[inert]")
        return boxes.evaluate_all("boxes => boxes.map(box => box.dataset.stage)")


@pytest.fixture
def open_stepper(visit):
    return lambda index, **options: Stepper(visit("stepper.html", **options).page, index)


@pytest.fixture(scope="module")
def models(sent) -> list[dict]:
    return sent("stepper")


def expected(model, scale, masking, when, temperature=1.0, padding=()) -> dict[str, np.ndarray]:
    """The matrices as computed by attnbook in float64."""
    query, key, value = (torch.tensor(model[f"_{n}"], dtype=torch.float64) for n in ("query", "key", "value"))
    real = torch.tensor([[i not in padding for i in range(len(key))]]).expand(len(query), -1)
    masks = {"none": None, "causal": causal_mask(len(query)), "padding": real}
    mask = (masks | {"given": torch.tensor(model["_mask"])})[masking]
    before = mask if when == "before" else None
    divisor = (query.shape[-1] ** 0.5 if scale else 1.0) * temperature
    output, weights = scaled_dot_product_attention(query, key, value, before, scale=1 / divisor)
    scores = query @ key.T
    scaled = scores / divisor
    masked = scaled if mask is None else scaled.masked_fill(~mask, -torch.inf)
    if when == "after":
        masked = weights if mask is None else weights * mask
        output = masked @ value
    numbers = dict(zip(NAMES, (query, key, value, scores, scaled, masked, weights, output), strict=True))
    if mask is None:  # then there is no such matrix
        del numbers["masked"]
    return {name: tensor.numpy() for name, tensor in numbers.items()}


MASKINGS = {
    HAND: ["none", "causal"],
    GIVEN: ["none", "given"],
    LARGE: ["none", "causal"],
    WORDS: ["none", "causal"],
}


@pytest.mark.parametrize("index", MASKINGS, ids=["by hand", "given", "large", "words"])
def test_its_numbers_agree_with_attnbook(shared, models, index):
    stepper = Stepper(shared("stepper.html").page, index)
    stepper.press("All")
    for scale, masking, when in itertools.product([True, False], MASKINGS[index], ["before", "after"]):
        stepper.switch(masking="none" if masking != "none" else MASKINGS[index][1])  # so that both can be set
        stepper.switch(masking=MASKINGS[index][1])
        stepper.switch(scale=scale, when=when)
        stepper.switch(masking=masking)
        seen = stepper.numbers()
        for name, numbers in expected(models[index], scale, masking, when).items():
            assert not np.isnan(seen[name]).any()
            np.testing.assert_allclose(
                seen[name], numbers, atol=1e-6, rtol=1e-9, err_msg=f"{name} {scale} {masking} {when}"
            )


@pytest.mark.parametrize("index", [HAND, GIVEN, LARGE], ids=["by hand", "given", "large"])
def test_with_temperature_and_padding_too(visit, models, index):
    page = visit("blank.html").page
    page.evaluate(PARTNER, {"module": "/attention_stepper.js", "state": models[index] | {"step": 5}})
    stepper = Stepper(page, 0)
    every = list(range(len(models[index]["_key"])))
    cases = itertools.product([0.05, 0.7, 20.0], [[0], [1, 2], every], [True, False], ["before", "after"])
    for temperature, padding, scale, when in cases:
        changes = {"temperature": temperature, "padding": padding, "scale": scale, "mask_when": when}
        page.evaluate("all => Object.assign(model.state, all)", changes)
        page.evaluate("model.set('masking', 'padding')")  # draws it, once
        seen = stepper.numbers()
        for name, numbers in expected(models[index], scale, "padding", when, temperature, padding).items():
            np.testing.assert_allclose(seen[name], numbers, atol=1e-6, rtol=1e-9, err_msg=f"{name} {changes}")


def test_padded_keys_can_be_chosen(open_stepper):
    stepper = open_stepper(HAND)
    stepper.press("All")
    chips = stepper.node.get_by_role("group", name="Padded keys")
    assert not chips.is_visible()
    stepper.switch(masking="padding")  # starts with the last key
    assert [row[2] for row in stepper.shown("masked")] == ["−∞"] * 3
    chips.get_by_role("checkbox", name="a").check()
    assert stepper.shown("weights") == [["0", "1", "0", "1"]] * 3
    assert stepper.explain("masked", 1, 0) == "b may not attend to a: 0.0000 becomes −∞, as exp(−∞) = 0"
    chips.get_by_role("checkbox", name="c").uncheck()
    chips.get_by_role("checkbox", name="a").uncheck()
    assert stepper.explain("masked", 1, 2) == "b may attend to c: 0.7071 stays"
    stepper.switch(masking="causal")
    assert not chips.is_visible()


def test_temperature_divides_too(open_stepper):
    stepper = open_stepper(HAND)
    stepper.press("Next")
    stepper.press("Next")
    slider = stepper.node.get_by_role("slider", name="temperature")
    slider.evaluate("input => { input.value = 46; input.dispatchEvent(new Event('input')); }")
    assert slider.get_attribute("aria-valuetext") == "0.5"
    assert stepper.explain("scaled", 2, 0) == "scaled(c, a) = 2 / (√2 · 0.5) = 2.8284"
    assert stepper.line.endswith(", and by the temperature τ = 0.5: 0.7071 in all.")
    stepper.switch(scale=False)
    assert stepper.sum == "scaled(c, a) = 2 / 0.5 = 4"
    assert stepper.stage("scaled").locator(".formula").inner_text() == "÷ τ (3, 3)"


def test_numbers_are_shown_rounded(open_stepper):
    stepper = open_stepper(HAND)
    stepper.press("All")
    assert stepper.shown("scores") == [["2", "2", "4"], ["0", "1", "1"], ["2", "3", "5"]]
    assert stepper.shown("scaled")[2] == ["1.4142", "2.1213", "3.5355"]
    assert stepper.shown("weights")[2] == ["0.0879", "0.1784", "0.7337", "1"]
    assert stepper.shown("output")[2] == ["8.216", "18.241"]


def test_one_step_at_a_time(open_stepper):
    stepper = open_stepper(HAND)
    assert stepper.later() == ["scores", "scaled", "weights", "output"]
    assert stepper.shown("value")[1] == ["0", "20"]
    assert stepper.shown("scores") == [[""] * 3] * 3
    lines = [stepper.line]
    for left in (3, 2, 1, 0):
        stepper.press("Next")
        assert len(stepper.later()) == left
        lines.append(stepper.line)
    assert len(set(lines)) == 5
    assert "(3, 3)" in lines[1]
    assert "√2 = 1.4142" in lines[2]
    assert (
        lines[4]
        == "Output (3, 2) = weights (3, 3) times V (3, 2): for every query, a weighted sum of the values."
    )
    stepper.press("Next")  # there is none
    assert (stepper.line, stepper.later()) == (lines[4], [])
    stepper.press("Back")
    assert stepper.line == lines[3]
    for _ in range(9):
        stepper.press("Back")
    assert stepper.line == lines[0]
    assert len(stepper.later()) == 4


ROW = {("weights", 2, 0), ("weights", 2, 1), ("weights", 2, 2)}
SUMS = [
    ("query", 2, 0, "query(c, 0) = 2, as given", set()),
    (
        "scores",
        2,
        0,
        "score(c, a) = 2×1 + 1×0 = 2",
        {("query", 2, 0), ("query", 2, 1), ("key", 0, 0), ("key", 0, 1)},
    ),
    ("scaled", 2, 0, "scaled(c, a) = 2 / √2 = 1.4142", {("scores", 2, 0)}),
    (
        "weights",
        2,
        0,
        "weight(c, a) = exp(1.4142) / (exp(1.4142) + exp(2.1213) + exp(3.5355)) = 4.1132 / 46.767 ≈ 0.0879",
        {("scaled", 2, 0), ("scaled", 2, 1), ("scaled", 2, 2)},
    ),
    ("weights", 2, 3, "sum of row c = 0.0879 + 0.1784 + 0.7337 = 1", ROW),
    (
        "output",
        2,
        0,
        "output(c, 0) = 0.0879×10 + 0.1784×0 + 0.7337×10 = 8.216",
        ROW | {("value", 0, 0), ("value", 1, 0), ("value", 2, 0)},
    ),
]


@pytest.mark.parametrize(
    ("name", "row", "column", "words", "cells"), SUMS, ids=[f"{s[0]}-{s[2]}" for s in SUMS]
)
def test_a_click_shows_the_computation_and_its_inputs(open_stepper, name, row, column, words, cells):
    stepper = open_stepper(HAND)
    stepper.press("All")
    assert stepper.sum == ""
    assert stepper.explain(name, row, column) == words
    assert stepper.marked() == cells
    assert stepper.cell(name, row, column).get_attribute("aria-selected") == "true"
    stepper.cell(name, row, column).click()
    assert stepper.sum == ""
    assert stepper.marked() == set()


def test_negative_factors_are_in_parentheses(open_stepper, models):
    stepper = open_stepper(GIVEN)
    stepper.press("All")
    words = stepper.explain("scores", 0, 0)
    factors = [*models[GIVEN]["_query"][0], *models[GIVEN]["_key"][0]]
    assert words.count("(−") == sum(round(x, 4) < 0 for x in factors) > 0


def test_masks_are_explained(open_stepper):
    stepper = open_stepper(WORDS)  # causal, after softmax, at its last step
    assert stepper.order() == [*NAMES[:5], "weights", "masked", "output"]
    assert stepper.explain("masked", 0, 1).startswith("the#0 may not attend to cat: 0.")
    assert stepper.sum.endswith("becomes 0")
    assert stepper.marked() == {("weights", 0, 1)}
    assert stepper.explain("masked", 0, 0).startswith("the#0 may attend to the#0: 0.")
    total = float(stepper.cell("masked", 0, 9).inner_text())
    assert total == pytest.approx(stepper.numbers()["masked"][0].sum(), abs=1e-3)
    assert total < 0.9
    assert {name for name, *_ in (stepper.explain("output", 3, 0), stepper.marked())[1]} == {
        "masked",
        "value",
    }
    stepper.switch(when="before")
    assert stepper.explain("masked", 0, 1).endswith("becomes −∞, as exp(−∞) = 0")
    assert stepper.shown("masked")[0] == [stepper.shown("scaled")[0][0]] + ["−∞"] * 8
    assert stepper.shown("weights")[0] == ["1.0000"] + ["0"] * 8 + ["1"]
    assert stepper.order() == NAMES


def test_a_fully_masked_row(open_stepper):
    stepper = open_stepper(GIVEN)
    stepper.press("All")
    assert stepper.shown("weights")[1] == ["0"] * 4 + ["0"]
    assert [float(number) for number in stepper.shown("output")[1]] == [0, 0]
    assert stepper.explain("weights", 1, 0).endswith("may attend to nothing: its weights are all 0")
    assert "or to 0 if the whole row is masked" in (stepper.press("Back"), stepper.line)[1]


def test_switches_without_effect_are_not_offered(open_stepper):
    options = "select => [...select.options].map(option => option.value)"
    by_index = {}
    for index in (HAND, GIVEN):
        stepper = open_stepper(index)
        by_index[index] = stepper.node.get_by_role("combobox", name="mask").evaluate(options)
    assert by_index == {HAND: ["none", "causal", "padding"], GIVEN: ["none", "padding", "given"]}
    assert open_stepper(HAND).node.get_by_role("combobox", name="applied").is_disabled()


def test_by_keyboard(open_stepper):
    stepper = open_stepper(HAND)
    press = stepper.page.keyboard.press
    stepper.press("All")
    stepper.cell("scores", 0, 0).focus()
    for key in ("ArrowDown", "ArrowDown", "ArrowDown", "ArrowRight", "End", "ArrowLeft", "Home", "ArrowLeft"):
        press(key)
    press("Enter")
    stepper.node.locator(".sum:not(:empty)").wait_for()
    assert stepper.sum.startswith("score(c, a) = ")
    press("ArrowRight")
    assert stepper.sum.startswith("score(c, a) = ")
    press(" ")
    assert stepper.sum.startswith("score(c, b) = ")
    press("Escape")
    assert stepper.sum == ""
    press("Tab")  # the next matrix
    press("Enter")
    assert stepper.sum.startswith("scaled(a, a) = ")


def test_tab_reaches_everything_with_a_visible_focus(open_stepper):
    stepper = open_stepper(HAND)
    stepper.press("All")
    stepper.node.get_by_role("checkbox", name="divide by √d").focus()
    for keys in ("Tab", "Shift+Tab"):  # keyboard focus after using the mouse
        stepper.page.keyboard.press(keys)
    seen = []
    for _ in range(13):
        seen.append(
            stepper.page.evaluate(
                """() => {
                  const inner = document.activeElement.shadowRoot?.activeElement;
                  if (!inner) return null;
                  const style = getComputedStyle(inner);
                  const name = inner.closest("[data-stage]")?.dataset.stage ?? inner.textContent.slice(0, 4);
                  return [name, style.outlineStyle, parseFloat(style.outlineWidth)];
                }"""
            )
        )
        stepper.page.keyboard.press("Tab")
    assert [name for name, *_ in seen] == ["", "", "none", *UNMASKED, "Back", "Next", "All"]
    assert all(style == "solid" and width >= 2 for _, style, width in seen)


def test_tables_have_names_and_headers(open_stepper):
    stepper = open_stepper(HAND)
    stepper.press("All")
    grid = stepper.node.get_by_role("grid", name="Scores Q Kᵀ (3, 3)")
    assert grid.get_by_role("columnheader").all_inner_texts() == list("abc")
    assert grid.get_by_role("rowheader").all_inner_texts() == list("abc")
    assert grid.get_by_role("gridcell", name="5").count() == 1
    assert stepper.node.locator(".sum").get_attribute("aria-live") == "polite"


def test_two_steppers_are_independent(visit):
    page = visit("stepper.html").page
    one, other = Stepper(page, HAND), Stepper(page, GIVEN)
    one.press("Next")
    one.explain("scores", 1, 1)
    assert len(other.later()) == 5
    assert other.sum == ""


def test_view_and_model_stay_in_sync(visit, models):
    page = visit("blank.html").page
    page.evaluate(PARTNER, {"module": "/attention_stepper.js", "state": models[HAND]})
    stepper = Stepper(page, 0)
    state = lambda: page.evaluate("[model.state, model.saved]")  # noqa: E731
    stepper.press("Next")
    stepper.explain("scores", 2, 0)
    stepper.switch(scale=False, masking="causal", when="after")
    seen, saved = state()
    assert (seen["step"], seen["selected"]) == (1, ["scores", 2, 0])
    assert (seen["scale"], seen["masking"], seen["mask_when"]) == (False, "causal", "after")
    assert saved == 5
    page.evaluate("""() => {
      model.set("step", 5); model.set("selected", ["weights", 1, 2]); model.set("mask_when", "before");
      model.set("masking", "none"); model.set("scale", true); model.set("title", "Other");
    }""")
    assert stepper.later() == []
    assert stepper.sum.startswith("weight(b, c) = ")
    assert stepper.node.get_by_role("checkbox", name="divide by √d").is_checked()
    assert stepper.node.get_by_role("combobox", name="applied").is_disabled()
    assert stepper.node.locator(".title").inner_text() == "Other"
    page.evaluate("""model.set("selected", ["output", 9, 9])""")  # there is no such number
    assert stepper.sum == ""


def test_hostile_tokens_are_shown_as_text(visit):
    opened = visit("stepper.html")
    stepper = Stepper(opened.page, GIVEN)
    stepper.press("All")
    for row in range(3):
        stepper.explain("scores", row, row)
    headers = stepper.stage("scores").get_by_role("rowheader").all_text_contents()
    assert headers == ["<img src=x onerror=wind…"[:23] + "…", "</script><script>windo" + "w…", "$x$"]
    columns = stepper.stage("scores").get_by_role("columnheader").all_text_contents()
    assert columns == ["[U+202E]abc", "∅", "x" * 23 + "…", "שלום"]
    assert stepper.node.locator(".title").text_content() == "<b>Given</b>"
    assert stepper.node.locator("img:not(.ab-static), script:not([type]), mjx-container").count() == 0
    assert opened.page.evaluate("window.hacked") is None
    assert opened.faults == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_has_enough_contrast(visit, theme):
    page = visit("stepper.html", theme=theme).page
    page.evaluate(f"document.documentElement.dataset.theme = '{theme}'")
    for index in (GIVEN, LARGE, WORDS, PADDED):
        stepper = Stepper(page, index)
        assert stepper.node.locator(".root").evaluate(CONTRAST) == []
        stepper.press("All")
        stepper.explain("weights", 0, 0)
        assert stepper.node.locator(".root").evaluate(CONTRAST) == []


def test_dark_mode_applies_at_once(visit):
    page = visit("stepper.html").page
    stepper = Stepper(page, WORDS)
    ground = lambda name: stepper.cell(name, 8, 2).evaluate("cell => getComputedStyle(cell).backgroundColor")  # noqa: E731
    light = ground("weights"), ground("scores")
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    assert all(one != other for one, other in zip(light, (ground("weights"), ground("scores")), strict=True))
    page.evaluate("document.documentElement.dataset.theme = 'light'")
    assert light == (ground("weights"), ground("scores"))


def test_reduced_motion(visit):
    animated = "cell => getComputedStyle(cell).animationName"
    for motion, name in {"no-preference": "come", "reduce": "none"}.items():
        stepper = Stepper(visit("stepper.html", reduced_motion=motion).page, HAND)
        assert stepper.cell("query", 0, 0).locator("data").evaluate(animated) == name


WIDTHS = (360, 600, 1200)


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_is_wider_than_the_page(visit, width):
    page = visit("stepper.html", width=width).page
    for index in (HAND, GIVEN, LARGE, WORDS, PADDED):
        Stepper(page, index).press("All")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    wide = page.locator(".ab-live").evaluate_all(
        "nodes => nodes.filter(n => n.scrollWidth > n.clientWidth + 1).length"
    )
    assert wide == 0


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_moves_from_step_to_step(visit, places, width):
    page = visit("stepper.html", width=width).page
    before = places(page)
    stepper = Stepper(page, HAND)
    stepper.press("All")
    stepper.explain("weights", 2, 1)
    assert places(page) == pytest.approx(before, abs=1)
    cut = "sum => sum.scrollHeight - sum.clientHeight"
    assert stepper.node.locator(".sum").evaluate(cut) <= 1


def test_on_a_phone_later_matrices_are_only_headings(visit, places):
    """Below one another, empty matrices would fill two windows."""
    page = visit("stepper.html", width=360).page
    stepper = Stepper(page, GIVEN)
    boxes = stepper.node.locator(".ab-stage")
    heights = lambda: boxes.evaluate_all("boxes => boxes.map(box => box.offsetHeight)")  # noqa: E731
    folded, before = heights(), places(page)
    assert folded[-1] == 40
    stepper.press("All")
    whole, after = heights(), places(page)
    assert min(whole) > 100
    assert after[GIVEN] - before[GIVEN] == pytest.approx(sum(whole) - sum(folded), abs=1)
    while len(stepper.later()) < 5:
        stepper.press("Back")
    assert (heights(), places(page)) == (folded, before)


def test_the_themes_button_does_not_cover_widgets(visit):
    """The theme shows "Back to top" over the page, at 90 % of the window, by an inline style."""
    page = visit("stepper.html", width=360, height=740).page
    page.evaluate("""() => {
      const button = document.createElement("button");
      button.id = button.textContent = "pst-back-to-top";
      button.style.display = "block";
      document.body.append(button);
    }""")
    expect(page.locator("#pst-back-to-top")).to_be_hidden()


CALCULATOR = {"×": "*", "−": "-", "√2": "math.sqrt(2)", "exp": "math.exp"}


def test_a_calculator_agrees(open_stepper):
    """Each printed computation, done with the printed numbers, gives the printed result but for rounding."""
    stepper = open_stepper(PROJECTED)
    stepper.press("All")
    for name in ("query", "key", "value", "scores", "scaled", "weights", "output"):
        for row, column in itertools.product(range(3), range(2)):
            words = stepper.explain(name, row, column)
            *steps, result = re.split(" [=≈] ", words)[1:]
            for step in steps:
                for sign, code in CALCULATOR.items():
                    step = step.replace(sign, code)
                unit = 10 ** -len(result.partition(".")[2])
                assert eval(step) == pytest.approx(float(result), abs=1.01 * unit), words
            stepper.cell(name, row, column).click()


def test_projections_come_first(open_stepper):
    stepper = open_stepper(PROJECTED)
    assert stepper.order()[:7] == ["x", "W_query", "query", "W_key", "key", "W_value", "value"]
    assert stepper.explain("query", 2, 0) == "query(c, 0) = 1×2 + 1×0 = 2"
    assert stepper.marked() == {("x", 2, 0), ("x", 2, 1), ("W_query", 0, 0), ("W_query", 1, 0)}
    assert stepper.explain("W_value", 1, 1) == "W_value(1, 1) = 20, as given"
    assert stepper.line.startswith("Q, K and V are X (3, 2) times three matrices of weights.")


@pytest.mark.parametrize("width", [390, 600, 1200])
@pytest.mark.parametrize("masking", ["none", "causal"])
def test_matrices_keep_to_their_lanes(shared, width, masking):
    """No two overlap, and none sticks out."""
    stepper = Stepper(shared("stepper.html", width=width).page, PROJECTED)
    stepper.switch(masking=masking)
    boxes = stepper.node.locator(".root .ab-stages").evaluate("""flow => {
      const outer = flow.getBoundingClientRect();
      return [[0, 0, outer.width, outer.height], ...[...flow.querySelectorAll(".ab-stage")].map(box => {
        const { left, top, width, height } = box.getBoundingClientRect();
        return [left - outer.left, top - outer.top, width, height];
      })];
    }""")
    (_, _, wide, high), *boxes = boxes
    assert len(boxes) == (12 if masking == "causal" else 11)
    for left, top, width_of, height in boxes:
        assert min(left, top) >= 0
        assert left + width_of <= wide + 1
        assert top + height <= high + 1
    for (a, b, c, d), (e, f, g, h) in itertools.combinations(boxes, 2):
        assert a + c <= e or e + g <= a or b + d <= f or f + h <= b
    arrows = stepper.node.locator(".arrows > path").evaluate_all(
        "paths => paths.map(path => path.getTotalLength())"
    )
    assert len(arrows) == (13 if masking == "causal" else 12)
    assert min(arrows) > 5


def test_queries_fly_over_keys_into_their_scores(visit):
    for motion, flights in {"no-preference": 9, "reduce": 0}.items():
        stepper = Stepper(visit("stepper.html", reduced_motion=motion).page, HAND)
        birds = stepper.node.locator(".bird")
        stepper.press("Next")
        assert birds.count() == flights
        if flights:
            assert birds.first.inner_text().split() == ["2", "0"]
            assert birds.first.evaluate("bird => !!bird.closest('[aria-hidden=true]')")
        expect(birds).to_have_count(0)
        assert stepper.shown("scores")[2] == ["2", "3", "5"]


def test_a_legend_explains_the_colours(open_stepper):
    stepper = open_stepper(HAND)
    legend = stepper.node.locator("[role=note]")
    words = ["weight", "0", "1", "negative", "positive"]
    assert legend.inner_text().split() == words
    stepper.switch(masking="causal")
    assert legend.inner_text().split() == [*words, "masked"]
    box = open_stepper(HAND, width=360).node.locator("[role=note]")
    assert box.evaluate("node => node.scrollWidth - node.clientWidth") <= 0


def test_repeated_tokens_have_their_positions(open_stepper):
    assert open_stepper(WORDS).explain("scores", 7, 0).startswith("score(the#7, the#0) = ")


def test_masked_weights_are_written_the_same_everywhere(open_stepper):
    stepper = open_stepper(HAND)
    stepper.press("All")
    stepper.switch(masking="causal")
    assert stepper.shown("weights")[0] == ["1.0000", "0", "0", "1"]
    assert stepper.explain("weights", 0, 3) == "sum of row a = 1.0000 + 0 + 0 = 1"
    assert stepper.explain("weights", 0, 1).endswith(" = 0")
    assert "1.0000×10 + 0×0 + 0×10" in stepper.explain("output", 0, 0)


def test_columns_of_weights_are_narrow_on_a_narrow_page(open_stepper):
    stepper = open_stepper(GIVEN, width=400)
    box = stepper.stage("weights").locator(".scroll")
    assert box.evaluate("node => node.scrollWidth - node.clientWidth") <= 0
    cut = "td => td.scrollWidth - td.clientWidth"
    stepper.press("All")
    assert max(stepper.cell("weights", 0, column).evaluate(cut) for column in range(5)) <= 0
