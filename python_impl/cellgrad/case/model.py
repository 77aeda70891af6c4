"""A case: everything that a training run needs, and nothing computed.

Source: reference/schema/case.schema.json.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from cellgrad.case.structure import Structure, UpdateRule
from cellgrad.errors import CaseError

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
