"""The statements of chapter 7 agree with the numbers that this build printed."""

import re
from statistics import mean

from attnbook.embeddings import sinusoids

CHAPTER = "07-embeddings"


def dates_right(printed, name: str, beside: str) -> list[float]:
    """The percentages of every seed in the row `name` of the table that also has the row `beside`."""
    found = [
        t for t in printed.tables if name in t and beside in t and "dates correct" in next(iter(t.values()))
    ]
    assert len(found) == 1
    return [float(number) for number in re.findall(r"\d+", found[0][name]["dates correct"])]


def test_only_with_positions_does_the_verb_know_who_bites(printed):
    correct = printed.column("correct", "no positions")
    assert correct["positions"] > 99
    assert 30 < correct["no positions"] < 70
    (table,) = (t for t in printed.tables if "no positions" in t and "dog bites man" in t["no positions"])
    assert table["no positions"]["dog bites man"] == table["no positions"]["man bites dog"]
    assert table["positions"]["dog bites man"] == "dog"
    assert table["positions"]["man bites dog"] == "man"
    assert float(table["no positions"]["logits differ by"]) < 1e-4


def test_one_matrix_moves_every_position(printed):
    moved = [line for line in printed.lines if line.startswith("moved by")]
    assert len(moved) == 3
    assert max(float(line.split()[-1]) for line in moved) < 1e-3
    assert any(line.startswith("100% of 511 queries") for line in printed.lines)


def test_a_neighbour_is_nearly_as_close_as_the_position_itself(printed):
    table = sinusoids(512, 64)
    dots = table @ table.T
    assert abs(dots[100, 100] - 32) < 1e-4
    assert round(printed.number("a step back or forth:"), 1) == 30.9
    scores = dots / 64**0.5
    assert scores.softmax(-1).diagonal().max() < 0.1
    assert (30 * scores).softmax(-1).diagonal().min() > 0.95


def test_a_product_costs_more_the_larger_the_vocabulary(printed):
    times = list(printed.column("ratio", "V = 100").values())
    assert times == sorted(times)
    assert times[-1] > 100


def test_without_positions_the_letter_before_is_a_guess_from_the_bag(printed):
    right = printed.column("16 letters", "sinusoidal")
    assert min(right["sinusoidal"], right["learned"]) > 95
    assert 12 < right["none"] < 20


def test_neither_kind_of_position_holds_beyond_the_trained_length(printed):
    beyond = printed.column("17–32", "sinusoidal")
    assert beyond["learned"] < 12
    assert beyond["learned"] < beyond["sinusoidal"] < 80


def test_a_reader_of_bags_knows_the_month_and_writes_anagrams(printed):
    bag = printed.column("reads a bag", "same characters")
    best = printed.number("dates correct, for the best reader of bags")
    assert bag["month"] > 95
    assert 0 < bag["all"] < best
    assert bag["same characters"] > 2 * bag["all"]
    assert bag["year"] < 40
    assert printed.column("reads positions", "same characters")["all"] > 80


def test_only_the_factor_with_the_default_initialization_fails(printed):
    grid = {
        name: dates_right(printed, name, "N(0, 1), times 1")
        for name in ("N(0, 1), times 1", "N(0, 1), times √D", "N(0, 1/D), times 1", "N(0, 1/D), times √D")
    }
    assert max(grid["N(0, 1), times √D"]) < 3
    assert min(grid["N(0, 1/D), times √D"]) > 50
    assert min(grid["N(0, 1/D), times 1"]) > 50
    assert mean(grid["N(0, 1/D), times 1"]) > mean(grid["N(0, 1/D), times √D"]) - 10  # √D gained nothing
    between = grid["N(0, 1), times 1"]
    assert max(between) > 5
    assert mean(between) < mean(grid["N(0, 1/D), times √D"]) - 10


def test_larger_positions_fix_it_and_a_smaller_first_loss_does_not(printed):
    first = printed.column("first loss", "logits / √D")
    assert first["logits / √D"] < 6 < 20 < first["N(0, 1), times √D"]
    assert max(dates_right(printed, "logits / √D", "N(0, 1), times √D")) < 5
    assert min(dates_right(printed, "logits / √D, positions times √D", "N(0, 1), times √D")) > 20


def test_learned_positions_too_need_the_size_of_the_words(printed):
    quiet, loud = "learned, N(0, 1/D)", "learned, times √(D/2)"
    assert min(dates_right(printed, quiet, loud)) > 50
    assert max(dates_right(printed, quiet, loud)) < min(dates_right(printed, loud, quiet)) - 10
    sinusoidal = dates_right(printed, "N(0, 1/D), times √D", "N(0, 1), times 1")
    assert min(dates_right(printed, loud, quiet)) >= min(sinusoidal)


def test_words_that_are_too_small_are_not_learned(printed):
    quiet = [f"N(0, 1/D), times 1/{n}" for n in (4, 8)]
    assert max(max(dates_right(printed, name, quiet[0])) for name in quiet) < 15
    assert max(dates_right(printed, "N(0, 1/D), times 1, positions times 4", quiet[0])) < 15
    assert min(dates_right(printed, "N(0, 1/D), times 1", quiet[0])) > 50
    sizes = printed.column("words", quiet[1])
    where = printed.column("positions", quiet[1])
    assert 5 < where["N(0, 1/D), times 1"] / sizes["N(0, 1/D), times 1"] < 7  # six times smaller
    assert 0.05 > sizes[quiet[0]] / where[quiet[0]] > sizes[quiet[1]] / where[quiet[1]]


def test_tied_and_shallow_a_fresh_model_is_an_echo(printed):
    echoes = printed.column("echoes", "separate output")
    assert (
        echoes["tied"]
        > 0.9
        > 0.5
        > max(echoes["tied, 6 layers"], echoes["tied, times 1"], echoes["separate output"])
    )
    expected, first = (printed.column(name, "separate output") for name in ("expected", "first loss"))
    assert abs(first["separate output"] - expected["separate output"]) < 0.3
    surplus = first["tied"] - expected["tied"]
    assert surplus > 0.4
    assert max(first[name] - expected[name] for name in ("tied, 6 layers", "tied, times 1")) < 0.7 * surplus
    assert first["tied, N(0, 1)"] > 15
    # An echo costs more than random logits, but the formula, for many tokens, gives far more still
    assert 1.5 * first["tied, N(0, 1)"] < expected["tied, N(0, 1)"]
