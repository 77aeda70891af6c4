"""What can go wrong, from the general to the specific.

Every error that a user can cause or meet carries one line that names the file,
the place in it and the remedy; the command line prints that line and exits 2.
"""

from __future__ import annotations

from functools import partial


class CellgradError(Exception):
    """The root of everything this package raises on purpose."""


class InputError(CellgradError):
    """An input that cannot be used (exit code 2).

    Args:
        problem: what is wrong, as half a sentence.
        file: the file in question, if there is one.
        place: where in it: a cell, a JSON path, a line.
        remedy: what the reader can do about it.
    """

    def __init__(
        self, problem: str, *, file: object = None, place: str = "", remedy: str = ""
    ) -> None:
        self.problem, self.file, self.place, self.remedy = problem, file, place, remedy
        super().__init__(self.line())

    def __reduce__(self) -> tuple[object, ...]:
        """Travel between processes with every part."""
        again = partial(type(self), file=self.file, place=self.place, remedy=self.remedy)
        return again, (self.problem,)

    def line(self) -> str:
        """Return the message on one line: file, place, problem, remedy."""
        where = [str(part) for part in (self.file, self.place) if part]
        text = ": ".join([*where, self.problem])
        if self.remedy:
            text += f"; {self.remedy}"
        return " ".join(text.split())

    def within(self, file: object) -> InputError:
        """Return the same error with the file named, if it was not yet."""
        if self.file:
            return self
        return type(self)(self.problem, file=file, place=self.place, remedy=self.remedy)


class CaseError(InputError):
    """A case that breaks its schema or its mathematics."""


class ShapeError(CaseError):
    """Shapes that do not chain."""


class WorkbookError(InputError):
    """A workbook that cannot be read, or cannot be built."""


class EngineError(InputError):
    """An engine that is not installed, hung, crashed or refused the file."""


class EngineMissingError(EngineError):
    """An engine that is not installed here."""


def printable(text: str) -> str:
    """Return a text with its control characters made visible: names can be hostile."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
