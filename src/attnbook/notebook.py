"""What the chapters show of the package itself."""

import ast
import inspect
import textwrap
from collections.abc import Callable

from IPython.display import Markdown, display

__all__ = ["show_source"]


def show_source(*objects: Callable) -> None:
    """Display the package's own source of classes, methods or functions, without their docstrings.

    The code comes from the object, so that a chapter cannot show another than the one that it runs.
    Raises `TypeError` for an object that has no Python source.
    """
    display(Markdown("```python\n" + "\n\n".join(source(thing) for thing in objects) + "\n```"))


def source(thing: Callable) -> str:
    """The source of one object, dedented, without docstrings."""
    try:
        text = textwrap.dedent(inspect.getsource(thing)).rstrip()
    except (TypeError, OSError) as error:
        raise TypeError(f"objects: wanted Python classes or functions, got {thing!r}") from error
    lines = text.split("\n")
    for node in ast.walk(ast.parse(text)):
        holds_docstring = isinstance(node, ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node)
        if holds_docstring:
            docstring = node.body[0]
            for number in range(docstring.lineno - 1, docstring.end_lineno):
                lines[number] = None
            if lines[docstring.end_lineno : docstring.end_lineno + 1] == [""]:
                lines[docstring.end_lineno] = None
    return "\n".join(line for line in lines if line is not None)
