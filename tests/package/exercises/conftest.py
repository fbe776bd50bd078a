"""What the tests of all chapters' exercises share."""

import pytest

from attnbook.exercises import EXERCISES, Checker


@pytest.fixture
def check() -> Checker:
    """All exercises, with nothing done yet."""
    return Checker(EXERCISES)
