"""The statements of chapter 2 agree with the numbers that this build printed."""

CHAPTER = "02-query-key-value"


def rows(column: dict[str, float], start: str) -> list[float]:
    """The numbers in the rows whose names start so."""
    found = [number for name, number in column.items() if name.startswith(start)]
    assert found, start
    return found


def test_the_best_kernel_is_neither_the_hardest_nor_the_softest(printed):
    error, keys = (printed.column(name, "h = 1.5") for name in ("error", "effective keys"))
    assert error["h = 1.5"] + 0.3 < min(error["h = 0.1"], error["h = 48"])
    assert keys["h = 0.1"] < 2
    assert keys["h = 48"] > 39


def test_dot_product_and_distance_agree_for_keys_of_one_length_only(printed):
    gap = printed.column("weights differ up to", "keys as drawn")
    same = printed.column("same best key", "keys as drawn")
    assert gap["keys of one length"] < 1e-5
    assert same["keys of one length"] > 99 > 60 > same["keys as drawn"]
    by_dot, by_distance = (printed.column(f"length: {by}", "keys as drawn") for by in ("dot", "distance"))
    assert by_dot["keys as drawn"] > 8**0.5 > by_distance["keys as drawn"]


def test_cold_takes_one_key_and_hot_takes_all(printed):
    keys = printed.column("effective keys", "τ = 20")
    assert keys["τ = 0.1"] < 1.01 < 3.9 < keys["τ = 20"]


def test_the_spread_follows_the_root_of_the_width_unless_numbers_move_together(printed):
    root = printed.column("√d_k", "d_k = 1024")
    for kind in ("normal", "uniform", "coins"):
        spread = printed.column(kind, "d_k = 1024")
        assert all(abs(spread[name] / root[name] - 1) < 0.07 for name in root)
    assert abs(printed.column("all alike", "d_k = 1024")["d_k = 1024"] / 1024 - 1) < 0.1


def test_raw_gradients_become_all_or_nothing(printed):
    wide = "d_k = 1024"
    median, mean = printed.column("raw: median", wide), printed.column("raw: mean", wide)
    assert median[wide] < median["d_k = 16"] / 100
    assert mean[wide] > mean["d_k = 4"]
    for name in ("scaled: median", "scaled: mean"):
        scaled = printed.column(name, wide)
        assert max(scaled.values()) < 1.5 * min(scaled.values())
        assert max(scaled.values()) < mean[wide]
    assert printed.column("raw: keys", wide)[wide] < 1.3 < 10 < printed.column("scaled: keys", wide)[wide]


def test_words_find_themselves_without_matrices_and_anybody_with_random_ones(printed):
    own = printed.column("words whose best key is their own", "one in 19 would be")
    assert own["X as query and as key"] > 99
    assert abs(own["X W^Q and X W^K, random"] - own["one in 19 would be"]) < 1.5


def test_untrained_models_find_the_robot_by_chance(printed):
    share = printed.column("a thousand untrained models", "it → robot")
    assert abs(share["it → robot"] - share["one word in 19"]) < 2.5
    assert share["effective keys of it"] > 17


def test_the_lookup_learns_to_fetch(printed):
    right, weight = (
        printed.column(name, "after, seed 0") for name in ("pronouns right", "weight on the noun")
    )
    assert max(rows(right, "before")) < 20 < 97 < min(rows(right, "after"))
    assert max(rows(weight, "before")) < 10 < 70 < min(rows(weight, "after"))


def test_the_answer_follows_the_label_but_for_default_nouns(printed):
    follows = printed.column("answer follows the label", "seed 0")
    assert min(follows.values()) > 75
    assert max(follows.values()) == 100
    assert min(printed.column("without the default nouns", "seed 0").values()) > 99


def test_a_noun_without_weight_is_answered_by_elimination(printed):
    others = "seed 0, the other 23 nouns"
    weight, right, masked = (
        printed.column(name, others) for name in ("weight on it", "right", "right, noun masked")
    )
    defaults = [name for name in weight if "the other" not in name]
    assert "seed 0, people" in defaults
    assert len({name.split(",")[0] for name in defaults}) == 3
    assert all(weight[name] < 25 and right[name] > 99 and masked[name] > 99 for name in defaults)
    rest = [name for name in weight if "the other" in name]
    assert len(rest) == 5
    assert all(weight[name] > 80 and right[name] > 97 and masked[name] < 20 for name in rest)


def test_half_of_the_law_is_clear_and_the_whole_is_not(printed):
    half, whole = (
        [
            table
            for table in printed.tables
            if "trained, seed 0" in table and ("law" in table["trained, seed 0"]) is both
        ]
        for both in (False, True)
    )
    trained = [f"trained, seed {seed}" for seed in range(5)]
    assert all(half[0][name]["written for it"] == "robot" for name in trained)
    assert all(float(half[0][name]["robot"]) > 0.6 for name in trained)
    assert len({whole[0][name]["written for it"] for name in trained}) > 1


def test_what_the_matrices_and_the_scale_are_good_for(printed):
    right, weight = (
        printed.column(name, "as above, seed 0") for name in ("pronouns right", "weight on the noun")
    )
    assert max(rows(right, "even weights")) < 50 < 95 < min(rows(right, "no W^Q, no W^K"))
    assert max(rows(weight, "no W^Q, no W^K")) < 35 < 70 < min(rows(weight, "as above"))
    assert max(rows(right, "PyTorch's start, raw")) + 5 < min(rows(right, "PyTorch's start, scaled"))


def test_order_does_not_count(printed):
    robot = printed.column("robot", "seed 0, shuffled")
    for seed in range(3):
        first, *others = rows(robot, f"seed {seed}")
        assert all(abs(first - other) < 0.002 for other in others)


def test_a_noun_that_no_pronoun_meant_is_not_fetched(printed):
    row = "robot written for a pronoun"
    without, met = printed.column("no pronoun → robot", row), printed.column("all sentences", row)
    assert without["robot written for itself"] > 95
    assert without[row] < 30 < 90 < met[row]
