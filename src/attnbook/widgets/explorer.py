"""The attention explorer: any attention map of any model, read cell by cell."""

import numpy as np
import traitlets
from matplotlib.figure import Figure

from attnbook.maps import MEAN, AttentionMaps, check_frames, check_maps, check_tokens
from attnbook.plots import map_figure
from attnbook.widgets.base import BUNDLES, Widget, check_title
from attnbook.widgets.encoding import encode_mask, encode_weights
from attnbook.widgets.labels import NARROW_CHARACTER, label_width, plural
from attnbook.widgets.summaries import (
    Maps,
    encode_first,
    encode_spread,
    encode_thumbnails,
    every_map,
    peak_of_rest,
)

SETTINGS = ("frame", "head", "hide_first", "layer", "layout", "locked", "order", "scale")
FLOOR = 1e-4  # where a logarithmic scale begins
AT_ONCE = 8_000_000
"""Bytes of weights and masks that go with a widget, all that it has on a page without a kernel."""


class AttentionExplorer(Widget):
    """Attention weights to look at: hover over a cell, lock a row, change layer and head.

    `weights` are `(T, S)`, `(H, T, S)` or `(L, H, T, S)`, torch or numpy, every row summing to 1 (or 0 where
    there was nothing to attend to). `queries` are T tokens, `keys` S tokens (without them the queries are the
    keys). `mask` is boolean, broadcastable to the weights, True = may attend; masked cells are hatched.

    `head_names`, H strings, stand for the heads' numbers: to name what was found, or to compare models.
    `frames`, F strings, name the steps of a sequence (of training, of decoding) that a slider runs through:
    `weights` are then a list of F arrays, or one array with F before the shapes above, and `mask` may be too.
    Rows that are not there yet are 0 and masked.

    What is shown is in traits, so `observe`, `jslink` and `interact` work both ways: `layer` and `head` (-1
    for the mean of all), `frame`, `locked` (the locked row, -1 for none), `scale` ("peak": the deepest
    colour is the largest weight of all maps and frames; "full": it is 1; "log": by powers of ten, from
    0.0001 to the largest weight), `order` of the maps ("model"; "entropy": most focused first; "first":
    most on the first key first) and `hide_first` (leave the first key out of the picture; the other weights
    stay as they are).

    Up to 8 MB of maps go with the widget. More are sent map by map, as the page asks for them; a page
    without a kernel then has only the first one shown, and says so; where one map alone is larger, it has
    none. Raises ValueError and TypeError that
    name the argument, what it got and what it wanted.
    """

    _esm = BUNDLES / "attention_explorer.js"

    layer = traitlets.Int(0).tag(sync=True)
    head = traitlets.Int(0).tag(sync=True)
    frame = traitlets.Int(0).tag(sync=True)
    locked = traitlets.Int(-1).tag(sync=True)
    scale = traitlets.Enum(["peak", "full", "log"], "peak").tag(sync=True)
    order = traitlets.Enum(["model", "entropy", "first"], "model").tag(sync=True)
    hide_first = traitlets.Bool(False).tag(sync=True)

    # `keys` is ipywidgets' own name for the list of traits
    query_tokens = traitlets.List(traitlets.Unicode(), read_only=True).tag(sync=True)
    key_tokens = traitlets.List(traitlets.Unicode(), read_only=True).tag(sync=True)
    head_names = traitlets.List(traitlets.Unicode(), read_only=True).tag(sync=True)  # none: by number
    frames = traitlets.List(traitlets.Unicode(), read_only=True).tag(sync=True)  # none: a single one
    _shape = traitlets.List(traitlets.Int()).tag(sync=True)  # L, H, T, S
    _gutters = traitlets.List(traitlets.Int()).tag(sync=True)  # pixels beside the rows and above the columns
    _peak = traitlets.Float().tag(sync=True)
    _peak_of_rest = traitlets.Float().tag(sync=True)  # without the first key
    # One for each map: in frame 0 layer 0, its heads; layer 1 …; frame 1 …; empty until it is asked for.
    _weights = traitlets.List(traitlets.Bytes()).tag(sync=True)
    _masks = traitlets.List(traitlets.Bytes()).tag(sync=True)  # none, one for all, or one for each map
    _spread = traitlets.Bytes().tag(sync=True)  # see summaries.py
    _first = traitlets.Bytes().tag(sync=True)
    _thumbnails = traitlets.Bytes().tag(sync=True)  # only where maps are asked for

    def __init__(
        self, weights, queries, keys=None, mask=None, title="", *, frames=None, head_names=(), **settings
    ):
        if frames is None:
            sequence = [check_maps(weights, queries, keys, mask)]
        else:
            sequence = check_frames(weights, queries, keys, mask, frames)
        check_title(title)
        unknown = sorted(set(settings) - set(SETTINGS))
        if unknown:
            raise TypeError(f"{unknown[0]}: no such setting, wanted one of {', '.join(SETTINGS)}")
        self._sequence = sequence
        maps, all_maps = sequence[0], every_map(sequence)
        self.set_trait("frames", [] if frames is None else list(frames))
        self.set_trait("query_tokens", maps.queries)
        self.set_trait("key_tokens", maps.keys)
        if len(head_names):
            heads = maps.weights.shape[1]
            self.set_trait("head_names", check_tokens("head_names", head_names, heads, "heads"))
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
        self.on_msg(self._answer)

    def _maps_to_send(self, shown: tuple[int, int, int], all_maps: Maps) -> dict:
        """The maps that go with the widget: all of them, only the one that is shown first, or none."""
        first = self._sequence[0]
        places = list(np.ndindex(len(self._sequence), *first.weights.shape[:2]))
        cells = first.weights[0, 0].size
        fits = 2 * cells <= AT_ONCE  # one map
        self._each_its_mask = first.mask is not None and not (fits and same_masks(self._sequence))
        all_cells = len(places) * cells
        at_once = 2 * all_cells + self._each_its_mask * all_cells // 8 <= AT_ONCE
        goes = [at_once or (fits and place == shown) for place in places]
        sent = [self._encode(place) if now else [b""] for place, now in zip(places, goes, strict=True)]
        traits = {"_weights": [one[0] for one in sent]}
        if self._each_its_mask:
            traits["_masks"] = [one[-1] for one in sent]
        elif first.mask is not None:
            traits["_masks"] = [encode_mask(first.mask[0, 0])]
        return traits if at_once else traits | {"_thumbnails": encode_thumbnails(all_maps)}

    def _encode(self, place: tuple[int, int, int]) -> list[bytes]:
        """The map of a frame, layer and head as it travels, and its mask where each has its own."""
        frame, layer, head = place
        weights, mask = self._sequence[frame].at(layer, head)
        return [encode_weights(weights), *([encode_mask(mask)] if self._each_its_mask else [])]

    def _answer(self, _, content, buffers):
        """Sends the map that the page asks for: its frame, layer and head."""
        place = content.get("map")
        limits = [range(len(self._sequence)), *(range(MEAN, count) for count in self._shape[:2])]
        if isinstance(place, list) and len(place) == 3 and all(map(contains, limits, place)):
            self.send({"map": place}, self._encode(tuple(place)))

    @property
    def weights(self) -> np.ndarray:
        """The weights `(L, H, T, S)`, with frames `(F, L, H, T, S)`."""
        if self.frames:
            return np.stack([frame.weights for frame in self._sequence])
        return self._sequence[0].weights

    @traitlets.validate("layer", "head", "frame", "locked")
    def _within(self, proposal):
        """A layer, head, frame or row that exists."""
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

    def describe(self) -> str:
        """What is shown, in one line."""
        layers, heads, queries, keys = self._shape
        counts = [(len(self._sequence), "frame"), (layers, "layer"), (heads, "head")]
        counts += [(queries, "query"), (keys, "key")]
        shown = [f"{n} {plural(word, n)}" for n, word in counts if n > 1 or word in ("query", "key")]
        return ": ".join(filter(None, ["Attention map", self.title, ", ".join(shown)]))

    def _caption(self) -> str:
        """The title of the picture: the widget's own, and which of its maps it is."""
        layers, heads, *_ = self._shape
        where = [] if layers == 1 else ["mean of layers" if self.layer == MEAN else f"layer {self.layer}"]
        if self.head_names:
            where.append(self.head_names[self.head])
        elif heads > 1:
            where.append("mean of heads" if self.head == MEAN else f"head {self.head}")
        where += self.frames[self.frame : self.frame + 1]
        return ": ".join(filter(None, [self.title, ", ".join(where)]))

    def figure(self) -> Figure:
        """The map that is shown, as a picture."""
        largest = self._peak_of_rest if self.hide_first else self._peak
        peak = {"full": 1.0, "log": max(largest, 10 * FLOOR)}.get(self.scale, largest)
        look = {"peak": peak, "floor": FLOOR * (self.scale == "log"), "hidden": int(self.hide_first)}
        return map_figure(self._sequence[self.frame], self.layer, self.head, title=self._caption(), **look)


def contains(limits: range, value) -> bool:
    """Whether it is a whole number within the limits."""
    return type(value) is int and value in limits


def same_masks(sequence: list[AttentionMaps]) -> bool:
    """Whether every frame, layer and head has the same mask, or none has any."""
    first = sequence[0].mask
    return first is None or all((frame.mask == first[0, 0]).all() for frame in sequence)


def gutters(queries: list[str], keys: list[str]) -> list[int]:
    """Pixels that the labels need beside the rows and above the columns."""
    beside = max(label_width(token) for token in queries)
    above = max(label_width(token) for token in keys)
    upright = above <= 2 * NARROW_CHARACTER  # one wide character or two narrow ones
    return [min(150, max(58, beside + 14)), 34 if upright else min(130, max(40, above + 14))]
