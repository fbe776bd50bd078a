"""Guided tours: which steps a widget accepts, and that its own steps are short and complete."""

import re

import pytest
import torch

from attnbook.widgets import AttentionExplorer, DateTranslator, PathExplorer
from attnbook.widgets.tours import FLOW, LONGEST, TOURS

ALL = TOURS | {"the flow": FLOW}


def explorer(**settings):
    return AttentionExplorer(torch.full((2, 3, 4, 4), 0.25), list("abcd"), **settings)


def test_without_a_tour_there_are_no_steps():
    assert explorer()._tour == explorer(tour=False)._tour == []


def test_a_widget_has_steps_of_its_own():
    widget = explorer(tour=True, layer=1, locked=2)
    assert [words for _, words, _ in widget._tour] == [step[1] for step in TOURS["AttentionExplorer"].steps]
    assert widget._tour[0] == [".map", TOURS["AttentionExplorer"].steps[0][1], {}]
    assert (widget.layer, widget.locked) == (1, 2)  # trying the steps leaves no trace


def test_a_chapter_can_give_its_own_steps():
    widget = explorer(tour=[("map", "Look here."), ("heads", "And here.", {"head": 2, "layer": 0})])
    assert widget._tour == [
        [".map", "Look here.", {}],
        [".ab-strip, .ab-heads", "And here.", {"head": 2, "layer": 0}],
    ]


def test_a_subclass_has_the_tour_of_its_class():
    class Paths(PathExplorer):
        pass

    assert len(Paths(list("abc"), tour=True)._tour) == len(TOURS["PathExplorer"].steps)


def test_with_the_flow_the_translator_has_another_tour():
    words = [[step[1] for step in DateTranslator(flow=flow, tour=True)._tour] for flow in (False, True)]
    assert words == [[step[1] for step in tour.steps] for tour in (TOURS["DateTranslator"], FLOW)]


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("tour", "error", "says"),
    [
        ("map", TypeError, "tour: got str, wanted True, False or a list of steps"),
        (None, TypeError, "tour: got NoneType, wanted True"),
        (1, TypeError, "tour: got int, wanted True"),
        ([], ValueError, "tour: got 0 steps, wanted 1 to 12"),
        ([("map", "Look.")] * 13, ValueError, "tour: got 13 steps"),
        ([("map",)], TypeError, "tour, step 1: got ('map',), wanted (part, words) or (part, words, traits)"),
        (["map"], TypeError, "tour, step 1: got 'map', wanted (part"),
        ([("map", "Look."), ("lid", "Look.")], ValueError, "tour, step 2: got part 'lid', wanted one of map"),
        ([(["map"], "Look.")], ValueError, "tour, step 1: got part ['map'], wanted one of map"),
        ([("map", " ")], ValueError, "tour, step 1: got ' ' as words, wanted 1 to 300 characters"),
        ([("map", 3)], ValueError, "tour, step 1: got 3 as words"),
        ([("map", "x" * 301)], ValueError, "wanted 1 to 300 characters"),
        ([("map", "Look.", 3)], TypeError, "tour, step 1: got int as traits, wanted a dictionary"),
        (
            [("map", "Look.", {"row": 1})],
            ValueError,
            "tour, step 1: got trait 'row', wanted one of forbidden, frame",
        ),
        ([("map", "Look.", {"query_tokens": []})], ValueError, "got trait 'query_tokens'"),
        ([("map", "Look.", {"locked": 9})], ValueError, "tour, step 1: locked: got 9, wanted -1 to 3"),
        ([("map", "Look.", {"scale": "odd"})], ValueError, "tour, step 1: The 'scale' trait"),
    ],
)
def test_bad_steps_are_named(tour, error, says):
    with pytest.raises(error, match=re.escape(says)):
        explorer(tour=tour)


@pytest.mark.parametrize("name", ALL)
def test_each_tour_has_five_to_eight_short_steps(name):
    parts, steps = ALL[name]
    assert 5 <= len(steps) <= 8
    assert {step[0] for step in steps} <= set(parts)
    for _, words, *_ in steps:
        assert len(words) <= LONGEST
        assert words.endswith(".")
        assert "  " not in words
