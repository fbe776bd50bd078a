"""Helpers of graded tests: correct values pass silently, wrong ones get a message about the difference."""

import math
import re

import pytest
import torch

from attnbook.exercises.expecting import expect, unpack

ONES = torch.ones(2, 3)


@pytest.mark.parametrize(
    ("got", "wanted"),
    [
        (ONES, ONES),
        (ONES.double() + 1e-6, ONES),
        (ONES.long(), ONES),
        (ONES.clone().requires_grad_(), ONES),
        (torch.tensor(3.0), 3.0),
        (torch.tensor([3]), 3),
        (3.0001, 3.0),
        (3.0, 3),
        (math.inf, math.inf),
        (True, True),
        ("text", "text"),
        (None, None),
        ([1, 2.0], (1, 2.0)),
        ({"a": [ONES, 1]}, {"a": (ONES, 1)}),
        (ONES.shape, (2, 3)),
        (torch.ones(2, 3, dtype=torch.bool), ONES.bool()),
        (torch.tensor([math.nan]), torch.tensor([math.nan])),
    ],
)
def test_what_is_wanted_passes(got, wanted):
    assert expect(got, wanted, "words") is None


@pytest.mark.parametrize(
    ("got", "wanted", "difference"),
    [
        (None, ONES, "wanted a tensor of shape (2, 3), got None: is there a `return`?"),
        ([1.0], ONES, "wanted a tensor of shape (2, 3), got a list"),
        (ONES.T, ONES, "wanted the shape (2, 3), got (3, 2)"),
        (ONES[:1], ONES, "wanted the shape (2, 3), got (1, 3)"),
        (ONES.bool(), ONES, "wanted torch.float32, got torch.bool"),
        (ONES + torch.eye(2, 3), ONES, "2 of 6 numbers differ, first at [0, 0]: wanted 1, got 2"),
        (ONES * math.nan, ONES, "6 of 6 numbers differ, first at [0, 0]: wanted 1, got nan"),
        (ONES, ONES * math.nan, "wanted nan, got 1"),
        (torch.tensor(2.0), torch.tensor(1.0), "(wanted 1, got 2)"),
        (2, 1.0, "wanted 1.0, got 2"),
        (1.0001, 1, "wanted 1, got 1.0001"),
        (math.nan, 1.0, "wanted 1.0, got nan"),
        (True, 1, "wanted a number, got True"),
        (1, True, "wanted True, got 1"),
        ("a", 1, "wanted a number, got 'a'"),
        (ONES, 1, "wanted a number, got a tensor of shape (2, 3)"),
        ("a", "b", "wanted 'b', got 'a'"),
        (0, None, "wanted None, got 0"),
        (1, [1], "wanted 1 things in a list or tuple, got 1"),
        ([1, 2], [1], "wanted 1 things, got 2"),
        ([1, [2, 3]], [1, [2, 4]], "at [1][1]: wanted 4, got 3"),
        ({"a": 1}, {"b": 1}, "wanted the keys ['b'], got ['a']"),
        ([1], {"b": 1}, "wanted a dictionary, got a list"),
        ({"a": (1, ONES)}, {"a": (1, ONES * 2)}, "at ['a'][1]: 6 of 6 numbers differ"),
    ],
)
def test_the_error_names_the_difference(got, wanted, difference):
    with pytest.raises(AssertionError, match=r"^words\n") as error:
        expect(got, wanted, "words")
    assert difference in str(error.value)


def test_the_tolerance_can_be_chosen():
    expect(1.0 + 1e-5, 1.0, "words")
    with pytest.raises(AssertionError):
        expect(1.0 + 1e-5, 1.0, "words", rtol=0, atol=1e-6)
    with pytest.raises(AssertionError):
        expect(ONES + 1e-5, ONES, "words", rtol=0, atol=1e-6)


def test_unpack_gives_what_was_returned_or_says_what_should_have_been():
    assert unpack((1, 2), "one", "two") == (1, 2)
    assert unpack([1, 2], "one", "two") == (1, 2)
    for result, words in [
        (ONES, "it returned a tensor of shape (2, 3)."),
        ((1, 2, 3), "it returned 3 things."),
        (None, "it returned None: is there a `return`?"),
    ]:
        said = f"^Your function should return 2 things, one and two; {re.escape(words)}"
        with pytest.raises(AssertionError, match=said):
            unpack(result, "one", "two")
