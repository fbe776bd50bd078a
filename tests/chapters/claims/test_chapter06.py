"""The statements of chapter 6 agree with the numbers that this build printed."""

from difflib import SequenceMatcher
from itertools import combinations

CHAPTER = "06-masked-decoder"
SEEDS = (0, 1)


def of(kind: str, column: dict[str, float]) -> list[float]:
    """The cells of one kind of model, one for each of its seeds."""
    found = [value for row, value in column.items() if row.startswith(f"{kind}, seed ")]
    assert found, kind
    return found


def test_before_softmax_nothing_leaks_after_it_the_future_does_and_renormalizing_repairs_it(printed):
    leak = printed.column("on a later input", "renormalized")
    least = printed.column("least row sum", "renormalized")
    assert leak["before"] == 0
    assert leak["after"] > 0.05
    assert leak["renormalized"] < 1e-12
    assert least["before"] == least["renormalized"] == 1 > 0.9 > least["after"]


def test_renormalizing_a_row_whose_hidden_key_takes_all_gives_nan(printed):
    table = next(table for table in printed.tables if "hidden score 110" in table)
    quiet, loud = table["hidden score 10"], table["hidden score 110"]
    assert loud["renormalized"] == "NaN"
    assert quiet["renormalized"] == quiet["before"] == loud["before"]
    assert table["hidden score 100"]["renormalized"] != quiet["before"]


def test_a_decoder_layer_is_as_large_as_pytorchs_and_computes_the_same(printed):
    assert max(printed.column("largest difference", "gradient of the memory").values()) < 1e-12
    table = next(table for table in printed.tables if "cross_attention" in table)
    sizes, encoder = (
        {row: int(cells[f"{which}coder layer"].replace(",", "")) for row, cells in table.items()}
        for which in ("de", "en")
    )
    assert sizes["all"] == printed.number("torch.nn.TransformerDecoderLayer")
    both = sizes["self_attention"] + sizes["cross_attention"]
    assert abs(both - sizes["feed_forward"]) < 0.01 * both
    norm = sizes["3 Add & Norm"] - encoder["3 Add & Norm"]
    assert norm * 3 == sizes["3 Add & Norm"]
    assert sizes["all"] - encoder["all"] == sizes["cross_attention"] + norm


def test_the_decoder_in_one_listing_equals_the_package(printed):
    assert printed.number("largest difference of a logit:") < 1e-6
    assert printed.number("ours:") == printed.number("package's:")


def test_the_leak_test_acquits_the_causal_mask_alone(printed):
    look = printed.column("strongest dependence on the future", "one position too far")
    assert look.pop("causal mask") == 0
    assert len(look) == 3
    assert min(look.values()) > 1e-3
    assert printed.number("weakest dependence on the source") > 1e-3


def test_the_gradient_of_a_sum_is_blind(printed):
    assert printed.number("no mask, their sum") < 1e-9 < 1e-2 < printed.number("no mask, each feature")


def test_without_the_mask_the_loss_is_better_and_no_date_is_written(printed):
    loss = printed.column("teacher-forced loss", "no mask, seed 0")
    written = printed.column("dates correct, decoded, %", "no mask, seed 0")
    forced = printed.column("tokens correct, forced, %", "no mask, seed 0")
    for open_loss, causal_loss in zip(of("no mask", loss), of("causal mask", loss), strict=True):
        assert open_loss < 0.7 * causal_loss
    assert max(of("no mask", loss)) < min(of("mask after softmax", loss))
    assert max(of("no mask", written) + of("mask after softmax", written)) < 1
    assert min(of("causal mask", written)) > 80
    assert min(of("no mask", forced)) > 99.5
    assert min(of("mask after softmax", forced)) > 98
    anew = printed.column("dates correct, re-read at every step, %", "causal mask")
    assert max(anew["no mask"], anew["mask after softmax"]) < 1
    assert abs(anew["causal mask"] - of("causal mask", written)[0]) < 1


def test_the_first_screen_shows_the_better_loss_and_that_no_date_is_written(printed):
    rows = [f"decoder with {kind}" for kind in ("causal mask", "no mask")]
    loss, written = (
        printed.column(column, rows[1]) for column in ("loss on held-out dates", "dates it can write, %")
    )
    assert loss[rows[1]] < 0.7 * loss[rows[0]]
    assert written[rows[1]] == 0 < 80 < written[rows[0]]


def test_the_unmasked_model_writes_almost_the_same_whatever_it_reads(printed):
    table = next(table for table in printed.tables if "June 30, 1926" in table)
    written = [cells["no mask"] for cells in table.values()]
    assert len(written) == 5
    assert all(cells["correct"] != cells["no mask"] for cells in table.values())
    for one, other in combinations(written, 2):
        assert SequenceMatcher(None, one, other).ratio() > 0.8


def test_because_it_copies_the_next_token(printed):
    head = next(row for table in printed.tables for row in table if row.startswith("seed 0: layer"))
    ahead, own = (printed.column(c, head) for c in ("the next, a digit", "itself"))
    assert min(ahead.values()) > 0.55
    assert all(own[row] < ahead[row] for row in ahead)
    hyphens = printed.column("the next, a hyphen", head)
    assert all(hyphens[row] < ahead[row] - 0.1 for row in ahead)
    swapped = printed.column("another date's source, %", "no mask, seed 0")
    assert min(of("no mask", swapped)) > 95
    assert max(of("causal mask", swapped)) < of("mask after softmax", swapped)[0] - 1
    assert of("mask after softmax", swapped)[0] < min(of("no mask", swapped)) - 5
    assert max(of("causal mask", swapped)) < 60
    follows = printed.column("predicts the planted digit, %", "no mask, seed 0")
    stays = printed.column("predicts the date's digit, %", "no mask, seed 0")
    assert min(of("no mask", follows)) > 90
    assert max(of("causal mask", follows)) < 2
    assert min(of("causal mask", stays)) > 97
    assert max(of("no mask", stays)) < of("mask after softmax", stays)[0] < 96


def test_a_row_once_computed_does_not_change(printed):
    assert printed.number("a weight, once computed, changes by at most") < 1e-4


def test_exposure_bias_costs_tokens_and_no_dates(printed):
    row = "causal, seed 0"
    dates, tokens = (
        [printed.column(f"{what}, {how}", row) for how in ("forced", "decoded")]
        for what in ("dates", "tokens")
    )
    assert dates[0] == dates[1]
    for seed, forced in tokens[0].items():
        assert forced - 2 < tokens[1][seed] < forced


def test_beams_find_likelier_sequences_and_trained_models_leave_them_little(printed):
    row = "half trained, seed 0"
    differ, likelier = (printed.column(column, row) for column in ("beams differ", "more likely"))
    for name, count in differ.items():
        assert likelier[name] >= 0.9 * count
    halves = [f"half trained, seed {seed}" for seed in (0, 1)]
    assert max(differ[f"trained, seed {seed}"] for seed in SEEDS) < 15
    assert min(differ[half] for half in halves) > 25
    for way in ("beams", "greedy"):
        only = printed.column(f"only {way} correct", row)
        assert min(only[half] for half in halves) >= 1


def test_the_cache_changes_nothing_under_a_causal_mask_and_everything_without(printed):
    gap = printed.column("largest difference of a logit", "no mask")
    assert gap["causal mask"] < 1e-3 < 1 < gap["no mask"]
    right = printed.column("dates correct, decoded, %", "position t + 1")
    assert right["position t + 1"] < right["position t"] - 30


def test_the_cache_is_worth_more_the_longer_the_text_and_less_than_the_positions(printed):
    ratio = printed.column("times as fast", "T = 384")
    positions = printed.column("positions, without ÷ with", "T = 384")
    assert max(ratio["T = 8"], ratio["T = 32"]) < ratio["T = 384"]  # the short ones are a few milliseconds
    assert ratio["T = 96"] < ratio["T = 384"]
    assert all(ratio[row] < positions[row] for row in ratio)
    assert printed.number("held") == printed.number("by formula 6.10")
