"""The explorer in Python: traits, the data it sends, and its static picture."""

import base64
import io
import json

import numpy as np
import pytest
import torch
import traitlets
from ipywidgets import interactive, jsdlink
from PIL import Image

from attnbook import plots
from attnbook.widgets import AttentionExplorer
from attnbook.widgets.encoding import decode_weights, encode_mask
from attnbook.widgets.explorer import AT_ONCE

WEIGHTS = torch.softmax(torch.randn(2, 3, 5, 7, generator=torch.Generator().manual_seed(0)), -1)
QUERIES, KEYS = list("abcde"), list("tuvwxyz")


@pytest.fixture
def explorer():
    return AttentionExplorer(WEIGHTS, QUERIES, KEYS, title="Two layers")


def test_each_map_is_sent_separately(explorer):
    state = explorer.get_state()
    assert state["_shape"] == [2, 3, 5, 7]
    assert (state["query_tokens"], state["key_tokens"]) == (QUERIES, KEYS)
    for sent, weights in zip(state["_weights"], WEIGHTS.flatten(0, 1), strict=True):
        assert len(sent) == 2 * 5 * 7
        np.testing.assert_allclose(decode_weights(sent), weights.flatten(), atol=5e-4)


def test_equal_masks_are_sent_once():
    mask = torch.ones(5, 7, dtype=torch.bool)
    assert len(AttentionExplorer(WEIGHTS, QUERIES, KEYS, mask)._masks) == 1
    each = mask.expand(2, 3, 5, 7).clone()
    each[1, 2, 0, 0] = False
    weights = WEIGHTS.clone()
    weights[1, 2, 0, 0] = 0
    weights /= weights.sum(-1, keepdim=True)
    assert len(AttentionExplorer(weights, QUERIES, KEYS, each)._masks) == 6
    assert AttentionExplorer(WEIGHTS, QUERIES, KEYS)._masks == []


def test_each_map_gets_its_mask():
    mask = torch.ones(5, 7, dtype=torch.bool)
    mask[1, 2:] = mask[4, 0] = False
    weights = WEIGHTS * mask
    weights /= weights.sum(-1, keepdim=True)
    assert AttentionExplorer(weights, QUERIES, KEYS, mask)._masks == [encode_mask(mask.numpy())]
    each = mask.expand(2, 3, 5, 7).clone()
    each[0, 1] = each[1, 2] = True
    sent = AttentionExplorer(weights, QUERIES, KEYS, each)._masks
    assert sent == [encode_mask(one.numpy()) for one in each.flatten(0, 1)]


def test_the_peak_without_the_first_key_covers_all_frames():
    first = torch.tensor([[0.9, 0.1, 0.0], [0.7, 0.1, 0.2]])
    second = torch.tensor([[0.8, 0.1, 0.1], [0.6, 0.4, 0.0]])
    explorer = AttentionExplorer(torch.stack([first, second]), list("ab"), list("xyz"), frames=["0", "1"])
    assert explorer._peak == pytest.approx(0.9)
    assert explorer._peak_of_rest == pytest.approx(0.4)
    assert AttentionExplorer(torch.ones(2, 1), ["a", "b"], ["x"])._peak_of_rest == 0


def test_choices_are_traits(explorer):
    seen = []
    explorer.observe(
        lambda change: seen.append((change["name"], change["new"])),
        ["layer", "head", "locked", "scale", "order", "hide_first"],
    )
    explorer.layer, explorer.head, explorer.locked, explorer.scale = 1, 2, 4, "log"
    explorer.order, explorer.hide_first = "entropy", True
    chosen = [("layer", 1), ("head", 2), ("locked", 4), ("scale", "log")]
    assert seen == [*chosen, ("order", "entropy"), ("hide_first", True)]
    explorer.locked = -1
    other = AttentionExplorer(WEIGHTS, QUERIES, KEYS)
    assert jsdlink((explorer, "head"), (other, "head")) is not None
    traitlets.link((explorer, "layer"), (other, "layer"))
    assert other.layer == 1
    assert explorer.layout.width is None  # works like any ipywidget
    assert AttentionExplorer(WEIGHTS, QUERIES, KEYS, head=2, locked=0).head == 2


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("layer", 2, r"layer: got 2, wanted -1 to 1 \(-1 for the mean\)"),
        ("layer", -2, "layer: got -2"),
        ("head", 3, r"head: got 3, wanted -1 to 2 \(-1 for the mean\)"),
        ("frame", 1, "frame: got 1, wanted 0 to 0"),
        ("scale", "linear", "scale"),
        ("order", "size", "order"),
        ("hide_first", "yes", "hide_first"),
        ("locked", 5, r"locked: got 5, wanted -1 to 4 \(-1 for none\)"),
        ("locked", -2, "locked: got -2"),
    ],
)
def test_nonexistent_choices_are_rejected(explorer, name, value, says):
    before = getattr(explorer, name)
    with pytest.raises((ValueError, traitlets.TraitError), match=says):
        setattr(explorer, name, value)
    assert getattr(explorer, name) == before
    with pytest.raises((ValueError, traitlets.TraitError), match=says):
        AttentionExplorer(WEIGHTS, QUERIES, KEYS, **{name: value})


@pytest.mark.bad_input
def test_a_title_must_be_a_string():
    with pytest.raises(TypeError, match="title: got int, wanted a string"):
        AttentionExplorer(WEIGHTS, QUERIES, KEYS, title=3)


def test_heads_may_have_names():
    names = ["before", "after", "both"]
    explorer = AttentionExplorer(WEIGHTS, QUERIES, KEYS, head_names=names)
    assert explorer.get_state()["head_names"] == names
    assert AttentionExplorer(WEIGHTS, QUERIES, KEYS).head_names == []


@pytest.mark.bad_input
def test_head_names_must_be_one_string_per_head():
    with pytest.raises(ValueError, match="head_names: got 2 tokens, wanted 3"):
        AttentionExplorer(WEIGHTS, QUERIES, KEYS, head_names=["before", "after"])
    with pytest.raises(TypeError, match="head_names: item 1 is 2"):
        AttentionExplorer(WEIGHTS, QUERIES, KEYS, head_names=["before", 2, "both"])


@pytest.mark.bad_input
def test_an_unknown_setting_is_rejected():
    with pytest.raises(
        TypeError, match="heads: no such setting, wanted one of forbidden, frame, head, hide_first, layer,"
    ):
        AttentionExplorer(WEIGHTS, QUERIES, KEYS, heads=2)


@pytest.mark.bad_input
def test_named_maps_and_single_ones_have_no_mean():
    with pytest.raises(ValueError, match="head: got -1, wanted 0 to 2"):
        AttentionExplorer(WEIGHTS, QUERIES, KEYS, head_names=["before", "after", "both"], head=-1)
    with pytest.raises(ValueError, match="layer: got -1, wanted 0 to 0"):
        AttentionExplorer(WEIGHTS[:1], QUERIES, KEYS, layer=-1)


def test_it_opens_on_the_most_telling_head():
    """Not on a uniform one, nor on one whose queries all attend to the first key."""
    weights = torch.full((2, 3, 5, 7), 1 / 7)
    weights[0, 1] = torch.eye(7)[0]  # certain, but every row is the same
    weights[1, 2] = 0.5 / 7 + 0.5 * torch.eye(7)[:5]
    explorer = AttentionExplorer(weights, QUERIES, KEYS)
    assert (explorer.layer, explorer.head) == (1, 2)
    assert explorer._caption() == "layer 1, head 2"
    explorer = AttentionExplorer(weights, QUERIES, KEYS, layer=1)
    assert (explorer.layer, explorer.head) == (1, 0)
    named = AttentionExplorer(weights, QUERIES, KEYS, head_names=["one", "two", "three"])
    assert (named.layer, named.head) == (0, 0)
    training = AttentionExplorer([weights.flip(0, 1), weights], QUERIES, KEYS, frames=["first", "last"])
    assert (training.layer, training.head, training.frame) == (1, 2, 0)
    masked = weights.clone()
    masked[:, :, 2] = 0  # rows that attend to nothing
    assert AttentionExplorer(masked, QUERIES, KEYS).head == 2


def test_each_map_can_have_its_own_colours():
    explorer = AttentionExplorer(WEIGHTS, QUERIES, KEYS, scale="map")
    shared = AttentionExplorer(WEIGHTS, QUERIES, KEYS)
    picture = lambda one: one._repr_mimebundle_()[0]["image/png"]  # noqa: E731
    faint = int(WEIGHTS[0].amax((1, 2)).argmin())
    explorer.layer = shared.layer = 0
    explorer.head = shared.head = faint
    assert picture(explorer) != picture(shared)


def test_the_pictures_title_names_the_map():
    caption = lambda **settings: AttentionExplorer(WEIGHTS, QUERIES, KEYS, **settings)._caption()  # noqa: E731
    assert caption(title="T", layer=1, head=2) == "T: layer 1, head 2"
    assert caption(layer=-1) == "mean of layers, head 0"
    assert caption(head=-1, layer=-1) == "mean of layers, mean of heads"
    assert caption(head_names=["before", "after", "both"], head=1) == "layer 0, after"
    assert AttentionExplorer(WEIGHTS[0, 0], QUERIES, KEYS, title="T")._caption() == "T"


def test_tokens_are_fixed(explorer):
    with pytest.raises(traitlets.TraitError):
        explorer.query_tokens = ["other"]


def test_weights_can_be_read_back(explorer):
    np.testing.assert_array_equal(explorer.weights, WEIGHTS)


def test_the_output_has_a_picture_and_a_description(explorer):
    data, _ = explorer._repr_mimebundle_()
    assert data["text/plain"] == "Attention map: Two layers: 2 layers, 3 heads, 5 queries, 7 keys"
    assert data["application/vnd.jupyter.widget-view+json"]["model_id"] == explorer.model_id
    image = Image.open(io.BytesIO(base64.b64decode(data["image/png"])))
    assert image.format == "PNG"
    assert 200 < image.width < 1000
    assert len(data["image/png"]) < 60_000
    json.dumps(data)


def test_the_picture_shows_the_chosen_map(explorer):
    first = explorer._repr_mimebundle_()[0]["image/png"]
    explorer.head = 2
    assert explorer._repr_mimebundle_()[0]["image/png"] != first


def summaries(explorer) -> tuple[np.ndarray, np.ndarray]:
    """The entropies in bits (F, L + 1, H + 1, T) and weights on the first key (F, L + 1, H + 1) as sent."""
    layers, heads, rows, _ = explorer._shape
    shape = (-1, layers + (layers > 1), heads + (heads > 1))
    spread = np.frombuffer(explorer._spread, "<u2").astype(float)
    spread[spread == 65535] = np.nan
    return spread.reshape(*shape, rows) / 4000, np.frombuffer(explorer._first, "<u2").reshape(shape) / 65535


def test_row_entropies_are_computed_from_the_exact_weights(explorer):
    spread, first = summaries(explorer)
    means = WEIGHTS.mean(1, keepdim=True)
    every = torch.cat([WEIGHTS, means], 1)
    every = torch.cat([every, every.mean(0, keepdim=True)]).double()  # layers and heads with their means
    np.testing.assert_allclose(spread[0], -(every * every.log2()).sum(-1), atol=2e-4)
    np.testing.assert_allclose(first[0], every[..., 0].mean(-1), atol=1e-5)


def test_fully_masked_rows_have_no_entropy():
    weights = WEIGHTS[0, 0].clone()
    weights[1] = 0
    weights[2] = torch.eye(7)[3]
    spread, first = summaries(AttentionExplorer(weights, QUERIES, KEYS))
    assert np.isnan(spread[0, 0, 0, 1])
    assert spread[0, 0, 0, 2] == 0
    assert first[0, 0, 0] == pytest.approx(float(weights[[0, 2, 3, 4], 0].mean()), abs=1e-5)
    nothing = AttentionExplorer(torch.zeros(5, 7), QUERIES, KEYS)
    assert np.isnan(summaries(nothing)[0]).all()


LARGE = torch.softmax(torch.randn(3, 4, 700, 700, generator=torch.Generator().manual_seed(1)), -1)
MANY = [f"token{i}" for i in range(700)]


@pytest.fixture(scope="module")
def large():
    return AttentionExplorer(LARGE, MANY, layer=1, head=2)


def asked(explorer, place) -> list[bytes]:
    """The messages that Python sends when the page requests a map."""
    sent = []
    explorer.send, before = lambda content, buffers: sent.append((content, buffers)), explorer.send
    explorer._handle_custom_msg({"map": place}, [])
    explorer.send = before
    assert [content for content, _ in sent] in ([], [{"map": place}])
    return sent[0][1] if sent else []


def test_maps_beyond_the_limit_are_sent_on_request(large):
    state = large.get_state()
    assert [len(one) for one in state["_weights"]] == [0] * 6 + [2 * 700 * 700] + [0] * 5
    assert sum(len(one) for one in state["_weights"]) < AT_ONCE
    assert len(state["_thumbnails"]) == 4 * 5 * 40 * 40
    assert AttentionExplorer(LARGE[:1], MANY).get_state()["_thumbnails"] == b""
    np.testing.assert_allclose(decode_weights(asked(large, [0, 2, 3])[0]), LARGE[2, 3].flatten(), atol=5e-4)
    mean = decode_weights(asked(large, [0, -1, 0])[0])
    np.testing.assert_allclose(mean, LARGE[:, 0].mean(0).flatten(), atol=5e-4)


def test_requested_maps_come_with_their_masks():
    mask = torch.ones(3, 4, 700, 700, dtype=torch.bool)
    mask[2, 3] = mask[2, 3].tril()
    weights = LARGE * mask
    explorer = AttentionExplorer(weights / weights.sum(-1, keepdim=True), MANY, mask=mask, layer=0, head=0)
    assert [len(one) > 0 for one in explorer._masks] == [True] + [False] * 11
    assert asked(explorer, [0, 2, 3])[1] == encode_mask(mask[2, 3].numpy())
    assert len(asked(AttentionExplorer(LARGE, MANY, mask=mask[:1, :1]), [0, 2, 3])) == 1


@pytest.mark.bad_input
@pytest.mark.parametrize(
    "place", [[0, 3, 0], [1, 0, 0], [0, 0], [0, 0, "1"], [0, True, 0], "abc", None, [-1, 0, 0]]
)
def test_nonexistent_maps_are_not_sent(large, place):
    assert asked(large, place) == []


def test_a_thumbnail_shows_the_largest_weight_of_each_block(large):
    small = np.frombuffer(large._thumbnails, np.uint8).reshape(4, 5, 40, 40)[2, 3]
    weights = ((small - 1.0) / 254) ** 2
    block = LARGE[2, 3, 70:87, 17:35]  # 700 / 40 = 17.5 cells a pixel
    assert weights[4, 1] == pytest.approx(float(block.max()), rel=0.05)


STEPS = ["start", "later", "end"]
FRAMES = torch.stack([torch.softmax(scale * WEIGHTS, -1) for scale in (0, 3, 9)])  # (F, L, H, T, S)


@pytest.mark.parametrize("weights", [FRAMES, list(FRAMES), FRAMES.numpy()], ids=["one", "list", "numpy"])
def test_a_sequence_of_maps(weights):
    explorer = AttentionExplorer(weights, QUERIES, KEYS, frames=STEPS)
    state = explorer.get_state()
    assert (state["frames"], state["frame"], state["_shape"]) == (STEPS, 0, [2, 3, 5, 7])
    assert len(state["_weights"]) == 3 * 2 * 3
    for sent, true in zip(state["_weights"], FRAMES.flatten(0, 2), strict=True):
        np.testing.assert_allclose(decode_weights(sent), true.flatten(), atol=5e-4)
    assert state["_peak"] == pytest.approx(float(FRAMES.max()))
    np.testing.assert_array_equal(explorer.weights, FRAMES)


@pytest.mark.parametrize("axes", [0, 1, 2])
def test_frames_accept_all_shapes(axes):
    weights = FRAMES[(slice(None), *[0] * axes)]
    explorer = AttentionExplorer(weights, QUERIES, KEYS, frames=STEPS)
    assert explorer.weights.shape == (3, *[1] * axes, *WEIGHTS.shape[axes:])


def test_rows_of_later_steps_are_masked():
    there = torch.arange(5)[None, :, None] < torch.tensor([1, 3, 5])[:, None, None]  # (F, T, 1)
    weights = FRAMES[:, 0, 0] * there
    explorer = AttentionExplorer(weights, QUERIES, KEYS, there, frames=STEPS)
    assert len(explorer._masks) == 3
    assert len(AttentionExplorer(weights, QUERIES, KEYS, list(there), frames=STEPS)._masks) == 3
    same = torch.ones(5, 7, dtype=torch.bool)
    assert len(AttentionExplorer(weights, QUERIES, KEYS, same, frames=STEPS)._masks) == 1


def test_the_frame_is_a_trait_and_in_the_pictures_title():
    explorer = AttentionExplorer(FRAMES, QUERIES, KEYS, frames=STEPS, frame=1)
    assert "3 frames, 2 layers" in explorer.describe()
    seen = []
    explorer.observe(lambda change: seen.append(change["new"]), "frame")
    pictures = [explorer._repr_mimebundle_()[0]["image/png"]]
    explorer.frame = 2
    pictures.append(explorer._repr_mimebundle_()[0]["image/png"])
    assert seen == [2]
    assert pictures[0] != pictures[1]


def test_the_picture_of_the_lines_shows_the_heads():
    explorer = AttentionExplorer(
        FRAMES, QUERIES, KEYS, frames=STEPS, frame=1, view="lines", shown_heads=[(1, 0), (0, 1)], title="Two"
    )
    figure = explorer.figure()
    weights = FRAMES[1].numpy()
    peak = FRAMES.max().item()
    shares = np.concatenate([weights[1, 0].ravel(), weights[0, 1].ravel()]) / peak
    (lines,) = figure.axes[0].collections
    assert sorted(lines.get_edgecolor()[:, 3]) == pytest.approx(sorted(shares[shares >= 0.02]))
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names == ["layer 1, head 0", "layer 0, head 1"]
    assert figure.get_suptitle() == f"Two: {STEPS[1]}"
    explorer.view = "map"
    assert not explorer.figure().legends


def test_pictures_of_all_frames_share_one_scale(monkeypatch):
    peaks = []
    draw = plots.draw_map
    monkeypatch.setattr(
        plots, "draw_map", lambda *args, peak, **more: peaks.append(peak) or draw(*args, peak=peak, **more)
    )
    for frame in range(3):
        AttentionExplorer(FRAMES, QUERIES, KEYS, frames=STEPS, frame=frame)._repr_mimebundle_()
    assert peaks == [pytest.approx(float(FRAMES.max()))] * 3


WRONG = FRAMES.clone()
WRONG[1, 0, 2, 3] *= 2
BAD_FRAMES = [
    ({"frames": STEPS[:2]}, ValueError, "frames: got 2 tokens, wanted 3, one for each of the frames"),
    ({"frames": "abc"}, TypeError, "frames: got one string"),
    ({"frames": [0, 10, 20]}, TypeError, "frames: item 0 is 0"),
    ({"weights": FRAMES[0, 0, 0]}, ValueError, r"weights: got shape \(5, 7\), wanted a leading axis"),
    ({"weights": []}, ValueError, "weights: got no frame"),
    ({"weights": [FRAMES[0], FRAMES[1, :1], FRAMES[2]]}, ValueError, "weights: frame 1 has shape"),
    ({"weights": [FRAMES[0], [[1.0]], FRAMES[2]]}, TypeError, "weights: got list, wanted a torch tensor"),
    ({"weights": WRONG}, ValueError, r"weights: row \[0, 2, 3\] sums to 2,.*\(in frame 1, 'later'\)"),
    ({"mask": torch.ones(2, 2, 3, 5, 7, dtype=torch.bool)}, ValueError, "mask: got 2 frames, wanted 3"),
    ({"frame": 3}, ValueError, "frame: got 3, wanted 0 to 2"),
]


@pytest.mark.bad_input
@pytest.mark.parametrize(("wrong", "error", "says"), BAD_FRAMES, ids=[says for *_, says in BAD_FRAMES])
def test_wrong_frames_are_rejected(wrong, error, says):
    with pytest.raises(error, match=says):
        AttentionExplorer(**{"weights": FRAMES, "queries": QUERIES, "keys": KEYS, "frames": STEPS} | wrong)


def test_the_picture_uses_the_chosen_scale_and_hides_the_first_key():
    mask = torch.ones(5, 7, dtype=torch.bool)
    mask[1, 4:] = False
    mask[2, ::3] = False
    weights = WEIGHTS[0, 0] * mask
    weights /= weights.sum(-1, keepdim=True)

    def drawn(**settings):
        return AttentionExplorer(weights, QUERIES, KEYS, mask, **settings).figure().axes[0]

    usual, full, log = drawn(), drawn(scale="full"), drawn(scale="log")
    norms = [ax.collections[0].norm for ax in (usual, full, log)]
    assert [norm.vmax for norm in norms] == pytest.approx([float(weights.max()), 1, float(weights.max())])
    assert [norm.vmin for norm in norms] == [0, 0, 1e-4]
    assert norms[2](0.01) > 0.3 > norms[1](0.01)
    assert len(usual.patches) == 1 + 3  # one per run of masked cells
    rest = drawn(hide_first=True)
    assert np.ma.getmaskarray(rest.collections[0].get_array()).reshape(5, 7)[:, 0].all()
    assert rest.collections[0].norm.vmax == pytest.approx(float(weights[:, 1:].max()))
    assert len(rest.patches) == 1 + 2


def test_a_map_beyond_the_limit_is_sent_on_request():
    size = 2100
    mask = torch.ones(size, size, dtype=torch.bool).tril()
    tokens = [f"t{i}" for i in range(size)]
    explorer = AttentionExplorer(torch.eye(size), tokens, mask=mask)
    assert (explorer._weights, explorer._masks) == ([b""], [b""])
    weights, its_mask = asked(explorer, [0, 0, 0])
    np.testing.assert_array_equal(decode_weights(weights).reshape(size, size), np.eye(size))
    assert its_mask == encode_mask(mask.numpy())
    assert len(asked(AttentionExplorer(torch.eye(size), tokens), [0, 0, 0])) == 1


def test_interact_sets_its_traits(explorer):
    def show(head, scale, hide_first):
        explorer.head, explorer.scale, explorer.hide_first = head, scale, hide_first

    head, scale, hide, _ = interactive(show, head=(0, 2), scale=["peak", "log"], hide_first=False).children
    head.value, scale.value, hide.value = 2, "log", True
    assert (explorer.head, explorer.scale, explorer.hide_first) == (2, "log", True)


def test_the_heads_drawn_as_lines_are_those_of_the_layer_shown_first():
    explorer = AttentionExplorer(WEIGHTS, QUERIES, KEYS, layer=1, view="lines")
    assert (explorer.view, explorer.shown_heads) == ("lines", [[1, 0], [1, 1], [1, 2]])
    many = AttentionExplorer(torch.full((10, 5, 7), 1 / 7), QUERIES, KEYS, layer=0)
    assert many.shown_heads == [[0, head] for head in range(8)]
    assert AttentionExplorer(WEIGHTS, QUERIES, KEYS, layer=-1).shown_heads[0] == [0, 0]
    chosen = AttentionExplorer(WEIGHTS, QUERIES, KEYS, shown_heads=[(0, 2), (1, 0), (0, 2)])
    assert chosen.shown_heads == [[0, 2], [1, 0]]
    seen = []
    chosen.observe(lambda change: seen.append(change["new"]), "shown_heads")
    chosen.shown_heads = []
    assert seen == [[]]


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("heads", "says"),
    [
        ([(0, 3)], r"shown_heads: got \(0, 3\), wanted pairs \(layer, head\), layer 0 to 1 and head 0 to 2"),
        ([(-1, 0)], r"shown_heads: got \(-1, 0\)"),
        ([2], "shown_heads: got 2, wanted pairs"),
        ([(0, True)], "shown_heads: got"),
        ([(0, 0, 0)], "shown_heads: got"),
    ],
)
def test_nonexistent_heads_cannot_be_drawn(explorer, heads, says):
    with pytest.raises(ValueError, match=says):
        explorer.shown_heads = heads
    with pytest.raises(ValueError, match=says):
        AttentionExplorer(WEIGHTS, QUERIES, KEYS, shown_heads=heads)


@pytest.mark.bad_input
def test_at_most_eight_heads_are_drawn_at_once():
    many = AttentionExplorer(torch.full((10, 5, 7), 1 / 7), QUERIES, KEYS)
    with pytest.raises(ValueError, match="shown_heads: got 9 heads, wanted at most 8"):
        many.shown_heads = [[0, head] for head in range(9)]
    with pytest.raises(traitlets.TraitError, match="view"):
        many.view = "arcs"


SCORES = torch.randn(4, 7, generator=torch.Generator().manual_seed(2))
VALUES = torch.randn(7, 3, generator=torch.Generator().manual_seed(3))


def editable(**settings) -> AttentionExplorer:
    return AttentionExplorer(torch.softmax(SCORES, -1), list("abcd"), KEYS, **settings)


def attended(forbidden, values=VALUES) -> tuple[torch.Tensor, torch.Tensor]:
    """PyTorch's weights and output with these cells masked."""
    mask = torch.ones(4, 7, dtype=torch.bool)
    for query, key in forbidden:
        mask[query, key] = False
    weights = torch.softmax(SCORES.masked_fill(~mask, -torch.inf), -1).nan_to_num()
    return weights, weights @ values


@pytest.mark.parametrize("forbidden", [[], [(0, 1)], [(0, 1), (0, 6), (3, 2)], [(2, k) for k in range(7)]])
def test_forbidden_cells_are_masked_before_the_softmax(forbidden):
    explorer = editable(values=VALUES)
    explorer.forbidden = forbidden
    weights, output = attended(forbidden)
    np.testing.assert_allclose(explorer.weights[0, 0], weights, atol=1e-6)
    np.testing.assert_allclose(explorer.output, output, atol=1e-6)
    at_once = editable(values=VALUES, forbidden=forbidden)
    np.testing.assert_allclose(at_once.output, output, atol=1e-6)


def test_values_are_a_trait():
    explorer = editable(values=VALUES)
    seen = []
    explorer.observe(lambda change: seen.append(change["name"]), ["values", "forbidden", "view"])
    explorer.values = 2 * VALUES
    explorer.values = np.ones((7, 3))
    explorer.forbidden = [(1, 1)]
    explorer.view = "edit"
    assert seen == ["values", "values", "forbidden", "view"]
    np.testing.assert_allclose(explorer.output, np.ones((4, 3)), atol=1e-6)
    assert explorer.get_state()["_given"]["values"] == VALUES.double().tolist()


@pytest.mark.bad_input
def test_values_keep_their_shape():
    explorer = editable(values=VALUES)
    with pytest.raises(ValueError, match=r"values: got shape \(7, 1\), wanted \(7, 3\) as in the call"):
        explorer.values = np.ones((7, 1))
    with pytest.raises(ValueError, match=r"values: got shape \(0,\), wanted \(7, d\)"):
        explorer.values = []
    with pytest.raises(ValueError, match=r"values: got shape \(7, 3\), wanted \(0,\) as in the call"):
        editable(editable=True).values = VALUES


def test_an_editable_map_needs_no_values():
    explorer = editable(editable=True, forbidden=[(0, 0)])
    assert explorer.output is None
    assert explorer.weights[0, 0, 0, 0] == 0
    assert explorer.scale == "full"
    assert editable().get_state()["_given"] == {}


def test_the_picture_shows_the_edited_map():
    explorer = editable(editable=True)
    first = explorer._repr_mimebundle_()[0]["image/png"]
    explorer.forbidden = [[0, 3]]
    assert explorer._repr_mimebundle_()[0]["image/png"] != first


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("settings", "error", "says"),
    [
        ({"editable": 1}, TypeError, "editable: got 1, wanted True or False"),
        ({"values": VALUES[:3]}, ValueError, r"values: got shape \(3, 3\), wanted \(7, d\), d from 1 to 8"),
        ({"values": VALUES[0]}, ValueError, r"values: got shape \(3,\)|List|values"),
        ({"values": torch.ones(7, 9)}, ValueError, r"values: got shape \(7, 9\)"),
        ({"values": [[1.0]] * 6 + [[1.0, 2.0]]}, ValueError, "values: got rows of different lengths"),
        ({"values": VALUES * torch.nan}, ValueError, r"values: got nan at \[0, 0\], wanted numbers"),
        ({"forbidden": [(0, 0)]}, ValueError, r"forbidden: got \(0, 0\), wanted editable=True or values="),
        ({"view": "edit"}, ValueError, "view: got 'edit', wanted editable=True or values="),
        ({"editable": True, "forbidden": [(4, 0)]}, ValueError, r"wanted pairs \(query, key\), query 0 to 3"),
        ({"editable": True, "forbidden": [3]}, ValueError, "forbidden: got 3, wanted pairs"),
    ],
)
def test_what_cannot_be_edited_is_rejected(settings, error, says):
    with pytest.raises(error, match=says):
        editable(**settings)


@pytest.mark.bad_input
def test_only_a_single_small_map_is_edited():
    with pytest.raises(ValueError, match=r"editable: got weights \(2, 3, 5, 7\), wanted a single map"):
        AttentionExplorer(WEIGHTS, QUERIES, KEYS, editable=True)
    with pytest.raises(ValueError, match="editable: got a map of 13 × 13, wanted at most 12 × 12"):
        AttentionExplorer(torch.eye(13), [str(i) for i in range(13)], editable=True)
