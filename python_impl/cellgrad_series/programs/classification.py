"""A classification, or a rule beside its targets."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from cellgrad.case.quantities import Key
from cellgrad.described import Part
from cellgrad.mlp.equations import Array
from cellgrad.mlp.step import forward
from cellgrad.verify import redraw as at_random
from cellgrad.verify.program import Held, Numbers, Program, targets_problem
from cellgrad_series.parts.classification import ClassificationShape, RuleShape


class ClassificationProgram(Program):
    """A classification, or a rule."""

    shape: ClassificationShape | RuleShape
    undefined = frozenset({("boundary_y", None)})

    def __init__(self, part: Part) -> None:
        super().__init__(part)
        self.follows = bool(part.origins)

    def numbers(self, inputs: Mapping[Key, Array], held: Held) -> Numbers:
        """Return the forward pass of every sample, the classes and the counts."""
        del held
        s = self.shape.network
        passed = forward(s, inputs)
        found = {key: value for key, value in passed.results().items() if key in self.known}
        output = passed.post_activation[-1]
        if isinstance(self.shape, RuleShape):
            correct = (output[:, 0] == inputs["target", None][:, 0]).astype(float)
            found["correct", None] = correct
            found["right", None] = np.array(correct.sum())
            return found
        limit = float(inputs.get(("limit", None), np.array(0.5)))
        first = 0 if s.outputs == 1 else 1
        target, called = (_classes(a, limit) for a in (inputs["target", None], output))
        found["target_class", None], found["class", None] = target, called
        found["correct", None] = (target == called).astype(float)
        numbers = np.arange(first, first + self.shape.classes)
        is_target, is_called = (
            np.where(each[:, None] == numbers[None, :], 1.0, 0.0) for each in (target, called)
        )
        found["is_target", None], found["is_called", None] = is_target, is_called
        found["confusion", None] = np.einsum("st,sp->tp", is_target, is_called)
        right = found["correct", None].sum()
        found["right", None] = np.array(right)
        found["accuracy", None] = np.array(right / s.samples)
        found["error", None] = np.array(passed.error)
        if self.shape.boundary:
            found["boundary_y", None] = self._boundary(inputs)
        return found

    def _boundary(self, inputs: Mapping[Key, Array]) -> Array:
        """Where S_preA = 0: x2 = −(bias + w1 · x1) / w2; nowhere (NaN) where w2 is 0."""
        w1, w2 = inputs["weights", 0][:, 0]
        product = w1 * inputs["boundary_x", None]
        if self.shape.network.biases:
            product = inputs["biases", 0][0] + product
        height: Array = -product / (w2 or np.nan)
        return height

    def draw(self, number: int, linked: Mapping[Key, Array]) -> Numbers:
        """Return new givens, in turn on the kink of a unit step."""
        del linked
        shrink = 1.0
        while True:
            found = self._drawn(number, shrink)
            if self.part.origins or self._calm(found):
                break
            shrink /= 2
        at_kink = number == 1 and "unit_step" in self.shape.network.activations
        # a decision line has no height for weights of 0
        if at_kink and not getattr(self.shape, "boundary", False):
            parameters = ("weights", "biases")
            found |= {key: np.zeros_like(a) for key, a in found.items() if key[0] in parameters}
        return found

    def _drawn(self, number: int, shrink: float) -> Numbers:
        s = self.shape.network
        rng = self.rng(number, (s.nodes, s.loss))
        found: Numbers = {}
        for key, quantity in self.known.items():
            name = key[0]
            if not quantity.given or key in self.part.origins:
                continue
            if name == "target":
                found[key] = self._targets(rng.randint(0, 1 << 30), quantity.shape)
            elif name == "limit":
                found[key] = np.array(at_random.number(rng, 0.25, 0.75))
            else:
                found[key] = at_random.draw_given(rng, quantity, s.loss, shrink)
        return found

    def _calm(self, givens: Mapping[Key, Array]) -> bool:
        """Tell whether no exponential comes near overflow."""
        with np.errstate(all="ignore"):
            numbers = self.numbers(givens, {})
        return at_random.are_calm(numbers, self.shape.network.activations)

    def _targets(self, seed: int, shape: tuple[int, ...]) -> Array:
        """Classes as targets: shares only where the loss takes them, else 0 and 1."""
        s = self.shape.network
        rng = self.rng(seed, "targets")
        if s.loss in ("categorical_cross_entropy", "binary_cross_entropy"):
            return at_random.targets(rng, s.loss, *shape)
        return at_random.targets(rng, "perceptron", *shape)

    def domain_problem(self, inputs: Mapping[Key, Array]) -> str:
        """Return why the givens cannot be used, or nothing."""
        return targets_problem(self.shape.network.loss, inputs["target", None])

    def exact_beside(self, key: Key) -> str:
        """What is taken from elsewhere counts as exact."""
        del key
        return "links"


def _classes(outputs: Array, limit: float) -> Array:
    """Return the class that each row of outputs, or of targets, stands for.

    One output: 1 where it is above the limit, else 0. Several: the number, counted from
    1, of the largest; of equal ones, the first.

    Args:
        outputs: shape (samples, outputs).
        limit: with one output, what class 1 must exceed.

    Returns:
        the classes as numbers, shape (samples,).
    """
    if outputs.shape[-1] == 1:
        return np.where(outputs[..., 0] > limit, 1.0, 0.0)
    return np.asarray(np.argmax(outputs, axis=-1) + 1.0)
