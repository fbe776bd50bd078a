"""Writes the book's drawings into chapters/images: `make drawings`."""

from pathlib import Path

from drawings import drawings

IMAGES = Path(__file__).parents[1] / "chapters" / "images"

if __name__ == "__main__":
    for name, drawing in drawings().items():
        (IMAGES / name).write_text(drawing.svg(), "utf8")
