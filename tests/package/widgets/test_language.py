"""The language model explorer in Python: recorded prompts, traits, bad input and the data it sends."""

import numpy as np
import pytest
import torch

from attnbook import ablate
from attnbook.pretrained.files import cache_folder, given
from attnbook.widgets import LanguageModelExplorer
from attnbook.widgets import language_prompts as prompts


def test_the_recordings_are_the_models_readings():
    """One of them, read again with the published model."""
    given(prompts.MODEL, cache_folder() / prompts.MODEL)  # fails with a hint if `make models` hasn't run
    name = "A list, repeated"
    recorded, made = prompts.recorded()[name], prompts.read(prompts.PROMPTS[name], cuts=tuple(prompts.CUTS))
    assert recorded.ids == made.ids
    assert recorded.tokens == made.tokens
    np.testing.assert_allclose(recorded.maps, made.maps, atol=0.006)
    for kept, true in zip(recorded.likeliest, made.likeliest, strict=True):
        assert [share for _, share in kept] == pytest.approx([share for _, share in true], abs=1e-3)
    for kept, true in zip(recorded.cuts, made.cuts, strict=True):
        assert kept["heads"] == true["heads"]
        assert kept["changes"][-1][0][1:] == pytest.approx(true["changes"][-1][0][1:], abs=1e-3)
    model, _ = prompts.model_and_tokenizer()
    with torch.no_grad(), ablate(model, prompts.INDUCTION):
        share = model(torch.tensor([made.ids]))[0][0, -1].softmax(-1).max().item()
    assert max(after for _, _, after in made.cuts[0]["changes"][-1]) == pytest.approx(share, abs=1e-5)


def test_every_prompt_is_recorded_with_both_cuts():
    assert [reading.text for reading in prompts.recorded().values()] == [*prompts.PROMPTS.values()]
    for reading in prompts.recorded().values():
        length = len(reading.ids)
        assert reading.maps.shape == (30, 9, length, length)
        np.testing.assert_allclose(reading.maps.sum(-1), 1, atol=1e-9)
        assert not np.triu(reading.maps, 1).any()
        assert [cut["name"] for cut in reading.cuts] == [*prompts.CUTS]
        assert len(reading.likeliest) == length
        for cut in reading.cuts:
            assert len(cut["changes"]) == length


def test_cutting_induction_heads_matters_and_others_do_not():
    induction, others = prompts.recorded()["A list, repeated"].cuts
    token, before, after = induction["changes"][-1][0]
    assert token == " pencil"
    assert before > 0.6
    assert after < 0.02
    assert others["changes"][-1][0][2] > 0.5


def test_codes_are_decoded_as_the_page_does():
    reading = prompts.recorded()["A capital"]
    again = prompts.decode(reading.codes(), len(reading.ids))
    np.testing.assert_allclose(again, reading.maps, atol=0.004)


def test_a_prompt_is_chosen_by_name_or_text():
    widget = LanguageModelExplorer("A capital", layer=3, head=4, sort="first", position=2)
    assert widget.prompt == "The capital of France is"
    assert (widget.layer, widget.head, widget.position, widget.sort) == (3, 4, 2, "first")
    assert widget.describe() == (
        "Language model: “The capital of France is” → “ Paris” (0.773), layer 3, head 4"
    )
    assert len(widget._maps) == len(widget._readings) == len(widget._names) == 5


def test_it_has_a_static_picture():
    data, _ = LanguageModelExplorer(title="Heads")._repr_mimebundle_()
    assert len(data["image/png"]) > 1000
    assert data["text/plain"].startswith("Language model: Heads: “owl seven paper")


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"prompt": 5}, TypeError, "prompt: got int, wanted a string"),
        ({"prompt": ""}, ValueError, "prompt: got an empty string, wanted some text"),
        ({"layer": 30}, ValueError, "layer: got 30, wanted 0 to 29"),
        ({"head": -1}, ValueError, "head: got -1, wanted 0 to 8"),
        ({"cut": [[3]]}, ValueError, "cut: got [3], wanted pairs [layer, head]"),
        ({"cut": [[3, 9]]}, ValueError, "cut: head: got 9, wanted 0 to 8"),
        ({"sort": "last"}, ValueError, "sort: got 'last', wanted one of first, previous, induction, pair"),
        ({"temperature": 2.5}, ValueError, "temperature: got 2.5, wanted 0 to 2"),
        ({"top_p": 0}, ValueError, "top_p: got 0, wanted more than 0, at most 1"),
        ({"title": 3}, TypeError, "title: got int, wanted a string"),
        ({"speed": 3}, TypeError, "speed: no such setting"),
    ],
)
def test_bad_input_is_named(arguments, error, words):
    with pytest.raises(error) as raised:
        LanguageModelExplorer(**arguments)
    assert str(raised.value) == words
