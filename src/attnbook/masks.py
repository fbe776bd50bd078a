"""Who may attend to whom. Masks are boolean; True = may attend."""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from attnbook.checks import positive, wrong_shape


def causal_mask(length: int, device: torch.device | str | None = None) -> Bool[Tensor, "T T"]:
    """Let each position attend to itself and to what came before it.

    $m_{ts} = (s \\le t)$. The decoder's mask (Vaswani et al. 2017, §3.2.3).

    Returns `(length, length)`, lower triangle True. Raises `ValueError` for a length below 1.
    """
    positive(length=length)
    return torch.ones(length, length, dtype=torch.bool, device=device).tril()


def padding_mask(ids: Int[Tensor, "B S"], pad: int) -> Bool[Tensor, "B 1 1 S"]:
    """Let every query attend to the real tokens of its sequence, never to padding.

    $m_{bs} = (\\mathrm{ids}_{bs} \\ne \\mathrm{pad})$, for all heads and queries alike.

    Takes token ids `(B, S)`; returns `(B, 1, 1, S)`. Raises `ValueError` where ids are not `(B, S)`,
    `TypeError` where they are not whole numbers.
    """
    if ids.dim() != 2:
        raise wrong_shape("ids", ids.shape, "(B, S)")
    if ids.is_floating_point() or ids.dtype == torch.bool:
        raise TypeError(f"ids: wanted whole numbers (token ids), got {ids.dtype}")
    return (ids != pad)[:, None, None, :]


def fit_mask(mask: Tensor | None, shape: Sequence[int]) -> Tensor | None:
    """The mask, checked against the weights' shape `(…, T, S)` that it has to broadcast to.

    Without heads, `(B, T, S)`, a mask with one for all of them, `(B, 1, T, S)`, is meant too.
    Raises `TypeError` for a mask that is not boolean, `ValueError` for one that does not fit.
    """
    if mask is None:
        return None
    if not isinstance(mask, Tensor) or mask.dtype != torch.bool:
        raise TypeError(f"mask: wanted a boolean tensor, True = may attend, got {describe(mask)}")
    original = mask.shape
    if mask.dim() == 4 and len(shape) == 3 and mask.shape[1] == 1:
        mask = mask.squeeze(1)  # (B, 1, T, S) -> (B, T, S)
    fits = mask.dim() <= len(shape) and all(
        have in (1, want) for have, want in zip(reversed(mask.shape), reversed(shape), strict=False)
    )
    if not fits:
        raise wrong_shape("mask", original, f"that broadcasts to {tuple(shape)}")
    return mask


def describe(thing: object) -> str:
    """A few words on what came in place of a mask."""
    return str(thing.dtype) if isinstance(thing, Tensor) else type(thing).__name__
