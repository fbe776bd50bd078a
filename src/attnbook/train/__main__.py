"""The command line: `python -m attnbook.train iso` or `translate`."""

import argparse
import math
import os
import shlex
import sys
import tempfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

from torch import nn

from attnbook import checkpoints, snapshots
from attnbook.checkpoints import TASKS, Recipe
from attnbook.train.loop import Run, train
from attnbook.train.processes import Process, find_device
from attnbook.train.report import card, measure

SIZES = {"d_model": 96, "num_heads": 4, "num_layers": 2, "d_ff": 256}
STEPS = {"iso": 2000, "translate": 3500}


def command_line() -> argparse.ArgumentParser:
    """The argument parser."""
    parser = argparse.ArgumentParser(
        prog="python -m attnbook.train",
        description="Train the book's Transformer to read dates in nine languages.",
        epilog="Ctrl-C saves the state and stops; a kill or a power cut loses at most --save-every steps. "
        "Run the same command to continue. To train with several processes: "
        "torchrun --nproc-per-node 2 -m attnbook.train ...",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    count, number = _number(int, 1), _number(float, 0, above=True)
    add = parser.add_argument
    add("task", choices=sorted(TASKS), help="iso: to year-month-day; translate: into the language of a tag")
    add(
        "--out",
        type=_file(".safetensors"),
        default=argparse.SUPPRESS,
        help="the checkpoint to write (default: dates-TASK.safetensors)",
    )
    add(
        "--steps",
        type=count,
        default=argparse.SUPPRESS,
        help=f"default: {', '.join(f'{v} for {k}' for k, v in STEPS.items())}",
    )
    add("--batch", type=count, default=128, help="examples per step, over all processes")
    add("--learning-rate", type=number, default=2e-3, help="peak learning rate, after the warm-up")
    add(
        "--warmup",
        type=_number(int, 0),
        default=200,
        help="warm-up steps, in which the learning rate rises",
    )
    add("--clip", type=number, default=1.0, help="maximum gradient norm")
    add(
        "--dropout",
        type=_number(float, 0, below=1),
        default=0.0,
        help="dropout probability",
    )
    add(
        "--seed",
        type=_number(int, 0),
        default=0,
        help="random seed of initialization, batches and dropout",
    )
    for name, size in SIZES.items():
        add(f"--{name.replace('_', '-')}", type=count, default=size, help="size of the model")
    add("--save-every", type=count, default=250, help="steps between two saves of the state")
    add(
        "--examples",
        type=count,
        default=3000,
        help="number of held-out dates to measure accuracy on",
    )
    add(
        "--snapshots",
        type=_file(".npz"),
        default=argparse.SUPPRESS,
        metavar="FILE",
        help="an .npz file for snapshots of the training: what the model writes for one date, and where it "
        "attends (see attnbook.snapshots); the weights are the same with and without it",
    )
    add(
        "--snapshot-steps",
        type=_steps,
        default=argparse.SUPPRESS,
        metavar="STEP,...",
        help="the steps after which to take one (default: 0, then 32, 45, 64, ..., each the square root of 2 "
        "times the one before, and the last)",
    )
    add("--device", choices=("auto", "cpu", "cuda"), default="auto", help="auto: cuda if available")
    add("--fresh", action="store_true", help="start over instead of continuing an earlier run")
    return parser


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Parse the command line; an invalid option prints a one-line error and exits with code 2."""
    parser = command_line()
    chosen = parser.parse_args(arguments)
    vars(chosen).setdefault("steps", STEPS[chosen.task])
    vars(chosen).setdefault("out", Path(f"dates-{chosen.task}.safetensors"))
    if chosen.warmup >= chosen.steps:
        parser.error(f"argument --warmup: wanted less than --steps {chosen.steps}, got {chosen.warmup}")
    if chosen.d_model % chosen.num_heads:
        parser.error(
            f"argument --num-heads: wanted a divisor of --d-model {chosen.d_model}, got {chosen.num_heads}"
        )
    try:
        find_device(chosen.device)
    except ValueError as error:
        parser.error(f"argument --{error}")
    require_steps(parser, chosen)
    for option, path in (("--out", chosen.out), ("--snapshots", chosen.snapshots)):
        if path is None:
            continue
        if not os.path.isdir(path.parent):
            parser.error(f"argument {option}: the folder {path.parent} does not exist")
        try:
            tempfile.NamedTemporaryFile(dir=path.parent, prefix=path.name).close()
        except OSError as error:
            parser.error(f"argument {option}: cannot write there: {error.strerror}")
    if chosen.batch % int(os.environ.get("WORLD_SIZE", 1)):
        parser.error(f"argument --batch: wanted a multiple of the {os.environ['WORLD_SIZE']} processes")
    return chosen


def require_steps(parser: argparse.ArgumentParser, chosen: argparse.Namespace) -> None:
    """Set the defaults of the snapshots' options, and exit with an error if they don't fit the training."""
    vars(chosen).setdefault("snapshots", None)
    steps = vars(chosen).setdefault("snapshot_steps", None)
    if chosen.snapshots is None:
        if steps is not None:
            parser.error("argument --snapshot-steps: wanted --snapshots FILE with it")
        return
    if steps is None:
        chosen.snapshot_steps = snapshots.default_steps(chosen.steps)
    elif steps[-1] > chosen.steps:
        parser.error(f"argument --snapshot-steps: wanted at most --steps {chosen.steps}, got {steps[-1]}")


def _number(kind: type, least: float, *, above: bool = False, below: float | None = None) -> Callable:
    """An argparse type for numbers within bounds."""
    whole = "a whole number" if kind is int else "a number"
    bound = f"above {least}" if above else f"of at least {least}"
    words = f"{whole} {bound}" + (f" and below {below}" if below is not None else "")

    def read(text: str):
        try:
            value = kind(text)
        except ValueError:
            value = None
        within = value is not None and least <= value < (math.inf if below is None else below)
        if not within or (above and value == least):
            raise argparse.ArgumentTypeError(f"wanted {words}, got {text!r}")
        return value

    return read


def _file(ending: str) -> Callable[[str], Path]:
    """An argparse type for the path of a file with this ending."""

    def read(text: str) -> Path:
        path = Path(text)
        if path.suffix != ending:
            raise argparse.ArgumentTypeError(f"wanted a file that ends in {ending}, got {text!r}")
        if os.path.isdir(path):
            raise argparse.ArgumentTypeError(f"wanted a file, got the folder {text!r}")
        return path

    return read


def _steps(text: str) -> list[int]:
    """An argparse type for whole numbers in rising order, such as 0,10,100."""
    try:
        steps = [int(part) for part in text.split(",")]
    except ValueError:
        steps = []
    if not steps or steps[0] < 0 or any(a >= b for a, b in pairwise(steps)):
        raise argparse.ArgumentTypeError(f"wanted steps in rising order, such as 0,10,100, got {text!r}")
    return steps


def run_of(chosen: argparse.Namespace) -> Run:
    """The run described by the options."""
    sizes = {name: getattr(chosen, name) for name in (*SIZES, "dropout")} | {"norm_first": True}
    names = ("task", "steps", "batch", "learning_rate", "warmup", "clip", "seed")
    settings = {name: getattr(chosen, name) for name in names}
    return Run(sizes=sizes, snapshots=chosen.snapshot_steps or [], **settings)


def main(arguments: list[str] | None = None) -> int:
    """Train, measure, save the checkpoint and its model card; returns the exit code."""
    chosen = parse(arguments)
    process = Process(chosen.device)
    run = run_of(chosen)
    state = chosen.out.with_suffix(".state")
    try:
        with closing(process):
            model = train(run, process, state, save_every=chosen.save_every, fresh=chosen.fresh)
        if process.first:
            write(chosen, run, model)
            state.unlink(missing_ok=True)
    except KeyboardInterrupt:
        if process.first:
            again = "the same command" + " without --fresh" * chosen.fresh
            print(f"Stopped after {len(run.losses)} of {run.steps} steps; run {again} to continue.")
        return 130
    except ValueError as error:
        if process.first:
            print(f"attnbook.train: {error}", file=sys.stderr)
        return 2
    return 0


def write(chosen: argparse.Namespace, run: Run, model: nn.Module) -> None:
    """Save the checkpoint, its model card with the accuracy of the weights as saved, and the snapshots."""
    apart = ("task", "sizes", "snapshots")
    training = {key: value for key, value in run.settings().items() if key not in apart}
    recipe = Recipe(run.task, run.sizes, training, curve=curve(run.losses))
    task = TASKS[run.task]()
    checkpoints.save(chosen.out, model, task, recipe)
    trained = checkpoints.load(chosen.out)
    results = measure(trained.model, trained.task, chosen.examples, run.seed)
    recipe = replace(recipe, results={kind: round(share, 6) for kind, share in results.items()})
    checkpoints.save(chosen.out, model, task, recipe)
    command = shlex.join(["python", "-m", "attnbook.train", *options(chosen)])
    chosen.out.with_suffix(".md").write_text(card(chosen.out, recipe, command), encoding="utf8")
    if chosen.snapshots:
        taken = [snapshots.Snapshot(**fields) for fields in run.taken]
        snapshots.save(chosen.snapshots, snapshots.record(task, training, run.losses, taken))
    print(f"{chosen.out}: {100 * results['all']:.2f} % of {chosen.examples} held-out dates correct")


def curve(losses: list[float], points: int = 100) -> list[float]:
    """The losses, downsampled to the means of at most `points` intervals."""
    width = math.ceil(len(losses) / points)
    intervals = [losses[i : i + width] for i in range(0, len(losses), width)]
    return [round(sum(interval) / len(interval), 6) for interval in intervals]


def options(chosen: argparse.Namespace) -> list[str]:
    """The options of the command that reproduces this checkpoint."""
    names = ("steps", "batch", "learning_rate", "warmup", "clip", "seed", "dropout", *SIZES)
    return [chosen.task, *(f"--{name.replace('_', '-')}={getattr(chosen, name)}" for name in names)]


if __name__ == "__main__":
    sys.exit(main())
