"""A case as a document: what a program that runs it is given (reference/schema/)."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from cellgrad.case.model import Case, Conventions, Optimizer, Sample, Source

_APPLIES = {
    "sgd": ("momentum", "weight_decay"),
    "adam": ("weight_decay", "beta1", "beta2", "epsilon"),
}


def case_document(case: Case) -> dict[str, Any]:
    """Return a case as Python's form of JSON, fresh at every call.

    What applies to the case's optimiser is written out, defaults included; conventions only
    where they differ from the definition.
    """
    network = case.network
    rate = case.learning_rate
    document: dict[str, Any] = {
        "schema": "cellgrad-case/1",
        "id": case.id,
        "title": case.title,
        "network": {
            "nodes": list(network.nodes),
            "activations": list(network.activations),
            "weights": [[list(row) for row in layer] for layer in network.weights],
            "biases": None if network.biases is None else [list(b) for b in network.biases],
        },
        "loss": case.loss,
        "update": case.update,
        "epochs": case.epochs,
        "learning_rate": list(rate) if isinstance(rate, tuple) else rate,
        "optimizer": _optimizer(case.optimizer),
        "samples": _samples(case.samples),
        "source": _source(case.source),
    }
    if "leaky_relu" in network.activations:
        document["network"]["leaky_slope"] = network.leaky_slope
    if case.batch_size is not None:
        document["batch_size"] = case.batch_size
    if case.validation:
        document["validation"] = _samples(case.validation)
    told = _differing(case.conventions, Conventions())
    if told:
        document["conventions"] = told
    return document


def _samples(samples: tuple[Sample, ...]) -> list[dict[str, list[float]]]:
    return [{"input": list(s.input), "target": list(s.target)} for s in samples]


def _optimizer(optimizer: Optimizer) -> dict[str, Any]:
    applies = {name: getattr(optimizer, name) for name in _APPLIES[optimizer.name]}
    return {"name": optimizer.name, **applies, **_differing(optimizer, Optimizer(optimizer.name))}


def _source(source: Source) -> dict[str, Any]:
    told: dict[str, Any] = {"title": source.title or "unknown", **_differing(source, Source())}
    if "year" in told:
        told["year"] = int(told["year"])
    return told


def _differing(values: Any, usual: Any) -> dict[str, Any]:
    """Return the fields of a dataclass that are not as usual."""
    both = ((f.name, getattr(values, f.name), getattr(usual, f.name)) for f in fields(values))
    return {name: value for name, value, other in both if value != other}
