"""Decode token by token: greedily, with beam search, or by sampling."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from attnbook.arguments import (
    is_number,
    require_integers,
    require_number,
    require_padded_rows,
    require_sizes,
    require_whole,
    wrong_shape,
)
from attnbook.attention import Attentions

__all__ = ["Decoded", "beam_search", "greedy_decode", "sample"]

COLDEST = 1e-30  # the least temperature above 0: log-probabilities divided by it stay finite


@dataclass(frozen=True)
class Decoded:
    """A model's output: `ids` up to and including the end, then padding, and the rows' log-probabilities.

    `attentions` has the weights of each step, None when not requested: row t belongs to the step that
    chose `ids[:, t]`. `cross` is `(L, B, H, T, S)`, `decoder` `(L, B, H, T, T)` with zeros above the
    diagonal.
    """

    ids: Int[Tensor, "B T"]
    scores: Float[Tensor, " B"]
    attentions: Attentions | None = None


def greedy_decode(
    model: nn.Module,
    source: Int[Tensor, "B S"],
    *,
    start: int | Int[Tensor, " B"],
    end: int,
    max_length: int,
    need_weights: bool = False,
) -> Decoded:
    """Take the likeliest token at every step, until each row has its `end` or `max_length` tokens.

    The scores are $\\sum_t \\log p(y_t \\mid y_{<t}, x)$, in float32 at least; they and `max_length` count
    the end. The model decodes in evaluation mode and is left in the mode it was in. Raises `ValueError` for
    a source that is not `(B, S)`, a `max_length` below 1 and a `start` or `end` outside the vocabulary.
    """
    require_arguments(source, start, end, max_length=max_length)
    with torch.no_grad(), mode(model, training=False):
        state = model.start(source)
        ids = first_ids(source, start)  # (B,)
        ended, scores, written = torch.zeros_like(ids, dtype=torch.bool), 0.0, []
        for _ in range(max_length):
            gains, state = advance(model, ids, state, end)  # (B, V)
            best, ids = gains.max(dim=-1)  # (B,)
            scores = scores + best.masked_fill(ended, 0.0)
            ids = ids.masked_fill(ended, model.pad)
            ended = ended | (ids == end)
            written.append(ids)
            if ended.all():
                break
        ids = torch.stack(written, dim=1)  # (B, T)
        return Decoded(ids, scores, replay(model, source, start, ids) if need_weights else None)


def beam_search(
    model: nn.Module,
    source: Int[Tensor, "B S"],
    *,
    start: int | Int[Tensor, " B"],
    end: int,
    max_length: int,
    beams: int = 4,
    length_penalty: float = 0.0,
    need_weights: bool = False,
) -> Decoded:
    """Keep the `beams` likeliest prefixes at every step; return the best of the finished sequences.

    The best has the highest $\\log p(y \\mid x) / |y|^{\\alpha}$, with |y| counting the end and α the
    `length_penalty`: 0 compares plain log-probabilities, which favours short sequences, 1 their mean per
    token. The scores are plain log-probabilities either way, in float32 at least. A sequence cut off at
    `max_length` may win too. One beam is `greedy_decode`. The model decodes in evaluation mode and is left
    in the mode it was in. Raises `ValueError` for a source that is not `(B, S)`, sizes below 1, a
    `length_penalty` that is not finite and a `start` or `end` outside the vocabulary.
    """
    require_arguments(source, start, end, max_length=max_length, beams=beams)
    require_number(length_penalty=length_penalty)
    batch = len(source)
    first = torch.arange(batch, device=source.device)[:, None] * beams  # (B, 1), the first beam of each row
    with torch.no_grad(), mode(model, training=False):
        state = model.start(source).select(first.expand(batch, beams).flatten() // beams)
        ids = first_ids(source, start).repeat_interleave(beams)  # (B·K,)
        written = source.new_empty((batch * beams, 0))  # (B·K, 0), grows to (B·K, T)
        ended, lengths = torch.zeros_like(ids, dtype=torch.bool), torch.zeros_like(ids)
        scores = torch.full((batch, beams), -torch.inf, device=source.device)
        scores[:, 0] = 0.0  # all beams are the same at first, so only one may continue
        for _ in range(max_length):
            gains, state = advance(model, ids, state, end)  # (B·K, V)
            gains[ended] = -torch.inf  # an ended beam continues with padding, at no cost
            gains[ended, model.pad] = 0.0
            totals = scores[..., None] + gains.unflatten(0, (batch, beams))  # (B, K, V)
            scores, choice = totals.flatten(1).topk(beams, dim=-1)  # (B, K)
            rows = (first + choice // gains.shape[-1]).flatten()  # (B·K,), the beam that each one continues
            ids = (choice % gains.shape[-1]).flatten()  # (B·K,)
            lengths = (lengths + ~ended)[rows]
            state, ended = state.select(rows), ended[rows] | (ids == end)
            written = torch.cat((written[rows], ids[:, None]), dim=1)  # (B·K, T)
            if ended.all():
                break
        fair = scores / lengths.unflatten(0, (batch, beams)) ** length_penalty  # (B, K)
        best = fair.argmax(dim=-1, keepdim=True)  # (B, 1)
        rows = (first + best).flatten()  # (B,)
        ids = written[rows, : max(lengths[rows].tolist(), default=1)]  # (B, T)
        attentions = replay(model, source, start, ids) if need_weights else None
        return Decoded(ids, scores.gather(1, best)[:, 0], attentions)


def sample(
    model: nn.Module,
    ids: Int[Tensor, "B T"],
    *,
    max_length: int,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    end: int | None = None,
    generator: torch.Generator | None = None,
) -> Decoded:
    """Continue each prompt with tokens sampled from the model's distribution.

    $p(y) \\propto \\exp(\\mathrm{logit}_y / \\tau)$, with the `temperature` τ; 0 means greedy.
    `top_k` keeps only the k likeliest tokens, `top_p` the smallest set of likeliest tokens whose total
    probability reaches p (nucleus sampling, Holtzman et al. 2020). Both apply after the temperature.

    Takes prompts `(B, T)` of at least one token, shorter rows padded at their end with `model.pad`. Returns
    up to `max_length` new tokens for each row, without the prompt, and their log-probabilities under the
    model itself (temperature 1, all tokens kept). A row stops at `end`, if given. Randomness comes from
    `generator`. The model decodes in evaluation mode and is left in the mode it was in. Raises `ValueError`
    for numbers out of range and for empty prompts, `TypeError` for a model with an encoder.
    """
    require_sampling(temperature, top_k, top_p, max_length=max_length)
    if end is not None:
        require_whole(end=end)
    if hasattr(model, "encode"):
        raise TypeError(
            f"model: wanted one without an encoder, such as LanguageModel, got {type(model).__name__}"
        )
    real = require_padded_rows("ids", ids, model.pad)  # (B, T)
    if ids.shape[1] < 1 or not real[:, 0].all():
        raise wrong_shape("ids", ids.shape, "(B, T) with at least one token in every row")
    last = real.sum(dim=1, keepdim=True) - 1  # (B, 1), the index of each prompt's last token
    newest = ids.gather(1, last)[:, 0]  # (B,)
    before = ids.scatter(1, last, model.pad)[:, :-1]  # (B, T - 1), the prompts without it
    with torch.no_grad(), mode(model, training=False):
        state, scores = model.start(before), 0.0
        ended, written = torch.zeros_like(newest, dtype=torch.bool), []
        for _ in range(max_length):
            logits, state, _ = model.step(newest, state)  # (B, V)
            require_end(end, logits)
            precision = torch.promote_types(logits.dtype, torch.float32)
            gains = logits.log_softmax(dim=-1, dtype=precision)
            newest = draw(gains, temperature, top_k, top_p, generator)  # (B,)
            scores = scores + gains.gather(1, newest[:, None])[:, 0].masked_fill(ended, 0.0)
            newest = newest.masked_fill(ended, model.pad)
            written.append(newest)
            ended = ended if end is None else ended | (newest == end)
            if ended.all():
                break
    return Decoded(torch.stack(written, dim=1), scores)


def draw(
    gains: Float[Tensor, "B V"],
    temperature: float,
    top_k: int | None,
    top_p: float | None,
    generator: torch.Generator | None,
) -> Int[Tensor, " B"]:
    """Sample one token per row from the log-probabilities, with temperature, top-k and top-p."""
    if temperature == 0:
        return gains.argmax(dim=-1)
    probabilities, tokens = (gains / temperature).softmax(dim=-1).sort(dim=-1, descending=True)  # (B, V) each
    if top_k is not None:
        probabilities[:, top_k:] = 0.0
    if top_p is not None:
        before = probabilities.cumsum(dim=-1) - probabilities  # (B, V), of all likelier tokens
        enough = top_p * probabilities.sum(dim=-1, keepdim=True)  # (B, 1)
        probabilities = probabilities.masked_fill(before >= enough, 0.0)
    choice = torch.multinomial(probabilities, 1, generator=generator)  # (B, 1)
    return tokens.gather(1, choice)[:, 0]


def advance(
    model: nn.Module, ids: Int[Tensor, " B"], state: Any, end: int
) -> tuple[Float[Tensor, "B V"], Any]:
    """The log-probability of every next token, and the new state.

    In 16 bits a log-probability close to 0 would be rounded to 0, so they are computed in 32 at least.
    """
    logits, state, _ = model.step(ids, state)  # (B, V)
    require_end(end, logits)
    precision = torch.promote_types(logits.dtype, torch.float32)
    return logits.log_softmax(dim=-1, dtype=precision), state


def first_ids(source: Int[Tensor, "B S"], start: int | Int[Tensor, " B"]) -> Int[Tensor, " B"]:
    """The input id of each row's first step."""
    return start.to(source) if isinstance(start, Tensor) else source.new_full((len(source),), start)


def replay(
    model: nn.Module,
    source: Int[Tensor, "B S"],
    start: int | Int[Tensor, " B"],
    ids: Int[Tensor, "B T"],
) -> Attentions:
    """The weights of every step that generates `ids`, joined into one `Attentions`."""
    state, steps = model.start(source), []
    inputs = torch.cat((first_ids(source, start)[:, None], ids[:, :-1]), dim=1)  # (B, T)
    for token in inputs.unbind(dim=1):
        _, state, attentions = model.step(token, state, need_weights=True)
        steps.append(attentions)
    cross = [step.cross for step in steps]  # each (L, B, H, 1, S)
    decoder = [step.decoder for step in steps]  # (L, B, H, 1, 1), then (L, B, H, 1, 2), …
    return Attentions(
        cross=None if cross[0] is None else torch.cat(cross, dim=-2),
        decoder=None
        if decoder[0] is None
        else torch.cat([F.pad(row, (0, len(steps) - row.shape[-1])) for row in decoder], dim=-2),
    )


@contextmanager
def mode(model: nn.Module, *, training: bool) -> Iterator[None]:
    """Training or evaluation mode (no dropout) inside the block; then restore the mode of each module."""
    before = [(module, module.training) for module in model.modules()]
    model.train(training)
    try:
        yield
    finally:
        for module, was in before:
            module.training = was


def require_sampling(temperature: float, top_k: int | None, top_p: float | None, **sizes: int) -> None:
    """Raise `ValueError` for sampling parameters out of range."""
    require_sizes(**sizes)
    if top_k is not None:
        require_sizes(top_k=top_k)
    if not is_number(temperature) or not (temperature == 0 or COLDEST <= temperature < math.inf):
        raise ValueError(f"temperature: wanted 0 or a number of at least {COLDEST}, got {temperature!r}")
    if top_p is not None and not (is_number(top_p) and 0 < top_p <= 1):
        raise ValueError(f"top_p: wanted a probability above 0 and up to 1, got {top_p!r}")


def require_end(end: int | None, logits: Tensor) -> None:
    """Raise `ValueError` for an `end` outside the vocabulary of the logits."""
    if end is not None and not 0 <= end < logits.shape[-1]:
        raise ValueError(f"end: wanted an id from 0 to {logits.shape[-1] - 1}, got {end}")


def require_arguments(source: Tensor, start: int | Tensor, end: int, **sizes: int) -> None:
    """Raise `ValueError` unless the source is `(B, S)`, the ids are at least 0 and the sizes at least 1."""
    require_sizes(**sizes)
    require_whole(end=end)
    require_integers("source", source)
    if source.dim() != 2:
        raise wrong_shape("source", source.shape, "(B, S)")
    if not isinstance(start, Tensor):
        require_whole(start=start)
        return
    require_integers("start", start)
    if start.shape != source.shape[:1]:
        raise wrong_shape("start", start.shape, f"({source.shape[0]},), one id for each row, or a number")
