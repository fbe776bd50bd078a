"""Imports run one way, chapters → widgets, plots, exercises → models → parts, and do nothing else."""

import json
import subprocess
import sys

import pytest

import attnbook

pytestmark = pytest.mark.slow

PARTS = ["arguments", "masks", "attention", "embeddings", "contexts"]
MODELS = ["encoder", "decoder", "transformer", "seq2seq", "data", "generation", "training"]
TRAINED = ["checkpoints", "pretrained", "train"]
SHOWING = ["maps", "plots", "widgets", "exercises", "notebook"]


def loaded_by(*modules: str) -> set[str]:
    """The modules a fresh Python has loaded once it has imported these."""
    imports = "; ".join(f"import attnbook.{module}" for module in modules)
    return set(json.loads(fresh_python(f"{imports}; import json, sys; print(json.dumps([*sys.modules]))")))


def fresh_python(code: str) -> str:
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert run.stderr == ""
    return run.stdout


def test_models_do_not_import_plots_widgets_or_exercises():
    loaded = loaded_by(*PARTS, *MODELS, *TRAINED)
    assert "attnbook.transformer" in loaded
    assert not loaded & {f"attnbook.{module}" for module in SHOWING}
    assert not loaded & {"matplotlib", "seaborn", "anywidget", "IPython"}
    assert not loaded & {"gguf", "platformdirs", "tokenizers", "transformers"}


@pytest.mark.parametrize(
    ("module", "others"), [("plots", ["widgets", "exercises"]), ("exercises", ["widgets", "plots"])]
)
def test_plots_and_exercises_do_not_import_widgets(module, others):
    assert not loaded_by(module) & {f"attnbook.{other}" for other in others}


def test_importing_prints_nothing_and_keeps_the_random_state():
    modules = ", ".join(f"attnbook.{module}" for module in [*PARTS, *MODELS, *TRAINED, *SHOWING])
    code = "import random, numpy, torch; states = random.getstate(), torch.get_rng_state(); "
    code += "draw = numpy.random.get_state()[1].tolist(); "
    code += f"import {modules}; "
    code += "assert random.getstate() == states[0]; assert torch.equal(torch.get_rng_state(), states[1]); "
    code += "assert numpy.random.get_state()[1].tolist() == draw"
    assert fresh_python(code) == ""


def test_every_public_name_exists():
    for name in attnbook.__all__:
        assert getattr(attnbook, name).__name__ if name != "check" else callable(attnbook.check)
    with pytest.raises(AttributeError, match="has no attribute 'Attention'"):
        _ = attnbook.Attention
