"""The path explorer in Python: steps, traits, bad input, and its static picture."""

import base64
import io

import pytest
import torch
from PIL import Image
from torch import nn

from attnbook import PathExplorer

WORDS = ["a", "robot", "must", "obey", "the", "orders", "it", "is", "given"]


def test_its_defaults():
    explorer = PathExplorer(WORDS)
    assert (explorer.source, explorer.target, explorer.kernel, explorer.layers) == (0, 8, 3, 2)
    assert explorer.get_state(["tokens"]) == {"tokens": WORDS}


@pytest.mark.parametrize(
    ("source", "target", "kernel", "layers", "steps", "needed"),
    [
        (0, 8, 3, 2, (9, None, 1), 8),
        (0, 8, 3, 8, (9, 8, 1), 8),
        (0, 8, 9, 2, (9, 2, 1), 2),
        (0, 8, 9, 1, (9, None, 1), 2),
        (8, 0, 5, 4, (None, 4, 1), 4),
        (3, 3, 3, 1, (1, 1, 1), 1),
        (2, 3, 3, 5, (2, 5, 1), 1),
    ],
)
def test_steps(source, target, kernel, layers, steps, needed):
    explorer = PathExplorer(WORDS, kernel, layers, source, target)
    assert tuple(explorer.steps.values()) == steps
    assert list(explorer.steps) == ["recurrent", "convolution", "attention"]
    assert explorer.layers_needed == needed


@pytest.mark.parametrize("kernel", [3, 5, 7, 9])
@pytest.mark.parametrize("layers", [1, 2, 3])
def test_reach_agrees_with_real_convolutions(kernel, layers):
    """An input has a gradient at an output exactly if the explorer says there is a path."""
    torch.manual_seed(0)
    convolutions = nn.Sequential(*(nn.Conv1d(1, 1, kernel, padding="same") for _ in range(layers))).double()
    numbers = torch.randn(1, 1, 24, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(convolutions(numbers)[0, 0, 10], numbers)
    explorer = PathExplorer(list("abcdefghijklmnopqrstuvwx"), kernel, layers, target=10)
    for source in range(24):
        explorer.source = source
        assert (gradient[0, 0, source] != 0) == (explorer.steps["convolution"] is not None)


def test_a_recurrent_network_has_no_path_backwards():
    torch.manual_seed(0)
    numbers = torch.randn(1, 9, 2, requires_grad=True)
    states, _ = nn.GRU(2, 3, batch_first=True)(numbers)
    (gradient,) = torch.autograd.grad(states[0, 5].sum(), numbers)
    explorer = PathExplorer(WORDS, target=5)
    for source in range(9):
        explorer.source = source
        assert gradient[0, source].any() == (explorer.steps["recurrent"] is not None)


REFUSED = [
    ({"tokens": "words"}, TypeError, "tokens: got one string, wanted a list of 5 tokens"),
    ({"tokens": 3}, TypeError, "tokens: got int, wanted a list of 2 to 24 strings"),
    ({"tokens": ["a"]}, ValueError, "tokens: got 1, wanted 2 to 24"),
    ({"tokens": ["a"] * 25}, ValueError, "tokens: got 25, wanted 2 to 24"),
    ({"tokens": ["a", 1]}, TypeError, r"tokens: item 1 is 1 \(int\), wanted a string"),
    ({"source": 9}, ValueError, "source: got 9, wanted 0 to 8"),
    ({"source": -1}, ValueError, "source: got -1"),
    ({"target": 9}, ValueError, "target: got 9, wanted 0 to 8"),
    ({"target": 1.0}, TypeError, "target: got float, wanted a whole number"),
    ({"kernel": 4}, ValueError, "kernel: got 4, wanted 3, 5, 7 or 9"),
    ({"kernel": "3"}, TypeError, "kernel: got str, wanted a whole number"),
    ({"layers": 0}, ValueError, "layers: got 0, wanted 1 to 12"),
    ({"layers": 13}, ValueError, "layers: got 13, wanted 1 to 12"),
    ({"layers": True}, TypeError, "layers: got bool, wanted a whole number"),
    ({"title": None}, TypeError, "title: got NoneType, wanted a string"),
    ({"depth": 2}, TypeError, "depth: no such setting"),
]


@pytest.mark.bad_input
@pytest.mark.parametrize(("change", "error", "says"), REFUSED, ids=[says[:30] for *_, says in REFUSED])
def test_bad_input_is_rejected(change, error, says):
    with pytest.raises(error, match=says):
        PathExplorer(**{"tokens": WORDS} | change)


@pytest.mark.bad_input
def test_a_rejected_setting_changes_nothing():
    explorer = PathExplorer(WORDS)
    for name, value in {"source": 9, "target": -1, "kernel": 4, "layers": 0}.items():
        before = getattr(explorer, name)
        with pytest.raises(ValueError, match=f"{name}: got"):
            setattr(explorer, name, value)
        assert getattr(explorer, name) == before


def test_the_output_has_a_picture_and_a_description():
    explorer = PathExplorer(WORDS, title="Far", source=1, target=0)
    data, _ = explorer._repr_mimebundle_()
    line = "position 2 to 1 of 9: recurrent no path, convolution 2 steps, attention 1 step"
    assert data["text/plain"] == f"Paths: Far: {line}"
    assert data["application/vnd.jupyter.widget-view+json"]["model_id"] == explorer.model_id
    image = Image.open(io.BytesIO(base64.b64decode(data["image/png"])))
    assert image.format == "PNG"
    assert 600 < image.width < 1100
    assert len(data["image/png"]) < 80_000
    explorer.target = 8
    assert explorer._repr_mimebundle_()[0]["image/png"] != data["image/png"]
    assert PathExplorer(["<b>$x$</b>", "\u202e" * 99], 9, 12)._repr_mimebundle_()[0]["image/png"]
