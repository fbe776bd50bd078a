"""Chapter 5: one padding mask in two polarities."""

import torch
from torch import Tensor

from attnbook.exercises.comparing import shape
from attnbook.exercises.old import as_function, exercise, read_results
from attnbook.exercises.running import run
from attnbook.exercises.verdict import Wrong

PAD = 7  # not 0, and smaller than other ids: who compares with 0, or with <, is found out


@exercise(
    "5.5",
    "Two masks of one truth",
    task=(
        "write `masks(ids, pad)` for ids `(B, S)`, which returns this book's mask `(B, 1, 1, S)`, True = may "
        "attend, and PyTorch's `key_padding_mask` `(B, S)`, True = blocked."
    ),
    praise=(
        "Both hide the padding as a key and let every query ask. When a model of yours mixes two libraries, "
        "this is the line to test first."
    ),
)
def masks(answer) -> str:
    call = "masks(ids, pad)"
    function = as_function(answer, call)
    ids = torch.tensor([[3, 9, 0, 8, 7, 7], [9, 4, 7, 7, 7, 7], [8, 5, 9, 3, 0, 6]])  # (B, S)
    result, changed = run(function, {"ids": ids, "pad": PAD}, call)
    if changed:
        raise Wrong("Your code changes `ids` in place. Make new tensors.")
    if isinstance(result, tuple | list) and len(result) == 2:
        for mask, name in zip(result, ("ours", "theirs"), strict=True):
            if isinstance(mask, Tensor) and mask.dtype != torch.bool:
                raise Wrong(
                    f"`{name}` is {mask.dtype}; wanted a boolean tensor, which a comparison such as "
                    "`ids != pad` gives. Numbers in a mask are *added* to the scores."
                )
    ours, theirs = (mask.bool() for mask in read_results(result, ("ours", "theirs")))
    real = ids != PAD
    _judge_ours(ours, real, ids)
    _judge_theirs(theirs, real, ids)
    return ""


def _judge_ours(mask: Tensor, real: Tensor, ids: Tensor) -> None:
    batch, length = real.shape
    wanted = real[:, None, None, :]  # (B, 1, 1, S)
    if mask.shape == (batch, 1, length, 1):
        raise Wrong(
            "`ours` hides rows, not keys: its S stands on the axis of the queries. The real words would "
            "still look at the padding. S belongs on the last axis: `[:, None, None, :]`."
        )
    if mask.shape == real.shape:
        raise Wrong(
            "`ours` is (B, S). Against weights (B, H, T, S) its batch would be taken for queries: put two "
            "axes between, `[:, None, None, :]`."
        )
    rows_and_keys = real[:, None, :, None] & wanted  # (B, 1, S, S)
    if mask.shape == rows_and_keys.shape and torch.equal(mask, rows_and_keys):
        raise Wrong(
            "`ours` hides rows as well as keys. A padded query may ask, since nobody reads its answer; "
            "hiding it only makes rows with nothing to look at. Keys alone: (B, 1, 1, S)."
        )
    if mask.shape != wanted.shape:
        raise Wrong(f"`ours` has shape {shape(mask)}; wanted (B, 1, 1, S), here {shape(wanted)}.")
    if torch.equal(mask, ~wanted):
        raise Wrong(
            "`ours` is upside down: here True means *may attend*. Yours lets every word look at the padding "
            "only, and no error would tell you."
        )
    _judge_content("ours", mask[:, 0, 0], real, ids)


def _judge_theirs(mask: Tensor, real: Tensor, ids: Tensor) -> None:
    if mask.shape != real.shape:
        raise Wrong(f"`theirs` has shape {shape(mask)}; `key_padding_mask` is (B, S), here {shape(real)}.")
    if torch.equal(mask, real):
        raise Wrong(
            "`theirs` is upside down: in `nn.MultiheadAttention` True means *blocked*. Yours blocks every "
            "real word, and as long as there is padding to look at, no error would tell you."
        )
    _judge_content("theirs", ~mask, real, ids)


def _judge_content(name: str, mask: Tensor, real: Tensor, ids: Tensor) -> None:
    """`mask` is True = may attend."""
    if torch.equal(mask, real):
        return
    if torch.equal(mask, ids != 0):
        raise Wrong(f"`{name}` takes 0 for the padding. Which id pads is handed in as `pad`, here {PAD}.")
    if torch.equal(mask, real[:1].expand_as(real)):
        raise Wrong(f"`{name}` uses the padding of sentence 0 for all. Each sentence has its own.")
    if torch.equal(mask, ids < PAD) or torch.equal(mask, ids > PAD):
        raise Wrong(f"`{name}` compares by size. Ids have no order: a word is real if its id is not `pad`.")
    raise Wrong(
        f"`{name}` has the right shape, but not the right places. A place is padding where its id equals "
        "`pad`, and real everywhere else."
    )
