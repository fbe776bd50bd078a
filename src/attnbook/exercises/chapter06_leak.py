"""Chapter 6: a test that tells a decoder that sees the future from one that doesn't."""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from attnbook.attention import masked_softmax
from attnbook.exercises.old import as_function, exercise, random, read_truth
from attnbook.exercises.running import run
from attnbook.exercises.verdict import Unfinished, Wrong

LENGTH, WIDTH = 6, 8


class Suspect(NamedTuple):
    """A layer `(1, T, D)` -> `(1, T, D)`, and whether some output depends on a later input."""

    name: str
    layer: Callable[[Tensor], Tensor]
    leaks: bool


def _attention(mask_of: Callable[[Tensor], Tensor], *, last: Callable = lambda y: y) -> Callable:
    """Self-attention with weights `mask_of(scores)`, a residual, and a last step."""
    W = random(3, WIDTH, WIDTH, seed=300).double() / math.sqrt(WIDTH)

    def layer(x: Tensor) -> Tensor:
        query, key, value = (x @ matrix.to(x.dtype) for matrix in W)  # (1, T, D) each
        scores = query @ key.transpose(-2, -1) / math.sqrt(WIDTH)  # (1, T, T)
        return last(x + mask_of(scores) @ value)

    return layer


def _triangle(shift: int) -> Callable[[Tensor], Tensor]:
    return lambda scores: masked_softmax(scores, torch.ones_like(scores, dtype=torch.bool).tril(shift))


def _after(scores: Tensor) -> Tensor:
    return scores.softmax(-1).tril()


def _one_place(query: int, key: int) -> Callable[[Tensor], Tensor]:
    """A causal layer with one hole: one query may look at one later key."""

    def weights(scores: Tensor) -> Tensor:
        mask = torch.ones_like(scores, dtype=torch.bool).tril()
        mask[..., query : query + 1, key : key + 1] = True  # where a shorter x has no such place, no hole
        return masked_softmax(scores, mask)

    return weights


def _normalized(y: Tensor) -> Tensor:
    return F.layer_norm(y, (WIDTH,))


def _centred(y: Tensor) -> Tensor:
    """The half of LayerNorm that hides a leak from a sum, exactly: 1 - 8/8 is 0 without any rounding."""
    return y - y.mean(dim=-1, keepdim=True)


SUSPECTS = (
    Suspect("a layer with the causal mask", _attention(_triangle(0)), False),
    Suspect("a layer without a mask", _attention(lambda scores: scores.softmax(-1)), True),
    Suspect("a causal layer that ends in LayerNorm", _attention(_triangle(0), last=_normalized), False),
    Suspect("a layer with the mask after softmax", _attention(_after), True),
    Suspect("a layer whose triangle reaches one place too far", _attention(_triangle(1)), True),
    Suspect("a layer that hides the diagonal too", _attention(_triangle(-1)), False),
    Suspect("a leaking layer that ends in LayerNorm", _attention(_triangle(2), last=_normalized), True),
    Suspect(
        "a leaking layer that subtracts the mean, as LayerNorm does",
        _attention(_triangle(2), last=_centred),
        True,
    ),
    Suspect("a layer in which only word 0 sees word 1", _attention(_one_place(0, 1)), True),
    Suspect("a layer in which only word 2 sees word 4", _attention(_one_place(2, 4)), True),
    Suspect("a layer in which only word 4 sees the last one", _attention(_one_place(4, 5)), True),
)


@exercise(
    "6.4",
    "A leak test",
    task=(
        "write `leaks(layer, x)`, which returns True when some output of `layer(x)` depends on a later "
        "position of x, and False when none does. x is `(1, T, D)`, and `layer` returns `(1, T, D)`."
    ),
    praise=(
        f"Your test judged {len(SUSPECTS)} layers rightly: the innocent, the careless, the one with the mask "
        "after softmax, and those whose last LayerNorm hides the leak from a plain sum. Run it on "
        "whatever decoder you write next."
    ),
)
def leak_test(answer) -> str:
    call = "leaks(layer, x)"
    function = as_function(answer, call)
    said, touched = {}, False
    for suspect in SUSPECTS:
        x = random(1, LENGTH, WIDTH, seed=310).double()
        result, changed = run(function, {"layer": suspect.layer, "x": x}, call)
        if result is None:
            raise Wrong("Your function returned None. Does it end with `return`?")
        if result is ...:
            raise Unfinished("Not done yet: your function still returns `...`.")
        said[suspect] = read_truth(result, "leaks(layer, x)")
        touched |= bool(changed)
    if any(verdict != suspect.leaks for suspect, verdict in said.items()):
        raise Wrong(_explain(said))
    return "One thing: your code changes `x` in place. Work on a copy, `x.clone()`." if touched else ""


def _explain(said: dict[Suspect, bool]) -> str:
    if all(said.values()):
        return (
            "Your test convicts every layer, the causal ones too. Does it count what an output takes from "
            "its own position and from earlier ones? Only inputs *later* than the output are a leak. (If "
            "you change a later input, compare the outputs *before* it.)"
        )
    if not any(said.values()):
        return (
            "Your test acquits every layer, even the one without a mask. Which outputs does it look at? "
            "Nothing comes after the last one, so it can't leak; and an output that is summed over all "
            "positions belongs to none of them."
        )
    if all(verdict != suspect.leaks for suspect, verdict in said.items()):
        return "That is exactly the opposite: True should mean that the layer leaks."
    freed = [suspect.name for suspect, verdict in said.items() if suspect.leaks and not verdict]
    jailed = [suspect.name for suspect, verdict in said.items() if not suspect.leaks and verdict]
    if jailed:
        return (
            f"Your test convicts {jailed[0]}, which sees nothing of the future. Look only at inputs strictly "
            "later than the output; if you compare outputs, compare those before the change only."
        )
    words = f"Your test acquits {freed[0]}.\n\n"
    if all("LayerNorm" in name for name in freed):
        return words + (
            "Behind LayerNorm the numbers of a position sum to the same, whatever comes in (and so do their "
            "squares). The gradient of such a sum is 0 even where every single number depends on the future. "
            "Ask for each number of an output by itself, or for a random mix of them."
        )
    if all("only word" in name for name in freed):
        return words + (
            "It looks at some places only, and the leak is at another one. Ask for every output, and for "
            "every input after it."
        )
    return words + (
        "The weights of later words may be 0 and the output may still hear of them: through the sum that "
        "softmax divides by. Test the output itself, and take any difference from 0 for a leak."
    )
