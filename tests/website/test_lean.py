"""Pages load fast and don't move: few files, few elements, right colours and fonts from the first paint."""

import re
from pathlib import Path

import pytest
from fontTools.ttLib import TTFont
from playwright.sync_api import expect

from bookpress import ROOT
from bookpress.extension import scripts, shipping
from bookpress.inspection import MOUNTED, PROGRAMS, WATCH_SHIFTS, mount, programs, soup

WHOLE = ROOT / "website" / "assets" / "mathjax" / "output" / "chtml" / "fonts" / "woff-v2"
CHAPTER = "chapters/04-self-attention.html"
FORMULAS = "chapters/notation.html"  # begins with them
CONTENTS = '<dialog id="pst-secondary-sidebar-modal">'  # what a page holds behind its text
PARTS = (
    "documentation_options",
    "doctools",
    "clipboard",
    "copybutton",
    "bootstrap",
    "sphinx-theme",
    "book-theme",
)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_first_paint_has_the_readers_colours(browser, site, theme):
    """Before any deferred script runs."""
    page = browser.new_page(color_scheme=theme)
    late = re.compile(r"book-pages-|/widgets/")
    page.route(late, lambda route: route.abort())
    page.goto(site + CHAPTER)
    assert page.locator("html").get_attribute("data-theme") == theme
    assert page.locator("html").get_attribute("data-mode") == "auto"
    page.close()


def test_the_readers_choice_overrides_the_system(browser, site):
    context = browser.new_context(color_scheme="light")
    context.add_init_script("localStorage.setItem('mode', 'dark'); localStorage.setItem('theme', 'dark')")
    page = context.new_page()
    page.route(re.compile(r"book-pages-"), lambda route: route.abort())
    page.goto(site + CHAPTER)
    assert page.locator("html").get_attribute("data-theme") == "dark"
    context.close()


@pytest.mark.parametrize(("name", "least", "most"), [(CHAPTER, 4, 5), (FORMULAS, 6, 7)])
def test_fonts_are_preloaded(browser, site, name, least, most):
    page = browser.new_page()
    fonts = []
    page.on("request", lambda request: request.resource_type == "font" and fonts.append(request.url))
    with page.expect_event("load"):
        page.goto(site + name)
    page.evaluate("document.fonts.ready")
    early = page.locator("link[rel=preload][as=font]").evaluate_all("links => links.map(link => link.href)")
    assert least <= len(early) <= most
    assert any("MathJax_Main" in font for font in early) == (name == FORMULAS)
    assert fonts[: len(early)] == early
    assert any("serif-4-latin-600" in font for font in early)  # its first lines have bold text
    assert len(fonts) == len(set(fonts))  # the preloaded fonts are the fonts of the text
    page.close()


def test_text_does_not_move_when_the_sidebar_appears(browser, site):
    """The browser may paint a frame when half of the page has been parsed."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, java_script_enabled=False)
    page = context.new_page()
    left = lambda: page.locator("article h1").bounding_box()["x"]  # noqa: E731
    page.goto(site + CHAPTER)
    whole = left()
    text = page.content()
    assert text.count(CONTENTS) == 1
    page.route("**/*.html", lambda route: route.fulfill(body=text.partition(CONTENTS)[0]))
    page.goto(site + CHAPTER)
    assert page.locator(".page-toc").count() == 0
    assert left() == whole
    context.close()


def test_every_page_loads_the_joined_scripts(html, page_name):
    named = programs(html / page_name)
    joined = [name for name in named if "book-pages" in name]
    assert [re.search(r"[^/]+\.js", name)[0] for name in joined] == [*scripts.SCRIPTS]
    assert not [name for name in named if any(part in name for part in PARTS)]
    assert len(soup(html / page_name).select("script[src]")) == 1


def test_scripts_load_after_the_first_frame(browser, site):
    """Scripts for buttons and widgets must not delay the text, however slow the machine."""
    page = browser.new_page()
    page.add_init_script("""document.addEventListener("DOMContentLoaded",
        () => requestAnimationFrame(() => (window.framed = performance.now())));""")
    page.goto(site + CHAPTER)
    page.wait_for_function(PROGRAMS)
    starts = page.evaluate("""performance.getEntriesByType("resource")
        .filter(({ name }) => /book-pages-|widgets.*js/.test(name)).map(({ startTime }) => startTime)""")
    assert len(starts) >= 3
    assert min(starts) >= page.evaluate("window.framed")
    page.close()


def test_hidden_pages_load_their_scripts(browser, site):
    """A background tab, for example, paints no frame."""
    page = browser.new_page()
    page.add_init_script("""
        const frames = requestAnimationFrame;
        Object.defineProperty(document, "hidden", { get: () => true });
        globalThis.requestAnimationFrame = () => 0;
        document.addEventListener("programs-here", () => (globalThis.requestAnimationFrame = frames));""")
    page.goto(site + CHAPTER)
    page.wait_for_function(PROGRAMS, polling=50)  # otherwise it would wait for a frame
    page.mouse.move(1, 1)
    page.wait_for_function(MOUNTED, polling=50)
    states = page.locator(".ab-widget").evaluate_all("all => all.map(widget => widget.dataset.state)")
    assert len(states) > 3
    assert set(states) == {"live"}
    page.close()


def test_the_first_frame_comes_before_the_whole_page_is_laid_out(browser, site):
    """What isn't in sight is laid out before scripts run; a link into the page needs all heights at once."""
    heights, parts = [], "article section section > :not(section)"
    for place in ("", "#recap"):
        page = browser.new_page()
        page.goto(site + CHAPTER + place)
        assert page.locator("html[data-staged]").count() == (0 if place else 1)
        page.wait_for_function(PROGRAMS)
        mount(page)
        shown = page.locator(parts).evaluate_all("all => all.map(e => getComputedStyle(e).contentVisibility)")
        assert len(shown) > 100
        assert set(shown) == {"visible"}
        page.evaluate("document.fonts.ready")
        heights.append(page.evaluate("document.documentElement.scrollHeight"))
        page.close()
    assert heights[0] == heights[1]


@pytest.mark.parametrize("name", [CHAPTER, "chapters/glossary.html", "chapters/api.html"])
def test_what_is_in_sight_stays_where_it_is_as_a_page_opens(browser, site, name):
    page = browser.new_page(viewport={"width": 768, "height": 900})
    page.add_init_script(WATCH_SHIFTS)
    page.goto(site + name)
    page.wait_for_function(PROGRAMS)
    assert sum(value for value, _ in page.evaluate("window.shifts")) < 0.01
    page.close()


def test_code_in_a_fold_can_be_scrolled_by_keyboard_once_it_is_open(browser, site):
    page = browser.new_page(viewport={"width": 360, "height": 800})
    page.add_init_script("MutationObserver.prototype.observe = () => {}")  # a new element has all measured
    page.goto(site + CHAPTER)
    page.wait_for_function(PROGRAMS)
    fold = page.locator("details.hide", has=page.locator("pre")).first
    code = fold.locator("pre").first
    assert code.get_attribute("tabindex") is None
    fold.locator("summary").click()
    assert code.evaluate("code => code.scrollWidth > code.clientWidth")
    expect(code).to_have_attribute("tabindex", "0")
    page.close()


def test_files_loaded_later_exist(tmp_path):
    (tmp_path / "_static").mkdir()
    programs = [tmp_path / "_static" / name for name in ("first.js", "second.js", "nobodys.js")]
    for program in programs:
        program.write_text("")
    later = "_static/first.js?v=1 _static/second.js"
    (tmp_path / "index.html").write_text(f'<script data-later="{later}"></script>')
    assert shipping.asked_for(tmp_path) == set(programs[:2])


def test_data_of_widgets_stays_only_while_a_page_has_the_widget(tmp_path):
    data = tmp_path / "_static" / "widgets" / "data"
    data.mkdir(parents=True)
    used, former = data / f"{'0a' * 8}.js", data / f"{'1b' * 8}.js"
    for file in (used, former):
        file.write_text("")
    (tmp_path / "chapters").mkdir()
    (tmp_path / "chapters" / "page.html").write_text(f'{{"widget1":{{"data":"data/{used.stem}"}}}}')
    assert shipping.asked_for(tmp_path) == {used}


def test_the_theme_script_names_its_licenses(html):
    program = html / "_static" / "book-pages-2.js"
    licence = html / "_static" / "book-pages-2.js.LICENSE.txt"
    assert f"see {licence.name}" in program.read_text("utf8")
    assert "Bootstrap" in licence.read_text("utf8")


def test_code_has_spans_only_for_styled_tokens(html, visit):
    page = visit(CHAPTER)
    colours = """() => {
        const pre = document.querySelector(".cell_input .highlight pre");
        const of = (node) => getComputedStyle(node).color;
        return [of(pre), ...[...document.querySelectorAll(".highlight pre > span[class]")].map(of)];
    }"""
    plain, *marked = page.evaluate(colours)
    assert len(marked) > 500
    assert plain not in marked


def codes(font: Path) -> set[int]:
    return set(TTFont(font).getBestCmap() or ())


def test_formula_fonts_have_exactly_the_letters_in_use(html):
    sheet = (html / "_static" / "book-pages.css").read_text("utf8")
    found = re.findall(r'content: *"(?:\\([0-9A-Fa-f]+)|([^"\\]))"', sheet)
    wanted = {int(code, 16) if code else ord(letter) for code, letter in found}
    assert len(wanted) > 100
    fonts = sorted((html / "_static" / "letters").glob("MathJax_[!Z]*.woff"))
    assert len(fonts) > 10
    assert (html / "_static" / "letters" / "LICENSE").is_file()
    for font in fonts:
        whole, cut = codes(WHOLE / font.name), codes(font)
        assert wanted & whole <= cut <= whole, font.name
        assert len(cut - wanted) <= 3, font.name  # components of composite glyphs
