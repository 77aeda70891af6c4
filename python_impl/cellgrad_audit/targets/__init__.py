"""What every kind of target can do."""

from __future__ import annotations

import time
from collections.abc import Sequence

from cellgrad.case.model import Case
from cellgrad.errors import InputError, printable
from cellgrad_audit.answer import Answer
from cellgrad_audit.probes import probes

_TRIES = 2


class Target:
    """Something that runs cases.

    Attributes:
        name: what a report calls it: the command, ``module:function``, the file.
        declared: ids of catalogue conventions that this kind of target is known to follow
            (an adapter knows its library); the cases it is asked state them.
        single_precision: whether it may calculate in single precision at all.
    """

    name: str
    declared: tuple[str, ...] = ()
    single_precision = True

    def cases(self) -> Sequence[Case]:
        """Return what it is asked if nothing else is said: the probes, or cases of its own."""
        return probes()

    def answer(self, case: Case) -> Answer:
        """Run a case.

        A target that fails says so in ``Answer.failure``, on one line that names the case;
        it does not raise.
        """
        raise NotImplementedError

    def close(self) -> None:
        """Leave nothing behind: no process, no temporary file."""


class OvertimeError(BaseException):
    """A target takes too long; no Exception, so that a target does not catch it by accident.

    The text is added to what is said of the case.
    """


class TimedTarget(Target):
    """A target that may take so long for a case, and is given up if it does so twice in a row.

    Args:
        seconds: that it may take for one case.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds, self._overtime = seconds, 0

    def ask(self, case: Case) -> Answer:
        """Run a case.

        Raises:
            OvertimeError: it takes too long.
            InputError: what it answers cannot be used.
        """
        raise NotImplementedError

    def answer(self, case: Case) -> Answer:
        """Run a case, if the target is not given up."""
        late = f"no answer within {self.seconds:g} s"
        if self._overtime >= _TRIES:
            return failed(case, f"not run: {late}, {_TRIES} times in a row")
        started, overtime = time.perf_counter(), 0
        try:
            answer = self.ask(case)
        except OvertimeError as error:
            overtime, answer = self._overtime + 1, failed(case, f"{late}{error}")
        except InputError as error:
            answer = failed(case, error.line())
        self._overtime, answer.seconds = overtime, time.perf_counter() - started
        return answer


def failed(case: Case, problem: str) -> Answer:
    """Return the answer that says why there is none."""
    return Answer(case, failure=printable(f"{case.id}: {problem}"))
