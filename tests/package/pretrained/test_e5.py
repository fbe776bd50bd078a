"""multilingual-e5-small in the book's `Bert`: the article's sentence, and its tokenizer."""

import json
import struct
import unicodedata

import pytest
import torch
from transformers import XLMRobertaTokenizer

from attnbook.pretrained.files import cache_folder

pytestmark = pytest.mark.slow

NAME = "multilingual-e5-small"
LAW = "机器人必须遵守人类给它的命令，除非该命令违背了第一法则。"


@pytest.fixture(scope="module")
def loaded(published):
    return published(NAME)


def test_one_head_leads_from_the_pronoun_to_the_robot(loaded):
    model, tokenizer = loaded
    ids = tokenizer.encode(LAW)
    words = tokenizer.tokens(ids)
    assert " ".join(words) == (
        "<s> ▁ 机器人 必须 遵守 人类 给 它的 命令 , 除非 该 命令 违 背 了 第一 法 则 。 </s>"
    )
    with torch.no_grad():
        _, attentions = model(torch.tensor([ids]))
    assert attentions.encoder.shape == (12, 1, 12, 21, 21)
    weights = attentions.encoder[:, 0, :, words.index("它的")]  # (L, H, S)
    found = weights[..., words.index("机器人")]  # (L, H)
    assert round(float(found[7, 0]), 3) == 0.737
    assert found.argmax() == 7 * 12 + 0
    assert round(float(found.mean()), 3) == 0.076
    assert weights[7, 0, words.index("人类")] < 0.01


def test_a_sentence_is_closest_to_its_translation(loaded):
    model, tokenizer = loaded
    texts = ["The cat sleeps.", "猫在睡觉。", "El tren llega tarde.", "Поезд опаздывает."]
    vectors = []
    for text in texts:
        with torch.no_grad():
            hidden, _ = model(torch.tensor([tokenizer.encode(f"query: {text}")]), need_weights=False)
        vectors.append(hidden[0].mean(dim=0))
    vectors = torch.nn.functional.normalize(torch.stack(vectors), dim=-1)
    similar = (vectors @ vectors.T).fill_diagonal_(0)
    assert similar.argmax(dim=1).tolist() == [1, 0, 3, 2]


def test_an_embedding_equals_the_dequantized_row_of_the_file(loaded):
    """The row of token 6, decoded by hand: 12 blocks of a scale and 32 numbers of 4 bits."""
    model, tokenizer = loaded
    assert tokenizer.tokens([6]) == ["▁"]
    content = (cache_folder() / NAME / "e5-small-q4.bin").read_bytes()
    entry = content.index(b"\x08\x00emb.word") + 2 + len("emb.word")
    kind, count, start, _ = struct.unpack_from("<BIQQ", content, entry)
    assert (kind, count) == (1, model.tokens.weight.numel())
    row = []
    for block in range(12):
        scale, *packed = struct.unpack_from("<e16B", content, start + (6 * 12 + block) * 18)
        row += [(byte % 16 - 8) * scale for byte in packed] + [(byte // 16 - 8) * scale for byte in packed]
    assert torch.equal(model.tokens.weight[6].detach(), torch.tensor(row))


def test_ids_are_those_of_transformers(loaded, texts):
    """With the file's vocabulary; the file replaces characters first, where the library has a table."""
    _, tokenizer = loaded
    model = json.loads(tokenizer.library.to_str())["model"]
    theirs = XLMRobertaTokenizer(vocab=[tuple(piece) for piece in model["vocab"]])
    cleaned = [tokenizer.normalize(text) for text in texts]
    assert [tokenizer.encode(text) for text in texts] == [theirs(text)["input_ids"] for text in cleaned]


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("ﬁ ① Ａ", "fi 1 A"),
        ("e\u0301", "é"),
        ("a\tb\nc", "a b c"),
        ("a\x00b\u200bc", "a\x00b c"),
        ("～", "～"),
    ],
)
def test_compatible_characters_become_one(loaded, text, cleaned):
    _, tokenizer = loaded
    assert tokenizer.normalize(text) == cleaned
    assert unicodedata.is_normalized("NFC", cleaned)


def test_decoding_joins_the_pieces(loaded):
    _, tokenizer = loaded
    assert tokenizer.decode(tokenizer.encode(LAW)) == LAW.replace("，", ",")
    assert tokenizer.decode(tokenizer.encode(" two  words ")) == "two words"
    assert tokenizer.tokens([tokenizer.pad]) == ["<pad>"]
