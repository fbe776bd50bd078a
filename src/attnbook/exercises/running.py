"""Run a learner's code, and say in words that help what went wrong in it."""

import copy
import linecache
import os
import re
import sysconfig
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType, TracebackType

import torch
from torch import Tensor

from attnbook.exercises.comparing import cut, given, shape
from attnbook.exercises.verdict import Unfinished, Wrong

LIBRARIES = tuple(
    str(Path(folder)) + os.sep
    for folder in {str(Path(__file__).parents[1]), *map(sysconfig.get_path, ("stdlib", "purelib", "platlib"))}
)

# What the error says -> what usually lies behind it. The first that fits is shown.
HINTS = {
    r"ellipsis": "A `...` is still in your code: fill in that line too.",
    r"is not defined": "Python does not know this name. Run the cell that defines it, or check its spelling.",
    r"positional argument|unexpected keyword": "The check calls `{call}`: take these arguments in this "
    "order.",
    r"could not infer output dtype": "`mean` takes numbers with a point: make numbers of True and False "
    "first, as with `.float().mean()`.",
    r"values to unpack": "The right side of this line must hold as many things as there are names on the "
    "left.",
    r"view size is not compatible": "After `transpose` numbers aren't in a straight line: use `reshape`.",
    r"is invalid for input of size|cannot be reshaped": "The new shape must hold as many numbers as the old.",
    r"expanded size": "`expand`, and the assignment to a part of a tensor, stretch an axis only if its size "
    "is 1. `unsqueeze` adds such an axis.",
    r"except in dimension|same number of dimensions": "`torch.cat` joins tensors along one axis. They need "
    "as many axes, and all others must be equally long.",
    r"expand|size of tensor a|must match the size of tensor b|not broadcastable|be broadcast": "Two tensors "
    "meet element by element, but their axes, lined up from the right, differ in size. `unsqueeze` adds an "
    "axis that stretches to fit, and `keepdim=True` leaves one: `(B, T, 1, h) + (B, 1, S, h)` is "
    "`(B, T, S, h)`.",
    r"(batch1|batch2|self|mat2) must be a (2D|3D|matrix)|3D tensor|2D tensors": "`bmm` takes exactly three "
    "axes and `mm` exactly two; `@` takes any number.",
    r"same device|on device": "Your tensors are on different devices; the check uses the CPU. Use "
    "`torch.zeros_like(...)` or give `device=query.device`.",
    r"- got \((?!float).*but expected one of": "PyTorch got arguments of the wrong kind: compare what it got "
    "with what it expected.",
    r"square matrices": "This matrix isn't square, so it has no inverse. `torch.linalg` has `pinv` and "
    "`lstsq` for any shape.",
    r"`-` operator, with a bool|bool tensor is not supported|only supports boolean masks": "A mask is "
    "boolean: invert it with `~mask`, and use it in `masked_fill` or `torch.where`.",
    r"dtype|scalar type": "The tensors differ in dtype. Convert one: `a.to(b.dtype)`. A new tensor gets the "
    "right one from `torch.zeros_like(...)` or `dtype=b.dtype`.",
    r"cannot be multiplied|Expected size for first two dim|size mismatch|mismatch in its core dim": "`A @ "
    "B` needs A's last axis to be as long as B's last but one. Write the two shapes side by side: only (…, "
    "n, m) @ (…, m, p) fits.",
    r"Boolean value of Tensor": "`if` and `and` need a single True or False, and a mask holds many: use "
    "`masked_fill` or `torch.where`.",
    r"list index out of range": "An index is too large: the n items of a list are counted from 0 to n - 1.",
    r"out of bounds": "An index is too large. Axis 0 is the batch in `(B, T, D)`, and positions are axis 1: "
    "`x[:, order]`.",
    r"one element tensors": "`math` takes a single number. For tensors there are `torch.exp`, `torch.sqrt` "
    "and others.",
    r"\(float|ints?, not float|'float' object cannot|slice indices must": "`/` always gives a float. "
    "Where a whole number is needed, as for a count or an index, divide with `//`.",
    r"Dimension out of range": "There is no such axis. -1 is the last axis and -2 the one before it.",
    r"'?tuple'? object|'tuple'": "Something here is a tuple, perhaps `(output, weights)`, or the gradients "
    "of `torch.autograd.grad`: take it apart first.",
    r"'function'|'method'|builtin_function|not (function|method)": "Something here is a function: call it, "
    "with its arguments in parentheses.",
    r"does not require grad": "Tell autograd which tensor to watch: `x = x.clone().requires_grad_()`.",
    r"only for scalar outputs": "A gradient is taken of one number: reduce to it first, as with `.sum()`.",
    r"NoneType": "Something here is None. Does a function of yours forget its `return`?",
    r"recursion": "Your function calls itself without end.",
}


@contextmanager
def plain_torch() -> Iterator[None]:
    """PyTorch as it starts: CPU, float32, gradients on. Afterwards all is as the reader has set it."""
    dtype = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)
    try:
        with (
            torch.device("cpu"),
            torch.inference_mode(False),
            torch.enable_grad(),
            torch.random.fork_rng(devices=[]),  # a GPU's random state is not ours to reset
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        torch.set_default_dtype(dtype)


def run(function, inputs: dict, call: str):
    """Call a learner's function on copies; return what it gave and the names of inputs that it changed."""
    copies = copy.deepcopy(inputs)
    try:
        torch.default_generator.manual_seed(0)
        result = function(*copies.values())
    except (Wrong, Unfinished):
        raise
    except (Exception, SystemExit) as error:
        raise Wrong(explain(error, inputs, call)) from None
    if result is ...:
        raise Unfinished("Not done yet: your function still returns `...`.")
    return result, {name for name, value in inputs.items() if not _unchanged(copies[name], value)}


def _unchanged(copied, original) -> bool:
    if isinstance(original, Tensor):
        same = copied.shape == original.shape and copied.dtype == original.dtype
        marked = copied.requires_grad != original.requires_grad or copied.grad is not None
        return same and not marked and torch.equal(copied, original)
    if isinstance(original, dict):
        return copied.keys() == original.keys() and all(_unchanged(copied[k], original[k]) for k in original)
    if isinstance(original, list | tuple):
        return len(copied) == len(original) and all(map(_unchanged, copied, original))
    return copied == original if isinstance(original, int | float | str | set) else True


def explain(error: BaseException, inputs: dict, call: str) -> str:
    """Kind and message of an error, the learner's own line, the shapes there, and a hint."""
    message = cut(re.sub(r"[\w.<>]+\.<locals>\.", "", str(error).strip()) or "(no message)", 600)
    parts = [f"Your code stopped with `{type(error).__name__}`:", _indent(message)]
    line, variables = "", inputs
    found = their_frame(error.__traceback__)
    if found is not None:
        frame, number = found
        variables = frame.f_locals
        line = linecache.getline(frame.f_code.co_filename, number).strip()
        where = f"at line {number} of your code"
        parts += [f"{where}, in `{frame.f_code.co_name}`:", _indent(line)] if line else [f"{where}."]
    shapes = "" if not found and call.endswith("()") else shapes_of(variables)
    if shapes:
        parts.append(f"There, {shapes}." if found else f"The inputs: {shapes}.")
    elif with_inputs := given(inputs):
        parts.append(f"The check called it with {with_inputs}.")
    hint = hint_for(message, line, "" if found else call, variables)
    return "\n\n".join(parts + ([hint] if hint else []))


def hint_for(message: str, line: str, call: str, variables: dict) -> str:
    """What usually lies behind such an error on such a line; `call` is empty if ours wasn't the wrong one."""
    misfit = re.search(r"multiplied|Expected size|must match|size of tensor b|mismatch|\.T\b", message)
    if misfit and re.search(r"@\s*W_output", line):
        return "Lay the heads side by side again, (B, T, D), before `@ W_output`."
    turned = re.search(r"(\w+)\.T\b", line)
    if misfit and turned and getattr(variables.get(turned[1]), "ndim", 0) > 2:
        name = turned[1]
        return f"`.T` reverses all axes, the batch too. Swap only the last two: `{name}.transpose(-2, -1)`."
    if misfit and re.search(r"\b(q|query)\w* @ (k|keys?)\b(?!\.)", line):
        return "To compare every query with every key, swap the key's last two axes: `key.transpose(-2, -1)`."
    if re.search(r"mask", line) and re.search(r"size of tensor|broadcast", message):
        return "The mask doesn't fit the scores: it needs a row for each query and a column for each key."
    if re.search(r"\b(max|min)\(", line) and "Boolean value of Tensor" in message:
        return "`max` and `min` compare two whole objects. Use `.clamp(min=...)` or `torch.maximum`."
    if re.search(r"\.grad\b(?!\()", line) and "NoneType" in message:
        return "Only the tensor on which you called `requires_grad_()` has a `.grad`, after `backward`."
    elementwise = re.search(r"\+|(?<!\*)\*(?!\*)", line)
    if re.search(r"@|matmul|bmm", line) and not elementwise and "size of tensor b" in message:
        message = "shapes cannot be multiplied"  # torch says the same of + and of @
    if not call and re.search(r"positional argument|unexpected keyword", message):
        return "A function on this line got other arguments than it takes: count them, and check their names."
    for pattern, hint in HINTS.items():
        if re.search(pattern, message, re.IGNORECASE):
            return hint.replace("{call}", call)
    return ""


def their_frame(traceback: TracebackType | None) -> tuple[FrameType, int] | None:
    """The learner's own innermost frame and the line in it."""
    found = None
    while traceback is not None:
        if is_theirs(traceback.tb_frame.f_code.co_filename):
            found = traceback.tb_frame, traceback.tb_lineno
        traceback = traceback.tb_next
    return found


def is_theirs(filename: str) -> bool:
    if filename.startswith("<"):
        return filename in ("<stdin>", "<string>") or filename.startswith("<ipython-input")
    return not filename.startswith(LIBRARIES)


def shapes_of(named: dict) -> str:
    """`query` is (3, 5, 4), `key` is (3, 7, 4)."""
    tensors = {name: value for name, value in named.items() if isinstance(value, Tensor)}
    return ", ".join(f"`{name}` is {shape(value)}" for name, value in tensors.items())


def _indent(text: str) -> str:
    return "\n".join("    " + line for line in text.splitlines() if line.strip())
