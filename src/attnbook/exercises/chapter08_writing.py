"""Chapter 8: greedy decoding with nothing but `start` and `step`."""

from typing import NamedTuple

import torch
from torch import Tensor

from attnbook.exercises.old import as_function, exercise, random
from attnbook.exercises.running import run
from attnbook.exercises.verdict import Unfinished, Wrong

START, END = 1, 2


class _State(NamedTuple):
    """What has been read so far; a new one at each step, the old one stays as it is."""

    source: Tensor
    read: tuple[int, ...]


class _Speller:
    """A stand-in for a model: its scores depend on the source and on every token read so far, in order."""

    def __init__(self, seed: int, stops: int, vocab: int = 9) -> None:
        self.table, self.stops, self.vocab = random(12, vocab, vocab, seed=seed), stops, vocab
        self.steps = 0

    def __deepcopy__(self, memo: dict) -> "_Speller":
        return self  # its steps are counted

    def start(self, source: Tensor) -> _State:
        return _State(source, ())

    def step(self, ids: Tensor, state: _State):
        self.steps += 1
        if not isinstance(ids, Tensor) or ids.shape != (1,):
            got = tuple(ids.shape) if isinstance(ids, Tensor) else type(ids).__name__
            raise ValueError(f"ids: wanted (1,), the newest token, got {got}")
        read = (*state.read, int(ids[0]))
        scores = self.table[len(read) % 12, read[-1]].clone()
        scores += sum(self.table[place % 12, token] for place, token in enumerate(read))
        scores += self.table[0, state.source.sum() % self.vocab]
        scores[START] = -50.0
        scores[END] += 100.0 if len(read) == self.stops else -100.0
        return scores[None], _State(state.source, read), None


def _write(model, source, start, end, max_length, *, forget=False, again=False, on=False, worst=False):
    state, first, written = model.start(source), source.new_full((1,), start), []
    ids = first
    for _ in range(max_length):
        logits, after, _ = model.step(first if again else ids, state)
        state = state if forget else after
        ids = logits.argmin(-1) if worst else logits.argmax(-1)
        written.append(ids.item())
        if written[-1] == end and not on:
            break
    return written


SLIPS = (
    (
        "Every step is the first one again: keep the new state, and read the token that was written last.",
        lambda *case: _write(*case, forget=True, again=True, on=True),
    ),
    (
        "The new state gets lost: every step begins again from the first one. Keep what `step` gives back.",
        lambda *case: _write(*case, forget=True),
        lambda *case: _write(*case, forget=True, on=True),
    ),
    (
        "Every step reads the start again. It must read the token that was written last.",
        lambda *case: _write(*case, again=True),
        lambda *case: _write(*case, again=True, on=True),
        lambda *case: _write(*case, again=True, forget=True),
    ),
    (
        "It writes on after the end. Stop there.",
        lambda *case: _write(*case, on=True),
    ),
    (
        "The end is missing: it is a token that the model wrote, and belongs to the list.",
        lambda *case: [i for i in _write(*case) if i != END],
    ),
    (
        "The start is in the list. It was given, not written.",
        lambda *case: [START, *_write(*case)],
    ),
    (
        "You took the *least* likely token. `argmax` it is.",
        lambda *case: _write(*case, worst=True),
        lambda *case: _write(*case, worst=True, on=True),
    ),
    (
        "One token too few is written at `max_length`: the start doesn't count.",
        lambda model, source, start, end, most: _write(model, source, start, end, most - 1),
    ),
    (
        "The list is longer than `max_length`.",
        lambda model, source, start, end, most: _write(model, source, start, end, most + 1),
        lambda model, source, start, end, most: _write(model, source, start, end, most + 20),
    ),
)


@exercise(
    "8.3",
    "Repair the writer",
    task=(
        "repair `write_one(model, source, start, end, max_length)`: greedy decoding of one source (1, S) "
        "with `model.start` and `model.step`; a list of ids, without the start, ending with the end if it "
        "is written, `max_length` long at most."
    ),
    praise=(
        "One loop serves every model that has `start` and `step`: the recurrent ones of chapter 1 as well as "
        "the Transformer with its cache."
    ),
)
def write_one(answer) -> str:
    call = "write_one(model, source, start, end, max_length)"
    function = as_function(answer, call)
    for seed, stops, most in ((82, 5, 9), (81, 30, 7), (80, 1, 4)):
        case = (torch.tensor([[3, 4, 5 + seed % 3]]), START, END, most)
        names = ("source", "start", "end", "max_length")
        model = _Speller(seed, stops)
        result, _ = run(function, {"model": model, **dict(zip(names, case, strict=True))}, call)
        written = _read(result)
        wanted = _write(_Speller(seed, stops), *case)
        if written == wanted:
            if model.steps > len(wanted):
                raise Wrong("The list is right, but the model went on after the end. Stop the loop there.")
            continue
        for words, *wrongs in SLIPS:
            if any(written == wrong(_Speller(seed, stops), *case) for wrong in wrongs):
                raise Wrong(words)
        raise Wrong(f"Written: {written}. Wanted: {wanted}. Here `end` is {END} and `max_length` {most}.")
    return ""


def _read(result) -> list[int]:
    if result is None:
        raise Wrong("Your function returned None. Does it end with `return written`?")
    try:
        if any(item is ... for item in result):
            raise Unfinished("There is still a `...` in what you return.")
        return [int(item) for item in torch.as_tensor([int(item) for item in result]).flatten()]
    except (TypeError, ValueError, RuntimeError):
        raise Wrong(f"Wanted a list of ids, got {type(result).__name__}.") from None
