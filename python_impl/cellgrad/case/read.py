"""Reading a case file: JSON, its schema, and what a schema cannot say."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from cellgrad.case.model import (
    DEFAULT_LEAKY_SLOPE,
    Case,
    Conventions,
    Matrix,
    Network,
    Optimizer,
    Sample,
    Source,
    Vector,
)
from cellgrad.errors import CaseError, InputError, ShapeError
from cellgrad.files import check_schema, holds_control, read_json, read_limited

MAX_BYTES = 64 << 20
MAX_NODES = 1_000_000
MAX_EPOCHS = 1_000_000_000
_SUM_TOLERANCE = 1e-12


def read_case(path: Path) -> Case:
    """Read a case file.

    Raises:
        CaseError: not JSON, not a case, ragged, or outside the mathematics.
        InputError: the file cannot be read.
    """
    try:
        return parse_case(read_limited(path, MAX_BYTES))
    except InputError as error:
        raise error.within(path) from error


def parse_case(data: bytes) -> Case:
    """Return the case that JSON bytes describe.

    Raises:
        CaseError: not JSON, not a case, ragged, or outside the mathematics.
    """
    document = read_json(data, CaseError)
    check_schema(document, "case", CaseError)
    case = _case(document)
    _check(case)
    return case


def _vector(values: Iterable[float]) -> Vector:
    return tuple(float(value) for value in values)


def _matrix(rows: Iterable[Iterable[float]]) -> Matrix:
    return tuple(_vector(row) for row in rows)


def _samples(items: Iterable[dict[str, Any]]) -> tuple[Sample, ...]:
    return tuple(Sample(_vector(item["input"]), _vector(item["target"])) for item in items)


def _case(document: dict[str, Any]) -> Case:
    try:
        network = document["network"]
        biases = network.get("biases")
        rate, size = document["learning_rate"], document.get("batch_size")
        optimizer: dict[str, Any] = {
            name: value if isinstance(value, str) else float(value)
            for name, value in document.get("optimizer", {}).items()
        }
        source = {
            name: str(value)
            for name, value in document.get("source", {}).items()
            if name in Source.__dataclass_fields__
        }
        return Case(
            id=document["id"],
            title=document["title"],
            network=Network(
                nodes=tuple(int(n) for n in network["nodes"]),
                activations=tuple(network["activations"]),
                weights=tuple(_matrix(layer) for layer in network["weights"]),
                biases=None if biases is None else _matrix(biases),
                leaky_slope=float(network.get("leaky_slope", DEFAULT_LEAKY_SLOPE)),
            ),
            loss=document["loss"],
            samples=_samples(document["samples"]),
            update=document["update"],
            batch_size=None if size is None else int(size),
            epochs=int(document["epochs"]),
            learning_rate=_vector(rate) if isinstance(rate, list) else float(rate),
            optimizer=Optimizer(**optimizer),
            validation=_samples(document.get("validation", ())),
            conventions=Conventions(**document.get("conventions", {})),
            source=Source(**source),
        )
    except OverflowError as error:
        raise CaseError("holds a number beyond the range of a double") from error


def _check(case: Case) -> None:
    """Check what chains: layers, weights, samples, and the domain of the loss."""
    network = case.network
    nodes = network.nodes
    _check_sizes(case)
    _check_texts(case)
    if len(nodes) > 1:
        _check_weights(case)
    _check_finite(case)
    for kind, samples in (("samples", case.samples), ("validation", case.validation)):
        for n, sample in enumerate(samples):
            for part, values, wanted in (
                ("input", sample.input, nodes[0]),
                ("target", sample.target, nodes[-1]),
            ):
                if len(values) != wanted:
                    raise ShapeError(
                        f"{len(values)} values, but the layer has {wanted} nodes",
                        place=f"{kind}[{n}].{part}",
                    )
            _check_target(case.loss, sample.target, f"{kind}[{n}].target")
    _check_rates(case)
    case.structure_of(case.batch())
    case.update_rule()


def _check_sizes(case: Case) -> None:
    for place, number, most in (
        ("network.nodes", max(case.network.nodes), MAX_NODES),
        ("batch_size", case.batch_size or 1, MAX_EPOCHS),
        ("epochs", case.epochs, MAX_EPOCHS),
    ):
        if number > most:
            raise CaseError("a number too large to be meant", place=place, remedy=f"up to {most:,}")


def _check_texts(case: Case) -> None:
    """A text ends up in cells and on terminals."""
    source = {f"source.{name}": getattr(case.source, name) for name in Source.__slots__}
    for place, text in {"id": case.id, "title": case.title, **source}.items():
        if holds_control(text) or (place in ("id", "title") and "\n" in text):
            raise CaseError(
                "holds a control character", place=place, remedy="write it as one plain line"
            )


def _check_weights(case: Case) -> None:
    network, nodes = case.network, case.network.nodes
    layers = len(nodes) - 1
    if len(network.weights) != layers:
        raise ShapeError(
            f"{len(nodes)} layers of nodes take {layers} of weights, not {len(network.weights)}",
            place="network.weights",
        )
    for k, layer in enumerate(network.weights):
        if len(layer) != nodes[k]:
            raise ShapeError(
                f"{len(layer)} rows, but layer {k} has {nodes[k]} nodes",
                place=f"network.weights[{k}]",
            )
        for i, row in enumerate(layer):
            if len(row) != nodes[k + 1]:
                raise ShapeError(
                    f"{len(row)} weights, but layer {k + 1} has {nodes[k + 1]} nodes",
                    place=f"network.weights[{k}][{i}]",
                )
    if network.biases is None:
        return
    if [len(layer) for layer in network.biases] != list(nodes[1:]):
        raise ShapeError(
            "biases need one value for every node of every layer but the input layer",
            place="network.biases",
        )


def _check_finite(case: Case) -> None:
    """A literal such as 1e999 is JSON, but no double."""
    network = case.network
    for place, numbers in (
        ("network.weights", (w for layer in network.weights for row in layer for w in row)),
        ("network.biases", (b for layer in network.biases or () for b in layer)),
        ("samples", (v for s in case.samples for v in (*s.input, *s.target))),
        ("validation", (v for s in case.validation for v in (*s.input, *s.target))),
        ("network.leaky_slope", (network.leaky_slope,)),
        (
            "learning_rate",
            case.learning_rate if isinstance(case.learning_rate, tuple) else (case.learning_rate,),
        ),
        ("optimizer", (case.optimizer.momentum, case.optimizer.weight_decay)),
    ):
        if not all(math.isfinite(number) for number in numbers):
            raise CaseError("holds a number beyond the range of a double", place=place)


def _check_target(loss: str, target: Vector, place: str) -> None:
    if loss == "binary_cross_entropy" and not all(0 <= t <= 1 for t in target):
        raise CaseError("binary cross-entropy takes targets from 0 to 1", place=place)
    if loss == "categorical_cross_entropy":
        if not all(0 <= t <= 1 for t in target):
            raise CaseError("categorical cross-entropy takes targets from 0 to 1", place=place)
        if abs(math.fsum(target) - 1) > _SUM_TOLERANCE:
            raise CaseError(
                f"the targets sum to {math.fsum(target)!r}, not to 1",
                place=place,
                remedy="categorical cross-entropy needs a sum of 1 (then δ = y − t)",
            )


def _check_rates(case: Case) -> None:
    rate = case.learning_rate
    if isinstance(rate, tuple) and len(rate) != case.updates():
        raise CaseError(
            f"{len(rate)} learning rates for {case.updates()} updates",
            place="learning_rate",
            remedy="give one number, or one entry an update",
        )
