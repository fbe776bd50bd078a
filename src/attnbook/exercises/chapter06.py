"""Chapter 6: masks, a decoder layer, a leak test, exposure bias, beam search, a cache, packed texts."""

import math
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from attnbook.attention import masked_softmax
from attnbook.exercises.comparing import describe, shape
from attnbook.exercises.judges import Numbers, Suspect, drawn, number, random, randoms, slips
from attnbook.exercises.reading import read_results, read_truth
from attnbook.exercises.registry import exercise, function, suspects
from attnbook.exercises.verdict import Unfinished, Wrong


def _mask(may_attend: Callable[[Tensor, Tensor, int], Tensor]) -> Callable[[int, int], Tensor]:
    """The mask of a rule for the positions, counted from 0, of a query and a key."""

    def mask(length: int, given: int) -> Tensor:
        at = torch.arange(length)
        return may_attend(at[:, None], at, given).expand(length, length)

    return mask


@function(
    "6.1",
    "Hide only the answers",
    {"mask": "(T, T)"},
    praise="Later tokens are hidden only if they are answers, and no second layer can pass them on.",
    cases=[
        (7, 3),
        (5, 1),
        (4, 4),
        *drawn(lambda given, more, seed: (given + more, given), (1, 5), (0, 5)),
    ],
    slips=slips(
        "This is the causal mask. It hides given tokens too, and they are no answers.",
        _mask(lambda query, key, given: key <= query),
        "An answer leaks in two steps: a given position attends to it, and in the next layer others attend "
        "to that position. Hide the answers from given positions, too.",
        _mask(lambda query, key, given: (key <= query) | (query < given)),
        _mask(lambda query, key, given: (key <= query) | (query < given - 1) | (key < given)),
        "One token too many is given to everyone. Counted from 0, the given ones are 0 to given - 1.",
        _mask(lambda query, key, given: (key <= query) | (key <= given)),
        "The last given token is hidden from those before it. Counted from 0, its position is given - 1.",
        _mask(lambda query, key, given: (key <= query) | (key < given - 1)),
        "You hid part of the diagonal. A position may attend to itself: its answer is the *next* token.",
        _mask(lambda query, key, given: (key < query) | (key < given)),
        "The mask is inverted: True means may attend.",
        _mask(lambda query, key, given: (key > query) & (key >= given)),
        "The mask is transposed: rows are queries and columns are keys.",
        _mask(lambda query, key, given: (key >= query) | (query < given)),
        "You require both: a key that is given *and* isn't later. Either is enough, so use `|`.",
        _mask(lambda query, key, given: (key <= query) & (key < given)),
        "Nothing is hidden, so every position can read its answer.",
        _mask(lambda query, key, given: torch.tensor(True)),
        "You opened only the given tokens. By then the tokens generated before are known, too.",
        _mask(lambda query, key, given: key < given),
        "The answers can't attend to the given tokens, which are known to every position.",
        _mask(lambda query, key, given: (key <= query) & (key >= given) | (query < given) & (key < given)),
        "Each position attends to the next token, which it must predict. Stop at the position itself.",
        _mask(lambda query, key, given: (key <= query + 1) | (key < given)),
        "You moved the diagonal, which opens more keys to later positions, answers too. Open the same keys, "
        "0 to given - 1, to all.",
        _mask(lambda query, key, given: key < query + given),
        _mask(lambda query, key, given: key <= query + given),
    ),
)
def least_mask(length: int, given: int) -> Tensor:
    return _mask(lambda query, key, given: (key <= query) | (key < given))(length, given)


UNMASKED, AFTER, BEFORE = (0.1, 0.2, 0.3, 0.4), (0.1, 0.2, 0.0, 0.0), (1 / 3, 2 / 3, 0.0, 0.0)
BEFORE_MOVES = "for `before` the score of key 4 is -inf, whatever it was. Its old value has no effect."
AFTER_MOVES = "`after` was divided by a sum that includes key 4: a larger score there lowers every weight."

_weights = partial(number, near=0.006)  # thirds may be given as .33


def _three_truths(value, name: str) -> tuple[bool, ...]:
    held = value.tolist() if isinstance(value, Tensor | np.ndarray) else value
    try:
        first, second, third = held
        return tuple(read_truth(each, name) for each in (first, second, third))
    except (TypeError, ValueError, Wrong):
        what = "should be True or False three times: for `after`, `renormalized` and `before`"
        raise Wrong(f"`{name}` {what}. It is {describe(value)}.") from None


exercise(
    "6.2",
    "Before and after",
    praise="`renormalized` and `before` are equal, and key 4 affects neither. A mask after softmax lets "
    "later words change the weights of earlier ones.",
    judge=Numbers(
        _weights(
            "after",
            AFTER,
            "Take the four weights, and set those of later keys to 0.",
            {
                UNMASKED: "these are the weights without a mask. Keys 3 and 4 come later, so set them to 0.",
                BEFORE: "these come from a mask *before* softmax. After softmax, nothing rescales them.",
                (0.1, 0, 0, 0): "the query may see its own key: hide only the later keys.",
                (0, 0, 0.3, 0.4): "this is the wrong half: you kept the future and hid the past.",
            },
        ),
        _weights(
            "row_sum",
            0.3,
            "Add up the four weights that the mask after softmax leaves.",
            {
                1.0: "only a full row of softmax sums to 1. Add up the weights that are left.",
                0.7: "this is what the mask removed. Add up what is left.",
            },
        ),
        _weights(
            "renormalized",
            BEFORE,
            "Divide each weight that is left by their sum.",
            {
                AFTER: "these are not renormalized yet: divide each by their sum.",
                (0.45, 0.55, 0, 0): "you added the missing weight. Divide by the sum: the ratio stays 1 : 2.",
                (
                    0.5,
                    0.5,
                    0,
                    0,
                ): "these are equal. Key 2 had twice the weight of key 1, and dividing keeps the ratio.",
            },
        ),
        _weights(
            "before",
            BEFORE,
            "Softmax over keys 1 and 2 alone: they are 0.1 : 0.2, and masking does not change this ratio.",
            {
                AFTER: "these come from a mask *after* softmax. Before it, the weights sum to 1.",
                UNMASKED: "these are the weights without a mask.",
                (1, 0, 0, 0): "the query may see its own key: hide only the later keys.",
                (0, 0, 3 / 7, 4 / 7): "this is the wrong half: you kept the future and hid the past.",
                (0.5, 0.5, 0, 0): "these are equal. Keys 1 and 2 differ in score: their weights are 1 : 2.",
            },
        ),
        number(
            "moved_by_key_4",
            (1, 0, 0),
            slips=dict.fromkeys([(0, 0, 0), (0, 0, 1), (0, 1, 0), (0, 1, 1)], AFTER_MOVES)
            | dict.fromkeys([(1, 0, 1), (1, 1, 1)], BEFORE_MOVES)
            | {(1, 1, 0): "for `renormalized`, dividing by the sum cancels key 4. Compare with `before`."},
        )._replace(read=_three_truths),
    ),
)


Parts = tuple[Tensor, Tensor, Callable, Callable, Callable, Callable, Tensor, Tensor]


def _attend(matrix: Tensor, query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Tensor:
    """A function of the module, so that an error in a call has a short name."""
    weights = masked_softmax(query @ key.transpose(-2, -1) / query.shape[-1] ** 0.5, mask)
    return weights @ value @ matrix.to(value)


def _decoder_case(batch: int, length: int, width: int, seed: int) -> Parts:
    """The arguments of a decoder layer; source and target have one length, so that wrong masks fit."""
    matrices = random(3, width, width, seed=seed + 2)

    def feed_forward(x: Tensor) -> Tensor:
        return (x @ matrices[2].to(x)).relu() - 0.5

    lengths = torch.arange(length - 1, length - 1 - batch, -1).clamp(min=1)  # even sentence 0 has padding
    real = torch.arange(length) < lengths[:, None]  # (B, S)
    return (
        *randoms((batch, length, width), (batch, length, width), seed=seed),
        partial(_attend, matrices[0]),
        partial(_attend, matrices[1]),
        feed_forward,
        partial(F.layer_norm, normalized_shape=(width,)),
        torch.ones(length, length, dtype=torch.bool).tril(),
        real[:, None],
    )


@function(
    "6.3",
    "Repair a decoder layer",
    {"output": "(B, T, D)"},
    praise="Target attends to target under the causal mask, then target to source under the padding mask, "
    "and each sublayer's output is added to its own input.",
    cases=[
        _decoder_case(3, 5, 4, 640),
        *drawn(lambda *sizes: _decoder_case(*sizes), (2, 4), (3, 6), (3, 7), count=4),
    ],
    slips=slips(
        "Nothing is repaired yet.",
        lambda x, m, look, cross, f, n, c, p: n((y := n(x + look(x, x, x, p))) + f(n(y + cross(m, y, y, c)))),
        "One of the three mistakes is repaired, two are left. Compare each line with section 6.4.",
        lambda x, m, look, cross, f, n, c, p: n((y := n(x + look(x, x, x, c))) + f(n(y + cross(m, y, y, p)))),
        lambda x, m, look, cross, f, n, c, p: n((y := n(x + look(x, x, x, p))) + f(n(y + cross(y, m, m, c)))),
        lambda x, m, look, cross, f, n, c, p: n(
            (z := n((y := n(x + look(x, x, x, p))) + cross(m, y, y, c))) + f(z)
        ),
        "The two masks are swapped: the causal mask is for the target, the padding mask for the source.",
        lambda x, m, look, cross, f, n, c, p: decoder_layer(x, m, look, cross, f, n, p, c),
        "Self-attention still has the padding mask of the source. The target needs the causal mask.",
        lambda x, m, look, cross, f, n, c, p: decoder_layer(x, m, look, cross, f, n, p, p),
        "Cross-attention still has the causal mask. The source has no future; only its padding is hidden.",
        lambda x, m, look, cross, f, n, c, p: decoder_layer(x, m, look, cross, f, n, c, c),
        "In cross-attention the queries come from the decoder, keys and values from the memory.",
        lambda x, m, look, cross, f, n, c, p: n(
            (z := n((y := n(x + look(x, x, x, c))) + cross(m, y, y, p))) + f(z)
        ),
        "Keys *and* values come from the memory.",
        lambda x, m, look, cross, f, n, c, p: n(
            (z := n((y := n(x + look(x, x, x, c))) + cross(y, m, y, p))) + f(z)
        ),
        lambda x, m, look, cross, f, n, c, p: n(
            (z := n((y := n(x + look(x, x, x, c))) + cross(y, y, m, p))) + f(z)
        ),
        "The last line adds the wrong vectors: add what the feed-forward network reads.",
        lambda x, m, look, cross, f, n, c, p: n((y := n(x + look(x, x, x, c))) + f(n(y + cross(y, m, m, p)))),
        lambda x, m, look, cross, f, n, c, p: n(x + f(n((y := n(x + look(x, x, x, c))) + cross(y, m, m, p)))),
        "The residual connection around cross-attention adds what its queries are made of: y.",
        lambda x, m, look, cross, f, n, c, p: n((z := n(x + cross(n(x + look(x, x, x, c)), m, m, p))) + f(z)),
        lambda x, m, look, cross, f, n, c, p: n((z := n(m + cross(n(x + look(x, x, x, c)), m, m, p))) + f(z)),
        "The queries of cross-attention come from what the sublayer before it returned: y, not x.",
        lambda x, m, look, cross, f, n, c, p: n((z := n(n(x + look(x, x, x, c)) + cross(x, m, m, p))) + f(z)),
        "A residual connection is missing: add each sublayer's output to what entered the sublayer.",
        lambda x, m, look, cross, f, n, c, p: n(f(n((y := n(x + look(x, x, x, c))) + cross(y, m, m, p)))),
        lambda x, m, look, cross, f, n, c, p: n((z := n(cross(n(x + look(x, x, x, c)), m, m, p))) + f(z)),
        lambda x, m, look, cross, f, n, c, p: n(
            (z := n((y := n(look(x, x, x, c))) + cross(y, m, m, p))) + f(z)
        ),
        "This is pre-norm. Here `norm` comes after each sum, not before each sublayer.",
        lambda x, m, look, cross, f, n, c, p: (
            (z := (y := x + look(n(x), n(x), n(x), c)) + cross(n(y), m, m, p)) + f(n(z))
        ),
        "The two attentions are swapped: `self_attention` comes first.",
        lambda x, m, look, cross, f, n, c, p: decoder_layer(x, m, cross, look, f, n, c, p),
    ),
)
def decoder_layer(
    x: Tensor,
    memory: Tensor,
    self_attention: Callable,
    cross_attention: Callable,
    feed_forward: Callable,
    norm: Callable,
    causal: Tensor,
    padding: Tensor,
) -> Tensor:
    y = norm(x + self_attention(x, x, x, causal))
    z = norm(y + cross_attention(y, memory, memory, padding))
    return norm(z + feed_forward(z))


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
    """Weights under a triangular mask; one query may also attend to one other key, if x is long enough."""

    def weights(scores: Tensor) -> Tensor:
        mask = torch.ones_like(scores, dtype=torch.bool).tril(shift)
        mask[..., query : query + 1, key : key + 1] = True
        return masked_softmax(scores, mask)

    return weights


def _trickle(give: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """A causal layer that also adds `give(later)` to each position; `later` is the sum of later inputs."""
    causal = _attention(_triangle(0))
    return lambda x: causal(x) + give(x.flip(1).cumsum(1).flip(1) - x)


def _into(feature: int, values: Tensor) -> Tensor:
    """Vectors with `values` `(1, T)` in one feature, and zeros in the others."""
    return values[..., None] * torch.eye(WIDTH, dtype=values.dtype)[feature]  # (1, T, D)


_normalized = partial(F.layer_norm, normalized_shape=(WIDTH,))


def _centred(y: Tensor) -> Tensor:
    """The part of LayerNorm that makes each sum 0, exactly: 1 - 8/8 is 0 without any rounding."""
    return y - y.mean(dim=-1, keepdim=True)


def _by_changing(change: Callable[[Tensor], Tensor]) -> Callable:
    """A test that replaces all later words with `change(later)`."""

    def leaks(layer: Callable, x: Tensor) -> bool:
        changed = {s: torch.cat((x[:, :s], change(x[:, s:])), 1) for s in range(1, x.shape[1])}
        return any(not torch.allclose(layer(y)[:, :s], layer(x)[:, :s]) for s, y in changed.items())

    return leaks


CAUSAL = "It is causal. Check only inputs strictly later than the output, or outputs before the change."
LEAKING = "You check only some positions, not that of the leak. Test every output with every later input."


def _suspect(name: str, layer: Callable, words: str = LEAKING) -> Suspect:
    return Suspect(name, (layer, X), words is not CAUSAL, words)


X = random(1, 6, WIDTH, seed=310).double()
SUMS = "After LayerNorm a position's sum (or sum of squares) is constant. Test each feature separately."
LINE_UP = (
    _suspect("a layer with the causal mask", _attention(_triangle(0)), CAUSAL),
    _suspect(
        "a layer without a mask",
        _attention(lambda scores: scores.softmax(-1)),
        "The last output has no future, and a sum over all outputs mixes them. Test each separately.",
    ),
    _suspect("a causal layer that ends in LayerNorm", _attention(_triangle(0), last=_normalized), CAUSAL),
    _suspect(
        "a layer with the mask after softmax",
        _attention(lambda scores: scores.softmax(-1).tril()),
        "Later words still enter the sum that softmax divides by. Test the outputs, not the weights.",
    ),
    _suspect("a layer whose triangle reaches one position too far", _attention(_triangle(1))),
    _suspect("a layer that hides the diagonal too", _attention(_triangle(-1)), CAUSAL),
    _suspect("a leaking layer that ends in LayerNorm", _attention(_triangle(2), last=_normalized), SUMS),
    _suspect("a leaking layer that subtracts the mean", _attention(_triangle(2), last=_centred), SUMS),
    _suspect("a causal layer, except that word 0 attends to word 1", _attention(_triangle(0, 0, 1))),
    _suspect("a causal layer, except that word 2 attends to word 4", _attention(_triangle(0, 2, 4))),
    _suspect("a causal layer, except that word 4 attends to the last one", _attention(_triangle(0, 4, 5))),
    _suspect(
        "a layer in which one feature of later words reaches one other feature",
        _trickle(lambda later: _into(3, later[..., 5])),
        "You check only some of the D features. Test each feature of the output with each of a later input.",
    ),
    _suspect(
        "a layer in which later words raise one feature as much as they lower another",
        _trickle(lambda later: _into(3, later[..., 5]) - _into(6, later[..., 5])),
        "The two changes cancel in a sum. Take absolute values *before* you add.",
    ),
    _suspect(
        "a leaking pre-norm layer",
        _attention(_triangle(1), first=lambda x: _centred(x) / x.std(-1, keepdim=True)),
        "LayerNorm cancels what all features of a word share, such as adding 1 or doubling. Change them at "
        "random (`torch.randn_like`), or take the gradient of each feature separately.",
    ),
    _suspect(
        "a layer with a faint leak",
        _trickle(lambda later: 1e-5 * later),
        "The leak is small, but 1e10 times larger than rounding in float64. Compare more strictly.",
    ),
)


@suspects(
    "6.4",
    "A leak test",
    LINE_UP,
    praise=f"Your test judged all {len(LINE_UP)} layers correctly. Run it on every decoder you write.",
    slips=slips(
        "Your test finds a leak in every layer, even causal ones. Count only inputs *later* than the output. "
        "(NaN is no test: a hidden word has the weight 0, and 0 · NaN is NaN.)",
        lambda layer, x: True,
        "Your test finds no leak in any layer. The last output has no future: test each of the others.",
        lambda layer, x: False,
        "You reordered the later words, which unmasked attention ignores. Use `torch.randn_like`.",
        _by_changing(lambda later: later.flip(1)),
        _by_changing(lambda later: later.roll(1, 1)),
    ),
)
def leaks(layer: Callable[[Tensor], Tensor], x: Tensor) -> bool:
    jacobian = torch.autograd.functional.jacobian(layer, x)  # (1, T, D, 1, T, D)
    reach = jacobian[0, :, :, 0].abs().sum(dim=(1, 3))  # (T, T): output t, input s
    return bool((reach.triu(1) > 0).any())


Model = Callable[[list[int]], Tensor]


def _after(forced: Tensor) -> Tensor:
    """True after the first mistake of each row."""
    mistakes = (~forced).long()
    return mistakes.cumsum(1) - mistakes > 0


def _over(where: Callable[[Tensor], Tensor], measure: Callable | None = None) -> Callable:
    """The fractions correct at other positions, or another measure of them."""
    measure = measure or (lambda correct, where: correct[where].double().mean())

    def fractions(forced: Tensor, decoded: Tensor) -> tuple[float, float]:
        found = where(forced)
        return tuple(float(measure(correct, found)) for correct in (forced, decoded))

    return fractions


def _after_the_last(forced: Tensor) -> Tensor:
    return ((~forced).long().flip(1).cumsum(1).flip(1) == 0) & ~forced.all(1, keepdim=True)


def _text_by_text(correct: Tensor, where: Tensor) -> Tensor:
    fractions = [row[its].double().mean() for row, its in zip(correct, where, strict=True) if its.any()]
    return torch.stack(fractions).mean()


def _predictions(count: int, length: int, seed: int) -> tuple[Tensor, Tensor]:
    """Which tokens are correct; up to the first mistake both are equal, and one text has a position after."""
    forced = random(count, length, seed=seed) < 1
    forced[0, 0] = False
    alone = random(count, length, seed=seed + 1) < 0.3
    return forced, torch.where(_after(forced), alone, forced)


FORCED = [[1, 1, 0, 1, 1, 0], [1, 1, 1, 1, 1, 1], [0, 1, 1, 1, 1, 1], [1, 1, 1, 1, 1, 0]]
DECODED = [[1, 1, 0, 0, 1, 0], [1, 1, 1, 1, 1, 1], [0, 0, 1, 0, 1, 1], [1, 1, 1, 1, 1, 0]]


@function(
    "6.5",
    "After the first mistake",
    {"forced": "a number", "decoded": "a number"},
    praise="Where it can act at all, exposure bias is no longer diluted by texts without a mistake.",
    cases=[
        (torch.tensor(FORCED) > 0, torch.tensor(DECODED) > 0),
        (torch.tensor([[False, True]]), torch.tensor([[False, False]])),
        *drawn(_predictions, (1, 8), (2, 9), count=8),
    ],
    slips=slips(
        "The first mistake itself is included. It is wrong in both, and only positions after it count.",
        _over(lambda forced: (~forced).long().cumsum(1) > 0),
        "You took whole texts with a mistake. Leave out the positions before it, and the mistake.",
        _over(lambda forced: (~forced.all(1, keepdim=True)).expand_as(forced)),
        "This is the fraction of all positions, as in the table.",
        _over(torch.ones_like),
        "You averaged the texts' own fractions. Count over the positions of all texts together.",
        _over(_after, _text_by_text),
        "You took the position right after the first mistake. Take all that follow.",
        _over(lambda forced: _after(forced) & (_after(forced).long().cumsum(1) == 1)),
        "You begin with the second mistake. Every position after the first counts.",
        _over(lambda forced: (~forced).long().cumsum(1) > 1),
        "You counted along the texts. Positions run along axis 1.",
        _over(lambda forced: (~forced).long().cumsum(0) > (~forced).long()),
        "You begin after the *last* mistake of the forced predictions. Begin after the first.",
        _over(_after_the_last),
        "You count texts without a mistake. `argmin` gives 0 for them, too, where nothing is False.",
        _over(lambda forced: torch.arange(forced.shape[1]) > forced.long().argmin(1, keepdim=True)),
        "You divided by the number of all positions. Divide by those after a first mistake.",
        _over(_after, lambda correct, where: (correct & where).double().mean()),
        "These are the fractions that are wrong. Count the correct ones.",
        _over(_after, lambda correct, where: (~correct)[where].double().mean()),
        "These are percentages or counts. Give fractions from 0 to 1.",
        _over(_after, lambda correct, where: 100 * correct[where].double().mean()),
        _over(_after, lambda correct, where: (correct & where).sum()),
        "You took the positions *before* the first mistake. All of these are correct.",
        _over(lambda forced: (~forced).long().cumsum(1) == 0),
    ),
)
def aftermath(forced: Tensor, decoded: Tensor) -> tuple[float, float]:
    return _over(_after)(forced, decoded)


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
    """The correct search; the keywords make wrong ones."""

    def write(model: Model, start: int, end: int, beams: int, max_length: int) -> list[int]:
        kept = [([start], first, 0.0)]  # ids, their total, the last log-probability
        for _ in range(max_length):
            longer = []
            for ids, total, last in kept:
                if wait and ids[-1] == end:
                    longer.append((ids, total, last))
                    continue
                logs = sorted(enumerate(model(ids).tolist()), key=lambda pair: pair[1], reverse=True)
                for token, log in logs[: children if len(ids) > 1 else None]:
                    longer.append(([*ids, token], gain(total, log), log))
            kept = sorted(longer, key=lambda beam: rank(*beam), reverse=True)[:beams]
            if halt and kept[0][0][-1] == end:
                return kept[0][0][1:]
        return pick(kept, key=lambda beam: fair(beam[1], len(beam[0]) - 1))[0][1:]

    return write


def _set_aside(refill: bool, shrink: bool = False) -> Callable:
    """A wrong search: ended sequences leave the beams; with `refill`, other prefixes take their slots.

    With `shrink`, no prefix ever takes the slot of an ended sequence, which can't be pushed out.
    """

    def write(model: Model, start: int, end: int, beams: int, max_length: int) -> list[int]:
        alive, ended = [([start], 0.0)], []
        for _ in range(max_length):
            longer = [
                ([*ids, i], total + log) for ids, total in alive for i, log in enumerate(model(ids).tolist())
            ]
            longer.sort(key=lambda beam: beam[1], reverse=True)
            slots = beams - len(ended) if shrink else beams
            ended += [beam for beam in longer[:slots] if beam[0][-1] == end]
            going_on = [beam for beam in (longer if refill else longer[:slots]) if beam[0][-1] != end]
            alive = going_on[:beams]
        return max(ended + alive, key=lambda beam: beam[1] / (len(beam[0]) - 1))[0][1:]

    return write


def _model(vocab: int, seed: int) -> Model:
    """A random model: the next token's distribution depends on the last token and on the length so far."""
    scores = random(12, vocab, vocab, seed=seed)
    return lambda ids: scores[min(len(ids), 11), int(ids[-1])].log_softmax(-1)


def _early_end(likely: int, start: int, end: int, seed: int) -> Model:
    """A random model whose first token is 0 or, less likely, the end; after 0, a few tokens are likely.

    Later tokens are all unlikely: an early end would win, if it is still among the beams.
    """
    scores = random(12, 8, 8, seed=seed) / 10
    scores[1, start, [0, end]] = torch.tensor([6.0, 5.0])
    scores[2, 0, -likely:] += 6
    return lambda ids: scores[min(len(ids), 11), int(ids[-1])].log_softmax(-1)


MODELS = 5  # a single output says little: different mistakes often generate the same one


def _on_each(write: Callable, models: tuple, start: int, end: int, beams: int, max_length: int) -> tuple:
    return tuple(write(model, start, end, beams, max_length) for model in models)


def _beams_case(vocab: int, end: int, beams: int, max_length: int, seed: int) -> tuple:
    models = tuple(_model(vocab, seed + i) for i in range(MODELS))
    return models, (end + 1 + seed // 10 % (vocab - 1)) % vocab, end, beams, max_length


@function(
    "6.6",
    "Beam search",
    {f"ids of model {i + 1}": "a list of ids" for i in range(MODELS)},
    praise="A likely first token doesn't decide, and length is no disadvantage. With one beam it is greedy.",
    use=_on_each,
    cases=[
        _beams_case(8, 3, 3, 8, 630),
        (tuple(_early_end(likely, 4, 1, 640 + likely) for likely in (1, 2, 3, 4, 2)), 4, 1, 2, 8),
        *drawn(_beams_case, (4, 8), (0, 3), (1, 4), (1, 8), count=8),
    ],
    slips=slips(
        "This is greedy decoding. Keep `beams` prefixes after each step, and extend every one.",
        lambda model, start, end, beams, most: write_with_beams(model, start, end, 1, most),
        "You favour short sequences. At the end, divide each sum by its number of tokens, `end` included.",
        _search(lambda total, count: total),
        _search(halt=True),
        "You count the start as a token. Divide by the number of generated tokens.",
        _search(lambda total, count: total / (count + 1)),
        "You divide by the root of the length. Divide by the length itself.",
        _search(lambda total, count: total / count**0.5),
        "You rank prefixes by their mean. Rank by sums; use the mean only at the end.",
        _search(rank=lambda ids, total, last: total / (len(ids) - 1)),
        "You rank prefixes by sums divided by the root of the length. Rank by the sums themselves.",
        _search(rank=lambda ids, total, last: total / (len(ids) - 1) ** 0.5),
        _search(rank=lambda ids, total, last: total / len(ids) ** 0.5),
        "You rank prefixes by their last token alone. Use the sum over all tokens.",
        _search(rank=lambda ids, total, last: last),
        "You add probabilities. Add *log*-probabilities: a sequence's probability is a product.",
        _search(gain=lambda total, log: total + math.exp(log)),
        "Each beam continues with its best token only. Rank all tokens of all beams together.",
        _search(children=1),
        "You set ended sequences aside. Keep them among the beams, where they compete at each step.",
        _set_aside(refill=True),
        _set_aside(refill=False),
        _set_aside(refill=False, shrink=True),
        "A beam that has ended keeps growing. Keep it unchanged: nothing comes after `end`.",
        _search(wait=False),
        _search(lambda total, count: total, wait=False),
        "You multiplied log-probabilities. Probabilities multiply; their logarithms add.",
        _search(gain=lambda total, log: total * log, first=1.0),
        _search(lambda total, count: total, gain=lambda total, log: total * log, first=1.0),
        "You returned the worst beam. The best has the *highest* mean, the negative number closest to 0.",
        _search(pick=min),
        "The answer begins with `start`. Return only what comes after it.",
        lambda model, start, *others: [start, *write_with_beams(model, start, *others)],
        "The end is missing: it is generated too, and counts as a token.",
        lambda model, start, end, *others: [
            i for i in write_with_beams(model, start, end, *others) if i != end
        ],
        "That is longer than `max_length`.",
        lambda *case: write_with_beams(*case[:-1], case[-1] + 1),
    ),
    rule="Follow it on paper: extend each kept prefix by every token, and keep the `beams` highest sums.",
)
def write_with_beams(next_log_probs: Model, start: int, end: int, beams: int, max_length: int) -> list[int]:
    return _search()(next_log_probs, start, end, beams, max_length)


Cache = tuple[Tensor, Tensor]


EVERY, OLD, NEW = slice(None), slice(None, -1), slice(-1, None)  # of the keys and values


def _step(
    position: Callable[[int], int | None] = lambda t: t,
    kept: slice = EVERY,
    seen: slice = EVERY,
    project: Callable = lambda x, word, W_query, W_key, W_value: (x @ W_query, x @ W_key, x @ W_value),
    scale: float = 0.5,
) -> Callable:
    """The correct step; the keywords make wrong ones: another position, other keys kept or attended to."""

    def step(x: Tensor, cache: Cache, positions: Tensor, W_query: Tensor, W_key: Tensor, W_value: Tensor):
        t = position(cache[0].shape[1])
        placed = x if t is None else x + positions[t]  # (B, D)
        query, *new = project(placed, x, W_query, W_key, W_value)  # (B, d) each
        keys, values = (torch.cat((old, one[:, None]), 1) for old, one in zip(cache, new, strict=True))
        scores = (query[:, None] @ keys[:, seen].mT).squeeze(1)  # (B, t + 1)
        weights = (scores / query.shape[-1] ** scale).softmax(-1)
        output = (weights[:, None] @ values[:, seen]).squeeze(1)  # (B, d_v)
        return output, (keys[:, kept], values[:, kept])

    return step


def _follow(
    step: Callable, x: Tensor, positions: Tensor, W_query: Tensor, W_key: Tensor, W_value: Tensor
) -> Tensor:
    """The outputs of a step that is called once per word of x `(B, T, D)`."""
    wanted = len(x), W_value.shape[1]
    cache = tuple(x.new_zeros(len(x), 0, matrix.shape[1]) for matrix in (W_key, W_value))
    outputs = []
    for word in x.unbind(dim=1):
        result = step(word, cache, positions, W_query, W_key, W_value)
        if isinstance(result, tuple | list):
            if len(result) == 3:
                raise Wrong("Your step returns 3 things. Return two, the output and the pair (keys, values).")
            if len(result) == 2 and isinstance(result[0], tuple | list) and isinstance(result[1], Tensor):
                raise Wrong("You return the cache first. Return the output first, then the cache.")
        output, cache = read_results(result, (x, object()), ("output", "cache"))
        if isinstance(cache, tuple | list) and any(part is ... for part in cache):
            raise Unfinished("There is still a `...` in the cache that you return.")
        if tuple(output.shape) != wanted:
            raise Wrong(
                f"The output is {shape(output)}; wanted (B, d_v), here {wanted}: one row for the newest word."
            )
        outputs.append(output)
    return torch.stack(outputs, dim=1)  # (B, T, d_v)


def _words(batch: int, length: int, d_v: int, seed: int) -> tuple[Tensor, ...]:
    """Words `(B, T, D)`, positions, and the three matrices."""
    return randoms((batch, length, 6), (12, 6), (6, 5), (6, 5), (6, d_v), seed=seed)


@function(
    "6.7",
    "Repair the cache",
    {"outputs": "(B, T, d_v)"},
    praise="You computed causal attention word by word. No mask was needed: there is no future yet.",
    use=_follow,
    cases=[_words(3, 5, 5, 400), _words(2, 7, 4, 410), *drawn(_words, (1, 4), (1, 9), (2, 6))],
    slips=slips(
        "Nothing is repaired yet.",
        _step(lambda t: t + 1, kept=NEW, seen=OLD),
        "One of the three mistakes is repaired, two are left. Follow the first two calls on paper.",
        _step(kept=NEW, seen=OLD),
        _step(lambda t: t + 1, kept=NEW),
        _step(lambda t: t + 1, seen=OLD),
        "You return the old cache, without the newest key and value. Return the longer one.",
        _step(kept=OLD),
        _step(kept=OLD, position=lambda t: None),
        "The old cache is overwritten. Append: `torch.cat((keys, key.unsqueeze(1)), dim=1)`.",
        _step(kept=NEW),
        _step(kept=NEW, seen=NEW),
        _step(seen=NEW),
        "You attend before appending, so the newest word doesn't attend to itself. Append, then attend.",
        _step(seen=OLD),
        "The position is one too far. It is the cache's length before appending: `positions[keys.shape[1]]`.",
        _step(lambda t: t + 1),
        "The position is one too early (-1 means the last row). Use the cache's length before appending.",
        _step(lambda t: t - 1),
        _step(lambda t: max(t - 1, 0)),
        "Every word gets position 0. With t words before it, a word is at position t.",
        _step(lambda t: 0),
        "The position is missing: add `positions[t]` to x before you project it.",
        _step(lambda t: None),
        "The scale is missing: divide the scores by √d before softmax.",
        _step(scale=0),
        "Queries and keys are swapped. The newest word provides the query; the cache holds keys.",
        _step(project=lambda x, word, Wq, Wk, Wv: (x @ Wk, x @ Wq, x @ Wv)),
        "You use the keys as values. The values are `x @ W_value`.",
        _step(project=lambda x, word, Wq, Wk, Wv: (x @ Wq, x @ Wk, x @ Wk)),
        "The value lacks the position: project the same x three times.",
        _step(project=lambda x, word, Wq, Wk, Wv: (x @ Wq, x @ Wk, word @ Wv)),
    ),
    rule="In [b, t, i], t is the word, counted from 0: all words before it are correct. The newest word's "
    "query, with its position, attends to its own key and those in the cache.",
)
def step(
    x: Tensor, cache: Cache, positions: Tensor, W_query: Tensor, W_key: Tensor, W_value: Tensor
) -> tuple[Tensor, Cache]:
    return _step()(x, cache, positions, W_query, W_key, W_value)


def _packed(
    reads: Callable = lambda text, start: [start, *text[:-1]],
    writes: Callable = lambda text, start: text,
    mask: Callable = lambda same, early: same & early,
    row: Callable = lambda reads, start: reads,
) -> Callable:
    """The correct answer; the keywords make wrong ones, from a text's ids or from the whole row of ids."""

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
    "6.8",
    "Pack the texts",
    {"reads": "(T,)", "writes": "(T,)", "mask": "(T, T)"},
    praise="No padding, and each text is trained on as if it were alone: large models are trained this way.",
    cases=[
        ([[5, 9, 6, 2], [7, 3, 2], [8, 4, 4, 9, 2]], 1),
        ([[2]], 1),
        ([[6, 2], [2], [5, 2]], 13),
        *drawn(_texts, (1, 5), (1, 6), (10, 15)),
    ],
    slips=slips(
        "You shifted the whole row, so text 2 starts with the end of text 1. Start each text with `start`.",
        _packed(lambda text, start: text, row=lambda reads, start: [start, *reads[:-1]]),
        "Nothing is shifted. Each position reads the token it must predict, and the causal mask allows it.",
        _packed(lambda text, start: text),
        "You shifted left. Shift right: each position reads the token that the previous one predicts.",
        _packed(lambda text, start: [*text[1:], start]),
        _packed(lambda text, start: [*text[1:], 0]),
        "You replaced the first token by `start`. Shift every token right; the last one drops off.",
        _packed(lambda text, start: [start, *text[1:]]),
        "One position too many in each text: the end is predicted but never read.",
        _packed(lambda text, start: [start, *text]),
        "You rolled the last token to the front. The first position must read `start`, not the end.",
        _packed(lambda text, start: [text[-1], *text[:-1]]),
        "You shifted by two. Each position reads the token just before its own.",
        _packed(lambda text, start: [start, start, *text][: len(text)]),
        "The first position of a text reads 0. It must read `start`.",
        _packed(lambda text, start: [0, *text[:-1]]),
        "`start` is missing: the first position of each text has nothing to read.",
        _packed(lambda text, start: text[:-1]),
        "`writes` begins with `start`, which is given. The first token to predict is the text's own.",
        _packed(writes=lambda text, start: [start, *text[:-1]]),
        _packed(writes=lambda text, start: [start, *text]),
        "Your mask is only causal: text 2 attends to text 1. A query may attend to its own text only.",
        _packed(mask=lambda same, early: early),
        "Each position attends to its whole text, even the future. Make the mask causal within a text.",
        _packed(mask=lambda same, early: same),
        "The mask is inverted: True means may attend.",
        _packed(mask=lambda same, early: ~(same & early)),
        "You hid the diagonal. Each position may attend to itself: it holds the token before the answer.",
        _packed(mask=lambda same, early: same & early & ~early.T),
        "The mask is transposed: rows are queries and columns are keys, so the past is on the left.",
        _packed(mask=lambda same, early: same & early.T),
    ),
)
def pack(texts: list[list[int]], start: int) -> tuple[Tensor, Tensor, Tensor]:
    return _packed()(texts, start)


def _window(see: Callable = lambda back, window: (back >= 0) & (back < window), corner: bool = False):
    """The correct answer; another rule `see`, or queries counted from position 0, make wrong ones."""

    def mask(new: int, total: int, window: int) -> Tensor:
        position = torch.arange(new)[:, None] + (0 if corner else total - new)  # (N, 1)
        return see(position - torch.arange(total), window)  # (N, T)

    return mask


def _budget(new: int, old: int, window: int, seed: int) -> tuple[int, int, int]:
    return new, new + old, window


@function(
    "6.9",
    "A budget of keys",
    {"mask": "(N, T)"},
    praise="With this mask a cache needs at most `window` keys. new = total is training; new = 1 is "
    "a decoding step, with a single row.",
    cases=[(3, 8, 3), (5, 5, 2), (1, 6, 4), (4, 6, 1), (3, 4, 9), *drawn(_budget, (1, 6), (0, 6), (1, 8))],
    slips=slips(
        "Queries are the last words: query i is at position total - new + i, not i (unless new = total).",
        _window(corner=True),
        "The window does nothing yet: every query still attends to its whole past.",
        _window(lambda back, window: back >= 0),
        "One key too many: the word's own key counts as one of the `window`.",
        _window(lambda back, window: (back >= 0) & (back <= window)),
        "One key too few: with the word's own key, `window` keys are open.",
        _window(lambda back, window: (back >= 0) & (back < window - 1)),
        "Your positions are one too large. Counted from 0, the last query is at position total - 1.",
        _window(lambda back, window: (back >= -1) & (back < window - 1)),
        "You hid the diagonal. Each word attends to itself: its own key is one of the `window`.",
        _window(lambda back, window: (back > 0) & (back < window)),
        _window(lambda back, window: (back > 0) & (back <= window)),
        "The mask is inverted: True means may attend.",
        _window(lambda back, window: (back < 0) | (back >= window)),
        "The window reaches into the future. Only the query's own key and earlier ones are allowed.",
        _window(lambda back, window: back.abs() < window),
        _window(lambda back, window: back < window),
        "The mask is transposed: it shows the future and hides the past. Rows are queries, columns keys.",
        _window(lambda back, window: (back <= 0) & (-back < window)),
        "Each word also attends to the next one, which it must predict. Stop at the word itself.",
        _window(lambda back, window: (back >= -1) & (back < window)),
        "You kept the keys *outside* the window. Keep those inside.",
        _window(lambda back, window: back >= window),
        "The mask has a row for each key. Rows are queries: (N, T).",
        lambda new, total, window: window_mask(new, total, window).T,
    ),
)
def window_mask(new: int, total: int, window: int) -> Tensor:
    return _window()(new, total, window)
