"""Chapter 9's assignment: alternative solutions get all points, wrong ones lose exactly theirs."""

import math

import pytest

BEST, NONE, LONG = "pieces-best", "pieces-none", "pieces-long"
GIVEN, CHANCE = "census-given", "census-chance"
CHOSEN, WORDS, INTERVAL = "judge-chosen", "judge-words", "judge-interval"

TAKEN = "best[end] = max(found)"
TOTAL = "best[start][0] + scores[word[start:end]]"
KNOWN = "if start in best and word[start:end] in scores"
WEIGHTS = "(weights * keys).sum(dim=-1)[..., rows].mean(dim=-1)"
UNIFORM = "(keys[rows].double().mean()).item()"
HIDDEN = "rows.masked_fill(~words[:, None, None], -1).argmax(dim=-1)"
ON_TRAIN = "right[train].sum(dim=0)"
COUNTED = "int(right[~train, layer, head].sum()), int((~train).sum())"
ENDS = "(middle - half) / (n + z * z), (middle + half) / (n + z * z)"

RIGHT = [
    (
        "pieces",
        "from right to left, by recursion with a memory",
        """
def split_word(word, scores):
    known = {len(word): (0.0, [])}
    for start in range(len(word) - 1, -1, -1):
        for end in range(start + 1, len(word) + 1):
            piece = word[start:end]
            if piece in scores and end in known:
                total = scores[piece] + known[end][0]
                if start not in known or total > known[start][0]:
                    known[start] = total, [piece, *known[end][1]]
    return known[0][1] if 0 in known else []
""",
    ),
    (
        "census",
        "query by query",
        """
def head_census(weights, keys):
    given, chance = [], []
    for t in range(len(keys)):
        if keys[t].any():
            given.append(weights[:, :, t, keys[t]].sum(-1))
            chance.append(keys[t].sum().item() / len(keys))
    return torch.stack(given).mean(0), sum(chance) / len(chance)
""",
    ),
    ("judge", "weights of other tokens set to 0", [(HIDDEN, "(rows * words[:, None, None]).argmax(dim=-1)")]),
]

WRONG = [
    (
        "pieces",
        "greedy, the longest first",
        """
def split_word(word, scores):
    pieces, start = [], 0
    while start < len(word):
        ends = [end for end in range(len(word), start, -1) if word[start:end] in scores]
        if not ends:
            return []
        pieces.append(word[start : ends[0]])
        start = ends[0]
    return pieces
""",
        {BEST: 2, NONE: 2, LONG: 2},
        "the sum of the scores decides",
    ),
    (
        "pieces",
        "the fewest pieces",
        [(TAKEN, "best[end] = min(found, key=lambda split: len(split[1]))")],
        {BEST: 2, LONG: 2},
        "the number of pieces doesn't matter",
    ),
    (
        "pieces",
        "the least probable",
        [(TAKEN, "best[end] = min(found)")],
        {BEST: 2, LONG: 2},
        "the sum of the scores decides",
    ),
    (
        "pieces",
        "the mean of the scores",
        [(TAKEN, "best[end] = max(found, key=lambda split: split[0] / len(split[1]))")],
        {BEST: 2, LONG: 2},
        "the whole word is one piece",
    ),
    (
        "pieces",
        "unknown letters are skipped",
        [
            (KNOWN, "if start in best and (word[start:end] in scores or end == start + 1)"),
            (TOTAL, "best[start][0] + scores.get(word[start:end], -50.0)"),
        ],
        {NONE: 2},
        "return []",
    ),
    (
        "census",
        "averaged over all queries",
        [(WEIGHTS, "(weights * keys).sum(dim=-1).mean(dim=-1)")],
        {GIVEN: 2},
        "two queries count",
    ),
    (
        "census",
        "averaged over pairs",
        [(WEIGHTS, "weights[..., keys].mean(dim=-1)")],
        {GIVEN: 2},
        "added up, then averaged",
    ),
    (
        "census",
        "queries and keys exchanged",
        [(WEIGHTS, "(weights * keys.T).sum(dim=-1)[..., rows].mean(dim=-1)")],
        {GIVEN: 2},
        "two queries count",
    ),
    (
        "census",
        "chance over all queries",
        [(UNIFORM, "keys.double().mean().item()")],
        {CHANCE: 2},
        "queries that have a key is 0.375",
    ),
    (
        "census",
        "chance is one key in T",
        [(UNIFORM, "1 / len(keys)")],
        {CHANCE: 2},
        "queries that have a key is 0.375",
    ),
    (
        "census",
        "chance is the mean of the heads",
        [(UNIFORM, "given.mean().item()")],
        {CHANCE: 2},
        "doesn't depend on the weights",
    ),
    (
        "judge",
        "chosen on all sentences",
        [(ON_TRAIN, "right.sum(dim=0)")],
        {CHOSEN: 2},
        "must not take part in the choice",
    ),
    (
        "judge",
        "tested on all sentences",
        [(COUNTED, "int(right[:, layer, head].sum()), len(train)")],
        {CHOSEN: 2, WORDS: 2, INTERVAL: 2},
        "must not take part in the choice",
    ),
    (
        "judge",
        "special tokens count",
        [(HIDDEN, "rows.argmax(dim=-1)")],
        {WORDS: 2},
        "Special tokens don't count",
    ),
    (
        "judge",
        "the plain interval",
        [
            (
                ENDS,
                "hits / n - z * math.sqrt(hits * (n - hits) / n**3), "
                "hits / n + z * math.sqrt(hits * (n - hits) / n**3)",
            )
        ],
        {INTERVAL: 2},
        "15 of 17",
    ),
    (
        "judge",
        "an interval of 99 %",
        [("z = 1.96", "z = 2.576")],
        {INTERVAL: 2},
        "15 of 17",
    ),
    (
        "judge",
        "as found",
        [
            (HIDDEN, "rows.argmax(dim=-1)"),
            (ON_TRAIN, "right.sum(dim=0)"),
            (
                ENDS,
                "hits / n - z * math.sqrt(hits * (n - hits) / n**3), "
                "hits / n + z * math.sqrt(hits * (n - hits) / n**3)",
            ),
        ],
        {CHOSEN: 2, WORDS: 2, INTERVAL: 2},
        "must not take part in the choice",
    ),
    (
        "judge",
        "layer and head exchanged",
        [("    layer, head = divmod", "    head, layer = divmod")],
        {CHOSEN: 2},
        "head 1 of layer 2",
    ),
]


@pytest.mark.parametrize(("task", "title", "changes"), RIGHT, ids=[f"{case[0]}: {case[1]}" for case in RIGHT])
def test_another_right_solution_gets_every_point(homework, task, title, changes):
    homework.accept("09", task, changes)


@pytest.mark.parametrize(
    ("task", "title", "changes", "loses", "says"), WRONG, ids=[f"{case[0]}: {case[1]}" for case in WRONG]
)
def test_a_wrong_solution_loses_exactly_its_points(homework, task, title, changes, loses, says):
    homework.judge("09", task, changes, loses, says)


def test_the_intervals_in_the_written_question_are_wilsons():
    for hits, n, low, high in ((15, 17, 0.66, 0.97), (9, 20, 0.26, 0.66)):
        z = 1.96
        half = z * math.sqrt(hits * (n - hits) / n + z * z / 4)
        ends = [(hits + z * z / 2 + sign * half) / (n + z * z) for sign in (-1, 1)]
        assert [round(end, 2) for end in ends] == [low, high]


def test_as_found_has_the_three_faults(homework):
    """The locked cell is the repaired function with the changes of the case "as found"."""
    source = homework.find("09", "judge-as-found").source
    assert "rows.argmax" in source
    assert "right.sum(dim=0)" in source
    assert "p * (1 - p)" in source
