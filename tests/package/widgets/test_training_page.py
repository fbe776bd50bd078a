"""The training explorer on a static page: mouse, touch and keyboard, and what attnbook recorded."""

import re

import pytest
from playwright.sync_api import expect

from attnbook import snapshots
from bookpress import ROOT

CONTRAST = (ROOT / "tests" / "contrast.js").read_text("utf8")
RECORDING = snapshots.load("dates-translate")
END = re.compile("⟨(.*)⟩")


class Training:
    """One training explorer, operated as a reader would."""

    def __init__(self, page, index=0):
        self.page = page
        self.node = page.locator(".ab-widget").nth(index)
        self.slider = self.node.get_by_role("slider", name="Training step")
        self.step = self.node.locator(".attnbook-widget .ab-tr-bar b")
        self.canvas = self.node.get_by_role("img", name="Cross-attention")

    def expect_step(self, step: int) -> None:
        """Everything shown belongs to the snapshot of this step."""
        shot = RECORDING.at(step)
        good, found = RECORDING.compare(shot)
        signs = [END.sub(r"\1", token) for token in shot.written]
        expect(self.step).to_have_text(f"step {step}")
        expect(self.slider).to_have_attribute("aria-valuetext", re.compile(f"^step {step}: loss "))
        expect(self.node.locator(".written .letter")).to_have_text(signs)
        wrong = [sign for sign, right in zip(signs, good, strict=True) if not right]
        expect(self.node.locator(".written s")).to_have_text(wrong)
        expect(self.node.locator(".answer .found")).to_have_count(sum(found))
        expect(self.node.locator(".side > *")).to_have_text(signs)

    def drag(self, share: float) -> tuple[float, float]:
        """A point of the curve's drawing, at this share of its width."""
        self.node.locator("svg").scroll_into_view_if_needed()
        box = self.node.locator("svg").bounding_box()
        return box["x"] + share * box["width"], box["y"] + box["height"] / 2

    def hover(self, row: int, column: int) -> None:
        self.canvas.scroll_into_view_if_needed()
        box = self.canvas.bounding_box()
        rows = self.node.locator(".side > *").count()
        x, y = (column + 0.5) / len(RECORDING.source), (row + 0.5) / rows
        self.page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])


def test_keys_move_through_the_training(visit):
    opened = visit("training.html")
    training = Training(opened.page)
    training.expect_step(0)
    for key, at in (("ArrowRight", 1), ("ArrowUp", 2), ("ArrowLeft", 1), ("End", -1), ("ArrowLeft", -2)):
        training.slider.press(key)
        training.expect_step(RECORDING.steps[at])
    said = training.node.locator(".said")
    expect(said).to_have_text(
        re.compile(r"^step 2896: 2000年8月19日星期六end, right; layer 1, mean over heads$")
    )
    training.slider.press("Home")
    training.expect_step(0)
    assert opened.faults == []


def test_the_curve_is_dragged_with_mouse_and_finger(visit, finger):
    opened = visit("training.html", has_touch=True)
    training = Training(opened.page)
    mouse = opened.page.mouse
    mouse.move(*training.drag(0.1))
    mouse.down()
    mouse.move(*training.drag(0.5))
    expect(training.step).not_to_have_text("step 0")
    mouse.move(*training.drag(0.99))
    training.expect_step(3500)
    mouse.up()
    mouse.move(*training.drag(0.3))
    training.expect_step(3500)
    expect(training.slider).to_be_focused()
    finger(opened.page, training.drag(0.9), training.drag(0.3), training.drag(0.06))
    training.expect_step(0)


def test_play_runs_to_the_end_and_reduced_motion_goes_step_by_step(visit):
    training = Training(visit("training.html", reduced_motion="reduce").page)
    training.node.get_by_role("button", name="Next").click()
    training.expect_step(32)
    training = Training(visit("training.html").page)
    training.slider.press("End")
    for _ in range(3):
        training.slider.press("ArrowLeft")
    training.node.get_by_role("button", name="Play").click()
    training.expect_step(3500)
    expect(training.node.get_by_role("button", name="Play")).to_be_visible()  # it has stopped


def test_another_step_from_elsewhere_stops_the_playback(visit):
    training = Training(visit("training.html").page)
    training.node.get_by_role("button", name="Play").click()
    expect(training.step).not_to_have_text("step 0")
    training.page.evaluate("location.hash = 'training-1_step-3500_layer-0_head-9'")
    expect(training.node.get_by_role("button", name="Play")).to_be_visible()
    training.expect_step(3500)
    expect(training.node.get_by_role("radio", name="layer 0, mean over heads")).to_be_checked()


def test_heads_and_cells_show_the_recorded_weights(visit):
    training = Training(visit("training.html").page)
    training.slider.press("End")
    shot = RECORDING.at(3500)
    for layer, head, row, column in ((1, 1, 3, 25), (0, 2, 0, 22)):
        training.node.get_by_role("radio", name=f"layer {layer}, head {head}").check(force=True)
        training.hover(row, column)
        weight = shot.cross[layer, head, row, column]
        expect(training.node.locator(".reading")).to_have_text(re.compile(f"weight {weight:.3f}$"))
        expect(training.canvas).to_have_attribute(
            "aria-label", re.compile(f", layer {layer}, head {head}: 2 reads")
        )
    training.node.get_by_role("radio", name="layer 0, head 2").press("ArrowRight")
    expect(training.node.get_by_role("radio", name="layer 0, head 3")).to_be_checked()
    training.node.get_by_role("radio", name="layer 0, mean over heads").check(force=True)
    training.hover(0, 22)
    expect(training.node.locator(".reading")).to_have_text(
        re.compile(f"weight {shot.cross[0, :, 0, 22].mean():.3f}$")
    )


def test_hostile_text_is_inert(visit):
    opened = visit("training.html")
    training = Training(opened.page, 1)
    expect(training.step).to_have_text(f"step {RECORDING.steps[5]}")
    assert training.node.locator("img:not(.ab-static), script:not([type]), mjx-container").count() == 0
    assert opened.page.evaluate("window.hacked") is None
    assert opened.faults == []


@pytest.mark.parametrize("width", [360, 1000])
def test_contrast_and_room_in_both_themes(visit, width):
    page = visit("training.html", width=width).page
    training = Training(page)
    over = "nodes => nodes.filter(n => n.scrollHeight > n.clientHeight + 1).map(n => n.textContent)"
    for key in ("Home", "ArrowRight", "ArrowRight", "End"):
        training.slider.press(key)
        for part in (".ab-hint", ".ab-tr-bar", ".ab-tr-out", ".written"):
            assert training.node.locator(f".ab-live {part}").evaluate_all(over) == []
    for theme in ("light", "dark"):
        page.evaluate(f"document.documentElement.dataset.theme = '{theme}'")
        root = training.node.locator(".root")
        expect(root).to_have_attribute("data-theme", theme)
        assert root.evaluate(CONTRAST) == []
