"""The explorer's Python side: traits, what it sends, and what it shows where no widget can run."""

import base64
import io
import json

import numpy as np
import pytest
import torch
import traitlets
from ipywidgets import jsdlink
from PIL import Image

from attnbook.widgets import AttentionExplorer
from attnbook.widgets.encoding import decode_weights

WEIGHTS = torch.softmax(torch.randn(2, 3, 5, 7, generator=torch.Generator().manual_seed(0)), -1)
QUERIES, KEYS = list("abcde"), list("tuvwxyz")


@pytest.fixture
def explorer():
    return AttentionExplorer(WEIGHTS, QUERIES, KEYS, title="Two layers")


def test_it_sends_each_map_by_itself(explorer):
    state = explorer.get_state()
    assert state["_shape"] == [2, 3, 5, 7]
    assert (state["query_tokens"], state["key_tokens"]) == (QUERIES, KEYS)
    for sent, weights in zip(state["_weights"], WEIGHTS.flatten(0, 1), strict=True):
        assert len(sent) == 2 * 5 * 7
        np.testing.assert_allclose(decode_weights(sent), weights.flatten(), atol=5e-4)


def test_it_sends_one_mask_where_all_are_the_same():
    mask = torch.ones(5, 7, dtype=torch.bool)
    assert len(AttentionExplorer(WEIGHTS, QUERIES, KEYS, mask)._masks) == 1
    each = mask.expand(2, 3, 5, 7).clone()
    each[1, 2, 0, 0] = False
    weights = WEIGHTS.clone()
    weights[1, 2, 0, 0] = 0
    weights /= weights.sum(-1, keepdim=True)
    assert len(AttentionExplorer(weights, QUERIES, KEYS, each)._masks) == 6
    assert AttentionExplorer(WEIGHTS, QUERIES, KEYS)._masks == []


def test_choices_are_traits(explorer):
    seen = []
    explorer.observe(
        lambda change: seen.append((change["name"], change["new"])), ["layer", "head", "locked", "scale"]
    )
    explorer.layer, explorer.head, explorer.locked, explorer.scale = 1, 2, 4, "full"
    assert seen == [("layer", 1), ("head", 2), ("locked", 4), ("scale", "full")]
    explorer.locked = -1
    other = AttentionExplorer(WEIGHTS, QUERIES, KEYS)
    assert jsdlink((explorer, "head"), (other, "head")) is not None
    traitlets.link((explorer, "layer"), (other, "layer"))
    assert other.layer == 1
    assert explorer.layout.width is None  # an ipywidget like any other
    assert AttentionExplorer(WEIGHTS, QUERIES, KEYS, head=2, locked=0).head == 2


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("layer", 2, "layer: got 2, wanted 0 to 1"),
        ("layer", -1, "layer: got -1"),
        ("head", 3, "head: got 3, wanted 0 to 2"),
        ("locked", 5, r"locked: got 5, wanted -1 to 4 \(-1 for none\)"),
        ("locked", -2, "locked: got -2"),
    ],
)
def test_choices_that_do_not_exist(explorer, name, value, says):
    before = getattr(explorer, name)
    with pytest.raises(ValueError, match=says):
        setattr(explorer, name, value)
    assert getattr(explorer, name) == before
    with pytest.raises(ValueError, match=says):
        AttentionExplorer(WEIGHTS, QUERIES, KEYS, **{name: value})


@pytest.mark.bad_input
def test_a_title_is_a_string():
    with pytest.raises(TypeError, match="title: got int, wanted a string"):
        AttentionExplorer(WEIGHTS, QUERIES, KEYS, title=3)


def test_heads_may_have_names():
    names = ["before", "after", "both"]
    explorer = AttentionExplorer(WEIGHTS, QUERIES, KEYS, head_names=names)
    assert explorer.get_state()["head_names"] == names
    assert AttentionExplorer(WEIGHTS, QUERIES, KEYS).head_names == []


@pytest.mark.bad_input
def test_names_of_heads_are_one_string_each():
    with pytest.raises(ValueError, match="head_names: got 2 tokens, wanted 3"):
        AttentionExplorer(WEIGHTS, QUERIES, KEYS, head_names=["before", "after"])
    with pytest.raises(TypeError, match="head_names: item 1 is 2"):
        AttentionExplorer(WEIGHTS, QUERIES, KEYS, head_names=["before", 2, "both"])


@pytest.mark.bad_input
def test_an_unknown_setting():
    with pytest.raises(
        TypeError, match="heads: no such setting, wanted one of head, layer, layout, locked, scale"
    ):
        AttentionExplorer(WEIGHTS, QUERIES, KEYS, heads=2)


def test_tokens_are_fixed(explorer):
    with pytest.raises(traitlets.TraitError):
        explorer.query_tokens = ["other"]


def test_weights_are_at_hand(explorer):
    np.testing.assert_array_equal(explorer.weights, WEIGHTS)


def test_a_picture_and_a_line_stand_beside_the_widget(explorer):
    data, _ = explorer._repr_mimebundle_()
    assert data["text/plain"] == "Attention map: Two layers: 2 layers, 3 heads, 5 queries, 7 keys"
    assert data["application/vnd.jupyter.widget-view+json"]["model_id"] == explorer.model_id
    image = Image.open(io.BytesIO(base64.b64decode(data["image/png"])))
    assert image.format == "PNG"
    assert 200 < image.width < 1000
    assert len(data["image/png"]) < 60_000
    json.dumps(data)


def test_the_picture_is_of_the_chosen_map(explorer):
    first = explorer._repr_mimebundle_()[0]["image/png"]
    explorer.head = 2
    assert explorer._repr_mimebundle_()[0]["image/png"] != first
