"""One translation by the shipped model: what it read and wrote, how sure it was, and its attention."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch

from attnbook import checkpoints
from attnbook.attention import Attentions
from attnbook.checkpoints import Trained
from attnbook.data.dates import PLAIN
from attnbook.generation import greedy_decode
from attnbook.maps import AttentionMaps, check_maps

CHECKPOINT = "dates-translate"
LONGEST = 200  # characters
LIKELIEST = 5


@dataclass(frozen=True)
class Translation:
    """What the model made of a text.

    `source` are the labels of the S tokens it read and `written` those of the T tokens it wrote, its end
    among them if it `ended`; `likeliest` holds for each of these the five likeliest tokens with their
    probabilities.
    """

    text: str
    source: list[str]
    written: list[str]
    likeliest: list[list[tuple[str, float]]]
    ended: bool
    attentions: Attentions

    def maps(self, kind: str) -> AttentionMaps:
        """The weights of "encoder", "decoder" or "cross" as maps `(L, H, ·, ·)`.

        The decoder's rows and columns are the tokens it has read, the start first; a row of "cross" is the
        token that is written there.
        """
        queries, keys = sides(kind, self.source, self.written)
        causal = np.tril(np.ones((len(queries), len(keys)), bool)) if kind == "decoder" else None
        return check_maps(getattr(self.attentions, kind), queries, keys, causal)


def sides(kind: str, source: list[str], written: list[str]) -> tuple[list[str], list[str]]:
    """The labels of the queries and of the keys in the maps of a kind."""
    read = ["⟨start⟩", *written[:-1]]
    return {"encoder": (source, source), "decoder": (read, read), "cross": (written, source)}[kind]


@lru_cache(maxsize=1)
def shipped() -> Trained:
    """The model that comes with the package."""
    return checkpoints.load(CHECKPOINT)


def readable(text: str) -> str:
    """What of a text the model can read: plain spaces, no marks of direction, no character without an id."""
    known = shipped().task.source
    return "".join(character for character in text.translate(PLAIN) if character in known)


@lru_cache(maxsize=8)  # a widget asks for the same one for its state, its picture and its line
@torch.no_grad()
def translate(text: str, target: str) -> Translation:
    """Write `text`, as far as it is readable, in the target's language."""
    trained = shipped()
    task, model = trained.task, trained.model
    source = task.source.batch([readable(text)], tags=[target])  # (1, S)
    end, longest = task.target.end, task.target_length - 1
    ids = greedy_decode(model, source, start=task.target.start, end=end, max_length=longest).ids  # (1, T)
    read = torch.cat([torch.full((1, 1), task.target.start), ids[:, :-1]], dim=1)  # (1, T)
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
    )
