"""Chapter 4: cut the width into heads, and lay them side by side again."""

from torch import Tensor

from attnbook.exercises.old import exercise, judge_function, random, read_dict, slip
from attnbook.exercises.verdict import Wrong

# --- 4.4 ---------------------------------------------------------------------------------------------------


def split_heads(x: Tensor, num_heads: int) -> Tensor:
    return x.unflatten(-1, (num_heads, -1)).transpose(1, 2)  # (B, H, T, d)


def merge_heads(heads: Tensor) -> Tensor:
    return heads.transpose(1, 2).flatten(-2)  # (B, T, D)


SPLIT_SLIPS = (
    slip(
        "`view` alone has the right shape, but it reads the numbers in memory order: head 0 gets whole "
        "words from the start of the sentence instead of a slice of every word. First cut the last "
        "axis, (B, T, H, d), then swap T and H with `transpose(1, 2)`.",
        lambda x, num_heads: x.reshape(x.shape[0], num_heads, x.shape[1], -1),
    ),
    slip(
        "Cut, but not swapped: yours is (B, T, H, d). Attention works on the last two axes, so T must "
        "stand beside d: `transpose(1, 2)`.",
        lambda x, num_heads: x.unflatten(-1, (num_heads, -1)),
    ),
    slip(
        "Your heads take every H-th number of a word. Head h owns numbers that stand side by side, "
        "from h·d to (h+1)·d: cut the last axis into (H, d), not (d, H).",
        lambda x, num_heads: x.unflatten(-1, (-1, num_heads)).permute(0, 3, 1, 2),
    ),
    slip(
        "The axes are swapped before the cut: that mixes numbers of different words. First (B, T, H, "
        "d), then `transpose(1, 2)`.",
        lambda x, num_heads: x.transpose(1, 2).reshape(x.shape[0], num_heads, x.shape[1], -1),
    ),
)
MERGE_SLIPS = (
    slip(
        "Merged without swapping back: the heads of one word do not lie side by side yet, so each row "
        "mixes several words. `transpose(1, 2)` first, then join the last two axes.",
        lambda heads: heads.reshape(heads.shape[0], heads.shape[2], -1),
    ),
    slip(
        "The numbers of a word are there, but interleaved: join (H, d) in this order, not (d, H).",
        lambda heads: heads.permute(0, 2, 3, 1).flatten(-2),
    ),
    slip(
        "You added or averaged the heads. They are laid side by side, so that nothing is lost: the "
        "width is H·d again.",
        lambda heads: heads.sum(1),
        lambda heads: heads.mean(1),
    ),
    slip(
        "Swapped back, but not joined: the last two axes (H, d) become one.",
        lambda heads: heads.transpose(1, 2),
    ),
)


@exercise(
    "4.4",
    "Split and merge the heads",
    task=(
        "write `split_heads(x, num_heads)`, `(B, T, D)` to `(B, H, T, d)` with d = D / H, and "
        "`merge_heads(heads)`, which undoes it; head h owns the numbers from h·d to (h+1)·d of every "
        "word."
    ),
    praise="Cut, swap; swap, join. Each head now looks like one more item of the batch, and `attention` "
    "from 4.2 runs on it unchanged.",
)
def heads(answer) -> str:
    if isinstance(answer, dict):
        answer = tuple(read_dict(answer, ("split_heads", "merge_heads")).values())
    if not isinstance(answer, tuple | list) or len(answer) != 2:
        raise Wrong('This exercise wants both functions: `check("4.4", (split_heads, merge_heads))`.')
    split, merge = answer
    words = [(random(2, 5, 21, seed=95), 3), (random(3, 4, 10, seed=96), 2)]
    notes = [
        judge_function(
            split,
            call="split_heads(x, num_heads)",
            cases=[{"x": x, "num_heads": num_heads} for x, num_heads in words],
            right=split_heads,
            returns={"split": "(B, H, T, d)"},
            slips=SPLIT_SLIPS,
        ),
        judge_function(
            merge,
            call="merge_heads(heads)",
            cases=[{"heads": split_heads(x, num_heads).contiguous()} for x, num_heads in words],
            right=merge_heads,
            returns={"merged": "(B, T, D)"},
            slips=MERGE_SLIPS,
        ),
    ]
    return "\n\n".join(filter(None, notes))
