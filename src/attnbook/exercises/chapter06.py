"""Chapter 6: the mask before and after softmax by hand, and the right shift."""

import torch
from torch import Tensor

from attnbook.exercises.old import describe, exercise, judge_function, read_dict, read_numbers, slip
from attnbook.exercises.verdict import Wrong

# --- 6.1 ---------------------------------------------------------------------------------------------------

UNMASKED = (0.1, 0.2, 0.3, 0.4)
AFTER = (0.1, 0.2, 0.0, 0.0)
BEFORE = (1 / 3, 2 / 3, 0.0, 0.0)
WAYS = ("after", "renormalised", "before")

SLIPS_BY_HAND = {
    "after": (
        (UNMASKED, "the weights without a mask. Key 3 and key 4 come later: their weights become 0"),
        (BEFORE, "what the mask *before* softmax gives. After softmax nobody shares out again"),
        (
            (0.1, 0.0, 0.0, 0.0),
            "without the query's own key. It may see itself; only later keys are hidden",
        ),
        ((0.0, 0.0, 0.3, 0.4), "the wrong half: you kept the future and hid the past"),
    ),
    "row_sum": (
        ((1.0,), "what the weights of a proper row sum to. Add up yours"),
        ((0.7,), "what the mask took away. The sum is what is left"),
    ),
    "renormalised": (
        (AFTER, "not renormalised yet: divide each by their sum"),
        (
            (0.45, 0.55, 0.0, 0.0),
            "filled up by adding. Divide by the sum, so that 1 : 2 stays 1 : 2",
        ),
        ((0.5, 0.5, 0.0, 0.0), "even. Key 2 had twice the weight of key 1, and dividing keeps that"),
    ),
    "before": (
        (AFTER, "what the mask *after* softmax gives. Before softmax, the open keys share the whole 1"),
        (UNMASKED, "the weights without a mask"),
        (
            (1.0, 0.0, 0.0, 0.0),
            "without the query's own key. It may see itself; only later keys are hidden",
        ),
        ((0.0, 0.0, 3 / 7, 4 / 7), "the wrong half: you kept the future and hid the past"),
        ((0.5, 0.5, 0.0, 0.0), "even. The scores of keys 1 and 2 still differ: their weights stand 1 : 2"),
    ),
}
RULES = {
    "after": "Take the four weights, and set those of later keys to 0.",
    "row_sum": "Add up the four weights that the mask after softmax leaves.",
    "renormalised": "Divide each weight that is left by their sum.",
    "before": "Softmax over keys 1 and 2 alone. Without a mask they stand 0.1 to 0.2, and the rest of the "
    "row does not change this ratio.",
}


@exercise(
    "6.1",
    "Before and after",
    task=(
        "the second of four words has the weights (0.1, 0.2, 0.3, 0.4) without a mask. Give its weights "
        "with the causal mask `after` softmax, their `row_sum`, the `renormalised` weights, the weights "
        "with the mask `before` softmax, and which of the three are `moved_by_key_4`."
    ),
    praise=(
        "Renormalised and before are the same numbers, and neither hears of key 4. The mask after "
        "softmax hides the later words, and lets them decide how much the earlier ones may weigh."
    ),
)
def before_and_after(answer) -> str:
    given = read_dict(answer, (*RULES, "moved_by_key_4"))
    wanted = {"after": AFTER, "row_sum": (0.3,), "renormalised": BEFORE, "before": BEFORE}
    for name, numbers in wanted.items():
        _step(given[name], name, numbers)
    _judge_moved(_read_ways(given["moved_by_key_4"]))
    return ""


def _step(value, name: str, wanted: tuple) -> None:
    numbers = read_numbers(value, name, len(wanted))

    def close(other: tuple) -> bool:
        return max(abs(a - b) for a, b in zip(numbers, other, strict=True)) <= 0.006

    if close(wanted):
        return
    for wrong, words in SLIPS_BY_HAND[name]:
        if close(wrong):
            raise Wrong(f"`{name}`: this is {words}.")
    shown = ", ".join(f"{number:g}" for number in numbers)
    raise Wrong(f"`{name}`: not {shown}. {RULES[name]}")


def _read_ways(value) -> set[str]:
    try:
        ways = {value} if isinstance(value, str) else set(value)
        ways = {way.strip().lower() for way in ways}
    except (TypeError, AttributeError):
        ways = {None}
    if not ways <= set(WAYS):
        names = ", ".join(f'"{way}"' for way in WAYS)
        raise Wrong(f"`moved_by_key_4` should be a list of names, of {names}, and is {describe(value)}.")
    return ways


def _judge_moved(ways: set[str]) -> None:
    if ways == {"after"}:
        return
    if "after" not in ways:
        raise Wrong(
            "`moved_by_key_4`: the mask after softmax sets the weight of key 4 to 0, but softmax has "
            "divided by a sum that key 4 is part of. A larger score of key 4 makes this sum larger, and "
            "every weight smaller."
        )
    if "renormalised" in ways and "before" not in ways:
        raise Wrong(
            "`moved_by_key_4`: renormalising divides by the sum again, and what key 4 did to all the "
            "weights alike cancels. Compare your numbers for `renormalised` and `before`."
        )
    raise Wrong(
        "`moved_by_key_4`: with the mask before softmax the score of key 4 is -inf, whatever it was. Its "
        "old value enters no sum."
    )


# --- 6.2 ---------------------------------------------------------------------------------------------------


def right_shift(target: Tensor, start: int) -> Tensor:
    return torch.cat((torch.full_like(target[:, :1], start), target[:, :-1]), dim=1)  # (B, T)


def _overwritten(target: Tensor, start: int) -> Tensor:
    shifted = target.clone()
    shifted[:, 0] = start
    return shifted


def _starts(target: Tensor, start: int, count: int = 1) -> Tensor:
    return torch.full_like(target[:, :count], start)


SHIFT_SLIPS = (
    slip(
        "Nothing is shifted: at every place the decoder reads the very token that it must write there. It "
        "would learn to copy, and the causal mask would not stop it, for it may see its own place.",
        lambda target, start: target,
    ),
    slip(
        "You shifted to the left: each place reads the token *after* the one that it must write. To the "
        "right: place t reads what place t - 1 wrote.",
        lambda target, start: torch.cat((target[:, 1:], _starts(target, start)), dim=1),
        lambda target, start: torch.cat((target[:, 1:], torch.zeros_like(target[:, :1])), dim=1),
        lambda target, start: target[:, 1:],
        lambda target, start: torch.roll(target, -1, 1),
    ),
    slip(
        "The start took the place of the first token, and nothing moved. Every token moves one place to the "
        "right; the last one falls off.",
        _overwritten,
    ),
    slip(
        "One column too many: the decoder reads T tokens to write T. The last token is written and never "
        "read: drop it with `target[:, :-1]`.",
        lambda target, start: torch.cat((_starts(target, start), target), dim=1),
    ),
    slip(
        "`roll` carries the last token round to the front: the decoder would read the end of the answer "
        "first. The first place reads `start`.",
        lambda target, start: torch.roll(target, 1, 1),
    ),
    slip(
        "The rows have moved: `roll` went along the batch, so that each sequence reads another one's "
        "answer. Positions are axis 1.",
        lambda target, start: torch.roll(target, 1, 0),
    ),
    slip(
        "One place too far: each place reads the token before the previous one, and the first token "
        "arrives a step late.",
        lambda target, start: torch.cat((_starts(target, start, 2), target[:, :-2]), dim=1),
    ),
    slip(
        "The first place reads 0. That is padding; decoding begins with the id `start`.",
        lambda target, start: right_shift(target, 0),
    ),
    slip(
        "The last token is dropped, but no start stands in front: the first place has nothing to read.",
        lambda target, start: target[:, :-1],
    ),
)


@exercise(
    "6.2",
    "The right shift",
    task=(
        "`target (B, T)` holds the ids that the decoder must write. Write `right_shift(target, start)`, "
        "which returns the ids `(B, T)` that it reads in training."
    ),
    praise=(
        "Place t now reads what a decoder at work would have written one step before. The padding of "
        "short rows moved along, and does no harm: the loss leaves it out."
    ),
)
def shift(answer) -> str:
    generator = torch.Generator().manual_seed(271_828_182)
    ids = torch.randint(3, 14, (3, 6), generator=generator)
    ids[:, -1] = 2  # the end
    ids[1, 3:] = torch.tensor([2, 0, 0])
    other = torch.randint(5, 40, (2, 5), generator=generator)
    return judge_function(
        answer,
        call="right_shift(target, start)",
        cases=[{"target": ids, "start": 1}, {"target": other, "start": 4}],
        right=right_shift,
        returns={"shifted": "(B, T)"},
        slips=SHIFT_SLIPS,
    )
