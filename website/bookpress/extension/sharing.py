"""Descriptions, link previews and a sitemap, for search engines and for those who share a link.

Every page has a description. If the site's address is known (`baseurl` in _config.yml, or else
$BOOK_BASEURL), pages also have a link preview and the site has a sitemap: both need full addresses.
`.nojekyll` makes GitHub Pages serve `_static` too when it publishes a branch.
"""

import os
import shutil
from html import escape
from pathlib import Path
from xml.etree import ElementTree

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config

from . import edition

LONGEST = 200
PICTURE = "chapters/images/screenshot.png"
PREVIEW = "_static/preview.png"
WORDS = "An interactive heatmap of a trained Transformer's attention, from a page of the book"
DOOR = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8" />
<meta name="viewport" content="width=device-width, initial-scale=1" />
<meta http-equiv="refresh" content="0; url={place}" />
<title>{title}</title>
{heads}</head>
<body><main><p><a href="{place}">{title}</a></p></main></body>
</html>
"""
SITEMAP = "http://www.sitemaps.org/schemas/sitemap/0.9"


def take_address(app: Sphinx, config: Config) -> None:
    """Take the site's address from $BOOK_BASEURL if the settings have none."""
    config.html_baseurl = config.html_baseurl or os.environ.get("BOOK_BASEURL", "")


def describe(app: Sphinx, pagename: str, templatename: str, context: dict, doctree) -> None:
    """Add the description and the link preview to a page's head."""
    if doctree is not None:
        context["metatags"] = context.get("metatags", "") + tags(app, pagename, doctree)


def tags(app: Sphinx, page: str, doctree: nodes.document) -> str:
    """The tags of a page's description and, if the site's address is known, of its link preview."""
    words = description(doctree)
    found = {"name": {"description": words}, "property": {}}
    if app.config.html_baseurl:
        found["property"] = {
            "og:type": "website" if page == app.config.root_doc else "article",
            "og:title": app.env.titles[page].astext(),
            "og:description": words,
            "og:site_name": app.config.html_title or app.config.project,
            "og:url": address(app, f"{page}.html"),
            "og:image": address(app, PREVIEW),
            "og:image:alt": WORDS,
        }
        found["name"]["twitter:card"] = "summary_large_image"
    return "".join(
        f'<meta {kind}="{name}" content="{escape(value)}" />\n'
        for kind, named in found.items()
        for name, value in named.items()
        if value
    )


def open_door(app: Sphinx, exception: Exception | None) -> None:
    """Write the page at the site's own address, which leads to the home page and has its link preview."""
    if app.builder.format != "html" or exception:
        return
    home = app.config.root_doc
    title, place = escape(app.env.titles[home].astext()), f"{home}.html"
    heads = tags(app, home, app.env.get_doctree(home))
    if app.config.html_baseurl:
        heads += f'<link rel="canonical" href="{address(app, place)}" />\n'
    (Path(app.outdir) / "index.html").write_text(DOOR.format(title=title, heads=heads, place=place), "utf8")


def description(doctree: nodes.document) -> str:
    """A page's first paragraph, cut after a word if it is long."""
    for paragraph in doctree.findall(nodes.paragraph):
        words = (word for word in paragraph.findall(nodes.Text) if not isinstance(word.parent, nodes.raw))
        text = " ".join("".join(words).split())
        if isinstance(paragraph.parent, nodes.section) and text:
            return text if len(text) <= LONGEST else f"{text[:LONGEST].rsplit(' ', 1)[0]} …"
    return ""


def address(app: Sphinx, path: str) -> str:
    """The full address of a file of the site."""
    return f"{app.config.html_baseurl.rstrip('/')}/{path}"


def write_map(app: Sphinx, exception: Exception | None) -> None:
    """List the pages in sitemap.xml, and serve the picture of the previews."""
    if app.builder.format != "html" or not app.config.html_baseurl or exception:
        return
    root = ElementTree.Element("urlset", xmlns=SITEMAP)
    for page in sorted(app.env.found_docs):
        entry = ElementTree.SubElement(root, "url")
        ElementTree.SubElement(entry, "loc").text = address(app, f"{page}.html")
        if day := edition.built(Path(app.srcdir)):
            ElementTree.SubElement(entry, "lastmod").text = day.isoformat()
    folder = Path(app.outdir)
    ElementTree.ElementTree(root).write(folder / "sitemap.xml", encoding="utf-8", xml_declaration=True)
    shutil.copyfile(Path(app.srcdir) / PICTURE, folder / PREVIEW)


def keep_jekyll_away(app: Sphinx, exception: Exception | None) -> None:
    """Tell GitHub Pages not to run Jekyll, which would leave out `_static`."""
    if app.builder.format == "html" and not exception:
        (Path(app.outdir) / ".nojekyll").touch()


def setup(app: Sphinx) -> None:
    app.connect("config-inited", take_address)
    app.connect("html-page-context", describe)
    app.connect("build-finished", open_door)
    app.connect("build-finished", keep_jekyll_away)
    app.connect("build-finished", write_map)
