"""What every kind of target can do."""

from __future__ import annotations

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
