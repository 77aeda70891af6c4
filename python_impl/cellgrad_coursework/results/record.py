"""What is kept of each submission until the gradebooks are written: a line, no numbers."""

from __future__ import annotations

from dataclasses import dataclass, field

from cellgrad_coursework.identity import OTHER_ASSIGNMENT, hint_of
from cellgrad_coursework.model import (
    BLANK,
    EMBEDDED_CONSTANT,
    HARDCODED,
    OK,
    OK_ECF,
    REVIEW,
    VERDICTS,
    WRONG,
    Grade,
    Manifest,
    Student,
)
from cellgrad_coursework.moodle_worksheet import moodle_number
from cellgrad_coursework.results.summary import summary
from cellgrad_coursework.roster import YES

GRADED, UNREADABLE, MISSING, EXCUSED = "graded", "unreadable", "missing", "excused"
OTHER = "other assignment"

_NOBODYS = "it could not be told whose this is"
_HELD = "no grade of it is in the files for an LMS: enter it there once you have looked"


@dataclass(slots=True)
class Record:
    """A submission, or a student who handed nothing in.

    Attributes:
        student: whose it is; None where it could not be told.
        status: ``graded``, ``unreadable``, ``other assignment`` (made out for one),
            ``missing`` or ``excused``.
        file: its name; empty for none.
        sha256: of the file.
        score: what counts, late handling included; None where there is nothing to count.
        of: points possible.
        points: before lateness; None as above.
        open: points that are not settled yet: a person has to look at their cells.
        counts: how many cells have each verdict.
        roots: how many root causes.
        consequences: how many cells follow from an earlier mistake.
        first: the first root cause, in words.
        problem: why it could not be read.
        review: why a person should look at it.
        notes: what else was seen.
        copying: potential copying, with its evidence.
        codes: the verdict of each cell of the manifest, as its place in VERDICTS.
        mistakes: of each root: the place of its cell in the manifest, and the mistake in words.
        counting: whether it is the submission that counts for its student.
        superseded: the file that counts instead, where the grade says so.
        held: whether an LMS gets no grade before a person has looked: the workbook is
            another student's.
    """

    student: Student | None
    status: str
    file: str = ""
    sha256: str = ""
    score: float | None = None
    of: float = 0.0
    points: float | None = None
    open: float = 0.0
    counts: dict[str, int] = field(default_factory=dict)
    roots: int = 0
    consequences: int = 0
    first: str = ""
    problem: str = ""
    review: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    copying: list[str] = field(default_factory=list)
    codes: bytes = b""
    mistakes: tuple[tuple[int, str], ...] = ()
    counting: bool = True
    superseded: str = ""
    held: bool = False

    @property
    def who(self) -> Student:
        """The student; one without a name where it could not be told."""
        return self.student or Student("")

    @property
    def lms_score(self) -> float | None:
        """What an LMS is given; None for nothing."""
        return None if self.held else self.score

    @property
    def key(self) -> tuple[str, str, str, str]:
        """By which rows are sorted: students by their ids, then what belongs to nobody."""
        student = self.student
        return ("~" if student is None else " ", student.id if student else "",
                self.file, self.sha256)  # fmt: skip

    @property
    def better(self) -> tuple[bool, float, tuple[int, ...], str]:
        """What makes one of several submissions of a student the one that counts."""
        backwards = tuple(-ord(sign) for sign in self.file)
        return (self.status == GRADED, self.score or 0.0, backwards, self.sha256)

    @property
    def reasons(self) -> list[tuple[str, str]]:
        """Return why a person should look at it: the kind of reason, and the reason.

        Of a file that does not count only this is said, and potential copying: that is about
        other people too.
        """
        lines = list(self.copying)
        if self.held and self.counting:
            lines = [f"{lines[0]}; {_HELD}", *lines[1:]] if lines else [_HELD]
        copying = [("potential copying", line) for line in lines]
        if not self.counting:
            other = self.superseded or "another file"
            why = f"the student handed in {other}, which counts"
            if self.problem:
                why += f"; this one could not be read: {self.problem}"
            return [("not counted", why), *copying]
        reasons = []
        if self.problem:
            # it is one fact that nothing is known of a file
            nobodys = self.student is None and "told whose" not in self.problem
            why = f"{self.problem}; {_NOBODYS}" if nobodys else self.problem
            reasons.append((OTHER if self.status == OTHER else "unreadable", why))
        elif self.student is None:
            reasons.append(("no student", _NOBODYS))
        reasons += [("review", line) for line in dict.fromkeys(self.review)]
        return reasons + copying + [("note", line) for line in dict.fromkeys(self.notes)]


def record_of(grade: Grade, places: dict[tuple[str, str], int]) -> Record:
    """Return what is kept of a grade.

    Args:
        grade: the grade.
        places: of each graded cell (sheet, address): its place in the manifest.
    """
    record = Record(
        grade.student,
        GRADED,
        grade.file,
        grade.sha256,
        of=grade.of,
        problem=grade.problem,
        review=list(grade.review),
        notes=list(grade.notes),
        copying=list(grade.copying),
        superseded=grade.superseded,
    )
    if grade.problem:
        record.status = OTHER if grade.problem == OTHER_ASSIGNMENT else UNREADABLE
        return record
    told = summary(grade)
    codes = bytearray(len(places))
    for verdict in grade.verdicts:
        codes[places[verdict.cell.sheet, verdict.cell.address]] = VERDICTS.index(verdict.verdict)
    record.score, record.points, record.open = grade.score, told.points, told.open
    record.counts = {name: told.count(name) for name in VERDICTS}
    record.roots, record.consequences = len(told.mistakes), told.consequences
    if told.mistakes:
        first = told.mistakes[0]
        record.first = f"{first.first.cell.label}: {first.title}"
    record.codes = bytes(codes)
    record.mistakes = tuple(
        (places[cause.first.cell.sheet, cause.first.cell.address], cause.title)
        for cause in told.causes
    )
    record.held = "workbook_of" in grade.evidence
    return record


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
    number = "" if record.student is None else moodle_number(record.student)
    if not number and record.file:
        hint = hint_of(record.file)
        number = hint.user if hint.platform == "moodle" else ""
    return f"Participant {number}" if number else ""


COUNTED = {
    "right": (OK,),
    "follows": (OK_ECF,),
    "wrong": (WRONG,),
    "by_chance": (EMBEDDED_CONSTANT,),
    "no_formula": (HARDCODED,),
    "empty": (BLANK,),
    "to_look_at": (REVIEW,),
}
"""Columns of the gradebook that count cells, and the verdicts that they count."""
