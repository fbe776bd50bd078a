"""What a model, a layer or a training is when its caller leaves the choice to the package."""

import pytest
import torch
from torch import nn

from attnbook import (
    AdditiveAttention,
    Bert,
    Decoder,
    DecoderLayer,
    DotAttention,
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
    scaled_dot_product_attention,
)
from attnbook.data import ReversalTask
from attnbook.encoder import AddNorm
from attnbook.generation import beam_search
from attnbook.seq2seq import ConvolutionalSeq2Seq, RecurrentSeq2Seq
from attnbook.training import fit


def assert_same_model(one: nn.Module, other: nn.Module) -> None:
    """The same modules with the same settings, and parameters of the same shapes."""
    assert repr(one) == repr(other)
    shapes = [{name: tensor.shape for name, tensor in model.state_dict().items()} for model in (one, other)]
    assert shapes[0] == shapes[1]


SIZES = {"d_model": 512, "num_heads": 8, "d_ff": 2048, "num_layers": 6}
PAIRS = {
    "attention": lambda: (MultiHeadAttention(8, 2), MultiHeadAttention(8, 2, dropout=0.0, bias=True)),
    "feed-forward": lambda: (FeedForward(8, 16), FeedForward(8, 16, dropout=0.1)),
    "add & norm": lambda: (AddNorm(8), AddNorm(8, dropout=0.1, norm_first=False)),
    "encoder layer": lambda: (EncoderLayer(8, 2, 16), EncoderLayer(8, 2, 16, dropout=0.1, norm_first=False)),
    "decoder layer": lambda: (DecoderLayer(8, 2, 16), DecoderLayer(8, 2, 16, dropout=0.1, norm_first=False)),
    "encoder": lambda: (Encoder(), Encoder(**SIZES, dropout=0.1, norm_first=False)),
    "decoder": lambda: (Decoder(), Decoder(**SIZES, dropout=0.1, norm_first=False)),
    "sinusoidal positions": lambda: (SinusoidalPositions(8), SinusoidalPositions(8, max_length=512)),
    "learned positions": lambda: (LearnedPositions(8), LearnedPositions(8, max_length=512)),
    "transformer": lambda: (
        Transformer(9, 9),
        Transformer(
            9, 9, **SIZES, dropout=0.1, norm_first=False, positions="sinusoidal", max_length=512, pad=0
        ),
    ),
    "rotary positions": lambda: (RotaryPositions(8), RotaryPositions(8, base=10_000.0, interleaved=False)),
    "gated feed-forward": lambda: (GatedFeedForward(8, 16), GatedFeedForward(8, 16, dropout=0.0)),
    "language model": lambda: (
        LanguageModel(9, 8, 2),
        LanguageModel(9, 8, 2, 2, 6, 32, dropout=0.0, base=10_000.0, interleaved=False, epsilon=1e-5, pad=0),
    ),
    "bert": lambda: (Bert(9), Bert(9, 768, 12, 12, 3072, 512, types=2, dropout=0.1, epsilon=1e-12)),
    "recurrent": lambda: (
        RecurrentSeq2Seq(9, 9),
        RecurrentSeq2Seq(9, 9, 128, None, cell="gru", max_source_length=None, pad=0),
    ),
    "convolutional": lambda: (
        ConvolutionalSeq2Seq(9, 9),
        ConvolutionalSeq2Seq(
            9, 9, 128, None, kernel=3, num_layers=4, max_length=512, max_source_length=None, pad=0
        ),
    ),
}


@pytest.mark.parametrize("name", PAIRS)
def test_the_defaults_are_the_ones_that_are_documented(name):
    with torch.device("meta"):  # nothing is drawn, so large models are built at once
        one, other = PAIRS[name]()
    assert_same_model(one, other)
    attributes = ("num_heads", "group", "dropout", "norm_first", "pad", "max_source_length", "kernel")
    for attribute in (*attributes, "base", "interleaved"):
        for mine, theirs in zip(one.modules(), other.modules(), strict=True):
            value = getattr(mine, attribute, None)
            assert isinstance(value, nn.Module) or value == getattr(theirs, attribute, None)


@pytest.mark.parametrize("kind", [SinusoidalPositions, LearnedPositions])
def test_positions_reach_to_512(kind):
    kind(4)(torch.zeros(1, 512, 4))
    with pytest.raises(ValueError, match="max_length is 512"):
        kind(4)(torch.zeros(1, 513, 4))


def test_a_transformer_has_512_positions_in_the_source_and_in_the_target():
    model = Transformer(9, 9, d_model=4, num_heads=1, num_layers=1, d_ff=4)
    ids, longer = torch.ones(1, 512, dtype=torch.long), torch.ones(1, 513, dtype=torch.long)
    model(ids, ids, need_weights=False)
    for source, target in ((longer, ids), (ids, longer)):
        with pytest.raises(ValueError, match="max_length is 512"):
            model(source, target)


def test_weights_are_returned_unless_they_are_not_wanted():
    x, ids = torch.randn(2, 3, 4), torch.ones(2, 3, dtype=torch.long)
    small = {"num_heads": 2, "d_ff": 8}
    calls = [
        lambda **need: scaled_dot_product_attention(x, x, x, **need),
        lambda **need: DotAttention()(x, x, x, **need),
        lambda **need: AdditiveAttention(4, 4, 5)(x, x, x, **need),
        lambda **need: MultiHeadAttention(4, 2)(x, x, x, **need),
        lambda **need: EncoderLayer(4, **small)(x, **need),
        lambda **need: Encoder(4, **small, num_layers=1)(x, **need),
        lambda **need: DecoderLayer(4, **small)(x, x, **need),
        lambda **need: Decoder(4, **small, num_layers=1)(x, x, **need),
        lambda **need: Transformer(5, 5, 4, **small, num_layers=1)(ids, ids, **need),
        lambda **need: RecurrentSeq2Seq(5, 5, 4, "dot")(ids, ids, **need),
        lambda **need: LanguageModel(5, 4, 2, num_layers=1)(ids, **need),
        lambda **need: Bert(5, 4, 2, 1, 8)(ids, **need),
    ]
    for call in calls:
        assert call()[1] is not None
        assert call(need_weights=True)[1] is not None
        assert call(need_weights=False)[1] is None


TASK = ReversalTask("abc", shortest=1, longest=3)


def test_fit_trains_with_its_documented_settings():
    weights = []
    for settings in ({}, {"learning_rate": 1e-3, "warmup": 0, "decay": True, "clip": 1.0, "loss": None}):
        torch.manual_seed(0)
        model = RecurrentSeq2Seq(len(TASK.source), len(TASK.target), 8, "dot")
        with torch.no_grad():
            model.output.weight.mul_(30)  # the gradient is long enough to be clipped
        fit(model, TASK.batches(8, seed=0), steps=4, progress=False, **settings)
        weights.append(torch.cat([parameter.detach().flatten() for parameter in model.parameters()]))
    assert torch.equal(*weights)


def test_beam_search_keeps_four_beams_and_does_not_favour_long_sequences():
    torch.manual_seed(0)
    model = RecurrentSeq2Seq(len(TASK.source), len(TASK.target), 8, "dot")
    with torch.no_grad():
        model.output.weight.mul_(20)
    source, _ = TASK.batch(64, torch.Generator().manual_seed(0))
    search = {"start": TASK.target.start, "end": TASK.target.end, "max_length": 6}
    found = {beams: beam_search(model, source, beams=beams, **search) for beams in (3, 4, 5)}
    plain = beam_search(model, source, **search)
    assert torch.equal(plain.ids, found[4].ids)
    assert torch.equal(plain.scores, beam_search(model, source, length_penalty=0.0, **search).scores)
    assert not any(torch.equal(plain.scores, found[beams].scores) for beams in (3, 5))


def test_the_reversal_task_is_of_2_to_30_small_letters():
    task = ReversalTask()
    assert "".join(task.source.characters) == "abcdefghijklmnopqrstuvwxyz"
    assert (task.shortest, task.longest, task.source_length, task.target_length) == (2, 30, 30, 32)
