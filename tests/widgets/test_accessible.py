"""axe-core finds nothing wrong with the widgets, light and dark, at rest and with every part open."""

from importlib.resources import files

import pytest

AXE = files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")
RUN = """async () => {
  const found = await axe.run({ include: [".ab-widget"] }, { resultTypes: ["violations"] });
  const lines = ({ id, nodes }) => nodes.map(({ target, html }) => `${id}: ${target} ${html}`);
  return found.violations.flatMap(lines);
}"""
PARTS = ("Text", "Table", "Options", "Save or share")


def faults(page) -> list[str]:
    page.evaluate(AXE)
    return page.evaluate(RUN)


def opened(visit, name, theme):
    page = visit(name, theme=theme).page
    page.evaluate(f"document.documentElement.dataset.theme = '{theme}'")
    page.wait_for_timeout(300)
    return page


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", ["index.html", "explorer.html", "stepper.html", "path.html", "plane.html"])
def test_widgets_at_rest(visit, name, theme):
    assert faults(opened(visit, name, theme)) == []


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("part", PARTS)
def test_explorers_in_use(visit, part, theme):
    page = opened(visit, "explorer.html", theme)
    for widget in page.locator(".ab-widget").all():
        widget.locator(".map").press("ArrowDown")
        widget.locator(".map").press("Enter")
        widget.get_by_role("button", name=part, exact=True).click()
        widget.locator(".part > *").wait_for()
    page.mouse.move(1, 1)
    page.wait_for_timeout(300)
    assert faults(page) == []


def test_axe_would_find_something(visit):
    """A fault that is made on purpose is found, inside a widget too."""
    page = opened(visit, "explorer.html", "light")
    page.evaluate(
        """() => document.querySelector('.attnbook-widget').shadowRoot.querySelector('.root')
             .append(document.createElement('select'))"""
    )
    assert any(fault.startswith("select-name") for fault in faults(page))
