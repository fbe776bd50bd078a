"""`python -m attnbook.train`: stopping, resuming and several processes don't change the model."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch

from attnbook import checkpoints, snapshots, training
from attnbook.data import DateTask
from attnbook.data.dates import dates_in
from attnbook.train import __main__ as command
from attnbook.train import loop, report
from attnbook.train.loop import Run, train
from attnbook.train.processes import Process
from attnbook.train.report import measure

pytestmark = pytest.mark.slow

SMALL = ["--d-model=16", "--num-heads=2", "--num-layers=1", "--d-ff=16", "--batch=8", "--examples=20"]
SMALL += ["--device=cpu"]  # there isn't one GPU per process
SIZES = {"d_model": 16, "num_heads": 2, "num_layers": 1, "d_ff": 16, "dropout": 0.1, "norm_first": True}


def new_run(**other) -> Run:
    settings = {"task": "iso", "sizes": SIZES, "steps": 6, "batch": 8, "learning_rate": 1e-2}
    return Run(**settings | {"warmup": 1, "clip": 1.0, "seed": 3} | other)


def start(*arguments: str, program: tuple[str, ...] = ("-m", "attnbook.train")) -> subprocess.Popen:
    """Start the command in separate processes with one thread each."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "TQDM_DISABLE": ""}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, *program, *arguments, *SMALL], env=environment, **pipes)


def finish(process: subprocess.Popen) -> str:
    output, errors = process.communicate(timeout=240)
    assert process.returncode == 0, errors
    return output


def at_step(which: int, act: Callable[[], None]) -> Callable:
    """A replacement for `require_finite_loss` that acts at this step."""

    def check(loss, step):
        if step == which:
            act()

    return check


def ask_to_stop(number=signal.SIGINT):
    os.kill(os.getpid(), number)


def interrupt(*_):
    raise KeyboardInterrupt


def die():
    raise RuntimeError("killed")


def shown_steps(errors: str) -> list[str]:
    """The counts a progress bar has shown, such as 3/6."""
    return re.findall(r"\d+/\d+", errors)


def assert_same_weights(path: Path, other: Path) -> None:
    one, two = (checkpoints.load(each).model.state_dict() for each in (path, other))
    assert [name for name in two if not torch.equal(one[name], two[name])] == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_and_resumed_run_ends_with_the_same_weights(tmp_path, monkeypatch, number):
    alone = train(new_run(), Process("cpu"), tmp_path / "alone.state", save_every=100)
    stopped, state = new_run(), tmp_path / "stopped.state"
    monkeypatch.setattr(training, "require_finite_loss", at_step(2, partial(ask_to_stop, number)))
    kept = signal.signal(number, interrupt)  # would stop in the middle of the step
    with pytest.raises(KeyboardInterrupt):
        train(stopped, Process("cpu"), state, save_every=100)
    assert signal.signal(number, kept) is interrupt
    monkeypatch.undo()
    assert len(stopped.losses) == 3
    again = new_run()
    resumed = train(again, Process("cpu"), state, save_every=100)
    assert again.losses[:3] == stopped.losses
    assert len(again.losses) == 6
    for name, tensor in alone.state_dict().items():
        assert torch.equal(tensor, resumed.state_dict()[name]), name


def test_a_resumed_run_has_the_snapshots_of_both_parts(tmp_path, monkeypatch):
    def take(model, task, step):
        assert isinstance(task, DateTask)
        return snapshots.Snapshot(step, ["a"], [0.5], torch.zeros(1, 1, 1, 1, dtype=torch.uint8), model.pad)

    monkeypatch.setattr(snapshots, "take", take)
    state = tmp_path / "run.state"
    with monkeypatch.context() as patched:
        patched.setattr(training, "require_finite_loss", at_step(2, ask_to_stop))
        with pytest.raises(KeyboardInterrupt):
            train(new_run(snapshots=[0, 2, 5]), Process("cpu"), state, save_every=100)
    again = new_run(snapshots=[0, 2, 5])
    train(again, Process("cpu"), state, save_every=100)
    assert [fields["step"] for fields in again.taken] == [0, 2, 5]


def test_a_run_goes_on_from_a_state_that_has_no_snapshots(tmp_path):
    state = tmp_path / "run.state"
    train(new_run(steps=2), Process("cpu"), state, save_every=1)
    saved = torch.load(state, weights_only=True)
    del saved["run"]["taken"], saved["run"]["snapshots"]
    torch.save(saved, state)
    again = new_run(steps=2)
    train(again, Process("cpu"), state, save_every=1)
    assert (again.losses, again.taken) == (saved["run"]["losses"], [])


def test_every_step_seed_and_process_has_dropout_of_its_own(monkeypatch):
    seeds, process = [], Process("cpu")
    model, task = checkpoints.Recipe("iso", SIZES).build()
    monkeypatch.setattr(torch, "manual_seed", seeds.append)
    for seed in (3, 4):
        for step in (0, 1):
            for process.rank in (0, 1):
                loop._loss(model, task, new_run(seed=seed), step, process)
    assert len(set(seeds)) == len(seeds) == 8
    some = {loop.seed_of(seed, step) for seed in range(20) for step in range(50)}
    assert len(some) == 1000
    assert all(0 <= seed < 2**63 for seed in some)


def test_the_optimizer_has_the_papers_betas(tmp_path, monkeypatch):
    made, adam = [], torch.optim.Adam
    monkeypatch.setattr(
        torch.optim, "Adam", lambda *given, **options: made.append(options) or adam(*given, **options)
    )
    train(new_run(steps=2), Process("cpu"), tmp_path / "run.state", save_every=1)
    assert made == [{"lr": 1e-2, "betas": (0.9, 0.98)}]


def test_the_learning_rate_follows_its_schedule_after_a_stop_too(tmp_path, monkeypatch):
    rates, update = [], training.update

    def recorded(*arguments, learning_rate, clip):
        rates.append(learning_rate)
        update(*arguments, learning_rate=learning_rate, clip=clip)

    monkeypatch.setattr(training, "update", recorded)
    state = tmp_path / "run.state"
    with monkeypatch.context() as patched:
        patched.setattr(training, "require_finite_loss", at_step(2, ask_to_stop))
        with pytest.raises(KeyboardInterrupt):
            train(new_run(), Process("cpu"), state, save_every=100)
    train(new_run(), Process("cpu"), state, save_every=100)
    assert rates == [1e-2 * training.schedule(step, 6, 1) for step in range(6)]


def test_every_step_and_seed_has_a_batch_that_processes_divide():
    task, process = DateTask(), Process("cpu")

    def batch(step=2, **settings):
        return loop._batch(task, new_run(**settings), step, process)

    source, target = batch()
    assert torch.equal(batch()[0], source)
    assert batch(step=3)[0].tolist() != source.tolist()
    assert batch(seed=4)[0].tolist() != source.tolist()
    process.count = 2
    for process.rank in (0, 1):
        assert torch.equal(batch()[0], source[process.rank :: 2])
        assert torch.equal(batch()[1], target[process.rank :: 2])


def test_every_id_of_a_batch_counts_the_same_in_two_processes(monkeypatch):
    # Translations differ in length, so the two processes have different numbers of ids.
    run, process = new_run(task="translate", sizes=SIZES | {"dropout": 0.0}), Process("cpu")
    model, task = checkpoints.Recipe("translate", run.sizes).build()
    source, target = loop._batch(task, run, 0, process)
    whole = training.token_loss(model, source, target)
    count = (target[:, 1:] != model.pad).sum()
    # The count of ids is summed over both processes, and the reported losses are summed below.
    monkeypatch.setattr(process, "all_reduce", lambda number: number if number.is_floating_point() else count)
    process.count, parts, reported = 2, [], []
    for process.rank in (0, 1):
        loss, number = loop._loss(model, task, run, 0, process)
        parts.append(loss)
        reported.append(number)
    torch.testing.assert_close(sum(parts) / 2, whole)  # gradients are averaged over the processes
    assert sum(reported) == pytest.approx(whole.item())


def test_a_killed_run_resumes_from_the_last_save(tmp_path, monkeypatch):
    state = tmp_path / "run.state"
    monkeypatch.setattr(training, "require_finite_loss", at_step(5, die))
    with pytest.raises(RuntimeError, match="killed"):
        train(new_run(), Process("cpu"), state, save_every=4)
    assert len(torch.load(state, weights_only=True)["run"]["losses"]) == 4
    assert [path.name for path in tmp_path.iterdir()] == ["run.state"]  # no half-written file


def test_the_last_step_is_saved(tmp_path):
    state = tmp_path / "run.state"
    train(new_run(), Process("cpu"), state, save_every=4)
    assert len(torch.load(state, weights_only=True)["run"]["losses"]) == 6


def test_a_fresh_run_deletes_the_old_state_at_once(tmp_path, monkeypatch):
    state = tmp_path / "run.state"
    train(new_run(), Process("cpu"), state, save_every=4, fresh=True)  # there may be none
    monkeypatch.setattr(training, "require_finite_loss", at_step(0, die))
    with pytest.raises(RuntimeError, match="killed"):
        train(new_run(), Process("cpu"), state, save_every=4, fresh=True)
    assert not state.exists()


@pytest.mark.parametrize("task", ["iso", "translate"])
def test_it_trains_on_the_train_split_only(tmp_path, monkeypatch, task):
    drawn, example = [], DateTask.example

    def noted(self, date, *others):
        drawn.append(date)
        return example(self, date, *others)

    monkeypatch.setattr(DateTask, "example", noted)
    train(new_run(task=task, steps=2, batch=64), Process("cpu"), tmp_path / "run.state", save_every=100)
    assert len(drawn) == 2 * 64
    assert set(drawn) <= set(dates_in("train"))


def test_each_device_learns_the_same_and_resumes(tmp_path, monkeypatch, device):
    exact = {"sizes": SIZES | {"dropout": 0.0}}
    on_cpu, whole, run = (new_run(**exact) for _ in range(3))
    train(on_cpu, Process("cpu"), tmp_path / "cpu.state", save_every=100)
    undisturbed = train(whole, Process(device), tmp_path / "whole.state", save_every=100).state_dict()
    monkeypatch.setattr(training, "require_finite_loss", at_step(2, ask_to_stop))
    with pytest.raises(KeyboardInterrupt):
        train(run, Process(device), tmp_path / "run.state", save_every=100)
    monkeypatch.undo()
    model = train(run, Process(device), tmp_path / "run.state", save_every=100)
    assert next(model.parameters()).device.type == device
    assert run.losses == whole.losses == pytest.approx(on_cpu.losses, abs=1e-3)
    assert all(torch.equal(weights, undisturbed[name]) for name, weights in model.state_dict().items())


def test_rank_0_shows_a_progress_bar_that_starts_where_the_run_resumes(tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    line = ["iso", "--steps=6", "--warmup=0", *SMALL, f"--out={tmp_path / 'small.safetensors'}"]
    with monkeypatch.context() as stopping:
        stopping.setattr(training, "require_finite_loss", at_step(2, ask_to_stop))
        assert command.main(line) == 130
    assert shown_steps(capsys.readouterr().err)[0] == "0/6"
    assert command.main(line) == 0
    assert shown_steps(capsys.readouterr().err)[0] == "3/6"
    monkeypatch.setenv("RANK", "1")
    assert command.main(line) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "other", [{"seed": 4}, {"steps": 7}, {"sizes": SIZES | {"d_ff": 8}}, {"task": "translate"}]
)
def test_the_state_of_another_run_is_rejected_unless_fresh(tmp_path, other):
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


def test_a_broken_state_is_rejected(tmp_path):
    state = tmp_path / "run.state"
    state.write_bytes(b"half a file")
    with pytest.raises(ValueError, match=r"run.state: wanted the state of an earlier run.*--fresh"):
        train(new_run(), Process("cpu"), state, save_every=1)


class Command:
    """Unpickled by a careless reader, it makes a folder."""

    def __init__(self, folder: Path):
        self.folder = str(folder)

    def __reduce__(self):
        return os.mkdir, (self.folder,)


def test_a_state_runs_no_code(tmp_path):
    state, folder = tmp_path / "run.state", tmp_path / "made"
    torch.save(Command(folder), state)
    with pytest.raises(ValueError, match=r"run.state: wanted the state of an earlier run"):
        train(new_run(), Process("cpu"), state, save_every=1)
    assert not folder.exists()


# One of two machines, each with its own folder. It records its steps and can be told to stop at one.
MACHINE = """
import os, signal, sys
from attnbook import training
from attnbook.train import __main__ as command

rank, stop = os.environ["RANK"], int(sys.argv[1])
os.chdir(rank)
sys.stderr = open("errors", "w")
require_finite_loss = training.require_finite_loss

def noted(loss, step):
    with open("steps", "a") as steps:
        print(step, file=steps)
    if (rank, step) == ("1", stop):
        os.kill(os.getpid(), signal.SIGINT)
    require_finite_loss(loss, step)

training.require_finite_loss = noted
code = command.main(sys.argv[2:])
with open("code", "w") as file:
    file.write(str(code))
"""


@pytest.fixture
def machines(tmp_path, monkeypatch):
    """The folders of two machines; the second has a state file that must not be read."""
    monkeypatch.chdir(tmp_path)
    Path("machine.py").write_text(MACHINE)
    folders = [Path("0"), Path("1")]
    for folder in folders:
        folder.mkdir()
    Path("1/run.state").write_bytes(b"of something else")
    return folders


TRANSLATE = ["translate", "--steps=5", "--warmup=1"]


def on_both(*, stop: int = -1) -> str:
    """The command's output on both machines; the second is told to stop at this step."""
    torchrun = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "machine.py", str(stop))
    output = finish(start(*TRANSLATE, "--save-every=100", "--out=run.safetensors", program=torchrun))
    assert Path("1/run.state").read_bytes() == b"of something else"
    return output


def test_two_machines_resume_from_the_first_ones_disk_with_the_losses_of_one_machine(machines):
    def noted(name: str) -> list[list[str]]:
        return [(folder / name).read_text().split() for folder in machines]

    assert "Stopped after 3 of 5 steps; run the same command to continue" in on_both(stop=2)
    assert noted("code") == [["130"], ["130"]]
    assert noted("steps") == [["0", "1", "2"]] * 2
    on_both()
    assert noted("code") == [["0"], ["0"]]
    assert noted("steps") == [["0", "1", "2", "3", "4"]] * 2
    first, second = ((folder / "errors").read_text() for folder in machines)
    assert shown_steps(first)[0] == "3/5"
    assert second == ""  # no progress bar
    assert command.main([*TRANSLATE, *SMALL, "--out=alone.safetensors"]) == 0
    alone, both = checkpoints.load("alone.safetensors"), checkpoints.load("0/run.safetensors")
    assert len(alone.recipe.curve) == 5
    assert alone.recipe.curve == pytest.approx(both.recipe.curve, abs=1e-5)
    for name, tensor in alone.model.state_dict().items():
        torch.testing.assert_close(tensor, both.model.state_dict()[name], atol=2e-3, rtol=0)


def test_two_machines_reject_a_state_that_the_first_cannot_read(machines):
    first, second = machines
    (first / "run.state").write_bytes(b"half a file")
    on_both()
    assert [(folder / "code").read_text() for folder in machines] == ["2", "2"]
    assert "run.state: wanted the state of an earlier run" in (first / "errors").read_text()
    assert (second / "errors").read_text() == ""
    assert not (first / "steps").exists()


@pytest.mark.trains
def test_the_command_stops_on_a_signal_and_resumes(tmp_path):
    whole, out = tmp_path / "whole.safetensors", tmp_path / "dates.safetensors"
    options, state = ["iso", "--steps=200", "--warmup=1"], out.with_suffix(".state")
    line = [*options, "--save-every=1", f"--out={out}"]
    process = start(*line)
    while not state.exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    assert re.search(r"^Stopped after \d+ of 200 steps; run the same command to continue\.$", output, re.M)
    assert not out.exists()
    assert command.main([*line, *SMALL]) == 0
    assert command.main([*options, *SMALL, f"--out={whole}"]) == 0
    assert checkpoints.load(out).recipe == checkpoints.load(whole).recipe  # all losses and results
    assert_same_weights(out, whole)


def test_the_command_rejects_the_state_of_another_run(tmp_path, monkeypatch, capsys):
    out = f"--out={tmp_path / 'dates.safetensors'}"
    monkeypatch.setattr(training, "require_finite_loss", at_step(1, ask_to_stop))
    assert command.main(["iso", "--steps=4", "--warmup=0", *SMALL, out]) == 130
    assert command.main(["iso", "--steps=4", "--warmup=0", *SMALL, out, "--fresh"]) == 130
    assert "; run the same command without --fresh to continue." in capsys.readouterr().out
    assert command.main(["iso", "--steps=3", "--warmup=0", *SMALL, out]) == 2
    assert "is of a run with steps 4, not 3; begin anew with --fresh" in capsys.readouterr().err


def test_a_stop_during_the_final_test_loses_nothing(tmp_path, monkeypatch, capsys):
    out = tmp_path / "small.safetensors"
    line = ["iso", "--steps=3", "--warmup=0", *SMALL, f"--out={out}"]
    monkeypatch.setattr(command, "measure", interrupt)
    assert command.main(line) == 130
    assert "Stopped after 3 of 3 steps; run the same command to continue" in capsys.readouterr().out
    monkeypatch.undo()
    monkeypatch.setattr(training, "require_finite_loss", lambda *_: die())  # no steps are left
    assert command.main(line) == 0
    assert "% of 20 held-out dates correct" in capsys.readouterr().out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["small.md", "small.safetensors"]


def test_the_command_writes_a_checkpoint_and_its_model_card(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("TQDM_DISABLE", "1")
    out = tmp_path / "small.safetensors"
    assert command.main(["iso", "--steps=3", "--warmup=0", "--seed=5", *SMALL, f"--out={out}"]) == 0
    assert "% of 20 held-out dates correct" in capsys.readouterr().out
    trained = checkpoints.load(out)
    assert trained.recipe.training["seed"] == 5
    assert {"all", "from zh", "from ar"} <= set(trained.recipe.results)
    card = out.with_suffix(".md").read_text("utf8")
    line = next(line for line in card.splitlines() if "python -m attnbook.train" in line)
    for option in ("iso", "--steps=3", "--seed=5", "--d-model=16", "--batch=8"):
        assert option in line
    assert sorted(path.name for path in tmp_path.iterdir()) == ["small.md", "small.safetensors"]
    before = out.rename(tmp_path / "before.safetensors")
    again = [*line.split()[3:], "--examples=20", "--device=cpu", f"--out={out}"]
    assert command.main(again) == 0  # the card's own command
    assert_same_weights(out, before)


DEFAULTS = {"batch": 128, "learning_rate": 2e-3, "warmup": 200, "clip": 1.0, "dropout": 0.0, "seed": 0}
DEFAULTS |= {"d_model": 96, "num_heads": 4, "num_layers": 2, "d_ff": 256}
DEFAULTS |= {"save_every": 250, "examples": 3000, "device": "auto", "fresh": False}
DEFAULTS |= {"snapshots": None, "snapshot_steps": None}


@pytest.mark.parametrize(("task", "steps"), [("iso", 2000), ("translate", 3500)])
def test_the_defaults_are_those_of_the_shipped_models(tmp_path, monkeypatch, task, steps):
    monkeypatch.chdir(tmp_path)
    out = Path(f"dates-{task}.safetensors")
    chosen = command.parse([task])
    assert vars(chosen) == DEFAULTS | {"task": task, "steps": steps, "out": out}
    sizes = {name: DEFAULTS[name] for name in ("d_model", "num_heads", "num_layers", "d_ff", "dropout")}
    settings = {name: DEFAULTS[name] for name in ("batch", "learning_rate", "warmup", "clip", "seed")}
    assert command.run_of(chosen) == Run(task, sizes | {"norm_first": True}, steps, **settings)


WHOLE = [
    "steps",
    "batch",
    "warmup",
    "seed",
    "d-model",
    "num-heads",
    "num-layers",
    "d-ff",
    "save-every",
    "examples",
]


@pytest.mark.parametrize("option", [*WHOLE, "learning-rate", "clip", "dropout"])
def test_every_number_is_read_and_checked(tmp_path, monkeypatch, capsys, option):
    monkeypatch.chdir(tmp_path)
    least = 0 if option in ("warmup", "seed", "dropout") else 1
    chosen = command.parse(["iso", "--num-heads=1", "--warmup=0", f"--{option}={least}"])
    assert vars(chosen)[option.replace("-", "_")] == least
    for wrong in ("x", "-1", "nan", *(["1.5"] if option in WHOLE else [])):
        with pytest.raises(SystemExit):
            command.parse(["iso", f"--{option}={wrong}"])
        assert f"argument --{option}: wanted a" in capsys.readouterr().err


@pytest.mark.parametrize("steps", [[7], [0, 300]])
def test_snapshot_steps_may_be_one_or_reach_to_the_end(tmp_path, monkeypatch, steps):
    monkeypatch.chdir(tmp_path)
    option = f"--snapshot-steps={','.join(map(str, steps))}"
    chosen = command.parse(["iso", "--steps=300", "--snapshots=a.npz", option])
    assert command.run_of(chosen).snapshots == steps


def test_processes_divide_the_batch(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WORLD_SIZE", "3")
    assert command.parse(["iso", "--batch=6"]).batch == 6
    with pytest.raises(SystemExit):
        command.parse(["iso"])
    assert "argument --batch: wanted a multiple of the 3 processes" in capsys.readouterr().err


def test_help_shows_every_option(capsys):
    with pytest.raises(SystemExit) as stopped:
        command.main(["--help"])
    assert stopped.value.code == 0
    shown = capsys.readouterr().out
    actions = command.command_line()._actions
    assert len(actions) > 15
    for action in actions:
        assert action.help, action.dest
        for option in action.option_strings or action.choices:
            assert re.search(rf"(?<![\w-]){option}(?![\w-])", shown), option
    assert "torchrun" in shown
    assert "power cut" in shown


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
        (["iso", "--out="], "--out: wanted a file that ends in .safetensors, got ''"),
        (["iso", "--out=."], "--out: wanted a file that ends in .safetensors, got '.'"),
        (["iso", "--out=a.md"], "--out: wanted a file that ends in .safetensors, got 'a.md'"),
        (["iso", "--out=x.state"], "--out: wanted a file that ends in .safetensors, got 'x.state'"),
        (
            ["iso", f"--out={'x' * 300}.safetensors"],
            "--out: cannot write there: File name too long",
        ),
        (["iso", "--snapshots=a.txt"], "--snapshots: wanted a file that ends in .npz, got 'a.txt'"),
        (["iso", "--snapshots=/nowhere/a.npz"], "--snapshots: the folder /nowhere does not exist"),
        (["iso", "--snapshot-steps=0,5"], "--snapshot-steps: wanted --snapshots FILE with it"),
        (
            ["iso", "--snapshots=a.npz", "--snapshot-steps=5,2"],
            "--snapshot-steps: wanted steps in rising order, such as 0,10,100, got '5,2'",
        ),
        (["iso", "--snapshots=a.npz", "--snapshot-steps=many"], "--snapshot-steps: wanted steps in rising"),
        (
            ["iso", "--steps=300", "--snapshots=a.npz", "--snapshot-steps=0,10,301"],
            "--snapshot-steps: wanted at most --steps 300, got 301",
        ),
        (["iso", "--snapshots=a.npz", "--snapshot-steps=5,5"], "--snapshot-steps: wanted steps in rising"),
        (["iso", "--snapshots=a.npz", "--snapshot-steps=-1"], "--snapshot-steps: wanted steps in rising"),
        (["iso", "--device=gpu"], "--device: invalid choice: 'gpu'"),
        (["iso", "--speed", "9"], "unrecognized arguments: --speed 9"),
    ],
)
def test_bad_options_are_named_before_anything_runs(options, words, capsys):
    with pytest.raises(SystemExit) as stopped:
        command.main(options)
    assert stopped.value.code == 2
    assert words in capsys.readouterr().err


def test_a_folder_is_rejected_as_checkpoint(tmp_path, capsys):
    folder = tmp_path / "a.safetensors"
    folder.mkdir()
    with pytest.raises(SystemExit):
        command.main(["iso", f"--out={folder}"])
    assert f"--out: wanted a file, got the folder '{folder}'" in capsys.readouterr().err


def test_an_unwritable_folder_is_rejected_before_training(tmp_path, monkeypatch, capsys):
    create = tempfile.NamedTemporaryFile

    def refuse(dir=None, **options):
        if dir == tmp_path:
            raise PermissionError(13, "Permission denied", str(dir))
        return create(dir=dir, **options)

    monkeypatch.setattr(tempfile, "NamedTemporaryFile", refuse)  # root may write anywhere
    with pytest.raises(SystemExit):
        command.parse(["iso", f"--out={tmp_path / 'a.safetensors'}"])
    assert "--out: cannot write there: Permission denied" in capsys.readouterr().err


def test_cuda_is_rejected_on_a_machine_without_it(monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SystemExit):
        command.main(["iso", "--device=cuda"])
    assert "argument --device: got cuda, but torch finds no CUDA device" in capsys.readouterr().err


@pytest.mark.parametrize("device", ["auto", "cuda"])
def test_more_processes_than_gpus_are_rejected(monkeypatch, capsys, device):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setenv("LOCAL_RANK", "2")
    with pytest.raises(SystemExit):
        command.main(["iso", f"--device={device}"])
    words = "argument --device: wanted a GPU for each process on this machine, got 2 for at least 3"
    assert words in capsys.readouterr().err


def test_each_process_uses_its_own_gpu(monkeypatch):
    chosen = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert Process("auto").device == torch.device("cuda", 1)
    assert chosen == [torch.device("cuda", 1)]
    assert Process("cpu").device == torch.device("cpu")
    assert len(chosen) == 1
    monkeypatch.delenv("LOCAL_RANK")
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":16:8")
    assert Process("cuda").device == torch.device("cuda", 0)
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":16:8"  # the user's own setting stays
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG")
    Process("cuda")
    assert os.environ.pop("CUBLAS_WORKSPACE_CONFIG") == ":4096:8"


def test_a_process_alone_starts_no_group(monkeypatch):
    monkeypatch.delenv("RANK", raising=False)
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    process, model = Process("cpu"), torch.nn.Linear(1, 1)
    assert (process.rank, process.count, process.first) == (0, 1, True)
    assert process.wrap(model) is model
    assert process.broadcast("state") == "state"
    assert process.all_reduce(torch.tensor(3.0)).item() == 3
    process.close()


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_several_processes_form_a_group(monkeypatch, device):
    calls = []
    for name in ("init_process_group", "all_reduce", "broadcast_object_list", "destroy_process_group"):
        monkeypatch.setattr(
            torch.distributed, name, lambda *given, name=name, **options: calls.append((name, given, options))
        )
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", lambda chosen: None)
    for name, value in {"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    process, number = Process(device), torch.tensor(3.0)
    assert (process.rank, process.count, process.first) == (1, 2, False)
    process.all_reduce(number)
    process.broadcast("state")
    process.close()
    assert calls == [
        ("init_process_group", ("gloo" if device == "cpu" else "nccl",), {}),
        ("all_reduce", (number,), {}),
        ("broadcast_object_list", (["state"],), {"src": 0}),
        ("destroy_process_group", (), {}),
    ]


def test_snapshots_leave_the_weights_alone_and_outlast_a_stop(tmp_path, monkeypatch, capsys):
    """With and without them, in one go or resumed: the same weights, and the same recording."""
    monkeypatch.setattr(snapshots, "EXAMPLES", 10)
    line = ["translate", "--steps=5", "--warmup=1", "--dropout=0.1", "--save-every=1", *SMALL]
    paths = {name: tmp_path / f"{name}.safetensors" for name in ("plain", "whole", "resumed")}
    record = {name: f"--snapshots={tmp_path / name}.npz" for name in paths}
    assert command.main([*line, f"--out={paths['plain']}"]) == 0
    when = "--snapshot-steps=0,2,4,5"
    assert command.main([*line, f"--out={paths['whole']}", record["whole"], when]) == 0
    for stop in (1, 3):
        with monkeypatch.context() as patched:
            patched.setattr(training, "require_finite_loss", at_step(stop, ask_to_stop))
            assert command.main([*line, f"--out={paths['resumed']}", record["resumed"], when]) == 130
    for other in ([], [record["resumed"], "--snapshot-steps=0,5"]):
        assert command.main([*line, f"--out={paths['resumed']}", *other]) == 2
        assert "is of a run with snapshots [0, 2, 4, 5], not [" in capsys.readouterr().err
    assert command.main([*line, f"--out={paths['resumed']}", record["resumed"], when]) == 0
    for name in ("whole", "resumed"):
        assert_same_weights(paths[name], paths["plain"])
    files = [(tmp_path / f"{name}.npz").read_bytes() for name in ("whole", "resumed")]
    assert files[0] == files[1]
    assert not (tmp_path / "plain.npz").exists()
    recording = snapshots.load(tmp_path / "whole.npz")
    assert recording.steps == [0, 2, 4, 5]
    assert recording.training["steps"] == 5


def test_snapshots_of_the_task_without_targets_are_of_the_same_date(tmp_path, monkeypatch):
    monkeypatch.setattr(snapshots, "EXAMPLES", 10)
    file = tmp_path / "iso.npz"
    line = ["iso", "--steps=2", "--warmup=0", *SMALL, f"--out={tmp_path / 'iso.safetensors'}"]
    assert command.main([*line, f"--snapshots={file}"]) == 0
    recording = snapshots.load(file)
    assert recording.steps == [0, 2]
    assert recording.training["steps"] == 2
    assert recording.text == "Saturday, August 19, 2000"
    assert (recording.target, "".join(recording.right)) == ("iso", "2000-08-19⟨end⟩")


def test_the_curve_has_the_means_of_equal_intervals():
    assert command.curve([4.0, 2.0, 1.0], points=2) == [3.0, 1.0]
    assert command.curve([4.0, 2.0, 1.0]) == [4.0, 2.0, 1.0]
    assert command.curve([1.0, 0.0, 0.0], points=1) == [0.333333]
    assert len(command.curve([1.0] * 101)) == 51  # of two steps each: at most a hundred


def test_results_are_shares_in_the_checkpoint_and_percentages_for_readers(tmp_path, monkeypatch, capsys):
    out = tmp_path / "small.safetensors"
    monkeypatch.setattr(command, "measure", lambda *_: {"all": 0.12345678, "from de": 1.0})
    assert command.main(["iso", "--steps=2", "--warmup=0", *SMALL, f"--out={out}"]) == 0
    recipe = checkpoints.load(out).recipe
    assert recipe.results == {"all": 0.123457, "from de": 1.0}
    assert len(recipe.curve) == recipe.training["steps"] == 2
    assert "taken" not in recipe.training
    assert "| all | 12.35 % |" in out.with_suffix(".md").read_text("utf8")
    assert f"{out}: 12.35 % of 20 held-out dates correct" in capsys.readouterr().out


def test_measure_takes_every_example_once_and_gives_fractions(monkeypatch):
    """Every German date counts as correct, and no other; 600 examples are more than two batches."""
    task = DateTask(languages=["de", "en"])
    german, splits, drawn, sample = set(), [], [], task.sample

    def recorded(size, generator, split):
        splits.append(split)
        rows = sample(size, generator, split)
        drawn.append(rows)
        german.update(i for i, row in enumerate(rows) if row[1] == "de")
        return rows

    seen = []

    def correct(model, source, target):
        start = sum(map(len, seen))
        seen.append(source)
        return torch.tensor([start + i in german for i in range(len(source))])

    monkeypatch.setattr(task, "sample", recorded)
    monkeypatch.setattr(report, "matches", correct)
    results = measure(torch.nn.Identity(), task, 600, seed=0)
    assert list(results) == ["all", "from de", "from en"]
    assert (results["from de"], results["from en"]) == (1, 0)
    assert results["all"] == len(german) / 600
    assert sum(map(len, seen)) == 600
    german.clear()
    seen.clear()
    measure(torch.nn.Identity(), task, 5, seed=0, split="validation")
    assert splits == ["test", "validation"]
    for seed in (0, 0, 1):
        measure(torch.nn.Identity(), task, 5, seed)
    assert drawn[2] == drawn[3] != drawn[4]  # the seed decides which dates are drawn


def test_the_model_card_lists_sizes_settings_and_results():
    recipe = checkpoints.Recipe(
        "iso", {"d_model": 16, "num_heads": 2}, {"steps": 6, "seed": 3}, {"all": 0.5, "from de": 0.25}
    )
    card = report.card(Path("folder/dates-iso.safetensors"), recipe, "python -m attnbook.train iso")
    assert card.startswith("# dates-iso\n")
    assert "(d_model 16, num_heads 2), trained on DateTask:\nRead a date in one of several languages" in card
    assert "\n    python -m attnbook.train iso\n" in card
    assert "|:--|--:|\n| steps | 6 |\n| seed | 3 |\n" in card
    assert "|:--|--:|\n| all | 50.00 % |\n| from de | 25.00 % |\n" in card


def test_measure_counts_by_language_and_target():
    model, task = checkpoints.Recipe("translate", SIZES).build()
    shares = measure(model, task, 40, seed=0)
    assert set(shares) == {
        "all",
        *(f"from {name}" for name in task.languages),
        *(f"to {name}" for name in task.targets),
    }
    assert shares["all"] == 0
