"""The givens of a training step by quantity: read from a case, and put into one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cellgrad.case.model import Case, Conventions, Matrix, Network, Optimizer, Sample
from cellgrad.case.quantities import Key, Structure

Array = NDArray[np.float64]


def givens_of(case: Case) -> dict[Key, Array]:
    """Return the givens of the case's single step."""
    network = case.network
    return {
        ("input", None): np.array([sample.input for sample in case.samples]),
        ("target", None): np.array([sample.target for sample in case.samples]),
        ("learning_rate", None): np.array(case.step_learning_rate()),
        ("leaky_slope", None): np.array(network.leaky_slope),
        ("weight_decay", None): np.array(case.optimizer.weight_decay),
        **{("weights", k): np.array(layer) for k, layer in enumerate(network.weights)},
        **{("biases", k): np.array(layer) for k, layer in enumerate(network.biases or ())},
    }


def case_of(
    structure: Structure,
    givens: Mapping[Key, Array],
    *,
    learning_rate: float = 1.0,
    leaky_slope: float = 0.0,
    weight_decay: float = 0.0,
) -> Case:
    """Return the case of one step; constants are as told, unless they are among the givens."""
    network = Network(
        structure.nodes,
        structure.activations,
        weights=(),
        biases=() if structure.biases else None,
        leaky_slope=leaky_slope,
    )
    conventions = Conventions(
        update_biases=structure.update_biases,
        error_sign=structure.error_sign,
        decay_biases=structure.decay_biases,
    )
    case = Case(
        id="",
        title="",
        network=network,
        loss=structure.loss,
        samples=(),
        update=structure.update,
        learning_rate=learning_rate,
        optimizer=Optimizer(weight_decay=weight_decay),
        conventions=conventions,
    )
    return with_givens(case, givens)


def with_givens(case: Case, givens: Mapping[Key, Array]) -> Case:
    """Return a case with other samples, weights and biases.

    Args:
        case: its weights, biases and samples may be empty.
        givens: all of them; the constants that are not among them stay as they are.
    """
    layers = range(len(case.network.nodes) - 1)

    def constant(name: str, otherwise: float) -> float:
        return float(givens[name, None]) if (name, None) in givens else otherwise

    biases = None
    if case.network.biases is not None:
        biases = tuple(tuple(givens["biases", k].tolist()) for k in layers)
    network = replace(
        case.network,
        weights=tuple(_rows(givens["weights", k]) for k in layers),
        biases=biases,
        leaky_slope=constant("leaky_slope", case.network.leaky_slope),
    )
    samples = zip(_rows(givens["input", None]), _rows(givens["target", None]), strict=True)
    return replace(
        case,
        network=network,
        samples=tuple(Sample(*sample) for sample in samples),
        learning_rate=constant("learning_rate", case.step_learning_rate()),
        optimizer=replace(
            case.optimizer, weight_decay=constant("weight_decay", case.optimizer.weight_decay)
        ),
    )


def _rows(array: Array) -> Matrix:
    return tuple(tuple(row) for row in array.tolist())
