"""Chapter 8's assignment: alternative solutions get all points, wrong ones lose exactly theirs."""

import math

import pytest
import torch

PLAIN, PADDING, SMOOTHING = "loss-plain", "loss-padding", "loss-smoothing"
FRACTIONS, LANGUAGES, ODD = "fields-fractions", "fields-languages", "fields-odd"
MEAN, COUNTERS, HALF = "average-mean", "average-counters", "average-half"

OTHERS = "smoothing / (logits.shape[-1] - 2)"
NO_PAD = "    wanted[..., pad] = 0.0\n"
RESULT = "each[real].sum() / real.sum().clamp_min(1)"
THREE = "        if len(fields) != 3:\n            fields = [None, None, None]\n"
SAME = '[a == b for a, b in zip(fields, right.split("-"), strict=True)]'
STACK = "torch.stack([checkpoint[name].double() for checkpoint in checkpoints])"
FLOATING = "if last.is_floating_point():"
BACK = ".to(last.dtype)"

RIGHT = [
    (
        "loss",
        "three sums",
        """
def smoothed_loss(logits, target, pad, smoothing):
    log_p = logits - torch.logsumexp(logits, -1, keepdim=True)
    right = log_p.gather(-1, target.unsqueeze(-1)).squeeze(-1)
    others = log_p.sum(-1) - right - log_p[..., pad]
    loss = -(1 - smoothing) * right - smoothing / (logits.size(-1) - 2) * others
    real = (target != pad).to(loss.dtype)
    return ((loss * real).sum() / max(1, real.sum())).item()
""",
    ),
    (
        "fields",
        "one language at a time",
        """
def field_report(written, wanted, languages):
    report = {}
    for language in set(languages):
        rows = [(a.split("-"), b.split("-")) for a, b, c in zip(written, wanted, languages) if c == language]
        def fraction(right):
            return sum(map(right, rows)) / len(rows)
        report[language] = {
            name: fraction(lambda row: len(row[0]) == 3 and row[0][i] == row[1][i])
            for i, name in enumerate(["year", "month", "day"])
        }
        report[language]["all"] = fraction(lambda row: row[0] == row[1])
    return report
""",
    ),
    (
        "average",
        "a running mean in 64 bits",
        """
def average_checkpoints(checkpoints):
    result = {}
    for name in checkpoints[0]:
        value = checkpoints[-1][name]
        if value.dtype in (torch.float16, torch.bfloat16, torch.float32, torch.float64):
            total = 0
            for n, checkpoint in enumerate(checkpoints, 1):
                total = total + (checkpoint[name].to(torch.float64) - total) / n
            value = total.to(value.dtype)
        result[name] = value
    return result
""",
    ),
]

WRONG = [
    (
        "loss",
        "log of softmax",
        [("logits.log_softmax(dim=-1)", "logits.softmax(dim=-1).log()")],
        {PLAIN: 2},
        "exp of them is infinite",
    ),
    (
        "loss",
        "softmax over the positions",
        [("log_softmax(dim=-1)", "log_softmax(dim=1)")],
        {PLAIN: 2, PADDING: 2, SMOOTHING: 2},
        "log 4 and log 2",
    ),
    (
        "loss",
        "the sum, not the mean",
        [(RESULT, "each[real].sum()")],
        {PLAIN: 2, PADDING: 2, SMOOTHING: 2},
        "the mean of log 4",
    ),
    (
        "loss",
        "the logits as they are",
        [("logits.log_softmax(dim=-1)", "logits")],
        {PLAIN: 2, PADDING: 2, SMOOTHING: 2},
        "log 4 and log 2",
    ),
    (
        "loss",
        "padding counts",
        [(RESULT, "each.sum() / target.numel()")],
        {PADDING: 2},
        "over the 4 real tokens",
    ),
    (
        "loss",
        "divided by all positions",
        [(RESULT, "each[real].sum() / target.numel()")],
        {PADDING: 2},
        "over the 4 real tokens",
    ),
    (
        "loss",
        "the mean of the sentences' means",
        [(RESULT, "((each * real).sum(1) / real.sum(1).clamp_min(1)).mean()")],
        {PADDING: 2},
        "each of which counts alike",
    ),
    ("loss", "NaN for nothing but padding", [(".clamp_min(1)", "")], {PADDING: 2}, "Nothing but padding"),
    (
        "loss",
        "padding is always 0",
        [("real = target != pad", "real = target != 0")],
        {PADDING: 2},
        "Padding is token 4",
    ),
    (
        "loss",
        "shared among all V tokens",
        [(OTHERS, "smoothing / logits.shape[-1]")],
        {SMOOTHING: 2},
        "0.3 / 3 = 0.1",
    ),
    (
        "loss",
        "shared among V − 1",
        [(OTHERS, "smoothing / (logits.shape[-1] - 1)")],
        {SMOOTHING: 2},
        "0.3 / 3 = 0.1",
    ),
    ("loss", "padding gets a probability", [(NO_PAD, "")], {SMOOTHING: 2}, "padding with 0"),
    (
        "loss",
        "padding is always 0 in the smoothing",
        [("wanted[..., pad]", "wanted[..., 0]")],
        {PADDING: 2, SMOOTHING: 2},
        "Padding is token 4",
    ),
    ("loss", "no smoothing", [(OTHERS, "0.0"), ("1 - smoothing)", "1.0)")], {SMOOTHING: 2}, "0.7"),
    (
        "loss",
        "torch's own smoothing",
        """
def smoothed_loss(logits, target, pad, smoothing):
    logits, target = logits.flatten(0, 1), target.flatten()
    return F.cross_entropy(logits, target, ignore_index=pad, label_smoothing=smoothing)
""",
        {PADDING: 2, SMOOTHING: 2},
        "Nothing but padding",
    ),
    (
        "fields",
        "all is the mean of the fields",
        [("[*same, ours == right]", "[*same, sum(same) / 3]")],
        {FRACTIONS: 2, LANGUAGES: 1, ODD: 1},
        "all of them in 1 of 4",
    ),
    (
        "fields",
        "fields as sets of characters",
        [("a == b for a, b", "sorted(a or '') == sorted(b) for a, b")],
        {FRACTIONS: 2},
        "An anagram",
    ),
    (
        "fields",
        "fields in any order",
        [(SAME, "[b in fields for b in right.split('-')]")],
        {FRACTIONS: 2},
        "month and day exchanged",
    ),
    (
        "fields",
        "counts instead of fractions",
        [("/ len(rows)", "")],
        {FRACTIONS: 2, LANGUAGES: 1, ODD: 1},
        "right in 3 of 4",
    ),
    (
        "fields",
        "divided by all dates",
        [("/ len(rows)", "/ len(written)")],
        {LANGUAGES: 1},
        "of its own dates",
    ),
    (
        "fields",
        "one language for all",
        [
            ("for language in languages}", "for language in languages[:1]}"),
            ("hits[language].append", "hits[languages[0]].append"),
        ],
        {LANGUAGES: 1},
        "its own fractions",
    ),
    (
        "fields",
        "cut by position, not by hyphens",
        [
            (
                '        fields = ours.split("-")\n' + THREE,
                "        fields = [ours[:4], ours[5:7], ours[8:]]\n",
            )
        ],
        {ODD: 1},
        "two fields only",
    ),
    (
        "fields",
        "the fields that are there count",
        [(THREE, "        fields = [*fields, None, None, None][:3]\n")],
        {ODD: 1},
        "in the first no field",
    ),
    (
        "fields",
        "as whole numbers",
        [
            (
                SAME,
                "[int(a or 0) == int(b) for a, b in zip(fields, right.split('-'))]",
            )
        ],
        {ODD: 1},
        "a wrong month",
    ),
    (
        "average",
        "the later the more",
        [
            ("values.mean(dim=0)", "functools.reduce(lambda mean, value: (mean + value) / 2, values)"),
            ("    mean = {}", "    import functools\n\n    mean = {}"),
        ],
        {MEAN: 2},
        "counts alike",
    ),
    (
        "average",
        "sums",
        [("values.mean(dim=0)", "values.sum(dim=0)")],
        {MEAN: 2, HALF: 2},
        "of 1, 2 and 6 is 3",
    ),
    (
        "average",
        "the median",
        [("values.mean(dim=0)", "values.median(dim=0).values")],
        {MEAN: 2},
        "of 1, 2 and 6 is 3",
    ),
    ("average", "the last one", [("values.mean(dim=0)", "values[-1]")], {MEAN: 2}, "of 1, 2 and 6 is 3"),
    (
        "average",
        "counts are averaged, too",
        [(FLOATING, "if True:")],
        {COUNTERS: 2},
        "a count is no parameter",
    ),
    (
        "average",
        "counts are averaged to fractions",
        [
            (FLOATING, "if True:"),
            (BACK, " if last.dtype == torch.int64 else values.mean(dim=0).to(last.dtype)"),
        ],
        {COUNTERS: 2},
        "a count is no parameter",
    ),
    (
        "average",
        "the first checkpoint's counts",
        [("mean[name] = last.clone()", "mean[name] = checkpoints[0][name]")],
        {COUNTERS: 2},
        "The last checkpoint's",
    ),
    (
        "average",
        "counts left out",
        [("            mean[name] = last.clone()", "            pass")],
        {COUNTERS: 2},
        "should be kept",
    ),
    (
        "average",
        "sums in 16 bits",
        [("values.mean(dim=0)", "(sum(checkpoint[name] for checkpoint in checkpoints) / len(checkpoints))")],
        {HALF: 2},
        "more than 16 bits can hold",
    ),
    ("average", "all in 64 bits", [(BACK, "")], {HALF: 2}, "keep its dtype, here float16"),
    (
        "average",
        "32 bits in between",
        [(".double()", ".float()"), ("values.mean(dim=0)", "(values.sum(dim=0) / len(values))")],
        {HALF: 2},
        "not even 32 bits",
    ),
    (
        "average",
        "as found",
        "def average_checkpoints(checkpoints):\n"
        "    mean = dict(checkpoints[0])\n"
        "    for checkpoint in checkpoints[1:]:\n"
        "        for name, value in checkpoint.items():\n"
        "            mean[name] = (mean[name] + value) / 2\n"
        "    return mean\n",
        {MEAN: 2, COUNTERS: 2, HALF: 2},
        "counts alike",
    ),
    (
        "fields",
        "the language is always English",
        [("for language in languages}", 'for language in languages} or {"en": []}')],
        {LANGUAGES: 1},
        "division by zero",
    ),
    (
        "average",
        "the last three only",
        [(STACK, STACK.replace("in checkpoints", "in checkpoints[-3:]"))],
        {MEAN: 2},
        "Five checkpoints",
    ),
    (
        "average",
        "the largest count",
        [("last.clone()", "torch.stack([checkpoint[name] for checkpoint in checkpoints]).amax(0)")],
        {COUNTERS: 2},
        "Booleans",
    ),
]


@pytest.mark.parametrize(("task", "title", "changes"), RIGHT, ids=[f"{case[0]}: {case[1]}" for case in RIGHT])
def test_another_right_solution_gets_every_point(homework, task, title, changes):
    homework.accept("08", task, changes)


@pytest.mark.parametrize(
    ("task", "title", "changes", "loses", "says"), WRONG, ids=[f"{case[0]}: {case[1]}" for case in WRONG]
)
def test_a_wrong_solution_loses_exactly_its_points(homework, task, title, changes, loses, says):
    homework.judge("08", task, changes, loses, says)


def test_what_the_model_answer_says_of_the_smallest_loss(homework):
    namespace = {"torch": torch}
    exec(homework.find("08", "loss").source, namespace)
    target = torch.tensor([[3]])
    best = torch.full((1, 1, 22), 0.005, dtype=torch.float64)
    best[..., 3], best[..., 0] = 0.9, 1e-30
    floor = namespace["smoothed_loss"](best.log(), target, 0, 0.1).item()
    assert floor == pytest.approx(0.6247, abs=1e-4)
    assert namespace["smoothed_loss"](best.log(), target, 0, 0.0).item() == pytest.approx(-math.log(0.9))
    for seed in range(5):
        torch.manual_seed(seed)
        other = best.log() + 0.3 * torch.randn(1, 1, 22, dtype=torch.float64)
        assert namespace["smoothed_loss"](other, target, 0, 0.1) > floor
    certain = torch.zeros(1, 1, 22, dtype=torch.float64)
    certain[..., 3] = 1000
    assert namespace["smoothed_loss"](certain, target, 0, 0.1) > 50
