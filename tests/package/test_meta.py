"""Models built on the meta device, without memory, and filled later."""

import copy

import pytest
import torch
from torch import Tensor, nn

from attnbook import (
    Bert,
    ConvolutionalSeq2Seq,
    Decoder,
    Encoder,
    LanguageModel,
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
    "bert": lambda: Bert(11, max_length=9, **STACK),
    "language model": lambda: LanguageModel(11, 12, 3, num_layers=2, d_ff=10),
    "sinusoids": lambda: SinusoidalPositions(6),
    "learned positions": lambda: LearnedPositions(6),
}

# These draw some numbers more than once while they are built.
REDRAWN = ["convolutional", "bert", "language model"]


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


@pytest.mark.parametrize("name", [name for name in MODELS if name not in REDRAWN])
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


@pytest.mark.parametrize("name", REDRAWN)
def test_reset_parameters_draws_from_the_distributions_of_a_new_model(name):
    """Not number by number as a new one, but one seed gives the same numbers each time."""
    wanted = everything(MODELS[name]())
    models = [spoil(on_meta(name).to_empty(device="cpu")) for _ in range(2)]
    for model in models:
        torch.manual_seed(3)
        model.reset_parameters()
    again = everything(models[1])
    for key, tensor in everything(models[0]).items():
        assert tensor.isfinite().all()
        assert torch.equal(tensor, again[key])
        if tensor.dim() > 1:
            rtol = 0.3 if name == "convolutional" else 0.4  # the others have smaller matrices
            torch.testing.assert_close(tensor.std(), wanted[key].std(), atol=0, rtol=rtol)
        elif name != "convolutional":  # ones or zeros
            assert torch.equal(tensor, wanted[key])


def test_reset_parameters_ties_the_output_again():
    model = on_meta("transformer").to_empty(device="cpu")
    model.reset_parameters()
    assert model.output.weight is model.target_embeddings.lut.weight


@pytest.mark.parametrize("assign", [True, False])
@pytest.mark.parametrize("name", MODELS)
def test_a_loaded_model_has_every_number_of_the_trained_one(name, assign):
    """The weights from the file and the tables that no file contains, into memory without values."""
    trained = MODELS[name]()
    model = on_meta(name)
    if not assign:
        spoil(model.to_empty(device="cpu"))
    model.load_state_dict(copy.deepcopy(trained.state_dict()), assign=assign)
    got = everything(model)
    for key, tensor in everything(trained).items():
        assert torch.equal(got[key], tensor), key


@pytest.mark.parametrize("assign", [True, False])
@pytest.mark.parametrize("name", ["transformer", "transformer, pre-norm, learned", "bert", "language model"])
def test_a_loaded_model_computes_the_same_and_is_tied(name, assign):
    trained = MODELS[name]().eval()
    model = on_meta(name)
    if not assign:
        spoil(model.to_empty(device="cpu"))
    model.load_state_dict(copy.deepcopy(trained.state_dict()), assign=assign)
    inputs = [torch.randint(1, 11, (2, 5))]
    if "transformer" in name:
        assert model.output.weight is model.target_embeddings.lut.weight
        inputs.append(torch.randint(1, 13, (2, 4)))
    assert torch.equal(model.eval()(*inputs)[0], trained(*inputs)[0])


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
