"""Chapter 8: measures that tell the truth: a leak, and two scores."""

from datetime import date as Date

import torch
from torch import Tensor

from attnbook.exercises.old import as_function, exercise, judge_function, slip
from attnbook.exercises.running import run
from attnbook.exercises.verdict import Wrong

# --- 8.4 ---------------------------------------------------------------------------------------------------


def _number(value: float) -> Tensor:
    return torch.tensor(value, dtype=torch.float64)


def _leak(train, test) -> float:
    seen = {row[0] for row in train}
    return sum(row[0] in seen for row in test) / len(test)


LEAK_SLIPS = (
    (
        "You looked for the whole row. The same date in another language or form is the leak: compare dates.",
        lambda train, test: sum(row in set(train) for row in test) / len(test),
    ),
    (
        "That is the share of the different dates. Every row counts: a date's three rows three times.",
        lambda train, test: len({r[0] for r in test} & {r[0] for r in train}) / len({r[0] for r in test}),
    ),
    (
        "That is a share of the *training*. Divide by the number of the test's rows.",
        lambda train, test: sum(row[0] in {r[0] for r in test} for row in train) / len(train),
        lambda train, test: _leak(train, test) * len(test) / len(train),
    ),
    ("That is the share that does *not* leak.", lambda train, test: 1 - _leak(train, test)),
    ("That is a percentage, or a count: wanted a share from 0 to 1.", lambda a, b: 100 * _leak(a, b)),
    ("That is a percentage, or a count: wanted a share from 0 to 1.", lambda a, b: len(b) * _leak(a, b)),
    (
        "You compared languages or forms. All of them occur on both sides; dates are what matters.",
        lambda a, b: sum(r[1] in {x[1] for x in a} for r in b) / len(b),
        lambda a, b: sum(r[2] in {x[2] for x in a} for r in b) / len(b),
    ),
    (
        "You compared date and language. A date seen in another language has been seen, too.",
        lambda a, b: sum(r[:2] in {x[:2] for x in a} for r in b) / len(b),
    ),
)


@exercise(
    "8.4",
    "Measure a leak",
    task=(
        "write `leak(train, test)` for two lists of rows (date, language, format): the share of the test's "
        "rows whose date also occurs in the training."
    ),
    praise=(
        "Split by row, this share is nearly 1 on the book's data: with 27 rows a date, hardly a date has all "
        "of them in the test. Split by date it is 0."
    ),
)
def leak(answer) -> str:
    days = [Date(2001, 1, day) for day in range(1, 9)]
    train = [(days[i], "en", "full") for i in range(5)] + [(days[0], "zh", "long"), (days[7], "fr", "long")]
    test = [(days[i], "zh", form) for i in (0, 1, 5, 6) for form in ("long", "full")]
    test += [(days[2], "en", "full"), (days[5], "ar", "full"), (days[1], "de", "long")]
    cases = [{"train": train, "test": test}, {"train": test, "test": train}]
    slips = [
        slip(words, *(lambda train, test, wrong=wrong: _number(wrong(train, test)) for wrong in wrongs))
        for words, *wrongs in LEAK_SLIPS
    ]
    return judge_function(
        answer,
        call="leak(train, test)",
        cases=cases,
        right=lambda train, test: _number(_leak(train, test)),
        returns={"share": "one number"},
        slips=slips,
    )


# --- 8.5 ---------------------------------------------------------------------------------------------------


def _places(a: str, b: str) -> tuple[int, int]:
    return sum(x == y for x, y in zip(a, b, strict=False)), max(len(a), len(b))


def _scores(written, wanted) -> tuple[Tensor, Tensor]:
    pairs = list(zip(written, wanted, strict=True))
    right, places = map(sum, zip(*(_places(*pair) for pair in pairs), strict=True))
    return _number(sum(a == b for a, b in pairs) / len(pairs)), _number(right / places)


def _characters(share) -> object:
    """A wrong pair whose second number is `share(written, wanted)`."""
    return lambda written, wanted: (_scores(written, wanted)[0], _number(share(written, wanted)))


def _over(denominator):
    def share(written, wanted) -> float:
        pairs = list(zip(written, wanted, strict=True))
        return sum(_places(*pair)[0] for pair in pairs) / sum(denominator(*pair) for pair in pairs)

    return share


def _mean_of_shares(written, wanted) -> float:
    shares = [right / places for right, places in map(_places, written, wanted)]
    return sum(shares) / len(shares)


SCORE_SLIPS = (
    slip(
        "`zip` stops at the shorter text, so what is missing or too much was never counted as wrong. Divide "
        "by the longer one's length.",
        _characters(_over(lambda a, b: min(len(a), len(b)))),
    ),
    slip(
        "You divided by the wanted texts' lengths. What is too much is wrong as well: take the longer.",
        _characters(_over(lambda a, b: len(b))),
    ),
    slip(
        "You divided by the written texts' lengths: stopping early would be rewarded. Take the longer.",
        _characters(_over(lambda a, b: len(a))),
    ),
    slip(
        "You averaged each text's own share. Count the places of all texts together, and divide once.",
        _characters(_mean_of_shares),
    ),
    slip(
        "You looked whether a character occurs anywhere in the other. It has to stand at the same place.",
        _characters(
            lambda written, wanted: (
                sum(c in b for a, b in zip(written, wanted, strict=True) for c in a)
                / sum(max(len(a), len(b)) for a, b in zip(written, wanted, strict=True))
            )
        ),
        _characters(
            lambda written, wanted: (
                sum(c in b for a, b in zip(written, wanted, strict=True) for c in a)
                / sum(len(a) for a in written)
            )
        ),
    ),
    slip(
        "The two are right, and in the other order: exact first.",
        lambda written, wanted: _scores(written, wanted)[::-1],
    ),
    slip(
        "These are percentages. Wanted are shares from 0 to 1.",
        lambda written, wanted: tuple(100 * score for score in _scores(written, wanted)),
    ),
    slip(
        "`exact` is a count. Divide by the number of texts.",
        lambda written, wanted: (_scores(written, wanted)[0] * len(wanted), _scores(written, wanted)[1]),
    ),
)


@exercise(
    "8.5",
    "Two measures of one result",
    task=(
        "write `two_scores(written, wanted)` for two lists of texts: the share of texts that are right as a "
        "whole, and the share of all places, counted to the longer text's end, with the right character."
    ),
    praise=(
        "The two can lie far apart, and each can mislead alone: nearly all characters right and few dates, "
        "or one character too many in front and all places wrong."
    ),
)
def two_scores(answer) -> str:
    call = "two_scores(written, wanted)"
    cases = [
        (
            ["2009-03-07", "1999-1-1", "2020-02-020", "", "x2001-01-01", "1950-10-10"],
            ["2009-03-07", "1999-11-11", "2020-02-02", "1987", "2001-01-01", "1905-10-01"],
        ),
        (["ab", "abcd", "abcdef"], ["ab", "abcd", "abc"]),
    ]
    function = as_function(answer, call)
    try:  # an empty text is a trap of its own
        run(function, {"written": cases[0][0], "wanted": cases[0][1]}, call)
    except Wrong as wrong:
        if "ZeroDivisionError" in str(wrong):
            raise Wrong(
                "One text that was written is empty, and your function divides by its length. Count the "
                "places of all texts together, to the longer one's end."
            ) from None
        raise
    return judge_function(
        answer,
        call=call,
        cases=[{"written": a, "wanted": b} for a, b in cases],
        right=_scores,
        returns={"exact": "one number", "characters": "one number"},
        slips=SCORE_SLIPS,
    )
