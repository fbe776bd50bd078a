"""Guided tours and links that set widgets, on a static page."""

import re

import pytest
from playwright.sync_api import expect

from bookpress import ROOT
from tests.package.widgets.test_every_page import axe
from tests.tabs import wait_until

CONTRAST = (ROOT / "tests" / "contrast.js").read_text("utf8")
WIDGETS = range(11)
# The hole over a step's part: its distance from the part's edges in pixels, or null if there is no such part.
OFF = """(root, path) => {
  const enter = (inside, selector) => (inside?.shadowRoot ?? inside)?.querySelector(selector);
  const part = path.split(" >>> ").reduce(enter, root)?.getBoundingClientRect();
  const hole = root.querySelector(".tour-hole").getBoundingClientRect();
  if (!part?.width || !part.height) return null;
  return Math.max(...["left", "top", "width", "height"].map((side) => Math.abs(part[side] - hole[side])));
}"""
OVER = f"([root, path]) => {{ const off = ({OFF})(root, path); return off !== null && off < 1.5; }}"
# What a widget shows, but for what is said to screen readers.
SHOWN = """(root) => {
  const all = [...root.querySelectorAll("*")].filter((node) => !node.closest(".tour, [aria-live], .said"));
  const text = all.flatMap((node) => [...node.childNodes]).filter((node) => node.nodeType === 3);
  const set = all.filter((node) => node.matches("input, select, textarea"));
  const states = all.map((node) => [node.ariaPressed, node.ariaChecked, node.className]);
  const values = set.map((node) => [node.value, node.checked]);
  return JSON.stringify([text.map((node) => node.data), values, states]);
}"""
FOCUS = "() => document.activeElement?.shadowRoot?.activeElement?.textContent"


def is_shown(page, root, before: str) -> None:
    wait_until(page, f"([root, before]) => ({SHOWN})(root) === before", [root.element_handle(), before])


@pytest.fixture
def tours(visit):
    def show(width, reduced_motion="reduce", theme="light"):
        visited = visit("tours.html", width=width, reduced_motion=reduced_motion, theme=theme)
        visited.page.wait_for_load_state("networkidle")
        return visited

    return show


@pytest.mark.parametrize("index", WIDGETS)
@pytest.mark.parametrize("width", [390, 1200])
def test_a_tour_leads_through_the_widget(shared, sent, index, width):
    """It leaves the widget as it was."""
    visited, state = shared("tours.html", width=width, reduced_motion="reduce"), sent("tours")[index]
    page, steps = visited.page, state["_tour"]
    page.wait_for_load_state("networkidle")
    widget = page.locator(".ab-widget").nth(index)
    root, button = widget.locator(".root").first, widget.get_by_role("button", name="Tour", exact=True)
    button.scroll_into_view_if_needed()
    before = root.evaluate(SHOWN)
    button.focus()
    page.keyboard.press("Enter")
    dialog = widget.get_by_role("dialog")
    for number, (selector, words, traits) in enumerate(steps, start=1):
        expect(dialog).to_contain_text(f"{number} of {len(steps)}{words}")
        wait_until(
            page,
            OVER,
            [root.element_handle(), selector],
        )
        expect(dialog).to_be_in_viewport(ratio=0.99)
        box = dialog.bounding_box()
        assert 0 <= box["x"] <= width - box["width"]
        if any(state[name] != value for name, value in traits.items()):
            wait_until(
                page, f"([root, before]) => ({SHOWN})(root) !== before", [root.element_handle(), before]
            )
        assert page.evaluate(FOCUS) in ("Next", "Done")
        page.keyboard.press("ArrowRight")
    expect(dialog).to_have_count(0)
    assert page.evaluate(FOCUS) == "Tour"
    is_shown(page, root, before)
    assert visited.faults == []


def test_a_tour_can_go_back_and_be_left(tours):
    page = tours(1200).page
    widget = page.locator(".ab-path")
    root, button = widget.locator(".root"), widget.get_by_role("button", name="Tour", exact=True)
    before = root.evaluate(SHOWN)
    dialog = widget.get_by_role("dialog")
    close = dialog.get_by_role("button", name="Close").click
    for leave in (lambda: page.keyboard.press("Escape"), close, button.click):
        button.click()
        expect(dialog.get_by_role("button", name="Back")).to_have_attribute("aria-disabled", "true")
        for _ in range(3):
            page.keyboard.press("ArrowRight")
        expect(widget.get_by_role("slider", name="convolution kernel")).to_have_value("9")
        page.keyboard.press("ArrowLeft")
        expect(dialog).to_contain_text("3 of 6")
        expect(widget.get_by_role("slider", name="convolution kernel")).to_have_value("3")
        dialog.get_by_role("button", name="Next").click()
        expect(widget.get_by_role("slider", name="convolution kernel")).to_have_value("9")
        leave()
        expect(dialog).to_have_count(0)
        is_shown(page, root, before)
    assert page.evaluate(FOCUS) == "Tour"


def test_around_an_empty_part_more_is_outlined(tours):
    """While a translation is played there is no verdict yet."""
    page = tours(1200).page
    widget = page.locator(".ab-translator").first
    verdict = widget.locator(".verdict")
    verdict.evaluate("node => { node.textContent = ''; node.removeAttribute('data-kind'); }")
    widget.get_by_role("button", name="Tour", exact=True).click()
    expect(widget.get_by_role("dialog")).to_contain_text("1 of 8")
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    expect(widget.get_by_role("dialog")).to_contain_text("Whether the answer is right")
    wait_until(
        page,
        "hole => hole.getAnimations().length === 0 && hole.offsetWidth > 50 && hole.offsetHeight > 10",
        widget.locator(".tour-hole").element_handle(),
        seconds=20,
    )


def test_nothing_covers_what_a_tour_shows(tours):
    """The stepper's bar sticks to the window's lower end."""
    page = tours(390).page
    widget = page.locator(".ab-stepper")
    widget.get_by_role("button", name="Tour", exact=True).click()
    expect(widget.get_by_role("dialog")).to_contain_text("1 of 8")
    for number, stage in enumerate(("scores", "scaled", "weights"), start=2):
        page.keyboard.press("ArrowRight")
        expect(widget.get_by_role("dialog")).to_contain_text(f"{number} of 8")
        part, bar = (widget.locator(f".ab-live {one}") for one in (f"[data-stage={stage}]", ".ab-bar"))
        wait_until(page, "part => part.getBoundingClientRect().bottom < innerHeight", part.element_handle())
        edge = part.bounding_box()
        assert edge["y"] + edge["height"] <= bar.bounding_box()["y"]


def test_the_program_is_loaded_when_a_tour_starts(tours):
    visited = tours(1200)
    assert not [url for url in visited.requests if "tour.js" in url]
    visited.page.locator(".ab-clocks .tour-button").click()
    expect(visited.page.locator(".ab-clocks .tour-box")).to_be_visible()
    assert len([url for url in visited.requests if "tour.js" in url]) == 1


def test_axe_finds_nothing_with_all_tours_open(tours):
    page = tours(1200).page
    for button in page.locator(".tour-button").all():
        button.click()
    expect(page.locator(".tour-box")).to_have_count(len(WIDGETS))
    assert axe(page, contrast=False) == []
    for theme in ("light", "dark"):
        page.evaluate(f"document.documentElement.dataset.theme = '{theme}'")
        for box in page.locator(".tour-box").all():
            assert box.evaluate(CONTRAST) == []


@pytest.mark.parametrize(
    ("words", "kind", "is_set"),
    [
        ("The second step", "stepper", "Step 2 of 4"),
        ("the middle of the plane", "queries", "q = (0.00, 0.00)"),
        ("the first row", "explorer", "Locked: one"),
        ("another date", "translator", "5 mars 2009"),
        ("an untrained model", "trainer", "Untrained."),
        ("the end of the training", "training", "step 3500"),
    ],
)
def test_a_link_sets_a_widget(shared, words, kind, is_set):
    """Each another one."""
    page = shared("tours.html", width=1200).page
    link, widget = page.get_by_role("link", name=words), page.locator(f".ab-{kind}").first
    link.click()
    expect(widget.locator(".root").first).to_contain_text(is_set)
    expect(widget).to_be_in_viewport()
    assert widget.evaluate("node => node.getAnimations().length") <= 1


def test_a_second_click_on_a_link_sets_the_widget_again(tours):
    page = tours(1200).page
    link, stepper = page.get_by_role("link", name="The second step"), page.locator(".ab-stepper")
    link.click()
    expect(stepper).to_contain_text("Step 2 of 4")
    link.click()
    expect(stepper).to_be_in_viewport()
    stepper.get_by_role("button", name="Next", exact=True).click()
    expect(stepper).to_contain_text("Step 3 of 4")
    expect(page).to_have_url(re.compile("step-4$"))
    link.click()
    expect(stepper).to_contain_text("Step 2 of 4")


# Sets the address, and waits until the widgets have read it.
GO = """(hash) => new Promise((done) => {
  addEventListener("hashchange", () => requestAnimationFrame(done), { once: true });
  location.hash = hash;
})"""
WRONG = ("step-9", "step-1.5", "scale-perhaps", "temperature-0", "selected-lid,0,0", "selected-scores,0")


def test_wrong_settings_are_ignored(tours):
    visited = tours(1200)
    page, stepper = visited.page, visited.page.locator(".ab-stepper")
    before = stepper.locator(".root").evaluate(SHOWN)
    for wrong in WRONG:
        page.evaluate(GO, f"stepper-1_{wrong}")
        assert stepper.locator(".root").evaluate(SHOWN) == before, wrong
    page.evaluate(GO, "stepper-1_step-5_scale-off_selected-output,2,0")
    expect(stepper).to_contain_text("Step 4 of 4")
    expect(stepper.get_by_role("checkbox", name="divide by √d")).not_to_be_checked()
    expect(stepper.locator(".sum")).to_contain_text("output(c")
    assert visited.faults == []
