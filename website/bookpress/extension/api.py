"""The API reference: a directive that shows one public name, taken from the package itself.

    ```{api} attnbook.MultiHeadAttention
    ```

gives its signature with shapes, its docstring (Markdown with formulas) and, for a class, its public methods.
Sphinx's own autodoc would read the docstrings as reStructuredText.
"""

import ast
import inspect
import re
import textwrap
from importlib import import_module
from itertools import pairwise
from types import FunctionType, ModuleType
from typing import NamedTuple

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

WIDTH = 76  # characters of a signature on one line; a longer one gets a line for each parameter
FORMULA = re.compile(r"\$([^$]+)\$[,.;]?\s*")
SYMBOL = re.compile(r"\w(_\w)?")
FROM_PYTHON = {"__init__", "__call__", "forward"}  # shown in the signature of the class, not as methods


class Entry(NamedTuple):
    """What the reference shows of a name: signature, docstring, and both for each method."""

    signature: str
    doc: str
    methods: tuple["Entry", ...] = ()


class Api(SphinxDirective):
    """The signature, docstring and methods of one name of the package."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        module_name, _, name = self.arguments[0].rpartition(".")
        try:
            module = import_module(module_name)
            entry = describe(module, name)
        except (ImportError, AttributeError) as error:
            raise self.error(f"no such name: {error}") from error
        if not entry.doc:
            raise self.error(f"{self.arguments[0]} has no docstring")
        self.env.note_dependency(source_file(module, name))
        block = nodes.container(classes=["ab-api"], ids=[])
        block += self.shown(entry)
        for method in entry.methods:
            inner = nodes.container(classes=["ab-api-method"])
            inner += self.shown(method)
            block += inner
        return [block]

    def shown(self, entry: Entry) -> list[nodes.Node]:
        """The signature as Python, the docstring as Markdown."""
        code = nodes.literal_block(entry.signature, entry.signature, language="python")
        self.set_source_info(code)
        body = nodes.container()
        lines = StringList(display_formulas(entry.doc).splitlines(), self.arguments[0])
        self.state.nested_parse(lines, self.content_offset, body)
        return [code, *body.children]


def describe(module: ModuleType, name: str) -> Entry:
    """The entry of a module's class, function, instance or constant."""
    thing = getattr(module, name)
    thing = inspect.unwrap(thing) if callable(thing) else thing
    if inspect.isclass(thing):
        return describe_class(thing)
    if isinstance(thing, FunctionType):
        return Entry(signature(thing), inspect.getdoc(thing) or "")
    if callable(thing) and isinstance(inspect.getattr_static(type(thing), "__call__", None), FunctionType):
        call = signature(type(thing).__call__, name)  # an instance that is called like a function
        return Entry(call, inspect.getdoc(thing) or "", public_methods(type(thing), name))
    return Entry(f"{name} = {shortened(thing)}", documented(module).get(name, ""))


def describe_class(thing: type) -> Entry:
    """The entry of a class: how to construct it and, if its instances are callable, how to call them."""
    own = vars(thing)
    calls = [signature(own[name], name) for name in ("forward", "__call__") if name in own]
    lines = [f"class {constructor(thing)}", *(textwrap.indent(call, "    ") for call in calls)]
    return Entry("\n".join(lines), own_doc(thing), public_methods(thing))


def own_doc(thing: type) -> str:
    """A class's own docstring: neither its base class's nor the one that a dataclass generates."""
    doc = vars(thing).get("__doc__") or ""
    return "" if doc.startswith(f"{thing.__name__}(") else inspect.cleandoc(doc)


def constructor(thing: type) -> str:
    """The call that constructs an instance; for a dataclass, with its fields."""
    if "__dataclass_fields__" in vars(thing):
        body = ast.parse(textwrap.dedent(inspect.getsource(thing))).body[0].body
        return laid_out(thing.__name__, [unparsed(item) for item in body if isinstance(item, ast.AnnAssign)])
    return (
        signature(vars(thing)["__init__"], thing.__name__)
        if "__init__" in vars(thing)
        else f"{thing.__name__}()"
    )


def public_methods(thing: type, owner: str = "") -> tuple[Entry, ...]:
    """Methods and properties that have a docstring, in source order."""
    entries = []
    for name, member in vars(thing).items():
        function = member.fget if isinstance(member, property) else member
        if name.startswith("_") or name in FROM_PYTHON or not isinstance(function, FunctionType):
            continue
        if function.__doc__:
            doc = inspect.cleandoc(function.__doc__)
            shown = f"{owner}.{name}" if owner else name
            call = signature(function, shown)
            entries.append(Entry(call.replace("()", "", 1) if isinstance(member, property) else call, doc))
    return tuple(entries)


def signature(function: FunctionType, name: str = "") -> str:
    """A function's parameters and result as written in its source, without `self`."""
    function = inspect.unwrap(function)
    node = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
    bare = [argument.arg for argument in [*node.args.posonlyargs, *node.args.args]]
    if bare and bare[0] == "self":
        (node.args.posonlyargs or node.args.args).pop(0)
    result = f" -> {unparsed(node.returns)}" if node.returns and unparsed(node.returns) != "None" else ""
    return laid_out(name or function.__name__, parameters(node.args), result)


def parameters(arguments: ast.arguments) -> list[str]:
    """Each parameter as source text, `*` included."""
    plain = [*arguments.posonlyargs, *arguments.args]
    defaults = [None] * (len(plain) - len(arguments.defaults)) + arguments.defaults
    written = [parameter(*pair) for pair in zip(plain, defaults, strict=True)]
    if arguments.vararg:
        written.append("*" + parameter(arguments.vararg))
    elif arguments.kwonlyargs:
        written.append("*")
    written += [parameter(*pair) for pair in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)]
    if arguments.kwarg:
        written.append("**" + parameter(arguments.kwarg))
    return written


def parameter(argument: ast.arg, default: ast.expr | None = None) -> str:
    text = f"{argument.arg}: {unparsed(argument.annotation)}" if argument.annotation else argument.arg
    equals = " = " if argument.annotation else "="
    return text if default is None else text + equals + unparsed(default)


def unparsed(node: ast.expr) -> str:
    return ast.unparse(node).replace("'", '"')


def laid_out(name: str, parts: list[str], result: str = "") -> str:
    """A call on one line or, if that is too long, with one parameter a line."""
    line = f"{name}({', '.join(parts)}){result}"
    if len(line) <= WIDTH:
        return line
    return "\n".join([f"{name}(", *(f"    {part}," for part in parts), f"){result}"])


def documented(module: ModuleType) -> dict[str, str]:
    """The docstrings of a module's constants: the strings right below them."""
    body = ast.parse(inspect.getsource(module)).body
    found = {}
    for item, below in pairwise(body):
        targets = item.targets if isinstance(item, ast.Assign) else [getattr(item, "target", None)]
        if (
            isinstance(below, ast.Expr)
            and isinstance(below.value, ast.Constant)
            and isinstance(targets[0], ast.Name)
        ):
            found[targets[0].id] = inspect.cleandoc(str(below.value.value))
    return found


def shortened(thing: object) -> str:
    """A constant's value, or only its type if the value is long."""
    text = repr(thing).replace("'", '"')
    return text if len(text) <= 2 * WIDTH else f"{type(thing).__name__}(...)"


def display_formulas(doc: str) -> str:
    """Markdown with displayed formulas in every paragraph that begins with a formula.

    A single symbol, such as $x_t$, stays in its sentence.
    """

    def displayed(found: re.Match) -> str:
        return found[0] if SYMBOL.fullmatch(found[1]) else f"\n\n$${found[1]}$$\n\n"

    paragraphs = doc.split("\n\n")
    return "\n\n".join(
        FORMULA.sub(displayed, paragraph) if paragraph.startswith("$") else paragraph
        for paragraph in paragraphs
    )


def source_file(module: ModuleType, name: str) -> str:
    """The file that defines the name; for a constant, the module's."""
    thing = inspect.unwrap(getattr(module, name)) if callable(getattr(module, name)) else module
    return inspect.getsourcefile(
        thing if inspect.isclass(thing) or isinstance(thing, FunctionType) else module
    )


def setup(app: Sphinx) -> None:
    app.add_directive("api", Api)
