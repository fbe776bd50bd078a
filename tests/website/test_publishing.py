"""The theme's pages are edited as a tree; a page that isn't what the edits expect fails the build."""

import pytest
from bs4 import BeautifulSoup
from sphinx.errors import ExtensionError

from bookpress.extension import policy, publishing, scripts
from bookpress.extension.page import Page

COLOURS = '<script data-cfasync="false">document.documentElement.dataset.mode = "";</script>'
SHEET = '<link href="../_static/styles/theme.css?digest=1" rel="stylesheet" />'
PRELOAD = '<link rel="preload" as="script" href="../_static/scripts/bootstrap.js" />'
SCRIPTS = "".join(
    f'<script src="../_static/{name}?v=1"></script>' for name in (scripts.ICONS, *scripts.JOINED)
)
SIDE = '<div id="pst-primary-sidebar" class="bd-sidebar"></div>'
ICON = '<i class="fa-solid fa-sun"></i>'
DATA = '<script type="application/json">{"a": "\\u003c/script> & <b> \\" &amp;"}</script>'
FORMULA = (
    '<mjx-container jax="CHTML" style="font-size: 106%;"><mjx-c class="mjx-c2C"></mjx-c></mjx-container>'
)
HTML = f"""<!DOCTYPE html>
<html lang="en"><head>{COLOURS}{SHEET}{PRELOAD}{SCRIPTS}</head>
<body>{SIDE}{ICON}<button onclick="window.print()">Print</button><article>{FORMULA}<p>1 &lt; 2 &amp; 3</p>
<table><tr><th></th><th>a</th></tr></table></article>{DATA}</body></html>
"""


@pytest.fixture
def published(tmp_path):
    """Edits a page with this HTML as the build does; its text and its tree afterwards."""

    def edit(html: str) -> tuple[str, BeautifulSoup]:
        file = tmp_path / "chapters" / "page.html"
        file.parent.mkdir(exist_ok=True)
        (tmp_path / "_static").mkdir(exist_ok=True)
        file.write_text(html, "utf8")
        publishing.publish_page(Page(file, tmp_path), ["one.js?v=1", "two.js?v=1"])
        text = file.read_text("utf8")
        return text, BeautifulSoup(text, "html.parser")

    return edit


def test_a_page_is_edited(published):
    _, soup = published(HTML)
    first = soup.select_one("script[src]")
    assert first["src"].startswith("../_static/inline/")
    assert first["data-later"] == "../_static/one.js?v=1 ../_static/two.js?v=1"
    assert first["data-type"].split() == [*policy.FONTS, *policy.FORMULAS]
    assert len(soup.select("script[src]")) == 1
    assert [link["href"] for link in soup.select("link")] == ["../_static/book-pages.css?v="]
    assert soup.select_one("#pst-primary-sidebar")["role"] == "navigation"
    assert soup.select_one("i")["aria-hidden"] == "true"
    assert [cell.name for cell in soup.select_one("tr").find_all(True)] == ["td", "th"]
    assert soup.button.attrs == {"data-print": ""}


def test_formulas_data_and_text_stay_as_they_are(published):
    text, _ = published(HTML)
    for part in (FORMULA, DATA, "<p>1 &lt; 2 &amp; 3</p>"):
        assert part in text


@pytest.mark.parametrize("missing", [COLOURS, SHEET, PRELOAD, SCRIPTS, SIDE, ICON])
def test_what_the_theme_no_longer_writes_fails_the_build(published, missing):
    with pytest.raises(ExtensionError, match=r"^chapters/page.html: .* Has the theme changed\?"):
        published(HTML.replace(missing, ""))


@pytest.mark.parametrize("name", [scripts.ICONS, *scripts.JOINED])
def test_each_script_of_the_theme_has_to_be_there(published, name):
    with pytest.raises(ExtensionError, match=f"no longer names {name}"):
        published(HTML.replace(f'<script src="../_static/{name}?v=1"></script>', ""))


@pytest.mark.parametrize(
    ("new", "problem"),
    [
        ('<script src="../_static/scripts/new.js"></script>', "names scripts/new.js"),
        (COLOURS, "2 inline scripts choose the colours"),
        ('<p onmouseover="grow()"></p>', "inline handler, onmouseover"),
    ],
)
def test_what_is_new_in_the_theme_fails_the_build(published, new, problem):
    with pytest.raises(ExtensionError, match=problem):
        published(HTML.replace("</body>", f"{new}</body>"))


def test_a_script_before_the_one_that_chooses_the_colours_fails_the_build(published):
    with pytest.raises(ExtensionError, match="another script comes before"):
        published(HTML.replace("<head>", '<head><script src="../_static/scripts/new.js"></script>'))
