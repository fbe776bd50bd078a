"""The book's tasks, and the vocabularies that map their text to ids."""

from attnbook.data.dates import (
    CLDR_VERSION,
    FORMATS,
    LANGUAGES,
    DateTask,
    date_pieces,
    dates_in,
    write_date,
)
from attnbook.data.pronouns import PronounTask
from attnbook.data.prose import extract_prose, load_prose
from attnbook.data.reversal import ReversalTask
from attnbook.data.splits import SPLITS, split_of
from attnbook.data.translation import TARGETS, TranslationTask
from attnbook.data.vocabulary import Vocabulary, WordVocabulary

__all__ = [
    "CLDR_VERSION",
    "FORMATS",
    "LANGUAGES",
    "SPLITS",
    "TARGETS",
    "DateTask",
    "PronounTask",
    "ReversalTask",
    "TranslationTask",
    "Vocabulary",
    "WordVocabulary",
    "date_pieces",
    "dates_in",
    "extract_prose",
    "load_prose",
    "split_of",
    "write_date",
]
