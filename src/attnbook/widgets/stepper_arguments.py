"""The stepper's argument checks: matrices, labels and settings."""

import numpy as np

from attnbook.maps import require_tokens, to_numpy
from attnbook.widgets.base import require_in_range, require_real

MOST = 12  # rows and columns
SETTINGS = {
    "layout": object,
    "mask_when": str,
    "masking": str,
    "padding": list | tuple,
    "scale": bool,
    "selected": list | tuple,
    "step": int,
    "temperature": float | int,
    "tour": object,
}

WORDS = {"padding": "a list", "selected": "a list", "temperature": "a number"}


def require_numbers(query, key, value) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Query `(T, d)`, key `(S, d)` and value `(S, d_v)` in float64."""
    query = require_matrix("query", query, "(T, d)")
    key = require_matrix("key", key, "(S, d)")
    value = require_matrix("value", value, "(S, d_v)")
    if key.shape[1] != query.shape[1]:
        width = query.shape[1]
        raise ValueError(f"key: got shape {key.shape}, wanted (S, {width}), as wide as query {query.shape}")
    if len(value) != len(key):
        raise ValueError(f"value: got shape {value.shape}, wanted ({len(key)}, d_v), one value per key")
    return query, key, value


def require_projections(given: dict, query, key, value) -> dict[str, np.ndarray]:
    """`x` `(T, D)` and its projections `(D, ·)` in float64, or nothing; their products are the rest."""
    missing = [name for name, matrix in given.items() if matrix is None]
    if len(missing) == len(given):
        return {}
    if missing:
        raise ValueError(f"{missing[0]}: got None, wanted all of {', '.join(given)}, or none of them")
    x = require_matrix("x", given["x"], "(T, D)")
    if len(x) != len(query):
        raise ValueError(f"x: got shape {x.shape}, wanted ({len(query)}, D), one row per query")
    if len(x) != len(key):
        raise ValueError(f"x: got {len(x)} rows, wanted {len(key)}, because keys and values come from x too")
    checked = {"x": x}
    products = dict(zip(list(given)[1:], (query, key, value), strict=True))
    for name, product in products.items():
        of = name.removeprefix("W_")
        wanted = (x.shape[1], product.shape[1])
        checked[name] = matrix = require_matrix(name, given[name], str(wanted))
        if matrix.shape != wanted:
            raise ValueError(f"{name}: got shape {matrix.shape}, wanted {wanted}")
        if not np.allclose(x @ matrix, product, rtol=1e-4, atol=1e-4 * max(1.0, np.abs(product).max())):
            raise ValueError(f"{name}: got a matrix whose product x @ {name} differs from {of}, wanted {of}")
    return checked


def require_matrix(name: str, numbers, wanted: str) -> np.ndarray:
    """A small matrix of finite numbers in float64."""
    array = require_real(name, to_numpy(name, numbers))
    if array.ndim != 2 or not 1 <= min(array.shape) <= max(array.shape) <= MOST:
        raise ValueError(f"{name}: got shape {array.shape}, wanted {wanted}, 1 × 1 up to {MOST} × {MOST}")
    return require_in_range(name, array)


def require_labels(tokens, keys, queries: int, key_count: int) -> tuple[list[str], list[str]]:
    """T and S labels; without tokens or keys, positions are numbered."""
    numbered = [str(i) for i in range(queries)]
    labels = numbered if tokens is None else require_tokens("tokens", tokens, queries, "rows")
    if keys is not None:
        return labels, require_tokens("keys", keys, key_count, "columns")
    if tokens is None:
        return labels, [str(i) for i in range(key_count)]
    if queries != key_count:
        raise ValueError(
            f"keys: without them the tokens are the keys, but there are {queries} queries and {key_count} "
            f"keys; give {key_count} key tokens"
        )
    return labels, labels


def require_settings(settings: dict) -> None:
    """Raise TypeError for an unknown setting or a wrong type."""
    for name, value in settings.items():
        if name not in SETTINGS:
            raise TypeError(f"{name}: no such setting, wanted one of {', '.join(SETTINGS)}")
        wanted = SETTINGS[name]
        if not isinstance(value, wanted) or (isinstance(value, bool) and wanted not in (bool, object)):
            words = getattr(wanted, "__name__", WORDS.get(name))
            raise TypeError(f"{name}: got {type(value).__name__}, wanted {words}")
