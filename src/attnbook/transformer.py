"""The whole Transformer: embed, encode, decode, compute logits. Chapter 8 explains this file."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from attnbook.arguments import (
    known,
    require_ids,
    require_integers,
    require_newest,
    require_pad,
    require_rate,
    require_sizes,
    wrong_shape,
)
from attnbook.attention import Attentions
from attnbook.decoder import Decoder, LayerCache
from attnbook.embeddings import Embeddings, LearnedPositions, SinusoidalPositions
from attnbook.encoder import Encoder, reset_parts
from attnbook.masks import causal_mask, padding_mask

POSITIONS = {"sinusoidal": SinusoidalPositions, "learned": LearnedPositions}


@dataclass(frozen=True)
class TransformerState:
    """The state between two decoding steps: the caches, the source's mask, the number of tokens so far.

    The mask may be None if the source has no padding.
    """

    caches: list[LayerCache]
    memory_mask: Tensor | None
    length: int = 0

    def select(self, rows: Int[Tensor, " R"]) -> "TransformerState":
        """The state of the given rows of the batch, in that order; a row may be given more than once."""
        caches = [cache.select(rows) for cache in self.caches]
        memory_mask = None if self.memory_mask is None else self.memory_mask[rows]
        return replace(self, caches=caches, memory_mask=memory_mask)


class Transformer(nn.Module):
    """The encoder–decoder of "Attention Is All You Need" (Vaswani et al. 2017); the defaults are the paper's.

    Takes source ids `(B, S)` and the target ids so far `(B, T)`, shorter rows padded with `pad`;
    returns the logits of the next token `(B, T, target_vocab)` and `Attentions`, None when not needed.
    The output layer shares the target embedding's matrix (§3.4); `positions` is "sinusoidal" (§3.5),
    "learned", or None. Raises `ValueError` for sizes, ids and lengths that do not fit.
    """

    def __init__(
        self,
        source_vocab: int,
        target_vocab: int,
        d_model: int = 512,
        num_heads: int = 8,
        num_layers: int = 6,
        d_ff: int = 2048,
        dropout: float = 0.1,
        *,
        norm_first: bool = False,
        positions: str | None = "sinusoidal",
        max_length: int = 512,
        pad: int = 0,
    ) -> None:
        super().__init__()
        require_sizes(source_vocab=source_vocab, target_vocab=target_vocab, max_length=max_length)
        if positions not in (None, *POSITIONS):
            raise ValueError(f"positions: wanted one of {[*POSITIONS]} or None, got {positions!r}")
        require_rate(dropout=dropout)
        require_pad(pad, min(source_vocab, target_vocab))
        stack = (d_model, num_heads, d_ff, dropout, norm_first, num_layers)
        self.pad = pad
        self.source_embeddings = Embeddings(d_model, source_vocab)
        self.target_embeddings = Embeddings(d_model, target_vocab)
        self.positions = POSITIONS[positions](d_model, max_length) if positions else None
        self.dropout = nn.Dropout(dropout)
        self.encoder = Encoder(*stack)
        self.decoder = Decoder(*stack)
        self.output = nn.Linear(d_model, target_vocab, bias=False)
        self.tie_output()
        self.draw_matrices()
        self.register_load_state_dict_post_hook(after_loading)

    def reset_parameters(self) -> None:
        """Initialize all weights again; with the same seed they equal those of a newly built model."""
        reset_parts(self)
        self.tie_output()
        self.draw_matrices()

    def tie_output(self) -> None:
        """Let the output layer share the target embedding's matrix."""
        self.output.weight = self.target_embeddings.lut.weight

    def draw_matrices(self) -> None:
        """Initialize the matrices: embeddings from N(0, 1/d_model), all others Glorot-uniform.

        Multiplied by √d_model, embeddings then have a standard deviation of 1, about the size of positions.
        """
        for name, parameter in self.named_parameters():
            if name.endswith("lut.weight"):
                nn.init.normal_(parameter, std=parameter.shape[1] ** -0.5)
            elif parameter.dim() > 1 and not name.startswith("positions"):
                nn.init.xavier_uniform_(parameter)

    def forward(
        self, source: Int[Tensor, "B S"], target: Int[Tensor, "B T"], need_weights: bool = True
    ) -> tuple[Float[Tensor, "B T V"], Attentions | None]:
        memory, attentions = self.encode(source, need_weights)
        require_integers("target", target)
        if target.dim() != 2 or target.shape[0] != source.shape[0] or target.shape[1] < 1:
            wanted = f"({source.shape[0]}, T), one row for each source row, at least one token long"
            raise wrong_shape("target", target.shape, wanted)
        require_ids("target", target, self.target_embeddings.lut.num_embeddings)
        mask = causal_mask(target.shape[1], device=target.device)  # (T, T)
        x, decoded = self.decoder(
            self.embed(target, self.target_embeddings),
            memory,
            mask,
            padding_mask(source, self.pad),
            need_weights,
        )
        if need_weights:
            attentions = replace(attentions, decoder=decoded.decoder, cross=decoded.cross)
        return self.output(x), attentions

    def encode(
        self, source: Int[Tensor, "B S"], need_weights: bool = True
    ) -> tuple[Float[Tensor, "B S D"], Attentions | None]:
        """Run the encoder alone: the memory `(B, S, D)` that every decoding step attends to."""
        require_ids("source", source, self.source_embeddings.lut.num_embeddings)
        if source.dim() != 2:
            raise wrong_shape("source", source.shape, "(B, S)")
        mask = padding_mask(source, self.pad)  # (B, 1, 1, S)
        return self.encoder(self.embed(source, self.source_embeddings), mask, need_weights)

    def embed(
        self, ids: Int[Tensor, "B T"], embeddings: Embeddings, offset: int = 0
    ) -> Float[Tensor, "B T D"]:
        """Embed the ids and add their positions; the first is at position `offset`."""
        x = embeddings(ids)  # (B, T, D)
        if self.positions is not None:
            x = self.positions(x, offset)
        return self.dropout(x)

    def start(self, source: Int[Tensor, "B S"]) -> TransformerState:
        """Encode the source once, ready for the first `step`."""
        memory, _ = self.encode(source, need_weights=False)
        mask = padding_mask(source, self.pad)  # (B, 1, 1, S)
        return TransformerState(self.decoder.start(memory), None if known(mask.all()) else mask)

    def step(
        self, ids: Int[Tensor, " B"], state: TransformerState, need_weights: bool = False
    ) -> tuple[Float[Tensor, "B V"], TransformerState, Attentions | None]:
        """Decode one more token, using the cached keys and values.

        Takes the newest token of each row; returns the logits of the next `(B, V)`, the new state (the old
        one stays usable) and this step's weights: `decoder` `(L, B, H, 1, t)`, `cross` `(L, B, H, 1, S)`.
        """
        require_newest(ids, state.caches[0].memory.keys.shape[0])
        x = self.embed(ids[:, None], self.target_embeddings, state.length)  # (B, 1, D)
        x, attentions, caches = self.decoder(x, None, None, state.memory_mask, need_weights, state.caches)
        state = replace(state, caches=caches, length=state.length + 1)
        return self.output(x[:, 0]), state, attentions


def after_loading(model: Transformer, keys: object) -> None:
    """After `load_state_dict`: tie the output layer again and move positions to the device of the weights.

    With `assign=True` the output layer and the embedding get separate copies of their shared matrix. They are
    tied again only if the copies are equal.
    """
    output, embedding = model.output.weight, model.target_embeddings.lut.weight
    same_device = output.device == embedding.device
    if output.is_meta or (output is not embedding and same_device and torch.equal(output, embedding)):
        model.tie_output()
    if model.positions is not None:
        model.positions.to(embedding.device)


torch.export.register_dataclass(TransformerState)
