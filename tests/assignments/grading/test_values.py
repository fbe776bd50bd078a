"""What goes between the grader and a sandbox arrives as it was sent, and nothing else arrives."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sandbox import clean_output
from values import ValueRefusedError, decode, dumps, encode, loads

plain = st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False)
nested = st.recursive(
    plain,
    lambda inner: (
        st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text() | st.integers(), inner)
    ),
    max_leaves=10,
)


def there(value):
    return decode(loads(dumps({"value": encode(value)}))["value"])


@given(nested)
def test_plain_values_arrive_as_they_were(value):
    assert there(value) == value


@pytest.mark.parametrize(
    "dtype", [torch.float32, torch.float64, torch.int64, torch.bool, torch.bfloat16, torch.uint8]
)
def test_tensors_arrive_with_their_type_and_their_steps(dtype):
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


def test_odd_numbers_and_arrays_arrive():
    assert math.isnan(there(math.nan))
    assert there(-math.inf) == -math.inf
    assert there(np.float32(0.5)) == 0.5
    assert there({1, 2}) == {1, 2}
    assert np.array_equal(there(np.eye(3)[:, ::-1]), np.eye(3)[:, ::-1])
    assert there(torch.nn.Parameter(torch.ones(2))).requires_grad is False


def test_what_is_no_plain_value_is_named():
    deep = []
    for _ in range(30):
        deep = [deep]
    for value, says in {
        lambda: 1: "a function",
        torch.nn.Linear(1, 1): "a Linear",
        torch.eye(2).to_sparse(): "sparse",
    }.items():
        with pytest.raises(ValueRefusedError, match=says):
            encode(value)
    with pytest.raises(ValueRefusedError, match="nested more than 20 deep"):
        encode(deep)


TENSOR = {"kind": "tensor", "dtype": "float32", "shape": [1], "stride": [1], "value": "AAAAAA=="}


@pytest.mark.parametrize(
    "value",
    [
        {},
        [],
        1.5,
        {"kind": "pickle", "value": ""},
        {"kind": "list", "value": 3},
        {"kind": "dict", "value": [[{"kind": "list", "value": []}, 1]]},
        TENSOR | {"dtype": "qint8"},
        TENSOR | {"dtype": "__class__"},
        TENSOR | {"shape": [2]},
        TENSOR | {"shape": [2], "stride": [10**9]},
        TENSOR | {"shape": [-1]},
        TENSOR | {"stride": [-1], "shape": [3]},
        TENSOR | {"shape": [2**30], "stride": [0]},
        TENSOR | {"shape": [1] * 40, "stride": [1] * 40},
        TENSOR | {"shape": [1.0]},
        TENSOR | {"value": "no base64!"},
        TENSOR | {"value": ""},
        TENSOR | {"value": "AAAA"},
    ],
)
def test_what_was_never_encoded_is_refused(value):
    with pytest.raises(ValueRefusedError):
        decode(value)


@pytest.mark.parametrize("line", [b"", b"x", b"[" * 100_000, b"3", b"\xff"])
def test_what_is_no_message_is_refused(line):
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
def test_what_is_no_output_is_left_out(output):
    assert clean_output(output) is None


def test_of_an_output_only_text_and_true_pictures_stay():
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
