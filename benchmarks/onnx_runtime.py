"""The sentence explorer's model in onnxruntime-web, the engine of transformers.js: part of sentences.py.

PyTorch exports the book's own `Bert` with its published weights, as 32-bit numbers. The smaller file is
onnxruntime's dynamic quantization to 8 bits, which transformers.js takes by default in WebAssembly.
"""

import shutil
import statistics
import threading
from functools import partial
from http.server import ThreadingHTTPServer
from pathlib import Path

import numpy as np
import torch

from benchmarks import Quiet

KINDS = {"float32.onnx": "32 bit", "int8.onnx": "8 bit"}
OPEN = """async file => {
  const { env, InferenceSession, Tensor } = await import("/ort/ort.wasm.min.mjs");
  env.wasm.numThreads = 1;
  const start = performance.now();
  const session = await InferenceSession.create(file, { executionProviders: ["wasm"] });
  const loaded = performance.now() - start;
  window.read = async ids => {
    const given = new Tensor("int64", BigInt64Array.from(ids.map(BigInt)), [1, ids.length]);
    const start = performance.now();
    const { weights } = await session.run({ ids: given });
    return [performance.now() - start, weights.data];
  };
  return loaded;
}"""


class Maps(torch.nn.Module):
    """The hidden states and the weights, as tensors."""

    def __init__(self, bert):
        super().__init__()
        self.bert = bert

    def forward(self, ids):
        hidden, attentions = self.bert(ids)
        return hidden, attentions.encoder


def export(bert, ids: list[int], folder: Path) -> None:
    """Write both files, unless they are there."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    large, small = (folder / name for name in KINDS)
    if small.exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    program = torch.onnx.export(
        Maps(bert).eval(),
        (torch.tensor([ids]),),
        input_names=["ids"],
        output_names=["hidden", "weights"],
        dynamic_shapes={"ids": {1: torch.export.Dim("T", min=2, max=512)}},
        dynamo=True,
        verbose=False,
    )
    program.save(large, external_data=False)
    part = small.with_suffix(".part")
    quantize_dynamic(large, part, weight_type=QuantType.QInt8)
    part.replace(small)


def measure(launch, held, model, texts: list[str], home: Path) -> list[dict]:
    """Load each file in a browser of its own and read the texts; `held` gives the bytes of its page."""
    bert, tokenizer = model
    every = [tokenizer.encode(text) for text in texts]
    folder = home / "onnx"
    export(bert, every[0], folder)
    if not (folder / "ort").exists():
        shutil.copytree(home / "node_modules" / "onnxruntime-web" / "dist", folder / "ort")
    (folder / "page.html").write_text("<!doctype html><title>page</title>", encoding="utf8")
    with torch.no_grad():
        exact = bert(torch.tensor([every[0]]))[1].encoder.numpy()
    found = []
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        for name, kind in KINDS.items():
            browser = launch()
            page = browser.new_page()
            page.set_default_timeout(600_000)
            page.goto(f"http://127.0.0.1:{running.server_port}/page.html")
            loading = page.evaluate(OPEN, name)
            weights = page.evaluate("async ids => [...(await read(ids))[1]]", every[0])
            times = [page.evaluate("async ids => (await read(ids))[0]", ids) for ids in every]
            found.append(
                {
                    "kind": kind,
                    "bytes": (folder / name).stat().st_size,
                    "loading": loading / 1000,
                    "sentence": statistics.median(times[4:]),
                    "memory": held(browser),
                    "difference": np.abs(np.reshape(weights, exact.shape) - exact).max(),
                }
            )
            browser.close()
        running.shutdown()
    return found
