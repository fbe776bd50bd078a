"""Chapter 2: what temperature and width do to scores and weights."""

import math

import torch
from torch import Tensor

from attnbook.exercises.old import exercise, judge_function, judge_number, random, read_dict, slip

# --- 2.1 ---------------------------------------------------------------------------------------------------


@exercise(
    "2.1",
    "Hot, cold and wide",
    task=(
        "for the scores 2, 1 and 1 give the three weights when it is very `cold` and very `hot`; the "
        "temperature that does what making the query `twice` as long does; the `spread` of q · k for "
        "independent numbers of mean 0 and spread 1 with d_k = 64; and the spread when each number of "
        "the query is twice as large (`louder`)."
    ),
    praise=(
        "Cold takes the best key, hot takes the mean, and a longer query is a colder softmax. A dot "
        "product of width d_k spreads like √d_k, times the spread of the numbers that go in."
    ),
)
def hot_cold_and_wide(answer) -> str:
    given = read_dict(answer, ("cold", "hot", "twice", "spread", "louder"))
    judge_number(
        given,
        "cold",
        (1, 0, 0),
        0.02,
        [
            (
                (1 / 3, 1 / 3, 1 / 3),
                "an even share is what heat does. Dividing by a small τ makes gaps wider.",
            ),
            ((0.5, 0.25, 0.25), "these are the scores divided by their sum. Softmax takes exp first."),
            (torch.tensor([2.0, 1.0, 1.0]).softmax(0), "these are the weights at τ = 1. Let τ go to 0."),
            ((0, 0.5, 0.5), "these two score lower. All the weight goes to the highest score."),
        ],
        "Divide the scores by a tiny τ: the gap between the first and the others becomes huge.",
    )
    judge_number(
        given,
        "hot",
        (1 / 3, 1 / 3, 1 / 3),
        0.01,
        [
            ((1, 0, 0), "all for the best key is what cold does. Dividing by a large τ makes gaps small."),
            ((0, 0, 0), "the scores go to 0, all three; the weights still sum to 1."),
            ((0.5, 0.25, 0.25), "these are the scores divided by their sum. Softmax takes exp first."),
            (torch.tensor([2.0, 1.0, 1.0]).softmax(0), "these are the weights at τ = 1. Let τ grow."),
        ],
        "Divide the scores by a huge τ: no gap is left, and three equal scores share evenly.",
    )
    judge_number(
        given,
        "twice",
        0.5,
        0.001,
        [
            (
                2,
                "2 is the wrong way round. Twice the query is twice the scores; a higher τ makes them "
                "smaller.",
            ),
            (
                0.25,
                "a dot product has the query in it once: twice the query is twice the score, not four times.",
            ),
            (math.sqrt(0.5), "no root here: twice the query is twice each score."),
            (1, "at τ = 1 nothing changes; twice as long a query doubles every score."),
        ],
        "Twice the query is twice each score. Which τ makes s / τ twice s?",
    )
    _judge_spreads(given)
    return ""


def _judge_spreads(given: dict) -> None:
    rule = (
        "The variance of a sum of d_k independent products is the sum of their variances; spread is its root."
    )
    judge_number(
        given,
        "spread",
        8,
        0.05,
        [
            (64, "64 is the variance. The spread is its square root."),
            (1, "each product has spread 1; the sum of 64 of them has more."),
            (1 / 8, "divided the wrong way: wider vectors give larger scores."),
            (4, "4 is the root of 16. The width is 64."),
        ],
        rule,
    )
    judge_number(
        given,
        "louder",
        16,
        0.1,
        [
            (8, "that is the spread before. Twice the query is twice each product."),
            (32, "only the query is twice as large, not the keys: the product doubles once."),
            (8 * math.sqrt(2), "spread, unlike variance, doubles when the numbers double."),
            (256, "256 is the variance. The spread is its square root."),
        ],
        "Twice the query is twice each product, and twice their sum.",
    )


# --- 2.4 ---------------------------------------------------------------------------------------------------


def _entropy(weights: Tensor, axis: int = -1) -> Tensor:
    return torch.special.entr(weights).sum(axis)


KEYS_SLIPS = (
    slip(
        "A weight of 0 has spoilt its row: 0 · log 0 is NaN in arithmetic, and 0 in the sum you want. "
        "Use `torch.special.entr(weights)` or `torch.xlogy(weights, weights)`, or leave zeros out.",
        lambda weights: (-(weights * weights.log()).sum(-1)).exp(),
    ),
    slip("This is the entropy. Its exponential counts keys.", _entropy),
    slip(
        "Two bases are mixed: with log₂ take 2 to its power, with ln take `exp`.",
        lambda weights: (_entropy(weights) / math.log(2)).exp(),
        lambda weights: _entropy(weights).exp2(),
    ),
    slip(
        "The sign is missing: the entropy is *minus* the sum of w ln w.",
        lambda weights: (-_entropy(weights)).exp(),
    ),
    slip(
        "You summed over another axis. The weights of one query lie along the last one: `sum(-1)`.",
        lambda weights: _entropy(weights, -2).exp(),
        lambda weights: _entropy(weights, 0).exp(),
    ),
    slip(
        "You summed over everything: one count for each query is wanted, shape `(…)`.",
        lambda weights: torch.special.entr(weights).sum().exp(),
        lambda weights: _entropy(weights).exp().mean(),
        lambda weights: _entropy(weights).mean().exp(),
    ),
    slip(
        "You took the mean over the keys in place of the sum.",
        lambda weights: torch.special.entr(weights).mean(-1).exp(),
    ),
    slip(
        "1 / Σ w² is a count of keys as well, another one (the inverse participation ratio). Here: exp "
        "of the entropy.",
        lambda weights: 1 / weights.square().sum(-1),
    ),
    slip(
        "You counted the weights that are not 0. A key with next to no weight should count for next to "
        "nothing.",
        lambda weights: (weights > 0).sum(-1),
    ),
    slip("1 / the largest weight looks at one key only.", lambda weights: 1 / weights.amax(-1)),
)


@exercise(
    "2.4",
    "Count the keys",
    task=(
        "write `effective_keys(weights)` for weights `(…, S)`: exp(−Σ w ln w) along the last axis, "
        "shape `(…)`, also where some weights are 0."
    ),
    praise=(
        "1 where one key takes all, S where all share alike, and everything between. It is the count "
        "behind the figures of this chapter."
    ),
)
def effective_keys(answer) -> str:
    some = torch.eye(5).repeat(2, 1)  # all weight on one key
    some[1] = torch.tensor([0.5, 0.25, 0.25, 0.0, 0.0])
    return judge_function(
        answer,
        call="effective_keys(weights)",
        cases=[
            {"weights": (2 * random(3, 5, 7, seed=24)).softmax(-1)},
            {"weights": some},
            {"weights": random(6, seed=25).softmax(-1)},
        ],
        right=lambda weights: _entropy(weights).exp(),
        returns={"count": "(…)"},
        slips=KEYS_SLIPS,
    )
