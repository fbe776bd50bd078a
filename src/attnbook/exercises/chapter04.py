"""Chapter 4: attention by hand, padding, shapes, shuffled words, a budget, and heads."""

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from attnbook.attention import scaled_dot_product_attention
from attnbook.exercises.comparing import alike
from attnbook.exercises.judges import (
    OTHER,
    Function,
    Together,
    drawn,
    number,
    random,
    randoms,
    shape_of,
    slips,
)
from attnbook.exercises.reading import read_results
from attnbook.exercises.registry import exercise, function, numbers
from attnbook.exercises.verdict import Wrong

numbers(
    "4.1",
    "By hand",
    {
        number("scores", (2, 6)): {
            (6, 2): "these are in the other order: first k₁, then k₂.",
            OTHER: "A score is a dot product: multiply the query and a key component by component, and add.",
        },
        number("scaled", (1, 3)): {
            (2, 6): "these are not divided yet. Divide by √d_k.",
            (0.5, 1.5): "these are divided by d_k = 4. Divide by its square root, √4 = 2.",
            (
                1.41,
                4.24,
            ): "this is divided by the root of the number of keys, √2. d_k = 4 is a key's width.",
            OTHER: "Each score divided by √d_k, where d_k is the width of a key.",
        },
        number("weights", (0.119, 0.881), near=0.006): {
            (0.018, 0.982): "these are the softmax of the unscaled scores. Use the scaled ones.",
            (0.25, 0.75): "these are scaled scores over their sum. Softmax takes exp of each first.",
            (0.269, 0.731): "these are the softmax of the scores divided by d_k. Divide by √d_k.",
            (2.718, 20.086): "these are not divided by their sum yet: weights sum to 1.",
            (0.2, 0.8): "these are made with powers of 2: softmax takes powers of e.",
            (0.881, 0.119): "these are in the other order: the larger score gets the larger weight.",
            OTHER: "exp of each scaled score, divided by the sum of both.",
        },
        number("output", 18.81, near=0.06): {
            20: "this is the best key alone. Attention adds up each value times its weight.",
            15: "this is the plain mean. Multiply each value by its weight first.",
            9.4: "this is half of it: the weights sum to 1 already, so the weighted sum is the mean.",
            OTHER: "The first weight times 10 plus the second times 20.",
        },
    },
    praise="The scaled scores differ by 2: the weights' ratio is e² ≈ 7.4 to 1, and the output is near 20.",
)


numbers(
    "4.2",
    "What padding would get",
    {
        number("equal", 8 / 12): {
            0: "a score of 0 is a score like any other: exp(0) = 1.",
            1 / 3: "this is the fraction that the four words get. How much does padding get?",
            OTHER: "Twelve equal scores give twelve equal weights. Eight of them are padding.",
        },
        number("higher", 8 / (4 * math.exp(2) + 8)): {
            0: "a score of 0 is a score like any other: exp(0) = 1.",
            8 / 12: "the words' scores are 2 now: exp(2) = 7.39 against exp(0) = 1.",
            1
            / (
                math.exp(2) + 1
            ): "this is one padded position against one word. There are eight against four.",
            4 * math.exp(2) / (4 * math.exp(2) + 8): "this is what the four words get.",
            0.5: "8 : (4 · 2 + 8) divides the scores. Softmax takes exp of each first.",
            OTHER: "Add exp of all twelve scores: four times exp(2) and eight times exp(0).",
        },
        number("after", 4 * math.exp(2) / (4 * math.exp(2) + 8)): {
            1: "setting weights to 0 doesn't make the others larger.",
            8 / (4 * math.exp(2) + 8): "this is what is removed. What is left?",
            OTHER: "The words' weights stay as they are: what did they sum to?",
        },
        number("before", 1): {
            4
            * math.exp(2)
            / (4 * math.exp(2) + 8): "softmax comes after the mask here, and divides by the sum.",
            OTHER: "Softmax divides by the sum of what is left.",
        },
    },
    praise="Padding that scores 0 takes weight from every word, and a mask after softmax doesn't give it "
    "back. Only a score of −∞ before softmax does.",
)

numbers(
    "4.3",
    "Three kinds, three shapes",
    {
        shape_of("encoder", (9, 9)): {
            (5, 5): "that is the decoder's. The encoder reads the source.",
            OTHER: "Queries and keys both come from the source.",
        },
        shape_of("decoder", (5, 5)): {
            (9, 9): "that is the encoder's. The decoder's self-attention is over the target.",
            OTHER: "Queries and keys both come from the target.",
        },
        shape_of("cross", (5, 9)): {
            (9, 5): "turned: each row is a query, and the queries come from the target.",
            (9, 9): "the queries come from the target.",
            (5, 5): "the keys come from the source.",
            OTHER: "One row per query (target), one column per key (source).",
        },
        shape_of("output", (5, 16)): {
            (9, 16): "there is one output per query, and the queries come from the target.",
            (5, 9): "these are the weights. Each output is a weighted average of values of width 16.",
            OTHER: "One row per query, as wide as a value.",
        },
        number("masked", 10): {
            15: "15 may be attended to: a position attends to itself and earlier ones. How many are left?",
            20: "20 are off the diagonal. Earlier positions may be attended to.",
            25: "25 are all of them.",
            OTHER: "In a 5 × 5 matrix, count the cells above the diagonal.",
        },
    },
    praise="One output per query; one weight per query and key. Which sequence supplies which is all that "
    "differs.",
)


def _attended(batch: int, length: int, width: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Output and weights of self-attention over random words, and a new order for them."""
    output, weights = scaled_dot_product_attention(*randoms(*[(batch, length, width)] * 3, seed=seed))
    return output, weights, random(length, seed=seed + 3).argsort()


@function(
    "4.4",
    "Shuffle the words",
    {"output": "(B, T, D)", "weights": "(B, T, T)"},
    praise="Without running it, you have what self-attention gives for the shuffled words. It cannot tell "
    "one order from another until chapter 7 adds positions.",
    cases=[_attended(3, 5, 7, 90), _attended(2, 6, 4, 94), *drawn(_attended, (1, 3), (2, 7), (1, 5))],
    slips=slips(
        "That would be *in*variance. Self-attention is *equi*variant: each word takes its output along.",
        lambda output, weights, order: (output, weights),
        "This is the inverse order. Position i now holds the word from `order[i]`: `output[:, order]`.",
        lambda output, weights, order: shuffled(output, weights, order.argsort()),
        "The output is right; the weights are as they were. Words are rows *and* columns: reorder both.",
        lambda output, weights, order: (output[:, order], weights),
        "The output is right, but the weights moved along one axis only: reorder rows and columns.",
        lambda output, weights, order: (output[:, order], weights[:, order]),
        lambda output, weights, order: (output[:, order], weights[:, :, order]),
        "You reordered the rows twice. The second index must reach the columns: `[:, :, order]`.",
        lambda output, weights, order: (output[:, order], weights[:, order][:, order]),
        "`weights[:, order, order]` pairs the two lists up. Use `weights[:, order][:, :, order]`.",
        lambda output, weights, order: (output[:, order], weights[:, order, order]),
    ),
)
def shuffled(output: Tensor, weights: Tensor, order: Tensor) -> tuple[Tensor, Tensor]:
    return output[:, order], weights[:, order][:, :, order]


class _Largest(TorchFunctionMode):
    """Notes how many numbers the largest tensor holds that is made."""

    size = 0

    def __torch_function__(self, function, types, args=(), kwargs=None):
        made = function(*args, **(kwargs or {}))
        for each in made if isinstance(made, tuple | list) else [made]:
            if isinstance(each, Tensor):
                self.size = max(self.size, _held(each))
        return made


def _held(tensor: Tensor) -> int:
    """How many numbers the memory of a tensor holds; inside `torch.vmap`, those of the whole batch."""
    while torch._C._functorch.is_functorch_wrapped_tensor(tensor):
        tensor = torch._C._functorch.get_unwrapped(tensor)
    return tensor.untyped_storage().nbytes() // tensor.element_size()


def _within(thrifty_attention: Callable, query: Tensor, key: Tensor, value: Tensor, most: int) -> Tensor:
    """What the function returns, if it is wrong or within the budget."""
    wanted = _attend(query, key, value)  # before the learner's function can change these
    with _Largest() as largest:
        result = thrifty_attention(query, key, value, most)
    if isinstance(result, list | tuple) and len(result) > 1:
        parts = [part for part in result if isinstance(part, Tensor) and part.shape[1:] == value.shape[1:]]
        if len(parts) == len(result) and sum(map(len, parts)) == len(query):
            words = f"Your function returns {len(parts)} parts of the output"
            raise Wrong(f"{words}: put them together with `torch.cat`.")
    (output,) = read_results(result, (value,), ("output",))
    if largest.size > most and alike(output, wanted):
        raise Wrong(
            f"The output is right, but over the budget: you made a tensor of {largest.size} numbers and "
            f"`most` is {most}. Take as many queries at a time as fit: each needs only its row of scores."
        )
    return output


def _attend(query: Tensor, key: Tensor, value: Tensor, scale: float | None = None) -> Tensor:
    return scaled_dot_product_attention(query, key, value, scale=scale)[0]


def _scaled(query: Tensor, key: Tensor) -> Tensor:
    return query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])  # (…, T, S)


def _by_keys(query: Tensor, key: Tensor, value: Tensor, most: int) -> list[Tensor]:
    """Attention to some of the keys at a time, with a softmax for each part."""
    count = most // len(query)
    return [_attend(query, *some) for some in zip(key.split(count), value.split(count), strict=True)]


def _budget(queries: int, keys: int, rows: int, seed: int, d: int = 11, d_v: int = 7) -> tuple:
    query, key, value = randoms((queries, d), (keys, d), (keys, d_v), seed=seed)
    return query, key, value, max(query.numel(), key.numel(), rows * keys)


@function(
    "4.5",
    "Attention on a budget",
    {"output": "(T, d_v)"},
    praise="The same output with only a few rows of scores at a time: memory grows like T, not T². Fused "
    "attention also splits the keys, with a softmax corrected along the way.",
    cases=[
        _budget(60, 50, 13, 80),
        _budget(40, 50, 11, 83),
        _budget(25, 30, 1, 86, d=1, d_v=1),  # only here is there room for no more than one row
        *drawn(_budget, (15, 50), (15, 50), (1, 20)),
    ],
    use=_within,
    slips=slips(
        "The scale is missing: divide by √d. Otherwise wide vectors put nearly all weight on one key.",
        lambda q, k, v, most: _attend(q, k, v, 1.0),
        "You divided by d; it is √d. The standard deviation of a sum of d products grows like √d.",
        lambda q, k, v, most: _attend(q, k, v, 1 / q.shape[-1]),
        "You multiplied by √d: large scores became larger. Divide.",
        lambda q, k, v, most: _attend(q, k, v, math.sqrt(q.shape[-1])),
        "You divided by the root of another size. d is the width of queries and keys: `query.shape[-1]`.",
        *(
            lambda q, k, v, most, size=size: _attend(q, k, v, size(q, k, v) ** -0.5)
            for size in (lambda q, k, v: v.shape[-1], lambda q, k, v: len(k), lambda q, k, v: len(q))
        ),
        "You scaled after softmax, so the rows don't sum to 1. Divide the scores, then take softmax.",
        lambda q, k, v, most: _attend(q, k, v, 1.0) / math.sqrt(q.shape[-1]),
        lambda q, k, v, most: _attend(q, k, v) / math.sqrt(q.shape[-1]),
        "You split the keys, so each part got its own softmax. Split the queries: each needs only its row.",
        lambda *inputs: torch.stack(_by_keys(*inputs)).sum(0),
        lambda *inputs: torch.stack(_by_keys(*inputs)).mean(0),
        lambda *inputs: torch.cat(_by_keys(*inputs)),
        "Softmax ran over the queries: columns sum to 1, not rows. Use `dim=-1`, with heads too.",
        lambda q, k, v, most: _scaled(q, k).softmax(-2) @ v,
        lambda q, k, v, most: torch.cat(
            [_scaled(some, k).softmax(-2) @ v for some in q.split(most // len(k))]
        ),
        "You averaged the keys. The keys decide the weights; the values are averaged: `weights @ value`.",
        lambda q, k, v, most: _attend(q, k, k),
        "`view` (or `reshape`) is not `transpose`: it mixes up the keys. Use `key.transpose(-2, -1)`.",
        lambda q, k, v, most: (q @ k.reshape(k.shape[1], -1) / math.sqrt(q.shape[-1])).softmax(-1) @ v,
        "These are the weights. One step is left: `weights @ value`.",
        lambda q, k, v, most: _scaled(q, k).softmax(-1),
        "Softmax is missing between the scores and the values.",
        lambda q, k, v, most: _scaled(q, k) @ v,
        "Some queries are missing at the end: the last part may be smaller than the others.",
        lambda q, k, v, most: _attend(q[: len(q) // (most // len(k)) * (most // len(k))], k, v),
    ),
)
def thrifty_attention(query: Tensor, key: Tensor, value: Tensor, most: int) -> Tensor:
    rows = query.split(most // len(key))
    return torch.cat([scaled_dot_product_attention(some, key, value)[0] for some in rows])


def split_heads(x: Tensor, num_heads: int) -> Tensor:
    return x.unflatten(-1, (num_heads, -1)).transpose(1, 2)  # (B, H, T, d)


def merge_heads(heads: Tensor) -> Tensor:
    return heads.transpose(1, 2).flatten(-2)  # (B, T, D)


def _viewed(x: Tensor, num_heads: int) -> Tensor:
    return x.reshape(x.shape[0], num_heads, x.shape[1], -1)


def _uncut(x: Tensor, num_heads: int) -> Tensor:
    return x.unflatten(-1, (num_heads, -1))  # (B, T, H, d): the heads are not swapped to the front


def _unswapped(heads: Tensor) -> Tensor:
    return heads.reshape(heads.shape[0], heads.shape[2], -1)


def _wide(batch: int, length: int, num_heads: int, width: int, seed: int) -> tuple[Tensor, int]:
    return random(batch, length, num_heads * width, seed=seed), num_heads


def _heads(*shape: int) -> tuple[Tensor]:
    *shape, seed = shape
    return (random(*shape, seed=seed),)


exercise(
    "4.6",
    "Split and merge the heads",
    praise="Cut, swap; swap, join. Each head is now like another batch item, so attention runs unchanged.",
    judge=Together(
        split_heads=Function(
            split_heads,
            {"split": "(B, H, T, d)"},
            cases=[
                _wide(2, 5, 3, 7, 95),
                _wide(3, 4, 2, 5, 96),
                *drawn(_wide, (1, 3), (1, 5), (1, 4), (1, 4)),
            ],
            slips=slips(
                "`view` alone gives head 0 whole words. Cut to (B, T, H, d), then swap: `transpose(1, 2)`.",
                _viewed,
                "Cut, but not swapped: yours is (B, T, H, d). T must be next to d: `transpose(1, 2)`.",
                _uncut,
                "Your heads take every H-th feature of a word: cut into (H, d), not (d, H).",
                lambda x, num_heads: x.unflatten(-1, (-1, num_heads)).permute(0, 3, 1, 2),
                "The axes are swapped before the cut, which mixes words. First (B, T, H, d), then swap.",
                lambda x, num_heads: x.transpose(1, 2).reshape(x.shape[0], num_heads, x.shape[1], -1),
            ),
        ),
        merge_heads=Function(
            merge_heads,
            {"merged": "(B, T, D)"},
            cases=[
                _heads(2, 3, 5, 7, 97),
                _heads(3, 2, 4, 5, 98),
                *drawn(_heads, (1, 3), (1, 4), (1, 5), (1, 4)),
            ],
            slips=slips(
                "Merged without swapping back, so each row mixes words. First `transpose(1, 2)`, then join.",
                _unswapped,
                "A word's features are there, but interleaved: join (H, d) in this order, not (d, H).",
                lambda heads: heads.permute(0, 2, 3, 1).flatten(-2),
                "You added or averaged the heads. Lay them side by side: the width is H·d again.",
                lambda heads: heads.sum(1),
                lambda heads: heads.mean(1),
                "Swapped back, but not joined: the last two axes (H, d) become one.",
                lambda heads: heads.transpose(1, 2),
            ),
        ),
    ),
)


def _silent(heads: Tensor, off: list[int]) -> Tensor:
    keep = torch.tensor([head not in off for head in range(heads.shape[1])])
    return heads * keep[:, None, None]  # (B, H, T, d)


STEPS = {"split": split_heads, "merge": merge_heads, "silent": _silent}


def _multi_head(x, W_query, W_key, W_value, W_output, num_heads, off, scale=None, axis=-1, **steps):
    """The right answer; the keywords make the wrong ones."""
    split, merge, silent = (STEPS | steps).values()
    query, key, value = (split(x @ weight, num_heads) for weight in (W_query, W_key, W_value))  # (B, H, T, d)
    scale = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    scores = query @ key.transpose(-2, -1) * scale  # (B, H, T, T)
    return merge(silent(scores.softmax(axis) @ value, off)) @ W_output  # (B, T, D)


def _but(change: Callable[..., dict] = dict, **keywords) -> Callable:
    """The right answer on what `change` makes of its inputs, or with other keywords."""
    names = ("x", "W_query", "W_key", "W_value", "W_output", "num_heads", "off")

    def wrong(*inputs) -> Tensor:
        named = dict(zip(names, inputs, strict=True))
        return _multi_head(**(named | change(**named)), **keywords)

    return wrong


def _same_for(*names: str) -> Callable:
    """x itself in place of some projections."""
    return lambda x, **_: dict.fromkeys(names, torch.eye(x.shape[-1], dtype=x.dtype))


def _transposed(*names: str) -> Callable:
    return lambda **inputs: {name: inputs[name].T for name in names}


def _zero_queries(W_query: Tensor, num_heads: int, off: list[int], **_) -> dict:
    """Heads in `off` get scores of 0, and are not switched off otherwise."""
    return {"W_query": merge_heads(_silent(split_heads(W_query[None], num_heads), off))[0], "off": []}


def _silent_columns(W_output: Tensor, num_heads: int, off: list[int], **_) -> dict:
    """Features of the output are set to 0 in place of heads."""
    return {"W_output": merge_heads(_silent(split_heads(W_output[None], num_heads), off))[0], "off": []}


def _louder(heads: Tensor, off: list[int]) -> Tensor:
    return _silent(heads, off) * heads.shape[1] / max(heads.shape[1] - len(off), 1)


def _multi_head_case(batch: int, length: int, num_heads: int, width: int, off: list[int], seed: int) -> tuple:
    d_model = num_heads * width
    x, *weights = randoms((batch, length, d_model), *[(d_model, d_model)] * 4, seed=seed)
    return 2 * x, *(weight / math.sqrt(d_model) for weight in weights), num_heads, off


@function(
    "4.7",
    "Switch heads off",
    {"output": "(B, T, D)"},
    praise="Multi-head self-attention with a switch for every head: an ablation. Each head adds its part to "
    "the output through its own rows of `W_output`, so one can be removed without touching the others.",
    cases=[
        _multi_head_case(3, 5, 4, 6, [], 100),
        _multi_head_case(3, 5, 4, 6, [2], 110),
        _multi_head_case(2, 7, 3, 5, [0, 2], 120),
        _multi_head_case(1, 4, 1, 3, [0], 130),
        *drawn(
            lambda b, t, h, d, last, seed: _multi_head_case(b, t, h, d, [*range(min(last, h))], seed),
            *((1, 3), (1, 6), (1, 5), (1, 4), (0, 5)),
        ),
    ],
    slips=slips(
        "You divided by √D. Divide by √d with d = D / H: `query.shape[-1] ** 0.5` after the split.",
        _but(lambda x, **_: {"scale": x.shape[-1] ** -0.5}),
        "The scale is missing: divide the scores by √d, the width of one head.",
        _but(scale=1.0),
        "You divided by the width of a head. Divide by its square root.",
        _but(lambda x, num_heads, **_: {"scale": num_heads / x.shape[-1]}),
        "You divided by √H, the number of heads. It is √d, the width of one.",
        _but(lambda num_heads, **_: {"scale": num_heads**-0.5}),
        "This is attention with a single head. Split the queries, keys and values before the scores.",
        _but(lambda **_: {"num_heads": 1}),
        "Softmax ran over the queries, or over the heads: each query's row should sum to 1. Use `dim=-1`.",
        *(_but(axis=axis) for axis in (-2, 1, 0)),
        "Split with `view` alone: head 0 got whole words. Cut to (B, T, H, d), then `transpose(1, 2)`.",
        _but(split=_viewed),
        _but(split=_viewed, merge=_unswapped),
        "Cut but not swapped, so no word sees another. Use `transpose(1, 2)` before the scores.",
        _but(split=_uncut, merge=lambda heads: heads.flatten(-2), silent=lambda heads, off: heads),
        _but(
            split=_uncut,
            merge=lambda y: y.transpose(1, 2).reshape(*y.shape[:2], -1),
            silent=lambda heads, off: heads,
        ),
        "Merged without swapping back, so each row mixes words. First `transpose(1, 2)`, then join.",
        _but(merge=_unswapped),
        "The last step is missing: `W_output` mixes what the heads found. Multiply the merged heads by it.",
        _but(_same_for("W_output")),
        "Queries, keys and values are x itself: multiply by the matrices first, `x @ W_query` and so on.",
        _but(_same_for("W_query", "W_key", "W_value")),
        _but(_same_for("W_query", "W_key", "W_value", "W_output")),
        "The queries or the keys are not projected: use `x @ W_query` and `x @ W_key`.",
        _but(_same_for("W_query")),
        _but(_same_for("W_key")),
        _but(_same_for("W_query", "W_key")),
        "The values are not projected: use `x @ W_value`.",
        _but(_same_for("W_value")),
        "The keys serve as values too. Each has a projection of its own: the values are `x @ W_value`.",
        _but(lambda W_key, **_: {"W_value": W_key}),
        "Keys or values went through `W_query`: each has its own matrix.",
        _but(lambda W_query, **_: {"W_key": W_query, "W_value": W_query}),
        _but(lambda W_query, **_: {"W_value": W_query}),
        "Queries and keys are swapped. Queries are `x @ W_query`, on the left of `@`.",
        _but(lambda W_query, W_key, **_: {"W_query": W_key, "W_key": W_query}),
        "The queries or the keys come from the wrong matrix: use `x @ W_query` and `x @ W_key`.",
        _but(lambda W_key, **_: {"W_query": W_key}),
        _but(lambda W_value, **_: {"W_query": W_value}),
        _but(lambda W_query, **_: {"W_key": W_query}),
        "You multiplied by the transposed matrices. These are (in, out), unlike `nn.Linear`: `x @ W_query`.",
        _but(_transposed("W_query", "W_key", "W_value", "W_output")),
        _but(_transposed("W_query", "W_key", "W_value")),
        "Nothing is switched off. Set the outputs of the heads in `off` to 0 before you merge.",
        _but(silent=lambda heads, off: heads),
        "You kept the heads in `off` and switched off all the others.",
        _but(silent=lambda heads, off: heads - _silent(heads, off)),
        "The heads in `off` still contribute the mean of their values. Set their *outputs* to 0.",
        _but(_zero_queries),
        "You set features of the output to 0, but `W_output` has mixed the heads by then. Do it before.",
        _but(_silent_columns),
        "You made the remaining heads larger to compensate. An ablation leaves them as they are.",
        _but(silent=_louder),
        "You switched off whole words, not heads: after the split the heads are on axis 1.",
        _but(silent=lambda heads, off: _silent(heads.transpose(1, 2), off).transpose(1, 2)),
    ),
)
def multi_head(
    x: Tensor, W_query: Tensor, W_key: Tensor, W_value: Tensor, W_output: Tensor, num_heads: int, off: list
) -> Tensor:
    return _multi_head(x, W_query, W_key, W_value, W_output, num_heads, off)
