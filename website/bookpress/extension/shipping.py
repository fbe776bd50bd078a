"""The site holds only files that its pages use; the theme and its extensions bring three times as many.

Once all pages are written, files that neither they nor their style sheets name are deleted. Sphinx copies
them all again in the next build.
"""

import os
import re
from pathlib import Path
from urllib.parse import unquote

from sphinx.application import Sphinx

FOLDERS = ("_static", "_images")
OURS = ("widgets", "models")  # a widget loads scripts and models by name
SLIDES = ("book.css", "drawings.css", "maths.css", "pygments.css")  # `make slides` takes them from here
LICENCE = re.compile(r"LICEN[CS]E|^OFL\.txt$")
NAMED = re.compile(r"""\b(?:href|src|content)="([^"#?]+)""")
LATER = re.compile(r'\bdata-later="([^"]*)"')  # scripts that first.js asks for
DATA = re.compile(r'"data":"(data/[0-9a-f]{16})"')  # in a page's models: scripts that widgets ask for
STYLED = re.compile(r"""url\(\s*["']?(?!data:)([^"')#?]+)""")
MAP = re.compile(r"\n?//# sourceMappingURL=\S+")  # for debuggers: the theme's sources, which are deleted


def ship(app: Sphinx, exception: Exception | None) -> None:
    """Delete the files that no page uses."""
    if app.builder.format != "html" or exception:
        return
    folder = Path(app.outdir).resolve()
    kept = asked_for(folder, app.config.html_baseurl)
    for path in (path for name in FOLDERS for path in sorted((folder / name).rglob("*"), reverse=True)):
        if path.is_dir():
            if not any(path.iterdir()):
                path.rmdir()
        elif path not in kept and not is_licence(path, kept):
            path.unlink()
    for path in kept:
        if path.suffix == ".js" and MAP.search(text := path.read_text("utf8")):
            path.write_text(MAP.sub("", text), "utf8")


def asked_for(folder: Path, address: str = "") -> set[Path]:
    """The files that a site's pages use, directly or through others; `address` is the published site's."""
    static = folder / "_static"
    kept = {static / name for name in SLIDES}
    kept |= {file for name in OURS for file in (static / name).rglob("*")}
    kept = {file for file in kept if file.is_file() and file.parent != static / "widgets" / "data"}
    pages = [page for page in folder.rglob("*.html") if static not in page.parents]
    waiting = [*pages, *kept]
    while waiting:
        file = waiting.pop()
        found = named(file, folder, address) - kept
        kept |= found
        waiting += found
    return kept


def named(file: Path, folder: Path, address: str) -> set[Path]:
    """The files of the site that one page or style sheet names."""
    pattern = {".html": NAMED, ".css": STYLED}.get(file.suffix)
    text = file.read_text("utf8") if pattern else ""
    names = pattern.findall(text) if pattern else []
    names += [name.partition("?")[0] for some in LATER.findall(text) for name in some.split()]
    widgets = folder / "_static" / "widgets"
    names += [os.path.relpath(widgets / f"{name}.js", file.parent) for name in DATA.findall(text)]
    own = f"{address.rstrip('/')}/" if address else None
    places = [
        (folder / name.removeprefix(own) if own and name.startswith(own) else file.parent / unquote(name))
        for name in names
    ]
    return {place for place in map(Path.resolve, places) if place.is_file() and folder in place.parents}


def is_licence(path: Path, kept: set[Path]) -> bool:
    """Whether it is the licence of a file that stays."""
    if not LICENCE.search(path.name):
        return False
    of, found, _ = path.name.partition(".LICENSE")
    return path.with_name(of) in kept if found else any(path.parent in file.parents for file in kept)


def setup(app: Sphinx) -> None:
    app.connect("build-finished", ship, priority=900)  # when all else is written
