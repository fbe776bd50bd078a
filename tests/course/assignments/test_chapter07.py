"""Chapter 7's assignment: alternative solutions get all points, wrong ones lose exactly theirs."""

import math

import pytest
import torch

PAIR, MANY, ANY = "shift-pair", "shift-many", "shift-any"
MEAN, RANGE = "profile-mean", "profile-range"
DISTANCE, POSITION, VALUES = "rotary-distance", "rotary-position", "rotary-values"

ANGLE = "offset * 10000.0 ** (-even.double() / d_model)"
UP, DOWN = "matrix[odd, even] = angle.sin()", "matrix[even, odd] = -angle.sin()"
LINES = "[products.diagonal(distance) for distance in range(len(table))]"
DIFFERENCE = "max((line.max() - line.min()).item() for line in lines)"
LAST = "positions[-query.shape[1] :]"
KEYS = "    key = rotated(key, positions)"
BLEND = "return weights @ value, weights"

RIGHT = [
    (
        "shift",
        "the power of one step",
        """
def shift_matrix(offset, d_model):
    blocks = []
    for i in range(0, d_model, 2):
        a = 10000 ** (-i / d_model)
        step = torch.tensor([[math.cos(a), -math.sin(a)], [math.sin(a), math.cos(a)]], dtype=torch.float64)
        blocks.append(torch.linalg.matrix_power(step, offset))
    return torch.block_diag(*blocks)
""",
    ),
    (
        "profile",
        "pair by pair",
        """
def distance_profile(table):
    means, ranges = [], []
    for k in range(len(table)):
        found = [(table[t] @ table[t + k]).item() for t in range(len(table) - k)]
        means.append(sum(found) / len(found))
        ranges.append(max(found) - min(found))
    return torch.tensor(means), max(ranges)
""",
    ),
    (
        "rotary",
        "the queries counted from the end",
        [(LAST, "torch.arange(key.shape[1] - query.shape[1], key.shape[1])")],
    ),
    (
        "rotary",
        "only distances count: all positions moved by 5",
        [("torch.arange(key.shape[1])", "torch.arange(key.shape[1]) + 5")],
    ),
]

WRONG = [
    (
        "shift",
        "for positions on the right",
        [("return matrix", "return matrix.T")],
        {PAIR: 2, MANY: 2, ANY: 2},
        "the sign of the angle",
    ),
    (
        "shift",
        "both sines positive",
        [(DOWN, "matrix[even, odd] = angle.sin()")],
        {PAIR: 2, MANY: 2, ANY: 2},
        "the sign",
    ),
    (
        "shift",
        "one frequency for all",
        [(ANGLE, "offset * torch.ones(d_model // 2).double()")],
        {MANY: 2},
        "by its own angle",
    ),
    (
        "shift",
        "i instead of 2i in the frequency",
        [("-even.double()", "-even.double() / 2")],
        {MANY: 2},
        "its own angle",
    ),
    (
        "shift",
        "sines in the first half, cosines in the second",
        [
            ("even = torch.arange(0, d_model, 2)", "even = torch.arange(d_model // 2)"),
            ("odd = even + 1", "odd = even + d_model // 2"),
            ("-even.double()", "-2 * even.double()"),
        ],
        {MANY: 2},
        "each pair of columns",
    ),
    ("shift", "never backwards", [(ANGLE, ANGLE.replace("offset", "abs(offset)"))], {ANY: 2}, "lead home"),
    (
        "shift",
        "one step, whatever the offset",
        [(ANGLE, ANGLE.replace("offset", "1"))],
        {PAIR: 2, MANY: 2, ANY: 2},
        "an offset of 2",
    ),
    (
        "shift",
        "made to fit the first rows only: a sum, no turn",
        [(UP, UP.replace("angle.sin()", "angle")), (DOWN, DOWN.replace("angle.sin()", "angle"))],
        {PAIR: 2, MANY: 2, ANY: 2},
        "an offset of 2",
    ),
    (
        "profile",
        "cosines instead of dot products",
        [
            (
                "products = table @ table.T",
                "unit = torch.nn.functional.normalize(table, dim=-1)\n    products = unit @ unit.T",
            )
        ],
        {MEAN: 2, RANGE: 2},
        "plain dot products",
    ),
    ("profile", "sums instead of means", [("line.mean()", "line.sum()")], {MEAN: 2}, "Wanted are the means"),
    (
        "profile",
        "from the first row only",
        [(LINES, "[products[:1, distance] for distance in range(len(table))]")],
        {MEAN: 2, RANGE: 2},
        "at distance 0 the products are",
    ),
    (
        "profile",
        "distance 0 left out",
        [("line.mean() for line in lines", "line.mean() for line in lines[1:]")],
        {MEAN: 2},
        "distance 0",
    ),
    (
        "profile",
        "standard deviation",
        [("(line.max() - line.min())", "line.std(unbiased=False)")],
        {RANGE: 2},
        "9 − 1 = 8",
    ),
    (
        "profile",
        "the mean of the ranges",
        [(DIFFERENCE, "sum((line.max() - line.min()).item() for line in lines) / len(lines)")],
        {RANGE: 2},
        "the largest is 8",
    ),
    (
        "profile",
        "distance 0 alone",
        [(DIFFERENCE, "(lines[0].max() - lines[0].min()).item()")],
        {RANGE: 2},
        "at distance 1 the products are 0, 1 and 1",
    ),
    (
        "profile",
        "over all distances at once",
        [(DIFFERENCE, "(products.max() - products.min()).item()")],
        {RANGE: 2},
        "9 − 1 = 8",
    ),
    (
        "rotary",
        "the queries at the beginning",
        [(LAST, "torch.arange(query.shape[1])")],
        {POSITION: 2},
        "Where does yours stand",
    ),
    (
        "rotary",
        "all queries at the last position",
        [(LAST, "positions[-1:]")],
        {DISTANCE: 2, POSITION: 2},
        "something else than the distance",
    ),
    (
        "rotary",
        "keys turned the other way",
        [(KEYS, "    key = rotated(key, -positions)")],
        {DISTANCE: 2},
        "something else than the distance",
    ),
    (
        "rotary",
        "keys not turned",
        [(KEYS + "  # (B, S, d)\n", "")],
        {DISTANCE: 2},
        "something else than the distance",
    ),
    (
        "rotary",
        "values turned, too",
        [(BLEND, "return weights @ rotated(value, positions), weights")],
        {VALUES: 2},
        "not what is fetched",
    ),
    (
        "rotary",
        "no scale",
        [(" / math.sqrt(query.shape[-1])", "")],
        {DISTANCE: 2, POSITION: 2},
        "cos(t − s) / √2",
    ),
    (
        "rotary",
        "as found",
        [
            (LAST, "torch.arange(query.shape[1])"),
            (KEYS, "    key = rotated(key, -positions)"),
            (BLEND, "return weights @ rotated(value, positions), weights"),
        ],
        {DISTANCE: 2, POSITION: 2, VALUES: 2},
        "something else than the distance",
    ),
    (
        "shift",
        "two steps, whatever the offset",
        [(ANGLE, ANGLE.replace("offset", "2"))],
        {PAIR: 2, MANY: 2, ANY: 2},
        "an offset of 1",
    ),
    ("shift", "d_model is always 8", [(ANGLE, ANGLE.replace("d_model", "8"))], {MANY: 2}, "d_model = 4"),
    (
        "profile",
        "three distances only",
        [("line.mean() for line in lines", "line.mean() for line in lines[:3]")],
        {MEAN: 2},
        "Sinusoidal positions",
    ),
    (
        "rotary",
        "d is always 2",
        [("math.sqrt(query.shape[-1])", "math.sqrt(2)")],
        {DISTANCE: 2, POSITION: 2},
        "A batch of 2",
    ),
    (
        "rotary",
        "values cut to the width of the keys",
        [(BLEND, "return weights @ value[..., : key.shape[-1]], weights")],
        {VALUES: 2},
        "odd width",
    ),
]


@pytest.mark.parametrize(("task", "title", "changes"), RIGHT, ids=[f"{case[0]}: {case[1]}" for case in RIGHT])
def test_another_right_solution_gets_every_point(homework, task, title, changes):
    homework.accept("07", task, changes)


@pytest.mark.parametrize(
    ("task", "title", "changes", "loses", "says"), WRONG, ids=[f"{case[0]}: {case[1]}" for case in WRONG]
)
def test_a_wrong_solution_loses_exactly_its_points(homework, task, title, changes, loses, says):
    homework.judge("07", task, changes, loses, says)


def test_what_the_model_answer_says_of_turns(homework):
    """Rotated queries and keys score by their distance alone, and the turns of task 3 add up."""
    namespace = {"torch": torch, "math": math}
    exec(homework.find("07", "rotary-as-found").source, namespace)
    query, key = torch.randn(2, 1, 1, 6, dtype=torch.float64)

    def score(t, s):
        turned = namespace["rotated"](query, torch.tensor([t])), namespace["rotated"](key, torch.tensor([s]))
        return (turned[0] * turned[1]).sum().item()

    for t, s in [(3, 1), (9, 4), (5, 5)]:
        assert score(t, s) == pytest.approx(score(t + 11, s + 11), abs=1e-5)
    assert score(3, 1) != pytest.approx(score(1, 3), abs=1e-3)
