"""All widgets: they don't move the page, have a picture as fallback, and are accessible."""

import functools
import json
import re
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

import pytest

from bookpress import ROOT
from bookpress.inspection import AT_REST

CONTRAST = (ROOT / "tests" / "contrast.js").read_text("utf8")
AXE = files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")
RUN = """async (options) => {
  const found = await axe.run({ include: [".ab-widget"] }, { resultTypes: ["violations"], ...options });
  const lines = ({ id, nodes }) => nodes.map(({ target, html }) => `${id}: ${target} ${html}`);
  return { faults: found.violations.flatMap(lines), passed: found.passes.map(({ id }) => id) };
}"""
COLOURS = ["color-contrast", "link-in-text-block"]  # the rules that depend on colours
STATES = "nodes => nodes.map(node => node.dataset.state)"
TOO_WIDE = "nodes => nodes.filter(node => node.scrollWidth > node.clientWidth + 1).length"
KINDS = {
    "index": ["attention_explorer"],
    "explorer": ["attention_explorer"],
    "language": ["language_model_explorer"],
    "stepper": ["attention_stepper"],
    "path": ["path_explorer"],
    "clocks": ["position_clocks"],
    "plane": ["query_plane"],
    "translator": ["attention_explorer", "date_translator"],
    "flow": ["date_flow", "date_translator"],
    "sentences": ["sentence_explorer"],
    "tours": [
        *("attention_explorer", "attention_stepper", "attention_trainer", "date_flow", "date_translator"),
        *("language_model_explorer", "path_explorer", "position_clocks", "query_plane", "sentence_explorer"),
        "training_explorer",
    ],
    "trainer": ["attention_trainer"],
    "training": ["training_explorer"],
}
ON_DEMAND = {"explorer": ["explorer_edit.js", "explorer_lines.js"]}  # of explorers that start in these views
every_page = pytest.mark.parametrize("name", KINDS, scope="module")


def test_the_list_of_pages_is_complete():
    assert sorted(KINDS) == sorted(["index", *(page.stem for page in Path(__file__).parent.glob("*.md"))])


@every_page
def test_every_widget_is_mounted_without_errors(opened, address):
    visit = opened(1200)
    visit.page.wait_for_load_state("networkidle")
    assert set(visit.page.locator(".ab-widget").evaluate_all(STATES)) == {"live"}
    assert visit.faults == []  # this includes violations of the content security policy
    assert [url for url in visit.requests if not url.startswith((address, "data:"))] == []


@every_page
def test_a_page_loads_only_the_scripts_of_its_widgets(opened, name):
    visit = opened(1200)
    visit.page.wait_for_load_state("networkidle")
    scripts = [url for url in visit.requests if "/widgets/" in url and "/widgets/data/" not in url]
    loaded = [url.rpartition("/")[2].partition("?")[0] for url in scripts]
    first = ["attnbook-host.css", "attnbook-host.js", *(f"{kind}.js" for kind in KINDS[name])]
    assert loaded[: len(first)] == first
    assert sorted(loaded[len(first) :]) == ON_DEMAND.get(name, [])


@every_page
@pytest.mark.parametrize("width", [360, 600, 768, 1200])
def test_mounting_moves_nothing_and_nothing_is_too_wide(opened, places, width):
    """Compare the positions of the text after each widget before and after its script has run."""
    waiting = opened(1200, scripts=False).page
    waiting.set_viewport_size({"width": width, "height": 900})
    before = places(waiting)
    page = opened(width).page
    page.wait_for_load_state("networkidle")
    assert len(before) > 1
    assert places(page) == pytest.approx(before, abs=1)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator(".ab-live").evaluate_all(TOO_WIDE) == 0


ALT = {
    "index": "Plain: heatmap of attention weights, 8 queries by 8 keys",
    "stepper": "By hand: scores, attention weights and output as tables of numbers, 3 queries by 3 keys",
    "language": "Repeated: the attention weights of one head of a language model over "
    "“owl seven paper green lamp sea clock fifty road pencil owl seven paper green lamp sea clock fifty "
    "road”",
    "path": "From robot to it: the path between two of 11 positions through a recurrent network, "
    "2 convolutions of kernel 3, and attention",
    "clocks": "Two positions: 4 dials, each with the hands of positions 0 and 3 and the angle between them",
    "plane": "Where it looks: a query among 5 keys in the plane, and the weights as bars",
    "sentences": "Pronoun: layer 7, head 0 on “机器人必须遵守人类给它的命令，除非该命令违背了第一法则。” "
    "as a heatmap of weights",
    "trainer": "Neighbours: training loss, attention maps and accuracy of a model with 2 heads that names "
    "the letters before and after",
    "training": "As it learns: the loss curve of a training, and where the model attends at four of its "
    "steps",
    "translator": "Dates: the trained model's translation of “Saturday, March 7, 2009”, token by token, "
    "with its attention weights",
}


@pytest.mark.parametrize("name", ALT)
def test_without_scripts_and_in_print_the_picture_is_shown(visit, name):
    page = visit(f"{name}.html", java_script_enabled=False).page
    pictures = page.locator(".ab-widget img.ab-static")
    assert pictures.count() == page.locator(".ab-widget").count()
    for picture in pictures.all():
        picture.scroll_into_view_if_needed()
        assert picture.is_visible()
        assert picture.bounding_box()["height"] > 100
    assert pictures.first.get_attribute("alt") == ALT[name]
    assert page.locator(".ab-ghost").first.bounding_box() is None
    page = visit(f"{name}.html").page
    page.emulate_media(media="print")
    assert page.locator(".ab-widget img.ab-static").first.is_visible()
    assert not page.locator(".ab-live").first.is_visible()


@every_page
def test_what_is_chosen_is_outlined_in_forced_colours(opened):
    """There, backgrounds and shadows are gone."""
    page = opened(1200).page
    page.emulate_media(forced_colors="active")
    chosen = page.locator(":is([aria-pressed=true], [aria-checked=true]):visible")
    outlines = chosen.evaluate_all("all => all.map(one => getComputedStyle(one).outlineStyle)")
    page.emulate_media(forced_colors="none")
    assert set(outlines) <= {"solid"}


@pytest.fixture(scope="module")
def everything(opened):
    """The page in a window of this width, with everything open that widgets show on demand."""

    @functools.cache
    def show(width: int):
        page = opened(width).page
        for button in page.get_by_role("button", name="All", exact=True).all():
            button.click(force=True)
        for fold in page.locator("summary").all():
            fold.click()
        for number in page.locator("[data-stage=weights] tbody tr:first-child td:last-child").all():
            number.click()
        return page

    return show


@every_page
@pytest.mark.parametrize(("width", "theme"), [(360, "light"), (1200, "light"), (1200, "dark")])
def test_axe_finds_nothing(everything, width, theme):
    """Colours, whose check takes long, don't depend on the width, and nothing else depends on the theme."""
    page = everything(width)
    page.evaluate(f"document.documentElement.dataset.theme = '{theme}'")
    page.evaluate(AT_REST)
    if theme == "dark":
        assert axe(page, only=COLOURS) == []
    else:
        assert axe(page, contrast=width == 1200) == []


def test_axe_finds_nothing_in_the_explorers_panels(visit):
    page = visit("explorer.html").page
    widgets = page.locator(".ab-widget").all()
    for widget in widgets:
        widget.locator(".map").press("ArrowDown")
        widget.locator(".map").press("Enter")
    for part in ("Text", "Table", "Options", "Save or share"):  # one is open at a time
        for widget in widgets:
            widget.get_by_role("button", name=part, exact=True).click()
            widget.locator(".part > *").wait_for()
        page.mouse.move(1, 1)
        page.evaluate(AT_REST)
        assert axe(page, contrast=False) == [], part
        for theme in ("dark", "light"):
            page.evaluate(f"document.documentElement.dataset.theme = '{theme}'")
            page.evaluate(AT_REST)
            for root in page.locator(".ab-widget .root").all():
                assert root.evaluate(CONTRAST) == [], part  # as axe's own check of contrast takes long


def test_axe_finds_a_planted_fault(visit):
    """A planted fault is found, even inside a widget."""
    page = visit("explorer.html").page
    page.evaluate(
        """() => document.querySelector('.attnbook-widget').shadowRoot.querySelector('.root')
             .append(document.createElement('select'))"""
    )
    assert any(fault.startswith("select-name") for fault in axe(page))


def axe(page, contrast: bool = True, only: Sequence[str] = ()) -> list[str]:
    """What axe finds in widgets: by all its rules, without its check of contrast, or by some rules only."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE)
    all_rules = {"rules": {"color-contrast": {"enabled": contrast}}}
    found = page.evaluate(RUN, {"runOnly": only} if only else all_rules)
    passed = found["passed"]
    assert set(only) & set(passed) if only else len(passed) > 10
    return found["faults"]


MISSING = {
    "flow": ("Flow", ["_first", "_cross"]),
    "language": ("Repeated", ["_readings", "_maps", "_shape"]),
    "path": ("From robot to it", ["tokens", "source", "kernel"]),
    "clocks": ("Two positions", ["_speeds", "position"]),
    "plane": ("Where it looks", ["_keys", "_values", "labels", "_limit", "query", "score"]),
    "stepper": ("By hand", ["_query", "query_tokens", "_sizes"]),
    "sentences": ("Pronoun", ["sentences", "_tokens", "_maps"]),
    "trainer": ("Neighbours", ["_recorded", "_steps", "heads", "runs"]),
    "training": ("As it learns", ["_snapshots", "_codes", "_source", "_right", "_curve", "_heads", "step"]),
    "translator": ("Dates", ["_first", "_known", "_writing", "_cross"]),
}


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("name", "trait"), [(name, trait) for name, (_, traits) in MISSING.items() for trait in traits]
)
def test_a_widget_without_data_says_so_and_the_others_work(visit, built, name, trait):
    text = (built / f"{name}.html").read_text("utf-8")
    start, end = re.search(r'widget-state\+json">(.*?)</script>', text, re.S).span(1)
    data = json.loads(text[start:end])
    model = next(one for one in data["state"].values() if one["state"]["title"] == MISSING[name][0])
    model["state"].pop(trait)
    model["buffers"] = [one for one in model.get("buffers", []) if one["path"][0] != trait]
    page = text[:start] + json.dumps(data).replace("<", "\\u003c") + text[end:]
    (built / f"broken-{name}-{trait}.html").write_text(page, "utf-8")
    page = visit(f"broken-{name}-{trait}.html").page
    page.wait_for_function("() => [...document.querySelectorAll('.ab-widget')].every(e => e.dataset.state)")
    states = page.locator(".ab-widget").evaluate_all(STATES)
    assert states == ["broken"] + ["live"] * (len(states) - 1)
    page.locator("img.ab-static").first.wait_for()  # visible
