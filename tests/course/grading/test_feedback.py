"""The student's feedback page in a browser: its text, and that nothing in it runs or makes requests."""

import re

import nbformat
import pytest

from bookpress import ROOT
from coursework.inert import CODE, NOTE, prose

ATTACK = """<script>window.ran = "script"</script>
<img src="https://evil.example/x.png" onerror="window.ran = 'img'">
<iframe src="https://evil.example/frame"></iframe>
<svg onload="window.ran = 'svg'"><animate onbegin="window.ran = 'animate'"></svg>
<a href="javascript:window.ran = 'link'">a link</a>
<form action="https://evil.example/form"><button>press</button></form>
<style>@import "https://evil.example/style.css"; body { display: none }</style>
<b onclick="window.ran = 'bold'">bold</b>"""
SHOWS = f"""
from IPython.display import HTML, Javascript, Markdown, SVG, display
import ipywidgets
attack = {ATTACK!r}
display(HTML(attack), Markdown(attack), Javascript("window.ran = 'js'"))
display({{"text/html": attack, "text/latex": attack, "image/svg+xml": attack}}, raw=True)
display({{"image/png": attack, "application/vnd.jupyter.widget-view+json": {{"model_id": "1"}}}}, raw=True)
display(ipywidgets.HTML(attack))
display({{"image/png": "iVBORw0KGgoAAAANSUhEUg==\\" onerror=\\"window.ran = 'png'"}}, raw=True)
print(attack)
def double(x):
    raise ValueError(attack)
"""
FIGURE = """
import matplotlib.pyplot as plt
plt.plot([1, 2])
plt.show()
def double(x):
    return 2 * x
"""


@pytest.fixture(scope="module")
def room(new_room, tmp_path_factory):
    """Four graded students: correct, wrong, hostile, and one whose file was rejected."""
    from coursework.feedback import feedback
    from coursework.grade import grade

    room = new_room(tmp_path_factory.mktemp("feedback"))
    room.hand_in("ada", room.answer(double=FIGURE, why="It **adds** $x + x$."))
    room.hand_in("grace", room.answer(double="def double(x):\n    return abs(2 * x)"))
    room.hand_in("eve", room.answer(double=SHOWS, why=ATTACK, extra=[f"# {ATTACK}".replace("\n", "\n# ")]))
    room.hand_in("broken", "{")
    assert grade(room.course, "1", jobs=2) == 0
    with room.course.gradebook() as gradebook:
        mark = gradebook.find_grade("why", "ch01", "ch01", "grace")
        mark.manual_score, mark.needs_manual_grade = 2, False
        gradebook.find_comment(
            "why", "ch01", "ch01", "grace"
        ).manual_comment = "Which sum? <script>x</script>"
        gradebook.db.commit()
    assert "4 pages" in feedback(room.course, "1")
    return room


@pytest.fixture
def visit(browser, room):
    """Opens a student's page; `page.asked` lists its requests."""
    pages = []

    def open_page(student, width=1200):
        page = browser.new_page(viewport={"width": width, "height": 900})
        pages.append(page)
        page.asked, page.errors = [], []
        page.on("request", lambda request: page.asked.append(request.url))
        page.on("console", lambda message: page.errors.append(message.text))
        page.goto((room.folder / "feedback" / student / "ch01" / "ch01.html").as_uri())
        return page

    yield open_page
    for page in pages:
        page.close()


def test_feedback_on_a_correct_submission(visit):
    page = visit("ada")
    assert page.locator("h1").inner_text() == "Chapter 1, assignment: Twice"
    assert re.sub(r"\s+", " ", page.locator(".total").inner_text()).startswith("5 / 8 3 of these points")
    assert page.locator(".points li").all_inner_texts() == [
        "double-numbers 2/2",
        "double-tensors 1/1",
        "middle-odd 2/2",
        "why …/3",
    ]
    assert page.locator("img").evaluate("image => image.complete && image.naturalWidth > 100")
    assert page.locator(".prose-answer strong").inner_text() == "adds"
    assert page.locator(".prose-answer math mi").all_text_contents() == ["x", "x"]
    assert page.locator(".verdict").count() == 0


def test_feedback_on_a_wrong_submission_explains_without_revealing_tests(visit):
    page = visit("grace")
    assert page.locator(".total strong").inner_text() == "5 / 8"
    assert page.locator(".verdict").all_inner_texts() == ["Twice −3 is −6 (hidden-canary)."]
    assert page.locator(".comment").inner_text() == "Comment. Which sum? <script>x</script>"
    assert "assert double(-3)" not in page.content()


def test_the_notebook_given_back_shows_points_and_messages(room):
    path = room.folder / "feedback" / "grace" / "ch01" / "ch01.ipynb"
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    notes = [cell.source for cell in notebook.cells if "feedback" in cell.metadata.get("tags", [])]
    assert [note.strip("-\n").removeprefix("**Feedback.** ") for note in notes] == [
        "**5 of 8 points**",
        "**double-numbers: 0 of 2 points**\n\nTwice −3 is −6 (hidden-canary).",
        "**double-tensors: 1 of 1 points**",
        "**middle-odd: 2 of 2 points**",
        f"**why: 2 of 3 points**\n\n{NOTE}\n\n    Comment: Which sum? <script>x</script>",
    ]
    others = [cell.source for cell in notebook.cells if not cell.metadata.get("tags")]
    assert others == [
        cell.source for cell in room.answer(double="def double(x):\n    return abs(2 * x)").cells
    ]
    assert "assert double(-3)" not in path.read_text("utf8")
    text = (room.folder / "feedback" / "ada" / "ch01" / "ch01.ipynb").read_text("utf8")
    assert "3 of these points are not graded yet." in text
    assert "**why: not graded yet** (3 points)" in text


def test_feedback_on_a_rejected_file_says_why(visit):
    page = visit("broken")
    assert page.locator(".total strong").inner_text() == "0 / 8"
    assert "broken JSON" in page.locator(".says").inner_text()


def test_nothing_of_a_submission_runs(visit):
    page = visit("eve")
    page.wait_for_load_state("networkidle")
    for link in page.locator("a:not([href^='#'])").all():
        assert (link.get_attribute("href") or "").split(":")[0] in ("", "http", "https", "mailto")
    for one in page.locator("b, a, button").all():
        if one.is_visible():
            one.click(no_wait_after=True)
    assert page.evaluate("window.ran") is None
    assert page.locator("script, iframe, svg, form, button, object, embed").count() == 0
    names = "[...document.querySelectorAll('*')].flatMap(node => node.getAttributeNames())"
    assert [name for name in page.evaluate(names) if name.startswith("on")] == []
    loads = "[...document.querySelectorAll('[src], [srcset], [data], [poster], link')].map(node => node.src)"
    assert [address for address in page.evaluate(loads) if not address.startswith("data:")] == []
    assert page.locator("h1").is_visible()


@pytest.mark.parametrize(
    ("source", "left"),
    [
        (r"$\href{javascript:window.ran=1}{x}$", r"<p>$\href{javascript:window.ran=1}{x}$</p>"),
        ("`$x$`", "<p><code>$x$</code></p>"),
        ("[a](https://example.org/$x$)", '<p><a href="https://example.org/$x$">a</a></p>'),
        (f"${'x' * 2001}$", f"<p>${'x' * 2001}$</p>"),
        ("$x^$", "<p>$x^$</p>"),
    ],
)
def test_what_is_no_safe_formula_stays_text(source, left):
    assert prose(source).strip() == left


def test_text_in_a_formula_is_not_html():
    assert "&lt;img onerror" in prose(r"$\text{<img onerror=window.ran=1>}$")


def test_every_formula_of_the_assignments_is_typeset():
    texts = [
        cell.source
        for path in sorted((ROOT / "course" / "source").glob("*/*.ipynb"))
        for cell in nbformat.read(path, as_version=4).cells
        if cell.cell_type == "markdown"
    ]
    pages = [CODE.sub("", prose(text)) for text in texts]
    assert sum(page.count("<math") for page in pages) > 100
    assert [page for page in pages if "$" in page] == []


def test_the_policy_blocks_scripts(browser, room, tmp_path):
    """The page's policy forbids it."""
    text = (room.folder / "feedback" / "ada" / "ch01" / "ch01.html").read_text("utf8")
    (tmp_path / "page.html").write_text(text.replace("</main>", f"{ATTACK}</main>"), "utf8")
    page = browser.new_page()
    asked = []
    page.on("requestfinished", lambda request: asked.append(request.url))
    page.on("requestfailed", lambda request: request.failure == "csp" or asked.append(request.url))
    page.goto((tmp_path / "page.html").as_uri())
    page.get_by_text("a link", exact=True).dispatch_event("click")
    page.wait_for_load_state("networkidle")
    assert page.evaluate("window.ran") is None
    assert len(asked) == 1
    page.close()


@pytest.mark.parametrize("student", ["ada", "grace", "eve", "broken"])
@pytest.mark.parametrize("width", [1200, 360])
def test_a_page_makes_no_requests_and_fits(visit, student, width):
    page = visit(student, width)
    page.wait_for_load_state("networkidle")
    assert [url for url in page.asked if not url.startswith("data:")] == page.asked[:1]
    assert page.errors == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_active_content_is_removed_for_nbgraders_pages(room):
    """Outputs are reduced to text and images before anyone opens them."""
    notebook = nbformat.read(room.course.notebook("autograded", "ch01", "eve"), as_version=4)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert len(outputs) > 5
    assert {kind for output in outputs for kind in output.get("data", {})} <= {"text/plain"}
    assert "widgets" not in notebook.metadata
