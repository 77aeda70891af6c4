"""JAX: pure functions of parameters.

A user's function gets the case's document and returns one of

- ``step``, called as ``step(params, inputs, targets, rate)`` and returning the new params,
  with params a list of ``(weights, biases)``, one pair a layer (biases None without any);
- ``(params, step)``: params any tree of arrays, whose matrices (from, to) and vectors, in the
  order of ``jax.tree.leaves``, are the weights and the biases of the layers;
- ``(params, state, step)``: with what an optimiser remembers, as Optax has it:
  ``step(params, state, inputs, targets, rate)`` returns ``(params, state)``.

    def make(case):
        def error(params, x, t): ...
        def step(params, x, t, rate):
            gradient = jax.grad(error)(params, x, t)
            return jax.tree.map(lambda w, g: w - rate * g, params, gradient)
        return jax.jit(step)

The values of params are replaced by the case's, in the precision that they have; a ``step``
alone gets JAX's default precision: double where ``jax_enable_x64`` is set.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import numpy as np

from cellgrad.case.model import Case
from cellgrad_audit.adapters import (
    Adapter,
    Parameters,
    parameters_of,
    refuse,
    refuse_conventions,
    updates_of,
)

Step = Callable[..., Any]


class Jax(Adapter):
    """JAX as a target.

    The natural model is ``jax.grad`` of the case's error, penalty included, with the case's
    momentum; JAX itself has no optimiser and so no convention of its own.
    """

    framework = "jax"
    remedy = "pip install jax"

    def trained(self, case: Case) -> Parameters:
        """Return the parameters after the case's updates."""
        if self.builder is None:
            with self._precision():
                return self._run(case, *self._natural(case))
        return self._run(case, *self._built_model(case))

    def _precision(self) -> contextlib.AbstractContextManager[Any]:
        """Switch double precision on, or off, for the natural model only."""
        jax = self.library
        switch = getattr(jax, "enable_x64", None)
        if switch is None:  # where older releases have it
            switch = self.imported("jax.experimental").enable_x64
        switched: contextlib.AbstractContextManager[Any] = switch(self.dtype == "float64")
        return switched

    def _run(self, case: Case, params: Any, state: Any, step: Step) -> Parameters:
        """Make the updates; ``step`` takes and returns params and state."""
        jnp = self.imported("jax.numpy")
        params = self._load(case, params)
        like = self.library.tree.leaves(params)[0].dtype
        for update in updates_of(case):
            inputs, targets = jnp.asarray(update.inputs, like), jnp.asarray(update.targets, like)
            params, state = step(params, state, inputs, targets, update.rate)
        return self._read(params)

    def _built_model(self, case: Case) -> tuple[Any, Any, Step]:
        made = self.built(case)
        parts = made if isinstance(made, tuple) else (made,)
        if not 1 <= len(parts) <= 3 or not callable(parts[-1]):
            kinds = ", ".join(type(part).__name__ for part in parts)
            raise self.wrong(
                f"the function returned ({kinds})",
                "return step, (params, step) or (params, state, step)",
            )
        params = parts[0] if len(parts) > 1 else self._pairs(case)
        if len(parts) == 3:
            return parts

        def step(params: Any, state: Any, x: Any, t: Any, rate: float) -> tuple[Any, Any]:
            return parts[-1](params, x, t, rate), state

        return params, None, step

    def _pairs(self, case: Case) -> list[Any]:
        """Return the case's parameters, a pair a layer, in JAX's default precision."""
        jnp, given = self.imported("jax.numpy"), parameters_of(case)
        biases: list[Any] = [jnp.asarray(b, float) for b in given.biases]
        biases = biases or [None] * len(given.weights)
        return [(jnp.asarray(w, float), b) for w, b in zip(given.weights, biases, strict=True)]

    def _load(self, case: Case, params: Any) -> Any:
        """Return params with the case's values."""
        jnp, tree = self.imported("jax.numpy"), self.library.tree
        self.check_shapes(case, self._read(params), "the leaves of its params")
        given = parameters_of(case)
        left = {2: iter(given.weights), 1: iter(given.biases)}
        leaves, structure = tree.flatten(params)
        return tree.unflatten(
            structure, [jnp.asarray(next(left[np.ndim(old)]), old.dtype) for old in leaves]
        )

    def _read(self, params: Any) -> Parameters:
        leaves = [np.array(leaf) for leaf in self.library.tree.leaves(params)]
        others = [leaf.shape for leaf in leaves if leaf.ndim not in (1, 2)]
        if others:
            raise self.wrong(
                f"params hold an array of shape {others[0]}",
                "keep matrices of weights and vectors of biases only in params",
            )
        return Parameters(
            [leaf.astype(np.float64) for leaf in leaves if leaf.ndim == 2],
            [leaf.astype(np.float64) for leaf in leaves if leaf.ndim == 1],
        )

    def _natural(self, case: Case) -> tuple[Any, Any, Step]:
        """Build the step that comes naturally."""
        jax, jnp = self.library, self.imported("jax.numpy")
        refuse_conventions(case, "the natural JAX step")
        refuse("the natural JAX step has no Adam", when=case.optimizer.name != "sgd")
        rule, of_batch = case.optimizer, jnp.mean if case.update == "batch_mean" else jnp.sum
        activations, of_sample = self._functions(case)

        def error(params: Any, x: Any, t: Any) -> Any:
            z = x
            for (weights, biases), activation in zip(params, activations, strict=True):
                z = x @ weights + (0 if biases is None else biases)
                x = activation(z)
            penalty = rule.weight_decay / 2 * sum(jnp.sum(w * w) for w, _ in params)
            return of_batch(of_sample(z, x, t)) + penalty

        @jax.jit  # type: ignore[untyped-decorator]
        def step(params: Any, speed: Any, x: Any, t: Any, rate: Any) -> tuple[Any, Any]:
            gradient = jax.grad(error)(params, x, t)
            speed = jax.tree.map(lambda v, g: rule.momentum * v + g, speed, gradient)
            return jax.tree.map(lambda w, v: w - rate * v, params, speed), speed

        params = self._pairs(case)
        return params, jax.tree.map(jnp.zeros_like, params), step

    def _functions(self, case: Case) -> tuple[list[Step], Step]:
        """Return the activations, and the error of each sample by z, y and target."""
        jnp, nn, slope = self.imported("jax.numpy"), self.library.nn, case.network.leaky_slope
        activations: dict[str, Step] = {
            "logistic": nn.sigmoid,
            "tanh": jnp.tanh,
            "relu": nn.relu,
            "leaky_relu": lambda z: jnp.where(z > 0, z, slope * z),
            "identity": lambda z: z,
            "softmax": nn.softmax,
        }
        losses: dict[str, Step] = {
            "half_squared_error": lambda _, y, t: jnp.sum((y - t) ** 2, axis=1) / 2,
            "squared_error": lambda _, y, t: jnp.sum((y - t) ** 2, axis=1),
            "mean_squared_error": lambda _, y, t: jnp.mean((y - t) ** 2, axis=1),
            "binary_cross_entropy": lambda z, _, t: jnp.sum(nn.softplus(z) - t * z, axis=1),
            "categorical_cross_entropy": lambda z, _, t: -jnp.sum(t * nn.log_softmax(z), axis=1),
        }
        return [activations[name] for name in case.network.activations], losses[case.loss]
