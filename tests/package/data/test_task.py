"""The tasks' base class."""

import pytest
import torch

from attnbook.data import DateTask, PronounTask, ReversalTask
from attnbook.data.task import Task

TASKS = [DateTask(["en"], ["long"]), PronounTask(), ReversalTask("abc", 2, 5)]


@pytest.mark.parametrize("task", TASKS, ids=lambda task: type(task).__name__)
def test_batches_calls_batch_repeatedly(task):
    generator, batches = torch.Generator().manual_seed(3), task.batches(4, seed=3, split="validation")
    for _ in range(2):
        wanted, got = task.batch(4, generator, "validation"), next(batches)
        assert all(map(torch.equal, wanted, got))


@pytest.mark.parametrize("task", TASKS, ids=lambda task: type(task).__name__)
def test_batches_are_for_training_unless_another_split_is_named(task):
    one, other = (torch.Generator().manual_seed(3) for _ in range(2))
    assert all(map(torch.equal, task.batch(4, one), task.batch(4, other, "train")))


def test_a_task_must_implement_batch():
    with pytest.raises(NotImplementedError):
        next(Task().batches(1, seed=0))
