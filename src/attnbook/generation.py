"""Write one token after another: the likeliest each time, or the likeliest of several whole sequences."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from attnbook.attention import Attentions
from attnbook.checks import positive, wrong_shape

__all__ = ["Decoded", "beam_search", "greedy_decode"]


@dataclass(frozen=True)
class Decoded:
    """What a model wrote: `ids` from behind the start to the end, then padding, and their log-probabilities.

    `attentions` holds the weights of each step, None when not asked for: row t belongs to the step that
    chose `ids[:, t]`. `cross` is `(L, B, H, T, S)`, `decoder` `(L, B, H, T, T)` with zeros above the
    diagonal.
    """

    ids: Int[Tensor, "B T"]
    scores: Float[Tensor, " B"]
    attentions: Attentions | None = None


@torch.no_grad()
def greedy_decode(
    model: nn.Module,
    source: Int[Tensor, "B S"],
    *,
    start: int,
    end: int,
    max_length: int,
    need_weights: bool = False,
) -> Decoded:
    """Take the likeliest token at every step, until each row has its `end` or `max_length` tokens.

    The scores are $\\sum_t \\log p(y_t \\mid y_{<t}, x)$; they and `max_length` count the end. The model
    works in evaluation mode and is left in the mode it was in. Raises `ValueError` for a source that is
    not `(B, S)` and a `max_length` below 1.
    """
    check(source, max_length=max_length)
    with mode(model, training=False):
        state = model.start(source)
        ids = source.new_full((len(source),), start)  # (B,)
        ended, scores, written = torch.zeros_like(ids, dtype=torch.bool), 0.0, []
        while len(written) < max_length and not ended.all():
            gains, state = advance(model, ids, state, end)  # (B, V)
            best, ids = gains.max(dim=-1)  # (B,)
            scores = scores + best.masked_fill(ended, 0.0)
            ids = ids.masked_fill(ended, model.pad)
            ended = ended | (ids == end)
            written.append(ids)
        ids = torch.stack(written, dim=1)  # (B, T)
        return Decoded(ids, scores, replay(model, source, start, ids) if need_weights else None)


@torch.no_grad()
def beam_search(
    model: nn.Module,
    source: Int[Tensor, "B S"],
    *,
    start: int,
    end: int,
    max_length: int,
    beams: int = 4,
    length_penalty: float = 0.0,
    need_weights: bool = False,
) -> Decoded:
    """Keep the `beams` likeliest beginnings at every step; return the best sequence they lead to.

    The best has the highest $\\log p(y \\mid x) / |y|^{\\alpha}$, with |y| counting the end and α the
    `length_penalty`: 0 compares plain log-probabilities, which favours short sequences, 1 their mean per
    token. The scores are plain log-probabilities either way. A sequence cut off at `max_length` may win
    too. One beam is `greedy_decode`. The model works in evaluation mode and is left in the mode it was
    in. Raises `ValueError` for a source that is not `(B, S)` and sizes below 1.
    """
    check(source, max_length=max_length, beams=beams)
    batch = len(source)
    first = torch.arange(batch, device=source.device)[:, None] * beams  # (B, 1), where each row's beams begin
    with mode(model, training=False):
        state = model.start(source).select(first.expand(batch, beams).flatten() // beams)
        ids = source.new_full((batch * beams,), start)  # (B·K,)
        written = source.new_empty((batch * beams, 0))  # (B·K, 0), grows to (B·K, T)
        ended, lengths = torch.zeros_like(ids, dtype=torch.bool), torch.zeros_like(ids)
        scores = torch.full((batch, beams), -torch.inf, device=source.device)
        scores[:, 0] = 0.0  # all beams are the same at first: only one of them may go on
        while written.shape[1] < max_length and not ended.all():
            gains, state = advance(model, ids, state, end)  # (B·K, V)
            gains[ended] = -torch.inf  # an ended beam goes on as it is, with padding, for free
            gains[ended, model.pad] = 0.0
            totals = scores[..., None] + gains.unflatten(0, (batch, beams))  # (B, K, V)
            scores, choice = totals.flatten(1).topk(beams, dim=-1)  # (B, K)
            rows = (first + choice // gains.shape[-1]).flatten()  # (B·K,), the beam that each one continues
            ids = (choice % gains.shape[-1]).flatten()  # (B·K,)
            lengths = (lengths + ~ended)[rows]
            state, ended = state.select(rows), ended[rows] | (ids == end)
            written = torch.cat((written[rows], ids[:, None]), dim=1)  # (B·K, T)
        fair = scores / lengths.unflatten(0, (batch, beams)) ** length_penalty  # (B, K)
        best = fair.argmax(dim=-1, keepdim=True)  # (B, 1)
        rows = (first + best).flatten()  # (B,)
        ids = written[rows, : int(lengths[rows].max())]  # (B, T)
        attentions = replay(model, source, start, ids) if need_weights else None
        return Decoded(ids, scores.gather(1, best)[:, 0], attentions)


def advance(
    model: nn.Module, ids: Int[Tensor, " B"], state: Any, end: int
) -> tuple[Float[Tensor, "B V"], Any]:
    """The log-probability of every next token, and the new state."""
    logits, state, _ = model.step(ids, state)  # (B, V)
    if not 0 <= end < logits.shape[-1]:
        raise ValueError(f"end: wanted an id from 0 to {logits.shape[-1] - 1}, got {end}")
    return logits.log_softmax(dim=-1), state


def replay(model: nn.Module, source: Int[Tensor, "B S"], start: int, ids: Int[Tensor, "B T"]) -> Attentions:
    """The weights of every step that writes `ids`, one step after the other, as one `Attentions`."""
    state, steps = model.start(source), []
    before = F.pad(ids, (1, -1), value=start)  # (B, T), what each step reads: the start, then the ids
    for token in before.unbind(dim=1):
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
    """Training mode, or evaluation mode (no dropout), inside the block; then whatever each module was in."""
    before = [(module, module.training) for module in model.modules()]
    model.train(training)
    try:
        yield
    finally:
        for module, was in before:
            module.training = was


def check(source: Tensor, **sizes: int) -> None:
    """Raise `ValueError` unless the source is `(B, S)` and each size a whole number of at least 1."""
    positive(**sizes)
    if source.dim() != 2:
        raise wrong_shape("source", source.shape, "(B, S)")
