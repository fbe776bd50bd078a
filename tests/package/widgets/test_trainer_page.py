"""The attention trainer on a static page: recorded runs first, then trainings in a worker."""

import re

import numpy as np
import pytest
from playwright.sync_api import expect

from attnbook.widgets.trainer import recorded_runs
from bookpress import ROOT
from tests.package.widgets.conftest import opener

CONTRAST = (ROOT / "tests" / "contrast.js").read_text("utf8")
PATIENCE = 120_000  # milliseconds for a whole training on a busy machine
# Notes when maps are drawn.
WATCH = """() => {
  window.drawn = [];
  const draw = CanvasRenderingContext2D.prototype.drawImage;
  CanvasRenderingContext2D.prototype.drawImage = function (...given) {
    if (this.canvas.isConnected) window.drawn.push(performance.now());
    return draw.apply(this, given);
  };
}"""


class Trainer:
    """One trainer, operated as a reader would."""

    def __init__(self, page, index=0):
        self.page = page
        self.node = page.locator(".ab-trainer .ab-live").nth(index)
        self.root, self.status = self.node.locator(".root"), self.node.locator(".status")
        self.seed = self.node.get_by_role("spinbutton", name="seed")
        self.rows, self.maps = self.node.locator("tbody tr"), self.node.locator(".head canvas")

    def button(self, name):
        return self.node.get_by_role("button", name=name, exact=True)

    def heads(self, count):
        return self.node.get_by_role("radio", name=str(count), exact=True)

    def switch(self, name):
        return self.node.get_by_role("checkbox", name=name)

    def wait_for_step(self, least=1):
        """Wait until it has trained `least` steps."""
        self.page.wait_for_function(
            """([root, least]) => root.dataset.step >= least""", arg=[self.root.element_handle(), least]
        )

    @property
    def step(self) -> int:
        return int(self.root.get_attribute("data-step"))

    def shown(self) -> list[str]:
        """The accuracy: before, after, both."""
        return self.node.locator(".answer .number").all_inner_texts()

    def numbers(self, row=0) -> list[float]:
        """A finished run's accuracy: before, after, both."""
        data = self.rows.nth(row).locator("data").all()
        return [float(one.get_attribute("value")) for one in data]

    def looks(self) -> list[list[float]]:
        """The mean weight on the letter before and after, per head."""
        captions = self.node.locator(".head .caption").all_inner_texts()
        return [[float(number) for number in re.findall(r"\d\.\d\d", caption)] for caption in captions]


opened = opener(Trainer, "trainer.html")


def test_recorded_runs_are_shown_at_first_and_no_worker_is_started(opened):
    trainer = opened()
    one, two = recorded_runs()[1]
    expect(trainer.status).to_have_text("A recorded run of 300 steps. Press Train to run it here.")
    expect(trainer.rows).to_have_count(2)
    expect(trainer.maps).to_have_count(2)
    assert trainer.numbers(0) == two["accuracy"]
    assert trainer.numbers(1) == one["accuracy"]
    expect(trainer.button("2 heads, seed 0")).to_have_attribute("aria-pressed", "true")
    maps = np.reshape(two["maps"], (2, 9, 9))
    for (before, after), weights in zip(trainer.looks(), maps, strict=True):
        assert before == pytest.approx(weights[1:-1].diagonal(0).mean(), abs=0.006)
        assert after == pytest.approx(weights[1:-1].diagonal(2).mean(), abs=0.006)
    trainer.button("1 head, seed 0").click()
    expect(trainer.heads(1)).to_be_checked()
    expect(trainer.maps).to_have_count(1)
    expect(trainer.status).to_contain_text("A recorded run")
    trainer.heads(1).press("ArrowRight")  # by keyboard
    expect(trainer.heads(2)).to_be_checked()
    expect(trainer.maps).to_have_count(2)
    assert not any("trainer" in url for url in trainer.requests if "worker" in url)
    hostile = Trainer(trainer.page, 1)
    assert hostile.node.locator("img:not(.ab-static), mjx-container").count() == 0
    assert trainer.page.evaluate("window.hacked") is None
    assert trainer.faults == []


def test_whole_trainings_give_the_recorded_results(opened):
    """Two heads solve the task, one doesn't; the page's results are those that were recorded."""
    trainer = opened()
    for recorded in reversed(recorded_runs()[1]):
        trainer.button("2 heads, seed 0" if recorded["heads"] == 2 else "1 head, seed 0").click()
        trainer.button("Train").click()
        expect(trainer.button("Pause")).to_be_visible()
        expect(trainer.status).to_contain_text("Finished: 300 steps in", timeout=PATIENCE)
        expect(trainer.button("Train")).to_be_visible()
        expect(trainer.rows).to_have_count(2)  # the same settings: the same run
        assert trainer.numbers(0) == pytest.approx(recorded["accuracy"], abs=0.02)
        both = trainer.numbers(0)[2]
        assert both > 0.95 if recorded["heads"] == 2 else both < 0.5
        expect(trainer.node.locator(".said[role=status]")).to_contain_text("finished, both letters correct")
        if recorded["heads"] == 2:
            assert all(max(look) > 0.9 for look in trainer.looks())
    assert trainer.faults == []


def test_a_training_is_paused_continued_and_reset(opened):
    trainer = opened()
    trainer.switch("positions").press("Space")
    expect(trainer.status).to_have_text("Untrained.")
    assert trainer.step == 0
    untrained = trainer.looks()
    train, pause = trainer.button("Train"), trainer.button("Pause")
    train.press("Enter")
    trainer.wait_for_step(2)
    pause.press("Enter")
    expect(trainer.status).to_contain_text("Paused at step")
    expect(trainer.status).to_have_text(re.compile(r"^Paused at step \d+ of 300, loss \d\.\d\d\.$"))
    step = trainer.step
    train.click()
    trainer.wait_for_step(step + 1)
    pause.click()
    expect(trainer.status).to_contain_text("Paused at step")
    assert trainer.looks() != untrained
    trainer.button("Reset").click()
    expect(trainer.status).to_have_text("Untrained.")
    assert trainer.looks() == untrained  # the same seed
    train.click()
    trainer.wait_for_step(2)
    trainer.heads(4).check()  # another setting stops the training
    expect(trainer.status).to_have_text("Untrained.")
    expect(train).to_be_visible()
    expect(trainer.maps).to_have_count(4)
    trainer.button("Another seed").click()
    expect(trainer.seed).to_have_value("1")
    trainer.seed.fill("1000")
    trainer.seed.press("Enter")
    expect(trainer.seed).to_have_value("999")
    expect(trainer.rows).to_have_count(2)  # finished runs only
    assert trainer.faults == []


def test_two_views_of_a_trainer_share_one_training(opened):
    one = opened()
    two = Trainer(one.page, 2), Trainer(one.page, 3)
    first, second = two
    first.button("Another seed").click()
    for trainer in two:
        expect(trainer.status).to_have_text("Untrained.")
    first.button("Train").click()
    second.wait_for_step(10)
    second.button("Pause").click()
    for trainer in two:
        expect(trainer.status).to_contain_text("Paused at step")
    assert first.step == second.step
    assert first.looks() == second.looks()
    assert len([url for url in one.requests if "trainer_worker.js" in url]) == 1
    assert one.faults == []


def test_a_step_draws_only_the_present_runs_curve(opened):
    trainer = opened()
    trainer.switch("positions").uncheck()
    expect(trainer.status).to_have_text("Untrained.")
    others = trainer.node.locator("path.other")
    expect(others).to_have_count(2)
    others.evaluate_all("nodes => nodes.forEach(node => (node.known = true))")
    trainer.button("Train").click()
    trainer.wait_for_step(10)
    assert others.evaluate_all("nodes => nodes.map(node => node.known)") == [True, True]


def test_maps_change_seldom_under_reduced_motion(opened):
    trainer = opened(reduced_motion="reduce", fresh=True)
    trainer.switch("divide by √d").uncheck()
    expect(trainer.status).to_have_text("Untrained.")
    trainer.page.evaluate(WATCH)
    trainer.button("Train").click()
    trainer.page.wait_for_function("() => window.drawn.length >= 6", timeout=PATIENCE)
    drawn = trainer.page.evaluate("window.drawn")[2:]  # after those of the click
    gaps = np.diff(drawn)[1::2]  # two heads are drawn together
    assert min(gaps) >= 1999


def test_without_a_worker_the_page_says_so(opened):
    trainer = opened(prepare=lambda page: page.route("**/trainer_worker.js*", lambda route: route.abort()))
    trainer.button("Train").click()
    expect(trainer.status).to_contain_text("This browser can't train here")
    expect(trainer.button("Train")).to_be_visible()
    recorded = [f"{100 * share:.0f} %" for share in recorded_runs()[1][1]["accuracy"]]
    expect(trainer.node.locator(".answer .number")).to_have_text(recorded)
    expect(trainer.node.locator(".is-old")).to_have_count(0)
    trainer.heads(4).check()
    expect(trainer.node.locator(".is-old")).to_have_count(1)
    trainer.button("1 head, seed 0").click()
    expect(trainer.maps).to_have_count(1)


def test_a_page_opened_from_a_file_trains(browser, built):
    page = browser.new_page()
    page.goto((built / "trainer.html").as_uri())
    page.mouse.move(1, 1)
    trainer = Trainer(page)
    trainer.button("Train").click()
    trainer.wait_for_step(2)
    trainer.button("Pause").click()
    expect(trainer.status).to_contain_text("Paused at step")
    page.close()


def test_the_settings_are_in_the_address(opened):
    trainer = opened()
    trainer.heads(1).check()
    trainer.button("Another seed").click()
    trainer.page.wait_for_function("() => location.hash === '#trainer-1_heads-1_seed-1'")
    again = opened("trainer.html#trainer-1_heads-1_seed-1_scale-off", height=500)
    expect(again.heads(1)).to_be_checked()
    expect(again.switch("divide by √d")).not_to_be_checked()
    expect(again.status).to_have_text("Untrained.")
    again.page.evaluate("location.hash = 'trainer-1_heads-3_seed-9999_scale-%3Cb%3E_positions-off'")
    expect(again.heads(2)).to_be_checked()  # the page's own again
    expect(again.switch("positions")).not_to_be_checked()
    expect(again.seed).to_have_value("0")
    assert again.faults == []


def test_contrast_and_room_in_both_themes(opened):
    trainer = opened(width=360)
    trainer.heads(4).check()
    expect(trainer.status).to_have_text("Untrained.")
    over = "nodes => nodes.filter(n => n.scrollHeight > n.clientHeight + 1).map(n => n.className)"
    parts = ".ab-hint, .ab-train-set, .ab-train-go, .ab-train-curve, .ab-train-right, .ab-train-maps"
    for width in (360, 1000):
        trainer.page.set_viewport_size({"width": width, "height": 900})
        assert trainer.node.locator(parts).evaluate_all(over) == []
        assert trainer.page.evaluate("document.documentElement.scrollWidth") <= width
    for theme in ("light", "dark"):
        trainer.page.evaluate(f"document.documentElement.dataset.theme = '{theme}'")
        expect(trainer.root).to_have_attribute("data-theme", theme)
        assert trainer.root.evaluate(CONTRAST) == []
