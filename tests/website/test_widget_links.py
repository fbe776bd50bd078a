"""Links in the text that set a widget of their page."""

import re

from playwright.sync_api import expect

from bookpress.inspection import soup
from bookpress.widget_links import CONTAINERS, SETS_WIDGET
from tests.package.widgets.test_tours_page import SHOWN
from tests.tabs import wait_until

CHANGED = f"([root, before]) => ({SHOWN})(root) !== before"
PAGES = ("02", "04", "08", "09", "10", "index")


def links(html, page_name) -> list[str]:
    return list(dict.fromkeys(link["href"] for link in soup(html / page_name).select("a.ab-sets")))


def test_pages_that_say_what_to_see_have_links(html):
    for page in PAGES:
        (path,) = html.glob(f"chapters/{page}*.html")
        assert len(links(html, path.relative_to(html))) >= 2, page


def test_each_link_sets_its_widget(html, visit, page_name):
    """From the last link to the first, because the first may lead to what the widget shows at first."""
    found = links(html, page_name)
    if not found:
        return
    page = visit(page_name)
    for href in reversed(found):
        name, number, _ = re.match(SETS_WIDGET, href).groups()
        widget = page.locator(f".{CONTAINERS[name]}").nth(int(number) - 1)
        root = widget.locator(".root").first
        before = root.evaluate(SHOWN)
        page.locator(f'a.ab-sets[href="{href}"]').first.click()
        wait_until(page, CHANGED, [root.element_handle(), before])
        expect(widget).to_be_in_viewport()
    assert page.faults == []


# Clicks each link and keeps the page busy for longer than the widgets wait before they write the address, so
# that this is overdue when the browser reports the click; reads the address after both.
IN_HASTE = """async (links) => {
  const seen = [];
  for (const link of links) {
    const reported = new Promise((done) => addEventListener("hashchange", done, { once: true }));
    document.querySelector(`a.ab-sets[href="${link}"]`).click();
    for (const end = performance.now() + 400; performance.now() < end; );
    await reported;
    await new Promise((done) => setTimeout(done));
    seen.push(location.hash);
  }
  return seen;
}"""


def test_an_earlier_state_never_replaces_the_address_of_a_link(html, visit):
    (path,) = html.glob("chapters/02*.html")
    name = path.relative_to(html).as_posix()
    found = links(html, name)
    assert visit(name).evaluate(IN_HASTE, found) == found
