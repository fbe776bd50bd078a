"""The pronoun task: sentences in which every pronoun refers to one noun."""

import re

import pytest
import torch

from attnbook.data import SPLITS, PronounTask, split_of
from attnbook.data.pronouns import NOUNS, PRONOUNS

TASK = PronounTask()
KIND_OF = {noun: kind for kind, nouns in NOUNS.items() for noun in nouns}
KINDS_OF = {}  # pronoun -> the kinds of nouns it can refer to
for kind, forms in PRONOUNS.items():
    for form in forms:
        KINDS_OF.setdefault(form, set()).add(kind)


@pytest.fixture(scope="module")
def pairs():
    return TASK.sample(2000, torch.Generator().manual_seed(0))


def nouns_in(text: str) -> list[str]:
    return [word for word in text.split() if word in KIND_OF]


def test_the_target_is_the_sentence_with_nouns_for_pronouns(pairs):
    replaced = 0
    for sentence, meaning in pairs:
        words, meant = sentence.split(), meaning.split()
        for word, noun in zip(words, meant, strict=True):
            if word in KINDS_OF:
                assert KINDS_OF[word] == {KIND_OF[noun]}
                assert noun in words
                replaced += 1
            else:
                assert word == noun
    assert replaced >= len(pairs)


def test_only_subjects_are_followed_by_verbs(pairs):
    subjects, objects = {"she", "he", "it", "they"}, {"her", "him", "it", "them"}
    found = set()
    for sentence, _ in pairs:
        words = sentence.split()
        for word, following in zip(words, [*words[1:], "."], strict=True):
            if word in subjects | objects:
                verb = following in ("must", "may", "could", "would")
                assert word in (subjects if verb else objects), sentence
                found.add((word, verb))
    assert len(found) == 8


def test_no_pronoun_is_ambiguous(pairs):
    for sentence, _ in pairs:
        kinds = [KIND_OF[noun] for noun in nouns_in(sentence)]
        assert len(kinds) == len(set(kinds)) in (2, 3)


def test_every_noun_pronoun_and_frame_is_drawn(pairs):
    words = {word for sentence, _ in pairs for word in sentence.split()}
    assert words == set(PronounTask().words.characters)
    meant = {noun for s, m in pairs for word, noun in zip(s.split(), m.split(), strict=True) if word != noun}
    assert meant == set(KIND_OF)


def test_articles_fit_their_nouns(pairs):
    text = " / ".join(part for pair in pairs for part in pair)
    assert re.search(r"\ban [aeiou]", text)
    assert re.search(r"\ba [^aeiou ]", text)
    assert not re.search(r"\ba [aeiou]|\ban [^aeiou]", text)
    assert not re.search(rf"\ban? ({'|'.join(NOUNS['they'])})", text)


def test_every_article_is_drawn(pairs):
    text = " / ".join(sentence for sentence, _ in pairs)
    for form in ("the robot", "a robot", "such a robot", "the first robot"):
        assert re.search(rf"\b{form}\b", text), form
    for form in ("/ keys", "the keys", "such keys", "the first keys"):
        assert form in text, form


def test_the_nouns_in_a_sentence_decide_its_split():
    sets = {}
    for split in SPLITS:
        for sentence, _ in TASK.sample(500, torch.Generator().manual_seed(1), split):
            nouns = frozenset(nouns_in(sentence))
            assert split_of(" ".join(sorted(nouns))) == split
            assert sets.setdefault(nouns, split) == split
    assert set(sets.values()) == set(SPLITS)


def test_two_nouns_of_a_test_sentence_may_meet_a_third_in_training():
    train, test = (
        {
            frozenset(nouns_in(sentence))
            for sentence, _ in TASK.sample(500, torch.Generator().manual_seed(1), split)
        }
        for split in ("train", "test")
    )
    assert not train & test
    assert any(pair < three for pair in test for three in train)


def test_source_and_target_ids_are_aligned():
    words, meant = TASK.batch(50, torch.Generator().manual_seed(2))
    assert words.shape == meant.shape
    assert words.dtype == meant.dtype == torch.int64
    assert torch.equal(words == TASK.words.pad, meant == TASK.words.pad)
    pairs = TASK.sample(50, torch.Generator().manual_seed(2))
    assert [(TASK.words.decode(w), TASK.words.decode(m)) for w, m in zip(words, meant, strict=True)] == pairs


def test_the_same_seed_gives_the_same_batches():
    first, second, other = (TASK.batches(8, seed=seed) for seed in (5, 5, 6))
    for _ in range(3):
        one, two, three = next(first), next(second), next(other)
        assert torch.equal(one[0], two[0])
        assert not (one[0].shape == three[0].shape and torch.equal(one[0], three[0]))


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: TASK.batch(0), "size: .*got 0"),
        (lambda: TASK.batch(2, split="all"), "split: .*got 'all'"),
        (lambda: TASK.encode([]), "pairs: wanted at least one"),
        (lambda: TASK.words.encode("the cat"), "got 'cat' at position 1"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
