"""Chapter 4: the whole of multi-head self-attention."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from attnbook.exercises.chapter04_heads import MERGE_SLIPS, SPLIT_SLIPS, merge_heads, split_heads
from attnbook.exercises.old import exercise, judge_function, random, slip


def _multi_head(
    x: Tensor,
    W_query: Tensor,
    W_key: Tensor,
    W_value: Tensor,
    W_output: Tensor,
    num_heads: int,
    *,
    scale: float | None = None,
    axis: int = -1,
    split=split_heads,
    merge=merge_heads,
) -> Tensor:
    """The right answer; the keywords make the wrong ones."""
    query, key, value = (split(x @ weight, num_heads) for weight in (W_query, W_key, W_value))  # (B, H, T, d)
    scale = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    scores = query @ key.transpose(-2, -1) * scale  # (B, H, T, T)
    return merge(scores.softmax(axis) @ value) @ W_output  # (B, T, D)


def _but(change: Callable[..., dict]) -> Callable:
    """`_multi_head` on other inputs, or with other keywords: whatever `change` makes of the right ones."""
    return lambda **inputs: _multi_head(**(inputs | change(**inputs)))


def _eye(x: Tensor) -> Tensor:
    return torch.eye(x.shape[-1], dtype=x.dtype)


def _transposed(*names: str) -> Callable:
    return lambda **inputs: {name: inputs[name].T for name in names}


def _uncut(x: Tensor, num_heads: int) -> Tensor:
    return x.unflatten(-1, (num_heads, -1))  # (B, T, H, d): the heads are not swapped to the front


VIEWED, UNMERGED = SPLIT_SLIPS[0].wrongs[0], MERGE_SLIPS[0].wrongs[0]

MULTI_HEAD_SLIPS = (
    slip(
        "You divided by √D, the whole width. Each head compares vectors of width d = D / H only: "
        "divide by √d, `query.shape[-1] ** 0.5` after the split.",
        _but(lambda x, **_: {"scale": x.shape[-1] ** -0.5}),
    ),
    slip(
        "The scale is missing: divide the scores by √d, the width of one head.",
        _but(lambda **_: {"scale": 1.0}),
    ),
    slip(
        "You divided by the width of a head. Divide by its square root.",
        _but(lambda x, num_heads, **_: {"scale": num_heads / x.shape[-1]}),
    ),
    slip(
        "You divided by √H, the number of heads. It is √d, the width of one.",
        _but(lambda num_heads, **_: {"scale": num_heads**-0.5}),
    ),
    slip(
        "This is attention with a single head: `num_heads` changed nothing. Split the projected "
        "queries, keys and values into heads before the scores.",
        _but(lambda **_: {"num_heads": 1}),
    ),
    slip(
        "Softmax ran over the queries, or over the heads: each query's row should sum to 1. Use `dim=-1`.",
        _but(lambda **_: {"axis": -2}),
        _but(lambda **_: {"axis": 1}),
        _but(lambda **_: {"axis": 0}),
    ),
    slip(
        "Split with `view` alone: head 0 got whole words instead of a slice of every word. Cut to (B, "
        "T, H, d), then `transpose(1, 2)`.",
        _but(lambda **_: {"split": VIEWED}),
        _but(lambda **_: {"split": VIEWED, "merge": UNMERGED}),
    ),
    slip(
        "Cut into heads but not swapped: with (B, T, H, d) the heads of one word attend to one "
        "another, and no word sees another. `transpose(1, 2)` before the scores.",
        _but(lambda **_: {"split": _uncut, "merge": lambda heads: heads.flatten(-2)}),
        _but(lambda **_: {"split": _uncut, "merge": lambda y: y.transpose(1, 2).reshape(*y.shape[:2], -1)}),
    ),
    slip(
        "Merged without swapping back: each row now mixes several words. `transpose(1, 2)` first, then "
        "join the last two axes.",
        _but(lambda **_: {"merge": UNMERGED}),
    ),
    slip(
        "The last step is missing: `W_output` mixes what the heads found. Multiply the merged heads by it.",
        _but(lambda x, **_: {"W_output": _eye(x)}),
    ),
    slip(
        "Queries, keys and values are x itself: multiply by the matrices first, `x @ W_query` and so on.",
        _but(lambda x, **_: {"W_query": _eye(x), "W_key": _eye(x), "W_value": _eye(x)}),
        _but(lambda x, **_: dict.fromkeys(("W_query", "W_key", "W_value", "W_output"), _eye(x))),
    ),
    slip(
        "The queries or the keys are not projected: x went straight into the scores. Q, K and V are "
        "three projections of the same x: `x @ W_query`.",
        _but(lambda x, **_: {"W_query": _eye(x)}),
        _but(lambda x, **_: {"W_key": _eye(x)}),
        _but(lambda x, **_: {"W_query": _eye(x), "W_key": _eye(x)}),
    ),
    slip("The values are not projected: use `x @ W_value`.", _but(lambda x, **_: {"W_value": _eye(x)})),
    slip(
        "The keys serve as values too. Each has a projection of its own: the values are `x @ W_value`.",
        _but(lambda W_key, **_: {"W_value": W_key}),
    ),
    slip(
        "Keys or values went through `W_query`: each has its own matrix.",
        _but(lambda W_query, **_: {"W_key": W_query, "W_value": W_query}),
        _but(lambda W_query, **_: {"W_value": W_query}),
    ),
    slip(
        "Queries and keys have changed places: the row of a word shows who looks at it, not where it "
        "looks. Queries are `x @ W_query` and stand on the left of `@`.",
        _but(lambda W_query, W_key, **_: {"W_query": W_key, "W_key": W_query}),
    ),
    slip(
        "The queries or the keys come from the wrong place: `x @ W_query` makes the queries, `x @ "
        "W_key` the keys.",
        _but(lambda W_key, **_: {"W_query": W_key}),
        _but(lambda W_value, **_: {"W_query": W_value}),
        _but(lambda W_query, **_: {"W_key": W_query}),
    ),
    slip(
        "You multiplied by the transposed matrices. That is how `nn.Linear` keeps its weight, (out, "
        "in); here they are (in, out): `x @ W_query`. They are square, so no error warned you.",
        _but(_transposed("W_query", "W_key", "W_value", "W_output")),
        _but(_transposed("W_query", "W_key", "W_value")),
    ),
    slip(
        "You used batch item 0 only: keep the batch axis.",
        _but(lambda x, **_: {"x": x[:1]}),
        _but(lambda x, **_: {"x": x[:1].expand_as(x)}),
        lambda x, **others: _multi_head(x[:1], **others)[0],
    ),
)


@exercise(
    "4.5",
    "Multi-head self-attention",
    task=(
        "write `multi_head(x, W_query, W_key, W_value, W_output, num_heads)` for x `(B, T, D)` and "
        "four matrices `(D, D)` used as `x @ W`, which returns `(B, T, D)`."
    ),
    praise="That is the whole of multi-head self-attention. `MultiHeadAttention` in the package adds "
    "biases, a mask and dropout, and nothing else.",
)
def multi_head(answer) -> str:
    def case(batch: int, length: int, num_heads: int, width: int, seed: int) -> dict:
        d_model = num_heads * width
        names = ("W_query", "W_key", "W_value", "W_output")
        weights = {
            name: random(d_model, d_model, seed=seed + i) / math.sqrt(d_model)
            for i, name in enumerate(names, 1)
        }
        return {"x": 2 * random(batch, length, d_model, seed=seed), **weights, "num_heads": num_heads}

    return judge_function(
        answer,
        call="multi_head(x, W_query, W_key, W_value, W_output, num_heads)",
        cases=[case(3, 5, 4, 6, seed=100), case(2, 7, 2, 5, seed=110), case(1, 4, 1, 3, seed=120)],
        right=_multi_head,
        returns={"output": "(B, T, D)"},
        slips=MULTI_HEAD_SLIPS,
    )
