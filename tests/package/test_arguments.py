"""Arguments that are refused, each by name, and the empty inputs that are not."""

import numpy as np
import pytest
import torch

from attnbook import (
    AdditiveAttention,
    AddNorm,
    Attentions,
    Attn,
    Bert,
    ConvolutionalSeq2Seq,
    Decoder,
    DecoderLayer,
    DotAttention,
    Encoder,
    EncoderLayer,
    FeedForward,
    GatedFeedForward,
    LanguageModel,
    LearnedPositions,
    MultiHeadAttention,
    RecurrentSeq2Seq,
    RotaryPositions,
    SinusoidalPositions,
    Transformer,
    ablate,
    beam_search,
    causal_mask,
    checkpoints,
    exact_match,
    fit,
    greedy_decode,
    masked_softmax,
    padding_mask,
    plot_attention,
    sample,
    scaled_dot_product_attention,
    snapshots,
)
from attnbook.arguments import require_number, require_whole
from attnbook.attention import KeyValues
from attnbook.bert import GeluFeedForward
from attnbook.checkpoints import Recipe
from attnbook.contexts import ArticleContext
from attnbook.data import DateTask, ReversalTask, TranslationTask, Vocabulary, dates_in, split_of
from attnbook.generation import require_end
from attnbook.language_model import RotaryAttention
from attnbook.plots import weights_colormap
from attnbook.pretrained.files import cache_folder
from attnbook.training import matches, schedule, token_loss

STACK = {"d_model": 12, "num_heads": 3, "num_layers": 2, "d_ff": 10, "dropout": 0.0}


def transformer(**options) -> Transformer:
    return Transformer(11, 13, **STACK | options).eval()


@pytest.mark.bad_input  # by the type hints, which say int
@pytest.mark.parametrize("kind", [np.int64, np.int32, np.uint8, int])
def test_sizes_may_be_any_kind_of_whole_number(kind):
    attention = MultiHeadAttention(kind(8), kind(2))
    x = torch.randn(2, 3, 8)
    assert attention(x, x, x)[0].shape == (2, 3, 8)
    assert causal_mask(kind(3)).shape == (3, 3)


@pytest.mark.bad_input
@pytest.mark.parametrize("size", [True, np.True_, 2.0, np.float64(2), "2", None, 0, -1, np.int64(0)])
def test_sizes_that_are_not_whole_numbers_are_refused(size):
    with pytest.raises(ValueError, match="num_heads: wanted a whole number of at least 1, got"):
        MultiHeadAttention(8, size)


@pytest.mark.bad_input
@pytest.mark.parametrize("rate", [1.0, 1, -0.1, float("nan"), True, "0.1", None])
@pytest.mark.parametrize(
    "build",
    [
        lambda rate: MultiHeadAttention(6, 2, dropout=rate),
        lambda rate: FeedForward(6, 8, rate),
        lambda rate: AddNorm(6, rate),
        lambda rate: EncoderLayer(6, 2, 8, dropout=rate),
        lambda rate: DecoderLayer(6, 2, 8, dropout=rate),
        lambda rate: Encoder(6, 2, 8, rate),
        lambda rate: Decoder(6, 2, 8, rate),
        lambda rate: transformer(dropout=rate),
        lambda rate: scaled_dot_product_attention(*torch.ones(3, 2, 4, 6), dropout=rate),
    ],
    ids=[
        "attention",
        "feed-forward",
        "add & norm",
        *("layer", "layer", "stack", "stack"),
        "model",
        "function",
    ],
)
def test_every_dropout_rate_is_bounded(build, rate):
    with pytest.raises(ValueError, match="dropout: wanted a rate of at least 0 and below 1, got"):
        build(rate)


@pytest.mark.bad_input
@pytest.mark.parametrize("pad", [99, 11, -1, 1.0, True, None])
@pytest.mark.parametrize(
    "build",
    [
        transformer,
        lambda pad: RecurrentSeq2Seq(11, 13, 6, pad=pad),
        lambda pad: ConvolutionalSeq2Seq(13, 11, 6, pad=pad),
    ],
)
def test_pad_is_an_id_of_both_vocabularies(build, pad):
    with pytest.raises(ValueError, match="pad: wanted an id from 0 to 10, got"):
        build(pad=pad)


@pytest.mark.bad_input
@pytest.mark.parametrize("norm_first", [False, True])
def test_vectors_of_the_wrong_width_are_named(norm_first):
    right, wrong = torch.randn(2, 5, 12), torch.randn(2, 5, 10)
    encoder, decoder = Encoder(**STACK, norm_first=norm_first), Decoder(**STACK, norm_first=norm_first)
    with pytest.raises(ValueError, match=r"x: wanted shape \(B, T, 12\), got \(2, 5, 10\)"):
        encoder(wrong)
    with pytest.raises(ValueError, match=r"x: wanted shape \(B, T, 12\), got \(2, 5, 10\)"):
        decoder(wrong, right)
    with pytest.raises(ValueError, match=r"memory: wanted shape \(2, T, 12\), got \(2, 5, 10\)"):
        decoder(right, wrong)
    with pytest.raises(ValueError, match=r"memory: wanted shape \(2, T, 12\), got \(3, 5, 12\)"):
        decoder(right, torch.randn(3, 5, 12))
    with pytest.raises(ValueError, match=r"memory: wanted shape \(B, T, 12\), got \(2, 5, 10\)"):
        decoder.start(wrong)
    for kind in (FeedForward, GatedFeedForward, GeluFeedForward):
        with pytest.raises(ValueError, match=r"^x: wanted shape \(B, T, 12\), got \(2, 5, 10\)"):
            kind(12, 8)(wrong)


@pytest.mark.bad_input
def test_values_of_the_wrong_shape_are_named():
    x = torch.randn(2, 5, 12)
    with pytest.raises(ValueError, match=r"value: wanted shape \(2, 5, 12\), one value .*got \(2, 5, 10\)"):
        MultiHeadAttention(12, 3)(x, x, x[..., :10])
    with pytest.raises(ValueError, match=r"value: wanted shape \(2, 5, Dv\), one value .*got \(2, 4, 12\)"):
        DotAttention()(x, x, x[:, :4])


@pytest.mark.bad_input
def test_a_decoder_wants_a_memory_or_caches():
    decoder, x = Decoder(**STACK), torch.randn(2, 1, 12)
    memory = torch.randn(2, 5, 12)
    caches = decoder.start(memory)
    with pytest.raises(ValueError, match=r"memory: wanted either .* got neither"):
        decoder(x, None)
    with pytest.raises(ValueError, match=r"memory: wanted either .* got both"):
        decoder(x, memory, caches=caches)
    with pytest.raises(ValueError, match="caches: wanted 2, one for each layer, got 1"):
        decoder(x, None, caches=caches[:1])
    attention = MultiHeadAttention(12, 3)
    with pytest.raises(TypeError, match="query: wanted a tensor, got None"):
        attention(None, x, x)
    with pytest.raises(TypeError, match="key: wanted a tensor, got None"):
        attention(x, None, None)
    with pytest.raises(TypeError, match="value: wanted a tensor, got None"):
        attention(x, x, None)
    with pytest.raises(TypeError, match="key: wanted a tensor, got None"):
        attention(x, None, x, cache=caches[0].target)


@pytest.mark.bad_input
@pytest.mark.parametrize("kind", ["transformer", "gru", "convolutional"])
def test_a_step_with_another_batch_than_the_state_is_named(kind):
    model = {
        "transformer": transformer,
        "gru": lambda: RecurrentSeq2Seq(11, 13, 6, "dot"),
        "convolutional": lambda: ConvolutionalSeq2Seq(11, 13, 6),
    }[kind]()
    state = model.start(torch.randint(1, 11, (3, 5)))
    with pytest.raises(ValueError, match=r"ids: wanted shape \(3,\), .*got \(2,\)"):
        model.step(torch.tensor([1, 2]), state)
    _, state, _ = model.step(torch.tensor([1, 2, 3]), state)
    with pytest.raises(ValueError, match=r"ids: wanted shape \(3,\), .*got \(2,\)"):
        model.step(torch.tensor([1, 2]), state)


@pytest.mark.bad_input
def test_positions_name_the_size_that_is_wrong():
    with pytest.raises(ValueError, match="max_length: wanted a whole number of at least 1, got 0"):
        SinusoidalPositions(6, 0)
    with pytest.raises(ValueError, match="positions -1 to 0, wanted 0 to 511: max_length is 512"):
        SinusoidalPositions(6)(torch.randn(1, 2, 6), offset=-1)


@pytest.mark.bad_input
def test_searches_name_a_bad_start():
    source = torch.randint(1, 11, (2, 5))
    for search in (greedy_decode, beam_search):
        for start in (-1, True, None):
            with pytest.raises(ValueError, match="start: wanted"):
                search(transformer(), source, start=start, end=2, max_length=3)


@pytest.mark.parametrize("need_weights", [True, False])
def test_an_empty_batch_gives_empty_results(need_weights):
    model = transformer()
    source, target = torch.ones(0, 5, dtype=torch.long), torch.ones(0, 4, dtype=torch.long)
    logits, attentions = model(source, target, need_weights)
    assert logits.shape == (0, 4, 13)
    if need_weights:
        assert attentions.cross.shape == (2, 0, 3, 4, 5)
    for search in (greedy_decode, beam_search):
        found = search(model, source, start=1, end=2, max_length=6, need_weights=need_weights)
        assert found.ids.shape[0] == found.scores.shape[0] == 0
        assert (found.attentions is None) != need_weights


@pytest.mark.parametrize("need_weights", [True, False])
def test_empty_lengths_give_empty_results_and_zeros(need_weights):
    x, nothing = torch.randn(2, 4, 12), torch.randn(2, 0, 12)
    attention, decoder = MultiHeadAttention(12, 3), Decoder(**STACK)
    for mask in (None, torch.tensor(True), torch.ones(2, 1, 1, 0, dtype=torch.bool)):
        output, weights = attention(x, nothing, nothing, mask, need_weights)
        torch.testing.assert_close(output, attention.output.bias.expand(2, 4, 12))  # of zeros
        assert weights is None or weights.shape == (2, 3, 4, 0)
    assert attention(nothing, x, x, None, need_weights)[0].shape == (2, 0, 12)
    assert Encoder(**STACK)(nothing, None, need_weights)[0].shape == (2, 0, 12)
    assert decoder(nothing, x, None, None, need_weights)[0].shape == (2, 0, 12)
    assert decoder(x, nothing, None, None, need_weights)[0].isfinite().all()
    empty_source = torch.ones(2, 0, dtype=torch.long)
    logits, _ = transformer()(empty_source, torch.tensor([[1, 3], [1, 4]]), need_weights)
    assert logits.isfinite().all()


@pytest.mark.bad_input
def test_an_empty_batch_or_target_is_refused():
    source = torch.randint(1, 11, (2, 5))
    with pytest.raises(ValueError, match=r"target: wanted shape \(2, T\), .*one token.*got \(2, 0\)"):
        transformer()(source, source[:, :0])
    for model in (RecurrentSeq2Seq(11, 13, 6), ConvolutionalSeq2Seq(11, 13, 6)):
        for empty in (source[:0], source[:, :0]):
            with pytest.raises(ValueError, match=r"source: wanted .*at least one row and"):
                model(empty, source)
            with pytest.raises(ValueError, match=r"source: wanted .*at least one row and"):
                greedy_decode(model, empty, start=1, end=2, max_length=3)
        with pytest.raises(ValueError, match=r"target: wanted .*at least one row and"):
            model(source, source[:, :0])


X = torch.ones(2, 3, 12)
SOURCE = torch.ones(2, 3, dtype=torch.long)
OPTIONS = {"start": 1, "end": 2, "max_length": 3}
LANGUAGE = {"vocab": 11, "d_model": 12, "num_heads": 3, "num_layers": 1, "d_ff": 10}


def language_model(**options) -> LanguageModel:
    return LanguageModel(**LANGUAGE | options).eval()


@pytest.mark.bad_input
@pytest.mark.parametrize("wrong", [None, [[1.0]], np.ones((2, 3, 12)), X.long()])
@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("Q", lambda x: Attn(12, 12, 3, 12, 12)(x, X[:1], X[:1])),
        ("V", lambda x: Attn(12, 12, 3, 12, 12)(X[:1], X[:1], x)),
        ("scores", masked_softmax),
        ("query", lambda x: scaled_dot_product_attention(x, X, X)),
        ("value", lambda x: scaled_dot_product_attention(X, X, x)),
        ("query", lambda x: DotAttention()(x, X, X)),
        ("key", lambda x: DotAttention()(X, x, X)),
        ("value", lambda x: AdditiveAttention(12, 12, 4)(X, X, x)),
        ("query", lambda x: MultiHeadAttention(12, 3)(x, X, X)),
        ("key", lambda x: MultiHeadAttention(12, 3)(X, x, X)),
        ("x", FeedForward(12, 8)),
        ("x", GatedFeedForward(12, 8)),
        ("x", GeluFeedForward(12, 8)),
        ("x", lambda x: AddNorm(12)(x, X)),
        ("y", lambda x: AddNorm(12)(X, x)),
        ("x", Encoder(**STACK)),
        ("x", Encoder(**STACK, norm_first=True)),
        ("x", lambda x: Decoder(**STACK)(x, X)),
        ("memory", Decoder(**STACK).start),
        ("x", SinusoidalPositions(12)),
        ("x", LearnedPositions(12)),
        ("x", RotaryPositions(12)),
    ],
)
def test_vectors_that_are_no_tensor_of_floats_are_named(name, call, wrong):
    with pytest.raises(TypeError, match=f"^{name}: wanted (a tensor|floating-point numbers), got"):
        call(wrong)


@pytest.mark.bad_input
@pytest.mark.parametrize("wrong", [None, 5, [[1, 2]], SOURCE.float(), SOURCE.bool()])
@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("ids", lambda ids: padding_mask(ids, 0)),
        ("source", lambda ids: transformer()(ids, SOURCE)),
        ("target", lambda ids: transformer()(SOURCE, ids)),
        ("source", transformer().start),
        ("ids", lambda ids: transformer().step(ids, transformer().start(SOURCE))),
        ("source", lambda ids: RecurrentSeq2Seq(11, 13, 6)(ids, SOURCE)),
        ("target", lambda ids: RecurrentSeq2Seq(11, 13, 6)(SOURCE, ids)),
        ("ids", language_model()),
        ("source", language_model().start),
        ("ids", Bert(11, 12, 3, 1, 10, 9)),
        ("source", lambda ids: greedy_decode(transformer(), ids, **OPTIONS)),
        ("source", lambda ids: beam_search(transformer(), ids, **OPTIONS)),
        ("ids", lambda ids: sample(language_model(), ids, max_length=1)),
        ("target", lambda ids: token_loss(transformer(), SOURCE, ids)),
        ("source", lambda ids: exact_match(transformer(), ids, SOURCE)),
        ("target", lambda ids: exact_match(transformer(), SOURCE, ids)),
    ],
)
def test_ids_that_are_no_tensor_of_whole_numbers_are_named(name, call, wrong):
    with pytest.raises(TypeError, match=f"^{name}: wanted .*, got"):
        call(wrong)


@pytest.mark.bad_input
@pytest.mark.parametrize("wrong", ["post", None, 1, 0.0])
@pytest.mark.parametrize(
    ("name", "build"),
    [
        ("bias", lambda flag: MultiHeadAttention(12, 3, bias=flag)),
        ("norm_first", lambda flag: AddNorm(12, norm_first=flag)),
        ("norm_first", lambda flag: Encoder(**STACK, norm_first=flag)),
        ("norm_first", lambda flag: Decoder(**STACK, norm_first=flag)),
        ("norm_first", lambda flag: transformer(norm_first=flag)),
        ("interleaved", lambda flag: RotaryPositions(12, interleaved=flag)),
        ("interleaved", lambda flag: language_model(interleaved=flag)),
        ("decay", lambda flag: fit(transformer(), [], steps=1, decay=flag)),
        ("progress", lambda flag: fit(transformer(), [], steps=1, progress=flag)),
        ("start", lambda flag: Vocabulary("ab").batch(["a"], start=flag)),
        ("end", lambda flag: Vocabulary("ab").batch(["a"], end=flag)),
    ],
)
def test_flags_are_true_or_false(name, build, wrong):
    with pytest.raises(ValueError, match=f"^{name}: wanted True or False, got {wrong!r}"):
        build(wrong)


@pytest.mark.bad_input
@pytest.mark.parametrize("wrong", ["1", True, float("nan"), float("inf"), [1]])
@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("scale", lambda number: scaled_dot_product_attention(X, X, X, scale=number)),
        ("base", lambda number: RotaryPositions(12, number)),
        ("base", lambda number: language_model(base=number)),
        ("epsilon", lambda number: Bert(11, 12, 3, 1, 10, 9, epsilon=number)),
        ("epsilon", lambda number: language_model(epsilon=number)),
        (
            "length_penalty",
            lambda number: beam_search(transformer(), SOURCE, **OPTIONS, length_penalty=number),
        ),
        ("temperature", lambda number: sample(language_model(), SOURCE, max_length=1, temperature=number)),
        ("top_p", lambda number: sample(language_model(), SOURCE, max_length=1, top_p=number)),
        ("learning_rate", lambda number: fit(transformer(), [], steps=1, learning_rate=number)),
        ("peak", lambda number: plot_attention(np.eye(2), ["a", "b"], peak=number)),
    ],
)
def test_numbers_are_finite(name, call, wrong):
    with pytest.raises(ValueError, match=f"^{name}: wanted .*, got"):
        call(wrong)


@pytest.mark.bad_input
@pytest.mark.parametrize("wrong", ["0", True, 0.5, [1]])
@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("pad", lambda number: padding_mask(SOURCE, number)),
        ("offset", lambda number: SinusoidalPositions(12)(X, number)),
        ("offset", lambda number: RotaryPositions(12)(X[None], number)),
        ("index", lambda number: Attentions(torch.ones(1, 2, 1, 3, 3)).item(number)),
        ("max_length", lambda number: transformer(positions=None, max_length=number)),
        ("end", lambda number: sample(language_model(), SOURCE, max_length=1, end=number)),
        ("warmup", lambda number: fit(transformer(), [], steps=5, warmup=number)),
        ("length", lambda number: ArticleContext(12, number)),
        ("length", lambda number: Vocabulary("ab").batch(["a"], number)),
        ("length", lambda number: ReversalTask().batch(1, length=number)),
    ],
)
def test_whole_numbers_are_named(name, call, wrong):
    with pytest.raises(ValueError, match=f"^{name}: wanted a whole number.*, got"):
        call(wrong)


@pytest.mark.bad_input
@pytest.mark.parametrize("shape", [(2, 3, 2, 4), (2, 2, 2, 4), (2, 3, 2, 6)])
def test_a_cache_of_other_heads_is_named(shape):
    attention = MultiHeadAttention(12, 3)
    cache = KeyValues(torch.ones(shape), torch.ones(shape))
    if shape == (2, 3, 2, 4):
        assert attention(X, X, X, cache=cache)[2].keys.shape == (2, 3, 5, 4)
    else:
        with pytest.raises(ValueError, match=r"cache: wanted shape \(2, 3, S, 4\), got"):
            attention(X, X, X, cache=cache)
    rotary = RotaryAttention(12, 3, 1, RotaryPositions(4))
    with pytest.raises(ValueError, match=r"cache: wanted shape \(2, 1, S, 4\), got"):
        rotary(X, X, X, cache=cache)
    with pytest.raises(ValueError, match=r"value: wanted shape \(2, 3, 12\), .*got \(2, 3, 5\)"):
        rotary(X, X, X[..., :5])
    with pytest.raises(TypeError, match="cache: wanted KeyValues, got Tensor"):
        attention(X, X, X, cache=X)
    with pytest.raises(TypeError, match="cache: wanted a LayerCache, got KeyValues"):
        DecoderLayer(12, 3, 10)(X, None, cache=cache)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: scaled_dot_product_attention(*torch.ones(3, 2, 4, 0)), r"query: .*at least 1.*\(2, 4, 0\)"),
        (lambda: DotAttention()(torch.tensor(1.0), X, X), r"query: wanted shape .*got \(\)"),
        (lambda: Attentions(torch.ones(1, 2, 1, 3, 3)).item(2), "index: wanted one of 2 sequences.*got 2"),
        (lambda: AddNorm(12)(X, X[:1]), r"y: wanted shape \(2, 3, 12\), as x has, got \(1, 3, 12\)"),
        (lambda: RotaryPositions(4)(torch.ones(1, 1, 3, 4), angles=(X, X)), r"angles: wanted shape \(3, 4\)"),
        (lambda: RotaryAttention(12, 3, 3, None), "rotary: wanted RotaryPositions of width 4, got None"),
        (lambda: RotaryAttention(12, 3, 3, RotaryPositions(6)), "rotary: wanted .* of width 4, got"),
        (lambda: ArticleContext(0, 5), "d_model: wanted a whole number of at least 1, got 0"),
        (lambda: transformer(positions=[]), r"positions: wanted one of .*got \[\]"),
        (lambda: RecurrentSeq2Seq(11, 13, attention=[]), r"attention: wanted one of .*got \[\]"),
        (lambda: RecurrentSeq2Seq(11, 13, cell=[]), r"cell: wanted one of .*got \[\]"),
        (lambda: transformer()(SOURCE * 11, SOURCE), "source: wanted ids from 0 to 10, got 11 to 11"),
        (lambda: transformer()(SOURCE, SOURCE * 13), "target: wanted ids from 0 to 12, got 13 to 13"),
        (
            lambda: sample(language_model(), SOURCE, max_length=1, end=99),
            "end: wanted an id from 0 to 10, got",
        ),
        (lambda: sample(language_model(), SOURCE, max_length=1, end=-1), "end: wanted .*at least 0, got -1"),
        (
            lambda: sample(language_model(), SOURCE, max_length=1, temperature=1e-45),
            "temperature: wanted 0 or a number of at least 1e-30, got 1e-45",
        ),
        (lambda: schedule(5, 5, 5), "warmup: wanted 0 or more, below steps=5, got 5"),
        (lambda: fit(torch.nn.ReLU(), [], steps=1), "model: wanted one with parameters, got ReLU"),
        (lambda: token_loss(transformer(), SOURCE, SOURCE * 0), "target: wanted an id to predict"),
        (lambda: fit(transformer(), [(SOURCE[:0], SOURCE[:0])], steps=1), "target: wanted an id to predict"),
        (lambda: matches(transformer(), SOURCE[:0], SOURCE[:0]), "source: wanted .* at least one row"),
        (
            lambda: exact_match(transformer(), SOURCE[:0], SOURCE[:0]),
            "source: wanted .* at least one row",
        ),
        (lambda: weights_colormap("x"), "theme: wanted 'light' or 'dark', got 'x'"),
        (lambda: Vocabulary([1, "a"]), "characters: wanted single characters, got 1"),
        (lambda: Vocabulary(5), "characters: wanted single characters, got 5"),
        (lambda: Vocabulary("ab").decode([True]), "ids: wanted whole numbers .*got True"),
        (lambda: Vocabulary("ab").batch(5), "texts: wanted a list of at least one string, got 5"),
        (lambda: Vocabulary("ab").batch(["a"], tags=5), "tags: wanted 1, one per text, got 5"),
        (lambda: DateTask(languages=5), "languages: wanted a list of at least one language, got 5"),
        (lambda: DateTask(formats=(name for name in ["full"])), "formats: wanted a list .*got <generator"),
        (lambda: TranslationTask(targets=5), "targets: wanted a list of some of .*got 5"),
        (lambda: TranslationTask(targets=[[]]), "targets: wanted a list of some of .*got"),
        (lambda: DateTask().encode(5), r"rows: wanted at least one \(date, language, format\), got 5"),
        (lambda: DateTask().encode([("2009-03-07", "en")]), r"rows: wanted \(date, language, format\), got"),
        (
            lambda: TranslationTask().encode([("2009-03-07", "en", "full")]),
            r"rows: wanted \(date, language, format, target\), got",
        ),
        (lambda: ReversalTask(5), "alphabet: wanted .*got 5"),
        (lambda: dates_in([]), r"split: wanted one of .*got \[\]"),
        (lambda: checkpoints.load(None), "name: wanted one of .*got 'None'"),
        (lambda: snapshots.load(None), "name: wanted one of .*got 'None'"),
        (lambda: Recipe("x", {}).build(), "task: wanted one of iso, translate, got 'x'"),
    ],
)
def test_other_values_that_do_not_fit_are_named(call, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        call()


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: greedy_decode(transformer(), SOURCE, start=torch.ones(2), end=2, max_length=3),
            "start: wanted ids in a tensor of int64 or int32, got torch.float32",
        ),
        (
            lambda: sample(transformer(), SOURCE, max_length=1),
            "model: wanted one without an encoder, such as LanguageModel, got Transformer",
        ),
        (lambda: Vocabulary("ab", tags="zh"), "tags: wanted a list of strings, got 'zh'"),
        (lambda: Vocabulary("ab").decode(5), "ids: wanted a row of ids, got 5"),
        (lambda: Vocabulary("ab").decode(torch.tensor(5)), "ids: wanted a row of ids, got 5"),
        (lambda: Vocabulary("ab").batch([5]), "text: wanted a string, got 5"),
        (lambda: split_of(5), "text: wanted a string, got 5"),
        (lambda: cache_folder(5), "cache: wanted a folder, got 5"),
    ],
)
def test_other_types_that_do_not_fit_are_named(call, message):
    with pytest.raises(TypeError, match=f"^{message}"):
        call()


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("heads", "error"), [(None, TypeError), ("cross", TypeError), (3, TypeError), ([[0, 1]], ValueError)]
)
def test_heads_that_are_no_list_of_tuples_are_named(heads, error):
    with pytest.raises(error, match=r"^heads: wanted"), ablate(Encoder(**STACK), heads):
        pass


@pytest.mark.bad_input
def test_numpy_numbers_and_flags_and_infinite_clips_are_welcome():
    assert MultiHeadAttention(12, 3, bias=np.False_).query.bias is None
    assert Vocabulary("ab").decode(np.array([3, 4])) == "ab"
    assert padding_mask(SOURCE, np.int64(1)).any().item() is False
    with ablate(Encoder(**STACK), [(np.int64(0), np.int64(1))]):
        pass
    batch = (SOURCE, SOURCE)
    fit(transformer(), [batch], steps=1, clip=float("inf"), learning_rate=np.float32(1e-3), progress=False)
    figure = plot_attention(np.eye(2), ["a", "b"], title=3).figure
    assert figure.axes[0].get_title(loc="left") + figure.axes[0].get_title() == "3"


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: require_number(x=float("nan")), "x: wanted a finite number, got nan"),
        (lambda: require_number(0, x=float("inf")), "x: wanted a number above 0, got inf"),
        (lambda: require_number(0, x=0), "x: wanted a number above 0, got 0"),
        (lambda: require_whole(x=-1), "x: wanted a whole number of at least 0, got -1"),
        (lambda: require_whole(None, x=0.5), "x: wanted a whole number, got 0.5"),
        (lambda: require_end(5, torch.ones(2, 5)), "end: wanted an id from 0 to 4, got 5"),
        (lambda: require_end(-1, torch.ones(2, 5)), "end: wanted an id from 0 to 4, got -1"),
        (lambda: plot_attention(torch.eye(2), ["a", "b"], peak=-1), "peak: wanted a number above 0, got -1"),
        (lambda: DateTask().encode([(1,)]), r"rows: wanted \(date, language, format\), got \(1,\)"),
        (
            lambda: TranslationTask().encode([(1,)]),
            r"rows: wanted \(date, language, format, target\), got \(1,\)",
        ),
        (lambda: Attentions(torch.ones(1, 2, 1, 3, 3)).item(-3), "index: wanted one of 2 .*got -3"),
    ],
)
def test_a_message_says_exactly_what_was_wanted(call, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        call()


@pytest.mark.bad_input
@pytest.mark.parametrize("number", [0, 1, 2])
def test_each_input_of_the_articles_attention_is_named(number):
    given = [torch.ones(1, 4, 3), torch.ones(1, 4, 2), torch.ones(1, 6, 2)]
    given[number] = "QKV"[number]
    with pytest.raises(TypeError, match=f"^{'QKV'[number]}: "):
        Attn(3, 2, 6, 2, 5)(*given)


@pytest.mark.bad_input
def test_a_query_that_does_not_fit_its_cache_is_named():
    attention = MultiHeadAttention(12, 3)
    cache = attention.keys_and_values(X, X)
    with pytest.raises(ValueError, match=r"^query: wanted shape"):
        attention(X[..., :5], None, None, cache=cache)


def test_the_limits_themselves_are_accepted():
    require_end(0, torch.ones(2, 5))
    require_end(4, torch.ones(2, 5))
    maps = torch.arange(4.0).reshape(1, 4, 1, 1, 1)
    for index in range(-4, 4):
        assert Attentions(maps).item(index).encoder.item() == index % 4
    assert padding_mask(torch.tensor([[1, -100]]), -100).tolist() == [[[[True, False]]]]
    model = language_model()
    coldest, greedy = (sample(model, SOURCE, max_length=3, temperature=t).ids for t in (1e-30, 0))
    assert torch.equal(coldest, greedy)
    x, rotary = torch.randn(1, 1, 1, 8, dtype=torch.float64), RotaryPositions(8)
    torch.testing.assert_close(rotary(rotary(x, 2), -2), x)
    assert token_loss(transformer(), SOURCE, torch.tensor([[1, 5], [1, 7]])).isfinite()  # one id to predict
    assert matches(transformer(), SOURCE[:, :0], torch.tensor([[1, 5, 2], [1, 7, 2]])).shape == (2,)
