"""The attention explorer: shows the attention maps of any model, cell by cell."""

from dataclasses import replace

import numpy as np
import traitlets
from matplotlib.figure import Figure

from attnbook.maps import MEAN, AttentionMaps, require_frames, require_maps, require_tokens, to_numpy
from attnbook.plots import map_figure
from attnbook.widgets.base import BUNDLES, Widget, require_in_range, require_real, require_title
from attnbook.widgets.encoding import encode_mask, encode_weights
from attnbook.widgets.labels import NARROW_CHARACTER, label_width, plural
from attnbook.widgets.lines_figure import lines_figure
from attnbook.widgets.summaries import (
    Maps,
    encode_first,
    encode_spread,
    encode_thumbnails,
    entropies,
    every_map,
    peak_of_rest,
)

SETTINGS = (
    "forbidden",
    "frame",
    "head",
    "hide_first",
    "layer",
    "layout",
    "locked",
    "order",
    "scale",
    "shown_heads",
    "tour",
    "view",
)
MOST = 8  # heads shown at once as lines
LONGEST = 64  # tokens in a static picture of lines
EDITED, WIDEST = 12, 8  # most queries and keys of a map that is edited, and most components of its values
FLOOR = 1e-4  # start of the logarithmic scale
AT_ONCE = 8_000_000
"""Maximum bytes of weights and masks sent with the widget; a static page has no others."""


class Vectors(traitlets.List):
    """A trait for a matrix as nested lists; it also takes a tensor or an array."""

    def validate(self, obj, value):
        if hasattr(value, "ndim"):
            value = to_numpy(self.name, value).tolist()
        return super().validate(obj, value)


class AttentionExplorer(Widget):
    """An interactive view of attention weights: hover over a cell, lock a row, change layer and head.

    `weights` are `(T, S)`, `(H, T, S)` or `(L, H, T, S)`, torch or numpy; every row sums to 1, or to 0 if it
    is fully masked. `queries` are T tokens, `keys` S tokens (default: the queries). `mask` is boolean,
    broadcastable to the weights, True = may attend; masked cells are hatched.

    `head_names`, H strings, replace the heads' numbers, to name what a head does or to compare models.
    `frames`, F strings, name the steps of a sequence (of training, of decoding) and add a slider. `weights`
    is then a list of F arrays, or one array with a leading axis F, and so may be `mask`. Rows that don't
    exist yet are 0 and masked.

    With `editable=True` or `values` `(S, d)`, d ≤ 8, a single map of at most 12 × 12 can be edited: readers
    forbid cells, which renormalizes the rows as a softmax over the remaining scores would, and change the
    values, which changes `output`. The traits are `forbidden`, pairs `(query, key)`, and `values`;
    `view="edit"` shows all numbers; `weights` and `output` are those after the edits.

    The state is in traits, so `observe`, `jslink` and `interact` work both ways: `layer` and `head` (-1 for
    the mean; by default the most telling head, see `telling_head`), `frame`, `locked` (the locked row, -1 for
    none), `scale` of the colours ("peak": linear up to the largest weight of all maps and frames; "map":
    linear up to the largest weight of each map; "full": linear up to 1; "log": logarithmic from 0.0001 to the
    largest weight), `order` of the maps ("model"; "entropy": most focused first; "first": most weight on the
    first key first), `hide_first` (don't show the first key; the other weights are unchanged), `view` ("map";
    "lines": several heads at once, as coloured lines from queries to keys; "edit") and `shown_heads` (the
    heads drawn as lines, at most 8 pairs `(layer, head)`; by default those of the layer shown first). The
    static picture is the map of `layer` and `head`.

    Up to 8 MB of maps are sent with the widget. If there are more, each is sent when the page requests it; a
    static page then has only the map shown first and says so, or none if that map alone is too large. Raises
    ValueError and TypeError that name the argument, what it got and what it wanted.
    """

    _esm = BUNDLES / "attention_explorer.js"

    layer = traitlets.Int(0).tag(sync=True)
    head = traitlets.Int(0).tag(sync=True)
    frame = traitlets.Int(0).tag(sync=True)
    locked = traitlets.Int(-1).tag(sync=True)
    scale = traitlets.Enum(["peak", "map", "full", "log"], "peak").tag(sync=True)
    order = traitlets.Enum(["model", "entropy", "first"], "model").tag(sync=True)
    hide_first = traitlets.Bool(False).tag(sync=True)
    view = traitlets.Enum(["map", "lines", "edit"], "map").tag(sync=True)
    shown_heads = traitlets.List().tag(sync=True)
    forbidden = traitlets.List().tag(sync=True)
    values = Vectors().tag(sync=True)

    # not `keys`, because ipywidgets uses that name for its list of traits
    query_tokens = traitlets.List(traitlets.Unicode(), read_only=True).tag(sync=True)
    key_tokens = traitlets.List(traitlets.Unicode(), read_only=True).tag(sync=True)
    head_names = traitlets.List(traitlets.Unicode(), read_only=True).tag(sync=True)  # empty: numbers
    frames = traitlets.List(traitlets.Unicode(), read_only=True).tag(sync=True)  # empty: a single frame
    _given = traitlets.Dict().tag(sync=True)  # what can be edited: exact weights, values and forbidden cells
    _shape = traitlets.List(traitlets.Int()).tag(sync=True)  # L, H, T, S
    _gutters = traitlets.List(traitlets.Int()).tag(sync=True)  # pixels beside the rows and above the columns
    _peak = traitlets.Float().tag(sync=True)
    _peak_of_rest = traitlets.Float().tag(sync=True)  # without the first key
    # One per map, in the order frame, layer, head; empty until the page requests it.
    _weights = traitlets.List(traitlets.Bytes()).tag(sync=True)
    _masks = traitlets.List(traitlets.Bytes()).tag(sync=True)  # none, one for all maps, or one per map
    _spread = traitlets.Bytes().tag(sync=True)  # see summaries.py
    _first = traitlets.Bytes().tag(sync=True)
    _thumbnails = traitlets.Bytes().tag(sync=True)  # only if maps are sent on request

    def __init__(
        self,
        weights,
        queries,
        keys=None,
        mask=None,
        title="",
        *,
        frames=None,
        head_names=(),
        values=None,
        editable=False,
        **settings,
    ):
        if frames is None:
            sequence = [require_maps(weights, queries, keys, mask)]
        else:
            sequence = require_frames(weights, queries, keys, mask, frames)
        require_title(title)
        unknown = sorted(set(settings) - set(SETTINGS))
        if unknown:
            raise TypeError(f"{unknown[0]}: no such setting, wanted one of {', '.join(SETTINGS)}")
        if not isinstance(editable, bool):
            raise TypeError(f"editable: got {editable!r}, wanted True or False")
        self._sequence, self._original, self._editable = sequence, sequence[0], editable or values is not None
        if self._editable:
            require_editable(sequence)
            settings = {"scale": "full", "values": [] if values is None else values} | settings
        maps, all_maps = sequence[0], every_map(sequence)
        self.set_trait("frames", [] if frames is None else list(frames))
        self.set_trait("query_tokens", maps.queries)
        self.set_trait("key_tokens", maps.keys)
        if len(head_names):
            heads = maps.weights.shape[1]
            self.set_trait("head_names", require_tokens("head_names", head_names, heads, "heads"))
        elif not {"layer", "head"} & set(settings):
            settings |= dict(zip(("layer", "head"), telling_head(sequence[-1].weights), strict=True))
        layers, heads = map(range, maps.weights.shape[:2])
        layer = settings["layer"] if contains(layers, settings.get("layer")) else 0
        settings.setdefault("shown_heads", [[layer, head] for head in heads[:MOST]])
        super().__init__(
            title=title,
            _shape=list(maps.weights.shape),
            _gutters=gutters(maps.queries, maps.keys),
            _peak=max(frame.peak for frame in sequence),
            _peak_of_rest=peak_of_rest(sequence),
            _spread=encode_spread(all_maps),
            _first=encode_first(all_maps),
            **self._maps_to_send(
                tuple(settings.get(name, 0) for name in ("frame", "layer", "head")), all_maps
            ),
            **settings,
        )
        if self._editable:
            exact = self._original.weights[0, 0].tolist()
            self._given = {"weights": exact, "values": self.values, "forbidden": self.forbidden}
        self.on_msg(self._answer)

    def _maps_to_send(self, shown: tuple[int, int, int], all_maps: Maps) -> dict:
        """The traits with the maps sent at once: all maps, only the one shown first, or none."""
        first = self._sequence[0]
        places = list(np.ndindex(len(self._sequence), *first.weights.shape[:2]))
        cells = first.weights[0, 0].size
        fits = 2 * cells <= AT_ONCE  # a single map
        self._each_its_mask = first.mask is not None and not (fits and same_masks(self._sequence))
        all_cells = len(places) * cells
        at_once = 2 * all_cells + self._each_its_mask * all_cells // 8 <= AT_ONCE
        goes = [at_once or (fits and place == shown) for place in places]
        sent = [self._encode(place) if now else [b""] for place, now in zip(places, goes, strict=True)]
        traits = {"_weights": [one[0] for one in sent]}
        if self._each_its_mask:
            traits["_masks"] = [one[-1] for one in sent]
        elif first.mask is not None or self._editable:
            mask = np.ones(cells, bool) if first.mask is None else first.mask[0, 0]
            traits["_masks"] = [encode_mask(mask)]
        return traits if at_once else traits | {"_thumbnails": encode_thumbnails(all_maps)}

    def _encode(self, place: tuple[int, int, int]) -> list[bytes]:
        """The encoded map of a frame, layer and head, with its mask if maps have separate masks."""
        frame, layer, head = place
        weights, mask = self._sequence[frame].at(layer, head)
        return [encode_weights(weights), *([encode_mask(mask)] if self._each_its_mask else [])]

    def _answer(self, _, content, buffers):
        """Send the map that the page requests by frame, layer and head."""
        place = content.get("map")
        limits = [range(len(self._sequence)), *(range(MEAN, count) for count in self._shape[:2])]
        if isinstance(place, list) and len(place) == 3 and all(map(contains, limits, place)):
            self.send({"map": place}, self._encode(tuple(place)))

    @property
    def weights(self) -> np.ndarray:
        """The weights `(L, H, T, S)`, or `(F, L, H, T, S)` with frames."""
        if self.frames:
            return np.stack([frame.weights for frame in self._sequence])
        return self._sequence[0].weights

    @property
    def output(self) -> np.ndarray | None:
        """The output `(T, d)`: the weights times the values, or None without values."""
        return self._sequence[0].weights[0, 0] @ np.array(self.values) if self.values else None

    @traitlets.validate("view")
    def _is_view(self, proposal):
        if proposal["value"] == "edit":
            self._require_editable("view: got 'edit'")
        return proposal["value"]

    @traitlets.validate("forbidden")
    def _are_cells(self, proposal):
        """The pairs as lists, each once; raise unless they are cells of the map."""
        _, _, queries, keys = self._original.weights.shape
        for cell in proposal["value"][:1]:
            self._require_editable(f"forbidden: got {cell!r}")
        return require_pairs("forbidden", proposal["value"], query=queries, key=keys)

    @traitlets.observe("forbidden")
    def _forbid(self, change):
        self._sequence = [forbid(self._original, change["new"])]

    @traitlets.validate("values")
    def _are_values(self, proposal):
        """The values as lists of floats; raise unless they are `(S, d)`, later with the same d."""
        values, given = proposal["value"], self._given.get("values")
        if not (values or given):
            return []
        self._require_editable("values: got vectors")
        array = require_values(values, self._original.weights.shape[-1])
        if self._given and array.shape != np.shape(given):
            raise ValueError(f"values: got shape {array.shape}, wanted {np.shape(given)} as in the call")
        return array.tolist()

    def _require_editable(self, got: str):
        if not self._editable:
            raise ValueError(f"{got}, wanted editable=True or values= in the call of AttentionExplorer")

    @traitlets.validate("layer", "head", "frame", "locked")
    def _within(self, proposal):
        """Raise unless the layer, head, frame or row exists."""
        name, value = proposal["trait"].name, proposal["value"]
        layers, heads, queries, _ = self._sequence[0].weights.shape
        counts = {"layer": layers, "head": heads, "frame": len(self._sequence), "locked": queries}
        count = counts[name]
        mean = count > 1 and not (name == "head" and self.head_names)  # named maps have no mean
        special = {"locked": "none", "layer": "the mean" * mean, "head": "the mean" * mean}.get(name)
        if not (-1 if special else 0) <= value < count:
            note = f" (-1 for {special})" if special else ""
            raise ValueError(f"{name}: got {value}, wanted {-1 if special else 0} to {count - 1}{note}")
        return value

    @traitlets.validate("shown_heads")
    def _are_heads(self, proposal):
        """The pairs as lists, each once; raise unless they are at most 8 heads that exist."""
        layers, heads = self._sequence[0].weights.shape[:2]
        pairs = require_pairs("shown_heads", proposal["value"], layer=layers, head=heads)
        if len(pairs) > MOST:
            raise ValueError(f"shown_heads: got {len(pairs)} heads, wanted at most {MOST}")
        return pairs

    def describe(self) -> str:
        """The current view in one line."""
        layers, heads, queries, keys = self._shape
        counts = [(len(self._sequence), "frame"), (layers, "layer"), (heads, "head")]
        counts += [(queries, "query"), (keys, "key")]
        shown = [f"{n} {plural(word, n)}" for n, word in counts if n > 1 or word in ("query", "key")]
        return ": ".join(filter(None, ["Attention map", self.title, ", ".join(shown)]))

    def _caption(self) -> str:
        """The picture's title: the widget's title and the name of the map."""
        where = [*self._place(self.layer, self.head), *self.frames[self.frame : self.frame + 1]]
        return ": ".join(filter(None, [self.title, ", ".join(where)]))

    def _place(self, layer: int, head: int) -> list[str]:
        """A map's layer and head in words, if there are several."""
        layers, heads, *_ = self._shape
        where = [] if layers == 1 else ["mean of layers" if layer == MEAN else f"layer {layer}"]
        if self.head_names:
            where.append(self.head_names[head])
        elif heads > 1:
            where.append("mean of heads" if head == MEAN else f"head {head}")
        return where

    def figure(self) -> Figure:
        """The current map, or the lines of the shown heads, as a static picture."""
        largest = self._peak_of_rest if self.hide_first else self._peak
        if self.scale == "map":
            shown, _ = self._sequence[self.frame].at(self.layer, self.head)
            largest = float(shown[:, int(self.hide_first) :].max(initial=0)) or 1.0
        peak = {"full": 1.0, "log": max(largest, 10 * FLOOR)}.get(self.scale, largest)
        if self.view == "lines" and max(self._shape[2:]) <= LONGEST:
            names = [", ".join(self._place(*pair)) for pair in self.shown_heads]
            title = ": ".join(filter(None, [self.title, *self.frames[self.frame : self.frame + 1]]))
            look = {"peak": peak, "hidden": int(self.hide_first)}
            return lines_figure(self._sequence[self.frame], self.shown_heads, names, title=title, **look)
        look = {"peak": peak, "floor": FLOOR * (self.scale == "log"), "hidden": int(self.hide_first)}
        return map_figure(self._sequence[self.frame], self.layer, self.head, title=self._caption(), **look)


def require_pairs(name: str, pairs: list, **limits: int) -> list[list[int]]:
    """The pairs as lists, each once; raise unless each number is at least 0 and below its limit."""
    found = []
    for pair in pairs:
        whole = isinstance(pair, (list, tuple)) and len(pair) == len(limits)
        if not (whole and all(map(contains, map(range, limits.values()), pair))):
            within = " and ".join(f"{each} 0 to {limit - 1}" for each, limit in limits.items())
            raise ValueError(f"{name}: got {pair!r}, wanted pairs ({', '.join(limits)}), {within}")
        if list(pair) not in found:
            found.append(list(pair))
    return found


def require_editable(sequence: list[AttentionMaps]) -> None:
    """Raise unless it is a single map of at most 12 × 12."""
    layers, heads, queries, keys = sequence[0].weights.shape
    if len(sequence) * layers * heads > 1:
        shape = (len(sequence),) * (len(sequence) > 1) + sequence[0].weights.shape
        raise ValueError(f"editable: got weights {shape}, wanted a single map (T, S)")
    if max(queries, keys) > EDITED:
        raise ValueError(f"editable: got a map of {queries} × {keys}, wanted at most {EDITED} × {EDITED}")


def require_values(values: list, keys: int) -> np.ndarray:
    """The values `(S, d)` in float64, d at most 8."""
    try:
        array = np.array(values)
    except ValueError:
        raise ValueError("values: got rows of different lengths, wanted (S, d)") from None
    require_real("values", array)
    if array.ndim != 2 or len(array) != keys or not 1 <= array.shape[1] <= WIDEST:
        raise ValueError(
            f"values: got shape {array.shape}, wanted ({keys}, d), d from 1 to {WIDEST}: a vector per key"
        )
    return require_in_range("values", array)


def forbid(maps: AttentionMaps, cells: list[list[int]]) -> AttentionMaps:
    """The maps without these cells `[query, key]`; what remains of a row is divided by its sum.

    Softmax weights divided by the sum of the allowed ones are the softmax over the allowed scores. A row
    that loses its last weight is 0.
    """
    if not cells:
        return maps
    mask = np.ones(maps.weights.shape, bool) if maps.mask is None else maps.mask.copy()
    for query, key in cells:
        mask[..., query, key] = False
    kept = np.where(mask, maps.weights, 0)  # (L, H, T, S)
    total = kept.sum(-1, keepdims=True)  # (L, H, T, 1)
    scaled = kept / np.where(total > 0, total, 1)
    changed = (kept != maps.weights).any(-1, keepdims=True)  # (L, H, T, 1)
    return replace(maps, weights=np.where(changed, scaled, maps.weights), mask=mask)


def telling_head(weights: np.ndarray) -> tuple[int, int]:
    """Layer and head whose map says most about where each query attends."""
    information = np.array([[mutual_information(head) for head in layer] for layer in weights])  # (L, H)
    layer, head = np.unravel_index(information.argmax(), information.shape)
    return int(layer), int(head)


def mutual_information(weights: np.ndarray) -> float:
    """What a query says about its key, in bits, with all queries equally likely.

    It is large if rows are focused, each on other keys; a map whose rows are all alike has none.
    """
    rows = weights[weights.any(-1)]  # without fully masked rows
    if not len(rows):
        return 0.0
    mean = rows.mean(0, keepdims=True, dtype=np.float64)  # (1, S)
    return float(entropies(mean)[0] - entropies(rows).mean())


def contains(limits: range, value) -> bool:
    """Whether `value` is an integer within the limits."""
    return type(value) is int and value in limits


def same_masks(sequence: list[AttentionMaps]) -> bool:
    """Whether all frames, layers and heads have the same mask, or none."""
    first = sequence[0].mask
    return first is None or all((frame.mask == first[0, 0]).all() for frame in sequence)


def gutters(queries: list[str], keys: list[str]) -> list[int]:
    """Pixels for the labels beside the rows and above the columns."""
    beside = max(label_width(token) for token in queries)
    above = max(label_width(token) for token in keys)
    upright = above <= 2 * NARROW_CHARACTER  # one wide character or two narrow ones
    return [min(150, max(58, beside + 14)), 34 if upright else min(130, max(40, above + 14))]
