"""How vectors are cut into heads, attend, and are joined again; where each number goes."""

from .pen import Drawing

WORDS, HEADS, WIDTH = 3, 3, 4  # T, H, d
KINDS = ("cell", "cell soft", "cell hollow")
CELL, GAP, APART = 13, 2, 14
STEP = CELL + GAP
MIDDLE = 148


def multi_head_split() -> Drawing:
    drawing = Drawing(height=494)
    whole, heads, squares = 22, (132, 350), 250
    matrix(drawing, whole, apart=0)
    shape(drawing, whole, "x", "(B, T, D)")
    step(drawing, 72, 114, "cut each row into H pieces,", "then swap: heads in front")
    for top in heads:
        matrix(drawing, top, apart=APART)
    shape(drawing, heads[0], "H heads", "(B, H, T, d)")
    for head in range(HEADS):
        drawing.text(middle_of(head), heads[0] - 9, f"head {head}", kind="word quiet", size=12)
    step(drawing, 182, 240, "query meets key,", "in each head by itself")
    for head, kind in enumerate(KINDS):
        left = middle_of(head) - 1.5 * STEP + GAP / 2
        drawing.grid(left, squares, WORDS, WORDS, cell=CELL, gap=GAP, kind=kind)
    shape(drawing, squares, "weights", "(B, H, T, T)")
    step(drawing, 300, 340, "each blends its values")
    shape(drawing, heads[1], "H blends", "(B, H, T, d)")
    step(drawing, 400, 440, "swap back, join,", "mix with Wᴼ")
    matrix(drawing, 446, apart=0, mixed=True)
    shape(drawing, 446, "output", "(B, T, D)")
    return drawing


def matrix(drawing: Drawing, top: float, *, apart: float, mixed: bool = False) -> None:
    """All heads' numbers, a row for each word, a fill for each head."""
    for head, kind in enumerate(KINDS):
        left = middle_of(head, apart) - WIDTH * STEP / 2 + GAP / 2
        drawing.grid(left, top, WORDS, WIDTH, cell=CELL, gap=GAP, kind="cell value" if mixed else kind)


def middle_of(head: int, apart: float = APART) -> float:
    """Where a head's columns have their middle."""
    return MIDDLE - 16 + (head - 1) * (WIDTH * STEP + apart)


def shape(drawing: Drawing, top: float, name: str, axes: str) -> None:
    """What the rows are called, and their shape."""
    drawing.text(356, top + 11, name, kind="word bold", size=12.5, anchor="end")
    drawing.text(356, top + 29, axes, kind="word", size=12.5, anchor="end")


def step(drawing: Drawing, top: float, bottom: float, *words: str) -> None:
    """An arrow down, and what happens on the way."""
    x = middle_of(1)
    drawing.wire((x, top), (x, bottom))
    lines = [line for line in words if line]
    middle = (top + bottom) / 2 - (len(lines) - 1) * 8
    for row, line in enumerate(lines):
        drawing.text(x + 12, middle + 16 * row, line, kind="word quiet", size=12.5, anchor="start")
