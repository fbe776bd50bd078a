"""Readings of a prompt by the language model: its tokens, the probable next tokens and all attention maps.

Five prompts are recorded in `language_prompts.npz`, written by `python -m attnbook.widgets.language_prompts`.
"""

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from attnbook import ablate, pretrained

MODEL = "smollm2-135m-instruct"
RECORDED = Path(__file__).with_suffix(".npz")
LONGEST = 128  # tokens
LIKELIEST = 10
LAYERS, HEADS = 30, 9
CACHED = LAYERS * 2 * 3 * 64 * 4  # bytes per token: keys and values of 3 heads of width 64, in float32
CODES = 255
# Heads that attend to what followed a token the last time, found on repeated random tokens; and others.
INDUCTION = [(17, 3), (17, 4), (17, 5), (18, 6)]
OTHERS = [(17, 0), (17, 1), (17, 2), (18, 3)]
PROMPTS = {
    "A list, repeated": (
        "owl seven paper green lamp sea clock fifty road pencil "
        "owl seven paper green lamp sea clock fifty road"
    ),
    "Robots": (
        "A robot must obey the orders given it by human beings "
        "except where such orders would conflict with the First"
    ),
    "The heavy box": "The robot dropped the box because it was too heavy. What was too heavy? The",
    "Mary and John": "When Mary and John went to the store, John gave a drink to",
    "A capital": "The capital of France is",
}
CUTS = {"the four induction heads": INDUCTION, "four other heads of layers 17 and 18": OTHERS}


@dataclass(frozen=True)
class Reading:
    """What the model made of a text of T tokens.

    `likeliest` has the ten most probable next tokens of each position and their probabilities. `maps` is
    `(L, H, T, T)`, exact to 0.004 if recorded. Each of `cuts` has a `name`, `heads` and `changes`: per
    position, the probable tokens with their probabilities with all heads and without these.
    """

    text: str
    ids: list[int]
    tokens: list[str]
    likeliest: list[list[list]]
    maps: np.ndarray
    cuts: list[dict]

    def summary(self) -> dict:
        """The reading without its maps, for the page."""
        return {
            "text": self.text,
            "ids": self.ids,
            "tokens": self.tokens,
            "likeliest": self.likeliest,
            "cuts": self.cuts,
        }

    def codes(self) -> bytes:
        """All weights in one byte each, token by token: `[t, layer, head, s]` for s ≤ t."""
        codes = np.rint(np.sqrt(np.clip(self.maps, 0, 1)) * CODES).astype(np.uint8)
        return b"".join(codes[:, :, t, : t + 1].tobytes() for t in range(len(self.ids)))


def decode(codes: bytes, length: int) -> np.ndarray:
    """The maps `(L, H, T, T)` of `codes`, as the page decodes them; every row sums to 1."""
    maps = np.zeros((LAYERS, HEADS, length, length))
    at = 0
    for t in range(length):
        size = LAYERS * HEADS * (t + 1)
        row = (np.frombuffer(codes[at : at + size], np.uint8) / CODES) ** 2
        row = row.reshape(LAYERS, HEADS, t + 1)
        maps[:, :, t, : t + 1] = row / row.sum(-1, keepdims=True)
        at += size
    return maps


@lru_cache(maxsize=1)
def model_and_tokenizer():
    return pretrained.load(MODEL)


def require_prompt(text: str) -> str:
    """Return `text`; raise unless it is a string that isn't empty."""
    if not isinstance(text, str):
        raise TypeError(f"prompt: got {type(text).__name__}, wanted a string")
    if not text:
        raise ValueError("prompt: got an empty string, wanted some text")
    return text


@lru_cache(maxsize=8)
@torch.no_grad()
def read(text: str, *, cuts: tuple[str, ...] = ()) -> Reading:
    """Read a text with the published model; `cuts` names the heads to compare without, from `CUTS`."""
    model, tokenizer = model_and_tokenizer()
    ids = tokenizer.encode(require_prompt(text))
    if len(ids) > LONGEST:
        raise ValueError(f"prompt: got {len(ids)} tokens, wanted at most {LONGEST}")
    logits, attentions = model(torch.tensor([ids]))
    whole = logits[0].softmax(-1)  # (T, V)
    compared = []
    for name in cuts:
        with ablate(model, CUTS[name]):
            part = model(torch.tensor([ids]), need_weights=False)[0][0].softmax(-1)  # (T, V)
        heads = [list(head) for head in CUTS[name]]
        changes = [compare(tokenizer, *pair) for pair in zip(whole, part, strict=True)]
        compared.append({"name": name, "heads": heads, "changes": changes})
    return Reading(
        text=text,
        ids=ids,
        tokens=tokenizer.tokens(ids),
        likeliest=[listed(tokenizer, row) for row in whole],
        maps=attentions.decoder[:, 0].numpy(),
        cuts=compared,
    )


def listed(tokenizer, shares: torch.Tensor) -> list[list]:
    """The most probable tokens of one position, with their probabilities."""
    values, best = shares.topk(LIKELIEST)
    names = tokenizer.tokens(best.tolist())
    return [[name, round(share, 5)] for name, share in zip(names, values.tolist(), strict=True)]


def compare(tokenizer, whole: torch.Tensor, part: torch.Tensor) -> list[list]:
    """The tokens most probable with all heads or without some, with both probabilities."""
    half = LIKELIEST // 2
    ids = [*dict.fromkeys([*whole.topk(half).indices.tolist(), *part.topk(half).indices.tolist()])]
    ids.sort(key=lambda number: -max(whole[number], part[number]).item())
    pairs = [(round(whole[number].item(), 5), round(part[number].item(), 5)) for number in ids]
    return [[name, *pair] for name, pair in zip(tokenizer.tokens(ids), pairs, strict=True)]


@lru_cache(maxsize=1)
def recorded() -> dict[str, Reading]:
    """The recorded prompts by name."""
    readings = {}
    with np.load(RECORDED) as file:
        for name, fields in json.loads(file["readings"].tobytes()).items():
            maps = decode(file[name].tobytes(), len(fields["ids"]))
            readings[name] = Reading(maps=maps, **fields)
    return readings


def main() -> None:
    """Record the prompts."""
    readings = {name: read(text, cuts=tuple(CUTS)) for name, text in PROMPTS.items()}
    text = json.dumps({name: reading.summary() for name, reading in readings.items()}, ensure_ascii=False)
    codes = {name: np.frombuffer(reading.codes(), np.uint8) for name, reading in readings.items()}
    np.savez_compressed(RECORDED, readings=np.frombuffer(text.encode(), np.uint8), **codes)
    for reading in readings.values():
        print(len(reading.ids), reading.text, reading.likeliest[-1][:3])
        for cut in reading.cuts:
            print("  without", cut["name"], cut["changes"][-1][:3])


if __name__ == "__main__":
    main()
