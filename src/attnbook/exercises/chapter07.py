"""Chapter 7: an embedding, its matrix's two jobs, how loud words are, positions as waves and rotations."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from attnbook.embeddings import sinusoids
from attnbook.exercises.comparing import shape
from attnbook.exercises.judges import Numbers, drawn, number, random, shape_of, slips
from attnbook.exercises.reading import read_results
from attnbook.exercises.registry import exercise, function
from attnbook.exercises.verdict import Wrong

exercise(
    "7.1",
    "Predict an embedding",
    praise="The factor knows the width and nothing of the vocabulary, and the gradient knows three rows of "
    "a hundred: those that were looked up.",
    judge=Numbers(
        shape_of(
            "output",
            (2, 3, 16),
            "Each of the 2 × 3 ids becomes a row of the matrix.",
            dict.fromkeys(
                [(2, 3, 100), (6, 100), (100, 16), (2, 100), (100,)],
                "100 is the number of tokens. A one-hot vector is that wide; what is looked up is a row of "
                "the matrix, `d_model` wide.",
            )
            | {
                (6, 16): "almost. The ids keep their shape (2, 3), and get one more axis.",
                (2, 3): "that is the shape of the ids. Each id becomes a vector: one more axis.",
            },
        ),
        number(
            "parameters",
            1600,
            "The matrix has one row for each token of the vocabulary, and each row is `d_model` wide.",
            dict.fromkeys(
                [1616, 1700], "a lookup has no bias. `nn.Embedding` is one matrix and nothing else."
            )
            | {
                96: "96 is the size of the output. The matrix has a row for every token of the vocabulary, "
                "used or not.",
                48: "48 is the rows in use. The matrix has a row for every token of the vocabulary.",
                100: "100 is the number of rows. How many numbers does each have?",
            },
        ),
        number(
            "factor",
            4,
            "Read the last line of `forward`: which number is under the root?",
            {
                10: "10 is the root of the vocabulary. The factor is the root of the *width*.",
                16: "16 is d_model. The factor is its square root.",
                0.25: "the article's class multiplies by the root; it does not divide.",
                0.0625: "the article's class multiplies, and by the root of d_model.",
                1: "a bare `nn.Embedding` multiplies by nothing. The article's class does.",
            },
            near=0.005,
        ),
        number(
            "rows",
            3,
            "Which *different* ids are there?",
            {
                6: "you counted positions. A token that occurs twice adds to the same row twice.",
                100: "only rows that were looked up took part in the output.",
                2: "id 0 is a row like any other here: no `padding_idx` was given.",
            },
        ),
    ),
)


def _table(spread: Callable, factor: Callable) -> Callable:
    """A wrong answer: another spread of the entries and another factor, from (D, words, scores)."""
    return lambda vocab, *sizes: (spread(*sizes) * random(vocab, sizes[0], seed=70), factor(*sizes))


def _measured(
    make_table: Callable, vocab: int, d_model: int, words: float, scores: float
) -> tuple[float, float]:
    """The RMS of the words at the entrance, and the spread of one state's scores at the exit."""
    table, factor = read_results(
        make_table(vocab, d_model, words, scores), (torch.zeros(1), 1.0), ("table", "factor")
    )
    if table.shape != (vocab, d_model):
        raise Wrong(f"`table` has shape {shape(table)}; wanted (V, D), here {(vocab, d_model)}.")
    hidden = random(100, d_model, seed=71).to(table.dtype)
    hidden = hidden / hidden.square().mean(-1, keepdim=True).sqrt()  # every state of RMS 1
    found = (factor * table).square().mean().sqrt().item(), (hidden @ table.T).std(-1).mean().item()
    return tuple(
        asked if _near(size, asked) else size for size, asked in zip(found, (words, scores), strict=True)
    )


def _near(size: float, asked: float) -> bool:
    return math.isclose(size, asked, rel_tol=0.05)  # a random table is never exactly of the size asked for


@function(
    "7.2",
    "One matrix, two sizes",
    {"words": "a number", "scores": "a number"},
    praise="The exit decides how the matrix is drawn, and the factor makes up for it at the entrance. With "
    "words = scores = 1 that is N(0, 1/d) and √d: the paper's factor, derived.",
    use=_measured,
    compare=lambda got, wanted: all(map(_near, got, wanted)),
    cases=[
        (900, 64, 0.7, 1.5),
        (700, 64, 1.0, 1.0),
        (1500, 32, 2.0, 0.3),
        *drawn(lambda v, d, w, s, seed: (v, d, w / 10, s / 10), (500, 1500), (20, 80), (1, 30), (1, 30)),
    ],
    slips=slips(
        "This is `nn.Embedding` as it stands: entries of N(0, 1) and no factor. Nothing in it knows what "
        "was asked for.",
        _table(lambda d, words, scores: 1, lambda d, words, scores: 1),
        "This is the article's class as it stands: N(0, 1) times √d. Both sizes come out at √d.",
        _table(lambda d, words, scores: 1, lambda d, words, scores: d**0.5),
        "This is the paper's choice, N(0, 1/d) times √d. It is right for words = scores = 1 only.",
        _table(lambda d, words, scores: d**-0.5, lambda d, words, scores: d**0.5),
        "Words and scores are of the sizes that N(0, 1/d) gives without any factor.",
        _table(lambda d, words, scores: d**-0.5, lambda d, words, scores: 1),
        "The scores are √d times too large. A score is a sum of d products, and the spread of a sum of d "
        "independent numbers grows like √d.",
        _table(lambda d, words, scores: scores, lambda d, words, scores: words / scores),
        "The scores are √d times too small: you divided by d. N(0, 1/d) names the *variance*; the spread is "
        "its root.",
        _table(lambda d, words, scores: scores / d, lambda d, words, scores: words * d / scores),
        "The words fit, but you chose the matrix for them, and the scores come out as they may. Draw the "
        "matrix for the scores; the factor, which only words meet, does the rest.",
        _table(lambda d, words, scores: words, lambda d, words, scores: 1),
        _table(lambda d, words, scores: words * d**-0.5, lambda d, words, scores: d**0.5),
        "The scores fit. The words don't yet: the factor has to turn the spread of the entries into `words`.",
        _table(lambda d, words, scores: scores * d**-0.5, lambda d, words, scores: 1),
        _table(lambda d, words, scores: scores * d**-0.5, lambda d, words, scores: words),
        _table(lambda d, words, scores: scores * d**-0.5, lambda d, words, scores: d**0.5),
        _table(lambda d, words, scores: scores * d**-0.5, lambda d, words, scores: words * d**0.5),
        "`words` and `scores` have changed places: `scores` is the size at the exit.",
        _table(lambda d, words, scores: words * d**-0.5, lambda d, words, scores: scores * d**0.5 / words),
    ),
)
def make_table(vocab: int, d_model: int, words: float, scores: float) -> tuple[Tensor, float]:
    spread = scores / math.sqrt(d_model)
    return spread * random(vocab, d_model, seed=70), words / spread


def _rms(x: Tensor) -> Tensor:
    return x.square().mean().sqrt()


def _ratio(size: Callable[[Tensor], Tensor], rows: Callable = lambda words: words.shape[1]) -> Callable:
    """The ratio of two sizes; other ways to measure them, or other rows of the table, make wrong answers."""
    return lambda words, table: (size(words) / size(table[: rows(words)])).item()


def _loudness_case(batch: int, length: int, half: int, seed: int) -> tuple[Tensor, Tensor]:
    rising = torch.linspace(0.4, 2, 30)[:, None]  # every row of another size
    return 3 * random(batch, length, 2 * half, seed=seed) + 0.5, rising * (sinusoids(30, 2 * half) + 0.2)


@function(
    "7.3",
    "How loud are the words?",
    {"ratio": "one number"},
    praise="With this one number you could have told the failing model from the others before any training: "
    "in the grid it was about 11 there, and at most 1.4 elsewhere.",
    cases=[_loudness_case(4, 9, 6, 710), *drawn(_loudness_case, (1, 5), (1, 30), (1, 16))],
    slips=slips(
        "That is the ratio the other way round: positions to words. Wanted: words to positions.",
        lambda words, table: 1 / loudness(words, table),
        "You used every row of the table. Only the rows of the first T positions are added.",
        _ratio(_rms, lambda words: None),
        "You used as many rows as there are sentences. Positions run along axis 1: `words.shape[1]`.",
        _ratio(_rms, len),
        "The root is missing: these are mean squares.",
        lambda words, table: loudness(words, table) ** 2,
        "You took the standard deviation, which subtracts the mean first. The slow cosines of a position "
        "are all near 1, and that counts: square, mean, root.",
        _ratio(Tensor.std),
        _ratio(lambda x: x.std(correction=0)),
        "You took the mean of absolute values. RMS squares first, and takes the root at the end.",
        _ratio(lambda x: x.abs().mean()),
        "You divided lengths (norms). There are B times as many words as positions, and a norm grows with "
        "their number: use the *mean* of the squares.",
        _ratio(Tensor.norm),
        _ratio(Tensor.norm, lambda words: None),
        "You took means. Positive and negative entries cancel in a mean: square first.",
        _ratio(Tensor.mean),
    ),
)
def loudness(words: Tensor, table: Tensor) -> float:
    return _ratio(_rms)(words, table)


def _places(real: Tensor) -> Tensor:
    return (real.cumsum(1) - 1).clamp(min=0)  # (B, T)


def _at_real(add_positions: Callable, x: Tensor, table: Tensor, real: Tensor) -> Tensor:
    """What is added to padding doesn't matter: only the vectors of real tokens are looked at."""
    (output,) = read_results(add_positions(x, table, real), (x,), ("output",))
    return output.where(real[..., None], 0) if output.shape == x.shape else output


def _at(places: Callable[[Tensor], Tensor]) -> Callable:
    """A wrong answer: other positions, `places(real)`."""
    return lambda x, table, real: x + table[places(real)]


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
    "7.4",
    "Repair: padding in front",
    {"output": "(B, T, D)"},
    praise="A position is the number of real tokens before, and not a column of the batch. With padding at "
    "the end the two are the same, so a model can be trained for weeks before anyone notices.",
    use=_at_real,
    cases=[
        _padded_case(4, 7, 5, 720, front=[2, 0, 3, 1], behind=[1, 2, 0, 0]),
        _padded_case(2, 6, 3, 724, front=[0, 0], behind=[0, 0]),
        *drawn(_padded_case, (1, 5), (1, 9), (1, 6), count=10),
    ],
    slips=slips(
        "Nothing is repaired yet: every row still counts from its first column, padding or not.",
        _at(_columns),
        "You subtracted all the padding of a row. What stands behind the words moves none of them: only "
        "padding *before* a token counts.",
        _at(lambda real: (_columns(real) - (~real).sum(1, keepdim=True)).clamp(min=0)),
        "You are one row off: the first real token has no token before it, so its row is 0.",
        _at(lambda real: real.cumsum(1)),
        _at(lambda real: (real.cumsum(1) - 2).clamp(min=0)),
        "You counted from the end: the last real token got row 0. The first one should.",
        _at(lambda real: _places(real.flip(1)).flip(1)),
        "You counted padding instead of tokens: how many *real* ones stand before each?",
        _at(lambda real: _places(~real)),
        "The count ran over the batch, down the columns. Positions run along axis 1.",
        _at(lambda real: (real.cumsum(0) - 1).clamp(min=0)),
        "You used the padding of sentence 0 for all. Each has its own.",
        _at(lambda real: _places(real[:1]).expand(real.shape)),
        "Every token of a row got the same position. Each real token is one further than the one before.",
        _at(lambda real: torch.zeros_like(real, dtype=torch.long)),
        _at(lambda real: real.long()),
        _at(lambda real: real.int().argmax(1, keepdim=True).expand(real.shape)),
        "Positions are added, not multiplied: where a sine is 0, the word would be wiped out.",
        lambda x, table, real: x * table[_places(real)],
        "You multiplied by √d_model here. The embeddings do that; `x` has been through it already.",
        lambda x, table, real: add_positions(x * math.sqrt(x.shape[-1]), table, real),
        "These are the positions alone. Add them to `x`.",
        lambda x, table, real: table[_places(real)],
    ),
)
def add_positions(x: Tensor, table: Tensor, real: Tensor) -> Tensor:
    return x + table[_places(real)]


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
    "7.5",
    "Sinusoidal positions",
    {"table": "(T, D)"},
    praise="Your table is the paper's, number by number: its neighbours share one dot product at any place, "
    "and a shift by k is one matrix.",
    cases=[
        (7, 10),
        (2, 4),
        (40, 16),
        (3, 2),
        *drawn(lambda length, half, seed: (length, 2 * half), (1, 60), (1, 20)),
    ],
    slips=slips(
        "All the right numbers, but sines in the left half and cosines in the right. The paper lets them "
        "take turns: sin, cos, sin, cos, … A model trained by itself would not mind; weights trained with "
        "the one order do not work with the other.",
        lambda length, d_model: torch.cat(_waves(length, d_model), dim=-1),
        "Every column turns at a speed of its own, so no sine has its cosine. A hand is a *pair*: columns "
        "2i and 2i + 1 share ω_i = 10000^(-2i/D).",
        _by_column(1),
        _by_column(2),
        "The exponent is i / D, or the base is 100, which comes to the same. It is 10000 and 2i / D, where "
        "i numbers the pairs from 0 to D/2 - 1. Your slowest hands are too fast.",
        _woven(exponent=lambda pair, d_model: pair / d_model),
        "The exponent is 4i / D; it is 2i / D. `torch.arange(0, D, 2)` is 2i already.",
        _woven(exponent=lambda pair, d_model: 4 * pair / d_model),
        "Your exponents run from 0 to exactly 1. Some programs do so; the paper's are 2i / D, and stop "
        "short of 1.",
        _woven(exponent=_to_one),
        lambda length, d_model: torch.cat(_waves(length, d_model, exponent=_to_one), dim=-1),
        "Your first position is 1. Positions count from 0: the first row is 0, 1, 0, 1, …",
        _woven(start=1),
        "Sine and cosine have changed places: the sine stands in column 2i, the cosine in 2i + 1.",
        _woven(lambda sines, cosines: (cosines, sines)),
        "Your hands get faster from left to right: you multiplied by 10000^(2i/D). Divide by it.",
        _woven(base=1e-4),
        "Another base: it is 10000.",
        *(_woven(base=base) for base in (1000.0, math.e)),
        "Only sines, or only cosines: each hand needs both, or its angle cannot be told.",
        _woven(lambda sines, cosines: (sines, sines)),
        _woven(lambda sines, cosines: (cosines, cosines)),
        "You multiplied by √d_model. That factor is for the embeddings.",
        lambda length, d_model: wave_table(length, d_model) * math.sqrt(d_model),
    ),
)
def wave_table(length: int, d_model: int) -> Tensor:
    return _woven()(length, d_model)


def _turn(a: Tensor, b: Tensor, sines: Tensor, cosines: Tensor) -> tuple[Tensor, Tensor]:
    return a * cosines + b * sines, b * cosines - a * sines


def _turned(turn: Callable = _turn, pairs: Callable | None = None, join: Callable = _weave, **other):
    """x with its pairs turned; another `turn`, other `pairs` or other angles make wrong answers."""
    pairs = pairs or (lambda x: (x[..., 0::2], x[..., 1::2]))
    return lambda x: join(*turn(*pairs(x), *(each.to(x) for each in _waves(*x.shape[1:], **other))))


def _forgetful(a: Tensor, b: Tensor, sines: Tensor, cosines: Tensor) -> tuple[Tensor, Tensor]:
    a = a * cosines + b * sines
    return a, b * cosines - a * sines


@function(
    "7.6",
    "Rotary positions",
    {"output": "(B, T, D)"},
    praise="Turn queries and keys like this, and each score depends on the offset of the two alone. Nothing "
    "is added to the words, so nothing can be drowned.",
    cases=[
        (random(3, 7, 6, seed=730),),
        (random(1, 20, 16, seed=731),),
        *drawn(lambda b, t, half, seed: (random(b, t, 2 * half, seed=seed),), (1, 4), (1, 30), (1, 8)),
    ],
    slips=slips(
        "You turned the other way: this is (a cos φ - b sin φ, a sin φ + b cos φ), by -φ. Many models do it "
        "so, and scores come out the same as long as queries and keys both do; but formula 7.7 has a sine "
        "first and a cosine second, and there a step forward is a cos φ + b sin φ.",
        _turned(lambda a, b, sines, cosines: _turn(a, b, -sines, cosines)),
        "You paired the left half with the right half. Here a pair is two neighbours, columns 2i and 2i + "
        "1. (Both are in use out there, and trained weights fit only one of them.)",
        _turned(pairs=lambda x: x.chunk(2, dim=-1), join=lambda a, b: torch.cat((a, b), dim=-1)),
        _turned(
            lambda a, b, sines, cosines: _turn(a, b, -sines, cosines),
            lambda x: x.chunk(2, dim=-1),
            lambda a, b: torch.cat((a, b), dim=-1),
        ),
        "Your first position is 1. Positions count from 0: the first token is not turned at all.",
        _turned(start=1),
        "Every pair turned at the same speed. Pair i turns by ω_i = 10000^(-2i/D) at each position.",
        _turned(exponent=lambda pair, d_model: 0 * pair),
        "The exponent is i / D; it is 2i / D.",
        _turned(exponent=lambda pair, d_model: pair / d_model),
        "The second number of each pair was made from the first one *after* it had changed. Keep both old "
        "numbers until both new ones are there.",
        _turned(_forgetful),
        "You added the table. Rotary positions add nothing: they turn each pair, and keep its length.",
        lambda x: x + sinusoids(*x.shape[1:]).to(x),
        "You multiplied by the table. A rotation mixes the two numbers of a pair: each new one needs both "
        "old ones.",
        lambda x: x * sinusoids(*x.shape[1:]).to(x),
        "Nothing is turned yet: this is x.",
        lambda x: x,
    ),
)
def rotary(x: Tensor) -> Tensor:
    return _turned()(x)
