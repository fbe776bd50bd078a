"""The widgets' base class: title, guided tour, and a static picture for places without widgets; checks."""

import base64
import io
from pathlib import Path

import anywidget
import numpy as np
import traitlets
from matplotlib.figure import Figure

from attnbook.maps import index_of
from attnbook.widgets.tours import Tour, require_tour, tour_of

BUNDLES = Path(__file__).parent / "bundles"
COLDEST, HOTTEST = 0.05, 20.0  # temperature
LARGEST = 1e6  # magnitude of a number


class Widget(anywidget.AnyWidget):
    """A widget with a title; `figure` draws its static picture, `describe` sums it up in one line.

    `tour=True` adds a button that leads through the widget; a list of steps replaces the usual ones. A step
    is a tuple: the name of a part (see `attnbook.widgets.tours`), a sentence or two, and optionally a
    dictionary of traits to set meanwhile. Raises `TypeError` and `ValueError` that name the step.
    """

    title = traitlets.Unicode("").tag(sync=True)
    _tour = traitlets.List(read_only=True).tag(sync=True)  # [selector, words, traits] per step

    def __init__(self, *, tour=False, **traits):
        super().__init__(**traits)
        self.set_trait("_tour", require_tour(self, tour, self._guide()))

    def _guide(self) -> Tour:
        """The parts and the usual steps of the widget's tour."""
        return tour_of(self)

    def figure(self) -> Figure:
        """The current view as a static picture."""
        raise NotImplementedError

    def describe(self) -> str:
        """The current view in one line."""
        raise NotImplementedError

    def _repr_mimebundle_(self, **kwargs):
        """Add the picture and the line to the widget's output, for places where no widget can run."""
        data, metadata = super()._repr_mimebundle_(**kwargs)
        png = io.BytesIO()
        self.figure().savefig(png, format="png", dpi=110, pil_kwargs={"optimize": True})
        data["image/png"] = base64.b64encode(png.getvalue()).decode("ascii")
        data["text/plain"] = self.describe()
        return data, metadata


class Temperature(traitlets.Float):
    """A trait for a temperature from 0.05 to 20."""

    def validate(self, obj, value):
        value = super().validate(obj, value)
        if not COLDEST <= value <= HOTTEST:
            raise ValueError(f"{self.name}: got {value:g}, wanted {COLDEST:g} to {HOTTEST:g}")
        return value


def require_title(title: str) -> str:
    """Return `title`; raise TypeError if it isn't a string."""
    if not isinstance(title, str):
        raise TypeError(f"title: got {type(title).__name__}, wanted a string")
    return title


def require_int(name: str, number: object) -> None:
    """Raise TypeError unless it is a whole number."""
    if isinstance(number, bool) or not isinstance(number, int):
        raise TypeError(f"{name}: got {type(number).__name__}, wanted a whole number")


def require_real(name: str, array: np.ndarray) -> np.ndarray:
    """Return `array`; raise TypeError unless it holds real numbers."""
    if array.dtype.kind not in "fiu":
        raise TypeError(f"{name}: got dtype {array.dtype}, wanted real numbers")
    return array


def require_in_range(name: str, array: np.ndarray) -> np.ndarray:
    """Return `array` in float64; raise ValueError for a number that isn't finite or exceeds 1e6 in size."""
    array = array.astype(np.float64)
    wrong = ~(np.abs(array) <= LARGEST)  # also True for NaN
    if wrong.any():
        at = index_of(wrong)
        raise ValueError(f"{name}: got {array[at]:g} at {list(at)}, wanted numbers from -1e6 to 1e6")
    return array
