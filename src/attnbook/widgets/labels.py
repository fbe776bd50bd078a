"""Label widths and plurals."""

import unicodedata

from attnbook.maps import visible

WIDE_CHARACTER, NARROW_CHARACTER = 13, 7  # pixels


def label_width(token: str) -> int:
    """The approximate width of a token's label in pixels."""
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in visible(token)[:40])
    return wide * WIDE_CHARACTER + (min(len(visible(token)), 40) - wide) * NARROW_CHARACTER


def plural(word: str, count: int) -> str:
    """The singular or plural of `word`."""
    if count == 1:
        return word
    return "queries" if word == "query" else word + "s"
