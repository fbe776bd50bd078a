"""The sentence explorer on a static page: recorded maps first, then the model itself, equal to PyTorch."""

import base64
import re

import numpy as np
import pytest
import torch
from playwright.sync_api import expect

from attnbook import SentenceExplorer, ablate
from attnbook.pretrained.chunks import LARGEST, manifest
from attnbook.widgets.sentences import NAME
from tests.package.widgets.conftest import opener
from tests.tabs import wait_until

LAW = "机器人必须遵守人类给它的命令，除非该命令违背了第一法则。"
KING = "国王爱上了公主，但是她不愿意嫁人。"
CAT = "The cat slept because it was tired."
# Four sentences in each of nine languages; every ordered pair of one language makes a text.
SPOKEN = {
    "en": ["The train was late.", "She lost her keys!", "We'll meet at 9:30.", "Is it raining?"],
    "zh": ["火车晚点了。", "她丢了钥匙！", "我们九点半见面。", "下雨了吗？"],
    "es": ["El tren llegó tarde.", "¡Perdió sus llaves!", "Nos vemos a las 9:30.", "¿Está lloviendo?"],
    "fr": ["Le train est en retard.", "Elle a perdu ses clés !", "À demain, 9 h 30.", "Est-ce qu'il pleut ?"],
    "de": ["Der Zug kam zu spät.", "Sie verlor den Schlüssel!", "Wir treffen uns um 9.30 Uhr.", "Regnet es?"],
    "ru": ["Поезд опоздал.", "Она потеряла ключи!", "Встретимся в 9:30.", "Идёт дождь?"],
    "ar": ["تأخر القطار.", "لقد فقدت مفاتيحها!", "نلتقي في ٩:٣٠.", "هل تمطر؟"],
    "hi": ["ट्रेन देर से आई।", "उसकी चाबी खो गई!", "हम 9:30 बजे मिलेंगे।", "क्या बारिश हो रही है?"],
    "ja": ["電車が遅れた。", "彼女は鍵をなくした！", "９時半に会いましょう。", "雨が降っていますか？"],
}
TEXTS = [f"{one} {two}" for some in SPOKEN.values() for one in some for two in some if one != two]
# Runs texts through the page's model; returns ids and weights of each, as base64.
RUN = """async ([texts, cut]) => {
  const { openModel } = await attnbook.load("sentence_model");
  const model = await openModel("multilingual-e5-small"), results = [];
  for (const text of texts) {
    const { ids, weights, hidden } = await model.run(text, { cut });
    const codes = (array) => {
      const bytes = new Uint8Array(array.buffer);
      return btoa(Array.from(bytes, byte => String.fromCharCode(byte)).join(""));
    };
    results.push([ids, codes(weights), codes(hidden)]);
  }
  return results;
}"""

# JupyterLab's module, with a kernel that answers from the site's files.
NOTEBOOK = """async ({ maps, ...state }) => {
  const { default: widget } = await import("/sentence_explorer.js"), listeners = {};
  const bytes = text => Uint8Array.from(atob(text), letter => letter.charCodeAt(0));
  state._maps = maps.map(text => new DataView(bytes(text).buffer));
  const tell = (name, ...values) => (listeners[name] ?? []).forEach(call => call(...values));
  window.asked = [];
  const model = {
    get: name => state[name],
    set: (name, value) => { state[name] = value; tell(`change:${name}`); },
    save_changes: () => {},
    on: (name, call) => (listeners[name] ??= []).push(call),
    off: () => {},
    send: async ({ model, file }) => {
      window.asked.push(file);
      const answer = await fetch(`/_static/models/${model}/${file}`);
      tell("msg:custom", { model, file }, [new DataView(await answer.arrayBuffer())]);
    },
  };
  widget.render({ model, el: document.body });
}"""

# Whether the browser keeps this many bytes of the model.
KEPT = """async wanted => {
  const cache = await caches.open("attnbook-models-multilingual-e5-small"), keys = await cache.keys();
  const sizes = keys.map(async key => (await (await cache.match(key)).arrayBuffer()).byteLength);
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0) === wanted;
}"""


@pytest.fixture(scope="module")
def model(published):
    return published(NAME)


def in_pytorch(model, text, cut=()):
    """Ids, weights `(L, H, T, T)` and hidden states `(T, D)`."""
    ids = model[1].encode(text)
    with torch.no_grad(), ablate(model[0], [tuple(head) for head in cut]):
        hidden, attentions = model[0](torch.tensor([ids]))
    return ids, attentions.encoder[:, 0].numpy(), hidden[0].numpy()


def in_page(page, texts, cut=()):
    """The same, computed by the page."""
    results = []
    for at in range(0, len(texts), 10):
        for ids, weights, hidden in page.evaluate(RUN, [texts[at : at + 10], list(cut)]):
            numbers = [np.frombuffer(base64.b64decode(one), np.float32) for one in (weights, hidden)]
            results.append((ids, numbers[0].reshape(12, 12, len(ids), -1), numbers[1].reshape(len(ids), -1)))
    return results


class Sentences:
    """One explorer, operated as a reader would."""

    def __init__(self, page, index=0):
        self.page = page
        self.node = page.locator(".ab-sentences .ab-live").nth(index)
        self.line, self.note = self.node.locator(".ab-line"), self.node.locator(".ab-remark")
        self.said = self.node.locator(".words-of-model")

    def words(self, side):
        return self.node.get_by_role("toolbar", name=side).get_by_role("button")

    def cell(self, layer, head):
        return self.node.get_by_role("radio", name=re.compile(f"^layer {layer}, head {head}\\b"))

    def button(self, name):
        return self.node.get_by_role("button", name=name)

    def type(self, text, label="Type a sentence"):
        field = self.node.get_by_label(label)
        field.fill(text)
        field.press("Enter")

    def load(self):
        self.button("Load the model").click()
        expect(self.said).to_contain_text("The model runs in this page")


opened = opener(Sentences, "sentences.html")


def test_recorded_sentences_need_no_model(opened):
    explorer = opened()
    expect(explorer.line).to_have_text(
        "In layer 7, head 0, the query 它的 gives the key 机器人 a weight of 0.74."
    )
    expect(explorer.note).to_have_text("Recorded sentence. ")
    expect(explorer.cell(7, 0)).to_have_attribute("aria-checked", "true")
    expect(explorer.cell(7, 0)).to_have_attribute("aria-label", re.compile(r"^layer 7, head 0: 0\.74$"))
    expect(explorer.node.locator(".ranks li").first).to_have_text("7·0 → 机器人 0.74")
    expect(explorer.words("key").filter(has_text="机器人")).to_contain_text("0.74")
    explorer.node.get_by_label("Recorded sentences").select_option(KING)
    expect(explorer.words("query").filter(has_text="国王")).to_be_visible()
    expect(explorer.line).to_contain_text("Choose a query")
    expect(explorer.node.get_by_label("Type a sentence")).to_have_value(KING)
    explorer.type(CAT)
    expect(explorer.note).to_contain_text("This sentence isn't recorded: load the model to run it.")
    expect(explorer.note).to_contain_text(f"Still showing: {KING}")
    expect(explorer.button("Cut this head")).to_be_disabled()
    assert [url for url in explorer.requests if "/models/" in url] == []


def test_words_heads_and_pairs_can_be_picked(opened):
    explorer = opened()
    explorer.words("key").filter(has_text="机器人").click()  # picked before: no pair any more
    expect(explorer.line).to_contain_text(
        "In layer 7, head 0, the query 它的 attends mainly to 机器人 (0.74), "
    )
    expect(explorer.node.locator(".ab-grid .caption")).to_have_text(
        "Each square: the weights of the query 它的"
    )
    rank = explorer.node.locator(".ranks button").nth(4)
    layer, head = divmod(int(rank.get_attribute("data-at")), 12)
    rank.click()
    expect(explorer.cell(layer, head)).to_have_attribute("aria-checked", "true")
    explorer.cell(3, 4).click()
    expect(explorer.line).to_contain_text("In layer 3, head 4, the query 它的 attends")
    explorer.node.locator(".ab-one canvas").click(position={"x": 3, "y": 3})
    expect(explorer.line).to_have_text(
        re.compile(r"^In layer 3, head 4, the query <s> gives the key <s> a weight of 0\.\d\d\.$")
    )


def test_everything_can_be_done_by_keyboard(opened):
    explorer = opened()
    explorer.cell(7, 0).press("ArrowRight")
    expect(explorer.cell(7, 1)).to_be_focused()
    explorer.cell(7, 1).press("ArrowDown")
    expect(explorer.cell(8, 1)).to_have_attribute("aria-checked", "true")
    first = explorer.words("query").first
    first.focus()
    first.press("End")
    last = explorer.words("query").last
    expect(last).to_be_focused()
    last.press("ArrowLeft")
    explorer.words("query").nth(-2).press("Enter")
    expect(explorer.line).to_contain_text("the query 。 gives the key 机器人 a weight of")
    assert explorer.words("query").evaluate_all("all => all.filter(one => one.tabIndex === 0).length") == 1


def test_hostile_text_stays_text(opened):
    explorer = opened()
    hostile = Sentences(explorer.page, 1)
    expect(hostile.words("query").filter(has_text="script").first).to_be_visible()
    assert explorer.page.evaluate("window.hacked") is None
    assert hostile.node.locator(".ab-words b").count() == 0
    assert explorer.faults == []


def test_the_model_reads_any_sentence_as_pytorch_does(opened, model, address):
    """One visit: load, compare on 108 texts, cut, compare sentences, keep and remove."""
    explorer = opened(fresh=True)
    page, sizes = explorer.page, []
    page.on("response", lambda answer: sizes.append(int(answer.headers["content-length"])))
    explorer.type(CAT)
    explorer.load()
    expect(explorer.words("query").filter(has_text="cat")).to_be_visible()
    expect(explorer.note).to_have_text("")
    assert 17e6 < sum(sizes) < 25e6
    assert "without WebAssembly" not in explorer.said.inner_text()

    for text, (ids, weights, hidden) in zip(TEXTS, in_page(page, TEXTS), strict=True):
        expected = in_pytorch(model, text)
        assert ids == expected[0], text
        np.testing.assert_allclose(weights, expected[1], atol=1e-3, err_msg=text)
        np.testing.assert_allclose(hidden, expected[2], atol=1e-2, err_msg=text)

    cut = [[7, 0], [3, 5]]
    for (_, weights, hidden), text in zip(in_page(page, [LAW, CAT], cut), [LAW, CAT], strict=True):
        expected = in_pytorch(model, text, cut)
        np.testing.assert_allclose(weights, expected[1], atol=1e-3)
        np.testing.assert_allclose(hidden, expected[2], atol=1e-2)

    explorer.cell(7, 0).click()
    explorer.button("Cut this head").click()
    expect(explorer.node.locator(".move").first).to_be_visible()
    states = [in_pytorch(model, CAT, heads)[2] for heads in ((), [(7, 0)])]
    norms = [np.linalg.norm(one, axis=1) for one in states]
    moves = 1 - (states[0] * states[1]).sum(1) / (norms[0] * norms[1])
    shown = explorer.node.locator(".move").evaluate_all("all => all.map(one => one.title)")
    assert [float(one.rpartition(": ")[2]) for one in shown] == pytest.approx(moves, abs=2e-4)
    explorer.button("Restore this head").click()
    expect(explorer.node.locator(".move").first).to_be_hidden()

    explorer.type("Le chat dormait.", "Type another sentence")
    means = [in_pytorch(model, f"query: {text}")[2].mean(0) for text in (CAT, "Le chat dormait.")]
    cosine = means[0] @ means[1] / np.linalg.norm(means[0]) / np.linalg.norm(means[1])
    said = explorer.node.locator(".similar")
    expect(said).to_contain_text("Cosine of the two sentence embeddings: 0.")
    assert float(re.search(r"0\.\d+", said.inner_text())[0]) == pytest.approx(cosine, abs=1.1e-3)

    expect(Sentences(page, 1).said).to_contain_text("The model runs in this page")  # one model for all
    assert [url for url in explorer.requests if not url.startswith((address, "data:"))] == []
    page.reload()
    expect(explorer.said).to_contain_text("Your browser still has")
    explorer.requests.clear()
    explorer.button("Start the model").click()
    expect(explorer.said).to_contain_text("The model runs in this page")
    assert [url for url in explorer.requests if url.endswith(".bin")] == []
    explorer.button("Remove").click()
    expect(explorer.button("Load the model").first).to_be_visible()
    assert page.evaluate("caches.keys()") == []
    assert explorer.faults == []


def test_in_a_notebook_python_sends_the_model(browser, address, model):
    widget = SentenceExplorer(CAT, model=model)
    names = (
        "text",
        "other",
        "layer",
        "head",
        "query",
        "key",
        "cut",
        "sentences",
        "_tokens",
        "_size",
        "title",
    )
    state = {name: getattr(widget, name) for name in names}
    state["maps"] = [base64.b64encode(one).decode() for one in widget._maps]
    page = browser.new_page(bypass_csp=True)  # a notebook allows workers from blobs
    page.goto(address + "blank.html")
    page.evaluate(NOTEBOOK, state)
    page.get_by_role("button", name="Load the model").click()
    expect(page.get_by_text("The model runs in this page.", exact=True)).to_be_visible()
    field = page.get_by_label("Type a sentence")
    field.fill(LAW)
    field.press("Enter")
    expect(page.get_by_role("toolbar", name="query").get_by_text("机器人")).to_be_visible()
    assert page.evaluate("asked[0]") == "manifest.json"
    assert page.get_by_role("button", name="Remove").count() == 0
    page.close()


def test_it_works_without_webassembly(opened, model):
    """A policy without 'wasm-unsafe-eval' blocks WebAssembly in the worker."""

    def forbid(route):
        answer = route.fetch()
        policy = answer.headers["content-security-policy"].replace(" 'wasm-unsafe-eval'", "")
        route.fulfill(response=answer, headers=answer.headers | {"content-security-policy": policy})

    explorer = opened(prepare=lambda page: page.route("**/sentence_worker.js*", forbid))
    explorer.load()
    expect(explorer.said).to_contain_text("without WebAssembly and therefore slower")
    texts = TEXTS[::40]
    for text, (ids, weights, _) in zip(texts, in_page(explorer.page, texts), strict=True):
        expected = in_pytorch(model, text)
        assert ids == expected[0]
        np.testing.assert_allclose(weights, expected[1], atol=1e-3)


def test_a_copy_without_the_models_says_so(opened):
    gone = lambda route: route.fulfill(status=404)  # noqa: E731
    explorer = opened(prepare=lambda page: page.route("**/models/**", gone))
    explorer.button("Load the model").click()
    expect(explorer.said).to_contain_text("without the model's files")
    expect(explorer.said).to_contain_text("You can still explore the recorded sentences.")
    expect(explorer.line).to_contain_text("a weight of 0.74")
    explorer.page.unroute("**/models/**")
    explorer.button("Try again").click()
    expect(explorer.said).to_contain_text("The model runs in this page")


def test_loading_can_be_cancelled_and_resumed(opened):
    hold = lambda page: page.route("**/layers-3.bin", lambda route: None)  # noqa: E731
    explorer = opened(prepare=hold)
    explorer.button("Load the model").click()
    expect(explorer.node.get_by_role("progressbar")).to_be_visible()
    wait_until(explorer.page, KEPT, manifest(NAME)["parts"]["head"]["end"] + 3 * LARGEST)
    explorer.button("Cancel").click()
    expect(explorer.button("Start the model")).to_be_visible()
    explorer.page.unroute("**/layers-3.bin")
    explorer.requests.clear()
    explorer.button("Start the model").click()
    expect(explorer.said).to_contain_text("The model runs in this page")
    assert [url.rpartition("/")[2] for url in explorer.requests if "layers" in url] == ["layers-3.bin"]


def test_a_page_opened_from_a_file_shows_recorded_maps(browser, built):
    page = browser.new_page()
    page.goto((built / "sentences.html").as_uri())
    page.mouse.move(1, 1)
    explorer = Sentences(page)
    expect(explorer.said).to_contain_text("opened from a file")
    expect(explorer.line).to_contain_text("a weight of 0.74")
    expect(explorer.button("Load the model")).to_have_count(0)
    page.close()


def test_a_link_leads_to_the_same_view(opened):
    explorer = opened()
    explorer.cell(3, 4).click()
    explorer.words("key").nth(4).click()
    explorer.button("Link to this view").click()
    expect(explorer.node.locator(".linked")).not_to_be_empty()
    line = explorer.line.inner_text()
    link = explorer.page.evaluate("location.hash")
    assert re.fullmatch(r"#sentence-1_layer-3_head-4_key-4", link)
    again = opened(f"sentences.html{link}", height=500)
    expect(again.line).to_have_text(line)
    again.page.evaluate(
        "location.hash = 'sentence-1_layer-99_query-x_cut-1.12_cut-a_text-%20_key-2_head-5_other-_text-%E0'"
    )
    expect(again.cell(7, 5)).to_have_attribute("aria-checked", "true")  # the layer is the page's own again
    assert again.faults == []
