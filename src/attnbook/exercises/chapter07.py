"""Chapter 7: a lookup backward, an embedding, sinusoids, rotations, bags, sizes, tied matrices, padding."""

import math
from collections import Counter
from collections.abc import Callable
from itertools import product

import torch
from torch import Tensor

from attnbook.embeddings import sinusoids
from attnbook.exercises.comparing import shape
from attnbook.exercises.judges import OTHER, drawn, number, random, shape_of, slips
from attnbook.exercises.reading import read_results
from attnbook.exercises.registry import function, numbers
from attnbook.exercises.verdict import Wrong


def _passed_back(add: Callable[[Tensor, Tensor], Tensor]) -> Callable:
    """A gradient of the table that is built vector by vector: each row becomes `add(row, vector)`."""

    def gradient(ids: Tensor, upstream: Tensor, vocab: int) -> Tensor:
        result = upstream.new_zeros(vocab, upstream.shape[-1])
        for row, vector in zip(ids.flatten().tolist(), upstream.flatten(0, 1), strict=True):
            result[row] = add(result[row], vector)
        return result

    return gradient


_last_of_each = _passed_back(lambda row, vector: vector)


def _counts(ids: Tensor, vocab: int) -> Tensor:
    return ids.flatten().bincount(minlength=vocab)[:, None]  # (V, 1)


def _lookups(batch: int, length: int, width: int, seed: int) -> tuple[Tensor, Tensor, int]:
    vocab = 2 + batch * length // 2  # so that some ids repeat and, mostly, some are missing
    ids = torch.randint(vocab, (batch, length), generator=torch.Generator().manual_seed(seed))
    return ids, random(batch, length, width, seed=seed), vocab


def _without_autograd(table_gradient: Callable, ids: Tensor, upstream: Tensor, vocab: int) -> object:
    with torch.no_grad():
        try:
            return table_gradient(ids, upstream, vocab)
        except RuntimeError as error:
            if "does not require grad" not in str(error):
                raise
            raise Wrong("Autograd is off here. Compute the gradient from `ids` and `upstream`.") from None


@function(
    "7.1",
    "Backward through a lookup",
    {"gradient": "(V, D)"},
    use=_without_autograd,
    praise="Forward, a lookup copies rows; backward, it adds to them. Rows that weren't used get zeros.",
    cases=[
        (torch.tensor([[4, 1, 4, 2], [0, 2, 0, 2]]), random(2, 4, 3, seed=71), 6),
        *drawn(_lookups, (1, 4), (1, 7), (1, 5), count=8),
    ],
    slips=slips(
        "Where an id repeats, only one of its vectors arrives: `gradient[ids] += …` reads all rows first, "
        "then writes each back. Add every vector, for example with `index_add_`.",
        _last_of_each,
        _passed_back(lambda row, vector: row if row.any() else vector),
        lambda ids, upstream, vocab: sum(
            _last_of_each(ids[[b]], upstream[[b]], vocab) for b in range(len(ids))
        ),
        lambda ids, upstream, vocab: sum(
            _last_of_each(ids[:, [t]], upstream[:, [t]], vocab) for t in range(ids.shape[1])
        ),
        "You averaged the vectors of a row. Each use adds to the loss, so add them.",
        lambda ids, upstream, vocab: table_gradient(ids, upstream, vocab) / _counts(ids, vocab).clamp(min=1),
        "You counted how often each row was used. Add up the vectors of `upstream` instead.",
        lambda ids, upstream, vocab: _counts(ids, vocab).expand(-1, upstream.shape[-1]).to(upstream.dtype),
        "You averaged over the texts. They share the table, so their gradients are added.",
        lambda ids, upstream, vocab: table_gradient(ids, upstream, vocab) / len(ids),
        "You averaged over positions. Each use adds to the loss, so add them.",
        lambda ids, upstream, vocab: table_gradient(ids, upstream, vocab) / ids.shape[1],
        lambda ids, upstream, vocab: table_gradient(ids, upstream, vocab) / ids.numel(),
        "This is the gradient from the first text only. All texts share the table: add theirs, too.",
        lambda ids, upstream, vocab: table_gradient(ids[:1], upstream[:1], vocab),
        "Row 0 gets no gradient from you. Here 0 is a token like any other, not padding.",
        lambda ids, upstream, vocab: table_gradient(ids, upstream, vocab).index_fill(0, torch.tensor(0), 0),
        "Every row gets the sum of all vectors. Add each vector only to the row of its own id.",
        lambda ids, upstream, vocab: upstream.sum((0, 1)).expand(vocab, -1),
    ),
)
def table_gradient(ids: Tensor, upstream: Tensor, vocab: int) -> Tensor:
    return _passed_back(lambda row, vector: row + vector)(ids, upstream, vocab)


numbers(
    "7.2",
    "Predict an embedding",
    {
        shape_of("output", (2, 3, 16)): dict.fromkeys(
            [(2, 3, 100), (6, 100), (100, 16), (2, 100), (100,)],
            "100 is the number of tokens, the width of a one-hot vector. A row is `d_model` wide.",
        )
        | {
            (6, 16): "almost: the ids keep their shape (2, 3) and get one more axis.",
            (2, 3): "that is the shape of the ids. Each id becomes a vector: one more axis.",
            OTHER: "Each of the 2 × 3 ids becomes a row of the matrix.",
        },
        number("parameters", 1600): {
            1616: "a lookup has no bias: `nn.Embedding` is one matrix.",
            1700: "a lookup has no bias: `nn.Embedding` is one matrix.",
            96: "96 is the size of the output. The matrix has a row for every token, used or not.",
            48: "48 is the rows in use. The matrix has a row for every token of the vocabulary.",
            100: "100 is the number of rows. How many numbers does each have?",
            OTHER: "The matrix has one row for each token of the vocabulary, and each row is `d_model` wide.",
        },
        number("factor", 4, near=0.005): {
            10: "10 is the root of the vocabulary. The factor is the root of the *width*.",
            16: "16 is d_model. The factor is its square root.",
            0.25: "`Embeddings` multiplies by the root; it does not divide.",
            0.0625: "`Embeddings` multiplies by the root of d_model.",
            1: "a bare `nn.Embedding` multiplies by nothing. `Embeddings` does.",
            OTHER: "Read the last line of `forward`: which number is under the root?",
        },
        number("rows", 3): {
            6: "you counted positions. A token that occurs twice adds to the same row twice.",
            100: "only rows that were looked up took part in the output.",
            2: "id 0 is a row like any other here: no `padding_idx` was given.",
            OTHER: "Which *different* ids are there?",
        },
    },
    praise="The factor depends on width, not vocabulary. Only the three rows looked up get a gradient.",
)


def _waves(length: int, d_model: int, exponent=None, base=10000.0, start=0) -> tuple[Tensor, Tensor]:
    """Sines and cosines `(T, D / 2)`; `exponent(i, D)` of each pair is the paper's, 2i / D, if not given."""
    pair = torch.arange(d_model // 2, dtype=torch.float64)
    position = torch.arange(start, start + length, dtype=torch.float64)[:, None]
    angle = position * base ** -(exponent(pair, d_model) if exponent else 2 * pair / d_model)
    return angle.sin(), angle.cos()


def _weave(sines: Tensor, cosines: Tensor) -> Tensor:
    return torch.stack((sines, cosines), dim=-1).flatten(-2)  # (…, D)


def _woven(order: Callable = lambda sines, cosines: (sines, cosines), **other) -> Callable:
    return lambda length, d_model: _weave(*order(*_waves(length, d_model, **other)))


def _by_column(factor: int) -> Callable:
    """A wrong table: a frequency for every column of its own, sines and cosines in turn."""

    def table(length: int, d_model: int) -> Tensor:
        column = torch.arange(d_model)
        angle = torch.arange(length).double()[:, None] * 10000.0 ** -(factor * column / d_model)
        return torch.where(column % 2 == 0, angle.sin(), angle.cos())

    return table


def _to_one(pair: Tensor, d_model: int) -> Tensor:
    return pair / torch.tensor(d_model / 2 - 1)


@function(
    "7.3",
    "Sinusoidal positions",
    {"table": "(T, D)"},
    praise="This is the paper's table: a shift by k is one matrix, and dot products depend on k alone.",
    cases=[
        (2, 6),
        (7, 12),
        (2, 4),
        (40, 16),
        (3, 2),
        *drawn(lambda t, half, seed: (t, 2 * half), (1, 60), (1, 20)),
    ],
    slips=slips(
        "You put sines left and cosines right. Alternate them: trained weights fit only one order.",
        lambda length, d_model: torch.cat(_waves(length, d_model), dim=-1),
        "Every column has its own frequency. Columns 2i and 2i + 1 share ω_i = 10000^(-2i/D).",
        _by_column(1),
        _by_column(2),
        "Your slowest hands are too fast: the exponent is 2i / D (not i / D) with base 10000 (not 100).",
        _woven(exponent=lambda pair, d_model: pair / d_model),
        "The exponent is 4i / D; it should be 2i / D. `torch.arange(0, D, 2)` is already 2i.",
        _woven(exponent=lambda pair, d_model: 4 * pair / d_model),
        "Your exponents run from 0 to exactly 1, as in some programs. The paper's, 2i / D, stop before 1.",
        _woven(exponent=_to_one),
        lambda length, d_model: torch.cat(_waves(length, d_model, exponent=_to_one), dim=-1),
        "Your first position is 1. Count from 0: the first row is 0, 1, 0, 1, …",
        _woven(start=1),
        "Sine and cosine are swapped: sine in column 2i, cosine in 2i + 1.",
        _woven(lambda sines, cosines: (cosines, sines)),
        "Your hands get faster from left to right. Divide by 10000^(2i/D) instead of multiplying.",
        _woven(base=1e-4),
        "Another base: it is 10000.",
        *(_woven(base=base) for base in (1e3, 1e5, 5e5, math.e)),
        "Every hand has the same speed. Hand i turns by ω_i = 10000^(-2i/D) per position.",
        _woven(exponent=lambda pair, d_model: 0 * pair),
        "You stacked sines and cosines, but not as pairs. Stack along a new *last* axis, then flatten.",
        lambda length, d_model: torch.stack(_waves(length, d_model)).reshape(length, d_model),
        "Each hand needs both a sine and a cosine, or its angle can't be told.",
        _woven(lambda sines, cosines: (sines, sines)),
        _woven(lambda sines, cosines: (cosines, cosines)),
        "You multiplied by √D. That factor is for the embeddings.",
        lambda length, d_model: wave_table(length, d_model) * math.sqrt(d_model),
    ),
)
def wave_table(length: int, d_model: int) -> Tensor:
    return _woven()(length, d_model)


def _turn(a: Tensor, b: Tensor, sines: Tensor, cosines: Tensor) -> tuple[Tensor, Tensor]:
    return a * cosines + b * sines, b * cosines - a * sines


def _turn_back(a: Tensor, b: Tensor, sines: Tensor, cosines: Tensor) -> tuple[Tensor, Tensor]:
    return _turn(a, b, -sines, cosines)


HALVES = {"pairs": lambda x: x.chunk(2, dim=-1), "join": lambda a, b: torch.cat((a, b), dim=-1)}


def _turned(turn: Callable = _turn, pairs: Callable | None = None, join: Callable = _weave, **other):
    """x with its pairs turned; another `turn`, other `pairs` or other angles make wrong answers."""
    pairs = pairs or (lambda x: (x[..., 0::2], x[..., 1::2]))
    return lambda x: join(*turn(*pairs(x), *(each.to(x) for each in _waves(*x.shape[1:], **other))))


def _forgetful(a: Tensor, b: Tensor, sines: Tensor, cosines: Tensor) -> tuple[Tensor, Tensor]:
    a = a * cosines + b * sines
    return a, b * cosines - a * sines


@function(
    "7.4",
    "Rotary positions",
    {"output": "(B, T, D)"},
    praise="Now each score depends only on the offset of query and key. Nothing is added to the words.",
    cases=[
        (random(3, 7, 6, seed=730),),
        (random(1, 20, 16, seed=731),),
        *drawn(lambda b, t, half, seed: (random(b, t, 2 * half, seed=seed),), (1, 4), (1, 30), (1, 8)),
    ],
    slips=slips(
        "You turned the other way. The scores would agree, but formula 7.7 begins a cos φ + b sin φ.",
        _turned(_turn_back),
        "You paired the two halves. Pair neighbours, columns 2i and 2i + 1: trained weights fit only one.",
        _turned(**HALVES),
        _turned(_turn_back, **HALVES),
        "You put all first numbers of the pairs left, and all second ones right. Alternate them, as in 7.3.",
        _turned(join=HALVES["join"]),
        "The two numbers of each pair are swapped: the first begins a cos φ, the second b cos φ.",
        _turned(lambda *inputs: _turn(*inputs)[::-1]),
        "One sign is wrong: (a cos φ + b sin φ, b cos φ - a sin φ). Only so does a pair keep its length.",
        _turned(lambda a, b, sines, cosines: (a * cosines + b * sines, b * cosines + a * sines)),
        _turned(lambda a, b, sines, cosines: (a * cosines - b * sines, b * cosines - a * sines)),
        "Your first position is 1. Count from 0: the first token is not turned.",
        _turned(start=1),
        "Every pair turned at the same speed. Pair i turns by ω_i = 10000^(-2i/D) per position.",
        _turned(exponent=lambda pair, d_model: 0 * pair),
        "The exponent is i / D; it is 2i / D.",
        _turned(exponent=lambda pair, d_model: pair / d_model),
        "You overwrote the first number before computing the second. Keep both old numbers until the end.",
        _turned(_forgetful),
        "You added the table. Rotary positions add nothing: they turn each pair and keep its length.",
        lambda x: x + sinusoids(*x.shape[1:]).to(x),
        "You multiplied by the table. In a rotation each new number needs both old ones.",
        lambda x: x * sinusoids(*x.shape[1:]).to(x),
        "Nothing is turned yet: this is x.",
        lambda x: x,
    ),
)
def rotary(x: Tensor) -> Tensor:
    return _turned()(x)


def _bags(texts: list[str]) -> Counter:
    return Counter("".join(sorted(text)) for text in texts)


PAIRS = ["bb", "bbb", "bbbb", "ac", "ad", "bc", "ae", "bd"]  # sums of their codes agree, bags don't


def _texts_case(count: int, seed: int) -> tuple[list[str]]:
    every = ["".join(letters) for letters in product("ab1", repeat=3)]  # 27 texts, 10 bags
    return ([every[i] for i in random(len(every), seed=seed).argsort()[:count]],)


@function(
    "7.5",
    "What a bag tells",
    {"accuracy": "one number"},
    praise="Each bag gives one correct answer, however many texts share it. Section 7.5 computes the same "
    "for its test dates.",
    cases=[
        (["on", "no", "son", "moon", "mono"],),
        (["Noon", "noon", "no on", "on no", "on", "on ", "b1", "1b", *PAIRS],),
        *drawn(_texts_case, (8, 27), count=8),
    ],
    slips=slips(
        "You count only the texts that are alone in their bag. Among k candidates, a guess is right 1 in k.",
        lambda texts: sum(count == 1 for count in _bags(texts).values()) / len(texts),
        "A bag knows how often each character occurs: *moon* and *mono* share one, *mon* has another.",
        lambda texts: len(set(map(frozenset, texts))) / len(texts),
        "Capitals, digits and spaces are characters, too: *on* and *on* with a space have different bags.",
        *(
            lambda texts, change=change: len(_bags(list(map(change, texts)))) / len(texts)
            for change in (
                str.lower,
                str.strip,
                lambda text: text.replace(" ", ""),
                lambda text: "".join(filter(str.isalpha, text)),
            )
        ),
        "This is the number of bags. What fraction of the texts is read correctly?",
        lambda texts: float(len(_bags(texts))),
        "This is the accuracy in the largest bag only. Average over all texts.",
        lambda texts: 1 / max(_bags(texts).values()),
        "You averaged over bags. Average over texts: a bag with many texts is met more often.",
        lambda texts: sum(1 / count for count in _bags(texts).values()) / len(_bags(texts)),
        "This is the fraction that is read wrongly. Which is read correctly?",
        lambda texts: 1 - len(_bags(texts)) / len(texts),
        "Give a fraction from 0 to 1, not percent.",
        lambda texts: 100 * len(_bags(texts)) / len(texts),
        "You compared the texts themselves. Sort the characters of each: then only the bag is left.",
        lambda texts: 1.0,
    ),
)
def best_accuracy(texts: list[str]) -> float:
    return len(_bags(texts)) / len(texts)


def _rms(x: Tensor) -> Tensor:
    return x.square().mean().sqrt()


def _ratio(size: Callable[[Tensor], Tensor], rows: Callable = lambda words: words.shape[1]) -> Callable:
    """The ratio of two sizes; other ways to measure them, or other rows of the table, make wrong answers."""
    return lambda words, table: (size(words) / size(table[: rows(words)])).item()


def _sizes_case(batch: int, length: int, half: int, seed: int) -> tuple[Tensor, Tensor]:
    rising = torch.linspace(0.4, 2, 30)[:, None]  # every row of another size
    return 3 * random(batch, length, 2 * half, seed=seed) + 0.5, rising * (sinusoids(30, 2 * half) + 0.2)


@function(
    "7.6",
    "How large are the words?",
    {"ratio": "one number"},
    praise="This number finds the failing models before any training: about 11 or below 0.05.",
    cases=[_sizes_case(4, 9, 6, 710), *drawn(_sizes_case, (1, 5), (1, 30), (1, 16))],
    slips=slips(
        "This is positions to words. Wanted: words to positions.",
        lambda words, table: 1 / size_ratio(words, table),
        "You used every row of the table. Use only the first T, the ones that are added.",
        _ratio(_rms, lambda words: None),
        "You used B rows of the table. Positions run along axis 1: use `words.shape[1]` rows.",
        _ratio(_rms, len),
        "These are mean squares: take the root.",
        lambda words, table: size_ratio(words, table) ** 2,
        "The standard deviation subtracts the mean, which hides cosines near 1. Use square, mean, root.",
        _ratio(Tensor.std),
        _ratio(lambda x: x.std(correction=0)),
        "You took the mean of absolute values. RMS squares first and takes the root at the end.",
        _ratio(lambda x: x.abs().mean()),
        "You took the root for each vector, then the mean. Take one mean over all features, then one root.",
        _ratio(lambda x: x.square().mean(dim=-1).sqrt().mean()),
        "You took the ratio of each pair of features. Measure all words and all positions first.",
        lambda words, table: (words / table[: words.shape[1]]).abs().mean().item(),
        lambda words, table: _rms(words / table[: words.shape[1]]).item(),
        "A norm grows with the number of vectors, B times more for words. Use the *mean* of squares.",
        _ratio(Tensor.norm),
        _ratio(Tensor.norm, lambda words: None),
        "You took means, in which positive and negative entries cancel. Square first.",
        _ratio(Tensor.mean),
    ),
)
def size_ratio(words: Tensor, table: Tensor) -> float:
    return _ratio(_rms)(words, table)


def _table(std: Callable, factor: Callable) -> Callable:
    """A wrong answer: another standard deviation and another factor, from (D, words, scores)."""
    return lambda vocab, *sizes: (std(*sizes) * random(vocab, sizes[0], seed=70), factor(*sizes))


def _measured(make_table: Callable, vocab: int, d_model: int, words: float, scores: float) -> tuple:
    """The RMS of the words at the input, and the standard deviation of one state's logits."""
    result = make_table(vocab, d_model, words, scores)
    table, factor = read_results(result, (torch.zeros(1), 1.0), ("table", "factor"))
    if table.shape != (vocab, d_model):
        raise Wrong(f"`table` has shape {shape(table)}; wanted (V, D), here {(vocab, d_model)}.")
    table, hidden = table.double(), random(100, d_model, seed=71).double()
    hidden = hidden / hidden.square().mean(-1, keepdim=True).sqrt()  # every state of RMS 1
    found = (factor * table).square().mean().sqrt().item(), (hidden @ table.T).std(-1).mean().item()
    pairs = zip(found, (words, scores), strict=True)
    return tuple(asked if _near(size, asked) else size for size, asked in pairs)


def _near(size: float, asked: float) -> bool:
    return math.isclose(size, asked, rel_tol=0.05)  # a random table is never exactly of the size asked for


@function(
    "7.7",
    "One matrix, two sizes",
    {"words": "a number", "scores": "a number"},
    praise="Choose the matrix for the output; the factor corrects the input. For words = scores = 1 that "
    "gives N(0, 1/D) and √D, the paper's factor.",
    use=_measured,
    compare=lambda got, wanted: all(map(_near, got, wanted)),
    cases=[
        (900, 64, 0.7, 1.5),
        (700, 64, 1.0, 1.0),
        (1500, 32, 2.0, 0.3),
        *drawn(lambda v, d, w, s, seed: (v, d, w / 10, s / 10), (500, 1500), (20, 80), (1, 30), (1, 30)),
    ],
    slips=slips(
        "This is `nn.Embedding` unchanged: N(0, 1) entries, no factor. Use the sizes asked for.",
        _table(lambda d, words, scores: 1, lambda d, words, scores: 1),
        "This is `Embeddings` unchanged: N(0, 1) times √D. Both sizes come out at √D.",
        _table(lambda d, words, scores: 1, lambda d, words, scores: d**0.5),
        "This is the paper's choice, N(0, 1/D) times √D. It is right for words = scores = 1 only.",
        _table(lambda d, words, scores: d**-0.5, lambda d, words, scores: d**0.5),
        "These are the sizes that N(0, 1/D) gives without a factor.",
        _table(lambda d, words, scores: d**-0.5, lambda d, words, scores: 1),
        "The logits are √D times too large: a sum of D independent products has √D times their size.",
        _table(lambda d, words, scores: scores, lambda d, words, scores: words / scores),
        "The logits are √D times too small. In N(0, 1/D), 1/D is the *variance*: take its root.",
        _table(lambda d, words, scores: scores / d, lambda d, words, scores: words * d / scores),
        "The words fit, the logits don't. Choose the matrix for the logits; the factor only affects words.",
        _table(lambda d, words, scores: words, lambda d, words, scores: 1),
        _table(lambda d, words, scores: words * d**-0.5, lambda d, words, scores: d**0.5),
        "The logits fit, the words don't. The factor must turn the entries' size into `words`.",
        _table(lambda d, words, scores: scores * d**-0.5, lambda d, words, scores: 1),
        _table(lambda d, words, scores: scores * d**-0.5, lambda d, words, scores: words),
        _table(lambda d, words, scores: scores * d**-0.5, lambda d, words, scores: d**0.5),
        _table(lambda d, words, scores: scores * d**-0.5, lambda d, words, scores: words * d**0.5),
        "`words` and `scores` are swapped: `scores` is the size of the logits.",
        _table(lambda d, words, scores: words * d**-0.5, lambda d, words, scores: scores * d**0.5 / words),
    ),
)
def make_table(vocab: int, d_model: int, words: float, scores: float) -> tuple[Tensor, float]:
    std = scores / math.sqrt(d_model)
    return std * random(vocab, d_model, seed=70), words / std


def _positions(real: Tensor) -> Tensor:
    return (real.cumsum(1) - 1).clamp(min=0)  # (B, T)


def _at_real(add_positions: Callable, x: Tensor, table: Tensor, real: Tensor) -> Tensor:
    """What is added to padding doesn't matter: only the vectors of real tokens are looked at."""
    looked_at = real[..., None].clone()  # the learner's function may change its own
    (output,) = read_results(add_positions(x, table, real), (x,), ("output",))
    return output.where(looked_at, 0) if output.shape == x.shape else output


def _at(positions: Callable[[Tensor], Tensor]) -> Callable:
    """A wrong answer: other positions, `positions(real)`."""
    return lambda x, table, real: x + table[positions(real)]


def _padded_case(batch: int, length: int, width: int, seed: int, front=None, behind=None) -> tuple:
    """Padding in front and behind, drawn at random or given for each sentence."""
    front = (2 * random(batch, seed=seed).abs()).long() if front is None else torch.tensor(front)
    behind = (2 * random(batch, seed=seed + 1).abs()).long() if behind is None else torch.tensor(behind)
    front, behind = front.clamp(max=length // 2)[:, None], behind.clamp(max=(length - 1) // 2)[:, None]
    column = torch.arange(length)
    real = (column >= front) & (column < length - behind)  # (B, T)
    return random(batch, length, width, seed=seed + 2), random(14, width, seed=seed + 3), real


def _columns(real: Tensor) -> Tensor:
    return torch.arange(real.shape[1])


@function(
    "7.8",
    "Repair: padding in front",
    {"output": "(B, T, D)"},
    praise="A position counts the real tokens before it, which is the column only if padding is at the end.",
    use=_at_real,
    cases=[
        _padded_case(4, 7, 5, 720, front=[2, 0, 3, 1], behind=[1, 2, 0, 0]),
        _padded_case(2, 6, 3, 724, front=[0, 0], behind=[0, 0]),
        *drawn(_padded_case, (1, 5), (1, 9), (1, 6), count=10),
    ],
    slips=slips(
        "Nothing is repaired yet: every row still counts from its first column.",
        _at(_columns),
        "You subtracted all padding of a row. Only padding *before* a token counts.",
        _at(lambda real: (_columns(real) - (~real).sum(1, keepdim=True)).clamp(min=0)),
        "You are one row off: the first real token gets row 0.",
        _at(lambda real: real.cumsum(1)),
        _at(lambda real: (real.cumsum(1) - 2).clamp(min=0)),
        "You added the padding in front to the column. Subtract it: the first real token gets row 0.",
        _at(lambda real: _columns(real) + real.int().argmax(1, keepdim=True)),
        "You subtracted the positions. Add them.",
        lambda x, table, real: x - table[_positions(real)],
        "You counted from the end. The first real token gets row 0, not the last.",
        _at(lambda real: _positions(real.flip(1)).flip(1)),
        "You counted padding. Count the *real* tokens before each one.",
        _at(lambda real: _positions(~real)),
        "You counted along the batch axis. Positions run along axis 1.",
        _at(lambda real: (real.cumsum(0) - 1).clamp(min=0)),
        "You used the padding of sentence 0 for all. Each has its own.",
        _at(lambda real: _positions(real[:1]).expand(real.shape)),
        "Every token of a row got the same position. Count up by one at each real token.",
        _at(lambda real: torch.zeros_like(real, dtype=torch.long)),
        _at(lambda real: real.long()),
        _at(lambda real: real.int().argmax(1, keepdim=True).expand(real.shape)),
        "Positions are added, not multiplied: a sine of 0 would erase the word.",
        lambda x, table, real: x * table[_positions(real)],
        "You multiplied by √D. The embeddings have already done that to `x`.",
        lambda x, table, real: add_positions(x * math.sqrt(x.shape[-1]), table, real),
        "These are the positions alone. Add them to `x`.",
        lambda x, table, real: table[_positions(real)],
    ),
)
def add_positions(x: Tensor, table: Tensor, real: Tensor) -> Tensor:
    return x + table[_positions(real)]
