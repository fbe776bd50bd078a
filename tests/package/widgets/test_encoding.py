"""Encoding of weights: two bytes each, and the number shown on the page is exact."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from attnbook.widgets.encoding import decode_weights, encode_mask, encode_weights


@given(st.lists(st.floats(0, 1), min_size=1, max_size=50))
def test_weights_take_two_bytes_with_a_small_error(weights):
    weights = np.array(weights)
    data = encode_weights(weights)
    assert len(data) == 2 * len(weights)
    assert np.abs(decode_weights(data) - weights).max() <= 3.1e-5


def test_three_decimals_are_exact():
    weights = np.random.default_rng(0).random(200_000).astype(np.float32)
    decoded = decode_weights(encode_weights(weights))
    assert [f"{w:.3f}" for w in decoded] == [f"{w:.3f}" for w in weights]


def test_small_weights_have_a_small_relative_error():
    weights = np.geomspace(1e-6, 1, 1000)
    assert np.abs(decode_weights(encode_weights(weights)) / weights - 1).max() < 0.02


def test_zero_and_one_are_exact():
    assert decode_weights(encode_weights(np.array([0.0, 1.0]))).tolist() == [0, 1]


def test_a_mask_takes_one_bit_per_cell():
    mask = np.array([[True, False, False], [True, True, False], [True, True, True]])
    assert encode_mask(mask) == bytes([0b11011001, 0b1])
