"""Training, validation and test split, decided by an example's text alone."""

import zlib

SPLITS = ("train", "validation", "test")
"""The three splits: to train on, to select models with, to test on."""


def split_of(text: str) -> str:
    """The split of `text`: train (8 in 10), validation (1 in 10) or test (1 in 10).

    A checksum of the text decides, so the split never changes and no text is in two of them.
    """
    if not isinstance(text, str):
        raise TypeError(f"text: wanted a string, got {text!r}")
    return {8: "validation", 9: "test"}.get(zlib.crc32(text.encode()) % 10, "train")


def require_split(split: str) -> str:
    """Return `split`; raise `ValueError` if it isn't one of `SPLITS`."""
    if split not in SPLITS:
        raise ValueError(f"split: wanted one of {', '.join(SPLITS)}, got {split!r}")
    return split
