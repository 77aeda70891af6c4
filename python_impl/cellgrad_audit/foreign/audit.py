"""The audit of somebody else's workbook from beginning to end: compare, and prove."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cellgrad_audit.foreign.comparison import CellOutcome, Comparison, compared
from cellgrad_audit.foreign.target import DRAWS, WorkbookTarget

if TYPE_CHECKING:
    from cellgrad_audit.answer import Answer
    from cellgrad_audit.foreign.proof import ForeignProof

_MOST_LINES = 40


@dataclass(slots=True)
class ForeignReport:
    """What was found of a workbook.

    Attributes:
        map: the map's file.
        workbook: the workbook's file.
        engine: who recalculated it, and its notes on engines that could not.
        notes: why not an engine that comes before it; what else a reader must know.
        answers: what the sheet gave for its own numbers and for each drawn set.
        cells: every mapped computed cell, in the order of the flow.
        failures: cases in which the sheet gave no numbers.
        proof: what was proved; None where the packages for it are missing, or it was not asked.
    """

    map: Path
    workbook: Path
    engine: str
    notes: list[str]
    answers: list[Answer]
    cells: list[CellOutcome]
    failures: list[str] = field(default_factory=list)
    proof: ForeignProof | None = None

    @property
    def agrees(self) -> bool:
        """Whether every cell is a formula that was right in every case, and none refuted."""
        compared_right = bool(self.cells) and all(cell.agrees for cell in self.cells)
        refuted = self.proof is not None and bool(self.proof.refuted)
        return compared_right and not self.failures and not refuted

    @property
    def wrong(self) -> list[CellOutcome]:
        """The cells that differ in some case."""
        return [cell for cell in self.cells if cell.differences]

    @property
    def typed(self) -> list[CellOutcome]:
        """The cells that hold a number instead of a formula."""
        return [cell for cell in self.cells if cell.typed]

    def as_json(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        return {
            "map": str(self.map),
            "workbook": str(self.workbook),
            "engine": self.engine,
            "agrees": self.agrees,
            "cases": len(self.answers),
            "compared": len(self.cells),
            "differ": len(self.wrong),
            "differ_with_own_numbers": sum(cell.own for cell in self.cells),
            "typed": [cell.place for cell in self.typed],
            "failures": list(self.failures),
            "notes": list(self.notes),
            "cells": [cell.as_json() for cell in self.cells if not cell.agrees],
            "proof": None if self.proof is None else self.proof.as_json(),
        }

    def lines(self) -> list[str]:
        """Return it for people, line by line."""
        wrong, own = self.wrong, [cell for cell in self.cells if cell.own]
        found = [
            (
                f"{self.workbook.name}: recalculated by {self.engine}, {len(self.answers)} cases:"
                " its own numbers, and drawn ones"
            ),
            (
                f"compared {len(self.cells)} cells: {len(self.cells) - len(wrong)} right in every"
                f" case, {len(wrong)} wrong ({len(own)} of them with the workbook's own numbers)"
            ),
        ]
        found += [f"  note: {note}" for note in self.notes]
        found += [f"  no answer: {failure}" for failure in self.failures]
        found += [
            f"  {cell.place}  {cell.label}: a typed number, no formula" for cell in self.typed
        ]
        for cell in wrong[:_MOST_LINES]:
            worst = max(cell.differences, key=lambda d: abs(d.found - d.right))
            times = f"{len(cell.differences)} of {cell.asked} cases"
            numbered = f" ({cell.equation})" if cell.equation else ""
            found.append(
                f"  {cell.place}  {cell.label}{numbered}: {worst.found:.9g} instead of"
                f" {worst.right:.9g} in {worst.case.rpartition(': ')[2]}; wrong in {times}"
            )
        if len(wrong) > _MOST_LINES:
            found.append(f"  … and {len(wrong) - _MOST_LINES} more")
        if self.proof is not None:
            found += _proof_lines(self.proof)
        return found


def _proof_lines(proof: ForeignProof) -> list[str]:
    counts = [
        f"{proof.count(grade)} {grade}"
        for grade in ("proved", "identity-tested", "refuted", "not covered")
        if proof.count(grade)
    ]
    found = [f"from the formulas themselves: {', '.join(counts) or 'nothing asked'}"]
    found += [f"  note: {note}" for note in proof.notes]
    shown = [cell for cell in proof.cells if cell.problem]
    for cell in shown[:_MOST_LINES]:
        found.append(f"  {cell.place}  {cell.label}: {cell.grade}: {cell.problem}")
        if cell.expected:
            found.append(f"    it holds {cell.formula}, it must be {cell.expected}")
    if len(shown) > _MOST_LINES:
        found.append(f"  … and {len(shown) - _MOST_LINES} more")
    return found


def audit_workbook(
    map_path: Path, *, engine: str | None = None, count: int = DRAWS, proof: bool | None = None
) -> ForeignReport:
    """Audit a workbook by its map.

    Args:
        map_path: the map.
        engine: who recalculates; None for the map's choice, else the first that can.
        count: how many sets of drawn numbers.
        proof: whether formulas are proved; None to do so where the packages are installed.

    Raises:
        InputError: the map or the workbook cannot be used.
    """
    with WorkbookTarget(map_path, engine=engine, count=count) as target:
        answers = [target.answer(case) for case in target.cases()]
        return report_of(target, answers, proof=proof)


def report_of(
    target: WorkbookTarget, answers: list[Answer], *, proof: bool | None = None
) -> ForeignReport:
    """Return the report on a workbook that has answered its cases.

    Args:
        target: the workbook.
        answers: what it said of ``target.cases()``.
        proof: whether formulas are proved; None to do so where the packages are installed.
    """
    found: Comparison = compared(target, answers)
    proved = None
    if can_prove() if proof is None else proof:
        from cellgrad_audit.foreign.proof import prove_foreign  # noqa: PLC0415 - an extra

        wrong = {at for at, cell in found.cells.items() if cell.differences}
        proved = prove_foreign(target.foreign, target.map, wrong)
    return ForeignReport(
        target.map.path,
        target.map.workbook,
        target.calculation.engine,
        [f"not recalculated by {note}" for note in target.calculation.notes],
        answers,
        list(found.cells.values()),
        found.failures,
        proved,
    )


def can_prove() -> bool:
    """Tell whether the packages of the proof extra are installed."""
    return find_spec("sympy") is not None
