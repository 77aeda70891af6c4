"""Keras 3, with any of its backends: a compiled ``keras.Model``.

A user's function gets the case's document and returns a compiled model:

    def make(case):
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4, "sigmoid"), ...])
        model.compile(optimizer=keras.optimizers.SGD(case["learning_rate"]), loss="mse")
        return model

The weights of the case are loaded into the model's ``Dense`` layers, in the order of the model.
An update is one ``train_on_batch``. Where the case has a list of learning rates each is set in
the optimiser before its update; a single rate is left as the optimiser has it.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from cellgrad.case.model import Case
from cellgrad_audit.adapters import (
    Adapter,
    Builder,
    Parameters,
    changes_rate,
    parameters_of,
    refuse,
    refuse_conventions,
    updates_of,
)
from cellgrad_audit.targets.function import SECONDS

_BACKENDS = ("tensorflow", "torch", "jax")


class Keras(Adapter):
    """Keras as a target.

    The natural model is ``keras.Sequential`` of ``Dense`` layers with an L2 regulariser on
    their kernels and ``keras.optimizers.SGD``, whose velocity holds the learning rate. Before
    a cross-entropy it ends in logits. It is in double precision with TensorFlow only: with
    other backends Keras multiplies matrices of doubles in single precision.
    """

    declared = ("momentum-holds-learning-rate",)
    framework = "keras"
    remedy = "pip install keras torch (or jax, or tensorflow, and name it in KERAS_BACKEND)"

    def __init__(
        self,
        builder: Builder | None = None,
        *,
        name: str = "",
        dtype: str = "float64",
        timeout: float = SECONDS,
    ) -> None:
        choose_backend()
        super().__init__(builder, name=name, dtype=dtype, timeout=timeout)
        self.dtype = self.library.backend.result_type(dtype, dtype)

    def trained(self, case: Case) -> Parameters:
        """Return the parameters after the case's updates."""
        if self.builder is None:
            with self._precision():
                return self._run(case, self._natural(case))
        return self._run(case, self._built_model(case))

    @contextlib.contextmanager
    def _precision(self) -> Iterator[None]:
        """Make the natural model's precision Keras's own: of losses and rates too."""
        config = self.library.config
        before = config.floatx()
        config.set_floatx(self.dtype)
        try:
            yield
        finally:
            config.set_floatx(before)

    def _built_model(self, case: Case) -> Any:
        model = self.built(case)
        if not isinstance(model, self.library.Model):
            raise self.wrong(
                f"the function returned a {type(model).__name__}", "return a keras.Model"
            )
        if getattr(model, "optimizer", None) is None:
            raise self.wrong(
                "the model is not compiled", "call model.compile(optimizer=…, loss=…) first"
            )
        if not model.built:
            model.build((None, case.network.nodes[0]))
        return model

    def _run(self, case: Case, model: Any) -> Parameters:
        layers = list(self._dense(model))
        self.check_shapes(case, _read(layers), f"{len(layers)} Dense layers")
        given = parameters_of(case)
        for k, layer in enumerate(layers):
            layer.kernel.assign(given.weights[k])
            if given.biases:
                layer.bias.assign(given.biases[k])
        like = layers[0].kernel.dtype
        for update in updates_of(case):
            if changes_rate(case):
                model.optimizer.learning_rate = update.rate
            model.train_on_batch(update.inputs.astype(like), update.targets.astype(like))
        return _read(layers)

    def _dense(self, model: Any) -> Iterator[Any]:
        """Yield the model's Dense layers, those of models within it too."""
        for layer in model.layers:
            if isinstance(layer, self.library.layers.Dense):
                yield layer
            elif hasattr(layer, "layers"):
                yield from self._dense(layer)

    def _natural(self, case: Case) -> Any:
        """Build the model that comes naturally."""
        keras, network, rule = self.library, case.network, case.optimizer
        refuse_conventions(case, "Keras", followed=("rate_in_velocity",))
        refuse("the Adam of Keras adds ε before its correction", when=rule.name != "sgd")
        names = {"logistic": "sigmoid", "identity": "linear"}
        activations: list[Any] = [names.get(name, name) for name in network.activations]
        if case.loss in ("binary_cross_entropy", "categorical_cross_entropy"):
            activations[-1] = "linear"  # the loss takes logits
        slope = network.leaky_slope
        model = keras.Sequential([keras.Input((network.nodes[0],))])
        for nodes, name in zip(network.nodes[1:], activations, strict=True):
            leaky = name == "leaky_relu"
            decay = keras.regularizers.L2(rule.weight_decay / 2) if rule.weight_decay else None
            model.add(
                keras.layers.Dense(
                    nodes,
                    activation=keras.layers.LeakyReLU(negative_slope=slope) if leaky else name,
                    use_bias=network.biases is not None,
                    kernel_regularizer=decay,
                )
            )
        sgd = keras.optimizers.SGD(case.step_learning_rate(), momentum=rule.momentum)
        model.compile(optimizer=sgd, loss=self._loss(case))
        return model

    def _loss(self, case: Case) -> Any:
        """Return the case's loss: over samples the sum or the mean, as Keras reduces it."""
        losses, ops = self.library.losses, self.library.ops
        reduction = "sum_over_batch_size" if case.update == "batch_mean" else "sum"
        if case.loss == "mean_squared_error":
            return losses.MeanSquaredError(reduction=reduction)
        if case.loss == "categorical_cross_entropy":
            return losses.CategoricalCrossentropy(from_logits=True, reduction=reduction)
        half = 0.5 if case.loss == "half_squared_error" else 1.0

        class SumOverOutputs(losses.Loss):  # type: ignore[misc, name-defined]
            """Keras's own losses take the mean over the outputs; the case sums them."""

            def call(self, y_true: Any, y_pred: Any) -> Any:
                if case.loss == "binary_cross_entropy":
                    each = ops.binary_crossentropy(y_true, y_pred, from_logits=True)
                else:
                    each = half * ops.square(y_pred - y_true)
                return ops.sum(each, axis=-1)

        return SumOverOutputs(reduction=reduction)


def _read(layers: list[Any]) -> Parameters:
    weights = [np.array(layer.get_weights()[0], dtype=np.float64) for layer in layers]
    with_biases = [layer for layer in layers if layer.use_bias]
    return Parameters(weights, [np.array(b.get_weights()[1], np.float64) for b in with_biases])


def choose_backend() -> None:
    """Name a backend for Keras where the one it is set to is not installed.

    Without a setting Keras takes TensorFlow and fails where that is missing.
    """
    if "keras" in sys.modules or os.environ.get("KERAS_BACKEND"):
        return
    home = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")
    try:
        chosen = json.loads((home / "keras.json").read_text("utf-8"))["backend"]
    except (OSError, ValueError, KeyError, TypeError):
        chosen = _BACKENDS[0]
    if chosen not in _BACKENDS or find_spec(chosen) is None:
        installed = [name for name in _BACKENDS if find_spec(name)]
        if installed:
            os.environ["KERAS_BACKEND"] = installed[0]
