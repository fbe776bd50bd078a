"""Serves the built book to this machine and opens it in the browser: `python scripts/serve.py FOLDER`."""

import sys
import webbrowser
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

# What pages may load, and from where: the site itself. MathJax and the widgets set styles from their scripts.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'self'"
)


class Quiet(SimpleHTTPRequestHandler):
    """Files under the policy, without a line in the terminal for each, never from the browser's cache."""

    def end_headers(self):
        self.send_header("Content-Security-Policy", POLICY)
        self.send_header("Cache-Control", "no-cache")
        super().end_headers()

    def log_message(self, *args):
        pass


def server(folder: str, port: int = 8000) -> ThreadingHTTPServer:
    """A server of `folder` on 127.0.0.1 at `port`, or at a free one where that is taken."""
    handler = partial(Quiet, directory=folder)
    try:
        return ThreadingHTTPServer(("127.0.0.1", port), handler)
    except OSError:
        return ThreadingHTTPServer(("127.0.0.1", 0), handler)


if __name__ == "__main__":
    with server(sys.argv[1]) as site:
        address = f"http://127.0.0.1:{site.server_port}/"
        print(f"The book is at {address} (stop with Ctrl-C)", flush=True)
        webbrowser.open(address)
        try:
            site.serve_forever()
        except KeyboardInterrupt:
            print()
