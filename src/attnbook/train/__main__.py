"""The command line: `python -m attnbook.train iso`, or `translate`."""

import argparse
import math
import os
import shlex
import sys
import tempfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from torch import nn

from attnbook import checkpoints
from attnbook.checkpoints import TASKS, Recipe
from attnbook.train.loop import Run, train
from attnbook.train.processes import Process, find_device
from attnbook.train.report import card, measure

SIZES = {"d_model": 96, "num_heads": 4, "num_layers": 2, "d_ff": 256}
STEPS = {"iso": 2000, "translate": 3500}


def command_line() -> argparse.ArgumentParser:
    """The options, and what each is for."""
    parser = argparse.ArgumentParser(
        prog="python -m attnbook.train",
        description="Train the book's Transformer to read dates in nine languages.",
        epilog="Stopped by Ctrl-C it keeps what it has reached; killed, or after a power cut, it has lost at "
        "most --save-every steps. The same command goes on from there. Several processes: "
        "torchrun --nproc-per-node 2 -m attnbook.train ...",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    count, number = _number(int, 1), _number(float, 0, above=True)
    add = parser.add_argument
    add("task", choices=sorted(TASKS), help="iso: write year-month-day; translate: into the tag's language")
    add(
        "--out",
        type=_checkpoint,
        default=argparse.SUPPRESS,
        help="the checkpoint to write (default: dates-TASK.safetensors)",
    )
    add(
        "--steps",
        type=count,
        default=argparse.SUPPRESS,
        help=f"default: {', '.join(f'{v} for {k}' for k, v in STEPS.items())}",
    )
    add("--batch", type=count, default=128, help="examples a step, over all processes")
    add("--learning-rate", type=number, default=2e-3, help="the highest, after the warm-up")
    add(
        "--warmup",
        type=_number(int, 0),
        default=200,
        help="steps in which the learning rate rises",
    )
    add("--clip", type=number, default=1.0, help="the longest gradient taken")
    add(
        "--dropout",
        type=_number(float, 0, below=1),
        default=0.0,
        help="share of entries dropped",
    )
    add(
        "--seed",
        type=_number(int, 0),
        default=0,
        help="of the first weights, the batches and the dropout",
    )
    for name, size in SIZES.items():
        add(f"--{name.replace('_', '-')}", type=count, default=size, help="size of the model")
    add("--save-every", type=count, default=250, help="steps between two safe points")
    add(
        "--examples",
        type=count,
        default=3000,
        help="unseen dates that the result is measured on",
    )
    add("--device", choices=("auto", "cpu", "cuda"), default="auto", help="auto: cuda where there is one")
    add("--fresh", action="store_true", help="begin anew, whatever an earlier run has left")
    return parser


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line; what is wrong with it is said in a line, and the program ends with code 2."""
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
    if not os.path.isdir(chosen.out.parent):
        parser.error(f"argument --out: the folder {chosen.out.parent} does not exist")
    try:
        tempfile.NamedTemporaryFile(dir=chosen.out.parent, prefix=chosen.out.name).close()
    except OSError as error:
        parser.error(f"argument --out: nothing can be written there: {error.strerror}")
    if chosen.batch % int(os.environ.get("WORLD_SIZE", 1)):
        parser.error(f"argument --batch: wanted a multiple of the {os.environ['WORLD_SIZE']} processes")
    return chosen


def _number(kind: type, least: float, *, above: bool = False, below: float | None = None) -> Callable:
    """A reader of numbers for argparse, within bounds."""
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


def _checkpoint(text: str) -> Path:
    """A reader of the checkpoint's path for argparse."""
    path = Path(text)
    if path.suffix != ".safetensors":
        raise argparse.ArgumentTypeError(f"wanted a file that ends in .safetensors, got {text!r}")
    if os.path.isdir(path):
        raise argparse.ArgumentTypeError(f"wanted a file, got the folder {text!r}")
    return path


def run_of(chosen: argparse.Namespace) -> Run:
    """The run that these options ask for."""
    sizes = {name: getattr(chosen, name) for name in (*SIZES, "dropout")} | {"norm_first": True}
    names = ("task", "steps", "batch", "learning_rate", "warmup", "clip", "seed")
    return Run(sizes=sizes, **{name: getattr(chosen, name) for name in names})


def main(arguments: list[str] | None = None) -> int:
    """Train, measure, write the checkpoint and its card; returns the exit code."""
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
            print(f"Stopped after {len(run.losses)} of {run.steps} steps; {again} goes on from there.")
        return 130
    except ValueError as error:
        if process.first:
            print(f"attnbook.train: {error}", file=sys.stderr)
        return 2
    return 0


def write(chosen: argparse.Namespace, run: Run, model: nn.Module) -> None:
    """The checkpoint and its card, with what was measured on the weights as the file holds them."""
    training = {key: value for key, value in run.settings().items() if key not in ("task", "sizes")}
    recipe = Recipe(run.task, run.sizes, training, curve=curve(run.losses))
    task = TASKS[run.task]()
    checkpoints.save(chosen.out, model, task, recipe)
    trained = checkpoints.load(chosen.out)
    results = measure(trained.model, trained.task, chosen.examples, run.seed)
    recipe = replace(recipe, results={kind: round(share, 6) for kind, share in results.items()})
    checkpoints.save(chosen.out, model, task, recipe)
    command = shlex.join(["python", "-m", "attnbook.train", *options(chosen)])
    chosen.out.with_suffix(".md").write_text(card(chosen.out, recipe, command), encoding="utf8")
    print(f"{chosen.out}: {100 * results['all']:.2f} % of {chosen.examples} unseen dates right")


def curve(losses: list[float], points: int = 100) -> list[float]:
    """The losses, thinned out to the means of at most `points` stretches of the training."""
    width = math.ceil(len(losses) / points)
    stretches = [losses[i : i + width] for i in range(0, len(losses), width)]
    return [round(sum(stretch) / len(stretch), 6) for stretch in stretches]


def options(chosen: argparse.Namespace) -> list[str]:
    """The options of the command that makes this checkpoint again."""
    decides = ("steps", "batch", "learning_rate", "warmup", "clip", "seed", "dropout", *SIZES)
    return [chosen.task, *(f"--{name.replace('_', '-')}={getattr(chosen, name)}" for name in decides)]


if __name__ == "__main__":
    sys.exit(main())
