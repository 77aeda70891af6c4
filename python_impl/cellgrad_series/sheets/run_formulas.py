"""The formulas of a run's rows: those of a step, and what an optimiser adds."""

from __future__ import annotations

from cellgrad.case.quantities import Index
from cellgrad.case.structure import Structure
from cellgrad.workbook.formulas import Formulas, Reference
from cellgrad_series.parts.equations import RunEquations
from cellgrad_series.parts.run import RunShape


class RunFormulas(RunEquations, Formulas):
    """Writes the formula of any scalar of one row.

    Args:
        shape: the run.
        structure: the step of this row's batch.
        at: where each scalar stands; what the row starts from is named as in a step
            (``weights``, ``biases``) or with ``last_`` before its name (``last_velocity``).
    """

    most = 64  # a row is read by its columns' names: here sums may be longer

    def __init__(self, shape: RunShape, structure: Structure, at: Reference) -> None:
        super().__init__(structure, at)
        self.rule = shape.rule

    def _validation_error(self, _: None, __: Index) -> str:
        terms = [self.at(("sample_error", None), (s,)) for s in range(self.s.samples)]
        return f"({self.added(terms)})/{self.s.samples}"
