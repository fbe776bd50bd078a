"""Chapter 10: unusual correct answers pass, and each known mistake gets its own message."""

import math
from fractions import Fraction

import pytest
import torch
import torch.nn.functional as F

from attnbook.exercises.chapter10 import with_sink


def assert_says(verdict, words: str) -> None:
    assert verdict.state == "wrong"
    assert words in verdict.message


# --- 10.1 --------------------------------------------------------------------------------------------------


def by_cross_entropy(logits, ids):
    return math.exp(F.cross_entropy(logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten()))


def by_powers_of_two(logits, ids):
    bits = F.cross_entropy(logits[:, :-1].transpose(1, 2), ids[:, 1:]) / math.log(2)
    return 2**bits


def by_letter(logits, ids):
    chances = [
        logits[b, t].softmax(0)[ids[b, t + 1]].item()
        for b in range(ids.shape[0])
        for t in range(ids.shape[1] - 1)
    ]
    return math.prod(chances) ** (-1 / len(chances))


@pytest.mark.parametrize("answer", [by_cross_entropy, by_powers_of_two, by_letter])
def test_perplexity_in_many_ways(check, answer):
    assert check("10.1", answer).passed


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda logits, ids: F.cross_entropy(logits.transpose(1, 2), ids).exp(), "No shift"),
        (
            lambda logits, ids: F.cross_entropy(logits[:, 1:].transpose(1, 2), ids[:, :-1]).exp(),
            "the other way",
        ),
        (lambda logits, ids: F.cross_entropy(logits[:, :-1].mT, ids[:, :-1]).exp(), "No shift"),
        (lambda logits, ids: F.cross_entropy(logits[:, 1:].mT, ids[:, 1:]).exp(), "No shift"),
        (lambda logits, ids: F.cross_entropy(logits.mT, ids.roll(-1, 1)).exp(), "came after the last"),
        (
            lambda logits, ids: (
                logits.log_softmax(1)[:, :-1].gather(2, ids[:, 1:, None]).mean().neg().exp().item()
            ),
            "over the vocabulary",
        ),
        (lambda logits, ids: math.log(by_cross_entropy(logits, ids)), "This is the mean loss"),
        (lambda logits, ids: 1 / by_cross_entropy(logits, ids), "The sign is wrong"),
        (
            lambda logits, ids: (
                F.cross_entropy(logits[:, :-1].transpose(1, 2), ids[:, 1:], reduction="none").exp().mean()
            ),
            "averaged the exponentials",
        ),
        (
            lambda logits, ids: math.log(by_cross_entropy(logits, ids)) / math.log(2),
            "",
        ),
        (lambda logits, ids: 2 ** math.log(by_cross_entropy(logits, ids)), "mixed two bases"),
    ],
)
def test_perplexity_traps(check, answer, words):
    assert_says(check("10.1", answer), words)


# --- 10.2 --------------------------------------------------------------------------------------------------


def by_torch(x, gain, epsilon):
    return F.rms_norm(x, x.shape[-1:], gain, epsilon)


def by_length(x, gain, epsilon):
    width = x.shape[-1]
    return gain * x * width**0.5 / (x.square().sum(-1, keepdim=True) + width * epsilon) ** 0.5


@pytest.mark.parametrize("answer", [by_torch, by_length])
def test_rms_norm_in_many_ways(check, answer):
    assert check("10.2", answer).passed


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda x, gain, epsilon: F.rms_norm(x, x.shape[-1:], None, epsilon), "The gain is missing"),
        (lambda x, gain, epsilon: F.layer_norm(x, x.shape[-1:], gain, None, epsilon), "subtracts the mean"),
        (
            lambda x, gain, epsilon: gain * x / (x.var(-1, keepdim=True) + epsilon).sqrt(),
            "subtracts the mean",
        ),
        (lambda x, gain, epsilon: gain * x / (x.std(-1, keepdim=True) + epsilon), "subtracts the mean"),
        (lambda x, gain, epsilon: F.rms_norm(x, x.shape[-1:], gain, 0.0), "ε is missing"),
        (lambda x, gain, epsilon: F.rms_norm(x, x.shape[-1:], gain), "the `epsilon` that is passed"),
        (lambda x, gain, epsilon: F.rms_norm(x, x.shape, None, epsilon) * gain, "features of one position"),
        (
            lambda x, gain, epsilon: x / (x.square().mean(-1, keepdim=True).sqrt() + epsilon) * gain,
            "inside the root",
        ),
        (lambda x, gain, epsilon: by_torch(x, 1 + gain, epsilon), "multiply by g itself"),
        (lambda x, gain, epsilon: by_torch(x[0], gain, epsilon), "did you write `x[0]`?"),
    ],
)
def test_rms_norm_traps(check, answer, words):
    assert_says(check("10.2", answer), words)


# --- 10.3 --------------------------------------------------------------------------------------------------


def by_prefixes(losses, patience):
    for measured in range(1, len(losses) + 1):
        kept = losses[:measured].index(min(losses[:measured]))
        if measured - kept > patience:
            break
    return kept, measured


def in_a_dictionary(losses, patience):
    lowest, since = float("inf"), 0
    measured = 0
    while measured < len(losses) and since < patience:
        since = 0 if losses[measured] < lowest else since + 1
        lowest = min(lowest, losses[measured])
        measured += 1
    return {"measured": torch.tensor(measured), "kept": torch.tensor(measured - 1 - since)}


def by_tensors(losses, patience):
    best = torch.tensor(losses).cummin(0).values  # (N,)
    kept = (torch.tensor(losses) == best[:, None]).int().argmax(1)  # (N,), the first that is as low
    waited = torch.arange(len(losses)) - kept
    measured = int((waited < patience).long().cumprod(0).sum().add(1).clamp(max=len(losses)))
    return int(kept[measured - 1]), measured


@pytest.mark.parametrize("answer", [by_prefixes, in_a_dictionary, by_tensors])
def test_stopping_in_many_ways(check, answer):
    verdict = check("10.3", answer)
    assert verdict.passed, verdict.message


def patience_first(losses, patience):
    kept = 0
    for newest, loss in enumerate(losses):
        if newest - kept == patience:
            return kept, newest + 1
        if loss < losses[kept]:
            kept = newest
    return kept, len(losses)


def since_the_last_fall(losses, patience):
    kept = waited = 0
    for i in range(1, len(losses)):
        if losses[i] < losses[i - 1]:
            kept, waited = i, 0
        else:
            waited += 1
        if waited == patience:
            return kept, i + 1
    return kept, len(losses)


def the_last_of_equals(losses, patience):
    _, measured = by_prefixes(losses, patience)
    return max(range(measured), key=lambda i: (-losses[i], i)), measured


def from_ten_down(losses, patience):
    lowest, kept = 10, 0
    for newest, loss in enumerate(losses):
        if loss < lowest:
            lowest, kept = loss, newest
        if newest - kept == patience:
            return kept, newest + 1
    return kept, len(losses)


def with_a_window(losses, patience):
    """Stop where the last `patience` losses are all above the one before them."""
    for i in range(patience, len(losses)):
        if min(losses[i - patience + 1 : i + 1]) > losses[i - patience]:
            return losses.index(min(losses[: i + 1])), i + 1
    return losses.index(min(losses)), len(losses)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda losses, patience: (losses.index(min(losses)), len(losses)), "You used all losses"),
        (lambda losses, patience: (by_prefixes(losses, patience)[0], len(losses)), "You used all losses"),
        (patience_first, "Look at the newest loss first"),
        (since_the_last_fall, "the one before it"),
        (the_last_of_equals, "The first of them is kept"),
        (
            lambda losses, patience: (by_prefixes(losses, patience)[1] - 1, by_prefixes(losses, patience)[1]),
            "keep the last model",
        ),
        (lambda losses, patience: by_prefixes(losses, patience + 1), "too late"),
        (lambda losses, patience: by_prefixes(losses, patience)[::-1], "in another order"),
        (lambda losses, patience: (min(losses), by_prefixes(losses, patience)[1]), "`kept` is"),
        (with_a_window, "wanted"),
        (from_ten_down, "With losses = [120.0, 110.0, 115.0], patience = 1: `kept` is 0; wanted 1."),
        (lambda losses, patience: by_prefixes(losses, patience)[0], "wanted 2 things"),
    ],
)
def test_stopping_traps(check, answer, words):
    assert_says(check("10.3", answer), words)


def test_a_stop_with_dots_is_unfinished(check):
    assert check("10.3", lambda losses, patience: (..., ...)).state == "pending"


# --- 10.4 --------------------------------------------------------------------------------------------------


def by_popping(ids, pair, new):
    rest, merged = list(ids), []
    while rest:
        if rest[:2] == list(pair):
            merged.append(new)
            del rest[:2]
        else:
            merged.append(rest.pop(0))
    return merged


def by_joining_backwards_in_time(ids, pair, new):
    merged, open_ = [], False  # whether the last id may begin a pair
    for each in ids:
        if open_ and (merged[-1], each) == tuple(pair):
            merged[-1], open_ = new, False
        else:
            merged.append(each)
            open_ = True
    return merged


@pytest.mark.parametrize("answer", [by_popping, by_joining_backwards_in_time])
def test_pairs_merged_in_many_ways(check, answer):
    assert check("10.4", answer).passed


def merged_once(ids, pair, new):
    for i in range(len(ids) - 1):
        if (ids[i], ids[i + 1]) == tuple(pair):
            return [*ids[:i], new, *ids[i + 2 :]]
    return list(ids)


def from_the_end(ids, pair, new):
    return by_popping(ids[::-1], pair[::-1], new)[::-1]


def used_twice(ids, pair, new):
    merged, i = [], 0
    while i < len(ids):
        found = tuple(ids[i : i + 2]) == tuple(pair)
        merged.append(new if found else ids[i])
        i += 1
    return merged


def last_lost(ids, pair, new):
    merged, i = [], 0
    while i < len(ids) - 1:
        found = (ids[i], ids[i + 1]) == tuple(pair)
        merged.append(new if found else ids[i])
        i += 2 if found else 1
    return merged


def in_place(ids, pair, new):
    for i in range(len(ids) - 1):
        if tuple(ids[i : i + 2]) == pair:
            ids[i : i + 2] = [new]
    return ids


def in_their_text(ids, pair, new):
    return [int(each) for each in str(ids)[1:-1].replace(f"{pair[0]}, {pair[1]}", str(new)).split(", ")]


def a_slice_is_a_tuple(ids, pair, new):
    merged, i = [], 0
    while i < len(ids):
        found = ids[i : i + 2] == pair
        merged.append(new if found else ids[i])
        i += 2 if found else 1
    return merged


def two_steps_always(ids, pair, new):
    starts = range(0, len(ids), 2)
    return [new if tuple(ids[i : i + 2]) == tuple(pair) else ids[i] for i in starts]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (merged_once, "Only the first occurrence"),
        (from_the_end, "from right to left"),
        (used_twice, "used twice"),
        (last_lost, "The last id is lost"),
        (lambda ids, pair, new: [new if each in pair else each for each in ids], "wherever they are"),
        (lambda ids, pair, new: [new if each == pair[0] else each for each in ids], "wherever they are"),
        (lambda ids, pair, new: by_popping(ids, pair[::-1], new), "The order counts"),
        (a_slice_is_a_tuple, "a list never equals a tuple"),
        (in_place, "changes `ids` itself"),
        (lambda ids, pair, new: in_place(list(ids), pair, ids.pop()), "changes `ids` itself"),
        (in_their_text, "With ids = [11, 2, 1, 21, 1, 2], pair = (1, 2), new = 9: `merged` is [19, 91, 9]"),
        (two_steps_always, "Without a merge, go on one step"),
        (lambda ids, pair, new: by_popping(ids, pair, str(new)), "holds '9' (str)"),
        (lambda ids, pair, new: (by_popping(ids, pair, new), len(ids)), "a list of whole numbers"),
    ],
)
def test_merge_traps(check, answer, words):
    assert_says(check("10.4", answer), words)


# --- 10.5 --------------------------------------------------------------------------------------------------


def by_loop(logits, temperature, p):
    shares = (logits / temperature).softmax(0)
    kept, total = torch.zeros_like(shares), 0.0
    for i in shares.argsort(descending=True).tolist():
        if total >= p:
            break
        kept[i] = shares[i]
        total += shares[i].item()
    return kept / total


def by_masked_logits(logits, temperature, p):
    logits = logits / temperature
    shares = logits.softmax(0)
    before = torch.stack([shares[shares > each].sum() for each in shares])
    return logits.masked_fill(before >= p, -torch.inf).softmax(0)


def by_dropping_the_least(logits, temperature, p):
    shares = (logits / temperature).softmax(0)
    values, order = shares.sort()
    shares[order[values.cumsum(0) <= 1 - p]] = 0
    return shares / shares.sum()


@pytest.mark.parametrize("answer", [by_loop, by_masked_logits, by_dropping_the_least])
def test_the_nucleus_in_many_ways(check, answer):
    assert check("10.5", answer).passed


def without_the_crossing_one(logits, temperature, p):
    values, order = (logits / temperature).softmax(0).sort(descending=True)
    values = values * (values.cumsum(0) <= p)
    return torch.zeros_like(values).scatter(0, order, values / values.sum())


def one_too_many(logits, temperature, p):
    values, order = (logits / temperature).softmax(0).sort(descending=True)
    count = int((values.cumsum(0) < p).sum()) + 2
    result = torch.zeros_like(logits).scatter(0, order[:count], values[:count])
    return result / result.sum()


def from_the_least(logits, temperature, p):
    values, order = (logits / temperature).softmax(0).sort()
    values[values.cumsum(0) - values >= p] = 0
    return torch.zeros_like(logits).scatter(0, order, values / values.sum())


def by_share_of_the_highest(logits, temperature, p):
    shares = (logits / temperature).softmax(0)
    shares[shares < p * shares.max()] = 0
    return shares / shares.sum()


def permuted_twice(logits, temperature, p):
    order = logits.sort(descending=True).indices
    return by_loop(logits, temperature, p)[order][order]


def each_alone(logits, temperature, p):
    shares = (logits / temperature).softmax(0)
    shares[shares < p] = 0
    return shares / shares.sum()


def not_scaled(logits, temperature, p):
    shares = (logits / temperature).softmax(0)
    return shares * (by_loop(logits, temperature, p) > 0)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (without_the_crossing_one, "The token that crosses p is missing"),
        (not_scaled, "don't sum to 1"),
        (one_too_many, "One token too many"),
        (from_the_least, "from the most probable token down"),
        (each_alone, "0/0 is NaN"),
        (permuted_twice, "permutes them once more"),
        (lambda logits, temperature, p: logits * torch.nan, "0/0 is NaN"),
        (lambda logits, temperature, p: F.one_hot(logits.argmax(), len(logits)), "other numbers"),
        (lambda logits, temperature, p: by_loop(logits, temperature, 1 - p), "other numbers"),
        (by_share_of_the_highest, "other numbers"),
        (lambda logits, temperature, p: by_loop(logits, 1.0, p), "The temperature is missing"),
        (lambda logits, temperature, p: by_loop(logits, 1 / temperature, p), "You multiplied"),
        (
            lambda logits, temperature, p: by_loop(logits, temperature, p).sort(descending=True).values,
            "bring them back",
        ),
        (lambda logits, temperature, p: (logits / temperature).softmax(0), "All tokens are still there"),
        (
            lambda logits, temperature, p: (by_loop(logits, 1.0, p).log() / temperature).softmax(0),
            "The temperature comes first",
        ),
    ],
)
def test_nucleus_traps(check, answer, words):
    assert_says(check("10.5", answer), words)


# --- 10.6 --------------------------------------------------------------------------------------------------


def by_indexing(keys, num_heads):
    group = num_heads // keys.shape[1]
    return keys[:, torch.arange(num_heads) // group]


def by_expanding(keys, num_heads):
    batch, heads, length, width = keys.shape
    return (
        keys[:, :, None].expand(-1, -1, num_heads // heads, -1, -1).reshape(batch, num_heads, length, width)
    )


@pytest.mark.parametrize("answer", [by_indexing, by_expanding])
def test_keys_shared_in_many_ways(check, answer):
    assert check("10.6", answer).passed


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda keys, num_heads: keys.repeat(1, num_heads // keys.shape[1], 1, 1), "alternate"),
        (lambda keys, num_heads: keys[:, torch.zeros(num_heads, dtype=torch.long)], "key head 0"),
        (lambda keys, num_heads: keys.repeat_interleave(num_heads, dim=1), "H times"),
        (lambda keys, num_heads: keys.repeat_interleave(num_heads // keys.shape[1], 2), "positions"),
        (lambda keys, num_heads: keys, "Nothing is repeated"),
        (
            lambda keys, num_heads: keys[:, :, None].expand(-1, -1, num_heads // keys.shape[1], -1, -1),
            "`shared` has shape (2, 2, 3, 4, 3); wanted (B, H, S, d), here (2, 6, 4, 3)",
        ),
        (lambda keys, num_heads: by_indexing(keys, num_heads).flip(1), "other numbers"),
    ],
)
def test_shared_keys_traps(check, answer, words):
    assert_says(check("10.6", answer), words)


# --- 10.7 --------------------------------------------------------------------------------------------------


def with_a_value_of_zeros(scores, values, sink):
    """As with a token: a key and a value more, at the start."""
    values = F.pad(values, (0, 0, 1, 0))
    first = sink.reshape(-1, 1, 1).repeat(1, scores.shape[1], 1)
    return torch.cat((first, scores), dim=2).softmax(2) @ values


def by_hand(scores, values, sink):
    highest = scores.amax(-1, keepdim=True).maximum(sink[:, None, None])
    e = (scores - highest).exp()
    return (e @ values) / (e.sum(-1, keepdim=True) + (sink[:, None, None] - highest).exp())


def one_head_at_a_time(scores, values, sink):
    outputs = []
    for head, its_values, score in zip(scores, values, sink.tolist(), strict=True):
        kept = torch.sigmoid(head.logsumexp(-1) - score)  # (T,), what the sink leaves
        outputs.append(kept[:, None] * (head.softmax(-1).nan_to_num(0.0) @ its_values))
    return torch.stack(outputs)


@pytest.mark.parametrize("answer", [with_a_value_of_zeros, by_hand, one_head_at_a_time])
def test_sinks_in_many_ways(check, answer):
    verdict = check("10.7", answer)
    assert verdict.passed, verdict.message


def rescaled(scores, values, sink):
    column = sink[:, None, None].expand(*scores.shape[:2], 1)
    weights = torch.cat([scores, column], dim=-1).softmax(-1)[..., :-1]
    return weights / weights.sum(-1, keepdim=True) @ values


def largest_from_scores_only(scores, values, sink):
    e = (scores - scores.amax(-1, keepdim=True)).exp()
    return e @ values / (e.sum(-1, keepdim=True) + sink.exp()[:, None, None])


def weights_of_all(scores, values, sink):
    return torch.cat([scores, sink[:, None, None].expand(*scores.shape[:2], 1)], dim=-1).softmax(-1)


def too_large_for_exp(scores, values, sink):
    e = scores.exp()
    return e @ values / (e.sum(-1, keepdim=True) + sink.exp()[:, None, None])


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (rescaled, "The sink has no effect"),
        (lambda scores, values, sink: by_hand(scores, values, sink * 0), "a score of 0 for every sink"),
        (lambda scores, values, sink: by_hand(scores, values, sink[:1].expand(sink.shape)), "the same sink"),
        (too_large_for_exp, "`exp` overflows"),
        (largest_from_scores_only, "but not from the sink"),
        (weights_of_all, "`output` has shape (2, 3, 5); wanted (H, T, d), here (2, 3, 6)"),
        (
            lambda scores, values, sink: by_hand(scores, values, sink) + 0.1 * values.mean(1, keepdim=True),
            "has the right shape",
        ),
        (lambda scores, values, sink: by_hand(scores, values, sink.sigmoid().log()), "has the right shape"),
        (lambda scores, values, sink: by_hand(scores, values, -sink), "has the right shape"),
        (lambda scores, values, sink: by_hand(scores.clamp(-50, 50), values, sink), "has the right shape"),
    ],
)
def test_sink_traps(check, answer, words):
    assert_says(check("10.7", answer), words)


def test_without_its_score_a_sink_leaves_plain_attention():
    generator = torch.Generator().manual_seed(0)
    scores, values = (torch.randn(2, 4, 4, generator=generator) for _ in range(2))
    sunk = with_sink(scores, values, torch.full((2,), -torch.inf))
    assert torch.allclose(sunk, scores.softmax(-1) @ values)


# --- 10.8 --------------------------------------------------------------------------------------------------


def by_diagonal(weights, half):
    return weights.diagonal(-(half - 1), dim1=1, dim2=2)[:, 1:half].mean(-1)


def one_by_one(weights, half):
    found = [weights[:, t, t - half + 1] for t in range(half, 2 * half - 1)]
    return sum(found) / len(found)


@pytest.mark.parametrize("answer", [by_diagonal, one_by_one])
def test_induction_in_many_ways(check, answer):
    assert check("10.8", answer).passed


def back(weights, start, stop, steps):
    return sum(weights[:, t, t - steps] for t in range(start, stop)) / (stop - start)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda weights, half: back(weights, half, 2 * half - 1, half), "the *same* token"),
        (lambda weights, half: back(weights, half, 2 * half, half - 1), "The last query is included"),
        (lambda weights, half: back(weights, half - 1, 2 * half - 1, half - 1), "from `half` on"),
        (lambda weights, half: back(weights, half, 2 * half - 1, 1), "the previous token"),
        (lambda weights, half: back(weights.transpose(1, 2), half, 2 * half - 1, half - 1), ""),
        (lambda weights, half: by_diagonal(weights, half) * (half - 1), "added up"),
        (lambda weights, half: back(weights, half, 2 * half - 1, half + 1), "the token *before*"),
        (lambda weights, half: back(weights, half, 2 * half - 2, half - 1), "`2 * half - 2`, is missing"),
        (lambda weights, half: back(weights, half + 1, 2 * half, half - 1), "first query"),
        (lambda weights, half: by_diagonal(weights, half) * (half - 1) / half, "divided by `half`"),
    ],
)
def test_induction_traps(check, answer, words):
    assert_says(check("10.8", answer), words)


# --- 10.9 --------------------------------------------------------------------------------------------------

BUDGET = {"per_token": 23_040, "one_text": 180, "nine_heads": 3, "texts": 5}


@pytest.mark.parametrize(
    "answer",
    [
        BUDGET,
        {name: torch.tensor([float(value)]) for name, value in BUDGET.items()},
        {name.title(): Fraction(value) for name, value in BUDGET.items()} | {"text": "SmolLM2"},
    ],
)
def test_a_budget_of_a_cache(check, answer):
    assert check("10.9", answer).passed


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"per_token": 11_520}, "keys *and* values"),
        ({"per_token": 46_080}, "16 bits are 2 bytes"),
        ({"per_token": 69_120}, "only the key heads"),
        ({"one_text": 188.74368}, "10^6"),
        ({"one_text": 184_320}, "kibibytes"),
        ({"one_text": 180 / 1024}, "gibibytes"),
        ({"per_token": torch.tensor([23_040, 1])}, "holds 2: a tensor of shape (2,)"),
        ({"nine_heads": 9}, "with 3 key heads"),
        ({"texts": 1024 / 180}, "round down"),
        ({"texts": 6}, "rounds up"),
    ],
)
def test_cache_budget_traps(check, wrong, words):
    assert_says(check("10.9", BUDGET | wrong), words)
