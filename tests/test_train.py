"""`python -m attnbook.train`: stopped, resumed and shared between processes it makes the same model."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from attnbook import checkpoints
from attnbook.train import __main__ as command
from attnbook.train import loop
from attnbook.train.loop import Run, train
from attnbook.train.processes import Process
from attnbook.train.report import measure

SMALL = ["--d-model=16", "--num-heads=2", "--num-layers=1", "--d-ff=16", "--batch=8", "--examples=20"]
SIZES = {"d_model": 16, "num_heads": 2, "num_layers": 1, "d_ff": 16, "dropout": 0.1, "norm_first": True}


def new_run(**other) -> Run:
    settings = {"task": "iso", "sizes": SIZES, "steps": 6, "batch": 8, "learning_rate": 1e-2}
    return Run(**settings | {"warmup": 1, "clip": 1.0, "seed": 3} | other)


def start(*arguments: str, torchrun: int = 0, **options) -> subprocess.Popen:
    """The command in a process of its own, with one thread."""
    runner = (
        ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={torchrun}"] if torchrun else []
    )
    line = [sys.executable, *runner, "-m", "attnbook.train", *SMALL, *arguments]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "TQDM_DISABLE": "1"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(line, env=environment, **pipes, **options)


def finish(process: subprocess.Popen) -> str:
    output, errors = process.communicate(timeout=240)
    assert process.returncode == 0, errors
    return output


def weights(path: Path) -> dict[str, torch.Tensor]:
    return checkpoints.load(path).model.state_dict()


def test_a_run_that_was_stopped_ends_with_the_same_weights(tmp_path, monkeypatch):
    alone = train(new_run(), Process("cpu"), tmp_path / "alone.state", save_every=100)
    stopped, state = new_run(), tmp_path / "stopped.state"

    def stop_in_the_third_step(loss, step):
        if step == 2:
            os.kill(os.getpid(), signal.SIGINT)
        return loss

    monkeypatch.setattr(loop, "check_loss", stop_in_the_third_step)
    with pytest.raises(KeyboardInterrupt):
        train(stopped, Process("cpu"), state, save_every=100)
    monkeypatch.undo()
    assert len(stopped.losses) == 3
    again = new_run()
    resumed = train(again, Process("cpu"), state, save_every=100)
    assert again.losses[:3] == stopped.losses
    assert len(again.losses) == 6
    for name, tensor in alone.state_dict().items():
        assert torch.equal(tensor, resumed.state_dict()[name]), name


def test_a_killed_run_goes_on_from_its_last_safe_point(tmp_path):
    state = tmp_path / "run.state"
    train(new_run(), Process("cpu"), state, save_every=4)  # as if killed after step 4, 5 or 6
    assert len(torch.load(state, weights_only=True)["run"]["losses"]) == 4
    assert [path.name for path in tmp_path.iterdir()] == ["run.state"]  # no half-written file


@pytest.mark.parametrize(
    "other", [{"seed": 4}, {"steps": 7}, {"sizes": SIZES | {"d_ff": 8}}, {"task": "translate"}]
)
def test_the_state_of_another_run_is_refused_unless_told_to_begin_anew(tmp_path, other):
    state = tmp_path / "run.state"
    train(new_run(steps=2), Process("cpu"), state, save_every=1)
    before = state.read_bytes()
    name = next(iter(other))
    run = new_run(**{"steps": 2} | other)
    with pytest.raises(ValueError, match=rf"is of a run with {name} .*--fresh"):
        train(run, Process("cpu"), state, save_every=1)
    assert state.read_bytes() == before
    train(run, Process("cpu"), state, save_every=1, fresh=True)
    assert len(run.losses) == run.steps


def test_a_broken_state_is_refused(tmp_path):
    state = tmp_path / "run.state"
    state.write_bytes(b"half a file")
    with pytest.raises(ValueError, match=r"run.state: wanted the state of an earlier run.*--fresh"):
        train(new_run(), Process("cpu"), state, save_every=1)


def test_two_processes_make_the_losses_of_one(tmp_path):
    options = ["translate", "--steps=5", "--warmup=1", "--save-every=4"]
    one = start(*options, f"--out={tmp_path / 'one.safetensors'}")
    two = start(*options, f"--out={tmp_path / 'two.safetensors'}", torchrun=2)
    finish(one), finish(two)
    first, second = (checkpoints.load(tmp_path / f"{name}.safetensors") for name in ("one", "two"))
    for name, tensor in first.model.state_dict().items():
        torch.testing.assert_close(tensor, second.model.state_dict()[name], atol=2e-3, rtol=0)
    assert len(first.recipe.curve) == 5
    assert first.recipe.curve == pytest.approx(second.recipe.curve, abs=1e-5)


def test_the_command_stops_when_asked_says_so_and_goes_on(tmp_path):
    out = tmp_path / "dates.safetensors"
    options = ["iso", "--steps=2000", "--warmup=1", "--save-every=1", f"--out={out}"]
    process = start(*options)
    state = out.with_suffix(".state")
    while not state.exists():
        assert process.poll() is None, process.communicate()
        os.sched_yield()
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 130, errors
    assert "of 2000 steps; the same command goes on from there" in output
    assert "Traceback" not in errors
    assert not out.exists()
    other = start(*options[:1], "--steps=3", *options[2:])
    _, errors = other.communicate(timeout=120)
    assert other.returncode == 2
    assert "is of a run with steps 2000, not 3" in errors
    assert "Traceback" not in errors


def test_the_command_writes_a_checkpoint_and_its_card(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("TQDM_DISABLE", "1")
    out = tmp_path / "small.safetensors"
    assert command.main(["iso", "--steps=3", "--warmup=0", "--seed=5", *SMALL, f"--out={out}"]) == 0
    assert "% of 20 unseen dates right" in capsys.readouterr().out
    trained = checkpoints.load(out)
    assert trained.recipe.training["seed"] == 5
    assert {"all", "from zh", "from ar"} <= set(trained.recipe.results)
    card = out.with_suffix(".md").read_text("utf8")
    line = next(line for line in card.splitlines() if "python -m attnbook.train" in line)
    for option in ("iso", "--steps=3", "--seed=5", "--d-model=16", "--batch=8"):
        assert option in line
    assert sorted(path.name for path in tmp_path.iterdir()) == ["small.md", "small.safetensors"]
    before = weights(out)
    assert command.main([*line.split()[3:], "--examples=20", f"--out={out}"]) == 0  # the card's own command
    assert all(torch.equal(tensor, weights(out)[name]) for name, tensor in before.items())


def test_help_shows_every_option(capsys):
    with pytest.raises(SystemExit) as stopped:
        command.main(["--help"])
    assert stopped.value.code == 0
    shown = capsys.readouterr().out
    assert all(option in shown for option in ("--seed", "--fresh", "--save-every", "torchrun"))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["english"], "invalid choice: 'english'"),
        (["iso", "--steps", "0"], "--steps: wanted a whole number of at least 1, got '0'"),
        (["iso", "--steps", "many"], "--steps: wanted a whole number of at least 1, got 'many'"),
        (["iso", "--learning-rate", "0"], "--learning-rate: wanted a number above 0, got '0'"),
        (["iso", "--learning-rate", "nan"], "--learning-rate: wanted a number above 0, got 'nan'"),
        (["iso", "--dropout", "1"], "--dropout: wanted a number of at least 0 and below 1, got '1'"),
        (["iso", "--warmup", "10", "--steps", "10"], "--warmup: wanted less than --steps 10, got 10"),
        (
            ["iso", "--d-model", "10", "--num-heads", "4"],
            "--num-heads: wanted a divisor of --d-model 10, got 4",
        ),
        (["iso", "--out", "/nowhere/x.safetensors"], "--out: the folder /nowhere does not exist"),
        (["iso", "--speed", "9"], "unrecognized arguments: --speed 9"),
    ],
)
def test_bad_options_are_named_and_nothing_runs(options, words, capsys):
    with pytest.raises(SystemExit) as stopped:
        command.main(options)
    assert stopped.value.code == 2
    assert words in capsys.readouterr().err


def test_the_curve_has_the_means_of_equal_stretches():
    assert command.curve([4.0, 2.0, 1.0], points=2) == [3.0, 1.0]
    assert command.curve([4.0, 2.0, 1.0]) == [4.0, 2.0, 1.0]


def test_measure_counts_by_language_and_target():
    model, task = checkpoints.Recipe("translate", SIZES).build()
    shares = measure(model, task, 40, seed=0)
    assert set(shares) == {
        "all",
        *(f"from {name}" for name in task.languages),
        *(f"to {name}" for name in task.targets),
    }
    assert shares["all"] == 0
