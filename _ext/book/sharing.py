"""What a page says about itself to those who list it or link to it.

Every page describes itself in a sentence. Where the site's own address is known (`baseurl` in _config.yml),
it also brings a preview for links, and the site a map of its pages: both have to name full addresses.
"""

import shutil
from html import escape
from pathlib import Path
from xml.etree import ElementTree

from docutils import nodes
from sphinx.application import Sphinx

from . import edition

LONGEST = 200
PICTURE = "chapters/images/screenshot.png"
PREVIEW = "_static/preview.png"
WORDS = "An interactive heatmap of a trained Transformer's attention, from a page of the book"
SITEMAP = "http://www.sitemaps.org/schemas/sitemap/0.9"


def describe(app: Sphinx, pagename: str, templatename: str, context: dict, doctree) -> None:
    """Put a page's description, and its preview, into its head."""
    if doctree is None:
        return
    words = description(doctree)
    tags = {"name": {"description": words}, "property": {}}
    if app.config.html_baseurl:
        title = app.env.titles[pagename].astext()
        tags["property"] = {
            "og:type": "website" if pagename == app.config.root_doc else "article",
            "og:title": title,
            "og:description": words,
            "og:site_name": app.config.html_title or app.config.project,
            "og:url": address(app, f"{pagename}.html"),
            "og:image": address(app, PREVIEW),
            "og:image:alt": WORDS,
        }
        tags["name"]["twitter:card"] = "summary_large_image"
    context["metatags"] = context.get("metatags", "") + "".join(
        f'<meta {kind}="{name}" content="{escape(value)}" />\n'
        for kind, named in tags.items()
        for name, value in named.items()
        if value
    )


def description(doctree: nodes.document) -> str:
    """A page's first paragraph, cut after a word where it is long."""
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
        if day := edition.built():
            ElementTree.SubElement(entry, "lastmod").text = day.isoformat()
    folder = Path(app.outdir)
    ElementTree.ElementTree(root).write(folder / "sitemap.xml", encoding="utf-8", xml_declaration=True)
    shutil.copyfile(Path(app.srcdir) / PICTURE, folder / PREVIEW)


def setup(app: Sphinx) -> None:
    app.connect("html-page-context", describe)
    app.connect("build-finished", write_map)
