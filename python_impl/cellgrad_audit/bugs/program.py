"""The reference training run with a seam at every equation.

A mistake is a subclass that replaces one of the methods below; two mistakes at once are a
class that inherits from both. The right program computes what ``cellgrad.mlp`` computes, to
the last bit (a test holds them together), and was written apart from it.

Lists run over the weight layers. Shapes: (samples, nodes) for what a node has in each
sample of the update, (n, m) for weights, (m,) for biases.
Source: reference/equations.md.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from cellgrad.case.model import Case
from cellgrad.case.quantities import CROSS_ENTROPIES, Key
from cellgrad_audit.bugs.arithmetic import Arithmetic, Array, Doubles, total

Parameter = tuple[str, int]
"""``weights`` or ``biases``, and the weight layer."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One update: its number from 0, the samples it covers, its learning rate."""

    number: int
    samples: tuple[int, ...]
    rate: float


@dataclass(slots=True)
class Record:
    """What a run leaves: every quantity of every update, and the final parameters.

    Attributes:
        steps: one table of quantities a recorded update; ``new_weights`` and ``new_biases``
            are the parameters after it.
        numbers: the numbers of these updates, counted from 1.
        weights: final, a layer each.
        biases: final, or None.
        final: a forward pass over all samples with the final parameters.
    """

    steps: list[dict[Key, Array]] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    weights: list[Array] = field(default_factory=list)
    biases: list[Array] | None = None
    final: dict[Key, Array] = field(default_factory=dict)


class Program:
    """A training run as the derivation has it.

    Args:
        case: network, samples, rule, epochs.
        arithmetic: what it calculates with.
        keep: whether every quantity is recorded, or of which updates (counted from 1; 0 is
            the forward pass after the run).
        last: the update after which the run ends; all of the case's by default.
    """

    def __init__(
        self,
        case: Case,
        arithmetic: Arithmetic | None = None,
        *,
        keep: bool | Container[int] = True,
        last: int | None = None,
    ) -> None:
        self.case, self.math = case, arithmetic or Doubles()
        self.asked, self.last_update, self.keeping = keep, last, keep is True
        network, optimizer, conventions = case.network, case.optimizer, case.conventions
        self.layers = len(network.nodes) - 1
        self.nodes, self.activations = network.nodes, network.activations
        self.loss, self.outputs = case.loss, network.nodes[-1]
        self.cancels = case.loss in CROSS_ENTROPIES or case.loss == "perceptron"
        self.sign = -1.0 if conventions.error_sign == "target_minus_output" else 1.0
        number, factor = self.math.numbers, self.math.factor
        self.slope_below_zero = factor(network.leaky_slope)
        self.weight_decay, self.momentum = (
            factor(optimizer.weight_decay),
            factor(optimizer.momentum),
        )
        self.beta1, self.beta2 = factor(optimizer.beta1), factor(optimizer.beta2)
        self.epsilon = factor(optimizer.epsilon)
        self.weights = [self.given_weights(k) for k in range(self.layers)]
        self.biases = (
            None if network.biases is None else [number(layer) for layer in network.biases]
        )
        self.all_inputs = number([s.input for s in case.samples])
        self.all_targets = number([s.target for s in case.samples])
        self.remembered: dict[tuple[str, Parameter], Array] = {}
        self.turn = Turn(0, (), 0.0)
        self.record = Record()
        self.table: dict[Key, Array] = {}

    # the run

    def run(self) -> Record:
        """Make all updates, one after another."""
        for turn in self.turns():
            if self.last_update is not None and turn.number >= self.last_update:
                break
            self.keeping = self.is_recorded(turn.number + 1)
            self.update(turn)
            if self.keeping:
                self.record.steps.append(self.table)
                self.record.numbers.append(turn.number + 1)
        self.record.weights, self.record.biases = self.weights, self.biases
        self.keeping = self.is_recorded(0)
        if self.keeping:
            self.table = {}
            self.size = len(self.case.samples)
            self.forward(self.all_inputs, self.all_targets)
            self.record.final = self.table
        return self.record

    def is_recorded(self, number: int) -> bool:
        """Whether the quantities of an update are recorded."""
        return self.asked if isinstance(self.asked, bool) else number in self.asked

    @classmethod
    def reported_update(cls, number: int) -> int:
        """Return which update's quantities this program reports as those of ``number``."""
        return number

    def turns(self) -> Iterator[Turn]:
        """Yield the updates: samples in their order, an epoch after the other."""
        case, number = self.case, 0
        size, count = case.batch(), len(case.samples)
        for _ in range(case.epochs):
            for start in range(0, count, size):
                yield Turn(
                    number, tuple(range(start, min(start + size, count))), self.rate_of(number)
                )
                number += 1

    def rate_of(self, number: int) -> float:
        """Return LR of an update, counted from 0."""
        rate = self.case.learning_rate
        return rate if isinstance(rate, float) else rate[min(number, len(rate) - 1)]

    def update(self, turn: Turn) -> None:
        """Forward, then backward through the old weights, and only then the update."""
        self.turn, self.size, self.table = turn, len(turn.samples), {}
        self.rate = self.math.factor(turn.rate)
        self.after: dict[Parameter, Array] = {}
        self.forward(*self.taken_samples())
        self.backward()
        self.move()

    @contextmanager
    def without_biases(self, *, when: bool = True) -> Iterator[None]:
        """Leave out the biases for a while."""
        biases = self.biases
        self.biases = None if when else biases
        yield
        self.biases = biases

    def keep(self, name: str, layer: int | None, value: Array) -> Array:
        """Record a quantity and return it."""
        if self.keeping:
            self.table[name, layer] = value
        return value

    # givens

    def given_weights(self, k: int) -> Array:
        """Return the weights of layer k as the case gives them, shape (n, m)."""
        return self.math.numbers(self.case.network.weights[k])

    def taken_samples(self) -> tuple[Array, Array]:
        """Return inputs and targets of the update's samples."""
        rows = list(self.turn.samples)
        return self.all_inputs[rows], self.all_targets[rows]

    # forward: Eq. 1 to 6

    def forward(self, inputs: Array, targets: Array) -> None:
        """Compute every layer, then the error."""
        self.inputs, self.targets = inputs, targets
        self.incoming, self.pre, self.post = [], [], []
        incoming = inputs
        for k in range(self.layers):
            self.incoming.append(incoming)
            pre = self.keep("pre_activation", k, self.pre_activation(k, incoming))
            self.pre.append(pre)
            incoming = self.keep("post_activation", k, self.post_activation(k, pre))
            self.post.append(incoming)
        self.final_error = self.keep("final_error", None, self.error_of_outputs())
        if self.keeping:
            self.errors()

    def pre_activation(self, k: int, incoming: Array) -> Array:
        """Eq. 1, 3: bias[j] + Σ incoming[i] · weight[i,j], bias first."""
        terms = [
            incoming[:, i, None] * self.weights[k][None, i, :] for i in range(incoming.shape[1])
        ]
        if self.biases is not None:
            terms = [self.biases[k][None, :] + terms[0], *terms[1:]]
        return total(terms)

    def post_activation(self, k: int, pre: Array) -> Array:
        """Eq. 2, 4: fA of the pre-activation."""
        return self.function(self.activations[k], pre)

    def function(self, name: str, x: Array) -> Array:
        """Return fA by its name in the case format, softmax included."""
        functions: dict[str, Callable[[], Array]] = {
            "logistic": lambda: self.logistic(x),
            "tanh": lambda: self.math.tanh(x),
            "softmax": lambda: self.softmax(x),
            "relu": lambda: self.math.choose(x, x, 0.0),
            "leaky_relu": lambda: self.math.choose(x, x, self.slope_below_zero * x),
            "unit_step": lambda: self.math.choose(-x, 0.0, 1.0),
            "identity": lambda: x,
        }
        return functions[name]()

    def logistic(self, x: Array) -> Array:
        """Eq. 2: 1 / (1 + EXP(−x))."""
        return 1.0 / (1.0 + self.math.exp(-x))

    def softmax(self, x: Array) -> Array:
        """Eq. 17: each exponential over the sum of all."""
        last = self.layers - 1
        powers = self.keep("exponential", last, self.math.exp(x))
        added = total([powers[:, o] for o in range(powers.shape[1])])
        return powers / self.keep("exponential_sum", last, added)[:, None]

    def error_of_outputs(self) -> Array:
        """Eq. 5: FE, by the case's convention for its sign."""
        error = self.output_error(self.post[-1], self.targets)
        return error if self.sign > 0 else -error

    def output_error(self, output: Array, target: Array) -> Array:
        """Eq. 5: output − target."""
        return output - target

    def errors(self) -> None:
        """Eq. 6, 16, 18, 19: E of each sample, the penalty, and E."""
        samples = self.keep("sample_error", None, self.sample_error())
        error = total([samples[s] for s in range(len(samples))])
        if self.case.update == "batch_mean":
            error = error / float(len(samples))
        if self.case.optimizer.weight_decay:
            parameters = list(self.weights)
            if self.case.conventions.decay_biases:
                parameters += self.biases or []
            squares = [w * w for layer in parameters for w in layer.ravel()]
            error = error + self.keep("penalty", None, 0.5 * self.weight_decay * total(squares))
        self.keep("error", None, error)

    def sample_error(self) -> Array:
        """Return E of each sample, shape (samples,)."""
        y, t, fe = self.post[-1], self.targets, self.final_error
        each = range(self.outputs)
        if self.loss == "binary_cross_entropy":
            terms = [
                (t[:, o] * self.math.log(y[:, o]), (1.0 - t[:, o]) * self.math.log(1.0 - y[:, o]))
                for o in each
            ]
            return -total([part for pair in terms for part in pair])
        if self.loss == "categorical_cross_entropy":
            return -total([t[:, o] * self.math.log(y[:, o]) for o in each])
        if self.loss == "perceptron":
            return total([self.math.absolute(fe[:, o]) for o in each])
        squares = total([fe[:, o] * fe[:, o] for o in each])
        if self.loss == "half_squared_error":
            return 0.5 * squares
        return squares if self.loss == "squared_error" else squares / float(self.outputs)

    # backward: Eq. 7 to 12, 14

    def backward(self) -> None:
        """Error signals and gradients, from the output layer down."""
        self.signal: list[Any] = [None] * self.layers
        self.gradient: dict[Parameter, Array] = {}
        for k in reversed(range(self.layers)):
            last = k == self.layers - 1
            signal = self.output_signal() if last else self.hidden_signal(k)
            self.signal[k] = self.keep("error_signal", k, signal)
            self.gradients(k)

    def gradients(self, k: int) -> None:
        """Gradients of a layer's weights and biases, decay included."""
        gradient = self.averaged(self.weight_gradient(k), ("weights", k))
        gradient = self.decayed(("weights", k), gradient)
        self.gradient["weights", k] = self.keep("weight_gradient", k, gradient)
        if self.biases is not None:
            gradient = self.averaged(self.bias_gradient(k), ("biases", k))
            gradient = self.decayed(("biases", k), gradient)
            self.gradient["biases", k] = self.keep("bias_gradient", k, gradient)

    def output_signal(self) -> Array:
        """Eq. 8: ∂E/∂S_postA · fA′(S_preA,O); FE itself for the cross-entropies (Eq. 18)."""
        if self.cancels:
            return self.error_derivative(self.final_error)
        derivative = self.keep("error_derivative", None, self.error_derivative(self.final_error))
        return derivative * self.keep(
            "activation_derivative", self.layers - 1, self.slope(self.layers - 1)
        )

    def error_derivative(self, final_error: Array) -> Array:
        """∂E/∂S_postA,O: FE for the half squared error."""
        if self.loss == "squared_error":
            return 2.0 * final_error
        if self.loss == "mean_squared_error":
            return 2.0 * final_error / float(self.outputs)
        return final_error

    def slope(self, k: int) -> Array:
        """Eq. 7: fA′ of a layer's pre-activations."""
        return self.derivative(k, self.pre[k])

    def derivative(self, k: int, x: Array) -> Array:
        """Eq. 7: fA′(x) by the layer's activation, from fA(x) where it is written so."""
        name = self.activations[k]
        if self.has_short_slope(k):
            return self.short_slope(k, self.function(name, x))
        if name in ("relu", "leaky_relu"):
            return self.math.choose(x, 1.0, 0.0 if name == "relu" else self.slope_below_zero)
        return self.ones(x)

    def ones(self, x: Array) -> Array:
        """Return 1 in the place of every element."""
        return self.math.choose(x, 1.0, 1.0)

    def has_short_slope(self, k: int) -> bool:
        """Whether a layer's fA′ can be written with fA alone."""
        return self.activations[k] in ("logistic", "tanh")

    def short_slope(self, k: int, post: Array) -> Array:
        """Eq. 7: fA′ of a layer from its fA."""
        return self.derivative_from_post(self.activations[k], post)

    def derivative_from_post(self, name: str, post: Array) -> Array:
        """Eq. 7: s · (1 − s) for the logistic, 1 − t · t for tanh."""
        return self.logistic_slope(post) if name == "logistic" else 1.0 - post * post

    def logistic_slope(self, s: Array) -> Array:
        """Eq. 7: s · (1 − s)."""
        return s * (1.0 - s)

    def hidden_signal(self, k: int) -> Array:
        """Eq. 11: (Σ S_ERROR · weight) · fA′(S_preA,H)."""
        flowing = self.keep("backpropagated_error", k, self.backpropagated(k))
        return flowing * self.keep("activation_derivative", k, self.slope(k))

    def backpropagated(self, k: int) -> Array:
        """Eq. 11: Σ_o S_ERROR[o] · weight[h,o], of the layer above."""
        return self.weighted_sum(self.signal[k + 1], self.weights_back(k + 1))

    def weighted_sum(self, signal: Array, weights: Array) -> Array:
        """Σ_o signal[o] · weights[h,o]."""
        return total([signal[:, o, None] * weights[None, :, o] for o in range(weights.shape[1])])

    def weights_back(self, k: int) -> Array:
        """Return the weights that the error flows back through: those before the update."""
        return self.weights[k]

    def weight_gradient(self, k: int) -> Array:
        """Eq. 9, 12: Σ_samples S_ERROR[j] · incoming[i], shape (n, m)."""
        return self.over_samples(
            [
                self.signal[k][s, None, :] * self.incoming_back(k)[s, :, None]
                for s in range(self.size)
            ]
        )

    def incoming_back(self, k: int) -> Array:
        """Return what entered a layer, as the gradient uses it, shape (samples, n)."""
        return self.incoming[k]

    def bias_gradient(self, k: int) -> Array:
        """Eq. 14: Σ_samples S_ERROR[j], shape (m,)."""
        return self.over_samples([self.signal[k][s] for s in range(self.size)])

    def over_samples(self, terms: list[Array]) -> Array:
        """Eq. 19: the sum over the update's samples."""
        return total(terms)

    def averaged(self, gradient: Array, parameter: Parameter) -> Array:  # noqa: ARG002 - a seam
        """Eq. 19: divide by the number of samples, where the batch's mean is asked for."""
        return gradient / float(self.size) if self.case.update == "batch_mean" else gradient

    def decayed(self, parameter: Parameter, gradient: Array) -> Array:
        """Eq. 16: gradient + λ · weight, for weights (biases by convention)."""
        if not self.case.optimizer.weight_decay or not self.decays(parameter):
            return gradient
        decay = self.sign * self.weight_decay
        result: Array = gradient + decay * self.value(parameter)
        return result

    def decays(self, parameter: Parameter) -> bool:
        """Whether a parameter decays."""
        return parameter[0] == "weights" or self.case.conventions.decay_biases

    def value(self, parameter: Parameter) -> Array:
        """Return a parameter before the update."""
        kind, k = parameter
        return self.weights[k] if kind == "weights" else (self.biases or [])[k]

    # update: Eq. 10, 13, 15, 21 to 24

    def move(self) -> None:
        """Make the update of every parameter, from the output layer down."""
        weights, biases = list(self.weights), None if self.biases is None else list(self.biases)
        for k in reversed(range(self.layers)):
            weights[k] = self.keep("new_weights", k, self.updated(("weights", k)))
            if biases is not None:
                biases[k] = self.keep("new_biases", k, self.updated(("biases", k)))
        self.weights, self.biases = weights, biases

    def updated(self, parameter: Parameter) -> Array:
        """Return a parameter after the update; computed once, however often it is asked for."""
        if parameter not in self.after:
            value = self.value(parameter)
            self.after[parameter] = (
                self.moved(parameter, value, self.gradient[parameter])
                if self.moves(parameter)
                else value
            )
        return self.after[parameter]

    def moves(self, parameter: Parameter) -> bool:
        """Whether a parameter is updated: biases may be frozen by convention."""
        return parameter[0] == "weights" or self.case.conventions.update_biases

    def moved(self, parameter: Parameter, value: Array, gradient: Array) -> Array:
        """Eq. 10, 13, 15: weight − the change that the optimiser makes of the gradient."""
        change = self.change(parameter, gradient)
        return self.subtracted(value, change if self.sign > 0 else -change)

    def subtracted(self, value: Array, change: Array) -> Array:
        """Return weight − change."""
        return value - change

    def change(self, parameter: Parameter, gradient: Array) -> Array:
        """Return LR times the gradient, its velocity, or what Adam makes of it."""
        if self.case.optimizer.name == "adam":
            return self.adam(parameter, gradient)
        if self.case.optimizer.momentum:
            return self.with_momentum(parameter, gradient)
        return self.scaled(parameter, gradient)

    def scaled(self, parameter: Parameter, step: Array) -> Array:  # noqa: ARG002 - a seam
        """Return LR · gradient, or LR · velocity."""
        result: Array = self.rate * step
        return result

    def with_momentum(self, parameter: Parameter, gradient: Array) -> Array:
        """Eq. 21: v ← μ · v + gradient; the change is LR · v."""
        if self.case.conventions.rate_in_velocity:
            return self.velocity(parameter, self.scaled(parameter, gradient))
        return self.scaled(parameter, self.velocity(parameter, gradient))

    def velocity(self, parameter: Parameter, gradient: Array) -> Array:
        """Eq. 21: v ← μ · v + gradient, remembered for the next update."""
        last = self.last("velocity", parameter, gradient)
        return self.remember("velocity", parameter, self.new_velocity(last, gradient))

    def new_velocity(self, last: Array, gradient: Array) -> Array:
        """Eq. 21: μ · v + gradient."""
        result: Array = self.momentum * last + gradient
        return result

    def adam(self, parameter: Parameter, gradient: Array) -> Array:
        """Eq. 22 to 24: LR · m̂ / (√ŝ + ε)."""
        b1, b2 = self.beta1, self.beta2
        first = b1 * self.last("first", parameter, gradient) + (1.0 - b1) * gradient
        second = b2 * self.last("second", parameter, gradient) + (1.0 - b2) * gradient * gradient
        self.remember("first", parameter, first)
        self.remember("second", parameter, second)
        m_hat = first / (1.0 - self.power(b1))
        s_hat = second / (1.0 - self.power(b2))
        result: Array = self.scaled(parameter, m_hat) / (self.math.sqrt(s_hat) + self.epsilon)
        return result

    def power(self, beta: Any) -> Any:
        """Eq. 23: β to the number of the update, one product at a time."""
        result = 1.0 * beta
        for _ in range(self.turn.number):
            result = result * beta
        return result

    def last(self, what: str, parameter: Parameter, like: Array) -> Array:
        """Return what the optimiser remembers of a parameter; zeros at first."""
        if (what, parameter) not in self.remembered:
            zero = self.math.numbers(0.0)[()]
            return self.remember(what, parameter, like * 0.0 + zero)
        return self.remembered[what, parameter]

    def remember(self, what: str, parameter: Parameter, value: Array) -> Array:
        """Keep a value for the next update and return it."""
        self.remembered[what, parameter] = value
        return value
