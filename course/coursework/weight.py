"""How much a value is once it is written out: one list held many times over is small, and endless."""

from coursework.memory import ValueRefusedError

MOST_ITEMS = 5000  # of a set or a dict: numbers can be chosen so that each is compared with all before it
MOST_WRITTEN = 2**23  # letters, about
DEEPEST = 50


def counted(about: dict) -> dict:
    """A message's object, where it has no more items than can be put into it."""
    if about["kind"] != "list" and len(about["value"]) > MOST_ITEMS:
        raise ValueRefusedError(f"a {about['kind']} of more than {MOST_ITEMS:,} items")
    return about


def weigh(value, objects: list):
    """The value; raises ValueRefusedError where `repr` or `==` of it or an object would take too long."""
    known: dict[int, tuple[int, int]] = {}
    for one in (*objects, value):
        written, _ = weight(one, known, 0)
        if written > MOST_WRITTEN:
            raise ValueRefusedError("lists that hold each other so often that they cannot be written out")
    return value


def weight(value, known: dict[int, tuple[int, int]], depth: int) -> tuple[int, int]:
    """About how many letters it takes, and how deep it is nested."""
    if depth > DEEPEST:  # or without end: each in another that is in it
        raise ValueRefusedError(f"lists that are nested more than {DEEPEST} deep")
    if not isinstance(value, list | dict | set | tuple):
        return (len(value) if isinstance(value, str) else 10), 0
    if id(value) not in known:
        items = [*value, *value.values()] if isinstance(value, dict) else value
        found = [weight(item, known, depth + 1) for item in items if item is not value]
        deep = 1 + max((below for _, below in found), default=0)
        if depth + deep > DEEPEST:
            raise ValueRefusedError(f"lists that are nested more than {DEEPEST} deep")
        known[id(value)] = 2 + sum(letters for letters, _ in found), deep
    return known[id(value)]
