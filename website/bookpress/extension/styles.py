"""One small style sheet for the site, in place of the eleven that the theme and its friends bring.

A page would load them one after another, before its first word shows, and use a tenth of what they hold. Once
the pages are there, the sheets become one, without the rules for things that no page has and no script makes.
The icons, which the theme draws with a program of 1.5 MB, come from its font, cut down to those in use, as
the fonts of formulas are.
"""

import hashlib
import io
import logging
import re
import shutil
from pathlib import Path
from posixpath import join, normpath, relpath

from fontTools import subset
from fontTools.ttLib import TTFont
from sphinx.application import Sphinx

from .pages import written

TOGETHER, ICONS = "book-pages.css", "icons.woff"
FONT = "vendor/fontawesome/webfonts/fa-solid-900.ttf"
LETTER = re.compile(r'content: *"(?:\\([0-9A-Fa-f]+)|([^"\\]))"')
MATHS, LETTERS = "mathjax/output/chtml/fonts/woff-v2", "letters"
LICENCE = "scripts/fontawesome.js.LICENSE.txt"
LINK = re.compile(r'[ \t]*<link(?=[^>]*rel="stylesheet")[^>]*href="([^"?]*)[^"]*"[^>]*>\n?')
CLASS = re.compile(r"\.(-?[A-Za-z_][\w-]*)")
FUNCTION = re.compile(r":(?:not|is|where|has|host)\([^()]*(?:\([^()]*\)[^()]*)*\)")
ATTRIBUTE = re.compile(r"\[[^\]]*\]")
ICON_FACES = re.compile(r"@font-face{[^{}]*webfonts/fa-[^{}]*}")
NAMES = "/* from: "


def write_sheet(app: Sphinx, exception: Exception | None) -> None:
    """Make one of all sheets that pages name, and let the pages name that one."""
    if app.builder.format != "html" or exception:
        return
    folder = Path(app.outdir)
    static = folder / "_static"
    pages = written(folder)
    named = {page: [local(page, href, static) for href in LINK.findall(text)] for page, text in pages.items()}
    if {name for some in named.values() for name in some} <= {TOGETHER}:
        return  # no page was written, and the sheets are gone (see shipping.py)
    names = in_order([before(static / TOGETHER), *named.values()])
    rules = without_unused("\n".join(flat(static, name) for name in names), words(static, pages.values()))
    icons = sorted({int(code, 16) for code in re.findall(r"[\"']\\(f[0-9a-f]{3})[\"']", rules)})
    font = cut(static / FONT, icons)
    if font:
        (static / ICONS).write_bytes(font)
        shutil.copyfile(static / LICENCE, static / "icons-LICENSE.txt")
    rules = rules.replace(f"{MATHS}/", f"{LETTERS}/")
    write_letters(static, [int(code, 16) if code else ord(letter) for code, letter in LETTER.findall(rules)])
    face = (
        '@font-face{font-family:"Font Awesome 6 Free";font-weight:900;font-display:block;'
        f"src:url({ICONS}?v={digest(font)})}}"
    )
    text = f"{NAMES}{' '.join(names)} */\n{face}\n{ICON_FACES.sub('', rules)}"
    (static / TOGETHER).write_text(text, "utf8")
    for page, text_of_page in pages.items():
        place = relpath(static / TOGETHER, page.parent)
        link = f'<link rel="stylesheet" href="{place}?v={digest(text.encode())}" />\n'
        first = LINK.search(text_of_page)
        if first:
            start = first.start()
            page.write_text(text_of_page[:start] + link + LINK.sub("", text_of_page[start:]), "utf8")


def local(page: Path, href: str, static: Path) -> str:
    """A sheet's name below `static`."""
    return relpath((page.parent / href).resolve(), static.resolve())


def before(together: Path) -> list[str]:
    """What the sheet of the last build was made from."""
    first = together.read_text("utf8").partition("\n")[0] if together.exists() else ""
    return first.removeprefix(NAMES).removesuffix(" */").split() if first.startswith(NAMES) else []


def in_order(lists: list[list[str]]) -> list[str]:
    """Every name once, each behind those that it follows in the lists."""
    names = []
    for some in sorted(lists, key=len, reverse=True):
        for index, name in enumerate(some):
            if name not in names and name != TOGETHER:
                earlier = [names.index(other) for other in some[:index] if other in names]
                names.insert(max(earlier, default=-1) + 1, name)
    return names


def flat(static: Path, name: str) -> str:
    """A sheet with those it imports, its addresses as they look from `static`."""
    text = re.sub(r"/\*.*?\*/", "", (static / name).read_text("utf8"), flags=re.S)
    text = text.replace('@charset "UTF-8";', "").lstrip("\ufeff")
    folder = name.rpartition("/")[0]

    def imported(found: re.Match) -> str:
        return flat(static, normpath(join(folder, found[1])))

    def placed(found: re.Match) -> str:
        quote, address = found[1], found[2]
        own = not address.startswith(("data:", "#", "http:", "https:", "/"))
        return f"url({quote}{normpath(join(folder, address)) if own else address}{quote})"

    text = re.sub(r"""url\((["']?)((?:data:[^"')]*|[^"')]*))\1\)""", placed, text) if folder else text
    return re.sub(r"""@import\s+["']([^"']*)["']\s*;""", imported, text)


def words(static: Path, pages) -> set[str]:
    """Every word that is a class of a page, or that a script could make one."""
    found = set()
    for text in pages:
        for names in re.findall(r'class="([^"]*)"', text):
            found.update(names.split())
    for script in static.rglob("*.js"):
        if script.parent.name not in ("mathjax", "fonts") and script.stat().st_size < 1_000_000:
            found.update(re.findall(r"-?[A-Za-z_][\w-]*", script.read_text("utf8")))
    return found


def without_unused(sheet: str, used: set[str]) -> str:
    """The rules of a sheet that some element could meet."""
    kept = []
    for head, body in blocks(sheet):
        if body is None:
            kept.append(head)
        elif head.startswith(("@media", "@supports", "@container", "@layer")):
            inner = without_unused(body, used)
            kept += [f"{head}{{{inner}}}"] if inner else []
        elif head.startswith("@"):
            kept.append(f"{head}{{{body}}}")
        else:
            selectors = [one for one in split(head) if classes(one) <= used]
            kept += [f"{','.join(selectors)}{{{body}}}"] if selectors else []
    return "\n".join(kept)


def blocks(sheet: str):
    """The pieces of a sheet: what stands before a brace with what stands inside; None inside for `@…;`."""
    position = 0
    while match := re.compile(r"[{;]").search(sheet, position):
        head = " ".join(sheet[position : match.start()].split())
        if match[0] == ";":
            yield f"{head};", None
            position = match.end()
            continue
        end = closing(sheet, match.end())
        yield head, sheet[match.end() : end].strip()
        position = end + 1


def closing(sheet: str, position: int) -> int:
    """Where the brace closes that was opened before `position`; strings are jumped over."""
    depth = 1
    for token in re.compile(
        r"""\\.|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|url\([^"')][^)]*\)|[{}]""", re.S
    ).finditer(sheet, position):
        depth += {"{": 1, "}": -1}.get(token[0], 0)
        if not depth:
            return token.start()
    raise ValueError(f"a style sheet ends inside a rule: {sheet[position : position + 80]!r}")


def split(selectors: str) -> list[str]:
    """Selectors, split at the commas that stand outside brackets."""
    parts, depth = [""], 0
    for character in selectors:
        depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(character, 0)
        if character == "," and not depth:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts if part.strip()]


def classes(selector: str) -> set[str]:
    """The classes that an element needs to meet a selector, as far as they stand outside functions."""
    return set(CLASS.findall(FUNCTION.sub("", ATTRIBUTE.sub("", selector))))


def write_letters(static: Path, codes: list[int]) -> None:
    """The fonts of formulas, with the letters in use."""
    fonts = sorted((static / MATHS).glob("*.woff"))
    for font in fonts:
        (static / LETTERS).mkdir(exist_ok=True)
        small = font.read_bytes() if "Zero" in font.name else cut(font, sorted({*codes}))
        (static / LETTERS / font.name).write_bytes(small)
    if fonts:
        shutil.copyfile(static / "mathjax" / "LICENSE", static / LETTERS / "LICENSE")


def cut(font: Path, codes: list[int]) -> bytes:
    """A font with the characters of these codes alone."""
    if not font.exists() or not codes:
        return b""
    logging.getLogger("fontTools").setLevel(logging.WARNING)  # or it tells of every table
    options = subset.Options(flavor="woff", layout_features=[], name_IDs=[0, 1], notdef_outline=False)
    options.drop_tables = [*options.drop_tables, "FFTM"]  # dates, of which it would complain
    cutter, whole, small = subset.Subsetter(options), TTFont(font, recalcTimestamp=False), io.BytesIO()
    cutter.populate(unicodes=codes)
    cutter.subset(whole)
    subset.save_font(whole, small, options)
    return small.getvalue()


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:8]


def setup(app: Sphinx) -> None:
    app.connect("build-finished", write_sheet, priority=800)  # when policy.py has written the scripts
