"""Chapter 6: causal attention, for all positions at once or for the newest only."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from attnbook.attention import masked_softmax
from attnbook.exercises.old import exercise, judge_function, random, slip


def _allowed(query: Tensor, key: Tensor, shift: int = 0) -> Tensor:
    """Who may attend to whom: the queries are the last of the keys' positions."""
    new, total = query.shape[-2], key.shape[-2]
    return torch.ones(new, total, dtype=torch.bool).tril(total - new + shift)  # (N, T)


def _scores(query: Tensor, key: Tensor) -> Tensor:
    return query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])  # (…, N, T)


def _causal(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    return masked_softmax(_scores(query, key), _allowed(query, key)) @ value


def _with(weights_of: Callable[[Tensor, Tensor], Tensor], mask_of: Callable = _allowed) -> Callable:
    """The exercise done with other weights `weights_of(scores, mask)`, or another mask."""
    return lambda query, key, value: weights_of(_scores(query, key), mask_of(query, key)) @ value


def _hidden(low: float) -> Callable:
    return lambda scores, mask: scores.masked_fill(~mask, low).softmax(-1)


def _corner(query: Tensor, key: Tensor) -> Tensor:
    """Lower triangle from the top left, as if the queries were the first positions."""
    return torch.ones(query.shape[-2], key.shape[-2], dtype=torch.bool).tril()


def _renormalised(scores: Tensor, mask: Tensor) -> Tensor:
    weights = scores.softmax(-1) * mask
    return weights / weights.sum(-1, keepdim=True)


BIG = _hidden(-1e9)

CAUSAL_SLIPS = (
    slip(
        "You masked after softmax: hidden weights are 0, but the rows no longer sum to 1, and later words "
        "still sit in the denominator. Set their scores to -inf, then take softmax.",
        _with(lambda scores, mask: scores.softmax(-1) * mask),
    ),
    slip(
        "You masked after softmax and divided by the sum again. On paper that is right; here one later key "
        "has so large a score that softmax left nothing for the others: 0/0. Set scores to -inf before "
        "softmax, and they can be as large as they like.",
        _with(_renormalised),
        _with(lambda scores, mask: _renormalised(scores, mask).nan_to_num()),
    ),
    slip(
        "The mask is upside down: you hid the past and showed the future. `tril` is True where a query may "
        "look, so it is `~mask` that gets -inf.",
        _with(_hidden(-math.inf), lambda query, key: ~_allowed(query, key)),
        _with(BIG, lambda query, key: ~_allowed(query, key)),
        _with(masked_softmax, lambda query, key: ~_allowed(query, key)),
        _with(_hidden(-math.inf), lambda query, key: _allowed(query, key, -1).logical_not()),
        _with(BIG, lambda query, key: _allowed(query, key, -1).logical_not()),
    ),
    slip(
        "You hid the diagonal too. Each word may attend to itself: the right shift has already taken care "
        "that it does not hold its own answer. (And the first word would have nothing to attend to.)",
        _with(_hidden(-math.inf), lambda query, key: _allowed(query, key, -1)),
        _with(BIG, lambda query, key: _allowed(query, key, -1)),
        _with(masked_softmax, lambda query, key: _allowed(query, key, -1)),
    ),
    slip(
        "One key too many: each word may also see the one right after it, and that is the very token it "
        "must write. The diagonal is the last that is open.",
        _with(_hidden(-math.inf), lambda query, key: _allowed(query, key, 1)),
        _with(BIG, lambda query, key: _allowed(query, key, 1)),
    ),
    slip(
        "Right for N = T. With fewer queries than keys your triangle starts in the top left corner, as if "
        "the queries were the first words. They are the last: query i stands at position T - N + i, so "
        "`tril(T - N)`.",
        _with(_hidden(-math.inf), _corner),
        _with(BIG, _corner),
        _with(masked_softmax, _corner),
    ),
    slip(
        "You set the hidden scores to 0. But 0 is an ordinary score, and exp(0) = 1: later words still get "
        "weight. Only -inf becomes a weight of 0.",
        _with(lambda scores, mask: (scores * mask).softmax(-1)),
    ),
    slip(
        "You added the mask to the scores: True counts as 1 and False as 0. That nudges the scores and hides "
        "nothing.",
        _with(lambda scores, mask: (scores + mask).softmax(-1)),
    ),
    slip(
        "The mask does nothing yet: every word sees them all.", _with(lambda scores, mask: scores.softmax(-1))
    ),
    slip(
        "The scale is missing: divide the scores by √d before softmax.",
        lambda query, key, value: _causal(query * math.sqrt(query.shape[-1]), key, value),
    ),
    slip(
        "Softmax ran over the queries. Each query's row should sum to 1: `dim=-1`.",
        _with(lambda scores, mask: scores.masked_fill(~mask, -math.inf).softmax(-2)),
        _with(lambda scores, mask: scores.masked_fill(~mask, -math.inf).softmax(-2).nan_to_num()),
        _with(lambda scores, mask: scores.masked_fill(~mask, -1e9).softmax(-2)),
    ),
    slip(
        "These are the weights. One step is left: `weights @ value`.",
        lambda query, key, value: masked_softmax(_scores(query, key), _allowed(query, key)),
    ),
)


@exercise(
    "6.3",
    "Causal attention for the newest words",
    task=(
        "write `causal_attention(query, key, value)` for query `(…, N, d)`, key `(…, T, d)` and value `(…, "
        "T, d_v)`: the N queries are the last N of the T positions, and each sees itself and what came "
        "before. It returns `(…, N, d_v)`."
    ),
    praise=(
        "N = T is training, N = 1 a step of decoding with a cache, where the mask hides nothing at all. "
        "In between lies a text that is read in pieces. PyTorch's `is_causal=True` starts its triangle in "
        "the top left corner: right for N = T only."
    ),
)
def causal_attention(answer) -> str:
    def case(*front: int, new: int, total: int, seed: int, loud: float = 1.0) -> dict:
        query, key = random(*front, new, 7, seed=seed), random(*front, total, 7, seed=seed + 1)
        if loud > 1:  # the last key shouts at the first query
            key[..., -1, :] = loud * query[..., 0, :]
        return {"query": query, "key": key, "value": random(*front, total, 4, seed=seed + 2)}

    return judge_function(
        answer,
        call="causal_attention(query, key, value)",
        cases=[
            case(2, 3, new=5, total=5, seed=200),
            case(3, new=2, total=6, seed=203),
            case(2, new=1, total=4, seed=206),
            case(new=3, total=8, seed=209),
            case(2, new=4, total=4, seed=212, loud=400.0),
        ],
        right=_causal,
        returns={"output": "(…, N, d_v)"},
        slips=CAUSAL_SLIPS,
    )
