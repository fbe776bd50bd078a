"""The whole Transformer: cached steps, padding, causality, and its encoder and decoder stacks."""

from copy import deepcopy

import pytest
import torch

from attnbook import MultiHeadAttention, Transformer

SIZES = {"d_model": 12, "num_heads": 3, "num_layers": 2, "d_ff": 7, "dropout": 0.0}


def build(**options) -> Transformer:
    return Transformer(11, 13, **SIZES, **options).double().eval()


@pytest.fixture
def source():
    ids = torch.randint(1, 11, (3, 5))
    ids[1, 3:] = 0
    return ids


@pytest.fixture
def target():
    return torch.randint(1, 13, (3, 7))


@pytest.fixture(params=["post-norm", "pre-norm, learned positions", "no positions"])
def model(request):
    options = {
        "post-norm": {},
        "pre-norm, learned positions": {"norm_first": True, "positions": "learned"},
        "no positions": {"positions": None},
    }
    return build(**options[request.param])


def test_shapes(model, source, target):
    logits, attentions = model(source, target)
    assert logits.shape == (3, 7, 13)
    assert attentions.encoder.shape == (2, 3, 3, 5, 5)
    assert attentions.decoder.shape == (2, 3, 3, 7, 7)
    assert attentions.cross.shape == (2, 3, 3, 7, 5)
    fused, none = model(source, target, need_weights=False)
    assert none is None
    torch.testing.assert_close(fused, logits)


def test_cached_steps_equal_recomputing_everything(model, source, target):
    logits, attentions = model(source, target)
    state = model.start(source)
    for t in range(7):
        scores, state, step = model.step(target[:, t], state, need_weights=True)
        torch.testing.assert_close(scores, logits[:, t])
        torch.testing.assert_close(step.decoder[..., 0, :], attentions.decoder[..., t, : t + 1])
        torch.testing.assert_close(step.cross[..., 0, :], attentions.cross[..., t, :])


def test_a_step_does_not_change_the_old_state(model, source, target):
    state = model.start(source)
    _, state, _ = model.step(target[:, 0], state)
    first, _, _ = model.step(target[:, 1], state)
    model.step(target[:, 2], state)
    torch.testing.assert_close(model.step(target[:, 1], state)[0], first)


def test_a_selected_state_continues_its_rows(model, source, target):
    rows = torch.tensor([2, 0, 0, 1])
    state = model.start(source)
    _, state, _ = model.step(target[:, 0], state)
    scores, _, _ = model.step(target[:, 1], state)
    chosen, _, _ = model.step(target[rows, 1], state.select(rows))
    torch.testing.assert_close(chosen, scores[rows])


def test_one_layer_and_one_token_are_enough(source, target):
    model = Transformer(11, 13, **SIZES | {"num_layers": 1}).double().eval()
    logits, _ = model(source, target[:, :1])
    scores, _, attentions = model.step(target[:, 0], model.start(source))
    torch.testing.assert_close(scores, logits[:, 0])
    assert attentions is None


def test_the_encoder_alone_gives_the_memory_and_its_weights(model, source, target):
    memory, attentions = model.encode(source)
    assert memory.shape == (3, 5, 12)
    torch.testing.assert_close(attentions.encoder, model(source, target)[1].encoder)
    again, none = model.encode(source, need_weights=False)
    assert none is None
    torch.testing.assert_close(again, memory)


def test_loaded_weights_make_the_same_model(model, source, target):
    other = deepcopy(model)
    other.reset_parameters()
    assert not torch.allclose(other(source, target)[0], model(source, target)[0])
    other.load_state_dict(model.state_dict())
    torch.testing.assert_close(other(source, target)[0], model(source, target)[0])


def test_without_weights_no_head_computes_them(model, source, target):
    returned = []
    for module in model.modules():
        if isinstance(module, MultiHeadAttention):
            module.register_forward_hook(lambda module, inputs, output: returned.append(output[1]))
    model(source, target, need_weights=False)
    model.step(target[:, 0], model.start(source))
    assert len(returned) == 2 + 4 + 2 + 4
    assert returned == [None] * len(returned)


def test_the_masks_are_made_where_the_ids_are():
    with torch.device("meta"):
        model, ids = Transformer(11, 13, **SIZES), torch.ones(3, 5, dtype=torch.long)
    logits, attentions = model(ids, ids)
    assert logits.is_meta
    assert attentions.decoder.is_meta


def test_source_padding_changes_nothing(model, source, target):
    padded = torch.cat((source, torch.zeros(3, 4, dtype=torch.long)), dim=1)
    torch.testing.assert_close(model(padded, target)[0], model(source, target)[0])
    assert (model(padded, target)[1].cross[..., 5:] == 0).all()


def test_a_change_in_the_future_changes_nothing_in_the_past(model, source, target):
    changed = target.clone()
    changed[:, 4:] = target[:, 4:] % 12 + 1
    before, after = model(source, target)[0], model(source, changed)[0]
    torch.testing.assert_close(after[:, :4], before[:, :4])
    assert not torch.allclose(after[:, 4], before[:, 4])


def test_source_order_matters_only_with_positions(target):
    source, order = torch.randint(1, 11, (3, 5)), torch.tensor([4, 2, 0, 1, 3])
    bag, ordered = build(positions=None), build()
    torch.testing.assert_close(bag(source[:, order], target)[0], bag(source, target)[0])
    assert not torch.allclose(ordered(source[:, order], target)[0], ordered(source, target)[0])


def test_output_and_target_embedding_share_one_matrix():
    model = build()
    assert model.output.weight is model.target_embeddings.lut.weight
    assert "output.weight" in model.state_dict()


def test_defaults_are_the_papers():
    with torch.device("meta"):
        model = Transformer(37_000, 37_000)
    assert (len(model.encoder.layers), len(model.decoder.layers)) == (6, 6)
    layer = model.decoder.layers[0]
    assert (layer.self_attention.num_heads, layer.self_attention.d_model) == (8, 512)
    assert (layer.feed_forward.inner.out_features, layer.add_norm1.dropout.p) == (2048, 0.1)
    assert not layer.add_norm1.norm_first


def test_embeddings_and_positions_start_with_the_same_magnitude():
    model = Transformer(500, 500, d_model=64, num_heads=4, num_layers=1, d_ff=8)
    x = model.source_embeddings(torch.arange(500))
    assert x.pow(2).mean().sqrt().item() == pytest.approx(1.0, abs=0.02)


def test_the_model_runs_on_the_device_of_its_parameters(device, source, target):
    model = build().to(device)
    logits, attentions = model(source.to(device), target.to(device))
    assert logits.device.type == attentions.cross.device.type == device
    torch.testing.assert_close(logits.cpu(), model.cpu()(source, target)[0])


@pytest.mark.bad_input
def test_bad_input_is_rejected(source, target):
    model = build()
    with pytest.raises(ValueError, match=r"target: wanted shape \(3, T\).*got \(2, 7\)"):
        model(source, target[:2])
    with pytest.raises(ValueError, match=r"source: wanted shape \(B, S\), got \(5,\)"):
        model(source[0], target[:5])
    with pytest.raises(ValueError, match="source: wanted ids from 0 to 10, got 1 to 11"):
        model(source.clamp(min=1).fill_diagonal_(11), target)
    with pytest.raises(ValueError, match="target: wanted ids from 0 to 12, got 1 to 13"):
        model(source, target.clamp(min=1).fill_diagonal_(13))
    with pytest.raises(ValueError, match=r"ids: wanted shape \(B,\)"):
        model.step(target, model.start(source))
    with pytest.raises(ValueError, match=r"positions: wanted one of .*sinusoidal.*got 'rotary'"):
        build(positions="rotary")
    with pytest.raises(ValueError, match="num_layers: wanted a whole number of at least 1, got 0"):
        Transformer(11, 13, **SIZES | {"num_layers": 0})
    with pytest.raises(ValueError, match="max_length is 6"):
        build(max_length=6)(source, target)
