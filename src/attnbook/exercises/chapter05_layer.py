"""Chapter 5: the whole encoder layer, put together from its parts."""

from torch import Tensor

from attnbook.exercises.chapter05_blocks import norm
from attnbook.exercises.old import exercise, judge_function, random, slip


def _layer(x, attention, feed_forward, norm1, norm2):
    y = norm1(x + attention(x))
    return norm2(y + feed_forward(y))


LAYER_SLIPS = (
    slip(
        "You normalized what the sub-layer returned, before adding it. The paper adds first and then "
        "normalizes the sum: norm1(x + …).",
        lambda x, attention, feed_forward, norm1, norm2: (
            (y := x + norm1(attention(x))) + norm2(feed_forward(y))
        ),
    ),
    slip(
        "This is pre-norm, formula (5.5): the norm before each sub-layer. Asked is the paper's post-norm, "
        "where the norm comes after each sum.",
        lambda x, attention, feed_forward, norm1, norm2: (
            (y := x + attention(norm1(x))) + feed_forward(norm2(y))
        ),
    ),
    slip(
        "The residual connections are missing: nothing of x is added. Section 5.6 shows what comes of it.",
        lambda x, attention, feed_forward, norm1, norm2: norm2(feed_forward(norm1(attention(x)))),
    ),
    slip(
        "One of the two residual connections is missing: each sub-layer's input is added to its output.",
        lambda x, attention, feed_forward, norm1, norm2: norm2(feed_forward(norm1(x + attention(x)))),
        lambda x, attention, feed_forward, norm1, norm2: norm2((y := norm1(attention(x))) + feed_forward(y)),
    ),
    slip(
        "In the second line x is added again. It is y that went into the network, so y is added.",
        lambda x, attention, feed_forward, norm1, norm2: norm2(x + feed_forward(norm1(x + attention(x)))),
    ),
    slip(
        "The network reads x, so the two sub-layers stand side by side. It reads y, what attention has made.",
        lambda x, attention, feed_forward, norm1, norm2: norm2(norm1(x + attention(x)) + feed_forward(x)),
        lambda x, attention, feed_forward, norm1, norm2: norm2(x + feed_forward(x)),
    ),
    slip(
        "The norms are missing: one after each sum.",
        lambda x, attention, feed_forward, norm1, norm2: (y := x + attention(x)) + feed_forward(y),
    ),
    slip(
        "A norm is missing: there is one after each of the two sums.",
        lambda x, attention, feed_forward, norm1, norm2: (y := norm1(x + attention(x))) + feed_forward(y),
        lambda x, attention, feed_forward, norm1, norm2: norm2((y := x + attention(x)) + feed_forward(y)),
    ),
    slip(
        "The norms are not in their places: norm1 after attention, norm2 after the network. Each has its own "
        "γ and β.",
        lambda x, attention, feed_forward, norm1, norm2: _layer(x, attention, feed_forward, norm2, norm1),
        lambda x, attention, feed_forward, norm1, norm2: _layer(x, attention, feed_forward, norm1, norm1),
        lambda x, attention, feed_forward, norm1, norm2: _layer(x, attention, feed_forward, norm2, norm2),
    ),
    slip(
        "The sub-layers have changed places: attention first, then the feed-forward network.",
        lambda x, attention, feed_forward, norm1, norm2: _layer(x, feed_forward, attention, norm1, norm2),
    ),
    slip(
        "This is y, the first half. The feed-forward network and its Add & Norm are still to come.",
        lambda x, attention, feed_forward, norm1, norm2: norm1(x + attention(x)),
    ),
)


@exercise(
    "5.6",
    "The whole layer",
    task=(
        "write `encoder_layer(x, attention, feed_forward, norm1, norm2)`, the paper's post-norm layer, from "
        "four functions that each take and return `(B, S, D)`."
    ),
    praise="That is an encoder layer. Stack it N times, and you have the left half of the Transformer.",
)
def encoder_layer(answer) -> str:
    def case(seed: int, batch: int, length: int, width: int) -> dict:
        matrices = random(2, width, width, seed=seed + 1)
        gammas, betas = random(2, 2, width, seed=seed + 2)

        def attention(x: Tensor) -> Tensor:
            weights = (x @ x.transpose(-2, -1)).softmax(-1)  # (B, S, S)
            return weights @ x @ matrices[0].to(x)

        def feed_forward(x: Tensor) -> Tensor:
            return (x @ matrices[1].to(x)).relu() - 0.5

        def normalize(i: int):
            return lambda x: norm(x, gammas[i].to(x), betas[i].to(x), 1e-5)

        parts = {
            "attention": attention,
            "feed_forward": feed_forward,
            "norm1": normalize(0),
            "norm2": normalize(1),
        }
        return {"x": random(batch, length, width, seed=seed), **parts}

    return judge_function(
        answer,
        call="encoder_layer(x, attention, feed_forward, norm1, norm2)",
        cases=[case(550, 3, 5, 4), case(560, 2, 4, 6)],
        right=_layer,
        returns={"output": "(B, S, D)"},
        slips=LAYER_SLIPS,
    )
