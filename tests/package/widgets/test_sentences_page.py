"""The sentence explorer on a static page: recorded maps first, then the model itself, equal to PyTorch."""

import base64
import re

import numpy as np
import pytest
import torch
from playwright.sync_api import expect

from attnbook import SentenceExplorer, ablate
from attnbook.pretrained.chunks import LARGEST, manifest
from attnbook.widgets.sentences import MOST, NAME
from tests.package.pretrained.conftest import make_texts
from tests.package.widgets.conftest import opener
from tests.tabs import wait_until

LAW = "机器人必须遵守人类给它的命令，除非该命令违背了第一法则。"
KING = "国王爱上了公主，但是她不愿意嫁人。"
CAT = "The cat slept because it was tired."
# Twelve sentences in each of nine languages.
SPOKEN = """
The train was late, so we missed the first act.
She lost her keys again!
We'll meet at 9:30 in front of the library.
Is it still raining?
The robot obeys people because it has to.
My grandfather built this house with his own hands in 1952.
"Don't wait for me," he said, and closed the door.
Bread, milk and two lemons, please.
The trophy does not fit in the suitcase because it is too big.
Nobody knows why the old bridge was never repaired.
Water boils at 100 °C, but not on a high mountain.
If you read slowly, you will understand more.
火车晚点了，所以我们错过了第一幕。
她又把钥匙弄丢了！
我们九点半在图书馆门口见面。
还在下雨吗？
机器人服从人类，因为它必须这样做。
这座房子是我爷爷1952年亲手盖的。
“别等我。”他说完就关上了门。
请给我面包、牛奶和两个柠檬。
奖杯放不进箱子，因为它太大了。
没有人知道那座旧桥为什么一直没有修。
水在100℃沸腾，但在高山上不是这样。
读得慢一些，你会懂得更多。
El tren llegó tarde y nos perdimos el primer acto.
¡Ha vuelto a perder las llaves!
Nos vemos a las 9:30 delante de la biblioteca.
¿Sigue lloviendo?
El robot obedece a las personas porque debe hacerlo.
Mi abuelo construyó esta casa con sus propias manos en 1952.
«No me esperes», dijo, y cerró la puerta.
Pan, leche y dos limones, por favor.
El trofeo no cabe en la maleta porque es demasiado grande.
Nadie sabe por qué nunca se reparó el viejo puente.
El agua hierve a 100 °C, pero no en una montaña alta.
Si lees despacio, entenderás más.
Le train avait du retard et nous avons manqué le premier acte.
Elle a encore perdu ses clés !
On se retrouve à 9 h 30 devant la bibliothèque.
Est-ce qu'il pleut encore ?
Le robot obéit aux humains parce qu'il le doit.
Mon grand-père a bâti cette maison de ses mains en 1952.
« Ne m'attends pas », dit-il, et il ferma la porte.
Du pain, du lait et deux citrons, s'il vous plaît.
Le trophée n'entre pas dans la valise parce qu'il est trop grand.
Personne ne sait pourquoi le vieux pont n'a jamais été réparé.
L'eau bout à 100 °C, mais pas en haute montagne.
Si tu lis lentement, tu comprendras mieux.
Der Zug kam zu spät, und wir verpassten den ersten Akt.
Sie hat schon wieder ihren Schlüssel verloren!
Wir treffen uns um 9.30 Uhr vor der Bücherei.
Regnet es noch?
Der Roboter gehorcht den Menschen, weil er es muss.
Mein Großvater hat dieses Haus 1952 mit eigenen Händen gebaut.
„Warte nicht auf mich“, sagte er und schloss die Tür.
Brot, Milch und zwei Zitronen, bitte.
Der Pokal passt nicht in den Koffer, weil er zu groß ist.
Niemand weiß, warum die alte Brücke nie repariert wurde.
Wasser kocht bei 100 °C, aber nicht auf einem hohen Berg.
Wer langsam liest, versteht mehr.
Поезд опоздал, и мы пропустили первый акт.
Она опять потеряла ключи!
Встретимся в 9:30 у входа в библиотеку.
Дождь ещё идёт?
Робот подчиняется людям, потому что должен.
Мой дед построил этот дом своими руками в 1952 году.
«Не жди меня», — сказал он и закрыл дверь.
Хлеб, молоко и два лимона, пожалуйста.
Кубок не помещается в чемодан, потому что он слишком большой.
Никто не знает, почему старый мост так и не починили.
Вода кипит при 100 °C, но не на высокой горе.
Читая медленно, поймёшь больше.
تأخر القطار ففاتنا الفصل الأول.
لقد فقدت مفاتيحها مرة أخرى!
نلتقي في الساعة ٩:٣٠ أمام المكتبة.
هل ما زالت تمطر؟
الروبوت يطيع البشر لأنه يجب عليه ذلك.
بنى جدي هذا البيت بيديه سنة 1952.
قال: «لا تنتظرني»، وأغلق الباب.
خبز وحليب وليمونتان من فضلك.
الكأس لا تدخل في الحقيبة لأنها كبيرة جدا.
لا أحد يعرف لماذا لم يُصلَح الجسر القديم قط.
يغلي الماء عند ١٠٠ درجة، ولكن ليس على جبل عال.
إذا قرأت ببطء فهمت أكثر.
ट्रेन देर से आई और हमारा पहला अंक छूट गया।
उसकी चाबी फिर खो गई!
हम 9:30 बजे पुस्तकालय के सामने मिलेंगे।
क्या अब भी बारिश हो रही है?
रोबोट लोगों की बात मानता है क्योंकि उसे माननी पड़ती है।
मेरे दादा ने यह घर 1952 में अपने हाथों से बनाया था।
"मेरा इंतज़ार मत करना," उसने कहा और दरवाज़ा बंद कर दिया।
रोटी, दूध और दो नींबू दीजिए।
ट्रॉफ़ी सूटकेस में नहीं आती क्योंकि वह बहुत बड़ी है।
कोई नहीं जानता कि पुराने पुल की मरम्मत क्यों नहीं हुई।
पानी 100 डिग्री पर उबलता है, लेकिन ऊँचे पहाड़ पर नहीं।
धीरे पढ़ोगे तो ज़्यादा समझोगे।
電車が遅れて、第一幕に間に合わなかった。
彼女はまた鍵をなくした！
９時半に図書館の前で会いましょう。
まだ雨が降っていますか？
ロボットは人間に従う。そうしなければならないからだ。
祖父は1952年にこの家を自分の手で建てた。
「待たなくていい」と言って、彼はドアを閉めた。
パンと牛乳とレモンを二つください。
トロフィーは大きすぎてスーツケースに入らない。
古い橋がなぜ直されなかったのか、誰も知らない。
水は100℃で沸騰するが、高い山の上では違う。
ゆっくり読めば、もっとよく分かる。
""".strip().splitlines()
# Too long, without words, in unknown scripts, emoji, special tokens, right-to-left marks.
ODD = [
    "字 " * 140,
    "\u200b",
    "a" * 300,
    "ᚠᛇᚻ 𓀀𓂀",
    "🤖👩‍🚀🇨🇳 ok",
    "x<mask>y <s> </s>",
    "\u202eabc שלום",
    "a\x00b\tc",
]
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
# The page's ids of texts.
ENCODE = """async texts => {
  const { openModel } = await attnbook.load("sentence_model");
  const model = await openModel("multilingual-e5-small");
  return Promise.all(texts.map(async text => (await model.call("encode", { text, longest: Infinity })).ids));
}"""

# JupyterLab's module, with a kernel that answers from the site's files, unless it is busy.
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
      if (window.busy) return;
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
    ids = ids if len(ids) <= MOST else [*ids[: MOST - 1], ids[-1]]
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
    expect(explorer.note).to_have_text(
        f"This sentence isn't recorded: only the model can run it. Still showing: {KING}"
    )
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
    """One visit: load, compare on 116 texts, cut, compare sentences, keep and remove."""
    explorer = opened(fresh=True)
    page, sizes = explorer.page, []
    page.on("response", lambda answer: sizes.append(int(answer.headers["content-length"])))
    explorer.type(CAT)
    explorer.load()
    expect(explorer.words("query").filter(has_text="cat")).to_be_visible()
    expect(explorer.note).to_have_text("")
    assert 17e6 < sum(sizes) < 25e6
    assert "without WebAssembly" not in explorer.said.inner_text()

    texts = [*SPOKEN, *ODD]
    for text, (ids, weights, hidden) in zip(texts, in_page(page, texts), strict=True):
        expected = in_pytorch(model, text)
        assert ids == expected[0], text
        np.testing.assert_allclose(weights, expected[1], atol=1e-3, err_msg=text)
        np.testing.assert_allclose(hidden, expected[2], atol=1e-2, err_msg=text)

    texts = make_texts()
    assert page.evaluate(ENCODE, texts) == [model[1].encode(text) for text in texts]

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
    page.evaluate("window.busy = true")
    load, cancel = (page.get_by_role("button", name=name) for name in ("Load the model", "Cancel"))
    load.click()
    cancel.click()  # while the manifest is awaited
    load.click()
    page.evaluate("window.busy = false")
    cancel.click()
    page.evaluate("asked.length = 0")
    load.click()
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
    texts = SPOKEN[4::50]
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
    other = Sentences(explorer.page, 1)
    other.button("Load the model").click()
    expect(other.node.get_by_role("progressbar")).to_be_visible()
    other.button("Cancel").click()  # for both
    for one in (explorer, other):
        expect(one.said).to_contain_text(re.compile(r"of which your browser has \d+\.\d MB"))
    explorer.page.unroute("**/layers-3.bin")
    explorer.requests.clear()
    explorer.button("Load the model").click()
    expect(explorer.said).to_contain_text("The model runs in this page")
    assert [url.rpartition("/")[2] for url in explorer.requests if "layers" in url] == ["layers-3.bin"]
    explorer.page.route("**/rows-*.bin", lambda route: route.abort())
    explorer.type(CAT)
    expect(explorer.note).to_contain_text("The connection failed. What has arrived is kept; try again.")
    explorer.page.unroute("**/rows-*.bin")
    explorer.type(CAT)
    expect(explorer.words("query").filter(has_text="cat")).to_be_visible()


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
