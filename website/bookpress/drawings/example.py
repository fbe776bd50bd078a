"""The numbers in the drawings of attention: one small random example, computed and not made up."""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

WORDS = ("robots", "must", "obey", "people")
SEED = 9
Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Example:
    """Self-attention with one head on S = 4 random vectors: every matrix on the way to the output."""

    x: Matrix  # (S, D)
    to_query: Matrix  # (D, d)
    to_key: Matrix  # (D, d)
    to_value: Matrix  # (D, d)
    query: Matrix  # (S, d)
    key: Matrix  # (S, d)
    value: Matrix  # (S, d)
    scores: Matrix  # (S, S)
    weights: Matrix  # (S, S)
    output: Matrix  # (S, d)


@cache
def example(seed: int = SEED, width: int = 6, head: int = 4, mask: str = "") -> Example:
    """The example with D = `width` and d = `head`; `mask` "causal" hides what comes later."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(len(WORDS), width))  # (S, D)
    matrices = 1.4 * random.normal(size=(3, width, head)) / width**0.5  # (3, D, d)
    query, key, value = x @ matrices  # (S, d) each
    scores = query @ key.T / head**0.5  # (S, S)
    allowed = np.tri(len(WORDS), dtype=bool) if mask == "causal" else np.ones_like(scores, bool)
    weights = softmax(np.where(allowed, scores, -np.inf))  # (S, S)
    return Example(x, *matrices, query, key, value, scores, weights, weights @ value)


def softmax(scores: Matrix) -> Matrix:
    """The softmax of each row."""
    powers = np.exp(scores - scores.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)
