"""The formulas of a step as texts, given where each operand stands.

One method an equation; the order of evaluation is part of the definition (bias
first, then products by index from left to right).
Source: reference/equations.md.
"""

from __future__ import annotations

from collections.abc import Callable

from cellgrad.case.quantities import Index, Key
from cellgrad.case.structure import Structure

WRITTEN_OUT = 16
"""Sums of up to this many terms are written out: traceable and reproducible bit by bit."""

Scalar = tuple[Key, Index]
"""One number of the step."""

Reference = Callable[[Key, Index], str]
"""Gives the address of a scalar."""

Area = Callable[[Key, Index, Index], str | None]
"""Gives the address of the line of cells between two indices; None where they are no line."""


def added(terms: list[str], most: int = WRITTEN_OUT) -> str:
    """Join terms to a sum; a long one in groups, since engines limit how deep formulas nest."""
    if len(terms) <= most:
        return "+".join(terms)
    groups = [terms[n : n + WRITTEN_OUT] for n in range(0, len(terms), WRITTEN_OUT)]
    return "+".join(f"({'+'.join(group)})" for group in groups)


class Formulas:
    """Writes the formula of any scalar of the step.

    Args:
        structure: the step.
        at: where each scalar stands.
        area: where a row or column of scalars stands, for long sums; None spells
            every sum out.
    """

    most = WRITTEN_OUT
    """A sum of more terms is written in groups, or as a function of an area."""

    def __init__(self, structure: Structure, at: Reference, area: Area | None = None) -> None:
        self.s, self.at, self.area = structure, at, area
        self.last = structure.layers - 1
        self.minus = structure.error_sign == "output_minus_target"

    def of(self, key: Key, index: Index) -> str:
        """Return the formula of one scalar, with its equals sign."""
        name, layer = key
        return "=" + str(getattr(self, f"_{name}")(layer, index))

    def _added(self, terms: list[str]) -> str:
        return added(terms, self.most)

    def _products(self, pairs: list[tuple[Scalar, Scalar]]) -> str:
        """Σ first · second, written out or as SUMPRODUCT of two lines of cells."""
        if len(pairs) > WRITTEN_OUT and self.area is not None:
            (first, start), (second, other) = pairs[0]
            one = self.area(first, start, pairs[-1][0][1])
            two = self.area(second, other, pairs[-1][1][1])
            if one is not None and two is not None:
                return f"SUMPRODUCT({one},{two})"
        return self._added([f"{self.at(*a)}*{self.at(*b)}" for a, b in pairs])

    def _sum(self, terms: list[Scalar]) -> str:
        if len(terms) > WRITTEN_OUT and self.area is not None:
            area = self.area(terms[0][0], terms[0][1], terms[-1][1])
            if area is not None:
                return f"SUM({area})"
        return self._added([self.at(*term) for term in terms])

    def _mean(self, total: str) -> str:
        if self.s.update == "batch_mean" and self.s.samples > 1:
            return f"({total})/{self.s.samples}"
        return total

    # forward

    def incoming(self, k: int, sample: int, i: int) -> Scalar:
        """Return what enters layer k: the input, or the post-activation below."""
        return (("input", None) if k == 0 else ("incoming", k), (sample, i))

    def _pre_activation(self, k: int, index: Index) -> str:
        sample, j = index
        pairs: list[tuple[Scalar, Scalar]] = [
            (self.incoming(k, sample, i), (("weights", k), (i, j))) for i in range(self.s.nodes[k])
        ]
        bias = f"{self.at(('biases', k), (j,))}+" if self.s.biases else ""
        return bias + self._products(pairs)

    def _exponential(self, k: int, index: Index) -> str:
        return f"EXP({self.at(('pre_activation', k), index)})"

    def _exponential_sum(self, k: int, index: Index) -> str:
        return self._sum([(("exponential", k), (*index, o)) for o in range(self.s.outputs)])

    def _post_activation(self, k: int, index: Index) -> str:
        name = self.s.activations[k]
        if name == "softmax":
            total = self.at(("exponential_sum", k), index[:1])
            return f"{self.at(('exponential', k), index)}/{total}"
        z = self.at(("pre_activation", k), index)
        if name == "leaky_relu":
            return f"IF({z}>0,{z},{self.at(('leaky_slope', None), ())}*{z})"
        return {
            "logistic": f"1/(1+EXP(-{z}))",
            "tanh": f"TANH({z})",
            "relu": f"MAX(0,{z})",
            "identity": z,
            "unit_step": f"IF({z}>=0,1,0)",
        }[name]

    # error

    def _final_error(self, _: None, index: Index) -> str:
        y, t = self.at(("post_activation", self.last), index), self.at(("target", None), index)
        return f"{y}-{t}" if self.minus else f"{t}-{y}"

    def _loss(self, sample: int) -> str:
        outputs = [(sample, o) for o in range(self.s.outputs)]
        fe = [(("final_error", None), o) for o in outputs]
        y = [self.at(("post_activation", self.last), o) for o in outputs]
        t = [self.at(("target", None), o) for o in outputs]
        if self.s.loss == "categorical_cross_entropy":
            terms = [f"{a}*LN({b})" for a, b in zip(t, y, strict=True)]
            return f"-({self._added(terms)})"
        if self.s.loss == "binary_cross_entropy":
            terms = []
            for a, b in zip(t, y, strict=True):
                terms += [f"{a}*LN({b})", f"(1-{a})*LN(1-{b})"]
            return f"-({self._added(terms)})"
        if self.s.loss == "perceptron":
            return self._added([f"ABS({self.at(*error)})" for error in fe])
        squares = self._products([(error, error) for error in fe])
        return {
            "half_squared_error": f"0.5*({squares})",
            "squared_error": squares,
            "mean_squared_error": f"({squares})/{self.s.outputs}",
        }[self.s.loss]

    def _sample_error(self, _: None, index: Index) -> str:
        return self._loss(index[0])

    def _penalty(self, _: None, __: Index) -> str:
        rate = self.at(("weight_decay", None), ())
        squares: list[Scalar] = [
            (("weights", k), (i, j))
            for k in range(self.s.layers)
            for i in range(self.s.nodes[k])
            for j in range(self.s.nodes[k + 1])
        ]
        if self.s.decay_biases:
            squares += [
                (("biases", k), (j,))
                for k in range(self.s.layers)
                for j in range(self.s.nodes[k + 1])
            ]
        if len(squares) <= WRITTEN_OUT or self.area is None:
            total = self._products([(square, square) for square in squares])
        else:
            layers = range(self.s.layers)
            parts = [self._squares(("weights", k), self.s.nodes[k : k + 2]) for k in layers]
            if self.s.decay_biases:
                parts += [self._squares(("biases", k), (self.s.nodes[k + 1],)) for k in layers]
            total = "+".join(parts)
        return f"0.5*{rate}*({total})"

    def _squares(self, key: Key, shape: tuple[int, ...]) -> str:
        first, last = tuple(0 for _ in shape), tuple(size - 1 for size in shape)
        area = self.area(key, first, last) if self.area else None
        return f"SUMPRODUCT({area},{area})"

    def _error(self, _: None, __: Index) -> str:
        if self.s.samples == 1:
            data = self._loss(0)
        else:
            terms: list[Scalar] = [(("sample_error", None), (s,)) for s in range(self.s.samples)]
            data = self._mean(self._sum(terms))
        return f"{data}+{self.at(('penalty', None), ())}" if self.s.decay else data

    # backward

    def _activation_derivative(self, k: int, index: Index) -> str:
        a, z = self.at(("post_activation", k), index), self.at(("pre_activation", k), index)
        name = self.s.activations[k]
        if name == "leaky_relu":
            return f"IF({z}>0,1,{self.at(('leaky_slope', None), ())})"
        return {
            "logistic": f"{a}*(1-{a})",
            "tanh": f"1-{a}*{a}",
            "relu": f"IF({z}>0,1,0)",
            "identity": "1",
        }[name]

    def _error_derivative(self, _: None, index: Index) -> str:
        fe = self.at(("final_error", None), index)
        return {
            "half_squared_error": fe,
            "squared_error": f"2*{fe}",
            "mean_squared_error": f"2*{fe}/{self.s.outputs}",
        }[self.s.loss]

    def _backpropagated_error(self, k: int, index: Index) -> str:
        sample, h = index
        return self._products(
            [
                ((("error_signal", k + 1), (sample, o)), (("weights", k + 1), (h, o)))
                for o in range(self.s.nodes[k + 2])
            ]
        )

    def _error_signal(self, k: int, index: Index) -> str:
        if k < self.last:
            outer = self.at(("backpropagated_error", k), index)
        elif self.s.cancels:
            return self.at(("final_error", None), index)
        else:
            outer = self.at(("error_derivative", None), index)
        return f"{outer}*{self.at(('activation_derivative', k), index)}"

    def _weight_gradient(self, k: int, index: Index) -> str:
        i, j = index
        total = self._mean(
            self._added(
                [
                    f"{self.at(('error_signal', k), (s, j))}*{self.at(*self.incoming(k, s, i))}"
                    for s in range(self.s.samples)
                ]
            )
        )
        return self._decaying(total, ("weights", k), index) if self.s.decay else total

    def _decaying(self, gradient: str, key: Key, index: Index) -> str:
        rate = self.at(("weight_decay", None), ())
        return f"{gradient}{'+' if self.minus else '-'}{rate}*{self.at(key, index)}"

    def _bias_gradient(self, k: int, index: Index) -> str:
        terms = [(("error_signal", k), (s, index[0])) for s in range(self.s.samples)]
        total = self._mean(self._added([self.at(*term) for term in terms]))
        return self._decaying(total, ("biases", k), index) if self.s.decay_biases else total

    # update

    def _moved(self, old: Key, gradient: Key, index: Index) -> str:
        sign = "-" if self.minus else "+"
        rate = self.at(("learning_rate", None), ())
        return f"{self.at(old, index)}{sign}{rate}*{self.at(gradient, index)}"

    def _new_weights(self, k: int, index: Index) -> str:
        return self._moved(("weights", k), ("weight_gradient", k), index)

    def _new_biases(self, k: int, index: Index) -> str:
        return self._moved(("biases", k), ("bias_gradient", k), index)
