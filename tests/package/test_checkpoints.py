"""Checkpoints: saving and loading, and clear errors for files that don't fit."""

import json
import struct

import pytest
import torch
from safetensors.torch import load_file, save_file

from attnbook import checkpoints
from attnbook.checkpoints import FORMAT, Recipe, load, names, save

SIZES = {"d_model": 16, "num_heads": 2, "num_layers": 1, "d_ff": 16, "dropout": 0.0, "norm_first": True}


@pytest.fixture
def saved(tmp_path):
    torch.manual_seed(0)
    recipe = Recipe("translate", SIZES, {"seed": 0}, {"all": 0.5})
    model, task = recipe.build()
    save(tmp_path / "small.safetensors", model, task, recipe)
    return tmp_path / "small.safetensors", model, task


def recipe_with(**parts) -> dict[str, str]:
    """The header of a valid checkpoint with these parts of its recipe replaced."""
    recipe = {"task": "translate", "sizes": SIZES} | parts
    return {"format": FORMAT, "recipe": json.dumps(recipe)}


def rewrite(path, *, header=None, **tensors):
    """The same file with other tensors (None removes one) or another header."""
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        metadata = json.loads(file.read(length))["__metadata__"]
    weights = {name: tensor for name, tensor in (load_file(path) | tensors).items() if tensor is not None}
    save_file(weights, path, metadata=metadata if header is None else header)


def test_a_saved_model_loads_in_evaluation_mode_and_takes_two_bytes_per_weight(saved):
    path, model, task = saved
    trained = load(path)
    assert not trained.model.training
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor.half().float(), trained.model.state_dict()[name]), name
    assert trained.model.output.weight is trained.model.target_embeddings.lut.weight
    assert trained.recipe.training == {"seed": 0}
    assert trained.recipe.results == {"all": 0.5}
    assert trained.task.source.characters == task.source.characters
    assert path.stat().st_size < 2 * sum(p.numel() for p in model.parameters()) + 8000
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_optional_parts_of_the_recipe_may_be_missing(saved):
    path, *_ = saved
    rewrite(path, header=recipe_with())
    assert load(path).recipe == Recipe("translate", SIZES)


def test_the_characters_come_from_the_file(saved):
    path, model, task = saved
    recipe = Recipe("translate", SIZES, source="abc", target="xyz")
    model, task = recipe.build()
    save(path, model, task, recipe)
    assert load(path).task.source.encode("cab") == task.source.encode("cab")
    assert len(load(path).task.target) == 3 + 3


def test_an_unknown_name_gets_an_error_that_lists_the_known_ones():
    with pytest.raises(ValueError, match=r"name: wanted one of .*path of a file, got 'dates-klingon'"):
        load("dates-klingon")


def test_a_truncated_or_foreign_file_is_rejected(saved):
    path, *_ = saved
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"small.safetensors: wanted a whole safetensors file"):
        load(path)
    path.write_bytes(b"")
    with pytest.raises(ValueError, match=r"small.safetensors: wanted a whole safetensors file"):
        load(path)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("header", "words"),
    [
        ({"format": "pt"}, rf"wanted a checkpoint of format {FORMAT}, got pt"),
        ({"format": FORMAT}, "wanted a recipe in its header"),
        ({"format": FORMAT, "recipe": "{"}, "wanted a recipe in its header"),
        ({"format": FORMAT, "recipe": '{"speed": 1}'}, "wanted a recipe in its header"),
        (
            {"format": FORMAT, "recipe": '{"task": "cook", "sizes": {}}'},
            "wanted a task of iso, translate, got 'cook'",
        ),
        ({"format": FORMAT, "recipe": "[]"}, "wanted a recipe in its header"),
        (
            recipe_with(sizes={"speed": 1}),
            r"wanted the sizes of a Transformer .* got \{'speed': 1\}: .*'speed'",
        ),
        (
            recipe_with(sizes=SIZES | {"num_heads": 3}),
            r"wanted the sizes .*num_heads.* divisor of d_model=16",
        ),
        (recipe_with(sizes=SIZES | {"d_model": "x"}), "wanted the sizes .*d_model: wanted .* got 'x'"),
        (recipe_with(sizes=SIZES | {"d_ff": 10**15}), "wanted the sizes .*'d_ff': 1000000000000000"),
        (recipe_with(sizes=5), "wanted sizes in its header as a dict, got 5"),
        (recipe_with(source=5), "wanted source in its header as a str, got 5"),
        (recipe_with(task=["iso"]), r"wanted task in its header as a str, got \['iso'\]"),
        (recipe_with(results=3), "wanted results in its header as a dict, got 3"),
        (recipe_with(curve="a"), "wanted curve in its header as a list, got 'a'"),
        (recipe_with(curve=[1.5, "a"]), "wanted only numbers in curve, got 'a'"),
        (recipe_with(results={"all": None}), "wanted only numbers in results, got None"),
        (recipe_with(training={"seed": "a"}), "wanted only numbers in training, got 'a'"),
    ],
)
def test_a_wrong_header_is_rejected(saved, header, words):
    path, *_ = saved
    rewrite(path, header=header)
    with pytest.raises(ValueError, match=f"^small.safetensors: {words}"):
        load(path)


@pytest.mark.parametrize(
    ("tensors", "words"),
    [
        (
            {"encoder.layers.0.feed_forward.inner.weight": torch.zeros(5, 5)},
            r"inner.weight of shape \(16, 16\), got \(5, 5\)",
        ),
        (
            {"encoder.layers.0.feed_forward.inner.weight": None},
            r"inner.weight of shape \(16, 16\), got nothing",
        ),
        ({"target_embeddings.lut.weight": None}, r"target_embeddings.lut.weight of shape .* got nothing"),
        ({"more": torch.zeros(1)}, "nothing but the model's weights, got more as well"),
        (
            {"encoder.layers.0.feed_forward.inner.bias": torch.full((16,), torch.nan)},
            "finite numbers, got others in",
        ),
    ],
)
def test_mismatched_weights_are_named(saved, tensors, words):
    path, *_ = saved
    rewrite(path, **tensors)
    with pytest.raises(ValueError, match=words):
        load(path)


def test_a_failed_save_keeps_the_old_file(saved, monkeypatch):
    path, model, task = saved
    before = path.read_bytes()
    monkeypatch.setattr(
        checkpoints, "save_file", lambda *_, **__: (_ for _ in ()).throw(OSError("disk full"))
    )
    with pytest.raises(OSError, match="disk full"):
        save(path, model, task, Recipe("translate", SIZES))
    assert path.read_bytes() == before


def test_names_are_those_of_the_files():
    assert names() == sorted(path.stem for path in checkpoints.FOLDER.glob("*.safetensors"))
