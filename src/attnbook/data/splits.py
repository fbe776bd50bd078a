"""Which of three sets an example belongs to, decided by its text alone."""

import zlib

SPLITS = ("train", "validation", "test")
"""The three sets: to learn from, to choose by, to measure on."""


def split_of(text: str) -> str:
    """The set that `text` belongs to: train (8 in 10), validation (1 in 10) or test (1 in 10).

    The rule is a checksum of the text, so it never changes and no text is ever in two sets.
    """
    return {8: "validation", 9: "test"}.get(zlib.crc32(text.encode()) % 10, "train")


def check_split(split: str) -> str:
    """`split` itself; raises `ValueError` if it is none of `SPLITS`."""
    if split not in SPLITS:
        raise ValueError(f"split: wanted one of {', '.join(SPLITS)}, got {split!r}")
    return split
