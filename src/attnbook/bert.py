"""BERT: the encoder of chapter 5, with three embeddings before it and GELU instead of ReLU."""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from attnbook.arguments import require_ids, require_number, require_sizes, require_vectors, wrong_shape
from attnbook.attention import Attentions
from attnbook.encoder import Encoder, FeedForward, reset_parts

__all__ = ["Bert"]


class GeluFeedForward(FeedForward):
    """The feed-forward network with $\\mathrm{GELU}(x) = x\\,\\Phi(x)$ instead of ReLU (Hendrycks 2016).

    Takes and returns `(B, T, d_model)`; in between, `(B, T, d_ff)`. Raises `ValueError` for other shapes.
    """

    def forward(self, x: Float[Tensor, "B T D"]) -> Float[Tensor, "B T D"]:
        require_vectors("x", x, self.inner.in_features)
        return self.outer(self.dropout(F.gelu(self.inner(x))))


class Bert(nn.Module):
    """The encoder of BERT (Devlin et al. 2019): it computes a hidden state for every token in one pass.

    The input is the normalized sum of three embeddings: token, position and type. `num_layers` post-norm
    encoder layers with GELU follow. Types distinguish the two texts of a pair.

    Takes ids `(B, S)`, a mask broadcastable to `(B, H, S, S)` (`padding_mask(ids, pad)` for padded rows; None
    lets all positions attend to all) and types `(B, S)`, all 0 by default. Returns the hidden states
    `(B, S, D)` and `Attentions` whose `encoder` is `(L, B, H, S, S)`, None when not needed. Raises
    `ValueError` for sizes, ids and lengths that do not fit.
    """

    def __init__(
        self,
        vocab: int,
        d_model: int = 768,
        num_heads: int = 12,
        num_layers: int = 12,
        d_ff: int = 3072,
        max_length: int = 512,
        *,
        types: int = 2,
        dropout: float = 0.1,
        epsilon: float = 1e-12,
    ) -> None:
        super().__init__()
        require_sizes(vocab=vocab, max_length=max_length, types=types)
        require_number(0, epsilon=epsilon)
        self.encoder = Encoder(d_model, num_heads, d_ff, dropout, num_layers=num_layers)
        for layer in self.encoder.layers:
            layer.feed_forward = GeluFeedForward(d_model, d_ff, dropout)
        self.tokens = nn.Embedding(vocab, d_model)
        self.positions = nn.Embedding(max_length, d_model)
        self.types = nn.Embedding(types, d_model)
        self.norm = nn.LayerNorm(d_model)
        self.dropout = nn.Dropout(dropout)
        for module in self.modules():
            if isinstance(module, nn.LayerNorm):
                module.eps = epsilon
        self.draw_matrices()

    def reset_parameters(self) -> None:
        """Initialize all weights again, from the distributions of a newly built model.

        One seed gives the same weights again, but not those of a model built from it: building one draws
        some random numbers that are then replaced.
        """
        reset_parts(self)
        self.draw_matrices()

    def draw_matrices(self) -> None:
        """Draw all matrices from N(0, 0.02²) and set all biases to 0, as BERT does."""
        for name, parameter in self.named_parameters():
            if parameter.dim() > 1:
                nn.init.normal_(parameter, std=0.02)
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)

    def forward(
        self,
        ids: Int[Tensor, "B S"],
        mask: Bool[Tensor, "..."] | None = None,
        need_weights: bool = True,
        types: Int[Tensor, "B S"] | None = None,
    ) -> tuple[Float[Tensor, "B S D"], Attentions | None]:
        return self.encoder(self.embed(ids, types), mask, need_weights)

    def embed(
        self, ids: Int[Tensor, "B S"], types: Int[Tensor, "B S"] | None = None
    ) -> Float[Tensor, "B S D"]:
        """The normalized sum of the three embeddings: the input of the first layer."""
        require_ids("ids", ids, self.tokens.num_embeddings)
        longest = self.positions.num_embeddings
        if ids.dim() != 2 or ids.shape[1] > longest:
            raise wrong_shape("ids", ids.shape, f"(B, S), at most {longest} tokens long")
        types = torch.zeros_like(ids) if types is None else types
        require_ids("types", types, self.types.num_embeddings)
        if types.shape != ids.shape:
            raise wrong_shape("types", types.shape, f"{tuple(ids.shape)}, one for each id")
        position = torch.arange(ids.shape[1], device=ids.device)  # (S,)
        x = self.tokens(ids) + self.positions(position) + self.types(types)  # (B, S, D)
        return self.dropout(self.norm(x))
