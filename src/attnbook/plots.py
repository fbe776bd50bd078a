"""Static figures: attention maps drawn with seaborn, and the style of the book's figures.

The colours come from `palette.json`, which the interactive explorer uses too.
"""

import json
from contextlib import ExitStack
from functools import cache
from importlib.resources import files
from textwrap import wrap

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, fontManager, get_font
from matplotlib.patches import Rectangle

from attnbook.arguments import require_number
from attnbook.maps import AttentionMaps, require_maps, visible

__all__ = [
    *("PALETTE", "SERIES", "book_style", "label_lines", "plot_attention", "plot_mask"),
    *("signed_colormap", "weights_colormap"),
]

PALETTE = json.loads(files("attnbook").joinpath("palette.json").read_text(encoding="utf-8"))
"""Colours by theme (`light`, `dark`): `weights` at equal steps from 0 to 1, `masked`, `paper`, `ink` …"""

FONTS = [
    "DejaVu Sans",  # first: it ships with matplotlib, and mathtext uses only the first font
    "Noto Sans",
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "Noto Sans SC",
    "PingFang SC",
    "Hiragino Sans GB",
    "Microsoft YaHei",
    "Noto Sans Arabic",
    "Noto Naskh Arabic",
    "Geeza Pro",
    "Noto Sans Devanagari",
    "Kohinoor Devanagari",
    "Nirmala UI",
    "Arial Unicode MS",
]
"""Fonts that together cover the book's nine languages; missing ones are skipped."""

SERIES = ["#277ab5", "#c2571a", "#3c8a57", "#8f4f9f", "#a5842a", "#5f646e"]
"""Line colours of the book's figures, distinguishable in print and by colour-blind readers."""

LEVELS = 33  # of a colormap: few enough for the book to give each a colour in both themes
ALLOWED = 0.3  # where on the signed colour scale a mask's allowed cells are
MANY_LABELS = 48  # an axis with more tokens shows every second label, then every third …


def weights_colormap(theme: str = "light") -> LinearSegmentedColormap:
    """The book's colormap for weights from 0 to 1, in `LEVELS` levels.

    Raises `ValueError` for a theme other than "light" and "dark".
    """
    if theme not in ("light", "dark"):
        raise ValueError(f"theme: wanted 'light' or 'dark', got {theme!r}")
    return LinearSegmentedColormap.from_list(f"attnbook-{theme}", PALETTE[theme]["weights"], N=LEVELS)


def signed_colormap() -> LinearSegmentedColormap:
    """The book's colormap for numbers from -1 (orange) through 0 (paper) to 1 (blue), in `LEVELS` levels."""
    colors = [SERIES[1], PALETTE["light"]["paper"], SERIES[0]]
    return LinearSegmentedColormap.from_list("attnbook-signed", colors, N=LEVELS)


def plot_attention(
    weights, queries, keys=None, mask=None, ax: Axes | None = None, *, peak=None, title=""
) -> Axes:
    """Draw one attention map `(T, S)`: one row per query, one column per key, masked cells hatched.

    `peak` is the weight at the dark end of the colour scale, by default the map's largest weight; use 1 to
    compare maps. Raises ValueError and TypeError as `AttentionExplorer` does, and for more than one map.
    """
    if getattr(weights, "ndim", 2) in (3, 4):
        raise ValueError(
            f"weights: got shape {tuple(weights.shape)}, wanted one map (T, S): choose a head, weights[0]"
        )
    maps = require_maps(weights, queries, keys, mask)
    if peak is not None:
        require_number(0, peak=peak)
    if ax is None:
        ax = plt.figure(figsize=figure_size(maps)).add_subplot()
    return draw_map(maps, 0, 0, ax, peak=peak, title=title)


def plot_mask(mask, ax: Axes | None = None, *, title="") -> Axes:
    """Draw a boolean mask `(T, S)`: allowed cells (True) in the lightest blue, masked ones hatched.

    Raises ValueError for a mask of another type or shape.
    """
    mask = np.asarray(mask)
    if mask.dtype != bool or mask.ndim != 2:
        raise ValueError(f"mask: got {mask.dtype} of shape {mask.shape}, wanted bool of shape (T, S)")
    ax = plt.figure().add_subplot() if ax is None else ax
    look = {"lw": 0.5, "ec": PALETTE["light"]["paper"]}
    ax.pcolormesh(np.where(mask, ALLOWED, np.nan), cmap=signed_colormap(), vmin=-1, vmax=1, **look)
    hatch(ax, ~mask)
    rows, columns = mask.shape
    ax.set(
        xlim=(0, columns), ylim=(rows, 0), aspect="equal", xlabel="key", ylabel="query", xticks=[], yticks=[]
    )
    ax.spines[:].set_visible(False)
    ax.grid(visible=False)
    ax.set_title(title, parse_math=False)
    return ax


def label_lines(ax: Axes, *, gap: float = 1.25) -> None:
    """Write each line's label beside its right end, in the line's colour, in place of a legend.

    Call it when everything else is drawn. Labels are kept `gap` times their height apart. Lines without a
    label are left alone, and so are lines without a point in view.
    """
    figure = ax.figure
    figure.draw_without_rendering()  # settles the limits and the layout
    size = mpl.rcParams["font.size"]
    ends = []
    for line in ax.get_lines():
        data = np.column_stack(line.get_data()).astype(float)
        points = line.get_transform().transform(data)  # (N, 2) in pixels
        points = points[np.isfinite(points).all(axis=1)]
        if len(points) and not line.get_label().startswith("_"):
            ends.append((line, *points[-1]))
    ends.sort(key=lambda end: end[2])
    pixels = figure.dpi / 72
    heights = spaced([end[2] for end in ends], gap * size * pixels)
    for (line, x, y), height in zip(ends, heights, strict=True):
        ax.annotate(
            line.get_label(),
            ax.transData.inverted().transform((x, y)),
            xytext=(7, (height - y) / pixels),
            textcoords="offset points",
            color=line.get_color(),
            bbox={"fc": PALETTE["light"]["paper"], "lw": 0, "pad": 0.5},  # on the grid
            va="center",
            annotation_clip=False,
            parse_math=False,
        )


def spaced(heights: list[float], gap: float) -> list[float]:
    """Ascending heights moved as little as needed to be `gap` apart: crowded ones spread about their mean."""
    groups: list[list[float]] = []
    for height in heights:
        groups.append([height])
        while len(groups) > 1 and bottom(groups[-1], gap) - top(groups[-2], gap) < gap:
            last = groups.pop()
            groups[-1] += last
    return [bottom(group, gap) + gap * number for group in groups for number in range(len(group))]


def bottom(group: list[float], gap: float) -> float:
    """The lowest of a group of heights that are spread about their mean."""
    return sum(group) / len(group) - gap * (len(group) - 1) / 2


def top(group: list[float], gap: float) -> float:
    """The highest of a group of heights that are spread about their mean."""
    return sum(group) / len(group) + gap * (len(group) - 1) / 2


def draw_map(
    maps: AttentionMaps, layer: int, head: int, ax: Axes, *, peak=None, floor=0.0, hidden=0, title=""
) -> Axes:
    """Draw one layer and head (-1: their mean) of validated maps.

    With a `floor` the colour scale is logarithmic and starts there; the first `hidden` keys are left blank.
    """
    colors = PALETTE["light"]
    weights, mask = maps.at(layer, head)  # (T, S)
    blocked = np.zeros(weights.shape, bool) if mask is None else ~mask
    peak = (float(weights.max()) if peak is None else peak) or 1.0
    out = np.arange(weights.shape[1]) < hidden  # (S,)
    sns.heatmap(
        np.where(blocked | out, np.nan, np.maximum(weights, floor)),
        ax=ax,
        cmap=weights_colormap(),
        norm=LogNorm(floor, peak) if floor else Normalize(0, peak),
        linewidths=0.5 if max(weights.shape) <= MANY_LABELS else 0,
        linecolor=colors["paper"],
        xticklabels=False,
        yticklabels=False,
        cbar_kws={
            "label": "weight, logarithmic" if floor else "weight",
            "shrink": min(1.0, max(0.25, weights.shape[0] / 12)),
            "pad": 0.02,
        },
    )
    hatch(ax, blocked & ~out)
    ax.xaxis.tick_top()  # before the labels are set: top and bottom labels are separate objects
    ax.xaxis.set_label_position("top")
    label_axis(ax.xaxis, maps.keys, turned=max(map(len, maps.keys)) > 2)
    label_axis(ax.yaxis, maps.queries)
    ax.set(xlabel="key", ylabel="query")
    ax.xaxis.labelpad = 7  # points: above the keys, clear of them also where a page sets the text larger
    ax.tick_params(length=0)
    ax.grid(visible=False)
    if title:
        lines = "\n".join(map(drawable, str(title).splitlines()))
        ax.set_title(lines, parse_math=False, fontfamily=installed_fonts())
    return ax


def hatch(ax: Axes, cells: np.ndarray) -> None:
    """Hatch the cells `(T, S)` that are True: they are masked."""
    colors = PALETTE["light"]
    look = {"fc": colors["masked"], "ec": colors["hatch"], "hatch": "/////", "lw": 0}
    for row, start, end in runs(cells):
        ax.add_patch(Rectangle((start, row), end - start, 1, **look))


def runs(cells: np.ndarray) -> list[tuple[int, int, int]]:
    """The horizontal runs of True in cells `(T, S)` as (row, start, end)."""
    edges = np.diff(np.pad(cells.astype(np.int8), ((0, 0), (1, 1))), axis=1)  # (T, S + 1)
    starts, ends = np.argwhere(edges == 1), np.argwhere(edges == -1)
    return [(int(row), int(start), int(end)) for (row, start), (_, end) in zip(starts, ends, strict=True)]


def label_axis(axis, tokens: list[str], turned: bool = False) -> None:
    """Label an axis with the tokens, or with every n-th token if there are too many to read.

    Single characters stay upright when the others are rotated.
    """
    step = -(-len(tokens) // MANY_LABELS)
    shown = range(0, len(tokens), step)
    labels = [drawable(shorten(visible(tokens[i]))) for i in shown]
    size = 9 if len(tokens) <= 24 else 7
    axis.set_ticks([i + 0.5 for i in shown], labels=labels, fontsize=size)
    for label, text in zip(axis.get_ticklabels(), labels, strict=True):
        rotation = 90 if turned and len(text) > 1 else 0
        label.set(parse_math=False, fontfamily=installed_fonts(), rotation=rotation)


def figure_size(maps: AttentionMaps) -> tuple[float, float]:
    """Width and height in inches: room for every cell, at most a page."""
    rows, columns = maps.weights.shape[-2:]
    cell = min(0.32, 6.0 / columns)
    width = min(7.5, 2.2 + cell * columns)
    return width, min(7.5, 1.3 + max(cell, 0.22 if rows <= 24 else 0.0) * rows)


def map_figure(maps: AttentionMaps, layer: int, head: int, *, title="", peak=None, **look) -> Figure:
    """A figure of one map, not registered with pyplot; `peak` defaults to the largest weight of all maps.

    `look` holds further arguments of `draw_map`.
    """
    width, height = figure_size(maps)
    lines = wrap(title, int(12 * (width - 0.9)))  # 12 letters per inch, to the right of the row labels
    with mpl.rc_context(style()):
        figure = Figure(figsize=(width, height + 0.2 * len(lines[1:])))
        peak = maps.peak if peak is None else peak
        draw_map(maps, layer, head, figure.add_subplot(), peak=peak, title="\n".join(lines), **look)
    return figure


def shorten(label: str, length: int = 14) -> str:
    """The label, cut to `length` characters."""
    return label if len(label) <= length else label[: length - 1] + "…"


@cache
def installed_fonts() -> list[str]:
    """The book's fonts installed on this machine, in order of preference."""
    installed = {entry.name for entry in fontManager.ttflist}
    return [name for name in FONTS if name in installed]


@cache
def covered() -> frozenset[int]:
    """The code points that the installed fonts can draw."""
    return frozenset().union(*(get_font(findfont(name)).get_charmap() for name in installed_fonts()))


def drawable(label: str) -> str:
    """The label with `�` for characters that no installed font has, and ␣ for ␠ if need be."""
    label = label if ord("␠") in covered() else label.replace("␠", "␣")
    return "".join(character if ord(character) in covered() else "�" for character in label)


def style() -> dict:
    """matplotlib settings of the book's figures; a paper background keeps them legible on dark pages."""
    colors = PALETTE["light"]
    ink, muted, line, paper = (colors[name] for name in ("ink", "muted", "line", "paper"))
    return {
        "axes.axisbelow": True,
        "axes.edgecolor": muted,
        "axes.facecolor": paper,
        "axes.grid": True,
        "axes.labelcolor": ink,
        "axes.labelsize": 10,
        "axes.prop_cycle": mpl.cycler(color=SERIES),
        "axes.spines.right": False,
        "axes.spines.top": False,
        "axes.titlelocation": "left",
        "axes.titlesize": 11,
        "figure.dpi": 120,
        "figure.facecolor": paper,
        "figure.figsize": (6.6, 3.6),
        "figure.constrained_layout.use": True,
        "font.family": installed_fonts(),
        "font.size": 10,
        "grid.color": line,
        "grid.linewidth": 0.7,
        "hatch.color": colors["hatch"],
        "hatch.linewidth": 0.7,
        "legend.frameon": False,
        "lines.linewidth": 2,
        "savefig.facecolor": paper,
        "text.color": ink,
        "xtick.color": muted,
        "xtick.labelcolor": ink,
        "ytick.color": muted,
        "ytick.labelcolor": ink,
    }


def book_style() -> ExitStack:
    """Use the book's style from here on, or, with `with book_style():`, inside the block only."""
    restore = ExitStack()
    restore.callback(mpl.rcParams.update, {name: mpl.rcParams[name] for name in style()})
    mpl.rcParams.update(style())
    return restore
