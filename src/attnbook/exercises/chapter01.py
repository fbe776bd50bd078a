"""Chapter 1: bits, maps, chains, layers, gradients, paths, and a decoder that ignores its context."""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from attnbook.exercises.judges import OTHER, Suspect, drawn, line_up, number, random, slips
from attnbook.exercises.registry import function, numbers, suspects

numbers(
    "1.1",
    "Bits by hand",
    {
        number("strings", 4**3): {
            12: "12 is 4 × 3. Each of the 3 positions may hold any of the 4 letters: the choices multiply.",
            81: "81 is 3⁴, four positions with three letters each. Here there are 3 positions and 4 letters.",
            24: "24 counts strings in which no letter comes twice. A letter may come again.",
            OTHER: "Each of the 3 positions may hold any of the 4 letters, so the choices multiply.",
        },
        number("bits", 6): {
            3 * math.log(4): "this is 3·ln 4. A bit is a choice between two: take log₂.",
            math.log2(12): "this is log₂ 12. There are 4³ = 64 strings, and log₂ 4³ = 3 · log₂ 4.",
            2: "2 bits is one letter. There are three.",
            64: "64 is the number of strings. Bits are its logarithm: how many doublings of 1 make 64?",
            24: "24 is 8 bits a letter, as a file stores them. Four letters need only log₂ 4 bits each.",
            OTHER: "L letters from V carry L · log₂ V bits.",
        },
        number("thirty", 30 * math.log2(26), near=0.6): {
            30 * math.log(26): "this is 30·ln 26, with the natural logarithm. Bits take log₂.",
            30 * math.log10(26): "this is 30·log₁₀ 26. Bits take log₂.",
            150: "150 is 5 bits per letter, enough for 32 letters. For 26 letters use log₂ 26 = 4.70.",
            240: "240 is 8 bits a letter, as a file stores them. 26 letters need log₂ 26 bits each.",
            math.log2(30 * 26): "this is log₂(30 · 26). The length is a factor: 30 · log₂ 26.",
            26 * math.log2(30): "this is 26 · log₂ 30: length and alphabet are swapped.",
            26**30: "26³⁰ is the number of strings. Bits are its logarithm: 30 · log₂ 26.",
            OTHER: "L letters from V carry L · log₂ V bits, here L = 30 and V = 26.",
        },
        number("longest", 13): {
            14: "14 letters carry 65.8 bits, a little more than 64. Round down: it must still fit.",
            12: "12 is 64 / 5 rounded down. A letter carries log₂ 26 = 4.70 bits, less than 5.",
            8: "8 is 64 / 8, with 8 bits a letter. One of 26 letters carries only log₂ 26 = 4.70 bits.",
            64: "64 letters would be one bit each, and one bit distinguishes only two letters.",
            2: "2 is 64 / 26 rounded down. Divide by the bits of a letter, log₂ 26, not by the letters.",
            19: "this is 64 / ln 26. With log₂ a letter carries 4.70 bits.",
            OTHER: "Divide the 64 bits by the bits of one letter, log₂ 26 = 4.70, and round to what still "
            "fits.",
        },
    },
    praise="The bits grow linearly with the length, so a memory of fixed size is full at some length.",
)


def _map_case(length: int, hits: int, seed: int) -> tuple[Tensor]:
    """A map: `hits` rows are largest at the letter that is written, and others where a slip would look."""
    scores, rows = random(length, length, seed=seed), torch.arange(length)
    letters = rows.flip(0)
    for row in random(length, seed=seed + 1).argsort().tolist():
        hits -= 1
        at = letters[row] if hits >= 0 else (row, letters[row] + 1)[hits % 3 == 0] % length
        scores[row, at] += 4 if hits >= 0 else 7
    return (scores.softmax(-1),)


def _found(weights: Tensor, columns: Tensor) -> float:
    return (weights.argmax(-1) == columns).float().mean().item()


@function(
    "1.2",
    "Read a map with a number",
    {"fraction": "a number"},
    praise="One number for a whole map, so you can average it over many strings and compare models.",
    cases=[_map_case(23, 11, 180), _map_case(5, 5, 182), *drawn(_map_case, (2, 9), (0, 9))],
    slips=slips(
        "You looked for the line from the top left to the bottom right. The string is written *backwards*: "
        "row 0 writes the last letter.",
        lambda weights: _found(weights, torch.arange(len(weights))),
        "You took the largest weight of each column. Each row is one letter that is written: `dim=-1`.",
        lambda weights: (weights.argmax(0) == torch.arange(len(weights)).flip(0)).float().mean().item(),
        "You counted the rows whose largest weight is there. Divide by the number of rows.",
        lambda weights: (weights.argmax(-1) == torch.arange(len(weights)).flip(0)).sum().item(),
        "This is the mean weight on the letters. Count the rows whose largest weight is there.",
        lambda weights: weights.flip(1).diagonal().mean().item(),
        "This is the sum of the weights on the letters. Count the rows whose largest weight is there.",
        lambda weights: weights.flip(1).diagonal().sum().item(),
        "You are one column off: with S letters, row t writes the letter of column S − 1 − t.",
        lambda weights: _found(weights, len(weights) - torch.arange(len(weights))),
    ),
)
def on_the_letter(weights: Tensor) -> float:
    return _found(weights, torch.arange(len(weights)).flip(0))


numbers(
    "1.3",
    "What waits for what",
    {
        number("recurrent", 606): {
            750: "750 is 30 / 4 for each token. 24 of the 54 come with tokens 5 to 8: how many per token?",
            675: "675 is 54 / 8 for each token. 24 of the 54 come with tokens 5 to 8: how many per token?",
            600: "600 leaves out the operations that don't depend on the length: 30 is more than 4 · 6.",
            54: "the chain of a recurrent network grows with every token.",
            OTHER: "From T = 4 to T = 8 the chain grows from 30 to 54. Go on in the same steps.",
        },
        number("layers", 20): {
            250: "that is 20 / 8 for each token. All positions of a layer are computed side by side.",
            500: "that is 20 / 4 for each token. All positions of a layer are computed side by side.",
            OTHER: "All positions of a layer are computed side by side: what depends on the length?",
        },
        number("twelve", 60): {
            20: "each layer still waits for the layer below it, and there are three times as many.",
            240: "240 is twelve times 20. 20 is the chain of four layers.",
            OTHER: "Each layer waits for the one below it. Four layers make 20.",
        },
        number("calls", 100): {
            1: "one call is enough in training, where the target is known. Here each waits for the previous.",
            101: "101 counts the end token too. We asked for 100 tokens.",
            OTHER: "The next token can't be chosen before the previous one: one call of the model per token.",
        },
    },
    praise="Length makes a recurrent network wait; depth makes every network wait; generating makes all of "
    "them wait.",
)


@function(
    "1.4",
    "How many layers?",
    {"layers": "a number"},
    praise="Twice the length needs twice the layers. A Transformer of six layers sees any length that fits "
    "into memory; six convolutions of kernel 3 see 13 words.",
    cases=[
        *((101, 5), (100, 5), (102, 5), (30, 3), (12, 7), (2, 3), (1, 3), (512, 9)),
        *drawn(lambda length, half, seed: (length, 2 * half + 1), (1, 600), (1, 8), count=12),
    ],
    slips=slips(
        "For a single word no layer is needed: n = 0 gives a window of 1.",
        lambda n, k: max(1, math.ceil((n - 1) / (k - 1))),
        "You rounded down. 1 + n·(k − 1) must reach the length: one layer too few leaves words unseen.",
        lambda n, k: (n - 1) // (k - 1),
        "You rounded to the nearest whole number, which may be a layer too few. Always round up.",
        lambda n, k: round((n - 1) / (k - 1)),
        "You divided by k. Each layer adds k − 1 words to the window, which starts with one word.",
        lambda n, k: math.ceil(n / k),
        lambda n, k: math.ceil((n - 1) / k),
        "One word too many: the window holds the word itself before any layer, so length − 1 remain.",
        lambda n, k: math.ceil(n / (k - 1)),
        "You took a logarithm, but each layer adds k − 1 words to the window: the growth is linear.",
        lambda n, k: math.ceil(math.log(n, k)),
        lambda n, k: math.ceil(math.log2(n)),
        "You counted one side only. The whole window, both sides together, must hold `length` words.",
        lambda n, k: math.ceil((n - 1) / (k // 2)),
        "This is the window of `length` layers. Go the other way: how many layers for that window?",
        lambda n, k: 1 + n * (k - 1),
        "This is the quotient, not rounded. Round up to a whole layer.",
        lambda n, k: (n - 1) / (k - 1),
    ),
)
def layers_needed(length: int, kernel: int) -> int:
    return math.ceil((length - 1) / (kernel - 1))


class _Mix(nn.Module):
    """A synthetic network on `(1, T, D)`: a nonlinear mix over positions and features."""

    def __init__(self, places: Tensor, width: int) -> None:
        super().__init__()
        self.register_buffer("places", places)  # (T, T)
        self.register_buffer("features", random(width, width, seed=170))  # (D, D)

    def forward(self, x: Tensor) -> Tensor:
        if x.dim() != 3 or x.shape[0] != 1:
            raise ValueError(f"network: wanted a batch of one sequence, (1, T, D), got {tuple(x.shape)}")
        return torch.sin(self.places.to(x) @ x @ self.features.to(x))  # (1, T, D)


def _gradient(network: nn.Module, x: Tensor, total: Callable = lambda y: y[-1].sum()) -> Tensor:
    x = x.detach().clone().requires_grad_()
    return torch.autograd.grad(total(network(x[None])[0]), x)[0]  # (T, D)


def _jacobian(network: nn.Module, x: Tensor) -> Tensor:
    return torch.autograd.functional.jacobian(lambda x: network(x[None])[0, -1], x)  # (D, T, D)


def _reach_case(length: int, width: int, seed: int, blind: int = 0) -> tuple:
    places = random(length, length, seed=seed) / length
    places[:, :blind] = 0  # nothing of the first positions is used
    return _Mix(places, width), random(length, width, seed=seed + 1)


@function(
    "1.5",
    "How far does it reach?",
    {"reach": "(T,)"},
    praise="Your instrument works on networks it has never seen. It shows how much a small change at a "
    "position moves the last output, and so how much that position can learn from an error there.",
    cases=[_reach_case(5, 4, 150), _reach_case(6, 3, 160, blind=2), *drawn(_reach_case, (2, 7), (2, 6))],
    pure="Your function changes `x` itself (its values, `requires_grad` or `.grad`), so a second call with "
    "the same `x` would go wrong. Work on a copy: `x.clone().requires_grad_()`.",
    slips=slips(
        "You summed all outputs. Only the last one counts: `y[0, -1].sum()`.",
        lambda network, x: _gradient(network, x, Tensor.sum).norm(dim=-1),
        "This is the reach to the *first* output. The last one is `y[0, -1]`.",
        lambda network, x: _gradient(network, x, lambda y: y[0].sum()).norm(dim=-1),
        "You took the gradient of each number of the last output by itself. Sum first: `y[0, -1].sum()`.",
        lambda network, x: _jacobian(network, x).square().sum((0, 2)).sqrt(),
        lambda network, x: _jacobian(network, x).norm(dim=-1).sum(0),
        "You added up each gradient's entries, so positive and negative ones cancel: use `norm(dim=-1)`.",
        lambda network, x: _gradient(network, x).sum(-1),
        lambda network, x: _gradient(network, x).sum(-1).abs(),
        lambda network, x: _gradient(network, x).mean(-1),
        "These are the squares of the lengths. The root is missing.",
        lambda network, x: _gradient(network, x).square().sum(-1),
        "You added up the absolute values. The length of a vector is the root of the sum of its squares.",
        lambda network, x: _gradient(network, x).abs().sum(-1),
        "This is the largest entry of each gradient. The length takes all of them: `norm(dim=-1)`.",
        lambda network, x: _gradient(network, x).abs().amax(-1),
        "This is one length for all positions together. Keep them separate: `norm(dim=-1)`.",
        lambda network, x: _gradient(network, x).norm(),
        "These are lengths along the positions, one per feature. Features are the last axis: `norm(dim=-1)`.",
        lambda network, x: _gradient(network, x).norm(dim=0),
        "These are the gradients, `(T, D)`. One length per position is wanted: `norm(dim=-1)`.",
        _gradient,
        "These are the lengths of the outputs, not of a gradient.",
        lambda network, x: network(x[None])[0].norm(dim=-1),
        "The gradient's batch axis is still there, `(1, T)`. Take it off: `[0]`.",
        lambda network, x: measure_reach(network, x)[None],
    ),
)
def measure_reach(network: nn.Module, x: Tensor) -> Tensor:
    return _gradient(network, x).norm(dim=-1)


numbers(
    "1.6",
    "From the first word to the last",
    {
        number("recurrent", 41): {
            40: "40 leaves out the first word's own step. Count it too.",
            1: "one step reads one word. What it read must pass through every later step too.",
            OTHER: "One step reads each word and passes its state to the next.",
        },
        number("convolution", 20): {
            10: "10 makes the whole window 41 wide, but half of that window lies beyond the last word.",
            9: "9 lays windows of 5 side by side. Each layer reaches 2 further, not 5.",
            8: "8 is 40 / 5. A kernel of 5 is the word itself and 2 on each side: it reaches 2 further.",
            40: "40 reaches one word further per layer. A kernel of 5 reaches 2 words to one side.",
            3: "3 would be right if each layer made the window 5 times as wide. It only adds to it.",
            1: "one layer sees 5 words, and the two words are 40 apart.",
            21: "21 is 41 / 2 rounded up. From the first word to the last it is 40 positions.",
            OTHER: "A kernel of 5 reaches 2 words to each side; each layer adds 2 more. How many 2s make 40?",
        },
        number("attention", 1): {
            41: "nothing passes from step to step here: every word is compared with every word.",
            40: "nothing passes from step to step here: every word is compared with every word.",
            0: "not 0: the first word's value passes one layer of attention to reach the last.",
            2: "one layer is enough: the last word's query meets the first word's key directly.",
            OTHER: "The last word's query meets the first word's key directly.",
        },
        number("scores", 41**2): {
            1640: "1640 leaves out that each word meets itself, too.",
            820: "820 counts each pair once. But a's score for b is not b's score for a.",
            861: "861 counts each pair once. But a's score for b is not b's score for a.",
            41: "41 is the number of scores of one word. All 41 words are queries.",
            82: "82 is 41 + 41. Each of 41 queries meets each of 41 keys.",
            OTHER: "Each of the 41 words is compared with each of the 41 words, itself among them.",
        },
    },
    praise="41, 20, 1, and 1681 scores for that 1: attention pays for all pairs at once, in parallel.",
)

INWARD, ONWARD = random(5, 6, seed=100), random(6, 6, seed=101) / 6**0.5
CONTEXT, EMBEDDED = random(3, 6, seed=110), random(3, 4, 5, seed=120)


def _carried(t: int, state: Tensor, context: Tensor) -> Tensor:
    return state


def _decode(context: Tensor, embedded: Tensor, again: Callable = _carried) -> Tensor:
    """The states of a decoder that starts from `context`; `again` gives the state that step t starts from."""
    state, outputs = context, []
    for t, x in enumerate(embedded.unbind(1)):
        state = torch.tanh(x @ INWARD.to(x) + again(t, state, context) @ ONWARD.to(x))  # (B, D)
        outputs.append(state)
    return torch.stack(outputs, 1)  # (B, T, D)


def _late(t: int, state: Tensor, context: Tensor) -> Tensor:
    return context if t == 3 else torch.zeros_like(state) if t == 0 else state


def _early(t: int, state: Tensor, context: Tensor) -> Tensor:
    return torch.zeros_like(state) if t == 1 else state


def _without(row: int) -> Callable[[Tensor], Tensor]:
    """All contexts, but zeros for one sentence."""
    return lambda context: context * (torch.arange(len(context)) != row)[:, None]


def _writer(name: str, start: Callable[[Tensor], Tensor], truth: bool, again: Callable = _carried) -> Suspect:
    """A suspect that starts from `start(context)`."""
    return Suspect(name, (lambda context, x: _decode(start(context), x, again), CONTEXT, EMBEDDED), truth)


def _replace_all(
    new: Callable[[Tensor], Tensor], look: Callable = lambda outputs: outputs, each: bool = False
) -> Callable:
    """A detector that changes all contexts at once, to `new(context)`, and wants `each` or any to matter."""

    def detect(decode: Callable, context: Tensor, embedded: Tensor) -> bool:
        differs = look(decode(new(context), embedded)) != look(decode(context, embedded))
        rows = differs.flatten(1).any(1)
        return bool(rows.all() if each else rows.any())

    return detect


@suspects(
    "1.7",
    "The decoder that ignores its context",
    line_up(
        _writer("the decoder of formula 1.2", lambda c: c, True),
        "Its first state is the context: replace a sentence's context and compare its outputs.",
        _writer("the decoder above, which starts from zeros", torch.zeros_like, False),
        "Whatever the context is, its outputs stay the same to the last digit.",
        _writer("a decoder that gives every sentence context 0", lambda c: c[:1].expand_as(c), False),
        "Sentences 1 and 2 get no context of their own. Change one's, and do so for every sentence.",
        _writer("a decoder that gives each sentence its neighbour's context", lambda c: c.roll(1, 0), False),
        "The outputs that change are another sentence's. Compare those of the sentence you changed.",
        *(
            part
            for row in (2, 1, 0)
            for part in (
                _writer(f"a decoder that gives sentence {row} no context", _without(row), False),
                "Two sentences out of three use their context. Every one of them should.",
            )
        ),
        _writer("a decoder that reads one number of the context", lambda c: c[:, 3:4].expand_as(c), True),
        "You changed only some numbers of the context. Replace them all: `torch.randn_like`.",
        _writer("a decoder that reads the context's mean", lambda c: c.mean(1)[:, None].expand_as(c), True),
        "The same numbers in another order have the same mean. Use fresh ones: `torch.randn_like`.",
        _writer("a decoder that adds the context before its last token", lambda c: c, True, _late),
        "Only its last output depends on the context. Compare the outputs at all tokens.",
        _writer("a decoder that forgets the context after its first token", lambda c: c, True, _early),
        "Only its first output depends on the context. Compare the outputs at all tokens.",
        _writer("a decoder that scales the context to almost nothing", lambda c: 1e-6 * c, True),
        "The outputs change very little, but they change: compare exactly, with `torch.equal`.",
        _writer("a decoder that centers the context", lambda c: c - c.mean(-1, keepdim=True), True),
        "Adding the same number everywhere changes nothing here. Use fresh ones: `torch.randn_like`.",
        _writer("a decoder that reads sizes, normalized", lambda c: c.abs() / c.norm(dim=1)[:, None], True),
        "A multiple of the context looks the same to it, −1 times it too. Use `torch.randn_like`.",
    ),
    praise="Such a decoder raises no error, and its loss still falls. Your test finds it.",
    slips=slips(
        "You changed the contexts of all sentences at once. Change one, and compare its own outputs.",
        _replace_all(torch.randn_like),
        _replace_all(torch.zeros_like),
        _replace_all(torch.randn_like, each=True),
        "You compared only the first outputs of the whole batch. Compare all tokens, sentence by sentence.",
        _replace_all(torch.randn_like, lambda outputs: outputs[:, 0]),
    ),
    pure="Your test changes `context` or `embedded` in place. Work on a copy: `other = context.clone()`.",
)
def listens(decode: Callable, context: Tensor, embedded: Tensor) -> bool:
    for row in range(len(context)):
        other = context.clone()
        other[row] = torch.randn_like(other[row])
        if torch.equal(decode(other, embedded)[row], decode(context, embedded)[row]):
            return False
    return True
