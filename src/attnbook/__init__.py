"""attnbook: the package behind the book *Self-Attention, Step by Step*."""

from importlib import import_module

from attnbook.ablation import ablate
from attnbook.attention import (
    AdditiveAttention,
    Attentions,
    Attn,
    DotAttention,
    MultiHeadAttention,
    masked_softmax,
    scaled_dot_product_attention,
)
from attnbook.bert import Bert
from attnbook.decoder import Decoder, DecoderLayer
from attnbook.embeddings import Embeddings, LearnedPositions, RotaryPositions, SinusoidalPositions
from attnbook.encoder import AddNorm, Encoder, EncoderLayer, FeedForward
from attnbook.generation import beam_search, greedy_decode, sample
from attnbook.language_model import GatedFeedForward, LanguageModel, RotaryAttention
from attnbook.masks import causal_mask, padding_mask
from attnbook.seq2seq import ConvolutionalSeq2Seq, RecurrentSeq2Seq
from attnbook.training import exact_match, fit
from attnbook.transformer import Transformer

# Plotting, widgets and exercises are imported lazily so that training doesn't need them.
LAZY = {
    "AttentionExplorer": "attnbook.widgets",
    "AttentionStepper": "attnbook.widgets",
    "AttentionTrainer": "attnbook.widgets",
    "DateTranslator": "attnbook.widgets",
    "LanguageModelExplorer": "attnbook.widgets",
    "PathExplorer": "attnbook.widgets",
    "PositionClocks": "attnbook.widgets",
    "QueryPlane": "attnbook.widgets",
    "SentenceExplorer": "attnbook.widgets",
    "TrainingExplorer": "attnbook.widgets",
    "check": "attnbook.exercises",
    "plot_attention": "attnbook.plots",
}

__all__ = [
    "AddNorm",
    "AdditiveAttention",
    "AttentionExplorer",
    "AttentionStepper",
    "AttentionTrainer",
    "Attentions",
    "Attn",
    "Bert",
    "ConvolutionalSeq2Seq",
    "DateTranslator",
    "Decoder",
    "DecoderLayer",
    "DotAttention",
    "Embeddings",
    "Encoder",
    "EncoderLayer",
    "FeedForward",
    "GatedFeedForward",
    "LanguageModel",
    "LanguageModelExplorer",
    "LearnedPositions",
    "MultiHeadAttention",
    "PathExplorer",
    "PositionClocks",
    "QueryPlane",
    "RecurrentSeq2Seq",
    "RotaryAttention",
    "RotaryPositions",
    "SentenceExplorer",
    "SinusoidalPositions",
    "TrainingExplorer",
    "Transformer",
    "ablate",
    "beam_search",
    "causal_mask",
    "check",
    "exact_match",
    "fit",
    "greedy_decode",
    "masked_softmax",
    "padding_mask",
    "plot_attention",
    "sample",
    "scaled_dot_product_attention",
]


def __getattr__(name: str) -> object:
    if name not in LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(LAZY[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *LAZY])
