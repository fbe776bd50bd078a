"""One translation by the shipped model: tokens read and written, probabilities and attention."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import nn

from attnbook import checkpoints
from attnbook.ablation import attention_stacks
from attnbook.attention import Attentions, MultiHeadAttention
from attnbook.checkpoints import Trained
from attnbook.data.dates import PLAIN
from attnbook.generation import greedy_decode
from attnbook.maps import AttentionMaps, require_maps
from attnbook.transformer import Transformer

CHECKPOINT = "dates-translate"
LONGEST = 200  # characters
LIKELIEST = 5
ALL = slice(None)
NAMES = {"cross": "cross-attention", "decoder": "masked self-attention", "encoder": "encoder self-attention"}


@dataclass(frozen=True)
class Translation:
    """The model's translation of a text.

    `source` holds the labels of the S tokens it read, `written` those of the T tokens it wrote, including the
    end token if it `ended`; `likeliest` holds the five most likely tokens and their probabilities for each of
    the T steps. `streams` holds what passes through the model: "encoder" `(1 + 2L, S, D)`, the embeddings
    with positions, then what attention and feed-forward add in each layer; "decoder" `(1 + 3L, T, D)`, where
    cross-attention comes between these two; and "memory" `(1, S, D)`, the encoder's output.
    """

    text: str
    source: list[str]
    written: list[str]
    likeliest: list[list[tuple[str, float]]]
    ended: bool
    attentions: Attentions
    streams: dict[str, np.ndarray]

    def maps(self, kind: str) -> AttentionMaps:
        """The weights of "encoder", "decoder" or "cross" as maps `(L, H, ·, ·)`.

        A row of "decoder" and of "cross" is a step, such as "⟨start⟩→2": the token read and the token
        written. The columns of "decoder" are the tokens it has read, beginning with start.
        """
        queries, keys = sides(kind, self.source, self.written)
        causal = np.tril(np.ones((len(queries), len(keys)), bool)) if kind == "decoder" else None
        return require_maps(getattr(self.attentions, kind), queries, keys, causal)


def sides(kind: str, source: list[str], written: list[str]) -> tuple[list[str], list[str]]:
    """The labels of queries and keys in the maps of one kind."""
    read = ["⟨start⟩", *written[:-1]]
    steps = [f"{before}→{token}" for before, token in zip(read, written, strict=True)]
    return {"encoder": (source, source), "decoder": (steps, read), "cross": (steps, source)}[kind]


@lru_cache(maxsize=1)
def shipped() -> Trained:
    """The model that ships with the package."""
    return checkpoints.load(CHECKPOINT)


def readable(text: str) -> str:
    """The characters of `text` that the model can read, with plain spaces and without direction marks."""
    known = shipped().task.source
    return "".join(character for character in text.translate(PLAIN) if character in known)


@contextmanager
def recorded(model: Transformer) -> Iterator[dict[str, list[torch.Tensor]]]:
    """While the context lasts, record the residual streams of the batch's first row; see `Translation`."""
    parts: dict[str, list[torch.Tensor]] = {"encoder": [], "memory": [], "decoder": []}
    hooks = []

    def starting(module: nn.Module, inputs: tuple) -> None:
        name = "encoder" if module is model.encoder else "decoder"
        parts[name].append(inputs[0][0])
        if name == "decoder":
            parts["memory"].append(inputs[1][0])

    def adding(name: str):
        def add(_, __, output: torch.Tensor | tuple) -> None:
            parts[name].append((output[0] if isinstance(output, tuple) else output)[0])

        return add

    for name, stack in (("encoder", model.encoder), ("decoder", model.decoder)):
        hooks.append(stack.register_forward_pre_hook(starting))
        for layer in stack.layers:
            sublayers = [layer.self_attention, getattr(layer, "cross_attention", None), layer.feed_forward]
            hooks += [part.register_forward_hook(adding(name)) for part in sublayers if part is not None]
    try:
        yield parts
    finally:
        for hook in hooks:
            hook.remove()


@contextmanager
def cutting(model: Transformer, cuts: Sequence[str]) -> Iterator[None]:
    """While the context lasts, the model may not use the weights that `cuts` name; see `DateTranslator`.

    Positions are counted from the first token, so decode without a cache.
    """

    def masking(own: list[list[slice | int]]):
        def mask(module: MultiHeadAttention, inputs: tuple) -> tuple:
            query, key, value, mask, *rest = inputs
            allowed = torch.ones(1, module.num_heads, query.shape[1], key.shape[1], dtype=torch.bool)
            for places in own:
                if all(at == ALL or at < size for at, size in zip(places, allowed.shape[1:], strict=True)):
                    allowed[(0, *places)] = False
            return query, key, value, allowed if mask is None else mask & allowed, *rest

        return mask

    places = [
        (kind, [ALL if at == "*" else int(at) for at in numbers]) for kind, *numbers in map(fields, cuts)
    ]
    with ExitStack() as hooks:
        for kind, modules in attention_stacks(model).items():
            for layer, module in enumerate(modules):
                own = [rest for where, (at, *rest) in places if where == kind and at in (layer, ALL)]
                if own:
                    hooks.callback(module.register_forward_pre_hook(masking(own)).remove)
        yield


def fields(cut: str) -> list[str]:
    """A cut's kind, layer, head, row and column; "*" means all, and is what those have that it leaves out."""
    return [*cut.split("."), *"****"][:5]


def in_words(cut: str) -> str:
    """A cut as it is named in a sentence."""
    kind, *numbers = fields(cut)
    names = zip(("layer", "head", "row", "column"), numbers, strict=True)
    return ", ".join([NAMES[kind], *(f"{name} {number}" for name, number in names if number != "*")])


@lru_cache(maxsize=8)  # a widget uses the same translation for its state, picture and description
@torch.no_grad()
def translate(text: str, target: str, cuts: tuple[str, ...] = ()) -> Translation:
    """Translate the readable part of `text` into the target's language, without the weights that were cut."""
    trained = shipped()
    task, model = trained.task, trained.model
    source = task.source.batch([readable(text)], tags=[target])  # (1, S)
    end, longest = task.target.end, task.target_length - 1
    read = torch.full((1, 1), task.target.start)  # (1, T)
    with cutting(model, cuts):
        if cuts:  # without a cache
            while read[0, -1] != end and read.shape[1] <= longest:
                read = torch.cat([read, model(source, read)[0][:, -1:].argmax(-1)], dim=1)  # (1, T + 1)
            ids, read = read[:, 1:], read[:, :-1]  # (1, T)
        else:
            ids = greedy_decode(model, source, start=task.target.start, end=end, max_length=longest).ids
            read = torch.cat([read, ids[:, :-1]], dim=1)  # (1, T)
        with recorded(model) as parts:
            logits, attentions = model(source, read)  # (1, T, V)
    shares, best = logits[0].softmax(-1).topk(LIKELIEST)  # (T, 5)
    names = [task.target.tokens(row) for row in best]
    likeliest = [list(zip(*pair, strict=True)) for pair in zip(names, shares.tolist(), strict=True)]
    return Translation(
        text=task.target.decode(ids[0]),
        source=task.source.tokens(source[0]),
        written=task.target.tokens(ids[0]),
        likeliest=likeliest,
        ended=ids[0, -1].item() == end,
        attentions=attentions.item(0),
        streams={name: torch.stack(rows).numpy() for name, rows in parts.items()},
    )
