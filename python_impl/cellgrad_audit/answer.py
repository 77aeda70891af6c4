"""What a target says of one case: numbers by their place in the run.

Source: reference/schema/trace.schema.json.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cellgrad.case.model import Case
from cellgrad.case.quantities import Key, table

Vector = NDArray[np.float64]


PARAMETERS = ("weights", "biases")

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

    @property
    def is_parameter(self) -> bool:
        """Whether weights or biases stand there."""
        return self.name in PARAMETERS

    @property
    def key(self) -> Key:
        """The quantity of an update: parameters are those after it."""
        return (f"new_{self.name}" if self.is_parameter else self.name, self.layer)


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

    @property
    def is_printed(self) -> bool:
        """Whether any of its numbers shows so many decimals only."""
        return any(np.any(numbers.half_units > 0) for numbers in self.numbers.values())

    def parts(self) -> list[Answer]:
        """Return the numbers of the first updates and those of later ones, as answers."""
        early: dict[Slot, Numbers] = {}
        late: dict[Slot, Numbers] = {}
        long = self.case.updates() > EARLY
        for slot, numbers in self.numbers.items():
            is_late = slot.step > EARLY or (slot.step == 0 and long)
            (late if is_late else early)[slot] = numbers
        return [Answer(self.case, part) for part in (early, late) if part]


STEP_NAMES = (
    "pre_activation",
    "exponential",
    "exponential_sum",
    "post_activation",
    "final_error",
    "sample_error",
    "penalty",
    "error",
    "error_derivative",
    "activation_derivative",
    "backpropagated_error",
    "error_signal",
    "weight_gradient",
    "bias_gradient",
    "weights",
    "biases",
)
"""What a step of a trace may hold, in the order of the flow."""

FINAL_NAMES = ("pre_activation", "post_activation", "error")
"""What the forward pass after the run may hold."""

_ONCE = {
    "exponential",
    "exponential_sum",
    "final_error",
    "sample_error",
    "penalty",
    "error",
    "error_derivative",
}
"""What a trace gives once a step and not in a list a layer."""


@dataclass(frozen=True, slots=True)
class Place:
    """A key of a trace.

    Attributes:
        layered: whether it holds a list with an entry a layer.
        layers: how many layers of weights the case has.
        shapes: the shape of each layer's entry, by its number; of what stands once under
            the layer that its slot names. What the case does not have is missing.
        per_sample: whether the first axis counts samples.
    """

    layered: bool
    layers: int
    shapes: dict[int | None, tuple[int, ...]]
    per_sample: bool


class Slots:
    """The places of a case.

    Args:
        case: the case that is answered.
    """

    def __init__(self, case: Case) -> None:
        self.case = case
        self.layers = len(case.network.weights)
        self.updates = case.updates()
        self._steps: dict[int, dict[str, Place]] = {}

    def samples_of(self, step: int) -> int:
        """Return how many samples an update covers, counted from 1."""
        size, count = self.case.batch(), len(self.case.samples)
        in_epoch = (step - 1) % -(-count // size)
        return min(size, count - in_epoch * size)

    def step(self, step: int) -> dict[str, Place]:
        """Return the places of an update, by name."""
        return self._places_for(self.samples_of(step))

    def final(self) -> dict[str, Place]:
        """Return the places of the forward pass after the run, by name."""
        places = self._places_for(len(self.case.samples))
        return {name: places[name] for name in FINAL_NAMES}

    def parameters(self) -> dict[str, Place]:
        """Return the places of weights and biases."""
        places = self._places_for(self.case.batch())
        return {name: places[name] for name in PARAMETERS}

    def required(self) -> Iterator[tuple[str, int, tuple[int, ...]]]:
        """Yield name, layer and shape of every array that a whole answer holds."""
        for name, place in self.parameters().items():
            for layer, shape in place.shapes.items():
                if layer is not None:
                    yield name, layer, shape

    def _places_for(self, samples: int) -> dict[str, Place]:
        if samples not in self._steps:
            self._steps[samples] = self._places(samples)
        return self._steps[samples]

    def _places(self, samples: int) -> dict[str, Place]:
        structure = self.case.structure_of(self.case.batch())
        if samples != structure.samples:  # a pass over all samples is no update
            update = "batch_sum" if structure.update == "online" else structure.update
            structure = replace(structure, samples=samples, update=update)
        shapes: dict[str, dict[int | None, tuple[int, ...]]] = {n: {} for n in STEP_NAMES}
        per_sample = {"sample_error"}
        for quantity in table(structure).values():
            if quantity.given:
                continue
            name = quantity.name.removeprefix("new_")
            shapes[name][quantity.layer] = tuple(quantity.shape)
            if quantity.per_sample:
                per_sample.add(name)
        shapes["sample_error"][None] = (samples,)  # with one sample it is E without the penalty
        if structure.biases and not structure.update_biases:  # they stay what they were
            shapes["biases"] = {k: (n,) for k, n in enumerate(structure.nodes[1:])}
        for name, layers in shapes.items():
            if name not in _ONCE:
                shapes[name] = {k: layers[k] for k in range(self.layers) if k in layers}
        return {
            name: Place(name not in _ONCE, self.layers, shapes[name], name in per_sample)
            for name in STEP_NAMES
        }


HEXADECIMAL = re.compile(
    r"[+-]?0[xX](?:[0-9a-fA-F]+\.?[0-9a-fA-F]*|\.[0-9a-fA-F]+)(?:[pP][+-]?[0-9]+)?"
)
DECIMAL = re.compile(r"[+-]?(?:([0-9]+)\.?([0-9]*)|\.([0-9]+))(?:[eE]([+-]?[0-9]+))?")
_LEAST = 5e-324
_LONGEST_EXPONENT = 12


@dataclass(frozen=True, slots=True)
class Printed:
    """A number that was written as text.

    Attributes:
        value: the nearest double.
        half_unit: half a unit of the last decimal shown; 0 for a number given in full.
        digits: how many significant digits are shown, leading zeros aside; 0 likewise.
    """

    value: float
    half_unit: float
    digits: int


def printed(text: str) -> Printed:
    """Return what a text says, a decimal or a hexadecimal float.

    Raises:
        ValueError: it is no number, or one beyond the range of a double; the message says
            which, as half a sentence.
    """
    if HEXADECIMAL.fullmatch(text):
        return Printed(_hexadecimal(text), 0.0, 0)
    match = DECIMAL.fullmatch(text)
    if match is None:
        raise ValueError("is no number")
    whole, fraction, only_fraction, exponent = match.groups()
    decimals = only_fraction if whole is None else fraction
    if exponent is not None and len(exponent.lstrip("+-0")) > _LONGEST_EXPONENT:
        raise ValueError("has an exponent too large to be meant")
    last = int(exponent or "0") - len(decimals)
    value, half = float(text), float(f"5e{last - 1}")
    if not (math.isfinite(value) and math.isfinite(half)):
        raise ValueError("is beyond the range of a double")
    shown = ((whole or "") + decimals).lstrip("0")
    return Printed(value, max(half, _LEAST), len(shown))


def _hexadecimal(text: str) -> float:
    exponent = re.split("[pP]", text)[1:]
    if exponent and len(exponent[0].lstrip("+-0")) > _LONGEST_EXPONENT:
        raise ValueError("has an exponent too large to be meant")
    try:
        return float.fromhex(text)
    except OverflowError as error:
        raise ValueError("is beyond the range of a double") from error


def half_unit_at(value: float, digits: int) -> float:
    """Return half a unit of the last of so many significant digits of a number."""
    if not value:
        return _LEAST
    first = math.floor(math.log10(abs(value)))
    return max(float(f"5e{first - digits}"), _LEAST)
