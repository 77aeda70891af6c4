"""What is kept of each submission until the gradebooks are written: a line, no numbers."""

from __future__ import annotations

from dataclasses import dataclass, replace

from cellgrad_coursework.identity import OTHER_ASSIGNMENT, hint_of
from cellgrad_coursework.model import (
    VERDICTS,
    Grade,
    Manifest,
    Student,
)
from cellgrad_coursework.results.summary import summary
from cellgrad_coursework.roster import YES, moodle_number

GRADED, UNREADABLE, MISSING, EXCUSED = "graded", "unreadable", "missing", "excused"
OTHER = "other assignment"

_NOBODYS = "it could not be told whose this is"
_HELD = "no grade of it is in the files for an LMS: enter it there once you have looked"


@dataclass(slots=True)
class Record:
    """A submission, or a student who handed nothing in.

    Attributes:
        grade: what is said of it, without its cells; its student is None where it could not be
            told whose it is, its file empty for none.
        status: ``graded``, ``unreadable``, ``other assignment`` (made out for one),
            ``missing`` or ``excused``.
        score: what counts, late handling included; None where there is nothing to count.
        points: before lateness; None as above.
        open: points that are not settled yet: a person has to look at their cells.
        roots: how many root causes; None where nothing was graded.
        consequences: how many cells follow from an earlier mistake; None as above.
        first: the first root cause, in words.
        codes: the verdict of each cell of the manifest, as its place in VERDICTS.
        mistakes: of each root: the place of its cell in the manifest, and the mistake in words.
        counting: whether it is the submission that counts for its student.
        held: whether an LMS gets no grade before a person has looked: the workbook is
            another student's.
    """

    grade: Grade
    status: str
    score: float | None = None
    points: float | None = None
    open: float = 0.0
    roots: int | None = None
    consequences: int | None = None
    first: str = ""
    codes: bytes = b""
    mistakes: tuple[tuple[int, str], ...] = ()
    counting: bool = True
    held: bool = False

    @property
    def who(self) -> Student:
        """The student; one without a name where it could not be told."""
        return self.grade.student or Student("")

    @property
    def counts(self) -> bool:
        """Whether it is what counts of a student."""
        return self.grade.student is not None and self.counting

    @property
    def lms_score(self) -> float | None:
        """What an LMS is given; None for nothing."""
        return None if self.held else self.score

    @property
    def key(self) -> tuple[str, str, str, str]:
        """By which rows are sorted: students by their ids, then what belongs to nobody."""
        grade = self.grade
        return "~" if grade.student is None else " ", self.who.id, grade.file, grade.sha256

    @property
    def better(self) -> tuple[bool, float, tuple[int, ...], str]:
        """What makes one of several submissions of a student the one that counts."""
        backwards = tuple(-ord(sign) for sign in self.grade.file)
        return (self.status == GRADED, self.score or 0.0, backwards, self.grade.sha256)

    @property
    def reasons(self) -> list[tuple[str, str]]:
        """Return why a person should look at it: the kind of reason, and the reason.

        Of a file that does not count only this is said, and potential copying: that is about
        other people too.
        """
        grade, lines = self.grade, list(self.grade.copying)
        if self.held and self.counting:
            lines = [f"{lines[0]}; {_HELD}", *lines[1:]] if lines else [_HELD]
        copying = [("potential copying", line) for line in lines]
        if not self.counting:
            other = grade.superseded or "another file"
            why = f"the student handed in {other}, which counts"
            if grade.problem:
                why += f"; this one could not be read: {grade.problem}"
            return [("not counted", why), *copying]
        reasons = []
        if grade.problem:
            # it is one fact that nothing is known of a file
            nobodys = grade.student is None and "told whose" not in grade.problem
            why = f"{grade.problem}; {_NOBODYS}" if nobodys else grade.problem
            reasons.append((OTHER if self.status == OTHER else "unreadable", why))
        elif grade.student is None:
            reasons.append(("no student", _NOBODYS))
        reasons += [("review", line) for line in dict.fromkeys(grade.review)]
        return reasons + copying + [("note", line) for line in dict.fromkeys(grade.notes)]


def record_of(grade: Grade, places: dict[tuple[str, str], int]) -> Record:
    """Return what is kept of a grade.

    Args:
        grade: the grade.
        places: of each graded cell (sheet, address): its place in the manifest.
    """
    kept = replace(grade, verdicts=[], evidence={})
    if grade.problem:
        return Record(kept, OTHER if grade.problem == OTHER_ASSIGNMENT else UNREADABLE)
    told = summary(grade)
    codes = bytearray(len(places))
    for verdict in grade.verdicts:
        codes[places[verdict.cell.sheet, verdict.cell.address]] = VERDICTS.index(verdict.verdict)
    mistakes = [(cause.first.cell, cause.title) for cause in told.causes]
    first = [f"{cause.first.cell.label}: {cause.title}" for cause in told.mistakes[:1]]
    return Record(
        kept,
        GRADED,
        grade.score,
        told.points,
        told.open,
        len(told.mistakes),
        told.consequences,
        "".join(first),
        bytes(codes),
        tuple((places[cell.sheet, cell.address], title) for cell, title in mistakes),
        held="workbook_of" in grade.evidence,
    )


def places_of(manifest: Manifest) -> dict[tuple[str, str], int]:
    """Return the place of each graded cell in the manifest, by sheet and address."""
    return {(cell.sheet, cell.address): place for place, cell in enumerate(manifest.cells)}


def roster_column(student: Student, *names: str) -> str:
    """Return a further column of the roster, by any of its names; empty where it has none."""
    wanted = [" ".join(name.casefold().split()) for name in names]
    columns = {" ".join(name.casefold().split()): value for name, value in student.other}
    return next((columns[name].strip() for name in wanted if columns.get(name)), "")


def is_excused(student: Student) -> bool:
    """Tell whether the roster excuses a student from this assignment."""
    return roster_column(student, "excused").casefold() in YES


def moodle_identifier(record: Record) -> str:
    """Return ``Participant N``, from the roster or from the name of a downloaded file."""
    student, file = record.grade.student, record.grade.file
    number = "" if student is None else moodle_number(student)
    if not number and file:
        hint = hint_of(file)
        number = hint.user if hint.platform == "moodle" else ""
    return f"Participant {number}" if number else ""
