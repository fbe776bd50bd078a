"""Chapter 4: scaled dot-product attention, whatever axes stand in front."""

import math

from torch import Tensor

from attnbook.attention import scaled_dot_product_attention
from attnbook.exercises.old import exercise, judge_function, random, slip


def _attend(query: Tensor, key: Tensor, value: Tensor, scale: float | None = None) -> Tensor:
    return scaled_dot_product_attention(query, key, value, scale=scale)[0]


def _scaled(query: Tensor, key: Tensor) -> Tensor:
    return query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])  # (…, T, S)


ATTENTION_SLIPS = (
    slip(
        "The scale is missing: divide the scores by √d before softmax. Without it, wide vectors give "
        "large scores, and softmax puts nearly everything on one key.",
        lambda query, key, value: _attend(query, key, value, 1.0),
    ),
    slip(
        "You divided by d; it is √d. A sum of d products spreads like √d, so that is what brings it "
        "back to size 1.",
        lambda query, key, value: _attend(query, key, value, 1 / query.shape[-1]),
    ),
    slip(
        "You multiplied by √d: large scores became larger. Divide.",
        lambda query, key, value: _attend(query, key, value, math.sqrt(query.shape[-1])),
    ),
    slip(
        "You divided by the root of another size. d is the width of a query and a key, "
        "`query.shape[-1]`: it is their product that grows with it. The number of positions and the "
        "width of the values play no part.",
        lambda query, key, value: _attend(query, key, value, 1 / math.sqrt(value.shape[-1])),
        lambda query, key, value: _attend(query, key, value, 1 / math.sqrt(key.shape[-2])),
        lambda query, key, value: _attend(query, key, value, 1 / math.sqrt(query.shape[-2])),
        lambda query, key, value: _attend(query, key, value, 1 / math.sqrt(query.shape[0])),
        lambda query, key, value: _attend(query, key, value, 1 / math.sqrt(query.shape[1])),
    ),
    slip(
        "You scaled after softmax: the rows of your weights no longer sum to 1, and softmax has met "
        "the large scores anyway. Divide the scores, then take softmax.",
        lambda query, key, value: _attend(query, key, value, 1.0) / math.sqrt(query.shape[-1]),
        lambda query, key, value: _attend(query, key, value) / math.sqrt(query.shape[-1]),
    ),
    slip(
        "Softmax ran over the queries: your weights sum to 1 down the columns. Each query's row should "
        "sum to 1, so use `dim=-1`. (Counted from the front the axes shift as soon as heads come in: "
        "count from the end.)",
        lambda query, key, value: _scaled(query, key).softmax(-2) @ value,
    ),
    slip(
        "Softmax ran over the batch or the heads, which have nothing to do with one another. Each "
        "query's row should sum to 1: `dim=-1`, whatever comes before.",
        lambda query, key, value: _scaled(query, key).softmax(0) @ value,
    ),
    slip(
        "You blended the keys. Keys are for finding, values are what is fetched: `weights @ value`.",
        lambda query, key, value: _attend(query, key, key),
    ),
    slip(
        "`view` (or `reshape`) is not `transpose`: the shape fits, but the keys are mixed up. "
        "`key.transpose(-2, -1)` swaps the last two axes.",
        lambda query, key, value: (
            (query @ key.reshape(*key.shape[:-2], key.shape[-1], -1) / math.sqrt(query.shape[-1])).softmax(-1)
            @ value
        ),
    ),
    slip(
        "You used batch item 0 only. Keep every axis in front; `@` works on the last two.",
        lambda query, key, value: _attend(query[0], key[0], value[0]),
        lambda query, key, value: _attend(query[:1], key[:1], value[:1]),
        lambda query, key, value: _attend(query, key[:1].expand_as(key), value[:1].expand_as(value)),
        lambda query, key, value: _scaled(query[:1], key[:1]).softmax(-1) @ value,
    ),
    slip(
        "These are the weights. One step is left: `weights @ value`.",
        lambda query, key, value: _scaled(query, key).softmax(-1),
    ),
    slip(
        "Softmax is missing between the scores and the values.",
        lambda query, key, value: _scaled(query, key) @ value,
    ),
)


@exercise(
    "4.2",
    "Attention in three lines",
    task=(
        "write `attention(query, key, value)` for `(…, T, d)`, `(…, S, d)` and `(…, S, d_v)`, which "
        "returns softmax(Q Kᵀ / √d) V of shape `(…, T, d_v)`, whatever axes stand in front."
    ),
    praise="The same three lines serve one sentence, a batch, and a batch of heads, since `@` leaves the "
    "axes in front alone.",
)
def attention(answer) -> str:
    def case(*front: int, queries: int, keys: int, seed: int) -> dict:
        query, key = random(*front, queries, 11, seed=seed), random(*front, keys, 11, seed=seed + 1)
        return {"query": query, "key": key, "value": random(*front, keys, 13, seed=seed + 2)}

    return judge_function(
        answer,
        call="attention(query, key, value)",
        cases=[
            case(3, queries=5, keys=7, seed=80),
            case(2, 3, queries=5, keys=7, seed=83),
            case(queries=4, keys=6, seed=86),
        ],
        right=_attend,
        returns={"output": "(…, T, d_v)"},
        slips=ATTENTION_SLIPS,
    )
