"""The attention stepper: from queries and keys to the output step by step, with every number explained."""

import numpy as np
import torch
import traitlets
from matplotlib.figure import Figure

from attnbook.attention import scaled_dot_product_attention
from attnbook.maps import require_mask
from attnbook.masks import causal_mask
from attnbook.widgets.base import BUNDLES, Temperature, Widget, require_title
from attnbook.widgets.labels import plural
from attnbook.widgets.stepper_arguments import (
    require_labels,
    require_numbers,
    require_projections,
    require_settings,
)
from attnbook.widgets.stepper_figure import stepper_figure
from attnbook.widgets.stepper_sizes import INPUTS, WEIGHTS, lanes, stage_sizes

LAST = 5  # steps: 0 queries and keys, 1 scores, 2 scale, 3 mask, 4 softmax (or the mask after it), 5 output
MASKINGS, TIMES = ("none", "causal", "padding", "given"), ("before", "after")
PROJECTIONS = ("x", *WEIGHTS)
STAGES = (*INPUTS, "scores", "scaled", "masked", "weights", "output", *PROJECTIONS)


class AttentionStepper(Widget):
    """Attention on small matrices, step by step: $\\mathrm{softmax}(Q K^\\top / \\sqrt{d}) \\, V$.

    `query` `(T, d)`, `key` `(S, d)` and `value` `(S, d_v)` are torch or numpy, at most 12 × 12 each. `tokens`
    are T strings, `keys` S strings (default: `tokens`); without both, positions are numbered. `mask` is
    boolean, broadcastable to `(T, S)`, True = may attend; it is used when `masking` is "given".

    With `x` `(T, D)`, `W_query` and `W_key` `(D, d)` and `W_value` `(D, d_v)`, all four or none, the steps
    begin with the projections: `query` must equal `x @ W_query`, and so on.

    Traits to set and observe: `scale` (divide by √d), `temperature` (0.05 to 20, also divides), `masking`
    ("none", "causal", "padding", "given"), `padding` (indices of padded keys), `mask_when` ("before" or
    "after" the softmax), `step` (0 queries, keys and values, 1 scores, 2 scaling, 3 mask, 4 softmax,
    5 output; a mask after the softmax is step 4), `selected` (the number that is explained, `[stage, row,
    column]`, or []). Raises ValueError and TypeError that name the argument, what it got and what it wanted.
    Source: Vaswani et al. 2017, equation 1.
    """

    _esm = BUNDLES / "attention_stepper.js"

    scale = traitlets.Bool(True).tag(sync=True)
    temperature = Temperature(1.0).tag(sync=True)
    masking = traitlets.Unicode("none").tag(sync=True)
    padding = traitlets.List().tag(sync=True)
    mask_when = traitlets.Unicode("before").tag(sync=True)
    step = traitlets.Int(0).tag(sync=True)
    selected = traitlets.List().tag(sync=True)

    # not `keys`, because ipywidgets uses that name for its list of traits
    query_tokens = traitlets.List(traitlets.Unicode(), read_only=True).tag(sync=True)
    key_tokens = traitlets.List(traitlets.Unicode(), read_only=True).tag(sync=True)
    _query = traitlets.List().tag(sync=True)
    _key = traitlets.List().tag(sync=True)
    _value = traitlets.List().tag(sync=True)
    _mask = traitlets.List().tag(sync=True)  # (T, S), or none
    _x = traitlets.List().tag(sync=True)  # and its projections, or none
    _W_query = traitlets.List().tag(sync=True)
    _W_key = traitlets.List().tag(sync=True)
    _W_value = traitlets.List().tag(sync=True)
    _sizes = traitlets.Dict().tag(sync=True)  # pixels by stage, see stage_sizes
    _lanes = traitlets.Dict().tag(
        sync=True
    )  # positions by stage, for "none", "before" and "after", see lanes

    def __init__(
        self,
        query,
        key,
        value,
        tokens=None,
        *,
        keys=None,
        mask=None,
        title="",
        x=None,
        W_query=None,
        W_key=None,
        W_value=None,
        **settings,
    ):
        self._numbers = query, key, value = require_numbers(query, key, value)
        self._shape = len(query), len(key)  # T, S
        given = dict(zip(PROJECTIONS, (x, W_query, W_key, W_value), strict=True))
        projections = require_projections(given, query, key, value)
        self._given = None if mask is None else require_mask(mask, np.zeros(self._shape))
        tokens, keys = require_labels(tokens, keys, *self._shape)
        require_title(title)
        require_settings(settings)
        self.set_trait("query_tokens", tokens)
        self.set_trait("key_tokens", keys)
        self._matrices = dict(zip(INPUTS, self._numbers, strict=True)) | projections
        sizes = stage_sizes(self._matrices, tokens, keys)
        super().__init__(
            title=title,
            _mask=[] if self._given is None else self._given.tolist(),
            _sizes=sizes,
            _lanes={mask: lanes(sizes, mask) for mask in ("none", *TIMES)},
            **{f"_{name}": matrix.tolist() for name, matrix in self._matrices.items()},
            **{"masking": "given" if mask is not None else "padding" if settings.get("padding") else "none"}
            | settings,
        )

    @property
    def weights(self) -> np.ndarray:
        """The weights `(T, S)` that multiply the values, with the current switches."""
        return self.attend()[1]

    @property
    def output(self) -> np.ndarray:
        """The output `(T, d_v)` with the current switches."""
        return self.attend()[0]

    @property
    def allowed(self) -> np.ndarray | None:
        """The chosen mask `(T, S)`, True = may attend, or None."""
        if self.masking == "causal":
            return causal_mask(self._shape[0]).numpy()
        if self.masking == "padding":
            real = ~np.isin(np.arange(self._shape[1]), self.padding)  # (S,)
            return np.broadcast_to(real, self._shape)
        return self._given if self.masking == "given" else None

    @property
    def divisor(self) -> float:
        """The divisor of the scores: √d if switched on, times the temperature."""
        return (self._numbers[0].shape[1] ** 0.5 if self.scale else 1.0) * self.temperature

    def attend(self) -> tuple[np.ndarray, np.ndarray]:
        """Output and weights of `scaled_dot_product_attention`; "after" masks its weights."""
        query, key, value = map(torch.from_numpy, self._numbers)
        mask = None if self.allowed is None else torch.tensor(self.allowed)  # (T, S)
        after = mask is not None and self.mask_when == "after"
        scale = 1 / self.divisor
        before = None if after else mask
        output, weights = scaled_dot_product_attention(query, key, value, before, scale=scale)
        if after:
            weights = weights * mask  # (T, S)
            output = weights @ value  # (T, d_v)
        return output.numpy(), weights.numpy()

    @traitlets.validate("step")
    def _is_step(self, proposal):
        if not 0 <= proposal["value"] <= LAST:
            raise ValueError(f"step: got {proposal['value']}, wanted 0 to {LAST}")
        return proposal["value"]

    @traitlets.validate("masking")
    def _is_masking(self, proposal):
        masking, (queries, keys) = proposal["value"], self._shape
        if masking not in MASKINGS:
            raise ValueError(f"masking: got {masking!r}, wanted one of {', '.join(MASKINGS)}")
        if masking == "given" and self._given is None:
            raise ValueError("masking: got 'given', wanted a mask in the call: AttentionStepper(…, mask=…)")
        if masking == "causal" and queries != keys:
            raise ValueError(
                f"masking: got 'causal', wanted as many keys as queries, not {keys} and {queries}"
            )
        return masking

    @traitlets.validate("padding")
    def _is_padding(self, proposal):
        padded, keys = list(proposal["value"]), self._shape[1]
        for key in padded:
            if isinstance(key, bool) or not isinstance(key, int) or not 0 <= key < keys:
                raise ValueError(f"padding: got key {key!r}, wanted 0 to {keys - 1}")
        return sorted(set(padded))

    @traitlets.validate("mask_when")
    def _is_time(self, proposal):
        if proposal["value"] not in TIMES:
            raise ValueError(f"mask_when: got {proposal['value']!r}, wanted one of {', '.join(TIMES)}")
        return proposal["value"]

    @traitlets.validate("selected")
    def _is_number(self, proposal):
        """Raise unless [stage, row, column] exists; column S of the weights is the row sum."""
        chosen = proposal["value"]
        if not chosen:
            return []
        stages = STAGES if self._x else STAGES[: -len(PROJECTIONS)]
        if len(chosen) != 3 or chosen[0] not in stages:
            names = ", ".join(stages)
            raise ValueError(f"selected: got {chosen}, wanted [] or [stage, row, column], a stage of {names}")
        (queries, keys), value = self._shape, self._numbers[2]
        shapes = {name: matrix.shape for name, matrix in self._matrices.items()}
        shapes |= dict.fromkeys(("masked", "weights"), (queries, keys + 1))
        shapes["output"] = (queries, value.shape[1])
        shape = shapes.get(chosen[0], self._shape)
        for name, at, count in zip(("row", "column"), chosen[1:], shape, strict=True):
            if isinstance(at, bool) or not isinstance(at, int) or not 0 <= at < count:
                raise ValueError(f"selected: got {name} {at!r} of {chosen[0]}, wanted 0 to {count - 1}")
        return list(chosen)

    def describe(self) -> str:
        """The current view in one line."""
        queries, keys = self._shape
        counts = f"{queries} {plural('query', queries)}, {keys} {plural('key', keys)}"
        return ": ".join(filter(None, ["Attention, step by step", self.title, counts]))

    def figure(self) -> Figure:
        """The current view as a static picture."""
        return stepper_figure(self)
