"""Chapter 8: unusual correct answers pass, and wrong ones that are no known slip are rejected."""

import json
from collections import Counter
from fractions import Fraction
from itertools import combinations
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from attnbook import Transformer, checkpoints, greedy_decode
from attnbook.data import FORMATS, LANGUAGES, dates_in, write_date
from attnbook.exercises.chapter08 import whole_gradient
from attnbook.widgets.translation import translate
from bookpress import ROOT


def assert_says(verdict, words: str) -> None:
    assert verdict.state == "wrong", verdict.message
    assert words in verdict.message, verdict.message


# --- 8.1 ---------------------------------------------------------------------------------------------------


def with_a_list(write, text):
    found = []
    for i in range(len(text)):
        characters = list(text)
        del characters[i]
        if write("".join(characters)) != write(text):
            found.append(i)
    return tuple(found)


def with_combinations(write, text):
    shorter = reversed(["".join(kept) for kept in combinations(text, len(text) - 1)]) if text else []
    return np.flatnonzero([write(each) != write(text) for each in shorter])


@pytest.mark.parametrize("answer", [with_a_list, with_combinations])
def test_characters_left_out_in_many_ways(check, answer):
    verdict = check("8.1", answer)
    assert verdict.passed, verdict.message


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda write, text: [text[i] for i in with_a_list(write, text)], "positions"),
        (lambda write, text: len(with_a_list(write, text)), "should be a list of whole numbers"),
        (lambda write, text: with_a_list(write, text)[::-1], "wanted [0, 7"),
        (
            lambda write, text: [i for i in range(len(text)) if write(text[:i]) != write(text)],
            "All positions",
        ),
        (
            lambda write, text: [
                i for i in range(len(text)) if write(f"{text[:i]}#{text[i + 1 :]}") != write(text)
            ],
            "another character in its place",
        ),
    ],
)
def test_wrong_positions(check, answer, words):
    assert_says(check("8.1", answer), words)


def test_an_error_is_told_with_the_text_that_raised_it(check):
    def answer(write, text):
        return with_a_list(write, text[0] + text[1:])

    assert_says(check("8.1", answer), "The check called it with text = ''.")


def test_what_the_chapter_says_of_the_shipped_model():
    date = "Saturday, August 19, 2000"
    needed = with_a_list(lambda text: translate(text, "zh").text, date)
    month, comma = date.index("August"), date.rindex(",")
    assert not set(needed) & set(range(month, month + 6))
    assert comma in needed
    written = translate(date.replace("19,", "19"), "zh").text
    assert not written.startswith("2000年")
    assert "19日" not in written


# --- 8.2 ---------------------------------------------------------------------------------------------------

SHAPES = {
    "logits": (2, 4, 19),
    "encoder": (5, 2, 3, 7, 7),
    "decoder": (5, 2, 3, 4, 4),
    "cross": (5, 2, 3, 4, 7),
    "numbers": 840,
}


def test_the_shapes_are_those_of_the_model():
    model = Transformer(17, 19, d_model=12, num_heads=3, num_layers=5, d_ff=32).eval()
    logits, attentions = model(torch.ones(2, 7, dtype=torch.long), torch.ones(2, 4, dtype=torch.long))
    assert logits.shape == SHAPES["logits"]
    assert attentions.cross.numel() == SHAPES["numbers"]
    for kind in ("encoder", "decoder", "cross"):
        assert getattr(attentions, kind).shape == SHAPES[kind]


@pytest.mark.parametrize(
    "other", [{"logits": [2, 4, 19]}, {"cross": torch.zeros(5, 2, 3, 4, 7)}, {"numbers": 840.0}]
)
def test_shapes_in_any_form(check, other):
    assert check("8.2", SHAPES | other).passed


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"logits": (4, 19)}, "(B, T, V)"),
        ({"decoder": (5, 2, 3, 7, 7)}, "a row for each query"),
        ({"cross": "wide"}, "should be a shape"),
        ({"numbers": 7}, "five sizes"),
    ],
)
def test_wrong_shapes(check, other, words):
    assert_says(check("8.2", SHAPES | other), words)


# --- 8.3 ---------------------------------------------------------------------------------------------------


def built(source, target, d_model, layers):
    if not d_model:
        return 0
    with torch.device("meta"):
        model = Transformer(source, target, d_model, 1, layers, 4 * d_model)
    return sum(parameter.numel() for parameter in model.parameters())


def by_building(source, target, layers, heads, budget):
    d_model = 0
    while built(source, target, d_model + heads, layers) <= budget:
        d_model += heads
    return d_model, budget - built(source, target, d_model, layers)


def by_the_root(source, target, layers, heads, budget):
    """28 L D² + (V_s + V_t + 32 L) D = budget, solved, and rounded down to a multiple of the heads."""
    a, b = 28 * layers, source + target + 32 * layers
    d_model = int((-b + (b * b + 4 * a * budget) ** 0.5) / (2 * a)) // heads * heads
    return np.int64(d_model), float(budget - d_model * (a * d_model + b))


def counted(size):
    """Spends the budget by one's own count of a model with a width (at least 0) and sizes."""

    def answer(source, target, layers, heads, budget):
        d_model = 0
        while size(d_model + heads, source, target, layers) <= budget:
            d_model += heads
        return d_model, budget - size(d_model, source, target, layers)

    return answer


def size(d, source, target, layers, attention_biases=12, inner_biases=10, norms=10):
    return (source + target + layers * (28 * d + attention_biases + inner_biases + norms)) * d


def at_least_one_head(source, target, layers, heads, budget):
    d_model = max(heads, by_the_root(source, target, layers, heads, budget)[0])
    return d_model, budget - size(d_model, source, target, layers)


@pytest.mark.parametrize("answer", [by_building, by_the_root, lambda *sizes: list(by_the_root(*sizes))])
def test_budgets_spent_in_many_ways(check, answer):
    verdict = check("8.3", answer)
    assert verdict.passed, verdict.message


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda *sizes: (by_the_root(*sizes)[0], by_the_root(*sizes)[1] + 1), "`left` is"),
        (lambda *sizes: (by_the_root(*sizes)[0], 0), "`left` is"),
        (lambda *sizes: (64, 0), "Count one model first"),
        (lambda *sizes: by_the_root(*sizes)[0], "wanted 2 things: d_model, left"),
        (lambda *sizes: by_the_root(*sizes)[::-1], "in another order"),
        (lambda *sizes: None, "returned None; wanted 2 things: d_model, left. Is a `return` missing?"),
        (counted(lambda *sizes: size(*sizes) + 1), "Count one model first"),
        (counted(lambda *sizes: size(*sizes, attention_biases=0)), "biases of the attentions"),
        (counted(lambda *sizes: size(*sizes, inner_biases=0)), "or else the biases of the feed-forward"),
        (counted(lambda *sizes: size(*sizes, norms=12)), "An encoder layer has two norms"),
        (at_least_one_head, "`d_model` is then 0"),
        (lambda *sizes: (max(sizes[3], by_the_root(*sizes)[0]), by_the_root(*sizes)[1]), "is then 0"),
        (lambda *sizes: by_the_root(*sizes) if by_the_root(*sizes)[0] else (0, 0), "everything is left"),
        (lambda *sizes: (Transformer(*sizes[:2], width=8), 0), "unexpected keyword"),
    ],
)
def test_wrong_budgets(check, answer, words):
    assert_says(check("8.3", answer), words)


def test_whole_numbers_are_compared_and_shown_exactly(check):
    """4,000,001 is so close to 4,000,000 that as floats they would pass for the same."""
    verdict = check("8.3", counted(lambda *sizes: size(*sizes) + 1))
    assert "exactly `budget` parameters" not in verdict.message
    verdict = check("8.3", lambda *sizes: (by_the_root(*sizes)[0], 1_234_567))
    assert "`left` is 1234567; wanted" in verdict.message


def test_how_the_check_calls_is_told_only_where_its_own_call_fails(check):
    def calls_another_with_too_much(source, target, *others):
        return Transformer(source, target, width=8)

    assert "The check calls" not in check("8.3", calls_another_with_too_much).message
    assert "The check calls `largest_model(source_vocab" in check("8.3", lambda budget: (0, budget)).message


# --- 8.4 ---------------------------------------------------------------------------------------------------


def by_torch(gradients, counts, longest):
    whole = torch.nn.Parameter(torch.zeros_like(gradients[0]))
    for gradient, count in zip(gradients, counts, strict=True):  # as a training loop adds them up
        (whole @ (gradient * count / counts.sum())).backward()
    torch.nn.utils.clip_grad_norm_([whole], longest)
    return whole.grad


def token_by_token(gradients, counts, longest):
    whole = gradients.repeat_interleave(counts, dim=0).mean(0)
    return whole / max(1, whole.norm() / longest)


def by_numpy(gradients, counts, longest):
    whole = np.average(gradients, axis=0, weights=counts)
    length = np.linalg.norm(whole)
    return whole if length <= longest else whole / length * longest


def of_two_dtypes(gradients, counts, longest):
    return counts @ gradients


@pytest.mark.parametrize("answer", [by_torch, token_by_token, by_numpy])
def test_gradients_joined_in_many_ways(check, answer):
    verdict = check("8.4", answer)
    assert verdict.passed, verdict.message


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda gradients, counts, longest: by_numpy(gradients, None, longest), "averaged the pieces alike"),
        (
            lambda gradients, counts, longest: by_numpy(
                [by_numpy(each[None], None, longest) for each in gradients], counts, longest
            ),
            "You clipped each piece",
        ),
        (lambda gradients, counts, longest: by_numpy(gradients, counts, 1e9), "isn't clipped yet"),
        (lambda gradients, counts, longest: by_numpy(gradients, counts, 1), "to length 1"),
        (
            lambda gradients, counts, longest: (
                longest * torch.nn.functional.normalize(token_by_token(gradients, counts, longest), dim=0)
            ),
            "scaled up a gradient",
        ),
        (
            lambda gradients, counts, longest: by_numpy(gradients, counts.float().softmax(0), longest),
            "has the right shape",
        ),
        (lambda gradients, counts, longest: by_numpy(gradients, counts, longest)[None], "wanted (N,)"),
        (
            lambda gradients, counts, longest: token_by_token(gradients, counts, longest).clamp(-1, 1),
            "has the right shape",
        ),
        (
            lambda gradients, counts, longest: torch.renorm(
                (counts * gradients).sum(0, keepdim=True) / counts.sum(), 2, 0, longest
            )[0],
            "Each row needs its factor",
        ),
        (of_two_dtypes, "Convert one"),
    ],
)
def test_wrongly_joined_gradients(check, answer, words):
    assert_says(check("8.4", answer), words)


@pytest.mark.parametrize("longest", [0.5, 2.5])
def test_the_whole_batch_in_one_pass_gives_the_joined_gradient(longest):
    """The gradient of formula 8.4 for two pieces, with 3 and 1 tokens, and for both together."""
    weights = torch.tensor([[1.0, -2.0, 0.5], [0.3, 0.1, -1.0]], requires_grad=True)
    inputs = torch.tensor([[1.0, 2.0], [-1.0, 0.5], [3.0, 1.0], [-2.0, 4.0]])
    ids = torch.tensor([0, 1, 2, 0])

    def gradient(part):
        loss = torch.nn.functional.cross_entropy(inputs[part] @ weights, ids[part])
        return torch.autograd.grad(loss, weights)[0].flatten()

    pieces = torch.stack([gradient(slice(3)), gradient(slice(3, 4))])
    whole = gradient(slice(4))
    wanted = whole * min(1, longest / whole.norm())
    assert torch.allclose(whole_gradient(pieces, torch.tensor([3, 1]), longest), wanted)


# --- 8.5 ---------------------------------------------------------------------------------------------------


def write(model, source, start, end, most):
    state, ids, written = model.start(source), source.new_full((1,), start), []
    for _ in range(most):
        logits, state, _ = model.step(ids, state)
        ids = logits.argmax(dim=-1)
        written.append(ids.item())
        if ids.item() == end:
            break
    return written


def by_while(model, source, start, end, max_length):
    state, ids, written = model.start(source), torch.tensor([start]), []
    while len(written) < max_length and end not in written:
        logits, state, _ = model.step(ids, state)
        ids = logits.softmax(-1).argmax(-1)
        written += ids.tolist()
    return torch.tensor(written)


def by_recursion(model, source, start, end, max_length):
    def rest(ids, state, left):
        logits, state, _ = model.step(ids, state)
        best = logits[0].topk(1).indices
        done = best.item() == end or left == 1
        return (best.item(), *(() if done else rest(best, state, left - 1)))

    return rest(torch.tensor([start]), model.start(source), max_length)


def from_the_start_each_time(model, source, start, end, max_length):
    ids = [start]
    while len(ids) <= max_length and end not in ids[1:]:
        state = model.start(source)
        for each in ids:
            logits, state, _ = model.step(torch.tensor([each]), state)
        ids.append(logits.argmax().item())
    return ids[1:]


@pytest.mark.parametrize("answer", [write, by_while, by_recursion])
def test_any_writer(check, answer):
    verdict = check("8.5", answer)
    assert verdict.passed, verdict.message


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
        (lambda m, s, start, end, most: write(m, s, 1, end, most), "You begin with 1"),
        (lambda m, s, start, end, most: write(m, s, start, 2, most), "You stop at 2"),
        (lambda *c: "".join(map(str, write(*c))), "should be a list of whole numbers"),
        (lambda *c: write(*c)[-1:], "the last token alone"),
        (lambda *c: write(*c)[::-1], "wanted"),
        (lambda *c: 3, "should be a list of whole numbers"),
        (lambda *c: None, "None"),
        (lambda m, s, *rest: m.step(1, m.start(s)), "stopped"),
        (lambda *c: (write(*c), 1), "should be a list of whole numbers"),
        (lambda m, s, start, end, most: write(m, s, start, end, 200), "longer than `max_length`"),
        (lambda m, s, start, end, most: write(m, s, start, end, 200)[:most], "more steps than `max_length`"),
        (from_the_start_each_time, "how often you called `model.step`"),
    ],
)
def test_wrong_writers(check, answer, words):
    assert_says(check("8.5", answer), words)


def test_a_started_writer_waits(check):
    assert check("8.5", lambda *case: ...).state == "pending"


# --- 8.6 ---------------------------------------------------------------------------------------------------


def leak(train, test):
    seen = {row[0] for row in train}
    return sum(row[0] in seen for row in test) / len(test)


def by_removing(train, test):
    count = len(test)
    for row in train:
        for other in [each for each in test if each[0] == row[0]]:
            test.remove(other)
    return 1 - len(test) / count


@pytest.mark.parametrize(
    "answer",
    [
        lambda train, test: np.mean([any(a[0] == b[0] for a in train) for b in test]),
        lambda train, test: Fraction(sum(r[0] in {d for d, _, _ in train} for r in test), len(test)),
        lambda train, test: torch.tensor([r[0] in {d for d, _, _ in train} for r in test]).float().mean(),
    ],
)
def test_any_leak(check, answer):
    assert check("8.6", answer).passed


def test_lists_are_the_learners_own_and_a_change_is_mentioned(check):
    for _ in range(2):  # the second time too: the check's own lists are whole
        verdict = check("8.6", by_removing)
        assert verdict.passed, verdict.message
        assert "changes `test` in place" in verdict.message


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda a, b: len({r[0] for r in a} & {r[0] for r in b}) / len(b), "divided by rows"),
        (lambda a, b: sum(r[0] in {x[0] for x in a} for r in set(b)) / len(set(b)), "more than once"),
        (lambda a, b: sum(r[0] in {x[0] for x in a} for r in set(b)) / len(b), "wanted"),
        (lambda a, b: 0.625, "wanted"),
        (lambda a, b: sum(r[0].month in {x[0].month for x in a} for r in b) / len(b), "wanted"),
        (lambda a, b: sum(r[0] in a for r in b) / len(b), "not with whole rows"),
        (lambda a, b: np.mean([x[0] == r[0] for x in a for r in b]) * len(a), "You counted pairs"),
        (lambda a, b: len({r[0] for r in a} & {r[0] for r in b}) / len(a), "`fraction` is 0.5; wanted"),
    ],
)
def test_wrong_leaks(check, answer, words):
    assert_says(check("8.6", answer), words)


def test_what_the_praise_says_a_split_by_row_leaks_nearly_all():
    rows = [(day, one, form) for day in dates_in("train")[:400] for one in LANGUAGES for form in FORMATS]
    order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(0)).tolist()
    cut = len(rows) // 10
    assert leak([rows[i] for i in order[cut:]], [rows[i] for i in order[:cut]]) > 0.99
    assert not set(dates_in("train")) & set(dates_in("test"))


# --- 8.7 ---------------------------------------------------------------------------------------------------


def pairs(written, wanted):
    return list(zip(written, wanted, strict=True))


def scores(written, wanted):
    both = pairs(written, wanted)
    rights = sum(x == y for a, b in both for x, y in zip(a, b, strict=False))
    return sum(a == b for a, b in both) / len(both), rights / sum(max(map(len, pair)) for pair in both)


@pytest.mark.parametrize(
    "answer",
    [
        lambda a, b: list(scores(a, b)),
        lambda a, b: torch.tensor(scores(a, b)),
        lambda a, b: {"characters": scores(a, b)[1], "exact": np.float32(scores(a, b)[0])},
        lambda a, b: tuple(map(Fraction, scores(a, b))),
    ],
)
def test_any_scores(check, answer):
    assert check("8.7", answer).passed


def exactly(same):
    return lambda a, b: (sum(same(x, y, b) for x, y in pairs(a, b)) / len(a), scores(a, b)[1])


def filled_with_spaces(a, b):
    width = max(map(len, a + b))
    right = sum(x == y for p, q in pairs(a, b) for x, y in pairs(f"{p:{width}}", f"{q:{width}}"))
    return scores(a, b)[0], right / sum(max(len(p), len(q)) for p, q in pairs(a, b))


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (exactly(lambda x, y, b: x in b), "*anywhere* among the wanted"),
        (exactly(lambda x, y, b: x.lower() == y.lower()), "capitals"),
        (exactly(lambda x, y, b: x.strip() == y.strip()), "ignores spaces"),
        (exactly(lambda x, y, b: y in x), "wanted"),
        (exactly(lambda x, y, b: x.strip().lower() == y.strip().lower()), "capitals and spaces"),
        (exactly(lambda x, y, b: sorted(x) == sorted(y)), "`exact` is 0.16667"),
        (exactly(lambda x, y, b: len(x) == len(y)), "`exact` is 0.25; wanted 0.083333"),
        (
            lambda a, b: (scores(a, b)[0], scores([t.lower() for t in a], [t.lower() for t in b])[1]),
            "`characters` ignores capitals",
        ),
        (filled_with_spaces, "wanted"),
        (lambda a, b: (scores(a, b)[0], np.mean([len(p) == len(q) for p, q in pairs(a, b)])), "wanted"),
        (
            lambda a, b: (scores(a, b)[0], np.mean([scores([p], [q])[1] for p, q in pairs(a, b)])),
            "own fractions",
        ),
        (lambda a, b: (scores(a, b)[0], np.mean([1 / len(p) for p in a])), "is empty"),
        (lambda a, b: scores(a, b)[::-1], "in another order: return exact, characters"),
        (lambda a, b: 0.5, "wanted 2 things"),
    ],
)
def test_wrong_scores(check, answer, words):
    assert_says(check("8.7", answer), words)


# --- 8.8 ---------------------------------------------------------------------------------------------------


def one_by_one(own, correct, right):
    found = Counter(
        "search" if sum(theirs) > sum(mine) else "model"
        for mine, theirs, good in zip(own.tolist(), correct.tolist(), right.tolist(), strict=True)
        if not good
    )
    return {"search_errors": found["search"], "model_errors": found["model"]}


def by_probabilities(own, correct, right):
    own, correct = (log_p[~right].double().exp().prod(1) for log_p in (own, correct))
    return torch.stack(((correct > own).sum(), (correct <= own).sum()))


@pytest.mark.parametrize("answer", [one_by_one, by_probabilities])
def test_causes_counted_in_many_ways(check, answer):
    verdict = check("8.8", answer)
    assert verdict.passed, verdict.message


def counts(better, total=lambda right: (~right).sum()):
    def causes(own, correct, right):
        search = (better(own, correct) & ~right).sum()
        return search, total(right) - search

    return causes


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (counts(lambda own, correct: own.sum(1) > correct.sum(1)), "in another order"),
        (counts(lambda own, correct: correct.mean(1) > own.mean(1), len), "among your model errors"),
        (counts(lambda own, correct: correct[:, 0] > own[:, 0]), "only the first token"),
        (counts(lambda own, correct: correct.median(1)[0] > own.median(1)[0]), "`search_errors` is"),
        (lambda own, correct, right: (~right).sum(), "wanted 2 things"),
        (counts(lambda own, correct: correct.amax(1) > own.amax(1)), "largest number, often padding"),
        (
            lambda own, correct, right: (((correct.sum(1) > own.sum(1)) & ~right).sum(), (~right).sum()),
            "Search errors are among",
        ),
    ],
)
def test_wrong_causes(check, answer, words):
    assert_says(check("8.8", answer), words)


# --- 8.9 ---------------------------------------------------------------------------------------------------

WITHOUT_TAG = {"whole": 1.0, "hidden_in_encoder": 1.0, "hidden_in_cross": 0.0}


@pytest.fixture(scope="module")
def dates():
    """What chapter 8 gives to exercise 8.9: its dates, and the model's translations with two masks."""
    notebook = json.loads((ROOT / "chapters" / "08-transformer.ipynb").read_text("utf8"))
    code = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    names = {}
    for start in ("# @title Setup", "# @title For exercise 8.9"):
        exec(next(each for each in code if each.startswith(start)), names)
    return SimpleNamespace(**names)


def without_a_row(mask):
    return mask & (torch.arange(len(mask)) > 0)[:, None]


def without(mask, column):
    return mask & (torch.arange(mask.shape[1]) != column)


@pytest.mark.parametrize(
    ("name", "masks", "slip"),
    [
        ("whole", lambda real: (torch.ones_like(real), torch.ones_like(real)), "padding is visible"),
        ("hidden_in_encoder", lambda real: (without(torch.ones_like(real), 0), real), "padding is visible"),
        ("hidden_in_encoder", lambda real: (without(real, 1), real), "without the date's first character"),
        ("hidden_in_cross", lambda real: (real, without(real, 1)), "without the date's first character"),
        ("hidden_in_cross", lambda real: (without(real, 0), real), "nothing has changed"),
        ("hidden_in_cross", lambda real: (real, without_a_row(real)), "column 0 of every row"),
        ("hidden_in_encoder", lambda real: (without(real, 0), without(real, 0)), "or twice"),
    ],
)
def test_the_numbers_of_wrong_masks_are_those_of_the_model(check, dates, name, masks, slip):
    written = dates.translations(*masks(dates.not_padding))
    right = sum(a == b for a, b in zip(written, dates.chinese, strict=True))
    assert_says(check("8.9", WITHOUT_TAG | {name: right / 100}), slip)


def test_what_the_solution_says_of_the_tag(dates):
    real, written = dates.not_padding, dates.translations
    russian = [
        write_date(day, "ru", "long").removesuffix(" г.") == text.removesuffix(" г.")
        for day, text in zip(dates.hundred_days, written(real, without(real, 0)), strict=True)
    ]
    assert sum(russian) > 50
    with torch.no_grad():
        weights = dates.shipped.model.encode(dates.tagged)[1].encoder[1, :, 0]  # (B, S, S)
    assert 0.4 < weights[..., 0][real].mean() < 0.6


def test_fractions_with_a_date_less(check):
    assert check("8.9", WITHOUT_TAG | {"hidden_in_encoder": 0.99}).passed
    assert check("8.9", {name: torch.tensor(fraction) for name, fraction in WITHOUT_TAG.items()}).passed


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"whole": 0.5}, "Compare `translations"),
        ({"whole": 100}, "like a percentage"),
        ({"whole": 97}, "97 looks like a percentage or a count"),
        ({"hidden_in_cross": 2.0}, "like a percentage"),
        ({"whole": float("nan")}, "not nan"),
        ({"hidden_in_encoder": 0.0}, "passed second"),
        ({"hidden_in_encoder": 0.4}, "the mask without the tag first"),
        ({"hidden_in_cross": 0.4}, "the mask without the tag second"),
        ({"hidden_in_cross": "Russian"}, "should be a number"),
    ],
)
def test_wrong_fractions_without_the_tag(check, other, words):
    assert_says(check("8.9", WITHOUT_TAG | other), words)


# --- 8.10 ---------------------------------------------------------------------------------------------------


def on_field(w, r, c):
    return w[:, :, r][..., c].sum(-1).mean(-1)


def layer_and_head(each):
    return divmod(each.argmax().item(), each.shape[1])


@pytest.mark.parametrize(
    "answer",
    [
        lambda w, r, c: list(layer_and_head(on_field(w, r, c))),
        lambda w, r, c: torch.tensor(layer_and_head(on_field(w, r, c))),
        lambda w, r, c: np.unravel_index(on_field(w, r, c).argmax(), w.shape[:2]),
        lambda w, r, c: layer_and_head((w * r[:, None] * c).sum((-1, -2))),
    ],
)
def test_any_search_for_the_head(check, answer):
    assert check("8.10", answer).passed


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda w, r, c: divmod(on_field(w, r, c).argmax().item(), len(w)), "divided the index"),
        (lambda w, r, c: on_field(w, r, c).argmax(), "flattened"),
        (lambda w, r, c: int(on_field(w, r, c).argmax()), "flattened"),
        (lambda w, r, c: on_field(w, r, c), "wanted 2 things"),
        (lambda w, r, c: -1, "got one"),
        (lambda w, r, c: torch.tensor(float("nan")), "got one"),
        (lambda w, r, c: on_field(w, r, c).max(), "got one"),
        (lambda w, r, c: (0, 0), "Sum over the columns"),
        (lambda w, r, c: layer_and_head(w[:, :, 3:6][..., c].sum((-1, -2))), "wanted"),
        (lambda w, r, c: layer_and_head(w[:, :, r][..., 4:8].sum((-1, -2))), "wanted"),
    ],
)
def test_wrong_heads(check, answer, words):
    assert_says(check("8.10", answer), words)


# --- 8.11 ---------------------------------------------------------------------------------------------------

MEASURED = {
    "whole": 1.0,
    "feed_forward_out": 0.03,
    "feed_forward_without": 0.98,
    "positions_out": 0.0,
    "positions_without": 0.01,
}


def test_measured_fractions(check):
    assert check("8.11", MEASURED).passed
    assert check("8.11", {name: torch.tensor(fraction) for name, fraction in MEASURED.items()}).passed


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"whole": 0.5}, "Begin each training with"),
        ({"feed_forward_out": 0.97}, "from *both* stacks"),
        ({"feed_forward_without": 0.01}, "*fresh* model"),
        ({"positions_without": 0.9}, "*before* the training"),
        ({"whole": "all"}, "should be a number"),
        ({"whole": 98.3}, "98.3 looks like a percentage"),
        ({"whole": 1.19}, "Give a fraction from 0 to 1"),
        ({"feed_forward_without": 295}, "or a count"),
    ],
)
def test_wrong_fractions(check, other, words):
    assert_says(check("8.11", MEASURED | other), words)


def test_a_half_measured_answer_waits(check):
    assert check("8.11", MEASURED | {"positions_out": ...}).state == "pending"


# --- 8.12 --------------------------------------------------------------------------------------------------


def by_sorting(sure, right, wanted):
    values, count = sure.unique(return_counts=True)  # ascending
    correct = torch.stack([right[sure == value].sum() for value in values])
    fractions = correct.flip(0).cumsum(0) / count.flip(0).cumsum(0)  # from the surest on
    good = values.flip(0)[fractions >= wanted]
    return good[-1] if len(good) else torch.inf


def in_plain_python(sure, right, wanted):
    pairs = list(zip(sure.tolist(), right.tolist(), strict=True))
    for threshold, _ in sorted(pairs):
        accepted = [good for value, good in pairs if value >= threshold]
        if sum(accepted) >= wanted * len(accepted):
            return threshold
    return float("inf")


@pytest.mark.parametrize("answer", [by_sorting, in_plain_python, lambda *inputs: float(by_sorting(*inputs))])
def test_thresholds_in_many_ways(check, answer):
    verdict = check("8.12", answer)
    assert verdict.passed, verdict.message


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda sure, right, wanted: sure[right].min(), "wanted inf"),
        (lambda sure, right, wanted: sure.quantile(wanted), "wanted 0.3"),
        (lambda sure, right, wanted: sure >= by_sorting(sure, right, wanted), "should be a number"),
        (lambda *inputs: None if by_sorting(*inputs) > 1 else by_sorting(*inputs), "returned None"),
        (lambda *inputs: min(1.0, by_sorting(*inputs)), "return `math.inf`"),
        (lambda sure, right, wanted: sure[~right].max(), "`threshold` is 0.9"),
        (lambda sure, right, wanted: min(sure), "accepts every output"),
        (lambda sure, right, wanted: by_sorting(sure, ~right, wanted), "accepts every output"),
        (lambda sure, right, wanted: by_sorting(-sure, right, wanted), "no threshold, and there is one"),
    ],
)
def test_wrong_thresholds(check, answer, words):
    assert_says(check("8.12", answer), words)


def test_what_the_chapter_says_of_a_threshold():
    notebook = json.loads((ROOT / "chapters" / "08-transformer.ipynb").read_text("utf8"))
    code = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    titles = "Setup", "Two hundred dates", "Twelve formats", "For exercise 8.12"
    setup, days, formats, outcomes = (
        next(each for each in code if each.startswith(f"# @title {title}")) for title in titles
    )
    shipped = checkpoints.load("dates-translate")
    names = {"model": shipped.model, "task": shipped.task, "forms": None}
    exec(setup, names)
    exec(days.partition("\n\n\ndef ")[0], names)
    exec(formats.partition("\n\n\nforms = ")[0], names)
    exec(outcomes, names)
    limit = by_sorting(*names["sure_and_right"]("as in training"), 0.99)
    found = {}
    for name in ("slashes", "two-digit year", "th after the day", "capitals"):
        sure, right = names["sure_and_right"](name)
        found[name] = sure >= limit, right
        if name in ("slashes", "two-digit year"):
            assert (sure > 0.5).float().mean() > 0.4
            assert not found[name][0].any()
    accepted, right = found["th after the day"]
    assert (accepted & right).sum() < 0.8 * right.sum()
    accepted, right = found["capitals"]
    assert 0 < accepted.sum() < 25
    assert right[accepted].float().mean() < 0.8
