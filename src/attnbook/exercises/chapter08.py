"""Chapter 8: the whole Transformer, its shapes and its size."""

import torch

from attnbook.exercises.old import exercise, judge_function, judge_number, read_dict, read_shape, slip
from attnbook.exercises.verdict import Wrong
from attnbook.transformer import Transformer

# --- 8.1 ---------------------------------------------------------------------------------------------------

SIZES = {"source_vocab": 17, "target_vocab": 19, "d_model": 12, "num_heads": 3, "num_layers": 5, "d_ff": 32}
WEIGHTS = {"encoder": "(L, B, H, S, S)", "decoder": "(L, B, H, T, T)", "cross": "(L, B, H, T, S)"}


@exercise(
    "8.1",
    "Shapes through the whole model",
    task=(
        "for the `Transformer` of the exercise, called with a source (2, 7) and a target (2, 4), give the "
        "shapes of its `logits` and of its `encoder`, `decoder` and `cross` weights, and how many `numbers` "
        "the weights of cross-attention are."
    ),
    praise="Rows ask, columns are asked: that alone decides the last two axes of all three.",
)
def predict_shapes(answer) -> str:
    given = read_dict(answer, ("logits", *WEIGHTS, "numbers"))
    with torch.random.fork_rng(devices=[]):  # the reader's random state stays as it is
        model = Transformer(**SIZES).eval()
    source, target = torch.ones(2, 7, dtype=torch.long), torch.ones(2, 4, dtype=torch.long)
    logits, attentions = model(source, target)
    _judge_logits(read_shape(given["logits"], "logits"), tuple(logits.shape))
    for kind in WEIGHTS:
        shape = tuple(getattr(attentions, kind).shape)
        _judge_weights(kind, read_shape(given[kind], kind), shape)
    judge_number(
        given,
        "numbers",
        attentions.cross.numel(),
        0.5,
        [
            (56, "that is one head of one layer, for both sequences. There are 3 heads and 5 layers."),
            (28, "that is a single map. Multiply by heads, layers and sequences."),
            (168, "that is one layer. There are five."),
            (420, "that is one sequence. There are two in the batch."),
            (280, "that is one head of each layer. There are three heads."),
        ],
        "Multiply out the five sizes of `cross`.",
    )
    return ""


def _judge_logits(shape: tuple, wanted: tuple) -> None:
    if shape == wanted:
        return
    slips = {
        (2, 4, 17): "17 is the source's vocabulary. Scored are the tokens that may be *written*.",
        (2, 7, 19): "the source's length is gone by then: there is a row of scores for each *target* place.",
        (2, 4, 12): "that is what leaves the decoder. The output layer makes vocabulary of width.",
        (2, 19): "one row of scores for each place of the target, not for the last one only.",
    }
    words = slips.get(shape, "one score for every target token, at every place of the target: (B, T, V).")
    raise Wrong(f"`logits`: not {shape}: {words}")


def _judge_weights(kind: str, shape: tuple, wanted: tuple) -> None:
    if shape == wanted:
        return
    if len(shape) == 5 and shape[:3] == wanted[:3] and shape[3:] == wanted[:2:-1]:
        words = "rows are queries, columns are keys. The target asks, the source is asked."
    elif shape == wanted[1:]:
        words = "the axis of the layers is missing: each layer has maps of its own."
    elif shape == (*wanted[:2], *wanted[3:]):
        words = "the axis of the heads is missing: each head has a map of its own."
    elif len(shape) == 5 and sorted(shape[:3]) == sorted(wanted[:3]) and shape[3:] == wanted[3:]:
        words = "the right sizes in another order. Wanted: layers, batch, heads."
    elif len(shape) == 5 and shape[:3] == wanted[:3] and 12 in shape[3:]:
        words = "the width is summed over in the dot products, and leaves no axis in the weights."
    else:
        words = f"wanted {WEIGHTS[kind]}, a row for each query and a column for each key."
    raise Wrong(f"`{kind}`: not {shape}: {words}")


# --- 8.2 ---------------------------------------------------------------------------------------------------


def _count(
    source_vocab,
    target_vocab,
    d_model,
    num_layers,
    d_ff,
    *,
    biases=True,
    untied=0,
    crossing=2,
    encoder_norms=2,
    decoder_norms=3,
    norm=2,
    decoders=1,
    more=0,
    output=True,
) -> int:
    attention = 4 * d_model**2 - (not output) * d_model**2 + biases * 4 * d_model
    feed_forward = 2 * d_model * d_ff + biases * (d_ff + d_model)
    encoder = attention + feed_forward + encoder_norms * norm * d_model
    decoder = crossing * attention + feed_forward + decoder_norms * norm * d_model
    embeddings = (source_vocab + target_vocab) * d_model + untied * target_vocab * d_model
    return embeddings + num_layers * (encoder + decoders * decoder) + more


COUNT_SLIPS = (
    slip(
        "The biases are missing. A linear layer from m to n has n of them.",
        lambda *s: _count(*s, biases=False),
    ),
    slip(
        "You counted the output's matrix a second time. It is the target embedding's, shared: one tensor.",
        lambda *s: _count(*s, untied=1),
    ),
    slip(
        "A decoder layer has two attentions: one over what is written, one over the source.",
        lambda *s: _count(*s, crossing=1),
        lambda *s: _count(*s, crossing=1, decoder_norms=2),
    ),
    slip(
        "A norm is missing in the decoder: each of its three sub-layers has one.",
        lambda *s: _count(*s, decoder_norms=2),
    ),
    slip("The LayerNorms are missing.", lambda *s: _count(*s, norm=0)),
    slip("A LayerNorm has two vectors: a gain and a shift.", lambda *s: _count(*s, norm=1)),
    slip(
        "You gave each stack a norm at its end. The pre-norm model has those; this one is post-norm.",
        lambda *s: _count(*s, more=4 * s[2]),
    ),
    slip(
        "You added a bias for each token of the vocabulary. The output layer here has none.",
        lambda *s: _count(*s, more=s[1]),
    ),
    slip(
        "An attention has four matrices: for query, key, value, and one for the output of all heads.",
        lambda *s: _count(*s, output=False),
        lambda *s: _count(*s, output=False) - 3 * s[3] * s[2],
    ),
    slip("The embeddings are missing, one matrix for each side.", lambda *s: _count(0, 0, *s[2:])),
    slip("The target's embedding is missing.", lambda *s: _count(s[0], 0, *s[2:])),
    slip("The source's embedding is missing.", lambda *s: _count(0, *s[1:])),
    slip("Only the encoder so far: add N decoder layers.", lambda *s: _count(*s, decoders=0)),
    slip("That is one layer of each stack. There are N.", lambda *s: _count(*s[:3], 1, s[4])),
    slip(
        "You counted a table of positions. Sinusoids are computed: they aren't parameters.",
        lambda *s: _count(*s, more=512 * s[2]),
    ),
)


@exercise(
    "8.2",
    "Count the whole model",
    task=(
        "write `count_parameters(source_vocab, target_vocab, d_model, num_layers, d_ff)`: the number of "
        "parameters of a post-norm `Transformer` whose output shares the target embedding's matrix."
    ),
    praise="Your formula agrees with models that were built and counted. The number of heads is not in it.",
)
def count_parameters(answer) -> str:
    names = ("source_vocab", "target_vocab", "d_model", "num_layers", "d_ff")
    cases = [dict(zip(names, sizes, strict=True)) for sizes in ((11, 13, 6, 2, 10), (70, 31, 12, 3, 20))]

    def built(source_vocab, target_vocab, d_model, num_layers, d_ff) -> torch.Tensor:
        with torch.device("meta"):
            model = Transformer(source_vocab, target_vocab, d_model, 2, num_layers, d_ff)
        return torch.tensor(sum(parameter.numel() for parameter in model.parameters()), dtype=torch.float64)

    return judge_function(
        answer,
        call="count_parameters(source_vocab, target_vocab, d_model, num_layers, d_ff)",
        cases=cases,
        right=built,
        returns={"parameters": "one number"},
        slips=[slip(s.words, *(_as_tensor(wrong) for wrong in s.wrongs)) for s in COUNT_SLIPS],
    )


def _as_tensor(wrong):
    return lambda **sizes: torch.tensor(wrong(*sizes.values()), dtype=torch.float64)
