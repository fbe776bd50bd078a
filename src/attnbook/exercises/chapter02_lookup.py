"""Chapter 2: a soft lookup, and regression with a kernel."""

import math

from torch import Tensor

from attnbook.exercises.old import exercise, judge_function, random, slip

# --- 2.2 ---------------------------------------------------------------------------------------------------


def _look_up(query: Tensor, keys: Tensor, values: Tensor, temperature: float) -> Tensor:
    return (keys @ query / temperature).softmax(0) @ values


LOOKUP_SLIPS = (
    slip(
        "You multiplied by the temperature. Cold sharpens: divide the scores by it.",
        lambda query, keys, values, temperature: _look_up(query, keys, values, 1 / temperature),
    ),
    slip(
        "The temperature does nothing yet: divide the scores by it.",
        lambda query, keys, values, temperature: _look_up(query, keys, values, 1.0),
    ),
    slip(
        "The temperature came after softmax: your weights no longer sum to 1. Divide the scores, then "
        "softmax.",
        lambda query, keys, values, temperature: _look_up(query, keys, values, 1.0) / temperature,
    ),
    slip(
        "You divided by √d as well. Here the temperature alone divides the scores.",
        lambda query, keys, values, temperature: _look_up(
            query, keys, values, temperature * math.sqrt(len(query))
        ),
        lambda query, keys, values, temperature: _look_up(query, keys, values, math.sqrt(len(query))),
    ),
    slip(
        "exp of a large score is infinite, and infinity divided by infinity is NaN. `torch.softmax` "
        "subtracts the largest score first, which changes no weight.",
        lambda query, keys, values, temperature: (
            (keys @ query / temperature).exp() @ values / (keys @ query / temperature).exp().sum()
        ),
        lambda query, keys, values, temperature: (
            ((keys @ query / temperature).exp() / (keys @ query / temperature).exp().sum()) @ values
        ),
    ),
    slip(
        "You fetched the best key's value alone: a hard lookup, which has no gradient. Blend all values.",
        lambda query, keys, values, temperature: values[(keys @ query).argmax()],
    ),
    slip(
        "Softmax is missing between the scores and the values.",
        lambda query, keys, values, temperature: keys @ query / temperature @ values,
        lambda query, keys, values, temperature: keys @ query @ values,
    ),
    slip(
        "You divided the scores by their sum. Scores may be negative: softmax takes exp of each first.",
        lambda query, keys, values, temperature: (keys @ query / (keys @ query).sum()) @ values,
    ),
    slip(
        "exp without the division by the sum: these are no weights yet.",
        lambda query, keys, values, temperature: (keys @ query / temperature).exp() @ values,
    ),
    slip(
        "You blended the keys. Labels are for finding; what you take home is what lies behind them.",
        lambda query, keys, values, temperature: _look_up(query, keys, keys, temperature),
    ),
    slip(
        "These are the weights. One step is left: `weights @ values`.",
        lambda query, keys, values, temperature: (keys @ query / temperature).softmax(0),
    ),
    slip(
        "Your scores are distances. This lookup scores by the dot product of the query with each key.",
        lambda query, keys, values, temperature: (
            (-((query - keys) ** 2).sum(1) / 2 / temperature).softmax(0) @ values
        ),
        lambda query, keys, values, temperature: (
            (-((query - keys) ** 2).sum(1) / temperature).softmax(0) @ values
        ),
    ),
    slip("This is the plain mean of the values.", lambda query, keys, values, temperature: values.mean(0)),
)


@exercise(
    "2.2",
    "A soft lookup",
    task=(
        "write `soft_lookup(query, keys, values, temperature)` for a query `(d,)`, keys `(S, d)`, "
        "values `(S, d_v)` and a number above 0: softmax of the dot products divided by the "
        "temperature, times the values, shape `(d_v,)`."
    ),
    praise=(
        "Three steps: score, softmax, blend. At a low temperature it is nearly a dictionary, and "
        "unlike one it has a gradient."
    ),
)
def soft_lookup(answer) -> str:
    def case(keys: int, width: int, temperature: float, seed: int) -> dict:
        inputs = {"query": random(width, seed=seed), "keys": random(keys, width, seed=seed + 1)}
        return inputs | {"values": random(keys, 3, seed=seed + 2), "temperature": temperature}

    return judge_function(
        answer,
        call="soft_lookup(query, keys, values, temperature)",
        cases=[case(7, 5, 0.7, 30), case(4, 6, 3.0, 33), case(6, 4, 0.01, 36)],
        right=_look_up,
        returns={"output": "(d_v,)"},
        slips=LOOKUP_SLIPS,
    )


# --- 2.3 ---------------------------------------------------------------------------------------------------


def _scores(keys: Tensor, bandwidth: float) -> Tensor:
    return -((keys[:, None] - keys) ** 2) / (2 * bandwidth**2)  # (S, S)


def _error(scores: Tensor, values: Tensor, own: float = -math.inf) -> Tensor:
    """The mean squared error of a regression in which each reading's own score is `own`."""
    weights = scores.clone().fill_diagonal_(own).softmax(-1)  # (S, S)
    return ((weights @ values - values) ** 2).mean()


def _left_out(keys: Tensor, values: Tensor, bandwidth: float) -> Tensor:
    return _error(_scores(keys, bandwidth), values)


def _after_softmax(keys: Tensor, values: Tensor, bandwidth: float) -> Tensor:
    weights = _scores(keys, bandwidth).softmax(-1).fill_diagonal_(0)
    return ((weights @ values - values) ** 2).mean()


def _estimates(keys: Tensor, values: Tensor, bandwidth: float) -> Tensor:
    return _scores(keys, bandwidth).fill_diagonal_(-math.inf).softmax(-1) @ values


LEAVE_OUT_SLIPS = (
    slip(
        "Each reading still helps to predict itself: it is its own nearest key. Close the diagonal "
        "before softmax.",
        lambda keys, values, bandwidth: _error(_scores(keys, bandwidth), values, own=0.0),
    ),
    slip(
        "You set the readings' own weights to 0 after softmax: the rest of each row sums to less than "
        "1. Close the diagonal before softmax, or divide by what is left.",
        _after_softmax,
    ),
    slip(
        "The bandwidth is not squared: the kernel is exp(−(k − k')² / (2h²)).",
        lambda keys, values, bandwidth: _error(_scores(keys, bandwidth) * bandwidth, values),
    ),
    slip(
        "The 2 in 2h² is missing, or half of the square is.",
        lambda keys, values, bandwidth: _error(2 * _scores(keys, bandwidth), values),
        lambda keys, values, bandwidth: _error(_scores(keys, bandwidth) / 2, values),
    ),
    slip(
        "You multiplied by the bandwidth. A wide kernel lets far readings in: divide by h².",
        lambda keys, values, bandwidth: _error(_scores(keys, 1 / bandwidth), values),
    ),
    slip(
        "The distances are not squared: that is another kernel, exp(−|k − k'| …).",
        lambda keys, values, bandwidth: _error(-(keys[:, None] - keys).abs() / (2 * bandwidth**2), values),
        lambda keys, values, bandwidth: _error(-(keys[:, None] - keys).abs() / bandwidth, values),
    ),
    slip(
        "The minus is missing: now the farthest readings get the most weight.",
        lambda keys, values, bandwidth: _error(-_scores(keys, bandwidth), values),
    ),
    slip(
        "These are the estimates. What is asked for is one number: the mean of their squared errors.",
        _estimates,
    ),
    slip(
        "These are the squared errors, one for each reading. Take their mean.",
        lambda keys, values, bandwidth: (_estimates(keys, values, bandwidth) - values) ** 2,
    ),
    slip(
        "This is the root of what is asked for, or the error without its square: take the mean of the "
        "squares.",
        lambda keys, values, bandwidth: _left_out(keys, values, bandwidth).sqrt(),
        lambda keys, values, bandwidth: (_estimates(keys, values, bandwidth) - values).abs().mean(),
        lambda keys, values, bandwidth: (_estimates(keys, values, bandwidth) - values).mean(),
    ),
    slip(
        "This is the sum of the squared errors. Take their mean.",
        lambda keys, values, bandwidth: _left_out(keys, values, bandwidth) * len(keys),
    ),
)


@exercise(
    "2.3",
    "Leave one out",
    task=(
        "write `left_out_error(keys, values, bandwidth)` for keys `(S,)` and values `(S,)`: predict "
        "each reading by kernel regression from all *other* readings, and return the mean of the "
        "squared errors, one number."
    ),
    praise=(
        "Now you can choose a bandwidth without knowing the true curve: take the one with the smallest "
        "error. And you have written a mask: a query that may not attend to its own key."
    ),
)
def left_out_error(answer) -> str:
    def case(readings: int, bandwidth: float, seed: int) -> dict:
        keys = 4 * random(readings, seed=seed)
        return {
            "keys": keys,
            "values": keys.sin() + 0.3 * random(readings, seed=seed + 1),
            "bandwidth": bandwidth,
        }

    return judge_function(
        answer,
        call="left_out_error(keys, values, bandwidth)",
        cases=[case(9, 1.7, 40), case(12, 3.1, 42)],
        right=_left_out,
        returns={"error": "()"},
        slips=LEAVE_OUT_SLIPS,
    )
