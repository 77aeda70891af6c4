"""What verifying one workbook in one engine showed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from cellgrad.verify.mismatch import Mismatch
from cellgrad.xlsx.addresses import Place, parse_a1

COMPUTED = ("step", "check", "display")
"""The kinds of claims whose cells hold formulas."""

_RANK = {
    kind: rank
    for rank, kind in enumerate(
        ("map", "formula", "given", "answer", "step", "check", "display", "stored")
    )
}


_LAST = 1 << 30


@dataclass(slots=True)
class Report:
    """What verifying one workbook in one engine showed.

    Attributes:
        path: the workbook.
        case: the id of its case.
        engine: the engine's name.
        engine_version: the engine's own version.
        totals: cells asked about, by kind.
        disagreeing: cells that disagree in any draw, by kind.
        inexact: cells that agree, but not to the last bit in every draw, by kind.
        worst: the largest gap as a share of its bound, and its cell.
        mismatches: every disagreement, in the order of the flow.
        draws: how many redraws were made.
        notes: what a reader should know beside the verdict.
    """

    path: Path
    case: str
    engine: str
    engine_version: str
    totals: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COMPUTED, 0))
    disagreeing: dict[str, set[Place]] = field(
        default_factory=lambda: {kind: set() for kind in COMPUTED}
    )
    inexact: dict[str, set[Place]] = field(
        default_factory=lambda: {kind: set() for kind in COMPUTED}
    )
    worst: float = 0.0
    worst_cell: str = ""
    mismatches: list[Mismatch] = field(default_factory=list)
    draws: int = 0
    notes: list[str] = field(default_factory=list)

    @property
    def agrees(self) -> bool:
        """Whether every cell agrees."""
        return not self.mismatches

    @property
    def cells(self) -> int:
        """How many computed cells were asked about."""
        return sum(self.totals.values())

    @property
    def within_bound(self) -> int:
        """How many agree within their bounds, but not bit for bit in every draw."""
        return sum(len(self.inexact[kind] - self.disagreeing[kind]) for kind in COMPUTED)

    @property
    def bit_identical(self) -> int:
        """How many agree to the last bit in every draw."""
        bad = sum(len(self.disagreeing[kind] | self.inexact[kind]) for kind in COMPUTED)
        return self.cells - bad

    def kinds(self) -> dict[str, tuple[int, int]]:
        """Return (agreeing, asked about) by kind."""
        return {
            kind: (self.totals[kind] - len(self.disagreeing[kind]), self.totals[kind])
            for kind in COMPUTED
        }

    def note(self, mismatch: Mismatch) -> None:
        """Enter a disagreement; of one cell, the first draw that shows it stands for all."""
        place = place_of(mismatch)
        if mismatch.kind in COMPUTED and place is not None:
            if place in self.disagreeing[mismatch.kind]:
                return
            self.disagreeing[mismatch.kind].add(place)
        self.mismatches.append(mismatch)

    def sort(self, rank: Callable[[Place], int]) -> None:
        """Put the disagreements in the order of the flow: the first is nearest to the cause.

        Args:
            rank: a cell's place in the order of computation.
        """

        def in_flow(mismatch: Mismatch) -> tuple[int, int, int]:
            place = place_of(mismatch)
            return mismatch.draw, _RANK[mismatch.kind], rank(place) if place else _LAST

        self.mismatches.sort(key=in_flow)


def place_of(mismatch: Mismatch) -> Place | None:
    """Return the cell of a disagreement, if it is one cell."""
    try:
        return (mismatch.sheet, *parse_a1(mismatch.cell))
    except ValueError:
        return None
