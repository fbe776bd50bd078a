"""The book's exercises: `check("3.2", answer)` says what is right or wrong with an answer.

A module `chapterNN.py` in this folder holds the exercises of a chapter; adding a chapter is adding a module.
"""

import importlib
import pkgutil

from attnbook.exercises.registry import EXERCISES, Checker
from attnbook.exercises.running import plain_torch
from attnbook.exercises.verdict import Summary, Verdict

with plain_torch():
    for _module in sorted(module.name for module in pkgutil.iter_modules(__path__)):
        if _module.startswith("chapter"):
            importlib.import_module(f"{__name__}.{_module}")

check = Checker(EXERCISES)

__all__ = ["EXERCISES", "Checker", "Summary", "Verdict", "check"]
