"""Questions to check oneself: radio buttons whose answers explain themselves.

In a notebook a question is a bold paragraph, and each answer a fold:

    **1. How long is the context?**

    <details>
    <summary>A. As long as the source.</summary>

    No. It is one vector of fixed width.

    </details>

which works in JupyterLab, in Colab and on GitHub. On the book's pages, folds become radio buttons. Choosing
an answer shows its explanation, even without JavaScript; progress.js shuffles answers and keeps the score.
"""

import hashlib
import re

from bs4 import BeautifulSoup, Tag
from sphinx.errors import ExtensionError

from .page import Page

SECTION = "section#check-yourself"
RIGHT = "Right."  # begins the explanation of the right answer
NUMBER, LETTER = re.compile(r"\d+\. "), re.compile(r"\s*[A-Z]\.\s+")
FOOT = """<div class="ab-quiz-foot"><p class="ab-score" role="status"></p>
<button class="ab-again" type="button" hidden>Start over</button></div>"""


def make_quiz(page: Page) -> None:
    """Turn the questions of a chapter's page into groups of radio buttons."""
    section = page.soup.select_one(SECTION)
    found = questions(section) if section else []
    if not found:
        return
    quiz = page.soup.new_tag("div", attrs={"class": "ab-quiz", "data-chapter": page.file.stem})
    found[0][0].insert_before(quiz)
    for question, folds in found:
        quiz.append(group(page, question, folds))
    quiz.append(BeautifulSoup(FOOT, "html.parser"))


def questions(section: Tag) -> list[tuple[Tag, list[Tag]]]:
    """The questions of a section, bold paragraphs that begin with a number, each with its folds."""
    found: list[tuple[Tag, list[Tag]]] = []
    for node in section.find_all(["p", "details"], recursive=False):
        bold = node.find("strong", recursive=False)
        if node.name == "details" and found:
            found[-1][1].append(node)
        elif bold and NUMBER.match(bold.get_text()):
            found.append((node, []))
    return found


def group(page: Page, question: Tag, folds: list[Tag]) -> Tag:
    """One question as a group of radio buttons, whose names don't change when questions move."""
    right = [fold for fold in folds if explanation(fold).startswith(RIGHT)]
    if len(right) != 1 or len(folds) < 2:
        message = (
            f"{page.file.name}: “{question.get_text()}” has {len(folds)} answers, {len(right)} of them right"
        )
        raise ExtensionError(f"{message}; wanted one right answer of at least two")
    made, legend = page.soup.new_tag("fieldset"), page.soup.new_tag("legend")
    made["class"] = "ab-question"
    legend.extend([*question.strong.contents])
    made.append(legend)
    question.decompose()
    name = f"q{digest(legend)}"
    for fold in folds:
        made.append(choice(page, fold, name, fold in right))
    return made


def choice(page: Page, fold: Tag, name: str, right: bool) -> Tag:
    """An answer with its radio button and its explanation, made from a fold."""
    summary = fold.summary.extract()
    summary.contents[0].replace_with(LETTER.sub("", summary.contents[0], count=1))
    value = digest(summary)
    button = {"type": "radio", "name": name, "value": value, "id": f"{name}-{value}", "autocomplete": "off"}
    made = page.soup.new_tag("div", attrs={"class": "ab-choice", "aria-live": "polite"})
    if right:
        made["data-right"] = None
    label = page.soup.new_tag("label", attrs={"for": button["id"]})
    label.extend([*summary.contents])
    why = page.soup.new_tag("div", attrs={"class": "ab-why", "id": f"{button['id']}-why"})
    why.extend([*fold.contents])
    made.extend([page.soup.new_tag("input", attrs=button), label, why])
    fold.decompose()
    return made


def explanation(fold: Tag) -> str:
    return "".join(text for text in fold.strings if not text.find_parent("summary")).strip()


def digest(words: Tag) -> str:
    return hashlib.sha256(words.get_text().strip().encode()).hexdigest()[:6]
