"""nbgrader's pages for marking by hand: they work, and nothing that a student wrote runs on them."""

import json
import os
import re
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import nbformat
import pytest
from bs4 import BeautifulSoup
from nbformat.v4 import new_markdown_cell, new_output

from bookpress import ROOT
from coursework.__main__ import main
from coursework.inert import ADDRESS, NOTE, TAGS, inert, is_harmless, prose
from tests.servers import announced_address, interrupt
from tests.tabs import wait_until

RUN = "window.ran=(window.ran||0)+1;alert(1)"
CALL = "window.ran=1"
PAYLOADS = {
    "inline link": f"[press](javascript:{CALL})",
    "reference link": f"[press][one]\n\n[one]: javascript:{CALL}",
    "link with a title": f'[press](javascript:{CALL} "title")',
    "link in angle brackets": f"[press](<javascript:{CALL}>)",
    "autolink": f"<javascript:{CALL}>",
    "capitals": f"[press](JaVaScRiPt:{CALL})",
    "decimal entity": f"[press](java&#115;cript:{CALL})",
    "hexadecimal entity in HTML": f'<a href="&#x6a;avascript:{CALL}">press</a>',
    "named entity": f'<a href="javascript&colon;{CALL}">press</a>',
    "tab within the scheme": f'<a href="java\tscript:{CALL}">press</a>',
    "entity of a line's end": f'<a href="java&NewLine;script:{CALL}">press</a>',
    "control character before it": f'<a href="\x01javascript:{CALL}">press</a>',
    "backslash": f"[press](javascript\\:{CALL})",
    "link in a list in a quotation": f"> - *a* [pr**es**s](javascript:{CALL})",
    "link around an image": f"[![press](https://evil.example/x.png)](javascript:{CALL})",
    "image": "![press](https://evil.example/x.png)",
    "image of a script": f"![press](javascript:{CALL})",
    "attachment": f"![press](attachment:x.svg) [press](attachment:javascript:{CALL})",
    "data": f"[press](data:text/html,<script>{CALL}</script>)",
    "data in base64": "[press](data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==)",
    "vbscript": "[press](vbscript:msgbox)",
    "file": "[press](file:///etc/passwd)",
    "address of this server": "[press](/formgrader/?path=/tmp) [press](../../logout)",
    "HTML with a script": f"<script>{RUN}</script>",
    "script from elsewhere": '<script src="https://evil.example/x.js"></script>',
    "handler": f'<b onclick="{RUN}" onmouseover="{RUN}">press</b>',
    "image with a handler": f'<img src=x onerror="{RUN}">',
    "SVG": f'<svg onload="{RUN}"><a xlink:href="javascript:{CALL}"><text y="20">press</text></a></svg>',
    "SVG that is animated": f'<svg><a><animate attributeName="href" values="javascript:{CALL}"/>'
    '<text y="20">press</text></a></svg>',
    "SVG that uses": f'<svg><use href="data:image/svg+xml,<svg id=x onload={CALL}/>#x"/></svg>',
    "MathML": f'<math><maction xlink:href="javascript:{CALL}">press</maction></math>',
    "TeX": f"$\\href{{javascript:{CALL}}}{{press}}$",
    "TeX that loads": f"$\\require{{html}}\\href{{javascript:{CALL}}}{{press}}$",
    "TeX with a handler": "$\\cssId{x}{\\class{y}{press}}$",
    "frame": f'<iframe srcdoc="<script>parent.{CALL}</script>"></iframe>',
    "frame of a script": f'<iframe src="javascript:parent.{CALL}"></iframe>',
    "refresh": f'<meta http-equiv="refresh" content="0;url=javascript:{CALL}">',
    "refresh to elsewhere": '<meta http-equiv="refresh" content="0;url=https://evil.example/">',
    "form": f'<form action="javascript:{CALL}"><button>press</button></form>',
    "button of a form": f'<button formaction="javascript:{CALL}">press</button>',
    "base": f'<base href="javascript:/{CALL}//"><a href="#x">press</a>',
    "style": '<style>@import "https://evil.example/x.css"; * { background: url(//evil.example/y) }</style>',
    "link to a style": '<link rel="stylesheet" href="https://evil.example/x.css">',
    "object": f'<object data="data:text/html,<script>{CALL}</script>"></object><embed src="//evil.example">',
    "video": f'<video poster="https://evil.example/x"><source onerror="{RUN}" src="x"></video>',
    "details": f'<details open ontoggle="{RUN}"><summary>press</summary></details>',
    "comment": f'<!--><img src=x onerror="{RUN}">-->',
    "broken tag": f'<img src=x onerror="{RUN}" <p>',
    "text area": f'<textarea><img title="</textarea><img src=x onerror={CALL}>">',
    "noscript": f'<noscript><p title="</noscript><img src=x onerror={CALL}>">',
    "template": f'<template><img src=x onerror="{RUN}"></template>'
    f"<math><mtext><table><mglyph><style><img src=x onerror={CALL}>",
    "mermaid": f"```mermaid\n</pre><img src=x onerror={CALL}>\n```",
    "code that holds a fence": f"```\n````\n[press](javascript:{CALL})\n````",
    "heading": f"[press](javascript:{CALL})\n===\n\n| a |\n|---|\n| [press](javascript:{CALL}) |",
}
HARMLESS = {
    "words": "Since $a<b$ and **twice** $x$, `f(x)` *grows*: see [here](https://example.org/a?b=c).",
    "code": "```python\nif a < b:\n    pass\n```\n\n- [x] done\n- [ ] not",
    "table": "| a | b |\n|:--|--:|\n| 1 | 2 |",
    "HTML": "<details><summary>More</summary>H<sub>2</sub>O</details> someone@example.org",
}
NAME = f'Eve <img src=x onerror="{RUN}"> "O\'Hara"'


@pytest.fixture(scope="module")
def room(new_room, tmp_path_factory, at_once):
    """Graded without a sandbox: an honest student, a hostile one, and one whose text wasn't sanitized."""
    from coursework.grade import grade

    room = new_room(tmp_path_factory.mktemp("formgrader"))

    hostile = room.answer(why="Because.")
    hostile.cells += [new_markdown_cell(text) for text in PAYLOADS.values()]
    room.hand_in("ada", room.answer(why="The sum is $\\sum_i x_i$, so **twice** $x$."))
    for student in ("eve", "raw"):
        room.hand_in(student, hostile)
        about = {"name": NAME, "platform": "moodle", "number": "7", "file": "", "time": 0}
        (room.folder / "submitted" / student / "ch01" / "from.json").write_text(json.dumps(about), "utf8")
    assert grade(room.course, "1") == 0
    path = room.course.notebook("autograded", "ch01", "raw")
    notebook = nbformat.read(path, as_version=4)
    dirty = f"<script>{RUN}</script><a href='javascript:{CALL}'>press</a>"
    for cell in notebook.cells:
        if cell.cell_type == "code":
            data = {
                "text/html": dirty,
                "image/svg+xml": dirty,
                "application/javascript": RUN,
                "text/markdown": dirty,
            }
            cell.outputs = [new_output("display_data", data=data)]
    own = [cell for cell in notebook.cells if "nbgrader" not in cell.metadata]
    for cell, text in zip(own, PAYLOADS.values(), strict=True):
        cell.source = text
    path.write_text(nbformat.writes(notebook), "utf8")
    return room


@pytest.fixture(scope="module")
def formgrader(room, tmp_path_factory):
    """`make formgrader` on this course, on a machine whose settings would open Jupyter to everyone."""
    folder = tmp_path_factory.mktemp("jupyter")
    (folder / "config").mkdir()
    (folder / "config" / "jupyter_server_config.py").write_text(
        "c.ServerApp.ip = '0.0.0.0'\nc.ServerApp.jpserver_extensions = {'jupyter_server_terminals': True}\n"
        "c.ServerApp.allow_remote_access = True\n"
    )
    log = folder / "log.txt"
    command = [sys.executable, "-m", "coursework", "--course", str(room.folder), "formgrader"]
    folders = {f"JUPYTER_{name}_DIR": str(folder / name.lower()) for name in ("CONFIG", "RUNTIME", "DATA")}
    with open(log, "wb") as out:
        server = subprocess.Popen(
            [*command, "--no-browser", "--port", "0"],
            env=os.environ | folders | {"JUPYTER_TOKEN": "marks"},
            stdout=out,
            stderr=out,
        )
    try:
        yield announced_address(server, log, r"(http://127\.0\.0\.1:\d+)/")
    finally:
        interrupt(server)


@pytest.fixture
def page(formgrader, browser):
    """A page that is signed in; `asked` lists its requests, `dialogs` and `errors` its messages."""
    page = browser.new_page(viewport={"width": 1200, "height": 900})
    page.set_default_timeout(60_000)
    page.asked, page.dialogs, page.errors = [], [], []
    page.on("request", lambda request: page.asked.append(request.url))
    page.on("dialog", lambda dialog: (page.dialogs.append(dialog.message), dialog.dismiss()))
    page.on("console", lambda message: message.type == "error" and page.errors.append(message.text))
    page.on("pageerror", lambda error: page.errors.append(str(error)))
    page.goto(f"{formgrader}/formgrader?token=marks")
    yield page
    page.close()


def open_submission(page, formgrader, room, student):
    with room.course.gradebook() as gradebook:
        number = gradebook.find_submission_notebook("ch01", "ch01", student).id
    page.goto(f"{formgrader}/formgrader/submissions/{number}/")
    page.locator("input#why").wait_for()
    wait_until(page, "MathJax.loaded && !$('body, html').is(':animated')")  # nbgrader scrolls to a mark


def test_answers_are_marked_by_hand_in_nbgraders_pages(formgrader, page, room):
    page.get_by_role("link", name="ch01").click()
    page.get_by_role("link", name="ch01").last.click()
    page.locator("tbody tr a").first.wait_for()
    assert page.locator("tbody tr").count() == 3
    page.locator("#toggle_names").click()
    page.get_by_role("link", name="ada").wait_for()
    open_submission(page, formgrader, room, "ada")
    assert page.locator(".rendered_html math").count() >= 3
    assert page.locator(".rendered_html merror").count() == 0
    page.locator(".live-notebook [data-names=show]").click()
    assert page.locator(".live-notebook a:visible").inner_text().strip() == "ada"
    page.locator("input#why").fill("1.5")
    page.locator("input#why").press("Enter")
    page.locator("textarea#why-comment").fill("Which sum?")
    page.locator("input#why").click()
    for _ in range(100):
        with room.course.gradebook() as gradebook:
            mark = gradebook.find_grade("why", "ch01", "ch01", "ada").manual_score
            comment = gradebook.find_comment("why", "ch01", "ch01", "ada").manual_comment
        if (mark, comment) == (1.5, "Which sum?"):
            break
        page.wait_for_timeout(100)
    else:
        pytest.fail(f"the gradebook holds {mark} and {comment!r}")
    assert [url for url in page.asked if not url.startswith((formgrader, "data:", "blob:"))] == []
    assert page.errors == []


@pytest.mark.parametrize("student", ["eve", "raw"])
def test_nothing_that_a_student_wrote_runs(formgrader, page, room, student):
    """Neither text that was sanitized during grading, nor text that only the page sanitizes."""
    open_submission(page, formgrader, room, student)
    notebook = page.locator("#notebook-container")
    assert notebook.locator(".text_cell:not(:has(.nbgrader_cell))").count() >= len(PAYLOADS)
    here = page.url
    for link in notebook.locator("[href]").all():
        assert re.match("https?://|mailto:|#", link.get_attribute("href"))
    pressed = notebook.locator("a, b, summary, text, form button, .text_cell :text('press')").all()
    assert len(pressed) >= 10
    for one in pressed:
        one.dispatch_event("mouseover")
        one.dispatch_event("click")
        if (one.get_attribute("href") or "#").startswith("#"):
            one.click(force=True, no_wait_after=True) if one.is_visible() else None
    page.wait_for_timeout(300)  # for what must not happen
    assert page.evaluate("window.ran") is None
    assert page.dialogs == []
    assert page.url.partition("?")[0] == here.partition("?")[0]
    assert [url for url in page.asked if not url.startswith((formgrader, "data:"))] == []
    assert (
        notebook.locator("script, iframe, svg, form, object, embed, img, style, link, meta, base").count()
        == 0
    )
    names = "[...document.querySelectorAll('*')].flatMap(node => node.getAttributeNames())"
    assert [name for name in page.evaluate(names) if name.startswith("on")] == []
    assert page.errors == []


def test_the_policy_alone_would_stop_a_script(formgrader, page, room):
    open_submission(page, formgrader, room, "ada")

    def stopped(_) -> bool:
        return sum("Content Security Policy" in error for error in page.errors) == 7  # one message for each

    with page.expect_console_message(stopped):
        page.evaluate(
            """run => {
                const put = document.createElement("div");
                put.innerHTML = `<a id="bad" href="javascript:${run}">x</a><b id="bold" onclick="${run}">x</b>
                    <img src="x" onerror="${run}"><iframe srcdoc="<script>parent.ran=1</script>"></iframe>`;
                document.body.append(put);
                const own = "/formgrader/marking/marking.js";
                for (const kind of [{ text: run }, { src: "https://evil.example/x.js" }, { src: own }])
                    document.body.append(Object.assign(document.createElement("script"), kind));
                document.getElementById("bad").click();
                document.getElementById("bold").click();
            }""",
            RUN,
        )
    assert page.evaluate("window.ran") is None
    assert page.dialogs == []
    assert [url for url in page.asked if "evil" in url and "x.js" not in url] == []


CLOSED = [
    "/files/source/ch01/ch01.ipynb",
    "/api",
    "/api/contents",
    "/api/contents/source/ch01/ch01.ipynb",
    "/api/kernels",
    "/api/sessions",
    "/api/kernelspecs",
    "/api/terminals",
    "/api/config/x",
    "/api/nbconvert",
    "/api/me",
    "/api/status",
    "/api/shutdown",
    "/terminals/1",
    "/view/source/ch01/ch01.ipynb",
    "/edit/x",
    "/tree",
    "/lab",
    "/notebooks/x",
    "/nbconvert/html/source/ch01/ch01.ipynb",
    "/metrics",
    "/formgrader/manage_assignments",
    "/formgrader/manage_students",
    "/formgrader/api/assignment/ch01",
    "/formgrader/api/students",
    "/formgrader/api/submission/ch01/ada",
    "/formgrader/submissions/{id}/ch01.ipynb",
    "/formgrader/submissions/{id}/..%2F..%2F..%2Fsource%2Fch01%2Fch01.ipynb",
    "/formgrader/marking/..%2F..%2Fcourse.py",
    "/formgrader/marking/..%2Fgradebook_base.tpl",
    "/formgrader/static/..%2Fhandlers.py",
]
POSTED = [
    "/api/kernels",
    "/api/terminals",
    "/api/sessions",
    "/api/contents",
    "/api/shutdown",
    "/formgrader/api/submission/ch01/ada/autograde",
    "/formgrader/api/assignment/ch01/assign",
    "/formgrader/api/assignment/ch01/generate_feedback",
    "/formgrader/api/assignment/ch01/release",
]


def test_a_script_on_the_page_could_reach_no_file_kernel_or_command(formgrader, page, room):
    open_submission(page, formgrader, room, "ada")
    number = page.evaluate("submission_id")
    ask = """async ([url, method]) => {
        const headers = { "X-XSRFToken": getCookie("_xsrf"), "X-CSRFToken": getCookie("_xsrf") };
        return (await fetch(url, { method, headers })).status;
    }"""
    requests = [(url.format(id=number), "GET") for url in CLOSED]
    requests += [(url, method) for url in POSTED for method in ("POST", "PUT", "DELETE")]
    answers = {(url, method): page.evaluate(ask, [url, method]) for url, method in requests}
    assert {one: status for one, status in answers.items() if status not in (403, 404, 405)} == {}
    assert (
        page.evaluate(ask, [f"/formgrader/api/grades?submission_id={number}", "GET"]) == 200
    )  # it is signed in


def test_script_in_an_address_does_not_run(formgrader, page):
    """nbgrader writes a part of the address into a script of its page."""
    for part in ('";window.ran=1;//', "</script><script>window.ran=1</script>", "\\"):
        page.goto(f"{formgrader}/formgrader/gradebook/{urllib.request.quote(part, safe='')}/x")
        assert page.evaluate("window.ran") is None


def test_the_pages_need_the_token_and_are_for_this_machine_only(formgrader):
    with urllib.request.urlopen(f"{formgrader}/formgrader/gradebook", timeout=30) as answer:
        assert "/login" in answer.url
    request = urllib.request.Request(f"{formgrader}/formgrader/gradebook", headers={"Host": "evil.example"})
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(request, timeout=30)
    port = int(formgrader.rpartition(":")[2])
    lines = [
        line.split() for name in ("tcp", "tcp6") for line in Path("/proc/net", name).read_text().splitlines()
    ]
    found = {line[1] for line in lines if line[1].endswith(f":{port:04X}") and line[3] == "0A"}
    assert found == {f"0100007F:{port:04X}"}


@pytest.mark.parametrize(
    "words", [["--ip", "0.0.0.0"], ["--ServerApp.ip=0.0.0.0"], ["--port", "many"], ["--port", "70000"]]
)
def test_other_options_are_refused(room, words, capsys):
    with pytest.raises(SystemExit, match=r"^[12]$"):
        sys.exit(main(["--course", str(room.folder), "formgrader", *words]))
    assert words[0] in capsys.readouterr().err


def test_make_hands_its_options_on():
    """For a machine used through ssh: `make formgrader LAB="--no-browser --port 8899"`."""
    options = ["--no-print-directory", "-n", "-o", ".venv/installed"]
    command = ["make", *options, "formgrader", "LAB=--no-browser --port 8899"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("coursework formgrader --no-browser --port 8899")


@pytest.mark.parametrize("name", PAYLOADS)
def test_unsafe_markup_becomes_plain_text_and_stays_complete(name):
    text = PAYLOADS[name]
    told = inert(text)
    assert told != text or name == "broken tag"  # plain text in Markdown, too
    assert is_harmless(told)
    assert told.startswith(NOTE) or told == text
    assert "href" not in re.sub(r"<pre>.*</pre>", "", prose(told), flags=re.DOTALL)
    for line in text.splitlines():
        assert line in told
    for one in BeautifulSoup(prose(text), "html.parser").find_all(True):  # also without that
        assert one.name in TAGS
        assert set(one.attrs) <= {"href"}
        assert ADDRESS.match(one.get("href", "#"))


@pytest.mark.parametrize("name", HARMLESS)
def test_honest_words_stay_as_they_are(name):
    assert inert(HARMLESS[name]) == HARMLESS[name]
