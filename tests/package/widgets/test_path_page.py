"""The path explorer on a static page: mouse, touch and keyboard, and drawings that agree with the counts."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

from attnbook import PathExplorer
from bookpress import ROOT

CONTRAST = (ROOT / "tests" / "contrast.js").read_text("utf8")
PARTNER = (Path(__file__).parent / "partner.js").read_text()
ROBOT, HOSTILE, LONG = range(3)
WORDS = ["a", "robot", "must", "obey", "the", "orders", "it", "is", "given", "by", "people"]
NETWORKS = ["recurrent", "convolution", "attention"]


class Paths:
    """One path explorer, operated as a reader would."""

    def __init__(self, page, index):
        self.page = page
        self.node = page.locator(".ab-widget").nth(index)

    def flag(self, name):
        return self.node.get_by_role("slider", name=name, exact=True)

    def word(self, index):
        return self.node.locator(".ab-sentence .ab-word:has(.text)").nth(index)

    def panel(self, network):
        return self.node.locator(".ab-panel:has(.plot)").nth(NETWORKS.index(network))

    @property
    def picked(self) -> tuple[int, int]:
        """The positions of both flags, from 0."""
        return tuple(int(self.flag(name).get_attribute("aria-valuenow")) - 1 for name in ("from", "to"))

    def set(self, name, value):
        self.node.get_by_role("slider", name=f"convolution {name}").evaluate(
            "(input, value) => { input.value = value; input.dispatchEvent(new Event('input')); }", value
        )

    @property
    def steps(self) -> dict:
        """The counts above the drawings, in the form of `PathExplorer.steps`."""
        texts = {network: self.panel(network).locator(".steps").inner_text() for network in NETWORKS}
        return {
            network: None if text == "no path" else int(text.split()[0]) for network, text in texts.items()
        }

    @property
    def hops(self) -> dict[str, int]:
        """The number of arrows in each drawing."""
        return {network: self.panel(network).locator("g.hop").count() for network in NETWORKS}

    def note(self, network) -> str:
        return self.panel(network).locator(".note").text_content()


@pytest.fixture
def open_paths(visit):
    return lambda index, **options: Paths(visit("path.html", **options).page, index)


@pytest.fixture(scope="module")
def models(sent) -> list[dict]:
    return sent("path")


SETTINGS = [
    (1, 6, 3, 2),
    (1, 6, 3, 5),
    (0, 10, 9, 3),
    (10, 0, 9, 2),
    (4, 4, 5, 1),
    (7, 5, 5, 12),
    (0, 1, 7, 12),
]


@pytest.mark.parametrize(("source", "target", "kernel", "layers"), SETTINGS)
def test_steps_and_drawings_agree_with_python(shared, source, target, kernel, layers):
    paths = Paths(shared("path.html").page, ROBOT)
    paths.word(source).click()
    paths.word(target).click()
    paths.set("kernel", kernel)
    paths.set("layers", layers)
    truth = PathExplorer(WORDS, kernel, layers, source, target)
    assert paths.picked == (source, target)
    assert paths.steps == truth.steps
    assert paths.hops == {network: steps or 0 for network, steps in truth.steps.items()}
    needed = f"= {truth.layers_needed}" if source != target else "= 0, at least 1"
    assert paths.panel("convolution").locator(".formula").inner_text().endswith(needed)
    lit = paths.panel("convolution").locator("circle.node.seen").count()
    reach = [
        min(10, target + row * (kernel - 1) // 2) - max(0, target - row * (kernel - 1) // 2) + 1
        for row in range(layers + 1)
    ]
    assert lit == sum(reach)


def test_unreachable_positions_are_explained(open_paths):
    paths = open_paths(ROBOT)
    assert paths.note("convolution") == (
        "2 layers of kernel 3 see 1 + 2·2 = 5 inputs, 2 to each side. The two are 5 apart: "
        "out of reach, it takes 5 layers."
    )
    assert paths.note("recurrent").startswith(
        "One step reads robot, and one more passes it on at each of 5 positions"
    )
    paths.set("layers", 5)
    assert paths.note("convolution").endswith("The two are 5 apart: in reach, one step per layer.")
    paths.word(6).click()
    paths.word(1).click()
    assert paths.note("recurrent") == (
        "It reads from left to right: robot is read before it. "
        "A second network from right to left would take 6 steps."
    )
    assert paths.note("attention") == "robot attends to all 11 positions at once, including it."


def test_a_click_in_a_drawing_chooses_a_position(open_paths):
    paths = open_paths(ROBOT)
    plot = paths.panel("attention").locator(".plot")
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    column = lambda i: box["x"] + box["width"] * (i + 0.5) / 11  # noqa: E731
    paths.page.mouse.click(column(9), box["y"] + box["height"] - 20)
    paths.page.mouse.click(column(2), box["y"] + 20)
    assert paths.picked == (9, 2)


def test_flags_are_dragged(open_paths):
    paths = open_paths(ROBOT)
    for name, index in {"from": 4, "to": 9}.items():
        start, end = paths.flag(name).bounding_box(), paths.word(index).bounding_box()
        paths.page.mouse.move(start["x"] + 9, start["y"] + 8)
        paths.page.mouse.down()
        paths.page.mouse.move(end["x"] + end["width"] / 2, start["y"] + 12, steps=4)
        paths.page.mouse.up()
    assert paths.picked == (4, 9)
    paths.page.mouse.move(5, 5)
    assert paths.picked == (4, 9)


def test_by_finger(open_paths):
    paths = open_paths(ROBOT, width=360, has_touch=True, is_mobile=True)
    paths.word(3).tap()
    paths.word(8).tap()
    assert paths.picked == (3, 8)


def test_by_keyboard(open_paths):
    paths = open_paths(ROBOT)
    press = paths.page.keyboard.press
    paths.flag("from").focus()
    for key in ("ArrowRight", "ArrowUp", "ArrowLeft"):
        press(key)
    assert paths.picked == (2, 6)
    assert paths.flag("from").get_attribute("aria-valuetext") == "must, 3 of 11"
    press("Tab")
    press("End")
    assert paths.picked == (2, 10)
    press("ArrowRight")
    press("Home")
    assert paths.picked == (2, 0)
    assert paths.flag("to").evaluate("flag => flag.getRootNode().activeElement === flag")
    paths.flag("from").focus()
    for _ in range(2):
        press("ArrowLeft")
    assert paths.picked == (0, 0)  # both may be at the same word
    assert paths.steps == {"recurrent": 1, "convolution": 2, "attention": 1}
    expect(paths.node.locator(".said")).to_have_text(
        "from a to a: recurrent 1 step, convolution 2 steps, attention 1 step"
    )


def test_tab_reaches_everything_with_a_visible_focus(open_paths):
    paths = open_paths(ROBOT)
    paths.flag("from").focus()
    for keys in ("Tab", "Shift+Tab"):
        paths.page.keyboard.press(keys)
    seen = []
    for _ in range(5):
        seen.append(
            paths.page.evaluate(
                """() => {
                  const inner = document.activeElement.shadowRoot.activeElement;
                  const style = getComputedStyle(inner);
                  const name = inner.ariaLabel ?? inner.closest("label, summary").textContent;
                  return [name.slice(0, 14), style.outlineStyle, parseFloat(style.outlineWidth)];
                }"""
            )
        )
        paths.page.keyboard.press("Tab")
    assert [name for name, *_ in seen] == ["from", "to", "convolution ke", "convolution la", "The numbers as"]
    assert all(style == "solid" and width >= 2 for _, style, width in seen)


def test_the_table_of_longest_paths(open_paths):
    paths = open_paths(ROBOT)
    paths.node.locator("summary").click()
    rows = paths.node.locator("table.numbers tr").all()
    cells = [[cell.strip() for cell in row.locator("th, td").all_inner_texts()][1:] for row in rows]
    assert cells == [
        ["11", "22", "44", "88"],
        ["11", "22", "44", "88"],
        ["10", "21", "43", "87"],
        ["1", "1", "1", "1"],
    ]
    paths.set("kernel", 9)
    assert rows[2].locator("td").all_inner_texts() == ["3", "6", "11", "22"]


def test_view_and_model_stay_in_sync(visit, models):
    page = visit("blank.html").page
    page.evaluate(PARTNER, {"module": "/path_explorer.js", "state": models[ROBOT]})
    paths = Paths(page, 0)
    paths.word(2).click()
    paths.word(7).click()
    paths.set("kernel", 5)
    paths.set("layers", 3)
    seen = page.evaluate("model.state")
    assert {name: seen[name] for name in ("source", "target", "kernel", "layers")} == {
        **{"source": 2, "target": 7},
        **{"kernel": 5, "layers": 3},
    }
    assert page.evaluate("model.saved") == 4
    page.evaluate("""() => {
      model.set("source", 10); model.set("target", 0); model.set("kernel", 9); model.set("layers", 6);
      model.set("title", "Other");
    }""")
    assert paths.picked == (10, 0)
    assert paths.steps == {"recurrent": None, "convolution": 6, "attention": 1}
    assert paths.node.locator(".title").inner_text() == "Other"
    assert page.evaluate("model.saved") == 4


def test_two_explorers_are_independent(visit):
    page = visit("path.html").page
    one, other = Paths(page, ROBOT), Paths(page, LONG)
    before = other.picked, other.steps
    one.word(8).click()
    one.set("layers", 9)
    assert (other.picked, other.steps) == before


def test_hostile_tokens_are_shown_as_text(visit):
    opened = visit("path.html")
    paths = Paths(opened.page, HOSTILE)
    for index in range(12):
        paths.word(index).click()
    words = paths.node.locator(".ab-sentence .text").all_text_contents()
    assert words[0] == "<img src=x onerror=wind…"
    assert words[2:6] == ["$x$", "[U+202E]abc", "∅", "↵"]
    assert words[6] == "x" * 23 + "…"
    assert words[7:] == ["␠lead", "שלום", "日本語", "<!--<script>", "&amp;"]
    assert paths.node.locator(".title").text_content() == "<b>Hostile</b> $y$"
    assert paths.node.locator("img:not(.ab-static), script:not([type]), mjx-container").count() == 0
    assert opened.page.evaluate("window.hacked") is None
    assert opened.faults == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_has_enough_contrast(visit, theme):
    page = visit("path.html", theme=theme).page
    page.evaluate(f"document.documentElement.dataset.theme = '{theme}'")
    for index in (ROBOT, HOSTILE, LONG):
        assert Paths(page, index).node.locator(".root").evaluate(CONTRAST) == []


def test_reduced_motion(visit):
    for motion, name in {"no-preference": "arrive", "reduce": "none"}.items():
        paths = Paths(visit("path.html", reduced_motion=motion).page, ROBOT)
        hop = paths.panel("recurrent").locator("g.hop").first
        animated = "hop => getComputedStyle(hop).animationName"
        assert hop.evaluate(animated) == "none"  # no motion before the reader acts
        paths.word(2).click()
        assert paths.panel("recurrent").locator("g.hop").first.evaluate(animated) == name


WIDTHS = (360, 600, 1200)


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_is_wider_than_the_page_or_cut_off(visit, width):
    page = visit("path.html", width=width).page
    for index in (ROBOT, HOSTILE, LONG):
        Paths(page, index).node.locator("summary").click()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    over = "nodes => nodes.filter(n => n.scrollHeight > n.clientHeight + 1).map(n => n.textContent)"
    assert page.locator(".ab-live .ab-panel").evaluate_all(over) == []
    assert page.locator(".ab-live .ab-hint").evaluate_all(over) == []


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_moves_when_settings_change(visit, places, width):
    page = visit("path.html", width=width).page
    before = places(page)
    paths = Paths(page, ROBOT)
    for index in (9, 0, 5):
        paths.word(index).click()
        paths.set("layers", index + 1)
        assert places(page) == pytest.approx(before, abs=1)


def test_repeated_tokens_have_their_positions(open_paths):
    paths = open_paths(LONG)
    paths.word(8).click()  # o of "one"
    paths.word(15).click()
    assert paths.note("attention") == "o#16 attends to all 24 positions at once, including o#9."
