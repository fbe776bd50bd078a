"""Summaries of every map, sent to the page before the weights: row entropies, thumbnails and so on.

All are computed from the exact weights. Maps are ordered by frame, layer and head; with several layers or
heads, their mean comes last.
"""

import numpy as np

from attnbook.maps import MEAN, AttentionMaps

STEPS_A_BIT = 4000  # codes entropies up to 16 bits with an error of at most 1/8000 bit
EMPTY = 65535  # code of a fully masked row
THUMBNAIL = 40  # pixels


Maps = list[tuple[np.ndarray, np.ndarray | None]]


def every_map(sequence: list[AttentionMaps]) -> Maps:
    """Each map `(T, S)` with its mask, including the means."""
    layers, heads, _, _ = sequence[0].weights.shape
    return [
        frame.at(layer, head)
        for frame in sequence
        for layer in with_mean(layers)
        for head in with_mean(heads)
    ]


def with_mean(count: int) -> list[int]:
    """The indices of the layers or heads, plus that of their mean if there are several."""
    return [*range(count), *([MEAN] if count > 1 else [])]


def entropies(weights: np.ndarray) -> np.ndarray:
    """The entropy of each row `(T,)` in bits, NaN for a fully masked row."""
    surprise = np.log2(weights, where=weights > 0, out=np.zeros(weights.shape, np.float64))
    return np.where(weights.any(-1), -(weights * surprise).sum(-1), np.nan)


def encode_spread(maps: Maps) -> bytes:
    """The entropy of every row of every map, two bytes each."""
    bits = np.stack([entropies(weights) for weights, _ in maps])
    codes = np.clip(np.rint(bits * STEPS_A_BIT), 0, EMPTY - 1)
    return np.where(np.isnan(codes), EMPTY, codes).astype("<u2").tobytes()


def encode_first(maps: Maps) -> bytes:
    """The mean weight on the first key in every map, without fully masked rows, two bytes each."""
    means = [weights[weights.any(-1), 0].mean() if weights.any() else 0 for weights, _ in maps]
    return np.rint(np.clip(means, 0, 1) * 65535).astype("<u2").tobytes()


def peak_of_rest(sequence: list[AttentionMaps]) -> float:
    """The largest weight on any key except the first."""
    return max((float(frame.weights[..., 1:].max(initial=0)) for frame in sequence), default=0.0)


def encode_thumbnails(maps: Maps) -> bytes:
    """Every map, max-pooled to at most 40 × 40 bytes: 0 if masked, else 1 + 254 √w."""
    return b"".join(thumbnail(weights, mask).tobytes() for weights, mask in maps)


def thumbnail(weights: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
    """One map, max-pooled."""
    codes = (1 + np.rint(254 * np.sqrt(np.clip(weights, 0, 1)))).astype(np.uint8)
    codes = codes if mask is None else np.where(mask, codes, 0)
    for axis, size in enumerate(codes.shape):
        pixels = min(size, THUMBNAIL)
        codes = np.maximum.reduceat(codes, np.arange(pixels) * size // pixels, axis)
    return codes
