"""Values between the grader and a sandbox arrive unchanged, and everything else is rejected."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from coursework.outputs import clean_output
from coursework.values import Known, ValueRefusedError, decode, dumps, encode, loads

plain = st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False)
nested = st.recursive(
    plain,
    lambda inner: (
        st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text() | st.integers(), inner)
    ),
    max_leaves=10,
)


def there(value):
    return decode(loads(dumps(encode(value))))


def asked(function, *arguments):
    """Call a function the way the grader calls one in a sandbox."""
    ours, theirs = Known(), Known()
    question = loads(dumps(encode(arguments, ours)))
    value = function(*decode(question, theirs))
    return decode(loads(dumps(encode(value, theirs))), ours)


@given(nested)
def test_plain_values_arrive_unchanged(value):
    assert there(value) == value


@pytest.mark.parametrize(
    "dtype", [torch.float32, torch.float64, torch.int64, torch.bool, torch.bfloat16, torch.uint8]
)
def test_tensors_arrive_with_dtype_and_strides(dtype):
    tensor = (torch.arange(3 * 5 * 7) % 2).view(3, 5, 7).to(dtype)
    for one in (
        tensor,
        tensor.transpose(0, 2),
        tensor[:, 1:4, ::2],
        tensor[0, 0, 0],
        tensor[:0],
        tensor[:, :1].expand(3, 4, 7),
    ):
        came = there(one)
        assert came.dtype == dtype
        assert came.stride() == one.stride()
        assert torch.equal(came, one)


def test_too_many_hash_collisions_are_rejected():
    """Multiples of 2**61 − 1 all have the same hash, so each is compared with all others."""
    numbers = [number * (2**61 - 1) for number in range(5001)]
    for kind, items in {"set": numbers, "dict": [[number, 0] for number in numbers]}.items():
        message = {"value": {"kind": "object", "value": 0}, "blocks": []}
        message["objects"] = [{"kind": kind, "value": items}]
        with pytest.raises(ValueRefusedError, match=f"a {kind} with more than 5,000 items"):
            decode(message)


def shared(depth: int, times: int, inner: list) -> dict:
    """The message of a list that contains one list `times` times, and so on, `depth` levels deep."""
    ways = [{"kind": "list", "value": [{"kind": "object", "value": n + 1}] * times} for n in range(depth)]
    last = {"kind": "list", "value": inner}
    return {"value": {"kind": "object", "value": 0}, "blocks": [], "objects": [*ways, last]}


def test_exponentially_nested_lists_are_rejected():
    assert len(repr(decode(shared(10, 2, [])))) < 10_000
    for message in (shared(40, 2, []), shared(2, 1000, ["x" * 100])):
        with pytest.raises(ValueRefusedError, match="so often that they are too long to print"):
            decode(message)
    for message in (shared(60, 1, []), shared(2, 2, [{"kind": "object", "value": 0}])):
        with pytest.raises(ValueRefusedError, match="nested more than 50 levels deep"):
            decode(message)


def test_unusual_numbers_and_arrays_arrive():
    assert math.isnan(there(math.nan))
    assert there(-math.inf) == -math.inf
    assert there(np.float32(0.5)) == 0.5
    assert there({1, 2}) == {1, 2}
    assert np.array_equal(there(np.eye(3)[:, ::-1]), np.eye(3)[:, ::-1])
    assert there(torch.nn.Parameter(torch.ones(2))).requires_grad is False


def test_unsupported_values_are_named():
    deep = ()
    for _ in range(30):
        deep = (deep,)
    for value, says in {
        lambda: 1: "a function",
        torch.nn.Linear(1, 1): "a Linear",
        torch.eye(2).to_sparse(): "sparse",
    }.items():
        with pytest.raises(ValueRefusedError, match=says):
            encode(value)
    with pytest.raises(ValueRefusedError, match="nested more than 20 levels deep"):
        encode(deep)


OBJECT = {"kind": "object", "value": 0}
TENSOR = {"kind": "tensor", "dtype": "float32", "shape": [1], "stride": [1], "block": 0, "start": 0}
ARRAY = {"kind": "array", "dtype": "float32", "shape": [1], "value": "AAAAAA=="}
LIST = {"kind": "list", "value": []}


def message(*objects, value=OBJECT, blocks=("AAAAAA==",)):
    return {"value": value, "objects": list(objects), "blocks": list(blocks)}


def test_handmade_messages_are_decoded():
    assert torch.equal(decode(message(TENSOR)), torch.zeros(1))
    assert np.array_equal(decode(message(ARRAY)), np.zeros(1))
    assert decode(message(LIST)) == []


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        {},
        [],
        {"value": 1},
        message(value={}),
        message(value=[]),
        message(value=1.5),
        message(value={"kind": "pickle", "value": ""}),
        message(value={"kind": "list", "value": [3]}),
        message(LIST, value={"kind": "object", "value": 1}),
        message(LIST, value={"kind": "object", "value": -1}),
        message(LIST, value={"kind": "object", "value": True}),
        message({"kind": "list", "value": 3}),
        message({"kind": "list", "value": [{"kind": "object", "value": 5}]}),
        message({"kind": "dict", "value": [[OBJECT, 1]]}),
        message({"kind": "dict", "value": [[1, 2, 3]]}),
        message({"kind": "object", "value": 0}),
        message(TENSOR, blocks=()),
        message(TENSOR, blocks=("",)),
        message(TENSOR, blocks=("no base64!",)),
        message(TENSOR, blocks=("AAAA",)),
        message(TENSOR, blocks=(1,)),
        message(TENSOR | {"dtype": "qint8"}),
        message(TENSOR | {"dtype": "__class__"}),
        message(TENSOR | {"dtype": "bool"}, blocks=("Ag==",)),
        message(TENSOR | {"shape": [2]}),
        message(TENSOR | {"shape": [2], "stride": [10**9]}),
        message(TENSOR | {"shape": [-1]}),
        message(TENSOR | {"stride": [-1], "shape": [3]}),
        message(TENSOR | {"shape": [2**30], "stride": [0]}),
        message(TENSOR | {"shape": [2**30], "stride": [0], "dtype": "uint8"}),
        message(TENSOR | {"shape": [1] * 40, "stride": [1] * 40}),
        message(TENSOR | {"shape": [1, 1]}),
        message(TENSOR | {"shape": [1.0]}),
        message(TENSOR | {"block": 1}),
        message(TENSOR | {"block": -1}),
        message(TENSOR | {"block": None}),
        message(TENSOR | {"start": 4}),
        message(TENSOR | {"start": -4}),
        message(TENSOR | {"start": 2, "dtype": "float16", "shape": [2]}),
        message(TENSOR | {"start": 1, "dtype": "float16"}),
        message(ARRAY | {"dtype": "object"}),
        message(ARRAY | {"dtype": "bool", "shape": [4], "value": "AgICAg=="}),
        message(ARRAY | {"shape": [2]}),
    ],
)
def test_invalid_messages_are_rejected(wrong):
    with pytest.raises(ValueRefusedError):
        decode(wrong)


# What a function does to its arguments


def test_a_change_is_seen_through_every_view():
    x = torch.zeros(3, 4)
    row, column, other = x[0], x[:, 0], torch.zeros(2)
    asked(lambda row, column, other: column.add_(1), row, column, other)
    assert torch.equal(x, torch.tensor([[1.0, 0, 0, 0]] * 3))
    assert torch.equal(row, x[0])
    asked(lambda x, row: (row.mul_(5), x.add_(1)), x, row)
    assert x[0, 0] == 6
    assert torch.equal(other, torch.zeros(2))


def test_memory_between_two_views_is_not_written():
    x = torch.zeros(3, 4)

    def write_everything(first, last):
        first.as_strided((9,), (1,), 0).fill_(7)

    asked(write_everything, x[0, ::2], x[2, :1])
    assert torch.equal(x, torch.tensor([[7.0, 0, 7, 0], [0] * 4, [7, 0, 0, 0]]))


def test_a_returned_view_is_a_view_of_the_callers_tensor():
    x = torch.arange(6.0).view(2, 3)
    assert asked(lambda x: x, x) is x
    turned = asked(lambda x: x.T, x)
    turned[0, 1] = 10
    assert x[1, 0] == 10
    first, last = asked(lambda x: (x.clone(),) * 2, x)
    assert first is last
    whole, part = asked(lambda x: (y := x + 1, y[0]), x)
    part.zero_()
    assert whole[0].eq(0).all()
    assert x[0, 1] == 1


def test_a_tensor_that_repeats_itself_is_changed_once():
    x = torch.zeros(3, 1)
    asked(lambda x: x[:, 0].add_(2), x.expand(3, 4))
    assert torch.equal(x, torch.full((3, 1), 2.0))


def test_a_tensor_that_is_conjugated_when_it_is_read_is_changed_too():
    x = torch.tensor([1 + 2j, 3j])
    asked(lambda x: x.add_(1j), x.conj())
    assert torch.equal(x, torch.tensor([1 + 1j, 2j]))


def test_replaced_tensor_data_is_replaced_for_the_caller():
    x, y = torch.arange(6.0).view(2, 3), torch.zeros(2)

    def change(x, y):
        x.t_()
        y.data = torch.ones(3)

    asked(change, x, y)
    assert torch.equal(x, torch.arange(6.0).view(2, 3).T)
    assert torch.equal(y, torch.ones(3))


def test_changes_of_lists_dicts_and_sets_are_kept():
    inner = torch.zeros(2)
    items, table, names, pair = [1, inner], {"a": 1, "b": [2]}, {"x"}, ([],)
    deep = table["b"]

    def change(items, table, names, pair, again):
        items[1] += 1
        items.append(items)
        items.pop(0)
        table["b"].append(3)
        table["c"] = again
        del table["a"]
        names.add("y")
        pair[0].extend([again is items, 0.5])

    asked(change, items, table, names, pair, items)
    assert items[0] is inner
    assert items[1] is items
    assert torch.equal(inner, torch.ones(2))
    assert list(table) == ["b", "c"]
    assert table["b"] is deep
    assert deep == [2, 3]
    assert table["c"] is items
    assert names == {"x", "y"}
    assert pair == ([True, 0.5],)


def test_changes_by_a_failing_function_are_kept():
    from coursework import inside

    def fail(x, items):
        x += 1
        items.append(2)
        raise LookupError("late")

    x, items, known = torch.zeros(2), [1], Known()
    given = encode(((x,), {"items": items}), known)
    message = {"function": "fail", "given": given, "random": encode(torch.get_rng_state()), "seconds": 5}
    reply = inside.call(SimpleNamespace(user_ns={"fail": fail}), loads(dumps(message)))
    assert (reply["error"], reply["says"]) == ("LookupError", "late")
    assert decode(reply["value"], known) is None
    assert torch.equal(x, torch.ones(2))
    assert items == [1, 2]


def test_changes_of_arrays_are_kept():
    x = np.zeros((2, 3), dtype=np.float32)
    asked(lambda x: x.T.__setitem__((0, 1), 5), x)
    assert x[1, 0] == 5


def test_unchanged_values_stay_unchanged():
    kept = [np.float32(0.5), math.nan, {1: ()}]
    number = kept[0]
    asked(lambda kept: kept[2], kept)
    assert kept[0] is number


def test_an_answer_cannot_change_an_objects_size_or_type():
    x = torch.zeros(2)
    for answer in (
        message(TENSOR | {"shape": [2]}, blocks=("AAAAAA==",)),
        message(TENSOR | {"shape": [2]}, blocks=("A" * 20 + "AAAA",)),
        message(LIST),
        message(blocks=("AAAAAAAAAAA=",)),
        message(TENSOR, blocks=()),
    ):
        known = Known()
        encode(x, known)
        with pytest.raises(ValueRefusedError):
            decode(answer, known)
    known = Known()
    encode([x > 1], known)
    about = known.said["objects"]
    with pytest.raises(ValueRefusedError, match="bytes other than 0 and 1"):
        decode({"value": None, "objects": about, "blocks": ["AgI="]}, known)
    known = Known()
    encode(x[:1], known)  # its other number isn't part of the message
    with pytest.raises(ValueRefusedError, match="extends beyond its memory"):
        decode(message(TENSOR | {"shape": [2]}), known)


@pytest.mark.parametrize("line", [b"", b"x", b"[" * 100_000, b"3", b"\xff"])
def test_malformed_messages_are_rejected(line):
    with pytest.raises(ValueRefusedError):
        loads(line)


@pytest.mark.parametrize(
    "output",
    [
        None,
        3,
        {"output_type": "update"},
        {"output_type": "stream", "name": "html", "text": ""},
        {"output_type": "stream", "name": "stdout", "text": ["x"]},
        {"output_type": "error", "ename": 1, "evalue": "", "traceback": []},
    ],
)
def test_invalid_outputs_are_dropped(output):
    assert clean_output(output) is None


def test_only_text_and_valid_images_of_an_output_are_kept():
    png = "iVBORw0KGgoAAAANSUhEUg=="
    data = {
        "text/html": "<b>",
        "text/plain": "x",
        "image/png": f"{png}\n",
        "image/jpeg": png,
        "image/svg+xml": "<svg>",
    }
    found = clean_output({"output_type": "display_data", "data": data, "metadata": {"x": 1}, "more": 1})
    assert found == {
        "output_type": "display_data",
        "data": {"text/plain": "x", "image/png": png},
        "metadata": {},
    }
    assert (
        clean_output({"output_type": "display_data", "data": {"image/png": f'{png}" onerror="x'}})["data"]
        == {}
    )
