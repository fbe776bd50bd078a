"""Chapter 5: an encoder layer counted, its norm, what a ReLU can do, leaks between positions, two masks."""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from attnbook.encoder import EncoderLayer, FeedForward
from attnbook.exercises.comparing import shape
from attnbook.exercises.judges import Numbers, Suspect, drawn, number, random, slips
from attnbook.exercises.reading import read_results
from attnbook.exercises.registry import exercise, function, suspects
from attnbook.exercises.verdict import Wrong

exercise(
    "5.1",
    "Count a layer",
    praise="No count depends on the number of heads, on the length of a sentence or on the batch: an "
    "encoder layer reads any number of words with the same parameters.",
    judge=Numbers(
        number(
            "attention",
            440,
            "Four `nn.Linear`s from D to D, each with D × D weights and D biases.",
            {
                400: "400 is the four matrices without their biases: each `nn.Linear` also has one bias for "
                "each output.",
                330: "330 is three linear layers. There is a fourth: the output layer, which lets the heads "
                "mix.",
                300: "300 is three matrices without biases. There are four linear layers, each with its "
                "biases.",
                880: "880 is twice as many as there are. Heads are slices of one width: their number "
                "changes no count.",
                110: "110 is one linear layer. Attention has four, for query, key, value and output.",
                240: "240 is four layers from D to the width of one head. Both heads lie side by side in "
                "each matrix.",
            },
        ),
        number(
            "feed_forward",
            640,
            "One `nn.Linear` from D to d_ff and one back; each has i × o weights and o biases.",
            {
                600: "600 is the two matrices without their biases: 30 for the first layer, 10 for the "
                "second.",
                330: "330 is the first layer alone. The second leads back from 30 to 10.",
                310: "310 is the second layer alone. The first leads from 10 to 30.",
                660: "660 is two layers from 10 to 30. The second leads back, so it has 10 biases.",
                620: "620 is two layers from 30 to 10. The first leads from 10 to 30, so it has 30 biases.",
            },
        ),
        number(
            "norms",
            40,
            "Two LayerNorms, each with a γ and a β of D numbers.",
            {
                20: "20 is one LayerNorm, or γ alone. There are two, each with a γ and a β.",
                0: "0 is none. A LayerNorm learns: γ stretches and β shifts each of the D numbers.",
                4: "4 is one γ and one β for each norm. There is one of each for every one of the D numbers.",
                80: "80 is twice as many as there are. There are two LayerNorms, each with D numbers in γ "
                "and D in β.",
            },
        ),
    ),
)


def _norm(
    x: Tensor, gamma: Tensor | float, beta: Tensor | float, eps: float, *, dim=-1, correction: int = 0
) -> Tensor:
    """The right answer; the keywords make the wrong ones."""
    variance = x.var(dim=dim, correction=correction, keepdim=True)
    return gamma * (x - x.mean(dim=dim, keepdim=True)) / (variance + eps).sqrt() + beta


def _over(dim, correction: int = 0) -> Callable:
    return lambda x, gamma, beta, eps: _norm(x, gamma, beta, eps, dim=dim, correction=correction)


def _divided(by: Callable[[Tensor, float], Tensor]) -> Callable:
    """A norm that divides by something else, `by(variance, eps)`."""

    def norm(x: Tensor, gamma: Tensor, beta: Tensor, eps: float) -> Tensor:
        variance = x.var(-1, correction=0, keepdim=True)
        return gamma * (x - x.mean(-1, keepdim=True)) / by(variance, eps) + beta

    return norm


def _norm_case(batch: int, length: int, width: int, eps: float, seed: int) -> tuple:
    x = 2 * random(batch, length, width, seed=seed) + 1
    x[:, -1] = 0.004 * x[:, -1]  # so small that ε tells, however small it is itself
    return x, *random(2, width, seed=seed + 1), eps


@function(
    "5.2",
    "Layer normalization",
    {"output": "(B, S, D)"},
    praise="The same numbers as `nn.LayerNorm`, up to rounding. Nothing in it looks at another position, so "
    "padding and batch have no say.",
    cases=[
        _norm_case(3, 5, 4, 0.5, seed=510),
        _norm_case(2, 6, 7, 1e-5, seed=520),
        *drawn(lambda b, s, d, seed: _norm_case(b, s, d, 10.0 ** (s - 6), seed), (1, 4), (1, 6), (2, 9)),
    ],
    slips=slips(
        "Your mean and variance run over the positions (axis 1). Then each word depends on its neighbours, "
        "and on the padding. Each position by itself: `dim=-1`.",
        _over(1),
        _over(1, 1),
        "Your mean and variance run over the batch (axis 0): that is the idea of batch normalization. Each "
        "position by itself: `dim=-1`.",
        _over(0),
        _over(0, 1),
        _over((0, 1)),
        "One mean and one variance for several positions at once. Every position has its own: `dim=-1`, "
        "with `keepdim=True`.",
        _over((1, 2)),
        _over((0, 1, 2)),
        _over((0, 1, 2), 1),
        "Your variance divides by D - 1, as `torch.var` and `torch.std` do unless told otherwise. Layer "
        "normalization divides by D: `correction=0`.",
        _over(-1, 1),
        lambda x, g, b, eps: g * (x - x.mean(-1, keepdim=True)) / (x.std(-1, keepdim=True) + eps) + b,
        "ε stands beside the standard deviation. In (5.3) it is added to the variance, under the root.",
        _divided(lambda variance, eps: variance.sqrt() + eps),
        "ε is missing: it is added to the variance, under the root.",
        _divided(lambda variance, eps: variance.sqrt()),
        "Your ε isn't the one that is handed in. `eps` may be any number; PyTorch's own 1e-5 is only a "
        "default.",
        _divided(lambda variance, eps: (variance + 1e-5).sqrt()),
        _divided(lambda variance, eps: (variance + 1e-6).sqrt()),
        "You divided by the variance. Divide by its square root, the standard deviation.",
        _divided(lambda variance, eps: variance + eps),
        "The mean is not subtracted from x before the division.",
        lambda x, g, b, eps: g * x / (x.var(-1, correction=0, keepdim=True) + eps).sqrt() + b,
        "gamma, beta or both are missing: after the division, times gamma, plus beta.",
        lambda x, gamma, beta, eps: _norm(x, 1, 0, eps),
        lambda x, gamma, beta, eps: _norm(x, gamma, 0, eps),
        lambda x, gamma, beta, eps: _norm(x, 1, beta, eps),
        "gamma and beta have changed places: gamma multiplies, beta is added.",
        lambda x, gamma, beta, eps: _norm(x, beta, gamma, eps),
        "beta is stretched by gamma too. It is added last.",
        lambda x, gamma, beta, eps: _norm(x, gamma, gamma * beta, eps),
    ),
)
def layer_norm(x: Tensor, gamma: Tensor, beta: Tensor, eps: float) -> Tensor:
    return _norm(x, gamma, beta, eps)


PARTS = ("W1", "b1", "W2", "b2")


def _sorter(W1: list, W2: list, b1: float = 0.0, b2: tuple = (0.0, 0.0)) -> tuple:
    return torch.tensor(W1), torch.tensor([b1]), torch.tensor(W2), torch.tensor(b2)


def _sorted_by(sorter: Callable, x: Tensor) -> Tensor:
    """What a layer `x + FFN(x)` with the learner's matrices makes of x `(B, 2)`."""
    found = read_results(sorter(), (x,) * 4, PARTS)
    for name, matrix, wanted in zip(PARTS, found, ((2, 1), (1,), (1, 2), (2,)), strict=True):
        if tuple(matrix.shape) != wanted:
            budget = (
                " The budget is one hidden number: d_ff = 1." if matrix.numel() > math.prod(wanted) else ""
            )
            raise Wrong(f"`{name}` has shape {shape(matrix)}; wanted {wanted}.{budget}")
    W1, b1, W2, b2 = (matrix.to(x) for matrix in found)
    return x + (x @ W1 + b1).relu() @ W2 + b2


@function(
    "5.3",
    "Sort with one ReLU",
    {"sorted": "(B, 2)"},
    praise="One hidden number is enough, because x is added afterwards: the network only has to write the "
    "*correction*, and the ReLU keeps it silent where there is nothing to correct. No linear layer can do "
    "that, however wide.",
    use=_sorted_by,
    cases=[
        (torch.tensor([[3.0, 1.0], [1.0, 3.0], [-4.0, 5.0], [0.5, -2.0], [-1.0, -7.0]]),),
        (torch.tensor([[2.0, 2.0], [0.0, 0.0], [0.0, 0.01], [0.01, 0.0], [900.0, -900.0]]),),
        *drawn(lambda count, seed: (5 * random(count, 2, seed=seed),), (1, 20), count=4),
    ],
    slips=slips(
        "Pairs that are already in order are moved. The hidden number has to be 0 for them, and above 0 "
        "only where the first number is the larger: a - b, not b - a.",
        lambda: _sorter([[-1.0], [1.0]], [[-1.0, 1.0]]),
        lambda: _sorter([[-1.0], [1.0]], [[1.0, -1.0]]),
        "The hidden number is right, but the correction has the wrong sign: the first number must lose a - "
        "b, and the second must gain it.",
        lambda: _sorter([[1.0], [-1.0]], [[1.0, -1.0]]),
        "Only one of the two numbers moves. By as much as one falls, the other rises.",
        lambda: _sorter([[1.0], [-1.0]], [[-1.0, 0.0]]),
        lambda: _sorter([[1.0], [-1.0]], [[0.0, 1.0]]),
        "Pairs in the wrong order both become their mean: the correction is half of what it should be.",
        lambda: _sorter([[1.0], [-1.0]], [[-0.5, 0.5]]),
        lambda: _sorter([[0.5], [-0.5]], [[-1.0, 1.0]]),
        "Both numbers move the same way, so their difference stays. One falls and the other rises.",
        lambda: _sorter([[1.0], [-1.0]], [[1.0, 1.0]]),
        lambda: _sorter([[1.0], [-1.0]], [[-1.0, -1.0]]),
        "The hidden number looks at one of the two only. Which of them is larger shows in their difference.",
        lambda: _sorter([[1.0], [0.0]], [[-1.0, 1.0]]),
        lambda: _sorter([[0.0], [1.0]], [[-1.0, 1.0]]),
        lambda: _sorter([[0.0], [-1.0]], [[-1.0, 1.0]]),
        "Nothing is corrected: x comes out as it went in.",
        lambda: _sorter([[1.0], [-1.0]], [[0.0, 0.0]]),
        lambda: _sorter([[0.0], [0.0]], [[-1.0, 1.0]]),
    ),
    rule="The check computes x + ReLU(x W1 + b1) W2 + b2 for pairs (a, b). Follow (3, 1) and (1, 3) by "
    "hand: what should be added to each?",
)
def sorter() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    return _sorter([[1.0], [-1.0]], [[-1.0, 1.0]])


class _Module(nn.Module):
    """A module made of one function of x `(B, S, D)`."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


def _leak(share: Callable[[Tensor], Tensor]) -> nn.Module:
    """A made-up module in which something of each position reaches others: what `share(x)` gives."""
    return _Module(lambda x: x.tanh() + share(x))


def _to_others(x: Tensor, *places, shift: int, axis: int = 1) -> Tensor:
    """Vectors moved by `shift` along the axis, and zeros but at `places`."""
    moved, kept = x.roll(shift, axis), torch.zeros_like(x)
    kept[places] = moved[places]
    return kept


def _norm_of_all(x: Tensor) -> Tensor:
    """A norm over all positions of a sentence at once."""
    mean, variance = x.mean((1, 2), keepdim=True), x.var((1, 2), correction=0, keepdim=True)
    return (x - mean) / (variance + 1e-5).sqrt()


def _seeded(build: Callable[[], nn.Module]) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(5)
        return build().eval()


def _layer(norm_first: bool) -> nn.Module:
    layer = _seeded(lambda: EncoderLayer(6, 2, 11, norm_first=norm_first))
    return _Module(lambda x: layer(x, need_weights=False)[0])


def _alone(name: str, module: nn.Module) -> Suspect:
    words = (
        "Of course the output moves where the input was changed: leave that position out, and watch the "
        "others only. And allow for rounding: `torch.allclose(a, b, atol=1e-5)`."
    )
    return Suspect(name, (module, random(3, 5, 6, seed=500)), True, words)


def _mixing(name: str, module: nn.Module, words: str = "") -> Suspect:
    every = (
        "Change *every* position in turn, in every sentence, and watch *all* others: those before it, those "
        "after it, and those of other sentences."
    )
    return Suspect(name, (module, random(3, 5, 6, seed=501)), False, words or every)


ALL = slice(None)


@suspects(
    "5.4",
    "Does it work alone?",
    (
        _alone("a feed-forward network", _seeded(lambda: FeedForward(6, 11))),
        _mixing("an encoder layer, with its attention,", _layer(norm_first=False)),
        _mixing(
            "a pre-norm encoder layer",
            _layer(norm_first=True),
            "Its attention reads x through a LayerNorm, which does not notice that a vector is shifted or "
            "stretched as a whole. Replace a position by fresh random numbers: `torch.randn_like`.",
        ),
        _alone("a LayerNorm over the numbers of a position", nn.LayerNorm(6)),
        _mixing("a norm over all positions of a sentence", _Module(_norm_of_all)),
        _mixing(
            "a module that hands each position to the one after it",
            _leak(lambda x: _to_others(x, ALL, slice(1, None), shift=1)),
        ),
        _mixing(
            "a module that hands each position to the one before it",
            _leak(lambda x: _to_others(x, ALL, slice(-1), shift=-1)),
        ),
        _mixing(
            "a module that hands the last position to the first alone",
            _leak(lambda x: _to_others(x, ALL, 0, shift=1)),
        ),
        _mixing(
            "a module that adds the mean over the batch",
            _leak(lambda x: x.mean(0, keepdim=True)),
            "There the sentences of a batch depend on one another. Watch the other sentences too.",
        ),
        _mixing(
            "a module that hands the last sentence to the first alone",
            _leak(lambda x: _to_others(x, 0, shift=1, axis=0)),
            "There sentence 0 depends on the last one. Change every sentence, not only the first.",
        ),
        _mixing(
            "a module that adds the mean over all positions of all sentences",
            _leak(lambda x: x.mean((0, 1), keepdim=True)),
            "Did you run all positions as one large batch? There they still share a mean. Feed each "
            "position quite alone, as `(1, 1, D)`, or change one and watch the others.",
        ),
        _mixing(
            "a module that hands a faint trace of each position to the next",
            _leak(lambda x: 1e-3 * _to_others(x, ALL, slice(1, None), shift=1)),
            "The trace is faint, but far larger than rounding. Compare more strictly: `atol=1e-5`.",
        ),
        _alone("a module that does nothing", nn.Identity()),
    ),
    praise="Your experiment told feed-forward networks and LayerNorm from attention, and from every module "
    "made up to deceive it. In an encoder layer only attention carries anything from word to word.",
    slips=slips(
        "If your answer is True for every module, it is a guess: change a position of x, and compare the "
        "outputs.",
        lambda module, x: True,
        "If your answer is False for every module, it is a guess, or you watch the changed position too: "
        "its own output moves, of course. Leave it out.",
        lambda module, x: False,
    ),
    pure="Your experiment changes `x` in place, so what it compares with is spoilt. Work on a copy: `other "
    "= x.clone()`.",
)
def works_alone(module: Callable[[Tensor], Tensor], x: Tensor) -> bool:
    before = module(x)
    for b in range(x.shape[0]):
        for s in range(x.shape[1]):
            other = x.clone()
            other[b, s] = torch.randn_like(other[b, s])
            moved = (module(other) - before).abs() > 1e-5
            moved[b, s] = False
            if moved.any():
                return False
    return True


PAD = 7  # not 0, and smaller than other ids: who compares with 0, or with <, is found out


def _both(real: Tensor) -> tuple[Tensor, Tensor]:
    return real[:, None, None], ~real


def _by_rule(real_of: Callable[[Tensor, int], Tensor]) -> tuple[Callable, ...]:
    """Three wrong answers: another idea of what is real, in either mask or in both."""

    def wrong(ours: bool, theirs: bool) -> Callable:
        def answer(ids: Tensor, pad: int) -> tuple[Tensor, Tensor]:
            right, other = masks(ids, pad), _both(real_of(ids, pad))
            return other[0] if ours else right[0], other[1] if theirs else right[1]

        return answer

    return wrong(True, True), wrong(True, False), wrong(False, True)


def _in_form(ours: Callable[[Tensor], Tensor]) -> tuple[Callable, Callable]:
    """Two wrong answers: `ours(real)`, with the second mask right or inverted."""
    return lambda ids, pad: (ours(ids != pad), ids == pad), lambda ids, pad: (ours(ids != pad), ids != pad)


def _by_length(ids: Tensor, pad: int) -> Tensor:
    return torch.arange(ids.shape[1]) < (ids != pad).sum(1, keepdim=True)


def _to_the_last(ids: Tensor, pad: int) -> Tensor:
    return (ids != pad).flip(1).cummax(1).values.flip(1)


def _masks_case(batch: int, length: int, pad: int, seed: int) -> tuple[Tensor, int]:
    return (4 * random(batch, length, seed=seed) + 5).long().clamp(0, 9), pad


@function(
    "5.5",
    "Two masks of one truth",
    {"ours": "(B, 1, 1, S)", "theirs": "(B, S)"},
    praise="Both hide the padding as a key and let every query ask. When a model of yours mixes two "
    "libraries, this is the line to test first.",
    cases=[
        (torch.tensor([[3, 9, 0, 8, 7, 7], [7, 9, 4, 7, 2, 7], [8, 5, 9, 3, 0, 6]]), PAD),
        *drawn(_masks_case, (1, 5), (2, 8), (0, 9), count=12),
    ],
    pure="Your code changes `ids` in place. Make new tensors.",
    slips=slips(
        "`ours` is inverted: here True means *may attend*. Yours lets every word look at the padding "
        "only, and no error would tell you.",
        *_in_form(lambda real: ~real[:, None, None]),
        "`theirs` is inverted: in `nn.MultiheadAttention` True means *blocked*. Yours blocks every real "
        "word, and as long as there is padding to look at, no error would tell you.",
        lambda ids, pad: (masks(ids, pad)[0], ids != pad),
        "`ours` hides rows, not keys: its S stands on the axis of the queries. The real words would still "
        "look at the padding. S belongs on the last axis: `[:, None, None, :]`.",
        *_in_form(lambda real: real[:, None, :, None]),
        "`ours` hides rows as well as keys. A padded query may ask, since nobody reads its answer; hiding "
        "it only makes rows with nothing to look at. Keys alone: (B, 1, 1, S).",
        *_in_form(lambda real: real[:, None, :, None] & real[:, None, None]),
        "`ours` is (B, S). Against weights (B, H, T, S) its batch would be taken for queries: put two axes "
        "between, `[:, None, None, :]`.",
        *_in_form(lambda real: real),
        "`theirs` has too many axes: `key_padding_mask` is (B, S).",
        lambda ids, pad: (masks(ids, pad)[0], (ids == pad)[:, None]),
        lambda ids, pad: (masks(ids, pad)[0], (ids == pad)[:, None, None]),
        "You take 0 for the padding. Which id pads is handed in as `pad`, and need not be 0.",
        *_by_rule(lambda ids, pad: ids != 0),
        "You use the padding of sentence 0 for all. Each sentence has its own.",
        *_by_rule(lambda ids, pad: (ids[:1] != pad).expand(ids.shape)),
        "You compare by size. Ids have no order: a word is real if its id is not `pad`.",
        *_by_rule(lambda ids, pad: ids < pad),
        *_by_rule(lambda ids, pad: ids > pad),
        "You count the words of a sentence and take all padding to stand at its end. It may stand in front "
        "or between as well: compare each id with `pad`.",
        *_by_rule(_by_length),
        *_by_rule(_to_the_last),
    ),
    rule="A place is padding where its id equals `pad`, and real everywhere else.",
)
def masks(ids: Tensor, pad: int) -> tuple[Tensor, Tensor]:
    return _both(ids != pad)


def _layer_case(batch: int, length: int, width: int, seed: int, rescale: bool) -> tuple:
    """Parts of a layer; without `rescale` the norms let the size of what they get through."""
    matrices, affine = random(2, width, width, seed=seed + 1), random(2, 2, width, seed=seed + 2)

    def attention(x: Tensor) -> Tensor:
        weights = (x @ x.transpose(-2, -1)).softmax(-1)  # (B, S, S)
        return weights @ x @ matrices[0].to(x)

    def feed_forward(x: Tensor) -> Tensor:
        return (x @ matrices[1].to(x)).relu() - 0.5

    def norm(gamma: Tensor, beta: Tensor) -> Callable[[Tensor], Tensor]:
        if rescale:
            return lambda x: _norm(x, gamma.to(x), beta.to(x), 1e-5)
        return lambda x: gamma.to(x) * x + beta.to(x)

    norms = (norm(gamma, beta) for gamma, beta in affine.unbind(1))
    return random(batch, length, width, seed=seed), attention, feed_forward, *norms


@function(
    "5.6",
    "The whole layer",
    {"output": "(B, S, D)"},
    praise="That is an encoder layer. Stack it N times, and you have the left half of the Transformer.",
    cases=[
        _layer_case(3, 5, 4, 550, rescale=False),
        _layer_case(2, 4, 6, 560, rescale=True),
        *drawn(lambda *sizes: _layer_case(*sizes, rescale=False), (1, 4), (1, 6), (2, 7), count=3),
        *drawn(lambda *sizes: _layer_case(*sizes, rescale=True), (2, 5), (1, 6), (2, 7), count=3),
    ],
    slips=slips(
        "You normalized what the sub-layer returned, before adding it. The paper adds first and then "
        "normalizes the sum: norm1(x + …).",
        lambda x, a, f, n1, n2: (y := x + n1(a(x))) + n2(f(y)),
        "This is pre-norm, formula (5.5): the norm before each sub-layer. Asked is the paper's post-norm, "
        "where the norm comes after each sum.",
        lambda x, a, f, n1, n2: (y := x + a(n1(x))) + f(n2(y)),
        "The residual connections are missing: nothing of x is added. Section 5.6 shows what comes of it.",
        lambda x, a, f, n1, n2: n2(f(n1(a(x)))),
        "One of the two residual connections is missing: each sub-layer's input is added to its output.",
        lambda x, a, f, n1, n2: n2(f(n1(x + a(x)))),
        lambda x, a, f, n1, n2: n2((y := n1(a(x))) + f(y)),
        "In the second line x is added again. It is y that went into the network, so y is added.",
        lambda x, a, f, n1, n2: n2(x + f(n1(x + a(x)))),
        "The network reads x, so the two sub-layers stand side by side. It reads y, what attention has made.",
        lambda x, a, f, n1, n2: n2(n1(x + a(x)) + f(x)),
        lambda x, a, f, n1, n2: n2(x + f(x)),
        "The norms are missing: one after each sum.",
        lambda x, a, f, n1, n2: (y := x + a(x)) + f(y),
        "A norm is missing: there is one after each of the two sums.",
        lambda x, a, f, n1, n2: (y := n1(x + a(x))) + f(y),
        lambda x, a, f, n1, n2: n2((y := x + a(x)) + f(y)),
        "The norms are not in their places: norm1 after attention, norm2 after the network. Each has its "
        "own γ and β.",
        lambda x, a, f, n1, n2: encoder_layer(x, a, f, n2, n1),
        lambda x, a, f, n1, n2: encoder_layer(x, a, f, n1, n1),
        lambda x, a, f, n1, n2: encoder_layer(x, a, f, n2, n2),
        "The sub-layers have changed places: attention first, then the feed-forward network.",
        lambda x, a, f, n1, n2: encoder_layer(x, f, a, n1, n2),
        "This is y, the first half. The feed-forward network and its Add & Norm are still to come.",
        lambda x, a, f, n1, n2: n1(x + a(x)),
        "You scale the sum before it is normalized. A LayerNorm would hide that; these norms, made up for "
        "the check, don't. Add, and nothing else.",
        lambda x, a, f, n1, n2: n2(((y := n1((x + a(x)) / 2)) + f(y)) / 2),
        lambda x, a, f, n1, n2: n2(((y := n1((x + a(x)) / 2**0.5)) + f(y)) / 2**0.5),
    ),
)
def encoder_layer(
    x: Tensor, attention: Callable, feed_forward: Callable, norm1: Callable, norm2: Callable
) -> Tensor:
    y = norm1(x + attention(x))
    return norm2(y + feed_forward(y))
