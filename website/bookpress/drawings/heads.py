"""Multi-head attention: project, split into heads, attend in each, merge and mix."""

from .pen import Drawing

WORDS, HEADS, WIDTH = 3, 3, 4  # T, H, d
CELL, GAP = 6, 1.5
STEP = CELL + GAP
PIECE = WIDTH * STEP - GAP  # the width of one head's numbers
CUT = 8  # between two heads' pieces
WHOLE = HEADS * PIECE + (HEADS - 1) * CUT
MIDDLES = {"Q": 62, "K": 180, "V": 298}
KINDS = {"Q": "query", "K": "key", "V": "value"}
# What each head attends to, made up: the previous word, the word itself, the first word.
WEIGHTS = (
    ((0.9, 0.05, 0.05), (0.85, 0.1, 0.05), (0.1, 0.8, 0.1)),
    ((0.8, 0.1, 0.1), (0.1, 0.8, 0.1), (0.1, 0.1, 0.8)),
    ((0.7, 0.2, 0.1), (0.75, 0.1, 0.15), (0.7, 0.15, 0.15)),
)


def multi_head_split() -> Drawing:
    drawing = Drawing(height=496)
    matrix(drawing, 180, 24, kind="cell none")
    label(drawing, 180, 13, "X", "(B, T, D)")
    for name, middle in MIDDLES.items():
        kind = KINDS[name]
        drawing.wire((180, 50), (180, 56), (middle, 56), (middle, 64), kind=f"wire {kind}")
        power(drawing, middle, 75, name, box=f"box {kind}")
        drawing.wire((middle, 86), (middle, 108), kind=f"wire {kind}")
        matrix(drawing, middle, 110, kind=f"cell {kind}", cut=True)
        drawing.text(middle + 14, 98, name, kind=f"word {kind}", size=13)
    note(drawing, 144, "Split each into H heads: (B, H, T, d).")
    note(drawing, 159, "Each head has its own weights, (B, H, T, T).")
    for head, middle in enumerate(MIDDLES.values()):
        drawing.box(middle - 56, 170, 112, 170, kind="frame", radius=6)
        drawing.text(middle, 184, f"head {head}", kind="word quiet", size=12)
        grid(drawing, middle - 46, 200, kind="cell query")
        drawing.text(middle, 211, "×", size=13)
        grid(drawing, middle + 46 - PIECE, 200, kind="cell key")
        drawing.wire((middle, 226), (middle, 240))
        weights(drawing, middle - 46, 244, WEIGHTS[head])
        drawing.text(middle, 259, "×", size=13)
        grid(drawing, middle + 46 - PIECE, 248, kind="cell value")
        drawing.wire((middle, 280), (middle, 300))
        grid(drawing, middle - PIECE / 2, 306, kind="cell value")
    for middle in MIDDLES.values():
        drawing.wire((middle, 328), (middle, 360), (180, 360), (180, 380), head=middle == 180)
    matrix(drawing, 180, 384, kind="cell value")
    drawing.text(180 + WHOLE / 2 + 10, 395, "merged (B, T, D)", kind="word", size=12, anchor="start")
    drawing.wire((180, 408), (180, 420))
    power(drawing, 180, 431, "O", box="box")
    drawing.wire((180, 442), (180, 456))
    matrix(drawing, 180, 460, kind="cell")
    drawing.text(180 + WHOLE / 2 + 10, 471, "output (B, T, D)", kind="word", size=12, anchor="start")
    return drawing


def matrix(drawing: Drawing, middle: float, top: float, *, kind: str, cut: bool = False) -> None:
    """All D numbers of each word; `cut` leaves a gap between two heads' pieces."""
    width = WHOLE if cut else HEADS * WIDTH * STEP - GAP
    step = PIECE + (CUT if cut else GAP)
    for head in range(HEADS):
        grid(drawing, middle - width / 2 + head * step, top, kind=kind)


def grid(drawing: Drawing, left: float, top: float, *, kind: str) -> None:
    """One head's d numbers of each word."""
    drawing.grid(left, top, WORDS, WIDTH, cell=CELL, gap=GAP, kind=kind)


def weights(drawing: Drawing, left: float, top: float, rows: tuple[tuple[float, ...], ...]) -> None:
    """A head's weights, the darker the larger."""
    for row, shares in enumerate(rows):
        for column, share in enumerate(shares):
            place = {"x": left + column * 10, "y": top + row * 10, "width": 8.5, "height": 8.5, "rx": 1.5}
            drawing.add("rect", kind="cell", fill_opacity=share, **place)


def label(drawing: Drawing, middle: float, y: float, name: str, axes: str) -> None:
    drawing.text(middle - 4, y, name, kind="word bold", size=13, anchor="end")
    drawing.text(middle + 4, y, axes, kind="word", size=12, anchor="start")


def power(drawing: Drawing, middle: float, y: float, letter: str, *, box: str) -> None:
    """A box for a matrix: W with a raised letter. (Not every font has all letters raised.)"""
    drawing.box(middle - 26, y - 11, 52, 22, kind=box)
    drawing.text(middle - 4, y, "W", size=13)
    drawing.text(middle + 7, y - 4, letter, size=11.5)


def note(drawing: Drawing, y: float, words: str) -> None:
    drawing.text(180, y, words, kind="word quiet", size=12.5)
