"""Arguments that are refused, each by name, and the empty inputs that are not."""

import numpy as np
import pytest
import torch

from attnbook import (
    AddNorm,
    ConvolutionalSeq2Seq,
    Decoder,
    DecoderLayer,
    DotAttention,
    Encoder,
    EncoderLayer,
    FeedForward,
    GatedFeedForward,
    MultiHeadAttention,
    RecurrentSeq2Seq,
    SinusoidalPositions,
    Transformer,
    beam_search,
    causal_mask,
    greedy_decode,
    scaled_dot_product_attention,
)
from attnbook.bert import GeluFeedForward

STACK = {"d_model": 12, "num_heads": 3, "num_layers": 2, "d_ff": 10, "dropout": 0.0}


def transformer(**options) -> Transformer:
    return Transformer(11, 13, **STACK | options).eval()


@pytest.mark.bad_input  # by the type hints, which say int
@pytest.mark.parametrize("kind", [np.int64, np.int32, np.uint8, int])
def test_sizes_may_be_any_kind_of_whole_number(kind):
    attention = MultiHeadAttention(kind(8), kind(2))
    x = torch.randn(2, 3, 8)
    assert attention(x, x, x)[0].shape == (2, 3, 8)
    assert causal_mask(kind(3)).shape == (3, 3)


@pytest.mark.bad_input
@pytest.mark.parametrize("size", [True, np.True_, 2.0, np.float64(2), "2", None, 0, -1, np.int64(0)])
def test_sizes_that_are_not_whole_numbers_are_refused(size):
    with pytest.raises(ValueError, match="num_heads: wanted a whole number of at least 1, got"):
        MultiHeadAttention(8, size)


@pytest.mark.bad_input
@pytest.mark.parametrize("rate", [1.0, 1, -0.1, float("nan"), True, "0.1", None])
@pytest.mark.parametrize(
    "build",
    [
        lambda rate: MultiHeadAttention(6, 2, dropout=rate),
        lambda rate: FeedForward(6, 8, rate),
        lambda rate: AddNorm(6, rate),
        lambda rate: EncoderLayer(6, 2, 8, dropout=rate),
        lambda rate: DecoderLayer(6, 2, 8, dropout=rate),
        lambda rate: Encoder(6, 2, 8, rate),
        lambda rate: Decoder(6, 2, 8, rate),
        lambda rate: transformer(dropout=rate),
        lambda rate: scaled_dot_product_attention(*torch.ones(3, 2, 4, 6), dropout=rate),
    ],
    ids=[
        "attention",
        "feed-forward",
        "add & norm",
        *("layer", "layer", "stack", "stack"),
        "model",
        "function",
    ],
)
def test_every_dropout_rate_is_bounded(build, rate):
    with pytest.raises(ValueError, match="dropout: wanted a rate of at least 0 and below 1, got"):
        build(rate)


@pytest.mark.bad_input
@pytest.mark.parametrize("pad", [99, 11, -1, 1.0, True, None])
@pytest.mark.parametrize(
    "build",
    [
        transformer,
        lambda pad: RecurrentSeq2Seq(11, 13, 6, pad=pad),
        lambda pad: ConvolutionalSeq2Seq(13, 11, 6, pad=pad),
    ],
)
def test_pad_is_an_id_of_both_vocabularies(build, pad):
    with pytest.raises(ValueError, match="pad: wanted an id from 0 to 10, got"):
        build(pad=pad)


@pytest.mark.bad_input
@pytest.mark.parametrize("norm_first", [False, True])
def test_vectors_of_the_wrong_width_are_named(norm_first):
    right, wrong = torch.randn(2, 5, 12), torch.randn(2, 5, 10)
    encoder, decoder = Encoder(**STACK, norm_first=norm_first), Decoder(**STACK, norm_first=norm_first)
    with pytest.raises(ValueError, match=r"x: wanted shape \(B, T, 12\), got \(2, 5, 10\)"):
        encoder(wrong)
    with pytest.raises(ValueError, match=r"x: wanted shape \(B, T, 12\), got \(2, 5, 10\)"):
        decoder(wrong, right)
    with pytest.raises(ValueError, match=r"memory: wanted shape \(2, T, 12\), got \(2, 5, 10\)"):
        decoder(right, wrong)
    with pytest.raises(ValueError, match=r"memory: wanted shape \(2, T, 12\), got \(3, 5, 12\)"):
        decoder(right, torch.randn(3, 5, 12))
    with pytest.raises(ValueError, match=r"memory: wanted shape \(B, T, 12\), got \(2, 5, 10\)"):
        decoder.start(wrong)
    for kind in (FeedForward, GatedFeedForward, GeluFeedForward):
        with pytest.raises(ValueError, match=r"^x: wanted shape \(B, T, 12\), got \(2, 5, 10\)"):
            kind(12, 8)(wrong)


@pytest.mark.bad_input
def test_values_of_the_wrong_shape_are_named():
    x = torch.randn(2, 5, 12)
    with pytest.raises(ValueError, match=r"value: wanted shape \(2, 5, 12\), one value .*got \(2, 5, 10\)"):
        MultiHeadAttention(12, 3)(x, x, x[..., :10])
    with pytest.raises(ValueError, match=r"value: wanted shape \(2, 5, Dv\), one value .*got \(2, 4, 12\)"):
        DotAttention()(x, x, x[:, :4])


@pytest.mark.bad_input
def test_a_decoder_wants_a_memory_or_caches():
    decoder, x = Decoder(**STACK), torch.randn(2, 1, 12)
    memory = torch.randn(2, 5, 12)
    caches = decoder.start(memory)
    with pytest.raises(ValueError, match=r"memory: wanted either .* got neither"):
        decoder(x, None)
    with pytest.raises(ValueError, match=r"memory: wanted either .* got both"):
        decoder(x, memory, caches=caches)
    with pytest.raises(ValueError, match="caches: wanted 2, one for each layer, got 1"):
        decoder(x, None, caches=caches[:1])
    attention = MultiHeadAttention(12, 3)
    with pytest.raises(TypeError, match="query: wanted a tensor, got None"):
        attention(None, x, x)
    with pytest.raises(TypeError, match="key: wanted a tensor, got None"):
        attention(x, None, None)
    with pytest.raises(TypeError, match="value: wanted a tensor, got None"):
        attention(x, x, None)
    with pytest.raises(TypeError, match="key: wanted a tensor, got None"):
        attention(x, None, x, cache=caches[0].target)


@pytest.mark.bad_input
@pytest.mark.parametrize("kind", ["transformer", "gru", "convolutional"])
def test_a_step_with_another_batch_than_the_state_is_named(kind):
    model = {
        "transformer": transformer,
        "gru": lambda: RecurrentSeq2Seq(11, 13, 6, "dot"),
        "convolutional": lambda: ConvolutionalSeq2Seq(11, 13, 6),
    }[kind]()
    state = model.start(torch.randint(1, 11, (3, 5)))
    with pytest.raises(ValueError, match=r"ids: wanted shape \(3,\), .*got \(2,\)"):
        model.step(torch.tensor([1, 2]), state)
    _, state, _ = model.step(torch.tensor([1, 2, 3]), state)
    with pytest.raises(ValueError, match=r"ids: wanted shape \(3,\), .*got \(2,\)"):
        model.step(torch.tensor([1, 2]), state)


@pytest.mark.bad_input
def test_positions_name_the_size_that_is_wrong():
    with pytest.raises(ValueError, match="max_length: wanted a whole number of at least 1, got 0"):
        SinusoidalPositions(6, 0)
    with pytest.raises(ValueError, match="positions -1 to 0, wanted 0 to 511: max_length is 512"):
        SinusoidalPositions(6)(torch.randn(1, 2, 6), offset=-1)


@pytest.mark.bad_input
def test_searches_name_a_bad_start():
    source = torch.randint(1, 11, (2, 5))
    for search in (greedy_decode, beam_search):
        for start in (-1, True, None):
            with pytest.raises(ValueError, match="start: wanted"):
                search(transformer(), source, start=start, end=2, max_length=3)


@pytest.mark.parametrize("need_weights", [True, False])
def test_an_empty_batch_gives_empty_results(need_weights):
    model = transformer()
    source, target = torch.ones(0, 5, dtype=torch.long), torch.ones(0, 4, dtype=torch.long)
    logits, attentions = model(source, target, need_weights)
    assert logits.shape == (0, 4, 13)
    if need_weights:
        assert attentions.cross.shape == (2, 0, 3, 4, 5)
    for search in (greedy_decode, beam_search):
        found = search(model, source, start=1, end=2, max_length=6, need_weights=need_weights)
        assert found.ids.shape[0] == found.scores.shape[0] == 0
        assert (found.attentions is None) != need_weights


@pytest.mark.parametrize("need_weights", [True, False])
def test_empty_lengths_give_empty_results_and_zeros(need_weights):
    x, nothing = torch.randn(2, 4, 12), torch.randn(2, 0, 12)
    attention, decoder = MultiHeadAttention(12, 3), Decoder(**STACK)
    for mask in (None, torch.tensor(True), torch.ones(2, 1, 1, 0, dtype=torch.bool)):
        output, weights = attention(x, nothing, nothing, mask, need_weights)
        torch.testing.assert_close(output, attention.output.bias.expand(2, 4, 12))  # of zeros
        assert weights is None or weights.shape == (2, 3, 4, 0)
    assert attention(nothing, x, x, None, need_weights)[0].shape == (2, 0, 12)
    assert Encoder(**STACK)(nothing, None, need_weights)[0].shape == (2, 0, 12)
    assert decoder(nothing, x, None, None, need_weights)[0].shape == (2, 0, 12)
    assert decoder(x, nothing, None, None, need_weights)[0].isfinite().all()
    empty_source = torch.ones(2, 0, dtype=torch.long)
    logits, _ = transformer()(empty_source, torch.tensor([[1, 3], [1, 4]]), need_weights)
    assert logits.isfinite().all()


@pytest.mark.bad_input
def test_an_empty_batch_or_target_is_refused():
    source = torch.randint(1, 11, (2, 5))
    with pytest.raises(ValueError, match=r"target: wanted shape \(2, T\), .*one token.*got \(2, 0\)"):
        transformer()(source, source[:, :0])
    for model in (RecurrentSeq2Seq(11, 13, 6), ConvolutionalSeq2Seq(11, 13, 6)):
        for empty in (source[:0], source[:, :0]):
            with pytest.raises(ValueError, match=r"source: wanted .*at least one row and"):
                model(empty, source)
            with pytest.raises(ValueError, match=r"source: wanted .*at least one row and"):
                greedy_decode(model, empty, start=1, end=2, max_length=3)
        with pytest.raises(ValueError, match=r"target: wanted .*at least one row and"):
            model(source, source[:, :0])
