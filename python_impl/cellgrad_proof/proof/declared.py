"""What must hold of cells: that they are a declared term, or a derivative. No gradient is written.

Declared are the forward pass, the error and the update.
Source: reference/equations.md, Eq. 1 to 6, 10, 13, 15 to 24.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product as pairs

from cellgrad.case.quantities import Index, Parameter, Structure, UpdateRule, all_parameters
from cellgrad.xlsx.addresses import Place
from cellgrad_proof.proof import terms
from cellgrad_proof.proof.terms import MINUS_ONE, ONE, ZERO, Role, Term

Named = Callable[[Role], Term]
"""Gives the term by which a role is read."""

Definitions = Iterator[tuple[Role, Term]]


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


GRADIENT_OF = {"weights": "weight_gradient", "biases": "bias_gradient"}

GRADIENTS = tuple(GRADIENT_OF.values())


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
        given: Named = terms.leaf,
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
        squares = []
        for parameter in all_parameters(self.s):
            if parameter[0] == "weights" or self.s.decay_biases:
                value = self._given(*parameter)
                squares.append(terms.product(value, value))
        rate = self._given("weight_decay")
        return terms.quotient(terms.product(rate, terms.total(squares)), terms.number(2))

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
        for name, k, at in all_parameters(s):
            slopes = []
            for n in range(s.samples):
                signal = self._own("error_signal", k, (n, at[-1]))
                incoming = self.incoming(k, n, at[0]) if name == "weights" else ONE
                slopes.append(terms.product(signal, incoming))
            decays = s.decay if name == "weights" else s.decay_biases
            decayed = (self.sign, self._given("weight_decay"), self._given(name, k, at))
            gradient = (self.mean(terms.total(slopes)), terms.product(*decayed) if decays else ZERO)
            yield self._defined(GRADIENT_OF[name], k, at, terms.total(gradient))


class _Update:
    """The declared update of every parameter."""

    def __init__(self, structure: Structure, rule: UpdateRule) -> None:
        self.s, self.rule = structure, rule
        self.minus = structure.error_sign == "output_minus_target"

    def definitions(self) -> Definitions:
        """Yield Eq. 10, 13, 15 and 21 to 24."""
        for name, beta in (("beta1_power", "beta1"), ("beta2_power", "beta2")):
            if self.rule.optimizer == "adam":
                yield Role(name), terms.product(_constant(f"last_{name}"), _constant(beta))
        for parameter in all_parameters(self.s):
            if parameter[0] == "weights" or self.s.update_biases:
                yield from self._moved(parameter)

    def _moved(self, parameter: Parameter) -> Definitions:
        parameters, k, at = parameter
        prefix = "" if parameters == "weights" else "bias_"

        def read(name: str) -> Term:
            return terms.leaf(Role(name, k, at))

        gradient, rate = read(GRADIENT_OF[parameters]), _constant("learning_rate")
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
        moved = terms.total((read(parameters), terms.negative(step) if self.minus else step))
        yield Role(f"new_{parameters}", k, at), moved

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


@dataclass(frozen=True, slots=True)
class Equals:
    """The claim that a cell is a term: a definition, or a copy.

    Attributes:
        term: what it must be.
        says: what that is, in words.
    """

    term: Term
    says: str = "what is declared"


@dataclass(frozen=True, slots=True)
class Derivative:
    """The claim that a cell is a derivative.

    Attributes:
        of: of what.
        by: by what, the rest held.
        sign: 1, or −1 where FE = target − output flips every sign.
    """

    of: Role
    by: Role
    sign: int = 1


Claim = Equals | Derivative


@dataclass(frozen=True, slots=True)
class Spec:
    """What must hold in every block of one shape.

    Attributes:
        claims: by role.
        assumed: roles, and the terms by which they may be replaced: targets that sum to 1.
    """

    claims: Mapping[Role, Claim]
    assumed: Mapping[Role, Term] = field(default_factory=dict)


@dataclass(slots=True)
class Block:
    """Cells of a workbook that are decided together.

    Attributes:
        spec: what must hold.
        formulas: what stands in the cells.
        places: where they stand.
        unread: cells whose formulas cannot be used, and why.
    """

    spec: Spec
    formulas: dict[Role, Term] = field(default_factory=dict)
    places: dict[Role, Place] = field(default_factory=dict)
    unread: dict[Role, str] = field(default_factory=dict)


def gradients(structure: Structure, read: Named = terms.leaf) -> Iterator[tuple[Role, Claim]]:
    """Yield what the backward pass of a differentiable step claims: derivatives, no equations.

    Args:
        structure: the step.
        read: how weights and biases are read; each must be a leaf.
    """
    s = structure
    sign = 1 if s.error_sign == "output_minus_target" else -1
    last = s.layers - 1
    for k in range(s.layers):
        cancels = k == last and s.cancels
        for n, j in indices(s.samples, s.nodes[k + 1]):
            of = Role("sample_error", None, (n,)) if s.samples > 1 else Role("error")
            pre, post = (Role(name, k, (n, j)) for name in ("pre_activation", "post_activation"))
            if not cancels:
                yield Role("activation_derivative", k, (n, j)), Derivative(post, pre)
                outer = (
                    Role("error_derivative", None, (n, j))
                    if k == last
                    else Role("backpropagated_error", k, (n, j))
                )
                yield outer, Derivative(of, post, sign)
            yield Role("error_signal", k, (n, j)), Derivative(of, pre, sign)
        for parameter in all_parameters(s):
            if parameter[1] == k:
                role = Role(*parameter)
                claim = Derivative(Role("error"), read(role)[1], sign)
                yield role._replace(name=GRADIENT_OF[role.name]), claim


def step_claims(structure: Structure, read: Named = terms.leaf) -> dict[Role, Claim]:
    """Return what a step claims, all but its update.

    Args:
        structure: the step.
        read: how givens are read.
    """
    network = Network(structure, read)
    claims: dict[Role, Claim] = {}
    for role, term in network.forward():
        claims[role] = Equals(term, "the declared forward pass")
    for role, term in network.error():
        claims[role] = Equals(term, "the declared error")
    if structure.differentiable:
        claims.update(gradients(structure, read))
    else:
        for role, term in network.perceptron_rule():
            claims[role] = Equals(term, "the perceptron rule")
    return claims


def update_claims(structure: Structure, rule: UpdateRule) -> dict[Role, Claim]:
    """Return what an update claims: the new parameters, and what an optimiser remembers."""
    definitions = _Update(structure, rule).definitions()
    return {role: Equals(term, "the declared update") for role, term in definitions}
