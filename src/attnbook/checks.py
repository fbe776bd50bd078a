"""What the package checks at the door, and how it says no: which argument, what came, what was wanted."""

from collections.abc import Sequence

import torch
from torch import Tensor


def wrong_shape(argument: str, got: Sequence[int], wanted: str) -> ValueError:
    """A `ValueError` that names the argument, the shape it got and the shape it wanted."""
    return ValueError(f"{argument}: wanted shape {wanted}, got {tuple(got)}")


def positive(**sizes: int) -> None:
    """Raise `ValueError` for the first size that is not a whole number of at least 1."""
    for argument, size in sizes.items():
        if isinstance(size, bool) or not isinstance(size, int) or size < 1:
            raise ValueError(f"{argument}: wanted a whole number of at least 1, got {size!r}")


def check_ids(argument: str, ids: Tensor, vocab: int) -> None:
    """Raise `TypeError` unless the ids are whole numbers, `ValueError` unless all lie in the vocabulary."""
    if ids.dtype not in (torch.int64, torch.int32):
        raise TypeError(f"{argument}: wanted ids in a tensor of int64 or int32, got {ids.dtype}")
    # On a GPU the look at the values would wait for the device; there, torch's own check speaks.
    if ids.device.type == "cpu" and ids.numel():
        low, high = int(ids.min()), int(ids.max())
        if low < 0 or high >= vocab:
            raise ValueError(f"{argument}: wanted ids from 0 to {vocab - 1}, got {low} to {high}")


def check_attention(query: Tensor, key: Tensor, value: Tensor) -> tuple[int, ...]:
    """The shape `(…, T, S)` of the weights, once query, key and value are known to fit."""
    for name, tensor in (("query", query), ("key", key), ("value", value)):
        if tensor.dim() < 2:
            raise wrong_shape(name, tensor.shape, "(…, length, width)")
        if not tensor.is_floating_point():
            raise TypeError(f"{name}: wanted floating-point numbers, got {tensor.dtype}")
        if tensor.dtype != query.dtype:
            raise TypeError(f"{name}: wanted the query's dtype {query.dtype}, got {tensor.dtype}")
    if key.shape[-1] != query.shape[-1]:
        raise wrong_shape("key", key.shape, f"(…, S, {query.shape[-1]}), the query's width")
    if value.shape[-2] != key.shape[-2]:
        raise wrong_shape("value", value.shape, f"(…, {key.shape[-2]}, d_v), one value for each key")
    batch = query.shape[:-2]
    if key.shape[:-2] != batch or value.shape[:-2] != batch:
        name, wrong = ("key", key) if key.shape[:-2] != batch else ("value", value)
        wanted = ", ".join(str(size) for size in batch)
        raise wrong_shape(name, wrong.shape, f"({wanted}, …) in front, as the query has")
    return (*batch, query.shape[-2], key.shape[-2])


def check_batched(
    query: Tensor, key: Tensor, value: Tensor, query_size: int, key_size: int, value_size: int | None = None
) -> None:
    """Raise `ValueError` unless they are `(B, T, query_size)`, `(B, S, key_size)`, `(B, S, value_size)`."""
    if query.dim() != 3 or query.shape[-1] != query_size:
        raise wrong_shape("query", query.shape, f"(B, T, {query_size})")
    batch = query.shape[0]
    if key.dim() != 3 or key.shape[0] != batch or key.shape[-1] != key_size:
        raise wrong_shape("key", key.shape, f"({batch}, S, {key_size})")
    wrong_width = value_size is not None and value.shape[-1] != value_size
    if value.dim() != 3 or value.shape[:2] != key.shape[:2] or wrong_width:
        width = "Dv" if value_size is None else value_size
        raise wrong_shape("value", value.shape, f"({batch}, {key.shape[1]}, {width}), one value for each key")
