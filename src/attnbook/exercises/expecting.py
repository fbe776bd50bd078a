"""What a graded test is written with: `expect` and `unpack` say in words what is wrong."""

from attnbook.exercises.comparing import differences, kind


def expect(got, wanted, words: str, *, rtol: float = 1e-3, atol: float = 1e-4) -> None:
    """Raise `AssertionError` unless `got` is `wanted`; the message is `words`, then what differs and where.

    Tensors are compared by shape and by their numbers, numbers up to the tolerance, collections item by
    item; whole numbers, True, False and text must be equal.
    """
    difference = next(differences(got, wanted, near={"rtol": rtol, "atol": atol}), "")
    if difference:
        raise AssertionError(f"{words}\n({difference})")


def unpack(result, *names: str) -> tuple:
    """The things that a function returned, one for each of `names`; `AssertionError` for another number."""
    if isinstance(result, list | tuple) and len(result) == len(names):
        return tuple(result)
    wanted = f"{', '.join(names[:-1])} and {names[-1]}"
    got = f"{len(result)} things" if isinstance(result, list | tuple) else kind(result)
    raise AssertionError(f"Your function should return {len(names)} things, {wanted}; it returned {got}.")
