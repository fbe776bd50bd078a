"""A filing cabinet: a note, labels on drawers, papers inside; a drawer opens as far as its label fits."""

from .pen import Drawing

DRAWERS = (("day", 0.1), ("month", 0.6), ("year", 0.2), ("weekday", 0.1))
BODY, TOP, ROW, HIGH = 268, 92, 44, 32  # the cabinet's front edge, the first drawer, from one to the next
FRONT, PULL, ROOM = 66, 170, 6  # a drawer's front, how far a weight of 1 would pull it, what shows even so


def filing_cabinet() -> Drawing:
    drawing = Drawing(height=328)
    bottom = TOP + ROW * len(DRAWERS)
    drawing.parts.append('<g transform="rotate(-3 62 36)">')
    drawing.box(10, 10, 106, 54, kind="box query", radius=2)
    drawing.text(63, 27, "query", kind="word query", size=13)
    drawing.text(63, 47, "“which month?”", kind="word", size=13)
    drawing.parts.append("</g>")
    drawing.text(352, 17, "on the front: key", kind="word key", size=13, anchor="end")
    drawing.text(352, 36, "what is inside: value", kind="word value", size=13, anchor="end")
    drawing.text(352, 55, "how far open: weight", kind="word bold", size=13, anchor="end")

    drawing.box(BODY, TOP - 12, 84, bottom - TOP + 16, radius=4)
    drawing.wire((20, 66), (20, bottom - ROW + HIGH / 2), kind="wire query light", head=False)
    for row, (label, weight) in enumerate(DRAWERS):
        drawer(drawing, TOP + row * ROW, label, weight)
    sums = " + ".join(f"{weight:g} v{'₁₂₃₄'[row]}" for row, (_, weight) in enumerate(DRAWERS))
    drawing.text(180, bottom + 24, "output, the weighted average:", kind="word quiet", size=12.5)
    drawing.text(180, bottom + 42, sums, kind="word value", size=13.5)
    return drawing


def drawer(drawing: Drawing, y: float, label: str, weight: float) -> None:
    """One drawer, pulled out of the cabinet as far as its weight says."""
    open_by = ROOM + weight * PULL
    left = BODY - open_by - FRONT
    drawing.wire((20, y + HIGH / 2), (left, y + HIGH / 2), kind="wire query light", size=3.4)
    drawing.add("rect", kind="box bare", x=left + FRONT, y=y + 8, width=open_by, height=HIGH - 8)
    for sheet in range(int(open_by // 9)):
        drawing.box(left + FRONT + 3 + 9 * sheet, y + 2, 5, HIGH - 6, kind="box value", radius=1)
    drawing.box(left, y, FRONT, HIGH, kind="box", radius=3)
    drawing.box(left + 4, y + 6, FRONT - 8, HIGH - 12, label, kind="box key", radius=2, size=12)
    drawing.add("rect", kind="box bare", x=BODY + 6, y=y, width=72, height=HIGH, rx=2)
    drawing.text(BODY + 42, y + HIGH / 2, f"{weight:g}", kind="word bold", size=14)
