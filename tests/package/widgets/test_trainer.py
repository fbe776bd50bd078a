"""The attention trainer in Python, and the page's network against PyTorch: gradients, Adam, accuracy."""

import base64
import io
import json
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from py_mini_racer import MiniRacer
from torch import nn

import attnbook.widgets
from attnbook import AttentionTrainer, MultiHeadAttention
from attnbook.widgets.trainer import recorded_runs
from bookpress import ROOT

NETWORK = Path(attnbook.widgets.__file__).parent / "js" / "trainer" / "network.js"
SETTINGS = [
    {"heads": heads, "scale": scale, "positions": positions}
    for heads, scale, positions in product((1, 2, 4), (True, False), (True, False))
]


@pytest.fixture(scope="module")
def racer() -> Iterator[MiniRacer]:
    """V8 with the page's network."""
    engine = MiniRacer()
    engine.eval(NETWORK.read_text("utf-8").replace("export ", ""))
    yield engine
    engine.close()


def run(racer, code: str):
    """The value of a block of JavaScript."""
    return json.loads(racer.eval(f"JSON.stringify((() => {{ {code} }})())"))


def chapters_model() -> type[nn.Module]:
    """The class that chapter 4 defines."""
    notebook = json.loads((ROOT / "chapters" / "04-self-attention.ipynb").read_text("utf-8"))
    sources = ["".join(cell["source"]) for cell in notebook["cells"]]
    names = {"nn": nn, "MultiHeadAttention": MultiHeadAttention}
    exec(next(source for source in sources if "class Neighbours(" in source), names)
    return names["Neighbours"]


class Reference(nn.Module):
    """The chapter's model, with the choice of a scale and of positions."""

    def __init__(self, heads: int, scale: bool, positions: bool):
        super().__init__()
        self.model = chapters_model()(heads)
        self.heads, self.scale, self.added = heads, scale, positions

    def forward(self, ids):
        attention = self.model.attention
        x = self.model.letters(ids) + (self.model.positions.weight if self.added else 0)  # (B, T, D)
        parts = [part(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
                 for part in (attention.query, attention.key, attention.value)]  # (B, H, T, d)  # fmt: skip
        output = F.scaled_dot_product_attention(*parts, scale=None if self.scale else 1.0)
        output = attention.output(output.transpose(1, 2).flatten(-2))  # (B, T, D)
        return self.model.answers(output).unflatten(-1, (2, 26))


def neighbours_of(ids):
    return torch.stack((ids[:, :-2], ids[:, 2:]), dim=2)  # (B, T - 2, 2)


def loss_of(logits, ids):
    return F.cross_entropy(logits[:, 1:-1].flatten(0, 2), neighbours_of(ids).flatten())


def copy(racer, name: str, model: nn.Module, settings: dict) -> None:
    """Make a network in the page's program with the weights of a model of the chapter."""
    weights = {key: tensor.flatten().tolist() for key, tensor in model.state_dict().items()}
    racer.eval(f"var {name} = new Network({json.dumps(settings)}, randomFrom(0));")
    racer.eval(
        f"for (const [key, all] of Object.entries({json.dumps(weights)})) {name}.weights[key].set(all);"
    )


def ids_for(seed: int, count: int = 7) -> torch.Tensor:
    return torch.randint(26, (count, 9), generator=torch.Generator().manual_seed(seed))


def written(ids: torch.Tensor) -> str:
    return f"Uint8Array.from({ids.flatten().tolist()})"


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_the_gradients_are_pytorchs(racer, settings):
    torch.manual_seed(1)
    reference, ids = Reference(**settings), ids_for(2)
    for name, tensor in reference.model.named_parameters():
        if "bias" not in name:
            tensor.data *= 1.5  # clear weights, so that every gradient matters
    logits = reference(ids)
    loss = loss_of(logits, ids)
    loss.backward()
    copy(racer, "network", reference.model, settings)
    code = f"""
      const state = network.forward({written(ids)}), loss = network.backward(state);
      const parts = Object.keys(SHAPES).map(name => [name, Array.from(network.gradients[name])]);
      return {{ loss, logits: Array.from(state.logits), gradients: Object.fromEntries(parts) }};"""
    got = run(racer, code)
    np.testing.assert_allclose(got["logits"], logits.detach().flatten(), atol=1e-4)
    assert got["loss"] == pytest.approx(loss.item(), abs=1e-5)
    parameters = dict(reference.model.named_parameters())
    assert set(parameters) == set(got["gradients"])
    for name, tensor in parameters.items():
        wanted = torch.zeros_like(tensor) if tensor.grad is None else tensor.grad
        assert name == "attention.key.bias" or wanted.abs().max() > 1e-3 or not settings["positions"]
        np.testing.assert_allclose(got["gradients"][name], wanted.flatten(), atol=1e-4, err_msg=name)


@pytest.mark.parametrize("heads", [1, 2, 4])
def test_the_model_is_the_chapters(racer, heads):
    torch.manual_seed(3)
    model, ids = chapters_model()(heads), ids_for(4)
    with torch.no_grad():
        logits, weights = model(ids)
    copy(racer, "network", model, {"heads": heads, "scale": True, "positions": True})
    code = f"const {{ a, logits }} = network.forward({written(ids)}); return [a, logits].map(x => [...x])"
    got = run(racer, code)
    np.testing.assert_allclose(got[0], weights.flatten(), atol=1e-5)
    np.testing.assert_allclose(got[1], logits.flatten(), atol=1e-4)


def test_steps_are_adams_and_answers_are_counted_as_in_pytorch(racer):
    settings = {"heads": 2, "scale": True, "positions": True}
    torch.manual_seed(5)
    reference = Reference(**settings)
    copy(racer, "network", reference.model, settings)
    optimizer = torch.optim.Adam(reference.parameters(), lr=0.01)
    batches = [ids_for(seed, count=64) for seed in range(8)]
    for ids in batches:
        optimizer.zero_grad()
        loss_of(reference(ids), ids).backward()
        optimizer.step()
    steps = "; ".join(f"network.backward(network.forward({written(ids)})); network.step()" for ids in batches)
    racer.eval(f"{{ {steps} }}")
    for name, tensor in reference.model.named_parameters():
        if name != "attention.key.bias":  # its gradient is 0 up to rounding, which Adam would enlarge
            got = run(racer, f"return Array.from(network.weights['{name}'])")
            np.testing.assert_allclose(got, tensor.detach().flatten(), atol=2e-3, err_msg=name)
    ids = ids_for(6, count=200)
    correct = reference(ids)[:, 1:-1].argmax(-1) == neighbours_of(ids)
    wanted = [correct[..., 0], correct[..., 1], correct.all(-1)]
    got = run(racer, f"return accuracy(network, {written(ids)})")
    assert got == pytest.approx([part.float().mean().item() for part in wanted], abs=2e-3)


def both_correct(racer, settings: dict, steps: int) -> float:
    """The accuracy on both letters after some steps in the page's program."""
    code = f"const t = new Training({json.dumps(settings)}); t.train({steps}); return t.report().accuracy[2]"
    return run(racer, code)


def both_correct_in_pytorch(heads: int, steps: int) -> float:
    torch.manual_seed(0)
    model = Reference(heads, True, True)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for seed in range(steps):
        ids = ids_for(seed, count=64)
        optimizer.zero_grad()
        loss_of(model(ids), ids).backward()
        optimizer.step()
    ids = ids_for(1000, count=200)
    correct = model(ids)[:, 1:-1].argmax(-1) == neighbours_of(ids)
    return correct.all(-1).float().mean().item()


def test_two_heads_learn_it_as_in_pytorch_and_one_does_not(racer):
    settings = {"scale": True, "positions": True, "seed": 0}
    assert both_correct(racer, settings | {"heads": 2}, 100) > 0.95
    assert both_correct_in_pytorch(2, 100) > 0.95
    assert both_correct(racer, settings | {"heads": 1}, 100) < 0.5
    assert both_correct_in_pytorch(1, 100) < 0.5


def test_two_heads_can_get_stuck_when_each_changes_sides_from_row_to_row(racer):
    """Chapter 4 sends its readers to seed 7."""
    settings = json.dumps({"heads": 2, "scale": True, "positions": True, "seed": 7})
    trained = f"const t = new Training({settings}); t.train(150); const {{ accuracy, maps }} = t.report();"
    both, maps = run(racer, f"{trained} return [accuracy[2], [...maps]]")
    assert both < 0.5
    inner = np.reshape(maps, (2, 9, 9))[:, 1:-1]  # the first and the last row are never trained
    before, after = inner.diagonal(0, -2, -1), inner.diagonal(2, -2, -1)  # (2, 7)
    assert np.maximum(before, after).min() > 0.9  # one neighbour in each row
    assert ((before > after)[0] != (before > after)[1]).all()  # and the other head has the other one
    assert 0 < (before > after)[0].sum() < 7


@pytest.mark.parametrize("recorded", recorded_runs()[1], ids=lambda run: f"heads {run['heads']}")
def test_the_recorded_runs_are_this_programs(racer, recorded):
    """If this fails after a change of network.js: `npm run runs` in js/ records them again."""
    settings = json.dumps({name: recorded[name] for name in ("heads", "scale", "positions", "seed")})
    losses = run(racer, f"return new Training({settings}).train(30)")
    np.testing.assert_allclose(losses, recorded["losses"][:30], atol=1e-3)
    assert run(racer, "return STEPS") == recorded["step"] == len(recorded["losses"]) == recorded_runs()[0]
    maps = np.reshape(recorded["maps"], (recorded["heads"], 9, 9))
    np.testing.assert_allclose(maps.sum(-1), 1, atol=1e-3)


RUN = {"heads": 4, "scale": False, "positions": True, "seed": 3, "before": 0.5, "after": 1, "both": 0.5}


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("settings", "error", "says"),
    [
        ({"heads": 3}, ValueError, "heads: got 3, wanted 1, 2 or 4"),
        ({"heads": 2.0}, TypeError, "heads: got float, wanted a whole number"),
        ({"heads": True}, TypeError, "heads: got bool, wanted a whole number"),
        ({"scale": 1}, TypeError, "scale: got int, wanted True or False"),
        ({"positions": "on"}, TypeError, "positions: got str, wanted True or False"),
        ({"seed": 1000}, ValueError, "seed: got 1000, wanted 0 to 999"),
        ({"seed": -1}, ValueError, "seed: got -1"),
        ({"seed": None}, TypeError, "seed: got NoneType, wanted a whole number"),
        ({"title": 1}, TypeError, "title: got int, wanted a string"),
        ({"depth": 1}, TypeError, "depth: no such setting"),
    ],
)
def test_bad_input_is_rejected(settings, error, says):
    with pytest.raises(error, match=says):
        AttentionTrainer(**settings)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("trait", "value", "error", "says"),
    [
        ("heads", 8, ValueError, "heads: got 8, wanted 1, 2 or 4"),
        ("training", 1, TypeError, "training: got int, wanted True or False"),
        ("runs", "all", TypeError, "runs: got str, wanted a list of finished runs"),
        ("runs", [1], ValueError, "runs: item 0: got 1, wanted a dictionary of heads, scale"),
        ("runs", [RUN, RUN | {"x": 1}], ValueError, "runs: item 1: got .* wanted a dictionary"),
        ("runs", [RUN | {"heads": 3}], ValueError, "runs: item 0: heads: got 3"),
        ("runs", [RUN | {"scale": None}], TypeError, "runs: item 0: scale: got NoneType"),
        (
            "runs",
            [RUN | {"both": 1.5}],
            ValueError,
            "runs: item 0: both: got 1.5, wanted a number from 0 to 1",
        ),
        ("runs", [RUN | {"both": float("nan")}], ValueError, "both: got nan"),
        ("runs", [RUN] * 101, ValueError, "runs: got 101, wanted at most 100"),
    ],
)
def test_bad_traits_are_rejected(trait, value, error, says):
    trainer = AttentionTrainer()
    before = getattr(trainer, trait)
    with pytest.raises(error, match=says):
        setattr(trainer, trait, value)
    assert getattr(trainer, trait) == before


def test_the_output_has_a_picture_and_a_description():
    trainer = AttentionTrainer(title="Neighbours")
    data, _ = trainer._repr_mimebundle_()
    assert data["text/plain"] == "Attention trainer: Neighbours: 2 heads, seed 0; 2 finished runs"
    image = Image.open(io.BytesIO(base64.b64decode(data["image/png"])))
    assert 500 < image.width < 1100
    for name, value in (("heads", 1), ("seed", 5), ("runs", [RUN]), ("runs", [])):
        setattr(trainer, name, value)
        changed = trainer._repr_mimebundle_()[0]["image/png"]
        assert changed != data["image/png"]
        data["image/png"] = changed
