"""Somebody else's workbook as a target, and the report on its cells.

Cases are written into its cells and answers read: every mapped cell is compared with the right
step, for the workbook's own numbers and for drawn ones, and then proved.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from itertools import islice, product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cellgrad.case.givens import case_of, givens_of
from cellgrad.case.model import Case
from cellgrad.case.quantities import Index, Key, person_label
from cellgrad.engines import Arithmetic
from cellgrad.errors import CaseError, CellgradError, WorkbookError
from cellgrad.formula.references import find_cycle
from cellgrad.verify.program import targets_problem
from cellgrad.verify.redraw import SPECIAL, Drawn, draws, kinked
from cellgrad.xlsx.addresses import Place, place_text
from cellgrad.xlsx.sheet import Value
from cellgrad_audit.answer import Answer, Numbers, Slot, Vector
from cellgrad_audit.bugs.arithmetic import (
    UNIT,
    Array,
    Running,
    RunningBounds,
    bounds_of,
    each,
    values_of,
)
from cellgrad_audit.bugs.program import Program
from cellgrad_audit.foreign.map_file import (
    NEW,
    Placement,
    changes_for,
    joined,
    read_map,
)
from cellgrad_audit.foreign.recalculation import Calculation, calculate
from cellgrad_audit.targets import Target

if TYPE_CHECKING:
    from cellgrad_audit.foreign.proof import ForeignProof

DRAWS = 5
"""Sets of drawn numbers, besides the special ones of networks with kinks."""

_MOST_DRAWS, _MOST_LINES = 40, 40
_UNIT = UNIT["float64"]

_BEFORE = {new: name for name, new in NEW.items()}


def _slot_of(key: Key) -> Slot:
    """Return where a mapped quantity stands in the run: step 1, new parameters at its end."""
    name, layer = key
    return Slot(0, _BEFORE[name], layer) if name in _BEFORE else Slot(1, name, layer)


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


class WorkbookTarget(Target):
    """A workbook with its map.

    Args:
        path: the map.
        engine: who recalculates; None for the map's own choice, else the first that can.
        count: how many sets of drawn numbers, the special ones aside.

    Attributes:
        name: the workbook.
        declared: nothing: conventions are declared in the map.
        map: where everything stands.
        foreign: the workbook's cells and formulas.
        typed: cells that should be formulas and are numbers.
        own: the file's own numbers as a case.

    Raises:
        InputError: the map or the workbook cannot be used.
    """

    single_precision = False  # a spreadsheet has none

    def __init__(self, path: Path, *, engine: str | None = None, count: int = DRAWS) -> None:
        self.map = read_map(path)
        self.foreign = self.map.foreign
        self.name = str(self.foreign.book.path)
        self._count = count
        self._refuse_circle()
        self.typed = set(self._typed())
        wanted = self.map.places()
        self.calculation: Calculation = calculate(self.foreign, wanted, engine or self.map.engine)
        try:
            self.own = self._own_case()
        except BaseException:
            self.calculation.close()
            raise
        self._written: Case | None = self.own

    # what it can be asked

    def cases(self) -> list[Case]:
        """Return the file's own numbers as a case, then the drawn ones."""
        return [self.own, *self._drawn()]

    def answer(self, case: Case) -> Answer:
        """Write a case into the given cells, recalculate, and read the computed ones.

        A failure is told in the answer; per-sample quantities have a sample axis always.
        """
        answer, start = Answer(case), time.perf_counter()
        try:
            reason = self._unsupported(case)
            if reason:
                answer.unsupported = reason
            else:
                self._write(case)
                answer.numbers = self._results()
        except CellgradError as error:
            answer.failure = f"{case.id}: {error}"
        answer.seconds = time.perf_counter() - start
        return answer

    def close(self) -> None:
        """End the engine; nothing of it stays behind."""
        self.calculation.close()

    def report(self, answers: Sequence[Answer], *, proof: bool | None = None) -> ForeignReport:
        """Return the report on the workbook after it has answered its cases.

        Args:
            answers: what it said of ``cases()``.
            proof: whether formulas are proved; None to do so where the packages are installed.
        """
        outcomes: dict[tuple[Key, Index], CellOutcome] = {}
        failures = []
        for answer in answers:
            if answer.failure or answer.unsupported:
                failures.append(answer.failure or f"{answer.case.id}: {answer.unsupported}")
            else:
                self._compare(answer, outcomes)
        proved = None
        if find_spec("sympy") is not None if proof is None else proof:
            from cellgrad_audit.foreign.proof import prove_foreign  # noqa: PLC0415 - an extra

            wrong = {number for number, cell in outcomes.items() if cell.differences}
            proved = prove_foreign(self.foreign, self.map, wrong)
        return ForeignReport(
            self.foreign.book.path,
            self.calculation.engine,
            [f"not recalculated by {note}" for note in self.calculation.notes],
            len(answers),
            list(outcomes.values()),
            failures,
            proved,
        )

    def _compare(self, answer: Answer, outcomes: dict[tuple[Key, Index], CellOutcome]) -> None:
        """Compare the answer to one case."""
        right = _right_numbers(answer.case, self.calculation.arithmetic)
        for slot, numbers in answer.numbers.items():
            key = slot.key
            values, bounds = right[key]
            places, quantity = dict(self.map.computed[key].cells()), self.map.quantities[key]
            for index in np.ndindex(values.shape):
                if (key, index) not in outcomes:
                    outcomes[key, index] = CellOutcome(
                        place_text(places[index]),
                        person_label(self.map.structure, quantity, index),
                        quantity.equation,
                        places[index] in self.typed,
                    )
                outcome = outcomes[key, index]
                outcome.asked += 1
                shown, wanted = float(numbers.values[index]), float(values[index])
                if not abs(shown - wanted) <= float(bounds[index]):
                    outcome.differences.append(Difference(answer.case.id, shown, wanted))
                    outcome.own |= answer.case.id == self.own.id

    # reading the file

    def _refuse_circle(self) -> None:
        try:
            cycle = find_cycle(self.foreign.book)
        except RecursionError:
            cycle = None
        if cycle:
            chain = " → ".join(place_text(place) for place in cycle[:4])
            raise WorkbookError(
                f"a circular reference: {chain}", file=self.foreign.book.path,
                remedy="a training step runs one way; break the circle",
            )  # fmt: skip

    def _typed(self) -> Iterator[Place]:
        for key, where in self.map.computed.items():
            for _, place in where.cells():
                if self.foreign.formula(place) is not None:
                    continue
                value = self.foreign.value(place)
                if not isinstance(value, float):
                    raise WorkbookError(
                        f"{self.map.keys['computed', key]} should be computed there,"
                        f" but {_what(value)}",
                        file=self.foreign.book.path,
                        place=place_text(place),
                        remedy=f"correct the range in {self.map.path.name}",
                    )
                yield place

    def _numbers(self, table: Mapping[Key, Placement], says: str) -> dict[Key, Vector]:
        areas = [piece for where in table.values() for piece in where.pieces]
        blocks = self.calculation.read(areas)
        for area, block in zip(areas, blocks, strict=True):
            for r, c in product(range(area.height), range(area.width)):
                value = block[r][c]
                if not (isinstance(value, float) and math.isfinite(value)):
                    raise WorkbookError(
                        f"{says} should hold a number, but {_what(value)}",
                        file=self.foreign.book.path,
                        place=place_text((area.sheet, area.top + r, area.left + c)),
                        remedy="correct the cell, or the range in the map",
                    )
        arrays = (np.array(block, dtype=np.float64) for block in blocks)
        return {
            key: where.gathered(list(islice(arrays, len(where.pieces))))
            for key, where in table.items()
        }

    def _results(self) -> dict[Slot, Numbers]:
        values = self._numbers(self.map.computed, "a computed cell")
        return {
            _slot_of(key): Numbers(values[key], np.zeros_like(values[key]))
            for key in self.map.quantities
            if key in values
        }

    # cases

    def _own_case(self) -> Case:
        givens = self._numbers(self.map.given, "a given")
        problem = targets_problem(self.map.structure.loss, givens["target", None])
        if problem:
            raise WorkbookError(
                problem, file=self.foreign.book.path,
                place=place_text(next(self.map.given["target", None].cells())[1]),
                remedy="change the targets, or the map's loss",
            )  # fmt: skip
        return self._case(givens, "own numbers", "the workbook's own numbers")

    def _drawn(self) -> Iterator[Case]:
        structure = self.map.structure
        source = draws(structure)
        if not kinked(structure):
            sets = list(islice(source, self._count))
        else:
            sets = list(islice(source, self._count + SPECIAL)) if self._count else []
            # a forgotten derivative shows only where its node is asleep
            while sets and len(sets) < _MOST_DRAWS and not _both_sides(sets[1:]):
                sets.append(next(source))
            sets = [*sets[1:], *sets[:1]]  # every weight 0 shows least: that one comes last
        for n, drawn in enumerate(sets, start=1):
            givens = joined(self.map.given, drawn.givens)
            yield self._case(givens, f"draw {n}", f"drawn numbers, set {n}")

    def _case(self, givens: Mapping[Key, Vector], name: str, title: str) -> Case:
        case = case_of(self.map.structure, givens, **self.map.constants)
        return replace(case, id=f"{self.foreign.book.path.stem}: {name}", title=title)

    def _unsupported(self, case: Case) -> str:
        """Return why the sheet cannot hold a case, or nothing."""
        try:
            structure = case.structure()
        except CaseError as error:
            return error.problem
        # a decay of 0 is still one that the sheet has
        mine = replace(self.map.structure, decay=False)
        if replace(structure, decay=False) != mine:
            return "the sheet holds one step of another network"
        wanted = {
            "learning_rate": case.step_learning_rate() if self.map.updates else None,
            "leaky_slope": case.network.leaky_slope if structure.leaky else None,
            "weight_decay": case.optimizer.weight_decay,
        }
        for name, value in wanted.items():
            if value is None or (name, None) in self.map.given:
                continue
            if value != self.map.constants.get(name, 0.0):
                return f"{name} is written into the sheet's formulas"
        return ""

    def _write(self, case: Case) -> None:
        if case is not self._written:
            self._written = None
            self.calculation.update(changes_for(self.map.given, givens_of(case)))
            self._written = case


def _both_sides(sets: Sequence[Drawn]) -> bool:
    """Tell whether every node was seen awake and asleep."""
    for k in range(len(sets[0].step.pre_activation)):
        above = np.concatenate([drawn.step.pre_activation[k] > 0 for drawn in sets])
        if not (above.any(axis=0) & ~above.all(axis=0)).all():
            return False
    return True


def _what(value: Value) -> str:
    return "it is empty" if value is None else f"it holds {str(value)[:40]!r}"


def _right_numbers(case: Case, arithmetic: Arithmetic) -> dict[Key, tuple[Vector, Vector]]:
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
        numbers = np.array(values, dtype=np.float64)
        return each(lambda v: Running(v, self._given * abs(v), _UNIT, abs(v)), numbers)
