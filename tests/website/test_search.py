"""Search finds what explains a term, first; what it quotes is plain text."""

import re

import pytest
from playwright.sync_api import expect

from bookpress.extension.searching import readable, readable_title

# Where each term is explained, besides the glossary.
TERMS = {
    "query": "04-self-attention.html",
    "key": "04-self-attention.html",
    "value": "04-self-attention.html",
    "softmax": "04-self-attention.html",
    "mask": "",
    "teacher forcing": "06-masked-decoder.html",
    "residual connection": "05-encoder.html",
    "padding": "05-encoder.html",
    "ablation": "08-transformer.html",
    "layer normalization": "05-encoder.html",
}
TEX = re.compile(r"\\[A-Za-z]+|\$|[A-Za-z]_\{")


def results(page, site, query: str) -> list[tuple[str, str]]:
    """The address and the quotation of the first three results."""
    page.goto(f"{site}search.html?q={query}")
    expect(page.locator(".search-summary")).to_contain_text("Search finished")
    found = page.locator("#search-results li").all()[:3]
    for one in found:
        expect(one.locator(".context")).to_have_count(1)
    return [(one.locator("a").get_attribute("href"), one.inner_text()) for one in found]


def test_a_terms_explanation_is_among_the_first_three(visit, site):
    page = visit("search.html")
    for term, chapter in TERMS.items():
        (first, quoted), *others = results(page, site, term)
        assert first.startswith(f"chapters/glossary.html#{term.replace(' ', '-')}"), term
        assert term in quoted.lower()
        assert any(re.search(rf"{chapter}.*#", address) for address, _ in others), (term, others)
        assert not any(TEX.search(text) for _, text in [(first, quoted), *others]), term


@pytest.mark.parametrize("query", ["Residual connections", "残差连接"])
def test_a_term_is_found_in_the_plural_and_in_chinese(visit, site, query):
    first, *_ = results(visit("search.html"), site, query)
    assert first[0].startswith("chapters/glossary.html#residual-connection")


def test_other_words_are_searched_as_before(visit, site):
    assert len(results(visit("search.html"), site, "bottleneck article")) == 3


def test_no_page_quotes_tex(html):
    text = (html / "_static" / "search-texts.js").read_text("utf8")
    index = (html / "searchindex.js").read_text("utf8")
    titles = re.search(r'"alltitles":(\{.*?\}),"', index)[1]
    assert len(text) > 100_000
    assert not re.search(r"\\\\(?:sqrt|mathrm|frac|sum|cdot|top|text|partial|left|begin)\b", text)
    assert "\\" not in titles.replace('\\"', "")


@pytest.mark.parametrize(
    ("tex", "plain"),
    [
        (r"\sqrt{d_k}", "√d_k"),
        (r"\mathrm{softmax}(Q K^\top / \sqrt{d}) \, V", "softmax(Q K^ᵀ / √d) V"),
        (r"\tfrac{1}{2} \cdot \ln \alpha", "1/2 · ln α"),
        (r"\begin{aligned} a &= b \\ c &= \Omega \end{aligned} \tag{1.2}", "a = b c = Ω"),
    ],
)
def test_a_formula_as_plain_text(tex, plain):
    assert readable(tex) == plain


def test_a_title_without_tex_stays():
    assert readable_title("The $PATH & {braces}") == "The $PATH & {braces}"
    assert readable_title(r"Why divide by \sqrt{d_k}?") == "Why divide by √d_k?"
