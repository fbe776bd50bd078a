"""Recurrent and convolutional models: cached steps, padding, causality and the choice of attention."""

import pytest
import torch
import torch.nn.functional as F

from attnbook import AdditiveAttention, Attn
from attnbook.contexts import ArticleContext, Memory
from attnbook.seq2seq import ConvolutionalSeq2Seq, RecurrentSeq2Seq

LIMIT = 7
BUILDERS = {
    "gru": lambda **options: RecurrentSeq2Seq(11, 13, 6, **options),
    "lstm": lambda **options: RecurrentSeq2Seq(11, 13, 6, cell="lstm", **options),
    "convolutional": lambda **options: ConvolutionalSeq2Seq(11, 13, 6, kernel=3, num_layers=2, **options),
}
ATTENTIONS = [None, "article", "additive", "dot"]


def build(kind: str, attention: str | None):
    limit = LIMIT if attention == "article" else None
    return BUILDERS[kind](attention=attention, max_source_length=limit).double()


@pytest.fixture(params=BUILDERS)
def kind(request):
    return request.param


@pytest.fixture(params=ATTENTIONS, ids=str)
def attention(request):
    return request.param


@pytest.fixture
def model(kind, attention):
    return build(kind, attention)


@pytest.fixture
def source():
    ids = torch.randint(1, 11, (3, 5))
    ids[1, 3:] = 0
    return ids


@pytest.fixture
def target():
    return torch.randint(1, 13, (3, 9))


def test_shapes(model, attention, source, target):
    logits, attentions = model(source, target)
    assert logits.shape == (3, 9, 13)
    assert attentions.encoder is None
    assert attentions.decoder is None
    if attention is None:
        assert attentions.cross is None
    else:
        assert attentions.cross.shape == (1, 3, 1, 9, LIMIT if attention == "article" else 5)
        torch.testing.assert_close(attentions.cross.sum(-1), torch.ones(1, 3, 1, 9).double())
    again, none = model(source, target, need_weights=False)
    assert none is None
    assert torch.equal(again, logits)


def test_steps_equal_one_pass_over_the_target(model, attention, source, target):
    logits, attentions = model(source, target)
    state = model.start(source)
    for t in range(9):
        scores, state, step = model.step(target[:, t], state, need_weights=True)
        torch.testing.assert_close(scores, logits[:, t])
        if attention is not None:
            torch.testing.assert_close(step.cross, attentions.cross[..., t : t + 1, :])
    assert model.step(target[:, 0], state)[2] is None


def test_a_step_does_not_change_the_old_state(model, source, target):
    start = model.start(source)
    _, state, _ = model.step(target[:, 0], start)
    once = model.step(target[:, 1], state)[0]
    model.step(target[:, 2], state)
    assert torch.equal(model.step(target[:, 1], state)[0], once)


def test_select_reorders_and_repeats_rows(model, source, target):
    rows = torch.tensor([2, 0, 0, 1])
    _, state, _ = model.step(target[:, 0], model.start(source))
    logits = model.step(target[:, 1], state)[0]
    picked = model.step(target[rows, 1], state.select(rows))[0]
    torch.testing.assert_close(picked, logits[rows])


def test_padding_changes_nothing(model, attention, source, target):
    logits, attentions = model(source, target)
    wider = torch.cat((source, source.new_zeros(3, 4)), dim=1)
    padded, more = model(wider, target)
    torch.testing.assert_close(padded, logits)
    alone, _ = model(source[1:2, :3], target[1:2])
    torch.testing.assert_close(alone, logits[1:2])
    if attention in ("additive", "dot"):
        assert (attentions.cross[0, 1, 0, :, 3:] == 0).all()
        assert (more.cross[..., 5:] == 0).all()


def test_every_token_of_the_source_counts(model, source, target):
    logits, _ = model(source, target)
    for position in range(5):
        changed = source.clone()
        changed[0, position] = changed[0, position] % 10 + 1
        assert not torch.allclose(model(changed, target)[0][0, -1], logits[0, -1], atol=1e-12, rtol=0)


def test_the_future_changes_nothing_in_the_past(model, source, target):
    logits, _ = model(source, target)
    changed = target.clone()
    changed[:, 5] = changed[:, 5] % 12 + 1
    after, _ = model(source, changed)
    torch.testing.assert_close(after[:, :5], logits[:, :5])
    assert (after[:, 5] != logits[:, 5]).any(dim=-1).all()


def test_every_parameter_gets_a_gradient(model, source, target):
    model(source, target)[0].square().sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_only_the_attention_differs(kind):
    """Chapter 3's comparison is fair: from one seed, all weights but those of `context` are the same."""
    parts = []
    for attention in ATTENTIONS:
        torch.manual_seed(0)
        state = build(kind, attention).state_dict()
        parts.append({name: value for name, value in state.items() if not name.startswith("context.")})
    for part in parts:
        assert part.keys() == parts[0].keys()
        assert all(torch.equal(part[name], parts[0][name]) for name in part)


def test_article_context_equals_attn_for_each_item():
    context = ArticleContext(6, LIMIT).double()
    embedded, hidden = torch.randn(2, 3, 4, 6).double()
    outputs = torch.randn(3, 5, 6).double()
    memory = Memory(outputs, torch.ones(3, 5, dtype=torch.bool), outputs[:, -1])
    output, weights = context(embedded, hidden, memory)
    for row in range(3):
        values = torch.cat((outputs[row], torch.zeros(LIMIT - 5, 6).double()))[None]
        for t in range(4):
            query, key = embedded[row, t][None, None], hidden[row, t][None, None]
            one, one_weights = Attn.forward(context.attn, query, key, values)
            torch.testing.assert_close(output[row, t], one[0, 0])
            torch.testing.assert_close(weights[row, t], one_weights[0])


def test_article_weights_do_not_depend_on_the_source(source, target):
    """For fixed decoder vectors, another memory gives the same weights."""
    context = ArticleContext(6, LIMIT).double()
    embedded, hidden = torch.randn(2, 1, 4, 6).double()
    one, two = torch.randn(2, 1, 5, 6).double()
    mask = torch.ones(1, 5, dtype=torch.bool)
    outputs, weights = zip(
        *(context(embedded, hidden, Memory(memory, mask, memory[:, 0])) for memory in (one, two)), strict=True
    )
    assert torch.equal(*weights)
    assert not torch.allclose(*outputs)


def test_the_additive_context_is_the_books_attention(source, target):
    model = build("gru", "additive")
    assert isinstance(model.context.attention, AdditiveAttention)
    memory = model.start(source).memory
    hidden = torch.randn(3, 4, 6).double()
    output, weights = model.context(hidden, hidden, memory)
    wanted, wanted_weights = model.context.attention(
        hidden, memory.outputs, memory.outputs, memory.mask[:, None]
    )
    assert torch.equal(output, wanted)
    assert torch.equal(weights, wanted_weights)


def test_without_attention_only_the_summary_reaches_the_decoder(kind, source, target):
    model = build(kind, None)
    state = model.start(source)
    blind = Memory(state.memory.outputs * 0, state.memory.mask, state.memory.summary)
    step = model.step(target[:, 0], state)[0]
    assert torch.equal(model.step(target[:, 0], type(state)(blind, state.carry))[0], step)


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_recurrent_layers_are_torchs(cell, source):
    model = build(cell, "dot")
    memory = model.start(source).memory
    for row, length in enumerate([5, 3, 5]):
        outputs, last = model.encoder(model.source_embeddings(source[row : row + 1, :length]))
        torch.testing.assert_close(memory.outputs[row, :length], outputs[0])
        torch.testing.assert_close(memory.summary[row], (last[0] if cell == "lstm" else last)[0, 0])
        assert (memory.outputs[row, length:] == 0).all()


@pytest.mark.parametrize(("kernel", "num_layers"), [(3, 1), (3, 4), (5, 2)])
def test_the_receptive_field_grows_by_kernel_minus_one_per_layer(kernel, num_layers):
    model = ConvolutionalSeq2Seq(11, 13, 6, "dot", kernel=kernel, num_layers=num_layers).double()
    length = 4 * num_layers * kernel
    ids = torch.randint(1, 11, (1, length))
    embedded = torch.randn(1, length, 6).double().requires_grad_()
    model.target_positions.table.data.abs_()
    hidden, _ = model.decode(embedded, model.start(ids))
    (gradient,) = torch.autograd.grad(hidden[0, -1].sum(), embedded)
    reached = (gradient[0] != 0).any(dim=-1)
    assert reached[-(1 + num_layers * (kernel - 1)) :].any()
    assert not reached[: -(1 + num_layers * (kernel - 1))].any()


def test_on_the_device(device, model, source, target):
    model = model.to(device)
    logits, _ = model(source.to(device), target.to(device))
    assert logits.device.type == device


@pytest.mark.bad_input
@pytest.mark.parametrize("build", BUILDERS.values(), ids=BUILDERS)
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"attention": "luong"}, "attention: .*got 'luong'"),
        ({"attention": "article"}, "max_source_length: wanted a length.*got None"),
        ({"attention": "dot", "max_source_length": 0}, "max_source_length: .*got 0"),
    ],
)
def test_bad_options_are_named(build, options, message):
    with pytest.raises(ValueError, match=message):
        build(**options)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: RecurrentSeq2Seq(11, 13, cell="rnn"), "cell: .*got 'rnn'"),
        (lambda: RecurrentSeq2Seq(0, 13), "source_vocab: .*got 0"),
        (lambda: ConvolutionalSeq2Seq(11, 13, kernel=4), "kernel: .*odd.*got 4"),
        (lambda: ConvolutionalSeq2Seq(11, 13, num_layers=0), "num_layers: .*got 0"),
    ],
)
def test_bad_sizes_are_named(build, message):
    with pytest.raises(ValueError, match=message):
        build()


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("source", "target", "error", "message"),
    [
        (torch.ones(5).long(), torch.ones(1, 2).long(), ValueError, r"source: .*\(5,\)"),
        (torch.ones(2, 0).long(), torch.ones(2, 2).long(), ValueError, r"source: .*\(2, 0\)"),
        (torch.ones(2, 5), torch.ones(2, 2).long(), TypeError, "source: .*float32"),
        (torch.full((2, 5), 11), torch.ones(2, 2).long(), ValueError, "source: .*0 to 10, got 11 to 11"),
        (torch.tensor([[1, 2], [0, 0]]), torch.ones(2, 2).long(), ValueError, "source: .*row 1"),
        (torch.tensor([[1, 0, 2]]), torch.ones(1, 2).long(), ValueError, "source: .*on the right"),
        (
            torch.ones(2, 5).long(),
            torch.ones(3, 2).long(),
            ValueError,
            r"target: .*\(2, length\), got \(3, 2\)",
        ),
        (torch.ones(2, 5).long(), torch.full((2, 2), -1), ValueError, "target: .*got -1 to -1"),
    ],
)
def test_bad_ids_are_named(model, source, target, error, message):
    with pytest.raises(error, match=message):
        model(source, target)


@pytest.mark.bad_input
def test_a_step_takes_one_id_per_row(model, source):
    with pytest.raises(ValueError, match=r"ids: .*\(B,\).*got \(3, 1\)"):
        model.step(torch.ones(3, 1).long(), model.start(source))


@pytest.mark.bad_input
@pytest.mark.parametrize("attention", ["article", "dot"])
def test_sources_past_the_limit_are_rejected(kind, attention):
    model = BUILDERS[kind](attention=attention, max_source_length=LIMIT)
    model(torch.ones(1, LIMIT).long(), torch.ones(1, 2).long())
    with pytest.raises(ValueError, match=f"source: .*max_source_length={LIMIT} tokens, got {LIMIT + 1}"):
        model(torch.ones(1, LIMIT + 1).long(), torch.ones(1, 2).long())


@pytest.mark.bad_input
def test_the_convolutional_model_rejects_longer_sequences():
    model = ConvolutionalSeq2Seq(11, 13, 6, max_length=4)
    for source, target in ((5, 2), (2, 5)):
        with pytest.raises(ValueError, match="max_length is 4"):
            model(torch.ones(1, source).long(), torch.ones(1, target).long())


def test_the_convolutional_model_follows_its_formula():
    model = ConvolutionalSeq2Seq(9, 9, 6, kernel=3, num_layers=2).double()
    source, target = torch.tensor([[3, 4, 5, 6]]), torch.tensor([[1, 3, 4]])
    assert len(model.encoder) == len(model.decoder) == 2
    x = model.source_embeddings(source) + model.source_positions.table[:4]
    for layer in model.encoder:
        x = x + F.glu(F.conv1d(x.mT, layer.weight, layer.bias, padding=1), dim=1).mT
    y = model.target_embeddings(target) + model.target_positions.table[:3]
    for layer in model.decoder:
        y = y + F.glu(F.conv1d(F.pad(y.mT, (2, 0)), layer.weight, layer.bias), dim=1).mT
    summary = x.mean(dim=1, keepdim=True).expand_as(y)
    wanted = model.output(torch.tanh(model.combine(torch.cat((y, summary), dim=-1))))
    torch.testing.assert_close(model(source, target)[0], wanted)
