"""What the package, the pages and the course cost, beside peers. Run one: `python -m benchmarks.package`."""

from pathlib import Path

ROOT = Path(__file__).parents[1]  # the repository
