"""The explorer's static picture of its lines: several heads at once, from the queries to the keys."""

from collections.abc import Sequence
from textwrap import wrap

import matplotlib as mpl
import numpy as np
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.path import Path

from attnbook.maps import AttentionMaps, visible
from attnbook.plots import PALETTE, drawable, shorten, style

FAINTEST = 0.02  # opacity of a line that is drawn, as in js/explorer/lines.js
LINES = 2000  # only the strongest are drawn
CURVE = [Path.MOVETO, Path.CURVE4, Path.CURVE4, Path.CURVE4]
WIDTH, PITCH = 5.4, 0.26  # inches


def lines_figure(
    maps: AttentionMaps,
    heads: Sequence[Sequence[int]],
    names: Sequence[str],
    *,
    title: str,
    peak: float,
    hidden: int,
) -> Figure:
    """Draw the weights of each of `heads`, pairs `(layer, head)` with `names`, as lines in its own colour.

    A line's opacity is its weight divided by `peak`; the first `hidden` keys have no lines.
    """
    words = wrap(drawable(title), 64)
    names = [name for name in names if name]  # a single map has none
    below = 0.15 + 0.22 * len(names)
    height = PITCH * max(len(maps.queries), len(maps.keys)) + below + 0.3 + 0.2 * len(words)
    paths, colors = [], []
    for number, (layer, head) in enumerate(heads):
        shift = (number - (len(heads) - 1) / 2) * min(0.08, 0.4 / len(heads))
        weights, _ = maps.at(layer, head)
        for row, column in np.argwhere(weights >= FAINTEST * peak):
            if column >= hidden:
                ends = [[0, row + shift], [0.5, row + shift], [0.5, column + shift], [1, column + shift]]
                paths.append(Path(ends, CURVE))
                colors.append((PALETTE["heads"]["light"][number], min(1.0, weights[row, column] / peak)))
    order = sorted(range(len(paths)), key=lambda i: colors[i][1])[-LINES:]
    with mpl.rc_context(style() | {"axes.grid": False}):
        figure = Figure(figsize=(WIDTH, height), layout="none")
        ax = figure.add_axes((0.26, below / height, 0.48, 1 - (below + 0.3 + 0.2 * len(words)) / height))
        ax.set(xlim=(0, 1), ylim=(max(len(maps.queries), len(maps.keys)) - 0.5, -0.5))
        ax.set_axis_off()
        lines = PathCollection(
            [paths[i] for i in order], facecolor="none", edgecolor=[colors[i] for i in order], linewidth=1.6
        )
        lines.set_transform(ax.transData)
        ax.add_collection(lines, autolim=False)
        small = {"fontsize": 9, "parse_math": False, "clip_on": False}
        for side, tokens, x, ha in (
            ("query", maps.queries, -0.04, "right"),
            ("key", maps.keys, 1.04, "left"),
        ):
            ax.text(x, -0.9, side, ha=ha, color=PALETTE["light"]["muted"], **small)
            for i, token in enumerate(tokens):
                ax.text(x, i, drawable(shorten(visible(token))), ha=ha, va="center", **small)
        keys = [Line2D([], [], color=color, lw=2.5) for color in PALETTE["heads"]["light"][: len(names)]]
        place = {"loc": "lower left", "bbox_to_anchor": (0.02, 0.01)}
        figure.legend(keys, names, **place, fontsize=9, frameon=False, borderaxespad=0, labelspacing=0.3)
        figure.suptitle("\n".join(words), parse_math=False, x=0.02, y=0.99, va="top", ha="left", fontsize=11)
    return figure
