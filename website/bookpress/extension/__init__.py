"""The book's Sphinx extension: what Jupyter Book and its theme don't do for the pages."""

import gc
from importlib import import_module

from sphinx.application import Sphinx

PARTS = (
    *("api", "callouts", "drawings", "edition", "execution", "folds", "guide", "home", "languages"),
    *(
        "listings",
        "maths",
        "models",
        "publishing",
        "repository",
        "searching",
        "sharing",
        "shipping",
        "verdicts",
        "widgets",
    ),
)


def setup(app: Sphinx) -> dict:
    # A build makes millions of objects and drops few in cycles: searching them all for garbage took a quarter
    # of its time.
    gc.set_threshold(1_000_000)
    for part in PARTS:
        import_module(f"{__name__}.{part}").setup(app)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
