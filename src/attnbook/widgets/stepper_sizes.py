"""The sizes of the stepper's matrices on a page, known in advance to reserve space for them."""

import numpy as np

from attnbook.widgets.labels import label_width

DIGIT, PADDING, MARGIN = 7, 12, 16  # pixels: a digit, the space around a number, the space around a label
NARROWEST, ROW, HEAD = 118, 28, 76  # pixels: width of a stage, height of a row, height of everything else


def stage_sizes(query, key, value, tokens: list[str], keys: list[str]) -> dict[str, list[int]]:
    """Pixels for each matrix: gutter for the row labels, cell width, total width and height."""
    scores = query @ key.T  # (T, S)
    beside_query, beside_key = gutter(tokens), gutter(keys)
    above = min(64, max(label_width(token) for token in keys) + PADDING)
    sizes = {
        "query": (beside_query, cell(query), query.shape, 0),
        "key": (beside_key, cell(key), key.shape, 0),
        "scores": (beside_query, max(cell(scores), above), scores.shape, 0),
        "weights": (beside_query, max(5 * DIGIT + PADDING, above), scores.shape, 1),
        "value": (beside_key, cell(value), value.shape, 0),
        "output": (beside_query, cell(value), (len(query), value.shape[1]), 0),
    }
    sizes["scaled"] = sizes["scores"]
    return {
        name: [left, each, max(NARROWEST, left + (columns + sums) * (each + 1) + 2), HEAD + ROW * rows]
        for name, (left, each, (rows, columns), sums) in sizes.items()
    }


def gutter(tokens: list[str]) -> int:
    """Pixels for the labels beside the rows."""
    return min(96, max(26, max(label_width(token) for token in tokens) + MARGIN))


def cell(numbers: np.ndarray) -> int:
    """Pixels for the longest number: sign and two decimals, or scientific notation from 1e5."""
    longest = max(len(f"{number:.2f}") if abs(number) < 1e5 else 8 for number in numbers.flat)
    return DIGIT * max(4, longest) + PADDING


def stage_boxes(state: dict) -> list[tuple[int, int]]:
    """Width and height of the matrices in order, from the widget's state."""
    sizes = state["_sizes"]
    after = state["mask_when"] == "after"
    mask = ["weights", "weights"] if after else ["scores", "weights"]
    names = ["query", "key", "scores", "scaled", *mask, "value", "output"]
    return [tuple(sizes[name][2:]) for name in names]


def is_long(state: dict) -> bool:
    """Whether the explanations are long and need more room."""
    return max(len(state["_query"][0]), len(state["_key"])) > 4
