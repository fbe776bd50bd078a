"""What a trained model gets right on dates it has never seen, and its card."""

from pathlib import Path

import torch
from torch import nn

from attnbook.checkpoints import TASKS, Recipe
from attnbook.data import DateTask
from attnbook.train.loop import seed_of
from attnbook.training import matches


def measure(
    model: nn.Module, task: DateTask, examples: int, seed: int, split: str = "test"
) -> dict[str, float]:
    """The share of dates of `split` written right to the last character: all, and by language and target."""
    rows = task.sample(examples, torch.Generator().manual_seed(seed_of(seed, 1)), split)
    right = torch.cat(
        [matches(model, *task.encode(rows[i : i + 250])).cpu() for i in range(0, examples, 250)]
    )
    kinds: dict[str, list[bool]] = {"all": right.tolist()}
    for (_, language, _, *target), good in zip(rows, right.tolist(), strict=True):
        kinds.setdefault(f"from {language}", []).append(good)
        if target:
            kinds.setdefault(f"to {target[0]}", []).append(good)
    first, *rest = kinds
    return {kind: sum(kinds[kind]) / len(kinds[kind]) for kind in (first, *sorted(rest))}


def card(path: Path, recipe: Recipe, command: str) -> str:
    """The model card, in Markdown."""
    sizes = ", ".join(f"{name} {size}" for name, size in recipe.sizes.items())
    rows = "\n".join(f"| {kind} | {100 * share:.2f} % |" for kind, share in recipe.results.items())
    training = "\n".join(f"| {name} | {value} |" for name, value in recipe.training.items())
    return f"""# {path.stem}

The book's own `Transformer` ({sizes}), trained for {TASKS[recipe.task].__name__}:
{TASKS[recipe.task].__doc__.splitlines()[0]}

Made by

    {command}

**Data.** Dates from 1900 to 2099 as the Unicode CLDR {recipe.cldr} data inside Babel writes them, made
while it trains. Training, validation and test are different dates: the test's were never trained on.

**Use.** `attnbook.checkpoints.load("{path.stem}")`. It knows the languages, formats and years of its training
and nothing else: any other text gives a date as well, and a wrong one.

| training | |
|:--|--:|
{training}

Written right to the last character, on test dates:

| which | share |
|:--|--:|
{rows}
"""
