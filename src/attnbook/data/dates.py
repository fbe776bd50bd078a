"""Dates written in nine languages (Unicode CLDR, through Babel) and in ISO form."""

from collections.abc import Sequence
from datetime import date as Date
from datetime import datetime
from functools import lru_cache

import torch
from babel import Locale
from babel.core import get_global
from babel.dates import DateTimeFormat, DateTimePattern, get_date_format, tokenize_pattern
from jaxtyping import Int
from torch import Tensor

from attnbook.arguments import is_list, require_sizes
from attnbook.data.splits import SPLITS, require_split, split_of
from attnbook.data.task import Task
from attnbook.data.vocabulary import Vocabulary

LANGUAGES = ("en", "de", "fr", "es", "eu", "ru", "ar", "hi", "zh")
"""English, German, French, Spanish, Basque, Russian, Arabic, Hindi, Chinese."""

FORMATS = ("medium", "long", "full")
"""CLDR's date formats, without "short": two-digit years, and day or month first, make that one ambiguous."""

FIRST, LAST = Date(1900, 1, 1), Date(2099, 12, 31)
CLDR_VERSION: str = get_global("cldr").get("version", "unknown")
"""The CLDR release bundled with the installed Babel."""

# Drop invisible direction marks; turn no-break spaces into plain ones.
PLAIN = str.maketrans(dict.fromkeys("\u061c\u200e\u200f") | dict.fromkeys("\u00a0\u202f", " "))


def write_date(date: Date | str, language: str, format: str) -> str:
    """`date` as `language` writes it: `write_date("2009-03-07", "zh", "full")` is 2009年3月7日星期六.

    This is CLDR's text with plain spaces and without direction marks. Raises `ValueError` for an impossible
    date, a date before 1900 or after 2099, and a language or format outside `LANGUAGES` or `FORMATS`;
    `TypeError` for a date that is neither a `datetime.date` nor a string.
    """
    _require_one_of("language", language, LANGUAGES)
    _require_one_of("format", format, FORMATS)
    pattern, locale = _pattern(language, format)
    return pattern.apply(_to_date(date), locale).translate(PLAIN)


def date_pieces(language: str, format: str) -> list[str | int | list[str]]:
    """The pieces of a date, in order, for programs that write dates without CLDR.

    A string is literal text; a list of 12 strings names the months, a list of 7 the weekdays from Monday; 4,
    1 and 2 are the year, the day, and the day with two digits.
    """
    _require_one_of("language", language, LANGUAGES)
    _require_one_of("format", format, FORMATS)
    pattern, locale = _pattern(language, format)
    months = [Date(2024, month, 1) for month in range(1, 13)]
    weekdays = [Date(2024, 1, day) for day in range(1, 8)]  # 1 January 2024 was a Monday
    pieces: list[str | int | list[str]] = []
    for kind, part in tokenize_pattern(pattern.pattern):
        letter, width = part if kind == "field" else ("", 0)
        if letter in ("M", "E"):
            dates = months if letter == "M" else weekdays
            pieces.append([DateTimeFormat(date, locale)[letter * width].translate(PLAIN) for date in dates])
        else:
            pieces.append({"y": 4, "d": width}[letter] if letter else part.translate(PLAIN))
    return pieces


def dates_in(split: str) -> tuple[Date, ...]:
    """All dates from 1900 to 2099 in `split`, in order. Every date belongs to exactly one split."""
    return _dates_in(require_split(split))


@lru_cache(maxsize=len(SPLITS))
def _dates_in(split: str) -> tuple[Date, ...]:
    dates = map(Date.fromordinal, range(FIRST.toordinal(), LAST.toordinal() + 1))
    return tuple(date for date in dates if split_of(date.isoformat()) == split)


class DateTask(Task):
    """Read a date in one of several languages, write it as year-month-day: `7 mars 2009` → `2009-03-07`.

    `source` and `target` are vocabularies with every character that can occur; `source_length` and
    `target_length` are the maximum numbers of ids per row.
    """

    def __init__(self, languages: Sequence[str] = LANGUAGES, formats: Sequence[str] = FORMATS) -> None:
        for name, chosen, known in (("language", languages, LANGUAGES), ("format", formats, FORMATS)):
            if not is_list(chosen) or not len(chosen):
                raise ValueError(f"{name}s: wanted a list of at least one {name}, got {chosen!r}")
            for item in chosen:
                _require_one_of(name, item, known)
        self.languages, self.formats = tuple(languages), tuple(formats)
        texts = [text for language in languages for form in formats for text in _samples(language, form)]
        self.source, self.target = Vocabulary("".join(texts)), Vocabulary("0123456789-")
        self.source_length = max(map(len, texts))
        self.target_length = len("yyyy-mm-dd") + 2  # plus start and end

    def example(self, date: Date | str, language: str, format: str) -> tuple[str, str]:
        """Source and target of one example: `("7 mars 2009", "2009-03-07")`."""
        _require_one_of("language", language, self.languages)
        _require_one_of("format", format, self.formats)
        return write_date(date, language, format), _to_date(date).isoformat()

    def sample(
        self, size: int, generator: torch.Generator | None = None, split: str = "train"
    ) -> list[tuple[Date, str, str]]:
        """`size` random triples (date, language, format) from `split`, drawn uniformly and independently."""
        require_sizes(size=size)
        columns = dates_in(split), self.languages, self.formats
        draws = [torch.randint(len(column), (size,), generator=generator).tolist() for column in columns]
        return [tuple(column[i] for column, i in zip(columns, row)) for row in zip(*draws)]  # noqa: B905

    def encode(
        self, rows: Sequence[tuple[Date | str, str, str]]
    ) -> tuple[Int[Tensor, "B S"], Int[Tensor, "B T"]]:
        """The ids of (date, language, format) rows: the source, and the target with start and end."""
        require_rows(rows, "date", "language", "format")
        texts, isos = zip(*(self.example(*row) for row in rows), strict=True)
        return self.source.batch(texts), self.target.batch(isos, start=True, end=True)

    def batch(
        self, size: int, generator: torch.Generator | None = None, split: str = "train"
    ) -> tuple[Int[Tensor, "B S"], Int[Tensor, "B T"]]:
        """`size` random examples of `split` as ids: the source, and the target with start and end."""
        return self.encode(self.sample(size, generator, split))


def require_rows(rows: Sequence[tuple], *parts: str) -> None:
    """Raise `ValueError` unless there is at least one row, and each has these parts."""
    row = f"({', '.join(parts)})"
    if not is_list(rows) or not len(rows):
        raise ValueError(f"rows: wanted at least one {row}, got {rows!r}")
    for got in rows:
        if not is_list(got) or len(got) != len(parts):
            raise ValueError(f"rows: wanted {row}, got {got!r}")


@lru_cache(maxsize=len(LANGUAGES) * len(FORMATS))
def _pattern(language: str, form: str) -> tuple[DateTimePattern, Locale]:
    locale = Locale.parse(language)
    return get_date_format(form, locale), locale


@lru_cache(maxsize=len(LANGUAGES) * len(FORMATS))
def _samples(language: str, form: str) -> tuple[str, ...]:
    """84 dates that cover every month with every weekday, two-digit days and all ten digits.

    They have every character that can occur, and the greatest length.
    """
    dates = [Date(1987, month, day) for month in range(1, 13) for day in range(20, 27)]
    return tuple(write_date(date, language, form) for date in dates)


def _to_date(date: Date | str) -> Date:
    if isinstance(date, str):
        try:
            date = Date.fromisoformat(date)
        except ValueError as error:
            raise ValueError(f"date: wanted a real day, yyyy-mm-dd, got {date!r} ({error})") from None
    if not isinstance(date, Date) or isinstance(date, datetime):
        raise TypeError(f"date: wanted a datetime.date or a string yyyy-mm-dd, got {date!r}")
    if not FIRST <= date <= LAST:
        raise ValueError(f"date: wanted a day from {FIRST} to {LAST}, got {date}")
    return date


def _require_one_of(name: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        raise ValueError(f"{name}: wanted one of {', '.join(known)}, got {value!r}")
