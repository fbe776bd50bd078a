"""The date translator in Python: translations, bad input and the data it sends."""

import numpy as np
import pytest
import torch

from attnbook import DateTranslator, ablate, checkpoints
from attnbook.data import TARGETS
from attnbook.generation import greedy_decode
from attnbook.maps import AttentionMaps
from attnbook.widgets.encoding import decode_weights
from attnbook.widgets.translation import CHECKPOINT, readable, translate


def test_it_translates_as_the_checkpoint_does():
    trained = checkpoints.load(CHECKPOINT)
    source = trained.task.source.batch(["7 mars 2009"], tags=["zh"])
    vocabulary = trained.task.target
    ids = greedy_decode(trained.model, source, start=vocabulary.start, end=vocabulary.end, max_length=60).ids
    widget = DateTranslator("7 mars 2009", "zh")
    assert widget.translation.text == vocabulary.decode(ids[0]) == "2009年3月7日"
    assert "“7 mars 2009” into Chinese: 2009年3月7日" in widget.describe()
    widget.target = "iso"
    assert widget.translation.text == "2009-03-07"


def test_the_most_likely_tokens_are_written():
    made = translate("Saturday, March 7, 2009", "fr")
    assert [row[0][0] for row in made.likeliest] == made.written
    assert made.written[-1] == "⟨end⟩"
    assert made.ended
    for row in made.likeliest:
        shares = [share for _, share in row]
        assert len(row) == 5
        assert shares == sorted(shares, reverse=True)
        assert sum(shares) <= 1 + 1e-6


HOOK = "Saturday, August 19, 2000"  # from chapter 8


def test_a_cut_head_is_an_ablated_head():
    trained = checkpoints.load(CHECKPOINT)
    vocabulary, source = trained.task.target, trained.task.source.batch([HOOK], tags=["zh"])
    limits = {"start": vocabulary.start, "end": vocabulary.end, "max_length": 60}
    with ablate(trained.model, [("cross", 1, 1), ("cross", 1, 3)]):
        ids = greedy_decode(trained.model, source, **limits).ids
    made = translate(HOOK, "zh", ("cross.1.1", "cross.1.3"))
    assert made.text == vocabulary.decode(ids[0]) != translate(HOOK, "zh").text
    assert not made.attentions.cross[1, [1, 3]].any()
    assert made.attentions.cross[1, [0, 2]].sum(-1).allclose(torch.ones(2, len(made.written)))


@pytest.mark.parametrize(
    ("cut", "place"),
    [
        ("cross.0.2.3.1", (0, 2, 3, 1)),
        ("cross.*.*.*.5", (slice(None), slice(None), slice(None), 5)),
        ("decoder.1.*.2.0", (1, slice(None), 2, 0)),
        ("encoder.*.0.4.4", (slice(None), 0, 4, 4)),
    ],
)
def test_what_is_cut_gets_no_weight_and_its_row_is_renormalized(cut, place):
    made, kind = translate(HOOK, "zh", (cut,)), cut.partition(".")[0]
    weights = getattr(made.attentions, kind)
    assert not weights[place].any()
    assert weights.sum(-1).allclose(torch.ones(weights.shape[:-1]), atol=1e-5)
    assert [row[0][0] for row in made.likeliest] == made.written


def test_a_cut_that_names_no_position_of_this_text_changes_nothing():
    plain, cut = (
        translate(HOOK, "zh"),
        translate(HOOK, "zh", ("cross.9", "cross.0.0.99.0", "encoder.0.0.0.99")),
    )
    assert cut.written == plain.written
    torch.testing.assert_close(cut.attentions.cross, plain.attentions.cross, atol=1e-5, rtol=0)


def test_the_picture_and_the_description_show_the_cuts():
    plain, cut = (DateTranslator(HOOK, "zh", cuts=cuts) for cuts in ([], ["cross.1.1", "cross.1.3"]))
    assert cut.describe().endswith(
        f"into Chinese: {cut.translation.text}, without cross-attention, layer 1, head 1; "
        "cross-attention, layer 1, head 3"
    )
    title = cut.figure().axes[0].get_title(loc="left") or cut.figure().axes[0].get_title()
    assert title.startswith(f"{cut.translation.text}, without cross-attention")
    assert plain._first == cut._first  # the page shows both answers


@pytest.mark.parametrize("kind", ["encoder", "decoder", "cross"])
def test_its_maps_are_the_models_attention(kind):
    widget = DateTranslator("7 de marzo de 2009", "de", kind=kind)
    maps = widget.translation.maps(kind)
    assert isinstance(maps, AttentionMaps)
    layers, heads, rows, columns = maps.weights.shape
    assert (rows, columns) == (len(maps.queries), len(maps.keys))
    torch.testing.assert_close(torch.tensor(maps.weights).sum(-1), torch.ones(layers, heads, rows))
    sent = getattr(widget, f"_{kind}")
    assert len(sent) == layers * heads
    for index, data in enumerate(sent):
        true = torch.tensor(maps.weights[index // heads, index % heads]).flatten()
        torch.testing.assert_close(torch.tensor(decode_weights(data)).float(), true, atol=5e-5, rtol=0)


def test_rows_and_columns_of_its_maps_are_labelled_with_tokens():
    made = translate("7 mars 2009", "iso")
    source = ["⟨iso⟩", *"7 mars 2009"]
    labels = {
        kind: (made.maps(kind).queries, made.maps(kind).keys) for kind in ("encoder", "decoder", "cross")
    }
    assert labels["encoder"] == (source, source)
    read, written = ["⟨start⟩", *"2009-03-07"], [*"2009-03-07", "⟨end⟩"]
    steps = [f"{before}→{token}" for before, token in zip(read, written, strict=True)]
    assert labels["cross"] == (steps, source)
    assert labels["decoder"] == (steps, read)


def test_unreadable_characters_are_skipped():
    assert readable("7\u202fmars\u200f 2009Ω") == "7 mars 2009"
    assert translate("7 mars 2009ΩΩ", "iso").text == translate("7 mars 2009", "iso").text


def test_whether_it_ended_is_reported():
    assert translate("AM", "es").written[-1] != "⟨end⟩"
    assert DateTranslator("AM", "es")._first["ended"] is False
    assert DateTranslator("7 mars 2009", "es")._first["ended"] is True


def test_the_model_is_sent_on_request(monkeypatch):
    widget, sent = DateTranslator(), []
    monkeypatch.setattr(widget, "send", lambda *message: sent.append(message))
    for content in ({}, {"model": "other"}, {"model": None}, {"map": [0]}):
        widget._send_model(widget, content, [])
    assert sent == []
    widget._send_model(widget, {"model": CHECKPOINT}, [])
    (content, (data,)) = sent[0]
    assert content == {"model": CHECKPOINT}
    assert data == (checkpoints.FOLDER / f"{CHECKPOINT}.safetensors").read_bytes()


def test_it_has_a_static_picture():
    data, _ = DateTranslator(title="Dates")._repr_mimebundle_()
    assert len(data["image/png"]) > 1000
    assert data["text/plain"].startswith("Date translator: Dates: “Saturday, March 7, 2009” into French: ")


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"text": 5}, TypeError, "text: got int, wanted a string"),
        ({"text": " "}, ValueError, "text: got 1 characters, wanted a date, 200 characters at most"),
        ({"text": "7" * 201}, ValueError, "text: got 201 characters, wanted a date, 200 characters at most"),
        *(
            (
                {"text": text},
                ValueError,
                f"text: got {text!r}, wanted a date in characters that the model was trained on",
            )
            for text in ("ΩΩΩ", "Ω Ω", "\u200f", "-")
        ),
        ({"target": "klingon"}, ValueError, f"target: got 'klingon', wanted one of {', '.join(TARGETS)}"),
        ({"kind": "self"}, ValueError, "kind: got 'self', wanted one of cross, decoder, encoder"),
        ({"title": 3}, TypeError, "title: got int, wanted a string"),
        ({"flow": 1}, TypeError, "flow: got int, wanted True or False"),
        ({"speed": 3}, TypeError, "speed: no such setting"),
    ],
)
def test_bad_input_is_named(arguments, error, words):
    with pytest.raises(error) as raised:
        DateTranslator(**arguments)
    assert str(raised.value) == words


@pytest.mark.bad_input
def test_a_rejected_setting_changes_nothing():
    widget = DateTranslator()
    with pytest.raises(ValueError, match="target: got 'xx'"):
        widget.target = "xx"
    with pytest.raises(ValueError, match="text: got 0 characters"):
        widget.text = ""
    with pytest.raises(ValueError, match="text: got 'ΩΩΩ', wanted a date"):
        widget.text = "ΩΩΩ"
    assert (widget.text, widget.target) == ("Saturday, March 7, 2009", "fr")


def test_the_languages_are_a_list_in_the_order_of_the_tags():
    """Saving a notebook sorts dictionaries, but the page numbers the tags in this order."""
    codes = [code for code, *_ in DateTranslator("7 March 2009", "de")._languages]
    assert codes == list(checkpoints.load("dates-translate").task.targets)
    assert codes != sorted(codes)


def test_its_streams_add_up_to_the_models_output():
    """The sum of what is recorded is the last state: its norm is the memory, and its logits the model's."""
    trained, made = checkpoints.load(CHECKPOINT), translate("7 mars 2009", "de")
    model, streams = trained.model, {name: torch.tensor(one) for name, one in made.streams.items()}
    source = trained.task.source.batch(["7 mars 2009"], tags=["de"])
    vocabulary = trained.task.target
    start, written = torch.full((1, 1), vocabulary.start), vocabulary.batch(["".join(made.written[:-1])])
    read = torch.cat([start, written[:, : len(made.written) - 1]], 1)
    with torch.no_grad():
        memory = model.encoder.norm(streams["encoder"].sum(0))
        torch.testing.assert_close(memory, streams["memory"][0])
        torch.testing.assert_close(memory, model.encode(source)[0][0])
        logits = model.output(model.decoder.norm(streams["decoder"].sum(0)))
        torch.testing.assert_close(logits, model(source, read)[0][0], atol=1e-4, rtol=0)
        torch.testing.assert_close(streams["encoder"][0], model.embed(source, model.source_embeddings)[0])
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in model.modules())


def test_the_flow_records_the_first_translation_in_few_bytes():
    widget = DateTranslator(flow=True)
    streams = widget.translation.streams
    assert sum(map(len, widget._streams)) <= 30_000
    for data, step, name in zip(
        widget._streams, widget._steps, ("encoder", "memory", "decoder"), strict=True
    ):
        got = np.frombuffer(data, np.int8).reshape(streams[name].shape) * step
        np.testing.assert_allclose(got, streams[name], atol=step * 0.501, rtol=0)
    assert DateTranslator()._streams == []
