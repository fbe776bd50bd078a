"""Embeddings and positions."""

import math

import pytest
import torch
from torch import nn

from attnbook import Embeddings, LearnedPositions, SinusoidalPositions
from attnbook.embeddings import sinusoids


def test_the_articles_example_is_an_embedding_times_the_root_of_the_width():
    ids = torch.tensor([[1, 2, 3, 4], [6, 3, 2, 9]])
    article, bare = Embeddings(3, 10), nn.Embedding(10, 3)
    article.lut.load_state_dict(bare.state_dict())
    assert article(ids).shape == (2, 4, 3)
    torch.testing.assert_close(article(ids), bare(ids) * math.sqrt(3))
    assert torch.equal(article(ids)[0, 1], article(ids)[1, 2])  # the same id, the same row


@pytest.mark.bad_input
def test_ids_outside_the_vocabulary_are_rejected():
    with pytest.raises(ValueError, match="x: wanted ids from 0 to 9, got 4 to 10"):
        Embeddings(3, 10)(torch.tensor([4, 10]))
    with pytest.raises(ValueError, match="x: wanted ids from 0 to 9, got -1 to 4"):
        Embeddings(3, 10)(torch.tensor([4, -1]))
    with pytest.raises(ValueError, match="x: wanted ids from 0 to 9, got 10 to 10"):
        Embeddings(3, 10)(torch.tensor([10]))
    with pytest.raises(TypeError, match=r"x: wanted ids.*float32"):
        Embeddings(3, 10)(torch.zeros(2))
    with pytest.raises(ValueError, match="vocab: wanted a whole number of at least 1, got 0"):
        Embeddings(3, 0)


@pytest.mark.parametrize("d_model", [1, 4, 7])
def test_sinusoids_follow_the_papers_formula(d_model):
    table = sinusoids(5, d_model)
    assert table.shape == (5, d_model)
    for t in range(5):
        for column in range(d_model):
            angle = t / 10000 ** (2 * (column // 2) / d_model)
            expected = math.sin(angle) if column % 2 == 0 else math.cos(angle)
            assert table[t, column].item() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("kind", [SinusoidalPositions, LearnedPositions])
class TestPositions:
    def test_an_offset_gives_the_same_rows_as_the_whole_sequence(self, kind):
        positions, x = kind(6, max_length=9), torch.randn(2, 9, 6)
        torch.testing.assert_close(positions(x[:, 4:], offset=4), positions(x)[:, 4:])
        assert not torch.equal(positions(x[:, 4:]), positions(x)[:, 4:])

    def test_each_vector_gets_the_row_of_its_position_added(self, kind):
        positions, x = kind(6, max_length=9), torch.randn(2, 5, 6)
        for offset in (0, 4):
            torch.testing.assert_close(
                positions(x, offset), x + positions.table[offset : offset + 5].expand(2, 5, 6)
            )

    @pytest.mark.bad_input
    def test_positions_past_the_last_are_rejected(self, kind):
        with pytest.raises(ValueError, match="positions 0 to 9, wanted 0 to 8: max_length is 9"):
            kind(6, max_length=9)(torch.randn(2, 10, 6))
        with pytest.raises(ValueError, match="positions 8 to 9, wanted 0 to 8: max_length is 9"):
            kind(6, max_length=9)(torch.randn(2, 2, 6), offset=8)
        with pytest.raises(ValueError, match="positions -1 to 1, wanted 0 to 8: max_length is 9"):
            kind(6, max_length=9)(torch.randn(2, 3, 6), offset=-1)
        with pytest.raises(ValueError, match=r"x: wanted shape \(B, T, 6\), got \(2, 3, 5\)"):
            kind(6)(torch.randn(2, 3, 5))


def test_only_learned_positions_have_parameters():
    assert not list(SinusoidalPositions(6).parameters())
    assert not SinusoidalPositions(6).state_dict()
    assert [p.shape for p in LearnedPositions(6, 9).parameters()] == [(9, 6)]
