"""Chapter 4's assignment: alternative solutions get all points, wrong ones lose exactly theirs."""

import pytest
import torch

from attnbook import MultiHeadAttention, causal_mask

SHARING, WEIGHTS, MASK = "grouped-sharing", "grouped-weights", "grouped-mask"
RESCALE, LOW, ROWS = "blocks-rescale", "blocks-low", "blocks-rows"
COUNT, SIDES = "orders-count", "orders-both-sides"

FILL = "        scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)\n"
ZERO = ".masked_fill(~mask, 0.0)"
WEIGHTED = "weighted * shrink + powers"
START = "empty - math.inf, empty"
PER_ROW = "scores.amax(dim=-1, keepdim=True)"
COMPARE = "torch.allclose(attend(order), output[list(order)])"
RULE = """
def unnoticed_orders(mask):
    orders = [list(order) for order in permutations(range(len(mask)))]
    return sum(torch.equal({moved}, mask) for order in orders)
"""

RIGHT = [
    (
        "grouped",
        "cut the queries into groups instead of repeating the keys",
        """
def grouped_attention(query, key, value, mask=None):
    B, H, T, d = query.shape
    G, S = key.shape[1:3]
    query = query.reshape(B, G, H // G, T, d)
    scores = torch.einsum("bghtd,bgsd->bghts", query, key) / d**0.5
    scores = scores.reshape(B, H, T, S)
    if mask is not None:
        scores = torch.where(mask, scores, -torch.inf)
    weights = torch.nan_to_num(torch.softmax(scores, -1))
    output = torch.einsum("bghts,bgsv->bghtv", weights.reshape(B, G, H // G, T, S), value)
    return output.reshape(B, H, T, -1), weights
""",
    ),
    (
        "grouped",
        "mask after softmax, then renormalize",
        [
            (FILL, ""),
            (ZERO, " * mask\n        weights = weights / weights.sum(-1, keepdim=True).clamp_min(1e-30)"),
        ],
    ),
    ("blocks", "a finite lowest start", [(START, "empty - 1e4, empty")]),
    (
        "orders",
        "read off the mask",
        RULE.format(moved="mask[order][:, order]"),
    ),
]

WRONG = [
    (
        "grouped",
        "heads take turns: repeat instead of repeat_interleave",
        [
            ("key.repeat_interleave(group, dim=1)", "key.repeat(1, group, 1, 1)"),
            ("value.repeat_interleave(group, dim=1)", "value.repeat(1, group, 1, 1)"),
        ],
        {SHARING: 2},
        "heads 0 and 1 read key head 0",
    ),
    (
        "grouped",
        "the values take turns",
        [("value.repeat_interleave(group, dim=1)", "value.repeat(1, group, 1, 1)")],
        {SHARING: 2},
        "the values aren't",
    ),
    (
        "grouped",
        "head h reads key head h // G, which is right for 4 heads and 2",
        [
            ("key.repeat_interleave(group, dim=1)", "key[:, torch.arange(query.shape[1]) // key.shape[1]]"),
            (
                "value.repeat_interleave(group, dim=1)",
                "value[:, torch.arange(query.shape[1]) // value.shape[1]]",
            ),
        ],
        {SHARING: 2},
        "6 query heads and 3 key heads",
    ),
    (
        "grouped",
        "32 bits for all",
        [
            (
                "    scores = query",
                "    query, key, value = query.float(), key.float(), value.float()\n    scores = query",
            )
        ],
        {WEIGHTS: 2},
        "lost precision",
    ),
    (
        "grouped",
        "the mask of the first head for all",
        [
            (
                "    if mask is None:",
                "    mask = mask if mask is None or mask.dim() < 4 else mask[:, :1]\n    if mask is None:",
            )
        ],
        {MASK: 2},
        "may differ from head to head",
    ),
    (
        "grouped",
        "no scale",
        [(" / math.sqrt(query.shape[-1])", "")],
        {WEIGHTS: 2},
        "divided by √d",
    ),
    (
        "grouped",
        "the scale of the whole width",
        [("math.sqrt(query.shape[-1])", "math.sqrt(query.shape[-1] * query.shape[1])")],
        {WEIGHTS: 2},
        "divided by √d",
    ),
    (
        "grouped",
        "softmax over the queries, without a mask",
        [("weights = scores.softmax(dim=-1)\n    else", "weights = scores.softmax(dim=-2)\n    else")],
        {SHARING: 2, WEIGHTS: 2},
        "large key",
    ),
    ("grouped", "mask after softmax", [(FILL, "")], {MASK: 2}, "the mask belongs before softmax"),
    (
        "grouped",
        "the mask the other way round",
        [("scores.masked_fill(~mask,", "scores.masked_fill(mask,"), (ZERO, ".masked_fill(mask, 0.0)")],
        {MASK: 2},
        "True = may attend",
    ),
    (
        "grouped",
        "NaN where no key is allowed",
        [("torch.finfo(scores.dtype).min", "-math.inf"), (ZERO, "")],
        {MASK: 2},
        "gives NaN",
    ),
    (
        "grouped",
        "even weights where no key is allowed",
        [(ZERO, "")],
        {MASK: 2},
        "whose middle row allows no key",
    ),
    (
        "grouped",
        "the mask of the first sentence for all",
        [
            (
                "    if mask is None:",
                "    mask = mask if mask is None or mask.dim() < 4 else mask[:1]\n    if mask is None:",
            )
        ],
        {MASK: 2},
        "weight exactly 0",
    ),
    (
        "grouped",
        "queries scaled in place",
        [
            ("    group =", "    query /= math.sqrt(query.shape[-1])\n    group ="),
            (" / math.sqrt(query.shape[-1])", ""),
        ],
        {WEIGHTS: 2},
        "wrong",
    ),
    (
        "grouped",
        "returns the output only",
        [("weights @ value, weights", "weights @ value")],
        {SHARING: 2, WEIGHTS: 2, MASK: 2},
        "should return 2 things, output and weights",
    ),
    (
        "blocks",
        "the weighted sum stays on the old scale",
        [(WEIGHTED, "weighted + powers")],
        {RESCALE: 2},
        "`weighted` should",
    ),
    (
        "blocks",
        "the total stays on the old scale",
        [("total * shrink", "total")],
        {RESCALE: 2},
        "`total` is the sum",
    ),
    (
        "blocks",
        "the last block alone",
        [(WEIGHTED, "powers"), ("total * shrink + ", "")],
        {RESCALE: 2},
        "`total` is the sum",
    ),
    (
        "blocks",
        "the highest of this block, not of all",
        [
            (f"torch.maximum(before, {PER_ROW})", PER_ROW),
            (WEIGHTED, "weighted + powers"),
            ("total * shrink", "total"),
        ],
        {RESCALE: 2},
        "`total` is the sum",
    ),
    (
        "blocks",
        "the highest of this block, all brought to its scale",
        [(f"torch.maximum(before, {PER_ROW})", PER_ROW)],
        {RESCALE: 2},
        "scores that rise and fall",
    ),
    (
        "blocks",
        "the old sums are changed in place",
        [("total * shrink", "total.mul_(shrink)")],
        {RESCALE: 2},
        "changed the old state in place",
    ),
    ("blocks", "the highest starts at -1000", [(START, "empty - 1000, empty")], {LOW: 2}, "scores of −5000"),
    (
        "blocks",
        "axis 1 instead of the last",
        [(PER_ROW, "scores.amax(1, keepdim=True)")],
        {ROWS: 2},
        "size of tensor",
    ),
    ("blocks", "the highest starts at 0", [(START, "empty, empty")], {LOW: 2}, "No score seen so far is 0"),
    ("blocks", "one highest score for all", [(PER_ROW, "scores.amax()")], {ROWS: 2}, "0.731"),
    (
        "blocks",
        "the highest over the queries",
        [(PER_ROW, "scores.amax(dim=-2, keepdim=True).amax(-1, keepdim=True)")],
        {ROWS: 2},
        "0.731",
    ),
    (
        "blocks",
        "found one fault of three",
        [(START, "empty, empty"), (PER_ROW, "scores.amax()")],
        {LOW: 2, ROWS: 2},
        "No score seen so far is 0",
    ),
    (
        "blocks",
        "as found",
        [(START, "empty, empty"), (PER_ROW, "scores.amax()"), (WEIGHTED, "weighted + powers")],
        {RESCALE: 2, LOW: 2, ROWS: 2},
        "`weighted` should",
    ),
    (
        "orders",
        "the outputs should not move at all",
        [(COMPARE, "torch.allclose(attend(order), output)")],
        {COUNT: 2, SIDES: 1},
        "they should have moved with the words",
    ),
    (
        "orders",
        "the mask moves with the words",
        [("query, key, value, mask)", "query, key, value, mask[list(order)][:, list(order)])")],
        {COUNT: 2, SIDES: 1},
        "must not move",
    ),
    (
        "orders",
        "what the two examples want",
        "def unnoticed_orders(mask):\n    return 24 if mask.all() else 1",
        {COUNT: 2, SIDES: 1},
        "One word has one order",
    ),
    (
        "orders",
        "NaN for a fully masked word",
        [
            (
                "scaled_dot_product_attention(query, key, value, mask)[0]",
                "(query @ key.T).masked_fill(~mask, -math.inf).softmax(-1) @ value",
            )
        ],
        {SIDES: 1},
        "The first word sees nothing",
    ),
    (
        "orders",
        "rows of the mask only",
        RULE.format(moved="mask[order]"),
        {SIDES: 1},
        "among the queries and",
    ),
    ("orders", "columns only", RULE.format(moved="mask[:, order]"), {SIDES: 1}, "among the queries and"),
    (
        "orders",
        "all orders",
        "def unnoticed_orders(mask):\n    return math.factorial(len(mask))",
        {COUNT: 2, SIDES: 1},
        "must not move",
    ),
]


@pytest.mark.parametrize(("task", "title", "changes"), RIGHT, ids=[f"{case[0]}: {case[1]}" for case in RIGHT])
def test_another_right_solution_gets_every_point(homework, task, title, changes):
    homework.accept("04", task, changes)


@pytest.mark.parametrize(
    ("task", "title", "changes", "loses", "says"), WRONG, ids=[f"{case[0]}: {case[1]}" for case in WRONG]
)
def test_a_wrong_solution_loses_exactly_its_points(homework, task, title, changes, loses, says):
    homework.judge("04", task, changes, loses, says)


@pytest.mark.parametrize("seed", range(5))
def test_what_the_model_answer_says_of_one_layer_and_two(seed):
    """One causal layer: the last position doesn't notice the order before it, others do; with two it does."""
    torch.manual_seed(seed)
    first, second = (MultiHeadAttention(12, num_heads=3).double() for _ in range(2))
    x = torch.randn(1, 3, 12, dtype=torch.float64)  # (B, T, D): dog, bites, man

    def one(x):
        return first(x, x, x, causal_mask(3))[0]  # (B, T, D)

    def two(x):
        return second(one(x), one(x), one(x), causal_mask(3))[0]

    swapped = x[:, [1, 0, 2]]
    torch.testing.assert_close(one(swapped)[:, -1], one(x)[:, -1])
    assert (one(swapped)[:, :2] - one(x)[:, [1, 0]]).abs().amax(-1).min() > 1e-3
    assert (two(swapped)[:, -1] - two(x)[:, -1]).abs().max() > 1e-4
