"""Checks calls against their signatures, as pyproject.toml asks jaxtyping to, but spends less time on it.

jaxtyping's own check of a call binds its arguments to the signature, whether there are shapes in it or not.
That would take about half the time of many tests. So functions without shapes are checked by beartype alone.
"""

import functools
import inspect
import sys
from collections.abc import Callable
from typing import Any, get_args

import jaxtyping
from jaxtyping import AbstractArray, config, jaxtyped

CHECKER = inspect.getsourcefile(jaxtyped)  # where the checks stand around each function


def quicken() -> None:
    """Give modules that are imported from now on the quicker check where it is enough."""

    def quicker(*, typechecker: Callable) -> Callable:
        def decorate(thing):
            if inspect.isclass(thing) or any(map(has_shapes, thing.__annotations__.values())):
                return jaxtyped(typechecker=typechecker)(thing)
            return checked_by(typechecker, thing)

        return decorate

    jaxtyping.jaxtyped = quicker


def has_shapes(annotation: Any) -> bool:
    if isinstance(annotation, list):  # the arguments of a Callable
        return any(map(has_shapes, annotation))
    if isinstance(annotation, str):
        return True  # perhaps
    shaped = inspect.isclass(annotation) and issubclass(annotation, AbstractArray)
    return shaped or any(map(has_shapes, get_args(annotation)))


def checked_by(typechecker: Callable, function: Callable) -> Callable:
    """The function, checked unless checks are switched off."""
    typed = typechecker(function)
    if typed is function:
        return function

    @functools.wraps(function)
    def checked(*arguments, **options):
        return (function if config.jaxtyping_disable else typed)(*arguments, **options)

    checked.__code__ = checked.__code__.replace(co_filename=CHECKER)  # a library's line, not a learner's
    return checked


def remove_checks(setattr: Callable[[Any, str, Any], None], package: str) -> None:
    """Take the checks off all functions of a package's loaded modules and of its classes."""
    modules = [module for name, module in sys.modules.items() if name.split(".")[0] == package]
    things = {id(thing): thing for module in modules for thing in vars(module).values()}
    classes = [
        thing
        for thing in things.values()
        if inspect.isclass(thing) and thing.__module__.split(".")[0] == package
    ]
    for owner in (*modules, *classes):
        for name, function in list(vars(owner).items()):
            if inspect.isfunction(function) and function.__code__.co_filename == CHECKER:
                setattr(owner, name, function.__wrapped__)
