"""What every kind of target can do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from cellgrad.case.model import Case
from cellgrad_audit.answer import Answer


class Target(Protocol):
    """Something that runs cases.

    Attributes:
        name: what a report calls it: the command, ``module:function``, the file.
        declared: ids of catalogue conventions that this kind of target is known to follow
            (an adapter knows its library); the cases it is asked state them.
    """

    name: str
    declared: tuple[str, ...]

    def answer(self, case: Case) -> Answer:
        """Run a case.

        A target that fails says so in ``Answer.failure``, on one line that names the case;
        it does not raise.
        """

    def close(self) -> None:
        """Leave nothing behind: no process, no temporary file."""


_TRIES = 2


@dataclass(slots=True)
class Patience:
    """Counts the cases in a row on which a target took too long.

    Attributes:
        seconds: that a target may take for one case.
    """

    seconds: float
    _overtime: int = 0

    @property
    def lost(self) -> bool:
        """Whether the target is not asked any more."""
        return self._overtime >= _TRIES

    def answered(self) -> None:
        """Take note of an answer, or of a failure that did not take long."""
        self._overtime = 0

    def waited(self) -> str:
        """Take note of a case without an answer in time; return what to say of it."""
        self._overtime += 1
        return f"no answer within {self.seconds:g} s"

    def refusal(self) -> str:
        """Return what to say of the cases after that."""
        return f"not run: no answer within {self.seconds:g} s, {_TRIES} times in a row"
