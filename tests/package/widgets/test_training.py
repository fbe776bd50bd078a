"""The training explorer in Python: traits, bad input, and its static picture."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from attnbook import TrainingExplorer, snapshots


@pytest.fixture(scope="module")
def recording():
    return snapshots.load("dates-translate")


def test_it_shows_the_recordings_maps_and_their_mean(recording):
    explorer = TrainingExplorer(recording, step=512, layer=0, head=2)
    np.testing.assert_array_equal(explorer.weights, recording.at(512).cross[0, 2])
    explorer.step, explorer.layer, explorer.head = 3500, 1, -1
    np.testing.assert_allclose(explorer.weights, recording.at(3500).cross[1].mean(0))
    assert explorer.snapshot is recording.at(3500)


def test_it_begins_with_the_first_step_and_the_last_layers_mean():
    explorer = TrainingExplorer()
    assert (explorer.step, explorer.layer, explorer.head) == (0, 1, -1)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("settings", "error", "says"),
    [
        ({"recording": "dates-translate"}, TypeError, "recording: got str, wanted what attnbook.snapshots"),
        ({"step": 33}, ValueError, "step: got 33, wanted one of 0, 32, 45"),
        ({"step": True}, TypeError, "step: got bool, wanted a whole number"),
        ({"layer": 2}, ValueError, "layer: got 2, wanted 0 to 1"),
        ({"layer": -1}, ValueError, "layer: got -1, wanted 0 to 1"),
        ({"head": 4}, ValueError, "head: got 4, wanted -1 to 3"),
        ({"title": 1}, TypeError, "title: got int, wanted a string"),
        ({"speed": 1}, TypeError, "speed: no such setting"),
    ],
)
def test_bad_input_is_rejected(settings, error, says):
    with pytest.raises(error, match=says):
        TrainingExplorer(**settings)


def test_a_rejected_change_leaves_the_view_alone():
    explorer = TrainingExplorer(step=512)
    for name, value in {"step": 513, "layer": 9, "head": 9}.items():
        with pytest.raises(ValueError, match=f"{name}: got {value}, wanted"):
            setattr(explorer, name, value)
    assert (explorer.step, explorer.layer, explorer.head) == (512, 1, -1)


def test_the_output_has_a_picture_and_a_description():
    explorer = TrainingExplorer(title="Learning", step=256)
    data, _ = explorer._repr_mimebundle_()
    assert data["text/plain"].startswith(
        "A training: Learning: “Saturday, August 19, 2000” after 256 steps: 2000"
    )
    image = Image.open(io.BytesIO(base64.b64decode(data["image/png"])))
    assert 500 < image.width < 1100
    for name, value in {"step": 512, "head": 1, "layer": 0}.items():
        setattr(explorer, name, value)
        changed = explorer._repr_mimebundle_()[0]["image/png"]
        assert changed != data["image/png"]
        data["image/png"] = changed
