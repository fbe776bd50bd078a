"""Chapter 3's assignment: alternative solutions get all points, wrong ones lose exactly theirs."""

import pytest
import torch

SCORES, LENGTHS, OUTPUT = "located-scores", "located-lengths", "located-output"
CLEAR, DOUBT = "verdict-clear", "verdict-doubt"
END, SUM, BATCH = "general-end", "general-sum", "general-batch"

FILL = "    scores = scores.masked_fill(~real, torch.finfo(scores.dtype).min)\n"
ZERO = ".masked_fill(~real, 0.0)"
LESS = "torch.arange(V.shape[1]) < lengths[:, None]"
ENDS = "torch.arange(key.shape[1]) < lengths[:, None, None]"
MASKED = "scores.masked_fill(~real, -math.inf).softmax(dim=-1)"
COMBINED = "torch.cat((Q, weights @ V), dim=-1)"
MOVED = "torch.allclose(after, before[..., order], rtol=0, atol=1e-4)"
STAYED = "torch.allclose(after, before, rtol=0, atol=1e-4)"
BOTH = '    if stayed and moved:\n        return "both"\n'

RIGHT = [
    (
        "located",
        "item by item",
        """
def located_attention(Q, K, V, lengths, state):
    outputs, rows = [], []
    for q, k, v, n in zip(Q, K, V, lengths.tolist()):
        scores = torch.cat((q, k), 1) @ state["attn.weight"].T + state["attn.bias"]
        w = torch.zeros_like(scores)
        if n:
            w[:, :n] = scores[:, :n].softmax(1)
        outputs.append(torch.cat((q, w @ v), 1) @ state["attn_combine.weight"].T + state["attn_combine.bias"])
        rows.append(w)
    return torch.stack(outputs), torch.stack(rows)
""",
    ),
    (
        "verdict",
        "compare the largest difference",
        """
def verdict(before, after, order):
    stayed = (after - before).abs().max() < 1e-4
    moved = (after - before[:, :, order]).abs().max() < 1e-4
    return {(True, True): "both", (True, False): "place", (False, True): "content"}.get(
        (bool(stayed), bool(moved)), "neither"
    )
""",
    ),
    (
        "general",
        "renormalize after the mask",
        [(MASKED, "scores.softmax(dim=-1) * real\n    weights = weights / weights.sum(-1, keepdim=True)")],
    ),
]

WRONG = [
    (
        "located",
        "softmax over the queries",
        [("scores.softmax(dim=-1)", "scores.softmax(dim=1)")],
        {SCORES: 2, LENGTHS: 2},
        "softmax over the positions",
    ),
    ("located", "the key first", [("(Q, K), dim=-1", "(K, Q), dim=-1")], {SCORES: 2}, "the query first"),
    (
        "located",
        "no bias in the scores",
        [('state["attn.weight"], state["attn.bias"]', 'state["attn.weight"]')],
        {SCORES: 2},
        "+ b_a",
    ),
    (
        "located",
        "the weights of item 0 for all",
        [("    real = torch", "    scores = scores[:1].expand_as(scores)\n    real = torch")],
        {SCORES: 2},
        "for this item alone",
    ),
    (
        "located",
        "always 32 bits",
        [
            ("    pair = ", "    Q, K, V = Q.float(), K.float(), V.float()\n    pair = "),
            ("    scores = F", "    state = {n: p.float() for n, p in state.items()}\n    scores = F"),
        ],
        {SCORES: 2},
        "64-bit numbers",
    ),
    ("located", "no mask", [(FILL, ""), (ZERO, "")], {LENGTHS: 2}, "weight exactly 0"),
    ("located", "mask after softmax", [(FILL, "")], {LENGTHS: 2}, "don't sum to 1"),
    ("located", "one position too many", [(LESS, LESS.replace("<", "<="))], {LENGTHS: 2}, "weight exactly 0"),
    (
        "located",
        "the length of item 0 for all",
        [(LESS, "torch.arange(V.shape[1]) < lengths[0].expand(len(Q), 1)")],
        {LENGTHS: 2},
        "each text by its own length",
    ),
    (
        "located",
        "NaN for an empty text",
        [("torch.finfo(scores.dtype).min", "-math.inf"), (ZERO, "")],
        {LENGTHS: 2},
        "length 0 gives NaN",
    ),
    ("located", "uniform weights for an empty text", [(ZERO, "")], {LENGTHS: 2}, "all 0 for the empty text"),
    (
        "located",
        "the weighted sum first",
        [(COMBINED, "torch.cat((weights @ V, Q), dim=-1)")],
        {OUTPUT: 2},
        "query first",
    ),
    (
        "located",
        "no query in the output",
        [(COMBINED, "torch.cat((torch.zeros_like(Q), weights @ V), dim=-1)")],
        {OUTPUT: 2},
        "W_c [q; w V] + b_c",
    ),
    (
        "located",
        "the key in the output",
        [(COMBINED, "torch.cat((K, weights @ V), dim=-1)")],
        {OUTPUT: 2},
        "query first",
    ),
    (
        "located",
        "the values of item 0 for all",
        [(COMBINED, "torch.cat((Q, weights @ V[:1]), dim=-1)")],
        {OUTPUT: 2},
        "its own values",
    ),
    (
        "located",
        "returns the weights first",
        [("return output, weights", "return weights, output")],
        {SCORES: 2, LENGTHS: 2, OUTPUT: 2},
        "wanted the shape",
    ),
    (
        "verdict",
        "the order backwards",
        [("before[..., order]", "before[..., order.argsort()]")],
        {CLEAR: 2},
        "order[i]",
    ),
    (
        "verdict",
        "the queries moved, not the keys",
        [("before[..., order]", "before[:, order[: before.shape[1]]]")],
        {CLEAR: 2, DOUBT: 2},
        "order[i]",
    ),
    (
        "verdict",
        "to the last bit",
        [("order], rtol=0, atol=1e-4", "order], rtol=0, atol=0")],
        {CLEAR: 2},
        "rounding",
    ),
    ("verdict", "never in doubt", [(BOTH, "")], {DOUBT: 2}, "decides nothing"),
    (
        "verdict",
        "content unless it stayed",
        [(' if moved else "neither"', "")],
        {DOUBT: 2},
        "neither stayed nor moved",
    ),
    (
        "verdict",
        "the verdict on the first item for all",
        [("    stayed =", "    before, after = before[:1], after[:1]\n    stayed =")],
        {DOUBT: 2},
        "neither holds for all",
    ),
    (
        "verdict",
        "the largest weight decides for its row",
        [
            (STAYED, "torch.equal(after.argmax(-1), before.argmax(-1))"),
            (MOVED, "torch.equal(after.argmax(-1), before[..., order].argmax(-1))"),
        ],
        {DOUBT: 2},
        "didn't",
    ),
    (
        "verdict",
        "a mean over all queries",
        [
            (STAYED, "(after - before).mean().abs() < 1e-4"),
            (MOVED, "(after - before[..., order]).mean().abs() < 1e-4"),
        ],
        {CLEAR: 2, DOUBT: 2},
        "did not move",
    ),
    ("general", "one position too many", [(ENDS, ENDS.replace("<", "<="))], {END: 2}, "first after its end"),
    (
        "general",
        "mask after softmax",
        [(MASKED, "scores.softmax(dim=-1) * real")],
        {SUM: 2},
        "missing afterwards",
    ),
    (
        "general",
        "the length of item 0",
        [(ENDS, ENDS.replace("[:, None, None]", "[0]"))],
        {BATCH: 2},
        "own length",
    ),
    (
        "general",
        "as found",
        [
            (ENDS, "torch.arange(key.shape[1]) <= lengths[0]"),
            (MASKED, "scores.softmax(dim=-1) * real"),
        ],
        {END: 2, SUM: 2, BATCH: 2},
        "first after its end",
    ),
    (
        "general",
        "no matrix: W of ones",
        [("query @ W @", "query @ torch.ones_like(W) @")],
        {SUM: 2},
        "scores q W k alone",
    ),
    (
        "general",
        "lengths read backwards",
        [(ENDS, ENDS.replace("lengths", "lengths.flip(0)"))],
        {BATCH: 2},
        "own length",
    ),
    (
        "general",
        "no mask at all",
        [(MASKED, "scores.softmax(dim=-1)")],
        {END: 2, SUM: 2},
        "first after its end",
    ),
    (
        "located",
        "an axis of size 1 dropped",
        [("return output, weights", "return output.squeeze(-1), weights")],
        {OUTPUT: 2},
        "Other sizes",
    ),
    (
        "general",
        "two positions, whatever the length",
        [(ENDS, ENDS.replace("lengths", "torch.full_like(lengths, 2)"))],
        {END: 2, SUM: 2, BATCH: 2},
        "a text of 1",
    ),
    (
        "general",
        "the lengths sorted",
        [(ENDS, ENDS.replace("lengths", "lengths.sort().values"))],
        {BATCH: 2},
        "Four texts",
    ),
]


@pytest.mark.parametrize(("task", "title", "changes"), RIGHT, ids=[f"{case[0]}: {case[1]}" for case in RIGHT])
def test_another_right_solution_gets_every_point(homework, task, title, changes):
    homework.accept("03", task, changes)


@pytest.mark.parametrize(
    ("task", "title", "changes", "loses", "says"), WRONG, ids=[f"{case[0]}: {case[1]}" for case in WRONG]
)
def test_a_wrong_solution_loses_exactly_its_points(homework, task, title, changes, loses, says):
    homework.judge("03", task, changes, loses, says)


def test_what_the_model_answer_says_of_padding():
    """Ten characters among a hundred positions: equal scores make the weighted sum a tenth of the mean."""
    values = torch.cat((torch.randn(10, 3), torch.zeros(90, 3)))
    weights = torch.zeros(100).softmax(-1)
    torch.testing.assert_close(weights[:10], torch.full((10,), 0.01))
    torch.testing.assert_close(weights @ values, 0.1 * values[:10].mean(0))
