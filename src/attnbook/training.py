"""Train a sequence model on batches, and measure its accuracy."""

import math
import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from tqdm.auto import tqdm

from attnbook.arguments import (
    is_number,
    known,
    require_flags,
    require_integers,
    require_number,
    require_sizes,
    require_whole,
    wrong_shape,
)
from attnbook.generation import greedy_decode, mode

__all__ = ["History", "exact_match", "fit", "matches", "schedule", "token_loss"]


@dataclass
class History:
    """The loss of every training step, and the seconds that training took."""

    losses: list[float] = field(default_factory=list)
    seconds: float = 0.0


def fit(
    model: nn.Module,
    batches: Iterable[tuple[Int[Tensor, "B S"], Int[Tensor, "B T"]]],
    *,
    steps: int,
    learning_rate: float = 1e-3,
    warmup: int = 0,
    decay: bool = True,
    clip: float = 1.0,
    loss: Callable[[nn.Module, Tensor, Tensor], Tensor] | None = None,
    progress: bool = True,
) -> History:
    """Train `model` in place with Adam on `steps` batches of (source, target), and return the losses.

    The model's input is each target without its last id, and it learns to predict each next id (teacher
    forcing); for another objective, pass another `loss(model, source, target)`. The learning rate follows
    `schedule`; the gradient's norm is clipped to `clip`. Batches are moved to the model's device. An
    interrupt (Ctrl-C, or a notebook's stop button) raises `KeyboardInterrupt`; the model keeps what it has
    learned so far and returns to the mode it was in. Raises `ValueError` for bad sizes, for too few batches,
    for a model without parameters, and when the loss is no longer finite.
    """
    require_sizes(steps=steps)
    require_warmup(warmup, steps)
    require_number(0, learning_rate=learning_rate)
    if not (is_number(clip) and clip > 0):  # infinity clips nothing
        raise ValueError(f"clip: wanted a number above 0, got {clip!r}")
    require_flags(decay=decay, progress=progress)
    device = device_of(model)
    # `foreach` computes the same numbers with fewer calls.
    optimizer = torch.optim.Adam(model.parameters(), lr=learning_rate, foreach=True)
    history, began = History(), time.perf_counter()

    def losses() -> Iterator[tuple[Tensor, float]]:
        for source, target in batches:
            value = (loss or token_loss)(model, source.to(device), target.to(device))
            yield value, value.item()

    rates = (learning_rate * schedule(step, steps, warmup, decay) for step in range(steps))
    with mode(model, training=True):
        history.losses += descend(model, optimizer, losses(), rates, clip=clip, steps=steps, shown=progress)
    if len(history.losses) < steps:
        raise ValueError(f"batches: wanted {steps}, one for each step, got {len(history.losses)}")
    history.seconds = time.perf_counter() - began
    return history


def descend(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    losses: Iterable[tuple[Float[Tensor, ""], float]],
    rates: Iterable[float],
    *,
    clip: float,
    steps: int,
    done: int = 0,
    shown: bool = True,
) -> Iterator[float]:
    """Take one optimizer step for each learning rate; yield its loss after each step.

    `losses` is lazy: each loss is computed with the weights that the previous step left, and comes with the
    number to report. `done` of the `steps` were taken before.
    """
    with progress_bar(steps, done=done, shown=shown) as bar:
        for step, (rate, (loss, number)) in enumerate(zip(rates, losses), done):  # noqa: B905
            require_finite_loss(number, step)
            update(model, optimizer, loss, learning_rate=rate, clip=clip)
            bar.set_postfix(loss=f"{number:.4f}", refresh=False)
            bar.update()
            yield number


def require_finite_loss(loss: float, step: int) -> None:
    """Raise `ValueError` if the loss is no longer finite."""
    if not math.isfinite(loss):
        raise ValueError(f"loss: wanted a finite value, got {loss} at step {step}; try a lower learning_rate")


def progress_bar(steps: int, *, done: int = 0, shown: bool = True, **options: object) -> tqdm:
    """A bar that disappears when it is full; TQDM_DISABLE in the environment hides it."""
    # tqdm's notebook bar ignores TQDM_DISABLE, which hides all its other bars.
    hidden = not shown or bool(os.environ.get("TQDM_DISABLE"))
    return tqdm(total=steps, initial=done, leave=False, disable=hidden, **options)


def update(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    loss: Float[Tensor, ""],
    *,
    learning_rate: float,
    clip: float,
) -> None:
    """One optimizer step along the gradient of `loss`, whose norm is clipped to `clip`."""
    for group in optimizer.param_groups:
        group["lr"] = learning_rate
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), clip)
    optimizer.step()


def device_of(model: nn.Module) -> torch.device:
    """The device of the model's parameters; raises `ValueError` if it has none."""
    for parameter in model.parameters():
        return parameter.device
    raise ValueError(f"model: wanted one with parameters, got {type(model).__name__} without any")


def require_warmup(warmup: int, steps: int) -> None:
    """Raise `ValueError` unless the warm-up is a whole number below `steps`."""
    require_whole(warmup=warmup)
    if warmup >= steps:
        raise ValueError(f"warmup: wanted 0 or more, below steps={steps}, got {warmup}")


def schedule(step: int, steps: int, warmup: int = 0, decay: bool = True) -> float:
    """The factor of the learning rate at `step`: linear warm-up over `warmup` steps, then cosine decay to 0.

    Without `decay` it stays at 1 after the warm-up. Raises `ValueError` for a warm-up of all steps or more.
    """
    require_warmup(warmup, steps)
    if step < warmup:
        return (step + 1) / (warmup + 1)
    return (1 + math.cos(math.pi * (step - warmup) / (steps - warmup))) / 2 if decay else 1.0


def token_loss(model: nn.Module, source: Int[Tensor, "B S"], target: Int[Tensor, "B T"]) -> Float[Tensor, ""]:
    """The mean cross-entropy of the target's next ids, padding excluded; each row is start … end.

    Raises `ValueError` for a target with nothing but padding after its first ids.
    """
    require_integers("target", target)
    if known((target[:, 1:] != model.pad).any()) is False:
        raise ValueError(f"target: wanted an id to predict, got only padding (id {model.pad})")
    logits, _ = model(source, target[:, :-1], need_weights=False)  # (B, T - 1, V)
    return F.cross_entropy(logits.flatten(0, 1), target[:, 1:].flatten(), ignore_index=model.pad)


def matches(model: nn.Module, source: Int[Tensor, "B S"], target: Int[Tensor, "B T"]) -> Bool[Tensor, " B"]:
    """Which rows greedy decoding gets exactly right, including the end; target rows are start … end.

    Raises `ValueError` for no rows, and for a target that does not fit the source or whose rows start or end
    differently.
    """
    require_integers("source", source)
    require_integers("target", target)
    if 0 in source.shape[:1]:
        raise wrong_shape("source", source.shape, "(B, S) with at least one row")
    if target.dim() != 2 or target.shape[0] != source.shape[0] or target.shape[1] < 2:
        raise wrong_shape("target", target.shape, f"({source.shape[0]}, T), start … end for each source row")
    last = target.gather(1, (target != model.pad).sum(dim=1, keepdim=True).clamp(min=1) - 1)  # (B, 1)
    for name, ids in (("start", target[:, 0]), ("end", last)):
        if (ids != ids.flatten()[0]).any():
            raise ValueError(f"target: wanted the same {name} in every row, got ids {ids.unique().tolist()}")
    device = device_of(model)
    wanted = target[:, 1:].to(device)  # (B, T - 1)
    start, end = int(target[0, 0]), int(last[0])
    ids = greedy_decode(model, source.to(device), start=start, end=end, max_length=wanted.shape[1]).ids
    ids = F.pad(ids, (0, wanted.shape[1] - ids.shape[1]), value=model.pad)  # (B, T - 1)
    return (ids == wanted).all(dim=1)


def exact_match(model: nn.Module, source: Int[Tensor, "B S"], target: Int[Tensor, "B T"]) -> float:
    """The fraction of rows, 0 to 1, that greedy decoding gets exactly right (see `matches`)."""
    return matches(model, source, target).float().mean().item()
