"""The query plane in Python: arithmetic, traits, bad input, and its static picture."""

import base64
import io

import numpy as np
import pytest
import torch
from PIL import Image

from attnbook import QueryPlane, scaled_dot_product_attention

KEYS = torch.tensor([[2.0, 0.5], [0.5, 1.5], [-1.5, 1.0]])
VALUES = [3.0, 1.0, -2.0]


def test_its_defaults():
    plane = QueryPlane(KEYS, VALUES)
    assert (plane.query, plane.temperature, plane.score) == ([1.0, 0.0], 1.0, "dot")
    assert plane.get_state(["labels"]) == {"labels": ["k1", "k2", "k3"]}


@pytest.mark.parametrize("values", [VALUES, torch.randn(3, 4), np.eye(3)], ids=["numbers", "torch", "numpy"])
@pytest.mark.parametrize("temperature", [0.05, 1, 20.0])
def test_with_dot_products_it_is_attention(values, temperature):
    plane = QueryPlane(KEYS, values, query=(1.2, -0.7), temperature=temperature)
    value = torch.as_tensor(values, dtype=torch.float64).reshape(3, -1)
    query = torch.tensor([[1.2, -0.7]], dtype=torch.float64)
    output, weights = scaled_dot_product_attention(query, KEYS.double(), value, scale=1 / temperature)
    np.testing.assert_allclose(plane.output, output[0], atol=1e-12)
    np.testing.assert_allclose(plane.weights, weights[0], atol=1e-12)
    np.testing.assert_allclose(plane.scores, (query @ KEYS.double().T)[0], atol=1e-12)


def test_with_distance_it_is_regression_with_a_gaussian_kernel():
    plane = QueryPlane(KEYS, VALUES, query=(0.3, 0.4), temperature=0.49, score="distance")
    kernel = np.exp(-((KEYS.numpy() - [0.3, 0.4]) ** 2).sum(1) / (2 * 0.7**2))
    np.testing.assert_allclose(plane.weights, kernel / kernel.sum(), atol=1e-12)
    np.testing.assert_allclose(plane.output, [kernel @ VALUES / kernel.sum()], atol=1e-12)


def test_colours():
    plane = QueryPlane(KEYS, ["#ff0000", "#00FF00", "#0000ff"], temperature=20.0)
    assert plane._values == [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
    np.testing.assert_allclose(plane.output, plane.weights)


@pytest.mark.parametrize("largest", [1e-3, 0.4, 1, 1.9, 7, 36, 4e5])
def test_all_points_are_well_within_the_plane(largest):
    plane = QueryPlane([[largest, 0], [0, -largest / 2]], [1, 2], query=(0, largest / 3))
    assert 1.2 * largest < plane._limit < 2 * largest
    assert 2 <= plane._limit / plane._tick < 5


REFUSED = [
    ({"keys": KEYS[:, :1]}, ValueError, r"keys: got shape \(3, 1\), wanted \(S, 2\), S from 1 to 16"),
    ({"keys": torch.ones(17, 2)}, ValueError, r"keys: got shape \(17, 2\)"),
    ({"keys": torch.ones(0, 2)}, ValueError, r"keys: got shape \(0, 2\)"),
    ({"keys": "keys"}, TypeError, "keys: got str, wanted a torch tensor or a numpy array"),
    ({"keys": [[1, 2], [3]]}, TypeError, "keys: got a list that isn't an array of numbers"),
    ({"keys": [[1, 2], [3, np.nan], [1, 2]]}, ValueError, r"keys: got nan at \[1, 1\], wanted numbers"),
    ({"values": [1, 2]}, ValueError, r"values: got shape \(2,\), wanted \(3,\) or \(3, d_v\)"),
    ({"values": torch.ones(3, 5)}, ValueError, r"values: got shape \(3, 5\), .* d_v from 1 to 4"),
    ({"values": torch.ones(3).bool()}, TypeError, "values: got dtype bool, wanted real numbers"),
    ({"values": ["#fff", "#000000", "red"]}, ValueError, "values: item 0 is '#fff', wanted a colour"),
    ({"values": ["#ffffff", 1, 2]}, ValueError, "values: item 1 is 1, wanted a colour, #rrggbb"),
    ({"labels": ["a"]}, ValueError, "labels: got 1 tokens, wanted 3"),
    ({"labels": "abc"}, TypeError, "labels: got one string"),
    ({"query": (1, 2, 3)}, ValueError, r"query: got shape \(3,\), wanted two numbers, \(x, y\)"),
    ({"query": ("a", 2)}, TypeError, "query: got a list that isn't an array of numbers"),
    ({"query": (np.inf, 2)}, ValueError, r"query: got inf at \[0\]"),
    ({"temperature": 0}, ValueError, "temperature: got 0, wanted 0.05 to 20"),
    ({"temperature": float("nan")}, ValueError, "temperature: got nan"),
    ({"temperature": "1"}, TypeError, "temperature: got str, wanted a number"),
    ({"score": "cosine"}, ValueError, "score: got 'cosine', wanted one of dot, distance"),
    ({"title": 1}, TypeError, "title: got int, wanted a string"),
    ({"kernel": 1}, TypeError, "kernel: no such setting"),
]


@pytest.mark.bad_input
@pytest.mark.parametrize(("change", "error", "says"), REFUSED, ids=[says[:30] for *_, says in REFUSED])
def test_bad_input_is_rejected(change, error, says):
    with pytest.raises(error, match=says):
        QueryPlane(**{"keys": KEYS, "values": VALUES} | change)


@pytest.mark.bad_input
def test_a_rejected_setting_changes_nothing():
    plane = QueryPlane(KEYS, VALUES)
    for name, value in {"query": [9, 9], "temperature": 0.0, "score": ""}.items():
        before = getattr(plane, name)
        with pytest.raises(ValueError, match=f"{name}: got"):
            setattr(plane, name, value)
        assert getattr(plane, name) == before


def test_the_output_has_a_picture_and_a_description():
    plane = QueryPlane(KEYS, VALUES, ["a", "b", "c"], title="Where")
    data, _ = plane._repr_mimebundle_()
    assert data["text/plain"].startswith(
        "Query among keys: Where: 3 keys, query (1.00, 0.00), most weight on a: "
    )
    image = Image.open(io.BytesIO(base64.b64decode(data["image/png"])))
    assert image.format == "PNG"
    assert 500 < image.width < 1100
    assert len(data["image/png"]) < 80_000
    for name, value in {"query": [0, 1], "temperature": 2.0, "score": "distance"}.items():
        setattr(plane, name, value)
        changed = plane._repr_mimebundle_()[0]["image/png"]
        assert changed != data["image/png"]
        data["image/png"] = changed
