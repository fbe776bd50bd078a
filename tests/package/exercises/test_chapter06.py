"""Chapter 6: every right way passes, every trap is turned down in words of its own."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import attnbook


def assert_says(verdict, words: str) -> None:
    assert verdict.state == "wrong", verdict.message
    assert words in verdict.message, verdict.message


# --- 6.1 ---------------------------------------------------------------------------------------------------

THIRDS = (1 / 3, 2 / 3, 0, 0)
BY_HAND = {
    "after": (0.1, 0.2, 0, 0),
    "row_sum": 0.3,
    "renormalised": THIRDS,
    "before": THIRDS,
    "moved_by_key_4": ["after"],
}


@pytest.mark.parametrize(
    "other",
    [
        {},
        {"moved_by_key_4": "after", "row_sum": [0.3]},
        {"moved_by_key_4": ("After",), "before": torch.tensor([0.3333, 0.6667, 0, 0])},
        {"moved_by_key_4": {"after"}, "renormalised": np.array([0.33, 0.67, 0, 0])},
    ],
)
def test_numbers_in_any_form(check, other):
    assert check("6.1", BY_HAND | other).passed


def test_the_numbers_are_those_of_attention():
    scores = torch.tensor([0.1, 0.2, 0.3, 0.4]).log()
    mask = torch.tensor([True, True, False, False])
    before = attnbook.masked_softmax(scores[None], mask[None])[0]
    torch.testing.assert_close(before, torch.tensor(THIRDS))
    torch.testing.assert_close(scores.softmax(-1) * mask, torch.tensor([0.1, 0.2, 0, 0]))


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"after": (0.1, 0.2, 0.3, 0.4)}, "without a mask"),
        ({"after": THIRDS}, "the mask *before* softmax gives"),
        ({"after": (0.1, 0, 0, 0)}, "own key"),
        ({"after": (0, 0, 0.3, 0.4)}, "wrong half"),
        ({"after": (1, 1, 0, 0)}, "set those of later keys to 0"),
        ({"after": 0.3}, "should be 4 numbers"),
        ({"row_sum": 1}, "proper row"),
        ({"row_sum": 0.7}, "took away"),
        ({"row_sum": 0.5}, "Add up"),
        ({"renormalised": (0.1, 0.2, 0, 0)}, "not renormalised yet"),
        ({"renormalised": (0.45, 0.55, 0, 0)}, "by adding"),
        ({"renormalised": (0.5, 0.5, 0, 0)}, "even"),
        ({"renormalised": (0.3, 0.7, 0, 0)}, "by their sum"),
        ({"before": (0.1, 0.2, 0, 0)}, "share the whole 1"),
        ({"before": (1, 0, 0, 0)}, "own key"),
        ({"before": (0, 0, 3 / 7, 4 / 7)}, "wrong half"),
        ({"before": (0.5, 0.5, 0, 0)}, "still differ"),
        ({"before": (0.1, 0.2, 0.3, 0.4)}, "without a mask"),
        ({"before": (0.2, 0.8, 0, 0)}, "does not change this ratio"),
        ({"moved_by_key_4": []}, "divided by a sum that key 4 is part of"),
        ({"moved_by_key_4": ["before"]}, "divided by a sum that key 4 is part of"),
        ({"moved_by_key_4": ["after", "renormalised"]}, "cancels"),
        ({"moved_by_key_4": ["after", "renormalised", "before"]}, "-inf, whatever it was"),
        ({"moved_by_key_4": ["after", "before"]}, "-inf, whatever it was"),
        ({"moved_by_key_4": ["key 4"]}, "should be a list of names"),
        ({"moved_by_key_4": 1}, "should be a list of names"),
        ({"moved_by_key_4": [1]}, "should be a list of names"),
    ],
)
def test_wrong_numbers(check, other, words):
    assert_says(check("6.1", BY_HAND | other), words)


# --- 6.2 ---------------------------------------------------------------------------------------------------


def shifted_in_place(target, start):
    out = target.clone()
    out[:, 1:] = target[:, :-1]
    out[:, 0] = start
    return out


@pytest.mark.parametrize(
    "answer",
    [
        lambda y, s: torch.cat((torch.full((len(y), 1), s), y[:, :-1]), 1),
        lambda y, s: F.pad(y, (1, -1), value=s),
        lambda y, s: F.pad(y[:, :-1], (1, 0), value=s),
        shifted_in_place,
        lambda y, s: [[s, *row[:-1]] for row in y.tolist()],
        lambda y, s: torch.hstack((y.new_full((y.size(0), 1), s), y))[:, : y.size(1)],
    ],
)
def test_the_shift_by_many_roads(check, answer):
    assert check("6.2", answer).passed


def overwritten(y, s):
    y[:, 0] = s
    return y


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda y, s: y, "Nothing is shifted"),
        (lambda y, s: torch.cat((y[:, 1:], torch.full((len(y), 1), s)), 1), "shifted to the left"),
        (lambda y, s: F.pad(y[:, 1:], (0, 1)), "shifted to the left"),
        (lambda y, s: y[:, 1:], "shifted to the left"),
        (lambda y, s: torch.roll(y, -1, 1), "shifted to the left"),
        (overwritten, "nothing moved"),
        (lambda y, s: torch.cat((torch.full((len(y), 1), s), y), 1), "One column too many"),
        (lambda y, s: torch.roll(y, 1, 1), "`roll` carries"),
        (lambda y, s: torch.roll(y, 1, 0), "The rows have moved"),
        (lambda y, s: F.pad(y, (2, -2), value=s), "One place too far"),
        (lambda y, s: F.pad(y, (1, -1)), "That is padding"),
        (lambda y, s: y[:, :-1], "no start stands in front"),
        (lambda y, s: y * 0 + s, "other numbers"),
        (lambda y, s: None, "None"),
    ],
)
def test_shift_traps(check, answer, words):
    assert_says(check("6.2", answer), words)


def test_a_target_changed_in_place_is_mentioned(check):
    def answer(y, s):
        old = y.clone()
        y[:, 0] = s
        y[:, 1:] = old[:, :-1]
        return y

    verdict = check("6.2", answer)
    assert verdict.passed
    assert "changes `target` in place" in verdict.message


# --- 6.3 ---------------------------------------------------------------------------------------------------


def lower(q, k, extra=0):
    return torch.ones(q.shape[-2], k.shape[-2], dtype=torch.bool).tril(k.shape[-2] - q.shape[-2] + extra)


def causal(q, k, v, mask=None, low=-math.inf, scale=None, dim=-1):
    mask = lower(q, k) if mask is None else mask
    scale = q.shape[-1] ** -0.5 if scale is None else scale
    return (q @ k.mT * scale).masked_fill(~mask, low).softmax(dim) @ v


def by_index(q, k, v):
    n, t = q.shape[-2], k.shape[-2]
    hidden = torch.arange(t) > torch.arange(t - n, t)[:, None]
    return causal(q, k, v, ~hidden)


def one_query_at_a_time(q, k, v):
    n, t = q.shape[-2], k.shape[-2]
    rows = [
        F.scaled_dot_product_attention(
            q[..., i : i + 1, :], k[..., : t - n + i + 1, :], v[..., : t - n + i + 1, :]
        )
        for i in range(n)
    ]
    return torch.cat(rows, -2)


@pytest.mark.parametrize(
    "answer",
    [
        causal,
        by_index,
        one_query_at_a_time,
        lambda q, k, v: causal(q, k, v, low=-1e9),
        lambda q, k, v: causal(q, k, v, low=torch.finfo(q.dtype).min),
        lambda q, k, v: F.scaled_dot_product_attention(q, k, v, lower(q, k)),
        lambda q, k, v: attnbook.scaled_dot_product_attention(q, k, v, lower(q, k)),
        lambda q, k, v: attnbook.scaled_dot_product_attention(
            q, k, v, attnbook.causal_mask(k.shape[-2])[-q.shape[-2] :]
        )[0],
        lambda q, k, v: causal(q.double(), k.double(), v.double()).numpy(),
    ],
)
def test_causal_attention_by_many_roads(check, answer):
    assert check("6.3", answer).passed


def after(q, k, v):
    return (q @ k.mT / q.shape[-1] ** 0.5).softmax(-1).masked_fill(~lower(q, k), 0) @ v


def renormalised(q, k, v):
    weights = (q @ k.mT / q.shape[-1] ** 0.5).softmax(-1) * lower(q, k)
    return weights / weights.sum(-1, keepdim=True) @ v


def renormalised_with_care(q, k, v):
    weights = (q @ k.mT / q.shape[-1] ** 0.5).softmax(-1) * lower(q, k)
    return weights / weights.sum(-1, keepdim=True).clamp(min=1e-9) @ v


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (after, "masked after softmax: hidden weights are 0"),
        (renormalised, "divided by the sum again"),
        (renormalised_with_care, "divided by the sum again"),
        (lambda q, k, v: causal(q, k, v, ~lower(q, k)), "upside down"),
        (lambda q, k, v: causal(q, k, v, ~lower(q, k), low=-1e9), "upside down"),
        (lambda q, k, v: causal(q, k, v, ~lower(q, k, -1)), "upside down"),
        (lambda q, k, v: attnbook.scaled_dot_product_attention(q, k, v, ~lower(q, k)), "upside down"),
        (lambda q, k, v: causal(q, k, v, lower(q, k, -1)), "hid the diagonal too"),
        (lambda q, k, v: causal(q, k, v, lower(q, k, -1), low=-1e9), "hid the diagonal too"),
        (lambda q, k, v: F.scaled_dot_product_attention(q, k, v, lower(q, k, -1)), "hid the diagonal too"),
        (lambda q, k, v: causal(q, k, v, lower(q, k, 1)), "One key too many"),
        (lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True), "top left corner"),
        (
            lambda q, k, v: causal(q, k, v, torch.ones(q.shape[-2], k.shape[-2]).tril().bool()),
            "top left corner",
        ),
        (lambda q, k, v: ((q @ k.mT / q.shape[-1] ** 0.5) * lower(q, k)).softmax(-1) @ v, "exp(0) = 1"),
        (lambda q, k, v: (q @ k.mT / q.shape[-1] ** 0.5 + lower(q, k)).softmax(-1) @ v, "nudges"),
        (F.scaled_dot_product_attention, "does nothing yet"),
        (lambda q, k, v: causal(q, k, v, scale=1), "scale is missing"),
        (lambda q, k, v: causal(q, k, v, dim=-2), "over the queries"),
        (lambda q, k, v: causal(q, k, torch.eye(k.shape[-2])), "These are the weights"),
        (
            lambda q, k, v: (q @ k.mT / q.shape[-1] ** 0.5).masked_fill(-lower(q, k), -1e9).softmax(-1) @ v,
            "`~mask`",
        ),
        (
            lambda q, k, v: causal(q, k, v, attnbook.causal_mask(k.shape[-2])),
            "a row for each query and a column for each key",
        ),
    ],
)
def test_causal_attention_traps(check, answer, words):
    assert_says(check("6.3", answer), words)


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
def test_leaks_found_by_many_roads(check, answer):
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


def own_place_too(layer, x):
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


def too_generous(layer, x):
    changed = x.clone()
    changed[:, 3:] += 1e-4
    return bool((layer(changed)[:, :3] - layer(x)[:, :3]).abs().max() > 1e-3)


def too_generous_with_gradients(layer, x):
    J = torch.autograd.functional.jacobian(layer, x)[0, :, :, 0].abs().sum((1, 3))
    return bool(J.triu(1).max() > 4)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda layer, x: True, "convicts every layer"),
        (own_place_too, "convicts every layer"),
        (gradient_of(torch.sum, lambda g: g), "strictly later than the output"),
        (the_past, "convicts every layer"),
        (lambda layer, x: False, "acquits every layer"),
        (gradient_of(lambda y: y[0, -1].abs().sum(), lambda g: g[:, 6:]), "acquits every layer"),
        (too_generous, "acquits every layer"),
        (lambda layer, x: not by_jacobian(layer, x), "exactly the opposite"),
        (by_sums, "LayerNorm"),
        (lambda layer, x: by_sums(layer, x, 1e-12), "LayerNorm"),
        (gradient_of(lambda y: y[0, 0, 0], lambda g: g[:, 1:]), "acquits a layer in which only word 2"),
        (gradient_of(lambda y: y[0, 2, 0], lambda g: g[:, 3:]), "some places only"),
        (the_last_word, "acquits"),
        (next_door, "only word 2 sees word 4"),
        (too_generous_with_gradients, "take any difference from 0"),
        (lambda layer, x: "yes", "should be True or False"),
        (lambda layer, x: None, "None"),
        (lambda layer: True, "leaks(layer, x)"),
    ],
)
def test_leak_tests_that_err(check, answer, words):
    assert_says(check("6.4", answer), words)


def test_a_test_that_convicts_the_innocent_is_told_whom(check):
    def answer(layer, x):
        y = layer(x)
        return bool((layer(x + torch.eye(6)[-1][:, None]) != y).any()) and y.pow(2).sum() > 60

    assert check("6.4", answer).state == "wrong"


# --- 6.5 ---------------------------------------------------------------------------------------------------


def step(x, cache, positions, wq, wk, wv, place=0, scale=True):
    keys, values = cache
    x = x + positions[keys.shape[1] + place]
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


@pytest.mark.parametrize("answer", [step, in_front, with_a_cache_of_its_own])
def test_cached_steps_by_many_roads(check, answer):
    verdict = check("6.5", answer)
    assert verdict.passed, verdict.message


def test_the_input_changed_in_place_is_mentioned(check):
    def answer(x, cache, positions, *matrices):
        x += positions[cache[0].shape[1]]
        return step(x, cache, positions * 0, *matrices)

    verdict = check("6.5", answer)
    assert verdict.passed
    assert "changes `x` in place" in verdict.message


def forgets(x, cache, *others):
    return step(x, cache, *others)[0], cache


def overwrites(x, cache, *others):
    output, (keys, values) = step(x, cache, *others)
    return output, (keys[:, -1:], values[:, -1:])


def attends_first(x, cache, positions, wq, wk, wv):
    keys, values = cache
    _, longer = step(x, cache, positions, wq, wk, wv)
    query = (x + positions[keys.shape[1]]) @ wq
    weights = (query[:, None] @ keys.mT / wq.shape[1] ** 0.5).softmax(-1)
    return (weights @ values)[:, 0], longer


def wherever(place):
    return lambda x, cache, positions, *w: step(
        x + place(positions, cache[0].shape[1]), cache, positions * 0, *w
    )


def unpositioned_value(x, cache, positions, wq, wk, wv):
    keys, values = cache
    _, (keys, _) = step(x, cache, positions, wq, wk, wv)
    values = torch.cat((values, (x @ wv)[:, None]), 1)
    query = (x + positions[keys.shape[1] - 1]) @ wq
    weights = (query[:, None] @ keys.mT / wq.shape[1] ** 0.5).softmax(-1)
    return (weights @ values)[:, 0], (keys, values)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (forgets, "forgotten"),
        (overwrites, "overwritten"),
        (attends_first, "does not see itself"),
        (lambda *inputs: step(*inputs, place=1), "one too far"),
        (lambda *inputs: step(*inputs, place=-1), "one too early"),
        (wherever(lambda p, t: p[max(t - 1, 0)]), "one too early"),
        (wherever(lambda p, t: p[0]), "position 0"),
        (wherever(lambda p, t: 0), "position is missing"),
        (lambda *inputs: step(*inputs, scale=False), "scale is missing"),
        (lambda x, c, p, q, k, v: step(x, c, p, k, q, v), "changed places"),
        (unpositioned_value, "without the position"),
        (lambda *inputs: (step(*inputs)[0][:, None], step(*inputs)[1]), "one row for the newest word"),
        (lambda *inputs: step(*inputs)[0], "two things"),
        (lambda *inputs: (-step(*inputs)[0], step(*inputs)[1]), "wrong at the first"),
        (
            lambda x, c, p, q, k, v: step(x, c, p, q * (1 if c[0].shape[1] < 2 else 2), k, v),
            "wrong at the word 3; those before were right",
        ),
        (
            lambda x, c, p, q, k, v: (step(x, c, p, q, k, v)[0], (step(x, c, p, q, k, v)[1][0], c[1])),
            "overwritten",
        ),
        (lambda *inputs: step(*inputs[:-1], inputs[-2]), "keys serve as values"),
        (lambda *inputs: (step(*inputs)[0][:1], step(*inputs)[1]), "wanted (B, d_v)"),
        (lambda x, c, *others: step(x[:, None], c, *others), "stopped with"),
    ],
)
def test_cached_step_traps(check, answer, words):
    assert_says(check("6.5", answer), words)


@pytest.mark.parametrize(
    "answer", [lambda *inputs: ..., lambda *inputs: (..., inputs[1]), lambda *inputs: (0, (..., ...))]
)
def test_a_step_with_dots_is_unfinished(check, answer):
    assert check("6.5", answer).state == "pending"


# --- 6.6 ---------------------------------------------------------------------------------------------------


def search(model, start, end, beams, most, fair=lambda total, n: total / n):
    kept = [([start], 0.0)]
    for _ in range(most):
        longer = []
        for ids, total in kept:
            if ids[-1] == end:
                longer.append((ids, total))
            else:
                longer += [([*ids, i], total + g) for i, g in enumerate(model(ids).tolist())]
        kept = sorted(longer, key=lambda item: -item[1])[:beams]
    return max(kept, key=lambda item: fair(item[1], len(item[0]) - 1))[0][1:]


def ended_put_aside(model, start, end, beams, most):
    """Another right way: ended sequences wait in a list of their own, and take up a place no longer."""
    alive, ended = [([start], 0.0)], []
    for _ in range(most):
        longer = [([*ids, i], total + float(g)) for ids, total in alive for i, g in enumerate(model(ids))]
        longer.sort(key=lambda item: item[1], reverse=True)
        ended += [item for item in longer[:beams] if item[0][-1] == end]
        alive = [item for item in longer[:beams] if item[0][-1] != end]
        if not alive:
            break
    return max(ended + alive, key=lambda item: item[1] / (len(item[0]) - 1))[0][1:]


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


@pytest.mark.parametrize("answer", [search, ended_put_aside, with_tensors])
def test_beam_search_by_many_roads(check, answer):
    verdict = check("6.6", answer)
    assert verdict.passed, verdict.message


def greedy(model, start, end, beams, most):
    return search(model, start, end, 1, most)


def by_product(model, start, end, beams, most):
    return search(lambda ids: model(ids).exp(), start, end, beams, most)


def never_waits(model, start, end, beams, most):
    kept = [([start], 0.0)]
    for _ in range(most):
        longer = [([*ids, i], t + g) for ids, t in kept for i, g in enumerate(model(ids).tolist())]
        kept = sorted(longer, key=lambda item: -item[1])[:beams]
    return max(kept, key=lambda item: item[1] / (len(item[0]) - 1))[0][1:]


def first_to_end(model, start, end, beams, most):
    kept = [([start], 0.0)]
    for _ in range(most):
        longer = [([*ids, i], t + g) for ids, t in kept for i, g in enumerate(model(ids).tolist())]
        kept = sorted(longer, key=lambda item: -item[1])[:beams]
        if kept[0][0][-1] == end:
            break
    return kept[0][0][1:]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (greedy, "greedy decoding"),
        (lambda *inputs: search(*inputs, fair=lambda total, n: total), "won for being short"),
        (first_to_end, "won for being short"),
        (never_waits, "goes on growing"),
        (lambda *inputs: search(*inputs, fair=lambda total, n: -total / n), "worst of the beams"),
        (lambda *inputs: [0, *search(*inputs)], "start stands in front"),
        (lambda *inputs: search(*inputs)[:-1], "end is missing"),
        (lambda *inputs: [3, 3, 3, 3, 3, 3, 3], "longer than `max_length`"),
        (lambda *inputs: [3], "Follow it on paper"),
        (lambda *inputs: 3, "Wanted a list of ids"),
        (lambda *inputs: None, "None"),
        (lambda model, start: [1], "write_with_beams(next_log_probs, start, end, beams, max_length)"),
    ],
)
def test_beam_search_traps(check, answer, words):
    assert_says(check("6.6", answer), words)


@pytest.mark.parametrize("number", ["6.4", "6.6"])
def test_functions_with_dots_are_unfinished(check, number):
    assert check(number, lambda *inputs: ...).state == "pending"
