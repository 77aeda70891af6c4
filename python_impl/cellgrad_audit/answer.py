"""What a target says of one case: numbers by their place in the run.

Source: reference/schema/trace.schema.json.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cellgrad.case.model import Case

Vector = NDArray[np.float64]


EARLY = 200
"""Updates that count as the first ones of a long run."""


class Slot(NamedTuple):
    """Where numbers stand in a run.

    Attributes:
        step: the update, counted from 1; 0 for what holds after the whole run.
        name: the code name of the quantity, as in a trace: ``weights`` and ``biases`` are
            those after the update (or after the run), ``epoch_errors`` stands at step 0.
        layer: the weight layer from 0, or None for what a step has once.
    """

    step: int
    name: str
    layer: int | None


@dataclass(frozen=True, slots=True)
class Numbers:
    """The numbers of one slot, in the shape of the quantity (samples first where it has them).

    Attributes:
        values: the numbers; NaN where the target gives none (null).
        half_units: half a unit of the last decimal shown, for a number that was printed;
            0 for one that is given in full. The same shape.
    """

    values: Vector
    half_units: Vector


@dataclass(slots=True)
class Answer:
    """A target's answer to one case.

    Attributes:
        case: what was asked.
        numbers: what was answered, in the order of the flow.
        unsupported: why the target cannot run the case, if it says so.
        failure: one line saying why there is no usable answer; empty where there is one.
        seconds: how long the target took.
    """

    case: Case
    numbers: dict[Slot, Numbers] = field(default_factory=dict)
    unsupported: str = ""
    failure: str = ""
    seconds: float = 0.0

    def parts(self) -> list[Answer]:
        """Return the numbers of the first updates and those of later ones, as answers."""
        early: dict[Slot, Numbers] = {}
        late: dict[Slot, Numbers] = {}
        long = self.case.updates() > EARLY
        for slot, numbers in self.numbers.items():
            is_late = slot.step > EARLY or (slot.step == 0 and long)
            (late if is_late else early)[slot] = numbers
        return [Answer(self.case, part) for part in (early, late) if part]
