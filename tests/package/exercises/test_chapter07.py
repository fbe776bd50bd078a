"""Chapter 7: every right way passes, every trap is turned down in words of its own."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from attnbook.embeddings import sinusoids


def assert_says(verdict, words: str) -> None:
    assert verdict.state == "wrong"
    assert words in verdict.message


# --- 7.1 ---------------------------------------------------------------------------------------------------

PREDICTED = {"output": (2, 3, 16), "parameters": 1600, "factor": 4, "rows": 3}


@pytest.mark.parametrize(
    "other",
    [{}, {"output": torch.zeros(2, 3, 16)}, {"parameters": 1600.0}, {"factor": math.sqrt(16)}, {"rows": [3]}],
)
def test_predictions_in_any_form(check, other):
    assert check("7.1", PREDICTED | other).passed


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"output": (2, 3, 100)}, "one-hot vector is that wide"),
        ({"output": (6, 16)}, "ids keep their shape"),
        ({"output": (2, 3)}, "shape of the ids"),
        ({"output": (2, 16)}, "becomes a row"),
        ({"parameters": 1616}, "no bias"),
        ({"parameters": 96}, "size of the output"),
        ({"parameters": 48}, "rows in use"),
        ({"parameters": 100}, "number of rows"),
        ({"parameters": 7}, "each row is `d_model` wide"),
        ({"factor": 10}, "root of the vocabulary"),
        ({"factor": 16}, "its square root"),
        ({"factor": 0.25}, "does not divide"),
        ({"factor": 1}, "bare `nn.Embedding`"),
        ({"factor": 3}, "under the root"),
        ({"rows": 6}, "counted positions"),
        ({"rows": 100}, "took part"),
        ({"rows": 2}, "no `padding_idx`"),
        ({"rows": 5}, "different"),
    ],
)
def test_wrong_predictions(check, other, words):
    assert_says(check("7.1", PREDICTED | other), words)


# --- 7.2 ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [
        lambda ids, table: table[ids] * table.shape[1] ** 0.5,
        lambda ids, table: F.embedding(ids, table) * math.sqrt(table.shape[-1]),
        lambda ids, table: F.one_hot(ids, len(table)).to(table.dtype) @ table * table.shape[1] ** 0.5,
        lambda ids, table: (table * table.shape[1] ** 0.5)[ids],
        lambda ids, table: torch.stack([table[row] for row in ids]) * table.shape[1] ** 0.5,
        lambda ids, table: (table[ids] * table.shape[1] ** 0.5).numpy(),
    ],
)
def test_any_lookup(check, answer):
    assert check("7.2", answer).passed


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda ids, table: table[ids], "factor is missing"),
        (lambda ids, table: table[ids] * len(table) ** 0.5, "root of the vocabulary"),
        (lambda ids, table: table[ids] / table.shape[1] ** 0.5, "Multiply."),
        (lambda ids, table: table[ids] * table.shape[1], "its square root"),
        (lambda ids, table: table[ids] * ids.shape[1] ** 0.5, "change with the length"),
        (lambda ids, table: table[:, ids] * table.shape[1] ** 0.5, "picked columns"),
        (lambda ids, table: table.T[ids] * table.shape[1] ** 0.5, "picked columns"),
        (lambda ids, table: table[ids - 1] * table.shape[1] ** 0.5, "neighbour's row"),
        (lambda ids, table: table[ids[0]] * table.shape[1] ** 0.5, "batch item 0"),
        (lambda ids, table: F.one_hot(ids, len(table)), "one-hot vectors"),
        (lambda ids, table: ids @ table, "stopped"),
    ],
)
def test_wrong_lookups(check, answer, words):
    assert_says(check("7.2", answer), words)


# --- 7.3 ---------------------------------------------------------------------------------------------------


def root_mean_square(x):
    return x.square().mean().sqrt()


@pytest.mark.parametrize(
    "answer",
    [
        lambda words, table: root_mean_square(words) / root_mean_square(table[: words.shape[1]]),
        lambda words, table: (words**2).mean() ** 0.5 / (table[: words.size(1)] ** 2).mean() ** 0.5,
        lambda words, table: words.norm() / table[: words.shape[1]].norm() / len(words) ** 0.5,
        lambda words, table: float(root_mean_square(words) / root_mean_square(table[: words.shape[1]])),
        lambda words, table: np.sqrt(
            np.mean(words.numpy() ** 2) / np.mean(table[: words.shape[1]].numpy() ** 2)
        ),
    ],
)
def test_any_measure_of_loudness(check, answer):
    assert check("7.3", answer).passed


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda w, p: root_mean_square(p[: w.shape[1]]) / root_mean_square(w), "other way round"),
        (lambda w, p: root_mean_square(w) / root_mean_square(p), "first T positions"),
        (lambda w, p: root_mean_square(w) / root_mean_square(p[: w.shape[0]]), "as many rows as there are"),
        (lambda w, p: w.square().mean() / p[: w.shape[1]].square().mean(), "root is missing"),
        (lambda w, p: w.std() / p[: w.shape[1]].std(), "subtracts the mean"),
        (lambda w, p: w.abs().mean() / p[: w.shape[1]].abs().mean(), "absolute values"),
        (lambda w, p: w.norm() / p[: w.shape[1]].norm(), "norms"),
        (lambda w, p: w.mean() / p[: w.shape[1]].mean(), "cancel"),
    ],
)
def test_wrong_measures_of_loudness(check, answer, words):
    assert_says(check("7.3", answer), words)


# --- 7.4 ---------------------------------------------------------------------------------------------------


def in_place(x, table, offset):
    x += table[offset : offset + x.shape[1]]
    return x


@pytest.mark.parametrize(
    "answer",
    [
        lambda x, table, offset: x + table[offset : offset + x.shape[1]],
        lambda x, table, offset=0: x + table[offset:][: x.size(1)],
        lambda x, table, offset: x + table[torch.arange(offset, offset + x.shape[1])],
        lambda x, table, offset: x + F.embedding(torch.arange(x.shape[1]) + offset, table)[None],
        lambda x, table, offset: x + table.roll(-offset, 0)[: x.shape[1]],
    ],
)
def test_any_repair(check, answer):
    assert check("7.4", answer).passed


def test_a_repair_in_place_passes_with_a_word_about_it(check):
    verdict = check("7.4", in_place)
    assert verdict.passed
    assert "changes `x` in place" in verdict.message


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda x, table, offset: x + table[: x.shape[1]], "no effect yet"),
        (lambda x, table, offset: x * table[offset : offset + x.shape[1]], "not multiplied"),
        (lambda x, table, offset: x + table[offset + 1 : offset + 1 + x.shape[1]], "one row off"),
        (lambda x, table, offset: x + table[offset - 1 : offset - 1 + x.shape[1]], "one row off"),
        (lambda x, table, offset: x + table[offset], "the same position"),
        (lambda x, table, offset: x + table[offset : offset + len(x), None], "counted sentences"),
        (lambda x, table, offset: x * x.shape[2] ** 0.5 + table[offset : offset + x.shape[1]], "√d_model"),
        (
            lambda x, table, offset: torch.cat([x, table[offset:][: x.shape[1]].expand_as(x)], -1),
            "side by side",
        ),
        (lambda x, table, offset: table[offset : offset + x.shape[1]], "positions alone"),
    ],
)
def test_wrong_repairs(check, answer, words):
    assert_says(check("7.4", answer), words)


# --- 7.5 ---------------------------------------------------------------------------------------------------


def waves(length, d_model, *, start=0, base=10000.0, exponent=None):
    pair = torch.arange(d_model // 2)
    position = torch.arange(start, start + length)[:, None]
    angle = position / base ** (2 * pair / d_model if exponent is None else exponent(pair))
    return angle.sin(), angle.cos()


def woven(sines, cosines):
    return torch.stack((sines, cosines), -1).flatten(1)


def filled(length, d_model):
    table = torch.zeros(length, d_model)
    table[:, 0::2], table[:, 1::2] = waves(length, d_model)
    return table


def by_loops(length, d_model):
    def entry(t, column):
        angle = t / 10000 ** (2 * (column // 2) / d_model)
        return math.cos(angle) if column % 2 else math.sin(angle)

    return [[entry(t, column) for column in range(d_model)] for t in range(length)]


def every_column(factor):
    def answer(length, d_model):
        column = torch.arange(d_model)
        angle = torch.arange(length)[:, None] / 10000 ** (factor * column / d_model)
        return torch.where(column % 2 == 0, angle.sin(), angle.cos())

    return answer


@pytest.mark.parametrize(
    "answer",
    [sinusoids, filled, by_loops, lambda *sizes: woven(*waves(*sizes)), lambda *s: filled(*s).numpy()],
)
def test_any_way_to_the_sinusoids(check, answer):
    assert check("7.5", answer).passed


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda *sizes: torch.cat(waves(*sizes), -1), "left half"),
        (every_column(1), "A hand is a *pair*"),
        (every_column(2), "A hand is a *pair*"),
        (lambda t, d: woven(*waves(t, d, exponent=lambda pair: pair / d)), "exponent is i / D"),
        (lambda t, d: woven(*waves(t, d, exponent=lambda pair: pair / (d / 2 - 1))), "stop short"),
        (lambda *sizes: woven(*waves(*sizes, start=1)), "first position is 1"),
        (lambda *sizes: woven(*waves(*sizes)[::-1]), "changed places"),
        (lambda *sizes: woven(*waves(*sizes, base=1e-4)), "faster from left to right"),
        (lambda *sizes: woven(*waves(*sizes, base=1000)), "it is 10000"),
        (lambda *sizes: woven(*[waves(*sizes)[0]] * 2), "Only sines"),
        (lambda t, d: filled(t, d) * d**0.5, "for the embeddings"),
        (lambda *sizes: filled(*sizes).T, "another order"),
    ],
)
def test_wrong_sinusoids(check, answer, words):
    assert_says(check("7.5", answer), words)


# --- 7.6 ---------------------------------------------------------------------------------------------------


def turned(x, sign=1, **other):
    sines, cosines = waves(x.shape[1], x.shape[2], **other)
    a, b = x[..., 0::2], x[..., 1::2]
    return torch.stack((a * cosines - sign * b * sines, sign * a * sines + b * cosines), -1).flatten(-2)


def with_complex_numbers(x):
    sines, cosines = waves(x.shape[1], x.shape[2])
    pairs = torch.view_as_complex(x.unflatten(-1, (-1, 2)).contiguous())
    return torch.view_as_real(pairs * torch.complex(cosines, sines)).flatten(-2)


def halves(x):
    sines, cosines = waves(x.shape[1], x.shape[2])
    a, b = x.chunk(2, -1)
    return torch.cat((a * cosines - b * sines, a * sines + b * cosines), -1)


def overwritten(x):
    sines, cosines = waves(x.shape[1], x.shape[2])
    x = x.clone()
    x[..., 0::2] = x[..., 0::2] * cosines - x[..., 1::2] * sines
    x[..., 1::2] = x[..., 0::2] * sines + x[..., 1::2] * cosines
    return x


@pytest.mark.parametrize("answer", [turned, with_complex_numbers])
def test_any_rotation(check, answer):
    assert check("7.6", answer).passed


def test_what_the_praise_says_scores_depend_on_the_offset_alone():
    torch.manual_seed(0)
    query, key = (turned(torch.randn(8).expand(1, 12, 8)) for _ in range(2))
    scores = (query @ key.transpose(1, 2))[0]  # (T, T)
    for offset in range(-5, 6):
        torch.testing.assert_close(scores.diagonal(offset).std(), torch.tensor(0.0), atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda x: turned(x, sign=-1), "turned backwards"),
        (halves, "left half with the right half"),
        (lambda x: turned(x, start=1), "not turned at all"),
        (lambda x: turned(x, exponent=lambda pair: 0 * pair), "same speed"),
        (lambda x: turned(x, exponent=lambda pair: pair / x.shape[2]), "exponent is i / D"),
        (overwritten, "*after* it had changed"),
        (lambda x: x + filled(*x.shape[1:]), "added the table"),
        (lambda x: x * filled(*x.shape[1:]), "multiplied by the table"),
        (lambda x: x, "Nothing is turned yet"),
    ],
)
def test_wrong_rotations(check, answer, words):
    assert_says(check("7.6", answer), words)


# --- all ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [f"7.{number}" for number in range(1, 7)])
def test_a_blank_answer_waits(check, name):
    assert check(name, ...).state == "pending"
