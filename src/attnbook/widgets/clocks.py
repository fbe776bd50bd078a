"""The position clocks: sinusoidal positions as clock hands, and the angle between two positions."""

import numpy as np
import traitlets
from matplotlib.figure import Figure

from attnbook.widgets.base import BUNDLES, Widget, require_int, require_title
from attnbook.widgets.clocks_figure import clocks_figure

NARROWEST, WIDEST = 4, 16  # d_model
LAST, FURTHEST = 100, 20  # position, offset


class PositionClocks(Widget):
    """The sinusoidal vectors of two positions as clock hands: one dial per pair of features.

    Hand $i$ of position $t$ has the angle $\\omega_i t$ with $\\omega_i = 10000^{-2i/D}$: its height is the
    sine, its reach to the right the cosine. From $t$ to $t + k$ it turns by $\\omega_i k$ for every $t$, so
    $P_t \\cdot P_{t+k} = \\sum_i \\cos(\\omega_i k)$ depends on the offset only. `d_model` is even, 4 to 16.

    Traits to set and observe: `position` $t$ (0 to 100) and `offset` $k$ (0 to 20). Raises ValueError and
    TypeError that name the argument, what it got and what it wanted. Source: Vaswani et al. 2017, §3.5.
    """

    _esm = BUNDLES / "position_clocks.js"

    position = traitlets.Int(0).tag(sync=True)
    offset = traitlets.Int(3).tag(sync=True)
    _speeds = traitlets.List().tag(sync=True)  # radians per position, one per hand

    def __init__(self, d_model=8, position=0, offset=3, title="", **settings):
        numbers = {"d_model": d_model, "position": position, "offset": offset}
        for name, number in numbers.items():
            require_int(name, number)
        if d_model % 2 or not NARROWEST <= d_model <= WIDEST:
            raise ValueError(f"d_model: got {d_model}, wanted an even number from {NARROWEST} to {WIDEST}")
        require_title(title)
        unknown = sorted(set(settings) - {"layout", "tour"})
        if unknown:
            raise TypeError(f"{unknown[0]}: no such setting")
        speeds = (10000.0 ** (-np.arange(0, d_model, 2) / d_model)).tolist()
        super().__init__(title=title, position=position, offset=offset, _speeds=speeds, **settings)

    @property
    def products(self) -> np.ndarray:
        """The contribution of each hand to the dot product, $\\cos(\\omega_i k)$, `(D / 2,)`."""
        return np.cos(np.array(self._speeds) * self.offset)

    @property
    def dot(self) -> float:
        """The dot product of the vectors of the two positions."""
        return float(self.products.sum())

    def angles(self, position: int) -> np.ndarray:
        """The angle of each hand at a position, in radians `(D / 2,)`."""
        return np.array(self._speeds) * position

    @traitlets.validate("position", "offset")
    def _is_in_range(self, proposal):
        name, number = proposal["trait"].name, proposal["value"]
        most = {"position": LAST, "offset": FURTHEST}[name]
        if not 0 <= number <= most:
            raise ValueError(f"{name}: got {number}, wanted 0 to {most}")
        return number

    def describe(self) -> str:
        """The current view in one line."""
        positions = f"positions {self.position} and {self.position + self.offset}"
        line = f"{len(self._speeds)} hands, {positions}, dot product {self.dot:.2f}"
        return ": ".join(filter(None, ["Positions as clock hands", self.title, line]))

    def figure(self) -> Figure:
        """The current view as a static picture."""
        return clocks_figure(self)
