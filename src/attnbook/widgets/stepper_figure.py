"""The stepper's static picture: scores, weights and output side by side."""

import matplotlib as mpl
import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from attnbook.maps import visible
from attnbook.plots import PALETTE, drawable, label_axis, shorten, style, weights_colormap

BESIDE = 7  # most columns for panels side by side
MINUS, PLUS = "#e8b5ac", "#b9c7e2"  # the tints of signed numbers, as on the page


def stepper_figure(stepper) -> Figure:
    """Draw scores (scaled if switched on), weights and output of an `AttentionStepper`."""
    query, key, value = stepper._numbers
    output, weights = stepper.attend()
    scores = query @ key.T / stepper.divisor  # (T, S)
    panels = [("scores" if stepper.divisor == 1 else "scores, scaled", scores, stepper.key_tokens)]
    panels += [("weights", weights, stepper.key_tokens)]
    panels += [("output", output, [str(i) for i in range(value.shape[1])])]
    rows, columns = weights.shape
    across = max(columns, value.shape[1]) <= BESIDE
    with mpl.rc_context(style() | {"axes.grid": False}):
        values = value.shape[1]
        width = 1.6 + 0.5 * (2 * columns + values) if across else 1.3 + 0.5 * max(columns, values)
        figure = Figure(figsize=(max(4.5, width), (1 if across else 3) * (0.75 + 0.3 * rows)))
        ratios = {"width_ratios": [numbers.shape[1] for _, numbers, _ in panels]} if across else {}
        axes = figure.subplots(1 if across else 3, 3 if across else 1, squeeze=False, gridspec_kw=ratios)
        for (name, numbers, labels), ax in zip(panels, axes.flat, strict=True):
            draw(ax, name, numbers, stepper.query_tokens, labels)
        if stepper.allowed is not None:
            hatch(axes.flat[1], ~stepper.allowed)
        if stepper.title:
            figure.suptitle(drawable(stepper.title), parse_math=False, x=0.02, ha="left", fontsize=11)
    return figure


def draw(ax: Axes, name: str, numbers: np.ndarray, rows: list[str], columns: list[str]) -> None:
    """Draw one matrix with its numbers."""
    signed = name != "weights"
    peak = (float(np.abs(numbers).max()) or 1.0) if signed else 1.0
    paper = PALETTE["light"]["paper"]
    tint = LinearSegmentedColormap.from_list("signed", [MINUS, paper, PLUS])
    sns.heatmap(
        numbers,
        ax=ax,
        cmap=tint if signed else weights_colormap(),
        vmin=-peak if signed else 0,
        vmax=peak,
        annot=True,
        fmt=".2f",
        annot_kws={"size": 8},
        linewidths=0.5,
        linecolor=PALETTE["light"]["line"],
        cbar=False,
        xticklabels=False,
        yticklabels=False,
    )
    ax.xaxis.tick_top()  # before the labels are set: top and bottom labels are separate objects
    label_axis(ax.xaxis, [shorten(token, 5) for token in map(visible, columns)])
    label_axis(ax.yaxis, rows)
    ax.tick_params(length=0)
    ax.set_title(name, fontsize=10)


def hatch(ax: Axes, masked: np.ndarray) -> None:
    """Hatch the masked cells, over their zeros."""
    colors = PALETTE["light"]
    for row, column in np.argwhere(masked):
        ax.add_patch(
            Rectangle(
                (column, row), 1, 1, fc=colors["masked"], ec=colors["hatch"], hatch="/////", lw=0, zorder=4
            )
        )
