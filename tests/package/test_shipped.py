"""The shipped checkpoints: accuracy on held-out dates, and model cards."""

import re
import shlex

import pytest

from attnbook import checkpoints
from attnbook.data import CLDR_VERSION
from attnbook.train.__main__ import parse
from attnbook.train.report import measure

pytestmark = pytest.mark.slow

WANTED = {"dates-iso": 0.995, "dates-translate": 0.99}
EXAMPLES = 1000


@pytest.fixture(scope="module", params=WANTED)
def shipped(request):
    return request.param, checkpoints.load(request.param)


def card_of(name: str) -> str:
    return (checkpoints.FOLDER / f"{name}.md").read_text(encoding="utf8")


def test_the_list_is_complete_and_the_files_are_small():
    assert checkpoints.names() == sorted(WANTED)
    assert sum(path.stat().st_size for path in checkpoints.FOLDER.glob("*.safetensors")) < 4_000_000


def test_they_translate_held_out_dates(shipped):
    name, trained = shipped
    results = measure(trained.model, trained.task, EXAMPLES, seed=2027)
    assert results["all"] >= WANTED[name]
    assert min(results.values()) >= WANTED[name] - 0.03  # about a hundred per language
    assert len(results) > 9


def test_the_model_cards_agree_with_the_recipes(shipped):
    name, trained = shipped
    recipe, card = trained.recipe, card_of(name)
    assert f"CLDR {CLDR_VERSION}" in card
    assert recipe.cldr == CLDR_VERSION
    for kind, share in recipe.results.items():
        assert f"| {kind} | {100 * share:.2f} % |" in card
    for key, value in recipe.training.items():
        assert f"| {key} | {value} |" in card
    assert f'checkpoints.load("{name}")' in card


def test_the_command_on_the_card_agrees_with_the_recipe(shipped):
    name, trained = shipped
    command = re.search(r"python -m attnbook\.train (.*)", card_of(name))[1]
    chosen = parse(shlex.split(command))
    assert chosen.out.stem == name
    for key, value in (trained.recipe.training | trained.recipe.sizes).items():
        if key != "norm_first":
            assert getattr(chosen, key) == value, key


def test_the_loss_curve_falls(shipped):
    curve = shipped[1].recipe.curve
    assert 50 <= len(curve) <= 100
    assert curve[0] > 1 > 0.01 > curve[-1]
