"""PyTorch's attention and layers beside ours, case by case, and where ours differ on purpose.

The cases follow the documentation of `torch.nn` and `torch.nn.functional`. The parity tests compare whole
stacks; here each option is tried by itself.
"""

import itertools
import math
import re

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd import gradcheck, gradgradcheck

from attnbook import (
    Decoder,
    DecoderLayer,
    Encoder,
    EncoderLayer,
    FeedForward,
    MultiHeadAttention,
    causal_mask,
    scaled_dot_product_attention,
)
from bookpress import ROOT

B, H, T, S, D, FF = 3, 2, 5, 7, 8, 11


@pytest.fixture(params=[True, False], ids=["weights", "no weights"])
def need_weights(request):
    return request.param


def random(*shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(shape, dtype=dtype, requires_grad=True)


def some(*shape: int) -> Tensor:
    """A random mask, True = may attend, that leaves each row a key."""
    mask = torch.rand(shape) < 0.6
    mask[..., 0] |= ~mask.any(dim=-1)
    return mask


def padding(batch: int, length: int) -> Tensor:
    """PyTorch's `key_padding_mask` `(B, S)`, True = ignore: one more in each row."""
    return torch.arange(length) >= length - torch.arange(batch)[:, None]


def assert_same(ours: Tensor, theirs: Tensor, inputs: list[Tensor]) -> None:
    """Equal outputs, and equal gradients along a random direction."""
    torch.testing.assert_close(ours, theirs)
    direction = torch.randn_like(ours)
    expected = torch.autograd.grad(theirs, inputs, direction, retain_graph=True)
    for got, wanted in zip(torch.autograd.grad(ours, inputs, direction), expected, strict=True):
        torch.testing.assert_close(got, wanted)


def by_hand(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> tuple[np.ndarray, np.ndarray]:
    """Attention in NumPy, one query at a time."""
    q, k, v = (x.detach().numpy() for x in (query, key, value))
    shape = (*q.shape[:-1], k.shape[-2])
    allowed = np.ones(shape, dtype=bool) if mask is None else np.broadcast_to(mask.numpy(), shape)
    weights, output = np.zeros(shape), np.zeros((*q.shape[:-1], v.shape[-1]))
    for at in itertools.product(*map(range, shape[:-1])):
        keys, values = k[at[:-1]][allowed[at]], v[at[:-1]][allowed[at]]
        scores = np.exp(keys @ q[at] / math.sqrt(q.shape[-1]))
        if scores.size:
            weights[(*at, allowed[at])] = scores / scores.sum()
            output[at] = (scores / scores.sum()) @ values
    return output, weights


class TestScaledDotProductAttention:
    def test_a_case_from_paper(self, need_weights):
        """Scores 0 and ln 3 after scaling: weights 1/4 and 3/4."""
        query = torch.tensor([[2.0, 0, 0, 0]], dtype=torch.float64)
        key = torch.tensor([[0.0, 1, 2, 3], [math.log(3), 4, 5, 6]], dtype=torch.float64)
        value = torch.tensor([[4.0, 0], [8, 4]], dtype=torch.float64)
        output, weights = scaled_dot_product_attention(query, key, value, need_weights=need_weights)
        torch.testing.assert_close(output, torch.tensor([[7.0, 3]], dtype=torch.float64))
        if need_weights:
            torch.testing.assert_close(weights, torch.tensor([[0.25, 0.75]], dtype=torch.float64))

    @pytest.mark.parametrize("batch", [(), (1,), (B,), (B, H), (2, B, H)])
    @pytest.mark.parametrize("masked", [False, True])
    def test_equals_numpy_for_any_leading_axes(self, batch, masked, need_weights):
        inputs = random(*batch, T, 4), random(*batch, S, 4), random(*batch, S, 6)
        mask = (torch.rand(*batch, T, S) < 0.4) if masked else None  # rows without any key among them
        output, weights = scaled_dot_product_attention(*inputs, mask, need_weights=need_weights)
        wanted, its_weights = by_hand(*inputs, mask)
        np.testing.assert_allclose(output.detach(), wanted, atol=1e-12)
        if need_weights:
            np.testing.assert_allclose(weights.detach(), its_weights, atol=1e-12)

    @pytest.mark.parametrize(
        "shape",
        [(T, S), (1, S), (T, 1), (1, 1, T, S), (B, 1, T, S), (1, H, T, S), (B, H, 1, S), (B, H, T, S)],
    )
    def test_takes_every_boolean_mask_that_broadcasts(self, shape, need_weights):
        inputs = random(B, H, T, 4), random(B, H, S, 4), random(B, H, S, 6)
        mask = some(*shape)
        output, _ = scaled_dot_product_attention(*inputs, mask, need_weights=need_weights)
        assert_same(output, F.scaled_dot_product_attention(*inputs, attn_mask=mask), list(inputs))

    def test_is_causal_is_the_causal_mask(self, need_weights):
        inputs = random(B, H, T, 4), random(B, H, T, 4), random(B, H, T, 6)
        output, _ = scaled_dot_product_attention(*inputs, causal_mask(T), need_weights=need_weights)
        assert_same(output, F.scaled_dot_product_attention(*inputs, is_causal=True), list(inputs))

    @pytest.mark.parametrize("scale", [0.3, 1.0, 2.5])
    def test_scale(self, scale, need_weights):
        inputs = random(B, T, 4), random(B, S, 4), random(B, S, 6)
        output, _ = scaled_dot_product_attention(*inputs, scale=scale, need_weights=need_weights)
        assert_same(output, F.scaled_dot_product_attention(*inputs, scale=scale), list(inputs))

    @pytest.mark.parametrize("masked", [False, True])
    def test_first_and_second_derivatives(self, masked):
        inputs = random(2, 3, 2), random(2, 4, 2), random(2, 4, 2)
        mask = some(2, 3, 4) if masked else None
        if masked:
            mask[0, 1] = False  # a row without any key

        def output(*inputs):
            return scaled_dot_product_attention(*inputs, mask)[0]

        assert gradcheck(output, inputs)
        assert gradgradcheck(output, inputs)
        assert gradcheck(lambda *x: scaled_dot_product_attention(*x, mask)[1], inputs[:2] + inputs[2:])
        assert gradcheck(lambda *x: scaled_dot_product_attention(*x, mask, need_weights=False)[0], inputs)

    @pytest.mark.parametrize(
        ("dtype", "tolerance"),
        [(torch.float64, 1e-12), (torch.float32, 1e-5), (torch.float16, 5e-3), (torch.bfloat16, 4e-2)],
    )
    def test_keeps_the_dtype(self, dtype, tolerance, need_weights):
        exact = random(B, H, T, 8), random(B, H, S, 8), random(B, H, S, 8)
        inputs = [x.detach().to(dtype) for x in exact]
        output, weights = scaled_dot_product_attention(*inputs, some(T, S) | True, need_weights=need_weights)
        assert output.dtype == dtype
        assert weights is None or weights.dtype == dtype
        wanted = F.scaled_dot_product_attention(*exact)
        torch.testing.assert_close(output.double(), wanted, atol=tolerance, rtol=tolerance)

    def test_strided_inputs(self, need_weights):
        strided = [random(B, n, H, 4).transpose(1, 2) for n in (T, S, S)]
        output, _ = scaled_dot_product_attention(*strided, need_weights=need_weights)
        contiguous = [x.contiguous() for x in strided]
        torch.testing.assert_close(output, scaled_dot_product_attention(*contiguous)[0])

    def test_scores_of_any_size_stay_finite(self, need_weights):
        query, key, value = random(B, T, 4), random(B, S, 4), random(B, S, 4)
        output, _ = scaled_dot_product_attention(query * 1e4, key, value, need_weights=need_weights)
        assert output.isfinite().all()
        assert (output.amax(dim=1) <= value.amax(dim=1) + 1e-9).all()

    @pytest.mark.parametrize("rate", [0.2, 0.5])
    def test_dropout_zeroes_its_share_of_the_weights_and_keeps_the_mean(self, rate, need_weights):
        """With the identity as value, the output is the weights after dropout."""
        zeros, identity = torch.zeros(64, 50, 8), torch.eye(50).expand(64, 50, 50)
        output, _ = scaled_dot_product_attention(
            zeros, zeros, identity, dropout=rate, need_weights=need_weights
        )
        dropped = output == 0
        count = output.numel()
        assert abs(dropped.double().mean().item() - rate) < 5 * math.sqrt(rate * (1 - rate) / count)
        torch.testing.assert_close(output[~dropped], torch.full_like(output[~dropped], 1 / 50 / (1 - rate)))

    def test_from_one_seed_dropout_is_the_same(self, need_weights):
        inputs = random(B, T, 4), random(B, S, 4), random(B, S, 6)
        outputs = []
        for seed in (1, 1, 2):
            torch.manual_seed(seed)
            outputs.append(scaled_dot_product_attention(*inputs, dropout=0.5, need_weights=need_weights)[0])
        assert torch.equal(outputs[0], outputs[1])
        assert not torch.equal(outputs[0], outputs[2])


def attention_state(theirs: nn.MultiheadAttention, prefix: str = "") -> dict[str, Tensor]:
    """The state dict of `nn.MultiheadAttention` under our names."""
    state = {}
    for kind in ("weight", "bias"):
        packed = getattr(theirs, f"in_proj_{kind}")
        if packed is not None:
            for name, part in zip(("query", "key", "value"), packed.chunk(3), strict=True):
                state[f"{prefix}{name}.{kind}"] = part
            state[f"{prefix}output.{kind}"] = getattr(theirs.out_proj, kind)
    return state


def layer_state(theirs: nn.Module, prefix: str = "") -> dict[str, Tensor]:
    """The state dict of PyTorch's encoder or decoder layer under our names."""
    state = attention_state(theirs.self_attn, f"{prefix}self_attention.")
    parts = {"feed_forward.inner": theirs.linear1, "feed_forward.outer": theirs.linear2}
    parts |= {"add_norm1.norm": theirs.norm1, "add_norm2.norm": theirs.norm2}
    if isinstance(theirs, nn.TransformerDecoderLayer):
        state |= attention_state(theirs.multihead_attn, f"{prefix}cross_attention.")
        parts["add_norm3.norm"] = theirs.norm3
    for name, part in parts.items():
        state |= {f"{prefix}{name}.{key}": tensor for key, tensor in part.state_dict().items()}
    return state


def stack_state(theirs: nn.TransformerEncoder | nn.TransformerDecoder) -> dict[str, Tensor]:
    state = {}
    for i, layer in enumerate(theirs.layers):
        state |= layer_state(layer, f"layers.{i}.")
    if theirs.norm is not None:
        state |= {f"norm.{key}": tensor for key, tensor in theirs.norm.state_dict().items()}
    return state


@torch.no_grad()
def unsettled(module: nn.Module) -> nn.Module:
    """In float64, with every parameter away from its zeros and ones, so that a swapped one shows."""
    for parameter in module.parameters():
        parameter.add_(0.2 * torch.randn_like(parameter))
    return module.double()


def attentions(**options) -> tuple[MultiHeadAttention, nn.MultiheadAttention]:
    theirs = unsettled(nn.MultiheadAttention(D, H, batch_first=True, **options))
    ours = MultiHeadAttention(D, H, **options).double()
    ours.load_state_dict(attention_state(theirs))
    return ours, theirs


class TestMultiHeadAttention:
    @pytest.mark.parametrize("bias", [True, False])
    def test_self_attention(self, bias, need_weights):
        ours, theirs = attentions(bias=bias)
        x = random(B, T, D)
        output, weights = ours(x, x, x, None, need_weights)
        expected, its_weights = theirs(x, x, x, average_attn_weights=False)
        assert_same(output, expected, [x])
        if need_weights:
            torch.testing.assert_close(weights, its_weights)

    def test_averaged_weights_are_the_mean_over_heads(self):
        ours, theirs = attentions()
        query, key, value = random(B, T, D), random(B, S, D), random(B, S, D)
        torch.testing.assert_close(ours(query, key, value)[1].mean(dim=1), theirs(query, key, value)[1])

    @pytest.mark.parametrize("attn_mask", [None, (T, S), (B, 1, T, S), (B, H, T, S)])
    @pytest.mark.parametrize("padded", [False, True])
    def test_masks_in_any_combination(self, attn_mask, padded, need_weights):
        ours, theirs = attentions()
        query, key, value = random(B, T, D), random(B, S, D), random(B, S, D)
        mask = torch.ones(1, 1, T, S, dtype=torch.bool) if attn_mask is None else some(*attn_mask)
        blocked = {"key_padding_mask": padding(B, S)} if padded else {}
        if padded:
            mask = mask & ~padding(B, S)[:, None, None]
            mask = mask | ~mask.any(dim=-1, keepdim=True) & ~padding(B, S)[:, None, None]
        per_head = mask.expand(B, H, T, S).flatten(0, 1)  # (B·H, T, S), as nn.MultiheadAttention wants
        expected, _ = theirs(query, key, value, attn_mask=~per_head, **blocked)
        output, _ = ours(query, key, value, mask, need_weights)
        assert_same(output, expected, [query, key, value])

    def test_an_axis_that_the_batch_is_not_first_in_is_moved(self):
        ours, first = attentions()
        theirs = nn.MultiheadAttention(D, H).double()
        theirs.load_state_dict(first.state_dict())
        query, key = random(B, T, D), random(B, S, D)
        expected, _ = theirs(query.transpose(0, 1), key.transpose(0, 1), key.transpose(0, 1))
        torch.testing.assert_close(ours(query, key, key)[0], expected.transpose(0, 1))

    def test_sequences_of_a_batch_do_not_see_each_other(self, need_weights):
        ours, _ = attentions()
        query, key = random(B, T, D), random(B, S, D)
        together, _ = ours(query, key, key, None, need_weights)
        for row in range(B):
            one = slice(row, row + 1)
            torch.testing.assert_close(ours(query[one], key[one], key[one])[0], together[one])

    def test_first_and_second_derivatives(self):
        attention, mask = MultiHeadAttention(4, 2).double(), some(2, 1, 2, 3)
        inputs = random(2, 2, 4), random(2, 3, 4), random(2, 3, 4)
        for need in (True, False):
            assert gradcheck(lambda *x, need=need: attention(*x, mask, need)[0], inputs)
        assert gradgradcheck(lambda *x: attention(*x, mask)[0], inputs)

    def test_gradients_of_the_parameters(self, need_weights):
        ours, theirs = attentions()
        query, key = random(B, T, D), random(B, S, D)
        direction = torch.randn(B, T, D, dtype=torch.float64)
        (ours(query, key, key, None, need_weights)[0] * direction).sum().backward()
        (theirs(query, key, key)[0] * direction).sum().backward()
        for kind in ("weight", "bias"):
            got = torch.cat([getattr(part, kind).grad for part in (ours.query, ours.key, ours.value)])
            torch.testing.assert_close(got, getattr(theirs, f"in_proj_{kind}").grad)
            torch.testing.assert_close(getattr(ours.output, kind).grad, getattr(theirs.out_proj, kind).grad)

    @pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
    def test_keeps_the_dtype(self, dtype, need_weights):
        ours, theirs = attentions()
        x = random(B, T, D)
        output, weights = ours.to(dtype)(x.to(dtype), x.to(dtype), x.to(dtype), None, need_weights)
        assert output.dtype == dtype
        assert weights is None or weights.dtype == dtype
        tolerance = 1e-5 if dtype == torch.float32 else 5e-2
        torch.testing.assert_close(output.double(), theirs(x, x, x)[0], atol=tolerance, rtol=tolerance)

    def test_dropout_keeps_the_mean_of_the_output(self, need_weights):
        attention = MultiHeadAttention(D, H, dropout=0.3)
        x = torch.randn(1, T, D).expand(4000, T, D)
        with torch.no_grad():
            dropped = attention(x, x, x, None, need_weights)[0]
            whole = attention.eval()(x[:1], x[:1], x[:1])[0][0]
        error = dropped.std(dim=0) / math.sqrt(4000)
        assert ((dropped.mean(dim=0) - whole).abs() < 5 * error).all()
        assert (error > 0).all()


def layers(kind: str, **options) -> tuple[nn.Module, nn.Module]:
    """Our layer and PyTorch's, with the same weights."""
    ours = {"encoder": EncoderLayer, "decoder": DecoderLayer}[kind](D, H, FF, 0.0, **options).double()
    theirs = {"encoder": nn.TransformerEncoderLayer, "decoder": nn.TransformerDecoderLayer}[kind](
        D, H, FF, 0.0, batch_first=True, **options
    )
    ours.load_state_dict(layer_state(unsettled(theirs)))
    return ours, theirs


@pytest.mark.parametrize("norm_first", [False, True])
class TestLayers:
    @pytest.mark.parametrize("masked", ["nothing", "future", "padding", "both"])
    def test_encoder_layer(self, norm_first, masked, need_weights):
        ours, theirs = layers("encoder", norm_first=norm_first)
        x = random(B, T, D)
        mask, arguments = None, {}
        if masked in ("future", "both"):
            mask, arguments["src_mask"] = causal_mask(T), ~causal_mask(T)
        if masked in ("padding", "both"):
            keys = ~padding(B, T)[:, None, None]
            mask = keys if mask is None else mask & keys
            arguments["src_key_padding_mask"] = padding(B, T)
        assert_same(ours(x, mask, need_weights)[0], theirs(x, **arguments), [x])

    @pytest.mark.parametrize("masked", ["nothing", "future", "memory", "padding", "all"])
    def test_decoder_layer(self, norm_first, masked, need_weights):
        ours, theirs = layers("decoder", norm_first=norm_first)
        x, memory = random(B, T, D), random(B, S, D)
        mask = memory_mask = None
        arguments = {}
        if masked in ("future", "all"):
            mask, arguments["tgt_mask"] = causal_mask(T), ~causal_mask(T)
        if masked in ("memory", "all"):
            memory_mask = some(T, S)
            memory_mask[:, 0] = True
            arguments["memory_mask"] = ~memory_mask
        if masked in ("padding", "all"):
            keys, memory_keys = ~padding(B, T)[:, None, None], ~padding(B, S)[:, None, None]
            mask = keys if mask is None else mask & keys
            memory_mask = memory_keys if memory_mask is None else memory_mask & memory_keys
            arguments["tgt_key_padding_mask"] = padding(B, T)
            arguments["memory_key_padding_mask"] = padding(B, S)
        output, _ = ours(x, memory, mask, memory_mask, need_weights)
        assert_same(output, theirs(x, memory, **arguments), [x, memory])

    @pytest.mark.parametrize("kind", ["encoder", "decoder"])
    def test_gradients_of_the_parameters(self, norm_first, kind, need_weights):
        ours, theirs = layers(kind, norm_first=norm_first)
        inputs = [random(B, T, D), random(B, S, D)][: 1 if kind == "encoder" else 2]
        direction = torch.randn(B, T, D, dtype=torch.float64)
        (ours(*inputs, need_weights=need_weights)[0] * direction).sum().backward()
        (theirs(*inputs) * direction).sum().backward()
        for parameter in theirs.parameters():
            parameter.data = parameter.grad  # so that the gradients get our names
        wanted = layer_state(theirs)
        for name, parameter in ours.named_parameters():
            torch.testing.assert_close(parameter.grad, wanted[name])

    def test_derivatives(self, norm_first):
        for kind, shapes in {"encoder": [(1, 2, 4)], "decoder": [(1, 2, 4), (1, 3, 4)]}.items():
            layer = {"encoder": EncoderLayer, "decoder": DecoderLayer}[kind](
                4, 2, 5, 0.0, norm_first
            ).double()
            inputs = tuple(random(*shape) for shape in shapes)
            assert gradcheck(lambda *x, layer=layer: layer(*x)[0], inputs)

    @pytest.mark.parametrize("kind", ["encoder", "decoder"])
    def test_evaluation_ignores_dropout_and_training_does_not(self, norm_first, kind):
        layer = {"encoder": EncoderLayer, "decoder": DecoderLayer}[kind](D, H, FF, 0.4, norm_first)
        inputs = [torch.randn(B, T, D)] * (1 if kind == "encoder" else 2)
        assert not torch.equal(layer(*inputs)[0], layer(*inputs)[0])
        layer.eval()
        assert torch.equal(layer(*inputs)[0], layer(*inputs)[0])

    @pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
    def test_keeps_the_dtype(self, norm_first, dtype):
        for kind, count in (("encoder", 1), ("decoder", 2)):
            ours, theirs = layers(kind, norm_first=norm_first)
            inputs = [random(B, T, D) for _ in range(count)]
            output, _ = ours.to(dtype)(*(x.to(dtype) for x in inputs))
            assert output.dtype == dtype
            tolerance = 1e-4 if dtype == torch.float32 else 1e-1
            torch.testing.assert_close(output.double(), theirs(*inputs), atol=tolerance, rtol=tolerance)

    @pytest.mark.parametrize("kind", ["encoder", "decoder"])
    def test_the_state_dict_of_a_stack_converts(self, norm_first, kind):
        encoder = kind == "encoder"
        layer = (nn.TransformerEncoderLayer if encoder else nn.TransformerDecoderLayer)(
            D, H, FF, 0.0, batch_first=True, norm_first=norm_first
        )
        norm = nn.LayerNorm(D) if norm_first else None
        if encoder:
            theirs = nn.TransformerEncoder(layer, 3, norm, enable_nested_tensor=False)
        else:
            theirs = nn.TransformerDecoder(layer, 3, norm)
        ours = (Encoder if encoder else Decoder)(D, H, FF, 0.0, norm_first, num_layers=3).double()
        ours.load_state_dict(stack_state(unsettled(theirs)))  # strict: no name is missing, none is left over
        inputs = [random(B, T, D), random(B, S, D)][: 1 if encoder else 2]
        assert_same(ours(*inputs)[0], theirs(*inputs), inputs)


def nan_where_ours_is_zero() -> None:
    """The one deviation in numbers: a row without any key."""
    ours, theirs = attentions()
    x, mask = random(1, 2, D), torch.tensor([[True, True], [False, False]])
    assert theirs(x, x, x, attn_mask=~mask)[0][0, 1].isnan().all()
    output, weights = ours(x, x, x, mask)
    torch.testing.assert_close(output[0, 1], ours.output.bias)
    assert (weights[0, :, 1] == 0).all()


def a_pair_for_one_output() -> None:
    x = random(B, T, D)
    calls = [scaled_dot_product_attention(x, x, x)]
    calls += [kind(D, H, FF).double()(x) for kind in (EncoderLayer, Encoder)]
    calls += [kind(D, H, FF).double()(x, x) for kind in (DecoderLayer, Decoder)]
    for output, weights in calls:
        assert output.shape == (B, T, D)
        assert weights is not None


def the_stacks_own_norm() -> None:
    for kind in (Encoder, Decoder):
        assert isinstance(kind(D, H, FF, norm_first=True, num_layers=1).norm, nn.LayerNorm)
        assert isinstance(kind(D, H, FF, num_layers=1).norm, nn.Identity)
        refused(TypeError, "norm", lambda kind=kind: kind(D, H, FF, norm=None))


def weights_before_dropout() -> None:
    ours, theirs = attentions(dropout=0.5)
    x = random(B, T, D)
    torch.testing.assert_close(ours(x, x, x)[1].sum(dim=-1), torch.ones(B, H, T, dtype=torch.float64))
    assert not torch.allclose(theirs(x, x, x)[1].sum(dim=-1), torch.ones(B, T, dtype=torch.float64))


def no_dropout_of_weights_in_layers() -> None:
    for layer in (EncoderLayer(D, H, FF, 0.5), DecoderLayer(D, H, FF, 0.5)):
        assert layer.self_attention.dropout == 0.0
        assert (layer.feed_forward.dropout.p, layer.add_norm1.dropout.p) == (0.5, 0.5)


def refused(error: type[Exception], words: str, *calls) -> None:
    assert calls
    for call in calls:
        with pytest.raises(error, match=words):
            call()


attention, x = MultiHeadAttention(D, H), torch.randn(B, T, D)
q = torch.randn(B, H, T, 4)
DEVIATIONS = {
    "inputs without a batch axis": lambda: refused(
        ValueError,
        r"(query|x): wanted shape \(B, T, 8\), got \(5, 8\)",
        lambda: attention(x[0], x[0], x[0]),
        lambda: EncoderLayer(D, H, FF)(x[0]),
        lambda: DecoderLayer(D, H, FF)(x[0], x[0]),
    ),
    "masks of numbers": lambda: refused(
        TypeError,
        "mask: wanted a boolean tensor, True = may attend, got torch.float32",
        lambda: attention(x, x, x, torch.zeros(T, T)),
        lambda: scaled_dot_product_attention(q, q, q, torch.zeros(T, T)),
        lambda: EncoderLayer(D, H, FF)(x, torch.zeros(T, T)),
    ),
    "a mask `(B·H, T, S)`": lambda: refused(
        ValueError,
        r"mask: wanted shape that broadcasts to \(3, 2, 5, 5\), got \(6, 5, 5\); .*unflatten",
        lambda: attention(x, x, x, torch.ones(B * H, T, T, dtype=torch.bool)),
    ),
    "`key_padding_mask`": lambda: refused(
        TypeError, "key_padding_mask", lambda: attention(x, x, x, key_padding_mask=padding(B, T))
    ),
    "`is_causal`": lambda: refused(
        TypeError,
        "is_causal",
        lambda: attention(x, x, x, is_causal=True),
        lambda: scaled_dot_product_attention(q, q, q, is_causal=True),
    ),
    "a batch of one for a batch of many": lambda: refused(
        ValueError,
        "key: wanted shape",
        lambda: scaled_dot_product_attention(q, q[:1], q[:1]),
        lambda: attention(x, x[:1], x[:1]),
    ),
    "`kdim`, `vdim`, `add_bias_kv`, `add_zero_attn`, `batch_first`": lambda: [
        refused(TypeError, option, lambda option=option: MultiHeadAttention(D, H, **{option: 1}))
        for option in ("kdim", "vdim", "add_bias_kv", "add_zero_attn", "batch_first")
    ],
    "a single output": a_pair_for_one_output,
    "`attn_mask`, `dropout_p`": lambda: [
        refused(
            TypeError, option, lambda option=option: scaled_dot_product_attention(q, q, q, **{option: None})
        )
        for option in ("attn_mask", "dropout_p")
    ],
    "`bias` of layers": lambda: [
        refused(TypeError, "bias", lambda kind=kind: kind(D, H, FF, bias=False))
        for kind in (EncoderLayer, DecoderLayer, Encoder, Decoder)
    ],
    "`device`, `dtype`": lambda: [
        refused(TypeError, option, lambda kind=kind, option=option: kind(D, H, **{option: None}))
        for kind in (MultiHeadAttention, EncoderLayer, DecoderLayer, Encoder, Decoder)
        for option in ("device", "dtype")
    ],
    "`norm` of a stack": the_stacks_own_norm,
    "`enable_gqa`": lambda: refused(
        TypeError, "enable_gqa", lambda: scaled_dot_product_attention(q, q, q, enable_gqa=True)
    ),
    "`activation`, `layer_norm_eps`": lambda: [
        refused(TypeError, option, lambda kind=kind, option=option: kind(D, H, FF, **{option: 1}))
        for kind in (EncoderLayer, DecoderLayer, FeedForward)
        for option in ("activation", "layer_norm_eps")
        if kind is not FeedForward
    ],
    "a query without any key": nan_where_ours_is_zero,
    "returned weights and dropout": weights_before_dropout,
    "dropout of weights inside the layers": no_dropout_of_weights_in_layers,
    "a dropout rate of 1": lambda: refused(
        ValueError, "dropout: wanted a rate", lambda: EncoderLayer(D, H, FF, dropout=1.0)
    ),
}


@pytest.mark.bad_input
@pytest.mark.parametrize("deviation", DEVIATIONS)
def test_deviations_are_deliberate(deviation):
    DEVIATIONS[deviation]()


def test_the_api_reference_lists_every_deviation():
    page = (ROOT / "chapters" / "api.md").read_text("utf8")
    section = re.search(r"## Compared with PyTorch\n(.*?)\n## ", page, re.DOTALL)
    rows = re.findall(r"^\| ([^|]+?) \|", section[1], re.MULTILINE)
    assert rows[1:] == list(DEVIATIONS)
