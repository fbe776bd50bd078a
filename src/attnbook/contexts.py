"""What a decoder may read of the source at each step: one vector, or an average that attention weights.

Each class takes the embedded tokens `(B, T, D)`, the decoder's vectors `(B, T, D)` and the memory, and gives
the context `(B, T, D)` and the weights that made it. Chapters 1 and 3 compare them.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from attnbook.arguments import require_sizes
from attnbook.attention import AdditiveAttention, Attn, DotAttention

__all__ = ["CONTEXTS", "ArticleContext", "ContentContext", "FixedContext", "Memory"]


@dataclass(frozen=True)
class Memory:
    """What the encoder passes to the decoder; `outputs` are zero where `mask` is False, at the padding."""

    outputs: Float[Tensor, "B S D"]
    mask: Bool[Tensor, "B S"]
    summary: Float[Tensor, "B D"]

    def select(self, rows: Int[Tensor, " R"]) -> "Memory":
        """The memory of the given rows of the batch, in that order; a row may be given more than once."""
        return Memory(*(getattr(self, field.name)[rows] for field in fields(self)))


class FixedContext(nn.Module):
    """No attention: at every step the same vector, the encoder's summary, however long the source was."""

    def forward(
        self, embedded: Float[Tensor, "B T D"], hidden: Float[Tensor, "B T D"], memory: Memory
    ) -> tuple[Float[Tensor, "B T D"], None]:
        return memory.summary[:, None].expand_as(hidden), None  # (B, T, D)


class BatchedAttn(Attn):
    """The article's `Attn` for a whole batch at once; `Attn` itself takes one sequence at a time.

    Q `(B, T, query_size)`, K `(B, T, key_size)` and V `(B, value_size1, value_size2)` give the output
    `(B, T, output_size)` and weights `(B, T, value_size1)`.
    """

    def forward(
        self, Q: Float[Tensor, "B T Dq"], K: Float[Tensor, "B T Dk"], V: Float[Tensor, "B S Dv"]
    ) -> tuple[Float[Tensor, "B T Do"], Float[Tensor, "B T S"]]:
        pair = torch.cat((Q, K), dim=-1)  # (B, T, Dq + Dk)
        weights = self.attn(pair).softmax(dim=-1)  # (B, T, value_size1)
        combined = torch.cat((Q, weights @ V), dim=-1)  # (B, T, Dq + Dv)
        return self.attn_combine(combined), weights


class ArticleContext(nn.Module):
    """The article's `Attn`, used as early PyTorch translation tutorials used it, for a whole batch at once.

    Its query is the embedded token, its key the decoder's hidden state, its values are the encoder's
    outputs and then zeros, up to `length`. The weights `(B, T, length)` include those empty positions.
    """

    def __init__(self, d_model: int, length: int) -> None:
        super().__init__()
        require_sizes(d_model=d_model, length=length)
        self.attn = BatchedAttn(d_model, d_model, length, d_model, d_model)

    def forward(
        self, embedded: Float[Tensor, "B T D"], hidden: Float[Tensor, "B T D"], memory: Memory
    ) -> tuple[Float[Tensor, "B T D"], Float[Tensor, "B T N"]]:
        empty = self.attn.value_size1 - memory.outputs.shape[1]
        values = F.pad(memory.outputs, (0, 0, 0, empty))  # (B, length, D)
        return self.attn(embedded, hidden, values)  # (B, T, D), (B, T, length)


class ContentContext(nn.Module):
    """Attention that compares: the decoder's hidden state with each of the encoder's outputs."""

    def __init__(self, attention: AdditiveAttention | DotAttention) -> None:
        super().__init__()
        self.attention = attention

    def forward(
        self, embedded: Float[Tensor, "B T D"], hidden: Float[Tensor, "B T D"], memory: Memory
    ) -> tuple[Float[Tensor, "B T D"], Float[Tensor, "B T S"]]:
        return self.attention(hidden, memory.outputs, memory.outputs, memory.mask[:, None])


CONTEXTS: dict[str | None, Callable[[int, int | None], nn.Module]] = {
    None: lambda d_model, length: FixedContext(),
    "article": ArticleContext,
    "additive": lambda d_model, length: ContentContext(AdditiveAttention(d_model, d_model, d_model)),
    "dot": lambda d_model, length: ContentContext(DotAttention()),
}
"""Builders of the contexts by name: `CONTEXTS["dot"](d_model, length)`; None stands for no attention."""

torch.export.register_dataclass(Memory)
