"""Chapter 2: correct solutions of all kinds pass, and each known mistake gets its own message."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F


def assert_says(verdict, words: str) -> None:
    assert verdict.state == "wrong"
    assert words in verdict.message


# --- 2.1 ---------------------------------------------------------------------------------------------------


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
def test_leaving_one_out_in_many_ways(check, answer):
    assert check("2.1", answer).passed


def with_own(k, v, h):
    return ((kernel(k, h) @ v / kernel(k, h).sum(1) - v) ** 2).mean()


def after(k, v, h):
    weights = kernel(k, h) / kernel(k, h).sum(1, keepdim=True) * (1 - torch.eye(len(k)))
    return ((weights @ v - v) ** 2).mean()


def regress(k, v, h, score):
    weights = score(k[:, None] - k, h).masked_fill(torch.eye(len(k)).bool(), -math.inf).softmax(1)
    return ((weights @ v - v) ** 2).mean()


def closing_every_zero(k, v, h):
    scores = -((k[:, None] - k) ** 2) / (2 * h**2)
    return (scores.masked_fill(scores == 0, -math.inf).softmax(1) @ v - v).square().mean()


def over_queries(k, v, h):
    scores = (-((k[:, None] - k) ** 2) / (2 * h**2)).fill_diagonal_(-math.inf)
    return (scores.softmax(0) @ v - v).square().mean()


def kernel_in_softmax(k, v, h):
    return (kernel(k, h).fill_diagonal_(-math.inf).softmax(1) @ v - v).square().mean()


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
        (lambda k, v, h: zero_diagonal(k, v, h) + 1, "but other numbers: it is 1.7"),
        (lambda k, v, h: zero_diagonal(k, v, h)[None], "has shape (1,); wanted one number."),
        (closing_every_zero, "Two readings of the same hour"),
        (over_queries, "softmax ran over the queries"),
        (kernel_in_softmax, "exp twice"),
    ],
)
def test_leaving_one_out_traps(check, answer, words):
    assert_says(check("2.1", answer), words)


# --- 2.2 ---------------------------------------------------------------------------------------------------


def scores_for(keys, wanted, score=10.0):
    return score * F.one_hot(torch.tensor(wanted), len(keys)).float()


def by_climbing(keys, wanted):
    """Gradient ascent on the logarithm of the weight: what training does."""
    query = torch.zeros(keys.shape[1], requires_grad=True)
    optimizer = torch.optim.LBFGS([query], max_iter=100, line_search_fn="strong_wolfe")

    def loss():
        optimizer.zero_grad()
        missing = -(keys @ query).log_softmax(0)[wanted]
        missing.backward()
        return missing

    for _ in range(5):
        optimizer.step(loss)
    return query


def others(keys, wanted):
    return torch.cat((keys[:wanted], keys[wanted + 1 :]))


def by_projection(keys, wanted):
    """What is left of the wanted key without the directions of all the others."""
    basis, _ = torch.linalg.qr(others(keys, wanted).double().T)
    key = keys[wanted].double()
    left = key - basis @ (basis.T @ key)
    return 20 * left / (left @ key)


@pytest.mark.parametrize(
    "answer",
    [
        lambda keys, wanted: torch.linalg.pinv(keys) @ scores_for(keys, wanted),
        lambda keys, wanted: torch.linalg.lstsq(keys, scores_for(keys, wanted)).solution,
        lambda keys, wanted: np.linalg.lstsq(keys.numpy(), scores_for(keys, wanted).numpy())[0],
        lambda keys, wanted: keys.T @ torch.linalg.solve(keys @ keys.T, scores_for(keys, wanted, 30.0)),
        lambda keys, wanted: (torch.linalg.pinv(keys) @ (scores_for(keys, wanted) - 3)).tolist(),
        by_climbing,
        by_projection,
    ],
)
def test_questions_found_in_many_ways(check, answer):
    assert check("2.2", answer).passed


def by_inverse(keys, wanted):
    return torch.linalg.inv(keys) @ scores_for(keys, wanted)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda keys, wanted: keys[wanted], "points nearly the same way and is longer"),
        (lambda keys, wanted: 50 * keys[wanted], "points nearly the same way and is longer"),
        (lambda keys, wanted: keys[wanted] - keys.mean(0), "difference between the wanted key and the mean"),
        (lambda keys, wanted: 10 * (keys[wanted] - keys.mean(0)), "the wanted key and the mean"),
        (lambda keys, wanted: 10 * (keys[wanted] - others(keys, wanted).mean(0)), "and the mean"),
        (by_inverse, "isn't square"),
        (lambda keys, wanted: torch.linalg.pinv(keys)[:, wanted], "the query is too short"),
        (lambda keys, wanted: -10 * torch.linalg.pinv(keys)[:, wanted], "The sign is wrong"),
        (lambda keys, wanted: 10 * torch.linalg.pinv(keys)[:, 0], "99 % of the weight? Then"),
        (lambda keys, wanted: torch.zeros(keys.shape[1]), "`weight of the wanted key` is 0.2; wanted 0.99"),
        (lambda keys, wanted: scores_for(keys, wanted), "wanted that of a key"),
        (lambda keys, wanted: keys, "has shape (5, 8)"),
        (lambda keys, wanted: None, "returned None"),
        (lambda keys, wanted: torch.full((keys.shape[1],), math.nan), "99 % of the weight? Then"),
    ],
)
def test_questions_that_fetch_something_else(check, answer, words):
    assert_says(check("2.2", answer), words)


# --- 2.3 ---------------------------------------------------------------------------------------------------

THIRD = [1 / 3, 1 / 3, 1 / 3]
PREDICTED = {"cold": (1, 0, 0), "hot": THIRD, "twice": 0.5, "std": 8, "louder": 16}


@pytest.mark.parametrize(
    "other",
    [
        {},
        {"cold": [1.0, 0.0, 0.0], "hot": (0.33, 0.33, 0.33), "twice": 1 / 2},
        {"cold": torch.tensor([1, 0, 0]), "hot": np.full(3, 1 / 3), "std": math.sqrt(64)},
        {"std": torch.tensor(8.0), "louder": [16]},
    ],
)
def test_predictions_in_any_form(check, other):
    assert check("2.3", PREDICTED | other).passed


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"cold": THIRD}, "from a high temperature"),
        ({"cold": (0.5, 0.25, 0.25)}, "Softmax takes exp"),
        ({"cold": (0.576, 0.212, 0.212)}, "weights at τ = 1"),
        ({"cold": (0, 0.5, 0.5)}, "score lower"),
        ({"cold": (0, 0, 1)}, "the gap between the first and the others"),
        ({"cold": 1}, "should be 3 numbers, and holds 1"),
        ({"hot": (1, 0, 0)}, "from a low temperature"),
        ({"hot": (0, 0, 0)}, "still sum to 1"),
        ({"hot": (0.5, 0.25, 0.25)}, "Softmax takes exp"),
        ({"hot": (0.576, 0.212, 0.212)}, "weights at τ = 1"),
        ({"hot": (1, 1, 1)}, "equal scores get equal weights"),
        ({"twice": 2}, "2 is inverted"),
        ({"twice": 0.25}, "is linear in the query"),
        ({"twice": 0.7071}, "no root here"),
        ({"twice": 1}, "doubles every score"),
        ({"twice": 3}, "Which τ makes"),
        ({"std": 64}, "is the variance"),
        ({"std": 1}, "has more"),
        ({"std": 0.125}, "the wrong way"),
        ({"std": 4}, "The width is 64"),
        ({"std": 11}, "Take its square root"),
        ({"louder": 8}, "the standard deviation before"),
        ({"louder": 32}, "doubles once"),
        ({"louder": 11.31}, "unlike the variance"),
        ({"louder": 256}, "is the variance"),
        ({"louder": 5}, "twice their sum"),
        ({"louder": "16"}, "should be a number"),
    ],
)
def test_prediction_traps(check, other, words):
    assert_says(check("2.3", PREDICTED | other), words)


def test_predictions_left_open_are_to_do(check):
    assert check("2.3", PREDICTED | {"hot": ...}).state == "pending"


# --- 2.4 ---------------------------------------------------------------------------------------------------


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
    assert check("2.4", answer).passed


def in_place(q, k):
    q /= q.shape[1] ** 0.5
    return q, k


def test_a_changed_input_is_told(check):
    verdict = check("2.4", in_place)
    assert verdict.passed
    assert "changes `W_query` in place" in verdict.message


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda q, k: (q, k), "Nothing has changed"),
        (lambda q, k: (q / q.shape[1] ** 0.5, k / k.shape[1] ** 0.5), "divided by d_k, not by √d_k"),
        (lambda q, k: (q / q.shape[1], k), "divided by d_k, not by √d_k"),
        (lambda q, k: (q / q.shape[1] ** 0.25, k), "by d_k^¼ only"),
        (lambda q, k: (q * q.shape[1] ** 0.5, k), "larger"),
        (lambda q, k: (q * q.shape[1] ** 0.5, k * q.shape[1] ** 0.5), "d_k times as large"),
        (lambda q, k: (q / q.shape[0] ** 0.5, k), "√D, the root of the number of rows"),
        (lambda q, k: (q / q.shape[1], k / q.shape[1]), "divided both matrices by d_k"),
        (lambda q, k: (q / q.shape[0] ** 0.5, k / k.shape[0] ** 0.5), "You divided by D"),
        (lambda q, k: (q / (q.shape[1] ** 1 / 4), k / (k.shape[1] ** 1 / 4)), "takes the power first"),
        (lambda q, k: (q / (q.shape[1] ** 1 / 2), k), "takes the power first"),
        (lambda q, k: (k, q / q.shape[1] ** 0.5), "are swapped"),
        (lambda q, k: (q / 16, k), "a fixed number"),
        (lambda q, k: (q / 4, k / 4), "a fixed number"),
        (lambda q, k: (q / 3, k), "by numbers only"),
        (lambda q, k: (q / q.norm(dim=0), k), "by numbers only"),
        (lambda q, k: (q.T, k), "new `W_query` has shape (10, 7)"),
        (lambda q, k: q, "wanted 2 things"),
        (lambda q, k: (q, None), "returned None"),
    ],
)
def test_hidden_scale_traps(check, answer, words):
    assert_says(check("2.4", answer), words)


# --- 2.7 ---------------------------------------------------------------------------------------------------


def count(scores, temperature):
    return torch.special.entr((scores / temperature).softmax(-1)).sum().exp()


def halving(scores, budget, low=1e-5, high=1e5, count=count):
    for _ in range(100):
        middle = math.sqrt(low * high)
        low, high = (low, middle) if count(scores, middle) > budget else (middle, high)
    return middle


def halving_the_inverse(scores, budget):
    """Half the interval of 1 / τ, from an end that is found by doubling."""
    cold = 1.0
    while count(scores, 1 / cold) > budget:
        cold *= 2
    hot = 0.0
    for _ in range(100):
        middle = (hot + cold) / 2
        hot, cold = (middle, cold) if count(scores, 1 / middle) > budget else (hot, middle)
    return torch.tensor(1 / middle)


def with_a_table(scores, budget):
    """Two tables of temperatures, the second one finer."""
    low, high = -6.0, 6.0
    for _ in range(4):
        taus = torch.logspace(low, high, 400, dtype=torch.float64)
        best = int(np.argmin([abs(count(scores.double(), tau).item() - budget) for tau in taus]))
        step = (high - low) / 399
        low, high = low + (best - 1) * step, low + (best + 1) * step
    return taus[best]


@pytest.mark.parametrize("answer", [halving, halving_the_inverse, with_a_table])
def test_temperatures_in_many_ways(check, answer):
    assert check("2.7", answer).passed


def naive_count(scores, temperature):
    weights = (scores / temperature).softmax(-1)
    return (-(weights * weights.log()).sum()).exp()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda s, b: 1 / halving(s, b), "This is 1/τ"),
        (lambda s, b: halving(s, 2 * b - 1), "So halve an interval"),
        (lambda s, b: halving(s, b, count=lambda s, t: -count(s, t)), "the wrong way"),
        (lambda s, b: halving(s, b, count=lambda s, t: count(s, t).log()), "Its exponential counts keys"),
        (lambda s, b: halving(s, b, count=lambda s, t: (s / t).softmax(-1).square().sum() ** -1), "inverse"),
        (lambda s, b: halving(s, b, count=naive_count), "0 · log 0 is NaN"),
        (lambda s, b: halving(s, b, 0.1, 10), "too small an interval"),
        (lambda s, b: halving(s, b, 1e-3, 100), "too small an interval"),
        (lambda s, b: halving(s, b, count=lambda s, t: count(s, 1 / t)), "are divided by it"),
        (lambda s, b: b, "You returned the budget"),
        (lambda s, b: min((0.1, 0.5, 1.5, 4), key=lambda t: abs(count(s, t) - b)), "`effective keys` is"),
        (lambda s, b: s.std().item(), "So halve an interval"),
        (lambda s, b: (s / halving(s, b)).softmax(-1), "`temperature` should be a number"),
        (lambda s, b: -halving(s, b), "a number above 0"),
        (lambda s, b: math.nan, "a number above 0"),
        (lambda s, b: None, "returned None"),
    ],
)
def test_temperatures_that_spend_another_budget(check, answer, words):
    assert_says(check("2.7", answer), words)


# --- 2.5 ---------------------------------------------------------------------------------------------------

EXCHANGED = {"keys": 19, "values": 19, "both": 14}


@pytest.mark.parametrize("other", [{"both": np.dot((0.2, 0.7, 0.1), (20, 10, 30))}, {"Keys": 19.0}])
def test_exchanges_in_any_form(check, other):
    assert check("2.5", EXCHANGED | other).passed


def test_exchanged_keys_and_values(check):
    weights, values = torch.tensor([0.7, 0.2, 0.1]), torch.tensor([10.0, 20.0, 30.0])
    other = [1, 0, 2]
    computed = {"keys": weights[other] @ values, "values": weights @ values[other]}
    assert check("2.5", computed | {"both": weights[other] @ values[other]}).passed


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"keys": 14}, "at its new position"),
        ({"keys": 26}, "reverse order"),
        ({"keys": 20}, "the values stay"),
        ({"values": 14}, "The weights stay"),
        ({"values": 20}, "20, 10 and 30"),
        ({"both": 19}, "after one exchange"),
        ({"both": 20}, "keeps its weight"),
    ],
)
def test_wrong_exchanges(check, other, words):
    assert_says(check("2.5", EXCHANGED | other), words)


# --- 2.6 ---------------------------------------------------------------------------------------------------

ONE_LOOKUP = {"gap": math.log(3), "box": 0.15}


def test_one_lookup_keeps_the_ratio(check):
    for heavy in (2.0, 0.7):  # the scores of robot and box stay, the last word's changes
        robot, box, _ = torch.tensor([1.0, 1.0 - math.log(3), heavy]).softmax(0).tolist()
        assert robot / box == pytest.approx(3, rel=1e-5)
    assert check("2.6", ONE_LOOKUP | {"gap": 1.1}).passed


@pytest.mark.parametrize("other", [{"gap": -math.log(0.2 / 0.6)}, {"box": torch.tensor([0.45 * 0.2 / 0.6])}])
def test_ratios_in_any_form(check, other):
    assert check("2.6", ONE_LOOKUP | other).passed


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"gap": 3}, "ratio of the weights"),
        ({"gap": 0.4}, "difference of the weights"),
        ({"gap": math.log2(3)}, "log₂ 3"),
        ({"gap": math.log10(3)}, "log₁₀ 3"),
        ({"gap": -math.log(3)}, "sign is wrong"),
        ({"gap": 2}, "Divide one weight by the other"),
        ({"box": 0.2}, "the sum that softmax divides by"),
        ({"box": 0.05}, "keeps the difference"),
        ({"box": 0.55}, "Other words get weight too"),
        ({"box": 0.45}, "still differ"),
        ({"box": 0.3}, "the ratio of the two weights"),
    ],
)
def test_wrong_ratios(check, other, words):
    assert_says(check("2.6", ONE_LOOKUP | other), words)
