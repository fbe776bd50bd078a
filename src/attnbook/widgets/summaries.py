"""What the page knows of every map before it has its weights: how its rows spread, how it looks from afar.

Everything is computed from the true weights. Maps stand in the order frame, layer, head; after the last layer
and the last head comes their mean, where there are several.
"""

import numpy as np

from attnbook.maps import MEAN, AttentionMaps

STEPS_A_BIT = 4000  # entropies up to 16 bits, to an eight-thousandth
EMPTY = 65535  # a row with nothing to attend to
THUMBNAIL = 40  # pixels


Maps = list[tuple[np.ndarray, np.ndarray | None]]


def every_map(sequence: list[AttentionMaps]) -> Maps:
    """Each map `(T, S)` and its mask, the means too."""
    layers, heads, _, _ = sequence[0].weights.shape
    return [
        frame.at(layer, head)
        for frame in sequence
        for layer in with_mean(layers)
        for head in with_mean(heads)
    ]


def with_mean(count: int) -> list[int]:
    """The numbers of the layers or heads, and where there are several their mean's."""
    return [*range(count), *([MEAN] if count > 1 else [])]


def entropies(weights: np.ndarray) -> np.ndarray:
    """The entropy of each row `(T,)` in bits, NaN for a row with nothing to attend to."""
    surprise = np.log2(weights, where=weights > 0, out=np.zeros(weights.shape, np.float64))
    return np.where(weights.any(-1), -(weights * surprise).sum(-1), np.nan)


def encode_spread(maps: Maps) -> bytes:
    """The entropy of every row of every map, two bytes each."""
    bits = np.stack([entropies(weights) for weights, _ in maps])
    codes = np.clip(np.rint(bits * STEPS_A_BIT), 0, EMPTY - 1)
    return np.where(np.isnan(codes), EMPTY, codes).astype("<u2").tobytes()


def encode_first(maps: Maps) -> bytes:
    """What falls on the first key in every map, a mean over the rows that attend at all, two bytes each."""
    shares = [weights[weights.any(-1), 0].mean() if weights.any() else 0 for weights, _ in maps]
    return np.rint(np.clip(shares, 0, 1) * 65535).astype("<u2").tobytes()


def peak_of_rest(sequence: list[AttentionMaps]) -> float:
    """The largest weight on any key but the first."""
    return max((float(frame.weights[..., 1:].max(initial=0)) for frame in sequence), default=0.0)


def encode_thumbnails(maps: Maps) -> bytes:
    """Every map in at most 40 × 40 bytes: 0 is masked, else 1 + 254 √w of the largest weight there."""
    return b"".join(thumbnail(weights, mask).tobytes() for weights, mask in maps)


def thumbnail(weights: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
    """One map made small."""
    codes = (1 + np.rint(254 * np.sqrt(np.clip(weights, 0, 1)))).astype(np.uint8)
    codes = codes if mask is None else np.where(mask, codes, 0)
    for axis, size in enumerate(codes.shape):
        pixels = min(size, THUMBNAIL)
        codes = np.maximum.reduceat(codes, np.arange(pixels) * size // pixels, axis)
    return codes
