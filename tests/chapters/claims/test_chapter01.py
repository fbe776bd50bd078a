"""The statements of chapter 1 agree with the numbers that this build printed."""

from torch import nn

from attnbook import MultiHeadAttention

CHAPTER = "01-why-attention"
LENGTHS = [f"{n} letters" for n in range(2, 17, 2)]


def test_without_attention_long_strings_fail_and_with_it_later_or_never(printed):
    right = {name: printed.column(name, "16 letters") for name in ("no attention", "article", "dot")}
    additive = printed.column("additive", "16 letters")
    none = right.pop("no attention")
    assert none["4 letters"] > 90
    assert max(none["14 letters"], none["16 letters"]) < 10
    assert min(additive[length] for length in LENGTHS) > 90
    assert all(column["10 letters"] > none["10 letters"] + 20 for column in right.values())
    assert right["dot"]["parameters"] == none["parameters"]


def test_sixty_steps_learn_one_batch_by_heart(printed):
    assert printed.number("loss after 0 steps:") > 3
    assert printed.number("loss after 60 steps:") < 0.1


def test_a_wider_context_moves_the_limit_and_does_not_remove_it(printed):
    narrow, middle, wide = (printed.column(f"D = {d}", "16 letters") for d in (16, 32, 64))
    assert narrow["8 letters"] + 20 < middle["8 letters"] < wide["8 letters"]
    assert middle["10 letters"] + 10 < wide["10 letters"]
    assert wide["16 letters"] < 20
    assert printed.column("additive", "16 letters")["16 letters"] > wide["16 letters"] + 40


def test_letters_with_fewer_bits_get_further_but_not_as_far_as_their_bits(printed):
    few = printed.column("4 letters", "16 letters")
    many = printed.column("26 letters", "16 letters")
    assert few["10 letters"] > many["10 letters"] + 20
    assert few["16 letters"] + 20 < many["6 letters"]  # 32 bits against 28


def test_the_middle_suffers_most_and_wrong_letters_come_from_a_neighbour(printed):
    parts = {part: printed.column(part, "no attention") for part in ("first two", "middle two", "last two")}
    middle = parts["middle two"]["no attention"]
    assert middle + 3 < min(parts["first two"]["no attention"], parts["last two"]["no attention"])
    assert parts["middle two"]["additive"] > 95
    wrong = printed.column("no attention", "not in the string")
    guess = printed.column("a blind guess", "not in the string")
    assert wrong["from a neighbour"] > 45 > 15 > guess["from a neighbour"]
    assert wrong["not in the string"] < 20 < 50 < guess["not in the string"]


def test_where_attention_looks(printed):
    just_after, just_before = "read just after", "read just before"
    for name in ("additive", "dot"):
        share = printed.column(name, just_after)
        assert share["elsewhere"] < 35
        assert share["the letter itself"] > 20
    for name in ("additive", "article"):
        share = printed.column(name, just_after)
        assert share[just_after] > 2 * share[just_before]
    dot = printed.column("dot", just_after)
    assert abs(dot[just_after] - dot[just_before]) <= 3
    untrained = printed.column("untrained", just_after)
    assert untrained["elsewhere"] > 60
    assert all(1 / 24 < untrained[where] / 100 < 1 / 6 for where in untrained if where != "elsewhere")


def test_the_recurrent_chain_grows_with_each_token_and_the_others_do_not(printed):
    chain = printed.column("GRU", "T = 16")
    steps = [chain[f"T = {2 * n}"] - chain[f"T = {n}"] for n in (8, 16, 32, 64)]
    assert steps == [steps[0] * 2**n for n in range(4)]
    for name in ("CNN", "attention"):
        assert len(set(printed.column(name, "T = 16").values())) == 1
    assert printed.column("CNN", "T = 16")["T = 128"] == 30
    assert printed.number("twenty convolutions:") == 100


def test_every_decoder_needs_one_call_per_token(printed):
    for name in ("recurrent", "convolutional", "Transformer"):
        assert printed.column(name, "T = 32") == {"T = 8": 8, "T = 32": 32}


def test_the_receptive_field_is_what_the_formula_says(printed):
    for kernel in (3, 5):
        measured = printed.column(f"k = {kernel}, measured", "n = 12")
        assert measured == printed.column(f"k = {kernel}, formula", "n = 12")
        assert len(measured) == 6


def test_gradients_shrink_by_a_factor_end_or_fall_like_one_over_t(printed):
    reach = {name: printed.column(name, "T = 75") for name in ("GRU", "LSTM", "CNN", "attention")}
    for name in ("GRU", "LSTM"):
        assert reach[name]["T = 50"] < 1e-8
        assert reach[name]["T = 75"] < 1e-3 * reach[name]["T = 50"]
    assert reach["CNN"]["T = 7"] > 0 == reach["CNN"]["T = 10"]
    attention = reach["attention"]
    assert attention["T = 50"] > 1e-2
    assert 3 < attention["T = 10"] / attention["T = 75"] < 25


def test_an_open_gate_and_training_bring_the_past_back(printed):
    reach = printed.column("T = 50", "LSTM, untrained")
    assert reach["LSTM, untrained"] < 1e-8
    assert reach["LSTM, untrained, gate nearly open"] > 1e-2
    assert reach["trained without attention"] > 1e-5
    bottleneck, attention = "trained without attention", "trained with additive attention"
    assert reach[bottleneck] > 10 * reach[attention]
    at = {t: printed.column(f"T = {t}", "LSTM, untrained") for t in (5, 10, 20)}
    assert at[20][bottleneck] > 2 * at[20][attention]
    assert all(at[t][bottleneck] < at[t][attention] for t in (5, 10))


def test_attention_begins_below_the_gru_and_ends_above(printed):
    gru, attention = (printed.column(name, "T = 4096") for name in ("GRU", "attention"))
    assert attention["T = 64"] < gru["T = 64"]
    assert attention["T = 4096"] > gru["T = 4096"]
    assert gru["slope"] < 1.4 < attention["slope"]
    assert printed.column("convolution", "T = 4096")["slope"] < 1.4


def test_the_layers_have_as_many_matrices_as_the_count_of_multiplications_says():
    layers = {6: (nn.GRU(64, 64), nn.Conv1d(64, 128, 3)), 4: (MultiHeadAttention(64, 1),)}
    for matrices, those in layers.items():
        for layer in those:
            assert sum(p.numel() for p in layer.parameters() if p.dim() > 1) == matrices * 64**2
