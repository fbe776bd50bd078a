"""Chapter 7: positions, added where they belong."""

import math

import torch
from torch import Tensor

from attnbook.exercises.old import exercise, judge_function, random, slip

# --- 7.4 ---------------------------------------------------------------------------------------------------


def _placed(x: Tensor, table: Tensor, offset: int = 0) -> Tensor:
    return x + table[offset : offset + x.shape[1]]


PLACE_SLIPS = (
    slip(
        "The offset has no effect yet: every call begins at position 0 again, so in decoding every token "
        "gets "
        "the position of the first.",
        lambda x, table, offset: _placed(x, table),
    ),
    slip(
        "Positions are added, not multiplied: where a sine is 0, the word would be wiped out.",
        lambda x, table, offset: x * table[offset : offset + x.shape[1]],
        lambda x, table, offset: x * table[: x.shape[1]],
    ),
    slip(
        "You are one row off. The first position is `offset` itself, and rows count from 0.",
        lambda x, table, offset: _placed(x, table, offset + 1),
        lambda x, table, offset: _placed(x, table, max(offset - 1, 0)),
    ),
    slip(
        "Every token of the call got the same position, that of the first. Take T rows, beginning at "
        "`offset`.",
        lambda x, table, offset: x + table[offset],
    ),
    slip(
        "You counted sentences, not positions: the length is axis 1, `x.shape[1]`. Every sentence gets the "
        "same rows.",
        lambda x, table, offset: x + table[offset : offset + x.shape[0]],
        lambda x, table, offset: x + table[offset : offset + x.shape[0], None],
        lambda x, table, offset: x + table[: x.shape[0], None],
    ),
    slip(
        "You multiplied by √d_model here. That is the embeddings' affair; `x` has been through it already.",
        lambda x, table, offset: _placed(x * math.sqrt(x.shape[-1]), table, offset),
        lambda x, table, offset: x + math.sqrt(x.shape[-1]) * table[offset : offset + x.shape[1]],
    ),
    slip(
        "You laid words and positions side by side. They are added, number by number, and the width stays.",
        lambda x, table, offset: torch.cat(
            (x, table[offset : offset + x.shape[1]].expand(len(x), -1, -1)), dim=-1
        ),
    ),
    slip(
        "These are the positions alone. Add them to `x`.",
        lambda x, table, offset: table[offset : offset + x.shape[1]],
        lambda x, table, offset: table[offset : offset + x.shape[1]].expand_as(x),
    ),
)


@exercise(
    "7.4",
    "Repair: every token is the first",
    task=(
        "repair `add_positions(x, table, offset)` for x `(B, T, D)` and a table `(L, D)`, so that the "
        "first "
        "token of `x` gets the row of position `offset`, the next one the row after it, and so on."
    ),
    praise=(
        "A model trained without the offset learns well, since in training it is always 0. Only decoding "
        "goes wrong, and without any error."
    ),
)
def add_positions(answer) -> str:
    def case(batch: int, length: int, width: int, offset: int, seed: int) -> dict:
        x, table = random(batch, length, width, seed=seed), random(14, width, seed=seed + 1)
        return {"x": x, "table": table, "offset": offset}

    return judge_function(
        answer,
        call="add_positions(x, table, offset)",
        cases=[
            case(5, 5, 4, offset=3, seed=720),
            case(3, 1, 6, offset=4, seed=722),
            case(2, 7, 3, offset=0, seed=724),
        ],
        right=_placed,
        returns={"output": "(B, T, D)"},
        slips=PLACE_SLIPS,
    )
