"""Every slip of every exercise gets its own message and is never taken for another slip or for correct."""

import itertools
from collections.abc import Iterator

import pytest
import torch

from attnbook.exercises import EXERCISES, Checker
from attnbook.exercises.judges import Function, Numbers, Suspects, Together

JUDGES = {name: each.judge for name, each in EXERCISES.items()}


def right(judge):
    """A correct answer."""
    if isinstance(judge, Numbers):
        return {row.name: row.wanted for row in judge.table}
    if isinstance(judge, Together):
        return tuple(map(right, judge.judges.values()))
    return judge.right


def wrong(judge) -> Iterator[tuple[str, object]]:
    """The message of each slip, and an answer that makes the slip."""
    if isinstance(judge, Numbers):
        for row in judge.table:
            for value, words in row.slips.items():
                yield f"`{row.name}`: {words}", right(judge) | {row.name: value}
    elif isinstance(judge, Together):
        for place, part in enumerate(judge.judges.values()):
            for words, answer in wrong(part):
                answers = list(right(judge))
                answers[place] = answer
                yield words, tuple(answers)
    else:
        for words, wrongs in judge.slips:
            yield from ((words, answer) for answer in wrongs)
    if isinstance(judge, Suspects):
        for misjudged, suspect in enumerate(judge.line_up):
            yield suspect.words, errs_once(judge, misjudged)


def errs_once(judge: Suspects, misjudged: int):
    """A detector that is correct about all suspects but one, recognized by their order."""
    truths = [suspect.truth for suspect in judge.line_up]
    truth = truths[misjudged]
    if isinstance(truth, dict):
        key = next(iter(truth))
        truths[misjudged] = truth | {key: not truth[key]}
    else:
        truths[misjudged] = not truth
    order = itertools.cycle(truths)
    return lambda *_: next(order)


def parts(judge) -> list:
    return (
        [part for each in judge.judges.values() for part in parts(each)]
        if isinstance(judge, Together)
        else [judge]
    )


@pytest.fixture(scope="module")
def remembered():
    """Slips are compared in pairs: what one gives for a case is computed once and kept."""
    known, compute = {}, Function.result

    def result(judge: Function, function, case):
        key = id(judge), id(function), id(case)  # they all live as long as the exercises
        if key not in known:
            try:
                known[key] = compute(judge, function, case)
            except Exception as error:
                known[key] = error
        if isinstance(known[key], Exception):
            raise known[key]
        return known[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Function, "result", result)
        yield


@pytest.fixture
def check() -> Checker:
    return Checker(EXERCISES)


@pytest.mark.parametrize("name", JUDGES)
def test_the_right_answer_passes(check, name):
    verdict = check(name, right(JUDGES[name]))
    assert verdict.passed, verdict
    assert "One thing" not in verdict.message


@pytest.mark.parametrize("name", JUDGES)
def test_the_right_answer_passes_whatever_the_reader_has_set(check, name):
    dtype = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        with torch.device("meta"), torch.inference_mode():
            assert check(name, right(JUDGES[name])).passed
            assert not torch.is_grad_enabled()
            assert torch.get_default_dtype() == torch.float64
            assert torch.zeros(1).is_meta
    finally:
        torch.set_default_dtype(dtype)


@pytest.mark.usefixtures("remembered")
@pytest.mark.parametrize(
    ("name", "words", "answer"),
    [
        pytest.param(name, *slip, id=f"{name}-{place}")
        for name, judge in JUDGES.items()
        for place, slip in enumerate(wrong(judge))
    ],
)
def test_every_slip_is_told_in_its_own_words(check, name, words, answer):
    verdict = check(name, answer)
    assert verdict.state == "wrong"
    assert words in verdict.message


@pytest.mark.usefixtures("remembered")
@pytest.mark.parametrize("name", JUDGES)
def test_no_two_slips_agree_on_the_first_case_that_rejects_them(name):
    """This includes a slip and the correct answer: otherwise a learner could be told of the wrong slip."""
    assert [pair for part in parts(JUDGES[name]) for pair in collisions(part)] == []


def collisions(judge) -> Iterator[tuple[str, str]]:
    if isinstance(judge, Numbers):
        for row in judge.table:
            known = [("the right answer", row.wanted)]
            for value, words in row.slips.items():
                yield from ((words, other) for other, theirs in known if judge.same(row, value, theirs))
                known.append((words, value))
    elif isinstance(judge, Suspects):
        known = [("the right answer", [suspect.truth for suspect in judge.line_up])]
        assert judge.says(judge.right) == known[0][1]
        for words, wrongs in judge.slips:
            said = [judge.says(detector) for detector in wrongs]
            yield from ((words, other) for each in said for other, theirs in known if each == theirs)
            known += [(words, each) for each in said]
    else:
        for words, wrongs in judge.slips:
            for answer in wrongs:
                yield from ((words, other) for other in mistaken(judge, words, answer))


def mistaken(judge: Function, words: str, answer) -> list[str]:
    """The other slips that give the same result on the first case that rejects this slip."""
    for place, case in enumerate(judge.cases):
        wanted = judge.wanted(case)
        got = judge.read(judge.result(answer, case), wanted)
        if not judge.compare(got, wanted):
            return [
                other
                for other, wrongs in judge.slips
                if other != words and any(judge.explains(each, place, got) for each in wrongs)
            ]
    return ["the right answer"]
