"""A trained model's accuracy on held-out dates, and its model card."""

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
    """Exact-match accuracy on dates of `split`: overall, by source language and by target."""
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
    """The model card in Markdown."""
    sizes = ", ".join(f"{name} {size}" for name, size in recipe.sizes.items())
    rows = "\n".join(f"| {kind} | {100 * share:.2f} % |" for kind, share in recipe.results.items())
    training = "\n".join(f"| {name} | {value} |" for name, value in recipe.training.items())
    return f"""# {path.stem}

The book's `Transformer` ({sizes}), trained on {TASKS[recipe.task].__name__}:
{TASKS[recipe.task].__doc__.splitlines()[0]}

Reproduce it with

    {command}

**Data.** Dates from 1900 to 2099 in the Unicode CLDR {recipe.cldr} formats that ship with Babel, generated
during training. Training, validation and test use different dates; the test dates are held out.

**Use.** `attnbook.checkpoints.load("{path.stem}")`. The model knows only the languages, formats and years it
was trained on. It answers any other text with a date too, and that date is wrong.

| training | |
|:--|--:|
{training}

Exact-match accuracy on test dates:

| dates | accuracy |
|:--|--:|
{rows}
"""
