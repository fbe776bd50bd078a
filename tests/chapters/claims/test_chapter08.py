"""The statements of chapter 8 agree with the numbers that this build printed."""

import math
import re
from datetime import date as Date
from statistics import correlation

import pytest
import torch
from playwright.sync_api import expect

from attnbook import snapshots
from attnbook.data import split_of, write_date
from attnbook.widgets.translation import translate

CHAPTER = "08-transformer"
HOOK = Date(2000, 8, 19)
FIELDS = ("year", "month", "day", "weekday")


def table(printed, row: str, column: str) -> dict[str, dict[str, str]]:
    """The one table that has this row and this column."""
    found = [t for t in printed.tables if row in t and column in t[row]]
    assert len(found) == 1, f"{len(found)} tables with row {row!r} and column {column!r}"
    return found[0]


def hook_line(printed, words: str) -> str:
    """What the model generates for the chapter's first date, with some heads silent."""
    found = [line.removeprefix(words).strip() for line in printed.lines if line.startswith(words)]
    assert len(found) == 1, f"{len(found)} lines begin with {words!r}"
    return found[0]


def test_the_first_date_comes_right_without_a_head_that_looks_like_copying(printed):
    assert split_of(str(HOOK)) == "test"
    right = write_date(HOOK, "zh", "full")
    for words in ("all heads:", "without layer 1, head 1:", "without heads [1]:", "without heads [3]:"):
        assert hook_line(printed, words) == right
    for words in ("without heads [1, 3]:", "without heads [0, 1, 3]:"):
        assert hook_line(printed, words) != right


def test_cut_heads_in_the_page_write_what_ablated_heads_write_in_python(visit, printed):
    """The second translator opens without heads 1 and 3; then one of the cuts is undone."""
    page = visit(f"chapters/{CHAPTER}.html")
    live = page.locator(".ab-translator .ab-live").nth(1)
    live.scroll_into_view_if_needed()
    effect = live.locator(".ab-effect")
    expect(effect.locator("li")).to_have_count(2)
    expect(effect.locator(".new bdi")).to_have_text(hook_line(printed, "without heads [1, 3]:"))
    expect(effect.locator(".old s").first).to_be_attached()
    effect.get_by_role("button", name="undo: cross-attention, layer 1, head 1").click()
    expect(effect.locator(".new bdi")).to_have_text(hook_line(printed, "without heads [3]:"))
    expect(effect.locator("s")).to_have_count(0)


def test_head_1_puts_nearly_all_of_its_weight_on_the_first_dates_year():
    translation = translate(write_date(HOOK, "en", "full"), "zh")
    maps = translation.maps("cross")
    assert translation.written[:4] == maps.keys[-4:] == list("2000")
    assert torch.as_tensor(maps.weights)[1, 1, :4, -4:].sum(-1).min() > 0.95


def test_the_listing_equals_the_package(printed):
    assert printed.number("largest difference of the logits:") < 1e-6


def test_adam_and_clipping_equal_pytorchs(printed):
    assert printed.number("largest difference from PyTorch:") < 1e-6


def test_padding_and_the_future_change_nothing_and_the_source_does(printed):
    change = printed.column("largest change", "the future differs")
    assert change["the source is not padded"] < 1e-4
    assert change["the future differs"] < 1e-4
    assert change["the source differs"] > 1e-2


def test_the_formula_counts_what_is_built(printed):
    counted = table(printed, "the paper's sizes", "formula")
    assert all(row["formula"] == row["counted"] for row in counted.values())
    shipped, paper = (
        int(counted[name]["counted"].replace(",", "")) for name in ("the shipped one", "the paper's sizes")
    )
    assert 100 * shipped < paper


def test_only_one_shared_matrix_comes_near_65_million(printed):
    away = {name: abs(n - 65) for name, n in printed.column("millions", "three matrices").items()}
    assert min(away, key=away.get) == "one matrix for all"
    assert away["one matrix for all"] < 3
    assert sorted(away.values())[1] > 10
    assert printed.column("millions", "three matrices")["one matrix for all"] < 65


def test_formula_8_4_is_token_loss(printed):
    lines = [line for line in printed.lines if ": formula 8.4" in line]
    assert [line.split(":")[0] for line in lines] == ["untrained", "trained"]
    losses = []
    for line in lines:
        by_hand, given = (float(part.split()[-1]) for part in line.split(","))
        assert abs(by_hand - given) < 1e-4
        losses.append(given)
    uniform = printed.number("V = 146, ln V =")
    assert uniform == pytest.approx(math.log(146), abs=1e-4)
    assert uniform < losses[0] < uniform + 1
    assert losses[1] < 0.01


def test_the_live_training_learns_and_is_not_done(printed):
    live = printed.column("live", "first loss")
    assert live["first loss"] > 4 > 0.2 > live["last loss"]
    assert live["dates right before, %"] < 1
    assert 50 < live["dates right after, %"] < 95


def test_the_model_generalizes_from_its_training(printed):
    live = printed.column("live", "first loss")
    assert live["held-out loss after training"] < 2 * live["last loss"]
    perplexity = math.exp(live["held-out loss after training"])
    assert live["held-out perplexity after training"] == pytest.approx(perplexity, abs=0.02)


def test_the_shipped_model_learned_field_by_field(printed):
    first = printed.column("first right at step", "weekday")
    assert first["year"] < first["month"] == first["day"] < first["weekday"]
    since = printed.column("right ever since step", "year")
    assert max(since, key=since.get) == "year"
    assert since["year"] > 1448 > first["year"]
    assert "2008年8月19日" in next(line for line in printed.lines if line.strip().startswith("2008"))
    losses = {
        int(found[1]): (float(found[2]), float(found[3]))
        for line in printed.lines
        if (found := re.match(r"step (\d+): loss ([\d.]+), held-out dates right ([\d.]+) %", line))
    }
    assert losses[0][0] / 15 < losses[181][0] < losses[0][0] / 8
    assert losses[181][1] < 1
    assert 18 < printed.number("characters read per row at step 0:") < 22
    assert 2 < printed.number("characters read per row at step 3500:") < 3


def test_the_recorded_date_is_the_chapters_first_and_held_out():
    recording = snapshots.load("dates-translate")
    assert split_of(str(HOOK)) == "test"
    assert recording.text == write_date(HOOK, "en", "full")
    assert "".join(recording.right) == write_date(HOOK, "zh", "full") + "⟨end⟩"
    assert len(recording.snapshots) == 16


def test_exposure_bias_costs_characters_and_no_dates(printed):
    row = "dates right, %"
    correct, own = (printed.column(name, row) for name in ("the correct answer", "its own output"))
    assert correct["characters right, %"] > own["characters right, %"]
    assert correct[row] == own[row]


def test_most_combinations_never_came_up(printed):
    assert 10 * printed.number("examples seen:") < printed.number("combinations:")
    dates = printed.number("combinations:") / (9 * 3 * 10)
    assert 5 < printed.number("examples seen:") / dates < 10


def test_no_mistake_of_the_shipped_model_is_seen(printed):
    assert printed.number("dates right, %:") == 100
    sides = table(printed, "iso", "into it, %")
    assert len(sides) == 10
    for row in sides.values():
        assert float(row["into it, %"]) == 100
        assert row["from it, %"] == "–" or float(row["from it, %"]) == 100
    assert 230 < int(sides["zh"]["dates"]) < 440


def test_the_small_models_mistakes_are_years(printed):
    wrong = printed.column("wrong, %", "weekday")
    assert wrong["year"] > 2 * max(wrong[name] for name in FIELDS[1:])
    assert wrong["year"] > 8
    assert wrong["month"] < 6


def test_most_wrong_years_swap_their_last_two_digits(printed):
    years = printed.column("dates", "the same digits in another order")
    assert years["the same digits in another order"] > 0.5 * years["wrong years"]
    assert years["only the last two digits swapped"] > 0.9 * years["the same digits in another order"]
    listed = [(row["wanted"], row["written"]) for row in table(printed, "8", "written").values()]
    assert any("1978" in a and b == a.replace("1978", "1987") for a, b in listed)


def test_both_sections_test_the_small_model_on_the_same_dates(printed):
    right = printed.column("live", "first loss")["dates right after, %"]
    assert 1000 - printed.number("mistakes:") == pytest.approx(10 * right, abs=0.1)


def test_the_weekday_is_copied(printed):
    given = printed.column("writes the one given, %", "three days off")
    real = printed.column("writes the real one, %", "three days off")
    assert min(given.values()) > 95
    assert real["three days off"] < 5
    assert real["no weekday"] < 2


def test_beams_fix_some_dates_and_break_others(printed):
    row = "small, α = 1"
    dates, greedy, beams, fixed, broken = (
        printed.column(name, row) for name in ("dates", "greedy right", "beams right", "fixed", "broken")
    )
    for name in dates:
        assert beams[name] == greedy[name] + fixed[name] - broken[name]
    for penalty in ("α = 0", "α = 1"):
        assert beams[f"shipped, {penalty}"] == greedy[f"shipped, {penalty}"]
        assert (
            0 < fixed[f"small, {penalty}"] < 0.2 * (dates[f"small, {penalty}"] - greedy[f"small, {penalty}"])
        )
        assert broken[f"small, {penalty}"] > 0
    assert broken["small, α = 1"] <= broken["small, α = 0"]
    assert fixed["small, α = 1"] <= fixed["small, α = 0"]
    assert abs(beams["small, α = 1"] - beams["small, α = 0"]) < 0.01 * dates[row]
    short = printed.column("… too short", row)
    assert broken["small, α = 0"] > short["small, α = 0"] > short["small, α = 1"]


def on_field(printed, field: str, part: str) -> tuple[dict[str, float], float]:
    """The heads' attention on the same field at a part of its characters, and uniform attention's."""
    share = printed.column(f"{field}, {part}", "uniform attention")
    uniform = share.pop("uniform attention")
    assert len(share) == 8
    return share, uniform


def last_layer(share: dict[str, float]) -> list[float]:
    return [value for head, value in share.items() if "layer 1" in head]


def test_years_and_days_are_read_at_every_character(printed):
    for field in ("year", "day"):
        for part in ("first", "later"):
            share, _ = on_field(printed, field, part)
            assert sum(value > 0.9 for value in last_layer(share)) >= 3


def test_months_and_weekdays_are_read_when_they_begin(printed):
    for field, head in (("month", "layer 1, head 0"), ("weekday", "layer 1, head 1")):
        first, uniform = on_field(printed, field, "first")
        later, _ = on_field(printed, field, "later")
        assert first[head] > 0.7 > 2 * uniform
        assert max(last_layer(later)) < uniform + 0.16


def test_heads_0_and_3_attend_to_the_positions_that_head_1_attends_to(printed):
    for field in ("year", "day"):
        for part in ("first", "later"):
            share, _ = on_field(printed, field, part)
            assert min(share["layer 1, head 0"], share["layer 1, head 3"]) > 0.95


@pytest.fixture(scope="module")
def example():
    """The one whose three maps the text explains."""
    return translate("Saturday, March 7, 2009", "zh")


def test_what_to_look_for_in_the_encoders_map(example):
    encoder = torch.as_tensor(example.maps("encoder").weights)  # (L, H, S, S)
    march, year = 11, 20
    near = torch.stack([encoder[0, 1, i, i - 3 : i + 1].sum() for i in range(march, 24)])
    assert near.min() > 0.5
    tag = encoder[1, 0, :, 0]
    assert (tag > 0.5).sum() > 12
    assert tag[year:].max() < 0.3


def test_what_to_look_for_in_the_decoders_map(example):
    maps = example.maps("decoder")
    decoder = torch.as_tensor(maps.weights)[0].mean(0)  # (T, T), what the explorer opens with
    resting, last = [], 0  # of the rows after ⟨start⟩, whose first has nothing else to look at
    for row, token in enumerate(maps.keys[1:], start=1):
        last = row if token in "年月日" else last
        others = decoder[row, : row + 1].clone()
        others[last] = 0
        resting.append(bool(decoder[row, last] > 0.35 and decoder[row, last] > others.max()))
    assert maps.keys[0] == "⟨start⟩"
    assert len(resting) == 12
    assert sum(resting) >= 6


def test_what_to_look_for_in_the_cross_map(example):
    maps = example.maps("cross")
    cross = torch.as_tensor(maps.weights)[1].mean(0)  # (T, S)
    read = "".join(sign if len(sign) == 1 else " " for sign in maps.keys)  # a space for the tag
    begin = [read.index(name) for name in ("Saturday", "March", "7", "2009")]
    weekday, month, day, year = (slice(at, at + n) for at, n in zip(begin, (8, 5, 1, 4), strict=True))
    written = "".join(example.written[:-1])
    assert written == "2009年3月7日星期六"
    assert cross[:4, year].sum(1).min() > 0.75
    for row in cross[9:12]:
        at_weekday = row[weekday].sum()
        assert at_weekday > 0.35
        assert at_weekday > 2 * max(row[other].sum() for other in (month, day, year))
    signs = [i for i, sign in enumerate(written) if sign in "年月日"]
    assert len(signs) == 3
    assert cross[signs, 0].min() > 0.5


def test_each_hidden_field_falls_and_falls_alone(printed):
    for name in FIELDS:
        for part in ("first", "later"):
            right = printed.column(f"{name}, {part}", "hidden: nothing")
            hidden = right.pop(f"hidden: {name}")
            assert min(right.values()) > 97
            spelled = name in ("month", "weekday") and part == "later"
            assert hidden > 85 if spelled else hidden < 55


def test_a_hidden_day_seems_to_have_one_digit(printed):
    later = {name: printed.column(f"{name}, later", "hidden: nothing")[f"hidden: {name}"] for name in FIELDS}
    assert later["day"] < 10
    assert 25 < later["year"] < 45  # of three digits, the first follows from the one before it
    assert printed.number("day hidden, later characters of a day not predicted as digits:") > 70


def test_the_head_that_looks_like_copying_is_hardly_missed(printed):
    for field, least in (("year", 0.95), ("day", 0.99)):
        assert (
            min(on_field(printed, field, part)[0]["layer 1, head 1"] for part in ("first", "later")) > least
        )
    right = printed.column("on the same field", "layer 0, head 3")
    assert max(right, key=right.get) == "layer 1, head 1"
    assert right["layer 0, head 3"] < 0.6 * right["layer 1, head 1"]
    for way in ("lost, equal", "lost, silent"):
        lost = printed.column(way, "layer 0, head 3")
        assert lost["layer 1, head 1"] < 5
        assert lost["layer 0, head 3"] > 2 * lost["layer 1, head 1"]


def test_attention_on_a_field_says_nothing_about_what_a_head_costs(printed):
    attention = printed.column("on the same field", "layer 0, head 3")
    assert attention["layer 1, head 0"] > 0.9 * attention["layer 1, head 1"]
    assert sorted(attention.values())[-2] == attention["layer 1, head 0"]
    for way in ("equal", "silent"):
        lost = printed.column(f"lost, {way}", "layer 0, head 3")
        assert lost["layer 1, head 0"] == max(lost.values())
        r = printed.number(f"correlation of attention with dates lost, {way}:")
        assert abs(r) < 0.15
        assert r == pytest.approx(correlation([attention[head] for head in lost], [*lost.values()]), abs=0.02)


def test_heads_can_replace_each_other(printed):
    together = table(printed, "layer 1, heads 0 + 1 + 3", "lost, equal")
    for way in ("lost, equal", "lost, silent"):
        lost = {
            name.removeprefix("layer 1, head").strip("s "): float(row[way]) for name, row in together.items()
        }
        for one, other in (("0", "1"), ("1", "3"), ("0", "3"), ("2", "3")):
            assert lost[f"{one} + {other}"] > 1.5 * (lost[one] + lost[other])
        assert 0.7 < lost["0 + 2"] / (lost["0"] + lost["2"]) < 1.3
        assert lost["0 + 1 + 3"] > 80


def test_what_it_has_never_seen(printed):
    right = printed.column("right, %", "lowercase")
    for name in ("as in training", "day first", "no comma", "full stop at the end", "month with a dot"):
        assert right[name] > 90
    assert 30 < right["lowercase"] < 75
    assert 20 < right["capitals"] < 75
    for name in ("slashes", "two-digit year", "two dates"):
        assert right[name] < 15


def test_years_outside_its_training_come_out_wrong(printed):
    right = printed.column("right, %", "1700–1799")
    inside = {"1900–1999", "2000–2099"}
    assert min(right[name] for name in inside) > 95
    assert max(value for name, value in right.items() if name not in inside) < 20
    outputs = [row["its output"] for row in table(printed, "1700–1799", "its output").values()]
    assert any(re.search("[A-Za-z]", text) and re.search("[年月日]", text) for text in outputs)


def test_spaces_after_disturb_and_before_destroy(printed):
    before, after = (printed.column(f"{side}, right, %", "40 spaces") for side in ("before", "after"))
    assert before["10 spaces"] > 90
    assert len("Wednesday, ") < 15  # the furthest right that a month starts in an English date
    assert 75 < before["15 spaces"] < 95
    assert after["10 spaces"] < 90
    assert max(before["30 spaces"], before["40 spaces"]) < 15
    assert min(after.values()) > 30
    # 20 spaces, a date of at most 18 characters, a tag
    assert printed.number("longest source in training:") > 20 + 18 + 1
    assert before["20 spaces"] < 50


def test_its_own_probabilities_are_a_weak_warning(printed):
    right, sure = (printed.column(name, "lowercase") for name in ("right, %", "sure, %"))
    assert sure["as in training"] > 97
    for name in ("slashes", "two-digit year", "two dates"):
        assert right[name] + 30 < sure[name] < 90
        assert sure[name] >= 45
    right, sure = (printed.column(name, "1700–1799") for name in ("right, %", "sure, %"))
    for name in ("1700–1799", "1800–1899", "2100–2199", "2200–2299"):
        assert right[name] + 30 < sure[name] < 90
