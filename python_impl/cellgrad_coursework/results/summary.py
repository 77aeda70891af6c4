"""What a grade comes to: in words, the root causes first, and the line of it that is kept.

Until the gradebooks are written a line is kept of each submission, and no numbers of its cells.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from importlib.resources import files

from cellgrad_audit.bugs.catalogue import by_id
from cellgrad_coursework.identity import OTHER_ASSIGNMENT, hint_of
from cellgrad_coursework.model import (
    BLANK,
    HARDCODED,
    OK,
    OK_ECF,
    REVIEW,
    VERDICTS,
    WRONG,
    CellVerdict,
    Grade,
    Manifest,
    Student,
)
from cellgrad_coursework.roster import YES, moodle_number

_SAID: dict[str, dict[str, str]] = tomllib.loads(
    (files("cellgrad_coursework.results") / "templates" / "verdicts.toml").read_text("utf-8")
)
WORDS, MARKS, COLOURS, MEANINGS, COLUMNS = (
    {verdict: row[part] for verdict, row in _SAID.items()}
    for part in ("word", "mark", "colour", "meaning", "column")
)
"""Of each verdict, in the order in which they are explained; colours in hexadecimal."""

MOST_CAUSES = 12
"""So many causes are told of one by one."""

_TOGETHER = {BLANK, HARDCODED, REVIEW}
"""Verdicts whose cells are told of in one entry."""


@dataclass(slots=True)
class Cause:
    """A mistake that nothing before it explains, and what came of it.

    Attributes:
        first: the first cell that has it, in the order of the flow.
        title: the mistake on one line.
        why: why people make it, or what is said of this cell.
        fix: what to do about it.
        also: further cells with the same one.
        follows: cells that follow from it.
    """

    first: CellVerdict
    title: str
    why: str
    fix: str
    also: list[CellVerdict] = field(default_factory=list)
    follows: list[CellVerdict] = field(default_factory=list)

    @property
    def cells(self) -> list[CellVerdict]:
        """Every cell that has the mistake."""
        return [self.first, *self.also]

    @property
    def is_mistake(self) -> bool:
        """Whether it is one: neither empty cells nor an open question."""
        return self.first.verdict not in (BLANK, REVIEW)

    @property
    def lost(self) -> float:
        """The points that it costs; none as long as they are open."""
        return 0.0 if self.first.verdict == REVIEW else _points_missing(self.cells)

    @property
    def open_words(self) -> str:
        """The points that are not settled yet, in words; empty for none."""
        return open_points(_points_missing(self.cells) - self.lost)

    @property
    def reach(self) -> str:
        """In words: how many cells share it, and how many follow from it."""
        parts = []
        if self.also:
            charged = sum(v.points < v.cell.points for v in self.cells)
            once = ", charged once" if self.first.verdict == WRONG and charged == 1 else ""
            parts.append(f"in {counted(len(self.cells), 'cell')}{once}")
        if self.follows:
            verb = "follows" if len(self.follows) == 1 else "follow"
            parts.append(f"{counted(len(self.follows), 'cell')} after it {verb} from it")
        return "; ".join(parts)


@dataclass(slots=True)
class Summary:
    """A grade, ready to be told.

    Attributes:
        grade: the grade.
        causes: root causes, in the order of the flow.
        points: points earned before anything is taken off for lateness.
    """

    grade: Grade
    causes: list[Cause]
    points: float

    @property
    def numbered(self) -> list[tuple[int, Cause]]:
        """The causes, each with its number: mistakes are counted from 1, the others are 0."""
        number, numbered = 0, []
        for cause in self.causes:
            number += cause.is_mistake
            numbered.append((number if cause.is_mistake else 0, cause))
        return numbered

    @property
    def open(self) -> float:
        """The points that are not settled yet: a person has to look at their cells."""
        return _points_missing(v for v in self.grade.verdicts if v.verdict == REVIEW)

    @property
    def open_words(self) -> str:
        """The points that are not settled yet, in words; empty for none."""
        return open_points(self.open)

    @property
    def mistakes(self) -> list[Cause]:
        """The causes that are mistakes: neither empty cells nor open questions."""
        return [cause for cause in self.causes if cause.is_mistake]

    @property
    def consequences(self) -> int:
        """How many cells follow from an earlier mistake; not from what may be none."""
        follow = sum(v.verdict == OK_ECF or bool(v.cause) for v in self.grade.verdicts)
        return follow - sum(len(c.follows) for c in self.causes if c.first.verdict == REVIEW)

    @property
    def sentence(self) -> str:
        """The whole of it, such as ``1 root cause, 31 consequences``."""
        if self.grade.problem:
            return f"The file could not be read: {self.grade.problem}"
        parts = (
            (len(self.mistakes), "root cause", ""),
            (self.consequences, "consequence", ""),
            (self.count(BLANK), "empty cell", ""),
            (self.count(REVIEW), "cell", " to be looked at"),
        )
        said = [counted(number, word) + more for number, word, more in parts if number]
        return ", ".join(said) or "Every cell is right"

    @property
    def late_words(self) -> str:
        """What lateness costs, in words; empty where it costs nothing."""
        late = self.grade.student.late if self.grade.student is not None else 0.0
        if not late:
            return ""
        return f"{plain_number(self.points)} points less {plain_number(100 * late)} % (late)"

    def count(self, *verdicts: str) -> int:
        """Return how many cells have one of these verdicts."""
        return sum(v.verdict in verdicts for v in self.grade.verdicts)


def summary(grade: Grade) -> Summary:
    """Return what a grade comes to: mistakes of one kind together, each with its consequences."""
    causes: list[Cause] = []
    owner: dict[tuple[str, str], Cause] = {}
    together: dict[str, Cause] = {}
    for verdict in grade.verdicts:
        if verdict.verdict in (OK, OK_ECF) or verdict.cause:
            continue
        kind = _kind(verdict)
        cause = _owner_of(owner, verdict.cell.sheet, verdict.repeats) or together.get(kind)
        if cause is None:
            cause = _cause_of(verdict)
            causes.append(cause)
            if kind:
                together[kind] = cause
        else:
            cause.also.append(verdict)
        owner[verdict.cell.sheet, verdict.cell.address] = cause
    _follow(grade.verdicts, owner)
    return Summary(grade, causes, sum(v.points for v in grade.verdicts))


def _cause_of(verdict: CellVerdict) -> Cause:
    entry, said = by_id().get(verdict.bug), _SAID[verdict.verdict]
    if entry is None:
        return Cause(verdict, said["title"], verdict.message, said["advice"])
    return Cause(verdict, entry.title, entry.why, entry.fix)


def _points_missing(verdicts: Iterable[CellVerdict]) -> float:
    return sum(verdict.cell.points - verdict.points for verdict in verdicts)


def _kind(verdict: CellVerdict) -> str:
    """Return what cells that are told of together have in common; empty for a cell by itself.

    Empty cells and typed numbers are told of together, and so is one mistake of the catalogue
    throughout a quantity.
    """
    if verdict.verdict in _TOGETHER:
        return verdict.verdict
    cell = verdict.cell
    return f"{verdict.bug} {cell.quantity} {cell.layer}" if verdict.bug else ""


def _follow(verdicts: Sequence[CellVerdict], owner: dict[tuple[str, str], Cause]) -> None:
    """Put each consequence down to its root, through other consequences where need be."""
    by_place = {(v.cell.sheet, v.cell.address): v for v in verdicts}
    for verdict in verdicts:
        sheet, at, seen = verdict.cell.sheet, verdict.cause, set[str]()
        while at and at not in seen:
            cause = _owner_of(owner, sheet, at)
            if cause is not None:
                cause.follows.append(verdict)
                break
            seen.add(at)
            before = by_place.get(_place(sheet, at))
            at = "" if before is None else before.cause


def _place(sheet: str, address: str) -> tuple[str, str]:
    """Return sheet and address of ``E21`` or ``Step!E21``."""
    other, bang, cell = address.rpartition("!")
    return (other.strip("'") if bang else sheet, cell)


def _owner_of(owner: dict[tuple[str, str], Cause], sheet: str, address: str) -> Cause | None:
    if not address:
        return None
    return owner.get(_place(sheet, address)) or next(
        (cause for (_, cell), cause in owner.items() if cell == address), None
    )


def counted(number: int, word: str, several: str = "") -> str:
    """Return ``1 cell`` or ``2 cells``; ``several`` where the plural is another."""
    return f"{number:,} {word if number == 1 else several or f'{word}s'}"


def open_points(points: float) -> str:
    """Return ``1 point open``; nothing for none."""
    if not points:
        return ""
    return f"{plain_number(points)} point{'' if points == 1 else 's'} open"


def plain_number(number: float) -> str:
    """Return a number of points: two decimals at most, none where it has none."""
    return f"{number:.2f}".rstrip("0").rstrip(".")


def exact(number: float | None) -> str:
    """Return a number of a cell in full; a dash for none."""
    return "–" if number is None else f"{number:.12g}"


# what is kept of each submission

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
