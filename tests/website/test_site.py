"""Every page of the built site in a browser, wide and narrow, light and dark."""

import io
import json
import re
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import expect

from bookpress import ROOT, address, inspection
from bookpress.extension import shipping
from bookpress.inspection import soup
from tests.website.test_anywhere import touch, works
from tests.widget_data import explorers

CONTRAST = (ROOT / "tests" / "contrast.js").read_text("utf8")
# The theme looks, a moment after a page has changed, at what scrolls.
REACHED = """() => [...document.querySelectorAll(
    "pre, .cell_output > .output, .pst-scrollable-table-container, div.math")]
    .every((node) => node.scrollWidth <= node.clientWidth || node.tabIndex === 0)"""
# What a line could break: formulas beside punctuation, and formulas with theirs that are on two lines.
APART = """formulas => formulas.filter((formula) => !formula.parentElement.matches(".ab-whole") &&
    (/[(\\[“‘]$/.test(formula.previousSibling?.data) || /^[.,;:!?)\\]”’…%]/.test(formula.nextSibling?.data)))
    .map((formula) => formula.parentElement.textContent)"""
BROKEN = "all => all.filter((e) => e.getClientRects().length > 1).map((e) => e.textContent)"
# Moves a cell of an explorer's map to the middle of the window, and returns where it is.
AT = """([widget, row, column]) => {
  const root = document.querySelectorAll(".ab-explorer")[widget].querySelector(".attnbook-widget").shadowRoot;
  const map = root.querySelector(".map"), box = map.closest(".scroll");
  const { width, height } = map.getBoundingClientRect();
  box.scrollLeft = column * width - box.clientWidth / 2;
  box.scrollTop = row * height - box.clientHeight / 2;
  const above = map.getBoundingClientRect().top + row * height - innerHeight / 2;
  window.scrollBy({ top: above, behavior: "instant" });
  const { left, top } = map.getBoundingClientRect();
  return [left + column * width, top + row * height];
}"""
HEIGHTS = "places => places.map(place => place.getBoundingClientRect().height)"
VISIBLE = "elements => elements.filter(e => e.checkVisibility({visibilityProperty: true})).length"


def test_page_has_no_errors_and_no_foreign_requests(opened):
    page = opened()
    page.evaluate("window.scrollTo(0, document.body.scrollHeight)")
    page.wait_for_load_state("networkidle")
    assert page.faults == []


@pytest.fixture(scope="module")
def waiting(browser):
    """A tab in which no widget's script arrives."""
    with browser.new_context() as context:
        page = context.new_page()
        session = context.new_cdp_session(page)
        session.send("Network.enable")
        session.send("Network.setBlockedURLs", {"urls": ["*/widgets/*.js*"]})
        yield page


def test_nothing_moves_when_explorers_are_mounted(opened, waiting, site, html, page_name):
    """Each explorer's container has the same height before and after its script has run."""
    if not explorers(html / page_name):
        return
    waiting.goto(site + page_name)
    waiting.evaluate("document.fonts.ready.then(() => true)")
    assert waiting.locator(".ab-widget[data-state]").count() == 0
    for width in (360, 1440):
        waiting.set_viewport_size({"width": width, "height": 900})
        waiting.evaluate(inspection.AT_REST)  # the contents rail slides in
        before = waiting.locator(".ab-explorer").evaluate_all(HEIGHTS)
        after = opened(width).locator(".ab-explorer").evaluate_all(HEIGHTS)
        assert after == pytest.approx(before, abs=1)


def test_formulas_render(opened):
    page = opened()
    assert page.locator(".math").count() == page.locator(".math mjx-container").count()
    assert page.locator("mjx-merror, [data-mjx-error], mjx-mtext[style*='red']").all_text_contents() == []
    text = page.locator("article").inner_text()
    assert not re.search(r"\\(frac|sqrt|mathbb|operatorname|sum)\b", text)


def test_punctuation_stays_on_the_line_of_its_formula(opened):
    page = opened(360)
    assert page.locator("article span.math").evaluate_all(APART) == []
    assert page.locator("article .ab-whole").evaluate_all(BROKEN) == []


@pytest.mark.parametrize("width", [1440, 360])
def test_page_has_one_search_field(opened, width):
    page = opened(width)
    assert page.locator(".search-button, .search-button-field, form.bd-search").evaluate_all(VISIBLE) == 1


@pytest.mark.parametrize("width", [1440, 360])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_has_enough_contrast(opened, width, theme):
    page = opened(width, theme)
    page.evaluate(inspection.UNFOLD)
    assert page.locator("body").evaluate(CONTRAST) == []


def test_phone_shows_a_page_without_horizontal_scrolling(opened):
    page = opened(360)
    page.evaluate(inspection.UNFOLD)
    assert inspection.sideways(page) == []


# All pages have the same styles. So axe checks contrast, which takes it longer than everything else, only on
# two pages that have every kind of text; the test above checks it on all pages, in both themes. How links
# differ from text, which takes a third of the rest, doesn't depend on the width.
WITH_CONTRAST = ("chapters/04-self-attention.html", "chapters/api.html")
LEFT_OUT = {1440: ["color-contrast"], 360: ["color-contrast", "link-in-text-block"]}


@pytest.mark.parametrize("width", [1440, 360])
def test_axe_finds_nothing(opened, page_name, width):
    page = opened(width)
    without = [] if width == 1440 and page_name in WITH_CONTRAST else LEFT_OUT[width]
    page.evaluate(inspection.UNFOLD)
    page.evaluate(inspection.AT_REST)
    page.wait_for_function(REACHED)
    assert inspection.axe(page, without) == []


@pytest.mark.parametrize("width", [360, 1440])
def test_every_explorer_reads_and_locks(opened, html, page_name, width):
    """In the dark, too; locking doesn't depend on the colours."""
    states = explorers(html / page_name)
    if not states:
        return
    page = opened(width)
    assert page.locator(".ab-explorer").count() == len(states)
    for index, state in enumerate(states):
        widget = page.locator(".ab-explorer").nth(index)
        assert widget.get_attribute("data-state") == "live"
        expect(widget.locator(".root")).to_have_attribute("data-theme", "light")
        if state["view"] != "map":
            widget.get_by_role("button", name="Map", exact=True).click()
            expect(widget.locator(".map")).to_be_visible()
        rows, columns = state["weights"].shape
        for cell in {(0, 0), (rows - 1, columns - 1), (rows // 2, columns // 3)}:
            reads(page, index, state, *cell)
        page.mouse.click(*page.evaluate(AT, [index, 0.5 / rows, 0.5 / columns]))
        assert widget.locator(".most").inner_text().startswith("Locked: ")
        assert widget.locator("img.ab-static").get_attribute("alt")
        page.mouse.click(*page.evaluate(AT, [index, 0.5 / rows, 0.5 / columns]))
        assert not widget.locator(".most").inner_text().startswith("Locked: ")
    page = opened(width, "dark")
    for index, state in enumerate(states):
        expect(page.locator(".ab-explorer .root").nth(index)).to_have_attribute("data-theme", "dark")
        reads(page, index, state, 0, 0)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.faults == []


def reads(page, index: int, state: dict, row: int, column: int) -> None:
    """Assert that an explorer shows the weight of the cell under the mouse."""
    rows, columns = state["weights"].shape
    x, y = page.evaluate(AT, [index, (row + 0.5) / rows, (column + 0.5) / columns])
    page.mouse.move(x + 1, y)  # otherwise a mouse already there would not move
    page.mouse.move(x, y)
    expected = f"{state['weights'][row, column]:.3f}" if state["mask"][row, column] else "masked"
    assert page.locator(".ab-explorer").nth(index).locator(".value").inner_text() == expected


def test_using_a_page_asks_for_nothing_outside_its_folder(opened):
    """The site is a folder of its host here. (This comes last, because it changes the page most.)"""
    page = opened()
    works(page)
    touch(page)
    assert page.faults == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_wide_table_is_shaded_where_it_continues(visit, theme):
    page = visit("chapters/01-why-attention.html", width=360, height=740, theme=theme)
    page.evaluate(inspection.UNFOLD)
    wide = page.locator(".cell_output .output.text_html").filter(has_text="k = 5, formula")
    wide.locator("table").evaluate("table => table.style.cssText = 'visibility: hidden; min-width: 600px'")
    left, middle, right = edges(wide)
    assert left == middle != right
    wide.evaluate("node => node.scrollLeft = node.scrollWidth")
    left, middle, right = edges(wide)
    assert left != middle == right


def test_a_table_that_fits_is_not_shaded(visit):
    page = visit("chapters/notation.html")
    for table in page.locator(".pst-scrollable-table-container").all()[:3]:
        table.locator("table").evaluate("table => table.style.visibility = 'hidden'")
        left, middle, right = edges(table)
        assert left == middle == right


def edges(node):
    """The colours at half a node's height in its first, middle and last pixel column."""
    image = Image.open(io.BytesIO(node.screenshot())).convert("RGB")
    return [image.getpixel((x, image.height // 2)) for x in (0, image.width // 2, image.width - 1)]


def test_the_chosen_theme_is_kept(visit, site):
    page = visit("chapters/index.html", theme="light")
    seen = set()
    for _ in range(3):
        page.locator(".theme-switch-button").first.click()
        seen.add(page.locator("html").get_attribute("data-mode"))
    assert seen == {"light", "dark", "auto"}
    while page.locator("html").get_attribute("data-mode") != "dark":
        page.locator(".theme-switch-button").first.click()
    page.goto(site + "search.html")
    inspection.mount(page)
    assert page.locator("html").get_attribute("data-theme") == "dark"


def test_text_uses_the_books_fonts(visit):
    page = visit("chapters/index.html")
    page.evaluate("document.fonts.ready")
    loaded = page.evaluate("[...document.fonts].filter(f => f.status === 'loaded').map(f => f.family)")
    assert {"Source Serif 4", "Source Sans 3"} <= {family.strip('"') for family in loaded}


def test_search_finds_a_page(visit):
    page = visit("search.html?q=attention")
    page.wait_for_selector("#search-results li a")
    assert page.locator("#search-results li a").count() >= 1


def test_images_have_alternative_text(html, page_name):
    article = soup(html / page_name).select_one("article")
    pictures = {image["src"]: image.get("alt", "") for image in article.select("img")}
    files = {".png", ".svg", ".jpg"}  # the default when none was written
    assert [src for src, alt in pictures.items() if not alt.strip() or Path(alt).suffix in files] == []
    assert [str(image) for image in soup(html / page_name).select("img:not([alt])")] == []
    drawings = soup(html / page_name).select("svg:is(.ab-drawing, .ab-chart)")
    assert [str(svg)[:200] for svg in drawings if not svg.get("aria-label", "").strip()] == []


def test_no_chart_of_the_chapters_is_a_picture(html, page_name):
    """Only widgets keep pictures, for places where they can't run."""
    pictures = soup(html / page_name).select("article .cell_output img:not(.ab-static)")
    assert [image.get("alt") for image in pictures] == []


def test_links_inside_the_site_work(html, page_name):
    assert inspection.broken_links(html / page_name) == []


def test_the_heading_that_a_link_leads_to_has_a_bar_beside_it_and_no_band(visit):
    page = visit("chapters/04-self-attention.html#what-it-costs")
    heading = page.locator(":target > h2")
    expect(heading).to_have_css("background-color", "rgba(0, 0, 0, 0)")
    expect(heading).to_have_css("background-size", "3px 100%")


def test_an_arabic_date_begins_on_the_right(visit):
    """Day, month and year follow each other from right to left."""
    page = visit("chapters/03-attn.html")
    cells = page.locator(".cell_output td")
    arabic = cells.filter(has_text=re.compile("^29 [\u0600-\u06ff]+ 2020$"))
    lefts = """cell => [...cell.textContent.matchAll(/[^ ]+/g)].map(({index, 0: word}) => {
        const range = document.createRange();
        range.setStart(cell.firstChild, index);
        range.setEnd(cell.firstChild, index + word.length);
        return range.getBoundingClientRect().left;
    })"""
    found = [cell.evaluate(lefts) for cell in arabic.all()]
    assert found
    assert all(places == sorted(places, reverse=True) for places in found)
    german = cells.get_by_text("29. Februar 2020", exact=True).first.evaluate(lefts)
    assert german == sorted(german)


def test_every_file_is_used(html):
    """There are no source maps and no unused fonts or styles."""
    models = html / "_static" / "models"  # test_models.py
    files = [file for file in html.rglob("*") if file.is_file() and models not in file.parents]
    readable = [file.read_text("utf8") for file in files if file.suffix in {".html", ".css", ".js"}]
    slides = set(shipping.SLIDES)
    sphinx = {".buildinfo", ".nojekyll", "objects.inv", "index.html", "sitemap.xml"}
    unnamed = []
    scripts = html / "_static" / "widgets"
    for file in files:
        inside = scripts in file.parents  # a widget's script, or its data: pages name them without ".js"
        name = file.relative_to(scripts).with_suffix("").as_posix() if inside else file.name
        if name not in slides | sphinx and "LICENSE" not in name and name != "OFL.txt":
            unnamed += [] if any(name in text for text in readable) else [str(file.relative_to(html))]
    assert unnamed == []
    assert not list(html.rglob("*.map"))
    assert not any("sourceMappingURL" in text for text in readable)


def test_files_used_in_style_sheets_exist(html):
    for sheet in html.rglob("*.css"):
        for name in re.findall(r"""url\(["']?(?!data:)([^"')?#]+)""", sheet.read_text("utf8")):
            assert (sheet.parent / name).is_file(), (sheet.name, name)


def test_launch_buttons_lead_to_this_chapter_in_the_repository(html, page_name):
    links = [link["href"] for link in soup(html / page_name).select(".dropdown-launch-buttons a")]
    notebook = Path(page_name).with_suffix(".ipynb")
    if not (ROOT / notebook).exists() or address.placeholder(address.wanted()):
        assert not links
        return
    slug, branch = address.slug(address.wanted()), address.branch()
    assert links == [
        f"https://mybinder.org/v2/gh/{slug}/{branch}?urlpath=lab/tree/{notebook}",
        f"https://colab.research.google.com/github/{slug}/blob/{branch}/{notebook}",
    ]


def test_pages_name_no_cdn(html):
    hosts = re.compile(r"(unpkg|jsdelivr|cdnjs|googleapis|gstatic|cloudflare)", re.I)
    pages = [page for page in html.rglob("*.html") if "_static" not in page.parts]
    assert [page.name for page in pages if hosts.search(page.read_text("utf8"))] == []


def test_site_and_figures_share_one_palette():
    palette = json.loads((ROOT / "src/attnbook/palette.json").read_text("utf8"))
    css = (ROOT / "website/assets/book.css").read_text("utf8")
    for theme in ("light", "dark"):
        block = re.search(rf'html\[data-theme="{theme}"\] {{(.*?)}}', css, re.S)[1]
        variables = dict(re.findall(r"--ab-([\w-]+): ([^;]+);", block))
        for variable, name in {"bg": "paper", "fg": "ink", "muted": "muted", "line": "line"}.items():
            assert variables[variable] == palette[theme][name]
