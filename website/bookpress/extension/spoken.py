"""Names for screen readers that the theme and pandas leave out."""

from .page import Page


def name_parts(page: Page) -> None:
    """Make the side a region with a name; an empty corner of a table heads no column; icons say nothing."""
    for side in page.expect("#pst-primary-sidebar:not([role])"):
        side["role"], side["aria-label"] = "navigation", "The book"
    for corner in page.soup.select("th:empty:not([class])"):
        corner.name = "td"
    for icon in page.expect("i[class*=fa-], span[class*=fa-]"):
        icon["aria-hidden"] = "true"
