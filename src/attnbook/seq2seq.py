"""The models that came before: recurrent and convolutional, with and without attention. For chapters 1 and 3.

All models and attentions are wired the same way, so that a comparison changes one part only: an encoder
makes the memory, a decoder runs over the target, a context is read from the memory for each of the decoder's
vectors, and both together give the logits of the next token.
"""

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from attnbook.arguments import (
    known,
    require_ids,
    require_integers,
    require_newest,
    require_pad,
    require_sizes,
    wrong_shape,
)
from attnbook.attention import Attentions
from attnbook.contexts import CONTEXTS, Memory
from attnbook.embeddings import LearnedPositions
from attnbook.encoder import reset_parts

__all__ = ["ConvolutionalSeq2Seq", "RecurrentSeq2Seq", "Seq2Seq", "Seq2SeqState"]

Carry = tuple[Float[Tensor, "B ..."], ...]  # the decoder's state from token to token


@dataclass(frozen=True)
class Seq2SeqState:
    """What decoding keeps between two steps: the memory, the decoder's state, the number of tokens so far."""

    memory: Memory
    carry: Carry
    length: int = 0

    def select(self, rows: Int[Tensor, " R"]) -> "Seq2SeqState":
        """The state of the given rows of the batch, in that order; a row may be given more than once."""
        carry = tuple(part[rows] for part in self.carry)
        return replace(self, memory=self.memory.select(rows), carry=carry)


class Seq2Seq(nn.Module):
    """What the two models share: embeddings, the choice of attention, the output, and the two calls.

    $\\mathrm{logits}_t = W_o \\tanh(W_c [h_t; c_t])$, $c_t = \\mathrm{context}(x_t, h_t)$, with $x_t$ the
    embedded token and $h_t$ the decoder's vector (Luong et al. 2015, eq. 5). `attention` is None,
    "article", "additive" or "dot". No source may be longer than `max_source_length`; only the article's
    class needs such a limit.

    Takes source ids `(B, S)`, padded with `pad` on the right, and target ids so far `(B, T)`; returns the
    logits of the next token `(B, T, target_vocab)` and `Attentions` with `cross` `(1, B, 1, T, S)`.
    Raises `ValueError` for sizes, ids and lengths that do not fit.
    """

    def __init__(
        self,
        source_vocab: int,
        target_vocab: int,
        d_model: int,
        attention: str | None,
        max_source_length: int | None,
        pad: int,
    ) -> None:
        super().__init__()
        require_sizes(source_vocab=source_vocab, target_vocab=target_vocab, d_model=d_model)
        if attention not in [*CONTEXTS]:  # unhashable ones, too
            raise ValueError(f"attention: wanted one of {[*CONTEXTS]}, got {attention!r}")
        if max_source_length is not None:
            require_sizes(max_source_length=max_source_length)
        elif attention == "article":
            raise ValueError("max_source_length: wanted a length, which the article's class needs, got None")
        require_pad(pad, min(source_vocab, target_vocab))
        self.pad, self.max_source_length = pad, max_source_length
        self.source_embeddings = nn.Embedding(source_vocab, d_model)
        self.target_embeddings = nn.Embedding(target_vocab, d_model)
        self.combine = nn.Linear(2 * d_model, d_model)
        self.output = nn.Linear(d_model, target_vocab)

    def reset_parameters(self) -> None:
        """Draw all weights anew: a model built on the meta device is then as a new one from the same seed."""
        reset_parts(self)

    def encode(self, source: Int[Tensor, "B S"], mask: Bool[Tensor, "B S"]) -> tuple[Memory, Carry]:
        """The memory, and the decoder's state before its first token."""
        raise NotImplementedError

    def decode(
        self, embedded: Float[Tensor, "B T D"], state: Seq2SeqState
    ) -> tuple[Float[Tensor, "B T D"], Carry]:
        """The decoder's vectors for the T newest tokens, and its state after the last of them."""
        raise NotImplementedError

    def forward(
        self, source: Int[Tensor, "B S"], target: Int[Tensor, "B T"], need_weights: bool = True
    ) -> tuple[Float[Tensor, "B T V"], Attentions | None]:
        logits, _, attentions = self._extend(target, self.start(source), need_weights)
        return logits, attentions

    def start(self, source: Int[Tensor, "B S"]) -> Seq2SeqState:
        """Encode the source once, ready for the first `step`."""
        mask = source_mask(source, self.pad, self.source_embeddings.num_embeddings)  # (B, S)
        if self.max_source_length is not None:
            tokens = known(mask.sum(dim=1).max())
            longest = source.shape[1] if tokens is None else tokens  # then padding counts, too
            if longest > self.max_source_length:
                limit = f"max_source_length={self.max_source_length}"
                raise ValueError(f"source: wanted at most {limit} tokens, got {longest}")
        return Seq2SeqState(*self.encode(source, mask))

    def step(
        self, ids: Int[Tensor, " B"], state: Seq2SeqState, need_weights: bool = False
    ) -> tuple[Float[Tensor, "B V"], Seq2SeqState, Attentions | None]:
        """Decode one more token: the logits of the next, the new state, and weights `(1, B, 1, 1, S)`."""
        require_newest(ids, state.memory.mask.shape[0])
        logits, state, attentions = self._extend(ids[:, None], state, need_weights)
        return logits[:, 0], state, attentions

    def _extend(
        self, ids: Int[Tensor, "B T"], state: Seq2SeqState, need_weights: bool
    ) -> tuple[Float[Tensor, "B T V"], Seq2SeqState, Attentions | None]:
        require_rows("target", ids, self.target_embeddings.num_embeddings, state.memory.mask.shape[0])
        embedded = self.target_embeddings(ids)  # (B, T, D)
        hidden, carry = self.decode(embedded, state)  # (B, T, D)
        context, weights = self.context(embedded, hidden, state.memory)  # (B, T, D), (B, T, S)
        combined = torch.tanh(self.combine(torch.cat((hidden, context), dim=-1)))  # (B, T, D)
        state = replace(state, carry=carry, length=state.length + ids.shape[1])
        cross = weights[None, :, None] if weights is not None else None  # (1, B, 1, T, S)
        return self.output(combined), state, Attentions(cross=cross) if need_weights else None


class RecurrentSeq2Seq(Seq2Seq):
    """A recurrent encoder and a recurrent decoder (Cho et al. 2014; Sutskever et al. 2014).

    The decoder starts from the encoder's last state. `cell` is "gru" or "lstm". Without attention that last
    state is all the decoder sees of the source, at every step; with it, each of the encoder's outputs.
    """

    def __init__(
        self,
        source_vocab: int,
        target_vocab: int,
        d_model: int = 128,
        attention: str | None = None,
        *,
        cell: str = "gru",
        max_source_length: int | None = None,
        pad: int = 0,
    ) -> None:
        super().__init__(source_vocab, target_vocab, d_model, attention, max_source_length, pad)
        cells = {"gru": nn.GRU, "lstm": nn.LSTM}
        if cell not in [*cells]:
            raise ValueError(f"cell: wanted one of {[*cells]}, got {cell!r}")
        self.encoder = cells[cell](d_model, d_model, batch_first=True)
        self.decoder = cells[cell](d_model, d_model, batch_first=True)
        # Last, so that from one seed everything else gets the same weights whatever the attention.
        self.context = CONTEXTS[attention](d_model, max_source_length)

    def encode(self, source: Int[Tensor, "B S"], mask: Bool[Tensor, "B S"]) -> tuple[Memory, Carry]:
        packed = nn.utils.rnn.pack_padded_sequence(
            self.source_embeddings(source), mask.sum(dim=1).cpu(), batch_first=True, enforce_sorted=False
        )
        outputs, last = self.encoder(packed)  # last: (1, B, D), for the LSTM two of them
        outputs, _ = nn.utils.rnn.pad_packed_sequence(
            outputs, batch_first=True, total_length=source.shape[1]
        )  # (B, S, D)
        carry = tuple(part[0] for part in (last if isinstance(last, tuple) else (last,)))  # each (B, D)
        return Memory(outputs, mask, carry[0]), carry

    def decode(
        self, embedded: Float[Tensor, "B T D"], state: Seq2SeqState
    ) -> tuple[Float[Tensor, "B T D"], Carry]:
        before = tuple(part[None] for part in state.carry)  # each (1, B, D)
        hidden, after = self.decoder(embedded, before if len(before) > 1 else before[0])  # (B, T, D)
        return hidden, tuple(part[0] for part in (after if isinstance(after, tuple) else (after,)))


class ConvolutionalSeq2Seq(Seq2Seq):
    """Stacked convolutions over the whole source and the target's past (Gehring et al. 2017).

    A vector sees 1 + num_layers · (kernel − 1) positions: around it in the encoder, up to it in the
    decoder. Each layer adds $\\mathrm{GLU}(\\mathrm{conv}(x))$ to what came in. The summary, all that a
    decoder without attention sees of the source, is the mean of the encoder's outputs. `kernel` is odd,
    so that the encoder looks equally far to both sides; no sequence is longer than `max_length`.
    """

    def __init__(
        self,
        source_vocab: int,
        target_vocab: int,
        d_model: int = 128,
        attention: str | None = None,
        *,
        kernel: int = 3,
        num_layers: int = 4,
        max_length: int = 512,
        max_source_length: int | None = None,
        pad: int = 0,
    ) -> None:
        super().__init__(source_vocab, target_vocab, d_model, attention, max_source_length, pad)
        require_sizes(kernel=kernel, num_layers=num_layers, max_length=max_length)
        if kernel % 2 == 0:
            raise ValueError(f"kernel: wanted an odd number, got {kernel}")
        self.kernel = kernel
        self.source_positions = LearnedPositions(d_model, max_length)
        self.target_positions = LearnedPositions(d_model, max_length)
        self.draw_positions()
        self.encoder = nn.ModuleList(
            nn.Conv1d(d_model, 2 * d_model, kernel, padding=kernel // 2) for _ in range(num_layers)
        )
        self.decoder = nn.ModuleList(nn.Conv1d(d_model, 2 * d_model, kernel) for _ in range(num_layers))
        # Last, so that from one seed everything else gets the same weights whatever the attention.
        self.context = CONTEXTS[attention](d_model, max_source_length)

    def reset_parameters(self) -> None:
        """Draw all weights anew."""
        super().reset_parameters()
        self.draw_positions()

    def draw_positions(self) -> None:
        """Draw the positions from N(0, 1), as large as the embeddings they are added to."""
        for positions in (self.source_positions, self.target_positions):
            nn.init.normal_(positions.table)

    def encode(self, source: Int[Tensor, "B S"], mask: Bool[Tensor, "B S"]) -> tuple[Memory, Carry]:
        keep = mask[..., None]  # (B, S, 1)
        x = self.source_positions(self.source_embeddings(source)) * keep  # (B, S, D)
        for layer in self.encoder:
            x = (x + convolve(layer, x)) * keep  # (B, S, D)
        summary = x.sum(dim=1) / keep.sum(dim=1)  # (B, D)
        nothing = x.new_zeros(x.shape[0], self.kernel - 1, x.shape[2])  # (B, kernel - 1, D)
        return Memory(x, mask, summary), (nothing,) * len(self.decoder)

    def decode(
        self, embedded: Float[Tensor, "B T D"], state: Seq2SeqState
    ) -> tuple[Float[Tensor, "B T D"], Carry]:
        x, carry = self.target_positions(embedded, state.length), []
        for layer, before in zip(self.decoder, state.carry, strict=True):
            seen = torch.cat((before, x), dim=1)  # (B, kernel - 1 + T, D)
            carry.append(seen[:, x.shape[1] :])  # (B, kernel - 1, D)
            x = x + convolve(layer, seen)  # (B, T, D)
        return x, tuple(carry)


def convolve(layer: nn.Conv1d, x: Float[Tensor, "B T D"]) -> Float[Tensor, "B N D"]:
    """Half of the layer's output, gated by the other half (torch wants the width first)."""
    return F.glu(layer(x.transpose(1, 2)), dim=1).transpose(1, 2)  # (B, N, D)


def source_mask(source: Int[Tensor, "B S"], pad: int, vocab: int) -> Bool[Tensor, "B S"]:
    """Which positions of the source hold a token; raises `ValueError` for padding before a token."""
    require_rows("source", source, vocab)
    mask = source != pad  # (B, S)
    if known(mask[:, 0].all()) is False:
        raise ValueError(
            f"source: wanted a token in every row, got padding first in row {mask[:, 0].int().argmin()}"
        )
    if known((mask.int() > mask.int().cummin(dim=1).values).any()):
        raise ValueError("source: wanted padding on the right of each row only, got a token after padding")
    return mask


def require_rows(name: str, ids: Tensor, vocab: int, batch: int | None = None) -> None:
    """Raise unless `ids` is a `(B, T)` tensor of whole numbers below `vocab`, with at least one of them."""
    require_integers(name, ids)
    if ids.dim() != 2 or batch not in (None, ids.shape[0]):
        raise wrong_shape(name, ids.shape, f"({'B' if batch is None else batch}, length)")
    if 0 in ids.shape:
        raise wrong_shape(name, ids.shape, "(B, length) with at least one row and one token")
    require_ids(name, ids, vocab)


torch.export.register_dataclass(Seq2SeqState)
