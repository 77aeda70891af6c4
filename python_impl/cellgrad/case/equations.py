"""The equations of a step, each written once: its operands and signs, in their order.

``Equations`` says which operands an equation has; a notation says how it is put down: as a
formula of a sheet (``cellgrad.workbook.formulas``), with numbers in their places (``all_lines``)
or in words (``general_equation``). A line is a quantity at one index and a template of texts and
operands: the workbook turns operands into references, a printed trace into numbers.
Source: reference/equations.md.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from itertools import product
from typing import ClassVar

from cellgrad.case.quantities import (
    MAX_LINES,
    Index,
    Key,
    Quantity,
    Structure,
    evenly,
    quantities,
    table,
)

Scalar = tuple[Key, Index]
"""One number of the step. ``incoming`` of a layer is the post-activation of the layer below."""

Forms = dict[str, tuple[str, str, str]]

FORMULA, NUMBERS, WORDS = range(3)
"""The notations: as a formula, with numbers, in words."""

FORMS: Forms = {
    # activations, and their derivatives
    "logistic": ("1/(1+EXP(-{z}))", "1 / (1 + EXP(−({z})))", "1 / (1 + e^−{z})"),
    "tanh": ("TANH({z})", "TANH({z})", "tanh({z})"),
    "relu": ("MAX(0,{z})", "MAX(0, {z})", "max(0, {z})"),
    "leaky_relu": (
        "IF({z}>0,{z},{slope}*{z})",
        "larger of {z} and ({slope})({z})",
        "{z} if > 0, else slope·{z}",
    ),
    "identity": ("{z}", "{z}", "{z}"),
    "unit_step": ("IF({z}>=0,1,0)", "1 if {z} ≥ 0, else 0", "1 if {z} ≥ 0, else 0"),
    "exponential": ("EXP({z})", "EXP({z})", "e^{z}"),
    "softmax": ("{power}/{powers}", "{power} / {powers}", "{power} / Σ {power}"),
    "logistic derivative": ("{a}*(1-{a})", "({a})(1 − ({a}))", "fA · (1 − fA)"),
    "tanh derivative": ("1-{a}*{a}", "1 − ({a})({a})", "1 − fA · fA"),
    "relu derivative": ("IF({z}>0,1,0)", "1 if {z} > 0, else 0", "1 if S_preA > 0, else 0"),
    "leaky_relu derivative": (
        "IF({z}>0,1,{slope})",
        "1 if {z} > 0, else {slope}",
        "1 if S_preA > 0, else slope",
    ),
    "identity derivative": ("1", "1", "1"),
    # losses over all outputs, their terms, and ∂E/∂S_postA
    "square": ("{fe}*{fe}", "({fe})\0({fe})", "FE²"),
    "wrong": ("ABS({fe})", "|{fe}|", "|FE|"),
    "t ln y": ("{t}*LN({y})", "({t}) LN({y})", ""),
    "rest ln rest": ("(1-{t})*LN(1-{y})", "(1 − ({t})) LN(1 − {y})", ""),
    "half_squared_error": ("0.5*({terms})", "½ [{terms}]", "½ Σ FE²"),
    "squared_error": ("{terms}", "{terms}", "Σ FE²"),
    "mean_squared_error": ("({terms})/{n}", "[{terms}] / {n}", "Σ FE² / outputs"),
    "binary_cross_entropy": ("-({terms})", "−({terms})", "−Σ (t·ln y + (1−t)·ln(1−y))"),
    "categorical_cross_entropy": ("-({terms})", "−({terms})", "−Σ t · ln y"),
    "perceptron": ("{terms}", "{terms}", "Σ |FE|"),
    "half_squared_error derivative": ("{fe}", "{fe}", "{fe}"),
    "squared_error derivative": ("2*{fe}", "2 · ({fe})", "2 · {fe}"),
    "mean_squared_error derivative": ("2*{fe}/{n}", "2 · ({fe}) / {n}", "2 · {fe} / outputs"),
    # what equations are put together from
    "product": ("{a}*{b}", "({a})\0({b})", "{a} · {b}"),
    "difference": ("{a}-{b}", "{a} − ({b})", "{a} − {b}"),
    "mean": ("({total})/{n}", "[{total}] / {n}", "{total} / {n}"),
    "penalty": ("0.5*{rate}*({squares})", "½ ({rate}) [{squares}]", "½ · {rate} · Σ {squares}"),
    "with penalty": ("{error}+{penalty}", "{error} + {penalty}", "{error} + {penalty}"),
    "with decay": (
        "{gradient}{sign}{rate}*{value}",
        "{gradient}{sign}({rate})\0({value})",
        "{gradient}{sign}{rate}·{value}",
    ),
    "moved": ("{value}{sign}{change}",) * 3,
    "old weights": ("{terms}", "{terms}", "{terms} (old weights)"),
    "cancelled": ("{fe}", "{fe}", "{fe} (fA′ cancels)"),
    "perceptron signal": ("{fe}", "{fe}", "{fe} (perceptron rule)"),
}
"""Everything that is put down, as a formula, with numbers and in words.

A NUL parts two texts between which no operand stands.
"""


class Equations(ABC):
    """The right-hand sides, one method a quantity, in the order of the derivation."""

    notation: ClassVar[int]
    forms: ClassVar[Forms] = FORMS
    signs: ClassVar[tuple[str, str]] = (" + ", " − ")

    def __init__(self, structure: Structure) -> None:
        self.s = structure
        self.last = structure.layers - 1
        self.minus = structure.error_sign == "output_minus_target"

    def right_side(self, key: Key, index: Index) -> str:
        """Return the right-hand side of a scalar's equation."""
        name, layer = key
        return str(getattr(self, f"_{name}")(layer, index))

    # how it is put down

    @abstractmethod
    def operand(self, key: Key, index: Index) -> str:
        """Return what stands for a scalar."""

    @abstractmethod
    def sum_of(self, terms: list[str], *, an_output: int = 0) -> str:
        """Return a sum over samples, or over the outputs, so many terms an output."""

    def total(self, terms: list[Scalar]) -> str:
        """Return the sum of a row or column of scalars."""
        return self.sum_of([self.operand(*term) for term in terms])

    def products(self, pairs: list[tuple[Scalar, Scalar]], first: str = "") -> str:
        """Return the sum of products, after a first term if there is one."""
        terms = [self.write("product", a=self.operand(*a), b=self.operand(*b)) for a, b in pairs]
        return self.sum_of([first, *terms] if first else terms)

    def squares(self, scalars: list[Scalar]) -> str:
        """Return the sum of the squares of all weights, or of all weights and biases."""
        return self.products([(scalar, scalar) for scalar in scalars])

    def write(self, form: str, **parts: str) -> str:
        """Return a form with its parts filled in."""
        return self.forms[form][self.notation].format(**parts)

    def single(self, name: str) -> str:
        """Return what stands for a quantity that is a single number."""
        return self.operand((name, None), ())

    # forward

    def incoming(self, k: int, sample: int, i: int) -> Scalar:
        """Return what enters layer k: the input, or the post-activation below."""
        return (("input", None) if k == 0 else ("incoming", k), (sample, i))

    def _pre_activation(self, k: int, index: Index) -> str:
        sample, j = index
        pairs: list[tuple[Scalar, Scalar]] = [
            (self.incoming(k, sample, i), (("weights", k), (i, j))) for i in range(self.s.nodes[k])
        ]
        return self.products(pairs, self.operand(("biases", k), (j,)) if self.s.biases else "")

    def _exponential(self, k: int, index: Index) -> str:
        return self.write("exponential", z=self.operand(("pre_activation", k), index))

    def _exponential_sum(self, k: int, index: Index) -> str:
        return self.total([(("exponential", k), (*index, o)) for o in range(self.s.outputs)])

    def _post_activation(self, k: int, index: Index) -> str:
        name = self.s.activations[k]
        if name == "softmax":
            total = self.operand(("exponential_sum", k), index[:1])
            return self.write(name, power=self.operand(("exponential", k), index), powers=total)
        slope = self.single("leaky_slope") if name == "leaky_relu" else ""
        return self.write(name, z=self.operand(("pre_activation", k), index), slope=slope)

    # error

    def _final_error(self, _: None, index: Index) -> str:
        y, t = (
            self.operand(("post_activation", self.last), index),
            self.operand(("target", None), index),
        )
        return (
            self.write("difference", a=y, b=t) if self.minus else self.write("difference", a=t, b=y)
        )

    def _sample_error(self, _: None, index: Index) -> str:
        outputs = [(*index, o) for o in range(self.s.outputs)]
        loss = self.s.loss
        if loss.endswith("squared_error"):
            errors: list[Scalar] = [(("final_error", None), o) for o in outputs]
            terms = self.products([(error, error) for error in errors])
        elif loss == "perceptron":
            wrong = [
                self.write("wrong", fe=self.operand(("final_error", None), o)) for o in outputs
            ]
            terms = self.sum_of(wrong, an_output=1)
        else:
            names = ["t ln y"] + ["rest ln rest"] * (loss == "binary_cross_entropy")
            logarithms = [
                self.write(
                    name,
                    t=self.operand(("target", None), o),
                    y=self.operand(("post_activation", self.last), o),
                )
                for o in outputs
                for name in names
            ]
            terms = self.sum_of(logarithms, an_output=len(names))
        return self.write(loss, terms=terms, n=str(self.s.outputs))

    def _penalty(self, _: None, __: Index) -> str:
        kinds = ["weights", "biases"] if self.s.decay_biases else ["weights"]
        scalars: list[Scalar] = [
            ((kind, k), index)
            for kind in kinds
            for k in range(self.s.layers)
            for index in indices(self.s.nodes[k + (kind == "biases") : k + 2])
        ]
        return self.write(
            "penalty", rate=self.single("weight_decay"), squares=self.squares(scalars)
        )

    def _error(self, _: None, __: Index) -> str:
        if self.s.samples == 1:
            data = self._sample_error(None, (0,))
        else:
            terms: list[Scalar] = [(("sample_error", None), (s,)) for s in range(self.s.samples)]
            data = self._mean(self.total(terms))
        if not self.s.decay:
            return data
        return self.write("with penalty", error=data, penalty=self.single("penalty"))

    def _mean(self, total: str) -> str:
        if self.s.update == "batch_mean" and self.s.samples > 1:
            return self.write("mean", total=total, n=str(self.s.samples))
        return total

    # backward

    def _activation_derivative(self, k: int, index: Index) -> str:
        name = self.s.activations[k]
        return self.write(
            f"{name} derivative",
            a=self.operand(("post_activation", k), index),
            z=self.operand(("pre_activation", k), index),
            slope=self.single("leaky_slope") if name == "leaky_relu" else "",
        )

    def _error_derivative(self, _: None, index: Index) -> str:
        fe = self.operand(("final_error", None), index)
        return self.write(f"{self.s.loss} derivative", fe=fe, n=str(self.s.outputs))

    def _backpropagated_error(self, k: int, index: Index) -> str:
        sample, h = index
        pairs: list[tuple[Scalar, Scalar]] = [
            ((("error_signal", k + 1), (sample, o)), (("weights", k + 1), (h, o)))
            for o in range(self.s.nodes[k + 2])
        ]
        return self.write("old weights", terms=self.products(pairs))

    def _error_signal(self, k: int, index: Index) -> str:
        if k == self.last and self.s.cancels:
            form = "perceptron signal" if self.s.loss == "perceptron" else "cancelled"
            return self.write(form, fe=self.operand(("final_error", None), index))
        outer: Key = ("backpropagated_error", k) if k < self.last else ("error_derivative", None)
        slope = self.operand(("activation_derivative", k), index)
        return self.write("product", a=self.operand(outer, index), b=slope)

    def _weight_gradient(self, k: int, index: Index) -> str:
        i, j = index
        terms = [
            self.write(
                "product",
                a=self.operand(("error_signal", k), (s, j)),
                b=self.operand(*self.incoming(k, s, i)),
            )
            for s in range(self.s.samples)
        ]
        total = self._mean(self.sum_of(terms))
        return self.with_decay(total, ("weights", k), index) if self.s.decay else total

    def with_decay(self, gradient: str, key: Key, index: Index) -> str:
        """Eq. 16: a gradient, and what weight decay adds to it."""
        rate, value = self.single("weight_decay"), self.operand(key, index)
        sign = self.signs[not self.minus]
        return self.write("with decay", gradient=gradient, sign=sign, rate=rate, value=value)

    def _bias_gradient(self, k: int, index: Index) -> str:
        terms = [self.operand(("error_signal", k), (s, index[0])) for s in range(self.s.samples)]
        total = self._mean(self.sum_of(terms))
        return self.with_decay(total, ("biases", k), index) if self.s.decay_biases else total

    # update

    def write_update(self, old: Key, gradient: Key, index: Index) -> str:
        """Eq. 10, 13 and 15: a weight or bias, and the learning rate times its gradient."""
        change = self.write(
            "product", a=self.single("learning_rate"), b=self.operand(gradient, index)
        )
        sign = self.signs[self.minus]
        return self.write("moved", value=self.operand(old, index), sign=sign, change=change)

    def _new_weights(self, k: int, index: Index) -> str:
        return self.write_update(("weights", k), ("weight_gradient", k), index)

    def _new_biases(self, k: int, index: Index) -> str:
        return self.write_update(("biases", k), ("bias_gradient", k), index)


def indices(shape: tuple[int, ...]) -> list[Index]:
    """Return every index of an array, the last axis moving fastest."""
    return list(product(*(range(size) for size in shape)))


_LEFT_SIDES = {
    "final_error": "FE",
    "sample_error": "E_sample",
    "penalty": "P",
    "error": "E",
    "activation_derivative": "fA′(S_preA)",
    "error_derivative": "∂E/∂S_postA",
}
"""What stands before the equals sign; pre- and post-activation and S_ERROR have their labels."""


class Words(Equations):
    """Equations in the series' terms: a sum is Σ and its first term."""

    notation = WORDS
    names: ClassVar[dict[str, str]] = {
        "weight_gradient": "gradient",
        "bias_gradient": "gradient",
        "activation_derivative": "fA′",
        "backpropagated_error": "(Σ S_ERROR·weight)",
    }
    general: ClassVar[dict[str, str]] = {"weights": "weight", "biases": "bias"}
    """What parameters are called, but where a node adds up products of them."""

    def __init__(self, structure: Structure, key: Key) -> None:
        super().__init__(structure)
        self.key, self.table = key, table(structure)
        outer = "FE" if structure.loss == "half_squared_error" else "∂E/∂S_postA"
        self.called = {**self.names, "error_derivative": outer}
        if key[0] not in ("pre_activation", "backpropagated_error"):
            self.called |= self.general

    def equation(self) -> str:
        """Return the equation of the quantity."""
        name, text = self.key[0], self.right_side(self.key, (0, 0))
        if name in ("pre_activation", "post_activation", "error_signal"):
            return f"{self.operand(self.key, ())} = {text}"
        left = _LEFT_SIDES.get(name)
        return f"{left} = {text}" if left else text

    def operand(self, key: Key, index: Index) -> str:
        """Return what a quantity is called."""
        name, k = key
        if name == "incoming" and k is not None:
            return self.operand(("post_activation", k - 1), index)
        if name == "exponential":
            return self._exponential(k or 0, index)
        return self.called.get(name) or self.table[key].label

    def sum_of(self, terms: list[str], *, an_output: int = 0) -> str:
        """Return the first term, after a Σ where there are several samples."""
        return ("" if an_output or self.s.samples == 1 else "Σ_samples ") + terms[0]

    def total(self, terms: list[Scalar]) -> str:
        """Return the first term after a Σ."""
        return f"Σ {self.operand(*terms[0])}"

    def products(self, pairs: list[tuple[Scalar, Scalar]], first: str = "") -> str:
        """Return the first product after a Σ."""
        (a, b), *_ = pairs
        text = "Σ " + self.write("product", a=self.operand(*a), b=self.operand(*b))
        return f"{first} + {text}" if first else text

    def squares(self, scalars: list[Scalar]) -> str:
        """Return what is squared."""
        names = dict.fromkeys(self.operand(*scalar) for scalar in scalars)
        return " and ".join(f"{name}²" for name in names)


def general_equation(structure: Structure, quantity: Quantity) -> str:
    """Return the equation of a quantity in the series' terms, as the sheet shows it."""
    return Words(structure, quantity.key).equation()


MOST_TERMS, FIRST_TERMS = 24, 8
"""A longer sum is written as its first terms, dots, and the last."""


@dataclass(frozen=True, slots=True)
class Operand:
    """A scalar that stands in a line."""

    key: Key
    index: Index


Template = tuple[str | Operand, ...]


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
    write = _WithNumbers(structure)
    return [
        Line(quantity, index, write.template(quantity, index), write.article(quantity, index))
        for quantity in quantities(structure)
        if not quantity.given
        for index in indices(quantity.shape)
    ]


def walkthrough_lines(structure: Structure) -> list[Line]:
    """Return the lines of the Walkthrough sheet, an even selection of a large network's."""
    return evenly(all_lines(structure), MAX_LINES)


class _WithNumbers(Equations):
    """Equations with room for numbers: operands are marks until the text is cut into pieces."""

    notation = NUMBERS
    forms: ClassVar[Forms] = {
        name: (sheet, re.sub(r"\{(?!n\})\w+\}", "\0\\g<0>\0", numbers), words)
        for name, (sheet, numbers, words) in FORMS.items()
    }

    def __init__(self, structure: Structure) -> None:
        super().__init__(structure)
        self._operands: list[Operand] = []

    def operand(self, key: Key, index: Index) -> str:
        """Return a mark for the operand."""
        name, k = key
        if name == "incoming" and k is not None:
            key = ("post_activation", k - 1)
        self._operands.append(Operand(key, index))
        return f"\1{len(self._operands) - 1}"

    def template(self, quantity: Quantity, index: Index) -> Template:
        """Return the right-hand side of a scalar."""
        return self._cut(self.right_side(quantity.key, index))

    def _cut(self, text: str) -> Template:
        pieces = [
            self._operands[int(piece[1:])] if piece[0] == "\1" else piece
            for piece in text.split("\0")
            if piece
        ]
        self._operands.clear()
        return tuple(pieces)

    def article(self, quantity: Quantity, index: Index) -> Template | None:
        """Eq. 12 as printed: S_ERROR × weightHtoO × fA′(S_preA,H) × input, one sample."""
        k = quantity.layer
        if quantity.equation != "Eq. 12" or k is None or self.s.samples > 1:
            return None
        i, h = index
        back = self._backpropagated_error(k, (0, h))
        if self.s.nodes[k + 2] > 1:
            back = f"[\0{back}\0]"
        slope, incoming = self.operand(("activation_derivative", k), (0, h)), self.incoming(k, 0, i)
        product = f"{back}\0{self.write('product', a=slope, b=self.operand(*incoming))}"
        return self._cut(
            self.with_decay(product, ("weights", k), index) if self.s.decay else product
        )

    def sum_of(self, terms: list[str], *, an_output: int = 0) -> str:
        """Return the sum, of a long one the first terms and the last."""
        if an_output > 1:
            terms = [
                "\0 + \0".join(terms[n : n + an_output]) for n in range(0, len(terms), an_output)
            ]
        if len(terms) > MOST_TERMS:
            terms = [*terms[:FIRST_TERMS], "…", terms[-1]]
        return "\0 + \0".join(terms)
