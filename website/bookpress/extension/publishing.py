"""Edits the pages that the theme wrote, once they are all there.

Each page that this build wrote is parsed once, goes through every edit below and is written once. Three
scripts and one style sheet, which depends on all pages, take the place of the many that the pages named.
"""

from pathlib import Path

from sphinx.application import Sphinx

from . import folds, pictures, policy, progress, quizzes, scripts, spoken, styles
from .page import Page


def publish(app: Sphinx, exception: Exception | None) -> None:
    """Edit every page that this build wrote, and write the site's scripts and style sheet."""
    if app.builder.format != "html" or exception:
        return
    site = Path(app.outdir)
    fresh = [page for page in theme_pages(site) if not is_published(page)]
    if not fresh:
        return  # the theme's files are gone as well (see shipping.py)
    joined = scripts.write_scripts(site / "_static")
    sheets = [publish_page(Page(file, site), joined) for file in fresh]
    styles.write_sheet(site / "_static", theme_pages(site), sheets)


def theme_pages(site: Path) -> list[Path]:
    """The pages that the theme wrote: all but the one at the site's address, which is sharing.py's."""
    pages = (page.relative_to(site) for page in sorted(site.rglob("*.html")))
    return [site / page for page in pages if page.parts[0] not in ("_static", "index.html")]


def is_published(page: Path) -> bool:
    """Whether an earlier build has edited the page: it names the site's one style sheet."""
    return f"_static/{styles.SHEET}" in page.read_text("utf8")


def publish_page(page: Page, joined: list[str]) -> list[str]:
    """Edit and write a page; returns the names of the style sheets that it had."""
    pictures.size_pictures(page)
    folds.label_folds(page)
    quizzes.make_quiz(page)
    progress.list_chapters(page)
    policy.move_inline_scripts(page)
    scripts.defer_scripts(page, joined)
    spoken.name_parts(page)
    sheets = styles.replace_links(page)
    page.write()
    return sheets


def setup(app: Sphinx) -> None:
    app.connect("build-finished", publish, priority=700)
