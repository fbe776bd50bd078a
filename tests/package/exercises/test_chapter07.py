"""Chapter 7: unusual correct answers pass, and wrong ones that are no known slip are rejected."""

import itertools
import math
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from attnbook.embeddings import Embeddings, sinusoids


def assert_says(verdict, words: str) -> None:
    assert verdict.state == "wrong", verdict.message
    assert words in verdict.message, verdict.message


# --- 7.1 ---------------------------------------------------------------------------------------------------


def by_products(ids, upstream, vocab):
    return torch.einsum("btv,btd->vd", F.one_hot(ids, vocab).float(), upstream)


def added_by_index(ids, upstream, vocab):
    return torch.zeros(vocab, upstream.shape[-1]).index_add_(0, ids.flatten(), upstream.flatten(0, 1))


def accumulated(ids, upstream, vocab):
    gradient = torch.zeros(vocab, upstream.shape[-1])
    return gradient.index_put_((ids,), upstream, accumulate=True)


def added_in_numpy(ids, upstream, vocab):
    gradient = np.zeros((vocab, upstream.shape[-1]))
    np.add.at(gradient, ids.numpy(), upstream.numpy())
    return gradient


def row_after_row(ids, upstream, vocab):
    return [upstream[ids == row].sum(0).tolist() for row in range(vocab)]


@pytest.mark.parametrize("answer", [by_products, added_by_index, accumulated, added_in_numpy, row_after_row])
def test_gradients_of_a_lookup_in_many_ways(check, answer):
    verdict = check("7.1", answer)
    assert verdict.passed, verdict.message


def added_in_place(ids, upstream, vocab):
    gradient = torch.zeros(vocab, upstream.shape[-1])
    gradient[ids] += upstream
    return gradient


def position_after_position(ids, upstream, vocab):
    gradient = torch.zeros(vocab, upstream.shape[-1])
    for t in range(ids.shape[1]):
        gradient[ids[:, t]] += upstream[:, t]
    return gradient


def by_backward(ids, upstream, vocab):
    table = torch.zeros(vocab, upstream.shape[-1], requires_grad=True)
    table[ids].backward(upstream)
    return table.grad


def by_grad(ids, upstream, vocab):
    table = torch.zeros(vocab, upstream.shape[-1], requires_grad=True)
    return torch.autograd.grad(F.embedding(ids, table), table, upstream)[0]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (added_in_place, "only one of its vectors arrives"),
        (lambda *inputs: by_products(*inputs).T, "another order"),
        (lambda ids, upstream, vocab: by_products(ids, upstream, ids.max() + 1), "wanted (V, D)"),
        (lambda *inputs: by_products(*inputs)[1:], "wanted (V, D)"),
        (lambda *inputs: 2 * by_products(*inputs), "other numbers"),
        (lambda *inputs: by_products(*inputs).sum(-1), "wanted (V, D)"),
        (position_after_position, "only one of its vectors arrives"),
        (lambda ids, upstream, vocab: by_products(ids, upstream, vocab) / ids.numel(), "over positions"),
        (by_backward, "Autograd is off here"),
        (by_grad, "Autograd is off here"),
        (lambda ids, upstream, vocab: F.one_hot(ids, vocab).mT @ upstream, "stopped with `RuntimeError`"),
    ],
)
def test_wrong_gradients_of_a_lookup(check, answer, words):
    assert_says(check("7.1", answer), words)


# --- 7.2 ---------------------------------------------------------------------------------------------------

PREDICTED = {"output": (2, 3, 16), "parameters": 1600, "factor": 4, "rows": 3}


def test_the_numbers_are_those_of_the_class():
    model = Embeddings(d_model=16, vocab=100)
    output = model(torch.tensor([[5, 7, 5], [7, 5, 0]]))
    output.sum().backward()
    assert output.shape == PREDICTED["output"]
    assert model.lut.weight.numel() == PREDICTED["parameters"]
    assert model.lut.weight.grad.any(dim=1).sum() == PREDICTED["rows"]
    assert torch.equal(output[0, 0], PREDICTED["factor"] * model.lut.weight[5])


@pytest.mark.parametrize(
    "other",
    [{"output": torch.zeros(2, 3, 16)}, {"parameters": 1600.0}, {"factor": math.sqrt(16)}, {"rows": [3]}],
)
def test_predictions_in_any_form(check, other):
    assert check("7.2", PREDICTED | other).passed


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"output": (2, 16)}, "becomes a row"),
        ({"parameters": 7}, "each row is `d_model` wide"),
        ({"factor": 3}, "under the root"),
        ({"rows": 5}, "different"),
        ({"output": "wide"}, "should be a shape"),
    ],
)
def test_wrong_predictions(check, other, words):
    assert_says(check("7.2", PREDICTED | other), words)


# --- 7.3 ---------------------------------------------------------------------------------------------------


def waves(length, d_model):
    angle = torch.arange(length)[:, None] / 10000 ** (torch.arange(0, d_model, 2) / d_model)
    return angle.sin(), angle.cos()


def with_pairs(angle):
    return torch.stack((angle.sin(), angle.cos()), -1).flatten(1)


def filled(length, d_model):
    table = torch.zeros(length, d_model)
    table[:, 0::2], table[:, 1::2] = waves(length, d_model)
    return table


def by_loops(length, d_model):
    def entry(t, column):
        angle = t / 10000 ** (2 * (column // 2) / d_model)
        return math.cos(angle) if column % 2 else math.sin(angle)

    return [[entry(t, column) for column in range(d_model)] for t in range(length)]


@pytest.mark.parametrize("answer", [sinusoids, filled, by_loops, lambda *s: filled(*s).numpy()])
def test_sinusoids_in_many_ways(check, answer):
    assert check("7.3", answer).passed


def with_base(base):
    def answer(length, d_model):
        return with_pairs(torch.arange(length)[:, None] / base ** (torch.arange(0, d_model, 2) / d_model))

    return answer


def faster_to_the_right(length, d_model):
    """In float32, where large angles are rounded."""
    return with_pairs(torch.arange(length)[:, None] * 10000 ** (torch.arange(0, d_model, 2) / d_model))


def with_one_speed(length, d_model):
    return with_pairs(torch.arange(length)[:, None].expand(-1, d_model // 2))


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda *sizes: filled(*sizes).T, "another order"),
        (lambda length, d_model: filled(length, d_model) * 1.01, "other numbers"),
        (lambda length, d_model: torch.stack(waves(length, d_model), -1), "wanted (T, D)"),
        (lambda length, d_model: torch.stack(waves(length, d_model)).view(length, d_model), "not as pairs"),
        (with_base(1e5), "Another base"),
        (with_base(5e5), "Another base"),
        (faster_to_the_right, "Your hands get faster from left to right"),
        (with_one_speed, "Every hand has the same speed"),
        (lambda *sizes: filled(*sizes).bfloat16(), "other numbers"),
    ],
)
def test_wrong_sinusoids(check, answer, words):
    assert_says(check("7.3", answer), words)


@pytest.mark.parametrize("speed", [0.5, 1.7, 3.0])
def test_a_wrong_speed_is_not_blamed_on_the_batch(check, speed):
    def answer(length, d_model):
        exponent = -speed * torch.arange(0, d_model, 2) / d_model
        return with_pairs(torch.arange(length)[:, None] * 10000**exponent)

    verdict = check("7.3", answer)
    assert verdict.state == "wrong"
    assert "item 0" not in verdict.message


# --- 7.4 ---------------------------------------------------------------------------------------------------


def turned(x, sign=1):
    sines, cosines = waves(x.shape[1], x.shape[2])
    a, b = x[..., 0::2], x[..., 1::2]
    return torch.stack((a * cosines + sign * b * sines, b * cosines - sign * a * sines), -1).flatten(-2)


def with_complex_numbers(x):
    sines, cosines = waves(x.shape[1], x.shape[2])
    pairs = torch.view_as_complex(x.unflatten(-1, (-1, 2)).contiguous())
    return torch.view_as_real(pairs * torch.complex(cosines, -sines)).flatten(-2)


def with_matrices(x):
    sines, cosines = waves(x.shape[1], x.shape[2])
    turn = torch.stack((cosines, sines, -sines, cosines), -1).unflatten(-1, (2, 2))  # (T, D / 2, 2, 2)
    return torch.einsum("tdij,btdj->btdi", turn, x.unflatten(-1, (-1, 2))).flatten(-2)


def with_the_matrices_of_formula_7_7(x):
    """Row t times R_t, as the chapter writes them."""

    def rotation(k):
        angles = k * 10000.0 ** (-torch.arange(0, x.shape[2], 2) / x.shape[2])
        return torch.block_diag(*(torch.tensor([[b.cos(), -b.sin()], [b.sin(), b.cos()]]) for b in angles))

    return torch.stack([x[:, t] @ rotation(t) for t in range(x.shape[1])], dim=1)


@pytest.mark.parametrize(
    "answer", [turned, with_complex_numbers, with_matrices, with_the_matrices_of_formula_7_7]
)
def test_any_rotation(check, answer):
    assert check("7.4", answer).passed


def test_what_the_chapter_says_it_is_the_rotation_of_formula_7_7():
    """It carries the row of position 0 to every other row of the table."""
    first = sinusoids(1, 8).expand(3, 12, 8)
    torch.testing.assert_close(turned(first), sinusoids(12, 8).expand(3, 12, 8))


def test_what_the_praise_says_scores_depend_on_the_offset_alone():
    torch.manual_seed(0)
    query, key = (turned(torch.randn(8).expand(1, 12, 8)) for _ in range(2))
    scores = (query @ key.transpose(1, 2))[0]  # (T, T)
    for offset in range(-5, 6):
        torch.testing.assert_close(scores.diagonal(offset).std(), torch.tensor(0.0), atol=1e-5, rtol=0)


def with_one_sign(x):
    sines, cosines = waves(x.shape[1], x.shape[2])
    a, b = x[..., 0::2], x[..., 1::2]
    return torch.stack((a * cosines + b * sines, b * cosines + a * sines), -1).flatten(-2)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda x: turned(x, sign=-1), "the other way"),
        (lambda x: turned(x.flip(-1)).flip(-1), "other numbers"),
        (lambda x: turned(x).unflatten(-1, (-1, 2)).mT.flatten(-2), "all first numbers of the pairs left"),
        (lambda x: turned(x).unflatten(-1, (-1, 2)).flip(-1).flatten(-2), "pair are swapped"),
        (with_one_sign, "One sign is wrong"),
        (lambda x: turned(x.transpose(0, 1)).transpose(0, 1), "other numbers"),
        (lambda x: turned(x) * x.shape[-1] ** 0.5, "other numbers"),
        (lambda x: turned(x).flatten(1), "has shape"),
        (lambda x: turned(x[:1]).expand_as(x), "right for batch item 0 only"),
        (lambda x: turned(x.mT).mT if x.shape[1] % 2 == 0 else x * 1.5, "other numbers"),
    ],
)
def test_wrong_rotations(check, answer, words):
    assert_says(check("7.4", answer), words)


# --- 7.6 ---------------------------------------------------------------------------------------------------


def root_mean_square(x):
    return x.square().mean().sqrt()


@pytest.mark.parametrize(
    "answer",
    [
        lambda words, table: (words**2).mean() ** 0.5 / (table[: words.size(1)] ** 2).mean() ** 0.5,
        lambda words, table: words.norm() / table[: words.shape[1]].norm() / len(words) ** 0.5,
        lambda words, table: (root_mean_square(words) / root_mean_square(table[: words.shape[1]]))[None],
        lambda words, table: np.sqrt(
            np.mean(words.numpy() ** 2) / np.mean(table[: words.shape[1]].numpy() ** 2)
        ),
    ],
)
def test_any_measure_of_the_sizes(check, answer):
    assert check("7.6", answer).passed


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda words, table: 1.0, "wanted"),
        (lambda words, table: words / table[: words.shape[1]], "should be a number"),
        (
            lambda words, table: words.norm(dim=-1).mean() / table[: words.shape[1]].norm(dim=-1).mean(),
            "then the mean",
        ),
        (lambda words, table: root_mean_square(words / table[: words.shape[1]]), "pair of features"),
        (
            lambda words, table: root_mean_square(words) / root_mean_square(table[-words.shape[1] :]),
            "wanted",
        ),
        (lambda words, table: words.abs().max() / table[: words.shape[1]].abs().max(), "wanted"),
        (lambda words, table: words.std() / table[: words.shape[1]].std(), "The standard deviation"),
        (lambda words, table: None, "returned None for `ratio`"),
    ],
)
def test_wrong_measures_of_the_sizes(check, answer, words):
    assert_says(check("7.6", answer), words)


# --- 7.7 ---------------------------------------------------------------------------------------------------


def by_measuring(vocab, d_model, words, scores):
    table = torch.rand(vocab, d_model) - 0.5  # not even a normal distribution
    table *= scores / math.sqrt(d_model) / table.square().mean().sqrt()
    return table, words / table.square().mean().sqrt()


def with_a_layer(vocab, d_model, words, scores):
    layer = torch.nn.Embedding(vocab, d_model)
    torch.nn.init.normal_(layer.weight, std=scores * d_model**-0.5)
    return {"table": layer.weight, "factor": words * d_model**0.5 / scores}


def in_numpy(vocab, d_model, words, scores):
    std = scores / d_model**0.5
    return np.random.default_rng(0).normal(0, std, (vocab, d_model)), words / std


def of_signs(vocab, d_model, words, scores):
    std = scores * d_model**-0.5
    return std * (torch.randn(vocab, d_model) > 0).double().mul(2).sub(1), torch.tensor(words / std)


@pytest.mark.parametrize("answer", [by_measuring, with_a_layer, in_numpy, of_signs])
def test_tables_drawn_in_many_ways(check, answer):
    verdict = check("7.7", answer)
    assert verdict.passed, verdict.message


def flat(vocab, d_model, words, scores):
    """Words of the right size, all the same: every token gets the same score."""
    return torch.full((vocab, d_model), scores * d_model**-0.5), words * d_model**0.5 / scores


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (flat, "`scores` is"),
        (lambda v, d, w, s: (torch.randn(v, d) * 1.1 * s * d**-0.5, w * d**0.5 / s / 1.1), "`scores` is"),
        (lambda v, d, w, s: (torch.randn(v, d) * s * d**-0.5, 1.1 * w * d**0.5 / s), "`words` is"),
        (lambda v, d, w, s: (torch.randn(d, v) * s * d**-0.5, w * d**0.5 / s), "wanted (V, D)"),
        (lambda v, d, w, s: (torch.randn(v, d) * s / v**0.5, w * v**0.5 / s), "`scores` is"),
        (lambda v, d, w, s: torch.randn(v, d) * s * d**-0.5, "wanted 2 things: table, factor"),
        (lambda v, d, w, s: (torch.randn(v, d) * s * d**-0.5, "√d"), "`factor` should be a number"),
        (lambda v, d, w, s: (torch.randint(-3, 4, (v, d)), 1), "`words` is"),
    ],
)
def test_wrong_tables(check, answer, words):
    assert_says(check("7.7", answer), words)


# --- 7.8 ---------------------------------------------------------------------------------------------------


def from_the_first(x, table, real):
    """Real tokens stand side by side, so it is enough to know where the first one is."""
    first = real.int().argmax(1, keepdim=True)
    return x + F.embedding((torch.arange(x.shape[1]) - first).clamp(0), table)


def row_by_row(x, table, real):
    output = torch.full_like(x, torch.nan)  # whatever stands at padding
    for b in range(len(x)):
        output[b, real[b]] = x[b, real[b]] + table[: real[b].sum()]
    return output


def in_place(x, table, real):
    x += table[(real.cumsum(1) - 1).clamp(0)]
    return x


@pytest.mark.parametrize("answer", [from_the_first, row_by_row])
def test_any_repair(check, answer):
    verdict = check("7.8", answer)
    assert verdict.passed, verdict.message


def test_a_repair_in_place_passes_with_a_word_about_it(check):
    verdict = check("7.8", in_place)
    assert verdict.passed
    assert "changes `x` in place" in verdict.message


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda x, table, real: x + table[: x.shape[1]].roll(3, 0), "other numbers"),
        (lambda x, table, real: x + table[(real.cumsum(1) - 1)[:1].clamp(0)], "padding of sentence 0"),
        (lambda x, table, real: x + 2 * table[(real.cumsum(1) - 1).clamp(0)], "other numbers"),
        (lambda x, table, real: x[real] + table[(real.cumsum(1) - 1)[real]], "has shape"),
        (lambda x, table, real: x + table[real.cumsum(1).clamp(max=6)], "one row off"),
        (lambda x, table, real: x - table[(real.cumsum(1) - 1).clamp(0)], "You subtracted"),
        (
            lambda x, table, real: x + table[torch.arange(x.shape[1]) + real.int().argmax(1, keepdim=True)],
            "You added the padding in front",
        ),
    ],
)
def test_wrong_repairs(check, answer, words):
    assert_says(check("7.8", answer), words)


# --- 7.5 ---------------------------------------------------------------------------------------------------


def bag(text):
    return "".join(sorted(text))


def in_groups(texts):
    return len([group for group, _ in itertools.groupby(sorted(texts, key=bag), key=bag)]) / len(texts)


def by_counting_characters(texts):
    return torch.tensor(len({frozenset(Counter(text).items()) for text in texts}) / len(texts))


def exactly(texts):
    return Fraction(len({tuple(sorted(text)) for text in texts}), len(texts))


@pytest.mark.parametrize("answer", [in_groups, by_counting_characters, exactly])
def test_bags_counted_in_many_ways(check, answer):
    verdict = check("7.5", answer)
    assert verdict.passed, verdict.message


def bags_of(change):
    return lambda texts: len({bag(change(text)) for text in texts}) / len(texts)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (bags_of(str.lower), "Capitals, digits and spaces are characters, too"),
        (bags_of(str.strip), "Capitals, digits and spaces are characters, too"),
        (bags_of(set), "A bag knows how often"),
        (lambda texts: len({sum(map(ord, text)) for text in texts}) / len(texts), "wanted"),
        (lambda texts: len({text[0] for text in texts}) / len(texts), "wanted"),
        (lambda texts: len([*itertools.groupby(map(bag, texts))]) / len(texts), "wanted"),
        (lambda texts: 1 - exactly(texts), "read wrongly"),
        (lambda texts: 100 * exactly(texts), "not percent"),
        (lambda texts: round(float(exactly(texts)), 1), "wanted"),
        (lambda texts: {bag(text) for text in texts}, "should be a number"),
    ],
)
def test_wrong_accuracies(check, answer, words):
    assert_says(check("7.5", answer), words)


def test_texts_that_are_used_up_are_mentioned_and_left_to_the_judge(check):
    def answer(texts):
        count, bags = len(texts), set()
        while texts:
            bags.add(bag(texts.pop()))
        return len(bags) / count

    for _ in range(2):
        verdict = check("7.5", answer)
        assert verdict.passed
        assert "changes `texts` in place" in verdict.message


def test_the_best_reader_of_bags(check):
    def by_groups(texts):
        bags = ["".join(sorted(text)) for text in texts]
        return sum(1 / bags.count(bag) for bag in bags) / len(bags)

    verdict = check("7.5", by_groups)
    assert verdict.passed, verdict.message
    wrong = check("7.5", lambda texts: 0.5)
    assert wrong.state == "wrong"
