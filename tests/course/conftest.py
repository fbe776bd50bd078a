"""What the tests of assignments and of grading share."""

from functools import cache

import pytest
from nbgrader import api


@pytest.fixture(scope="session", autouse=True)
def _one_question():
    """nbgrader starts a process for each new gradebook, which always gives the same version of its tables."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(api, "get_alembic_version", cache(api.get_alembic_version))
        yield
