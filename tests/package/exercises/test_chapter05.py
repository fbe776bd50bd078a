"""Chapter 5: every right way passes, every trap is turned down in words of its own."""

import pytest
import torch
import torch.nn.functional as F

import attnbook


def assert_says(verdict, words: str) -> None:
    assert verdict.state == "wrong", verdict.message
    assert words in verdict.message, verdict.message


# --- 5.1 ---------------------------------------------------------------------------------------------------

COUNTS = {"attention": 440, "feed_forward": 640, "norms": 40}


def test_counts(check):
    assert check("5.1", COUNTS).passed
    assert check("5.1", {name: torch.tensor([count]) for name, count in COUNTS.items()}).passed


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"attention": 400}, "without their biases"),
        ({"attention": 330}, "There is a fourth"),
        ({"attention": 880}, "their number changes no count"),
        ({"attention": 240}, "width of one head"),
        ({"attention": 1}, "Four `nn.Linear`s"),
        ({"feed_forward": 600}, "without their biases"),
        ({"feed_forward": 330}, "the first layer alone"),
        ({"feed_forward": 310}, "the second layer alone"),
        ({"feed_forward": 1}, "one back"),
        ({"norms": 20}, "There are two"),
        ({"norms": 0}, "A LayerNorm learns"),
        ({"norms": 1}, "Two LayerNorms"),
        ({"norms": "forty"}, "should be a number"),
    ],
)
def test_wrong_counts(check, other, words):
    assert_says(check("5.1", COUNTS | other), words)


# --- 5.2 ---------------------------------------------------------------------------------------------------


def variance(x):
    return x.var(-1, correction=0, keepdim=True)


def layer_norm(x, g, b, eps, dim=-1, correction=0):
    return (
        g * (x - x.mean(dim, keepdim=True)) / (x.var(dim, correction=correction, keepdim=True) + eps) ** 0.5
        + b
    )


@pytest.mark.parametrize(
    "answer",
    [
        layer_norm,
        lambda x, g, b, eps: F.layer_norm(x, (x.shape[-1],), g, b, eps),
        lambda x, g, b, eps: (
            (x - x.mean(2, True)) * ((x**2).mean(2, True) - x.mean(2, True) ** 2 + eps).rsqrt() * g + b
        ),
    ],
)
def test_norms_by_many_roads(check, answer):
    assert check("5.2", answer).passed


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda *i: layer_norm(*i, dim=1), "over the positions"),
        (lambda *i: layer_norm(*i, dim=0), "batch normalization"),
        (lambda *i: layer_norm(*i, dim=(1, 2)), "several positions at once"),
        (lambda *i: layer_norm(*i, correction=1), "divides by D - 1"),
        (
            lambda x, g, b, eps: g * (x - x.mean(-1, True)) / (x.std(-1, keepdim=True) + eps) + b,
            "divides by D - 1",
        ),
        (
            lambda x, g, b, eps: (
                g * (x - x.mean(-1, True)) / (x.std(-1, correction=0, keepdim=True) + eps) + b
            ),
            "under the root",
        ),
        (lambda x, g, b, eps: layer_norm(x, g, b, 0.0), "ε is missing"),
        (
            lambda x, g, b, eps: (
                g * (x - x.mean(-1, True)) / (x.var(-1, correction=0, keepdim=True) + eps) + b
            ),
            "divided by the variance",
        ),
        (
            lambda x, g, b, eps: g * x / (variance(x) + eps).sqrt() + b,
            "not subtracted",
        ),
        (lambda x, g, b, eps: layer_norm(x, 1, 0, eps), "gamma, beta or both are missing"),
        (lambda x, g, b, eps: layer_norm(x, g, 0, eps), "gamma, beta or both are missing"),
        (lambda x, g, b, eps: layer_norm(x, b, g, eps), "changed places"),
        (lambda x, g, b, eps: g * (layer_norm(x, 1, 0, eps) + b), "It is added last"),
        (lambda x, g, b, eps: x, "other numbers"),
    ],
)
def test_norm_traps(check, answer, words):
    assert_says(check("5.2", answer), words)


# --- 5.3 ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [
        lambda x, W1, b1, W2, b2: torch.relu(x @ W1 + b1) @ W2 + b2,
        lambda x, W1, b1, W2, b2: F.linear(F.linear(x, W1.T, b1).clamp(min=0), W2.T, b2),
        lambda x, W1, b1, W2, b2: torch.stack([torch.relu(s @ W1 + b1) @ W2 + b2 for s in x]),
    ],
)
def test_networks_by_many_roads(check, answer):
    assert check("5.3", answer).passed


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda x, W1, b1, W2, b2: ((x @ W1 + b1).relu() @ W2 + b2).relu(), "both layers"),
        (lambda x, W1, b1, W2, b2: (x @ W1 + b1) @ W2 + b2, "ReLU is missing"),
        (lambda x, W1, b1, W2, b2: ((x @ W1 + b1) @ W2 + b2).relu(), "after the second layer"),
        (lambda x, W1, b1, W2, b2: (x.relu() @ W1 + b1) @ W2 + b2, "before the first layer"),
        (lambda x, W1, b1, W2, b2: ((x @ W1).relu() + b1) @ W2 + b2, "added after the ReLU"),
        (lambda x, W1, b1, W2, b2: (x @ W1 + b1).relu() @ W2, "A bias is missing"),
        (lambda x, W1, b1, W2, b2: (x @ W1).relu() @ W2 + b2, "A bias is missing"),
        (lambda x, W1, b1, W2, b2: x + (x @ W1 + b1).relu() @ W2 + b2, "You added x"),
        (lambda x, W1, b1, W2, b2: F.gelu(x @ W1 + b1) @ W2 + b2, "another activation"),
        (lambda x, W1, b1, W2, b2: (x @ W1 + b1).relu(), "This is the middle"),
        (lambda x, W1, b1, W2, b2: (x @ W1.T + b1).relu() @ W2 + b2, "needs the last axis of A"),
    ],
)
def test_network_traps(check, answer, words):
    assert_says(check("5.3", answer), words)


# --- 5.4 ---------------------------------------------------------------------------------------------------


def by_changing(module, x, places=None, tolerance=1e-5):
    before = module(x)
    for b, s in places or [(b, s) for b in range(x.shape[0]) for s in range(x.shape[1])]:
        other = x.clone()
        other[b, s] = torch.randn_like(other[b, s])
        moved = (module(other) - before).abs() > tolerance
        moved[b, s] = False
        if moved.any():
            return False
    return True


def by_feeding_alone(module, x):
    alone = [torch.cat([module(row[None, s : s + 1]) for s in range(x.shape[1])], dim=1) for row in x]
    return torch.allclose(torch.cat(alone), module(x), atol=1e-5)


def by_gradient(module, x):
    x = x.clone().requires_grad_()
    output = module(x)
    for b in range(x.shape[0]):
        for s in range(x.shape[1]):
            (gradient,) = torch.autograd.grad(output[b, s].pow(2).sum(), x, retain_graph=True)
            gradient[b, s] = 0
            if gradient.abs().max() > 1e-7:
                return False
    return True


@pytest.mark.parametrize("answer", [by_changing, by_feeding_alone, by_gradient])
def test_experiments_that_find_the_truth(check, answer):
    verdict = check("5.4", answer)
    assert verdict.passed, verdict.message


def in_place(module, x):
    x[0, 0] = 0
    return True


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda module, x: True, "it is a guess"),
        (lambda module, x: False, "leave that position out"),
        (lambda module, x: by_changing(module, x, [(0, 0)]), "Change **every** position"),
        (lambda module, x: by_changing(module, x, [(0, x.shape[1] - 1)]), "Change **every** position"),
        (lambda module, x: by_changing(module, x[:1]), "those of other sentences"),
        (lambda module, x: module(x).shape == x.shape, "it is a guess"),
        (lambda module, x: torch.equal(module(x), module(x + 1)), "leave that position out"),
        (in_place, "x.clone()"),
        (lambda module, x: "yes", "should be True or False"),
    ],
)
def test_experiment_traps(check, answer, words):
    assert_says(check("5.4", answer), words)


# --- 5.5 ---------------------------------------------------------------------------------------------------


def real(ids, pad):
    return (ids != pad)[:, None, None, :]


@pytest.mark.parametrize(
    "answer",
    [
        lambda ids, pad: (real(ids, pad), ids == pad),
        lambda ids, pad: [attnbook.padding_mask(ids, pad), ids.eq(pad)],
        lambda ids, pad: {"theirs": ids == pad, "ours": real(ids, pad)},
    ],
)
def test_masks_by_many_roads(check, answer):
    assert check("5.5", answer).passed


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda ids, pad: (~real(ids, pad), ids == pad), "`ours` is upside down"),
        (lambda ids, pad: (real(ids, pad), ids != pad), "`theirs` is upside down"),
        (lambda ids, pad: ((ids != pad)[:, None, :, None], ids == pad), "hides rows, not keys"),
        (
            lambda ids, pad: (real(ids, pad) & (ids != pad)[:, None, :, None], ids == pad),
            "hides rows as well as keys",
        ),
        (lambda ids, pad: (ids != pad, ids == pad), "taken for queries"),
        (lambda ids, pad: (real(ids, pad), (ids == pad)[:, None]), "`key_padding_mask` is (B, S)"),
        (lambda ids, pad: (real(ids, pad).float(), ids == pad), "wanted a boolean tensor"),
        (lambda ids, pad: (real(ids, pad), (ids == pad).int()), "wanted a boolean tensor"),
        (lambda ids, pad: (real(ids, 0), ids == pad), "takes 0 for the padding"),
        (lambda ids, pad: (real(ids, pad), ids == 0), "takes 0 for the padding"),
        (lambda ids, pad: (real(ids, pad)[:1].expand(3, 1, 1, 6), ids == pad), "sentence 0 for all"),
        (lambda ids, pad: ((ids < pad)[:, None, None], ids == pad), "Ids have no order"),
        (lambda ids, pad: real(ids, pad), "wanted 2 things"),
    ],
)
def test_mask_traps(check, answer, words):
    assert_says(check("5.5", answer), words)


# --- 5.6 ---------------------------------------------------------------------------------------------------


def layer(x, a, f, n1, n2):
    y = n1(x + a(x))
    return n2(y + f(y))


def pre_norm(x, a, f, n1, n2):
    y = x + a(n1(x))
    return y + f(n2(y))


def norm_then_add(x, a, f, n1, n2):
    y = x + n1(a(x))
    return y + n2(f(y))


def residual_of_x(x, a, f, n1, n2):
    y = n1(x + a(x))
    return n2(x + f(y))


def side_by_side(x, a, f, n1, n2):
    y = n1(x + a(x))
    return n2(y + f(x))


def no_norms(x, a, f, n1, n2):
    y = x + a(x)
    return y + f(y)


def no_second_norm(x, a, f, n1, n2):
    y = n1(x + a(x))
    return y + f(y)


def test_the_layer(check):
    assert check("5.6", layer).passed
    assert check("5.6", lambda x, a, f, n1, n2: n2(n1(x + a(x)) + f(n1(x + a(x))))).passed


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (norm_then_add, "before adding it"),
        (pre_norm, "This is pre-norm"),
        (lambda x, a, f, n1, n2: n2(f(n1(a(x)))), "residual connections are missing"),
        (lambda x, a, f, n1, n2: n2(f(n1(x + a(x)))), "One of the two residual"),
        (residual_of_x, "x is added again"),
        (side_by_side, "stand side by side"),
        (lambda x, a, f, n1, n2: n2(x + f(x)), "stand side by side"),
        (no_norms, "The norms are missing"),
        (no_second_norm, "A norm is missing"),
        (lambda x, a, f, n1, n2: layer(x, a, f, n2, n1), "not in their places"),
        (lambda x, a, f, n1, n2: layer(x, a, f, n1, n1), "not in their places"),
        (lambda x, a, f, n1, n2: layer(x, f, a, n1, n2), "sub-layers have changed places"),
        (lambda x, a, f, n1, n2: n1(x + a(x)), "the first half"),
        (lambda x, a, f, n1, n2: x, "other numbers"),
    ],
)
def test_layer_traps(check, answer, words):
    assert_says(check("5.6", answer), words)
