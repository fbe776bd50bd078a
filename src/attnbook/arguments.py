"""Argument checks with consistent error messages: the argument, what it got and what it wanted."""

import math
from collections.abc import Collection, Sequence
from numbers import Integral, Real
from reprlib import repr as short

import numpy as np
import torch
from torch import Tensor


def wrong_shape(argument: str, got: Sequence[int], wanted: str) -> ValueError:
    """A `ValueError` that names the argument, the shape it got and the shape it wanted."""
    return ValueError(f"{argument}: wanted shape {wanted}, got {tuple(got)}")


def require_floats(argument: str, x: Tensor) -> None:
    """Raise `TypeError` unless `x` is a tensor of floating-point numbers."""
    if not isinstance(x, Tensor):
        raise TypeError(f"{argument}: wanted a tensor, got {short(x)}")
    if not x.is_floating_point():
        raise TypeError(f"{argument}: wanted floating-point numbers, got {x.dtype}")


def require_integers(argument: str, ids: Tensor) -> None:
    """Raise `TypeError` unless `ids` is a tensor of whole numbers that an embedding can look up."""
    kind = ids.dtype if isinstance(ids, Tensor) else type(ids).__name__
    if kind not in (torch.int64, torch.int32):
        raise TypeError(f"{argument}: wanted ids in a tensor of int64 or int32, got {kind}")


def require_flags(**flags: bool) -> None:
    """Raise `ValueError` for the first argument that is neither True nor False."""
    for argument, flag in flags.items():
        if not isinstance(flag, bool | np.bool_):
            raise ValueError(f"{argument}: wanted True or False, got {flag!r}")


def is_number(number: object) -> bool:
    """Whether this is a real number; `True` is not."""
    return isinstance(number, Real) and not isinstance(number, bool)


def require_number(above: float = -math.inf, **numbers: float) -> None:
    """Raise `ValueError` for the first argument that is not a finite number above `above`."""
    for argument, number in numbers.items():
        if not is_number(number) or not above < number < math.inf:
            wanted = "a finite number" if above == -math.inf else f"a number above {above}"
            raise ValueError(f"{argument}: wanted {wanted}, got {number!r}")


def is_whole(number: object) -> bool:
    """Whether this is a whole number of Python, NumPy or torch's tracing; `True` is not."""
    return isinstance(number, Integral | torch.SymInt) and not isinstance(number, bool)


def is_list(items: object) -> bool:
    """Whether these are several items; a string counts as one, and a generator can't be read twice."""
    return isinstance(items, Collection) and not isinstance(items, str)


def require_whole(least: int | None = 0, **numbers: int) -> None:
    """Raise `ValueError` for the first argument that is not a whole number of at least `least`, if given.

    NumPy's integers count as whole numbers, and so do the symbolic integers that represent a length while
    torch compiles or exports a model. `True` does not.
    """
    for argument, number in numbers.items():
        if not is_whole(number) or (least is not None and number < least):
            limit = "" if least is None else f" of at least {least}"
            raise ValueError(f"{argument}: wanted a whole number{limit}, got {number!r}")


def require_sizes(**sizes: int) -> None:
    """Raise `ValueError` for the first size that is not a whole number of at least 1."""
    require_whole(1, **sizes)


def require_rate(**rates: float) -> None:
    """Raise `ValueError` for the first dropout rate that is not at least 0 and below 1."""
    for argument, rate in rates.items():
        if not is_number(rate) or not 0 <= rate < 1:
            raise ValueError(f"{argument}: wanted a rate of at least 0 and below 1, got {rate!r}")


def require_pad(pad: int, vocab: int) -> None:
    """Raise `ValueError` unless `pad` is an id of the vocabulary."""
    if not is_whole(pad) or not 0 <= pad < vocab:
        raise ValueError(f"pad: wanted an id from 0 to {vocab - 1}, got {pad!r}")


def require_padded_rows(argument: str, ids: Tensor, pad: int) -> Tensor:
    """Which ids `(B, S)` are not padding; raises `ValueError` if padding comes before a real id."""
    require_integers(argument, ids)
    if ids.dim() != 2:
        raise wrong_shape(argument, ids.shape, "(B, S)")
    real = ids != pad  # (B, S)
    if known(real.all()) is False and (real[:, 1:] & ~real[:, :-1]).any():
        raise ValueError(f"{argument}: wanted padding (id {pad}) only at the end of a row")
    return real


def require_ids(argument: str, ids: Tensor, vocab: int) -> None:
    """Raise `TypeError` unless `ids` has whole numbers, `ValueError` unless all are in the vocabulary."""
    require_integers(argument, ids)
    if ids.numel() == 0:
        return
    low, high = known(ids.min()), known(ids.max())
    if low is not None and (low < 0 or high >= vocab):
        raise ValueError(f"{argument}: wanted ids from 0 to {vocab - 1}, got {low} to {high}")


def require_newest(ids: Tensor, batch: int) -> None:
    """Raise `ValueError` unless `ids` is `(B,)`, the newest token of each of the `batch` rows."""
    require_integers("ids", ids)
    if ids.dim() != 1:
        raise wrong_shape("ids", ids.shape, "(B,), the newest token of each row")
    if ids.shape[0] != batch:
        raise wrong_shape("ids", ids.shape, f"({batch},), the newest token of each row")


def known(number: Tensor) -> int | float | bool | None:
    """The value of a tensor with one element, or None if it isn't available.

    Reading a value from a GPU would wait for all pending work, so this returns None there. While torch
    compiles or exports a model, or maps it over samples, and on fake and meta tensors, there is no value.
    So checks of values, such as that ids are in the vocabulary, are made on the CPU only; an embedding on a
    GPU has its own assertion. Shapes and dtypes are checked everywhere.
    """
    if torch.compiler.is_compiling() or number.device.type != "cpu":
        return None
    try:
        return number.item()
    except RuntimeError:  # fake tensors and those inside vmap
        return None


def require_vectors(argument: str, x: Tensor, d_model: int, batch: int | None = None) -> None:
    """Raise unless `x` is a tensor of numbers `(B, T, d_model)`, with `batch` rows if that is given."""
    require_floats(argument, x)
    shape = x.shape
    if len(shape) != 3 or shape[-1] != d_model or (batch is not None and shape[0] != batch):
        raise wrong_shape(argument, shape, f"({'B' if batch is None else batch}, T, {d_model})")


def require_attention(query: Tensor, key: Tensor, value: Tensor) -> tuple[int, ...]:
    """The shape `(…, T, S)` of the weights; raises if query, key and value do not fit together."""
    for name, tensor in (("query", query), ("key", key), ("value", value)):
        require_floats(name, tensor)
        if tensor.dim() < 2:
            raise wrong_shape(name, tensor.shape, "(…, length, width)")
        if tensor.dtype != query.dtype:
            raise TypeError(f"{name}: wanted the query's dtype {query.dtype}, got {tensor.dtype}")
    queries, keys, values = query.shape, key.shape, value.shape
    if keys[-1] != queries[-1]:
        raise wrong_shape("key", keys, f"(…, S, {queries[-1]}), as wide as the query")
    if values[-2] != keys[-2]:
        raise wrong_shape("value", values, f"(…, {keys[-2]}, d_v), one value for each key")
    batch = queries[:-2]
    if keys[:-2] != batch or values[:-2] != batch:
        name, wrong = ("key", keys) if keys[:-2] != batch else ("value", values)
        wanted = ", ".join(str(size) for size in batch)
        raise wrong_shape(name, wrong, f"({wanted}, …): the query's leading axes")
    return (*batch, queries[-2], keys[-2])


def require_batched(
    query: Tensor, key: Tensor, value: Tensor, query_size: int, key_size: int, value_size: int | None = None
) -> None:
    """Raise unless they are numbers `(B, T, query_size)`, `(B, S, key_size)`, `(B, S, value_size)`."""
    require_vectors("query", query, query_size)
    require_floats("key", key)
    require_floats("value", value)
    batch, keys, values = query.shape[0], key.shape, value.shape
    if len(keys) != 3 or keys[0] != batch or keys[-1] != key_size:
        raise wrong_shape("key", keys, f"({batch}, S, {key_size})")
    wrong_width = value_size is not None and values[-1] != value_size
    if len(values) != 3 or values[:2] != keys[:2] or wrong_width:
        width = "Dv" if value_size is None else value_size
        raise wrong_shape("value", values, f"({batch}, {keys[1]}, {width}), one value for each key")
