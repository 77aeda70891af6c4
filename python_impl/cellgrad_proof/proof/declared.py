"""What a structure declares: the forward pass, the error, the update. No gradient.

Source: reference/equations.md, Eq. 1 to 6, 10, 13, 15 to 24.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product as pairs

from cellgrad.case.quantities import Index, Structure, UpdateRule
from cellgrad_proof.proof import terms
from cellgrad_proof.proof.terms import MINUS_ONE, ONE, ZERO, Role, Term

Named = Callable[[Role], Term]
"""Gives the term by which a role is read."""

Definitions = Iterator[tuple[Role, Term]]


def as_leaf(role: Role) -> Term:
    """Read a role as itself."""
    return terms.leaf(role)


def activation(name: str, z: Term, slope: Term) -> Term:
    """Return fA(z); of softmax only its numerator is a function of one z."""
    return {
        "logistic": terms.quotient(ONE, terms.total((ONE, terms.call("EXP", terms.negative(z))))),
        "tanh": terms.call("TANH", z),
        "relu": terms.choice(terms.compare(">", z, ZERO), z, ZERO),
        "leaky_relu": terms.choice(terms.compare(">", z, ZERO), z, terms.product(slope, z)),
        "identity": z,
        "unit_step": terms.choice(terms.compare(">=", z, ZERO), ONE, ZERO),
        "softmax": terms.call("EXP", z),
    }[name]


def indices(*sizes: int) -> Iterator[Index]:
    """Yield every index of a shape."""
    yield from pairs(*(range(count) for count in sizes))


class Network:
    """The declared forward pass and error of a structure.

    Args:
        structure: the step.
        given: how weights, biases, inputs, targets and constants are read.
        role: what the pass's own quantities are called.
    """

    def __init__(
        self,
        structure: Structure,
        given: Named = as_leaf,
        role: Callable[[Role], Role] = lambda role: role,
    ) -> None:
        self.s, self.given, self.role = structure, given, role
        self.last = structure.layers - 1
        self.sign = ONE if structure.error_sign == "output_minus_target" else MINUS_ONE

    def _own(self, name: str, layer: int | None, index: Index) -> Term:
        return terms.leaf(self.role(Role(name, layer, index)))

    def _given(self, name: str, layer: int | None = None, index: Index = ()) -> Term:
        return self.given(Role(name, layer, index))

    def _defined(self, name: str, layer: int | None, index: Index, term: Term) -> tuple[Role, Term]:
        return self.role(Role(name, layer, index)), term

    def incoming(self, k: int, sample: int, i: int) -> Term:
        """Return what enters layer k at node i."""
        if k == 0:
            return self._given("input", None, (sample, i))
        return self._own("post_activation", k - 1, (sample, i))

    def forward(self) -> Definitions:
        """Yield Eq. 1 to 5 and 17."""
        s = self.s
        for k in range(s.layers):
            for at in indices(s.samples, s.nodes[k + 1]):
                sample, j = at
                yield self._defined("pre_activation", k, at, self._sum(k, sample, j))
                z = self._own("pre_activation", k, at)
                slope = self._given("leaky_slope") if s.activations[k] == "leaky_relu" else ZERO
                value = activation(s.activations[k], z, slope)
                if s.activations[k] == "softmax":
                    yield self._defined("exponential", k, at, value)
                    over = self._own("exponential", k, at)
                    under = self._own("exponential_sum", k, (sample,))
                    value = terms.quotient(over, under)
                yield self._defined("post_activation", k, at, value)
            if s.activations[k] == "softmax":
                for sample in range(s.samples):
                    parts = (self._own("exponential", k, (sample, o)) for o in range(s.outputs))
                    yield self._defined("exponential_sum", k, (sample,), terms.total(parts))
        for at in indices(s.samples, s.outputs):
            yield self._defined("final_error", None, at, self._final_error(at))

    def _sum(self, k: int, sample: int, j: int) -> Term:
        found = [
            terms.product(self.incoming(k, sample, i), self._given("weights", k, (i, j)))
            for i in range(self.s.nodes[k])
        ]
        if self.s.biases:
            found.insert(0, self._given("biases", k, (j,)))
        return terms.total(found)

    def _final_error(self, at: Index) -> Term:
        y, t = self._own("post_activation", self.last, at), self._given("target", None, at)
        gap = terms.difference(y, t)
        return gap if self.sign == ONE else terms.difference(t, y)

    def loss(self, sample: int) -> Term:
        """Return E of one sample: Eq. 6, 18 or 20."""
        s, found = self.s, []
        for o in range(s.outputs):
            at = (sample, o)
            y, t = self._own("post_activation", self.last, at), self._given("target", None, at)
            fe = self._own("final_error", None, at)
            if s.loss == "perceptron":
                found.append(terms.call("ABS", fe))
            elif s.loss == "categorical_cross_entropy":
                found.append(terms.product(MINUS_ONE, t, terms.call("LN", y)))
            elif s.loss == "binary_cross_entropy":
                rest, other = terms.difference(ONE, t), terms.difference(ONE, y)
                found.append(terms.product(MINUS_ONE, t, terms.call("LN", y)))
                found.append(terms.product(MINUS_ONE, rest, terms.call("LN", other)))
            else:
                found.append(terms.product(fe, fe))
        result = terms.total(found)
        if s.loss == "half_squared_error":
            return terms.quotient(result, terms.number(2))
        if s.loss == "mean_squared_error":
            return terms.quotient(result, terms.number(s.outputs))
        return result

    def sample_errors(self) -> Definitions:
        """Yield E of every sample."""
        for sample in range(self.s.samples):
            yield self._defined("sample_error", None, (sample,), self.loss(sample))

    def mean(self, result: Term) -> Term:
        """Return a sum over the samples as the update takes it: Eq. 19."""
        if self.s.update == "batch_mean" and self.s.samples > 1:
            return terms.quotient(result, terms.number(self.s.samples))
        return result

    def penalty(self) -> Term:
        """Return P: Eq. 16."""
        s, found = self.s, []
        for k in range(s.layers):
            for at in indices(*s.nodes[k : k + 2]):
                w = self._given("weights", k, at)
                found.append(terms.product(w, w))
            if s.decay_biases:
                for j in range(s.nodes[k + 1]):
                    b = self._given("biases", k, (j,))
                    found.append(terms.product(b, b))
        rate = self._given("weight_decay")
        return terms.quotient(terms.product(rate, terms.total(found)), terms.number(2))

    def error(self) -> Definitions:
        """Yield E, and the sample errors and the penalty that it is made of."""
        s = self.s
        if s.samples > 1:
            yield from self.sample_errors()
            parts = [self._own("sample_error", None, (n,)) for n in range(s.samples)]
            result = self.mean(terms.total(parts))
        else:
            result = self.loss(0)
        if s.decay:
            yield self._defined("penalty", None, (), self.penalty())
            result = terms.total((result, self._own("penalty", None, ())))
        yield self._defined("error", None, (), result)

    def perceptron_rule(self) -> Definitions:
        """Yield Eq. 20, which is no derivative: S_ERROR is FE."""
        s = self.s
        for at in indices(s.samples, s.outputs):
            yield self._defined("error_signal", 0, at, self._own("final_error", None, at))
        for i, j in indices(*s.nodes):
            found = (
                terms.product(self._own("error_signal", 0, (n, j)), self.incoming(0, n, i))
                for n in range(s.samples)
            )
            decayed = self._decayed(("weights", 0, (i, j))) if s.decay else ZERO
            gradient = terms.total((self.mean(terms.total(found)), decayed))
            yield self._defined("weight_gradient", 0, (i, j), gradient)
        if s.biases:
            for j in range(s.outputs):
                found = (self._own("error_signal", 0, (n, j)) for n in range(s.samples))
                decayed = self._decayed(("biases", 0, (j,))) if s.decay_biases else ZERO
                gradient = terms.total((self.mean(terms.total(found)), decayed))
                yield self._defined("bias_gradient", 0, (j,), gradient)

    def _decayed(self, parameter: tuple[str, int, Index]) -> Term:
        return terms.product(self.sign, self._given("weight_decay"), self._given(*parameter))


class Update:
    """The declared update of every parameter.

    Args:
        structure: the step.
        rule: how gradients become updates.
    """

    def __init__(self, structure: Structure, rule: UpdateRule) -> None:
        self.s, self.rule = structure, rule
        self.minus = structure.error_sign == "output_minus_target"

    def definitions(self) -> Definitions:
        """Yield Eq. 10, 13, 15 and 21 to 24."""
        for name, beta in (("beta1_power", "beta1"), ("beta2_power", "beta2")):
            if self.rule.optimizer == "adam":
                last = terms.leaf(Role(f"last_{name}"))
                yield Role(name), terms.product(last, terms.leaf(Role(beta)))
        for k in range(self.s.layers):
            for at in indices(*self.s.nodes[k : k + 2]):
                yield from self._moved("", "weight", "weights", k, at)
            if self.s.biases and self.s.update_biases:
                for j in range(self.s.nodes[k + 1]):
                    yield from self._moved("bias_", "bias", "biases", k, (j,))

    def _moved(self, prefix: str, what: str, parameters: str, k: int, at: Index) -> Definitions:
        def read(name: str) -> Term:
            return terms.leaf(Role(name, k, at))

        gradient, old, rate = read(f"{what}_gradient"), read(parameters), _constant("learning_rate")
        step = terms.product(rate, gradient)
        if self.rule.momentum:
            added = step if self.rule.rate_in_velocity else gradient
            kept = terms.product(_constant("momentum"), read(f"last_{prefix}velocity"))
            yield Role(f"{prefix}velocity", k, at), terms.total((kept, added))
            step = read(f"{prefix}velocity")
            if not self.rule.rate_in_velocity:
                step = terms.product(rate, step)
        elif self.rule.optimizer == "adam":
            yield from self._moments(prefix, gradient, k, at)
            first, second = (
                read(f"{prefix}corrected_{which}_moment") for which in ("first", "second")
            )
            under = terms.total((terms.call("SQRT", second), _constant("adam_epsilon")))
            step = terms.quotient(terms.product(rate, first), under)
        yield (
            Role(f"new_{parameters}", k, at),
            terms.total((old, terms.negative(step) if self.minus else step)),
        )

    @staticmethod
    def _moments(prefix: str, gradient: Term, k: int, at: Index) -> Definitions:
        for which, beta, power in (("first", "beta1", 1), ("second", "beta2", 2)):
            name, rate = f"{prefix}{which}_moment", _constant(beta)
            kept = terms.product(rate, terms.leaf(Role(f"last_{name}", k, at)))
            added = terms.product(terms.difference(ONE, rate), *[gradient] * power)
            yield Role(name, k, at), terms.total((kept, added))
            under = terms.difference(ONE, _constant(f"{beta}_power"))
            corrected = terms.quotient(terms.leaf(Role(name, k, at)), under)
            yield Role(f"{prefix}corrected_{which}_moment", k, at), corrected


def _constant(name: str) -> Term:
    return terms.leaf(Role(name))
