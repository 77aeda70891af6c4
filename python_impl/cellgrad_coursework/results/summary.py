"""What a grade comes to in words: the root causes, first things first, and what followed."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from importlib.resources import files

from cellgrad_audit.bugs.catalogue import by_id
from cellgrad_coursework.model import (
    BLANK,
    HARDCODED,
    OK,
    OK_ECF,
    REVIEW,
    WRONG,
    CellVerdict,
    Grade,
)

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
