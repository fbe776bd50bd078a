"""Display the package's source in the chapters."""

import ast
import inspect
import textwrap
from collections.abc import Callable

from IPython.display import Markdown, display

__all__ = ["show_source"]


def show_source(*objects: Callable) -> None:
    """Display the source of classes, methods or functions, without docstrings.

    The source is read from the object itself, so a chapter always shows the code it runs. Raises `TypeError`
    for an object without Python source.
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
