"""One translation by the shipped model: tokens read and written, probabilities and attention."""

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
    """The model's translation of a text.

    `source` holds the labels of the S tokens it read, `written` those of the T tokens it wrote, including the
    end token if it `ended`; `likeliest` holds the five most likely tokens and their probabilities for each of
    the T steps.
    """

    text: str
    source: list[str]
    written: list[str]
    likeliest: list[list[tuple[str, float]]]
    ended: bool
    attentions: Attentions

    def maps(self, kind: str) -> AttentionMaps:
        """The weights of "encoder", "decoder" or "cross" as maps `(L, H, ·, ·)`.

        A row of "decoder" and of "cross" is a step, such as "⟨start⟩→2": the token read and the token
        written. The columns of "decoder" are the tokens it has read, beginning with start.
        """
        queries, keys = sides(kind, self.source, self.written)
        causal = np.tril(np.ones((len(queries), len(keys)), bool)) if kind == "decoder" else None
        return check_maps(getattr(self.attentions, kind), queries, keys, causal)


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


@lru_cache(maxsize=8)  # a widget uses the same translation for its state, picture and description
@torch.no_grad()
def translate(text: str, target: str) -> Translation:
    """Translate the readable part of `text` into the target's language."""
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
