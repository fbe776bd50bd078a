"""The language model explorer: a published language model in the page, with every head's weights."""

import numpy as np
import traitlets
from matplotlib.figure import Figure

from attnbook.maps import require_maps
from attnbook.plots import map_figure
from attnbook.pretrained.models import find
from attnbook.widgets import language_prompts as prompts
from attnbook.widgets.base import BUNDLES, Widget, require_title
from attnbook.widgets.language_prompts import HEADS, LAYERS, Reading, require_prompt
from attnbook.widgets.model_files import serve_model

SORTS = ("first", "previous", "induction", "pair")
HOTTEST = 2.0


class LanguageModelExplorer(Widget):
    """SmolLM2-135M-Instruct in the page: next tokens, all 270 heads, and what changes when some are cut.

    `prompt` is one of the recorded prompts (`attnbook.widgets.language_prompts.PROMPTS`, by name or text), or
    another text, which Python then runs through the published model. In the page, the reader can load the
    model and type any prompt of at most 128 tokens. On a website the browser fetches the model's file and
    keeps it; in a notebook Python sends it to the page, 98 MB in chunks, each time it is asked for.

    Traits to set and observe: `prompt`; `position`, whose next token is shown (-1: the last); `layer` and
    `head`; `cut`, the heads left out, as pairs `[layer, head]`; `sort`, what the heads are ranked by
    ("first", "previous", "induction" or "pair"); `key`, the key of that pair; `temperature` (0 to 2, 0 takes
    the most probable token) and `top_p` (above 0, at most 1). Raises `TypeError` and `ValueError` that name
    the argument.
    """

    _esm = BUNDLES / "language_model_explorer.js"

    prompt = traitlets.Unicode("").tag(sync=True)
    position = traitlets.Int(-1).tag(sync=True)
    key = traitlets.Int(0).tag(sync=True)
    layer = traitlets.Int(0).tag(sync=True)
    head = traitlets.Int(0).tag(sync=True)
    cut = traitlets.List(traitlets.List(traitlets.Int())).tag(sync=True)
    sort = traitlets.Unicode("induction").tag(sync=True)
    temperature = traitlets.Float(0.0).tag(sync=True)
    top_p = traitlets.Float(1.0).tag(sync=True)

    _shape = traitlets.List(read_only=True).tag(sync=True)  # layers and heads
    _model = traitlets.Unicode(prompts.MODEL, read_only=True).tag(sync=True)
    _bytes = traitlets.Dict(read_only=True).tag(sync=True)  # of the file, and cached per token
    _names = traitlets.List(read_only=True).tag(sync=True)  # of the recorded prompts
    _readings = traitlets.List(read_only=True).tag(sync=True)
    _maps = traitlets.List(traitlets.Bytes(), read_only=True).tag(sync=True)

    def __init__(self, prompt="A list, repeated", *, layer=18, head=6, title="", **settings):
        require_title(title)
        known = {"position", "key", "cut", "sort", "temperature", "top_p", "layout", "tour"}
        if unknown := sorted(set(settings) - known):
            raise TypeError(f"{unknown[0]}: no such setting")
        readings = dict(prompts.recorded())
        text = prompts.PROMPTS.get(require_prompt(prompt), prompt)
        if text not in prompts.PROMPTS.values():
            readings = {"Your prompt": prompts.read(text)} | readings
        self._known = {reading.text: reading for reading in readings.values()}
        self.set_trait("_shape", [LAYERS, HEADS])
        size = find(prompts.MODEL).files[0].size
        self.set_trait("_bytes", {"file": size, "cached": prompts.CACHED})
        self.set_trait("_names", [*readings])
        self.set_trait("_readings", [reading.summary() for reading in readings.values()])
        self.set_trait("_maps", [reading.codes() for reading in readings.values()])
        super().__init__(prompt=text, layer=layer, head=head, title=title, **settings)
        serve_model(self, prompts.MODEL)

    @traitlets.validate("prompt")
    def _is_prompt(self, proposal):
        return require_prompt(proposal["value"])

    @traitlets.validate("layer", "head")
    def _is_head(self, proposal):
        name, number = proposal["trait"].name, proposal["value"]
        require_index(name, number, LAYERS if name == "layer" else HEADS)
        return number

    @traitlets.validate("cut")
    def _are_heads(self, proposal):
        for pair in proposal["value"]:
            if len(pair) != 2:
                raise ValueError(f"cut: got {pair}, wanted pairs [layer, head]")
            require_index("cut: layer", pair[0], LAYERS)
            require_index("cut: head", pair[1], HEADS)
        return proposal["value"]

    @traitlets.validate("sort")
    def _is_sort(self, proposal):
        if proposal["value"] not in SORTS:
            raise ValueError(f"sort: got {proposal['value']!r}, wanted one of {', '.join(SORTS)}")
        return proposal["value"]

    @traitlets.validate("temperature")
    def _is_temperature(self, proposal):
        if not 0 <= proposal["value"] <= HOTTEST:
            raise ValueError(f"temperature: got {proposal['value']:g}, wanted 0 to {HOTTEST:g}")
        return proposal["value"]

    @traitlets.validate("top_p")
    def _is_share(self, proposal):
        if not 0 < proposal["value"] <= 1:
            raise ValueError(f"top_p: got {proposal['value']:g}, wanted more than 0, at most 1")
        return proposal["value"]

    @property
    def reading(self) -> Reading:
        """What the model makes of `prompt`: recorded, or computed in Python."""
        return self._known.get(self.prompt) or prompts.read(self.prompt)

    def describe(self) -> str:
        """The current view in one line."""
        token, share = self.reading.likeliest[-1][0]
        made = f"“{self.prompt}” → “{token}” ({share:.3f}), layer {self.layer}, head {self.head}"
        return ": ".join(filter(None, ["Language model", self.title, made]))

    def figure(self) -> Figure:
        """The map of the chosen head as a static picture."""
        reading = self.reading
        maps = require_maps(reading.maps, reading.tokens, mask=np.tri(len(reading.tokens), dtype=bool))
        title = self.title or f"Layer {self.layer}, head {self.head}"
        return map_figure(maps, self.layer, self.head, title=title)


def require_index(name: str, number: int, count: int) -> None:
    """Raise ValueError unless 0 ≤ `number` < `count`."""
    if not 0 <= number < count:
        raise ValueError(f"{name}: got {number}, wanted 0 to {count - 1}")
