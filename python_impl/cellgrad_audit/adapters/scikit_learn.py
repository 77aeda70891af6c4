"""scikit-learn: ``MLPRegressor`` and ``MLPClassifier``, one ``partial_fit`` an update.

A user's function gets the case's document and returns such an estimator:

    def make(case):
        return MLPRegressor(hidden_layer_sizes=(5,), solver="sgd", momentum=0.9,
                            learning_rate_init=0.1, batch_size=len(case["samples"]))

The estimator is made ready by one ``partial_fit``; then the weights of the case are written into
``coefs_`` and ``intercepts_`` and its optimiser starts anew. Where the case has a list of learning
rates each is set before its update; a single rate is left as the estimator has it. A regressor
gets the targets as they are, a classifier classes: the one target that is 1, or 0 and 1.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from cellgrad.case.model import Case
from cellgrad.errors import InputError
from cellgrad_audit.adapters import (
    Adapter,
    Parameters,
    Update,
    changes_rate,
    parameters_of,
    refuse,
    refuse_conventions,
    updates_of,
)
from cellgrad_audit.answer import Vector

_NEEDED = ("coefs_", "intercepts_", "_optimizer")
"""What the adapter reaches for within an estimator. All but the last are public."""

_OUTPUTS = {
    "half_squared_error": "identity",
    "binary_cross_entropy": "logistic",
    "categorical_cross_entropy": "softmax",
}
"""The losses it has, each with one output activation."""


class ScikitLearn(Adapter):
    """scikit-learn as a target.

    The natural estimator has ``solver="sgd"`` without Nesterov's correction, whose velocity
    holds the learning rate. Its α is divided by the size of the batch, so it is λ · N.
    """

    declared = ("momentum-holds-learning-rate",)
    framework = "sklearn"
    remedy = "pip install scikit-learn"

    def trained(self, case: Case) -> Parameters:
        """Return the parameters after the case's updates."""
        networks = self.imported("sklearn.neural_network")
        refuse("scikit-learn's networks always have biases", when=case.network.biases is None)
        estimator = self._natural(case) if self.builder is None else self.built(case)
        if not isinstance(estimator, networks.MLPRegressor | networks.MLPClassifier):
            raise self.wrong(
                f"the function returned a {type(estimator).__name__}",
                "return an MLPRegressor or an MLPClassifier",
            )
        if estimator.solver not in ("sgd", "adam"):
            raise self.wrong(
                f"solver {estimator.solver!r} has no single updates", 'use solver "sgd" or "adam"'
            )
        classifies = isinstance(estimator, networks.MLPClassifier)
        if classifies:
            _check_classes(case)
        for number, update in enumerate(updates_of(case)):
            if self.builder is None:
                self._fit_batch(estimator, case, update)
            if number == 0:
                if changes_rate(case):
                    estimator.set_params(learning_rate_init=update.rate)
                self._partial_fit(estimator, case, update, classifies=classifies)
                self._load(estimator, case)
            elif changes_rate(case):
                estimator._optimizer.learning_rate = update.rate  # noqa: SLF001 - no other way
            self._partial_fit(estimator, case, update, classifies=classifies)
        return _read(estimator)

    def _fit_batch(self, estimator: Any, case: Case, update: Update) -> None:
        """Set what depends on the number of samples, which may be smaller in the last batch."""
        samples = len(update.inputs)
        estimator.set_params(batch_size=samples, alpha=case.optimizer.weight_decay * samples)

    def _partial_fit(self, estimator: Any, case: Case, update: Update, *, classifies: bool) -> None:
        inputs = update.inputs.astype(self.dtype if self.builder is None else np.float64)
        if not classifies:
            targets = update.targets.astype(inputs.dtype)
            estimator.partial_fit(inputs, targets[:, 0] if targets.shape[1] == 1 else targets)
        elif case.loss == "categorical_cross_entropy":
            classes = np.arange(case.network.nodes[-1])
            estimator.partial_fit(inputs, update.targets.argmax(axis=1), classes=classes)
        else:
            targets = update.targets.astype(int)
            single = targets.shape[1] == 1
            classes = np.arange(2 if single else targets.shape[1])
            estimator.partial_fit(inputs, targets[:, 0] if single else targets, classes=classes)

    def _load(self, estimator: Any, case: Case) -> None:
        """Write the case's parameters into an estimator, and let its optimiser start anew."""
        missing = [name for name in _NEEDED if not hasattr(estimator, name)]
        if missing:
            raise InputError(
                f"scikit-learn {self.library.__version__} keeps no {missing[0]}",
                file=self.name,
                remedy="use a release that this adapter knows: pip install scikit-learn==1.9.1",
            )
        self.check_shapes(case, _read(estimator), "coefs_")
        given = parameters_of(case)
        for k in range(len(given.weights)):
            estimator.coefs_[k][...] = given.weights[k]
            estimator.intercepts_[k][...] = given.biases[k]
        del estimator._optimizer  # noqa: SLF001 - the next update makes one, with empty velocities
        estimator.t_ = 0

    def _natural(self, case: Case) -> Any:
        """Build the estimator that comes naturally."""
        network, rule = case.network, case.optimizer
        refuse_conventions(case, "scikit-learn", followed=("rate_in_velocity",))
        refuse("scikit-learn's Adam adds ε before its correction", when=rule.name != "sgd")
        refuse(
            f"scikit-learn has no {case.loss} with {network.activations[-1]} outputs",
            when=_OUTPUTS.get(case.loss) != network.activations[-1],
        )
        refuse(
            "scikit-learn's updates are means over the batch",
            when=case.update == "batch_sum" and case.batch() > 1,
        )
        hidden = set(network.activations[:-1])
        refuse("scikit-learn has one activation for all hidden layers", when=len(hidden) > 1)
        refuse("scikit-learn has no leaky ReLU", when="leaky_relu" in hidden)
        networks = self.imported("sklearn.neural_network")
        kind = (
            networks.MLPRegressor if case.loss == "half_squared_error" else networks.MLPClassifier
        )
        return kind(
            hidden_layer_sizes=network.nodes[1:-1],
            activation=next(iter(hidden), "identity"),
            solver="sgd",
            learning_rate_init=case.step_learning_rate(),
            momentum=rule.momentum,
            nesterovs_momentum=False,
            shuffle=False,
            random_state=0,
        )


def _check_classes(case: Case) -> None:
    """Refuse targets that are no classes.

    Raises:
        UnsupportedError: a classifier cannot be given them.
    """
    targets: Vector = np.array([sample.target for sample in case.samples])
    whole = bool(np.isin(targets, (0.0, 1.0)).all())
    refuse("a classifier takes no targets between 0 and 1", when=not whole)
    if case.loss == "categorical_cross_entropy":
        refuse(
            "scikit-learn classifies two classes with one logistic output",
            when=targets.shape[1] < 3,
        )


def _read(estimator: Any) -> Parameters:
    return Parameters(
        [np.array(layer, dtype=np.float64) for layer in estimator.coefs_],
        [np.array(layer, dtype=np.float64) for layer in estimator.intercepts_],
    )
