"""Ablate attention heads. Chapter 8 uses this."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager

from torch import Tensor, nn

from attnbook.arguments import is_whole
from attnbook.attention import MultiHeadAttention

__all__ = ["ablate"]

Head = tuple[int, int] | tuple[str, int, int]
ZERO, MEAN = "zero", "mean"
# For each kind of attention, named as in `Attentions`: the stack that has it, and its attribute in a layer.
KINDS = {
    "encoder": ("encoder", "self_attention"),
    "decoder": ("decoder", "self_attention"),
    "cross": ("decoder", "cross_attention"),
}


@contextmanager
def ablate(model: nn.Module, heads: Iterable[Head] | Mapping[Head, str]) -> Iterator[None]:
    """Inside the block, these heads output zeros, or the mean of the values they may attend to.

    "zero" sets $\\mathrm{head}_i = 0$; "mean" makes the head's weights uniform over all keys that the mask
    allows. All other heads work as before, also in cached decoding.

    `heads` are pairs `(layer, head)`, counted from 0, or triples `("encoder", layer, head)`,
    `("decoder", …)`, `("cross", …)` for a model with several kinds of attention, such as `Transformer`. A
    mapping gives each head its replacement, "zero" or "mean"; without one, heads are set to zero. The model
    is restored after the block, even if the block raises. The weights that the model returns come from its
    softmax, so a head that is set to zero still shows what it attends to.

    Raises `TypeError` for a model without layers of multi-head attention, `ValueError` for a head that the
    model does not have and for an unknown replacement. (Head ablation: Michel et al. 2019.)
    """
    if isinstance(heads, str) or not isinstance(heads, Iterable):
        raise TypeError(f"heads: wanted a list of heads, such as [(0, 1)], or a mapping, got {heads!r}")
    replacements = heads.items() if isinstance(heads, Mapping) else [(head, ZERO) for head in heads]
    chosen: dict[tuple[MultiHeadAttention, str], list[int]] = defaultdict(list)
    stacks = attention_stacks(model)
    for head, replacement in replacements:
        if replacement not in (ZERO, MEAN):
            raise ValueError(f"heads: wanted {ZERO!r} or {MEAN!r} for {head}, got {replacement!r}")
        attention, number = find_head(stacks, head)
        chosen[attention, replacement].append(number)
    with ExitStack() as hooks:
        for (attention, replacement), numbers in chosen.items():
            hooks.callback(switch_off(attention, numbers, replacement).remove)
        yield


def attention_stacks(model: nn.Module) -> dict[str, list[MultiHeadAttention]]:
    """The multi-head attention modules of the model: for each kind, one per layer."""
    stacks = {}
    for kind, (stack, part) in KINDS.items():
        layers = getattr(getattr(model, stack, None), "layers", None)
        if layers is None and not stacks and hasattr(model, "layers") and hasattr(model.layers[0], part):
            layers = model.layers  # the model itself is a stack
        found = [getattr(layer, part, None) for layer in layers or ()]
        if found and all(isinstance(attention, MultiHeadAttention) for attention in found):
            stacks[kind] = found
    if not stacks:
        raise TypeError(f"model: wanted one with layers of multi-head attention, got {type(model).__name__}")
    return stacks


def find_head(stacks: dict[str, list[MultiHeadAttention]], head: Head) -> tuple[MultiHeadAttention, int]:
    """The attention module that a head belongs to, and the head's index in it."""
    kinds = " or ".join(repr(kind) for kind in stacks)
    whole = isinstance(head, tuple) and all(map(is_whole, head[-2:]))
    if not whole or not (len(head) == 2 or (len(head) == 3 and head[0] in stacks)):
        raise ValueError(f"heads: wanted (layer, head) or (kind, layer, head) with {kinds}, got {head!r}")
    if len(head) == 2 and len(stacks) > 1:
        raise ValueError(f"heads: wanted {kinds} as the first element, such as ('cross', 0, 0), got {head!r}")
    kind, (layer, number) = (head[0] if len(head) == 3 else next(iter(stacks))), head[-2:]
    layers = stacks[kind]
    if not (0 <= layer < len(layers) and 0 <= number < layers[layer].num_heads):
        most = f"layers 0 to {len(layers) - 1} and heads 0 to {layers[0].num_heads - 1}"
        raise ValueError(f"heads: {kind} has {most}, got {head!r}")
    return layers[layer], number


def switch_off(attention: MultiHeadAttention, numbers: list[int], replacement: str):
    """Ablate heads of one attention module with a hook; the returned handle's `remove` undoes it."""

    def without(x: Tensor) -> Tensor:
        """`(B, T, D)` with the features of these heads set to zero."""
        heads = x.unflatten(-1, (attention.num_heads, -1)).clone()  # (B, T, H, d)
        heads[..., numbers, :] = 0.0
        return heads.flatten(-2)

    if replacement == MEAN:  # a zero query scores 0 with every key: uniform weights
        return attention.query.register_forward_hook(lambda layer, inputs, output: without(output))
    return attention.output.register_forward_pre_hook(lambda layer, inputs: (without(inputs[0]),))
