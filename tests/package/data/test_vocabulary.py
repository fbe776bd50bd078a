"""Text to ids and back."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from attnbook.data import Vocabulary, WordVocabulary

texts = st.text(alphabet="abc é年", max_size=12)


@given(texts)
def test_decode_inverts_encode(text):
    vocabulary = Vocabulary("cba é年")
    assert vocabulary.decode(vocabulary.encode(text)) == text


@given(st.lists(texts, min_size=1, max_size=5))
def test_decoding_a_batch_gives_the_texts(texts):
    vocabulary = Vocabulary("abc é年")
    batch = vocabulary.batch(texts, start=True, end=True)
    assert batch.shape == (len(texts), max(map(len, texts)) + 2)
    assert batch.dtype == torch.int64
    assert (batch[:, 0] == vocabulary.start).all()
    assert [vocabulary.decode(row) for row in batch] == texts


def test_a_row_is_start_text_end_padding():
    vocabulary = Vocabulary("ba")
    batch = vocabulary.batch(["ab", "b"], length=5, start=True, end=True)
    assert batch.tolist() == [[1, 3, 4, 2, 0], [1, 4, 2, 0, 0]]
    assert vocabulary.batch(["ab", "b"]).tolist() == [[3, 4], [4, 0]]
    assert vocabulary.batch(["ab", "b"], length=2).tolist() == [[3, 4], [4, 0]]
    empty = vocabulary.batch(["", ""])
    assert (empty.shape, empty.dtype) == ((2, 0), torch.long)


def test_ids_do_not_depend_on_order_or_repeats():
    assert Vocabulary("abcc").encode("cab") == Vocabulary("cba").encode("cab")
    assert len(Vocabulary("abcc")) == 3 + 3


def test_decode_stops_at_the_first_end():
    assert Vocabulary("ab").decode([1, 3, 0, 4, 2, 3]) == "ab"


def test_tokens_name_every_position():
    vocabulary = Vocabulary("ab")
    assert vocabulary.tokens("ab a"[:2]) == ["a", "b"]
    assert vocabulary.tokens(torch.tensor([1, 3, 2, 0])) == ["⟨start⟩", "a", "⟨end⟩", "⟨pad⟩"]
    assert len(vocabulary.tokens([0, 1, 2, 3])) == 4


def test_special_labels_are_not_characters():
    assert "⟨pad⟩" not in Vocabulary("ab")
    assert "a" in Vocabulary("ab")


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda v: v.encode("abx"), r"text: .*got 'x' \(U\+0078\) at position 2"),
        (lambda v: v.batch(["a", "ü"]), "text: .*'ü'"),
        (lambda v: v.batch([]), "texts: .*at least one"),
        (lambda v: v.batch("ab"), "texts: .*got 'ab'"),
        (lambda v: v.batch(["abab"], length=5, start=True, end=True), "length: wanted at least 6.*got 5"),
        (lambda v: v.decode([5]), "ids: .*0 to 4.*got 5"),
        (lambda v: v.decode([-1]), "ids: .*got -1"),
        (lambda v: v.decode(torch.zeros(2, 2, dtype=torch.long)), r"ids: .*got \[0, 0\]"),
        (lambda v: v.tokens([3.0]), "ids: .*got 3.0"),
        (lambda v: Vocabulary(["ab"]), "characters: .*got 'ab'"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call(Vocabulary("ab"))


def test_tags_have_their_own_ids_and_are_not_text():
    vocabulary = Vocabulary("ab", tags=["zh", "en"])
    assert len(vocabulary) == 3 + 2 + 2
    ids = vocabulary.batch(["ab", "b"], tags=["en", "zh"])
    assert ids.tolist() == [[4, 5, 6], [3, 6, 0]]
    assert vocabulary.decode(ids[0]) == "ab"
    assert vocabulary.tokens(ids[1]) == ["⟨zh⟩", "b", "⟨pad⟩"]
    assert "zh" not in vocabulary


def test_unknown_or_missing_tags_are_rejected():
    vocabulary = Vocabulary("ab", tags=["zh"])
    with pytest.raises(ValueError, match="name: wanted one of the tags zh, got 'en'"):
        vocabulary.tag("en")
    with pytest.raises(ValueError, match=r"name: wanted one of the tags \(none\), got 'en'"):
        Vocabulary("ab").tag("en")
    with pytest.raises(ValueError, match="tags: wanted 2, one per text, got 1"):
        vocabulary.batch(["a", "b"], tags=["zh"])


def test_a_word_vocabulary_has_one_id_per_word():
    vocabulary = WordVocabulary(["robot", "a", "law", "a"])
    assert vocabulary.characters == ("a", "law", "robot")
    assert vocabulary.encode(" a  robot") == [3, 5]
    assert vocabulary.decode([3, 5, 2, 4]) == "a robot"
    assert vocabulary.tokens("a law") == vocabulary.tokens([3, 4]) == ["a", "law"]
    assert vocabulary.batch(["a law", "a"], start=True).tolist() == [[1, 3, 4], [1, 3, 0]]
    assert repr(vocabulary) == "WordVocabulary('a law robot')"
    assert "robot" in vocabulary
    assert "r" not in vocabulary


@pytest.mark.bad_input
@pytest.mark.parametrize("word", ["", " ", "two words", " robot"])
def test_a_word_is_one_word(word):
    with pytest.raises(ValueError, match="words: wanted single words"):
        WordVocabulary(["a", word])


@pytest.mark.bad_input
def test_an_unknown_word_is_named():
    with pytest.raises(ValueError, match=r"text: wanted only 'a law', got 'robot' at position 1"):
        WordVocabulary(["law", "a"]).encode("a robot")
