"""Chapter 5: unusual correct answers pass, and wrong ones that are no known slip are rejected."""

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
    assert check("5.1", {name: torch.tensor([count]) for name, count in COUNTS.items()}).passed
    layer = attnbook.EncoderLayer(10, 2, 30)
    built = sum(parameter.numel() for parameter in layer.parameters())
    assert built == sum(COUNTS.values())


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"attention": 1}, "Four `nn.Linear`s"),
        ({"feed_forward": 1}, "one back"),
        ({"norms": 1}, "Two LayerNorms"),
        ({"norms": "forty"}, "should be a number"),
    ],
)
def test_wrong_counts(check, other, words):
    assert_says(check("5.1", COUNTS | other), words)


# --- 5.2 ---------------------------------------------------------------------------------------------------


def until_nothing_changes(y, f):
    x, before = torch.zeros_like(y), y
    while not torch.allclose(x, before, atol=1e-6):
        x, before = y - f(x), x
    return x


def by_newton(y, f):
    x, unit = y.clone(), torch.eye(y.numel())
    for _ in range(8):
        slope = unit + torch.func.jacrev(f)(x).reshape(unit.shape)
        x = x - torch.linalg.solve(slope, (x + f(x) - y).flatten()).view_as(x)
    return x.numpy()


def by_half_steps(y, f):
    x = y
    for _ in range(60):
        x = x - 0.5 * (x + f(x) - y)
    return x


def in_numpy(y, f):
    y = x = y.numpy()
    for _ in range(30):
        x = y - f(x).numpy()
    return x


def by_recursion(y, f, rounds=30):
    return y - f(by_recursion(y, f, rounds - 1)) if rounds else torch.randn_like(y)


def by_optimizing(y, f):
    x = y.clone().requires_grad_()
    optimizer = torch.optim.LBFGS([x], max_iter=200, tolerance_grad=1e-9, tolerance_change=1e-12)

    def error():
        optimizer.zero_grad()
        error = ((x + f(x) - y) ** 2).sum()
        error.backward()
        return error

    optimizer.step(error)
    return x


@pytest.mark.parametrize(
    "answer", [until_nothing_changes, by_newton, by_half_steps, in_numpy, by_recursion, by_optimizing]
)
def test_layers_undone_in_many_ways(check, answer):
    verdict = check("5.2", answer)
    assert verdict.passed, verdict.message


def guessed_up_to(rounds, guess):
    def answer(y, f):
        x = guess(y)
        for _ in range(rounds):
            x = y - f(x)
        return x

    return answer


def of_one_position(y, f):
    return y - f(y[0])


def position_by_position(y, f):
    return torch.stack([one - f(one[None])[0] for one in y])


def of_a_number(y, f):
    return y - f(3)


def of_two(y, f):
    return f(y, y)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda y, f: y - f(y), "go on from it"),
        (guessed_up_to(3, lambda y: y), "halves the error"),
        (guessed_up_to(4, torch.zeros_like), "halves the error"),
        (guessed_up_to(8, lambda y: y), "halves the error"),
        (guessed_up_to(6, lambda y: y / 2), "halves the error"),
        (guessed_up_to(10, lambda y: y), "halves the error"),
        (guessed_up_to(11, torch.zeros_like), "halves the error"),
        (of_one_position, "f takes all positions at once, (S, D), here (4, 3); got (3,)"),
        (position_by_position, "f takes all positions at once, (S, D), here (4, 3); got (1, 3)"),
        (of_a_number, "f takes all positions at once, (S, D), here (4, 3); got ()"),
        (of_two, "other arguments than it takes"),
        (lambda y, f: y - f(y) + f(f(y)), "is x + f(x) the given y?"),
        (lambda y, f: y - f(y - f(y)) / 2, "is x + f(x) the given y?"),
        (lambda y, f: y.mean(0) - f(y), "is x + f(x) the given y?"),
        (lambda y, f: until_nothing_changes(y, f).mean(0, keepdim=True), "wanted (S, D)"),
    ],
)
def test_layers_not_undone(check, answer, words):
    assert_says(check("5.2", answer), words)


# --- 5.3 ---------------------------------------------------------------------------------------------------


def mean_of(x):
    return x.mean(-1, keepdim=True)


def centred(x):
    return x - mean_of(x)


def of_lost_axes(x, gamma, beta, eps):
    return gamma * (x - x.mean(-1)) / (x.var(-1) + eps).sqrt() + beta


@pytest.mark.parametrize(
    "answer",
    [
        lambda x, g, b, eps: F.layer_norm(x, (x.shape[-1],), g, b, eps),
        lambda x, g, b, eps: (
            (x - x.mean(2, True)) * ((x**2).mean(2, True) - x.mean(2, True) ** 2 + eps).rsqrt() * g + b
        ),
        lambda x, g, b, eps: F.layer_norm(x.double(), x.shape[-1:], g.double(), b.double(), eps).numpy(),
    ],
)
def test_norms_in_many_ways(check, answer):
    assert check("5.3", answer).passed


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda x, g, b, eps: F.layer_norm(x, x.shape[-1:], g, b), "You don't use the argument `eps`"),
        (lambda x, g, b, eps: F.layer_norm(x, x.shape[-1:], eps=eps), "gamma, beta or both are missing"),
        (lambda x, g, b, eps: x, "other numbers"),
        (lambda x, g, b, eps: g * centred(x) / x.std(-1, keepdim=True) + b, "divides by D - 1"),
        (lambda x, g, b, eps: F.layer_norm(x, x.shape[-1:]), "gamma, beta or both are missing"),
        (lambda x, g, b, eps: F.rms_norm(x, x.shape[-1:], g, eps) + b, "Subtract the mean from x"),
        (lambda x, g, b, eps: g * centred(x) / (mean_of(x**2) + eps).sqrt() + b, "is the mean of x²"),
        (
            lambda x, g, b, eps: g * centred(x) / (len(g) * mean_of(centred(x) ** 2) + eps).sqrt() + b,
            "the sum of the squared deviations",
        ),
        (of_lost_axes, "keepdim=True"),
        (lambda x, g, b, eps: F.layer_norm(x, x.shape[-1:], g, b, eps).mT, "another order"),
    ],
)
def test_wrong_norms(check, answer, words):
    assert_says(check("5.3", answer), words)


# --- 5.4 ---------------------------------------------------------------------------------------------------


def sorting_network():
    """The same, drawn from a module: its Linear layers keep their matrices transposed."""
    network = torch.nn.Sequential(torch.nn.Linear(2, 1), torch.nn.ReLU(), torch.nn.Linear(1, 2))
    with torch.no_grad():
        network[0].weight.copy_(torch.tensor([[4.0, -4.0]]))
        network[2].weight.copy_(torch.tensor([[-0.25], [0.25]]))
        network[0].bias.zero_()
        network[2].bias.zero_()
    return network[0].weight.T, network[0].bias, network[2].weight.T, network[2].bias


@pytest.mark.parametrize(
    "answer",
    [
        lambda: ([[2], [-2]], [0], [[-0.5, 0.5]], [0, 0]),
        lambda: {"W1": [[1.0], [-1.0]], "b1": [0.0], "W2": [[-1.0, 1.0]], "b2": [0.0, 0.0]},
        sorting_network,
    ],
)
def test_sorters_of_any_scale(check, answer):
    verdict = check("5.4", answer)
    assert verdict.passed, verdict.message
    assert "One thing" not in verdict.message


def with_matrices(W1, W2, b1=0.0, b2=(0.0, 0.0)):
    return lambda: tuple(map(torch.tensor, (W1, [b1], W2, list(b2))))


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (with_matrices([[1.0], [-1.0]], [[-1.0, 1.0]], b1=0.5), "Follow (3, 1) and (1, 3) by hand"),
        (with_matrices([[1.0], [-1.0]], [[-1.0, 1.0]], b2=(0.1, 0.0)), "other numbers"),
        (with_matrices([[-1.0], [1.0]], [[1.0, -1.0]]), "already in order"),
        (with_matrices([[1.0], [1.0]], [[-1.0, 1.0]]), "other numbers"),
        (with_matrices([[1.0], [-1.0]], [[-1.0, 1.01]]), "other numbers"),
        (with_matrices([[1.0, -1.0], [-1.0, 1.0]], [[-1.0, 1.0], [0.0, 0.0]]), "d_ff = 1"),
        (with_matrices([[1.0, -1.0]], [[-1.0, 1.0]]), "`W1` has shape (1, 2); wanted (2, 1)"),
        (with_matrices([[1.0], [-1.0]], [[-1.0, 1.0]], b1=0.001), "other numbers"),
        (lambda: (torch.ones(2, 1), torch.zeros(1)), "wanted 4 things: W1, b1, W2, b2"),
        (
            lambda: (torch.ones(2, 1), torch.ones(1, 2), torch.zeros(1), torch.zeros(2)),
            "four parameters in another order: return W1, b1, W2, b2",
        ),
        (lambda: (torch.ones(2, 1), None, torch.ones(1, 2), None), "None for `b1`"),
        (lambda x: x.sort().values, "sorter()"),
    ],
)
def test_wrong_sorters(check, answer, words):
    assert_says(check("5.4", answer), words)


def test_a_sorter_with_dots_is_unfinished(check):
    assert check("5.4", lambda: (..., ..., ..., ...)).state == "pending"


# --- 5.5 ---------------------------------------------------------------------------------------------------


def by_changing(module, x, places=None, tolerance=1e-5, new=torch.randn_like, watched=None):
    before = module(x)
    for b, s in places or [(b, s) for b in range(x.shape[0]) for s in range(x.shape[1])]:
        other = x.clone()
        other[b, s] = new(other[b, s])
        moved = (module(other) - before).abs() > tolerance
        moved[b, s] = False
        if (moved[watched(b)] if watched else moved).any():
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
            (gradient,) = torch.autograd.grad(output[b, s].pow(3).sum(), x, retain_graph=True)
            gradient[b, s] = 0
            if gradient.abs().max() > 1e-6:
                return False
    return True


def in_double_precision(module, x):
    return by_changing(module.double(), x.double(), tolerance=1e-9)


@pytest.mark.parametrize("answer", [by_changing, by_feeding_alone, by_gradient, in_double_precision])
def test_experiments_that_find_the_truth(check, answer):
    verdict = check("5.5", answer)
    assert verdict.passed, verdict.message


def in_place(module, x):
    x[0, 0] = 0
    return True


one_feature = torch.tensor([1.0, 0, 0, 0, 0, 0])


def as_one_batch(module, x):
    return torch.allclose(module(x.flatten(0, 1)[:, None]).view_as(x), module(x), atol=1e-5)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda module, x: by_changing(module, x, new=lambda old: old + 1), "`torch.randn_like`"),
        (lambda module, x: by_changing(module, x, new=lambda old: 2 * old), "`torch.randn_like`"),
        (lambda module, x: by_changing(module, x, [(0, s) for s in range(5)]), "not only the first"),
        (lambda module, x: by_changing(module, x, watched=lambda b: b), "Watch the other sentences too"),
        (as_one_batch, "as one large batch"),
        (lambda module, x: by_changing(module, x, tolerance=0.5), "your test says True"),
        (lambda module, x: by_changing(module, x, tolerance=0.05), "more strictly"),
        (lambda module, x: by_changing(module, x, [(0, 0)]), "Change *every* position"),
        (lambda module, x: by_changing(module, x, [(0, x.shape[1] - 1)]), "Change *every* position"),
        (lambda module, x: by_changing(module, x[:1]), "Watch the other sentences too"),
        (lambda module, x: by_changing(module, x, new=lambda old: old.flip(0)), "`torch.randn_like`"),
        (lambda module, x: by_changing(module, x, new=lambda old: old + one_feature), "not only one"),
        (lambda module, x: torch.equal(module(x), module(x + 1)), "its own output moves"),
        (lambda module, x: not by_changing(module, x), "the opposite every time"),
        (in_place, "x.clone()"),
        (lambda module, x: "yes", "should be True or False"),
    ],
)
def test_experiments_that_err(check, answer, words):
    assert_says(check("5.5", answer), words)


# --- 5.7 ---------------------------------------------------------------------------------------------------


def real(ids, pad):
    return (ids != pad)[:, None, None, :]


@pytest.mark.parametrize(
    "answer",
    [
        lambda ids, pad: [attnbook.padding_mask(ids, pad), ids.eq(pad)],
        lambda ids, pad: {"theirs": ids == pad, "ours": real(ids, pad)},
        lambda ids, pad: (real(ids, pad).numpy(), (ids.numpy() == pad)),
    ],
)
def test_masks_in_many_ways(check, answer):
    assert check("5.7", answer).passed


def masked_from(padded):
    return ~padded[:, None, None], padded


def at_an_end(ids, pad):
    real = (ids != pad).int()
    return (real.cumsum(1) == 0) | (real.flip(1).cumsum(1).flip(1) == 0)


def lengths_of(ids, pad):
    return torch.arange(ids.shape[1]) < (ids != pad).sum(1, keepdim=True)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            lambda ids, pad: (lengths_of(ids, pad)[:, None, None], ~lengths_of(ids, pad)),
            "in front or between",
        ),
        (lambda ids, pad: masked_from((ids == pad).cumsum(1) > 0), "in front or between"),
        (lambda ids, pad: masked_from((ids == pad) & at_an_end(ids, pad)), "in front or between"),
        (lambda ids, pad: (real(ids, pad), (ids == pad).cumsum(1) > 0), "in front or between"),
        (
            lambda ids, pad: (real(ids, pad).expand(-1, 1, ids.shape[1], -1), ids == pad),
            "wanted (B, 1, 1, S)",
        ),
        (lambda ids, pad: (ids == pad, real(ids, pad)), "in another order: return ours, theirs"),
        (lambda ids, pad: (real(ids, pad).float(), ids == pad), "`ours` is torch.float32"),
        (lambda ids, pad: (real(ids, pad), (ids == pad).int()), "`theirs` is torch.int32"),
        (lambda ids, pad: real(ids, pad), "wanted 2 things"),
        (lambda ids, pad: (real(ids, pad), ids == ids.max()), "equals `pad`"),
    ],
)
def test_wrong_masks(check, answer, words):
    assert_says(check("5.7", answer), words)


# --- 5.8 ---------------------------------------------------------------------------------------------------


def test_the_layer_in_one_line(check):
    assert check("5.8", lambda x, a, f, n1, n2: n2(n1(x + a(x)) + f(n1(x + a(x))))).passed


def of_three_copies(x, attention, feed_forward, norm1, norm2):
    return norm1(x + attention(x, x, x))


def never_called(x, attention, feed_forward, norm1, norm2):
    return norm1(x + attention)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda x, a, f, n1, n2: n2((y := n1((x + a(x)) / 2)) + f(y)), "other numbers"),
        (lambda x, a, f, n1, n2: x, "other numbers"),
        (lambda x, a, f, n1, n2: n2((y := x + a(n1(x))) + f(n2(y))), "This is pre-norm"),
        (lambda x, a, f, n1, n2: n2((y := n1(x + a(x))) + a(y)), "Only one of the two sublayers is used"),
        (lambda x, a, f, n1, n2: n2((y := n1(x + f(x))) + f(y)), "Only one of the two sublayers is used"),
        (lambda x, a, f, n1, n2: n2((y := n1(x - a(x))) - f(y)), "other numbers"),
        (of_three_copies, "other arguments than it takes"),
        (never_called, "is a function: call it"),
        (lambda x, a, f, n1, n2: n2((y := n1(x + a(x[:1]))) + f(y)), "right for batch item 0 only"),
        (lambda x, a, f, n1, n2: (n2, n1(x + a(x))), "should be a tensor"),
    ],
)
def test_wrong_layers(check, answer, words):
    assert_says(check("5.8", answer), words)


# --- 5.6 ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [
        lambda layer, x: layer(1e5 * x).norm() > 100 * layer(x).norm(),
        lambda layer, x: not torch.allclose(layer(1e4 * x), layer(1e5 * x), rtol=0.5, atol=5),
    ],
)
def test_the_order_by_other_experiments(check, answer):
    verdict = check("5.6", answer)
    assert verdict.passed, verdict.message


@pytest.mark.parametrize(
    "answer",
    [
        lambda layer, x: layer(x).std(-1).std() > 1e-2,
        lambda layer, x: layer(x).std(-1).std() / layer(x).std() > 1e-3,
        lambda layer, x: layer(x).mean(-1).std() > 1e-3,
        lambda layer, x: (layer(x) - x).abs().mean() < 1,
        lambda layer, x: layer(0 * x).abs().max() < 1,
        lambda layer, x: layer(10 * x).abs().max() > 2 * layer(x).abs().max(),
        lambda layer, x: not torch.allclose(layer(2 * x), layer(x), atol=1e-2),
    ],
)
def test_a_single_output_or_a_small_step_is_no_experiment(check, answer):
    assert_says(check("5.6", answer), "Compare the outputs for x and for 1e6 · x")


def test_a_size_is_no_experiment(check):
    assert_says(check("5.6", lambda layer, x: layer(x).abs().max() > 5), "see how it *grows* with x")
    assert_says(check("5.6", lambda layer, x: True), "a guess")
