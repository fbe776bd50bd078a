"""The date translator on a static page: the same numbers as PyTorch, by mouse, touch and keyboard."""

import base64
import json
import re

import numpy as np
import pytest
import torch
from playwright.sync_api import expect

from attnbook import ablate, checkpoints
from attnbook.data import FORMATS, LANGUAGES, dates_in, write_date
from attnbook.generation import greedy_decode
from attnbook.widgets.encoding import decode_weights
from attnbook.widgets.translation import CHECKPOINT, translate
from tests.widget_data import read_states

DATES, ARABIC, CUT, STRANGE = range(4)
EXAMPLES = 250
# Loads the model in the page as `window.model`.
OPEN = """async tags => {
  const [{ Model, readCut }, text] = await Promise.all(["date_model", "dates-translate"].map(attnbook.load));
  Model.readCut = readCut;
  window.model = new Model(attnbook.shared.base64.fromBase64(text).buffer, tags);
}"""
# Greedy decoding of every text; returns the ids of each, and the logits of all steps in turn as base64.
DECODE = """([texts, tags, longest, cuts]) => {
  const { network } = model, rows = [], all = [];
  texts.forEach((text, row) => {
    const ids = [];
    const taken = (cuts?.[row] ?? []).map(model.constructor.readCut);
    let state = network.start(model.encode(text, tags[row]), taken);
    for (let id = 1; id !== 2 && ids.length < longest; ids.push(id)) {
      const step = network.step(id, state);
      state = step.state;
      all.push(...step.logits);
      id = step.logits.indexOf(Math.max(...step.logits));
    }
    rows.push(ids);
  });
  const bytes = new Uint8Array(Float32Array.from(all).buffer);
  return [rows, btoa(Array.from(bytes, byte => String.fromCharCode(byte)).join(""))];
}"""

FOCUSED = "node => node.getRootNode().activeElement === node"
# Whether a touch in the middle and near the lower corners of each field hits it.
REACHED = """fields => fields.map(field => {
  field.scrollIntoView({ block: "center" });
  const { left, right, top, bottom } = field.getBoundingClientRect(), root = field.getRootNode();
  const points = [[(left + right) / 2, (top + bottom) / 2], [left + 4, bottom - 3], [right - 4, bottom - 3]];
  return points.every(point => root.elementFromPoint(...point) === field);
})"""


class Translator:
    """One translator, operated as a reader would."""

    def __init__(self, opened, index):
        self.opened, self.page = opened, opened.page
        self.node = opened.page.locator(".ab-translator").nth(index)
        self.live = self.node.locator(".ab-live")

    @property
    def written(self) -> str:
        return self.live.locator(".written").inner_text()

    @property
    def note(self) -> str:
        return self.live.locator(".ab-note").inner_text()

    @property
    def step(self) -> list[int]:
        """The current step and the number of steps."""
        return [int(n) for n in re.findall(r"\d+", self.live.locator("caption").text_content())]

    @property
    def likeliest(self) -> list[tuple[str, float]]:
        rows = self.live.locator("tbody tr").all()
        return [(r.locator("th").text_content(), float(r.locator("td").text_content())) for r in rows[:5]]

    @property
    def picked(self) -> list[str]:
        """The day, language and format chosen in the controls."""
        names = ("or pick a day", "written in", "format")
        return [self.live.get_by_label(name).input_value() for name in names]

    @property
    def verdict(self) -> str:
        return self.live.locator(".verdict").inner_text()

    def more(self):
        """Show the controls to pick a day."""
        self.live.get_by_role("button", name="more", exact=True).click()

    def go(self, key: str):
        """Move the slider of the steps: "Home", "ArrowRight" …"""
        self.live.get_by_role("slider", name="Frame").press(key)

    def root(self):
        return self.live.locator(".attnbook-widget").first.element_handle()

    def wait(self, condition: str) -> None:
        """Wait for a condition on `root`, the widget's shadow root."""
        self.page.wait_for_function(f"({{ shadowRoot: root }}) => {condition}", arg=self.root())

    def columns(self) -> str:
        """The labels of the map's columns in the explorer."""
        return "".join(self.live.locator(".keys .label").evaluate_all("all => all.map(one => one.title)"))

    def type(self, text):
        field = self.live.get_by_label("Type a date")
        field.fill(text)
        field.press("Enter")

    def into(self, target):
        self.live.get_by_label("translate into").select_option(target)

    def finish(self, text, target):
        """Wait for a translation and go to its last step."""
        made = translate(text, target)
        self.wait(f"root.querySelector('caption').textContent.includes(' of {len(made.written)}:')")
        slider = self.live.get_by_role("slider", name="Frame")
        slider.press("End")
        return made


@pytest.fixture
def open_translator(visit):
    """Opens a translator that doesn't play: it is at its last step."""

    def opened(index=DATES, *, reduced_motion="reduce", **options):
        return Translator(visit("translator.html", reduced_motion=reduced_motion, **options), index)

    return opened


@pytest.fixture(scope="module")
def trained():
    return checkpoints.load(CHECKPOINT)


@pytest.fixture(scope="module")
def model_page(shared, trained):
    """A page with the `model`."""
    page = shared("translator.html").page
    page.evaluate(OPEN, list(trained.task.targets))
    return page


@pytest.fixture(scope="module")
def held_out(trained):
    """250 held-out dates, from all languages into all targets: texts, targets and source ids (B, S)."""
    drawn = trained.task.sample(EXAMPLES + 50, torch.Generator().manual_seed(11), "test")
    rows = list({day: (day, *row) for day, *row in drawn}.values())  # each day once
    assert len(rows) >= EXAMPLES
    texts, targets = [write_date(*row[:3]) for row in rows], [row[3] for row in rows]
    return texts, targets, trained.task.source.batch(texts, tags=targets)


def decoded_by_pytorch(trained, source):
    """Greedy ids (B, T), and the logits (B, T, V) of their steps."""
    vocabulary, longest = trained.task.target, trained.task.target_length - 1
    with torch.no_grad():
        ids = greedy_decode(
            trained.model, source, start=vocabulary.start, end=vocabulary.end, max_length=longest
        ).ids
        read = torch.cat([torch.full((len(source), 1), vocabulary.start), ids[:, :-1]], 1)
        return ids, trained.model(source, read, need_weights=False)[0]


def expect_the_same(trained, decoded, logits, ids, true):
    """The page's ids and logits (base64) are PyTorch's to 1e-4."""
    vocabulary = trained.task.target
    for row, ours in zip(decoded, ids, strict=True):
        assert vocabulary.decode(row) == vocabulary.decode(ours)
    true = torch.cat([row[: len(ids)] for ids, row in zip(decoded, true, strict=True)]).numpy()
    got = np.frombuffer(base64.b64decode(logits), "<f4").reshape(true.shape)
    np.testing.assert_allclose(got, true, rtol=0, atol=1e-4)


def test_its_logits_equal_pytorchs_on_held_out_dates(model_page, trained, held_out):
    """Same text, logits within 1e-4."""
    texts, targets, source = held_out
    decoded, logits = model_page.evaluate(DECODE, [texts, targets, trained.task.target_length - 1])
    expect_the_same(trained, decoded, logits, *decoded_by_pytorch(trained, source))


HEADS = [
    (kind, layer, head) for kind in ("cross", "decoder", "encoder") for layer in (0, 1) for head in range(4)
]


def test_a_cut_head_in_the_page_is_an_ablated_head_in_python(model_page, trained, held_out):
    """200 held-out dates, each with one or two of the 24 heads cut: same text, logits within 1e-4."""
    texts, targets, source = (part[:200] for part in held_out)
    chosen = [[head] + [HEADS[(5 * at + 7) % 24]] * (at % 2) for at, head in enumerate(HEADS)]
    cuts = [[".".join(map(str, head)) for head in chosen[row % 24]] for row in range(200)]
    decoded, logits = model_page.evaluate(DECODE, [texts, targets, trained.task.target_length - 1, cuts])
    ids, true = [None] * 200, [None] * 200
    for at, heads in enumerate(chosen):
        with ablate(trained.model, heads):
            ids[at::24], true[at::24] = decoded_by_pytorch(trained, source[at::24])
    expect_the_same(trained, decoded, logits, ids, true)
    whole = decoded_by_pytorch(trained, source)[0]
    answers = [[trained.task.target.decode(row) for row in rows] for rows in (decoded, whole)]
    assert sum(one != other for one, other in zip(*answers, strict=True)) > 10


@pytest.mark.parametrize(
    "cut", ["cross.1.2.3.0", "cross.*.*.*.5", "cross.0.*.2", "decoder.*.1.*.0", "encoder.0.0.4.4"]
)
def test_forbidden_weights_are_zero_and_the_others_of_the_row_add_up_to_1(model_page, cut):
    made = model_page.evaluate(
        """async cut => {
          const cuts = cut ? [model.constructor.readCut(cut)] : [];
          const options = { longest: 12, stopped: () => false, cuts };
          const made = await model.translate("March 7, 2009", "de", options);
          const lists = Object.entries(made.maps).map(([kind, all]) => [kind, all.map((map) => [...map])]);
          const [written, source] = [made.written.length, made.source.length];
          return { maps: Object.fromEntries(lists), written, source };
        }""",
        cut,
    )
    kind, *fields = cut.split(".")
    cut_at = [None if one == "*" else int(one) for one in (*fields, *"****")[:4]]
    for name, maps in made["maps"].items():
        columns = made["written"] if name == "decoder" else made["source"]
        weights = np.array(maps).reshape(2, 4, -1, columns)
        cells = np.zeros(weights.shape, bool)
        if name == kind:
            cells[tuple(slice(None) if one is None else one for one in cut_at)] = True
        assert (weights[cells] == 0).all()
        empty = cells.all(-1) | (cells[..., 0] & (np.arange(weights.shape[2]) == 0) & (name == "decoder"))
        np.testing.assert_allclose(weights.sum(-1), np.where(empty, 0, 1), atol=1e-5)


def head_by_head(trained, text, target, kind):
    """By how much ablating each head of a kind lowers the log-probability of the answer, `(L, H)`."""
    made, vocabulary = translate(text, target), trained.task.target
    source = trained.task.source.batch([text], tags=[target])
    ids = greedy_decode(
        trained.model,
        source,
        start=vocabulary.start,
        end=vocabulary.end,
        max_length=trained.task.target_length - 1,
    ).ids
    assert vocabulary.tokens(ids[0]) == made.written
    read = torch.cat([torch.full((1, 1), vocabulary.start), ids[:, :-1]], 1)

    def total() -> float:
        log = trained.model(source, read, need_weights=False)[0].log_softmax(-1)
        return log.gather(-1, ids[..., None]).sum().item()

    with torch.no_grad():
        whole, found = total(), np.zeros((2, 4))
        for layer, head in np.ndindex(2, 4):
            with ablate(trained.model, [(kind, layer, head)]):
                found[layer, head] = whole - total()
    return found


def test_a_reader_cuts_heads_and_sees_what_changes(open_translator, trained):
    translator, text = open_translator(), "Saturday, March 7, 2009"
    translator.into("fr")
    translator.finish(text, "fr")
    live = translator.live
    effect = live.locator(".ab-effect")
    before = translator.written

    # Every head's damage is written in its thumbnail.
    live.get_by_role("button", name="damage").click()
    expect(live.locator(".thumb.is-weighed")).to_have_count(8)
    damage = head_by_head(trained, text, "fr", "cross")
    for layer, head in np.ndindex(2, 4):
        thumb = live.get_by_role("radio", name=f"Layer {layer}, head {head}:")
        shown = f"{damage[layer, head]:.1f}".replace("-", "−").replace("−0.0", "0.0")
        expect(thumb.locator("small")).to_have_text(shown)
    layer, head = 1, 1  # without it, Saturday becomes mardi

    # A cut: the new answer beside the old, in the traits' names, and in the address.
    live.get_by_role("button", name="✂ cut").click()
    live.get_by_role("radio", name=f"Layer {layer}, head {head}:").click()
    expect(effect).to_be_visible()
    expect(effect.locator("li")).to_contain_text(f"cross-attention, layer {layer}, head {head}")
    with ablate(trained.model, [("cross", layer, head)]):
        ids, _ = decoded_by_pytorch(trained, trained.task.source.batch([text], tags=["fr"]))
    expect(live.locator(".new bdi")).to_have_text(trained.task.target.decode(ids[0]))
    expect(live.locator(".old bdi s").first).to_be_visible()
    falls = re.search(r"falls by ([\d.]+) nats", effect.locator(".effect").inner_text())[1]
    assert float(falls) == pytest.approx(damage[layer, head], abs=0.02)
    expect(live.locator(".thumb.is-cut")).to_have_count(1)
    translator.page.wait_for_function(f"() => location.hash.includes('cut-cross.{layer}.{head}')")

    # A second cut, by the label of a column; then both are undone.
    live.locator(".keys .label").nth(3).click()
    expect(effect.locator("li")).to_have_count(2)
    effect.get_by_role("button", name="undo: attending to").click()
    expect(effect.locator("li")).to_have_count(1)
    live.get_by_role("radio", name=f"Layer {layer}, head {head}:").click()
    expect(effect).to_be_hidden()
    expect(live.locator(".written")).to_have_text(before)
    translator.page.wait_for_function("() => !location.hash.includes('cut-')")
    assert translator.opened.faults == []


def test_a_link_leads_to_a_cut(visit):
    opened = visit(
        "translator.html#dates-1_text-1.%20Mai%202001_into-de_cut-cross.1.2_cut-nonsense",
        reduced_motion="reduce",
    )
    translator = Translator(opened, DATES)
    expect(translator.live.locator(".cuts li")).to_have_count(1)
    assert translator.live.get_by_label("Type a date").input_value() == "1. Mai 2001"
    assert translator.live.get_by_label("translate into").input_value() == "de"
    translator.type("2. Mai 2001")
    expect(translator.live.locator(".cuts li")).to_have_count(1)  # a head stays cut for another date
    assert opened.faults == []


@pytest.mark.parametrize("width", [320, 360, 400, 600, 768])
def test_the_effect_of_recorded_cuts_has_its_room_from_the_start(visit, places, width):
    page = visit("translator.html", width=width, reduced_motion="reduce").page
    before = places(page)
    translator = Translator(page.visit, CUT)
    translator.live.scroll_into_view_if_needed()
    expect(translator.live.locator(".effect")).to_contain_text("The answer changes.")
    assert places(page) == pytest.approx(before, abs=1)


def test_days_are_written_as_in_cldr(open_translator):
    """Every language and format, chosen with the page's controls."""
    translator = open_translator()
    translator.more()
    for index, (language, format) in enumerate((a, b) for a in LANGUAGES for b in FORMATS):
        day = dates_in("test")[(977 * index) % len(dates_in("test"))]
        translator.live.get_by_label("written in").select_option(language)
        translator.live.get_by_label("format").select_option(format)
        translator.live.get_by_label("or pick a day").fill(day.isoformat())
        shown = translator.live.get_by_label("Type a date").input_value()
        assert shown == write_date(day, language, format)
        assert translator.picked == [day.isoformat(), language, format]


def test_typing_a_date_picks_its_day(open_translator):
    translator = open_translator(ARABIC)
    assert translator.picked == ["2009-03-07", "ar", "full"]
    for text, picked in {
        "31 декабря 1999 г.": ["1999-12-31", "ru", "long"],
        "07.03.2011": ["2011-03-07", "de", "medium"],
        "Dienstag, 29. Februar 2000": ["2000-02-29", "de", "full"],
        "  7\u00a0de marzo de 2009 ": ["2009-03-07", "es", "long"],
    }.items():
        translator.type(text)
        assert translator.picked == picked
    for other in ["Montag, 29. Februar 2000", "31.02.2010", "5 May 1850", "7 mars 2009!", "7 mars"]:
        translator.type(other)
        assert translator.picked[0] == ""
    assert translator.opened.faults == []


def test_the_first_translation_needs_no_model(open_translator):
    translator = open_translator()
    translator.page.wait_for_load_state("networkidle")
    assert translator.written == translate("Saturday, March 7, 2009", "zh").text
    assert translator.live.locator(".map canvas").count() == 1
    assert not any("dates-translate" in url or "date_model" in url for url in translator.opened.requests)
    translator.live.get_by_label("Type a date").focus()
    translator.page.wait_for_load_state("networkidle")
    translator.type("1. Mai 2001")
    translator.finish("1. Mai 2001", "zh")
    asked = [url for url in translator.opened.requests if "dates-translate" in url or "date_model" in url]
    assert len(asked) == 2  # once each
    assert translator.opened.faults == []


@pytest.mark.parametrize(
    ("text", "target"),
    [("domingo, 12 de octubre de 1952", "zh"), ("31 декабря 1999 г.", "ar"), ("7 मार्च 2009", "eu")],
)
def test_typed_text_is_translated_as_in_python(open_translator, text, target):
    translator = open_translator()
    translator.into(target)
    translator.type(text)
    made = translator.finish(text, target)
    assert translator.written == made.text
    assert translator.step == [len(made.written), len(made.written)]
    assert translator.columns() == f"⟨{target}⟩{text}".replace(" ", "␠")
    for (token, share), (name, true) in zip(translator.likeliest, made.likeliest[-1], strict=True):
        assert share == pytest.approx(true, abs=2e-3)
        assert token == name or share < 0.002  # the order of negligible probabilities may differ
    direction = translator.live.locator(".written").evaluate("node => getComputedStyle(node).direction")
    assert direction == ("rtl" if target == "ar" else "ltr")
    assert translator.opened.faults == []


def test_attention_equals_pytorchs(open_translator):
    translator, text = open_translator(), "mardi 3 juin 1986"
    translator.into("de")
    translator.type(text)
    made = translator.finish(text, "de")
    for kind, name in {
        "cross": "Cross-attention",
        "decoder": "Masked self-attention",
        "encoder": "Encoder self-attention",
    }.items():
        translator.live.get_by_role("button", name=name).click()
        translator.live.get_by_role("radio", name="Layer 1, head 2").click()
        translator.live.get_by_role("button", name="Table", exact=True).click()
        translator.live.locator(".part tbody tr").first.wait_for()
        cells = translator.live.locator(".part tbody tr").evaluate_all(
            "rows => rows.map(row => [...row.querySelectorAll('td')].map(cell => cell.textContent))"
        )
        true = made.maps(kind)
        for got, row, may in zip(
            cells,
            true.weights[1, 2],
            [None] * len(cells) if true.mask is None else true.mask[1, 2],
            strict=True,
        ):
            numbers = [float(cell) for cell, one in zip(got, row, strict=True) if cell and cell[0].isdigit()]
            shown = row if may is None else row[may]
            np.testing.assert_allclose(numbers, shown, atol=1.1e-3)
        translator.live.get_by_role("button", name="Table", exact=True).click()


def test_rows_not_written_yet_are_labelled(open_translator):
    translator = open_translator()
    translator.go("Home")
    translator.live.get_by_role("button", name="Table", exact=True).click()
    rows = translator.live.locator(".part tbody tr")
    assert "not written yet" not in rows.nth(0).inner_text()
    assert set(rows.nth(1).locator("td").all_inner_texts()) == {"not written yet"}
    translator.live.locator(".map canvas").hover(position={"x": 40, "y": 30})
    spoken = translator.live.locator("output.said").last.inner_text()
    assert re.fullmatch("query .+ attends to key .+, not written yet", spoken)


def test_tokens_appear_one_by_one(open_translator):
    translator = open_translator()
    made = translate("Saturday, March 7, 2009", "zh")
    hidden = "all => all.filter(one => getComputedStyle(one).visibility == 'hidden').length"
    for step, key in enumerate(["Home", "ArrowRight", "ArrowRight"]):
        translator.go(key)
        assert translator.step[0] == step + 1
        assert translator.written == made.text[: step + 1]
        assert translator.live.locator(".queries .label").evaluate_all(hidden) == len(made.written) - step - 1
        chosen = translator.live.locator("tbody tr.on th").first.text_content()
        assert chosen == made.written[step]


def test_a_new_translation_is_played(open_translator):
    translator = open_translator(reduced_motion="no-preference")
    translator.type("5 May 2031")
    translator.wait("root.querySelector('caption').textContent.startsWith('Token 2 ')")
    assert translator.live.get_by_role("button", name="Pause").count() == 1


def test_the_first_translation_plays_once_when_it_is_seen(visit):
    """From its first token, without the model."""
    opened = visit("translator.html", height=300, touched=False)
    translator = Translator(opened, DATES)
    made = translate("Saturday, March 7, 2009", "zh")
    translator.live.locator(".ab-made").scroll_into_view_if_needed()
    translator.wait("root.querySelector('.written').textContent.length > 1")
    written = translator.live.locator(".written")
    expect(written).to_have_text(made.text)
    expect(translator.live.get_by_role("button", name="Play")).to_be_visible()
    assert not any("dates-translate" in url for url in opened.requests)


VERDICTS = {
    "Saturday, March 7, 2009": ("right", "Right by the calendar."),
    "Monday, March 7, 2009": ("doubt", "That day was a Saturday: it copied your Monday."),
    "February 31, 2001": ("doubt", "There is no such day: it writes a date all the same."),
    "March 7, 2200": ("doubt", "It was never trained on years outside 1900 to 2099."),
    "hello world 42": ("doubt", "Not a date in any format it was trained on: it writes a date all the same."),
    "February 29, 1900": ("doubt", "There is no such day: it writes a date all the same."),
    "31 avril 2001": ("doubt", "There is no such day: it writes a date all the same."),
    "1 января 1899 г.": ("doubt", "It was never trained on years outside 1900 to 2099."),
}


@pytest.mark.bad_input
def test_a_verdict_is_shown_beside_each_answer(open_translator):
    translator = open_translator()
    for text, (kind, words) in VERDICTS.items():
        translator.type(text)
        verdict = translator.live.locator(f".verdict[data-kind={kind}]")
        expect(verdict).to_have_text(words)
        read = "".join(one for one in text if one in translate(text, "zh").source)
        assert translator.written == translate(read, "zh").text
        day = "2009-03-07" if kind == "right" else ""
        assert translator.picked[0] == day


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("7 mars 2009", "en"),  # long and medium are the same in French, and differ in English
        ("May 5, 2001", "de"),
        ("\u202eMarch 7, 2009", "zh"),  # what the model doesn't read changes no verdict
        ("March 7🎉, 2009", "zh"),
        ("  March 7, 2009", "iso"),
    ],
)
def test_a_right_answer_is_called_right(open_translator, text, target):
    translator = open_translator()
    translator.into(target)
    translator.type(text)
    read = text.replace("🎉", "").replace("\u202e", "")
    made = translator.finish(read, target)
    expect(translator.live.locator(".written")).to_have_text(made.text)
    expect(translator.live.locator(".verdict[data-kind=right]")).to_have_text("Right by the calendar.")


@pytest.mark.bad_input
def test_a_wrong_answer_is_called_wrong_also_beside_a_wrong_weekday(visit):
    """`judge` itself, since the model rarely errs so."""
    page = visit("translator.html#dates-1_cut-decoder.*_into-en", reduced_motion="reduce").page
    translator = Translator(page.visit, DATES)
    expect(translator.live.locator(".cuts li")).to_have_count(1)
    wrong = translator.live.locator(".verdict[data-kind=wrong]")
    expect(wrong).to_have_text("Wrong: it should be Saturday, March 7, 2009.")
    translator.type("Monday, March 7, 2009")
    expect(wrong).to_have_text(
        "That day was a Saturday, not a Monday; the answer should be Saturday, March 7, 2009."
    )


def test_confidence_is_marked_under_each_character(open_translator):
    translator = open_translator()
    translator.type("hello world 42")
    made = translator.finish("hello world 42", "zh")
    letters = translator.live.locator(".letter")
    kinds = letters.evaluate_all("all => all.map(one => one.classList[1])")
    shares = [row[0][1] for row in made.likeliest][: len(kinds)]
    assert kinds == ["sure" if p >= 0.99 else "likely" if p >= 0.9 else "unsure" for p in shares]
    assert "unsure" in kinds
    panel = translator.live.locator(".ab-likeliest")
    at = kinds.index("unsure")
    letters.nth(at).click()  # its alternatives
    expect(panel).to_have_css("visibility", "visible")
    assert translator.step[0] == at + 1
    assert translator.likeliest[0][1] == pytest.approx(shares[at], abs=2e-3)


def test_nothing_plays_with_reduced_motion(open_translator):
    translator = open_translator(reduced_motion="reduce")
    translator.type("5 de mayo de 2031")
    made = translate("5 de mayo de 2031", "zh")
    translator.wait("root.querySelector('.written').textContent.startsWith('2031')")
    assert translator.step == [len(made.written)] * 2


def test_each_kind_of_attention_keeps_its_layer_and_head(open_translator):
    translator = open_translator()
    pick = lambda name: translator.live.get_by_role("radio", name=name).click()  # noqa: E731
    checked = lambda: translator.live.locator("[role=radio][aria-checked=true]").get_attribute("aria-label")  # noqa: E731
    pick("Layer 0, head 3")
    translator.type("1. Mai 2001")
    translator.finish("1. Mai 2001", "zh")
    assert checked() == "Layer 0, head 3"
    translator.live.get_by_role("button", name="Encoder self-attention").click()
    pick("Layer 1, head 0")
    translator.live.get_by_role("button", name="Cross-attention").click()
    assert checked() == "Layer 0, head 3"
    pressed = translator.live.locator(".kinds button").evaluate_all("all => all.map(one => one.ariaPressed)")
    assert pressed == ["true", "false", "false"]


@pytest.mark.bad_input
def test_unseen_characters_are_marked_and_explained(open_translator):
    translator = open_translator()
    translator.type("7 März 2009 Ω Ж")
    translator.finish("7 März 2009  ", "zh")
    assert "never seen Ω Ж: no date it was trained on has them" in translator.note
    assert translator.live.locator("mark").all_inner_texts() == ["Ω", "Ж"]
    assert "Ω" not in translator.columns()
    translator.type("7 mars 2009-")
    translator.finish("7 mars 2009", "zh")
    assert "never seen -: no date it was trained on has it, so" in translator.note
    translator.type("7 mars 2009")
    translator.finish("7 mars 2009", "zh")
    assert translator.note == ""


@pytest.mark.bad_input
def test_problems_of_the_first_text_are_reported_at_once(open_translator):
    translator = open_translator(STRANGE)
    assert translator.live.locator("mark").all_inner_texts() == ["Ω"]
    assert "no date it was trained on has it" in translator.note
    assert translator.note.endswith("It stopped without an end token.")
    assert not any("dates-translate" in url for url in translator.opened.requests)
    assert open_translator(DATES).note == ""


@pytest.mark.bad_input
def test_unreadable_text_keeps_the_previous_translation(open_translator):
    translator = open_translator()
    before = translator.written
    for nothing in ("ΩΩΩ", "Ω Ω"):
        translator.type(nothing)
        assert "Nothing is left to translate" in translator.note
        assert translator.live.locator("mark").all_inner_texts() == ["Ω"]
    translator.type("   ")
    assert "Type a date, or pick one" in translator.note
    translator.more()
    translator.live.get_by_label("or pick a day").fill("1850-01-01")
    assert "from 1900 to 2099" in translator.note
    assert translator.written == before
    assert translator.opened.faults == []


@pytest.mark.bad_input
def test_repeating_the_text_removes_the_message_about_empty_input(open_translator):
    translator = open_translator()
    for nothing, said in {"": "Type a date, or pick one", "ΩΩΩ": "Nothing is left"}.items():
        translator.type(nothing)
        assert said in translator.note
        translator.type("Saturday, March 7, 2009")
        assert translator.note == ""


@pytest.mark.bad_input
def test_repeating_the_day_removes_the_message_about_an_invalid_day(open_translator):
    translator = open_translator()
    translator.more()
    day = translator.live.get_by_label("or pick a day")
    day.fill("1850-01-01")
    assert "from 1900 to 2099" in translator.note
    day.fill("2009-03-07")
    assert translator.note == ""
    assert translator.live.get_by_label("Type a date").input_value() == "Saturday, March 7, 2009"


@pytest.mark.bad_input
def test_input_is_limited_to_200_characters(open_translator):
    translator = open_translator(width=360)
    field = translator.live.get_by_label("Type a date")
    field.press_sequentially("7", delay=0)
    assert field.get_attribute("maxlength") == "200"
    text = "7 mars 2009, " * 15 + "12345"
    translator.type(text)
    translator.finish(text, "zh")
    assert f"yours has {len(text)}" in translator.note
    assert "The field holds 200 characters" in translator.note
    assert translator.page.evaluate("document.documentElement.scrollWidth") <= 360
    translator.type(text[:-1])
    assert "yours has 199" in translator.note
    assert "The field holds" not in translator.note
    assert translator.opened.faults == []


@pytest.mark.bad_input
def test_hostile_text_is_shown_as_text(open_translator):
    translator = open_translator()
    translator.type("<img src=x onerror=window.hacked=1> $x$ </script>\u202e7 mars")
    translator.wait("root.querySelector('.ab-note').textContent.includes('U+202E')")
    assert translator.page.evaluate("window.hacked") is None
    assert translator.live.locator("img").count() == 0
    assert "U+202E" in translator.note
    assert translator.opened.faults == []


@pytest.mark.bad_input
@pytest.mark.parametrize("again", ["1. Mai 2001", "2. Mai 2011"])
def test_a_model_that_cannot_be_loaded_is_reported(visit, again):
    block = lambda page: page.route("**/dates-translate.js*", lambda route: route.abort())  # noqa: E731
    translator = Translator(visit("translator.html", prepare=block, reduced_motion="reduce"), DATES)
    before = translator.written
    failed = "root.querySelector('.ab-note').textContent.includes('could not be loaded')"
    translator.type("1. Mai 2001")
    translator.wait(failed)
    assert translator.written == before
    translator.type("1. Mai 2001")  # it still cannot be loaded
    translator.wait(failed)
    translator.page.unroute("**/dates-translate.js*")
    translator.type(again)
    made = translator.finish(again, "zh")
    assert translator.written == made.text
    assert translator.note == ""


def test_two_translators_are_independent(visit):
    opened = visit("translator.html", reduced_motion="reduce")
    dates, arabic = Translator(opened, DATES), Translator(opened, ARABIC)
    before = arabic.written
    dates.type("1. Mai 2001")
    dates.finish("1. Mai 2001", "zh")
    assert arabic.written == before
    arabic.into("en")
    made = arabic.finish("السبت، 7 مارس 2009", "en")
    assert arabic.written == made.text
    assert dates.written == translate("1. Mai 2001", "zh").text


@pytest.fixture
def later(built):
    """Writes later.html, where the first translator's text changed after its translation; returns the text.

    This happens when Python changes a widget before displaying it.
    """
    text = (built / "translator.html").read_text("utf-8")
    start, end = re.search(r'widget-state\+json">(.*?)</script>', text, re.S).span(1)
    data = json.loads(text[start:end])
    changed = "1. Mai 2001"
    next(one for one in data["state"].values() if one["state"]["title"] == "Dates")["state"]["text"] = changed
    text = text[:start] + json.dumps(data).replace("<", "\\u003c") + text[end:]
    (built / "later.html").write_text(text, "utf-8")
    return changed


def test_a_text_set_after_the_first_translation_is_translated(visit, later):
    translator = Translator(visit("later.html", reduced_motion="reduce"), DATES)
    made = translator.finish(later, "zh")
    assert translator.written == made.text


@pytest.mark.bad_input
def test_a_failed_translation_keeps_the_previous_one(visit, later):
    block = lambda page: page.route("**/dates-translate.js*", lambda route: route.abort())  # noqa: E731
    translator = Translator(visit("later.html", prepare=block, reduced_motion="reduce"), DATES)
    translator.wait("root.querySelector('.ab-note').textContent.includes('could not be loaded')")
    translator.live.locator("canvas").first.wait_for()  # and its maps
    made = translate("Saturday, March 7, 2009", "zh")
    assert translator.step == [len(made.written)] * 2
    assert translator.columns().endswith("2009")


def test_the_first_translation_equals_pythons(sent, built):
    model = sent("translator")[DATES]
    made = translate("Saturday, March 7, 2009", "zh")
    assert model["_first"]["written"] == made.written
    states = read_states(built / "translator.html")
    buffers = next(state["buffers"] for state in states.values() if state["title"] == "Dates")
    got = decode_weights(buffers["_cross", 0])
    np.testing.assert_allclose(got, made.maps("cross").weights[0, 0].ravel(), atol=5e-5)


def test_by_keyboard_with_a_visible_focus(open_translator):
    translator = open_translator()
    translator.live.get_by_label("Type a date").focus()
    names = []
    for _ in range(9):  # the map, which is next, has its ring around its box
        focused = "document.activeElement.shadowRoot.activeElement"
        names.append(translator.page.evaluate(f"{focused}?.ariaLabel ?? {focused}?.textContent ?? ''"))
        ring = translator.page.evaluate(
            f"""(node => getComputedStyle(node.shadowRoot?.activeElement ?? node).outlineStyle)({focused})"""
        )
        assert ring != "none", names
        translator.page.keyboard.press("Tab")
    assert any("probabilities" in name for name in names)
    assert any("Cross-attention" in name for name in names)


def test_its_controls_work_by_keyboard_as_by_mouse(open_translator):
    translator = open_translator()
    keys = translator.page.keyboard
    text = "Saturday, March 7, 2009"
    count = translator.step[1]
    probabilities = translator.live.get_by_role("button", name="probabilities")
    probabilities.focus()
    for key, shown in [("Enter", "visible"), ("Space", "hidden"), ("Enter", "visible")]:
        keys.press(key)
        expect(translator.live.locator(".ab-likeliest")).to_have_css("visibility", shown)
    assert probabilities.evaluate(FOCUSED)

    for key, kind in [("Enter", "Masked self-attention"), ("Space", "Encoder self-attention")]:
        keys.press("Tab")
        while not translator.live.get_by_role("button", name=kind).evaluate(FOCUSED):
            keys.press("Tab")
        keys.press(key)
        pressed = translator.live.locator(".ab-kinds [aria-pressed=true]")
        assert pressed.all_inner_texts() == [kind]
    assert translator.columns() == f"⟨zh⟩{text}".replace(" ", "␠")

    slider = translator.live.get_by_role("slider", name="Frame")
    slider.focus()
    for key, step in [("Home", 1), ("ArrowRight", 2), ("ArrowRight", 3), ("ArrowLeft", 2), ("End", count)]:
        keys.press(key)
        assert translator.step == [step, count]
    translator.live.get_by_label("translate into").focus()
    before = translator.live.get_by_label("translate into").input_value()
    keys.press("ArrowUp")
    target = translator.live.get_by_label("translate into").input_value()
    assert target != before
    assert translator.finish(text, target).text == translator.written


@pytest.mark.parametrize("width", [320, 360, 375, 390, 480, 640, 1200])
def test_every_control_is_large_enough_for_touch(open_translator, width):
    translator = open_translator(width=width)
    translator.more()
    asking = translator.live.locator(".ab-asking")
    for theme in ("light", "dark"):
        translator.page.emulate_media(color_scheme=theme)
        expect(translator.live.locator(".root").first).to_have_attribute("data-theme", theme)
        seen = translator.live.locator(".asking .field").evaluate_all(REACHED)
        assert len(seen) == 5
        assert all(seen), seen
        sizes = asking.evaluate("node => [node.scrollHeight, node.clientHeight]")
        assert sizes[0] <= sizes[1]


def test_it_works_from_a_file(browser, built):
    page = browser.new_page()
    page.goto((built / "translator.html").as_uri())
    field = page.locator(".ab-live").first.get_by_label("Type a date")
    field.fill("1. Mai 2001")
    field.press("Enter")
    page.wait_for_function(
        """() => document.querySelector('.attnbook-widget').shadowRoot
             .querySelector('.written').textContent == '2001年'"""
    )
    page.close()
