"""Chapter 9: pieces of words, parameters, a head's habit, an honest choice, a head removed, and padding."""

from collections.abc import Callable

import torch
from torch import Tensor

from attnbook.exercises.judges import OTHER, Suspect, drawn, line_up, number, random, slips
from attnbook.exercises.registry import function, numbers, suspects

UNKNOWN = "[UNK]"


def _back(word: str, vocabulary: set[str], mark: str = "") -> list[str]:
    """The pieces, if need be with a shorter one before the place that doesn't fit; none if nothing fits."""
    for end in range(len(word), 0, -1):
        piece, rest = mark + word[:end], word[end:]
        if piece in vocabulary and (not rest or _back(rest, vocabulary, "##")):
            return [piece, *(_back(rest, vocabulary, "##") if rest else [])]
    return []


def _from_the_end(word: str, vocabulary: set[str]) -> str:
    pieces: list[str] = []
    while word:
        named = ["##" * (start > 0) + word[start:] for start in range(len(word))]
        found = next((piece for piece in named if piece in vocabulary), None)
        if found is None:
            return UNKNOWN
        pieces.insert(0, found)
        word = word[: -len(found.removeprefix("##"))]
    return " ".join(pieces)


def _cut(
    word: str, vocabulary: set[str], mark: str = "##", backwards: bool = True, unknown: Callable | None = None
) -> str:
    """The right pieces, joined by spaces; the keywords make the wrong ones."""
    pieces, start = [], 0
    while start < len(word):
        ends = range(start + 1, len(word) + 1)
        named = {end: (mark if start else "") + word[start:end] for end in ends}
        fitting = [end for end in ends if named[end] in vocabulary]
        if not fitting and unknown is None:
            return UNKNOWN
        if not fitting:
            return " ".join(unknown(pieces, word[start:]))
        end = fitting[-1 if backwards else 0]
        pieces.append(named[end])
        start = end
    return " ".join(pieces)


PIECES = {"un", "u", "play", "pl", "##play", "##able", "##ing", "##p", "##a", "##s", "##n", "robot"}
PIECES |= {"##s", "##ab", "##le", "r", "##o", "token", "##ization", "##iza", "##er", "a", "ab", "abc", "##d"}
PIECES |= {"##b", "##t", "##bing", "##cde"}


@function(
    "9.1",
    "Cut a word",
    {"pieces": "a string"},
    praise="This is how BERT's tokenizer cuts every word: longest piece first, without ever going back.",
    cases=[
        (word, PIECES)
        for word in (
            *("robot", "robots", "unplayable", "tokenization", "playing", "abd", "rx", "abcx", "xplay"),
            *("abing", "abcde"),
        )
    ],
    slips=slips(
        'Pieces inside a word are looked up with `##` before them: `"##" + word[start:end]`.',
        lambda word, vocabulary: _cut(word, vocabulary, mark=""),
        "You took the shortest piece that fits. Take the longest: try ends from the last letter backwards.",
        lambda word, vocabulary: _cut(word, vocabulary, backwards=False),
        "If one piece is missing, the whole word is unknown: return only `[UNK]`.",
        lambda word, vocabulary: _cut(word, vocabulary, unknown=lambda pieces, rest: [*pieces, UNKNOWN]),
        lambda word, vocabulary: _cut(word, vocabulary, unknown=lambda pieces, rest: [*pieces, rest]),
        "You return no piece for the part that doesn't fit. The whole word then becomes `[UNK]`.",
        lambda word, vocabulary: _cut(word, vocabulary, unknown=lambda pieces, rest: pieces),
        lambda word, vocabulary: _cut(word, vocabulary, unknown=lambda pieces, rest: []),
        "The pieces are right, but the `##` is missing: return each piece as the vocabulary spells it.",
        lambda word, vocabulary: _cut(word, vocabulary).replace("##", ""),
        "You cut from the end of the word. Begin at its start: the longest piece there comes first.",
        _from_the_end,
        "You went back to a shorter piece. WordPiece never does: if nothing fits, the word is `[UNK]`.",
        lambda word, vocabulary: " ".join(_back(word, vocabulary) or [UNKNOWN]),
        "The first piece of a word has no `##`.",
        lambda word, vocabulary: " ".join(
            "##" + piece.removeprefix("##") for piece in _back(word, vocabulary)
        ),
        'Put a space between the pieces: `" ".join(pieces)`.',
        lambda word, vocabulary: _cut(word, vocabulary).replace(" ", ""),
    ),
)
def wordpiece(word: str, vocabulary: set[str]) -> str:
    return _cut(word, vocabulary)


VOCABULARY, WIDTH, INNER = 250_037, 384, 1536
TABLE = VOCABULARY * WIDTH
LAYER = 4 * (WIDTH * WIDTH + WIDTH) + 2 * WIDTH * INNER + INNER + WIDTH + 4 * WIDTH

numbers(
    "9.2",
    "Where the parameters are",
    {
        number("embedding", TABLE, near=0.5): {
            VOCABULARY: "this is the number of rows. Each row has D numbers.",
            2 * TABLE: "this counts the table twice. The encoder has no output layer.",
            OTHER: "One row of D numbers for each token of the vocabulary.",
        },
        number("layer", LAYER, near=0.5): {
            LAYER - 4 * WIDTH - INNER - WIDTH - 4 * WIDTH: "these are the matrices. Add biases and norms.",
            LAYER
            - 4 * WIDTH: "the layer norms are missing (two, each with a scale and a shift per feature), or "
            "else the biases of the four projections.",
            LAYER - INNER - WIDTH: "the biases of the feed-forward network are missing: 1,536 and D.",
            LAYER - 2 * WIDTH: "one layer norm is missing, or you counted only scales: 2 norms × 2 × D.",
            LAYER
            - WIDTH * WIDTH
            - WIDTH: "three projections are query, key and value. The output is the 4th.",
            LAYER - WIDTH * INNER: "the feed-forward network has two matrices: D to 1,536 and back.",
            LAYER - 4 * WIDTH - INNER - WIDTH: "the biases are missing: 4 × D, 1,536 and D.",
            4 * 12 * (WIDTH * WIDTH + WIDTH) + LAYER - 4 * (WIDTH * WIDTH + WIDTH): "heads multiply nothing: "
            "together they share one D × D matrix for each projection.",
            12 * LAYER: "this is all 12 layers. Give one.",
            OTHER: "Four D × D projections, D × 1,536 and back, all biases, and 2 × 2 × D for the norms.",
        },
        number("fraction", TABLE / (TABLE + 12 * LAYER), near=0.004): {
            TABLE / (TABLE + LAYER): "this is with one layer. There are 12.",
            12 * LAYER / (TABLE + 12 * LAYER): "this is the layers' part. Give the embedding's.",
            12 * LAYER / TABLE: "this divides the layers by the table. Divide the table by the sum of both.",
            100 * TABLE / (TABLE + 12 * LAYER): "this is in percent. Give a number between 0 and 1.",
            OTHER: "The table, divided by the table and 12 layers together.",
        },
        number("bits", 4.5, near=0.01): {
            4: "the scale is missing: each block of 32 weights has one, with 16 bits.",
            20: "each block has one scale, not each weight: share its 16 bits among 32 weights.",
            144: "these are the bits of a block. Divide by its 32 weights.",
            OTHER: "The bits of one block, its scale included, divided by 32.",
        },
    },
    praise="Four fifths of the model is a table of words, and 4 bits per weight really are 4.5.",
)


def _same(ids: Tensor, diagonal: bool = False) -> Tensor:
    return (ids[:, None] == ids) & (diagonal | ~torch.eye(len(ids), dtype=torch.bool))


def _given(weights: Tensor, ids: Tensor, diagonal: bool = False) -> Tensor:
    return (weights * _same(ids, diagonal)).sum(-1)  # (H, T)


def _repeated(heads: int, length: int, kinds: int, seed: int) -> tuple[Tensor, Tensor]:
    """Weights of one layer, and ids of which some come twice or more."""
    weights = (2 * random(heads, length, length, seed=seed)).softmax(-1)
    ids = (random(length, seed=seed + 1) * 100).long() % kinds + 7
    ids[-1] = ids[0]
    ids[length // 2] = 99  # one token without a twin
    return weights, ids


@function(
    "9.3",
    "One head's habit",
    {"habit": "(H,)"},
    praise="One number per head, and the same measure for all of them: that is a census.",
    cases=[_repeated(3, 8, 4, 910), _repeated(2, 6, 3, 911), *drawn(_repeated, (1, 4), (5, 9), (2, 5))],
    slips=slips(
        "The diagonal is included: a token always has its own id. Remove it from `same`.",
        lambda weights, ids: _given(weights, ids, True).mean(-1),
        lambda weights, ids: _given(weights, ids, True)[:, _same(ids).any(-1)].mean(-1),
        "You averaged over all queries. Those without another token of their id can only give 0.",
        lambda weights, ids: _given(weights, ids).mean(-1),
        "You averaged over pairs. First add up each query's weights, then average over the queries.",
        lambda weights, ids: weights[:, _same(ids)].mean(-1),
        "You added up over the queries. Average over those that have such a position.",
        lambda weights, ids: _given(weights, ids).sum(-1),
        "You took each query's largest weight. Add up all of those on its id.",
        lambda weights, ids: (weights * _same(ids)).amax(-1)[:, _same(ids).any(-1)].mean(-1),
        "You looked on one side of the query only. Its id may come before it and after it.",
        lambda weights, ids: (weights * _same(ids).tril()).sum(-1)[:, _same(ids).tril().any(-1)].mean(-1),
        lambda weights, ids: (weights * _same(ids).triu()).sum(-1)[:, _same(ids).triu().any(-1)].mean(-1),
        "You averaged over the heads too. Give one number for each.",
        lambda weights, ids: same_token(weights, ids).mean().expand(len(weights)),
    ),
)
def same_token(weights: Tensor, ids: Tensor) -> Tensor:
    return _given(weights, ids)[:, _same(ids).any(-1)].mean(-1)


def _choose(found: Tensor, on: Tensor, tested: Tensor) -> tuple[int, int, float]:
    layer, head = divmod(int(found[..., on].sum(-1).argmax()), found.shape[1])
    return layer, head, float(found[layer, head][tested].double().mean())


def _lucky(layers: int, heads: int, count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Every way to choose finds another head. On `train` three heads are best, in two layers."""
    found = random(layers, heads, count, seed=seed) > 0.8
    train = torch.arange(count) % 3 != 1  # positions 1, 4, 7, 10 are for the test
    found[-1, 0] = ~train
    found[0, 0] = True
    found[0, 0, [0, 2, 4]] = False
    found[layers // 2, 1] = False
    found[layers // 2, -1] = train
    found[layers // 2, -1, [0, 1]] = torch.tensor([False, True])
    found[-1, 1] = train
    found[-1, 1, 2] = False
    found[-1, -1] = train
    found[-1, -1, [1, 2, 4]] = torch.tensor([True, False, True])
    return found, train


def _chosen_in(ties: Callable[[Tensor], Tensor]) -> Callable:
    """Another choice than the first of the heads that are best, from their counts `(L, H)`."""

    def choose(found: Tensor, train: Tensor) -> tuple[int, int, float]:
        layer, head = ties(found[..., train].sum(-1)).tolist()
        return layer, head, float(found[layer, head, ~train].double().mean())

    return choose


def _all(found: Tensor) -> Tensor:
    return torch.ones(found.shape[-1], dtype=torch.bool)


@function(
    "9.4",
    "Choose, then test",
    {"layer": "an integer", "head": "an integer", "accuracy": "a number from 0 to 1"},
    praise="The choice and the test share no sentence, so the accuracy is an honest estimate.",
    cases=[_lucky(3, 4, 11, 920), _lucky(4, 3, 14, 921), *drawn(_lucky, (3, 5), (3, 5), (11, 14))],
    slips=slips(
        "You tested on the sentences that chose the head. Use the others, `~train`.",
        lambda found, train: _choose(found, train, train),
        "You tested on all sentences, those that chose the head among them. Use only `~train`.",
        lambda found, train: _choose(found, train, _all(found)),
        "You chose on all sentences, so the test sentences took part in the choice. Choose on `train`.",
        lambda found, train: _choose(found, _all(found), ~train),
        lambda found, train: _choose(found, _all(found), _all(found)),
        "You chose on the test sentences. Choose on `train`, and test on the others.",
        lambda found, train: _choose(found, ~train, train),
        lambda found, train: _choose(found, ~train, ~train),
        "A flattened position is layer · H + head: divide by the number of heads, `found.shape[1]`.",
        lambda found, train: (
            *divmod(int(found[..., train].sum(-1).argmax()), len(found)),
            _choose(found, train, ~train)[2],
        ),
        "In a tie you took the last head. Take the first, layer by layer, as `argmax` does.",
        _chosen_in(lambda counts: (counts == counts.max()).nonzero()[-1]),
        "In a tie you took the first by its head. Go layer by layer, as `argmax` does.",
        _chosen_in(lambda counts: counts.mT.eq(counts.max()).nonzero()[0].flip(0)),
        "You chose the layer and the head separately. Choose the two together: one of all L · H heads.",
        _chosen_in(lambda counts: torch.stack((counts.amax(1).argmax(), counts.amax(0).argmax()))),
        "This isn't the fraction for your head. Count its correct sentences. Divide by how many there are.",
        lambda found, train: (
            *_choose(found, train, ~train)[:2],
            _choose(found, train, ~train)[2] * int((~train).sum()),
        ),
        "This is the mean over all heads. Give the accuracy of the head that you chose.",
        lambda found, train: (
            *_choose(found, train, ~train)[:2],
            float(found[..., ~train].double().mean()),
        ),
    ),
)
def chosen(found: Tensor, train: Tensor) -> tuple[int, int, float]:
    return _choose(found, train, ~train)


def _joined(outputs: Tensor) -> Tensor:
    return outputs.transpose(0, 1).flatten(1)  # (H, T, d) -> (T, D)


def _kept(outputs: Tensor, keep: Callable) -> Tensor:
    """The heads' outputs where `keep(number)` is true, and zeros elsewhere."""
    chosen = torch.tensor([keep(number) for number in range(len(outputs))])
    return outputs * chosen[:, None, None]


def _layer(heads: int, length: int, width: int, seed: int) -> tuple[Tensor, Tensor, Tensor, int]:
    """Weights, values and output matrix of one layer, and one of its heads."""
    scores, values = (
        random(heads, length, length + 1, seed=seed),
        random(heads, length + 1, width, seed=seed + 1),
    )
    matrix = random(heads * width, heads * width, seed=seed + 2)
    return (2 * scores).softmax(-1), values, matrix, seed // 10 % heads


@function(
    "9.5",
    "Remove a head by hand",
    {"output": "(T, D)"},
    praise="The other heads work as before: ablating a head removes one term of a sum.",
    cases=[_layer(3, 4, 2, 940), _layer(4, 5, 3, 941), *drawn(_layer, (3, 5), (3, 6), (2, 4))],
    slips=slips(
        "The head still contributes. Set its output to zero before the heads are joined.",
        lambda weights, values, output, head: _joined(weights @ values) @ output,
        "You kept only this head. Remove it, and keep the others.",
        lambda weights, values, output, head: (
            _joined(_kept(weights @ values, lambda number: number == head)) @ output
        ),
        "You gave the head uniform weights, which adds the mean of its values. It should add nothing.",
        lambda weights, values, output, head: (
            without(weights, values, output, head)
            + _joined(
                _kept(values.mean(1, keepdim=True).expand_as(weights @ values), lambda number: number == head)
            )
            @ output
        ),
        "Multiply by `output` from the right, not by its transpose: `joined @ output`.",
        lambda weights, values, output, head: (
            _joined(_kept(weights @ values, lambda number: number != head)) @ output.T
        ),
        "The output matrix is missing: the joined heads are multiplied by it.",
        lambda weights, values, output, head: _joined(_kept(weights @ values, lambda number: number != head)),
        "The heads are joined in the wrong order. First `(H, T, d)` becomes `(T, H, d)`, then flatten.",
        lambda weights, values, output, head: (
            _kept(weights @ values, lambda number: number != head).reshape(weights.shape[1], -1) @ output
        ),
        lambda weights, values, output, head: (
            _kept(weights @ values, lambda number: number != head).permute(1, 2, 0).flatten(1) @ output
        ),
        "You removed a key from all heads. Remove a head: the first axis, not the last.",
        lambda weights, values, output, head: (
            _joined((weights * (torch.arange(weights.shape[-1]) != head)) @ values) @ output
        ),
        "You removed a position's output. Remove a head: the first axis of `(H, T, d)`.",
        lambda weights, values, output, head: (
            _joined((weights * (torch.arange(weights.shape[1]) != head)[:, None]) @ values) @ output
        ),
        "You scaled the other heads up. Nothing is divided again: each head has a softmax of its own.",
        lambda weights, values, output, head: (
            without(weights, values, output, head) * len(weights) / (len(weights) - 1)
        ),
    ),
)
def without(weights: Tensor, values: Tensor, output: Tensor, head: int) -> Tensor:
    return _joined(_kept(weights @ values, lambda number: number != head)) @ output


def _mean(hidden: Tensor, mask: Tensor) -> Tensor:
    """The right sentence vector: the mean over positions that are no padding."""
    return (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)


def _unit(vector: Tensor) -> Tensor:
    return vector / vector.norm(dim=-1, keepdim=True)


def _embedder(name: str, embed: Callable, truth: bool) -> Suspect:
    return Suspect(name, (embed,), truth)


def _compare(embed: Callable, extra: Callable) -> bool:
    """Whether sentences keep their vectors when `extra` makes padding for them."""
    hidden = random(3, 5, 6, seed=930).double()
    padded = torch.cat([hidden, extra(hidden)], 1)
    mask = torch.arange(padded.shape[1]).expand(3, -1) < 5
    alone = embed(hidden, torch.ones(3, 5, dtype=torch.bool))
    return torch.allclose(alone, embed(padded, mask))


def _noise(hidden: Tensor) -> Tensor:
    return 3 * random(len(hidden), 4, hidden.shape[2], seed=931).double()


def _changed(embed: Callable, same: bool = False) -> bool:
    """A weaker test: other numbers in the padding, whose length stays the same."""
    hidden, other = random(3, 5, 6, seed=932).double(), random(3, 5, 6, seed=933).double()
    mask = torch.arange(5).expand(3, -1) < 3 if same else LENGTHS_MASK
    changed = torch.where(mask[..., None], hidden, other)
    return torch.allclose(embed(hidden, mask), embed(changed, mask))


@suspects(
    "9.6",
    "Does padding change a sentence?",
    line_up(
        _embedder("the mean over the words", _mean, True),
        "It ignores padding. Compare with `torch.allclose`, because sums in another order round differently, "
        "and use large numbers, no NaN or infinity: 0 · NaN is NaN.",
        _embedder("the mean over all positions", lambda hidden, mask: hidden.mean(1), False),
        "It never looks at the mask. Give a sentence padding, and compare with the sentence alone.",
        _embedder(
            "the sum over the words, divided by T",
            lambda hidden, mask: (hidden * mask[..., None]).sum(1) / hidden.shape[1],
            False,
        ),
        "You only changed the numbers in the padding. Change how much there is, too: compare with none.",
        _embedder("the first token's vector", lambda hidden, mask: hidden[:, 0], True),
        "It is no mean, but padding comes after the first token and can't change it.",
        _embedder("the last position's vector", lambda hidden, mask: hidden[:, -1], False),
        "With padding, the last position is padding.",
        _embedder(
            "the mean with the first sentence's mask for all",
            lambda hidden, mask: _mean(hidden, mask[:1].expand_as(mask)),
            False,
        ),
        "All your sentences have one length. Give each another, so that their masks differ.",
        _embedder(
            "the mean over the words, scaled to length 1",
            lambda hidden, mask: _unit(_mean(hidden, mask)),
            True,
        ),
        "It isn't the mean itself, but it doesn't depend on padding: compare it only with itself.",
        _embedder(
            "the mean plus a ten-thousandth of the padding",
            lambda hidden, mask: _mean(hidden, mask) + 1e-4 * (hidden * ~mask[..., None]).sum(1),
            False,
        ),
        "The padding comes in with a small factor. Make the numbers in the padding large.",
    ),
    praise="The same sentence, another vector, depending on its neighbours in the batch: your test finds it.",
    slips=slips(
        "You only changed the numbers in the padding. Change how much there is, too: compare with none.",
        _changed,
        lambda embed: _changed(embed, same=True),
        "Your padding is all zeros. Real padding has hidden states like any token: use random numbers.",
        lambda embed: _compare(embed, lambda hidden: torch.zeros_like(hidden[:, :4])),
        "All your sentences have one length. Give each another, so that their masks differ.",
        lambda embed: _compare(embed, lambda hidden: 1e4 * _noise(hidden)),
        "Your test uses the mean as the only right answer. It should compare a function with itself.",
        lambda embed: torch.allclose(
            embed(random(3, 5, 6, seed=934), LENGTHS_MASK), _mean(random(3, 5, 6, seed=934), LENGTHS_MASK)
        ),
    ),
)
def ignores_padding(embed: Callable) -> bool:
    hidden = random(3, 5, 6, seed=935).double()
    filled = torch.where(LENGTHS_MASK[..., None], hidden, 1e6 * hidden)
    together = embed(filled, LENGTHS_MASK)
    alone = [
        embed(hidden[i : i + 1, :length], torch.ones(1, length, dtype=torch.bool))
        for i, length in enumerate(LENGTHS)
    ]
    return torch.allclose(together, torch.cat(alone))


LENGTHS = (5, 3, 2)
LENGTHS_MASK = torch.arange(5) < torch.tensor(LENGTHS)[:, None]  # (3, 5)
