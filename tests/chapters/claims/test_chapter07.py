"""The statements of chapter 7 agree with the numbers that this build printed."""

import re
from statistics import mean

CHAPTER = "07-embeddings"


def dates_right(printed, name: str, beside: str) -> list[float]:
    """The percentages of every seed in the row `name` of the table that also has the row `beside`."""
    found = [
        t for t in printed.tables if name in t and beside in t and "dates right" in next(iter(t.values()))
    ]
    assert len(found) == 1
    return [float(number) for number in re.findall(r"\d+", found[0][name]["dates right"])]


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
    best = float(
        next(t["Dates from a bag, best possible"]["measured"] for t in printed.tables if "… months" in t)[:-1]
    )
    assert bag["month"] > 95
    assert 0 < bag["all"] < best
    assert bag["same characters"] > 2 * bag["all"]
    assert bag["year"] < 40
    assert printed.column("reads positions", "same characters")["all"] > 80


def test_only_the_articles_class_with_its_default_drawing_fails(printed):
    grid = {
        name: dates_right(printed, name, "N(0, 1), times 1")
        for name in ("N(0, 1), times 1", "N(0, 1), times √d", "N(0, 1/d), times 1", "N(0, 1/d), times √d")
    }
    assert max(grid["N(0, 1), times √d"]) < 3
    assert min(grid["N(0, 1/d), times √d"]) > 50
    assert min(grid["N(0, 1/d), times 1"]) > 50
    between = grid["N(0, 1), times 1"]
    assert max(between) > 5
    assert mean(between) < mean(grid["N(0, 1/d), times √d"]) - 10


def test_louder_positions_mend_it_and_a_smaller_first_loss_does_not(printed):
    first = printed.column("first loss", "scores / √d")
    assert first["scores / √d"] < 6 < 20 < first["N(0, 1), times √d"]
    assert max(dates_right(printed, "scores / √d", "N(0, 1), times √d")) < 5
    assert min(dates_right(printed, "scores / √d, positions times √d", "N(0, 1), times √d")) > 20


def test_learned_positions_too_want_the_size_of_the_words(printed):
    quiet, loud = "learned, N(0, 1/d)", "learned, times √(d/2)"
    assert max(dates_right(printed, quiet, loud)) < min(dates_right(printed, loud, quiet)) - 10


def test_words_that_positions_drown_are_not_learned(printed):
    quiet = [f"N(0, 1/d), times 1/{n}" for n in (4, 8)]
    assert max(max(dates_right(printed, name, quiet[0])) for name in quiet) < 15
    assert min(dates_right(printed, "N(0, 1/d), times 1", quiet[0])) > 50
    sizes = printed.column("words", quiet[1])
    where = printed.column("positions", quiet[1])
    assert 0.1 > sizes[quiet[0]] / where[quiet[0]] > sizes[quiet[1]] / where[quiet[1]]


def test_tied_and_shallow_a_fresh_model_is_an_echo(printed):
    echoes = printed.column("echoes", "own output")
    assert (
        echoes["tied"]
        > 0.9
        > 0.5
        > max(echoes["tied, 6 layers"], echoes["tied, times 1"], echoes["own output"])
    )
    expected, first = (printed.column(name, "own output") for name in ("expected", "first loss"))
    assert abs(first["own output"] - expected["own output"]) < 0.3
    surplus = first["tied"] - expected["tied"]
    assert surplus > 0.4
    assert max(first[name] - expected[name] for name in ("tied, 6 layers", "tied, times 1")) < 0.7 * surplus
    assert first["tied, N(0, 1)"] > 15
