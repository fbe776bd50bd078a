"""Where tensors lie: as bytes of blocks of memory that several of them may share."""

from typing import NamedTuple

import torch

MOST_ELEMENTS = 2**24


class ValueRefusedError(ValueError):
    """A value that cannot be sent, or that did not come as one."""


class Block(NamedTuple):
    """Memory that tensors share: the bytes of a storage from `start` to `stop`."""

    storage: torch.UntypedStorage
    start: int
    stop: int


def span(tensor: torch.Tensor) -> tuple[int, int]:
    """The first byte of a tensor in its storage, and the one after its last."""
    start = tensor.storage_offset()
    reach = 1 + sum((size - 1) * step for size, step in zip(tensor.shape, tensor.stride(), strict=True))
    return start * tensor.itemsize, (start + reach) * tensor.itemsize


def once(tensor: torch.Tensor) -> torch.Tensor:
    """A tensor without the repetitions that `expand` makes."""
    shape = [size if step else 1 for size, step in zip(tensor.shape, tensor.stride(), strict=True)]
    return tensor.as_strided(shape, tensor.stride())


def read_bytes(block: Block) -> bytes:
    return lay(block, torch.uint8, [block.stop - block.start], [1], 0).numpy().tobytes()


def lay(block: Block, dtype: torch.dtype, shape: list, stride: list, start: int) -> torch.Tensor:
    """The tensor that lies so in a block, all of it."""
    if (
        not all(type(number) is int and 0 <= number < 2**40 for number in [*shape, *stride, start])
        or len(shape) > 16
        or len(shape) != len(stride)
    ):
        raise ValueRefusedError("a tensor of impossible shape")
    place, rest = divmod(block.start + start, dtype.itemsize)
    reach = (
        1 + sum((size - 1) * step for size, step in zip(shape, stride, strict=True)) if 0 not in shape else 0
    )
    if rest or block.start + start + reach * dtype.itemsize > block.stop:
        raise ValueRefusedError("a tensor that reaches out of its memory")
    if dtype is torch.bool and (lay(block, torch.uint8, shape, stride, start) > 1).any():
        raise ValueRefusedError("truths that are neither true nor false")
    return torch.empty(0, dtype=dtype).set_(block.storage, place, shape, stride)
