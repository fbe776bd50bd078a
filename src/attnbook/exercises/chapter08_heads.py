"""Chapter 8: find a head by what it reads."""

import torch
from torch import Tensor

from attnbook.exercises.old import as_function, exercise, random, read_results
from attnbook.exercises.running import run
from attnbook.exercises.verdict import Wrong

# --- 8.6 ---------------------------------------------------------------------------------------------------


def _on_field(weights: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    return weights[:, :, rows][..., columns].sum(-1).mean(-1)  # (L, H)


def _place(each: Tensor) -> tuple[int, int]:
    return divmod(int(each.argmax()), each.shape[1])


HEAD_SLIPS = (
    (
        "The right head, but head and layer have changed places.",
        lambda w, r, c: _place(_on_field(w, r, c))[::-1],
    ),
    (
        "The right head, but counted from 1. Count from 0.",
        lambda w, r, c: tuple(i + 1 for i in _place(_on_field(w, r, c))),
    ),
    (
        "That head has the largest *single* weight on the year. Wanted is the most in sum.",
        lambda w, r, c: _place(w[:, :, r][..., c].amax((-1, -2))),
        lambda w, r, c: _place(w[:, :, r][..., c].amax(-1).mean(-1)),
    ),
    (
        "You averaged over all rows. Only those matter in which the year is written.",
        lambda w, r, c: _place(w[..., c].sum(-1).mean(-1)),
    ),
    (
        "That is the head with the *least* on the year, and the most on everything else.",
        lambda w, r, c: _place(-_on_field(w, r, c)),
    ),
)


@exercise(
    "8.6",
    "Find the head that reads the year",
    task=(
        "write `find_head(weights, rows, columns)` for weights `(L, H, T, S)` and boolean rows `(T,)` and "
        "columns `(S,)`: the layer and head, from 0, with the most attention from the rows on the columns."
    ),
    praise="It is the measure of section 8.10. It says where a head reads, and not what hangs on it.",
)
def find_head(answer) -> str:
    call = "find_head(weights, rows, columns)"
    function = as_function(answer, call)
    for seed, layers, heads in ((869, 5, 6), (861, 2, 5), (862, 4, 2)):
        weights = (3 * random(layers, heads, 9, 11, seed=seed)).softmax(-1)
        rows = torch.tensor([seed % 2 + 2 <= t < 6 for t in range(9)])
        columns = torch.tensor([s in (4, 5, 6, 7) for s in range(11)])
        case = {"weights": weights, "rows": rows, "columns": columns}
        result, _ = run(function, case, call)
        if isinstance(result, int) or (isinstance(result, Tensor) and result.numel() == 1):
            if int(result) == int(_on_field(*case.values()).argmax()):
                raise Wrong("That is the place in the flattened (L, H). `divmod(place, H)` takes it apart.")
            raise Wrong("Wanted two numbers, the layer and the head; got one.")
        if isinstance(result, Tensor):
            result = tuple(result.flatten())
        layer, head = read_results(tuple(result) if isinstance(result, list) else result, ("layer", "head"))
        got = int(layer), int(head)
        if got == _place(_on_field(*case.values())):
            continue
        for words, *wrongs in HEAD_SLIPS:
            if any(got == wrong(*case.values()) for wrong in wrongs):
                raise Wrong(words)
        raise Wrong(f"Not layer {got[0]}, head {got[1]}: sum over the columns, then average over the rows.")
    return ""
