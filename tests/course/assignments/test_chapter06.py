"""Chapter 6's assignment: alternative solutions get all points, wrong ones lose exactly theirs."""

import math
from itertools import pairwise

import pytest
import torch

MASK, STEP, CACHE = "window-mask", "window-step", "window-cache"
ORDER, SEGMENTS, CROSS = "packed-order", "packed-segments", "packed-cross"
IDS, LENGTH = "likeliest-ids", "likeliest-length"

SEEN = "(behind >= 0) & (behind < window)"
LAST = "    keys, values = keys[:, -window:], values[:, -window:]  # the last ones only\n"
RETURN = "return output[:, 0], (keys, values)"
SELF, BOTH = "so_far & same & real", "cross & real"
KEEP = "elif way[0] > longer.get(token, (-math.inf,))[0]:"

RIGHT = [
    (
        "window",
        "bands of ones, attention by einsum",
        """
def window_mask(length, window):
    return torch.ones(length, length).tril().triu(1 - window).bool()


def window_step(query, key, value, cache, window):
    keys = [key] if cache is None else [*cache[0].unbind(1), key]
    values = [value] if cache is None else [*cache[1].unbind(1), value]
    keys, values = torch.stack(keys[-window:], 1), torch.stack(values[-window:], 1)
    weights = torch.einsum("bd,btd->bt", query, keys).div(query.shape[1] ** 0.5).softmax(1)
    return torch.einsum("bt,btv->bv", weights, values), [keys, values]
""",
    ),
    (
        "packed",
        "padding as sentences of their own",
        """
def packed_masks(source_segments, target_segments):
    t, s = target_segments[:, :, None], source_segments[:, None, :]
    selves = (t == target_segments[:, None, :]) * (t > 0)
    return selves.tril(), (t == s) * (t > 0) * (s > 0)
""",
    ),
    (
        "likeliest",
        "tables and pointers back",
        """
def likeliest(table, start, end, max_length):
    V = len(table)
    alive = torch.full((V,), -math.inf, dtype=table.dtype)
    alive[start] = 0
    pointers, finished = [], []
    for n in range(max_length):
        scores, back = (alive[:, None] + table).max(0)
        pointers.append(back)
        finished.append(scores[end].item())
        alive = scores.clone()
        alive[end] = -math.inf
    n = max(range(max_length), key=lambda n: finished[n])
    ids = [end]
    for back in reversed(pointers[1 : n + 1]):
        ids.append(back[ids[-1]].item())
    return ids[::-1], finished[n]
""",
    ),
]

WRONG = [
    (
        "window",
        "one position more",
        [(SEEN, SEEN.replace("< window", "<= window"))],
        {MASK: 2},
        "the one before it",
    ),
    ("window", "sees the future", [(SEEN, "behind.abs() < window")], {MASK: 2}, "the one before it"),
    ("window", "not itself", [(SEEN, "(behind > 0) & (behind <= window)")], {MASK: 2}, "sees itself"),
    (
        "window",
        "inverted",
        [(SEEN, "~((behind >= 0) & (behind < window))")],
        {MASK: 2},
        "True = may attend",
    ),
    (
        "window",
        "queries as columns",
        [("position[:, None] - position ", "position - position[:, None] ")],
        {MASK: 2},
        "queries as rows",
    ),
    (
        "window",
        "numbers, not True and False",
        [(SEEN, "((behind >= 0) & (behind < window)).float()")],
        {MASK: 2},
        "boolean mask",
    ),
    ("window", "no window in the steps", [(LAST, "")], {STEP: 2, CACHE: 2}, "the mean of 2, 3 and 4"),
    (
        "window",
        "the cache keeps everything, the step looks at the last ones",
        [(LAST, "    everything = keys, values\n" + LAST), (RETURN, "return output[:, 0], everything")],
        {CACHE: 2},
        "nothing older",
    ),
    (
        "window",
        "one position too few in the cache: the newest is forgotten for the next step",
        [(RETURN, "return output[:, 0], (keys[:, 1 - window :], values[:, 1 - window :])")],
        {CACHE: 2},
        "last two keys",
    ),
    (
        "window",
        "the newest word is not seen",
        [
            ("keys.transpose(-2, -1) /", "keys[:, : -1 if cache else None].transpose(-2, -1) /"),
            ("softmax(dim=-1) @ values", "softmax(dim=-1) @ values[:, : -1 if cache else None]"),
        ],
        {STEP: 2},
        "1, 1.5, 2",
    ),
    ("window", "no scale", [(" / math.sqrt(query.shape[-1])", "")], {STEP: 2}, "attention with the mask"),
    (
        "window",
        "the first of the batch for all",
        [("softmax(dim=-1) @ values", "softmax(dim=-1)[:1] @ values")],
        {STEP: 2},
        "A batch of 2",
    ),
    (
        "window",
        "the old cache is overwritten",
        [
            (
                "        keys = torch.cat((cache[0], keys), dim=1)",
                "        if cache[0].shape[1] == window:\n"
                "            for part, new in zip(cache, (key, value)):\n"
                "                part.copy_(torch.cat((part[:, 1:], new[:, None]), dim=1))\n"
                "            cache = cache[0][:, :-1], cache[1][:, :-1]\n"
                "        keys = torch.cat((cache[0], keys), dim=1)",
            )
        ],
        {STEP: 2, CACHE: 2},
        "A batch of 2",
    ),
    (
        "window",
        "values first in the cache",
        [
            (RETURN, "return output[:, 0], (values, keys)"),
            ("(cache[0], keys)", "(cache[1], keys)"),
            ("(cache[1], values)", "(cache[0], values)"),
        ],
        {CACHE: 2},
        "as a pair (keys, values)",
    ),
    (
        "packed",
        "a word doesn't see itself",
        [("position[:, None] >= position", "position[:, None] > position")],
        {ORDER: 2},
        "see itself",
    ),
    (
        "packed",
        "no order",
        [(SELF, "same & real")],
        {ORDER: 2, SEGMENTS: 2},
        "see itself and the words before",
    ),
    (
        "packed",
        "backwards in time",
        [("position[:, None] >= position", "position[:, None] <= position")],
        {ORDER: 2, SEGMENTS: 2},
        "the words before it",
    ),
    (
        "packed",
        "earlier sentences are seen",
        [(SELF, "so_far & real & (target_segments != 0)[:, None, :]")],
        {SEGMENTS: 2},
        "and that is all",
    ),
    (
        "packed",
        "padding sees padding",
        [(SELF, "so_far & same")],
        {SEGMENTS: 2},
        "padding sees something",
    ),
    (
        "packed",
        "padding crosses to padding",
        [(BOTH, "cross")],
        {CROSS: 2},
        "padding sees nothing",
    ),
    (
        "packed",
        "cross sees every real word",
        [(BOTH, "(source_segments != 0)[:, None, :] & real")],
        {CROSS: 2},
        "its own sentence",
    ),
    (
        "packed",
        "cross is causal, too",
        [(BOTH, "(cross & real).tril()")],
        {CROSS: 2},
        "in another order",
    ),
    (
        "packed",
        "only sentence 1 is real",
        [("(target_segments != 0)[:, :, None]", "(target_segments == 1)[:, :, None]")],
        {ORDER: 2, SEGMENTS: 2, CROSS: 2},
        "the numbers only say",
    ),
    (
        "packed",
        "as found",
        [
            ("position[:, None] >= position", "position[:, None] > position"),
            (SELF, "so_far & real & (target_segments != 0)[:, None, :]"),
            (BOTH, "cross"),
        ],
        {ORDER: 2, SEGMENTS: 2, CROSS: 2},
        "see itself",
    ),
    (
        "likeliest",
        "greedy",
        """
def likeliest(table, start, end, max_length):
    ids, score, last = [], 0.0, start
    while len(ids) < max_length and last != end:
        last = table[last].argmax().item()
        score += table[[start, *ids][-1], last].item()
        ids.append(last)
    return ids, score
""",
        {IDS: 2, LENGTH: 2},
        "although 1 is the likelier first token",
    ),
    (
        "likeliest",
        "two beams",
        [
            (
                "        best = longer",
                "        best = dict(sorted(longer.items(), key=lambda item: -item[1][0])[:2])",
            )
        ],
        {IDS: 2},
        "one of the others is likelier",
    ),
    (
        "likeliest",
        "the last way found to a token, not the best",
        [(KEEP, "elif way[0] > -math.inf:")],
        {IDS: 2},
        "one of the others is likelier",
    ),
    (
        "likeliest",
        "the best mean, not the best sum",
        [
            ("found = max(found, way)", "found = max(found, way, key=lambda w: w[0] / max(1, len(w[1])))"),
        ],
        {IDS: 2, LENGTH: 2},
        "one of the others is likelier",
    ),
    (
        "likeliest",
        "exactly max_length tokens",
        [("found = max(found, way)", "found = max(found, way) if len(ids) == max_length - 1 else found")],
        {IDS: 2, LENGTH: 2},
        "0.36",
    ),
    (
        "likeliest",
        "one token too many",
        [("range(max_length)", "range(max_length + 1)")],
        {LENGTH: 2},
        "Two tokens are allowed",
    ),
    (
        "likeliest",
        "the end is not written",
        [("return found[1], found[0]", "return found[1][:-1], found[0]")],
        {IDS: 2, LENGTH: 2},
        "The list holds the end",
    ),
    (
        "likeliest",
        "goes on after the end",
        [("elif way[0]", "if way[0]")],
        {LENGTH: 2},
        "Two tokens are allowed",
    ),
    (
        "likeliest",
        "probabilities instead of their logarithms",
        [("return found[1], found[0]", "return found[1], math.exp(found[0])")],
        {IDS: 2, LENGTH: 2},
        "log 0.36",
    ),
    (
        "likeliest",
        "rows and columns exchanged",
        [("table[last]", "table[:, last]")],
        {IDS: 2, LENGTH: 2},
        "0.36",
    ),
    (
        "window",
        "a window is never less than 2",
        [(SEEN, SEEN.replace("< window", "< max(window, 2)"))],
        {MASK: 2},
        "A window of 1",
    ),
    (
        "window",
        "a cache of two, whatever the window",
        [(LAST, LAST.replace("-window", "-2"))],
        {STEP: 2, CACHE: 2},
        "the mean of 2, 3 and 4",
    ),
    (
        "likeliest",
        "the start is always 0",
        [("best, found = {start:", "best, found = {0:")],
        {LENGTH: 2},
        "The start may be any token",
    ),
]


@pytest.mark.parametrize(("task", "title", "changes"), RIGHT, ids=[f"{case[0]}: {case[1]}" for case in RIGHT])
def test_another_right_solution_gets_every_point(homework, task, title, changes):
    homework.accept("06", task, changes)


@pytest.mark.parametrize(
    ("task", "title", "changes", "loses", "says"), WRONG, ids=[f"{case[0]}: {case[1]}" for case in WRONG]
)
def test_a_wrong_solution_loses_exactly_its_points(homework, task, title, changes, loses, says):
    homework.judge("06", task, changes, loses, says)


def test_the_likeliest_of_30_tokens_and_length_20_is_no_worse_than_a_thousand_beams(homework):
    """What can't be found by trying all is at least never beaten by a wide beam search."""
    namespace = {"math": math}
    exec(homework.find("06", "likeliest").source, namespace)
    for seed in range(3):
        torch.manual_seed(seed)
        table = (2 * torch.randn(30, 30, dtype=torch.float64)).log_softmax(-1)
        table[:, 29] -= 15
        ids, score = namespace["likeliest"](table, 0, 29, 20)
        rows = table.tolist()
        scores, last, found = table.new_zeros(1), torch.tensor([0]), -math.inf  # of the beams
        for _ in range(20):
            longer = scores[:, None] + table[last]  # (beams, 30)
            found = max(found, longer[:, 29].max().item())
            scores, best = longer[:, :29].flatten().topk(min(1000, 29 * len(longer)))
            last = best % 29
        assert score >= found - 1e-9
        assert score == pytest.approx(sum(rows[i][j] for i, j in pairwise([0, *ids])))
