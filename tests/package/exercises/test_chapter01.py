"""Chapter 1: correct solutions of all kinds pass, and each known mistake gets its own message."""

import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
import torch
from torch import nn


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
        {"longest": Fraction(13)},
        {"thirty": Decimal(141)},
        {"remark": "easy"},
    ],
)
def test_bits_in_any_form(check, other):
    assert check("1.1", BITS | other).passed


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"strings": 12}, "12 is 4 × 3"),
        ({"strings": 81}, "four positions with three letters"),
        ({"strings": 24}, "A letter may come again"),
        ({"strings": 63}, "not 63"),
        ({"bits": 3 * math.log(4)}, "3·ln 4"),
        ({"bits": math.log2(12)}, "3 · log₂ 4"),
        ({"bits": 2}, "2 bits is one letter"),
        ({"bits": 64}, "number of strings"),
        ({"bits": 24}, "8 bits a letter"),
        ({"bits": 7}, "L · log₂ V bits"),
        ({"thirty": 30 * math.log(26)}, "natural logarithm"),
        ({"thirty": 30 * math.log10(26)}, "30·log₁₀ 26"),
        ({"thirty": 150}, "enough for 32 letters"),
        ({"thirty": 240}, "as a file stores them"),
        ({"thirty": math.log2(780)}, "length is a factor"),
        ({"thirty": 26 * math.log2(30)}, "are swapped"),
        ({"thirty": 26**30}, "26³⁰ is the number of strings"),
        ({"thirty": 1}, "here L = 30 and V = 26"),
        ({"longest": 14}, "Round down"),
        ({"longest": 13.6}, "round to what still fits"),
        ({"longest": 12}, "less than 5"),
        ({"longest": 8}, "8 bits a letter"),
        ({"longest": 64}, "only two letters"),
        ({"longest": 2}, "not by the letters"),
        ({"longest": 19}, "64 / ln 26"),
        ({"longest": "13"}, "should be a number"),
        ({"bits": True}, "should be a number"),
    ],
)
def test_wrong_bits(check, other, words):
    assert_says(check("1.1", BITS | other), words)


# --- 1.6 ---------------------------------------------------------------------------------------------------

PATHS = {"recurrent": 41, "convolution": 20, "attention": 1, "scores": 1681}


@pytest.mark.parametrize("other", [{}, {"scores": 41**2}, {"recurrent": 41.0}, {"Attention": 1}])
def test_paths_in_any_form(check, other):
    assert check("1.6", PATHS | other).passed


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"recurrent": 40}, "first word's own step"),
        ({"recurrent": 1}, "one step reads one word"),
        ({"recurrent": 39}, "passes its state to the next"),
        ({"convolution": 10}, "half of that window lies beyond"),
        ({"convolution": 9}, "side by side"),
        ({"convolution": 8}, "8 is 40 / 5"),
        ({"convolution": 40}, "one word further per layer"),
        ({"convolution": 3}, "5 times as wide"),
        ({"convolution": 1}, "40 apart"),
        ({"convolution": 21}, "rounded up"),
        ({"convolution": 5}, "How many 2s"),
        ({"attention": 41}, "nothing passes from step to step"),
        ({"attention": 40}, "nothing passes from step to step"),
        ({"attention": 0}, "not 0: the first word"),
        ({"attention": 2}, "one layer is enough"),
        ({"attention": 3}, "directly"),
        ({"scores": 1640}, "each word meets itself"),
        ({"scores": 820}, "each pair once"),
        ({"scores": 861}, "each pair once"),
        ({"scores": 41}, "All 41 words are queries"),
        ({"scores": 82}, "41 + 41"),
        ({"scores": 1}, "itself among them"),
        ({"scores": "many"}, "should be a number"),
    ],
)
def test_wrong_paths(check, other, words):
    assert_says(check("1.6", PATHS | other), words)


@pytest.mark.parametrize("exercise", ["1.1", "1.6"])
@pytest.mark.parametrize("answer", [41, [1, 2], {"bits": 6, "recurrent": 41}])
def test_numbers_need_a_dictionary_with_all_keys(check, exercise, answer):
    assert check(exercise, answer).state == "wrong"


# --- 1.4 ---------------------------------------------------------------------------------------------------


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
def test_layers_in_many_ways(check, answer):
    assert check("1.4", answer).passed


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda n, k: (n - 1) // (k - 1), "rounded down"),
        (lambda n, k: int((n - 1) / (k - 1)), "rounded down"),
        (lambda n, k: round((n - 1) / (k - 1)), "rounded to the nearest"),
        (lambda n, k: int((n - 1) / (k - 1) + 0.5), "rounded to the nearest"),
        (lambda n, k: math.ceil(n / k), "divided by k"),
        (lambda n, k: math.ceil((n - 1) / k), "divided by k"),
        (lambda n, k: math.ceil(n / (k - 1)), "One word too many"),
        (lambda n, k: math.ceil(math.log(n, k)), "linear"),
        (lambda n, k: math.ceil(math.log2(n)), "linear"),
        (lambda n, k: math.ceil((n - 1) / (k // 2)), "one side only"),
        (lambda n, k: 1 + n * (k - 1), "other way"),
        (lambda n, k: max(1, math.ceil((n - 1) / (k - 1))), "single word"),
        (lambda n, k: (n - 1) / (k - 1), "Round up"),
        (lambda n, k: n, "With length = 101, kernel = 5: `layers` is 101; wanted 25"),
        (lambda n, k: [n, k], "should be a number, and holds 2"),
        (lambda n: n, "takes 1 positional argument"),
        (25, "wants a function"),
    ],
)
def test_layer_traps(check, answer, words):
    assert_says(check("1.4", answer), words)


# --- 1.7 ---------------------------------------------------------------------------------------------------


def changed_rows(decode, context, embedded, new=torch.randn_like, differ=lambda a, b: not torch.equal(a, b)):
    """For each sentence: do its outputs differ once its context is replaced by `new(its context)`?"""
    found = []
    for row in range(len(context)):
        other = context.clone()
        other[row] = new(other[row])
        found.append(differ(decode(other, embedded)[row], decode(context, embedded)[row]))
    return found


def by_gradient(decode, context, embedded):
    """A gradient for each sentence, of a random mix of its outputs: unusual, and right."""
    context = context.clone().requires_grad_()
    for row in range(len(context)):
        outputs = decode(context, embedded)[row]
        if not outputs.requires_grad:
            return False
        (gradient,) = torch.autograd.grad((outputs * torch.randn_like(outputs)).sum(), context)
        if not gradient[row].any():
            return False
    return True


def by_swapping(decode, context, embedded):
    """Each sentence gets all the other contexts in turn."""
    before = decode(context, embedded)
    heard = torch.zeros(len(context), dtype=torch.bool)
    for row in range(len(context)):
        for other in range(len(context)):
            mixed = context.clone()
            mixed[row] = context[other]
            heard[row] |= (decode(mixed, embedded)[row] != before[row]).any()
    return heard.all()


@pytest.mark.parametrize(
    "answer",
    [
        lambda *inputs: all(changed_rows(*inputs)),
        lambda *inputs: np.all(changed_rows(*inputs)),
        lambda *inputs: all(changed_rows(*inputs, lambda row: 1e6 * torch.rand_like(row))),
        lambda *inputs: all(changed_rows(*inputs, differ=lambda a, b: (a - b).abs().max() > 0)),
        by_gradient,
        by_swapping,
    ],
)
def test_tests_of_listening_in_many_ways(check, answer):
    assert check("1.7", answer).passed


def changes_the_first_number(row):
    return torch.cat((row[:1] + 1, row[1:]))


def all_numbers(a, b):
    return bool((a != b).all())


def the_first_token(a, b):
    return not torch.equal(a[0], b[0])


def the_last_token(a, b):
    return not torch.equal(a[-1], b[-1])


def changes_the_last_number(row):
    return torch.cat((row[:-1], row[-1:] + 1))


def nearly(a, b):
    return not torch.allclose(a, b)


def changes_all_at_once(decode, context, embedded):
    before, after = decode(context, embedded), decode(torch.randn_like(context), embedded)
    return all(not torch.equal(a, b) for a, b in zip(after, before, strict=True))


def roughly(a, b):
    return not torch.allclose(a, b, atol=1e-3)


def hears_one_sentence(decode, context, embedded):
    return all(changed_rows(decode, context, embedded)[:2])


def spoils_the_context(decode, context, embedded):
    before = decode(context, embedded)
    context += torch.randn_like(context)
    return not torch.equal(decode(context, embedded), before)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda d, c, e: not torch.equal(d(torch.randn_like(c), e), d(c, e)), "all sentences at once"),
        (lambda *inputs: any(changed_rows(*inputs)), "do so for every sentence"),
        (lambda *inputs: changed_rows(*inputs)[0], "do so for every sentence"),
        (hears_one_sentence, "Two sentences out of three"),
        (lambda *inputs: changed_rows(*inputs)[1], "Two sentences out of three"),
        (lambda *inputs: changed_rows(*inputs)[2], "Two sentences out of three"),
        (lambda *inputs: all(changed_rows(*inputs)[1:]), "Two sentences out of three"),
        (lambda *inputs: all(changed_rows(*inputs)[::2]), "Two sentences out of three"),
        (changes_all_at_once, "all sentences at once"),
        (lambda *inputs: all(changed_rows(*inputs, lambda row: row + 1)), "Adding the same number"),
        (lambda *inputs: all(changed_rows(*inputs, lambda row: 2 * row)), "A multiple of the context"),
        (lambda *inputs: all(changed_rows(*inputs, lambda row: -row)), "A multiple of the context"),
        (lambda *inputs: all(changed_rows(*inputs, lambda row: row.flip(0))), "in another order"),
        (lambda *inputs: all(changed_rows(*inputs, changes_the_last_number)), "only some numbers"),
        (lambda *inputs: all(changed_rows(*inputs, differ=the_last_token)), "Only its first output"),
        (lambda *inputs: all(changed_rows(*inputs, differ=nearly)), "compare exactly"),
        (lambda *inputs: all(changed_rows(*inputs, changes_the_first_number)), "only some numbers"),
        (lambda *inputs: all(changed_rows(*inputs, differ=all_numbers)), "at all tokens"),
        (lambda *inputs: all(changed_rows(*inputs, differ=the_first_token)), "at all tokens"),
        (lambda *inputs: all(changed_rows(*inputs, differ=roughly)), "compare exactly"),
        (lambda *inputs: not all(changed_rows(*inputs)), "swapped"),
        (spoils_the_context, "in place"),
        (lambda *inputs: 0.5, "True or False"),
        (lambda *inputs: None, "returned None"),
    ],
)
def test_tests_of_listening_that_fail(check, answer, words):
    assert_says(check("1.7", answer), words)


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
def test_reach_in_many_ways(check, answer):
    assert check("1.5", answer).passed


def unwatched(network, x):
    y = network(x[None])
    y[0, -1].sum().backward()
    return x.grad


def on_x_itself(network, x):
    x.requires_grad_()
    network(x[None])[0, -1].sum().backward()
    return x.grad.norm(dim=-1)


def jacobian(network, x):
    return torch.autograd.functional.jacobian(lambda x: network(x[None])[0, -1], x)  # (D, T, D)


def still_a_tuple(network, x):
    x = x.clone().requires_grad_()
    return torch.autograd.grad(network(x[None])[0, -1].sum(), x).norm(dim=-1)


def of_another_tensor(network, x):
    x = x.clone().requires_grad_()
    total = network(x[None])[0, -1].sum()
    return x.grad.norm(dim=-1) if total.isfinite() else total


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
        (lambda n, x: gradient(n, x).norm(), "all positions together"),
        (lambda n, x: gradient(n, x).norm(dim=0), "along the positions"),
        (lambda n, x: gradient(n, x), "One length per position"),
        (lambda n, x: n(x[None])[0].norm(dim=-1), "lengths of the outputs"),
        (lambda n, x: gradient(n, x).norm(dim=-1)[None], "batch axis is still there"),
        (lambda n, x: gradient(n, x).norm(dim=-1).flip(0), "other numbers"),
        (lambda n, x: gradient(lambda y: n(y[0]), x), "a batch of one sequence"),
        (unwatched, "Tell autograd which tensor"),
        (on_x_itself, "second call with the same `x`"),
        (lambda n, x: jacobian(n, x).square().sum((0, 2)).sqrt(), "each number of the last output by itself"),
        (lambda n, x: jacobian(n, x).norm(dim=-1).sum(0), "each number of the last output by itself"),
        (of_a_vector, "one number"),
        (still_a_tuple, "the gradients of `torch.autograd.grad`"),
        (of_another_tensor, "has a `.grad`, after `backward`"),
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


# --- 1.2 ---------------------------------------------------------------------------------------------------


def backwards(weights):
    return torch.arange(len(weights) - 1, -1, -1)


@pytest.mark.parametrize(
    "answer",
    [
        lambda weights: (weights.argmax(dim=-1) == backwards(weights)).float().mean(),
        lambda weights: (weights.argmax(1) == backwards(weights)).sum().item() / len(weights),
        lambda weights: np.mean(weights.flip(0).numpy().argmax(1) == np.arange(len(weights))),
    ],
)
def test_a_map_is_read_in_many_ways(check, answer):
    assert check("1.2", answer).passed


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda weights: (weights.argmax(-1) == backwards(weights).flip(0)).float().mean(), "backwards"),
        (
            lambda weights: (weights.argmax(0) == backwards(weights)).float().mean(),
            "largest weight of each column",
        ),
        (lambda weights: (weights.argmax(-1) == backwards(weights)).sum(), "Divide by the number of rows"),
        (lambda weights: (weights.argmax(-1) == backwards(weights)).sum(), "You counted the rows"),
        (lambda weights: weights.flip(1).diagonal().mean(), "mean weight on the letters"),
        (lambda weights: weights.flip(1).diagonal().sum(), "sum of the weights on the letters"),
        (lambda weights: (weights.argmax(-1) == backwards(weights) + 1).float().mean(), "one column off"),
        (lambda weights: 1.0, "wanted 0.52174"),
    ],
)
def test_map_traps(check, answer, words):
    assert_says(check("1.2", answer), words)


# --- 1.3 ---------------------------------------------------------------------------------------------------

WAITING = {"recurrent": 606, "layers": 20, "twelve": 60, "calls": 100}


@pytest.mark.parametrize("other", [{}, {"recurrent": 6 + 6 * 100.0}, {"calls": torch.tensor([100])}])
def test_chains_are_predicted(check, other):
    assert check("1.3", WAITING | other).passed


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"recurrent": 750}, "30 / 4"),
        ({"recurrent": 675}, "54 / 8"),
        ({"recurrent": 600}, "don't depend on the length"),
        ({"recurrent": 54}, "grows with every token"),
        ({"recurrent": 1}, "in the same steps"),
        ({"layers": 250}, "side by side"),
        ({"layers": 500}, "20 / 4"),
        ({"layers": 30}, "what depends on the length"),
        ({"twelve": 20}, "three times as many"),
        ({"twelve": 240}, "chain of four layers"),
        ({"twelve": 1}, "Four layers make 20"),
        ({"calls": 1}, "in training"),
        ({"calls": 101}, "end token"),
        ({"calls": 2}, "one call of the model per token"),
    ],
)
def test_wrong_chains(check, other, words):
    assert_says(check("1.3", WAITING | other), words)
