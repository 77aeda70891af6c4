"""How each scalar result of a step is written out: its operands, in order.

A line is a quantity at one index and a template of texts and operands. The
workbook turns operands into references, a printed trace into numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cellgrad.case.quantities import Index, Key, Quantity, layer_letter, quantities
from cellgrad.case.selection import MAX_LINES, evenly
from cellgrad.case.structure import Structure

MOST_TERMS, FIRST_TERMS = 24, 8
"""A longer sum is written as its first terms, dots, and the last."""


@dataclass(frozen=True, slots=True)
class Operand:
    """A scalar that stands in a line."""

    key: Key
    index: Index


Piece = str | Operand
Template = tuple[Piece, ...]


@dataclass(frozen=True, slots=True)
class Line:
    """One scalar result.

    Attributes:
        quantity: what is computed.
        index: which of its values.
        working: the right-hand side.
        article: the right-hand side as the article prints Eq. 12, where that differs.
    """

    quantity: Quantity
    index: Index
    working: Template
    article: Template | None = None

    def written(self) -> Template:
        """Return all that is written on the right: the working, then the article's form."""
        return self.working if self.article is None else (*self.working, " = ", *self.article)


def all_lines(structure: Structure) -> list[Line]:
    """Return a line for every computed scalar, in the order of the derivation."""
    write = _Writer(structure)
    found = []
    for quantity in quantities(structure):
        if quantity.given:
            continue
        rule = write.rule(quantity.name)
        for index in _indices(quantity.shape):
            article = write.article(quantity.layer, index) if _is_eq12(quantity) else None
            found.append(Line(quantity, index, rule(quantity.layer, index), article))
    return found


def walkthrough_lines(structure: Structure) -> list[Line]:
    """Return the lines of the Walkthrough sheet, an even selection of a large network's."""
    return evenly(all_lines(structure), MAX_LINES)


def _is_eq12(quantity: Quantity) -> bool:
    return quantity.equation == "Eq. 12"


def _indices(shape: tuple[int, ...]) -> list[Index]:
    found: list[Index] = [()]
    for size in shape:
        found = [(*index, i) for index in found for i in range(size)]
    return found


def _join(terms: list[Template], between: str = " + ") -> Template:
    if len(terms) > MOST_TERMS:
        terms = [*terms[:FIRST_TERMS], ("…",), terms[-1]]
    pieces: list[Piece] = []
    for n, term in enumerate(terms):
        pieces += [between, *term] if n else [*term]
    return tuple(pieces)


def _times(*factors: Piece) -> Template:
    return tuple(piece for factor in factors for piece in ("(", factor, ")"))


class _Writer:
    """The right-hand sides, one method a quantity, in the order of the derivation."""

    def __init__(self, structure: Structure) -> None:
        self.s = structure
        self.last = structure.layers - 1
        self.minus = structure.error_sign == "output_minus_target"

    def rule(self, name: str) -> Callable[[int | None, Index], Template]:
        return getattr(self, name)  # type: ignore[no-any-return]

    def _incoming(self, k: int, sample: int, i: int) -> Operand:
        if k == 0:
            return Operand(("input", None), (sample, i))
        return Operand(("post_activation", k - 1), (sample, i))

    def pre_activation(self, k: int, index: Index) -> Template:
        sample, j = index
        terms: list[Template] = []
        if self.s.biases:
            terms.append((Operand(("biases", k), (j,)),))
        terms += [
            _times(self._incoming(k, sample, i), Operand(("weights", k), (i, j)))
            for i in range(self.s.nodes[k])
        ]
        return _join(terms)

    def exponential(self, k: int, index: Index) -> Template:
        return ("EXP(", Operand(("pre_activation", k), index), ")")

    def exponential_sum(self, k: int, index: Index) -> Template:
        terms: list[Template] = [
            (Operand(("exponential", k), (*index, o)),) for o in range(self.s.outputs)
        ]
        return _join(terms)

    def post_activation(self, k: int, index: Index) -> Template:
        z = Operand(("pre_activation", k), index)
        name = self.s.activations[k]
        if name == "softmax":
            total = Operand(("exponential_sum", k), index[:1])
            return (Operand(("exponential", k), index), " / ", total)
        if name == "leaky_relu":
            slope = Operand(("leaky_slope", None), ())
            return ("larger of ", z, " and (", slope, ")(", z, ")")
        return {
            "logistic": ("1 / (1 + EXP(−(", z, ")))"),
            "tanh": ("TANH(", z, ")"),
            "relu": ("MAX(0, ", z, ")"),
            "identity": (z,),
            "unit_step": ("1 if ", z, " ≥ 0, else 0"),
        }[name]

    def final_error(self, _: None, index: Index) -> Template:
        y = Operand(("post_activation", self.last), index)
        t = Operand(("target", None), index)
        return (y, " − (", t, ")") if self.minus else (t, " − (", y, ")")

    def _loss(self, sample: int) -> Template:
        outputs = [(sample, o) for o in range(self.s.outputs)]
        if self.s.loss == "categorical_cross_entropy":
            terms = [self._t_ln(o) for o in outputs]
            return ("−(", *_join(terms), ")")
        if self.s.loss == "binary_cross_entropy":
            terms = [(*self._t_ln(o), " + ", *self._not_t_ln(o)) for o in outputs]
            return ("−(", *_join(terms), ")")
        fe = [Operand(("final_error", None), o) for o in outputs]
        if self.s.loss == "perceptron":
            return _join([("|", error, "|") for error in fe])
        squares = _join([_times(error, error) for error in fe])
        return {
            "half_squared_error": ("½ [", *squares, "]"),
            "squared_error": squares,
            "mean_squared_error": ("[", *squares, f"] / {self.s.outputs}"),
        }[self.s.loss]

    def _t_ln(self, index: Index) -> Template:
        t, y = Operand(("target", None), index), Operand(("post_activation", self.last), index)
        return ("(", t, ") LN(", y, ")")

    def _not_t_ln(self, index: Index) -> Template:
        t, y = Operand(("target", None), index), Operand(("post_activation", self.last), index)
        return ("(1 − (", t, ")) LN(1 − ", y, ")")

    def sample_error(self, _: None, index: Index) -> Template:
        return self._loss(index[0])

    def penalty(self, _: None, __: Index) -> Template:
        squares: list[Template] = []
        for k in range(self.s.layers):
            for index in _indices(self.s.nodes[k : k + 2]):
                w = Operand(("weights", k), index)
                squares.append(_times(w, w))
        if self.s.decay_biases:
            for k in range(self.s.layers):
                for j in range(self.s.nodes[k + 1]):
                    b = Operand(("biases", k), (j,))
                    squares.append(_times(b, b))
        return ("½ (", Operand(("weight_decay", None), ()), ") [", *_join(squares), "]")

    def error(self, _: None, __: Index) -> Template:
        if self.s.samples == 1:
            data = self._loss(0)
        else:
            terms: list[Template] = [
                (Operand(("sample_error", None), (s,)),) for s in range(self.s.samples)
            ]
            data = self._mean(_join(terms))
        if self.s.decay:
            return (*data, " + ", Operand(("penalty", None), ()))
        return data

    def _mean(self, total: Template) -> Template:
        if self.s.update == "batch_mean" and self.s.samples > 1:
            return ("[", *total, f"] / {self.s.samples}")
        return total

    def activation_derivative(self, k: int, index: Index) -> Template:
        a, z = Operand(("post_activation", k), index), Operand(("pre_activation", k), index)
        slope = Operand(("leaky_slope", None), ())
        return {
            "logistic": ("(", a, ")(1 − (", a, "))"),
            "tanh": ("1 − (", a, ")(", a, ")"),
            "relu": ("1 if ", z, " > 0, else 0"),
            "leaky_relu": ("1 if ", z, " > 0, else ", slope),
            "identity": ("1",),
        }[self.s.activations[k]]

    def error_derivative(self, _: None, index: Index) -> Template:
        fe = Operand(("final_error", None), index)
        return {
            "half_squared_error": (fe,),
            "squared_error": ("2 · (", fe, ")"),
            "mean_squared_error": ("2 · (", fe, f") / {self.s.outputs}"),
        }[self.s.loss]

    def backpropagated_error(self, k: int, index: Index) -> Template:
        sample, h = index
        return _join(
            [
                _times(
                    Operand(("error_signal", k + 1), (sample, o)),
                    Operand(("weights", k + 1), (h, o)),
                )
                for o in range(self.s.nodes[k + 2])
            ]
        )

    def error_signal(self, k: int, index: Index) -> Template:
        slope = Operand(("activation_derivative", k), index)
        if k < self.last:
            return _times(Operand(("backpropagated_error", k), index), slope)
        if self.s.cancels:
            return (Operand(("final_error", None), index),)
        return _times(Operand(("error_derivative", None), index), slope)

    def weight_gradient(self, k: int, index: Index) -> Template:
        i, j = index
        total = self._mean(
            _join(
                [
                    _times(Operand(("error_signal", k), (s, j)), self._incoming(k, s, i))
                    for s in range(self.s.samples)
                ]
            )
        )
        return self._decaying(total, ("weights", k), index) if self.s.decay else total

    def _decaying(self, gradient: Template, key: Key, index: Index) -> Template:
        sign = " + " if self.minus else " − "
        return (*gradient, sign, *_times(Operand(("weight_decay", None), ()), Operand(key, index)))

    def article(self, k: int | None, index: Index) -> Template | None:
        """Eq. 12 as printed: S_ERROR × weightHtoO × fA′(S_preA,H) × input, one sample."""
        if k is None or self.s.samples > 1:
            return None
        i, h = index
        back = self.backpropagated_error(k, (0, h))
        if self.s.nodes[k + 2] > 1:
            back = ("[", *back, "]")
        slope = Operand(("activation_derivative", k), (0, h))
        product = (*back, *_times(slope, self._incoming(k, 0, i)))
        return self._decaying(product, ("weights", k), index) if self.s.decay else product

    def bias_gradient(self, k: int, index: Index) -> Template:
        terms: list[Template] = [
            (Operand(("error_signal", k), (s, index[0])),) for s in range(self.s.samples)
        ]
        total = self._mean(_join(terms))
        return self._decaying(total, ("biases", k), index) if self.s.decay_biases else total

    def _moved(self, old: Key, gradient: Key, index: Index) -> Template:
        rate = Operand(("learning_rate", None), ())
        sign = " − " if self.minus else " + "
        return (Operand(old, index), sign, *_times(rate, Operand(gradient, index)))

    def new_weights(self, k: int, index: Index) -> Template:
        return self._moved(("weights", k), ("weight_gradient", k), index)

    def new_biases(self, k: int, index: Index) -> Template:
        return self._moved(("biases", k), ("bias_gradient", k), index)


def general_equation(structure: Structure, quantity: Quantity) -> str:
    """Return the equation of a quantity in the series' terms, as the sheet shows it."""
    k, s = quantity.layer, structure
    last = s.layers - 1
    above = layer_letter(s, k + 1) if k is not None else layer_letter(s, s.layers)
    below = layer_letter(s, k) if k is not None else ""
    beyond = layer_letter(s, k + 2) if k is not None and k < last else ""
    incoming = "input" if k == 0 else f"S_postA_{below}"
    minus = s.error_sign == "output_minus_target"
    pre, post = f"S_preA_{above}", f"S_postA_{above}"
    many, mean = s.samples > 1, s.update == "batch_mean" and s.samples > 1
    over = "Σ_samples " if many else ""
    count = f" / {s.samples}" if mean else ""
    sign = "−" if minus else "+"
    decay = f" {'+' if minus else '−'} λ·weight" if s.decay else ""
    bias = f"bias_{above} + " if s.biases else ""
    text = {
        "pre_activation": f"{pre} = {bias}Σ {incoming} · weight_{below}to{above}",
        "exponential": f"e^{pre}",
        "exponential_sum": f"Σ e^{pre}",
        "post_activation": f"{post} = {_activation(s.activations[k or 0], pre)}",
        "final_error": f"FE = {post} − target" if minus else f"FE = target − {post}",
        "sample_error": f"E_sample = {_loss(s)}",
        "penalty": "P = ½ · λ · Σ weight²" + (" and bias²" if s.decay_biases else ""),
        "error": "E = " + ("Σ E_sample" + count if many else _loss(s)) + (" + P" * s.decay),
        "activation_derivative": f"fA′(S_preA) = {_derivative(s.activations[k or 0])}",
        "error_derivative": "∂E/∂S_postA = " + _outer(s),
        "backpropagated_error": f"Σ S_ERROR_{beyond} · weight_{above}to{beyond} (old weights)",
        "error_signal": f"S_ERROR_{above} = " + _signal(s, k),
        "weight_gradient": f"{over}S_ERROR_{above} · {incoming}{count}{decay}",
        "bias_gradient": f"{over}S_ERROR_{above}{count}"
        + (decay.replace("weight", "bias") if s.decay_biases else ""),
        "new_weights": f"weight {sign} LR · gradient",
        "new_biases": f"bias {sign} LR · gradient",
    }
    return text[quantity.name]


def _activation(name: str, z: str) -> str:
    return {
        "logistic": f"1 / (1 + e^−{z})",
        "tanh": f"tanh({z})",
        "relu": f"max(0, {z})",
        "leaky_relu": f"{z} if > 0, else slope·{z}",
        "identity": z,
        "unit_step": f"1 if {z} ≥ 0, else 0",
        "softmax": f"e^{z} / Σ e^{z}",
    }[name]


def _derivative(name: str) -> str:
    return {
        "logistic": "fA · (1 − fA)",
        "tanh": "1 − fA · fA",
        "relu": "1 if S_preA > 0, else 0",
        "leaky_relu": "1 if S_preA > 0, else slope",
        "identity": "1",
        "softmax": "",
        "unit_step": "",
    }[name]


def _loss(structure: Structure) -> str:
    return {
        "half_squared_error": "½ Σ FE²",
        "squared_error": "Σ FE²",
        "mean_squared_error": "Σ FE² / outputs",
        "binary_cross_entropy": "−Σ (t·ln y + (1−t)·ln(1−y))",
        "categorical_cross_entropy": "−Σ t · ln y",
        "perceptron": "Σ |FE|",
    }[structure.loss]


def _outer(structure: Structure) -> str:
    return {
        "half_squared_error": "FE",
        "squared_error": "2 · FE",
        "mean_squared_error": "2 · FE / outputs",
    }.get(structure.loss, "FE")


def _signal(structure: Structure, layer: int | None) -> str:
    if layer is not None and layer < structure.layers - 1:
        return "(Σ S_ERROR·weight) · fA′"
    if structure.loss == "perceptron":
        return "FE (perceptron rule)"
    if structure.cancels:
        return "FE (fA′ cancels)"
    return ("FE" if structure.loss == "half_squared_error" else "∂E/∂S_postA") + " · fA′"
