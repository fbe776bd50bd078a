"""Attention: the article's class, its repairs, and comparisons with torch's functions."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from attnbook import (
    AdditiveAttention,
    Attentions,
    Attn,
    DotAttention,
    MultiHeadAttention,
    causal_mask,
    masked_softmax,
    scaled_dot_product_attention,
)


def tensors(*shapes, device="cpu", dtype=torch.float64):
    return [torch.randn(shape, device=device, dtype=dtype, requires_grad=True) for shape in shapes]


def random_mask(*shape, device="cpu"):
    """A mask that allows every row at least one key."""
    mask = torch.rand(shape, device=device) < 0.6
    mask[..., 0] |= ~mask.any(dim=-1)
    return mask


def assert_same_with_gradients(ours, theirs, inputs):
    """Assert equal outputs, and equal gradients for a random direction."""
    torch.testing.assert_close(ours, theirs)
    direction = torch.randn_like(ours)
    expected = torch.autograd.grad(theirs, inputs, direction, retain_graph=True)
    for got, wanted in zip(torch.autograd.grad(ours, inputs, direction), expected, strict=True):
        torch.testing.assert_close(got, wanted)


class ArticleAttn(nn.Module):
    """The article's class, reimplemented from its text as a reference for ours."""

    def __init__(self, q, k, v1, v2, out):
        super().__init__()
        self.attn, self.attn_combine = nn.Linear(q + k, v1), nn.Linear(q + v2, out)

    def forward(self, Q, K, V):
        weights = F.softmax(self.attn(torch.cat((Q[0], K[0]), 1)), dim=1)
        applied = torch.bmm(weights.unsqueeze(0), V)
        return self.attn_combine(torch.cat((Q[0], applied[0]), 1)).unsqueeze(0), weights


class TestAttn:
    def test_the_articles_example_has_the_articles_shapes(self):
        output, weights = Attn(32, 32, 32, 64, 64)(
            torch.randn(1, 1, 32), torch.randn(1, 1, 32), torch.randn(1, 32, 64)
        )
        assert output.shape == (1, 1, 64)
        assert weights.shape == (1, 32)
        torch.testing.assert_close(weights.sum(dim=1), torch.ones(1))

    def test_a_state_dict_of_the_articles_class_loads_and_gives_the_same_output(self):
        theirs = ArticleAttn(3, 5, 7, 11, 13).double()
        ours = Attn(3, 5, 7, 11, 13).double()
        ours.load_state_dict(theirs.state_dict())
        inputs = tensors((1, 2, 3), (1, 2, 5), (1, 7, 11))
        output, weights = ours(*inputs)
        expected, expected_weights = theirs(*inputs)
        torch.testing.assert_close(weights, expected_weights)
        assert_same_with_gradients(output, expected, inputs)

    def test_the_weights_do_not_depend_on_the_values(self):
        attn = Attn(3, 5, 7, 11, 13)
        Q, K, V = torch.randn(1, 1, 3), torch.randn(1, 1, 5), torch.randn(1, 7, 11)
        _, weights = attn(Q, K, V)
        for other in (V.flip(1), torch.zeros_like(V)):
            assert torch.equal(attn(Q, K, other)[1], weights)

    @pytest.mark.bad_input
    @pytest.mark.parametrize(
        ("shapes", "error"),
        [
            (((2, 1, 3), (2, 1, 5), (2, 7, 11)), r"Q: wanted shape \(1, T, 3\), got \(2, 1, 3\)"),
            (((1, 1, 4), (1, 1, 5), (1, 7, 11)), r"Q: wanted shape \(1, T, 3\), got \(1, 1, 4\)"),
            (((1, 1, 3), (1, 7, 5), (1, 7, 11)), r"K: wanted shape \(1, 1, 5\).*got \(1, 7, 5\)"),
            (((1, 1, 3), (1, 1, 5), (1, 8, 11)), r"V: wanted shape \(1, 7, 11\), got \(1, 8, 11\)"),
            (((1, 1, 3), (1, 1, 5), (1, 6, 11)), r"V: wanted shape \(1, 7, 11\), got \(1, 6, 11\)"),
        ],
    )
    def test_wrong_shapes_are_rejected(self, shapes, error):
        with pytest.raises(ValueError, match=error):
            Attn(3, 5, 7, 11, 13)(*(torch.randn(shape) for shape in shapes))


@given(length=st.integers(1, 6), keys=st.integers(1, 6), seed=st.integers(0, 2**31), size=st.floats(0.1, 40))
@settings(max_examples=60, deadline=None)
def test_rows_sum_to_one_and_masked_weights_are_exactly_zero(length, keys, seed, size):
    generator = torch.Generator().manual_seed(seed)
    query, key = (torch.randn(2, n, 3, generator=generator) * size for n in (length, keys))
    mask = torch.rand(2, length, keys, generator=generator) < 0.5
    output, weights = scaled_dot_product_attention(query, key, key, mask)
    torch.testing.assert_close(weights.sum(-1), mask.any(-1).float())
    assert (weights[~mask] == 0).all()
    assert output.isfinite().all()


class TestScaledDotProduct:
    @pytest.mark.parametrize("need_weights", [True, False])
    @pytest.mark.parametrize("masked", [None, "all", "batch", "keys"])
    def test_equals_torch_with_gradients(self, masked, need_weights, device):
        inputs = tensors((3, 2, 5, 11), (3, 2, 7, 11), (3, 2, 7, 13), device=device)
        shape = {None: None, "all": (5, 7), "batch": (3, 1, 5, 7), "keys": (3, 1, 1, 7)}[masked]
        mask = None if shape is None else random_mask(*shape, device=device)
        ours, _ = scaled_dot_product_attention(*inputs, mask, need_weights=need_weights)
        assert_same_with_gradients(ours, F.scaled_dot_product_attention(*inputs, mask), inputs)

    @pytest.mark.parametrize("batch", [(), (4,), (2, 3, 4)])
    def test_any_number_of_leading_dimensions(self, batch):
        inputs = tensors((*batch, 5, 3), (*batch, 7, 3), (*batch, 7, 2))
        output, weights = scaled_dot_product_attention(*inputs)
        assert output.shape == (*batch, 5, 2)
        assert weights.shape == (*batch, 5, 7)

    def test_scale_is_used(self):
        query, key, value = tensors((2, 5, 3), (2, 7, 3), (2, 7, 2))
        ours, _ = scaled_dot_product_attention(query, key, value, scale=0.2)
        torch.testing.assert_close(ours, F.scaled_dot_product_attention(query, key, value, scale=0.2))

    @pytest.mark.parametrize("need_weights", [True, False])
    def test_a_fully_masked_row_gives_zeros_and_no_nan_gradients(self, need_weights, device):
        inputs = tensors((2, 5, 3), (2, 7, 3), (2, 7, 4), device=device)
        mask = random_mask(2, 5, 7, device=device)
        mask[1, 2] = False
        output, weights = scaled_dot_product_attention(*inputs, mask, need_weights=need_weights)
        assert (output[1, 2] == 0).all()
        assert weights is None or (weights[1, 2] == 0).all()
        for gradient in torch.autograd.grad(output.sum(), inputs):
            assert gradient.isfinite().all()

    def test_returned_weights_are_those_before_dropout(self):
        query, key, value = tensors((2, 5, 3), (2, 7, 3), (2, 7, 4))
        output, weights = scaled_dot_product_attention(query, key, value, dropout=0.5)
        torch.testing.assert_close(weights.sum(-1), torch.ones(2, 5, dtype=torch.float64))
        assert not torch.allclose(output, weights @ value)

    def test_permuting_keys_with_their_values_changes_nothing(self):
        query, key, value = tensors((2, 5, 3), (2, 7, 3), (2, 7, 4))
        order = torch.randperm(7)
        expected, _ = scaled_dot_product_attention(query, key, value)
        torch.testing.assert_close(
            scaled_dot_product_attention(query, key[:, order], value[:, order])[0], expected
        )

    def test_with_a_causal_mask_the_future_changes_nothing(self):
        (x,) = tensors((1, 6, 3))
        for need_weights in (True, False):
            output, _ = scaled_dot_product_attention(x, x, x, causal_mask(6), need_weights=need_weights)
            for t in range(6):
                (gradient,) = torch.autograd.grad(output[0, t].sum(), x, retain_graph=True)
                assert (gradient[0, t + 1 :] == 0).all()
                assert (gradient[0, : t + 1] != 0).any()

    @pytest.mark.bad_input
    @pytest.mark.parametrize(
        ("shapes", "error"),
        [
            (((5,), (7, 3), (7, 2)), r"query: wanted shape \(…, length, width\), got \(5,\)"),
            (((2, 5, 3), (7,), (7, 2)), r"key: wanted shape \(…, length, width\), got \(7,\)"),
            (((2, 5, 3), (2, 7, 3), (7,)), r"value: wanted shape \(…, length, width\), got \(7,\)"),
            (((2, 5, 3), (2, 7, 4), (2, 7, 2)), r"key: wanted shape .*3.*, got \(2, 7, 4\)"),
            (((2, 5, 3), (2, 7, 3), (2, 6, 2)), r"value: wanted shape .*7.*, got \(2, 6, 2\)"),
            (((2, 5, 3), (4, 7, 3), (2, 7, 2)), r"key: wanted shape \(2, …\).*got \(4, 7, 3\)"),
            (((2, 5, 3), (2, 7, 3), (4, 7, 2)), r"value: wanted shape \(2, …\).*got \(4, 7, 2\)"),
            (((2, 4, 5, 3), (2, 6, 7, 3), (2, 4, 7, 2)), r"key: wanted shape \(2, 4, …\)"),
        ],
    )
    def test_mismatched_shapes_are_rejected(self, shapes, error):
        with pytest.raises(ValueError, match=error):
            scaled_dot_product_attention(*(torch.randn(shape) for shape in shapes))

    @pytest.mark.bad_input
    def test_wrong_dtypes_are_rejected(self):
        x = torch.randn(2, 5, 3)
        with pytest.raises(TypeError, match=r"query: wanted floating-point numbers, got torch.int64"):
            scaled_dot_product_attention(x.long(), x, x)
        with pytest.raises(TypeError, match=r"key: wanted .* torch.float32, got torch.float64"):
            scaled_dot_product_attention(x, x.double(), x)
        with pytest.raises(TypeError, match=r"value: wanted .* torch.float32, got torch.float64"):
            scaled_dot_product_attention(x, x, x.double())
        for need_weights in (True, False):
            with pytest.raises(TypeError, match="mask: wanted a boolean tensor"):
                scaled_dot_product_attention(x, x, x, torch.ones(5, 5), need_weights=need_weights)


class TestRepairs:
    def test_additive_scores_follow_bahdanaus_formula(self):
        attention = AdditiveAttention(3, 5, 11).double()
        query, key, value = tensors((2, 4, 3), (2, 7, 5), (2, 7, 13))
        output, weights = attention(query, key, value)
        Wq, Wk, v = attention.query.weight, attention.key.weight, attention.score.weight[0]
        for b in range(2):
            for t in range(4):
                scores = torch.stack([v @ torch.tanh(Wq @ query[b, t] + Wk @ key[b, s]) for s in range(7)])
                torch.testing.assert_close(weights[b, t], scores.softmax(0))
                torch.testing.assert_close(output[b, t], weights[b, t] @ value[b])

    def test_additive_attention_has_three_matrices_and_no_bias(self):
        shapes = {name: tuple(p.shape) for name, p in AdditiveAttention(3, 5, 11).named_parameters()}
        assert shapes == {"query.weight": (11, 3), "key.weight": (11, 5), "score.weight": (1, 11)}

    def test_dot_scores_are_plain_dot_products(self):
        query, key, value = tensors((2, 4, 3), (2, 7, 3), (2, 7, 13))
        output, weights = DotAttention()(query, key, value)
        torch.testing.assert_close(weights, torch.einsum("btd,bsd->bts", query, key).softmax(-1))
        torch.testing.assert_close(output, weights @ value)

    @pytest.mark.parametrize("attention", [AdditiveAttention(3, 3, 5), DotAttention()])
    def test_masks_with_a_head_axis_work(self, attention):
        query, key, value = tensors((2, 4, 3), (2, 7, 3), (2, 7, 3), dtype=torch.float32)
        mask = torch.ones(2, 1, 1, 7, dtype=torch.bool)
        mask[1, ..., 5:] = False
        output, weights = attention(query, key, value, mask)
        assert (weights[1, :, 5:] == 0).all()
        assert (weights[0] > 0).all()
        without, none = attention(query, key, value, mask, need_weights=False)
        assert none is None
        torch.testing.assert_close(without, output)

    @pytest.mark.bad_input
    @pytest.mark.parametrize("attention", [AdditiveAttention(3, 3, 5), DotAttention()])
    def test_mismatched_shapes_are_rejected(self, attention):
        x = torch.randn(2, 4, 3)
        for name, arguments in {
            "query": (x[0], x, x),
            "key": (x, torch.randn(2, 4, 6), x),
            "value": (x, x, torch.randn(2, 9, 3)),
        }.items():
            with pytest.raises(ValueError, match=f"{name}: wanted shape"):
                attention(*arguments)


class TestMultiHead:
    def test_linear_layers_are_registered_as_query_key_value_output(self):
        names = [
            name for name, module in MultiHeadAttention(6, 2).named_modules() if isinstance(module, nn.Linear)
        ]
        assert names == ["query", "key", "value", "output"]

    def test_bias_is_optional(self):
        assert all("bias" not in name for name, _ in MultiHeadAttention(6, 2, bias=False).named_parameters())

    def test_shapes_with_and_without_weights(self):
        attention = MultiHeadAttention(6, 3)
        query, key = torch.randn(2, 5, 6), torch.randn(2, 7, 6)
        output, weights = attention(query, key, key)
        assert output.shape == (2, 5, 6)
        assert weights.shape == (2, 3, 5, 7)
        fused, none = attention(query, key, key, need_weights=False)
        assert none is None
        torch.testing.assert_close(fused, output)

    def test_attend_uses_keys_and_values_that_are_already_projected(self):
        attention, query, key = MultiHeadAttention(6, 3), torch.randn(2, 5, 6), torch.randn(2, 7, 6)
        known = attention.keys_and_values(key, key)
        for got, wanted in zip(
            attention.attend(query, known.keys, known.values), attention(query, key, key), strict=True
        ):
            torch.testing.assert_close(got, wanted)

    def test_merge_inverts_split(self):
        attention, x = MultiHeadAttention(6, 3), torch.randn(2, 5, 6)
        assert torch.equal(attention.merge(attention.split(x)), x)

    def test_self_attention_is_permutation_equivariant(self):
        attention, x = MultiHeadAttention(6, 2).double(), torch.randn(2, 5, 6, dtype=torch.float64)
        order = torch.randperm(5)
        torch.testing.assert_close(
            attention(x[:, order], x[:, order], x[:, order])[0], attention(x, x, x)[0][:, order]
        )

    def test_dropout_acts_only_in_training_mode(self):
        attention, x = MultiHeadAttention(6, 2, dropout=0.5), torch.randn(2, 5, 6)
        assert not torch.equal(attention(x, x, x)[0], attention(x, x, x)[0])
        attention.eval()
        assert torch.equal(attention(x, x, x)[0], attention(x, x, x)[0])

    @pytest.mark.bad_input
    def test_bad_sizes_are_rejected(self):
        with pytest.raises(ValueError, match="num_heads: wanted a divisor of d_model=6, got 4"):
            MultiHeadAttention(6, 4)
        with pytest.raises(ValueError, match="num_heads: wanted a whole number of at least 1, got 0"):
            MultiHeadAttention(6, 0)
        with pytest.raises(ValueError, match=r"dropout: .* got 1.0"):
            MultiHeadAttention(6, 2, dropout=1.0)
        attention, x = MultiHeadAttention(6, 2), torch.randn(2, 5, 6)
        with pytest.raises(ValueError, match=r"query: wanted shape \(B, T, 6\), got \(2, 5, 7\)"):
            attention(torch.randn(2, 5, 7), x, x)
        with pytest.raises(ValueError, match=r"key: wanted shape \(2, S, 6\), got \(3, 5, 6\)"):
            attention(x, torch.randn(3, 5, 6), x)
        with pytest.raises(ValueError, match=r"value: wanted shape \(2, 5, 6\).*got \(2, 4, 6\)"):
            attention(x, x, x[:, :4])


def test_masked_softmax_normalizes_over_the_allowed_keys():
    scores = torch.tensor([[1.0, 2.0, 3.0]])
    weights = masked_softmax(scores, torch.tensor([[True, False, True]]))
    torch.testing.assert_close(weights[:, [0, 2]], scores[:, [0, 2]].softmax(-1))
    assert weights[0, 1] == 0


def test_attentions_item_selects_one_item_of_the_batch():
    item = Attentions(encoder=torch.arange(2 * 3 * 4 * 5 * 5).view(2, 3, 4, 5, 5).float()).item(1)
    assert item.encoder.shape == (2, 4, 5, 5)
    assert item.encoder[0, 0, 0, 0] == 100
    assert item.cross is None
