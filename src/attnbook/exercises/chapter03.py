"""Chapter 3: the article's class and the evidence against it."""

import torch
from torch import Tensor, nn

from attnbook.attention import Attn, DotAttention
from attnbook.exercises.old import (
    as_function,
    exercise,
    random,
    read_dict,
    read_numbers,
    read_shape,
    read_truth,
)
from attnbook.exercises.running import run
from attnbook.exercises.verdict import Wrong

# --- 3.1 ---------------------------------------------------------------------------------------------------


@exercise(
    "3.1",
    "Predict the article's class",
    task=(
        "for `Attn(8, 6, 10, 12, 5)` with one query and one key, give the shape of the `weights`, the "
        "shape of the `output` and the number of `parameters`."
    ),
    praise=(
        "The 10 in the weights is `value_size1`, a size of a layer: it was fixed before any sentence "
        "was seen. That is why this class cannot read a longer one."
    ),
)
def predict_shapes(answer) -> str:
    given = read_dict(answer, ("weights", "output", "parameters"))
    attn = Attn(8, 6, 10, 12, 5)
    output, weights = attn(torch.zeros(1, 1, 8), torch.zeros(1, 1, 6), torch.zeros(1, 10, 12))
    _judge_weights(read_shape(given["weights"], "weights"), tuple(weights.shape))
    _judge_output(read_shape(given["output"], "output"), tuple(output.shape))
    _judge_parameters(read_numbers(given["parameters"], "parameters")[0], attn)
    return ""


def _judge_weights(shape: tuple, wanted: tuple) -> None:
    if shape == wanted:
        return
    if shape == (1, *wanted):
        raise Wrong(
            "The weights: almost. The class computes them from `Q[0]` and `K[0]`, so their batch axis "
            "is gone; the `unsqueeze(0)` that brings it back is used for `bmm` and not returned."
        )
    if 6 in shape or 8 in shape:
        raise Wrong(
            "The weights: 8 and 6 are the widths of the query and the key. There is one weight for "
            "each value, and the values are `value_size1` in number."
        )
    if 12 in shape:
        raise Wrong(
            "The weights: 12 is the width of one value. There is one weight for each value: how many "
            "are there?"
        )
    raise Wrong(
        f"The weights: {shape} is not their shape. Follow `self.attn`: how many rows go in, how many "
        "numbers does each row become?"
    )


def _judge_output(shape: tuple, wanted: tuple) -> None:
    if shape == wanted:
        return
    if shape == wanted[1:]:
        raise Wrong("The output: almost. The last `unsqueeze(0)` gives it its batch axis back: three axes.")
    if shape and shape[-1] in (12, 20):
        raise Wrong(
            f"The output: a row of {shape[-1]} goes into `attn_combine` or comes before it. What comes "
            "out of that layer is `output_size` wide."
        )
    if len(shape) == 3 and shape[1] == 10:
        raise Wrong("The output: 10 is the number of values. They are summed into one row for the one query.")
    raise Wrong(f"The output: {shape} is not its shape. Follow the last two lines of `forward`.")


def _judge_parameters(count: float, attn: nn.Module) -> None:
    sizes = {name: value.numel() for name, value in attn.named_parameters()}
    wanted = sum(sizes.values())
    biases = sizes["attn.bias"] + sizes["attn_combine.bias"]
    layers = {layer: sizes[f"{layer}.weight"] + sizes[f"{layer}.bias"] for layer in ("attn", "attn_combine")}
    if count == wanted:
        return
    if count == wanted - biases:
        raise Wrong(
            "The parameters: you counted the two weight matrices. Each `nn.Linear` also has a bias, "
            f"one number for each output: {biases} more in all."
        )
    for layer, size in layers.items():
        if count == size:
            raise Wrong(f"The parameters: {size} is right for `{layer}`. There is a second layer.")
    raise Wrong(
        f"The parameters: not {count:g}. Each `nn.Linear(i, o)` has i × o weights and o biases. `attn` "
        "takes query and key side by side; `attn_combine` takes the query and the blended value."
    )


# --- 3.2 ---------------------------------------------------------------------------------------------------


class _Suspect(nn.Module):
    """Attention whose weights read only some of its inputs: those that `reads` names."""

    def __init__(self, reads: str) -> None:
        super().__init__()
        self.reads = reads

    def forward(self, Q: Tensor, K: Tensor, V: Tensor) -> tuple[Tensor, Tensor]:
        count = torch.arange(1.0, V.shape[1] + 1)  # (S,)
        clue = sum({"Q": Q, "K": K, "V": V}[name].tanh().sum() for name in self.reads)
        weights = torch.softmax(torch.sin(count * (1 + clue)), dim=0).unsqueeze(0)  # (1, S)
        return weights @ V[0] + Q.sum() + K.sum(), weights


def _suspects() -> list[tuple[str, nn.Module, int, str]]:
    """(name, module, number of keys, the inputs that its weights depend on)."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(3)
        article = Attn(4, 4, 5, 6, 7)
    return [
        ("the article's class", article, 1, "QK"),
        ("dot attention", DotAttention(), 5, "QK"),
        ("a class made up for this check, whose weights read nothing", _Suspect(""), 1, ""),
        ("a class made up for this check, whose weights read Q and V", _Suspect("QV"), 1, "QV"),
        ("a class made up for this check, whose weights read K alone", _Suspect("K"), 1, "K"),
    ]


@exercise(
    "3.2",
    "Collect the evidence",
    task=(
        "write `evidence(attn, Q, K, V)`, which returns a dictionary that says for each of `Q`, `K` "
        "and `V` whether the weights change when this one input is replaced by random numbers."
    ),
    praise=(
        "Your experiment convicts any suspect, not only the article's class: for the article's it "
        "finds that Q and K change the weights and V does not. Dot attention gives the same three "
        "answers: what sets it apart is a key of its own for each value."
    ),
)
def collect_evidence(answer) -> str:
    call = "evidence(attn, Q, K, V)"
    function = as_function(answer, call)
    for seed, (name, attn, keys, reads) in enumerate(_suspects()):
        inputs = {"attn": attn, "Q": random(1, 1, 4, seed=seed), "K": random(1, keys, 4, seed=seed + 10)}
        inputs["V"] = random(1, 5, 6, seed=seed + 20)
        result, changed = run(function, inputs, call)
        if changed:
            raise Wrong(
                f"Your experiment changes {', '.join(sorted(changed))} in place, so the next experiment "
                "starts from spoilt evidence. Put the new numbers in a new tensor: "
                "`torch.randn_like(Q)`."
            )
        found = {key: read_truth(value, key) for key, value in read_dict(result, ("Q", "K", "V")).items()}
        if found != {key: key in reads for key in "QKV"}:
            raise Wrong(_wrong_evidence(name, found, reads))
    return ""


def _wrong_evidence(name: str, found: dict, reads: str) -> str:
    truth = {key: key in reads for key in "QKV"}
    said = ", ".join(f"{key}: {value}" for key, value in found.items())
    true = ", ".join(f"{key}: {value}" for key, value in truth.items())
    words = f"On {name}, you found {said}; it is {true}."
    if all(found.values()):
        return words + (
            "\n\nAll three look guilty. Did you compare the outputs? V always changes the output: "
            "compare the weights, the second thing that `attn` returns. Or did one experiment change "
            "more than one input? Start each from the original Q, K, V."
        )
    if found == {key: not value for key, value in truth.items()}:
        return words + "\n\nThat is exactly the opposite: True should mean that the weights have changed."
    if truth["K"] and not found["K"]:
        return words + (
            "\n\nYour experiment on K changed nothing. To swap positions does nothing where there is "
            "one key, and to add the same number to each key adds the same to every score, which "
            "softmax ignores. Use `torch.randn_like(K)`."
        )
    return words + (
        "\n\nIf your answer is the same for every class, it is a guess: call `attn` again with one "
        "input replaced, and compare the weights."
    )
