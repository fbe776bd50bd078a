"""The three uses of one attention function, and where their arguments come from."""

from .pen import Drawing

SIDES = {"source": ("S", 5), "target": ("T", 4)}
CALLS = (
    ("Encoder self-attention", "source", "source", False),
    ("Decoder self-attention", "target", "target", True),
    ("Cross-attention", "target", "source", False),
)
ROW = 104


def call_sites() -> Drawing:
    drawing = Drawing(height=3 * ROW + 4)
    for row, call in enumerate(CALLS):
        call_site(drawing, 6 + row * ROW, *call)
    return drawing


def call_site(drawing: Drawing, top: float, words: str, asks: str, answers: str, causal: bool) -> None:
    """One row: where queries and keys come from, the function, and its weights."""
    drawing.text(6, top + 8, words, kind="word bold", size=13.5, anchor="start")
    if causal:
        drawing.text(354, top + 8, "nothing that comes later", kind="word quiet", anchor="end")
    for kind, y in ((asks, top + 36), (answers, top + 70)):
        drawing.box(6, y - 11, 58, 22, kind, kind=f"box {kind}", radius=11, size=12.5)
    for kind, y, letter, where in (
        (asks, top + 36, "Q", top + 27),
        (answers, top + 65, "K", top + 56),
        (answers, top + 76, "V", top + 86),
    ):
        drawing.wire((66, y), (120, y), kind=f"wire {kind}")
        drawing.text(90, where, letter, kind=f"word {kind}", size=12.5)
    drawing.box(120, top + 24, 92, 64, "attention", size=13)
    drawing.wire((212, top + 56), (242, top + 56))
    rows, columns = SIDES[asks][1], SIDES[answers][1]
    cell, gap = 10, 1.5
    left, high = 264, top + 59 - rows * (cell + gap) / 2
    drawing.grid(left, high, rows, columns, kind="cell", shown=lambda t, s: not causal or s <= t)
    tall, wide = rows * (cell + gap) - gap, columns * (cell + gap) - gap
    drawing.add("rect", kind=f"bar {asks}", x=left - 6, y=high, width=3, height=tall)
    drawing.add("rect", kind=f"bar {answers}", x=left, y=high - 6, width=wide, height=3)
    drawing.text(left - 13, high + tall / 2, SIDES[asks][0], kind=f"word {asks}", size=12.5)
    drawing.text(left + wide / 2, high - 13, SIDES[answers][0], kind=f"word {answers}", size=12.5)
    shape = f"({SIDES[asks][0]}, {SIDES[answers][0]})"
    drawing.text(354, high + tall / 2, shape, kind="word", size=12.5, anchor="end")
