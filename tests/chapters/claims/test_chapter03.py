"""The statements of chapter 3 agree with the numbers that this build printed."""

from attnbook.data import DateTask

CHAPTER = "03-attn"


def test_the_articles_weights_ignore_the_values_and_follow_query_and_key(printed):
    change = printed.column("largest change of a weight", "V all zeros")
    assert change["V in another order"] == change["V all zeros"] == 0
    assert min(change["another K"], change["another Q"]) > 0.01


def test_a_value_keeps_its_weight_wherever_it_moves(printed):
    change = "largest change of a value's weight"
    for repair in ("additive", "dot"):
        assert printed.column(repair, change)[change] < 1e-5


def test_attention_by_content_learns_faster_than_by_position_and_that_faster_than_none(printed):
    right = printed.column("exact match", "no attention")
    assert right["no attention"] + 10 < right["article"]
    assert right["article"] + 5 < min(right["additive"], right["dot"])
    assert right["additive"] > 97


def test_english_days_go_wrong_where_german_french_and_spanish_ones_do_not(printed):
    everything, day = printed.column("all", "zh"), printed.column("day", "en")
    others = ("de", "fr", "es")
    assert everything["en"] + 20 < min(everything[name] for name in others)
    assert day["en"] + 20 < min(day[name] for name in others)
    assert day["en"] + 30 < printed.column("year", "en")["en"]
    assert min(everything["eu"], everything["zh"]) > 80
    assert min(everything, key=everything.get) == min(day, key=day.get) == "en"


def test_maps_by_content_follow_the_text_and_ignore_padding(printed):
    row = "weight on padding"
    article, additive, dot = (printed.column(kind, row) for kind in ("article", "additive", "dot"))
    assert article[row] > 50  # "most of its weight"
    assert max(additive[row], dot[row]) < 1
    assert article["weight on padding while writing the year"] > 70  # "largely switches its attention off"
    german, year = "weight that moves, English to German", "weight on the year while writing it"
    assert article[german] < 10 < 50 < min(additive[german], dot[german])
    assert article["weight that moves, English to Chinese"] > 20
    assert article[year] < 20 < 90 < article["years correct"]
    assert min(additive[year], dot[year]) > 75


def test_each_models_largest_weights_for_the_day_are_where_the_note_says(printed):
    most = next(table for table in printed.tables if "end" in table)  # of equal rows, the last: the day's
    found = {kind: [most[digit][kind] for digit in "29"] for kind in ("article", "additive", "dot")}
    assert found["article"] == ["s at 1", "a at 2"]
    assert found["additive"] == ["2 at 8", "9 at 9"]
    assert found["dot"] == ["␣ at 10", "9 at 9"]


def test_from_english_to_german_the_year_moves_by_one_character_at_most():
    task = DateTask()
    for month in range(1, 13):
        english, german = (task.example(f"2020-{month:02d}-15", name, "long")[0] for name in ("en", "de"))
        assert abs(english.index("2020") - german.index("2020")) <= 1
        assert german.startswith("15")
        assert not english.startswith("15")


def test_most_years_are_right_without_attention(printed):
    assert printed.number("years correct without attention") > 80


def test_the_articles_class_gets_the_year_from_the_encoders_last_state(printed):
    own, other = "the text's own year", "the other date's year"
    article, additive, dot = (printed.column(kind, own) for kind in ("article", "additive", "dot"))
    assert article[own] < 20 < 60 < article[other]
    assert min(additive[own], dot[own]) > 90
