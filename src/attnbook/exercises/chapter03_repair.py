"""Chapter 3, the repair, with dot products for a whole batch and with additive scores."""

import torch
from torch import Tensor

from attnbook.attention import scaled_dot_product_attention
from attnbook.exercises.old import exercise, judge_function, random, slip

# --- 3.3 ---------------------------------------------------------------------------------------------------


def _dot(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    return scaled_dot_product_attention(query, key, value, scale=1.0)[0]


def _scores(query: Tensor, key: Tensor) -> Tensor:
    return query @ key.transpose(-2, -1)  # (…, T, S)


DOT_SLIPS = (
    slip(
        "Your weights sum to 1 down the columns: softmax ran over the queries. Each query spreads its "
        "own attention over the keys, so each query's row should sum to 1: the scores are (B, T, S), "
        "and softmax takes `dim=-1`.",
        lambda query, key, value: _scores(query, key).softmax(-2) @ value,
    ),
    slip(
        "Softmax ran over the batch: `dim=0`. That lets one sentence take attention from another. Each "
        "query's row should sum to 1: `dim=-1`.",
        lambda query, key, value: _scores(query, key).softmax(0) @ value,
    ),
    slip(
        "`view` (or `reshape`) is not `transpose`. Both give the shape (B, d, S), but `view` deals the "
        "same numbers out again in the old order, and the keys get mixed up. `key.transpose(1, 2)` "
        "swaps the axes.",
        lambda query, key, value: (query @ key.reshape(key.shape[0], key.shape[2], -1)).softmax(-1) @ value,
    ),
    slip(
        "You used batch item 0 only, like the article's `Q[0]` and `K[0]`. Each item of the batch has "
        "queries, keys and values of its own: keep the batch axis, and let `@` work on the last two.",
        lambda query, key, value: _dot(query[0], key[0], value[0]),
        lambda query, key, value: _dot(query[:1], key[:1], value[:1]),
        lambda query, key, value: _dot(query[:1], key[:1], value[:1]).expand(len(query), -1, -1),
        lambda query, key, value: _dot(query, key[:1].expand_as(key), value),
        lambda query, key, value: _dot(query, key[:1].expand_as(key), value[:1].expand_as(value)),
        lambda query, key, value: _dot(query, key, value[:1].expand_as(value)),
        lambda query, key, value: _scores(query[:1], key[:1]).softmax(-1) @ value,
    ),
    slip(
        "You divided the scores by √d. That is chapter 4's idea, and a good one; here the task is "
        "Luong's plain dot product, without a scale.",
        lambda query, key, value: scaled_dot_product_attention(query, key, value)[0],
    ),
    slip(
        "These are the scores times the values: softmax is missing. Scores can be negative and of any "
        "size; softmax makes weights of them that sum to 1.",
        lambda query, key, value: _scores(query, key) @ value,
    ),
    slip(
        "These are the weights. One step is left: blend the values with them, `weights @ value`.",
        lambda query, key, value: _scores(query, key).softmax(-1),
    ),
)


@exercise(
    "3.3",
    "Dot attention for a batch",
    task=(
        "write `dot_attention(query, key, value)` for `(B, T, d)`, `(B, S, d)` and `(B, S, d_v)`, "
        "which returns the output `(B, T, d_v)`; plain dot products, no scale."
    ),
    praise=(
        "Any number of queries and keys, any batch, and not one parameter. Now every weight comes from "
        "comparing a query with a key."
    ),
)
def dot_attention(answer) -> str:
    def case(batch: int, queries: int, keys: int, width: int, seed: int) -> dict:
        query, key = random(batch, queries, width, seed=seed), random(batch, keys, width, seed=seed + 1)
        return {"query": query, "key": key, "value": random(batch, keys, 6, seed=seed + 2)}

    return judge_function(
        answer,
        call="dot_attention(query, key, value)",
        cases=[case(3, 5, 7, 4, seed=30), case(2, 1, 9, 5, seed=33), case(1, 4, 1, 3, seed=36)],
        right=_dot,
        returns={"output": "(B, T, d_v)"},
        slips=DOT_SLIPS,
    )


# --- 3.5 ---------------------------------------------------------------------------------------------------


def _sums(query: Tensor, key: Tensor, W_query: Tensor, W_key: Tensor) -> Tensor:
    return (query @ W_query).unsqueeze(2) + (key @ W_key).unsqueeze(1)  # (B, T, S, h)


def _additive(query: Tensor, key: Tensor, W_query: Tensor, W_key: Tensor, v: Tensor) -> Tensor:
    return torch.tanh(_sums(query, key, W_query, W_key)) @ v  # (B, T, S)


NO_TANH = (
    "The tanh is missing, or stands round each part alone. Then the score is one number from the query "
    "plus one from the key, and softmax ignores what is the same for all keys: every query gets the "
    "*same* weights, and the query has lost its say. tanh goes round the sum."
)
ADDITIVE_SLIPS = (
    slip(
        NO_TANH,
        lambda query, key, W_query, W_key, v: _sums(query, key, W_query, W_key) @ v,
        lambda query, key, W_query, W_key, v: (
            (
                _sums(query, key, W_query, W_key).mul(0)
                + torch.tanh(query @ W_query).unsqueeze(2)
                + torch.tanh(key @ W_key).unsqueeze(1)
            )
            @ v
        ),
        lambda query, key, W_query, W_key, v: torch.tanh(_sums(query, key, W_query, W_key) @ v),
    ),
    slip(
        "These are weights already: softmax comes later. The task asks for the scores.",
        lambda **inputs: _additive(**inputs).softmax(-1),
        lambda **inputs: _additive(**inputs).softmax(-2),
    ),
    slip(
        "`v` is missing, or became a plain sum. Each (query, key) pair gives `h` numbers; their dot "
        "product with `v` is the score: `... @ v`.",
        lambda query, key, W_query, W_key, v: torch.tanh(_sums(query, key, W_query, W_key)),
        lambda query, key, W_query, W_key, v: torch.tanh(_sums(query, key, W_query, W_key)).sum(-1),
    ),
    slip(
        "You used batch item 0 only. Each item of the batch has queries and keys of its own: keep the "
        "batch axis.",
        lambda query, key, **weights: _additive(query[:1], key[:1], **weights),
        lambda query, key, **weights: _additive(query[:1], key[:1], **weights)[0],
        lambda query, key, **weights: _additive(query, key[:1], **weights),
        lambda query, key, **weights: _additive(query[:1], key, **weights),
        lambda query, key, **weights: _additive(query[:1], key[:1], **weights).expand(len(query), -1, -1),
    ),
)


@exercise(
    "3.5",
    "Additive scores",
    task=(
        "write `additive_scores(query, key, W_query, W_key, v)` for query `(B, T, d_q)`, key `(B, S, "
        "d_k)`, `W_query (d_q, h)`, `W_key (d_k, h)` and `v (h,)`, which returns the scores `(B, T, "
        "S)`: v · tanh(q W_query + k W_key)."
    ),
    praise=(
        "Each query meets each key inside the tanh, and there the two can no longer be taken apart. "
        "What the article's class lacks is just this pair: a score for each query with each key."
    ),
)
def additive_scores(answer) -> str:
    def case(batch: int, queries: int, keys: int, seed: int) -> dict:
        query, key = random(batch, queries, 4, seed=seed), random(batch, keys, 6, seed=seed + 1)
        weights = {"W_query": random(4, 8, seed=seed + 2), "W_key": random(6, 8, seed=seed + 3)}
        return {"query": query, "key": key, **weights, "v": random(8, seed=seed + 4)}

    return judge_function(
        answer,
        call="additive_scores(query, key, W_query, W_key, v)",
        cases=[case(3, 5, 7, seed=50), case(2, 1, 3, seed=60)],
        right=_additive,
        returns={"scores": "(B, T, S)"},
        slips=ADDITIVE_SLIPS,
    )
