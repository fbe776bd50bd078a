"""Dates in nine languages, their splits and batches."""

from datetime import date, datetime

import pytest
import torch
from babel.dates import format_date
from hypothesis import given
from hypothesis import strategies as st

from attnbook.data import FORMATS, LANGUAGES, SPLITS, DateTask, date_pieces, dates_in, write_date
from attnbook.data.dates import FIRST, LAST

days = st.dates(FIRST, LAST)
TASK = DateTask()


@pytest.mark.parametrize(
    ("language", "format", "text"),
    [
        ("en", "full", "Saturday, March 7, 2009"),
        ("de", "long", "7. März 2009"),
        ("fr", "full", "samedi 7 mars 2009"),
        ("es", "full", "sábado, 7 de marzo de 2009"),
        ("eu", "full", "2009(e)ko martxoaren 7(a), larunbata"),
        ("ru", "long", "7 марта 2009 г."),
        ("ar", "full", "السبت، 7 مارس 2009"),
        ("hi", "full", "शनिवार, 7 मार्च 2009"),
        ("zh", "full", "2009年3月7日星期六"),
    ],
)
def test_nine_languages(language, format, text):
    assert write_date("2009-03-07", language, format) == text


@given(days, st.sampled_from(LANGUAGES), st.sampled_from(FORMATS))
def test_text_is_babels_with_plain_spaces_and_without_direction_marks(day, language, format):
    text = write_date(day, language, format)
    spaced = format_date(day, format, locale=language).replace("\u202f", " ").replace("\xa0", " ")
    assert text == spaced.replace("\u200f", "").replace("\u200e", "")
    assert all(character == " " or not character.isspace() for character in text)
    assert not set(text) & set("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


@given(days, st.sampled_from(LANGUAGES), st.sampled_from(FORMATS))
def test_vocabulary_and_lengths_cover_every_date(day, language, format):
    text, iso = TASK.example(day, language, format)
    assert TASK.source.decode(TASK.source.encode(text)) == text
    assert len(text) <= TASK.source_length
    source, target = TASK.encode([(day, language, format)])
    assert target.shape == (1, TASK.target_length)
    assert (TASK.source.decode(source[0]), TASK.target.decode(target[0])) == (text, iso)
    assert date.fromisoformat(iso) == day


@pytest.mark.parametrize("language", LANGUAGES)
def test_lengths_and_characters_are_no_larger_than_needed(language):
    task = DateTask([language])
    every = [
        date(year, month, day) for year in range(2000, 2028) for month in range(1, 13) for day in (7, 22, 28)
    ]
    texts = [write_date(day, language, "full") for day in every]  # every weekday falls on each of these days
    assert max(map(len, texts)) == task.source_length
    texts += [write_date(day, language, format) for day in every[:36] for format in FORMATS]
    assert set("".join(texts)) | set("0123456789") == set(task.source.characters)
    assert "".join(task.target.characters) == "-0123456789"
    assert task.target_length == len("yyyy-mm-dd") + 2


def test_a_date_may_be_a_string():
    assert write_date("2009-03-07", "en", "long") == write_date(date(2009, 3, 7), "en", "long")


def test_the_first_and_the_last_day_are_among_the_dates():
    assert write_date("1900-01-01", "en", "full") == "Monday, January 1, 1900"
    assert write_date("2099-12-31", "en", "full") == "Thursday, December 31, 2099"
    days = [day for split in SPLITS for day in dates_in(split)]
    assert (min(days), max(days)) == (date(1900, 1, 1), date(2099, 12, 31))


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("format", FORMATS)
def test_joined_pieces_are_the_text(language, format):
    def part(piece, day):
        if isinstance(piece, list):
            return piece[day.month - 1] if len(piece) == 12 else piece[day.weekday()]
        return piece if isinstance(piece, str) else str(day.year) if piece == 4 else f"{day.day:0{piece}}"

    pieces = date_pieces(language, format)
    assert {len(piece) for piece in pieces if isinstance(piece, list)} <= {7, 12}
    for day in dates_in("test")[::23]:
        assert "".join(part(piece, day) for piece in pieces) == write_date(day, language, format)


def test_every_date_is_in_exactly_one_split():
    parts = [dates_in(split) for split in SPLITS]
    together = [day for part in parts for day in part]
    assert len(together) == len(set(together)) == (LAST - FIRST).days + 1
    shares = [len(part) / len(together) for part in parts]
    assert shares == pytest.approx([0.8, 0.1, 0.1], abs=0.01)
    for part in parts:  # every month and every weekday is in every split
        assert len({(day.month, day.weekday()) for day in part}) == 84


def test_the_split_of_a_date_never_changes():
    for day, split in {"2009-03-07": "train", "1969-07-20": "validation", "1992-12-31": "test"}.items():
        assert date.fromisoformat(day) in dates_in(split)


@pytest.mark.parametrize("split", SPLITS)
def test_batches_come_from_their_split(split):
    source, target = TASK.batch(64, torch.Generator().manual_seed(1), split)
    assert source.shape[0] == target.shape[0] == 64
    known = set(dates_in(split))
    assert all(date.fromisoformat(TASK.target.decode(row)) in known for row in target)


def test_the_same_seed_gives_the_same_batches():
    first, second, other = TASK.batches(8, seed=5), TASK.batches(8, seed=5), TASK.batches(8, seed=6)
    for _ in range(3):
        one, two, three = next(first), next(second), next(other)
        assert torch.equal(one[0], two[0])
        assert torch.equal(one[1], two[1])
        assert not torch.equal(one[1], three[1])


def test_a_task_with_some_languages_only():
    task = DateTask(languages=["en", "zh"], formats=["full"])
    assert len(task.source) < len(TASK.source)
    rows = task.sample(100, torch.Generator().manual_seed(0))
    assert {language for _, language, _ in rows} == {"en", "zh"}
    assert {format for _, _, format in rows} == {"full"}


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: write_date("2009-02-30", "en", "full"), "date: .*got '2009-02-30'"),
        (lambda: write_date("1899-12-31", "en", "full"), "date: .*1900-01-01 to 2099-12-31, got 1899-12-31"),
        (lambda: write_date("2100-01-01", "en", "full"), "date: .*got 2100-01-01"),
        (lambda: write_date("2009-03-07", "xx", "full"), "language: .*got 'xx'"),
        (lambda: write_date("2009-03-07", "en", "short"), "format: .*got 'short'"),
        (lambda: date_pieces("xx", "full"), "language: .*got 'xx'"),
        (lambda: date_pieces("en", "short"), "format: .*got 'short'"),
        (lambda: DateTask(languages=["en", "xx"]), "language: .*got 'xx'"),
        (lambda: DateTask(languages=[]), r"languages: .*got \[\]"),
        (lambda: DateTask(languages="en"), "languages: .*got 'en'"),
        (lambda: DateTask(formats=["tiny"]), "format: .*got 'tiny'"),
        (lambda: DateTask(languages=["en"]).example("2009-03-07", "de", "full"), "language: .*got 'de'"),
        (lambda: DateTask(formats=["full"]).example("2009-03-07", "de", "long"), "format: .*got 'long'"),
        (lambda: TASK.batch(0), "size: .*got 0"),
        (lambda: TASK.batch(4, split="tests"), "split: .*got 'tests'"),
        (lambda: TASK.encode([]), r"rows: .*got \[\]"),
        (lambda: TASK.source.encode("7 March 2009!"), "text: .*got '!'"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.bad_input
@pytest.mark.parametrize("wrong", [20090307, None, datetime(2009, 3, 7)])
def test_a_date_of_the_wrong_type_is_a_type_error(wrong):
    with pytest.raises(TypeError, match="date: "):
        write_date(wrong, "en", "full")
