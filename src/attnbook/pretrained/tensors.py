"""What the converters share: models without initial weights, and weights from quantized blocks."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.overrides import TorchFunctionMode

if TYPE_CHECKING:
    from gguf import GGMLQuantizationType

ROWS = 4096  # dequantized at a time, which bounds the memory of the intermediate results


class Uninitialized(TorchFunctionMode):
    """Inside `with Uninitialized():`, new modules draw no initial weights; load others into all of them."""

    def __torch_function__(
        self, function: Any, types: Any, args: tuple = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if getattr(function, "__module__", "") == "torch.nn.init":
            return args[0] if args else kwargs["tensor"]
        return function(*args, **kwargs)


def dequantize(
    blocks: np.ndarray, shape: Sequence[int], kind: "GGMLQuantizationType"
) -> Float[Tensor, "..."]:
    """The float32 tensor of this shape whose rows are in `blocks`, quantized in GGUF's format `kind`."""
    from gguf.quants import dequantize as dequantize_rows

    blocks = np.asarray(blocks).reshape(shape[0], -1).view(np.uint8)  # bytes of each row
    numbers = np.empty((shape[0], math.prod(shape[1:])), np.float32)
    for start in range(0, shape[0], ROWS):
        numbers[start : start + ROWS] = dequantize_rows(blocks[start : start + ROWS], kind)
    return torch.from_numpy(numbers).reshape(tuple(shape))
