"""Chapter 8: a character left out, shapes, a budget, a batch in pieces, decoding, leaks, errors, heads."""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import date as Date
from itertools import permutations, takewhile, zip_longest

import torch
from torch import Tensor

from attnbook.exercises.comparing import describe
from attnbook.exercises.judges import OTHER, Number, Numbers, drawn, fraction, number, random, shape_of, slips
from attnbook.exercises.registry import exercise, function, numbers
from attnbook.exercises.verdict import Wrong


def _last_word(text: str) -> str:
    """A made-up translation that depends on the first character and on the last word."""
    return f"{text[:1]} {(text.split() or [''])[-1]}"


def _digits(text: str) -> str:
    return "".join(filter(str.isdigit, text))


def _ends(text: str) -> str:
    return text[:1] + text[-1:]


def _alike(text: str) -> str:
    """The same for any text."""
    return "?"


def _any_text(length: int, which: int, seed: int) -> tuple[Callable[[str], str], str]:
    letters = (2 * random(length, seed=seed)).long().clamp(-2, 2).tolist()
    return (_last_word, _digits, _ends, str.upper)[which], "".join("a 71b"[i + 2] for i in letters)


def _changed(
    without: Callable[[str, int], str] = lambda text, i: text[:i] + text[i + 1 :],
    positions: Callable[[str], Sequence[int]] = lambda text: range(len(text)),
    differ: Callable[[str, str, str], bool] = lambda found, whole, text: found != whole,
    answer: Callable[[list[int]], list[int]] = lambda found: found,
) -> Callable:
    """The positions that a translation depends on; other arguments make wrong answers."""

    def depends_on(write: Callable[[str], str], text: str) -> list[int]:
        whole = write(text)
        return answer([i for i in positions(text) if differ(write(without(text, i)), whole, text)])

    return depends_on


@function(
    "8.1",
    "Leave out one character",
    {"positions": "a list of positions"},
    praise="You tested what the output depends on without looking inside. This works for any model.",
    cases=[
        (_last_word, "June 6, 1966"),
        (_digits, "7 July 1977"),
        (str.upper, "May"),
        (_alike, "now"),
        (_ends, "aa"),
        (_digits, ""),
        *drawn(_any_text, (1, 12), (0, 3), count=10),
    ],
    slips=slips(
        "`replace` removes every such character, not only the one at position i. Cut the text at i.",
        _changed(lambda text, i: text.replace(text[i], "")),
        "`replace` removes the *first* such character, which needn't be the one at i. Cut the text at i.",
        _changed(lambda text, i: text.replace(text[i], "", 1)),
        "You put a space in place of the character. Leave it out, so that the text gets shorter.",
        _changed(lambda text, i: text[:i] + " " + text[i + 1 :]),
        "You put another character in its place. Leave it out, so that the text gets shorter.",
        _changed(lambda text, i: text[:i] + "_" + text[i + 1 :]),
        "All positions seem to count. Leave out one character of the whole text at a time, and compare with "
        "the translation of the whole text, not with the text.",
        _changed(differ=lambda found, whole, text: found != text),
        "These are the positions that *don't* change the translation.",
        _changed(differ=lambda found, whole, text: found == whole),
        "Your shorter texts are whole: `text[i:]` begins with character i. Go on from i + 1.",
        _changed(lambda text, i: text[:i] + text[i:]),
        "You count from 1. Count from 0.",
        _changed(answer=lambda found: [i + 1 for i in found]),
        "The last character was never left out.",
        _changed(positions=lambda text: range(len(text) - 1)),
        "The first character was never left out.",
        _changed(positions=lambda text: range(1, len(text))),
        "You stop at the first change. Try every position.",
        _changed(answer=lambda found: found[:1]),
    ),
)
def depends_on(write: Callable[[str], str], text: str) -> list[int]:
    return _changed()(write, text)


def _weights(name: str, queries: int, keys: int, letters: str) -> dict[Number, dict]:
    """The shape of one kind of attention weights in the exercise's model: 5 layers, batch 2, 3 heads."""
    orders = [(*order, queries, keys) for order in permutations((5, 2, 3)) if order != (5, 2, 3)]
    with_width = [(5, 2, 3, *pair) for pair in ((queries, 12), (12, keys), (12, 12), (keys, 12))]
    slips = {
        (2, 3, queries, keys): "the layer axis is missing: each layer has its own maps.",
        (5, 2, queries, keys): "the head axis is missing: each head has its own map.",
        **dict.fromkeys(orders, "the right sizes in another order. Wanted: layers, batch, heads."),
        **dict.fromkeys(with_width, "the dot products sum over the width, so the weights have no such axis."),
        OTHER: f"Wanted {letters}, a row for each query and a column for each key.",
    }
    if queries != keys:
        slips[5, 2, 3, keys, queries] = "rows are queries (target), columns are keys (source)."
    return {shape_of(name, (5, 2, 3, queries, keys)): slips}


numbers(
    "8.2",
    "Shapes through the whole model",
    {
        shape_of("logits", (2, 4, 19)): {
            (2, 4, 17): "17 is the source vocabulary. Logits are for tokens that may be *generated*.",
            (2, 7, 19): "there is one row of logits per *target* position, whatever the source length.",
            (2, 4, 12): "this is the decoder's output. The output layer maps it to the vocabulary.",
            (2, 19): "each target position gets a row of logits, not only the last one.",
            OTHER: "One logit for every token, at every target position: (B, T, V).",
        },
        **_weights("encoder", 7, 7, "(L, B, H, S, S)"),
        **_weights("decoder", 4, 4, "(L, B, H, T, T)"),
        **_weights("cross", 4, 7, "(L, B, H, T, S)"),
        number("numbers", 840): {
            56: "that is one head of one layer, for both sequences. There are 3 heads and 5 layers.",
            28: "that is a single map. Multiply by heads, layers and sequences.",
            168: "that is one layer. There are five.",
            420: "that is one sequence. There are two in the batch.",
            280: "that is one head of each layer. There are three heads.",
            OTHER: "Multiply out the five sizes of `cross`.",
        },
    },
    praise="Rows are queries and columns are keys: that fixes the last two axes of all three.",
)


def _count(
    source,
    target,
    d_model,
    layers,
    biases=(1, 1),
    crossing=2,
    norms=(2, 3),
    vectors=2,
    decoders=1,
    matrices=4,
    wide=4,
) -> int:
    """The parameters of a post-norm Transformer; the keywords make counting mistakes."""
    attention = matrices * (d_model**2 + biases[0] * d_model)
    feed_forward = 2 * wide * d_model**2 + biases[1] * (wide + 1) * d_model
    encoder = attention + feed_forward + norms[0] * vectors * d_model
    decoder = crossing * attention + feed_forward + norms[1] * vectors * d_model
    return (source + target) * d_model + layers * (encoder + decoders * decoder)


def _largest(
    sizes: Callable = lambda *sizes: sizes,
    step: Callable = lambda heads: heads,
    fits: Callable = lambda count, budget: count <= budget,
    answer: Callable = lambda d_model, left, heads: (d_model, left),
    extra: Callable = lambda d_model, target: 0,
    **mistakes,
) -> Callable:
    """The correct search; the keywords make wrong ones, and `mistakes` are those of `_count`."""

    def largest(source: int, target: int, layers: int, heads: int, budget: int) -> tuple[int, int]:
        def count(d_model: int) -> int:
            return _count(*sizes(source, target, d_model, layers), **mistakes) + extra(d_model, target)

        d_model = 0
        while fits(count(d_model + step(heads)), budget):
            d_model += step(heads)
        return answer(d_model, budget - count(d_model), heads)

    return largest


def _at_least_one_step(source: int, target: int, layers: int, heads: int, budget: int) -> tuple[int, int]:
    d_model, left = largest_model(source, target, layers, heads, budget)
    return (d_model, left) if d_model else (heads, budget - _count(source, target, heads, layers))


@function(
    "8.3",
    "Spend a budget",
    {"d_model": "a number", "left": "a number"},
    praise="You can count a Transformer part by part. Four times the budget buys about twice the width.",
    cases=[
        (11, 14, 3, 3, 40_000),
        (70, 31, 3, 4, 80_000),
        (500, 500, 1, 8, 5_000),
        (10, 10, 1, 2, _count(10, 10, 8, 1)),
        *drawn(lambda *sizes: (*sizes[:4], 1000 * sizes[4]), (10, 300), (10, 300), (1, 3), (2, 8), (1, 60)),
    ],
    slips=slips(
        "The width must be a multiple of the number of heads: each head gets an equal slice.",
        _largest(step=lambda heads: 1),
        "That is one step too far: this model exceeds the budget.",
        _largest(answer=lambda d_model, left, heads: (d_model + heads, left)),
        "The budget allows more: there is a wider model within it.",
        _largest(answer=lambda d_model, left, heads: (d_model - heads, left)),
        "A model with exactly `budget` parameters fits, too.",
        _largest(fits=lambda count, budget: count < budget),
        "The budget is too small for any width here: `d_model` is then 0, and everything is left.",
        _largest(answer=lambda d_model, left, heads: (d_model or heads, left)),
        _largest(answer=lambda d_model, left, heads: (d_model, left if d_model else 0)),
        _at_least_one_step,
        "`left` is what is *not* spent: the budget minus the model's parameters.",
        lambda *case: (d_left := largest_model(*case)) and (d_left[0], case[-1] - d_left[1]),
        "The biases are missing. A linear layer from m to n has n of them.",
        _largest(biases=(0, 0)),
        "The biases of the attentions are missing. Each of the four matrices has d_model of them.",
        _largest(biases=(0, 1)),
        "You counted the output matrix separately. It is shared with the target embedding.",
        _largest(extra=lambda d_model, target: target * d_model),
        "A decoder layer has two attentions: self-attention, and cross-attention over the source.",
        _largest(crossing=1),
        _largest(crossing=1, norms=(2, 2)),
        "A norm is missing in the decoder: each of its three sublayers has one.",
        _largest(norms=(2, 2)),
        "An encoder layer has two norms, one for each of its two sublayers.",
        _largest(norms=(3, 3)),
        "The LayerNorms are missing, or else the biases of the feed-forward networks: both are 10 · L · D.",
        _largest(vectors=0),
        _largest(biases=(1, 0)),
        "A LayerNorm has two vectors: a gain and a shift.",
        _largest(vectors=1),
        "You gave each stack a norm at its end. The pre-norm model has those; this one is post-norm.",
        _largest(extra=lambda d_model, target: 4 * d_model),
        "You added a bias for each token of the vocabulary. The output layer here has none.",
        _largest(extra=lambda d_model, target: target),
        "An attention has four matrices: for query, key, value, and one for the output of all heads.",
        _largest(matrices=3),
        "The embeddings are missing, one matrix for each side.",
        _largest(lambda source, target, *others: (0, 0, *others)),
        "The target's embedding is missing.",
        _largest(lambda source, target, *others: (source, 0, *others)),
        "The source's embedding is missing.",
        _largest(lambda source, *others: (0, *others)),
        "Only the encoder so far: add L decoder layers.",
        _largest(decoders=0),
        "That is one layer of each stack. There are L.",
        _largest(lambda source, target, d_model, layers: (source, target, d_model, 1)),
        "The feed-forward network is four times as wide inside as outside: d_ff = 4 · d_model.",
        _largest(wide=1),
        _largest(wide=2),
        "You counted a position table. Sinusoids are computed: they aren't parameters.",
        _largest(extra=lambda d_model, target: 512 * d_model),
    ),
    rule="Count one model first, and compare it with `sum(p.numel() for p in Transformer(…).parameters())`.",
)
def largest_model(
    source_vocab: int, target_vocab: int, num_layers: int, num_heads: int, budget: int
) -> tuple[int, int]:
    return _largest()(source_vocab, target_vocab, num_layers, num_heads, budget)


Gradient = Callable[[Tensor, Tensor, float], Tensor]


def _cut_to(longest: float, g: Tensor) -> Tensor:
    """Each gradient `(…, N)`, scaled down to `longest` if it is longer."""
    return g * (longest / g.norm(dim=-1, keepdim=True)).clamp(max=1)


def _by_tokens(gradients: Tensor, counts: Tensor) -> Tensor:
    return (counts[:, None] * gradients).sum(0) / counts.sum()


def _joined(join: Callable[[Tensor, Tensor], Tensor]) -> Gradient:
    """Join the pieces in another way, then clip."""
    return lambda gradients, counts, longest: _cut_to(longest, join(gradients, counts))


def _finished(finish: Callable[[float, Tensor], Tensor]) -> Gradient:
    """Join the pieces correctly, then do something else than clip."""
    return lambda gradients, counts, longest: finish(longest, _by_tokens(gradients, counts))


def _pieces(count: int, width: int, seed: int) -> tuple[Tensor, Tensor, float]:
    """Gradients of pieces with 1 to about 25 tokens; one case in two is clipped."""
    counts = 1 + (10 * random(count, seed=seed + 1).abs()).long()
    gradients = random(count, width, seed=seed)
    return gradients, counts, _by_tokens(gradients, counts).norm().item() * (0.6, 1.7)[seed // 10 % 2]


@function(
    "8.4",
    "A batch in pieces",
    {"gradient": "(N,)"},
    praise="This is how a large batch is trained with little memory: the same step, in several passes.",
    cases=[
        # The pieces are longer than 2.5, and what they give together is shorter.
        (torch.tensor([[6.0, 0.0, 1.0], [-3.0, 0.5, 0.5], [1.0, -2.0, -1.5]]), torch.tensor([1, 2, 1]), 2.5),
        (torch.tensor([[8.0, 1.0, 2.0], [0.5, 3.0, -1.0]]), torch.tensor([3, 2]), 2.0),
        *drawn(_pieces, (2, 5), (2, 7)),
    ],
    slips=slips(
        "You averaged the pieces alike. Formula 8.4 is a mean over *tokens*: a piece with more counts more.",
        _joined(lambda gradients, counts: gradients.mean(0)),
        "You added the pieces' gradients. Each is already that of a mean: weight it by its number of tokens.",
        _joined(lambda gradients, counts: gradients.sum(0)),
        "You weighted each piece by its tokens, and didn't divide by the batch's n.",
        _joined(lambda gradients, counts: (counts[:, None] * gradients).sum(0)),
        "You divided by the number of pieces. Divide by the number of tokens in all of them.",
        _joined(lambda gradients, counts: (counts[:, None] * gradients).mean(0)),
        "`counts * gradients` multiplies the columns. Each row needs its factor: `counts[:, None]`.",
        _joined(lambda gradients, counts: (counts * gradients).sum(0) / counts.sum()),
        "You gave more weight to pieces with fewer tokens. It is the other way round.",
        _joined(lambda gradients, counts: _by_tokens(gradients, 1 / counts)),
        _joined(lambda gradients, counts: (gradients / counts[:, None]).sum(0)),
        _joined(lambda gradients, counts: (gradients / counts[:, None]).mean(0)),
        "You clipped each piece. Join them first: only the gradient that Adam gets is clipped.",
        lambda gradients, counts, longest: _by_tokens(_cut_to(longest, gradients), counts),
        lambda gradients, counts, longest: _cut_to(longest, gradients).mean(0),
        "You clipped before you divided by n. Clip last.",
        lambda gradients, counts, longest: (
            _cut_to(longest, (counts[:, None] * gradients).sum(0)) / counts.sum()
        ),
        "You scaled up a gradient that is short enough. Clipping leaves that one as it is.",
        _finished(lambda longest, whole: whole * longest / whole.norm()),
        "You scaled the gradient to length 1. Scale it to `longest`, and only if it is longer.",
        _finished(lambda longest, whole: whole / whole.norm()),
        "You clip to length 1. The limit is the argument `longest`.",
        _finished(lambda longest, whole: _cut_to(1.0, whole)),
        "The gradient isn't clipped yet.",
        _finished(lambda longest, whole: whole),
        "You limited each number by itself, which changes the direction. Scale the whole gradient.",
        _finished(lambda longest, whole: whole.clamp(-longest, longest)),
        "You compared the *square* of the length, or the sum of sizes, with `longest`. Use `norm()`.",
        _finished(lambda longest, whole: whole * (longest / whole.square().sum()).clamp(max=1)),
        _finished(lambda longest, whole: whole * (longest / whole.abs().sum()).clamp(max=1)),
    ),
)
def whole_gradient(gradients: Tensor, counts: Tensor, longest: float) -> Tensor:
    return _cut_to(longest, _by_tokens(gradients, counts))


class _Speller:
    """A stand-in for a model: its logits depend on the source and on all tokens read so far, in order."""

    def __init__(self, start: int, end: int, stops: int, seed: int, vocab: int = 9) -> None:
        self.table, self.vocab, self.steps = random(12, vocab, vocab, seed=seed), vocab, 0
        self.first, self.last, self.stops = start, end, stops

    def start(self, source: Tensor) -> tuple[Tensor, tuple]:
        return source, ()

    def step(self, ids: Tensor, state: tuple) -> tuple[Tensor, tuple, None]:
        self.steps += 1
        if not isinstance(ids, Tensor) or ids.shape != (1,):
            raise ValueError(f"ids: wanted a tensor (1,), the newest token, got {describe(ids)}")
        source, before = state
        read = (*before, int(ids[0]))
        scores = self.table[len(read) % 12, read[-1]].clone()
        scores += sum(self.table[t % 12, token] for t, token in enumerate(read))
        scores += self.table[0, source.sum() % self.vocab]
        scores[self.first] = -50.0
        scores[self.last] += 100.0 if len(read) == self.stops else -100.0
        return scores[None], (source, read), None


def _write(
    forget: bool = False,
    again: bool = False,
    on: bool = False,
    best: Callable = Tensor.argmax,
    change: Callable = lambda written, start, end: written,
    steps: Callable = lambda most: most,
    own: Callable = lambda start, end: (start, end),
    most: bool = False,
) -> Callable:
    """The correct decoding loop; the keywords make wrong ones."""

    def write(model, source: Tensor, start: int, end: int, max_length: int) -> list[int]:
        start, end = own(start, end)
        state, first, written = model.start(source), source.new_full((1,), start), []
        ids = first
        for _ in range(steps(max_length)):
            logits, after, _ = model.step(first if again else ids, state)
            state = state if forget else after
            ids = best(logits, -1)
            written.append(ids.item())
            if written[-1] == end and not on:
                break
        return change(written[:max_length] if most else written, start, end)

    return write


def _counted(
    write: Callable, speller: Callable, source: Tensor, start: int, end: int, max_length: int
) -> tuple:
    model = speller()
    return write(model, source, start, end, max_length), model.steps


def _writer_case(start: int, shift: int, stops: int, max_length: int, seed: int) -> tuple:
    end = (start + shift) % 9
    source = torch.tensor([[3, 4, seed % 7]])
    return lambda: _Speller(start, end, stops, seed), source, start, end, max_length


@function(
    "8.5",
    "Repair the decoder loop",
    {"ids": "a list of ids", "steps": "a number"},
    praise="One loop serves every model with `start` and `step`: recurrent models and the Transformer alike.",
    use=_counted,
    cases=[
        _writer_case(4, 3, stops=6, max_length=9, seed=150),
        _writer_case(1, 1, stops=30, max_length=7, seed=81),
        _writer_case(1, 1, stops=1, max_length=4, seed=80),
        *drawn(_writer_case, (0, 8), (1, 8), (1, 9), (1, 9)),
    ],
    slips=slips(
        "Every step repeats the first: keep the new state, and pass the token generated last.",
        _write(forget=True, again=True),
        _write(forget=True, again=True, on=True),
        "You discard the new state, so every step starts over. Keep the one that `step` returns.",
        _write(forget=True),
        _write(forget=True, on=True),
        "Every step reads the start again. Pass the token generated last.",
        _write(again=True),
        _write(again=True, on=True),
        "Your loop continues after the end. Stop there.",
        _write(on=True),
        "The list is correct, but the model took more steps after the end. Stop the loop there.",
        _write(on=True, change=lambda ids, start, end: ids[: [*ids, end].index(end) + 1]),
        "The end is missing: the model generates it too, so it belongs to the list.",
        _write(change=lambda ids, start, end: [token for token in ids if token != end]),
        "The start is in the list. It is given, not generated.",
        _write(change=lambda ids, start, end: [start, *ids]),
        "That is the last token alone. Append each one to a list, and return the list.",
        _write(change=lambda ids, start, end: ids[-1:]),
        _write(on=True, change=lambda ids, start, end: ids[-1:]),
        "You took the *least* likely token. Use `argmax`.",
        _write(best=Tensor.argmin),
        _write(best=Tensor.argmin, on=True),
        "You generate one token too few at `max_length`: the start doesn't count.",
        _write(steps=lambda most: most - 1),
        "The list is longer than `max_length`.",
        _write(steps=lambda most: most + 1),
        _write(steps=lambda most: most + 20),
        _write(steps=lambda most: most + 90),
        "The list is correct, but the model took more steps than `max_length`. Stop the loop there.",
        _write(steps=lambda most: most + 90, most=True),
        "You begin with 1. Begin with the argument `start`.",
        _write(own=lambda start, end: (1, end)),
        "You stop at 2. Stop at the argument `end`.",
        _write(own=lambda start, end: (start, 2)),
    ),
    rule="`steps` is how often you called `model.step`: call it once for each id of the list.",
)
def write_one(model, source: Tensor, start: int, end: int, max_length: int) -> list[int]:
    return _write()(model, source, start, end, max_length)


def _fraction(rows: list[tuple], seen: list[tuple], part: Callable = lambda row: row[0]) -> float:
    """The fraction of `rows` whose `part` also occurs in `seen`."""
    known = {part(row) for row in seen}
    return sum(part(row) in known for row in rows) / len(rows)


def _split_case(train: int, test: int, days: int, seed: int) -> tuple[list[tuple], list[tuple]]:
    numbers = (random(train + test, 3, seed=seed).abs() * 9).long()
    rows = [
        (Date(2001, 1, 1 + a % days), ("en", "zh", "fr")[b % 3], ("full", "long")[c % 2])
        for a, b, c in numbers.tolist()
    ]
    return rows[:train], rows[train:]


DAYS = [Date(2001, 1, day) for day in range(1, 10)]


@function(
    "8.6",
    "Measure a leak",
    {"fraction": "a number"},
    praise="Split by row, the fraction is near 1 on the book's data (27 rows per date), split by date 0.",
    cases=[
        (
            [(DAYS[i], "en", "full") for i in range(5)]
            + [(DAYS[0], "zh", "long"), (DAYS[0], "en", "full"), (DAYS[1], "fr", "full")]
            + 2 * [(DAYS[7], "fr", "long")],
            [(DAYS[i], "zh", form) for i in (0, 1, 3, 5, 6, 8) for form in ("long", "full")]
            + [(DAYS[2], "en", "full"), (DAYS[5], "ar", "full"), (DAYS[1], "de", "full")]
            + 3 * [(DAYS[7], "zh", "full")],
        ),
        *drawn(_split_case, (1, 12), (1, 12), (2, 9), count=8),
    ],
    slips=slips(
        "You compared whole rows. The same date in another language or format is the leak: compare dates.",
        lambda train, test: _fraction(test, train, lambda row: row),
        "This is the fraction of distinct dates. Count rows: three rows with one date count three times.",
        lambda train, test: _fraction([(date,) for date in {row[0] for row in test}], train),
        "You counted distinct dates and divided by rows. Count the test rows instead.",
        lambda train, test: len({row[0] for row in test} & {row[0] for row in train}) / len(test),
        "You dropped rows that occur more than once. Each row of the list counts.",
        lambda train, test: leak(train, list(set(test))),
        "This is a fraction of the *training* rows. Divide by the number of test rows.",
        lambda train, test: leak(test, train),
        lambda train, test: leak(train, test) * len(test) / len(train),
        "That is the fraction that does *not* leak.",
        lambda train, test: 1 - leak(train, test),
        "This is a percentage or a count. Give a fraction from 0 to 1.",
        lambda train, test: 100 * leak(train, test),
        lambda train, test: len(test) * leak(train, test),
        "You compared languages or formats, which occur on both sides. Compare dates.",
        lambda train, test: _fraction(test, train, lambda row: row[1]),
        lambda train, test: _fraction(test, train, lambda row: row[2]),
        "You counted pairs. A row of the test counts once, however often its date is in the training set.",
        lambda train, test: sum(a[0] == b[0] for a in train for b in test) / len(test),
        "You found no date of the test in the training set. Compare it with dates, not with whole rows.",
        lambda train, test: sum(row[0] in train for row in test) / len(test),
        "You compared date and language or format. The date alone makes it a leak.",
        lambda train, test: _fraction(test, train, lambda row: row[:2]),
        lambda train, test: _fraction(test, train, lambda row: (row[0], row[2])),
    ),
)
def leak(train: list[tuple], test: list[tuple]) -> float:
    return _fraction(test, train)


def _matching(a: str, b: str) -> int:
    return sum(x == y for x, y in zip(a, b, strict=False))


def _scores(
    exact: Callable = lambda a, b, all_wanted: a == b,
    right: Callable = _matching,
    positions: Callable = lambda a, b: max(len(a), len(b)),
    total: Callable = lambda rights, positions: sum(rights) / sum(positions),
    change: Callable = lambda exact, characters, count: (exact, characters),
) -> Callable:
    """The correct scores; the keywords make wrong ones."""

    def scores(written: list[str], wanted: list[str]) -> tuple[float, float]:
        pairs = list(zip(written, wanted, strict=True))
        whole = sum(exact(a, b, wanted) for a, b in pairs) / len(pairs)
        characters = total([right(a, b) for a, b in pairs], [positions(a, b) for a, b in pairs])
        return change(whole, characters, len(pairs))

    return scores


def _without_zero(two_scores: Callable, written: list[str], wanted: list[str]):
    try:
        return two_scores(written, wanted)
    except ZeroDivisionError:
        raise Wrong("A written text is empty: don't divide by its length. Count over all texts.") from None


def _texts_case(count: int, longest: int, seed: int) -> tuple[list[str], list[str]]:
    letters = (random(2, count, longest, seed=seed).abs() * 2).long().clamp(max=3).tolist()
    lengths = (random(2, count, seed=seed + 1).abs() * longest).long().clamp(1, longest).tolist()
    written, wanted = (
        ["".join("abC "[i] for i in row[:length]) for row, length in zip(*side, strict=True)]
        for side in zip(letters, lengths, strict=True)
    )
    return [wanted[0], *written[1:]], wanted


DATES_WRITTEN = ["2009-03-07", "1999-1-1", "2020-02-020", "", "x2001-01-01", "1950-10-10"]
DATES_WANTED = ["2009-03-07", "1999-11-11", "2020-02-02", "1987", "2001-01-01", "1905-10-01"]
YEARS_WRITTEN = ["1987", "1987", "88", "88", "20", "7"]
YEARS_WANTED = ["88", "88", "1987", "1987", "2000", "8"]


@function(
    "8.7",
    "Two measures of one result",
    {"exact": "a number", "characters": "a number"},
    praise="Each misleads alone: one wrong character spoils a date, and one extra character shifts the rest.",
    use=_without_zero,
    cases=[
        ([*DATES_WRITTEN, *YEARS_WRITTEN], [*DATES_WANTED, *YEARS_WANTED]),
        (
            ["10", "May", "MAY", "maY", "mAy", "7 ", "8 ", " 9"],
            ["10", "may", "may", "may", "may", "7", "8", "9"],
        ),
        (["ab", "abcd", "abcdef"], ["ab", "abcd", "abc"]),
        *drawn(_texts_case, (1, 6), (1, 8), count=8),
    ],
    slips=slips(
        "`zip` stops at the shorter text, so the rest was never counted. Divide by the longer length.",
        _scores(positions=lambda a, b: min(len(a), len(b))),
        "You divided by the wanted length. Extra characters are wrong too: divide by the longer length.",
        _scores(positions=lambda a, b: len(b)),
        "You divided by the written length, which rewards stopping early. Divide by the longer length.",
        _scores(positions=lambda a, b: len(a)),
        "You averaged the texts' own fractions. Count over all texts together, and divide once.",
        _scores(total=lambda r, p: sum(a / b for a, b in zip(r, p, strict=True)) / len(r)),
        "You checked whether a character occurs anywhere. It must be at the same position.",
        _scores(right=lambda a, b: sum(character in b for character in a)),
        _scores(right=lambda a, b: sum(character in b for character in a), positions=lambda a, b: len(a)),
        _scores(right=lambda a, b: (Counter(a) & Counter(b)).total()),
        "You padded the shorter text with spaces, which match real ones. Count those positions as wrong.",
        _scores(right=lambda a, b: sum(x == y for x, y in zip_longest(a, b, fillvalue=" "))),
        "These are percentages. Give fractions from 0 to 1.",
        _scores(change=lambda exact, characters, count: (100 * exact, 100 * characters)),
        "`exact` is a count. Divide by the number of texts.",
        _scores(change=lambda exact, characters, count: (exact * count, characters)),
        "`exact` asks if a text occurs *anywhere* among the wanted ones. Compare it with its own.",
        _scores(lambda a, b, all_wanted: a in all_wanted),
        "`exact` ignores capitals. An exact match doesn't.",
        _scores(lambda a, b, all_wanted: a.lower() == b.lower()),
        "`exact` ignores spaces at the ends. An exact match doesn't.",
        _scores(lambda a, b, all_wanted: a.strip() == b.strip()),
        "`exact` ignores capitals and spaces. An exact match doesn't.",
        _scores(lambda a, b, all_wanted: a.strip().lower() == b.strip().lower()),
        "`characters` ignores capitals. The right character has the right case, too.",
        _scores(right=lambda a, b: _matching(a.lower(), b.lower())),
        "`exact` accepts a text that begins with the other. Both must have the same length.",
        _scores(lambda a, b, all_wanted: a.startswith(b)),
        _scores(lambda a, b, all_wanted: _matching(a, b) == min(len(a), len(b))),
    ),
)
def two_scores(written: list[str], wanted: list[str]) -> tuple[float, float]:
    return _scores()(written, wanted)


def _counted(
    prefers: Callable[[Tensor, Tensor], Tensor] = lambda own, correct: correct.sum(-1) > own.sum(-1),
    change: Callable[[int, int, Tensor], tuple] = lambda search, model, right: (search, model),
) -> Callable:
    """The two kinds of errors, counted; other arguments make wrong answers."""

    def causes(own: Tensor, correct: Tensor, right: Tensor) -> tuple:
        search = int((prefers(own, correct) & ~right).sum())
        return change(search, int((~right).sum()) - search, right)

    return causes


def _mean(log_p: Tensor) -> Tensor:
    return log_p.sum(-1) / (log_p != 0).sum(-1)


def _translations(count: int, length: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    own, correct = -(random(2, count, length, seed=seed).abs() ** 3) - 1e-3
    for log_p, offsets in ((own, random(count, seed=seed + 1)), (correct, random(count, seed=seed + 2))):
        lengths = (length / 2 + offsets * length / 3).long().clamp(1, length)
        log_p[torch.arange(length) >= lengths[:, None]] = 0
    right = random(count, seed=seed + 3) > 0.4
    return torch.where(right[:, None], correct, own), correct, right


@function(
    "8.8",
    "The search or the model?",
    {"search_errors": "a number", "model_errors": "a number"},
    praise="Before you improve a search, count the errors that it makes. A better search leaves the others.",
    cases=[_translations(40, 9, 0), *drawn(_translations, (1, 12), (1, 9), count=8)],
    slips=slips(
        "You compare means per token, which is a length penalty. The probability of an output is that of all "
        "its tokens together.",
        _counted(lambda own, correct: _mean(correct) > _mean(own)),
        "You added probabilities. They multiply; their logarithms add up.",
        _counted(lambda own, correct: correct.exp().sum(-1) > own.exp().sum(-1)),
        "You compare only the first token. Compare whole outputs.",
        _counted(lambda own, correct: correct[:, 0] > own[:, 0]),
        "You compare only the last column or the largest number, often padding. Compare whole outputs.",
        _counted(lambda own, correct: correct[:, -1] > own[:, -1]),
        _counted(lambda own, correct: correct.amax(-1) > own.amax(-1)),
        "You compare only the least probable tokens. Compare whole outputs.",
        _counted(lambda own, correct: correct.amin(-1) > own.amin(-1)),
        "You count tokens. Each wrong translation counts once.",
        lambda own, correct, right: (int((correct > own).sum()), int((correct < own).sum())),
        "Correct translations are among your search errors. Leave them out.",
        _counted(change=lambda search, model, right: (search + int(right.sum()), model)),
        "Correct translations are among your model errors. Leave them out.",
        _counted(change=lambda search, model, right: (search, model + int(right.sum()))),
        "Search errors are among your model errors. Every wrong translation has one cause.",
        _counted(change=lambda search, model, right: (search, search + model)),
        "These are fractions. Count the errors.",
        _counted(change=lambda search, model, right: (search / len(right), model / len(right))),
        _counted(change=lambda search, model, right: (search / (~right).sum(), model / (~right).sum())),
    ),
)
def causes(own: Tensor, correct: Tensor, right: Tensor) -> tuple[int, int]:
    return _counted()(own, correct, right)


def _right(name: str, wanted: float, rule: str, slips: dict[float, str]) -> Number:
    """The fraction of correct translations. The model and the dates are fixed: one date may differ."""
    return fraction(name, wanted, rule, slips, near=0.015)


PADDED = "that is what happens if padding is visible. Copy `not_padding`, and change only the tag's column."
LETTER = "that is what you get without the date's first character. The tag is at position 0."

exercise(
    "8.9",
    "Hide the tag",
    praise="The encoder's weights on the tag are large, and the translation does without them. Those of "
    "cross-attention are no larger, and without them no date is translated into Chinese.",
    judge=Numbers(
        _right(
            "whole",
            1,
            "Compare `translations(not_padding, not_padding)` with `chinese`, string by string.",
            {
                0.76: PADDED,
                0: "every date is wrong. Compare strings with strings: `chinese[i]` belongs to date i.",
            },
        ),
        _right(
            "hidden_in_encoder",
            1,
            "Pass the mask without the tag first, `not_padding` second.",
            {
                0: "every date is wrong. Is the mask inverted (True = may attend), or is it passed second "
                "or twice?",
                0.87: PADDED,
                0.75: PADDED,
                0.89: LETTER,
            },
        ),
        _right(
            "hidden_in_cross",
            0,
            "Pass `not_padding` first, the mask without the tag second.",
            {
                1: "nothing has changed, or for one date only. Pass `not_padding` first and the mask without "
                "the tag second. The tag is in column 0 of every row.",
                0.91: LETTER,
            },
        ),
    ),
)


def _on_field(weights: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    return weights[:, :, rows][..., columns].sum(-1).mean(-1)  # (L, H)


def _layer_and_head(each: Tensor) -> tuple[int, int]:
    return divmod(int(each.argmax()), each.shape[1])


def _not_flattened(find_head: Callable, weights: Tensor, rows: Tensor, columns: Tensor):
    found = find_head(weights, rows, columns)
    if isinstance(found, int | float) or (isinstance(found, Tensor) and found.numel() == 1):
        if found == int(_on_field(weights, rows, columns).argmax()):
            raise Wrong("That is the index in the flattened (L, H). `divmod(index, H)` splits it.")
        raise Wrong("Wanted two numbers, the layer and the head; got one.")
    return found


def _maps(layers: int, heads: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    weights = (3 * random(layers, heads, 9, 11, seed=seed)).softmax(-1)
    rows, columns = torch.arange(9), torch.arange(11)
    row, column = 1 + seed // 10 % 4, 2 + seed // 10 % 6
    return weights, (rows >= row) & (rows < row + 3), (columns >= column) & (columns < column + 4)


@function(
    "8.10",
    "Find the head that reads the year",
    {"layer": "a number", "head": "a number"},
    praise="This is the measure of section 8.10. It shows where a head attends, not what depends on it.",
    use=_not_flattened,
    cases=[_maps(5, 6, 869), *drawn(_maps, (1, 6), (1, 8), count=10)],
    slips=slips(
        "The right head, but layer and head are swapped.",
        lambda *maps: find_head(*maps)[::-1],
        "The right head, but counted from 1. Count from 0.",
        lambda *maps: tuple(number + 1 for number in find_head(*maps)),
        "That head has the largest *single* weight on the year. Take the largest sum.",
        lambda weights, rows, columns: _layer_and_head(weights[:, :, rows][..., columns].amax((-1, -2))),
        lambda weights, rows, columns: _layer_and_head(weights[:, :, rows][..., columns].amax(-1).mean(-1)),
        "You averaged over all rows. Use only the rows where the year is generated.",
        lambda weights, rows, columns: _layer_and_head(weights[..., columns].sum(-1).mean(-1)),
        "This head puts the *least* weight on the year.",
        lambda *maps: _layer_and_head(-_on_field(*maps)),
        "You divided the index in the flattened (L, H) by the number of layers, not of heads.",
        lambda *maps: divmod(int(_on_field(*maps).argmax()), len(maps[0])),
        "You inverted `rows`: it is True where the year is generated.",
        lambda weights, rows, columns: _layer_and_head(weights[:, :, ~rows][..., columns].sum(-1).mean(-1)),
    ),
    rule="Sum over the columns, then average over the rows.",
)
def find_head(weights: Tensor, rows: Tensor, columns: Tensor) -> tuple[int, int]:
    return _layer_and_head(_on_field(weights, rows, columns))


def _fraction_of(name: str, wanted: float, slips: dict[float, str]) -> Number:
    """A measured fraction, correct within 0.2: training ends a little differently on every machine."""
    rule = "Begin each training with `fresh_reverser()`, and score on `unseen_strings`."
    return fraction(name, wanted, rule, slips, near=0.2)


exercise(
    "8.11",
    "Take it out, or train without",
    praise="Say which ablation you report: a trained model can depend on a part that the task "
    "doesn't need; only training without the part shows what the task needs.",
    judge=Numbers(
        _fraction_of("whole", 1, {0: "an untrained model scores 0. Train it first."}),
        _fraction_of(
            "feed_forward_out",
            0,
            {1: "the accuracy didn't drop. Did you remove the network from *both* stacks?"},
        ),
        _fraction_of(
            "feed_forward_without",
            1,
            {
                0: "the accuracy is 0. Remove the part from a *fresh* model, then train it.",
            },
        ),
        _fraction_of("positions_out", 0, {1: "the accuracy didn't drop. Did you remove the positions?"}),
        _fraction_of(
            "positions_without",
            0,
            {1: "without positions a reversal can't be learned. Were they removed *before* the training?"},
        ),
    ),
)


def _threshold(
    accepted: Callable[[Tensor, float], Tensor] = lambda sure, t: sure >= t,
    enough: Callable[[Tensor, Tensor, float], bool] = lambda right, taken, wanted: (
        bool(taken.any()) and float(right[taken].double().mean()) >= wanted
    ),
    choose: Callable[[list[tuple[float, bool]]], list[float]] = lambda tried: [
        t for t, good in tried if good
    ],
    best: Callable = min,
) -> Callable:
    """The smallest threshold that is good enough; other arguments make wrong answers."""

    def threshold(sure: Tensor, right: Tensor, wanted: float) -> float:
        values = sorted(sure.tolist(), reverse=True)
        tried = [(t, enough(right, accepted(sure, t), wanted)) for t in values]
        return best(choose(tried), default=math.inf)

    return threshold


def _one_after_another(sure: Tensor, right: Tensor, wanted: float) -> float:
    order = sure.argsort(descending=True, stable=True)
    fractions = right[order].double().cumsum(0) / torch.arange(1, len(sure) + 1)
    good = sure[order][fractions >= wanted].tolist()
    return min(good, default=math.inf)


def _judged(count: int, tenths: int, seed: int) -> tuple[Tensor, Tensor, float]:
    sure = (random(count, seed=seed).abs() * 4).long().clamp(max=19) / 20 + 0.025  # many are equal
    right = random(count, seed=seed + 1) < 2 * sure - 0.5
    return sure, right, tenths / 10 - 0.01  # which no fraction equals, so rounding can't decide


def _if_none(value: float) -> Callable:
    """Right, but for another answer where no threshold will do."""

    def threshold(sure: Tensor, right: Tensor, wanted: float) -> float:
        found = _threshold()(sure, right, wanted)
        return value if math.isinf(found) else found

    return threshold


SURE = [0.7, 0.5, 0.1, 0.95, 0.8, 0.9, 0.2, 0.6, 0.6, 0.6, 0.4, 0.3]
RIGHT = [0, 1, 0, 1, 1, 0, 0, 0, 1, 0, 0, 1]


@function(
    "8.12",
    "Let it refuse",
    {"threshold": "a number"},
    praise="What you required holds for data like those you chose the threshold on, and only for them.",
    cases=[
        (torch.tensor(SURE), torch.tensor(RIGHT) > 0, 0.5),
        (torch.tensor([0.9, 0.4, 0.6]), torch.tensor([True, True, True]), 1.0),
        (torch.tensor([0.9, 0.4, 0.6]), torch.tensor([False, False, True]), 0.9),
        (torch.tensor([0.7, 0.7, 0.7]), torch.tensor([True, False, True]), 0.5),
        *drawn(_judged, (1, 20), (2, 9), count=12),
    ],
    slips=slips(
        "You stop at the first threshold that fails. The fraction can rise again further down.",
        _threshold(choose=lambda tried: [t for t, _ in takewhile(lambda pair: pair[1], tried)]),
        "You take the largest threshold that will do. The smallest accepts more.",
        _threshold(best=max),
        "You found no threshold, and there is one. Divide by the number of accepted outputs, not of all.",
        _threshold(enough=lambda right, taken, wanted: float((right & taken).double().mean()) >= wanted),
        "This accepts every output, and too few are correct. Test what fraction of the accepted ones is.",
        _threshold(enough=lambda right, taken, wanted: float(taken.double().mean()) >= wanted),
        "An output exactly at the threshold is accepted: `>=`, not `>`.",
        _threshold(accepted=lambda sure, t: sure > t),
        "Outputs that are equally sure are accepted together. You cut between them.",
        _one_after_another,
        "These must be *at least* the fraction `wanted`: equal is enough.",
        _threshold(enough=lambda right, taken, wanted: float(right[taken].double().mean()) > wanted),
        "Where no threshold will do, return `math.inf`.",
        *(_if_none(value) for value in (0.0, 1.0, -math.inf)),
    ),
)
def threshold(sure: Tensor, right: Tensor, wanted: float) -> float:
    return _threshold()(sure, right, wanted)
