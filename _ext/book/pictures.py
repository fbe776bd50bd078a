"""Pictures are loaded when the reader comes near; each says how large it is, so that its place is kept."""

import re
from pathlib import Path

from PIL import Image
from sphinx.application import Sphinx

from .policy import written_pages

PICTURE = re.compile(r'<img (?=[^>]*src="([^"]*_images/[^"]*\.(?:png|jpg))")([^>]*?)\s*/?>')

UNSEEN = re.compile(
    r'<img (?=[^>]*src="[^"]*_static/images/logo_)(?![^>]*loading=)'
)  # in a menu that is closed


def place_pictures(app: Sphinx, exception: Exception | None) -> None:
    """Write into every page how large its pictures are."""
    if app.builder.format == "html":
        for page in written_pages(Path(app.outdir)):
            text = page.read_text("utf8")
            placed = PICTURE.sub(lambda found, page=page: with_size(found, page.parent), text)
            placed = UNSEEN.sub('<img loading="lazy" ', placed)
            if placed != text:
                page.write_text(placed, "utf8")


def with_size(found: re.Match, folder: Path) -> str:
    """A picture's tag with its size, and word that it may wait."""
    attributes = found[2]
    wanted = {"loading": "lazy", "decoding": "async"}
    if not re.search(r"\b(width|height|style)=", attributes):
        with Image.open(folder / found[1]) as image:
            wanted |= {"width": image.width, "height": image.height}
    added = "".join(f' {name}="{value}"' for name, value in wanted.items() if f" {name}=" not in attributes)
    return f"<img {attributes}{added} />"


def setup(app: Sphinx) -> None:
    app.connect("build-finished", place_pictures)
