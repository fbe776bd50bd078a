"""`show_source` displays the source that runs, without docstrings."""

import pytest

from attnbook import Attn
from attnbook.notebook import show_source, source


def test_source_is_shown_without_docstrings():
    text = source(Attn)
    assert text.startswith("class Attn(nn.Module):\n    def __init__(")
    assert '"""' not in text
    assert "torch.bmm(weights.unsqueeze(0), V)  # (1, T, value_size2)" in text
    compile(text, "shown", "exec")


def test_methods_are_dedented():
    assert source(Attn.forward).startswith("def forward(\n    self")


def test_several_objects_are_shown_as_one_python_block(capsys):
    show_source(Attn.forward, Attn._require_shapes)
    assert "Markdown object" in capsys.readouterr().out


@pytest.mark.bad_input
@pytest.mark.parametrize("thing", [3, len])
def test_objects_without_source_are_rejected(thing):
    with pytest.raises(TypeError, match="objects: wanted Python classes or functions, got"):
        show_source(thing)
