"""The elements of all drawings, in one style: boxes, arrows, words and grids.

A drawing is 360 units wide, like a phone, and no text in it is smaller than 11 units. Its colours are CSS
variables. The file has light and dark values for them, for readers on GitHub or in JupyterLab; in the book
the drawing is part of the page and takes the page's colours (`website/assets/drawings.css`).
"""

import re
from html import escape

from bookpress import ROOT

WIDTH = 360
SMALLEST = 11.5
FONTS = '"Source Sans 3", "Noto Sans", "Helvetica Neue", Arial, "DejaVu Sans", sans-serif'
# variable of a drawing → variable of book.css
COLORS = {
    "paper": "bg",
    "surface": "surface",
    "ink": "fg",
    "muted": "muted",
    "line": "line",
    "accent": "accent",
    "query": "query",
    "key": "key",
    "value": "value",
    "masked": "masked",
    "hatch": "hatch",
    "series-1": "series-1",  # three series, far apart: the hues of three heads
    "series-2": "series-3",
    "series-3": "series-5",
}
TINTS = {"lit": "accent", "query-tint": "query", "key-tint": "key", "value-tint": "value"}
QKV = {"Q": "query", "K": "key", "V": "value"}  # the letters, and the colours of their wires
HUES = ("first", "second", "third")  # the classes of three heads
SHARE = 0.16  # of a colour in its tint


class Drawing:
    """A drawing: its methods add elements, and `svg` writes the file."""

    def __init__(self, height: float, width: float = WIDTH) -> None:
        self.width, self.height = width, height
        self.parts: list[str] = []

    def add(self, tag: str, words: str | None = None, **attributes) -> None:
        """Add an element; underscores in attribute names become hyphens, `kind` becomes `class`."""
        names = {"kind": "class"}
        written = "".join(
            f' {names.get(name, name.replace("_", "-"))}="{number(value)}"'
            for name, value in attributes.items()
            if value is not None
        )
        self.parts.append(
            f"<{tag}{written}/>" if words is None else f"<{tag}{written}>{escape(words)}</{tag}>"
        )

    def box(self, x, y, width, height, words="", *, kind="box", size=12, radius=5) -> None:
        """A box with centred words, which may have several lines."""
        self.add("rect", kind=kind, x=x, y=y, width=width, height=height, rx=radius)
        lines = words.split("\n") if words else []
        top = y + height / 2 - (len(lines) - 1) * size * 0.6
        state = " on" if "lit" in kind.split() else " quiet" if "quiet" in kind.split() else ""
        for row, line in enumerate(lines):
            self.text(x + width / 2, top + row * size * 1.2, line, kind=f"word{state}", size=size)

    def text(self, x, y, words, *, kind="word", size=12, anchor="middle") -> None:
        """Words, vertically centred at y."""
        if size < SMALLEST:
            raise ValueError(f"size: wanted at least {SMALLEST}, got {size} for {words!r}")
        anchor = None if anchor == "start" else anchor
        self.add("text", words, kind=kind, x=x, y=y + size * 0.34, font_size=size, text_anchor=anchor)

    def wire(self, *points, kind="wire", head=True, size=4.0) -> None:
        """A line through the points, with an arrowhead at the end."""
        if head:
            (x0, y0), (x1, y1) = points[-2:]
            length = ((x1 - x0) ** 2 + (y1 - y0) ** 2) ** 0.5
            dx, dy = (x1 - x0) / length, (y1 - y0) / length
            base = x1 - dx * size * 1.6, y1 - dy * size * 1.6
            corners = [
                (x1, y1),
                (base[0] - dy * size, base[1] + dx * size),
                (base[0] + dy * size, base[1] - dx * size),
            ]
            points = (*points[:-1], base)
        self.add("path", kind=kind, d="M" + " L".join(f"{number(x)} {number(y)}" for x, y in points))
        if head:
            outline = "M" + " L".join(f"{number(x)} {number(y)}" for x, y in corners) + " Z"
            self.add("path", kind=f"{kind} head", d=outline)

    def grid(
        self, x, y, rows, columns, *, cell=10, gap=1.5, kind="cell", shown=lambda row, column: True
    ) -> None:
        """Small squares for the numbers of a matrix; `shown` says which are filled."""
        for row in range(rows):
            for column in range(columns):
                state = kind if shown(row, column) else "cell none"
                self.add(
                    "rect",
                    kind=state,
                    x=x + column * (cell + gap),
                    y=y + row * (cell + gap),
                    width=cell,
                    height=cell,
                    rx=1.5,
                )

    def matrix(self, x, y, shares, *, cell=10, gap=1.5, kind="cell") -> None:
        """A matrix of squares, filled the more strongly the larger the number in `shares`, from 0 to 1.

        `cell` is a square's side, or its width and height.
        """
        wide, high = cell if isinstance(cell, tuple) else (cell, cell)
        levels: dict[int, str] = {}
        for row, line in enumerate(shares):
            for column, share in enumerate(line):
                corner = f"M{number(x + column * (wide + gap))} {number(y + row * (high + gap))}"
                level = round(20 * float(share))
                levels[level] = (
                    levels.get(level, "") + f"{corner}h{number(wide)}v{number(high)}h-{number(wide)}z"
                )
        for level, outline in sorted(levels.items()):
            self.add("path", kind=kind, fill_opacity=level / 20, d=outline)

    def hatch(self, x, y, width, height, *, step=5.0) -> None:
        """A masked cell: hatched, as in the book's heatmaps."""
        self.add("rect", kind="masked", x=x, y=y, width=width, height=height)
        lines = ""
        offset = step / 2
        while (
            offset < width + height
        ):  # diagonals, each from the left or lower edge to the upper or right one
            x0, y0 = (x, y + offset) if offset < height else (x + offset - height, y + height)
            x1, y1 = (x + offset, y) if offset < width else (x + width, y + offset - width)
            lines += f"M{number(x0)} {number(y0)}L{number(x1)} {number(y1)}"
            offset += step
        self.add("path", kind="hatch", d=lines)

    def svg(self) -> str:
        """The file's text."""
        size = f'viewBox="0 0 {number(self.width)} {number(self.height)}"'
        shown = f'width="{number(self.width * 4 / 3)}" height="{number(self.height * 4 / 3)}"'
        return "\n".join(
            [
                f'<svg xmlns="http://www.w3.org/2000/svg" class="ab-drawing" {size} {shown} role="img">',
                f"<style>\n{file_style()}</style>",
                f'<rect class="paper" width="{number(self.width)}" height="{number(self.height)}" rx="8"/>',
                *self.parts,
                "</svg>\n",
            ]
        )


def number(value) -> str:
    """A number with at most two decimals, or escaped text."""
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, int | float) else escape(str(value))


def file_style() -> str:
    """The style in a file: light and dark colours, and the rules of drawings.css."""
    light, dark = (variables(theme) for theme in ("light", "dark"))
    rules = re.sub(r"/\*.*?\*/\s*", "", (ROOT / "website/assets/drawings.css").read_text("utf8"), flags=re.S)
    rules = "\n".join(line for line in rules.splitlines() if line and not line.startswith("html"))
    return (
        f".ab-drawing {{ {light} --font: {FONTS}; }}\n"
        f"@media (prefers-color-scheme: dark) {{ .ab-drawing {{ {dark} }} }}\n{rules}\n"
    )


def variables(theme: str) -> str:
    """The colours of a theme in book.css, under the names that drawings use."""
    css = (ROOT / "website/assets/book.css").read_text("utf8")
    block = re.search(rf'html\[data-theme="{theme}"\] {{(.*?)}}', css, re.S)[1]
    book = dict(re.findall(r"--ab-([\w-]+): (#\w+);", block))
    named = {name: book[theirs] for name, theirs in COLORS.items()}
    named |= {name: mixed(book[color], book["bg"]) for name, color in TINTS.items()}
    return " ".join(f"--{name}: {value};" for name, value in named.items())


def mixed(color: str, paper: str, share: float = SHARE) -> str:
    """A color laid on paper with an opacity of `share`."""
    parts = [
        round(share * int(color[i : i + 2], 16) + (1 - share) * int(paper[i : i + 2], 16)) for i in (1, 3, 5)
    ]
    return "#" + "".join(f"{part:02x}" for part in parts)
