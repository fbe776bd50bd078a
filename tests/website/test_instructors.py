"""The instructors' page: its statements about chapters, commands, assignments and links are true."""

import json
import re

import pytest

from bookpress import ROOT
from bookpress.extension import guide

PAGE = "chapters/instructors.html"
SOURCE = ROOT / "chapters" / "instructors.md"
CHAPTERS = guide.chapters()


def markdown(name):
    """A chapter's text outside of code."""
    cells = guide.read_cells(ROOT / "chapters" / f"{name}.ipynb")
    return "\n\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")


def rows(page, heading):
    """The cells of the first table below the heading with this anchor."""
    table = page.locator(f"section#{heading} table").first
    return [row.locator("td").all_inner_texts() for row in table.locator("tbody tr").all()]


def test_every_chapter_has_its_own_numbers(visit):
    page = visit(PAGE)
    table = rows(page, "the-chapters-at-a-glance")
    assert len(table) == len(CHAPTERS) == 10
    measured = guide.costs()
    for (title, reading, exercises, seconds, memory, work), name in zip(table, CHAPTERS, strict=True):
        first = markdown(name).partition("\n## ")[0]
        assert first.startswith(f"# {title[:2]}")
        assert f"**Reading** {reading.removesuffix(' min')} minutes" in first
        assert exercises in first
        assert (seconds, memory) == (f"{measured[name][0]} s", f"{measured[name][1]} MB")
        asked = guide.assignment(name)
        assert work == (f"{asked.points} points, about {asked.minutes} min" if asked else guide.NONE)


def test_the_grading_load_is_the_measured_one(tmp_path):
    assert "`make bench-grading`" in guide.load(tmp_path)
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / guide.LOAD).write_text("# Grading a class\n\nMeasured.\n\n| a |\n|--:|\n| 7 |\n")
    assert guide.load(tmp_path) == "Measured.\n\n| a |\n|--:|\n| 7 |"
    assert "\n| 200 | 2 |" in guide.load()  # a class of 200 was graded, two at a time


def test_home_page_and_guide_agree_on_minutes():
    home = (ROOT / "chapters" / "index.md").read_text("utf8")
    for name in CHAPTERS:
        assert f"({name}.ipynb) {guide.chapter(name).reading} min" in home


@pytest.mark.parametrize("name", CHAPTERS)
def test_assignments_are_counted_from_their_cells(name):
    asked = guide.assignment(name)
    if asked is None:
        return
    assert asked.points == sum(points for _, _, points in asked.tasks) == 20
    assert 4 <= asked.by_hand <= 6
    assert 45 <= int(asked.minutes) <= 90


def test_facts_are_read_from_the_notebook(tmp_path):
    (tmp_path / "chapters").mkdir()
    first = {
        "cell_type": "markdown",
        "source": "# 1. One\n\n**You will be able to**\n\n- do this;\n- and that.\n\n"
        "**You need** a pencil. · **Reading** 7 minutes, exercises about an hour · **Running** a minute",
    }
    path = tmp_path / "chapters" / "01-one.ipynb"
    path.write_text(json.dumps({"cells": [first]}))
    one = guide.chapter("01-one", tmp_path)
    assert one == ("01-one", "1. One", ["do this;", "and that."], "a pencil", "7", "about an hour")
    assert guide.assignment("01-one", tmp_path) is None
    first["source"] = first["source"].replace("Reading", "To read")
    path.write_text(json.dumps({"cells": [first]}))
    with pytest.raises(ValueError, match="01-one: nothing before its first section"):
        guide.chapter("01-one", tmp_path)


def test_commands_exist_in_the_makefile():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf8"), re.MULTILINE))
    named = set(re.findall(r"(?:`|^)make ([a-z-]+)", SOURCE.read_text("utf8"), re.MULTILINE))
    assert {"slides", "zip", "pdf", "hub-links", "lab"} <= named
    assert named <= targets


def test_the_lecture_takes_ninety_minutes(visit):
    page = visit(PAGE)
    assert sum(int(row[0]) for row in rows(page, "one-lecture")) == 90
    assert [row[0] for row in rows(page, "one-week")] == ["1", "2", "3", "4", "5"]
    assert [row[0] for row in rows(page, "one-term")] == [str(week) for week in range(1, 16)]


def test_the_plans_name_exercises_that_exist():
    text = SOURCE.read_text("utf8")
    named = set(re.findall(r"\d\.\d", " ".join(re.findall(r"exercises? ([\d., to]+)", text))))
    assert len(named) > 10
    for number in named:
        name = next(name for name in CHAPTERS if name.startswith(f"0{number[0]}"))
        assert f"### Exercise {number}:" in markdown(name)


def test_every_section_of_the_chapters_has_a_week(visit):
    page = visit(PAGE)
    told = " ".join(" ".join(row) for row in rows(page, "one-term"))
    for name in CHAPTERS:
        number = int(name[:2])
        last = max(int(one) for one in re.findall(rf"## {number}\.(\d+) ", markdown(name)))
        assert f"chapter {number}" in told or f"to {number}.{last} " in told


def test_links_to_heatmaps_open_the_described_views(visit):
    links = dict(re.findall(r'href="(0[\w-]+\.html)#(attention-[\w-]+)"', SOURCE.read_text("utf8")))
    assert set(links) == {"04-self-attention.html", "06-masked-decoder.html"}

    page = visit(f"chapters/04-self-attention.html#{links['04-self-attention.html']}")
    cross = page.locator(".ab-explorer").nth(3)
    reading = cross.locator(".ab-live .ab-reading")
    assert "0→7" in reading.inner_text()  # the row with input 0 and output 7
    seen = "(one) => one.getBoundingClientRect().top < innerHeight && one.getBoundingClientRect().bottom > 0"
    page.wait_for_function(seen, arg=cross.element_handle())

    page = visit(f"chapters/06-masked-decoder.html#{links['06-masked-decoder.html']}")
    assert "after 4 tokens" in page.locator(".ab-explorer").nth(1).locator(".ab-live .ab-frames").inner_text()


def test_home_page_and_readme_link_to_it(visit):
    assert visit("chapters/index.html").locator("main a[href='instructors.html']").count() == 1
    assert "chapters/instructors.md" in (ROOT / "README.md").read_text("utf8")


def test_on_a_phone_the_tables_scroll_and_the_page_does_not(visit):
    page = visit(PAGE, width=390)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
