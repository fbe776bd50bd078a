"""Chapter 6: one step of decoding with a cache of keys and values."""

import math
from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from attnbook.attention import scaled_dot_product_attention
from attnbook.exercises.comparing import shape
from attnbook.exercises.old import as_function, describe, exercise, random, read_tensor, same
from attnbook.exercises.running import run
from attnbook.exercises.verdict import Unfinished, Wrong
from attnbook.masks import causal_mask

CALL = "step(x, cache, positions, W_query, W_key, W_value)"
Cache = tuple[Tensor, Tensor]


def _whole(words: Tensor, positions: Tensor, W_query: Tensor, W_key: Tensor, W_value: Tensor) -> Tensor:
    """What the steps must add up to: causal attention over all words at once, `(B, T, d_v)`."""
    x = words + positions[: words.shape[1]]  # (B, T, D)
    query, key, value = x @ W_query, x @ W_key, x @ W_value
    return scaled_dot_product_attention(query, key, value, causal_mask(words.shape[1]))[0]


def _step(
    *,
    place: Callable[[int], int | None] = lambda t: t,
    kept: Callable[[Tensor, Tensor], Tensor] = lambda old, new: torch.cat((old, new), dim=1),
    seen: Callable[[Tensor, Tensor], Tensor] | None = None,
    scale: bool = True,
    swapped: bool = False,
    value_from_key: bool = False,
    clean_value: bool = False,
) -> Callable:
    """A step; the keywords make the wrong ones: another place, another cache, other keys attended to."""
    seen = seen or kept

    def step(x, cache, positions, W_query, W_key, W_value):
        keys, values = cache
        number = place(keys.shape[1])
        word = x
        x = x if number is None else x + positions[number]  # (B, D)
        query, key, value = x @ W_query, x @ W_key, (word if clean_value else x) @ W_value  # (B, d) each
        if value_from_key:
            value = key
        if swapped:
            query, key = key, query
        near = [seen(old, new[:, None]) for old, new in ((keys, key), (values, value))]  # (B, t + 1, d) each
        scores = (query[:, None] @ near[0].transpose(1, 2)).squeeze(1)  # (B, t + 1)
        weights = (scores / math.sqrt(query.shape[-1]) if scale else scores).softmax(-1)
        output = (weights[:, None] @ near[1]).squeeze(1)  # (B, d_v)
        return output, tuple(kept(old, new[:, None]) for old, new in ((keys, key), (values, value)))

    return step


def _append(old: Tensor, new: Tensor) -> Tensor:
    return torch.cat((old, new), dim=1)


def _old(old: Tensor, new: Tensor) -> Tensor:
    return old


def _new(old: Tensor, new: Tensor) -> Tensor:
    return new


CACHE_SLIPS = (
    (
        "The cache you return is the one you were given: the newest key and value are forgotten, and each "
        "step sees nothing of those before. Return the longer ones.",
        (_step(seen=_append, kept=_old), _step(seen=_append, kept=_old, place=lambda t: None)),
    ),
    (
        "Your cache holds the newest key and value only: what stood there before is overwritten. Append: "
        "`torch.cat((keys, key.unsqueeze(1)), dim=1)`.",
        (_step(seen=_append, kept=_new), _step(seen=_new, kept=_new), _step(seen=_new, kept=_append)),
    ),
    (
        "You attend first and append afterwards, so the newest word does not see itself. The causal mask "
        "leaves the diagonal open: append, then attend.",
        (_step(seen=_old, kept=_append),),
    ),
    (
        "The position is one too far. With t words in the cache, t of them stand before this one, and "
        "counting from 0 its position is t: `positions[keys.shape[1]]`.",
        (_step(place=lambda t: t + 1),),
    ),
    (
        "The position is one too early: the first word should get `positions[0]`, and -1 means the last "
        "row. Take the length of the cache *before* you append, without subtracting.",
        (_step(place=lambda t: t - 1), _step(place=lambda t: max(t - 1, 0))),
    ),
    (
        "Every word gets position 0, as if it stood first. It comes alone, but t words went before it, so "
        "it is at position t.",
        (_step(place=lambda t: 0),),
    ),
    ("The position is missing: `x + positions[t]`, before x is projected.", (_step(place=lambda t: None),)),
    ("The scale is missing: divide the scores by √d before softmax.", (_step(scale=False),)),
    (
        "Queries and keys have changed places. The newest word asks with its query; the cache holds keys.",
        (_step(swapped=True),),
    ),
    ("The keys serve as values too: the values are `x @ W_value`.", (_step(value_from_key=True),)),
    ("The value is made without the position: project the same x three times.", (_step(clean_value=True),)),
)


def _case(batch: int, length: int, d_v: int, seed: int) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Words `(B, T, D)`, and positions and the three matrices."""
    sizes = ((9, 6), (6, 5), (6, 5), (6, d_v))
    return random(batch, length, 6, seed=seed), tuple(
        random(*s, seed=seed + i + 1) for i, s in enumerate(sizes)
    )


def _follow(step: Callable, words: Tensor, others: tuple[Tensor, ...]) -> Iterable[Tensor]:
    """The outputs of a step that is called again and again, word by word."""
    batch, widths = len(words), [matrix.shape[1] for matrix in others[2:]]
    cache = tuple(torch.zeros(batch, 0, width) for width in widths)
    for x in words.unbind(dim=1):
        output, cache = step(x, cache, *others)
        yield output


def _runs_as(step: Callable, words: Tensor, others: tuple[Tensor, ...], got: list[Tensor]) -> bool:
    try:
        return all(map(same, got, _follow(step, words, others)))
    except (RuntimeError, IndexError):  # this slip cannot happen on these shapes
        return False


@exercise(
    "6.5",
    "Repair the cache",
    task=(
        "write `step(x, cache, positions, W_query, W_key, W_value)`: x `(B, D)` is the newest word, the "
        "cache holds keys `(B, t, d)` and values `(B, t, d_v)` of the t words before it. Return the output "
        "`(B, d_v)` of causal attention at this word, and the new cache."
    ),
    praise=(
        "Word by word you computed what causal attention computes for the whole sequence at once, and no "
        "mask was needed: the future has not been written yet."
    ),
)
def cached_step(answer) -> str:
    function, notes = as_function(answer, CALL), set()
    for words, others in (_case(3, 5, d_v=5, seed=400), _case(2, 7, d_v=4, seed=410)):
        got: list[Tensor] = []

        def step(x: Tensor, cache: object, *others: Tensor, got: list = got) -> tuple[Tensor, object]:
            names = ("x", "cache", "positions", "W_query", "W_key", "W_value")
            result, changed = run(function, dict(zip(names, (x, cache, *others), strict=True)), CALL)
            notes.update(changed)
            output, cache = _read(result)
            got.append(output)
            return output, cache

        wanted = _whole(*(part.double() for part in (words, *others)))  # (B, T, d_v)
        for number, _ in enumerate(_follow(step, words, others)):
            if not same(got[-1], wanted[:, number]):
                _go_on(step, words, others, got)
                raise Wrong(_diagnose(got, wanted, number, words, others))
    return (
        f"One thing: your code changes {', '.join(f'`{n}`' for n in sorted(notes))} in place."
        if notes
        else ""
    )


def _read(result) -> tuple[Tensor, object]:
    if not isinstance(result, tuple | list) or len(result) != 2:
        raise Wrong(
            f"Your function returned {describe(result)}; wanted two things: the output and the new cache."
        )
    output, cache = result
    if (
        output is ...
        or cache is ...
        or (isinstance(cache, tuple | list) and any(part is ... for part in cache))
    ):
        raise Unfinished("Not done yet: your function still returns `...`.")
    return read_tensor(output, "output"), cache


def _go_on(step: Callable, words: Tensor, others: tuple[Tensor, ...], got: list[Tensor]) -> None:
    """All outputs of a wrong step, to compare with those of known slips; it may stop on the way."""
    got.clear()
    try:
        for _ in _follow(step, words, others):
            pass
    except (Wrong, Unfinished):
        pass


def _diagnose(
    got: list[Tensor], wanted: Tensor, number: int, words: Tensor, others: tuple[Tensor, ...]
) -> str:
    if got[number].shape != wanted[:, number].shape:
        return (
            f"The output has shape {shape(got[number])}; wanted (B, d_v), here {shape(wanted[:, number])}: "
            "one row for the newest word."
        )
    for message, steps in CACHE_SLIPS:
        if any(_runs_as(wrong, words, others, got) for wrong in steps):
            return message
    counted = "first" if number == 0 else f"word {number + 1}; those before were right"
    return (
        f"The output is wrong at the {counted}. Compare with causal attention over all words at once: the "
        "newest word, with its position, asks; its own key and those in the cache answer."
    )
