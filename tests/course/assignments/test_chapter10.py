"""Chapter 10's assignment: alternative solutions get all points, wrong ones lose exactly theirs."""

import pytest
import torch

ANGLES, ROWS, DISTANCE = "rotary-angles", "rotary-rows", "rotary-distance"
GIVEN, CHANCE = "copies-given", "copies-chance"
KEPT, TEMPERATURE, ORDER = "sampler-kept", "sampler-temperature", "sampler-order"

SPEEDS = "base ** -(torch.arange(half) / half)"
ANGLE = "positions[:, None, :, None] * speeds"
HALVES = "x[..., :half], x[..., half:]"
JOINED = "torch.cat((left, right), dim=-1)"
KEY = "pairs.append((t, max(earlier) + 1))"
WEIGHT = "weights[:, :, queries, keys].mean(dim=-1)"
SEEN = "sum(1 / (t + 1) for t, _ in pairs) / len(pairs)"
SOFTMAX = "(logits / temperature).softmax(dim=-1)"
TOP_K = "    ranked[:, top_k:] = 0.0\n"
ENOUGH = "top_p * ranked.sum(dim=-1, keepdim=True)"
CROSSED = "before >= enough"
SCALED = "    ranked = ranked / ranked.sum(dim=-1, keepdim=True)\n"
SCATTERED = "torch.zeros_like(ranked).scatter(1, order, ranked)"

RIGHT = [
    (
        "rotary",
        "complex numbers",
        """
def rotate_at(x, positions, base):
    half = x.shape[-1] // 2
    angle = positions[..., None] / base ** (torch.arange(half) / half)
    turned = torch.complex(x[..., :half], x[..., half:]) * torch.exp(1j * angle)[:, None]
    return torch.cat((turned.real, turned.imag), dim=-1)
""",
    ),
    (
        "copies",
        "from left to right, with a dictionary of the last occurrences",
        """
def copy_scores(weights, ids):
    last, given, chance = {}, [], []
    for t, token in enumerate(ids.tolist()):
        if token in last:
            given.append(weights[:, :, t, last[token] + 1])
            chance.append(1 / (t + 1))
        last[token] = t
    return [sum(given) / len(given), sum(chance) / len(chance)]
""",
    ),
    (
        "sampler",
        "token by token",
        """
def sampling_probabilities(logits, temperature, top_k, top_p):
    rows = []
    for row in logits:
        p = (row / temperature).exp()
        ranked = sorted(range(len(p)), key=lambda i: -p[i])[:top_k]
        total, kept = sum(p[i] for i in ranked), []
        for i in ranked:
            if sum(p[j] for j in kept) < top_p * total:
                kept.append(i)
        mask = torch.zeros(len(p))
        mask[kept] = 1
        rows.append(p * mask / (p * mask).sum())
    return torch.stack(rows)
""",
    ),
]

WRONG = [
    (
        "rotary",
        "neighbours as pairs",
        [(HALVES, "x[..., ::2], x[..., 1::2]"), (JOINED, "torch.stack((left, right), dim=-1).flatten(-2)")],
        {ANGLES: 2},
        "the features i and i + d/2",
    ),
    (
        "rotary",
        "pairs from neighbours, put back as halves",
        [(HALVES, "x[..., ::2], x[..., 1::2]")],
        {ANGLES: 2},
        "Position 0 changes nothing",
    ),
    (
        "rotary",
        "the other direction",
        [("- b * angle.sin()", "+ b * angle.sin()"), ("+ a * angle.sin()", "- a * angle.sin()")],
        {ANGLES: 2, ROWS: 2},
        "is rotated by 1",
    ),
    (
        "rotary",
        "no rotation: the minus sign is missing",
        [("- b * angle.sin()", "+ b * angle.sin()")],
        {ANGLES: 2, ROWS: 2, DISTANCE: 2},
        "is rotated by 1",
    ),
    (
        "rotary",
        "always positions 0, 1, 2, …",
        [(ANGLE, "torch.arange(x.shape[2])[:, None] * speeds")],
        {ROWS: 2, DISTANCE: 2},
        "Every row has its own positions",
    ),
    (
        "rotary",
        "the first row's positions for all rows",
        [(ANGLE, "positions[:1, None, :, None] * speeds")],
        {ROWS: 2},
        "Every row has its own positions",
    ),
    (
        "rotary",
        "the first position of a row, then one after another",
        [(ANGLE, "(positions[:, :1] + torch.arange(x.shape[2]))[:, None, :, None] * speeds")],
        {ROWS: 2, DISTANCE: 2},
        "Every row has its own positions",
    ),
    (
        "rotary",
        "the base is fixed",
        [(SPEEDS, "10_000.0 ** -(torch.arange(half) / half)")],
        {ANGLES: 2},
        "100 ** (-2 / 4) = 0.1",
    ),
    (
        "rotary",
        "the pair's number without the 2",
        [(SPEEDS, "base ** -(torch.arange(half) / (2 * half))")],
        {ANGLES: 2},
        "100 ** (-2 / 4) = 0.1",
    ),
    ("rotary", "unchanged", [(JOINED, "x")], {ANGLES: 2, ROWS: 2, DISTANCE: 2}, "is rotated by 1"),
    (
        "copies",
        "the same token",
        [(KEY, "pairs.append((t, max(earlier)))")],
        {GIVEN: 2},
        "the tokens after it",
    ),
    (
        "copies",
        "the first occurrence",
        [(KEY, "pairs.append((t, min(earlier) + 1))")],
        {GIVEN: 2},
        "last earlier occurrence",
    ),
    (
        "copies",
        "all earlier occurrences",
        [(KEY, "pairs += [(t, s + 1) for s in earlier]")],
        {GIVEN: 2, CHANCE: 2},
        "last earlier occurrence",
    ),
    (
        "copies",
        "averaged over all queries",
        [(WEIGHT, "weights[:, :, queries, keys].sum(dim=-1) / len(ids)")],
        {GIVEN: 2},
        "Two queries repeat",
    ),
    (
        "copies",
        "queries and keys exchanged",
        [(WEIGHT, "weights[:, :, keys, queries].mean(dim=-1)")],
        {GIVEN: 2},
        "Two queries repeat",
    ),
    (
        "copies",
        "all pairs of a query and a key",
        [(WEIGHT, "weights[:, :, queries][..., keys].mean(dim=(-2, -1))")],
        {GIVEN: 2},
        "Two queries repeat",
    ),
    ("copies", "chance is one key in T", [(SEEN, "1 / len(ids)")], {CHANCE: 2}, "the mean of 1/3 and 1/5"),
    (
        "copies",
        "a query doesn't see itself",
        [(SEEN, "sum(1 / t for t, _ in pairs) / len(pairs)")],
        {CHANCE: 2},
        "itself included",
    ),
    (
        "copies",
        "chance is the mean of the heads",
        [(SEEN, WEIGHT + ".mean().item()")],
        {CHANCE: 2},
        "the mean of 1/3 and 1/5",
    ),
    (
        "sampler",
        "as found",
        """
def sampling_probabilities(logits, temperature, top_k, top_p):
    ranked, order = logits.softmax(dim=-1).sort(dim=-1, descending=True)
    before = ranked.cumsum(dim=-1) - ranked
    ranked = ranked.masked_fill(before >= top_p, 0.0)
    ranked[:, top_k:] = 0.0
    ranked = ranked.pow(1 / temperature)
    ranked = ranked / ranked.sum(dim=-1, keepdim=True)
    return ranked.gather(1, order)
""",
        {KEPT: 2, TEMPERATURE: 2, ORDER: 2},
        "Of their sum, 0.8",
    ),
    ("sampler", "top_p of all tokens", [(ENOUGH, "top_p")], {KEPT: 2}, "Of their sum, 0.8"),
    ("sampler", "top_k is ignored", [(TOP_K, "")], {KEPT: 2}, "Of their sum, 0.8"),
    (
        "sampler",
        "the first row's set for all rows",
        [(CROSSED, "(before >= enough)[:1]")],
        {KEPT: 2, ORDER: 2},
        "Two rows",
    ),
    (
        "sampler",
        "the token that reaches top_p is missing",
        [(CROSSED, "before + ranked > enough")],
        {KEPT: 2, TEMPERATURE: 2, ORDER: 2},
        "The token that reaches top_p is kept",
    ),
    (
        "sampler",
        "not divided by the sum",
        [(SCALED, "")],
        {KEPT: 2, TEMPERATURE: 2, ORDER: 2},
        "divided by 0.8",
    ),
    (
        "sampler",
        "the temperature after the cut",
        [
            (SOFTMAX, "logits.softmax(dim=-1)"),
            (SCALED, "    ranked = ranked ** (1 / temperature)\n" + SCALED),
        ],
        {TEMPERATURE: 2},
        "At this temperature",
    ),
    (
        "sampler",
        "multiplied by the temperature",
        [(SOFTMAX, "(logits * temperature).softmax(dim=-1)")],
        {TEMPERATURE: 2},
        "At this temperature",
    ),
    (
        "sampler",
        "sorted",
        [(SCATTERED, "ranked")],
        {ORDER: 2},
        "each probability belongs to its own token",
    ),
    (
        "sampler",
        "sorted twice in place of put back",
        [(SCATTERED, "ranked.gather(1, order)")],
        {ORDER: 2},
        "each probability belongs to its own token",
    ),
    (
        "sampler",
        "the logits are changed",
        [(SOFTMAX, "(logits.sub_(1.0) / temperature).softmax(dim=-1)")],
        {ORDER: 2},
        "changed the logits in place",
    ),
]


@pytest.mark.parametrize(("task", "title", "changes"), RIGHT, ids=[f"{case[0]}: {case[1]}" for case in RIGHT])
def test_another_right_solution_gets_every_point(homework, task, title, changes):
    homework.accept("10", task, changes)


@pytest.mark.parametrize(
    ("task", "title", "changes", "loses", "says"), WRONG, ids=[f"{case[0]}: {case[1]}" for case in WRONG]
)
def test_a_wrong_solution_loses_exactly_its_points(homework, task, title, changes, loses, says):
    homework.judge("10", task, changes, loses, says)


def test_the_sizes_in_the_written_answer_are_computed(homework):
    layer = 2 * 4 * 64 * 2  # bytes per token: keys and values, 4 key heads of width 64, 16 bits
    answer = homework.find("10", "meaning").source
    assert f"$2 \\cdot 24 \\cdot 4 \\cdot 64 \\cdot 2 = {24 * layer:,}$".replace(",", "{,}") in answer
    full, window = 8192 * layer / 2**20, 1024 * layer / 2**20  # MiB per layer
    assert f"{24 * full:g} MiB for 8,192 tokens" in answer
    sizes = f"{6 * full:g} MiB, and 18 layers keep 1,024 tokens, {18 * window:g} MiB"
    assert f"{sizes}: {6 * full + 18 * window:g} MiB together" in answer


def test_each_fault_of_the_sampler_shows_alone_and_not_on_every_input(homework):
    namespace = {"torch": torch}
    for name in ("sampler-as-found", "sampler"):
        exec(homework.find("10", name).source, namespace)
    found, repaired = namespace["sampler_as_found"], namespace["sampling_probabilities"]
    ranked = torch.tensor([[0.5, 0.3, 0.15, 0.05]]).log()
    for given, same in (
        ((ranked, 1.0, 4, 0.7), True),
        ((ranked, 0.5, 4, 0.6), False),
        ((ranked, 1.0, 2, 0.6), False),
        ((ranked[:, [2, 0, 1, 3]], 1.0, 4, 0.7), False),
    ):
        assert torch.allclose(found(*given), repaired(*given)) == same
