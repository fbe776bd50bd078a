"""What the book's tasks share: examples drawn at random, in batches without end."""

from collections.abc import Iterator

import torch
from jaxtyping import Int
from torch import Tensor


class Task:
    """A task that draws examples at random; each kind says how in its own `batch`."""

    def batch(
        self, size: int, generator: torch.Generator | None = None, split: str = "train"
    ) -> tuple[Int[Tensor, "B S"], Int[Tensor, "B T"]]:
        """`size` random examples of `split` as ids: what is read, and what is to be written."""
        raise NotImplementedError

    def batches(
        self, size: int, seed: int, split: str = "train"
    ) -> Iterator[tuple[Int[Tensor, "B S"], Int[Tensor, "B T"]]]:
        """Batches without end, the same ones for the same seed."""
        generator = torch.Generator().manual_seed(seed)
        while True:
            yield self.batch(size, generator, split)
