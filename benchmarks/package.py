"""The package's speed compared with its peers: `make bench` prints this table and writes it to package.md.

Ours and the peer's run in turn within each round, so that other load on the machine affects both alike. A
ratio is the median over rounds of ours / peer's; below 1 ours is faster.
"""

import argparse
import platform
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from attnbook import MultiHeadAttention, Transformer, causal_mask, scaled_dot_product_attention

SHAPES = [(32, 8, 64, 64), (8, 8, 512, 64), (1, 8, 2048, 64)]  # (B, H, T, d)
HEADER = ["operation", "case", "peer", "ours, ms", "peer, ms", "ratio"]


def measure(ours: Callable, peer: Callable, rounds: int) -> tuple[float, float, float]:
    """Median milliseconds of ours and the peer's, and the median over rounds of their ratio."""
    times = {ours: [], peer: []}
    for run in (ours, peer):  # warm up
        run()
    for i in range(rounds):
        for run in (ours, peer) if i % 2 else (peer, ours):
            begin = time.perf_counter()
            run()
            times[run].append(time.perf_counter() - begin)
    ratio = statistics.median(a / b for a, b in zip(times[ours], times[peer], strict=True))
    return statistics.median(times[ours]) * 1e3, statistics.median(times[peer]) * 1e3, ratio


def passes(call: Callable[[], torch.Tensor], inputs: list[torch.Tensor]) -> dict[str, Callable]:
    """The forward pass alone, and forward plus the gradients of all inputs."""

    def forward():
        with torch.no_grad():
            call()

    def backward():
        torch.autograd.grad(call().sum(), inputs)

    return {"forward": forward, "forward + backward": backward}


def scaled_dot_product():
    for shape in SHAPES:
        inputs = [torch.randn(shape, requires_grad=True) for _ in range(3)]
        peer = passes(lambda inputs=inputs: F.scaled_dot_product_attention(*inputs), inputs)
        for need_weights in (False, True):
            ours = passes(
                lambda inputs=inputs, need=need_weights: scaled_dot_product_attention(
                    *inputs, need_weights=need
                )[0],
                inputs,
            )
            case = f"{shape} {'with' if need_weights else 'without'} weights"
            for direction in ours:
                name = f"scaled dot-product, {direction}"
                yield name, case, "F.scaled_dot_product_attention", ours[direction], peer[direction]


def multi_head():
    for batch, heads, length, width in SHAPES:
        ours, peer = attention_pair(heads * width, heads)
        x = torch.randn(batch, length, heads * width, requires_grad=True)
        for need in (False, True):
            mine = passes(lambda ours=ours, x=x, need=need: ours(x, x, x, need_weights=need)[0], [x])
            theirs = passes(
                lambda peer=peer, x=x, need=need: peer(
                    x, x, x, need_weights=need, average_attn_weights=False
                )[0],
                [x],
            )
            case = f"{(batch, heads, length, width)} {'with' if need else 'without'} weights"
            for direction in mine:
                yield (
                    f"multi-head, {direction}",
                    case,
                    "nn.MultiheadAttention",
                    mine[direction],
                    theirs[direction],
                )


def attention_pair(d_model: int, heads: int) -> tuple[nn.Module, nn.Module]:
    return MultiHeadAttention(d_model, heads), nn.MultiheadAttention(d_model, heads, batch_first=True)


class Peer(nn.Module):
    """nn.Transformer with the same embeddings, positions and output layer as ours."""

    def __init__(self, ours: Transformer, d_model: int, heads: int, layers: int, d_ff: int) -> None:
        super().__init__()
        self.ours = [ours]  # in a list, so that its parameters aren't registered here
        self.source = nn.Embedding(100, d_model)
        self.target = nn.Embedding(100, d_model)
        self.core = nn.Transformer(d_model, heads, layers, layers, d_ff, batch_first=True)

    def forward(self, source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        ours = self.ours[0]
        scale = self.source.embedding_dim**0.5
        x = ours.dropout(ours.positions(self.source(source) * scale))
        y = ours.dropout(ours.positions(self.target(target) * scale))
        blocked = ~causal_mask(target.shape[1])
        padding = source == 0
        out = self.core(x, y, tgt_mask=blocked, src_key_padding_mask=padding, memory_key_padding_mask=padding)
        return out @ self.target.weight.T


def training_step():
    sizes = {"d_model": 128, "heads": 4, "layers": 3, "d_ff": 512}
    ours = Transformer(100, 100, 128, 4, 3, 512)
    peer = Peer(ours, **sizes)
    source, target = torch.randint(1, 100, (64, 32)), torch.randint(1, 100, (64, 33))
    source[::3, 24:] = 0

    def step(model: nn.Module, scores: Callable) -> Callable:
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-4)

        def run():
            loss = F.cross_entropy(
                scores(source, target[:, :-1]).flatten(0, 1), target[:, 1:].flatten(), ignore_index=0
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

        return run

    mine = step(ours, lambda s, t: ours(s, t, need_weights=False)[0])
    case = "d=128, 4 heads, 3+3 layers, batch 64, length 32"
    yield "training step", case, "nn.Transformer", mine, step(peer, peer)


def decoding():
    model = Transformer(100, 100, 128, 4, 3, 512).eval()

    @torch.no_grad()
    def cached(source: torch.Tensor, tokens: int) -> None:
        state, ids = model.start(source), torch.ones(len(source), dtype=torch.long)
        for _ in range(tokens):
            scores, state, _ = model.step(ids, state)
            ids = scores.argmax(-1)

    @torch.no_grad()
    def recomputed(source: torch.Tensor, tokens: int) -> None:
        """Run the decoder over all tokens so far at each step; the source is encoded once, as in `cached`."""
        memory, _ = model.encode(source, need_weights=False)
        ids = torch.ones(len(source), 1, dtype=torch.long)
        for _ in range(tokens):
            x = model.embed(ids, model.target_embeddings)
            x, _ = model.decoder(x, memory, causal_mask(ids.shape[1]), need_weights=False)
            ids = torch.cat((ids, model.output(x[:, -1:]).argmax(-1)), dim=1)

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # for both: steps this small are slower with two threads
    for batch in (1, 8):
        source = torch.randint(1, 100, (batch, 32))
        for tokens in (32, 256):
            case = f"{tokens} tokens, batch {batch}, d=128, 3 layers, one thread"
            both = [partial(decode, source, tokens) for decode in (cached, recomputed)]
            yield "decoding, cached", case, "recomputed, same model", *both
    torch.set_num_threads(threads)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=float, default=3.0, help="time limit per row (default 3)")
    parser.add_argument("--only", default="", help="only rows whose name contains this text")
    parser.add_argument("--output", type=Path, default=Path(__file__).with_suffix(".md"))
    options = parser.parse_args()
    torch.manual_seed(0)
    lines = ["| " + " | ".join(HEADER) + " |", "|---|---|---|--:|--:|--:|"]
    print(*lines, sep="\n")
    for benchmark in (scaled_dot_product, multi_head, training_step, decoding):
        for what, case, beside, ours, peer in benchmark():
            if options.only not in what:
                continue
            begin = time.perf_counter()
            ours(), peer()
            rounds = max(5, int(options.seconds / (time.perf_counter() - begin)))
            mine, theirs, ratio = measure(ours, peer, min(rounds, 300))
            lines.append(f"| {what} | {case} | {beside} | {mine:.2f} | {theirs:.2f} | {ratio:.2f} |")
            print(lines[-1], flush=True)
    if not options.only:
        options.output.write_text(report(lines), encoding="utf-8")
        print(f"\nWritten to {options.output}")


def report(lines: list[str]) -> str:
    """The table with method and machine."""
    about = __doc__.split("\n\n", 1)[1].strip()
    threads = f"{torch.get_num_threads()} threads"
    machine = f"Python {platform.python_version()}, torch {torch.__version__}, {threads}"
    title = "# The package and its peers"
    return "\n\n".join([title, about, f"Measured by `make bench` on {machine}.", "\n".join(lines)]) + "\n"


if __name__ == "__main__":
    main()
