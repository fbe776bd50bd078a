"""Chapter 3: the article's class, what its weights depend on, its repairs, positions, maps, and the mask."""

from collections.abc import Callable
from itertools import permutations

import torch
from torch import Tensor, nn

from attnbook.attention import Attn, DotAttention, masked_softmax, scaled_dot_product_attention
from attnbook.exercises.judges import OTHER, Suspect, drawn, line_up, number, random, randoms, shape_of, slips
from attnbook.exercises.reading import read_results
from attnbook.exercises.registry import function, numbers, suspects

numbers(
    "3.1",
    "Predict the article's class",
    {
        shape_of("weights", (1, 10)): {
            (1, 1, 10): "almost. `Q[0]` and `K[0]` have no batch axis; one is added only for `bmm`.",
            OTHER: "Follow `self.attn`: how many rows does it get, and how wide does each become?",
        }
        | dict.fromkeys(
            [(1, 6), (1, 8), (1, 1, 6), (1, 1, 8)],
            "8 and 6 are the widths of the query and the key. There are `value_size1` values.",
        )
        | dict.fromkeys(
            [(1, 12), (1, 1, 12), (1, 10, 12)],
            "12 is the width of one value. There is one weight per value: how many are there?",
        ),
        shape_of("output", (1, 1, 5)): {
            (1, 5): "almost. The last `unsqueeze(0)` gives it its batch axis back: three axes.",
            OTHER: "Follow the last two lines of `forward`.",
        }
        | dict.fromkeys(
            [(1, 1, 12), (1, 12), (1, 1, 20), (1, 20)],
            "12 and 20 are widths inside the class. The last layer's output is `output_size` wide.",
        )
        | dict.fromkeys(
            [(1, 10, 5), (1, 10, 12)], "the 10 values are summed into one row for the one query."
        ),
        number("parameters", 255): {
            240: "these are the weights alone. Each output also has a bias: 15 more in all.",
            150: "150 is right for `attn`. There is a second layer.",
            105: "105 is right for `attn_combine`. There is a second layer.",
            OTHER: "Each `nn.Linear(i, o)` has i × o weights and o biases; the input of both is two "
            "concatenated vectors.",
        },
    },
    praise="The 10 is `value_size1`, the fixed size of a layer, so this class can't read a longer sentence.",
)


def _evidence(new: Callable[[Tensor], Tensor], part: int = 1) -> Callable:
    """An experiment that replaces each input with `new(input)` and compares one part of `attn`'s result."""

    def detect(attn: Callable, Q: Tensor, K: Tensor, V: Tensor) -> dict[str, bool]:
        before = attn(Q, K, V)[part]
        after = {"Q": attn(new(Q), K, V), "K": attn(Q, new(K), V), "V": attn(Q, K, new(V))}
        return {name: not torch.equal(result[part], before) for name, result in after.items()}

    return detect


def _together(order: tuple[str, ...]) -> Callable:
    """An experiment that replaces one input after another without restoring the previous one."""

    def detect(attn: Callable, Q: Tensor, K: Tensor, V: Tensor) -> dict[str, bool]:
        before, inputs, found = attn(Q, K, V)[1], {"Q": Q, "K": K, "V": V}, {}
        for name in order:
            inputs[name] = torch.randn_like(inputs[name])
            found[name] = not torch.equal(attn(*inputs.values())[1], before)
        return {name: found[name] for name in inputs}

    return detect


class _Suspect(nn.Module):
    """Attention whose weights depend on the inputs named in `reads`, through `clue` of each."""

    def __init__(self, reads: str, clue: Callable[[Tensor], Tensor] = Tensor.tanh) -> None:
        super().__init__()
        self.reads, self.clue = reads, clue

    def forward(self, Q: Tensor, K: Tensor, V: Tensor) -> tuple[Tensor, Tensor]:
        clue = sum(self.clue({"Q": Q, "K": K, "V": V}[name]).sum() for name in self.reads)
        moving = torch.softmax(torch.sin(torch.arange(2.0, V.shape[1]) * (1 + clue)), dim=0)  # (S - 2,)
        first, last = torch.tensor([0.4]), torch.tensor([0.1])  # always; the first is the largest
        weights = torch.cat((first, 0.5 * moving, last))[None]  # (1, S)
        return weights @ V[0] + Q.sum() + K.sum(), weights


def _case(attn: Callable, keys: int, seed: int) -> tuple:
    return attn, *randoms((1, 1, 4), (1, keys, 4), (1, 5, 6), seed=10 * seed)


def _synthetic(which: str, reads: str, seed: int, clue: Callable = Tensor.tanh) -> Suspect:
    truth, case = {name: name in reads for name in "QKV"}, _case(_Suspect(reads, clue), 3, seed)
    return Suspect(f"a test class whose weights depend on {which}", case, truth)


def _in_the_middle(x: Tensor) -> Tensor:
    return x[:, x.shape[1] // 2, x.shape[2] // 2].tanh()


def _standardized(x: Tensor) -> Tensor:
    return ((x - x.mean()) / x.std()).abs().tanh()


def _article() -> Attn:
    torch.default_generator.manual_seed(3)
    return Attn(4, 4, 5, 6, 7)


BY_THE_WEIGHTS = {"Q": True, "K": True, "V": False}


@suspects(
    "3.2",
    "Collect the evidence",
    line_up(
        Suspect("the article's class", _case(_article(), 1, 0), BY_THE_WEIGHTS),
        "With a single key, swapping positions changes nothing. Use fresh `torch.randn_like(K)`, and compare "
        "exactly: `torch.equal`.",
        Suspect("dot attention", _case(DotAttention(), 5, 1), BY_THE_WEIGHTS),
        "A constant added to K changes all scores equally, which softmax ignores. Replace all of K.",
        _synthetic("nothing", "", 2),
        "Its weights are constant; only its output changes.",
        _synthetic("Q and V", "QV", 3),
        "Here V matters and K doesn't. The first weight is constant, and so is the last: count a change in "
        "any weight.",
        _synthetic("K alone", "K", 4),
        "Replace each input separately: here only K matters.",
        _synthetic("only one number in the middle of Q, K and V", "QKV", 5, _in_the_middle),
        "You changed only some rows or columns. Replace the whole input: `torch.randn_like(K)`.",
        _synthetic("only the distances of K's components from their mean", "K", 6, _standardized),
        "It ignores an added constant, a factor and the sign. Use `torch.randn_like(K)`.",
        _synthetic("K, but only a little", "K", 7, lambda x: x.tanh() / 1000),
        "Its weights change, but by less than 0.01: compare exactly, with `torch.equal`.",
    ),
    slips(
        "All three inputs seem to matter. V always changes the output: compare the weights instead.",
        _evidence(torch.randn_like, part=0),
        "One experiment changed more than one input. Start each from the original Q, K and V.",
        *map(_together, permutations("QKV")),
        "You put the numbers of each input into another order. Use fresh ones: `torch.randn_like(K)`.",
        _evidence(lambda x: x.flip(-1)),
    ),
    praise="Your experiment works on any class. In the article's, Q and K change the weights and V does "
    "not. Dot attention gives the same answers, but it has one key per value.",
    pure="Your experiment changes Q, K or V in place. Make a new tensor: `torch.randn_like(Q)`.",
)
def evidence(attn: Callable, Q: Tensor, K: Tensor, V: Tensor) -> dict[str, bool]:
    return _evidence(torch.randn_like)(attn, Q, K, V)


def _sums(query: Tensor, key: Tensor) -> Tensor:
    return query.unsqueeze(2) + key.unsqueeze(1)  # (B, T, S, h)


def _pairs(batch: int, queries: int, keys: int, seed: int) -> tuple[Tensor, ...]:
    return randoms((batch, queries, 4), (batch, keys, 6), (4, 8), (6, 8), (8,), seed=seed)


@function(
    "3.3",
    "Additive scores",
    {"scores": "(B, T, S)"},
    praise="Inside the tanh, each query is added to each key, so every query-key pair gets its own score. "
    "The article's class has no such score.",
    cases=[_pairs(3, 5, 7, 50), _pairs(2, 1, 3, 60), *drawn(_pairs, (1, 3), (1, 5), (1, 5))],
    slips=slips(
        "The tanh is missing, or applied to each part alone. Then the query adds the same to every key's "
        "score, which softmax ignores: all queries get the *same* weights. Apply tanh to the sum.",
        lambda q, k, W_q, W_k, v: _sums(q @ W_q, k @ W_k) @ v,
        lambda q, k, W_q, W_k, v: _sums((q @ W_q).tanh(), (k @ W_k).tanh()) @ v,
        "Apply tanh to the h components, before `v` reduces them to one score: `torch.tanh(...) @ v`.",
        lambda q, k, W_q, W_k, v: (_sums(q @ W_q, k @ W_k) @ v).tanh(),
        "These are weights already: softmax comes later. The task asks for the scores.",
        lambda *inputs: additive_scores(*inputs).softmax(-1),
        lambda *inputs: additive_scores(*inputs).softmax(-2),
        "`v` is missing, or became a plain sum. Take the dot product of the h components with it: `... @ v`.",
        lambda q, k, W_q, W_k, v: _sums(q @ W_q, k @ W_k).tanh(),
        lambda q, k, W_q, W_k, v: _sums(q @ W_q, k @ W_k).tanh().sum(-1),
    ),
)
def additive_scores(query: Tensor, key: Tensor, W_query: Tensor, W_key: Tensor, v: Tensor) -> Tensor:
    return _sums(query @ W_query, key @ W_key).tanh() @ v


def _dots(query: Tensor, key: Tensor) -> Tensor:
    return query @ key.transpose(-2, -1)  # (…, T, S)


def _one(x: Tensor) -> Tensor:
    return x[:1].expand_as(x)  # batch item 0 in place of all the others


def _words(batch: int, queries: int, keys: int, width: int, seed: int) -> tuple[Tensor, ...]:
    return randoms((batch, queries, width), (batch, keys, width), (batch, keys, 6), seed=seed)


@function(
    "3.4",
    "Dot attention for a batch",
    {"output": "(B, T, d_v)"},
    praise="It has no parameters: the weights compare queries with keys, for any number of both.",
    cases=[
        *(_words(3, 5, 7, 4, 30), _words(2, 1, 9, 5, 33), _words(1, 4, 1, 3, 36)),
        *drawn(_words, (1, 4), (1, 6), (1, 6), (1, 8)),
    ],
    slips=slips(
        "Your columns sum to 1: softmax ran over the queries. Scores are (B, T, S), so use `dim=-1`.",
        lambda q, k, v: _dots(q, k).softmax(-2) @ v,
        "Softmax ran over the batch, so sentences take attention from one another. Use `dim=-1`.",
        lambda q, k, v: _dots(q, k).softmax(0) @ v,
        "`view` (or `reshape`) is not `transpose`: it mixes up the keys. Use `key.transpose(1, 2)`.",
        lambda q, k, v: (q @ k.reshape(k.shape[0], k.shape[2], -1)).softmax(-1) @ v,
        "You divided the scores by √d. That is chapter 4's idea; here use Luong's plain dot product.",
        lambda q, k, v: scaled_dot_product_attention(q, k, v)[0],
        "These are scores times values: softmax is missing. It turns scores into weights that sum to 1.",
        lambda q, k, v: _dots(q, k) @ v,
        "These are the weights. One step is left: average the values with them, `weights @ value`.",
        lambda q, k, v: _dots(q, k).softmax(-1),
    ),
)
def dot_attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    return scaled_dot_product_attention(query, key, value, scale=1.0)[0]


numbers(
    "3.5",
    "What positions alone can do",
    {
        number("day", 6): {
            9: "in some languages the text doesn't begin with the day. Look at English, Basque and Chinese.",
            7: "7 is one too many. Which texts begin with another field than the day?",
            8: "8 is two too many. Which texts begin with another field than the day?",
            5: "5 is one too few. Did you count Arabic? Its text is stored with the day first.",
            OTHER: "Count the texts whose first two characters are `29`.",
        },
        number("year", 6): {
            7: "7 is one too many. Look at the end of the Russian text.",
            8: "Basque and Chinese begin with the year, and Russian ends with `г.`.",
            5: "5 is one too few. Did you count English, and Arabic?",
            OTHER: "Count the texts whose last four characters are `2020`.",
        },
        number("both", 5): {
            6: "the six texts that begin with the day are not the six that end with the year.",
            12: "12 is the sum. Count the texts for which both hold.",
            OTHER: "Count the texts that begin with `29` and end with `2020`.",
        },
    },
    praise="Two fixed positions give two fields in five of nine languages. A model that may use the whole "
    "text and guess the language from it can do better, but it can't follow a field by its content.",
)

numbers(
    "3.6",
    "How far did the weights move?",
    {
        number("moved", 0.6): {
            1.2: "this is the sum of the differences. What leaves one key comes to another: take half.",
            0: "don't let positive and negative differences cancel: take absolute values.",
            0.3: "you took half twice. The absolute differences are 0.6, 0, 0.6, 0 and 0.",
            OTHER: "Add up the absolute differences, and take half.",
        },
        number("sharp", 0.8): {
            1.6: "this is the sum of the differences. Take half.",
            1: "not all of it has to move: one fifth is where it should be.",
            0.2: "0.2 is what may stay. How much has to move?",
            OTHER: "One key has weight 1 and should have 1/5. Where must the rest go?",
        },
        number("largest", 1): {
            2: "2 is the sum of the differences. Take half: no more than all of the weight can move.",
            OTHER: "Take two rows that have no key in common. How much weight has to move?",
        },
    },
    praise="It is 0 for equal rows and 1 for rows that share no key, so it can be averaged and read as a "
    "percentage.",
)


def _closed(scores: Tensor, mask: Tensor, low: float = -float("inf")) -> Tensor:
    return scores.masked_fill(~mask, low)


def _by_hand(scores: Tensor, mask: Tensor) -> Tensor:
    powers = scores.float().exp() * mask  # float32 overflows, as it does in the learner's function
    return powers / powers.sum(-1, keepdim=True).clamp(min=1e-30)


def _with_zeros(masked_weights: Callable, scores: Tensor, mask: Tensor) -> tuple[Tensor, bool]:
    """The weights, and whether those of hidden keys are exactly 0."""
    hidden = ~mask  # the learner's function may change the mask
    (weights,) = read_results(masked_weights(scores, mask), (scores,), ("weights",))
    return weights, weights.shape == mask.shape and not weights[hidden].any()


def _masks(batch: int, queries: int, keys: int, seed: int) -> tuple[Tensor, Tensor]:
    return 3 * random(batch, queries, keys, seed=seed), random(batch, queries, keys, seed=seed + 1) > 0


def _padded() -> Tensor:
    """Padding of several lengths; in item 0, one query may attend to different keys, and one to no key."""
    mask = (torch.arange(7) < torch.tensor([6, 2, 4])[:, None])[:, None, :].repeat(1, 5, 1)  # (B, T, S)
    mask[0, 0] = torch.arange(7) > 4
    mask[0, 3] = False
    return mask


@function(
    "3.7",
    "Add the mask",
    {"weights": "(B, T, S)", "hidden weights exactly 0": "True"},
    praise="Rows sum to 1, hidden weights are exactly 0, and a query without any key gets zeros and no "
    "NaN. One NaN would reach every output of the model.",
    cases=[
        (2 * random(3, 5, 7, seed=40), _padded()),
        (random(2, 4, 4, seed=41) - 50, torch.ones(2, 4, 4, dtype=torch.bool).tril()),
        (random(2, 4, 4, seed=42) + 200, torch.ones(2, 4, 4, dtype=torch.bool).tril()),
        *drawn(_masks, (1, 3), (1, 5), (1, 4)),
    ],
    use=_with_zeros,
    slips=slips(
        "You masked after softmax, so the rows no longer sum to 1. Set hidden scores to -inf, then softmax.",
        lambda scores, mask: scores.softmax(-1) * mask,
        "Your mask is inverted. True means *may attend*, so `~mask` gets -inf.",
        lambda scores, mask: masked_softmax(scores, ~mask),
        lambda scores, mask: _closed(scores, ~mask).softmax(-1),
        lambda scores, mask: _closed(scores, ~mask, -1e9).softmax(-1),
        "You set the hidden scores to 0, but exp(0) = 1 is an ordinary weight. Only -inf gives weight 0.",
        lambda scores, mask: (scores * mask).softmax(-1),
        lambda scores, mask: (scores * mask).softmax(-1) * mask,
        lambda scores, mask: (scores * mask).softmax(-1) * mask.any(-1, keepdim=True),
        "You added the mask to the scores, which hides nothing. Where it is False, the score must be -inf.",
        lambda scores, mask: (scores + mask).softmax(-1),
        "Nearly: one row is NaN. Its query may attend to no key (0/0): its weights should all be 0.",
        lambda scores, mask: _closed(scores, mask).softmax(-1),
        "Nearly: with no key to attend to, softmax gives all keys equal weights. They should be 0.",
        lambda scores, mask: _closed(scores, mask, -1e9).softmax(-1),
        lambda scores, mask: (scores + ~mask * -1e9).softmax(-1),
        "Nearly: hidden weights are tiny, but not 0: where all scores are near -50, the number that you "
        "fill in is not low enough. Use -inf.",
        lambda scores, mask: _closed(scores.float(), mask, -100.0).softmax(-1) * mask.any(-1, keepdim=True),
        lambda scores, mask: _closed(scores.float(), mask, -50.0).softmax(-1) * mask.any(-1, keepdim=True),
        "exp of a large score overflows. `torch.softmax` first subtracts the largest, to the same result.",
        _by_hand,
        lambda scores, mask: _by_hand(scores, mask).nan_to_num(),
        "Your columns sum to 1: softmax ran over the queries. Each row should sum to 1: use `dim=-1`.",
        lambda scores, mask: _closed(scores, mask).softmax(-2),
        lambda scores, mask: _closed(scores, mask).softmax(-2).nan_to_num(),
        lambda scores, mask: _closed(scores, mask, -1e9).softmax(-2),
        lambda scores, mask: _closed(scores, mask, -1e9).softmax(-2) * mask,
        "You used the mask of batch item 0 for every item. Each sentence has its own padding.",
        lambda scores, mask: masked_softmax(scores, _one(mask)),
        lambda scores, mask: _closed(scores, _one(mask), -1e9).softmax(-1) * _one(mask).any(-1, keepdim=True),
        "The mask does nothing yet: these are the weights without it.",
        lambda scores, mask: scores.softmax(-1),
        "These are the masked scores: softmax is missing.",
        _closed,
    ),
)
def masked_weights(scores: Tensor, mask: Tensor) -> Tensor:
    return masked_softmax(scores, mask)
