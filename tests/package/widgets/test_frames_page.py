"""A sequence of maps on a built page: slider, playback and a common colour scale."""

import numpy as np
import pytest

TRAINING, DECODING = range(2)


def frame(widget) -> str:
    return widget.node.locator(".frame-name").inner_text()


@pytest.fixture
def opened(visit):
    return visit("explorer.html")


def test_the_slider_goes_to_any_frame(opened, truth):
    widget = opened.widget(TRAINING)
    slider = widget.node.get_by_role("slider", name="Frame")
    assert frame(widget) == "step 0"
    slider.fill("3")
    assert frame(widget) == "step 30"
    assert slider.get_attribute("aria-valuetext") == "step 30"
    assert widget.hover(2, 4) == f"{truth['training'][3, 0, 2, 4]:.3f}"
    slider.press("ArrowRight")
    widget.node.get_by_role("radio", name="Head 1").click()
    assert widget.hover(2, 4) == f"{truth['training'][4, 1, 2, 4]:.3f}"


def test_the_weight_under_the_mouse_follows_the_frames(opened, truth):
    widget = opened.widget(TRAINING)
    widget.hover(2, 4)
    widget.node.get_by_role("slider", name="Frame").evaluate(
        "slider => { slider.value = 2; slider.dispatchEvent(new Event('input')); }"
    )
    assert widget.node.locator(".value").inner_text() == f"{truth['training'][2, 0, 2, 4]:.3f}"


def test_all_frames_share_one_colour_scale(opened, truth):
    widget = opened.widget(TRAINING)
    slider = widget.node.get_by_role("slider", name="Frame")
    darkest = []
    for at in range(5):
        slider.fill(str(at))
        darkest.append(min(widget.pixels(row, row).mean() for row in range(6)))
    assert darkest[0] > darkest[2] > darkest[4]


def test_play_runs_to_the_end_and_starts_again(visit):
    widget = visit("explorer.html", fresh=True).widget(TRAINING)
    widget.page.clock.install()
    play = widget.node.locator(".ab-frames button")
    assert play.inner_text() == "Play"
    play.press("Enter")
    assert (frame(widget), play.inner_text()) == ("step 10", "Pause")
    widget.page.clock.run_for(1000)
    assert frame(widget) == "step 20"
    widget.page.clock.run_for(10_000)
    assert (frame(widget), play.inner_text()) == ("step 40", "Play")
    play.press("Enter")
    assert frame(widget) == "step 0"
    play.click()
    assert play.inner_text() == "Play"
    widget.page.clock.run_for(5000)
    assert frame(widget) == "step 0"


def test_the_slider_stops_playback(visit):
    widget = visit("explorer.html", fresh=True).widget(TRAINING)
    widget.page.clock.install()
    widget.node.locator(".ab-frames button").click()
    widget.node.get_by_role("slider", name="Frame").fill("1")
    widget.page.clock.run_for(5000)
    assert frame(widget) == "step 10"


def test_nothing_plays_with_reduced_motion(visit):
    widget = visit("explorer.html", reduced_motion="reduce", fresh=True).widget(TRAINING)
    widget.page.clock.install()
    step = widget.node.get_by_role("button", name="Next", exact=True)
    step.click()
    widget.page.clock.run_for(5000)
    assert frame(widget) == "step 10"
    for _ in range(4):
        step.click()
    assert frame(widget) == "step 0"


def test_rows_of_later_steps_are_masked(opened, truth):
    widget = opened.widget(DECODING)
    assert frame(widget) == "2009-03-07"
    slider = widget.node.get_by_role("slider", name="Frame")
    slider.fill("4")
    assert widget.hover(4, 3) == f"{truth['decoding'][4, 4, 3]:.3f}"
    assert widget.hover(5, 3) == "masked"
    assert len(np.unique(widget.pixels(5, 3), axis=0)) > 1
