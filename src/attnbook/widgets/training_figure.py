"""The training explorer's static picture: the loss curve, and one map at four steps with what was written."""

import math
from collections.abc import Iterable

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from attnbook.maps import MEAN, visible
from attnbook.plots import SERIES, drawable, installed_fonts, style, weights_colormap

PANELS = 4
KNEE = 16  # the step axis is logarithmic above about this step, and has room for step 0


def training_figure(explorer) -> Figure:
    """Draw a `TrainingExplorer` with its current traits."""
    recording = explorer.recording
    count = len(recording.snapshots)
    chosen = sorted({round(i * (count - 1) / (PANELS - 1)) for i in range(PANELS)})
    which = f"layer {explorer.layer}, " + (
        "mean over heads" if explorer.head == MEAN else f"head {explorer.head}"
    )
    line = f"{recording.text} → {''.join(recording.right[:-1])}; cross-attention of {which}"
    text = {"parse_math": False, "fontfamily": installed_fonts()}
    with mpl.rc_context(style()):
        figure = Figure(figsize=(7.6, 5.2))
        curve, *maps = figure.subplot_mosaic(
            [["c"] * len(chosen), [str(i) for i in chosen]], height_ratios=[1, 1.25]
        ).values()
        draw_curve(curve, explorer)
        shown = [recording.snapshots[i] for i in chosen]
        kept = [explorer.map_of(snapshot) for snapshot in recording.snapshots]  # each (T, S)
        longest, peak = max(map(len, kept)), max(each.max() for each in kept)
        for ax, i, snapshot in zip(maps, chosen, shown, strict=True):
            grid = np.zeros((longest, len(recording.source)))
            grid[: len(kept[i])] = kept[i]
            ax.imshow(grid, cmap=weights_colormap(), vmin=0, vmax=peak, aspect="auto")
            ax.set(xticks=[], yticks=[])
            ax.grid(visible=False)
            said = drawable("".join(map(visible, snapshot.written))[:24])
            ax.set_title(f"step {snapshot.step}", fontsize=10, **text)
            ax.set_xlabel(said, fontsize=8, **text)
        maps[0].set_ylabel("token written", fontsize=9)
        title = f"{drawable(explorer.title)}\n{drawable(line)}" if explorer.title else drawable(line)
        figure.suptitle(title, x=0.02, ha="left", fontsize=11, **text)
    return figure


def draw_curve(ax: Axes, explorer) -> None:
    """Draw the loss, the steps with a snapshot as dots, and the current one as a line."""
    recording = explorer.recording
    steps, losses = zip(*recording.curve, strict=True)
    ax.plot(place(steps), losses, color=SERIES[0])
    ax.plot(
        place(recording.steps), [recording.loss(step) for step in recording.steps], "o", color=SERIES[0], ms=5
    )
    ax.axvline(*place([explorer.step]), color=SERIES[1], lw=1.5)
    ticks = [step for step in (0, 10, 100, 1000, 10_000, 100_000) if step <= recording.steps[-1]]
    ax.set_xticks(place(ticks), labels=[str(step) for step in ticks])
    ax.set(yscale="log", xlabel="training step, logarithmic", ylabel="loss")
    now = explorer.snapshot
    ax.set_title(
        f"step {now.step}: loss {recording.loss(now.step):.2g}, "
        f"{100 * now.accuracy:.0f} % of held-out dates right",
        fontsize=10,
    )


def place(steps: Iterable[int | float]) -> list[float]:
    """Where steps lie on the axis."""
    return [math.log1p(step / KNEE) for step in steps]
