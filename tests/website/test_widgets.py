"""Widgets on all pages of the built book: their data, their scripts, and their pictures without scripts."""

import gzip
import re

import pytest

from attnbook.widgets import translation
from bookpress.extension import widgets
from tests.widget_data import explorers


def test_the_site_serves_the_translators_model():
    """The site names it by itself, so that a build without widgets doesn't import the package."""
    assert widgets.CHECKPOINT == translation.CHECKPOINT


def test_the_book_has_explorers(html):
    pages = [path.relative_to(html).as_posix() for path in html.glob("chapters/*.html")]
    assert sum(len(explorers(html / page)) for page in pages) >= 2


def test_pages_hold_data_but_no_script(html, page_name):
    text = (html / page_name).read_text("utf-8")
    assert '"_esm"' not in text
    assert ("attnbook-host.js" in text) == ("ab-widget" in text) == ("widget-view+json" in text)
    assert ("ab-explorer" in text) == bool(explorers(html / page_name))
    for address in ("unpkg.com", "jsdelivr", "cdnjs", "html-manager", "require.min.js"):
        assert address not in text


def test_a_page_loads_little(html, page_name):
    """The scripts of all widgets on a page take at most 45 kB; their heavy parts load on demand."""
    text = (html / page_name).read_text("utf-8")
    scripts = set(re.findall(r"_static/(widgets/\w[\w-]*\.js)", text))
    assert bool(scripts) == ("ab-widget" in text)
    assert sum(len(gzip.compress((html / "_static" / name).read_bytes())) for name in scripts) <= 45_000


@pytest.fixture(scope="module")
def without_scripts(browser):
    """A tab that runs no scripts."""
    with browser.new_context(java_script_enabled=False) as context:
        yield context.new_page()


def test_without_scripts_the_picture_is_shown(without_scripts, site, html, page_name):
    if "ab-widget" not in (html / page_name).read_text("utf-8"):
        return
    page = without_scripts
    page.goto(site + page_name)
    for picture in page.locator(".ab-widget img.ab-static").all():
        picture.scroll_into_view_if_needed()
        assert picture.is_visible()
    assert page.locator(".ab-explorer img.ab-static").count() == len(explorers(html / page_name))
