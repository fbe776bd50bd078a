"""Trained weights that come with the package: `load("dates-iso")`, and `save`, which writes such a file.

A checkpoint is one safetensors file. Its header holds what is needed to build the model and its task again,
and how it was trained; the card beside it, a Markdown file of the same name, says so to people.
"""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from attnbook.data import CLDR_VERSION, DateTask, TranslationTask, Vocabulary
from attnbook.transformer import Transformer

FOLDER = Path(__file__).parent
TASKS = {"iso": DateTask, "translate": TranslationTask}
FORMAT = "attnbook-transformer-1"
TIED = "output.weight"  # the target embedding's matrix: stored once


@dataclass(frozen=True)
class Recipe:
    """What a checkpoint's header holds: the task, the model's sizes, how it was trained, what it reached."""

    task: str
    sizes: dict[str, int | bool]
    training: dict[str, float] = field(default_factory=dict)
    results: dict[str, float] = field(default_factory=dict)
    curve: list[float] = field(default_factory=list)  # mean losses of equal stretches of the training
    cldr: str = CLDR_VERSION
    source: str = ""  # the characters of the two vocabularies; empty: those of today's date data
    target: str = ""

    def build(self) -> tuple[Transformer, DateTask]:
        """A new model of these sizes, and its task; raises `ValueError` for an unknown task."""
        if self.task not in TASKS:
            raise ValueError(f"task: wanted one of {', '.join(TASKS)}, got {self.task!r}")
        task = TASKS[self.task]()
        if self.source:
            task.source = Vocabulary(self.source, tags=task.source.tags)
            task.target = Vocabulary(self.target, tags=task.target.tags)
        return Transformer(len(task.source), len(task.target), **self.sizes), task


@dataclass(frozen=True)
class Trained:
    """A trained model, its task, and the recipe that made it."""

    model: Transformer
    task: DateTask
    recipe: Recipe


def names() -> list[str]:
    """The checkpoints that come with the package."""
    return sorted(path.stem for path in FOLDER.glob("*.safetensors"))


def save(path: str | Path, model: Transformer, task: DateTask, recipe: Recipe) -> None:
    """Write the model's weights, two bytes each, to `path`: whole, or not at all."""
    path = Path(path)
    characters = {"source": "".join(task.source.characters), "target": "".join(task.target.characters)}
    header = {"format": FORMAT, "recipe": json.dumps(asdict(recipe) | characters, ensure_ascii=False)}
    weights = {
        name: tensor.detach().cpu().half().contiguous()
        for name, tensor in model.state_dict().items()
        if name != TIED
    }
    part = path.with_name(path.name + ".part")
    save_file(weights, part, metadata=header)
    part.replace(path)


def load(name: str | Path) -> Trained:
    """A checkpoint by its name (see `names`) or the path of its file; the model is in evaluation mode.

    Raises `ValueError` for an unknown name, and for a file that is no checkpoint of this package, is cut off,
    has an invalid header, or holds weights that don't fit the sizes in its header.
    """
    path = FOLDER / f"{name}.safetensors" if str(name) in names() else Path(str(name))
    if not path.is_file():
        raise ValueError(
            f"name: wanted one of {', '.join(names())}, or the path of a file, got {str(name)!r}"
        )
    try:
        header, weights = _read(path)
        recipe = _recipe(header)
        model, task = _build(recipe)
        _fill(model, weights)
    except ValueError as problem:
        raise ValueError(f"{path.name}: {problem}") from None
    return Trained(model.eval(), task, recipe)


def _read(path: Path) -> tuple[dict[str, str], dict[str, torch.Tensor]]:
    """A file's header and weights."""
    try:
        with safe_open(path, framework="pt") as file:
            return file.metadata() or {}, {key: file.get_tensor(key).float() for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise ValueError(f"wanted a whole safetensors file, got one that says: {error}") from None


def _recipe(header: dict[str, str]) -> Recipe:
    """The recipe in a header, its parts of the right types."""
    if header.get("format") != FORMAT:
        raise ValueError(f"wanted a checkpoint of format {FORMAT}, got {header.get('format', 'none')}")
    try:
        recipe = Recipe(**json.loads(header["recipe"]))
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"wanted a recipe in its header, got {error!r}") from None
    for part, empty in vars(Recipe("", {})).items():
        got, kind = getattr(recipe, part), type(empty)
        if not isinstance(got, kind):
            raise ValueError(f"wanted {part} in its header as a {kind.__name__}, got {got!r}")
    numbers = {
        "training": recipe.training.values(),
        "results": recipe.results.values(),
        "curve": recipe.curve,
    }
    for part, found in numbers.items():
        for number in found:
            if not isinstance(number, int | float):
                raise ValueError(f"wanted only numbers in {part}, got {number!r}")
    if recipe.task not in TASKS:
        raise ValueError(f"wanted a task of {', '.join(TASKS)}, got {recipe.task!r}")
    return recipe


def _build(recipe: Recipe) -> tuple[Transformer, DateTask]:
    """The recipe's model and task, or the reason why its sizes are none of a Transformer."""
    try:
        return recipe.build()
    except (TypeError, ValueError, RuntimeError) as error:
        reason = str(error).split("\n")[0]
        raise ValueError(
            f"wanted the sizes of a Transformer in its header, got {recipe.sizes}: {reason}"
        ) from None


def _fill(model: Transformer, weights: dict[str, torch.Tensor]) -> None:
    """Load all of a model's weights, and nothing else, from `weights`."""
    weights[TIED] = weights.get("target_embeddings.lut.weight")
    for key, tensor in (wanted := model.state_dict()).items():
        got = weights.get(key)
        found = "nothing" if got is None else tuple(got.shape)
        if found != tuple(tensor.shape):
            raise ValueError(f"wanted {key} of shape {tuple(tensor.shape)}, got {found}")
        if not torch.isfinite(got).all():
            raise ValueError(f"wanted finite numbers, got others in {key}")
    if extra := sorted(set(weights) - set(wanted)):
        raise ValueError(f"wanted nothing but the model's weights, got {extra[0]} as well")
    model.load_state_dict(weights)
