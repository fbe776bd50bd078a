"""Chapter 5: a layer counted, undone, its norm, one ReLU, leaks between positions, two orders, two masks."""

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from attnbook.encoder import EncoderLayer, FeedForward
from attnbook.exercises.comparing import shape
from attnbook.exercises.judges import OTHER, Suspect, drawn, number, random, slips
from attnbook.exercises.reading import read_results
from attnbook.exercises.registry import function, numbers, suspects
from attnbook.exercises.verdict import Wrong

numbers(
    "5.1",
    "Count a layer",
    {
        number("attention", 440): {
            400: "400 leaves out the biases: each `nn.Linear` also has one bias per output.",
            330: "330 is three linear layers. The fourth, the output layer, mixes the heads.",
            300: "300 is three matrices without biases. There are four linear layers, with biases.",
            880: "880 is double. Heads are slices of one width, so their number doesn't matter.",
            110: "110 is one linear layer. Attention has four: for query, key, value and output.",
            240: "240 uses the width of one head. Each matrix holds both heads, so it is D × D.",
            OTHER: "Four `nn.Linear`s from D to D, each with D × D weights and D biases.",
        },
        number("feed_forward", 640): {
            600: "600 leaves out the biases: 30 in the first layer, 10 in the second.",
            330: "330 is the first layer alone. The second goes back from 30 to 10.",
            310: "310 is the second layer alone. The first goes from 10 to 30.",
            660: "660 is two layers from 10 to 30. The second goes back, so it has 10 biases.",
            620: "620 is two layers from 30 to 10. The first goes from 10 to 30, so it has 30 biases.",
            OTHER: "One `nn.Linear` from D to d_ff and one back; each has i × o weights and o biases.",
        },
        number("norms", 40): {
            20: "20 is one LayerNorm, or γ alone. There are two, each with a γ and a β.",
            0: "0 is wrong: LayerNorm learns γ and β, which scale and shift each of the D numbers.",
            4: "4 is one γ and one β per norm. Each of the D numbers has its own γ and β.",
            80: "80 is double: two LayerNorms, each with D numbers in γ and D in β.",
            OTHER: "Two LayerNorms, each with a γ and a β of D numbers.",
        },
    },
    praise="No count depends on the heads, the length or the batch: the layer reads sentences of any length.",
)


Sublayer = Callable[[Tensor], Tensor]


def _weak(length: int, width: int, seed: int) -> Sublayer:
    """Averages positions, mixes features, and brings any two inputs to at most half their distance."""
    average = random(length, length, seed=seed).softmax(-1)  # (S, S)
    matrix = random(width, width, seed=seed + 1)
    average, matrix = (each / torch.linalg.matrix_norm(each, 2) for each in (average, matrix))
    return lambda x: 0.5 * (average.to(x) @ x @ matrix.to(x) + 0.3).tanh()


def _summed(x: Tensor, sublayer: Sublayer) -> tuple[Tensor, Sublayer]:
    def f(given) -> Tensor:
        given = torch.as_tensor(given)
        if given.shape[-2:] != x.shape:
            here = f"here {shape(x)}; got {shape(given)}"
            raise ValueError(f"f takes all positions at once, (S, D), {here}")
        return sublayer(given)

    return x + f(x), f


def _sum_case(length: int, width: int, seed: int) -> tuple[Tensor, Sublayer]:
    return _summed(2 * random(length, width, seed=seed), _weak(length, width, seed + 1))


def _undone(rounds: int, following: Callable[[Tensor, Tensor, Tensor], Tensor], first: float = 1) -> Callable:
    """Improve the guess y (times `first`) in `rounds` rounds by `following(y, guess, f(guess))`."""

    def undone(y: Tensor, f: Sublayer) -> Tensor:
        x = first * y
        for _ in range(rounds):
            x = following(y, x, f(x))
        return x

    return undone


def _series(y: Tensor, f: Sublayer) -> Tensor:
    """y - f(y) + f(f(y)) - …: right if f is linear."""
    x = term = y
    for _ in range(60):
        term = -f(term)
        x = x + term
    return x


@function(
    "5.2",
    "Undo a layer",
    {"x": "(S, D)"},
    praise="A sum can be undone where an average can't. Add preserves what attention would average away.",
    cases=[
        _sum_case(4, 3, 610),
        _summed(random(3, 2, seed=620), lambda x: -0.5 * x),
        _summed(random(5, 4, seed=630), lambda x: 0.5 * x.mean(0, keepdim=True).expand_as(x)),
        _summed(random(2, 3, seed=640), torch.zeros_like),
        *drawn(_sum_case, (1, 6), (1, 7)),
    ],
    slips=slips(
        "This is y, which contains f(x). Subtract that.",
        lambda y, f: y,
        "You subtracted f(y), and f(x) was added. The result is a better guess than y, so go on from it.",
        lambda y, f: y - f(y),
        "You are on the way. Go on: each round halves the error at least.",
        *(_undone(rounds, lambda y, x, fx: y - fx) for rounds in range(2, 11)),
        *(_undone(rounds, lambda y, x, fx: y - fx, first=0) for rounds in range(1, 12)),
        "You add f to y. It was added to x, so subtract it.",
        lambda y, f: y + f(y),
        *(_undone(rounds, lambda y, x, fx: y + fx) for rounds in (10, 20, 30, 50, 100)),
        "You subtract from the last guess in each round. Subtract f of the guess from y: x = y - f(x).",
        *(_undone(rounds, lambda y, x, fx: x - fx) for rounds in (2, 3, 5, 10, 20, 30, 50, 100)),
        "This is f(y), a sublayer without Add.",
        lambda y, f: f(y),
        "f doesn't multiply by a half: that is only the most it can do, and it combines positions.",
        lambda y, f: y / 1.5,
        lambda y, f: y / 2,
        lambda y, f: 2 * y,
        "This series is right for a linear f. For any f, put the guess into x = y - f(x), again and again.",
        _series,
    ),
    rule="Test your x: is x + f(x) the given y?",
)
def undo(y: Tensor, f: Sublayer) -> Tensor:
    return _undone(60, lambda y, x, fx: y - fx)(y, f)


def _root(variance: Tensor, eps: float) -> Tensor:
    return (variance + eps).sqrt()


def _square(x: Tensor) -> Tensor:
    return (x**2).mean(-1, keepdim=True)


def _norm(x: Tensor, gamma, beta, eps: float, *, dim=-1, correction: int = 0, divisor: Callable = _root):
    """The right answer; the keywords make the wrong ones."""
    variance = x.var(dim=dim, correction=correction, keepdim=True)
    return gamma * (x - x.mean(dim=dim, keepdim=True)) / divisor(variance, eps) + beta


def _norm_case(batch: int, length: int, width: int, eps: float, seed: int) -> tuple:
    x = 2 * random(batch, length, width, seed=seed) + 1
    x[:, -1] = 0.004 * x[:, -1]  # so small that ε tells, however small it is itself
    return x, *random(2, width, seed=seed + 1), eps


@function(
    "5.3",
    "Layer normalization",
    {"output": "(B, S, D)"},
    praise="This matches `nn.LayerNorm`. Positions don't affect each other, so padding doesn't matter.",
    cases=[
        _norm_case(3, 5, 4, 0.5, seed=510),
        _norm_case(2, 6, 7, 1e-5, seed=520),
        *drawn(lambda b, s, d, seed: _norm_case(b, s, d, 10.0 ** (s - 6), seed), (1, 4), (1, 6), (2, 9)),
    ],
    slips=slips(
        "Your mean and variance run over positions (axis 1), so words and padding mix. Use `dim=-1`.",
        partial(_norm, dim=1),
        partial(_norm, dim=1, correction=1),
        "Your mean and variance run over the batch (axis 0), as in batch normalization. Use `dim=-1`.",
        partial(_norm, dim=0),
        partial(_norm, dim=0, correction=1),
        partial(_norm, dim=(0, 1)),
        "Several positions share one mean and variance. Each needs its own: `dim=-1`, `keepdim=True`.",
        partial(_norm, dim=(1, 2)),
        partial(_norm, dim=(0, 1, 2)),
        partial(_norm, dim=(0, 1, 2), correction=1),
        "Your variance divides by D - 1, PyTorch's default. LayerNorm divides by D: use `correction=0`.",
        partial(_norm, correction=1),
        lambda x, g, b, eps: g * (x - x.mean(-1, keepdim=True)) / (x.std(-1, keepdim=True) + eps) + b,
        partial(_norm, correction=1, divisor=lambda variance, eps: variance.sqrt()),
        "Your variance is the mean of x². It should be that of (x - mean)².",
        lambda x, g, b, eps: g * (x - x.mean(-1, keepdim=True)) / _root(_square(x), eps) + b,
        "You divide by the sum of the squared deviations. The variance is their mean.",
        lambda x, g, b, eps: _norm(x, g, b, eps, divisor=lambda v, eps: _root(v * x.shape[-1], eps)),
        "You add ε to the standard deviation. In (5.3) it is added to the variance, under the root.",
        partial(_norm, divisor=lambda variance, eps: variance.sqrt() + eps),
        "ε is missing: add it to the variance, under the root.",
        partial(_norm, divisor=lambda variance, eps: variance.sqrt()),
        "You don't use the argument `eps`. It may be any number; 1e-5 is only PyTorch's default.",
        partial(_norm, divisor=lambda variance, eps: (variance + 1e-5).sqrt()),
        partial(_norm, divisor=lambda variance, eps: (variance + 1e-6).sqrt()),
        "You divided by the variance. Divide by its square root, the standard deviation.",
        partial(_norm, divisor=lambda variance, eps: variance + eps),
        "Subtract the mean from x before you divide.",
        lambda x, g, b, eps: g * x / (x.var(-1, correction=0, keepdim=True) + eps).sqrt() + b,
        lambda x, g, b, eps: g * x / _root(_square(x), eps) + b,
        "gamma, beta or both are missing: multiply by gamma after the division, then add beta.",
        lambda x, g, b, eps: _norm(x, 1, 0, eps),
        lambda x, g, b, eps: _norm(x, 1, 0, 1e-5),
        lambda x, g, b, eps: _norm(x, g, 0, eps),
        lambda x, g, b, eps: _norm(x, 1, b, eps),
        "gamma and beta are swapped: multiply by gamma, add beta.",
        lambda x, gamma, beta, eps: _norm(x, beta, gamma, eps),
        "You multiply beta by gamma too. Add beta last.",
        lambda x, gamma, beta, eps: _norm(x, gamma, gamma * beta, eps),
    ),
)
def layer_norm(x: Tensor, gamma: Tensor, beta: Tensor, eps: float) -> Tensor:
    return _norm(x, gamma, beta, eps)


PARTS = ("W1", "b1", "W2", "b2")


def _sorter(W1: list, W2: list) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    return torch.tensor(W1), torch.zeros(1), torch.tensor(W2), torch.zeros(2)


def _sorted_by(sorter: Callable, x: Tensor) -> Tensor:
    """What a layer `x + FFN(x)` with the learner's matrices makes of x `(B, 2)`."""
    found, sizes = read_results(sorter(), (x,) * 4, PARTS), ((2, 1), (1,), (1, 2), (2,))
    shapes = [tuple(matrix.shape) for matrix in found]
    if shapes != list(sizes) and sorted(shapes) == sorted(sizes):
        raise Wrong(f"These are the four parameters in another order: return {', '.join(PARTS)}.")
    for name, matrix, wanted in zip(PARTS, found, sizes, strict=True):
        if tuple(matrix.shape) != wanted:
            budget = " Use one hidden feature: d_ff = 1." if matrix.numel() > math.prod(wanted) else ""
            raise Wrong(f"`{name}` has shape {shape(matrix)}; wanted {wanted}.{budget}")
    W1, b1, W2, b2 = (matrix.to(x) for matrix in found)
    return x + (x @ W1 + b1).relu() @ W2 + b2


@function(
    "5.4",
    "Sort with one ReLU",
    {"sorted": "(B, 2)"},
    praise="One hidden feature is enough: x is added afterwards, so the network only writes the "
    "*correction*, and ReLU keeps it 0 where none is needed. No linear layer can do that, however wide.",
    use=_sorted_by,
    cases=[
        (torch.tensor([[3.0, 1.0], [1.0, 3.0], [-4.0, 5.0], [0.5, -2.0], [-1.0, -7.0]]),),
        (torch.tensor([[2.0, 2.0], [0.0, 0.0], [0.0, 0.01], [0.01, 0.0], [900.0, -900.0]]),),
        *drawn(lambda count, seed: (5 * random(count, 2, seed=seed),), (1, 20), count=4),
    ],
    slips=slips(
        "You move pairs already in order. The hidden feature must be 0 for them: use a - b, not b - a.",
        lambda: _sorter([[-1.0], [1.0]], [[-1.0, 1.0]]),
        lambda: _sorter([[-1.0], [1.0]], [[1.0, -1.0]]),
        "The correction has the wrong sign: the first number must lose a - b, the second must gain it.",
        lambda: _sorter([[1.0], [-1.0]], [[1.0, -1.0]]),
        "Only one of the two numbers moves. When one falls, the other must rise by the same amount.",
        lambda: _sorter([[1.0], [-1.0]], [[-1.0, 0.0]]),
        lambda: _sorter([[1.0], [-1.0]], [[0.0, 1.0]]),
        "The correction is half as large as needed: both numbers of an unsorted pair become their mean.",
        lambda: _sorter([[1.0], [-1.0]], [[-0.5, 0.5]]),
        lambda: _sorter([[0.5], [-0.5]], [[-1.0, 1.0]]),
        "Both numbers move the same way, so their difference stays. One must fall, the other rise.",
        lambda: _sorter([[1.0], [-1.0]], [[1.0, 1.0]]),
        lambda: _sorter([[1.0], [-1.0]], [[-1.0, -1.0]]),
        "The hidden feature depends on only one of the two. Use their difference to see which is larger.",
        lambda: _sorter([[1.0], [0.0]], [[-1.0, 1.0]]),
        lambda: _sorter([[0.0], [1.0]], [[-1.0, 1.0]]),
        lambda: _sorter([[0.0], [-1.0]], [[-1.0, 1.0]]),
        "Nothing is corrected: x comes out unchanged.",
        lambda: _sorter([[1.0], [-1.0]], [[0.0, 0.0]]),
        lambda: _sorter([[0.0], [0.0]], [[-1.0, 1.0]]),
    ),
    rule="The check computes x + ReLU(x W1 + b1) W2 + b2 for pairs (a, b). Follow (3, 1) and (1, 3) by "
    "hand: what must be added to each?",
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


class _Output(nn.Module):
    """An encoder layer that returns its output alone, without the weights."""

    def __init__(self, layer: EncoderLayer) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x, need_weights=False)[0]


def _moving(*places, shift: int, axis: int = 1, share: float = 1.0) -> nn.Module:
    """A module that adds to the vectors at `places` a share of those that stand `shift` before them."""

    def module(x: Tensor) -> Tensor:
        moved = torch.zeros_like(x)
        moved[places] = share * x.roll(shift, axis)[places]
        return x.tanh() + moved

    return _Module(module)


def _seeded(build: Callable[[], nn.Module]) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(5)
        return build().eval()


def _layer(norm_first: bool, gamma: float | Tensor = 1.0, beta: float | Tensor = 0.0) -> nn.Module:
    """An encoder layer whose norms scale by `gamma` and shift by `beta`."""
    layer = _seeded(lambda: EncoderLayer(6, 2, 11, norm_first=norm_first))
    with torch.no_grad():
        for add_norm in (layer.add_norm1, layer.add_norm2):
            add_norm.norm.weight[:] = gamma
            add_norm.norm.bias[:] = beta
    return _Output(layer)


ALONE = "Leave out the changed position itself, and allow for rounding: `torch.allclose(a, b, atol=1e-5)`."
MIXING = "Change *every* position in turn and watch *all* others: earlier, later, and in other sentences."


def _suspect(name: str, module: nn.Module, words: str = MIXING) -> Suspect:
    return Suspect(name, (module, random(3, 5, 6, seed=500)), words is ALONE, words)


ALL = slice(None)


@suspects(
    "5.5",
    "Does it work alone?",
    (
        _suspect("a feed-forward network", _seeded(lambda: FeedForward(6, 11)), ALONE),
        _suspect("an encoder layer, with its attention,", _layer(norm_first=False)),
        _suspect(
            "a pre-norm encoder layer",
            _layer(norm_first=True),
            "Its LayerNorm hides shifting or scaling a vector. Use fresh random numbers: `torch.randn_like`.",
        ),
        _suspect("a LayerNorm over the numbers of a position", nn.LayerNorm(6), ALONE),
        _suspect(
            "a norm over a whole sentence",
            _Module(lambda x: _norm(x, 1, 0, 1e-5, dim=(1, 2))),
            "It doesn't notice numbers in another order. Use fresh random numbers: `torch.randn_like`.",
        ),
        _suspect("a shift to the next position", _moving(ALL, slice(1, None), shift=1)),
        _suspect("a shift to the previous position", _moving(ALL, slice(-1), shift=-1)),
        _suspect("a module whose first position sees the last", _moving(ALL, 0, shift=1)),
        _suspect(
            "a module that adds the mean over the batch",
            _Module(lambda x: x.tanh() + x.mean(0, keepdim=True)),
            "Sentences of the batch depend on one another here. Watch the other sentences too.",
        ),
        _suspect(
            "a module that passes the last sentence to the first only",
            _moving(0, shift=1, axis=0),
            "Sentence 0 depends on the last one here. Change every sentence, not only the first.",
        ),
        _suspect(
            "a module that adds the mean over all positions of all sentences",
            _Module(lambda x: x.tanh() + x.mean((0, 1), keepdim=True)),
            "Run as one large batch, all positions share a mean. Feed each one alone, as `(1, 1, D)`.",
        ),
        _suspect(
            "a module that passes a faint trace of each position to the next",
            _moving(ALL, slice(1, None), shift=1, share=1e-3),
            "The trace is faint, but far larger than rounding. Compare more strictly: `atol=1e-5`.",
        ),
        _suspect(
            "a module that passes the last feature of each position to the next",
            _moving(ALL, slice(1, None), -1, shift=1),
            "Only one feature leaks here. Change all features of a position, not only one.",
        ),
        _suspect("a module that does nothing", nn.Identity(), ALONE),
    ),
    praise="Your test caught every module that mixes positions. In an encoder layer, only attention does.",
    slips=slips(
        "If you answer True for every module, that is a guess: change a position and compare the outputs.",
        lambda module, x: True,
        "Always False is a guess, or you watch the changed position too: its own output moves. Leave it out.",
        lambda module, x: False,
    ),
    pure="Your experiment changes `x` in place. Work on a copy: `other = x.clone()`.",
)
def works_alone(module: Callable[[Tensor], Tensor], x: Tensor) -> bool:
    alone = [module(vector[None, None])[0, 0] for vector in x.flatten(0, 1)]
    return torch.allclose(torch.stack(alone).view_as(x), module(x), atol=1e-5)


SIZE = (
    "A trained γ and β can give the output any size and any mean. Compare the outputs for x and for 1e6 · x."
)


def _of_order(name: str, *settings) -> Suspect:
    return Suspect(name, (_layer(*settings), random(3, 5, 6, seed=530)), settings[0], SIZE)


@suspects(
    "5.6",
    "Post-norm or pre-norm?",
    (
        _of_order("an untrained post-norm layer", False),
        _of_order("an untrained pre-norm layer", True),
        _of_order("a post-norm layer with a large γ", False, 50.0),
        _of_order("a post-norm layer with a large β", False, 1.0, 20.0),
        _of_order("a pre-norm layer with a small γ", True, 0.01),
        _of_order("a pre-norm layer with a large γ", True, 50.0),
        _of_order("a pre-norm layer with a large β", True, 1.0, 20.0),
        _of_order("a post-norm layer with a small γ", False, 0.01),
        _of_order("a post-norm layer with a small β", False, 1.0, 0.1),
        _of_order("a post-norm layer with a γ and a β for each feature", False, *random(2, 6, seed=540)),
    ),
    praise="Post-norm's output has the same size for any input; pre-norm adds to its input. So in a pre-norm "
    "stack the vectors can grow from layer to layer, and one more norm follows the last.",
    slips=slips(
        "You look at the size of the output. γ can make that anything: see how it *grows* with x.",
        lambda layer, x: bool(layer(x).std() > 1.2),
        lambda layer, x: bool(layer(x).abs().max() > 5),
        "You look at the mean of the output. β can make that anything: see how the output *grows* with x.",
        lambda layer, x: bool(layer(x).mean(-1).abs().max() > 1e-3),
    ),
    pure="Your experiment changes `x` in place. Work on a copy: `1e6 * x` makes one.",
)
def is_pre_norm(layer: Callable[[Tensor], Tensor], x: Tensor) -> bool:
    return bool(layer(1e6 * x).abs().max() > 1000 * layer(x).abs().max())


PAD = 7  # not 0, and smaller than other ids: who compares with 0, or with <, is found out


def _both(real: Tensor) -> tuple[Tensor, Tensor]:
    return real[:, None, None], ~real


def _by_rule(real_of: Callable[[Tensor, int], Tensor]) -> tuple[Callable, ...]:
    """Three wrong answers: another idea of what is real, in either mask or in both."""

    def wrong(*masks_with_it: int) -> Callable:
        def answer(ids: Tensor, pad: int) -> tuple[Tensor, ...]:
            right, other = masks(ids, pad), _both(real_of(ids, pad))
            return tuple(other[i] if i in masks_with_it else right[i] for i in range(2))

        return answer

    return wrong(0, 1), wrong(0), wrong(1)


def _reached(real: Tensor) -> Tensor:
    """Where the first real position lies here or before."""
    return real.cumsum(1) > 0


def _in_form(ours: Callable[[Tensor], Tensor]) -> tuple[Callable, Callable]:
    """Two wrong answers: `ours(real)`, with the second mask right or inverted."""
    return lambda ids, pad: (ours(ids != pad), ids == pad), lambda ids, pad: (ours(ids != pad), ids != pad)


def _masks_case(batch: int, length: int, pad: int, seed: int) -> tuple[Tensor, int]:
    return (4 * random(batch, length, seed=seed) + 5).long().clamp(0, 9), pad


@function(
    "5.7",
    "Two masks, one meaning",
    {"ours": "(B, 1, 1, S)", "theirs": "(B, S)"},
    praise="Both hide padding keys and let every query ask. When you mix two libraries, test this first.",
    cases=[
        (torch.tensor([[3, 9, 0, 8, 7, 7], [7, 9, 4, 7, 2, 7], [8, 5, 9, 3, 0, 6]]), PAD),
        *drawn(_masks_case, (1, 5), (2, 8), (0, 9), count=12),
    ],
    pure="Your code changes `ids` in place. Make new tensors.",
    slips=slips(
        "`ours` is inverted: True means *may attend*. Yours shows words only padding, and raises no error.",
        *_in_form(lambda real: ~real[:, None, None]),
        "`theirs` is inverted: in `nn.MultiheadAttention` True means *blocked*. It may raise no error.",
        lambda ids, pad: (masks(ids, pad)[0], ids != pad),
        "`ours` hides queries, so real words still see padding. S goes last: `[:, None, None, :]`.",
        *_in_form(lambda real: real[:, None, :, None]),
        "`ours` hides queries as well. Hide keys only, (B, 1, 1, S): nobody reads a padded query's output.",
        *_in_form(lambda real: real[:, None, :, None] & real[:, None, None]),
        "`ours` is (B, S), but weights are (B, H, T, S). Insert two axes: `[:, None, None, :]`.",
        *_in_form(lambda real: real),
        "`theirs` has too many axes: `key_padding_mask` is (B, S).",
        lambda ids, pad: (masks(ids, pad)[0], (ids == pad)[:, None]),
        lambda ids, pad: (masks(ids, pad)[0], (ids == pad)[:, None, None]),
        "You treat id 0 as padding. The padding id is the argument `pad`, and need not be 0.",
        *_by_rule(lambda ids, pad: ids != 0),
        "You use the padding of sentence 0 for all sentences. Each has its own.",
        *_by_rule(lambda ids, pad: (ids[:1] != pad).expand(ids.shape)),
        "You compare with < or >. Ids have no order: a word is real if its id is not `pad`.",
        *_by_rule(lambda ids, pad: ids < pad),
        *_by_rule(lambda ids, pad: ids > pad),
        "You assume padding is at the end. It may be in front or between: compare each id with `pad`.",
        *_by_rule(lambda ids, pad: torch.arange(ids.shape[1]) < (ids != pad).sum(1, keepdim=True)),
        *_by_rule(lambda ids, pad: (ids != pad).flip(1).cummax(1).values.flip(1)),
        *_by_rule(lambda ids, pad: (ids == pad).cumsum(1) == 0),
        *_by_rule(lambda ids, pad: _reached(ids != pad) & _reached((ids != pad).flip(1)).flip(1)),
    ),
    rule="A position is padding if its id equals `pad`, and real otherwise.",
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
    "5.8",
    "The whole layer",
    {"output": "(B, S, D)"},
    praise="This is an encoder layer. Stack N of them and you have the left half of the Transformer.",
    cases=[
        _layer_case(3, 5, 4, 550, rescale=False),
        _layer_case(2, 4, 6, 560, rescale=True),
        *drawn(lambda *sizes: _layer_case(*sizes, rescale=False), (1, 4), (1, 6), (2, 7), count=3),
        *drawn(lambda *sizes: _layer_case(*sizes, rescale=True), (2, 5), (1, 6), (2, 7), count=3),
    ],
    slips=slips(
        "You normalized the sublayer's output before adding it. Add first, then normalize: norm1(x + …).",
        lambda x, a, f, n1, n2: (y := x + n1(a(x))) + n2(f(y)),
        "This is pre-norm (5.5): norm before each sublayer. The paper's post-norm normalizes each sum.",
        lambda x, a, f, n1, n2: (y := x + a(n1(x))) + f(n2(y)),
        lambda x, a, f, n1, n2: n2((y := x + a(n1(x))) + f(n2(y))),
        "The residual connections are missing: add x. Section 5.6 shows what happens without them.",
        lambda x, a, f, n1, n2: n2(f(n1(a(x)))),
        "A residual connection is missing: add each sublayer's input to its output.",
        lambda x, a, f, n1, n2: n2(f(n1(x + a(x)))),
        lambda x, a, f, n1, n2: n2((y := n1(a(x))) + f(y)),
        "The second line adds x again. The network's input was y, so add y.",
        lambda x, a, f, n1, n2: n2(x + f(n1(x + a(x)))),
        "The network reads x, so the two sublayers run in parallel. It should read y, attention's result.",
        lambda x, a, f, n1, n2: n2(n1(x + a(x)) + f(x)),
        lambda x, a, f, n1, n2: n2(x + f(x)),
        "The norms are missing: normalize after each sum.",
        lambda x, a, f, n1, n2: (y := x + a(x)) + f(y),
        "A norm is missing: normalize after each of the two sums.",
        lambda x, a, f, n1, n2: (y := n1(x + a(x))) + f(y),
        lambda x, a, f, n1, n2: n2((y := x + a(x)) + f(y)),
        "The norms are misplaced: norm1 after attention, norm2 after the network, each with its own γ and β.",
        lambda x, a, f, n1, n2: encoder_layer(x, a, f, n2, n1),
        lambda x, a, f, n1, n2: encoder_layer(x, a, f, n1, n1),
        lambda x, a, f, n1, n2: encoder_layer(x, a, f, n2, n2),
        "The sublayers are swapped: attention first, then the feed-forward network.",
        lambda x, a, f, n1, n2: encoder_layer(x, f, a, n1, n2),
        "Only one of the two sublayers is used: attention first, then the feed-forward network.",
        lambda x, a, f, n1, n2: encoder_layer(x, a, a, n1, n2),
        lambda x, a, f, n1, n2: encoder_layer(x, f, f, n1, n2),
        "This is y, the first half. Add the feed-forward network and its Add & Norm.",
        lambda x, a, f, n1, n2: n1(x + a(x)),
        "You scale the sum before normalizing. LayerNorm would hide that; these test norms don't. Only add.",
        lambda x, a, f, n1, n2: n2(((y := n1((x + a(x)) / 2)) + f(y)) / 2),
        lambda x, a, f, n1, n2: n2(((y := n1((x + a(x)) / 2**0.5)) + f(y)) / 2**0.5),
    ),
)
def encoder_layer(
    x: Tensor, attention: Callable, feed_forward: Callable, norm1: Callable, norm2: Callable
) -> Tensor:
    y = norm1(x + attention(x))
    return norm2(y + feed_forward(y))
