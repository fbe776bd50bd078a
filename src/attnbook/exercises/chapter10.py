"""Chapter 10: perplexity, RMSNorm, stopping, a merged pair, the nucleus, keys, a sink, a copy, a cache."""

from collections.abc import Callable

import torch
from torch import Tensor

from attnbook.exercises.judges import OTHER, drawn, number, random, slips
from attnbook.exercises.registry import function, numbers


def _losses(logits: Tensor, ids: Tensor) -> Tensor:
    """`(B, T)` logits' losses on ids at the same positions."""
    return -logits.log_softmax(-1).gather(-1, ids[..., None])[..., 0]


def _text(batch: int, length: int, vocab: int, seed: int) -> tuple[Tensor, Tensor]:
    """Logits and ids; the model is surer of some rows and positions than of others."""
    scale = 1 + random(batch, length, 1, seed=seed + 1).abs()
    ids = (random(batch, length, seed=seed + 2).abs() * 100).long() % vocab
    return scale * random(batch, length, vocab, seed=seed), ids


@function(
    "10.1",
    "Perplexity",
    {"perplexity": "a number"},
    praise="The exponential of the mean loss, each position scored by the token that followed it.",
    cases=[_text(2, 5, 7, 1011), _text(3, 4, 5, 1020), *drawn(_text, (2, 4), (4, 7), (5, 9))],
    slips=slips(
        "No shift: logits at position t predict the id at t + 1. Compare `logits[:, :-1]` with `ids[:, 1:]`.",
        lambda logits, ids: _losses(logits, ids).mean().exp().item(),
        lambda logits, ids: _losses(logits, ids)[:, :-1].mean().exp().item(),
        lambda logits, ids: _losses(logits, ids)[:, 1:].mean().exp().item(),
        "The shift goes the other way: logits at position t predict the id at t + 1, not at t - 1.",
        lambda logits, ids: _losses(logits[:, 1:], ids[:, :-1]).mean().exp().item(),
        "The first id of each row is scored as if it came after the last. Nothing follows the last position: "
        "leave it out.",
        lambda logits, ids: _losses(logits, ids.roll(-1, 1)).mean().exp().item(),
        "You took `log_softmax` over another axis. It runs over the vocabulary, the last one.",
        lambda logits, ids: _chosen(logits.log_softmax(1), ids).mean().neg().exp().item(),
        lambda logits, ids: _chosen(logits.log_softmax(0), ids).mean().neg().exp().item(),
        "This is the mean loss. Perplexity is its exponential.",
        lambda logits, ids: _next(logits, ids).mean().item(),
        "You averaged the exponentials. Take the mean of the losses first, then the exponential.",
        lambda logits, ids: _next(logits, ids).exp().mean().item(),
        lambda logits, ids: _next(logits, ids).mean(1).exp().mean().item(),
        "The sign is wrong: the loss is *minus* the log-probability.",
        lambda logits, ids: _next(logits, ids).mean().neg().exp().item(),
        "You added up the losses. Divide by the number of predicted tokens.",
        lambda logits, ids: _next(logits, ids).sum().exp().item(),
        lambda logits, ids: _next(logits, ids).sum(1).mean().exp().item(),
        "You divided by all T tokens of each row. Only T - 1 of them are predicted.",
        lambda logits, ids: (_next(logits, ids).sum() / ids.numel()).exp().item(),
        "The logits are no log-probabilities yet: apply `log_softmax(dim=-1)`.",
        lambda logits, ids: _chosen(logits, ids).mean().neg().exp().item(),
        "You mixed two bases: natural logarithms go with `exp`, and log2 with powers of 2.",
        lambda logits, ids: float(2 ** _next(logits, ids).mean()),
    ),
)
def perplexity(logits: Tensor, ids: Tensor) -> float:
    return _next(logits, ids).mean().exp().item()


def _chosen(scores: Tensor, ids: Tensor) -> Tensor:
    """What the scores `(B, T, V)` give the tokens that follow, `(B, T - 1, 1)`."""
    return scores[:, :-1].gather(-1, ids[:, 1:, None])


def _next(logits: Tensor, ids: Tensor) -> Tensor:
    """The losses `(B, T - 1)` of the tokens that follow."""
    return _losses(logits[:, :-1], ids[:, 1:])


def _vectors(batch: int, length: int, width: int, seed: int) -> tuple[Tensor, Tensor, float]:
    """Vectors whose mean isn't 0 and whose lengths differ; ε is large enough to be noticed."""
    scale = 0.3 + random(batch, length, 1, seed=seed + 1).abs()
    return scale * random(batch, length, width, seed=seed) + 0.5, random(width, seed=seed + 2), 0.2


def _rms(x: Tensor, epsilon: float, dim: int | tuple = -1) -> Tensor:
    return (x.pow(2).mean(dim, keepdim=True) + epsilon).sqrt()


@function(
    "10.2",
    "RMSNorm",
    {"normalized": "(B, T, D)"},
    praise="One root per position, and a gain per feature: no mean is subtracted, nothing is shifted.",
    cases=[_vectors(2, 3, 4, 1030), _vectors(1, 2, 6, 1040), *drawn(_vectors, (2, 3), (2, 5), (3, 8))],
    slips=slips(
        "The gain is missing: multiply each feature by its own.",
        lambda x, gain, epsilon: x / _rms(x, epsilon),
        "This subtracts the mean, as layer normalization does. RMSNorm doesn't.",
        lambda x, gain, epsilon: (lambda y: y / _rms(y, epsilon) * gain)(x - x.mean(-1, keepdim=True)),
        lambda x, gain, epsilon: x / (x.var(-1, keepdim=True, unbiased=False) + epsilon).sqrt() * gain,
        lambda x, gain, epsilon: x / (x.var(-1, keepdim=True) + epsilon).sqrt() * gain,
        lambda x, gain, epsilon: x / (x.std(-1, keepdim=True) + epsilon) * gain,
        "The root is missing: divide by the *root* of the mean square.",
        lambda x, gain, epsilon: x / (x.pow(2).mean(-1, keepdim=True) + epsilon) * gain,
        "ε belongs inside the root.",
        lambda x, gain, epsilon: x / (_rms(x, 0.0) + epsilon) * gain,
        "ε is missing, or it isn't the `epsilon` that is passed. Without it, a vector of zeros gives NaN.",
        lambda x, gain, epsilon: x / _rms(x, 0.0) * gain,
        "You took the sum of the squares. Take their mean.",
        lambda x, gain, epsilon: x / (x.pow(2).sum(-1, keepdim=True) + epsilon).sqrt() * gain,
        lambda x, gain, epsilon: x / (x.norm(dim=-1, keepdim=True) + epsilon) * gain,
        "The mean runs over the features of one position: `dim=-1`.",
        lambda x, gain, epsilon: x / _rms(x, epsilon, 1) * gain,
        lambda x, gain, epsilon: x / _rms(x, epsilon, (0, 1, 2)) * gain,
        lambda x, gain, epsilon: x / _rms(x, epsilon, 0) * gain,
        "The gain is used as in some checkpoints, 1 + g. Here multiply by g itself.",
        lambda x, gain, epsilon: x / _rms(x, epsilon) * (1 + gain),
    ),
)
def rms_norm_of(x: Tensor, gain: Tensor, epsilon: float) -> Tensor:
    return x / _rms(x, epsilon) * gain


def _stop(
    improves: Callable = lambda loss, best: loss < best,
    extra: int = 0,
    in_a_row: bool = True,
    answer: Callable = lambda kept, measured, losses: (kept, measured),
) -> Callable[[list[float], int], tuple]:
    """The correct rule; the keywords make wrong ones."""

    def stop(losses: list[float], patience: int) -> tuple:
        kept, waited = 0, 0
        for newest, loss in enumerate(losses[1:], 1):
            if improves(loss, losses[kept]):
                kept, waited = newest, 0 if in_a_row else waited
            else:
                waited += 1
            if waited == patience + extra:
                return answer(kept, newest + 1, losses)
        return answer(kept, len(losses), losses)

    return stop


def _lowest(losses: list[float]) -> int:
    return losses.index(min(losses))


def _last_lowest(losses: list[float]) -> int:
    return len(losses) - 1 - _lowest(losses[::-1])


def _patience_first(losses: list[float], patience: int) -> tuple[int, int]:
    """Ask whether the patience has run out before looking at the newest loss."""
    kept = 0
    for newest, loss in enumerate(losses):
        if newest - kept == patience:
            return kept, newest + 1
        kept = newest if loss < losses[kept] else kept
    return kept, len(losses)


def _after_rises(losses: list[float], patience: int) -> tuple[int, int]:
    """Compare each loss with the one before it."""
    rises = 0
    for i in range(1, len(losses)):
        rises = rises + 1 if losses[i] >= losses[i - 1] else 0
        if rises == patience:
            return _lowest(losses[: i + 1]), i + 1
    return _lowest(losses), len(losses)


def _since_last_fall(losses: list[float], patience: int) -> tuple[int, int]:
    """Compare each loss with the one before it, and keep the last that was lower."""
    kept = 0
    for i in range(1, len(losses)):
        kept = i if losses[i] < losses[i - 1] else kept
        if i - kept == patience:
            return kept, i + 1
    return kept, len(losses)


def _measurements(count: int, patience: int, seed: int) -> tuple[list[float], int]:
    """A noisy curve that falls and rises again, rounded so that some losses are equal."""
    noise = random(count, seed=seed).tolist()
    return [round(3 + (i / 3 - 1.5) ** 2 / 4 + noise[i] / 5, 1) for i in range(count)], patience


CURVE = [3.0, 2.5, 2.7, 2.6, 2.4, 2.6, 2.4, 2.5, 2.8, 2.0, 2.9, 2.8, 2.85, 2.9, 2.95, 3.0]


@function(
    "10.3",
    "Stop in time",
    {"kept": "a number", "measured": "a number"},
    praise="Your rule uses only what is known at each step, so a training loop can use it.",
    cases=[
        (CURVE, 3),
        ([3.0, 2.0, 1.0], 2),
        ([2.0, 3.0, 1.0], 2),
        ([1.0, 2.0, 3.0, 0.5], 2),
        ([2.0], 1),
        ([120.0, 110.0, 115.0], 1),
        ([2.0, 2.0, 1.0], 1),
        *drawn(_measurements, (1, 16), (1, 4), count=10),
    ],
    slips=slips(
        "You used all losses. Training has ended before the last of them, so the rest doesn't exist.",
        lambda losses, patience: (_lowest(losses), len(losses)),
        lambda losses, patience: (_lowest(losses), early_stop(losses, patience)[1]),
        lambda losses, patience: (early_stop(losses, patience)[0], len(losses)),
        "You keep the last model. Keep that of the best measurement.",
        _stop(answer=lambda kept, measured, losses: (measured - 1, measured)),
        "You compare each loss with the one before it. Compare it with the best so far.",
        _after_rises,
        _since_last_fall,
        "You keep the last of several equal losses. The first of them is kept: the others aren't lower.",
        lambda losses, patience: (lambda made: (_last_lowest(losses[:made]), made))(
            early_stop(losses, patience)[1]
        ),
        "Look at the newest loss first: it may be the best. Only then ask whether the patience has run out.",
        _patience_first,
        "You count a loss equal to the best as lower. It isn't.",
        _stop(improves=lambda loss, best: loss <= best),
        "You stop one measurement too late.",
        _stop(extra=1),
        "You stop one measurement too early.",
        _stop(extra=-1),
        "They have to be measurements *in a row*: start counting again at each new best.",
        _stop(in_a_row=False),
        "`measured` is the index of the last measurement. Counted from 0, there is one more.",
        _stop(answer=lambda kept, measured, losses: (kept, measured - 1)),
        "`kept` is counted from 1. Count from 0.",
        _stop(answer=lambda kept, measured, losses: (kept + 1, measured)),
        "`kept` is the loss itself. Return the index of that measurement.",
        _stop(answer=lambda kept, measured, losses: (losses[kept], measured)),
        "You look for the highest loss. A lower one is better.",
        _stop(improves=lambda loss, best: loss > best),
    ),
)
def early_stop(losses: list[float], patience: int) -> tuple[int, int]:
    return _stop()(losses, patience)


def _merge(ids: list[int], pair: tuple[int, int], new: int, often: int | None = None) -> list[int]:
    """Merge from left to right, at most `often` times."""
    merged, i, left = [], 0, len(ids) if often is None else often
    while i < len(ids):
        if left and tuple(ids[i : i + 2]) == tuple(pair):
            merged.append(new)
            i, left = i + 2, left - 1
        else:
            merged.append(ids[i])
            i += 1
    return merged


def _two_steps(ids: list[int], pair: tuple[int, int], new: int) -> list[int]:
    return [new if tuple(ids[i : i + 2]) == tuple(pair) else ids[i] for i in range(0, len(ids), 2)]


def _overlapping(ids: list[int], pair: tuple[int, int], new: int) -> list[int]:
    """Every position where the pair begins becomes `new`, and the second id of each pair is dropped."""
    begins = [tuple(ids[i : i + 2]) == tuple(pair) for i in range(len(ids))]
    return [new if begins[i] else ids[i] for i in range(len(ids)) if begins[i] or not (i and begins[i - 1])]


def _without_last(ids: list[int], pair: tuple[int, int], new: int) -> list[int]:
    merged, i = [], 0
    while i < len(ids) - 1:
        found = (ids[i], ids[i + 1]) == tuple(pair)
        merged.append(new if found else ids[i])
        i += 1 + found
    return merged


@function(
    "10.4",
    "Merge a pair",
    {"merged": "a list of ids"},
    praise="This is one step of BPE. A tokenizer applies tens of thousands of them, in the order learned.",
    cases=[
        ([1, 2, 3, 1, 2, 1], (1, 2), 9),
        ([5, 1, 2, 4], (1, 2), 9),
        ([7, 7, 7, 8], (7, 7), 9),
        ([7, 7, 7, 7, 7], (7, 7), 10),
        ([2, 1, 2, 1], (1, 2), 9),
        ([3, 4], (1, 2), 9),
        ([2, 1, 3], (1, 2), 9),
        ([1, 2], (1, 2), 9),
        ([1], (1, 1), 9),
        ([4, 6, 6, 4, 6, 5], (4, 6), 11),
        ([11, 2, 1, 21, 1, 2], (1, 2), 9),
    ],
    pure="Your function changes `ids` itself. Leave that list as it is, and put the ids into a new one.",
    slips=slips(
        "Only the first occurrence is replaced. Go on to the end of the list.",
        lambda ids, pair, new: _merge(ids, pair, new, 1),
        "An id is used twice: after a merge, go on two steps.",
        _overlapping,
        lambda ids, pair, new: [
            part
            for i in range(len(ids))
            for part in ([new] if tuple(ids[i : i + 2]) == tuple(pair) else [ids[i]])
        ],
        "Without a merge, go on one step only: a pair may begin at the next id.",
        _two_steps,
        "Nothing is merged. If you compared a part of the list with `pair`: a list never equals a tuple.",
        lambda ids, pair, new: ids,
        "The last id is lost if it belongs to no pair.",
        _without_last,
        "You went from right to left. In *aaa*, the first two belong together.",
        lambda ids, pair, new: _merge(ids[::-1], pair[::-1], new)[::-1],
        "The order counts: (a, b) is not (b, a).",
        lambda ids, pair, new: _merge(_merge(ids, pair, new), pair[::-1], new),
        lambda ids, pair, new: _merge(ids, pair[::-1], new),
        "You replaced the ids of the pair wherever they are. They count only as neighbours, in this order.",
        lambda ids, pair, new: [new if each in pair else each for each in ids],
        lambda ids, pair, new: [new if each == pair[0] else each for each in ids],
        lambda ids, pair, new: [new if each == pair[1] else each for each in ids],
        "Return the list with the pairs replaced, not only the new ids.",
        lambda ids, pair, new: [each for each in _merge(ids, pair, new) if each == new],
        "Both ids of the pair are kept. They are replaced by one new id.",
        lambda ids, pair, new: [
            part for each in _merge(ids, pair, new) for part in ([*pair, new] if each == new else [each])
        ],
    ),
)
def merge(ids: list[int], pair: tuple[int, int], new: int) -> list[int]:
    return _merge(ids, pair, new)


def _cut(shares: Tensor, p: float, crossing: bool = True, scale: bool = True) -> Tensor:
    values, order = shares.sort(descending=True)
    before = values.cumsum(0) - (values if crossing else 0)
    values = values.masked_fill(before >= p if crossing else before > p, 0.0)
    if scale:
        values = values / values.sum()
    return torch.zeros_like(shares).scatter(0, order, values)


def _cut_later(shares: Tensor, p: float) -> Tensor:
    """One token more than the nucleus has."""
    values, order = shares.sort(descending=True)
    count = int((values.cumsum(0) < p).sum()) + 2
    values = values.masked_fill(torch.arange(len(values)) >= count, 0.0)
    return torch.zeros_like(shares).scatter(0, order, values / values.sum())


def _from_the_least(shares: Tensor, p: float) -> Tensor:
    values, order = shares.sort()
    return torch.zeros_like(shares).scatter(0, order, _unsorted(values, p))


def _unsorted(shares: Tensor, p: float) -> Tensor:
    kept = shares.masked_fill(shares.cumsum(0) - shares >= p, 0.0)
    return kept / kept.sum()


def _in_sorted_order(shares: Tensor, p: float) -> Tensor:
    return _cut(shares, p).sort(descending=True).values


def _above(shares: Tensor, p: float) -> Tensor:
    kept = shares.masked_fill(shares < p, 0.0)
    return kept / kept.sum()


def _choice(vocab: int, seed: int) -> tuple[Tensor, float, float]:
    """Logits whose order is neither up nor down; the temperature changes the nucleus."""
    return 1.5 * random(vocab, seed=seed), (0.6, 1.7, 0.8)[seed % 3], (0.55, 0.8, 0.7)[seed % 3]


@function(
    "10.5",
    "The nucleus",
    {"probabilities": "(V,)"},
    praise="Few tokens where the model is sure, many where it isn't: one p adapts to both.",
    cases=[
        (torch.tensor([-0.3, 0.6, -0.9, 0.3, -1.3, 0.4, 0.2, 0.5, 0.1, 0.7]), 0.4, 0.7),
        _choice(6, 1050),
        _choice(8, 1051),
        _choice(7, 1052),
        *drawn(_choice, (5, 12)),
    ],
    slips=slips(
        "They don't sum to 1 any more: divide by the sum of those you kept.",
        lambda logits, temperature, p: _cut((logits / temperature).softmax(-1), p, scale=False),
        "The token that crosses p is missing. Look at the sum *before* a token: `cumsum - values`.",
        lambda logits, temperature, p: _cut((logits / temperature).softmax(-1), p, crossing=False),
        "One token too many is kept: the token that crosses p is the last.",
        lambda logits, temperature, p: _cut_later((logits / temperature).softmax(-1), p),
        "The temperature comes first: divide the logits, then cut.",
        lambda logits, temperature, p: (lambda cut: (cut.log() / temperature).softmax(-1))(
            _cut(logits.softmax(-1), p)
        ),
        "The temperature is missing.",
        lambda logits, temperature, p: _cut(logits.softmax(-1), p),
        "You multiplied by the temperature. Divide by it.",
        lambda logits, temperature, p: _cut((logits * temperature).softmax(-1), p),
        "You divided the probabilities by the temperature. Divide the logits, before softmax.",
        lambda logits, temperature, p: _cut(logits.softmax(-1) / temperature, p),
        "Sort first: the sum has to run from the most probable token down.",
        lambda logits, temperature, p: _unsorted((logits / temperature).softmax(-1), p),
        lambda logits, temperature, p: _from_the_least((logits / temperature).softmax(-1), p),
        "The values are right, but sorted: bring them back into the order of the vocabulary.",
        lambda logits, temperature, p: _in_sorted_order((logits / temperature).softmax(-1), p),
        "`values[order]` permutes them once more. Assign *to* the places in `order`: the first of the sorted "
        "values belongs at `order[0]`.",
        lambda logits, temperature, p: _in_sorted_order((logits / temperature).softmax(-1), p)[
            logits.argsort(descending=True)
        ],
        "0/0 is NaN: was no token left? No probability alone reaches p. Compare the *sum* of all that are "
        "more probable.",
        lambda logits, temperature, p: _above((logits / temperature).softmax(-1), p),
        "All tokens are still there: give 0 to those outside the set.",
        lambda logits, temperature, p: (logits / temperature).softmax(-1),
    ),
)
def nucleus(logits: Tensor, temperature: float, p: float) -> Tensor:
    return _cut((logits / temperature).softmax(-1), p)


def _keys(batch: int, heads: int, length: int, group: int, seed: int) -> tuple[Tensor, int]:
    return random(batch, heads, length, 3, seed=seed), heads * group


@function(
    "10.6",
    "Share the keys",
    {"shared": "(B, H, S, d)"},
    praise="Query heads that share a key head are neighbours, as in the published models.",
    cases=[_keys(2, 2, 4, 3, 1060), _keys(1, 3, 2, 2, 1061), *drawn(_keys, (1, 3), (1, 4), (3, 5), (1, 3))],
    slips=slips(
        "The key heads alternate: 0, 1, 0, 1. Each serves *adjacent* query heads: 0, 0, 1, 1.",
        lambda keys, num_heads: keys.repeat(1, num_heads // keys.shape[1], 1, 1),
        "You repeated along the positions. The heads are axis 1.",
        lambda keys, num_heads: keys.repeat_interleave(num_heads // keys.shape[1], dim=2),
        "You repeated each key head H times. Repeat it H/K times, so that H heads come out.",
        lambda keys, num_heads: keys.repeat_interleave(num_heads, dim=1),
        "You repeated K times. Each key head serves H/K query heads.",
        lambda keys, num_heads: keys.repeat_interleave(keys.shape[1], dim=1),
        "All query heads get key head 0. That is multi-query attention.",
        lambda keys, num_heads: keys[:, :1].repeat(1, num_heads, 1, 1),
        "This repeats along the batch. The heads are axis 1.",
        lambda keys, num_heads: keys.repeat_interleave(num_heads // keys.shape[1], dim=0),
        "You repeated along the features. The heads are axis 1.",
        lambda keys, num_heads: keys.repeat_interleave(num_heads // keys.shape[1], dim=3),
        "Nothing is repeated yet: H heads are wanted.",
        lambda keys, num_heads: keys,
    ),
)
def share(keys: Tensor, num_heads: int) -> Tensor:
    return keys.repeat_interleave(num_heads // keys.shape[1], dim=1)


def _beside(column: Tensor, scores: Tensor) -> Tensor:
    """Scores `(H, T, S + 1)` with the sink's as the last column."""
    return torch.cat([scores, column.expand(*scores.shape[:2], 1)], -1)


def _sink_in(
    denominator: Callable[[Tensor, Tensor], Tensor],
) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """Divide the exponentials by what `denominator` makes of their sums `(H, T, 1)` and the sinks."""

    def attend(scores: Tensor, values: Tensor, sink: Tensor) -> Tensor:
        e = scores.exp()
        return e / denominator(e.sum(-1, keepdim=True), sink[:, None, None]) @ values

    return attend


def _with_value(value: Callable[[Tensor], Tensor]) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """Give the sink a value `(H, 1, d)`, made from the others."""
    return lambda scores, values, sink: (
        _beside(sink[:, None, None], scores).softmax(-1) @ torch.cat([values, value(values)], 1)
    )


def _scored(heads: int, queries: int, keys: int, seed: int, size: float = 1.0) -> tuple[Tensor, ...]:
    """Scores of the last `queries` of the positions under a causal mask, values, and sinks."""
    scores = size * random(heads, queries, keys, seed=seed)
    later = torch.ones(queries, keys, dtype=torch.bool).triu(keys - queries + 1)
    values, sink = random(heads, keys, 3, seed=seed + 1), size * random(heads, seed=seed + 2)
    return scores.masked_fill(later, -torch.inf), values, sink


def _nothing_to_attend_to() -> tuple[Tensor, ...]:
    scores, values, sink = _scored(2, 3, 3, 1100)
    return scores.index_fill(1, torch.tensor([0]), -torch.inf), values, sink


@function(
    "10.7",
    "A sink without a token",
    {"output": "(H, T, d)"},
    praise="A head where no key fits can now add almost nothing, and no token has to serve as its sink.",
    cases=[
        (random(2, 3, 4, seed=1090), random(2, 4, 6, seed=1091), torch.tensor([1.2, -0.7])),
        _nothing_to_attend_to(),
        (
            torch.tensor([[[200.0, 198.0], [-200.0, -199.0]]]),
            random(1, 2, 3, seed=1110),
            torch.tensor([199.0]),
        ),
        *drawn(lambda h, t, more, seed: _scored(h, t, t + more, seed), (1, 4), (1, 5), (0, 3)),
        *drawn(lambda h, t, more, seed: _scored(h, t, t + more, seed, 60.0), (2, 4), (2, 5), (0, 3), count=3),
    ],
    slips=slips(
        "The sink has no effect: the weights of the keys sum to 1. They must sum to less, so don't rescale "
        "them, and don't add the sink to the other scores.",
        lambda scores, values, sink: scores.softmax(-1) @ values,
        "The sink is a score. As all others, it goes through the exponential.",
        _sink_in(lambda total, sink: total + sink),
        _sink_in(lambda total, sink: total + sink.abs()),
        "You used a score of 0 for every sink, so 1 is added to the denominator. Use `sink`.",
        _sink_in(lambda total, sink: total + 1),
        "All heads have the same sink here. `sink[h]` belongs to head h.",
        _sink_in(lambda total, sink: total + sink[:1].exp()),
        _sink_in(lambda total, sink: total + sink.mean().exp()),
        _sink_in(lambda total, sink: total + sink.exp().sum()),
        "The sink is in the denominator once for each key. It is a single key.",
        lambda scores, values, sink: _sink_in(lambda total, sink: total + scores.shape[-1] * sink.exp())(
            scores, values, sink
        ),
        "Weights and values no longer match: the sink is at one end of the scores, and you left out the "
        "weight at the other end, or put the sink's value there.",
        lambda scores, values, sink: _beside(sink[:, None, None], scores).softmax(-1)[..., 1:] @ values,
        lambda scores, values, sink: (
            _beside(sink[:, None, None], scores).roll(1, -1).softmax(-1)[..., :-1] @ values
        ),
        "The sink's value isn't 0. A sink must add nothing.",
        _with_value(lambda values: values[:, :1]),
        _with_value(lambda values: values[:, -1:]),
        _with_value(lambda values: values.mean(1, keepdim=True)),
        _with_value(lambda values: torch.ones_like(values[:, :1])),
        "You took softmax over the queries. It runs over the keys, the last axis.",
        lambda scores, values, sink: _beside(sink[:, None, None], scores).softmax(-2)[..., :-1] @ values,
        "You scaled all queries of a head alike. What the sink gets depends on the query's own scores.",
        lambda scores, values, sink: (scores.softmax(-1) @ values) * (-sink[:, None, None]).sigmoid(),
        "You subtracted the largest score from the scores, but not from the sink. `softmax` subtracts it "
        "from all that it gets.",
        lambda scores, values, sink: _sink_in(lambda total, sink: total + sink.exp())(
            scores - scores.amax(-1, keepdim=True), values, sink
        ),
        "You used the sink as a threshold. It is one more key in the sum.",
        lambda scores, values, sink: (scores.softmax(-1) * (scores > sink[:, None, None])) @ values,
        "A query without any key gives NaN here: -∞ is its largest score. The sink is never hidden, so put "
        "its score next to the others before softmax.",
        lambda scores, values, sink: (
            (scores.softmax(-1) @ values)
            * (scores.logsumexp(-1, keepdim=True) - sink[:, None, None]).sigmoid()
        ),
        "`exp` overflows: it is infinite at 200, in 32 bits. `softmax` subtracts the largest score first.",
        lambda scores, values, sink: _sink_in(lambda total, sink: total + sink.exp())(
            scores.float(), values.float(), sink.float()
        ),
    ),
)
def with_sink(scores: Tensor, values: Tensor, sink: Tensor) -> Tensor:
    return _beside(sink[:, None, None], scores).softmax(-1)[..., :-1] @ values


def _copies(heads: int, half: int, seed: int) -> tuple[Tensor, int]:
    """Causal weights of one layer on `half` tokens given twice."""
    scores = 2 * random(heads, 2 * half, 2 * half, seed=seed)
    later = torch.ones(2 * half, 2 * half, dtype=torch.bool).triu(1)
    return scores.masked_fill(later, -torch.inf).softmax(-1), half


def _at(weights: Tensor, start: int, stop: int, back: int) -> Tensor:
    """The weight of the queries from `start` to `stop` on the key `back` positions before them."""
    t = torch.arange(start, stop)
    return weights[:, t, t - back].mean(-1)


@function(
    "10.8",
    "Find the copy",
    {"induction": "(H,)"},
    praise="One number per head, without looking at a single map.",
    cases=[_copies(3, 5, 1070), _copies(2, 4, 1080), *drawn(_copies, (2, 4), (4, 7))],
    slips=slips(
        "This is the weight on the *same* token, `t - half`. Take the token after it, `t - half + 1`.",
        lambda weights, half: _at(weights, half, 2 * half - 1, half),
        lambda weights, half: _at(weights, half, 2 * half, half),
        "One step the wrong way: `t - half - 1` is the token *before*. Take `t - half + 1`.",
        lambda weights, half: _at(weights, half, 2 * half - 1, half + 1),
        lambda weights, half: _at(weights, half, 2 * half, half + 1),
        lambda weights, half: _at(weights, half + 1, 2 * half - 1, half + 1),
        lambda weights, half: _at(weights, half + 1, 2 * half, half + 1),
        "The last query is included. Its next token is no longer in the first copy.",
        lambda weights, half: _at(weights, half, 2 * half, half - 1),
        "Only the queries of the second copy count: those from `half` on.",
        lambda weights, half: _at(weights, half - 1, 2 * half - 1, half - 1),
        lambda weights, half: _at(weights, half - 1, 2 * half, half - 1),
        "This is the weight on the previous token. Take the token after the earlier occurrence.",
        lambda weights, half: _at(weights, half, 2 * half - 1, 1),
        lambda weights, half: _at(weights, half, 2 * half, 1),
        "The first query of the second copy is missing.",
        lambda weights, half: _at(weights, half + 1, 2 * half - 1, half - 1),
        lambda weights, half: _at(weights, half + 1, 2 * half, half - 1),
        "The last query that counts, `2 * half - 2`, is missing.",
        lambda weights, half: _at(weights, half, 2 * half - 2, half - 1),
        "Queries and keys are exchanged: weights are `(H, query, key)`.",
        lambda weights, half: _at(weights.mT, half, 2 * half - 1, half - 1),
        "You added up over the queries. Take the mean.",
        lambda weights, half: _at(weights, half, 2 * half - 1, half - 1) * (half - 1),
        "You divided by `half`. Only half - 1 queries count.",
        lambda weights, half: _at(weights, half, 2 * half - 1, half - 1) * (half - 1) / half,
        "You averaged over all pairs of a query and a key. Index with two tensors of the same length.",
        lambda weights, half: weights[:, half : 2 * half - 1, 1:half].mean((1, 2)),
        "You averaged over the heads too. Return one number per head.",
        lambda weights, half: induction(weights, half).mean().expand(len(weights)),
    ),
)
def induction(weights: Tensor, half: int) -> Tensor:
    return _at(weights, half, 2 * half - 1, half - 1)


PER_TOKEN = 2 * 30 * 3 * 64 * 2
ONE_TEXT = PER_TOKEN * 8192 / 2**20

numbers(
    "10.9",
    "A budget for the cache",
    {
        number("per_token", PER_TOKEN, near=0.5): {
            PER_TOKEN / 2: "half of it is missing: keys *and* values, and each number takes 2 bytes.",
            2 * PER_TOKEN: "16 bits are 2 bytes, not 4.",
            PER_TOKEN / 4: "these are the keys' features. Add the values, and count 2 bytes for each.",
            3 * PER_TOKEN: "only the key heads are kept, 3, not the 9 query heads.",
            PER_TOKEN / 30: "this is one layer. There are 30.",
            8 * PER_TOKEN: "these are bits. A byte has 8.",
            OTHER: "Keys and values (2), 30 layers, 3 key heads, 64 features, 2 bytes.",
        },
        number("one_text", ONE_TEXT, near=0.01): {
            PER_TOKEN * 8192: "these are bytes. Divide by 2^20.",
            PER_TOKEN * 8192 / 1e6: "these are megabytes of 10^6. Divide by 2^20.",
            PER_TOKEN * 8: "these are kibibytes, of 2^10 bytes. Divide by 2^20.",
            ONE_TEXT / 2**10: "these are gibibytes, of 2^30 bytes. Divide by 2^20.",
            ONE_TEXT / 2: "half of it is missing: keys *and* values, 2 bytes each.",
            OTHER: "The bytes per token, times 8,192, divided by 2^20.",
        },
        number("nine_heads", 3, near=0.01): {
            9: "compare with 3 key heads, not with one.",
            1 / 3: "this is the other way round. Nine key heads take more.",
            6: "this is how many heads more. Give how many times as much.",
            OTHER: "The cache grows with the number of key heads: 9 in place of 3.",
        },
        number("texts", int(1024 // ONE_TEXT), near=0.01): {
            1024 / ONE_TEXT: "a part of a text doesn't fit: round down.",
            int(1024 // ONE_TEXT) + 1: "this rounds up. The last one doesn't fit.",
            OTHER: "1 GiB is 1,024 MiB. Divide by one text's, and round down.",
        },
    },
    praise="Three key heads in place of nine: three times as many texts at once.",
)
