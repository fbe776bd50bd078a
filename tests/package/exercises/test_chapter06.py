"""Chapter 6: unusual correct answers pass, and wrong ones that are no known slip are rejected."""

import itertools

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import attnbook


def assert_says(verdict, words: str) -> None:
    assert verdict.state == "wrong", verdict.message
    assert words in verdict.message, verdict.message


# --- 6.1 ---------------------------------------------------------------------------------------------------


def least(length, given):
    at = torch.arange(length)
    return (at <= at[:, None]) | (at < given)


def in_blocks(length, given):
    mask = torch.ones(length, length).tril().bool()
    mask[:given, :given] = True
    return mask


def as_lists(length, given):
    return [[s <= t or s < given for s in range(length)] for t in range(length)]


def in_numpy(length, given):
    return ~np.triu(np.ones((length, length), bool), 1) | (np.arange(length) < given)


def by_hiding(length, given):
    mask = torch.ones(length, length, dtype=torch.bool)
    for answer in range(given, length):
        mask[:answer, answer] = False
    return mask


@pytest.mark.parametrize("answer", [least, in_blocks, as_lists, in_numpy, by_hiding])
def test_least_masks_made_in_many_ways(check, answer):
    verdict = check("6.1", answer)
    assert verdict.passed, verdict.message


def leaks_through_layers(mask, given):
    """Whether a prediction depends on its own answer or a later one, in a stack of any number of layers."""
    reach = torch.linalg.matrix_power(mask.long() + torch.eye(len(mask), dtype=torch.long), len(mask)) > 0
    predicts, answer = torch.arange(given - 1, len(mask) - 1), torch.arange(given, len(mask))
    return bool(reach[predicts][:, answer].triu().any())


@pytest.mark.parametrize(("length", "given"), [(6, 1), (6, 3), (6, 5), (4, 4)])
def test_the_least_mask_leaks_nothing_and_leaks_with_any_more_cells_open(length, given):
    mask = least(length, given)
    assert mask[:, :given].all()
    assert not leaks_through_layers(mask, given)
    for cell in (~mask).nonzero():
        more = mask.clone()
        more[tuple(cell)] = True
        assert leaks_through_layers(more, given), cell


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda length, given: attnbook.causal_mask(length), "This is the causal mask"),
        (lambda length, given: least(length, given).float(), "torch.float32"),
        (lambda length, given: least(length, given)[None], "has shape"),
        (lambda length, given: least(length, 3), "other numbers"),
        (lambda length, given: least(length, given).T, "transposed"),
        (lambda length, given: attnbook.causal_mask(length)[given:], "has shape"),
        (lambda length, given: least(length, given) | (torch.arange(length) == length - 1), "other numbers"),
        (lambda length: attnbook.causal_mask(length), "least_mask(length, given)"),
        (lambda length, given: torch.ones(length, length).bool().tril(given - 1), "You moved the diagonal"),
        (lambda length, given: torch.ones(length, length).bool().tril(given), "You moved the diagonal"),
    ],
)
def test_masks_that_hide_too_much_or_too_little(check, answer, words):
    assert_says(check("6.1", answer), words)


# --- 6.2 ---------------------------------------------------------------------------------------------------

THIRDS = (1 / 3, 2 / 3, 0, 0)
BY_HAND = {
    "after": (0.1, 0.2, 0, 0),
    "row_sum": 0.3,
    "renormalized": THIRDS,
    "before": THIRDS,
    "moved_by_key_4": (True, False, False),
}


@pytest.mark.parametrize(
    "other",
    [
        {"row_sum": [0.3]},
        {"before": torch.tensor([0.3333, 0.6667, 0, 0])},
        {"renormalized": np.array([0.33, 0.67, 0, 0]), "moved_by_key_4": [1, 0, 0]},
        {"moved_by_key_4": torch.tensor([True, False, False])},
    ],
)
def test_numbers_in_any_form(check, other):
    assert check("6.2", BY_HAND | other).passed


def test_the_numbers_are_those_of_attention():
    scores = torch.tensor([0.1, 0.2, 0.3, 0.4]).log()
    mask = torch.tensor([True, True, False, False])
    before = attnbook.masked_softmax(scores[None], mask[None])[0]
    torch.testing.assert_close(before, torch.tensor(THIRDS))
    torch.testing.assert_close(scores.softmax(-1) * mask, torch.tensor([0.1, 0.2, 0, 0]))


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"after": (1, 1, 0, 0)}, "set those of later keys to 0"),
        ({"after": 0.3}, "should be 4 numbers"),
        ({"row_sum": 0.5}, "Add up"),
        ({"renormalized": (0.3, 0.7, 0, 0)}, "by their sum"),
        ({"before": (0.2, 0.8, 0, 0)}, "does not change this ratio"),
        ({"moved_by_key_4": ["after"]}, "should be True or False three times"),
        ({"moved_by_key_4": True}, "should be True or False three times"),
        ({"moved_by_key_4": ("yes", "no", "no")}, "It is ('yes', 'no', 'no') (tuple)."),
        ({"moved_by_key_4": (2, 0, 0)}, "should be True or False three times"),
        ({"moved_by_key_4": np.array([1.0, np.nan, 0])}, "It is an array of shape (3,)."),
        ({"moved_by_key_4": [[True, False, False]]}, "should be True or False three times"),
    ],
)
def test_wrong_numbers(check, other, words):
    assert_says(check("6.2", BY_HAND | other), words)


@pytest.mark.parametrize("other", [{"moved_by_key_4": (True, False, ...)}, {"before": [..., ..., 0, 0]}])
def test_dots_among_the_numbers_are_unfinished(check, other):
    verdict = check("6.2", BY_HAND | other)
    assert verdict.state == "pending"
    assert f"Still to fill in: `{next(iter(other))}`" in verdict.message


# --- 6.4 ---------------------------------------------------------------------------------------------------


def by_jacobian(layer, x):
    J = torch.autograd.functional.jacobian(layer, x)[0, :, :, 0].abs().sum((1, 3))
    return bool((J.triu(1) > 0).any())


def by_gradient(layer, x):
    x = x.clone().requires_grad_()
    y = layer(x)
    for t in range(x.shape[1]):
        for number in y[0, t]:
            (gradient,) = torch.autograd.grad(number, x, retain_graph=True)
            if gradient[0, t + 1 :].abs().sum() != 0:
                return True
    return False


def by_random_mix(layer, x):
    x = x.clone().requires_grad_()
    y = layer(x)
    mix = torch.randn_like(y)
    for t in range(x.shape[1]):
        (gradient,) = torch.autograd.grad((y * mix)[0, t].sum(), x, retain_graph=True)
        if (gradient[:, t + 1 :].abs() > 1e-12).any():
            return torch.tensor(True)
    return torch.tensor(False)


def by_change(layer, x):
    before = layer(x)
    for s in range(1, x.shape[1]):
        changed = x.clone()
        changed[:, s:] += torch.randn_like(changed[:, s:])
        if not torch.allclose(layer(changed)[:, :s], before[:, :s]):
            return True
    return False


def by_cutting(layer, x):
    return any(not torch.allclose(layer(x[:, :n]), layer(x)[:, :n]) for n in range(1, x.shape[1]))


def by_change_in_place(layer, x):
    before = layer(x)
    for s in range(x.shape[1] - 1, 0, -1):
        x[:, s] = 1.0
        if not torch.equal(layer(x)[:, :s], before[:, :s]):
            return 1
    return 0


@pytest.mark.parametrize("answer", [by_jacobian, by_gradient, by_random_mix, by_change, by_cutting])
def test_leaks_found_in_many_ways(check, answer):
    verdict = check("6.4", answer)
    assert verdict.passed, verdict.message


def test_an_input_changed_in_place_is_mentioned(check):
    verdict = check("6.4", by_change_in_place)
    assert verdict.passed
    assert "in place" in verdict.message


def gradient_of(pick, cut):
    """A test that looks at the gradient of some of the output with respect to some of the input."""

    def leaks(layer, x):
        x = x.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(pick(layer(x)), x)
        return bool((cut(gradient).abs() > 0).any())

    return leaks


def by_sums(layer, x, tolerance=0.0):
    x = x.clone().requires_grad_()
    y = layer(x)
    for t in range(x.shape[1]):
        (gradient,) = torch.autograd.grad(y[0, t].sum(), x, retain_graph=True)
        if (gradient[:, t + 1 :].abs() > tolerance).any():
            return True
    return False


def own_position_too(layer, x):
    J = torch.autograd.functional.jacobian(layer, x)[0, :, :, 0].abs().sum((1, 3))
    return bool((J.triu(0) > 0).any())


def the_past(layer, x):
    J = torch.autograd.functional.jacobian(layer, x)[0, :, :, 0].abs().sum((1, 3))
    return bool((J.tril(-1) > 0).any())


def next_door(layer, x):
    J = torch.autograd.functional.jacobian(layer, x)[0, :, :, 0].abs().sum((1, 3))
    return bool((J.diagonal(1) > 0).any())


def the_last_word(layer, x):
    changed = x.clone()
    changed[:, -1] += 1
    return not torch.equal(layer(changed)[:, :-1], layer(x)[:, :-1])


def with_jacobian(pick):
    """A test that asks whether anything in `pick(J)` isn't 0; J is `(T, D, T, D)`."""

    def leaks(layer, x):
        J = torch.autograd.functional.jacobian(layer, x)[0, :, :, 0]
        return bool((pick(J).triu(1).abs() > 0).any())

    return leaks


def with_change(change, tolerance=1e-9):
    """A test that changes all later words, and compares with a tolerance."""

    def leaks(layer, x):
        before = layer(x)
        for s in range(1, x.shape[1]):
            other = x.clone()
            other[:, s:] = change(other[:, s:])
            if ((layer(other) - before)[:, :s].abs() > tolerance).any():
                return True
        return False

    return leaks


def by_poison(layer, x):
    for s in range(1, x.shape[1]):
        poisoned = torch.cat((x[:, :s], torch.full_like(x[:, s:], torch.nan)), 1)
        if layer(poisoned)[:, :s].isnan().any():
            return True
    return False


def fresh(later):
    return torch.randn_like(later)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (own_position_too, "a leak in every layer"),
        (gradient_of(torch.sum, lambda g: g), "strictly later than the output"),
        (the_past, "a leak in every layer"),
        (gradient_of(lambda y: y[0, -1].abs().sum(), lambda g: g[:, 6:]), "no leak in any layer"),
        (lambda layer, x: not by_jacobian(layer, x), "the opposite every time"),
        (by_sums, "LayerNorm"),
        (lambda layer, x: by_sums(layer, x, 1e-12), "LayerNorm"),
        (with_jacobian(lambda J: J.sum((1, 3))), "Take absolute values"),
        (with_jacobian(lambda J: J[:, 0, :, 0]), "only some of the D features"),
        (with_jacobian(lambda J: J.diagonal(dim1=1, dim2=3).abs().sum(-1)), "only some of the D features"),
        (with_change(lambda later: later + 1), "`torch.randn_like`"),
        (with_change(lambda later: 2 * later), "`torch.randn_like`"),
        (with_change(lambda later: later.flip(1)), "reordered the later words"),
        (with_change(fresh, tolerance=1e-3), "Compare more strictly"),
        (with_change(fresh, tolerance=1e-2), "Compare more strictly"),
        (with_change(fresh, tolerance=0.1), "your test says False; it is True"),
        (gradient_of(lambda y: y[0, 0, 0], lambda g: g[:, 1:]), "only some positions"),
        (gradient_of(lambda y: y[0, 2, 0], lambda g: g[:, 3:]), "only some positions"),
        (the_last_word, "only some positions"),
        (next_door, "only some positions"),
        (
            with_jacobian(lambda J: J.sum(3).abs().sum(1).round(decimals=9)),
            "the gradient of each feature separately",
        ),
        (by_poison, "0 · NaN is NaN"),
        (lambda layer, x: "yes", "should be True or False"),
        (lambda layer, x: None, "None"),
        (lambda layer: True, "leaks(layer, x)"),
    ],
)
def test_leak_tests_that_err(check, answer, words):
    assert_says(check("6.4", answer), words)


# --- 6.5 ---------------------------------------------------------------------------------------------------


def by_products(forced, decoded):
    first = torch.ones_like(forced)  # True up to the first mistake, which is the same when decoded
    first[:, 1:] = decoded[:, :-1].long().cumprod(1).bool()
    return {"decoded": (decoded & ~first).sum() / (~first).sum(), "forced": forced[~first].double().mean()}


def token_after_token(forced, decoded):
    counts = [0, 0, 0]
    for rows in zip(forced.tolist(), decoded.tolist(), strict=True):
        begin = rows[0].index(False) + 1 if False in rows[0] else len(rows[0])
        for pair in list(zip(*rows, strict=True))[begin:]:
            counts = [count + new for count, new in zip(counts, (*pair, 1), strict=True)]
    return counts[0] / counts[2], counts[1] / counts[2]


def in_numpy_at_once(forced, decoded):
    after = np.maximum.accumulate(~forced.numpy(), axis=1)
    after = np.pad(after, ((0, 0), (1, 0)))[:, :-1]
    return [each.numpy()[after].mean() for each in (forced, decoded)]


@pytest.mark.parametrize("answer", [by_products, token_after_token, in_numpy_at_once])
def test_the_aftermath_measured_in_many_ways(check, answer):
    verdict = check("6.5", answer)
    assert verdict.passed, verdict.message


def means_of_booleans(forced, decoded):
    return forced.mean(), decoded.mean()


def fractions_of(positions):
    return lambda forced, decoded: tuple(each[positions(forced)].float().mean() for each in (forced, decoded))


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (fractions_of(lambda forced: forced.long().cumprod(1) == 0), "The first mistake itself is included"),
        (fractions_of(lambda forced: ~forced.all(1)), "You took whole texts"),
        (fractions_of(lambda forced: forced | ~forced), "as in the table"),
        (fractions_of(lambda forced: ~forced), "wanted 0."),
        (fractions_of(lambda forced: (~forced).long().cumsum(1) > 1), "Every position after the first"),
        (
            fractions_of(lambda forced: (~forced).long().cumsum(0) > (~forced).long()),
            "Positions run along axis 1",
        ),
        (
            fractions_of(lambda forced: torch.arange(forced.shape[1]) > forced.int().min(1).indices[:, None]),
            "texts without a mistake",
        ),
        (lambda forced, decoded: by_products(forced, decoded)["decoded"], "wanted 2 things"),
        (lambda forced, decoded: token_after_token(forced, decoded)[::-1], "in another order"),
        (
            lambda forced, decoded: (forced.float().mean(), token_after_token(forced, decoded)[1]),
            "`forced` is",
        ),
        (lambda forced, decoded: token_after_token(decoded, decoded), "`forced` is"),
        (means_of_booleans, "make numbers of True and False first"),
    ],
)
def test_wrong_aftermaths(check, answer, words):
    assert_says(check("6.5", answer), words)


# --- 6.6 ---------------------------------------------------------------------------------------------------


def search(model, start, end, beams, most):
    kept = [([start], 0.0)]
    for _ in range(most):
        longer = []
        for ids, total in kept:
            if ids[-1] == end:
                longer.append((ids, total))
            else:
                longer += [([*ids, i], total + g) for i, g in enumerate(model(ids).tolist())]
        kept = sorted(longer, key=lambda item: -item[1])[:beams]
    return max(kept, key=lambda item: item[1] / (len(item[0]) - 1))[0][1:]


def with_tensors(model, start, end, beams, most):
    ids, totals = torch.full((1, 1), start), torch.zeros(1)
    for _ in range(most):
        gains = torch.stack([model(row.tolist()) for row in ids])
        ended = (ids[:, 1:] == end).any(1)
        gains[ended] = -torch.inf
        gains[ended, end] = 0.0
        totals, choice = (totals[:, None] + gains).flatten().topk(min(beams, gains.numel()))
        ids = torch.cat((ids[choice // gains.shape[1]], (choice % gains.shape[1])[:, None]), 1)
    lengths = [[*row[1:].tolist(), end].index(end) + 1 for row in ids]
    lengths = torch.tensor(lengths).clamp(max=most)
    best = int((totals / lengths).argmax())
    return ids[best, 1 : 1 + lengths[best]]


def with_a_queue(model, start, end, beams, most):
    """Beams are dictionaries from tuples; it stops as soon as all have ended."""
    kept = {(start,): 0.0}
    while any(ids[-1] != end and len(ids) <= most for ids in kept):
        longer = {ids: total for ids, total in kept.items() if ids[-1] == end}
        for ids in kept.keys() - longer.keys():
            longer |= {(*ids, i): kept[ids] + float(g) for i, g in enumerate(model(list(ids)))}
        kept = dict(sorted(longer.items(), key=lambda item: item[1])[-beams:])
    return max(kept, key=lambda ids: kept[ids] / (len(ids) - 1))[1:]


def with_few_children(model, start, end, beams, most):
    """No more than `beams` tokens of one prefix can be among the best of all prefixes."""
    kept = [(0.0, (start,))]
    while any(ids[-1] != end and len(ids) <= most for _, ids in kept):
        longer = [beam for beam in kept if beam[1][-1] == end]
        for total, ids in [beam for beam in kept if beam[1][-1] != end]:
            gains, tokens = model(ids).sort(descending=True)
            pairs = zip(gains[:beams].tolist(), tokens[:beams].tolist(), strict=True)
            longer += [(total + gain, (*ids, token)) for gain, token in pairs]
        kept = sorted(longer, reverse=True)[:beams]
    return torch.tensor(max(kept, key=lambda beam: beam[0] / (len(beam[1]) - 1))[1][1:])


@pytest.mark.parametrize("answer", [search, with_tensors, with_a_queue, with_few_children])
def test_beam_search_in_many_ways(check, answer):
    verdict = check("6.6", answer)
    assert verdict.passed, verdict.message


def with_fewer_and_fewer_slots(model, start, end, beams, most):
    """Every sequence that ends takes a slot for good."""
    alive, ended = [([start], 0.0)], []
    for _ in range(most):
        longer = [([*ids, i], total + g) for ids, total in alive for i, g in enumerate(model(ids).tolist())]
        best = sorted(longer, key=lambda item: -item[1])[: beams - len(ended)]
        ended += [item for item in best if item[0][-1] == end]
        alive = [item for item in best if item[0][-1] != end]
    return max(ended + alive, key=lambda item: item[1] / (len(item[0]) - 1))[0][1:]


def ranked_by(rank):
    def answer(model, start, end, beams, most):
        kept = [([start], 0.0)]
        for _ in range(most):
            longer = [item for item in kept if item[0][-1] == end]
            for ids, total in [item for item in kept if item[0][-1] != end]:
                longer += [([*ids, i], total + g) for i, g in enumerate(model(ids).tolist())]
            kept = sorted(longer, key=lambda item: -rank(*item))[:beams]
        return max(kept, key=lambda item: item[1] / (len(item[0]) - 1))[0][1:]

    return answer


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda model, start, end, beams, most: search(model, 0, end, beams, most), "wanted"),
        (lambda model, start, end, beams, most: search(model, start, 1, beams, most), "wanted"),
        (lambda *inputs: [3, 3, 3], "Follow it on paper"),
        (lambda *inputs: search(*inputs[:-1], 99)[: inputs[-1]], "wanted"),
        (lambda *inputs: 3, "should be a list of whole numbers"),
        (lambda *inputs: (search(*inputs), -1.0), "should be a list of whole numbers"),
        (with_fewer_and_fewer_slots, "You set ended sequences aside"),
        (ranked_by(lambda ids, total: total / len(ids) ** 0.6), "wanted"),
        (ranked_by(lambda ids, total: total / (len(ids) - 1) ** 0.5), "divided by the root of the length"),
        (lambda *inputs: None, "None"),
        (lambda model, start: [1], "write_with_beams(next_log_probs, start, end, beams, max_length)"),
    ],
)
def test_beam_searches_that_err(check, answer, words):
    assert_says(check("6.6", answer), words)


@pytest.mark.parametrize("number", ["6.4", "6.5", "6.6"])
def test_functions_with_dots_are_unfinished(check, number):
    assert check(number, lambda *inputs: ...).state == "pending"


# --- 6.7 ---------------------------------------------------------------------------------------------------


def step(x, cache, positions, wq, wk, wv, shift=0, scale=True):
    keys, values = cache
    x = x + positions[keys.shape[1] + shift]
    keys = torch.cat((keys, (x @ wk)[:, None]), 1)
    values = torch.cat((values, (x @ wv)[:, None]), 1)
    scores = torch.einsum("bd,btd->bt", x @ wq, keys)
    weights = (scores / wq.shape[1] ** 0.5 if scale else scores).softmax(-1)
    return torch.einsum("bt,btd->bd", weights, values), (keys, values)


def in_front(x, cache, positions, wq, wk, wv):
    """Newest first: attention does not mind, as long as keys and values stand in the same order."""
    keys, values = cache
    x = x + positions[keys.shape[1]]
    keys, values = (torch.cat(((x @ w)[:, None], old), 1) for w, old in ((wk, keys), (wv, values)))
    weights = ((x @ wq)[:, None] @ keys.mT / wq.shape[1] ** 0.5).softmax(-1)
    return (weights @ values)[:, 0], [keys, values]


def with_a_cache_of_its_own(x, cache, positions, wq, wk, wv):
    words = cache["words"] if isinstance(cache, dict) else x[:, None][:, :0]
    words = torch.cat((words, (x + positions[words.shape[1]])[:, None]), 1)
    output = F.scaled_dot_product_attention((words @ wq)[:, -1:], words @ wk, words @ wv)
    return output[:, 0], {"words": words}


def in_numpy_with_a_cache(x, cache, positions, *matrices):
    keys, values = map(np.asarray, cache)
    x = x.numpy() + positions.numpy()[keys.shape[1]]
    query, key, value = (x @ matrix.numpy() for matrix in matrices)
    keys, values = np.append(keys, key[:, None], 1), np.append(values, value[:, None], 1)
    weights = np.exp(np.einsum("bd,btd->bt", query, keys) / query.shape[1] ** 0.5)
    return np.einsum("bt,bte->be", weights / weights.sum(1, keepdims=True), values), (keys, values)


@pytest.mark.parametrize("answer", [step, in_front, with_a_cache_of_its_own, in_numpy_with_a_cache])
def test_cached_steps_in_many_ways(check, answer):
    verdict = check("6.7", answer)
    assert verdict.passed, verdict.message


def test_positions_added_in_place_are_mentioned(check):
    def answer(x, cache, positions, *matrices):
        x += positions[cache[0].shape[1]]
        return step(x, cache, positions * 0, *matrices)

    verdict = check("6.7", answer)
    assert verdict.passed
    assert "changes `x` in place" in verdict.message


def as_in_the_exercise(too_far=1, old=True, forgets=True):
    """The step that is to be repaired, with three mistakes or fewer."""

    def answer(x, cache, positions, wq, wk, wv):
        keys, values = cache
        x = x + positions[keys.shape[1] + too_far]
        query, key, value = x @ wq, (x @ wk)[:, None], (x @ wv)[:, None]
        longer = torch.cat((keys, key), 1), torch.cat((values, value), 1)
        seen = cache if old else longer
        weights = (query[:, None] @ seen[0].mT / query.shape[-1] ** 0.5).softmax(-1)
        return (weights @ seen[1])[:, 0], (key, value) if forgets else longer

    return answer


@pytest.mark.parametrize(
    ("mistakes", "words"),
    [
        ((1, True, True), "Nothing is repaired yet"),
        ((0, True, True), "One of the three mistakes is repaired"),
        ((1, False, True), "One of the three mistakes is repaired"),
        ((1, True, False), "One of the three mistakes is repaired"),
        ((1, False, False), "The position is one too far"),
        ((0, True, False), "You attend before appending"),
        ((0, False, True), "The old cache is overwritten"),
    ],
)
def test_steps_that_are_not_wholly_repaired(check, mistakes, words):
    assert check("6.7", as_in_the_exercise(0, False, False)).passed
    assert_says(check("6.7", as_in_the_exercise(*mistakes)), words)


def keeps_no_values(x, cache, positions, wq, wk, wv):
    keys, values = cache
    x = x + positions[keys.shape[1]]
    keys = torch.cat((keys, (x @ wk)[:, None]), 1)
    scores = (x @ wq)[:, None] @ keys.mT / wq.shape[1] ** 0.5
    return (scores.softmax(-1) @ values)[:, 0], (keys, values)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda *inputs: (step(*inputs)[0][:, None], step(*inputs)[1]), "one row for the newest word"),
        (lambda *inputs: step(*inputs)[0], "wanted 2 things: output, cache"),
        (lambda *inputs: (-step(*inputs)[0], step(*inputs)[1]), "all words before it are correct"),
        (
            lambda x, c, p, q, k, v: step(x, c, p, q * (1 if c[0].shape[1] < 2 else 2), k, v),
            "all words before it are correct",
        ),
        (
            lambda x, c, p, q, k, v: (step(x, c, p, q, k, v)[0], (step(x, c, p, q, k, v)[1][0], c[1])),
            "overwritten",
        ),
        (lambda *inputs: (step(*inputs)[0][:1], step(*inputs)[1]), "wanted (B, d_v)"),
        (lambda *inputs: step(*inputs)[::-1], "You return the cache first"),
        (lambda *inputs: (step(*inputs)[0], *step(*inputs)[1]), "the output and the pair (keys, values)"),
        (lambda x, c, *others: step(x[:, None], c, *others), "stopped with"),
    ],
)
def test_cached_steps_that_err(check, answer, words):
    assert_says(check("6.7", answer), words)


def test_forgotten_values_are_not_blamed_on_the_keys(check):
    verdict = check("6.7", keeps_no_values)
    assert verdict.state == "wrong"
    assert "swap the key's last two axes" not in verdict.message


@pytest.mark.parametrize(
    "answer", [lambda *inputs: ..., lambda *inputs: (..., inputs[1]), lambda *inputs: (0, (..., ...))]
)
def test_a_step_with_dots_is_unfinished(check, answer):
    assert check("6.7", answer).state == "pending"


# --- 6.8 ---------------------------------------------------------------------------------------------------


def pack(texts, start):
    reads = torch.cat([F.pad(torch.tensor(text[:-1]), (1, 0), value=start) for text in texts]).long()
    writes = torch.tensor([token for text in texts for token in text])
    return reads, writes, torch.block_diag(*(torch.ones(len(t), len(t)).tril() for t in texts)).bool()


def in_plain_python(texts, start):
    reads = [token for text in texts for token in [start, *text[:-1]]]
    where = [(n, i) for n, text in enumerate(texts) for i in range(len(text))]
    mask = [[a[0] == b[0] and b[1] <= a[1] for b in where] for a in where]
    return {"reads": reads, "writes": [*itertools.chain(*texts)], "mask": mask}


def by_counting_starts(texts, start):
    reads, writes, _ = pack(texts, start)
    which = (reads == start).cumsum(0)
    return reads.int(), writes.numpy(), (which[:, None] == which) & attnbook.causal_mask(len(reads))


@pytest.mark.parametrize("answer", [pack, in_plain_python, by_counting_starts])
def test_texts_packed_in_many_ways(check, answer):
    verdict = check("6.8", answer)
    assert verdict.passed, verdict.message


def test_a_packed_row_gives_what_each_text_gives_alone():
    torch.manual_seed(0)
    texts, table = [[5, 9, 6, 2], [7, 3, 2], [8, 2]], torch.randn(10, 6)
    reads, _, mask = pack(texts, 1)
    whole = attnbook.scaled_dot_product_attention(table[reads], table[reads], table[reads], mask)[0]
    alone = []
    for text in texts:
        x = table[[1, *text[:-1]]]
        alone.append(attnbook.scaled_dot_product_attention(x, x, x, attnbook.causal_mask(len(x)))[0])
    torch.testing.assert_close(whole, torch.cat(alone))


def changes_the_texts(texts, start):
    for text in texts:
        text.insert(0, start)
    return pack([text[1:] for text in texts], start)


def test_texts_changed_in_place_are_mentioned(check):
    verdict = check("6.8", changes_the_texts)
    assert verdict.passed
    assert "changes `texts` in place" in verdict.message


def with_parts(reads=lambda r: r, writes=lambda w: w, mask=lambda m: m):
    def answer(texts, start):
        packed = pack(texts, start)
        return reads(packed[0]), writes(packed[1]), mask(packed[2])

    return answer


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (with_parts(reads=lambda r: r.float()), "`reads` is torch.float32"),
        (with_parts(reads=lambda r: r.to(torch.int8)), "`reads` is torch.int8"),
        (with_parts(mask=lambda m: m.float()), "`mask` is torch.float32"),
        (with_parts(mask=lambda m: m | (torch.arange(len(m)) == 0)), "other numbers"),
        (with_parts(reads=lambda r: r[None], writes=lambda w: w[None]), "`reads` has shape"),
        (lambda texts, start: pack(texts, start)[1::-1] + pack(texts, start)[2:], "in another order"),
        (lambda texts, start: pack(texts, start)[:2], "wanted 3 things"),
        (lambda texts, start: pack(texts, 1), "wanted"),
    ],
)
def test_wrongly_packed_texts(check, answer, words):
    assert_says(check("6.8", answer), words)


# --- 6.9 ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [
        lambda new, total, window: (
            torch.ones(new, total, dtype=torch.bool).tril(total - new).triu(total - new - window + 1)
        ),
        lambda new, total, window: [
            [t - window < s <= t for s in range(total)] for t in range(total - new, total)
        ],
        lambda new, total, window: (
            attnbook.causal_mask(total) & ~attnbook.causal_mask(total).roll(window, 0).tril(-window)
        )[-new:].numpy(),
    ],
)
def test_windows_in_many_ways(check, answer):
    verdict = check("6.9", answer)
    assert verdict.passed, verdict.message


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda new, total, window: torch.ones(new, total).tril(total - new).triu(-2), "torch.float32"),
        (lambda new, total, window: attnbook.causal_mask(total)[-new:, -window:], "has shape"),
        (
            lambda new, total, window: torch.ones(new, total, dtype=torch.bool).tril(total - new).triu(3),
            "other numbers",
        ),
        (
            lambda new, total, window: attnbook.causal_mask(total)[-new:] & (torch.arange(total) >= window),
            "other numbers",
        ),
        (lambda new, total, window: attnbook.causal_mask(total), "has shape"),
        (
            lambda new, total, window: (
                torch.ones(new, total, dtype=torch.bool).tril(total - new).triu(total - new - window + 2)
            ),
            "One key too few",
        ),
        (
            lambda new, total, window: (
                torch.ones(new, total, dtype=torch.bool).tril(total - new + 1).triu(total - new - window + 2)
            ),
            "Your positions are one too large",
        ),
    ],
)
def test_wrong_windows(check, answer, words):
    assert_says(check("6.9", answer), words)


# --- 6.3 ---------------------------------------------------------------------------------------------------


def test_a_decoder_layer_in_one_expression(check):
    def layer(x, memory, look, cross, feed_forward, norm, causal, padding):
        x = norm(look(x, x, x, causal) + x)
        x = norm(cross(x, memory, memory, padding) + x)
        return norm(feed_forward(x) + x)

    verdict = check("6.3", layer)
    assert verdict.passed, verdict.message


def as_three_sublayers(x, memory, look, cross, feed_forward, norm, causal, padding):
    for sublayer in (
        lambda x: look(x, x, x, causal),
        lambda x: cross(x, memory, memory, padding),
        feed_forward,
    ):
        x = norm(x + sublayer(x))
    return x.numpy()


def text_by_text(x, memory, look, cross, feed_forward, norm, causal, padding):
    outputs = []
    for one, source, mask in zip(x.split(1), memory.split(1), padding.split(1), strict=True):
        y = norm(one + look(one, one, one, causal[None]))
        z = norm(y + cross(y, source, source, mask))
        outputs.append(norm(z + feed_forward(z)))
    return {"output": torch.cat(outputs)}


@pytest.mark.parametrize("answer", [as_three_sublayers, text_by_text])
def test_decoder_layers_in_many_ways(check, answer):
    verdict = check("6.3", answer)
    assert verdict.passed, verdict.message


def with_masks(of_self=lambda causal, padding: causal, of_cross=lambda causal, padding: padding):
    def layer(x, memory, look, cross, feed_forward, norm, causal, padding):
        y = norm(x + look(x, x, x, of_self(causal, padding)))
        z = norm(y + cross(y, memory, memory, of_cross(causal, padding)))
        return norm(z + feed_forward(z))

    return layer


@pytest.mark.parametrize(
    "answer",
    [
        with_masks(of_self=lambda causal, padding: causal & padding),
        with_masks(of_self=lambda causal, padding: torch.ones_like(causal)),
        with_masks(of_cross=lambda causal, padding: causal & padding),
        with_masks(of_cross=lambda causal, padding: torch.ones_like(padding)),
    ],
)
def test_a_wrong_mask_is_not_blamed_on_the_batch(check, answer):
    verdict = check("6.3", answer)
    assert verdict.state == "wrong"
    assert "batch item 0" not in verdict.message


def as_printed(swapped=True, from_memory=True, around=True):
    """The layer that is to be repaired, with three mistakes or fewer."""

    def layer(x, memory, look, cross, feed_forward, norm, causal, padding):
        first, second = (padding, causal) if swapped else (causal, padding)
        y = norm(x + look(x, x, x, first))
        z = norm(y + (cross(memory, y, y, second) if from_memory else cross(y, memory, memory, second)))
        return norm((y if around else z) + feed_forward(z))

    return layer


def with_sublayers(residual=lambda x, y, memory: y, query=lambda x, y: y, before=False, last=True):
    def layer(x, memory, look, cross, feed_forward, norm, causal, padding):
        first, then = (norm, lambda x: x) if before else (lambda x: x, norm)
        y = then(x + look(first(x), first(x), first(x), causal))
        z = then(residual(x, y, memory) + cross(first(query(x, y)), memory, memory, padding))
        return then((z if last else 0) + feed_forward(first(z)))

    return layer


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (as_printed(), "Nothing is repaired yet"),
        (as_printed(swapped=False), "One of the three mistakes is repaired"),
        (as_printed(from_memory=False), "One of the three mistakes is repaired"),
        (as_printed(around=False), "One of the three mistakes is repaired"),
        (as_printed(swapped=False, from_memory=False), "The last line adds the wrong vectors"),
        (as_printed(swapped=False, around=False), "the queries come from the decoder"),
        (as_printed(from_memory=False, around=False), "The two masks are swapped"),
        (with_sublayers(residual=lambda x, y, memory: x), "what its queries are made of"),
        (with_sublayers(residual=lambda x, y, memory: memory), "what its queries are made of"),
        (with_sublayers(residual=lambda x, y, memory: 0), "A residual connection is missing"),
        (with_sublayers(last=False), "A residual connection is missing"),
        (with_sublayers(query=lambda x, y: x), "y, not x"),
        (
            lambda x, m, a, cross, *others: with_sublayers()(
                x, m, a, lambda query, key, value, mask: cross(query, query, value, mask), *others
            ),
            "Keys *and* values come from the memory",
        ),
        (with_sublayers(before=True), "This is pre-norm"),
        (lambda x, m, a, b, *others: as_printed(False, False, False)(x, m, b, a, *others), "swapped"),
        (lambda *inputs: (inputs[0], with_masks()(*inputs)), "Return `output` first, or alone"),
    ],
)
def test_decoder_layers_that_err(check, answer, words):
    assert check("6.3", as_printed(False, False, False)).passed
    assert check("6.3", with_sublayers()).passed
    assert_says(check("6.3", answer), words)


def test_a_call_without_a_mask_is_not_blamed_on_the_layers_own_arguments(check):
    def layer(x, memory, look, cross, feed_forward, norm, causal, padding):
        return norm(x + look(x, x, x))

    message = check("6.3", layer).message
    assert "missing" in message
    assert "'mask'" in message
    assert "<locals>" not in message
    assert "The check calls" not in message


def test_a_decoder_layer_without_cross_attention(check):
    def layer(x, memory, look, cross, feed_forward, norm, causal, padding):
        x = norm(x + look(x, x, x, causal))
        return norm(x + feed_forward(x))

    assert check("6.3", layer).state == "wrong"
