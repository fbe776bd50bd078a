"""Parity with torch.nn: copied weights give the same outputs and gradients in float64."""

import pytest
import torch
from torch import nn

from attnbook import (
    Decoder,
    DecoderLayer,
    Encoder,
    EncoderLayer,
    FeedForward,
    MultiHeadAttention,
    causal_mask,
    padding_mask,
)

D, H, F, B, T, S, L = 6, 3, 11, 2, 5, 7, 3  # deliberately unequal


@torch.no_grad()
def copy_attention(ours: MultiHeadAttention, theirs: nn.MultiheadAttention) -> None:
    for i, ours_linear in enumerate((ours.query, ours.key, ours.value)):
        ours_linear.weight.copy_(theirs.in_proj_weight.chunk(3)[i])
        ours_linear.bias.copy_(theirs.in_proj_bias.chunk(3)[i])
    ours.output.load_state_dict(theirs.out_proj.state_dict())


@torch.no_grad()
def copy_layer(ours: EncoderLayer | DecoderLayer, theirs: nn.Module) -> None:
    copy_attention(ours.self_attention, theirs.self_attn)
    if isinstance(ours, DecoderLayer):
        copy_attention(ours.cross_attention, theirs.multihead_attn)
    ours.feed_forward.inner.load_state_dict(theirs.linear1.state_dict())
    ours.feed_forward.outer.load_state_dict(theirs.linear2.state_dict())
    for i in (1, 2, 3):
        if hasattr(theirs, f"norm{i}"):
            getattr(ours, f"add_norm{i}").norm.load_state_dict(getattr(theirs, f"norm{i}").state_dict())


def unsettle(module: nn.Module) -> nn.Module:
    """Convert to float64 and perturb every parameter, so that swapped zeros or ones are noticed."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return module.double()


def vectors(*shape):
    return torch.randn(shape, dtype=torch.float64, requires_grad=True)


def assert_same(ours, theirs, inputs):
    torch.testing.assert_close(ours, theirs)
    direction = torch.randn_like(ours)
    for got, wanted in zip(
        torch.autograd.grad(ours, inputs, direction),
        torch.autograd.grad(theirs, inputs, direction),
        strict=True,
    ):
        torch.testing.assert_close(got, wanted)


ids = torch.tensor([[4, 5, 6, 7, 8, 9, 3], [4, 5, 6, 0, 0, 0, 0]])
target_ids = torch.tensor([[4, 5, 6, 7, 8], [4, 5, 0, 0, 0]])


@pytest.mark.parametrize("need_weights", [True, False])
@pytest.mark.parametrize("masked", [None, "causal", "padding"])
def test_multi_head_attention(masked, need_weights):
    theirs = unsettle(nn.MultiheadAttention(D, H, batch_first=True))
    ours = MultiHeadAttention(D, H).double()
    copy_attention(ours, theirs)
    query, key, value = vectors(B, S, D), vectors(B, S, D), vectors(B, S, D)
    mask = {None: None, "causal": causal_mask(S), "padding": padding_mask(ids, 0)}[masked]
    # torch's masks mean the opposite: True = blocked.
    arguments = {
        None: {},
        "causal": {"attn_mask": ~causal_mask(S)},
        "padding": {"key_padding_mask": ids == 0},
    }
    expected, expected_weights = theirs(query, key, value, average_attn_weights=False, **arguments[masked])
    output, weights = ours(query, key, value, mask, need_weights)
    if need_weights:
        torch.testing.assert_close(weights, expected_weights)
    assert_same(output, expected, (query, key, value))


def test_parameter_gradients_of_multi_head_attention_equal_torchs():
    theirs = unsettle(nn.MultiheadAttention(D, H, batch_first=True))
    ours = MultiHeadAttention(D, H).double()
    copy_attention(ours, theirs)
    query, key = vectors(B, T, D), vectors(B, S, D)
    direction = torch.randn(B, T, D, dtype=torch.float64)
    (theirs(query, key, key)[0] * direction).sum().backward()
    (ours(query, key, key)[0] * direction).sum().backward()
    got = torch.cat([linear.weight.grad for linear in (ours.query, ours.key, ours.value)])
    torch.testing.assert_close(got, theirs.in_proj_weight.grad)
    torch.testing.assert_close(ours.output.weight.grad, theirs.out_proj.weight.grad)


@pytest.mark.parametrize("norm_first", [False, True])
@pytest.mark.parametrize("need_weights", [True, False])
def test_encoder(norm_first, need_weights):
    layer = nn.TransformerEncoderLayer(D, H, F, 0.0, batch_first=True, norm_first=norm_first)
    norm = nn.LayerNorm(D) if norm_first else None
    theirs = unsettle(nn.TransformerEncoder(layer, L, norm, enable_nested_tensor=False))
    ours = Encoder(D, H, F, 0.0, norm_first, num_layers=L).double()
    for mine, layer in zip(ours.layers, theirs.layers, strict=True):
        copy_layer(mine, layer)
    if norm_first:
        ours.norm.load_state_dict(theirs.norm.state_dict())
    x = vectors(B, S, D)
    output, attentions = ours(x, padding_mask(ids, 0), need_weights)
    assert_same(output, theirs(x, src_key_padding_mask=ids == 0), [x])
    assert (attentions is None) or attentions.encoder.shape == (L, B, H, S, S)
    assert (attentions is None) != need_weights


@pytest.mark.parametrize("norm_first", [False, True])
@pytest.mark.parametrize("need_weights", [True, False])
def test_decoder(norm_first, need_weights):
    layer = nn.TransformerDecoderLayer(D, H, F, 0.0, batch_first=True, norm_first=norm_first)
    theirs = unsettle(nn.TransformerDecoder(layer, L, nn.LayerNorm(D) if norm_first else None))
    ours = Decoder(D, H, F, 0.0, norm_first, num_layers=L).double()
    for mine, layer in zip(ours.layers, theirs.layers, strict=True):
        copy_layer(mine, layer)
    if norm_first:
        ours.norm.load_state_dict(theirs.norm.state_dict())
    x, memory = vectors(B, T, D), vectors(B, S, D)
    causal = causal_mask(T)
    expected = theirs(
        x,
        memory,
        tgt_mask=~causal,
        tgt_key_padding_mask=target_ids == 0,
        memory_key_padding_mask=ids == 0,
    )
    mask = causal & padding_mask(target_ids, 0)
    output, attentions = ours(x, memory, mask, padding_mask(ids, 0), need_weights)
    assert_same(output, expected, [x, memory])
    if need_weights:
        assert attentions.decoder.shape == (L, B, H, T, T)
        assert attentions.cross.shape == (L, B, H, T, S)


def test_feed_forward_has_a_relu_on_the_first_layer_only():
    block = FeedForward(D, F, 0.0).double()
    x = vectors(B, T, D)
    hidden = (x @ block.inner.weight.T + block.inner.bias).clamp(min=0)
    torch.testing.assert_close(block(x), hidden @ block.outer.weight.T + block.outer.bias)
    assert (block(x) < 0).any()


def test_the_papers_sizes_give_the_papers_counts():
    layer = EncoderLayer(512, 8, 2048)
    count = {name: sum(p.numel() for p in part.parameters()) for name, part in layer.named_children()}
    theirs = nn.TransformerEncoderLayer(512, 8, 2048)
    assert sum(count.values()) == sum(p.numel() for p in theirs.parameters()) == 3_152_384
    assert count["feed_forward"] == 2_099_712
