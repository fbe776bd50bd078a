"""A variant per student: who on the class list gets which, and the notebooks in it."""

import nbformat

from coursework.collect import slug
from coursework.course import VARIANT, Course, CourseError, read_record, short, stamp_of_work
from coursework.roster import Person, read_class, who
from coursework.variants import variant_id


def folders(people: list[Person]) -> dict[Person, str]:
    """Return the folder in release/ of each person's variants; their numbers distinguish namesakes."""
    slugs = [slug(one.name) for one in people]
    return {
        one: own if slugs.count(own) == 1 else f"{own}-{one.number}"
        for one, own in zip(people, slugs, strict=True)
    }


def variants(course: Course) -> dict[Person, tuple[str, str]]:
    """Return each person's folder in release/ and variant id, which depends on the number or the name."""
    people = read_class(course)
    seed = f"{course.config.CourseDirectory.get('course_id', '')} {course.year}"
    return {
        one: (folder, variant_id(seed, one.number or slug(one.name)))
        for one, folder in folders(people).items()
    }


def variant_of(course: Course, name: str, student: str) -> tuple[str, str]:
    """Return a student's folder in release/ and the id of the variant; ("", "") if not on the class list.

    `student` is a folder in submitted/, or in release/ if the student has not submitted anything.
    """
    drawn = variants(course)
    path = course.folder / "submitted" / student / name / "from.json"
    person = who(list(drawn), student, read_record(path))
    if person is None and not path.is_file():
        person = next((one for one, (folder, _) in drawn.items() if folder == student), None)
    return drawn.get(person, ("", ""))


def require_variant(course: Course, name: str, student: str, found: str) -> tuple[str, str]:
    """Return what is wrong with the variant `found` in a submission and whose it is; ("", "") if it fits.

    Students read the first of these, so it names nobody.
    """
    if found in ("", id_of(course, name, student)) or not course.per_student(name):
        return "", ""
    owner = next((one.name for one, (_, drawn) in variants(course).items() if drawn == found), "")
    if owner:
        return f"this is another student's variant of {name}", owner
    return f"this variant of {name} belongs to nobody on the class list", ""


def id_of(course: Course, name: str, student: str) -> str:
    """Return the id of a student's variant; "" for a common variant or for anyone not on the list."""
    return variant_of(course, name, student)[1] if course.per_student(name) else ""


def source_for(course: Course, name: str, student: str) -> nbformat.NotebookNode:
    """Return the instructor's version in a student's variant, cached as in `Course.source`."""
    return course.source(name, id_of(course, name, student))


def released_for(course: Course, name: str, student: str) -> nbformat.NotebookNode:
    """Return the version that a student was given.

    Raises CourseError if it is missing or older than the source, or if the student has no variant.
    """
    if not course.per_student(name):
        return course.released(name)
    course.require_released(name)
    folder, known = variant_of(course, name, student)
    if not known:
        raise CourseError(f"{student} is not on the class list and so has no variant of {name}")
    path = course.notebook("release", name, folder)
    made = nbformat.read(path, as_version=4) if path.is_file() else None
    if made is None or made.metadata.get(VARIANT) != known:
        raise CourseError(f"{name} is not released for {student} yet: make release CH={short(name)}")
    return made


def stamp(course: Course, name: str, student: str) -> str:
    """Return a digest of the submission and the source: if it changes, the submission is graded again."""
    of = f"{course.source_digest(name)}{id_of(course, name, student)}"
    return f"{of} {stamp_of_work(course, name, student)}"
