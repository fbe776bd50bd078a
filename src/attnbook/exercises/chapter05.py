"""Chapter 5: count an encoder layer, and find out which modules treat each position by itself."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from attnbook.encoder import EncoderLayer, FeedForward
from attnbook.exercises.old import as_function, exercise, random, read_dict, read_numbers, read_truth
from attnbook.exercises.running import run
from attnbook.exercises.verdict import Wrong

# --- 5.1 ---------------------------------------------------------------------------------------------------

COUNT_SLIPS = {
    "attention": {
        400: "the four matrices without their biases: each `nn.Linear` also has one bias for each output",
        330: "three linear layers. There is a fourth: the output layer, which lets the heads mix",
        300: "three matrices without biases. There are four linear layers, each with its biases",
        880: "twice as many as there are. Heads are slices of one width: their number changes no count",
        110: "one linear layer. Attention has four, for query, key, value and output",
        240: "four layers from D to the width of one head. Both heads lie side by side in each matrix",
    },
    "feed_forward": {
        600: "the two matrices without their biases: 30 for the first layer, 10 for the second",
        330: "the first layer alone. The second leads back from 30 to 10",
        310: "the second layer alone. The first leads from 10 to 30",
        660: "two layers from 10 to 30. The second leads back, so it has 10 biases",
        620: "two layers from 30 to 10. The first leads from 10 to 30, so it has 30 biases",
    },
    "norms": {
        20: "one LayerNorm, or γ alone. There are two, each with a γ and a β",
        0: "none. A LayerNorm learns: γ stretches and β shifts each of the D numbers",
        4: "one γ and one β for each norm. There is one of each for every one of the D numbers",
        80: "twice as many as there are. There are two LayerNorms, each with D numbers in γ and D in β",
    },
}


@exercise(
    "5.1",
    "Count a layer",
    task=(
        "for an encoder layer with D = 10, 2 heads and d_ff = 30, give the number of parameters of its "
        "`attention`, its `feed_forward` network and its two `norms` together."
    ),
    praise=(
        "No count depends on the number of heads, on the length of a sentence or on the batch: an encoder "
        "layer reads any number of words with the same parameters."
    ),
)
def count_layer(answer) -> str:
    given = read_dict(answer, tuple(COUNT_SLIPS))
    layer = EncoderLayer(10, 2, 30)
    wanted = {
        "attention": _size(layer.self_attention),
        "feed_forward": _size(layer.feed_forward),
        "norms": _size(layer.add_norm1) + _size(layer.add_norm2),
    }
    for name, count in wanted.items():
        number = read_numbers(given[name], name)[0]
        if number == count:
            continue
        if number in COUNT_SLIPS[name]:
            raise Wrong(f"`{name}`: {number:g} is {COUNT_SLIPS[name][number]}.")
        raise Wrong(f"`{name}`: not {number:g}. {RULES[name]}")
    return ""


RULES = {
    "attention": "Four `nn.Linear`s from D to D, each with D × D weights and D biases.",
    "feed_forward": "One `nn.Linear` from D to d_ff and one back; each has i × o weights and o biases.",
    "norms": "Two LayerNorms, each with a γ and a β of D numbers.",
}


def _size(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


# --- 5.4 ---------------------------------------------------------------------------------------------------


class _Suspect(nn.Module):
    """A module made of one function of x `(B, S, D)`."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


def _leak(share: Callable[[Tensor], Tensor]) -> nn.Module:
    """A made-up module in which something of each position reaches others: what `share(x)` gives."""
    return _Suspect(lambda x: x.tanh() + share(x))


def _whole(x: Tensor) -> Tensor:
    """A norm over all positions of a sentence at once."""
    mean, variance = x.mean((1, 2), keepdim=True), x.var((1, 2), correction=0, keepdim=True)
    return (x - mean) / (variance + 1e-5).sqrt()


def _last_to_first(x: Tensor) -> Tensor:
    return torch.cat((x[:, -1:], torch.zeros_like(x[:, 1:])), dim=1)


def _shifted(x: Tensor, by: int) -> Tensor:
    """Each position gets its neighbour's vector, `by` places away; past the ends there is nothing."""
    shifted = torch.zeros_like(x)
    if by > 0:
        shifted[:, by:] = x[:, :-by]
    else:
        shifted[:, :by] = x[:, -by:]
    return shifted


def _suspects() -> list[tuple[str, nn.Module, bool]]:
    """(name, module, whether it works alone)."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(5)
        network = FeedForward(6, 11, dropout=0.0)
        layer = EncoderLayer(6, 2, 11, dropout=0.0)
    return [
        ("a feed-forward network", network, True),
        ("an encoder layer, with its attention,", _Suspect(lambda x: layer(x, need_weights=False)[0]), False),
        ("a LayerNorm over the numbers of a position", nn.LayerNorm(6), True),
        ("a norm over all positions of a sentence", _Suspect(_whole), False),
        ("a module that hands each position to the one after it", _leak(lambda x: _shifted(x, 1)), False),
        ("a module that hands each position to the one before it", _leak(lambda x: _shifted(x, -1)), False),
        ("a module that adds the mean over the batch", _leak(lambda x: x.mean(0, keepdim=True)), False),
        ("a module that hands the last position to the first alone", _leak(_last_to_first), False),
        ("a module that does nothing", nn.Identity(), True),
    ]


@exercise(
    "5.4",
    "Does it work alone?",
    task=(
        "write `works_alone(module, x)` for x `(B, S, D)`, which finds out by experiment whether the output "
        "at each position depends on the input at that position only."
    ),
    praise=(
        "Your experiment told feed-forward networks and LayerNorm from attention, and from every module made "
        "up to deceive it. In an encoder layer only attention carries anything from word to word."
    ),
)
def works_alone(answer) -> str:
    call = "works_alone(module, x)"
    function = as_function(answer, call)
    for seed, (name, module, alone) in enumerate(_suspects()):
        inputs = {"module": module.eval(), "x": random(3, 5, 6, seed=500 + seed)}
        result, changed = run(function, inputs, call)
        if changed:
            raise Wrong(
                "Your experiment changes `x` in place, so what it compares with is spoilt. Work on a copy: "
                "`other = x.clone()`."
            )
        found = read_truth(result, "works_alone")
        if found != alone:
            raise Wrong(_wrong_finding(name, found))
    return ""


def _wrong_finding(name: str, found: bool) -> str:
    if found:
        return (
            f"You found that {name} works alone; it does not. Change **every** position in turn, in every "
            "sentence, and watch **all** others, those before it, those after it, and those of other "
            "sentences. If your answer is True for every module, it is a guess."
        )
    return (
        f"You found that {name} does not work alone; it does. Of course the output moves where the input "
        "was changed: leave that position out, and watch the others only. And allow for rounding: "
        "`torch.allclose(a, b, atol=1e-5)`."
    )
