"""Code cells on slides: which cells get a slide, and how code and output are laid out."""

import re

from bs4 import Tag

from .markup import inner

CODE_LINES = 17  # of code and output on one slide
SMALL = 4  # lines of output that fit beside anything else
LONG_CODE = 12  # lines; the code of a longer measurement isn't shown
WIDE = 88  # characters of a printed line; a longer one wraps
LONG_TABLE = 12  # rows; a longer table of numbers is split into two columns
PLOTS = re.compile(r"\b(?:ax|axes|axis|plt|figure)\b")
SETS_OUT = re.compile(r"\bpd\.|\bcolumns\b|\.format\b|^\W*$")  # a line that only formats a table


def shown(code: str, has_result: bool) -> bool:
    """Whether code gets on a slide: not if it only prepares a plot, or is long and has a result to show."""
    if not has_result:
        return not PLOTS.search(code)
    if re.search(r"^(def|class) ", code, re.MULTILINE):
        return True
    written = [line for line in code.splitlines() if line.strip()]
    setting = sum(bool(SETS_OUT.search(line)) for line in written)
    return len(code.strip().splitlines()) <= LONG_CODE and 2 * setting < len(written) + 1


def kind_of(part: Tag) -> str:
    """What an output is: a widget, a picture, the package's source, printed text, or a table."""
    classes = part.get("class", [])
    if "ab-widget" in classes:
        return "widget"
    if part.name in ("img", "svg"):
        return "picture"
    if any(name.startswith("highlight-python") for name in classes):
        return "code"
    return "data" if part.find("table") else "text"


def height(part: Tag) -> float:
    """An output's height in lines of code."""
    if rows := part.find_all("tr"):
        return 1 + 1.3 * len(rows)
    return 1 + len(part.get_text().strip().splitlines())


def listing(node: Tag) -> str:
    return framed(lines_of(node))


def listings(node: Tag) -> list[str]:
    """Code in parts that fit on a slide, each of one or more definitions; a definition is never split."""
    parts: list[str] = []
    for piece in re.split(r"\n+(?=\n(?:<[^>]*>)*[^\s<])", lines_of(node)):
        piece = piece.strip("\n")
        if parts and parts[-1].count("\n") + piece.count("\n") + 3 <= CODE_LINES:
            parts[-1] += f"\n\n{piece}"
        else:
            parts.append(piece)
    whole = all(part.count("<span") == part.count("</span>") for part in parts)
    return [framed(part) for part in parts] if whole else [listing(node)]


def lines_of(node: Tag) -> str:
    """Code with its colours, without comments that are too long for a slide."""
    pre = node if node.name == "pre" else node.find("pre")
    html = re.sub(r"^(<span></span>)?\n*", "", pre.decode_contents()).rstrip()
    return re.sub(rf'(?m)^ *<span class="c1">[^<\n]{{{WIDE},}}</span>\n', "", html)


def framed(html: str) -> str:
    return f'<div class="highlight"><pre tabindex="0">{html}</pre></div>'


def printed_parts(results: list[Tag]) -> list[str]:
    """Everything a cell printed, on one slide if it fits; several tables side by side."""
    if sum(height(part) > SMALL for part in results) > 1 and sum(map(height, results)) > CODE_LINES:
        return [body for part in results for body in printed_parts([part])]
    body = "".join(map(result, results))
    tables = all(kind_of(part) == "data" for part in results)
    return (
        [f'<div class="pair">{body}</div>' if tables and body.count("<table") > 1 else body] if body else []
    )


def result(part: Tag) -> str:
    """Printed text, or a table of numbers, as HTML."""
    if tables := part.find_all("table"):
        halves = [half for table in tables for half in halved(table)]
        return "".join(f'<div class="data">{half}</div>' for half in halves)
    wide = max(map(len, part.get_text().splitlines()), default=0) > WIDE
    classes = "printed wraps" if wide else "printed"
    return f'<pre class="{classes}" tabindex="0">{inner(part.find("pre") or part)}</pre>'


def halved(table: Tag) -> list[str]:
    """A table of numbers, in two parts if it is long."""
    rows = table.select("tbody tr")
    if len(rows) <= LONG_TABLE or table.select("tbody [rowspan]"):
        return [str(table)]
    half = -(-len(rows) // 2)
    parts = [rows[:half], rows[half:]]
    return [
        f"<table>{table.find('thead') or ''}<tbody>{''.join(map(str, part))}</tbody></table>"
        for part in parts
    ]
