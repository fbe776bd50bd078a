"""The query plane: one query and a few keys in two dimensions, with scores, weights and output."""

import math
import re

import numpy as np
import torch
import traitlets
from matplotlib.figure import Figure

from attnbook.attention import scaled_dot_product_attention
from attnbook.maps import require_tokens, to_numpy
from attnbook.widgets.base import BUNDLES, Temperature, Widget, require_in_range, require_real, require_title
from attnbook.widgets.labels import plural
from attnbook.widgets.plane_figure import plane_figure

MOST, WIDEST = 16, 4  # keys; components of a value
SCORES = ("dot", "distance")


class QueryPlane(Widget):
    """A query to drag among keys in the plane: scores, weights and the weighted sum of the values follow.

    `keys` `(S, 2)`, at most 16, are torch, numpy or lists; `values` are numbers `(S,)` or `(S, d_v)` with d_v
    at most 4, or S colours "#rrggbb"; `labels` are S strings (default: numbers). The weights are
    $w = \\mathrm{softmax}(s / \\tau)$ with the scores $s_i = q \\cdot k_i$ ("dot") or
    $s_i = -\\tfrac{1}{2} |q - k_i|^2$ ("distance": regression with a Gaussian kernel of width
    $\\sqrt{\\tau}$).

    Traits to set and observe: `query` `[x, y]` within the plane, `temperature` τ (0.05 to 20), `score`
    ("dot" or "distance"). Raises ValueError and TypeError that name the argument, what it got and what it
    wanted.
    """

    _esm = BUNDLES / "query_plane.js"

    query = traitlets.List().tag(sync=True)
    temperature = Temperature(1.0).tag(sync=True)
    score = traitlets.Unicode("dot").tag(sync=True)

    labels = traitlets.List(traitlets.Unicode(), read_only=True).tag(sync=True)
    _keys = traitlets.List().tag(sync=True)
    _values = traitlets.List().tag(sync=True)
    _colors = traitlets.Bool(False).tag(sync=True)  # values are RGB colours from 0 to 1
    _limit = traitlets.Float().tag(sync=True)  # both axes run from -limit to limit
    _tick = traitlets.Float().tag(sync=True)

    def __init__(
        self,
        keys,
        values,
        labels=None,
        query=(1.0, 0.0),
        temperature=1.0,
        title="",
        *,
        score="dot",
        **settings,
    ):
        points = require_points("keys", keys)
        numbers, colors = require_values(values, len(points))
        require_title(title)
        unknown = sorted(set(settings) - {"layout", "tour"})
        if unknown:
            raise TypeError(f"{unknown[0]}: no such setting")
        count = len(points)
        names = [f"k{i + 1}" for i in range(count)]
        if labels is not None:
            names = require_tokens("labels", labels, count, "keys")
        if isinstance(temperature, bool) or not isinstance(temperature, int | float):
            raise TypeError(f"temperature: got {type(temperature).__name__}, wanted a number")
        query = require_query(query)
        self._points, self._numbers = points, numbers
        self._limit, self._tick = limit_and_tick(max(np.abs(points).max(), np.abs(query).max()))
        self.set_trait("labels", names)
        super().__init__(
            title=title,
            query=query,
            temperature=float(temperature),
            score=score,
            _keys=points.tolist(),
            _values=numbers.tolist(),
            _colors=colors,
            **settings,
        )

    @property
    def scores(self) -> np.ndarray:
        """The scores `(S,)` before division by the temperature."""
        query = np.array(self.query)
        if self.score == "dot":
            return self._points @ query
        return -((query - self._points) ** 2).sum(1) / 2

    @property
    def weights(self) -> np.ndarray:
        """The weights `(S,)`."""
        return self.attend()[1]

    @property
    def output(self) -> np.ndarray:
        """The weighted sum of the values `(d_v,)`; a colour is RGB from 0 to 1."""
        return self.attend()[0]

    def attend(self) -> tuple[np.ndarray, np.ndarray]:
        """Output and weights; with "dot", those of `scaled_dot_product_attention` with scale 1 / τ."""
        points, values = torch.from_numpy(self._points), torch.from_numpy(self._numbers)
        if self.score == "dot":
            query = torch.tensor([self.query], dtype=torch.float64)  # (1, 2)
            output, weights = scaled_dot_product_attention(query, points, values, scale=1 / self.temperature)
            return output[0].numpy(), weights[0].numpy()
        weights = torch.softmax(torch.from_numpy(self.scores) / self.temperature, -1)  # (S,)
        return (weights @ values).numpy(), weights.numpy()

    @traitlets.validate("query")
    def _is_in_plane(self, proposal):
        query = require_query(proposal["value"])
        if max(map(abs, query)) > self._limit:
            raise ValueError(f"query: got {query}, wanted x and y from {-self._limit:g} to {self._limit:g}")
        return query

    @traitlets.validate("score")
    def _is_score(self, proposal):
        if proposal["value"] not in SCORES:
            raise ValueError(f"score: got {proposal['value']!r}, wanted one of {', '.join(SCORES)}")
        return proposal["value"]

    def describe(self) -> str:
        """The current view in one line."""
        x, y = self.query
        best = int(self.weights.argmax())
        keys = f"{len(self.labels)} {plural('key', len(self.labels))}"
        most = f"query ({x:.2f}, {y:.2f}), most weight on {self.labels[best]}: {self.weights[best]:.3f}"
        return ": ".join(filter(None, ["Query among keys", self.title, f"{keys}, {most}"]))

    def figure(self) -> Figure:
        """The current view as a static picture."""
        return plane_figure(self)


def require_array(name: str, numbers, wanted: str) -> np.ndarray:
    """Finite real numbers as a float64 array."""
    if isinstance(numbers, list | tuple):
        try:
            numbers = np.array(numbers, dtype=np.float64)
        except (TypeError, ValueError):
            raise TypeError(f"{name}: got a list that isn't an array of numbers, wanted {wanted}") from None
    return require_in_range(name, require_real(name, to_numpy(name, numbers)))


def require_points(name: str, points) -> np.ndarray:
    """Points `(S, 2)`, at most 16."""
    array = require_array(name, points, "(S, 2)")
    if array.ndim != 2 or array.shape[1] != 2 or not 1 <= len(array) <= MOST:
        raise ValueError(f"{name}: got shape {array.shape}, wanted (S, 2), S from 1 to {MOST}")
    return array


def require_values(values, count: int) -> tuple[np.ndarray, bool]:
    """Values as `(S, d_v)`, and whether they are colours."""
    colors = isinstance(values, list | tuple) and any(isinstance(value, str) for value in values)
    if colors:
        for position, value in enumerate(values):
            if not isinstance(value, str) or not re.fullmatch(r"#[0-9a-fA-F]{6}", value):
                raise ValueError(f"values: item {position} is {value!r}, wanted a colour, #rrggbb")
        array = np.array([[int(value[i : i + 2], 16) / 255 for i in (1, 3, 5)] for value in values])
    else:
        array = require_array("values", values, f"({count},) or ({count}, d_v)")
    shape = array.shape
    if array.ndim == 1:
        array = array[:, None]  # (S, 1)
    if array.ndim != 2 or len(array) != count or not 1 <= array.shape[1] <= WIDEST:
        raise ValueError(
            f"values: got shape {shape}, wanted ({count},) or ({count}, d_v), d_v from 1 to {WIDEST}: one "
            "value per key"
        )
    return array, colors


def require_query(query) -> list[float]:
    """A point `[x, y]`."""
    array = require_array("query", query, "two numbers, (x, y)")
    if array.shape != (2,):
        raise ValueError(f"query: got shape {array.shape}, wanted two numbers, (x, y)")
    return array.tolist()


def limit_and_tick(largest: float) -> tuple[float, float]:
    """The plane's limit, well beyond all points, and the spacing of its grid lines."""
    wanted = 1.25 * (largest or 1.0)
    power = 10 ** math.floor(math.log10(wanted / 2))
    tick = next(step * power for step in (1, 2, 5, 10) if wanted / (step * power) <= 4)
    return math.ceil(2 * wanted / tick) * tick / 2, tick
