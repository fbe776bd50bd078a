"""The decoder: masked self-attention, a look at the source, feed-forward. Chapter 6 explains this file."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from attnbook.attention import Attentions, MultiHeadAttention
from attnbook.checks import positive
from attnbook.encoder import AddNorm, FeedForward


@dataclass(frozen=True)
class LayerCache:
    """The keys and values that one decoder layer need not compute again, all `(B, H, length, d)`.

    Those of the memory (the encoder's output) never change; those of the target grow by one a step.
    """

    memory_keys: Float[Tensor, "B H S d"]
    memory_values: Float[Tensor, "B H S d"]
    keys: Float[Tensor, "B H T d"] | None = None
    values: Float[Tensor, "B H T d"] | None = None

    def extend(self, keys: Float[Tensor, "B H N d"], values: Float[Tensor, "B H N d"]) -> "LayerCache":
        """A cache with the newest keys and values at its end; this one stays as it is."""
        if self.keys is not None:
            keys = torch.cat((self.keys, keys), dim=2)  # (B, H, T + N, d)
            values = torch.cat((self.values, values), dim=2)  # (B, H, T + N, d)
        return LayerCache(self.memory_keys, self.memory_values, keys, values)

    def select(self, rows: Int[Tensor, " R"]) -> "LayerCache":
        """The cache of the batch's given rows, in their order, each as often as it is named."""
        parts = (self.memory_keys, self.memory_values, self.keys, self.values)
        return LayerCache(*(part if part is None else part[rows] for part in parts))


class DecoderLayer(nn.Module):
    """Masked self-attention, cross-attention, feed-forward, each with Add & Norm (Vaswani et al. 2017, §3.1).

    Takes the target `(B, T, D)`, the memory `(B, S, D)`, a mask broadcastable to `(B, H, T, T)` and a
    memory mask to `(B, H, T, S)`; returns `(B, T, D)` and the two weights `(B, H, T, T)` and
    `(B, H, T, S)`, None when not needed.
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
        memory: Float[Tensor, "B S D"],
        mask: Bool[Tensor, "..."] | None = None,
        memory_mask: Bool[Tensor, "..."] | None = None,
        need_weights: bool = True,
    ) -> tuple[Float[Tensor, "B T D"], tuple[Float[Tensor, "B H T T"], Float[Tensor, "B H T S"]] | None]:
        x, weights, _ = self.step(x, self.start(memory), mask, memory_mask, need_weights)
        return x, weights

    def start(self, memory: Float[Tensor, "B S D"]) -> LayerCache:
        """A cache that knows the memory and no target yet."""
        return LayerCache(*self.cross_attention.keys_and_values(memory, memory))

    def step(
        self,
        x: Float[Tensor, "B N D"],
        cache: LayerCache,
        mask: Bool[Tensor, "..."] | None = None,
        memory_mask: Bool[Tensor, "..."] | None = None,
        need_weights: bool = True,
    ) -> tuple[Float[Tensor, "B N D"], tuple[Tensor, Tensor] | None, LayerCache]:
        """The layer for the N newest positions only; the cache holds what it needs of those before."""
        y = self.add_norm1.before(x)
        cache = cache.extend(*self.self_attention.keys_and_values(y, y))
        y, own = self.self_attention.attend(y, cache.keys, cache.values, mask, need_weights)
        x = self.add_norm1.after(x, y)

        y = self.add_norm2.before(x)
        y, cross = self.cross_attention.attend(
            y, cache.memory_keys, cache.memory_values, memory_mask, need_weights
        )
        x = self.add_norm2.after(x, y)

        y = self.feed_forward(self.add_norm3.before(x))
        return self.add_norm3.after(x, y), (own, cross) if need_weights else None, cache


class Decoder(nn.Module):
    """`num_layers` decoder layers; with `norm_first`, a last LayerNorm closes the stack.

    Takes the target `(B, T, D)`, the memory `(B, S, D)`, a mask broadcastable to `(B, H, T, T)` and a
    memory mask to `(B, H, T, S)`. Returns `(B, T, D)` and `Attentions` with `decoder` `(L, B, H, T, T)`
    and `cross` `(L, B, H, T, S)`, None when not needed. Causality is the mask's: pass `causal_mask(T)`.
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
        positive(num_layers=num_layers)
        self.layers = nn.ModuleList(
            DecoderLayer(d_model, num_heads, d_ff, dropout, norm_first) for _ in range(num_layers)
        )
        self.norm = nn.LayerNorm(d_model) if norm_first else nn.Identity()

    def forward(
        self,
        x: Float[Tensor, "B T D"],
        memory: Float[Tensor, "B S D"],
        mask: Bool[Tensor, "..."] | None = None,
        memory_mask: Bool[Tensor, "..."] | None = None,
        need_weights: bool = True,
    ) -> tuple[Float[Tensor, "B T D"], Attentions | None]:
        x, attentions, _ = self.step(x, self.start(memory), mask, memory_mask, need_weights)
        return x, attentions

    def start(self, memory: Float[Tensor, "B S D"]) -> list[LayerCache]:
        """One cache a layer, each knowing the memory and no target yet."""
        return [layer.start(memory) for layer in self.layers]

    def step(
        self,
        x: Float[Tensor, "B N D"],
        caches: list[LayerCache],
        mask: Bool[Tensor, "..."] | None = None,
        memory_mask: Bool[Tensor, "..."] | None = None,
        need_weights: bool = True,
    ) -> tuple[Float[Tensor, "B N D"], Attentions | None, list[LayerCache]]:
        """The whole stack for the N newest positions; the caches are returned grown, never changed."""
        weights, grown = [], []
        for layer, cache in zip(self.layers, caches, strict=True):
            x, layer_weights, cache = layer.step(x, cache, mask, memory_mask, need_weights)
            weights.append(layer_weights)
            grown.append(cache)
        attentions = None
        if need_weights:
            own, cross = zip(*weights, strict=True)
            attentions = Attentions(decoder=torch.stack(own), cross=torch.stack(cross))
        return self.norm(x), attentions, grown
