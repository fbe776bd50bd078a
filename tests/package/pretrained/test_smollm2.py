"""SmolLM2-135M-Instruct in the book's `LanguageModel`: parity with `transformers`, and its tokenizer."""

import json
import re
from itertools import pairwise

import pytest
import regex
import torch
from tokenizers.pre_tokenizers import ByteLevel, Digits, Sequence
from transformers import GPT2Tokenizer, LlamaConfig, LlamaForCausalLM

from attnbook import greedy_decode
from tests.package.test_language_model import renamed

pytestmark = pytest.mark.slow

PROMPTS = [
    "The capital of France is",
    "A robot must obey the orders given it by human beings "
    "except where such orders would conflict with the First",
    "The robot dropped the box because it was too heavy. What was too heavy? The",
    "When Mary and John went to the store, John gave a drink to",
    "Once upon a time",
    "Two plus two equals",
    "The opposite of hot is",
    "def add(a, b):\n    return",
    "1, 2, 3, 4,",
    "Water freezes at",
    "To be, or not to be,",
    "Roses are red, violets are",
    "The three primary colors are",
    "<|im_start|>user\nName a fruit.<|im_end|>\n<|im_start|>assistant\n",
    "<|im_start|>user\nWhat is 7 times 8?<|im_end|>\n<|im_start|>assistant\n",
    "El perro es",
    "Attention is all you",
    "The moon is",
    "In 1969, the first man walked on",
    "import numpy as",
]
END = "<|im_end|>"
TOKENS = 10  # decoded for each prompt


@pytest.fixture(scope="module")
def loaded(published):
    return published("smollm2-135m-instruct")


@pytest.fixture(scope="module")
def llama(loaded):
    """The library's Llama with our model's weights: queries and keys in its order of features."""
    model, _ = loaded
    config = LlamaConfig(
        vocab_size=49_152,
        hidden_size=576,
        intermediate_size=1536,
        num_hidden_layers=30,
        num_attention_heads=9,
        num_key_value_heads=3,
        rms_norm_eps=1e-5,
        max_position_embeddings=8192,
        rope_parameters={"rope_type": "default", "rope_theta": 100_000.0},
        tie_word_embeddings=True,
        attn_implementation="eager",
    )
    theirs = LlamaForCausalLM(config).eval()
    ours = model.state_dict()
    state = {name: ours[renamed(name)] for name in theirs.state_dict() if name != "lm_head.weight"}
    for name, tensor in state.items():
        if "q_proj" in name or "k_proj" in name:
            state[name] = half_split(tensor)
    state["lm_head.weight"] = state["model.embed_tokens.weight"]
    theirs.load_state_dict(state)
    return theirs


def half_split(rows: torch.Tensor, d: int = 64) -> torch.Tensor:
    """Rows `(H·d, D)` whose pairs are (2i, 2i + 1), so that they become (i, i + d/2)."""
    return rows.unflatten(0, (-1, d // 2, 2)).transpose(1, 2).flatten(0, 2)


def test_logits_and_weights_are_llamas(loaded, llama):
    model, tokenizer = loaded
    ids = torch.tensor([tokenizer.encode(PROMPTS[1])])
    with torch.no_grad():
        wanted = llama(ids, output_attentions=True)
        logits, attentions = model(ids)
    assert torch.allclose(logits, wanted.logits, atol=1e-3)
    assert torch.allclose(attentions.decoder, torch.stack(wanted.attentions), atol=1e-5)


def test_greedy_continuations_are_llamas(loaded, llama):
    model, tokenizer = loaded
    rows = [tokenizer.encode(prompt) for prompt in PROMPTS]
    (end,) = tokenizer.encode(END)
    longest = max(map(len, rows))
    ends = torch.tensor([row + [tokenizer.pad] * (longest - len(row)) for row in rows])
    starts = torch.tensor([[tokenizer.pad] * (longest - len(row)) + row for row in rows])
    last = torch.tensor([row[-1] for row in rows])
    source = ends.clone()
    source[range(len(rows)), [len(row) - 1 for row in rows]] = tokenizer.pad
    with torch.no_grad():
        got = greedy_decode(model, source[:, :-1], start=last, end=end, max_length=TOKENS).ids
        wanted = llama.generate(
            starts,
            attention_mask=(starts != tokenizer.pad).long(),
            max_new_tokens=TOKENS,
            do_sample=False,
            eos_token_id=end,
            pad_token_id=tokenizer.pad,
        )[:, longest:]
    assert got.tolist() == wanted.tolist()
    answers = [tokenizer.decode(row) for row in got.tolist()]
    assert answers[0].startswith(" Paris")
    assert answers[1].startswith(" Law")
    assert answers[3].startswith(" Mary")


def published_cut(text: str) -> list[str]:
    """Cut a text as the published tokenizer does: each digit alone, then as GPT-2 does."""
    words = []
    for part in regex.split(r"(\p{N})", text):
        pattern = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
        words += regex.findall(pattern, part)
    return words


def test_ids_are_those_of_byte_pair_encoding_by_hand(loaded, texts):
    _, tokenizer = loaded
    file = json.loads(tokenizer.library.to_str())
    vocab, merges = file["model"]["vocab"], file["model"]["merges"]
    ranks = {tuple(pair): rank for rank, pair in enumerate(merges)}
    special = {token["content"] for token in file["added_tokens"]}
    assert END in special
    assert len(special) == 17
    byte_level = ByteLevel(add_prefix_space=False, use_regex=False)

    def encode(word: str) -> list[int]:
        pieces = list(byte_level.pre_tokenize_str(word)[0][0])
        while len(pieces) > 1:
            pairs = [*pairwise(pieces)]
            best = min(pairs, key=lambda pair: ranks.get(pair, len(ranks)))
            if best not in ranks:
                break
            merged, i = [], 0
            while i < len(pieces):
                found = tuple(pieces[i : i + 2]) == best
                merged.append("".join(best) if found else pieces[i])
                i += 1 + found
            pieces = merged
        return [vocab[piece] for piece in pieces]

    split = re.compile("(" + "|".join(map(re.escape, special)) + ")")
    for text in texts:
        wanted = []
        for part in split.split(text):
            if part in special:
                wanted.append(vocab[part])
            else:
                wanted += [number for word in published_cut(part) for number in encode(word)]
        assert tokenizer.encode(text) == wanted, text


def test_ids_are_those_of_transformers(loaded, texts):
    """The library's GPT-2 tokenizer, made to cut off each digit first, as SmolLM2's configuration does."""
    _, tokenizer = loaded
    file = json.loads(tokenizer.library.to_str())
    merges = [tuple(pair) for pair in file["model"]["merges"]]
    special = [token["content"] for token in file["added_tokens"]]
    theirs = GPT2Tokenizer(vocab=file["model"]["vocab"], merges=merges, extra_special_tokens=special)
    gpt2 = theirs.backend_tokenizer.pre_tokenizer
    theirs.backend_tokenizer.pre_tokenizer = Sequence([Digits(individual_digits=True), gpt2])
    assert len(texts) == 1000
    assert [tokenizer.encode(text) for text in texts] == [theirs(text)["input_ids"] for text in texts]


def test_decoding_gives_the_text_back(loaded, texts):
    _, tokenizer = loaded
    plain = [text for text in texts if "<|" not in text]
    assert [tokenizer.decode(tokenizer.encode(text)) for text in plain] == plain


def test_tokens_are_text_with_their_spaces_and_bytes_of_cut_characters(loaded):
    _, tokenizer = loaded
    words = tokenizer.tokens(tokenizer.encode("The year 1942, 机"))
    assert words == ["The", " year", " ", "1", "9", "4", "2", ",", " ", r"\xe6\x9c", r"\xba"]
    assert tokenizer.tokens([0, 2, tokenizer.pad]) == ["<|endoftext|>", "<|im_end|>", "<empty_output>"]


def test_padding_is_no_token_of_a_chat(loaded):
    model, tokenizer = loaded
    assert model.pad == tokenizer.pad
    assert tokenizer.pad not in tokenizer.encode(PROMPTS[13])
