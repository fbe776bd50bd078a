"""Chapter 9: unusual correct answers pass, and each known mistake gets its own message."""

import re

import numpy as np
import pytest
import torch
import torch.nn.functional as F


def assert_says(verdict, words: str) -> None:
    assert verdict.state == "wrong"
    assert words in verdict.message


# --- 9.1 ---------------------------------------------------------------------------------------------------


def pieces_of(word, vocabulary, longest=True, mark="##"):
    pieces = []
    while word:
        sizes = sorted(range(1, len(word) + 1), reverse=longest)
        named = [(mark if pieces else "") + word[:size] for size in sizes]
        found = next((piece for piece in named if piece in vocabulary), None)
        if found is None:
            return None, pieces, word
        pieces.append(found)
        word = word[len(found) - len(mark if len(pieces) > 1 else "") :]
    return pieces, pieces, ""


def cut(word, vocabulary, **options):
    return " ".join(pieces_of(word, vocabulary, **options)[0] or ["[UNK]"])


def by_recursion(word, vocabulary, mark=""):
    if not word:
        return ""
    fitting = [size for size in range(1, len(word) + 1) if mark + word[:size] in vocabulary]
    if not fitting:
        return "[UNK]"
    rest = by_recursion(word[fitting[-1] :], vocabulary, "##")
    return rest if "[UNK]" in rest else f"{mark}{word[: fitting[-1]]} {rest}".strip()


def by_expression(word, vocabulary):
    def words(mark):
        plain = [p.removeprefix("##") for p in vocabulary if p.startswith("##") == bool(mark)]
        return "|".join(map(re.escape, sorted(plain, key=len, reverse=True)))

    pieces, start = [], 0
    while start < len(word):
        match = re.compile(words("##" if start else "")).match(word, start)
        if not match:
            return "[UNK]"
        pieces.append(("##" if start else "") + match[0])
        start = match.end()
    return " ".join(pieces)


def by_library(word, vocabulary):
    from tokenizers.models import WordPiece

    names = {name: i for i, name in enumerate(["[UNK]", *sorted(vocabulary)])}
    return " ".join(piece.value for piece in WordPiece(names, unk_token="[UNK]").tokenize(word))


def going_back(word, vocabulary, mark=""):
    """All pieces of the first complete split, the longest pieces first."""
    if not word:
        return []
    for size in range(len(word), 0, -1):
        rest = going_back(word[size:], vocabulary, "##") if mark + word[:size] in vocabulary else None
        if rest is not None:
            return [mark + word[:size], *rest]
    return None


def from_the_end(word, vocabulary):
    end, pieces = len(word), []
    while end:
        for start in range(end):
            piece = ("##" if start else "") + word[start:end]
            if piece in vocabulary:
                break
        else:
            return "[UNK]"
        pieces.append(piece)
        end = start
    return " ".join(reversed(pieces))


@pytest.mark.parametrize("answer", [cut, by_recursion, by_expression, by_library])
def test_words_cut_in_many_ways(check, answer):
    assert check("9.1", answer).passed


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda w, v: cut(w, v, mark=""), "looked up with `##`"),
        (lambda w, v: cut(w, v, longest=False), "shortest piece"),
        (
            lambda w, v: " ".join([*pieces_of(w, v)[1], "[UNK]"] if pieces_of(w, v)[2] else [cut(w, v)]),
            "whole",
        ),
        (lambda w, v: " ".join(pieces_of(w, v)[1]), "no piece for the part"),
        (lambda w, v: cut(w, v).replace("##", ""), "`##` is missing"),
        (lambda w, v: cut(w, v).replace(" ", ""), "a space between"),
        (lambda w, v: cut(w, v).upper(), "wanted"),
        (lambda w, v: " ".join(going_back(w, v) or ["[UNK]"]), "never does"),
        (from_the_end, "from the end of the word"),
        (lambda w, v: "##" + cut(w, v), "The first piece"),
    ],
)
def test_cutting_traps(check, answer, words):
    assert_says(check("9.1", answer), words)


def test_a_changed_vocabulary_is_mentioned_and_the_checks_own_is_whole(check):
    def empties(word, vocabulary):
        pieces = cut(word, vocabulary)
        vocabulary.clear()
        return pieces

    for _ in range(2):
        verdict = check("9.1", empties)
        assert verdict.passed
        assert "changes `vocabulary` in place" in verdict.message


# --- 9.2 ---------------------------------------------------------------------------------------------------

BUDGET = {"embedding": 96_014_208, "layer": 1_774_464, "fraction": 0.8185, "bits": 4.5}


@pytest.mark.parametrize(
    "other",
    [
        {},
        {"embedding": 250_037 * 384.0, "layer": torch.tensor(1_774_464)},
        {"fraction": np.float32(0.82), "bits": [144 / 32]},
    ],
)
def test_budgets_in_any_form(check, other):
    assert check("9.2", BUDGET | other).passed


def test_the_budget_is_that_of_the_class(check):
    from attnbook import Bert

    with torch.device("meta"):
        model = Bert(250_037, 384, 12, 12, 1536)
    layer = sum(parameter.numel() for parameter in model.encoder.layers[0].parameters())
    assert (model.tokens.weight.numel(), layer) == (BUDGET["embedding"], BUDGET["layer"])


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"embedding": 250_037}, "number of rows"),
        ({"embedding": 2 * 96_014_208}, "counts the table twice"),
        ({"layer": 1_769_472}, "Add biases and norms"),
        ({"layer": 1_774_464 - 4 * 384}, "layer norms are missing"),
        ({"layer": 1_774_464 - 2 * 384}, "one layer norm is missing"),
        ({"layer": 12 * 1_774_464}, "Give one"),
        ({"layer": 1_774_464 - 4 * 384}, "or else the biases of the four projections"),
        ({"layer": 1_774_464 - 1536 - 384}, "biases of the feed-forward network"),
        ({"embedding": 250_037 * 1536}, "`embedding`: not 384056832."),
        ({"layer": 1_000}, "Four D × D projections"),
        ({"fraction": 0.1815}, "the layers' part"),
        ({"fraction": 81.85}, "in percent"),
        ({"fraction": 0.982}, "with one layer"),
        ({"bits": 4}, "scale is missing"),
        ({"bits": 20}, "share its 16 bits"),
        ({"bits": 144}, "bits of a block"),
    ],
)
def test_budget_traps(check, other, words):
    assert_says(check("9.2", BUDGET | other), words)


# --- 9.3 ---------------------------------------------------------------------------------------------------


def same_token(weights, ids, diagonal=False):
    same = ids[:, None] == ids
    if not diagonal:
        same = same & ~torch.eye(len(ids), dtype=torch.bool)
    return weights * same, same


def query_by_query(weights, ids):
    found = []
    for t in range(len(ids)):
        others = [s for s in range(len(ids)) if s != t and ids[s] == ids[t]]
        if others:
            found.append(weights[:, t, others].sum(-1))
    return sum(found) / len(found)


def by_one_hot(weights, ids):
    codes = F.one_hot(ids).double()
    same = codes @ codes.T - torch.eye(len(ids))
    return torch.einsum("hts,ts->h", weights.double(), same) / (same.sum(-1) > 0).sum()


def largest_on_its_id(weights, ids):
    on_id, same = same_token(weights, ids)
    return on_id.max(-1)[0][:, same.sum(-1) > 0].mean(-1)


def earlier_only(weights, ids):
    found = [
        weights[:, t, :t][:, ids[:t] == ids[t]].sum(-1) for t in range(len(ids)) if (ids[:t] == ids[t]).any()
    ]
    return torch.stack(found).mean(0)


@pytest.mark.parametrize("answer", [query_by_query, by_one_hot, lambda w, i: query_by_query(w.mT, i)])
def test_habits_in_many_ways(check, answer):
    assert check("9.3", answer).passed


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda w, i: same_token(w, i, True)[0].sum(-1).mean(-1), "diagonal"),
        (lambda w, i: same_token(w, i)[0].sum(-1).mean(-1), "averaged over all queries"),
        (lambda w, i: w[:, same_token(w, i)[1]].mean(-1), "averaged over pairs"),
        (lambda w, i: same_token(w, i)[0].sum((-1, -2)), "added up over the queries"),
        (lambda w, i: query_by_query(w, i).mean().expand(len(w)), "over the heads"),
        (lambda w, i: largest_on_its_id(w, i), "largest weight"),
        (lambda w, i: query_by_query(w.tril(), i), "wanted"),
        (lambda w, i: earlier_only(w, i), "on one side of the query"),
        (lambda w, i: same_token(w, i)[0].sum(-1), "has shape (3, 8); wanted (H,)"),
    ],
)
def test_habit_traps(check, answer, words):
    assert_says(check("9.3", answer), words)


# --- 9.4 ---------------------------------------------------------------------------------------------------


def choose(found, on, tested):
    best = max(
        ((layer, head) for layer in range(found.shape[0]) for head in range(found.shape[1])),
        key=lambda pair: int(found[pair][on].sum()),
    )
    return *best, found[best][tested].float().mean()


def everything(found):
    return torch.ones(found.shape[-1], dtype=torch.bool)


def by_numpy(found, train):
    found, train = found.numpy(), train.numpy()
    best = np.unravel_index(found[..., train].mean(-1).argmax(), found.shape[:2])
    return *map(int, best), found[best][~train].mean()


def by_head_first(found, train):
    head, layer, accuracy = choose(found.transpose(0, 1), train, ~train)
    return layer, head, accuracy


def separately(found, train):
    counts = found[..., train].sum(-1)
    layer, head = int(counts.max(1)[0].argmax()), int(counts.max(0)[0].argmax())
    return layer, head, found[layer, head, ~train].float().mean()


@pytest.mark.parametrize(
    "answer",
    [
        lambda found, train: choose(found, train, ~train),
        by_numpy,
        lambda f, t: dict(zip(("layer", "head", "accuracy"), choose(f, t, ~t), strict=True)),
    ],
)
def test_choices_in_many_ways(check, answer):
    assert check("9.4", answer).passed


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda f, t: choose(f, t, t), "tested on the sentences that chose"),
        (lambda f, t: choose(f, t, everything(f)), "tested on all sentences"),
        (lambda f, t: choose(f, everything(f), ~t), "chose on all sentences"),
        (lambda f, t: choose(f, ~t, ~t), "chose on the test sentences"),
        (lambda f, t: (*choose(f, t, ~t)[:2], f[..., ~t].double().mean()), "mean over all heads"),
        (lambda f, t: (*choose(f, t, ~t)[:2], f[choose(f, t, ~t)[:2]][~t].sum()), "Divide by how many"),
        (
            lambda f, t: (*divmod(int(f[..., t].sum(-1).argmax()), len(f)), choose(f, t, ~t)[2]),
            "layer · H + head",
        ),
        (lambda f, t: choose(f, t, ~t)[2], "wanted 3 things"),
        (by_head_first, "In a tie you took the first by its head"),
        (separately, "chose the layer and the head separately"),
        (
            lambda f, t: (*choose(f, t, ~t)[:2], f[..., ~t].double().mean(-1).max()),
            "isn't the fraction for your head",
        ),
    ],
)
def test_choosing_traps(check, answer, words):
    assert_says(check("9.4", answer), words)


# --- 9.5 ---------------------------------------------------------------------------------------------------


def head_by_head(weights, values, output, head):
    width = values.shape[-1]
    parts = [
        weights[h] @ values[h] @ output[h * width : (h + 1) * width] for h in range(len(weights)) if h != head
    ]
    return sum(parts)


def by_subtraction(weights, values, output, head):
    joined = torch.cat(list(weights @ values), dim=-1)
    width = values.shape[-1]
    gone = torch.zeros_like(joined)
    gone[:, head * width : (head + 1) * width] = joined[:, head * width : (head + 1) * width]
    return joined @ output - gone @ output


def without_values(weights, values, output, head):
    values = values.clone()
    values[head] = 0
    return torch.einsum("hts,hsd,hde->te", weights, values, output.unflatten(0, (len(weights), -1)))


@pytest.mark.parametrize("answer", [head_by_head, by_subtraction, without_values])
def test_heads_removed_in_many_ways(check, answer):
    assert check("9.5", answer).passed


def test_removing_a_head_by_hand_is_what_ablate_does():
    from attnbook import MultiHeadAttention, ablate

    class Stack(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.self_attention = MultiHeadAttention(12, 3, bias=False)

    model = torch.nn.Module()
    model.layers = torch.nn.ModuleList([Stack()])
    attention, x = model.layers[0].self_attention, torch.randn(1, 5, 12)
    with torch.no_grad(), ablate(model, [(0, 1)]):
        output, weights = attention(x, x, x)
        values = attention.value(x)[0].unflatten(-1, (3, -1)).transpose(0, 1)
        by_hand = head_by_head(weights[0], values, attention.output.weight.T, 1)
    torch.testing.assert_close(by_hand, output[0])


def removed(weights, values, head):
    outputs = weights @ values
    outputs[head] = 0
    return outputs


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda w, v, o, h: (w @ v).transpose(0, 1).flatten(1) @ o, "still contributes"),
        (lambda w, v, o, h: w[h] @ v[h] @ o.unflatten(0, (len(w), -1))[h], "kept only this head"),
        (lambda w, v, o, h: removed(w, v, h).transpose(0, 1).flatten(1) @ o.T, "from the right"),
        (lambda w, v, o, h: removed(w, v, h).transpose(0, 1).flatten(1), "output matrix is missing"),
        (lambda w, v, o, h: removed(w, v, h).reshape(w.shape[1], -1) @ o, "wrong order"),
        (lambda w, v, o, h: head_by_head(w, v, o, h) * len(w) / (len(w) - 1), "scaled the other heads"),
        (
            lambda w, v, o, h: (
                head_by_head(w, v, o, h)
                + v[h].mean(0).expand(w.shape[1], -1) @ o.unflatten(0, (len(w), -1))[h]
            ),
            "uniform weights",
        ),
        (lambda w, v, o, h: removed(w, v, h), "wanted (T, D)"),
        (lambda w, v, o, h: head_by_head(w, v, o, 1), "has the right shape"),
        (lambda w, v, o, h: head_by_head(w, v, o, h - 1), "wanted"),
    ],
)
def test_removal_traps(check, answer, words):
    assert_says(check("9.5", answer), words)


# --- 9.6 ---------------------------------------------------------------------------------------------------


def masks(lengths):
    return torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]


def alone_and_together(embed, scale=50.0, lengths=(6, 2, 4)):
    torch.manual_seed(1)
    hidden = scale * torch.randn(len(lengths), max(lengths), 3)
    together = embed(hidden, masks(lengths))
    for i, length in enumerate(lengths):
        alone = embed(hidden[i : i + 1, :length], torch.ones(1, length, dtype=torch.bool))
        if (alone[0] - together[i]).abs().max() > 1e-3:
            return False
    return True


def two_amounts_of_padding(embed):
    torch.manual_seed(2)
    words = [torch.randn(n, 5, dtype=torch.float64) for n in (3, 5, 1)]
    results = []
    for longest in (5, 9):
        rows = [torch.cat([w, 1e4 * torch.randn(longest - len(w), 5, dtype=w.dtype)]) for w in words]
        mask = torch.arange(longest) < torch.tensor([len(w) for w in words])[:, None]
        results.append(embed(torch.stack(rows), mask))
    return bool((results[0] - results[1]).abs().max() < 1e-6)


@pytest.mark.parametrize("answer", [alone_and_together, two_amounts_of_padding])
def test_detectors_of_padding(check, answer):
    assert check("9.6", answer).passed


def only_other_numbers(embed):
    torch.manual_seed(3)
    hidden, mask = torch.randn(3, 5, 6), masks((5, 3, 2))
    return torch.allclose(embed(hidden, mask), embed(hidden + 100 * ~mask[..., None], mask))


def zeros_as_padding(embed):
    hidden = torch.randn(3, 5, 6, generator=torch.Generator().manual_seed(4))
    padded, mask = F.pad(hidden, (0, 0, 0, 3)), masks((8, 8, 8)) & (torch.arange(8) < 5)
    return torch.allclose(embed(hidden, torch.ones(3, 5, dtype=torch.bool)), embed(padded, mask))


def one_length(embed):
    hidden = 1e4 * torch.randn(3, 9, 6, generator=torch.Generator().manual_seed(5))
    mask = (torch.arange(9) < 5).expand(3, -1)
    return torch.allclose(embed(hidden[:, :5], mask[:, :5]), embed(hidden, mask), atol=1e-3)


def with_nan(embed):
    hidden, mask = torch.randn(3, 5, 6, generator=torch.Generator().manual_seed(7)), masks((5, 3, 2))
    filled = hidden.masked_fill(~mask[..., None], float("nan"))
    return all(
        torch.allclose(embed(filled, mask)[i], embed(hidden[i : i + 1], mask[i : i + 1])) for i in (1, 2)
    )


def against_the_mean(embed):
    hidden, mask = torch.randn(3, 5, 6, generator=torch.Generator().manual_seed(6)), masks((5, 3, 2))
    mean = (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
    return torch.allclose(embed(hidden, mask), mean)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (only_other_numbers, "Change how much there is"),
        (zeros_as_padding, "all zeros"),
        (one_length, "one length"),
        (against_the_mean, "compare a function with itself"),
        (lambda embed: True, "the same of all of them"),
        (with_nan, "no NaN or infinity"),
        (lambda embed: not alone_and_together(embed), "True and False are swapped"),
        (lambda embed: alone_and_together(embed, 1.0), "Make the numbers in the padding large"),
    ],
)
def test_padding_traps(check, answer, words):
    assert_says(check("9.6", answer), words)
