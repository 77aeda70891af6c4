"""Whose submission is it? By the workbook's own token, then by the file's name."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Container, Iterable
from pathlib import PurePosixPath

from cellgrad.coursework.intake import Hint, hint_of
from cellgrad.coursework.model import Student
from cellgrad.coursework.precheck.archive import Archive
from cellgrad.coursework.roster import participant
from cellgrad.coursework.secret import TOKEN

_TOKEN = re.compile(TOKEN.pattern.encode())
_LETTERS = re.compile(r"[^\W_]+")
_AGAIN = re.compile(r"(?:[-_ ]*(?:\(\d+\)|copy|kopie|copie|v?\d{1,2}|final|new))+$", re.IGNORECASE)
_CANVAS_IDS = ("id", "canvas id", "canvas user id")


def tokens_of(data: bytes, known: Container[str]) -> list[str]:
    """Return the tokens of an assignment that stand in a workbook, the most telling first.

    A token is a text of a form of its own, so that it is found wherever a spreadsheet program
    put it: among the shared texts, in a cell, in a defined name. Nothing is parsed.

    Args:
        data: the file; it has passed the pre-check.
        known: the assignment's tokens.

    Raises:
        WorkbookError: the file is no workbook, or damaged.
    """
    archive = Archive(data, None)
    found: dict[str, None] = {}
    for entry in sorted(archive.entries, key=lambda entry: _place(entry.filename)):
        if _place(entry.filename)[0] <= len(_PLACES):
            for match in _TOKEN.finditer(archive.inflated(entry)):
                token = match[0].decode()
                if token in known:
                    found[token] = None
    return list(found)


_PLACES = ("xl/workbook.xml", "docprops/custom.xml", "xl/sharedstrings.xml", "xl/worksheets/")


def _place(name: str) -> tuple[int, int, str]:
    lower = name.lower()
    if not lower.endswith(".xml"):
        return len(_PLACES) + 1, 0, name
    rank = next((n for n, start in enumerate(_PLACES) if lower.startswith(start)), len(_PLACES) + 1)
    return rank, len(name), name


class ByName:
    """Finds a student by what a file is called.

    Args:
        students: the roster.
    """

    def __init__(self, students: Iterable[Student]) -> None:
        self._ids: dict[str, Student | None] = {}
        self._names: dict[str, Student | None] = {}
        self._numbers: dict[tuple[str, str], Student | None] = {}
        for student in students:
            _add(self._ids, student.id.casefold(), student)
            for name in _spellings(student):
                _add(self._names, name, student)
            number = participant(student)
            if number:
                _add(self._numbers, ("moodle", number), student)
            for header, value in student.other:
                if " ".join(header.casefold().split()) in _CANVAS_IDS and value.strip():
                    _add(self._numbers, ("canvas", value.strip()), student)

    def find(self, name: str) -> Student | None:
        """Return whose file it is, or None: two who may be meant are none.

        In this order: the platform's number of the student, their id as the file's or
        folder's name, their name as the platform writes it, their id as a word in the path.
        """
        return self.told(name) or self._by_word(name)

    def told(self, name: str) -> Student | None:
        """Return whose file it is where the name says so outright: not by a word in the path."""
        hint = hint_of(name)
        return (
            self._numbers.get((hint.platform, hint.user))
            or self._by_id(name, hint)
            or (self._names.get(_plain(hint.name)) if hint.name else None)
        )

    def _by_id(self, name: str, hint: Hint) -> Student | None:
        *folders, last = PurePosixPath(name).parts or (name,)
        stems = [_stem(hint.file), _stem(last), *reversed(folders)]
        for stem in filter(None, stems):
            for text in (stem, _AGAIN.sub("", stem)):
                student = self._ids.get(text.casefold())
                if student is not None:
                    return student
        return None

    def _by_word(self, name: str) -> Student | None:
        words = {word.casefold() for word in re.split(r"[^\w.@-]+|_", name)}
        words |= {word.casefold() for word in re.findall(r"[^\W_]+", name)}
        found = {student.id: student for word in words if (student := self._ids.get(word))}
        return next(iter(found.values())) if len(found) == 1 else None

    def word(self, name: str) -> str:
        """Return what ``find`` knows in a word for the process that grades: see ``by_word``."""
        told = self.told(name)
        if told is not None:
            return f"={told.id}"
        guessed = self._by_word(name)
        return f"?{guessed.id}" if guessed is not None else ""


def by_word(word: str) -> tuple[str, bool]:
    """Return the id of the student that a file is named after, and whether that is certain."""
    return word[1:], word.startswith("=")


def _stem(name: str) -> str:
    stem, dot, _ = name.rpartition(".")
    return stem if dot else name


def _add(table: dict, key: object, student: Student) -> None:  # type: ignore[type-arg]
    """Add a way to name a student; what names two names nobody."""
    if key:
        table[key] = student if table.get(key, student) is student else None


def _plain(name: str) -> str:
    """Return a name without accents, signs and blanks: Canvas writes it so."""
    text = unicodedata.normalize("NFKD", name)
    plain = "".join(sign for sign in text if not unicodedata.combining(sign))
    return "".join(_LETTERS.findall(plain)).casefold()


def _spellings(student: Student) -> set[str]:
    """Return a name as given, and with each rotation of its words."""
    words = student.name.replace(",", " ").split()
    turned = (" ".join(words[n:] + words[:n]) for n in range(len(words)))
    return {_plain(name) for name in turned}
