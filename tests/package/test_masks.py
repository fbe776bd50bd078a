"""Masks: which keys they allow, and which arguments they reject."""

import pytest
import torch

from attnbook import causal_mask, padding_mask, scaled_dot_product_attention
from attnbook.masks import fit_mask


def test_causal_mask_allows_the_present_and_the_past():
    mask = causal_mask(3)
    assert mask.dtype == torch.bool
    assert mask.tolist() == [[True, False, False], [True, True, False], [True, True, True]]


def test_a_copy_of_a_causal_mask_has_to_say_which_axis_is_which():
    mask = causal_mask(3)
    assert torch.equal(fit_mask(mask, (3, 2, 3, 3)), mask)
    for copied in (mask.clone(), mask & mask, causal_mask(4)[:3, :3]):
        with pytest.raises(ValueError, match="could mean either"):
            fit_mask(copied, (3, 2, 3, 3))
        assert torch.equal(fit_mask(copied[None, None], (3, 2, 3, 3))[0, 0], mask)


@pytest.mark.traced
def test_an_ambiguous_mask_is_refused_under_compile_too():
    compiled = torch.compile(scaled_dot_product_attention, backend="eager")
    for heads, mask in ((2, causal_mask(3).clone()), (3, torch.ones(3, 3, 3, dtype=torch.bool))):
        x = torch.randn(3, heads, 3, 4)
        with pytest.raises(ValueError, match="could mean either"):
            compiled(x, x, x, mask)


def test_causal_mask_is_created_on_the_given_device(device):
    assert causal_mask(3).device.type == "cpu"
    assert causal_mask(3, device=device).device.type == device
    assert causal_mask(3, device=torch.device("meta")).device.type == "meta"


def test_padding_mask_blocks_padding_keys_for_every_head_and_query():
    mask = padding_mask(torch.tensor([[5, 6, 0], [7, 0, 0]]), pad=0)
    assert mask.shape == (2, 1, 1, 3)
    assert mask[:, 0, 0].tolist() == [[True, True, False], [True, False, False]]


def test_padding_mask_takes_any_pad_id():
    assert padding_mask(torch.tensor([[9, 0]]), pad=9)[0, 0, 0].tolist() == [False, True]


def test_a_mask_with_a_head_axis_works_for_attention_without_heads():
    for rows in (1, 3):
        mask = torch.ones(2, 1, rows, 5, dtype=torch.bool)
        assert fit_mask(mask, (2, 3, 5)).shape == (2, rows, 5)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("mask", "error"),
    [
        (torch.ones(3, 5), "mask: wanted a boolean tensor.*float32"),
        (torch.ones(3, 5, dtype=torch.long), "mask: wanted a boolean tensor.*int64"),
        ([[True]], "mask: wanted a boolean tensor.*list"),
    ],
)
def test_a_mask_that_is_not_boolean_is_rejected(mask, error):
    with pytest.raises(TypeError, match=error):
        fit_mask(mask, (2, 3, 5))


@pytest.mark.bad_input
@pytest.mark.parametrize("shape", [(4, 5), (3, 1, 2), (3, 3, 5), (1, 2, 3, 5), (5, 3)])
def test_a_mismatched_mask_is_rejected_with_both_shapes(shape):
    with pytest.raises(ValueError, match=r"mask: wanted shape that broadcasts to \(2, 3, 5\), got \("):
        fit_mask(torch.ones(shape, dtype=torch.bool), (2, 3, 5))


@pytest.mark.bad_input
def test_bad_sizes_and_ids_are_rejected():
    with pytest.raises(ValueError, match="length: wanted a whole number of at least 1, got 0"):
        causal_mask(0)
    with pytest.raises(ValueError, match=r"ids: wanted shape \(B, S\), got \(3,\)"):
        padding_mask(torch.tensor([1, 2, 0]), pad=0)
    with pytest.raises(TypeError, match="ids: wanted whole numbers"):
        padding_mask(torch.zeros(2, 3), pad=0)
