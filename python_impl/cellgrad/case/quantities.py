"""The quantities of a training step: names, labels, shapes, equations.

The one table behind reference/notation.md. A quantity is known by its code name
and, where there is one a layer, by the number of its weight layer (0 is the
layer that the input feeds).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from cellgrad.case.structure import Structure

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


def _givens(structure: Structure) -> list[Quantity]:
    n, samples = structure.nodes, structure.samples
    found = [
        Quantity("input", None, "input", "input", "", (samples, n[0]), given=True, per_sample=True),
        Quantity(
            "target", None, "target", "target", "", (samples, n[-1]), given=True, per_sample=True
        ),
        Quantity("learning_rate", None, "LR", "learning_rate", "", (), given=True),
    ]
    if structure.leaky:
        found.append(Quantity("leaky_slope", None, "slope", "leaky_slope", "", (), given=True))
    if structure.decay:
        found.append(Quantity("weight_decay", None, "λ", "weight_decay", "", (), given=True))
    for k in range(structure.layers):
        name = f"weight_{_between(structure, k)}"
        found.append(Quantity("weights", k, name, name, "", (n[k], n[k + 1]), given=True))
        if structure.biases:
            name = f"bias_{layer_letter(structure, k + 1)}"
            found.append(Quantity("biases", k, name, name, "", (n[k + 1],), given=True))
    return found


def _forward(structure: Structure) -> list[Quantity]:
    found = []
    samples = structure.samples
    for k in range(structure.layers):
        letter, m = layer_letter(structure, k + 1), structure.nodes[k + 1]
        output = k == structure.layers - 1
        pre, post = f"S_preA_{letter}", f"S_postA_{letter}"
        found.append(
            Quantity(
                "pre_activation",
                k,
                pre,
                pre,
                "Eq. 3" if output else "Eq. 1",
                (samples, m),
                per_sample=True,
            )
        )
        softmax = structure.activations[k] == "softmax"
        if softmax:
            found += [
                Quantity(
                    "exponential",
                    k,
                    f"EXP({pre})",
                    f"EXP_{pre}",
                    "Eq. 17",
                    (samples, m),
                    per_sample=True,
                ),
                Quantity(
                    "exponential_sum",
                    k,
                    "Σ EXP",
                    f"SUM_EXP_{letter}",
                    "Eq. 17",
                    (samples,),
                    per_sample=True,
                ),
            ]
        number = "Eq. 17" if softmax else "Eq. 4" if output else "Eq. 2"
        found.append(
            Quantity("post_activation", k, post, post, number, (samples, m), per_sample=True)
        )
    return found


def error_equation(structure: Structure) -> str:
    """Return the number of the equation that defines E of one sample."""
    if structure.loss == "perceptron":
        return "Eq. 20"
    return "Eq. 18" if structure.cancels else "Eq. 6"


def _error(structure: Structure) -> list[Quantity]:
    samples, number = structure.samples, error_equation(structure)
    found = [
        Quantity(
            "final_error", None, "FE", "FE", "Eq. 5", (samples, structure.outputs), per_sample=True
        )
    ]
    if samples > 1:
        found.append(
            Quantity(
                "sample_error", None, "E_sample", "E_sample", number, (samples,), per_sample=True
            )
        )
        number = "Eq. 19"
    if structure.decay:
        found.append(Quantity("penalty", None, "P", "penalty", "Eq. 16", ()))
    found.append(Quantity("error", None, "E", "E", number, ()))
    return found


def _backward(structure: Structure) -> list[Quantity]:
    found = []
    samples = structure.samples
    for k in reversed(range(structure.layers)):
        letter, m = layer_letter(structure, k + 1), structure.nodes[k + 1]
        output = k == structure.layers - 1
        shape = (samples, m)
        if not (output and structure.cancels):
            found.append(
                Quantity(
                    "activation_derivative",
                    k,
                    f"fA′(S_preA_{letter})",
                    f"fA_deriv_{letter}",
                    "Eq. 7",
                    shape,
                    per_sample=True,
                )
            )
            if output:
                found.append(
                    Quantity(
                        "error_derivative",
                        None,
                        f"∂E/∂S_postA_{letter}",
                        f"dE_dS_postA_{letter}",
                        "Eq. 8",
                        shape,
                        per_sample=True,
                    )
                )
            else:
                found.append(
                    Quantity(
                        "backpropagated_error",
                        k,
                        "Σ S_ERROR·weight",
                        f"S_ERROR_x_weight_{letter}",
                        "Eq. 11",
                        shape,
                        per_sample=True,
                    )
                )
        signal = f"S_ERROR_{letter}"
        found.append(
            Quantity(
                "error_signal",
                k,
                signal,
                signal,
                signal_equation(structure, k),
                shape,
                per_sample=True,
            )
        )
        gradient = f"gradient_{_between(structure, k)}"
        found.append(
            Quantity(
                "weight_gradient",
                k,
                gradient,
                gradient,
                "Eq. 9" if output else "Eq. 12",
                (structure.nodes[k], m),
            )
        )
        if structure.biases:
            gradient = f"gradient_bias_{letter}"
            found.append(Quantity("bias_gradient", k, gradient, gradient, "Eq. 14", (m,)))
    return found


def signal_equation(structure: Structure, layer: int) -> str:
    """Return the number of the equation that defines S_ERROR of a layer."""
    if layer < structure.layers - 1:
        return "Eq. 11"
    if structure.loss == "perceptron":
        return "Eq. 20"
    return "Eq. 18" if structure.cancels else "Eq. 8"


def _update(structure: Structure) -> list[Quantity]:
    found = []
    for k in reversed(range(structure.layers)):
        name = f"new_weight_{_between(structure, k)}"
        number = "Eq. 10" if k == structure.layers - 1 else "Eq. 13"
        found.append(Quantity("new_weights", k, name, name, number, structure.nodes[k : k + 2]))
        if structure.biases and structure.update_biases:
            name = f"new_bias_{layer_letter(structure, k + 1)}"
            found.append(Quantity("new_biases", k, name, name, "Eq. 15", (structure.nodes[k + 1],)))
    return found


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
