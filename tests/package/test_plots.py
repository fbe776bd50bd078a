"""Static attention maps and the book's figure style."""

import io
import json
import logging
import warnings
from contextlib import nullcontext
from importlib.resources import files
from itertools import pairwise

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, to_rgb
from matplotlib.text import Text

from attnbook import plots
from attnbook.maps import require_maps
from attnbook.plots import (
    PALETTE,
    SERIES,
    book_style,
    drawable,
    figure_size,
    label_lines,
    map_figure,
    plot_attention,
    plot_mask,
    signed_colormap,
    spaced,
    weights_colormap,
)


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def weights(*shape):
    return torch.softmax(3 * torch.randn(*shape), -1)


def drawn(figure) -> bytes:
    """Render the figure; warnings from matplotlib are errors."""
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure.savefig(file, format="png")
    return file.getvalue()


def test_rows_are_queries_and_columns_are_keys():
    values = weights(3, 5)
    ax = plot_attention(values, list("abc"), list("vwxyz"))
    assert isinstance(ax, Axes)
    assert [label.get_text() for label in ax.get_yticklabels()] == list("abc")
    assert [label.get_text() for label in ax.get_xticklabels()] == list("vwxyz")
    assert (ax.get_ylabel(), ax.get_xlabel()) == ("query", "key")
    np.testing.assert_allclose(ax.collections[0].get_array().reshape(3, 5), values)
    assert ax.yaxis_inverted()  # the first query is at the top
    assert ax.get_xticks() == pytest.approx([0.5, 1.5, 2.5, 3.5, 4.5])  # each label at its cell
    assert ax.get_yticks() == pytest.approx([0.5, 1.5, 2.5])
    assert ax.collections[0].get_cmap() == weights_colormap()
    assert ax.collections[0].colorbar.ax.get_ylabel() == "weight"


def titles(ax: Axes) -> set[str]:
    return {ax.get_title(loc=loc) for loc in ("left", "center", "right")} - {""}


def test_a_title_is_shown_as_it_is_written():
    maps = require_maps(weights(3, 3), list("abc"))
    assert titles(plot_attention(weights(3, 3), list("abc"), title="Two\nlines, $5")) == {"Two\nlines, $5"}
    assert titles(map_figure(maps, 0, 0, title="One").axes[0]) == {"One"}
    for untitled in (
        plot_attention(weights(3, 3), list("abc")),
        plot_mask(torch.ones(3, 3, dtype=torch.bool)),
        map_figure(maps, 0, 0).axes[0],
    ):
        assert titles(untitled) == set()


def test_it_draws_into_the_given_axes():
    _, (left, middle, right) = plt.subplots(1, 3)
    assert plot_attention(weights(4, 4), list("abcd"), ax=right) is right
    assert plot_mask(torch.ones(2, 2, dtype=torch.bool), ax=middle) is middle
    assert not left.collections


@pytest.mark.parametrize("style", [book_style, nullcontext])
def test_no_grid_is_drawn_over_a_map(style):
    with style():
        ax = plot_attention(weights(4, 4), list("abcd"))
    assert not any(line.get_visible() for line in [*ax.get_xgridlines(), *ax.get_ygridlines()])


def test_the_colour_scale_ends_at_the_largest_weight_or_at_peak():
    values = weights(3, 5)

    def limits(**options):
        return plot_attention(values, list("abc"), list("vwxyz"), **options).collections[0].get_clim()

    assert limits() == pytest.approx((0, values.max().item()))
    assert limits(peak=1) == (0, 1)
    values = torch.zeros(3, 5)
    assert limits() == (0, 1)


def test_the_figures_of_one_model_share_their_colour_scale_unless_a_peak_is_given():
    values = weights(2, 3, 3)
    maps, flat = require_maps(values, list("abc")), int(values.amax((1, 2)).argmin())
    cells = lambda **look: map_figure(maps, 0, flat, **look).axes[0].collections[0]  # noqa: E731
    assert cells().norm.vmax == maps.peak > values[flat].max()
    assert cells(peak=1.0).norm.vmax == 1


def test_a_floor_makes_the_colour_scale_logarithmic_and_hidden_keys_are_blank():
    maps = require_maps(torch.tensor([[1.0, 0.0, 0.0], [0.7, 0.3, 0.0]]), list("ab"), list("xyz"))
    ax = map_figure(maps, 0, 0, floor=0.01, hidden=1).axes[0]
    cells = ax.collections[0]
    assert isinstance(cells.norm, LogNorm)
    assert (cells.norm.vmin, cells.norm.vmax) == (0.01, 1)
    assert cells.colorbar.ax.get_ylabel() == "weight, logarithmic"
    shown = cells.get_array().reshape(2, 3)
    assert shown.mask.tolist() == [[True, False, False]] * 2
    np.testing.assert_allclose(shown[:, 1:], [[0.01, 0.01], [0.3, 0.01]])
    even = require_maps(torch.full((2, 2), 0.5), list("ab"))
    assert map_figure(even, 0, 0, floor=0.01).axes[0].collections[0].norm.vmin == 0.01


def test_masked_cells_are_hatched():
    may = torch.ones(4, 4).tril().bool()
    values = torch.softmax(torch.randn(4, 4).masked_fill(~may, -torch.inf), -1)
    ax = plot_attention(values, list("abcd"), mask=may)
    ends = lambda patch: (int(patch.get_x()), int(patch.get_x() + patch.get_width()))  # noqa: E731
    patches = [patch for patch in ax.patches if patch.get_hatch()]
    assert all(patch.get_height() == 1 for patch in patches)
    hatched = {(int(patch.get_y()), column) for patch in patches for column in range(*ends(patch))}
    assert hatched == {(row, column) for row in range(4) for column in range(4) if column > row}
    assert ax.collections[0].get_array().mask.reshape(4, 4).sum() == 6


@pytest.mark.bad_input
@pytest.mark.parametrize("shape", [(2, 3, 5), (2, 2, 3, 5)])
def test_several_maps_are_rejected(shape):
    with pytest.raises(ValueError, match=r"weights: got shape .*, wanted one map \(T, S\): choose a head"):
        plot_attention(weights(*shape), list("abc"), list("vwxyz"))


HOSTILE = [
    "$x$",
    "$",
    "",
    "\n",
    " ",
    "\u202eabc",
    "x" * 10_000,
    "日本語",
    "مارس",
    "मार्च",
    "👩‍👩‍👧",
    "\x00",
    "\ud800",
    "<b>&",
]


def test_any_token_can_be_a_label_without_warnings(caplog):
    with caplog.at_level(logging.WARNING):
        ax = plot_attention(weights(14, 14), HOSTILE, title="$\\frac$ 日 \U0010ffff")
        drawn(ax.figure)
    assert caplog.records == []
    labels = [label.get_text() for label in ax.get_xticklabels()]
    assert labels[:3] == ["$x$", "$", "∅"]
    assert labels[6] == "x" * 13 + "…"
    assert not any(label.get_parse_math() for label in [*ax.get_xticklabels(), *ax.get_yticklabels()])


def test_characters_that_no_font_has_get_a_sign(monkeypatch):
    assert drawable("a\U0010ffffb") == "a�b"
    for space in ("␠", "␣"):
        monkeypatch.setattr(plots, "covered", lambda space=space: frozenset(map(ord, "a" + space)))
        assert drawable("␠a") == f"{space}a"


def test_only_labels_of_more_than_14_characters_are_cut():
    ax = plot_attention(torch.eye(2), ["x" * 14, "y" * 15])
    assert [label.get_text() for label in ax.get_xticklabels()] == ["x" * 14, "y" * 13 + "…"]


def test_single_characters_stay_upright_among_rotated_keys():
    ax = plot_attention(torch.eye(4), ["我", "too", "you", "ab"])
    assert [label.get_rotation() for label in ax.get_xticklabels()] == [0, 90, 90, 90]
    assert [label.get_rotation() for label in ax.get_yticklabels()] == [0, 0, 0, 0]
    ax = plot_attention(torch.eye(3), ["ab", "c", "d"])
    assert [label.get_rotation() for label in ax.get_xticklabels()] == [0, 0, 0]


def test_many_tokens_show_every_nth_label():
    ax = plot_attention(weights(100, 100), [f"t{i}" for i in range(100)])
    assert [label.get_text() for label in ax.get_xticklabels()][:3] == ["t0", "t3", "t6"]
    drawn(ax.figure)


@pytest.mark.parametrize(("tokens", "width"), [(48, 0.5), (49, 0)])
def test_lines_between_cells_are_left_out_where_they_would_hide_the_colours(tokens, width):
    ax = plot_attention(weights(tokens, 2), ["q"] * tokens, ["k"] * 2)
    assert ax.collections[0].get_linewidth() == width


def test_the_colour_bar_is_close_to_the_map_and_leaves_it_its_place():
    ax = plot_attention(weights(12, 12), list("abcdefghijkl"))
    figure, bar = ax.figure, ax.collections[0].colorbar.ax
    drawn(figure)
    assert bar.bbox.x1 < figure.bbox.x1
    assert 0 < bar.bbox.x0 - ax.bbox.x1 < 0.05 * ax.bbox.width
    assert ax.bbox.width > 0.6 * figure.bbox.width


@pytest.mark.parametrize("shape", [(11, 13), (2, 3), (3, 40)])
def test_a_long_title_is_not_cut(shape):
    title = "Cross-attention: queries from the target, keys from the source: layer 1, mean of heads"
    maps = require_maps(
        weights(*shape), [f"q{i}" for i in range(shape[0])], [f"k{i}" for i in range(shape[1])]
    )
    figure, short = (map_figure(maps, 0, 0, title=words) for words in (title, "Short"))
    drawn(figure), drawn(short)
    ax = figure.axes[0]
    written = next(text for text in ax.findobj(Text) if text.get_text().startswith("Cross"))
    box = written.get_window_extent()
    assert " ".join(written.get_text().split()) == title
    assert 0 <= box.x0 < box.x1 <= figure.bbox.x1
    assert 0 <= box.y0 < box.y1 <= figure.bbox.y1
    assert ax.bbox.height > 0.8 * short.axes[0].bbox.height
    lines = written.get_text().count("\n")
    assert figure.get_figheight() == pytest.approx(short.get_figheight() + 0.2 * lines)


@pytest.mark.parametrize(
    ("rows", "columns", "size"),
    [
        (10, 10, (5.4, 4.5)),  # square cells
        (1, 40, (7.5, 1.52)),  # at most a page wide
        (24, 40, (7.5, 6.58)),  # rows high enough for their labels
        (25, 40, (7.5, 5.05)),  # square again: there are too many rows for that
        (60, 10, (5.4, 7.5)),  # at most a page high
    ],
)
def test_a_figure_has_room_for_every_cell_and_fits_a_page(rows, columns, size):
    maps = require_maps(weights(rows, columns), ["q"] * rows, ["k"] * columns)
    assert figure_size(maps) == pytest.approx(size)
    ax = plot_attention(weights(rows, columns), ["q"] * rows, ["k"] * columns)
    assert ax.figure.get_size_inches() == pytest.approx(size)


def test_a_map_of_one_row_is_low_and_shown_once():
    figure = map_figure(require_maps(weights(1, 32), ["q"], [f"k{i}" for i in range(32)]), 0, 0)
    assert figure.get_figheight() < 2
    drawn(figure)
    assert not plt.get_fignums()  # not registered with pyplot, else it would be shown twice


def linear(color) -> np.ndarray:
    """The intensities of red, green and blue light."""
    rgb = np.array(to_rgb(color))
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def lab(color) -> np.ndarray:
    """Convert to Oklab, in which equal distances look equal (Ottosson 2020)."""
    lms = np.cbrt(
        np.array(
            [
                [0.4122214708, 0.5363325363, 0.0514459929],
                [0.2119034982, 0.6806995451, 0.1073969566],
                [0.0883024619, 0.2817188376, 0.6299787005],
            ]
        )
        @ linear(color)
    )
    to_lab = [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
    return np.array(to_lab) @ lms


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_palette_is_perceptually_uniform(theme):
    colors = np.array([lab(color) for color in PALETTE[theme]["weights"]])
    steps = np.linalg.norm(np.diff(colors, axis=0), axis=1)
    assert steps.max() / steps.min() < 1.25
    lightness = np.diff(colors[:, 0])
    assert (lightness < 0).all() if theme == "light" else (lightness > 0).all()
    assert abs(colors[0, 0] - lab(PALETTE[theme]["paper"])[0]) < 0.06  # 0 is nearly the paper's colour
    assert abs(colors[-1, 0] - colors[0, 0]) > 0.65


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_colours_of_heads_differ_from_each_other_and_from_the_paper(theme):
    colors = PALETTE["heads"][theme]
    luminance = lambda color: float(linear(color) @ [0.2126, 0.7152, 0.0722])  # noqa: E731
    paper = luminance(PALETTE[theme]["paper"])
    for color in colors:
        light, dark = sorted((luminance(color), paper), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 3
    points = np.array([lab(color) for color in colors])
    distances = np.linalg.norm(points[:, None] - points, axis=-1) + np.eye(len(colors))
    assert distances.min() > 0.15


def test_the_palette_is_defined_once():
    stated = json.loads(files("attnbook").joinpath("palette.json").read_text())
    assert stated == PALETTE
    assert weights_colormap().N == signed_colormap().N == 33
    np.testing.assert_allclose(weights_colormap()(0.0)[:3], to_rgb(PALETTE["light"]["weights"][0]), atol=1e-6)
    np.testing.assert_allclose(
        weights_colormap("dark")(1.0)[:3], to_rgb(PALETTE["dark"]["weights"][-1]), atol=1e-6
    )


def test_signed_numbers_run_from_orange_through_paper_to_blue():
    colors = signed_colormap()
    for value, color in ((0.0, SERIES[1]), (0.5, PALETTE["light"]["paper"]), (1.0, SERIES[0])):
        np.testing.assert_allclose(colors(value)[:3], to_rgb(color), atol=1e-6)


def test_a_mask_is_drawn_with_the_hatch_of_the_heatmaps():
    mask = torch.ones(3, 4).tril().bool()
    ax = plot_mask(mask, title="$x$")
    drawn(ax.figure)
    assert {(patch.get_y(), patch.get_x(), patch.get_width()) for patch in ax.patches} == {
        (0, 1, 3),
        (1, 2, 2),
        (2, 3, 1),
    }
    assert all(patch.get_hatch() for patch in ax.patches)
    cells = ax.collections[0]
    assert (cells.get_array().reshape(3, 4).mask == ~mask.numpy()).all()
    assert cells.get_cmap() == signed_colormap()
    assert cells.get_clim() == (-1, 1)
    assert (ax.get_xlim(), ax.get_ylim(), ax.get_aspect()) == ((0, 4), (3, 0), 1)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("key", "query")
    [title] = [text for text in ax.get_children() if isinstance(text, Text) and text.get_text() == "$x$"]
    assert not title.get_parse_math()
    assert not any(spine.get_visible() for spine in ax.spines.values())
    assert (len(ax.get_xticks()), len(ax.get_yticks())) == (0, 0)


@pytest.mark.bad_input
@pytest.mark.parametrize("mask", [torch.ones(3, 3), torch.ones(3, dtype=torch.bool)])
def test_a_mask_must_be_a_boolean_matrix(mask):
    with pytest.raises(ValueError, match=r"mask: got .*, wanted bool of shape \(T, S\)"):
        plot_mask(mask)


def written(ax) -> dict[str, Text]:
    return {text.get_text(): text for text in ax.texts}


def test_lines_are_labelled_at_their_right_ends_in_their_colours():
    with book_style():
        figure, ax = plt.subplots()
        ax.plot([0, 1, 2], [1, 10, 1000], label="up")
        ax.plot([0, 1, 2], [1, 5, np.nan], label="until 1")
        ax.plot([0, 2], [2, 2])
        ax.axvline(0.5, label="here")
        ax.set_yscale("log")
        label_lines(ax)
        drawn(figure)
    labels = written(ax)
    assert set(labels) == {"up", "until 1", "here"}
    assert labels["up"].xy == pytest.approx((2, 1000))
    assert labels["until 1"].xy == pytest.approx((1, 5))
    assert labels["here"].xy == pytest.approx((0.5, ax.get_ylim()[1]))
    assert [labels[line.get_label()].get_color() for line in ax.lines[:2]] == SERIES[:2]
    right = max(text.get_window_extent().x1 for text in labels.values())
    assert right <= figure.bbox.x1


def test_a_line_that_leaves_the_axes_is_labelled_all_the_same():
    with book_style():
        figure, ax = plt.subplots()
        ax.plot([0, 1], [0, 5], label="leaves")
        ax.set(xlim=(0, 1), ylim=(0, 4))
        before = drawn(figure)
        label_lines(ax)
        assert drawn(figure) != before
    assert not written(ax)["leaves"].get_annotation_clip()


def test_labels_of_lines_that_end_together_do_not_overlap():
    with book_style():
        figure, ax = plt.subplots()
        for number in range(5):
            ax.plot([0, 1], [number, 1 + number / 1000], label=f"line {number}")
        label_lines(ax)
        drawn(figure)
    boxes = sorted((text.get_window_extent() for text in ax.texts), key=lambda box: box.y0)
    assert all(low.y1 <= high.y0 for low, high in pairwise(boxes))
    assert [text.get_text() for text in ax.texts] == [f"line {number}" for number in range(5)]


def test_a_label_is_beside_its_lines_end_or_a_line_of_text_from_the_next_label():
    with book_style():
        figure, ax = plt.subplots()
        for number, height in enumerate((0.0, 1.0, 1.0)):
            ax.plot([0, 1], [0.5, height], label=f"costs ${number}")
        label_lines(ax)
        drawn(figure)
    offsets = [text.xyann for text in ax.texts]  # in points
    apart = 1.25 * mpl.rcParams["font.size"] / 2
    np.testing.assert_allclose(offsets, [(7, 0), (7, -apart), (7, apart)], atol=1e-6)
    assert not any(text.get_parse_math() for text in ax.texts)


@pytest.mark.parametrize(
    ("heights", "apart"),
    [
        ([], []),
        ([3.0], [3]),
        ([0.0, 10.0], [0, 10]),
        ([5.0, 5.0], [4.5, 5.5]),
        ([0.0, 1.5, 1.6, 9.0], [0, 1.05, 2.05, 9]),
        ([0.0, 0.0, 0.6, 0.6], [-1.2, -0.2, 0.8, 1.8]),
        ([5.0, 5.0, 6.5], [4.5, 5.5, 6.5]),
        ([5.0, 5.0, 7.5], [4.5, 5.5, 7.5]),
        ([5.0, 5.0, 6.4], [4.46666667, 5.46666667, 6.46666667]),
    ],
)
def test_crowded_labels_are_moved_as_little_as_needed(heights, apart):
    np.testing.assert_allclose(spaced(heights, 1), apart, atol=1e-9)


@mpl.rc_context()
def test_the_books_style_applies_to_a_block_or_from_here_on():
    mpl.rcdefaults()  # not what an earlier test may have left
    before = mpl.rcParams.copy()
    with book_style():
        assert mpl.rcParams["axes.titlelocation"] == "left"
        figure, ax = plt.subplots()
        ax.plot([1, 2], label="größer 日")
        ax.set_title("A title")
        ax.legend()
        drawn(figure)
    assert mpl.rcParams == before
    restore = book_style()
    assert mpl.rcParams["axes.titlelocation"] == "left"
    restore.close()
    assert mpl.rcParams == before


def test_a_logarithmic_axis_is_drawn_without_a_warning(caplog):
    with book_style():
        figure, ax = plt.subplots()
        ax.plot([1, 2], [0.001, 0.1])
        ax.set_yscale("log")
        figure.canvas.draw()
        plt.close(figure)
    assert not caplog.records
