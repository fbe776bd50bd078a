"""The drawings: one source, readable on a phone, in light and dark, in the book and outside it."""

import re

import pytest
import torch

from attnbook import scaled_dot_product_attention
from bookpress import ROOT
from bookpress.drawings import drawings
from bookpress.drawings.example import example
from bookpress.drawings.pen import mixed

IMAGES = ROOT / "chapters" / "images"


DRAWINGS = {name: drawing.svg() for name, drawing in drawings().items()}
MEASURE = """() => {
  const svg = document.querySelector("svg"), frame = svg.getBoundingClientRect();
  const scale = frame.width / svg.viewBox.baseVal.width;
  return [...svg.querySelectorAll("text")].map(text => {
    const box = text.getBoundingClientRect();
    const inside = box.left >= frame.left && box.right <= frame.right
      && box.top >= frame.top && box.bottom <= frame.bottom;
    return [text.textContent, inside, parseFloat(getComputedStyle(text).fontSize) * scale];
  });
}"""
PARTS = {"paper", "surface", "lit", "query-tint", "key-tint", "value-tint"}


def test_files_are_up_to_date_with_the_source():
    assert [n for n, text in DRAWINGS.items() if (IMAGES / n).read_text("utf8") != text] == [], (
        "run `make drawings`"
    )


def test_every_svg_of_the_book_is_generated():
    assert {path.name for path in IMAGES.glob("*.svg")} == set(DRAWINGS)


@pytest.mark.parametrize("name", DRAWINGS)
def test_text_fits_into_the_drawing(browser, name):
    """Also in the fonts of a page without the book's fonts."""
    page = browser.new_page(viewport={"width": 390, "height": 900})
    page.set_content(f"<body style='margin:16px'>{DRAWINGS[name]}")
    page.add_style_tag(content="svg { width: 100%; height: auto }")
    boxes = page.evaluate(MEASURE)
    page.close()
    assert boxes
    assert [words for words, inside, _ in boxes if not inside] == []
    assert [(words, size) for words, _, size in boxes if size < 11] == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_has_enough_contrast(theme):
    style = next(iter(DRAWINGS.values()))
    block = re.findall(r"\.ab-drawing { (--paper.*?) }", style)[theme == "dark"]
    colors = dict(re.findall(r"--([\w-]+): (#\w+);", block))
    assert set(colors) >= PARTS
    for words in ("ink", "muted", "query", "key", "value"):
        for ground in PARTS:
            if words == "muted" and ground not in ("paper", "surface"):
                continue  # muted text is on no other background
            if words in ("query", "key", "value") and ground not in ("paper", "surface", f"{words}-tint"):
                continue
            assert contrast(colors[words], colors[ground]) >= 4.5, (words, ground)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(("color", "strongest"), [("accent", 0.5), ("muted", 0.3)])
def test_numbers_in_cells_have_enough_contrast(theme, color, strongest):
    style = next(iter(DRAWINGS.values()))
    block = re.findall(r"\.ab-drawing { (--paper.*?) }", style)[theme == "dark"]
    colors = dict(re.findall(r"--([\w-]+): (#\w+);", block))
    assert contrast(colors["ink"], mixed(colors[color], colors["paper"], strongest)) >= 4.5


def test_the_drawn_numbers_are_those_of_attention():
    """The drawings compute attention without PyTorch; the package agrees."""
    given = example()
    query, key, value = (torch.from_numpy(m)[None, None] for m in (given.query, given.key, given.value))
    output, weights = scaled_dot_product_attention(query, key, value)
    torch.testing.assert_close(weights[0, 0].numpy(), given.weights)
    torch.testing.assert_close(output[0, 0].numpy(), given.output)


def contrast(one: str, other: str) -> float:
    def light(color):
        parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    bright, dark = sorted((light(one), light(other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_drawing_takes_its_colours_from_the_page(visit, theme):
    """In a page, the drawing's background is the page's, in both themes, and the file's style is removed."""
    page = visit("chapters/04-self-attention.html", theme=theme)
    drawing = page.locator("svg.ab-drawing").first
    assert drawing.locator("style").count() == 0
    fill = drawing.locator(".paper").evaluate("e => getComputedStyle(e).fill")
    assert fill == page.evaluate(
        """() => { const probe = document.createElement("i"); probe.style.color = "var(--ab-bg)";
        document.body.append(probe); return getComputedStyle(probe).color; }"""
    )
    lit = drawing.locator(".box.lit").first.evaluate("e => getComputedStyle(e).fill")
    assert lit != fill


def test_a_standalone_file_follows_the_readers_theme(browser):
    fills = []
    for theme in ("light", "dark"):
        context = browser.new_context(color_scheme=theme)
        page = context.new_page()
        page.goto((IMAGES / "map-04.svg").as_uri())
        fills.append(page.evaluate("getComputedStyle(document.querySelector('.paper')).fill"))
        context.close()
    assert fills[0] != fills[1]


def test_every_chapter_on_the_transformer_has_its_map():
    for chapter in sorted((ROOT / "chapters").glob("[0-9]*.ipynb")):
        assert f"](images/map-{chapter.name[:2]}.svg)" in chapter.read_text("utf8"), chapter.name
