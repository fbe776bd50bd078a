"""The home page's list of chapters with the reader's progress, which progress.js fills in.

The page says where the list is and what it is called:

    :::{div} ab-progress
    **Your progress**
    :::

It is shown once there is something to show; first.js knows before the first frame, so nothing moves.
"""

import re
from pathlib import Path

from .page import Page

SCRIPT = (Path(__file__).parent / "progress.js").read_text("utf8")
CHAPTER = re.compile(r"^(\d+)\. ")


def list_chapters(page: Page) -> None:
    """Add the chapters, as the contents at the side name them, and a button to the block for progress."""
    block = page.soup.select_one(".ab-progress")
    if not block:
        return
    chapters = page.soup.new_tag("ul")
    for link in page.expect(".bd-links a.reference.internal"):
        number = CHAPTER.match(title := link.get_text().strip())
        if number:
            attrs = {"href": link["href"], "title": title, "data-chapter": Path(link["href"]).stem}
            entry = page.soup.new_tag("a", attrs=attrs)
            entry.extend([f"Chapter {number[1]} ", page.soup.new_tag("b")])
            item = page.soup.new_tag("li")
            item.append(entry)
            chapters.append(item)
    clear = page.soup.new_tag("button", attrs={"type": "button"})
    clear.string = "Clear"
    block.extend([chapters, clear])
