"""Chapter 1: a decoder that has to hear its context, and how far a gradient reaches."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from attnbook.exercises.comparing import judge_function, random, slip
from attnbook.exercises.registry import exercise

# --- 1.4 ---------------------------------------------------------------------------------------------------


class _Cell(nn.Module):
    """A recurrent cell made up for the check: $\\tanh(x U + h W)$."""

    def __init__(self, width: int, size: int, seed: int) -> None:
        super().__init__()
        self.register_buffer("inward", random(width, size, seed=seed))
        self.register_buffer("onward", random(size, size, seed=seed + 1) / size**0.5)

    def forward(self, x: Tensor, state: Tensor) -> Tensor:
        for name, tensor, wanted in (("x", x, self.inward), ("state", state, self.onward)):
            if tensor.dim() != 2 or tensor.shape[1] != len(wanted):
                raise ValueError(f"{name}: wanted shape (B, {len(wanted)}), got {tuple(tensor.shape)}")
        return torch.tanh(x @ self.inward.to(x.dtype) + state @ self.onward.to(x.dtype))  # (B, D)


def _decode(cell: nn.Module, context: Tensor, embedded: Tensor) -> Tensor:
    state, outputs = context, []
    for x in embedded.unbind(1):
        state = cell(x, state)
        outputs.append(state)
    return torch.stack(outputs, 1)


def _each(step: Callable) -> Callable:
    """Wrong decoding by a `step(cell, x, state, context) -> (output, state)` of its own, from zeros."""

    def decode(cell, context: Tensor, embedded: Tensor) -> Tensor:
        state, outputs = torch.zeros_like(context), []
        for x in embedded.unbind(1):
            output, state = step(cell, x, state, context)
            outputs.append(output)
        return torch.stack(outputs, 1)

    return decode


def _twice(cell, x: Tensor, state: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
    state = cell(x, state + context)
    return state, state


def _only_first(cell, context: Tensor, embedded: Tensor) -> Tensor:
    return _decode(cell, context[:1].expand_as(context), embedded)


CONTEXT_SLIPS = (
    slip(
        "The writer still starts from zeros: whatever the encoder has read, the outputs stay the same. Give "
        "it the context as its first state.",
        lambda cell, context, embedded: _decode(cell, torch.zeros_like(context), embedded),
    ),
    slip(
        "Each step starts from the context again, so nothing is carried from one token to the next. Only the "
        "first step gets the context; then `state = cell(x, state)`.",
        _each(lambda cell, x, state, context: (cell(x, context), state)),
    ),
    slip(
        "You add the context to the outputs, when the writing is already done: the cell has never heard it. "
        "It belongs in the first state.",
        lambda cell, context, embedded: _decode(cell, torch.zeros_like(context), embedded) + context[:, None],
        lambda cell, context, embedded: _decode(cell, context, embedded) + context[:, None],
    ),
    slip(
        "You add the context to the state at every step. Some models do so; here it enters once, before the "
        "first token.",
        _each(_twice),
    ),
    slip(
        "The last output was fed to no one, and the context stands among the outputs. An output is the state "
        "*after* a token: one for each of the T tokens.",
        lambda cell, context, embedded: torch.cat(
            (context[:, None], _decode(cell, context, embedded)[:, :-1]), 1
        ),
    ),
    slip(
        "These are T + 1 outputs: the context itself is the first of them. An output is the state *after* a "
        "token.",
        lambda cell, context, embedded: torch.cat((context[:, None], _decode(cell, context, embedded)), 1),
    ),
    slip(
        "This is the last state only, `(B, D)`. The writer needs one output for each token: `(B, T, D)`.",
        lambda cell, context, embedded: _decode(cell, context, embedded)[:, -1],
    ),
    slip("You gave every row of the batch the context of row 0. Each has a context of its own.", _only_first),
    slip(
        "The tokens are read from the last to the first. The writer goes forward.",
        lambda cell, context, embedded: _decode(cell, context, embedded.flip(1)),
        lambda cell, context, embedded: _decode(cell, context, embedded.flip(1)).flip(1),
    ),
)


@exercise(
    "1.4",
    "The decoder that didn't listen",
    task=(
        "write `repaired(cell, context, embedded)`: a writer whose state before the first token is the "
        "`context (B, D)`, and which then takes one step of `cell` for each token of `embedded (B, T, E)`; "
        "return all its states, `(B, T, D)`."
    ),
    praise=(
        "Another source, other outputs: the context gets in, through the one door that there is. A writer "
        "that does not listen raises no error. Only the test with two contexts gives it away."
    ),
)
def repaired(answer) -> str:
    def case(batch: int, length: int, width: int, size: int, seed: int) -> dict:
        return {
            "cell": _Cell(width, size, seed),
            "context": random(batch, size, seed=seed + 10),
            "embedded": random(batch, length, width, seed=seed + 20),
        }

    return judge_function(
        answer,
        call="repaired(cell, context, embedded)",
        cases=[case(3, 4, 5, 6, seed=100), case(2, 1, 3, 4, seed=140)],
        right=_decode,
        returns={"outputs": "(B, T, D)"},
        slips=CONTEXT_SLIPS,
    )


# --- 1.5 ---------------------------------------------------------------------------------------------------


class _Mix(nn.Module):
    """A made-up network on `(1, T, D)`: a nonlinear mix over places, by a fixed matrix `(T, T)`."""

    def __init__(self, places: Tensor) -> None:
        super().__init__()
        self.register_buffer("places", places)

    def forward(self, x: Tensor) -> Tensor:
        if x.dim() != 3 or x.shape[0] != 1:
            raise ValueError(f"network: wanted a batch of one sequence, (1, T, D), got {tuple(x.shape)}")
        width = torch.linspace(-1.0, 1.5, x.shape[-1], dtype=x.dtype)  # (D,)
        return torch.sin(self.places.to(x.dtype) @ x * width)  # (1, T, D)


def _gradient(network: nn.Module, x: Tensor, total: Callable[[Tensor], Tensor]) -> Tensor:
    x = x.detach().clone().requires_grad_()
    return torch.autograd.grad(total(network(x[None])[0]), x)[0]  # (T, D)


def _reach(network: nn.Module, x: Tensor) -> Tensor:
    return _gradient(network, x, lambda y: y[-1].sum()).norm(dim=-1)


REACH_SLIPS = (
    slip(
        "You summed all outputs: these are the gradients of all of them together. Only the last one counts: "
        "`y[0, -1].sum()`.",
        lambda network, x: _gradient(network, x, lambda y: y.sum()).norm(dim=-1),
    ),
    slip(
        "This is the reach to the *first* output. The last one is `y[0, -1]`.",
        lambda network, x: _gradient(network, x, lambda y: y[0].sum()).norm(dim=-1),
    ),
    slip(
        "You added up each gradient's numbers; positive and negative ones cancel. The length of a vector is "
        "the root of the sum of its squares: `norm(dim=-1)`.",
        lambda network, x: _gradient(network, x, lambda y: y[-1].sum()).sum(-1),
        lambda network, x: _gradient(network, x, lambda y: y[-1].sum()).sum(-1).abs(),
        lambda network, x: _gradient(network, x, lambda y: y[-1].sum()).mean(-1),
    ),
    slip(
        "These are the squares of the lengths. The root is missing.",
        lambda network, x: _gradient(network, x, lambda y: y[-1].sum()).square().sum(-1),
    ),
    slip(
        "You added up the absolute values. The length of a vector is the root of the sum of its squares.",
        lambda network, x: _gradient(network, x, lambda y: y[-1].sum()).abs().sum(-1),
    ),
    slip(
        "This is the largest entry of each gradient. The length takes all of them: `norm(dim=-1)`.",
        lambda network, x: _gradient(network, x, lambda y: y[-1].sum()).abs().amax(-1),
    ),
    slip(
        "This is one length for all places together. Keep the places apart: `norm(dim=-1)` runs over the "
        "features only.",
        lambda network, x: _gradient(network, x, lambda y: y[-1].sum()).norm(),
    ),
    slip(
        "These are lengths along the places, one for each feature. The features are the last axis: "
        "`norm(dim=-1)`.",
        lambda network, x: _gradient(network, x, lambda y: y[-1].sum()).norm(dim=0),
    ),
    slip(
        "These are the gradients themselves, `(T, D)`. One length for each place is wanted: `norm(dim=-1)`.",
        lambda network, x: _gradient(network, x, lambda y: y[-1].sum()),
    ),
    slip(
        "These are the lengths of the outputs, not of a gradient.",
        lambda network, x: network(x[None])[0].norm(dim=-1),
    ),
    slip(
        "The gradient's batch axis is still there, `(1, T)`. Take it off: `[0]`.",
        lambda network, x: _reach(network, x)[None],
    ),
)


@exercise(
    "1.5",
    "How far does it reach?",
    task=(
        "write `reach(network, x)`: for x `(T, D)` and a network from `(1, T, D)` to `(1, T, D)`, return for "
        "each of the T places the length of the gradient of the sum of the last output, `(T,)`."
    ),
    praise=(
        "Your instrument works on networks that it has never seen. What it shows is how much a small change "
        "at a place moves the last output, and so how much that place can learn from an error there."
    ),
)
def reach(answer) -> str:
    def network(length: int, seed: int) -> Tensor:
        return random(length, length, seed=seed) / length

    blind = network(6, 160)
    blind[:, :2] = 0  # sees nothing of the first two places
    cases = [(_Mix(network(5, 150)), random(5, 4, seed=151)), (_Mix(blind), random(6, 3, seed=161))]
    return judge_function(
        answer,
        call="reach(network, x)",
        cases=[{"network": module, "x": x} for module, x in cases],
        right=_reach,
        returns={"reach": "(T,)"},
        slips=REACH_SLIPS,
    )
