"""Cached decoding compared with the `transformers` library: `make bench-decoding`.

Both models have the sizes of SmolLM2-135M and the same random weights, and decode greedily on one thread with
a key/value cache; both choose the same tokens. They take turns within each round, so that other load on the
machine affects both alike. Where a model's weights lie in memory can change its speed by a percent, so
several pairs of models are built, and each of the two comes first in half of them. A ratio is the median over
all rounds of ours / theirs; below 1 ours is faster. Times are those of the processor.
"""

import argparse
import platform
import statistics
import time
from functools import partial
from pathlib import Path

import torch
import transformers
from torch import Tensor

from attnbook import LanguageModel

VOCAB, WIDTH, HEADS, KEY_HEADS, LAYERS, INNER = 49_152, 576, 9, 3, 30, 1536
LENGTHS = (32, 512)  # tokens in the cache at the start
MADE = 16  # tokens
AIM = 1.0  # of the library's time


def build_pair(ours_first: bool) -> tuple[LanguageModel, transformers.LlamaForCausalLM]:
    """Our model and the library's, with the same weights."""
    config = transformers.LlamaConfig(
        vocab_size=VOCAB,
        hidden_size=WIDTH,
        intermediate_size=INNER,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        num_key_value_heads=KEY_HEADS,
        rms_norm_eps=1e-5,
        tie_word_embeddings=True,
    )
    build_ours = partial(LanguageModel, VOCAB, WIDTH, HEADS, KEY_HEADS, LAYERS, INNER)
    build_theirs = partial(transformers.LlamaForCausalLM, config)
    if ours_first:
        ours, theirs = build_ours(), build_theirs()
    else:
        theirs, ours = build_theirs(), build_ours()
    with torch.no_grad():  # both list their parameters in the same order
        for mine, its in zip(ours.parameters(), theirs.parameters(), strict=True):
            its.copy_(mine)
    return ours.eval(), theirs.eval()


@torch.no_grad()
def decode_ours(model: LanguageModel, ids: Tensor) -> tuple[float, list[int]]:
    """Seconds per token, and the tokens."""
    state, newest, made = model.start(ids[:, :-1]), ids[:, -1], []
    begin = time.process_time()
    for _ in range(MADE):
        logits, state, _ = model.step(newest, state)
        newest = logits.argmax(dim=-1)  # (1,)
        made.append(newest.item())
    return (time.process_time() - begin) / MADE, made


@torch.no_grad()
def decode_theirs(model: transformers.LlamaForCausalLM, ids: Tensor) -> tuple[float, list[int]]:
    """The same with the library's model, without the work of its `generate`."""
    past, newest, made = transformers.DynamicCache(config=model.config), ids[:, -1:], []
    model(ids[:, :-1], cache=past, use_cache=True)
    begin = time.process_time()
    for _ in range(MADE):
        logits = model(newest, cache=past, use_cache=True).logits
        newest = logits[:, -1].argmax(dim=-1, keepdim=True)  # (1, 1)
        made.append(newest.item())
    return (time.process_time() - begin) / MADE, made


def compare(length: int, rounds: int, ours: LanguageModel, theirs: transformers.LlamaForCausalLM) -> list:
    """Each round's milliseconds per token, ours and theirs, and their ratio."""
    times = []
    for i in range(rounds + 1):  # the first round warms up
        ids = torch.randint(1, VOCAB, (1, length))
        if i % 2:
            (its, one), (mine, other) = decode_theirs(theirs, ids), decode_ours(ours, ids)
        else:
            (mine, one), (its, other) = decode_ours(ours, ids), decode_theirs(theirs, ids)
        if one != other:
            raise RuntimeError(f"the models chose different tokens: {one} and {other}")
        times.append((1e3 * mine, 1e3 * its, mine / its))
    return times[1:]


def row(length: int, times: list) -> str:
    """A row of the table."""
    mine, its, ratio = (statistics.median(column) for column in zip(*times, strict=True))
    reached = "yes" if ratio <= AIM else "no"
    return f"| {length} | {mine:.1f} | {its:.1f} | {ratio:.3f} | ≤ {AIM:.2f} | {reached} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=4, help="pairs of models (default: 4)")
    parser.add_argument("--rounds", type=int, default=6, help="rounds per pair and row (default: 6)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    times = {length: [] for length in LENGTHS}
    for pair in range(options.pairs):
        models = build_pair(ours_first=pair % 2 == 0)
        for length in LENGTHS:
            times[length] += compare(length, options.rounds, *models)
            print(f"pair {pair + 1}:", row(length, times[length][-options.rounds :]), flush=True)
    lines = [
        "| tokens before | ours, ms per token | theirs, ms | ratio | aim | reached |",
        "|--:|--:|--:|--:|--:|:--|",
        *(row(length, times[length]) for length in LENGTHS),
    ]
    versions = f"Python {platform.python_version()}, torch {torch.__version__}"
    versions += f", transformers {transformers.__version__}"
    about = __doc__.split("\n\n", 1)[1].strip()
    rounds = f"{options.pairs} pairs with {options.rounds} rounds each"
    measured = f"Medians over {rounds}, measured by `make bench-decoding` on {versions}."
    table = "\n".join(lines)
    text = f"# Cached decoding beside the `transformers` library\n\n{about}\n\n{measured}\n\n{table}\n"
    Path(__file__).with_suffix(".md").write_text(text, encoding="utf8")


if __name__ == "__main__":
    main()
