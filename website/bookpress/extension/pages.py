"""The pages of a site once they are written, for what can only be changed then."""

from collections.abc import Callable
from pathlib import Path

from sphinx.application import Sphinx


def written(folder: Path) -> dict[Path, str]:
    """Each page with its text."""
    pages = (
        page for page in sorted(folder.rglob("*.html")) if "_static" not in page.relative_to(folder).parts
    )
    return {page: page.read_text("utf8") for page in pages}


def rewrite(app: Sphinx, change: Callable[[str, Path], str]) -> None:
    """Write anew what `change` makes of a page's text, given its path, where that is another."""
    if app.builder.format == "html":
        for page, text in written(Path(app.outdir)).items():
            changed = change(text, page)
            if changed != text:
                page.write_text(changed, "utf8")
