"""Makes the book's pages, slides, drawings and PDF."""

from pathlib import Path

ROOT = Path(__file__).parents[2]  # the repository
