"""The built site is self-contained: it works on any host, in any folder, from a file, under a policy."""

import re
import urllib.request
import zipfile
from functools import cache

import pytest

from bookpress import ROOT, pack, serve
from bookpress.inspection import listen, mount
from tests.tabs import Tabs

STATES = "nodes => nodes.map(node => node.dataset.state)"


@pytest.fixture(scope="module")
def unpacked(html, tmp_path_factory):
    """The packed site, unpacked in a folder with an awkward name."""
    folder = tmp_path_factory.mktemp("stick")
    pack.pack(html, folder / "book.zip")
    place = folder / "книга & 書 50%"
    with zipfile.ZipFile(folder / "book.zip") as archive:
        archive.extractall(place)
    return place / "book"


@pytest.fixture(scope="module")
def places(browser):
    """Tabs for the pages below an address; they note what is asked of others."""

    @cache
    def below(own: str) -> Tabs:
        def new():
            page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
            page.faults = listen(page, own)
            return page

        return Tabs(new, f"{own}_static/favicon.svg")

    return below


@pytest.fixture
def watched(places):
    """Opens a page at an address, and records errors and requests to any host but `own`."""
    used = []

    def open_page(address: str, own: str, *, mounted=True):
        page = places(own).take()
        used.append((places(own), page))
        page.faults.clear()
        page.goto(address)
        if mounted:
            mount(page)
        return page, page.faults

    yield open_page
    for tabs, page in used:
        tabs.give_back(page)


def touch(page) -> None:
    """Use everything on a page: folds, menus, and every widget by mouse and keyboard."""
    page.evaluate("document.querySelectorAll('details').forEach(fold => fold.open = true)")
    for widget in page.locator(".ab-widget").all():
        widget.scroll_into_view_if_needed()
        box = widget.bounding_box()
        for x, y in ((0.5, 0.5), (0.3, 0.7)):
            page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
        for button in widget.get_by_role("button").all()[:6]:
            if button.is_visible() and button.is_enabled():
                button.click(force=True)
        for slider in widget.get_by_role("slider").all()[:3]:
            if slider.is_visible():
                slider.press("ArrowRight")
    for menu in page.locator(".article-header-buttons .dropdown > button").all():
        menu.click()
    page.keyboard.press("Escape")
    page.wait_for_load_state("networkidle")


def works(page) -> None:
    """Assert that formulas are typeset and widgets are live."""
    mount(page)
    assert page.locator(".math").count() == page.locator(".math mjx-container").count()
    assert set(page.locator(".ab-widget").evaluate_all(STATES)) <= {"live"}
    assert page.locator("html").get_attribute("data-theme") in ("light", "dark")


def test_searching_makes_no_foreign_requests(site, watched):
    page, faults = watched(site + "chapters/index.html", own=site)
    page.locator(".search-button__button:visible").first.click()
    page.locator("#pst-search-dialog input").fill("multi-head")
    page.keyboard.press("Enter")
    page.wait_for_selector("#search-results li a")
    page.wait_for_load_state("networkidle")
    page.locator("#search-results li a").first.click()
    page.wait_for_url("**/chapters/*.html*")
    page.wait_for_load_state("networkidle")
    assert faults == []


def test_page_works_from_a_file(unpacked, watched, page_name):
    own = (unpacked / "index.html").as_uri().removesuffix("index.html")
    page, faults = watched(own + page_name, own=own)
    works(page)
    touch(page)
    assert faults == []


def test_a_file_can_be_searched(unpacked, watched):
    own = (unpacked / "index.html").as_uri().removesuffix("index.html")
    page, faults = watched(own + "search.html?q=softmax", own=own)
    excerpts = page.locator("#search-results li p.context")
    excerpts.first.wait_for()
    page.wait_for_load_state("networkidle")
    assert excerpts.count() == page.locator("#search-results li").count() > 5
    assert sum("softmax" in text.lower() for text in excerpts.all_inner_texts()) >= 0.9 * excerpts.count()
    assert faults == []


def test_the_sites_root_redirects_to_the_first_page(unpacked, watched):
    own = (unpacked / "index.html").as_uri().removesuffix("index.html")
    page, faults = watched(own + "index.html", own=own, mounted=False)
    page.wait_for_url("**/chapters/index.html")
    assert faults == []


def test_packing_is_reproducible(tmp_path):
    site = tmp_path / "site"
    (site / "_static").mkdir(parents=True)
    (site / ".buildinfo").write_text("one")
    for name in ("b.html", "a.html", "_static/c.js"):
        (site / name).write_text(name)
    pack.pack(site, tmp_path / "book.zip")
    first = (tmp_path / "book.zip").read_bytes()
    (site / "a.html").touch()
    (site / "b.html").chmod(0o600)
    (site / ".buildinfo").write_text("two")
    pack.pack(site, tmp_path / "book.zip")
    assert (tmp_path / "book.zip").read_bytes() == first
    with zipfile.ZipFile(tmp_path / "book.zip") as archive:
        assert archive.namelist() == ["book/_static/c.js", "book/a.html", "book/b.html"]
        assert {entry.external_attr >> 16 for entry in archive.infolist()} == {0o100644}
    (site / "a.html").write_text("something else")
    pack.pack(site, tmp_path / "book.zip")
    assert (tmp_path / "book.zip").read_bytes() != first


def test_models_are_packed_only_if_asked_for(tmp_path):
    site = tmp_path / "site"
    (site / pack.MODELS / "e5").mkdir(parents=True)
    for name in ("a.html", "_static/c.js", "_static/models/e5/manifest.json"):
        (site / name).write_text(name)
    for models, there in ((False, 0), (True, 1)):
        pack.pack(site, tmp_path / "book.zip", models=models)
        with zipfile.ZipFile(tmp_path / "book.zip") as archive:
            names = archive.namelist()
        assert names.count("book/_static/models/e5/manifest.json") == there
        assert {"book/a.html", "book/_static/c.js"} <= set(names)


def test_pages_are_served_under_the_readmes_policy(site):
    with urllib.request.urlopen(site + "chapters/index.html") as answer:
        assert answer.headers["Content-Security-Policy"] == serve.POLICY
    readme = (ROOT / "README.md").read_text("utf8")
    assert re.findall(r"default-src [^\"`\n]*", readme) == [serve.POLICY]
    assert "script-src 'self' 'wasm-unsafe-eval';" in serve.POLICY
    assert "http" not in serve.POLICY


def test_the_policy_is_enforced(site, watched):
    page, faults = watched(site + "chapters/index.html", own=site)
    assert faults == []
    page.evaluate(
        """() => { const program = document.createElement("script");
                   program.textContent = "window.ran = true"; document.body.append(program); }"""
    )
    assert page.evaluate("window.ran") is None
    assert len(faults) == 1
    assert "Content Security Policy" in faults[0]


def test_no_page_has_inline_scripts(html):
    for page in html.rglob("*.html"):
        if "_static" not in page.parts:
            text = page.read_text("utf8")
            inline = re.findall(r"<script(?![^>]*\ssrc=)([^>]*)>", text)
            assert all(re.search(r"json|octet-stream", attributes) for attributes in inline), page
            assert not re.search(r"<[^>]*\s(on[a-z]+=|href=\"javascript:)", text), page


def test_the_print_button_prints_the_page(site, watched):
    page, faults = watched(site + "chapters/about.html", own=site)
    page.evaluate("window.print = () => window.printed = true")
    page.locator(".article-header-buttons .dropdown-download-buttons > button").click()
    page.locator("[data-print]").click()
    assert page.evaluate("window.printed")
    assert faults == []
