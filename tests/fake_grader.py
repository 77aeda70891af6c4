"""A grader that gives made-up verdicts, fast, and misbehaves where a file's name asks it to."""

import hashlib
import os
import signal
import time

from cellgrad_coursework.model import OK, WRONG, CellVerdict, Grade


class Grader:
    """Stands in for the one that grades: its words depend on the file's bytes alone."""

    def __init__(self, manifest):
        self._manifest = manifest
        self._hoard = []

    def grade(self, data, file, token=""):
        """Return verdicts drawn from the file's bytes."""
        self._misbehave(file)
        sha256 = hashlib.sha256(data).hexdigest()
        verdicts = []
        for place, cell in enumerate(self._manifest.cells):
            right = int(sha256[place % 60], 16) > 4
            verdicts.append(
                CellVerdict(
                    cell, OK if right else WRONG, cell.points if right else 0.0, f"A{place}"
                )
            )
        score = sum(verdict.points for verdict in verdicts)
        handout = self._manifest.handouts.get(token)
        if handout is None:
            return Grade(file, sha256, None, "", of=self._manifest.points, problem="nobodys")
        return Grade(file, sha256, handout.student, token, verdicts, score,
                     self._manifest.points)  # fmt: skip

    def _misbehave(self, file):
        if "endless" in file:
            while True:
                pass
        if "asleep" in file:
            time.sleep(3600)
        if "hoard" in file:
            while True:
                self._hoard.append(bytearray(8 << 20))
        if "crash" in file:
            os.kill(os.getpid(), signal.SIGSEGV)
        if "shout" in file:
            os.write(1, b"this must not be taken for an answer " * 1000)
        if "fail" in file:
            raise KeyError("what nobody thought of")
