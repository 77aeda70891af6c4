"""A case: everything that a training run needs, and nothing computed; read from JSON, and written.

Source: reference/schema/case.schema.json.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sized
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from cellgrad.case.quantities import CROSS_ENTROPIES, SUM_TOLERANCE, Structure, UpdateRule
from cellgrad.errors import CaseError, InputError, ShapeError
from cellgrad.files import check_schema, holds_control, read_json, read_limited

Vector = tuple[float, ...]
Matrix = tuple[Vector, ...]

DEFAULT_LEAKY_SLOPE = 0.01


@dataclass(frozen=True, slots=True)
class Network:
    """A network with its present weights.

    Attributes:
        nodes: number of nodes, layer by layer.
        activations: one for every layer but the input layer.
        weights: ``weights[k][i][j]`` goes from node i of layer k to node j of layer k+1.
        biases: ``biases[k][j]`` belongs to node j of layer k+1; None without biases.
        leaky_slope: slope of a leaky ReLU below zero.
    """

    nodes: tuple[int, ...]
    activations: tuple[str, ...]
    weights: tuple[Matrix, ...]
    biases: tuple[Vector, ...] | None = None
    leaky_slope: float = DEFAULT_LEAKY_SLOPE


@dataclass(frozen=True, slots=True)
class Sample:
    """One input vector and its target vector."""

    input: Vector
    target: Vector


@dataclass(frozen=True, slots=True)
class Optimizer:
    """How gradients become updates."""

    name: str = "sgd"
    momentum: float = 0.0
    weight_decay: float = 0.0
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8


@dataclass(frozen=True, slots=True)
class Conventions:
    """What a source or a library does differently, and says so."""

    update_biases: bool = True
    error_sign: str = "output_minus_target"
    decay_biases: bool = False
    rate_in_velocity: bool = False


@dataclass(frozen=True, slots=True)
class Source:
    """Where the numbers come from."""

    title: str = ""
    author: str = ""
    year: str = ""
    url: str = ""
    note: str = ""

    def paragraphs(self) -> tuple[str, ...]:
        """Return the same in words."""
        parts = [part for part in (self.author, self.title, self.year, self.url) if part]
        first = ", ".join(parts) or "Numbers made for this workbook."
        return (first, self.note) if self.note else (first,)


@dataclass(frozen=True, slots=True)
class Case:
    """A training run: network, loss, update rule, samples."""

    id: str
    title: str
    network: Network
    loss: str
    samples: tuple[Sample, ...]
    update: str = "online"
    batch_size: int | None = None
    epochs: int = 1
    learning_rate: float | Vector = 1.0
    optimizer: Optimizer = field(default_factory=Optimizer)
    validation: tuple[Sample, ...] = ()
    conventions: Conventions = field(default_factory=Conventions)
    source: Source = field(default_factory=Source)

    def updates(self) -> int:
        """Return how many updates the whole run makes."""
        if self.update == "online":
            return self.epochs * len(self.samples)
        return self.epochs * -(-len(self.samples) // self.batch())

    def is_step(self) -> bool:
        """Tell whether the whole run is a single plain update, and nothing is validated."""
        return self.updates() == 1 and self.update_rule().plain and not self.validation

    def structure(self) -> Structure:
        """Return the structure of the run's single step.

        Raises:
            CaseError: the run makes more than one update, or asks for something that a
                single step does not have.
        """
        if self.updates() != 1:
            raise CaseError(
                f"this case makes {self.updates()} updates, a training-step workbook holds one",
                place="samples" if self.update == "online" else "epochs",
                remedy="keep one sample, or use update batch_sum or batch_mean with epochs 1",
            )
        if not self.update_rule().plain:
            raise CaseError(
                "momentum and Adam remember earlier updates, a single step has none",
                place="optimizer",
                remedy='use {"name": "sgd", "momentum": 0}',
            )
        return self.structure_of(len(self.samples))

    def structure_of(self, samples: int) -> Structure:
        """Return the structure of an update that covers so many samples.

        Raises:
            CaseError: the parts do not go together.
        """
        return Structure(
            nodes=self.network.nodes,
            activations=self.network.activations,
            loss=self.loss,
            update=self.update,
            samples=samples,
            biases=self.network.biases is not None,
            decay=self.optimizer.weight_decay != 0,
            update_biases=self.conventions.update_biases,
            error_sign=self.conventions.error_sign,
            decay_biases=self.conventions.decay_biases,
        )

    def batch(self) -> int:
        """Return how many samples an update covers, the last of an epoch aside."""
        if self.update == "online":
            return 1
        return min(self.batch_size or len(self.samples), len(self.samples))

    def update_rule(self) -> UpdateRule:
        """Return how gradients become updates."""
        return UpdateRule(
            self.optimizer.name,
            self.optimizer.momentum != 0,
            self.conventions.rate_in_velocity,
        )

    def step_learning_rate(self) -> float:
        """Return the learning rate of the single step."""
        rate = self.learning_rate
        return rate[0] if isinstance(rate, tuple) else rate


# reading: JSON, its schema, and what a schema cannot say

MAX_BYTES = 64 << 20
MAX_NODES = 1_000_000
MAX_EPOCHS = 1_000_000_000


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


def _floats(value: Any) -> Any:
    """Return a number as float, lists as tuples of them, nothing as nothing."""
    if isinstance(value, list):
        return tuple(map(_floats, value))
    return None if value is None else float(value)


def _samples(items: Iterable[dict[str, Any]]) -> tuple[Sample, ...]:
    return tuple(Sample(_floats(item["input"]), _floats(item["target"])) for item in items)


def _case(document: dict[str, Any]) -> Case:
    try:
        network, size = document["network"], document.get("batch_size")
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
                weights=_floats(network["weights"]),
                biases=_floats(network.get("biases")),
                leaky_slope=_floats(network.get("leaky_slope", DEFAULT_LEAKY_SLOPE)),
            ),
            loss=document["loss"],
            samples=_samples(document["samples"]),
            update=document["update"],
            batch_size=None if size is None else int(size),
            epochs=int(document["epochs"]),
            learning_rate=_floats(document["learning_rate"]),
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
            place = f"{kind}[{n}]"
            _check_length(sample.input, nodes[0], "values", "the layer", f"{place}.input")
            _check_length(sample.target, nodes[-1], "values", "the layer", f"{place}.target")
            _check_target(case.loss, sample.target, f"{kind}[{n}].target")
    check_rates(case)
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
        place = f"network.weights[{k}]"
        _check_length(layer, nodes[k], "rows", f"layer {k}", place)
        for i, row in enumerate(layer):
            _check_length(row, nodes[k + 1], "weights", f"layer {k + 1}", f"{place}[{i}]")
    biases = network.biases
    if biases is not None and [len(layer) for layer in biases] != list(nodes[1:]):
        raise ShapeError(
            "biases need one value for every node of every layer but the input layer",
            place="network.biases",
        )


def _check_length(values: Sized, nodes: int, what: str, layer: str, place: str) -> None:
    if len(values) != nodes:
        raise ShapeError(f"{len(values)} {what}, but {layer} has {nodes} nodes", place=place)


def _check_finite(case: Case) -> None:
    """A literal such as 1e999 is JSON, but no double."""
    network, optimizer = case.network, case.optimizer
    for place, values in (
        ("network.weights", network.weights),
        ("network.biases", network.biases or ()),
        ("samples", [(sample.input, sample.target) for sample in case.samples]),
        ("validation", [(sample.input, sample.target) for sample in case.validation]),
        ("network.leaky_slope", network.leaky_slope),
        ("learning_rate", case.learning_rate),
        ("optimizer", (optimizer.momentum, optimizer.weight_decay)),
    ):
        if not _all_finite(values):
            raise CaseError("holds a number beyond the range of a double", place=place)


def _all_finite(values: Any) -> bool:
    if isinstance(values, float):
        return math.isfinite(values)
    return all(map(_all_finite, values))


def _check_target(loss: str, target: Vector, place: str) -> None:
    if loss in CROSS_ENTROPIES and not all(0 <= t <= 1 for t in target):
        kind = loss.partition("_")[0]
        raise CaseError(f"{kind} cross-entropy takes targets from 0 to 1", place=place)
    if loss == "categorical_cross_entropy" and abs(math.fsum(target) - 1) > SUM_TOLERANCE:
        raise CaseError(
            f"the targets sum to {math.fsum(target)!r}, not to 1",
            place=place,
            remedy="categorical cross-entropy needs a sum of 1 (then δ = y − t)",
        )


def check_rates(case: Case, remedy: str = "give one number, or one entry an update") -> None:
    """Refuse another number of learning rates than there are updates.

    Raises:
        CaseError: a list of them is too short or too long.
    """
    rate = case.learning_rate
    if isinstance(rate, tuple) and len(rate) != case.updates():
        raise CaseError(
            f"{len(rate)} learning rates for {case.updates()} updates",
            place="learning_rate",
            remedy=remedy,
        )


# writing: what a program that runs a case is given

_APPLIES = {
    "sgd": ("momentum", "weight_decay"),
    "adam": ("weight_decay", "beta1", "beta2", "epsilon"),
}


def case_document(case: Case) -> dict[str, Any]:
    """Return a case as Python's form of JSON, fresh at every call.

    What applies to the case's optimiser is written out, defaults included; conventions only
    where they differ from the definition.
    """
    network, optimizer = case.network, case.optimizer
    document: dict[str, Any] = {
        "schema": "cellgrad-case/1",
        "id": case.id,
        "title": case.title,
        "network": {
            "nodes": _lists(network.nodes),
            "activations": _lists(network.activations),
            "weights": _lists(network.weights),
            "biases": _lists(network.biases),
        },
        "loss": case.loss,
        "update": case.update,
        "epochs": case.epochs,
        "learning_rate": _lists(case.learning_rate),
        "optimizer": {
            "name": optimizer.name,
            **{name: getattr(optimizer, name) for name in _APPLIES[optimizer.name]},
            **_differing(optimizer, Optimizer(optimizer.name)),
        },
        "samples": _documents(case.samples),
        "source": {"title": "unknown", **_differing(case.source, Source())},
    }
    if case.source.year:
        document["source"]["year"] = int(case.source.year)
    if "leaky_relu" in network.activations:
        document["network"]["leaky_slope"] = network.leaky_slope
    if case.batch_size is not None:
        document["batch_size"] = case.batch_size
    if case.validation:
        document["validation"] = _documents(case.validation)
    conventions = _differing(case.conventions, Conventions())
    if conventions:
        document["conventions"] = conventions
    return document


def _lists(value: Any) -> Any:
    return [_lists(item) for item in value] if isinstance(value, tuple) else value


def _documents(samples: tuple[Sample, ...]) -> list[dict[str, list[float]]]:
    return [{"input": list(s.input), "target": list(s.target)} for s in samples]


def _differing(values: Any, usual: Any) -> dict[str, Any]:
    """Return the fields of a dataclass that are not as usual."""
    both = ((f.name, getattr(values, f.name), getattr(usual, f.name)) for f in fields(values))
    return {name: value for name, value, other in both if value != other}
