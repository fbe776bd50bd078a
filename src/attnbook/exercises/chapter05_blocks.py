"""Chapter 5: layer normalization and the feed-forward network."""

import torch
from torch import Tensor

from attnbook.exercises.old import exercise, judge_function, random, slip

# --- 5.2 ---------------------------------------------------------------------------------------------------


def norm(x: Tensor, gamma: Tensor, beta: Tensor, eps: float, *, dim=-1, correction: int = 0) -> Tensor:
    """The right answer; the keywords make the wrong ones."""
    variance = x.var(dim=dim, correction=correction, keepdim=True)
    return gamma * (x - x.mean(dim=dim, keepdim=True)) / (variance + eps).sqrt() + beta


def _parts(x: Tensor) -> tuple[Tensor, Tensor]:
    return x - x.mean(-1, keepdim=True), x.var(-1, correction=0, keepdim=True)


NORM_SLIPS = (
    slip(
        "Your mean and variance run over the positions (axis 1). Then each word depends on its neighbours, "
        "and on the padding. Each position by itself: `dim=-1`.",
        lambda x, gamma, beta, eps: norm(x, gamma, beta, eps, dim=1),
        lambda x, gamma, beta, eps: norm(x, gamma, beta, eps, dim=1, correction=1),
    ),
    slip(
        "Your mean and variance run over the batch (axis 0): that is the idea of batch normalization. Each "
        "position by itself: `dim=-1`.",
        lambda x, gamma, beta, eps: norm(x, gamma, beta, eps, dim=0),
        lambda x, gamma, beta, eps: norm(x, gamma, beta, eps, dim=0, correction=1),
        lambda x, gamma, beta, eps: norm(x, gamma, beta, eps, dim=(0, 1)),
    ),
    slip(
        "One mean and one variance for several positions at once. Every position has its own: `dim=-1`, "
        "with `keepdim=True`.",
        lambda x, gamma, beta, eps: norm(x, gamma, beta, eps, dim=(1, 2)),
        lambda x, gamma, beta, eps: norm(x, gamma, beta, eps, dim=(0, 1, 2)),
        lambda x, gamma, beta, eps: norm(x, gamma, beta, eps, dim=(0, 1, 2), correction=1),
    ),
    slip(
        "Your variance divides by D - 1, as `torch.var` and `torch.std` do unless told otherwise. Layer "
        "normalization divides by D: `correction=0`.",
        lambda x, gamma, beta, eps: norm(x, gamma, beta, eps, correction=1),
        lambda x, gamma, beta, eps: gamma * _parts(x)[0] / (x.std(-1, keepdim=True) + eps) + beta,
    ),
    slip(
        "ε stands beside the standard deviation. In (5.3) it is added to the variance, under the root.",
        lambda x, gamma, beta, eps: gamma * _parts(x)[0] / (_parts(x)[1].sqrt() + eps) + beta,
    ),
    slip(
        "ε is missing: it is added to the variance, under the root.",
        lambda x, gamma, beta, eps: norm(x, gamma, beta, 0.0),
    ),
    slip(
        "You divided by the variance. Divide by its square root, the standard deviation.",
        lambda x, gamma, beta, eps: gamma * _parts(x)[0] / (_parts(x)[1] + eps) + beta,
    ),
    slip(
        "The mean is not subtracted from x before the division.",
        lambda x, gamma, beta, eps: gamma * x / (_parts(x)[1] + eps).sqrt() + beta,
    ),
    slip(
        "gamma, beta or both are missing: after the division, times gamma, plus beta.",
        lambda x, gamma, beta, eps: norm(x, torch.ones_like(gamma), torch.zeros_like(beta), eps),
        lambda x, gamma, beta, eps: norm(x, gamma, torch.zeros_like(beta), eps),
        lambda x, gamma, beta, eps: norm(x, torch.ones_like(gamma), beta, eps),
    ),
    slip(
        "gamma and beta have changed places: gamma multiplies, beta is added.",
        lambda x, gamma, beta, eps: norm(x, beta, gamma, eps),
    ),
    slip(
        "beta is stretched by gamma too. It is added last.",
        lambda x, gamma, beta, eps: norm(x, gamma, gamma * beta, eps),
    ),
)


@exercise(
    "5.2",
    "Layer normalization",
    task=(
        "write `layer_norm(x, gamma, beta, eps)` for x `(B, S, D)` and gamma, beta `(D,)`: each position "
        "gets mean 0 and variance 1 over its own D numbers, then is stretched by gamma and shifted by beta."
    ),
    praise=(
        "The same numbers as `nn.LayerNorm`, up to rounding. Nothing in it looks at another position, so "
        "padding and batch have no say."
    ),
)
def layer_norm(answer) -> str:
    def case(batch: int, length: int, width: int, eps: float, seed: int) -> dict:
        x = 2 * random(batch, length, width, seed=seed) + 1
        gamma, beta = random(2, width, seed=seed + 1)
        return {"x": x, "gamma": gamma, "beta": beta, "eps": eps}

    return judge_function(
        answer,
        call="layer_norm(x, gamma, beta, eps)",
        cases=[case(3, 5, 4, 0.5, seed=510), case(2, 6, 7, 1e-5, seed=520)],
        right=norm,
        returns={"output": "(B, S, D)"},
        slips=NORM_SLIPS,
    )


# --- 5.3 ---------------------------------------------------------------------------------------------------


def _feed_forward(x: Tensor, W1: Tensor, b1: Tensor, W2: Tensor, b2: Tensor) -> Tensor:
    return (x @ W1 + b1).relu() @ W2 + b2


FEED_FORWARD_SLIPS = (
    slip(
        "A ReLU on both layers: none of your numbers is negative, so this correction could only ever add. "
        "The second layer has no activation.",
        lambda x, W1, b1, W2, b2: _feed_forward(x, W1, b1, W2, b2).relu(),
    ),
    slip(
        "The ReLU is missing. Two linear layers in a row are one linear layer, however wide the middle.",
        lambda x, W1, b1, W2, b2: (x @ W1 + b1) @ W2 + b2,
    ),
    slip(
        "The ReLU stands after the second layer; it belongs after the first, in the middle.",
        lambda x, W1, b1, W2, b2: ((x @ W1 + b1) @ W2 + b2).relu(),
    ),
    slip(
        "The ReLU stands before the first layer. It comes after it, where the middle is wide.",
        lambda x, W1, b1, W2, b2: (x.relu() @ W1 + b1) @ W2 + b2,
    ),
    slip(
        "b1 is added after the ReLU. It belongs inside: it decides from where on a hidden number speaks.",
        lambda x, W1, b1, W2, b2: ((x @ W1).relu() + b1) @ W2 + b2,
    ),
    slip(
        "A bias is missing: b1 inside the ReLU, b2 at the end.",
        lambda x, W1, b1, W2, b2: (x @ W1).relu() @ W2 + b2,
        lambda x, W1, b1, W2, b2: (x @ W1 + b1).relu() @ W2,
        lambda x, W1, b1, W2, b2: (x @ W1).relu() @ W2,
    ),
    slip(
        "You added x. The sum is Add & Norm's business; the network returns the correction alone.",
        lambda x, W1, b1, W2, b2: x + _feed_forward(x, W1, b1, W2, b2),
    ),
    slip(
        "This is another activation. The paper's, and the article's, is ReLU: max(0, x).",
        lambda x, W1, b1, W2, b2: torch.nn.functional.gelu(x @ W1 + b1) @ W2 + b2,
        lambda x, W1, b1, W2, b2: (x @ W1 + b1).tanh() @ W2 + b2,
        lambda x, W1, b1, W2, b2: (x @ W1 + b1).sigmoid() @ W2 + b2,
    ),
    slip(
        "This is the middle, d_ff numbers wide. The second layer leads back to D.",
        lambda x, W1, b1, W2, b2: (x @ W1 + b1).relu(),
    ),
)


@exercise(
    "5.3",
    "The feed-forward network",
    task=(
        "write `feed_forward(x, W1, b1, W2, b2)` for x `(B, S, D)`, W1 `(D, d_ff)`, b1 `(d_ff,)`, W2 "
        "`(d_ff, D)` and b2 `(D,)`: two linear layers, with a ReLU after the first only."
    ),
    praise="The same for every position, and no position sees another: `@` works on the last axis.",
)
def feed_forward(answer) -> str:
    def case(batch: int, length: int, width: int, hidden: int, seed: int) -> dict:
        sizes = {"W1": (width, hidden), "b1": (hidden,), "W2": (hidden, width), "b2": (width,)}
        weights = {name: random(*size, seed=seed + i) for i, (name, size) in enumerate(sizes.items(), 1)}
        return {"x": random(batch, length, width, seed=seed), **weights}

    return judge_function(
        answer,
        call="feed_forward(x, W1, b1, W2, b2)",
        cases=[case(3, 5, 4, 9, seed=530), case(2, 6, 7, 11, seed=540)],
        right=_feed_forward,
        returns={"output": "(B, S, D)"},
        slips=FEED_FORWARD_SLIPS,
    )
