"""all-MiniLM-L6-v2 in the book's `Bert`: the figures it is known by, and parity with `transformers`."""

import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from transformers import BertConfig, BertModel, BertTokenizer

from attnbook import padding_mask
from attnbook.pretrained.files import cache_folder

NAME = "all-minilm-l6-v2"
LAW = (
    "A robot must obey the orders given it by human beings "
    "except where such orders would conflict with the First Law."
)


@pytest.fixture(scope="module")
def loaded(published):
    return published(NAME)


def hidden(loaded, text):
    model, tokenizer = loaded
    with torch.no_grad():
        return model(torch.tensor([tokenizer.encode(text)]))


def test_similarities_are_those_that_hugging_face_documented(loaded):
    vectors = {
        text: F.normalize(hidden(loaded, text)[0].mean(dim=1), dim=-1)[0]
        for text in (
            "That is a happy person",
            "That is a happy dog",
            "That is a very happy person",
            "Today is a sunny day",
        )
    }
    first, *others = vectors.values()
    assert [round(float(first @ other), 4) for other in others] == [0.6946, 0.9429, 0.2569]


def test_one_head_leads_from_the_pronoun_to_the_robot(loaded):
    _, tokenizer = loaded
    words = tokenizer.tokens(tokenizer.encode(LAW))
    weights = hidden(loaded, LAW)[1].encoder[:, 0, :, words.index("it"), words.index("robot")]  # (L, H)
    assert round(float(weights[3, 1]), 3) == 0.891
    assert weights.argmax() == 3 * 12 + 1


def test_hidden_states_and_weights_are_those_of_transformers(loaded):
    model, tokenizer = loaded
    config = BertConfig(
        vocab_size=30_522,
        hidden_size=384,
        num_hidden_layers=6,
        num_attention_heads=12,
        intermediate_size=1536,
        attn_implementation="eager",
    )
    theirs = BertModel(config, add_pooling_layer=False).eval()
    state = load_file(cache_folder() / NAME / "model.safetensors")
    missing, _ = theirs.load_state_dict(state, strict=False)
    assert missing == []
    rows = [tokenizer.encode(LAW), tokenizer.encode("它 is 机器人, naïve?")]
    longest = max(map(len, rows))
    ids = torch.tensor([row + [tokenizer.pad] * (longest - len(row)) for row in rows])
    real = ids != tokenizer.pad
    with torch.no_grad():
        wanted = theirs(ids, attention_mask=real.long(), output_attentions=True)
        states, attentions = model(ids, padding_mask(ids, tokenizer.pad))
    assert torch.allclose(states[real], wanted.last_hidden_state[real], atol=1e-5)
    assert torch.allclose(attentions.encoder, torch.stack(wanted.attentions), atol=1e-6)


def test_ids_are_those_of_transformers(loaded, texts):
    _, tokenizer = loaded
    file = json.loads((cache_folder() / NAME / "tokenizer.json").read_text("utf8"))
    theirs = BertTokenizer(vocab=file["model"]["vocab"])
    assert [tokenizer.encode(text) for text in texts] == [theirs(text)["input_ids"] for text in texts]


def test_long_texts_are_neither_cut_nor_padded(loaded):
    _, tokenizer = loaded
    assert len(tokenizer.encode("law " * 200)) == 202
    assert tokenizer.encode("law") == [101, 2375, 102]


def test_tokens_show_pieces_and_decoding_joins_them(loaded):
    _, tokenizer = loaded
    ids = tokenizer.encode("Robotics obeys.")
    assert tokenizer.tokens(ids) == ["[CLS]", "robotics", "obey", "##s", ".", "[SEP]"]
    assert tokenizer.decode(ids) == "robotics obeys."


@pytest.mark.bad_input
def test_wrong_texts_and_ids_are_refused(loaded):
    _, tokenizer = loaded
    with pytest.raises(TypeError, match="text: wanted a string, got 7"):
        tokenizer.encode(7)
    with pytest.raises(ValueError, match=r"text: wanted characters, got the surrogate '\\ud83e'"):
        tokenizer.encode("half a \ud83e")
    for number in (30_522, -1, 10**12):
        for call in (tokenizer.tokens, tokenizer.decode):
            with pytest.raises(ValueError, match=f"ids: wanted ids from 0 to 30521, got {number}"):
                call([number])
    for ids in ([1.7], ["law"], "law", 5, [None], torch.tensor([0.5])):
        for call in (tokenizer.tokens, tokenizer.decode):
            with pytest.raises(TypeError, match="ids: wanted a sequence of whole numbers, got "):
                call(ids)
    assert tokenizer.tokens(torch.tensor([101, 102])) == tokenizer.tokens(np.array([101, 102]))


def test_the_model_is_in_evaluation_mode_and_can_be_trained(loaded):
    model, _ = loaded
    assert not model.training
    assert all(parameter.requires_grad and not parameter.is_meta for parameter in model.parameters())
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
