"""The tables printed by a build, to compare a chapter's text with."""

import re
from functools import cache

import pytest
from bs4 import BeautifulSoup


def spread(row) -> list[str]:
    """The names in a row of a table's head, each as often as it has columns below it."""
    return [
        cell.get_text(" ", strip=True)
        for cell in row.find_all(["th", "td"], recursive=False)
        for _ in range(int(cell.get("colspan", 1)))
    ]


@cache
def tables(path) -> list[dict[str, dict[str, str]]]:
    """The tables that code printed on a page, as {row: {column: cell}}."""
    found = []
    for table in BeautifulSoup(path.read_text("utf8"), "html.parser").select("table.dataframe"):
        heads = [spread(row)[1:] for row in table.select("thead tr")]
        columns = [", ".join(filter(None, names)) for names in zip(*heads, strict=True)]
        rows = [
            [c.get_text(" ", strip=True) for c in row.select("th,td")] for row in table.select("tbody tr")
        ]
        found.append({row[0]: dict(zip(columns, row[1:], strict=True)) for row in rows})
    return found


NUMBER = re.compile(r"-?[\d.]+(e[+-]?\d+)?")


class Page:
    """The tables and lines printed by a chapter's code; a table is found by one of its rows or columns."""

    def __init__(self, path):
        self.tables = tables(path)
        page = BeautifulSoup(path.read_text("utf8"), "html.parser")
        self.lines = [line for part in page.select(".output.stream") for line in part.get_text().splitlines()]

    def number(self, words: str) -> float:
        """The number after these words on the only line that starts with them."""
        found = [line.removeprefix(words) for line in self.lines if line.startswith(words)]
        assert len(found) == 1, f"{len(found)} lines begin with {words!r}"
        match = NUMBER.match(found[0].strip(" :").replace(",", ""))
        assert match, f"no number behind {words!r}: {found[0]}"
        return float(match[0])

    def column(self, name: str, row: str) -> dict[str, float]:
        """The numbers in this column of the table that has this row and column."""
        found = [table for table in self.tables if row in table and name in table[row]]
        assert len(found) == 1, f"{len(found)} tables with row {row!r} and column {name!r}"
        return {
            key: float(match[0]) for key, cells in found[0].items() if (match := NUMBER.match(cells[name]))
        }


@pytest.fixture(scope="module")
def printed(html, request) -> Page:
    """The chapter named in the module's `CHAPTER`."""
    return Page(html / "chapters" / f"{request.module.CHAPTER}.html")
