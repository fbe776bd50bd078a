"""Chapter 1: every right way passes, every trap is turned down in words of its own."""

import math

import pytest
import torch
from torch import nn

from attnbook.exercises.chapter01_networks import _Cell


def assert_says(verdict, words: str) -> None:
    assert verdict.state == "wrong"
    assert words in verdict.message


# --- 1.1 ---------------------------------------------------------------------------------------------------

BITS = {"strings": 64, "bits": 6, "thirty": 141.01, "longest": 13}


@pytest.mark.parametrize(
    "other",
    [
        {},
        {"strings": 4**3, "bits": math.log2(64)},
        {"thirty": 30 * math.log2(26)},
        {"thirty": 141},
        {"thirty": torch.tensor(141.0)},
        {"longest": 13.0},
        {"longest": torch.tensor([13])},
        {"remark": "easy"},
    ],
)
def test_bits_in_any_form(check, other):
    assert check("1.1", BITS | other).passed


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"strings": 12}, "12 is 4 × 3"),
        ({"strings": 81}, "four places with three letters"),
        ({"strings": 24}, "A letter may come again"),
        ({"strings": 63}, "not 63"),
        ({"bits": 3 * math.log(4)}, "natural logarithm"),
        ({"bits": math.log2(12)}, "3 · log₂ 4"),
        ({"bits": 2}, "2 bits is one letter"),
        ({"bits": 64}, "number of strings"),
        ({"bits": 24}, "8 bits a letter"),
        ({"bits": 7}, "L · log₂ V bits"),
        ({"thirty": 30 * math.log(26)}, "natural logarithm"),
        ({"thirty": 30 * math.log10(26)}, "30·log₁₀ 26"),
        ({"thirty": 150}, "32 letters apart"),
        ({"thirty": 240}, "as a file stores them"),
        ({"thirty": math.log2(780)}, "length stands in front"),
        ({"thirty": 26 * math.log2(30)}, "changed places"),
        ({"thirty": 1}, "here L = 30 and V = 26"),
        ({"longest": 14}, "Round down"),
        ({"longest": 13.6}, "round to what still fits"),
        ({"longest": 12}, "less than 5"),
        ({"longest": 8}, "8 bits a letter"),
        ({"longest": 64}, "only two letters apart"),
        ({"longest": 2}, "not by the letters"),
        ({"longest": 19}, "64 / ln 26"),
        ({"longest": "13"}, "should be a number"),
        ({"bits": True}, "should be a number"),
    ],
)
def test_wrong_bits(check, other, words):
    assert_says(check("1.1", BITS | other), words)


# --- 1.2 ---------------------------------------------------------------------------------------------------

PATHS = {"recurrent": 41, "convolution": 20, "attention": 1, "scores": 1681}


@pytest.mark.parametrize("other", [{}, {"scores": 41**2}, {"recurrent": 41.0}, {"Attention": 1}])
def test_paths_in_any_form(check, other):
    assert check("1.2", PATHS | other).passed


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"recurrent": 40}, "hand-overs"),
        ({"recurrent": 1}, "one cell reads one word"),
        ({"recurrent": 39}, "hands its state to the next"),
        ({"convolution": 10}, "half of that window lies beyond"),
        ({"convolution": 9}, "side by side"),
        ({"convolution": 8}, "8 is 40 / 5"),
        ({"convolution": 40}, "one word a layer"),
        ({"convolution": 3}, "5 times as wide"),
        ({"convolution": 1}, "40 apart"),
        ({"convolution": 21}, "rounded up"),
        ({"convolution": 5}, "How many 2s"),
        ({"attention": 41}, "no word is handed on"),
        ({"attention": 40}, "no word is handed on"),
        ({"attention": 0}, "not 0: the first word"),
        ({"attention": 2}, "one layer is enough"),
        ({"attention": 3}, "directly"),
        ({"scores": 1640}, "each word meets itself"),
        ({"scores": 820}, "each pair once"),
        ({"scores": 861}, "each pair once"),
        ({"scores": 41}, "All 41 words ask"),
        ({"scores": 82}, "41 + 41"),
        ({"scores": 1}, "itself among them"),
        ({"scores": "many"}, "should be a number"),
    ],
)
def test_wrong_paths(check, other, words):
    assert_says(check("1.2", PATHS | other), words)


@pytest.mark.parametrize("exercise", ["1.1", "1.2"])
@pytest.mark.parametrize("answer", [41, [1, 2], {"bits": 6, "recurrent": 41}])
def test_numbers_need_a_dictionary_with_all_keys(check, exercise, answer):
    assert check(exercise, answer).state == "wrong"


# --- 1.3 ---------------------------------------------------------------------------------------------------


def by_adding_layers(length, kernel):
    layers = 0
    while 1 + layers * (kernel - 1) < length:
        layers += 1
    return layers


@pytest.mark.parametrize(
    "answer",
    [
        by_adding_layers,
        lambda length, kernel: math.ceil((length - 1) / (kernel - 1)),
        lambda length, kernel: -(-(length - 1) // (kernel - 1)),
        lambda length, kernel: (length + kernel - 3) // (kernel - 1),
        lambda length, kernel: torch.tensor((length - 1) / (kernel - 1)).ceil(),
    ],
)
def test_layers_by_many_roads(check, answer):
    assert check("1.3", answer).passed


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda n, k: (n - 1) // (k - 1), "rounded down"),
        (lambda n, k: int((n - 1) / (k - 1)), "rounded down"),
        (lambda n, k: math.ceil(n / k), "divided by k"),
        (lambda n, k: math.ceil((n - 1) / k), "divided by k"),
        (lambda n, k: math.ceil(n / (k - 1)), "One word too many"),
        (lambda n, k: math.ceil(math.log(n, k)), "linear"),
        (lambda n, k: math.ceil(math.log2(n)), "linear"),
        (lambda n, k: math.ceil((n - 1) / (k // 2)), "one side only"),
        (lambda n, k: 1 + n * (k - 1), "other way"),
        (lambda n, k: max(1, math.ceil((n - 1) / (k - 1))), "single word"),
        (lambda n, k: (n - 1) / (k - 1), "round up"),
        (lambda n, k: n, "other numbers"),
        (lambda n, k: [n, k], "wanted a number"),
        (lambda n: n, "takes 1 positional argument"),
        (25, "wants a function"),
    ],
)
def test_layer_traps(check, answer, words):
    assert_says(check("1.3", answer), words)


# --- 1.4 ---------------------------------------------------------------------------------------------------


def states(cell, first, embedded):
    found = [first]
    for t in range(embedded.shape[1]):
        found.append(cell(embedded[:, t], found[-1]))
    return found


def repaired(cell, context, embedded):
    return torch.stack(states(cell, context, embedded)[1:], dim=1)


def into_a_table(cell, context, embedded):
    outputs = torch.zeros(*embedded.shape[:2], context.shape[1])
    for t in range(embedded.shape[1]):
        context = outputs[:, t] = cell(embedded[:, t], context)
    return outputs


@pytest.mark.parametrize(
    "answer",
    [
        repaired,
        into_a_table,
        lambda c, h, e: torch.stack(states(c, h, e)[1:]).transpose(0, 1),
        lambda c, h, e: torch.cat([s[:, None] for s in states(c, h, e)[1:]], dim=1),
        lambda c, h, e: (repaired(c, h, e), states(c, h, e)[-1]),
        lambda c, h, e: repaired(c, h.clone(), e),
    ],
)
def test_decoders_that_listen(check, answer):
    assert check("1.4", answer).passed


def starts_anew(cell, context, embedded):
    return torch.stack([cell(x, context) for x in embedded.unbind(1)], dim=1)


def adds_every_time(cell, context, embedded):
    state, outputs = torch.zeros_like(context), []
    for x in embedded.unbind(1):
        state = cell(x, state + context)
        outputs.append(state)
    return torch.stack(outputs, dim=1)


def batch_too_small(cell, context, embedded):
    return torch.stack([cell(x, context[0]) for x in embedded.unbind(1)], dim=1)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda c, h, e: repaired(c, torch.zeros_like(h), e), "still starts from zeros"),
        (starts_anew, "starts from the context again"),
        (lambda c, h, e: repaired(c, torch.zeros_like(h), e) + h[:, None], "never heard it"),
        (lambda c, h, e: repaired(c, h, e) + h[:, None], "never heard it"),
        (adds_every_time, "at every step"),
        (lambda c, h, e: torch.stack(states(c, h, e)[:-1], dim=1), "*after* a token"),
        (lambda c, h, e: torch.stack(states(c, h, e), dim=1), "T + 1 outputs"),
        (lambda c, h, e: states(c, h, e)[-1], "last state only"),
        (lambda c, h, e: torch.stack(states(c, h, e)[1:]), "another order"),
        (lambda c, h, e: repaired(c, h[:1].expand_as(h), e), "context of row 0"),
        (lambda c, h, e: repaired(c, h, e.flip(1)), "from the last to the first"),
        (lambda c, h, e: repaired(c, h, e.flip(1)).flip(1), "from the last to the first"),
        (lambda c, h, e: repaired(c, h.mean(0, keepdim=True).expand_as(h), e), "other numbers"),
        (lambda c, h, e: repaired(lambda x, s: c(s, x), h, e), "x: wanted shape (B, 5), got (3, 6)"),
        (batch_too_small, "state: wanted shape (B, 6), got (6,)"),
        (lambda c, h, e: None, "Does it end with `return`?"),
    ],
)
def test_decoders_that_do_not(check, answer, words):
    assert_says(check("1.4", answer), words)


def test_the_broken_decoder_of_the_exercise_gives_the_same_for_any_context():
    cell = _Cell(3, 4, 0)
    embedded = torch.randn(1, 5, 3)
    one, other = (repaired(cell, torch.randn(1, 4), embedded) for _ in range(2))
    assert not torch.allclose(one, other)


# --- 1.5 ---------------------------------------------------------------------------------------------------


def gradient(network, x, choose=lambda y: y[0, -1].sum()):
    x = x.clone().requires_grad_()
    choose(network(x[None])).backward()
    return x.grad


def by_jacobian(network, x):
    return torch.autograd.functional.jacobian(lambda x: network(x[None])[0, -1].sum(), x).norm(dim=1)


def by_differences(network, x, step=1e-5):
    """Numerical derivatives, in double precision."""
    x = x.double()
    rows = torch.zeros_like(x)
    for t in range(x.shape[0]):
        for i in range(x.shape[1]):
            ends = []
            for sign in (1, -1):
                moved = x.clone()
                moved[t, i] += sign * step
                ends.append(network(moved[None])[0, -1].sum())
            rows[t, i] = (ends[0] - ends[1]) / (2 * step)
    return rows.norm(dim=1)


@pytest.mark.parametrize(
    "answer",
    [
        lambda network, x: gradient(network, x).norm(dim=-1),
        lambda network, x: gradient(network, x).square().sum(-1).sqrt(),
        lambda network, x: torch.linalg.vector_norm(gradient(network, x), dim=1),
        lambda network, x: [row.norm().item() for row in gradient(network, x)],
        by_jacobian,
        by_differences,
    ],
)
def test_reach_by_many_roads(check, answer):
    assert check("1.5", answer).passed


def unwatched(network, x):
    y = network(x[None])
    y[0, -1].sum().backward()
    return x.grad


def of_a_vector(network, x):
    return gradient(network, x, lambda y: y[0, -1])


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda n, x: gradient(n, x, lambda y: y.sum()).norm(dim=-1), "summed all outputs"),
        (lambda n, x: gradient(n, x, lambda y: y[0, 0].sum()).norm(dim=-1), "*first* output"),
        (lambda n, x: gradient(n, x).sum(-1), "cancel"),
        (lambda n, x: gradient(n, x).sum(-1).abs(), "cancel"),
        (lambda n, x: gradient(n, x).mean(-1), "cancel"),
        (lambda n, x: gradient(n, x).square().sum(-1), "root is missing"),
        (lambda n, x: gradient(n, x).abs().sum(-1), "absolute values"),
        (lambda n, x: gradient(n, x).abs().amax(-1), "largest entry"),
        (lambda n, x: gradient(n, x).norm(), "all places together"),
        (lambda n, x: gradient(n, x).norm(dim=0), "along the places"),
        (lambda n, x: gradient(n, x), "One length for each place"),
        (lambda n, x: n(x[None])[0].norm(dim=-1), "lengths of the outputs"),
        (lambda n, x: gradient(n, x).norm(dim=-1)[None], "batch axis is still there"),
        (lambda n, x: gradient(n, x).norm(dim=-1).flip(0), "other numbers"),
        (lambda n, x: gradient(lambda y: n(y[0]), x), "a batch of one sequence"),
        (unwatched, "Autograd has to be told"),
        (of_a_vector, "one number"),
        (torch.ones(5), "wants a function"),
    ],
)
def test_reach_traps(check, answer, words):
    assert_says(check("1.5", answer), words)


def test_a_real_network_can_be_measured_with_the_same_code():
    network = nn.Sequential(nn.Linear(4, 4), nn.Tanh())
    reached = gradient(network, torch.randn(6, 4)).norm(dim=-1)
    assert (reached[:-1] == 0).all()
    assert reached[-1] > 0
