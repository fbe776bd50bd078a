"""Token embeddings and positions. Chapter 7 explains this file."""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from attnbook.arguments import (
    require_flags,
    require_floats,
    require_ids,
    require_number,
    require_sizes,
    require_vectors,
    require_whole,
    wrong_shape,
)


class Embeddings(nn.Module):
    """The article's class: look up a row for each id and multiply it by √d_model.

    $x_{bt} = \\sqrt{d_{model}} \\; E_{\\mathrm{id}_{bt}}$ (Vaswani et al. 2017, §3.4).

    Takes ids `(…)` below `vocab`; returns `(…, d_model)`. Raises `ValueError` for an id outside the
    vocabulary, `TypeError` for ids that are not whole numbers.
    """

    def __init__(self, d_model: int, vocab: int) -> None:
        super().__init__()
        require_sizes(d_model=d_model, vocab=vocab)
        self.lut = nn.Embedding(vocab, d_model)
        self.d_model = d_model

    def forward(self, x: Int[Tensor, "..."]) -> Float[Tensor, "... D"]:
        require_ids("x", x, self.lut.num_embeddings)
        return self.lut(x) * math.sqrt(self.d_model)  # (…, D)


def sinusoids(length: int, d_model: int) -> Float[Tensor, "T D"]:
    """The paper's table of positions: sines and cosines of geometrically growing wavelengths.

    $P_{t,2i} = \\sin(t / 10000^{2i/D})$, $P_{t,2i+1} = \\cos(t / 10000^{2i/D})$ (Vaswani et al. 2017, §3.5).

    Returns `(length, d_model)`. Raises `ValueError` for sizes below 1.
    """
    require_sizes(length=length, d_model=d_model)
    position = torch.arange(length, dtype=torch.float64)[:, None]  # (T, 1)
    column = torch.arange(d_model)  # (D,)
    angle = position / 10000 ** (2 * (column // 2) / d_model)  # (T, D)
    table = torch.where(column % 2 == 0, angle.sin(), angle.cos())
    return table.to(torch.get_default_dtype())


class SinusoidalPositions(nn.Module):
    """Add to each vector the fixed sinusoid of its position; nothing is learned.

    Takes `(B, T, D)` and `offset`, the position of the first vector; returns `(B, T, D)`.
    Raises `ValueError` past `max_length`.
    """

    def __init__(self, d_model: int, max_length: int = 512) -> None:
        super().__init__()
        require_sizes(d_model=d_model, max_length=max_length)
        self.register_buffer("table", sinusoids(max_length, d_model), persistent=False)
        self.register_load_state_dict_post_hook(fill_table)

    def reset_parameters(self) -> None:
        """Compute the table again, for a model that was built on the meta device."""
        self.table.copy_(sinusoids(*self.table.shape))

    def forward(
        self,
        x: Float[Tensor, "B T D"],
        offset: int = 0,
    ) -> Float[Tensor, "B T D"]:
        return x + rows(self.table, x, offset)


class LearnedPositions(nn.Module):
    """Add to each vector a learned vector for its position (Gehring et al. 2017; BERT).

    Takes `(B, T, D)` and `offset`, the position of the first vector; returns `(B, T, D)`.
    Raises `ValueError` past `max_length`.
    """

    def __init__(self, d_model: int, max_length: int = 512) -> None:
        super().__init__()
        require_sizes(d_model=d_model, max_length=max_length)
        self.table = nn.Parameter(torch.empty(max_length, d_model))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialize the table from N(0, 1/d_model)."""
        nn.init.normal_(self.table, std=self.table.shape[1] ** -0.5)

    def forward(
        self,
        x: Float[Tensor, "B T D"],
        offset: int = 0,
    ) -> Float[Tensor, "B T D"]:
        return x + rows(self.table, x, offset)


Angles = tuple[Float[Tensor, "T d"], Float[Tensor, "T d"]]  # cosines and signed sines


class RotaryPositions(nn.Module):
    """Rotate pairs of a query's or key's features by an angle proportional to the position (RoPE).

    At position $t$, pair $i$ is rotated by $t\\,\\theta_i$, $\\theta_i = b^{-2i/d}$. The dot product of a
    query and a key then depends on their positions only through the distance (Su et al. 2021, §3.2).

    Takes `(B, H, T, d)` and `offset`, the position of the first; returns `(B, H, T, d)`. A pair is
    $(i, i + d/2)$ or, `interleaved`, $(2i, 2i + 1)$: the same rotation, with the features in another
    order. Nothing is learned. A model with many layers computes the `angles` of its positions only once.
    Raises `ValueError` for an odd `d` and a `base` not above 1.
    """

    def __init__(self, d: int, base: float = 10_000.0, interleaved: bool = False) -> None:
        super().__init__()
        require_sizes(d=d)
        if d % 2:
            raise ValueError(f"d: wanted an even number, since features are rotated in pairs, got {d}")
        require_number(1, base=base)
        require_flags(interleaved=interleaved)
        self.d, self.base, self.interleaved = d, base, interleaved

    def forward(
        self, x: Float[Tensor, "B H T d"], offset: int = 0, angles: Angles | None = None
    ) -> Float[Tensor, "B H T d"]:
        require_floats("x", x)
        if x.dim() != 4 or x.shape[-1] != self.d:
            raise wrong_shape("x", x.shape, f"(B, H, T, {self.d})")
        cos, sin = self.angles(x, offset, x.shape[2]) if angles is None else angles  # (T, d) each
        if cos.shape != x.shape[2:]:
            raise wrong_shape("angles", cos.shape, f"{tuple(x.shape[2:])}")
        # (a, b) becomes (a cos - b sin, b cos + a sin): each feature is combined with the other of its pair.
        if self.interleaved:
            others = x.unflatten(-1, (-1, 2)).flip(-1).flatten(-2)  # (B, H, T, d)
        else:
            others = x.roll(self.d // 2, -1)  # (B, H, T, d)
        return x * cos + others * sin

    def angles(self, x: Float[Tensor, "..."], offset: int, length: int) -> Angles:
        """Each feature's cosine and signed sine at T = `length` positions, with the dtype of `x`."""
        require_whole(None, offset=offset)
        # Angles are computed in at least 32 bits: in 16, large positions would be rounded.
        exact = {"dtype": torch.promote_types(x.dtype, torch.float32), "device": x.device}
        speed = self.base ** (-torch.arange(0, self.d, 2, **exact) / self.d)  # (d / 2,)
        position = torch.arange(offset, offset + length, **exact)[:, None]  # (T, 1)
        cos, sin = ((position * speed).cos().to(x), (position * speed).sin().to(x))  # (T, d / 2) each
        axis = -1 if self.interleaved else -2
        return torch.stack((cos, cos), axis).flatten(-2), torch.stack((-sin, sin), axis).flatten(-2)


def fill_table(positions: SinusoidalPositions, keys: object) -> None:
    """After `load_state_dict`: compute the table, since no state dict contains it.

    A model that was built on the meta device may still have its table there, or memory without values.
    """
    if positions.table.is_meta:
        positions.table = torch.empty_like(positions.table, device="cpu")
    positions.reset_parameters()


def rows(table: Float[Tensor, "L D"], x: Float[Tensor, "B T D"], offset: int) -> Float[Tensor, "T D"]:
    """The table's rows for the positions of `x`; raises `ValueError` for positions outside the table."""
    require_vectors("x", x, table.shape[1])
    require_whole(None, offset=offset)
    last = offset + x.shape[1]
    if offset < 0 or last > len(table):
        wanted = f"wanted 0 to {len(table) - 1}: max_length is {len(table)}"
        raise ValueError(f"x: got positions {offset} to {last - 1}, {wanted}")
    return table[offset:last]
