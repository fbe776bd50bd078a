"""Validated attention maps: weights, tokens and mask.

The static and the interactive figures both start here, so they accept and reject the same input.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

SIGNS = {"\n": "↵", "\t": "⇥", "\u00a0": "⍽", "\u202f": "⍽"}
BIDI_CONTROLS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
ZERO_WIDTH = frozenset("\u00ad\u200b\u200c\u200d\u2060\ufeff")


MEAN = -1


@dataclass(frozen=True)
class AttentionMaps:
    """Weights `(L, H, T, S)`, T queries, S keys and a mask `(L, H, T, S)` or None (True = may attend)."""

    weights: np.ndarray
    queries: list[str]
    keys: list[str]
    mask: np.ndarray | None

    @property
    def peak(self) -> float:
        """The largest weight in any map."""
        return float(self.weights.max())

    def at(self, layer: int, head: int) -> tuple[np.ndarray, np.ndarray | None]:
        """One map `(T, S)` and its mask; -1 means the mean over layers or over heads.

        A cell of a mean is masked if it is masked in every map that the mean is taken over.
        """
        if MEAN not in (layer, head):
            return self.weights[layer, head], None if self.mask is None else self.mask[layer, head]
        chosen = tuple(slice(None) if i == MEAN else slice(i, i + 1) for i in (layer, head))
        mask = None if self.mask is None else self.mask[chosen].any(axis=(0, 1))
        return self.weights[chosen].mean(axis=(0, 1)), mask


def require_maps(weights, queries, keys=None, mask=None) -> AttentionMaps:
    """Weights `(T, S)`, `(H, T, S)` or `(L, H, T, S)` as maps; `keys` defaults to `queries`.

    Raises TypeError or ValueError that names the argument, what it got and what it wanted.
    """
    array, tolerance = require_weights(weights)
    query_count, key_count = array.shape[-2:]
    queries = require_tokens("queries", queries, query_count, "rows")
    if keys is not None:
        keys = require_tokens("keys", keys, key_count, "columns")
    elif key_count == query_count:
        keys = queries
    else:
        raise ValueError(
            f"keys: without them the queries are the keys, but weights {array.shape} have {key_count} "
            f"columns and {query_count} rows; give {key_count} key tokens"
        )
    require_rows(array, tolerance)
    if mask is not None:
        mask = require_mask(mask, array)
    layers_and_heads = (1,) * (4 - array.ndim) + array.shape  # (L, H, T, S)
    return AttentionMaps(
        array.reshape(layers_and_heads),
        queries,
        keys,
        None if mask is None else mask.reshape(layers_and_heads),
    )


def require_frames(weights, queries, keys=None, mask=None, frames: Sequence[str] = ()) -> list[AttentionMaps]:
    """A sequence of maps of the same tokens, one per name in `frames`.

    `weights` is a list of F arrays as `require_maps` takes them, or one array with a leading axis F; so is
    `mask`. A mask without that axis applies to every frame.
    """
    weights = split_frames("weights", weights)
    require_tokens("frames", frames, len(weights), "frames")
    masks = [mask] * len(weights)
    if isinstance(mask, (list, tuple)) or getattr(mask, "ndim", 0) > weights[0].ndim:
        masks = split_frames("mask", mask)
        masks = masks * len(weights) if len(masks) == 1 else masks
        if len(masks) != len(weights):
            raise ValueError(f"mask: got {len(masks)} frames, wanted {len(weights)}, as many as weights")
    maps = []
    for index, (one, its_mask) in enumerate(zip(weights, masks, strict=True)):
        if one.shape != weights[0].shape:
            shape, wanted = tuple(one.shape), tuple(weights[0].shape)
            raise ValueError(f"weights: frame {index} has shape {shape}, wanted {wanted} as frame 0 has")
        try:
            maps.append(require_maps(one, queries, keys, its_mask))
        except (TypeError, ValueError) as error:
            raise type(error)(f"{error} (in frame {index}, {frames[index]!r})") from None
    return maps


def split_frames(name: str, values) -> list:
    """One array per frame: those of a list, or the slices along the first axis of one array."""
    values = list(values) if isinstance(values, (list, tuple)) else values
    if isinstance(values, list):
        for value in values:
            to_numpy(name, value)
    elif to_numpy(name, values).ndim < 3:
        raise ValueError(
            f"{name}: got shape {tuple(values.shape)}, wanted a leading axis for the frames: (F, T, S), "
            "(F, H, T, S) or (F, L, H, T, S)"
        )
    if not len(values):
        raise ValueError(f"{name}: got no frame, wanted one or more")
    return list(values)


def require_weights(weights) -> tuple[np.ndarray, float]:
    """The weights as a float array, and the tolerance for row sums at that precision."""
    array = to_numpy("weights", weights)
    if array.dtype.kind not in "fiu":
        raise TypeError(f"weights: got dtype {array.dtype}, wanted real numbers")
    if array.ndim not in (2, 3, 4) or array.size == 0:
        raise ValueError(
            f"weights: got shape {array.shape}, wanted (T, S), (H, T, S) or (L, H, T, S), no size 0"
        )
    halves = (torch.float16, torch.bfloat16, np.dtype(np.float16))
    tolerance = 2e-2 if weights.dtype in halves else 1e-3
    return array.astype(np.float64 if array.dtype == np.float64 else np.float32), tolerance


def to_numpy(name: str, values) -> np.ndarray:
    """A torch tensor (any device, any float type, with or without gradient) or numpy array in numpy."""
    if isinstance(values, torch.Tensor):
        values = values.detach().cpu()
        half = values.dtype in (torch.float16, torch.bfloat16)
        return (values.float() if half else values).numpy()
    if isinstance(values, np.ndarray):
        return values
    raise TypeError(f"{name}: got {type(values).__name__}, wanted a torch tensor or a numpy array")


def require_tokens(name: str, tokens: Sequence[str], count: int, what: str) -> list[str]:
    """`tokens` as a list of exactly `count` strings."""
    if isinstance(tokens, str):
        raise TypeError(
            f"{name}: got one string, wanted a list of {count} tokens; list(text) splits it into characters"
        )
    try:
        tokens = list(tokens)
    except TypeError:
        raise TypeError(f"{name}: got {type(tokens).__name__}, wanted a list of {count} strings") from None
    for position, token in enumerate(tokens):
        if not isinstance(token, str):
            raise TypeError(f"{name}: item {position} is {token!r} ({type(token).__name__}), wanted a string")
    if len(tokens) != count:
        raise ValueError(
            f"{name}: got {len(tokens)} tokens, wanted {count}, one for each of the {what} of weights"
        )
    return tokens


def require_rows(weights: np.ndarray, tolerance: float) -> None:
    """Raise unless every row is a probability distribution or all zeros."""
    if not np.isfinite(weights).all():
        at = index_of(~np.isfinite(weights))
        raise ValueError(f"weights: got {weights[at]} at {list(at)}, wanted finite numbers")
    if (weights < 0).any():
        at = index_of(weights < 0)
        raise ValueError(f"weights: got {weights[at]:.6g} at {list(at)}, wanted no negative number")
    sums = weights.sum(axis=-1, dtype=np.float64)  # (…, T)
    wrong = (np.abs(sums - 1) > tolerance) & weights.any(axis=-1)
    if wrong.any():
        at = index_of(wrong)
        raise ValueError(
            f"weights: row {list(at)} sums to {sums[at]:.6g}, wanted 1 (within {tolerance:g}), or 0 for a "
            "fully masked row; are these scores, or is the softmax over another axis?"
        )


def require_mask(mask, weights: np.ndarray) -> np.ndarray:
    """`mask` broadcast to the weights; raises if a weight is positive where the mask is False."""
    mask = to_numpy("mask", mask)
    if mask.dtype != bool:
        raise TypeError(f"mask: got dtype {mask.dtype}, wanted bool (True = may attend)")
    try:
        mask = np.broadcast_to(mask, weights.shape)
    except ValueError:
        raise ValueError(
            f"mask: got shape {mask.shape}, wanted one that broadcasts to weights {weights.shape}"
        ) from None
    if (weights[~mask] > 0).any():
        at = index_of((weights > 0) & ~mask)
        raise ValueError(
            f"mask: is False at {list(at)}, where the weight is {weights[at]:.6g}; a masked weight must be 0 "
            "(True = may attend)"
        )
    return mask


def index_of(condition: np.ndarray) -> tuple[int, ...]:
    """The index of the first True."""
    return tuple(int(i) for i in np.argwhere(condition)[0])


def visible(token: str) -> str:
    """The token as a label; invisible characters get a sign (∅ empty, ␠ space at either end, ↵, [U+202E])."""
    if not token:
        return "∅"
    lone = all(character in ZERO_WIDTH for character in token)
    inner = token.strip(" ")
    start = len(token) - len(token.lstrip(" "))
    body = "".join(visible_character(character, lone) for character in inner)
    return "␠" * start + body + "␠" * (len(token) - start - len(inner))


def visible_character(character: str, lone: bool) -> str:
    """One character of a token; zero-width joiners stay because they shape Hindi, Persian and emoji."""
    code = ord(character)
    if character in SIGNS:
        return SIGNS[character]
    if code < 0x20 or 0x7F <= code < 0xA0 or character in BIDI_CONTROLS or (lone and character in ZERO_WIDTH):
        return f"[U+{code:04X}]"
    if 0xD800 <= code < 0xE000:
        return "\N{REPLACEMENT CHARACTER}"
    return character
