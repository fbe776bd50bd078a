"""Chapter 3: correct solutions of all kinds pass, and each known mistake gets its own message."""

import math

import pytest
import torch
import torch.nn.functional as F

import attnbook
from attnbook.data import LANGUAGES, DateTask


def assert_says(verdict, words: str) -> None:
    assert verdict.state == "wrong"
    assert words in verdict.message


# --- 3.1 ---------------------------------------------------------------------------------------------------

PREDICTED = {"weights": (1, 10), "output": (1, 1, 5), "parameters": 255}


@pytest.mark.parametrize(
    "other",
    [
        {},
        {"weights": [1, 10]},
        {"weights": torch.Size([1, 10])},
        {"weights": torch.tensor([1, 10])},
        {"weights": torch.rand(1, 10)},
        {"output": torch.zeros(1, 1, 5).numpy()},
        {"output": (1.0, 1.0, 5.0)},
        {"parameters": 255.0},
        {"parameters": torch.tensor(255)},
        {"parameters": [255]},
        {"remark": "easy"},
    ],
)
def test_predictions_in_any_form(check, other):
    assert check("3.1", PREDICTED | other).passed


def test_predictions_with_other_letter_case(check):
    assert check("3.1", {key.upper(): value for key, value in PREDICTED.items()}).passed


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"weights": (1, 1, 10)}, "almost"),
        ({"weights": (1, 6)}, "widths of the query and the key"),
        ({"weights": (1, 12)}, "width of one value"),
        ({"weights": (10,)}, "Follow `self.attn`"),
        ({"weights": 10}, "should be a shape"),
        ({"weights": (1, 9.5)}, "whole numbers"),
        ({"weights": "1, 10"}, "should be a shape"),
        ({"output": (1, 5)}, "batch axis back"),
        ({"output": (1, 1, 12)}, "`output_size` wide"),
        ({"output": (1, 10, 5)}, "summed into one row"),
        ({"output": ()}, "not ()"),
        ({"parameters": 240}, "15 more in all"),
        ({"parameters": 150}, "right for `attn`"),
        ({"parameters": 105}, "right for `attn_combine`"),
        ({"parameters": 1}, "i × o weights and o biases"),
        ({"parameters": True}, "should be a number"),
        ({"parameters": "255"}, "should be a number"),
        ({"parameters": [1, 2]}, "holds 2"),
    ],
)
def test_wrong_predictions(check, other, words):
    assert_says(check("3.1", PREDICTED | other), words)


@pytest.mark.parametrize("answer", [255, "all", [1, 10], {"weights": (1, 10)}])
def test_predictions_need_a_dictionary_with_all_keys(check, answer):
    assert_says(check("3.1", answer), "`output`")


# --- 3.2 ---------------------------------------------------------------------------------------------------


def weights_of(attn, Q, K, V):
    return attn(Q, K, V)[1]


def evidence(attn, Q, K, V, new=torch.randn_like, look=weights_of):
    before = look(attn, Q, K, V)
    return {
        "Q": not torch.equal(look(attn, new(Q), K, V), before),
        "K": not torch.equal(look(attn, Q, new(K), V), before),
        "V": not torch.equal(look(attn, Q, K, new(V)), before),
    }


def to_six_decimals(attn, Q, K, V):
    return weights_of(attn, Q, K, V).round(decimals=6)


@pytest.mark.parametrize(
    "answer",
    [
        evidence,
        lambda *inputs: evidence(*inputs, new=torch.zeros_like),
        lambda *inputs: evidence(*inputs, new=torch.rand_like),
        lambda *inputs: evidence(*inputs, look=to_six_decimals),
        lambda *inputs: {key.lower(): torch.tensor(value) for key, value in evidence(*inputs).items()},
        lambda *inputs: {key: int(value) for key, value in evidence(*inputs).items()},
        lambda *inputs: {key: torch.tensor([value]).numpy() for key, value in evidence(*inputs).items()},
        lambda *inputs: {key: torch.tensor(value).numpy()[()] for key, value in evidence(*inputs).items()},
    ],
)
def test_any_fair_experiment(check, answer):
    assert check("3.2", answer).passed


def compares_outputs(attn, Q, K, V):
    return evidence(attn, Q, K, V, look=lambda *inputs: attn(*inputs[1:])[0])


def spoils_one_after_another(order):
    def experiment(attn, Q, K, V):
        before, inputs, found = weights_of(attn, Q, K, V), {"Q": Q, "K": K, "V": V}, {}
        for name in order:
            inputs[name] = torch.randn_like(inputs[name])
            found[name] = not torch.equal(weights_of(attn, *inputs.values()), before)
        return found

    return experiment


def in_place(attn, Q, K, V):
    before = weights_of(attn, Q, K, V)
    Q.normal_()
    return {"Q": not torch.equal(weights_of(attn, Q, K, V), before), "K": True, "V": False}


def rounded(attn, Q, K, V):
    return weights_of(attn, Q, K, V).round(decimals=4)


def permutes(attn, Q, K, V):
    return evidence(attn, Q, K, V, new=lambda x: x.flip(1))


def first_row(x):
    return torch.cat((torch.randn_like(x[:, :1]), x[:, 1:]), 1)


def last_row(x):
    return torch.cat((x[:, :-1], torch.randn_like(x[:, -1:])), 1)


def first_column(x):
    return torch.cat((torch.randn_like(x[..., :1]), x[..., 1:]), -1)


def last_column(x):
    return torch.cat((x[..., :-1], torch.randn_like(x[..., -1:])), -1)


def the_first_weight(attn, Q, K, V):
    return weights_of(attn, Q, K, V).flatten()[0]


def the_last_weight(attn, Q, K, V):
    return weights_of(attn, Q, K, V)[..., -1]


def the_largest_weight(attn, Q, K, V):
    return weights_of(attn, Q, K, V).amax(-1)


def largest_at(attn, Q, K, V):
    return weights_of(attn, Q, K, V).argmax(-1)


def coarse(attn, Q, K, V):
    return weights_of(attn, Q, K, V).round(decimals=1)


def if_all_move(attn, Q, K, V):
    before, new = weights_of(attn, Q, K, V), torch.randn_like
    after = {"Q": (new(Q), K, V), "K": (Q, new(K), V), "V": (Q, K, new(V))}
    return {name: bool((weights_of(attn, *inputs) != before).all()) for name, inputs in after.items()}


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda *i: evidence(*i, new=lambda x: 2 * x), "an added constant, a factor"),
        (lambda *i: evidence(*i, new=lambda x: -x), "an added constant, a factor"),
        (lambda *i: evidence(*i, new=lambda x: x + 1), "an added constant, a factor"),
        (lambda *i: evidence(*i, new=first_row), "You changed only some rows"),
        (lambda *i: evidence(*i, new=last_row), "You changed only some rows"),
        (lambda *i: evidence(*i, new=first_column), "You changed only some rows or columns"),
        (lambda *i: evidence(*i, new=last_column), "You changed only some rows or columns"),
        (lambda *i: evidence(*i, new=lambda x: x.flip(2)), "into another order"),
        (lambda *i: evidence(*i, look=the_first_weight), "The first weight is constant"),
        (lambda *i: evidence(*i, look=the_last_weight), "and so is the last"),
        (lambda *i: evidence(*i, look=the_largest_weight), "The first weight is constant"),
        (lambda *i: evidence(*i, look=coarse), "by less than 0.01"),
        (lambda *i: evidence(*i, look=largest_at), "compare exactly: `torch.equal`"),
        (if_all_move, "The first weight is constant"),
        (lambda *inputs: dict.fromkeys("QKV", True), "All three inputs seem to matter"),
        (lambda *inputs: dict.fromkeys("QKV", False), "It says the same of all of them"),
        (compares_outputs, "compare the weights"),
        (spoils_one_after_another("QKV"), "changed more than one input"),
        (spoils_one_after_another("VKQ"), "changed more than one input"),
        (in_place, "changes Q, K or V in place"),
        (permutes, "swapping positions changes nothing"),
        (lambda *i: evidence(*i, new=lambda x: x + 1, look=rounded), "softmax ignores"),
        (
            lambda *inputs: {key: not value for key, value in evidence(*inputs).items()},
            "True and False are swapped",
        ),
        (lambda *inputs: {"Q": True, "K": True, "V": False}, "it is a guess"),
        (lambda *inputs: {"Q": False, "K": True, "V": False}, "it is a guess"),
        (lambda *inputs: {"Q": True, "K": True}, "lacks `V`"),
        (lambda *inputs: {"Q": "yes", "K": True, "V": False}, "should be True or False"),
        (lambda *inputs: (True, True, False), "Wanted a dictionary"),
        ({"Q": True, "K": True, "V": False}, "wants a function"),
    ],
)
def test_unsound_experiments(check, answer, words):
    assert_says(check("3.2", answer), words)


# --- 3.4 ---------------------------------------------------------------------------------------------------


def by_loops(query, key, value):
    rows = []
    for item in range(query.shape[0]):
        for position in range(query.shape[1]):
            scores = torch.stack([query[item, position].dot(one) for one in key[item]])
            powers = scores.exp()
            rows.append((powers[:, None] * value[item]).sum(0) / powers.sum())
    return torch.stack(rows).reshape(*query.shape[:2], -1)


@pytest.mark.parametrize(
    "answer",
    [
        lambda q, k, v: (q @ k.mT).softmax(-1) @ v,
        lambda q, k, v: torch.bmm(F.softmax(torch.bmm(q, k.permute(0, 2, 1)), dim=2), v),
        lambda q, k, v: torch.einsum("bts,bsv->btv", torch.einsum("btd,bsd->bts", q, k).softmax(-1), v),
        lambda q, k, v: ((k @ q.mT).softmax(1).mT) @ v,
        lambda q, k, v: torch.stack([(q[i] @ k[i].T).softmax(-1) @ v[i] for i in range(len(q))]),
        lambda q, k, v: [(q[i] @ k[i].T).softmax(-1) @ v[i] for i in range(len(q))],
        lambda q, k, v: F.scaled_dot_product_attention(q, k, v, scale=1.0),
        by_loops,
        attnbook.DotAttention(),
        attnbook.DotAttention,
    ],
)
def test_dot_attention_in_many_ways(check, answer):
    assert check("3.4", answer).passed


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda q, k, v: torch.bmm(F.softmax(torch.bmm(q, k.mT), dim=1), v), "softmax ran over the queries"),
        (lambda q, k, v: torch.bmm(F.softmax(torch.bmm(q, k.mT), dim=0), v), "over the batch"),
        (lambda q, k, v: (q @ k.view(k.size(0), k.size(2), k.size(1))).softmax(-1) @ v, "is not `transpose`"),
        (lambda q, k, v: (q[0] @ k[0].T).softmax(-1) @ v[0], "batch item 0 only"),
        (lambda q, k, v: ((q[0] @ k[0].T).softmax(-1) @ v[0]).unsqueeze(0), "batch item 0 only"),
        (lambda q, k, v: ((q[0] @ k[0].T).softmax(-1) @ v[0]).repeat(len(q), 1, 1), "batch item 0 only"),
        (lambda q, k, v: (q[0] @ k[0].T).softmax(-1) @ v, "batch item 0 only"),
        (lambda q, k, v: (q @ k[0].T).softmax(-1) @ v, "batch item 0 only"),
        (lambda q, k, v: (q @ k[0].T).softmax(-1) @ v[0], "batch item 0 only"),
        (lambda q, k, v: (q @ k.mT).softmax(-1) @ v[0], "batch item 0 only"),
        (F.scaled_dot_product_attention, "chapter 4"),
        (lambda q, k, v: q @ k.mT @ v, "softmax is missing"),
        (lambda q, k, v: (q @ k.mT).softmax(-1), "These are the weights"),
    ],
)
def test_dot_attention_traps(check, answer, words):
    assert_says(check("3.4", answer), words)


# --- 3.7 ---------------------------------------------------------------------------------------------------


def hidden(scores, mask, low=-math.inf):
    return scores.masked_fill(~mask, low)


def renormalized(scores, mask):
    weights = scores.softmax(-1) * mask
    return weights / weights.sum(-1, keepdim=True).clamp(min=1e-30)


@pytest.mark.parametrize(
    "answer",
    [
        attnbook.masked_softmax,
        lambda s, m: hidden(s, m).softmax(-1).nan_to_num(0.0),
        lambda s, m: torch.where(m, s, -math.inf).softmax(-1).nan_to_num(),
        lambda s, m: hidden(s, m, -1e9).softmax(-1) * m,
        lambda s, m: hidden(s, m, torch.finfo(s.dtype).min).softmax(-1).masked_fill(~m, 0),
        renormalized,
        lambda s, m: (hidden(s, m).softmax(-1).nan_to_num(), m),
    ],
)
def test_masks_in_many_ways(check, answer):
    assert check("3.7", answer).passed


def by_hand(scores, mask):
    powers = scores.exp() * mask
    return powers / powers.sum(-1, keepdim=True).clamp(min=1e-30)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda s, m: s.masked_fill(~m, -100).softmax(-1) * m.any(-1, keepdim=True), "tiny, but not 0"),
        (lambda s, m: s.masked_fill(~m, -20).softmax(-1) * m.any(-1, keepdim=True), "is not low enough"),
        (by_hand, "exp of a large score"),
        (lambda s, m: (s.exp() * m / (s.exp() * m).sum(-1, keepdim=True)).nan_to_num(), "exp of a large"),
        (lambda s, m: s.softmax(-1).masked_fill(~m, 0), "masked after softmax"),
        (lambda s, m: s.masked_fill(m, -math.inf).softmax(-1), "mask is inverted"),
        (lambda s, m: s.masked_fill(m, -math.inf).softmax(-1).nan_to_num(), "mask is inverted"),
        (lambda s, m: s.masked_fill(m, -1e9).softmax(-1), "mask is inverted"),
        (lambda s, m: s.masked_fill(~m, 0).softmax(-1), "set the hidden scores to 0"),
        (lambda s, m: s.masked_fill(~m, 1e-9).softmax(-1), "set the hidden scores to 0"),
        (lambda s, m: (s + m).softmax(-1), "added the mask"),
        (lambda s, m: hidden(s, m).softmax(-1), "one row is NaN"),
        (lambda s, m: hidden(s, m, -1e9).softmax(-1), "gives all keys equal weights"),
        (
            lambda s, m: hidden(s, m, torch.finfo(s.dtype).min).softmax(-1),
            "gives all keys equal weights",
        ),
        (lambda s, m: hidden(s, m).softmax(-2), "softmax ran over the queries"),
        (lambda s, m: hidden(s, m).softmax(1).nan_to_num(), "softmax ran over the queries"),
        (lambda s, m: hidden(s, m[0]).softmax(-1).nan_to_num(), "batch item 0"),
        (lambda s, m: s.softmax(-1), "does nothing"),
        (hidden, "masked scores: softmax is missing"),
        (lambda s, m: hidden(s, m, -3).softmax(-1), "other numbers"),
        (lambda s, m: (s * m).softmax(-1) * m.any(-1, keepdim=True), "set the hidden scores to 0"),
    ],
)
def test_mask_traps(check, answer, words):
    assert_says(check("3.7", answer), words)


# --- 3.3 ---------------------------------------------------------------------------------------------------


def additive(query, key, W_query, W_key, v):
    return torch.tanh((query @ W_query)[:, :, None] + (key @ W_key)[:, None]) @ v


def additive_by_loops(query, key, W_query, W_key, v):
    scores = torch.zeros(len(query), query.shape[1], key.shape[1])
    for t in range(query.shape[1]):
        for s in range(key.shape[1]):
            scores[:, t, s] = torch.tanh(query[:, t] @ W_query + key[:, s] @ W_key) @ v
    return scores


@pytest.mark.parametrize(
    "answer",
    [
        additive,
        additive_by_loops,
        lambda q, k, wq, wk, v: torch.einsum(
            "btsh,h->bts", (torch.einsum("btd,dh->bth", q, wq).unsqueeze(2) + (k @ wk).unsqueeze(1)).tanh(), v
        ),
        lambda q, k, wq, wk, v: (torch.tanh((q @ wq)[:, :, None] + (k @ wk)[:, None]) * v).sum(-1),
        lambda q, k, wq, wk, v: (torch.tanh((q @ wq)[:, :, None] + (k @ wk)[:, None]) @ v[:, None]).squeeze(
            -1
        ),
    ],
)
def test_additive_scores_in_many_ways(check, answer):
    assert check("3.3", answer).passed


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda q, k, wq, wk, v: ((q @ wq)[:, :, None] + (k @ wk)[:, None]) @ v, "tanh is missing"),
        (
            lambda q, k, wq, wk, v: ((q @ wq).tanh()[:, :, None] + (k @ wk).tanh()[:, None]) @ v,
            "tanh is missing",
        ),
        (
            lambda q, k, wq, wk, v: torch.tanh(((q @ wq)[:, :, None] + (k @ wk)[:, None]) @ v),
            "before `v` reduces them to one score",
        ),
        (lambda *inputs: additive(*inputs).softmax(-1), "weights already"),
        (lambda q, k, wq, wk, v: torch.tanh((q @ wq)[:, :, None] + (k @ wk)[:, None]), "`v` is missing"),
        (
            lambda q, k, wq, wk, v: torch.tanh((q @ wq)[:, :, None] + (k @ wk)[:, None]).sum(-1),
            "`v` is missing",
        ),
        (lambda q, k, wq, wk, v: additive(q[:1], k[:1], wq, wk, v)[0], "batch item 0 only"),
        (lambda q, k, wq, wk, v: additive(q, k[:1], wq, wk, v), "batch item 0 only"),
        (lambda q, k, wq, wk, v: torch.tanh((q @ wq)[:, None] + (k @ wk)[:, :, None]) @ v, "another order"),
        (lambda q, k, wq, wk, v: torch.tanh(q @ wq + k @ wk) @ v, "unsqueeze"),
    ],
)
def test_additive_traps(check, answer, words):
    assert_says(check("3.3", answer), words)


def test_the_scores_asked_for_are_those_of_the_package(check):
    """The exercise's formula is `AdditiveAttention`'s, with the matrices transposed."""

    def package(query, key, W_query, W_key, v):
        attention = attnbook.AdditiveAttention(W_query.shape[0], W_key.shape[0], len(v))
        parts = {"query": W_query.T, "key": W_key.T, "score": v[None]}
        attention.load_state_dict({f"{name}.weight": weight for name, weight in parts.items()})
        weights = attention(query, key, torch.zeros(len(key), key.shape[1], 1))[1]
        scores = weights.log()
        return scores + (additive(query, key, W_query, W_key, v) - scores)[..., :1]

    assert check("3.3", package).passed


def test_a_sum_that_does_not_pair_queries_with_keys_is_told_to_unsqueeze(check):
    def additive_scores(query, key, W_query, W_key, v):
        return torch.tanh(query @ W_query + key @ W_key) @ v

    message = check("3.3", additive_scores).message
    assert "unsqueeze" in message
    assert "key.transpose" not in message


# --- 3.5 ---------------------------------------------------------------------------------------------------

BY_POSITION = {"day": 6, "year": 6, "both": 5}


def test_positions_are_counted_as_the_texts_are(check):
    task = DateTask()
    texts = [task.example("2020-02-29", language, "long")[0] for language in LANGUAGES]
    day = [text.startswith("29") for text in texts]
    year = [text.endswith("2020") for text in texts]
    both = [d and y for d, y in zip(day, year, strict=True)]
    assert check("3.5", {"day": sum(day), "year": sum(year), "both": sum(both)}).passed


@pytest.mark.parametrize("other", [{"day": 6.0}, {"both": torch.tensor(5)}])
def test_counts_of_positions_in_any_form(check, other):
    assert check("3.5", BY_POSITION | other).passed


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"day": 9}, "English, Basque and Chinese"),
        ({"day": 7}, "one too many"),
        ({"day": 8}, "two too many"),
        ({"day": 5}, "Arabic"),
        ({"day": 3}, "first two characters"),
        ({"year": 7}, "end of the Russian text"),
        ({"year": 8}, "begin with the year"),
        ({"year": 5}, "one too few"),
        ({"year": 3}, "last four characters"),
        ({"both": 6}, "are not the six"),
        ({"both": 12}, "the sum"),
        ({"both": 4}, "begin with `29` and end"),
    ],
)
def test_wrong_counts_of_positions(check, other, words):
    assert_says(check("3.5", BY_POSITION | other), words)


# --- 3.6 ---------------------------------------------------------------------------------------------------

MOVED = {"moved": 0.6, "sharp": 0.8, "largest": 1}


def test_the_distance_of_two_rows(check):
    rows = torch.tensor([[0.7, 0.2, 0.1, 0, 0], [0.1, 0.2, 0.7, 0, 0]])
    one, equal = torch.tensor([1.0, 0, 0, 0, 0]), torch.full((5,), 0.2)
    moved = (rows[0] - rows[1]).abs().sum() / 2
    assert check("3.6", {"moved": moved, "sharp": (one - equal).abs().sum() / 2, "largest": 1.0}).passed


@pytest.mark.parametrize(
    "other", [{"sharp": 1 - 1 / 5}, {"largest": torch.tensor(1)}, {"moved": [0.7 - 0.1]}]
)
def test_distances_in_any_form(check, other):
    assert check("3.6", MOVED | other).passed


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"moved": 1.2}, "take half"),
        ({"moved": 0}, "absolute values"),
        ({"moved": 0.3}, "half twice"),
        ({"moved": 0.5}, "and take half"),
        ({"sharp": 1.6}, "Take half"),
        ({"sharp": 1}, "one fifth"),
        ({"sharp": 0.2}, "may stay"),
        ({"sharp": 0.5}, "Where must the rest go"),
        ({"largest": 2}, "no more than all of the weight"),
        ({"largest": 5}, "no key in common"),
    ],
)
def test_wrong_distances(check, other, words):
    assert_says(check("3.6", MOVED | other), words)
