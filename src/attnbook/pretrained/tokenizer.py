"""One interface to the tokenizers of all published models."""

import operator
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tokenizers

__all__ = ["Tokenizer"]


class Tokenizer:
    """A published model's tokenizer: text to ids and back.

    `pad` is the id that pads shorter rows of a batch. `library` is a tokenizer of the library `tokenizers`,
    which does the work; `normalize` changes a text before that, `spell` how a token is written after it.
    """

    def __init__(
        self,
        library: "tokenizers.Tokenizer",
        pad: int,
        *,
        normalize: Callable[[str], str] = str,
        spell: Callable[[str], str] = str,
    ) -> None:
        self.library, self.pad, self.normalize, self.spell = library, pad, normalize, spell

    def encode(self, text: str) -> list[int]:
        """The ids of a text, with the special tokens that the model expects around it."""
        if not isinstance(text, str):
            raise TypeError(f"text: wanted a string, got {text!r}")
        if half := re.search("[\ud800-\udfff]", text):
            raise ValueError(f"text: wanted characters, got the surrogate {half[0]!r}, which is half of one")
        return self.library.encode(self.normalize(text)).ids

    def tokens(self, ids: Sequence[int]) -> list[str]:
        """How the vocabulary spells each id.

        WordPiece marks a token that continues a word with `##`, Unigram one that begins a word with `▁`. In
        byte-level BPE the space before a word belongs to the token, and a byte that is only part of a
        character is spelled like `\\xe6`. Raises `ValueError` for an id outside the vocabulary, `TypeError`
        for anything but whole numbers.
        """
        return [self.spell(self.library.id_to_token(number)) for number in self.numbers(ids)]

    def decode(self, ids: Sequence[int]) -> str:
        """The text of the ids without special tokens; raises what `tokens` raises."""
        return self.library.decode(self.numbers(ids))

    def numbers(self, ids: Sequence[int]) -> list[int]:
        """The ids as Python's integers, all of them in the vocabulary."""
        try:
            numbers = list(map(operator.index, ids))
        except TypeError:
            raise TypeError(f"ids: wanted a sequence of whole numbers, got {ids!r}") from None
        vocab = self.library.get_vocab_size()
        for number in numbers:
            if not 0 <= number < vocab:
                raise ValueError(f"ids: wanted ids from 0 to {vocab - 1}, got {number}")
        return numbers
