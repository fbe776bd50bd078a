"""The pronoun task: synthetic sentences in which every pronoun refers to exactly one noun."""

import re
from collections.abc import Sequence

import torch
from jaxtyping import Int
from torch import Tensor

from attnbook.arguments import require_sizes
from attnbook.data.splits import require_split, split_of
from attnbook.data.task import Task
from attnbook.data.vocabulary import WordVocabulary

# Each kind of noun has its own pronouns, one as subject and one as object.
NOUNS = {
    "she": ("actress", "aunt", "girl", "mother", "queen", "sister"),
    "he": ("actor", "boy", "brother", "father", "king", "uncle"),
    "it": ("clock", "law", "letter", "order", "robot", "ship"),
    "they": ("children", "guests", "keys", "people", "rules", "twins"),
}
PRONOUNS = {"she": ("she", "her"), "he": ("he", "him"), "it": ("it", "it"), "they": ("they", "them")}
ONE, MANY = ("the {}", "a {}", "such a {}", "the first {}"), ("{}", "the {}", "such {}", "the first {}")

# 0, 1 and 2 are nouns of different kinds; 0s is the subject pronoun for noun 0, 0o the object pronoun.
FRAMES = (
    "0 must do what 1 may tell 0o to",
    "0 may tell 1 what 1s must do",
    "0 would follow 1 until 1s could see 2",
    "0 must give 1 to 2 , unless 2s would break 1o",
    "when 0 may follow 1 , 1s must wait for 0o",
    "0 and 1 must obey 2 , unless 1s could see 0o",
    "0s must wait until 0 could see 1",
    "0 could see that 1 would give 0o to 2",
)


class PronounTask(Task):
    """Replace pronouns by nouns: `the robot must wait until it …` → `the robot must wait until robot …`.

    There are eight sentence frames, four kinds of nouns and six nouns of each kind. The nouns in a sentence
    are of different kinds, so its pronouns are never ambiguous. The set of nouns in a sentence decides its
    split: no training sentence has exactly the same nouns as a test sentence. (Two nouns of a test sentence
    may meet in a training sentence that has a third.) `words` is the vocabulary.
    """

    def __init__(self) -> None:
        fixed = " ".join(FRAMES + ONE + MANY).replace("{}", "an")
        words = {word for word in fixed.split() if not word[0].isdigit()}
        self.words = WordVocabulary(words.union(*NOUNS.values(), *PRONOUNS.values()))

    def sample(
        self, size: int, generator: torch.Generator | None = None, split: str = "train"
    ) -> list[tuple[str, str]]:
        """`size` random pairs from `split`: a sentence, and the sentence with nouns for its pronouns."""
        require_split(split)
        require_sizes(size=size)
        pairs: list[tuple[str, str]] = []
        while len(pairs) < size:
            for first, *draws in torch.rand(size, 11, generator=generator).tolist():
                frame = FRAMES[int(first * len(FRAMES))]
                nouns = _nouns(draws[:4], draws[4:7])[: 3 if "2" in frame else 2]
                if split_of(" ".join(sorted(noun for _, noun in nouns))) == split:
                    pairs.append(_write(frame, nouns, draws[7:]))
        return pairs[:size]

    def encode(self, pairs: Sequence[tuple[str, str]]) -> tuple[Int[Tensor, "B S"], Int[Tensor, "B S"]]:
        """The ids of pairs: the words, and for each word the noun it refers to, or the word itself."""
        if not pairs:
            raise ValueError("pairs: wanted at least one (sentence, meaning), got none")
        sentences, meanings = zip(*pairs, strict=True)
        return self.words.batch(sentences), self.words.batch(meanings)

    def batch(
        self, size: int, generator: torch.Generator | None = None, split: str = "train"
    ) -> tuple[Int[Tensor, "B S"], Int[Tensor, "B S"]]:
        """`size` random examples of `split` as ids: the words, and for each the noun or word it means."""
        return self.encode(self.sample(size, generator, split))


def _nouns(order: list[float], choices: list[float]) -> list[tuple[str, str]]:
    """Three (kind, noun) pairs: `order` ranks the kinds, `choices` pick a noun of each of the first three."""
    kinds = sorted(NOUNS, key=dict(zip(NOUNS, order, strict=True)).__getitem__)
    return [
        (kind, NOUNS[kind][int(draw * len(NOUNS[kind]))]) for kind, draw in zip(kinds, choices, strict=False)
    ]


def _write(frame: str, nouns: list[tuple[str, str]], draws: list[float]) -> tuple[str, str]:
    """Fill a frame with nouns; one random number per noun chooses its article or determiner."""
    phrases = {}
    for place, ((kind, noun), draw) in enumerate(zip(nouns, draws, strict=False)):
        forms = MANY if kind == "they" else ONE
        phrases[str(place)] = forms[int(draw * len(forms))].format(noun)
    pronouns = {
        f"{place}{form}": pronoun
        for place, (kind, _) in enumerate(nouns)
        for form, pronoun in zip("so", PRONOUNS[kind], strict=True)
    }
    meant = {slot: nouns[int(slot[0])][1] for slot in pronouns}
    both = ({**phrases, **words} for words in (pronouns, meant))
    sentence, meaning = (" ".join(words.get(slot, slot) for slot in frame.split()) for words in both)
    return _articles(sentence), _articles(meaning)


def _articles(text: str) -> str:
    """Change "a" to "an" before a vowel."""
    return re.sub(r"\ba (?=[aeiou])", "an ", text)
