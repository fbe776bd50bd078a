"""The sentence explorer: all heads of a published encoder on any sentence that the reader types."""

from collections.abc import Iterable, Sequence

import numpy as np
import torch
import traitlets
from matplotlib.figure import Figure

from attnbook.ablation import ablate
from attnbook.bert import Bert
from attnbook.maps import require_maps
from attnbook.plots import map_figure
from attnbook.pretrained import Tokenizer, load
from attnbook.pretrained.chunks import manifest
from attnbook.widgets.base import BUNDLES, Widget, require_title
from attnbook.widgets.model_files import serve_model

NAME = "multilingual-e5-small"
LAYERS, HEADS = 12, 12
LONGEST = 300  # characters
MOST = 64  # tokens
SETTINGS = ("text", "other", "layer", "head", "query", "key", "cut")


class SentenceExplorer(Widget):
    """The 144 heads of multilingual-e5-small on a sentence: what a chosen query attends to in each head.

    `sentences`, one or several strings, are run in Python, and their maps are stored in the widget, one
    byte per weight. Any other sentence is run in the page by the model itself, once the reader loads it:
    from the book's site, or in a notebook from Python. A sentence longer than 64 tokens is truncated.

    `model` is the pair that `attnbook.pretrained.load("multilingual-e5-small")` returns; by default it is
    loaded. The page gets the file that `fetch` stores. Traits to set and observe: `text`, the sentence shown
    (by default the first); `other`, a sentence to compare it with; `layer` and `head`; `query` and `key`,
    positions of tokens, -1 for none (as arguments also tokens, such as "它的"); `cut`, heads `[layer, head]`
    whose output is set to 0. Raises `TypeError` and `ValueError` that name the argument, and what `fetch`
    raises.
    """

    _esm = BUNDLES / "sentence_explorer.js"

    text = traitlets.Unicode("").tag(sync=True)
    other = traitlets.Unicode("").tag(sync=True)
    layer = traitlets.Int(0).tag(sync=True)
    head = traitlets.Int(0).tag(sync=True)
    query = traitlets.Int(-1).tag(sync=True)
    key = traitlets.Int(-1).tag(sync=True)
    cut = traitlets.List().tag(sync=True)

    # Recorded: the sentences, their tokens and their maps (see `encode_maps`).
    sentences = traitlets.List(traitlets.Unicode(), read_only=True).tag(sync=True)
    _tokens = traitlets.List(read_only=True).tag(sync=True)
    _maps = traitlets.List(traitlets.Bytes(), read_only=True).tag(sync=True)
    _size = traitlets.Int(read_only=True).tag(sync=True)  # bytes to load before the first sentence

    def __init__(
        self,
        sentences: str | Sequence[str],
        *,
        model: tuple[Bert, Tokenizer] | None = None,
        title: str = "",
        **settings,
    ):
        if not isinstance(sentences, Iterable):
            raise TypeError(f"sentences: got {type(sentences).__name__}, wanted a string or several")
        texts = [sentences] if isinstance(sentences, str) else list(sentences)
        if not texts:
            raise ValueError("sentences: got none, wanted at least one")
        for text in texts:
            require_sentence("sentences", text)
        require_title(title)
        if unknown := sorted(set(settings) - {*SETTINGS, "layout", "tour"}):
            raise TypeError(f"{unknown[0]}: no such setting, wanted one of {', '.join(SETTINGS)}")
        self._model, self._tokenizer = require_model(load(NAME) if model is None else model)
        self._recorded = {}
        self._recorded = {text: self._run(text) for text in texts}
        runs = [self._recorded[text] for text in texts]
        settings = {"text": texts[0], **settings}
        tokens = self._tokens_of(require_sentence("text", settings["text"]))
        for side in ("query", "key"):
            if isinstance(token := settings.get(side), str):
                settings[side] = position(side, token, tokens)
        self.set_trait("sentences", texts)
        self.set_trait("_tokens", [tokens for tokens, _ in runs])
        self.set_trait("_maps", [encode_maps(weights) for _, weights in runs])
        parts = manifest(NAME)["parts"]
        self.set_trait("_size", sum(parts[part]["end"] - parts[part]["start"] for part in ("head", "layers")))
        super().__init__(title=title, **settings)
        serve_model(self, NAME)

    def _ids(self, text: str) -> list[int]:
        ids = self._tokenizer.encode(text)
        return ids if len(ids) <= MOST else [*ids[: MOST - 1], ids[-1]]

    def _tokens_of(self, text: str) -> list[str]:
        return self._tokenizer.tokens(self._ids(text))

    @torch.no_grad()
    def _run(self, text: str, cut: Sequence = ()) -> tuple[list[str], np.ndarray]:
        """The tokens and the weights `(L, H, T, T)`, recorded or computed."""
        if not cut and text in self._recorded:
            return self._recorded[text]
        ids = self._ids(text)
        with ablate(self._model, [tuple(head) for head in cut]):
            _, attentions = self._model(torch.tensor([ids]))
        return self._tokenizer.tokens(ids), attentions.encoder[:, 0].numpy()  # (L, H, T, T)

    @property
    def weights(self) -> np.ndarray:
        """The weights `(12, 12, T, T)` of `text` without the heads in `cut`, computed in Python."""
        return self._run(self.text, self.cut)[1]

    @traitlets.validate("text")
    def _is_text(self, proposal):
        return require_sentence("text", proposal["value"])

    @traitlets.validate("other")
    def _is_other(self, proposal):
        return proposal["value"] and require_sentence("other", proposal["value"])

    @traitlets.validate("layer", "head", "query", "key")
    def _within(self, proposal):
        name, value = proposal["trait"].name, proposal["value"]
        pair = name in ("query", "key")
        count = len(self._tokens_of(self.text)) if pair else {"layer": LAYERS, "head": HEADS}[name]
        if not -pair <= value < count:
            note = " (-1 for none)" if pair else ""
            raise ValueError(f"{name}: got {value}, wanted {-pair} to {count - 1}{note}")
        return value

    @traitlets.validate("cut")
    def _are_heads(self, proposal):
        heads = [list(head) if isinstance(head, tuple) else head for head in proposal["value"]]
        for head in heads:
            pair = isinstance(head, list) and len(head) == 2 and all(type(number) is int for number in head)
            if not pair or not (0 <= head[0] < LAYERS and 0 <= head[1] < HEADS):
                raise ValueError(f"cut: got {head!r}, wanted [layer, head], each from 0 to {HEADS - 1}")
        return heads

    @traitlets.observe("text")
    def _forget_positions(self, _):
        """No position may lie beyond the end of a new sentence."""
        count = len(self._tokens_of(self.text))
        for side in ("query", "key"):
            if getattr(self, side) >= count:
                self.set_trait(side, -1)

    def describe(self) -> str:
        """The current view in one line."""
        tokens = self._tokens_of(self.text)
        shown = f"“{self.text}”, {len(tokens)} tokens, layer {self.layer}, head {self.head}"
        return ": ".join(filter(None, ["Sentence explorer", self.title, shown]))

    def figure(self) -> Figure:
        """The chosen head's map as a static picture."""
        tokens, weights = self._run(self.text, self.cut)
        maps = require_maps(weights, tokens)
        where = f"layer {self.layer}, head {self.head}"
        title = ": ".join(filter(None, [self.title, where]))
        return map_figure(maps, self.layer, self.head, title=title, peak=1.0)


def encode_maps(weights: np.ndarray) -> bytes:
    """Weights `(L, H, T, T)` in one byte each, the square root times 255; the error is at most 0.004."""
    return np.rint(np.sqrt(np.clip(weights, 0, 1)) * 255).astype(np.uint8).tobytes()


def shown(token: str) -> str:
    """How a token is shown: without the mark of the space before it."""
    return token.removeprefix("▁") or token


def position(side: str, token: str, tokens: list[str]) -> int:
    """Where the token first occurs, with or without the mark of the space before it."""
    for spelled in (token, f"▁{token}"):
        if spelled in tokens:
            return tokens.index(spelled)
    raise ValueError(f"{side}: got {token!r}, wanted a position or one of the tokens {' '.join(tokens)}")


def require_sentence(name: str, text: str) -> str:
    """Return `text`; raise unless it is a string of 1 to 300 characters that isn't blank."""
    if not isinstance(text, str):
        raise TypeError(f"{name}: got {type(text).__name__}, wanted a string")
    if not text.strip():
        raise ValueError(f"{name}: got {text!r}, wanted a sentence of 1 to {LONGEST} characters")
    if len(text) > LONGEST:
        raise ValueError(f"{name}: got {len(text)} characters, wanted a sentence of 1 to {LONGEST}")
    return text


def require_model(model: tuple[Bert, Tokenizer]) -> tuple[Bert, Tokenizer]:
    """Return `model`; raise unless it is what `load` returns for multilingual-e5-small."""
    wanted = f'the pair that load("{NAME}") returns'
    pair = isinstance(model, tuple) and len(model) == 2
    if not pair or not (isinstance(model[0], Bert) and isinstance(model[1], Tokenizer)):
        raise TypeError(f"model: got {type(model).__name__}, wanted {wanted}")
    layers = model[0].encoder.layers
    if (len(layers), layers[0].self_attention.num_heads) != (LAYERS, HEADS):
        raise ValueError(f"model: got {len(layers)} layers, wanted {wanted}, with {LAYERS}")
    return model
