"""The initialization of new models."""

import pytest
import torch
from torch import nn

from attnbook import Bert, LanguageModel, LearnedPositions, Transformer

D, FF = 64, 128


def build(**options) -> Transformer:
    return Transformer(300, 200, d_model=D, num_heads=4, num_layers=1, d_ff=FF, **options)


def assert_normal(tensor: torch.Tensor, std: float) -> None:
    assert tensor.mean().item() == pytest.approx(0.0, abs=0.05 * std)
    assert tensor.std().item() == pytest.approx(std, rel=0.05)
    assert tensor.abs().max() > 3 * std  # out of reach for a uniform distribution


@pytest.fixture(params=["new", "drawn again"])
def model(request):
    model = build(positions="learned")
    if request.param == "drawn again":
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if parameter.dim() > 1 and not name.startswith("positions"):
                    parameter.fill_(7.0)
        model.reset_parameters()
    return model


def test_matrices_have_glorot_uniform_initialization(model):
    matrices = [module.weight for module in model.modules() if isinstance(module, nn.Linear)]
    matrices = [matrix for matrix in matrices if matrix is not model.output.weight]
    assert len(matrices) == 4 + 2 + 8 + 2  # attention and feed-forward of the encoder, then of the decoder
    for matrix in matrices:
        bound = (6 / sum(matrix.shape)) ** 0.5
        assert 0.98 * bound < matrix.abs().max() <= bound
        assert matrix.std().item() == pytest.approx(bound / 3**0.5, rel=0.05)
        assert matrix.mean().item() == pytest.approx(0.0, abs=0.05 * bound)


def test_embeddings_are_normal_with_variance_one_over_the_width(model):
    assert_normal(model.source_embeddings.lut.weight, D**-0.5)
    assert_normal(model.target_embeddings.lut.weight, D**-0.5)
    assert model.output.weight is model.target_embeddings.lut.weight


def test_learned_positions_are_normal_with_variance_one_over_the_width(model):
    assert_normal(model.positions.table, D**-0.5)
    assert_normal(LearnedPositions(16, 4000).table, 0.25)


@pytest.mark.parametrize("again", [False, True], ids=["new", "drawn again"])
@pytest.mark.parametrize("kind", [Bert, LanguageModel])
def test_matrices_of_bert_and_the_language_model_are_normal_with_a_small_variance(kind, again):
    model = kind(300, D, num_heads=4, num_layers=1, d_ff=FF)
    if again:
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.fill_(7.0)
        model.reset_parameters()
    for name, parameter in model.named_parameters():
        if parameter.dim() == 1:
            assert (parameter == (0.0 if name.endswith("bias") else 1.0)).all(), name
        elif parameter.numel() > 1000:
            assert_normal(parameter, 0.02)


def test_the_same_seed_gives_the_same_model():
    models = []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        models.append(torch.cat([parameter.flatten() for parameter in build().parameters()]))
    assert torch.equal(models[0], models[1])
    assert not torch.equal(models[0], models[2])
