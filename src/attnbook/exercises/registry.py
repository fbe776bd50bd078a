"""The exercises, and `check`, which runs them."""

from collections.abc import Callable
from typing import NamedTuple

from attnbook.exercises.comparing import cut
from attnbook.exercises.judges import OTHER, Function, Number, Numbers, Suspects
from attnbook.exercises.running import plain_torch
from attnbook.exercises.verdict import Summary, Unfinished, Verdict, Wrong


class Exercise(NamedTuple):
    """One exercise: its id ("3.2"), its title, what a right answer has shown, and how an answer is judged.

    `judge(answer)` returns a note for the learner ("" for none), or raises `Wrong` or `Unfinished`.
    """

    exercise_id: str
    title: str
    praise: str
    judge: Callable

    @property
    def place(self) -> str:
        chapter, _ = self.exercise_id.split(".")
        return f"The task is in chapter {chapter}, under “Exercise {self.exercise_id}”."


EXERCISES: dict[str, Exercise] = {}


def exercise(exercise_id: str, title: str, *, praise: str, judge: Callable) -> None:
    if exercise_id in EXERCISES:
        raise ValueError(f"exercise_id: {exercise_id!r} is taken by {EXERCISES[exercise_id].title!r}")
    EXERCISES[exercise_id] = Exercise(exercise_id, title, praise, judge)


def function(exercise_id: str, title: str, returns: dict[str, str], *, praise: str, **judge) -> Callable:
    """Make an exercise of the decorated function, the right answer; `judge` is what `Function` takes."""
    return _register(lambda right: Function(right, returns, **judge), exercise_id, title, praise)


def numbers(exercise_id: str, title: str, table: dict[Number, dict], *, praise: str) -> None:
    """Make an exercise of numbers, each with the words for its slips and for any `OTHER` wrong number."""
    rows = [row._replace(rule=words.pop(OTHER), slips=words) for row, words in table.items()]
    exercise(exercise_id, title, praise=praise, judge=Numbers(*rows))


def suspects(exercise_id: str, title: str, *line_up_and_slips, praise: str, **judge) -> Callable:
    """Make an exercise of the decorated function, a right detector; the rest is what `Suspects` takes."""
    return _register(lambda right: Suspects(right, *line_up_and_slips, **judge), exercise_id, title, praise)


def _register(judge_of: Callable, exercise_id: str, title: str, praise: str) -> Callable:
    def register(right: Callable) -> Callable:
        exercise(exercise_id, title, praise=praise, judge=judge_of(right))
        return right

    return register


class Checker:
    """`check(exercise_id, answer)` judges an answer; `check.summary()` shows what has been done so far.

    Nothing is stored and nothing leaves the machine.
    """

    def __init__(self, exercises: dict[str, Exercise]) -> None:
        self.exercises = dict(sorted(exercises.items(), key=lambda item: [*map(int, item[0].split("."))]))
        self._states: dict[str, str] = {}

    def __call__(self, exercise_id: str, answer=None) -> Verdict:
        """Judge an answer; show and return the verdict. Raises `ValueError` for an unknown exercise."""
        asked = self._find(exercise_id)
        verdict = Verdict(asked.exercise_id, asked.title, *_judge(asked, answer))
        if self._states.get(exercise_id) != "passed":  # once passed, an exercise stays passed
            self._states[exercise_id] = verdict.state
        return verdict.show()

    def summary(self) -> Summary:
        """Every exercise of the chapters that have been worked on, passed or not."""
        chapters = {exercise_id.split(".")[0] for exercise_id in self._states}
        rows = [
            (name, each.title, self._states.get(name, "pending"))
            for name, each in self.exercises.items()
            if name.split(".")[0] in chapters
        ]
        return Summary(rows).show()

    def _find(self, exercise_id: str) -> Exercise:
        if isinstance(exercise_id, str) and exercise_id in self.exercises:
            return self.exercises[exercise_id]
        known = ", ".join(f'"{known}"' for known in self.exercises)
        raise ValueError(f"exercise_id: there is no exercise {exercise_id!r}; wanted one of {known}")


def _judge(asked: Exercise, answer) -> tuple[str, str]:
    """State and message for an answer. Whatever a learner passes, this gives words and never a traceback."""
    if _is_blank(answer):
        return "pending", f"Not started yet. Replace each `...` and run the cell again.\n\n{asked.place}"
    try:
        with plain_torch():
            note = asked.judge(answer)
    except Wrong as wrong:
        return "wrong", str(wrong)
    except Unfinished as unfinished:
        return "pending", f"{unfinished} Fill it in and run the cell again."
    except Exception as error:
        gave = cut(repr(error), 300)
        words = f"This answer could not be read: it is of type {type(answer).__name__}, and gave {gave}."
        return "wrong", f"{words}\n\n{asked.place}"
    return "passed", "\n\n".join(filter(None, (asked.praise, note)))


def _is_blank(answer) -> bool:
    """`...`, None, or a collection that holds nothing else."""
    if answer is ... or answer is None:
        return True
    if isinstance(answer, dict):
        answer = tuple(answer.values())
    return isinstance(answer, tuple | list) and len(answer) > 0 and all(map(_is_blank, answer))
