"""The sentence explorer in Python: recorded maps, traits in step, and bad input."""

import numpy as np
import pytest
import torch

from attnbook import SentenceExplorer, ablate
from attnbook.pretrained import chunks
from attnbook.widgets import sentences
from attnbook.widgets.sentences import NAME

pytestmark = pytest.mark.slow

LAW = "机器人必须遵守人类给它的命令，除非该命令违背了第一法则。"
ENGLISH = "The robot obeys because it must."


@pytest.fixture(scope="module")
def model(published):
    return published(NAME)


@pytest.fixture
def widget(model):
    return SentenceExplorer([LAW, ENGLISH], model=model, layer=7, head=0, query="它的", key="机器人")


def test_without_a_model_the_published_one_is_loaded(model, monkeypatch):
    monkeypatch.setattr(sentences, "load", {NAME: model}.__getitem__)
    assert SentenceExplorer(ENGLISH)._model is model[0]


def truth(model, text, cut=()):
    ids = torch.tensor([model[1].encode(text)])
    with torch.no_grad(), ablate(model[0], cut):
        return model[0](ids)[1].encoder[:, 0].numpy()


def test_recorded_maps_are_the_models(widget, model):
    assert widget.text == LAW
    for text, tokens, sent in zip(widget.sentences, widget._tokens, widget._maps, strict=True):
        weights = truth(model, text)
        assert tokens == model[1].tokens(model[1].encode(text))
        codes = np.frombuffer(sent, np.uint8).reshape(weights.shape)
        np.testing.assert_allclose((codes / 255.0) ** 2, weights, atol=0.004)


def test_tokens_name_positions(widget, model):
    tokens = widget._tokens[0]
    assert (tokens[widget.query], tokens[widget.key]) == ("它的", "机器人")
    assert widget.weights[7, 0, widget.query, widget.key] == pytest.approx(0.737, abs=5e-4)
    later = SentenceExplorer(ENGLISH, model=model, query="robot", key=1)
    assert later._tokens[0][later.query] == "▁robot"


def test_weights_follow_text_and_cut_heads(widget, model):
    widget.text = ENGLISH
    np.testing.assert_allclose(widget.weights, truth(model, ENGLISH))
    widget.cut = [(3, 1), [7, 0]]
    assert widget.cut == [[3, 1], [7, 0]]
    np.testing.assert_allclose(widget.weights, truth(model, ENGLISH, [(3, 1), (7, 0)]))
    assert not np.allclose(widget.weights, truth(model, ENGLISH), atol=1e-3)


def test_a_recorded_sentence_is_not_run_again(model, monkeypatch):
    widget = SentenceExplorer([LAW, ENGLISH], model=model)
    monkeypatch.setattr(widget, "_model", None)
    widget.text = ENGLISH
    assert widget.figure().axes
    np.testing.assert_allclose(widget.weights, truth(model, ENGLISH))


def test_positions_beyond_a_shorter_sentence_are_forgotten(widget):
    widget.query, widget.key = 18, 3
    widget.text = ENGLISH
    assert (widget.query, widget.key) == (-1, 3)


def test_long_sentences_are_truncated(model):
    widget = SentenceExplorer("word " * 60, model=model)
    assert widget.weights.shape == (12, 12, 62, 62)
    widget = SentenceExplorer("字 " * 140, model=model)
    assert widget.weights.shape == (12, 12, 64, 64)
    assert widget._tokens[0][-1] == "</s>"


def test_the_size_is_that_of_the_parts_that_every_sentence_needs(widget):
    listed = chunks.manifest(NAME)["parts"]
    assert widget._size == listed["head"]["end"] + listed["layers"]["end"] - listed["layers"]["start"]


def test_it_sends_the_models_files_on_request(widget, monkeypatch):
    sent = []
    monkeypatch.setattr(widget, "send", lambda *message: sent.append(message))
    ask = lambda content: widget._handle_custom_msg(content, [])  # noqa: E731
    for content in (
        {},
        {"model": "other", "file": "rows-0.bin"},
        {"model": NAME},
        {"model": NAME, "file": 5},
    ):
        ask(content)
    assert sent == []
    ask({"model": NAME, "file": "rows-3.bin"})
    ask({"model": NAME, "file": "../e5-small-q4.bin"})
    (first, (data,)), (second,) = sent
    assert first == {"model": NAME, "file": "rows-3.bin"}
    assert data == chunks.chunk_file(NAME, "rows-3.bin")
    assert "has no chunk" in second["problem"]


def test_it_has_a_static_picture(model):
    data, _ = SentenceExplorer(ENGLISH, model=model, title="Robot")._repr_mimebundle_()
    assert len(data["image/png"]) > 1000
    assert data["text/plain"] == f"Sentence explorer: Robot: “{ENGLISH}”, 10 tokens, layer 0, head 0"


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"sentences": []}, ValueError, "sentences: got none, wanted at least one"),
        ({"sentences": [5]}, TypeError, "sentences: got int, wanted a string"),
        ({"sentences": 5}, TypeError, "sentences: got int, wanted a string or several"),
        ({"sentences": " "}, ValueError, "sentences: got ' ', wanted a sentence of 1 to 300 characters"),
        ({"sentences": "a" * 301}, ValueError, "sentences: got 301 characters, wanted a sentence"),
        ({"text": ""}, ValueError, "text: got '', wanted a sentence of 1 to 300"),
        ({"other": "a" * 301}, ValueError, "other: got 301 characters, wanted a sentence of 1 to 300"),
        ({"layer": 12}, ValueError, "layer: got 12, wanted 0 to 11"),
        ({"head": -1}, ValueError, "head: got -1, wanted 0 to 11"),
        ({"query": 10}, ValueError, r"query: got 10, wanted -1 to 9 \(-1 for none\)"),
        ({"key": "cat"}, ValueError, "key: got 'cat', wanted a position or one of the tokens <s> ▁The"),
        ({"cut": [[1, 12]]}, ValueError, r"cut: got \[1, 12\], wanted \[layer, head\], each from 0 to 11"),
        ({"cut": [7]}, ValueError, r"cut: got 7, wanted \[layer, head\]"),
        ({"color": 1}, TypeError, "color: no such setting, wanted one of text, other"),
        ({"title": 5}, TypeError, "title: got int, wanted a string"),
        ({"model": "e5"}, TypeError, "model: got str, wanted the pair that load"),
    ],
)
def test_bad_input_is_refused_by_name(model, arguments, error, words):
    with pytest.raises(error, match=f"^{words}"):
        SentenceExplorer(**{"sentences": ENGLISH, "model": model} | arguments)


@pytest.mark.bad_input
def test_traits_keep_their_values_when_set_wrongly(widget):
    for name, value in {"layer": 12, "query": 99, "text": " ", "cut": [[0]]}.items():
        before = getattr(widget, name)
        with pytest.raises(ValueError, match=f"^{name}: got"):
            setattr(widget, name, value)
        assert getattr(widget, name) == before
