"""attnbook: the package behind the book *Self-Attention, Step by Step*."""

from attnbook.attention import (
    AdditiveAttention,
    Attentions,
    Attn,
    DotAttention,
    MultiHeadAttention,
    masked_softmax,
    scaled_dot_product_attention,
)
from attnbook.decoder import Decoder, DecoderLayer
from attnbook.embeddings import Embeddings, LearnedPositions, SinusoidalPositions
from attnbook.encoder import AddNorm, Encoder, EncoderLayer, FeedForward
from attnbook.masks import causal_mask, padding_mask
from attnbook.transformer import Transformer

__all__ = [
    "AddNorm",
    "AdditiveAttention",
    "Attentions",
    "Attn",
    "Decoder",
    "DecoderLayer",
    "DotAttention",
    "Embeddings",
    "Encoder",
    "EncoderLayer",
    "FeedForward",
    "LearnedPositions",
    "MultiHeadAttention",
    "SinusoidalPositions",
    "Transformer",
    "causal_mask",
    "masked_softmax",
    "padding_mask",
    "scaled_dot_product_attention",
]
