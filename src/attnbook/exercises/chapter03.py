"""Chapter 3: the article's class, the evidence against it, its repair, the mask, and additive scores."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from attnbook.attention import Attn, DotAttention, masked_softmax, scaled_dot_product_attention
from attnbook.exercises.judges import (
    Numbers,
    Suspect,
    drawn,
    number,
    random,
    randoms,
    shape_of,
    slips,
)
from attnbook.exercises.reading import read_results
from attnbook.exercises.registry import exercise, function, suspects

exercise(
    "3.1",
    "Predict the article's class",
    praise="The 10 in the weights is `value_size1`, a size of a layer: it was fixed before any sentence was "
    "seen. That is why this class cannot read a longer one.",
    judge=Numbers(
        shape_of(
            "weights",
            (1, 10),
            "Follow `self.attn`: how many rows go in, how many numbers does each row become?",
            dict.fromkeys(
                [(1, 1, 10)],
                "almost. The class computes them from `Q[0]` and `K[0]`, so their batch axis is gone; the "
                "`unsqueeze(0)` that brings it back is used for `bmm` and not returned.",
            )
            | dict.fromkeys(
                [(1, 6), (1, 8), (1, 1, 6), (1, 1, 8)],
                "8 and 6 are the widths of the query and the key. There is one weight for each value, and "
                "the values are `value_size1` in number.",
            )
            | dict.fromkeys(
                [(1, 12), (1, 1, 12), (1, 10, 12)],
                "12 is the width of one value. There is one weight for each value: how many are there?",
            ),
        ),
        shape_of(
            "output",
            (1, 1, 5),
            "Follow the last two lines of `forward`.",
            {(1, 5): "almost. The last `unsqueeze(0)` gives it its batch axis back: three axes."}
            | dict.fromkeys(
                [(1, 1, 12), (1, 12), (1, 1, 20), (1, 20)],
                "12 and 20 are widths inside the class: of a value, and of what goes into `attn_combine`. "
                "What comes out of that layer is `output_size` wide.",
            )
            | dict.fromkeys(
                [(1, 10, 5), (1, 10, 12)],
                "10 is the number of values. They are summed into one row for the one query.",
            ),
        ),
        number(
            "parameters",
            255,
            "Each `nn.Linear(i, o)` has i × o weights and o biases. `attn` takes query and key side by "
            "side; `attn_combine` takes the query and the blended value.",
            {
                240: "you counted the two weight matrices. Each `nn.Linear` also has a bias, one number for "
                "each output: 15 more in all.",
                150: "150 is right for `attn`. There is a second layer.",
                105: "105 is right for `attn_combine`. There is a second layer.",
            },
        ),
    ),
)


def _evidence(new: Callable[[Tensor], Tensor], part: int = 1) -> Callable:
    """An experiment that replaces each input by `new(input)`, and compares a part of what `attn` returns."""

    def detect(attn: Callable, Q: Tensor, K: Tensor, V: Tensor) -> dict[str, bool]:
        before = attn(Q, K, V)[part]
        after = {"Q": attn(new(Q), K, V), "K": attn(Q, new(K), V), "V": attn(Q, K, new(V))}
        return {name: not torch.equal(result[part], before) for name, result in after.items()}

    return detect


def _together(attn: Callable, Q: Tensor, K: Tensor, V: Tensor) -> dict[str, bool]:
    """Replaces one input after the other and puts none of them back."""
    before, inputs, found = attn(Q, K, V)[1], {"Q": Q, "K": K, "V": V}, {}
    for name, value in inputs.items():
        inputs[name] = torch.randn_like(value)
        found[name] = not torch.equal(attn(*inputs.values())[1], before)
    return found


class _Suspect(nn.Module):
    """Attention whose weights depend on the inputs that `reads` names, through `clue` of each."""

    def __init__(self, reads: str, clue: Callable[[Tensor], Tensor] = Tensor.tanh) -> None:
        super().__init__()
        self.reads, self.clue = reads, clue

    def forward(self, Q: Tensor, K: Tensor, V: Tensor) -> tuple[Tensor, Tensor]:
        clue = sum(self.clue({"Q": Q, "K": K, "V": V}[name]).sum() for name in self.reads)
        moving = torch.softmax(torch.sin(torch.arange(1.0, V.shape[1]) * (1 + clue)), dim=0)  # (S - 1,)
        weights = torch.cat((torch.tensor([0.3]), 0.7 * moving))[None]  # (1, S), the first is always 0.3
        return weights @ V[0] + Q.sum() + K.sum(), weights


def _case(attn: Callable, keys: int, seed: int) -> tuple:
    return attn, *randoms((1, 1, 4), (1, keys, 4), (1, 5, 6), seed=10 * seed)


def _made_up(which: str, reads: str, words: str, seed: int, clue: Callable = Tensor.tanh) -> Suspect:
    truth = {name: name in reads for name in "QKV"}
    return Suspect(
        f"a made-up class whose weights read {which}", _case(_Suspect(reads, clue), 3, seed), truth, words
    )


def _article() -> Attn:
    torch.default_generator.manual_seed(3)
    return Attn(4, 4, 5, 6, 7)


BY_THE_WEIGHTS = {"Q": True, "K": True, "V": False}


@suspects(
    "3.2",
    "Collect the evidence",
    (
        Suspect(
            "the article's class",
            _case(_article(), 1, 0),
            BY_THE_WEIGHTS,
            "Replace the whole input by fresh random numbers, such as `torch.randn_like(K)`, and compare "
            "the weights before and after. Swapping positions changes nothing where there is a single key.",
        ),
        Suspect(
            "dot attention",
            _case(DotAttention(), 5, 1),
            BY_THE_WEIGHTS,
            "Its scores are dot products of Q with every row of K. Replace one input as a whole, leave the "
            "other two as they were, and compare the weights. Adding one number to all of K adds the same "
            "to every score, which softmax ignores.",
        ),
        _made_up("nothing", "", "Its weights are fixed numbers, and only its output changes.", 2),
        _made_up(
            "Q and V",
            "QV",
            "Try each input by itself: here V matters, and K does not. One weight that moves is enough: the "
            "first of them never moves.",
            3,
        ),
        _made_up("K alone", "K", "Try each input by itself: here only K matters.", 4),
        _made_up(
            "only the last row of Q, K and V",
            "QKV",
            "You changed some rows only. Replace the whole input: `torch.randn_like(K)`.",
            5,
            lambda x: x[:, -1].tanh(),
        ),
        _made_up(
            "how far the numbers of K are from their mean, relative to one another",
            "K",
            "It can't see the same number added to all, a multiple, or another sign. Use fresh random "
            "numbers: `torch.randn_like(K)`.",
            6,
            lambda x: ((x - x.mean()) / x.std()).abs().tanh(),
        ),
    ),
    slips(
        "All three inputs seem to matter, for every class. Did you compare the outputs? V always changes "
        "the output: compare the weights, the second thing that `attn` returns.",
        _evidence(torch.randn_like, part=0),
        "One experiment changed more than one input. Start each from the original Q, K and V.",
        _together,
    ),
    praise="Your experiment convicts any suspect, not only the article's class: for the article's it finds "
    "that Q and K change the weights and V does not. Dot attention gives the same three answers: what sets "
    "it apart is a key of its own for each value.",
    pure="Your experiment changes Q, K or V in place, so the next experiment starts from spoilt evidence. "
    "Put the new numbers in a new tensor: `torch.randn_like(Q)`.",
)
def evidence(attn: Callable, Q: Tensor, K: Tensor, V: Tensor) -> dict[str, bool]:
    return _evidence(torch.randn_like)(attn, Q, K, V)


def _dots(query: Tensor, key: Tensor) -> Tensor:
    return query @ key.transpose(-2, -1)  # (…, T, S)


def _one(x: Tensor) -> Tensor:
    return x[:1].expand_as(x)  # batch item 0 in place of all the others


def _words(batch: int, queries: int, keys: int, width: int, seed: int) -> tuple[Tensor, ...]:
    return randoms((batch, queries, width), (batch, keys, width), (batch, keys, 6), seed=seed)


@function(
    "3.3",
    "Dot attention for a batch",
    {"output": "(B, T, d_v)"},
    praise="Any number of queries and keys, any batch, and not one parameter. Now every weight comes from "
    "comparing a query with a key.",
    cases=[
        _words(3, 5, 7, 4, 30),
        _words(2, 1, 9, 5, 33),
        _words(1, 4, 1, 3, 36),
        *drawn(_words, (1, 4), (1, 6), (1, 6), (1, 8)),
    ],
    slips=slips(
        "Your weights sum to 1 down the columns: softmax ran over the queries. Each query spreads its own "
        "attention over the keys, so each query's row should sum to 1: the scores are (B, T, S), and "
        "softmax takes `dim=-1`.",
        lambda q, k, v: _dots(q, k).softmax(-2) @ v,
        "Softmax ran over the batch: `dim=0`. That lets one sentence take attention from another. Each "
        "query's row should sum to 1: `dim=-1`.",
        lambda q, k, v: _dots(q, k).softmax(0) @ v,
        "`view` (or `reshape`) is not `transpose`. Both give the shape (B, d, S), but `view` deals the same "
        "numbers out again in the old order, and the keys get mixed up. `key.transpose(1, 2)` swaps the "
        "axes.",
        lambda q, k, v: (q @ k.reshape(k.shape[0], k.shape[2], -1)).softmax(-1) @ v,
        "You used batch item 0 only, like the article's `Q[0]` and `K[0]`. Each item of the batch has "
        "queries, keys and values of its own: keep the batch axis, and let `@` work on the last two.",
        lambda q, k, v: dot_attention(q[0], k[0], v[0]),
        lambda q, k, v: dot_attention(q[:1], k[:1], v[:1]),
        lambda q, k, v: dot_attention(_one(q), _one(k), _one(v)),
        lambda q, k, v: dot_attention(q, _one(k), v),
        lambda q, k, v: dot_attention(q, _one(k), _one(v)),
        lambda q, k, v: dot_attention(q, k, _one(v)),
        lambda q, k, v: dot_attention(_one(q), _one(k), v),
        "You divided the scores by √d. That is chapter 4's idea, and a good one; here the task is Luong's "
        "plain dot product, without a scale.",
        lambda q, k, v: scaled_dot_product_attention(q, k, v)[0],
        "These are the scores times the values: softmax is missing. Scores can be negative and of any size; "
        "softmax makes weights of them that sum to 1.",
        lambda q, k, v: _dots(q, k) @ v,
        "These are the weights. One step is left: blend the values with them, `weights @ value`.",
        lambda q, k, v: _dots(q, k).softmax(-1),
    ),
)
def dot_attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    return scaled_dot_product_attention(query, key, value, scale=1.0)[0]


def _closed(scores: Tensor, mask: Tensor, low: float = -float("inf")) -> Tensor:
    return scores.masked_fill(~mask, low)


def _by_hand(scores: Tensor, mask: Tensor) -> Tensor:
    powers = scores.float().exp() * mask  # float32 overflows, as it does in the learner's function
    return powers / powers.sum(-1, keepdim=True).clamp(min=1e-30)


def _with_zeros(masked_weights: Callable, scores: Tensor, mask: Tensor) -> tuple[Tensor, bool]:
    """The weights, and whether those of hidden keys are exactly 0."""
    (weights,) = read_results(masked_weights(scores, mask), (scores,), ("weights",))
    return weights, weights.shape == mask.shape and not weights[~mask].any()


def _masks(batch: int, queries: int, keys: int, seed: int) -> tuple[Tensor, Tensor]:
    return 3 * random(batch, queries, keys, seed=seed), random(batch, queries, keys, seed=seed + 1) > 0


def _padded() -> Tensor:
    """Padding of different lengths; in item 0 one query sees other keys than the rest, and one sees none."""
    mask = (torch.arange(7) < torch.tensor([6, 2, 4])[:, None])[:, None, :].repeat(1, 5, 1)  # (B, T, S)
    mask[0, 0] = torch.arange(7) > 4
    mask[0, 3] = False
    return mask


@function(
    "3.4",
    "Add the mask",
    {"weights": "(B, T, S)", "hidden weights exactly 0": "True"},
    praise="Rows sum to 1, hidden weights are exactly 0, and a query with nothing to see gets zeros and no "
    "NaN. One NaN would have spread through the whole model.",
    cases=[
        (2 * random(3, 5, 7, seed=40), _padded()),
        (random(2, 4, 4, seed=41) - 50, torch.ones(2, 4, 4, dtype=torch.bool).tril()),
        (random(2, 4, 4, seed=42) + 200, torch.ones(2, 4, 4, dtype=torch.bool).tril()),
        *drawn(_masks, (1, 3), (1, 5), (1, 4)),
    ],
    use=_with_zeros,
    slips=slips(
        "You masked after softmax: the hidden weights are 0, but the rows no longer sum to 1. Softmax had "
        "already given a share to the hidden keys. Hide the scores first (-inf), then take softmax.",
        lambda scores, mask: scores.softmax(-1) * mask,
        "Your mask is inverted: you hid what may be seen. Here True means *may attend*, so it is `~mask` "
        "that gets -inf.",
        lambda scores, mask: masked_softmax(scores, ~mask),
        lambda scores, mask: _closed(scores, ~mask).softmax(-1),
        lambda scores, mask: _closed(scores, ~mask, -1e9).softmax(-1),
        "You set the hidden scores to 0. But 0 is an ordinary score, and exp(0) = 1: the hidden keys still "
        "get weight. Only -inf becomes a weight of 0.",
        lambda scores, mask: (scores * mask).softmax(-1),
        lambda scores, mask: (scores * mask).softmax(-1) * mask,
        lambda scores, mask: (scores * mask).softmax(-1) * mask.any(-1, keepdim=True),
        "You added the mask to the scores: True counts as 1 and False as 0. That nudges the scores and "
        "hides nothing. Where the mask is False the score must become -inf.",
        lambda scores, mask: (scores + mask).softmax(-1),
        "Nearly: one row is NaN. It belongs to a query that may attend to no key at all: softmax over "
        "nothing but -inf is 0/0. Its weights should all be 0.",
        lambda scores, mask: _closed(scores, mask).softmax(-1),
        "Nearly: look at the query that may attend to no key at all. All its scores are the same large "
        "negative number, so softmax spreads its weight evenly over keys it must not see. Its weights "
        "should all be 0.",
        lambda scores, mask: _closed(scores, mask, -1e9).softmax(-1),
        lambda scores, mask: (scores + ~mask * -1e9).softmax(-1),
        "Nearly: the hidden weights are tiny, but not 0. How small they are depends on the other scores, "
        "and with scores around -50 a fill of -100 is not low enough. Fill with -inf.",
        lambda scores, mask: _closed(scores.float(), mask, -100.0).softmax(-1) * mask.any(-1, keepdim=True),
        lambda scores, mask: _closed(scores.float(), mask, -50.0).softmax(-1) * mask.any(-1, keepdim=True),
        "exp of a large score is infinite in 32 bits, and infinity divided by infinity is NaN. "
        "`torch.softmax` subtracts the largest score first, which changes no weight.",
        _by_hand,
        "Your weights sum to 1 down the columns: softmax ran over the queries. Each query's row should sum "
        "to 1, so use `dim=-1`.",
        lambda scores, mask: _closed(scores, mask).softmax(-2),
        lambda scores, mask: _closed(scores, mask).softmax(-2).nan_to_num(),
        lambda scores, mask: _closed(scores, mask, -1e9).softmax(-2),
        lambda scores, mask: _closed(scores, mask, -1e9).softmax(-2) * mask,
        "You used the mask of batch item 0 for every item. Each sentence has padding of its own: use the "
        "whole mask.",
        lambda scores, mask: masked_softmax(scores, _one(mask)),
        lambda scores, mask: _closed(scores, _one(mask), -1e9).softmax(-1) * _one(mask).any(-1, keepdim=True),
        "The mask does nothing yet: these are the weights without it.",
        lambda scores, mask: scores.softmax(-1),
        "These are the masked scores. Softmax is still to come.",
        _closed,
    ),
)
def masked_weights(scores: Tensor, mask: Tensor) -> Tensor:
    return masked_softmax(scores, mask)


# (B, T, S)


def _sums(query: Tensor, key: Tensor) -> Tensor:
    return query.unsqueeze(2) + key.unsqueeze(1)  # (B, T, S, h)


def _additive_case(batch: int, queries: int, keys: int, seed: int) -> tuple[Tensor, ...]:
    return randoms((batch, queries, 4), (batch, keys, 6), (4, 8), (6, 8), (8,), seed=seed)


@function(
    "3.5",
    "Additive scores",
    {"scores": "(B, T, S)"},
    praise="Each query meets each key inside the tanh, and there the two can no longer be taken apart. What "
    "the article's class lacks is just this pair: a score for each query with each key.",
    cases=[
        _additive_case(3, 5, 7, 50),
        _additive_case(2, 1, 3, 60),
        *drawn(_additive_case, (1, 3), (1, 5), (1, 5)),
    ],
    slips=slips(
        "The tanh is missing, or stands round each part alone. Then the score is one number from the query "
        "plus one from the key, and softmax ignores what is the same for all keys: every query gets the "
        "*same* weights, and the query has lost its say. tanh goes round the sum.",
        lambda q, k, W_q, W_k, v: _sums(q @ W_q, k @ W_k) @ v,
        lambda q, k, W_q, W_k, v: _sums((q @ W_q).tanh(), (k @ W_k).tanh()) @ v,
        "tanh goes round the vector of h numbers, before `v` makes one score of them: `torch.tanh(...) @ v`.",
        lambda q, k, W_q, W_k, v: (_sums(q @ W_q, k @ W_k) @ v).tanh(),
        "These are weights already: softmax comes later. The task asks for the scores.",
        lambda *inputs: additive_scores(*inputs).softmax(-1),
        lambda *inputs: additive_scores(*inputs).softmax(-2),
        "`v` is missing, or became a plain sum. Each (query, key) pair gives `h` numbers; their dot product "
        "with `v` is the score: `... @ v`.",
        lambda q, k, W_q, W_k, v: _sums(q @ W_q, k @ W_k).tanh(),
        lambda q, k, W_q, W_k, v: _sums(q @ W_q, k @ W_k).tanh().sum(-1),
        "You used batch item 0 only. Each item of the batch has queries and keys of its own: keep the batch "
        "axis.",
        lambda q, k, *weights: additive_scores(q[:1], k[:1], *weights),
        lambda q, k, *weights: additive_scores(q[:1], k[:1], *weights)[0],
        lambda q, k, *weights: additive_scores(q, _one(k), *weights),
        lambda q, k, *weights: additive_scores(_one(q), k, *weights),
        lambda q, k, *weights: additive_scores(_one(q), _one(k), *weights),
    ),
)
def additive_scores(query: Tensor, key: Tensor, W_query: Tensor, W_key: Tensor, v: Tensor) -> Tensor:
    return _sums(query @ W_query, key @ W_key).tanh() @ v
