"""Dropout: where it acts, how much it drops, and that evaluation mode turns it off."""

import pytest
import torch
from torch import nn

from attnbook import (
    Bert,
    Decoder,
    DecoderLayer,
    Encoder,
    EncoderLayer,
    FeedForward,
    GatedFeedForward,
    LanguageModel,
    MultiHeadAttention,
    Transformer,
    causal_mask,
    scaled_dot_product_attention,
)
from attnbook.bert import GeluFeedForward
from attnbook.encoder import AddNorm

P = 0.3
SIZES = {"num_heads": 2, "d_ff": 16, "dropout": P}


def assert_dropped(got: torch.Tensor, whole: torch.Tensor) -> None:
    """Assert that `got` is `whole` after dropout: a fraction P is 0, the rest is divided by 1 - P."""
    dropped = (got == 0) & (whole != 0)
    share = dropped.sum() / (whole != 0).sum()
    assert share.item() == pytest.approx(P, abs=0.03)
    torch.testing.assert_close(got[~dropped], whole[~dropped] / (1 - P))


@torch.no_grad()
def pass_through(*linears: nn.Linear) -> None:
    """Make each linear layer the identity."""
    for linear in linears:
        nn.init.eye_(linear.weight)
        nn.init.zeros_(linear.bias)


@pytest.mark.parametrize("need_weights", [True, False])
@pytest.mark.parametrize("masked", [True, False])
def test_attention_drops_weights(need_weights, masked):
    query, key = torch.randn(400, 5, 8), torch.randn(400, 5, 8)
    mask = causal_mask(5) if masked else None
    # The value vectors are the unit vectors, so the output is the weights after dropout.
    value = torch.eye(5).repeat(400, 1, 1)
    _, weights = scaled_dot_product_attention(query, key, value, mask)
    output, _ = scaled_dot_product_attention(query, key, value, mask, dropout=P, need_weights=need_weights)
    assert_dropped(output, weights)


@pytest.mark.parametrize("need_weights", [True, False])
def test_heads_drop_weights_while_training(need_weights):
    attention = MultiHeadAttention(5, 1, dropout=P)
    pass_through(attention.value, attention.output)
    x, value = torch.randn(400, 5, 5), torch.eye(5).repeat(400, 1, 1)
    _, weights = attention.eval()(x, x, value)
    output, _ = attention.train()(x, x, value, need_weights=need_weights)
    assert_dropped(output, weights[:, 0])


def test_feed_forward_drops_hidden_units():
    block = FeedForward(100, 100, P)
    pass_through(block.inner, block.outer)
    x = torch.rand(4, 5, 100)
    assert_dropped(block(x), x)


def test_the_gelu_feed_forward_drops_hidden_units():
    block = GeluFeedForward(100, 100, P)
    pass_through(block.inner, block.outer)
    x = torch.rand(4, 5, 100)
    assert_dropped(block(x), torch.nn.functional.gelu(x))


@pytest.mark.parametrize("kind", [Bert, LanguageModel])
def test_a_model_of_one_text_drops_embeddings(kind):
    model, ids = kind(9, 64, num_layers=1, **SIZES), torch.randint(1, 9, (20, 7))
    seen = []
    model.dropout.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    embedded = model.train().embed(ids)
    whole = model.eval().embed(ids)
    assert_dropped(embedded, whole)
    assert torch.equal(seen[0], whole)


def test_the_gated_feed_forward_drops_gated_units():
    block = GatedFeedForward(100, 100, P)
    with torch.no_grad():
        for linear in (block.gate, block.inner, block.outer):
            nn.init.eye_(linear.weight)
    x = torch.rand(4, 5, 100)
    assert_dropped(block(x), torch.nn.functional.silu(x) * x)


def test_add_norm_drops_what_the_sublayer_returns_and_keeps_the_residual():
    x, y = torch.randn(4, 5, 100), torch.randn(4, 5, 100)
    post, pre = AddNorm(100, P), AddNorm(100, P, norm_first=True)
    post.norm = nn.Identity()
    for block in (post, pre):
        assert_dropped(block(torch.zeros_like(x), y), y)
        assert torch.equal(block(x, torch.zeros_like(y)), x)


@pytest.mark.parametrize("positions", ["sinusoidal", "learned", None])
def test_the_transformer_drops_embeddings_after_adding_positions(positions):
    model = Transformer(9, 9, d_model=64, num_layers=1, positions=positions, **SIZES)
    seen = []
    for stack in (model.encoder, model.decoder):
        stack.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    source, target = torch.randint(1, 9, (20, 7)), torch.randint(1, 9, (20, 6))
    model.train()(source, target)
    model.eval()(source, target)
    encoder_input, decoder_input, whole_encoder_input, whole_decoder_input = seen
    assert_dropped(encoder_input, whole_encoder_input)
    assert_dropped(decoder_input, whole_decoder_input)


def call(block: nn.Module, need_weights: bool) -> torch.Tensor:
    """The output of a block for fixed inputs."""
    x, memory = torch.linspace(-1, 1, 80).view(1, 5, 16), torch.linspace(2, -1, 96).view(1, 6, 16).cos()
    if isinstance(block, Transformer):
        return block(torch.arange(1, 6)[None], torch.arange(2, 8)[None], need_weights)[0]
    if isinstance(block, Bert | LanguageModel):
        return block(torch.arange(1, 6)[None], need_weights=need_weights)[0]
    memories = (memory,) if isinstance(block, Decoder | DecoderLayer) else ()
    return block(x, *memories, need_weights=need_weights)[0]


BLOCKS = {
    "encoder layer": lambda: EncoderLayer(16, **SIZES),
    "decoder layer": lambda: DecoderLayer(16, **SIZES),
    "encoder": lambda: Encoder(16, num_layers=2, **SIZES),
    "decoder": lambda: Decoder(16, num_layers=2, **SIZES),
    "transformer": lambda: Transformer(9, 9, 16, num_layers=2, **SIZES),
    "bert": lambda: Bert(9, 16, num_layers=2, **SIZES),
    "language model": lambda: LanguageModel(9, 16, num_layers=2, **SIZES),
}
# Each encoder layer has three dropouts, each decoder layer of the Transformer four; embeddings have one more.
COUNTS = {"encoder layer": 3, "decoder layer": 4, "encoder": 6, "decoder": 8, "transformer": 15}
COUNTS |= {"bert": 7, "language model": 7}


@pytest.mark.parametrize("need_weights", [True, False])
@pytest.mark.parametrize("name", BLOCKS)
def test_dropout_repeats_with_its_seed_and_stops_in_evaluation_mode(name, need_weights):
    block = BLOCKS[name]()
    torch.manual_seed(1)
    first, second = call(block, need_weights), call(block, need_weights)
    torch.manual_seed(1)
    assert torch.equal(call(block, need_weights), first)
    assert not torch.allclose(first, second)
    block.eval()
    assert torch.equal(call(block, need_weights), call(block, need_weights))


@pytest.mark.parametrize("name", BLOCKS)
def test_every_dropout_in_a_block_has_the_given_rate(name):
    rates = [module.p for module in BLOCKS[name]().modules() if isinstance(module, nn.Dropout)]
    assert rates == [P] * COUNTS[name]


@pytest.mark.parametrize("norm_first", [True, False])
@pytest.mark.parametrize("kind", [EncoderLayer, DecoderLayer])
def test_each_sublayer_of_a_layer_drops(kind, norm_first):
    """Turn all but one dropout of a layer off: the output still changes from call to call."""
    layer = kind(16, norm_first=norm_first, **SIZES)
    dropouts = [module for module in layer.modules() if isinstance(module, nn.Dropout)]
    assert len(dropouts) == (4 if kind is DecoderLayer else 3)
    for dropout in dropouts:
        layer.eval()
        dropout.train()
        assert not torch.allclose(call(layer, True), call(layer, True))
