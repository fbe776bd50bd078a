"""The attention explorer: any attention map of any model, read cell by cell."""

import base64
import io
from pathlib import Path

import anywidget
import numpy as np
import traitlets

from attnbook.maps import AttentionMaps, check_frames, check_maps, check_tokens
from attnbook.plots import map_figure
from attnbook.widgets.encoding import encode_mask, encode_weights
from attnbook.widgets.labels import NARROW_CHARACTER, label_width, plural

SETTINGS = ("frame", "head", "layer", "layout", "locked", "scale")
BUNDLES = Path(__file__).parent / "bundles"


class AttentionExplorer(anywidget.AnyWidget):
    """Attention weights to look at: hover over a cell, lock a row, change layer and head.

    `weights` are `(T, S)`, `(H, T, S)` or `(L, H, T, S)`, torch or numpy, every row summing to 1 (or 0 where
    there was nothing to attend to). `queries` are T tokens, `keys` S tokens (without them the queries are the
    keys). `mask` is boolean, broadcastable to the weights, True = may attend; masked cells are hatched.

    `head_names`, H strings, stand for the heads' numbers: to name what was found, or to compare models.
    `frames`, F strings, name the steps of a sequence (of training, of decoding) that a slider runs through:
    `weights` are then a list of F arrays, or one array with F before the shapes above, and `mask` may be too.
    Rows that are not there yet are 0 and masked.

    `layer`, `head`, `frame`, `locked` (the locked row, -1 for none) and `scale` ("peak": the deepest colour
    is the largest weight of all maps and frames; "full": it is 1) are traits, so `observe` and `jslink` work
    both ways. Raises ValueError and TypeError that name the argument, what it got and what it wanted.
    """

    _esm = BUNDLES / "attention_explorer.js"

    title = traitlets.Unicode("").tag(sync=True)
    layer = traitlets.Int(0).tag(sync=True)
    head = traitlets.Int(0).tag(sync=True)
    frame = traitlets.Int(0).tag(sync=True)
    locked = traitlets.Int(-1).tag(sync=True)
    scale = traitlets.Enum(["peak", "full"], "peak").tag(sync=True)

    # `keys` is ipywidgets' own name for the list of traits
    query_tokens = traitlets.List(traitlets.Unicode(), read_only=True).tag(sync=True)
    key_tokens = traitlets.List(traitlets.Unicode(), read_only=True).tag(sync=True)
    head_names = traitlets.List(traitlets.Unicode(), read_only=True).tag(sync=True)  # none: by number
    frames = traitlets.List(traitlets.Unicode(), read_only=True).tag(sync=True)  # none: a single one
    _shape = traitlets.List(traitlets.Int()).tag(sync=True)  # L, H, T, S
    _gutters = traitlets.List(traitlets.Int()).tag(sync=True)  # pixels beside the rows and above the columns
    _peak = traitlets.Float().tag(sync=True)
    _weights = traitlets.List(traitlets.Bytes()).tag(
        sync=True
    )  # one for each map: in frame 0 layer 0, its heads; layer 1 …; frame 1 …
    _masks = traitlets.List(traitlets.Bytes()).tag(sync=True)  # none, one for all, or one for each map

    def __init__(
        self, weights, queries, keys=None, mask=None, title="", *, frames=None, head_names=(), **settings
    ):
        if frames is None:
            sequence = [check_maps(weights, queries, keys, mask)]
        else:
            sequence = check_frames(weights, queries, keys, mask, frames)
        maps = sequence[0]
        if not isinstance(title, str):
            raise TypeError(f"title: got {type(title).__name__}, wanted a string")
        unknown = sorted(set(settings) - set(SETTINGS))
        if unknown:
            raise TypeError(f"{unknown[0]}: no such setting, wanted one of {', '.join(SETTINGS)}")
        self._maps = sequence
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
            _weights=[encode_weights(one) for frame in sequence for layer in frame.weights for one in layer],
            _masks=encode_masks(sequence),
            **settings,
        )

    @property
    def weights(self) -> np.ndarray:
        """The weights `(L, H, T, S)`, with frames `(F, L, H, T, S)`."""
        if self.frames:
            return np.stack([frame.weights for frame in self._maps])
        return self._maps[0].weights

    @traitlets.validate("layer", "head", "frame", "locked")
    def _within(self, proposal):
        """A layer, head, frame or row that exists."""
        name, value = proposal["trait"].name, proposal["value"]
        layers, heads, queries, _ = self._maps[0].weights.shape
        bounds = {
            "layer": (0, layers),
            "head": (0, heads),
            "frame": (0, len(self._maps)),
            "locked": (-1, queries),
        }
        first, count = bounds[name]
        if not first <= value < count:
            none = " (-1 for none)" if name == "locked" else ""
            raise ValueError(f"{name}: got {value}, wanted {first} to {count - 1}{none}")
        return value

    def describe(self) -> str:
        """What is shown, in one line."""
        layers, heads, queries, keys = self._maps[0].weights.shape
        counts = [(len(self._maps), "frame"), (layers, "layer"), (heads, "head")]
        counts += [(queries, "query"), (keys, "key")]
        shown = [f"{n} {plural(word, n)}" for n, word in counts if n > 1 or word in ("query", "key")]
        return ": ".join(filter(None, ["Attention map", self.title, ", ".join(shown)]))

    def _repr_mimebundle_(self, **kwargs):
        """The widget, and beside it a picture and a line for where no widget can run."""
        data, metadata = super()._repr_mimebundle_(**kwargs)
        names = [self.head_names[self.head]] if self.head_names else []
        names += [self.frames[self.frame]] if self.frames else []
        title = ": ".join(filter(None, [self.title, ", ".join(names)]))
        figure = map_figure(self._maps[self.frame], self.layer, self.head, title=title, peak=self._peak)
        png = io.BytesIO()
        figure.savefig(png, format="png", dpi=110, pil_kwargs={"optimize": True})
        data["image/png"] = base64.b64encode(png.getvalue()).decode("ascii")
        data["text/plain"] = self.describe()
        return data, metadata


def encode_masks(sequence: list[AttentionMaps]) -> list[bytes]:
    """The mask of every frame, layer and head, or one for all where they are the same."""
    masks = [frame.mask for frame in sequence]
    if masks[0] is None:
        return []
    if all((mask == masks[0][0, 0]).all() for mask in masks):
        return [encode_mask(masks[0][0, 0])]
    return [encode_mask(one) for mask in masks for layer in mask for one in layer]


def gutters(queries: list[str], keys: list[str]) -> list[int]:
    """Pixels that the labels need beside the rows and above the columns."""
    beside = max(label_width(token) for token in queries)
    above = max(label_width(token) for token in keys)
    upright = above <= 2 * NARROW_CHARACTER  # one wide character or two narrow ones
    return [min(150, max(58, beside + 14)), 34 if upright else min(130, max(40, above + 14))]
