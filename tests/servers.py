"""Servers that tests start on this machine."""

import re
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from bookpress.serve import Quiet, Server


class Kept(Quiet):
    """Lets browsers keep what pages load, which doesn't change during a run; some tests change pages."""

    def send_header(self, keyword: str, value: str) -> None:
        kept = keyword == "Cache-Control" and ".html" not in self.path
        super().send_header(keyword, "max-age=86400" if kept else value)


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of a folder, served under the book's policy."""
    with Server(("127.0.0.1", 0), partial(Kept, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nothing listens on."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def wait_until_it_answers(address: str, process: subprocess.Popen, log: Path, seconds: float = 300) -> None:
    """Wait until the server `process`, which writes to `log`, answers at `address`."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            urllib.request.urlopen(address, timeout=5).close()
            return
        except urllib.error.HTTPError:  # it answers, if only to say no
            return
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            assert process.poll() is None, f"the server ended:\n{log.read_text('utf8')}"
            time.sleep(0.2)
    raise AssertionError(f"the server did not start:\n{log.read_text('utf8')}")


def announced_address(process: subprocess.Popen, log: Path, pattern: str) -> str:
    """The address in a server's log, once it answers there: it may write the log before it listens."""
    for _ in range(600):
        if found := re.search(pattern, log.read_text("utf8")):
            wait_until_it_answers(found[1], process, log)
            return found[1]
        assert process.poll() is None, log.read_text("utf8")
        time.sleep(0.2)
    raise AssertionError(log.read_text("utf8"))


def interrupt(process: subprocess.Popen) -> None:
    """Press Ctrl-C until the process ends: Python drops an interrupt that arrives in a destructor."""
    for _ in range(6):
        process.send_signal(signal.SIGINT)
        try:
            process.wait(timeout=10)
            return
        except subprocess.TimeoutExpired:
            pass
    process.kill()
    raise AssertionError("the server did not end when interrupted")
