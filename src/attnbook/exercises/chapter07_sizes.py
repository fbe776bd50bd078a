"""Chapter 7: an embedding as a function, and how loud it is beside the positions."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from attnbook.embeddings import sinusoids
from attnbook.exercises.old import exercise, judge_function, random, slip

# --- 7.2 ---------------------------------------------------------------------------------------------------


def _embedded(ids: Tensor, table: Tensor, factor: float | None = None) -> Tensor:
    return F.embedding(ids, table) * (math.sqrt(table.shape[1]) if factor is None else factor)


EMBED_SLIPS = (
    slip(
        "The rows are right, but the factor is missing: multiply by √d_model.",
        lambda ids, table: _embedded(ids, table, 1),
    ),
    slip(
        "You took the root of the vocabulary's size, `table.shape[0]`. The factor is the root of the "
        "width of "
        "a vector, `table.shape[1]`.",
        lambda ids, table: _embedded(ids, table, math.sqrt(len(table))),
    ),
    slip(
        "You divided by √d_model: words became quieter still. Multiply.",
        lambda ids, table: _embedded(ids, table, 1 / math.sqrt(table.shape[1])),
    ),
    slip(
        "You multiplied by d_model. The factor is its square root.",
        lambda ids, table: _embedded(ids, table, table.shape[1]),
    ),
    slip(
        "You took the root of the number of tokens in the text. The factor is a matter of the width: it "
        "must "
        "not change with the length.",
        lambda ids, table: _embedded(ids, table, math.sqrt(ids.shape[1])),
    ),
    slip(
        "You picked columns. A token's vector is a *row* of the table, so the ids index its first axis: "
        "`table[ids]`.",
        lambda ids, table: table[:, ids],
        lambda ids, table: table[:, ids] * math.sqrt(table.shape[1]),
        lambda ids, table: table[:, ids].permute(1, 2, 0),
        lambda ids, table: table[:, ids].permute(1, 2, 0) * math.sqrt(table.shape[1]),
    ),
    slip(
        "Each token got its neighbour's row: ids count from 0, as rows do.",
        lambda ids, table: _embedded(ids - 1 + len(table) * (ids == 0), table),
        lambda ids, table: _embedded((ids + 1) % len(table), table),
    ),
    slip(
        "You used batch item 0 only. Index with all the ids at once.",
        lambda ids, table: _embedded(ids[0], table),
        lambda ids, table: _embedded(ids[:1], table),
        lambda ids, table: _embedded(ids[:1].expand_as(ids), table),
    ),
    slip(
        "These are the one-hot vectors. One step is left: their product with the table, and the factor.",
        lambda ids, table: F.one_hot(ids, len(table)),
    ),
)


@exercise(
    "7.2",
    "The article's class as a function",
    task=(
        "write `embed(ids, table)` for ids `(B, T)` and a table `(V, D)`: each id's row times √D, `(B, T, "
        "D)`, "
        "without `nn.Embedding`."
    ),
    praise="That is the whole class: a lookup and a factor. Whether you indexed or multiplied by one-hot "
    "vectors, the numbers are the same.",
)
def embed(answer) -> str:
    def case(batch: int, length: int, vocab: int, width: int, seed: int) -> dict:
        generator = torch.Generator().manual_seed(seed)
        ids = torch.randint(vocab, (batch, length), generator=generator)
        return {"ids": ids, "table": random(vocab, width, seed=seed)}

    return judge_function(
        answer,
        call="embed(ids, table)",
        cases=[case(3, 6, 5, 7, seed=700), case(2, 3, 11, 4, seed=701)],
        right=_embedded,
        returns={"output": "(B, T, D)"},
        slips=EMBED_SLIPS,
    )


# --- 7.3 ---------------------------------------------------------------------------------------------------


def _rms(x: Tensor) -> Tensor:
    return x.square().mean().sqrt()


def _loudness(words: Tensor, table: Tensor) -> Tensor:
    return _rms(words) / _rms(table[: words.shape[1]])


LOUDNESS_SLIPS = (
    slip(
        "That is the ratio the other way round: positions to words. Wanted: words to positions.",
        lambda words, table: 1 / _loudness(words, table),
    ),
    slip(
        "You used every row of the table. Only the rows of the first T positions are added.",
        lambda words, table: _rms(words) / _rms(table),
    ),
    slip(
        "You used as many rows as there are sentences. Positions run along axis 1: `words.shape[1]`.",
        lambda words, table: _rms(words) / _rms(table[: words.shape[0]]),
    ),
    slip(
        "The root is missing: these are mean squares.",
        lambda words, table: _loudness(words, table) ** 2,
    ),
    slip(
        "You took the standard deviation, which subtracts the mean first. The slow cosines of a position "
        "are "
        "all near 1, and that counts: square, mean, root.",
        lambda words, table: words.std() / table[: words.shape[1]].std(),
        lambda words, table: words.std(correction=0) / table[: words.shape[1]].std(correction=0),
    ),
    slip(
        "You took the mean of absolute values. RMS squares first, and takes the root at the end.",
        lambda words, table: words.abs().mean() / table[: words.shape[1]].abs().mean(),
    ),
    slip(
        "You divided lengths (norms). There are B times as many words as positions, and a norm grows with "
        "their number: use the *mean* of the squares.",
        lambda words, table: words.norm() / table[: words.shape[1]].norm(),
        lambda words, table: words.norm() / table.norm(),
    ),
    slip(
        "You took means. Positive and negative entries cancel in a mean: square first.",
        lambda words, table: words.mean() / table[: words.shape[1]].mean(),
    ),
)


@exercise(
    "7.3",
    "How loud are the words?",
    task=(
        "write `loudness(words, table)` for words `(B, T, D)`, as the model adds them, and a table of "
        "positions "
        "`(L, D)` with at least T rows: the RMS of the words divided by the RMS of the positions that are "
        "added to them, one number."
    ),
    praise=(
        "With this one number you could have told the failing model from the others before any training: "
        "in "
        "the grid it was about 11 there, and at most 1.4 elsewhere."
    ),
)
def loudness(answer) -> str:
    def case(batch: int, length: int, width: int, seed: int) -> dict:
        words = 3 * random(batch, length, width, seed=seed) + 0.5
        rising = torch.linspace(0.4, 2, 30)[:, None]  # every row of another size
        return {"words": words, "table": rising * (sinusoids(30, width) + 0.2)}

    return judge_function(
        answer,
        call="loudness(words, table)",
        cases=[case(4, 9, 12, seed=710), case(2, 5, 32, seed=711)],
        right=_loudness,
        returns={"ratio": "one number"},
        slips=LOUDNESS_SLIPS,
    )
