"""The base class of the book's tasks: random examples in endless batches."""

from collections.abc import Iterator

import torch
from jaxtyping import Int
from torch import Tensor


class Task:
    """A task that generates random examples; subclasses implement `batch`."""

    def batch(
        self, size: int, generator: torch.Generator | None = None, split: str = "train"
    ) -> tuple[Int[Tensor, "B S"], Int[Tensor, "B T"]]:
        """`size` random examples of `split` as ids: source and target."""
        raise NotImplementedError

    def batches(
        self, size: int, seed: int, split: str = "train"
    ) -> Iterator[tuple[Int[Tensor, "B S"], Int[Tensor, "B T"]]]:
        """Endless batches, the same for the same seed."""
        generator = torch.Generator().manual_seed(seed)
        while True:
            yield self.batch(size, generator, split)
