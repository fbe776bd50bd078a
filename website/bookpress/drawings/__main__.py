"""Writes the book's drawings into chapters/images: `make drawings`."""

from bookpress import ROOT
from bookpress.drawings import drawings

for name, drawing in drawings().items():
    (ROOT / "chapters" / "images" / name).write_text(drawing.svg(), "utf8")
