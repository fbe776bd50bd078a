"""Search finds what explains a term, first; what it quotes is plain text."""

import re

import pytest
from docutils import nodes
from playwright.sync_api import expect

from bookpress.extension.searching import part, readable, readable_title

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
# Whether a quotation starts inside a Latin word of every page that has it.
STARTS_INSIDE_A_WORD = """start => {
  const text = (html) => new DOMParser().parseFromString(html, "text/html").body.textContent;
  const plain = (html) => text(html).replace(/\\s+/g, " ");
  const withoutCode = (html) => html.replace(/<pre>.*?<\\/pre>/gs, "");
  const all = Object.values(texts).flatMap((html) => [plain(html), plain(withoutCode(html))]);
  const found = all.filter((text) => text.includes(start));
  const inside = (text) => /[A-Za-z]$/.test(text.slice(0, text.indexOf(start)));
  return found.length === 0 || found.every(inside);
}"""
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


@pytest.mark.parametrize("query", ["softmax", "weighted average", "embedding seed", "keys", "注意力"])
def test_a_quotation_starts_with_a_word_and_is_prose(visit, site, query):
    page = visit("search.html")
    (_, first), *_ = results(page, site, query)
    assert any(word.removesuffix("s") in first.lower() for word in query.split())
    for quotation in page.locator("#search-results .context").all_inner_texts():
        quoted = quotation.removeprefix("... ").removesuffix(" ...")
        assert not re.match(r"(import|from) \w+|# @title", quoted), quotation
        cut = page.evaluate(STARTS_INSIDE_A_WORD, quoted[:40])
        assert quotation == quoted or not cut, quotation


def test_code_is_quoted_if_no_prose_has_the_word(visit, site):
    (_, quoted), *_ = results(visit("search.html"), site, "masked_fill")
    assert "masked_fill" in quoted


def test_code_is_marked_in_what_is_searched():
    paragraph, code = nodes.paragraph("", "a < b"), nodes.literal_block("", "import torch")
    assert part(paragraph) == "a &lt; b\n"
    assert part(code) == part(nodes.container("", code, classes=["cell"])) == "<pre>import torch\n</pre>"


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
