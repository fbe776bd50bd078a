"""Run a learner's code, and say in words that help what went wrong in it."""

import linecache
import os
import re
import sysconfig
import warnings
from pathlib import Path
from types import TracebackType

import torch
from torch import Tensor

from attnbook.exercises.verdict import Unfinished, Wrong

LIBRARIES = tuple(
    str(Path(folder)) + os.sep
    for folder in {str(Path(__file__).parents[1]), *map(sysconfig.get_path, ("stdlib", "purelib", "platlib"))}
)

# What the error says -> what usually lies behind it. The first that fits is shown.
HINTS = (
    (r"ellipsis", "A `...` is still in your code: fill in that line too."),
    (
        r"is not defined",
        "Python does not know this name. Run the cell that defines or imports it, or mend the spelling.",
    ),
    (
        r"positional argument|unexpected keyword",
        "The check calls your function as `{call}`: take these arguments, in this order.",
    ),
    (
        r"view size is not compatible",
        "After `transpose` the numbers no longer lie in one straight line, and `view` needs that. Use "
        "`reshape`.",
    ),
    (
        r"is invalid for input of size|cannot be reshaped",
        "The new shape must hold exactly as many numbers as the old one: multiply out both.",
    ),
    (
        r"expand|size of tensor a|must match the size of tensor b|not broadcastable|be broadcast",
        "Two tensors meet element by element, and their axes, lined up from the right, are of "
        "different size. `unsqueeze` gives a tensor an axis of size 1 that stretches to fit: "
        "`(B, T, 1, h) + (B, 1, S, h)` is `(B, T, S, h)`.",
    ),
    (
        r"(batch1|batch2|self|mat2) must be a (2D|3D|matrix)|3D tensor|2D tensors",
        "`bmm` takes exactly three axes and `mm` exactly two; `@` takes any number and treats all but "
        "the last two as batch.",
    ),
    (
        r"same device|on device",
        "Your code and the check's tensors are on different devices; the check uses the CPU. Make new "
        "tensors from those you get: `torch.zeros_like(...)`, or give `device=query.device`.",
    ),
    (
        r"dtype|scalar type",
        "The tensors differ in dtype. Make new ones from those you get: `torch.zeros(..., "
        "dtype=query.dtype)`, `torch.zeros_like(...)`.",
    ),
    (
        r"cannot be multiplied|Expected size for first two dim|size mismatch|mismatch in its core dim",
        "`A @ B` needs the last axis of A to be as long as the last but one of B. To meet every key "
        "with every query, swap the key's last two axes only: `key.transpose(-2, -1)`.",
    ),
    (
        r"`-` operator, with a bool|bool tensor is not supported|only supports boolean masks",
        "A mask is boolean: turn it round with `~mask`, and use it in `masked_fill` or `torch.where`.",
    ),
    (
        r"Boolean value of Tensor",
        "`if` and `and` want one truth, and a mask holds many: use `masked_fill` or `torch.where`.",
    ),
    (
        r"out of bounds",
        "An index is larger than its axis. Axis 0 is the batch; positions are axis 1: `x[:, order]`.",
    ),
    (
        r"Dimension out of range",
        "There is no such axis. Counted from the end, -1 is the last axis and -2 the one before it.",
    ),
    (
        r"'?tuple'? object|'tuple'",
        "Something here is a tuple. Does a function of yours return `(output, weights)`? Then take it "
        "apart first.",
    ),
    (
        r"does not require grad",
        "Autograd has to be told which tensor to watch, before it is used: `x = x.clone().requires_grad_()`.",
    ),
    (
        r"only for scalar outputs",
        "A gradient is taken of one number: choose it first, for instance with `.sum()`.",
    ),
    (r"NoneType", "Something here is None. Does a function of yours forget its `return`?"),
    (r"recursion", "Your function calls itself without end."),
)


def run(function, inputs: dict, call: str):
    """Call a learner's function on copies; return what it gave and the names of inputs that it changed."""
    copies = {name: value.clone() if isinstance(value, Tensor) else value for name, value in inputs.items()}
    try:
        with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.default_generator.manual_seed(0)  # a GPU's random state is not ours to reset
            result = function(*copies.values())
    except (Exception, SystemExit) as error:
        raise Wrong(explain(error, inputs, call)) from None
    tensors = {name: value for name, value in inputs.items() if isinstance(value, Tensor)}
    changed = {name for name, value in tensors.items() if not _same(copies[name], value)}
    if result is ...:
        raise Unfinished("Not done yet: your function still returns `...`.")
    return result, changed


def _same(copy: Tensor, original: Tensor) -> bool:
    return copy.shape == original.shape and copy.dtype == original.dtype and torch.equal(copy, original)


def explain(error: BaseException, inputs: dict, call: str) -> str:
    """Kind and message of an error, the learner's own line, the shapes there, and a hint."""
    message = str(error).strip() or "(no message)"
    if len(message) > 600:
        message = message[:600] + " …"
    parts = [f"Your code stopped with `{type(error).__name__}`:", _indent(message)]
    frame = their_frame(error.__traceback__)
    if frame is not None:
        number, function, line, shapes = frame
        parts += (
            [f"at line {number} of your code, in `{function}`:", _indent(line)]
            if line
            else [f"at line {number} of your code."]
        )
        parts += [f"There, {shapes}."] if shapes else []
    else:
        parts += [f"The inputs: {shapes_of(inputs)}."] if shapes_of(inputs) else []
    hint = hint_for(message, frame[2] if frame else "", call)
    return "\n\n".join(parts + ([hint] if hint else []))


def hint_for(message: str, line: str, call: str) -> str:
    if re.search(r"@\s*W_output", line) and re.search(r"multiplied|size of tensor b", message):
        return "Lay the heads side by side again, (B, T, D), before `@ W_output`."
    if re.search(r"\.T\b", line) and re.search(r"multiplied|Expected size|must match|\.T", message):
        return "`.T` turns every axis round, the batch too. Swap the last two only: `key.transpose(-2, -1)`."
    if re.search(r"mask", line) and re.search(r"size of tensor|broadcast", message):
        return "The mask doesn't fit the scores: it needs a row for each query and a column for each key."
    if re.search(r"@|matmul|bmm", line) and "+" not in line and "size of tensor b" in message:
        message = "shapes cannot be multiplied"  # torch says the same of + and of @
    for pattern, hint in HINTS:
        if re.search(pattern, message, re.IGNORECASE):
            return hint.replace("{call}", call)
    return ""


def their_frame(traceback: TracebackType | None) -> tuple[int, str, str, str] | None:
    """The learner's own innermost frame: line number, function, source line, tensor shapes."""
    found = None
    while traceback is not None:
        code = traceback.tb_frame.f_code
        if is_theirs(code.co_filename):
            line = linecache.getline(code.co_filename, traceback.tb_lineno).strip()
            found = traceback.tb_lineno, code.co_name, line, shapes_of(traceback.tb_frame.f_locals)
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


def shape(value: Tensor) -> str:
    return str(tuple(value.shape))


def _indent(text: str) -> str:
    return "\n".join("    " + line for line in text.splitlines() if line.strip())
