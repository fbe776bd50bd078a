"""The encoder: N identical layers of self-attention and feed-forward. Chapter 5 explains this file."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from attnbook.arguments import (
    require_flags,
    require_floats,
    require_rate,
    require_sizes,
    require_vectors,
    wrong_shape,
)
from attnbook.attention import Attentions, MultiHeadAttention


class FeedForward(nn.Module):
    """Two linear layers with a ReLU in between, applied to each position separately.

    $\\mathrm{FFN}(x) = \\max(0, x W_1 + b_1) W_2 + b_2$ (Vaswani et al. 2017, eq. 2).

    Takes and returns `(B, T, d_model)`; in between, `(B, T, d_ff)`. Raises `ValueError` for other shapes.
    """

    def __init__(self, d_model: int, d_ff: int, dropout: float = 0.1) -> None:
        super().__init__()
        require_sizes(d_model=d_model, d_ff=d_ff)
        require_rate(dropout=dropout)
        self.inner = nn.Linear(d_model, d_ff)
        self.dropout = nn.Dropout(dropout)
        self.outer = nn.Linear(d_ff, d_model)

    def forward(self, x: Float[Tensor, "B T D"]) -> Float[Tensor, "B T D"]:
        require_vectors("x", x, self.inner.in_features)
        return self.outer(self.dropout(torch.relu(self.inner(x))))


class AddNorm(nn.Module):
    """Add & Norm: `before` prepares a sublayer's input; the call adds the sublayer's output to `x`.

    Post-norm, the paper's: $\\mathrm{LayerNorm}(x + \\mathrm{sublayer}(x))$ (Vaswani et al. 2017, §3.1).
    Pre-norm, `norm_first`: $x + \\mathrm{sublayer}(\\mathrm{LayerNorm}(x))$ (Xiong et al. 2020).

    All shapes `(B, T, d_model)`. Raises `ValueError` where they differ.
    """

    def __init__(self, d_model: int, dropout: float = 0.1, norm_first: bool = False) -> None:
        super().__init__()
        require_sizes(d_model=d_model)
        require_rate(dropout=dropout)
        require_flags(norm_first=norm_first)
        self.norm = nn.LayerNorm(d_model)
        self.dropout = nn.Dropout(dropout)
        self.norm_first = norm_first

    def before(self, x: Float[Tensor, "B T D"]) -> Float[Tensor, "B T D"]:
        """The sublayer's input."""
        return self.norm(x) if self.norm_first else x

    def forward(self, x: Float[Tensor, "B T D"], y: Float[Tensor, "B T D"]) -> Float[Tensor, "B T D"]:
        require_floats("x", x)
        require_floats("y", y)
        if y.shape != x.shape:
            raise wrong_shape("y", y.shape, f"{tuple(x.shape)}, as x has")
        x = x + self.dropout(y)
        return x if self.norm_first else self.norm(x)


class EncoderLayer(nn.Module):
    """Self-attention, Add & Norm, feed-forward, Add & Norm (Vaswani et al. 2017, §3.1).

    Takes `(B, S, D)` and a mask broadcastable to `(B, H, S, S)`; returns `(B, S, D)` and the weights
    `(B, H, S, S)`, None when not needed. Raises `ValueError` for other shapes.
    """

    def __init__(
        self, d_model: int, num_heads: int, d_ff: int, dropout: float = 0.1, norm_first: bool = False
    ) -> None:
        super().__init__()
        self.self_attention = MultiHeadAttention(d_model, num_heads)
        self.add_norm1 = AddNorm(d_model, dropout, norm_first)
        self.feed_forward = FeedForward(d_model, d_ff, dropout)
        self.add_norm2 = AddNorm(d_model, dropout, norm_first)

    def forward(
        self,
        x: Float[Tensor, "B S D"],
        mask: Bool[Tensor, "..."] | None = None,
        need_weights: bool = True,
    ) -> tuple[Float[Tensor, "B S D"], Float[Tensor, "B H S S"] | None]:
        require_vectors("x", x, self.self_attention.d_model)
        y = self.add_norm1.before(x)
        y, weights = self.self_attention(y, y, y, mask, need_weights)
        x = self.add_norm1(x, y)
        y = self.feed_forward(self.add_norm2.before(x))
        return self.add_norm2(x, y), weights


class Encoder(nn.Module):
    """A stack of `num_layers` encoder layers; with `norm_first`, a LayerNorm follows the last.

    Takes vectors `(B, S, D)` and a mask broadcastable to `(B, H, S, S)`; returns `(B, S, D)` and
    `Attentions` whose `encoder` is `(L, B, H, S, S)`, None when not needed. Raises `ValueError` for other
    shapes.
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
            EncoderLayer(d_model, num_heads, d_ff, dropout, norm_first) for _ in range(num_layers)
        )
        self.norm = nn.LayerNorm(d_model) if norm_first else nn.Identity()

    def reset_parameters(self) -> None:
        """Initialize all weights again, as PyTorch's layers do when they are built."""
        reset_parts(self)

    def forward(
        self,
        x: Float[Tensor, "B S D"],
        mask: Bool[Tensor, "..."] | None = None,
        need_weights: bool = True,
    ) -> tuple[Float[Tensor, "B S D"], Attentions | None]:
        weights = []
        for layer in self.layers:
            x, layer_weights = layer(x, mask, need_weights)
            weights.append(layer_weights)
        attentions = Attentions(encoder=torch.stack(weights)) if need_weights else None
        return self.norm(x), attentions


def reset_parts(module: nn.Module) -> None:
    """Call `reset_parameters` on each submodule that has it, in the order in which they are registered."""
    for part in module.children():
        if hasattr(part, "reset_parameters"):
            part.reset_parameters()
        else:
            reset_parts(part)
