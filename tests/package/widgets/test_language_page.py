"""The language model in the page: equal to PyTorch, and the explorer operated by mouse and keyboard."""

import base64
import hashlib
import json
import re
from pathlib import Path

import numpy as np
import pytest
from gguf import GGUFReader
from playwright.sync_api import expect

from attnbook.pretrained import smollm2
from attnbook.pretrained.files import cache_folder, given
from attnbook.widgets import language_prompts as prompts
from tests.package.pretrained.conftest import make_texts
from tests.package.widgets.conftest import Visit, visitor
from tests.package.widgets.language_reference import FILE
from tests.tabs import wait_until

FIRST, MARY = range(2)
# Opens the model as `window.remote`, without the widget.
OPEN = """async script => {
  const { Remote } = await attnbook.load("language_remote");
  const { signal } = window.stop = new AbortController();
  window.remote = await Remote.open({ name: "smollm2-135m-instruct", script, signal });
  return remote.kernel;
}"""
READ = """async text => {
  const { ids, likeliest } = await remote.read(text);
  return { ids, likeliest };
}"""
# All weights of a text in turn as base64, token by token.
MAPS = """async text => {
  const { rows } = await remote.read(text);
  const bytes = rows.map(row => new Uint8Array(row.buffer));
  const letters = each => Array.from(each, one => String.fromCharCode(one)).join("");
  return bytes.map(each => btoa(letters(each)));
}"""
ENCODE = """async texts => {
  const all = [];
  for (const text of texts) all.push((await remote.call("encode", { text })).ids);
  return all;
}"""


@pytest.fixture(scope="module")
def remote(browser, widget_tabs, address):
    """A page with the model as `window.remote`."""
    with visitor(browser, widget_tabs, address) as open_page:
        opened = open_page("language.html", fresh=True)
        assert opened.page.evaluate(OPEN, False) == "WebAssembly"
        yield opened.page
        assert opened.faults == []


def test_it_predicts_what_pytorch_predicts(remote):
    """The same most likely token on at least 98 % of 500 positions, the same order where margins allow."""
    same, all_, worst = 0, 0, 0.0
    for row in json.loads(FILE.read_text("utf8")):
        got = remote.evaluate(READ, row["text"])
        assert got["ids"] == row["ids"]
        for true, made in zip(row["likeliest"], got["likeliest"], strict=True):
            names, shares = zip(*true, strict=True)
            mine = dict(made)
            same += made[0][0] == names[0]
            all_ += 1
            worst = max(worst, *(abs(mine.get(name, 0) - share) for name, share in true if share > 0.02))
            clear = [i for i in range(4) if shares[i] - shares[i + 1] > 0.002]
            for i in clear:
                assert {name for name, _ in made[: i + 1]} == set(names[: i + 1])
    assert all_ >= 500
    assert same >= 0.98 * all_
    assert worst < 0.01


@pytest.mark.parametrize("name", ["A list, repeated", "Mary and John"])
def test_all_270_maps_are_pytorchs(remote, name):
    reading = prompts.recorded()[name]
    rows = remote.evaluate(MAPS, reading.text)
    for t, row in enumerate(rows):
        made = np.frombuffer(base64.b64decode(row), np.float32).reshape(30, 9, t + 1)
        np.testing.assert_allclose(made, reading.maps[:, :, t, : t + 1], atol=0.006)


def test_cut_heads_change_what_they_change_in_pytorch(remote):
    reading = prompts.recorded()["A list, repeated"]
    for cut in reading.cuts:
        heads = sorted(9 * layer + head for layer, head in cut["heads"])
        changes = remote.evaluate("([ids, cut]) => remote.compare(ids, cut)", [reading.ids, heads])
        for made, true in zip(changes, cut["changes"], strict=True):
            mine = {token: shares for token, *shares in made}
            for token, *shares in true[:3]:
                if max(shares) > 0.02:
                    assert mine[token] == pytest.approx(shares, abs=0.005)


def test_token_by_token_equals_all_at_once(remote):
    text = prompts.PROMPTS["Robots"]
    whole = remote.evaluate(READ, text)
    remote.evaluate("() => remote.read('Something else')")
    steps = remote.evaluate(
        """async ids => {
          let reading;
          for (const i of ids.keys()) reading = await remote.read("", ids.slice(0, i + 1), 1);
          return reading.likeliest;
        }""",
        whole["ids"],
    )
    for one, other in zip(steps, whole["likeliest"], strict=True):
        assert one[0][0] == other[0][0]
        assert one[0][1] == pytest.approx(other[0][1], abs=1e-4)


def test_its_tokenizer_is_the_published_one(remote):
    path = given(prompts.MODEL, cache_folder() / prompts.MODEL)
    tokenizer = smollm2.read_tokenizer(GGUFReader(path))
    texts = make_texts()
    wanted = [tokenizer.encode(text) for text in texts]
    got = remote.evaluate(ENCODE, texts)
    assert [text for text, mine, true in zip(texts, got, wanted, strict=True) if mine != true] == []
    some = [[number for number in row if number < 49_152] for row in wanted[:50]]
    spelled = remote.evaluate("rows => Promise.all(rows.map(ids => remote.call('tokens', { ids })))", some)
    assert spelled == [tokenizer.tokens(row) for row in some]


def test_sampling_follows_temperature_and_top_p(remote):
    remote.evaluate("text => remote.read(text)", prompts.PROMPTS["Mary and John"])
    draw = """async settings => {
      const tokens = [];
      for (let i = 0; i < 50; i++) {
        const { token } = await remote.call("next", { ...settings, random: (i + 0.5) / 50 });
        tokens.push(token);
      }
      return tokens;
    }"""
    assert set(remote.evaluate(draw, {"temperature": 0, "topP": 1})) == {" Mary"}
    assert set(remote.evaluate(draw, {"temperature": 1, "topP": 0.9})) == {" Mary"}
    drawn = remote.evaluate(draw, {"temperature": 1, "topP": 1})
    assert drawn.count(" Mary") == pytest.approx(46, abs=1)
    assert remote.evaluate(draw, {"temperature": 2, "topP": 1}).count(" Mary") < drawn.count(" Mary")


def test_without_webassembly_it_computes_the_same(visit):
    page = visit("language.html").page
    assert page.evaluate(OPEN, True) == "JavaScript"
    got = page.evaluate(READ, prompts.PROMPTS["A capital"])
    for made, true in zip(got["likeliest"], prompts.recorded()["A capital"].likeliest, strict=True):
        assert made[0][0] == true[0][0]
        assert made[0][1] == pytest.approx(true[0][1], abs=2e-3)


class Explorer:
    """One explorer, operated as a reader would."""

    def __init__(self, opened, index):
        self.opened, self.page = opened, opened.page
        self.live = opened.page.locator(".ab-language").nth(index).locator(".ab-live")

    def button(self, name):
        return self.live.get_by_role("button", name=name)

    @property
    def rows(self):
        return self.live.locator("tbody tr")

    @property
    def tokens(self):
        return self.live.locator(".chip")

    @property
    def head(self):
        return self.live.locator(".cell[aria-checked=true]")

    def load(self):
        self.button("Load the model").click()
        expect(self.button("Remove from this browser")).to_be_visible(timeout=120_000)


@pytest.fixture
def explore(visit):
    return lambda index=FIRST, **options: Explorer(visit("language.html", **options), index)


def test_recorded_prompts_work_without_the_model(explore):
    explorer = explore()
    expect(explorer.rows.first).to_contain_text("pencil0.637")
    expect(explorer.tokens).to_have_count(19)
    for name, reading in prompts.recorded().items():
        explorer.live.get_by_label("Recorded prompts").select_option(name)
        expect(explorer.tokens).to_have_count(len(reading.ids))
        token, share = reading.likeliest[-1][0]
        expect(explorer.rows.first).to_contain_text(f"{token.strip()}{share:.3f}")
    assert not any("models/" in url or "language_remote" in url for url in explorer.opened.requests)
    explorer.live.get_by_label("Prompt", exact=True).fill("Another text")
    explorer.button("Run the model").click()
    expect(explorer.live.locator(".ab-lm-note")).to_contain_text("load the model to run it")
    assert explorer.opened.faults == []


def test_a_recorded_cut_is_shown_beside_the_whole_model(explore):
    explorer = explore()
    explorer.button("Cut the four induction heads").click()
    expect(explorer.rows.first).to_contain_text("pencil0.6370.009")
    expect(explorer.live.locator(".cut-list")).to_have_text(
        "Without heads 17·3, 17·4, 17·5, 18·6, the probability of “pencil” falls from 0.637 to 0.009."
    )
    assert explorer.live.locator(".cell", has_text="✕").count() == 4
    explorer.button("Cut four other heads").click()
    expect(explorer.rows.first).to_contain_text("pencil0.6370.602")
    explorer.button("Restore all heads").click()
    expect(explorer.live.locator("thead th")).to_have_count(2)
    expect(explorer.button("Cut head 18·6")).to_be_disabled()  # only the model can show this cut
    explorer.head.press("x")
    expect(explorer.live.locator(".cut-list")).to_contain_text("Cut a head to see")
    explorer.live.get_by_label("Recorded prompts").select_option("The heavy box")
    explorer.button("Cut the four induction heads").click()
    expect(explorer.live.locator(".cut-list")).to_contain_text("the probability of “box” ")


def test_heads_are_ranked_by_what_they_attend_to(explore):
    explorer = explore(MARY)
    maps = prompts.recorded()["Mary and John"].maps
    sort = explorer.live.get_by_label("270 heads by their weight on")
    diagonal = np.diagonal(maps, -1, 2, 3).mean(-1)
    for name, scores in {"first": maps[:, :, 1:, 0].mean(-1), "previous": diagonal}.items():
        sort.select_option(name)
        layer, head = np.unravel_index(scores.argmax(), scores.shape)
        best = explorer.live.locator(".ranked .small").first
        expect(best).to_have_text(re.compile(rf"{layer}·{head} {round(100 * scores.max())} %"))
    sort.select_option("pair")
    explorer.tokens.nth(3).click()
    layer, head = np.unravel_index(maps[:, :, -1, 3].argmax(), (30, 9))
    expect(explorer.live.locator(".ranked .small b").first).to_have_text(f"{layer}·{head}")


@pytest.mark.parametrize("width", [360, 760, 1200])
def test_nothing_is_cut_off(explore, width):
    explorer = explore(width=width)
    explorer.button("Cut the four induction heads").click()
    expect(explorer.live.locator("thead th")).to_have_count(3)
    cut = explorer.live.locator(
        ".ab-lm-load, .ab-lm-note, .ab-lm-side, .ab-lm-map, .ab-lm-heads"
    ).evaluate_all(
        "nodes => nodes.filter(node => node.scrollHeight > node.clientHeight + 1).map(node => node.className)"
    )
    assert cut == []


def test_the_chosen_head_is_scrolled_into_view(explore):
    """On a phone the grid shows about half of the layers."""
    explorer = explore(width=390)
    grid = explorer.live.locator(".grid-box").bounding_box()
    for layer, head in ((18, 6), (29, 8), (0, 0)):
        explorer.page.evaluate(f"location.hash = 'language-1_layer-{layer}_head-{head}'")
        expect(explorer.head).to_have_attribute("aria-label", re.compile(f"^Layer {layer}, head {head}: "))
        cell = explorer.head.bounding_box()
        assert grid["x"] + 18 <= cell["x"]
        assert cell["x"] + cell["width"] <= grid["x"] + grid["width"]


def test_the_keyboard_reaches_tokens_and_heads(explore):
    explorer = explore()
    explorer.live.locator(".chip[aria-checked=true]").focus()
    explorer.page.keyboard.press("ArrowLeft")
    expect(explorer.live.locator("caption")).to_have_text("Next token after ␠fifty (in the text: ␠road)")
    explorer.page.keyboard.press("End")
    expect(explorer.live.locator("caption")).to_have_text("Next token after ␠road")
    explorer.head.focus()
    explorer.page.keyboard.press("ArrowLeft")
    expect(explorer.head).to_have_attribute("aria-label", re.compile("^Layer 17, head 6: "))
    explorer.page.keyboard.press("ArrowUp")
    expect(explorer.head).to_have_attribute("aria-label", re.compile("^Layer 17, head 5: "))


def test_a_link_leads_to_the_same_view(visit):
    first = Explorer(visit("language.html#language-2_head-3"), FIRST)
    first.live.get_by_label("Recorded prompts").select_option("The heavy box")
    first.button("Cut the four induction heads").click()
    first.tokens.nth(4).click()
    expect(first.page).to_have_url(re.compile(r"position-4_.*cut-18\.6"))
    link = first.page.evaluate("location.hash")
    assert "language-2_head-3" in link  # the other explorer's segment is kept
    opened = visit(f"language.html{link}")
    again, other = Explorer(opened, FIRST), Explorer(opened, MARY)
    expect(again.live.get_by_label("Prompt", exact=True)).to_have_value(prompts.PROMPTS["The heavy box"])
    expect(again.live.locator(".cut-list")).to_have_text(first.live.locator(".cut-list").inner_text())
    expect(again.live.locator("caption")).to_have_text(first.live.locator("caption").inner_text())
    expect(other.head).to_have_attribute("aria-label", re.compile("^Layer 7, head 3: "))
    opened.page.evaluate(
        "location.hash = 'language-1_layer-30_head-2_cut-30.0_position-x_prompt-%E0_sort-evil'"
    )
    expect(again.head).to_have_attribute("aria-label", re.compile("^Layer 18, head 2: "))
    expect(again.tokens).to_have_count(19)
    assert opened.faults == []


def test_the_loaded_model_reads_generates_and_cuts(explore):
    explorer = explore()
    explorer.load()
    explorer.button("Next token").click()
    expect(explorer.live.locator(".is-made")).to_have_text("␠pencil")
    expect(explorer.live.locator(".cache")).to_contain_text("20 tokens")
    explorer.button("Remove generated tokens").click()
    expect(explorer.live.locator(".is-made")).to_have_count(0)
    explorer.live.get_by_label("Prompt", exact=True).fill("<b>The</b> capital of Italy is")
    explorer.button("Run the model").click()
    explorer.button("Next token").click()  # waits until the prompt has been read
    expect(explorer.live.locator(".is-made")).to_have_text("␠Rome")
    explorer.button("Remove generated tokens").click()
    expect(explorer.rows.first).to_contain_text("Rome")
    explorer.button("Append").first.click()
    expect(explorer.live.locator(".is-made")).to_have_text("␠Rome")
    explorer.head.press("x")
    expect(explorer.head).to_have_attribute("aria-label", re.compile("cut$"))
    expect(explorer.live.locator("thead th")).to_have_count(3)
    explorer.button("Generate 12 tokens").click()
    expect(explorer.live.locator(".is-made")).to_have_count(13, timeout=120_000)
    expect(explorer.button("Generate 12 tokens")).to_be_enabled()
    explorer.button("Remove from this browser").click()
    expect(explorer.button("Load the model")).to_be_visible()
    assert explorer.page.evaluate("caches.keys()") == []
    assert explorer.opened.faults == []


def test_a_failed_load_is_told_and_resumed(explore):
    explorer = explore()
    explorer.page.route("**/weights-3.bin*", lambda route: route.abort())
    explorer.button("Load the model").click()
    expect(explorer.live.locator(".ab-lm-load")).to_contain_text("The connection failed.", timeout=60_000)
    explorer.page.unroute("**/weights-3.bin*")
    asked = explorer.opened.requests
    before = len(asked)
    explorer.button("Try again").click()
    expect(explorer.button("Remove from this browser")).to_be_visible(timeout=120_000)
    again = {url.partition("?")[0].rpartition("/")[2] for url in asked[before:]}
    assert not again & {"weights-0.bin", "weights-1.bin", "weights-2.bin"}
    assert "weights-3.bin" in again


CHUNKS = [bytes([i]) * 500_000 for i in range(3)]
WORKER = Path(__file__).with_name("stand_in.js")


class StandIn:
    """A model of three chunks with the worker of stand_in.js; `fetched` has the chunks asked for."""

    def __init__(self, context):
        self.context, self.fetched = context, []
        hashes = [hashlib.sha256(chunk).hexdigest() for chunk in CHUNKS]
        part = {"start": 0, "end": 1_500_000, "size": 500_000, "sha256": hashes}
        listed = json.dumps({"name": prompts.MODEL, "parts": {"weights": part}})
        context.route("**/manifest.json", lambda route: route.fulfill(body=listed))
        context.route("**/weights-*.bin", self.send)
        context.route("**/language_worker.js*", lambda route: route.fulfill(path=WORKER))

    def send(self, route):
        name = route.request.url.rpartition("/")[2]
        self.fetched.append(name)
        route.fulfill(body=CHUNKS[int(re.search(r"\d", name)[0])])


@pytest.fixture
def stand_in(explore):
    """Opens the page with a stand-in for the model; `script` runs before the page's own."""

    def open_page(script=""):
        made = []

        def prepare(page):
            made.append(StandIn(page.context))
            page.add_init_script(script)

        return explore(prepare=prepare), made[0]

    return open_page


def status(explorer):
    return explorer.live.locator(".ab-lm-load")


def test_a_full_disk_is_told(stand_in):
    explorer, model = stand_in("""
        const put = Cache.prototype.put;
        let left = 1;
        Cache.prototype.put = function (...all) {
          if (left-- > 0) return put.apply(this, all);
          return Promise.reject(new DOMException("full", "QuotaExceededError"));
        };""")
    explorer.load()
    expect(status(explorer)).to_contain_text("Your browser had room for only 0.5 MB of it.")
    explorer.page.reload()
    explorer.page.mouse.move(1, 1)
    expect(status(explorer)).to_contain_text("load the model: 98.4 MB, of which your browser has 0.5 MB.")
    model.fetched.clear()
    explorer.load()
    assert len(model.fetched) == 2
    assert explorer.opened.faults == []


def test_a_browser_that_keeps_nothing_runs_the_model(stand_in):
    explorer, _ = stand_in("""
        const get = () => { throw new DOMException("no", "SecurityError"); };
        Object.defineProperty(window, "caches", { get });""")
    explorer.load()
    expect(status(explorer)).to_contain_text("The model runs in this page.Remove")
    explorer.button("Remove from this browser").click()
    expect(explorer.button("Load the model")).to_be_visible()
    assert explorer.opened.faults == []


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"body": bytes(500_000)}, "weights-1.bin isn't the file that was published (its hash differs)"),
        ({"body": bytes(499_999)}, "weights-1.bin arrived incomplete"),
        ({"status": 404}, "The server has no weights-1.bin. This copy of the book seems damaged."),
        ({"status": 503}, "The server answered 503 when asked for weights-1.bin. Try again later."),
    ],
)
def test_a_wrong_or_missing_chunk_is_told(stand_in, answer, words):
    explorer, _ = stand_in()
    explorer.page.route("**/weights-1.bin", lambda route: route.fulfill(**answer))
    explorer.button("Load the model").click()
    expect(status(explorer)).to_contain_text(words)
    expect(status(explorer)).to_contain_text("You can still explore the recorded prompts.")
    expect(explorer.tokens).to_have_count(19)
    explorer.page.unroute("**/weights-1.bin")
    explorer.button("Try again").click()
    expect(explorer.button("Remove from this browser")).to_be_visible()


def test_a_tab_closed_half_way_is_resumed_in_the_next(stand_in):
    explorer, model = stand_in()
    explorer.page.route("**/weights-2.bin", lambda route: None)  # never answered
    explorer.button("Load the model").click()
    kept = f"async () => (await (await caches.open('attnbook-models-{prompts.MODEL}')).keys()).length === 2"
    wait_until(explorer.page, kept)
    context = explorer.page.context
    page = context.new_page()
    explorer.page.close()
    page.goto(explorer.page.url)
    page.mouse.move(1, 1)
    again = Explorer(Visit(page), FIRST)
    expect(status(again)).to_contain_text("load the model: 98.4 MB, of which your browser has 1.0 MB.")
    model.fetched.clear()
    again.load()
    assert model.fetched == ["weights-2.bin"]


def test_two_tabs_load_and_one_removes(stand_in):
    first, _ = stand_in()
    page = first.page.context.new_page()
    page.goto(first.page.url)
    page.mouse.move(1, 1)
    second = Explorer(Visit(page), FIRST)
    expect(second.button("Load the model")).to_be_visible()
    for tab in (first, second):
        tab.button("Load the model").click()
    for tab in (first, second):
        expect(status(tab)).to_contain_text("Your browser keeps 1.5 MB of it.")
    first.button("Remove from this browser").click()
    expect(first.button("Load the model")).to_be_visible()
    assert page.evaluate("caches.keys()") == []
    second.live.get_by_label("Prompt", exact=True).fill("still")
    second.button("Run the model").click()
    expect(second.tokens).to_have_text([*"still"])
    assert first.opened.faults + second.opened.faults == []


def test_one_widget_removes_while_another_loads(stand_in):
    first, model = stand_in()
    first.load()
    second, held = Explorer(first.opened, MARY), []
    first.page.evaluate("name => caches.delete(name)", f"attnbook-models-{prompts.MODEL}")
    first.page.route("**/weights-1.bin", lambda route: held.append(route))
    second.button("Load the model").click()
    while not held:
        first.page.wait_for_timeout(20)
    first.button("Remove from this browser").click()
    expect(first.button("Load the model")).to_be_visible()
    model.send(held[0])
    expect(second.button("Remove from this browser")).to_be_visible()
    expect(second.tokens).to_have_count(len(prompts.PROMPTS["Mary and John"]))
    assert first.opened.faults == []


HOSTILE = "<img src=x onerror=window.hacked=1>\u202eabc שלום\x00\U0001f916$x$</script>"


def test_hostile_prompts_are_text(stand_in):
    explorer, _ = stand_in()
    explorer.load()
    field = explorer.live.get_by_label("Prompt", exact=True)
    field.fill(HOSTILE)
    explorer.button("Run the model").click()
    expect(explorer.tokens).to_have_count(len(HOSTILE))
    assert explorer.live.locator("img, script").count() == 0
    assert explorer.page.evaluate("window.hacked") is None
    field.evaluate("field => { field.value = 'half \\ud83e of one'; }")
    explorer.button("Run the model").click()
    expect(explorer.tokens.nth(5)).to_have_text("\ufffd")
    expect(explorer.page).to_have_url(re.compile("prompt-half%20%EF%BF%BD"))
    field.evaluate("field => { field.value = 'x'.repeat(10000); }")
    explorer.button("Run the model").click()
    expect(explorer.live.locator(".ab-lm-note")).to_contain_text("The prompt has 10000 characters")
    expect(explorer.tokens.nth(5)).to_have_text("\ufffd")
    assert explorer.opened.faults == []


def test_hostile_texts_reach_the_tokenizer(remote):
    """A half of a character becomes U+FFFD, as everywhere in a browser."""
    half, nothing = remote.evaluate(ENCODE, ["a\x00b", ""])
    assert len(half) == 3
    assert nothing == []
    same = remote.evaluate("async () => (await remote.call('encode', { text: 'a\\ud83e' })).tokens")
    assert same == ["a", "\ufffd"]


def test_a_phone_is_told_why_the_model_is_not_offered(explore):
    agent = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Mobile/15E148"
    hide = """for (const name of ["deviceMemory", "userAgentData"])
      Object.defineProperty(Navigator.prototype, name, { get: () => undefined });"""
    explorer = explore(user_agent=agent, prepare=lambda page: page.add_init_script(hide))
    expect(explorer.live.locator(".ab-lm-load")).to_contain_text("isn't offered on this phone")
    assert explorer.button("Load the model").count() == 0
