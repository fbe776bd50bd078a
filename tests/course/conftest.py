"""What the tests of assignments and of grading share."""

from functools import cache

import pytest
from nbgrader import api


@pytest.fixture(scope="session", autouse=True)
def _one_question():
    """nbgrader starts a process per new gradebook to ask for its tables' version, which never changes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(api, "get_alembic_version", cache(api.get_alembic_version))
        yield
