"""What holds for the outputs of every chapter."""

import re

import pytest
from bs4 import BeautifulSoup

from bookpress import ROOT

NAMES = [path.stem for path in sorted((ROOT / "chapters").glob("*.ipynb"))]


@pytest.mark.parametrize("name", NAMES)
def test_no_output_is_the_address_of_an_object(html, name):
    """A cell that ends in a call of matplotlib needs a semicolon."""
    page = BeautifulSoup((html / "chapters" / f"{name}.html").read_text("utf8"), "html.parser")
    texts = [part.get_text() for part in page.select(".output")]
    assert texts
    assert [text for text in texts if re.search(r" at 0x[0-9a-f]{6}", text)] == []
