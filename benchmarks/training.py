"""Training time of `python -m attnbook.train`: `make bench-training` writes training.md.

    python -m benchmarks.training [--device cpu|cuda] [--rounds N] [--write FILE]

The time per step is that of a 60-step run minus that of a 10-step run, divided by 50, so that one-time costs
(starting, saving) cancel. The table has the median over rounds, in which the tasks take turns, and the total
for all steps. Rows from other machines are kept.
"""

import argparse
import os
import platform
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import torch

from attnbook import checkpoints
from attnbook.train.__main__ import STEPS, parse, run_of
from attnbook.train.loop import Run, train
from attnbook.train.processes import Process
from attnbook.train.report import measure

SHORT, LONG = 10, 60
HEAD = [
    "# Training the shipped models",
    "",
    "The time per step is the difference between a longer and a shorter run of the training loop, divided by",
    "the difference in steps, as a median over rounds. From it follows the total for all steps of",
    "`python -m attnbook.train`. The last column is the time of the final test on held-out dates.",
    "Measured by `make bench-training`.",
    "",
    "| task | parameters | machine | ms per step | steps | total, minutes | 3,000 test dates, s |",
    "|---|--:|---|--:|--:|--:|--:|",
]


def seconds_per_step(run: Run, process: Process, folder: Path) -> float:
    """Measure the command's training loop."""
    took = []
    for steps in (SHORT, LONG):
        begin = time.perf_counter()
        part = replace(run, steps=steps, warmup=0, losses=[])
        train(part, process, folder / "state", save_every=LONG, fresh=True)
        took.append(time.perf_counter() - begin)
    return (took[1] - took[0]) / (LONG - SHORT)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--write", type=Path, default=Path(__file__).with_suffix(".md"))
    options = parser.parse_args()
    os.environ["TQDM_DISABLE"] = "1"
    process, times = Process(options.device), {task: [] for task in STEPS}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(options.rounds):
            for task, took in times.items():
                took.append(seconds_per_step(run_of(parse([task])), process, Path(folder)))
    where = f"{torch.get_num_threads()} threads" if options.device == "cpu" else torch.cuda.get_device_name()
    where += f", torch {torch.__version__}, Python {platform.python_version()}"
    rows = [line for line in earlier(options.write) if f"| {where} |" not in line]
    for task, took in times.items():
        trained = checkpoints.load(f"dates-{task}")
        model = trained.model.to(process.device)
        begin = time.perf_counter()
        measure(model, trained.task, 3000, 0)
        tested = time.perf_counter() - begin
        step, size = statistics.median(took), sum(weight.numel() for weight in model.parameters())
        minutes = step * STEPS[task] / 60
        cells = [
            task,
            f"{size:,}",
            where,
            f"{1000 * step:.0f}",
            f"{STEPS[task]:,}",
            f"{minutes:.1f}",
            f"{tested:.0f}",
        ]
        rows.append(f"| {' | '.join(cells)} |")
    options.write.write_text("\n".join([*HEAD, *rows]) + "\n", "utf8")
    print(options.write.read_text("utf8"))


def earlier(file: Path) -> list[str]:
    """The rows already in the file."""
    lines = file.read_text("utf8").splitlines() if file.exists() else []
    return [line for line in lines if line.startswith("|")][2:]


if __name__ == "__main__":
    main()
