"""BERT beside the `transformers` library's, with random weights: outputs, attention weights and gradients."""

import pytest
import torch
from transformers import BertConfig, BertModel

from attnbook import Bert, ablate, padding_mask
from attnbook.pretrained.minilm import renamed

VOCAB, PAD = 41, 5
SIZES = [  # d_model, heads, layers, d_ff, max_length
    (24, 6, 2, 40, 16),
    (16, 1, 3, 20, 9),
    (30, 5, 1, 17, 30),
]
CLOSE = {"rtol": 1e-9, "atol": 1e-11}


def pair(sizes):
    """The library's model and ours, with the same random weights."""
    d_model, heads, layers, d_ff, longest = sizes
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=VOCAB,
        hidden_size=d_model,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=d_ff,
        max_position_embeddings=longest,
        pad_token_id=PAD,
        attn_implementation="eager",
    )
    theirs = BertModel(config, add_pooling_layer=False).double().eval()
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    ours = Bert(VOCAB, d_model, heads, layers, d_ff, longest).double().eval()
    ours.load_state_dict({renamed(name): parameter for name, parameter in theirs.state_dict().items()})
    return theirs, ours


@pytest.fixture(params=SIZES, ids=str)
def both(request):
    return pair(request.param)


def ids(length=9):
    return torch.randint(6, VOCAB, (3, length), generator=torch.Generator().manual_seed(1))


def test_hidden_states_weights_and_gradients_are_berts(both):
    theirs, ours = both
    text, types = ids(), (torch.arange(9) > 4).long().expand(3, -1)
    wanted = theirs(text, token_type_ids=types, output_attentions=True)
    hidden, attentions = ours(text, types=types)
    assert torch.allclose(hidden, wanted.last_hidden_state, **CLOSE)
    assert torch.allclose(attentions.encoder, torch.stack(wanted.attentions), **CLOSE)
    assert attentions.decoder is attentions.cross is None
    toward = torch.randn_like(hidden)  # a LayerNorm comes last, so the sum's gradient would be zero
    (wanted.last_hidden_state * toward).sum().backward()
    (hidden * toward).sum().backward()
    gradients = {renamed(name): parameter.grad for name, parameter in theirs.named_parameters()}
    assert set(gradients) == {name for name, _ in ours.named_parameters()}
    for name, parameter in ours.named_parameters():
        assert torch.allclose(parameter.grad, gradients[name], **CLOSE), name


def test_padding_is_berts_and_changes_nothing(both):
    theirs, ours = both
    text = ids()
    text[1, 6:] = PAD
    real = text != PAD
    hidden, attentions = ours(text, padding_mask(text, PAD))
    wanted = theirs(text, attention_mask=real.long(), output_attentions=True)
    assert torch.allclose(hidden[real], wanted.last_hidden_state[real], **CLOSE)
    assert attentions.encoder[:, 1, ..., 6:].abs().max() == 0
    alone, _ = ours(text[1:2, :6])
    assert torch.allclose(hidden[1, :6], alone[0], **CLOSE)


def test_without_weights_it_computes_the_same(both):
    _, ours = both
    hidden, nothing = ours(ids(), need_weights=False)
    assert nothing is None
    assert torch.allclose(hidden, ours(ids())[0], **CLOSE)


def test_types_are_zero_unless_given(both):
    _, ours = both
    assert torch.equal(ours(ids())[0], ours(ids(), types=torch.zeros_like(ids()))[0])
    assert not torch.allclose(ours(ids())[0], ours(ids(), types=torch.ones_like(ids()))[0], atol=1e-3)


def test_a_head_can_be_switched_off(both):
    _, ours = both
    whole = ours(ids())[0]
    with ablate(ours, [(0, 0)]):
        assert not torch.allclose(ours(ids())[0], whole, atol=1e-6)
    assert torch.equal(ours(ids())[0], whole)


def test_sizes_of_the_published_models():
    with torch.device("meta"):
        base = Bert(30_522)
    assert 108e6 < sum(parameter.numel() for parameter in base.parameters()) < 110e6
    assert len(base.encoder.layers) == 12


def test_a_model_on_the_meta_device_is_filled_as_a_new_one():
    def build():
        return Bert(VOCAB, 24, 6, 2, 40, 16)

    with torch.device("meta"):
        model = build()
    model = model.to_empty(device="cpu")
    torch.manual_seed(0)
    model.reset_parameters()
    for name, parameter in model.named_parameters():
        if parameter.dim() > 1:
            assert 0.01 < parameter.std() < 0.03, name
        else:
            assert torch.equal(parameter, torch.full_like(parameter, float(name.endswith("weight")))), name


def test_dropout_acts_in_training_only():
    torch.manual_seed(0)
    model = Bert(VOCAB, 24, 6, 2, 40, 16)
    assert not torch.allclose(model(ids())[0], model(ids())[0])
    model.eval()
    assert torch.equal(model(ids())[0], model(ids())[0])


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: Bert(VOCAB, 24, 5), "num_heads: wanted a divisor of d_model=24, got 5"),
        (lambda: Bert(0), "vocab: "),
        (lambda: Bert(VOCAB, 24, 6, 1, 8, 9, epsilon=0.0), "epsilon: wanted a number above 0, got 0.0"),
        (lambda: Bert(VOCAB, 24, 6, 1, 8, 9)(ids(10)), r"ids: wanted shape \(B, S\), at most 9 tokens long"),
        (lambda: Bert(VOCAB, 24, 6, 1, 8, 9)(ids(9) + 40), "ids: wanted ids from 0 to 40"),
        (lambda: Bert(VOCAB, 24, 6, 1, 8, 9)(ids(9), types=ids(9)), "types: wanted ids from 0 to 1"),
        (lambda: Bert(VOCAB, 24, 6, 1, 8, 9)(ids(9), types=ids(8) * 0), r"types: wanted shape \(3, 9\)"),
        (lambda: Bert(VOCAB, 24, 6, 1, 8, 9, epsilon="no"), "epsilon: wanted a number above 0, got 'no'"),
    ],
)
def test_what_does_not_fit_is_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("given", "got"),
    [([[6, 7]], "list"), (None, "NoneType"), ("text", "str"), (torch.rand(1, 3), "torch.float32")],
)
def test_ids_and_types_are_tensors_of_whole_numbers(given, got):
    model = Bert(VOCAB, 24, 6, 1, 8, 9)
    with pytest.raises(TypeError, match=f"ids: wanted ids in a tensor of int64 or int32, got {got}"):
        model(given)
    if given is not None:
        with pytest.raises(TypeError, match=f"types: wanted ids in a tensor of int64 or int32, got {got}"):
            model(ids(3), types=given)
