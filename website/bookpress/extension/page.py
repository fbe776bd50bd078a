"""One built page as a tree of elements, for the modules that edit what the theme wrote."""

from pathlib import Path
from posixpath import relpath

from bs4 import BeautifulSoup, Tag
from bs4.dammit import EntitySubstitution
from bs4.formatter import HTMLFormatter
from sphinx.errors import ExtensionError


class Compact(HTMLFormatter):
    """HTML as the theme writes it: attributes in their order, no slash in `<br>`."""

    def attributes(self, tag: Tag):
        return tag.attrs.items()


COMPACT = Compact(EntitySubstitution.substitute_xml, void_element_close_prefix="")


class Page:
    """A page of the site in `site`: its file, and its HTML as `soup`."""

    def __init__(self, file: Path, site: Path):
        self.file, self.site = file, site
        self.soup = BeautifulSoup(file.read_text("utf8"), "html.parser")

    def expect(self, selector: str) -> list[Tag]:
        """The elements that match a CSS selector; a page without any fails the build.

        The edits rely on the HTML of one theme. When a new version of the theme writes other HTML, an edit
        must not silently stop working.
        """
        found = self.soup.select(selector)
        if not found:
            raise self.error(f"no element matches {selector!r}")
        return found

    def error(self, problem: str) -> ExtensionError:
        """What to raise when the page isn't as the edits expect it."""
        name = self.file.relative_to(self.site).as_posix()
        return ExtensionError(f"{name}: {problem}. Has the theme changed? (See publishing.py.)")

    def link(self, name: str) -> str:
        """The relative address of a file in `_static`."""
        return relpath(self.site / "_static" / name, self.file.parent)

    def static(self, address: str) -> str:
        """The name below `_static` of a file that the page links to."""
        target = (self.file.parent / address.partition("?")[0]).resolve()
        return relpath(target, (self.site / "_static").resolve())

    def write(self) -> None:
        self.file.write_text(self.soup.decode(formatter=COMPACT), "utf8")
