"""The statements of chapter 10 agree with the numbers that this build printed."""

import math

import pytest

from attnbook.widgets.language_prompts import OTHERS, recorded

CHAPTER = "10-language-model"


def line(printed, start):
    (found,) = [each for each in printed.lines if each.startswith(start)]
    return found.removeprefix(start)


def rows(printed, column, row):
    """A column of the table with this row, as numbers."""
    return printed.column(column, row)


def test_the_first_law_is_completed(printed):
    assert line(printed, "four tokens, each the most probable:").split()[:2] == ["Law", "of"]
    assert line(printed, "after “… with the First”:").split()[0] == "Law"


def test_perplexity_falls_from_letters_to_frequencies_to_the_model(printed):
    perplexity = rows(printed, "perplexity", "all letters equally probable")
    loss = rows(printed, "held-out loss", "all letters equally probable")
    for name, value in perplexity.items():
        assert abs(math.log(value) - loss[name]) < 0.001
    uniform, frequencies, pairs, *seeds = perplexity.values()
    assert uniform > 3 * frequencies
    assert 1.8 < frequencies / pairs < 2.2
    assert all(0.9 < seed / pairs < 1 for seed in seeds)
    rope = printed.column("held-out loss", "+ RMSNorm")["RoPE"]
    assert rope < loss["… after the letter before"] - 0.4
    none = printed.column("1–64", "none")["none"]
    assert abs(none - loss["… after the letter before"]) < 0.05


def test_both_layouts_and_both_models_are_the_same(printed):
    assert printed.number("largest difference:") < 1e-5
    assert printed.number("largest difference of a logit:") < 1e-4
    assert printed.number("halves, permuted:") < 1e-5
    assert printed.number("halves, as they are:") > 0.5


def test_the_cache_holds_a_third_and_changes_nothing(printed):
    assert line(printed, "the same tokens: ") == "True"
    assert printed.number("bytes held per token:") == 2 * 30 * 3 * 64 * 4
    assert printed.number("… if each query head had its own key head:") == 2 * 30 * 9 * 64 * 4


def test_the_bytes_of_five_caches_are_exact(printed):
    held = rows(printed, "bytes per layer", "9 key heads")
    grouped = held["grouped, 3 key heads"]
    assert held["9 key heads"] == 3 * grouped == 9 * held["multi-query, 1 key head"]
    assert held["sliding window of 256, 3 key heads"] * 16 == grouped
    assert held["linear, 9 heads"] < held["sliding window of 256, 3 key heads"]


def test_rope_wins_at_the_trained_length_and_loses_beyond(printed):
    near, middle, far = (rows(printed, part, "RoPE") for part in ("1–64", "65–128", "129–256"))
    noise = rows(printed, "seeds differ by, 1–64", "RoPE")
    others = ("sinusoids", "none")
    assert near["RoPE"] < min(near[name] for name in others) - 0.3
    assert abs(near["sinusoids"] - near["none"]) < 0.1
    assert max(noise.values()) < 0.05
    assert far["RoPE"] > far["sinusoids"] > far["none"]
    assert all(middle[name] > near[name] for name in middle)
    assert middle["RoPE"] < min(middle[name] for name in others) - 0.2


def test_the_other_three_changes_are_within_noise(printed):
    loss, noise, parameters, cache = (
        rows(printed, name, "+ RMSNorm")
        for name in ("held-out loss", "seeds differ by", "parameters", "cache, bytes per token")
    )
    three = ("+ RMSNorm", "+ SwiGLU", "+ 2 key heads")
    largest = max(noise[name] for name in (*three, "RoPE"))
    assert all(abs(loss[name] - loss["RoPE"]) < largest for name in three)
    assert loss["… or 1 key head"] > loss["RoPE"]
    assert loss["… or 1 key head"] - loss["RoPE"] < 2 * noise["… or 1 key head"]
    assert abs(parameters["+ SwiGLU"] / parameters["+ RMSNorm"] - 1) < 0.02
    assert cache["RoPE"] == 2 * cache["+ 2 key heads"] == 4 * cache["… or 1 key head"]


def test_little_text_is_overfitted(printed):
    seen, held, best, step = (
        rows(printed, name, "little text")
        for name in ("training loss, last", "held-out loss, last", "held-out loss, best", "best at step")
    )
    assert held["all text"] - seen["all text"] < 0.3
    assert held["little text"] - seen["little text"] > 1.5
    assert held["little text"] > best["little text"] + 0.2
    assert 50 <= step["little text"] <= 150


def test_the_published_model_saw_seventy_million_times_as_much_text(printed):
    letters = rows(printed, "letters per token", "SmolLM2")["SmolLM2"]
    here = printed.number("letters for training:")
    assert 113_500 < here < 114_500
    assert 6.5e7 < 2e12 * letters / here < 8e7


def test_tokens_of_three_vocabularies(printed):
    letters = rows(printed, "letters per token", "150 merges")
    assert letters["letters"] == 1
    assert 1.7 < letters["150 merges"] < 2.3
    assert letters["SmolLM2"] > 4
    assert line(printed, "SmolLM2, 机器人: ").endswith("| \\xe5 | \\x99 | \\xa8 | 人")
    assert line(printed, "SmolLM2, unputdownable 2025: ").endswith("2 | 0 | 2 | 5")


def test_the_box_and_the_robot(printed):
    assert printed.number("preferences that agree with ours:") == 6
    box, robot = rows(printed, "box", "heavy"), rows(printed, "robot", "heavy")
    assert box["heavy"] > robot["heavy"]
    assert robot["weak"] > box["weak"]
    assert all(robot[name] > box[name] for name in ("large", "slippery", "tired", "old", "clumsy"))
    assert box["full"] > robot["full"]
    assert robot["large"] - box["large"] < 0.05


def test_the_first_law_needs_the_robot(printed):
    law, robotics = (rows(printed, name, "A robot must obey …") for name in ("Law", "Robotics, after Law of"))
    robot, *others = robotics
    assert law[robot] > 0.7
    assert robotics[robot] > 0.9
    assert all(robotics[name] < robotics[robot] / 40 for name in others[:2])
    last = others[2]
    heat = rows(printed, "Therm(odynamics), after Law of", robot)
    assert heat[last] > 2 * robotics[last]


def test_the_nucleus_adapts(printed):
    one, hot = (rows(printed, name, "The capital of France is") for name in ("τ = 1.0", "τ = 1.5"))
    assert one["The capital of France is"] <= 15
    assert one["The robot opened the door and"] >= 200
    assert min(hot.values()) >= 2000


def test_heads_that_share_a_key_overlap_a_little_more(printed):
    same, other = printed.number("same key head:"), printed.number("another key head:")
    assert 0 < same - other < 0.2
    assert same < 0.75


def test_the_first_position_is_a_sink_whatever_the_word(printed):
    mean, equal = (
        rows(printed, name, "the law without its first word")
        for name in ("mean of the heads", "if all were equal")
    )
    assert all(mean[name] > 3 * equal[name] for name in mean)
    assert abs(mean["the law"] - mean["the law without its first word"]) < 0.1
    assert min(mean.values()) > 0.5
    assert min(rows(printed, "heads above 0.5, of 270", "the law").values()) > 270 / 2


def test_four_heads_are_found_and_cutting_them_matters(printed):
    strongest = line(printed, "strongest: ")
    heads = [name.split()[0] for name in strongest.split(", ")]
    assert heads[:5] == ["18·6", "17·4", "17·3", "17·5", "18·7"]
    key_heads = {}  # three heads in a row share one
    for layer, head in (map(int, name.split("·")) for name in heads[:5]):
        key_heads.setdefault((layer, head // 3), []).append(head)
    assert key_heads == {(18, 2): [6, 7], (17, 1): [4, 3, 5]}
    first, second, highest = (
        rows(printed, name, "4 strongest cut")
        for name in ("first copy", "second copy", "highest of the runs")
    )
    whole = second["intact"]
    assert max(first.values()) - min(first.values()) < 0.2
    gain = first["intact"] - whole
    lost = [(second[f"{count} strongest cut"] - whole) / gain for count in (4, 8)]
    assert lost == pytest.approx([2 / 5, 3 / 4], abs=0.025)
    assert highest["4 others of these layers"] < whole + 0.5
    cost = second["4 strongest cut"] - whole
    assert highest["4 others, any layers"] - whole < cost / 3
    assert math.log(49_152) < first["intact"]


def test_of_two_heads_that_look_one_token_back_one_matters(printed):
    first, second = (rows(printed, name, "only 16·0 cut") for name in ("first copy", "second copy"))
    assert line(printed, "most weight on the previous token: ") == "16·0 0.90, 11·1 0.83"
    assert second["only 16·0 cut"] > second["4 strongest cut"]
    assert second["only 11·1 cut"] - second["intact"] < 0.1 * (second["only 16·0 cut"] - second["intact"])
    assert abs(first["only 16·0 cut"] - first["intact"]) < 0.2


def test_names_need_them_less(printed):
    expected, other = (
        rows(printed, name, "4 strongest cut") for name in ("the expected name", "the repeated name")
    )
    controls = ("4 others of these layers", "4 others, any layers")
    assert expected["4 strongest cut"] < min(expected[name] for name in controls)
    assert other["4 strongest cut"] > max(other[name] for name in controls)
    assert expected["8 strongest cut"] > expected["intact"] / 2


def without(name, token):
    """A token's probability after a recorded prompt: intact, without four induction heads, without others."""
    four, others = ({each[0]: each[1:] for each in cut["changes"][-1]} for cut in recorded()[name].cuts)
    return four[token][0], four[token][1], others[token][1]


def test_the_explorers_recorded_cuts():
    reading = recorded()["A list, repeated"]
    assert [token.strip() for token in reading.tokens[10:]] == [token.strip() for token in reading.tokens[:9]]
    intact, four, others = without("A list, repeated", " pencil")
    assert reading.likeliest[-1][0][0] == " pencil"
    assert four < intact / 20
    assert others > 0.9 * intact
    intact, four, _ = without("Robots", " Law")
    assert abs(four - intact) < 0.02
    intact, four, others = without("Mary and John", " Mary")
    assert others < four < intact
    assert OTHERS == [(17, 0), (17, 1), (17, 2), (18, 3)]


def test_the_first_token_is_missed_only_when_nothing_replaces_it(printed):
    first, others, highest = (
        rows(printed, name, "hidden from the 13th on")
        for name in ("first token", "another token, mean of five", "… highest")
    )
    whole = printed.number("loss with nothing hidden:")
    at_once, late = "hidden from all later tokens", "hidden from the 13th on"
    assert others[at_once] - 0.1 < first[at_once] < highest[at_once]
    assert 1.7 * whole < first[late] < 2.1 * whole
    assert highest[late] < whole + 0.3
    assert 0.15 < printed.number("length of the first token's value, ÷ mean of the others, median:") < 0.35
