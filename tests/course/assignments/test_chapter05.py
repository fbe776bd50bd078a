"""Chapter 5's assignment: alternative solutions get all points, wrong ones lose exactly theirs."""

import pytest
import torch

PARAMETERS, INPUT, GAMMA = "norm-parameters", "norm-input", "norm-gamma"
WEIGHTS, NORM, MEAN = "sentence-weights", "sentence-norm", "sentence-mean"
PRE, POST = "stream-pre", "stream-post"

SHIFT, STRETCH = " - shift", " - stretch"
FILLED = "~filled[:, None, :]"
NORMED = "F.layer_norm(added, added.shape[-1:])"
VECTOR = "(normed * words).sum(dim=1) / counts"
DIVIDE = "c / (c @ parts).square().mean().sqrt()"

RIGHT = [
    (
        "norm",
        "with the whole Jacobian",
        """
def norm_gradients(x, gamma, upstream, eps):
    D = x.shape[-1]
    centred = x - x.mean(-1, keepdim=True)
    s = ((centred**2).mean(-1, keepdim=True) + eps) ** 0.5
    y = centred / s
    J = (torch.eye(D, dtype=x.dtype) - 1 / D - y[..., :, None] * y[..., None, :] / D) / s[..., None]
    to_x = ((upstream * gamma)[..., None, :] @ J)[..., 0, :]
    return to_x, torch.einsum("bsd,bsd->d", upstream, y), torch.einsum("bsd->d", upstream)
""",
    ),
    (
        "sentence",
        "one sentence after the other",
        """
def sentence_vector(x, filled, W_query, W_key, W_value):
    weights, normed, sentences = torch.zeros(*filled.shape, x.shape[1], dtype=x.dtype), x.clone(), x[:, 0] * 0
    for b, here in enumerate(filled):
        if not here.any():
            continue
        words = x[b, here]
        w = ((words @ W_query) @ (words @ W_key).T / W_key.shape[1] ** 0.5).softmax(-1)
        out = words + w @ (words @ W_value)
        out = (out - out.mean(-1, keepdim=True)) / (out.var(-1, unbiased=False, keepdim=True) + 1e-5) ** 0.5
        weights[b, here.nonzero(), here.nonzero()[:, 0]] = w
        normed[b, here] = out
        sentences[b] = out.mean(0)
    return weights, normed, sentences
""",
    ),
    (
        "stream",
        "divide as it goes",
        """
def coefficients(x, updates, order):
    c, total = [1.0], x
    for u in updates:
        c, total = [*c, 1.0], total + u
        if order == "post":
            r = (total**2).mean().sqrt().item()
            c, total = [one / r for one in c], total / r
    if order == "pre":
        r = (total**2).mean().sqrt().item()
        c, total = [one / r for one in c], total / r
    return torch.tensor(c, dtype=x.dtype), total
""",
    ),
]

WRONG = [
    (
        "norm",
        "torch's own variance, which divides by D − 1",
        [("unbiased=False, ", "")],
        {PARAMETERS: 2, INPUT: 2, GAMMA: 2},
        "gamma multiplies",
    ),
    (
        "norm",
        "a gradient for each position",
        [
            ("upstream.sum(dim=(0, 1))", "upstream.sum(dim=0)"),
            ("pattern).sum(dim=(0, 1))", "pattern).sum(dim=0)"),
        ],
        {PARAMETERS: 2},
        "the sum of what comes from all of them",
    ),
    (
        "norm",
        "means over the batch",
        [("upstream.sum(dim=(0, 1))", "upstream.mean(dim=(0, 1))")],
        {PARAMETERS: 2},
        "the sum of what comes from all of them",
    ),
    (
        "norm",
        "gamma from x itself",
        [("(upstream * pattern).sum", "(upstream * x).sum")],
        {PARAMETERS: 2},
        "(1, −1)",
    ),
    (
        "norm",
        "gamma without eps",
        [("(upstream * pattern).sum", "(upstream * pattern * deviation / variance.sqrt()).sum")],
        {PARAMETERS: 2},
        "inside the root",
    ),
    ("norm", "no path through the mean", [(SHIFT, "")], {INPUT: 2, GAMMA: 2}, "the path through the mean"),
    (
        "norm",
        "no path through the standard deviation",
        [(STRETCH, "")],
        {INPUT: 2, GAMMA: 2},
        "the path through the standard deviation",
    ),
    (
        "norm",
        "mean and standard deviation as constants",
        [(SHIFT + STRETCH, "")],
        {INPUT: 2, GAMMA: 2},
        "through the mean",
    ),
    ("norm", "gamma forgotten on the way back", [("upstream * gamma", "upstream")], {GAMMA: 2}, "five times"),
    (
        "norm",
        "gamma at the end",
        [
            ("back = upstream * gamma", "back = upstream"),
            (") / deviation  # (B, S, D)\n    return", ") / deviation * gamma\n    return"),
        ],
        {GAMMA: 2},
        "before anything else",
    ),
    (
        "norm",
        "eps outside the root",
        [("(variance + eps).sqrt()", "variance.sqrt() + eps")],
        {PARAMETERS: 2, INPUT: 2},
        "inside the root",
    ),
    (
        "sentence",
        "rows hidden, not keys",
        [(FILLED, "~filled[:, :, None]")],
        {WEIGHTS: 2},
        "A mask hides keys",
    ),
    (
        "sentence",
        "no mask",
        [(FILLED, "torch.tensor(False)")],
        {WEIGHTS: 2},
        "none to padding",
    ),
    ("sentence", "the mask inverted", [(FILLED, "filled[:, None, :]")], {WEIGHTS: 2}, "half of its weight"),
    (
        "sentence",
        "the mask of the first sentence",
        [(FILLED, "~filled[:1, None, :]")],
        {WEIGHTS: 2},
        "nothing to hide",
    ),
    ("sentence", "no scale", [(" / math.sqrt(W_key.shape[-1])", "")], {WEIGHTS: 2}, "the scale is √d"),
    (
        "sentence",
        "norm over all positions",
        [(NORMED, "F.layer_norm(added, added.shape[1:])")],
        {NORM: 2},
        "Over which axes",
    ),
    (
        "sentence",
        "norm before add",
        [(NORMED, "x + F.layer_norm(weights @ value, x.shape[-1:])")],
        {NORM: 2},
        "mean 0",
    ),
    (
        "sentence",
        "no add",
        [("added = x + weights", "added = weights")],
        {NORM: 2},
        "Norm should come after Add",
    ),
    ("sentence", "no norm", [(NORMED, "added")], {NORM: 2}, "mean 0"),
    (
        "sentence",
        "centred, but not brought to one size",
        [(NORMED, "added - added.mean(-1, keepdim=True)")],
        {NORM: 2},
        "Norm should come after Add",
    ),
    ("sentence", "the mean over all positions", [(VECTOR, "normed.mean(dim=1)")], {MEAN: 2}, "own words"),
    (
        "sentence",
        "divided by all positions",
        [("/ counts", "/ x.shape[1]")],
        {MEAN: 2},
        "own words",
    ),
    ("sentence", "the first position alone", [(VECTOR, "normed[:, 0]")], {MEAN: 2}, "own words"),
    ("sentence", "NaN for no words", [(".clamp_min(1)", "")], {MEAN: 2}, "without words gives NaN"),
    (
        "sentence",
        "words counted from the left",
        [
            (
                VECTOR,
                "torch.stack([n[: int(f.sum())].sum(0) / max(1, f.sum()) for n, f in zip(normed, filled)])",
            )
        ],
        {MEAN: 2},
        "Words may be anywhere",
    ),
    (
        "sentence",
        "as found",
        [
            (FILLED, "~filled[:, :, None]"),
            (NORMED, "F.layer_norm(added, added.shape[1:])"),
            (VECTOR, "normed.mean(dim=1)"),
        ],
        {WEIGHTS: 2, NORM: 2, MEAN: 2},
        "A mask hides keys",
    ),
    (
        "stream",
        "no norm after the last layer",
        [('    c = normed(c) if order == "pre" else c\n', "")],
        {PRE: 2},
        "after the last layer",
    ),
    (
        "stream",
        "pre-norm everywhere",
        [
            ('if order == "post" else c', "if False else c"),
            ('if order == "pre" else c', "if True else c"),
        ],
        {POST: 2},
        "by √2 again",
    ),
    (
        "stream",
        "post-norm everywhere",
        [('if order == "post" else c', "if True else c")],
        {PRE: 2},
        "the RMS √3",
    ),
    (
        "stream",
        "the length instead of the RMS",
        [("square().mean()", "square().sum()")],
        {PRE: 2, POST: 2},
        "the RMS √3",
    ),
    (
        "stream",
        "norm before the update is added",
        [
            ("c = c.clone()", 'c = normed(c) if order == "post" else c.clone()'),
            ('        c = normed(c) if order == "post" else c\n', ""),
        ],
        {POST: 2},
        "by √2 again",
    ),
    (
        "stream",
        "the output before the last norm",
        [("return c, c @ parts", "return c, x + updates.sum(0)")],
        {PRE: 2, POST: 2},
        "the sum of the parts",
    ),
    (
        "sentence",
        "clipped after Norm",
        [(NORMED, NORMED + ".clamp(-1.5, 1.5)")],
        {NORM: 2},
        "very different size",
    ),
    (
        "stream",
        "pre-norm as if all updates stood at right angles",
        [('normed(c) if order == "pre"', 'c / len(parts) ** 0.5 if order == "pre"')],
        {PRE: 2},
        "Eleven random updates",
    ),
    (
        "stream",
        "√2 each time",
        [('normed(c) if order == "post"', 'c / 2**0.5 if order == "post"')],
        {POST: 2},
        "Nine random updates",
    ),
]


@pytest.mark.parametrize(("task", "title", "changes"), RIGHT, ids=[f"{case[0]}: {case[1]}" for case in RIGHT])
def test_another_right_solution_gets_every_point(homework, task, title, changes):
    homework.accept("05", task, changes)


@pytest.mark.parametrize(
    ("task", "title", "changes", "loses", "says"), WRONG, ids=[f"{case[0]}: {case[1]}" for case in WRONG]
)
def test_a_wrong_solution_loses_exactly_its_points(homework, task, title, changes, loses, says):
    homework.judge("05", task, changes, loses, says)


def test_what_the_model_answer_says_of_twelve_layers(homework):
    namespace = {"torch": torch}
    exec(homework.find("05", "stream").source, namespace)
    parts = 5 * torch.eye(25, dtype=torch.float64)  # 25 numbers, one of them 5: an RMS of 1
    post, output = namespace["coefficients"](parts[0], parts[1:], "post")
    assert post[0] == pytest.approx(2**-12)
    assert post[1] == pytest.approx(2**-12)
    assert post[-1] == pytest.approx(0.5**0.5)
    pre, _ = namespace["coefficients"](parts[0], parts[1:], "pre")
    torch.testing.assert_close(pre, torch.full((25,), 0.2, dtype=torch.float64))
    assert output.square().mean().sqrt() == pytest.approx(1)
