"""What the chapters' text leans on is true of the numbers that this build printed beside it."""

import re
from functools import cache

import pytest
from bs4 import BeautifulSoup


@cache
def tables(path) -> list[dict[str, dict[str, str]]]:
    """Each table that code printed on a page, as {row: {column: cell}}."""
    found = []
    for table in BeautifulSoup(path.read_text("utf8"), "html.parser").select("table.dataframe"):
        columns = [cell.get_text(" ", strip=True) for cell in table.select("thead tr:last-child th")][1:]
        rows = [
            [c.get_text(" ", strip=True) for c in row.select("th,td")] for row in table.select("tbody tr")
        ]
        found.append({row[0]: dict(zip(columns, row[1:], strict=True)) for row in rows})
    return found


NUMBER = re.compile(r"-?[\d.]+(e[+-]?\d+)?")


class Page:
    """The printed tables of one chapter, found by a row or a column that they hold."""

    def __init__(self, path):
        self.tables = tables(path)

    def column(self, name: str, row: str) -> dict[str, float]:
        """The numbers in one column of the table that has it and this row."""
        found = [table for table in self.tables if row in table and name in table[row]]
        assert len(found) == 1, f"{len(found)} tables with row {row!r} and column {name!r}"
        return {
            key: float(match[0]) for key, cells in found[0].items() if (match := NUMBER.match(cells[name]))
        }


@pytest.fixture
def attn(html):
    return Page(html / "chapters" / "03-attn.html")


@pytest.fixture
def self_attention(html):
    return Page(html / "chapters" / "04-self-attention.html")


def test_the_articles_weights_ignore_the_values_and_hear_query_and_key(attn):
    change = attn.column("largest change of a weight", "V all zeros")
    assert change["V in another order"] == change["V all zeros"] == 0
    assert min(change["another K"], change["another Q"]) > 0.01


def test_a_folder_keeps_its_weight_wherever_it_moves(attn):
    for repair in ("additive", "dot"):
        assert attn.column(repair, "a folder's weight moves by")["a folder's weight moves by"] < 1e-5


def test_comparing_learns_faster_than_places_and_places_faster_than_nothing(attn):
    right = attn.column("exact match", "no attention")
    assert right["no attention"] + 10 < right["article"]
    assert right["article"] + 5 < min(right["additive"], right["dot"])
    assert right["additive"] > 97


def test_english_days_go_wrong_where_german_french_and_spanish_ones_do_not(attn):
    by_language, day = attn.column("article", "zh"), attn.column("day", "en")
    others = ("de", "fr", "es")
    assert by_language["en"] + 20 < min(by_language[name] for name in others)
    assert day["en"] + 20 < min(day[name] for name in others)
    assert day["en"] + 30 < attn.column("year", "en")["en"]


def test_maps_that_compare_follow_the_text_and_leave_empty_places_alone(attn):
    row = "on empty places"
    article, additive, dot = (attn.column(kind, row) for kind in ("article", "additive", "dot"))
    assert article[row] > 20 > 1 > max(additive[row], dot[row])
    german, year = "moves from English to German", "on the year while writing it"
    assert article[german] < 10 < 40 < min(additive[german], dot[german])
    assert article["moves from English to Chinese"] > 20
    assert article[year] < 50 < 90 < article["years written right"]
    assert min(additive[year], dot[year]) > 75


def test_18_modules_of_which_12_are_self_attention_and_12_in_bert(self_attention):
    def counts(column):
        return self_attention.column(column, "BERT-base")

    assert counts("all")["nn.Transformer"] == counts("all")["our Transformer"] == 18
    assert counts("cross")["nn.Transformer"] == 6
    assert (counts("all")["BERT-base"], counts("all")["BERT-large"]) == (12, 24)


def test_raw_scores_leave_hardly_one_key_and_scaled_ones_stay(self_attention):
    raw = self_attention.column("keys, raw", "d_k = 1024")
    scaled = self_attention.column("keys, scaled", "d_k = 1024")
    assert raw["d_k = 1024"] < 1.5
    assert max(scaled.values()) - min(scaled.values()) < 1


def test_one_head_cannot_and_two_can(self_attention):
    both = self_attention.column("both, %", "heads: 1, seed 0")
    assert max(share for row, share in both.items() if row.startswith("heads: 1,")) < 50
    assert min(share for row, share in both.items() if not row.startswith("heads: 1,")) > 95
