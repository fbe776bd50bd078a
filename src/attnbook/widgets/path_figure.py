"""The path explorer's static picture: the three networks and the path through each."""

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from attnbook.maps import visible
from attnbook.plots import PALETTE, SERIES, drawable, installed_fonts, shorten, style
from attnbook.widgets.labels import plural

NAMES = {"recurrent": "recurrent network", "convolution": "convolutions", "attention": "attention"}


def path_figure(explorer) -> Figure:
    """Draw the three networks of a `PathExplorer` side by side, with its current traits."""
    with mpl.rc_context(style() | {"axes.grid": False}):
        figure = Figure(figsize=(8.4, 2.5))
        for ax, network in zip(figure.subplots(1, 3), NAMES, strict=True):
            draw(ax, explorer, network)
        if explorer.title:
            figure.suptitle(drawable(explorer.title), parse_math=False, x=0.02, ha="left", fontsize=11)
    return figure


def draw(ax: Axes, explorer, network: str) -> None:
    """Draw one network: inputs below, outputs above, the signal's path in bold."""
    colors = PALETTE["light"]
    source, target, reach = explorer.source, explorer.target, (explorer.kernel - 1) // 2
    count = len(explorer.tokens)
    rows = explorer.layers if network == "convolution" else 1
    faint = {"color": colors["line"], "lw": 0.8, "zorder": 1}
    for i in range(count):
        if network == "attention":
            ax.plot([i, target], [0, 1], **faint)
        elif network == "recurrent":
            ax.plot([i, i], [0, 1], **faint)
            ax.plot([max(0, i - 1), i], [1, 1], **faint)
    if network == "convolution":
        levels = np.arange(rows + 1)
        left = np.clip(target - (rows - levels) * reach, 0, count - 1)
        right = np.clip(target + (rows - levels) * reach, 0, count - 1)
        ax.fill_betweenx(levels, left - 0.35, right + 0.35, color=SERIES[0], alpha=0.12, lw=0)
    column, row = np.meshgrid(np.arange(count), np.arange(rows + 1))
    ax.scatter(column, row, s=14, fc=colors["paper"], ec=colors["muted"], lw=0.7, zorder=2)
    steps = explorer.steps[network]
    if steps is not None:
        for start, end in zip(*points(explorer, network), strict=True):
            arrow = {"arrowstyle": "-|>", "color": SERIES[0], "lw": 1.8, "shrinkA": 2, "shrinkB": 2}
            ax.annotate("", end, start, arrowprops=arrow, zorder=3)
    ax.scatter([source, target], [0, rows], s=34, c=[SERIES[2], SERIES[1]], zorder=4)
    for position, y, va in ((source, 0, "top"), (target, rows, "bottom")):
        label = drawable(shorten(visible(explorer.tokens[position]), 16))
        ha = "left" if position < count / 3 else "right" if position > count * 2 / 3 else "center"
        shift = (0, -6 if va == "top" else 6)
        ax.annotate(
            label,
            (position, y),
            shift,
            textcoords="offset points",
            ha=ha,
            va=va,
            fontsize=9,
            parse_math=False,
            fontfamily=installed_fonts(),
        )
    words = "no path" if steps is None else f"{steps} {plural('step', steps)}"
    ax.set_title(f"{NAMES[network]}: {words}", fontsize=10)
    ax.set(xlim=(-0.8, count - 0.2), ylim=(-0.22 * rows, 1.22 * rows), xticks=[], yticks=[])
    ax.spines[:].set_visible(False)


def points(explorer, network: str) -> tuple[list, list]:
    """The start and end points of the steps as (column, row)."""
    source, target, layers = explorer.source, explorer.target, explorer.layers
    if network == "attention":
        way = [(source, 0), (target, 1)]
    elif network == "recurrent":
        way = [(source, 0), *((i, 1) for i in range(source, target + 1))]
    else:
        way = [(source + round((target - source) * row / layers), row) for row in range(layers + 1)]
    return way[:-1], way[1:]
