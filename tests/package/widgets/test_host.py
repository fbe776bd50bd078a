"""The host that mounts a page's widgets: it survives broken data and follows anywidget's protocol."""

import json
import re
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from playwright.sync_api import expect

from bookpress.extension.places import LARGE
from tests.widget_data import read_states

CLEAN_UP = Path(__file__).parent / "clean_up.js"


@pytest.fixture
def broken(visit, built):
    """Opens the page with its state changed by a function; the second widget's data get two bad texts."""

    def open_page(change):
        text = (built / "index.html").read_text("utf-8")
        start, end = re.search(r'widget-state\+json">(.*?)</script>', text, re.S).span(1)
        own = json.loads(text[start:end])["state"]["widget2"]["data"]
        program = (built / "_static" / "widgets" / f"{own}.js").read_text("utf-8")
        call, texts = re.fullmatch(r"(.*?)(\[.*\])\);", program).groups()
        texts = json.loads(texts)
        data = change(text[start:end])
        for wrong in ("AAAA", "?!"):
            data = data.replace(f'"at": "{wrong}"', f'"at": {len(texts)}')
            texts.append(wrong)
        (built / "broken.html").write_text(text[:start] + data + text[end:], "utf-8")
        amended = f"{call}{json.dumps(texts)});"
        served = {"body": amended, "content_type": "text/javascript"}
        prepare = lambda page: page.route(f"**/{own}.js*", lambda route: route.fulfill(**served))  # noqa: E731
        opened = visit("broken.html", prepare=prepare)
        opened.page.wait_for_function(
            "() => [...document.querySelectorAll('.ab-widget')].every(e => e.dataset.state)"
        )
        return opened

    return open_page


HERE = ".ab-widget:not([data-state])"
# A browser tells a new tab where the mouse was in another one, which looks like the reader's first action.
OTHERS = """
  addEventListener("pointermove", (event) => event.clientX !== 7 && event.stopImmediatePropagation(), true)"""


@pytest.fixture
def untouched(visit):
    """Opens the page in a low window; of the mouse, it notices only moves to x = 7."""
    return lambda: visit(height=300, touched=False, prepare=lambda page: page.add_init_script(OTHERS)).page


def test_distant_widgets_are_mounted_later(untouched):
    page = untouched()
    far = page.locator(HERE)
    assert 0 < far.count() < page.locator(".ab-widget").count()
    last = page.locator(".ab-widget").last
    assert last.get_attribute("data-state") is None
    last.scroll_into_view_if_needed()
    page.wait_for_function("node => node.dataset.state === 'live'", arg=last.element_handle())
    assert last.locator(".map canvas").is_visible()


def test_weights_are_decoded_in_idle_time(visit):
    """Their base64 text, a third longer, is freed."""
    count = """const from = Uint8Array.fromBase64; window.decoded = 0;
        Uint8Array.fromBase64 = (text) => (window.decoded++, from.call(Uint8Array, text));"""
    page = visit(prepare=lambda page: page.add_init_script(count)).page
    buffers = page.evaluate(
        """() => {
            const { state } = JSON.parse(document.querySelector("script[type*=widget-state]").textContent);
            return Object.values(state).flatMap((model) => model.buffers ?? []).length;
        }"""
    )
    assert buffers > 20
    page.wait_for_function(f"() => window.decoded === {buffers}")
    assert page.locator("script[type*=octet-stream]").evaluate_all("nodes => nodes.every(n => !n.text)")


DATA = "**/widgets/data/*.js*"


def test_large_data_are_loaded_with_their_widget(visit, built):
    """The page itself stays small, and the data become the widget's as those in the page do."""
    states = read_states(built / "sentences.html")
    assert sum(len(data) for state in states.values() for data in state["buffers"].values()) > LARGE
    assert 'type="application/octet-stream"' not in (built / "sentences.html").read_text("utf-8")
    opened = visit("sentences.html")
    expect(opened.page.locator(".ab-widget").first).to_have_attribute("data-state", "live")
    assert len([url for url in opened.requests if "/widgets/data/" in url]) == len(states)
    assert opened.faults == []


def test_data_that_cannot_be_loaded_leave_the_picture(visit):
    opened = visit("sentences.html", prepare=lambda page: page.route(DATA, lambda route: route.abort()))
    widget = opened.page.locator(".ab-widget").first
    expect(widget).to_have_attribute("data-state", "broken")
    expect(widget.locator("img.ab-static")).to_be_visible()
    assert any(".js did not arrive" in fault for fault in opened.faults)


@pytest.mark.parametrize("move", ["mouse", "key", "address"])
def test_the_readers_first_action_mounts_all_widgets(untouched, move):
    page = untouched()
    assert page.locator(HERE).count() > 0
    if move == "mouse":
        page.mouse.move(7, 5)
    elif move == "key":
        page.keyboard.press("Shift")
    else:
        page.evaluate("location.hash = 'attention-4_head-1'")
    page.wait_for_function(f"() => !document.querySelector({json.dumps(HERE)})")
    assert page.evaluate("scrollY") == 0 or move == "address"


def test_an_address_that_names_a_widget_mounts_it(visit):
    page = visit("index.html#attention-2_head-1", height=300, touched=False).page
    page.wait_for_function("() => scrollY > 0")
    assert page.locator(HERE).count() == 0


def states(opened):
    return opened.page.locator(".ab-widget").evaluate_all("nodes => nodes.map(n => n.dataset.state)")


def in_second_model(damage):
    """A change that damages only the page's second widget."""

    def change(text):
        data = json.loads(text)
        name = next(name for name, model in data["state"].items() if "Hostile" in model["state"]["title"])
        damage(data["state"], name)
        return json.dumps(data).replace("<", "\\u003c")

    return change


def buffer(model, name) -> dict:
    """The first buffer of a trait."""
    return next(entry for entry in model["buffers"] if entry["path"] == [name, 0])


DAMAGES = {
    "no model": lambda models, name: models.pop(name),
    "no state": lambda models, name: models[name].pop("state"),
    "no buffers": lambda models, name: models[name].pop("buffers"),
    "short weights": lambda models, name: buffer(models[name], "_weights").update(at="AAAA"),
    "short mask": lambda models, name: buffer(models[name], "_masks").update(at="AAAA"),
    "not base64": lambda models, name: models[name]["buffers"][0].update(at="?!"),
    "no bytes": lambda models, name: models[name]["buffers"][0].update(at=10**6),
    "no tokens": lambda models, name: models[name]["state"].pop("key_tokens"),
    "no shape": lambda models, name: models[name]["state"].pop("_shape"),
    "wrong shape": lambda models, name: models[name]["state"].update(_shape=[3, 4, 12, 11]),
    "unknown widget": lambda models, name: models[name]["state"].update(
        _anywidget_id="attnbook.widgets.Nothing"
    ),
}


@pytest.mark.bad_input
@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_one_broken_widget_says_so_and_the_others_work(broken, damage):
    opened = broken(in_second_model(damage))
    assert states(opened) == ["live", "broken", "live", "live"]
    place = opened.page.locator(".ab-widget").nth(1)
    assert place.locator(".ab-broken").inner_text() == "This interactive figure could not be loaded."
    assert place.locator("img.ab-static").is_visible()
    assert not [fault for fault in opened.faults if not fault.startswith("attnbook:")]


@pytest.mark.bad_input
def test_a_page_with_unreadable_data_says_so(broken):
    opened = broken(lambda text: text[: len(text) // 2])
    assert states(opened) == ["broken"] * 4
    assert opened.page.locator("img.ab-static").first.is_visible()


def test_a_widget_that_needs_a_kernel_shows_its_text(built):
    page = BeautifulSoup((built / "other.html").read_text("utf-8"), "html.parser")
    assert "IntSlider(value=7)" in page.get_text()
    assert "widget-view+json" not in str(page)
    assert "widget-state+json" not in str(page)


def test_two_views_of_one_model_stay_in_sync(visit, built):
    text = (built / "index.html").read_text("utf-8")
    first = re.search(r'<div class="ab-widget .*?</script>', text, re.S)[0] + "</div></div>"
    (built / "twice.html").write_text(
        text.replace("after the first</p>", f"after the first</p>{first}"), "utf-8"
    )
    opened = visit("twice.html")
    opened.page.wait_for_selector(".ab-widget[data-state=live] >> nth=1")
    one, two = opened.widget(0), opened.widget(1)
    one.click(2, 2)
    assert one.locked == two.locked == "must"
    two.click(2, 2)
    assert one.locked == two.locked == ""


NUMBERS = [[1.0, 0.0], [0.0, 1.0]]
SIZES = ("query", "key", "scores", "scaled", "weights", "value", "output")
LANES = {"need": 0, "height": 900, "at": {name: [0, 0] for name in (*SIZES, "masked")}}
STEPPER = {
    **{"title": "t", "scale": True, "masking": "causal", "mask_when": "before", "step": 0, "selected": []},
    **{"query_tokens": ["a", "b"], "key_tokens": ["a", "b"], "_mask": [], "padding": [], "temperature": 1.0},
    **{"_query": NUMBERS, "_key": NUMBERS, "_value": NUMBERS},
    "_sizes": {name: [30, 44, 120, 140] for name in SIZES},
    "_lanes": {when: [LANES] for when in ("none", "before", "after")},
}
PATH = {"tokens": ["a", "b", "c"], "source": 0, "target": 2, "kernel": 3, "layers": 2, "title": "t"}
PLANE = {
    **{"_keys": NUMBERS, "_values": NUMBERS, "labels": ["a", "b"], "_limit": 2.0, "_tick": 1.0, "title": "t"},
    **{"query": [1.0, 0.0], "temperature": 1.0, "score": "dot"},
}
CLOCKS = {"_speeds": [1.0, 0.1], "position": 0, "offset": 3, "title": "t"}
STRINGS = {"heads": 1, "scale": True, "positions": True, "seed": 0}
TRAINER = {
    **{**STRINGS, "title": "t", "training": False, "runs": [], "_steps": 300},
    "_recorded": [
        {**STRINGS, "step": 300, "losses": [3.3, 2.1], "example": ["a", "b"], "maps": [1, 0, 0, 1]}
        | {"accuracy": [0.5, 0.5, 0.1]}
    ],
}
TRAINING = {
    **{
        "title": "t",
        "step": 0,
        "layer": 0,
        "head": -1,
        "_text": "7",
        "_target": "iso",
        "_source": ["7", "."],
    },
    **{"_right": ["7"], "_curve": [[0, 2.0], [9, 0.1]], "_heads": [1, 1], "_codes": [[255, 0], [0, 255]]},
    "_snapshots": [
        {
            **{"step": step, "written": ["7"], "probabilities": [0.5], "good": [True], "found": [True]},
            **{"loss": 1.0, "accuracy": 0.5},
        }
        for step in (0, 9)
    ],
}
TRANSLATOR = {
    **{"title": "t", "text": "7", "target": "iso", "kind": "cross", "cuts": [], "_known": "7"},
    **{"_languages": [["en", "English", "English"]], "_writing": {"en": {"long": [4]}}},
    "_first": {
        **{"source": ["⟨iso⟩", "7"], "written": ["7", "⟨end⟩"], "layers": 1, "heads": 1, "longest": 9},
        **{"likeliest": [[["7", 1.0]], [["⟨end⟩", 1.0]]], "longestRead": 9},
        **{"text": "7", "target": "iso", "ended": True},
    },
    **{name: [[65535, 0, 0, 65535]] for name in ("_cross", "_decoder", "_encoder")},
}
VIEWS = {
    "translator": {
        "module": "/date_translator.js",
        "state": TRANSLATOR,
        "first": ["kind", "encoder"],
        "later": ["kind", "decoder"],
    },
    "path": {"module": "/path_explorer.js", "state": PATH, "first": ["layers", 3], "later": ["source", 1]},
    "plane": {
        "module": "/query_plane.js",
        "state": PLANE,
        "first": ["query", [0.0, 1.0]],
        "later": ["temperature", 2.0],
    },
    "clocks": {
        "module": "/position_clocks.js",
        "state": CLOCKS,
        "first": ["position", 4],
        "later": ["offset", 2],
    },
    "trainer": {
        "module": "/attention_trainer.js",
        "state": TRAINER,
        "first": ["runs", []],
        "later": ["seed", 0],
    },
    "training, playing": {
        "module": "/training_explorer.js",
        "state": TRAINING,
        "press": ["Play"],
        "first": ["head", 0],
        "later": ["step", 9],
    },
    "explorer": {"module": "/attention_explorer.js", "first": ["head", 1], "later": ["locked", 0]},
    **{
        f"explorer with {part} open, playing": {
            "module": "/attention_explorer.js",
            "press": [part, "Play"],
            "first": ["head", 1],
            "later": ["frame", 0],
        }
        for part in ("Text", "Table", "Options", "Save or share")
    },
    "stepper": {
        "module": "/attention_stepper.js",
        "state": STEPPER,
        "first": ["mask_when", "after"],
        "later": ["step", 3],
    },
}


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_removing_a_view_removes_its_listeners(visit, view):
    opened = visit("blank.html")
    seen = opened.page.evaluate(CLEAN_UP.read_text(), view)
    assert min(seen["during"][:3]) >= 1
    if "press" in view:
        assert seen["during"][3] == 1  # playing
        assert seen["during"][0] > seen["before"][0] or view["press"][0] in ("Table", "Play")
    assert seen["after"] == seen["again"] == [0, 0, 0, 0]
    assert seen["children"] == 0
    assert opened.faults == []
