"""Chapter 4: correct solutions of all kinds pass, and each known mistake gets its own message."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import attnbook
from attnbook.exercises.chapter04 import shuffled


def assert_says(verdict, words: str) -> None:
    assert verdict.state == "wrong"
    assert words in verdict.message


# --- 4.1 ---------------------------------------------------------------------------------------------------

BY_HAND = {"scores": (2, 6), "scaled": (1, 3), "weights": (0.12, 0.88), "output": 18.81}


@pytest.mark.parametrize(
    "other",
    [
        {},
        {"scores": [2.0, 6.0], "scaled": np.array([1, 3]), "weights": torch.tensor([0.1192, 0.8808])},
        {"output": [18.8]},
        {"output": torch.tensor([[18.808]])},
        {"output": 18.8},
        {"output": 20 * 0.88 + 10 * 0.12},
    ],
)
def test_numbers_in_any_form(check, other):
    assert check("4.1", BY_HAND | other).passed


def test_the_praise_speaks_of_the_difference_of_the_scores(check):
    praise = check("4.1", BY_HAND).message
    assert f"{math.exp(3 - 1):.1f} to 1" in praise


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"scores": (6, 2)}, "first k₁, then k₂"),
        ({"scores": (3, 6)}, "dot product"),
        ({"scores": 2}, "should be 2 numbers, and holds 1"),
        ({"scaled": (2, 6)}, "not divided yet"),
        ({"scaled": (0.5, 1.5)}, "square root, √4 = 2"),
        ({"scaled": (1.41, 4.24)}, "number of keys"),
        ({"weights": (0.02, 0.98)}, "unscaled scores"),
        ({"weights": (0.25, 0.75)}, "exp of each first"),
        ({"weights": (0.27, 0.73)}, "Divide by √d_k"),
        ({"weights": (2.718, 20.086)}, "weights sum to 1"),
        ({"weights": (0.2, 0.8)}, "powers of e"),
        ({"weights": (0.88, 0.12)}, "larger score"),
        ({"weights": (0.5, 0.5)}, "divided by the sum"),
        ({"output": 20}, "best key alone"),
        ({"output": 15}, "plain mean"),
        ({"output": 9.4}, "half of it"),
        ({"output": 17}, "times 10"),
        ({"output": float("nan")}, "times 10"),
        ({"output": "18.81"}, "should be a number"),
    ],
)
def test_wrong_numbers(check, other, words):
    assert_says(check("4.1", BY_HAND | other), words)


# --- 4.5 ---------------------------------------------------------------------------------------------------


def attention(q, k, v, scale=None, dim=-1):
    scale = 1 / math.sqrt(q.shape[-1]) if scale is None else scale
    return (q @ k.transpose(-2, -1) * scale).softmax(dim) @ v


def in_parts(q, k, v, most, attend=attention):
    return torch.cat([attend(part, k, v) for part in q.split(most // len(k))])


def one_at_a_time(q, k, v, most):
    return torch.stack([attention(one[None], k, v)[0] for one in q])


def by_chunks(q, k, v, most):
    output = torch.empty(len(q), v.shape[1])
    rows = most // len(k)
    for first in range(0, len(q), rows):
        scores = torch.einsum("td,sd->ts", q[first : first + rows], k) / math.sqrt(k.shape[1])
        output[first : first + rows] = F.softmax(scores, dim=1) @ v
    return output


def with_a_running_softmax(q, k, v, most):
    """The keys one at a time, with the sum and the output put right whenever a larger score comes."""
    high, total, output = torch.full((len(q), 1), -math.inf), torch.zeros(len(q), 1), torch.zeros(1)
    for key, value in zip(k, v, strict=True):
        score = (q @ key / math.sqrt(len(key)))[:, None]
        new = torch.maximum(high, score)
        total = total * (high - new).exp() + (score - new).exp()
        output = output * (high - new).exp() + (score - new).exp() * value
        high = new
    return output / total


def by_vmap(q, k, v, most, rows=None):
    return torch.vmap(lambda one: attention(one[None], k, v)[0], chunk_size=rows or most // len(k))(q)


@pytest.mark.parametrize(
    "answer",
    [
        in_parts,
        one_at_a_time,
        by_chunks,
        by_vmap,
        with_a_running_softmax,
        lambda q, k, v, most: F.scaled_dot_product_attention(q[None], k[None], v[None])[0],
        lambda q, k, v, most: (in_parts(q, k, v, most), "the weights"),
        lambda q, k, v, most: in_parts(q.double(), k.double(), v.double(), most).tolist(),
    ],
)
def test_attention_within_its_budget_in_many_ways(check, answer):
    assert check("4.5", answer).passed


@pytest.mark.parametrize(
    "answer",
    [
        lambda q, k, v, most: attention(q, k, v),
        lambda q, k, v, most: attnbook.scaled_dot_product_attention(q, k, v),
        lambda q, k, v, most: in_parts(q, k, v, 2 * most),
        lambda q, k, v, most: in_parts(q, k, v, most + len(k)),
        lambda q, k, v, most: torch.cat([attention(some, k, v) for some in q.chunk(most // len(k))]),
        lambda q, k, v, most: torch.cat([attention(some, k, v) for some in q.split(most // q.shape[1])]),
        lambda q, k, v, most: torch.cat([attention(some, k, v) for some in q.split(8)]),
        lambda q, k, v, most: torch.cat([attention(some, k, v) for some in q.split(2)]),
        lambda q, k, v, most: by_vmap(q, k, v, most, rows=len(q)),
        lambda q, k, v, most: torch.cat([attention(q, k, v)[:5], attention(q, k, v)[5:]]),
        lambda q, k, v, most: ((q[:, None] * k).sum(-1) / q.shape[1] ** 0.5).softmax(-1) @ v,
        lambda q, k, v, most: np.asarray(attention(q, k, v)),
    ],
)
def test_a_table_of_all_scores_is_over_the_budget(check, answer):
    assert_says(check("4.5", answer), "right, but over the budget: you made a tensor of")


def by_a_fraction(q, k, v, most):
    return torch.cat([attention(some, k, v) for some in q.split(most / len(k))])


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda *i: in_parts(*i, lambda q, k, v: attention(q, k, v, 1.0)), "scale is missing"),
        (
            lambda *i: in_parts(*i, lambda q, k, v: attention(q, k, v, 1 / q.shape[1])),
            "divided by d; it is √d",
        ),
        (lambda *i: in_parts(*i, lambda q, k, v: attention(q, k, v, q.shape[1] ** 0.5)), "multiplied by √d"),
        (lambda *i: in_parts(*i, lambda q, k, v: attention(q, k, v, v.shape[1] ** -0.5)), "another size"),
        (lambda *i: in_parts(*i, lambda q, k, v: attention(q, k, v, len(k) ** -0.5)), "another size"),
        (lambda *i: in_parts(*i, lambda q, k, v: attention(q, k, v, dim=0)), "over the queries"),
        (lambda q, k, v, most: attention(q, k, v, dim=-2), "over the queries"),
        (lambda q, k, v, most: in_parts(q, k, k, most), "averaged the keys"),
        (lambda q, k, v, most: in_parts(q, k.reshape(k.shape[1], -1).T, v, most), "is not `transpose`"),
        (lambda q, k, v, most: (q @ k.T / q.shape[1] ** 0.5).softmax(-1), "These are the weights"),
        (lambda q, k, v, most: q @ k.T / q.shape[1] ** 0.5 @ v, "Softmax is missing"),
        (lambda q, k, v, most: in_parts(q[: len(q) // 13 * 13], k, v, most), "Some queries are missing"),
        (lambda q, k, v, most: in_parts(q, k[:20], v[:20], most), "other numbers"),
        (lambda q, k, v, most: q.split(most // 0), "ZeroDivisionError"),
        (by_a_fraction, "divide with `//`"),
        (
            lambda q, k, v, most: [attention(some, k, v) for some in q.split(most // len(k))],
            "returns 5 parts of the output: put them together with `torch.cat`",
        ),
        (
            lambda q, k, v, most: tuple(attention(some, k, v) for some in q.split(20)),
            "returns 3 parts of the output",
        ),
        (lambda q, k, v, most: in_parts(q, k, v, most)[None], "has shape (1, 60, 7)"),
    ],
)
def test_thrifty_attention_traps(check, answer, words):
    assert_says(check("4.5", answer), words)


# --- 4.4 ---------------------------------------------------------------------------------------------------


def test_the_right_answer_is_what_attention_gives_for_the_shuffled_words():
    """The check compares with two lines; here they are compared with attention itself."""
    torch.manual_seed(0)
    words, order = torch.randn(2, 6, 4), torch.randperm(6)
    output, weights = attnbook.scaled_dot_product_attention(words, words, words)
    again = attnbook.scaled_dot_product_attention(*[words[:, order]] * 3)
    for ours, theirs in zip(shuffled(output, weights, order), again, strict=True):
        torch.testing.assert_close(ours, theirs)


def by_gather(output, weights, order):
    rows = [int(i) for i in order]
    return torch.stack([output[:, i] for i in rows], 1), torch.stack(
        [weights[:, i][:, rows] for i in rows], 1
    )


def by_permutation_matrix(output, weights, order):
    P = torch.eye(len(order))[order]
    return P @ output, P @ weights @ P.T


@pytest.mark.parametrize(
    "answer",
    [
        lambda o, w, p: (o[:, p], w[:, p][:, :, p]),
        lambda o, w, p: [o[:, p], w[:, p[:, None], p]],
        lambda o, w, p: {"weights": w.index_select(1, p).index_select(2, p), "output": o.index_select(1, p)},
        by_gather,
        by_permutation_matrix,
    ],
)
def test_shuffles_in_many_ways(check, answer):
    assert check("4.4", answer).passed


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda o, w, p: (o, w), "*equi*variant"),
        (lambda o, w, p: (o[:, p.argsort()], w[:, p.argsort()][:, :, p.argsort()]), "inverse order"),
        (lambda o, w, p: (o[:, p], w[:, p]), "along one axis only"),
        (lambda o, w, p: (o[:, p], w[..., p]), "along one axis only"),
        (lambda o, w, p: (o[:, p], w), "the weights are as they were"),
        (lambda o, w, p: (o[:, p], w[:, p][:, p]), "reordered the rows twice"),
        (lambda o, w, p: (o[:, p], w[:, p, p]), "pairs the two lists up"),
        (lambda o, w, p: (o[p], w[p]), "Axis 0 is the batch"),
        (lambda o, w, p: o[:, p], "wanted 2 things: output, weights"),
    ],
)
def test_shuffle_traps(check, answer, words):
    assert_says(check("4.4", answer), words)


# --- 4.6 ---------------------------------------------------------------------------------------------------


def split(x, num_heads):
    return x.view(x.shape[0], x.shape[1], num_heads, -1).transpose(1, 2)


def merge(heads):
    B, H, T, d = heads.shape
    return heads.transpose(1, 2).reshape(B, T, H * d)


def merge_by_view(heads):
    return heads.transpose(1, 2).view(len(heads), heads.shape[2], -1)


@pytest.mark.parametrize(
    "answer",
    [
        (split, merge),
        [split, merge],
        {"split_heads": split, "merge_heads": merge},
        (lambda x, h: torch.stack(x.chunk(h, -1), 1), lambda y: torch.cat(y.unbind(1), -1)),
        (
            lambda x, h: x.unflatten(2, (h, -1)).permute(0, 2, 1, 3),
            lambda y: y.permute(0, 2, 1, 3).flatten(2),
        ),
        (split, lambda y: y.transpose(1, 2).contiguous().view(len(y), y.shape[2], -1)),
    ],
)
def test_heads_in_many_ways(check, answer):
    assert check("4.6", answer).passed


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((lambda x, h: x.view(len(x), h, x.shape[1], -1), merge), "`view` alone"),
        ((lambda x, h: x.view(*x.shape[:2], h, -1), merge), "Cut, but not swapped"),
        ((lambda x, h: x.view(*x.shape[:2], -1, h).permute(0, 3, 1, 2), merge), "every H-th feature"),
        ((lambda x, h: x.mT.reshape(len(x), h, x.shape[1], -1), merge), "swapped before the cut"),
        ((lambda x, h: x.mT.reshape(len(x), h, -1, x.shape[1]), merge), "another order"),
        ((split, lambda y: y.reshape(len(y), y.shape[2], -1)), "Merged without swapping back"),
        ((split, lambda y: y.permute(0, 2, 3, 1).reshape(len(y), y.shape[2], -1)), "interleaved"),
        ((split, lambda y: y.sum(1)), "added or averaged"),
        ((split, lambda y: y.mean(1)), "added or averaged"),
        ((split, lambda y: y.transpose(1, 2)), "not joined"),
        (
            (split, lambda y: y[..., :-1].transpose(1, 2).flatten(-2)),
            "`merged` has shape (2, 5, 18)",
        ),
        ((lambda x, h: split(x, h)[..., 1:], merge), "`split` has shape (2, 3, 5, 6)"),
        ((split, merge_by_view), "straight line: use `reshape`"),
        (split, "wants 2 things: `(split_heads, merge_heads)`"),
        ((split, merge, merge), "wants 2 things: `(split_heads, merge_heads)`"),
        ((split, 3), "wants a function"),
        ({"split_heads": split}, "lacks `merge_heads`"),
    ],
)
def test_head_traps(check, answer, words):
    assert_says(check("4.6", answer), words)


@pytest.mark.parametrize(
    "answer",
    [(split, ...), (..., merge), (lambda x, h: ..., merge), {"split_heads": split, "merge_heads": ...}],
)
def test_one_function_of_two_is_unfinished(check, answer):
    assert check("4.6", answer).state == "pending"


# --- 4.7 ---------------------------------------------------------------------------------------------------


def switched_off(heads, off):
    heads = heads.clone()
    heads[:, off] = 0
    return heads


def multi_head(x, wq, wk, wv, wo, h, off, divisor=None, split=split, merge=merge, attend=attention):
    q, k, v = split(x @ wq, h), split(x @ wk, h), split(x @ wv, h)
    return merge(switched_off(attend(q, k, v, divisor and 1 / divisor), off)) @ wo


def head_by_head(x, wq, wk, wv, wo, h, off):
    """The sum of what the heads contribute, each through its own rows of the last matrix."""
    d = x.shape[-1] // h
    output = torch.zeros_like(x)
    for head in set(range(h)) - set(off):
        part = slice(head * d, (head + 1) * d)
        output += attention(x @ wq[:, part], x @ wk[:, part], x @ wv[:, part]) @ wo[part]
    return output


def without_their_rows(x, wq, wk, wv, wo, h, off):
    """The heads run, and nothing of what they find gets through the last matrix."""
    rows = wo.clone().unflatten(0, (h, -1))
    rows[off] = 0
    return multi_head(x, wq, wk, wv, rows.flatten(0, 1), h, [])


def without_their_values(x, wq, wk, wv, wo, h, off):
    columns = wv.clone().unflatten(1, (h, -1))
    columns[:, off] = 0
    return multi_head(x, wq, wk, columns.flatten(1), wo, h, [])


def by_torch(x, wq, wk, wv, wo, h, off):
    module = torch.nn.MultiheadAttention(x.shape[-1], h, bias=False, batch_first=True)
    keep = torch.tensor([head not in off for head in range(h)]).repeat_interleave(x.shape[-1] // h)
    weights = {"in_proj_weight": torch.cat([wq.T, wk.T, wv.T]), "out_proj.weight": wo.T * keep}
    module.load_state_dict(weights)
    return module(x, x, x)


@pytest.mark.parametrize(
    "answer", [multi_head, head_by_head, without_their_rows, without_their_values, by_torch]
)
def test_multi_head_in_many_ways(check, answer):
    assert check("4.7", answer).passed


def view_split(x, h):
    return x.view(len(x), h, x.shape[1], -1)


def cut_only(x, h):
    return x.view(*x.shape[:2], h, -1)


def join_only(y):
    return y.reshape(len(y), y.shape[2], -1)


def others(num_heads, off):
    return [head for head in range(num_heads) if head not in off]


def scores_of_zero(x, wq, wk, wv, wo, h, off):
    def attend(q, k, v, _):
        return attention(switched_off(q, off), k, v)

    return multi_head(x, wq, wk, wv, wo, h, [], attend=attend)


def silent_too_late(x, wq, wk, wv, wo, h, off):
    output = multi_head(x, wq, wk, wv, wo, h, []).unflatten(-1, (h, -1))
    output[:, :, off] = 0
    return output.flatten(-2)


def without_their_columns(x, wq, wk, wv, wo, h, off):
    columns = wo.clone().unflatten(1, (h, -1))
    columns[:, off] = 0
    return multi_head(x, wq, wk, wv, columns.flatten(1), h, [])


def never_attending(x, wq, wk, wv, wo, h, off):
    q, k, v = split(x @ wq, h), split(x @ wk, h), split(x @ wv, h)
    scores = q @ k.mT / q.shape[-1] ** 0.5
    scores[:, off] = -math.inf
    return merge(scores.softmax(-1) @ v) @ wo


def made_up_for(x, wq, wk, wv, wo, h, off):
    return multi_head(x, wq, wk, wv, wo, h, off) * h / (h - len(off))


def cut_out(x, wq, wk, wv, wo, h, off):
    def merge_some(heads):
        return merge(heads[:, [head for head in range(h) if head not in off]])

    return multi_head(x, wq, wk, wv, wo, h, off, merge=merge_some)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda x, *w: multi_head(x, *w, divisor=x.shape[-1] ** 0.5), "divided by √D"),
        (lambda *inputs: multi_head(*inputs, divisor=1), "scale is missing"),
        (lambda x, *w: multi_head(x, *w, divisor=x.shape[-1] / w[-2]), "its square root"),
        (lambda *inputs: multi_head(*inputs, divisor=inputs[-2] ** 0.5), "divided by √H"),
        (lambda x, q, k, v, o, *_: attention(x @ q, x @ k, x @ v) @ o, "a single head"),
        (lambda *i: multi_head(*i, attend=lambda q, k, v, _: attention(q, k, v, dim=-2)), "over the queries"),
        (lambda *i: multi_head(*i, attend=lambda q, k, v, _: attention(q, k, v, dim=1)), "over the heads"),
        (lambda *inputs: multi_head(*inputs, split=view_split), "Split with `view` alone"),
        (lambda *inputs: multi_head(*inputs, split=view_split, merge=join_only), "Split with `view` alone"),
        (lambda *i: multi_head(*i, split=cut_only, merge=lambda y: y.flatten(-2)), "no word sees another"),
        (lambda *inputs: multi_head(*inputs, merge=join_only), "Merged without swapping back"),
        (lambda x, q, k, v, o, *h: multi_head(x, q, k, v, torch.eye(len(o)), *h), "last step is missing"),
        (lambda x, q, k, v, o, *h: multi_head(x, torch.eye(len(q)), k, v, o, *h), "not projected"),
        (
            lambda x, q, k, v, o, *h: multi_head(x, torch.eye(len(q)), torch.eye(len(q)), v, o, *h),
            "not projected",
        ),
        (lambda x, q, k, v, o, *h: multi_head(x, *[torch.eye(len(q))] * 3, o, *h), "are x itself"),
        (lambda x, q, k, v, o, *h: multi_head(x, *[torch.eye(len(q))] * 4, *h), "are x itself"),
        (lambda x, q, k, v, o, *h: multi_head(x, q, k, torch.eye(len(v)), o, *h), "values are not projected"),
        (lambda x, q, k, v, o, *h: multi_head(x, q, k, k, o, *h), "keys serve as values"),
        (lambda x, q, k, v, o, *h: multi_head(x, q, q, q, o, *h), "each has its own matrix"),
        (lambda x, q, k, v, o, *h: multi_head(x, q, k, q, o, *h), "each has its own matrix"),
        (lambda x, q, k, v, o, *h: multi_head(x, k, q, v, o, *h), "are swapped"),
        (lambda x, q, k, v, o, *h: multi_head(x, v, k, v, o, *h), "from the wrong matrix"),
        (lambda x, q, k, v, o, *h: multi_head(x, q, q, v, o, *h), "from the wrong matrix"),
        (lambda x, q, k, v, o, *h: multi_head(x, q.T, k.T, v.T, o.T, *h), "transposed matrices"),
        (lambda x, q, k, v, o, *h: multi_head(x, *map(torch.t, (q, k, v)), o, *h), "transposed matrices"),
        (lambda x, *w: multi_head(x[:1], *w), "batch item 0 only"),
        (lambda x, *w: multi_head(x[:1], *w)[0], "batch item 0 only"),
        (lambda *inputs: multi_head(*inputs[:-1], []), "Nothing is switched off"),
        (lambda *inputs: multi_head(*inputs[:-1], others(*inputs[-2:])), "kept the heads in `off`"),
        (scores_of_zero, "the mean of their values"),
        (silent_too_late, "has mixed the heads by then"),
        (without_their_columns, "has mixed the heads by then"),
        (never_attending, "softmax over only -inf"),
        (lambda *inputs: multi_head(*inputs[:-1], [head - 1 for head in inputs[-1]]), "other numbers"),
        (made_up_for, "made the remaining heads larger"),
        (lambda *inputs: multi_head(*inputs[:-1], inputs[-1][:1]), "other numbers"),
        (cut_out, "cannot be multiplied"),
        (lambda x, *w: x, "other numbers"),
        (lambda x, *w: split(x, w[-2]), "wanted (B, T, D), here (3, 5, 24)"),
    ],
)
def test_multi_head_traps(check, answer, words):
    assert_says(check("4.7", answer), words)


def test_heads_that_were_not_merged_are_told_so_before_the_last_matrix(check):
    def multi_head(x, W_query, W_key, W_value, W_output, num_heads, off):
        query, key, value = (split(x @ W, num_heads) for W in (W_query, W_key, W_value))
        return attention(query, key, value) @ W_output

    verdict = check("4.7", multi_head)
    assert_says(verdict, "side by side again")
    assert "last two axes only" not in verdict.message


# --- 4.2 ---------------------------------------------------------------------------------------------------

WORDS_GET = 4 * math.exp(2) / (4 * math.exp(2) + 8)
PADDED = {"equal": 8 / 12, "higher": 1 - WORDS_GET, "after": WORDS_GET, "before": 1}


def test_padding_gets_what_softmax_gives_it(check):
    scores = torch.tensor([2.0] * 4 + [0.0] * 8)
    mask = scores > 0
    weights = scores.softmax(0)
    computed = {"equal": torch.zeros(12).softmax(0)[4:].sum(), "higher": weights[4:].sum()}
    computed["after"] = (weights * mask).sum()
    computed["before"] = scores.masked_fill(~mask, -math.inf).softmax(0).sum()
    assert check("4.2", computed).passed
    assert check("4.2", PADDED | {"higher": 0.21, "after": 0.79}).passed


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"equal": 0}, "like any other"),
        ({"equal": 1 / 3}, "How much does padding get"),
        ({"equal": 0.5}, "Eight of them are padding"),
        ({"higher": 0}, "exp(0) = 1"),
        ({"higher": 8 / 12}, "exp(2) = 7.39"),
        ({"higher": 1 / (math.exp(2) + 1)}, "eight against four"),
        ({"higher": WORDS_GET}, "what the four words get"),
        ({"higher": 0.5}, "divides the scores"),
        ({"higher": 0.4}, "all twelve scores"),
        ({"after": 1}, "doesn't make the others larger"),
        ({"after": 1 - WORDS_GET}, "What is left"),
        ({"after": 0.5}, "stay as they are"),
        ({"before": WORDS_GET}, "softmax comes after the mask"),
        ({"before": 0}, "divides by the sum of what is left"),
    ],
)
def test_wrong_weights_of_padding(check, other, words):
    assert_says(check("4.2", PADDED | other), words)


# --- 4.3 ---------------------------------------------------------------------------------------------------

SHAPES = {"encoder": (9, 9), "decoder": (5, 5), "cross": (5, 9), "output": (5, 16), "masked": 10}


def test_the_shapes_are_those_of_attention(check):
    source, target = torch.randn(9, 16), torch.randn(5, 16)
    output, cross = attnbook.scaled_dot_product_attention(target, source, source)
    masked = (~attnbook.causal_mask(5)).sum()
    shapes = {"cross": tuple(cross.shape), "output": tuple(output.shape), "masked": masked}
    assert check("4.3", SHAPES | shapes).passed


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"encoder": (5, 5)}, "reads the source"),
        ({"encoder": (9, 5)}, "both come from the source"),
        ({"decoder": (9, 9)}, "over the target"),
        ({"decoder": (5, 9)}, "both come from the target"),
        ({"cross": (9, 5)}, "turned"),
        ({"cross": (9, 9)}, "the queries come from the target"),
        ({"cross": (5, 5)}, "the keys come from the source"),
        ({"cross": (1, 9)}, "One row per query"),
        ({"output": (9, 16)}, "one output per query"),
        ({"output": (5, 9)}, "these are the weights"),
        ({"output": (16, 5)}, "as wide as a value"),
        ({"masked": 15}, "How many are left"),
        ({"masked": 20}, "off the diagonal"),
        ({"masked": 25}, "all of them"),
        ({"masked": 9}, "above the diagonal"),
    ],
)
def test_wrong_shapes(check, other, words):
    assert_says(check("4.3", SHAPES | other), words)
