"""The statements of chapter 3 agree with the numbers that this build printed."""

CHAPTER = "03-attn"


def test_the_articles_weights_ignore_the_values_and_hear_query_and_key(printed):
    change = printed.column("largest change of a weight", "V all zeros")
    assert change["V in another order"] == change["V all zeros"] == 0
    assert min(change["another K"], change["another Q"]) > 0.01


def test_a_folder_keeps_its_weight_wherever_it_moves(printed):
    for repair in ("additive", "dot"):
        assert printed.column(repair, "a folder's weight moves by")["a folder's weight moves by"] < 1e-5


def test_comparing_learns_faster_than_places_and_places_faster_than_nothing(printed):
    right = printed.column("exact match", "no attention")
    assert right["no attention"] + 10 < right["article"]
    assert right["article"] + 5 < min(right["additive"], right["dot"])
    assert right["additive"] > 97


def test_english_days_go_wrong_where_german_french_and_spanish_ones_do_not(printed):
    by_language, day = printed.column("article", "zh"), printed.column("day", "en")
    others = ("de", "fr", "es")
    assert by_language["en"] + 20 < min(by_language[name] for name in others)
    assert day["en"] + 20 < min(day[name] for name in others)
    assert day["en"] + 30 < printed.column("year", "en")["en"]


def test_maps_that_compare_follow_the_text_and_leave_empty_places_alone(printed):
    row = "on empty places"
    article, additive, dot = (printed.column(kind, row) for kind in ("article", "additive", "dot"))
    assert article[row] > 20 > 1 > max(additive[row], dot[row])
    german, year = "moves from English to German", "on the year while writing it"
    assert article[german] < 10 < 40 < min(additive[german], dot[german])
    assert article["moves from English to Chinese"] > 20
    assert article[year] < 50 < 90 < article["years written right"]
    assert min(additive[year], dot[year]) > 75
