"""The query plane's static picture: the plane, and the weights as bars."""

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from attnbook.maps import visible
from attnbook.plots import PALETTE, SERIES, drawable, installed_fonts, shorten, style, weights_colormap


def plane_figure(plane) -> Figure:
    """Draw the plane and the weights of a `QueryPlane` with its current traits."""
    with mpl.rc_context(style()):
        figure = Figure(figsize=(7.6, max(3.3, 1.2 + 0.24 * len(plane.labels))))
        left, right = figure.subplots(1, 2, gridspec_kw={"width_ratios": [1, 1.1]})
        draw_plane(left, plane)
        draw_bars(right, plane)
        if plane.title:
            figure.suptitle(drawable(plane.title), parse_math=False, x=0.02, ha="left", fontsize=11)
    return figure


def draw_plane(ax: Axes, plane) -> None:
    """Draw keys as dots that grow with their weight; the query is an arrow, or a point with "distance"."""
    weights, limit = plane.weights, plane._limit
    x, y = plane._points.T
    text = {"parse_math": False, "fontfamily": installed_fonts(), "fontsize": 9}
    ax.scatter(x, y, s=30 + 300 * weights, c=weights_colormap()(weights), ec=SERIES[0], lw=1.2, zorder=3)
    if plane.score == "dot":
        arrow = {"arrowstyle": "-|>", "color": SERIES[1], "lw": 2, "shrinkA": 0, "shrinkB": 0}
        ax.annotate("", plane.query, (0, 0), arrowprops=arrow, zorder=4)
    else:
        ax.scatter(*plane.query, s=60, c=SERIES[1], zorder=4)
    ax.annotate(
        "q", plane.query, (6, 6), textcoords="offset points", color=SERIES[1], weight="bold", zorder=4
    )
    for point, label in zip(plane._points, plane.labels, strict=True):
        word = drawable(shorten(visible(label)))
        ax.annotate(word, point, (9, -3), textcoords="offset points", zorder=5, **text)
    ax.axhline(0, color=PALETTE["light"]["hatch"], lw=0.8, zorder=1)
    ax.axvline(0, color=PALETTE["light"]["hatch"], lw=0.8, zorder=1)
    ax.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal", title="query and keys")


def draw_bars(ax: Axes, plane) -> None:
    """Draw one bar per weight, with the weight and the key's value beside it."""
    weights = plane.weights
    rows = range(len(weights))
    ax.barh(rows, weights, height=0.7, color=SERIES[0], alpha=0.55)
    for row, (weight, value) in enumerate(zip(weights, plane._numbers, strict=True)):
        ax.text(weight + 0.02, row, f"{weight:.3f}  ·  {spelt(value)}", va="center", fontsize=8.5)
    labels = [drawable(shorten(visible(label))) for label in plane.labels]
    ax.set_yticks(rows, labels=labels, fontsize=9)
    for label in ax.get_yticklabels():
        label.set(parse_math=False, fontfamily=installed_fonts())
    ax.set(xlim=(0, 1.7), xticks=[0, 0.5, 1], title=f"weight · value;  average: {spelt(plane.output)}")
    ax.grid(visible=False)
    ax.invert_yaxis()


def spelt(value) -> str:
    """A value with two decimals; a vector in parentheses."""
    numbers = ", ".join(f"{number:.2f}" for number in value)
    return numbers if len(value) == 1 else f"({numbers})"
