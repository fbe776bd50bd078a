"""Snapshots of a training: what one holds, their file, and the recording of the shipped model."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from attnbook import checkpoints, snapshots
from attnbook.checkpoints import Recipe
from attnbook.data import DateTask, split_of
from attnbook.generation import greedy_decode
from attnbook.snapshots import Snapshot

SHIPPED = "dates-translate"
FINEST = 1 / 255  # half of the widest distance between the codes of two weights


@pytest.fixture(scope="module")
def recording():
    return snapshots.load(SHIPPED)


@pytest.fixture(scope="module")
def untrained():
    """A small model, in training mode, and its task."""
    torch.manual_seed(5)
    sizes = {"d_model": 16, "num_heads": 2, "num_layers": 1, "d_ff": 16, "dropout": 0.5}
    model, task = Recipe("translate", sizes).build()
    return model.train(), task


def test_the_recorded_date_is_held_out_and_the_file_is_small(recording):
    assert snapshots.names() == [SHIPPED]
    assert (snapshots.FOLDER / f"{SHIPPED}{snapshots.ENDING}").stat().st_size < 150_000
    assert split_of(snapshots.DATE) == "test"
    assert recording.text == "Saturday, August 19, 2000"
    assert "".join(recording.right) == "2000年8月19日星期六⟨end⟩"
    assert recording.steps == snapshots.default_steps(3500)
    assert [recording.at(step) for step in recording.steps] == recording.snapshots


@pytest.mark.slow
def test_the_first_snapshot_is_of_the_untrained_model_and_the_last_of_the_shipped_one(recording):
    shipped = checkpoints.load(SHIPPED)
    torch.manual_seed(shipped.recipe.training["seed"])
    start, _ = Recipe(shipped.recipe.task, shipped.recipe.sizes).build()
    assert recording.training == shipped.recipe.training
    for model, kept in ((start, recording.snapshots[0]), (shipped.model, recording.snapshots[-1])):
        fresh = snapshots.take(model, shipped.task, kept.step)
        assert fresh.written == kept.written
        assert fresh.accuracy == pytest.approx(kept.accuracy, abs=0.01)
        np.testing.assert_allclose(fresh.probabilities, kept.probabilities, atol=2e-3)
        # The shipped weights are rounded to two bytes, and another machine adds in another order.
        assert (fresh.codes.int() - kept.codes.int()).abs().max() <= 2


def test_the_curve_is_that_of_the_checkpoint_with_more_points_at_its_start(recording):
    curve = checkpoints.load(SHIPPED).recipe.curve
    assert [loss for step, loss in recording.curve if step > 35] == curve[1:]
    assert recording.curve[0][0] == 0
    assert recording.loss(0) == recording.curve[0][1] > 5
    assert recording.loss(3500) == curve[-1]


def test_a_snapshot_holds_what_greedy_decoding_wrote(untrained):
    model, task = untrained
    taken = snapshots.take(model, task, 7)
    assert model.training
    source, right = task.encode([("2000-08-19", "en", "full", "zh")])
    limits = {"start": task.target.start, "end": task.target.end, "max_length": right.shape[1] + 2}
    decoded = greedy_decode(model, source, **limits, need_weights=True)
    assert taken.step == 7
    assert taken.written == task.target.tokens(decoded.ids[0])
    assert np.log(taken.probabilities).sum() == pytest.approx(decoded.scores.item(), abs=0.02)
    np.testing.assert_allclose(taken.cross, decoded.attentions.cross[:, 0], atol=FINEST)
    np.testing.assert_allclose(taken.cross.sum(-1), 1)


def test_an_extra_character_makes_only_itself_wrong(recording):
    def of(text: str) -> Snapshot:
        return Snapshot(0, [*text], [1.0] * len(text), recording.snapshots[0].codes, 0.0)

    written, right = recording.compare(of("20005年8月19日星期六"))
    assert written == [True] * 4 + [False] + [True] * 9
    assert right == [True] * 13 + [False]  # the end is missing
    written, right = recording.compare(of("abc"))
    assert not any(written)
    assert not any(right)


def test_default_steps_grow_by_the_square_root_of_two():
    assert snapshots.default_steps(100) == [0, 32, 45, 64, 91, 100]
    assert snapshots.default_steps(91) == [0, 32, 45, 64, 91]
    assert snapshots.default_steps(32) == [0, 32]
    assert snapshots.default_steps(5) == [0, 5]


def test_a_recording_survives_its_file(untrained, tmp_path):
    model, task = untrained
    taken = [snapshots.take(model, task, step) for step in (0, 3)]
    losses = [1 / (k + 1) for k in range(250)]
    made = snapshots.record(task, {"seed": 5}, losses, taken)
    snapshots.save(tmp_path / "a.npz", made)
    assert [path.name for path in tmp_path.iterdir()] == ["a.npz"]
    back = snapshots.load(tmp_path / "a.npz")
    for name in ("text", "target", "source", "right", "training", "curve"):
        assert getattr(back, name) == getattr(made, name)
    for one, other in zip(back.snapshots, taken, strict=True):
        assert torch.equal(one.codes, other.codes)
        assert (one.step, one.written, one.probabilities) == (other.step, other.written, other.probabilities)
    assert sum(loss for step, loss in made.curve if step > 2) == pytest.approx(
        sum((1 / (k + 1) + 1 / (k + 2) + 1 / (k + 3)) / 3 for k in range(3, 249, 3)) + 1 / 250, abs=1e-3
    )


@pytest.mark.bad_input
def test_bad_names_steps_and_files_are_rejected(recording, tmp_path):
    with pytest.raises(
        ValueError, match="name: wanted one of dates-translate, or the path of a file, got 'x'"
    ):
        snapshots.load("x")
    with pytest.raises(ValueError, match=r"step: got 33, wanted one of 0, 32, 45"):
        recording.at(33)
    whole = (snapshots.FOLDER / f"{SHIPPED}{snapshots.ENDING}").read_bytes()
    broken = tmp_path / "broken.npz"
    for data in (b"", b"half a file", whole[:3000]):
        broken.write_bytes(data)
        with pytest.raises(ValueError, match=r"broken.npz: wanted a recording of a training, got"):
            snapshots.load(broken)
    for header, found in ((b'{"format": "other"}', "other"), (b"{}", "none")):
        np.savez(broken, header=np.frombuffer(header, np.uint8))
        with pytest.raises(ValueError, match=f"its format is {found}, not attnbook-snapshots-1"):
            snapshots.load(broken)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("part", "wrong"), [("text", 5), ("right", "2000"), ("curve", None), ("step", "0"), ("accuracy", None)]
)
def test_fields_of_other_types_are_rejected(recording, tmp_path, part, wrong):
    first = recording.snapshots[0]
    if part in vars(first):
        other = replace(recording, snapshots=[replace(first, **{part: wrong})])
    else:
        other = replace(recording, **{part: wrong})
    snapshots.save(tmp_path / "other.npz", other)
    with pytest.raises(ValueError, match=f"other.npz: wanted a recording .*its {part} is {wrong!r}, not of"):
        snapshots.load(tmp_path / "other.npz")


def test_the_task_decides_the_target(untrained):
    text = "Saturday, August 19, 2000"
    for task, tag, target, right in (
        (untrained[1], ["⟨zh⟩"], "zh", "2000年8月19日星期六"),
        (DateTask(), [], "iso", "2000-08-19"),
    ):
        made = snapshots.record(task, {"seed": 5}, [1.0], [])
        assert (made.text, made.source, made.target) == (text, [*tag, *text], target)
        assert made.right == [*right, "⟨end⟩"]
        assert (made.training, made.curve) == ({"seed": 5}, [[0.0, 1.0]])


def test_the_curve_is_of_the_means_of_a_hundred_intervals_and_of_shorter_ones_at_first():
    curve = snapshots._thin([*map(float, range(10_100))])  # each interval has 101 steps
    assert all(step == loss for step, loss in curve)  # the mean of a range is its middle
    assert curve[:3] == [[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]]
    early = [step for step, _ in curve if step < 101]
    assert len(curve) - len(early) == 99
    assert len(early) == len({round(101 ** (i / 19)) for i in range(20)})
    third = snapshots._thin([0.0, 0.0, 1.0] * 100)[-1]
    assert third == [298.0, 0.333333]
