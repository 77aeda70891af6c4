"""A training run: what is asked for, every update, the errors on the way, how the network does.

One output: class 1 where it is above 0.5, as in the series; exactly 0.5 is class 0.
Several outputs: the class of the largest one, the first of them where two are equal.
The rule is applied to targets that are classes (0 or 1; with several outputs a
single 1) and to no others: what a target such as 0.3 calls right is not ours to say.
Of E, where an output has reached 0 or 1 exactly, a term 0 · LN(0) counts as 0, its limit.

The generator of starting weights is part of the command's promise and does not change:
Python's ``random.Random(seed)``, whose ``random()`` is the same in every version. Each call
gives one weight, ``(floor(random() · 19999) − 9999) / 10000``: a number above −1 and
below 1, as in the series, with four decimals, so that a person can type it. The
weights come layer by layer and row by row, then the biases layer by layer.
"""

from __future__ import annotations

import itertools
import math
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from cellgrad.case.model import MAX_EPOCHS, Case, Network, Sample, Vector, check_rates
from cellgrad.errors import InputError
from cellgrad_series.kernels import Training
from cellgrad_series.kernels.arrays import Ordered
from cellgrad_series.kernels.arrays import sample_errors as errors_by

Floats = NDArray[np.float64]
Integers = NDArray[np.intp]

THRESHOLD = 0.5


@dataclass(frozen=True, slots=True)
class Accuracy:
    """How often the class was right.

    Attributes:
        right: samples whose predicted class is the target's.
        of: all samples.
        confusion: counts, a row a target class, a column a predicted class.
    """

    right: int
    of: int
    confusion: list[list[int]]


def are_classes(targets: Floats) -> bool:
    """Tell whether targets, (samples, outputs), stand for classes."""
    binary = bool(np.all((targets == 0) | (targets == 1)))
    return binary and (targets.shape[1] == 1 or bool(np.all(targets.sum(axis=1) == 1)))


def classes_of(values: Floats) -> Integers:
    """Return the class of each row of outputs or targets, (samples, outputs) → (samples,)."""
    if values.shape[1] == 1:
        return (values[:, 0] > THRESHOLD).astype(np.intp)
    return np.asarray(np.argmax(values, axis=1), dtype=np.intp)


def accuracy(outputs: Floats, targets: Floats) -> Accuracy | None:
    """Count the right classes; None where the targets are no classes.

    Args:
        outputs: (samples, outputs).
        targets: the same shape.
    """
    if not are_classes(targets):
        return None
    classes = max(targets.shape[1], 2)
    confusion = np.zeros((classes, classes), dtype=np.intp)
    np.add.at(confusion, (classes_of(targets), classes_of(outputs)), 1)
    return Accuracy(int(np.trace(confusion)), len(targets), confusion.tolist())


class _Limits(Ordered):
    def times_logarithm(self, factor: Floats, x: Floats) -> Floats:
        """Return factor · LN x, and 0 where the factor is 0."""
        return np.where(factor == 0, 0.0, super().times_logarithm(factor, x))


def sample_errors(loss: str, outputs: Floats, targets: Floats) -> Floats:
    """Return E of each sample, without the penalty of weight decay.

    Args:
        loss: a name of the case format.
        outputs: (samples, outputs).
        targets: the same shape.

    Returns:
        (samples,); infinite where an output is infinitely wrong.
    """
    with np.errstate(all="ignore"):
        return errors_by(loss, outputs, targets, outputs - targets, _Limits())


def penalty(parameters: Sequence[Floats], weight_decay: float) -> float:
    """Return P = ½ · λ · Σ w² over the parameters that decay (Eq. 16)."""
    flat = np.concatenate([array.ravel() for array in parameters])
    return (0.5 * weight_decay) * Ordered.total(flat * flat)


class Sums:
    """Sums of E over consecutive stretches of updates, each correctly rounded.

    A correctly rounded sum does not depend on the order of its terms, nor on the
    portions in which they come.

    Args:
        length: updates a stretch; the last one may be shorter.
    """

    def __init__(self, length: int) -> None:
        self.length = length
        self.sums: list[float] = []
        self._pending: list[Floats] = []
        self._waiting = 0
        self._last = 0

    def add(self, errors: Floats) -> None:
        """Take the errors of the next updates, (updates,): finite, and small enough to add up."""
        self._pending.append(errors)
        self._waiting += len(errors)
        if self._waiting < self.length:
            return
        errors = np.concatenate(self._pending)
        whole = len(errors) // self.length * self.length
        self.sums += [math.fsum(row) for row in errors[:whole].reshape(-1, self.length).tolist()]
        self._pending = [errors[whole:]]
        self._waiting = len(errors) - whole

    def finish(self) -> None:
        """Close the last stretch, if one is open."""
        if self._waiting:
            self.sums.append(math.fsum(np.concatenate(self._pending).tolist()))
            self._last, self._waiting, self._pending = self._waiting, 0, []

    def stretches(self) -> list[tuple[int, int, float]]:
        """Return (first update, last update, mean of E) of each stretch, counted from 1."""
        found = []
        for n, total in enumerate(self.sums):
            short = self._last if n == len(self.sums) - 1 else 0
            count = short or self.length
            found.append((n * self.length + 1, n * self.length + count, total / count))
        return found


BLOCKS = 10
MOST_POINTS = 100_000
"""So many points of the curve of E are kept at most."""

LARGEST = 1e300
"""An E beyond this is on its way out of a double's range; sums of it would be there first."""

_SHORT, _LONG = 0.03, 0.12
"""Seconds between two reports of progress: more updates at a time below, fewer above."""

_ENOUGH_SAMPLES = 10_000
"""Outputs are computed for so many samples at a time."""


@dataclass(frozen=True, slots=True)
class Score:
    """How well the trained network does on a set of samples.

    Attributes:
        samples: how many.
        error: the mean of the samples' E, without a penalty; may be infinite.
        total: their sum.
        accuracy: None where the targets are no classes.
        outputs: (samples, outputs).
        targets: the same shape.
    """

    samples: int
    error: float
    total: float
    accuracy: Accuracy | None
    outputs: Floats = field(repr=False)
    targets: Floats = field(repr=False)


@dataclass(frozen=True, slots=True)
class Result:
    """What a run left behind.

    Attributes:
        case: what was run.
        kernel: which kernel ran it.
        updates: updates made.
        epochs: E of each epoch's updates, each before its update.
        blocks: the same for about ten stretches of the whole run.
        curve: the same for every update, or for every few of a very long run.
        weights: as in the case, at the end.
        biases: as in the case, at the end.
        training: the score on the samples with these weights; None after a divergence.
        validation: the score on the validation samples; None where there are none.
        diverged: what went beyond the range of a double, and where; empty if nothing did.
        outputs: the trained network as a function, (samples, inputs) → (samples, outputs).
    """

    case: Case
    kernel: str
    updates: int
    epochs: Sums
    blocks: Sums
    curve: Sums
    weights: list[Floats]
    biases: list[Floats] | None
    training: Score | None
    validation: Score | None
    diverged: str
    outputs: Callable[[Floats], Floats]

    def final_error(self) -> float:
        """Return E over all samples with the final weights, as one batch of them (Eq. 19, 16).

        Their sum, or their mean where the case's updates take the mean.
        """
        if self.training is None:
            return math.nan
        decay = self.case.optimizer.weight_decay
        mean = self.case.update == "batch_mean"
        error = self.training.error if mean else self.training.total
        if not decay:
            return error
        biases = (self.biases or []) if self.case.conventions.decay_biases else []
        return error + penalty([*self.weights, *biases], decay)


def train(case: Case, kernel: str = "auto", advance: Callable[[int], None] | None = None) -> Result:
    """Carry out every update of a case and score the network that results.

    The same case gives the same numbers, bit for bit, whatever the portions in
    which the updates are made.

    Args:
        case: the run.
        kernel: a name of ``cellgrad_series.kernels.KERNELS``.
        advance: called with the number of updates made since the last call.

    Raises:
        InputError: the kernel is unknown, not installed, or cannot run the case.
    """
    training = Training(case, kernel)
    total = case.updates()
    records = epochs, blocks, curve = (
        Sums(total // case.epochs),
        Sums(-(-total // BLOCKS)),
        Sums(-(-total // MOST_POINTS)),
    )
    with np.errstate(all="ignore"):  # what overflows is reported below
        diverged = _run(training, total, records, advance or (lambda _: None))
        if not diverged and not _finite([*training.weights, *(training.biases or ())]):
            diverged = "a weight left the range of a double"
        scored, validated = (None, None) if diverged else _scores(case, training)
    for score, name in ((scored, "training"), (validated, "validation")):
        if score is not None and not _finite([score.outputs]):
            diverged = f"an output for the {name} samples left the range of a double"
    return Result(
        case, training.kernel, training.updates, epochs, blocks, curve,
        training.weights, training.biases, scored, validated, diverged, training.outputs,
    )  # fmt: skip


def _run(
    training: Training, total: int, records: Sequence[Sums], advance: Callable[[int], None]
) -> str:
    """Make all updates; return what went wrong, or nothing."""
    made, count = 0, 1
    while made < total:
        count = min(count, total - made)
        started = time.perf_counter()
        errors = np.asarray(training.run_updates(count), dtype=np.float64)
        within = errors <= LARGEST  # not a number is not within
        good = count if bool(np.all(within)) else int(np.argmin(within))
        for record in records:
            record.add(errors[:good])
        if good < count:
            what = "is no number" if math.isnan(errors[good]) else f"grew beyond {LARGEST:g}"
            return f"E {what} at update {made + good + 1:,}"
        made += count
        advance(count)
        seconds = time.perf_counter() - started
        if seconds < _SHORT:
            count *= 2
        elif seconds > _LONG:
            count = max(count // 2, 1)
    for record in records:
        record.finish()
    return ""


def _finite(arrays: Sequence[Floats]) -> bool:
    return all(bool(np.all(np.isfinite(array))) for array in arrays)


def _scores(case: Case, training: Training) -> tuple[Score | None, Score | None]:
    validation = _score(case, training, case.validation) if case.validation else None
    return _score(case, training, case.samples), validation


def _score(case: Case, training: Training, samples: Sequence[Sample]) -> Score:
    inputs = np.array([sample.input for sample in samples], dtype=np.float64)
    targets = np.array([sample.target for sample in samples], dtype=np.float64)
    outputs = np.concatenate(
        [
            np.asarray(training.outputs(inputs[start : start + _ENOUGH_SAMPLES]))
            for start in range(0, len(inputs), _ENOUGH_SAMPLES)
        ]
    )
    errors = sample_errors(case.loss, outputs, targets)
    total = float(np.sum(errors))
    if math.isfinite(total):
        total = math.fsum(errors.tolist())
    found = accuracy(outputs, targets)
    return Score(len(samples), total / len(samples), total, found, outputs, targets)


_STEPS = 10_000


def draw_weights(network: Network, seed: int) -> Network:
    """Return the network with weights, and biases where it has them, drawn anew.

    Args:
        network: its weights count for nothing; they may be empty.
        seed: 0 or more; the same seed gives the same numbers.
    """
    generator = random.Random(seed)  # noqa: S311 - no secret

    def number() -> float:
        return (math.floor(generator.random() * (2 * _STEPS - 1)) - _STEPS + 1) / _STEPS

    return fill_network(network, number)


def fill_network(network: Network, number: Callable[[], float]) -> Network:
    """Return the network with other numbers: layer by layer and row by row, biases last."""

    def vector(count: int) -> Vector:
        return tuple(number() for _ in range(count))

    pairs = itertools.pairwise(network.nodes)
    weights = tuple(tuple(vector(m) for _ in range(n)) for n, m in pairs)
    biases = None if network.biases is None else tuple(map(vector, network.nodes[1:]))
    return replace(network, weights=weights, biases=biases)


HIDDEN_NODES, MAX_HIDDEN = 4, 10_000
DEFAULT_SEED = 1
"""Where there is no case, there are no weights to start from: they are drawn."""


def series_case(inputs: int, hidden: int = HIDDEN_NODES) -> Case:
    """Return the set-up of the series: one hidden layer, one output, logistic, LR 1, no biases.

    Its weights are still to be drawn and it has no samples.
    """
    if hidden > MAX_HIDDEN:
        raise InputError(
            "a number too large to be meant", place="--hidden", remedy=f"up to {MAX_HIDDEN:,}"
        )
    network = Network((inputs, hidden, 1), ("logistic", "logistic"), weights=())
    return Case(
        id="series-set-up",
        title=f"The set-up of the series: {inputs}-{hidden}-1, logistic, no biases",
        network=network,
        loss="half_squared_error",
        samples=(),
    )


def change_case(
    case: Case,
    *,
    epochs: int | None = None,
    learning_rate: float | None = None,
    seed: int | None = None,
) -> Case:
    """Return the case with other epochs, another learning rate or drawn weights.

    Raises:
        CaseError: its list of learning rates does not fit the number of updates.
    """
    if epochs is not None:
        if epochs > MAX_EPOCHS:
            raise InputError(
                "a number too large to be meant", place="--epochs", remedy=f"up to {MAX_EPOCHS:,}"
            )
        case = replace(case, epochs=epochs)
    if learning_rate is not None:
        case = replace(case, learning_rate=learning_rate)
    if seed is not None:
        case = replace(case, network=draw_weights(case.network, seed))
    check_rates(case, remedy="give one number with --learning-rate")
    return case
