"""Ablated heads contribute nothing, the others are unchanged, and the model is restored afterwards."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from attnbook import (
    Decoder,
    Encoder,
    LanguageModel,
    MultiHeadAttention,
    Transformer,
    ablate,
    greedy_decode,
)
from attnbook.seq2seq import RecurrentSeq2Seq

HEADS, LAYERS, WIDTH = 3, 2, 12
KINDS = {"encoder": "self_attention", "decoder": "self_attention", "cross": "cross_attention"}


@pytest.fixture
def model():
    torch.manual_seed(0)
    sizes = {"d_model": WIDTH, "num_heads": HEADS, "num_layers": LAYERS, "d_ff": 16}
    return Transformer(11, 13, **sizes, pad=3).double().eval()


@pytest.fixture
def ids():
    source = torch.tensor([[4, 5, 6, 7, 8], [9, 4, 10, 3, 3]])
    target = torch.tensor([[1, 5, 6, 7], [1, 8, 9, 3]])
    return source, target


def attention_of(model, kind, layer):
    stack = model.encoder if kind == "encoder" else model.decoder
    return getattr(stack.layers[layer], KINDS[kind])


def columns(head):
    return slice(head * WIDTH // HEADS, (head + 1) * WIDTH // HEADS)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("need_weights", [True, False])
def test_a_head_that_is_off_is_one_whose_output_columns_are_zero(model, ids, kind, need_weights):
    with ablate(model, [(kind, 1, 2)]):
        logits, _ = model(*ids, need_weights=need_weights)
    whole = model(*ids)[0]
    with torch.no_grad():
        attention_of(model, kind, 1).output.weight[:, columns(2)] = 0.0
    wanted = model(*ids)[0]
    assert torch.allclose(logits, wanted, atol=1e-12)
    assert not torch.allclose(logits, whole, atol=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_the_mean_has_equal_weights_over_the_keys_that_the_mask_allows(model, ids, kind):
    with ablate(model, {(kind, 0, 1): "mean"}):
        weights = getattr(model(*ids)[1], kind)[0]  # (B, H, T, S)
    before = getattr(model(*ids)[1], kind)[0]
    allowed = before[:, 1] > 0
    assert torch.allclose(weights[:, 1], allowed / allowed.sum(-1, keepdim=True).double(), atol=1e-12)
    assert torch.allclose(weights[:, [0, 2]], before[:, [0, 2]], atol=1e-12)
    assert kind == "decoder" or not allowed.all()  # padding is hidden, too


def test_the_mean_blends_the_values_evenly():
    torch.manual_seed(0)
    attention = MultiHeadAttention(WIDTH, HEADS).double()

    class Stack(torch.nn.Module):
        def __init__(self):
            super().__init__()
            layer = torch.nn.Module()
            layer.self_attention = attention
            self.layers = torch.nn.ModuleList([layer])

    x = torch.randn(2, 5, WIDTH, dtype=torch.float64)
    with ablate(Stack(), {(0, head): "mean" for head in range(HEADS)}):
        output, _ = attention(x, x, x, need_weights=False)
    even = attention.value(x).mean(1, keepdim=True).expand_as(x)
    assert torch.allclose(output, attention.output(even), atol=1e-12)


def test_all_heads_off_leave_the_output_layers_bias(model, ids):
    x = torch.randn(2, 5, WIDTH, dtype=torch.float64)
    layer = model.encoder.layers[0].self_attention
    with ablate(model.encoder, [(0, head) for head in range(HEADS)]):
        output, weights = layer(x, x, x)
    assert torch.allclose(output, layer.output.bias.expand_as(output), atol=1e-12)
    assert torch.allclose(weights, layer(x, x, x)[1])  # their weights are still returned


@settings(max_examples=20, deadline=None)
@given(
    heads=st.dictionaries(
        st.tuples(st.sampled_from([*KINDS]), st.integers(0, LAYERS - 1), st.integers(0, HEADS - 1)),
        st.sampled_from(["zero", "mean"]),
        max_size=6,
    )
)
def test_cached_decoding_is_cut_as_the_whole_pass_is(heads):
    torch.manual_seed(1)
    model = Transformer(11, 13, d_model=WIDTH, num_heads=HEADS, num_layers=LAYERS, d_ff=16).double().eval()
    source = torch.tensor([[4, 5, 6, 7, 8], [9, 4, 10, 0, 0]])
    with ablate(model, heads), torch.no_grad():
        decoded = greedy_decode(model, source, start=1, end=2, max_length=6)
        read = torch.nn.functional.pad(decoded.ids, (1, -1), value=1)
        logits = model(source, read)[0]
    written = decoded.ids != model.pad
    assert torch.equal(logits.argmax(-1)[written], decoded.ids[written])


def test_cuts_add_up_and_end_with_their_block(model, ids):
    whole = model(*ids)[0]
    one, other = ("cross", 0, 0), ("cross", 0, 1)
    with ablate(model, [one, other]):
        both = model(*ids)[0]
    with ablate(model, [one]):
        with ablate(model, [other]):
            assert torch.equal(model(*ids)[0], both)
        assert not torch.allclose(model(*ids)[0], both)
    assert torch.equal(model(*ids)[0], whole)


def test_an_error_in_the_block_leaves_no_hook(model, ids):
    whole = model(*ids)[0]
    with pytest.raises(RuntimeError, match="stop"), ablate(model, [("decoder", 0, 0)]):
        raise RuntimeError("stop")
    assert torch.equal(model(*ids)[0], whole)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_gradients_reach_the_other_heads_only(model, ids):
    with ablate(model, [("encoder", 0, 1)]):
        model(*ids)[0].sum().backward()
    gradient = model.encoder.layers[0].self_attention.value.weight.grad  # (D, D), rows are outputs
    assert gradient[columns(1)].abs().max() == 0
    assert gradient[columns(0)].abs().max() > 0


def test_no_heads_change_nothing(model, ids):
    with ablate(model, []):
        inside = model(*ids)[0]
    assert torch.equal(inside, model(*ids)[0])


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("heads", "words"),
    [
        ([(0, 0)], r"heads: wanted 'encoder' or 'decoder' or 'cross' as the first element.*got \(0, 0\)"),
        ([("cross", 2, 0)], r"heads: cross has layers 0 to 1 and heads 0 to 2, got \('cross', 2, 0\)"),
        ([("cross", 0, -1)], "heads: cross has layers 0 to 1"),
        ([("cross", 0, HEADS)], r"heads: cross has layers 0 to 1 and heads 0 to 2, got \('cross', 0, 3\)"),
        ([("memory", 0, 0)], r"heads: wanted \(layer, head\) or \(kind, layer, head\) with 'encoder'"),
        ([("cross", 0.0, 0)], "heads: wanted"),
        ([("cross", True, 0)], "heads: wanted"),
        (["cross"], "heads: wanted"),
        ({("cross", 0, 0): "half"}, "heads: wanted 'zero' or 'mean' for .*got 'half'"),
    ],
)
def test_heads_that_the_model_does_not_have_are_refused(model, heads, words):
    with pytest.raises(ValueError, match=words), ablate(model, heads):
        pass
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


@pytest.mark.bad_input
def test_a_model_without_heads_is_refused():
    message = "model: wanted one with layers of multi-head attention, got RecurrentSeq2Seq"
    with pytest.raises(TypeError, match=message), ablate(RecurrentSeq2Seq(5, 5, 4), [(0, 0)]):
        pass


@pytest.mark.bad_input
def test_pairs_are_ambiguous_in_a_decoder_with_two_kinds():
    model = torch.nn.Module()
    model.decoder = Decoder(WIDTH, HEADS, 16, num_layers=LAYERS)
    message = "heads: wanted 'decoder' or 'cross' as the first element"
    with pytest.raises(ValueError, match=message), ablate(model, [(0, 0)]):
        pass


@pytest.mark.bad_input
def test_the_heads_of_a_model_with_one_layer_are_named():
    message = r"heads: encoder has layers 0 to 0 and heads 0 to 2, got \(0, 3\)"
    encoder = Encoder(WIDTH, HEADS, 16, num_layers=1)
    with pytest.raises(ValueError, match=message), ablate(encoder, [(0, HEADS)]):
        pass


def test_pairs_serve_a_model_with_one_kind():
    encoder = Encoder(WIDTH, HEADS, 16, num_layers=LAYERS).eval()
    x = torch.randn(2, 5, WIDTH)
    with ablate(encoder, [(1, 0)]):
        inside = encoder(x)[0]
    assert not torch.allclose(inside, encoder(x)[0])


def test_pairs_serve_a_decoder_without_cross_attention():
    model, ids = LanguageModel(11, WIDTH, HEADS, num_layers=1).eval(), torch.tensor([[4, 5, 6]])
    with ablate(model, [(0, 1)]):
        inside = model(ids)[0]
    assert not torch.allclose(inside, model(ids)[0])
