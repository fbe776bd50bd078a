"""PyTorch's tools on every model: compile, export, ONNX, vmap, FakeTensor, hooks, pytrees, meta device."""

from collections.abc import Callable

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor, nn
from torch._subclasses import FakeTensorMode
from torch._subclasses.fake_tensor import unset_fake_temporarily
from torch.export import Dim, export
from torch.func import functional_call, grad, vmap
from torch.utils._pytree import tree_leaves, tree_map

from attnbook import (
    ConvolutionalSeq2Seq,
    Decoder,
    Encoder,
    RecurrentSeq2Seq,
    Transformer,
    causal_mask,
    padding_mask,
)

pytestmark = [pytest.mark.traced, pytest.mark.slow]

B, S, T = 3, 5, 7
STACK = {"d_model": 12, "num_heads": 3, "num_layers": 2, "d_ff": 10, "dropout": 0.0}


def sequences(batch: int = B, source: int = S, target: int = T) -> tuple[Tensor, Tensor]:
    """Source ids, the second row of which is padded, and target ids."""
    ids = torch.randint(1, 11, (batch, source))
    ids[1, -2:] = 0
    return ids, torch.randint(1, 13, (batch, target))


def encoder_inputs(batch: int = B, source: int = S, target: int = T) -> tuple[Tensor, ...]:
    return torch.randn(batch, source, 12), padding_mask(sequences(batch, source)[0], 0)


def decoder_inputs(batch: int = B, source: int = S, target: int = T) -> tuple[Tensor, ...]:
    memory, memory_mask = encoder_inputs(batch, source)
    return torch.randn(batch, target, 12), memory, causal_mask(target), memory_mask


MODELS: dict[str, tuple[Callable[[], nn.Module], Callable[..., tuple[Tensor, ...]]]] = {
    "transformer": (lambda: Transformer(11, 13, **STACK), sequences),
    "transformer, pre-norm, learned": (
        lambda: Transformer(11, 13, **STACK, norm_first=True, positions="learned"),
        sequences,
    ),
    "encoder": (lambda: Encoder(**STACK), encoder_inputs),
    "decoder": (lambda: Decoder(**STACK), decoder_inputs),
    "convolutional": (lambda: ConvolutionalSeq2Seq(11, 13, 12, num_layers=2), sequences),
    "convolutional, article": (
        lambda: ConvolutionalSeq2Seq(11, 13, 12, "article", num_layers=2, max_source_length=9),
        sequences,
    ),
    "convolutional, additive": (lambda: ConvolutionalSeq2Seq(11, 13, 12, "additive"), sequences),
    "convolutional, dot": (lambda: ConvolutionalSeq2Seq(11, 13, 12, "dot"), sequences),
}
# The axes that vary, input by input.
AXES = {
    sequences: (("B", "S"), ("B", "T")),
    encoder_inputs: (("B", "S", None), ("B", None, None, "S")),
    decoder_inputs: (("B", "T", None), ("B", "S", None), ("T", "T"), ("B", None, None, "S")),
}


@pytest.fixture(params=MODELS)
def name(request):
    return request.param


# Tracing takes seconds a model, so only these are traced.
FEW = [
    ("transformer", True),
    ("transformer", False),
    ("encoder", True),
    ("decoder", True),
    ("convolutional, additive", False),
]


@pytest.fixture(params=[True, False], ids=["weights", "no weights"])
def need_weights(request):
    return request.param


class WithWeights(nn.Module):
    """The model with `need_weights` fixed, so that its inputs are tensors only."""

    def __init__(self, model: nn.Module, need_weights: bool) -> None:
        super().__init__()
        self.model, self.need_weights = model, need_weights

    def forward(self, *inputs: Tensor):
        return self.model(*inputs, need_weights=self.need_weights)


def build(name: str, need_weights: bool = True) -> tuple[WithWeights, Callable[..., tuple[Tensor, ...]]]:
    model, inputs = MODELS[name]
    return WithWeights(model(), need_weights).eval(), inputs


def with_one_layer(model: WithWeights) -> WithWeights:
    """A transformer whose stacks end after their first layer."""
    for stack in (model.model.encoder, model.model.decoder):
        stack.layers = stack.layers[:1]
    return model


def assert_same(got, wanted, **tolerance) -> None:
    """Every tensor of two results agrees, `Attentions` included."""
    pairs = list(zip(tree_leaves(got), tree_leaves(wanted), strict=True))
    assert any(isinstance(one, Tensor) for one, _ in pairs)
    for one, other in pairs:
        if isinstance(other, Tensor):
            torch.testing.assert_close(one, other, **tolerance)
        else:
            assert one == other


def dynamic(inputs: Callable) -> dict[str, tuple]:
    dims = {letter: Dim(letter, max=512) for letter in "BST"}
    shapes = tuple(
        {i: dims[letter] for i, letter in enumerate(axes) if letter is not None} for axes in AXES[inputs]
    )
    return {"inputs": shapes}


@pytest.mark.parametrize(("name", "need_weights"), FEW)
def test_compiles_as_one_graph(name, need_weights):
    """One model's graph is traced further, to single operations; that takes long, so its stacks are short."""
    torch._dynamo.reset()
    model, inputs = build(name, need_weights)
    backend = "eager"
    if (name, need_weights) == FEW[0]:
        backend, model = "aot_eager", with_one_layer(model)
    compiled = torch.compile(model, fullgraph=True, backend=backend, dynamic=True)
    for sizes in ((B, S, T), (4, 6, 9)):
        given = inputs(*sizes)
        assert_same(compiled(*given), model(*given))


def test_a_recurrent_model_compiles_around_its_packed_sequences():
    torch._dynamo.reset()
    model, given = RecurrentSeq2Seq(11, 13, 12, "additive", cell="lstm").eval(), sequences()
    assert_same(torch.compile(model, backend="eager")(*given), model(*given))


def test_a_step_compiles_as_one_graph():
    torch._dynamo.reset()
    model, (source, target) = Transformer(11, 13, **STACK).eval(), sequences()
    step = torch.compile(model.step, fullgraph=True, backend="eager", dynamic=True)
    mine = theirs = model.start(source)
    for token in target[:, :3].unbind(dim=1):
        logits, mine, weights = step(token, mine, need_weights=True)
        wanted, theirs, its_weights = model.step(token, theirs, need_weights=True)
        assert_same((logits, mine, weights), (wanted, theirs, its_weights))


@pytest.mark.parametrize(("name", "need_weights"), FEW)
def test_exports_with_dynamic_batch_and_lengths(name, need_weights):
    model, inputs = build(name, need_weights)
    program = export(model, inputs(), dynamic_shapes=dynamic(inputs)).module()
    for sizes in ((B, S, T), (4, 8, 2), (7, 3, 7)):
        given = inputs(*sizes)
        assert_same(program(*given), model(*given))


def test_exports_to_onnx_with_dynamic_batch_and_lengths(need_weights, tmp_path):
    model, inputs = build("transformer", need_weights)
    if not need_weights:  # nothing of several layers is stacked
        model = with_one_layer(model)
    program = torch.onnx.export(model, inputs(), dynamo=True, dynamic_shapes=dynamic(inputs), verbose=False)
    program.save(tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    for sizes in ((B, S, T), (4, 8, 2)):
        given = inputs(*sizes)
        wanted = [leaf for leaf in tree_leaves(model(*given)) if isinstance(leaf, Tensor)]
        feed = dict(zip((i.name for i in session.get_inputs()), map(Tensor.numpy, given), strict=True))
        got = [torch.from_numpy(np.asarray(value)) for value in session.run(None, feed)]
        assert_same(got, wanted, atol=1e-5, rtol=1e-4)


def test_gradients_of_each_sample_through_vmap(name):
    """Per-sample gradients add up to the gradient of the whole batch's sum."""
    model, inputs = build(name, need_weights=False)
    parameters = dict(model.named_parameters())
    given = inputs()
    if inputs is decoder_inputs:  # the causal mask is the same for all
        given = (*given[:2], given[2].expand(B, 1, T, T), given[3])

    def loss(parameters, *one):
        output, _ = functional_call(model, parameters, tuple(part[None] for part in one))
        return output.square().sum()

    axes = (None, *(0 for _ in given))
    each = vmap(grad(loss), in_dims=axes)(parameters, *given)
    model(*given)[0].square().sum().backward()
    for key, parameter in parameters.items():
        assert each[key].shape == (B, *parameter.shape)
        torch.testing.assert_close(each[key].sum(0), parameter.grad, atol=1e-4, rtol=1e-4)


def shapes(result) -> list:
    return [leaf.shape if isinstance(leaf, Tensor) else leaf for leaf in tree_leaves(result)]


def test_runs_on_fake_tensors(name, need_weights):
    model, inputs = build(name, need_weights)
    wanted = shapes(model(*inputs()))
    with FakeTensorMode():
        fake, _ = build(name, need_weights)
        with unset_fake_temporarily():
            given = inputs()
        assert shapes(fake(*(torch.empty(part.shape, dtype=part.dtype) for part in given))) == wanted


def test_runs_on_the_meta_device(name):
    model, inputs = build(name)
    wanted = shapes(model(*inputs()))
    assert shapes(model.to("meta")(*(part.to("meta") for part in inputs()))) == wanted


def fired(model: nn.Module, run: Callable[[], object]) -> set[str]:
    """The names of the modules whose forward hooks fire."""
    seen, handles = set(), []
    for name, module in model.named_modules():
        handles.append(module.register_forward_hook(lambda *_, name=name: seen.add(name)))
    run()
    for handle in handles:
        handle.remove()
    return seen


def test_forward_hooks_fire_on_every_module(name, need_weights):
    model, inputs = build(name, need_weights)
    given = inputs()
    wanted = {
        key
        for key, module in model.named_modules()
        if not isinstance(module, nn.ModuleList) and ".context.attention.attn" not in key
    }
    if "article" in name:  # `ArticleContext` uses the two layers of an `Attn`, for a whole batch at once
        wanted.remove("model.context.attn")
    assert fired(model, lambda: model(*given)) == wanted


def test_forward_hooks_fire_on_every_module_of_the_decoder_in_a_step():
    model, (source, target) = Transformer(11, 13, **STACK).eval(), sequences()
    _, state, _ = model.step(target[:, 0], model.start(source))
    cached = {"cross_attention.key", "cross_attention.value"}  # of the memory, projected by `start`
    wanted = {
        key
        for key, module in model.decoder.named_modules()
        if not isinstance(module, nn.ModuleList) and key[len("layers.0.") :] not in cached
    }
    assert fired(model.decoder, lambda: model.step(target[:, 1], state)) == wanted


def test_a_hook_sees_the_weights_of_each_attention_and_can_change_its_output():
    model, given = Transformer(11, 13, **STACK).eval(), sequences()
    seen = []
    cross = model.decoder.layers[1].cross_attention
    handle = cross.register_forward_hook(lambda module, inputs, output: seen.append(output[1]))
    before, attentions = model(*given)
    handle.remove()
    assert torch.equal(seen[0], attentions.cross[1])
    cross.register_forward_hook(lambda module, inputs, output: (output[0] * 0, output[1]))
    assert not torch.allclose(model(*given)[0], before)


@pytest.mark.parametrize("kind", ["transformer", "convolutional", "lstm"])
def test_results_and_states_are_pytrees(kind):
    """So `tree_map` reaches each tensor in them, and the result works as before."""
    model = {
        "transformer": lambda: Transformer(11, 13, **STACK),
        "convolutional": lambda: ConvolutionalSeq2Seq(11, 13, 12, "dot"),
        "lstm": lambda: RecurrentSeq2Seq(11, 13, 12, "dot", cell="lstm"),
    }[kind]().eval()
    source, target = sequences()
    state = model.start(source)
    _, state, attentions = model.step(target[:, 0], state, need_weights=True)
    assert any(torch.equal(leaf, attentions.cross) for leaf in tree_leaves(attentions) if leaf is not None)
    doubled = tree_map(lambda leaf: leaf.clone() if isinstance(leaf, Tensor) else leaf, state)
    assert type(doubled) is type(state)
    assert len([leaf for leaf in tree_leaves(state) if isinstance(leaf, Tensor)]) >= 4
    assert_same(model.step(target[:, 1], doubled)[0], model.step(target[:, 1], state)[0])
