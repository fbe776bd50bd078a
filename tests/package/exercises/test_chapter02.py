"""Chapter 2: every right way passes, every trap is turned down in words of its own."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F


def assert_says(verdict, words: str) -> None:
    assert verdict.state == "wrong"
    assert words in verdict.message


# --- 2.1 ---------------------------------------------------------------------------------------------------

THIRD = [1 / 3, 1 / 3, 1 / 3]
PREDICTED = {"cold": (1, 0, 0), "hot": THIRD, "twice": 0.5, "spread": 8, "louder": 16}


@pytest.mark.parametrize(
    "other",
    [
        {},
        {"cold": [1.0, 0.0, 0.0], "hot": (0.33, 0.33, 0.33), "twice": 1 / 2},
        {"cold": torch.tensor([1, 0, 0]), "hot": np.full(3, 1 / 3), "spread": math.sqrt(64)},
        {"spread": torch.tensor(8.0), "louder": [16]},
    ],
)
def test_predictions_in_any_form(check, other):
    assert check("2.1", PREDICTED | other).passed


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"cold": THIRD}, "is what heat does"),
        ({"cold": (0.5, 0.25, 0.25)}, "Softmax takes exp"),
        ({"cold": (0.576, 0.212, 0.212)}, "weights at τ = 1"),
        ({"cold": (0, 0.5, 0.5)}, "score lower"),
        ({"cold": (0, 0, 1)}, "the gap between the first and the others"),
        ({"cold": 1}, "should be 3 numbers, and holds 1"),
        ({"hot": (1, 0, 0)}, "is what cold does"),
        ({"hot": (0, 0, 0)}, "still sum to 1"),
        ({"hot": (0.5, 0.25, 0.25)}, "Softmax takes exp"),
        ({"hot": (0.576, 0.212, 0.212)}, "weights at τ = 1"),
        ({"hot": (1, 1, 1)}, "three equal scores share evenly"),
        ({"twice": 2}, "the wrong way round"),
        ({"twice": 0.25}, "has the query in it once"),
        ({"twice": 0.7071}, "no root here"),
        ({"twice": 1}, "doubles every score"),
        ({"twice": 3}, "Which τ makes"),
        ({"spread": 64}, "is the variance"),
        ({"spread": 1}, "has more"),
        ({"spread": 0.125}, "the wrong way"),
        ({"spread": 4}, "The width is 64"),
        ({"spread": 11}, "its root"),
        ({"louder": 8}, "the spread before"),
        ({"louder": 32}, "doubles once"),
        ({"louder": 11.31}, "unlike variance"),
        ({"louder": 256}, "is the variance"),
        ({"louder": 5}, "twice their sum"),
        ({"louder": "16"}, "should be a number"),
    ],
)
def test_prediction_traps(check, other, words):
    assert_says(check("2.1", PREDICTED | other), words)


def test_predictions_left_open_are_to_do(check):
    assert check("2.1", PREDICTED | {"hot": ...}).state == "pending"


# --- 2.2 ---------------------------------------------------------------------------------------------------


def by_loops(query, keys, values, temperature):
    scores = [sum(q * k for q, k in zip(query, key, strict=True)).item() / temperature for key in keys]
    powers = [math.exp(score - max(scores)) for score in scores]
    total = sum(powers)
    return sum(power / total * value for power, value in zip(powers, values, strict=True))


@pytest.mark.parametrize(
    "answer",
    [
        lambda q, k, v, t: torch.softmax(k @ q / t, dim=0) @ v,
        lambda q, k, v, t: F.softmax((q @ k.T) / t, dim=-1) @ v,
        lambda q, k, v, t: ((k @ (q / t)).softmax(-1)[:, None] * v).sum(0),
        lambda q, k, v, t: torch.einsum("s,sv->v", (torch.einsum("d,sd->s", q, k) / t).softmax(0), v),
        lambda q, k, v, t: F.scaled_dot_product_attention(q[None], k, v, scale=1 / t)[0],
        lambda q, k, v, t: (k.double() @ q.double() / t).softmax(0) @ v.double(),
        by_loops,
    ],
)
def test_soft_lookups_by_many_roads(check, answer):
    assert check("2.2", answer).passed


def naive(q, k, v, t):
    powers = torch.exp(k @ q / t)
    return powers / powers.sum() @ v


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda q, k, v, t: (k @ q * t).softmax(0) @ v, "multiplied by the temperature"),
        (lambda q, k, v, t: (k @ q).softmax(0) @ v, "does nothing yet"),
        (lambda q, k, v, t: (k @ q).softmax(0) / t @ v, "came after softmax"),
        (lambda q, k, v, t: (k @ q / t / len(q) ** 0.5).softmax(0) @ v, "√d as well"),
        (lambda q, k, v, t: (k @ q / len(q) ** 0.5).softmax(0) @ v, "√d as well"),
        (naive, "subtracts the largest score"),
        (lambda q, k, v, t: v[(k @ q).argmax()], "a hard lookup"),
        (lambda q, k, v, t: (k @ q / t) @ v, "Softmax is missing"),
        (lambda q, k, v, t: (k @ q) @ v, "Softmax is missing"),
        (lambda q, k, v, t: (k @ q / t) / (k @ q / t).sum() @ v, "divided the scores by their sum"),
        (lambda q, k, v, t: (k @ q / t).exp() @ v, "no weights yet"),
        (lambda q, k, v, t: (k @ q / t).softmax(0) @ k, "blended the keys"),
        (lambda q, k, v, t: (k @ q / t).softmax(0), "These are the weights"),
        (lambda q, k, v, t: (-((q - k) ** 2).sum(1) / 2 / t).softmax(0) @ v, "scores are distances"),
        (lambda q, k, v, t: (-((q - k) ** 2).sum(-1) / t).softmax(0) @ v, "scores are distances"),
        (lambda q, k, v, t: v.mean(0), "plain mean"),
        (lambda q, k, v, t: ((k @ q / t).softmax(0) @ v).sum(), "has shape"),
        (lambda q, k, v, t: (k @ q / t).softmax(0) @ v + 1, "other numbers"),
        (lambda q, k, v, t: None, "Does it end with `return`"),
    ],
)
def test_soft_lookup_traps(check, answer, words):
    assert_says(check("2.2", answer), words)


# --- 2.3 ---------------------------------------------------------------------------------------------------


def kernel(keys, bandwidth):
    return torch.exp(-((keys[:, None] - keys[None]) ** 2) / (2 * bandwidth**2))


def zero_diagonal(keys, values, bandwidth):
    weights = kernel(keys, bandwidth) * (1 - torch.eye(len(keys)))
    return ((weights @ values / weights.sum(1) - values) ** 2).mean()


def closed_scores(keys, values, bandwidth):
    scores = -((keys[:, None] - keys) ** 2) / 2 / bandwidth**2
    scores = scores.masked_fill(torch.eye(len(keys)).bool(), -math.inf)
    return F.mse_loss(torch.softmax(scores, dim=1) @ values, values)


def loops(keys, values, bandwidth):
    errors = []
    for i in range(len(keys)):
        others = [j for j in range(len(keys)) if j != i]
        weights = [math.exp(-((keys[i] - keys[j]).item() ** 2) / (2 * bandwidth**2)) for j in others]
        blend = sum(w * values[j].item() for w, j in zip(weights, others, strict=True)) / sum(weights)
        errors.append((blend - values[i].item()) ** 2)
    return sum(errors) / len(errors)


def one_out(keys, values, bandwidth):
    errors = []
    for i in range(len(keys)):
        rest, papers = torch.cat((keys[:i], keys[i + 1 :])), torch.cat((values[:i], values[i + 1 :]))
        weights = (-((keys[i] - rest) ** 2) / (2 * bandwidth**2)).softmax(0)
        errors.append((weights @ papers - values[i]) ** 2)
    return torch.stack(errors).mean()


@pytest.mark.parametrize("answer", [zero_diagonal, closed_scores, loops, one_out])
def test_leaving_one_out_by_many_roads(check, answer):
    assert check("2.3", answer).passed


def with_own(k, v, h):
    return ((kernel(k, h) @ v / kernel(k, h).sum(1) - v) ** 2).mean()


def after(k, v, h):
    weights = kernel(k, h) / kernel(k, h).sum(1, keepdim=True) * (1 - torch.eye(len(k)))
    return ((weights @ v - v) ** 2).mean()


def regress(k, v, h, score):
    weights = score(k[:, None] - k, h).masked_fill(torch.eye(len(k)).bool(), -math.inf).softmax(1)
    return ((weights @ v - v) ** 2).mean()


def estimates(k, v, h):
    weights = kernel(k, h) * (1 - torch.eye(len(k)))
    return weights @ v / weights.sum(1)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (with_own, "helps to predict itself"),
        (after, "after softmax"),
        (lambda k, v, h: regress(k, v, h, lambda gap, h: -(gap**2) / (2 * h)), "not squared"),
        (lambda k, v, h: regress(k, v, h, lambda gap, h: -(gap**2) / h**2), "The 2 in 2h²"),
        (lambda k, v, h: regress(k, v, h, lambda gap, h: -(gap**2) / (2 * h) ** 2), "The 2 in 2h²"),
        (
            lambda k, v, h: regress(k, v, h, lambda gap, h: -(gap**2) * h**2 / 2),
            "multiplied by the bandwidth",
        ),
        (
            lambda k, v, h: regress(k, v, h, lambda gap, h: -gap.abs() / (2 * h**2)),
            "distances are not squared",
        ),
        (lambda k, v, h: regress(k, v, h, lambda gap, h: -gap.abs() / h), "distances are not squared"),
        (lambda k, v, h: regress(k, v, h, lambda gap, h: gap**2 / (2 * h**2)), "The minus is missing"),
        (estimates, "These are the estimates"),
        (lambda k, v, h: (estimates(k, v, h) - v) ** 2, "one for each reading"),
        (lambda k, v, h: zero_diagonal(k, v, h).sqrt(), "the root"),
        (lambda k, v, h: (estimates(k, v, h) - v).abs().mean(), "without its square"),
        (lambda k, v, h: (estimates(k, v, h) - v).mean(), "without its square"),
        (lambda k, v, h: ((estimates(k, v, h) - v) ** 2).sum(), "the sum of the squared errors"),
        (lambda k, v, h: zero_diagonal(k, v, h) + 1, "other numbers"),
    ],
)
def test_leaving_one_out_traps(check, answer, words):
    assert_says(check("2.3", answer), words)


# --- 2.4 ---------------------------------------------------------------------------------------------------


def skipping_zeros(weights):
    rows = weights.reshape(-1, weights.shape[-1])
    counts = [math.exp(-sum(w * math.log(w) for w in row if w > 0)) for row in rows.tolist()]
    return torch.tensor(counts).reshape(weights.shape[:-1])


@pytest.mark.parametrize(
    "answer",
    [
        lambda w: torch.special.entr(w).sum(-1).exp(),
        lambda w: torch.exp(-torch.xlogy(w, w).sum(dim=-1)),
        lambda w: 2 ** -torch.where(w > 0, w * w.log2(), 0).sum(-1),
        lambda w: (-(w * (w + 1e-12).log()).sum(-1)).exp(),
        lambda w: (-(w * w.log()).nan_to_num().sum(-1)).exp(),
        lambda w: torch.distributions.Categorical(w).entropy().exp(),
        skipping_zeros,
    ],
)
def test_counts_of_keys_by_many_roads(check, answer):
    assert check("2.4", answer).passed


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda w: (-(w * w.log()).sum(-1)).exp(), "0 · log 0 is NaN"),
        (lambda w: -(w * w.log()).sum(-1), "This is the entropy"),
        (lambda w: torch.special.entr(w).sum(-1), "This is the entropy"),
        (lambda w: (torch.special.entr(w).sum(-1) / math.log(2)).exp(), "Two bases"),
        (lambda w: 2 ** torch.special.entr(w).sum(-1), "Two bases"),
        (lambda w: torch.xlogy(w, w).sum(-1).exp(), "The sign is missing"),
        (lambda w: torch.special.entr(w).sum(1).exp(), "another axis"),
        (lambda w: torch.special.entr(w).sum(0).exp(), "another axis"),
        (lambda w: torch.special.entr(w).sum().exp(), "over everything"),
        (lambda w: torch.special.entr(w).sum(-1).exp().mean(), "over everything"),
        (lambda w: torch.special.entr(w).sum(-1).mean().exp(), "over everything"),
        (lambda w: torch.special.entr(w).mean(-1).exp(), "the mean over the keys"),
        (lambda w: 1 / (w**2).sum(-1), "participation"),
        (lambda w: (w > 0).sum(-1), "that are not 0"),
        (lambda w: 1 / w.max(-1).values, "one key only"),
        (lambda w: torch.special.entr(w).sum(-1).exp() + 1, "other numbers"),
    ],
)
def test_counts_of_keys_traps(check, answer, words):
    assert_says(check("2.4", answer), words)


# --- 2.5 ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [
        lambda q, k: (q / math.sqrt(q.shape[-1]), k),
        lambda q, k: (q, k / k.shape[1] ** 0.5),
        lambda q, k: (q / q.shape[1] ** 0.25, k / k.shape[1] ** 0.25),
        lambda q, k: [2 * q, k / (2 * math.sqrt(k.shape[1]))],
        lambda q, k: (-q / math.sqrt(q.shape[1]), -k),
        lambda q, k: {"new W_query": q, "new W_key": k / k.shape[1] ** 0.5},
    ],
)
def test_scales_hidden_anywhere(check, answer):
    assert check("2.5", answer).passed


def in_place(q, k):
    q /= q.shape[1] ** 0.5
    return q, k


def test_a_changed_input_is_told(check):
    verdict = check("2.5", in_place)
    assert verdict.passed
    assert "changes `W_query` in place" in verdict.message


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda q, k: (q, k), "Nothing has changed"),
        (lambda q, k: (q / q.shape[1] ** 0.5, k / k.shape[1] ** 0.5), "divided both matrices by √d_k"),
        (lambda q, k: (q / q.shape[1], k), "divided by d_k. Divide"),
        (lambda q, k: (q / q.shape[1] ** 0.25, k), "by d_k^¼ only"),
        (lambda q, k: (q * q.shape[1] ** 0.5, k), "larger"),
        (lambda q, k: (q * q.shape[1] ** 0.5, k * q.shape[1] ** 0.5), "multiplied both"),
        (lambda q, k: (q / q.shape[0] ** 0.5, k), "root of the rows"),
        (lambda q, k: (q / q.shape[1], k / q.shape[1]), "divided both matrices by d_k"),
        (lambda q, k: (k, q / q.shape[1] ** 0.5), "changed places"),
        (lambda q, k: (q / 3, k), "0.75 times"),
        (lambda q, k: (q / q.norm(dim=0), k), "by numbers only"),
        (lambda q, k: (q.T, k), "new `W_query` has shape (16, 7)"),
        (lambda q, k: q, "wanted 2 things"),
        (lambda q, k: (q, None), "returned None"),
    ],
)
def test_hidden_scale_traps(check, answer, words):
    assert_says(check("2.5", answer), words)
