"""The decoder: masked self-attention, cross-attention, feed-forward. Chapter 6 explains this file."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from attnbook.arguments import require_sizes, require_vectors
from attnbook.attention import Attentions, KeyValues, MultiHeadAttention
from attnbook.encoder import AddNorm, FeedForward, reset_parts


@dataclass(frozen=True)
class LayerCache:
    """Cached keys and values of one decoder layer: those of the target and of the memory.

    The target's grow with every step. Those of the memory (the encoder's output) never change.
    """

    target: KeyValues
    memory: KeyValues

    def select(self, rows: Int[Tensor, " R"]) -> "LayerCache":
        """The cache of the given rows of the batch, in that order; a row may be given more than once."""
        return LayerCache(self.target.select(rows), self.memory.select(rows))


class DecoderLayer(nn.Module):
    """Masked self-attention, cross-attention, feed-forward, each with Add & Norm (Vaswani et al. 2017, §3.1).

    Takes the target `(B, T, D)`, the memory `(B, S, D)`, a mask broadcastable to `(B, H, T, T)` and a
    memory mask broadcastable to `(B, H, T, S)`; returns `(B, T, D)` and the weights of both attentions,
    `(B, H, T, T)` and `(B, H, T, S)`, None when not needed. Raises `ValueError` for other shapes.

    To decode step by step, pass the newest N positions only, None for the memory, and a `cache`; `start`
    returns the first one. The call then also returns the extended cache for the next step.
    """

    def __init__(
        self, d_model: int, num_heads: int, d_ff: int, dropout: float = 0.1, norm_first: bool = False
    ) -> None:
        super().__init__()
        self.self_attention = MultiHeadAttention(d_model, num_heads)
        self.add_norm1 = AddNorm(d_model, dropout, norm_first)
        self.cross_attention = MultiHeadAttention(d_model, num_heads)
        self.add_norm2 = AddNorm(d_model, dropout, norm_first)
        self.feed_forward = FeedForward(d_model, d_ff, dropout)
        self.add_norm3 = AddNorm(d_model, dropout, norm_first)

    def forward(
        self,
        x: Float[Tensor, "B T D"],
        memory: Float[Tensor, "B S D"] | None,
        mask: Bool[Tensor, "..."] | None = None,
        memory_mask: Bool[Tensor, "..."] | None = None,
        need_weights: bool = True,
        cache: LayerCache | None = None,
    ) -> (
        tuple[Float[Tensor, "B T D"], tuple[Tensor, Tensor] | None]
        | tuple[Float[Tensor, "B T D"], tuple[Tensor, Tensor] | None, LayerCache]
    ):
        self._require_inputs(x, memory, cache)
        target, known = (None, None) if cache is None else (cache.target, cache.memory)
        y = self.add_norm1.before(x)
        y, own, *target = self.self_attention(y, y, y, mask, need_weights, target)
        x = self.add_norm1(x, y)

        y = self.add_norm2.before(x)
        y, cross, *_ = self.cross_attention(y, memory, memory, memory_mask, need_weights, known)
        x = self.add_norm2(x, y)

        y = self.feed_forward(self.add_norm3.before(x))
        x, weights = self.add_norm3(x, y), (own, cross) if need_weights else None
        return (x, weights) if cache is None else (x, weights, LayerCache(*target, known))

    def start(self, memory: Float[Tensor, "B S D"]) -> LayerCache:
        """The cache before the first step: the keys and values of the memory, none of the target."""
        require_vectors("memory", memory, self.cross_attention.d_model)
        nothing = memory[:, :0]  # (B, 0, D)
        return LayerCache(
            target=self.self_attention.keys_and_values(nothing, nothing),
            memory=self.cross_attention.keys_and_values(memory, memory),
        )

    def _require_inputs(self, x: Tensor, memory: Tensor | None, cache: LayerCache | None) -> None:
        require_vectors("x", x, self.self_attention.d_model)
        if cache is not None and not isinstance(cache, LayerCache):
            raise TypeError(f"cache: wanted a LayerCache, got {type(cache).__name__}")
        if (memory is None) == (cache is None):
            given = "neither" if memory is None else "both"
            raise ValueError(f"memory: wanted either a memory or a cache that holds its keys, got {given}")
        if memory is not None:
            require_vectors("memory", memory, self.cross_attention.d_model, batch=x.shape[0])


class Decoder(nn.Module):
    """A stack of `num_layers` decoder layers; with `norm_first`, a LayerNorm follows the last.

    Takes the target `(B, T, D)`, the memory `(B, S, D)`, a mask broadcastable to `(B, H, T, T)` and a
    memory mask broadcastable to `(B, H, T, S)`. Returns `(B, T, D)` and `Attentions` with `decoder`
    `(L, B, H, T, T)` and `cross` `(L, B, H, T, S)`, None when not needed. The decoder doesn't mask anything
    by itself: pass `causal_mask(T)`. Raises `ValueError` for other shapes.

    To decode step by step, pass the newest N positions only, None for the memory, and `caches`; `start`
    returns the first ones. The call then also returns the extended caches for the next step.
    """

    def __init__(
        self,
        d_model: int = 512,
        num_heads: int = 8,
        d_ff: int = 2048,
        dropout: float = 0.1,
        norm_first: bool = False,
        num_layers: int = 6,
    ) -> None:
        super().__init__()
        require_sizes(num_layers=num_layers)
        self.layers = nn.ModuleList(
            DecoderLayer(d_model, num_heads, d_ff, dropout, norm_first) for _ in range(num_layers)
        )
        self.norm = nn.LayerNorm(d_model) if norm_first else nn.Identity()

    def reset_parameters(self) -> None:
        """Initialize all weights again, as PyTorch's layers do when they are built."""
        reset_parts(self)

    def forward(
        self,
        x: Float[Tensor, "B T D"],
        memory: Float[Tensor, "B S D"] | None,
        mask: Bool[Tensor, "..."] | None = None,
        memory_mask: Bool[Tensor, "..."] | None = None,
        need_weights: bool = True,
        caches: list[LayerCache] | None = None,
    ) -> (
        tuple[Float[Tensor, "B T D"], Attentions | None]
        | tuple[Float[Tensor, "B T D"], Attentions | None, list[LayerCache]]
    ):
        if caches is not None and len(caches) != len(self.layers):
            raise ValueError(f"caches: wanted {len(self.layers)}, one for each layer, got {len(caches)}")
        weights, grown = [], []
        for i, layer in enumerate(self.layers):
            cache = None if caches is None else caches[i]
            x, layer_weights, *cache = layer(x, memory, mask, memory_mask, need_weights, cache)
            weights.append(layer_weights)
            grown += cache
        attentions = None
        if need_weights:
            own, cross = zip(*weights, strict=True)
            attentions = Attentions(decoder=torch.stack(own), cross=torch.stack(cross))
        x = self.norm(x)
        return (x, attentions) if caches is None else (x, attentions, grown)

    def start(self, memory: Float[Tensor, "B S D"]) -> list[LayerCache]:
        """The caches before the first step, one per layer."""
        return [layer.start(memory) for layer in self.layers]


torch.export.register_dataclass(LayerCache)
