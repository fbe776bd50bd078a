"""Chapter 8: every right way passes, every trap is turned down in words of its own."""

import numpy as np
import pytest
import torch

from attnbook import Transformer, greedy_decode
from attnbook.data import FORMATS, LANGUAGES, dates_in


def assert_says(verdict, words: str) -> None:
    assert verdict.state == "wrong"
    assert words in verdict.message


# --- 8.1 ---------------------------------------------------------------------------------------------------

SHAPES = {
    "logits": (2, 4, 19),
    "encoder": (5, 2, 3, 7, 7),
    "decoder": (5, 2, 3, 4, 4),
    "cross": (5, 2, 3, 4, 7),
    "numbers": 840,
}


@pytest.mark.parametrize(
    "other",
    [{}, {"logits": [2, 4, 19]}, {"cross": torch.zeros(5, 2, 3, 4, 7)}, {"numbers": 840.0}],
)
def test_shapes_in_any_form(check, other):
    assert check("8.1", SHAPES | other).passed


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"logits": (2, 4, 17)}, "source's vocabulary"),
        ({"logits": (2, 7, 19)}, "source's length is gone"),
        ({"logits": (2, 4, 12)}, "leaves the decoder"),
        ({"logits": (2, 19)}, "not for the last one only"),
        ({"logits": (4, 19)}, "(B, T, V)"),
        ({"cross": (5, 2, 3, 7, 4)}, "The target asks"),
        ({"encoder": (2, 3, 7, 7)}, "axis of the layers"),
        ({"decoder": (5, 2, 4, 4)}, "axis of the heads"),
        ({"cross": (2, 5, 3, 4, 7)}, "another order"),
        ({"encoder": (5, 2, 3, 7, 12)}, "leaves no axis"),
        ({"decoder": (5, 2, 3, 7, 7)}, "a row for each query"),
        ({"numbers": 56}, "one head of one layer"),
        ({"numbers": 28}, "a single map"),
        ({"numbers": 168}, "one layer"),
        ({"numbers": 420}, "one sequence"),
        ({"numbers": 280}, "one head of each layer"),
        ({"numbers": 7}, "five sizes"),
    ],
)
def test_wrong_shapes(check, other, words):
    assert_says(check("8.1", SHAPES | other), words)


def test_the_readers_random_numbers_stay_as_they_are(check):
    torch.manual_seed(3)
    wanted = torch.rand(2)
    torch.manual_seed(3)
    check("8.1", SHAPES)
    assert torch.equal(torch.rand(2), wanted)


# --- 8.2 ---------------------------------------------------------------------------------------------------


def count(
    source, target, D, N, inner, *, bias=1, tied=True, second=2, norms=3, norm=2, extra=0, four=4, decoders=1
):
    attention = four * (D * D + bias * D)
    network = 2 * D * inner + bias * (inner + D)
    encoder = attention + network + 2 * norm * D
    decoder = second * attention + network + norms * norm * D
    return (source + target * (1 if tied else 2)) * D + N * (encoder + decoders * decoder) + extra


def built(source_vocab, target_vocab, d_model, num_layers, d_ff):
    model = Transformer(source_vocab, target_vocab, d_model, 1, num_layers, d_ff)
    return sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize("answer", [count, built, lambda *sizes: np.int64(count(*sizes))])
def test_any_way_to_count(check, answer):
    assert check("8.2", answer).passed


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda *s: count(*s, bias=0), "biases are missing"),
        (lambda *s: count(*s, tied=False), "a second time"),
        (lambda *s: count(*s, second=1), "two attentions"),
        (lambda *s: count(*s, second=1, norms=2), "two attentions"),
        (lambda *s: count(*s, norms=2), "three sub-layers"),
        (lambda *s: count(*s, norm=0), "LayerNorms are missing"),
        (lambda *s: count(*s, norm=1), "a gain and a shift"),
        (lambda *s: count(*s, extra=4 * s[2]), "post-norm"),
        (lambda *s: count(*s, extra=s[1]), "has none"),
        (lambda *s: count(*s, four=3), "four matrices"),
        (lambda *s: count(0, 0, *s[2:]), "embeddings are missing"),
        (lambda *s: count(s[0], 0, *s[2:]), "target's embedding"),
        (lambda *s: count(0, *s[1:]), "source's embedding"),
        (lambda *s: count(*s, decoders=0), "Only the encoder"),
        (lambda *s: count(*s[:3], 1, s[4]), "one layer of each stack"),
        (lambda *s: count(*s, extra=512 * s[2]), "Sinusoids are computed"),
        (lambda *s: 65_000_000, "wanted"),
    ],
)
def test_wrong_counts(check, answer, words):
    assert_says(check("8.2", answer), words)


# --- 8.3 ---------------------------------------------------------------------------------------------------


def write(
    model, source, start, end, most, *, state_kept=True, newest=True, stop=True, best="argmax", first=False
):
    state, ids = model.start(source), source.new_full((1,), start)
    begin, written = ids, [start] if first else []
    for _ in range(most):
        logits, after, _ = model.step(ids if newest else begin, state)
        state = after if state_kept else state
        ids = getattr(logits, best)(dim=-1)
        written.append(ids.item())
        if stop and ids.item() == end:
            break
    return written


def by_while(model, source, start, end, max_length):
    state, ids, written = model.start(source), torch.tensor([start]), []
    while len(written) < max_length and end not in written:
        logits, state, _ = model.step(ids, state)
        ids = logits.softmax(-1).argmax(-1)
        written += ids.tolist()
    return torch.tensor(written)


def cut_afterwards(*case):
    written = write(*case, stop=False)
    return written[: written.index(case[3]) + 1] if case[3] in written else written


@pytest.mark.parametrize("answer", [write, by_while])
def test_any_writer(check, answer):
    assert check("8.3", answer).passed


def test_the_solution_writes_what_greedy_decode_writes():
    torch.manual_seed(0)
    model = Transformer(11, 7, d_model=8, num_heads=2, num_layers=2, d_ff=16).eval()
    source = torch.tensor([[3, 4, 9]])
    wanted = greedy_decode(model, source, start=1, end=2, max_length=6).ids[0].tolist()
    with torch.no_grad():
        assert write(model, source, 1, 2, 6) == wanted


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda *c: write(*c, state_kept=False, newest=False, stop=False), "Every step is the first"),
        (lambda *c: write(*c, state_kept=False), "new state gets lost"),
        (lambda *c: write(*c, state_kept=False, stop=False), "new state gets lost"),
        (lambda *c: write(*c, newest=False), "reads the start again"),
        (lambda *c: write(*c, newest=False, stop=False), "reads the start again"),
        (lambda *c: write(*c, stop=False), "writes on after the end"),
        (lambda *c: [i for i in write(*c) if i != c[3]], "end is missing"),
        (lambda *c: write(*c, first=True), "start is in the list"),
        (lambda *c: write(*c, best="argmin"), "least"),
        (lambda *c: write(*c[:4], c[4] - 1), "too few"),
        (lambda *c: write(*c[:4], c[4] + 1), "longer than"),
        (cut_afterwards, "went on after the end"),
        (lambda *c: 3, "list of ids"),
        (lambda *c: None, "None"),
        (lambda m, s, *rest: m.step(1, m.start(s)), "stopped"),
    ],
)
def test_wrong_writers(check, answer, words):
    assert_says(check("8.3", answer), words)


def test_a_started_writer_waits(check):
    assert check("8.3", lambda *case: ...).state == "pending"


# --- 8.4 ---------------------------------------------------------------------------------------------------


def leak(train, test):
    seen = {row[0] for row in train}
    return sum(row[0] in seen for row in test) / len(test)


@pytest.mark.parametrize(
    "answer",
    [
        leak,
        lambda train, test: np.mean([any(a[0] == b[0] for a in train) for b in test]),
        lambda train, test: 1 - sum(r[0] not in {d for d, _, _ in train} for r in test) / len(test),
    ],
)
def test_any_leak(check, answer):
    assert check("8.4", answer).passed


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda a, b: sum(row in a for row in b) / len(b), "whole row"),
        (lambda a, b: len({r[0] for r in a} & {r[0] for r in b}) / len({r[0] for r in b}), "different dates"),
        (lambda a, b: leak(b, a), "*training*"),
        (lambda a, b: leak(a, b) * len(b) / len(a), "*training*"),
        (lambda a, b: 1 - leak(a, b), "*not*"),
        (lambda a, b: 100 * leak(a, b), "percentage"),
        (lambda a, b: leak(a, b) * len(b), "percentage"),
        (lambda a, b: sum(r[1] in {x[1] for x in a} for r in b) / len(b), "languages or forms"),
        (lambda a, b: sum(r[2] in {x[2] for x in a} for r in b) / len(b), "languages or forms"),
        (lambda a, b: sum(r[:2] in {x[:2] for x in a} for r in b) / len(b), "date and language"),
    ],
)
def test_wrong_leaks(check, answer, words):
    assert_says(check("8.4", answer), words)


def test_what_the_praise_says_a_split_by_row_leaks_nearly_all():
    rows = [(day, one, form) for day in dates_in("train")[:400] for one in LANGUAGES for form in FORMATS]
    order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(0)).tolist()
    cut = len(rows) // 10
    assert leak([rows[i] for i in order[cut:]], [rows[i] for i in order[:cut]]) > 0.99
    assert not set(dates_in("train")) & set(dates_in("test"))


# --- 8.5 ---------------------------------------------------------------------------------------------------


def scores(written, wanted, *, length=max, mean=False, anywhere=False):
    exact = sum(a == b for a, b in zip(written, wanted, strict=True)) / len(wanted)
    rights, places = [], []
    for a, b in zip(written, wanted, strict=True):
        rights.append(sum(x in b if anywhere else x == y for x, y in zip(a, b, strict=False)))
        places.append(length(len(a), len(b)))
    if mean:
        return exact, sum(r / p for r, p in zip(rights, places, strict=True)) / len(rights)
    return exact, sum(rights) / sum(places)


def other_characters(share):
    return lambda written, wanted: (scores(written, wanted)[0], share(written, wanted))


@pytest.mark.parametrize(
    "answer", [scores, lambda a, b: list(scores(a, b)), lambda a, b: torch.tensor(scores(a, b)).unbind()]
)
def test_any_scores(check, answer):
    assert check("8.5", answer).passed


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda a, b: scores(a, b, length=min), "`zip` stops"),
        (lambda a, b: scores(a, b, length=lambda x, y: y), "wanted texts' lengths"),
        (lambda a, b: scores(a, b, length=lambda x, y: x), "written texts' lengths"),
        (lambda a, b: scores(a, b, mean=True), "own share"),
        (lambda a, b: scores(a, b, mean=True, length=min), "is empty"),
        (
            other_characters(
                lambda a, b: sum(c in y for x, y in zip(a, b, strict=True) for c in x) / sum(map(len, a))
            ),
            "anywhere",
        ),
        (lambda a, b: scores(a, b)[::-1], "exact first"),
        (lambda a, b: tuple(100 * s for s in scores(a, b)), "percentages"),
        (lambda a, b: (scores(a, b)[0] * len(a), scores(a, b)[1]), "a count"),
        (lambda a, b: 0.5, "wanted 2 things"),
    ],
)
def test_wrong_scores(check, answer, words):
    assert_says(check("8.5", answer), words)


# --- 8.6 ---------------------------------------------------------------------------------------------------


def place(each):
    return divmod(each.argmax().item(), each.shape[1])


def on_field(w, r, c):
    return w[:, :, r][..., c].sum(-1).mean(-1)


@pytest.mark.parametrize(
    "answer",
    [
        lambda w, r, c: place(on_field(w, r, c)),
        lambda w, r, c: list(place(on_field(w, r, c))),
        lambda w, r, c: torch.tensor(place(on_field(w, r, c))),
        lambda w, r, c: np.unravel_index(on_field(w, r, c).argmax(), w.shape[:2]),
        lambda w, r, c: place((w * r[:, None] * c).sum((-1, -2))),
    ],
)
def test_any_search_for_the_head(check, answer):
    assert check("8.6", answer).passed


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda w, r, c: place(on_field(w, r, c))[::-1], "changed places"),
        (lambda w, r, c: tuple(i + 1 for i in place(on_field(w, r, c))), "Count from 0"),
        (lambda w, r, c: place(w[:, :, r][..., c].amax((-1, -2))), "*single*"),
        (lambda w, r, c: place(w[..., c].sum(-1).mean(-1)), "over all rows"),
        (lambda w, r, c: place(-on_field(w, r, c)), "*least*"),
        (lambda w, r, c: place(on_field(w, r, ~c)), "everything else"),
        (lambda w, r, c: on_field(w, r, c).argmax(), "flattened"),
        (lambda w, r, c: int(on_field(w, r, c).argmax()), "flattened"),
        (lambda w, r, c: -1, "got one"),
        (lambda w, r, c: (0, 0), "sum"),
    ],
)
def test_wrong_heads(check, answer, words):
    assert_says(check("8.6", answer), words)


# --- all ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [f"8.{number}" for number in range(1, 7)])
def test_a_blank_answer_waits(check, name):
    assert check(name, ...).state == "pending"
