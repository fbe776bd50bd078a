"""The input that the explorer and the static figure accept and reject."""

import numpy as np
import pytest
import torch

from attnbook.maps import require_frames, require_maps, visible
from attnbook.plots import plot_attention
from attnbook.widgets import AttentionExplorer

THREE, FIVE = list("abc"), list("vwxyz")


def uniform(*shape, **options):
    return torch.full(shape, 1 / shape[-1], **options)


@pytest.mark.parametrize("shape", [(3, 5), (7, 3, 5), (2, 7, 3, 5)])
def test_one_to_four_dimensions_become_layers_and_heads(shape):
    maps = require_maps(uniform(*shape), THREE, FIVE)
    assert maps.weights.shape == (1,) * (4 - len(shape)) + shape
    assert (maps.queries, maps.keys, maps.mask) == (THREE, FIVE, None)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_tensors_of_every_precision(dtype, device):
    weights = torch.softmax(torch.randn(3, 500, device=device), -1).to(dtype).requires_grad_()
    maps = require_maps(weights, THREE, ["k"] * 500)
    assert maps.weights.dtype == (np.float64 if dtype == torch.float64 else np.float32)
    np.testing.assert_allclose(maps.weights[0, 0], weights.detach().cpu().double(), atol=1e-7)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int64])
def test_arrays_of_every_precision(dtype):
    np.testing.assert_array_equal(require_maps(np.eye(3, dtype=dtype), THREE).weights[0, 0], np.eye(3))


def test_keys_default_to_queries():
    assert require_maps(uniform(3, 3), THREE).keys == THREE


def test_a_fully_masked_row_is_accepted():
    weights = uniform(3, 5)
    weights[1] = 0
    assert require_maps(weights, THREE, FIVE, torch.ones(1, 5, dtype=torch.bool)).weights[0, 0, 1].sum() == 0


@pytest.mark.parametrize("shape", [(3, 5), (5,), (1, 5), (3, 1), (7, 1, 1), (2, 7, 3, 5), (2, 1, 1, 5)])
def test_a_mask_broadcasts(shape):
    mask = torch.ones(shape, dtype=torch.bool)
    assert require_maps(uniform(2, 7, 3, 5), THREE, FIVE, mask).mask.shape == (2, 7, 3, 5)


def test_a_cell_of_a_mean_is_masked_only_where_every_map_masks_it():
    weights = torch.zeros(2, 2, 3, 5)
    weights[..., 4] = 1
    mask = torch.zeros(2, 2, 3, 5, dtype=torch.bool)
    mask[..., 4] = True
    mask[0, 0, :, 0] = mask[0, 1, :, 1] = mask[1, 0, :, 2] = True
    maps = require_maps(weights, THREE, FIVE, mask)
    open_keys = {(-1, -1): "vwxz", (0, -1): "vwz", (1, -1): "xz", (-1, 0): "vxz", (-1, 1): "wz", (1, 0): "xz"}
    for place, keys in open_keys.items():
        assert maps.at(*place)[1].tolist() == [[key in keys for key in FIVE]] * 3
    assert require_maps(weights, THREE, FIVE).at(-1, -1)[1] is None


def test_a_mean_is_taken_over_layers_heads_or_both():
    weights = torch.softmax(torch.randn(2, 4, 3, 5), -1).numpy()
    maps = require_maps(weights, THREE, FIVE)
    wanted = {
        (1, 2): weights[1, 2],
        (0, -1): weights[0].mean(0),
        (-1, 3): weights[:, 3].mean(0),
        (-1, -1): weights.mean((0, 1)),
    }
    for (layer, head), mean in wanted.items():
        np.testing.assert_allclose(maps.at(layer, head)[0], mean, rtol=1e-6)
    assert maps.peak == weights.max()


FRAMES = torch.softmax(torch.randn(3, 2, 3, 5, generator=torch.Generator().manual_seed(0)), -1)
NAMES = ["first", "second", "third"]


@pytest.mark.parametrize("weights", [FRAMES, FRAMES.numpy(), list(FRAMES), tuple(FRAMES)])
def test_frames_come_in_a_list_or_along_an_axis(weights):
    maps = require_frames(weights, THREE, FIVE, frames=NAMES)
    assert len(maps) == 3
    for one, wanted in zip(maps, FRAMES, strict=True):
        np.testing.assert_array_equal(one.weights[0], wanted)
        assert (one.queries, one.keys, one.mask) == (THREE, FIVE, None)


@pytest.mark.parametrize("count", [1, 3])
def test_a_frame_may_be_one_map_and_may_be_the_only_one(count):
    weights = FRAMES[:count, 0]  # (F, T, S)
    maps = require_frames(weights, THREE, FIVE, torch.ones(3, 5, dtype=torch.bool), frames=NAMES[:count])
    assert [one.weights.shape for one in maps] == [(1, 1, 3, 5)] * count


def test_a_mask_is_for_all_frames_or_one_for_each():
    allowed = torch.ones(3, 2, 3, 5, dtype=torch.bool)
    allowed[1, ..., 4] = False
    weights = FRAMES * allowed
    weights = weights / weights.sum(-1, keepdim=True)
    for mask in (allowed, allowed.numpy(), list(allowed)):
        maps = require_frames(weights, THREE, FIVE, mask, frames=NAMES)
        for one, wanted in zip(maps, allowed, strict=True):
            np.testing.assert_array_equal(one.mask[0], wanted)
    weights[..., 4] = 0
    weights = weights / weights.sum(-1, keepdim=True)
    for mask in (allowed[1], allowed[1, 0], allowed[1:2], [allowed[1]]):
        maps = require_frames(weights, THREE, FIVE, mask, frames=NAMES)
        assert all((one.mask[0] == allowed[1].numpy()).all() for one in maps)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("wrong", "error", "says"),
    [
        ({"frames": NAMES[:2]}, ValueError, "^frames: got 2 tokens, wanted 3, one for each of the frames"),
        ({"weights": FRAMES[0, 0]}, ValueError, r"^weights: got shape \(3, 5\), wanted a leading axis"),
        ({"weights": []}, ValueError, "^weights: got no frame, wanted one or more"),
        ({"weights": FRAMES[:0]}, ValueError, "^weights: got no frame, wanted one or more"),
        ({"weights": [FRAMES[0], None]}, TypeError, "^weights: got NoneType, wanted a torch tensor"),
        ({"weights": None}, TypeError, "^weights: got NoneType, wanted a torch tensor"),
        (
            {"weights": [FRAMES[0], FRAMES[1, :1], FRAMES[2]]},
            ValueError,
            r"^weights: frame 1 has shape \(1, 3, 5\), wanted \(2, 3, 5\) as frame 0 has",
        ),
        (
            {"weights": [*FRAMES[:2], FRAMES[2, :1]]},
            ValueError,
            r"^weights: frame 2 has shape \(1, 3, 5\), wanted \(2, 3, 5\) as frame 0 has",
        ),
        (
            {"mask": torch.ones(2, 2, 3, 5, dtype=torch.bool)},
            ValueError,
            "^mask: got 2 frames, wanted 3, as many as weights",
        ),
        ({"mask": []}, ValueError, "^mask: got no frame"),
        ({"mask": torch.zeros(3, 5, dtype=torch.bool)}, ValueError, r"^mask: is .* \(in frame 0, 'first'\)$"),
        ({"weights": [*FRAMES[:2], FRAMES[2] * 2]}, ValueError, r"^weights: .* \(in frame 2, 'third'\)$"),
        ({"queries": ["a", "b", 3]}, TypeError, r"^queries: item 2 .* \(in frame 0, 'first'\)$"),
    ],
)
def test_wrong_frames_are_named(wrong, error, says):
    with pytest.raises(error, match=says):
        require_frames(**{"weights": FRAMES, "queries": THREE, "keys": FIVE, "frames": NAMES} | wrong)


def wrong_row():
    weights = uniform(2, 3, 5)
    weights[1, 2] *= 1.1
    return weights


def with_value(value):
    weights = uniform(3, 5)
    weights[0, 0], weights[0, 1] = 0, 0.4
    weights[1, 2] = value
    return weights


NO = torch.zeros(3, 5, dtype=torch.bool)
BAD = [
    ({"weights": [[1.0]]}, TypeError, r"weights: got list, wanted a torch tensor or a numpy array"),
    ({"weights": uniform(5)}, ValueError, r"weights: got shape \(5,\), wanted \(T, S\)"),
    ({"weights": uniform(1, 1, 1, 3, 5)}, ValueError, r"weights: got shape \(1, 1, 1, 3, 5\)"),
    ({"weights": torch.zeros(0, 5)}, ValueError, r"weights: got shape \(0, 5\)"),
    (
        {"weights": torch.ones(3, 5, dtype=torch.bool)},
        TypeError,
        "weights: got dtype bool, wanted real numbers",
    ),
    ({"weights": torch.ones(3, 5, dtype=torch.complex64)}, TypeError, "weights: got dtype complex64"),
    ({"weights": np.full((3, 5), "x")}, TypeError, "weights: got dtype <U1"),
    ({"weights": with_value(float("nan"))}, ValueError, r"weights: got nan at \[1, 2\], wanted finite"),
    ({"weights": with_value(float("inf"))}, ValueError, r"weights: got inf at \[1, 2\], wanted finite"),
    ({"weights": with_value(-0.1)}, ValueError, r"weights: got -0.1 at \[1, 2\], wanted no negative"),
    ({"weights": wrong_row()}, ValueError, r"weights: row \[1, 2\] sums to 1.1, wanted 1"),
    ({"weights": torch.randn(3, 5).abs() * 10}, ValueError, "are these scores, or is the softmax"),
    ({"queries": ["a", "b"]}, ValueError, "queries: got 2 tokens, wanted 3, one for each of the rows of"),
    ({"queries": "abc"}, TypeError, r"queries: got one string, wanted a list of 3 tokens; list\(text\)"),
    ({"queries": ["a", 2, "c"]}, TypeError, r"queries: item 1 is 2 \(int\), wanted a string"),
    ({"queries": 7}, TypeError, "queries: got int, wanted a list of 3 strings"),
    ({"keys": THREE}, ValueError, "keys: got 3 tokens, wanted 5, one for each of the columns of weights"),
    ({"keys": [*FIVE[:4], None]}, TypeError, r"keys: item 4 is None \(NoneType\), wanted a string"),
    ({"keys": None}, ValueError, r"keys: without them the queries are the keys, but weights \(3, 5\)"),
    ({"mask": torch.ones(3, 5)}, TypeError, r"mask: got dtype float32, wanted bool"),
    ({"mask": [[True]]}, TypeError, "mask: got list, wanted a torch tensor or a numpy array"),
    (
        {"mask": ~NO[:, :4]},
        ValueError,
        r"mask: got shape \(3, 4\), wanted one that broadcasts to weights \(3, 5\)",
    ),
    ({"mask": ~NO[None]}, ValueError, r"mask: got shape \(1, 3, 5\), wanted one that broadcasts"),
    ({"mask": NO}, ValueError, r"mask: is False at \[0, 0\], where the weight is 0.2"),
    (
        {"weights": with_value(0.2), "mask": NO},
        ValueError,
        r"mask: is False at \[0, 1\], where the weight is 0.4",
    ),
]


@pytest.mark.bad_input
@pytest.mark.parametrize(("wrong", "error", "says"), BAD, ids=lambda value: str(value)[:40])
@pytest.mark.parametrize("entrance", [AttentionExplorer, plot_attention])
def test_bad_input_is_rejected(entrance, wrong, error, says):
    arguments = {"weights": uniform(3, 5), "queries": THREE, "keys": FIVE, "mask": None} | wrong
    if entrance is plot_attention and getattr(arguments["weights"], "ndim", 2) in (3, 4):
        says, error = "wanted one map", ValueError
    with pytest.raises(error, match=says):
        entrance(**arguments)


def test_half_precision_rounding_is_tolerated_and_no_more():
    weights = uniform(3, 5) * 1.01
    require_maps(weights.half(), THREE, FIVE)
    require_maps(weights.half().numpy(), THREE, FIVE)
    with pytest.raises(ValueError, match=r"sums to 1\.0498"):
        require_maps(uniform(3, 5).half() * 1.05, THREE, FIVE)
    for exact in (weights, weights.double(), weights.numpy(), weights.double().numpy()):
        with pytest.raises(ValueError, match=r"sums to 1\.01"):
            require_maps(exact, THREE, FIVE)


@pytest.mark.parametrize(
    ("token", "label"),
    [
        ("", "∅"),
        (" ", "␠"),
        ("  a b ", "␠␠a b␠"),
        ("X a X", "X a X"),
        ("\u00a0a\u202f", "⍽a⍽"),
        ("\x1f\x7f\x9f", "[U+001F][U+007F][U+009F]"),
        ("\u200d\ufeff", "[U+200D][U+FEFF]"),
        ("a\ufeff", "a\ufeff"),
        ("\ud7ff\udfff\ue000", "\ud7ff\N{REPLACEMENT CHARACTER}\ue000"),
        ("~\u00a1", "~\u00a1"),
        ("a\nb", "a↵b"),
        ("\t", "⇥"),
        ("\u202eabc", "[U+202E]abc"),
        ("\x00", "[U+0000]"),
        ("\u200d", "[U+200D]"),
        ("क्\u200dष", "क्\u200dष"),
        ("\ud800", "\N{REPLACEMENT CHARACTER}"),
        ("<b>&amp;", "<b>&amp;"),
    ],
)
def test_labels_show_invisible_characters(token, label):
    assert visible(token) == label
