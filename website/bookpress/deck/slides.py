"""What goes on which slide.

A section of the chapter is a stack of slides. Each figure, widget, formula, table, piece of code and output
gets a slide of its own, with the sentence that introduces it as headline and the measurement below it. Prose
in between becomes a slide of its key sentences; the full text is in the notes of the slide that follows.
"""

import re
from dataclasses import dataclass, field
from string import ascii_uppercase

from bs4 import Tag

from .cells import CODE_LINES, SMALL, height, kind_of, listing, listings, printed_parts, result, shown
from .markup import heading, inner, soup
from .prose import ended, formula, split_table, text_of, told
from .sentences import (
    begins_with_label,
    joined_sentences,
    key_sentence,
    plain,
    sentences,
    together,
    without_asides,
)

ROOM = 9.5  # lines of points on a slide
MORE = 2.5  # further lines to squeeze in rather than start another slide
PROMISE = 210  # characters of text under the chapter's title
REMARK = 170  # characters of a remark that fit under a figure
MEANING = 300  # characters that explain the symbols of a formula
LETTERS = re.compile(r"(?:where|with|Here|In it,?)?\s*\\\(")
REMARKABLE = ("picture", "table", "result", "formula", "code both", "code")
SIGHTS = ("widget", "picture")
SKIPPED = ("slide-skip", "hide-cell", "remove-cell")  # tags that keep a cell off the slides
FOLDED = "hide-input"  # a tag that keeps a cell's code off the slides
LEFT_OUT = {"references"}
EXERCISE = re.compile(r"exercise-\d")  # the id of an exercise's section
RECAP = "recap"  # a section whose code only repeats measurements


@dataclass
class Slide:
    """One slide: `kind` is its layout, `body` is HTML, `place` the id of its heading in the chapter."""

    kind: str
    headline: str = ""
    body: str = ""
    kicker: str = ""
    place: str = ""
    takeaway: str = ""
    notes: list[str] = field(default_factory=list)


def stacks(article: Tag) -> list[list[Slide]]:
    """The slides of a chapter's page, one list per section."""
    chapter = article.find("section")
    made = [[*opening(chapter), *hook(chapter)]]
    for section in chapter.find_all("section", recursive=False):
        writer = {"exercises": exercises, "check-yourself": questions}.get(section["id"], Section)
        if section["id"] not in LEFT_OUT:
            made.append(writer(section) if writer is not Section else Section(section).slides)
    return [stack for stack in made if stack]


def opening(chapter: Tag) -> list[Slide]:
    """The title slide and the slide of learning goals."""
    paragraphs = chapter.find_all(["p", "ul", "div"], recursive=False)
    drawing = next(
        (one for one in paragraphs if "cell" not in one.get("class", []) and one.find("svg")), None
    )
    promise = next(one for one in paragraphs if one.name == "p")
    title = Slide("title", heading(chapter, "h1"), place=chapter["id"])
    title.body = f"<p>{opening_words(promise)}</p>"
    title.notes = [str(plain(one)) for one in paragraphs if one.name == "p" and one is not drawing]
    goals = next((one for one in paragraphs if one.name == "ul"), None)
    aims = Slide("aims", "You will be able to", place=chapter["id"], notes=list(title.notes[1:]))
    aims.body = f'<div class="points">{plain(goals)}</div>' if goals else ""
    aims.body += f'<div class="map">{drawing.svg}</div>' if drawing else ""
    return [title, aims] if aims.body else [title]


def hook(chapter: Tag) -> list[Slide]:
    """The slides of what a chapter shows before its first section."""
    cells = "".join(map(str, chapter.find_all(class_="cell", recursive=False)))
    title = chapter.find("h1", recursive=False).decode_contents()
    return Section(soup(f'<section id="{chapter["id"]}"><h2>{title}</h2>{cells}</section>').section).slides


def opening_words(promise: Tag) -> str:
    """As many of the first paragraph's sentences as fit."""
    words = ""
    for sentence in together(sentences(promise)):
        if words and len(words) + len(sentence.get_text()) > PROMISE:
            break
        words = f"{words} {inner(sentence)}".strip()
    return words


class Section:
    """Reads a section from top to bottom and writes its slides."""

    def __init__(self, section: Tag):
        self.slides: list[Slide] = []
        self.run: list[Tag] = []  # prose since the last slide
        self.waiting: list[str] = []  # notes for the first slide
        self.headline = self.title = heading(section, "h2")
        self.place = section["id"]
        self.fresh = False  # whether a callout that follows belongs to the last slide
        self.walk(section)
        self.flush()

    def walk(self, section: Tag) -> None:
        for node in section.find_all(recursive=False):
            if EXERCISE.match(node.get("id", "")):
                continue  # listed on a slide of their own
            if node.name == "section":
                self.flush()
                self.headline, self.place = heading(node, "h3") or heading(node, "h4"), node["id"]
                self.walk(node)
            elif node.name not in ("h2", "h3", "h4", "details"):
                self.take(node)

    def take(self, node: Tag) -> None:
        classes = node.get("class", [])
        if "cell" in classes:
            self.cell(node)
        elif "admonition" in classes:
            self.callout(node)
        elif "math" in classes:
            last = self.slides[-1] if self.slides else None
            if last and self.fresh and not self.run and last.kind == "formula":
                last.body += formula(node)
            else:
                self.show("formula", formula(node))
        elif "pst-scrollable-table-container" in classes:
            for part in split_table(node):
                self.show("table", part)
        elif any(name.startswith("highlight-") for name in classes):
            self.show("code", listing(node))
        elif node.name == "p" and node.find(["svg", "img"]):
            self.show("picture", str(node.find(["svg", "img"])))
        elif self.fresh and not self.run and self.slides[-1].kind in SIGHTS and begins_with_label(node):
            self.slides[-1].takeaway = f'<p class="takeaway ab-try">{inner(key_sentence(node))}</p>'
            self.slides[-1].notes.append(str(plain(node)))
            self.fresh = False
        else:
            self.run.append(node)
            self.fresh = False

    def new(self, kind: str, headline: str = "", body: str = "", notes: list[str] | None = None) -> Slide:
        """Add a slide; without a headline of its own, it gets the section's."""
        kicker = self.title if headline or self.headline != self.title else ""
        if headline and self.headline != self.title:
            kicker = f"{self.title} · {self.headline}"
        slide = Slide(kind, headline or self.headline, body, kicker, self.place)
        slide.notes = [*self.waiting, *(notes or [])]
        self.waiting = []
        self.slides.append(slide)
        return slide

    def show(self, kind: str, body: str) -> Slide:
        """Add a slide with something to look at, under the sentence that introduces it."""
        headline, notes = "", []
        self.explain_symbols()
        if self.run and self.run[-1].name == "p":
            lead = self.run.pop()
            key = key_sentence(lead, before=True)
            goes_on = key.get_text().lstrip()[:1].islower()  # with the sentence of the formula before it
            headline, notes = "" if goes_on else inner(key), [str(plain(lead))]
        self.flush()
        self.fresh = True
        return self.new(kind, headline, body, notes)

    def flush(self) -> None:
        """Add slides of the key sentences so far; a single short remark goes on the slide before."""
        self.explain_symbols()
        run, self.run = self.run, []
        remark = len(run) == 1 and run[0].name == "p" and len(text_of(run[0])) <= REMARK
        if (
            remark
            and self.slides
            and self.slides[-1].place == self.place
            and self.slides[-1].kind in REMARKABLE
        ):
            last = self.slides[-1]
            if not last.takeaway:
                last.takeaway = ended(f'<p class="takeaway">{inner(plain(run[0]))}</p>')
                last.notes.append(str(plain(run[0])))
                return
        points = told(run)
        self.fresh = False
        room, body, notes = ROOM, "", []
        for html, size, node in points:
            if body and size > room and not (size <= room + MORE and min(size, ROOM - room) <= MORE):
                self.new("points", body=f'<div class="points">{body}</div>', notes=notes)
                room, body, notes = ROOM, "", []
            room, body = room - size, body + html
            notes.append(str(plain(node)))
        if body:
            self.new("points", body=f'<div class="points">{body}</div>', notes=notes)
        else:
            (self.slides[-1].notes if self.slides else self.waiting).extend(notes)

    def explain_symbols(self) -> None:
        """Put sentences that explain a formula's symbols on its slide."""
        last = self.slides[-1] if self.slides else None
        if not (last and last.kind == "formula" and last.place == self.place and not last.takeaway):
            return
        if not (self.run and self.run[0].name == "p"):
            return
        found = sentences(self.run[0])
        about = []
        while len(found) > len(about) and LETTERS.match(found[len(about)].get_text()):
            about.append(found[len(about)])
        if not about or sum(len(one.get_text()) for one in about) > MEANING:
            return
        last.notes.append(str(plain(self.run.pop(0))))
        if rest := without_asides(found[len(about) :]):
            self.run.insert(0, joined_sentences(rest))
            self.run[0].name = "p"
        last.takeaway = f'<p class="takeaway">{inner(joined_sentences(about))}</p>'

    def callout(self, node: Tag) -> None:
        """Put "Measured" and "Try it" on the slide before them, and any other callout on its own slide."""
        classes = node["class"]
        body = [
            one for one in node.find_all(recursive=False) if "admonition-title" not in one.get("class", [])
        ]
        name = node.find(class_="admonition-title").get_text()
        kind = next((one for one in classes if one.startswith("ab-")), "callout")
        first = next((one for one in body if one.name == "p"), None)
        if self.fresh and first is not None and not self.run and kind in ("ab-measured", "ab-try"):
            key = inner(key_sentence(first))
            self.slides[-1].takeaway = f'<p class="takeaway {kind}"><b>{name}.</b> {key}</p>'
            self.slides[-1].notes += [f"<p><b>{name}.</b></p>", *(str(plain(one)) for one in body)]
            self.fresh = False
            return
        self.flush()
        html = "".join(text for text, _, _ in told(body))
        slide = self.new("points", body=f'<div class="points {kind}">{html}</div>')
        if kind != "callout":
            slide.kicker = f"{self.title} · {self.headline}" if self.headline != self.title else self.title
            slide.headline = name
        slide.notes = [str(plain(one)) for one in body]

    def cell(self, node: Tag) -> None:
        """Add pictures and widgets without their code, and code with its output, on one slide if both fit."""
        tags = {name.removeprefix("tag_") for name in node["class"]}
        if tags.intersection(SKIPPED) or node.select_one(".ab-check"):
            if self.run and text_of(self.run[-1]).endswith(":"):  # it introduces what is left out
                self.run.pop()
            return
        source = None if FOLDED in tags else node.select_one(".cell_input pre")
        outputs = node.select_one(".cell_output")
        parts = outputs.find_all(recursive=False) if outputs else []
        sights = [part for part in parts if kind_of(part) in ("widget", "picture")]
        results = [part for part in parts if kind_of(part) in ("text", "data")]
        sources = [part for part in parts if kind_of(part) == "code"]
        for part in sources:
            self.listings(part)
        if source and not sights and not sources and self.place != RECAP:
            if shown(source.get_text(), bool(results)):
                self.code(source, results)
                results = []
            elif not results:
                return
        remarks = [part for part in results if sights and height(part) <= SMALL]
        for body in printed_parts([part for part in results if part not in remarks]):
            self.show("result", body)
        for part in sights:
            self.show(kind_of(part), str(part)).notes += map(result, remarks)

    def code(self, source: Tag, results: list[Tag]) -> None:
        lines = len(source.get_text().strip().splitlines())
        printed = sum(height(part) for part in results)
        text = listing(source)
        if not results:
            self.listings(source)
        elif lines + printed <= CODE_LINES:
            self.show("code both", text + "".join(printed_parts(results)))
        else:
            first = self.show("code", text)
            for body in printed_parts(results):
                self.go_on(first, "result", body)
            self.fresh = True

    def listings(self, node: Tag) -> None:
        """Add code, on several slides if it is long."""
        first, *others = listings(node)
        slide = self.show("code", first)
        for part in others:
            self.go_on(slide, "code", part)

    def go_on(self, first: Slide, kind: str, body: str) -> None:
        """Add another slide under the same headline."""
        slide = self.new(kind, first.headline, body)
        slide.kicker, slide.headline = first.kicker, first.headline


def exercises(section: Tag) -> list[Slide]:
    """A slide that lists the chapter's exercises, which are in the notebook."""
    titles = [heading(one, "h3") for one in section.parent.find_all("section", id=EXERCISE)]
    slide = Slide("points", heading(section, "h2"), place=section["id"])
    kind = "points in-columns" if len(titles) > 10 else "points"
    slide.body = f'<div class="{kind}"><ul>{"".join(f"<li>{title}</li>" for title in titles)}</ul></div>'
    slide.notes = [
        "<p>The exercises are in the notebook, with hints and checks; their solutions are folded there.</p>"
    ]
    return [slide]


def questions(section: Tag) -> list[Slide]:
    """A slide for each question and its choices; the answer is in the notes."""
    slides: list[Slide] = []
    for question in section.select(".ab-question"):
        slide = Slide("question", inner(plain(question.legend)), place=section["id"])
        slide.kicker = heading(section, "h2")
        choices = [inner(plain(choice)) for choice in question.select(".ab-choice > label")]
        choices = [f"{letter}. {choice}" for letter, choice in zip(ascii_uppercase, choices, strict=False)]
        listed = "".join(f"<li>{choice}</li>" for choice in choices)
        slide.body = f'<div class="points"><ul class="choices">{listed}</ul></div>'
        right = [answer.has_attr("data-right") for answer in question.select(".ab-choice")].index(True)
        reasons = question.select(".ab-choice[data-right] > .ab-why > *")
        slide.notes = [f"<p><b>{choices[right]}</b></p>", *(str(plain(reason)) for reason in reasons)]
        slides.append(slide)
    return slides
