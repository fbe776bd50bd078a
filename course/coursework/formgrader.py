"""nbgrader's pages for grading answers by hand, on a server that does nothing else.

The pages show students' text, so the server assumes that a student's script could run on them. It serves
only the pages and data of *Manual Grading*: no course files, kernels, terminals or nbgrader commands. It
listens on 127.0.0.1 and ignores Jupyter's settings. Students' text is sanitized a second time (see inert.py),
and each page's Content-Security-Policy uses a nonce to allow only nbgrader's own scripts.
"""

import os
import secrets
from collections.abc import Iterator
from functools import cached_property
from html import escape
from pathlib import Path
from types import SimpleNamespace

import nbformat
from jinja2 import ChoiceLoader, Environment, FileSystemLoader, pass_context
from jupyter_server.auth.login import LoginFormHandler
from jupyter_server.auth.logout import LogoutHandler
from jupyter_server.base.handlers import (
    FileFindHandler,
    PublicStaticFileHandler,
    RedirectWithParams,
    Template404,
)
from jupyter_server.serverapp import ServerApp
from nbconvert.exporters import HTMLExporter
from nbformat.v4 import new_markdown_cell
from nbgrader.server_extensions.formgrader import apihandlers, handlers
from nbgrader.server_extensions.formgrader.formgrader import FormgradeExtension
from tornado.web import RedirectHandler, StaticFileHandler

from coursework.align import name_of
from coursework.course import Course
from coursework.inert import make_inert, prose
from coursework.outputs import clean_output
from coursework.rubric import as_markdown, rubrics

HERE = Path(__file__).parent / "marking"
SCRIPT = "marking.js"
POLICY = (
    "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "font-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
# The only handlers that are served: Jupyter's for signing in, and nbgrader's for *Manual Grading*
KEPT = {
    LoginFormHandler,
    LogoutHandler,
    FileFindHandler,
    PublicStaticFileHandler,
    RedirectWithParams,
    Template404,
}
MARKING = {
    handlers.GradebookAssignmentsHandler,
    handlers.GradebookNotebooksHandler,
    handlers.GradebookNotebookSubmissionsHandler,
    handlers.SubmissionHandler,
    handlers.SubmissionNavigationHandler,
    apihandlers.AssignmentCollectionHandler,
    apihandlers.NotebookCollectionHandler,
    apihandlers.SubmittedNotebookCollectionHandler,
    apihandlers.FlagSubmissionHandler,
    apihandlers.GradeCollectionHandler,
    apihandlers.GradeHandler,
    apihandlers.CommentCollectionHandler,
    apihandlers.CommentHandler,
}


class Templates(FileSystemLoader):
    """nbgrader's templates, with the nonce added to each script and inline event handlers removed.

    `values` is the prefix of the template's variables. Our own script is added to the page's head.
    """

    def __init__(self, folder: Path, values: str):
        super().__init__(folder)
        head = f'<script src="{{{{ {values}base_url }}}}/formgrader/marking/{SCRIPT}"></script>\n'
        self.changes = {
            "{{ mathjax() }}": "",
            ' title="Open live notebook"': "",
            'data-link="{{ resources.notebook_path }}"': "",
            ' onclick="toggle_name(true);"': ' data-names="show"',
            ' onclick="toggle_name(false);"': ' data-names="hide"',
            ' onclick="toggleAllNames()"': "",
            "</head>": f"{head}</head>",
            "<script": f'<script nonce="{{{{ {values}nonce }}}}"',
        }

    def get_source(self, environment, template):
        text, path, fresh = super().get_source(environment, template)
        for old, new in self.changes.items():
            text = text.replace(old, new)
        return text, path, fresh


class Page(HTMLExporter):
    """nbgrader's page of a submission, with rubrics, and without any HTML from the student."""

    def __init__(self, folder: Path, **options):
        self.folder = folder
        templates = Templates(Path(handlers.template_path) / "formgrade", "resources.")
        super().__init__(extra_loaders=[templates], **options)

    @pass_context
    def markdown2html(self, context, source):
        return prose(source)

    def from_notebook_node(self, notebook, resources=None, **options):
        make_inert(notebook.cells)
        for cell in notebook.cells:
            if cell.cell_type == "code":
                outputs = [found for output in cell.outputs if (found := clean_output(output))]
                cell.outputs = [nbformat.from_dict(output) for output in outputs]
        notebook.metadata.pop("widgets", None)
        notebook.cells = list(self.with_rubrics(notebook.cells, resources["assignment_id"]))
        return super().from_notebook_node(notebook, resources, **options)

    def with_rubrics(self, cells: list, name: str) -> Iterator:
        """Yield the cells, with the rubric of each written answer before it."""
        source = nbformat.read(self.folder / "source" / name / f"{name}.ipynb", as_version=4)
        found = rubrics(source)
        for cell in cells:
            if name_of(cell) in found:
                yield new_markdown_cell(as_markdown(found[name_of(cell)]))
            yield cell


class Guarded:
    """Mixin for nbgrader's handlers: each response gets a Content-Security-Policy with a new nonce."""

    @cached_property
    def nonce(self) -> str:
        return secrets.token_urlsafe(16)

    @property
    def content_security_policy(self) -> str:
        return POLICY.format(nonce=self.nonce)

    def render(self, name, **values):
        return super().render(name, nonce=self.nonce, **values)

    @property
    def exporter(self):
        def from_filename(path, resources):  # these include the student's name, unescaped
            told = {
                name: escape(value) if isinstance(value, str) else value for name, value in resources.items()
            }
            return super(Guarded, self).exporter.from_filename(path, resources=told | {"nonce": self.nonce})

        return SimpleNamespace(from_filename=from_filename)


class Marking(FormgradeExtension):
    """nbgrader's extension, reduced to manual grading."""

    def init_tornado_settings(self, webapp):
        super().init_tornado_settings(webapp)
        folders = (HERE, Path(handlers.template_path))
        loader = ChoiceLoader([Templates(folder, "") for folder in folders])
        webapp.settings["nbgrader_jinja2_env"] = Environment(loader=loader, autoescape=True)
        webapp.settings["nbgrader_exporter"] = Page(Path(self.root_dir), config=self.config)

    def init_handlers(self, webapp):
        base = webapp.settings["base_url"].rstrip("/")
        found = [
            (base + pattern, type(handler.__name__, (Guarded, handler), {}))
            for pattern, handler, *_ in (*handlers.default_handlers, *apihandlers.default_handlers)
            if handler in MARKING
        ]
        static = f"{base}/formgrader"
        found += [
            (f"{static}/?", RedirectHandler, {"url": f"{static}/gradebook", "permanent": False}),
            (f"{static}/static/(.*)", StaticFileHandler, {"path": handlers.static_path}),
            (f"{static}/fonts/(.*)", StaticFileHandler, {"path": handlers.fonts_path}),
            (f"{static}/marking/({SCRIPT})", StaticFileHandler, {"path": HERE}),
        ]
        webapp.add_handlers(".*$", found)


class Server(ServerApp):
    """A Jupyter server without services, extensions and configuration files."""

    default_services = ()

    def load_config_file(self, *_, **__):
        """Load nothing: a configuration file could expose the server or enable extensions."""

    def load_server_extensions(self):
        router = self.web_app.wildcard_router
        router.rules = [rule for rule in router.rules if rule.target in KEPT]
        marking = Marking(parent=self)
        marking.root_dir, marking.log = self.root_dir, self.log
        marking.initialize([])
        marking.init_tornado_settings(self.web_app)
        marking.init_handlers(self.web_app)


def formgrader(course: Course, port: int = 8888, browser: bool = True) -> int:
    """Serve the course's pages and open them in the browser, until Ctrl-C."""
    os.chdir(course.folder)  # nbgrader looks for its settings in the working directory
    server = Server(
        ip="127.0.0.1",
        port=port,
        open_browser=browser,
        root_dir=str(course.folder),
        default_url="/formgrader/gradebook",  # only these pages exchange the token for a session
        allow_root=True,
        answer_yes=True,
        tornado_settings={"headers": {"Content-Security-Policy": POLICY.format(nonce="none")}},
    )
    server.initialize([], find_extensions=False)
    if not browser:
        number = server.port
        print(
            f"From another machine: run ssh -N -L {number}:127.0.0.1:{number} this-machine there, "
            "then open the address below in its browser.",
            flush=True,
        )
    print(
        "Choose the chapter under Manual Grading, the first page. Ctrl-C here stops the server.", flush=True
    )
    server.start()
    return 0
