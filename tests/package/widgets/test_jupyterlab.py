"""Widgets in JupyterLab with a kernel: clicks reach Python, and changes in Python are shown."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable

import nbformat
import pytest
from playwright.sync_api import expect

from tests.servers import free_ports, wait_until_it_answers

TOKEN = "widgets-under-test"
PATIENCE = 120  # seconds
CELLS = [
    """import torch
from attnbook.widgets import AttentionExplorer
torch.manual_seed(0)
weights = torch.softmax(3 * torch.randn(2, 6, 6), -1)
explorer = AttentionExplorer(weights, "one two three four five six".split(), head=0, title="Live")
explorer""",
    """print(f"locked={explorer.locked} head={explorer.head}; weight={weights[0, 2, 4]:.3f}")""",
    """explorer.head, explorer.locked, explorer.title = 1, 5, "Changed"
print(f"set; weight={weights[1, 2, 4]:.3f}")""",
    """from attnbook.widgets import AttentionStepper
stepper = AttentionStepper(*torch.randn(3, 4, 2), list("abcd"), title="Steps")
stepper""",
    """print(stepper.step, stepper.masking, stepper.selected)""",
    """stepper.step, stepper.mask_when = 5, "after"
print(f"{stepper.weights[3, 1]:.4f}")""",
    """from attnbook.widgets import PathExplorer
paths = PathExplorer(list("abcde"), title="Ways")
paths""",
    """print(paths.source, paths.target, paths.layers, paths.steps["convolution"])""",
    """paths.source, paths.target, paths.kernel = 3, 0, 5
print(paths.steps["convolution"])""",
    """from attnbook.widgets import QueryPlane
plane = QueryPlane([[1.0, 0.0], [0.0, 1.0]], [1, 2], ["east", "north"], title="Plane")
plane""",
    """place = " ".join(f"{x:.2f}" for x in plane.query)
print(place, plane.score, f"{plane.weights[1]:.3f} {plane.output[0]:.2f}")""",
    """plane.query, plane.temperature = [0.5, 0.25], 0.1
print(f"{plane.weights[1]:.3f} {plane.output[0]:.2f}")""",
    """from ipywidgets import IntSlider, VBox, jslink
maps = torch.softmax(3 * torch.randn(4, 2, 3, 5, 5), -1)
many = AttentionExplorer(maps, list("abcde"), title="Many", frames=["0", "10", "20", "30"])
slider = IntSlider(max=4)
jslink((slider, "value"), (many, "locked"))
VBox([many, slider])""",
    """print(many.frame, many.layer, many.head, many.locked, many.scale, many.order, many.hide_first)""",
    """many.frame, many.layer, many.head, many.hide_first = 3, 0, 1, False
many.scale, many.order = "full", "model"
slider.value = 2
print(f"{maps[3, 0, 1, 2, 4]:.3f}")""",
    """large = torch.rand(12, 12, 512, 512)
large /= large.sum(-1, keepdim=True)
names = [f"t{i}" for i in range(512)]
huge = AttentionExplorer(large, names, title="Huge", locked=3, layer=0, head=0)
huge""",
    """print([f"{weights[3].max():.3f}" for weights in (large[0, 0], large[11, 4], large[5].mean(0))])""",
    """from attnbook.widgets import DateTranslator
dates = DateTranslator(title="Dates", flow=True)
dates""",
    """print(dates.text, dates.target, dates.kind, dates.translation.text, sep=" | ")""",
    """dates.text, dates.target = "7 mars 2009", "de"
print(dates.translation.text)""",
    """from attnbook.widgets import PositionClocks
clocks = PositionClocks(title="Clocks")
clocks""",
    """print(clocks.position, clocks.offset)""",
    """clocks.offset = 7
print(f"{clocks.dot:.2f}")""",
    """from attnbook.widgets import AttentionTrainer
trainer = AttentionTrainer(title="Neighbours")
trainer""",
    """print(trainer.heads, trainer.positions, trainer.training)""",
    """trainer.heads, trainer.training = 1, True""",
    """print(trainer.training, len(trainer.runs), f"{trainer.runs[-1]['both']:.3f}")""",
    """trainer""",
    """trainer.seed, trainer.training = 5, True""",
    """print(trainer.seed, trainer.training, len(trainer.runs))""",
    """values = torch.tensor([[1.0], [2.0], [4.0]])
three = torch.full((3, 3), 1 / 3)
edited = AttentionExplorer(three, list("abc"), values=values, view="edit", title="Edited")
edited""",
    """print(edited.forbidden, edited.values, edited.view)""",
    """edited.forbidden, edited.view = [], 'lines'""",
    """dates.kind, dates.cuts = "cross", ["cross.1.1"]
dates.text, dates.target = "Saturday, August 19, 2000", "zh"
print(dates.translation.text)""",
    """print(dates.cuts, dates.translation.text)""",
    """from attnbook.widgets import TrainingExplorer
course = TrainingExplorer(title="Course", tour=True)
course""",
    """print(course.step, course.layer, course.head)""",
    """course.step, course.layer, course.head = 181, 0, 2
print("".join(course.snapshot.written))""",
    """from attnbook.widgets import LanguageModelExplorer
language = LanguageModelExplorer(title="Language")
language""",
    """print(language.prompt, language.cut)""",
    """language.prompt, language.cut = "The capital of Italy is", [[18, 6]]""",
]
LINKS = "[in German](#dates-1_into-de), [layer 1, head 0](#attention-2_layer-1_head-0)"  # as in chapters


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """A JupyterLab of its own on this machine, with one notebook; it is ended when the tests are."""
    root = tmp_path_factory.mktemp("lab")
    cells = [nbformat.v4.new_code_cell(source) for source in CELLS]
    notebook = nbformat.v4.new_notebook(cells=[*cells, nbformat.v4.new_markdown_cell(LINKS)])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, root / "live.ipynb")
    settings = root / "settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    quiet = {"fetchNews": "false", "checkForUpdates": False}
    (settings / "notification.jupyterlab-settings").write_text(json.dumps(quiet))
    (port,) = free_ports(1)
    folders = {f"JUPYTER_{name}_DIR": str(root / name.lower()) for name in ("CONFIG", "RUNTIME", "DATA")}
    folders |= {
        "JUPYTERLAB_SETTINGS_DIR": str(root / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(root / "workspaces"),
    }
    command = [
        sys.executable,
        "-m",
        "jupyterlab",
        "--no-browser",
        f"--port={port}",
        "--port-retries=0",
        "--ip=127.0.0.1",
    ]
    command += [
        f"--IdentityProvider.token={TOKEN}",
        f"--ServerApp.root_dir={root}",
        "--LabApp.expose_app_in_browser=True",
    ]
    command += ["--allow-root"] if hasattr(os, "getuid") and os.getuid() == 0 else []
    with open(root / "log.txt", "wb") as log:
        process = subprocess.Popen(
            command, env=os.environ | folders | {"IPYTHONDIR": str(root / "ipython")}, stdout=log, stderr=log
        )
    address = f"http://127.0.0.1:{port}/"
    try:
        wait_until_it_answers(f"{address}api", process, root / "log.txt")
        yield address
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def notebook(lab, browser):
    """The notebook, opened and with its first cell run."""
    page = browser.new_page(viewport={"width": 1200, "height": 1000})
    page.foreign = []
    page.route(
        lambda url: not url.startswith((lab, "data:", "blob:", lab.replace("http", "ws"))),
        lambda route: (page.foreign.append(route.request.url), route.abort()),
    )
    page.goto(f"{lab}lab/tree/live.ipynb?token={TOKEN}")
    page.wait_for_function(
        "() => window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel?.status == 'idle'"
    )
    run(page, 0)
    page.wait_for_selector(".map canvas")
    yield page
    page.close()


def run(page, index) -> str:
    """Run a cell and return its output."""
    run_quietly(page, index)
    return page.locator(".jp-Cell").nth(index).locator(".jp-OutputArea-output").first.inner_text().strip()


def run_quietly(page, index) -> None:
    """Run a cell that has no output."""
    page.evaluate(
        """async index => {
          window.jupyterapp.shell.currentWidget.content.activeCellIndex = index;
          await window.jupyterapp.commands.execute('notebook:run-cell');
        }""",
        index,
    )


def expect_said(page, index, wanted: Callable[[], str]) -> None:
    """Run a cell until it prints what the page shows: the page's changes reach the kernel one at a time."""
    end = time.monotonic() + PATIENCE
    while (said := run(page, index)) != wanted() and time.monotonic() < end:
        time.sleep(0.05)
    assert said == wanted()


def point(page, row, column):
    page.locator(".map").scroll_into_view_if_needed()
    box = page.locator(".map").bounding_box()
    return box["x"] + box["width"] * (column + 0.5) / 6, box["y"] + box["height"] * (row + 0.5) / 6


def test_python_and_page_stay_together(notebook):
    page = notebook
    page.mouse.move(*point(page, 2, 4))
    read = page.locator(".value").inner_text()
    page.mouse.click(*point(page, 2, 4))
    assert page.locator(".most").text_content().startswith("Locked: three")

    assert run(page, 1) == f"locked=2 head=0; weight={read}"

    said = run(page, 2)
    page.wait_for_selector(".title:has-text('Changed')")
    assert page.locator(".most").text_content().startswith("Locked: six")
    assert page.get_by_role("radio", name="Head 1").is_checked()
    page.mouse.move(*point(page, 2, 4))
    assert said == f"set; weight={page.locator('.value').inner_text()}"


def test_the_map_keeps_its_keys_to_itself(notebook):
    """JupyterLab would otherwise handle arrows, Enter and Escape."""
    page = notebook
    page.mouse.move(5, 5)
    page.locator(".map").focus()
    selected = "() => window.jupyterapp.shell.currentWidget.content.activeCellIndex"
    before = page.evaluate(selected)
    for key in ("ArrowDown", "ArrowDown", "ArrowRight"):
        page.keyboard.press(key)
    assert page.locator(".cell bdi").all_text_contents() == [
        "six",
        "two",
    ]  # down from the locked row, the last
    assert page.evaluate(selected) == before
    page.keyboard.press("Escape")
    assert not page.locator(".most").text_content().startswith("Locked")
    assert page.locator(".map").evaluate("map => map.getRootNode().activeElement === map")


def test_jupyterlabs_dark_theme_is_followed(notebook):
    page = notebook
    root = page.locator(".attnbook-widget .root")
    assert root.get_attribute("data-theme") == "light"
    page.evaluate(
        "() => window.jupyterapp.commands.execute('apputils:change-theme', {theme: 'JupyterLab Dark'})"
    )
    page.wait_for_function("() => document.body.dataset.jpThemeLight == 'false'")
    expect(root).to_have_attribute("data-theme", "dark")


def test_a_stepper_and_python_stay_together(notebook):
    page = notebook
    run(page, 3)
    stage = lambda name: page.locator(f".ab-stage[data-stage={name}]")  # noqa: E731
    page.get_by_role("button", name="Next", exact=True).click()
    page.get_by_role("combobox", name="mask").select_option("causal")
    stage("scores").locator("tbody td").nth(6).click()
    page.wait_for_selector(".sum:has-text('score(b, c) = ')")
    expect_said(page, 4, lambda: "1 causal ['scores', 1, 2]")
    weight = run(page, 5)
    page.wait_for_selector(".count:has-text('Step 5 of 5')")
    assert stage("masked").locator("tbody tr").nth(3).locator("td").nth(1).inner_text() == weight


def test_a_path_explorer_and_python_stay_together(notebook):
    page = notebook
    run(page, 6)
    page.wait_for_selector(".ab-panels")
    flag = page.get_by_role("slider", name="from", exact=True)
    flag.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert flag.evaluate("flag => flag.getRootNode().activeElement === flag")
    page.get_by_role("slider", name="convolution layers").press("ArrowRight")
    assert page.get_by_role("slider", name="convolution layers").get_attribute("aria-valuetext") == "3"
    expect_said(page, 7, lambda: "2 4 3 3")
    steps = run(page, 8)
    page.wait_for_selector(".ab-panel .formula:has-text('1 − 4 + 1 < 1')")
    assert flag.get_attribute("aria-valuetext") == "d, 4 of 5"
    panel = page.locator(".ab-panel").nth(1)
    assert panel.locator(".steps").inner_text() == f"{steps} steps"


def test_a_query_plane_and_python_stay_together(notebook):
    page = notebook
    run(page, 9)
    page.wait_for_selector(".handle")
    plane = page.locator(".attnbook-widget:has(.handle)")
    weight, average = plane.locator("tbody .number data").nth(1), plane.locator("tfoot .value data")
    before = plane.locator(".handle").get_attribute("aria-label")
    plane.locator(".handle").focus()
    for _ in range(4):
        page.keyboard.press("ArrowUp")
    plane.get_by_role("combobox", name="score by").select_option("distance")

    def shown() -> str:
        place = re.findall(r"[-−]?\d+\.\d+", plane.locator(".handle").get_attribute("aria-label"))
        return f"{' '.join(place)} distance {weight.inner_text()} {average.inner_text()}".replace("−", "-")

    assert plane.locator(".handle").get_attribute("aria-label") != before
    expect_said(page, 10, shown)
    weighs, averaged = run(page, 11).split()
    expect(weight).to_have_text(weighs)
    expect(average).to_have_text(averaged)


def explorer(page, title):
    return page.locator(f".attnbook-widget:has(.ab-title span:text-is('{title}'))")


def test_every_choice_goes_both_ways(notebook):
    page = notebook
    run(page, 12)
    many = explorer(page, "Many")
    many.get_by_role("slider", name="Frame").fill("2")
    many.get_by_role("radio", name="Layer 1, mean of heads").click()
    many.locator(".queries .label").nth(3).click()
    many.get_by_role("button", name="Options").click()
    many.get_by_label("Colours").select_option("log")
    many.get_by_label("Order of the maps").select_option("entropy")
    many.get_by_label("Leave out the first key").check()
    expect_said(page, 13, lambda: "2 1 -1 3 log entropy True")

    weight = run(page, 14)
    expect(many.locator(".frame-name")).to_have_text("30")
    expect(many.get_by_role("radio", name="Layer 0, head 1")).to_be_checked()
    expect(many.locator(".most")).to_have_text(re.compile("^Locked: c"))  # by the slider, linked in the page
    expect(many.get_by_label("Colours")).to_have_value("full")
    expect(many.get_by_label("Leave out the first key")).not_to_be_checked()
    many.get_by_role("button", name="Table").click()
    assert many.locator("tbody tr").nth(2).locator("td").nth(4).inner_text() == weight


def test_huge_maps_come_as_they_are_asked_for(notebook):
    page = notebook
    run(page, 15)
    huge = explorer(page, "Huge")
    strongest = lambda: huge.locator(".most").text_content().split(" · ")[0].split()[-1]  # noqa: E731
    shown = [strongest()]
    for name in ("Layer 11, head 4", "Layer 5, mean of heads"):
        huge.get_by_role("radio", name=name).click()
        expect(huge.get_by_role("radio", name=name)).to_be_checked()
        huge.locator(".notice").wait_for(state="hidden")
        shown.append(strongest())
    assert run(page, 16) == str(shown)
    painted = "nodes => nodes.every(node => node.width === 40)"
    assert huge.locator(".thumb canvas").evaluate_all(painted)


def test_a_translator_and_python_stay_together(notebook):
    """Python sends its model once."""
    page = notebook
    run(page, 17)
    dates = explorer(page, "Dates")
    dates.get_by_label("Type a date").fill("1. Mai 2001")
    dates.get_by_label("Type a date").press("Enter")
    expect(dates.locator(".flow-sources > span")).to_have_count(len("1. Mai 2001") + 1)
    expect(dates.locator(".ab-flow-stage canvas")).to_have_js_property("hidden", False)
    dates.get_by_role("button", name="heatmaps").click()
    dates.get_by_role("button", name="Encoder self-attention").click()
    dates.get_by_label("translate into").select_option("fr")
    dates.locator("caption:has-text(' of 11:')").wait_for(state="attached")
    dates.get_by_role("slider", name="Frame").press("End")
    written = dates.locator(".written")
    expect_said(page, 18, lambda: f"1. Mai 2001 | fr | encoder | {written.inner_text()}")

    made = run(page, 19)
    dates.locator(f"caption:has-text(' of {len(made) + 1}:')").wait_for(state="attached")
    dates.get_by_role("slider", name="Frame").press("End")
    assert dates.locator(".written").inner_text() == made


def test_position_clocks_and_python_stay_together(notebook):
    page = notebook
    run(page, 20)
    position = page.get_by_role("slider", name="position t")
    for key in ("End", "ArrowLeft"):
        position.press(key)
    expect_said(page, 21, lambda: "99 3")
    dot = run(page, 22)
    expect(page.locator(".ab-total b data")).to_have_text(dot.replace("-", "−"))


def test_a_trainer_and_python_stay_together(notebook):
    """The worker is text in the module; a training that Python starts in the page ends in Python's traits."""
    page = notebook
    run(page, 23)
    trainer = explorer(page, "Neighbours")
    trainer.get_by_role("radio", name="4").check()
    trainer.get_by_label("positions").uncheck()
    expect_said(page, 24, lambda: "4 False False")
    run_quietly(page, 25)
    expect(trainer.get_by_role("radio", name="1")).to_be_checked()
    expect(trainer.locator(".status")).to_contain_text("Finished", timeout=PATIENCE * 1000)
    both = trainer.locator("tbody tr").first.locator("td data").last
    expect_said(page, 26, lambda: f"False 3 {float(both.get_attribute('value')):.3f}")


def test_two_views_of_a_trainer_share_one_training(notebook):
    page = notebook
    run_quietly(page, 27)
    both = explorer(page, "Neighbours")
    expect(both).to_have_count(2)
    workers = len(page.workers)
    run_quietly(page, 28)
    for view in both.all():
        expect(view.locator("tbody tr")).to_have_count(4, timeout=PATIENCE * 1000)
        expect(view.locator(".status")).to_contain_text("Finished")
    said = [view.locator("tbody tr").first.inner_text() for view in both.all()]
    assert said[0] == said[1]
    assert len(page.workers) == workers
    expect_said(page, 29, lambda: "5 False 4")


def test_an_edited_map_and_python_stay_together(notebook):
    page = notebook
    run(page, 30)
    edited = explorer(page, "Edited")
    edited.locator(".edited tbody button").nth(1).click()
    edited.locator(".edited input").nth(2).fill("-3")
    expect_said(page, 31, lambda: "[[0, 1]] [[1.0], [2.0], [-3.0]] edit")
    run_quietly(page, 32)
    expect(edited.locator(".drawn path").first).to_be_attached()


def test_cuts_and_python_stay_together(notebook):
    page = notebook
    dates = explorer(page, "Dates")
    made = run(page, 33)
    dates.get_by_role("slider", name="Frame").press("End")
    expect(dates.locator(".written")).to_have_text(made)
    dates.get_by_role("button", name="undo: ").click()
    dates.get_by_role("button", name="✂ cut").click()
    dates.get_by_role("radio", name="Layer 1, head 3").click()
    expect(dates.locator(".cuts li")).to_have_count(1)
    expect_said(page, 34, lambda: f"['cross.1.3'] {dates.locator('.written').inner_text()}")


def test_a_training_and_python_stay_together(notebook):
    page = notebook
    run(page, 35)
    course = explorer(page, "Course")
    course.get_by_role("slider", name="Training step").press("End")
    course.get_by_role("radio", name="layer 1, head 3").check(force=True)
    expect_said(page, 36, lambda: "3500 1 3")
    written = run(page, 37)
    expect(course.locator(".written")).to_have_text(written.replace("⟨end⟩", "end"))
    expect(course.get_by_role("radio", name="layer 0, head 2")).to_be_checked()
    course.get_by_role("button", name="Tour", exact=True).click()
    expect(course.get_by_role("dialog")).to_contain_text("1 of 7")


def test_a_language_model_is_sent_by_python(notebook):
    page = notebook
    run(page, 38)
    language = explorer(page, "Language")
    rows = language.locator("tbody tr")
    expect(rows.first).to_contain_text("pencil0.637")
    expect(language).to_contain_text("98.4 MB, which Python sends to this page.")
    language.get_by_role("button", name="Load the model").click()
    said = language.get_by_text("The model runs in this page.", exact=True)
    expect(said).to_be_visible(timeout=PATIENCE * 1000)
    expect(language.get_by_role("button", name="Remove")).to_have_count(0)
    prompt = language.get_by_label("Prompt", exact=True)
    prompt.fill("The capital of France is")
    prompt.press("Enter")
    expect(rows.first).to_contain_text("Paris")
    language.get_by_role("button", name="Cut head 18·6").click()
    expect_said(page, 39, lambda: "The capital of France is [[18, 6]]")
    run_quietly(page, 40)
    expect(rows.first).to_contain_text("Rome")
    expect(language.locator("thead th")).to_have_count(3)


def test_links_in_the_text_set_widgets_of_their_notebook(notebook):
    """Here as on a page, #attention-2 is the second explorer."""
    page = notebook
    address = page.url
    page.get_by_role("link", name="in German").click()
    expect(explorer(page, "Dates").get_by_label("translate into")).to_have_value("de")
    expect(explorer(page, "Dates")).to_be_in_viewport()
    expect_said(page, 34, lambda: "[] Samstag, 7. März 2009")  # its first date, without the cuts
    page.get_by_role("link", name="layer 1, head 0").click()
    many = explorer(page, "Many")
    expect(many.get_by_role("radio", name="Layer 1, head 0", exact=True)).to_be_checked()
    expect(many).to_be_in_viewport()
    assert run(page, 13).split()[1:3] == ["1", "0"]
    assert page.url == address


def test_what_only_graders_need_is_out_of_sight(notebook):
    """nbgrader is installed in the same environment and would add a menu, a panel and buttons."""
    shown = notebook.locator("body").inner_text()
    assert "Settings" in shown  # JupyterLab's own menu
    assert "nbgrader" not in shown.lower()
    assert "Assignment" not in shown


def test_nothing_was_asked_of_another_host(notebook):
    assert notebook.foreign == []
