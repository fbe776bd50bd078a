"""A decoder-only language model: the masked decoder of chapter 6 without an encoder."""

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from attnbook.arguments import (
    known,
    require_batched,
    require_ids,
    require_integers,
    require_newest,
    require_number,
    require_pad,
    require_padded_rows,
    require_rate,
    require_sizes,
    require_vectors,
    wrong_shape,
)
from attnbook.attention import (
    Attentions,
    KeyValues,
    MultiHeadAttention,
    fused_attention,
    require_cache,
    scaled_dot_product_attention,
)
from attnbook.embeddings import Angles, RotaryPositions
from attnbook.encoder import AddNorm, reset_parts
from attnbook.masks import causal_mask, fit_mask

__all__ = ["GatedFeedForward", "LanguageModel", "LanguageState", "RotaryAttention"]


class RotaryAttention(MultiHeadAttention):
    """Self-attention with rotary positions, whose heads may share keys and values.

    Queries and keys are rotated by their positions, so positions affect a score only through the *distance*
    between query and key (see `RotaryPositions`). With `num_key_heads` < `num_heads`, each key head serves a
    group of query heads (grouped-query attention, Ainslie et al. 2023), and the cache shrinks in proportion.
    No biases.

    Shapes as in `MultiHeadAttention`, with one key and value for each query. Cached keys are already rotated,
    and new ones follow them. `angles` are those that `rotary` computes for the new positions, if they are
    known. Raises `ValueError` if `num_key_heads` does not divide `num_heads`.
    """

    def __init__(self, d_model: int, num_heads: int, num_key_heads: int, rotary: RotaryPositions) -> None:
        super().__init__(d_model, num_heads, bias=False)
        require_sizes(num_key_heads=num_key_heads)
        if num_heads % num_key_heads:
            raise ValueError(f"num_key_heads: wanted a divisor of num_heads={num_heads}, got {num_key_heads}")
        self.d_head, self.group = d_model // num_heads, num_heads // num_key_heads
        self.key = nn.Linear(d_model, num_key_heads * self.d_head, bias=False)
        self.value = nn.Linear(d_model, num_key_heads * self.d_head, bias=False)
        if not isinstance(rotary, RotaryPositions) or rotary.d != self.d_head:
            raise ValueError(f"rotary: wanted RotaryPositions of width {self.d_head}, got {rotary!r}")
        self.rotary = rotary

    def forward(
        self,
        query: Float[Tensor, "B T D"],
        key: Float[Tensor, "B T D"],
        value: Float[Tensor, "B T D"],
        mask: Bool[Tensor, "..."] | None = None,
        need_weights: bool = True,
        cache: KeyValues | None = None,
        angles: Angles | None = None,
    ) -> (
        tuple[Float[Tensor, "B T D"], Float[Tensor, "B H T S"] | None]
        | tuple[Float[Tensor, "B T D"], Float[Tensor, "B H T S"] | None, KeyValues]
    ):
        require_batched(query, key, value, self.d_model, self.d_model, self.d_model)
        if key.shape[1] != query.shape[1]:
            raise wrong_shape("key", key.shape, f"{tuple(query.shape)}, one key for each query")
        if cache is not None:
            require_cache(cache, query.shape[0], self.num_heads // self.group, self.d_head)
        if angles is None:
            angles = self.rotary.angles(query, 0 if cache is None else cache.keys.shape[2], query.shape[1])
        queries, newest = self.split(self.query(query)), self.keys_and_values(key, value)  # (B, H, T, d)
        both = self.rotary(torch.cat((queries, newest.keys), dim=1), angles=angles)  # (B, H + K, T, d)
        queries, keys = both.split((self.num_heads, newest.keys.shape[1]), dim=1)
        past = KeyValues(keys, newest.values)
        past = past if cache is None else cache.extend(past)  # a key is rotated once, before it is cached
        output, weights = self.attend_in_groups(queries, past, mask, need_weights)
        output = self.output(output)  # (B, T, D)
        return (output, weights) if cache is None else (output, weights, past)

    def attend_in_groups(
        self,
        queries: Float[Tensor, "B H T d"],
        past: KeyValues,
        mask: Bool[Tensor, "..."] | None,
        need_weights: bool,
    ) -> tuple[Float[Tensor, "B T D"], Float[Tensor, "B H T S"] | None]:
        """Let each group of queries attend to the keys of its key head."""
        if not need_weights:  # torch's kernel shares the keys without copying them
            mask = fit_mask(mask, (*queries.shape[:-1], past.keys.shape[2]))
            output = fused_attention(queries, past.keys, past.values, mask, shared=self.group > 1)
            return self.merge(output), None
        keys = past.keys.repeat_interleave(self.group, dim=1)  # (B, H, S, d)
        values = past.values.repeat_interleave(self.group, dim=1)  # (B, H, S, d)
        output, weights = scaled_dot_product_attention(queries, keys, values, mask)
        return self.merge(output), weights

    def split(self, x: Float[Tensor, "B T _"]) -> Float[Tensor, "B _ T d"]:
        """Split the features into heads; keys and values may have fewer heads than queries."""
        return x.unflatten(-1, (-1, self.d_head)).transpose(1, 2)


class GatedFeedForward(nn.Module):
    """A feed-forward network with a gate for each feature of its inner layer (SwiGLU).

    $\\mathrm{FFN}(x) = (\\mathrm{SiLU}(x W_g) \\odot x W_1) W_2$, without biases (Shazeer 2020).

    Takes and returns `(B, T, d_model)`; in between, `(B, T, d_ff)`. Raises `ValueError` for other shapes.
    """

    def __init__(self, d_model: int, d_ff: int, dropout: float = 0.0) -> None:
        super().__init__()
        require_sizes(d_model=d_model, d_ff=d_ff)
        require_rate(dropout=dropout)
        self.gate = nn.Linear(d_model, d_ff, bias=False)
        self.inner = nn.Linear(d_model, d_ff, bias=False)
        self.dropout = nn.Dropout(dropout)
        self.outer = nn.Linear(d_ff, d_model, bias=False)

    def forward(self, x: Float[Tensor, "B T D"]) -> Float[Tensor, "B T D"]:
        require_vectors("x", x, self.inner.in_features)
        return self.outer(self.dropout(F.silu(self.gate(x)) * self.inner(x)))


class LanguageLayer(nn.Module):
    """Rotary self-attention and a gated feed-forward network, each with a pre-norm Add & RMSNorm."""

    def __init__(
        self, attention: RotaryAttention, feed_forward: GatedFeedForward, dropout: float, epsilon: float
    ) -> None:
        super().__init__()
        d_model = attention.d_model
        self.self_attention, self.feed_forward = attention, feed_forward
        self.add_norm1 = AddNorm(d_model, dropout, norm_first=True)
        self.add_norm2 = AddNorm(d_model, dropout, norm_first=True)
        self.add_norm1.norm = nn.RMSNorm(d_model, eps=epsilon)
        self.add_norm2.norm = nn.RMSNorm(d_model, eps=epsilon)

    def forward(
        self,
        x: Float[Tensor, "B T D"],
        mask: Bool[Tensor, "..."] | None,
        need_weights: bool,
        cache: KeyValues,
        angles: Angles,
    ) -> tuple[Float[Tensor, "B T D"], Float[Tensor, "B H T S"] | None, KeyValues]:
        y = self.add_norm1.before(x)
        y, weights, cache = self.self_attention(y, y, y, mask, need_weights, cache, angles)
        x = self.add_norm1(x, y)
        y = self.feed_forward(self.add_norm2.before(x))
        return self.add_norm2(x, y), weights, cache


class LanguageStack(nn.Module):
    """A stack of language layers, followed by an RMSNorm."""

    def __init__(self, layers: list[LanguageLayer], epsilon: float) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.norm = nn.RMSNorm(layers[0].self_attention.d_model, eps=epsilon)

    def forward(
        self,
        x: Float[Tensor, "B T D"],
        mask: Bool[Tensor, "..."] | None,
        need_weights: bool,
        caches: list[KeyValues],
    ) -> tuple[Float[Tensor, "B T D"], Attentions | None, list[KeyValues]]:
        weights, grown = [], []
        angles = self.layers[0].self_attention.rotary.angles(x, caches[0].keys.shape[2], x.shape[1])
        for layer, cache in zip(self.layers, caches, strict=True):
            x, layer_weights, cache = layer(x, mask, need_weights, cache, angles)
            weights.append(layer_weights)
            grown.append(cache)
        return self.norm(x), Attentions(decoder=torch.stack(weights)) if need_weights else None, grown

    def start(self, x: Float[Tensor, "B T D"]) -> list[KeyValues]:
        """Empty caches for the rows of `x`, one per layer."""
        nothing = x[:, :0]  # (B, 0, D)
        return [layer.self_attention.keys_and_values(nothing, nothing) for layer in self.layers]


@dataclass(frozen=True)
class LanguageState:
    """The state between two decoding steps: the caches, and which of their keys `(B, U)` are real.

    All rows of a batch end at the same position, so shorter prompts are padded at their start, and this
    padding is masked.
    """

    caches: list[KeyValues]
    real: Bool[Tensor, "B U"]

    def select(self, rows: Int[Tensor, " R"]) -> "LanguageState":
        """The state of the given rows of the batch, in that order; a row may be given more than once."""
        return LanguageState([cache.select(rows) for cache in self.caches], self.real[rows])


class LanguageModel(nn.Module):
    """Predict each next token from those before it, as Llama and its relatives do (Touvron et al. 2023).

    A stack of pre-norm layers with causal self-attention. It differs from the decoder of Vaswani et al. 2017:
    there is no cross-attention; positions rotate queries and keys, and heads may share keys and values
    (`RotaryAttention`); the norm is RMSNorm; the feed-forward network has a gate (`GatedFeedForward`). The
    output layer shares the embedding's matrix.

    Takes ids `(B, T)`, shorter rows padded at their end with `pad`; returns the logits of the next token
    `(B, T, vocab)` and `Attentions` whose `decoder` is `(L, B, H, T, T)`, None when not needed. Raises
    `ValueError` for sizes and ids that do not fit.
    """

    def __init__(
        self,
        vocab: int,
        d_model: int,
        num_heads: int,
        num_key_heads: int | None = None,
        num_layers: int = 6,
        d_ff: int | None = None,
        *,
        dropout: float = 0.0,
        base: float = 10_000.0,
        interleaved: bool = False,
        epsilon: float = 1e-5,
        pad: int = 0,
    ) -> None:
        super().__init__()
        require_sizes(vocab=vocab, d_model=d_model, num_heads=num_heads, num_layers=num_layers)
        if d_model % (2 * num_heads):
            wanted = f"a number that divides d_model={d_model} into heads of even width"
            raise ValueError(f"num_heads: wanted {wanted}, got {num_heads}")
        require_pad(pad, vocab)
        require_number(0, epsilon=epsilon)
        num_key_heads = num_heads if num_key_heads is None else num_key_heads
        d_ff = 4 * d_model if d_ff is None else d_ff
        rotary = RotaryPositions(d_model // num_heads, base, interleaved)
        layers = []
        for _ in range(num_layers):
            attention = RotaryAttention(d_model, num_heads, num_key_heads, rotary)
            feed_forward = GatedFeedForward(d_model, d_ff, dropout)
            layers.append(LanguageLayer(attention, feed_forward, dropout, epsilon))
        self.pad = pad
        self.embeddings = nn.Embedding(vocab, d_model)
        self.dropout = nn.Dropout(dropout)
        self.decoder = LanguageStack(layers, epsilon)
        self.draw_matrices()

    def reset_parameters(self) -> None:
        """Initialize all weights again, from the distributions of a newly built model.

        One seed gives the same weights again, but not those of a model built from it: building one draws
        some random numbers that are then replaced.
        """
        reset_parts(self)
        self.draw_matrices()

    def draw_matrices(self) -> None:
        """Draw all matrices from N(0, 0.02²), as GPT-2 and Llama do."""
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.normal_(parameter, std=0.02)

    def forward(
        self, ids: Int[Tensor, "B T"], need_weights: bool = True
    ) -> tuple[Float[Tensor, "B T V"], Attentions | None]:
        require_integers("ids", ids)
        if ids.dim() != 2 or ids.shape[1] < 1:
            raise wrong_shape("ids", ids.shape, "(B, T), at least one token long")
        x = self.embed(ids)  # (B, T, D)
        mask = causal_mask(ids.shape[1], device=ids.device)  # (T, T); hides padding, too: it comes last
        x, attentions, _ = self.decoder(x, mask, need_weights, self.decoder.start(x))
        return self.logits(x), attentions

    def embed(self, ids: Int[Tensor, "B T"]) -> Float[Tensor, "B T D"]:
        """Look up the ids; positions enter later, by rotating queries and keys."""
        require_ids("ids", ids, self.embeddings.num_embeddings)
        return self.dropout(self.embeddings(ids))

    def logits(self, x: Float[Tensor, "*batch D"]) -> Float[Tensor, "*batch V"]:
        """The dot product of each vector with every token's embedding."""
        return F.linear(x, self.embeddings.weight)

    def start(self, source: Int[Tensor, "B S"]) -> LanguageState:
        """Process a prefix and return the state for the first `step`, which takes the token after it.

        To continue a prompt, pass all but the last token of each row here, and the last to the first `step`.
        Shorter rows are padded at their end; S may be 0.
        """
        real = require_padded_rows("source", source, self.pad)  # (B, S)
        # Only distances matter to rotary positions, so rows can be shifted until all end together.
        order = real.long().argsort(dim=1, stable=True)  # (B, S), padding first
        source, real = source.gather(1, order), real.gather(1, order)
        x = self.embed(source)  # (B, S, D)
        caches = self.decoder.start(x)
        if source.shape[1]:
            mask = causal_mask(source.shape[1], device=source.device) & real[:, None, None]  # (B, 1, S, S)
            *_, caches = self.decoder(x, mask, False, caches)
        return LanguageState(caches, real)

    def step(
        self, ids: Int[Tensor, " B"], state: LanguageState, need_weights: bool = False
    ) -> tuple[Float[Tensor, "B V"], LanguageState, Attentions | None]:
        """Process one more token of each row, using the cached keys and values.

        Returns the logits of the next token `(B, V)`, the new state (the old one stays usable) and this
        step's weights, `decoder` `(L, B, H, 1, U)` over all U keys so far, 0 on padding.
        """
        require_newest(ids, state.real.shape[0])
        real = F.pad(state.real, (0, 1), value=True)  # (B, U)
        x = self.embed(ids[:, None])  # (B, 1, D)
        mask = None if known(real.all()) else real[:, None, None]  # (B, 1, 1, U), if anything is padded
        x, attentions, caches = self.decoder(x, mask, need_weights, state.caches)
        return self.logits(x[:, 0]), replace(state, caches=caches, real=real), attentions


torch.export.register_dataclass(LanguageState)
