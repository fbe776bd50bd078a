"""One interface to the tokenizers of all published models."""

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
        return self.library.encode(self.normalize(text)).ids

    def tokens(self, ids: Sequence[int]) -> list[str]:
        """How the vocabulary spells each id; raises `ValueError` for an id outside it.

        WordPiece marks a token that continues a word with `##`, Unigram one that begins a word with `▁`. In
        byte-level BPE the space before a word belongs to the token, and a byte that is only part of a
        character is spelled like `\\xe6`.
        """
        return [self.spell(self.token(number)) for number in ids]

    def token(self, number: int) -> str:
        token = self.library.id_to_token(int(number)) if number >= 0 else None
        if token is None:
            raise ValueError(f"ids: wanted ids from 0 to {self.library.get_vocab_size() - 1}, got {number}")
        return token

    def decode(self, ids: Sequence[int]) -> str:
        """The text of the ids without special tokens; raises `ValueError` for an unknown id."""
        numbers = [int(number) for number in ids]
        for number in numbers:
            self.token(number)
        return self.library.decode(numbers)
