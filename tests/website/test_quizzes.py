"""The questions at a chapter's end explain, shuffle and score answers; the home page shows the progress."""

import json
import re
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from playwright.sync_api import expect
from sphinx.errors import ExtensionError

from bookpress import ROOT, inspection
from bookpress.extension import quizzes
from bookpress.extension.page import Page

CHAPTERS = sorted(path.stem for path in (ROOT / "chapters").glob("[0-9]*.ipynb"))
NAME = "05-encoder"
CHAPTER, HOME = f"chapters/{NAME}.html", "chapters/index.html"
RIGHT, WRONG = ".ab-choice[data-right] input", ".ab-choice:not([data-right]) input"
FOLD = "<details>\n<summary>{}</summary><p>{}</p></details>"
SOURCE = """<section id="check-yourself"><h2>Check yourself</h2><p>Choose.</p>
<p><strong>1. Which <em>one</em>?</strong></p>
{}</section>"""
ONE = FOLD.format("A. A <code>b</code>", "No. <b>Right.</b>")
TWO = FOLD.format("B. C", "<strong>Right.</strong> So.")


def made(folder: Path, *folds: str) -> BeautifulSoup:
    """A page's tree after its folds have become a quiz."""
    file = folder / "01-page.html"
    file.write_text(SOURCE.format("\n".join(folds)), "utf8")
    page = Page(file, folder)
    quizzes.make_quiz(page)
    return page.soup


def test_folds_become_radio_buttons(tmp_path):
    soup = made(tmp_path, ONE, TWO)
    assert soup.select_one(".ab-quiz")["data-chapter"] == "01-page"
    assert soup.legend.decode_contents() == "1. Which <em>one</em>?"
    assert [label.decode_contents() for label in soup.select("label")] == ["A <code>b</code>", "C"]
    assert [why.get_text().strip() for why in soup.select(".ab-why")] == ["No. Right.", "Right. So."]
    assert [choice.has_attr("data-right") for choice in soup.select(".ab-choice")] == [False, True]
    buttons = soup.select("fieldset input[type=radio]")
    assert [label["for"] for label in soup.select("label")] == [button["id"] for button in buttons]
    assert len({button["name"] for button in buttons}) == 1
    assert soup.select("details") == []


def test_names_follow_the_words_and_not_the_order(tmp_path):
    orders = [made(tmp_path, *folds) for folds in ((ONE, TWO), (TWO, ONE))]
    ids = [{button["id"] for button in soup.select("input")} for soup in orders]
    assert ids[0] == ids[1]
    assert len(ids[0]) == 2


@pytest.mark.parametrize("folds", [(ONE, ONE), (TWO, TWO), (TWO,), ()])
def test_a_question_without_one_right_answer_fails_the_build(tmp_path, folds):
    with pytest.raises(ExtensionError, match=r"01-page.html: “1. Which one\?” has \d answers, \d of them"):
        made(tmp_path, *folds)


@pytest.mark.parametrize("name", CHAPTERS)
def test_every_chapter_has_its_quiz(html, name):
    cells = json.loads((ROOT / "chapters" / f"{name}.ipynb").read_text("utf8"))["cells"]
    source = "".join("".join(cell["source"]) for cell in cells)
    quiz = inspection.soup(html / "chapters" / f"{name}.html").select_one(".ab-quiz")
    asked = source[source.index("## Check yourself") : source.index("## Recap")]
    assert len(quiz.select(".ab-choice")) == asked.count("<summary>")
    assert len(quiz.select(".ab-choice[data-right]")) == len(quiz.select("fieldset")) >= 3


def answers(page) -> list[str]:
    """The ids of all answers, in the order in which they are shown."""
    return page.locator(".ab-choice input").evaluate_all("all => all.map((one) => one.id)")


def test_answers_explain_themselves_and_are_scored(visit):
    page = visit(CHAPTER)
    score, again = page.locator(".ab-score"), page.locator(".ab-again")
    first, second = page.locator(".ab-question").all()[:2]
    total = page.locator(".ab-question").count()
    expect(again).to_be_hidden()
    expect(page.locator(".ab-why:visible")).to_have_count(0)
    first.locator(RIGHT).check()
    expect(first.locator(".ab-why:visible")).to_have_count(1)
    expect(first.locator(".ab-why:visible")).to_contain_text("Right.")
    expect(score).to_have_text(f"1 of {total} right at the first try. {total - 1} to go.")
    second.locator(WRONG).first.check()
    expect(second.locator(".ab-why:visible")).to_contain_text("No")
    second.locator(RIGHT).check()  # the first try counts
    expect(second.locator(".ab-why:visible")).to_contain_text("Right.")
    expect(score).to_have_text(f"1 of {total} right at the first try. {total - 2} to go.")

    order = answers(page)
    page.reload()
    inspection.mount(page)
    assert answers(page) == order
    expect(page.locator(".ab-choice input:checked")).to_have_count(2)
    expect(score).to_contain_text(f"1 of {total}")
    again.click()
    expect(page.locator(".ab-choice input:checked")).to_have_count(0)
    expect(again).to_be_hidden()
    expect(score).to_have_text("")
    assert sorted(answers(page)) == sorted(order)


def test_answers_are_shuffled_from_reader_to_reader(browser, site):
    orders = set()
    for _ in range(3):
        with browser.new_context() as context:
            page = context.new_page()
            page.goto(site + CHAPTER)
            page.wait_for_function(inspection.PROGRAMS)
            orders.add(tuple(answers(page)))
    assert len(orders) == 3
    assert len({tuple(sorted(order)) for order in orders}) == 1


def test_the_keyboard_moves_without_answering(visit):
    page = visit(CHAPTER)
    question = page.locator(".ab-question").first
    buttons = question.locator("input")
    buttons.first.focus()
    page.keyboard.press("ArrowDown")
    expect(buttons.nth(1)).to_be_focused()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    expect(buttons.last).to_be_focused()
    expect(question.locator("input:checked")).to_have_count(0)
    page.keyboard.press("Space")
    expect(buttons.last).to_be_checked()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    expect(buttons.nth(1)).to_be_checked()
    why = buttons.nth(1).get_attribute("aria-describedby")
    expect(page.locator(f"[id='{why}']")).to_be_visible()


def test_without_scripts_a_choice_still_shows_its_explanation(browser, site):
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(site + CHAPTER)
        expect(page.locator(".ab-why:visible")).to_have_count(0)
        page.locator(RIGHT).first.check()
        expect(page.locator(".ab-why:visible")).to_have_count(1)
        expect(page.locator(".ab-again")).to_be_hidden()


def test_on_paper_every_answer_is_explained_in_the_order_of_the_notebook(browser, site, html):
    page = browser.new_page()
    page.emulate_media(media="print")
    page.goto(site + CHAPTER)
    page.wait_for_function(inspection.PROGRAMS)
    whole = inspection.soup(html / CHAPTER)
    assert answers(page) == [button["id"] for button in whole.select(".ab-choice input")]
    expect(page.locator(".ab-why:visible")).to_have_count(len(whole.select(".ab-choice")))
    page.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_answered_questions_are_accessible(visit, theme):
    page = visit(CHAPTER, width=390, theme=theme)
    page.locator(RIGHT).first.check()
    page.locator(".ab-question").nth(1).locator(WRONG).first.check()
    page.evaluate(inspection.AT_REST)
    assert inspection.axe(page) == []
    assert inspection.sideways(page) == []


def test_progress_is_on_the_home_page_until_it_is_cleared(visit, site):
    page = visit(HOME, fresh=True)  # for its script
    progress = page.locator(".ab-progress")
    expect(progress).to_be_hidden()
    page.goto(site + CHAPTER)
    inspection.mount(page)
    page.locator(RIGHT).first.check()
    page.goto(site + "chapters/01-why-attention.html")
    inspection.mount(page)
    page.locator(".prev-next-footer").scroll_into_view_if_needed()
    page.wait_for_function("() => localStorage.getItem('ab-progress').includes('01-why-attention')")

    page.add_init_script(inspection.WATCH_SHIFTS)
    page.goto(site + HOME)
    expect(progress).to_be_visible()
    entries = progress.locator("li")
    expect(entries).to_have_count(len(CHAPTERS))
    expect(entries.filter(has_text="Chapter 5")).to_contain_text("1 of 5")
    expect(entries.filter(has_text=re.compile(r"Chapter 1\b"))).to_contain_text("read")
    expect(entries.filter(has_text="Chapter 2")).to_contain_text("–")
    inspection.mount(page)
    assert inspection.shifts(page)[1] < 0.01
    assert inspection.axe(page) == []
    progress.get_by_role("button", name="Clear").click()
    expect(progress).to_be_hidden()
    assert page.evaluate("localStorage.getItem('ab-progress')") is None


def test_a_broken_record_does_no_harm(browser, site):
    with browser.new_context() as context:
        context.add_init_script("localStorage.setItem('ab-progress', '{broken')")
        page, faults = context.new_page(), []
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.goto(site + CHAPTER)
        page.wait_for_function(inspection.PROGRAMS)
        page.locator(RIGHT).first.check()
        expect(page.locator(".ab-score")).to_contain_text("1 of ")
        page.goto(site + HOME)
        page.wait_for_function(inspection.PROGRAMS)
        expect(page.locator(".ab-progress")).to_be_hidden()
        assert faults == []
