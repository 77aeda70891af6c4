"""What a case file holds, as the one part of a computation."""

from __future__ import annotations

from collections.abc import Mapping

from cellgrad.case.model import Case
from cellgrad.described.parts import Part, Shape, StepShape
from cellgrad_proof.exact.definition.holdings import Holdings
from cellgrad_proof.exact.definition.network import Index
from cellgrad_proof.exact.definition.update import Key
from cellgrad_series.parts.run import START, RunShape

PART = ""
"""The name of the one part."""


class CaseFile(Holdings):
    """A case: a single step, or a run.

    Args:
        case: read from its file.
        rows: of a run, what each row leaves to the next, by quantity: the doubles that the
            next row starts from.
    """

    whole = False

    def __init__(self, case: Case, rows: Mapping[Key, Mapping[Index, float]] | None = None) -> None:
        self.case = case
        if case.is_step():
            shape: Shape = StepShape(case.structure())
            self._numbers = self._step()
        else:
            shape = RunShape.of(case)
            self._numbers = {**self._run(), **(rows or {})}
        self.parts = {PART: Part(PART, shape.kind, shape.facts(), shape)}

    def own_values(self, part: str, key: Key) -> Mapping[Index, float]:
        """Return the numbers of a quantity; KeyError if there is none."""
        del part
        return self._numbers[key]

    def holds(self, part: str, key: Key) -> bool:
        """Tell whether the case holds a quantity."""
        del part
        return key in self._numbers

    def _step(self) -> dict[Key, Mapping[Index, float]]:
        return {
            **self._samples(""),
            **self._parameters(""),
            **self._constants(),
            ("learning_rate", None): {(): self.case.step_learning_rate()},
        }

    def _run(self) -> dict[Key, Mapping[Index, float]]:
        rates = self.case.learning_rate
        listed = isinstance(rates, tuple)
        found = {
            **self._samples("sample_"),
            **self._parameters(START),
            **self._constants(),
        }
        found["learning_rate", None] = (
            {(n,): rate for n, rate in enumerate(rates)} if listed else {(): rates}  # type: ignore[arg-type, dict-item]
        )
        for quantity in RunShape.of(self.case).quantities():
            # what an optimiser remembers starts at 0, the powers of β at 1
            if quantity.given and quantity.key not in found and quantity.name.startswith(START):
                first = 1.0 if quantity.name.endswith("_power") else 0.0
                found[quantity.key] = dict.fromkeys(_indices(quantity.shape), first)
        return found

    def _samples(self, prefix: str) -> dict[Key, Mapping[Index, float]]:
        rows = self.case.samples
        return {
            (f"{prefix}input", None): _grid([sample.input for sample in rows]),
            (f"{prefix}target", None): _grid([sample.target for sample in rows]),
        }

    def _parameters(self, prefix: str) -> dict[Key, Mapping[Index, float]]:
        network = self.case.network
        found: dict[Key, Mapping[Index, float]] = {
            (f"{prefix}weights", k): _grid(layer) for k, layer in enumerate(network.weights)
        }
        for k, layer in enumerate(network.biases or ()):
            found[f"{prefix}biases", k] = {(j,): value for j, value in enumerate(layer)}
        return found

    def _constants(self) -> dict[Key, Mapping[Index, float]]:
        optimizer = self.case.optimizer
        numbers = {
            "leaky_slope": self.case.network.leaky_slope,
            "weight_decay": optimizer.weight_decay,
            "momentum": optimizer.momentum,
            "beta1": optimizer.beta1,
            "beta2": optimizer.beta2,
            "adam_epsilon": optimizer.epsilon,
        }
        return {(name, None): {(): value} for name, value in numbers.items()}


def _grid(rows: tuple[tuple[float, ...], ...] | list[tuple[float, ...]]) -> dict[Index, float]:
    return {(i, j): value for i, row in enumerate(rows) for j, value in enumerate(row)}


def _indices(shape: tuple[int, ...]) -> list[Index]:
    found: list[Index] = [()]
    for size in shape:
        found = [(*index, n) for index in found for n in range(size)]
    return found
