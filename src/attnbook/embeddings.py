"""From ids to vectors, and the position of each. Chapter 7 explains this file."""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from attnbook.arguments import require_ids, require_sizes, require_vectors


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
    """The paper's table of positions, sines and cosines at geometrically growing wavelengths.

    $P_{t,2i} = \\sin(t / 10000^{2i/D})$, $P_{t,2i+1} = \\cos(t / 10000^{2i/D})$ (Vaswani et al. 2017, §3.5).

    Returns `(length, d_model)`. Raises `ValueError` for sizes below 1.
    """
    require_sizes(length=length, d_model=d_model)
    position = torch.arange(length, dtype=torch.float64)[:, None]  # (T, 1)
    column = torch.arange(d_model)  # (D,)
    angle = position / 10000 ** (2 * (column // 2) / d_model)  # (T, D)
    return torch.where(column % 2 == 0, angle.sin(), angle.cos()).to(torch.get_default_dtype())


class SinusoidalPositions(nn.Module):
    """Add to each vector the fixed sinusoid of its position; nothing is learned.

    Takes `(B, T, D)` and the position of the first, `offset`; returns `(B, T, D)`.
    Raises `ValueError` past `max_length`.
    """

    def __init__(self, d_model: int, max_length: int = 512) -> None:
        super().__init__()
        require_sizes(d_model=d_model, max_length=max_length)
        self.register_buffer("table", sinusoids(max_length, d_model), persistent=False)
        self.register_load_state_dict_post_hook(fill_table)

    def reset_parameters(self) -> None:
        """Compute the table anew, for a model that was built on the meta device."""
        self.table.copy_(sinusoids(*self.table.shape))

    def forward(self, x: Float[Tensor, "B T D"], offset: int = 0) -> Float[Tensor, "B T D"]:
        return x + rows(self.table, x, offset)


class LearnedPositions(nn.Module):
    """Add to each vector a learned one for its position (Gehring et al. 2017; BERT).

    Takes `(B, T, D)` and the position of the first, `offset`; returns `(B, T, D)`.
    Raises `ValueError` past `max_length`.
    """

    def __init__(self, d_model: int, max_length: int = 512) -> None:
        super().__init__()
        require_sizes(d_model=d_model, max_length=max_length)
        self.table = nn.Parameter(torch.empty(max_length, d_model))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the table from N(0, 1/d_model)."""
        nn.init.normal_(self.table, std=self.table.shape[1] ** -0.5)

    def forward(self, x: Float[Tensor, "B T D"], offset: int = 0) -> Float[Tensor, "B T D"]:
        return x + rows(self.table, x, offset)


def fill_table(positions: SinusoidalPositions, keys: object) -> None:
    """After `load_state_dict`: compute the table if it is still on the meta device. No file holds it."""
    if positions.table.is_meta:
        positions.table = sinusoids(*positions.table.shape).to(positions.table.dtype)


def rows(table: Float[Tensor, "L D"], x: Float[Tensor, "B T D"], offset: int) -> Float[Tensor, "T D"]:
    """The table's rows for the positions of `x`; raises `ValueError` where it has none."""
    require_vectors("x", x, table.shape[1])
    last = offset + x.shape[1]
    if offset < 0 or last > len(table):
        raise ValueError(f"x: positions {offset} to {last - 1} asked for, max_length is {len(table)}")
    return table[offset:last]
