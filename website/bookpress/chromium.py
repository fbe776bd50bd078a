"""Finds the browser that prints the book and tests the built site."""

import os
import shutil

# Debian's Chromium without windows, which opens a tab in half the time. This is the program itself: a signal
# to its script in /usr/bin would not reach it.
HEADLESS = "/usr/lib/chromium/chromium-headless-shell"
NAMES = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    HEADLESS,
)
MISSING = """no Chromium found, which tests and prints the built site. Install it with
    sudo apt install chromium            (Debian; Ubuntu's is a snap: sudo snap install chromium)
    brew install --cask chromium         (macOS)
or choose one with CHROMIUM=/path/to/chromium before the command"""
OPTIONS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--font-render-hinting=slight",  # as set elsewhere in Chromium, but not in its headless shell
)


def find_chromium(*preferred: str) -> str | None:
    """The path of the browser: $CHROMIUM, or the first installed of those preferred and the usual ones."""
    chosen = os.environ.get("CHROMIUM")
    return shutil.which(chosen) if chosen else next(filter(None, map(shutil.which, preferred + NAMES)), None)


def arguments() -> list[str]:
    """Command-line arguments: the same for all browsers; root can't have a sandbox."""
    return [*OPTIONS, *(["--no-sandbox"] if hasattr(os, "getuid") and os.getuid() == 0 else [])]
