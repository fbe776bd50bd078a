"""Serves the built book to this machine and opens it in the browser: `python -m bookpress.serve FOLDER`."""

import gzip
import io
import sys
import webbrowser
from functools import lru_cache, partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

# Pages may load files of the site itself only. Formulas and widgets have inline styles, and some widgets run
# models in WebAssembly.
POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'self'"
)
COMPRESSED = {".html", ".css", ".js", ".json", ".svg", ".txt", ".xml"}


@lru_cache
def compressed(file: Path, changed: int) -> bytes:
    """The bytes of a file, compressed; `changed` makes the cache notice a new version."""
    return gzip.compress(file.read_bytes(), 6, mtime=0)


class Quiet(SimpleHTTPRequestHandler):
    """Sends files compressed, under the policy and never from the browser's cache; logs nothing."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # or a response's body would wait until the browser confirms its headers

    def send_head(self):
        file = Path(self.translate_path(self.path))
        accepted = self.headers.get("Accept-Encoding", "")
        if file.suffix not in COMPRESSED or "gzip" not in accepted or not file.is_file():
            return super().send_head()
        data = compressed(file, file.stat().st_mtime_ns)
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", self.guess_type(str(file)))
        self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        return io.BytesIO(data)

    def end_headers(self):
        self.send_header("Content-Security-Policy", POLICY)
        self.send_header("Cache-Control", "no-cache")
        self.send_header("Vary", "Accept-Encoding")
        super().end_headers()

    def log_message(self, *args):
        pass


class Server(ThreadingHTTPServer):
    """Says nothing when a browser hangs up, as it does when a page is left while files are sent."""

    def handle_error(self, request, client_address):
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


def server(folder: str, port: int = 8000) -> Server:
    """A server of `folder` on 127.0.0.1 at `port`, or at a free port if that is taken."""
    handler = partial(Quiet, directory=folder)
    try:
        return Server(("127.0.0.1", port), handler)
    except OSError:
        return Server(("127.0.0.1", 0), handler)


if __name__ == "__main__":
    with server(sys.argv[1]) as site:
        address = f"http://127.0.0.1:{site.server_port}/"
        print(f"The book is at {address} (stop with Ctrl-C)", flush=True)
        webbrowser.open(address)
        try:
            site.serve_forever()
        except KeyboardInterrupt:
            print()
