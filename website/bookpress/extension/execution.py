"""Chapters run again when the code they use changes, not only when they change themselves.

Jupyter Book's cache compares the cells of a notebook and nothing else. Here the cache lives in a folder
named after a hash of everything a chapter runs on. The folder's name is one of Sphinx's settings, so a new
hash also makes Sphinx read every page again. So does a change of this extension, which chapters don't run.

Before Sphinx reads the pages, those whose code has no cached results run side by side, one on each core.
"""

import hashlib
import logging
import os
import shutil
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

from jupyter_cache import get_cache
from jupyter_cache.executors import load_executor
from myst_nb.core.read import is_myst_markdown_notebook
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.environment import BuildEnvironment

from bookpress import kernels

KEPT = 3
# What jupyter-cache reads pages with; MyST-NB brings the second.
NOTEBOOK, MARKDOWN = ({"type": "plugin", "name": name} for name in ("nbformat", "myst_nb_md"))
# The pages with code by their running time in a build on two cores, longest first.
LONGEST = (
    *("10-language-model", "05-encoder", "08-transformer", "06-masked-decoder", "07-embeddings"),
    *("01-why-attention", "03-attn", "02-query-key-value", "09-published-encoder", "04-self-attention"),
    "index",
)
IGNORED = {"__pycache__", "node_modules", ".ipynb_checkpoints"}


def fingerprint(*inputs: Path) -> str:
    """Hash of Python's version and of every file under `inputs`."""
    digest = hashlib.sha256(sys.version.encode())
    for root in inputs:
        for path in sorted(_files(root)):
            digest.update(f"{path.relative_to(root.parent)}\0{path.stat().st_size}\0".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _files(path: Path) -> list[Path]:
    files = path.rglob("*") if path.is_dir() else [path]
    return [file for file in files if file.is_file() and not IGNORED.intersection(file.parts)]


def what_chapters_run_on(book: Path) -> tuple[Path, ...]:
    """The package, the pinned versions, and the modules that run the chapters."""
    return book / "src", book / "requirements.txt", Path(__file__), Path(kernels.__file__)


def choose_cache(app: Sphinx, config: Config) -> None:
    """Name the execution cache after what chapters run on; give Sphinx hashes of what makes the pages."""
    book = Path(app.srcdir)
    cache = Path(app.outdir).parent / ".jupyter_cache" / fingerprint(*what_chapters_run_on(book))[:12]
    config.nb_execution_cache_path = str(cache)
    config.book_extension = fingerprint(Path(__file__).parent)
    config.book_assets = fingerprint(*(book / folder for folder in config.html_static_path))


def run_ahead(app: Sphinx, env: BuildEnvironment, pages: list[str]) -> None:
    """Run the pages whose code has no cached results, several at a time.

    One that fails isn't cached: MyST-NB runs it again when it reads the page, and reports the error.
    """
    os.environ["JUPYTER_DEFAULT_PROVISIONER_NAME"] = "encrypted"  # see kernels.py
    if app.config.nb_execution_mode != "cache":
        return
    cache = get_cache(app.config.nb_execution_cache_path)
    excluded = app.config.nb_execution_excludepatterns
    paths = [path for path in map(env.doc2path, pages) if not any(map(Path(path).match, excluded))]
    notebooks = {path: reader for path in paths if (reader := reader_of(path))}
    for path, reader in notebooks.items():
        cache.add_nb_to_project(path, read_data=reader)
    missing = [record.uri for record in cache.list_unexecuted(filter_uris=list(notebooks))]
    if missing:
        # jupyter-cache's own parallel executor deals the notebooks out in advance; here a core that is done
        # takes the next.
        run = partial(run_and_cache, app.config.nb_execution_cache_path, app.config.nb_execution_timeout)
        with ProcessPoolExecutor() as pool:
            list(pool.map(run, sorted(missing, key=place)))


def reader_of(page: str) -> dict[str, str] | None:
    """jupyter-cache's reader for a page: for notebooks or for Markdown with code; None if it has no code."""
    if page.endswith(".ipynb"):
        return NOTEBOOK
    return MARKDOWN if is_myst_markdown_notebook(Path(page).read_text("utf8")) else None


def place(notebook: str) -> int:
    """What is expected to take long comes first, so that the last core is done soon after the others."""
    name = Path(notebook).stem
    return LONGEST.index(name) if name in LONGEST else 0


def run_and_cache(cache: str, timeout: int, notebook: str) -> None:
    quiet = logging.getLogger(__name__)
    quiet.setLevel(logging.ERROR)
    executor = load_executor("local-serial", get_cache(cache), quiet)
    executor.run_and_cache(filter_uris=[notebook], timeout=timeout)


def forget_old_caches(app: Sphinx, exception: Exception | None) -> None:
    """Keep the latest caches; more than one, so that going back to an earlier package is quick."""
    caches = Path(app.config.nb_execution_cache_path).parent.iterdir()
    for old in sorted(caches, key=lambda cache: cache.stat().st_mtime)[:-KEPT]:
        shutil.rmtree(old)


def setup(app: Sphinx) -> None:
    app.add_config_value("book_extension", "", "env")
    app.add_config_value("book_assets", "", "html")
    app.connect("config-inited", choose_cache)
    app.connect("env-before-read-docs", run_ahead)
    app.connect("build-finished", forget_old_caches)
