"""One small style sheet for the site, in place of the eleven that the theme and its extensions bring.

A page would load those one after another before it shows its first word, and use a tenth of their rules.
Here they become one sheet, without the rules for classes that no page has and no script could add. The icons,
which the theme draws with a program of 1.5 MB, come from its font; that font and those of formulas keep only
the characters in use.
"""

import hashlib
import io
import logging
import re
import shutil
from collections.abc import Iterable, Iterator
from graphlib import TopologicalSorter
from itertools import pairwise
from pathlib import Path
from posixpath import dirname, join, normpath

import tinycss2
from fontTools import subset
from fontTools.ttLib import TTFont
from sphinx.errors import ExtensionError
from tinycss2.ast import LiteralToken, Node, WhitespaceToken

from .maths import FONTS, LETTERS
from .page import Page

SHEET, ICONS = "book-pages.css", "icons.woff"
ICON_FONT = "vendor/fontawesome/webfonts/fa-solid-900.ttf"
ICON_LICENCE = "scripts/fontawesome.js.LICENSE.txt"
NESTING = {"media", "supports", "container", "layer"}  # at-rules that hold other rules
COMMA, SPACE = LiteralToken(0, 0, ","), WhitespaceToken(0, 0, " ")
JOINED = "/* from: "  # begins the sheet: what it was made from, for a build that writes only some pages
VERSION = re.compile(rf"(?<={re.escape(SHEET)}\?v=)\w*")


def replace_links(page: Page) -> list[str]:
    """Replace a page's links to style sheets by one link to the joined sheet; returns the sheets it named.

    `write_sheet` adds the version to the link, because it depends on the sheets of all pages.
    """
    first, *others = page.expect('link[rel="stylesheet"]')
    names = [page.static(link["href"]) for link in (first, *others)]
    first.attrs = {"rel": "stylesheet", "href": f"{page.link(SHEET)}?v="}
    for link in others:
        link.decompose()
    return names


def write_sheet(static: Path, pages: list[Path], lists: list[list[str]]) -> None:
    """Join the sheets in `lists`, each list the sheets of one page, and give `pages` the result's version."""
    names = in_order([joined_before(static / SHEET), *lists])
    texts = {page: page.read_text("utf8") for page in pages}
    rules = [rule for name in names for rule in parse(static, name) if not is_icon_face(rule)]
    rules = [*needed(rules, possible_classes(static, texts.values()))]
    strings = {token.value for token in tokens(rules) if token.type == "string"}
    icons = write_icons(static, {ord(text) for text in strings if re.fullmatch("[\uf000-\uf8ff]", text)})
    write_letters(static, {ord(text) for text in strings if len(text) == 1})
    sheet = f"{JOINED}{' '.join(names)} */\n{icons}\n{tinycss2.serialize(rules)}"
    (static / SHEET).write_text(sheet, "utf8")
    for page, text in texts.items():
        page.write_text(VERSION.sub(digest(sheet.encode()), text), "utf8")


def joined_before(sheet: Path) -> list[str]:
    """What the last build's sheet was made from, as far as the theme still has it."""
    first = sheet.read_text("utf8").partition("\n")[0] if sheet.exists() else ""
    names = first.removeprefix(JOINED).removesuffix(" */").split()
    return [name for name in names if (sheet.parent / name).exists()]


def in_order(lists: Iterable[list[str]]) -> list[str]:
    """Every name once, each after those that it follows in any of the lists."""
    after = TopologicalSorter()
    for names in lists:
        for name in names:
            after.add(name)
        for earlier, later in pairwise(names):
            after.add(later, earlier)
    return [name for name in after.static_order() if name != SHEET]


def parse(static: Path, name: str) -> Iterator[Node]:
    """The rules of a sheet and of those that it imports; addresses are relative to `static`."""
    text = (static / name).read_text("utf-8-sig")
    rules = tinycss2.parse_stylesheet(text, skip_comments=True, skip_whitespace=True)
    for rule in rules:
        keyword = getattr(rule, "lower_at_keyword", "")
        if rule.type == "error":
            raise ExtensionError(f"{name}, line {rule.source_line}: {rule.message}")
        if keyword == "import":
            address = next(token.value for token in rule.prelude if token.type in ("string", "url"))
            yield from parse(static, normpath(join(dirname(name), address)))
        elif keyword != "charset":
            place(rule, dirname(name))
            yield from compact([rule])


def place(rule: Node, folder: str) -> None:
    """Make the addresses in a rule relative to the folder above `folder`."""
    for token in tokens([rule]):
        quoted = token.type == "function" and token.lower_name == "url"
        address = token.arguments[0] if quoted else token
        if (quoted or token.type == "url") and not re.match(r"data:|#|https?:|/", address.value):
            moved = normpath(join(folder, address.value))
            address.representation = f'"{moved}"' if quoted else f"url({moved})"


def tokens(nodes: Iterable[Node]) -> Iterator[Node]:
    """All tokens of these rules or tokens, those inside blocks and functions too."""
    for node in nodes:
        yield node
        for inside in ("prelude", "content", "arguments"):
            yield from tokens(getattr(node, inside, None) or ())


def possible_classes(static: Path, pages: Iterable[str]) -> set[str]:
    """Every class of a page, and every word of a script, which could make it one."""
    found = set()
    for text in pages:
        for names in re.findall(r'class="([^"]*)"', text):
            found.update(names.split())
    for script in static.rglob("*.js"):
        if script.stat().st_size < 1_000_000:  # larger ones hold icons or weights
            found.update(re.findall(r"-?[A-Za-z_][\w-]*", script.read_text("utf8")))
    return found


def needed(rules: Iterable[Node], classes: set[str]) -> Iterator[Node]:
    """The rules that could apply to an element with some of these classes."""
    for rule in rules:
        if rule.type == "qualified-rule":
            selectors = [one for one in split(rule.prelude) if required_classes(one) <= classes]
            rule.prelude = [token for one in selectors for token in (*one, COMMA)][:-1]
            if selectors:
                yield rule
        elif rule.lower_at_keyword in NESTING and rule.content is not None:
            rule.content = [*needed(tinycss2.parse_rule_list(rule.content, skip_whitespace=True), classes)]
            if rule.content:
                yield rule
        else:
            yield rule


def split(selectors: list[Node]) -> list[list[Node]]:
    """A list of selectors, split at its commas."""
    parts = [[]]
    for token in selectors:
        if token == ",":
            parts.append([])
        else:
            parts[-1].append(token)
    return [compact(part) for part in parts]


def required_classes(selector: list[Node]) -> set[str]:
    """The classes that an element needs to match a selector; those inside `:not()` and such don't count."""
    return {name.value for dot, name in pairwise(selector) if dot == "." and name.type == "ident"}


def compact(nodes: Iterable[Node]) -> list[Node]:
    """Rules or tokens without needless white space, inside them as well."""
    kept = []
    for node in nodes:
        for inside in ("prelude", "content", "arguments"):
            if getattr(node, inside, None):
                setattr(node, inside, compact(getattr(node, inside)))
        if node.type == "at-rule" and node.prelude:
            node.prelude.insert(0, SPACE)
        if node == ";" and kept and kept[-1] is SPACE:
            kept.pop()
        if node.type != "whitespace":
            kept.append(node)
        elif kept and kept[-1] is not SPACE and kept[-1] != ";":
            kept.append(SPACE)
    return kept[:-1] if kept and kept[-1] is SPACE else kept


def is_icon_face(rule: Node) -> bool:
    """Whether a rule loads one of the theme's icon fonts."""
    is_face = rule.type == "at-rule" and rule.lower_at_keyword == "font-face"
    return is_face and "webfonts/fa-" in rule.serialize()


def write_icons(static: Path, codes: set[int]) -> str:
    """Write the font of icons with these codes; returns the rule that loads it."""
    font = subset_font(static / ICON_FONT, codes)
    (static / ICONS).write_bytes(font)
    shutil.copyfile(static / ICON_LICENCE, static / "icons-LICENSE.txt")
    return (
        '@font-face{font-family:"Font Awesome 6 Free";font-weight:900;font-display:block;'
        f"src:url({ICONS}?v={digest(font)})}}"
    )


def write_letters(static: Path, codes: set[int]) -> None:
    """Write the fonts of formulas, with the characters in use."""
    for font in (static / FONTS).glob("*.woff"):
        (static / LETTERS).mkdir(exist_ok=True)
        # MathJax's font "Zero" holds one empty character, which a subset would lose.
        small = font.read_bytes() if "Zero" in font.name else subset_font(font, codes)
        (static / LETTERS / font.name).write_bytes(small)
        shutil.copyfile(static / "mathjax" / "LICENSE", static / LETTERS / "LICENSE")


def subset_font(font: Path, codes: set[int]) -> bytes:
    """A font with the characters of these codes only."""
    logging.getLogger("fontTools").setLevel(logging.WARNING)  # at INFO it reports every table
    options = subset.Options(flavor="woff", layout_features=[], name_IDs=[0, 1], notdef_outline=False)
    options.drop_tables = [*options.drop_tables, "FFTM"]  # unknown to fontTools, which would warn
    subsetter, whole, small = subset.Subsetter(options), TTFont(font, recalcTimestamp=False), io.BytesIO()
    subsetter.populate(unicodes=sorted(codes))
    subsetter.subset(whole)
    subset.save_font(whole, small, options)
    return small.getvalue()


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:8]
