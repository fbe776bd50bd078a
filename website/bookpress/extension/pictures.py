"""Pictures load when the reader comes near; each states its size, so that the text around it doesn't move."""

from PIL import Image

from .page import Page


def size_pictures(page: Page) -> None:
    """Give every picture of a page its size, and let it load late."""
    for image in page.soup.select('img[src*="_images/"]:is([src$=".png"], [src$=".jpg"])'):
        if not {"width", "height", "style"} & image.attrs.keys():
            with Image.open(page.file.parent / image["src"]) as picture:
                image["width"], image["height"] = picture.size
        image.attrs = {"loading": "lazy", "decoding": "async"} | image.attrs
    if page.soup.select(".dropdown-launch-buttons"):
        for logo in page.expect('img[src*="_static/images/logo_"]'):  # in a menu that is closed at first
            logo["loading"] = "lazy"
