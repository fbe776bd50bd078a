"""The machinery of `check`: verdicts, blank answers, broken code, reading answers, the summary."""

import copy
import math
import os
import re
import socket
import subprocess
import sys
import textwrap
from collections import Counter

import numpy as np
import pytest
import torch
from torch import Tensor

from attnbook.exercises import (
    EXERCISES,
    Checker,
    Verdict,
    check,
)
from attnbook.exercises.judges import Function, Suspect, Suspects, random, slips
from attnbook.exercises.registry import exercise
from attnbook.exercises.verdict import Wrong


@pytest.fixture
def fresh() -> Checker:
    return Checker(EXERCISES)


def right_dot(query, key, value):
    return torch.softmax(query @ key.transpose(1, 2), dim=-1) @ value


# --- ids -------------------------------------------------------------------------------------------------


@pytest.mark.bad_input
@pytest.mark.parametrize("unknown", ["9.9", "", "3", 3.3, None, ["3.4"]])
def test_an_unknown_exercise_is_a_value_error_that_lists_the_known_ones(unknown):
    with pytest.raises(ValueError, match=re.escape(repr(unknown))) as caught:
        check(unknown, ...)
    assert all(f'"{known}"' in str(caught.value) for known in EXERCISES)


def test_no_exercise_starts_from_numbers_that_a_usual_seed_gives():
    """A reader's `torch.manual_seed(0)` must not reproduce the numbers that an experiment replaces."""
    for seed in range(100):
        torch.manual_seed(seed)
        ours = random(4, seed=seed)
        assert not torch.equal(torch.randn(4), ours)


def test_two_exercises_cannot_share_an_id():
    with pytest.raises(ValueError, match=r"'3\.4' is taken"):
        exercise("3.4", "Another", praise="", judge=lambda answer: "")


def test_every_exercise_has_its_words_in_order():
    names = list(Checker(EXERCISES).exercises)
    counts = Counter(int(name.split(".")[0]) for name in names)
    assert names == [f"{c}.{n}" for c in sorted(counts) for n in range(1, counts[c] + 1)]
    assert min(counts.values()) >= 3
    for each in EXERCISES.values():
        assert each.title
        assert each.praise.endswith(".")


# --- blank -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("exercise_id", list(EXERCISES))
@pytest.mark.parametrize("blank", [..., None, (..., ...), {"a": ..., "b": None}, [None]])
def test_a_blank_answer_is_not_started(fresh, exercise_id, blank):
    verdict = fresh(exercise_id, blank)
    assert (verdict.state, verdict.passed) == ("pending", False)
    assert "Not started yet" in verdict.message
    assert EXERCISES[exercise_id].place in verdict.message


def test_check_without_an_answer_is_not_started(fresh):
    assert fresh("3.1").state == "pending"


def test_a_function_that_still_returns_dots_is_unfinished(fresh):
    verdict = fresh("3.4", lambda query, key, value: ...)
    assert verdict.state == "pending"
    assert "still returns `...`" in verdict.message


def test_a_dictionary_with_one_gap_names_the_gap(fresh):
    verdict = fresh("4.1", {"scores": (2, 6), "scaled": ..., "weights": ..., "output": ...})
    assert verdict.state == "pending"
    assert "`scaled`" in verdict.message
    assert "`scores`" not in verdict.message.split("Task")[0]


# --- broken code -----------------------------------------------------------------------------------------


def broken_shapes(query, key, value):
    scores = query @ key
    return scores.softmax(-1)


def broken_reversal(query, key, value):
    return query @ key.T


def broken_view(query, key, value):
    return key.transpose(1, 2).view(-1)


def broken_dots(query, key, value):
    weights = ...
    return weights @ value


def broken_name(query, key, value):
    return sofmax(query)  # noqa: F821


def broken_sum(query, key, value):
    return query + key


def broken_dtype(query, key, value):
    return right_dot(query, key, value.double())


def broken_inside(query, key, value):
    return helper(query)


def helper(query):
    return query.reshape(-1, 1_000)


def broken_call(query, key, value):
    return helper(query, key)


def broken_method(query, key, value):
    return query.softmax()


def broken_unpacking(query, key, value):
    output, weights = right_dot(query, key, value)
    return output, weights


def broken_function(query, key, value):
    return query + right_dot


def broken_mask(query, key, value):
    return query.masked_fill((query > 0).int(), 0)


def broken_exp(query, key, value):
    return math.exp(query)


def broken_product(query, key, value):
    return (query @ key.transpose(1, 2)).softmax(-1) * value


def broken_kind(query, key, value):
    return query.to(np.zeros(3))


def broken_exit(query, key, value):
    sys.exit("enough")


def broken_recursion(query, key, value):
    return broken_recursion(query, key, value)


def broken_device(query, key, value):
    raise RuntimeError("Expected all tensors to be on the same device, but found at least two devices")


def broken_silently(query, key, value):
    raise ValueError


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            broken_shapes,
            ["RuntimeError", "scores = query @ key", "(3, 5, 4)", "(3, 7, 4)", "key.transpose(-2, -1)"],
        ),
        (broken_reversal, ["RuntimeError", "return query @ key.T", "all axes", "the batch too"]),
        (broken_view, ["view", "reshape", "straight line"]),
        (broken_dots, ["TypeError", "weights @ value", "`...` is still in your code"]),
        (broken_name, ["NameError", "sofmax", "Run the cell that defines"]),
        (broken_sum, ["element by element", "unsqueeze"]),
        (broken_dtype, ["dtype"]),
        (broken_inside, ["in `helper`", "query.reshape(-1, 1_000)", "as many numbers"]),
        (broken_exit, ["SystemExit", "enough"]),
        (broken_recursion, ["RecursionError", "calls itself"]),
        (broken_device, ["different devices", "device=query.device"]),
        (broken_silently, ["ValueError", "(no message)", "raise ValueError"]),
        (lambda query: query, ["TypeError", "dot_attention(query, key, value)"]),
        (lambda query, key, value: query[9], ["IndexError", "Axis 0 is the batch"]),
        (lambda query, key, value: torch.softmax(query, 5), ["IndexError", "no such axis"]),
        (lambda query, key, value: torch.bmm(query[None], key[None]), ["three axes"]),
        (lambda query, key, value: (query, key) @ value, ["tuple"]),
        (lambda query, key, value: None @ value, ["None", "return"]),
        (lambda query, key, value: 1 - (query > 0), ["~mask"]),
        (lambda query, key, value: query if query > 0 else key, ["masked_fill"]),
        (lambda query, key, value: query.expand(-1, 9, -1), ["stretch an axis only if its size is 1"]),
        (lambda query, key, value: torch.cat([query, key], -1), ["`torch.cat` joins", "equally long"]),
        (lambda query, key, value: torch.cat([query, key[0]]), ["`torch.cat` joins", "as many axes"]),
        (lambda query, key, value: query.repeat_interleave(4 / 2, 1), ["`//`"]),
        (lambda query, key, value: query[: 4 / 2], ["`//`"]),
        (lambda query, key, value: [1, 2][2], ["from 0 to n - 1"]),
        (lambda query, key, value: query.split(7 / 2), ["`//`"]),
        (broken_call, ["helper() takes 1 positional argument", "other arguments than it takes"]),
        (broken_method, ["softmax() missing 1 required", "other arguments than it takes"]),
        (broken_unpacking, ["too many values", "as there are names on the left"]),
        (broken_function, ["'function'", "is a function: call it"]),
        (broken_mask, ["masked_fill", "invert it with `~mask`"]),
        (broken_exp, ["takes a single number", "`torch.exp`"]),
        (broken_product, ["element by element", "`keepdim=True`"]),
        (broken_kind, ["invalid combination", "compare what it got with what it expected"]),
    ],
)
def test_an_error_in_the_answer_is_explained(fresh, answer, words):
    verdict = fresh("3.4", answer)
    assert verdict.state == "wrong"
    # Without the line of a lambda above: it holds the words that are wanted.
    said = "\n".join(line for line in verdict.message.splitlines() if ", [" not in line)
    assert [word for word in words if word not in said] == []
    assert "Traceback" not in verdict.message
    assert "site-packages" not in verdict.message


def test_the_line_shown_is_the_learners_even_where_a_library_raised(fresh):
    code = compile(
        "def answer(query, key, value):\n    import torch\n    return torch.nn.Linear(3, 4)(query)\n",
        "<string>",
        "exec",
    )
    space = {}
    exec(code, space)
    assert "at line 3 of your code" in fresh("3.4", space["answer"]).message


def test_what_is_said_of_an_unreadable_answer_is_short(fresh):
    class Huge:
        def __repr__(self):
            raise RuntimeError("no end " * 1000)

    assert len(fresh("3.1", Huge()).message) < 500


def test_an_interrupt_is_not_swallowed(fresh):
    def stopped(query, key, value):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fresh("3.4", stopped)


def test_an_answer_that_cannot_be_read_at_all_still_gets_a_verdict(fresh):
    class Trickster:
        def __call__(self, *inputs):
            return self

        def __array__(self, *_, **__):
            raise MemoryError

        def __repr__(self):
            raise RuntimeError("no name")

    assert fresh("3.4", Trickster()).state == "wrong"

    class Nameless:
        def __repr__(self):
            raise RuntimeError("no name")

    verdict = fresh("3.1", Nameless())
    assert verdict.state == "wrong"
    assert "of type Nameless" in verdict.message


# --- what answers may be ---------------------------------------------------------------------------------


class Module(torch.nn.Module):
    def forward(self, query, key, value):
        return right_dot(query, key, value)


def in_place(query, key, value):
    query.mul_(2).div_(2).add_(1).sub_(1)
    scores = query @ key.transpose(1, 2)
    value += 0
    key.zero_()
    return scores.softmax(-1) @ value


@pytest.mark.parametrize(
    "answer",
    [
        right_dot,
        Module(),
        Module,
        lambda q, k, v: (right_dot(q, k, v), None),
        lambda q, k, v: {"output": right_dot(q, k, v), "weights": None},
        lambda q, k, v: right_dot(q, k, v).numpy(),
        lambda q, k, v: right_dot(q, k, v).tolist(),
        lambda q, k, v: list(right_dot(q, k, v)),
        lambda q, k, v: tuple(right_dot(q, k, v)),
        lambda q, k, v: [row.numpy() for row in right_dot(q, k, v)],
        lambda q, k, v: np.flip(np.flip(right_dot(q, k, v).numpy(), 1).copy(), 1),
        lambda q, k, v: [row.numpy()[::-1].copy()[::-1] for row in right_dot(q, k, v)],
        lambda q, k, v: right_dot(q, k, v).numpy().astype(">f4"),
        lambda q, k, v: right_dot(q, k, v).to_sparse(),
        lambda q, k, v: right_dot(q.double(), k.double(), v.double()),
        lambda q, k, v: right_dot(q, k, v).requires_grad_(),
        lambda *inputs: right_dot(*inputs),
    ],
)
def test_a_right_answer_passes_in_any_form(fresh, answer):
    assert fresh("3.4", answer).passed


def test_changing_the_inputs_in_place_passes_with_a_note(fresh):
    verdict = fresh("3.4", in_place)
    assert verdict.passed
    assert "`key`" in verdict.message
    assert "in place" in verdict.message
    assert "in place" not in fresh("3.4", right_dot).message


def test_another_default_device_or_dtype_does_no_harm(fresh):
    by_hand = {"scores": (2, 6), "scaled": (1, 3), "weights": (0.12, 0.88), "output": 18.81}
    torch.set_default_dtype(torch.float64)
    try:
        with torch.device("meta"):
            assert fresh("3.4", lambda q, k, v: right_dot(q, k, v) + torch.zeros(6)).passed
            assert fresh("4.1", by_hand).passed
            assert fresh("3.1", {"weights": (1, 10), "output": (1, 1, 5), "parameters": 255}).passed
    finally:
        torch.set_default_dtype(torch.float32)


def test_the_checks_load_and_judge_under_any_settings():
    """The first check may come after a reader has changed them, so the cases are made under them."""
    code = """
        import torch
        torch.set_default_dtype(torch.float64)
        torch.set_default_device("meta")
        torch.set_grad_enabled(False)
        from attnbook.exercises import EXERCISES, check
        for name in ("1.5", "4.7", "7.2"):
            judge = EXERCISES[name].judge
            assert check(name, getattr(judge, "right", ...)).state != "wrong", name
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True, stdout=subprocess.DEVNULL)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (torch.zeros(3, 5), "Pass `dot_attention` without calling it"),
        (3, "wants a function"),
        ("right", "wants a function"),
        (lambda q, k, v: None, "returned None"),
        (lambda q, k, v: "words", "'words' (str)"),
        (lambda q, k, v: right_dot, "has not been called"),
        (lambda q, k, v: right_dot(q, k, v).to(torch.complex64), "should be a tensor"),
        (lambda q, k, v: right_dot(q, k, v).to(torch.complex64), "(3, 5, 6) that holds torch.complex64"),
        (
            lambda q, k, v: np.array(["a", None]),
            "of real numbers, and is an array of shape (2,) that holds object",
        ),
        (
            lambda q, k, v: list(right_dot(q, k, v)[0].split(3)),
            "a list of 2, the first a tensor of shape (3, 6)",
        ),
        (lambda q, k, v: torch.nn.Linear(6, 6), "is a module, Linear, that has not been called"),
        (
            lambda q, k, v: [[1.0, 2], [3.0]],
            "should be a tensor of real numbers, and is [[1.0, 2], [3.0]] (list)",
        ),
        (lambda q, k, v: right_dot(q, k, v) * float("nan"), "NaN"),
        (lambda q, k, v: right_dot(q, k, v).transpose(1, 2), "axes of `output` are in another order"),
        (
            lambda q, k, v: right_dot(q, k, v)[..., :2],
            "has shape (3, 5, 2); wanted (B, T, d_v), here (3, 5, 6)",
        ),
        (lambda q, k, v: torch.zeros_like(right_dot(q, k, v)), "other numbers"),
        (
            lambda q, k, v: torch.cat([right_dot(q, k, v)[:1], right_dot(q, k, v)[1:] * 0]),
            "right for batch item 0",
        ),
    ],
)
def test_what_is_not_an_answer_is_named(fresh, answer, words):
    verdict = fresh("3.4", answer)
    assert verdict.state == "wrong"
    assert words in verdict.message


def test_the_readers_random_numbers_are_left_alone(fresh):
    torch.manual_seed(7)
    wanted = torch.rand(3)
    torch.manual_seed(7)
    fresh("3.4", lambda q, k, v: torch.randn(5))
    fresh("3.2", lambda attn, Q, K, V: {"Q": True, "K": True, "V": bool(torch.rand(1) > 0.5)})
    assert torch.equal(torch.rand(3), wanted)


def test_a_slip_that_cannot_happen_on_these_shapes_is_passed_over():
    def broken(x):
        raise RuntimeError

    def same(x):
        return x

    known = slips("cannot happen", broken, "doubled", lambda x: 2 * x)
    judge = Function(same, {"x": "(3,)"}, [(random(3, seed=0),)], known)
    with pytest.raises(Wrong, match="doubled"):
        judge(lambda x: x + x)


def thrifty_in_place(query, key, value, most):
    query /= query.shape[-1] ** 0.5
    return (query @ key.mT).softmax(-1) @ value


def query_in_place(keys, wanted):
    keys.zero_()[wanted] = 10
    return torch.ones_like(keys[0])


@pytest.mark.parametrize(("exercise_id", "answer"), [("2.2", query_in_place), ("4.5", thrifty_in_place)])
def test_a_function_that_changes_its_inputs_is_judged_by_what_they_were(fresh, exercise_id, answer):
    assert fresh(exercise_id, answer).state == "wrong"


def masked_in_place(scores, mask):
    hidden = mask.logical_not_()
    return scores.masked_fill(hidden, -torch.inf).softmax(-1).masked_fill(hidden, 0.0)


def added_in_place(x, table, real):
    positions = (real.cumsum(dim=1) - 1).clamp(min=0)
    real.logical_not_()
    x += table[positions]
    return x


def scored_in_place(scores, budget):
    return EXERCISES["2.7"].judge.right(scores, budget) + 0 * scores.mul_(0).sum().item()


@pytest.mark.parametrize(
    ("exercise_id", "answer"), [("3.7", masked_in_place), ("7.8", added_in_place), ("2.7", scored_in_place)]
)
def test_a_right_function_that_changes_its_inputs_passes_with_a_note(fresh, exercise_id, answer):
    verdict = fresh(exercise_id, answer)
    assert verdict.passed
    assert "in place" in verdict.message


def refuses(*inputs):
    raise ValueError("no")


NO_ANSWERS = ["words", [1, 2], 3, torch.zeros(3, 3)]
NO_RESULTS = [
    None,
    "words",
    float("nan"),
    (),
    [],
    {},
    [[]],
    [[1, 2], [3]],
    torch.zeros(0),
    torch.ones(2, 3, 4, 5),
]


@pytest.mark.parametrize("exercise_id", list(EXERCISES))
def test_no_bad_answer_passes_and_each_gets_words_that_name_it(fresh, exercise_id):
    answers = [*NO_ANSWERS, *((lambda *_, given=given: given) for given in NO_RESULTS)]
    for answer in [*answers, refuses, lambda: 1, lambda *inputs: refuses]:
        verdict = fresh(exercise_id, answer)
        assert verdict.state == "wrong", verdict
        assert "could not be read" not in verdict.message, verdict


def scramble(value) -> None:
    """Change it in place, and everything in it."""
    if isinstance(value, Tensor):
        value.copy_(value.roll(1) if value.dtype == torch.bool else value + 1)
    elif isinstance(value, list | dict):
        for each in value.values() if isinstance(value, dict) else value:
            scramble(each)
        value.clear()
    elif isinstance(value, tuple):
        for each in value:
            scramble(each)


@pytest.mark.parametrize(
    "exercise_id", [name for name, each in EXERCISES.items() if hasattr(each.judge, "right")]
)
def test_no_answer_can_change_what_the_next_one_is_judged_by(fresh, exercise_id):
    """A judge may refuse an answer that changes its inputs, but not the one after it."""
    right = EXERCISES[exercise_id].judge.right

    def scrambling(*inputs):
        result = copy.deepcopy(right(*inputs))
        for each in inputs:
            scramble(each)
        return result

    first = fresh(exercise_id, scrambling)
    assert first.state == fresh(exercise_id, scrambling).state
    assert first.passed or " changes " in first.message, first
    assert fresh(exercise_id, right).passed


# --- each keeps its own data -----------------------------------------------------------------------------


def counted(rows, table):
    return sum(table[row] for row in rows)


COUNTING = Function(counted, {"count": "a number"}, [(["a", "b", "a"], {"a": 1, "b": 2}), (["b"], {"b": 3})])


def test_a_function_that_empties_what_it_gets_leaves_the_judges_lists_and_dictionaries_alone():
    def emptying(rows, table):
        count = 0
        while rows:
            count += table[rows.pop()]
        table.clear()
        return count

    for _ in range(2):
        assert "changes `rows`, `table` in place" in COUNTING(emptying)
    assert COUNTING.cases == [(["a", "b", "a"], {"a": 1, "b": 2}), (["b"], {"b": 3})]


def test_a_judge_leaves_the_learners_answer_as_it_was(fresh):
    answer = {"scores": [2, 6], "Scaled": torch.tensor([1, 3]), "weights": [0.12, 0.88], "output": [[18.81]]}
    kept = copy.deepcopy(answer)
    assert fresh("4.1", answer | {"output": [18.81]}).passed
    assert fresh("4.1", answer).state == "wrong"
    assert str(answer) == str(kept)


BY_HAND = {"scores": (2, 6), "scaled": (1, 3), "weights": (0.12, 0.88), "output": 18.81}
SHAPES = {"encoder": (9, 9), "decoder": (5, 5), "cross": (5, 9), "output": (5, 16), "masked": 10}


@pytest.mark.parametrize(
    ("exercise_id", "answer"),
    [
        ("4.1", BY_HAND | {"scores": (2, ...)}),
        ("4.1", BY_HAND | {"scores": [..., ...]}),
        ("4.1", BY_HAND | {"output": [[...]]}),
        ("4.3", SHAPES | {"cross": (5, ...)}),
        ("3.4", lambda q, k, v: [...]),
        ("3.4", lambda q, k, v: [[1.0, ...], [2.0, 3.0]]),
        ("4.4", lambda output, weights, order: (output, [..., 1])),
    ],
)
def test_dots_anywhere_are_still_to_be_filled_in(fresh, exercise_id, answer):
    assert fresh(exercise_id, answer).state == "pending"


@pytest.mark.parametrize(
    ("exercise_id", "answer", "words"),
    [
        (
            "4.1",
            BY_HAND | {"scores": ("2", "6")},
            "`scores` should be 2 numbers in a list or tuple, and is ('2', '6')",
        ),
        ("4.1", BY_HAND | {"scores": np.array(["2", "6"])}, "`scores` should be 2 numbers"),
        ("4.1", BY_HAND | {"output": True}, "`output` should be a number, and is True (bool)"),
        (
            "4.1",
            BY_HAND | {"scores": {2, 6}},
            "`scores` should be 2 numbers in a list or tuple, and is {2, 6} (set)",
        ),
        ("4.1", BY_HAND | {"output": b"18"}, "`output` should be a number, and is b'18' (bytes)"),
        (
            "4.3",
            SHAPES | {"encoder": "99"},
            "`encoder` should be a shape such as `(3, 5)`, and is '99' (str)",
        ),
        ("4.3", SHAPES | {"output": {5, 16}}, "`output` should be a shape"),
        ("4.3", SHAPES | {"cross": {5: 1, 9: 1}}, "`cross` should be a shape"),
        ("4.3", SHAPES | {"cross": b"59"}, "`cross` should be a shape"),
        ("4.4", lambda output, weights, order: None, "returned None; wanted 2 things: output, weights"),
        ("4.4", lambda output, weights, order: None, "Is a `return` missing?"),
    ],
)
def test_what_holds_no_numbers_is_named(fresh, exercise_id, answer, words):
    verdict = fresh(exercise_id, answer)
    assert verdict.state == "wrong"
    assert words in verdict.message


def test_results_that_are_no_tensors_are_shown_with_the_inputs():
    with pytest.raises(Wrong, match=re.escape("With rows = ['a', 'b', 'a']: `count` is 3; wanted 4.")):
        COUNTING(lambda rows, table: len(rows))


def shown(ids):
    return ids != 3, ids + 1


def halves(ids, pair):
    return ids[: len(ids) // 2]


HALVES = Function(halves, {"first half": "a list of ids"}, [([1, 2, 3, 4], (5, 6))])


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda ids, pair: ids, "With ids = [1, 2, 3, 4], pair = (5, 6): `first half` is [1, 2, 3, 4]"),
        (lambda ids, pair: None, "None for `first half`"),
        (lambda ids, pair: 3, "`first half` should be a list of whole numbers, and is 3 (int)."),
        (lambda ids, pair: [1, "2"], "a list of whole numbers, and holds '2' (str)."),
        (lambda ids, pair: [[1, 2]], "a list of whole numbers, and holds [1, 2] (list)."),
        (lambda ids, pair: [1, 2.5], "a list of whole numbers, and holds 2.5 (float)."),
        (lambda ids, pair: [1, None], "a list of whole numbers, and holds None (NoneType)."),
    ],
)
def test_what_is_no_list_of_ids_is_named(answer, words):
    assert HALVES(lambda ids, pair: torch.tensor(ids[:2])) == ""
    assert HALVES(lambda ids, pair: [torch.tensor([1.0]), 2.0]) == ""
    with pytest.raises(Wrong, match=re.escape(words)):
        HALVES(answer)


def test_several_numbers_in_place_of_one_are_shown_as_they_came():
    with pytest.raises(Wrong, match=re.escape("holds 2: a tensor of shape (1, 2).")):
        COUNTING(lambda rows, table: torch.tensor([[1.0, 2.0]]))


SHOWING = Function(shown, {"mask": "(B, S)", "next": "(B, S)"}, [(torch.tensor([[1, 3], [3, 2]]),)])


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda ids: ((ids != 3).int(), ids + 1), "`mask` is torch.int32; wanted a boolean tensor"),
        (lambda ids: ((ids != 3).float(), ids + 1), "`mask` is torch.float32; wanted a boolean tensor"),
        (lambda ids: (ids != 3, ids + 1.0), "`next` is torch.float32; wanted whole numbers"),
        (lambda ids: (ids != 3, (ids + 1).to(torch.int8)), "`next` is torch.int8; wanted whole numbers"),
        (lambda ids: (ids + 1, ids != 3), "the right results in another order: return mask, next"),
        (lambda ids: ("ids", ids + 1), "`mask` should be a boolean tensor, and is 'ids' (str)."),
        (lambda ids: (ids != 3, "ids"), "`next` should be a tensor of whole numbers, and is 'ids' (str)."),
    ],
)
def test_masks_are_boolean_and_ids_are_whole_numbers(answer, words):
    assert SHOWING(lambda ids: ((ids != 3).tolist(), (ids + 1).int())) == ""
    with pytest.raises(Wrong, match=re.escape(words)):
        SHOWING(answer)


def test_a_judge_can_refuse_answers_that_leave_a_mark_on_their_inputs():
    def total(x):
        return x.sum()

    judge = Function(total, {"total": "()"}, [(random(3, seed=0),)], pure="Work on a copy.")
    assert judge(lambda x: x.clone().requires_grad_().sum()) == ""
    for mark in (Tensor.requires_grad_, lambda x: x.add_(1).sub_(1).mul_(1.5).div_(1.5) * 0 + x.zero_()):
        with pytest.raises(Wrong, match="Work on a copy"):
            judge(lambda x, mark=mark: mark(x).sum())


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda said: {"a": not said["a"]}, "True and False are swapped"),
        (lambda said: {"a": True}, "It says the same of all of them"),
        (lambda said: {"a": said["a"] or said["b"]}, "b is another matter"),
        (lambda said: 3, "Wanted a dictionary with the keys `a`"),
    ],
)
def test_a_detector_is_told_of_the_first_suspect_that_it_misjudges(answer, words):
    def detect(said):
        return {"a": said["a"]}

    line_up = [
        Suspect(f"{a} and {b}", ({"a": a, "b": b},), {"a": a}, "b is another matter.")
        for a, b in ((True, True), (False, False), (False, True))
    ]
    assert Suspects(detect, line_up)(detect) == ""
    with pytest.raises(Wrong, match=words):
        Suspects(detect, line_up)(answer)


# --- hints that are true of the line that failed ---------------------------------------------------------


def broken_nested(query, key, value):
    def inner(x):
        return x

    return inner(query, key)


def with_an_argument(x):
    return x


def broken_maximum(query, key, value):
    return max(0, query)


def swapped_matrices(query, key, W_query, W_key, v):
    return query @ W_key


def turned_matrix(query, key, W_query, W_key, v):
    return query @ W_query.T


def crowded_call(query, key, value):
    return helper(query, key)


@pytest.mark.parametrize(
    ("exercise_id", "answer", "there", "absent"),
    [
        ("3.3", swapped_matrices, "side by side: only (…, n, m) @ (…, m, p) fits", "key.transpose"),
        ("3.3", turned_matrix, "side by side: only (…, n, m) @ (…, m, p) fits", "reverses all axes"),
        ("3.4", broken_shapes, "swap the key's last two axes", "side by side"),
        ("3.4", broken_reversal, "`.T` reverses all axes, the batch too", "side by side"),
        ("3.4", crowded_call, "helper() takes 1 positional argument", "The check calls"),
        ("3.4", helper, "The check calls `dot_attention(query, key, value)`", "There"),
        ("3.4", broken_maximum, "compare two whole objects", "masked_fill"),
        ("3.4", broken_product, "element by element", "side by side"),
        ("3.4", broken_call, "other arguments than it takes", "The check calls"),
        ("3.4", broken_kind, "what it expected", "dtype=query.dtype"),
        ("3.4", broken_mask, "~mask", "dtype=query.dtype"),
        ("3.4", broken_nested, "inner() takes 1 positional argument but 2 were given", "<locals>"),
        ("5.4", with_an_argument, "The check calls `sorter()`", "The inputs"),
    ],
)
def test_a_hint_speaks_of_what_is_on_the_line(fresh, exercise_id, answer, there, absent):
    message = fresh(exercise_id, answer).message
    assert there in message
    assert absent not in message


def test_a_correct_result_returned_second_is_pointed_out(fresh):
    verdict = fresh("3.4", lambda q, k, v: ((q @ k.mT).softmax(-1), right_dot(q, k, v)))
    assert "Your function returns 2 things. Return `output` first, or alone." in verdict.message


def test_only_a_batch_has_items():
    """A matrix whose first row is correct isn't a batch whose first item is correct."""

    def table(x):
        return x.clone()

    def but_the_first(x):
        return torch.cat((x[:1], x[1:] + 1))

    for letters, told in (("(B, T)", True), ("(T, D)", False)):
        with pytest.raises(Wrong) as wrong:
            Function(table, {"table": letters}, [(random(3, 4, seed=0),)])(but_the_first)
        assert ("right for batch item 0" in str(wrong.value)) == told


def told(answer, x: Tensor, letters: str, right=lambda x: x) -> str:
    """What is told of a wrong answer to a task with one tensor, and no known slips."""
    with pytest.raises(Wrong) as wrong:
        Function(right, {"y": letters}, [(x,)])(answer)
    return str(wrong.value)


def test_item_0_only_means_that_no_other_item_is_right():
    x = torch.tensor([[1.0, 2], [3, 4], [5, 6]])
    for wrong, words in (([1, 2], "right for batch item 0 only"), ([1], "other numbers")):
        assert words in told(lambda x, at=wrong: x.index_fill(0, torch.tensor(at), 9), x, "(B, T)")


@pytest.mark.parametrize(
    ("wanted", "change", "words"),
    [
        ([1000.0, 0.01234], [0.5, 0.0002], "at [1] it is 0.01254, wanted 0.01234"),
        ([0.5, 1.1324], [0.0, 0.0014], "at [1] it is 1.134, wanted 1.132"),
        ([8.0, 0.13241], [0.0, 0.00024], "at [1] it is 0.1327, wanted 0.1324"),
        ([8.0, 20.004], [0.0, -0.024], "at [1] it is 19.98, wanted 20"),
        ([-math.inf, 2.0], [0.0, 1.0], "at [1] it is 3, wanted 2"),
    ],
)
def test_the_place_shown_is_wrong(wanted, change, words):
    """A large number that is right up to rounding can be farther from what was wanted than a small one."""
    assert words in told(lambda x: x + torch.tensor(change), torch.tensor(wanted), "(T,)")


def test_true_and_false_are_shown_as_such():
    message = told(lambda x: x > 2, torch.tensor([1.0, 2, 3]), "(T,)", lambda x: x > 1)
    assert "at [1] it is False, wanted True" in message


def test_two_axes_of_one_size_are_told_to_be_swapped():
    message = told(lambda x: x.mT, random(2, 3, 3, seed=0), "(B, T, T)")
    assert "axes of `y` are in another order: axes 1 and 2 have one size, and are swapped" in message
    assert "yours is (2, 4, 3)" in told(lambda x: x.mT, random(2, 3, 4, seed=0), "(B, T, D)")


@pytest.mark.parametrize("empty", [[], (), torch.empty(0), torch.empty(0, 4), np.zeros((0, 3))])
def test_an_empty_result_is_a_result_of_another_shape(empty):
    assert "`y` has shape (0" in told(lambda x: empty, random(3, 4, seed=0), "(B, T)")


# --- what is shown ---------------------------------------------------------------------------------------


def hostile(query, key, value):
    raise ValueError("<script>alert(1)</script> `<img src=x onerror=alert(2)>` $x$")


def test_text_never_becomes_markup(fresh):
    page = fresh("3.4", hostile)._repr_html_()
    assert "<script" not in page
    assert "<img" not in page
    assert "&lt;script&gt;" in page
    assert "<" not in Verdict("<i>", "<b>", "wrong", "<u>")._repr_html_().replace("<div", "").replace(
        "<p", ""
    ).replace("<strong", "").replace("</", "")


def test_a_word_in_stars_is_stressed_and_code_keeps_its_stars():
    message = "the mask *after* softmax, *equi*variant, `a *b* c`, 3 *4* 5 ** 2"
    page = Verdict("3.4", "A title", "wrong", message)._repr_html_()
    assert "the mask <em>after</em> softmax, <em>equi</em>variant" in page
    assert ">a *b* c</code>, 3 *4* 5 ** 2" in page


def test_a_page_needs_nothing_but_the_card_and_follows_the_books_colours(fresh):
    for answer in (..., right_dot, hostile):
        page = fresh("3.4", answer)._repr_html_()
        assert re.search(r"var\(--ab-[a-z-]+, #[0-9a-f]{6}\)", page)
        assert not re.search(r"https?:|<script|<link|<style", page)


def test_plain_python_prints_a_verdict_once(fresh, capsys):
    verdict = fresh("3.4", right_dot)
    assert capsys.readouterr().out == f"{verdict}\n"
    assert str(verdict).startswith("✓ Passed · Exercise 3.4")


def run_cells(*cells: str) -> list[list[dict]]:
    """The displayed MIME bundles of each cell, run in a real IPython shell."""
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.utils.capture import capture_output

    shell = InteractiveShell.instance()
    try:
        shown = []
        for cell in cells:
            with capture_output() as captured:
                shell.run_cell(cell, store_history=True)
            shown.append([output.data for output in captured.outputs])
            assert "Error" not in captured.stderr
        return shown
    finally:
        InteractiveShell.clear_instance()


def test_a_notebook_shows_each_verdict_once():
    last, middle, kept, again, summary = run_cells(
        "from attnbook.exercises import check\ncheck('3.1', ...)",
        "check('3.1', ...)\ncheck('3.2', ...)\nx = 1",
        "verdict = check('3.3', ...)",
        "verdict",
        "check.summary()",
    )
    assert [len(shown) for shown in (last, middle, kept, again, summary)] == [1, 2, 1, 1, 1]
    assert set(last[0]) == {"text/plain", "text/html"}
    assert "Exercise 3.3" in again[0]["text/html"]
    assert "exercises passed" in summary[0]["text/plain"]


# --- the summary -----------------------------------------------------------------------------------------


def test_the_summary_shows_the_chapters_worked_on_and_a_pass_stays(fresh):
    assert "Nothing checked yet" in repr(fresh.summary())
    fresh("3.4", right_dot)
    fresh("3.4", lambda q, k, v: q)
    fresh("3.1", {"weights": (1,), "output": (1,), "parameters": 1})
    summary = fresh.summary()
    assert summary.passed == ["3.4"]
    assert "1 of 7 exercises passed" in repr(summary)
    assert {number: state for number, _, state in summary.rows} == {
        "3.1": "wrong",
        "3.2": "pending",
        "3.3": "pending",
        "3.4": "passed",
        "3.5": "pending",
        "3.6": "pending",
        "3.7": "pending",
    }
    assert summary._repr_html_().count("<li>") == 7


WATCHED: list[list] = []


def watch(event: str, details: tuple) -> None:
    """Records files opened for writing, and sockets, while a list is set to record them in."""
    if not WATCHED:
        return
    writes = event == "open" and details[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
    if writes or event.startswith(("socket.", "subprocess.", "os.system", "urllib.", "sqlite3.", "shutil.")):
        WATCHED[-1].append((event, details[0]))


def test_nothing_leaves_the_machine_and_nothing_is_written(tmp_path):
    """Neither a verdict, correct or wrong, nor the summary writes or sends anything."""
    checks = Checker(EXERCISES)

    def work(done=lambda: None):
        checks("3.4", right_dot)
        checks("3.4", broken_dots)
        checks("3.1", {"weights": (1,), "output": (1,), "parameters": 1})
        summary = checks.summary()
        done()
        return repr(summary), summary._repr_html_()

    work()  # all that is imported on the way is there
    sys.addaudithook(watch)  # it stays, and is silent outside of this test
    noted: list = []
    WATCHED.append(noted)
    try:
        work()
        assert noted == []
        work(lambda: (tmp_path / "answers.txt").write_text("mine"))
        work(lambda: socket.socket().close())
    finally:
        WATCHED.pop()
    assert [event for event, _ in noted] == ["open", "socket.__new__"]  # both would have been seen


def test_numpy_answers_work(fresh):
    def with_numpy(query, key, value):
        scores = np.einsum("btd,bsd->bts", query, key)
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        return weights / weights.sum(-1, keepdims=True) @ value.numpy()

    assert fresh("3.4", with_numpy).passed
