"""Serialize values and tensors as JSON, for processes that don't trust each other (so no pickle).

A message holds a value, a numbered list of the mutable objects in it (lists, dicts, sets, arrays, tensors),
and the blocks of memory of its tensors, so that tensors that share memory still do after decoding. A reply
uses the request's numbers and holds the objects' new contents: changes that a function makes to its arguments
are applied to the caller's objects. Both the grader and `inside.py` use this module.
"""

import base64
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import torch

from coursework.memory import MOST_ELEMENTS, Block, ValueRefusedError, lay, once, read_bytes, span
from coursework.weight import counted, weigh

PLAIN = (type(None), bool, int, str)
DTYPES = {
    name: getattr(torch, name)
    for name in (
        *("bool", "uint8", "int8", "int16", "int32", "int64"),
        *("float16", "bfloat16", "float32", "float64", "complex64", "complex128"),
    )
}
CONTAINERS = {"list": list, "dict": dict, "set": set}


@dataclass
class Known:
    """The objects and blocks that a request and its reply share, by number, and their last encoded state."""

    objects: list = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)
    said: dict = field(default_factory=lambda: {"objects": [], "blocks": []})


def dumps(message: dict) -> bytes:
    return json.dumps(message).encode() + b"\n"


def loads(line: bytes) -> dict:
    try:
        message = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ValueRefusedError(f"not a message: {error}") from None
    if not isinstance(message, dict):
        raise ValueRefusedError(f"not a message: wanted a dict, got {type(message).__name__}")
    return message


def encode(value, known: Known | None = None) -> dict:
    """Encode `value` and the current state of all known objects; new objects are added to `known`."""
    known = Known() if known is None else known
    numbers = {id(one): number for number, one in enumerate(known.objects)}
    found, contents = write(value, known.objects, numbers), []
    for one in known.objects:  # grows during the loop
        contents.append(write_object(one, known.objects, numbers))
    write_memory(known, contents)
    blocks = [base64.b64encode(read_bytes(block)).decode() for block in known.blocks]
    known.said = {"objects": contents, "blocks": blocks}
    return {"value": found} | known.said


def write(value, objects: list, numbers: dict[int, int], depth: int = 0):
    """Encode one value: itself if JSON can hold it, otherwise {"kind": …}, with the number of an object."""
    if depth > 20:
        raise ValueRefusedError("tuples nested more than 20 levels deep")
    if type(value) in PLAIN:
        return value
    if isinstance(value, float | np.floating):
        return {"kind": "float", "value": float(value).hex()}
    if isinstance(value, np.bool_ | np.integer):
        return value.item()
    if isinstance(value, tuple):
        return {"kind": "tuple", "value": [write(item, objects, numbers, depth + 1) for item in value]}
    if not isinstance(value, list | dict | set | np.ndarray | torch.Tensor):
        raise ValueRefusedError(
            f"a {type(value).__name__}: wanted a number, string, boolean, None, tensor or array, or a list, "
            "tuple, set or dict of them"
        )
    if id(value) not in numbers:
        numbers[id(value)] = len(objects)
        objects.append(value)
    return {"kind": "object", "value": numbers[id(value)]}


def write_object(one, objects: list, numbers: dict[int, int]) -> dict:
    """Encode an object's contents. `write_memory` adds a tensor's position in memory."""
    if isinstance(one, torch.Tensor):
        if one.layout != torch.strided or one.is_quantized:
            raise ValueRefusedError("a sparse or quantized tensor")
        return {
            "kind": "tensor",
            "dtype": str(one.dtype).removeprefix("torch."),
            "shape": list(one.shape),
            "stride": list(one.stride()),
        }
    if isinstance(one, np.ndarray):
        if one.dtype.name not in DTYPES:
            raise ValueRefusedError(f"an array of type {one.dtype}")
        data = one.astype(one.dtype.newbyteorder("=")).tobytes()
        shape = {"dtype": one.dtype.name, "shape": list(one.shape)}
        return {"kind": "array", "value": base64.b64encode(data).decode()} | shape
    if isinstance(one, dict):
        items = [[write(key, objects, numbers), write(item, objects, numbers)] for key, item in one.items()]
        return {"kind": "dict", "value": items}
    kind = "list" if isinstance(one, list) else "set"
    return {"kind": kind, "value": [write(item, objects, numbers) for item in one]}


def write_memory(known: Known, contents: list[dict]) -> None:
    """Add the block and offset to each encoded tensor.

    Tensors of one storage share a block, from their first to their last byte.
    """
    new: dict[int, list[tuple[dict, torch.Tensor]]] = {}
    for one, about in zip(known.objects, contents, strict=True):
        if about["kind"] != "tensor" or not one.numel():
            continue
        tensor = one.detach().cpu().resolve_conj().resolve_neg()
        place, (start, stop) = tensor.untyped_storage().data_ptr(), span(tensor)
        about["stride"] = list(tensor.stride())
        for number, block in enumerate(known.blocks):
            if place == block.storage.data_ptr() and block.start <= start and stop <= block.stop:
                about |= {"block": number, "start": start - block.start}
                break
        else:
            new.setdefault(place, []).append((about, tensor))
    for tensors in new.values():
        start = min(span(tensor)[0] for _, tensor in tensors)
        start -= start % max(tensor.itemsize for _, tensor in tensors)
        stop = max(span(tensor)[1] for _, tensor in tensors)
        for about, tensor in tensors:
            about |= {"block": len(known.blocks), "start": span(tensor)[0] - start}
        known.blocks.append(Block(tensors[0][1].untyped_storage(), start, stop))


def decode(message, known: Known | None = None):
    """Return the value that was encoded, and update all known objects to the state in the message.

    Raises ValueRefusedError for a message that `encode` could not have written.
    """
    known = Known() if known is None else known
    try:
        read_blocks(message["blocks"], known)
        read_objects(message["objects"], known)
        return weigh(read(message["value"], known.objects), known.objects)
    except ValueRefusedError:
        raise
    except (
        *(KeyError, IndexError, TypeError, ValueError, AttributeError),
        *(RuntimeError, OverflowError, RecursionError, BufferError),
    ) as error:
        raise ValueRefusedError(f"invalid value: {type(error).__name__}: {str(error)[:200]}") from None


def read(value, objects: list):
    if type(value) in PLAIN:
        return value
    kind, inner = value["kind"], value["value"]
    if kind == "object" and type(inner) is int and inner >= 0:
        return objects[inner]
    if kind == "float":
        return float.fromhex(inner)
    if kind == "tuple":
        return tuple(read(item, objects) for item in inner)
    raise ValueRefusedError("invalid value: unknown kind")


def read_blocks(blocks: list[str], known: Known) -> None:
    """Copy changed memory into the caller's tensors, and only into their elements; add new blocks."""
    for number, text in enumerate(blocks):
        if number < len(known.blocks) and text == known.said["blocks"][number]:
            continue
        new = new_block(text)
        if number == len(known.blocks):
            known.blocks.append(new)
            continue
        old = known.blocks[number]
        if new.stop != old.stop - old.start:
            raise ValueRefusedError("a block of memory changed its size")
        for one, said in zip(known.objects, known.said["objects"], strict=True):
            if said.get("block") == number:
                changed = lay(new, one.dtype, said["shape"], said["stride"], said["start"])
                once(one.data).copy_(once(changed))
    if len(blocks) < len(known.blocks):
        raise ValueRefusedError("a block of memory is missing")


def new_block(text: str) -> Block:
    data = bytearray(base64.b64decode(text, validate=True))
    memory = torch.frombuffer(data, dtype=torch.uint8) if data else torch.empty(0, dtype=torch.uint8)
    return Block(memory.untyped_storage(), 0, len(data))


def read_objects(contents: list[dict], known: Known) -> None:
    """Create all new objects before filling them, since there can be reference cycles."""
    before = len(known.objects)
    if len(contents) < before:
        raise ValueRefusedError("an object is missing")
    for about in contents[before:]:
        known.objects.append(
            CONTAINERS[about["kind"]]() if about["kind"] in CONTAINERS else make(about, known)
        )
    for number, (one, about) in enumerate(zip(known.objects, contents, strict=True)):
        if number < before and about == known.said["objects"][number]:
            continue
        if isinstance(one, torch.Tensor | np.ndarray):
            if number < before:
                replace(one, make(about, known))
            continue
        if not isinstance(one, CONTAINERS.get(about["kind"], ())):
            raise ValueRefusedError("an object changed its type")
        items = list(read_items(counted(about), known.objects))
        one.clear()
        one.extend(items) if isinstance(one, list) else one.update(items)


def read_items(about: dict, objects: list) -> Iterator:
    for item in about["value"]:
        yield tuple(read(part, objects) for part in item) if about["kind"] == "dict" else read(item, objects)


def make(about: dict, known: Known) -> torch.Tensor | np.ndarray:
    """Create a tensor in its block, or an array."""
    shape, dtype = about["shape"], DTYPES[about["dtype"]]
    if math.prod(shape) > MOST_ELEMENTS:
        raise ValueRefusedError(f"a tensor with more than {MOST_ELEMENTS:,} elements")
    if about["kind"] == "array":
        stride = [math.prod(shape[place + 1 :]) for place in range(len(shape))]
        return lay(new_block(about["value"]), dtype, shape, stride, 0).numpy()
    if about["kind"] != "tensor":
        raise ValueRefusedError("invalid value: unknown kind")
    if 0 in shape:
        return lay(Block(torch.UntypedStorage(0), 0, 0), dtype, shape, about["stride"], 0)
    number, start = about["block"], about["start"]
    if type(number) is not int or not 0 <= number < len(known.blocks):
        raise ValueRefusedError("a tensor without a block of memory")
    return lay(known.blocks[number], dtype, shape, about["stride"], start)


def replace(old: torch.Tensor | np.ndarray, new: torch.Tensor | np.ndarray) -> None:
    """Make the caller's tensor or array equal to the new one, in place."""
    if isinstance(old, torch.Tensor) and isinstance(new, torch.Tensor):
        old.data = new
    elif isinstance(old, np.ndarray) and isinstance(new, np.ndarray) and old.shape == new.shape:
        old[...] = new
    else:
        raise ValueRefusedError("an object changed its type")
