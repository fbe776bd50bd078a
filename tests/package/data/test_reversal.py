"""The reversal task."""

from collections import Counter

import pytest
import torch

from attnbook.data import SPLITS, ReversalTask, split_of

TASK = ReversalTask("abcdefgh", shortest=2, longest=9)


@pytest.mark.parametrize("split", SPLITS)
def test_the_target_is_the_source_backwards(split):
    source, target = TASK.batch(50, torch.Generator().manual_seed(0), split)
    assert source.dtype == target.dtype == torch.int64
    assert (target[:, 0] == TASK.target.start).all()
    for reads, writes in zip(source, target, strict=True):
        text = TASK.source.decode(reads)
        assert 2 <= len(text) <= 9
        assert split_of(text) == split
        assert TASK.target.decode(writes) == text[::-1]
        assert (writes == TASK.target.end).sum() == 1


def test_lengths_and_letters_are_drawn_evenly():
    texts = TASK.sample(2000, torch.Generator().manual_seed(0))
    lengths, letters = Counter(map(len, texts)), Counter("".join(texts))
    assert (set(lengths), set(letters)) == (set(range(2, 10)), set("abcdefgh"))
    for counts in (lengths, letters):
        assert max(counts.values()) < 1.6 * min(counts.values())


@pytest.mark.parametrize("length", [2, 5, 9])
def test_a_length_may_be_fixed(length):
    source, target = TASK.batch(20, torch.Generator().manual_seed(0), length=length)
    assert source.shape == (20, length)
    assert target.shape == (20, length + 2)


def test_the_same_seed_gives_the_same_batches():
    first, second, other = TASK.batches(8, seed=5), TASK.batches(8, seed=5), TASK.batches(8, seed=6)
    for _ in range(3):
        one, two, three = next(first), next(second), next(other)
        assert torch.equal(one[0], two[0])
        assert not (one[0].shape == three[0].shape and torch.equal(one[0], three[0]))


def test_batches_of_one_length_have_no_padding_and_cover_all_lengths():
    batches = TASK.batches_of_one_length(6, seed=0)
    widths = set()
    for source, target in (next(batches) for _ in range(100)):
        assert (source != TASK.source.pad).all()
        assert target.shape[1] == source.shape[1] + 2
        assert len(source) == 6
        widths.add(source.shape[1])
    assert widths == set(range(2, 10))
    again = next(TASK.batches_of_one_length(6, seed=0))
    assert torch.equal(again[0], next(TASK.batches_of_one_length(6, seed=0))[0])


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ReversalTask("aa"), "alphabet: .*got 'aa'"),
        (lambda: ReversalTask("ab", shortest=0), "shortest: .*got 0"),
        (lambda: ReversalTask("ab", longest=2.5), "longest: .*got 2.5"),
        (lambda: ReversalTask("ab", shortest=5, longest=4), "shortest: wanted at most longest=4, got 5"),
        (lambda: TASK.batch(0), "size: .*got 0"),
        (lambda: TASK.batch(2, length=10), "length: wanted 2 to 9, got 10"),
        (lambda: TASK.batch(2, split="all"), "split: .*got 'all'"),
        (lambda: ReversalTask("ab", 1, 1).batch(2, split="test"), "split: .*next to no strings"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
