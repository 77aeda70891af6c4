"""The errors of a run, kept short: sums over every so many updates."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Sums:
    """Sums of E over consecutive stretches of updates, each correctly rounded.

    A correctly rounded sum does not depend on the order of its terms, nor on the
    portions in which they come.

    Args:
        length: updates a stretch; the last one may be shorter.
    """

    def __init__(self, length: int) -> None:
        self.length = length
        self.sums: list[float] = []
        self._pending: list[Floats] = []
        self._waiting = 0
        self._last = 0

    def add(self, errors: Floats) -> None:
        """Take the errors of the next updates, (updates,): finite, and small enough to add up."""
        self._pending.append(errors)
        self._waiting += len(errors)
        if self._waiting < self.length:
            return
        errors = np.concatenate(self._pending)
        whole = len(errors) // self.length * self.length
        self.sums += [math.fsum(row) for row in errors[:whole].reshape(-1, self.length).tolist()]
        self._pending = [errors[whole:]]
        self._waiting = len(errors) - whole

    def finish(self) -> None:
        """Close the last stretch, if one is open."""
        if self._waiting:
            self.sums.append(math.fsum(np.concatenate(self._pending).tolist()))
            self._last, self._waiting, self._pending = self._waiting, 0, []

    def stretches(self) -> list[tuple[int, int, float]]:
        """Return (first update, last update, mean of E) of each stretch, counted from 1."""
        found = []
        for n, total in enumerate(self.sums):
            short = self._last if n == len(self.sums) - 1 else 0
            count = short or self.length
            found.append((n * self.length + 1, n * self.length + count, total / count))
        return found
