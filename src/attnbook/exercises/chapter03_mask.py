"""Chapter 3: the mask."""

import torch
from torch import Tensor

from attnbook.attention import masked_softmax
from attnbook.exercises.old import exercise, judge_function, random, slip

INFINITY = float("inf")


def _closed(scores: Tensor, mask: Tensor, low: float = -INFINITY) -> Tensor:
    return scores.masked_fill(~mask, low)


MASK_SLIPS = (
    slip(
        "You masked after softmax: the hidden weights are 0, but the rows no longer sum to 1. Softmax "
        "had already given a share to the hidden keys. Hide the scores first (-inf), then take softmax.",
        lambda scores, mask: scores.softmax(-1) * mask,
    ),
    slip(
        "The mask is upside down: you hid what may be seen. Here True means *may attend*, so it is "
        "`~mask` that gets -inf.",
        lambda scores, mask: masked_softmax(scores, ~mask),
        lambda scores, mask: _closed(scores, ~mask).softmax(-1),
        lambda scores, mask: _closed(scores, ~mask, -1e9).softmax(-1),
    ),
    slip(
        "You set the hidden scores to 0. But 0 is an ordinary score, and exp(0) = 1: the hidden keys "
        "still get weight. Only -inf becomes a weight of 0.",
        lambda scores, mask: (scores * mask).softmax(-1),
        lambda scores, mask: (scores * mask).softmax(-1) * mask,
        lambda scores, mask: (scores * mask).softmax(-1) * mask.any(-1, keepdim=True),
    ),
    slip(
        "You added the mask to the scores: True counts as 1 and False as 0. That nudges the scores and "
        "hides nothing. Where the mask is False the score must become -inf.",
        lambda scores, mask: (scores + mask).softmax(-1),
    ),
    slip(
        "Nearly: one row is NaN. It belongs to a query that may attend to no key at all: softmax over "
        "nothing but -inf is 0/0. Its weights should all be 0.",
        lambda scores, mask: _closed(scores, mask).softmax(-1),
    ),
    slip(
        "Nearly: look at the query that may attend to no key at all. All its scores are the same large "
        "negative number, so softmax spreads its weight evenly over keys it must not see. Its weights "
        "should all be 0.",
        lambda scores, mask: _closed(scores, mask, -1e9).softmax(-1),
        lambda scores, mask: _closed(scores, mask, -1e4).softmax(-1),
        lambda scores, mask: (scores + ~mask * -1e9).softmax(-1),
    ),
    slip(
        "Your weights sum to 1 down the columns: softmax ran over the queries. Each query's row should "
        "sum to 1, so use `dim=-1`.",
        lambda scores, mask: _closed(scores, mask).softmax(-2),
        lambda scores, mask: _closed(scores, mask).softmax(-2).nan_to_num(),
        lambda scores, mask: _closed(scores, mask, -1e9).softmax(-2),
        lambda scores, mask: _closed(scores, mask, -1e9).softmax(-2) * mask,
    ),
    slip(
        "You used the mask of batch item 0 for every item. Each sentence has padding of its own: use "
        "the whole mask.",
        lambda scores, mask: masked_softmax(scores, mask[:1].expand_as(mask)),
        lambda scores, mask: _closed(scores, mask[:1]).softmax(-1),
        lambda scores, mask: _closed(scores, mask[:1], -1e9).softmax(-1),
    ),
    slip(
        "The mask does nothing yet: these are the weights without it.",
        lambda scores, mask: scores.softmax(-1),
    ),
    slip("These are the masked scores. Softmax is still to come.", _closed),
)


@exercise(
    "3.4",
    "Add the mask",
    task=(
        "write `masked_weights(scores, mask)` for scores `(B, T, S)` and a boolean mask `(B, T, S)`, "
        "True = may attend; a query that may attend to nothing gets weights 0."
    ),
    praise=(
        "Rows sum to 1, hidden weights are exactly 0, and a query with nothing to see gets zeros and "
        "no NaN. One NaN would have spread through the whole model."
    ),
)
def masked_weights(answer) -> str:
    padding = torch.arange(7) < torch.tensor([6, 2, 4])[:, None]  # (B, S)
    causal = torch.ones(4, 4, dtype=torch.bool).tril().repeat(2, 1, 1)  # (B, T, S)
    mask = padding[:, None, :].repeat(1, 5, 1)  # (B, T, S)
    mask[1, 3] = False
    mask[2, 0] = torch.arange(7) > 4
    return judge_function(
        answer,
        call="masked_weights(scores, mask)",
        cases=[
            {"scores": 2 * random(3, 5, 7, seed=40), "mask": mask},
            {"scores": random(2, 4, 4, seed=41) - 50, "mask": causal},
        ],
        right=masked_softmax,
        returns={"weights": "(B, T, S)"},
        slips=MASK_SLIPS,
    )
