"""The path explorer: the path of a signal between two positions in three kinds of network."""

import traitlets
from matplotlib.figure import Figure

from attnbook.maps import require_tokens
from attnbook.widgets.base import BUNDLES, Widget, require_int, require_title
from attnbook.widgets.labels import plural
from attnbook.widgets.path_figure import path_figure

FEWEST, MOST = 2, 24  # tokens
KERNELS, DEEPEST = (3, 5, 7, 9), 12


class PathExplorer(Widget):
    """The path from one position to another in a recurrent network, stacked convolutions and attention.

    `tokens` are 2 to 24 strings. From position $i$ to $j$ a signal passes $j - i + 1$ cells of a recurrent
    network (there is no path if $j < i$), at least $\\lceil |j - i| / r \\rceil$ layers of convolutions that
    see $r = (k - 1) / 2$ positions to each side, and $1$ layer of attention.

    Traits to set and observe: `source` and `target` (the two positions, from 0), `kernel` (odd, 3 to 9)
    and `layers` (1 to 12) of the convolutions. Raises ValueError and TypeError that name the argument, what
    it got and what it wanted. Source: Vaswani et al. 2017, section 4 and table 1.
    """

    _esm = BUNDLES / "path_explorer.js"

    tokens = traitlets.List(traitlets.Unicode(), read_only=True).tag(sync=True)
    source = traitlets.Int(0).tag(sync=True)
    target = traitlets.Int(0).tag(sync=True)
    kernel = traitlets.Int(3).tag(sync=True)
    layers = traitlets.Int(2).tag(sync=True)

    def __init__(self, tokens, kernel=3, layers=2, source=0, target=None, title="", **settings):
        self._tokens = require_sequence(tokens)
        require_title(title)
        unknown = sorted(set(settings) - {"layout", "tour"})
        if unknown:
            raise TypeError(f"{unknown[0]}: no such setting")
        target = len(self._tokens) - 1 if target is None else target
        numbers = {"source": source, "target": target, "kernel": kernel, "layers": layers}
        for name, number in numbers.items():
            require_int(name, number)
        self.set_trait("tokens", self._tokens)
        super().__init__(title=title, **numbers, **settings)

    @property
    def distance(self) -> int:
        """The distance between the two positions."""
        return abs(self.target - self.source)

    @property
    def layers_needed(self) -> int:
        """The number of convolutional layers needed between the two positions."""
        return max(1, -(-2 * self.distance // (self.kernel - 1)))

    @property
    def steps(self) -> dict[str, int | None]:
        """The number of cells or layers that the signal passes in each network, None if there is no path."""
        return {
            "recurrent": self.distance + 1 if self.target >= self.source else None,
            "convolution": self.layers if self.layers >= self.layers_needed else None,
            "attention": 1,
        }

    @traitlets.validate("source", "target")
    def _is_position(self, proposal):
        name, position = proposal["trait"].name, proposal["value"]
        if not 0 <= position < len(self._tokens):
            raise ValueError(f"{name}: got {position}, wanted 0 to {len(self._tokens) - 1}")
        return position

    @traitlets.validate("kernel")
    def _is_kernel(self, proposal):
        if proposal["value"] not in KERNELS:
            raise ValueError(f"kernel: got {proposal['value']}, wanted 3, 5, 7 or 9")
        return proposal["value"]

    @traitlets.validate("layers")
    def _is_depth(self, proposal):
        if not 1 <= proposal["value"] <= DEEPEST:
            raise ValueError(f"layers: got {proposal['value']}, wanted 1 to {DEEPEST}")
        return proposal["value"]

    def describe(self) -> str:
        """The current view in one line."""
        ways = [
            f"{name} {count} {plural('step', count)}" if count else f"{name} no path"
            for name, count in self.steps.items()
        ]
        place = f"position {self.source + 1} to {self.target + 1} of {len(self._tokens)}"
        return ": ".join(filter(None, ["Paths", self.title, f"{place}: {', '.join(ways)}"]))

    def figure(self) -> Figure:
        """The current view as a static picture."""
        return path_figure(self)


def require_sequence(tokens) -> list[str]:
    """`tokens` as a list of 2 to 24 strings."""
    try:
        count = len(tokens)
    except TypeError:
        raise TypeError(
            f"tokens: got {type(tokens).__name__}, wanted a list of {FEWEST} to {MOST} strings"
        ) from None
    tokens = require_tokens("tokens", tokens, count, "positions")
    if not FEWEST <= count <= MOST:
        raise ValueError(f"tokens: got {count}, wanted {FEWEST} to {MOST}")
    return tokens
