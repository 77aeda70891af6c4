"""How long a target is waited for: after two cases without an answer, no longer."""

from __future__ import annotations

from dataclasses import dataclass

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
