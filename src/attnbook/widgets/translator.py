"""The date translator: the book's trained Transformer translates a date that the reader types."""

import re
from functools import lru_cache

import traitlets
from babel import Locale
from matplotlib.figure import Figure

from attnbook import checkpoints
from attnbook.data.dates import FORMATS, LANGUAGES, date_pieces
from attnbook.data.translation import TARGETS
from attnbook.plots import map_figure
from attnbook.widgets.base import BUNDLES, Widget, require_title
from attnbook.widgets.encoding import encode_vectors, encode_weights
from attnbook.widgets.tours import FLOW, Tour
from attnbook.widgets.translation import (
    CHECKPOINT,
    LONGEST,
    Translation,
    in_words,
    readable,
    shipped,
    translate,
)

KINDS = ("cross", "decoder", "encoder")
STREAMS = ("encoder", "memory", "decoder")
CUT = re.compile(r"(cross|decoder|encoder)(\.(\d{1,4}|\*)){1,4}")  # kind, layer, head, row, column


class DateTranslator(Widget):
    """A trained Transformer that translates the date you type, its attention growing token by token.

    `text` is a date in one of nine languages, `target` the language to translate into, or "iso". The first
    translation is computed in Python, later ones by the model in the page. Traits to set and observe: `text`,
    `target`, `kind`, the attention shown ("cross", "decoder" or "encoder"), and `cuts`, what the model in the
    page may not use: "cross.1.2" is head 2 of layer 1, "cross.1.2.3.0" one weight, at row 3 and column 0, and
    "*" means all, as in "cross.*.*.*.0". The other weights of a row are renormalized; a row without weights
    outputs zeros, so cutting a head is `attnbook.ablate`. With `flow`, the widget draws the whole model at
    work: the vectors of every token in every layer, and the weights between input and output. The model is
    the checkpoint "dates-translate"; its model card states its accuracy. It answers text that isn't a date
    with a date too, and that date is wrong. Raises `TypeError` and `ValueError` that name the argument.
    """

    _esm = BUNDLES / "date_translator.js"

    text = traitlets.Unicode("").tag(sync=True)
    target = traitlets.Unicode("").tag(sync=True)
    kind = traitlets.Unicode("cross").tag(sync=True)
    cuts = traitlets.List(traitlets.Unicode()).tag(sync=True)

    # Code, English name and native name, in the order of the model's tags. A list, because saving a notebook
    # sorts the keys of a dictionary.
    _languages = traitlets.List(read_only=True).tag(sync=True)
    _writing = traitlets.Dict(read_only=True).tag(sync=True)  # language → format → pieces of a date
    _known = traitlets.Unicode(read_only=True).tag(sync=True)  # all characters that the model can read
    _first = traitlets.Dict(read_only=True).tag(sync=True)  # the first translation, and its maps below
    _encoder = traitlets.List(traitlets.Bytes(), read_only=True).tag(sync=True)
    _decoder = traitlets.List(traitlets.Bytes(), read_only=True).tag(sync=True)
    _cross = traitlets.List(traitlets.Bytes(), read_only=True).tag(sync=True)
    # With `flow`, the first translation's vectors: 8-bit codes of `STREAMS`, and the size of a step in each.
    _streams = traitlets.List(traitlets.Bytes(), read_only=True).tag(sync=True)
    _steps = traitlets.List(traitlets.Float(), read_only=True).tag(sync=True)

    def __init__(self, text="Saturday, March 7, 2009", target="fr", title="", flow=False, **settings):
        require_title(title)
        if not isinstance(flow, bool):
            raise TypeError(f"flow: got {type(flow).__name__}, wanted True or False")
        unknown = sorted(set(settings) - {"kind", "cuts", "layout", "tour"})
        if unknown:
            raise TypeError(f"{unknown[0]}: no such setting")
        first = translate(require_text(text), require_target(target))
        self.set_trait("_languages", [[code, *names] for code, names in language_names().items()])
        self.set_trait("_writing", writing())
        self.set_trait("_known", "".join(shipped().task.source.characters))
        for kind in KINDS:
            maps = first.maps(kind).weights  # (L, H, ·, ·)
            each = [encode_weights(head) for layer in maps for head in layer]
            self.set_trait(f"_{kind}", each)
        if flow:
            codes, steps = zip(*(encode_vectors(first.streams[name]) for name in STREAMS), strict=True)
            self.set_trait("_streams", list(codes))
            self.set_trait("_steps", list(steps))
        layers, heads, _, _ = maps.shape
        task = shipped().task
        longest = {"longest": task.target_length - 1, "longestRead": task.source_length - 1}  # without a tag
        asked = {"text": text, "target": target}
        self.set_trait("_first", asked | summary(first) | {"layers": layers, "heads": heads} | longest)
        super().__init__(text=text, target=target, title=title, **settings)
        self.on_msg(self._send_model)

    def _send_model(self, _, content, buffers):
        """Send the model file when the page requests it."""
        if content == {"model": CHECKPOINT}:
            path = checkpoints.FOLDER / f"{CHECKPOINT}.safetensors"
            self.send({"model": CHECKPOINT}, [path.read_bytes()])

    def _guide(self) -> Tour:
        return FLOW if self._streams else super()._guide()

    @traitlets.validate("text")
    def _is_text(self, proposal):
        return require_text(proposal["value"])

    @traitlets.validate("target")
    def _is_target(self, proposal):
        return require_target(proposal["value"])

    @traitlets.validate("kind")
    def _is_kind(self, proposal):
        if proposal["value"] not in KINDS:
            raise ValueError(f"kind: got {proposal['value']!r}, wanted one of {', '.join(KINDS)}")
        return proposal["value"]

    @traitlets.validate("cuts")
    def _are_cuts(self, proposal):
        for cut in proposal["value"]:
            if not CUT.fullmatch(cut):
                raise ValueError(f"cuts: got {cut!r}, wanted kind.layer.head, such as 'cross.1.2'")
        return proposal["value"]

    @property
    def translation(self) -> Translation:
        """The model's translation of `text` without what was cut, computed in Python."""
        return translate(self.text, self.target, tuple(self.cuts))

    @property
    def _result(self) -> str:
        """The translation and the cuts in words."""
        return self.translation.text + (
            f", without {'; '.join(map(in_words, self.cuts))}" if self.cuts else ""
        )

    def describe(self) -> str:
        """The current view in one line."""
        made = f"“{self.text}” into {language_names()[self.target][0]}: {self._result}"
        return ": ".join(filter(None, ["Date translator", self.title, made]))

    def figure(self) -> Figure:
        """The translation and the mean over the last layer's heads as a static picture."""
        maps = self.translation.maps(self.kind)
        return map_figure(maps, maps.weights.shape[0] - 1, -1, title=self._result)


def summary(translation: Translation) -> dict:
    """A translation without its maps, for the page."""
    return {
        "source": translation.source,
        "written": translation.written,
        "ended": translation.ended,
        "likeliest": [[[name, round(share, 5)] for name, share in row] for row in translation.likeliest],
    }


@lru_cache(maxsize=1)
def language_names() -> dict[str, list[str]]:
    """Each target's name in English and in its own language."""
    names = {code: [Locale.parse(code).get_display_name(of) for of in ("en", code)] for code in LANGUAGES}
    return names | {"iso": ["year-month-day", "ISO 8601"]}


@lru_cache(maxsize=1)
def writing() -> dict[str, dict[str, list]]:
    """The pieces of a date in each language and format."""
    return {code: {form: date_pieces(code, form) for form in FORMATS} for code in LANGUAGES}


def require_text(text: str) -> str:
    """Return `text`; raise unless it has at most 200 characters and the model can read some of them."""
    if not isinstance(text, str):
        raise TypeError(f"text: got {type(text).__name__}, wanted a string")
    if not text.strip() or len(text) > LONGEST:
        raise ValueError(f"text: got {len(text)} characters, wanted a date, {LONGEST} characters at most")
    if not readable(text).strip():
        raise ValueError(f"text: got {text!r}, wanted a date in characters that the model was trained on")
    return text


def require_target(target: str) -> str:
    """Return `target`; raise ValueError if the model cannot write it."""
    if target not in TARGETS:
        raise ValueError(f"target: got {target!r}, wanted one of {', '.join(TARGETS)}")
    return target
