"""Tensors are made, and batches moved, where the model is: what a GPU demands, tried without one.

Here "meta" is the other device. Its tensors have no values, so a test ends before the first value is needed.
"""

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from attnbook import (
    Bert,
    ConvolutionalSeq2Seq,
    LanguageModel,
    RecurrentSeq2Seq,
    Transformer,
    beam_search,
    fit,
    greedy_decode,
    sample,
    training,
)
from attnbook.data import DateTask
from attnbook.generation import Decoded, first_ids
from attnbook.train import loop
from attnbook.train.loop import Run, train
from attnbook.train.processes import Process

STACK = {"d_model": 12, "num_heads": 3, "num_layers": 1, "d_ff": 10}
TRANSLATORS = {
    "transformer": lambda: Transformer(11, 11, **STACK),
    "transformer, learned": lambda: Transformer(11, 11, **STACK, positions="learned"),
    "gru": lambda: RecurrentSeq2Seq(11, 11, 12, "additive"),
    "lstm": lambda: RecurrentSeq2Seq(11, 11, 12, "article", cell="lstm", max_source_length=9),
    "convolutional": lambda: ConvolutionalSeq2Seq(11, 11, 12, "dot", num_layers=1),
}
TEXTS = {
    "bert": lambda: Bert(11, max_length=9, **STACK),
    "language model": lambda: LanguageModel(11, 12, 3, 1, num_layers=1, d_ff=10),
}
MODELS = TRANSLATORS | TEXTS
SIZES = {"d_model": 16, "num_heads": 2, "num_layers": 1, "d_ff": 16, "dropout": 0.1, "norm_first": True}


class OneDevice(TorchDispatchMode):
    """Fails as a GPU does where an operation gets tensors of two devices; single numbers may be anywhere."""

    def __torch_dispatch__(self, operation, types, arguments=(), options=None):
        tensors = [x for x in tree_leaves((arguments, options)) if isinstance(x, Tensor) and x.dim()]
        assert len({tensor.device for tensor in tensors}) < 2, f"{operation} got tensors of two devices"
        return operation(*arguments, **(options or {}))


@pytest.fixture
def ids():
    ids = torch.randint(1, 11, (3, 5))
    ids[1, 3:] = 0
    return ids


def given(name: str, ids: Tensor) -> tuple[Tensor, ...]:
    return (ids,) if name in TEXTS else (ids, ids)


@pytest.mark.parametrize("name", MODELS)
def test_a_model_makes_its_tensors_where_its_inputs_are(name, ids):
    model = MODELS[name]().eval()
    wanted = model(*given(name, ids))[0]
    with torch.device("meta"), OneDevice():
        assert torch.equal(model(*given(name, ids))[0], wanted)


@pytest.mark.parametrize("name", [name for name in MODELS if name != "bert"])
def test_decoding_makes_its_tensors_where_the_source_is(name, ids):
    model, arguments = MODELS[name](), {"start": 1, "end": 2, "max_length": 3}

    def found():
        for need in (True, False):
            yield greedy_decode(model, ids, **arguments, need_weights=need).ids
            yield beam_search(model, ids, **arguments, beams=2, need_weights=need).ids
        if name in TEXTS:
            yield sample(model, ids, max_length=2, temperature=0).ids

    wanted = list(found())
    with torch.device("meta"), OneDevice():
        for ours, theirs in zip(found(), wanted, strict=True):
            assert torch.equal(ours, theirs)


def test_the_first_ids_are_moved_to_the_source():
    source = torch.ones(3, 5, dtype=torch.long, device="meta")
    for start in (1, torch.ones(3, dtype=torch.long)):
        first = first_ids(source, start)
        assert (first.shape, first.device, first.dtype) == ((3,), source.device, torch.long)


@pytest.mark.parametrize(("here", "there"), [("cpu", "meta"), ("meta", "cpu")])
def test_positions_follow_weights_that_are_loaded_onto_another_device(here, there):
    with torch.device(there):
        state = Transformer(11, 11, **STACK).state_dict()
    with torch.device(here):
        model = Transformer(11, 11, **STACK)
    model.load_state_dict(state, assign=True)
    assert {tensor.device.type for tensor in (*model.parameters(), *model.buffers())} == {there}


def test_a_batch_is_moved_to_the_model(ids):
    seen = []

    def loss(model, source, target):
        seen.extend((source.device.type, target.device.type))
        raise InterruptedError  # nothing more is needed

    with pytest.raises(InterruptedError):
        fit(nn.Linear(2, 2, device="meta"), [(ids, ids)], steps=1, loss=loss, progress=False)
    assert seen == ["meta", "meta"]


def test_examples_are_moved_to_the_model(monkeypatch):
    """With their ids decoded there, they are compared there."""

    def decode(model, source, **limits):
        assert source.device.type == "meta"
        return Decoded(source[:, :3], torch.zeros(len(source), device="meta"))

    monkeypatch.setattr(training, "greedy_decode", decode)
    rows, model = torch.tensor([[1, 5, 6, 2], [1, 6, 5, 2]]), TRANSLATORS["gru"]().to("meta")
    with OneDevice():
        assert training.matches(model, rows, rows).device.type == "meta"


def new_run() -> Run:
    return Run("iso", SIZES, steps=4, batch=8, learning_rate=1e-2, warmup=1, clip=1.0, seed=3)


def test_training_moves_the_model_and_its_batches_to_the_processs_device(tmp_path):
    class Elsewhere(Process):
        def __init__(self):
            super().__init__("cpu")
            self.device = torch.device("meta")

        def wrap(self, model):
            assert {parameter.device.type for parameter in model.parameters()} == {"meta"}
            raise InterruptedError

    with pytest.raises(InterruptedError):
        train(new_run(), Elsewhere(), tmp_path / "run.state", save_every=100)
    batch = loop._batch(DateTask(), new_run(), 0, Elsewhere())
    assert [part.device.type for part in batch] == ["meta", "meta"]


def test_processes_agree_to_stop_on_their_own_device(tmp_path, monkeypatch):
    """A tensor that is made without a device would be on "meta" here, and have no value."""

    def stop(loss, step):
        loop.signal.raise_signal(loop.signal.SIGINT)
        torch.set_default_device("meta")

    monkeypatch.setattr(training, "require_finite_loss", stop)
    try:
        with pytest.raises(KeyboardInterrupt):
            train(new_run(), Process("cpu"), tmp_path / "run.state", save_every=100)
    finally:
        torch.set_default_device(None)
    assert (tmp_path / "run.state").exists()


def test_a_training_that_began_on_a_gpu_is_resumed_without_one(tmp_path, monkeypatch):
    state, run = tmp_path / "run.state", new_run()
    with monkeypatch.context() as patch:
        patch.setattr(torch.serialization, "location_tag", lambda storage: "cuda:0")
        train(run, Process("cpu"), state, save_every=100)
    if not torch.cuda.is_available():
        with pytest.raises(RuntimeError, match="CUDA"):
            torch.load(state)
    again = new_run()
    train(again, Process("cpu"), state, save_every=100)
    assert again.losses == run.losses
