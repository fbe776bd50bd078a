"""The statements of chapter 2 agree with the numbers that this build printed."""

import re

CHAPTER = "02-query-key-value"


def rows(column: dict[str, float], start: str) -> list[float]:
    """The numbers in the rows whose names start so."""
    found = [number for name, number in column.items() if name.startswith(start)]
    assert found, start
    return found


def recapped(printed, row: str, pattern: str) -> list[float]:
    """The numbers in this row of the chapter's recap."""
    (table,) = (table for table in printed.tables if row in table)
    return [float(number) for number in re.match(pattern, table[row]["measured"]).groups()]


def test_the_best_kernel_is_neither_the_hardest_nor_the_softest(printed):
    error, keys = (printed.column(name, "h = 1.5") for name in ("error", "effective keys"))
    assert error["h = 1.5"] + 0.3 < min(error["h = 0.1"], error["h = 48"])
    assert keys["h = 0.1"] < 2
    assert keys["h = 48"] > 39


def test_dot_product_and_distance_agree_for_keys_of_one_length_only(printed):
    gap = printed.column("weights differ up to", "random keys")
    same = printed.column("same best key", "random keys")
    assert gap["keys of equal length"] < 1e-5
    assert same["keys of equal length"] > 99 > 60 > same["random keys"]
    lengths = (printed.column(f"length: {by}", "random keys") for by in ("dot", "all keys", "distance"))
    by_dot, average, by_distance = (column["random keys"] for column in lengths)
    assert by_dot - 0.2 > average > by_distance + 0.2


def test_cold_takes_one_key_and_hot_takes_all(printed):
    keys = printed.column("effective keys", "τ = 20")
    assert keys["τ = 0.1"] < 1.01 < 3.9 < keys["τ = 20"]


def test_the_standard_deviation_follows_the_root_of_the_width_for_independent_components(printed):
    root = printed.column("√d_k", "d_k = 1024")
    for kind in ("normal", "coin flips"):
        deviation = printed.column(kind, "d_k = 1024")
        assert all(abs(deviation[name] / root[name] - 1) < 0.07 for name in root)
    assert abs(printed.column("all equal", "d_k = 1024")["d_k = 1024"] / 1024 - 1) < 0.1


def test_raw_gradients_become_all_or_nothing(printed):
    wide = "d_k = 1024"
    median, mean = printed.column("raw: median", wide), printed.column("raw: mean", wide)
    assert median[wide] < median["d_k = 16"] / 100
    assert mean[wide] > mean["d_k = 4"]
    for name in ("scaled: median", "scaled: mean"):
        scaled = printed.column(name, wide)
        assert max(scaled.values()) < 1.5 * min(scaled.values())
        assert max(scaled.values()) < mean[wide]
    raw, scaled = recapped(printed, "Effective keys of 16, d_k = 1024", r"([\d.]+) raw, ([\d.]+) scaled")
    assert raw < 1.3 < 10 < scaled


def test_words_find_themselves_without_matrices_and_anybody_with_random_ones(printed):
    own = printed.column("words that attend most to themselves", "X as query and key")
    assert own["X as query and key"] > 99
    assert abs(own["X W^Q and X W^K, random"] - own["chance, one in 19"]) < 1.5


def test_untrained_models_find_the_robot_by_chance(printed):
    share = printed.column("a thousand untrained models", "it → robot")
    assert abs(share["it → robot"] - share["chance, one in 19"]) < 2.5
    assert share["effective keys of it"] > 17


def test_the_four_picked_maps_point_at_the_robot(printed):
    (picked,) = (table for table in printed.tables if "second" in next(iter(table.values()), {}))
    assert len(picked) == 4
    for row in picked.values():
        (largest, word), (second, _) = (row[name].split(maxsplit=1) for name in ("largest", "second"))
        assert word == "robot"
        assert float(largest) > float(second)


def test_the_lookup_learns_to_fetch(printed):
    right, weight = (
        printed.column(name, "after, seed 0") for name in ("pronouns correct", "weight on the noun")
    )
    assert len(rows(right, "after")) == 5
    assert max(rows(right, "before")) < 20 < 97 < min(rows(right, "after"))
    assert max(rows(weight, "before")) < 10 < 70 < min(rows(weight, "after"))


def test_the_answer_follows_the_key_but_for_default_nouns(printed):
    follows = printed.column("answer follows the key", "seed 0")
    assert min(follows.values()) > 75
    assert max(follows.values()) == 100
    assert min(printed.column("without those of little weight", "seed 0").values()) > 99


def test_a_noun_without_weight_is_answered_by_elimination(printed):
    others = "seed 0, the other 23 nouns"
    weight, right, masked = (
        printed.column(name, others) for name in ("weight on it", "correct", "correct, masked")
    )
    defaults = [name for name in weight if "the other" not in name]
    assert "seed 0, people" in defaults
    assert len({name.split(",")[0] for name in defaults}) == 3
    assert all(weight[name] < 25 and right[name] > 99 and masked[name] > 99 for name in defaults)
    rest = [name for name in weight if "the other" in name]
    assert len(rest) == 5
    assert all(weight[name] > 80 and right[name] > 97 and masked[name] < 20 for name in rest)
    highest = printed.column("highest, masked", others)
    assert [name for name in rest if highest[name] > 70] == ["seed 2, the other 22 nouns"]
    (table,) = (table for table in printed.tables if others in table)
    assert table["seed 2, the other 22 nouns"]["highest, masked"] == "100% (law)"


def test_half_of_the_law_is_clear_and_the_whole_is_not(printed):
    (law,) = (table for table in printed.tables if "whole law" in next(iter(table.values()), {}))
    assert len(law) == 5
    assert {row["first half"] for row in law.values()} == {"robot"}
    answers = [row["whole law"] for row in law.values()]
    assert len(set(answers)) > 1
    assert answers.count("robot") < 3


def test_what_the_matrices_and_the_scale_are_good_for(printed):
    right, weight = (
        [printed.column(f"{name}, seed {seed}", "equal weights") for seed in (0, 1)]
        for name in ("correct", "weight")
    )
    bare = "no W^Q, no W^K"
    for one in right:
        assert 20 < one["equal weights"] < 33  # about a quarter
        assert one[bare] > 95
        assert one["PyTorch's default, raw"] + 5 < one["PyTorch's default, scaled"]
    assert all(one[bare] < 35 < 70 < one["as above"] for one in weight)


def test_order_does_not_count(printed):
    orders = [printed.column(name, "seed 0") for name in ("robot first", "ship first", "shuffled")]
    assert len(orders[0]) == 3
    for seed in orders[0]:
        assert max(one[seed] for one in orders) - min(one[seed] for one in orders) < 0.002


def test_a_noun_that_no_pronoun_meant_is_not_fetched(printed):
    row = "robot found for a pronoun"
    without, met = printed.column("no pronoun → robot", row), printed.column("all sentences", row)
    assert without["robot repeated correctly"] > 95
    assert without[row] < 30 < 90 < met[row]


def test_one_lookup_prefers_the_same_noun_in_both_sentences_and_two_do_not(printed):
    one, two = sorted(
        (table for table in printed.tables if "robot, weak" in table.get("seed 0", {})), key=len
    )
    assert (len(one), len(two)) == (3, 5)
    for row in one.values():
        ratios = [float(row[f"robot, {why}"]) / float(row[f"box, {why}"]) for why in ("weak", "heavy")]
        assert abs(ratios[0] / ratios[1] - 1) < 0.08  # of weights rounded to two digits
        assert 50 < percent(row) < 95
    for row in two.values():
        assert float(row["robot, weak"]) > 2 * float(row["box, weak"])
        assert float(row["box, heavy"]) > 2 * float(row["robot, heavy"])
        assert percent(row) > 97


def percent(row: dict[str, str]) -> float:
    return float(row["held-out pairs correct"].removesuffix("%"))
