"""The attention trainer's static picture: the finished runs, and the loss and maps of the recorded one."""

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from attnbook.plots import PALETTE, SERIES, drawable, plot_attention, style
from attnbook.widgets.labels import plural

LONGEST = 8  # runs in the picture


def trainer_figure(trainer) -> Figure:
    """Draw an `AttentionTrainer` with its current traits."""
    run = trainer.recorded
    heads = run["heads"] if run else 0
    with mpl.rc_context(style()):
        figure = Figure(figsize=(7.6, 5.2 if run else 2.4))
        rows = figure.subfigures(2 if run else 1, 1, squeeze=False, height_ratios=[1.2, 1] if run else None)
        draw_runs(rows[-1, 0].subplots(), trainer.runs)
        if run:
            axes = rows[0, 0].subplots(1, 1 + heads, width_ratios=[1] + [1.2] * heads)
            draw_losses(axes[0], trainer, run)
            maps = np.reshape(run["maps"], (heads, len(run["example"]), -1))
            for head, weights in enumerate(maps):
                plot_attention(weights, run["example"], ax=axes[1 + head], peak=1, title=f"head {head}")
                axes[1 + head].set_aspect("equal")
        if trainer.title:
            figure.suptitle(drawable(trainer.title), parse_math=False, x=0.02, ha="left", fontsize=11)
    return figure


def draw_losses(ax: Axes, trainer, run: dict) -> None:
    """Draw the loss of the recorded runs, the current one in blue."""
    for one in trainer._recorded:
        here = one is run
        color = SERIES[0] if here else PALETTE["light"]["hatch"]
        ax.plot(one["losses"], color=color, lw=1.6 if here else 1, zorder=3 if here else 2)
    ax.set(ylim=(0, 4), title="training loss", xlabel="step")


def draw_runs(ax: Axes, runs: list[dict]) -> None:
    """Draw the accuracy of the latest finished runs as bars."""
    latest = runs[-LONGEST:]
    for row, run in enumerate(latest):
        for part, (name, height) in enumerate((("before", -0.26), ("after", 0), ("both", 0.26))):
            ax.barh(row + height, run[name], height=0.24, color=SERIES[part], label=None if row else name)
    ax.set_yticks(range(len(latest)), labels=[spelt(run) for run in latest], fontsize=9)
    ax.set(xlim=(0, 1), title="correct answers on held-out strings")
    ax.grid(visible=False, axis="y")
    ax.invert_yaxis()
    if latest:
        ax.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False, fontsize=9)


def spelt(run: dict) -> str:
    """A run's settings in words."""
    words = [f"{run['heads']} {plural('head', run['heads'])}"]
    words += ["no √d"] * (not run["scale"]) + ["no positions"] * (not run["positions"])
    return ", ".join([*words, f"seed {run['seed']}"])
