"""Text to ids and back, by character or by word."""

from collections.abc import Iterable, Sequence

import torch
from jaxtyping import Int
from torch import Tensor

from attnbook.arguments import is_list, is_whole, require_flags, require_sizes


class Vocabulary:
    """The characters a model can read or write, each with its id.

    Ids 0, 1 and 2 are padding, start and end of a sequence. Then come `tags` such as "zh", which tell a model
    what to do and are not part of the text. The characters follow in sorted order, so that the same set of
    characters always gets the same ids. Raises `ValueError` for anything but single characters.
    """

    pad, start, end = 0, 1, 2
    SPECIAL = ("⟨pad⟩", "⟨start⟩", "⟨end⟩")
    kind, between = "character", ""  # the unit, and the separator between two units

    def __init__(self, characters: Iterable[str], tags: Sequence[str] = ()) -> None:
        if not is_list(tags):
            raise TypeError(f"tags: wanted a list of strings, got {tags!r}")
        self.tags = tuple(tags)
        characters = list(characters) if isinstance(characters, Iterable) else [characters]
        for character in characters:
            if not isinstance(character, str) or self.split(character) != [character]:
                raise ValueError(f"{self.kind}s: wanted single {self.kind}s, got {character!r}")
        self.characters = tuple(sorted(set(characters)))
        self._labels = self.SPECIAL + tuple(f"⟨{tag}⟩" for tag in self.tags) + self.characters
        self._first = len(self._labels) - len(self.characters)  # the first id of a character
        self._ids = {character: i for i, character in enumerate(self.characters, self._first)}

    def __len__(self) -> int:
        return len(self._labels)

    def __contains__(self, character: object) -> bool:
        return character in self._ids

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.between.join(self.characters)!r})"

    def split(self, text: str) -> list[str]:
        """The parts of `text`, one per id."""
        return list(text)

    def tag(self, name: str) -> int:
        """The id of a tag; raises `ValueError` for an unknown one."""
        if name not in self.tags:
            raise ValueError(f"name: wanted one of the tags {', '.join(self.tags) or '(none)'}, got {name!r}")
        return len(self.SPECIAL) + self.tags.index(name)

    def encode(self, text: str) -> list[int]:
        """The ids of `text`, without start or end; raises `ValueError` for an unknown character."""
        if not isinstance(text, str):
            raise TypeError(f"text: wanted a string, got {text!r}")
        parts = self.split(text)
        try:
            return [self._ids[part] for part in parts]
        except KeyError:
            where, unknown = next((i, part) for i, part in enumerate(parts) if part not in self._ids)
            code = f" (U+{ord(unknown):04X})" if len(unknown) == 1 else ""
            raise ValueError(
                f"text: wanted only {self.between.join(self.characters)!r}, "
                f"got {unknown!r}{code} at position {where}"
            ) from None

    def decode(self, ids: Iterable[int] | Int[Tensor, " T"]) -> str:
        """The text of `ids` up to the first end, without padding, start and tags."""
        characters = []
        for i in self._checked(ids):
            if i == self.end:
                break
            if i >= self._first:
                characters.append(self._labels[i])
        return self.between.join(characters)

    def tokens(self, text: str | Iterable[int] | Int[Tensor, " T"]) -> list[str]:
        """One label per position, for the rows and columns of a heatmap.

        Ids also give the labels of special tokens: ⟨pad⟩, ⟨start⟩, ⟨end⟩ and tags.
        """
        if isinstance(text, str):
            return self.split(text)
        return [self._labels[i] for i in self._checked(text)]

    def batch(
        self,
        texts: Sequence[str],
        length: int | None = None,
        *,
        start: bool = False,
        end: bool = False,
        tags: Sequence[str] | None = None,
    ) -> Int[Tensor, "B S"]:
        """`texts` as one tensor of ids, padded on the right to the longest of them, or to `length`.

        `start` and `end` add the start id before and the end id after each text; `tags`, one per text, come
        first. Raises `ValueError` if there is no text, if a text is longer than `length`, and for an unknown
        character or tag.
        """
        if not is_list(texts) or not len(texts):
            raise ValueError(f"texts: wanted a list of at least one string, got {texts!r}")
        require_flags(start=start, end=end)
        if length is not None:
            require_sizes(length=length)
        if tags is not None and (not is_list(tags) or len(tags) != len(texts)):
            got = len(tags) if is_list(tags) else repr(tags)
            raise ValueError(f"tags: wanted {len(texts)}, one per text, got {got}")
        before = [[]] * len(texts) if tags is None else [[self.tag(tag)] for tag in tags]
        rows = [
            tag + [self.start] * start + self.encode(text) + [self.end] * end
            for tag, text in zip(before, texts, strict=True)
        ]
        longest = max(map(len, rows))
        if length is not None and longest > length:
            raise ValueError(f"length: wanted at least {longest} for the longest text, got {length}")
        width = longest if length is None else length
        return torch.tensor([row + [self.pad] * (width - len(row)) for row in rows], dtype=torch.long)

    def _checked(self, ids: Iterable[int] | Tensor) -> list[int]:
        ids = ids.tolist() if isinstance(ids, Tensor) else ids
        if not isinstance(ids, Iterable):
            raise TypeError(f"ids: wanted a row of ids, got {ids!r}")
        ids = list(ids)
        for i in ids:
            if not is_whole(i) or not 0 <= i < len(self):
                raise ValueError(f"ids: wanted whole numbers from 0 to {len(self) - 1} in one row, got {i!r}")
        return ids


class WordVocabulary(Vocabulary):
    """A `Vocabulary` of words: texts are split at spaces."""

    kind, between = "word", " "

    def split(self, text: str) -> list[str]:
        """The words of `text`."""
        return text.split()
