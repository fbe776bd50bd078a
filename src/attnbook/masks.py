"""Masks: which positions may attend to which. They are boolean; True = may attend."""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from attnbook.arguments import require_sizes, require_whole, wrong_shape


def causal_mask(length: int, device: torch.device | str | None = None) -> Bool[Tensor, "T T"]:
    """Let each position attend to itself and to all earlier positions.

    $m_{ts} = (s \\le t)$. The decoder's mask (Vaswani et al. 2017, §3.2.3).

    Returns `(length, length)`, True on and below the diagonal. Raises `ValueError` for a length below 1.

    Attention recognizes this very tensor as a row for each query. What is computed from it (`.to(device)`,
    `.clone()`, a slice, `&`) has lost that mark and is refused as ambiguous for as many sequences as
    queries: make the mask on its `device`, or say which axis is which with `mask[None, None]`.
    """
    require_sizes(length=length)
    mask = torch.ones(length, length, dtype=torch.bool, device=device).tril()
    mask.axes = "TS"
    return mask


def padding_mask(ids: Int[Tensor, "B S"], pad: int) -> Bool[Tensor, "B 1 1 S"]:
    """Let every query attend to the real tokens of its sequence, but not to padding.

    $m_{bs} = (\\mathrm{ids}_{bs} \\ne \\mathrm{pad})$, the same for all heads and queries.

    Takes token ids `(B, S)`; returns `(B, 1, 1, S)`. Raises `ValueError` if ids are not `(B, S)` and
    for a `pad` that is not a whole number, `TypeError` for ids that are not whole numbers.
    """
    require_whole(None, pad=pad)
    if not isinstance(ids, Tensor):
        raise TypeError(f"ids: wanted a tensor of whole numbers (token ids), got {type(ids).__name__}")
    if ids.dim() != 2:
        raise wrong_shape("ids", ids.shape, "(B, S)")
    if ids.is_floating_point() or ids.dtype == torch.bool:
        raise TypeError(f"ids: wanted whole numbers (token ids), got {ids.dtype}")
    return (ids != pad)[:, None, None, :]


def fit_mask(mask: Tensor | None, shape: Sequence[int]) -> Tensor | None:
    """The mask with the axes it needs to broadcast to weights of the given shape, `(…, T, S)`.

    For weights `(B, H, T, S)`, a mask `(B, T, S)`, one per sequence, gets an axis for the heads. For weights
    `(B, T, S)`, which have no heads, a mask `(B, 1, T, S)` loses it. Raises `TypeError` for a mask that is
    not boolean, `ValueError` for one that does not fit or is ambiguous.
    """
    if mask is None:
        return None
    if not isinstance(mask, Tensor) or mask.dtype != torch.bool:
        got = mask.dtype if isinstance(mask, Tensor) else type(mask).__name__
        raise TypeError(f"mask: wanted a boolean tensor, True = may attend, got {got}")
    given = mask
    if mask.dim() == 4 and len(shape) == 3 and mask.shape[1] == 1:
        mask = mask.squeeze(1)  # (B, 1, T, S) -> (B, T, S)
    elif mask.dim() == 3 and len(shape) == 4 and for_each_sequence(mask, shape):
        mask = mask.unsqueeze(1)  # (B, T, S) -> (B, 1, T, S)
    elif mask.dim() == 2 and len(shape) in (3, 4):
        refuse_rows_for_sequences(mask, shape)
    if not broadcasts(mask.shape, shape):
        raise ValueError(
            f"mask: wanted shape that broadcasts to {tuple(shape)}, got {tuple(given.shape)}"
            + likely_meant(given, shape)
        )
    return mask.reshape((1,) * (2 - mask.dim()) + mask.shape)  # torch's fused kernel wants two axes


def broadcasts(got: Sequence[int], wanted: Sequence[int]) -> bool:
    """Whether a tensor of shape `got` broadcasts to exactly the shape `wanted`."""
    sizes = zip(reversed(got), reversed(wanted), strict=False)
    return len(got) <= len(wanted) and all(have in (1, want) for have, want in sizes)


def exporting() -> bool:
    """Whether `torch.export` traces this call: comparing two lengths would add a guard that they differ."""
    return getattr(torch.compiler, "is_exporting", torch.compiler.is_compiling)()


def for_each_sequence(mask: Tensor, shape: Sequence[int]) -> bool:
    """Whether the first of a mask's three axes counts sequences rather than heads."""
    (batch, heads, queries, keys), first = shape, mask.shape[0]
    if first == 1 or first != batch or not broadcasts(mask.shape[1:], shape[2:]):
        return False
    if not exporting() and heads == batch:
        raise ValueError(
            f"mask: got shape {tuple(mask.shape)}, which for {batch} sequences and {heads} heads could mean "
            f"either; wanted ({batch}, 1, {queries}, {keys}), one for each sequence: mask[:, None], or "
            f"(1, {heads}, {queries}, {keys}), one for each head: mask[None]"
        )
    return True


def refuse_rows_for_sequences(mask: Tensor, shape: Sequence[int]) -> None:
    """Raise `ValueError` if a mask `(T, S)` might have been meant as `(B, S)`, one row per sequence."""
    if getattr(mask, "axes", None) == "TS" or exporting():
        return
    batch, queries, keys = shape[0], shape[-2], shape[-1]
    if mask.shape[0] == batch == queries > 1 and mask.shape[1] in (1, keys):
        heads = (1,) * (len(shape) - 3)
        ours, theirs = (1, *heads, queries, keys), (batch, *heads, 1, keys)
        nones = ", None" * len(heads)
        raise ValueError(
            f"mask: got shape {tuple(mask.shape)}, which for {batch} sequences of {queries} queries could "
            f"mean either; wanted {ours}, a row for each query: mask[None{nones}], or "
            f"{theirs}, a row for each sequence: mask[:, None{nones}]"
        )


def likely_meant(mask: Tensor, shape: Sequence[int]) -> str:
    """For a mask in another library's shape: how to convert it, as the end of an error message."""
    got = tuple(mask.shape)
    if len(shape) == 4 and got == (shape[0] * shape[1], *shape[2:]):
        return f"; one for each sequence and head is mask.unflatten(0, {tuple(shape[:2])})"
    if len(shape) in (3, 4) and got == (shape[0], shape[-1]):
        nones = ", ".join(["None"] * (len(shape) - 2))
        return f"; one row for each sequence is mask[:, {nones}]"
    return ""
