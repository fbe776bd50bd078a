"""Browser tabs that many tests use, one after another, and waiting in them."""

import time
from collections.abc import Callable
from urllib.parse import urlsplit

from playwright.sync_api import Page


class Tabs:
    """Tabs that tests use one after another: opening one costs more than loading a page in it.

    A tab is given back without storage, and nothing of its last page is left. What can't be undone, such as
    a fake clock or a script that runs before a page's own, needs a new tab.
    """

    def __init__(self, new: Callable[[], Page], blank: str):
        self.new, self.blank, self.free = new, blank, []
        self.origin = "{0.scheme}://{0.netloc}".format(urlsplit(blank))

    def take(self) -> Page:
        return self.free.pop() if self.free else self.new()

    def give_back(self, tab: Page) -> None:
        tab.goto(self.blank)  # before its storage is cleared, because a page may write to it as it is left
        session = tab.context.new_cdp_session(tab)
        session.send("Storage.clearDataForOrigin", {"origin": self.origin, "storageTypes": "all"})
        session.detach()
        tab.emulate_media(media="null", color_scheme="null", reduced_motion="null", forced_colors="null")
        tab.mouse.move(0, 0)
        self.free.append(tab)


def wait_until(page: Page, says: str, arg: object = None, seconds: float = 120) -> None:
    """Wait until an async function in the page says yes. (`wait_for_function` takes a promise for a yes.)"""
    end = time.monotonic() + seconds
    while not page.evaluate(says, arg):
        assert time.monotonic() < end, f"not true after {seconds:g} s: {says}"
        page.wait_for_timeout(20)
