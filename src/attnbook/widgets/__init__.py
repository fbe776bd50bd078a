"""Interactive figures: one Python class and one ES module (in `js/`, built into `bundles/`) each."""

from attnbook.widgets.explorer import AttentionExplorer
from attnbook.widgets.path import PathExplorer
from attnbook.widgets.plane import QueryPlane
from attnbook.widgets.stepper import AttentionStepper

__all__ = ["AttentionExplorer", "AttentionStepper", "PathExplorer", "QueryPlane"]
