"""The structure of a training step: everything but the numbers."""

from __future__ import annotations

from dataclasses import dataclass

from cellgrad.case import vocabulary
from cellgrad.errors import CaseError


@dataclass(frozen=True, slots=True)
class Structure:
    """What decides which equations a step has, and in which shapes.

    Attributes:
        nodes: number of nodes, layer by layer, the input layer first.
        activations: one for every layer but the input layer.
        loss: the name of the loss.
        update: ``online`` (one sample), ``batch_sum`` or ``batch_mean``.
        samples: how many samples this one update covers.
        biases: whether the nodes have biases.
        decay: whether weights decay (Eq. 16).
        update_biases: False where a source leaves its biases as they are.
        decay_biases: whether biases decay too, by convention.
        error_sign: ``output_minus_target``, or the convention that flips it.
    """

    nodes: tuple[int, ...]
    activations: tuple[str, ...]
    loss: str
    update: str = "online"
    samples: int = 1
    biases: bool = False
    decay: bool = False
    update_biases: bool = True
    error_sign: str = "output_minus_target"
    decay_biases: bool = False

    def __post_init__(self) -> None:
        """Refuse what has no place in the mathematics."""
        self._check_layers()
        self._check_words()
        if self.update == "online" and self.samples != 1:
            raise CaseError(
                f"an online update covers one sample, not {self.samples}",
                remedy="use update batch_sum or batch_mean",
            )
        if self.samples < 1:
            raise CaseError("a step needs at least one sample")
        if self.decay_biases and not (self.biases and self.decay):
            object.__setattr__(self, "decay_biases", False)  # there is nothing to decay

    def _check_layers(self) -> None:
        if len(self.nodes) < 2:
            raise CaseError(
                f"a network needs an input and an output layer, this one has {len(self.nodes)}",
                place="network.nodes",
            )
        if min(self.nodes) < 1:
            raise CaseError("every layer needs at least one node", place="network.nodes")
        if len(self.activations) != len(self.nodes) - 1:
            raise CaseError(
                f"{len(self.nodes)} layers take {len(self.nodes) - 1} activations, "
                f"not {len(self.activations)}",
                place="network.activations",
                remedy="give one for every layer but the input layer",
            )

    def _check_words(self) -> None:
        for word, known, place in (
            (self.loss, vocabulary.LOSSES, "loss"),
            (self.update, vocabulary.UPDATES, "update"),
            (self.error_sign, vocabulary.ERROR_SIGNS, "conventions.error_sign"),
        ):
            if word not in known:
                raise CaseError(f"{word!r} is not known", place=place, remedy=_one_of(known))
        for k, name in enumerate(self.activations[:-1]):
            if name not in vocabulary.HIDDEN_ACTIVATIONS:
                raise CaseError(
                    f"{name!r} is not permitted in a hidden layer",
                    place=f"network.activations[{k}]",
                    remedy=_one_of(vocabulary.HIDDEN_ACTIVATIONS),
                )
        permitted = vocabulary.OUTPUTS_OF[self.loss]
        if self.activations[-1] not in permitted:
            raise CaseError(
                f"{self.loss} is not permitted with {self.activations[-1]!r} outputs",
                place="network.activations",
                remedy=_one_of(permitted),
            )
        if self.loss == "perceptron" and len(self.nodes) != 2:
            raise CaseError(
                "the perceptron rule cannot reach hidden nodes",
                place="network.nodes",
                remedy="give an input and an output layer only",
            )

    @property
    def layers(self) -> int:
        """Number of weight layers."""
        return len(self.nodes) - 1

    @property
    def outputs(self) -> int:
        """Number of output nodes."""
        return self.nodes[-1]

    @property
    def cancels(self) -> bool:
        """Whether δ of the output layer is FE itself (Eq. 18, Eq. 20)."""
        return self.loss in vocabulary.CROSS_ENTROPIES or self.loss == "perceptron"

    @property
    def differentiable(self) -> bool:
        """Whether the error has a derivative: not with a unit step."""
        return self.loss != "perceptron"

    @property
    def leaky(self) -> bool:
        """Whether any layer needs a leaky slope."""
        return "leaky_relu" in self.activations

    @property
    def parameters(self) -> int:
        """Number of weights and biases."""
        weights = sum(a * b for a, b in zip(self.nodes, self.nodes[1:], strict=False))
        return weights + (sum(self.nodes[1:]) if self.biases else 0)


@dataclass(frozen=True, slots=True)
class UpdateRule:
    """How gradients become updates, without the numbers.

    Attributes:
        optimizer: ``sgd`` or ``adam``.
        momentum: whether a velocity is kept (sgd only).
        rate_in_velocity: whether the velocity holds the learning rate, by convention.
    """

    optimizer: str = "sgd"
    momentum: bool = False
    rate_in_velocity: bool = False

    def __post_init__(self) -> None:
        """Refuse what is not known, and forget what has no effect."""
        if self.optimizer not in vocabulary.OPTIMIZERS:
            raise CaseError(
                f"{self.optimizer!r} is not known",
                place="optimizer.name",
                remedy=_one_of(vocabulary.OPTIMIZERS),
            )
        if self.optimizer == "adam":
            object.__setattr__(self, "momentum", False)
        if not self.momentum:
            object.__setattr__(self, "rate_in_velocity", False)

    @property
    def plain(self) -> bool:
        """Whether an update is weight − LR · gradient and nothing is remembered."""
        return self.optimizer == "sgd" and not self.momentum


def _one_of(words: tuple[str, ...]) -> str:
    return ("use " if len(words) == 1 else "use one of ") + ", ".join(words)
