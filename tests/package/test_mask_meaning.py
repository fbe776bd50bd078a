"""What a mask means: its axes, the shapes that fit, and those that could be meant in two ways."""

import re

import pytest
import torch

from attnbook import (
    AdditiveAttention,
    Decoder,
    DotAttention,
    EncoderLayer,
    MultiHeadAttention,
    causal_mask,
    masked_softmax,
    padding_mask,
    scaled_dot_product_attention,
)

B, H, T, S, D = 3, 2, 5, 7, 6


def some(*shape: int) -> torch.Tensor:
    """A random mask that leaves each row a key."""
    mask = torch.rand(shape) < 0.6
    if mask.dim():
        mask[..., 0] |= ~mask.any(dim=-1)
    return mask


@pytest.fixture(params=[True, False], ids=["weights", "no weights"])
def need_weights(request):
    return request.param


@pytest.mark.parametrize("mask", [torch.tensor(True), torch.tensor(False), some(S), some(1)])
def test_masks_of_no_and_of_one_axis_broadcast(mask, need_weights, device):
    query, key, value = (
        torch.randn(B, H, n, 4, device=device, dtype=torch.float64, requires_grad=True) for n in (T, S, S)
    )
    mask = mask.to(device)
    output, weights = scaled_dot_product_attention(query, key, value, mask, need_weights=need_weights)
    whole, its_weights = scaled_dot_product_attention(query, key, value, mask.expand(B, H, T, S))
    torch.testing.assert_close(output, whole)
    assert (weights is None) != need_weights
    if need_weights:
        torch.testing.assert_close(weights, its_weights)
    assert all(g.isfinite().all() for g in torch.autograd.grad(output.sum(), (query, key, value)))


def test_masks_of_one_axis_serve_every_attention(need_weights):
    x, mask = torch.randn(B, T, D), some(T)
    for attention in (MultiHeadAttention(D, H), AdditiveAttention(D, D, 4), DotAttention()):
        whole, _ = attention(x, x, x, mask.expand(B, 1, T, T))
        torch.testing.assert_close(attention(x, x, x, mask, need_weights)[0], whole)
    layer = EncoderLayer(D, H, 8).eval()
    torch.testing.assert_close(layer(x, mask, need_weights)[0], layer(x, mask.expand(B, 1, T, T))[0])


@pytest.mark.parametrize("shape", [(B, T, S), (B, 1, S), (B, T, 1)])
def test_a_mask_of_three_axes_is_one_for_each_sequence(shape, need_weights):
    attention, mask = MultiHeadAttention(D, H), some(*shape)
    query, key = torch.randn(B, T, D), torch.randn(B, S, D)
    got, weights = attention(query, key, key, mask, need_weights)
    wanted, its_weights = attention(query, key, key, mask[:, None].expand(B, H, T, S))
    torch.testing.assert_close(got, wanted)
    if need_weights:
        assert torch.equal(weights, its_weights)


def test_a_mask_of_three_axes_is_one_for_each_head_where_the_batch_has_another_size(need_weights):
    attention, mask = MultiHeadAttention(D, H), some(H, T, S)
    query, key = torch.randn(B, T, D), torch.randn(B, S, D)
    got, _ = attention(query, key, key, mask, need_weights)
    torch.testing.assert_close(got, attention(query, key, key, mask[None].expand(B, H, T, S))[0])


@pytest.mark.bad_input
@pytest.mark.parametrize("shape", [(2, T, S), (2, 1, S), (2, T, 1)])
def test_with_as_many_heads_as_sequences_a_mask_of_three_axes_is_refused(shape, need_weights):
    attention = MultiHeadAttention(D, 2)
    query, key, mask = torch.randn(2, T, D), torch.randn(2, S, D), some(*shape)
    message = (
        r"mask: got shape \(2, .*wanted \(2, 1, 5, 7\),.*mask\[:, None\].*\(1, 2, 5, 7\), .*mask\[None\]"
    )
    with pytest.raises(ValueError, match=message):
        attention(query, key, key, mask, need_weights)
    for meant in (mask[:, None], mask[None]):
        attention(query, key, key, meant, need_weights)


@pytest.mark.bad_input
@pytest.mark.parametrize("keys", [T, S])
def test_with_as_many_sequences_as_queries_a_mask_of_two_axes_is_refused(keys, need_weights):
    attention = MultiHeadAttention(D, H)
    query, key, mask = torch.randn(T, T, D), torch.randn(T, keys, D), some(T, keys)
    message = rf"mask: got shape \(5, {keys}\).*wanted \(1, 1, 5, {keys}\).*\(5, 1, 1, {keys}\)"
    with pytest.raises(ValueError, match=message):
        attention(query, key, key, mask, need_weights)
    for meant in (mask[None, None], mask[:, None, None]):
        attention(query, key, key, meant, need_weights)
    with pytest.raises(ValueError, match=r"mask: got shape .*wanted \(1, 5, \d\).*\(5, 1, \d\)"):
        DotAttention()(query, key, key, mask, need_weights)


@pytest.mark.bad_input
@pytest.mark.parametrize("keys", [1, S])
def test_a_mask_with_two_meanings_is_refused_with_the_way_to_write_each(keys, need_weights):
    query, key, mask = torch.randn(T, T, D), torch.randn(T, S, D), some(T, keys)
    for attention, heads in ((MultiHeadAttention(D, H), ", None"), (DotAttention(), "")):
        ways = (
            f"a row for each query: mask[None{heads}], or .*, a row for each sequence: mask[:, None{heads}]"
        )
        with pytest.raises(ValueError, match=re.escape(ways).replace(r"\.\*", ".*") + "$"):
            attention(query, key, key, mask, need_weights)


@pytest.mark.bad_input
def test_two_sequences_of_two_queries_are_enough_for_two_meanings_and_one_of_one_is_not(need_weights):
    attention, key = MultiHeadAttention(D, 3), torch.randn(2, S, D)
    with pytest.raises(ValueError, match=r"mask: got shape \(2, 7\), which for 2 sequences of 2 queries"):
        attention(torch.randn(2, 2, D), key, key, some(2, S), need_weights)
    attention(torch.randn(1, 1, D), key[:1], key[:1], some(1, S), need_weights)


@pytest.mark.bad_input
def test_a_row_for_each_sequence_is_refused_with_the_way_to_write_it(need_weights):
    attention, x = MultiHeadAttention(D, H), torch.randn(B, T, D)
    message = r"mask: wanted shape that broadcasts to \(3, 2, 5, 5\), got \(3, 5\); .*mask\[:, None, None\]"
    with pytest.raises(ValueError, match=message):
        attention(x, x, x, some(B, T), need_weights)
    with pytest.raises(ValueError, match=r"got \(6, 5, 5\); .*mask.unflatten\(0, \(3, 2\)\)"):
        attention(x, x, x, some(B * H, T, T), need_weights)


@pytest.mark.bad_input
def test_the_way_to_write_a_mask_is_said_only_where_one_is_likely_meant(need_weights):
    attention, query, key = MultiHeadAttention(D, H), torch.randn(B, T, D), torch.randn(B, S, D)
    with pytest.raises(
        ValueError, match=r"got \(3, 7\); one row for each sequence is mask\[:, None, None\]$"
    ):
        attention(query, key, key, some(B, S), need_weights)
    with pytest.raises(ValueError, match=r"got \(3, 7\); one row for each sequence is mask\[:, None\]$"):
        DotAttention()(query, key, key, some(B, S), need_weights)
    for shape in [(T + 1, S), (B, T), (B, T + 1, S), (B, H, T, S + 1)]:
        with pytest.raises(ValueError, match=rf"broadcasts to \(3, 2, 5, 7\), got {re.escape(str(shape))}$"):
            attention(query, key, key, some(*shape), need_weights)
    with pytest.raises(ValueError, match=r"broadcasts to \(3, 5, 7\), got \(3, 5\)$"):
        DotAttention()(query, key, key, some(B, T), need_weights)
    with pytest.raises(ValueError, match=r"broadcasts to \(2, 2, 5, 7\), got \(2, 6, 7\)$"):
        attention(query[:2], key[:2], key[:2], some(2, T + 1, S), need_weights)  # as many sequences as heads


@pytest.mark.parametrize("length", [1, 2, 5])
def test_a_causal_mask_serves_any_batch(length, need_weights):
    """Also one with as many sequences as positions, in which another mask of that shape is refused."""
    x = torch.randn(length, length, D)
    attention, decoder = MultiHeadAttention(D, H), Decoder(D, H, 8, 0.0, num_layers=1)
    mask = causal_mask(length)
    whole = mask.expand(length, 1, length, length)
    torch.testing.assert_close(attention(x, x, x, mask, need_weights)[0], attention(x, x, x, whole)[0])
    torch.testing.assert_close(decoder(x, x, mask, None, need_weights)[0], decoder(x, x, whole)[0])
    torch.testing.assert_close(
        masked_softmax(x @ x.mT, mask), masked_softmax(x @ x.mT, mask.expand(length, length, length))
    )


def test_a_causal_mask_joined_with_padding_serves_any_batch():
    ids = torch.tensor([[3, 4, 5], [3, 4, 0], [3, 0, 0]])
    attention, x = MultiHeadAttention(D, H), torch.randn(3, 3, D)
    _, weights = attention(x, x, x, causal_mask(3) & padding_mask(ids, 0))
    assert (weights[:, :, 0, 1:] == 0).all()
    assert (weights[2, :, :, 1:] == 0).all()
