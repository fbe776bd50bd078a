"""The position clocks in Python: arithmetic, traits, bad input, and their static picture."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from attnbook import PositionClocks
from attnbook.embeddings import sinusoids


@pytest.mark.parametrize("d_model", [4, 8, 16])
def test_the_hands_are_the_table_of_sinusoids(d_model):
    table = sinusoids(121, d_model).double().numpy()
    clocks = PositionClocks(d_model, position=17, offset=20)
    for position in (0, 1, 100, 120):
        np.testing.assert_allclose(np.sin(clocks.angles(position)), table[position, 0::2], atol=1e-6)
        np.testing.assert_allclose(np.cos(clocks.angles(position)), table[position, 1::2], atol=1e-6)
    for t in (0, 17, 100):
        clocks.position = t
        assert clocks.dot == pytest.approx(table[t] @ table[t + 20], abs=1e-5)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("settings", "error", "says"),
    [
        ({"d_model": 7}, ValueError, "d_model: got 7, wanted an even number from 4 to 16"),
        ({"d_model": 18}, ValueError, "d_model: got 18"),
        ({"d_model": 8.0}, TypeError, "d_model: got float, wanted a whole number"),
        ({"position": 101}, ValueError, "position: got 101, wanted 0 to 100"),
        ({"offset": -1}, ValueError, "offset: got -1, wanted 0 to 20"),
        ({"offset": True}, TypeError, "offset: got bool"),
        ({"title": 1}, TypeError, "title: got int, wanted a string"),
        ({"speed": 1}, TypeError, "speed: no such setting"),
    ],
)
def test_bad_input_is_rejected(settings, error, says):
    with pytest.raises(error, match=says):
        PositionClocks(**settings)


def test_the_output_has_a_picture_and_a_description():
    clocks = PositionClocks(title="Hands")
    data, _ = clocks._repr_mimebundle_()
    assert data["text/plain"].startswith("Positions as clock hands: Hands: 4 hands, positions 0 and 3, dot")
    image = Image.open(io.BytesIO(base64.b64decode(data["image/png"])))
    assert 500 < image.width < 1100
    for name in ("position", "offset"):
        setattr(clocks, name, 9)
        changed = clocks._repr_mimebundle_()[0]["image/png"]
        assert changed != data["image/png"]
        data["image/png"] = changed
