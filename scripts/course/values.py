"""Plain values and tensors as JSON, between processes that do not trust each other: nothing is unpickled.

One message is one line of JSON. Both sides use this module: the grader, and `inside.py` in the sandbox.
"""

import base64
import json
import math

import numpy as np
import torch

PLAIN = (type(None), bool, int, str)
DTYPES = {
    name: getattr(torch, name)
    for name in (
        *("bool", "uint8", "int8", "int16", "int32", "int64"),
        *("float16", "bfloat16", "float32", "float64", "complex64", "complex128"),
    )
}
MOST_ELEMENTS = 2**24


class ValueRefusedError(ValueError):
    """A value that cannot be sent, or that did not come as one."""


def dumps(message: dict) -> bytes:
    return json.dumps(message).encode() + b"\n"


def loads(line: bytes) -> dict:
    try:
        message = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ValueRefusedError(f"not a message: {error}") from None
    if not isinstance(message, dict):
        raise ValueRefusedError(f"not a message, but a {type(message).__name__}")
    return message


def encode(value, depth: int = 0):
    """`value` as JSON can hold it: plain values as they are, everything else as {"kind": …}."""
    if depth > 20:
        raise ValueRefusedError("a value that is nested more than 20 deep")
    if type(value) in PLAIN:
        return value
    if isinstance(value, float | np.floating):
        return {"kind": "float", "value": float(value).hex()}
    if isinstance(value, np.bool_ | np.integer):
        return value.item()
    if isinstance(value, torch.Tensor):
        return encode_tensor(value)
    if isinstance(value, np.ndarray) and value.dtype.kind in "biufc":
        return {"kind": "array", "value": encode_tensor(torch.from_numpy(np.array(value)))}
    if isinstance(value, dict):
        items = [[encode(key, depth + 1), encode(item, depth + 1)] for key, item in value.items()]
        return {"kind": "dict", "value": items}
    for kind in (tuple, list, set):
        if isinstance(value, kind):
            return {"kind": kind.__name__, "value": [encode(item, depth + 1) for item in value]}
    raise ValueRefusedError(
        f"a {type(value).__name__}: only numbers, strings, truths, None, tensors, and lists, tuples, "
        "sets and dicts of them are asked for"
    )


def encode_tensor(tensor: torch.Tensor) -> dict:
    """Its bytes, as they lie in memory, and how to walk them: a transposed tensor arrives transposed."""
    if tensor.layout != torch.strided or tensor.is_quantized:
        raise ValueRefusedError("a tensor that is sparse or quantized")
    tensor = tensor.detach().cpu().resolve_conj().resolve_neg()
    reach = 1 + sum((size - 1) * step for size, step in zip(tensor.shape, tensor.stride(), strict=True))
    flat = tensor.as_strided((reach if tensor.numel() else 0,), (1,))
    return {
        "kind": "tensor",
        "dtype": str(tensor.dtype).removeprefix("torch."),
        "shape": list(tensor.shape),
        "stride": list(tensor.stride()),
        "value": base64.b64encode(flat.contiguous().view(torch.uint8).numpy().tobytes()).decode(),
    }


def decode(value):
    """What `encode` took; raises ValueRefusedError for anything that it does not write."""
    if type(value) in PLAIN:
        return value
    try:
        kind, inner = value["kind"], value["value"]
        if kind == "float":
            return float.fromhex(inner)
        if kind == "tensor":
            return decode_tensor(value)
        if kind == "array":
            return decode_tensor(inner).numpy()
        if kind == "dict":
            return {decode(key): decode(item) for key, item in inner}
        return {"tuple": tuple, "list": list, "set": set}[kind](decode(item) for item in inner)
    except ValueRefusedError:
        raise
    except (
        KeyError,
        TypeError,
        ValueError,
        AttributeError,
        RuntimeError,
        OverflowError,
        RecursionError,
    ) as error:
        raise ValueRefusedError(f"not a value: {type(error).__name__}: {str(error)[:200]}") from None


def decode_tensor(value: dict) -> torch.Tensor:
    """torch itself refuses steps that lead out of the bytes that came."""
    dtype, shape, stride = DTYPES[value["dtype"]], value["shape"], value["stride"]
    if (
        not all(type(number) is int and 0 <= number < 2**40 for number in [*shape, *stride])
        or len(shape) > 16
    ):
        raise ValueRefusedError("a tensor of impossible shape")
    if math.prod(shape) > MOST_ELEMENTS:
        raise ValueRefusedError(f"a tensor of more than {MOST_ELEMENTS:,} elements")
    data = bytearray(base64.b64decode(value["value"], validate=True))
    flat = torch.frombuffer(data, dtype=torch.uint8) if data else torch.empty(0, dtype=torch.uint8)
    flat = flat != 0 if dtype is torch.bool else flat.view(dtype)
    return flat.as_strided(shape, stride)
