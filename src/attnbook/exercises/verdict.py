"""What a reader sees after `check(...)`: a small card in a notebook, plain text everywhere else."""

import html
import re
import sys
from dataclasses import dataclass

# State -> (symbol, heading, the book's colour variable, a colour where the book's style sheet is absent).
STATES = {
    "passed": ("✓", "Passed", "--ab-good", "#2e8b57"),
    "wrong": ("✗", "Not yet", "--ab-bad", "#c2571a"),
    "pending": ("○", "To do", "--ab-muted", "#7a828e"),
}


class Wrong(Exception):  # noqa: N818 - a verdict on its way, not an error
    """The answer is not right; the message says why, to the learner."""


class Unfinished(Exception):  # noqa: N818
    """The answer still holds `...`; the message says what is missing."""


class Card:
    """Something shown once: at once by `show`, and not a second time as the value of the same cell."""

    def _ipython_display_(self) -> None:
        shell = _notebook()
        if shell is None or getattr(self, "_cell", None) == shell.execution_count:
            return
        self._cell = shell.execution_count
        from IPython.display import display

        display({"text/plain": repr(self), "text/html": self._repr_html_()}, raw=True)

    def show(self) -> "Card":
        if _notebook() is not None:
            self._ipython_display_()
        elif not hasattr(sys, "ps1"):  # Python's own prompt shows what a call returns without our help
            print(self)
        return self


def _notebook():
    """The running IPython shell, or None in plain Python."""
    ipython = sys.modules.get("IPython")
    return ipython.get_ipython() if ipython else None


@dataclass(repr=False, eq=False)
class Verdict(Card):
    """The result of one check: `.passed`, `.message`, and `.state` ("passed", "wrong" or "pending")."""

    exercise_id: str
    title: str
    state: str
    message: str

    @property
    def passed(self) -> bool:
        return self.state == "passed"

    @property
    def heading(self) -> str:
        symbol, words, *_ = STATES[self.state]
        return f"{symbol} {words} · Exercise {self.exercise_id}: {self.title}"

    def __repr__(self) -> str:
        return f"{self.heading}\n{self.message}"

    def _repr_html_(self) -> str:
        *_, variable, colour = STATES[self.state]
        heading = f'<p style="margin:0 0 .4rem"><strong>{_inline(self.heading)}</strong></p>'
        return _card(heading + _paragraphs(self.message), self.state, f"var({variable}, {colour})")


@dataclass(repr=False, eq=False)
class Summary(Card):
    """What has been checked since this Python started: rows of (id, title, state)."""

    rows: list[tuple[str, str, str]]

    @property
    def passed(self) -> list[str]:
        return [exercise_id for exercise_id, _, state in self.rows if state == "passed"]

    @property
    def heading(self) -> str:
        passed = f"{len(self.passed)} of {len(self.rows)} exercises passed"
        return passed if self.rows else "Nothing checked yet."

    @property
    def lines(self) -> list[str]:
        return [
            f"{STATES[state][0]} {number} {title}: {STATES[state][1]}" for number, title, state in self.rows
        ]

    def __repr__(self) -> str:
        return "\n".join([self.heading, *self.lines])

    def _repr_html_(self) -> str:
        items = "".join(f"<li>{_inline(line)}</li>" for line in self.lines)
        listing = f'<ul style="list-style:none;margin:.4rem 0 0;padding:0">{items}</ul>' if items else ""
        return _card(f"<strong>{self.heading}</strong>{listing}", "summary", "var(--ab-muted, #7a828e)")


def _card(body: str, name: str, colour: str) -> str:
    """A frame that takes its text colour from the page, so that light and dark both read."""
    style = f"border:1px solid {colour};border-left-width:.4rem;border-radius:.3rem;margin:.3rem 0"
    style += ";padding:.6rem .9rem;overflow-wrap:anywhere;line-height:1.5"
    return f'<div class="ab-check ab-check-{name}" role="status" style="{style}">{body}</div>'


def _paragraphs(message: str) -> str:
    """Blank lines part paragraphs; one indented by four spaces is code. Nothing in them becomes markup."""
    return "".join(_paragraph(block) for block in re.split(r"\n\n+", message) if block.strip())


def _paragraph(block: str) -> str:
    if block.startswith("    "):
        code = "\n".join(line[4:] for line in block.splitlines())
        style = "margin:.4rem 0;padding:.3rem .6rem;white-space:pre-wrap;background:transparent;color:inherit"
        return f'<pre style="{style}">{html.escape(code)}</pre>'
    return f'<p style="margin:.4rem 0">{_inline(block)}</p>'


def _inline(text: str) -> str:
    """Escape everything; then `backticks` become code, and a word in *stars* outside them is stressed."""
    style = "background:transparent;color:inherit;font-weight:600;padding:0"
    plain, *rest = re.split(r"`([^`\n]+)`", html.escape(text))
    parts = [_stressed(plain)]
    for code, plain in zip(rest[::2], rest[1::2], strict=True):
        parts += [f'<code style="{style}">{code}</code>', _stressed(plain)]
    return "".join(parts)


def _stressed(text: str) -> str:
    return re.sub(r"(?<!\w)\*([A-Za-z]+)\*", r"<em>\1</em>", text)
