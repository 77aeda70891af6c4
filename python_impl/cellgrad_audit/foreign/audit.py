"""The audit of somebody else's workbook: every mapped cell compared with the right step.

Cells are compared with the workbook's own numbers and with drawn ones, and then proved.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cellgrad.bounds.running import UNIT, Running, bounds_of, values_of
from cellgrad.case.model import Case
from cellgrad.case.quantities import Index, Key, person_label
from cellgrad.engines.interface import Arithmetic
from cellgrad.xlsx.addresses import place_text
from cellgrad_audit.answer import Answer, Slot, Vector
from cellgrad_audit.bugs.arithmetic import Array, RunningBounds
from cellgrad_audit.bugs.program import Program
from cellgrad_audit.foreign.target import DRAWS, WorkbookTarget, key_of

if TYPE_CHECKING:
    from cellgrad_audit.foreign.proof import ForeignProof

_MOST_LINES = 40
_UNIT = UNIT["float64"]


@dataclass(frozen=True, slots=True)
class Difference:
    """One number that is not what it should be.

    Attributes:
        case: the id of the case.
        found: what the sheet gives.
        right: what it should be.
    """

    case: str
    found: float
    right: float

    @property
    def size(self) -> float:
        """How far apart the two are."""
        return abs(self.found - self.right)


@dataclass(slots=True)
class CellOutcome:
    """What became of one mapped cell.

    Attributes:
        place: its cell, such as ``Sheet1!B5``.
        label: its name for people, such as ``gradient_ItoH[1,3]``.
        equation: its number.
        typed: whether a number stands there instead of a formula.
        asked: in how many cases it was compared.
        own: whether it differs with the file's own numbers.
        differences: where it differs.
    """

    place: str
    label: str
    equation: str
    typed: bool
    asked: int = 0
    own: bool = False
    differences: list[Difference] = field(default_factory=list)

    def line(self) -> str:
        """Return on one line how far it is off at worst."""
        worst = max(self.differences, key=lambda difference: difference.size)
        numbered = f" ({self.equation})" if self.equation else ""
        return (
            f"{self.place}  {self.label}{numbered}: {worst.found:.9g} instead of"
            f" {worst.right:.9g} in {worst.case.rpartition(': ')[2]}; wrong in"
            f" {len(self.differences)} of {self.asked} cases"
        )


@dataclass(slots=True)
class ForeignReport:
    """What was found of a workbook.

    Attributes:
        workbook: its file.
        engine: who recalculated it.
        notes: why not an engine that comes before it.
        cases: in how many cases it was asked: its own numbers, and each drawn set.
        cells: every mapped computed cell, in the order of the flow.
        failures: cases in which the sheet gave no numbers.
        proof: what was proved; None where the packages for it are missing, or it was not asked.
    """

    workbook: Path
    engine: str
    notes: list[str]
    cases: int
    cells: list[CellOutcome]
    failures: list[str]
    proof: ForeignProof | None = None

    @property
    def agrees(self) -> bool:
        """Whether every cell is a formula that was right in every case, and none refuted."""
        refuted = self.proof is not None and bool(self.proof.refuted)
        wrong = self.wrong or self.typed or self.failures or refuted
        return bool(self.cells) and not wrong

    @property
    def wrong(self) -> list[CellOutcome]:
        """The cells that differ in some case."""
        return [cell for cell in self.cells if cell.differences]

    @property
    def typed(self) -> list[CellOutcome]:
        """The cells that hold a number instead of a formula."""
        return [cell for cell in self.cells if cell.typed]

    def lines(self) -> list[str]:
        """Return it for people, line by line."""
        wrong, own = self.wrong, sum(cell.own for cell in self.cells)
        lines = [
            (
                f"{self.workbook.name}: recalculated by {self.engine}, {self.cases} cases:"
                " its own numbers, and drawn ones"
            ),
            (
                f"compared {len(self.cells)} cells: {len(self.cells) - len(wrong)} right in every"
                f" case, {len(wrong)} wrong ({own} of them with the workbook's own numbers)"
            ),
        ]
        lines += [f"  note: {note}" for note in self.notes]
        lines += [f"  no answer: {failure}" for failure in self.failures]
        lines += [
            f"  {cell.place}  {cell.label}: a typed number, no formula" for cell in self.typed
        ]
        lines += _first([[f"  {cell.line()}"] for cell in wrong])
        return lines if self.proof is None else [*lines, *_proof_lines(self.proof)]


def _proof_lines(proof: ForeignProof) -> list[str]:
    counts = [
        f"{proof.count(grade)} {grade}"
        for grade in ("proved", "identity-tested", "refuted", "not covered")
        if proof.count(grade)
    ]
    lines = [f"from the formulas themselves: {', '.join(counts) or 'nothing asked'}"]
    lines += [f"  note: {note}" for note in proof.notes]
    return lines + _first([cell.lines() for cell in proof.cells if cell.problem])


def _first(items: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of the first items, and how many more there are."""
    lines = [line for item in items[:_MOST_LINES] for line in item]
    more = len(items) - _MOST_LINES
    return [*lines, f"  … and {more} more"] if more > 0 else lines


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
    target: WorkbookTarget, answers: Sequence[Answer], *, proof: bool | None = None
) -> ForeignReport:
    """Return the report on a workbook that has answered its cases.

    Args:
        target: the workbook.
        answers: what it said of ``target.cases()``.
        proof: whether formulas are proved; None to do so where the packages are installed.
    """
    outcomes: dict[tuple[Slot, Index], CellOutcome] = {}
    failures = []
    for answer in answers:
        if answer.failure or answer.unsupported:
            failures.append(answer.failure or f"{answer.case.id}: {answer.unsupported}")
        else:
            _compare(target, answer, outcomes)
    proved = None
    if find_spec("sympy") is not None if proof is None else proof:
        from cellgrad_audit.foreign.proof import prove_foreign  # noqa: PLC0415 - an extra

        wrong = {number for number, cell in outcomes.items() if cell.differences}
        proved = prove_foreign(target.foreign, target.map, wrong)
    return ForeignReport(
        target.map.workbook,
        target.calculation.engine,
        [f"not recalculated by {note}" for note in target.calculation.notes],
        len(answers),
        list(outcomes.values()),
        failures,
        proved,
    )


def _compare(
    target: WorkbookTarget, answer: Answer, outcomes: dict[tuple[Slot, Index], CellOutcome]
) -> None:
    """Compare the answer to one case."""
    right = right_numbers(answer.case, target.calculation.arithmetic)
    for slot, numbers in answer.numbers.items():
        key = key_of(slot)
        values, bounds = right[key]
        places, quantity = dict(target.map.computed[key].cells()), target.map.quantities[key]
        for index in np.ndindex(values.shape):
            if (slot, index) not in outcomes:
                outcomes[slot, index] = CellOutcome(
                    place_text(places[index]),
                    person_label(target.map.structure, quantity, index),
                    quantity.equation,
                    places[index] in target.typed,
                )
            outcome = outcomes[slot, index]
            outcome.asked += 1
            found, wanted = float(numbers.values[index]), float(values[index])
            if not abs(found - wanted) <= float(bounds[index]):
                outcome.differences.append(Difference(answer.case.id, found, wanted))
                outcome.own |= answer.case.id == target.own.id


def right_numbers(case: Case, arithmetic: Arithmetic) -> dict[Key, tuple[Vector, Vector]]:
    """Return every quantity of a step, and how far a correct calculation may lie from it.

    Both are calculated, and each may lie one bound from the exact value.

    Args:
        case: one step.
        arithmetic: how the engine departs from IEEE double.
    """
    step = Program(case, _Bounds(arithmetic)).run().steps[0]
    arrays = {key: np.asarray(value, dtype=object) for key, value in step.items()}
    # an engine that sets small differences to 0 errs by so much more at every addition
    wider = 2.0 + arithmetic.snap / _UNIT
    return {key: (values_of(array), wider * bounds_of(array)) for key, array in arrays.items()}


class _Bounds(RunningBounds):
    """Bounds for an engine that may hold givens with an error of their own."""

    def __init__(self, arithmetic: Arithmetic) -> None:
        super().__init__("float64")
        self._given = arithmetic.given_error

    def numbers(self, values: Any) -> Array:
        """Return given numbers as an array of objects."""
        if not self._given:
            return super().numbers(values)
        array = np.array(values, dtype=np.float64)
        runs = [Running(v, self._given * abs(v), _UNIT, abs(v)) for v in array.ravel().tolist()]
        return self._array(runs, array.shape)
