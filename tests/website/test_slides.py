"""The slides of every chapter fit, are legible from the back row, and have working widgets."""

import json
import re
import subprocess
import threading
from pathlib import Path

import pytest
from bs4 import BeautifulSoup

from bookpress import ROOT, slides
from bookpress.deck import export
from bookpress.deck.prose import split_table
from bookpress.deck.slides import Section, stacks
from bookpress.serve import server

CHAPTERS = sorted(path.stem for path in (ROOT / "chapters").glob("[01]*.ipynb"))
SEEN = (Path(__file__).parent / "slides.js").read_text("utf8")  # the content of each slide
# The smallest font size on a slide of 1280 × 720 pixels, and the smallest scale of a widget.
LEAST = {"points": 28, "takeaway": 28, "headline": 28, "table": 22, "code": 16}
LEAST_SCALE = 0.7


@pytest.fixture(scope="module")
def made(html, tmp_path_factory):
    """All slides, in a folder beside the pages they link to."""
    folder = tmp_path_factory.mktemp("book")
    for name in CHAPTERS:
        export(html / "chapters" / f"{name}.html", folder / "slides", "../html", "The book")
    (folder / "html").symlink_to(html.resolve())
    return folder / "slides"


@pytest.fixture
def show(browser, made):
    """Opens slides, from their file without an address; the page knows what it `said` and `asked` for."""
    contexts = []

    def open_deck(name, *, width=1280, height=720, query="", address=None):
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme="light")
        contexts.append(context)
        page = context.new_page()
        page.said, page.asked = [], []
        context.on("console", lambda message: page.said.append(message.text))
        context.on("weberror", lambda error: page.said.append(str(error.error)))
        context.on("request", lambda request: page.asked.append(request.url))
        page.goto(f"{address or made.as_uri()}/{name}.html{query}")
        page.wait_for_selector(".reveal[data-ready]", timeout=60_000)
        return page

    yield open_deck
    for context in contexts:
        context.close()


DATES = ":is(.ab-explorer[style*='--columns:13'], .ab-explorer[style*='--columns: 13'])"  # of 13 characters


def go_to(page, kind):
    """Go to the first slide with this widget and return the widget."""
    turn = "(kind) => { const at = Reveal.getIndices(document.querySelector(kind).closest('section'));"
    page.evaluate(f"{turn} Reveal.slide(at.h, at.v); }}", kind)
    return page.locator(kind).first


def words(widget):
    """All text of a widget."""
    return widget.evaluate("(one) => one.querySelector('.ab-live *').shadowRoot.textContent")


def past(page):
    """The number of slides before this one."""
    return page.evaluate("Reveal.getSlidePastCount()")


@pytest.mark.parametrize("name", CHAPTERS)
def test_slides_fit_and_can_be_read_from_the_back_row(show, html, name):
    page = show(name)
    seen = page.evaluate(SEEN)
    assert len(seen) > 30
    for slide in seen:
        assert slide["high"] <= 720, slide
        assert slide["wide"] <= 1280, slide
        assert not slide["outside"], slide
        assert (slide["empty"], slide["dead"], slide["blank"]) == (False, 0, 0), slide
        assert slide["headline"].strip(), slide
        for kind, sizes in slide["sizes"].items():
            assert all(size >= LEAST[kind] for size in sizes), (kind, slide)
        assert all(scale >= LEAST_SCALE for scale in slide["widget"]), slide
    assert page.locator("mjx-merror").count() == 0
    assert page.evaluate("document.querySelectorAll('.math:not(:has(mjx-container))').length") == 0
    ids = set(re.findall(r'id="([^"]+)"', (html / "chapters" / f"{name}.html").read_text("utf8")))
    assert {slide["place"] for slide in seen} <= ids
    assert page.said == []
    assert [url for url in page.asked if not url.startswith(("file:", "data:", "blob:"))] == []


@pytest.mark.parametrize("name", CHAPTERS)
def test_no_solution_is_on_a_slide_or_in_its_notes(made, name):
    cells = json.loads((ROOT / "chapters" / f"{name}.ipynb").read_text("utf8"))["cells"]
    source = "\n".join("".join(cell["source"]) for cell in cells)
    solutions = re.findall(r"<summary>Solution</summary>(.*?)</details>", source, re.DOTALL)
    text = re.sub(r"<[^>]+>", "", (made / f"{name}.html").read_text("utf8"))
    assert len(solutions) >= 3
    for solution in solutions:
        said = re.findall(r"^[A-Z][^`$*\n]{40,}", solution, re.MULTILINE)
        assert not any(one[:60].replace("'", "’") in text for one in said)
    assert "Solution" not in text
    assert "# Exercise" not in text


def test_every_section_has_its_slides(made, html):
    for name in CHAPTERS:
        page = (html / "chapters" / f"{name}.html").read_text("utf8")
        sections = set(re.findall(r"<h2>(\d+\.\d+)", page))
        text = (made / f"{name}.html").read_text("utf8")
        assert len(sections) >= 4
        for number in sections:
            assert f">{number} " in text, (name, number)


def test_content_is_divided_between_slide_and_notes():
    cell = '<div class="cell {}"><div class="cell_input"><pre>x = 1\n</pre></div></div>'
    section = f"""<section id="one"><h2>1.1 One</h2>
    <p>First comes a point. Then come many words that nobody reads from the back row.</p>
    <p>A second paragraph, e.g. this one, ends in what is shown:</p>
    {cell.format("")}<p>A short remark.</p>
    <section id="two"><h3>Two</h3>{cell.format("tag_slide-skip")}
    <div class="math">\\[x \\tag{{1.2}}\\]</div><p>where x is what it is.</p></section></section>"""
    points, code, formula = Section(BeautifulSoup(section, "html.parser").section).slides
    assert (points.kind, points.headline, points.place) == ("points", "1.1 One", "one")
    assert "First comes a point." in points.body
    assert "Then come many words" in points.notes[0]
    assert code.headline == "A second paragraph, e.g. this one, ends in what is shown:"
    assert "x = 1" in code.body
    assert "A short remark." in code.takeaway
    assert (formula.kicker, formula.headline, formula.place) == ("1.1 One", "Two", "two")
    assert "tag" not in formula.body
    assert "(1.2)" in formula.body
    assert "where x is" in formula.takeaway


def test_folded_code_stays_folded_and_the_opening_picture_and_all_exercises_have_slides():
    cell = (
        '<div class="cell tag_{}"><details><div class="cell_input"><pre>{}</pre></div></details>'
        '<div class="cell_output"><pre>{}</pre></div></div>'
    )
    sight = '<div class="cell tag_hide-input"><div class="cell_output"><img src="hook.svg"></div></div>'
    page = f"""<article><section id="top"><h1>1. One</h1><p>What is it?</p>
    {cell.format("hide-cell", "import torch", "")}{sight}<p>More.</p><ul><li>say it</li></ul>
    <section id="a"><h2>1.1 A</h2><p>This is measured:</p>{cell.format("hide-input", "plot()", "42 %")}
    <section id="exercise-1-1-do-it"><h3>Exercise 1.1: Do it</h3><p>Now you.</p></section></section>
    <section id="exercises"><h2>Exercises</h2><section id="exercise-1-2-again"><h3>Exercise 1.2: Again</h3>
    </section></section></section></article>"""
    first, section, exercises = stacks(BeautifulSoup(page, "html.parser").article)
    assert [one.kind for one in first] == ["title", "aims", "picture"]
    assert "hook.svg" in first[-1].body
    assert [(one.kind, "42 %" in one.body) for one in section] == [("result", True)]
    assert not any("plot()" in one.body or "import" in one.body for one in first + section)
    assert exercises[0].body.count("<li>") == 2


def test_headlines_make_sense_alone():
    cell = '<div class="cell {}"><div class="cell_input"><pre>{}</pre></div>{}</div>'
    code = cell.format("", "{}", "")
    longer = "\n\n".join(f"def step{n}(x):\n" + "    x = x + 1\n" * 8 + "    return x" for n in range(3))
    table = '<div class="cell_output"><table><tr><td>1</td></tr></table></div>'
    section = f"""<section id="one"><h2>1.1 One</h2>
    <p>(An aside in brackets. It goes on.)</p>
    <p>Nobody does this. Here we do it so that you can follow it.</p>
    {code.format("x = 1")}<p>What is wrong? Is it this? Or is it that?</p>{code.format("x = 2")}
    <p>It counts seconds, and leaves the rest out:</p>{code.format("ax.plot(x)")}
    <p>Then comes a formula.</p><div class="math">\\[x\\]</div><p>where \\(x\\) is what it is. More of it.</p>
    {code.format(longer)}
    <p>And on paper:</p>{cell.format("tag_slide-skip", "x = 3", "")}
    {cell.format("", "a = pd.Series(x)<br>b = pd.DataFrame(a)", table)}</section>"""
    made = Section(BeautifulSoup(section, "html.parser").section).slides
    headlines = [BeautifulSoup(one.headline, "html.parser").get_text() for one in made if one.kind == "code"]
    assert headlines[:2] == [
        "Here we do it so that you can follow it.",
        "What is wrong? Is it this? Or is it that?",
    ]
    assert not any("aside" in one.headline + one.body for one in made)
    assert any("aside" in "".join(one.notes) for one in made)
    assert any("leaves the rest out.</p>" in one.takeaway for one in made)
    formula = next(one for one in made if one.kind == "formula")
    assert formula.takeaway == '<p class="takeaway">where \\(x\\) is what it is.</p>'
    parts = [one for one in made if "def step" in one.body]
    assert [one.headline for one in parts] == ["More of it."] * 3
    assert all(one.body.count("def ") == 1 for one in parts)
    assert not any("on paper" in one.headline + one.body for one in made)
    assert made[-1].kind == "result"
    assert "pd." not in made[-1].body


def test_captions_stay_with_their_picture_and_quotations_are_points():
    section = """<section id="one"><h2>1.1 One</h2>
    <p><img src="a.png"></p><p><strong>What to look for.</strong> A line. More of it.</p>
    <p>Now the next:</p><p><img src="b.png"></p><p>Somebody said:</p><blockquote><p>A robot.</p></blockquote>
    <p>He did.</p></section>"""
    first, second, points = Section(BeautifulSoup(section, "html.parser").section).slides
    assert BeautifulSoup(first.takeaway, "html.parser").get_text() == "What to look for. A line."
    assert second.headline == "Now the next:"
    assert points.body == '<div class="points"><p>Somebody said:</p><p>A robot.</p><p>He did.</p></div>'


def test_a_long_table_is_split_into_parts_of_similar_height():
    rows = "".join(f"<tr><td>{'word ' * 8}</td><td>{'word ' * 20}</td><td>4.{n}</td></tr>" for n in range(7))
    table = BeautifulSoup(f"<div><table><tbody>{rows}</tbody></table></div>", "html.parser").div
    counts = [part.count("<tr>") for part in split_table(table)]
    assert sum(counts) == 7
    assert len(counts) > 1
    assert max(counts) - min(counts) <= 1


def test_an_explorer_reads_what_the_mouse_points_at_on_a_large_screen(show):
    page = show("04-self-attention", width=2200, height=1160)
    widget = go_to(page, DATES)
    scale = widget.evaluate("(one) => new DOMMatrix(getComputedStyle(one).transform).a * Reveal.getScale()")
    assert scale > 1.5
    cells = widget.locator(".map canvas").first.bounding_box()
    for row, column in ((0, 2), (2, 0), (1, 1)):
        across, down = (column + 0.8) / 13, (row + 0.8) / 13
        page.mouse.move(cells["x"] + across * cells["width"], cells["y"] + down * cells["height"])
        reading = " ".join(widget.locator(".ab-live .ab-reading").inner_text().split())
        assert re.search(rf"\b{'July'[row]}\b.*\b{'July'[column]}\b", reading), reading


def test_keys_in_a_widget_do_not_turn_the_slide_but_a_presenter_does(show):
    page = show("04-self-attention")
    widget = go_to(page, DATES)
    before = past(page)
    widget.locator(".map").first.focus()
    for key in ("ArrowRight", "ArrowRight", "b", "."):
        page.keyboard.press(key)
    assert re.search(r"\bJ\W+u\b", widget.locator(".ab-live .ab-reading").inner_text())
    assert past(page) == before
    assert not page.evaluate("Reveal.isPaused()")
    page.keyboard.press("PageDown")
    assert past(page) == before + 1
    page.keyboard.press("ArrowLeft")
    assert past(page) == before
    h, v = page.evaluate("Object.values(Reveal.getIndices())")[:2]
    page.wait_for_url(re.compile(rf"#/{h}(/{v})?$"))  # reveal.js writes the address once a second at most
    page.reload()
    page.wait_for_selector(".reveal[data-ready]")
    assert past(page) == before


def test_the_other_widgets_work_on_slides(show):
    large = {"width": 1600, "height": 900}
    page = show("04-self-attention", **large)
    stepper = go_to(page, ".ab-stepper")
    stepper.get_by_text("Step 3 of 4").wait_for(timeout=5_000)
    stepper.get_by_role("button", name="Next").click()
    stepper.get_by_text("Step 4 of 4").wait_for(timeout=5_000)

    page = show("02-query-key-value", **large)
    plane = go_to(page, ".ab-queries")
    before = words(plane)
    handle = plane.locator(".handle").bounding_box()
    page.mouse.move(handle["x"] + handle["width"] / 2, handle["y"] + handle["height"] / 2)
    page.mouse.down()
    page.mouse.move(handle["x"] + 80, handle["y"] - 60, steps=4)
    page.mouse.up()
    assert words(plane) != before

    page = show("01-why-attention", **large)
    path = go_to(page, ".ab-path")
    before = words(path)
    path.get_by_role("slider").first.focus()
    page.keyboard.press("ArrowRight")
    assert words(path) != before

    page = show("08-transformer", **large)
    translator = go_to(page, ".ab-translator")
    field = translator.get_by_role("textbox").first
    field.fill("Monday, May 4, 1992")
    field.press("Enter")
    written = "document.querySelector('.present .ab-live *').shadowRoot.textContent"
    page.wait_for_function(f"{written}.includes('1992年5月4日')")
    assert page.said == []


def test_from_the_books_server_in_the_dark_every_slide_comes_in_order(show, made):
    with server(str(made.parent), port=0) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        own = f"http://127.0.0.1:{running.server_port}/"
        page = show("07-embeddings", query="?theme=dark", address=f"{own}slides")
        assert page.evaluate("document.documentElement.dataset.theme") == "dark"
        dark = page.evaluate("getComputedStyle(document.querySelector('.reveal-viewport')).backgroundColor")
        assert max(map(int, re.findall(r"\d+", dark)[:3])) < 60
        count = page.evaluate("Reveal.getTotalSlides()")
        for _ in range(count - 1):
            page.keyboard.press("ArrowRight")
        assert page.evaluate("Reveal.isLastSlide()")
        place = page.evaluate("Reveal.getCurrentSlide().dataset.place")
        link = page.locator(".foot a")
        assert link.get_attribute("href") == f"../html/chapters/07-embeddings.html#{place}"
        with page.context.expect_page() as opened:
            page.keyboard.press("s")
        opened.value.get_by_text(f"{count} of {count}").wait_for()
        assert opened.value.locator("#notes :is(p, li)").count() >= 1
        opened.value.keyboard.press("ArrowLeft")
        page.wait_for_function("() => !Reveal.isLastSlide()")
        assert page.said == []
        assert all(url.startswith((own, "data:", "blob:")) for url in page.asked)
        link.click()
        page.wait_for_url("**/html/chapters/07-embeddings.html#*")
        running.shutdown()


def test_speaker_notes_have_prose_and_formulas_from_a_file(show):
    page = show("04-self-attention")
    go_to(page, ".formula")
    with page.context.expect_page() as opened:
        page.keyboard.press("s")
    notes = opened.value.locator("#notes")
    notes.locator("mjx-container").first.wait_for()
    assert len(notes.inner_text()) > 200
    assert page.said == []


def test_each_slide_prints_as_one_page(show):
    page = show("03-attn", query="?print-pdf")
    page.wait_for_selector(".pdf-page")
    assert page.locator(".pdf-page").count() == page.evaluate("Reveal.getTotalSlides()")


def test_an_unknown_chapter_gets_an_error_that_lists_the_known_ones(capsys):
    for wrong in ("", "0", "12", "four"):
        assert slides.main(wrong) == 1
        said = capsys.readouterr().err
        assert "make slides CH=04    4. Self-attention" in said
        assert wrong in said
    assert slides.chosen("4") == slides.chosen("04") == ["04-self-attention"]
    assert slides.chosen("all") == CHAPTERS


def test_make_rejects_an_unknown_chapter_before_building():
    call = ["make", "-s", "slides", "CH=99"]
    done = subprocess.run(call, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode != 0
    assert "there is no chapter '99'" in done.stderr
    assert "jupyter-book" not in done.stdout
