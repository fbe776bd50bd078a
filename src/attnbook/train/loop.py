"""Training that can be stopped after any step and resumed, with the same result as without the stop."""

import os
import signal
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from attnbook import snapshots
from attnbook.checkpoints import Recipe
from attnbook.data import DateTask
from attnbook.train.processes import Process
from attnbook.training import descend, schedule, token_loss


@dataclass
class Run:
    """Everything that decides what a training produces, and its losses and snapshots so far."""

    task: str
    sizes: dict[str, int | float | bool]
    steps: int
    batch: int
    learning_rate: float
    warmup: int
    clip: float
    seed: int
    snapshots: list[int] = field(default_factory=list)  # the steps to take a snapshot after
    losses: list[float] = field(default_factory=list)
    taken: list[dict] = field(default_factory=list)  # the fields of the snapshots so far

    def settings(self) -> dict:
        """Everything but what the training has reached."""
        return {key: value for key, value in vars(self).items() if key not in ("losses", "taken")}


def train(run: Run, process: Process, state: Path, *, save_every: int, fresh: bool = False) -> nn.Module:
    """Train from the beginning, or resume from the file `state`; returns the model.

    Only the first process reads and writes `state`: every `save_every` steps, when asked to stop, and at the
    end, so that a killed run loses at most the steps since then. `fresh` deletes it first. Raises
    `ValueError`, in all processes, where `state` belongs to a run with other settings.
    """
    if fresh and process.first:
        state.unlink(missing_ok=True)
    torch.manual_seed(run.seed)
    model, task = Recipe(run.task, run.sizes).build()
    model.to(process.device).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=run.learning_rate, betas=(0.9, 0.98))
    _resume(state, run, process, model, optimizer)
    shared = process.wrap(model)
    begun = len(run.losses)
    if begun == 0:
        _take(run, process, model, task)
    losses = (_loss(shared, task, run, step, process) for step in range(begun, run.steps))
    rates = (run.learning_rate * schedule(step, run.steps, run.warmup) for step in range(begun, run.steps))
    options = {"clip": run.clip, "steps": run.steps, "done": begun, "shown": process.first}
    with (
        process.repeatable(),
        _stops() as stopped,
        closing(descend(shared, optimizer, losses, rates, **options)) as taken,
    ):
        for loss in taken:
            run.losses.append(loss)
            done = len(run.losses)
            _take(run, process, model, task)
            asked = torch.tensor(float(bool(stopped)), device=process.device)
            stop = process.all_reduce(asked).item() > 0  # if one stops, all do
            if process.first and (stop or done % save_every == 0 or done == run.steps):
                _save(state, run, model, optimizer)
            if stop:
                raise KeyboardInterrupt
    return model


def _take(run: Run, process: Process, model: nn.Module, task: DateTask) -> None:
    """Take a snapshot, if the run wants one at this step."""
    step = len(run.losses)
    if process.first and step in run.snapshots:
        run.taken.append(vars(snapshots.take(model, task, step)))


def _loss(model: nn.Module, task: DateTask, run: Run, step: int, process: Process) -> tuple[Tensor, float]:
    """This process's part of the step's loss, and the mean over all processes.

    Every id of the whole batch counts the same, however many of them this process has.
    """
    source, target = _batch(task, run, step, process)
    torch.manual_seed(seed_of(run.seed, step, process.rank))  # the dropout of this step
    written = (target[:, 1:] != model.pad).sum()
    weight = written * process.count / process.all_reduce(written.clone())
    loss = token_loss(model, source, target) * weight
    return loss, process.all_reduce(loss.detach() / process.count).item()


def seed_of(*numbers: int) -> int:
    """One seed from several numbers, far from the seeds of neighbouring numbers."""
    mixed = 0
    for number in numbers:
        mixed = (mixed * 6364136223846793005 + number * 1442695040888963407 + 1013904223) % 2**63
    return mixed


def _batch(task: DateTask, run: Run, step: int, process: Process) -> tuple[Tensor, Tensor]:
    """This process's rows of the step's batch; the batch is the same for any number of processes."""
    generator = torch.Generator().manual_seed(seed_of(run.seed, step))
    source, target = task.batch(run.batch, generator, "train")
    rows = slice(process.rank, None, process.count)
    return source[rows].to(process.device), target[rows].to(process.device)


@contextmanager
def _stops() -> Iterator[list[int]]:
    """A list that gets an entry when the program is asked to stop; the current step is finished first."""
    stopped: list[int] = []
    before = {
        name: signal.signal(name, lambda number, _: stopped.append(number))
        for name in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield stopped
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)


def _save(state: Path, run: Run, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    part = state.with_name(state.name + ".part")
    with open(part, "wb") as file:
        reached = {"run": vars(run), "model": model.state_dict(), "optimizer": optimizer.state_dict()}
        torch.save(reached, file)
        file.flush()
        os.fsync(file.fileno())  # on the disk before it replaces the old one
    part.replace(state)


def _resume(
    state: Path, run: Run, process: Process, model: nn.Module, optimizer: torch.optim.Optimizer
) -> None:
    """Resume from the state on the first process's disk; the others may run on other machines."""
    try:
        saved = _read(state, run) if process.first and state.exists() else None
    except ValueError as error:
        saved = error
    saved = process.broadcast(saved)
    if isinstance(saved, ValueError):
        raise saved
    if saved is not None:
        model.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
        run.losses[:] = saved["run"]["losses"]
        run.taken[:] = saved["run"].get("taken", [])


def _read(state: Path, run: Run) -> dict:
    try:
        saved = torch.load(state, weights_only=True, map_location="cpu")
        before = Run(**saved["run"])
    except Exception as error:
        raise ValueError(
            f"{state}: wanted the state of an earlier run, got {error}; begin anew with --fresh"
        ) from None
    for name, value in run.settings().items():
        if (was := before.settings()[name]) != value:
            raise ValueError(f"{state}: is of a run with {name} {was}, not {value}; begin anew with --fresh")
    return saved
