"""Chapter 2: the scale, hidden in a matrix."""

import math

import torch
from torch import Tensor

from attnbook.exercises.comparing import shape
from attnbook.exercises.old import as_function, exercise, random, read_results, same
from attnbook.exercises.running import run
from attnbook.exercises.verdict import Wrong

CALL = "fold_scale(W_query, W_key)"


@exercise(
    "2.5",
    "Hide the scale",
    task=(
        "write `fold_scale(W_query, W_key)` for two matrices `(D, d_k)`, used as `x @ W`: return two "
        "matrices of the same shape whose raw dot products, not divided by anything, are the old ones "
        "divided by √d_k."
    ),
    praise=(
        "So the scale adds nothing that the matrices couldn't learn. What it does is set where they "
        "start, and how far a step of training takes them, whatever the width."
    ),
)
def fold_scale(answer) -> str:
    function, changed = as_function(answer, CALL), set()
    for width, d_k, seed in ((7, 16, 50), (11, 5, 53)):
        inputs = {"W_query": random(width, d_k, seed=seed), "W_key": random(width, d_k, seed=seed + 1)}
        result, touched = run(function, inputs, CALL)
        changed |= touched
        matrices = read_results(result, ("new W_query", "new W_key"))
        for name, matrix in zip(inputs, matrices, strict=True):
            if matrix.shape != inputs[name].shape:
                raise Wrong(
                    f"The new `{name}` has shape {shape(matrix)}; wanted that of the old one, "
                    f"{shape(inputs[name])}."
                )
        _judge_scores(random(6, width, seed=seed + 2), list(inputs.values()), matrices)
    if not changed:
        return ""
    names = " and ".join(f"`{name}`" for name in sorted(changed))
    return f"One thing: your code changes {names} in place. Return new matrices."


def _judge_scores(x: Tensor, old: list[Tensor], new: list[Tensor]) -> None:
    """Compare the raw scores `(T, T)` of the new matrices with the scaled ones of the old."""
    width, d_k = old[0].shape
    before, after = (
        (x.double() @ query.double()) @ (x.double() @ key.double()).T for query, key in (old, new)
    )
    wanted = before / math.sqrt(d_k)
    if same(after, wanted):
        return
    slips = (
        (1, "Nothing has changed: the raw dot products are as large as before."),
        (
            1 / d_k,
            "You divided both matrices by √d_k, so the products are divided by d_k. Divide one of them "
            "by √d_k, or each by its root.",
        ),
        (
            d_k**-0.25,
            "The products are divided by d_k^¼ only. Either both matrices get that, or one of them √d_k.",
        ),
        (math.sqrt(d_k), "You multiplied by √d_k: the scores have become larger. Divide."),
        (d_k, "You multiplied both by √d_k. Divide one."),
        (
            1 / math.sqrt(width),
            f"You divided by √D, the root of the rows. A dot product has d_k terms: {d_k}, the columns.",
        ),
        (1 / d_k**2, "You divided both matrices by d_k. The products should be divided by √d_k."),
    )
    for factor, words in slips:
        if same(after, before * factor):
            raise Wrong(words)
    if same(after, wanted.T):
        raise Wrong("The two matrices have changed places: return the one for the queries first.")
    ratio = after / wanted
    if torch.allclose(ratio, ratio.mean().expand_as(ratio), rtol=1e-3):
        raise Wrong(f"The raw dot products should be {1 / ratio.mean():.4g} times what yours are.")
    raise Wrong(
        "The new dot products are not the old ones times a number. Multiply the matrices by numbers only."
    )
