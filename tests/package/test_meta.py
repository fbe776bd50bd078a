"""Models built on the meta device, without memory, and filled later."""

import copy

import pytest
import torch
from torch import Tensor, nn

from attnbook import (
    ConvolutionalSeq2Seq,
    Decoder,
    Encoder,
    LearnedPositions,
    RecurrentSeq2Seq,
    SinusoidalPositions,
    Transformer,
)

STACK = {"d_model": 12, "num_heads": 3, "num_layers": 2, "d_ff": 10, "dropout": 0.0}
MODELS = {
    "transformer": lambda: Transformer(11, 13, **STACK),
    "transformer, pre-norm, learned": lambda: Transformer(
        11, 13, **STACK, norm_first=True, positions="learned"
    ),
    "encoder": lambda: Encoder(**STACK, norm_first=True),
    "decoder": lambda: Decoder(**STACK),
    "convolutional": lambda: ConvolutionalSeq2Seq(11, 13, 12, "article", max_source_length=9),
    "gru": lambda: RecurrentSeq2Seq(11, 13, 12, "additive"),
    "lstm": lambda: RecurrentSeq2Seq(11, 13, 12, cell="lstm"),
    "sinusoids": lambda: SinusoidalPositions(6),
    "learned positions": lambda: LearnedPositions(6),
}


def everything(model: nn.Module) -> dict[str, Tensor]:
    return dict(model.named_parameters()) | dict(model.named_buffers())


def on_meta(name: str) -> nn.Module:
    with torch.device("meta"):
        model = MODELS[name]()
    assert all(tensor.is_meta for tensor in everything(model).values())
    return model


def spoil(model: nn.Module) -> nn.Module:
    """What memory that was never written may hold."""
    for tensor in everything(model).values():
        tensor.data.fill_(torch.nan)
    return model


@pytest.mark.parametrize("name", [name for name in MODELS if name != "convolutional"])
def test_reset_parameters_makes_the_same_model_as_building_it(name):
    torch.manual_seed(3)
    wanted = everything(MODELS[name]())
    model = spoil(on_meta(name).to_empty(device="cpu"))
    torch.manual_seed(3)
    model.reset_parameters()
    got = everything(model)
    assert got.keys() == wanted.keys()
    for key, tensor in wanted.items():
        assert torch.equal(got[key], tensor), key


def test_reset_parameters_fills_a_convolutional_model():
    """Not number by number as a new one: that draws its positions before its convolutions."""
    wanted = everything(MODELS["convolutional"]())
    model = spoil(on_meta("convolutional").to_empty(device="cpu"))
    model.reset_parameters()
    for key, tensor in everything(model).items():
        assert tensor.isfinite().all()
        if tensor.dim() > 1:
            torch.testing.assert_close(tensor.std(), wanted[key].std(), atol=0, rtol=0.3)


def test_reset_parameters_ties_the_output_again():
    model = on_meta("transformer").to_empty(device="cpu")
    model.reset_parameters()
    assert model.output.weight is model.target_embeddings.lut.weight


@pytest.mark.parametrize("assign", [True, False])
@pytest.mark.parametrize("name", ["transformer", "transformer, pre-norm, learned"])
def test_a_loaded_model_is_whole_and_tied(name, assign):
    trained = MODELS[name]().eval()
    model = on_meta(name)
    if not assign:
        spoil(model.to_empty(device="cpu"))
        model.reset_parameters()
    model.load_state_dict(copy.deepcopy(trained.state_dict()), assign=assign)
    assert not any(tensor.is_meta for tensor in everything(model).values())
    assert model.output.weight is model.target_embeddings.lut.weight
    source, target = torch.randint(1, 11, (2, 5)), torch.randint(1, 13, (2, 4))
    assert torch.equal(model.eval()(source, target)[0], trained(source, target)[0])


def test_a_model_loaded_as_part_of_another_is_whole_and_tied():
    trained = nn.ModuleDict({"model": MODELS["transformer"]()})
    with torch.device("meta"):
        whole = nn.ModuleDict({"model": MODELS["transformer"]()})
    # A file holds the one matrix twice, as two tensors.
    whole.load_state_dict({key: tensor.clone() for key, tensor in trained.state_dict().items()}, assign=True)
    assert whole["model"].output.weight is whole["model"].target_embeddings.lut.weight
    assert not whole["model"].positions.table.is_meta


def test_an_untied_output_layer_stays_untied():
    trained = MODELS["transformer"]()
    trained.output = nn.Linear(12, 13, bias=False)
    model = copy.deepcopy(trained)
    model.load_state_dict(copy.deepcopy(trained.state_dict()), assign=True)
    assert torch.equal(model.output.weight, trained.output.weight)
    assert model.output.weight is not model.target_embeddings.lut.weight


def test_the_table_follows_the_weights_to_their_device_and_precision(device):
    trained = MODELS["transformer"]().to(device, torch.float64)
    with torch.device("meta"):
        model = MODELS["transformer"]().double()
    model.load_state_dict(trained.state_dict(), assign=True)
    assert model.positions.table.device.type == device
    assert model.positions.table.dtype == torch.float64
