"""Chapter 6: masks by hand, packed and in a window, a test for leaks, decoding with a cache and beams."""

import math
from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from attnbook.attention import masked_softmax
from attnbook.exercises.comparing import shape
from attnbook.exercises.judges import Numbers, Suspect, drawn, number, random, slips
from attnbook.exercises.reading import read_results
from attnbook.exercises.registry import exercise, function, suspects
from attnbook.exercises.verdict import Unfinished, Wrong

UNMASKED, AFTER, BEFORE = (0.1, 0.2, 0.3, 0.4), (0.1, 0.2, 0.0, 0.0), (1 / 3, 2 / 3, 0.0, 0.0)
BEFORE_MOVES = (
    "with the mask before softmax the score of key 4 is -inf, whatever it was. Its old value enters no sum."
)
AFTER_MOVES = (
    "the mask after softmax sets the weight of key 4 to 0, but softmax has divided by a sum that key 4 is "
    "part of. A larger score of key 4 makes this sum larger, and every weight smaller."
)

_weights = partial(number, near=0.006)  # thirds may be given as .33

exercise(
    "6.1",
    "Before and after",
    praise="Renormalised and before are the same numbers, and neither hears of key 4. The mask after "
    "softmax hides the later words, and lets them decide how much the earlier ones may weigh.",
    judge=Numbers(
        _weights(
            "after",
            AFTER,
            "Take the four weights, and set those of later keys to 0.",
            {
                UNMASKED: "these are the weights without a mask. Key 3 and key 4 come later: their weights "
                "become 0.",
                BEFORE: "this is what the mask *before* softmax gives. After softmax nobody shares out "
                "again.",
                (0.1, 0, 0, 0): "this is without the query's own key. It may see itself; only later keys "
                "are hidden.",
                (0, 0, 0.3, 0.4): "this is the wrong half: you kept the future and hid the past.",
            },
        ),
        _weights(
            "row_sum",
            0.3,
            "Add up the four weights that the mask after softmax leaves.",
            {
                1.0: "this is what the weights of a proper row sum to. Add up yours.",
                0.7: "this is what the mask took away. The sum is what is left.",
            },
        ),
        _weights(
            "renormalised",
            BEFORE,
            "Divide each weight that is left by their sum.",
            {
                AFTER: "this is not renormalised yet: divide each by their sum.",
                (0.45, 0.55, 0, 0): "this is filled up by adding. Divide by the sum, so that 1 : 2 stays 1 "
                ": 2.",
                (0.5, 0.5, 0, 0): "this is even. Key 2 had twice the weight of key 1, and dividing keeps "
                "that.",
            },
        ),
        _weights(
            "before",
            BEFORE,
            "Softmax over keys 1 and 2 alone. Without a mask they stand 0.1 to 0.2, and the rest of the row "
            "does not change this ratio.",
            {
                AFTER: "this is what the mask *after* softmax gives. Before softmax, the open keys share "
                "the whole 1.",
                UNMASKED: "these are the weights without a mask.",
                (1, 0, 0, 0): "this is without the query's own key. It may see itself; only later keys are "
                "hidden.",
                (0, 0, 3 / 7, 4 / 7): "this is the wrong half: you kept the future and hid the past.",
                (0.5, 0.5, 0, 0): "this is even. The scores of keys 1 and 2 still differ: their weights "
                "stand 1 : 2.",
            },
        ),
        number(
            "moved_by_key_4",
            (1, 0, 0),
            "Give three times True or False: for after, renormalised and before.",
            dict.fromkeys([(0, 0, 0), (0, 0, 1), (0, 1, 0), (0, 1, 1)], AFTER_MOVES)
            | dict.fromkeys([(1, 0, 1), (1, 1, 1)], BEFORE_MOVES)
            | {
                (1, 1, 0): "renormalising divides by the sum again, and what key 4 did to all the weights "
                "alike cancels. Compare your numbers for `renormalised` and `before`."
            },
        ),
    ),
)


def _packed(
    reads: Callable = lambda text, start: [start, *text[:-1]],
    writes: Callable = lambda text, start: text,
    mask: Callable = lambda same, early: same & early,
    row: Callable = lambda reads, start: reads,
) -> Callable:
    """The right answer; the keywords make the wrong ones, from a text's ids or from the whole row of ids."""

    def pack(texts: list[list[int]], start: int) -> tuple[Tensor, Tensor, Tensor]:
        which = torch.tensor([number for number, text in enumerate(texts) for _ in text])  # (T,)
        same = which[:, None] == which  # (T, T)
        early = torch.ones_like(same).tril()
        read = [token for text in texts for token in reads(text, start)]
        wrote = [token for text in texts for token in writes(text, start)]
        return torch.tensor(row(read, start)), torch.tensor(wrote), mask(same, early)

    return pack


def _texts(count: int, longest: int, start: int, seed: int) -> tuple[list[list[int]], int]:
    """Random texts of 1 to `longest` ids, the last of which is the end, 2."""
    lengths = random(count, seed=seed).abs().mul(3).long().clamp(max=longest - 1).tolist()
    ids = (random(count, longest, seed=seed + 1).abs() * 30).long() + 20
    return [[*row[:length].tolist(), 2] for row, length in zip(ids, lengths, strict=True)], start


@function(
    "6.2",
    "Pack the texts",
    {"reads": "(T,)", "writes": "(T,)", "mask": "(T, T)"},
    praise="No place of the row is padding, each text is learned as if it were alone, and one pass does it: "
    "large models are trained on rows like this one.",
    cases=[
        ([[5, 9, 6, 2], [7, 3, 2], [8, 4, 4, 9, 2]], 1),
        ([[2]], 1),
        ([[6, 2], [2], [5, 2]], 13),
        *drawn(_texts, (1, 5), (1, 6), (10, 15)),
    ],
    slips=slips(
        "You shifted the whole row at once: the second text begins by reading the end of the first one. "
        "Each text begins with `start`.",
        _packed(lambda text, start: text, row=lambda reads, start: [start, *reads[:-1]]),
        "Nothing is shifted: at every place the decoder reads the very token that it must write there. It "
        "would learn to copy, and the causal mask would not stop it, for it may see its own place.",
        _packed(lambda text, start: text),
        "You shifted to the left: each place reads the token *after* the one that it must write. To the "
        "right: a place reads what the place before it wrote.",
        _packed(lambda text, start: [*text[1:], start]),
        _packed(lambda text, start: [*text[1:], 0]),
        "The start took the place of the first token, and nothing moved. Every token moves one place to the "
        "right; the last one falls off.",
        _packed(lambda text, start: [start, *text[1:]]),
        "One place too many in each text: the decoder reads as many tokens as it writes. The end is written "
        "and never read.",
        _packed(lambda text, start: [start, *text]),
        "The last token of a text is carried round to its front: the decoder would read the end first. The "
        "first place reads `start`.",
        _packed(lambda text, start: [text[-1], *text[:-1]]),
        "One place too far: each place reads the token before the previous one, and the first token arrives "
        "a step late.",
        _packed(lambda text, start: [start, start, *text][: len(text)]),
        "The first place of a text reads 0. Decoding begins with the id `start`.",
        _packed(lambda text, start: [0, *text[:-1]]),
        "No start stands in front of the texts: their first places have nothing to read.",
        _packed(lambda text, start: text[:-1]),
        "What is written begins with the start. It is given, never written: a text's first place writes its "
        "first token.",
        _packed(writes=lambda text, start: [start, *text[:-1]]),
        _packed(writes=lambda text, start: [start, *text]),
        "Your mask is the plain causal one: the second text may look at the first. A query may see keys of "
        "its own text only.",
        _packed(mask=lambda same, early: early),
        "Each place may see its whole text, the future too. Within a text the mask is causal.",
        _packed(mask=lambda same, early: same),
        "The mask is inverted: True means may attend.",
        _packed(mask=lambda same, early: ~(same & early)),
        "You hid the diagonal too. Each place may attend to itself: the shift has already taken care that "
        "it does not hold its own answer. (And the first place of a text would have nothing to see.)",
        _packed(mask=lambda same, early: same & early & ~early.T),
        "The mask is turned over: rows are queries and columns are keys, so the past is on the left.",
        _packed(mask=lambda same, early: same & early.T),
    ),
)
def pack(texts: list[list[int]], start: int) -> tuple[Tensor, Tensor, Tensor]:
    return _packed()(texts, start)


def _window(see: Callable = lambda back, window: (back >= 0) & (back < window), corner: bool = False):
    """The right answer; another rule `see`, or queries that stand first, make wrong ones."""

    def mask(new: int, total: int, window: int) -> Tensor:
        place = torch.arange(new)[:, None] + (0 if corner else total - new)  # (N, 1)
        return see(place - torch.arange(total), window)  # (N, T)

    return mask


@function(
    "6.3",
    "A budget of keys",
    {"mask": "(N, T)"},
    praise="A cache behind such a mask never holds more than `window` keys, however long the text gets. new "
    "= total is training; new = 1 is a step of decoding, where the mask is a single row.",
    cases=[
        (3, 8, 3),
        (5, 5, 2),
        (1, 6, 4),
        (4, 6, 1),
        (3, 4, 9),
        *drawn(lambda new, old, window, seed: (new, new + old, window), (1, 6), (0, 6), (1, 8)),
    ],
    slips=slips(
        "The queries are not the first words, they are the last: query i stands at place total - new + i. "
        "Yours start in the top left corner, which is right for new = total only.",
        _window(corner=True),
        "The window does nothing yet: every query still sees its whole past.",
        _window(lambda back, window: back >= 0),
        "One key too many: the window counts the word itself too, so `window` keys are open and not one "
        "more.",
        _window(lambda back, window: (back >= 0) & (back <= window)),
        "You hid the diagonal. Each word may attend to itself, and its own key is one of the `window`.",
        _window(lambda back, window: (back > 0) & (back < window)),
        _window(lambda back, window: (back > 0) & (back <= window)),
        "The mask is inverted: True means may attend.",
        _window(lambda back, window: (back < 0) | (back >= window)),
        "The window reaches into the future as well. Only keys before the query, and its own, are open.",
        _window(lambda back, window: back.abs() < window),
        _window(lambda back, window: back < window),
        "The future is open and the past is hidden: rows are queries and columns are keys.",
        _window(lambda back, window: (back <= 0) & (-back < window)),
        "Each word may also see the one right after it, and that is the very token it must write. The "
        "diagonal is the last that is open.",
        _window(lambda back, window: (back >= -1) & (back < window)),
        "You kept what lies *outside* the window: the keys that should have been given up.",
        _window(lambda back, window: back >= window),
        "The mask has a row for each key. Rows are queries, (N, T).",
        lambda new, total, window: window_mask(new, total, window).T,
    ),
)
def window_mask(new: int, total: int, window: int) -> Tensor:
    return _window()(new, total, window)


WIDTH = 8


def _attention(weights_of: Callable, last: Callable = lambda y: y, first: Callable = lambda x: x) -> Callable:
    """Self-attention with weights `weights_of(scores)`, a residual, and a first and last step."""
    W = random(3, WIDTH, WIDTH, seed=300).double() / math.sqrt(WIDTH)

    def layer(x: Tensor) -> Tensor:
        query, key, value = (first(x) @ matrix.to(x.dtype) for matrix in W)  # (1, T, D) each
        scores = query @ key.transpose(-2, -1) / math.sqrt(WIDTH)  # (1, T, T)
        return last(x + weights_of(scores) @ value)

    return layer


def _triangle(shift: int, query: int = 0, key: int = 0) -> Callable[[Tensor], Tensor]:
    """Weights under a triangle; one query may look at one other key as well."""

    def weights(scores: Tensor) -> Tensor:
        mask = torch.ones_like(scores, dtype=torch.bool).tril(shift)
        if query < key:
            mask[..., query : query + 1, key : key + 1] = True  # no hole where x is too short for it
        return masked_softmax(scores, mask)

    return weights


def _trickle(give: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """A causal layer that also adds `give(later)` to each place, `later` being the sum of all later ones."""
    causal = _attention(_triangle(0))

    def layer(x: Tensor) -> Tensor:
        return causal(x) + give(x.flip(1).cumsum(1).flip(1) - x)

    return layer


def _into(feature: int, values: Tensor) -> Tensor:
    """Numbers `(1, T)` as vectors that hold them in one feature."""
    return values[..., None] * torch.eye(WIDTH, dtype=values.dtype)[feature]  # (1, T, D)


def _normalized(y: Tensor) -> Tensor:
    return F.layer_norm(y, (WIDTH,))


def _centred(y: Tensor) -> Tensor:
    """The half of LayerNorm that hides a leak from a sum, exactly: 1 - 8/8 is 0 without any rounding."""
    return y - y.mean(dim=-1, keepdim=True)


def _by_changing(change: Callable[[Tensor], Tensor]) -> Callable:
    """A test that puts `change(later)` in the place of all later words."""

    def leaks(layer: Callable, x: Tensor) -> bool:
        found = False
        for s in range(1, x.shape[1]):
            other = torch.cat((x[:, :s], change(x[:, s:])), 1)
            found |= not torch.allclose(layer(other)[:, :s], layer(x)[:, :s])
        return found

    return leaks


def _causal(name: str, layer: Callable) -> Suspect:
    words = (
        "It sees nothing of the future. Look only at inputs strictly later than the output; if you compare "
        "outputs, compare those before the change only."
    )
    return Suspect(name, (layer, X), False, words)


def _leaking(name: str, layer: Callable, words: str = "") -> Suspect:
    some = (
        "You look at some places only, and the leak is at another one. Ask every output about every later "
        "input."
    )
    return Suspect(name, (layer, X), True, words or some)


X = random(1, 6, WIDTH, seed=310).double()
SUMS = (
    "Behind LayerNorm the numbers of a position sum to the same, whatever comes in (and so do their "
    "squares). The gradient of such a sum is 0 even where every single number depends on the future. Ask "
    "for each number of an output by itself, or for a random mix of them."
)
LINE_UP = (
    _causal("a layer with the causal mask", _attention(_triangle(0))),
    _leaking(
        "a layer without a mask",
        _attention(lambda scores: scores.softmax(-1)),
        "Which outputs do you look at? Nothing comes after the last one, so it can't leak; and an output "
        "that is summed over all positions belongs to none of them.",
    ),
    _causal("a causal layer that ends in LayerNorm", _attention(_triangle(0), last=_normalized)),
    _leaking(
        "a layer with the mask after softmax",
        _attention(lambda scores: scores.softmax(-1).tril()),
        "The weights of later words are 0 and the output still hears of them: through the sum that softmax "
        "divides by. Test the output itself, and take any difference from 0 for a leak.",
    ),
    _leaking("a layer whose triangle reaches one place too far", _attention(_triangle(1))),
    _causal("a layer that hides the diagonal too", _attention(_triangle(-1))),
    _leaking("a leaking layer that ends in LayerNorm", _attention(_triangle(2), last=_normalized), SUMS),
    _leaking(
        "a leaking layer that subtracts the mean, as LayerNorm does",
        _attention(_triangle(2), last=_centred),
        SUMS,
    ),
    _leaking("a layer in which only word 0 sees word 1", _attention(_triangle(0, 0, 1))),
    _leaking("a layer in which only word 2 sees word 4", _attention(_triangle(0, 2, 4))),
    _leaking("a layer in which only word 4 sees the last one", _attention(_triangle(0, 4, 5))),
    _leaking(
        "a layer in which one feature of later words reaches one other feature",
        _trickle(lambda later: _into(3, later[..., 5])),
        "You look at some of the D numbers only, or compare a feature with itself. Ask every number of an "
        "output about every number of a later input.",
    ),
    _leaking(
        "a layer in which later words raise one number as much as they lower another",
        _trickle(lambda later: _into(3, later[..., 5]) - _into(6, later[..., 5])),
        "Added up, the two changes cancel. Take absolute values *before* you add.",
    ),
    _leaking(
        "a leaking pre-norm layer",
        _attention(_triangle(1), first=lambda x: _centred(x) / x.std(-1, keepdim=True)),
        "It reads words through a LayerNorm, which doesn't notice when 1 is added to all of a word's "
        "numbers or when they are doubled. Put fresh random numbers there: `torch.randn_like`.",
    ),
    _leaking(
        "a layer with a faint leak",
        _trickle(lambda later: 1e-5 * later),
        "The leak is small, but ten orders of magnitude above rounding, which is about 1e-15 in 64 bits. "
        "Compare more strictly.",
    ),
)


@suspects(
    "6.4",
    "A leak test",
    LINE_UP,
    praise=f"Your test judged {len(LINE_UP)} layers rightly: the innocent, the careless, the one with the "
    "mask after softmax, and those that hide the leak from a sum. Run it on whatever decoder you write next.",
    slips=slips(
        "Your test convicts every layer, the causal ones too. Does it count what an output takes from its "
        "own position and from earlier ones? Only inputs *later* than the output are a leak. (If you change "
        "a later input, compare the outputs *before* it.)",
        lambda layer, x: True,
        "Your test acquits every layer, even the one without a mask. Which outputs does it look at? Nothing "
        "comes after the last one, so it can't leak; and an output that is summed over all positions "
        "belongs to none of them.",
        lambda layer, x: False,
        "Your test puts later words in another order. Attention without a mask reads them as a bag and "
        "doesn't notice. Put other numbers in their place: `torch.randn_like`.",
        _by_changing(lambda later: later.flip(1)),
        _by_changing(lambda later: later.roll(1, 1)),
    ),
)
def leaks(layer: Callable[[Tensor], Tensor], x: Tensor) -> bool:
    jacobian = torch.autograd.functional.jacobian(layer, x)  # (1, T, D, 1, T, D)
    reach = jacobian[0, :, :, 0].abs().sum(dim=(1, 3))  # (T, T): output t, input s
    return bool((reach.triu(1) > 0).any())


Cache = tuple[Tensor, Tensor]


def _append(old: Tensor, new: Tensor) -> Tensor:
    return torch.cat((old, new), dim=1)


def _old(old: Tensor, new: Tensor) -> Tensor:
    return old


def _new(old: Tensor, new: Tensor) -> Tensor:
    return new


def _step(
    place: Callable[[int], int | None] = lambda t: t,
    kept: Callable[[Tensor, Tensor], Tensor] = _append,
    seen: Callable[[Tensor, Tensor], Tensor] = _append,
    project: Callable = lambda x, word, W_query, W_key, W_value: (x @ W_query, x @ W_key, x @ W_value),
    scale: float = 0.5,
) -> Callable:
    """The right step; the keywords make the wrong ones: another place, other keys kept or attended to."""

    def step(x: Tensor, cache: Cache, positions: Tensor, W_query: Tensor, W_key: Tensor, W_value: Tensor):
        keys, values = cache
        number = place(keys.shape[1])
        placed = x if number is None else x + positions[number]  # (B, D)
        query, key, value = project(placed, x, W_query, W_key, W_value)  # (B, d) each
        scores = (query[:, None] @ seen(keys, key[:, None]).mT).squeeze(1)  # (B, t + 1)
        weights = (scores / query.shape[-1] ** scale).softmax(-1)
        output = (weights[:, None] @ seen(values, value[:, None])).squeeze(1)  # (B, d_v)
        return output, (kept(keys, key[:, None]), kept(values, value[:, None]))

    return step


def _follow(
    step: Callable, x: Tensor, positions: Tensor, W_query: Tensor, W_key: Tensor, W_value: Tensor
) -> Tensor:
    """The outputs of a step that is called again and again, word by word of x `(B, T, D)`."""
    wanted = len(x), W_value.shape[1]
    cache = tuple(x.new_zeros(len(x), 0, matrix.shape[1]) for matrix in (W_key, W_value))
    outputs = []
    for word in x.unbind(dim=1):
        result = step(word, cache, positions, W_query, W_key, W_value)
        output, cache = read_results(result, (x, object()), ("output", "cache"))
        if isinstance(cache, tuple | list) and any(part is ... for part in cache):
            raise Unfinished("There is still a `...` in the cache that you return.")
        if tuple(output.shape) != wanted:
            raise Wrong(
                f"The output has shape {shape(output)}; wanted (B, d_v), here {wanted}: one row for the "
                "newest word."
            )
        outputs.append(output)
    return torch.stack(outputs, dim=1)  # (B, T, d_v)


def _words(batch: int, length: int, d_v: int, seed: int) -> tuple[Tensor, ...]:
    """Words `(B, T, D)`, positions, and the three matrices."""
    sizes = ((batch, length, 6), (12, 6), (6, 5), (6, 5), (6, d_v))
    return tuple(random(*each, seed=seed + i) for i, each in enumerate(sizes))


@function(
    "6.5",
    "Repair the cache",
    {"outputs": "(B, T, d_v)"},
    praise="Word by word you computed what causal attention computes for the whole sequence at once, and no "
    "mask was needed: the future has not been written yet.",
    use=_follow,
    cases=[_words(3, 5, 5, 400), _words(2, 7, 4, 410), *drawn(_words, (1, 4), (1, 9), (2, 6))],
    slips=slips(
        "The cache you return is the one you were given: the newest key and value are forgotten, and each "
        "step sees nothing of those before. Return the longer ones.",
        _step(kept=_old),
        _step(kept=_old, place=lambda t: None),
        "Your cache holds the newest key and value only: what stood there before is overwritten. Append: "
        "`torch.cat((keys, key.unsqueeze(1)), dim=1)`.",
        _step(kept=_new),
        _step(kept=_new, seen=_new),
        _step(seen=_new),
        "You attend first and append afterwards, so the newest word does not see itself. The causal mask "
        "leaves the diagonal open: append, then attend.",
        _step(seen=_old),
        "The position is one too far. With t words in the cache, t of them stand before this one, and "
        "counting from 0 its position is t: `positions[keys.shape[1]]`.",
        _step(lambda t: t + 1),
        "The position is one too early: the first word should get `positions[0]`, and -1 means the last "
        "row. Take the length of the cache *before* you append, without subtracting.",
        _step(lambda t: t - 1),
        _step(lambda t: max(t - 1, 0)),
        "Every word gets position 0, as if it stood first. It comes alone, but t words went before it, so "
        "it is at position t.",
        _step(lambda t: 0),
        "The position is missing: `x + positions[t]`, before x is projected.",
        _step(lambda t: None),
        "The scale is missing: divide the scores by √d before softmax.",
        _step(scale=0),
        "Queries and keys have changed places. The newest word asks with its query; the cache holds keys.",
        _step(project=lambda x, word, Wq, Wk, Wv: (x @ Wk, x @ Wq, x @ Wv)),
        "The keys serve as values too: the values are `x @ W_value`.",
        _step(project=lambda x, word, Wq, Wk, Wv: (x @ Wq, x @ Wk, x @ Wk)),
        "The value is made without the position: project the same x three times.",
        _step(project=lambda x, word, Wq, Wk, Wv: (x @ Wq, x @ Wk, word @ Wv)),
    ),
    rule="In [b, t, i], t is the word, counted from 0: all words before it are right. Compare with causal "
    "attention over all words at once: the newest word, with its position, asks; its own key and those in "
    "the cache answer.",
)
def step(
    x: Tensor, cache: Cache, positions: Tensor, W_query: Tensor, W_key: Tensor, W_value: Tensor
) -> tuple[Tensor, Cache]:
    return _step()(x, cache, positions, W_query, W_key, W_value)


Model = Callable[[list[int]], Tensor]


def _search(
    fair: Callable[[float, int], float] = lambda total, count: total / count,
    rank: Callable[[list[int], float, float], float] = lambda ids, total, last: total,
    gain: Callable[[float, float], float] = lambda total, log: total + log,
    first: float = 0.0,
    wait: bool = True,
    children: int | None = None,
    halt: bool = False,
    pick: Callable = max,
) -> Callable:
    """The right search; the keywords make the wrong ones."""

    def write(model: Model, start: int, end: int, beams: int, max_length: int) -> list[int]:
        kept = [([start], first, 0.0)]  # ids, their total, the last log-probability
        for _ in range(max_length):
            longer = []
            for ids, total, last in kept:
                if wait and ids[-1] == end:
                    longer.append((ids, total, last))
                    continue
                logs = sorted(enumerate(model(ids).tolist()), key=lambda pair: pair[1], reverse=True)
                longer += [
                    ([*ids, token], gain(total, log), log)
                    for token, log in logs[: children if len(ids) > 1 else None]
                ]
            kept = sorted(longer, key=lambda beam: rank(*beam), reverse=True)[:beams]
            if halt and kept[0][0][-1] == end:
                return kept[0][0][1:]
        return pick(kept, key=lambda beam: fair(beam[1], len(beam[0]) - 1))[0][1:]

    return write


def _set_aside(refill: bool) -> Callable:
    """A wrong search: ended sequences leave the beams, and others get their places or nobody does."""

    def write(model: Model, start: int, end: int, beams: int, max_length: int) -> list[int]:
        alive, ended = [([start], 0.0)], []
        for _ in range(max_length):
            longer = [
                ([*ids, i], total + log) for ids, total in alive for i, log in enumerate(model(ids).tolist())
            ]
            longer.sort(key=lambda beam: beam[1], reverse=True)
            ended += [beam for beam in longer[:beams] if beam[0][-1] == end]
            going_on = [beam for beam in (longer if refill else longer[:beams]) if beam[0][-1] != end]
            alive = going_on[:beams]
        return max(ended + alive, key=lambda beam: beam[1] / (len(beam[0]) - 1))[0][1:]

    return write


def _model(vocab: int, seed: int) -> Model:
    """A random model: what is likely next depends on the last token and on how many there are."""
    scores = random(12, vocab, vocab, seed=seed)

    def next_log_probs(ids: list[int]) -> Tensor:
        return scores[min(len(ids), 11), int(ids[-1])].log_softmax(-1)

    return next_log_probs


MODELS = 5  # one answer says little: different slips often write the same


def _on_each(
    write: Callable, models: tuple[Model, ...], start: int, end: int, beams: int, max_length: int
) -> tuple:
    return tuple(write(model, start, end, beams, max_length) for model in models)


def _beams_case(vocab: int, end: int, beams: int, max_length: int, seed: int) -> tuple:
    models = tuple(_model(vocab, seed + i) for i in range(MODELS))
    return models, (end + 1 + seed // 10 % (vocab - 1)) % vocab, end, beams, max_length


@function(
    "6.6",
    "Beam search",
    {f"ids of model {i + 1}": "a list of ids" for i in range(MODELS)},
    praise="It looks past a tempting first token, lets ended sequences wait, and does not favour the short. "
    "With one beam it is greedy decoding.",
    use=_on_each,
    cases=[_beams_case(8, 3, 3, 8, 630), *drawn(_beams_case, (4, 8), (0, 3), (1, 4), (1, 8), count=8)],
    slips=slips(
        "This is greedy decoding: only the likeliest beginning goes on. Keep `beams` of them after each "
        "step, and extend every one.",
        lambda model, start, end, beams, most: write_with_beams(model, start, end, 1, most),
        "The short sequence won for being short: each further token makes a sum of log-probabilities "
        "smaller. Go on until every beam has ended or has `max_length` tokens, and then compare the sums "
        "divided by their number of tokens, the end included.",
        _search(lambda total, count: total),
        _search(halt=True),
        "You count the start as a token of the answer. Divide by the number of tokens that were written.",
        _search(lambda total, count: total / (count + 1)),
        "You divide by the root of the length. The *mean* divides by the length itself.",
        _search(lambda total, count: total / count**0.5),
        "You rank the beginnings by their mean. Sums decide who goes on; the mean is for the end only.",
        _search(rank=lambda ids, total, last: total / (len(ids) - 1)),
        "You rank the beginnings by their last token alone. What counts is the sum over all of them.",
        _search(rank=lambda ids, total, last: last),
        "You add probabilities. A sequence's probability is a product, so it is the *log*-probabilities "
        "that are added.",
        _search(gain=lambda total, log: total + math.exp(log)),
        "Each beam goes on with its best token only. A beam may have several good children: rank all tokens "
        "of all beams together.",
        _search(children=1),
        "Ended sequences are set aside, and others get their places. They wait as they are, and compete for "
        "a place in each round.",
        _set_aside(refill=True),
        _set_aside(refill=False),
        "A beam that has ended goes on growing: what comes after `end` costs it probability, and takes the "
        "places of others. Carry it along as it is.",
        _search(wait=False),
        _search(lambda total, count: total, wait=False),
        "You multiplied log-probabilities. Probabilities multiply; their logarithms add.",
        _search(gain=lambda total, log: total * log, first=1.0),
        _search(lambda total, count: total, gain=lambda total, log: total * log, first=1.0),
        "You returned the worst of the beams. The best is the one with the *highest* mean: "
        "log-probabilities are negative, and the one nearest to 0 wins.",
        _search(pick=min),
        "The start stands in front: return what comes after it.",
        lambda model, start, *others: [start, *write_with_beams(model, start, *others)],
        "The end is missing: it was written too, and counts as a token.",
        lambda model, start, end, *others: [
            token for token in write_with_beams(model, start, end, *others) if token != end
        ],
        "That is longer than `max_length`.",
        lambda *case: write_with_beams(*case[:-1], case[-1] + 1),
    ),
    rule="Follow it on paper: at each step every kept beginning is extended by every token, and the `beams` "
    "with the highest sums stay.",
)
def write_with_beams(next_log_probs: Model, start: int, end: int, beams: int, max_length: int) -> list[int]:
    return _search()(next_log_probs, start, end, beams, max_length)
