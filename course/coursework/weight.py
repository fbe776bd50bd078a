"""Limit the size of values when printed or compared.

A list that contains the same list many times takes little memory, but its `repr` can be exponentially long.
"""

from coursework.memory import ValueRefusedError

MOST_ITEMS = 5000  # in a set or dict: keys with colliding hashes take quadratic time
MOST_WRITTEN = 2**23  # characters, estimated
DEEPEST = 50


def counted(about: dict) -> dict:
    """Return an encoded object; raise ValueRefusedError if it is a set or dict with too many items."""
    if about["kind"] != "list" and len(about["value"]) > MOST_ITEMS:
        raise ValueRefusedError(f"a {about['kind']} with more than {MOST_ITEMS:,} items")
    return about


def weigh(value, objects: list):
    """Return the value; raise ValueRefusedError if `repr` or `==` of it or an object would take too long."""
    known: dict[int, tuple[int, int]] = {}
    for one in (*objects, value):
        written, _ = weight(one, known, 0)
        if written > MOST_WRITTEN:
            raise ValueRefusedError("lists that contain each other so often that they are too long to print")
    return value


def weight(value, known: dict[int, tuple[int, int]], depth: int) -> tuple[int, int]:
    """Return the estimated length of the value's `repr`, and its nesting depth."""
    if depth > DEEPEST:  # also ends reference cycles
        raise ValueRefusedError(f"lists nested more than {DEEPEST} levels deep")
    if not isinstance(value, list | dict | set | tuple):
        return (len(value) if isinstance(value, str) else 10), 0
    if id(value) not in known:
        items = [*value, *value.values()] if isinstance(value, dict) else value
        found = [weight(item, known, depth + 1) for item in items if item is not value]
        deep = 1 + max((below for _, below in found), default=0)
        if depth + deep > DEEPEST:
            raise ValueRefusedError(f"lists nested more than {DEEPEST} levels deep")
        known[id(value)] = 2 + sum(letters for letters, _ in found), deep
    return known[id(value)]
