"""The API reference: every public name has a heading, a signature and a docstring on the built page."""

import inspect
from importlib import import_module

import pytest
from bs4 import BeautifulSoup

import attnbook
from bookpress.extension import api

MODULES = (
    "attnbook",
    "attnbook.contexts",
    "attnbook.data",
    "attnbook.generation",
    "attnbook.language_model",
    "attnbook.notebook",
    "attnbook.plots",
    "attnbook.seq2seq",
    "attnbook.training",
    "attnbook.widgets",
)
NAMES = sorted({name for module in MODULES for name in import_module(module).__all__})
OTHERS = {
    "KeyValues",
    "LayerCache",
    "Recipe",
    "Recording",
    "Snapshot",
    "Tokenizer",
    "Trained",
    "TransformerState",
    "fetch",
    "load",
    "names",
    "pretrained.load",
    "save",
    "sinusoids",
    "snapshots.load",
}


@pytest.fixture(scope="module")
def sections(html):
    """The page's text under each heading that is a name of the package."""
    page = BeautifulSoup((html / "chapters" / "api.html").read_text("utf8"), "html.parser")
    headings = [heading for heading in page.select("h3") if heading.code]
    found = {heading.code.get_text(): heading.parent for heading in headings}
    assert len(found) == len(headings), "a name appears twice"
    return found


@pytest.mark.parametrize("name", NAMES)
def test_public_name_has_its_signature_and_docstring(sections, name):
    assert name in sections
    section = sections[name]
    signature = section.select_one(".highlight-python").get_text()
    assert name in signature
    words = [text for text in section.select(".ab-api > p") if text.get_text().strip()]
    assert words or section.select(".ab-api div.math"), f"{name}: no docstring on the page"


def test_reference_names_nothing_else(sections):
    assert set(sections) == {*NAMES, *OTHERS}


def test_no_source_markup_is_left_on_the_page(sections):
    for name, section in sections.items():
        for text in (paragraph.get_text() for paragraph in section.select(".ab-api p")):
            assert "`" not in text, name
            assert "$" not in text, name


def test_formulas_are_set_as_formulas(sections):
    assert sections["scaled_dot_product_attention"].select("div.math")
    assert sections["MultiHeadAttention"].select("div.math")


def test_signature_is_the_sources_own():
    entry = api.describe(import_module("attnbook.attention"), "MultiHeadAttention")
    assert entry.signature.startswith("class MultiHeadAttention(")
    assert "self" not in entry.signature
    assert 'query: Float[Tensor, "B T D"]' in entry.signature
    assert [method.signature.split("(")[0] for method in entry.methods] == [
        "keys_and_values",
        "attend",
        "split",
        "merge",
    ]


def test_a_call_may_have_defaults_stars_and_keywords():
    def example(a, b: int = 1, *rest, c="x", d: str = "y", **more) -> float: ...

    assert api.signature(example) == 'example(a, b: int = 1, *rest, c="x", d: str = "y", **more) -> float'
    assert "*," in api.signature(attnbook.scaled_dot_product_attention)


def test_a_name_without_docstring_is_found():
    for name in NAMES:
        thing = getattr(attnbook, name, None)
        if inspect.isclass(thing):
            assert api.own_doc(thing), name


def test_formulas_stand_alone_and_symbols_in_their_sentence(sections):
    """In a docstring that starts with formulas and then explains their symbols."""
    formulas = sections["Seq2Seq"].select(".math")
    alone = [formula["data-tex"] for formula in formulas if formula.name == "div"]
    assert len(alone) == 2
    assert all("=" in formula for formula in alone)
    assert {formula["data-tex"] for formula in formulas if formula.name == "span"} == {r"\(x_t\)", r"\(h_t\)"}


def test_no_name_is_cut_off_in_the_pages_contents(visit):
    page = visit("chapters/api.html")
    too_long = """names => names.filter(name => {
      const edge = name.closest(".sidebar-secondary-items").getBoundingClientRect().right;
      return name.getBoundingClientRect().right > edge;
    }).map(name => name.textContent)"""
    names = page.locator(".page-toc:visible code")
    assert names.count() > 20
    assert names.evaluate_all(too_long) == []
