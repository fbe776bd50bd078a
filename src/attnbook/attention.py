"""Attention, from the article's class to many heads. Chapters 2, 3 and 4 explain this file."""

import math
from dataclasses import dataclass, fields

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from attnbook.arguments import (
    require_attention,
    require_batched,
    require_flags,
    require_floats,
    require_number,
    require_rate,
    require_sizes,
    require_vectors,
    require_whole,
    wrong_shape,
)
from attnbook.masks import fit_mask


class Attn(nn.Module):
    """The article's attention: each query and its key give weights for a fixed number of values.

    $w = \\mathrm{softmax}(W_a [q; k] + b_a)$, $\\mathrm{output} = W_c [q; w V] + b_c$.

    A value's weight depends on its *position*, never on its content, and there are always `value_size1`
    weights. Chapter 3 measures both limitations and fixes them. Source: the article; early PyTorch
    translation tutorials used the same form.

    Shapes: Q `(1, T, query_size)`, K `(1, T, key_size)`, V `(1, value_size1, value_size2)` give the
    output `(1, T, output_size)` and weights `(T, value_size1)`. Raises `ValueError` for other shapes.
    """

    def __init__(
        self,
        query_size: int,
        key_size: int,
        value_size1: int,
        value_size2: int,
        output_size: int,
    ) -> None:
        super().__init__()
        require_sizes(query_size=query_size, key_size=key_size, output_size=output_size)
        require_sizes(value_size1=value_size1, value_size2=value_size2)
        self.query_size, self.key_size = query_size, key_size
        self.value_size1, self.value_size2 = value_size1, value_size2
        self.output_size = output_size
        self.attn = nn.Linear(query_size + key_size, value_size1)
        self.attn_combine = nn.Linear(query_size + value_size2, output_size)

    def forward(
        self,
        Q: Float[Tensor, "1 T Dq"],
        K: Float[Tensor, "1 T Dk"],
        V: Float[Tensor, "1 S Dv"],
    ) -> tuple[Float[Tensor, "1 T Do"], Float[Tensor, "T S"]]:
        self._require_shapes(Q, K, V)
        pair = torch.cat((Q[0], K[0]), dim=1)  # (T, Dq + Dk)
        weights = F.softmax(self.attn(pair), dim=1)  # (T, value_size1)
        applied = torch.bmm(weights.unsqueeze(0), V)  # (1, T, value_size2)
        combined = torch.cat((Q[0], applied[0]), dim=1)  # (T, Dq + Dv)
        output = self.attn_combine(combined).unsqueeze(0)  # (1, T, output_size)
        return output, weights

    def _require_shapes(self, Q: Tensor, K: Tensor, V: Tensor) -> None:
        for name, tensor in (("Q", Q), ("K", K), ("V", V)):
            require_floats(name, tensor)
        if Q.dim() != 3 or Q.shape[0] != 1 or Q.shape[2] != self.query_size:
            raise wrong_shape("Q", Q.shape, f"(1, T, {self.query_size})")
        if K.shape != (1, Q.shape[1], self.key_size):
            raise wrong_shape("K", K.shape, f"(1, {Q.shape[1]}, {self.key_size}), one key for each query")
        if V.shape != (1, self.value_size1, self.value_size2):
            raise wrong_shape("V", V.shape, f"(1, {self.value_size1}, {self.value_size2})")


def masked_softmax(
    scores: Float[Tensor, "*batch T S"], mask: Bool[Tensor, "..."] | None = None
) -> Float[Tensor, "*batch T S"]:
    """Turn each query's scores into weights over the keys that it may attend to.

    $w_{ts} = m_{ts} e^{s_{ts}} / \\sum_j m_{tj} e^{s_{tj}}$; a fully masked row gets zeros, never NaN.

    Scores `(…, T, S)`, mask broadcastable to them (True = may attend); weights `(…, T, S)`.
    Raises `TypeError` or `ValueError` for a mask that is not boolean or does not fit.
    """
    require_floats("scores", scores)
    mask = fit_mask(mask, scores.shape)
    if mask is None:
        return scores.softmax(dim=-1)
    mask, empty = open_empty_rows(mask)
    weights = scores.masked_fill(~mask, -math.inf).softmax(dim=-1)
    return weights.masked_fill(empty, 0.0)


def open_empty_rows(mask: Bool[Tensor, "*m S"]) -> tuple[Bool[Tensor, "*m S"], Bool[Tensor, "*m 1"]]:
    """Unmask fully masked rows, so that softmax stays finite, and return which rows these are."""
    empty = ~mask.any(dim=-1, keepdim=True)  # (…, T, 1)
    return mask | empty, empty


class AdditiveAttention(nn.Module):
    """Score each query against each key with a small network.

    $s_{ts} = v^\\top \\tanh(W_q q_t + W_k k_s)$ (Bahdanau et al. 2015, appendix A.1.2).

    Shapes: query `(B, T, query_size)`, key `(B, S, key_size)`, value `(B, S, Dv)` give the output
    `(B, T, Dv)` and weights `(B, T, S)`, None when not needed. Raises `ValueError` where they don't fit.
    """

    def __init__(self, query_size: int, key_size: int, hidden_size: int) -> None:
        super().__init__()
        require_sizes(query_size=query_size, key_size=key_size, hidden_size=hidden_size)
        self.query = nn.Linear(query_size, hidden_size, bias=False)
        self.key = nn.Linear(key_size, hidden_size, bias=False)
        self.score = nn.Linear(hidden_size, 1, bias=False)

    def forward(
        self,
        query: Float[Tensor, "B T Dq"],
        key: Float[Tensor, "B S Dk"],
        value: Float[Tensor, "B S Dv"],
        mask: Bool[Tensor, "..."] | None = None,
        need_weights: bool = True,
    ) -> tuple[Float[Tensor, "B T Dv"], Float[Tensor, "B T S"] | None]:
        require_batched(query, key, value, self.query.in_features, self.key.in_features)
        query = self.query(query).unsqueeze(2)  # (B, T, 1, hidden)
        key = self.key(key).unsqueeze(1)  # (B, 1, S, hidden)
        scores = self.score(torch.tanh(query + key)).squeeze(-1)  # (B, T, S)
        weights = masked_softmax(scores, mask)
        return weights @ value, weights if need_weights else None


class DotAttention(nn.Module):
    """Score each query against each key with their dot product.

    $s_{ts} = q_t \\cdot k_s$ (Luong et al. 2015, §3.1, "dot"): no scale, no parameter.

    Shapes: query `(B, T, D)`, key `(B, S, D)`, value `(B, S, Dv)` give the output `(B, T, Dv)` and
    weights `(B, T, S)`, None when not needed. Raises `ValueError` where they don't fit.
    """

    def forward(
        self,
        query: Float[Tensor, "B T D"],
        key: Float[Tensor, "B S D"],
        value: Float[Tensor, "B S Dv"],
        mask: Bool[Tensor, "..."] | None = None,
        need_weights: bool = True,
    ) -> tuple[Float[Tensor, "B T Dv"], Float[Tensor, "B T S"] | None]:
        require_floats("query", query)
        width = query.shape[-1] if query.dim() else 1
        require_batched(query, key, value, width, width)
        return scaled_dot_product_attention(query, key, value, mask, scale=1.0, need_weights=need_weights)


def scaled_dot_product_attention(
    query: Float[Tensor, "*batch T d"],
    key: Float[Tensor, "*batch S d"],
    value: Float[Tensor, "*batch S d_v"],
    mask: Bool[Tensor, "..."] | None = None,
    *,
    scale: float | None = None,
    dropout: float = 0.0,
    need_weights: bool = True,
) -> tuple[Float[Tensor, "*batch T d_v"], Float[Tensor, "*batch T S"] | None]:
    """Compare every query with every key, and average the values, weighted by how well they match.

    $\\mathrm{softmax}(Q K^\\top / \\sqrt{d}) \\, V$ (Vaswani et al. 2017, eq. 1).

    Shapes: query `(…, T, d)`, key `(…, S, d)`, value `(…, S, d_v)`; the mask broadcasts to `(…, T, S)`,
    True = may attend. Returns the output `(…, T, d_v)` and the weights `(…, T, S)` before dropout, each
    row of which sums to 1 (to 0 if it is fully masked). Without `need_weights` they are None and torch's
    fused kernel runs. Raises `ValueError` for shapes that don't fit and for an ambiguous
    mask, `TypeError` for wrong dtypes.
    """
    require_rate(dropout=dropout)
    shape = require_attention(query, key, value)  # (…, T, S)
    if scale is not None:
        require_number(scale=scale)
    elif query.shape[-1] == 0:
        raise wrong_shape("query", query.shape, "(…, T, d) with d of at least 1, or a scale")
    scale = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    if not need_weights:
        return fused_attention(query, key, value, fit_mask(mask, shape), scale, dropout), None
    # Heads are strided views: without `contiguous`, @ would copy the keys in transposed order, which is slow.
    scores = (query * scale) @ key.contiguous().transpose(-2, -1)  # (…, T, S)
    weights = masked_softmax(scores, mask)
    return F.dropout(weights, dropout) @ value, weights


def fused_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None,
    scale: float | None = None,
    dropout: float = 0.0,
    shared: bool = False,
) -> Tensor:
    """The same output from torch's fused kernel, which never stores weights. Fully masked rows give zeros.

    With `shared` there may be fewer heads of keys and values, each for a group of queries.
    """
    options = {"dropout_p": dropout, "scale": scale, "enable_gqa": shared}
    if mask is None:
        return F.scaled_dot_product_attention(query, key, value, **options)
    mask, empty = open_empty_rows(mask)
    output = F.scaled_dot_product_attention(query, key, value, mask, **options)
    return output.masked_fill(empty, 0.0)


@dataclass(frozen=True)
class KeyValues:
    """Cached keys and values `(B, H, S, d)`, projected and split into heads."""

    keys: Float[Tensor, "B H S d"]
    values: Float[Tensor, "B H S d"]

    def extend(self, newer: "KeyValues") -> "KeyValues":
        """These keys and values followed by newer ones; the original is unchanged."""
        return KeyValues(
            torch.cat((self.keys, newer.keys), dim=2),  # (B, H, S + N, d)
            torch.cat((self.values, newer.values), dim=2),  # (B, H, S + N, d)
        )

    def select(self, rows: Int[Tensor, " R"]) -> "KeyValues":
        """The cache of the given rows of the batch, in that order; a row may be given more than once."""
        return KeyValues(self.keys[rows], self.values[rows])


def require_cache(cache: KeyValues, batch: int, heads: int, width: int) -> None:
    """Raise unless the cache holds as many sequences as the query, with heads of this number and width."""
    if not isinstance(cache, KeyValues):
        raise TypeError(f"cache: wanted KeyValues, got {type(cache).__name__}")
    shape = cache.keys.shape
    if shape[0] != batch:
        raise ValueError(f"cache: wanted {batch} sequences, as many as the query has, got {shape[0]}")
    if shape[1] != heads or shape[-1] != width:
        raise wrong_shape("cache", shape, f"({batch}, {heads}, S, {width})")


class MultiHeadAttention(nn.Module):
    """Attend several times in parallel, each head with its own projections.

    $\\mathrm{Concat}(\\mathrm{head}_1, …, \\mathrm{head}_H) W^O$, with
    $\\mathrm{head}_i = \\mathrm{Attention}(Q W_i^Q, K W_i^K, V W_i^V)$ (Vaswani et al. 2017, §3.2.2).

    Shapes: query `(B, T, D)`, key and value `(B, S, D)`, mask broadcastable to `(B, H, T, S)`, give the
    output `(B, T, D)` and weights `(B, H, T, S)`, None when not needed. A mask `(B, T, S)`, one per sequence,
    applies to all heads. Raises `ValueError` if `num_heads` does not divide `d_model`, for shapes that don't
    fit, and for an ambiguous mask.

    With a `cache`, the new keys and values are appended to the cached ones; pass None for both to attend to
    the cached ones only. The call then also returns the cache with all keys and values attended to.
    """

    def __init__(self, d_model: int, num_heads: int, dropout: float = 0.0, bias: bool = True) -> None:
        super().__init__()
        require_sizes(d_model=d_model, num_heads=num_heads)
        if d_model % num_heads:
            raise ValueError(f"num_heads: wanted a divisor of d_model={d_model}, got {num_heads}")
        require_rate(dropout=dropout)
        require_flags(bias=bias)
        self.d_model, self.num_heads, self.dropout = d_model, num_heads, dropout
        self.query = nn.Linear(d_model, d_model, bias=bias)
        self.key = nn.Linear(d_model, d_model, bias=bias)
        self.value = nn.Linear(d_model, d_model, bias=bias)
        self.output = nn.Linear(d_model, d_model, bias=bias)

    def forward(
        self,
        query: Float[Tensor, "B T D"],
        key: Float[Tensor, "B N D"] | None,
        value: Float[Tensor, "B N D"] | None,
        mask: Bool[Tensor, "..."] | None = None,
        need_weights: bool = True,
        cache: KeyValues | None = None,
    ) -> (
        tuple[Float[Tensor, "B T D"], Float[Tensor, "B H T S"] | None]
        | tuple[Float[Tensor, "B T D"], Float[Tensor, "B H T S"] | None, KeyValues]
    ):
        if cache is not None:
            require_vectors("query", query, self.d_model)
            require_cache(cache, query.shape[0], self.num_heads, self.d_model // self.num_heads)
        if key is None and value is None and cache is not None:
            past = cache
        else:
            require_batched(query, key, value, self.d_model, self.d_model, self.d_model)
            past = self.keys_and_values(key, value)
            past = past if cache is None else cache.extend(past)
        output, weights = self.attend(query, past.keys, past.values, mask, need_weights)
        return (output, weights) if cache is None else (output, weights, past)

    def keys_and_values(self, key: Float[Tensor, "B S D"], value: Float[Tensor, "B S D"]) -> KeyValues:
        """Project keys and values and split them into heads."""
        return KeyValues(self.split(self.key(key)), self.split(self.value(value)))

    def attend(
        self,
        query: Float[Tensor, "B T D"],
        keys: Float[Tensor, "B H S d"],
        values: Float[Tensor, "B H S d"],
        mask: Bool[Tensor, "..."] | None = None,
        need_weights: bool = True,
    ) -> tuple[Float[Tensor, "B T D"], Float[Tensor, "B H T S"] | None]:
        """Attend to keys and values that are already projected and split."""
        output, weights = scaled_dot_product_attention(
            self.split(self.query(query)),
            keys,
            values,
            mask,
            dropout=self.dropout if self.training else 0.0,
            need_weights=need_weights,
        )
        return self.output(self.merge(output)), weights

    def split(self, x: Float[Tensor, "B T D"]) -> Float[Tensor, "B H T d"]:
        """Split the features into heads: `(B, T, D)` -> `(B, T, H, d)` -> `(B, H, T, d)`."""
        return x.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)

    def merge(self, x: Float[Tensor, "B H T d"]) -> Float[Tensor, "B T D"]:
        """Concatenate the heads again: `(B, H, T, d)` -> `(B, T, H, d)` -> `(B, T, D)`."""
        return x.transpose(1, 2).flatten(-2)


@dataclass(frozen=True)
class Attentions:
    """The weights of every layer and head of a model; None for a kind of attention that it lacks.

    `encoder` is `(L, B, H, S, S)`, `decoder` `(L, B, H, T, T)`, `cross` `(L, B, H, T, S)`. A single
    decoding step has one query, so after U tokens its `decoder` is `(L, B, H, 1, U)`.
    """

    encoder: Float[Tensor, "L *B H S S"] | None = None
    decoder: Float[Tensor, "L *B H T U"] | None = None
    cross: Float[Tensor, "L *B H T S"] | None = None

    def item(self, index: int) -> "Attentions":
        """One sequence of the batch: the same three fields, each `(L, H, ·, ·)`, ready to plot.

        Raises `ValueError` for a sequence that the batch does not have.
        """
        require_whole(None, index=index)
        parts = {field.name: getattr(self, field.name) for field in fields(self)}
        for part in parts.values():
            if part is not None and not -part.shape[1] <= index < part.shape[1]:
                raise ValueError(
                    f"index: wanted one of {part.shape[1]} sequences, counted from 0, got {index}"
                )
        return Attentions(**{name: part if part is None else part[:, index] for name, part in parts.items()})


for kind in (Attentions, KeyValues):  # lets torch.export and torch.func trace through them
    torch.export.register_dataclass(kind)
