"""The links into a department's JupyterHub: one for each chapter, to the repository that is set."""

import re
from urllib.parse import parse_qs, urlsplit

from bookpress import ROOT, address, hub_links


def test_every_chapter_has_its_link_in_the_books_order(capsys):
    assert hub_links.main("https://hub.example.edu/") == 0
    lines = capsys.readouterr().out.splitlines()
    names = sorted(path.name for path in (ROOT / "chapters").glob("*.ipynb"))
    assert len(lines) == len(names)
    for line, name in zip(lines, names, strict=True):
        title, link = re.fullmatch(r"- \[(.+)\]\((\S+)\)", line).groups()
        assert title.startswith(f"{int(name[:2])}. ")
        parts, query = urlsplit(link), parse_qs(urlsplit(link).query)
        assert (parts.scheme, parts.netloc) == ("https", "hub.example.edu")
        assert parts.path == "/hub/user-redirect/git-pull"
        assert query == {
            "repo": [address.wanted()],
            "branch": [address.branch()],
            "urlpath": [f"lab/tree/{address.wanted().split('/')[-1]}/chapters/{name}?autodecode"],
        }


def test_a_hub_must_be_named(capsys):
    for nothing in ("", "hub.example.edu"):
        assert hub_links.main(nothing) == 1
        assert "make hub-links HUB=" in capsys.readouterr().err
