"""Charts on pages: matplotlib's SVG, made small and given the page's colours and type."""

import io
import re
from functools import cache, partial

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from bs4 import BeautifulSoup

from attnbook.plots import (
    PALETTE,
    SERIES,
    book_style,
    label_lines,
    plot_attention,
    plot_mask,
    signed_colormap,
    weights_colormap,
)
from bookpress import ROOT
from bookpress.extension import charts

HEX = re.compile(r"#[0-9a-f]{6}")


def lines():
    figure, ax = plt.subplots()
    for number in range(3):
        ax.plot(np.arange(9), 10.0 ** -(number + np.arange(9) / 4), marker="o", label=f"model <{number}>")
    ax.set(yscale="log", xlabel="length", title="A & B")
    label_lines(ax)
    return figure


def heatmap():
    mask = np.tri(6, dtype=bool)
    return plot_attention(mask / mask.sum(1, keepdims=True), list("abcdef"), mask=mask).figure


def signed():
    figure, ax = plt.subplots()
    mesh = ax.pcolormesh(np.linspace(-1, 1, 64 * 64).reshape(64, 64), cmap=signed_colormap())
    figure.colorbar(mesh)
    return figure


def scatter():
    figure, ax = plt.subplots()
    for layer in range(2):
        ax.scatter(range(5), range(layer, layer + 5), label=f"layer {layer}")
    ax.fill_between([0, 4], [0, 0], [1, 4], alpha=0.2, lw=0)
    ax.legend()
    return figure


def masks():
    return plot_mask(np.tri(5, dtype=bool), title="causal").figure


def image():
    figure, ax = plt.subplots()
    ax.imshow(np.eye(3))
    ax.text(1, 1, "word", color=PALETTE["light"]["ink"])
    return figure


DRAWN = [lines, heatmap, signed, scatter, masks]


def files(draw, *kinds: str) -> list[bytes]:
    """A figure as the build's kernels write it (see kernels.py), and in other formats."""
    with book_style(), mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "attnbook"}):
        figure = draw()
        written = []
        for kind in kinds:
            file = io.BytesIO()
            metadata = {"Date": None} if kind == "svg" else {}
            figure.savefig(file, format=kind, bbox_inches="tight", metadata=metadata)
            written.append(file.getvalue())
        plt.close(figure)
    return written


@cache
def svg(draw) -> str:
    return files(draw, "svg")[0].decode()


def page(draw, name="c0", words="In words: a < b") -> str:
    return charts.inlined(svg(draw), words, name)


@pytest.mark.parametrize("draw", DRAWN)
def test_every_colour_is_a_variable(draw):
    assert HEX.findall(page(draw)) == []


@pytest.mark.parametrize("draw", DRAWN)
def test_a_chart_is_smaller_than_its_picture_and_than_matplotlibs_svg(draw):
    (png,) = files(draw, "png")
    size = len(charts.inlined(svg(draw), "", "c0"))
    assert size < len(svg(draw).encode()) / 2.3
    assert size < max(len(png), 70_000)


def test_a_chart_is_named_by_its_alternative_text():
    svg = BeautifulSoup(page(lines), "html.parser").svg
    assert (svg["role"], svg["aria-label"]) == ("img", "In words: a < b")
    assert "ab-chart" in svg["class"]


def test_text_stays_text():
    words = {text.get_text() for text in BeautifulSoup(page(lines), "html.parser").select("text")}
    assert {"length", "A & B", "model <0>", "10−2"} <= words


@pytest.mark.parametrize("draw", DRAWN)
def test_ids_begin_with_the_charts_name_and_are_all_defined(draw):
    text = page(draw, name="chart-7")
    defined = re.findall(r'\bid="([^"]+)"', text)
    used = set(re.findall(r'url\(#([^)]+)\)|href="#([^"]+)"', text))
    assert len(defined) == len(set(defined))
    assert all(name.startswith("chart-7-") for name in defined)
    assert {one or other for one, other in used} <= set(defined)


@pytest.mark.parametrize("draw", DRAWN)
def test_a_chart_is_the_same_every_time(draw):
    again = files(draw, "svg")[0].decode()
    assert again == svg(draw)
    assert charts.inlined(again, "In words", "c0") == page(draw, words="In words")


def test_the_paper_is_left_out():
    text = page(lines)
    assert f"fill: {PALETTE['light']['paper']}" in svg(lines)
    width = float(re.search(r'viewBox="0 0 ([\d.]+)', text)[1])
    wide = [box for box in re.findall(r'd="M[^"h]*h(-?[\d.]+)v[^"]*z"', text) if abs(float(box)) > width / 2]
    assert wide == []


def test_a_chart_with_an_image_stays_on_paper():
    """The image's colours can't follow the theme; text on it would vanish in the dark."""
    text = page(image)
    assert f'fill="{PALETTE["light"]["paper"]}"' in text
    assert f'fill="{PALETTE["light"]["ink"]}"' in text
    assert "var(" not in text


def test_an_image_is_drawn_and_what_follows_it(browser):
    """It isn't only defined, as a line's marks are, and what follows isn't in it, where it would be lost."""
    tab = browser.new_page()
    tab.set_content(BeautifulSoup(page(image), "html.parser").decode(formatter="html5"))
    assert tab.locator("image[href^='data:image/png']").count() == 1
    assert tab.locator("defs image, image *").count() == 0
    assert "word" in tab.locator("svg text").all_text_contents()
    tab.close()


def test_text_of_a_wide_chart_can_grow_on_a_phone():
    """Its sizes, and the places of raised numbers, are relative to the chart's size, which book.css sets."""

    def drawn(width):
        figure, ax = plt.subplots(figsize=(width, 3))
        ax.plot([1, 100], [1, 1000])
        ax.set(title="title", xlabel="label", yscale="log")
        return figure

    wide, narrow = (BeautifulSoup(page(partial(drawn, width)), "html.parser") for width in (6.6, 4))
    assert wide.svg["class"] == ["ab-chart", "ab-wide"]
    assert narrow.svg["class"] == ["ab-chart"]
    sizes = {text.get_text(): text.get("font-size") for text in wide.select("text")}
    assert (sizes["label"], sizes["title"], sizes["103"]) == (None, "1.1em", None)
    ten, power = next(text for text in wide.select("text") if text.get_text() == "103").select("tspan")
    assert (ten.get("font-size"), power["font-size"]) == (None, "0.7em")
    assert all(span[place].endswith("em") for span in (ten, power) for place in "xy")


def test_cells_keep_their_places_and_levels():
    """Each cell of a small heatmap is drawn once, in the colour of its number."""
    numbers = np.arange(12).reshape(3, 4) / 11

    def draw():
        figure, ax = plt.subplots()
        ax.pcolormesh(numbers, cmap=weights_colormap(), vmin=0, vmax=1)
        ax.invert_yaxis()
        return figure

    found = {}
    for fill, outline in re.findall(r'<path fill="([^"]+)" d="(M\d+ \d+h[^"]+)"', page(draw)):
        for column, row, length in re.findall(r"M(\d+) (\d+)h(\d+)v1h-\d+z", outline):
            found |= {(int(row), int(column) + step): fill for step in range(int(length))}
    colors = list(charts.RAMPS[0].values())
    assert len(found) == 12
    wanted = [min(int(number * 33), 32) for number in numbers.flat]
    assert [colors.index(found[row, column]) for row in range(3) for column in range(4)] == wanted


def test_cells_of_unequal_width_stay_where_they_are():
    def draw():
        figure, ax = plt.subplots()
        ax.pcolormesh([0, 1, 3], [0, 1], [[0.2, 0.9]], cmap=weights_colormap(), vmin=0, vmax=1)
        return figure

    widths = [float(wide) for wide in re.findall(r'd="M[\d. ]+v-[\d.]+h([\d.]+)', page(draw))]
    widths += [float(wide) for wide in re.findall(r'd="M[\d. ]+h([\d.]+)v-[\d.]+h-\1', page(draw))]
    assert len(widths) == 2
    assert max(widths) / min(widths) == pytest.approx(2, rel=0.01)
    assert HEX.findall(page(draw)) == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_style_sheet_has_the_palettes_colours(theme):
    css = (ROOT / "website/assets/book.css").read_text("utf8")
    block = re.search(rf'html\[data-theme="{theme}"\] {{(.*?)}}', css, re.DOTALL)[1]
    stated = dict(re.findall(r"--ab-([\w-]+): (#\w+);", block))
    palette = PALETTE[theme]
    names = {"bg": "paper", "fg": "ink"} | {name: name for name in ("muted", "line", "masked", "hatch")}
    assert {name: stated[name] for name in names} == {name: palette[key] for name, key in names.items()}
    assert [stated[f"weight-{number}"] for number in range(len(palette["weights"]))] == palette["weights"]
    series = [stated[f"series-{number}"] for number in range(1, len(SERIES) + 1)]
    assert len(set(series)) == len(SERIES)
    assert theme == "dark" or series == SERIES


@pytest.mark.parametrize("draw", DRAWN)
def test_text_fits_in_the_pages_type(browser, tmp_path, draw):
    """matplotlib has laid the chart out in a wider type."""
    style = (ROOT / "website/assets/book.css").read_text("utf8")
    fonts = (ROOT / "website/assets/fonts").as_uri()
    tab = browser.new_page(viewport={"width": 390, "height": 700})
    file = tmp_path / "page.html"
    style = style.replace("url(fonts/", f"url({fonts}/")
    file.write_text(f"<!doctype html><meta charset=utf8><style>{style}</style>{page(draw)}", "utf8")
    tab.goto(file.as_uri())
    tab.evaluate("document.fonts.ready")
    outside = tab.evaluate("""() => {
        const frame = document.querySelector("svg").getBoundingClientRect();
        return [...document.querySelectorAll("text")].filter(text => {
            const box = text.getBoundingClientRect();
            return box.left < frame.left - 1 || box.right > frame.right + 1;
        }).map(text => text.textContent);
    }""")
    tab.close()
    assert outside == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_chart_takes_its_colours_from_the_page(visit, theme):
    tab = visit("chapters/05-encoder.html", theme=theme)
    chart = tab.locator(".cell_output svg.ab-chart").first
    label = chart.locator("text").first.evaluate("e => getComputedStyle(e).fill")
    assert label == tab.evaluate("getComputedStyle(document.querySelector('article p')).color")
    assert chart.evaluate("e => getComputedStyle(e).backgroundColor") == "rgba(0, 0, 0, 0)"
    assert "Source Sans 3" in chart.evaluate("e => getComputedStyle(e).fontFamily")
