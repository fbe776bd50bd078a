"""Every size that a module is built with is checked, under its own name."""

import pytest

from attnbook import (
    AdditiveAttention,
    Attn,
    Bert,
    Decoder,
    DecoderLayer,
    Embeddings,
    Encoder,
    EncoderLayer,
    FeedForward,
    GatedFeedForward,
    LanguageModel,
    LearnedPositions,
    MultiHeadAttention,
    RotaryPositions,
    SinusoidalPositions,
    Transformer,
)
from attnbook.embeddings import sinusoids
from attnbook.seq2seq import ConvolutionalSeq2Seq, RecurrentSeq2Seq

STACK = {"d_model": 4, "num_heads": 2, "d_ff": 8}
VOCABULARIES = {"source_vocab": 5, "target_vocab": 6}
SIZES = {
    Attn: {"query_size": 2, "key_size": 3, "value_size1": 4, "value_size2": 5, "output_size": 6},
    AdditiveAttention: {"query_size": 2, "key_size": 3, "hidden_size": 4},
    MultiHeadAttention: {"d_model": 4, "num_heads": 2},
    FeedForward: {"d_model": 4, "d_ff": 8},
    EncoderLayer: STACK,
    DecoderLayer: STACK,
    Encoder: STACK | {"num_layers": 2},
    Decoder: STACK | {"num_layers": 2},
    Transformer: STACK | VOCABULARIES | {"num_layers": 2, "max_length": 7},
    Embeddings: {"d_model": 4, "vocab": 5},
    sinusoids: {"length": 5, "d_model": 4},
    SinusoidalPositions: {"d_model": 4},
    LearnedPositions: {"d_model": 4, "max_length": 5},
    RotaryPositions: {"d": 4},
    GatedFeedForward: {"d_model": 4, "d_ff": 8},
    LanguageModel: STACK | {"vocab": 5, "num_key_heads": 1, "num_layers": 2},
    Bert: STACK | {"vocab": 5, "num_layers": 2, "max_length": 7, "types": 2},
    RecurrentSeq2Seq: VOCABULARIES | {"d_model": 4, "max_source_length": 7},
    ConvolutionalSeq2Seq: VOCABULARIES
    | {"d_model": 4, "kernel": 3, "num_layers": 2, "max_length": 9, "max_source_length": 7},
}
CASES = [(build, size) for build, sizes in SIZES.items() for size in sizes]


@pytest.mark.bad_input
@pytest.mark.parametrize(("build", "size"), CASES, ids=[f"{build.__name__}-{size}" for build, size in CASES])
def test_a_size_below_one_is_refused(build, size):
    build(**SIZES[build])
    with pytest.raises(ValueError, match=rf"^{size}: wanted a whole number of at least 1, got 0"):
        build(**SIZES[build] | {size: 0})
