"""The stepper in Python: numbers, traits, bad input, and its static picture."""

import base64
import io
import itertools
import json

import numpy as np
import pytest
import torch
import traitlets
from PIL import Image

from attnbook import AttentionStepper, causal_mask, scaled_dot_product_attention

Q, K, V = torch.randn(3, 5, 7, generator=torch.Generator().manual_seed(0)).double()
QUERY, KEY, VALUE = Q[:3], K[:, :7], V[:, :2]  # (3, 7), (5, 7), (5, 2)
MAY = torch.tensor([[True, False, True, True, False], [False] * 5, [True] * 5])


@pytest.fixture
def stepper():
    return AttentionStepper(QUERY, KEY, VALUE, list("abc"), keys=list("vwxyz"), mask=MAY, title="Cross")


def test_numbers_are_sent_unchanged(stepper):
    state = stepper.get_state()
    for name, numbers in {"_query": QUERY, "_key": KEY, "_value": VALUE}.items():
        assert state[name] == numbers.tolist()
    assert state["_mask"] == MAY.tolist()
    assert (state["query_tokens"], state["key_tokens"]) == (list("abc"), list("vwxyz"))
    assert state["masking"] == "given"
    json.dumps({name: state[name] for name in ("_query", "_key", "_value", "_mask", "_sizes", "selected")})


def test_labels():
    tokens = lambda *a, **k: AttentionStepper(*a, **k).get_state(["query_tokens", "key_tokens"])  # noqa: E731
    assert tokens(Q, K, V, list("abcde")) == {"query_tokens": list("abcde"), "key_tokens": list("abcde")}
    assert tokens(QUERY, KEY, VALUE) == {"query_tokens": list("012"), "key_tokens": list("01234")}
    assert tokens(QUERY, KEY, VALUE, keys=list("vwxyz"))["query_tokens"] == list("012")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.int64, "numpy"])
def test_all_number_types_are_accepted(dtype):
    whole = torch.tensor([[1.0, 2.0], [-3.0, 4.0]])
    given = whole.numpy() if dtype == "numpy" else whole.to(dtype)
    assert AttentionStepper(given, given, given)._query == whole.tolist()
    assert AttentionStepper(whole.requires_grad_(), given, given)._query == whole.tolist()


SWITCHES = list(itertools.product([True, False], ["none", "causal", "given"], ["before", "after"]))


@pytest.mark.parametrize(("scale", "masking", "when"), SWITCHES)
def test_its_numbers_agree_with_attention(scale, masking, when):
    may = torch.tensor([[True, False, True, True, False], [False] * 5, *[[True] * 5] * 3])
    stepper = AttentionStepper(Q, K, V, mask=may, scale=scale, masking=masking, mask_when=when)
    mask = {"none": None, "causal": causal_mask(5), "given": may}[masking]
    before = mask if when == "before" else None
    output, weights = scaled_dot_product_attention(Q, K, V, before, scale=None if scale else 1.0)
    if mask is not None and when == "after":
        weights = weights * mask
        output = weights @ V
    np.testing.assert_allclose(stepper.weights, weights)
    np.testing.assert_allclose(stepper.output, output)


def test_settings_are_traits(stepper):
    seen = []
    names = ["scale", "masking", "mask_when", "step", "selected"]
    stepper.observe(lambda change: seen.append((change["name"], change["new"])), names)
    stepper.scale, stepper.masking, stepper.mask_when, stepper.step = False, "none", "after", 4
    stepper.selected = ["weights", 2, 5]  # the sum of a row
    assert seen == [
        ("scale", False),
        ("masking", "none"),
        ("mask_when", "after"),
        ("step", 4),
        ("selected", ["weights", 2, 5]),
    ]
    stepper.selected = []
    other = AttentionStepper(Q, K, V)
    traitlets.link((stepper, "step"), (other, "step"))
    assert other.step == 4
    assert AttentionStepper(Q, K, V, selected=("output", 4, 6), step=5).selected == ["output", 4, 6]


X, W = torch.randn(5, 4).double(), torch.randn(3, 4, 7).double()
PROJECTIONS = {"x": X, "W_query": W[0], "W_key": W[1], "W_value": W[2]}
PROJECTED = PROJECTIONS | {"query": X @ W[0], "key": X @ W[1], "value": X @ W[2]}


def test_projections_are_sent_too():
    state = AttentionStepper(**PROJECTED, selected=["W_key", 3, 6]).get_state()
    assert state["_x"] == X.tolist()
    assert state["_W_value"] == W[2].tolist()
    assert set(state["_lanes"]["before"][0]["at"]) == {*state["_sizes"], "masked"}
    assert state["_lanes"]["before"][-1]["need"] == 0
    with pytest.raises(ValueError, match=r"selected: .* a stage of query"):
        AttentionStepper(Q, K, V, selected=["x", 0, 0])


NAN = torch.tensor([[1.0, float("nan")]])
REFUSED = [
    ({"x": X}, ValueError, "W_query: got None, wanted all of x, W_query, W_key, W_value, or none of them"),
    (
        {"query": QUERY, "key": KEY} | PROJECTIONS,
        ValueError,
        r"x: got shape \(5, 4\), wanted \(3, D\), one row per query",
    ),
    (PROJECTED | {"W_key": KEY}, ValueError, r"W_key: got shape \(5, 7\), wanted \(4, 7\)"),
    (
        PROJECTED | {"W_value": W[2] + 1},
        ValueError,
        "W_value: got a matrix whose product x @ W_value differs",
    ),
    (PROJECTED | {"x": "x"}, TypeError, "x: got str, wanted a torch tensor or a numpy array"),
    ({"query": [[1.0]]}, TypeError, "query: got list, wanted a torch tensor or a numpy array"),
    ({"value": "v"}, TypeError, "value: got str"),
    ({"key": KEY.bool()}, TypeError, "key: got dtype bool, wanted real numbers"),
    ({"query": QUERY[0]}, ValueError, r"query: got shape \(7,\), wanted \(T, d\), 1 × 1 up to 12 × 12"),
    ({"query": torch.ones(13, 7)}, ValueError, r"query: got shape \(13, 7\)"),
    ({"value": torch.ones(5, 13)}, ValueError, r"value: got shape \(5, 13\), wanted \(S, d_v\)"),
    ({"value": torch.ones(5, 0)}, ValueError, r"value: got shape \(5, 0\)"),
    (
        {"key": KEY[:, :6]},
        ValueError,
        r"key: got shape \(5, 6\), wanted \(S, 7\), as wide as query \(3, 7\)",
    ),
    (
        {"value": VALUE[:4]},
        ValueError,
        r"value: got shape \(4, 2\), wanted \(5, d_v\), one value per key",
    ),
    (
        {"query": NAN.expand(3, 2)},
        ValueError,
        r"query: got nan at \[0, 1\], wanted numbers from -1e6 to 1e6",
    ),
    ({"value": VALUE / 0}, ValueError, r"value: got -?inf at \[0, 0\]"),
    ({"value": VALUE * 1e9}, ValueError, "value: got .* wanted numbers from -1e6 to 1e6"),
    ({"tokens": list("ab")}, ValueError, "tokens: got 2 tokens, wanted 3"),
    ({"tokens": "abc"}, TypeError, "tokens: got one string"),
    ({"keys": list("ab")}, ValueError, "keys: got 2 tokens, wanted 5"),
    ({"tokens": list("abc"), "keys": None}, ValueError, "there are 3 queries and 5 keys; give 5 key tokens"),
    ({"mask": MAY.float()}, TypeError, "mask: got dtype float32, wanted bool"),
    ({"mask": MAY[:, :4]}, ValueError, r"mask: got shape \(3, 4\)"),
    ({"mask": [[True]]}, TypeError, "mask: got list"),
    ({"title": 3}, TypeError, "title: got int, wanted a string"),
    ({"heat": 2}, TypeError, "heat: no such setting, wanted one of layout, mask_when, masking"),
    ({"temperature": "2"}, TypeError, "temperature: got str, wanted a number"),
    ({"temperature": True}, TypeError, "temperature: got bool, wanted a number"),
    ({"temperature": 0}, ValueError, "temperature: got 0, wanted 0.05 to 20"),
    ({"padding": 2}, TypeError, "padding: got int, wanted a list"),
    ({"padding": [5]}, ValueError, "padding: got key 5, wanted 0 to 4"),
    ({"padding": [0.5]}, ValueError, "padding: got key 0.5, wanted 0 to 4"),
    ({"scale": 1}, TypeError, "scale: got int, wanted bool"),
    ({"step": "2"}, TypeError, "step: got str, wanted int"),
    ({"step": 6}, ValueError, "step: got 6, wanted 0 to 5"),
    ({"step": -1}, ValueError, "step: got -1"),
    ({"masking": "pad"}, ValueError, "masking: got 'pad', wanted one of none, causal, padding, given"),
    (
        {"masking": "causal"},
        ValueError,
        "masking: got 'causal', wanted as many keys as queries, not 5 and 3",
    ),
    ({"masking": "given"}, ValueError, "masking: got 'given', wanted a mask in the call"),
    ({"mask_when": "during"}, ValueError, "mask_when: got 'during', wanted one of before, after"),
    ({"selected": "weights"}, TypeError, "selected: got str, wanted a list"),
    ({"selected": ["sums", 0, 0]}, ValueError, "selected: .* a stage of query, key, value, scores"),
    ({"selected": ["scores", 0]}, ValueError, r"selected: got \['scores', 0\]"),
    ({"selected": ["scores", 3, 0]}, ValueError, "selected: got row 3 of scores, wanted 0 to 2"),
    ({"selected": ["scores", 0, 5]}, ValueError, "selected: got column 5 of scores, wanted 0 to 4"),
    ({"selected": ["weights", 0, 6]}, ValueError, "selected: got column 6 of weights, wanted 0 to 5"),
    ({"selected": ["key", 0, 1.0]}, ValueError, "selected: got column 1.0 of key, wanted 0 to 6"),
]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("scale", [True, False])
def test_temperature_and_padding(scale, when):
    stepper = AttentionStepper(Q, K, V, padding=[4, 1], temperature=0.3, scale=scale, mask_when=when)
    assert (stepper.masking, stepper.padding) == ("padding", [1, 4])
    may = torch.tensor([True, False, True, True, False])
    factor = 1 / (0.3 * (7**0.5 if scale else 1))
    _, weights = scaled_dot_product_attention(Q, K, V, may if when == "before" else None, scale=factor)
    weights = weights * may
    np.testing.assert_allclose(stepper.weights, weights, atol=1e-12)
    np.testing.assert_allclose(stepper.output, weights @ V, atol=1e-12)
    stepper.padding = [0, 1, 2, 3, 4]
    assert not stepper.weights.any()


@pytest.mark.bad_input
@pytest.mark.parametrize(("change", "error", "says"), REFUSED, ids=[says[:30] for *_, says in REFUSED])
def test_bad_input_is_rejected(change, error, says):
    arguments = {"query": QUERY, "key": KEY, "value": VALUE} | change
    if change.get("query") is not None and getattr(change["query"], "shape", ()) == (3, 2):
        arguments["key"] = KEY[:, :2]
    with pytest.raises(error, match=says):
        AttentionStepper(**arguments)


@pytest.mark.bad_input
def test_a_rejected_setting_changes_nothing(stepper):
    for name, value in {"step": 6, "masking": "causal", "mask_when": "", "selected": ["key", 9, 9]}.items():
        before = getattr(stepper, name)
        with pytest.raises(ValueError, match=f"{name}: got"):
            setattr(stepper, name, value)
        assert getattr(stepper, name) == before


def test_the_output_has_a_picture_and_a_description(stepper):
    data, _ = stepper._repr_mimebundle_()
    assert data["text/plain"] == "Attention, step by step: Cross: 3 queries, 5 keys"
    assert data["application/vnd.jupyter.widget-view+json"]["model_id"] == stepper.model_id
    image = Image.open(io.BytesIO(base64.b64decode(data["image/png"])))
    assert image.format == "PNG"
    assert 300 < image.width < 1000
    assert len(data["image/png"]) < 60_000


def test_the_picture_follows_the_switches(stepper):
    def picture(**settings):
        for name, value in settings.items():
            setattr(stepper, name, value)
        return stepper._repr_mimebundle_()[0]["image/png"]

    assert len({picture(), picture(scale=False), picture(masking="none"), picture(title="Other")}) == 4
    largest = AttentionStepper(*torch.ones(3, 12, 12), ["<b>$x$</b>"] * 12)
    assert largest._repr_mimebundle_()[0]["image/png"]
