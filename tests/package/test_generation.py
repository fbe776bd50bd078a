"""Greedy decoding and beam search, for every model of the book."""

import itertools
from copy import deepcopy
from dataclasses import replace
from functools import cache

import pytest
import torch

from attnbook import Transformer
from attnbook.data import ReversalTask
from attnbook.generation import beam_search, greedy_decode
from attnbook.seq2seq import ConvolutionalSeq2Seq, RecurrentSeq2Seq
from attnbook.training import fit
from attnbook.transformer import TransformerState

TASK = ReversalTask("abc", shortest=1, longest=5)
VOCAB, START, END = len(TASK.target), TASK.target.start, TASK.target.end
SEARCH = {"start": START, "end": END}
MODELS = {
    "gru": lambda: RecurrentSeq2Seq(VOCAB, VOCAB, 16, "additive"),
    "gru without attention": lambda: RecurrentSeq2Seq(VOCAB, VOCAB, 16),
    "lstm": lambda: RecurrentSeq2Seq(VOCAB, VOCAB, 16, "dot", cell="lstm"),
    "article": lambda: RecurrentSeq2Seq(VOCAB, VOCAB, 16, "article", max_source_length=9),
    "convolutional": lambda: ConvolutionalSeq2Seq(VOCAB, VOCAB, 16, "additive", num_layers=2),
    "transformer": lambda: Transformer(VOCAB, VOCAB, 24, num_heads=3, num_layers=2, d_ff=48, dropout=0.1),
}


@cache
def half_trained(kind: str):
    torch.manual_seed(0)
    model = MODELS[kind]()
    fit(model, TASK.batches(16, seed=0), steps=80, learning_rate=1e-2, progress=False)
    return model.double()


def build(kind: str):
    """A slightly trained model, whose outputs differ by row and end at different times."""
    return deepcopy(half_trained(kind))


@pytest.fixture(params=MODELS)
def model(request):
    return build(request.param)


@pytest.fixture
def source():
    return TASK.batch(12, torch.Generator().manual_seed(0))[0]


@pytest.mark.parametrize("search", [greedy_decode, beam_search])
def test_rows_end_at_different_times(model, source, search):
    """Otherwise the tests below would prove little."""
    ids = search(model, source, **SEARCH, max_length=8).ids
    assert len(lengths_of(ids).unique()) > 1
    assert (ids == END).any(dim=1).all() or ids.shape[1] == 8


def log_probability(model, source, ids, lengths):
    """The log-probability of the first `lengths` ids, from one pass over the whole target."""
    model.eval()
    before = torch.cat((torch.full_like(ids[:, :1], START), ids[:, :-1]), dim=1)
    steps = model(source, before)[0].log_softmax(-1).gather(2, ids[..., None])[..., 0]
    return (steps * (torch.arange(ids.shape[1]) < lengths[:, None])).sum(1)


def lengths_of(ids):
    ends = ids == END
    return torch.where(ends.any(1), ends.int().argmax(1) + 1, ids.shape[1])


@pytest.mark.parametrize("search", [greedy_decode, beam_search])
def test_scores_are_the_log_probabilities_of_the_ids(model, source, search):
    found = search(model, source, **SEARCH, max_length=8)
    wanted = log_probability(model, source, found.ids, lengths_of(found.ids))
    torch.testing.assert_close(found.scores, wanted)


def test_greedy_takes_the_most_likely_token_each_time(model, source):
    ids = greedy_decode(model, source, **SEARCH, max_length=8).ids
    model.eval()
    before = torch.cat((torch.full_like(ids[:, :1], START), ids[:, :-1]), dim=1)
    best = model(source, before)[0].argmax(-1)
    for row, length in enumerate(lengths_of(ids)):
        assert torch.equal(ids[row, :length], best[row, :length])
        assert (ids[row, length:] == model.pad).all()


def test_a_row_is_decoded_as_if_it_were_alone(model, source):
    together = greedy_decode(model, source, **SEARCH, max_length=8)
    for row in range(len(source)):
        length = int((source[row] != 0).sum())
        alone = greedy_decode(model, source[row : row + 1, :length], **SEARCH, max_length=8)
        width = alone.ids.shape[1]
        assert torch.equal(together.ids[row, :width], alone.ids[0])
        torch.testing.assert_close(together.scores[row], alone.scores[0])


def test_one_beam_is_greedy(model, source):
    greedy = greedy_decode(model, source, **SEARCH, max_length=8)
    beam = beam_search(model, source, **SEARCH, max_length=8, beams=1)
    assert torch.equal(beam.ids, greedy.ids)
    torch.testing.assert_close(beam.scores, greedy.scores)


@pytest.mark.parametrize("penalty", [0.0, 1.0])
def test_with_enough_beams_the_best_of_all_sequences_is_found(model, source, penalty):
    """Compare with all sequences: those that end within three tokens and those cut off at three."""
    every = [
        ids
        for length in (1, 2, 3)
        for ids in itertools.product(range(VOCAB), repeat=length)
        if END not in ids[:-1] and (ids[-1] == END or length == 3)
    ]
    found = beam_search(
        model, source, **SEARCH, max_length=3, beams=VOCAB**2, length_penalty=penalty
    )  # enough to keep every beam
    lengths = torch.tensor([len(ids) for ids in every])
    table = torch.tensor([[*ids, *[0] * (3 - len(ids))] for ids in every])
    for row in range(len(source)):
        scores = log_probability(model, source[row : row + 1].expand(len(every), -1), table, lengths)
        best = int((scores / lengths**penalty).argmax())
        written = found.ids[row, : lengths_of(found.ids)[row]].tolist()
        assert written == list(every[best])
        torch.testing.assert_close(found.scores[row], scores[best])


def test_more_beams_than_tokens_are_fine(model, source):
    found = beam_search(model, source, **SEARCH, max_length=1, beams=2 * VOCAB)
    assert torch.equal(found.ids, greedy_decode(model, source, **SEARCH, max_length=1).ids)


def test_a_higher_length_penalty_never_gives_a_shorter_sequence(source):
    model = build("gru")
    short, long = (
        lengths_of(beam_search(model, source, **SEARCH, max_length=6, beams=36, length_penalty=p).ids)
        for p in (0.0, 2.0)
    )
    assert (long >= short).all()
    assert (long > short).any()


def test_every_source_gets_its_own_sequence_whichever_beam_is_best(source):
    """Under a length penalty the best is often not the likeliest, which is the first beam."""
    model, options = build("gru"), SEARCH | {"max_length": 6, "beams": 3, "length_penalty": 2.0}
    together = beam_search(model, source, **options)
    likeliest = beam_search(model, source, **options | {"length_penalty": 0.0})
    assert (together.scores < likeliest.scores - 1e-6).sum() > 1
    wanted = log_probability(model, source, together.ids, lengths_of(together.ids))
    torch.testing.assert_close(together.scores, wanted)


class Script(torch.nn.Module):
    """A model that gives every beam the same scripted probabilities at each step."""

    pad = 0

    def start(self, source):
        return TransformerState([], torch.zeros(len(source), 1))

    def step(self, ids, state, need_weights=False):
        a, b = 3, 4
        likely = [{END: 0.4, a: 0.35}, {b: 0.98}, {END: 0.98}][state.length]
        logits = torch.full((len(ids), VOCAB), -9.0)
        for token, probability in likely.items():
            logits[:, token] = torch.tensor(probability).log()
        return logits, replace(state, length=state.length + 1), None


def test_an_ended_beam_does_not_displace_others():
    """If ended beams were extended, both beams would be the short sequence and its extensions."""
    found = beam_search(
        Script(), torch.ones(1, 2).long(), **SEARCH, max_length=3, beams=2, length_penalty=1.0
    )
    assert found.ids.tolist() == [[3, 4, END]]


@pytest.mark.parametrize("search", [greedy_decode, beam_search])
def test_it_stops_when_every_row_has_ended(model, source, search):
    if hasattr(model, "context"):
        model.output.bias.data[END] = 100.0
    else:
        model.output = torch.nn.Linear(24, VOCAB).double()
        model.output.bias.data[END] = 100.0
    steps, step = [], model.step
    model.step = lambda *arguments: steps.append(1) or step(*arguments)
    assert search(model, source, **SEARCH, max_length=8).ids.tolist() == [[END]] * len(source)
    assert len(steps) <= 2  # one for greedy; all beams but the best end at the second
    del model.step
    found = search(model, source, **SEARCH, max_length=8, need_weights=True)
    assert found.ids.tolist() == [[END]] * len(source)
    if found.attentions.cross is not None:
        assert found.attentions.cross.shape[-2] == 1


@pytest.mark.parametrize("search", [greedy_decode, beam_search])
def test_attentions_equal_those_of_one_pass_over_the_target(model, source, search):
    found = search(model, source, **SEARCH, max_length=8, need_weights=True)
    before = torch.cat((torch.full_like(found.ids[:, :1], START), found.ids[:, :-1]), dim=1)
    wanted = model.eval()(source, before)[1]
    for kind in ("cross", "decoder"):
        mine, whole = getattr(found.attentions, kind), getattr(wanted, kind)
        if whole is None:
            assert mine is None
        else:
            torch.testing.assert_close(mine, whole)
    assert search(model, source, **SEARCH, max_length=8).attentions is None


@pytest.mark.parametrize("search", [greedy_decode, beam_search])
@pytest.mark.parametrize("training", [True, False])
def test_it_decodes_in_evaluation_mode_and_restores_the_mode(search, training, source):
    model = build("transformer").train(training)
    model.encoder.eval()
    torch.manual_seed(1)
    one = search(model, source, **SEARCH, max_length=8)
    torch.manual_seed(2)
    two = search(model, source, **SEARCH, max_length=8)
    assert torch.equal(one.scores, two.scores)  # dropout was off
    assert not one.scores.requires_grad
    assert model.training is training
    assert model.decoder.training is training
    assert not model.encoder.training


@pytest.mark.parametrize("search", [greedy_decode, beam_search])
def test_on_the_device(device, search, source):
    model = build("transformer").to(device)
    found = search(model, source.to(device), **SEARCH, max_length=8, need_weights=True)
    assert found.ids.device.type == found.scores.device.type == device


@pytest.mark.parametrize("search", [greedy_decode, beam_search])
def test_any_id_of_the_vocabulary_may_be_the_start_or_the_end(search, source):
    model = build("gru")
    for token in (0, VOCAB - 1):
        found = search(model, source, start=token, end=token, max_length=3)
        assert found.scores.isfinite().all()


@pytest.mark.bad_input
@pytest.mark.parametrize("search", [greedy_decode, beam_search])
def test_bad_input_is_named(search, source):
    model = build("gru")
    with pytest.raises(ValueError, match=r"max_length: .*got 0"):
        search(model, source, **SEARCH, max_length=0)
    with pytest.raises(ValueError, match=r"source: .*\(B, S\), got \(5,\)"):
        search(model, source[0], **SEARCH, max_length=3)
    with pytest.raises(ValueError, match=r"end: .*0 to 5, got 6"):
        search(model, source, start=START, end=6, max_length=3)
    with pytest.raises(ValueError, match=r"target: .*0 to 5, got 6"):
        search(model, source, start=6, end=END, max_length=3)
    with pytest.raises(ValueError, match=r"beams: .*got 0"):
        beam_search(model, source, **SEARCH, max_length=3, beams=0)


@pytest.mark.parametrize("search", [greedy_decode, beam_search])
def test_in_16_bits_the_scores_keep_their_digits(search, source):
    """A sure model's log-probabilities are close to 0, where bfloat16 has only 0 itself."""
    model = build("transformer").to(torch.bfloat16)
    logits, wanted = [], 0.0
    step = model.step

    def sure(ids, state, need_weights=False):
        scores, state, attentions = step(ids, state, need_weights)
        scores = (scores * 4).to(torch.bfloat16)
        logits.append(scores)
        return scores, state, attentions

    model.step = sure
    found = search(
        model, source[:1], **SEARCH, max_length=8, **({} if search is greedy_decode else {"beams": 1})
    )
    for scores, token in zip(logits, found.ids[0], strict=True):
        wanted = wanted + scores[0].double().log_softmax(-1)[token]
    assert found.scores.dtype == torch.float32
    assert found.scores[0].item() == pytest.approx(wanted.item(), rel=1e-3)
    assert found.scores[0] < 0
