"""The kernel of the in-page models: the same products as NumPy, in WebAssembly and in JavaScript."""

import hashlib
import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from gguf import GGMLQuantizationType, quants
from py_mini_racer import MiniRacer

import attnbook.widgets

ENGINE = Path(attnbook.widgets.__file__).parent / "js" / "engine"
KINDS = {"Q4_0": 2, "Q4_1": 3, "Q8_0": 8}


@pytest.fixture(scope="module")
def engine() -> Iterator[MiniRacer]:
    """V8 with both kernels, `kernels.WebAssembly` and `kernels.JavaScript`.

    It starts in its own thread: in this one, a browser of other tests may have left an event loop running,
    for which promises would wait.
    """
    with ThreadPoolExecutor(1) as thread:
        racer = thread.submit(start_engine).result()
    yield racer
    racer.close()


def start_engine() -> MiniRacer:
    source = (ENGINE / "kernel.js").read_text("utf-8")
    wasm = json.dumps([*(ENGINE / "kernel.wasm").read_bytes()])
    source, imports = re.subn(
        r'import wasm from "./kernel.wasm";', f"const wasm = new Uint8Array({wasm});", source
    )
    assert imports == 1
    racer = MiniRacer()
    racer.eval(source.replace("export ", ""))
    racer.eval("const kernels = {}, keep = (kernel) => (kernels[kernel.name] = kernel);")
    both = "[{}, { script: true }].map((options) => openKernel(options).then(keep))"
    racer.eval(f"Promise.all({both})").get(timeout=60)
    return racer


def quantized(kind: str, rows: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """Random blocks as bytes, and the weights they contain; the scales include zero and subnormal numbers."""
    random = np.random.default_rng(KINDS[kind] + rows + columns)
    size = {"Q4_0": 18, "Q4_1": 20, "Q8_0": 34}[kind]
    blocks = random.integers(0, 256, (rows, columns // 32, size), dtype=np.uint8)
    heads = 2 if kind == "Q4_1" else 1
    scales = random.normal(0, 0.02, (rows, columns // 32, heads)).astype(np.float16)
    scales.flat[:2] = 0, 3e-7
    blocks[..., : 2 * heads] = scales.view(np.uint8)
    blocks = blocks.reshape(rows, -1)
    return blocks, quants.dequantize(blocks, GGMLQuantizationType[kind])


def numbers(racer: MiniRacer, code: str) -> np.ndarray:
    return np.array(json.loads(racer.eval(f"JSON.stringify(Array.from({code}))")))


@pytest.mark.parametrize("name", ["WebAssembly", "JavaScript"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("rows", "columns", "count"), [(12, 64, 1), (8, 1536, 3), (4, 32, 40)])
def test_products_are_numpys(engine, name, kind, rows, columns, count):
    blocks, weights = quantized(kind, rows, columns)
    x = np.random.default_rng(count).normal(0, 1, (count, columns)).astype(np.float32)
    x[0, : columns // 2] *= 1000  # one large block leaves the others exact
    x[0, -32:] = 0
    given = f"{KINDS[kind]}, new Uint8Array({blocks.ravel().tolist()}), {rows}, {columns}"
    engine.eval(f"var matrix = kernels.{name}.matrix({given})")
    got = numbers(engine, f"kernels.{name}.matmul(matrix, new Float32Array({x.ravel().tolist()}))")
    wanted = x.astype(np.float64) @ weights.T.astype(np.float64)
    size = np.abs(x) @ np.abs(weights).T + 1e-6
    assert np.max(np.abs(got.reshape(count, rows) - wanted) / size) < 2e-5
    row = numbers(engine, f"kernels.{name}.row(matrix, {rows - 2})")
    np.testing.assert_allclose(row, weights[rows - 2], rtol=1e-6, atol=1e-9)


def test_many_vectors_are_multiplied_in_parts(engine):
    blocks, weights = quantized("Q4_1", 16_384, 32)
    engine.eval(
        f"var matrix = kernels.WebAssembly.matrix(3, new Uint8Array({blocks.ravel().tolist()}), 16384, 32)"
    )
    x = np.random.default_rng(1).normal(0, 1, (150, 32)).astype(np.float32)  # their products take 9.8 MB
    engine.eval(f"var all = kernels.WebAssembly.matmul(matrix, new Float32Array({x.ravel().tolist()}))")
    for index in (0, 126, 127, 128, 149):
        got = numbers(engine, f"all.subarray({index} * 16384, {index + 1} * 16384)")
        np.testing.assert_allclose(got, weights @ x[index], atol=1e-3)


@pytest.mark.parametrize("name", ["WebAssembly", "JavaScript"])
@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("1, new Uint8Array(72), 4, 32", "kind: got 1, wanted one of 2, 3, 8"),
        ("2, new Uint8Array(54), 3, 32", "shape: got 3 × 32, wanted multiples of 4 and 32"),
        ("2, new Uint8Array(71), 4, 32", "blocks: got 71 bytes, wanted 72"),
    ],
)
def test_what_does_not_fit_is_refused(engine, name, given, message):
    got = engine.eval(f"try {{ kernels.{name}.matrix({given}) }} catch (error) {{ error.message }}")
    assert got == message


def test_the_binary_is_built_from_the_source():
    wanted = hashlib.sha256((ENGINE / "kernel.c").read_bytes()).hexdigest()
    assert (ENGINE / "kernel.wasm").read_bytes().endswith(b"\x06source" + wanted.encode()), (
        "kernel.c changed: run `npm run kernel` in src/attnbook/widgets/js"
    )
