"""A grader that gives made-up verdicts, fast, and misbehaves where a file's name asks it to."""

import hashlib
import os
import signal
import time

from cellgrad_coursework.grading.grade import Graded
from cellgrad_coursework.model import OK, WRONG, CellVerdict
from cellgrad_coursework.running import judge


class Grader(judge.Grader):
    """Stands in for the one that grades: its words depend on whose numbers are there."""

    def _graded(self, identity, book, file):
        """Return verdicts drawn from the token."""
        self._misbehave(file)
        sha256 = hashlib.sha256(identity.handout.token.encode()).hexdigest()
        verdicts = []
        for place, cell in enumerate(self.manifest.cells):
            right = int(sha256[place % 60], 16) > 4
            verdicts.append(
                CellVerdict(
                    cell, OK if right else WRONG, cell.points if right else 0.0, f"A{place}"
                )
            )
        return Graded(verdicts)

    def _misbehave(self, file):
        if "endless" in file:
            while True:
                pass
        if "asleep" in file:
            time.sleep(3600)
        if "hoard" in file:
            hoard = []
            while True:
                hoard.append(bytearray(8 << 20))
        if "crash" in file:
            os.kill(os.getpid(), signal.SIGSEGV)
        if "shout" in file:
            os.write(1, b"this must not be taken for an answer " * 1000)
        if "fail" in file:
            raise KeyError("what nobody thought of")
