"""Encoding of weights and masks for the page: two bytes per weight, one bit per mask cell."""

import numpy as np

LARGEST = 65535


def encode_weights(weights: np.ndarray) -> bytes:
    """Weights in [0, 1] as little-endian 16-bit codes of their square roots.

    The square root gives small weights finer steps: the error is at most 3.1e-5, and 1.6e-7 at a weight of
    1e-4. The codes are chosen so that decoded and true weights agree when rounded to three decimals.
    """
    true = np.clip(np.asarray(weights, np.float64), 0, 1)
    codes = np.rint(np.sqrt(true) * LARGEST)
    thousandths = np.rint(true * 1000)
    codes += np.sign(thousandths - np.rint((codes / LARGEST) ** 2 * 1000))
    return codes.astype("<u2").tobytes()


def decode_weights(data: bytes) -> np.ndarray:
    """The decoded weights in one dimension, computed as the page does."""
    return (np.frombuffer(data, "<u2") / LARGEST) ** 2


def encode_mask(mask: np.ndarray) -> bytes:
    """A boolean mask as bits; the first cell is the lowest bit of the first byte."""
    return np.packbits(mask, bitorder="little").tobytes()


def encode_vectors(vectors: np.ndarray) -> tuple[bytes, float]:
    """Vectors as signed 8-bit codes, and the size of a step: the error is at most half a step."""
    step = max(float(np.abs(vectors).max()), 1e-12) / 127
    return np.rint(vectors / step).astype(np.int8).tobytes(), step
