"""Translation of dates: tags, targets, and that the source always determines the target."""

import pytest
import torch

from attnbook.data import LANGUAGES, TARGETS, DateTask, TranslationTask, dates_in, write_date

TASK = TranslationTask()


def test_examples_in_several_languages():
    assert TASK.example("2009-03-07", "en", "full", "zh") == ("Saturday, March 7, 2009", "2009年3月7日星期六")
    assert TASK.example("2009-03-07", "fr", "medium", "de") == ("7 mars 2009", "7. März 2009")
    assert TASK.example("2009-03-07", "zh", "long", "iso") == ("2009年3月7日", "2009-03-07")
    assert TASK.example("2009-03-07", "zh", "long") == ("2009年3月7日", "2009-03-07")


def test_lengths_are_those_of_the_longest_date_with_its_tag_or_start_and_end():
    task, languages = TranslationTask(targets=["en", "zh"]), ["en", "zh"]
    assert task.source_length == DateTask().source_length + 1
    assert task.target_length == DateTask(languages, ["long", "full"]).source_length + 2
    assert TranslationTask(targets=["iso"]).target_length == len("yyyy-mm-dd") + 2


def test_languages_formats_and_characters_are_only_those_that_are_chosen():
    task = TranslationTask(["fr", "ar"], ["long"], ["fr", "iso"])
    assert (task.languages, task.formats) == (("fr", "ar"), ("long",))
    assert {row[1:] for row in task.sample(99, torch.Generator().manual_seed(0))} == {
        (language, "long", target) for language in ("fr", "ar") for target in ("fr", "iso")
    }
    french = set(DateTask(["fr"], ["long", "full"]).source.characters)  # without the dot of its medium format
    assert set(task.target.characters) == french | set("0123456789-")


def test_the_same_seed_gives_the_same_rows():
    assert TASK.sample(5, torch.Generator().manual_seed(0)) == TASK.sample(
        5, torch.Generator().manual_seed(0)
    )


@pytest.mark.parametrize("target", TARGETS)
def test_the_target_has_a_weekday_only_if_the_source_has_one(target):
    for language in LANGUAGES:
        short, long, full = (
            TASK.example("2009-03-07", language, kind, target)[1] for kind in ("medium", "long", "full")
        )
        assert short == long
        if target != "iso":
            assert full == write_date("2009-03-07", target, "full") != long


def test_a_text_has_only_one_target():
    answers = {}
    for date in dates_in("test")[:400]:
        for language in LANGUAGES:
            for kind in ("medium", "long", "full"):
                for target in ("en", "iso"):
                    text, wanted = TASK.example(date, language, kind, target)
                    assert answers.setdefault((language, text, target), wanted) == wanted


def test_every_row_starts_with_its_tag():
    rows = TASK.sample(500, torch.Generator().manual_seed(0), "validation")
    source, target = TASK.encode(rows)
    assert source.shape[1] <= TASK.source_length
    assert target.shape[1] <= TASK.target_length
    for row, ids, written in zip(rows, source, target, strict=True):
        text, wanted = TASK.example(*row)
        assert int(ids[0]) == TASK.source.tag(row[3])
        assert TASK.source.decode(ids) == text
        assert TASK.source.tokens(ids)[0] == f"⟨{row[3]}⟩"
        assert TASK.target.decode(written) == wanted
    assert {row[3] for row in rows} == set(TARGETS)
    assert {row[0] for row in rows} <= set(dates_in("validation"))


def test_every_date_of_the_range_can_be_written():
    dates = [date for split in ("train", "validation", "test") for date in dates_in(split)][::97]
    for kind in ("medium", "long", "full"):
        TASK.encode(
            [
                (date, language, kind, target)
                for date in dates
                for language, target in zip(LANGUAGES, TARGETS, strict=False)
            ]
        )


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"targets": ["klingon"]}, r"targets: wanted a list of some of .*iso, got \['klingon'\]"),
        ({"targets": "en"}, "targets: wanted a list"),
        ({"targets": []}, "targets: wanted a list"),
        ({"languages": ["xx"]}, "language: wanted one of"),
    ],
)
def test_unknown_names_are_rejected(options, words):
    with pytest.raises(ValueError, match=words):
        TranslationTask(**options)


def test_a_target_outside_the_task_is_rejected():
    with pytest.raises(ValueError, match="target: wanted one of zh, got 'de'"):
        TranslationTask(targets=["zh"]).example("2009-03-07", "en", "long", "de")
    with pytest.raises(ValueError, match="rows: wanted at least one"):
        TASK.encode([])
