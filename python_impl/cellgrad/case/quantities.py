"""A training step: its structure, and its quantities with their names, labels, shapes, equations.

The words of the case format and which of them go together; the one table behind
reference/notation.md. A quantity is known by its code name and, where there is one a layer, by the
number of its weight layer (0 is the layer that the input feeds). Source: reference/equations.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from cellgrad.errors import CaseError

HIDDEN_ACTIVATIONS = ("logistic", "tanh", "relu", "leaky_relu", "identity")
ACTIVATIONS = (*HIDDEN_ACTIVATIONS, "softmax", "unit_step")

SQUARED_LOSSES = ("half_squared_error", "squared_error", "mean_squared_error")
CROSS_ENTROPIES = ("binary_cross_entropy", "categorical_cross_entropy")
SUM_TOLERANCE = 1e-12
"""How far the shares of a target may miss their sum of 1."""
LOSSES = (*SQUARED_LOSSES, *CROSS_ENTROPIES, "perceptron")

UPDATES = ("online", "batch_sum", "batch_mean")
OPTIMIZERS = ("sgd", "adam")
ERROR_SIGNS = ("output_minus_target", "target_minus_output")

OUTPUTS_OF = {
    **dict.fromkeys(SQUARED_LOSSES, HIDDEN_ACTIVATIONS),
    "binary_cross_entropy": ("logistic",),
    "categorical_cross_entropy": ("softmax",),
    "perceptron": ("unit_step",),
}
"""The output activations that each loss permits."""


# everything but the numbers


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
            (self.loss, LOSSES, "loss"),
            (self.update, UPDATES, "update"),
            (self.error_sign, ERROR_SIGNS, "conventions.error_sign"),
        ):
            if word not in known:
                raise CaseError(f"{word!r} is not known", place=place, remedy=_one_of(known))
        for k, name in enumerate(self.activations[:-1]):
            if name not in HIDDEN_ACTIVATIONS:
                raise CaseError(
                    f"{name!r} is not permitted in a hidden layer",
                    place=f"network.activations[{k}]",
                    remedy=_one_of(HIDDEN_ACTIVATIONS),
                )
        permitted = OUTPUTS_OF[self.loss]
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
        return self.loss in CROSS_ENTROPIES or self.loss == "perceptron"

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
        if self.optimizer not in OPTIMIZERS:
            raise CaseError(
                f"{self.optimizer!r} is not known",
                place="optimizer.name",
                remedy=_one_of(OPTIMIZERS),
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


# a structure as words, as a workbook's Map says it, and words as a structure

Facts = dict[str, str]


def _nodes(facts: Mapping[str, str], name: str) -> tuple[int, ...]:
    return tuple(_whole(number, name) for number in word(facts, name).split("-"))


def _names(facts: Mapping[str, str], name: str) -> tuple[str, ...]:
    return tuple(text.strip() for text in word(facts, name).split(","))


def said(value: bool) -> str:  # noqa: FBT001 - it is the value that is said
    """Return yes or no."""
    return "yes" if value else "no"


def word(facts: Mapping[str, str], name: str) -> str:
    """Return a word; CaseError if it is missing."""
    if name not in facts:
        raise CaseError(f"the row {name!r} is missing")
    return facts[name]


def whole(facts: Mapping[str, str], name: str) -> int:
    """Return a whole number; CaseError if it is none."""
    return _whole(word(facts, name), name)


def yes(facts: Mapping[str, str], name: str) -> bool:
    """Return a yes or no; CaseError if it is neither."""
    text = word(facts, name)
    if text not in ("yes", "no"):
        raise CaseError(f"{name} should be yes or no, not {text!r}")
    return text == "yes"


def _whole(text: str, name: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise CaseError(f"{name} should be a whole number, not {text[:20]!r}")
    return int(text)


_STRUCTURE: dict[str, tuple[str, Callable[[Mapping[str, str], str], Any]]] = {
    "nodes": ("nodes", _nodes),
    "activations": ("activations", _names),
    "loss": ("loss", word),
    "update": ("update", word),
    "samples": ("samples", whole),
    "biases": ("biases", yes),
    "update_biases": ("update_biases", yes),
    "weight_decay": ("decay", yes),
    "error_sign": ("error_sign", word),
}
"""Of each word the field of a structure that it describes, and what reads it."""

STRUCTURE_FACTS = tuple(_STRUCTURE)
"""The words without which a step is not described."""

_RULE = {"optimizer": word, "momentum": yes, "rate_in_velocity": yes}


def structure_facts(structure: Structure) -> Facts:
    """Return the words from which the structure of a step can be read back."""
    facts = {name: _in_words(getattr(structure, field)) for name, (field, _) in _STRUCTURE.items()}
    return facts | {"decay_biases": "yes"} if structure.decay_biases else facts


def structure_from(facts: Mapping[str, str]) -> Structure:
    """Return the structure that words describe.

    Raises:
        CaseError: a word is missing or unknown, or they do not go together.
    """
    fields = {field: read(facts, name) for name, (field, read) in _STRUCTURE.items()}
    decays = yes({"decay_biases": "no", **facts}, "decay_biases")
    return Structure(**fields, decay_biases=decays)


def rule_facts(rule: UpdateRule) -> Facts:
    """Return the words from which an update rule can be read back."""
    return {name: _in_words(getattr(rule, name)) for name in _RULE}


def rule_from(facts: Mapping[str, str]) -> UpdateRule:
    """Return the update rule that words describe.

    Raises:
        CaseError: a word is missing or unknown.
    """
    fields: dict[str, Any] = {name: read(facts, name) for name, read in _RULE.items()}
    return UpdateRule(**fields)


def _in_words(value: Any) -> str:
    match value:
        case bool():
            return said(value)
        case (int(), *_):
            return "-".join(map(str, value))
        case (str(), *_):
            return ", ".join(value)
    return str(value)


# quantities

Key = tuple[str, int | None]
"""Code name and weight layer (None for what the whole step has once)."""

Index = tuple[int, ...]


ACTIVATION = ("pre_activation", "exponential", "exponential_sum", "post_activation")
"""What a forward pass computes in each layer."""

FORWARD = (*ACTIVATION, "final_error", "sample_error", "penalty", "error")
"""All that a forward pass computes."""


@dataclass(frozen=True, slots=True)
class Quantity:
    """One array of the step.

    Attributes:
        name: the code name, as in a trace.
        layer: the weight layer, or None.
        label: what the sheet calls it.
        defined_name: the workbook's defined name for its cells.
        equation: its number, such as ``Eq. 11``; empty for a given.
        shape: samples first where it has one value a sample.
        given: whether a person sets it.
        per_sample: whether the first axis (after that of the updates) counts samples.
        per_row: what the rows count where the first axis counts rows: ``update``, ``row``.
        key: code name and layer.
    """

    name: str
    layer: int | None
    label: str
    defined_name: str
    equation: str
    shape: tuple[int, ...]
    given: bool = False
    per_sample: bool = False
    per_row: str = ""
    key: Key = field(init=False)

    def __post_init__(self) -> None:
        """Join code name and layer, the key by which every table knows it."""
        object.__setattr__(self, "key", (self.name, self.layer))


def layer_letter(structure: Structure, layer: int) -> str:
    """Return I, H, H1, H2, … or O for a layer of nodes, the input layer being 0."""
    if layer == 0:
        return "I"
    if layer == structure.layers:
        return "O"
    return "H" if structure.layers == 2 else f"H{layer}"


def node_name(structure: Structure, layer: int, node: int) -> str:
    """Return a node's name for people, counted from 1: ``H1·2``."""
    return f"{layer_letter(structure, layer)}·{node + 1}"


def quantities(structure: Structure) -> list[Quantity]:
    """Return every quantity of the step, in the order in which they are computed."""
    return [
        *_givens(structure),
        *_forward(structure),
        *_error(structure),
        *_backward(structure),
        *_update(structure),
    ]


def table(structure: Structure) -> dict[Key, Quantity]:
    """Return the quantities by key."""
    return {quantity.key: quantity for quantity in quantities(structure)}


def _between(structure: Structure, k: int) -> str:
    return f"{layer_letter(structure, k)}to{layer_letter(structure, k + 1)}"


def given(
    name: str, label: str, shape: tuple[int, ...] = (), layer: int | None = None, **more: Any
) -> Quantity:
    """Return a quantity that a person sets; a layer's is defined by its label, others by name."""
    defined_name = name if layer is None else label
    return Quantity(name, layer, label, defined_name, "", shape, given=True, **more)


def _of_nodes(
    s: Structure, name: str, k: int | None, label: str, equation: str, defined_name: str = ""
) -> Quantity:
    """Return what every node of a layer, or of the output, has for each sample."""
    shape = (s.samples, s.outputs if k is None else s.nodes[k + 1])
    return Quantity(name, k, label, defined_name or label, equation, shape, per_sample=True)


def _givens(s: Structure) -> Iterator[Quantity]:
    n = s.nodes
    yield given("input", "input", (s.samples, n[0]), per_sample=True)
    yield given("target", "target", (s.samples, n[-1]), per_sample=True)
    yield given("learning_rate", "LR")
    if s.leaky:
        yield given("leaky_slope", "slope")
    if s.decay:
        yield given("weight_decay", "λ")
    for k in range(s.layers):
        yield given("weights", f"weight_{_between(s, k)}", (n[k], n[k + 1]), k)
        if s.biases:
            yield given("biases", f"bias_{layer_letter(s, k + 1)}", (n[k + 1],), k)


def _forward(s: Structure) -> Iterator[Quantity]:
    for k in range(s.layers):
        letter, output = layer_letter(s, k + 1), k == s.layers - 1
        pre, post = f"S_preA_{letter}", f"S_postA_{letter}"
        yield _of_nodes(s, "pre_activation", k, pre, "Eq. 3" if output else "Eq. 1")
        softmax = s.activations[k] == "softmax"
        if softmax:
            yield _of_nodes(s, "exponential", k, f"EXP({pre})", "Eq. 17", f"EXP_{pre}")
            total, shape = f"SUM_EXP_{letter}", (s.samples,)
            yield Quantity("exponential_sum", k, "Σ EXP", total, "Eq. 17", shape, per_sample=True)
        number = "Eq. 17" if softmax else "Eq. 4" if output else "Eq. 2"
        yield _of_nodes(s, "post_activation", k, post, number)


def error_equation(structure: Structure) -> str:
    """Return the number of the equation that defines E of one sample."""
    if structure.loss == "perceptron":
        return "Eq. 20"
    return "Eq. 18" if structure.cancels else "Eq. 6"


def _error(s: Structure) -> Iterator[Quantity]:
    number = error_equation(s)
    yield _of_nodes(s, "final_error", None, "FE", "Eq. 5")
    if s.samples > 1:
        label, shape = "E_sample", (s.samples,)
        yield Quantity("sample_error", None, label, label, number, shape, per_sample=True)
        number = "Eq. 19"
    if s.decay:
        yield Quantity("penalty", None, "P", "penalty", "Eq. 16", ())
    yield Quantity("error", None, "E", "E", number, ())


def _backward(s: Structure) -> Iterator[Quantity]:
    for k in reversed(range(s.layers)):
        letter, m, output = layer_letter(s, k + 1), s.nodes[k + 1], k == s.layers - 1
        if not (output and s.cancels):
            label = f"fA′(S_preA_{letter})"
            yield _of_nodes(s, "activation_derivative", k, label, "Eq. 7", f"fA_deriv_{letter}")
            if output:
                label, name = f"∂E/∂S_postA_{letter}", f"dE_dS_postA_{letter}"
                yield _of_nodes(s, "error_derivative", None, label, "Eq. 8", name)
            else:
                label, name = "Σ S_ERROR·weight", f"S_ERROR_x_weight_{letter}"
                yield _of_nodes(s, "backpropagated_error", k, label, "Eq. 11", name)
        yield _of_nodes(s, "error_signal", k, f"S_ERROR_{letter}", signal_equation(s, k))
        label, number = f"gradient_{_between(s, k)}", "Eq. 9" if output else "Eq. 12"
        yield Quantity("weight_gradient", k, label, label, number, (s.nodes[k], m))
        if s.biases:
            label = f"gradient_bias_{letter}"
            yield Quantity("bias_gradient", k, label, label, "Eq. 14", (m,))


def signal_equation(structure: Structure, layer: int) -> str:
    """Return the number of the equation that defines S_ERROR of a layer."""
    if layer < structure.layers - 1:
        return "Eq. 11"
    if structure.loss == "perceptron":
        return "Eq. 20"
    return "Eq. 18" if structure.cancels else "Eq. 8"


def _update(s: Structure) -> Iterator[Quantity]:
    for k in reversed(range(s.layers)):
        label, number = f"new_weight_{_between(s, k)}", "Eq. 10" if k == s.layers - 1 else "Eq. 13"
        yield Quantity("new_weights", k, label, label, number, s.nodes[k : k + 2])
        if s.biases and s.update_biases:
            label = f"new_bias_{layer_letter(s, k + 1)}"
            yield Quantity("new_biases", k, label, label, "Eq. 15", (s.nodes[k + 1],))


def person_label(structure: Structure, quantity: Quantity, index: Index) -> str:
    """Return a scalar's name for people, nodes counted from 1.

    The sample is named only where there are several: ``S_ERROR_H[2]``,
    ``weight_ItoH[1,3]``, ``FE[sample 2, 1]``, ``FE[update 7, 1]``.
    """
    return label_with_index(quantity, index, name_sample=structure.samples > 1)


def label_with_index(quantity: Quantity, index: Index, *, name_sample: bool) -> str:
    """Return a scalar's name for people; see ``person_label``."""
    parts = [str(i + 1) for i in index]
    named = []
    if quantity.per_row:
        named.append(f"{quantity.per_row} {parts.pop(0)}")
    if quantity.per_sample:
        sample = parts.pop(0)
        if name_sample:
            named.append(f"sample {sample}")
    parts = [*named, *parts]
    return f"{quantity.label}[{','.join(parts)}]" if parts else quantity.label


MAX_CHECKED = 18
MAX_LINES = 160

_T = TypeVar("_T")

Parameter = tuple[str, int, tuple[int, ...]]


def evenly(items: list[_T], most: int) -> list[_T]:
    """Return at most that many items, evenly spread, the first and the last among them."""
    if len(items) <= most:
        return items
    return [items[round(n * (len(items) - 1) / (most - 1))] for n in range(most)]


def all_parameters(structure: Structure) -> list[Parameter]:
    """Return every weight and bias, layer by layer, weights first."""
    found: list[Parameter] = []
    for k in range(structure.layers):
        n, m = structure.nodes[k : k + 2]
        found += [("weights", k, (i, j)) for i in range(n) for j in range(m)]
        if structure.biases:
            found += [("biases", k, (j,)) for j in range(m)]
    return found


def checked_parameters(structure: Structure) -> list[Parameter]:
    """Return the parameters whose gradients the Check sheet confirms."""
    if not structure.differentiable:
        return []
    return evenly(all_parameters(structure), MAX_CHECKED)
