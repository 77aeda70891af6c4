"""Moodle's grading worksheet in the language of its site: which of a roster's columns is which.

The importer looks up its own site's headings, and takes a participant's number for what stands
behind its own word for them. So what it wrote is given back as it wrote it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from cellgrad_coursework.model import Student
from cellgrad_coursework.roster import IDENTIFIERS, participant

GRADE = (
    "grade", "bewertung", "note", "calificación", "nota", "valutazione", "beoordeling", "cijfer",
    "qualificació", "cualificación", "avaliação", "betyg", "not", "оценка", "kalifikazioa",
)  # fmt: skip
MAXIMUM = (
    "maximum grade", "bestwertung", "note maximale", "calificación máxima", "nota máxima",
    "valutazione massima", "maximaal cijfer", "cualificación máxima", "maximalt betyg",
)  # fmt: skip
"""Headings of the grading worksheet, from the language packs of Moodle (``assign.php``:
``maxgrade``; ``moodle.php``: ``gradenoun``), in lower case."""

_MODIFIED = re.compile(r"[^()]+ \((?P<what>[^()]+)\)")
_NUMBERED = re.compile(r"(?P<word>.*\D)(?P<number>\d{1,18})", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Worksheet:
    """The columns of a worksheet, up to the date of the grade; places count from 0.

    What stands behind that date are comments. Without their column they stay as they are.

    Attributes:
        headings: as the site has them.
        word: what stands before a participant's number there, such as ``Teilnehmer/in``.
        identifier: the column of the participants.
        grade: the column of the grades.
        maximum: the column of the maximum, or None.
    """

    headings: tuple[str, ...]
    word: str
    identifier: int
    grade: int
    maximum: int | None

    def row(self, student: Student) -> list[str] | None:
        """Return a student's row as the roster has it; None for one of another roster."""
        if tuple(name for name, _ in student.other[: len(self.headings)]) != self.headings:
            return None
        return [value for _, value in student.other[: len(self.headings)]]

    def most(self, row: list[str]) -> float | None:
        """Return the maximum that a row names, or None."""
        return None if self.maximum is None else maximum(row[self.maximum])


def worksheet_of(student: Student) -> Worksheet | None:
    """Return the columns of the worksheet that a student was read from.

    None if the roster is none, or if it is not certain which column is which. Known headings
    tell, and what the date of the grade is called: it names the grade in brackets.
    """
    plain = [" ".join(name.casefold().split()) for name, _ in student.other]
    dates = [(place, match["what"]) for place, name in enumerate(plain)
             if (match := _MODIFIED.fullmatch(name))]  # fmt: skip
    for modified, what in reversed(dates):
        before = plain[:modified]
        grade = _first(before, GRADE)
        if grade is None and what in before:  # a language that is not in the table
            grade = before.index(what)
        if grade is None or not (what in GRADE or what == plain[grade]):
            continue
        known = _first(before, (*IDENTIFIERS, "id"))
        identifier = 0 if known is None else known
        numbered = _NUMBERED.fullmatch(student.other[identifier][1])
        if numbered is None or identifier >= grade:
            continue
        most = _first(before, MAXIMUM)
        if most is None and maximum(student.other[grade + 1][1]) and grade + 1 < modified:
            most = grade + 1  # there Moodle has it
        headings = tuple(name for name, _ in student.other[: modified + 1])
        return Worksheet(headings, numbered["word"], identifier, grade, most)
    return None


def moodle_number(student: Student) -> str:
    """Return a student's number in Moodle, as the roster has it; empty where it has none."""
    number = participant(student)
    if number:
        return number
    sheet = worksheet_of(student)
    if sheet is None:
        return ""
    numbered = _NUMBERED.fullmatch(student.other[sheet.identifier][1])
    return numbered["number"] if numbered else ""


def maximum(text: str) -> float | None:
    """Return a maximum, with a decimal point or comma; None where it is none."""
    try:
        value = float(text.replace(",", "."))
    except ValueError:
        return None
    return value if 0 < value < 1e9 else None


def _first(plain: list[str], known: tuple[str, ...]) -> int | None:
    return next((place for place, name in enumerate(plain) if name in known), None)
