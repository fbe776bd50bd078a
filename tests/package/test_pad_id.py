"""The padding id is arbitrary: with another one and all ids renamed, a model computes the same."""

from dataclasses import dataclass

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attnbook import Transformer, beam_search, greedy_decode
from attnbook.seq2seq import ConvolutionalSeq2Seq, RecurrentSeq2Seq
from attnbook.training import exact_match, fit, matches, token_loss

VOCAB, PAD, START, END, LONGEST = 9, 3, 1, 2, 8
SIZES = {"d_model": 12, "num_heads": 3, "num_layers": 2, "d_ff": 16, "dropout": 0.0}
BUILD = {
    "transformer": lambda **pad: Transformer(VOCAB, VOCAB, **SIZES, **pad),
    "recurrent": lambda **pad: RecurrentSeq2Seq(VOCAB, VOCAB, 12, "additive", **pad),
    "convolutional": lambda **pad: ConvolutionalSeq2Seq(VOCAB, VOCAB, 12, "dot", num_layers=2, **pad),
}


def renamed(ids: Tensor) -> Tensor:
    """The same ids with 0 and PAD exchanged."""
    return torch.where(ids == 0, PAD, torch.where(ids == PAD, 0, ids))


@dataclass
class Pair:
    """Two equal models: `zero` pads with 0, `other` with PAD; each uses the other's padding id as a token."""

    zero: nn.Module
    other: nn.Module


@pytest.fixture(params=BUILD)
def pair(request):
    zero, other = BUILD[request.param]().double().eval(), BUILD[request.param](pad=PAD).double().eval()
    other.load_state_dict(zero.state_dict())
    order = renamed(torch.arange(VOCAB))
    with torch.no_grad():
        for parameter in other.parameters():
            if parameter.shape[0] == VOCAB:  # one row per token: embeddings and output
                parameter.copy_(parameter[order].clone())
    return Pair(zero, other)


@pytest.fixture
def source():
    """Rows of different lengths, padded with 0; every other id occurs, PAD among them."""
    return torch.tensor([[4, 3, 7, 8, 5], [6, 3, 0, 0, 0], [3, 2, 1, 8, 0]])


@pytest.fixture
def target():
    return torch.tensor([[1, 4, 3, 6, 2], [1, 3, 2, 0, 0], [1, 8, 7, 2, 0]])


def test_logits(pair, source, target):
    logits, _ = pair.zero(source, target)
    again, _ = pair.other(renamed(source), renamed(target))
    torch.testing.assert_close(again, logits[..., renamed(torch.arange(VOCAB))])


def test_cached_steps(pair, source, target):
    state, again = pair.zero.start(source), pair.other.start(renamed(source))
    for ids in target.T:
        logits, state, _ = pair.zero.step(ids, state)
        logits_again, again, _ = pair.other.step(renamed(ids), again)
        torch.testing.assert_close(logits_again, logits[:, renamed(torch.arange(VOCAB))])


def test_padding_of_the_source_changes_nothing(pair, source, target):
    ids, target = renamed(source), renamed(target)
    logits, _ = pair.other(ids, target)
    padded, _ = pair.other(F.pad(ids, (0, 4), value=PAD), target)
    torch.testing.assert_close(padded, logits)
    alone = [pair.other(row[None, row != PAD], t[None])[0] for row, t in zip(ids, target, strict=True)]
    torch.testing.assert_close(torch.cat(alone), logits)


def test_loss(pair, source, target):
    loss = token_loss(pair.zero, source, target)
    torch.testing.assert_close(token_loss(pair.other, renamed(source), renamed(target)), loss)
    wider = F.pad(renamed(target), (0, 3), value=PAD)
    torch.testing.assert_close(token_loss(pair.other, renamed(source), wider), loss)


def test_training_decoding_and_exact_match(pair, source, target):
    batch = renamed(source), renamed(target)
    settings = {"steps": 60, "learning_rate": 0.02, "progress": False}
    losses = fit(pair.zero, [(source, target)] * 60, **settings).losses
    assert fit(pair.other, [batch] * 60, **settings).losses == pytest.approx(losses, rel=1e-6)
    for search in (greedy_decode, beam_search):
        wrote = search(pair.zero, source, start=START, end=END, max_length=LONGEST)
        again = search(pair.other, batch[0], start=START, end=END, max_length=LONGEST)
        assert torch.equal(again.ids, batch[1][:, 1:])  # the shorter rows end in padding
        assert torch.equal(wrote.ids, target[:, 1:])
        torch.testing.assert_close(again.scores, wrote.scores)
    assert matches(pair.other, *batch).tolist() == [True, True, True]
    assert matches(pair.other, batch[0], F.pad(batch[1], (0, 3), value=PAD)).tolist() == [True, True, True]
    wrong = target.clone()
    wrong[1, 1] = 5
    assert exact_match(pair.other, batch[0], renamed(wrong)) == pytest.approx(2 / 3)
