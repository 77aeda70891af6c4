"""A trace file as a target: a file of answers, whole or in part, as printed somewhere."""

from __future__ import annotations

from pathlib import Path

from cellgrad.case.model import Case
from cellgrad.documents import read_json
from cellgrad.errors import InputError, printable
from cellgrad.files import read_limited
from cellgrad_audit.answer import Answer
from cellgrad_audit.reading import read_answer

MAX_BYTES = 64 << 20


class TraceFileTarget:
    """Answers any case with what one file holds.

    Args:
        path: the file.

    Raises:
        InputError: it cannot be read, or holds no JSON object.
    """

    declared: tuple[str, ...] = ()

    def __init__(self, path: Path) -> None:
        self.name, self._path = printable(str(path)), path
        self._data = read_limited(path, MAX_BYTES)
        try:
            document = read_json(self._data, constant=float)
        except InputError as error:
            raise error.within(path) from error
        if not isinstance(document, dict):
            raise InputError("holds no object", file=path, remedy="give a cellgrad-trace/1 file")

    def answer(self, case: Case) -> Answer:
        """Return what the file says of a case."""
        try:
            return read_answer(case, self._data, whole=False)
        except InputError as error:
            line = f"{case.id}: {error.within(self._path).line()}"
            return Answer(case, failure=printable(line))

    def close(self) -> None:
        """Nothing is held."""
