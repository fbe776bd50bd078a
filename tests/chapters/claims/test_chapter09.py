"""The statements of chapter 9 agree with the numbers that this build printed."""

import re

import pytest

CHAPTER = "09-published-encoder"
KINDS = ["previous token", "next token", "same token", "separators"]


def line(printed, start):
    (found,) = [each for each in printed.lines if each.startswith(start)]
    return found.removeprefix(start).split()


def test_wordpiece_loses_chinese_and_unigram_keeps_its_words(printed):
    pieces = line(printed, "WordPiece, Chinese, ")
    assert "[UNK]" in pieces
    assert all(len(piece.removeprefix("##")) == 1 or piece.startswith("[") for piece in pieces[2:])
    assert {"机器人", "它的"} <= set(line(printed, "Unigram, Chinese, "))


def test_our_numbers_are_the_documented_ones(printed):
    row = "That is a happy dog"
    ours, published = printed.column("ours", row), printed.column("published", row)
    assert ours == published
    assert len(ours) == 3


def test_most_heads_give_most_of_their_weight_to_separators(printed):
    above = printed.column("above 0.5", "separators")
    assert list(above) == KINDS
    assert above["separators"] > 72  # of 144
    assert [above[kind] for kind in KINDS[:3]] == [1, 2, 0]
    assert 0 < printed.number("heads without a habit above 0.5:") < 144 / 5
    chance = printed.column("chance", "separators")
    assert chance["separators"] == pytest.approx(1 / 4, abs=0.02)
    strongest = printed.column("e5, strongest", "separators")["same token"]
    assert strongest == pytest.approx(0.45, abs=0.005)
    assert round(strongest / chance["same token"]) == 7


def test_random_weights_show_no_habit(printed):
    chance = printed.column("chance", "separators")
    random = printed.column("random, strongest", "separators")
    assert all(random[kind] < chance[kind] + 0.05 for kind in KINDS)


def test_the_chosen_head_is_7_0_and_finds_the_robot(printed):
    assert "layer and head: 7·0" in printed.lines
    assert printed.number("weight on the robot:") > 0.7
    assert printed.number("mean of the 144 heads:") < 0.15
    assert printed.number("this head on separators, all words of 9.3:") > 0.5


@pytest.mark.parametrize(
    ("language", "sentences", "least", "next_best"), [("Chinese", 17, 14, 14), ("English", 20, 17, 13)]
)
def test_the_head_finds_the_antecedent_in_held_out_sentences(printed, language, sentences, least, next_best):
    assert printed.column("sentences", "English")[language] == sentences
    assert printed.column("antecedent first", "English")[language] >= least
    assert printed.column("above the distractor", "English")[language] >= least
    first, _, tested = line(printed, f"antecedent named before the distractor, {language}:")
    assert int(tested) == sentences
    assert 0.45 * sentences <= int(first) < sentences / 2
    assert printed.number(f"hits of the next best head, {language}:") == next_best
    median = printed.column("median head, antecedent first", "English")
    assert median[language] <= sentences / 3
    assert printed.number(f"heads of 144 with at least as many hits, {language}:") == 1


def test_the_head_also_works_in_four_more_languages(printed):
    counts, hits = (printed.column(name, "French") for name in ("sentences", "antecedent first"))
    for language in ("French", "German", "Spanish", "Russian"):
        assert counts[language] == 8
        assert hits[language] > 8 / 2
    assert printed.column("above the distractor", "French")["Russian"] < hits["Russian"]
    ours = printed.column("antecedent first", "English")
    four = sum(hits[language] for language in ("French", "German", "Spanish", "Russian"))
    for found, sentences in ((ours["Chinese"] + ours["English"], 17 + 20), (four, 4 * 8)):
        assert found / sentences == pytest.approx(0.9, abs=0.03)


def test_the_english_law_disappoints_in_e5_and_not_in_minilm(printed):
    robot = printed.column("on the robot", "e5, head 7·0")
    assert robot["e5, head 7·0"] < 1 / 5
    assert printed.column("on separators", "e5, head 7·0")["e5, head 7·0"] > 1 / 2
    assert max(weight for name, weight in robot.items() if name.startswith("e5")) < 1 / 3
    (best,) = [weight for name, weight in robot.items() if name.startswith("MiniLM")]
    assert best > 1 / 2
    (table,) = [table for table in printed.tables if "e5, head 7·0" in table]
    assert {row["largest among words"].strip("▁") for row in table.values()} == {"robot"}


def test_separators_get_much_weight_and_little_of_the_length(printed):
    weight, length = "separators' part of the weight", "separators' part of the length"
    mean = printed.column("mean of the heads", weight)
    assert mean[weight] == pytest.approx(2 / 3, abs=0.06)
    assert mean[length] == pytest.approx(1 / 3, abs=0.06)
    heads = printed.column("most of it in", weight)
    assert heads[weight] > 72
    assert heads[length] == pytest.approx(144 / 7, abs=1)
    robot = printed.number("机器人's part of the length, head 7·0 at 它的:")
    assert robot == pytest.approx(0.85, abs=0.01)
    assert printed.number("weight on the robot:") == pytest.approx(0.74, abs=0.005)


def test_the_intervals_are_wilsons(printed):
    rows = next(table for table in printed.tables if "trophy and street" in table)
    for cells in rows.values():
        n = int(cells["sentences"])
        for name in ("antecedent first", "above the distractor"):
            k, low, high = map(float, re.findall(r"[\d.]+", cells[name]))
            for p in (low, high):  # where (p - k/n)² = z² p (1 - p) / n
                assert abs(abs(p - k / n) - 1.96 * (p * (1 - p) / n) ** 0.5) < 0.02


def test_it_fails_on_three_of_the_four_that_need_knowledge(printed):
    assert printed.column("above the distractor", "trophy and street")["trophy and street"] == 1


def test_removing_the_head_hardly_changes_the_pronoun(printed):
    moves = printed.column("state moves", "7·0")
    assert max(moves.values()) < 0.01
    assert 0.97 < printed.column("ratio", "7·0")["7·0"] < 1.03
    assert printed.number("rank of head 7·0 by the state's move:") > 2  # "some other heads"
    assert printed.number("rank of head 7·0 by the ratio:") > 3  # "several" have lower ratios
    assert printed.number("ratio without all twelve:") > 0.9


def test_embeddings_carry_meaning(printed):
    assert {"robots", "robotic"} <= set(line(printed, "nearest to robot:"))
    assert {"queen", "prince"} & set(line(printed, "nearest to king:"))
    assert {"six", "nine", "7"} <= set(line(printed, "nearest to seven:"))
    assert {"▁로봇", "▁robot", "▁Robot"} & set(line(printed, "nearest to 机器人:"))


def test_e5_sees_through_languages_above_a_high_baseline(printed):
    same, other, lowest, highest = (
        f"{kind} meaning, {which}"
        for kind, which in (("same", "mean"), ("other", "mean"), ("same", "lowest"), ("other", "highest"))
    )
    e5, minilm = (printed.column(name, same) for name in ("e5", "MiniLM"))
    assert e5[same] > e5[other] + 0.05
    assert 0.75 < e5[other] < 0.85
    assert abs(e5[lowest] - e5[highest]) < 0.03
    assert minilm[same] < minilm[other] + 0.1
    assert "[UNK]" in line(printed, "WordPiece, Chinese, ")
