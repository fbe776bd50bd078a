"""Imports run one way, chapters → widgets, plots, exercises → models → parts, and do nothing else."""

import json
import subprocess
import sys
from types import SimpleNamespace

import pytest

import attnbook

pytestmark = pytest.mark.slow

MODELS = ["arguments", "masks", "attention", "embeddings", "contexts"]
MODELS += ["encoder", "decoder", "transformer", "seq2seq", "data", "generation", "training"]
MODELS += ["checkpoints", "pretrained", "train"]
SHOWING = ["maps", "plots", "widgets", "exercises", "notebook"]


# A fresh Python imports the models, then each of the other groups in a copy of itself. For each group it
# writes down which modules are loaded, and whether the states of the random numbers are what they were.
FRESH = """
import json, os, random, sys
import numpy, torch

def states():
    return repr((random.getstate(), numpy.random.get_state(), torch.get_rng_state().tolist()))

def load(names):
    before = states()  # a copy's `random` starts anew
    for name in names:
        __import__(f"attnbook.{name}")
    with open(names[-1], "w") as file:
        json.dump([states() == before, *sys.modules], file)

numpy.set_printoptions(threshold=sys.maxsize)
models, *others = json.loads(sys.argv[1])
load(models)
for other in others:
    if not os.fork():
        load(other)
        os._exit(0)
    assert os.wait()[1] == 0
"""


@pytest.fixture(scope="module")
def fresh(tmp_path_factory) -> SimpleNamespace:
    """What a fresh Python printed, loaded and kept."""
    place, groups = tmp_path_factory.mktemp("imports"), [MODELS, *([module] for module in SHOWING)]
    command = [sys.executable, "-u", "-c", FRESH, json.dumps(groups)]
    done = subprocess.run(command, cwd=place, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    written = {name: json.loads((place / name).read_text()) for *_, name in groups}
    return SimpleNamespace(
        printed=done.stdout + done.stderr,
        loaded={name: set(modules) for name, (_, *modules) in written.items()},
        kept={name: kept for name, (kept, *_) in written.items()},
    )


def test_models_do_not_import_plots_widgets_or_exercises(fresh):
    modules = fresh.loaded[MODELS[-1]]
    assert "attnbook.transformer" in modules
    assert not modules & {f"attnbook.{module}" for module in SHOWING}
    assert not modules & {"matplotlib", "seaborn", "anywidget", "IPython"}
    assert not modules & {"gguf", "platformdirs", "tokenizers", "transformers"}


@pytest.mark.parametrize(
    ("module", "others"), [("plots", ["widgets", "exercises"]), ("exercises", ["widgets", "plots"])]
)
def test_plots_and_exercises_do_not_import_widgets(fresh, module, others):
    assert f"attnbook.{module}" in fresh.loaded[module]
    assert not fresh.loaded[module] & {f"attnbook.{other}" for other in others}


def test_importing_prints_nothing_and_keeps_the_random_state(fresh):
    assert fresh.printed == ""
    assert fresh.kept == dict.fromkeys([MODELS[-1], *SHOWING], True)


def test_every_public_name_exists():
    for name in attnbook.__all__:
        assert getattr(attnbook, name).__name__ if name != "check" else callable(attnbook.check)
    with pytest.raises(AttributeError, match="has no attribute 'Attention'"):
        _ = attnbook.Attention
    assert set(attnbook.__all__) < set(dir(attnbook))
