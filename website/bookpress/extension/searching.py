"""Search lists a term's glossary entry and the sections that explain it first, and quotes what it found.

The theme's search fetches every page it found, which browsers forbid for files. So the search page loads the
text of all pages as one script and reads from that instead. The script also knows the glossary: which words
name a term, its Chinese name included, and which sections its entry links to.
"""

import json
import re
import unicodedata
from html import escape
from pathlib import Path

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

TEXTS = "search-texts.js"
GLOSSARY = "chapters/glossary"
PROGRAM = (Path(__file__).parent / "searching.js").read_text("utf8")
INDEX = re.compile(r"(Search\.setIndex\()(.*)(\)\s*)", re.DOTALL)
COMMANDS = """cdot=· times=× odot=⊙ sum=Σ prod=Π partial=∂ sqrt=√ top=ᵀ mid=| in=∈ infty=∞ dots=… cdots=…
approx=≈ propto=∝ le=≤ ge=≥ ne=≠ neq=≠ to=→ rightarrow=→ leftarrow=← mapsto=↦ lVert=‖ rVert=‖ lceil=⌈ rceil=⌉
varepsilon=ε varphi=φ"""
SIGNS = dict(pair.split("=") for pair in COMMANDS.split())
NAMES = {"ln", "log", "exp", "sin", "cos", "tanh", "max", "min"}
DROPPED = re.compile(r"\\(?:tag\*?|begin|end)\{[^{}]*\}|\\[^A-Za-z]|[{}&$]")


def readable(tex: str) -> str:
    r"""A formula as plain text: `\sqrt{d_k}` as √d_k."""
    text = re.sub(r"\\([A-Za-z]+)", sign, tex.replace(r"\\", " ").replace("}{", "}/{"))
    return " ".join(DROPPED.sub("", text).split())


def sign(command: re.Match) -> str:
    """What a TeX command means in plain text; nothing for one that only sets the type."""
    name = command[1]
    if name in ("tag", "begin", "end"):
        return command[0]
    if name in SIGNS or name in NAMES:
        return SIGNS.get(name, name)
    try:
        case = "CAPITAL" if name[0].isupper() else "SMALL"
        return unicodedata.lookup(f"GREEK {case} LETTER {name.upper()}")
    except KeyError:
        return ""


def page_text(doctree: nodes.document) -> str:
    """A page's text in the HTML that the search expects: a main part, with sections to link to."""
    return f'<div role="main">{"".join(map(part, doctree.children))}</div>'


def part(node: nodes.Node) -> str:
    """A part of a page as HTML, with the ids of its sections; code and its output as `pre`."""
    if isinstance(node, nodes.section):
        return f'<div id="{escape(node["ids"][0])}">{"".join(map(part, node.children))}</div>'
    text = escape(" ".join(words(node).split())) + "\n"
    is_code = isinstance(node, nodes.literal_block) or "cell" in node.get("classes", [])
    return f"<pre>{text}</pre>" if is_code else text


def words(node: nodes.Node) -> str:
    """The text of a node, without markup."""
    if isinstance(node, nodes.Text | nodes.raw):
        return "" if isinstance(node, nodes.raw) else node.astext()
    if isinstance(node, nodes.math | nodes.math_block):
        return readable(node.astext())
    return ("" if isinstance(node, nodes.TextElement) else " ").join(map(words, node.children))


def terms(env: BuildEnvironment, trees: dict[str, nodes.document]) -> list[dict]:
    """The glossary's terms: their names, and the places (page, title, anchor) that explain them."""
    found = []
    for entry in trees[GLOSSARY].findall(nodes.section):
        if any(isinstance(node, nodes.section) for node in entry.children):
            continue  # a group of terms
        title = words(entry[0])
        chinese = next(map(words, entry.findall(nodes.strong)), "")
        names = {title, *title.split(" and "), *re.split("[（）]", chinese)} - {""}
        places = [[GLOSSARY, f"Glossary > {title}", f"#{entry['ids'][0]}"]]
        places += [place for link in entry.findall(pending_xref) if (place := section(env, trees, link))]
        found.append({"names": sorted(names), "places": places})
    return found


def section(env: BuildEnvironment, trees: dict[str, nodes.document], link: pending_xref) -> list[str] | None:
    """The section of a notebook that a link leads to; None for any other page."""
    page, slug = link["reftarget"], link.get("reftargetid")
    if page not in env.found_docs or not env.doc2path(page).endswith(".ipynb"):
        return None
    title = readable_title(env.titles[page].astext())
    if not slug:
        return [page, title, ""]
    _, anchor, _ = env.metadata[page].get("myst_slugs", {}).get(slug, (0, "", ""))
    for node in trees[page].findall(nodes.section):
        if anchor in node["ids"]:
            return [page, f"{title} > {words(node[0])}", f"#{node['ids'][0]}"]
    return None


def readable_title(title: str) -> str:
    return readable(title) if "\\" in title else title


def write_texts(app: Sphinx, env: BuildEnvironment) -> None:
    """Write the texts of all pages, and the glossary's terms, before the search page links to them."""
    if app.builder.format != "html":
        return
    trees = {page: env.get_doctree(page) for page in sorted(env.found_docs)}  # each takes long to load
    texts = {page: page_text(tree) for page, tree in trees.items()}
    known = terms(env, trees) if GLOSSARY in trees else []
    folder = Path(app.outdir) / "_static"
    folder.mkdir(parents=True, exist_ok=True)
    data = {"texts": texts, "terms": known}
    lines = (f"const {name} = {json.dumps(one, ensure_ascii=False, indent=0)};" for name, one in data.items())
    (folder / TEXTS).write_text("\n".join([*lines, PROGRAM]), "utf8")


def load_texts(app: Sphinx, pagename: str, templatename: str, context: dict, doctree) -> None:
    """Load the texts on the search page."""
    if pagename == "search":
        app.add_js_file(TEXTS, loading_method="defer")


def clean_titles(app: Sphinx, exception: Exception | None) -> None:
    """Write the titles in Sphinx's index without TeX."""
    file = Path(app.outdir) / "searchindex.js"
    if app.builder.format != "html" or exception or not file.exists():
        return
    before, data, after = INDEX.fullmatch(file.read_text("utf8")).groups()
    index = json.loads(data)
    index["titles"] = [readable_title(title) for title in index["titles"]]
    index["alltitles"] = {readable_title(title): places for title, places in index["alltitles"].items()}
    file.write_text(f"{before}{json.dumps(index, ensure_ascii=False, separators=(',', ':'))}{after}", "utf8")


def setup(app: Sphinx) -> None:
    app.connect("env-updated", write_texts)
    app.connect("html-page-context", load_texts)
    app.connect("build-finished", clean_titles)
