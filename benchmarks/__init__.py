"""Speed and cost of the package, the pages and the course. Run one with `python -m benchmarks.NAME`."""

from pathlib import Path

ROOT = Path(__file__).parents[1]  # the repository
