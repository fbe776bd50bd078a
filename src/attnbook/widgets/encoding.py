"""How weights and masks travel to the page: two bytes a weight, one bit a masked cell."""

import numpy as np

LARGEST = 65535


def encode_weights(weights: np.ndarray) -> bytes:
    """Weights in [0, 1] as little-endian 16-bit codes of their square roots.

    The square root gives small weights the finer steps: the error is at most 3.1e-5, and 1.6e-7 at a weight
    of 1e-4. The codes are chosen so that the weight they stand for, rounded to three decimals, is the true
    one rounded.
    """
    true = np.clip(np.asarray(weights, np.float64), 0, 1)
    codes = np.rint(np.sqrt(true) * LARGEST)
    thousandths = np.rint(true * 1000)
    codes += np.sign(thousandths - np.rint((codes / LARGEST) ** 2 * 1000))
    return codes.astype("<u2").tobytes()


def decode_weights(data: bytes) -> np.ndarray:
    """The weights that the codes stand for, in one dimension, as the page computes them."""
    return (np.frombuffer(data, "<u2") / LARGEST) ** 2


def encode_mask(mask: np.ndarray) -> bytes:
    """A boolean mask as bits, the first cell in the lowest bit of the first byte."""
    return np.packbits(mask, bitorder="little").tobytes()
