"""Whose submission is it? Who handed it in says the platform; what it is, its own token.

Where no platform says it, the token does, and the file's name where it is a student's id.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Container, Iterable, Iterator
from pathlib import PurePosixPath

from cellgrad_coursework.model import Student
from cellgrad_coursework.moodle_worksheet import moodle_number
from cellgrad_coursework.secret import TOKEN
from cellgrad_coursework.taking_in.intake import Hint, hint_of
from cellgrad_coursework.taking_in.precheck.archive import Archive

_TOKEN = re.compile(TOKEN.pattern.encode())
_LETTERS = re.compile(r"[^\W_]+")
_AGAIN = re.compile(r"(?:[-_ ]*(?:\(\d+\)|copy|kopie|copie|v?\d{1,2}|final|new))+$", re.IGNORECASE)
_CANVAS_IDS = ("id", "canvas id", "canvas user id")


OTHER_ASSIGNMENT = "made out for another assignment (or with another secret)"
"""Why a workbook is not graded whose token, and whose numbers, are none of this assignment's."""


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
    return [token for token in _every_token(data) if token in known]


def holds_token(data: bytes) -> bool:
    """Tell whether a workbook holds a token of any assignment.

    Args:
        data: the file; it has passed the pre-check.

    Raises:
        WorkbookError: the file is no workbook, or damaged.
    """
    return any(True for _ in _every_token(data))


def _every_token(data: bytes) -> Iterator[str]:
    """Yield what has the form of a token, the most telling first, each once."""
    archive = Archive(data, None)
    found: set[str] = set()
    for entry in sorted(archive.entries, key=lambda entry: _place(entry.filename)):
        if _place(entry.filename)[0] <= len(_PLACES):
            for match in _TOKEN.finditer(archive.inflated(entry)):
                token = match[0].decode()
                if token not in found:
                    found.add(token)
                    yield token


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
            number = moodle_number(student)
            if number:
                _add(self._numbers, ("moodle", number), student)
            for header, value in student.other:
                if " ".join(header.casefold().split()) in _CANVAS_IDS and value.strip():
                    _add(self._numbers, ("canvas", value.strip()), student)

    def find(self, name: str) -> Student | None:
        """Return whose file it is, or None: two who may be meant are none.

        In this order: what the name says outright, then the student's id in what the student
        named, as a whole and as a word.
        """
        return self.told(name) or self._guess(name)

    def told(self, name: str) -> Student | None:
        """Return whose file it is where the name says so outright.

        In a platform's naming only its number of the student and its name for them do: the
        rest was named by who handed it in, after whomever they liked. In any other naming the
        student's id as the file's or a folder's name does.
        """
        hint = hint_of(name)
        if hint.platform:
            by_number = self._numbers.get((hint.platform, hint.user))
            return by_number or self._names.get(_plain(hint.name))
        return self._by_id(name, hint)

    def _guess(self, name: str) -> Student | None:
        """Return whom a name may mean: less than the workbook's own token tells."""
        hint = hint_of(name)
        if hint.platform:
            return self._by_id(name, hint) or self._by_word(hint.file)
        return self._by_word(name)

    def _by_id(self, name: str, hint: Hint) -> Student | None:
        *folders, last = PurePosixPath(name).parts or (name,)
        stems = [_stem(hint.file), _stem(last), *map(_unzipped, reversed(folders))]
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
        guessed = self._guess(name)
        return f"?{guessed.id}" if guessed is not None else ""


def by_word(word: str) -> tuple[str, bool]:
    """Return the id of the student that a file is named after, and whether that is certain."""
    return word[1:], word.startswith("=")


def _unzipped(folder: str) -> str:
    """Return the name of a folder; a zip within a zip is one."""
    return folder[:-4] if folder.lower().endswith(".zip") else folder


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
