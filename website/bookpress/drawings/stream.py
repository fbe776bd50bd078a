"""An encoder layer around its residual stream: two sublayers read from a straight rail and add to it."""

import numpy as np

from .attention import CREDIT, shares
from .example import SEED, Matrix, example
from .pen import QKV, Drawing

RAIL, CELL, GAP = 56, 6, 1.5
TALL = 4 * (CELL + GAP) - GAP  # of a matrix (S, d)
BRANCH, WIDE = 92, 262  # the sublayers' frames


def encoder_stream() -> Drawing:
    drawing, given = Drawing(height=490), example()
    drawing.add("path", kind="rail", d=f"M{RAIL} 424V26")
    drawing.wire((RAIL, 26), (RAIL, 16), size=5)
    drawing.text(RAIL + 14, 20, "to the next layer, (B, S, D)", anchor="start")
    drawing.matrix(RAIL - 22, 427, shares(given.x), cell=CELL, gap=GAP, kind="cell plain")
    drawing.text(RAIL + 32, 441, "from the layer below, (B, S, D)", anchor="start")
    drawing.parts.append('<g transform="rotate(-90 28 322)">')
    drawing.text(28, 322, "residual stream", kind="word bold", size=12.5)
    drawing.parts.append("</g>")
    attention(drawing)
    add_norm(drawing, 212)
    feed_forward(drawing)
    add_norm(drawing, 60)
    drawing.text(180, 479, CREDIT, kind="word quiet")
    return drawing


def attention(drawing: Drawing) -> None:
    """The first sublayer: queries, keys and values from the stream, weights, and the values' average."""
    given, middle, fork = example(), 165, 412
    drawing.box(BRANCH, 236, WIDE, 166, kind="frame", radius=8)
    drawing.text(346, 250, "multi-head attention (one head)", kind="word bold", anchor="end")
    places = {"Q": 134, "K": 196, "V": 262}
    matrices = {"V": given.value, "K": given.key, "Q": given.query}
    for letter, matrix in matrices.items():
        x, kind = places[letter], QKV[letter]
        drawing.wire((RAIL + 3, fork), (x, fork), (x, 376), kind=f"wire {kind}", size=3.4)
        drawing.matrix(x - TALL / 2, 344, shares(matrix), cell=CELL, gap=GAP, kind=f"cell {kind}")
        drawing.text(x + 22, 364, letter, kind=f"word {kind}", size=13)
    for letter, end in (("Q", middle - 8), ("K", middle + 8)):
        x = places[letter]
        drawing.wire((x, 341), (x, 330), (end, 330), (end, 320), kind=f"wire {QKV[letter]}", size=3.4)
    drawing.matrix(middle - TALL / 2, 288, 0.06 + 0.94 * given.weights, cell=CELL, gap=GAP)
    drawing.text(middle - 20, 303, "weights", anchor="end")
    drawing.text(middle + 28, 303, "×", size=14)
    drawing.wire((places["V"], 341), (places["V"], 303), (middle + 37, 303), kind="wire value", size=3.4)
    drawing.text(346, 272, "padding mask (B, 1, 1, S)", anchor="end")
    drawing.wire((202, 272), (middle + 10, 272), (middle + 10, 286), kind="wire light", size=3.4)
    drawing.wire((middle, 285), (middle, 222), (RAIL + 11, 222), kind="wire value", size=3.4)


def feed_forward(drawing: Drawing) -> None:
    """The second sublayer: two linear layers with a ReLU between them, for each position separately."""
    given, random = example(), np.random.default_rng(SEED)
    stream = normalized(given.x + given.output @ random.normal(size=(4, 6)))  # (S, D)
    hidden = np.maximum(stream @ random.normal(size=(6, 12)), 0)  # (S, d_ff)
    output = hidden @ random.normal(size=(12, 6))  # (S, D)
    middle = BRANCH + WIDE / 2
    drawing.wire((RAIL + 3, 172), (middle, 172), (middle, 160), size=3.4)
    drawing.box(BRANCH, 82, WIDE, 76, kind="frame", radius=8)
    drawing.text(346, 96, "feed-forward network", kind="word bold", anchor="end")
    for x, matrix in (
        (BRANCH + 10, shares(stream)),
        (BRANCH + 85, hidden / hidden.max()),
        (BRANCH + 208, shares(output)),
    ):
        drawing.matrix(x, 109, matrix, cell=CELL, gap=GAP, kind="cell plain")
    drawing.wire((BRANCH + 59, 123), (BRANCH + 79, 123), size=3.4)
    drawing.wire((BRANCH + 180, 123), (BRANCH + 202, 123), size=3.4)
    for x, words in ((BRANCH + 32, "D"), (BRANCH + 129, "d_ff, after ReLU"), (BRANCH + 230, "D")):
        drawing.text(x, 148, words, kind="word quiet", size=11.5)
    drawing.wire((middle, 82), (middle, 70), (RAIL + 11, 70), size=3.4)


def normalized(x: Matrix) -> Matrix:
    """LayerNorm without learned parameters."""
    return (x - x.mean(-1, keepdims=True)) / x.std(-1, keepdims=True)


def add_norm(drawing: Drawing, top: float) -> None:
    """The sum, and the normalization of the stream."""
    drawing.add("circle", kind="box bare", cx=RAIL, cy=top + 10, r=9)
    drawing.text(RAIL, top + 10, "+", kind="word bold", size=14)
    drawing.box(RAIL - 40, top - 24, 80, 20, "LayerNorm")
