"""Quantized weights by their formula, and models without initial weights."""

import numpy as np
import pytest
import torch
from gguf import GGMLQuantizationType

from attnbook import Bert, LanguageModel
from attnbook.pretrained import tensors
from attnbook.pretrained.tensors import Uninitialized, dequantize


@pytest.mark.parametrize("rows_at_a_time", [1, 4, 100])
def test_four_bits_and_a_scale_per_block(monkeypatch, rows_at_a_time):
    """Byte j of a block of 32 holds weight j in its low half and weight j + 16 in its high half."""
    monkeypatch.setattr(tensors, "ROWS", rows_at_a_time)
    random = np.random.default_rng(0)
    scales = random.normal(size=(9, 2, 1)).astype(np.float16)
    halves = random.integers(0, 16, (9, 2, 32), dtype=np.uint8)
    packed = halves[..., :16] | halves[..., 16:] << 4  # (9, 2, 16)
    blocks = np.concatenate([scales.view(np.uint8), packed], axis=-1)  # (9, 2, 18)
    got = dequantize(blocks.reshape(-1), (9, 64), GGMLQuantizationType.Q4_0)
    wanted = (halves.astype(np.float32) - 8) * scales.astype(np.float32)
    assert torch.equal(got, torch.from_numpy(wanted).reshape(9, 64))


@pytest.mark.parametrize("shape", [(7,), (7, 3)])
def test_float32_is_kept(shape):
    numbers = torch.randn(shape)
    assert torch.equal(dequantize(numbers.numpy(), shape, GGMLQuantizationType.F32), numbers)


@pytest.mark.parametrize("build", [lambda: Bert(9, 8, 2, 1, 8, 4), lambda: LanguageModel(9, 8, 2, 1, 1, 8)])
def test_uninitialized_models_draw_no_random_numbers(build):
    before = torch.get_rng_state()
    with Uninitialized():
        model = build()
    assert torch.equal(torch.get_rng_state(), before)
    assert {parameter.device.type for parameter in model.parameters()} == {"cpu"}
    build()
    assert not torch.equal(torch.get_rng_state(), before)
