"""Interactive figures: each has one Python class and one ES module (in `js/`, built into `bundles/`)."""

from attnbook.widgets.clocks import PositionClocks
from attnbook.widgets.explorer import AttentionExplorer
from attnbook.widgets.language import LanguageModelExplorer
from attnbook.widgets.path import PathExplorer
from attnbook.widgets.plane import QueryPlane
from attnbook.widgets.sentences import SentenceExplorer
from attnbook.widgets.stepper import AttentionStepper
from attnbook.widgets.trainer import AttentionTrainer
from attnbook.widgets.training import TrainingExplorer
from attnbook.widgets.translator import DateTranslator

__all__ = [
    "AttentionExplorer",
    "AttentionStepper",
    "AttentionTrainer",
    "DateTranslator",
    "LanguageModelExplorer",
    "PathExplorer",
    "PositionClocks",
    "QueryPlane",
    "SentenceExplorer",
    "TrainingExplorer",
]
