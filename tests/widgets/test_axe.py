"""axe-core finds nothing on the pages of widgets, light and dark, on a phone and on a wide screen."""

from importlib.resources import files

import pytest

AXE = files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")


def open_everything(page) -> None:
    """Show what widgets show only when they are asked."""
    for button in page.get_by_role("button", name="All", exact=True).all():
        button.click(force=True)
    for fold in page.locator("summary").all():
        fold.click()
    for number in page.locator("[data-stage=weights] tbody tr:first-child td:last-child").all():
        number.click()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1200])
@pytest.mark.parametrize("name", ["stepper", "path", "plane"])
def test_axe_finds_nothing(visit, name, width, theme):
    page = visit(f"{name}.html", width=width, theme=theme).page
    page.evaluate(f"document.documentElement.dataset.theme = '{theme}'")
    open_everything(page)
    page.evaluate(AXE)
    found = page.evaluate("axe.run('.ab-widget')")
    assert len(found["passes"]) > 10
    faults = [
        (fault["id"], node["html"][:120], node["failureSummary"])
        for fault in found["violations"]
        for node in fault["nodes"]
    ]
    assert faults == []
