"""The chapters' notebooks follow a common pattern, and their exercises have starters and solutions."""

import ast
import json
import re
from pathlib import Path

import pytest
import yaml

from attnbook import check
from bookpress import ROOT

CHAPTERS = sorted((ROOT / "chapters").glob("*.ipynb"))
NAMES = [path.stem for path in CHAPTERS]
SOLUTION = re.compile(r"<summary>Solution</summary>\n\n```python\n(.*?)\n```", re.DOTALL)
MOST_CODE = {
    "01": 150,
    "02": 150,
    "03": 150,
    "04": 150,
    "05": 150,
    "09": 150,
    "06": 150,
    "07": 150,
    "08": 150,
    "10": 150,
}  # lines a chapter may show before its exercises; 600 if not listed
PARTS = ["Reading the article closely", "Exercises", "Check yourself", "Recap", "References"]


def cells(path: Path, kind: str) -> list[str]:
    """The sources of a notebook's cells of one type."""
    notebook = json.loads(path.read_text("utf8"))
    return ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == kind]


def opening(path: Path) -> str:
    """The text before a notebook's first section."""
    return "\n\n".join(cells(path, "markdown")).partition("\n## ")[0]


def is_listing(cell: dict) -> bool:
    """Whether a cell shows a whole model, built from the parts of the chapters before."""
    return "listing" in cell["metadata"].get("tags", [])


def are_imports(code: str) -> bool:
    return code.removeprefix("# @title Setup\n").startswith(("import ", "from "))


def exercise_id(code: str) -> str:
    return re.search(r'check\("(\d+\.\d+)"', code)[1]


def exercises_of(path: Path) -> list[str]:
    return [name for name in check.exercises if name.split(".")[0] == str(int(path.stem[:2]))]


@pytest.fixture(scope="module", params=CHAPTERS, ids=NAMES)
def chapter(request):
    return request.param


@pytest.fixture(scope="module")
def names(chapter):
    """The names available in the chapter's exercises: its imports, and what a cell gives to an exercise."""
    code = cells(chapter, "code")
    imports = next(each for each in code if are_imports(each) and "torch" in each)
    namespace = {}
    for each in [imports, *(each for each in code if each.startswith("# @title For exercise "))]:
        exec(compile(each, f"{chapter.name}: names", "exec"), namespace)
    return namespace


def test_every_chapter_is_in_the_table_of_contents():
    contents = yaml.safe_load((ROOT / "_toc.yml").read_text("utf8"))
    listed = [entry["file"] for part in contents["parts"] for entry in part["chapters"]]
    assert NAMES
    assert {f"chapters/{name}" for name in NAMES} <= set(listed)


def test_cells_have_ids_of_their_own(chapter):
    ids = [cell["id"] for cell in json.loads(chapter.read_text("utf8"))["cells"]]
    assert len(ids) == len(set(ids))


def test_outputs_are_stripped(chapter):
    for cell in json.loads(chapter.read_text("utf8"))["cells"]:
        assert not cell.get("outputs"), cell["id"]
        assert cell.get("execution_count") is None, cell["id"]


def test_the_setup_cell_is_the_same_in_every_chapter(chapter):
    assert cells(chapter, "code")[0] == cells(CHAPTERS[0], "code")[0]
    assert 'find_spec("attnbook") is None' in cells(chapter, "code")[0]


def test_all_parts_of_the_pattern_are_in_order(chapter):
    text = "\n".join(cells(chapter, "markdown"))
    assert text.startswith(f"# {int(chapter.stem[:2])}. ")
    for promise in ("**You will be able to**", "**You need**", "**Reading**", "**Running**"):
        assert opening(chapter).count(promise) == 1
    assert [part for part in re.findall(r"^## (.+)$", text, re.MULTILINE) if part in PARTS] == PARTS


def test_the_home_page_links_to_it_with_its_minutes(chapter):
    home = (ROOT / "chapters" / "index.md").read_text("utf8")
    title = cells(chapter, "markdown")[0].splitlines()[0].removeprefix("# ")
    minutes = re.search(r"\*\*Reading\*\* (\d+) minutes", opening(chapter))[1]
    assert f"| [{title}]({chapter.name}) {minutes} min | " in home


def test_cells_are_short(chapter):
    """Folded cells may be longer, and so may a whole model in one listing."""
    for cell in json.loads(chapter.read_text("utf8"))["cells"]:
        code = "".join(cell["source"])
        if cell["cell_type"] == "code" and not code.startswith("# @title ") and not are_imports(code):
            assert len(code.splitlines()) <= (120 if is_listing(cell) else 20), code


def test_folded_code_is_folded_everywhere_and_says_what_it_does(chapter):
    """On the site (tags), in JupyterLab (`source_hidden`) and in Colab (`cellView`)."""
    for cell in json.loads(chapter.read_text("utf8"))["cells"]:
        marks, source = cell["metadata"], "".join(cell["source"])
        if set(marks.get("tags", [])) & {"hide-input", "hide-cell", "remove-cell"}:
            assert marks.get("jupyter", {}).get("source_hidden") is True, cell["id"]
            assert marks.get("cellView") == "form", cell["id"]
            assert source.startswith("# @title ") or "remove-cell" in marks["tags"], cell["id"]
        else:
            assert not {"jupyter", "cellView"} & set(marks), cell["id"]
            assert "# @title" not in source, cell["id"]


def test_the_code_a_reader_sees_is_short(chapter):
    """Folded code, exercises and listings don't count."""
    seen = 0
    for cell in json.loads(chapter.read_text("utf8"))["cells"]:
        source = "".join(cell["source"])
        if source.startswith("## Exercises"):
            break
        folded = set(cell["metadata"].get("tags", [])) & {"hide-input", "hide-cell", "remove-cell"}
        exercise = re.search(r'^check\("', source, re.MULTILINE)
        if cell["cell_type"] == "code" and not folded and not exercise and not is_listing(cell):
            seen += len(source.splitlines())
    assert seen <= MOST_CODE.get(chapter.stem[:2], 600)


def test_no_directive_appears_raw_outside_the_book(chapter):
    for text in cells(chapter, "markdown"):
        assert not re.search(r"^(```\{|:::|\([\w-]+\)=)", text, re.MULTILINE), text
        assert not re.search(r"\{[a-z:]+\}`", text), text


def test_markdown_folds_are_balanced(chapter):
    for text in cells(chapter, "markdown"):
        assert text.count("<details>") == text.count("</details>")
        assert text.count("<details>") == text.count("<summary>")


@pytest.mark.trains
def test_each_exercise_has_a_starter_to_fill_in_and_a_solution_that_passes(chapter, names, capsys):
    starters = [code for code in cells(chapter, "code") if re.search(r'^check\("', code, re.MULTILINE)]
    solutions = [code for text in cells(chapter, "markdown") for code in SOLUTION.findall(text)]
    wanted = exercises_of(chapter)
    assert len(wanted) >= 3
    assert [exercise_id(code) for code in starters] == wanted
    assert [exercise_id(code) for code in solutions] == wanted
    for code in starters:
        assert verdict(code, names).state == "pending", code
    for code in solutions:
        result = verdict(code, names)
        assert result.passed, f"{code}\n{result.message}"


def made_by(code: str) -> set[str]:
    """The names that a cell binds."""
    found = set()
    for node in ast.parse(re.sub(r"^( *)[%!].*", r"\1pass", code, flags=re.MULTILINE)).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        else:
            stored = (each for each in ast.walk(node) if isinstance(each, ast.Name))
            found |= {each.id for each in stored if isinstance(each.ctx, ast.Store)}
            aliases = (each for each in ast.walk(node) if isinstance(each, ast.alias))
            found |= {(each.asname or each.name).split(".")[0] for each in aliases}
    return found


def test_no_starter_overwrites_a_name_of_the_chapter(chapter):
    """A reader can run an earlier cell again after an exercise."""
    taken = set()
    for code in cells(chapter, "code"):
        if re.search(r'^check\("', code, re.MULTILINE):
            assert not made_by(code) & taken, code
        else:
            taken |= made_by(code)


def test_no_solution_overwrites_what_a_function_of_the_chapter_reads(chapter):
    """A reader can use such a function, or run its cell again, after trying the solution."""
    codes = [code for code in cells(chapter, "code") if not re.search(r'^check\("', code, re.MULTILINE)]
    read, made, statements = set(), set(), set()
    for code in codes:
        tree = ast.parse(re.sub(r"^( *)[%!].*", r"\1pass", code, flags=re.MULTILINE))
        statements |= {ast.dump(each) for each in tree.body}
        made |= made_by(code)
        for function in ast.walk(tree):
            if isinstance(function, ast.FunctionDef):
                inside = [each for each in ast.walk(function) if isinstance(each, ast.Name)]
                own = {each.id for each in inside if isinstance(each.ctx, ast.Store)}
                own |= {each.arg for each in ast.walk(function) if isinstance(each, ast.arg)}
                read |= {each.id for each in inside} - own
    for text in cells(chapter, "markdown"):
        for code in SOLUTION.findall(text):
            new = [each for each in ast.parse(code).body if ast.dump(each) not in statements]
            assert not made_by(ast.unparse(new)) & read & made, code


def nameless(node: ast.AST) -> str:
    """An expression with one name in place of all others."""
    copy = ast.parse(ast.unparse(node))
    for each in ast.walk(copy):
        if isinstance(each, ast.Name):
            each.id = "_"
    return ast.dump(copy)


def written_in(code: str) -> set[str]:
    """What the lines of some code compute, compare or assign to, apart from names and constants."""
    found = []
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Assign):
            found += [node.value, *(each for each in node.targets if isinstance(each, ast.Subscript))]
        elif isinstance(node, ast.Return | ast.Expr | ast.AugAssign):
            found += [node.value] if node.value else []
        elif isinstance(node, ast.If | ast.While):
            found.append(node.test)
    return {nameless(each) for each in found if len(list(ast.walk(each))) > 3}


def is_code(text: str) -> bool:
    try:
        return bool(ast.parse(text))
    except SyntaxError:
        return False


def test_the_last_hint_spells_out_no_line_of_the_solution(chapter):
    for text in cells(chapter, "markdown"):
        if solution := SOLUTION.search(text):
            last = text[: solution.start()].rpartition("</summary>")[2].partition("</details>")[0]
            spans = filter(is_code, re.findall(r"`([^`]+)`", last))
            assert [span for span in spans if written_in(span) & written_in(solution[1])] == []


def verdict(code: str, names: dict):
    """The verdict of `check` at the end of this code."""
    namespace = {**names}
    kept = []
    namespace["check"] = lambda *arguments: kept.append(check(*arguments))
    exec(compile(code, "exercise", "exec"), namespace)
    assert len(kept) == 1
    return kept[0]


def test_the_exercises_say_that_a_summary_shows_how_far_one_is_and_that_answers_are_sent_nowhere(chapter):
    text = "\n".join(cells(chapter, "markdown"))
    words = "`check.summary()` shows how far you are. `check` sends your answers nowhere."
    assert words in text[: text.index("### Exercise")]
    assert cells(chapter, "code").count("check.summary()") == 1


def test_self_check_questions_explain_every_choice(chapter):
    text = "\n".join(cells(chapter, "markdown"))
    part = text[text.index("## Check yourself") : text.index("## Recap")]
    questions = re.split(r"\n\*\*(?=\d+\. )", part)[1:]
    assert 3 <= len(questions) <= 5
    for question in questions:
        choices = re.findall(r"<summary>(.+?)</summary>\n\n(.+?)\n\n</details>", question, re.DOTALL)
        assert len(choices) >= 2, question
        assert sum(answer.startswith("**Right.**") for _, answer in choices) == 1, question
        assert all(len(answer.split()) >= 5 for _, answer in choices), question


def test_self_check_answers_can_be_shuffled(chapter):
    """The site shuffles them, so no text may refer to a letter or to "both of the above"."""
    text = "\n".join(cells(chapter, "markdown"))
    part = text[text.index("## Check yourself") : text.index("## Recap")]
    letter = r"\b(?:[Aa]nswers?|[Cc]hoices?|[Oo]ptions?)\s+[A-E]\b|\bof the above\b"
    assert re.findall(letter, part) == []
    assert not re.search(r"<summary>[A-E]\. (Both|Neither|All)\.?</summary>", part)


def test_right_answers_are_not_mostly_at_one_letter():
    texts = ["\n".join(cells(path, "markdown")) for path in CHAPTERS]
    answer = re.compile(r"<summary>([A-E])\. .+?</summary>\n\n\*\*Right\.\*\*")
    right = [letter for text in texts for letter in answer.findall(text)]
    assert len(right) >= 3 * len(CHAPTERS)
    assert max(map(right.count, right)) <= len(right) / 2
