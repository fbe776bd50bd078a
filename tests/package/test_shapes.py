"""The shapes in the signatures are true: while tests run, every call is held against its own."""

import pytest
import torch
from jaxtyping import TypeCheckError

from attnbook.masks import causal_mask, padding_mask

IDS = torch.ones(2, 3, dtype=torch.int64)


def test_a_call_that_breaks_its_signature_is_refused():
    with pytest.raises(TypeCheckError, match=r"padding_mask(.|\n)*'ids'"):
        padding_mask(IDS.double(), 0)


def test_a_result_that_breaks_its_signature_is_refused(monkeypatch):
    not_square = torch.zeros(2, 3, dtype=torch.bool)
    monkeypatch.setattr(torch, "ones", lambda *size, **options: not_square)
    with pytest.raises(TypeCheckError, match=r"return value of attnbook\.masks\.causal_mask"):
        causal_mask(2)


@pytest.mark.bad_input
def test_bad_input_meets_the_packages_own_checks():
    with pytest.raises(TypeError, match="ids: ") as refused:
        padding_mask(IDS.double(), 0)
    assert not isinstance(refused.value, TypeCheckError)
