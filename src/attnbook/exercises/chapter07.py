"""Chapter 7: what an embedding is made of."""

import math

import torch

from attnbook.embeddings import Embeddings
from attnbook.exercises.old import exercise, read_dict, read_numbers, read_shape
from attnbook.exercises.verdict import Wrong

# --- 7.1 ---------------------------------------------------------------------------------------------------


@exercise(
    "7.1",
    "Predict an embedding",
    task=(
        "for `Embeddings(d_model=16, vocab=100)` called with the ids `[[5, 7, 5], [7, 5, 0]]`, give the "
        "shape "
        "of the `output`, the number of `parameters`, the `factor` that each looked-up row is multiplied "
        "by, "
        "and the number of `rows` of the matrix whose gradient is not zero after `output.sum().backward()`."
    ),
    praise=(
        "The factor knows the width and nothing of the vocabulary, and the gradient knows three rows of a "
        "hundred: those that were looked up."
    ),
)
def predict_embedding(answer) -> str:
    given = read_dict(answer, ("output", "parameters", "factor", "rows"))
    model = Embeddings(d_model=16, vocab=100)
    output = model(torch.tensor([[5, 7, 5], [7, 5, 0]]))  # (B, T, D)
    output.sum().backward()
    _judge_output(read_shape(given["output"], "output"), tuple(output.shape))
    _number(
        given,
        "parameters",
        model.lut.weight.numel(),
        {
            1616: "a lookup has no bias. `nn.Embedding` is one matrix and nothing else",
            1700: "a lookup has no bias. `nn.Embedding` is one matrix and nothing else",
            96: "that is the size of the output. The matrix has a row for every token of the vocabulary, "
            "used or not",
            48: "those are the rows in use. The matrix has a row for every token of the vocabulary",
            100: "that is the number of rows. How many numbers has each?",
        },
        "the matrix has one row for each token of the vocabulary, and each row is `d_model` wide.",
    )
    _number(
        given,
        "factor",
        math.sqrt(model.d_model),
        {
            10: "that is the root of the vocabulary. The factor is the root of the *width*",
            16: "that is d_model. The factor is its square root",
            0.25: "the article's class multiplies by the root; it does not divide",
            0.0625: "the article's class multiplies, and by the root of d_model",
            1: "a bare `nn.Embedding` multiplies by nothing. The article's class does",
        },
        "read the last line of `forward`: which number is under the root?",
        tolerance=0.005,
    )
    _number(
        given,
        "rows",
        int(model.lut.weight.grad.any(dim=1).sum()),
        {
            6: "you counted positions. A token that occurs twice adds to the same row twice",
            100: "only rows that were looked up took part in the output",
            2: "id 0 is a row like any other here: no `padding_idx` was given",
        },
        "which *different* ids are there?",
    )
    return ""


def _judge_output(shape: tuple, wanted: tuple) -> None:
    if shape == wanted:
        return
    if 100 in shape:
        raise Wrong(
            "The output: 100 is the number of tokens. A one-hot vector is that wide; what is looked up is "
            "a "
            "row of the matrix, `d_model` wide."
        )
    if shape == (6, 16):
        raise Wrong("The output: almost. The ids keep their shape (2, 3), and get one more axis.")
    if shape == wanted[:2]:
        raise Wrong("The output: that is the shape of the ids. Each id becomes a vector: one more axis.")
    raise Wrong(f"The output: {shape} is not its shape. Each of the 2 × 3 ids becomes a row of the matrix.")


def _number(
    given: dict, name: str, wanted: float, traps: dict[float, str], rule: str, tolerance: float = 0
) -> None:
    """Judge one number; `traps` are wrong numbers with the words for each."""
    number = read_numbers(given[name], name)[0]
    if abs(number - wanted) <= tolerance:
        return
    for trap, words in traps.items():
        if abs(number - trap) <= tolerance:
            raise Wrong(f"`{name}`: not {number:g}: {words}.")
    raise Wrong(f"`{name}`: not {number:g}. Think again: {rule}")
