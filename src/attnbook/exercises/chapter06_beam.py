"""Chapter 6: beam search, with sequences of different lengths compared fairly."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from attnbook.exercises.old import as_function, describe, exercise
from attnbook.exercises.running import run
from attnbook.exercises.verdict import Unfinished, Wrong

CALL = "write_with_beams(next_log_probs, start, end, beams, max_length)"
START, END, A, B, C = 0, 1, 2, 3, 4
Model = Callable[[list[int]], Tensor]


def _table(rows: dict[tuple[int, ...], dict[int, float]]) -> Model:
    """A model with the probabilities of a table; what it does not list ends for sure."""

    def next_log_probs(ids: list[int]) -> Tensor:
        row = rows.get(tuple(int(i) for i in ids[1:]), {END: 1.0})
        return torch.tensor([math.log(row.get(token, 1e-9)) for token in range(5)])

    return next_log_probs


def _by_length(*rows: dict[int, float]) -> Model:
    """A model whose probabilities depend on the number of tokens so far alone."""

    def next_log_probs(ids: list[int]) -> Tensor:
        row = rows[min(len(ids) - 1, len(rows) - 1)]
        return torch.tensor([math.log(row.get(token, 1e-9)) for token in range(5)])

    return next_log_probs


# Greedy takes A (.6) and is left with .4; B (.4) leads to .95.
FORK = _table({(): {A: 0.6, B: 0.4}, (A,): {A: 0.4, B: 0.3, C: 0.3}, (B,): {C: 0.95, A: 0.05}})
# The shortest sequence has the highest log-probability, the longer one the highest mean.
LONG = _by_length({END: 0.4, A: 0.35, C: 0.25}, {B: 0.98, A: 0.02}, {END: 0.98, B: 0.02})
# The best beginning ends at once; were it to go on, its dead children would push the others out.
ENDED = _by_length({END: 0.5, A: 0.5 - 1e-6}, {B: 0.97, C: 0.03}, {C: 0.96, B: 0.04}, {END: 0.99, A: 0.01})
NEVER = _by_length({A: 0.7, B: 0.3}, {B: 0.8, A: 0.2})
CASES = (
    (FORK, 2, 5, "where the likeliest first token leads nowhere"),
    (FORK, 1, 5, "with a single beam"),
    (LONG, 3, 4, "with a short and a long way to end"),
    (ENDED, 2, 5, "where one beam ends long before the other"),
    (NEVER, 2, 3, "that never ends by itself"),
)


def _search(
    model: Model,
    beams: int,
    most: int,
    *,
    fair: Callable[[float, int], float] = lambda total, count: total / count,
    stop: bool = True,
    gain: Callable[[float, float], float] = lambda total, log: total + log,
    first: float = 0.0,
    pick: Callable = max,
    halt_at_first_end: bool = False,
) -> list[int]:
    """The right search; the keywords make the wrong ones."""
    kept = [([START], first)]
    for _ in range(most):
        longer = []
        for ids, total in kept:
            if stop and ids[-1] == END:
                longer.append((ids, total))
                continue
            logs = model(ids).tolist()
            longer += [([*ids, token], gain(total, log)) for token, log in enumerate(logs)]
        kept = sorted(longer, key=lambda item: item[1], reverse=True)[:beams]
        if halt_at_first_end and kept[0][0][-1] == END:
            return kept[0][0][1:]
    ids, _ = pick(kept, key=lambda item: fair(item[1], len(item[0]) - 1))
    return ids[1:]


def _plain(total: float, count: int) -> float:
    return total


SLIPS = (
    (
        "This is greedy decoding: only the likeliest beginning goes on. Keep `beams` of them after each "
        "step, and extend every one.",
        lambda model, beams, most: _search(model, 1, most),
    ),
    (
        "The short sequence won for being short: each further token makes a sum of log-probabilities "
        "smaller. "
        "Go on until every beam has ended or has `max_length` tokens, and then compare the sums divided by "
        "their number of tokens, the end included.",
        lambda model, beams, most: _search(model, beams, most, fair=_plain),
        lambda model, beams, most: _search(model, beams, most, halt_at_first_end=True),
    ),
    (
        "A beam that has ended goes on growing: what comes after `end` costs it probability, and takes the "
        "places of others. Carry it along as it is.",
        lambda model, beams, most: _search(model, beams, most, stop=False),
        lambda model, beams, most: _search(model, beams, most, stop=False, fair=_plain),
    ),
    (
        "You multiplied log-probabilities. Probabilities multiply; their logarithms add.",
        lambda model, beams, most: _search(model, beams, most, gain=lambda t, log: t * log, first=1.0),
        lambda model, beams, most: _search(
            model, beams, most, gain=lambda t, log: t * log, first=1.0, fair=_plain
        ),
    ),
    (
        "You returned the worst of the beams. The best is the one with the *highest* mean: log-probabilities "
        "are negative, and the one nearest to 0 wins.",
        lambda model, beams, most: _search(model, beams, most, pick=min),
    ),
)


@exercise(
    "6.6",
    "Beam search",
    task=(
        "write `write_with_beams(next_log_probs, start, end, beams, max_length)`. `next_log_probs(ids)` "
        "gives the log-probabilities `(V,)` of the next token after a list of ids. Keep the `beams` "
        "beginnings with the highest sums, and return the ids (after the start) of the one with the highest "
        "mean per token."
    ),
    praise=(
        "It looks past a tempting first token, lets ended sequences wait, and does not favour the short. "
        "With one beam it is greedy decoding."
    ),
)
def beam_search(answer) -> str:
    function, found = as_function(answer, CALL), []
    for model, beams, most, _ in CASES:
        inputs = {"next_log_probs": model, "start": START, "end": END, "beams": beams, "max_length": most}
        found.append(_read(run(function, inputs, CALL)[0]))
    wanted = [_search(model, beams, most) for model, beams, most, _ in CASES]
    if found != wanted:
        raise Wrong(_explain(found, wanted))
    return ""


def _read(result) -> list[int]:
    if result is None:
        raise Wrong("Your function returned None. Does it end with `return`?")
    if result is ...:
        raise Unfinished("Not done yet: your function still returns `...`.")
    try:
        return [int(token) for token in result]
    except (TypeError, ValueError):
        raise Wrong(f"Wanted a list of ids, got {describe(result)}.") from None


def _explain(found: list[list[int]], wanted: list[list[int]]) -> str:
    number = next(i for i, ids in enumerate(found) if ids != wanted[i])
    got, right, (_, beams, most, words) = found[number], wanted[number], CASES[number]
    case = f"On a made-up model {words} (beams = {beams}), you returned {got}; wanted {right}.\n\n"
    if got == [START, *right]:
        return case + "The start stands in front: return what comes after it."
    if [*got, END] == right:
        return case + "The end is missing: it was written too, and counts as a token."
    for message, *wrongs in SLIPS:
        if any(found == [wrong(*inputs) for *inputs, _ in CASES] for wrong in wrongs):
            return case + message
    if len(got) > most:
        return case + f"That is longer than `max_length`, {most} tokens."
    return case + (
        "Follow it on paper: at each step every kept beginning is extended by every token, and the `beams` "
        "with the highest sums stay."
    )
