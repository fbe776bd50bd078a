"""Chapter 2's assignment: alternative solutions get all points, wrong ones lose exactly theirs."""

import math

import pytest
import torch

ALL, FEW, TIES = "top-all", "top-few", "top-ties"
UNIT, BANDWIDTH = "distance-unit", "distance-bandwidth"
WEIGHTS, SCORES, QUERY = "gradient-weights", "gradient-scores", "gradient-query"

BEST = "scores.argsort(dim=-1, descending=True, stable=True)[:, :k]"
KEPT = "torch.zeros_like(scores, dtype=torch.bool).scatter(1, best, True)"
SOFTMAX = "scores.masked_fill(~kept, -math.inf).softmax(dim=-1)"
NEW_QUERIES = "torch.cat((queries, one), dim=-1) / bandwidth**2"
NEW_KEYS = "torch.cat((keys, -length / 2), dim=-1)"
CENTRED = "(to_weights - weights @ to_weights)"

RIGHT = [
    (
        "top",
        "one query after the other, weights renormalized",
        """
def top_k_lookup(queries, keys, values, k):
    rows = []
    for query in queries:
        weights = (keys @ query / len(query) ** 0.5).softmax(0)
        ranked = sorted(range(len(keys)), key=lambda s: (-(keys[s] @ query).item(), s))
        row = torch.zeros_like(weights)
        row[ranked[:k]] = weights[ranked[:k]]
        rows.append(row / row.sum())
    weights = torch.stack(rows)
    return weights @ values, weights
""",
    ),
    (
        "distance",
        "the bandwidth on both sides",
        [
            (NEW_QUERIES, "torch.cat((queries, one), dim=-1) / bandwidth"),
            (NEW_KEYS, "torch.cat((keys, -length / 2), dim=-1) / bandwidth"),
        ],
    ),
    (
        "distance",
        "centred first: distances don't mind",
        [("    one =", "    queries, keys = queries - 3.0, keys - 3.0\n    one =")],
    ),
    (
        "gradient",
        "with the whole matrix of formula 2.7",
        [(f"weights * {CENTRED}", "(torch.diag(weights) - torch.outer(weights, weights)) @ to_weights")],
    ),
]

WRONG = [
    ("top", "no scale", [(" / math.sqrt(queries.shape[-1])", "")], {ALL: 2}, "q · k / √d"),
    (
        "top",
        "the scale of the number of keys",
        [("math.sqrt(queries.shape[-1])", "math.sqrt(len(keys))")],
        {ALL: 2},
        "q · k / √d",
    ),
    (
        "top",
        "fails with fewer keys than k",
        [(BEST, BEST.replace("[:, :k]", "[:, torch.arange(k)]"))],
        {ALL: 2},
        "out of bounds",
    ),
    (
        "top",
        "the lowest k",
        [("descending=True", "descending=False")],
        {FEW: 2, TIES: 2},
        "should keep 3 and 2",
    ),
    (
        "top",
        "zeros in place of the scores left out",
        [("-math.inf", "0.0")],
        {FEW: 2, TIES: 2},
        "exactly 0",
    ),
    (
        "top",
        "softmax over all, not renormalized",
        [(SOFTMAX, "scores.softmax(dim=-1) * kept")],
        {FEW: 2},
        "sum to 1",
    ),
    (
        "top",
        "the best keys of the first query for all",
        [(KEPT, KEPT.replace("best, True", "best[:1].expand_as(best), True"))],
        {FEW: 2},
        "should keep 3 and 2",
    ),
    (
        "top",
        "everything as good as the k-th",
        [(KEPT, "scores >= scores.gather(1, best[:, -1:])")],
        {TIES: 2},
        "and only they",
    ),
    (
        "top",
        "of equal scores the last goes first",
        [
            (
                BEST,
                "(scores.shape[1] - 1 - scores.flip(1).argsort(dim=-1, descending=True, stable=True))[:, :k]",
            )
        ],
        {TIES: 2},
        "the first two keys",
    ),
    (
        "top",
        "even weights among the kept",
        [(SOFTMAX, "kept / kept.sum(-1, keepdim=True)")],
        {ALL: 2},
        "softmax over the keys",
    ),
    (
        "top",
        "averages the keys",
        [("weights @ values", "weights @ keys")],
        {ALL: 2},
        "times the values",
    ),
    (
        "distance",
        "dot products alone",
        [(NEW_KEYS, "torch.cat((keys, torch.zeros_like(length)), dim=-1)")],
        {UNIT: 2, BANDWIDTH: 2},
        "likes long keys",
    ),
    ("distance", "no half", [("-length / 2", "-length")], {UNIT: 2, BANDWIDTH: 2}, "exp(−1/2)"),
    ("distance", "the wrong sign", [("-length / 2", "length / 2")], {UNIT: 2, BANDWIDTH: 2}, "exp(−1/2)"),
    (
        "distance",
        "the first number's square only",
        [("(keys**2).sum(dim=-1, keepdim=True)", "keys[:, :1] ** 2")],
        {UNIT: 2, BANDWIDTH: 2},
        "keys of 3 numbers, bandwidth 1",
    ),
    (
        "distance",
        "the length instead of its square",
        [("-length / 2", "-length.sqrt() / 2")],
        {UNIT: 2, BANDWIDTH: 2},
        "exp(−1/2)",
    ),
    (
        "distance",
        "the bandwidth, not its square",
        [("bandwidth**2", "bandwidth")],
        {BANDWIDTH: 2},
        "by its square",
    ),
    (
        "distance",
        "the bandwidth for the dot product alone",
        [(NEW_QUERIES, "torch.cat((queries / bandwidth**2, one), dim=-1)")],
        {BANDWIDTH: 2},
        "all parts",
    ),
    ("distance", "no bandwidth", [(" / bandwidth**2", "")], {BANDWIDTH: 2}, "Bandwidth 2"),
    (
        "distance",
        "two more numbers each",
        [
            (NEW_QUERIES, "torch.cat((queries, one, 0 * one), dim=-1) / bandwidth**2"),
            (NEW_KEYS, "torch.cat((keys, -length / 2, 0 * length), dim=-1)"),
        ],
        {UNIT: 2},
        "one more number",
    ),
    (
        "gradient",
        "no scale on the way there",
        [(" @ query / scale", " @ query")],
        {WEIGHTS: 2},
        "scaled scores are 2",
    ),
    ("gradient", "one term of formula 2.7", [(CENTRED, "to_weights")], {SCORES: 2}, "two terms"),
    (
        "gradient",
        "the plain mean",
        [(CENTRED, "(to_weights - to_weights.mean())")],
        {SCORES: 2},
        "follow from your weights",
    ),
    ("gradient", "the wrong sign", [(CENTRED, "(weights @ to_weights - to_weights)")], {SCORES: 2}, "2/9"),
    (
        "gradient",
        "no scale on the way back",
        [(" @ keys / scale", " @ keys")],
        {QUERY: 2},
        "the scale belongs",
    ),
    (
        "gradient",
        "divided by d on the way back",
        [(" @ keys / scale", " @ keys / len(query)")],
        {QUERY: 2},
        "the scale belongs",
    ),
    (
        "gradient",
        "as found",
        [(" @ query / scale", " @ query"), (CENTRED, "to_weights"), (" @ keys / scale", " @ keys")],
        {WEIGHTS: 2, SCORES: 2, QUERY: 2},
        "scaled scores are 2",
    ),
    (
        "top",
        "never more than two",
        [(BEST, BEST.replace("[:, :k]", "[:, : min(k, 2)]"))],
        {ALL: 2, FEW: 2, TIES: 2},
        "softmax over the keys",
    ),
    (
        "gradient",
        "d is always 4",
        [("math.sqrt(len(query))", "2.0")],
        {WEIGHTS: 2, QUERY: 2},
        "5 keys of 7 numbers",
    ),
]


@pytest.mark.parametrize(("task", "title", "changes"), RIGHT, ids=[f"{case[0]}: {case[1]}" for case in RIGHT])
def test_another_right_solution_gets_every_point(homework, task, title, changes):
    homework.accept("02", task, changes)


@pytest.mark.parametrize(
    ("task", "title", "changes", "loses", "says"), WRONG, ids=[f"{case[0]}: {case[1]}" for case in WRONG]
)
def test_a_wrong_solution_loses_exactly_its_points(homework, task, title, changes, loses, says):
    homework.judge("02", task, changes, loses, says)


def test_the_gradient_of_the_solution_is_autograds(homework):
    namespace = {"math": math}
    exec(homework.find("02", "gradient").source, namespace)
    query = torch.randn(5, dtype=torch.float64, requires_grad=True)
    keys, values, upstream = (torch.randn(*sizes).double() for sizes in [(7, 5), (7, 3), (3,)])
    scores = keys @ query / math.sqrt(5)
    (scores.softmax(0) @ values @ upstream).backward(inputs=[query])
    to_query = namespace["gradients"](query.detach(), keys, values, upstream)[2]
    torch.testing.assert_close(to_query, query.grad)


@pytest.mark.parametrize("seed", range(3))
def test_what_the_model_answer_says_of_the_few_best(homework, seed):
    """k = 1: no gradient. k = 2: none for the third. All: some for each, next to none when saturated."""
    namespace = {"math": math, "torch": torch}
    exec(homework.find("02", "top").source, namespace)
    torch.manual_seed(seed)
    keys, values = torch.randn(5, 8), torch.randn(5, 3)

    def learned(k, loud=1.0):
        query, tracked = (loud * torch.randn(1, 8)).requires_grad_(), keys.clone().requires_grad_()
        namespace["top_k_lookup"](query, tracked, values, k)[0].sum().backward()
        ranked = (query @ keys.T).detach()[0].argsort(descending=True)
        return query.grad.abs().max().item(), tracked.grad.abs().amax(-1)[ranked]

    assert learned(1)[0] == 0
    to_query, to_keys = learned(2)
    assert to_query > 0
    assert (to_keys[:2] > 0).all()
    assert (to_keys[2:] == 0).all()
    assert (learned(5)[1] > 0).all()
    assert learned(5, loud=1000.0)[0] < 1e-6
