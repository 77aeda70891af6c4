"""A training step, with or without its Walkthrough and Check."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from cellgrad.case.facts import structure_from
from cellgrad.case.quantities import Index, Key, quantities
from cellgrad.case.structure import Structure
from cellgrad.mlp.activations import Array
from cellgrad.verify import displays, redraw
from cellgrad.verify.domain import targets_problem
from cellgrad.verify.expected import all_numbers, step_numbers, step_of
from cellgrad.verify.programs.program import Held, Numbers, Program
from cellgrad.xlsx.addresses import Place
from cellgrad.xlsx.map_sheet import Claim

MAX_DECIMALS = 12


class StepProgram(Program):
    """A training step.

    Args:
        name: the part.
        structure: the step.
        helped: whether the workbook has a Walkthrough and a Check of it.
    """

    def __init__(self, name: str, structure: Structure, *, helped: bool) -> None:
        super().__init__(name, quantities(structure))
        self.structure, self.helped = structure, helped
        self.displays = displays.Displays(structure) if helped else None
        self.extra_draws = redraw.SPECIAL if redraw.kinked(structure) else 0
        self._tolerances = redraw.Tolerances()
        self._draws = redraw.draws(structure)
        self._drawn: Numbers = {}
        self._numbers: Numbers = {}

    def numbers(self, inputs: Mapping[Key, Array], held: Held) -> Numbers:
        """Return every number of the step, and of Check and Walkthrough."""
        del held
        if inputs is self._drawn:
            return self._numbers
        step = step_of(self.structure, inputs)
        if self.displays is None:
            return step_numbers(step)
        found = all_numbers(self.structure, step, inputs)
        found["result", None] = np.array(self.displays.results({**inputs, **found}))
        return found

    def draw(self, number: int, linked: Mapping[Key, Array]) -> Numbers:
        """Return new givens, with answers and a tolerance that show most."""
        del linked
        drawn = next(self._draws)
        givens, numbers = drawn.givens, drawn.numbers
        if self.displays is None:
            for name in ("epsilon", "tolerance", "decimals"):
                del givens[name, None]
            self._drawn, self._numbers = givens, step_numbers(drawn.step)
            return givens
        if ("quotient_gap", None) in numbers:
            gap, quotient = (
                numbers[name, None] for name in ("quotient_gap", "difference_quotient")
            )
            givens["tolerance", None] = np.array(self._tolerances.next(gap, quotient))
        results = self.displays.results({**givens, **numbers})
        decimals = int(givens["decimals", None])
        givens["answer", None] = np.array(redraw.answers(results, number, decimals))
        self._drawn, self._numbers = givens, {**numbers, ("result", None): np.array(results)}
        return givens

    def settled(self) -> bool:
        """Tell whether the marks of the Check sheet have been told apart."""
        return self._tolerances.complete()

    def helpers(self) -> list[str]:
        """Return the names of givens that are no quantities."""
        if not self.helped:
            return []
        return ["decimals", "answer", *(["epsilon", "tolerance"] * self.structure.differentiable)]

    def domain_problem(self, inputs: Mapping[Key, Array]) -> str:
        """Return why the givens cannot be used, or nothing."""
        decimals = float(inputs.get(("decimals", None), np.array(0.0)))
        if decimals != int(decimals) or not 0 <= decimals <= MAX_DECIMALS:
            return f"the decimals asked for must be a whole number from 0 to {MAX_DECIMALS}"
        if float(inputs.get(("epsilon", None), np.array(1.0))) == 0:
            return "ε must not be 0"
        return targets_problem(self.structure.loss, inputs["target", None])

    def display_problem(
        self,
        claim: Claim,
        line: Index,
        value: Any,
        numbers: Mapping[Key, Array],
        look: Any,
        bound: Callable[[Place], float],
    ) -> str | None:
        """Return what is wrong with a display cell, or None."""
        name = claim.quantity
        if len(line) != 1:
            return "needs an index rule of one part"
        if self.displays is not None and name in ("working", "mark"):
            return self._line_problem(name, line, value, numbers, look)
        if name == "gradient_agrees" and line[0] < len(numbers.get(("quotient_gap", None), ())):
            gap = float(numbers["quotient_gap", None][line])
            tolerance = float(numbers["tolerance", None])
            place = look.place("quotient_gap", line)
            return displays.agreement_problem(
                value, gap, tolerance, lambda: bound(place) if place else 0.0
            )
        return f"{name!r} is no display of this step"

    def _line_problem(
        self, name: str, line: Index, value: Any, numbers: Mapping[Key, Array], look: Any
    ) -> str | None:
        """Return what is wrong with a line of the Walkthrough, or None."""
        assert self.displays is not None  # noqa: S101 - for the type checker
        if line[0] >= len(self.displays.lines):
            return "lies beyond the lines of the step"
        decimals = int(numbers.get(("decimals", None), np.array(0.0)))
        if name == "working":
            return self.displays.text_problem(line[0], value, numbers, decimals)
        result = float(numbers["result", None][line])
        return displays.mark_problem(value, look.named("answer", line), result, decimals)

    def names_samples(self) -> bool:
        """Tell whether the sample is part of a scalar's name."""
        return self.structure.samples > 1


def create(name: str, facts: Mapping[str, str], _: Mapping[str, Program]) -> StepProgram:
    """Return what a step among other parts should compute."""
    return StepProgram(name, structure_from(facts), helped=False)
