"""Builds are reproducible, and the book states its edition and where it is published."""

import os
import re
import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree
from zipfile import ZipFile

import nbformat
import pytest
from bs4 import BeautifulSoup

from bookpress import ROOT, pack
from bookpress.extension import edition, sharing

TOC = "format: jb-book\nroot: chapters/index\nchapters:\n  - file: chapters/cells\n"
ADDRESS = "https://someone.example/a-book/"
CELLS = (
    "import matplotlib.pyplot as plt\nimport pandas as pd\nimport torch\n\n"
    "from attnbook import Attn, AttentionExplorer\nfrom attnbook.notebook import show_source",
    "weights = torch.tensor([[0.25, 0.75], [0.5, 0.5]])",
    "AttentionExplorer(weights, ['a', 'b'], title='First')",
    "AttentionExplorer(weights.flip(0), ['c', 'd'], title='Second')",
    "plt.plot([1, 2, 3])\nplt.show()",
    "pd.DataFrame({'x': [1, 2]})",
    "show_source(Attn)",
)


def write_book(folder: Path, *, address: str, repository: str) -> Path:
    """A small book with this book's settings: widgets, a figure, a table, a formula, code."""
    folder.mkdir()
    assets = Path("website", "assets")
    shutil.copytree(ROOT / assets, folder / assets, ignore=shutil.ignore_patterns("mathjax", "fonts"))
    (folder / "src").mkdir()
    for name in ("_config.yml", "pyproject.toml", "requirements.txt"):
        shutil.copy(ROOT / name, folder)
    config = (folder / "_config.yml").read_text("utf8")
    changed = config.replace('baseurl: ""', f'baseurl: "{address}"')
    assert changed != config
    changed = re.sub(r"(?<=\n  url: ).*(\n  branch: ).*", rf"{repository}\1other", changed, count=1)
    (folder / "_config.yml").write_text(changed, "utf8")
    (folder / "_toc.yml").write_text(TOC)
    (folder / "chapters" / "images").mkdir(parents=True)
    shutil.copy(ROOT / "chapters" / "images" / "screenshot.png", folder / "chapters" / "images")
    (folder / "chapters" / "index.md").write_text(
        "# Home\n\nWords in *two* languages, 中文 & English, about $x^2$.\n\nMore.\n", "utf8"
    )
    notebook = nbformat.v4.new_notebook()
    cells = [nbformat.v4.new_markdown_cell(f"# Cells\n\n{'A long sentence. ' * 20}")]
    notebook.cells = [*cells, *map(nbformat.v4.new_code_cell, CELLS)]
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number}"
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, folder / "chapters" / "cells.ipynb")
    return folder


def build(folder: Path, **variables: str) -> Path:
    """Build the book in `folder`; returns the site."""
    command = [str(Path(sys.executable).parent / "jupyter-book"), "build", ".", "-W", "-n", "--keep-going"]
    given = {"SOURCE_DATE_EPOCH", "BOOK_BASEURL"}
    env = {name: value for name, value in os.environ.items() if name not in given}
    done = subprocess.run(command, cwd=folder, env={**env, **variables}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return folder / "_build" / "html"


@pytest.fixture(scope="module")
def sites(tmp_path_factory):
    """The same book built in two folders on two days with different hash seeds."""
    folder = tmp_path_factory.mktemp("books")
    settings = {"address": ADDRESS, "repository": "https://github.com/someone/another-name"}
    given = {"SOURCE_DATE_EPOCH": "1700000000", "BOOK_BASEURL": "https://not.this.example/"}
    return [
        build(write_book(folder / name, **settings), PYTHONHASHSEED=seed, **given)
        for name, seed in (("one", "1"), ("another", "2"))
    ]


def soup(page: Path) -> BeautifulSoup:
    return BeautifulSoup(page.read_text("utf8"), "html.parser")


def test_builds_are_reproducible(sites):
    one, another = (
        {path.relative_to(site).as_posix(): path.read_bytes() for path in site.rglob("*") if path.is_file()}
        for site in sites
    )
    assert one.keys() == another.keys()
    assert len(one) > 40
    assert [name for name in one if one[name] != another[name]] == []


def test_a_branch_of_pages_serves_it_all_and_so_does_the_zip(sites, tmp_path):
    """GitHub Pages omits names that start with an underscore unless there is a `.nojekyll` file."""
    assert (sites[0] / ".nojekyll").read_bytes() == b""
    pack.pack(sites[0], tmp_path / "book.zip")
    with ZipFile(tmp_path / "book.zip") as archive:
        assert "book/.nojekyll" in archive.namelist()


def test_the_test_page_has_everything_that_might_differ(sites):
    page = (sites[0] / "chapters" / "cells.html").read_text("utf8")
    for part in ("ab-widget", "<img", "dataframe", "class Attn", "attnbook-host.js"):
        assert part.replace("class Attn", "Attn") in page
    assert re.findall(r'widget-view\+json">\{"model_id": "(\w+)"', page) == ["widget1", "widget2"]
    state = re.search(r'widget-state\+json">(.*?)</script>', page, re.S)[1]
    assert re.findall(r'"(widget\d)":\{', state) == ["widget1", "widget2"]
    assert "IPY_MODEL" not in state


def test_every_footer_names_the_edition(sites):
    for page in ("chapters/index.html", "chapters/cells.html"):
        line = soup(sites[0] / page).select_one(".ab-edition").text
        assert line == (f"Version {edition.version()} · 14 November 2023. Dates as in Unicode CLDR {cldr()}.")


def cldr() -> str:
    from attnbook.data import CLDR_VERSION

    return CLDR_VERSION


def test_published_pages_have_link_previews(sites):
    def tags(name):
        return {
            tag.get("property") or tag.get("name"): tag["content"]
            for tag in soup(sites[0] / "chapters" / name).select("meta[property], meta[name]")
        }

    home, cells = tags("index.html"), tags("cells.html")
    assert home["og:title"] == "Home"
    assert home["og:type"] == "website"
    assert home["og:url"] == f"{ADDRESS}chapters/index.html"
    assert home["og:site_name"] == "Self-Attention, Step by Step"
    assert home["description"] == home["og:description"]
    assert home["description"].startswith("Words in two languages, 中文 & English, about")
    assert home["og:image"] == f"{ADDRESS}_static/preview.png"
    assert (sites[0] / "_static" / "preview.png").stat().st_size > 10_000
    assert home["og:image:alt"]
    assert home["twitter:card"] == "summary_large_image"
    assert cells["og:type"] == "article"
    assert cells["og:url"] == f"{ADDRESS}chapters/cells.html"
    assert len(cells["description"]) <= 202
    assert cells["description"].endswith(" …")
    canonical = soup(sites[0] / "chapters" / "cells.html").select_one("link[rel=canonical]")
    assert canonical["href"] == f"{ADDRESS}chapters/cells.html"


def test_the_sites_root_has_the_home_pages_preview(sites):
    door, home = (soup(sites[0] / name) for name in ("index.html", "chapters/index.html"))

    def previews(page):
        return {str(tag) for tag in page.select("meta[property], meta[name^=twitter], link[rel=canonical]")}

    assert previews(door) == previews(home)
    assert len(previews(door)) > 6
    assert door.html["lang"] == "en"
    assert door.title.text == "Home"
    assert door.select_one("meta[http-equiv=refresh]")["content"] == "0; url=chapters/index.html"
    assert door.select_one("main a")["href"] == "chapters/index.html"


def test_a_published_site_has_a_sitemap(sites):
    root = ElementTree.parse(sites[0] / "sitemap.xml").getroot()
    space = {"map": "http://www.sitemaps.org/schemas/sitemap/0.9"}
    pages = [entry.text for entry in root.findall("map:url/map:loc", space)]
    assert pages == [f"{ADDRESS}chapters/cells.html", f"{ADDRESS}chapters/index.html"]
    assert {day.text for day in root.findall("map:url/map:lastmod", space)} == {"2023-11-14"}


def test_launch_buttons_follow_the_settings(sites):
    links = soup(sites[0] / "chapters" / "cells.html").select(".dropdown-launch-buttons a")
    assert [link["href"] for link in links] == [
        "https://mybinder.org/v2/gh/someone/another-name/other?urlpath=lab/tree/chapters/cells.ipynb",
        "https://colab.research.google.com/github/someone/another-name/blob/other/chapters/cells.ipynb",
    ]
    assert not soup(sites[0] / "chapters" / "index.html").select(".dropdown-launch-buttons a")


def test_the_address_can_come_from_the_environment(monkeypatch):
    app = SimpleNamespace()
    for chosen, given, wanted in (
        ("", ADDRESS, ADDRESS),
        ("https://mine.example/", ADDRESS, None),
        ("", "", ""),
    ):
        monkeypatch.setenv("BOOK_BASEURL", given)
        config = SimpleNamespace(html_baseurl=chosen)
        sharing.take_address(app, config)
        assert config.html_baseurl == (chosen if wanted is None else wanted)


def test_the_edition_is_the_commit_and_its_date(tmp_path, monkeypatch):
    def git(*arguments):
        who = ["-c", "user.name=A", "-c", "user.email=a@b.example"]
        when = {
            "GIT_COMMITTER_DATE": "2024-02-29T23:30:00+0000",
            "GIT_AUTHOR_DATE": "2020-01-01T00:00:00+0000",
        }
        subprocess.run(["git", *who, *arguments], cwd=tmp_path, check=True, env={**os.environ, **when})

    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    assert edition.commit(tmp_path) == ""
    assert edition.built(tmp_path) is None
    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "one")
    name = edition.commit(tmp_path)
    assert re.fullmatch("[0-9a-f]{10,}", name)
    assert edition.built(tmp_path) == date(2024, 2, 29)
    assert edition.line(tmp_path).startswith(
        f"Version {edition.version()} · commit {name} · 29 February 2024."
    )
    (tmp_path / "new.txt").write_text("not tracked")
    assert edition.commit(tmp_path) == name
    (tmp_path / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text("utf8") + "\n")
    assert edition.commit(tmp_path) == f"{name}, with changes"
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    assert edition.built(tmp_path) == date(1970, 1, 1)
