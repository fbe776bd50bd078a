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
    Attn,
    Bert,
    ConvolutionalSeq2Seq,
    Decoder,
    Encoder,
    LanguageModel,
    MultiHeadAttention,
    RecurrentSeq2Seq,
    Transformer,
    causal_mask,
    padding_mask,
)

pytestmark = [pytest.mark.traced, pytest.mark.slow]

B, S, T = 3, 5, 7
STACK = {"d_model": 12, "num_heads": 3, "num_layers": 1, "d_ff": 10, "dropout": 0.0}
TWO_LAYERS = STACK | {"num_layers": 2}


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


def text_inputs(batch: int = B, source: int = S, target: int = T) -> tuple[Tensor, ...]:
    ids, _ = sequences(batch, source)
    return ids, padding_mask(ids, 0)


def prefixes(batch: int = B, source: int = S, target: int = T) -> tuple[Tensor]:
    return sequences(batch, source)[:1]


def vectors(batch: int = B, source: int = S, target: int = T) -> tuple[Tensor, ...]:
    memory, mask = encoder_inputs(batch, source)
    return torch.randn(batch, target, 12), memory, torch.randn_like(memory), mask


def article_inputs(batch: int = B, source: int = S, target: int = T) -> tuple[Tensor, ...]:
    """A batch of one, and a fixed number of values: only the number of queries varies."""
    return torch.randn(1, target, 4), torch.randn(1, target, 3), torch.randn(1, 6, 2)


class Start(nn.Module):
    """What a model computes before its first step."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, source: Tensor):
        return self.model.start(source)


def language_model(**options) -> LanguageModel:
    return LanguageModel(11, 12, 2, 1, num_layers=1, d_ff=10, **options)


MODELS: dict[str, tuple[Callable[[], nn.Module], Callable[..., tuple[Tensor, ...]]]] = {
    "transformer": (lambda: Transformer(11, 13, **TWO_LAYERS), sequences),
    "transformer, pre-norm, learned": (
        lambda: Transformer(11, 13, **STACK, norm_first=True, positions="learned"),
        sequences,
    ),
    "encoder": (lambda: Encoder(**STACK), encoder_inputs),
    "decoder": (lambda: Decoder(**STACK), decoder_inputs),
    "bert": (lambda: Bert(11, max_length=20, **STACK), text_inputs),
    "language model": (language_model, prefixes),
    "multi-head attention": (lambda: MultiHeadAttention(12, 3), vectors),
    "attn": (lambda: Attn(4, 3, 6, 2, 5), article_inputs),
    "convolutional": (lambda: ConvolutionalSeq2Seq(11, 13, 12, num_layers=2), sequences),
    "convolutional, article": (
        lambda: ConvolutionalSeq2Seq(11, 13, 12, "article", num_layers=1, max_source_length=9),
        sequences,
    ),
    "convolutional, additive": (
        lambda: ConvolutionalSeq2Seq(11, 13, 12, "additive", num_layers=1),
        sequences,
    ),
    "convolutional, dot": (lambda: ConvolutionalSeq2Seq(11, 13, 12, "dot", num_layers=1), sequences),
}
STARTS = {
    "start of the transformer": (lambda: Start(Transformer(11, 13, **STACK)), prefixes),
    "start of the language model": (lambda: Start(language_model()), prefixes),
}
RECURRENT = {
    "gru": (lambda: RecurrentSeq2Seq(11, 13, 12, "additive"), sequences),
    "lstm": (lambda: RecurrentSeq2Seq(11, 13, 12, "article", cell="lstm", max_source_length=9), sequences),
}
# The axes that vary, input by input.
AXES = {
    sequences: (("B", "S"), ("B", "T")),
    encoder_inputs: (("B", "S", None), ("B", None, None, "S")),
    decoder_inputs: (("B", "T", None), ("B", "S", None), ("T", "T"), ("B", None, None, "S")),
    text_inputs: (("B", "S"), ("B", None, None, "S")),
    prefixes: (("B", "S"),),
    vectors: (("B", "T", None), ("B", "S", None), ("B", "S", None), ("B", None, None, "S")),
    article_inputs: ((None, "T", None), (None, "T", None), ()),
}
LONGEST = {"convolutional, article": 9, "bert": 20}
# With and without weights; `Attn` always returns them, and a start computes none.
ALWAYS = ("attn", *STARTS)
CASES = [(name, need) for name in MODELS | STARTS for need in ((None,) if name in ALWAYS else (True, False))]


def label(value: object) -> str:
    return value if isinstance(value, str) else {None: "", True: "weights", False: "no weights"}[value]


every_case = pytest.mark.parametrize(("name", "need_weights"), CASES, ids=label)
# Translating to ONNX takes seconds, so these are few.
ONNX = [
    ("transformer", True),
    ("transformer", False),
    ("bert", True),
    ("language model", True),
    ("language model", False),
    ("multi-head attention", False),
    ("attn", None),
    ("convolutional, additive", False),
]


class WithWeights(nn.Module):
    """The model with `need_weights` fixed, so that its inputs are tensors only."""

    def __init__(self, model: nn.Module, need_weights: bool | None) -> None:
        super().__init__()
        self.model, self.options = model, {} if need_weights is None else {"need_weights": need_weights}

    def forward(self, *inputs: Tensor):
        return self.model(*inputs, **self.options)


def build(name: str, need_weights: bool | None) -> tuple[WithWeights, Callable[..., tuple[Tensor, ...]]]:
    model, inputs = (MODELS | STARTS | RECURRENT)[name]
    return WithWeights(model(), need_weights).eval(), inputs


def assert_same(got, wanted, **tolerance) -> None:
    """Every tensor of two results agrees, `Attentions` included."""
    pairs = list(zip(tree_leaves(got), tree_leaves(wanted), strict=True))
    assert any(isinstance(one, Tensor) for one, _ in pairs)
    for one, other in pairs:
        if isinstance(other, Tensor):
            torch.testing.assert_close(one, other, **tolerance)
        else:
            assert one == other


def dynamic(name: str, inputs: Callable) -> dict[str, tuple]:
    dims = {letter: Dim(letter, max=LONGEST.get(name, 512)) for letter in "BST"}
    shapes = tuple(
        {i: dims[letter] for i, letter in enumerate(axes) if letter is not None} for axes in AXES[inputs]
    )
    return {"inputs": shapes}


@every_case
def test_compiles_as_one_graph(name, need_weights):
    torch._dynamo.reset()
    model, inputs = build(name, need_weights)
    compiled = torch.compile(model, fullgraph=True, backend="eager", dynamic=True)
    for sizes in ((B, S, T), (4, 6, 9), (4, 4, 4)):
        given = inputs(*sizes)
        assert_same(compiled(*given), model(*given))


def test_a_graph_can_be_traced_to_single_operations():
    """That takes long, so the stacks have one layer."""
    torch._dynamo.reset()
    model = Transformer(11, 13, **STACK).eval()
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager", dynamic=True)
    for given in (sequences(), sequences(4, 6, 9)):
        assert_same(compiled(*given), model(*given))


@pytest.mark.parametrize("name", RECURRENT)
def test_a_recurrent_model_compiles_around_its_packed_sequences(name):
    torch._dynamo.reset()
    model, inputs = build(name, True)
    given = inputs()
    assert_same(torch.compile(model, backend="eager")(*given), model(*given))


@pytest.mark.parametrize("kind", ["transformer", "language model"])
def test_a_step_compiles_as_one_graph(kind):
    torch._dynamo.reset()
    model = (Transformer(11, 13, **STACK) if kind == "transformer" else language_model()).eval()
    source, target = sequences()
    step = torch.compile(model.step, fullgraph=True, backend="eager", dynamic=True)
    mine = theirs = model.start(source)
    for token in (target % 11)[:, :3].unbind(dim=1):
        logits, mine, weights = step(token, mine, need_weights=True)
        wanted, theirs, its_weights = model.step(token, theirs, need_weights=True)
        assert_same((logits, mine, weights), (wanted, theirs, its_weights))


@every_case
def test_exports_with_dynamic_batch_and_lengths(name, need_weights):
    model, inputs = build(name, need_weights)
    program = export(model, inputs(), dynamic_shapes=dynamic(name, inputs)).module()
    for sizes in ((B, S, T), (4, 8, 2), (7, 3, 7), (5, 5, 5)):
        given = inputs(*sizes)
        assert_same(program(*given), model(*given))


@pytest.mark.parametrize(("name", "need_weights"), ONNX, ids=label)
def test_exports_to_onnx_with_dynamic_batch_and_lengths(name, need_weights, tmp_path):
    model, inputs = build(name, need_weights)
    program = torch.onnx.export(
        model, inputs(), dynamo=True, dynamic_shapes=dynamic(name, inputs), verbose=False
    )
    program.save(tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    for sizes in ((B, S, T), (4, 8, 2)):
        given = inputs(*sizes)
        wanted = [leaf for leaf in tree_leaves(model(*given)) if isinstance(leaf, Tensor)]
        feed = dict(zip((i.name for i in session.get_inputs()), map(Tensor.numpy, given), strict=True))
        got = [torch.from_numpy(np.asarray(value)) for value in session.run(None, feed)]
        assert_same(got, wanted, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(("name", "need_weights"), [c for c in CASES if c[0] not in STARTS], ids=label)
def test_gradients_of_each_sample_through_vmap(name, need_weights):
    """They are the gradients of each sample by itself."""
    model, inputs = build(name, need_weights)
    parameters = dict(model.named_parameters())
    given = inputs()
    if inputs is decoder_inputs:  # the causal mask is the same for all
        given = (*given[:2], given[2].expand(B, 1, T, T), given[3])
    if inputs is article_inputs:
        given = tuple(torch.randn(B, *part.shape[1:]) for part in given)

    def loss(parameters, *one):
        output, _ = functional_call(model, parameters, tuple(part[None] for part in one))
        return output.square().sum()

    axes = (None, *(0 for _ in given))
    each = vmap(grad(loss), in_dims=axes)(parameters, *given)
    for i, one in enumerate(zip(*given, strict=True)):
        model.zero_grad()
        loss(parameters, *one).backward()
        for key, parameter in parameters.items():
            assert each[key].shape == (B, *parameter.shape)
            torch.testing.assert_close(each[key][i], parameter.grad, atol=1e-4, rtol=1e-4)


def shapes(result) -> list:
    return [leaf.shape if isinstance(leaf, Tensor) else leaf for leaf in tree_leaves(result)]


@every_case
def test_runs_on_fake_tensors_and_on_the_meta_device(name, need_weights):
    model, inputs = build(name, need_weights)
    wanted = shapes(model(*inputs()))
    with FakeTensorMode():
        fake, _ = build(name, need_weights)
        with unset_fake_temporarily():
            given = inputs()
        assert shapes(fake(*(torch.empty(part.shape, dtype=part.dtype) for part in given))) == wanted
    assert shapes(model.to("meta")(*(part.to("meta") for part in inputs()))) == wanted


@pytest.mark.bad_input
def test_a_source_longer_than_the_limit_is_refused_without_its_values():
    model, inputs = build("convolutional, article", True)
    model.to("meta")(*(part.to("meta") for part in inputs(B, 9)))
    with pytest.raises(ValueError, match="source: wanted at most max_source_length=9 tokens, got 10"):
        model.to("meta")(*(part.to("meta") for part in inputs(B, 10)))


def fired(model: nn.Module, run: Callable[[], object]) -> set[str]:
    """The names of the modules whose forward hooks fire."""
    seen, handles = set(), []
    for name, module in model.named_modules():
        handles.append(module.register_forward_hook(lambda *_, name=name: seen.add(name)))
    run()
    for handle in handles:
        handle.remove()
    return seen


HOOKED = [case for case in CASES if case[0] not in STARTS]
HOOKED += [(name, need) for name in RECURRENT for need in (True, False)]


@pytest.mark.parametrize(("name", "need_weights"), HOOKED, ids=label)
def test_forward_hooks_fire_on_every_module(name, need_weights):
    model, inputs = build(name, need_weights)
    given = inputs()
    lists = (nn.ModuleList,)  # these are never called
    wanted = {key for key, module in model.named_modules() if not isinstance(module, lists)}
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
    model, given = Transformer(11, 13, **TWO_LAYERS).eval(), sequences()
    seen = []
    cross = model.decoder.layers[1].cross_attention
    handle = cross.register_forward_hook(lambda module, inputs, output: seen.append(output[1]))
    before, attentions = model(*given)
    handle.remove()
    assert torch.equal(seen[0], attentions.cross[1])
    cross.register_forward_hook(lambda module, inputs, output: (output[0] * 0, output[1]))
    assert not torch.allclose(model(*given)[0], before)


@pytest.mark.parametrize("kind", ["transformer", "language model", "convolutional", "lstm"])
def test_results_and_states_are_pytrees(kind):
    """So `tree_map` reaches each tensor in them, and the result works as before."""
    model = {
        "transformer": lambda: Transformer(11, 13, **STACK),
        "language model": language_model,
        "convolutional": lambda: ConvolutionalSeq2Seq(11, 13, 12, "dot"),
        "lstm": lambda: RecurrentSeq2Seq(11, 13, 12, "dot", cell="lstm"),
    }[kind]().eval()
    source, target = sequences()
    target, state = target % 11, model.start(source)
    _, state, attentions = model.step(target[:, 0], state, need_weights=True)
    weights = attentions.decoder if attentions.cross is None else attentions.cross
    assert any(torch.equal(leaf, weights) for leaf in tree_leaves(attentions) if leaf is not None)
    doubled = tree_map(lambda leaf: leaf.clone() if isinstance(leaf, Tensor) else leaf, state)
    assert type(doubled) is type(state)
    least = 3 if kind == "language model" else 4
    assert len([leaf for leaf in tree_leaves(state) if isinstance(leaf, Tensor)]) >= least
    assert_same(model.step(target[:, 1], doubled)[0], model.step(target[:, 1], state)[0])
