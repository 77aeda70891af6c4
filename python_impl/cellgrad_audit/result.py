"""What an audit comes to."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from cellgrad.case.model import Case
from cellgrad.case.quantities import Key, Quantity, Structure, label_with_index, table
from cellgrad_audit.answer import PARAMETERS, Answer, Slot
from cellgrad_audit.bugs.catalogue import Entry, Variant
from cellgrad_audit.bugs.program import Program
from cellgrad_audit.hypothesis import Hypothesis

BIT_IDENTICAL = "bit_identical"
WITHIN_BOUND = "within_bound"
ALTERNATIVE_FORMULA = "alternative_formula"
CONVENTION = "convention"
KNOWN_BUG = "known_bug"
UNKNOWN_DIFFERENCE = "unknown_difference"
INCONCLUSIVE = "inconclusive"

RIGHT = (BIT_IDENTICAL, WITHIN_BOUND, ALTERNATIVE_FORMULA)
"""Verdicts with exit code 0."""

AGREES, DIFFERS, UNSUPPORTED, FAILED = "agrees", "differs", "unsupported", "failed"


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One explanation of the numbers: a mistake, or two at once.

    Attributes:
        variants: one or two variants of catalogue entries.
        entries: their entries.
        program: the program that makes exactly these mistakes.
        explained: how many of the numbers asked about it reproduces within bounds.
        asked: how many were asked about.
        where: quantities in which it can first be seen, such as ``S_ERROR_H (Eq. 11)``.
        ties: ids of other entries that reproduce the same numbers on what was exercised.
        told_by: what would tell it from the ties: a trace of a quantity, or a probe.
    """

    variants: tuple[Variant, ...]
    entries: tuple[Entry, ...]
    program: type[Program]
    explained: int
    asked: int
    where: str
    ties: tuple[str, ...] = ()
    told_by: str = ""

    @property
    def whole(self) -> bool:
        """Whether it reproduces every number."""
        return self.explained == self.asked


@dataclass(frozen=True, slots=True)
class Cell:
    """One number beside what it should be.

    Attributes:
        slot: where it stands.
        index: the 0-based index in the quantity.
        label: for people, such as ``new_weight_ItoH[1,3]``.
        equation: its number, empty for none.
        found: the target's number.
        right: the reference.
        bound: how far apart they may be, roundings of the printed number included.
        digits: how many digits of it are correct, at most 17.
    """

    slot: Slot
    index: tuple[int, ...]
    label: str
    equation: str
    found: float
    right: float
    bound: float
    digits: float

    @property
    def agrees(self) -> bool:
        """Whether they differ by no more than the bound."""
        return abs(self.found - self.right) <= self.bound


@dataclass(frozen=True, slots=True)
class Group:
    """Printed numbers that one explanation reproduces.

    Attributes:
        diagnosis: the mistake; None where the right program reproduces them, or nothing does.
        right: whether the right program reproduces them.
        cells: the numbers.
    """

    diagnosis: Diagnosis | None
    right: bool
    cells: tuple[Cell, ...]


@dataclass(slots=True)
class Probed:
    """What became of one case.

    Attributes:
        case: as the target was asked it, with what was declared.
        answer: what the target said.
        status: ``agrees``, ``differs``, ``unsupported`` or ``failed``.
        cells: every number it gave, in the order of the flow.
        identical: whether every number is the reference to the last bit.
    """

    case: Case
    answer: Answer
    status: str
    cells: list[Cell] = field(default_factory=list)
    identical: bool = False


@dataclass(slots=True)
class Audit:
    """The result of an audit.

    Attributes:
        target: what was audited.
        verdict: one of the words above.
        probes: what became of each case.
        diagnoses: what explains the numbers, best first; empty where they are right.
        groups: for printed numbers, which explanation each follows from.
        first_divergence: the first number that is wrong, in the order of the flow.
        not_exercised: what was not looked at, in words.
        unseen: ids of catalogue entries that no case could have shown.
        precision: ``float64`` or ``float32``.
        declared: ids of conventions that were declared.
        tolerance: the user's own tolerance, or None.
        notes: remarks, one line each: the pattern of the updates, what a trace would tell.
        command: the command line that audits it again; empty where it is not known.
    """

    target: str
    verdict: str
    probes: list[Probed] = field(default_factory=list)
    diagnoses: list[Diagnosis] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)
    first_divergence: Cell | None = None
    not_exercised: list[str] = field(default_factory=list)
    unseen: list[str] = field(default_factory=list)
    precision: str = "float64"
    declared: tuple[str, ...] = ()
    tolerance: float | None = None
    notes: list[str] = field(default_factory=list)
    command: str = ""

    def code(self) -> int:
        """Return the exit code: 0 right, 1 not, 2 a case failed or none could be run."""
        if self.verdict == INCONCLUSIVE or any(p.status == FAILED for p in self.probes):
            return 2
        return 0 if self.verdict in RIGHT else 1

    def complaint(self) -> str:
        """Return on one line why it could not be finished; empty where it was."""
        failed = [probed.answer.failure for probed in self.probes if probed.status == FAILED]
        line = ""
        if failed:
            line = failed[0] + (f" (and {len(failed) - 1} more)" if len(failed) > 1 else "")
        elif self.verdict == INCONCLUSIVE:
            reasons = [p.answer.unsupported for p in self.probes if p.status == UNSUPPORTED]
            why = f": {reasons[0]}" if reasons else ""
            line = f"{self.target}: no case could be run{why}; nothing was audited"
        return " ".join(line.split())


MOST = 20_000
"""Cells that agree are listed up to here, cells that do not likewise."""

ALL_DIGITS = 17.0


def cells_of(answer: Answer, right: Hypothesis, n: int, precision: str) -> list[Cell]:
    """Return the numbers of answer n as cells; null ones are left out."""
    values, allowed = right.values(n), right.bounds(n, precision)
    good: list[Cell] = []
    bad: list[Cell] = []
    for slot in in_flow(answer):
        numbers = answer.numbers[slot]
        if slot not in values or values[slot].shape != numbers.values.shape:
            continue
        limits = allowed[slot] + numbers.half_units * (1 + 2.0**-50) + right.tolerance
        name = _Names(answer.case, slot)
        for index, found in np.ndenumerate(numbers.values):
            if math.isnan(found):
                continue
            wanted, bound = float(values[slot][index]), float(limits[index])
            kept = good if abs(found - wanted) <= bound else bad
            if len(kept) < MOST:
                digits = _digits(float(found), wanted)
                label = name.label(index)
                kept.append(
                    Cell(slot, index, label, name.equation, float(found), wanted, bound, digits)
                )
    order = {slot: place for place, slot in enumerate(in_flow(answer))}
    return sorted([*good, *bad], key=lambda cell: (order[cell.slot], cell.index))


def in_flow(answer: Answer) -> list[Slot]:
    """Return the slots of an answer in the order in which a run computes them."""
    order = _order(answer.case.structure_of(answer.case.batch()))

    def place(slot: Slot) -> tuple[float, int, int]:
        late = slot.step == 0
        forward_pass = late and not slot.is_parameter
        return (math.inf if late else slot.step, int(forward_pass), order.get(slot.key, len(order)))

    return sorted(answer.numbers, key=place)


def _order(structure: Structure) -> dict[Key, int]:
    return {key: n for n, key in enumerate(table(structure))}


class _Names:
    """What the numbers of a slot are called."""

    def __init__(self, case: Case, slot: Slot) -> None:
        self.case, self.slot = case, slot
        structure = case.structure_of(case.batch())
        quantities = table(structure)
        self.quantity: Quantity | None = quantities.get(slot.key)
        if self.quantity is None and slot.name == "biases":  # frozen: they stay what they were
            self.quantity = quantities.get(("biases", slot.layer))
        self.equation = "" if self.quantity is None else self.quantity.equation

    def label(self, index: tuple[int, ...]) -> str:
        """Return a number's name for people, with its update where there are several."""
        slot = self.slot
        if self.quantity is None:
            name = slot.name + (f"[{','.join(str(i + 1) for i in index)}]" if index else "")
        else:
            samples = len(self.case.samples) if slot.step == 0 else self.case.batch()
            name = label_with_index(self.quantity, index, name_sample=samples > 1)
        if slot.step == 0:
            return name if slot.name in (*PARAMETERS, "epoch_errors") else f"{name} after the run"
        return f"{name} of update {slot.step}" if self.case.updates() > 1 else name


def _digits(found: float, right: float) -> float:
    """Return how many decimal digits of a number are correct."""
    if found == right:
        return ALL_DIGITS
    if not math.isfinite(found) or not right:
        return 0.0
    return min(max(-math.log10(abs(found - right) / abs(right)), 0.0), ALL_DIGITS)
