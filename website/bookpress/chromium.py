"""Finds the browser that prints the book and tests the built site."""

import os
import shutil

NAMES = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)
MISSING = """no Chromium found, which tests and prints the built site. Install it with
    sudo apt install chromium            (Debian; Ubuntu's is a snap: sudo snap install chromium)
    brew install --cask chromium         (macOS)
or choose one with CHROMIUM=/path/to/chromium before the command"""
QUIET = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def find_chromium() -> str | None:
    """The path of the browser: $CHROMIUM, or the first that is installed."""
    chosen = os.environ.get("CHROMIUM")
    return shutil.which(chosen) if chosen else next(filter(None, map(shutil.which, NAMES)), None)


def arguments() -> list[str]:
    """Command-line arguments: no background requests, and no sandbox for root, who can't have one."""
    return [*QUIET, *(["--no-sandbox"] if hasattr(os, "getuid") and os.getuid() == 0 else [])]
