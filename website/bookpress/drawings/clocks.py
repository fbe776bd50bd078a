"""Sinusoidal positions as clocks: every pair of features is a hand that turns, each pair more slowly."""

from math import cos, pi, sin

from .pen import Drawing

WIDTH, PAIRS = 8, 4  # D, and its pairs of sine and cosine
POSITIONS = (0, 1, 2, 50)
RADIUS, COLUMN, ROW = 24, 74, 66
LEFT, TOP = 106, 92  # the middle of the first clock


def position_clocks() -> Drawing:
    drawing = Drawing(height=356)
    drawing.text(LEFT - RADIUS - 12, 32, "features", anchor="end")
    drawing.text(LEFT - RADIUS - 12, 49, "a full turn", kind="word quiet", anchor="end")
    drawing.text(LEFT + 1.5 * COLUMN, 12, f"a position's D = {WIDTH} features, in pairs", size=12.5)
    for pair in range(PAIRS):
        speed = 10_000 ** (-2 * pair / WIDTH)  # radians per position
        x = LEFT + pair * COLUMN
        drawing.text(x, 32, f"{2 * pair}, {2 * pair + 1}", kind="word bold", size=12.5)
        drawing.text(x, 49, f"{2 * pi / speed:,.{int(pair == 0)}f}", kind="word quiet")
        for row, position in enumerate(POSITIONS):
            clock(drawing, x, TOP + row * ROW, position * speed)
    for row, position in enumerate(POSITIONS):
        drawing.text(LEFT - RADIUS - 12, TOP + row * ROW, f"t = {position}", kind="word bold", anchor="end")
    drawing.wire((104, 342), (104, 328), kind="wire second", head=False)
    drawing.text(110, 336, "up: sine", anchor="start")
    drawing.wire((192, 336), (206, 336), kind="wire third", head=False)
    drawing.text(212, 336, "across: cosine", anchor="start")
    return drawing


def clock(drawing: Drawing, x: float, y: float, angle: float) -> None:
    """A hand at an angle, from the right and counterclockwise, with its sine and cosine."""
    tip = x + RADIUS * cos(angle), y - RADIUS * sin(angle)
    drawing.add("circle", kind="box", cx=x, cy=y, r=RADIUS)
    drawing.wire((x, y), (tip[0], y), kind="wire third", head=False)
    drawing.wire((tip[0], y), tip, kind="wire second", head=False)
    drawing.wire((x, y), tip, kind="wire hand", head=False)
    drawing.add("circle", kind="bar", cx=tip[0], cy=tip[1], r=3)
