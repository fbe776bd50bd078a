"""Helpers for pieces of HTML."""

from bs4 import BeautifulSoup, Tag

from .sentences import plain


def soup(html: str) -> Tag:
    return BeautifulSoup(html, "html.parser")


def inner(tag: Tag) -> str:
    return tag.decode_contents().strip()


def heading(section: Tag, level: str) -> str:
    """The heading of a section, without its link."""
    found = section.find(level, recursive=False)
    return inner(plain(found)) if found else ""
