"""The memory of tensors: blocks of bytes that several tensors may share, as views do."""

from typing import NamedTuple

import torch

MOST_ELEMENTS = 2**24


class ValueRefusedError(ValueError):
    """A value that cannot be serialized, or a message that is not a valid value."""


class Block(NamedTuple):
    """The bytes of a storage from `start` to `stop`."""

    storage: torch.UntypedStorage
    start: int
    stop: int


def span(tensor: torch.Tensor) -> tuple[int, int]:
    """Return the offset of a tensor's first byte in its storage, and of the byte after its last."""
    start = tensor.storage_offset()
    reach = 1 + sum((size - 1) * step for size, step in zip(tensor.shape, tensor.stride(), strict=True))
    return start * tensor.itemsize, (start + reach) * tensor.itemsize


def once(tensor: torch.Tensor) -> torch.Tensor:
    """Return a view of a tensor that contains each element once: without the repetitions of `expand`."""
    shape = [size if step else 1 for size, step in zip(tensor.shape, tensor.stride(), strict=True)]
    return tensor.as_strided(shape, tensor.stride())


def read_bytes(block: Block) -> bytes:
    return lay(block, torch.uint8, [block.stop - block.start], [1], 0).numpy().tobytes()


def lay(block: Block, dtype: torch.dtype, shape: list, stride: list, start: int) -> torch.Tensor:
    """Return the tensor with this layout in a block's memory; `start` is its offset in bytes.

    Raises ValueRefusedError if the layout is invalid or does not fit into the block.
    """
    if (
        not all(type(number) is int and 0 <= number < 2**40 for number in [*shape, *stride, start])
        or len(shape) > 16
        or len(shape) != len(stride)
    ):
        raise ValueRefusedError("a tensor with an invalid shape or stride")
    place, rest = divmod(block.start + start, dtype.itemsize)
    reach = (
        1 + sum((size - 1) * step for size, step in zip(shape, stride, strict=True)) if 0 not in shape else 0
    )
    if rest or block.start + start + reach * dtype.itemsize > block.stop:
        raise ValueRefusedError("a tensor that extends beyond its memory")
    if dtype is torch.bool and (lay(block, torch.uint8, shape, stride, start) > 1).any():
        raise ValueRefusedError("a boolean tensor with bytes other than 0 and 1")
    return torch.empty(0, dtype=dtype).set_(block.storage, place, shape, stride)
