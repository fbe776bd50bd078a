"""The whole Transformer, small: two residual streams with their attention, in the usual colours."""

import numpy as np

from .attention import CREDIT, shares
from .decoding import TARGET, Attended, attended
from .example import SEED, WORDS
from .pen import QKV, Drawing

ENCODER, DECODER = 34, 208  # the two streams
SMALL, CELL, GAP = 4, 6.5, 1  # a number of Q, K or V; a weight


def small_model() -> Drawing:
    drawing, random = Drawing(height=468), np.random.default_rng(SEED)
    source, target = random.normal(size=(4, 6)), random.normal(size=(3, 6))
    whole = np.ones((4, 4), bool)
    own = attended(random, source, source, WORDS, whole)
    masked = attended(random, target, target, TARGET, np.tri(3, dtype=bool))
    crossed = attended(random, target, source, WORDS, whole[:3])

    for rail, matrix, words, shape, top in (
        (ENCODER, source, "source", "S", 172),
        (DECODER, target, "target so far", "T", 44),
    ):
        drawing.add("path", kind="rail", d=f"M{rail} 404V{top}")
        drawing.matrix(rail - 22, 406, shares(matrix), cell=6, gap=1.5, kind="cell plain")
        drawing.text(rail + 30, 414, words, kind="word bold", anchor="start")
        drawing.text(rail + 30, 429, f"embedded ({shape}, D)", kind="word quiet", size=11.5, anchor="start")

    sublayer(drawing, ENCODER, 388, own, "self-attention")
    sublayer(drawing, DECODER, 388, masked, "masked self-attention")
    feed_forward(drawing, ENCODER, 238)
    drawing.text(ENCODER + 12, 160, "memory", kind="word bold", anchor="start")
    drawing.text(ENCODER + 64, 160, "after L layers", kind="word quiet", size=11.5, anchor="start")
    drawing.wire((ENCODER, 174), (ENCODER, 146), (184, 146), (184, 258), head=False)
    sublayer(drawing, DECODER, 242, crossed, "cross-attention", memory=(184, 258))
    feed_forward(drawing, DECODER, 118)
    drawing.text(DECODER + 34, 54, "after L layers", kind="word quiet", size=11.5, anchor="start")
    drawing.box(DECODER - 26, 18, 96, 20, "linear, softmax")
    drawing.wire((DECODER, 46), (DECODER, 38), head=False)
    drawing.wire((DECODER + 70, 28), (DECODER + 80, 28), size=3.4)
    drawing.text(DECODER + 83, 28, "next token", kind="word bold", size=11.5, anchor="start")
    drawing.text(180, 458, CREDIT, kind="word quiet")
    return drawing


def sublayer(drawing: Drawing, rail: float, fork: float, given: Attended, words: str, memory=None) -> None:
    """Attention beside a stream, from its fork upwards to its sum; keys and values may come from `memory`."""
    rows = fork - 18 - 4 * (SMALL + GAP)  # where Q, K and V are
    top = rows - 18 - 4 * (CELL + GAP)  # where the weights are
    places = {"Q": rail + 38, "K": rail + 72, "V": rail + 112}
    for letter, matrix in (("V", given.value), ("K", given.key), ("Q", given.query)):
        x, kind = places[letter], QKV[letter]
        start = memory if memory and letter != "Q" else (rail + 3, fork)
        drawing.wire(start, (x, start[1]), (x, rows + 23), kind=f"wire {kind}", size=3)
        drawing.matrix(x - 10, rows, shares(matrix), cell=SMALL, gap=GAP, kind=f"cell {kind}")
        drawing.text(x + 17, rows + 10, letter, kind=f"word {kind}", size=12)
    middle = rail + 55
    for letter, end in (("Q", middle - 6), ("K", middle + 6)):
        x = places[letter]
        drawing.wire(
            (x, rows - 2),
            (x, rows - 8),
            (end, rows - 8),
            (end, rows - 16),
            kind=f"wire {QKV[letter]}",
            size=3,
        )
    tall, wide = (length * (CELL + GAP) - GAP for length in given.weights.shape)
    left, foot = middle - wide / 2, top + 4 * (CELL + GAP)
    for row, line in enumerate(given.weights):
        for column, weight in enumerate(line):
            x, y = left + column * (CELL + GAP), foot - tall + row * (CELL + GAP)
            if given.mask[row, column]:
                drawing.matrix(x, y, [[0.06 + 0.94 * weight]], cell=CELL)
            else:
                drawing.hatch(x, y, CELL, CELL, step=3)
    drawing.text(middle + 26, foot - tall / 2, "×", size=13)
    drawing.wire(
        (places["V"], rows - 2),
        (places["V"], foot - tall / 2),
        (middle + 33, foot - tall / 2),
        kind="wire value",
        size=3,
    )
    drawing.wire((middle, foot - tall - 2), (middle, top - 8), (rail + 9, top - 8), kind="wire value", size=3)
    drawing.text(rail + 18, top - 20, words, kind="word bold", size=11.5, anchor="start")
    add_norm(drawing, rail, top - 8)


def feed_forward(drawing: Drawing, rail: float, fork: float) -> None:
    """The feed-forward network beside a stream."""
    drawing.wire((rail + 3, fork), (rail + 84, fork), (rail + 84, fork - 12), size=3)
    drawing.box(rail + 34, fork - 34, 100, 20, "feed-forward")
    drawing.wire((rail + 84, fork - 34), (rail + 84, fork - 48), (rail + 9, fork - 48), size=3)
    add_norm(drawing, rail, fork - 48)


def add_norm(drawing: Drawing, rail: float, y: float) -> None:
    """The sum, and a strip for the normalization."""
    drawing.add("circle", kind="box bare", cx=rail, cy=y, r=7)
    drawing.text(rail, y, "+", kind="word bold", size=12)
    drawing.box(rail - 14, y - 15, 28, 5, radius=2)
