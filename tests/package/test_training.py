"""Training and scoring: what `fit` changes and doesn't change, and what `exact_match` counts."""

import math
import time
from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from tqdm.auto import tqdm

from attnbook import Transformer, training
from attnbook.data import DateTask, ReversalTask
from attnbook.seq2seq import ConvolutionalSeq2Seq, RecurrentSeq2Seq
from attnbook.training import descend, exact_match, fit, matches, schedule, token_loss

TASK = ReversalTask("abc", shortest=1, longest=3)
VOCAB = len(TASK.source)


def build(d_model=16, **options):
    torch.manual_seed(0)
    return RecurrentSeq2Seq(VOCAB, VOCAB, d_model, "additive", **options)


@pytest.mark.slow
@pytest.mark.trains
@pytest.mark.parametrize(
    "model",
    [
        lambda: build(32),
        lambda: build(32, cell="lstm"),
        lambda: ConvolutionalSeq2Seq(VOCAB, VOCAB, 32, "dot", num_layers=2),
        lambda: Transformer(VOCAB, VOCAB, d_model=32, num_heads=2, num_layers=1, d_ff=64, dropout=0.0),
    ],
    ids=["gru", "lstm", "convolutional", "transformer"],
)
def test_every_model_learns_to_reverse_three_letters(model):
    model = model()
    history = fit(model, TASK.batches(64, seed=0), steps=200, learning_rate=1e-2, warmup=20, progress=False)
    assert len(history.losses) == 200
    assert history.seconds > 0
    assert exact_match(model, *TASK.batch(200, torch.Generator().manual_seed(9))) > 0.95


def test_dates_feed_a_model():
    task = DateTask()
    model = RecurrentSeq2Seq(
        len(task.source), len(task.target), 8, "article", max_source_length=task.source_length
    )
    losses = fit(model, task.batches(16, seed=0), steps=30, learning_rate=1e-2, progress=False).losses
    assert losses[-1] < losses[0]


def test_the_same_seeds_give_the_same_model():
    runs = []
    for _ in range(2):
        model = build()
        losses = fit(model, TASK.batches(8, seed=3), steps=5, progress=False).losses
        runs.append((losses, model.output.weight.detach()))
    assert runs[0][0] == runs[1][0]
    assert torch.equal(runs[0][1], runs[1][1])


def test_one_step_is_adam_on_the_clipped_gradient():
    batch = TASK.batch(8, torch.Generator().manual_seed(0))
    model, twin = build(), build()
    fit(model, [batch], steps=1, learning_rate=0.1, clip=0.01, decay=False, progress=False)
    optimizer = torch.optim.Adam(twin.parameters(), lr=0.1)
    logits, _ = twin(batch[0], batch[1][:, :-1])
    F.cross_entropy(logits.transpose(1, 2), batch[1][:, 1:], ignore_index=0).backward()
    nn.utils.clip_grad_norm_(twin.parameters(), 0.01)
    optimizer.step()
    for mine, wanted in zip(model.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(mine, wanted)


def test_the_gradient_is_clipped():
    """Check the gradient of the last step: Adam's update doesn't depend on the gradient's scale."""
    model = build()
    fit(model, TASK.batches(8, seed=0), steps=2, clip=1e-3, progress=False)
    norm = torch.stack([parameter.grad.norm() for parameter in model.parameters()]).norm()
    assert norm == pytest.approx(1e-3, rel=1e-3)


def test_the_loss_ignores_padding():
    model = build()
    source, target = TASK.batch(8, torch.Generator().manual_seed(0))
    wider = F.pad(target, (0, 4))
    torch.testing.assert_close(token_loss(model, source, wider), token_loss(model, source, target))
    alone = [token_loss(model, s[None, s != 0], t[None, t != 0]) for s, t in zip(source, target, strict=True)]
    lengths = (target != 0).sum(1) - 1
    torch.testing.assert_close(
        (torch.stack(alone) * lengths).sum() / lengths.sum(), token_loss(model, source, target)
    )


def test_the_loss_needs_no_weights():
    model, returned = build(), []
    model.register_forward_hook(lambda module, inputs, output: returned.append(output[1]))
    token_loss(model, *TASK.batch(8, torch.Generator().manual_seed(0)))
    assert returned == [None]


def test_the_schedule_rises_then_falls():
    shares = [schedule(step, 100, warmup=10) for step in range(100)]
    assert max(shares) == shares[10] == 1.0
    assert all(a < b for a, b in pairwise(shares[:11]))
    assert all(a > b for a, b in pairwise(shares[10:]))
    assert 0 < shares[0] <= 0.1
    assert 0 < shares[-1] < 0.01
    assert schedule(55, 100, warmup=10) == pytest.approx(0.5)
    assert [schedule(step, 100, decay=False) for step in (0, 50, 99)] == [1.0, 1.0, 1.0]


def test_the_warm_up_is_linear_and_is_followed_by_one():
    assert [schedule(step, 50, warmup=4) for step in range(5)] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert [schedule(step, 50, warmup=1) for step in range(2)] == [0.5, 1.0]


def test_the_schedule_is_used(monkeypatch):
    used = []

    class Spy(torch.optim.Adam):
        def step(self):
            used.append(self.param_groups[0]["lr"])
            return super().step()

    monkeypatch.setattr(torch.optim, "Adam", Spy)
    for decay in (True, False):
        options = {"steps": 9, "learning_rate": 0.5, "warmup": 3, "decay": decay}
        fit(build(), TASK.batches(4, seed=0), **options, progress=False)
        assert used == [0.5 * schedule(step, 9, 3, decay) for step in range(9)]
        used.clear()


@pytest.mark.parametrize("training", [True, False])
def test_the_mode_is_restored(training):
    model = Transformer(VOCAB, VOCAB, d_model=8, num_heads=2, num_layers=1, d_ff=8).train(training)
    model.encoder.eval()
    seen = []
    model.decoder.register_forward_pre_hook(lambda module, inputs: seen.append(module.training))
    fit(model, TASK.batches(4, seed=0), steps=2, progress=False)
    assert seen == [True, True]
    assert (model.training, model.encoder.training) == (training, False)
    exact_match(model, *TASK.batch(4, torch.Generator().manual_seed(0)))
    assert (model.training, model.encoder.training) == (training, False)


def test_an_interrupt_is_raised_and_keeps_the_learned_weights():
    def interrupted():
        yield from (TASK.batch(4, torch.Generator().manual_seed(0)) for _ in range(3))
        raise KeyboardInterrupt

    model = build().eval()
    before = model.output.weight.detach().clone()
    with pytest.raises(KeyboardInterrupt):
        fit(model, interrupted(), steps=10, progress=False)
    assert not model.training
    assert not torch.equal(model.output.weight, before)


def test_no_batch_is_drawn_unused():
    batches = iter([TASK.batch(4, torch.Generator().manual_seed(0))] * 3)
    began = time.perf_counter()
    history = fit(build(), batches, steps=2, progress=False)
    assert len(history.losses) == 2
    assert 0 < history.seconds <= time.perf_counter() - began
    assert len(list(batches)) == 1


def test_the_progress_bar_can_be_switched_off(capfd, monkeypatch):
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    fit(build(), TASK.batches(4, seed=0), steps=2)
    assert "/2" in capfd.readouterr().err
    fit(build(), TASK.batches(4, seed=0), steps=2, progress=False)
    assert capfd.readouterr().err == ""
    monkeypatch.setenv("TQDM_DISABLE", "1")
    fit(build(), TASK.batches(4, seed=0), steps=2)
    assert capfd.readouterr().err == ""


class Bar(tqdm):
    """A hidden progress bar that records what it is given."""

    def __init__(self, **options):
        super().__init__(disable=True)
        self.options, self.losses, self.steps = options, [], 0

    def set_postfix(self, *, loss, refresh):
        self.losses.append(loss)

    def update(self):
        self.steps += 1


def test_a_resumed_bar_starts_where_the_run_stopped_and_shows_each_loss(monkeypatch):
    bars = []
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    monkeypatch.setattr(training, "tqdm", lambda **options: bars.append(Bar(**options)) or bars[-1])
    model = nn.Linear(1, 1)
    optimizer = torch.optim.Adam(model.parameters())
    losses = ((model(torch.ones(1)).sum(), number) for number in (0.12345, 2.0, math.nan))
    taken = descend(model, optimizer, losses, [0.1] * 3, clip=1.0, steps=6, done=3)
    assert [next(taken), next(taken)] == [0.12345, 2.0]
    with pytest.raises(ValueError, match=r"loss: .*nan at step 5"):
        next(taken)
    (bar,) = bars
    assert bar.options == {"total": 6, "initial": 3, "leave": False, "disable": False}
    assert (bar.losses, bar.steps) == (["0.1235", "2.0000"], 2)
    training.progress_bar(6, desc="Downloading")
    assert bars[1].options == {
        "total": 6,
        "initial": 0,
        "leave": False,
        "disable": False,
        "desc": "Downloading",
    }


class Parrot(nn.Module):
    """A model that always outputs the same rows."""

    pad = 0

    def __init__(self, rows):
        super().__init__()
        self.rows, self.weight, self.read = rows, nn.Parameter(torch.zeros(())), []

    def start(self, source):
        return 0

    def step(self, ids, state, need_weights=False):
        self.read = [*self.read[:state], ids.tolist()]
        return F.one_hot(self.rows[:, state], VOCAB).float() * 9, state + 1, None


@pytest.mark.parametrize(
    ("written", "right"),
    [
        ([3, 4, 2], True),
        ([3, 4, 0], False),  # no end
        ([3, 2, 2], False),  # stops too early
        ([4, 3, 2], False),  # the right letters, the wrong order
        ([3, 4, 5], False),  # doesn't stop
    ],
)
def test_a_row_counts_only_if_all_of_it_matches(written, right):
    target = torch.tensor([[1, 3, 4, 2], [1, 5, 2, 0]])
    model = Parrot(torch.tensor([written, [5, 2, 4]]))
    assert matches(model, torch.ones(2, 3).long(), target).tolist() == [right, True]
    assert exact_match(model, torch.ones(2, 3).long(), target) == (1.0 if right else 0.5)
    assert model.read[:2] == [[1, 1], [written[0], 5]]  # from the start that the targets have


def test_an_empty_target_is_only_start_and_end():
    target = torch.tensor([[1, 2], [1, 2]])
    assert matches(Parrot(torch.tensor([[2], [3]])), torch.ones(2, 3).long(), target).tolist() == [
        True,
        False,
    ]


def test_targets_may_be_wider_than_the_output():
    target = torch.tensor([[1, 5, 2, 0, 0, 0]])
    assert exact_match(Parrot(torch.tensor([[5, 2, 2, 2, 2]])), torch.ones(1, 3).long(), target) == 1.0


def test_on_the_device(device):
    model = build().to(device)
    fit(model, TASK.batches(4, seed=0), steps=2, progress=False)
    assert 0.0 <= exact_match(model, *TASK.batch(4, torch.Generator().manual_seed(0))) <= 1.0


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": 0}, r"steps: .*got 0"),
        ({"steps": 5, "warmup": 5}, r"warmup: .*below steps=5, got 5"),
        ({"steps": 5, "warmup": -1}, r"warmup: .*got -1"),
        ({"steps": 5, "learning_rate": math.nan}, r"learning_rate: .*got nan"),
        ({"steps": 5, "learning_rate": -1.0}, r"learning_rate: .*got -1.0"),
        ({"steps": 5, "clip": 0.0}, r"clip: .*got 0.0"),
    ],
)
def test_bad_settings_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        fit(build(), TASK.batches(4, seed=0), progress=False, **options)


@pytest.mark.bad_input
def test_too_few_batches_are_named():
    batch = TASK.batch(4, torch.Generator().manual_seed(0))
    with pytest.raises(ValueError, match=r"batches: wanted 3.*got 2"):
        fit(build(), [batch, batch], steps=3, progress=False)


@pytest.mark.bad_input
def test_a_loss_that_is_not_finite_is_named():
    model = build().eval()
    model.output.weight.data.fill_(math.nan)
    with pytest.raises(ValueError, match=r"loss: .*nan at step 0"):
        fit(model, TASK.batches(4, seed=0), steps=3, progress=False)
    assert not model.training


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("target", "message"),
    [
        (torch.ones(3, 4).long(), r"target: .*\(2, T\).*got \(3, 4\)"),
        (torch.ones(2, 1).long(), r"target: .*got \(2, 1\)"),
        (torch.tensor([[1, 3, 2], [3, 4, 2]]), r"target: .*same start.*\[1, 3\]"),
        (torch.tensor([[1, 3, 2], [0, 0, 0]]), r"target: .*same start.*\[0, 1\]"),  # a row of padding
        (torch.tensor([[1, 3, 2], [1, 4, 5]]), r"target: .*same end.*\[2, 5\]"),
    ],
)
def test_bad_targets_are_named(target, message):
    with pytest.raises(ValueError, match=message):
        exact_match(build(), torch.full((2, 3), 3), target)


def test_a_custom_loss_is_used():
    model, seen = build(), []

    def size(model, source, target):
        seen.append((source, target))
        return model.output.weight.square().mean()

    first = model.output.weight.square().mean().item()
    losses = fit(model, TASK.batches(8, seed=3), steps=5, loss=size, progress=False).losses
    assert losses[0] == first > losses[-1] > model.output.weight.square().mean().item()
    for (source, target), batch in zip(seen, TASK.batches(8, seed=3), strict=False):
        assert torch.equal(source, batch[0])
        assert torch.equal(target, batch[1])
