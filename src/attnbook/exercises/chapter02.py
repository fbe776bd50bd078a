"""Chapter 2: leave one out, queries that find a key, temperature, the scale, and what keys and values do."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from attnbook.exercises.comparing import shape
from attnbook.exercises.judges import OTHER, drawn, number, random, slips
from attnbook.exercises.reading import read, read_results
from attnbook.exercises.registry import function, numbers
from attnbook.exercises.verdict import Wrong


def _scores(keys: Tensor, bandwidth: float) -> Tensor:
    return -((keys[:, None] - keys) ** 2) / (2 * bandwidth**2)  # (S, S)


def _error(scores: Tensor, values: Tensor, own: float = -math.inf, dim: int = 1) -> Tensor:
    """The mean squared error of a regression in which each reading's own score is `own`."""
    weights = scores.clone().fill_diagonal_(own).softmax(dim)  # (S, S)
    return ((weights @ values - values) ** 2).mean()


def _estimates(keys: Tensor, values: Tensor, bandwidth: float) -> Tensor:
    return _scores(keys, bandwidth).fill_diagonal_(-math.inf).softmax(-1) @ values


def _readings(count: int, bandwidth: float, seed: int, tied: int = 0) -> tuple[Tensor, Tensor, float]:
    keys = 4 * random(count, seed=seed)
    keys[:tied] = keys[0]
    return keys, keys.sin() + 0.3 * random(count, seed=seed + 1), bandwidth


@function(
    "2.1",
    "Leave one out",
    {"error": "()"},
    praise="Now you can choose a bandwidth without knowing the true curve: take the one with the smallest "
    "error. And you have written a mask: a query that may not attend to its own key.",
    cases=[
        _readings(9, 1.7, 40),
        _readings(12, 3.1, 42),
        _readings(8, 1.3, 44, tied=3),
        *drawn(lambda count, tenths, seed: _readings(count, tenths / 10, seed), (3, 12), (5, 40)),
    ],
    slips=slips(
        "Each reading still helps to predict itself. Mask the diagonal before softmax.",
        lambda k, v, h: _error(_scores(k, h), v, own=0.0),
        "You masked every score of 0. Two readings of the same hour score 0 too: mask only the diagonal.",
        lambda k, v, h: _error(_scores(k, h).masked_fill(k[:, None] == k, -math.inf), v),
        "You set the diagonal to 0 after softmax, so the rows sum to less than 1. Mask it before softmax.",
        lambda k, v, h: (_scores(k, h).softmax(-1).fill_diagonal_(0) @ v - v).square().mean(),
        "Your columns sum to 1: softmax ran over the queries. A reading's weights are a row: `dim=1`.",
        lambda k, v, h: _error(_scores(k, h), v, dim=0),
        "You took exp twice: softmax itself takes exp of the scores, −(k − k')² / (2h²).",
        lambda k, v, h: _error(_scores(k, h).exp(), v),
        "The bandwidth is not squared: the kernel is exp(−(k − k')² / (2h²)).",
        lambda k, v, h: _error(_scores(k, h) * h, v),
        "The 2 in 2h² is missing, or half of the square is.",
        *(lambda k, v, h, c=c: _error(c * _scores(k, h), v) for c in (2, 0.5)),
        "You multiplied by the bandwidth. A wide kernel lets far readings in: divide by h².",
        lambda k, v, h: _error(_scores(k, 1 / h), v),
        "The distances are not squared: that is another kernel, exp(−|k − k'| …).",
        lambda k, v, h: _error(-(k[:, None] - k).abs() / (2 * h**2), v),
        lambda k, v, h: _error(-(k[:, None] - k).abs() / h, v),
        "The minus is missing: now the farthest readings get the most weight.",
        lambda k, v, h: _error(-_scores(k, h), v),
        "These are the estimates. Return one number: the mean of their squared errors.",
        _estimates,
        "These are the squared errors, one for each reading. Take their mean.",
        lambda k, v, h: (_estimates(k, v, h) - v) ** 2,
        "This is the root, or the error without its square: take the mean of the squares.",
        lambda k, v, h: left_out_error(k, v, h).sqrt(),
        lambda k, v, h: (_estimates(k, v, h) - v).abs().mean(),
        lambda k, v, h: (_estimates(k, v, h) - v).mean(),
        "This is the sum of the squared errors. Take their mean.",
        lambda k, v, h: left_out_error(k, v, h) * len(k),
    ),
)
def left_out_error(keys: Tensor, values: Tensor, bandwidth: float) -> Tensor:
    return _error(_scores(keys, bandwidth), values)


ENOUGH = 0.99


def _solved(keys: Tensor, wanted: int, score: float) -> Tensor:
    """The query for which key `wanted` has this score and every other key 0."""
    return score * torch.linalg.pinv(keys)[:, wanted]  # (d,)


def _fetched(query_for: Callable, keys: Tensor, wanted: int) -> tuple[int, float]:
    """How many keys get more weight than the wanted one, and its weight; what is enough counts the same."""
    ours = keys.clone()  # the learner's function may change its own
    (query,) = read_results(query_for(keys, wanted), (keys[0],), ("query",))
    if query.shape != keys[0].shape:
        raise Wrong(f"Your query has shape {shape(query)}; wanted that of a key, {shape(keys[0])}.")
    weights = (ours @ query.to(ours)).softmax(0)  # (S,)
    return int((weights > weights[wanted]).sum()), min(weights[wanted].item(), ENOUGH)


def _from_the_others(keys: Tensor, wanted: int) -> Tensor:
    return (keys[wanted] - keys.mean(0)) * len(keys) / (len(keys) - 1)


def _keys(count: int, width: int, wanted: int, seed: int) -> tuple[Tensor, int]:
    """Keys of which another one points nearly the same way as the wanted one, and is longer."""
    keys = random(count, width, seed=seed)
    keys[(wanted + 1) % count] = 1.5 * keys[wanted] + 0.4 * random(width, seed=seed + 1)
    return keys, wanted


@function(
    "2.2",
    "Ask the right question",
    {"keys with more weight": "a number", "weight of the wanted key": "a number"},
    praise="A key can be found if some direction separates it from all others; the key alone doesn't tell "
    "you which. A model learns W^Q and W^K so that such queries exist.",
    cases=[
        _keys(5, 8, 2, seed=30),
        _keys(4, 4, 3, seed=33),
        *drawn(lambda count, more, seed: _keys(count, count + more, count - 1, seed), (2, 6), (0, 4)),
    ],
    use=_fetched,
    rule="Which scores give the wanted key 99 % of the weight? Then solve `keys @ query = scores`.",
    slips=slips(
        "You used the wanted key as the query. Another key points nearly the same way and is longer, so it "
        "always scores higher. The wanted key must score high and *every other* key low.",
        *(lambda keys, wanted, c=c: c * keys[wanted] for c in (1, 10)),
        *(lambda keys, wanted, c=c: c * keys[wanted] / keys[wanted].norm() for c in (1, 10)),
        "The difference between the wanted key and the mean fails: another key lies farther out that way.",
        *(lambda keys, wanted, c=c: c * (keys[wanted] - keys.mean(0)) for c in (1, 2, 5, 10)),
        *(lambda keys, wanted, c=c: c * _from_the_others(keys, wanted) for c in (1, 2, 5, 10)),
        "The direction is right, but the query is too short. A longer query makes the softmax colder.",
        *(lambda keys, wanted, score=score: _solved(keys, wanted, score) for score in (1, 2, 3, 4, 5)),
        "The sign is wrong: this query finds every key but the wanted one.",
        *(lambda keys, wanted, score=score: _solved(keys, wanted, score) for score in (-10, -1)),
    ),
)
def query_for(keys: Tensor, wanted: int) -> Tensor:
    return _solved(keys, wanted, 10.0)


EVEN, DIVIDED, AS_THEY_ARE = (1 / 3, 1 / 3, 1 / 3), (0.5, 0.25, 0.25), (0.576, 0.212, 0.212)

numbers(
    "2.3",
    "Hot, cold and wide",
    {
        number("cold", (1, 0, 0), near=0.02): {
            EVEN: "equal weights come from a high temperature. Dividing by a small τ makes gaps wider.",
            DIVIDED: "these are the scores divided by their sum. Softmax takes exp first.",
            AS_THEY_ARE: "these are the weights at τ = 1. Let τ go to 0.",
            (0, 0.5, 0.5): "these two keys score lower. All the weight goes to the highest score.",
            OTHER: "Divide the scores by a tiny τ: the gap between the first and the others becomes huge.",
        },
        number("hot", EVEN): {
            (
                1,
                0,
                0,
            ): "all the weight on one key comes from a low temperature. A large τ makes gaps small.",
            (0, 0, 0): "the scores go to 0, all three; the weights still sum to 1.",
            DIVIDED: "these are the scores divided by their sum. Softmax takes exp first.",
            AS_THEY_ARE: "these are the weights at τ = 1. Let τ grow.",
            OTHER: "Divide the scores by a huge τ: no gap is left, and equal scores get equal weights.",
        },
        number("twice", 0.5): {
            2: "2 is inverted: doubling the query doubles the scores, and a higher τ shrinks them.",
            0.25: "a dot product is linear in the query: doubling the query doubles the score.",
            math.sqrt(0.5): "no root here: doubling the query doubles each score.",
            1: "at τ = 1 nothing changes; doubling the query doubles every score.",
            OTHER: "Twice the query is twice each score. Which τ makes s / τ twice s?",
        },
        number("std", 8, near=0.05): {
            64: "64 is the variance. The standard deviation is its square root.",
            1: "each product has standard deviation 1; the sum of 64 of them has more.",
            1 / 8: "divided the wrong way: wider vectors give larger scores.",
            4: "4 is the root of 16. The width is 64.",
            OTHER: "The variance of a sum of d_k independent products is the sum of theirs. Take its "
            "square root.",
        },
        number("louder", 16, near=0.1): {
            8: "that is the standard deviation before. Twice the query is twice each product.",
            32: "only the query is twice as large, not the keys: the product doubles once.",
            8 * math.sqrt(2): "the standard deviation, unlike the variance, doubles when the numbers double.",
            256: "256 is the variance. The standard deviation is its square root.",
            OTHER: "Twice the query is twice each product, and twice their sum.",
        },
    },
    praise="Cold picks the best key, hot averages, and a longer query acts like a lower temperature. A dot "
    "product's standard deviation grows like √d_k, times that of its inputs.",
)


def _raw_scores(fold_scale: Callable, W_query: Tensor, W_key: Tensor, x: Tensor) -> Tensor:
    """The raw dot products `(T, T)` that the new matrices make."""
    new = read_results(fold_scale(W_query, W_key), (W_query, W_key), ("new W_query", "new W_key"))
    for name, matrix in zip(("W_query", "W_key"), new, strict=True):
        if matrix.shape != W_query.shape:
            raise Wrong(
                f"The new `{name}` has shape {shape(matrix)}; wanted the old shape, {shape(W_query)}."
            )
    query, key = (x.double() @ matrix.double() for matrix in new)
    return query @ key.T


def _times(factor: Callable[[int, int], float]) -> Callable:
    """A wrong answer that multiplies the products by a function of D and d_k."""
    return lambda W_query, W_key: (W_query * factor(*W_query.shape), W_key)


def _matrices(width: int, d_k: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    return random(width, d_k, seed=seed), random(width, d_k, seed=seed + 1), random(6, width, seed=seed + 2)


@function(
    "2.4",
    "Hide the scale",
    {"raw dot products": "(T, T)"},
    praise="The matrices could learn the scale: it sets where they start and how far a step takes them.",
    cases=[_matrices(7, 10, 50), _matrices(11, 5, 53), *drawn(_matrices, (2, 9), (2, 20))],
    use=_raw_scores,
    rule="Multiply the matrices by numbers only, so that the products are the old ones divided by √d_k.",
    slips=slips(
        "Nothing has changed: the raw dot products are as large as before.",
        _times(lambda width, d_k: 1),
        "The products are divided by d_k, not by √d_k. Divide one matrix by √d_k, or both by its root.",
        _times(lambda width, d_k: 1 / d_k),
        "The products are divided by d_k^¼ only. Do that to both matrices, or divide one by √d_k.",
        _times(lambda width, d_k: d_k**-0.25),
        "You multiplied by √d_k: the scores have become larger. Divide.",
        _times(lambda width, d_k: math.sqrt(d_k)),
        "You multiplied, and the products are d_k times as large. Divide one matrix by √d_k.",
        _times(lambda width, d_k: d_k),
        "You divided by √D, the root of the number of rows. A dot product adds d_k terms, one per column.",
        _times(lambda width, d_k: 1 / math.sqrt(width)),
        "You divided by D, the number of rows. A dot product adds d_k terms, one per column.",
        _times(lambda width, d_k: 1 / width),
        "`d_k**1/2` is d_k / 2: Python takes the power first. Write `d_k**0.5` or `math.sqrt(d_k)`.",
        _times(lambda width, d_k: 2 / d_k),
        _times(lambda width, d_k: 16 / d_k**2),
        "You divided by a fixed number. d_k differs from model to model: `W_query.shape[1]`.",
        *(_times(lambda width, d_k, fixed=fixed: 1 / fixed) for fixed in (16, 256, 8, 4, 64)),
        "You divided both matrices by d_k. The products should be divided by √d_k.",
        _times(lambda width, d_k: 1 / d_k**2),
        "The two matrices are swapped: return the one for the queries first.",
        lambda W_query, W_key: (W_key, W_query / math.sqrt(W_query.shape[1])),
    ),
)
def fold_scale(W_query: Tensor, W_key: Tensor) -> tuple[Tensor, Tensor]:
    return W_query / math.sqrt(W_query.shape[1]), W_key


numbers(
    "2.5",
    "Exchange keys, exchange values",
    {
        number("keys", 19): {
            14: "14 is the output before. The query finds each key at its new position, with another value.",
            26: "26 is the output with the weights in reverse order. Only the first two keys are exchanged.",
            OTHER: "The weights of the first two positions are exchanged; the values stay: 0.2, 0.7, 0.1.",
        },
        number("values", 19): {
            14: "14 is the output before. The weights stay, and the first two values are exchanged.",
            OTHER: "The weights stay 0.7, 0.2 and 0.1, and the values become 20, 10 and 30.",
        },
        number("both", 14): {
            19: "19 is the output after one exchange. Here each value moves together with its key.",
            OTHER: "Each value moves together with its key: each value keeps its weight.",
        },
    },
    praise="To the output, exchanging keys or exchanging values is the same; exchanging both is nothing at "
    "all. So attention without positions can't see the order of its inputs (chapter 4).",
)

numbers(
    "2.6",
    "One query for two sentences",
    {
        number("gap", math.log(3)): {
            3: "3 is the ratio of the weights. Softmax takes exp of the scores: which gap has exp(gap) = 3?",
            0.4: "this is the difference of the weights. Each weight is exp(score) / sum: start from that.",
            math.log2(3): "this is log₂ 3. Softmax takes powers of e: use `math.log`.",
            math.log10(3): "this is log₁₀ 3. Softmax takes powers of e: use `math.log`.",
            -math.log(3): "the sign is wrong: the robot has the larger score.",
            OTHER: "Both weights are exp(score) / sum, with the same sum. Divide one weight by the other.",
        },
        number("box", 0.15, near=0.002): {
            0.2: "the last word's score has changed, so the sum that softmax divides by has too.",
            0.05: "this keeps the difference of the weights. Softmax keeps their ratio.",
            0.55: "this is all the rest. Other words get weight too.",
            0.45: "the two scores still differ, so the weights do.",
            OTHER: "The two scores are the same in both sentences, and so is the ratio of the two weights.",
        },
    },
    praise="The gap between two scores fixes the ratio of their weights, whatever the other words are. No "
    "training can make one lookup prefer the box in one sentence and the robot in the other.",
)


def _entropy(weights: Tensor) -> Tensor:
    return torch.special.entr(weights).sum(-1)


def _effective(weights: Tensor) -> Tensor:
    return _entropy(weights).exp()


def _search(scores: Tensor, budget: float, count: Callable = _effective, low=1e-6, high=1e6) -> float:
    """The temperature at which `count(weights)` is the budget, by halving the interval of its logarithm."""
    for _ in range(200):
        middle = math.sqrt(low * high)
        if count((scores / middle).softmax(-1)) < budget:
            low = middle
        else:
            high = middle
    return math.sqrt(low * high)


def _spoilt(weights: Tensor) -> Tensor:
    return (-(weights * weights.log()).sum()).exp()  # NaN as soon as a weight is 0


def _keys_paid_for(temperature_for: Callable, scores: Tensor, budget: float) -> float:
    ours = scores.clone()  # the learner's function may change its own
    temperature = read(temperature_for(scores, budget), 1.0, "temperature")
    if not temperature > 0:
        raise Wrong(f"A temperature is a number above 0; yours is {temperature:g}.")
    return _effective((ours.double() / temperature).softmax(-1)).item()


@function(
    "2.7",
    "A budget of keys",
    {"effective keys": "a number"},
    praise="Temperature and the number of keys set the same thing, and the second is easier to choose.",
    cases=[
        *((random(7, seed=24), 1.5), (random(7, seed=24), 6.0)),
        *((30 * random(12, seed=25), 10.5), (0.01 * random(9, seed=26), 2.5)),
        (torch.tensor([400.0, 399.0, 397.0, -500.0, -800.0]), 2.0),
        *((100 * random(8, seed=27), 7.5), (0.01 * random(6, seed=28), 1.05)),
        *drawn(lambda scale, tenths, seed: (scale * random(8, seed=seed), tenths / 10), (1, 20), (12, 70)),
    ],
    use=_keys_paid_for,
    rule="As τ grows, the number of keys rises from 1 to S. So halve an interval: try a temperature between "
    "its ends, count the keys, and keep the half that holds the budget.",
    slips=slips(
        "This is 1/τ: scores are *divided* by the temperature.",
        lambda s, b: 1 / _search(s, b),
        "The search went the wrong way. A higher temperature divides the weight among *more* keys.",
        lambda s, b: _search(s, b, lambda w: 2 * b - _effective(w)),
        "You set the entropy itself to the budget. Its exponential counts keys.",
        lambda s, b: _search(s, b, _entropy),
        lambda s, b: _search(s, b, lambda w: _entropy(w) / math.log(2)),
        "Two bases are mixed: with log₂ take 2 to its power, with ln take `exp`.",
        lambda s, b: _search(s, b, lambda w: (_entropy(w) / math.log(2)).exp()),
        lambda s, b: _search(s, b, lambda w: _entropy(w).exp2()),
        "1 / Σ w² also counts keys (the inverse participation ratio), but here use exp of the entropy.",
        lambda s, b: _search(s, b, lambda w: 1 / w.square().sum()),
        "1 / the largest weight looks at one key only.",
        lambda s, b: _search(s, b, lambda w: 1 / w.max()),
        "Perhaps a weight of 0 spoils the sum, as 0 · log 0 is NaN: use `torch.special.entr` or "
        "`torch.xlogy`. Or are the scores multiplied by τ? They are divided by it.",
        lambda s, b: _search(s.float(), b, _spoilt),
        lambda s, b: _search(s.float(), b, lambda w: _spoilt(w).nan_to_num(0)),
        "You search too small an interval: τ may be far below 1, or as large as the gaps between scores.",
        *(
            lambda s, b, low=low, high=high: _search(s, b, low=low, high=high)
            for low in (1e-6, 1e-3, 0.01, 0.1, 1)
            for high in (1, 2, 5, 10, 100)
        ),
        "You returned the budget. Which temperature spends it?",
        lambda s, b: b,
    ),
)
def temperature_for(scores: Tensor, budget: float) -> float:
    return _search(scores, budget)
