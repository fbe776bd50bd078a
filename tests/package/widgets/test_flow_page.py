"""The flow on a static page: the model's vectors as in PyTorch, played, scrubbed, hovered and zoomed."""

import re

import numpy as np
import pytest
import torch
from playwright.sync_api import expect

from attnbook import checkpoints
from attnbook.widgets.translation import CHECKPOINT, translate

TEXT, TARGET = "Saturday, March 7, 2009", "fr"
# Loads the model in the page as `window.model`.
OPEN = """async tags => {
  const [{ Model }, text] = await Promise.all(["date_model", "dates-translate"].map(attnbook.load));
  window.model = new Model(attnbook.shared.base64.fromBase64(text).buffer, tags);
}"""
STREAMS = """async ([text, tag, longest]) => {
  const { stream, written } = await model.translate(text, tag, { longest, stopped: () => false });
  const lists = (parts) => parts.map((one) => [...one]);
  const { encoder, memory, decoder } = stream;
  return { written, encoder: lists(encoder), memory: lists([memory]), decoder: lists(decoder) };
}"""
INSPECT = """([text, tag, written, cell]) => {
  const { query, keys, values, scores, weights } = model.inspect(text, tag, written, cell);
  const lists = (rows) => rows.map((row) => [...row]);
  const vectors = { query: [...query], keys: lists(keys), values: lists(values) };
  return { ...vectors, scores: [...scores], weights: [...weights] };
}"""
# The share of a canvas's rectangle (in shares of its size) that is drawn on.
DRAWN = """(canvas, [left, top, width, height]) => {
  const [w, h] = [canvas.width, canvas.height];
  const box = [left * w, top * h, width * w, height * h].map(Math.round);
  const { data } = canvas.getContext("2d").getImageData(...box);
  return data.filter((value, i) => i % 4 === 3 && value > 8).length / (data.length / 4);
}"""


@pytest.fixture(scope="module")
def trained():
    return checkpoints.load(CHECKPOINT)


@pytest.fixture(scope="module")
def model_page(shared, trained):
    """A page with the `model`."""
    page = shared("flow.html").page
    page.evaluate(OPEN, list(trained.task.targets))
    return page


@pytest.fixture
def open_flow(visit):
    """Opens the page's flow; it doesn't play."""

    def opened(index=0, *, reduced_motion="reduce", hash="", **options):
        visited = visit(f"flow.html{hash}", reduced_motion=reduced_motion, **options)
        live = visited.page.locator(".ab-translator .ab-live").nth(index)
        live.locator(".flow-out").first.wait_for(state="attached")
        return visited, live

    return opened


@pytest.mark.parametrize(("text", "target"), [(TEXT, TARGET), ("7 de marzo de 2009", "zh"), ("AM", "es")])
def test_the_models_vectors_equal_pytorchs(model_page, trained, text, target):
    made = translate(text, target)
    got = model_page.evaluate(STREAMS, [text, target, trained.task.target_length - 1])
    assert got["written"] == made.written
    for name, true in made.streams.items():
        np.testing.assert_allclose(np.array(got[name]).reshape(true.shape), true, rtol=0, atol=2e-4)


def test_the_recorded_vectors_are_those_of_the_first_translation(open_flow, trained, sent):
    """What is drawn before the model is loaded differs from its own vectors by half a step at most."""
    state = sent("flow")[0]
    visited, _ = open_flow()
    assert not any("dates-translate" in url for url in visited.requests)
    visited.page.evaluate(OPEN, list(trained.task.targets))
    got = visited.page.evaluate(STREAMS, [TEXT, TARGET, trained.task.target_length - 1])
    made = translate(TEXT, TARGET)
    for name, step in zip(("encoder", "memory", "decoder"), state["_steps"], strict=True):
        true = made.streams[name]
        codes = np.rint(true / step)
        np.testing.assert_allclose(
            codes * step, np.array(got[name]).reshape(true.shape), rtol=0, atol=0.51 * step
        )


@pytest.mark.parametrize("cell", [(0, 0, 0), (1, 0, 9), (1, 3, 18)])
def test_the_numbers_behind_a_weight_are_the_models(model_page, trained, cell):
    layer, head, row = cell
    made = translate(TEXT, TARGET)
    asked = {"layer": layer, "head": head, "row": row}
    got = model_page.evaluate(INSPECT, [TEXT, TARGET, made.written, asked])
    query, keys = np.array(got["query"]), np.array(got["keys"])
    np.testing.assert_allclose(keys @ query / np.sqrt(len(query)), got["scores"], atol=1e-4)
    weights = torch.tensor(got["scores"]).softmax(0).numpy()
    np.testing.assert_allclose(weights, got["weights"], atol=1e-5)
    np.testing.assert_allclose(weights, made.maps("cross").weights[layer, head, row], atol=1e-4)
    attention = trained.model.decoder.layers[layer].cross_attention
    with torch.no_grad():
        memory = torch.tensor(made.streams["memory"][0])
        part = slice(head * len(query), (head + 1) * len(query))
        np.testing.assert_allclose(attention.key(memory)[:, part], keys, atol=1e-4)
        np.testing.assert_allclose(attention.value(memory)[:, part], got["values"], atol=1e-4)


def test_with_reduced_motion_it_stands_still_and_whole(open_flow):
    visited, live = open_flow()
    made = translate(TEXT, TARGET)
    expect(live.locator(".flow-out.is-written")).to_have_count(len(made.written))
    expect(live.locator(".flow-out.now")).to_have_text("end")
    expect(live.locator(".written")).to_have_text(made.text)
    expect(live.get_by_role("button", name="play")).to_be_visible()
    assert visited.faults == []


@pytest.mark.parametrize("width", [390, 1200])
def test_the_marks_under_the_letters_are_inside_the_answers_box(open_flow, width):
    _, live = open_flow(width=width)
    letters = live.locator(".written .letter")
    expect(letters).to_have_count(len(translate(TEXT, TARGET).text))
    bottom = "node => node.getBoundingClientRect().bottom"
    lowest = letters.evaluate_all(f"nodes => Math.max(...nodes.map({bottom}))")
    assert lowest <= live.locator(".written").evaluate(bottom)


def test_it_plays_once_when_it_is_seen_and_then_waits(open_flow):
    visited, live = open_flow(reduced_motion="no-preference")
    live.locator(".ab-flow-stage").scroll_into_view_if_needed()
    expect(live.get_by_role("button", name="pause")).to_be_visible()
    expect(live.locator(".written")).to_have_text(translate(TEXT, TARGET).text)
    expect(live.get_by_role("button", name="play")).to_be_visible()
    expect(live.locator(".flow-out.now")).to_have_text("end")
    assert not any("dates-translate" in url for url in visited.requests)
    assert visited.faults == []


def test_the_slider_goes_through_the_encoder_and_then_token_by_token(open_flow):
    _, live = open_flow()
    made, slider = translate(TEXT, TARGET), live.get_by_role("slider", name="Step")
    weights = made.maps("cross").weights[-1].mean(0)
    says, canvas = live.locator(".ab-flow-says"), live.locator(".ab-flow-stage canvas")
    slider.press("Home")
    expect(says).to_contain_text(f"The {len(made.source)} tokens of the text")
    expect(live.locator(".written")).to_have_text("")
    assert canvas.evaluate(DRAWN, [0.6, 0.1, 0.3, 0.8]) == 0  # nothing in the decoder
    slider.press("ArrowRight")
    expect(says).to_contain_text("Encoder layer 0")
    for _ in range(2):
        slider.press("ArrowRight")
    most = made.source[weights[0].argmax()]
    step = f"Step 1 of {len(made.written)}: reads mostly “{most}” {weights[0].max():.2f}"
    expect(says).to_have_text(re.compile(rf"^{re.escape(step)}.*; writes “s” \(\d\.\d{{3}}\)$"))
    expect(live.locator(".flow-out.is-written")).to_have_count(1)
    assert slider.get_attribute("aria-valuetext") == says.text_content()
    assert canvas.evaluate(DRAWN, [0.6, 0.1, 0.3, 0.8]) > 0


def test_written_tokens_are_reached_by_keyboard(open_flow):
    visited, live = open_flow()
    made = translate(TEXT, TARGET)
    outputs = live.locator(".flow-out")
    assert live.locator(".flow-out[tabindex='0']").count() == 1
    outputs.last.focus()
    keys = visited.page.keyboard
    keys.press("Home")
    expect(outputs.first).to_be_focused()
    for _ in range(3):
        keys.press("ArrowDown")
    expect(outputs.nth(3)).to_be_focused()
    expect(live.locator(".flow-out.now")).to_have_text(made.written[3])
    spoken = re.compile(rf"^Step 4 of {len(made.written)}: reads mostly .*; writes “e”")
    expect(outputs.nth(3)).to_have_attribute("aria-label", spoken)
    expect(live.locator(".written")).to_have_text(made.text[:4])
    keys.press("Enter")
    expect(live.get_by_role("group", name="How the weight is computed")).to_be_visible()
    assert visited.faults == []


def test_a_ribbon_tells_its_weight_and_shows_how_it_is_computed(open_flow):
    visited, live = open_flow()
    made = translate(TEXT, TARGET)
    row, column = 9, made.source.index("M")  # it writes "m"
    assert made.written[row] == "m"
    weight = made.maps("cross").weights[1, :, row, column]
    live.locator(".flow-out").nth(row).click()
    stage = live.locator(".ab-flow-stage")
    stage.scroll_into_view_if_needed()
    source = live.locator(".flow-sources > span").nth(column).bounding_box()
    box = stage.bounding_box()
    # a ribbon begins where the heading of the cross-attention does
    left = live.locator(".flow-heads .middle").bounding_box()["x"]
    y = source["y"] + source["height"] / 2
    visited.page.mouse.move(left + 20, y - 1)
    visited.page.mouse.move(left + 6, y)
    expect(live.locator(".flow-tip")).to_have_text(f"“M” → “m”: {weight.mean():.3f}")
    assert left < box["x"] + box["width"]
    visited.page.mouse.click(left + 6, y)
    group = live.get_by_role("group", name="How the weight is computed")
    head = weight.argmax()
    expect(group).to_contain_text(f"Layer 1, head {head}: while it writes “m”, how much does it read “M”?")
    expect(group.locator("strong")).to_have_text(f"{weight[head]:.3f}")
    query, key, products = group.locator("tr").all()[:3]
    read = lambda tr: [float(one.replace("−", "-")) for one in tr.locator("td").all_inner_texts()]  # noqa: E731
    numbers = [read(tr) for tr in (query, key, products)]
    np.testing.assert_allclose(np.multiply(*numbers[:2]), numbers[2], atol=5e-3)
    group.get_by_role("button", name="cut this weight").click()
    expect(live.locator(".ab-effect li")).to_contain_text(f"layer 1, head {head}")
    expect(live.locator(".flow-out.now")).to_have_text("m")  # the picture stays where it was
    assert visited.faults == []


def test_a_vector_tells_its_components_and_what_self_attention_reads(open_flow):
    visited, live = open_flow()
    made = translate(TEXT, TARGET)
    live.locator(".ab-flow-stage").scroll_into_view_if_needed()
    column = made.source.index("M")
    state = live.locator(".flow-heads .column", has_text="layer 0").first.bounding_box()
    token = live.locator(".flow-sources > span").nth(column).bounding_box()
    # what attention adds is beside the state, with 0.6 of its width
    x, y = state["x"] + 1.3 * state["width"] + 4, token["y"] + token["height"] / 2
    visited.page.mouse.move(x + 1, y)
    visited.page.mouse.move(x, y)
    weights = made.maps("encoder").weights[1].mean(0)[column]
    most = f"reads mostly “{made.source[weights.argmax()]}” {weights.max():.2f}"
    tip = live.locator(".flow-tip")
    expect(tip).to_contain_text("“M”, what self-attention adds in layer 1")
    expect(tip).to_contain_text(most)
    # the component under the pointer, in the middle of 96
    number = made.streams["encoder"][3][column]
    shown = re.search(r"Component (\d+) of 96: about (−?\d+\.\d)$", tip.inner_text())
    assert 46 <= int(shown[1]) <= 50
    assert float(shown[2].replace("−", "-")) == pytest.approx(number[int(shown[1]) - 1], abs=0.11)


def test_a_typed_date_is_drawn(open_flow):
    visited, live = open_flow()
    field = live.get_by_label("Type a date")
    field.fill("1. Mai 2001")
    field.press("Enter")
    made = translate("1. Mai 2001", TARGET)
    expect(live.locator(".flow-out")).to_have_count(len(made.written))
    expect(live.locator(".flow-sources > span")).to_have_count(len(made.source))
    expect(live.locator(".written")).to_have_text(made.text)
    assert visited.faults == []


def test_the_address_keeps_step_head_and_heatmaps(open_flow):
    """And a link to that address restores them."""
    visited, live = open_flow()
    live.get_by_label("Cross-attention shown").select_option("0.3")
    live.locator(".flow-out").nth(9).click()
    visited.page.wait_for_function("() => location.hash == '#dates-1_step-12_head-0.3'")
    live.get_by_role("button", name="heatmaps").click()
    visited.page.wait_for_function("() => location.hash.endsWith('_heatmaps-open')")
    visited, live = open_flow(hash="#dates-1_step-12_head-0.3_heatmaps-open")
    expect(live.locator(".flow-out.now")).to_have_text("m")
    expect(live.get_by_label("Cross-attention shown")).to_have_value("0.3")
    expect(live.locator(".map canvas")).to_be_visible()
    expect(live.get_by_role("slider", name="Frame")).to_have_js_property("value", "9")
    live.get_by_role("button", name="heatmaps").click()
    live.get_by_label("Cross-attention shown").select_option("1.*")
    live.get_by_role("slider", name="Step").press("End")
    visited.page.wait_for_function("() => location.hash == '#dates-1_head-1.*'")
    assert visited.faults == []


def test_a_link_opens_its_text_at_its_step(open_flow):
    """Also with motion allowed, and when the address changes while the page is open."""
    link = "#dates-1_text-1.%20Mai%202001_into-de_step-4_head-1.2"
    visited, live = open_flow(hash=link, reduced_motion="no-preference")
    made = translate("1. Mai 2001", "de")
    expect(live.locator(".flow-out")).to_have_count(len(made.written))
    expect(live.locator(".flow-out.now")).to_have_text(made.written[1])
    expect(live.locator(".written")).to_have_text(made.text[:2])
    visited.page.evaluate("location.hash = '#dates-1_step-1'")
    expect(live.locator(".ab-flow-says")).to_contain_text("Encoder layer 0")
    expect(live.locator(".flow-sources > span")).to_have_count(len(translate(TEXT, TARGET).source))
    visited.page.evaluate("location.hash = '#dates-1_step-999_head-7.7'")
    expect(live.locator(".flow-out.now")).to_have_text("end")
    expect(live.get_by_label("Cross-attention shown")).to_have_value("1.*")
    assert visited.faults == []


def test_a_typed_date_leaves_the_step_of_the_address(open_flow):
    visited, live = open_flow(hash="#dates-1_step-5")
    live.get_by_label("Type a date").fill("1. Mai 2001")
    live.get_by_label("Type a date").press("Enter")
    expect(live.locator(".written")).to_have_text(translate("1. Mai 2001", TARGET).text)
    visited.page.wait_for_function("() => location.hash == '#dates-1_text-1.%20Mai%202001'")


def test_a_finger_can_go_step_by_step(open_flow):
    """Written tokens are small on a phone, so there are buttons that do the same."""
    visited, live = open_flow(width=390, height=844)
    made = translate(TEXT, TARGET)
    back, on = (live.get_by_role("button", name=f"One step {way}") for way in ("back", "on"))
    expect(on).to_be_disabled()
    back.click()
    expect(live.locator(".flow-out.now")).to_have_text(made.written[-2])
    on.click()
    expect(live.locator(".flow-out.now")).to_have_text("end")
    small = live.locator(".ab-flow-bar > *").evaluate_all(
        "all => all.filter(one => Math.min(one.offsetWidth, one.offsetHeight) < 24).length"
    )
    assert small == 0
    assert visited.faults == []


def test_a_head_can_be_chosen(open_flow):
    _, live = open_flow()
    made = translate(TEXT, TARGET)
    live.get_by_label("Cross-attention shown").select_option("0.1")
    live.locator(".flow-out").nth(7).click()
    row = made.maps("cross").weights[0, 1, 7]
    expect(live.locator(".ab-flow-says")).to_contain_text(f"{row.max():.2f}")


def test_heatmaps_come_on_demand_and_keep_step(open_flow):
    visited, live = open_flow()
    expect(live.locator(".map")).to_have_count(0)
    live.locator(".flow-out").nth(4).click()
    live.get_by_role("button", name="heatmaps").click()
    expect(live.locator(".map canvas")).to_be_visible()
    expect(live.get_by_role("slider", name="Frame")).to_have_js_property("value", "4")
    live.get_by_role("slider", name="Frame").press("ArrowRight")
    expect(live.locator(".flow-out.now")).to_have_text("i")
    assert visited.faults == []


@pytest.mark.bad_input
def test_a_flow_that_cannot_be_loaded_leaves_the_heatmaps(visit):
    block = lambda page: page.route("**/date_flow.js*", lambda route: route.abort())  # noqa: E731
    visited = visit("flow.html", prepare=block, reduced_motion="reduce")
    live = visited.page.locator(".ab-translator .ab-live").first
    expect(live.locator(".map canvas")).to_be_visible()
    expect(live.locator(".written")).to_have_text(translate(TEXT, TARGET).text)


@pytest.mark.bad_input
def test_hostile_and_long_text_stay_text(open_flow):
    visited, live = open_flow(width=390)
    field = live.get_by_label("Type a date")
    field.fill("<img src=x onerror=window.hacked=1> 7 mars 2009 " * 4)
    field.press("Enter")
    expect(live.locator(".flow-sources > span").nth(60)).to_be_attached()
    outputs = live.locator(".flow-out.is-written").evaluate_all("all => all.map(one => one.offsetHeight)")
    assert min(outputs) >= 12  # many tokens of the text don't squeeze those of the answer
    assert visited.page.evaluate("window.hacked") is None
    assert live.locator("img").count() == 0
    assert visited.page.evaluate("document.documentElement.scrollWidth") <= 390
    assert visited.faults == []
