"""Pictures are loaded when the reader comes near; each says how large it is, so that its place is kept."""

import re
from pathlib import Path

from PIL import Image
from sphinx.application import Sphinx

from .pages import rewrite

PICTURE = re.compile(r'<img (?=[^>]*src="([^"]*_images/[^"]*\.(?:png|jpg))")([^>]*?)\s*/?>')

UNSEEN = re.compile(
    r'<img (?=[^>]*src="[^"]*_static/images/logo_)(?![^>]*loading=)'
)  # in a menu that is closed


def place_pictures(app: Sphinx, exception: Exception | None) -> None:
    """Write into every page how large its pictures are."""

    def place(text: str, page: Path) -> str:
        placed = PICTURE.sub(lambda found: with_size(found, page.parent), text)
        return UNSEEN.sub('<img loading="lazy" ', placed)

    rewrite(app, place)


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
