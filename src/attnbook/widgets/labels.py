"""Words beside a picture: how wide a label is, and the plural of what is counted."""

import unicodedata

from attnbook.maps import visible

WIDE_CHARACTER, NARROW_CHARACTER = 13, 7  # pixels


def label_width(token: str) -> int:
    """About how many pixels a token takes as a label."""
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in visible(token)[:40])
    return wide * WIDE_CHARACTER + (min(len(visible(token)), 40) - wide) * NARROW_CHARACTER


def plural(word: str, count: int) -> str:
    """The word for that many."""
    if count == 1:
        return word
    return "queries" if word == "query" else word + "s"
