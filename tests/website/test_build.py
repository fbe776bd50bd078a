"""`make` builds strictly, leaves no stale page, defines one address, and explains errors."""

import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
from bs4 import BeautifulSoup

from bookpress import ROOT, address, inspection, serve
from bookpress.extension import edition, execution

PLACEHOLDER, ADDRESS = "https://github.com/OWNER/a-book", "https://github.com/someone/a-book"
FOR_PUBLISHED = ":::{div} ab-published\nFollow the rocket.\n:::"  # shown only with a real address
TOC = "format: jb-book\nroot: chapters/index\nchapters:\n  - file: chapters/cells\n"


@pytest.fixture
def tiny(tmp_path):
    return write_tiny(tmp_path / "tiny")


def write_tiny(book: Path) -> Path:
    """A book of two pages with this book's settings and styles, and a package of one file."""
    assets = Path("website", "assets")
    shutil.copytree(ROOT / assets, book / assets, ignore=shutil.ignore_patterns("mathjax"))
    for name in ("_config.yml", "pyproject.toml"):
        shutil.copy(ROOT / name, book)
    (book / "requirements.txt").write_text("")
    (book / "_toc.yml").write_text(TOC)
    (book / "src").mkdir()
    (book / "src" / "value.txt").write_text("first value")
    (book / "chapters").mkdir()
    write_page(book, "> **Measured.** It is so.\n\n> A quotation.")
    write_cells(book, "1 + 1")
    return book


def write_page(book, text):
    (book / "chapters" / "index.md").write_text(f"# Home\n\n{text}\n\n{FOR_PUBLISHED}\n")


def set_address(book, url):
    config = (book / "_config.yml").read_text()
    (book / "_config.yml").write_text(re.sub(r"(?m)^  url: .*$", f"  url: {url}", config, count=1))


def write_cells(book, *cells, name="cells"):
    notebook = nbformat.v4.new_notebook()
    title = nbformat.v4.new_markdown_cell(f"# {name}\n\nA sentence.")
    notebook.cells = [title, *map(nbformat.v4.new_code_cell, cells)]
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, book / "chapters" / f"{name}.ipynb")


def make(book, target="book", **more):
    """Run this repository's own Makefile on another book; nothing is installed."""
    command = ["make", "-o", ".venv/installed", target, f"BOOK={book}", f"BIN={Path(sys.executable).parent}"]
    given = ("MAKE", "MFLAGS", "BOOK_BASEURL", "SOURCE_DATE_EPOCH")  # and everything that starts with it
    env = {name: value for name, value in os.environ.items() if not name.startswith(given)}
    return subprocess.run(command, cwd=ROOT, env=env | more, capture_output=True, text=True, timeout=300)


WAITS = """
import time
from pathlib import Path
Path("{mine}").touch()
end = time.monotonic() + 20
while not (met := Path("{other}").exists()) and time.monotonic() < end:
    time.sleep(0.05)
print(f"met: {{met}}")
print(Path("../src/value.txt").read_text())
"""

MARKDOWN = "---\nfile_format: mystnb\nkernelspec: {name: python3, display_name: Python 3}\n---\n"


@pytest.fixture(scope="module")
def builds(tmp_path_factory) -> dict[str, SimpleNamespace]:
    """The same book built five times: at first, unchanged, and after one change each (the fourth: two)."""
    book = write_tiny(tmp_path_factory.mktemp("builds") / "book")
    (book / "_toc.yml").write_text(TOC + "  - file: chapters/more\n")
    set_address(book, PLACEHOLDER)
    write_cells(
        book, WAITS.format(mine="a.txt", other="b.txt"), f"if False:\n    %pip install git+{PLACEHOLDER}"
    )
    waits = WAITS.format(mine="b.txt", other="a.txt")
    (book / "chapters" / "more.md").write_text(f"{MARKDOWN}# More\n\n```{{code-cell}}\n{waits}```\n")
    site, made = book / "_build" / "html", {}
    changes = {
        "first": lambda: None,
        "again": lambda: None,
        "page": lambda: write_page(book, "> **Measured.** It is otherwise.\n\n> A quotation."),
        "package": lambda: (book / "src" / "value.txt").write_text("second value"),
        "style": lambda: (book / "website" / "assets" / "book.css").write_text("/* bare */"),
    }
    for name, change in changes.items():
        change()
        if name == "package":
            set_address(book, ADDRESS)
        done = make(book, PYTHONPROFILEIMPORTTIME="1" * (name == "page"))
        assert done.returncode == 0, done.stdout + done.stderr
        inspection.soup.cache_clear()
        made[name] = SimpleNamespace(
            said=done.stdout + done.stderr,
            files={path.relative_to(site).as_posix(): path.read_bytes() for path in site.rglob("*.*")},
            broken=[inspection.broken_links(page) for page in site.glob("chapters/*.html")],
        )
    return made


def text(build, name: str) -> str:
    return build.files[name].decode()


def test_a_build_says_where_the_book_is_and_keeps_callouts_apart_from_quotations(builds):
    assert "make serve" in builds["first"].said
    home = text(builds["first"], "chapters/index.html")
    assert '<div class="note ab-measured admonition">' in home
    assert "<blockquote>" in home


def test_change_in_the_package_reaches_the_pages(builds):
    for name in ("chapters/cells.html", "chapters/more.html"):
        assert "first value" in text(builds["page"], name)
        assert "second value" in text(builds["package"], name)


def test_an_unpublished_book_names_no_address(builds):
    files = builds["first"].files
    assert not {"sitemap.xml", "_static/preview.png"} & files.keys()
    door, cells = (
        BeautifulSoup(files[f"{name}.html"], "html.parser") for name in ("index", "chapters/cells")
    )
    for page in (door, cells):
        assert not page.select("meta[property^=og], meta[name^=twitter], link[rel=canonical]")
    assert door.html["lang"] == "en"
    assert door.title.text == "Home"
    assert door.select_one("meta[http-equiv=refresh]")["content"] == "0; url=chapters/index.html"
    assert door.select_one("main a")["href"] == "chapters/index.html"
    assert cells.select_one("meta[name=description]")["content"].startswith("A sentence.")
    assert cells.select_one(".ab-edition").text.startswith(f"Version {edition.version()}. Dates")


def test_change_of_a_style_sheet_reaches_the_site(builds):
    assert builds["style"].files["_static/book.css"] == b"/* bare */"


def test_a_build_that_runs_no_chapter_does_not_import_what_only_chapters_need(builds):
    imported = set(re.findall(r"\| +(\w+)[\w.]*$", builds["page"].said, re.MULTILINE))
    assert "bookpress" in imported
    assert not imported & {"attnbook", "matplotlib", "pandas", "seaborn", "torch"}


def test_a_placeholder_address_leads_nowhere_and_the_build_says_what_to_set(builds):
    for name, build in builds.items():
        cells, home = text(build, "chapters/cells.html"), text(build, "chapters/index.html")
        real = name in ("package", "style")
        assert build.said.count("make address URL=") == (0 if real else 1)
        assert ("dropdown-launch-buttons" in cells) == real
        assert ("https://mybinder.org/v2/gh/someone/a-book/main" in cells) == real
        assert ("git+https" in cells) == real
        assert ("Follow the rocket" in home) == real


def test_a_rebuilt_site_has_all_files_its_pages_use(builds):
    first, second = builds["first"].files, builds["page"].files
    assert builds["again"].files == first  # writes no page
    assert second.keys() == first.keys()
    changed = {name for name in first if first[name] != second[name] and "_sources" not in name}
    assert changed == {"chapters/index.html", "searchindex.js", "_static/search-texts.js", "search.html"}
    for build in builds.values():
        assert build.broken == [[], [], []]
        assert not [name for name in build.files if name.endswith(".map")]


def test_chapters_run_in_parallel(builds):
    """So do Markdown pages with code, such as `more`."""
    assert ("met: True" in text(builds["first"], "chapters/cells.html")) == (os.cpu_count() > 1)
    said = builds["first"].said
    assert [line for line in said.splitlines() if "IPKernelApp" in line or "fontTools" in line] == []


def change_theme(book: Path) -> None:
    """Leave a script out of each page that the theme writes."""
    (book / "_templates").mkdir()
    layout = '{% extends "!layout.html" %}{% block scripts_end %}{% endblock %}'
    (book / "_templates" / "layout.html").write_text(layout)
    config, place = (book / "_config.yml").read_text(), "    language: en\n"
    (book / "_config.yml").write_text(config.replace(place, f"{place}    templates_path: [_templates]\n"))


def test_every_build_is_strict(tiny):
    """The book edits the theme's pages, and an edit that finds nothing must not pass.

    The second build must not take what the first one left for good.
    """
    write_cells(tiny, "import warnings", "warnings.warn('this is deprecated')", "1 / 0")
    write_page(tiny, "> **Mesured.** A typo.\n\nA [link](nowhere.md) to nothing.")
    complaints = ["ZeroDivisionError", "stderr was found", "names no callout", "nowhere.md"]
    theme = "chapters/cells.html: it no longer names scripts/bootstrap.js"
    for wanted in (complaints, [*complaints, theme]):
        result = make(tiny)
        said = result.stdout + result.stderr
        assert result.returncode != 0
        assert [words for words in wanted if words not in said] == []
        assert not (tiny / "_build" / "complete").exists()
        if wanted is complaints:
            assert theme not in said
            change_theme(tiny)


def test_the_cache_is_named_after_what_chapters_depend_on(tmp_path):
    def write(name, text):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
        return execution.fingerprint(*execution.what_chapters_run_on(tmp_path))

    write("requirements.txt", "torch==1")
    seen = [write("src/attnbook/attention.py", "one")]
    for name in ("src/attnbook/attention.py", "src/new.bin", "requirements.txt"):
        seen.append(write(name, "two"))
    assert len(set(seen)) == len(seen)
    assert write("src/attnbook/__pycache__/attention.pyc", "three") == seen[-1]
    assert write("README.md", "three") == seen[-1]
    assert Path(execution.__file__) in execution.what_chapters_run_on(tmp_path)


def test_a_change_of_the_extension_reads_every_page_again_and_of_the_assets_writes_them(tmp_path):
    (tmp_path / "src").mkdir()
    (tmp_path / "styles").mkdir()
    (tmp_path / "styles" / "book.css").write_text("p {}")
    (tmp_path / "requirements.txt").write_text("")
    values = {}
    add = lambda name, default, rebuild: values.update({name: rebuild})  # noqa: E731
    execution.setup(SimpleNamespace(add_config_value=add, connect=lambda *_: None))
    config = SimpleNamespace(html_static_path=["styles"])
    execution.choose_cache(SimpleNamespace(srcdir=str(tmp_path), outdir=str(tmp_path / "html")), config)
    assert {values[name]: getattr(config, name) for name in values} == {
        "env": execution.fingerprint(Path(execution.__file__).parent),
        "html": execution.fingerprint(tmp_path / "styles"),
    }


def test_only_the_latest_execution_caches_are_kept(tmp_path):
    for age, name in enumerate("abcde"):
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (1e9 - age, 1e9 - age))
    app = SimpleNamespace(config=SimpleNamespace(nb_execution_cache_path=str(tmp_path / "a")))
    execution.forget_old_caches(app, None)
    assert {cache.name for cache in tmp_path.iterdir()} == {"a", "b", "c"}


def test_the_address_is_defined_once(tmp_path):
    assert address.carried() == address.wanted(), "run `make address`"
    chapters = sorted((ROOT / "chapters").glob("*.ipynb"))
    assert [file.name for file in chapters if address.wanted() not in file.read_text("utf8")] == []

    shutil.copytree(ROOT / "chapters", tmp_path / "chapters")
    for name in ("_config.yml", "pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, tmp_path)
    config, new = tmp_path / "_config.yml", "https://github.com/someone/another-name"
    config.write_text(config.read_text("utf8").replace(address.wanted(), new), "utf8")
    changed = address.rewrite(tmp_path)
    assert {"pyproject.toml", "README.md", *(file.name for file in chapters)} <= {f.name for f in changed}
    assert address.carried(tmp_path) == new
    assert [file for file in changed if address.slug(address.wanted()) in file.read_text("utf8")] == []
    assert address.rewrite(tmp_path) == []


def test_one_command_sets_the_address_everywhere(tmp_path):
    mine = "https://github.com/someone/another-name"
    left_out = {".venv", "_build", ".git", "node_modules", "__pycache__", ".ruff_cache", ".hypothesis"}
    naming, old = [], address.slug(address.wanted())
    for folder, folders, names in os.walk(ROOT):
        folders[:] = set(folders) - left_out
        for file in (Path(folder, name) for name in names):
            data = file.read_bytes()
            if old.encode() in data:
                naming.append(copy := tmp_path / file.relative_to(ROOT))
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.write_bytes(data)
    assert len(naming) > 8
    address.choose(mine + ".git", tmp_path)
    address.rewrite(tmp_path)
    assert address.wanted(tmp_path) == address.carried(tmp_path) == mine
    assert [str(file) for file in naming if old in file.read_text("utf8")] == []


NAMING = """[tests]({0}/actions) · pip install "git+{0}", or {0}.git; {0}. {1}/tree
https://mybinder.org/v2/gh/{1}/main https://colab.research.google.com/github/{1}/blob/main/a.ipynb
Not these: https://github.com/xann/book, ann/book-2, ann/bookshop, ann/book.io
"""


@pytest.mark.parametrize("new", ["ann/book-2026", "joann/book", "ann/my-ann", "book/ann", "ann/book.2"])
def test_an_address_that_contains_the_old_one_is_replaced_whole(tmp_path, new):
    def write(root, slug):
        root.mkdir()
        url = f"https://github.com/{slug}"
        (root / "_config.yml").write_text(f"repository:\n  url: {url}\n  branch: main\n")
        (root / "pyproject.toml").write_text(f'[project.urls]\nRepository = "{url}"\n')
        (root / "README.md").write_text(NAMING.format(url, slug))
        return {file.name: file.read_text() for file in root.iterdir()}

    before, after = write(tmp_path / "old", "ann/book"), write(tmp_path / "new", new)
    address.choose(f"https://github.com/{new}/", tmp_path / "old")
    assert {file.name for file in address.rewrite(tmp_path / "old")} == before.keys() - {"_config.yml"}
    assert {file.name: file.read_text() for file in (tmp_path / "old").iterdir()} == after
    assert address.rewrite(tmp_path / "old") == []


@pytest.mark.parametrize(
    "url",
    ["someone/book", "https://github.com/someone", "git@github.com:a/b", "https://gitlab.example/a/b"],
)
def test_addresses_outside_github_are_rejected(tmp_path, url):
    for name in ("_config.yml", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    with pytest.raises(ValueError, match="your-book"):
        address.choose(url, tmp_path)
    assert address.wanted(tmp_path) == address.wanted()
    config = (tmp_path / "_config.yml").read_text("utf8").replace(address.wanted(), url)  # by hand
    (tmp_path / "_config.yml").write_text(config, "utf8")
    with pytest.raises(ValueError, match="lead to GitHub"):
        address.rewrite(tmp_path)


def test_a_rejected_address_is_explained_without_a_traceback():
    command = [sys.executable, "-m", "bookpress.address", "https://gitlab.example/a/b"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("an address like https://github.com/you/your-book is wanted")
    assert len(done.stderr.splitlines()) == 1


def test_serve_listens_on_localhost_and_finds_a_free_port(tmp_path):
    (tmp_path / "index.html").write_text("the book")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        site = serve.server(str(tmp_path), port=taken.getsockname()[1])
        assert site.server_address[0] == "127.0.0.1"
        assert site.server_port != taken.getsockname()[1]
    with site:
        threading.Thread(target=site.serve_forever, daemon=True).start()
        with urllib.request.urlopen(f"http://127.0.0.1:{site.server_port}/") as answer:
            assert answer.read() == b"the book"
        site.shutdown()


@pytest.mark.parametrize(
    ("error", "said"), [(ConnectionResetError, False), (BrokenPipeError, False), (OSError, True)]
)
def test_a_browser_that_hangs_up_leaves_no_traceback(tmp_path, capsys, monkeypatch, error, said):
    def handle(*_):
        raise error

    monkeypatch.setattr(serve.Quiet, "do_GET", handle)
    with (
        serve.server(str(tmp_path), port=0) as site,
        socket.create_connection(site.server_address) as browser,
    ):
        browser.sendall(b"GET / HTTP/1.0\r\n\r\n")
        site.handle_request()
        assert browser.recv(1) == b""  # the server has hung up
    assert ("Traceback" in capsys.readouterr().err) is said


def test_missing_python_is_explained():
    env = {**os.environ, "PYTHON": "/no/such/python"}
    command = ["sh", ".ci/install.sh"]
    result = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)
    assert result.returncode == 1
    assert "apt install python3" in result.stderr
    assert "brew install python" in result.stderr
