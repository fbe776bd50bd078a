"""Accessibility by screen reader and keyboard, beside what axe-core finds (see test_site.py); formulas."""

import subprocess
import sys

SCROLLING = """() => [...document.querySelectorAll(".math")].filter((node) =>
    ["auto", "scroll"].includes(getComputedStyle(node).overflowX) && node.scrollWidth > node.clientWidth)
    .map((node) => [node.dataset.tex, node.tabIndex])"""


def test_long_formulas_can_be_scrolled_by_keyboard(visit):
    page = visit("chapters/04-self-attention.html", width=360)
    page.wait_for_function(f"() => ({SCROLLING})().every(([, index]) => index === 0)")
    assert len(page.evaluate(SCROLLING)) >= 1


def test_the_spoken_text_of_a_formula_takes_no_space(visit):
    page = visit("chapters/api.html")
    assert page.locator(".ab-api .math").count() > 30
    assert page.evaluate(SCROLLING) == []


def test_the_sidebar_is_a_region_and_no_heading_is_misplaced(visit):
    page = visit("chapters/01-why-attention.html")
    assert page.get_by_role("navigation", name="The book").locator(".logo__title").is_visible()
    assert (
        page.locator("thead th").evaluate_all("all => all.filter(th => !th.textContent.trim()).length") == 0
    )


def test_a_program_that_typesets_formulas_ends():
    """An open V8 engine can keep Python from ending; it did so in four of five runs."""
    program = r"from bookpress.extension.maths import typeset; print(typeset('x^', True), typeset('x', True))"
    for _ in range(3):
        subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, timeout=60)
