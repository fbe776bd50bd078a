"""The links into a department's JupyterHub: one for each chapter, to the repository that is set."""

import re
from urllib.parse import parse_qs, urlsplit

from bookpress import ROOT, address, hub_links


def test_every_chapter_has_its_link_in_the_books_order(capsys):
    edition = "https://github.com/ann/for-students"
    assert hub_links.main("https://hub.example.edu/", f"{edition}.git") == 0
    said = capsys.readouterr()
    assert said.err == ""
    lines = said.out.splitlines()
    names = sorted(path.name for path in (ROOT / "chapters").glob("*.ipynb"))
    assert len(lines) == len(names)
    for line, name in zip(lines, names, strict=True):
        title, link = re.fullmatch(r"- \[(.+)\]\((\S+)\)", line).groups()
        assert title.startswith(f"{int(name[:2])}. ")
        parts, query = urlsplit(link), parse_qs(urlsplit(link).query)
        assert (parts.scheme, parts.netloc) == ("https", "hub.example.edu")
        assert parts.path == "/hub/user-redirect/git-pull"
        assert query == {
            "repo": [edition],
            "branch": [address.branch()],
            "urlpath": [f"lab/tree/for-students/chapters/{name}?autodecode"],
        }


def test_a_hub_must_be_named(capsys):
    for nothing in ("", "hub.example.edu"):
        assert hub_links.main(nothing) == 1
        assert "make hub-links HUB=" in capsys.readouterr().err


def test_links_that_give_solutions_away_or_lead_nowhere_come_with_a_warning(capsys, monkeypatch):
    assert hub_links.main("https://hub.example.edu") == 0
    said = capsys.readouterr()
    assert address.wanted() in parse_qs(urlsplit(said.out.split("](")[1]).query)["repo"]
    assert "with the assignments' solutions in course/source" in said.err
    assert "make students-edition" in said.err
    owned = "https://github.com/ann/book"
    for url, warned in (("https://github.com/OWNER/book", True), (owned, False)):
        monkeypatch.setattr(address, "wanted", lambda root=ROOT, url=url: url)
        hub_links.main("https://hub.example.edu")
        assert ("still the placeholder" in capsys.readouterr().err) == warned
    assert hub_links.main("https://hub.example.edu", "for-students") == 1
    assert "URL is 'for-students'" in capsys.readouterr().err


def test_released_assignments_have_links_too(capsys, monkeypatch, tmp_path):
    path = tmp_path / "course" / "release" / "ch04" / "ch04.ipynb"
    path.parent.mkdir(parents=True)
    path.write_text('{"cells": [{"source": ["# Chapter 4, assignment: Four\\n", "x"]}]}')
    monkeypatch.setattr(hub_links, "chapters", dict)
    monkeypatch.setattr(hub_links.assignments, "__defaults__", (tmp_path,))
    edition = "https://github.com/ann/for-students"
    assert hub_links.main("https://hub.example.edu", edition, "4") == 0
    found = re.fullmatch(r"- \[Chapter 4, assignment: Four\]\((\S+)\)\n", capsys.readouterr().out)
    query = parse_qs(urlsplit(found[1]).query)
    assert query["urlpath"] == ["lab/tree/for-students/assignments/ch04.ipynb?autodecode"]
    assert hub_links.main("https://hub.example.edu", edition, "05") == 1
    assert capsys.readouterr().err == "ASSIGNMENTS has '05', which is not released: make release CH=05\n"
