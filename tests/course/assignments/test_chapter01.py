"""Chapter 1's assignment: alternative solutions get all points, wrong ones lose exactly theirs."""

import pytest
import torch
from torch import nn

WINDOW, DILATED, HOLES = "reach-window", "reach-dilated", "reach-holes"
EVEN, SKEWED = "door-even", "door-skewed"
END, START, STEP = "encoder-end", "encoder-start", "encoder-step"

SEES = "(away % dilation == 0) & (away.abs() <= dilation * (kernel // 2))"
PRODUCT = "sees.double() @ reach.double() > 0"
BY_WIDTH = """
def convolution_reach(length, layers):
    position = torch.arange(length)
    return (position[:, None] - position).abs() <= {far}
"""
NOTES = "min(2**bits, len(probabilities))"
LOOP = "range(x.shape[1])"
INSIDE = "torch.tanh(x[:, s] @ W + state @ U + b)"
WHERE = "torch.where(reads, after, state)"

RIGHT = [
    (
        "reach",
        "by the gradient of real convolutions",
        """
def convolution_reach(length, layers):
    x = torch.ones(1, 1, length, dtype=torch.float64, requires_grad=True)
    y = x + 0
    for kernel, dilation in layers:
        ones = torch.ones(1, 1, kernel, dtype=torch.float64)
        y = torch.nn.functional.conv1d(y, ones, padding=dilation * (kernel // 2), dilation=dilation)
    rows = [torch.autograd.grad(y[0, 0, t], x, retain_graph=True)[0][0, 0] for t in range(length)]
    return torch.stack(rows) != 0
""",
    ),
    (
        "reach",
        "sets of positions",
        """
def convolution_reach(length, layers):
    reach = [{t} for t in range(length)]
    for kernel, dilation in layers:
        steps = [dilation * i for i in range(-(kernel // 2), kernel // 2 + 1)]
        reach = [set().union(*(reach[t + i] for i in steps if 0 <= t + i < length)) for t in range(length)]
    return torch.tensor([[s in row for s in range(length)] for row in reach])
""",
    ),
    (
        "door",
        "sorted",
        "def best_exact_match(probabilities, bits):\n"
        "    return sum(sorted(probabilities.tolist(), reverse=True)[: 2**bits])",
    ),
    (
        "encoder",
        "keep all states and choose",
        """
def encode(x, lengths, W, U, b):
    states = [torch.zeros(len(x), len(U), dtype=x.dtype)]
    for word in x.unbind(1):
        states.append((word @ W + states[-1] @ U + b).tanh())
    return torch.stack(states, 1)[torch.arange(len(x)), lengths]
""",
    ),
]

WRONG = [
    (
        "reach",
        "the width of formula 1.5, without dilation",
        BY_WIDTH.format(far="sum(k // 2 for k, _ in layers)"),
        {DILATED: 2, HOLES: 2},
        "1 + 2 + 4 positions",
    ),
    (
        "reach",
        "the right width, no holes",
        BY_WIDTH.format(far="sum(k // 2 * d for k, d in layers)"),
        {HOLES: 2},
        "1, 3 and 5 only",
    ),
    (
        "reach",
        "the widest layer only",
        BY_WIDTH.format(far="max((k // 2 * d for k, d in layers), default=0)"),
        {WINDOW: 2, DILATED: 2, HOLES: 2},
        "two positions to both",
    ),
    (
        "reach",
        "the last layer only",
        [(PRODUCT, "sees")],
        {WINDOW: 2, DILATED: 2, HOLES: 2},
        "two positions to both",
    ),
    (
        "reach",
        "what any layer sees, not a way through all",
        [(PRODUCT, "sees | reach")],
        {WINDOW: 2, DILATED: 2, HOLES: 2},
        "two positions to both",
    ),
    (
        "reach",
        "only what came before",
        [(SEES, SEES + " & (away >= 0)")],
        {WINDOW: 2, DILATED: 2, HOLES: 2},
        "to both sides",
    ),
    (
        "reach",
        "the kernel as a distance",
        [("dilation * (kernel // 2)", "dilation * kernel")],
        {WINDOW: 2, DILATED: 2, HOLES: 2},
        "two positions to both",
    ),
    (
        "reach",
        "holes forgotten within a layer",
        [("(away % dilation == 0) & ", "")],
        {HOLES: 2},
        "1, 3 and 5 only",
    ),
    (
        "reach",
        "the layers in the wrong order",
        [(PRODUCT, "reach.double() @ sees.double() > 0")],
        {HOLES: 2},
        "leaves the sentence",
    ),
    (
        "reach",
        "ways that leave the sentence and come back",
        """
def convolution_reach(length, layers):
    away = {0}
    for k, d in layers:
        away = {a + d * i for a in away for i in range(-(k // 2), k // 2 + 1)}
    return torch.tensor([[s - t in away for s in range(length)] for t in range(length)])
""",
        {HOLES: 2},
        "leaves the sentence",
    ),
    (
        "reach",
        "a circle: the end meets the start",
        [
            (
                "position[:, None] - position ",
                "(position[:, None] - position + length // 2) % length - length // 2 ",
            )
        ],
        {WINDOW: 2, DILATED: 2, HOLES: 2},
        "as far as the sentence goes",
    ),
    (
        "reach",
        "numbers of ways instead of True and False",
        [(PRODUCT, "sees.double() @ reach.double()")],
        {WINDOW: 2, DILATED: 2, HOLES: 2},
        "boolean table",
    ),
    ("door", "as many codes as bits", [("2**bits", "bits")], {EVEN: 2, SKEWED: 2}, "32 different codes"),
    (
        "door",
        "as if all were equally likely",
        [("probabilities.topk(codes).values.sum().item()", "codes / len(probabilities)")],
        {SKEWED: 2},
        "two likeliest",
    ),
    (
        "door",
        "the first messages, not the likeliest",
        [("probabilities.topk(codes).values", "probabilities[:codes]")],
        {SKEWED: 2},
        "two likeliest",
    ),
    (
        "door",
        "more codes than messages",
        [(NOTES, "2**bits")],
        {EVEN: 2},
        "Overflow",
    ),
    (
        "door",
        "the smallest instead of the largest",
        [("topk(codes)", "topk(codes, largest=False)")],
        {SKEWED: 2},
        "two likeliest",
    ),
    (
        "door",
        "bits against entropy",
        """
def best_exact_match(probabilities, bits):
    entropy = -(probabilities * probabilities.log2()).sum().item()
    return min(1.0, 2**bits / 2**entropy)
""",
        {SKEWED: 2},
        "two likeliest",
    ),
    ("encoder", "reads on after the end", [(WHERE, "after")], {END: 2}, "not from padding"),
    (
        "encoder",
        "one length for all",
        [("(s < lengths)[:, None]", "s < lengths[0]")],
        {END: 2},
        "the sentence's own last word",
    ),
    ("encoder", "one word too many", [("(s < lengths)", "(s <= lengths)")], {END: 2}, "own last word"),
    (
        "encoder",
        "discards the sentences that have ended",
        [(WHERE, "after * reads")],
        {END: 2},
        "own last word",
    ),
    (
        "encoder",
        "skips the first word",
        [(LOOP, "range(1, x.shape[1])")],
        {START: 2},
        "Is the first word read at all",
    ),
    (
        "encoder",
        "the memory outside the tanh",
        [(INSIDE, "torch.tanh(x[:, s] @ W + b) + state @ U")],
        {STEP: 2},
        "tanh(1 + tanh(2) / 2)",
    ),
    ("encoder", "no memory", [(" + state @ U", "")], {STEP: 2}, "tanh(1 + tanh(2) / 2)"),
    ("encoder", "no bias", [("state @ U + b", "state @ U")], {START: 2}, "tanh(x W + b)"),
    (
        "encoder",
        "U the wrong way round",
        [("state @ U", "state @ U.T")],
        {STEP: 2},
        "nn.RNN",
    ),
    (
        "encoder",
        "as found",
        [
            (LOOP, "range(1, x.shape[1])"),
            (INSIDE, "torch.tanh(x[:, s] @ W + b) + state @ U"),
            (WHERE, "after"),
        ],
        {END: 2, START: 2, STEP: 2},
        "not from padding",
    ),
    (
        "reach",
        "a kernel is always 3",
        [("dilation * (kernel // 2)", "dilation")],
        {WINDOW: 2, DILATED: 2},
        "A kernel of 1 sees",
    ),
    (
        "door",
        "two codes for each bit",
        [("2**bits", "max(1, 2 * bits)")],
        {EVEN: 2, SKEWED: 2},
        "32 different codes",
    ),
    (
        "encoder",
        "no sentence is empty",
        [("(s < lengths)", "(s < lengths.clamp_min(1))")],
        {END: 2},
        "2, 5, 0 and 4 words",
    ),
]


@pytest.mark.parametrize(("task", "title", "changes"), RIGHT, ids=[f"{case[0]}: {case[1]}" for case in RIGHT])
def test_another_right_solution_gets_every_point(homework, task, title, changes):
    homework.accept("01", task, changes)


@pytest.mark.parametrize(
    ("task", "title", "changes", "loses", "says"), WRONG, ids=[f"{case[0]}: {case[1]}" for case in WRONG]
)
def test_a_wrong_solution_loses_exactly_its_points(homework, task, title, changes, loses, says):
    homework.judge("01", task, changes, loses, says)


def test_what_the_model_answer_says_of_the_reach_of_ten_dilated_layers():
    """Measured on real convolutions: 1023 positions to both sides, without holes."""
    x = torch.ones(1, 1, 2101, requires_grad=True)
    y = x
    for power in range(10):
        layer = nn.Conv1d(1, 1, 3, padding=2**power, dilation=2**power, bias=False)
        nn.init.ones_(layer.weight)
        y = layer(y)
    y[0, 0, 1050].backward()
    seen = x.grad[0, 0].nonzero().flatten()
    assert seen.tolist() == list(range(1050 - 1023, 1050 + 1023 + 1))
