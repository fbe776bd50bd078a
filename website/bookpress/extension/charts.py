"""Charts become part of the page, so that they take its colours, light or dark, and its type.

While the book is built, matplotlib writes SVG (see kernels.py). Here that SVG is made small, and the colours
of `attnbook.plots` become variables of book.css: the paper is left out; ink, lines, series and the cells of
heatmaps follow the theme. Sizes of text are relative to the chart's, which book.css raises where a phone
shows a wide chart small. In a notebook the same code shows a picture on paper.
"""

import re
from html import escape
from itertools import pairwise
from xml.etree import ElementTree

from matplotlib.colors import to_hex

from attnbook.plots import PALETTE, SERIES, signed_colormap, weights_colormap

SHOWN = 1.5  # CSS pixels per point
LARGER = 1.15  # matplotlib lays text out in DejaVu Sans; the page's type is narrower
POINTS = 10  # of most text in matplotlib
WIDE = 640  # CSS pixels: a phone shows wider charts at about half their size
LIGHT = PALETTE["light"]
INK, PAPER = "var(--ab-fg)", "var(--ab-bg)"
COLORS = (
    {color: f"var(--ab-series-{number})" for number, color in enumerate(SERIES, 1)}
    | {LIGHT[name]: f"var(--ab-{name})" for name in ("muted", "line", "masked", "hatch")}
    | {LIGHT["ink"]: INK, LIGHT["paper"]: PAPER, "#ffffff": PAPER}
)
DEFAULTS = {"fill": INK, "font-size": "1em", "stroke-linejoin": "round", "stroke-linecap": "butt"}
USED = ("fill", "stroke", "stroke-width", "stroke-dasharray", "stroke-linecap", "opacity")
USED += ("fill-opacity", "stroke-opacity", "font-size", "font-weight", "font-style", "text-anchor")
NUMBER = r"-?\d*\.?\d+(?:e-?\d+)?"


def ramps() -> tuple[dict[str, str], dict[str, str]]:
    """The colours of heatmaps' cells and what they become: those of weights, and those of signed numbers."""
    weights, signed = (
        [to_hex(cmap(n)) for n in range(cmap.N)] for cmap in (weights_colormap(), signed_colormap())
    )
    stops = [f"var(--ab-weight-{number})" for number in range(len(LIGHT["weights"]))]
    between = [f"color-mix(in srgb,{one},{other})" for one, other in pairwise(stops)]
    mixed = [color for pair in zip(stops, between, strict=False) for color in pair] + stops[-1:]
    middle = len(signed) // 2
    sides = [
        f"color-mix(in srgb,var(--ab-series-{1 + (level < 0)}) {100 * abs(level) / middle:g}%,{PAPER})"
        for level in range(-middle, middle + 1)
    ]
    return dict(zip(weights, mixed, strict=True)), dict(zip(signed, sides, strict=True))


RAMPS = ramps()


def inlined(svg: str, words: str, name: str) -> str:
    """A chart of matplotlib's as an element of a page, with its alternative text; `name` begins its ids."""
    root = ElementTree.fromstring(svg)
    follows = root.find(".//{*}image") is None  # an image can't: its chart stays on paper
    chart = Chart(name, COLORS if follows else {})
    for node in root:
        chart.add(node)
    width, height = (float(number) for number in root.get("viewBox").split()[2:])
    defaults = DEFAULTS | {"font-size": f"{POINTS * LARGER:g}"} | ({} if follows else {"fill": LIGHT["ink"]})
    kind = "ab-chart ab-wide" if width * SHOWN > WIDE else "ab-chart"
    own = {"class": kind, "width": f"{width * SHOWN:.0f}", "height": f"{height * SHOWN:.0f}"}
    own |= {"viewBox": f"0 0 {number(width)} {number(height)}", "role": "img", "aria-label": words}
    return f"<svg{attributes(own | defaults)}>{''.join(chart.parts)}</svg>"


class Chart:
    """Collects the parts of one chart while walking through matplotlib's SVG."""

    def __init__(self, name: str, colors: dict[str, str]) -> None:
        self.name, self.colors, self.parts = name, colors, []
        self.ids: dict[str, str] = {}
        self.styles: dict[str, dict[str, str]] = {}  # of marks, by their ids

    def add(self, node: ElementTree.Element) -> None:
        """Add an element and what is in it."""
        tag = node.tag.rpartition("}")[2]
        if tag in ("metadata", "style"):
            return
        if tag == "g" and node.get("id", "").startswith("QuadMesh"):
            self.heatmap(node)
        elif tag == "g" and node.find("{*}text/{*}tspan") is not None:
            self.formula(node)
        elif tag == "pattern":
            self.hatch(node)
        elif tag in ("g", "defs"):
            if tag == "g" and node.get("id", "").startswith("patch") and is_paper(node) and self.colors:
                return
            for child in node:
                self.add(child)
        elif tag == "clipPath":
            corner = node[0]
            box = {key: number(float(corner.get(key))) for key in ("x", "y", "width", "height")}
            self.parts.append(
                f"<clipPath{attributes({'id': self.id(node.get('id'))})}><rect{attributes(box)}/></clipPath>"
            )
        elif tag == "text":
            self.text(node)
        else:
            self.shape(tag, node)

    def id(self, theirs: str) -> str:
        """A short id for one of matplotlib's."""
        return self.ids.setdefault(theirs, f"{self.name}-{len(self.ids)}")

    def shape(self, tag: str, node: ElementTree.Element) -> None:
        """A path, the use of one, or an image."""
        style, own = self.style(node), {}
        theirs = node.get("id") if tag != "image" else None  # an image is drawn where it stands
        if theirs:
            own["id"] = self.id(theirs)
            self.styles[theirs] = style
        if path := node.get("d"):
            own["d"] = compact(path)
        if reference := node.get("{http://www.w3.org/1999/xlink}href"):
            marked = self.styles.get(reference[1:], {})
            style = {key: value for key, value in style.items() if marked.get(key) != value}
            own["href"] = f"#{self.id(reference[1:])}" if reference.startswith("#") else reference
        for key in ("x", "y", "width", "height"):
            if node.get(key):
                own[key] = number(float(node.get(key)))
        if node.get("transform"):
            own["transform"] = rounded(node.get("transform"))
        if clip := node.get("clip-path"):
            own["clip-path"] = f"url(#{self.id(clip[5:-1])})"
        element = f"<{tag}{attributes(own | style)}/>"
        if tag == "image":
            element = f"<g>{element}</g>"  # Beautiful Soup leaves an image open: the group closes it
        self.parts.append(f"<defs>{element}</defs>" if theirs else element)

    def style(self, node: ElementTree.Element) -> dict[str, str]:
        """The style of an element as attributes, in the page's colours, without what is the default."""
        style = declarations(node)
        found = {key: style[key] for key in USED if key in style}
        for key in ("fill", "stroke"):
            if found.get(key, "").startswith("url(#"):
                found[key] = f"url(#{self.id(found[key][5:-1])})"
            elif key in found:
                found[key] = self.colors.get(found[key], found[key])
        if found.get("stroke", "none") == "none":
            found = {key: value for key, value in found.items() if not key.startswith("stroke")}
        if "font-size" in found:
            found["font-size"] = em(float(found["font-size"].removesuffix("px")) / POINTS)
        return {
            key: rounded(value) if key == "stroke-dasharray" else value
            for key, value in found.items()
            if DEFAULTS.get(key) != value
        }

    def text(self, node: ElementTree.Element) -> None:
        own = {key: number(float(node.get(key))) for key in ("x", "y") if node.get(key)}
        turn = node.get("transform", "")
        if turn and not turn.startswith("rotate(-0 "):
            own["transform"] = rounded(turn)
        self.parts.append(
            f"<text{attributes(own | self.style(node))}>{escape(node.text or '', quote=False)}</text>"
        )

    def formula(self, node: ElementTree.Element) -> None:
        """Text with raised numbers, which matplotlib writes letter by letter: joined into runs."""
        spans = [span for span in node.iter() if span.tag.endswith("}tspan")]
        runs: list[tuple[dict[str, str], str]] = []
        for span in spans:
            style = self.style(span)
            size = float(style.get("font-size", "1em").removesuffix("em")) * POINTS * LARGER
            x, y = float(span.get("x").split()[0]), float(span.get("y"))
            place = {"x": em(x / size), "y": em(y / size)}
            if runs and runs[-1][0] | {"x": place["x"]} == place | style:
                runs[-1] = runs[-1][0], runs[-1][1] + span.text
            else:
                runs.append((place | style, span.text))
        inner = "".join(
            f"<tspan{attributes(own)}>{escape(words, quote=False)}</tspan>" for own, words in runs
        )
        own = {"transform": rounded(node.get("transform", ""))} | self.style(node)
        self.parts.append(f"<text{attributes(own)}>{inner}</text>")

    def hatch(self, node: ElementTree.Element) -> None:
        """Every hatch is the book's: thin diagonals on the colour of masked cells."""
        own = {"id": self.id(node.get("id")), "width": "4", "height": "4", "patternUnits": "userSpaceOnUse"}
        own["patternTransform"] = "rotate(45)"
        self.parts.append(
            f'<pattern{attributes(own)}><path fill="var(--ab-masked)" d="M0 0h4v4h-4z"/>'
            '<path stroke="var(--ab-hatch)" d="M0 0v4"/></pattern>'
        )

    def heatmap(self, node: ElementTree.Element) -> None:
        """A heatmap's cells, joined by colour, in units of a cell."""
        styled = [(declarations(cell), corners(cell.get("d"))) for cell in node.iter() if cell.get("d")]
        found = [(style, box) for style, box in styled if style["fill"] != "none"]
        used = {style["fill"] for style, _ in found}
        table = next((ramp for ramp in RAMPS if used <= ramp.keys()), RAMPS[0])
        left, top, wide, high = (min(sides) for sides in zip(*(box for _, box in found), strict=True))
        if any(box[2] > 1.1 * wide or box[3] > 1.1 * high for _, box in found):
            self.colors = table | self.colors
            for cell in node:  # not a regular grid
                self.shape("path", cell)
            return
        levels: dict[str, list[tuple[int, int]]] = {}
        for style, (x, y, _, _) in found:
            place = round((y - top) / high), round((x - left) / wide)
            levels.setdefault(table.get(style["fill"], style["fill"]), []).append(place)
        style = found[0][0]
        lines = style.get("stroke", "none") != "none" and float(style.get("stroke-width", 1)) > 0
        own = {"transform": f"translate({number(left)} {number(top)})scale({wide:.5g} {high:.5g})"}
        if lines:
            own |= {"stroke": PAPER, "stroke-width": ".7"}
        else:
            own["shape-rendering"] = "crispEdges"
        self.parts.append(f"<g{attributes(own)}>")
        effect = ' vector-effect="non-scaling-stroke"' if lines else ""
        for fill, places in levels.items():
            outline = "".join(
                f"M{column} {row}h{length}v1h-{length}z"
                for row, column, length in joined(places, split=lines)
            )
            self.parts.append(f'<path fill="{fill}"{effect} d="{outline}"/>')
        self.parts.append("</g>")


def declarations(node: ElementTree.Element) -> dict[str, str]:
    """The style of one of matplotlib's elements."""
    return dict(re.findall(r"([\w-]+): ([^;]+)", node.get("style", "")))


def is_paper(node: ElementTree.Element) -> bool:
    """Whether a group is a patch of bare paper."""
    styles = [declarations(child) for child in node]
    return all(s.get("fill") == LIGHT["paper"] and s.get("stroke", "none") == "none" for s in styles)


def corners(path: str) -> tuple[float, float, float, float]:
    """Left, top, width and height of a rectangle."""
    points = [float(n) for n in re.findall(NUMBER, path)]
    xs, ys = points[::2], points[1::2]
    return min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)


def joined(places: list[tuple[int, int]], *, split: bool) -> list[tuple[int, int, int]]:
    """Cells (row, column) as runs (row, column, length) along their rows, or one by one if `split`."""
    runs: list[tuple[int, int, int]] = []
    for row, column in sorted(places):
        if runs and not split and runs[-1][0] == row and runs[-1][1] + runs[-1][2] == column:
            runs[-1] = row, runs[-1][1], runs[-1][2] + 1
        else:
            runs.append((row, column, 1))
    return runs


def compact(path: str) -> str:
    """A path in tenths of a point, relative after its first point."""
    written, here, start = "", (0, 0), (0, 0)
    for command, numbers in re.findall(r"([MLQCz])([^MLQCz]*)", path):
        points = [round(10 * float(n)) for n in re.findall(NUMBER, numbers)]
        pairs = list(zip(points[::2], points[1::2], strict=True))
        if command == "M":
            written += "M" + tenths(pairs[0])
            start = pairs[0]
        elif command == "L":
            dx, dy = pairs[0][0] - here[0], pairs[0][1] - here[1]
            if dx and dy:
                written += "l" + tenths((dx, dy))
            elif dx or dy:
                written += f"h{tenth(dx)}" if dx else f"v{tenth(dy)}"
        elif command == "z":
            written += "z"
        else:
            flat = [value for x, y in pairs for value in (x - here[0], y - here[1])]
            written += command.lower() + tenths(flat)
        here = pairs[-1] if pairs else start
    return written


def tenth(value: int) -> str:
    """Ten times a number, as that number."""
    return f"{value / 10:g}".replace("0.", ".", 1) if abs(value) < 10 else f"{value / 10:g}"


def tenths(values) -> str:
    """Numbers with as little between them as a path needs."""
    return re.sub(r" (?=-)", "", " ".join(map(tenth, values)))


def number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0").replace("-0.", "-.")


def em(value: float) -> str:
    """A length in units of the text's size."""
    return f"{value:.2f}".rstrip("0").rstrip(".") + "em"


def rounded(words: str) -> str:
    """Words whose numbers have at most two decimals."""
    return re.sub(NUMBER, lambda found: f"{float(found[0]):.2f}".rstrip("0").rstrip("."), words)


def attributes(found: dict[str, str]) -> str:
    return "".join(f' {key}="{escape(value)}"' for key, value in found.items())
