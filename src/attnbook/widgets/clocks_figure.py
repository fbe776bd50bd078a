"""The position clocks' static picture: one dial per pair of features, with the hands of both positions."""

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Wedge

from attnbook.plots import PALETTE, SERIES, drawable, style

ACROSS = 4  # dials per row


def clocks_figure(clocks) -> Figure:
    """Draw the dials of `PositionClocks` with its current traits."""
    count = len(clocks._speeds)
    rows = -(-count // ACROSS)
    with mpl.rc_context(style() | {"axes.grid": False}):
        figure = Figure(figsize=(7.6, 0.7 + 2.3 * rows))
        axes = figure.subplots(rows, ACROSS, squeeze=False).flat
        for i, ax in enumerate(axes):
            ax.axis("off")
            if i < count:
                draw_dial(ax, clocks, i)
        t, other = clocks.position, clocks.position + clocks.offset
        line = f"thick: position {t}, thin: position {other}; dot product {clocks.dot:.2f}"
        title = f"{drawable(clocks.title)}\n{line}" if clocks.title else line
        figure.suptitle(title, parse_math=False, x=0.02, ha="left", fontsize=11)
    return figure


def draw_dial(ax: Axes, clocks, i: int) -> None:
    """Draw hand `i` of both positions, and the sector between them."""
    start, end = (
        clocks.angles(position)[i] for position in (clocks.position, clocks.position + clocks.offset)
    )
    turn = (end - start) % (2 * np.pi)
    ax.add_patch(Circle((0, 0), 1, fc="none", ec=PALETTE["light"]["hatch"], lw=1))
    ax.add_patch(Wedge((0, 0), 0.6, np.degrees(start), np.degrees(start + turn), fc=SERIES[0], alpha=0.15))
    for angle, color, width in ((start, SERIES[0], 3.5), (end, SERIES[1], 1.8)):
        ax.plot([0, np.cos(angle)], [0, np.sin(angle)], color=color, lw=width, solid_capstyle="round")
    ax.set(xlim=(-1.1, 1.1), ylim=(-1.1, 1.1), aspect="equal")
    ax.set_title(f"hand {i}: cos(ωk) = {clocks.products[i]:.2f}", fontsize=9)
