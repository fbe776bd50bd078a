"""The reversal task: read letters and write them backwards, which needs memory but no knowledge."""

import string
from collections.abc import Iterator

import torch
from jaxtyping import Int
from torch import Tensor

from attnbook.arguments import require_sizes
from attnbook.data.splits import require_split, split_of
from attnbook.data.task import Task
from attnbook.data.vocabulary import Vocabulary


class ReversalTask(Task):
    """Read a random string, write it backwards: `dbca` → `acbd`.

    A string of L letters from an alphabet of n carries L·log₂ n bits, and all of them must reach the decoder.
    `source` and `target` are the same vocabulary; `source_length` and `target_length` are the maximum numbers
    of ids per row. Raises `ValueError` for fewer than two letters or `shortest` > `longest`.
    """

    def __init__(self, alphabet: str = string.ascii_lowercase, shortest: int = 2, longest: int = 30) -> None:
        if not isinstance(alphabet, str) or len(set(alphabet)) < 2:
            raise ValueError(f"alphabet: wanted at least two different letters, got {alphabet!r}")
        require_sizes(shortest=shortest, longest=longest)
        if shortest > longest:
            raise ValueError(f"shortest: wanted at most longest={longest}, got {shortest}")
        self.shortest, self.longest = shortest, longest
        self.source = self.target = Vocabulary(alphabet)
        self.source_length, self.target_length = longest, longest + 2

    def sample(
        self,
        size: int,
        generator: torch.Generator | None = None,
        split: str = "train",
        length: int | None = None,
    ) -> list[str]:
        """`size` random strings from `split`, of uniformly drawn lengths or all of `length`."""
        require_split(split)
        require_sizes(size=size)
        if length is not None:
            require_sizes(length=length)
        if length is not None and not self.shortest <= length <= self.longest:
            raise ValueError(f"length: wanted {self.shortest} to {self.longest}, got {length}")
        texts: list[str] = []
        for _ in range(100):  # rejection sampling: keep the strings of this split
            lengths = torch.randint(self.shortest, self.longest + 1, (size,), generator=generator).tolist()
            letters = torch.randint(
                len(self.source.characters), (size, self.longest), generator=generator
            ).tolist()
            for row, n in zip(letters, lengths, strict=True):
                text = "".join(self.source.characters[i] for i in row[: length or n])
                if split_of(text) == split:
                    texts.append(text)
            if len(texts) >= size:
                return texts[:size]
        raise ValueError(
            f"split: {split!r} has next to no strings; choose a larger alphabet or longer strings"
        )

    def batch(
        self,
        size: int,
        generator: torch.Generator | None = None,
        split: str = "train",
        length: int | None = None,
    ) -> tuple[Int[Tensor, "B S"], Int[Tensor, "B T"]]:
        """`size` random examples of `split` as ids: the source, and the target with start and end."""
        texts = self.sample(size, generator, split, length)
        return self.source.batch(texts), self.target.batch(
            [text[::-1] for text in texts], start=True, end=True
        )

    def batches_of_one_length(
        self, size: int, seed: int, split: str = "train"
    ) -> Iterator[tuple[Int[Tensor, "B S"], Int[Tensor, "B T"]]]:
        """Endless batches in which all strings have one length, drawn at random for each batch.

        Nothing is padded, so a recurrent model spends no steps on padding.
        """
        generator = torch.Generator().manual_seed(seed)
        while True:
            length = torch.randint(self.shortest, self.longest + 1, (), generator=generator)
            yield self.batch(size, generator, split, int(length))
