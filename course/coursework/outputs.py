"""Sanitize a submission's outputs: only text and images are kept, up to a limit."""

import base64
import unicodedata

FEW = 10  # remarks kept per submission


def plain(text, most: int = 300) -> str:
    """Return untrusted text as one line without control characters, cut to `most` characters."""
    kept = (" " if letter.isspace() else letter for letter in str(text)[: 4 * most])
    line = "".join(letter for letter in kept if letter == " " or printable(letter))
    return line if len(line) <= most else f"{line[: most - 1]}…"


def printable(letter: str) -> bool:
    """Whether a character is safe to print: no control or formatting character, except for joiners.

    Some scripts need joiners in names. Other formatting characters can, for example, reverse the line.
    """
    return unicodedata.category(letter) not in ("Cc", "Cs", "Cf") or letter in "\u200c\u200d"


def sound(text: str) -> str:
    """Replace lone surrogates, which UTF-8 cannot encode, by question marks."""
    return text.encode("utf8", "replace").decode("utf8")


def first_line(says: str) -> str:
    lines = says.strip().splitlines()
    return plain(lines[0], 160) if lines else ""


def few(said: list[str]) -> list[str]:
    """Return the first FEW distinct remarks, each on one line, and how many more there are."""
    told = [plain(one) for one in dict.fromkeys(said)]
    more = len(told) - FEW
    return told[:FEW] + ([f"and {more:,} more"] if more > 0 else [])


def size_of(outputs: list[dict]) -> int:
    return sum(len(str(output)) for output in outputs)


def shorten(outputs: list[dict], why: str) -> list[dict]:
    """Replace outputs beyond the limit by the reason, and the first error if there is one."""
    errors = [output for output in outputs if output["output_type"] == "error"][:1]
    kept = [error | {"evalue": first_line(error["evalue"]), "traceback": []} for error in errors]
    return [{"output_type": "stream", "name": "stdout", "text": f"({why})\n"}, *kept]


def clean_output(output) -> dict | None:
    """Return an output with its text, PNG and JPEG only: no HTML, scripts, SVG or widgets.

    Returns None for an invalid output.
    """
    match output:
        case {"output_type": "stream", "name": "stdout" | "stderr" as name, "text": str(text)}:
            return {"output_type": "stream", "name": name, "text": sound(text)}
        case {"output_type": "error", "ename": str(name), "evalue": str(says), "traceback": [*lines]}:
            return {
                "output_type": "error",
                "ename": plain(name, 200),
                "evalue": sound(says[:2000]),
                "traceback": [sound(line[:4000]) for line in lines[-20:] if isinstance(line, str)],
            }
        case {"output_type": "display_data" | "execute_result" as kind, "data": dict(data)}:
            shown = data.get("text/plain")
            kept = {"text/plain": sound(shown)} if isinstance(shown, str) else {}
            kept |= {name: picture(name, item) for name, item in data.items() if picture(name, item)}
            found = {"output_type": kind, "data": kept, "metadata": {}}
            return found | ({"execution_count": None} if kind == "execute_result" else {})
    return None


def picture(name, item) -> str:
    """Return base64 data if it is valid and starts with the signature of its type, PNG or JPEG; else ""."""
    first = {"image/png": b"\x89PNG\r\n\x1a\n", "image/jpeg": b"\xff\xd8\xff"}.get(name)
    try:
        text = "".join(item.split())
        return text if first and base64.b64decode(text, validate=True).startswith(first) else ""
    except (AttributeError, ValueError):
        return ""
