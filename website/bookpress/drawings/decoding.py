"""The decoder's two kinds of attention: masked self-attention, and cross-attention from target to source."""

from typing import NamedTuple

import numpy as np

from .attention import CREDIT, raised, shares
from .example import SEED, WORDS, Matrix, softmax
from .pen import Drawing

TARGET = ("⟨start⟩", "Roboter", "müssen")
CELL, GAP, THIN = (42, 19), 1.5, 8  # a weight's cell; how high one number of a key or value is
LEFT, TALL, WIDTH = 120, 4 * (8 + 1.5), 4  # where the weights begin; how high keys and values are; d


class Attended(NamedTuple):
    """Attention from `x` to `given`: the words of the keys, and every matrix."""

    words: tuple[str, ...]
    query: Matrix  # (T, d)
    key: Matrix  # (S, d)
    value: Matrix  # (S, d)
    mask: np.ndarray  # (T, S), bool
    weights: Matrix  # (T, S)


def attended(random: np.random.Generator, x: Matrix, given: Matrix, words, mask: np.ndarray) -> Attended:
    """Attention with random projections."""
    matrices = 1.4 * random.normal(size=(3, x.shape[1], WIDTH)) / x.shape[1] ** 0.5
    query, key, value = x @ matrices[0], given @ matrices[1], given @ matrices[2]
    weights = softmax(np.where(mask, query @ key.T / WIDTH**0.5, -np.inf))
    return Attended(words, query, key, value, mask, weights)


def decoder_attention() -> Drawing:
    """Queries at the left, keys above, values below, and the output at the right of the weights."""
    drawing, random = Drawing(height=442), np.random.default_rng(SEED)
    memory, target = random.normal(size=(4, 6)), random.normal(size=(3, 6))
    own = attended(random, target, target, TARGET, np.tri(3, dtype=bool))
    crossed = attended(random, target, memory, WORDS, np.ones((3, 4), bool))
    heading(drawing, 12, "Masked self-attention", "weights (T, T)", "Q, K and V from the target")
    panel(drawing, 58, own)
    heading(drawing, 220, "Cross-attention", "weights (T, S)", "Q from the target, K and V from the memory")
    panel(drawing, 266, crossed)
    drawing.text(180, 431, CREDIT, kind="word quiet")
    return drawing


def heading(drawing: Drawing, y: float, title: str, shape: str, origin: str) -> None:
    drawing.text(6, y, title, kind="word bold", size=13.5, anchor="start")
    drawing.text(354, y, shape, kind="word bold", size=12.5, anchor="end")
    drawing.text(6, y + 17, origin, anchor="start")


def panel(drawing: Drawing, top: float, given: Attended) -> None:
    """The weights, each in the row of its query and the column of its key."""
    wide, high = CELL
    rows = top + TALL + 6
    below = rows + len(TARGET) * (high + GAP) + 5
    for column, word in enumerate(given.words):
        x = LEFT + column * (wide + GAP) + wide / 2
        drawing.text(x, top - 10, word, kind="word key", size=11.5)
    drawing.matrix(LEFT, top, shares(given.key).T, cell=(wide, THIN), kind="cell key")
    raised(drawing, LEFT - 14, top + 18, "K", "T", "key")
    drawing.matrix(LEFT, below, shares(given.value).T, cell=(wide, THIN), kind="cell value")
    raised(drawing, LEFT - 14, below + 18, "V", "T", "value")

    drawing.text(LEFT - 30, rows - 10, "Q", kind="word query", size=13)
    drawing.matrix(LEFT - 54, rows, shares(given.query), cell=(10, high), kind="cell query")
    for row, word in enumerate(TARGET):
        y = rows + row * (high + GAP)
        drawing.text(LEFT - 60, y + high / 2, word, kind="word query", size=11.5, anchor="end")
        for column, weight in enumerate(given.weights[row]):
            x = LEFT + column * (wide + GAP)
            if given.mask[row, column]:
                drawing.matrix(x, y, [[0.5 * weight]], cell=CELL)
                drawing.text(x + wide / 2, y + high / 2, f"{weight:.2f}", size=11.5)
            else:
                drawing.hatch(x, y, wide, high)
    right = LEFT + len(given.words) * (wide + GAP) + 8
    output = given.weights @ given.value  # (T, d)
    drawing.matrix(right, rows, shares(output), cell=(10, high), kind="cell value")
    drawing.text(right + 22, rows - 10, "output", kind="word value", size=12.5)
