"""Speed and cost of the package, the pages and the course. Run one with `python -m benchmarks.NAME`."""

from http.server import SimpleHTTPRequestHandler
from pathlib import Path

ROOT = Path(__file__).parents[1]  # the repository


class Quiet(SimpleHTTPRequestHandler):
    """Serves a folder without logging."""

    def log_message(self, *_):
        pass
