"""Dates translated from one language into another; a tag names the target language."""

from collections.abc import Sequence
from datetime import date as Date

import torch
from jaxtyping import Int
from torch import Tensor

from attnbook.arguments import is_list
from attnbook.data.dates import FORMATS, LANGUAGES, DateTask, require_rows, write_date
from attnbook.data.vocabulary import Vocabulary

TARGETS = (*LANGUAGES, "iso")
"""What a date can be translated into: the nine languages, or year-month-day."""


class TranslationTask(DateTask):
    """Read a tag and a date, write the date in the tag's language: ⟨zh⟩`March 7, 2009` → `2009年3月7日`.

    A source with a weekday (CLDR's "full" format) is translated in the "full" format, any other in the "long"
    format, so the target never needs information the source lacks. The tag ⟨iso⟩ asks for year-month-day.
    Johnson et al. 2017 use such a tag to let one model translate between many languages. Raises `ValueError`
    for unknown languages, formats and targets.
    """

    def __init__(
        self,
        languages: Sequence[str] = LANGUAGES,
        formats: Sequence[str] = FORMATS,
        targets: Sequence[str] = TARGETS,
    ) -> None:
        super().__init__(languages, formats)
        if not is_list(targets) or not len(targets) or not all(target in TARGETS for target in targets):
            raise ValueError(f"targets: wanted a list of some of {', '.join(TARGETS)}, got {targets!r}")
        self.targets = tuple(targets)
        self.source = Vocabulary(self.source.characters, tags=self.targets)
        self.source_length += 1  # the tag
        written = [DateTask([language], ["long", "full"]) for language in self.targets if language != "iso"]
        self.target = Vocabulary("".join(["0123456789-", *("".join(t.source.characters) for t in written)]))
        self.target_length = max([len("yyyy-mm-dd"), *(task.source_length for task in written)]) + 2

    def example(self, date: Date | str, language: str, format: str, target: str = "iso") -> tuple[str, str]:
        """Source and target of one example, without the tag: `("7 mars 2009", "2009年3月7日")`."""
        text, iso = super().example(date, language, format)
        if target not in self.targets:
            raise ValueError(f"target: wanted one of {', '.join(self.targets)}, got {target!r}")
        wanted = "full" if format == "full" else "long"
        return text, iso if target == "iso" else write_date(date, target, wanted)

    def sample(
        self, size: int, generator: torch.Generator | None = None, split: str = "train"
    ) -> list[tuple[Date, str, str, str]]:
        """`size` random tuples (date, language, format, target) from `split`, drawn independently."""
        rows = super().sample(size, generator, split)
        drawn = torch.randint(len(self.targets), (size,), generator=generator).tolist()
        return [(*row, self.targets[i]) for row, i in zip(rows, drawn, strict=True)]

    def encode(
        self, rows: Sequence[tuple[Date | str, str, str, str]]
    ) -> tuple[Int[Tensor, "B S"], Int[Tensor, "B T"]]:
        """The ids of (date, language, format, target) rows: tag and source, target with start and end."""
        require_rows(rows, "date", "language", "format", "target")
        texts, translations = zip(*(self.example(*row) for row in rows), strict=True)
        source = self.source.batch(texts, tags=[row[-1] for row in rows])
        return source, self.target.batch(translations, start=True, end=True)
