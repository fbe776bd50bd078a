"""The published models, from files that `make models` has fetched."""

from collections.abc import Callable

import pytest

from attnbook.pretrained import load
from attnbook.pretrained.files import cache_folder, given


@pytest.fixture(scope="session")
def published() -> Callable:
    """`load`, which fails with a hint where the files are not cached."""

    def loaded(name: str):
        try:
            return load(name, path=given(name, cache_folder() / name))
        except ValueError as problem:
            pytest.fail(f"{problem} `make models` fetches all.", pytrace=False)

    return loaded
