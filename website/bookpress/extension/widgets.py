"""Widgets on the built pages: their data, their picture and one script that mounts them without a kernel.

MyST-NB writes each widget as a script that names a model, and the models of a page as one block of JSON, with
the widget's program repeated in each. Here

- the programs are taken out: the site serves each once, as a script of its own;
- the picture in the widget's output takes its place for readers without JavaScript and for print;
- the JSON moves to the end of the page, so that the text comes first;
- the bytes that the JSON refers to follow it, each in an element of its own: a widget reads only those it
  needs, and nothing has to be parsed before the first map is drawn;
- a widget with many bytes has them in a script of its own, which is loaded when the widget comes near the
  window, so that they don't delay the page;
- models are numbered in the order of the page: Jupyter's names for them change with every build;
- a link such as `#dates-1_into-zh`, which sets the page's first translator, is kept as it is.
"""

import base64
import json
import re
import shutil
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform

from bookpress.widget_links import SETS_WIDGET

# The package is found, not imported: that takes seconds, and only pages with widgets need it (see places.py).
PACKAGE = Path(find_spec("attnbook").origin).parent
BUNDLES = PACKAGE / "widgets" / "bundles" / "site"
CHECKPOINT = "dates-translate"  # the model of every DateTranslator
STYLE, HOST = "attnbook-host.css", "attnbook-host.js"
VIEW = "application/vnd.jupyter.widget-view+json"


def setup(app: Sphinx) -> None:
    app.connect("config-inited", drop_kernel_scripts)
    app.connect("builder-inited", serve_host)
    app.add_transform(LinksToWidgets)
    app.connect("doctree-read", find_widgets, priority=600)  # after Sphinx has collected the images
    app.connect("html-page-context", load_host)


class LinksToWidgets(SphinxTransform):
    """Keep MyST from looking for a heading where a link sets a widget, which reads it from the address."""

    default_priority = 870  # before MyST's 879

    def apply(self, **kwargs) -> None:
        for link in self.document.findall(nodes.reference):
            if link.get("id_link") and re.match(SETS_WIDGET, link["refuri"]):
                del link["id_link"]
                link["refuri"] = quote(link["refuri"], safe="#,.*%")  # MyST has decoded some of it
                link["internal"] = True
                link["classes"].append("ab-sets")


def drop_kernel_scripts(app: Sphinx, config) -> None:
    """Keep MyST-NB from loading require.js and Jupyter's own widgets from another host."""
    config.nb_ipywidgets_js = {}


def serve_host(app: Sphinx) -> None:
    """Copy the widgets' programs into the site, and the trained model as a script, because a page that is
    opened as a file can load nothing else.
    """
    if app.builder.format == "html":
        folder = Path(app.outdir) / "_static" / "widgets"
        shutil.copytree(BUNDLES, folder, dirs_exist_ok=True)
        weights = base64.b64encode((PACKAGE / "checkpoints" / f"{CHECKPOINT}.safetensors").read_bytes())
        program = f'attnbook.provide("{CHECKPOINT}", "{weights.decode("ascii")}");'
        (folder / f"{CHECKPOINT}.js").write_text(program, encoding="ascii")


def load_host(app: Sphinx, pagename: str, templatename: str, context: dict, doctree) -> None:
    """Load the host, its style and the programs of the widgets on a page."""
    states = [] if doctree is None else list(doctree.findall(is_page_state))
    if states:
        app.add_css_file(f"widgets/{STYLE}")
        for script in (HOST, *states[0]["scripts"]):
            app.add_js_file(f"widgets/{script}", loading_method="defer")
        write_data(Path(app.outdir) / "_static" / "widgets", states[0]["data"])


def write_data(folder: Path, programs: dict[str, str]) -> None:
    """Write the scripts of models with many bytes into the folder of the widgets' own."""
    for name, program in programs.items():
        path = folder / f"{name}.js"
        path.parent.mkdir(exist_ok=True)
        path.write_text(program, encoding="ascii")


def is_page_state(node: nodes.Node) -> bool:
    """Whether the node is the block of JSON with the page's models."""
    return isinstance(node, nodes.raw) and "attnbook-state" in node["classes"]


def find_widgets(app: Sphinx, doctree: nodes.document) -> None:
    """Replace the widgets of a page, if it has any."""
    files = app.env.nb_metadata[app.env.docname].get("js_files", {})
    _, attributes = files.pop("ipywidgets_state", (None, {}))
    models = json.loads(attributes.get("body", "{}")).get("state", {})
    views = [node for node in doctree.findall(nodes.container) if node.get("mime_type") == VIEW]
    if views:
        from .places import place_widgets  # here, because it imports torch

        place_widgets(app, doctree, views, models)
