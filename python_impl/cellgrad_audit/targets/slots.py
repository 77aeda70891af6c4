"""Which numbers a case has, where they stand in a trace, and in which shape.

Read by everything that takes answers in: a trace by its keys, a filled table by its rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from cellgrad.case.model import Case
from cellgrad.case.quantities import table

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

_AFTER = {"new_weights": "weights", "new_biases": "biases"}


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
        return self._of(self.samples_of(step))

    def final(self) -> dict[str, Place]:
        """Return the places of the forward pass after the run, by name."""
        places = self._of(len(self.case.samples))
        return {name: places[name] for name in FINAL_NAMES}

    def parameters(self) -> dict[str, Place]:
        """Return the places of weights and biases."""
        places = self._of(self.case.batch())
        return {name: places[name] for name in ("weights", "biases")}

    def required(self) -> Iterator[tuple[str, int, tuple[int, ...]]]:
        """Yield name, layer and shape of every array that a whole answer holds."""
        for name, place in self.parameters().items():
            for layer, shape in place.shapes.items():
                if layer is not None:
                    yield name, layer, shape

    def _of(self, samples: int) -> dict[str, Place]:
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
            name = _AFTER.get(quantity.name, quantity.name)
            shapes[name][quantity.layer] = tuple(quantity.shape)
            if quantity.per_sample:
                per_sample.add(name)
        shapes["sample_error"][None] = (samples,)  # with one sample it is E without the penalty
        if structure.biases and not structure.update_biases:  # they stay what they were
            shapes["biases"] = {k: (n,) for k, n in enumerate(structure.nodes[1:])}
        for name, found in shapes.items():
            if name not in _ONCE:
                shapes[name] = {k: found[k] for k in range(self.layers) if k in found}
        return {
            name: Place(name not in _ONCE, self.layers, shapes[name], name in per_sample)
            for name in STEP_NAMES
        }
