"""Snapshots of a training: what the date model writes, and where it attends, after some of its steps.

`python -m attnbook.train translate --snapshots FILE` records them. `load("dates-translate")` loads those of
the shipped model, which come with the package.
"""

import json
import math
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, fields
from difflib import SequenceMatcher
from itertools import pairwise
from pathlib import Path
from typing import get_origin

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from attnbook.checkpoints import FOLDER
from attnbook.data import DateTask, TranslationTask
from attnbook.generation import greedy_decode, mode
from attnbook.training import exact_match

DATE, TARGET = "2000-08-19", "zh"  # the date of chapter 8: in the test split, so no training has seen it
EXAMPLES = 300  # validation dates that each snapshot is tested on
FIRST = 32  # the first step with a snapshot, after step 0
SPARE = 3  # tokens that a model may write beyond the right answer's: untrained, it never ends
CODES = 255
ENDING = "-training.npz"
FORMAT = "attnbook-snapshots-1"


@dataclass(frozen=True)
class Snapshot:
    """What the model did with one date after `step` training steps, decoding greedily.

    `written` holds the T tokens it wrote, including the end token if it wrote that one, `probabilities` the
    probability it gave each of them, and `codes` the weights of cross-attention; row t belongs to the step
    that wrote token t. `accuracy` is the share of 300 validation dates that it translated exactly.
    """

    step: int
    written: list[str]
    probabilities: list[float]
    codes: UInt8[Tensor, "L H T S"]
    accuracy: float

    @property
    def cross(self) -> Float[np.ndarray, "L H T S"]:
        """The weights of cross-attention, exact to 0.005: each is one byte, the code of its square root."""
        squares = (self.codes.numpy() / CODES) ** 2
        return squares / squares.sum(-1, keepdims=True)


@dataclass(frozen=True)
class Recording:
    """Snapshots of one training on one date, and its loss curve.

    `text` is the date as the model read it, `source` its S tokens, `target` the language to translate into or
    "iso", and `right` the tokens of the right translation, including the end token. `training` holds the
    settings of the training. `curve` holds pairs of a step and a loss: means over a hundred equal intervals,
    and over shorter ones within the first.
    """

    text: str
    target: str
    source: list[str]
    right: list[str]
    training: dict[str, float]
    curve: list[list[float]]
    snapshots: list[Snapshot]

    @property
    def steps(self) -> list[int]:
        """The steps with a snapshot, in order."""
        return [snapshot.step for snapshot in self.snapshots]

    def at(self, step: int) -> Snapshot:
        """The snapshot of this step. Raises `ValueError` if there is none."""
        if step not in self.steps:
            raise ValueError(f"step: got {step!r}, wanted one of {', '.join(map(str, self.steps))}")
        return self.snapshots[self.steps.index(step)]

    def loss(self, step: int) -> float:
        """The training loss at a step, interpolated between the points of the curve."""
        return float(np.interp(step, *zip(*self.curve, strict=True)))

    def compare(self, snapshot: Snapshot) -> tuple[list[bool], list[bool]]:
        """Which tokens that the snapshot wrote are right, and which tokens of the right answer it wrote.

        The two texts are aligned first, so one extra character doesn't make all that follow it wrong.
        """
        written, right = ([False] * len(tokens) for tokens in (snapshot.written, self.right))
        matcher = SequenceMatcher(None, snapshot.written, self.right, autojunk=False)
        for a, b, size in matcher.get_matching_blocks():
            written[a : a + size] = right[b : b + size] = [True] * size
        return written, right


def default_steps(steps: int) -> list[int]:
    """When to take snapshots: at step 0, then 32, 45, 64, … (each √2 times the one before), and the last."""
    count = max(0, math.ceil(2 * math.log2(steps / FIRST)))
    return sorted({0, *(round(FIRST * 2 ** (i / 2)) for i in range(count)), steps})


@torch.no_grad()
def take(model: nn.Module, task: DateTask, step: int) -> Snapshot:
    """The snapshot of a model that was trained for `step` steps; the model is left in the mode it was in."""
    source, right = task.encode([_row(task)])  # (1, S), (1, 1 + T)
    source = source.to(next(model.parameters()).device)
    limits = {"end": task.target.end, "max_length": right.shape[1] - 1 + SPARE}
    with mode(model, training=False):
        ids = greedy_decode(model, source, start=task.target.start, **limits).ids  # (1, T)
        read = torch.cat((torch.full_like(ids[:, :1], task.target.start), ids[:, :-1]), dim=1)  # (1, T)
        logits, attentions = model(source, read)  # (1, T, V)
        shares = logits[0].softmax(-1).gather(1, ids[0, :, None])[:, 0]  # (T,)
        held_out = task.batch(EXAMPLES, torch.Generator().manual_seed(0), "validation")
        accuracy = exact_match(model, *held_out)
    codes = (attentions.cross[:, 0].clamp(0, 1).sqrt() * CODES).round()  # (L, H, T, S)
    probabilities = [round(share, 4) for share in shares.tolist()]
    return Snapshot(
        step, task.target.tokens(ids[0]), probabilities, codes.to("cpu", torch.uint8), round(accuracy, 4)
    )


def record(
    task: DateTask, training: dict[str, float], losses: Sequence[float], snapshots: Sequence[Snapshot]
) -> Recording:
    """The recording of a training, from the loss of every step and the snapshots."""
    row = _row(task)
    source, right = task.encode([row])
    target = row[-1] if isinstance(task, TranslationTask) else "iso"
    return Recording(
        text=task.example(*row)[0],
        target=target,
        source=task.source.tokens(source[0]),
        right=task.target.tokens(right[0, 1:]),
        training=training,
        curve=_thin(losses),
        snapshots=list(snapshots),
    )


def names() -> list[str]:
    """The recordings that come with the package."""
    return sorted(path.name.removesuffix(ENDING) for path in FOLDER.glob(f"*{ENDING}"))


def save(path: str | Path, recording: Recording) -> None:
    """Write a recording to `path`, an .npz file: whole, or not at all."""
    path = Path(path)
    fields = vars(recording) | {"snapshots": [_without_codes(one) for one in recording.snapshots]}
    header = json.dumps({"format": FORMAT} | fields, ensure_ascii=False).encode()
    codes = {str(snapshot.step): snapshot.codes.numpy() for snapshot in recording.snapshots}
    part = path.with_name(path.name + ".part")
    with open(part, "wb") as file:
        np.savez_compressed(file, header=np.frombuffer(header, np.uint8), **codes)
    part.replace(path)


def load(name: str | Path) -> Recording:
    """A recording by its name (see `names`) or the path of its file.

    Raises `ValueError` for an unknown name, and for a file that is no recording of this package or is cut
    off.
    """
    path = FOLDER / f"{name}{ENDING}" if str(name) in names() else Path(str(name))
    if not path.is_file():
        raise ValueError(
            f"name: wanted one of {', '.join(names())}, or the path of a file, got {str(name)!r}"
        )
    try:
        with np.load(path, allow_pickle=False) as file:
            header = json.loads(file["header"].tobytes())
            if (found := header.pop("format", "none")) != FORMAT:
                raise ValueError(f"its format is {found}, not {FORMAT}")
            taken = header.pop("snapshots")
            snapshots = [Snapshot(codes=torch.from_numpy(file[str(one["step"])]), **one) for one in taken]
            for one in (*snapshots, recording := Recording(snapshots=snapshots, **header)):
                _require_types(one)
            return recording
    except (AttributeError, EOFError, KeyError, OSError, TypeError, ValueError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"{path.name}: wanted a recording of a training, got one that says: {error}"
        ) from None


def _row(task: DateTask) -> tuple[str, ...]:
    """The recorded date, as rows of the task are."""
    return (DATE, "en", "full", *([TARGET] if isinstance(task, TranslationTask) else []))


def _require_types(one: Snapshot | Recording) -> None:
    """Raise `ValueError` unless each field has the type that its class declares."""
    for field in fields(one):
        got, kind = getattr(one, field.name), get_origin(field.type) or field.type
        if not isinstance(got, kind):
            raise ValueError(f"its {field.name} is {got!r}, not of type {kind.__name__}")


def _without_codes(snapshot: Snapshot) -> dict:
    return {key: value for key, value in vars(snapshot).items() if key != "codes"}


def _thin(losses: Sequence[float], intervals: int = 100, points: int = 20) -> list[list[float]]:
    """Pairs of a step and the mean loss around it: of equal intervals, and more of them within the first.

    `losses[k]` is the loss after k steps.
    """
    width = math.ceil(len(losses) / intervals)
    early = np.geomspace(1, width, points).round().astype(int).tolist()
    edges = sorted({0, *early, *range(width, len(losses), width), len(losses)})
    return [
        [(start + end - 1) / 2, round(sum(losses[start:end]) / (end - start), 6)]
        for start, end in pairwise(edges)
    ]
