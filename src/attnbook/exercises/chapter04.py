"""Chapter 4: attention by hand, and what shuffling the words does to it."""

import math

import torch
from torch import Tensor

from attnbook.attention import scaled_dot_product_attention
from attnbook.exercises.old import exercise, judge_function, random, read_dict, read_numbers, slip
from attnbook.exercises.verdict import Wrong

# --- 4.1 ---------------------------------------------------------------------------------------------------


@exercise(
    "4.1",
    "By hand",
    task=(
        "for q = (1, 2, 0, 1), k₁ = (2, 0, 1, 0), k₂ = (0, 2, 0, 2), v₁ = 10 and v₂ = 20, give the two "
        "`scores`, the two `scaled` scores, the two `weights` and the `output`, to two decimals."
    ),
    praise="The scaled scores differ by 2, so the weights stand e² ≈ 7.4 to 1, and the output lies near 20.",
)
def by_hand(answer) -> str:
    given = read_dict(answer, ("scores", "scaled", "weights", "output"))
    query = torch.tensor([1.0, 2.0, 0.0, 1.0])  # (d_k,)
    keys = torch.tensor([[2.0, 0.0, 1.0, 0.0], [0.0, 2.0, 0.0, 2.0]])  # (S, d_k)
    values = torch.tensor([10.0, 20.0])  # (S,)
    scores = keys @ query  # (S,)
    scaled = scores / math.sqrt(len(query))
    weights = scaled.softmax(0)
    _step(given, "scores", scores, 0.01, [(scores.flip(0), "in the other order: first k₁, then k₂")])
    _step(
        given,
        "scaled",
        scaled,
        0.01,
        [
            (scores, "not divided yet. Divide by √d_k"),
            (scores / len(query), "divided by d_k = 4. Divide by its square root, √4 = 2"),
            (
                scores / math.sqrt(len(keys)),
                "divided by √2, the root of the number of keys. d_k is the width of a key: 4",
            ),
        ],
    )
    _step(
        given,
        "weights",
        weights,
        0.006,
        [
            (scores.softmax(0), "the softmax of the unscaled scores. Use the scaled ones"),
            (
                scaled / scaled.sum(),
                "the scaled scores divided by their sum. Softmax takes exp of each first",
            ),
            ((scores / 4).softmax(0), "the softmax of the scores divided by d_k. Divide by √d_k"),
            (scaled.exp(), "not divided by their sum yet: weights sum to 1"),
            (scaled.exp2() / scaled.exp2().sum(), "made with powers of 2: softmax takes powers of e"),
            (weights.flip(0), "in the other order: the larger score gets the larger weight"),
        ],
    )
    _step(
        given,
        "output",
        (weights @ values)[None],
        0.06,
        [
            (
                values[1:],
                "the value of the best key alone. Attention blends: each value times its weight, then "
                "the sum",
            ),
            (values.mean()[None], "the plain mean. Weigh each value first"),
            (
                (weights @ values)[None] / 2,
                "half of it: the weights sum to 1 already, so the weighted sum is the mean",
            ),
        ],
    )
    return ""


def _step(given: dict, name: str, wanted: Tensor, tolerance: float, slips: list[tuple[Tensor, str]]) -> None:
    """Judge one step of the calculation; `slips` are wrong numbers with the words for each."""
    numbers = torch.tensor(read_numbers(given[name], name, len(wanted)))

    def close(other: Tensor) -> bool:
        return bool((numbers - other).abs().max() <= tolerance)

    if close(wanted):
        return
    for wrong, words in slips:
        if close(wrong):
            raise Wrong(f"`{name}`: these are {words}." if len(wanted) > 1 else f"`{name}`: this is {words}.")
    rule = {
        "scores": "A score is a dot product: multiply the query and a key number by number, and add.",
        "scaled": "Each score divided by √d_k, where d_k is the width of a key.",
        "weights": "exp of each scaled score, divided by the sum of both.",
        "output": "The first weight times 10 plus the second times 20.",
    }[name]
    shown = ", ".join(f"{number:g}" for number in numbers.tolist())
    raise Wrong(f"`{name}`: not {shown}. {rule}")


# --- 4.3 ---------------------------------------------------------------------------------------------------


def _shuffled(output: Tensor, weights: Tensor, order: Tensor) -> tuple[Tensor, Tensor]:
    return output[:, order], weights[:, order][:, :, order]


SHUFFLE_SLIPS = (
    slip(
        "You returned both as they were. That would be *in*variance. Self-attention is *equi*variant: "
        "each word keeps its own output, and takes it along to its new place.",
        lambda output, weights, order: (output, weights),
    ),
    slip(
        "You put them back instead of forward: that is the inverse order. The word now at place i is "
        "the one that was at `order[i]`: `output[:, order]`.",
        lambda output, weights, order: _shuffled(output, weights, order.argsort()),
    ),
    slip(
        "The output is right; the weights are moved along one axis only. Words are queries *and* keys "
        "here: rows and columns both take the new order.",
        lambda output, weights, order: (output[:, order], weights[:, order]),
        lambda output, weights, order: (output[:, order], weights[:, :, order]),
        lambda output, weights, order: (output[:, order], weights),
    ),
    slip(
        "You reordered the rows twice. The second index must reach the columns: `[:, :, order]`.",
        lambda output, weights, order: (output[:, order], weights[:, order][:, order]),
    ),
    slip(
        "`weights[:, order, order]` pairs the two lists up: it picks the cells (order[i], order[i]) "
        "only. Reorder the rows first, then the columns: `weights[:, order][:, :, order]`.",
        lambda output, weights, order: (output[:, order], weights[:, order, order]),
    ),
)


@exercise(
    "4.3",
    "Shuffle the words",
    task=(
        "`output (B, T, D)` and `weights (B, T, T)` came from self-attention over some words. Write "
        "`shuffled(output, weights, order)`, which returns the output and weights for the words in the "
        "new `order` without running attention again."
    ),
    praise=(
        "The check ran real self-attention on the shuffled words, and your two lines gave the same "
        "numbers. Self-attention without positions cannot tell one order from another; chapter 7 gives "
        "it positions."
    ),
)
def shuffled(answer) -> str:
    def case(batch: int, order: list[int], width: int, seed: int) -> tuple[dict, tuple[Tensor, Tensor]]:
        words = random(batch, len(order), width, seed=seed)
        projections = random(3, width, width, seed=seed + 1) / math.sqrt(width)

        def run_on(x: Tensor) -> tuple[Tensor, Tensor]:
            return scaled_dot_product_attention(*(x @ projection for projection in projections))

        output, weights = run_on(words)
        inputs = {"output": output, "weights": weights, "order": torch.tensor(order)}
        return inputs, run_on(words[:, order])

    rerun = [case(3, [2, 4, 1, 0, 3], 7, seed=90), case(2, [1, 2, 3, 4, 5, 0], 4, seed=92)]
    results = iter([result for _, result in rerun])
    return judge_function(
        answer,
        call="shuffled(output, weights, order)",
        cases=[inputs for inputs, _ in rerun],
        right=lambda **_: next(results),
        returns={"output": "(B, T, D)", "weights": "(B, T, T)"},
        slips=SHUFFLE_SLIPS,
    )
