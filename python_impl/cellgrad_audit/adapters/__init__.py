"""What every adapter does: one case through a framework, its weights back, failures told."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np

from cellgrad.case.model import Case, case_document
from cellgrad.errors import InputError
from cellgrad_audit.answer import Answer, Vector
from cellgrad_audit.targets import Target
from cellgrad_audit.targets.function import SECONDS, FunctionTarget, import_function

Builder = Callable[[dict[str, Any]], Any]
"""A user's function: the case as a document in, what the framework trains out."""


class UnsupportedError(Exception):
    """The framework, or the user's function, cannot run this case."""


class Update(NamedTuple):
    """What one update is made of: its samples, a row each, and its learning rate."""

    inputs: Vector
    targets: Vector
    rate: float


class Parameters(NamedTuple):
    """Weights as (from, to) matrices and biases, layer by layer; no biases, an empty list."""

    weights: list[Vector]
    biases: list[Vector]


class Adapter(Target, ABC):
    """A framework as a target.

    Args:
        builder: builds what is audited from the case's document; None for the model that
            comes naturally in this framework.
        name: what a report calls it; the framework's name by default.
        dtype: the precision of the natural model, ``float64`` or ``float32``. What a builder
            makes keeps its own.
        timeout: seconds that a case may take.

    Raises:
        InputError: the framework is not installed.
    """

    framework = ""
    """The name it is imported by."""
    remedy = ""
    """How to install it."""

    def __init__(
        self,
        builder: Builder | None = None,
        *,
        name: str = "",
        dtype: str = "float64",
        timeout: float = SECONDS,
    ) -> None:
        self.name = name or f"{self.framework}:"
        self.dtype = dtype
        self.builder = builder
        self.library = self.imported(self.framework)
        # called like any function: with its time limit, and its failures on one line
        self._call = FunctionTarget(self._trace, timeout)

    def imported(self, module: str) -> Any:
        """Return a module of the framework.

        Raises:
            InputError: it cannot be imported.
        """
        try:
            return import_module(module)
        except ImportError as error:
            raise InputError(
                f"{module} cannot be imported ({error})", file=self.name, remedy=self.remedy
            ) from error

    def answer(self, case: Case) -> Answer:
        """Run a case: load its weights, make its updates, read the weights back."""
        self._case = case
        return self._call.answer(case)

    def _trace(self, _document: dict[str, Any]) -> dict[str, Any]:
        """Return the trace of the case that was asked, as any audited function does."""
        try:
            trained = self.trained(self._case)
        except UnsupportedError as reason:
            return {"unsupported": str(reason)}
        biases = [layer.tolist() for layer in trained.biases] or None
        weights = [layer.tolist() for layer in trained.weights]
        return {"schema": "cellgrad-trace/1", "weights": weights, "biases": biases}

    @abstractmethod
    def trained(self, case: Case) -> Parameters:
        """Return the parameters after the case's updates.

        Raises:
            UnsupportedError: this framework cannot run the case.
            InputError: what the builder returned cannot be used.
        """

    def built(self, case: Case) -> Any:
        """Return what the user's function makes of the case.

        Raises:
            UnsupportedError: it answers ``{"unsupported": "why"}``.
        """
        if self.builder is None:
            raise TypeError("without a builder there is nothing to build")
        made = self.builder(case_document(case))
        if isinstance(made, dict) and "unsupported" in made:
            raise UnsupportedError(str(made["unsupported"]))
        return made

    def wrong(self, problem: str, remedy: str) -> InputError:
        """Return the error that what the builder made cannot be used."""
        return InputError(problem, file=self.name, remedy=remedy)

    def check_shapes(self, case: Case, own: Parameters, what: str) -> None:
        """Check that a model has the parameters of the case.

        Args:
            case: the case.
            own: the model's own parameters.
            what: which parts of the model they were taken from.

        Raises:
            InputError: it has other ones.
        """
        wanted = parameters_of(case)
        if _shapes(own.weights) != _shapes(wanted.weights):
            raise self.wrong(
                f"the case's weights are {_shapes_in_words(wanted.weights)}, "
                f"the model's ({what}) {_shapes_in_words(own.weights)}",
                'build the layers of case["network"]["nodes"], or return '
                '{"unsupported": "why"} for cases that the model is not meant for',
            )
        if _shapes(own.biases) != _shapes(wanted.biases):
            has = "has" if wanted.biases else "has no"
            raise self.wrong(
                f"the case {has} biases, the model's are {_shapes_in_words(own.biases)}",
                'give the layers biases only where case["network"]["biases"] is not None',
            )


def parameters_of(case: Case) -> Parameters:
    """Return the case's parameters before the first update."""
    network = case.network
    return Parameters(
        [np.array(layer, dtype=np.float64) for layer in network.weights],
        [np.array(layer, dtype=np.float64) for layer in network.biases or ()],
    )


def updates_of(case: Case) -> Iterator[Update]:
    """Yield the case's updates in their order."""
    inputs = np.array([sample.input for sample in case.samples], dtype=np.float64)
    targets = np.array([sample.target for sample in case.samples], dtype=np.float64)
    size, number, rate = case.batch(), 0, case.learning_rate
    for _ in range(case.epochs):
        for start in range(0, len(inputs), size):
            now = rate[number] if isinstance(rate, tuple) else rate
            yield Update(inputs[start : start + size], targets[start : start + size], now)
            number += 1


def changes_rate(case: Case) -> bool:
    """Whether the case gives a learning rate for each update: then an adapter sets it."""
    return isinstance(case.learning_rate, tuple)


def refuse(reason: str, *, when: bool) -> None:
    """Say that a case cannot be run, on a condition.

    Raises:
        UnsupportedError: the condition holds.
    """
    if when:
        raise UnsupportedError(reason)


def refuse_conventions(case: Case, framework: str, *, followed: Sequence[str] = ()) -> None:
    """Refuse the conventions that a natural model does not follow.

    The sign of the error is none of them: it does not show in the weights.

    Raises:
        UnsupportedError: the case declares one that would show.
    """
    told, rule = case.conventions, case.optimizer
    refuse(
        "the perceptron rule differentiates nothing",
        when=case.loss == "perceptron",
    )
    refuse(
        f"{framework} trains the biases too",
        when=not told.update_biases and case.network.biases is not None,
    )
    refuse(
        f"{framework} lets no biases decay",
        when="decay_biases" not in followed
        and told.decay_biases
        and bool(rule.weight_decay)
        and case.network.biases is not None,
    )
    refuse(
        f"{framework} keeps the learning rate outside the velocity",
        when="rate_in_velocity" not in followed and told.rate_in_velocity and bool(rule.momentum),
    )


def _shapes(arrays: Sequence[Vector]) -> list[tuple[int, ...]]:
    return [np.shape(array) for array in arrays]


def _shapes_in_words(arrays: Sequence[Vector]) -> str:
    return ", ".join("×".join(map(str, shape)) for shape in _shapes(arrays)) or "none"


_KINDS = {
    "torch": ("pytorch", "PyTorch"),
    "jax": ("jax", "Jax"),
    "keras": ("keras", "Keras"),
    "sklearn": ("scikit_learn", "ScikitLearn"),
}
"""Prefix: the module here, and its class."""


def create(text: str, timeout: float = SECONDS) -> Adapter | None:
    """Return the adapter that a target's text names, or None if it names none.

    Args:
        text: ``torch:module:function``, or ``torch:`` alone; likewise ``jax:``, ``keras:``,
            ``sklearn:``.
        timeout: seconds that a case may take.

    Raises:
        InputError: the framework is missing, or there is no such function.
    """
    kind, colon, rest = text.partition(":")
    if not colon or kind not in _KINDS:
        return None
    module, name = _KINDS[kind]
    make: Callable[..., Adapter] = getattr(import_module(f"cellgrad_audit.adapters.{module}"), name)
    if rest and (rest.count(":") != 1 or not all(rest.split(":"))):
        raise InputError(
            "names no function that builds the model",
            file=text,
            remedy=f"write {kind}:module:function, or {kind}: alone for the natural model",
        )
    # the framework first: Keras needs a backend by the time the user's module imports it
    adapter = make(name=text, timeout=timeout)
    if rest:
        function = import_function(rest)
        if not callable(function):
            raise InputError(
                "holds no function", file=rest, remedy="check the name behind the colon"
            )
        adapter.builder = function
    return adapter
