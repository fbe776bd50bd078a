"""The stepper's matrices on a page: how their numbers are rounded, how large they are, and where they go.

The page uses sizes and positions as they are sent, and reserves the same space before the widget is mounted.
"""

import math
from itertools import pairwise

import numpy as np

from attnbook.widgets.labels import label_width

DIGIT, PADDING, MARGIN = 7, 9, 14  # pixels: a digit, the space around a number, the space around a label
NARROWEST, ROW, HEAD = 88, 28, 74  # pixels: width of a stage, height of a row, height of everything else
TOTAL = 47  # pixels: the column of row sums
ACROSS, DOWN = 24, 12  # pixels between two matrices, for the arrow
HEADING = 40  # pixels: a matrix without its table
DIGITS = 5  # significant digits, at most four of them decimals
SCIENTIFIC = 1e5  # larger numbers are written with an exponent

FORMULAS = {"weights": 132, "masked": 122, "output": 116, "scaled": 104}  # pixels of the longest line above
WEIGHTS = ("W_query", "W_key", "W_value")
INPUTS = ("query", "key", "value")

Sizes = dict[str, list[int]]


def stage_sizes(numbers: dict[str, np.ndarray], tokens: list[str], keys: list[str]) -> Sizes:
    """Pixels for each matrix: gutter for the row labels, cell width, total width and height."""
    query, key, value = (numbers[name] for name in INPUTS)
    beside_query, beside_key = gutter(tokens), gutter(keys)
    above = min(64, max(label_width(token) for token in keys) + MARGIN)
    scores = query @ key.T  # (T, S)
    sign, minus = (DIGIT * bool((matrix < 0).any()) for matrix in (scores, value))
    rounded = DIGIT * (DIGITS + 1) + PADDING  # five digits and the point
    sizes = {
        "query": (beside_query, cell(query), query.shape),
        "key": (beside_key, cell(key), key.shape),
        "value": (beside_key, cell(value), value.shape),
        "scores": (beside_query, max(cell(scores), above), scores.shape),
        "scaled": (beside_query, max(rounded + sign, above), scores.shape),
        "weights": (beside_query, max(rounded, above), scores.shape),
        "output": (beside_query, max(rounded + minus, cell(value)), (len(query), value.shape[1])),
    }
    if "x" in numbers:
        sizes["x"] = (beside_query, cell(numbers["x"]), numbers["x"].shape)
        for name in WEIGHTS:
            sizes[name] = (gutter(["0"]), cell(numbers[name]), numbers[name].shape)
    return {
        name: [
            left,
            each,
            max(FORMULAS.get(name, NARROWEST), left + columns * (each + 1) + 2 + TOTAL * (name == "weights")),
            HEAD + ROW * rows,
        ]
        for name, (left, each, (rows, columns)) in sizes.items()
    }


def gutter(tokens: list[str]) -> int:
    """Pixels for the labels beside the rows."""
    return min(96, max(22, max(label_width(token) for token in tokens) + MARGIN))


def cell(numbers: np.ndarray) -> int:
    """Pixels for the longest number as the page writes it, or 8 characters for an exponent."""
    decimals = decimals_of(numbers)
    longest = 8 if decimals is None else max(len(f"{number:.{decimals}f}") for number in numbers.flat)
    return max(30, DIGIT * longest + PADDING)


def decimals_of(numbers: np.ndarray) -> int | None:
    """The decimals of a matrix: as many as it has, at most four, fewer for numbers from 10; None from 1e5."""
    peak = float(np.abs(numbers).max(initial=0))
    if peak >= SCIENTIFIC:
        return None
    most = DIGITS - 1 - max(0, math.floor(math.log10(peak or 1)))
    near = 1e-9 * max(1, peak)
    exact = (d for d in range(most) if np.allclose(numbers, np.round(numbers, d), rtol=0, atol=near))
    return next(exact, most)


def lanes(sizes: Sizes, mask: str) -> list[dict]:
    """Ways to place the matrices, widest first: the width each needs, its height, and positions by name.

    `mask` is "none", "before" or "after" the softmax. The last way needs no width: the matrices are stacked.
    """
    middle = {"none": ["scaled", "weights"], "before": ["scaled", "masked", "weights"]}
    chain = middle.get(mask, ["scaled", "weights", "masked"])
    size = sizes | {"masked": sizes["weights" if mask == "after" else "scaled"]}
    width, height = ({name: size[name][i] for name in size} for i in (2, 3))
    projected = "x" in sizes
    plans = [side_by_side(width, height, chain, projected)]
    for beside, packing in ((True, 3), (True, 2), (False, 2), (False, 1)):
        plans.append(downwards(width, height, ["scores", *chain], projected, beside, packing))
    if not projected:
        plans.append(in_pairs(width, height, ["scores", *chain]))
    plans.append(stacked(height, [*(["x"] * projected), *pairs(projected), "scores", *chain, "output"]))
    kept = []
    for plan in plans:
        if not kept or plan["need"] < kept[-1]["need"]:
            kept.append(plan)
    return kept


def pairs(projected: bool) -> list[str]:
    """Q, K and V, each after its projection, if these are known."""
    return [name for pair in zip(WEIGHTS, INPUTS, strict=True) for name in pair[not projected :]]


def side_by_side(width: dict, height: dict, chain: list[str], projected: bool) -> dict:
    """From left to right; Q, K and V have a lane each, and the weights come back to V for the output."""
    rows = [[name, *([WEIGHTS[i]] * projected)] for i, name in enumerate(INPUTS)]
    rows[2] += ["output", chain[-1]]
    if len(chain) == 3:
        rows[0], rows[1] = [*rows[0], chain[0]], [*rows[1], chain[1]]
    columns = [["x"], list(WEIGHTS)] if projected else []
    columns += [list(INPUTS), ["scores", "output"], chain]
    heights = [max(height[name] for name in row) for row in rows]
    heights[1] = max(heights[1], max(height[name] for name in ("scores", chain[0])) - heights[0] - DOWN)
    tops = [0, heights[0] + DOWN, heights[0] + heights[1] + 2 * DOWN]
    at, left = {}, 0
    for column in columns:
        wide = max(width[name] for name in column)
        for name in column:
            row = next((i for i, names in enumerate(rows) if name in names), None)
            span = sum(heights) + 2 * DOWN if name == "x" else heights[0] + heights[1] + DOWN
            at[name] = [left, (span - height[name]) // 2 if row is None else tops[row]]
        left += wide + ACROSS
    return {"need": left - ACROSS, "height": tops[2] + heights[2], "at": at}


def downwards(
    width: dict, height: dict, chain: list[str], projected: bool, beside: bool, packing: int
) -> dict:
    """From top to bottom: Q, K and V beside one another, and below them up to `packing` matrices in a row."""
    at, top, left, need = {}, 0, 0, 0
    if projected:
        at["x"] = [0, 0]
        left, top = (width["x"] + ACROSS, 0) if beside else (0, height["x"] + DOWN)
        need = width["x"]
    above = max(height[name] for name in WEIGHTS) + DOWN if projected else 0
    for weight, name in zip(WEIGHTS, INPUTS, strict=True):
        at[name] = [left, top + above]
        if projected:
            at[weight] = [left, top]
        left += max(width[name], width[weight] if projected else 0) + ACROSS
    end = left - ACROSS
    top += above + max(height[name] for name in INPUTS) + DOWN
    need = max(need, end)
    for start in range(0, len(chain), packing):
        row, left = chain[start : start + packing], 0
        for name in row:
            at[name] = [left, top]
            left += width[name] + ACROSS
        top += max(height[name] for name in row) + DOWN
        need = max(need, left - ACROSS)
    at["output"] = [max(0, end - width["output"]), top]
    return {"need": max(need, width["output"]), "height": top + height["output"], "at": at}


def in_pairs(width: dict, height: dict, chain: list[str]) -> dict:
    """From top to bottom, two in a row; V is beside the output."""
    rows = [["query", "key"], *(chain[i : i + 2] for i in range(0, len(chain), 2)), ["value", "output"]]
    at, top = {}, 0
    for first, *others in rows:
        at |= {first: [0, top]} | {name: [width[first] + ACROSS, top] for name in others}
        top += max(height[name] for name in (first, *others)) + DOWN
    need = max(sum(width[name] for name in row) + ACROSS * (len(row) - 1) for row in rows)
    return {"need": need, "height": top - DOWN, "at": at}


def stacked(height: dict, names: list[str]) -> dict:
    """All matrices below one another."""
    at, top = {}, 0
    for name in names:
        at[name] = [0, top]
        top += height[name] + DOWN
    return {"need": 0, "height": top - DOWN, "at": at}


def mask_of(state: dict) -> str:
    """When the mask is applied: "none", "before" or "after" the softmax."""
    return "none" if state["masking"] == "none" else state["mask_when"]


def widest(state: dict) -> int:
    """The width in pixels at which the matrices are side by side."""
    return state["_lanes"][mask_of(state)][0]["need"]


def folded(state: dict) -> dict:
    """The plan with all matrices below one another; those of later steps are only headings."""
    plan = state["_lanes"][mask_of(state)][-1]
    before = state["mask_when"] == "before"
    steps = {"scores": 1, "scaled": 2, "masked": 4 - before, "weights": 3 + before, "output": 5}
    later = [name for name in plan["at"] if steps.get(name, 0) > state["step"]]
    heights = [state["_sizes"]["scaled" if name == "masked" else name][-1] for name in later]
    return plan | {"height": plan["height"] - sum(heights) + HEADING * len(later)}


def height_of(state: dict) -> str:
    """The height of the matrices as a CSS length that depends on the width of the widget."""
    plans = [*state["_lanes"][mask_of(state)][:-1], folded(state)]
    steps = [f"{plans[0]['height']}px"]
    for wide, narrow in pairwise(plans):
        more = narrow["height"] - wide["height"]
        sign = "+" if more >= 0 else "-"
        steps.append(f"{sign} clamp(0px, ({wide['need']}px - 100cqw) * 9999, {abs(more)}px)")
    return f"calc({' '.join(steps)})"


def is_long(state: dict) -> bool:
    """Whether the explanations are long and need more room."""
    return max(len(state["_query"][0]), len(state["_key"])) > 4
