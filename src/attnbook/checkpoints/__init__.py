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
        """A new model of these sizes, and its task."""
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
    """A checkpoint by its name (see `names`) or the path of its file; the model comes in evaluation mode.

    Raises `ValueError` for a name that doesn't exist and for a file that is no checkpoint of this package,
    is cut off, has a header that says something else, or weights that do not fit the sizes in it.
    """
    path = FOLDER / f"{name}.safetensors" if str(name) in names() else Path(name)
    if not path.is_file():
        raise ValueError(
            f"name: wanted one of {', '.join(names())}, or the path of a file, got {str(name)!r}"
        )
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            weights = {key: file.get_tensor(key).float() for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise ValueError(
            f"{path.name}: wanted a whole safetensors file, got one that says: {error}"
        ) from None
    recipe = _recipe(path.name, header)
    try:
        model, task = recipe.build()
    except (TypeError, ValueError, RuntimeError) as error:
        reason = str(error).split("\n")[0]
        raise ValueError(
            f"{path.name}: wanted the sizes of a Transformer in its header, got {recipe.sizes}: {reason}"
        ) from None
    weights[TIED] = weights.get("target_embeddings.lut.weight")
    wanted = {key: tuple(tensor.shape) for key, tensor in model.state_dict().items()}
    for key, shape in wanted.items():
        got = weights.get(key)
        if got is None or tuple(got.shape) != shape:
            found = "nothing" if got is None else tuple(got.shape)
            raise ValueError(f"{path.name}: wanted {key} of shape {shape}, got {found}")
    if extra := sorted(set(weights) - set(wanted)):
        raise ValueError(f"{path.name}: wanted nothing but the model's weights, got {extra[0]} as well")
    if bad := next((key for key, tensor in weights.items() if not torch.isfinite(tensor).all()), None):
        raise ValueError(f"{path.name}: wanted finite numbers, got others in {bad}")
    model.load_state_dict(weights)
    return Trained(model.eval(), task, recipe)


def _recipe(name: str, header: dict[str, str]) -> Recipe:
    if header.get("format") != FORMAT:
        found = header.get("format", "none")
        raise ValueError(f"{name}: wanted a checkpoint of format {FORMAT}, got {found}")
    try:
        recipe = Recipe(**json.loads(header["recipe"]))
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{name}: wanted a recipe in its header, got {error!r}") from None
    for part, empty in vars(Recipe("", {})).items():
        got, kind = getattr(recipe, part), type(empty)
        if not isinstance(got, kind):
            raise ValueError(f"{name}: wanted {part} in its header as a {kind.__name__}, got {got!r}")
    for part in ("training", "results", "curve"):
        got = getattr(recipe, part)
        for number in got.values() if isinstance(got, dict) else got:
            if not isinstance(number, int | float):
                raise ValueError(f"{name}: wanted only numbers in {part}, got {number!r}")
    if recipe.task not in TASKS:
        raise ValueError(f"{name}: wanted a task of {', '.join(TASKS)}, got {recipe.task!r}")
    return recipe
