"""The book's two tasks, dates and reversal, and the vocabulary that turns their text into ids."""

from attnbook.data.dates import CLDR_VERSION, FORMATS, LANGUAGES, DateTask, dates_in, write_date
from attnbook.data.reversal import ReversalTask
from attnbook.data.splits import SPLITS, split_of
from attnbook.data.translation import TARGETS, TranslationTask
from attnbook.data.vocabulary import Vocabulary

__all__ = [
    "CLDR_VERSION",
    "FORMATS",
    "LANGUAGES",
    "SPLITS",
    "TARGETS",
    "DateTask",
    "ReversalTask",
    "TranslationTask",
    "Vocabulary",
    "dates_in",
    "split_of",
    "write_date",
]
