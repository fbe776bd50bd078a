"""Shared by the tests of all exercises."""

import pytest

from attnbook.exercises import EXERCISES, Checker


@pytest.fixture
def check() -> Checker:
    """`check` with all exercises and no progress."""
    return Checker(EXERCISES)
