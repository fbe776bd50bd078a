"""Attention in one style, from one query's lookup to several heads: queries orange, keys teal, values purple.

The drawings share one example of random numbers: the stronger a cell's colour, the larger its number.
"""

import numpy as np

from .example import SEED, WORDS, Matrix, example, softmax
from .pen import HUES, QKV, Drawing

CELL, GAP = 10, 1.5
STEP = CELL + GAP
NUMBERS = (27, 19)  # a cell that shows its number
ROW = WORDS.index("people")  # the query that the drawings follow
CREDIT = f"Random numbers, not a trained model (seed {SEED})."


def shares(numbers: Matrix) -> Matrix:
    """How strongly to fill the cells of a matrix: .1 at its smallest number, 1 at its largest."""
    low, high = numbers.min(), numbers.max()
    return 0.1 + 0.9 * (numbers - low) / (high - low)


def span(columns: int, cell: float = CELL, gap: float = GAP) -> float:
    """The width of so many cells."""
    return columns * (cell + gap) - gap


def signed(number: float, decimals: int = 1) -> str:
    """A number with a typographic minus, and none before a rounded zero."""
    return f"{number:z.{decimals}f}".replace("-", "−")


def qkv_lookup() -> Drawing:
    """One query: its scores with all keys, their softmax, and the weighted sum of the values."""
    drawing, given = Drawing(height=208), example()
    keys, scores, bars, values, output = 54, 140, 184, 238, 312
    weights, top, high = given.weights[ROW], 86, 26
    for middle, words, kind, formula in (
        (keys + span(4) / 2, "query", "word query", ""),
        (129, "scores", "word bold", "q · k / √d"),
        (193, "weights", "word bold", "softmax"),
        (values + span(4) / 2, "values", "word value", ""),
        (output + span(4) / 2, "output", "word value", ""),
    ):
        drawing.text(middle, 16, words, kind=kind, size=12.5)
        if formula:
            drawing.text(middle, 32, formula)
    drawing.text(46, 34, WORDS[ROW], kind="word query", anchor="end")
    drawing.matrix(keys, 29, shares(given.query)[ROW : ROW + 1], kind="cell query")
    drawing.text(keys + span(4) / 2, 64, "keys", kind="word key", size=12.5)

    middle = top + 1.5 * high
    for row, word in enumerate(WORDS):
        y = top + row * high
        drawing.text(46, y, word, anchor="end")
        drawing.matrix(keys, y - CELL / 2, shares(given.key)[row : row + 1], kind="cell key")
        drawing.text(scores, y, signed(given.scores[ROW, row], decimals=2), anchor="end")
        drawing.text(bars - 4, y, f"{weights[row]:.2f}", anchor="end")
        drawing.add("rect", kind="bar", x=bars, y=y - 6, width=72 * weights[row], height=12, rx=1.5)
        drawing.matrix(values, y - CELL / 2, shares(given.value)[row : row + 1], kind="cell value")
        left, right = values + span(4) + 2, output - 3
        bend = (left + right) / 2
        drawing.add(
            "path",
            kind="ribbon",
            stroke_width=max(1, 16 * weights[row]),
            d=f"M{left} {y}C{bend} {y} {bend} {middle} {right} {middle}",
        )
    drawing.matrix(output, middle - CELL / 2, shares(given.output)[ROW : ROW + 1], kind="cell value")
    drawing.text(180, 196, CREDIT, kind="word quiet")
    return drawing


def qkv_projections() -> Drawing:
    """X times each of three matrices: one row of X becomes one row of Q, of K and of V."""
    drawing, given = Drawing(height=322), example()
    lanes = (
        ("Q", given.to_query, given.query),
        ("K", given.to_key, given.key),
        ("V", given.to_value, given.value),
    )
    x, left, right, middle = 54, 186, 284, 158
    top = middle - span(4) / 2
    drawing.text(x + span(6) / 2, top - 14, "X (S, D)", kind="word bold", size=12.5)
    drawing.matrix(x, top, shares(given.x), kind="cell plain")
    for row, word in enumerate(WORDS):
        kind = "word bold" if row == ROW else "word"
        drawing.text(46, top + CELL / 2 + row * STEP, word, kind=kind, size=11.5, anchor="end")
    mark(drawing, x, top + ROW * STEP, span(6), CELL)
    drawing.wire((x + span(6) + 6, middle), (146, middle), head=False)
    for lane, (name, matrix, product) in enumerate(lanes):
        kind, y = QKV[name], 58 + lane * 100
        drawing.wire((146, middle), (146, y), (left - 18, y), kind=f"wire {kind}", head=False)
        drawing.text(left - 9, y, "×", kind=f"word {kind}", size=14)
        drawing.matrix(left, y - span(6) / 2, shares(matrix), kind=f"cell {kind}")
        raised(drawing, left + 6, y - 45, "W", name, kind)
        drawing.text(left + 20, y - 45, "(D, d)", kind=f"word {kind}", size=12.5, anchor="start")
        drawing.text((left + span(4) + right) / 2, y, "=", kind=f"word {kind}", size=14)
        drawing.matrix(right, y - span(4) / 2, shares(product), kind=f"cell {kind}")
        drawing.text(
            right + span(4) / 2, y - span(4) / 2 - 12, f"{name} (S, d)", kind=f"word {kind}", size=12.5
        )
        mark(drawing, right, y - span(4) / 2 + ROW * STEP, span(4), CELL)
    drawing.text(180, 312, CREDIT, kind="word quiet")
    return drawing


def attention_matrices() -> Drawing:
    """Q times K transposed, scaled: scores. Softmax of each row: weights. Times V: the output."""
    drawing, given = Drawing(height=280), example()
    wide, high = NUMBERS
    across, down = span(4, wide), span(4, high)
    left, tall = 54, span(4)
    middle = 22 + down / 2 + 8  # of the first row of matrices
    scores = 348 - across

    def words(x: float, top: float, step: float) -> None:
        for row, word in enumerate(WORDS):
            kind = "word bold" if row == ROW else "word"
            drawing.text(x, top + row * step, word, kind=kind, size=11.5, anchor="end")

    # scores
    drawing.text(left + tall / 2, 14, "Q", kind="word query", size=13)
    drawing.matrix(left, middle - down / 2, shares(given.query), cell=(CELL, high), kind="cell query")
    words(46, middle - down / 2 + high / 2, high + GAP)
    mark(drawing, left, middle - down / 2 + ROW * (high + GAP), tall, high)
    turned = 134
    drawing.text((left + tall + turned) / 2, middle, "×", size=14)
    raised(drawing, turned + tall / 2, middle - tall / 2 - 14, "K", "T", "key")
    drawing.matrix(turned, middle - tall / 2, shares(given.key).T, kind="cell key")
    drawing.text((turned + tall + scores) / 2, middle - 9, "÷ √d", size=12)
    drawing.text((turned + tall + scores) / 2, middle + 9, "=", size=14)
    drawing.text(scores + across / 2, 14, "scores (S, S)", kind="word bold", size=13)
    numbers(
        drawing, scores, middle - down / 2, given.scores, shares(given.scores) * 0.3, signed, "cell plain"
    )
    mark(drawing, scores, middle - down / 2 + ROW * (high + GAP), across, high)

    # weights
    second, turn = middle + down + 58, middle + down / 2 + 6
    center = left + across / 2
    drawing.wire(
        (scores + across / 2, turn),
        (scores + across / 2, turn + 12),
        (center, turn + 12),
        (center, turn + 26),
    )
    drawing.text(scores - 8, turn + 23, "softmax of each row", anchor="end")
    drawing.text(center, second - down / 2 - 13, "weights (S, S)", kind="word bold", size=13)
    numbers(drawing, left, second - down / 2, given.weights, given.weights * 0.5, "{:.2f}".format, "cell")
    words(46, second - down / 2 + high / 2, high + GAP)
    mark(drawing, left, second - down / 2 + ROW * (high + GAP), across, high)
    values, output = 206, 296
    drawing.text((left + across + values) / 2, second, "×", size=14)
    drawing.text(values + tall / 2, second - tall / 2 - 14, "V", kind="word value", size=13)
    drawing.matrix(values, second - tall / 2, shares(given.value), kind="cell value")
    drawing.text((values + tall + output) / 2, second, "=", size=14)
    drawing.text(output + tall / 2, second - down / 2 - 13, "output (S, d)", kind="word value", size=13)
    drawing.matrix(output, second - down / 2, shares(given.output), cell=(CELL, high), kind="cell value")
    mark(drawing, output, second - down / 2 + ROW * (high + GAP), tall, high)
    drawing.text(180, 268, CREDIT, kind="word quiet")
    return drawing


def numbers(
    drawing: Drawing, x: float, y: float, matrix: Matrix, strength: Matrix, written, kind: str
) -> None:
    """A matrix whose cells show their numbers."""
    wide, high = NUMBERS
    drawing.matrix(x, y, strength, cell=NUMBERS, kind=kind)
    for row, line in enumerate(matrix):
        for column, number in enumerate(line):
            middle = x + column * (wide + GAP) + wide / 2, y + row * (high + GAP) + high / 2
            drawing.text(*middle, written(number), size=11.5)


def mark(drawing: Drawing, x: float, y: float, width: float, height: float) -> None:
    """An outline around the cells that the text follows."""
    drawing.add("rect", kind="mark", x=x - 2, y=y - 2, width=width + 4, height=height + 4, rx=2)


def raised(drawing: Drawing, middle: float, y: float, letter: str, above: str, kind: str = "bold") -> None:
    """A letter with a superscript. (Not every font has superscripts of all letters.)"""
    drawing.text(middle + 1.5, y, letter, kind=f"word {kind}", size=13, anchor="end")
    drawing.text(middle + 2, y - 4, above, kind=f"word {kind}", size=11.5, anchor="start")


def heads_projected() -> Drawing:
    """Project first; then split into H heads, attend in each, join the outputs, and mix them."""
    drawing, heads = Drawing(height=544), len(HUES)
    given = example(width=12, head=12)  # all heads' columns side by side
    cell, gap, cut, d = 6, 1.5, 7, 12 // heads
    piece = span(d, cell, gap)
    whole, tall = heads * piece + (heads - 1) * cut, span(len(WORDS), cell, gap)
    middles = 62, 180, 298

    def pieces(middle: float, top: float, matrix: Matrix, kinds, gap_between: float = cut) -> None:
        """A matrix `(S, D)`, with a gap between the columns of two heads."""
        strength, step = shares(matrix), piece + gap_between
        x = middle - (heads * step - gap_between) / 2
        for head, kind in zip(range(heads), kinds, strict=True):
            columns = strength[:, head * d : (head + 1) * d]
            drawing.matrix(x + head * step, top, columns, cell=cell, gap=gap, kind=kind)

    drawing.text(180, 12, "X (S, D)", kind="word bold", size=13)
    pieces(180, 23, given.x, ["cell plain"] * heads, gap)
    for middle, (letter, kind), matrix in zip(
        middles, QKV.items(), (given.query, given.key, given.value), strict=True
    ):
        corners = [] if middle == 180 else [(180, 62), (middle, 62)]
        drawing.wire((180, 62 if corners else 56), *corners[1:], (middle, 70), kind=f"wire {kind}", size=3.4)
        drawing.box(middle - 26, 70, 52, 22, kind=f"box {kind}")
        raised(drawing, middle - 1, 82, "W", letter, kind)
        drawing.wire((middle, 92), (middle, 116), kind=f"wire {kind}", size=3.4)
        drawing.text(middle + 14, 104, letter, kind=f"word {kind}", size=13)
        pieces(middle, 120, matrix, [f"cell {kind}"] * heads)
        for head, hue in enumerate(HUES):
            x = middle - whole / 2 + head * (piece + cut)
            drawing.add("rect", kind=f"bar {hue}", x=x, y=120 + tall + 4, width=piece, height=3)
    drawing.text(180, 172, "Each head takes its own columns of Q, K and V: (S, d) each.", kind="word quiet")

    outputs = []
    top = 184
    for head, (hue, middle) in enumerate(zip(HUES, middles, strict=True)):
        columns = slice(head * d, (head + 1) * d)
        query, key, value = (m[:, columns] for m in (given.query, given.key, given.value))
        weights = softmax(query @ key.T / d**0.5)
        outputs.append(weights @ value)
        drawing.box(middle - 56, top, 112, 174, kind=f"frame {hue}", radius=6)
        drawing.text(middle, top + 13, f"head {head}", kind="word bold", size=12)
        left, right = middle - 46, middle + 46 - piece
        drawing.matrix(left, top + 28, shares(given.query)[:, columns], cell=cell, gap=gap, kind="cell query")
        drawing.text(middle - 5, top + 28 + tall / 2, "×", size=13)
        drawing.matrix(right, top + 28, shares(given.key)[:, columns].T, cell=cell, gap=gap, kind="cell key")
        drawing.wire((left + 19, top + 62), (left + 19, top + 74), size=3.4)
        drawing.text(left + 28, top + 67, "softmax", kind="word quiet", size=11.5, anchor="start")
        drawing.matrix(left, top + 78, 0.06 + 0.94 * weights, cell=8.5, gap=gap, kind=f"cell {hue}")
        drawing.text(middle + 5, top + 97, "×", size=13)
        drawing.matrix(
            right, top + 83, shares(given.value)[:, columns], cell=cell, gap=gap, kind="cell value"
        )
        drawing.wire((middle, top + 122), (middle, top + 134), size=3.4)
        drawing.matrix(
            middle - piece / 2, top + 138, shares(outputs[-1]), cell=cell, gap=gap, kind="cell value"
        )
        start, piece_at = top + 138 + tall + 3, 180 + (head - (heads - 1) / 2) * (piece + cut)
        bend = 373 if head == 1 else 381
        drawing.wire((middle, start), (middle, bend), (piece_at, bend), (piece_at, 395), size=3.4)
        drawing.add(
            "rect", kind=f"bar {hue}", x=piece_at - piece / 2, y=399 + tall + 4, width=piece, height=3
        )

    right = 180 + whole / 2 + 10
    pieces(180, 399, np.concatenate(outputs, axis=1), ["cell value"] * heads)
    drawing.text(right, 399 + tall / 2, "concatenated (S, D)", anchor="start")
    drawing.wire((180, 440), (180, 452), size=3.4)
    drawing.box(154, 452, 52, 22, kind="box")
    raised(drawing, 179, 464, "W", "O")
    drawing.wire((180, 474), (180, 486), size=3.4)
    mixing = np.random.default_rng(SEED).normal(size=(12, 12))
    pieces(180, 490, np.concatenate(outputs, axis=1) @ mixing, ["cell plain"] * heads, gap)
    drawing.text(right, 490 + tall / 2, "output (S, D)", kind="word bold", anchor="start")
    drawing.text(180, 534, CREDIT, kind="word quiet")
    return drawing
