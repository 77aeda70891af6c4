"""A run: every update computed from where its own row starts.

Since each row is checked from the weights that the row above holds, rows that agree bit
for bit make the whole chain agree bit for bit; and where an engine computes in another
precision, no row is blamed for what earlier ones have gathered.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cellgrad.case.quantities import Key, Quantity
from cellgrad.mlp.equations import Array
from cellgrad.mlp.run import update_from, updates
from cellgrad.mlp.step import forward
from cellgrad.verify import redraw as at_random
from cellgrad.verify.program import Held, Numbers, Program, targets_problem
from cellgrad_series.parts.run import EVALUATED, START, RunShape

_HALVINGS = 60
_RANGES = {
    "learning_rate": (0.125, 2.0),
    "leaky_slope": (0.0625, 0.5),
    "weight_decay": (0.0625, 0.5),
    "momentum": (0.125, 0.875),
    "beta1": (0.25, 0.875),
    "beta2": (0.5, 0.9375),
    "adam_epsilon": (0.0078125, 0.5),
}
"""Between which numbers the constants of a redraw lie."""


class RunProgram(Program):
    """A run."""

    shape: RunShape
    follows = True

    def drawn_from(self, drawn: Mapping[str, Mapping[Key, Array]]) -> Numbers:
        """Return starting weights and samples, where other parts have drawn them."""
        return self.linked(lambda name: drawn[name])

    # numbers

    def numbers(self, inputs: Mapping[Key, Array], held: Held) -> Numbers:
        """Return every number of every update, each from where its row starts."""
        found: Numbers = {
            key: np.full(quantity.shape, np.nan)
            for key, quantity in self.known.items()
            if not quantity.given
        }
        starts = dict(self._starts(inputs, held))
        rate = inputs["learning_rate", None]
        for count, rows in self.shape.sizes().items():
            chosen = np.array([self.shape.batch(row)[0] for row in rows])
            samples = chosen[:, None] + np.arange(count)[None, :]
            own = {
                ("input", None): inputs["sample_input", None][samples],
                ("target", None): inputs["sample_target", None][samples],
                ("learning_rate", None): rate[rows] if rate.ndim else rate,
                **{key: values[rows] for key, values in starts.items()},
            }
            update = update_from(self.shape.structure(count), self.shape.rule, {**inputs, **own})
            for key, values in {**own, **update.results()}.items():
                if key not in found:
                    continue
                if self.known[key].per_sample:
                    found[key][rows, :count] = values
                else:
                    found[key][rows] = values
        if self.shape.evaluated:
            found.update(self._evaluation(inputs, held))
        return found

    def _starts(self, inputs: Mapping[Key, Array], held: Held) -> Iterator[tuple[Key, Array]]:
        """Yield what each update starts from, parameters and memory: where the last one ended."""
        for (name, k), first in self._first(inputs).items():
            left = (f"new_{name}" if name in ("weights", "biases") else name, k)
            if left in self.known:
                yield (name, k), np.concatenate([first[None], held[left][:-1]])
            else:  # biases that stay as they are
                yield (name, k), np.broadcast_to(first, (self.shape.updates, *first.shape))

    @staticmethod
    def _samples(prefix: str, inputs: Mapping[Key, Array]) -> Numbers:
        """Return samples as a forward pass takes them."""
        return {(name, None): inputs[prefix + name, None] for name in ("input", "target")}

    @staticmethod
    def _first(inputs: Mapping[Key, Array]) -> Numbers:
        """Return what the first update starts from."""
        return {
            (name.removeprefix(START), k): array
            for (name, k), array in inputs.items()
            if name.startswith(START)
        }

    def _evaluation(self, inputs: Mapping[Key, Array], held: Held) -> Numbers:
        s = replace(self.shape.step, samples=self.shape.evaluated, update="batch_mean", decay=False)
        after = {
            (name, k): held.get((f"new_{name}", k), first)
            for (name, k), first in self._first(inputs).items()
        }
        samples = self._samples(EVALUATED, inputs)
        passed = forward(s, {**inputs, **after, **samples})
        return {
            (EVALUATED + name, k): values
            for (name, k), values in passed.results().items()
            if (EVALUATED + name, k) in self.known
        }

    # redraws

    def draw(self, number: int, linked: Mapping[Key, Array]) -> Numbers:
        """Return new givens from which the run stays calm."""
        shrink = 1.0
        for _ in range(_HALVINGS):
            givens = self._drawn(number, linked, shrink)
            if self._calm({**linked, **givens}):
                break
            shrink /= 2
        return givens

    def _drawn(self, number: int, linked: Mapping[Key, Array], shrink: float) -> Numbers:
        rng = self.rng(number, (self.shape.step.nodes, self.shape.step.loss))
        found = {
            key: self._drawn_one(rng, quantity, shrink)
            for key, quantity in self.known.items()
            if quantity.given and key not in linked
        }
        if number == 1 and "unit_step" in self.shape.step.activations:
            # on the kink: every sum is exactly 0
            parameters = (f"{START}weights", f"{START}biases")
            found |= {key: np.zeros_like(a) for key, a in found.items() if key[0] in parameters}
        return found

    def _drawn_one(self, rng: random.Random, quantity: Quantity, shrink: float) -> Array:
        s, name, shape = self.shape.step, quantity.name, quantity.shape
        if name.endswith("target"):
            # targets that a logistic output can reach: beyond them it would only saturate
            reachable = "binary_cross_entropy" if s.activations[-1] == "logistic" else s.loss
            return at_random.targets(rng, reachable, shape[0], s.outputs)
        if name in _RANGES or name.endswith("_power"):
            low, high = _RANGES.get(name, (0.25, 0.875))
            size = int(np.prod(shape))
            values = [at_random.number(rng, low, high) for _ in range(size)]
            smaller = shrink if name == "learning_rate" else 1.0
            return np.array(values).reshape(shape) * smaller
        reach = 0.5  # of what an optimiser remembers
        if name == f"{START}weights":
            reach = at_random.weights_reach(shape[0]) * shrink
        elif name.endswith(("input", "biases")):
            reach = 2.0
        drawn = at_random.array(rng, shape, reach)
        return np.abs(drawn) if name.endswith("second_moment") else drawn

    def _calm(self, givens: Mapping[Key, Array]) -> bool:
        """Tell whether no number of the run comes near overflow, its last weights included."""
        s = self.shape.step
        limit = at_random.calm_limit(s.activations)
        start = {**givens, **self._first(givens), **self._samples("sample_", givens)}
        batches = map(self.shape.batch, range(self.shape.updates))
        with np.errstate(all="ignore"):
            for update in updates(self.shape.structure, self.shape.rule, start, batches):
                if not _largest(update.step.pre_activation) < limit:
                    return False
                if not _largest(update.step.new_weights) < at_random.LARGE:
                    return False
            everything = replace(s, samples=self.shape.data, update="batch_mean", decay=False)
            passed = forward(everything, start | update.after())
        return _largest(passed.pre_activation) < limit

    # the rest

    def mask(self, quantity: Quantity) -> NDArray[np.bool_]:
        """Return at which indices a quantity has a value: the last batch may be smaller."""
        whole = np.ones(quantity.shape, dtype=bool)
        ragged = quantity.per_row and quantity.per_sample
        if ragged and not quantity.name.startswith(EVALUATED):
            for count, rows in self.shape.sizes().items():
                whole[rows, count:] = False
        return whole

    def domain_problem(self, inputs: Mapping[Key, Array]) -> str:
        """Return why the givens cannot be used, or nothing."""
        loss = self.shape.step.loss
        problem = targets_problem(loss, inputs["sample_target", None])
        unseen = inputs.get((f"{EVALUATED}target", None))
        return problem or ("" if unseen is None else targets_problem(loss, unseen))

    def exact_beside(self, key: Key) -> str:
        """Each row starts from what the row above holds."""
        return "rows" if key in self.known and self.known[key].per_row else ""

    def names_samples(self) -> bool:
        """Tell whether the sample is part of a scalar's name."""
        return self.shape.step.samples > 1 or bool(self.shape.evaluated)


def _largest(arrays: list[Array]) -> float:
    return max(float(np.abs(array).max()) for array in arrays)
